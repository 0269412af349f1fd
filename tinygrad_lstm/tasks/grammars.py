"""The embedded Reber grammar: strings one by one, and strings in a stream that never ends.

A. Cleeremans, D. Servan-Schreiber and J. McClelland, Neural Computation 1(3), 1989; S. Hochreiter
and J. Schmidhuber, Neural Computation 9(8), 1997, experiment 1; F. Gers, J. Schmidhuber and F.
Cummins, "Learning to forget", Neural Computation 12(10), 2000, doi:10.1162/089976600300015015.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine.arguments import whole
from .task import Array, Predict, Sample, Task, Verdict, one_hot

SYMBOLS = "BTSXPVE"
# the state after each symbol that is legal in a state of the grammar; -1 is the end
INNER: list[dict[str, int]] = [
    {"B": 1}, {"T": 2, "P": 3}, {"S": 2, "X": 4}, {"T": 3, "V": 5}, {"X": 3, "S": 6},
    {"P": 4, "V": 6}, {"E": -1},
]  # fmt: skip
MULTIPLE = 16  # of the number of steps of padded strings
STREAMS, CHUNK = 10, 200  # that the judge reads, and how many symbols of each at once


def string(random: np.random.Generator) -> tuple[list[int], list[set[int]]]:
    """Return a string of the grammar, and the legal symbols after each symbol but the last.

    The string is B, T or P, a string of the inner grammar, the T or P of before, and E.

    Examples
    --------
    >>> symbols, legal = string(np.random.default_rng(1))
    >>> "".join(SYMBOLS[x] for x in symbols), "".join(SYMBOLS[x] for x in sorted(legal[0]))
    ('BTBPVVETE', 'TP')
    """
    path = [({"T": 0, "P": 0}, outer := "TP"[random.integers(2)])]
    state = 0
    while state >= 0:
        ways = INNER[state]
        letter = list(ways)[random.integers(len(ways))]
        path.append((ways, letter))
        state = ways[letter]
    path += [({outer: 0}, outer), ({"E": 0}, "E")]
    number = SYMBOLS.index
    symbols = [number("B"), *(number(letter) for _, letter in path)]
    return symbols, [{number(letter) for letter in ways} for ways, _ in path]


def reber(count: int = 256) -> Task:
    """Return the embedded Reber grammar: which symbol comes next?

    Parameters
    ----------
    count : int, at least 1
        Strings that the judge reads.

    Examples
    --------
    >>> reber().draw(4, seed=0).x.shape
    (16, 4, 7)
    """
    count = whole("reber: count", count, 1)

    def strings(random: np.random.Generator, B: int) -> tuple[Sample, list[list[set[int]]]]:
        pairs = [string(random) for _ in range(B)]
        x, counts = one_hot([symbols[:-1] for symbols, _ in pairs], 7, MULTIPLE)
        target = np.zeros_like(x)
        for b, (symbols, _) in enumerate(pairs):
            target[np.arange(len(symbols) - 1), b, symbols[1:]] = 1.0
        return Sample(x, target, counts), [legal for _, legal in pairs]

    def judge(predict: Predict, random: np.random.Generator) -> Verdict:
        sample, legal = strings(random, count)
        z = predict(sample.x)[0]
        wrong = sum(not are_legal(z[: len(own), b], own).all() for b, own in enumerate(legal))
        return Verdict(wrong == 0, wrong / count)

    return Task(
        "embedded Reber", "Hochreiter and Schmidhuber 1997, experiment 1",
        f"in {count} new strings, at each step all legal symbols before all others", 7, 7,
        "classes", lambda random, B: strings(random, B)[0], judge,
    )  # fmt: skip


def continual_reber(window: int = 200, test: int = 100_000) -> Task:
    """Return the continual embedded Reber grammar: a stream of strings without a sign between them.

    Parameters
    ----------
    window : int, at least 20
        Symbols of a sequence to train with; each begins with a string.
    test : int, at least 1
        Symbols of each of the 10 streams that the judge reads; Gers and others read 10⁶.

    Examples
    --------
    >>> continual_reber(50).draw(4, seed=0).x.shape
    (50, 4, 7)
    """
    window = whole("continual_reber: window", window, 20)
    test = whole("continual_reber: test", test, 1)

    def draw(random: np.random.Generator, B: int) -> Sample:
        streams = [Stream(random).read(window + 1)[0] for _ in range(B)]
        x = np.eye(7)[np.array(streams).T]
        return Sample(x[:-1], x[1:], np.ones((window, B, 1)))

    def judge(predict: Predict, random: np.random.Generator) -> Verdict:
        streams = [Stream(random) for _ in range(STREAMS)]
        state: Any = None
        read = 0
        while read < test:
            T = min(CHUNK, test - read)
            parts = [stream.read(T) for stream in streams]
            x = np.eye(7)[np.array([symbols for symbols, _ in parts]).T]
            z, state = predict(x, state)
            right = [are_legal(z[:, b], legal) for b, (_, legal) in enumerate(parts)]
            if not np.all(right):
                return Verdict(False, float(read + np.argmin(np.all(right, axis=0))))
            read += T
        return Verdict(True, float(read))

    return Task(
        "continual Reber", "Gers, Schmidhuber and Cummins 2000",
        f"{STREAMS} streams of {test:,} symbols without one wrong prediction (there: 10⁶)", 7, 7,
        "classes", draw, judge,
    )  # fmt: skip


class Stream:
    """Strings of the embedded grammar, one behind the other.

    Parameters
    ----------
    random : generator
    """

    def __init__(self, random: np.random.Generator) -> None:
        self.random = random
        self.symbols: list[int] = []
        self.legal: list[set[int]] = []  # after each symbol

    def read(self, count: int) -> tuple[list[int], list[set[int]]]:
        """Return the next symbols, and the legal symbols after each of them."""
        while len(self.symbols) < count:
            symbols, legal = string(self.random)
            self.symbols += symbols
            self.legal += [*legal, {SYMBOLS.index("B")}]
        head = self.symbols[:count], self.legal[:count]
        self.symbols, self.legal = self.symbols[count:], self.legal[count:]
        return head


def are_legal(z: Array, legal: list[set[int]]) -> Array:
    """Return at which steps the outputs of all legal symbols exceed those of all others.

    Parameters
    ----------
    z : (T, 7)
    legal : T sets of symbols

    Examples
    --------
    >>> are_legal(np.array([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0]]), [{0, 1}, {0, 2}])
    array([ True, False])
    """
    mask = np.zeros(z.shape, bool)
    for k, own in enumerate(legal):
        mask[k, list(own)] = True
    least = np.where(mask, z, np.inf).min(axis=-1)
    return np.asarray(least > np.where(mask, -np.inf, z).max(axis=-1))
