"""Holds NumPy's functions on Tensors to NumPy's values, and to all that follows a forward pass.

Each call below runs on arrays as it stands, which gives the value that is expected, and on Tensors:
`calls.check_call` asks central differences, forward mode, the second derivative, the graph and the
adjoint network about it.
"""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lstm as tg
from support.calls import check_call, numbers
from tinygrad_lstm.engine import functions
from tinygrad_lstm.engine.functions.paddings import ENTRIES, STATISTICS
from tinygrad_lstm.errors import DetachError, ShapeError, TinygradError

MODES = ("constant", "linear_ramp", *ENTRIES, *STATISTICS)
V, M, S, C = (3,), (2, 3), (3, 3), (2, 3, 4)

OF_ONE = {
    V: {
        "diff": lambda x: np.diff(x),
        "diff of nothing": lambda x: np.diff(x, n=0, prepend=0.0) * x,
        "scans of numbers": lambda x: np.cumprod(x[0], axis=0) * np.cumsum(x[1], 0),
        "repeat a number": lambda x: np.repeat(x[2], 2, -1),
        "diff twice": lambda x: np.diff(x, n=2),
        "diff between": lambda x: np.diff(x, prepend=0.0, append=x[:1]),
        "diag": lambda x: np.diag(x),
        "diag above": lambda x: np.diag(x, 1),
        "diagflat": lambda x: np.diagflat(x, -1),
        "append": lambda x: np.append(x, [1.0, 2.0]),
        "column_stack": lambda x: np.column_stack([x, x * x]),
        "vstack": lambda x: np.vstack([x, x * x, np.ones(3)]),
        "hstack": lambda x: np.hstack([x, x * x]),
        "dstack": lambda x: np.dstack([x, x * x]),
        "atleast_2d": lambda x: np.atleast_2d(x),
        "atleast_3d": lambda x: np.atleast_3d(x),
        "atleast_1d": lambda x: np.atleast_1d(x[0]),
        "cross": lambda x: np.cross(x, x * x),
        "cross of 2": lambda x: x[0] * (x[:2] * x[1:]),
        "trapezoid": lambda x: np.trapezoid(x, dx=0.5),
        "trapezoid over x": lambda x: np.trapezoid(x * x, x),
        "linspace": lambda x: np.linspace(x[0], x[1], 5),
        "linspace of vectors": lambda x: np.linspace(x, x * x, 4, endpoint=False, axis=-1),
        "full": lambda x: np.full((2, 3), x, like=x),
        "full_like": lambda x: tg.full_like(np.ones((2, 3)), x),
        "array": lambda x: np.array([[x[0], 1.0], [x[1] * x[2], x[2]]], like=x),
        "ord 1": lambda x: np.linalg.norm(x, 1),
        "ord 3": lambda x: np.linalg.norm(x, 3),
        "ord -1.5": lambda x: np.linalg.norm(x, -1.5),
        "ord inf": lambda x: np.linalg.norm(x, np.inf),
        "ord -inf": lambda x: np.linalg.norm(x, -np.inf),
        "ord 0": lambda x: np.linalg.norm(x, 0),
        "outer": lambda x: np.outer(x, x * x),
        "inner": lambda x: np.inner(x, x * x),
        "vdot": lambda x: np.vdot(x, x * x),
        "gradient": lambda x: np.gradient(x, 0.5),
        "cumulative_sum": lambda x: np.cumulative_sum(x, include_initial=True),
        "cumulative_prod": lambda x: np.cumulative_prod(x, include_initial=True),
        "tile": lambda x: np.tile(x, (2, 2)),
        "average": lambda x: np.average(x, weights=[1.0, 2.0, 0.5]),
        "rollaxis": lambda x: np.rollaxis(np.outer(x, x), 1),
    },
    M: {
        "cumsum": lambda x: np.cumsum(x),
        "cumsum axis": lambda x: np.cumsum(x, axis=-1),
        "cumprod": lambda x: np.cumprod(x),
        "cumprod axis": lambda x: np.cumprod(x, axis=0),
        "prod": lambda x: np.prod(x),
        "prod axis": lambda x: np.prod(x, axis=1),
        "prod keepdims": lambda x: np.prod(x, axis=(-1,), keepdims=True),
        "var": lambda x: np.var(x, axis=1, ddof=1),
        "std": lambda x: np.std(x, axis=(0, 1), ddof=1.5),
        "ptp": lambda x: np.ptp(x, axis=1),
        "median": lambda x: np.median(x, axis=0),
        "median of all": lambda x: np.median(x),
        "median keepdims": lambda x: np.median(x, axis=(1,), keepdims=True),
        "repeat": lambda x: np.repeat(x, 2),
        "repeat axis": lambda x: np.repeat(x, 3, axis=0),
        "repeat unevenly": lambda x: np.repeat(x, [2, 0, 1], axis=1),
        "tile": lambda x: np.tile(x, 2),
        "tile into more axes": lambda x: np.tile(x, (2, 1, 2)),
        "flip": lambda x: np.flip(x),
        "flip axes": lambda x: np.flip(x, (0, -1)),
        "fliplr": lambda x: np.fliplr(x),
        "flipud": lambda x: np.flipud(x),
        "roll": lambda x: np.roll(x, 2),
        "roll axis": lambda x: np.roll(x, -1, axis=1),
        "roll axes": lambda x: np.roll(x, (1, -2), axis=(0, 1)),
        "rot90": lambda x: np.rot90(x),
        "rot90 back": lambda x: np.rot90(x, -1),
        "rot90 twice": lambda x: np.rot90(x, 2),
        "sort": lambda x: np.sort(x, axis=0),
        "sort all": lambda x: np.sort(x, axis=None),
        "partition": lambda x: np.partition(x, 1),
        "take": lambda x: np.take(x, [[2, 0]], axis=1),
        "take wrapped": lambda x: np.take(x, [7, -1], mode="wrap"),
        "take_along_axis": lambda x: np.take_along_axis(x, np.array([[1, 1], [0, 2]]), 1),
        "delete": lambda x: np.delete(x, 1, axis=1),
        "array_split": lambda x: np.array_split(x, 2, axis=1),
        "hsplit": lambda x: np.hsplit(x, 3),
        "vsplit": lambda x: np.vsplit(x, [1]),
        "unstack": lambda x: np.unstack(x, axis=1),
        "matrix_transpose": lambda x: np.matrix_transpose(x),
        "trace": lambda x: np.trace(x, offset=1),
        "diagonal": lambda x: np.diagonal(x, -1),
        "diag of a matrix": lambda x: np.diag(x, 1),
        "tril": lambda x: np.tril(x, -1),
        "triu": lambda x: np.triu(x),
        "clip": lambda x: np.clip(x, min=0.7, max=1.5),
        "clip above": lambda x: np.clip(x, max=1.5),
        "pad": lambda x: np.pad(x, 1),
        "pad with numbers": lambda x: np.pad(x, (1, 2), constant_values=((3, 4), (5, 6))),
        "pad by edges": lambda x: np.pad(x, ((1, 0), (2, 1)), mode="edge"),
        "pad by reflection": lambda x: np.pad(x, 2, "reflect"),
        "pad by symmetry": lambda x: np.pad(x, 2, "symmetric"),
        "pad by wrapping": lambda x: np.pad(x, 4, "wrap"),
        "pad by ramps": lambda x: np.pad(x, ((1, 2), (3, 0)), "linear_ramp", end_values=(0.5, 2)),
        "pad by means": lambda x: np.pad(x, 2, "mean", stat_length=((1, 2), (2, 9))),
        "pad by medians": lambda x: np.pad(x * x, ((0, 1), (2, 2)), "median"),
        "pad by maxima": lambda x: np.pad(x, 1, "maximum", stat_length=2),
        "pad by minima": lambda x: np.pad(x, {1: (1, 2)}, "minimum"),
        "gradient": lambda x: list(np.gradient(x)),
        "gradient with steps": lambda x: list(np.gradient(x, 2.0, 0.5)),
        "gradient of order 2": lambda x: np.gradient(x, axis=1, edge_order=2),
        "append axis": lambda x: np.append(x, x * x, axis=0),
        "append": lambda x: np.append(x, x[0]),
        "concatenate all": lambda x: np.concatenate([x, x[0]], axis=None),
        "hstack": lambda x: np.hstack((x, x * x), dtype=float),
        "select": lambda x: np.select([x > 1.5, x > 1.0], [x * x, 2 * x], 7.0),
        "real": lambda x: np.real(x) * np.conj(x),
        "copy": lambda x: np.copy(x),
        "broadcast_arrays": lambda x: list(np.broadcast_arrays(x, x[0])),
        "astype": lambda x: np.astype(x, np.float64),
        "fro": lambda x: np.linalg.norm(x, "fro"),
        "columns": lambda x: np.linalg.norm(x, 1, keepdims=True),
        "nuclear": lambda x: np.linalg.norm(x, "nuc"),
        "spectral": lambda x: np.linalg.norm(x, 2) * np.linalg.norm(x, -2, keepdims=True),
        "rows": lambda x: np.linalg.norm(x, -np.inf),
        "vectors": lambda x: np.linalg.norm(x, 4, axis=1),
        "vector_norm": lambda x: np.linalg.vector_norm(x, ord=3),
        "vector_norm axes": lambda x: np.linalg.vector_norm(x, axis=(0, 1), ord=1, keepdims=True),
        "matrix_norm": lambda x: np.linalg.matrix_norm(x),
        "kron": lambda x: np.kron(x, x[0]),
        "tensordot": lambda x: np.tensordot(x, x, axes=(0, 0)),
        "outer product": lambda x: np.tensordot(x, x, axes=0),
        "expand_dims": lambda x: np.expand_dims(x, (0, 2)),
        "reciprocal": lambda x: np.reciprocal(x),
        "sinc": lambda x: np.sinc(x - 1.3),
        "sinc near 0": lambda x: np.sinc(x / 30),
        "log2": lambda x: np.log2(x),
        "log10": lambda x: np.log10(x),
        "log1p": lambda x: np.log1p(x),
        "expm1": lambda x: np.expm1(x),
        "exp2": lambda x: np.exp2(x),
        "tan": lambda x: np.tan(x / 2),
        "arcs": lambda x: np.arcsin(x / 3) * np.arccos(x / 4) * np.arctan(x),
        "hyperbolic": lambda x: np.sinh(x) * np.cosh(x),
        "areas": lambda x: np.arcsinh(x) * np.arccosh(x + 1) * np.arctanh(x / 3),
        "hypot": lambda x: np.hypot(x, 2.0 - x),
        "arctan2": lambda x: np.arctan2(x, 1.0 - x),
        "logaddexp": lambda x: np.logaddexp(x, x * x),
        "logaddexp2": lambda x: np.logaddexp2(x, 1.0),
        "mod": lambda x: np.mod(x * x, 0.7),
        "remainder by a Tensor": lambda x: 7.3 % x,
        "fmod": lambda x: np.fmod(x * x, 0.7),
        "fmax": lambda x: np.fmax(x, 1.2) * np.fmin(x, 1.1),
        "degrees": lambda x: np.degrees(x) + np.radians(x) + np.rad2deg(x) * np.deg2rad(x),
        "nan_to_num": lambda x: np.nan_to_num(x / [1.0, 2.0, np.inf]),
        "steps": lambda x: x * (np.floor(x) + np.ceil(x) + np.trunc(x) + np.round(x, 1)),
        "fabs": lambda x: np.fabs(x) + np.floor_divide(x, 0.4) + x // 0.3,
    },
    C: {
        "moved trace": lambda x: np.trace(x, 0, 1, 2),
        "diagonals": lambda x: np.diagonal(x, 1, -1, 0),
        "prod axes": lambda x: np.prod(x, axis=(0, 2)),
        "cumprod": lambda x: np.cumprod(x, axis=2),
        "flip one": lambda x: np.flip(x, 1),
        "tril": lambda x: np.tril(x),
        "dsplit": lambda x: np.dsplit(x, 2),
        "dstack": lambda x: np.dstack([x, x * x]),
        "sort": lambda x: np.sort(x),
        "trapezoid": lambda x: np.trapezoid(x, [0.0, 1.0, 3.0], axis=1),
        "weights": lambda x: np.average(x, axis=1, weights=[1.0, 2.0, 0.5]),
        "median": lambda x: np.median(x, axis=(0, 2)),
        "take": lambda x: np.take(x, 1, axis=1),
        "pad": lambda x: np.pad(x, ((0, 0), (1, 1), (2, 0)), mode="reflect"),
        "dot": lambda x: np.dot(x, np.swapaxes(x, 1, 2)),
        "einsum of one": lambda x: np.einsum("ijk->ki", x),
        "einsum with an ellipsis": lambda x: np.einsum("...i,...i->...", x, x),
        "inner": lambda x: np.inner(x, x[0]),
        "vecdot": lambda x: np.vecdot(x, x * x),
        "matrix_norm": lambda x: np.linalg.norm(x, np.inf, axis=(1, 2)),
    },
}  # fmt: skip

EINSUMS = {
    "ij,jk->ik": (M, (3, 4)), "ij,jk": (M, (3, 4)), "ij,ij": (M, M), "i,j->ji": (V, (2,)),
    "ij,j->": (M, V), "bij,bjk->bik": (C, (2, 4, 2)), "bij,bij->bi": (C, C), "ii->i": (S,),
    "ii": (S,), "ij->": (M,), "ij,kj->ikj": (M, (4, 3)), "i,i->i": (V, V), ",i->i": ((), V),
    "...ij,...jk": (C, (4, 2)), "i...->...i": (C,), "...,...": (M, V), "ijk,k->...ij": (C, (4,)),
    "ij,jk,kl->il": (M, (3, 4), (4, 2)), "a,b,c->cab": (V, (2,), (4,)),
    "iij,jk->ik": ((3, 3, 2), (2, 4)), "ij,ij->i": (M, (1, 3)), "iii": ((3, 3, 3),),
    "bhqd,bhkd->bhqk": ((2, 2, 3, 4), (2, 2, 2, 4)),
}  # fmt: skip

CASES = [
    pytest.param(call, shape, id=f"{name} {shape}")
    for shape, calls in OF_ONE.items()
    for name, call in calls.items()
]


@pytest.mark.parametrize(("call", "shape"), CASES)
def test_call(call, shape):
    assert check_call(call, None, [numbers(shape)], pictures=False) == "holds"


@pytest.mark.parametrize(("letters", "shapes"), EINSUMS.items(), ids=EINSUMS)
def test_einsum(letters, shapes):
    operands = [numbers(shape, seed) for seed, shape in enumerate(shapes)]
    call = lambda *xs: np.einsum(letters, *xs)  # noqa: E731
    assert check_call(call, None, operands, pictures=False) == "holds"


def test_einsum_in_other_forms():
    a, b, c = (numbers(shape, 1) for shape in (M, (3, 4), (4, 2)))
    t = tg.Tensor(a)
    best = tg.einsum("ij,jk,kl->il", t, b, c, optimize=True)
    np.testing.assert_allclose(best.data, a @ b @ c, rtol=1e-14)
    np.testing.assert_allclose(np.einsum(t, [0, 1], b, [1, 2], [2, 0]).data, (a @ b).T, rtol=1e-14)


@pytest.mark.parametrize("letters", ["ii", "ii->i", "ii,jj->ij", "...ii"])
@pytest.mark.parametrize("shape", [(1, 4), (4, 1), (3, 2)])
def test_a_letter_that_stands_twice_for_one_operand_has_one_length(letters, shape):
    """NumPy refuses a length of 1 there too."""
    x = tg.Tensor(numbers(shape))
    with pytest.raises(ShapeError, match="einsum: "):
        tg.einsum(letters, *[x] * len(letters.partition("->")[0].split(",")))


def test_a_matrix_product_in_letters_is_one_product():
    x = tg.einsum("bi,io->bo", tg.Tensor(numbers(M)), tg.Tensor(numbers((3, 4))))
    assert x.primitive is tg.matmul and not x.inputs[0].inputs


METHODS = {
    "std": {"ddof": 1}, "var": {"axis": 0, "ddof": 1}, "prod": {"axis": 1},
    "cumsum": {"axis": 0}, "cumprod": {}, "clip": {"min": 0.7, "max": 1.4}, "round": {},
    "repeat": {"repeats": 2}, "take": {"indices": [1, 0], "axis": 1}, "trace": {}, "diagonal": {},
    "argmax": {"axis": 1}, "argmin": {}, "argsort": {"axis": 0}, "all": {}, "any": {"axis": 1},
    "conj": {}, "max": {"axis": (0, 1)},
}  # fmt: skip


@pytest.mark.parametrize(("name", "options"), METHODS.items(), ids=METHODS)
def test_a_method_is_numpys(name, options):
    x = numbers(M)
    found = getattr(tg.Tensor(x), name)(**options)
    np.testing.assert_allclose(np.asarray(found), getattr(x, name)(**options), rtol=1e-14)


NAMES = ("exp", "log", "log1p", "sqrt", "square", "sign", "sin", "cos", "tanh", "abs")


@pytest.mark.parametrize("name", NAMES)
def test_a_method_is_the_function_of_its_name(name):
    x = numbers(M)
    np.testing.assert_array_equal(getattr(tg.Tensor(x), name)().data, getattr(np, name)(x))


def test_attributes_as_numpys():
    x = tg.Tensor(numbers(C), requires_grad=True)
    assert x.mT.shape == (2, 4, 3) and x.real is x
    np.testing.assert_array_equal(np.imag(x), np.zeros(C))


# --- loops: the graph folds, and its adjoint runs -------------------------------------------------


def recurrence(x, W):
    """Return the loss of a loop that uses functions of each subject at every step."""
    h, hs = tg.Tensor(np.zeros(3), name="h"), []
    for k in tg.steps(len(x)):
        s = np.einsum("i,ij->j", h, W) + np.roll(np.cumsum(x[k]), 1)
        s = tg.gelu(s) + np.log1p(np.square(s)) + np.prod(s * 0.1) + np.trace(np.outer(s, s)) * 0.01
        h = np.arctan(np.clip(np.flip(s), -1.5, 1.5)) * np.linalg.norm(np.tile(s, 2), 3)
        h = h + np.diff(np.append(h, np.hypot(h[0], 1.0))) * 0.1
        h.name = "h"
        hs.append(h)
    return np.sum(np.vstack(hs) ** 2)


def test_a_loop_of_the_new_functions_folds_and_its_adjoint_gives_the_gradient():
    x = tg.Tensor(numbers((4, 3)) - 1.0, requires_grad=True, name="x")
    W = tg.Tensor(numbers(S, 3) - 1.2, requires_grad=True, name="W")
    loss = recurrence(x, W)
    network = tg.graph(loss).fold()
    assert network.folded
    answers = network.adjoint().evaluate()
    loss.backward()
    np.testing.assert_allclose(answers["δW"], W.grad, rtol=1e-12)
    np.testing.assert_allclose(answers["δx"], x.grad, rtol=1e-12)
    assert tg.gradcheck(recurrence, [x, W]).ok


# --- zeros, ties, types ---------------------------------------------------------------------------


@pytest.mark.parametrize("function", [np.prod, np.cumprod])
def test_a_product_with_zeros_has_its_gradient(function):
    for values in ([0.0, 2.0, 3.0], [0.0, 2.0, 0.0], [0.0, 0.0, 0.0]):
        x = tg.Tensor(values, requires_grad=True)
        np.sum(function(x)).backward()
        slopes = [
            (function(np.array(values) + e) - function(np.array(values) - e)).sum() / 2e-6
            for e in 1e-6 * np.eye(3)
        ]
        np.testing.assert_allclose(x.grad, slopes, atol=1e-9)


@pytest.mark.parametrize("order", [1, 3, 1.5, np.inf, 2])
def test_the_gradient_of_a_norm_at_zero_is_zero(order):
    x = tg.Tensor(np.zeros((2, 3)), requires_grad=True)
    np.sum(np.linalg.norm(x, order, axis=1)).backward()
    np.testing.assert_array_equal(x.grad, np.zeros((2, 3)))


def test_norm_of_order_3_neither_overflows_nor_vanishes():
    for size in (1e-200, 1e200):
        np.testing.assert_allclose(
            np.linalg.norm(tg.Tensor([3.0 * size, -4.0 * size]), 3).item(), 91 ** (1 / 3) * size
        )


def test_sinc_at_zero_has_its_curvature():
    x = tg.Tensor([0.0, 0.09, 0.096], requires_grad=True)
    slope = tg.grad(np.sum(np.sinc(x)), x, create_graph=True)
    curve = tg.grad(np.sum(slope), x).numpy()
    z = np.pi * x.numpy()

    def slope_of_series(order):
        terms = np.zeros(3)
        for n in range(1, 12):
            falling = np.prod([2.0 * n - j for j in range(order)])
            terms += (-1) ** n * falling * z ** (2 * n - order) / np.prod(np.arange(1.0, 2 * n + 2))
        return np.pi**order * terms

    np.testing.assert_allclose(slope.numpy(), slope_of_series(1), rtol=1e-13)
    np.testing.assert_allclose(curve, slope_of_series(2), rtol=1e-12)


def test_nan_to_num_lets_no_gradient_through_what_it_replaces():
    x = tg.Tensor([np.nan, np.inf, -np.inf, 2.0], requires_grad=True)
    y = np.nan_to_num(x, nan=1.0, posinf=5.0)
    np.testing.assert_array_equal(y.data, [1.0, 5.0, np.finfo(float).min, 2.0])
    np.sum(y[:2] * np.inf + y[2:]).backward()
    np.testing.assert_array_equal(x.grad, [0.0, 0.0, 0.0, 1.0])


def test_fmax_takes_the_number_beside_nan():
    a, b = (tg.Tensor(x, requires_grad=True) for x in ([np.nan, 1.0, 2.0], [3.0, np.nan, 2.0]))
    np.sum(np.fmax(a, b)).backward()
    np.testing.assert_array_equal(a.grad, [0.0, 1.0, 0.5])
    np.testing.assert_array_equal(b.grad, [1.0, 0.0, 0.5])


def test_a_change_of_type_stays_on_the_tape():
    x = tg.Tensor(np.float32([1.0, 2.0]), requires_grad=True)
    y = x.astype(np.float64)
    np.sum(y * y).backward()
    assert (y.dtype, x.grad.dtype) == (np.float64, np.float32)
    np.testing.assert_array_equal(x.grad, [2.0, 4.0])


# --- lists of Tensors -----------------------------------------------------------------------------

LISTS = {
    "mean": lambda x, y: tg.mean([x, y]),
    "prod": lambda x, y: tg.prod([[x, 2.0], [y, x]], axis=0),
    "array": lambda x, y: tg.array([[x, y], [1.0, x]]),
    "hstack": lambda x, y: tg.hstack([[x, y], [x]]),
    "like": lambda x, y: np.array([x, y], like=x),
}


@pytest.mark.parametrize("call", LISTS.values(), ids=LISTS)
def test_our_functions_see_the_tensors_in_a_list(call):
    x, y = (tg.Tensor(number, requires_grad=True) for number in (0.5, 1.5))
    np.sum(call(x, y)).backward()
    assert x.grad is not None and y.grad is not None


@pytest.mark.parametrize("function", [np.array, np.mean, np.asarray, np.linalg.norm])
def test_numpy_is_told_how_to_join_a_list(function):
    x = tg.Tensor([1.0, 2.0], requires_grad=True, name="x")
    with pytest.raises(DetachError, match=r"tg\.array\(\[…\]\) or np\.array\(\[…\], like=x\)"):
        function([x, x])


@pytest.mark.parametrize("joining", [np.r_, np.c_], ids=["r_", "c_"])
def test_who_joins_by_brackets_is_told_which_function_does_the_same(joining):
    x = tg.Tensor([1.0, 2.0], requires_grad=True, name="x")
    with pytest.raises(
        DetachError, match=r"at x; .*np\.r_ write np\.concatenate.*np\.column_stack"
    ):
        joining[x, x]


@pytest.mark.parametrize("seed", range(60))
def test_what_is_put_around_is_numpys(seed):
    random = np.random.default_rng(seed)
    shape = tuple(random.integers(1, 5, size=random.integers(1, 4)).tolist())
    x, pairs = random.normal(size=shape), (len(shape), 2)
    mode = MODES[seed % len(MODES)]
    options = {}
    width = random.integers(0, 4, size=pairs) if random.random() < 0.7 else 2
    if mode == "linear_ramp" and random.random() < 0.7:
        options["end_values"] = random.normal(size=pairs) if random.random() < 0.5 else 2
    if mode in STATISTICS and random.random() < 0.7:
        options["stat_length"] = random.integers(1, 6, pairs) if random.random() < 0.5 else 2
    expected = np.pad(x, width, mode, **options)
    for function in (np.pad, tg.pad):
        y = function(tg.Tensor(x), width, mode, **options)
        np.testing.assert_allclose(y.data, expected, 1e-13, 1e-14)
    np.testing.assert_allclose(tg.pad(x, width, mode, **options), expected, 1e-13, 1e-14)
    narrow = tg.pad(tg.Tensor(x, dtype=np.float32), width, mode, **options)
    assert narrow.dtype == np.float32


def test_numpys_options_at_their_defaults_are_no_options():
    x = tg.Tensor([1.0, 2.0], requires_grad=True, name="x")
    for y in (
        np.exp(x, out=None), np.exp(x, where=True), np.sum(x, out=None), np.sum(x, dtype=None),
        np.mean(x, where=True), np.exp(x, dtype=None, subok=True),
    ):  # fmt: skip
        assert isinstance(y, tg.Tensor) and y.requires_grad


@pytest.mark.parametrize(("name", "remedy"), [("out", "y = f\\(x\\)"), ("where", "np.where\\(")])
def test_who_writes_into_memory_is_told_what_to_write(name, remedy):
    x = tg.Tensor([1.0, 2.0], requires_grad=True, name="x")
    for function in (np.exp, np.sum):
        with pytest.raises(DetachError, match=f"np.{function.__name__} with {name}=.*{remedy}"):
            function(x, **{name: np.array([True, False])})


# --- what is refused ------------------------------------------------------------------------------

REFUSED = {
    "np.polyfit": lambda x: np.polyfit(x, x, 1),
    "np.linalg.matrix_rank": lambda x: np.linalg.matrix_rank(x),
    "pad: reflect_type": lambda x: np.pad(x, 1, "reflect", reflect_type="odd"),
    "np.add with out=": lambda x: np.add(x, 1.0, out=np.zeros(2)),
    "np.exp with where=": lambda x: np.exp(x, where=np.array([True, False])),
    "np.sum with out=": lambda x: np.sum(x, out=np.zeros(())),
    "np.mean with where=": lambda x: np.mean(x, where=np.array([True, False])),
    "np.percentile": lambda x: np.percentile(x, 30),
}


@pytest.mark.parametrize(("name", "call"), REFUSED.items(), ids=REFUSED)
def test_what_is_missing_is_refused_by_its_full_name(name, call):
    with pytest.raises(TinygradError) as caught:
        call(tg.Tensor([1.0, 2.0], requires_grad=True, name="x"))
    assert name in str(caught.value)


BAD = {
    "einsum letters": lambda x: tg.einsum("ijk->i", x),
    "einsum sizes": lambda x: tg.einsum("ij,jk", x, x),
    "einsum result": lambda x: tg.einsum("ij->iz", x),
    "einsum operands": lambda x: tg.einsum("ij,jk", x),
    "tensordot sizes": lambda x: tg.tensordot(x, x, 1),
    "tensordot axes": lambda x: tg.tensordot(x, x, 3),
    "repeat a fraction": lambda x: tg.repeat(x, 1.5),
    "repeat too few": lambda x: tg.repeat(x, [1, 2], axis=1),
    "tile": lambda x: tg.tile(x, -1),
    "take beyond": lambda x: tg.take(x, 9),
    "cumsum axis": lambda x: tg.cumsum(x, axis=2),
    "prod axis": lambda x: tg.prod(x, axis=2),
    "roll axis": lambda x: tg.roll(x, 1, axis=2),
    "cross": lambda x: tg.cross(x, x[:, :2]),
    "ddof": lambda x: tg.var(x, ddof="1"),
    "ddof twice": lambda x: tg.var(x, ddof=1, correction=1),
    "clip twice": lambda x: tg.clip(x, 0.0, 1.0, max=2.0),
    "norm of order 2 of a matrix": lambda x: np.linalg.norm(x, 3),
    "gradient steps": lambda x: tg.gradient(x, [1.0, 2.0]),
    "diag": lambda x: tg.diag(x[None]),
    "gelu": lambda x: tg.gelu(x, approximate="erf"),
    "astype": lambda x: x.astype(int),
    "select": lambda x: tg.select([x > 0], [x, x]),
    "vstack": lambda x: tg.vstack([x, x[:, :2]]),
}


@pytest.mark.parametrize("call", BAD.values(), ids=BAD)
def test_bad_arguments_get_the_packages_own_errors(call):
    with pytest.raises(TinygradError) as caught:
        call(tg.Tensor(numbers(M), requires_grad=True, name="x"))
    assert str(caught.value)


def test_functions_that_are_loaded_late_are_where_they_are_said_to_be():
    for name, subject in functions.LATER.items():
        function = getattr(tg, name)
        assert function.__module__.endswith(f"functions.{subject}"), name
