"""The task that is timed: its networks and sizes, its seeded numbers, the check of its gradients.

Knows the pass written by hand, which in float64 is the reference; no system.

The task is a recurrent network, a dense layer to 1, sigmoid, ½ Σ (y - target)²: one forward and one
backward pass for the gradients of all weights and of the input. The network is an LSTM, or another
of its family, in a stack, in both directions, or of padded sequences, of which the outputs in the
padding are 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.random import default_rng

Array = np.ndarray
LEAVES = ("W", "U", "b", "w", "c", "x")  # of the LSTM alone


class Size(NamedTuple):
    """How many steps, sequences at once, features and cells."""

    T: int
    B: int
    I: int
    H: int


SIZES = {
    "question": Size(3, 1, 2, 4),
    "small": Size(20, 8, 16, 32),
    "long": Size(1000, 1, 16, 16),
    "medium": Size(50, 32, 64, 128),
    "large": Size(100, 64, 128, 256),
    "narrow": Size(200, 1, 128, 256),
}


FAMILY = frozenset({"small", "medium"})  # sizes at which the whole family is timed


class Network(NamedTuple):
    """What stands below the dense layer: ways through time, of which each has its own weights.

    Gates are packed in the order a, i, f, o or r, z, n; a GRU's n has a second bias. The cell
    "own", for which no library has a kernel, has a gate that reads the output before last:

        s = x W + b + h(k-1) U, packed as q, p
        q = σ(s_q + h(k-2) V)
        p = tanh(s_p)
        r = r(k-1) ∘ q + p ∘ (1 - q)
        h = sin(r) ∘ q + p
    """

    kind: str = "lstm"
    layers: int = 1
    directions: int = 1
    is_padded: bool = False
    sizes: frozenset[str] = FAMILY


GATES = {"lstm": 4, "gru": 3, "rnn": 1, "own": 2}
PLAIN, PADDED = "lstm", "padded"
NETWORKS = {
    PLAIN: Network(sizes=frozenset(SIZES)),
    "gru": Network("gru"),
    "rnn": Network("rnn"),
    "stacked": Network(layers=2),
    "bidirectional": Network(directions=2),
    PADDED: Network(is_padded=True),
    "own": Network("own"),
}


@dataclass(frozen=True)
class Problem:
    """The numbers of the task."""

    network: Network
    x: Array  # (T, B, in)
    target: Array  # (T, B, 1)
    ways: tuple[dict[str, Array], ...]  # W (in, gates H), U (H, gates H), b (gates H,), d (H,);
    # layer after layer, forward before backward; d is the second bias of n in a GRU, V of "own"
    w: Array  # (directions H, 1), of the dense layer
    c: Array  # (1,)
    lengths: Array | None  # (B,), unsorted, of padded sequences

    @property
    def size(self) -> Size:
        """T, B, in and H."""
        return Size(*self.x.shape, len(self.ways[0]["U"]))

    @property
    def leaves(self) -> dict[str, Array]:
        """What has a gradient: W, U, b of one way, or 0.W and so on of several; w, c and x."""
        return named(self.ways) | {"w": self.w, "c": self.c, "x": self.x}

    @property
    def alive(self) -> Array | None:
        """Which sequences have not ended at a step, (T, B, 1); None if none is padded."""
        if self.lengths is None:
            return None
        return (np.arange(self.size.T)[:, None] < self.lengths)[..., None]

    def astype(self, dtype: Any) -> Problem:
        """Return the same numbers in another precision."""
        ways = tuple({name: each.astype(dtype) for name, each in p.items()} for p in self.ways)
        numbers = {name: getattr(self, name).astype(dtype) for name in ("x", "target", "w", "c")}
        return replace(self, ways=ways, **numbers)


def named(ways: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what each way has by its name, with the way's number before it if they are several."""
    if len(ways) == 1:
        return dict(ways[0])
    return {f"{n}.{name}": each for n, p in enumerate(ways) for name, each in p.items()}


def make(size: Size, network: Network = NETWORKS[PLAIN]) -> Problem:
    """Draw the numbers from a fixed seed, in float32 from the start.

    No array of another precision is made and freed on the way: that would change how the
    allocator treats the arrays of the system that is timed afterwards.
    """
    T, B, I, H = size
    random = default_rng(0)

    def normal(*shape: int, deviation: float = 1.0) -> Array:
        array = random.standard_normal(shape, np.float32)
        array *= np.float32(deviation)
        return array

    def way(into: int) -> dict[str, Array]:
        width = GATES[network.kind] * H
        p = {
            "W": normal(into, width, deviation=into**-0.5),
            "U": normal(H, width, deviation=H**-0.5),
            "b": normal(width, deviation=0.1),
        }
        more = {"gru": ("d", (H,), 0.1), "own": ("V", (H, H), H**-0.5)}.get(network.kind)
        return p if more is None else p | {more[0]: normal(*more[1], deviation=more[2])}

    width = network.directions * H
    return Problem(
        network,
        x=normal(T, B, I),
        target=random.random((T, B, 1), np.float32),
        ways=tuple(
            way(width if layer else I)
            for layer in range(network.layers)
            for _ in range(network.directions)
        ),
        w=normal(width, 1, deviation=width**-0.5),
        c=normal(1, deviation=0.1),
        lengths=random.integers((T + 1) // 2, T, B, endpoint=True) if network.is_padded else None,
    )
