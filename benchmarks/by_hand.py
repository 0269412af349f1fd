"""The yardstick: backpropagation through time, written by hand in NumPy.

Packed gates, x W of all steps at once, buffers made once and reused, and the gradients of the
weights as one matrix product over all steps. Runs in the precision of its problem; in float64 it
is the reference that every system's gradients are held against.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .problem import Array, Problem


def build(problem: Problem) -> tuple[Callable[[], object], Callable[[], dict[str, Array]]]:
    """Return a function for one forward and one backward pass, and one that reads the gradients."""
    T, B, in_size, H = problem.size
    x, W, U, b, w, c = (getattr(problem, name) for name in ("x", "W", "U", "b", "w", "c"))
    dtype = x.dtype
    x = x.reshape(T * B, in_size)
    target = problem.target.reshape(T * B, 1)
    nets, gates, δs = (np.empty((T, B, 4 * H), dtype) for _ in range(3))
    states, outs = (np.zeros((T + 1, B, H), dtype) for _ in range(2))  # [k + 1] is of step k
    tanhs = np.empty((T, B, H), dtype)
    A, I, F, O = (slice(g * H, (g + 1) * H) for g in range(4))
    IFO = slice(H, 4 * H)
    found: dict[str, Array] = {}

    def forward() -> Array:
        np.dot(x, W, out=nets.reshape(T * B, 4 * H))
        np.add(nets, b, out=nets)
        for k in range(T):
            s, gate, state = nets[k], gates[k], states[k + 1]
            s += outs[k].dot(U)
            np.tanh(s[:, A], out=gate[:, A])
            ifo = gate[:, IFO]
            np.multiply(s[:, IFO], 0.5, out=ifo)  # σ(s) = ½ tanh(½ s) + ½
            np.tanh(ifo, out=ifo)
            ifo *= 0.5
            ifo += 0.5
            np.multiply(gate[:, F], states[k], out=state)
            state += gate[:, I] * gate[:, A]
            np.tanh(state, out=tanhs[k])
            np.multiply(gate[:, O], tanhs[k], out=outs[k + 1])
        return 0.5 * np.tanh(0.5 * (outs[1:].reshape(T * B, H).dot(w) + c)) + 0.5

    def backward(y: Array) -> None:
        δz = (y - target) * y * (1 - y)
        δy = δz.dot(w.T).reshape(T, B, H)
        δout, δstate = np.zeros((2, B, H), dtype)
        UT = U.T
        for k in range(T - 1, -1, -1):
            gate, tanh, δ = gates[k], tanhs[k], δs[k]
            a, i, f, o, ifo = gate[:, A], gate[:, I], gate[:, F], gate[:, O], gate[:, IFO]
            δout = δout + δy[k]
            δstate += δout * o * (1 - tanh * tanh)
            np.multiply(δstate * i, 1 - a * a, out=δ[:, A])
            np.multiply(δstate, a, out=δ[:, I])
            np.multiply(δstate, states[k], out=δ[:, F])
            np.multiply(δout, tanh, out=δ[:, O])
            δ[:, IFO] *= ifo * (1 - ifo)
            δstate *= f
            δout = δ.dot(UT)
        δ = δs.reshape(T * B, 4 * H)
        found["W"] = x.T.dot(δ)
        found["U"] = outs[:-1].reshape(T * B, H).T.dot(δ)
        found["b"] = δ.sum(0)
        found["w"] = outs[1:].reshape(T * B, H).T.dot(δz)
        found["c"] = δz.sum(0)
        found["x"] = δ.dot(W.T).reshape(problem.x.shape)

    def step() -> float:
        y = forward()
        backward(y)
        return 0.5 * ((y - target) ** 2).sum()

    return step, lambda: found
