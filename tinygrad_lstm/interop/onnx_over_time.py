"""ONNX' LSTM, GRU and RNN with all their attributes, as functions of their inputs.

Knows the primitives; no files. Where `LSTM`, `GRU` and `RNN` have the equal of a node, the reader
takes those; this is for the rest: other functions of the gates, bounds, coupled gates, the reverse
direction alone, functions that differ between the directions, weights that are computed.

    LSTM    i = f(x Wi + h Ri + Wbi + Rbi + Pi ∘ c)
            f = f(x Wf + h Rf + Wbf + Rbf + Pf ∘ c), or 1 - i with input_forget
            c = f ∘ c + i ∘ g(x Wc + h Rc + Wbc + Rbc)
            o = f(x Wo + h Ro + Wbo + Rbo + Po ∘ c),  h = o ∘ h(c)
    GRU     z, r = f(x W + h R + Wb + Rb)
            n = g(x Wh + r ∘ (h Rh + Rbh) + Wbh), or g(x Wh + (r ∘ h) Rh + Rbh + Wbh)
            h = (1 - z) ∘ n + z ∘ h
    RNN     h = f(x W + h R + Wb + Rb)

With ``clip`` every argument of f and g is kept between -clip and clip, as onnxruntime does.
Source: ONNX's documentation, the page Operators, LSTM, GRU and RNN.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..engine.place import run_steps, scope
from ..engine.primitives import (
    broadcast_to,
    concatenate,
    maximum,
    minimum,
    stack,
    transpose,
    where,
)
from ..engine.tensor import Tensor, constant
from ..errors import ShapeError
from .onnx_attributes import AFTER, GATES, Function, function_of, functions, misfits, ways_of

STATES = {"LSTM": 2, "GRU": 1, "RNN": 1}


class OverTime:
    """A node over time, as a function of its inputs.

    Parameters
    ----------
    kind : str
        LSTM, GRU or RNN.
    name : str
        Of the scope of its signals.
    settings : dict
        The node's attributes, which are covered.
    """

    def __init__(self, kind: str, name: str, settings: dict[str, Any]) -> None:
        self.kind, self.name, self.settings = kind, name, settings
        self.squashes = [
            [function_of(*chosen) for chosen in row] for row in functions(kind, settings)
        ]

    def __call__(
        self, x: Any, W: Any, R: Any, B: Any = None, lengths: Any = None, *more: Any
    ) -> tuple[Any, ...]:
        """Return Y (T, D, B, H) and the last states (D, B, H), from x (T, B, in).

        With layout 1 the axis of the batch comes first. ``more`` is the initial states, each
        (D, B, H), and the peepholes.
        """
        kind, D = self.kind, ways_of(self.settings)
        count = STATES[kind]
        given = [*more, *[None] * (count + 1 - len(more))]
        starts, P = given[:count], given[count]
        by_batch = bool(self.settings.get("layout"))
        named = {"W": W, "R": R, "B": B, "P": P}
        weights = {letter: _tensor(array) for letter, array in named.items() if array is not None}
        wrong = misfits(kind, weights, self.settings)
        if wrong:
            raise ShapeError(f"{self.name}: " + "; ".join(wrong))
        x = _tensor(x)
        if len(x.shape) != 3 or x.shape[-1] != W.shape[-1]:
            axes = "(B, T, in)" if by_batch else "(T, B, in)"
            raise ShapeError(
                f"{self.name}: input has shape {x.shape}, expected {axes} with {W.shape[-1]} "
                "features"
            )
        if by_batch:
            x = transpose(x, axes=(1, 0, 2))
            starts = [h if h is None else transpose(_tensor(h), axes=(1, 0, 2)) for h in starts]
        alive = _alive(self.name, lengths, x.shape)
        if alive is not None:
            x = where(alive, x, 0.0)
        first = [self.settings.get("direction") == "reverse", True]
        outs, lasts = [], []
        with scope(self.name):
            for n in range(D):
                part = {letter: array[n] for letter, array in weights.items()}
                start = [h if h is None else _tensor(h)[n] for h in starts]
                out, last = self._run(x, part, self.squashes[n], start, alive, first[n])
                outs.append(out)
                lasts.append(last)
            whole = [stack(outs, axis=1), *(stack(states) for states in zip(*lasts, strict=True))]
        if by_batch:
            whole = [transpose(whole[0], axes=(2, 0, 1, 3))] + [
                transpose(last, axes=(1, 0, 2)) for last in whole[1:]
            ]
        return tuple(whole)

    def _run(
        self, x: Any, weights: dict[str, Any], squashes: Sequence[Function],
        start: list[Any], alive: Any, backward: bool,
    ) -> tuple[Any, tuple[Any, ...]]:  # fmt: skip
        """Return the outputs (T, B, H) and the last states (B, H) of one direction."""
        (T, B, _), H = x.shape, weights["R"].shape[-1]
        zero = np.zeros((B, H), x.dtype)
        state = tuple([
            constant(zero) if h is None else broadcast_to(h, shape=(B, H)) for h in start
        ])  # fmt: skip
        step, xW = self._stepper(x, weights, squashes)
        outs = []
        for k in run_steps(range(T - 1, -1, -1) if backward else range(T)):
            before, state = state, step(xW[k], *state)
            if alive is not None:
                state = tuple([
                    where(alive[k], new, old) for new, old in zip(state, before, strict=True)
                ])  # fmt: skip
            outs.append(state[0])
        out = stack(outs[::-1] if backward else outs)
        return (out if alive is None else where(alive, out, 0.0)), state

    def _stepper(
        self, x: Any, weights: dict[str, Any], squashes: Sequence[Function]
    ) -> tuple[Callable[..., tuple[Any, ...]], Any]:
        """Return one step, (x W + b, *states) to states, and x W + b of all steps."""
        W, U = weights["W"].T, weights["R"].T
        xW, clip, H = x @ W, self._bound(), U.shape[0]
        blocks = list(_blocks(GATES[self.kind], H))
        c = None
        if "B" in weights:
            first, second = (weights["B"][block] for block in _blocks(2, W.shape[-1]))
            if self.kind == "GRU":
                c = second[blocks[2]]
                second = concatenate([second[: 2 * H], np.zeros(H, x.dtype)])
            xW = xW + (first + second)
        if self.kind == "GRU":
            return _gru(U, c, blocks, squashes, clip, bool(self.settings.get(AFTER))), xW
        if self.kind == "RNN":
            return _rnn(U, squashes, clip), xW
        P = weights.get("P")
        peepholes = None if P is None else [P[block] for block in _blocks(3, H)]
        coupled = bool(self.settings.get("input_forget"))
        return _lstm(U, peepholes, blocks, squashes, clip, coupled), xW

    def _bound(self) -> Function:
        """Return the function that keeps the arguments of functions within bounds."""
        clip = self.settings.get("clip")
        if clip is None:
            return lambda x: x
        return lambda x: minimum(maximum(x, -clip), clip)


def _lstm(
    U: Any, P: list[Any] | None, blocks: list[Any], squashes: Sequence[Function],
    clip: Function, coupled: bool,
) -> Callable[..., tuple[Any, ...]]:  # fmt: skip
    f, g, h = squashes
    I, O, F, C = blocks

    def with_peephole(s: Any, at: int, state: Any) -> Any:
        return clip(s if P is None else s + P[at] * state)

    def step(xW: Any, out: Any, state: Any) -> tuple[Any, Any]:
        s = xW + out @ U
        i = f(with_peephole(s[I], 0, state))
        forget = 1.0 - i if coupled else f(with_peephole(s[F], 2, state))
        a = g(clip(s[C]))
        state = forget * state + i * a
        o = f(with_peephole(s[O], 1, state))
        out = o * h(state)
        i.name, forget.name, a.name, o.name = "i", "f", "a", "o"
        state.name, out.name = "state", "out"
        return out, state

    return step


def _gru(
    U: Any, c: Any, blocks: list[Any], squashes: Sequence[Function], clip: Function, after: bool
) -> Callable[..., tuple[Any, ...]]:
    f, g = squashes
    Z, R, N = blocks
    U_z, U_r, U_n = (U[block] for block in blocks)

    def step(xW: Any, out: Any) -> tuple[Any]:
        z, r = f(clip(xW[Z] + out @ U_z)), f(clip(xW[R] + out @ U_r))
        back = out @ U_n if after else (r * out) @ U_n
        back = back if c is None else back + c
        n = g(clip(xW[N] + (r * back if after else back)))
        out = (1.0 - z) * n + z * out
        z.name, r.name, n.name, out.name = "z", "r", "n", "out"
        return (out,)

    return step


def _rnn(U: Any, squashes: Sequence[Function], clip: Function) -> Callable[..., tuple[Any, ...]]:
    (f,) = squashes

    def step(xW: Any, out: Any) -> tuple[Any]:
        out = f(clip(xW + out @ U))
        out.name = "out"
        return (out,)

    return step


def _blocks(count: int, H: int) -> Iterator[Any]:
    """Yield where each of the blocks along the last axis stands."""
    for n in range(count):
        yield (..., slice(n * H, (n + 1) * H))


def _alive(who: str, lengths: Any, shape: tuple[int, ...]) -> Any:
    """Return which sequences have not ended at a step, (T, B, 1); None if none ends early."""
    if lengths is None:
        return None
    T, B, _ = shape
    ends = np.asarray(lengths)
    if ends.shape != (B,) or ends.dtype.kind not in "iu" or np.any((ends < 0) | (ends > T)):
        raise ShapeError(f"{who}: found lengths {ends.tolist()}, expected {B} of 0 to {T} steps")
    if np.all(ends == T):
        return None
    return constant((np.arange(T)[:, None] < ends)[..., None], name="alive")


def _tensor(x: Any) -> Tensor:
    return x if isinstance(x, Tensor) else constant(np.asarray(x))
