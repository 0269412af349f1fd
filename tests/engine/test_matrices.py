"""Holds every function of matrices, and the Fourier transform, to the laws of the table."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import tinygrad_lstm as tg
from support import laws
from tinygrad_lstm.engine import fft, matrices, matrix_parts
from tinygrad_lstm.engine.kind import Kind
from tinygrad_lstm.engine.kinds import matrix_function
from tinygrad_lstm.errors import ArgumentError, ShapeError, UsageError

ENTRIES = {**matrices.MATRICES, "fourier": fft.fourier}
LIVE = {name: entry for name, entry in ENTRIES.items() if entry.kind is not Kind.CUT}
CASES = [
    pytest.param(entry, xs, parameters, id=f"{name} {k}")
    for name, entry in LIVE.items()
    for k, (xs, parameters) in enumerate(entry.samples())
]


@pytest.mark.parametrize("law", laws.LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize(("entry", "xs", "parameters"), CASES)
def test_law(law, entry, xs, parameters):
    law(entry, xs, parameters)


@pytest.mark.parametrize("entry", LIVE.values(), ids=LIVE)
def test_symbolic_derivative_evaluates_to_the_numeric_one(entry):
    laws.check_symbolic(entry, *entry.samples()[0])


@pytest.mark.parametrize("entry", LIVE.values(), ids=LIVE)
def test_derivative_prints_as_text_and_latex(entry):
    for derivative in entry.derivatives().values():
        latex = derivative.latex()
        assert "δ" in repr(derivative) and r"\delta" in latex
        assert latex.count("{") == latex.count("}")


def loss_of(entry, xs, parameters):
    return tg.sum(tg.tanh(0.1 * entry(*xs, **parameters)))


@pytest.mark.parametrize(("entry", "xs", "parameters"), CASES)
def test_the_adjoint_network_gives_the_gradient(entry, xs, parameters):
    leaves = [tg.Tensor(x, requires_grad=True, name=f"x{k}") for k, x in enumerate(xs)]
    loss = loss_of(entry, leaves, parameters)
    adjoint = tg.graph(loss).adjoint()
    found = adjoint.evaluate()
    for k, slope in enumerate(tg.grad(loss, leaves)):
        laws.near(found[f"δx{k}"], slope.data, 1e-12)
    tangents = [laws.draw(x.shape, 3) for x in xs]  # forward once more it is the tangent's network
    (again,) = adjoint.adjoint().evaluate(dict(zip(("x0", "x1"), tangents))).values()
    laws.near(
        again, tg.jvp(lambda *at: loss_of(entry, at, parameters), xs, tangents)[1].data, 1e-12
    )


@pytest.mark.parametrize("entry", LIVE.values(), ids=LIVE)
def test_a_loop_folds_and_its_adjoint_gives_the_gradient(entry):
    if entry is fft.fourier:
        first, scale, tail = laws.draw((2, 4)), laws.draw((2, 4), 1), []
    else:
        xs, _ = entry.samples()[0]
        first, scale, tail = xs[0], np.full(xs[0].shape, 0.98), list(xs[1:])
    x = tg.Tensor(first, requires_grad=True, name="x")
    w = tg.Tensor(scale, requires_grad=True, name="w")
    state, total = x * 1.0, 0.0
    for _ in tg.steps(4):
        total = total + tg.sum(tg.tanh(0.1 * entry(state, *tail)))
        state = state * w
    network = tg.graph(total).fold()
    assert "folded over 4 steps" in repr(network)
    found = network.adjoint().evaluate()
    for leaf, slope in zip((x, w), tg.grad(total, (x, w)), strict=True):
        laws.near(found[f"δ{leaf.name}"], slope.data, 1e-12)
    unrolled = network.unroll(4).adjoint().evaluate()
    laws.near(unrolled["δw"], found["δw"], 1e-12)
    report = tg.compare(total, {"w": found["δw"], "x": -found["δx"]})
    assert not report.ok and report.rows[0].ok


def test_the_picture_and_the_explanation_name_the_function():
    a = tg.Tensor([[2.0, 1.0], [0.5, 3.0]], requires_grad=True, name="a")
    loss = tg.sum(tg.linalg.inv(a) ** 2)
    assert "inv" in tg.draw(loss, view="both").dot
    assert "⁻¹" in str(tg.explain(loss, "a", style="stages"))


def test_printed_digits_are_allowed_for():
    a = tg.Tensor([[2.0, 1.0], [0.5, 3.0]], requires_grad=True, name="a")
    y = tg.linalg.inv(a)
    y.name = "y"
    loss = tg.sum(y**2)
    slopes = dict(zip("ya", tg.grad(loss, (y, a)), strict=True))
    hand = {name: np.round(slope.numpy(), 4) for name, slope in slopes.items()}
    assert tg.compare(loss, hand, digits=4).ok
    assert not tg.compare(loss, {**hand, "a": -hand["a"].T}, digits=4).ok


@pytest.mark.parametrize("name", ENTRIES)
def test_a_copy_of_an_entry_is_the_entry(name):
    assert copy.deepcopy(ENTRIES[name]) is ENTRIES[name]
    assert pickle.loads(pickle.dumps(ENTRIES[name])) is ENTRIES[name]


def test_the_sign_of_the_determinant_lets_no_gradient_through():
    a = tg.Tensor([[0.0, 1.0], [1.0, 0.0]], requires_grad=True)
    sign, logabsdet = tg.linalg.slogdet(a)
    assert (sign.item(), sign.requires_grad, logabsdet.item()) == (-1.0, False, 0.0)


def test_the_rounding_of_a_forward_pass_by_hand_is_allowed_for():
    a = tg.Tensor([[2.1, 1.0], [0.5, 1.3]], requires_grad=True, name="a")
    loss = tg.sum(tg.linalg.inv(a)) * 1000.0
    inverse = np.round(np.linalg.inv(a.numpy()), 3)  # as an author carries it
    hand = np.round(-1000.0 * (inverse.T @ np.ones((2, 2)) @ inverse.T), 3)
    assert tg.compare(loss, {"a": hand}, digits=3).ok
    assert not tg.compare(loss, {"a": hand + 5.0}, digits=3).ok


# --- planted errors -----------------------------------------------------------------------------


def planted(name, *pulls, pushes):
    good = ENTRIES[name]
    return matrix_function.__wrapped__(
        name, good.forward, *pulls, pushes=pushes, notation=good.notation, samples=good.samples
    )


def _t(x):
    return x.swapaxes(-1, -2)


PLANTED = {
    "pull": (
        planted("inv", lambda ct, x, y: -(y @ ct @ y), pushes=(lambda t, x, y: -(y @ t @ y),)),
        laws.check_transpose,
    ),
    "push": (
        planted("inv", lambda ct, x, y: -(_t(y) @ ct @ _t(y)), pushes=(lambda t, x, y: y @ t @ y,)),
        laws.check_differences,
    ),
    "off the tape": (
        planted(
            "inv",
            lambda ct, x, y: -(_t(tg.stop_gradient(y)) @ ct @ _t(y)),
            pushes=(lambda t, x, y: -(y @ t @ y),),
        ),
        laws.check_second_order,
    ),
}


@pytest.mark.parametrize(("entry", "law"), PLANTED.values(), ids=PLANTED.keys())
def test_a_planted_error_is_caught(entry, law):
    with pytest.raises(AssertionError):
        law(entry, *entry.samples()[0])
    law(ENTRIES[entry.name], *entry.samples()[0])


# --- of one's own -------------------------------------------------------------------------------


def _own(pull=lambda ct, x, y: ct @ _t(x) + _t(x) @ ct, **more):
    return matrix_function(
        "squared", lambda x: x @ x, pull, pushes=(lambda t, x, y: t @ x + x @ t,),
        notation=matrices.INVERSE, samples=matrix_parts.SQUARE, **more,
    )  # fmt: skip


def test_a_matrix_function_of_one_s_own_works():
    a = tg.Tensor([[2.0, 1.0], [0.5, 3.0]], requires_grad=True, name="a")
    assert tg.gradcheck(_own(), [a]).ok


def test_a_matrix_function_of_one_s_own_is_tried():
    with pytest.raises(
        ShapeError, match=r"squared: partial 0 returned shape \(3,\), expected \(3, 3\)"
    ):
        _own(pull=lambda ct, x, y: ct[0])


def test_a_missing_pull_is_refused():
    with pytest.raises(UsageError, match="found 2 partials for 1 operands"):
        matrix_function(
            "squared", lambda x: x @ x, lambda ct, x, y: ct, lambda ct, x, y: ct, pushes=(),
            notation=matrices.INVERSE, samples=matrix_parts.SQUARE,
        )  # fmt: skip


def test_a_singular_matrix_is_named():
    a = tg.Tensor(np.ones((2, 2)), requires_grad=True, name="a")
    with pytest.raises(
        ArgumentError, match=r"inv: found \(2, 2\) \(a\): Singular matrix; expected"
    ):
        tg.linalg.inv(a)
