"""The laws that every primitive obeys, as plain functions that assert them.

Each takes a primitive, one sample's operands and its parameters, so that it can be pointed at a
table entry or at a planted error alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import tinygrad_lstm as tg
from tinygrad_lstm import TABLE
from tinygrad_lstm.engine.cotangent import Sums
from tinygrad_lstm.engine.primitive import Primitive, Record

Arrays = tuple[np.ndarray, ...]
# of a primitive made in a test
ARGUMENTS = dict(notation=TABLE["tanh"].notation, samples=TABLE["tanh"].samples)
STEP = 1e-30  # of the complex step, which has no cancellation


# --- tools --------------------------------------------------------------------------------------


def draw(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Return normal numbers, the same ones for the same shape and seed."""
    return np.asarray(np.random.default_rng([seed, *shape]).normal(size=shape))


def near(found: Any, expected: Any, tolerance: float, scale: float | None = None) -> None:
    """Assert equal shapes and values, to a tolerance relative to the largest value (at least 1)."""
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape, f"found shape {found.shape}, expected {expected.shape}"
    largest = np.max(np.abs(expected), initial=1.0) if scale is None else scale
    worst = np.max(np.abs(found - expected), initial=0.0)
    assert worst <= tolerance * largest, f"off by {worst:.2e} at scale {largest:.2e}"


def near_all(found: Any, expected: Any) -> None:
    """Assert that arrays are near, relative to the largest value of all of them."""
    scale = max(1.0, *(np.max(np.abs(each)) for each in expected))
    for one, other in zip(found, expected, strict=True):
        near(one, other, 1e-12, scale)


def inner(a: Any, b: Any) -> Any:
    """Return Σ a b."""
    return np.sum(np.asarray(a) * np.asarray(b))


def complex_step(fn: Callable[..., Any], xs: Arrays, tangents: tuple[Any, ...]) -> np.ndarray:
    """Return the derivative of an analytic function along tangents; None stands for 0."""
    moved = [x if t is None else x + 1j * STEP * t for x, t in zip(xs, tangents, strict=True)]
    return np.asarray(fn(*moved)).imag / STEP


def central_difference(fn: Callable[..., Any], xs: Arrays, tangents: tuple[Any, ...]) -> np.ndarray:
    """Return the derivative along tangents from five points, to about 1e-11."""
    h = 1e-4

    def at(multiple: int) -> np.ndarray:
        moved = [
            x if t is None else x + multiple * h * t for x, t in zip(xs, tangents, strict=True)
        ]
        return np.asarray(fn(*moved))

    return (8 * (at(1) - at(-1)) - (at(2) - at(-2))) / (12 * h)


def directions(xs: Arrays) -> Iterator[tuple[Any, ...]]:
    """Yield tangents: along all operands at once, then along each alone. None stands for 0."""
    everything = tuple(
        draw(x.shape, 10 + k) if x.dtype.kind == "f" else None for k, x in enumerate(xs)
    )
    yield everything
    for k, tangent in enumerate(everything):
        if tangent is not None and len(xs) > 1:
            yield tuple(tangent if j == k else None for j in range(len(xs)))


def entry_of(
    primitive: Primitive, xs: Arrays, parameters: dict[str, Any], leaves: bool = True
) -> Record:
    """Return what the tape holds of one operation, on leaves or on what was itself computed."""
    inputs = () if leaves else (Record(None, False),)
    made_by = None if leaves else TABLE["negative"]
    operands = tuple(Record(x, x.dtype.kind in "fc", made_by, inputs) for x in xs)
    y = np.asarray(primitive.forward(*xs, **parameters))
    return Record(y, True, primitive, operands, parameters)


def cotangents(
    primitive: Primitive, xs: Arrays, parameters: dict[str, Any], ct: Any, leaves: bool = True
) -> list[Any]:
    """Return the cotangents of the operands, None for those that carry no gradient."""
    entry, sums = entry_of(primitive, xs, parameters, leaves), Sums()
    primitive.pull(entry, ct, sums)
    return [sums.take(operand) for operand in entry.inputs]


def sample_cotangent(primitive: Primitive, xs: Arrays, parameters: dict[str, Any]) -> np.ndarray:
    """Return a cotangent of the result's shape."""
    return draw(np.shape(primitive.forward(*xs, **parameters)), 20)


# --- the laws -----------------------------------------------------------------------------------


def check_samples(primitive: Primitive) -> None:
    """An entry says where it is tried out."""
    assert primitive.samples(), f"{primitive.name} has no samples"


def check_shapes(primitive: Primitive, xs: Arrays, parameters: dict[str, Any]) -> None:
    """A cotangent has its operand's shape."""
    ct = sample_cotangent(primitive, xs, parameters)
    for x, x_ct in zip(xs, cotangents(primitive, xs, parameters, ct), strict=True):
        assert x_ct is None or x_ct.shape == x.shape, f"{x_ct.shape} for an operand of {x.shape}"


def check_transpose(primitive: Primitive, xs: Arrays, parameters: dict[str, Any]) -> None:
    """The reverse rule is the transpose of the forward rule: <ct, J t> = <Jᵀ ct, t>."""
    y = np.asarray(primitive.forward(*xs, **parameters))
    ct = draw(y.shape, 20)
    cts = cotangents(primitive, xs, parameters, ct)
    for tangents in directions(xs):
        forward = ct * primitive.jvp(tangents, y, xs, parameters)
        reverse = [x_ct * t for x_ct, t in zip(cts, tangents, strict=True) if t is not None]
        scale = max(1.0, np.sum(np.abs(forward)))
        near(sum(np.sum(each) for each in reverse), np.sum(forward), 1e-12, scale)


def check_differences(primitive: Primitive, xs: Arrays, parameters: dict[str, Any]) -> None:
    """The forward rule is what a central difference says."""
    y = np.asarray(primitive.forward(*xs, **parameters))
    for tangents in directions(xs):
        expected = central_difference(
            lambda *at: primitive.forward(*at, **parameters), xs, tangents
        )
        near(primitive.jvp(tangents, y, xs, parameters), expected, 1e-10)


def check_complex_step(primitive: Primitive, xs: Arrays, parameters: dict[str, Any]) -> None:
    """The forward rule of an analytic function is what the complex step says."""
    if not primitive.analytic:
        return
    y = np.asarray(primitive.forward(*xs, **parameters))
    for tangents in directions(xs):
        expected = complex_step(lambda *at: primitive.forward(*at, **parameters), xs, tangents)
        near(primitive.jvp(tangents, y, xs, parameters), expected, 1e-13)


def check_second_order(primitive: Primitive, xs: Arrays, parameters: dict[str, Any]) -> None:
    """The rules, run on Tensors, obey the same laws: complex step (or difference) and transpose."""
    live = [k for k, x in enumerate(xs) if x.dtype.kind == "f"]
    weights = [draw(x.shape, 30 + k) for k, x in enumerate(xs)]
    point = (*(xs[k] for k in live), sample_cotangent(primitive, xs, parameters))

    def with_constants(variables: Any) -> tuple[Any, ...]:
        operands = list(xs)
        for k, variable in zip(live, variables, strict=True):
            operands[k] = variable
        return tuple(operands)

    def weighed(*variables: Any) -> Any:
        cts = cotangents(primitive, with_constants(variables[:-1]), parameters, variables[-1])
        return sum(inner(weights[k], cts[k]) for k in live)

    def weighed_on_tensors(*variables: tg.Tensor) -> tg.Tensor:
        y = primitive(*with_constants(variables[:-1]), **parameters)
        cts = tg.grad(y, variables[:-1], variables[-1], create_graph=True)
        return sum((weights[k] * ct).sum() for k, ct in zip(live, cts, strict=True))

    variables = [tg.Tensor(x, requires_grad=True) for x in point]
    found = tg.grad(weighed_on_tensors(*variables), variables, allow_unused=True)
    gradients = [
        np.zeros(x.shape) if g is None else g.data for g, x in zip(found, point, strict=True)
    ]
    derivative = complex_step if primitive.analytic else central_difference
    for tangents in directions(point):
        tangents = tuple(
            np.zeros(x.shape) if t is None else t for t, x in zip(tangents, point, strict=True)
        )
        terms = [g * t for g, t in zip(gradients, tangents, strict=True)]
        scale = max(1.0, sum(np.sum(np.abs(term)) for term in terms))
        total = sum(np.sum(term) for term in terms)
        tolerance = 1e-13 if primitive.analytic else 1e-10
        near(total, derivative(weighed, point, tangents), tolerance, scale)
        near(tg.jvp(weighed_on_tensors, point, tangents)[1].data, total, 1e-12, scale)


def check_symbolic(primitive: Primitive, xs: Arrays, parameters: dict[str, Any]) -> None:
    """The derivative as text, evaluated, is the numeric one. For the shapes of the first sample."""
    names = "x" if len(xs) == 1 else "abcdefgh"[: len(xs)]
    y = np.asarray(primitive.forward(*xs, **parameters))
    ct = draw(y.shape, 20)
    values = {**dict(zip(names, xs, strict=True)), "y": y, "δ": ct}
    expected = {
        name: x_ct
        for name, x_ct in zip(names, cotangents(primitive, xs, parameters, ct), strict=True)
        if x_ct is not None
    }
    derivatives = primitive.derivatives()
    assert derivatives.keys() == expected.keys()
    for name, derivative in derivatives.items():
        near(derivative.evaluate(values), expected[name], 1e-13)


def check_accumulation(primitive: Primitive, xs: Arrays, parameters: dict[str, Any]) -> None:
    """Cotangents add up, and no rule writes into what it was given."""
    entry, sums = entry_of(primitive, xs, parameters), Sums()
    ct, tangents = draw(entry._array.shape, 20), next(directions(xs))
    given = [*xs, entry._array, ct, *(t for t in tangents if t is not None)]
    before = [each.copy() for each in given]
    expected = cotangents(primitive, xs, parameters, ct.copy())
    primitive.jvp(tangents, entry._array, xs, parameters)
    for _ in range(3):
        primitive.pull(entry, ct, sums)
    for operand, once in zip(entry.inputs, expected, strict=True):
        if once is not None:
            near(sums.take(operand), 3 * once, 1e-13)
    for each, copy in zip(given, before, strict=True):
        assert np.array_equal(each, copy), f"{primitive.name} wrote into what it was given"


def check_computed(primitive: Primitive, xs: Arrays, parameters: dict[str, Any]) -> None:
    """The cotangent of a leaf, which may be summed later, is that of a computed operand."""
    ct = sample_cotangent(primitive, xs, parameters)
    found = cotangents(primitive, xs, parameters, ct)
    for one, other in zip(found, cotangents(primitive, xs, parameters, ct, False), strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            near(one, other, 1e-13)


def check_float32(primitive: Primitive, xs: Arrays, parameters: dict[str, Any]) -> None:
    """float32 in, float32 out (or the type that is asked for) and in every ``.grad``."""
    operands = [
        tg.Tensor(x, requires_grad=True, dtype=np.float32) if x.dtype.kind == "f" else x for x in xs
    ]
    y = primitive(*operands, **parameters)
    assert y.dtype == parameters.get("dtype", np.float32)
    y.backward(np.ones(y.shape))
    for each in operands:
        assert isinstance(each, np.ndarray) or each.grad.dtype == np.float32


def check_cut(primitive: Primitive, xs: Arrays, parameters: dict[str, Any]) -> None:
    """A cut passes its operand on, and neither a tangent nor a cotangent."""
    y = primitive.forward(*xs, **parameters)
    assert np.array_equal(y, xs[0])
    (ct,) = cotangents(primitive, xs, parameters, draw(np.shape(y)))
    assert ct is None
    assert primitive.jvp(next(directions(xs)), y, xs, parameters) is None


LAWS = (
    check_shapes, check_transpose, check_differences, check_complex_step, check_second_order,
    check_accumulation, check_computed, check_float32,
)  # fmt: skip
