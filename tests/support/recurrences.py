"""Random recurrent programs: states with delays, nested scopes, last steps or all of them.

Knows the public functions; not what the programs are tried on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import tinygrad_lstm as tg

UNARY = (tg.tanh, tg.sigmoid, tg.sin, tg.softplus, tg.relu, lambda x: x * x * 0.3, lambda x: 1 - x)
REDUCED = (tg.sum, tg.mean, lambda x: tg.sum(x * x), lambda x: tg.sum(tg.softmax(x) * x))


class Recurrence:
    """A random recurrent program.

    Attributes
    ----------
    leaves : list of Tensor
        The weights, and an initial value.
    args : tuple of arrays
    loss : (*args) -> Tensor of one number
    """

    def __init__(self, seed: int) -> None:
        self.rng = rng = np.random.default_rng(seed)
        self.T, self.H, self.I = (int(rng.integers(1, n)) for n in (8, 6, 4))
        self.B = (int(rng.integers(1, 4)),) if rng.random() < 0.6 else ()
        self.leaves: list[tg.Tensor] = []
        self.args = tuple(rng.normal(size=(self.T, *self.B, self.I)) for _ in range(2))
        self.loops = [self._loop(n) for n in range(int(rng.integers(1, 3)))]
        self.ends = [self._pick(REDUCED) for _ in range(2)]
        self.start = self._leaf(*self.B, self.H) if rng.random() < 0.5 else None

    def loss(self, x: Any, y: Any) -> tg.Tensor:
        xs, total = x, tg.sum(y[0]) * 0.1
        for loop, end in zip(self.loops, self.ends, strict=False):
            xs = loop(xs, y)
            total = total + end(xs)
        return total

    def _pick(self, things: Any) -> Any:
        return things[int(self.rng.integers(len(things)))]

    def _leaf(self, *shape: int) -> tg.Tensor:
        name = f"w{len(self.leaves)}"
        self.leaves.append(tg.Tensor(self.rng.normal(size=shape) * 0.6, True, name=name))
        return self.leaves[-1]

    def _loop(self, number: int) -> Callable[[Any, Any], tg.Tensor]:
        """Return a loop over steps, whose input is a sequence or one signal of all steps."""
        rng, H = self.rng, self.H
        count = int(rng.integers(1, 4))
        delays = [int(rng.integers(1, 4)) for _ in range(count)]
        W = self._leaf(self.I if number == 0 else H, H)
        U = [self._leaf(H, H) for _ in range(count)]
        b = self._leaf(H)
        functions = [[self._pick(UNARY) for _ in range(2)] for _ in range(count)]
        reads_second, is_scoped, is_all, is_backward = rng.random(4) < (0.4, 0.5, 0.6, 0.3)
        V = self._leaf(self.I, H) if reads_second else None

        def run(xs: Any, y: Any) -> tg.Tensor:
            zero = np.zeros((*self.B, H))
            states = [[zero if self.start is None else self.start] * d for d in delays]
            outs: list[Any] = []
            steps = range(len(y))[::-1] if is_backward else range(len(y))
            for k in tg.steps(steps):
                z = xs[k] @ W + b if xs.ndim == 2 + len(self.B) else xs @ W + b
                if V is not None:
                    z = z + y[k] @ V
                for n, (own, d) in enumerate(zip(states, delays, strict=True)):
                    before = own[-d]
                    f, g = functions[n]
                    if is_scoped:
                        with tg.scope(f"cell{n}"):
                            gate = tg.sigmoid(before @ U[n] + z)
                            h = gate * before + (1 - gate) * f(z)
                    else:
                        h = f(before @ U[n] + z) * 0.5 + g(before) * 0.2
                    own.append(h)
                    z = g(h) * 0.5 + z * 0.3
                outs.append(z)
            outs = outs[::-1] if is_backward else outs
            return tg.stack(outs) if is_all else outs[-1]

        return run
