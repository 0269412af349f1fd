"""Recurrent cells through time by hand: packed gates, x W of all steps at once, buffers kept.

Knows arrays alone. A way is made for one size, and is two functions: forward, from x (T, B, in) to
the outputs (T, B, H); and backward, from their cotangents to that of x, with the weights' gradients
as one matrix product over all steps. One that runs backwards sees its arrays through [::-1]; in
padding, where it is not ``alive``, it keeps its state.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from .problem import Array

Way = tuple[Callable[[Array], Array], Callable[[Array], Array]]
Found = dict[str, Array]


def lstm(
    p: Mapping[str, Array], T: int, B: int, turned: bool, alive: Array | None, found: Found
) -> Way:
    """Return a long short-term memory's two functions; gradients go into ``found``."""
    W, U, b = p["W"], p["U"], p["b"]
    I, H, dtype = len(W), len(U), W.dtype
    nets, gates, δs = (np.empty((T, B, 4 * H), dtype) for _ in range(3))
    tanhs = np.empty((T, B, H), dtype)
    states = np.zeros((T + 1, B, H), dtype)  # [k + 1] is of the k-th step run
    outs, all_outs, before = _carried(T, B, H, dtype, turned)
    run = slice(None, None, -1 if turned else 1)
    s_run, δ_run = nets[run], δs[run]
    ended = None if alive is None else ~alive[run]
    A, I_, F, O = (slice(g * H, (g + 1) * H) for g in range(4))
    IFO = slice(H, 4 * H)
    x_flat = np.empty((0, I), dtype)

    def forward(x: Array) -> Array:
        nonlocal x_flat
        x_flat = x.reshape(T * B, I)
        np.dot(x_flat, W, out=nets.reshape(T * B, 4 * H))
        np.add(nets, b, out=nets)
        for k in range(T):
            s, gate, state = s_run[k], gates[k], states[k + 1]
            s += outs[k].dot(U)
            np.tanh(s[:, A], out=gate[:, A])
            ifo = gate[:, IFO]
            np.multiply(s[:, IFO], 0.5, out=ifo)  # σ(s) = ½ tanh(½ s) + ½
            np.tanh(ifo, out=ifo)
            ifo *= 0.5
            ifo += 0.5
            np.multiply(gate[:, F], states[k], out=state)
            state += gate[:, I_] * gate[:, A]
            np.tanh(state, out=tanhs[k])
            np.multiply(gate[:, O], tanhs[k], out=outs[k + 1])
            if ended is not None:
                np.copyto(state, states[k], where=ended[k])
                np.copyto(outs[k + 1], outs[k], where=ended[k])
        return all_outs

    def backward(δy: Array) -> Array:
        δout, δstate = np.zeros((2, B, H), dtype)
        UT, δy = U.T, δy[run]
        for k in range(T - 1, -1, -1):
            gate, tanh, δ = gates[k], tanhs[k], δ_run[k]
            a, i, f, o, ifo = gate[:, A], gate[:, I_], gate[:, F], gate[:, O], gate[:, IFO]
            δout = δout + δy[k]
            if ended is not None:  # no last state has a cotangent: what is held has none
                np.copyto(δout, 0, where=ended[k])
                np.copyto(δstate, 0, where=ended[k])
            δstate += δout * o * (1 - tanh * tanh)
            np.multiply(δstate * i, 1 - a * a, out=δ[:, A])
            np.multiply(δstate, a, out=δ[:, I_])
            np.multiply(δstate, states[k], out=δ[:, F])
            np.multiply(δout, tanh, out=δ[:, O])
            δ[:, IFO] *= ifo * (1 - ifo)
            δstate *= f
            δout = δ.dot(UT)
        δ = δs.reshape(T * B, 4 * H)
        found["W"], found["U"], found["b"] = x_flat.T.dot(δ), before.T.dot(δ), δ.sum(0)
        return δ.dot(W.T).reshape(T, B, I)

    return forward, backward


def gru(
    p: Mapping[str, Array], T: int, B: int, turned: bool, alive: Array | None, found: Found
) -> Way:
    """Return a gated recurrent unit's two functions, its reset after the product."""
    W, U, b, d = p["W"], p["U"], p["b"], p["d"]
    I, H, dtype = len(W), len(U), W.dtype
    nets, δs, δus = (np.empty((T, B, 3 * H), dtype) for _ in range(3))  # of x W + b, and of out U
    gates, us, ns = (np.empty((T, B, width), dtype) for width in (2 * H, H, H))
    outs, all_outs, before = _carried(T, B, H, dtype, turned)
    run = slice(None, None, -1 if turned else 1)
    s_run, δ_run, δu_run = nets[run], δs[run], δus[run]
    ended = None if alive is None else ~alive[run]
    R, Z, RZ, N = slice(0, H), slice(H, 2 * H), slice(0, 2 * H), slice(2 * H, 3 * H)
    x_flat = np.empty((0, I), dtype)

    def forward(x: Array) -> Array:
        nonlocal x_flat
        x_flat = x.reshape(T * B, I)
        np.dot(x_flat, W, out=nets.reshape(T * B, 3 * H))
        np.add(nets, b, out=nets)
        for k in range(T):
            s, rz, u, n, out = s_run[k], gates[k], us[k], ns[k], outs[k]
            outU = out.dot(U)
            np.add(s[:, RZ], outU[:, RZ], out=rz)
            rz *= 0.5
            np.tanh(rz, out=rz)
            rz *= 0.5
            rz += 0.5
            np.add(outU[:, N], d, out=u)
            np.multiply(rz[:, R], u, out=n)
            n += s[:, N]
            np.tanh(n, out=n)
            after = outs[k + 1]
            np.subtract(out, n, out=after)  # (1 - z) ∘ n + z ∘ out
            after *= rz[:, Z]
            after += n
            if ended is not None:
                np.copyto(after, out, where=ended[k])
        return all_outs

    def backward(δy: Array) -> Array:
        δout = np.zeros((B, H), dtype)
        UT, δy = U.T, δy[run]
        for k in range(T - 1, -1, -1):
            rz, u, n, δ, δu = gates[k], us[k], ns[k], δ_run[k], δu_run[k]
            r, z, δn = rz[:, R], rz[:, Z], δ[:, N]
            δout = δout + δy[k]
            if ended is not None:
                np.copyto(δout, 0, where=ended[k])
            kept = δout * z
            np.multiply(δout - kept, 1 - n * n, out=δn)
            np.multiply(δn, u, out=δ[:, R])
            np.multiply(δout, outs[k] - n, out=δ[:, Z])
            δ[:, RZ] *= rz * (1 - rz)
            δu[:, RZ] = δ[:, RZ]
            np.multiply(δn, r, out=δu[:, N])
            δout = δu.dot(UT)
            δout += kept
        δ, δu = δs.reshape(T * B, 3 * H), δus.reshape(T * B, 3 * H)
        found["W"], found["U"], found["b"] = x_flat.T.dot(δ), before.T.dot(δu), δ.sum(0)
        found["d"] = δu[:, N].sum(0)
        return δ.dot(W.T).reshape(T, B, I)

    return forward, backward


def rnn(
    p: Mapping[str, Array], T: int, B: int, turned: bool, alive: Array | None, found: Found
) -> Way:
    """Return a simple recurrence's two functions."""
    W, U, b = p["W"], p["U"], p["b"]
    I, H, dtype = len(W), len(U), W.dtype
    nets, δs = (np.empty((T, B, H), dtype) for _ in range(2))
    outs, all_outs, before = _carried(T, B, H, dtype, turned)
    run = slice(None, None, -1 if turned else 1)
    s_run, δ_run = nets[run], δs[run]
    ended = None if alive is None else ~alive[run]
    x_flat = np.empty((0, I), dtype)

    def forward(x: Array) -> Array:
        nonlocal x_flat
        x_flat = x.reshape(T * B, I)
        np.dot(x_flat, W, out=nets.reshape(T * B, H))
        np.add(nets, b, out=nets)
        for k in range(T):
            s = s_run[k]
            s += outs[k].dot(U)
            np.tanh(s, out=outs[k + 1])
            if ended is not None:
                np.copyto(outs[k + 1], outs[k], where=ended[k])
        return all_outs

    def backward(δy: Array) -> Array:
        δout = np.zeros((B, H), dtype)
        UT, δy = U.T, δy[run]
        for k in range(T - 1, -1, -1):
            out, δ = outs[k + 1], δ_run[k]
            δout = δout + δy[k]
            if ended is not None:
                np.copyto(δout, 0, where=ended[k])
            np.multiply(δout, 1 - out * out, out=δ)
            δout = δ.dot(UT)
        δ = δs.reshape(T * B, H)
        found["W"], found["U"], found["b"] = x_flat.T.dot(δ), before.T.dot(δ), δ.sum(0)
        return δ.dot(W.T).reshape(T, B, I)

    return forward, backward


def own(
    p: Mapping[str, Array], T: int, B: int, turned: bool, alive: Array | None, found: Found
) -> Way:
    """Return the two functions of a cell that has no name; it runs forwards, without padding."""
    W, U, V, b = p["W"], p["U"], p["V"], p["b"]
    I, H, dtype = len(W), len(U), W.dtype
    nets, gates, δs = (np.empty((T, B, 2 * H), dtype) for _ in range(3))
    sines = np.empty((T, B, H), dtype)
    states = np.zeros((T + 1, B, H), dtype)  # r
    outs = np.zeros((T + 2, B, H), dtype)  # [k + 2] is h(k)
    Q, P = slice(0, H), slice(H, 2 * H)
    x_flat = np.empty((0, I), dtype)

    def forward(x: Array) -> Array:
        nonlocal x_flat
        x_flat = x.reshape(T * B, I)
        np.dot(x_flat, W, out=nets.reshape(T * B, 2 * H))
        np.add(nets, b, out=nets)
        for k in range(T):
            s, q, p, r = nets[k], gates[k][:, Q], gates[k][:, P], states[k + 1]
            s += outs[k + 1].dot(U)
            s[:, Q] += outs[k].dot(V)
            np.multiply(s[:, Q], 0.5, out=q)
            np.tanh(q, out=q)
            q *= 0.5
            q += 0.5
            np.tanh(s[:, P], out=p)
            np.subtract(states[k], p, out=r)
            r *= q
            r += p
            np.sin(r, out=sines[k])
            np.multiply(sines[k], q, out=outs[k + 2])
            outs[k + 2] += p
        return outs[2:]

    def backward(δy: Array) -> Array:
        δh, δh_before, δr = np.zeros((3, B, H), dtype)
        UT, VT = U.T, V.T
        for k in range(T - 1, -1, -1):
            q, p, δ = gates[k][:, Q], gates[k][:, P], δs[k]
            δh = δh + δy[k]
            δr = δr + δh * q * np.cos(states[k + 1])
            δq = δh * sines[k] + δr * (states[k] - p)
            np.multiply(δq, q * (1 - q), out=δ[:, Q])
            np.multiply(δh + δr * (1 - q), 1 - p * p, out=δ[:, P])
            δr *= q
            δh, δh_before = δ.dot(UT) + δh_before, δ[:, Q].dot(VT)
        δ = δs.reshape(T * B, 2 * H)
        found["W"], found["b"] = x_flat.T.dot(δ), δ.sum(0)
        found["U"] = outs[1:-1].reshape(T * B, H).T.dot(δ)
        found["V"] = outs[:-2].reshape(T * B, H).T.dot(δ[:, Q])
        return δ.dot(W.T).reshape(T, B, I)

    return forward, backward


def _carried(T: int, B: int, H: int, dtype: np.dtype, turned: bool) -> tuple[Array, Array, Array]:
    """Return one buffer three times: as run, of which [0] is the initial value and [k + 1] what the
    k-th step run puts out; of all steps in time; and the values before them, (T B, H).
    """
    buffer = np.zeros((T + 1, B, H), dtype)
    if turned:
        return buffer[::-1], buffer[:-1], buffer[1:].reshape(T * B, H)
    return buffer, buffer[1:], buffer[:-1].reshape(T * B, H)


BY_HAND = {"lstm": lstm, "gru": gru, "rnn": rnn, "own": own}
