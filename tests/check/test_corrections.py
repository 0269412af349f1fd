"""What is told of a mistake: the right equation, evaluated; the place; the numbers."""

import re
from contextlib import suppress

import numpy as np
import pytest

import tinygrad_lstm as tg
from support import planted
from support.networks import convolution, formula, loop, mlp, recurrence
from tinygrad_lstm.check.corrections import corrections
from tinygrad_lstm.check.diagnosis import Diagnosis
from tinygrad_lstm.check.mistakes import mistakes
from tinygrad_lstm.check.trials import NO_ROOM
from tinygrad_lstm.engine.tensor import Tensor
from tinygrad_lstm.formulas.called import called
from tinygrad_lstm.formulas.columns import WIDTH
from tinygrad_lstm.formulas.equations import DeltaEquations
from tinygrad_lstm.formulas.rewriting import value_without_marks
from tinygrad_lstm.network.signals import Signals
from tinygrad_lstm.network.view import View

CASES = [case for case in planted.CASES if case.where]


class Tape(dict):
    """Every signal's value, and δ of it by the tape alone, by the names in an equation."""

    def __init__(self, loss):
        self.loss, self.signals = loss, Signals(loss)
        view = View(loss, call=called)
        recorded = {place: name for name, place in view.places.at.items()}
        self.recorded = {  # of signals that nobody named, as they are called in equations
            name: recorded.get(place, name) for place, name in DeltaEquations(view).named.items()
        }
        for (wire, step), name in recorded.items():
            text = view.network.maker[wire].name
            self.recorded.setdefault(text.replace("(k)", f"[{step}]"), name)

    def __missing__(self, name):
        self[name] = value = self._value(name)
        return value

    def _value(self, name):
        with suppress(ValueError):
            number = np.array(float(name))  # a number, marked, or a constant of equal entries
            return number if name not in self.recorded else self._found(name, Tensor.numpy)
        if name.startswith("δ"):
            return self._found(name[1:], lambda tensor: tg.grad(self.loss, tensor).numpy())
        return self._found(name, lambda tensor: tensor.numpy())

    def _found(self, name, of):
        name = name if name in self.signals.by_name else self.recorded.get(name, name)
        if name in self.signals.by_name:
            signal = self.signals[name]
            return signal.of(np.asarray(of(signal.tensor)))
        before, step, after = re.fullmatch(r"(.*)\[(\d+)\](.*)", name).groups()
        return self._found(before + after, of)[int(step)]  # recorded for all steps at once


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_the_equation_evaluated_is_the_tape_s_gradient(case):
    report = planted.report(case)
    tape = Tape(report.loss)
    for told in report.corrections:
        value = np.asarray(told.equation.evaluate(tape))
        right = tape[f"δ{told.signal}"]
        np.testing.assert_allclose(np.broadcast_to(value, right.shape), right, rtol=1e-12,
                                   atol=1e-15)  # fmt: skip
        assert told.right == pytest.approx(right[told.at], rel=1e-12) or not told.at


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_what_is_wrong_is_marked(case):
    report = planted.report(case)
    assert len(report.corrections) == sum(len(each.mistakes) for each in report.best[:1])
    for told in report.corrections:
        assert told.text.count("⟨") == told.text.count("⟩") > 0


@pytest.mark.parametrize(
    ("mistake", "equation"),
    [
        ("f-missing", "δlstm.state[2] = δlstm.state[3] ∘ ⟨lstm.f[3]⟩ + δlstm.out[2] ∘ lstm.o[2] ∘ "
         "(1 - tanh(lstm.state[2])²)"),
        ("plus-for-minus", "δlstm.s_a[3] = δlstm.a[3] ∘ ⟨1 - lstm.a[3]²⟩"),
        ("state-carry-dropped", "δlstm.state[2] = ⟨δlstm.state[3] ∘ lstm.f[3]⟩ + δlstm.out[2] ∘ "
         "lstm.o[2] ∘ (1 - tanh(lstm.state[2])²)"),
        ("U-not-transposed", "δlstm.out[2] = δlstm.s_a[3] ⟨lstm.U.a⟩ᵀ + δlstm.s_i[3] ⟨lstm.U.i⟩ᵀ "
         "+ δlstm.s_f[3] ⟨lstm.U.f⟩ᵀ + δlstm.s_o[3] ⟨lstm.U.o⟩ᵀ + δdense.z[2] dense.Wᵀ"),
        ("out-not-before", "δlstm.U.o = ⟨lstm.out[2]⟩ᵀ δlstm.s_o[3] + … + ⟨lstm.out[-1]⟩ᵀ "
         "δlstm.s_o[0]"),
        ("i-o-swapped", "δlstm.s_i[3] = ⟨δlstm.i[3] ∘ lstm.i[3] ∘ (1 - lstm.i[3])⟩"),
    ],
)  # fmt: skip
def test_the_equation_is_that_of_the_papers(mistake, equation):
    (told,) = planted.report(planted.case("lstm", mistake)).corrections
    assert told.text == equation


def test_the_numbers_are_the_author_s_and_the_right_ones():
    case = planted.case("lstm", "f-missing")
    report = planted.report(case)
    (told,) = report.corrections
    assert told.is_given
    assert told.wrong == case.hand()["lstm.state[2]"][told.at]
    assert told.right == pytest.approx(Tape(report.loss)["δlstm.state[2]"][told.at], rel=1e-12)
    off = np.abs(case.hand()["lstm.state[2]"] - Tape(report.loss)["δlstm.state[2]"])
    assert told.at == np.unravel_index(np.argmax(off), off.shape)
    assert f"{told.wrong:.9g} by hand, {told.right:.9g} is right" in str(report)


def test_what_was_not_given_is_told_as_the_mistake_makes_it():
    case = planted.case("lstm", "f-missing")
    report = planted.report(case, case.parameters)
    (told,) = report.corrections
    assert told.signal == "lstm.state[2]" and not told.is_given
    assert told.wrong == pytest.approx(case.hand()["lstm.state[2]"][told.at], rel=1e-9)
    assert "with the mistake" in str(report)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_it_fits_a_terminal(case):
    report = planted.report(case)
    for answers in (True, False):
        assert max(map(len, report.text(answers).splitlines())) <= WIDTH


def test_it_marks_the_wrong_factor_in_a_notebook():
    html = planted.report(planted.case("lstm", "f-missing"))._repr_html_()
    assert "<mark>lstm.f[3]</mark>" in html


def test_a_mistake_in_everything_is_marked_at_the_loss():
    (told,) = planted.report(planted.case("softmax", "batch-mean-forgotten")).corrections
    assert told.text == "δL = broadcast(-0.25 ⟨δloss⟩, (4, 3)) ∘ constant"


# --- any mistake of the library, in any network ---------------------------------------------------


def gru():
    x = tg.Tensor(np.linspace(-1, 1, 12).reshape(3, 2, 2), requires_grad=True, name="x")
    return tg.nn.softmax_cross_entropy(tg.nn.GRU(2, 3, seed=0)(x)[0][-1], np.array([0, 2]))


NETWORKS = {
    "mlp": mlp, "convolution": convolution, "formula": formula,
    "loop": lambda: loop(3), "backwards": lambda: loop(range(3, -1, -1)), "gru": gru,
    "lstm": lambda: recurrence(2, (2,)),
}  # fmt: skip


@pytest.mark.long
@pytest.mark.parametrize("network", NETWORKS)
def test_every_mistake_of_the_library_is_told_with_a_true_equation(network):
    loss = NETWORKS[network]()
    view, tape, count = View(loss), Tape(loss), 0
    equations = DeltaEquations(view)
    for mistake in mistakes(view):
        try:
            found = corrections(equations, [], Diagnosis((mistake,), 0.0, 0))
        except NO_ROOM:  # it cannot be made in this network
            continue
        for told in found:
            assert "⟨" in told.text, mistake.says
            value, right = np.asarray(told.equation.evaluate(tape)), tape[f"δ{told.signal}"]
            value = np.broadcast_to(value, right.shape)
            np.testing.assert_allclose(value, right, 1e-11, 1e-15, err_msg=mistake.says)
            count += 1
    assert count > 50


# --- whole programs, and all their gradients times a number ---------------------------------------


def squares(rng):
    """Return a sum of terms that look like the steps of a loop."""
    w = tg.Tensor(rng.normal(size=2), requires_grad=True, name="w")
    terms = [tg.sum((w * float(k)) * (w * float(k))) for k in range(1, rng.integers(3, 6))]
    return sum(terms[1:], terms[0]) / float(rng.integers(1, 4)), {"w": w}


def running_loss(rng):
    """Return a loss that is itself what a loop carries."""
    w, loss = tg.Tensor(rng.normal(size=2), requires_grad=True, name="w"), 0.0
    for k in tg.steps(int(rng.integers(2, 6))):
        loss = loss + tg.sum(tg.tanh(w * (k + 1.0)))
    return loss, {"w": w}


def leaf(rng, name, *shape):
    return tg.Tensor(rng.normal(size=shape), requires_grad=True, name=name)


def steps_of(rng, read, width, share):
    """Return a recurrence that reads a signal at each step, and the sum of the steps' shares."""
    count = int(rng.integers(2, 8))
    leaves = {
        "Wx": leaf(rng, "Wx", 3, 4), "Wh": leaf(rng, "Wh", 4, 4), "b": leaf(rng, "b", 4),
        "Wo": leaf(rng, "Wo", 4, width),
    }  # fmt: skip
    h, losses = np.zeros(4), []
    for k in tg.steps(count):
        a = read(k) @ leaves["Wx"] + h @ leaves["Wh"] + leaves["b"]
        a.name = "a"
        h = tg.tanh(a)
        h.name = "h"
        z = h @ leaves["Wo"]
        z.name = "z"
        losses.append(share(z))
    total = losses[0]
    for loss in losses[1:]:
        total = total + loss
    return total, leaves


def step_losses(rng):
    x = rng.normal(size=(8, 3))
    loss, leaves = steps_of(rng, lambda k: x[k], 2, lambda z: tg.sum(z * z))
    return loss / float(2 ** rng.integers(0, 3)), leaves


def characters(rng, most=5):
    """Return a character model; an embedding's row may be read at several steps, or at none."""
    E, token = leaf(rng, "E", 5, 3), rng.integers(0, most, 8).tolist()
    target = iter(rng.integers(0, 5, 8).tolist())
    loss, leaves = steps_of(
        rng, lambda k: E[token[k]], 5, lambda z: -tg.log_softmax(z)[next(target)]
    )
    return loss, {"E": E, **leaves}


def batch(rng):
    x, W, b = rng.normal(size=(3, 2)), leaf(rng, "W", 2, 3), leaf(rng, "b", 3)
    y = tg.softmax(x @ W + b)
    y.name = "y"
    return tg.mean(y * y), {"W": W, "b": b}


PROGRAMS = [squares, running_loss, step_losses, characters, batch]
FACTORS = [2.0, -1.0, 0.0]


def true_equations(report):
    """Hold every equation of a report to the tape's gradient; return how many there are."""
    tape = Tape(report.loss)
    for told in report.corrections:
        value, right = np.asarray(told.equation.evaluate(tape)), tape[f"δ{told.signal}"]
        np.testing.assert_allclose(np.broadcast_to(value, right.shape), right, 1e-11, 1e-14)
        assert told.text != f"δ{told.signal} = ⟨δ{told.signal}⟩"
    return len(report.corrections)


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
@pytest.mark.parametrize("seed", range(2))
def test_gradients_times_a_number_are_told_with_true_equations(program, factor, seed):
    loss, leaves = program(np.random.default_rng(seed))
    right = {name: tg.grad(loss, tensor).numpy() for name, tensor in leaves.items()}
    for chosen in (list(right), list(right)[:1]):
        hand = {name: factor * g if name in chosen else g for name, g in right.items()}
        report = tg.compare(loss, hand)
        text = str(report)
        assert report.as_dict()["ok"] is False and report._repr_html_()
        assert true_equations(report) == text.count("right: δ")
        assert "right: δ" in text


def test_a_row_that_is_read_at_two_steps_has_the_sum_of_both():
    E, V = (leaf(np.random.default_rng(0), name, 5, 3) for name in "EV")
    loss = 0.0
    for k in tg.steps(3):
        loss = loss + tg.sum(tg.tanh(E[[2, 0, 2][k]]) * tg.tanh(V[k]))
    right = {"E": tg.grad(loss, E).numpy(), "V": tg.grad(loss, V).numpy()}
    report = tg.compare(loss, right | {"E": 2 * right["E"]})
    (told,) = report.corrections
    for part in ("at [2]", "at [0]", "parts at the same index add up", "0 elsewhere"):
        assert part in told.text
    assert told.text.count("at [2]") == 2
    assert true_equations(report)


def test_what_is_read_once_in_order_is_told_as_a_sequence():
    told, *_ = planted.report(planted.case("gru", "x-overwritten")).corrections
    assert told.text.startswith("δx = [") and " at [" not in told.text


def test_the_loss_in_a_loop_has_a_gradient_of_1():
    loss, leaves = running_loss(np.random.default_rng(0))
    (told,) = tg.compare(loss, {"w": 2 * tg.grad(loss, leaves["w"]).numpy()}).corrections
    assert str(told.equation) == "⟨1⟩" and told.mistake.wrong == "2"


LEFT_OUT = "the marked part is left out"


@pytest.mark.parametrize(
    "case",
    [
        ("lstm", "out-carry-dropped"), ("lstm", "state-carry-alone"), ("elman", "cut"),
        ("gru", "x-overwritten"), ("formula", "u-branch-forgotten"), ("lstm", "b-overwritten"),
    ],
    ids="/".join,
)  # fmt: skip
def test_a_term_that_is_left_out_is_told_as_left_out(case):
    report = planted.report(planted.case(*case))
    assert LEFT_OUT in str(report) and "in place of the marked part" not in str(report)
    assert report.as_dict()["mistakes"][0]["equations"][0]["substitute"] == "0"


@pytest.mark.parametrize("network", NETWORKS)
def test_what_is_told_as_left_out_gives_the_wrong_numbers_when_left_out(network):
    loss = NETWORKS[network]()
    view, tape, count = View(loss), Tape(loss), 0
    equations = DeltaEquations(view)
    for mistake in mistakes(view):
        if mistake.kind not in ("carry dropped", "branch forgotten", "overwritten"):
            continue
        try:
            found = corrections(equations, [], Diagnosis((mistake,), 0.0, 0))
        except NO_ROOM:
            continue
        for told in found:
            assert told.is_left_out, mistake.says
            shape = tape[f"δ{told.signal}"].shape
            without = np.broadcast_to(value_without_marks(told.equation), shape)
            assert without[told.at] == pytest.approx(told.wrong, 1e-9, 1e-12)
            count += 1
    assert count


def test_a_step_whose_share_is_there_is_not_marked():
    (told,) = planted.report(planted.case("fir", "last-step-alone")).corrections
    assert told.text == "δb = δs[5] + ⟨δs[4] + … + δs[0]⟩"
    (told,) = planted.report(planted.case("elman", "U-without-start")).corrections
    assert told.text == "δU = h[2]ᵀ δs[3] + h[1]ᵀ δs[2] + h[0]ᵀ δs[1] + ⟨h_0ᵀ δs[0]⟩"


def test_a_sum_says_over_which_axes_it_goes():
    (told,) = planted.report(planted.case("mlp", "bias-over-features")).corrections
    assert told.text == "δoutput.b = ⟨Σ over axis 0 of δoutput.z⟩"
    assert "in place of the marked part: Σ over axis 1" in str(planted.report(planted.case(
        "mlp", "bias-over-features")))  # fmt: skip


def test_a_step_that_nothing_uses_sends_nothing_back():
    x = tg.Tensor(np.linspace(0.1, 0.9, 9).reshape(3, 3), requires_grad=True, name="x")
    kept = []
    for k in tg.steps(3):
        double, single = x[k] * 2.0, x[k]
        kept.append(double)
    loss = tg.sum(tg.tanh(kept[0] * single))
    loss.backward()
    assert "δx = " in str(tg.compare(loss, {"x": -x.grad}))


def test_nothing_comes_back_from_after_the_last_step():
    rng = np.random.default_rng(0)
    h = tg.Tensor(rng.normal(size=(2, 3)), requires_grad=True, name="h")
    wide = tg.Tensor(rng.normal(size=(2, 9)), requires_grad=True, name="wide")
    state, first, second = h * 1.0, [], []
    for k in tg.steps(3):
        after = state + float(k)
        first.append(wide[:, k : k + 3] * state)
        state = after
    for k in tg.steps(3):
        second.append(h / (k + 2.0))
    loss = tg.sum(tg.tanh(sum(first)) + tg.tanh(sum(second)))
    loss.backward()
    report = tg.compare(loss, {"wide": wide.grad, "h": -h.grad})
    assert "the gradient of h is −1 times what it should be" in str(report)


def test_what_stands_instead_of_what_is_marked_is_said_in_words():
    texts = {str(planted.report(case)) for case in CASES if case.network.startswith("characters")}
    instead = {
        line
        for text in texts
        for line in text.splitlines()
        if "in place of the marked part" in line
    }
    assert any("the part that is written last" in line for line in instead)
    assert all(re.search(r"\w", line.partition(": ")[2]) for line in instead)


def test_two_gradients_that_are_each_other_s_have_a_report():
    """No network has both mistakes at once: each gradient would be made of the other."""
    random = np.random.default_rng(0)
    first, second = (tg.nn.RNN(2, 3, name=name, seed=0) for name in ("first", "second"))
    x = random.normal(size=(4, 2, 2))
    _, last = first(x)
    loss = tg.nn.squared_error(second(x, last)[0], random.normal(size=(4, 2, 3)))
    loss.backward()
    both = first.U.grad + second.U.grad
    report = tg.compare(loss, {"first.U": both, "second.U": both})
    assert "the gradient of second.U is that of first.U" in str(report)
