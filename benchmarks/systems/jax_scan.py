"""JAX: the pass compiled by ``jit``, the steps by ``scan``."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from ..problem import LEAVES, Array, Problem


def build(problem: Problem) -> tuple[Callable[[], object], Callable[[], dict[str, Array]]]:
    """Return a function for one forward and one backward pass, and one that reads the gradients."""
    _, B, _, H = problem.size
    leaves = {name: jnp.asarray(each) for name, each in problem.leaves.items()}
    target = jnp.asarray(problem.target)
    start = jnp.zeros((B, H), problem.x.dtype)

    def loss(leaves: dict[str, jax.Array]) -> jax.Array:
        W, U, b, w, c, x = (leaves[name] for name in LEAVES)

        def one(carry: tuple, net: jax.Array) -> tuple:
            out, state = carry
            s = net + out @ U
            a = jnp.tanh(s[:, :H])
            i, f, o = jnp.split(jax.nn.sigmoid(s[:, H:]), 3, axis=1)
            state = i * a + f * state
            out = o * jnp.tanh(state)
            return (out, state), out

        _, outs = jax.lax.scan(one, (start, start), x @ W + b)
        error = jax.nn.sigmoid(outs @ w + c) - target
        return 0.5 * (error * error).sum()

    both = jax.jit(jax.value_and_grad(loss))
    found: dict[str, jax.Array] = {}

    def step() -> object:
        value, gradients = jax.block_until_ready(both(leaves))
        found.update(gradients)
        return value

    return step, lambda: {name: np.asarray(each) for name, each in found.items()}
