"""gradcheck on random programs and at extreme scales: no false alarm, and no wrong rule unseen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_lstm as tg
from support.laws import ARGUMENTS
from support.programs import KINKED, SMOOTH, Program
from tinygrad_lstm.engine.kinds import elementwise


def wrong_by(factor: float) -> Any:
    """Return the identity with a wrong derivative."""
    return elementwise("wrong", np.positive, lambda x, y: factor + 0 * x, **ARGUMENTS)


class Replaced:
    """The package, with a wrong derivative behind one of its functions."""

    def __init__(self, name: str, factor: float) -> None:
        self.name, self.wrong, self.count = name, wrong_by(factor), 0

    def __getattr__(self, name: str) -> Any:
        if name != self.name:
            return getattr(tg, name)

        def function(*operands: Any, **parameters: Any) -> Any:
            self.count += 1
            return self.wrong(getattr(tg, name)(*operands, **parameters))

        return function


SCALES = {
    "as it is": (1.0, 1.0),
    "small outputs": (1.0, 1e-300),
    "large outputs": (1.0, 1e300),
    "small inputs": (1e-300, 1.0),
    "large inputs": (1e300, 1.0),
    "small both": (1e-150, 1e-150),
    "large and small": (1e150, 1e-150),
}


def scaled(program: Program, m: Any, scale: str) -> tuple[Any, list[np.ndarray]]:
    """Return a program as a function of inputs of a scale, with outputs of a scale; and a point."""
    inner, outer = SCALES[scale]

    def fn(*leaves: Any) -> Any:
        return program.run(m, [leaf * (1 / inner) for leaf in leaves]) * (0.01 * outer)

    return fn, [np.asarray(x) * inner for x in program.point]


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("seed", range(6))
def test_a_right_program_raises_no_alarm(seed, scale):
    program = Program(seed + 100, SMOOTH)
    fn, point = scaled(program, tg, scale)
    report = tg.gradcheck(fn, point, jacobian=("full", "projected")[seed % 2])
    assert report.ok and not report.kinks, str(report)


@pytest.mark.parametrize("seed", range(6))
def test_a_right_program_with_kinks_raises_no_alarm(seed):
    program = Program(seed + 200, {**dict(list(SMOOTH.items())[seed::3]), **KINKED})
    report = tg.gradcheck(lambda *leaves: program.run(tg, leaves), program.point)
    assert report.ok, str(report)


@pytest.mark.parametrize("seed", range(3))
def test_a_right_program_raises_no_alarm_in_second_order(seed):
    program = Program(seed + 300, SMOOTH)
    report = tg.gradcheck(
        lambda *leaves: program.run(tg, leaves), program.point, order=2, jacobian="projected"
    )
    assert report.ok, str(report)


@pytest.mark.parametrize("where", [0.0, 1.0, -1.0, 1e-12])
@pytest.mark.parametrize("seed", range(6))
def test_a_right_program_raises_no_alarm_where_much_is_zero(seed, where):
    program = Program(seed + 400, SMOOTH)
    point = [np.full(x.shape, where) for x in program.point]
    report = tg.gradcheck(lambda *leaves: program.run(tg, [x**3 for x in leaves]), point)
    assert report.ok, str(report)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("seed", range(3))
def test_a_wrong_rule_in_a_program_is_seen(seed, scale):
    program = Program(seed + 100, SMOOTH)
    called = {name for move, *_ in program.steps for name in move.__code__.co_names}
    names = sorted(name for name in called if callable(getattr(tg, name, None)))
    random = np.random.default_rng(seed)
    for factor in (1.01, -1.0, 0.0):
        m = Replaced(str(random.choice(names)), factor)
        fn, point = scaled(program, m, scale)
        right, _ = scaled(program, tg, scale)
        gradients = []
        for each in (fn, right):
            leaves = [tg.Tensor(x, requires_grad=True) for x in point]
            gradients.append([g.numpy() for g in tg.grad(each(*leaves), leaves)])
        off = [np.max(np.abs(a - b)) / np.max(np.abs(b)) for a, b in zip(*gradients, strict=True)]
        assert tg.gradcheck(fn, point, jacobian="full").ok == (max(off) < 1e-6), (m.name, off)


ZERO = {
    "x³": lambda x: x * x * x,
    "x⁴": lambda x: x**4,
    "x⁹": lambda x: x**9,
    "sigmoid(x) x³": lambda x: tg.sigmoid(x) * x**3,
    "cos": tg.cos,
    "relu(x)²": lambda x: tg.relu(x) ** 2,
    "|x| x": lambda x: tg.abs(x) * x,
    "cancelled": lambda x: tg.sin(x) - x,
    "a product of zeros": lambda x: x * tg.sin(x) * tg.tanh(x),
}
LARGE = {
    "(1e8 + x) - 1e8": lambda x: (1e8 + x) - 1e8,
    "exp(x + 100) / exp(100)": lambda x: tg.exp(x + 100) / np.exp(100),
    "(x + 1e6)² - x²": lambda x: (x + 1e6) ** 2 - x**2,
}


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("fn", ZERO.values(), ids=ZERO.keys())
def test_a_derivative_of_zero_is_no_false_alarm(fn, order):
    report = tg.gradcheck(fn, np.zeros(2), order=order)
    assert report.ok and not [kink for kink in report.kinks if kink.order == 1], str(report)


@pytest.mark.parametrize("fn", LARGE.values(), ids=LARGE.keys())
def test_a_large_value_in_between_is_no_false_alarm(fn):
    report = tg.gradcheck(fn, np.array([0.3, 2.0]), order=2)
    assert report.ok, str(report)
    wrong = wrong_by(1.01)
    assert not tg.gradcheck(lambda x: fn(wrong(x)), np.array([0.3, 2.0])).ok


EXTREME = {
    "a small factor": (lambda x: x * 1e-300, [0.3, 2.0]),
    "a large factor": (lambda x: x * 1e300, [0.3, 2.0]),
    "there and back": (lambda x: (x * 1e-300) * 1e300, [0.4]),
    "log of small numbers": (tg.log, [1e-300, 2e-300]),
    "a steep exp": (lambda x: tg.exp(x * 1e300), [0.0, 1e-300]),
    "a square of large numbers": (lambda x: x * x, [1e150, -1e100]),
    "the largest numbers": (lambda x: x * 0.5, [1e308]),
}


@pytest.mark.parametrize(("fn", "x"), EXTREME.values(), ids=EXTREME.keys())
def test_extreme_numbers_are_no_false_alarm_and_hide_no_wrong_rule(fn, x):
    with np.errstate(all="ignore"):
        report = tg.gradcheck(fn, np.array(x))
        assert report.ok and not report.kinks, str(report)
        for factor in (1.01, -1.0, 0.0):
            wrong = wrong_by(factor)
            report = tg.gradcheck(lambda x: wrong(fn(x)), np.array(x))  # noqa: B023
            # of a derivative of 0 nobody knows how short a step to take, and an edge is near by
            assert not report.ok or (factor == 0 and report.kinks), str(report)


def test_outputs_below_the_normal_numbers_are_no_false_alarm():
    assert tg.gradcheck(lambda x: x * 1e-320, np.array([0.5, 3.0])).ok


def test_a_forward_function_that_is_not_analytic_is_named():
    squared = elementwise(
        "squared", lambda x: np.real(x) ** 2 + 0 * x, lambda x, y: 2 * x, **ARGUMENTS
    )
    report = tg.gradcheck(lambda x: tg.tanh(squared(x)), np.array([0.3, 0.5]))
    assert {failure.method for failure in report.failures} == {"complex step"}
    assert report.misdeclared == ("squared",)
    assert "squared is declared analytic, but is not" in str(report)
    wrong = elementwise("wrong", np.tanh, lambda x, y: 1.001 * (1 - y * y), **ARGUMENTS)
    report = tg.gradcheck(wrong, np.array([0.3, 0.5]))
    assert not report.misdeclared and "analytic" not in str(report)
