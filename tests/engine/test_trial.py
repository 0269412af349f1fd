"""Holds primitives that are declared outside of the table to a trial: at once, and at every use."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import tinygrad_lstm as tg
from support import laws
from tinygrad_lstm import TABLE
from tinygrad_lstm.engine.kinds import (
    bilinear,
    cut,
    elementwise,
    join,
    junction,
    linear,
    reduction,
)
from tinygrad_lstm.engine.symbol import function
from tinygrad_lstm.errors import DTypeError, ShapeError, TinygradError, UsageError

X, Y = laws.draw((2, 3)), laws.draw((2, 3), 1)


def at(*operands, **parameters):
    """Return what every declaration says: a notation, and where the primitive is tried."""
    return dict(notation=function("odd"), samples=lambda: [(operands, parameters)])


def half(x, y):
    return 0.5 * np.ones(np.shape(x))


def parts(shapes):
    return [slice(0, 2), slice(2, 4)]


REFUSED = {
    "partial that is None": (
        lambda: elementwise("odd", np.tanh, lambda x, y: None, **at(X)),
        UsageError, "partial 0 returned None",
    ),
    "partial of another shape": (
        lambda: elementwise("odd", np.tanh, lambda x, y: np.ones(5), **at(X)),
        ShapeError, "partial 0 returned shape (5,), expected (2, 3)",
    ),
    "partial with an axis more, which would be summed": (
        lambda: elementwise("odd", np.multiply, lambda a, b, y: np.ones((4, 2, 3)),
                            lambda a, b, y: a, **at(X, Y)),
        ShapeError, "partial 0 returned shape (4, 2, 3), expected (2, 3)",
    ),
    "partial that is complex": (
        lambda: elementwise("odd", np.tanh, lambda x, y: 1j * x, **at(X)),
        DTypeError, "partial 0 | complex128",
    ),
    "partial that is text": (
        lambda: elementwise("odd", np.tanh, lambda x, y: "one", **at(X)),
        DTypeError, "partial 0 | str",
    ),
    "partial that fails": (
        lambda: elementwise("odd", np.tanh, lambda x, y: x.nothing, **at(X)),
        UsageError, "a rule fails on sample 0: AttributeError",
    ),
    "partial of too few arguments": (
        lambda: elementwise("odd", np.tanh, lambda x: x, **at(X)), UsageError, "fails on sample 0",
    ),
    "too few partials": (
        lambda: elementwise("odd", np.multiply, lambda a, b, y: b, **at(X, Y)),
        UsageError, "1 partials for 2 operands",
    ),
    "too many partials": (
        lambda: elementwise("odd", np.tanh, half, half, **at(X)), UsageError, "2 partials for 1",
    ),
    "no partials": (lambda: elementwise("odd", np.tanh, **at(X)), UsageError, "0 partials for 1"),
    "partial that is no function": (
        lambda: elementwise("odd", np.tanh, 0.5, **at(X)), UsageError, "partial 0 | 0.5",
    ),
    "too few signs": (
        lambda: junction("odd", np.add, (1,), **at(X, Y)), UsageError, "1 signs for 2 operands",
    ),
    "sign of 2": (
        lambda: junction("odd", np.add, (1, 2), **at(X, Y)), UsageError, "(1, 2) | +1 or -1",
    ),
    "transpose of another shape": (
        lambda: linear("odd", lambda x: x.sum(axis=0), lambda ct, x: ct, **at(X)),
        ShapeError, "transposed returned shape (3,), expected (2, 3)",
    ),
    "transpose that is None": (
        lambda: linear("odd", lambda x: x * 1, lambda ct, x: None, **at(X)),
        UsageError, "transposed returned None",
    ),
    "too few pieces": (
        lambda: join("odd", lambda *xs: np.concatenate(xs), lambda shapes: [slice(0, 2)],
                     **at(X, Y)),
        ShapeError, "pieces returned 1 pieces for 2 operands",
    ),
    "pieces of another shape": (
        lambda: join("odd", lambda *xs: np.concatenate(xs), lambda s: [slice(0, 1), slice(1, 4)],
                     **at(X, Y)),
        ShapeError, "operand 0 has shape (1, 3), expected (2, 3)",
    ),
    "transpose of a product of another shape": (
        lambda: bilinear("odd", np.multiply, lambda ct, a, b: np.ones(7), lambda ct, a, b: ct * a,
                         **at(X, Y)),
        ShapeError, "left returned shape (7,), expected (2, 3)",
    ),
    "transpose of a product that is complex": (
        lambda: bilinear("odd", np.multiply, lambda ct, a, b: ct * b,
                         lambda ct, a, b: ct * a * 1j, **at(X, Y)),
        DTypeError, "right | complex128",
    ),
    "partial of a reduction of another shape": (
        lambda: reduction("odd", lambda x, *, axis=None: np.max(x, axis=axis),
                          lambda x, y, axis: np.ones(4), **at(X)),
        ShapeError, "partial returned shape (4,), expected (2, 3)",
    ),
    "forward that is None": (
        lambda: elementwise("odd", lambda x: None, half, **at(X)),
        UsageError, "forward returned None",
    ),
    "forward that is complex": (
        lambda: cut("odd", lambda x: x * 1j, **at(X)), DTypeError, "forward | complex128",
    ),
    "forward that is no function": (
        lambda: elementwise("odd", "tanh", half, **at(X)), UsageError, "'tanh' as forward",
    ),
    "no samples": (
        lambda: elementwise("odd", np.tanh, half, notation=function("odd"), samples=list),
        UsageError, "found no samples",
    ),
    "samples that are no function": (
        lambda: elementwise("odd", np.tanh, half, notation=function("odd"), samples=[X]),
        UsageError, "samples",
    ),
    "sample without parameters": (
        lambda: elementwise("odd", np.tanh, half, notation=function("odd"), samples=lambda: [X]),
        UsageError, "sample 0 | (operands, parameters)",
    ),
    "sample of too few operands": (
        lambda: elementwise("odd", np.multiply, half, half, **at(X)),
        UsageError, "1 operands, expected 2",
    ),
    "notation that is text": (
        lambda: elementwise("odd", np.tanh, half, notation="odd", samples=lambda: [((X,), {})]),
        UsageError, "'odd' | Notation",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("declare", "error", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_a_wrong_rule_is_refused_when_it_is_declared(declare, error, words):
    with pytest.raises(error) as caught:
        declare()
    assert isinstance(caught.value, TinygradError)
    assert str(caught.value).startswith("odd: ")
    assert [word for word in words.split(" | ") if word not in str(caught.value)] == []


# right at the samples, which have two rows, and wrong elsewhere
def beyond(wrong):
    return lambda x, y: 1 - y * y if x.shape[:1] != (3,) else wrong(x)


LATER = {
    "None": (beyond(lambda x: None), UsageError),
    "a shape": (beyond(lambda x: np.ones((4, 4))), ShapeError),
    "a complex number": (beyond(lambda x: 1j * np.ones(3)), DTypeError),
}  # fmt: skip


@pytest.mark.parametrize(("partial", "error"), LATER.values(), ids=LATER.keys())
@pytest.mark.parametrize("way", ["backward", "grad", "adjoint"])
def test_a_rule_that_goes_wrong_elsewhere_is_refused_there(partial, error, way):
    odd = elementwise("odd", np.tanh, partial, **at(X))
    assert np.allclose(slope_of(odd, X, way), 1 - np.tanh(X) ** 2)
    with pytest.raises(error, match="odd: partial 0 returned"):
        slope_of(odd, laws.draw((3, 3)), way)


def slope_of(primitive, at, way):
    x = tg.Tensor(at, requires_grad=True, name="x")
    loss = primitive(x).sum()
    if way == "backward":
        loss.backward()
        return x.grad
    if way == "grad":
        return tg.grad(loss, x, create_graph=True).numpy()
    return tg.graph(loss).adjoint().evaluate()["δx"]


def test_a_forward_that_goes_wrong_elsewhere_is_refused_there():
    odd = elementwise("odd", lambda x: np.tanh(x) if x.shape[0] == 2 else None, half, **at(X))
    with pytest.raises(UsageError, match="odd: forward returned None"):
        odd(tg.Tensor(np.ones(3)))


RIGHT = {
    "elementwise": lambda: elementwise("mine", np.tanh, lambda x, y: 1 - y * y, **at(X)),
    "with a number as partial": lambda: elementwise(
        "mine", lambda x: 2.0 * x, lambda x, y: 2.0, **at(X)
    ),
    "with a condition": lambda: elementwise(
        "mine", lambda c, x: np.where(c, x, 0.0), None, lambda c, x, y: c, **at(X > 0, Y)
    ),
    "junction": lambda: junction("mine", np.subtract, (+1, -1), **at(X, Y[0])),
    "linear": lambda: linear(
        "mine", lambda x: x[::-1], lambda ct, x: ct[::-1], **at(X)
    ),
    "join": lambda: join("mine", lambda *xs: np.concatenate(xs), parts, **at(X, Y)),
    "bilinear": lambda: bilinear(
        "mine", np.multiply, lambda ct, a, b: ct * b, lambda ct, a, b: ct * a, **at(X, Y[0])
    ),
    "reduction": lambda: reduction(
        "mine", lambda x, *, axis=None, keepdims=False: np.sum(x * x, axis=axis, keepdims=keepdims),
        lambda x, y, axis: 2 * x, **at(X, axis=0),
    ),
}  # fmt: skip


@pytest.mark.parametrize("declare", RIGHT.values(), ids=RIGHT.keys())
@pytest.mark.parametrize("law", laws.LAWS, ids=lambda law: law.__name__)
def test_a_right_primitive_obeys_the_laws(declare, law):
    primitive = declare()
    for xs, parameters in primitive.samples():
        law(primitive, xs, parameters)
    laws.check_symbolic(primitive, *primitive.samples()[0])


def test_a_rule_that_writes_a_mistake_of_its_own_is_not_hidden():
    def partial(x, y):
        if x.shape[0] != 2:
            raise RuntimeError("of the caller")
        return 1 - y * y

    odd = elementwise("odd", np.tanh, partial, **at(X))
    with pytest.raises(RuntimeError, match="of the caller"):
        slope_of(odd, np.ones((3, 3)), "backward")


def test_the_table_is_not_watched():
    assert TABLE["tanh"].forward is np.tanh
    assert not hasattr(TABLE["tanh"].rules[0], "__wrapped__")


def test_the_trial_is_not_loaded_until_it_is_needed():
    code = "import sys, tinygrad_lstm; print('tinygrad_lstm.engine.trial' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


def writing_forward(x):
    x += 1.0
    return x


def writing_partial(x, y):
    x *= 2.0
    return x


@pytest.mark.parametrize(
    ("forward", "partial"),
    [(writing_forward, lambda x, y: 1.0 + 0 * x), (lambda x: x * x, writing_partial)],
    ids=["forward", "partial"],
)
def test_a_rule_that_writes_into_its_operand_is_refused_by_name(forward, partial):
    with pytest.raises(tg.UsageError, match=r"^odd: .*read-only"):
        elementwise(
            "odd", forward, partial, notation=function("odd"), samples=lambda: [((np.ones(2),), {})]
        )


@pytest.mark.parametrize("kind", [int, bool, np.int8])
def test_a_forward_that_gives_no_floats_for_floats_is_refused_by_name(kind):
    with pytest.raises(tg.DTypeError, match=r"^odd: forward returned numbers of type"):
        elementwise(
            "odd", lambda x: x.astype(kind), lambda x, y: 0 * x,
            notation=function("odd"), samples=lambda: [((np.ones(2),), {})],
        )  # fmt: skip


def bent(x):
    return np.where(x > 0, 2.0 * x, -x)


@pytest.mark.parametrize(
    ("partial", "prints"),
    [
        (lambda x, y: np.where(x > 0, 2.0, -1.0), "where"),
        (lambda x, y: np.select([x > 0], [2.0], -1.0), "where"),
        (lambda x, y: 3.0 * (x > 0) - 1.0, "x > 0"),
        (lambda x, y: np.array([2.0 if v > 0 else -1.0 for v in x]), "partial 0(x, y)"),
        (lambda x, y: 3.0 * np.asarray(x > 0) - 1.0, "partial 0(x, y)"),
        (lambda x, y: 2.0 if (x > 0).all() else 3.0 * (x > 0) - 1.0, "partial 0(x, y)"),
        (lambda x, y: 2.0 if np.size(x) == 1 else 3.0 * (x > 0) - 1.0, "partial 0(x, y)"),
    ],
    ids=["where", "select", "truth", "entries", "asarray", "if", "size"],
)
def test_a_rule_prints_what_it_computes_or_its_name(partial, prints):
    """Whatever a rule asks of its operands, what is printed has the values of the rule."""
    x = np.array([-2.0, 0.5, 3.0])
    entry = elementwise("bent", bent, partial, analytic=False, **at(x))
    printed = entry.derivatives()["x"]
    assert prints in str(printed)
    values = {"x": x, "y": bent(x), "δ": np.array([1.0, 2.0, -1.0])}
    np.testing.assert_array_equal(printed.evaluate(values), partial(x, bent(x)) * values["δ"])
