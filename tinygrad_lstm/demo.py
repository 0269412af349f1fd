"""The main job on real input: two networks, one backward pass each, held against derivations.

Known by the command line alone. What it prints is meant to be read.
"""

from __future__ import annotations

import textwrap
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
        The folder for the pictures; made if missing.
    """
    out.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    good = [_gomez(out, written), _question(out, written), _training(out, written)]
    _heading("Files written")
    for path in written:
        print(f"  {path}")
    print("\nEverything agrees." if all(good) else "\nSomething does not agree; see above.")
    return all(good)


# --- Gomez's example ------------------------------------------------------------------------------


def gomez_network() -> tuple[nn.LSTM, Tensor, Tensor, Tensor]:
    """Build Gomez's network from primitives.

    Returns
    -------
    lstm, x (2, 2), out (2, 1), loss
    """
    given = gomez.GIVEN
    lstm = nn.LSTM(2, 1)
    lstm.W.data = np.transpose([given[f"W_{gate}"] for gate in gomez.GATES])
    lstm.U.data = [[given[f"U_{gate}"] for gate in gomez.GATES]]
    lstm.b.data = [given[f"b_{gate}"] for gate in gomez.GATES]
    x = Tensor([given["x_0"], given["x_1"]], requires_grad=True, name="x")
    zeros = [Tensor([0.0], requires_grad=True) for _ in range(2)]
    out, _ = lstm(x, state=(zeros[0], zeros[1]))
    loss = nn.squared_error(out, [[given["label_0"]], [given["label_1"]]])
    return lstm, x, out, loss


def gomez_numbers() -> dict[str, float]:
    """Read all that Gomez prints off the tape, after one backward pass and one update.

    Returns
    -------
    dict of the 66 names of ``gomez.PRINTED``
    """
    lstm, x, out, loss = gomez_network()
    known = signals(loss)
    value = {name: signal.value for name, signal in known.items()}

    def δ(name: str) -> np.ndarray:
        gradient = known[f"lstm.{name}"].gradient
        assert gradient is not None
        return gradient

    found = {"Δout_-1": δ("out[-1]").item()}
    shares = grad(loss, out).data  # the branch of out's fork that goes into the loss
    for t in range(2):
        for name in (*gomez.GATES, "state", "out"):
            found[f"{name}_{t}"] = value[f"lstm.{name}[{t}]"].item()
        for name in ("state", "out"):
            found[f"δ{name}_{t}"] = δ(f"{name}[{t}]").item()
        for gate in gomez.GATES:
            found[f"δ{gate}_{t}"] = δ(f"s_{gate}[{t}]").item()
        found[f"Δ_{t}"] = shares[t].item()
    loss.backward()
    for t in range(2):
        found[f"δx_{t}[0]"], found[f"δx_{t}[1]"] = _gradient(x)[t]
    found["Δout_1"] = found["δout_1"] - found["Δ_1"]
    found["Δout_0"] = found["Δout_0 (used)"] = found["δout_0"] - found["Δ_0"]
    before = {name: _gradient(each) for name, each in lstm.named_parameters()}
    optim.SGD(lstm.parameters(), lr=gomez.GIVEN["lr"]).step()
    for table, mark, suffix in ((before, "δ", ""), (lstm.state_dict(), "", " new")):
        for position, gate in enumerate(gomez.GATES):
            found[f"{mark}W_{gate}[0]{suffix}"] = float(table["W"][0, position])
            found[f"{mark}W_{gate}[1]{suffix}"] = float(table["W"][1, position])
            found[f"{mark}U_{gate}{suffix}"] = float(table["U"][0, position])
            found[f"{mark}b_{gate}{suffix}"] = float(table["b"][position])
    return found


def _gomez(out: Path, written: list[Path]) -> bool:
    _heading("1. Gomez's numerical example: the 66 printed numbers, and the tape's")
    tape, hand = gomez_numbers(), gomez.evaluate()
    verdicts = {name: gomez.judge(name, tape[name]) for name in gomez.PRINTED}
    print(f"  {'':14} {'printed':>9}  {'tape':>22}")
    for name, printed in gomez.PRINTED.items():
        note = "" if verdicts[name] == "right" else verdicts[name]
        print(f"  {name:14} {printed:>9}  {tape[name]:>22.17f}  {note}".rstrip())
    far = max(abs(tape[name] - hand[name]) for name in gomez.PRINTED)
    agrees = far <= 1e-12
    counts = {what: list(verdicts.values()).count(what) for what in sorted(set(verdicts.values()))}
    print(f"\n  {counts['right']} are right to the printed digits.")
    print(f"  {counts['rounded on the way']} are off by the author's rounding on the way:")
    print("  each follows from the numbers he had printed before it.")
    for name in (name for name, verdict in verdicts.items() if verdict == "wrong"):
        print(f"  One is wrong: {name} is printed {gomez.PRINTED[name]}; it is {tape[name]:.7f},")
        print(f"  and his own printed numbers give {gomez.follow(name):.7f}.")
    print(f"  The tape and his equations, evaluated exactly, differ by at most {far:.1e}.")
    picture = draw(gomez_network()[3], view="both", values=1, title="Gomez's example at k = 1")
    _save(picture, out / "gomez", written)
    return agrees and counts.get("wrong") == 1


# --- the question's network -----------------------------------------------------------------------


def windows() -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Cut the sunspot numbers into windows, scaled by the training years' largest number.

    Yields
    ------
    x, y : (3, B, 1), (3, B, 1)
        The numbers of three years in a row and of each one's next year: those windows that end
        in a training year, then those that end later.
    """
    years, numbers = sunspots()
    scaled = numbers / numbers[years <= LAST_TRAINING_YEAR].max()
    starts = np.arange(len(years) - STEPS)
    for chosen in (
        years[starts + STEPS] <= LAST_TRAINING_YEAR,
        years[starts + STEPS] > LAST_TRAINING_YEAR,
    ):
        rows = starts[chosen] + np.arange(STEPS)[:, None]
        yield scaled[rows][..., None], scaled[rows + 1][..., None]


def question_network(seed: int = 0) -> tuple[nn.LSTM, nn.Dense]:
    """Build the question's network: an LSTM of 4 cells, and a dense layer 4 → 1 with a sigmoid."""
    return nn.LSTM(1, CELLS, seed=seed), nn.Dense(CELLS, 1, sigmoid, seed=seed + 1)


def question_report(x: np.ndarray, y: np.ndarray) -> tuple[Tensor, Report, Report, dict]:
    """Compare every gradient of the question's network with the hand derivation, and the asker's.

    Parameters
    ----------
    x, y : (3, 1)

    Returns
    -------
    loss, report, report on the asker's formulas, the hand derivation
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
    asked = question.as_asked(x, y, weights)
    his = compare(loss, [("dense.z", asked["E_0"]), ("dense.W", asked["dw_0"])])
    return loss, report, his, hand | asked


def _question(out: Path, written: list[Path]) -> bool:
    _heading("2. The question's network, LSTM then dense, on three years of sunspot numbers")
    x, y = next(windows())
    loss, report, his, hand = question_report(x[:, 0], y[:, 0])
    print(f"  1700–1702 in, 1701–1703 out; ½ Σ (ŷ - y)² = {loss.item():.6f}. One backward(),")
    print("  every gradient beside the one derived by hand:\n")
    print(textwrap.indent(str(report), "  "))
    print("\n  The asker's own formulas:\n")
    print(textwrap.indent(str(his), "  "))
    dw, dw_0, dz = (hand[name].ravel() for name in ("dw", "dw_0", "δz"))
    print(f"\n  dw   = Hᵀ δz   = {_row(dw)}     one number for each of the 4 weights")
    print(f"  dw_0 = E_0 ∘ ŷ = {_row(dw_0)}              one for each of the 3 steps")
    print(
        "  It takes the layer's output where its input H belongs, multiplies entry by entry\n"
        "  where Hᵀ· belongs, and so sums over no step.\n"
    )
    answers = {
        "Are the two stages updated separately?": (
            "No. One backward() gives all gradients from the old weights, so the order of the "
            "updates does not matter: dense.W and lstm.U move together, from the same loss "
            f"{loss.item():.6f}."
        ),
        "Are E_0 and dw_0 right?": (
            f"E_0 is: it is δz = {_row(dz)}. dw_0 is not: w needs Hᵀ δz, of shape (4, 1)."
        ),
        "Where does δh_t come from when that layer has no target?": (
            "From the dense layer, which sends back δH = δz wᵀ, and from the next step: at the "
            f"first step {_row(hand['δH'][0])} of δout = {_row(hand['δout'][0])} is the dense "
            "layer's."
        ),
    }
    for asked, answer in answers.items():
        print(textwrap.fill(f"{asked} {answer}", 88, initial_indent="  ", subsequent_indent="    "))
    picture = draw(loss, view="both", title="The question's network")
    _save(picture, out / "question", written)
    formula_differs = [row.ok for row in his.rows] == [True, False]
    return report.ok and formula_differs


# --- training it ----------------------------------------------------------------------------------


def _training(out: Path, written: list[Path]) -> bool:
    _heading("3. Training it on 1700–1920, forecasting 1921–2008")
    (x, y), (later_x, later_y) = windows()
    persistence = _rms(later_x[-1] - later_y[-1])
    below = []
    for seed in SEEDS:
        losses, norms, forecast = train(seed, x, y, later_x)
        error = _rms(forecast[-1] - later_y[-1])
        below.append(error <= BAR * persistence)
        print(
            f"  seed {seed}: loss {losses[0]:.3f} → {losses[-1]:.3f}; next year's error on the "
            f"later years is {error / persistence:.2f} of persistence's"
        )
        if seed == SEEDS[0]:
            first = losses, norms
    path = _plot(*first, out / "training.png")
    if path is not None:
        written.append(path)
    return all(below)


def train(
    seed: int, x: np.ndarray, y: np.ndarray, later_x: np.ndarray, epochs: int = EPOCHS
) -> tuple[list[float], dict[str, list[float]], np.ndarray]:
    """Train the question's network, and forecast.

    Parameters
    ----------
    x, y : (3, B, 1)
    later_x : (3, C, 1)

    Returns
    -------
    losses : one an epoch
    norms : of each parameter's gradient, one an epoch
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
        print("  (no plot: install the extra, pip install 'tinygrad-lstm[demo]')")
        return None
    figure = Figure(figsize=(8, 6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    above.semilogy(losses, color="black")
    above.set(
        ylabel="½ Σ (ŷ - y)²", title="The question's network on the sunspot numbers, 1700–1920"
    )
    for (name, values), style in zip(
        norms.items(), ("-", "--", ":", "-.", (0, (5, 1, 1, 1))), strict=True
    ):
        below.semilogy(values, label=name, linestyle=style)
    below.set(xlabel="epoch", ylabel="norm of the gradient")
    below.legend(ncols=5, loc="upper right")
    figure.savefig(path, dpi=120)
    return path


# --- what it prints with --------------------------------------------------------------------------


def _save(picture: Picture, stem: Path, written: list[Path]) -> None:
    written.extend(picture.save(stem.with_suffix(suffix)) for suffix in (".png", ".svg"))


def _progress(steps: range, what: str) -> Iterator[int]:
    try:
        from tqdm import tqdm
    except ImportError:
        return iter(steps)
    return iter(tqdm(steps, desc=what, leave=False, disable=None))


def _gradient(leaf: Tensor) -> np.ndarray:
    assert leaf.grad is not None
    return leaf.grad


def _heading(text: str) -> None:
    print(f"\n{text}\n{'=' * len(text)}\n")


def _row(numbers: np.ndarray) -> str:
    return "(" + ", ".join(f"{number:.4f}" for number in numbers) + ")"


def _rms(difference: np.ndarray) -> float:
    return float(np.sqrt(np.mean(difference**2)))
