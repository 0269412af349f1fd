"""Holds every entry of the table to the laws, and the laws to planted errors."""

from __future__ import annotations

import copy
import pickle
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinygrad_lstm as tg
from support import laws
from tinygrad_lstm import TABLE
from tinygrad_lstm.engine import primitives as p
from tinygrad_lstm.engine import samples, symbol
from tinygrad_lstm.engine.kinds import (
    bilinear,
    cut,
    elementwise,
    join,
    junction,
    linear,
    reduction,
)
from tinygrad_lstm.engine.primitive import Primitive

KINDS = {"junction", "elementwise", "bilinear", "linear", "join", "reduction", "cut"}


def tried(entry: Primitive) -> list:
    """Return an entry's samples as test parameters with ids such as ``matmul (2,3) (3,4)``."""
    made = []
    for xs, parameters in entry.samples():
        facts = [
            entry.name,
            *(str(x.shape) for x in xs),
            *(f"{k}={v}" for k, v in parameters.items()),
        ]
        made.append(pytest.param(entry, xs, parameters, id=re.sub(r"\s+", "", " ".join(facts))))
    return made


def cases(*kinds: str) -> list:
    return [case for entry in TABLE.values() if entry.kind in kinds for case in tried(entry)]


@pytest.mark.parametrize("law", laws.LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize(("entry", "xs", "parameters"), cases(*KINDS - {"cut"}))
def test_law(law, entry, xs, parameters):
    law(entry, xs, parameters)


@pytest.mark.parametrize(("entry", "xs", "parameters"), cases("cut"))
def test_cut(entry, xs, parameters):
    laws.check_cut(entry, xs, parameters)


@pytest.mark.parametrize("entry", TABLE.values(), ids=TABLE.keys())
def test_entry_has_samples(entry):
    laws.check_samples(entry)


@pytest.mark.parametrize("entry", TABLE.values(), ids=TABLE.keys())
def test_symbolic_derivative_evaluates_to_the_numeric_one(entry):
    xs, parameters = entry.samples()[0]
    laws.check_symbolic(entry, xs, parameters)


@pytest.mark.parametrize("entry", TABLE.values(), ids=TABLE.keys())
def test_derivative_prints_as_text_and_latex(entry):
    for derivative in entry.derivatives().values():
        assert "δ" in repr(derivative)
        latex = derivative.latex()
        assert r"\delta" in latex
        assert latex.count("{") == latex.count("}")
        assert latex.count(r"\left") == latex.count(r"\right")


def test_every_kind_has_an_entry():
    assert {entry.kind for entry in TABLE.values()} == KINDS


PROVIDED = {
    "add", "subtract", "hadamard", "multiply", "divide", "negative", "power", "exp", "log", "sqrt",
    "tanh", "sigmoid", "relu", "softplus", "abs", "maximum", "minimum", "where", "matmul", "sum",
    "max", "reshape", "transpose", "broadcast_to", "concatenate", "stack", "split", "unstack",
    "pad", "sliding_windows", "logsumexp", "mean", "outer", "softmax", "log_softmax", "norm",
    "swapaxes", "stop_gradient",
}  # fmt: skip


def test_everything_is_provided():
    assert {name for name in PROVIDED if not callable(getattr(tg, name, None))} == set()


def test_the_table_can_be_read_on_one_screen():
    with open(p.__file__, encoding="utf-8") as source:
        assert [line for line in source if len(line.rstrip()) > 120] == []


def test_no_entry_serves_the_lstm_alone():
    assert not [name for name in TABLE if "lstm" in name or "gate" in name]


# --- the laws catch what they are there for -----------------------------------------------------


def planted(constructor, name, *rules, **more):
    """Return a copy of a table entry with other rules, which nothing tries, as in the table."""
    good = TABLE[name]
    return constructor.__wrapped__(
        name, good.forward, *rules, notation=good.notation, samples=good.samples, **more
    )


def add_part_forgets(whole, index, part):
    whole[index] = part


def writes_into_operand(ct, a, b):
    ct *= b
    return ct.copy()


def scattered(ct, x, index):
    return p.scatter(ct, index=index, shape=x.shape)


PLANTED = {
    "elementwise factor": (
        planted(elementwise, "tanh", lambda x, y: 1 - y),
        laws.check_complex_step,
    ),
    "elementwise kink": (
        planted(elementwise, "relu", lambda x, y: x > -9, analytic=False),
        laws.check_differences,
    ),
    "elementwise off the tape": (
        planted(elementwise, "tanh", lambda x, y: 1 - p.stop_gradient(y) * y),
        laws.check_second_order,
    ),
    "elementwise second operand": (
        planted(elementwise, "divide", lambda a, b, y: 1 / b, lambda a, b, y: y / b),
        laws.check_complex_step,
    ),
    "junction sign": (planted(junction, "subtract", (+1, +1)), laws.check_complex_step),
    "linear transpose": (
        planted(linear, "transpose", lambda ct, x, axes=None: ct.reshape(x.shape)),
        laws.check_transpose,
    ),
    "linear shape": (planted(linear, "broadcast_to", lambda ct, x, shape: ct), laws.check_shapes),
    "linear part": (
        planted(linear, "getitem", scattered, is_part=True, add_part=add_part_forgets),
        laws.check_accumulation,
    ),
    "join pieces": (
        planted(join, "stack", lambda shapes, axis=0: range(len(shapes))[::-1]),
        laws.check_transpose,
    ),
    "bilinear left": (
        planted(bilinear, "hadamard", lambda ct, a, b: ct * a, lambda ct, a, b: ct * a),
        laws.check_transpose,
    ),
    "bilinear right": (
        planted(bilinear, "matmul", lambda ct, a, b: ct @ b.T, lambda ct, a, b: 2 * (a.T @ ct)),
        laws.check_transpose,
    ),
    "bilinear rows": (
        planted(
            bilinear,
            "matmul",
            lambda ct, a, b: ct @ b.T,
            lambda ct, a, b: a.T @ ct,
            rows=lambda a, ct: (a, -ct),
        ),
        laws.check_computed,
    ),
    "bilinear not pure": (
        planted(bilinear, "hadamard", writes_into_operand, lambda ct, a, b: ct * a),
        laws.check_accumulation,
    ),
    "reduction partial": (
        planted(reduction, "logsumexp", lambda x, y, axis: p.exp(x)),
        laws.check_complex_step,
    ),
    "reduction ties": (
        planted(reduction, "max", lambda x, y, axis: x < y, analytic=False),
        laws.check_differences,
    ),
}


@pytest.mark.parametrize(("entry", "law"), PLANTED.values(), ids=PLANTED.keys())
def test_planted_error_is_caught(entry, law):
    with pytest.raises(AssertionError):
        law(entry, *entry.samples()[0])


@pytest.mark.parametrize(("entry", "law"), PLANTED.values(), ids=PLANTED.keys())
def test_law_that_catches_it_holds_for_the_original(entry, law):
    law(TABLE[entry.name], *entry.samples()[0])


def test_planted_errors_cover_every_kind():
    assert {entry.kind for entry, _ in PLANTED.values()} == KINDS - {"cut"}


def test_entry_without_samples_is_caught():
    bare = planted(elementwise, "tanh", lambda x, y: 1 - y * y)
    bare.name, bare.samples = "bare", list
    with pytest.raises(AssertionError, match="bare has no samples"):
        laws.check_samples(bare)


def test_leaking_cut_is_caught():
    leak = cut("leak", lambda x: x, notation=symbol.ADD, samples=TABLE["stop_gradient"].samples)
    leak.pull = lambda entry, ct, sums: sums.add(entry.inputs[0], ct)
    with pytest.raises(AssertionError):
        laws.check_cut(leak, *leak.samples()[0])


# --- shapes -------------------------------------------------------------------------------------

quick = settings(max_examples=40, deadline=None, derandomize=True)


def filled(shape, seed, domain=samples.real):
    return domain(int(np.prod(shape)), seed).reshape(shape)


@quick
@given(
    entry=st.sampled_from([p.add, p.subtract, p.hadamard, p.maximum, p.minimum, p.divide, p.power]),
    shapes=hnp.mutually_broadcastable_shapes(num_shapes=2, min_side=0, max_dims=4, max_side=4),
)
def test_cotangent_has_the_operands_shape_under_every_broadcast(entry, shapes):
    xs = tuple(filled(shape, k, samples.positive) for k, shape in enumerate(shapes.input_shapes))
    laws.check_shapes(entry, xs, {})
    laws.check_transpose(entry, xs, {})


@quick
@given(shapes=hnp.mutually_broadcastable_shapes(num_shapes=3, max_dims=3, max_side=3))
def test_where_under_every_broadcast(shapes):
    domains = (samples.truth, samples.real, samples.real)
    xs = tuple(filled(s, k, domains[k]) for k, s in enumerate(shapes.input_shapes))
    laws.check_shapes(p.where, xs, {})
    laws.check_transpose(p.where, xs, {})


@quick
@given(
    shapes=hnp.mutually_broadcastable_shapes(
        signature="(m?,n),(n,p?)->(m?,p?)", max_dims=4, max_side=3
    )
)
def test_matmul_takes_all_of_numpys_shapes(shapes):
    xs = tuple(filled(shape, k) for k, shape in enumerate(shapes.input_shapes))
    laws.near(p.matmul(*xs), np.matmul(*xs), 1e-13)
    laws.check_shapes(p.matmul, xs, {})
    laws.check_transpose(p.matmul, xs, {})


@quick
@given(data=st.data(), shape=hnp.array_shapes(max_dims=4, max_side=4))
def test_basic_indices(data, shape):
    index = data.draw(hnp.basic_indices(shape, allow_newaxis=True))
    x = filled(shape, 0)
    laws.check_shapes(p.getitem, (x,), {"index": index})
    laws.check_transpose(p.getitem, (x,), {"index": index})
    laws.check_accumulation(p.getitem, (x,), {"index": index})


@quick
@given(data=st.data(), shape=hnp.array_shapes(max_dims=3, max_side=4))
def test_advanced_indices(data, shape):
    index = data.draw(hnp.integer_array_indices(shape))
    x = filled(shape, 0)
    laws.check_shapes(p.gather, (x,), {"index": index})
    laws.check_transpose(p.gather, (x,), {"index": index})
    laws.check_accumulation(p.gather, (x,), {"index": index})


@quick
@given(
    data=st.data(),
    entry=st.sampled_from([p.sum, p.max, p.logsumexp, p.norm]),
    shape=hnp.array_shapes(min_dims=0, max_dims=4, max_side=3),
    keepdims=st.booleans(),
)
def test_reductions_along_any_axes(data, entry, shape, keepdims):
    axes = hnp.valid_tuple_axes(len(shape)) | st.none()
    parameters = {"axis": data.draw(axes), "keepdims": keepdims}
    xs = (filled(shape, 0),)
    laws.check_shapes(entry, xs, parameters)
    laws.check_transpose(entry, xs, parameters)
    laws.check_differences(entry, xs, parameters)


# --- values -------------------------------------------------------------------------------------

X = np.array([[0.5, -1.5, 2.0], [1.0, 0.25, -0.75]])

FORWARD = {
    "sigmoid": (p.sigmoid(X), 1 / (1 + np.exp(-X))),
    "softplus": (p.softplus(X), np.log(1 + np.exp(X))),
    "relu": (p.relu(X), np.where(X > 0, X, 0)),
    "where": (p.where(X > 0, X, 7.0), np.where(X > 0, X, 7.0)),
    "logsumexp": (p.logsumexp(X, axis=1), np.log(np.exp(X).sum(1))),
    "norm": (p.norm(X, axis=0), np.linalg.norm(X, axis=0)),
    "pad": (p.pad(X, pad_width=((1, 0), (0, 2))), np.pad(X, ((1, 0), (0, 2)))),
    "scatter": (p.scatter(X, index=slice(1, 3), shape=(4, 3))[[0, 3]], np.zeros((2, 3))),
    "scatter_add": (
        p.scatter_add(X[0], index=np.array([1, 1, 0]), shape=(2,)), [X[0, 2], X[0, 0] + X[0, 1]],
    ),
    "sliding_windows": (p.sliding_windows(X[0], window_shape=2), [X[0, :2], X[0, 1:]]),
    "overlap_add": (
        p.overlap_add(X[:, :2], window_shape=2, shape=(3,)),
        [X[0, 0], X[0, 1] + X[1, 0], X[1, 1]],
    ),
    "stack": (p.stack([X, X], axis=-1), np.stack([X, X], axis=-1)),
    "concatenate": (p.concatenate([X, X], axis=1), np.hstack([X, X])),
}  # fmt: skip


@pytest.mark.parametrize(("found", "expected"), FORWARD.values(), ids=FORWARD.keys())
def test_value(found, expected):
    laws.near(found, expected, 1e-15)


@pytest.mark.parametrize("entry", TABLE.values(), ids=TABLE.keys())
def test_plain_arrays_stay_plain(entry):
    xs, parameters = entry.samples()[0]
    assert isinstance(entry(*xs, **parameters), np.ndarray | np.generic)


@pytest.mark.parametrize("x", [0.5, 2, np.array([1, 2])], ids=repr)
@pytest.mark.parametrize(
    "entry", [each for each in TABLE.values() if each.kind == "elementwise" and each.arity == 1]
)
def test_plain_numbers_and_integers_are_taken(entry, x):
    with np.errstate(all="ignore"):  # beyond the domain of some
        found, expected = entry(x), entry(np.asarray(x, float))
    np.testing.assert_allclose(found, expected, rtol=1e-15)


# --- extremes, kinks and ties -------------------------------------------------------------------


def gradient(fn, x):
    """Return d Σ fn(x) / dx at an array."""
    leaf = tg.Tensor(x, requires_grad=True)
    tg.sum(fn(leaf)).backward()
    return leaf.grad


AT_EXTREMES = {
    "sigmoid at 800": (tg.sigmoid, [800.0, -800.0], [1.0, 0.0], [0.0, 0.0]),
    "softplus at 800": (tg.softplus, [800.0, -800.0], [800.0, 0.0], [1.0, 0.0]),
    "tanh at 800": (tg.tanh, [800.0, -800.0], [1.0, -1.0], [0.0, 0.0]),
    "logsumexp of 1000s": (
        tg.logsumexp, [1000.0, 1000.0], 1000 + np.log(2), [0.5, 0.5],
    ),
    "logsumexp of -1000s": (
        tg.logsumexp, [-1000.0, -1000.0], -1000 + np.log(2), [0.5, 0.5],
    ),
    "logsumexp with -inf": (tg.logsumexp, [-np.inf, 1.0], 1.0, [0.0, 1.0]),
    "softmax of 1000s": (lambda x: tg.softmax(x)[0], [1000.0, 1000.0], 0.5, [0.25, -0.25]),
    "log_softmax of 1000s": (lambda x: tg.log_softmax(x)[0], [1000.0, 0.0], 0.0, [0.0, 0.0]),
    "norm at 0": (tg.norm, [0.0, 0.0], 0.0, [0.0, 0.0]),
    "abs at 0": (tg.abs, [0.0, -2.0], [0.0, 2.0], [0.0, -1.0]),
    "relu at 0": (tg.relu, [0.0, -0.0], [0.0, 0.0], [0.0, 0.0]),
    "max of a tie": (tg.max, [3.0, 1.0, 3.0], 3.0, [0.5, 0.0, 0.5]),
    "min of a tie": (tg.min, [1.0, 3.0, 1.0], 1.0, [0.5, 0.0, 0.5]),
    "maximum of a tie": (lambda x: tg.maximum(x, [1.0, 1.0]), [1.0, 2.0], [1.0, 2.0], [0.5, 1.0]),
    "minimum of a tie": (lambda x: tg.minimum(x, [1.0, 1.0]), [1.0, 2.0], [1.0, 1.0], [0.5, 0.0]),
    "x ** 2 at 0 and below": (lambda x: x**2, [0.0, -3.0], [0.0, 9.0], [0.0, -6.0]),
    "x ** 0 at 0": (lambda x: x**0, [0.0], [1.0], [0.0]),
}  # fmt: skip


@pytest.mark.parametrize(("fn", "x", "y", "slope"), AT_EXTREMES.values(), ids=AT_EXTREMES.keys())
def test_value_at_the_extreme(fn, x, y, slope):
    laws.near(fn(tg.Tensor(x)).data, y, 1e-12)


@pytest.mark.parametrize(("fn", "x", "y", "slope"), AT_EXTREMES.values(), ids=AT_EXTREMES.keys())
def test_slope_at_the_extreme(fn, x, y, slope):
    laws.near(gradient(fn, x), slope, 1e-12)


def test_slope_of_sqrt_at_0_is_infinite():
    with np.errstate(divide="ignore"):
        assert gradient(tg.sqrt, [0.0, 4.0]).tolist() == [np.inf, 0.25]


def test_maximum_gives_each_side_half_of_a_tie():
    a, b = (tg.Tensor(1.0, requires_grad=True) for _ in "ab")
    tg.maximum(a, b).backward()
    assert (a.grad, b.grad) == (0.5, 0.5)


def test_repeated_indices_accumulate():
    slope = gradient(lambda x: x[np.array([0, 2, 0, 0])] * [1.0, 10.0, 100.0, 1000.0], np.zeros(3))
    assert slope.tolist() == [1101.0, 0.0, 10.0]


@pytest.mark.parametrize(("x", "y"), [(np.inf, np.inf), (-np.inf, 0.0), (800.0, 800.0)])
def test_softplus_at_the_extremes(x, y):
    assert TABLE["softplus"](np.float64(x)) == y


def test_ties_of_max_keep_float32_to_the_second_order():
    x = tg.Tensor(np.float32([1.0, 3.0, 3.0]), requires_grad=True)
    slope = tg.grad(tg.max(x) ** 2, x, create_graph=True)
    assert slope.dtype == np.float32
    assert slope.tolist() == [0.0, 3.0, 3.0]
    assert tg.grad(slope.sum(), x).dtype == np.float32


@pytest.mark.parametrize("name", TABLE)
def test_a_copy_of_an_entry_is_the_entry(name):
    entry = TABLE[name]
    assert copy.deepcopy(entry) is entry
    assert pickle.loads(pickle.dumps(entry)) is entry


EMPTY = [((2, 3, 4), (4, 0)), ((2, 3, 0), (0, 2)), ((0, 3, 4), (4, 2)), ((2, 0, 4), (4,))]


@pytest.mark.parametrize("shapes", EMPTY, ids=str)
@pytest.mark.parametrize("create_graph", [False, True])
def test_products_of_nothing_have_gradients_of_their_operands_shapes(shapes, create_graph):
    a, b = (tg.Tensor(np.ones(shape), requires_grad=True) for shape in shapes)
    found = tg.grad((a @ b).sum(), [a, b], create_graph=create_graph)
    assert tuple(each.shape for each in found) == shapes
    assert not any(each.numpy().any() for each in found)


@pytest.mark.parametrize("seed", range(12))
def test_windows_at_a_distance_are_the_windows_less_the_others(seed):
    random = np.random.default_rng(seed)
    sizes, stride, dilation = (random.integers(1, 4, 2) for _ in range(3))
    spans = (sizes - 1) * dilation + 1
    x = laws.draw((*map(int, spans + random.integers(0, 5, 2)), 2), seed)
    windows = tg.sliding_windows(x, sizes, (0, -2), stride=stride, dilation=dilation)
    every = np.lib.stride_tricks.sliding_window_view(x, spans, (0, 1))
    one, other = stride.tolist()
    expected = every[::one, ::other, :, :: dilation[0], :: dilation[1]]
    np.testing.assert_array_equal(windows, expected)


@pytest.mark.parametrize("options", [{"stride": 0}, {"stride": (1, -1)}, {"dilation": [0, 1]},
                                     {"stride": (1, 1, 1)}, {"dilation": 1.5}])  # fmt: skip
def test_windows_at_no_distance_are_refused(options):
    for x in (tg.Tensor(laws.draw((4, 4)), name="x"), laws.draw((4, 4))):
        with pytest.raises((tg.ShapeError, tg.UsageError), match="sliding_windows"):
            tg.sliding_windows(x, (2, 2), **options)


def test_windows_may_be_given_as_a_list():
    x = tg.Tensor(laws.draw((3, 4)), requires_grad=True)
    as_list, as_tuple = (
        tg.grad((tg.sliding_windows(x, shape, axis=axes) ** 2).sum(), x).numpy()
        for shape, axes in (([2, 2], [0, 1]), ((2, 2), (0, 1)))
    )
    np.testing.assert_array_equal(as_list, as_tuple)
