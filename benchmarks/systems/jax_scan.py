"""JAX: the pass compiled by ``jit``, the steps by ``scan``."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.nn import sigmoid

from ..problem import Array, Problem, named

Step = Callable[..., Any]  # (p, carry, x W + b) -> the next carry, which begins with the output


def lstm(p: dict[str, Any], carry: tuple, net: Any) -> tuple:
    out, state = carry
    s = net + out @ p["U"]
    a = jnp.tanh(s[:, : out.shape[1]])
    i, f, o = jnp.split(sigmoid(s[:, out.shape[1] :]), 3, axis=1)
    state = i * a + f * state
    return o * jnp.tanh(state), state


def gru(p: dict[str, Any], carry: tuple, net: Any) -> tuple:
    (out,), H = carry, carry[0].shape[1]
    outU = out @ p["U"]
    r, z = jnp.split(sigmoid(net[:, : 2 * H] + outU[:, : 2 * H]), 2, axis=1)
    n = jnp.tanh(net[:, 2 * H :] + r * (outU[:, 2 * H :] + p["d"]))
    return ((1 - z) * n + z * out,)


def rnn(p: dict[str, Any], carry: tuple, net: Any) -> tuple:
    return (jnp.tanh(net + carry[0] @ p["U"]),)


def own(p: dict[str, Any], carry: tuple, net: Any) -> tuple:
    h, before, r = carry
    s, H = net + h @ p["U"], h.shape[1]
    q, a = sigmoid(s[:, :H] + before @ p["V"]), jnp.tanh(s[:, H:])
    r = r * q + a * (1 - q)
    return jnp.sin(r) * q + a, h, r


CELLS: dict[str, tuple[Step, int]] = {  # with how many arrays a step hands on
    "lstm": (lstm, 2), "gru": (gru, 1), "rnn": (rnn, 1), "own": (own, 3),
}  # fmt: skip


def build(problem: Problem) -> tuple[Callable[[], object], Callable[[], dict[str, Array]]]:
    """Return a function for one forward and one backward pass, and one that reads the gradients."""
    if problem.x.dtype == np.float64:
        jax.config.update("jax_enable_x64", True)
    network, (_, B, _, H) = problem.network, problem.size
    D, (cell, carried) = network.directions, CELLS[network.kind]
    leaves = jax.tree.map(jnp.asarray, (problem.ways, problem.w, problem.c, problem.x))
    target, zeros = jnp.asarray(problem.target), jnp.zeros((B, H), problem.x.dtype)
    alive = None if problem.alive is None else jnp.asarray(problem.alive)

    def run(p: dict[str, Any], x: Any, turned: bool) -> Any:
        def one(carry: tuple, now: Any) -> tuple:
            net, is_alive = now
            after = cell(p, carry, net)
            if is_alive is not None:
                after = tuple(map(partial(jnp.where, is_alive), after, carry))
            return after, after[0]

        nets = x @ p["W"] + p["b"]
        return jax.lax.scan(one, (zeros,) * carried, (nets, alive), reverse=turned)[1]

    def loss(leaves: Any) -> Any:
        ways, w, c, x = leaves
        for n in range(0, len(ways), D):
            outs = [run(p, x, turned == 1) for turned, p in enumerate(ways[n : n + D])]
            x = outs[0] if D == 1 else jnp.concatenate(outs, axis=-1)
            x = x if alive is None else x * alive
        error = sigmoid(x @ w + c) - target
        return 0.5 * (error * error).sum()

    both = jax.jit(jax.value_and_grad(loss))
    found: list[Any] = []

    def step() -> object:
        value, gradients = jax.block_until_ready(both(leaves))
        found[:] = gradients
        return value

    def read() -> dict[str, Array]:
        ways, w, c, x = jax.tree.map(np.asarray, tuple(found))
        return named(ways) | {"w": w, "c": c, "x": x}

    return step, read
