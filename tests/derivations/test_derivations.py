"""Derivations by hand: each against the complex step of its own forward pass, and the tape."""

import ast
from pathlib import Path

import numpy as np
import pytest

import tinygrad_lstm as tg
from tinygrad_lstm import demo
from tinygrad_lstm.derivations import complex_step, gomez, question

FOLDER = Path(question.__file__).parent


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_derivations_import_numpy_alone(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            assert {alias.name for alias in node.names} <= {"numpy"}
        if isinstance(node, ast.ImportFrom):
            assert node.level == 1 or node.module in ("__future__", "collections.abc", "typing")
            assert node.level < 2


# --- the question ---------------------------------------------------------------------------------

LETTERS = {"dW": "W", "dU": "U", "dv": "v", "dw": "w", "db": "b"}


@pytest.fixture
def asked():
    rng = np.random.default_rng(3)
    n, m, d = 3, 2, 4
    shapes = {"W": (m, 4 * d), "U": (d, 4 * d), "v": (4 * d,), "w": (d, 1), "b": (1,)}
    p = {letter: rng.normal(size=shape) for letter, shape in shapes.items()}
    return rng.normal(size=(n, m)), rng.uniform(size=(n, 1)), p


@pytest.mark.parametrize("gradient", LETTERS)
def test_the_question_by_complex_step(asked, gradient):
    x, y, p = asked
    letter = LETTERS[gradient]
    exact = complex_step(lambda v: question.forward(x, y, p | {letter: v})["loss"], p[letter])
    assert np.abs(question.backward(x, y, p)[gradient] - exact).max() < 1e-15


def test_the_question_s_input_by_complex_step(asked):
    x, y, p = asked
    exact = complex_step(lambda v: question.forward(v, y, p)["loss"], x)
    assert np.abs(question.backward(x, y, p)["dx"] - exact).max() < 1e-15


def test_the_question_against_the_tape(asked):
    x, y, p = asked
    lstm, dense = tg.nn.LSTM(2, 4), tg.nn.Dense(4, 1, tg.sigmoid)
    lstm.W.data, lstm.U.data, lstm.b.data = p["W"], p["U"], p["v"]
    dense.W.data, dense.b.data = p["w"], p["b"]
    out, _ = lstm(tg.Tensor(x, requires_grad=True, name="x"))
    loss = tg.nn.squared_error(dense(out), y)
    g = question.backward(x, y, p)
    hand = {
        "lstm.W": g["dW"], "lstm.U": g["dU"], "lstm.b": g["dv"], "dense.W": g["dw"],
        "dense.b": g["db"], "dense.z": g["δz"], "lstm.stack": g["δH"], "lstm.out": g["δout"],
        "lstm.state": g["δstate"], "lstm.s_a": g["δa"], "lstm.s_i": g["δi"], "lstm.s_f": g["δf"],
        "lstm.s_o": g["δo"], "x": g["dx"],
    }  # fmt: skip
    report = tg.compare(loss, hand)
    assert report.ok, str(report)


def test_the_asker_s_E_0_is_right_and_his_dw_0_is_not(asked):
    x, y, p = asked
    his, right = question.asker_formulas(x, y, p), question.backward(x, y, p)
    assert np.array_equal(his["E_0"], right["δz"])
    assert his["dw_0"].shape == (3, 1) != right["dw"].shape


# --- Gomez ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("gate", gomez.GATES)
def test_gomez_by_complex_step(gate):
    exact = gomez.evaluate()

    def loss(name, value):
        return gomez.evaluate(gomez.GIVEN | {name: value})["loss"]

    dW = complex_step(lambda W: loss(f"W_{gate}", tuple(W)), np.array(gomez.GIVEN[f"W_{gate}"]))
    assert dW == pytest.approx([exact[f"δW_{gate}[0]"], exact[f"δW_{gate}[1]"]], abs=1e-16)
    for letter in "Ub":
        given = np.array(gomez.GIVEN[f"{letter}_{gate}"])
        slope = complex_step(lambda v, name=f"{letter}_{gate}": loss(name, v[()]), given)
        assert slope == pytest.approx(exact[f"δ{letter}_{gate}"], abs=1e-16)


@pytest.mark.parametrize("t", [0, 1])
def test_gomez_s_inputs_by_complex_step(t):
    exact = gomez.evaluate()
    dx = complex_step(
        lambda x: gomez.evaluate(gomez.GIVEN | {f"x_{t}": tuple(x)})["loss"],
        np.array(gomez.GIVEN[f"x_{t}"]),
    )
    assert dx == pytest.approx([exact[f"δx_{t}[0]"], exact[f"δx_{t}[1]"]], abs=1e-16)


SQUASHED_BY = {"a": (np.tanh, np.arctanh)} | dict.fromkeys(
    "ifo", (lambda s: 1 / (1 + np.exp(-s)), lambda y: np.log(y / (1 - y)))
)


@pytest.mark.parametrize("t", [0, 1])
@pytest.mark.parametrize("name", ["out", "state", *gomez.GATES])
def test_gomez_s_deltas_by_complex_step(name, t, monkeypatch):
    """His δa … δo are those of the net inputs, so it is those that move."""
    signal, step = f"{name}_{t}", 1e-30
    exact, formula = gomez.evaluate(), gomez.FORMULAS[signal]
    into, out_of = SQUASHED_BY.get(name, (lambda v: v, lambda v: v))
    monkeypatch.setitem(gomez.FORMULAS, signal, lambda v: into(out_of(formula(v)) + 1j * step))
    slope = np.imag(gomez.evaluate()["loss"]) / step
    assert slope == pytest.approx(exact[f"δ{signal}"], abs=1e-16)


def test_gomez_s_start_by_complex_step():
    exact = gomez.evaluate()
    slopes = {
        name: complex_step(
            lambda v, n=name: gomez.evaluate(gomez.GIVEN | {n: v[()]})["loss"], np.array(0.0)
        )
        for name in ("out_-1", "state_-1")
    }
    assert slopes["out_-1"] == pytest.approx(exact["Δout_-1"], abs=1e-16)
    assert slopes["state_-1"] == pytest.approx(exact["δstate_0"] * exact["f_0"], abs=1e-16)


@pytest.mark.parametrize("gate", gomez.GATES)
def test_gomez_s_δU_is_right_only_because_the_first_step_starts_from_0(gate):
    given = gomez.GIVEN | {"out_-1": 0.3}
    slope = complex_step(
        lambda v: gomez.evaluate(given | {f"U_{gate}": v[()]})["loss"], np.array(given[f"U_{gate}"])
    )
    exact = gomez.evaluate(given)
    left_out = exact[f"δ{gate}_0"] * 0.3  # δgates_0 ⊗ out_{-1}
    assert slope == pytest.approx(exact[f"δU_{gate}"] + left_out, abs=1e-16)
    # 0 for the forget gate all the same: there is nothing yet to forget
    assert bool(abs(left_out) > 1e-4) is (gate != "f")


def test_gomez_s_66_numbers_against_the_tape():
    tape, hand = demo.gomez_numbers(), gomez.evaluate()
    assert len(gomez.PRINTED) == 66
    assert set(tape) == set(gomez.PRINTED)
    for name in gomez.PRINTED:
        assert tape[name] == pytest.approx(hand[name], abs=1e-15), name


def test_gomez_s_rounding_and_his_one_wrong_number():
    exact = gomez.evaluate()
    judged = {name: gomez.judge(name, exact[name]) for name in gomez.PRINTED}
    assert sorted(judged.values()).count("right") == 47
    assert [name for name, what in judged.items() if what == "wrong"] == ["W_f[0] new"]
    off = [name for name, what in judged.items() if what != "right"]
    assert len(off) == 19
    far = max(abs(float(gomez.PRINTED[name]) - exact[name]) for name in off)
    assert far == pytest.approx(2.1e-5, abs=0.05e-5)
    assert f"{gomez.follow('W_f[0] new'):.5f}" == "0.70032" != gomez.PRINTED["W_f[0] new"]


def test_a_number_off_by_one_digit_would_be_seen():
    exact = gomez.evaluate()
    assert gomez.judge("out_0", exact["out_0"] + 2e-5) != "right"
    assert gomez.judge("a_0", 0.9) == "rounded on the way"
