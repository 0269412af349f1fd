"""Holds linear algebra to NumPy's values, and its gradients to differences and to PyTorch's."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import tinygrad_lstm as tg
from support import laws
from tinygrad_lstm.engine import linalg
from tinygrad_lstm.errors import ArgumentError, DetachError, DTypeError, ShapeError, UsageError


def regular(*shape, seed=0):
    return 0.5 * laws.draw(shape, seed) + np.eye(shape[-2], shape[-1]) * (
        1.0 + np.arange(shape[-1])
    )


def even(x):
    return 0.5 * (x + x.swapaxes(-1, -2))


A, B, S = regular(3, 3), regular(2, 3, 3, seed=1), even(regular(2, 3, 3, seed=2))
S = S @ S.swapaxes(-1, -2) + np.eye(3)
W = regular(4, 2, seed=3)
b, bs = laws.draw((3,)), laws.draw((2, 3, 2))

CALLS = {
    "solve": (lambda np, a, b: np.linalg.solve(a, b), (A, laws.draw((3, 2)))),
    "solve a vector": (lambda np, a, b: np.linalg.solve(a, b), (A, b)),
    "solve a batch": (lambda np, a, b: np.linalg.solve(a, b), (B, bs)),
    "solve by one": (lambda np, a, b: np.linalg.solve(a, b), (A, bs)),
    "solve vectors": (lambda np, a, b: np.linalg.solve(a, b), (B, b)),
    "inv": (lambda np, a: np.linalg.inv(a), (B,)),
    "det": (lambda np, a: np.linalg.det(a), (B,)),
    "slogdet": (lambda np, a: np.linalg.slogdet(a)[1], (B,)),
    "cholesky": (lambda np, a: np.linalg.cholesky(a), (S,)),
    "cholesky upper": (lambda np, a: np.linalg.cholesky(a, upper=True), (S,)),
    "eigh": (lambda np, a: np.linalg.eigh(a)[0], (S,)),
    "eigh vectors": (lambda np, a: np.linalg.eigh(a)[1] ** 2, (S,)),
    "eigvalsh": (lambda np, a: np.linalg.eigvalsh(a), (S,)),
    "svd": (lambda np, a: np.linalg.svd(a)[1], (B,)),
    "svd vectors": (lambda np, a: np.linalg.svd(a, full_matrices=False)[0] ** 2, (W,)),
    "svd both": (lambda np, a: np.linalg.svd(a.T, full_matrices=False).Vh ** 2, (W,)),
    "svdvals": (lambda np, a: np.linalg.svdvals(a), (W,)),
    "pinv": (lambda np, a: np.linalg.pinv(a), (W,)),
    "pinv of a batch": (lambda np, a: np.linalg.pinv(a), (regular(2, 2, 4),)),
    "lstsq": (lambda np, a, b: np.linalg.lstsq(a, b)[0], (W, laws.draw((4, 3)))),
    "lstsq of a vector": (lambda np, a, b: np.linalg.lstsq(a, b)[0], (W, laws.draw((4,)))),
    "residuals": (lambda np, a, b: np.linalg.lstsq(a, b)[1], (W, laws.draw((4, 3)))),
    "matrix_power": (lambda np, a: np.linalg.matrix_power(a, 5), (B,)),
    "matrix_power back": (lambda np, a: np.linalg.matrix_power(a, -2), (B,)),
    "matrix_power of 0": (lambda np, a: np.linalg.matrix_power(a, 0), (B,)),
}
EVERY = pytest.mark.parametrize(("fn", "xs"), CALLS.values(), ids=CALLS.keys())


def symmetric(fn, xs):
    """Return the function on its domain: what need be symmetric is made so."""
    return (lambda *at: fn(np, *(even(x) for x in at))) if xs[0] is S else lambda *at: fn(np, *at)


@EVERY
def test_numpy_s_function_of_tensors_has_numpy_s_value(fn, xs):
    laws.near(fn(np, *map(tg.Tensor, xs)).data, fn(np, *xs), 1e-11)


@EVERY
def test_ours_runs_on_arrays(fn, xs):
    found = fn(type("tg", (), {"linalg": linalg}), *xs)
    assert isinstance(found, np.ndarray | np.generic)
    laws.near(found, fn(np, *xs), 1e-11)


@EVERY
def test_the_gradient_is_the_difference(fn, xs):
    leaves = [tg.Tensor(x, requires_grad=True, name=f"x{k}") for k, x in enumerate(xs)]
    assert tg.gradcheck(symmetric(fn, xs), leaves).ok


@EVERY
def test_the_second_derivative_is_that_of_the_gradient(fn, xs):
    on = symmetric(fn, xs)
    y = on(*map(tg.Tensor, xs))
    weights = laws.draw(y.shape, 5)

    def loss(*at):
        return tg.sum(tg.tanh(0.1 * weights * on(*at)))

    tangents = [laws.draw(x.shape, 6) for x in xs]

    def slopes(*at):
        leaves = [tg.Tensor(x, requires_grad=True) for x in at]
        return np.concatenate(
            [g.data.ravel() for g in tg.grad(loss(*leaves), leaves, allow_unused=False)]
        )

    _, product = tg.hvp(loss, tuple(xs), tuple(tangents))
    expected = laws.central_difference(slopes, tuple(xs), tuple(tangents))
    laws.near(np.concatenate([each.data.ravel() for each in product]), expected, 1e-8)


TORCH = {
    "inv": lambda m, a: m.linalg.inv(a), "det": lambda m, a: m.linalg.det(a),
    "slogdet": lambda m, a: m.linalg.slogdet(a)[1], "pinv": lambda m, a: m.linalg.pinv(a),
    "cholesky": lambda m, a: m.linalg.cholesky(a), "eigh": lambda m, a: m.linalg.eigh(a)[1] ** 2,
    "eigvalsh": lambda m, a: m.linalg.eigvalsh(a), "svd": lambda m, a: m.linalg.svd(a)[0] ** 2,
    "svdvals": lambda m, a: m.linalg.svdvals(a), "solve": lambda m, a: m.linalg.solve(a, a + a[0]),
}  # fmt: skip


@pytest.mark.parametrize("name", TORCH)
def test_the_gradient_is_pytorch_s(name):
    torch = pytest.importorskip("torch")
    theirs = torch.tensor(S, requires_grad=True)
    ours = tg.Tensor(S, requires_grad=True)
    y, expected = TORCH[name](np, ours), TORCH[name](torch, theirs)
    ct = laws.draw(y.shape, 7)
    y.backward(ct)
    expected.backward(torch.tensor(ct))
    slope = theirs.grad.numpy()
    laws.near(ours.grad, even(slope) if name in ("cholesky", "eigh") else slope, 1e-10)


# --- where there is no derivative, or a special one ---------------------------------------------

EQUAL = np.diag([2.0, 2.0, 5.0])
TURNED = np.linalg.qr(laws.draw((3, 3)))[0]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("UPLO", ["L", "U", "l", "u"])
def test_eigenvectors_have_numpys_signs(UPLO, seed):
    a = even(laws.draw((2, 4, 4), seed))
    for x, expected in zip(
        np.linalg.eigh(tg.Tensor(a), UPLO), np.linalg.eigh(a, UPLO), strict=True
    ):
        laws.near(x.data, expected, 1e-12)
    x = tg.Tensor(a, requires_grad=True, name="x")
    assert tg.gradcheck(lambda x: tg.tanh(tg.linalg.eigh(even(x), UPLO)[1]), [x]).ok


@pytest.mark.parametrize("a", [EQUAL, TURNED @ EQUAL @ TURNED.T], ids=["exact", "but for rounding"])
@pytest.mark.parametrize("fn", ["eigh", "svd"])
def test_vectors_of_equal_values_have_gradients_that_are_not_numbers(a, fn):
    a = tg.Tensor(even(a), requires_grad=True)
    values, vectors = tg.linalg.eigh(a) if fn == "eigh" else tg.linalg.svd(a)[1::-1]
    weights = laws.draw((3, 3), 8)
    assert np.isnan(tg.grad((vectors * weights).sum(), a).data).any()
    laws.near(tg.grad((values**2).sum(), a).data, 2 * a.data, 1e-12)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_the_determinant_of_zeros_has_the_slope_of_its_minors(size):
    a = tg.Tensor(np.zeros((size, size)), requires_grad=True)
    slope = tg.grad(tg.linalg.det(a), a, create_graph=True)
    laws.near(slope.data, np.full((size, size), 1.0 if size == 1 else 0.0), 1e-15)
    if size == 2:
        expected = np.zeros((2, 2, 2, 2))
        expected[0, 0, 1, 1] = expected[1, 1, 0, 0] = 1.0
        expected[0, 1, 1, 0] = expected[1, 0, 0, 1] = -1.0
        laws.near(tg.hessian(tg.linalg.det, a).data, expected, 1e-15)


def test_a_matrix_of_lower_rank_has_a_pseudoinverse():
    a = np.outer([1.0, 2.0, 3.0], [1.0, -1.0])
    laws.near(tg.linalg.pinv(tg.Tensor(a)).data, np.linalg.pinv(a), 1e-13)
    _, residuals, rank, s = tg.linalg.lstsq(tg.Tensor(a), np.ones(3))
    assert (rank, residuals.shape, s.shape) == (1, (0,), (2,))


# --- arguments ----------------------------------------------------------------------------------


@pytest.mark.parametrize("known", linalg.NUMPY, ids=lambda known: known.__name__)
def test_options_go_by_numpys_names(known):
    ours = inspect.signature(linalg.NUMPY[known]).parameters
    theirs = inspect.signature(known).parameters
    assert "args" in ours or list(ours) == list(theirs)[: len(ours)]


NAMED = tg.Tensor(A, requires_grad=True, name="A")
WRONG = {
    "not square": (lambda: np.linalg.inv(NAMED[:2]), ShapeError, r"inv: found shape \(2, 3\)"),
    "a vector": (lambda: np.linalg.svd(NAMED[0]), ShapeError, r"svd: found shape \(3,\)"),
    "no fit": (lambda: np.linalg.solve(NAMED, np.ones((2, 2))), ShapeError, "solve: shapes"),
    "not symmetric": (lambda: np.linalg.eigh(NAMED), ArgumentError, r"eigh: .*\(A\).*mirror image"),
    "not positive": (
        lambda: np.linalg.cholesky(-NAMED.T @ NAMED), ArgumentError, "cholesky: .*all positive",
    ),
    "singular": (lambda: np.linalg.solve(0 * NAMED, b), ArgumentError, "solve: .*pinv and lstsq"),
    "full": (lambda: np.linalg.svd(NAMED[:2]), ArgumentError, "write full_matrices=False"),
    "hermitian": (lambda: np.linalg.svd(NAMED, hermitian=True), ArgumentError, "leave it out"),
    "UPLO": (lambda: np.linalg.eigh(NAMED, UPLO="X"), ArgumentError, "expected 'L' or 'U'"),
    "lstsq": (lambda: np.linalg.lstsq(NAMED, np.ones(2)), ShapeError, "lstsq: found shapes"),
    "power": (lambda: np.linalg.matrix_power(NAMED, 0.5), UsageError, "matrix_power: n"),
    "an option": (lambda: np.linalg.pinv(NAMED, rtol=1.0), UsageError, "np.linalg.pinv on a Tens"),
    "complex": (lambda: np.linalg.eig(NAMED), DTypeError, "np.linalg.eig gives complex"),
    "missing": (lambda: np.linalg.qr(NAMED), DetachError, "np.linalg.qr is not differentiable"),
    "slope of a large 0": (
        lambda: np.linalg.det(tg.Tensor(np.eye(21) * 0, True)).backward(), ArgumentError, "inv: ",
    ),
    "slope of log 0": (
        lambda: tg.linalg.slogdet(0 * NAMED)[1].backward(), ArgumentError, "inv: .*Singular matrix",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("call", "error", "says"), WRONG.values(), ids=WRONG.keys())
def test_what_cannot_be_is_refused(call, error, says):
    with np.errstate(divide="ignore"), pytest.raises(error, match=says):
        call()
