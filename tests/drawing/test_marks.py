"""Numbers on pictures: those that Gomez printed, |δ| as colour and width, and marked signals."""

import numpy as np
import pytest

import tinygrad_lstm as tg
from support.networks import network
from support.pictures import arrows, labels, legend, nodes, size
from tinygrad_lstm import gallery
from tinygrad_lstm.derivations.gomez import GATES, PRINTED
from tinygrad_lstm.drawing.marks import HEAT, number
from tinygrad_lstm.drawing.wan import MARK
from tinygrad_lstm.errors import ArgumentError, SignalError, UsageError


def value(text):
    """Return the number, or the length of the numbers, that a line says."""
    entries = [float(each) for each in text.strip("()‖").replace("−", "-").split()]
    return entries[0] if len(entries) == 1 else np.array(entries)


def is_number(text):
    try:
        value(text)
    except ValueError:
        return False
    return True


def numbers(dot):
    """Return the number at each arrow by the name on it, or of what it comes from or ends in."""
    found = {}
    node = {each.id: each for each in nodes(dot)}
    for arrow in arrows(dot):
        if arrow.lines and is_number(arrow.lines[-1]):
            names = {arrow.lines[0], node[arrow.tail].lines[0]}
            if node[arrow.head].look["shape"] == "plaintext":
                names.add(node[arrow.head].lines[0])
            found |= {name: value(arrow.lines[-1]) for name in names - found.keys()}
    return found


def drawn(**options):
    return tg.draw(gallery.gomez(), **{"digits": 4} | options).dot


def as_printed(text):
    # he rounded on the way, at most by 3.4e-5; a picture shows four digits
    return pytest.approx(np.array([float(each) for each in text]).squeeze(), rel=5e-4, abs=4e-5)


# --- values ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [0, 1])
@pytest.mark.parametrize("name", [*GATES, "state", "out"])
def test_signals_are_those_that_gomez_printed(name, step):
    assert numbers(drawn(values=step))[f"{name}(k)"] == as_printed([PRINTED[f"{name}_{step}"]])


@pytest.mark.parametrize("step", [0, 1])
@pytest.mark.parametrize("name", [*(f"s_{gate}" for gate in GATES), "state", "out"])
def test_δ_is_that_which_gomez_printed(name, step):
    printed = PRINTED[f"δ{name.removeprefix('s_')}_{step}"]
    assert numbers(drawn(view="adjoint", values=step))[f"δ{name}(k)"] == as_printed([printed])


@pytest.mark.parametrize("step", [0, 1])
def test_the_ends_of_the_adjoint_are_those_that_gomez_printed(step):
    found = numbers(drawn(view="adjoint", values=step))
    assert found["δx(k)"] == as_printed([PRINTED[f"δx_{step}[{entry}]"] for entry in (0, 1)])
    assert found["∂L/∂out(k)"] == as_printed([PRINTED[f"Δ_{step}"]])


@pytest.mark.parametrize("step", [0, 1])
def test_a_bias_s_δ_stands_at_the_bias(step):
    lines = {node.lines[0]: node.lines for node in nodes(drawn(view="adjoint", values=step))}
    for gate in GATES:
        assert value(lines[f"δb_{gate}"][-1]) == as_printed([PRINTED[f"δ{gate}_{step}"]])


def test_without_values_there_are_no_numbers():
    for none in (None, False):
        dot = drawn(view="both", values=none)
        lines = [line for part in (*arrows(dot), *nodes(dot)) for line in part.lines]
        assert not any(map(is_number, lines))
    assert size(dot)[:2] == size(drawn(view="both", values=1))[:2]


def test_where_there_are_steps_one_must_be_said():
    with pytest.raises(UsageError, match=r"say of which step .*values=0"):
        drawn(values=True)


@pytest.mark.parametrize("step", [2, -1, "1", 0.5], ids=repr)
def test_a_step_out_of_range_names_the_range(step):
    with pytest.raises(ArgumentError, match=rf"no step {step!r}; the steps are 0 to 1"):
        drawn(values=step)


def test_without_steps_values_are_true():
    x = tg.Tensor([0.5, -1.0], requires_grad=True, name="x")
    found = numbers(tg.draw(tg.tanh(x), values=True).dot)
    assert found["x"] == pytest.approx(x.numpy())
    assert found["tanh"] == pytest.approx(np.tanh(x.numpy()), rel=1e-3)


@pytest.mark.parametrize(
    ("array", "text"),
    [(np.array(-0.5), ["−0.5"]), (np.array([[2.0]]), ["2"]), (np.array([1.0, -2.0]), ["(1 −2)"]),
     (np.full(3, 0.25), ["(0.25 0.25", "0.25)"]), (np.ones(9), ["‖3‖"]), (None, [])],
    ids=["number", "one entry", "some", "three", "many", "none"],
)  # fmt: skip
def test_an_array_is_written_out_if_itis_small(array, text):
    assert number(array) == text


# --- heat -----------------------------------------------------------------------------------------


@pytest.fixture
def hot():
    """Return |δ| and colour of each arrow that says its number."""
    dot = drawn(view="adjoint", heat=True, values=1)
    told = [each for each in arrows(dot) if each.lines and is_number(each.lines[-1])]
    return sorted(
        (float(np.linalg.norm(value(each.lines[-1]))), HEAT.index(each.look["color"]))
        for each in told
    )


def test_the_larger_δ_the_darker(hot):
    _, colors = zip(*hot)
    assert list(colors) == sorted(colors)
    assert colors[0] == 0 and colors[-1] == len(HEAT) - 1
    assert all(color == 0 for size, color in hot if size == 0)


def test_colours_get_darker():
    shades = [sum(int(color[at : at + 2], 16) for at in (1, 3, 5)) for color in HEAT]
    assert shades == sorted(shades, reverse=True) and len(set(shades)) == len(HEAT)


def test_the_legend_says_what_the_colours_mean(hot):
    words = " ".join(legend(drawn(view="adjoint", heat=True, values=1)))
    assert "numbers: the signals and the δ of step 1, 4 digits" in words
    least, most = (min(size for size, *_ in hot if size), max(hot)[0])
    assert f"from {least:.2g} (pale) to {most:.2g} (dark)" in words


def test_what_no_δ_comes_back_to_is_not_hot():
    x = tg.Tensor([1.0, 2.0], name="x", requires_grad=True)
    dot = tg.draw(tg.tanh(x + 1.0), view="adjoint", heat=True).dot
    ends = {node.id: "".join(node.lines) for node in nodes(dot)}
    colors = {ends[each.head]: each.look["color"] for each in arrows(dot)}
    assert colors["1"] == "none" and colors["δx"] in HEAT


# --- marks ----------------------------------------------------------------------------------------


def marked(**options):
    dot = drawn(**options)
    return [part.lines for part in (*nodes(dot), *arrows(dot)) if part.look.get("color") == MARK]


@pytest.mark.parametrize(
    "names", [["lstm.state"], "lstm.state", ("lstm.state(k)",), iter(["lstm.state"])],
    ids=["all steps", "one name", "step k", "any iterable"],
)  # fmt: skip
def test_a_signal_is_marked(names):
    assert ["state(k)"] in marked(highlight=names)


def test_nothing_else_is_marked():
    found = marked(highlight=["lstm.state"], view="forward")
    lines = {line for each in found for line in each} - {"Σ", "●", "q⁻¹"}
    assert lines == {"state(k)", "state(k−1)", "state[−1]"}
    assert marked() == []


def test_one_step_of_an_unrolled_network_is_marked():
    assert ["state[0]"] in marked(highlight=["lstm.state[0]"], fold=False)
    assert ["state[1]"] not in marked(highlight=["lstm.state[0]"], fold=False)
    assert ["state[1]"] in marked(highlight=["lstm.state"], fold=False)


@pytest.mark.parametrize("name", ["lstm.stat", "LSTM.state", "state"])
def test_an_unknown_name_gets_the_nearest(name):
    with pytest.raises(SignalError, match=rf"no signal is called '{name}'; .*lstm\.state"):
        marked(highlight=[name])


def test_a_name_with_brackets_is_marked():
    x, h = tg.Tensor([1.0, 2.0], requires_grad=True, name="speed (m/s)"), tg.Tensor(0.0)
    for k in tg.steps(len(x)):
        h = tg.tanh(h + x[k])
    dot = tg.draw(h, highlight="speed (m/s)").dot
    found = [node.lines for node in nodes(dot) if node.look.get("color") == MARK]
    assert found == [["speed (m/s)(k)"]]


@pytest.mark.parametrize(("name", "arrows"), [("dense.W", 1), ("lstm.U.i", 1), ("lstm.W", 4)])
def test_a_weight_is_marked_on_its_arrows(name, arrows):
    lstm, dense = tg.nn.LSTM(2, 3, seed=0), tg.nn.Dense(3, 1, seed=0)
    loss = tg.nn.squared_error(dense(lstm(np.ones((3, 2)))[0]), np.zeros((3, 1)))
    marked = {each.id for each in labels(tg.draw(loss, highlight=name).dot)
              if each.look.get("color") == MARK}  # fmt: skip
    assert len(marked) == arrows


@pytest.mark.filterwarnings("ignore:overflow")
@pytest.mark.parametrize("value", [np.inf, np.nan, 1e300])
def test_a_gradient_that_is_no_number_is_as_dark_as_any(value):
    x = tg.Tensor([value, 1.0], requires_grad=True, name="x")
    drawn = tg.draw(tg.sum(x * x), view="adjoint", heat=True, values=True).dot
    assert HEAT[-1] in drawn


def recurrence(T=3):
    rng = np.random.default_rng(3)
    W, h = tg.Tensor(rng.normal(size=(2, 2)), True, name="W"), tg.Tensor(np.zeros(2))
    x = rng.normal(size=(T, 2))
    for k in tg.steps(T):
        h = tg.tanh(x[k] + h @ W)
        h.name = "h"
    return W, (h * h).sum()


def test_the_legend_says_what_is_orange_and_which_mistake_it_is():
    W, loss = recurrence()
    loss.backward()
    seen = legend(tg.draw(loss, highlight=["W", "h"]).dot)
    assert seen[-1] == "orange: W, h" and not any("orange" in x for x in legend(tg.draw(loss).dot))
    report = tg.compare(loss, {"W": 2 * W.grad})
    seen = legend(tg.draw(report).dot)
    place = report.evidence[0].plain_names[report.best[0].where]
    assert (report.best[0].where, place) == ("loss", "sum")
    assert f"orange: {place}, made wrong by the mistake" in seen
    assert f"mistake: {report.best[0].says}" in " ".join(seen)


def test_the_picture_of_a_report_says_the_first_wrong_step():
    _, loss = recurrence()
    step = tg.signals(loss)["h[1]"].gradient
    report = tg.compare(loss, {"h[1]": np.where(step == step.max(), 7.0, step)})
    dot = tg.draw(report).dot
    assert "first wrong: h[1]: adjoint network" in dot
    assert any(x.startswith("first wrong: h[1] at (") for x in legend(dot))
    assert "exercise 3: adjoint network" in tg.draw(report, title="exercise 3").dot
    right = tg.compare(loss, {"h[1]": step})
    assert "first wrong" not in tg.draw(right).dot


@pytest.mark.parametrize("mistake", ["df = dstate * state[k]", "do = dout * state[k]"])
def test_a_report_marks_the_signal_at_which_the_mistake_was_made(mistake):
    """Not the weights whose gradients are wrong because of the mistake."""
    loss, _ = network()
    derivation = tg.derive(loss)
    left = mistake.partition(" =")[0]
    lines = [mistake if x.strip().startswith(f"{left} =") else x.strip("\n")
             for x in derivation.numpy().splitlines()]  # fmt: skip
    lines = ["        " + x if x == mistake else x for x in lines]
    program = {}
    exec("\n".join(lines), program)
    _, signals = program["forward"](**derivation.arrays())
    report = tg.compare(loss, program["backward"](**signals))
    signal = f"lstm.{left[1:]}(k)"
    assert report.best[0].where == signal
    assert f"orange: {signal}, made wrong by the mistake" in " ".join(legend(tg.draw(report).dot))
    marked = [x for x in tg.draw(report).dot.splitlines() if "penwidth=3" in x]
    assert marked == [x for x in tg.draw(loss, view="adjoint", highlight=signal).dot.splitlines()
                      if "penwidth=3" in x]  # fmt: skip


def test_a_mistake_in_the_loss_marks_the_first_wrong_signal():
    """The loss is left out of a picture."""
    W, loss = recurrence()
    y = tg.nn.squared_error(loss, 0.5)
    y.backward()
    seen = legend(tg.draw(tg.compare(y, {"W": 2 * W.grad})).dot)
    assert "orange: W, the first wrong gradient" in seen


@pytest.mark.parametrize("count", [1, 2])
def test_what_a_step_reads_is_marked_by_the_name_of_the_whole(count):
    x = tg.Tensor(np.ones((count, 3)), requires_grad=True, name="x")
    loss = 0.0
    for k in tg.steps(count):
        loss = loss + tg.sum(tg.tanh(x[k]))
    loss.backward()
    tg.draw(tg.compare(loss, {"x": -x.grad}), fold=False)
    tg.draw(tg.compare(loss, {"x": -x.grad}))


# --- digits, and the size limit -------------------------------------------------------------------


@pytest.mark.parametrize("digits", [1, 2, 5])
def test_numbers_have_as_many_digits_as_asked(digits):
    x = tg.Tensor([1 / 3, -200 / 3], requires_grad=True, name="x")
    dot = tg.draw(tg.tanh(x), values=True, digits=digits).dot
    written = next(arrow.lines[-1] for arrow in arrows(dot) if arrow.lines)
    assert written == f"({1 / 3:.{digits}g} {-200 / 3:.{digits}g})".replace("-", "−")
    assert any(f"{digits} digits" in line for line in legend(dot))


@pytest.mark.parametrize(("entries", "is_norm"), [(1, True), (2, False), (5, False)])
def test_a_signal_of_more_entries_than_asked_has_its_norm_and_the_legend_says_so(entries, is_norm):
    x = tg.Tensor([3.0, -4.0], requires_grad=True, name="x")
    dot = tg.draw(tg.tanh(x), values=True, entries=entries).dot
    lines = [line for arrow in arrows(dot) for line in arrow.lines]
    assert ("‖5‖" in lines, "(3 −4)" in lines) == (is_norm, not is_norm)
    assert is_norm == any(f"√Σ v² of more than {entries} entries" in line for line in legend(dot))


def test_a_small_range_of_δ_is_not_stretched_over_all_colours():
    x = tg.Tensor([0.5], requires_grad=True, name="x")
    dot = tg.draw(tg.sum(1.2 * (1.5 * x + tg.sin(x))), view="adjoint", heat=True).dot
    levels = {
        HEAT.index(arrow.look["color"]) for arrow in arrows(dot) if arrow.look["color"] in HEAT
    }
    assert len(HEAT) - 1 in levels and min(levels) >= len(HEAT) - 2
