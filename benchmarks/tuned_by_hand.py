"""The pass by hand again, with every view made beforehand: how far one can go in NumPy.

Not the yardstick, because nobody writes this for a network that may still change. Beyond it:
the ½ of the sigmoids is multiplied into the weights, so that one tanh serves all four gates; the
factors that do not depend on what comes back are computed for a block of steps at once, as many as
fit the cache; nothing is allocated inside the loops.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy import add, dot, multiply, subtract, tanh

from .problem import Array, Problem

CACHE = 1 << 18  # bytes of net inputs in a block of steps


def build(problem: Problem) -> tuple[Callable[[], object], Callable[[], dict[str, Array]]]:
    """Return a function for one forward and one backward pass, and one that reads the gradients."""
    T, B, I, H = problem.size
    W, U, b, w, c, x = problem.leaves.values()
    x, target = x.reshape(T * B, I), problem.target.reshape(T * B, 1)
    dtype = x.dtype
    gates, δs = (np.empty((T, B, 4, H), dtype) for _ in range(2))
    states, outs = (np.zeros((T + 1, B, H), dtype) for _ in range(2))  # [k + 1] is of step k
    tanhs, slopes, δouts = (np.empty((T, B, H), dtype) for _ in range(3))
    δstate, term = np.empty((B, 1, H), dtype), np.empty((B, H), dtype)
    net = np.empty((B, 4 * H), dtype)
    flat, δ = gates.reshape(T * B, 4 * H), δs.reshape(T * B, 4 * H)
    before, after = outs[:-1].reshape(T * B, H), outs[1:].reshape(T * B, H)
    scale = np.repeat(np.array([1, 0.5, 0.5, 0.5], dtype), H)
    half = dtype.type(0.5)
    found: dict[str, Array] = {}

    forward_views = [
        (
            *(gates[k].reshape(B, 4 * H), gates[k].reshape(B, 4 * H)[:, H:]),
            *(gates[k, :, g] for g in range(4)),
            *(states[k], states[k + 1], tanhs[k], outs[k], outs[k + 1]),
        )
        for k in range(T)
    ]
    backward_views = []
    block = max(1, min(T, CACHE // (B * 4 * H * dtype.itemsize)))
    complements = np.empty((block, B, 3, H), dtype)
    for stop in range(T, 0, -block):
        start = max(0, stop - block)
        g, d = gates[start:stop], δs[start:stop]
        whole = (
            *(complements[: stop - start], g[:, :, 1:], d[:, :, 1:]),
            *(g[:, :, 0], g[:, :, 1], g[:, :, 3], *(d[:, :, gate] for gate in range(4))),
            *(states[start:stop], tanhs[start:stop], slopes[start:stop]),
        )
        each = [
            (k, slopes[k], δs[k].reshape(B, 4 * H), δs[k, :, :3], δs[k, :, 3], gates[k, :, 2])
            for k in range(stop - 1, start - 1, -1)
        ]
        backward_views.append((whole, each))

    def forward() -> Array:
        U_scaled = U * scale
        dot(x, W * scale, flat)
        add(flat, b * scale, flat)
        for gate, ifo, a, i, f, o, last, state, tanh_state, last_out, out in forward_views:
            dot(last_out, U_scaled, net)
            add(gate, net, gate)
            tanh(gate, gate)
            multiply(ifo, half, ifo)
            add(ifo, half, ifo)
            multiply(f, last, state)
            multiply(i, a, term)
            add(state, term, state)
            tanh(state, tanh_state)
            multiply(o, tanh_state, out)
        return half * tanh(half * (after.dot(w) + c)) + half

    def backward(y: Array) -> None:
        δz = (y - target) * y * (1 - y)
        dot(δz, w.T, δouts.reshape(T * B, H))
        δstate[...] = 0
        δstate_flat, δout, UT = δstate[:, 0], δouts[T - 1], U.T
        for (rest, ifo, δifo, a, i, o, δa, δi, δf, δo, last, tanhs_, slope), each in backward_views:
            subtract(1, ifo, rest)
            multiply(rest, ifo, δifo)
            multiply(a, a, δa)
            subtract(1, δa, δa)
            multiply(δa, i, δa)
            multiply(δi, a, δi)
            multiply(δf, last, δf)
            multiply(δo, tanhs_, δo)
            multiply(tanhs_, tanhs_, slope)
            subtract(1, slope, slope)
            multiply(slope, o, slope)
            for k, slope_k, δ_k, δaif, δo_k, f in each:
                multiply(slope_k, δout, term)
                add(δstate_flat, term, δstate_flat)
                multiply(δaif, δstate, δaif)
                multiply(δo_k, δout, δo_k)
                multiply(δstate_flat, f, δstate_flat)
                if k:
                    δout = δouts[k - 1]
                    dot(δ_k, UT, term)
                    add(δout, term, δout)
        found["W"], found["U"], found["b"] = x.T.dot(δ), before.T.dot(δ), δ.sum(0)
        found["w"], found["c"] = after.T.dot(δz), δz.sum(0)
        found["x"] = δ.dot(W.T).reshape(problem.x.shape)

    def step() -> float:
        y = forward()
        backward(y)
        return 0.5 * ((y - target) ** 2).sum()

    return step, lambda: found
