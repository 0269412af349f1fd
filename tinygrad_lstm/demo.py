"""The main job on real data: two networks, and their gradients beside derivations by hand.

Only the command line uses this module. The printed text is the result.
"""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from . import nn, optim
from .check.compare import compare
from .check.report import Report
from .data import sunspots
from .derivations import gomez, question
from .drawing.draw import draw
from .drawing.render import Picture
from .engine.differentiate import grad
from .engine.primitives import sigmoid
from .engine.tensor import Tensor
from .network.signals import signals

STEPS, CELLS = 3, 4
LAST_TRAINING_YEAR = 1920
SEEDS, EPOCHS = (0, 1, 2), 1500
BAR = 0.75  # of the persistence forecast's error


def run(out: Path) -> bool:
    """Run the whole demonstration, and return whether every comparison held.

    Parameters
    ----------
    out : Path
        The folder for the pictures; a missing folder is created.
    """
    out.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    agrees = [_gomez(out, paths), _question(out, paths), _training(out, paths)]
    _heading("New files")
    for path in paths:
        print(f"  {path}")
    print("\nEverything agrees." if all(agrees) else "\nSomething does not agree; see above.")
    return all(agrees)


# --- Gomez's example ------------------------------------------------------------------------------


def gomez_network() -> tuple[nn.LSTM, Tensor, Tensor, Tensor]:
    """Build Gomez's network from primitives.

    Returns
    -------
    lstm, x (2, 2), out (2, 1), loss
    """
    numbers = gomez.GIVEN
    lstm = nn.LSTM(2, 1)
    lstm.W.data = np.transpose([numbers[f"W_{gate}"] for gate in gomez.GATES])
    lstm.U.data = [[numbers[f"U_{gate}"] for gate in gomez.GATES]]
    lstm.b.data = [numbers[f"b_{gate}"] for gate in gomez.GATES]
    x = Tensor([numbers["x_0"], numbers["x_1"]], requires_grad=True, name="x")
    zeros = [Tensor([0.0], requires_grad=True) for _ in range(2)]
    out, _ = lstm(x, state=(zeros[0], zeros[1]))
    loss = nn.squared_error(out, [[numbers["label_0"]], [numbers["label_1"]]])
    return lstm, x, out, loss


def gomez_numbers() -> dict[str, float]:
    """Return the numbers of the tape that Gomez prints, after one backward pass and one update.

    Returns
    -------
    dict of the 66 names of ``gomez.PRINTED``
    """
    lstm, x, out, loss = gomez_network()
    by_name = signals(loss)

    def δ(name: str) -> float:
        gradient = by_name[f"lstm.{name}"].gradient
        assert gradient is not None
        return float(gradient.item())

    numbers = {"Δout_-1": δ("out[-1]")}
    from_loss = grad(loss, out).data  # through the branch of out's fork that leads to the loss
    for t in range(2):
        for name in (*gomez.GATES, "state", "out"):
            numbers[f"{name}_{t}"] = by_name[f"lstm.{name}[{t}]"].value.item()
        for name in ("state", "out"):
            numbers[f"δ{name}_{t}"] = δ(f"{name}[{t}]")
        for gate in gomez.GATES:
            numbers[f"δ{gate}_{t}"] = δ(f"s_{gate}[{t}]")
        numbers[f"Δ_{t}"] = from_loss[t].item()
    loss.backward()
    for t in range(2):
        numbers[f"δx_{t}[0]"], numbers[f"δx_{t}[1]"] = _gradient(x)[t]
    numbers["Δout_1"] = numbers["δout_1"] - numbers["Δ_1"]
    numbers["Δout_0"] = numbers["Δout_0 (used)"] = numbers["δout_0"] - numbers["Δ_0"]
    before = {name: _gradient(leaf) for name, leaf in lstm.named_parameters()}
    optim.SGD(lstm.parameters(), lr=gomez.GIVEN["lr"]).step()
    for table, mark, suffix in ((before, "δ", ""), (lstm.state_dict(), "", " new")):
        for position, gate in enumerate(gomez.GATES):
            numbers[f"{mark}W_{gate}[0]{suffix}"] = float(table["W"][0, position])
            numbers[f"{mark}W_{gate}[1]{suffix}"] = float(table["W"][1, position])
            numbers[f"{mark}U_{gate}{suffix}"] = float(table["U"][0, position])
            numbers[f"{mark}b_{gate}{suffix}"] = float(table["b"][position])
    return numbers


def _gomez(out: Path, paths: list[Path]) -> bool:
    _heading("1. Gomez's numerical example: the 66 printed numbers, and the tape's")
    tape, hand = gomez_numbers(), gomez.evaluate()
    verdicts = {name: gomez.judge(name, tape[name]) for name in gomez.PRINTED}
    print(f"  {'':14} {'printed':>9}  {'tape':>22}")
    for name, digits in gomez.PRINTED.items():
        note = "" if verdicts[name] == "right" else verdicts[name]
        print(f"  {name:14} {digits:>9}  {tape[name]:>22.17f}  {note}".rstrip())
    difference = max(abs(tape[name] - hand[name]) for name in gomez.PRINTED)
    counts = Counter(verdicts.values())
    print(f"\n  {counts['right']} are right to the printed digits.")
    print(f"  {counts['rounded on the way']} are off by the author's rounding on the way:")
    print("  these follow from the numbers that the author printed before them.")
    for name in (name for name, verdict in verdicts.items() if verdict == "wrong"):
        print(f"  One is wrong: {name} is printed {gomez.PRINTED[name]}; it is {tape[name]:.7f},")
        print(f"  and the author's printed numbers give {gomez.follow(name):.7f}.")
    print(f"  The tape and the author's equations differ by at most {difference:.1e}.")
    picture = draw(gomez_network()[3], view="both", values=1, title="Gomez's example at k = 1")
    _save(picture, out / "gomez", paths)
    return difference <= 1e-12 and counts["wrong"] == 1


# --- the question's network -----------------------------------------------------------------------


def windows() -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Cut the sunspot numbers into windows, divided by the largest number of the training years.

    Yields
    ------
    x, y : (3, B, 1), (3, B, 1)
        The numbers of three years in a row, and of the year after each of the three. First come
        the windows that end in a training year, then the windows that end later.
    """
    years, numbers = sunspots()
    scaled = numbers / numbers[years <= LAST_TRAINING_YEAR].max()
    starts = np.arange(len(years) - STEPS)
    is_training = years[starts + STEPS] <= LAST_TRAINING_YEAR
    for mask in (is_training, ~is_training):
        rows = starts[mask] + np.arange(STEPS)[:, None]
        yield scaled[rows][..., None], scaled[rows + 1][..., None]


def question_network(seed: int = 0) -> tuple[nn.LSTM, nn.Dense]:
    """Build the question's network: an LSTM of 4 cells, and a dense layer 4 → 1 with a sigmoid."""
    return nn.LSTM(1, CELLS, seed=seed), nn.Dense(CELLS, 1, sigmoid, seed=seed + 1)


def question_report(
    x: np.ndarray, y: np.ndarray
) -> tuple[Tensor, Report, Report, dict[str, np.ndarray]]:
    """Compare the gradients of the question's network with the derivation and the asker's formulas.

    Parameters
    ----------
    x, y : (3, 1)

    Returns
    -------
    loss, report on the derivation, report on the asker's formulas, all gradients by hand
    """
    lstm, dense = question_network()
    signal = Tensor(x, requires_grad=True, name="x")
    out, _ = lstm(signal)
    loss = nn.squared_error(dense(out), y)
    loss.backward()
    weights = {
        "W": lstm.W.numpy(), "U": lstm.U.numpy(), "v": lstm.b.numpy(),
        "w": dense.W.numpy(), "b": dense.b.numpy(),
    }  # fmt: skip
    hand = question.backward(x, y, weights)
    names = {
        "dense.z": "δz", "dense.W": "dw", "dense.b": "db", "lstm.out": "δout",
        "lstm.state": "δstate", "lstm.s_a": "δa", "lstm.s_i": "δi", "lstm.s_f": "δf",
        "lstm.s_o": "δo", "lstm.W": "dW", "lstm.U": "dU", "lstm.b": "dv", "x": "dx",
    }  # fmt: skip
    report = compare(loss, {name: hand[letter] for name, letter in names.items()})
    asker = question.asker_formulas(x, y, weights)
    asker_report = compare(loss, [("dense.z", asker["E_0"]), ("dense.W", asker["dw_0"])])
    return loss, report, asker_report, hand | asker


def _question(out: Path, paths: list[Path]) -> bool:
    _heading("2. The question's network, LSTM then dense, on three years of sunspot numbers")
    x, y = next(windows())
    loss, report, asker_report, hand = question_report(x[:, 0], y[:, 0])
    print(f"  1700–1702 in, 1701–1703 out; ½ Σ (ŷ - y)² = {loss.item():.6f}. One backward(),")
    print("  and every gradient beside the gradient derived by hand:\n")
    print(textwrap.indent(str(report), "  "))
    print("\n  The asker's own formulas:\n")
    print(textwrap.indent(str(asker_report), "  "))
    dw, dw_0, dz = (hand[name].ravel() for name in ("dw", "dw_0", "δz"))
    print(f"\n  dw   = Hᵀ δz   = {_row(dw)}     one number for each of the 4 weights")
    print(f"  dw_0 = E_0 ∘ ŷ = {_row(dw_0)}              one number for each of the 3 steps")
    print(
        "  dw_0 has the layer's output ŷ where the layer's input H belongs, and an entrywise\n"
        "  product where the matrix product Hᵀ· belongs. So dw_0 has no sum over the steps.\n"
    )
    answers = {
        "Are the two stages updated separately?": (
            "No. One backward() computes all gradients with the old weights, so the order of the "
            "updates does not matter. The same loss "
            f"{loss.item():.6f} changes dense.W and lstm.U."
        ),
        "Are E_0 and dw_0 right?": (
            f"E_0 is right: E_0 is δz = {_row(dz)}. dw_0 is wrong: dw is Hᵀ δz, of shape (4, 1)."
        ),
        "Where does δh_t come from, when the LSTM has no target?": (
            "From the dense layer, δH = δz wᵀ, and from the next step. At the first step, "
            f"{_row(hand['δH'][0])} of δout = {_row(hand['δout'][0])} comes from the dense layer."
        ),
    }
    for line in map(" ".join, answers.items()):
        print(textwrap.fill(line, 88, initial_indent="  ", subsequent_indent="    "))
    picture = draw(loss, view="both", title="The question's network")
    _save(picture, out / "question", paths)
    return report.ok and [row.ok for row in asker_report.rows] == [True, False]


# --- training it ----------------------------------------------------------------------------------


def _training(out: Path, paths: list[Path]) -> bool:
    _heading("3. Training it on 1700–1920, forecasting 1921–2008")
    (x, y), (later_x, later_y) = windows()
    persistence = _rms(later_x[-1] - later_y[-1])
    is_below_bar = []
    for seed in SEEDS:
        losses, norms, forecast = train(seed, x, y, later_x, EPOCHS)
        error = _rms(forecast[-1] - later_y[-1])
        is_below_bar.append(error <= BAR * persistence)
        print(
            f"  seed {seed}: loss {losses[0]:.3f} → {losses[-1]:.3f}; the error of the forecast is "
            f"{error / persistence:.2f} of the error of “next year equals this year”"
        )
        if seed == SEEDS[0]:
            first = losses, norms
    path = _plot(*first, out / "training.png")
    if path is not None:
        paths.append(path)
    return all(is_below_bar)


def train(
    seed: int, x: np.ndarray, y: np.ndarray, later_x: np.ndarray, epochs: int
) -> tuple[list[float], dict[str, list[float]], np.ndarray]:
    """Train the question's network, and forecast.

    Parameters
    ----------
    x, y : (3, B, 1)
    later_x : (3, C, 1)
    epochs : int

    Returns
    -------
    losses : one number per epoch
    norms : for each parameter, the norm of the gradient, one number per epoch
    forecast : (3, C, 1)
    """
    lstm, dense = question_network(seed)
    network = nn.Sequential(lstm, dense)
    update = optim.Adam(network.parameters(), lr=0.02)
    losses: list[float] = []
    norms: dict[str, list[float]] = {name: [] for name, _ in network.named_parameters()}
    for _ in _progress(range(epochs), f"  training, seed {seed}"):
        update.zero_grad()
        loss = nn.squared_error(network(x), y)
        loss.backward()
        losses.append(loss.item())
        for name, parameter in network.named_parameters():
            norms[name].append(float(np.linalg.norm(_gradient(parameter))))
        update.step()
    return losses, norms, network(later_x).numpy()


def _plot(losses: list[float], norms: dict[str, list[float]], path: Path) -> Path | None:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("  (no plot without matplotlib: pip install 'tinygrad-lstm[demo]')")
        return None
    figure = Figure(figsize=(8, 6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    above.semilogy(losses, color="black")
    above.set(ylabel="½ Σ (ŷ - y)²", title="The question's network on the sunspots, 1700–1920")
    styles = ("-", "--", ":", "-.", (0, (5, 1, 1, 1)))
    for (name, values), style in zip(norms.items(), styles, strict=True):
        below.semilogy(values, label=name, linestyle=style)
    below.set(xlabel="epoch", ylabel="norm of the gradient")
    below.legend(ncols=5, loc="upper right")
    figure.savefig(path, dpi=120)
    return path


# --- printing and saving --------------------------------------------------------------------------


def _save(picture: Picture, stem: Path, paths: list[Path]) -> None:
    paths.extend(picture.save(stem.with_suffix(suffix)) for suffix in (".png", ".svg"))


def _progress(steps: range, title: str) -> Iterator[int]:
    try:
        from tqdm import tqdm
    except ImportError:
        return iter(steps)
    return iter(tqdm(steps, desc=title, leave=False, disable=None))


def _gradient(leaf: Tensor) -> np.ndarray:
    assert leaf.grad is not None
    return leaf.grad


def _heading(text: str) -> None:
    print(f"\n{text}\n{'=' * len(text)}\n")


def _row(numbers: np.ndarray) -> str:
    return "(" + ", ".join(f"{number:.4f}" for number in numbers) + ")"


def _rms(difference: np.ndarray) -> float:
    return float(np.sqrt(np.mean(difference**2)))
