"""Random programs: the package's functions, composed at random, from three leaves to one number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_lstm as tg
from tinygrad_lstm import TABLE

LENGTH = 12  # moves in a program


def entry(m: Any, name: str) -> Callable[..., Any]:
    """Return a function of ``m``, or the entry of the table that has no public name."""
    return getattr(m, name, TABLE[name])


ROWS = np.array([2, 0, 2])


PLACES = (np.array([0, 2, 0]), np.array([1, 1, 2]))


TRUTH = np.array([[True, False, True], [False, False, True], [True, True, False]])


SMOOTH: dict[str, Callable[[Any, Any, Any], Any]] = {
    "add": lambda m, a, b: a + b,
    "add broadcast": lambda m, a, b: a + b[1],
    "subtract broadcast": lambda m, a, b: a[:, :1] - b[2],
    "negative": lambda m, a, b: -a,
    "hadamard": lambda m, a, b: m.tanh(a) * b,
    "hadamard broadcast": lambda m, a, b: m.tanh(a) * b[0, 1],
    "divide": lambda m, a, b: a / (1.5 + m.sin(b)),
    "divide broadcast": lambda m, a, b: m.tanh(a[0]) / (2 + m.cos(b)),
    "power": lambda m, a, b: (1.5 + m.sin(a)) ** m.tanh(b),
    "power of a number": lambda m, a, b: m.tanh(a) ** 3,
    "exp": lambda m, a, b: m.exp(m.tanh(a)),
    "log": lambda m, a, b: m.log(1.5 + m.cos(a)),
    "sqrt": lambda m, a, b: m.sqrt(2 + m.sin(a) * m.cos(b)),
    "sigmoid": lambda m, a, b: m.sigmoid(a) - m.sigmoid(b),
    "softplus": lambda m, a, b: m.softplus(m.tanh(a)),
    "where": lambda m, a, b: m.where(TRUTH, a, m.tanh(b)),
    "mask": lambda m, a, b: entry(m, "mask")(m.tanh(a), b),
    "ratio": lambda m, a, b: entry(m, "ratio")(a, 2 + m.cos(b)),
    "where broadcast": lambda m, a, b: m.where(TRUTH, a[0], b[:, :1]),
    "matmul": lambda m, a, b: m.tanh(a) @ b * 0.5,
    "matmul of vectors": lambda m, a, b: m.tanh(a) * (a[0] @ m.tanh(b[1])),
    "matmul with a vector": lambda m, a, b: a + m.tanh(a) @ b[:, 0] * 0.5,
    "matmul of a batch": lambda m, a, b: m.sum(m.stack([m.tanh(a), b]) @ m.tanh(a), axis=0) * 0.3,
    "matmul of batches": lambda m, a, b: (
        (m.stack([m.tanh(a), m.sin(b)]) @ m.stack([m.sin(b), a]))[1] * 0.5
    ),
    "sum": lambda m, a, b: m.tanh(a) * m.sum(m.sin(b)) * 0.3,
    "sum along an axis": lambda m, a, b: a - m.sum(b, axis=1, keepdims=True) * 0.3,
    "mean": lambda m, a, b: a - m.mean(b, axis=0),
    "average": lambda m, a, b: a - entry(m, "average")(b, axis=0),
    "reshape": lambda m, a, b: m.reshape(m.reshape(a, shape=(9,))[::-1], shape=(3, 3)),
    "transpose": lambda m, a, b: m.transpose(a) + b,
    "transpose axes": lambda m, a, b: (
        m.transpose(m.stack([a, m.tanh(b)]), axes=(2, 0, 1))[:, 1] + a
    ),
    "broadcast_to": lambda m, a, b: m.broadcast_to(a[:, 1:2], shape=(3, 3)) * 0.7 + b,
    "getitem": lambda m, a, b: m.stack([a[2], b[0], a[-1]]),
    "getitem of slices": lambda m, a, b: m.concatenate([a[:, 1:], b[:, ::3]], axis=1),
    "gather": lambda m, a, b: a[ROWS] - b,
    "gather of places": lambda m, a, b: a * 0.5 + b[PLACES],
    "scatter": lambda m, a, b: m.scatter(a[0], index=1, shape=(3, 3)) + b,
    "scatter_add": lambda m, a, b: m.scatter_add(m.sin(a), index=ROWS, shape=(3, 3)) + b,
    "pad": lambda m, a, b: m.pad(a[1:, :2], pad_width=((0, 1), (1, 0))) - b,
    "sliding_windows": lambda m, a, b: (
        m.sum(m.sliding_windows(m.pad(a, pad_width=1), window_shape=(3, 3)), axis=(2, 3)) * 0.2
    ),
    "overlap_add": lambda m, a, b: m.overlap_add(
        m.stack([a[:, :2], b[:, 1:]], axis=1), window_shape=2, axis=1, shape=(3, 3)
    ),
    "concatenate": lambda m, a, b: m.concatenate([a[:1], b[1:]]),
    "stack": lambda m, a, b: m.stack([m.tanh(a[0]), b[1], a[0]], axis=1),
    "logsumexp": lambda m, a, b: m.logsumexp(m.tanh(a), axis=1, keepdims=True) - b,
    "logsumexp of all": lambda m, a, b: m.tanh(b) * m.logsumexp(m.sin(a)),
    "norm": lambda m, a, b: m.tanh(a) / (1 + m.norm(2 + m.sin(b), axis=0)),
    "softmax": lambda m, a, b: m.softmax(m.tanh(a)) * b,
    "stop_gradient": lambda m, a, b: a + 0 * m.stop_gradient(b),
}


KINKED = {
    "abs": lambda m, a, b: m.abs(a) - b,
    "relu": lambda m, a, b: m.relu(m.tanh(a)) + 0.1 * b,
    "sign": lambda m, a, b: m.tanh(a) * m.sign(b - a),
    "max": lambda m, a, b: m.tanh(a) - m.max(b, axis=1, keepdims=True),
    "max of all": lambda m, a, b: m.tanh(b) * m.max(m.sin(a)),
    "maximum": lambda m, a, b: m.maximum(m.sin(a), b[0]),
    "minimum": lambda m, a, b: m.minimum(m.tanh(a), m.sin(b)),
}  # fmt: skip


# functions that NumPy has too, of moderate size and away from the ends of their domains
ELEMENTARY: dict[str, Callable[[Any, Any, Any], Any]] = {
    "expm1": lambda m, a, b: m.expm1(m.tanh(a)),
    "log1p": lambda m, a, b: m.log1p(m.sin(a) * 0.5) + b,
    "log2": lambda m, a, b: m.log2(1.5 + m.sin(a)),
    "log10": lambda m, a, b: m.log10(1.5 + m.cos(b)) - a,
    "exp2": lambda m, a, b: m.exp2(m.tanh(a)) * m.sin(b),
    "tan": lambda m, a, b: m.tan(m.tanh(a)),
    "arcsin": lambda m, a, b: m.arcsin(m.tanh(a) * 0.9),
    "arccos": lambda m, a, b: m.arccos(m.sin(a) * 0.9) - b,
    "arctan": lambda m, a, b: m.arctan(a) * m.tanh(b),
    "sinh": lambda m, a, b: m.sinh(m.tanh(a)),
    "cosh": lambda m, a, b: m.cosh(m.sin(a)) - b,
    "arcsinh": lambda m, a, b: m.arcsinh(a),
    "arccosh": lambda m, a, b: m.arccosh(2.5 + m.sin(a)),
    "arctanh": lambda m, a, b: m.arctanh(m.sin(a) * 0.8),
    "erf": lambda m, a, b: m.erf(a) + 0.5 * b,
    "erfc": lambda m, a, b: m.erfc(m.tanh(a)),
    "floor": lambda m, a, b: a + 0.1 * m.floor(b),
    "rint": lambda m, a, b: a - 0.1 * m.rint(b),
    "hypot": lambda m, a, b: m.hypot(1.5 + m.sin(a), m.tanh(b)),
    "arctan2": lambda m, a, b: m.arctan2(m.sin(a), 2 + m.cos(b)),
    "logaddexp": lambda m, a, b: m.logaddexp(m.tanh(a), m.sin(b[0])),
    "remainder": lambda m, a, b: m.remainder(a, 2.5 + m.sin(b)),
    "fmod": lambda m, a, b: m.fmod(a, 2.5 + m.cos(b)),
    "fmax": lambda m, a, b: m.fmax(m.sin(a), b[0]),
    "fmin": lambda m, a, b: m.fmin(m.tanh(a), m.sin(b)),
    "leaky_relu": lambda m, a, b: m.leaky_relu(a, 0.1) - b,
    "finite": lambda m, a, b: entry(m, "finite")(a, 0.0, 1.0, -1.0) + b,
    "cumsum": lambda m, a, b: m.cumsum(m.tanh(a), axis=1) * 0.5,
    "astype": lambda m, a, b: m.astype(a, dtype=float) + b,
}


class Program:
    """A random composition of moves on x (3, 3), y (3,) and z (), to one number."""

    shapes = ((3, 3), (3,), ())

    def __init__(self, seed: int, moves: dict[str, Callable[..., Any]]) -> None:
        random = np.random.default_rng(seed)
        names = random.choice(list(moves), LENGTH, replace=False)
        self.steps = [(moves[name], *random.integers(0, 2 + k, 2)) for k, name in enumerate(names)]
        self.weights = random.normal(size=(LENGTH + 2, 3, 3))
        self.point = tuple(random.normal(size=shape) for shape in self.shapes)
        self.direction = tuple(random.normal(size=shape) for shape in self.shapes)

    def run(self, m: Any, leaves: Any) -> Any:
        """Return the program's number, computed by the functions of ``m``."""
        x, y, z = leaves
        values = [x * z, x - y]
        for move, first, second in self.steps:
            values.append(move(m, values[first], values[second]))
        return sum(m.sum(value * w) for value, w in zip(values, self.weights, strict=True))

    def leaves(self) -> list[tg.Tensor]:
        return [tg.Tensor(each, requires_grad=True) for each in self.point]

    def along(self, gradients: Any) -> Any:
        """Return the derivative along the direction."""
        return sum((g * d).sum() for g, d in zip(gradients, self.direction, strict=True))


SMOOTH_PROGRAMS = [Program(seed, SMOOTH) for seed in range(40)]


KINKED_PROGRAMS = [
    Program(seed, {**dict(list(SMOOTH.items())[seed::3]), **KINKED}) for seed in range(20)
]

# seeds by which no leaf is in linear moves alone: each has second derivatives
ELEMENTARY_PROGRAMS = [Program(seed, ELEMENTARY) for seed in range(10, 20)]
PROGRAMS = SMOOTH_PROGRAMS + KINKED_PROGRAMS + ELEMENTARY_PROGRAMS


smooth = pytest.mark.parametrize(
    "program", SMOOTH_PROGRAMS, ids=lambda p: f"smooth{SMOOTH_PROGRAMS.index(p)}"
)


every = pytest.mark.parametrize(
    "program",
    PROGRAMS,
    ids=[f"smooth{k}" for k in range(40)]
    + [f"kinked{k}" for k in range(20)]
    + [f"elementary{k}" for k in range(10)],
)
