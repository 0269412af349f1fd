"""Holds every function to NumPy's own forms of its arguments, in forward and in all that follows.

A call is refused by the package's own error, or its value is NumPy's and all that comes after the
forward pass accepts the call too (`calls.check_call`).
"""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

import tinygrad_lstm as tg
from support.calls import check_call, numbers
from tinygrad_lstm.engine import forms
from tinygrad_lstm.errors import ShapeError, TinygradError, UsageError

SHAPES = [(), (1,), (3,), (2, 3), (2, 1, 3), (0, 3), (3, 0), (1, 1)]
AXES = [
    None, 0, 1, -1, -2, 2, 5, np.int64(0), np.int8(-1), (0,), (0, 1), (-1,), (0, -1), (), [0], [],
    np.array(0), np.array([0]), True, 1.0, "a", (0, 0), (None,), (np.int64(0),),
]  # fmt: skip
ORDERS = [
    None, (), (0,), (0, 1), (1, 0), (-1, 0), (-1, -2), [1, 0], (2, 0, 1), (0, 0), 0, -1,
    np.array([1, 0]), np.array(0), (np.int64(1), np.int64(0)), (True, False), "a", range(2),
]  # fmt: skip
SIZES = [
    (), 1, 3, -1, (3,), (-1,), [3], [-1], (1, 3), (3, 1), (-1, 1), (2, 3), (3, 2), (2, -1),
    np.array([2, 3]), np.array(3), np.int64(3), (np.int64(3), -1), (0,), (0, 3), (0, -1), (-1, -1),
    3.0, (3.0,), "a", (True, 3), range(2, 4), {1},
]  # fmt: skip
WIDTHS = [
    0, 1, (1,), (1, 2), ((1, 2),), ((1, 2), (0, 1)), [1, 2], np.array([[1, 2]]), np.int64(1), -1,
    1.0, "a", None, ((0, 0), (1, 1), (2, 0)), (), {0: 1}, {-1: (1, 2)}, [(1, 2), (3, 0)],
]  # fmt: skip
WINDOWS = [1, 2, (2,), (1, 2), [1, 2], np.int64(2), 0, -1, 4, 2.0, "a", (), np.array([1, 2]), True]
PIECES = [
    1, 2, 3, [1], (1, 2), np.array([1, 2]), [], [2, 1], [-1], [0, 10], np.int64(1), np.array(2), 0,
    -1, 1.0, "a", None, [1.5], True, np.array([[1]]),
]  # fmt: skip
INDICES = [
    0, 1, -1, 5, None, ..., (), slice(None), slice(None, None, -1), slice(2, None, -2),
    slice(5, 10), (..., 0), (0, ...), (None, 0), (..., None, 0), (slice(None, None, -1), -1),
    True, False, np.True_, np.array(True), np.array(False), [True, False, True],
    np.array([True, True, False]), np.ones((2, 3), bool), np.zeros((2, 3), bool), [0], [0, 0],
    [0, 1, 0], [-1, 0, -1], [], [[0, 1], [1, 0]], np.array(0), np.array(-1), np.int64(0),
    np.uint8(1), np.array([], int), ([0, 1], [1, 1]), (np.array([0, 1]), np.array([[0], [1]])),
    ([0, 1], 0), (0, [0, 0]), (slice(None), [0, 0, 1]), ([0, 0], None), (..., [0, 0]),
    ([0], None, [0]), (np.array([True, False]), [1]), (True, 0), (np.array(True), 0), 1.0, "a",
    (0, 0, 0, 0), (..., ...), slice("a"), slice(np.int64(0), np.int64(2)),
    slice(np.array(0), None, np.array(2)), slice(1.0), slice(None, None, 0), {0}, object(),
    (slice(None), (0, 1)), [slice(None)], range(2), np.array(["a"]), 1j,
    np.ma.array([0, 1], mask=[0, 1]),
]  # fmt: skip
OTHERS = [
    1, 2.0, True, np.True_, np.float32(2), np.float16(2), np.int8(2), np.array(2), np.array(2.5),
    np.array([1, 2, 3]), np.array([True, True, True]), [1, 2, 3], [1.0, 2, 3], (1, 2, 3),
    np.ones((2, 3), int), np.ones((0, 3)), np.ones((1, 3)), np.ones((3, 3)), np.ones((3, 1)),
    np.ones((2, 3, 2)), np.ones((2, 3), np.float32), 1j, "a", None, [], {}, object(), 10**400,
    [[1], [1, 2]], np.array([1, 2, 3], object), np.datetime64("2020"), {1}, b"a",
    np.ma.array([1.0, 2, 3], mask=[0, 1, 0]),
]  # fmt: skip
CONDITIONS = [
    True, False, np.True_, 1, 0, np.array(True), np.array([True, False, True]),
    [True, False, True], np.array([1, 0, 2]), np.array([1.0, 0.0, 2.0]), np.ones((2, 3), bool),
    np.array([[True], [False]]), np.ones((0, 3), bool), [], "a", None, object(),
    (True, False, True), np.array([1j, 0, 0]),
]  # fmt: skip
BOUNDS = [
    None, 0, 1.0, 0.8, np.float32(1), np.array(1.0), np.array([0.5, 1.0, 2.0]), [0.5, 1.0, 1.5],
    np.ones((2, 3)), True, "a", np.int64(1),
]  # fmt: skip


def reduced(of_sum):
    """Return a function of x in terms of a sum along the axes."""
    return lambda x, axis=None, keepdims=False: of_sum(
        x, lambda entries: np.sum(entries, axis=axis, keepdims=keepdims)
    )


def mean(x, axis=None, keepdims=False):
    total = np.sum(x, axis=axis, keepdims=keepdims)
    with np.errstate(invalid="ignore"):
        return total / np.sum(np.ones_like(x), axis=axis, keepdims=keepdims)


def var(x, axis=None, keepdims=False):
    return mean((x - mean(x, axis, True)) ** 2, axis, keepdims)


def softmax(x, axis=-1):
    return np.exp(x) / np.sum(np.exp(x), axis=axis, keepdims=True)


logsumexp = reduced(lambda x, total: np.log(total(np.exp(x))))
norm = reduced(lambda x, total: np.sqrt(total(x * x)))
REDUCTIONS = {
    "sum": (tg.sum, np.sum), "np.sum": (np.sum, np.sum), "max": (tg.max, np.max),
    "np.max": (np.max, np.max), "norm": (tg.norm, norm), "logsumexp": (tg.logsumexp, logsumexp),
    "mean": (tg.mean, mean), "np.mean": (np.mean, mean), "var": (tg.var, var),
    "np.var": (np.var, var), "std": (tg.std, lambda x, **more: np.sqrt(var(x, **more))),
    "min": (tg.min, np.min),
    "np.amin": (np.amin, np.min), "x.sum": (lambda x, *a: x.sum(*a), np.sum),
    "x.max": (lambda x, *a: x.max(*a), np.max), "x.mean": (lambda x, *a: x.mean(*a), mean),
    "x.min": (lambda x, *a: x.min(*a), np.min),
}  # fmt: skip
BINARY = {
    "add": (tg.add, np.add), "subtract": (tg.subtract, np.subtract),
    "hadamard": (tg.hadamard, np.multiply), "divide": (tg.divide, np.divide),
    "power": (tg.power, np.power), "maximum": (tg.maximum, np.maximum),
    "minimum": (tg.minimum, np.minimum), "np.multiply": (np.multiply,) * 2,
    "+": (lambda a, b: a + b,) * 2, "-": (lambda a, b: a - b,) * 2, "*": (lambda a, b: a * b,) * 2,
    "/": (lambda a, b: a / b,) * 2,
    "**": (lambda a, b: a**b,) * 2, "outer": (tg.outer, np.outer), "np.outer": (np.outer,) * 2,
    "dot": (tg.dot, np.dot), "np.dot": (np.dot,) * 2, "matmul": (tg.matmul, np.matmul),
    "@": (lambda a, b: a @ b,) * 2,
}  # fmt: skip
SHAPED = {
    "reshape": (lambda x, s: tg.reshape(x, shape=s), np.reshape, SIZES),
    "np.reshape": (np.reshape, np.reshape, SIZES),
    "x.reshape": (lambda x, s: x.reshape(s), np.reshape, SIZES),
    "x.reshape apart": (
        lambda x, s: x.reshape(*s) if isinstance(s, tuple) else x.reshape(s), np.reshape, SIZES,
    ),
    "broadcast_to": (lambda x, s: tg.broadcast_to(x, shape=s), np.broadcast_to, SIZES),
    "np.broadcast_to": (np.broadcast_to, np.broadcast_to, SIZES),
    "transpose": (lambda x, a: tg.transpose(x, axes=a), np.transpose, ORDERS),
    "np.transpose": (np.transpose, np.transpose, ORDERS),
    "x.transpose": (lambda x, a: x.transpose(a), np.transpose, ORDERS),
    "x.transpose apart": (
        lambda x, a: x.transpose(*a) if isinstance(a, tuple) and a else x.transpose(a),
        np.transpose, ORDERS,
    ),
    "squeeze": (tg.squeeze, np.squeeze, AXES),
    "x.squeeze": (lambda x, a: x.squeeze(a), np.squeeze, AXES),
    "expand_dims": (np.expand_dims, np.expand_dims, AXES),
    "unstack": (tg.unstack, lambda x, a: list(np.unstack(x, axis=a)), AXES),
    "pad": (np.pad, np.pad, [w for w in WIDTHS if not isinstance(w, dict)]),
    "tg.pad": (lambda x, w: tg.pad(x, pad_width=w), np.pad, WIDTHS),
    "softmax": (tg.softmax, softmax, AXES),
    "log_softmax": (tg.log_softmax, lambda x, a: np.log(softmax(x, a)), AXES),
    "getitem": (lambda x, i: x[i], lambda x, i: x[i], INDICES),
    "tg.getitem": (tg.getitem, lambda x, i: x[i], INDICES),
    "gather": (lambda x, i: tg.gather(x, index=i), lambda x, i: x[i], INDICES),
    "TABLE['getitem']": (
        lambda x, i: tg.TABLE["getitem"](x, index=i), lambda x, i: x[i], INDICES,
    ),
}  # fmt: skip
PAIRED = {
    "swapaxes": (tg.swapaxes, np.swapaxes, AXES, AXES),
    "x.swapaxes": (lambda x, i, j: x.swapaxes(i, j), np.swapaxes, AXES, AXES),
    "moveaxis": (np.moveaxis, np.moveaxis, AXES, AXES),
    "split": (np.split, np.split, PIECES, AXES),
    "sliding_windows": (
        lambda x, w, a: tg.sliding_windows(x, window_shape=w, axis=a), sliding_window_view,
        WINDOWS, AXES,
    ),
    "clip": (tg.clip, np.clip, BOUNDS, BOUNDS), "np.clip": (np.clip, np.clip, BOUNDS, BOUNDS),
    "where": (lambda x, c, b: tg.where(c, x, b), lambda x, c, b: np.where(c, x, b), CONDITIONS,
              [0.5, 1, np.ones(3), [1, 2, 3], np.ones((2, 1)), True]),
    "np.where": (lambda x, c, b: np.where(c, b, x), lambda x, c, b: np.where(c, b, x), CONDITIONS,
                 [0.5, 1, np.ones(3), [1, 2, 3], np.ones((2, 1)), True]),
}  # fmt: skip


def sampled(name, cases, count):
    """Return some cases, the same ones in every run."""
    cases = list(cases)
    return random.Random(name).sample(cases, min(count, len(cases)))


def named(values):
    """Return ids that are the same in every process."""
    return [f"{k} {type(value).__name__}" for k, value in enumerate(values)]


def is_above_0(y):
    """Return whether a deviation is above 0, at which it has no second derivative."""
    return bool(np.all(y > 1e-9))


def tally(name, checks, **more):
    """Run checks; name the first that fails, and hold the sample to both outcomes."""
    outcomes = set()
    for case, call, reference, operands in checks:
        try:
            with np.errstate(all="ignore"):
                outcomes.add(
                    check_call(call, reference, operands, pictures=len(outcomes) < 2, **more)
                )
        except Exception as error:
            error.add_note(f"{name}: {case}")
            raise
    assert "holds" in outcomes


@pytest.mark.parametrize("name", REDUCTIONS)
def test_axes_of_a_reduction(name):
    ours, numpys = REDUCTIONS[name]
    cases = itertools.product(SHAPES, AXES, (False, True))
    tally(name, [
        ((shape, axis, keep), lambda x, a=axis, k=keep: ours(x, a, k),
         lambda x, a=axis, k=keep: numpys(x, axis=a, keepdims=k), [numbers(shape)])
        for shape, axis, keep in sampled(name, cases, 120)
    ], **({"is_smooth": is_above_0} if name == "std" else {}))  # fmt: skip


@pytest.mark.parametrize("name", SHAPED)
def test_shapes_axes_and_indices(name):
    ours, numpys, values = SHAPED[name]
    cases = itertools.product(SHAPES, values)
    tally(name, [
        ((shape, value), lambda x, v=value: ours(x, v), lambda x, v=value: numpys(x, v),
         [numbers(shape)])
        for shape, value in sampled(name, cases, 160)
    ])  # fmt: skip


@pytest.mark.parametrize("name", PAIRED)
def test_pairs_of_arguments(name):
    ours, numpys, first, second = PAIRED[name]
    cases = itertools.product(SHAPES, first, second)
    tally(name, [
        ((shape, one, other), lambda x, a=one, b=other: ours(x, a, b),
         lambda x, a=one, b=other: numpys(x, a, b), [numbers(shape)])
        for shape, one, other in sampled(name, cases, 160)
    ])  # fmt: skip


@pytest.mark.parametrize("name", BINARY)
def test_operands_beside_a_tensor(name):
    ours, numpys = BINARY[name]
    cases = itertools.product(SHAPES, OTHERS, (False, True))
    checks = [
        ((shape, other, swapped),
         (lambda x, o=other: ours(o, x)) if swapped else (lambda x, o=other: ours(x, o)),
         (lambda x, o=other: numpys(o, x)) if swapped else (lambda x, o=other: numpys(x, o)),
         [numbers(shape)])
        for shape, other, swapped in sampled(name, cases, 120)
    ]  # fmt: skip
    shapes = [*SHAPES, (3, 2), (2, 3, 2), (5, 2, 3), (3, 3)]
    checks += [
        ((one, other), ours, numpys, [numbers(one), numbers(other, 1)])
        for one, other in sampled(name, itertools.product(shapes, shapes), 60)
    ]
    tally(name, checks)


JOINS = {
    "concatenate": (tg.concatenate, np.concatenate), "np.concatenate": (np.concatenate,) * 2,
    "stack": (tg.stack, np.stack), "np.stack": (np.stack,) * 2,
}  # fmt: skip
LISTS = {
    "two": lambda x, s: [x, x * 2.0],
    "one": lambda x, s: [x],
    "a tuple": lambda x, s: (x, x, x),
    "an array first": lambda x, s: [np.ones(s), x],
    "integers": lambda x, s: [np.ones(s, int), x],
    "truth values": lambda x, s: [np.ones(s, bool), x],
    "a list": lambda x, s: [np.ones(s).tolist(), x],
    "numbers": lambda x, s: [1.0, x, 2],
    "text": lambda x, s: ["a", x],
}


@pytest.mark.parametrize("name", JOINS)
def test_joins(name):
    ours, numpys = JOINS[name]
    cases = itertools.product(SHAPES, LISTS, AXES)
    tally(name, [
        ((shape, kind, axis), lambda x, s=shape, k=kind, a=axis: ours(LISTS[k](x, s), axis=a),
         lambda x, s=shape, k=kind, a=axis: numpys(LISTS[k](x, s), axis=a), [numbers(shape)])
        for shape, kind, axis in sampled(name, cases, 200)
    ])  # fmt: skip


def put(x, index, shape):
    whole = np.zeros(shape)
    whole[index] = x
    return whole


def put_again(x, index, shape):
    whole = np.zeros(shape)
    np.add.at(whole, index, x)
    return whole


@pytest.mark.parametrize(("ours", "numpys"), [(tg.scatter, put), (tg.scatter_add, put_again)])
def test_places(ours, numpys):
    sizes = [(3,), (2, 3), 4, [3], (0, 3), np.array([2, 3]), (-1,), "a", None, 3.0, ()]
    checks = []
    for index, size in sampled(ours.name, itertools.product(INDICES, sizes), 250):
        try:
            shapes = [np.zeros(size)[index].shape, ()]
        except Exception:
            shapes = [(), (2,)]
        checks += [
            ((index, size, shape), lambda x, i=index, s=size: ours(x, index=i, shape=s),
             lambda x, i=index, s=size: numpys(x, i, s), [numbers(shape)])
            for shape in shapes
        ]  # fmt: skip
    tally(ours.name, checks)


@pytest.mark.parametrize("join", [np.concatenate, np.stack])
def test_numpys_joins_take_a_tensor_for_the_list_of_its_rows(join):
    assert check_call(join, join, [numbers((2, 3))]) == "holds"


@pytest.mark.parametrize("join", [tg.concatenate, tg.stack])
@pytest.mark.parametrize(
    "collection", [iter, set, dict.fromkeys], ids=["iterator", "set", "dictionary"]
)
def test_join_of_what_has_no_order_is_refused(join, collection):
    with pytest.raises(UsageError, match="expected a list"):
        join(collection([tg.Tensor([1.0]), tg.Tensor([2.0])]))


# --- parameters are nobody else's ---------------------------------------------------------------


def moved(array):
    """Change an array, a list or a dictionary in place."""
    if isinstance(array, np.ndarray):
        array[...] = 1
    elif isinstance(array, dict):
        array.update({0: (1, 0)})
    else:
        array[:] = array[::-1]


X = numbers((4, 3))
CHANGED = {
    "array of indices": (np.array([0, 2]), lambda x, p: x[p]),
    "list of indices": ([0, 2], lambda x, p: x[p]),
    "list in a tuple": ([0, 2], lambda x, p: x[:, p]),
    "mask": (np.array([True, False, True, False]), lambda x, p: x[p]),
    "start of a slice": (np.array(2), lambda x, p: x[slice(p, None, 2)]),
    "stop of a slice": (np.array(3), lambda x, p: x[:, :p]),
    "step of a slice": (np.array(3), lambda x, p: x[::p]),
    "shape": ([2, 6], lambda x, p: tg.reshape(x, shape=p)),
    "shape as an array": (np.array([3, 4]), lambda x, p: x.reshape(p)),
    "axes": ([1, 0], lambda x, p: tg.transpose(x, axes=p)),
    "axis": (np.array(0), lambda x, p: tg.sum(x, axis=p)),
    "axis of a join": (np.array(0), lambda x, p: tg.concatenate([x, x], axis=p)),
    "widths": (np.array([[0, 2], [2, 0]]), lambda x, p: tg.pad(x, pad_width=p)),
    "widths by axis": ({0: (0, 1)}, lambda x, p: tg.pad(x, pad_width=p)),
    "window": ([2, 3], lambda x, p: tg.sliding_windows(x, window_shape=p)),
    "place": ([3, 0], lambda x, p: tg.scatter_add(x[:2], index=p, shape=(4, 3))),
    "condition": (np.array([True, False, True]), lambda x, p: tg.where(p, x, 0.0)),
    "factor": (np.array([3.0, 0.0, 2.0]), lambda x, p: x * p),
    "list of factors": ([3.0, 0.0, 2.0], lambda x, p: x * p),
    "cuts": ([1, 3], lambda x, p: tg.concatenate(tg.split(x, p)[::-1])),
}  # fmt: skip


@pytest.mark.parametrize(("parameter", "call"), CHANGED.values(), ids=CHANGED.keys())
def test_what_is_changed_after_the_call_changes_nothing(parameter, call):
    x = tg.Tensor(X, requires_grad=True, name="x")
    y = call(x, parameter)
    loss = (y * numbers(y.shape, 3)).sum()
    loss.name = "loss"
    before = tg.grad(loss, x).numpy()
    value = loss.item()
    moved(parameter)
    loss.backward()
    assert np.array_equal(x.grad, before)
    network = tg.graph(loss)
    assert network.evaluate()["loss"] == pytest.approx(value, rel=1e-14)
    assert np.allclose(network.adjoint().evaluate()["δx"], before, rtol=1e-14)


# --- the forms themselves -----------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("axis", AXES, ids=named(AXES))
def test_axes_have_one_form(axis, shape):
    """The form is None, Python's own int, or a tuple of them, in range; else NumPy refuses too."""
    x = np.empty(shape)
    try:
        settled = forms.axes(axis, x)
    except (TypeError, ValueError):
        if not isinstance(axis, bool):
            with pytest.raises((TypeError, ValueError)):
                np.sum(x, axis=axis)
        return
    several = settled if isinstance(settled, tuple) else () if settled is None else (settled,)
    assert all(type(each) is int and -x.ndim <= each < x.ndim for each in several)
    assert np.sum(x, axis=settled).shape == np.sum(x, axis=axis).shape


@pytest.mark.parametrize("index", INDICES, ids=named(INDICES))
def test_a_settled_index_stays_as_it_is(index):
    x = numbers((2, 3))
    try:
        settled = forms.entries(index, x)
        part = x[settled]
    except (TypeError, ValueError, IndexError):
        return
    again = forms.entries(settled, x)
    assert np.array_equal(x[again], part)
    assert forms.is_basic(again) == forms.is_basic(settled)


REFUSED = {
    "axis that is text": (lambda x: tg.sum(x, axis="a"), UsageError, "sum | (2, 3) (x) | 'a'"),
    "axis of a composite": (lambda x: tg.mean(x, axis=7), ShapeError, "mean | (2, 3) | 7"),
    "axis named twice": (lambda x: tg.max(x, axis=(0, -2)), ShapeError, "max | twice"),
    "windows along one axis twice": (
        lambda x: tg.sliding_windows(x, window_shape=(1, 1), axis=(0, 0)), ShapeError, "twice",
    ),
    "array of indices for a part": (
        lambda x: tg.TABLE["getitem"](x, index=[0, 0]), UsageError, "getitem | use gather",
    ),
    "bound of a slice": (lambda x: x["a":], UsageError, "getitem | (x) | slice | 'a'"),
    "step of 0": (lambda x: x[::0], ShapeError, "getitem | (x) | zero"),
    "place of another shape": (
        lambda x: tg.scatter(x, index=0, shape=(2, 2, 4)),
        ShapeError, "scatter | (2, 4) | broadcast_to",
    ),
    "masked array beside": (
        lambda x: x * np.ma.array([1.0, 2, 3], mask=[0, 1, 0]), TinygradError, "hadamard | filled",
    ),
    "list of masked arrays": (
        lambda x: tg.Tensor([np.ma.array([1.0, 2], mask=[0, 1])]), TinygradError, "masked | filled",
    ),
    "negative widths": (lambda x: tg.pad(x, pad_width=-1), ShapeError, "pad | negative"),
    "number beyond every float": (lambda x: x + 10**400, TinygradError, "add | finite"),
    "text where an array is meant": (lambda x: tg.tanh("a"), TinygradError, "tanh | str"),
    "list where an array is meant": (lambda x: tg.mean([[1], [1, 2]]), TinygradError, "mean"),
}  # fmt: skip


@pytest.mark.parametrize(("call", "error", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_refused_is_told(call, error, words):
    with pytest.raises(error) as caught:
        call(tg.Tensor(np.ones((2, 3)), requires_grad=True, name="x"))
    assert isinstance(caught.value, TinygradError)
    assert [word for word in words.split(" | ") if word not in str(caught.value)] == []
