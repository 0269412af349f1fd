"""Whatever the forward pass accepts, all that follows accepts too: one check of a call.

`check_call` runs a function on Tensors as a caller would write the call, and asks NumPy, central
differences, forward mode, the second derivative, the graph, its adjoint network and the pictures
about the same call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import tinygrad_lstm as tg
from tinygrad_lstm.errors import TinygradError

STEP = 1e-5
Call = Callable[..., Any]


def numbers(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Return distinct numbers between 0.3 and 2.3, in a random order."""
    size = int(np.prod(shape))
    order = np.random.default_rng([seed, *shape]).permutation(size)
    return (0.3 + 2.0 * (order + 0.37 + 0.11 * seed) / (size + 1)).reshape(shape)


def flat(result: Any) -> Any:
    """Return all entries of a result, or of the results in a list, as one vector."""
    pieces = result if isinstance(result, list | tuple) else [result]
    joined = [tg.reshape(piece, shape=(piece.size,)) for piece in pieces]
    if not joined:
        return tg.Tensor(np.zeros(0))
    return joined[0] if len(joined) == 1 else tg.concatenate(joined)


def near(value: Any, expected: Any, tolerance: float, what: str) -> None:
    """Assert equal shapes and values, relative to the largest value (at least 1)."""
    value, expected = np.asarray(value, float), np.asarray(expected, float)
    assert value.shape == expected.shape, f"{what}: shape {value.shape}, expected {expected.shape}"
    if not np.all(np.isfinite(expected)):
        return  # the mean of nothing: that the value comes through is enough
    scale = np.max(np.abs(expected), initial=1.0)
    worst = np.max(np.abs(value - expected), initial=0.0)
    assert worst <= tolerance * scale, f"{what}: off by {worst:.2e} at scale {scale:.2e}"


def check_call(
    call: Call,
    reference: Call | None,
    operands: list[Any],
    *,
    pictures: bool = True,
    is_smooth: Callable[[np.ndarray], bool] = lambda y: True,
) -> str:
    """Assert that a call is refused by the package, or that all that follows the call holds.

    Parameters
    ----------
    call : (*operands) -> Tensor, or a list of Tensors
        Float arrays among the operands are given as Tensors.
    reference : (*operands) -> array, or a list of arrays
        The same in NumPy; the call on plain arrays if None.
    operands : list of arrays, and of whatever else stands among them
    pictures : bool
        Whether to draw what was recorded, too.
    is_smooth : (y) -> bool
        Whether there is a second derivative.

    Returns
    -------
    str
        What became of the call: "refused" or "holds".
    """
    live = [k for k, x in enumerate(operands) if isinstance(x, np.ndarray) and x.dtype.kind == "f"]

    def on(values: Any) -> list[Any]:
        mixed = list(operands)
        for k, value in zip(live, values, strict=True):
            mixed[k] = np.asarray(value) if isinstance(value, np.generic) else value
        return mixed

    xs = [operands[k] for k in live]
    leaves = [tg.Tensor(x, requires_grad=True, name=f"x{k}") for k, x in zip(live, xs, strict=True)]
    try:
        result = call(*on(leaves))
    except TinygradError as error:
        assert str(error), "the message is empty"
        return "refused"
    y = flat(result)
    plain = reference or call

    def expected(*values: Any) -> np.ndarray:
        answer = plain(*on(values))
        pieces = answer if isinstance(answer, list | tuple) else [answer]
        return np.concatenate([np.zeros(0), *map(np.ravel, pieces)])

    pieces = plain(*on(xs))
    for ours, theirs in zip(
        result if isinstance(result, list | tuple) else [result],
        pieces if isinstance(pieces, list | tuple) else [pieces],
        strict=True,
    ):
        near(ours.numpy(), theirs, 1e-12, "the value")
    if not y.requires_grad:
        return "holds"

    ct = numbers(y.shape, 7)
    loss = tg.sum(y * ct) + tg.sum(leaves[0]) * 0.0
    loss.name = "loss"
    loss.backward()
    along = [numbers(x.shape, 8) for x in xs]
    moved = [
        expected(*[x + sign * STEP * d for x, d in zip(xs, along, strict=True)])
        for sign in (+1, -1)
    ]
    slopes = (moved[0] - moved[1]) / (2 * STEP)
    slope = np.sum(slopes * ct)
    grads = [np.zeros(x.shape) if leaf.grad is None else leaf.grad
             for leaf, x in zip(leaves, xs, strict=True)]  # fmt: skip
    for leaf, grad in zip(leaves, grads, strict=True):
        assert grad.shape == leaf.shape, f"gradient of shape {grad.shape} for {leaf.shape}"
    total = sum(np.sum(g * d) for g, d in zip(grads, along, strict=True))
    near(total, slope, 1e-6, "the gradient")

    _, tangent = tg.jvp(lambda *values: flat(call(*on(values))), tuple(xs), tuple(along))
    near(tangent.numpy(), slopes, 1e-6, "the tangent")

    again = tg.grad(loss, leaves, create_graph=True, allow_unused=True)
    for g, grad in zip(again, grads, strict=True):
        near(np.zeros(grad.shape) if g is None else g.numpy(), grad, 1e-12, "the recorded gradient")
    bend = sum((tg.sum(g * d) for g, d in zip(again, along, strict=True) if g is not None), 0.0)
    if isinstance(bend, tg.Tensor) and bend.requires_grad and is_smooth(y.numpy()):
        second = tg.grad(bend, leaves, allow_unused=True)
        value = sum(np.sum(s.numpy() * d) for s, d in zip(second, along, strict=True)
                    if s is not None)  # fmt: skip

        def slope_at(sign: int) -> float:
            at = [tg.Tensor(x + sign * STEP * d, requires_grad=True)
                  for x, d in zip(xs, along, strict=True)]  # fmt: skip
            there = tg.grad(tg.sum(flat(call(*on(at))) * ct), at, allow_unused=True)
            return sum(np.sum(g.numpy() * d) for g, d in zip(there, along, strict=True)
                       if g is not None)  # fmt: skip

        near(value, (slope_at(+1) - slope_at(-1)) / (2 * STEP), 1e-6, "the second derivative")

    network = tg.graph(loss)
    near(network.evaluate()["loss"], loss.numpy(), 1e-12, "the graph's value")
    adjoint = network.adjoint()
    answers = adjoint.evaluate()
    for leaf, grad in zip(leaves, grads, strict=True):
        if f"δ{leaf.name}" in answers:
            near(answers[f"δ{leaf.name}"], grad, 1e-12, "the adjoint network's value")
        else:
            assert not np.any(grad)
    if pictures:
        assert tg.draw(loss, view="both").dot
        assert tg.draw(loss, style="tape").dot
        assert repr(adjoint)
    return "holds"
