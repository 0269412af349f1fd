"""Problems with long time lags: adding, temporal order, copying.

S. Hochreiter and J. Schmidhuber, "Long short-term memory", Neural Computation 9(8), 1997,
doi:10.1162/neco.1997.9.8.1735, experiments 4 and 6a; M. Arjovsky, A. Shah and Y. Bengio, "Unitary
evolution recurrent neural networks", ICML 2016, section 5.1.
"""

from __future__ import annotations

import numpy as np

from ..engine.arguments import whole
from .task import Predict, Sample, Task, Verdict, counted, last_steps, probabilities

TESTED = 2000  # sequences, as many as Hochreiter and Schmidhuber want in a row


def adding(T: int = 100) -> Task:
    """Return the adding problem: add the two numbers that are marked.

    A step is a number in [-1, 1] and a marker. The sequences have T to 1.1 T steps; the target at
    the last step is ½ + (X₁ + X₂) / 4.

    Parameters
    ----------
    T : int, at least 20

    Examples
    --------
    >>> x, target, counts = adding(20).draw(3, seed=0)
    >>> x.shape, target.shape, counts.sum()
    ((22, 3, 2), (22, 3, 1), np.float64(3.0))
    """
    T = whole("adding: T", T, 20)
    longest = T + T // 10

    def draw(random: np.random.Generator, B: int) -> Sample:
        rows, lengths = np.arange(B), random.integers(T, longest + 1, B)
        first = random.integers(0, 10, B)
        second = random.integers(0, T // 2 - 2, B)
        second += second >= first  # another step than the first
        x = np.zeros((longest, B, 2))
        x[..., 0] = random.uniform(-1.0, 1.0, (longest, B))
        x[np.arange(longest)[:, None] >= lengths] = 0.0
        X1 = np.where(first == 0, 0.0, x[first, rows, 0])
        X2 = np.where(second == 0, 0.0, x[second, rows, 0])
        x[0, :, 1] = x[lengths - 1, rows, 1] = -1.0
        x[first, rows, 1] = x[second, rows, 1] = 1.0
        return Sample(x, *last_steps(lengths, (0.5 + (X1 + X2) / 4)[:, None], longest))

    def judge(predict: Predict, random: np.random.Generator) -> Verdict:
        sample = draw(random, TESTED)
        y, target = counted(sample, predict(sample.x)[0])
        worst = float(np.abs(y - target).max())
        return Verdict(worst < 0.04, worst)

    return Task(
        "adding", "Hochreiter and Schmidhuber 1997, experiment 4",
        f"|error| < 0.04 on each of {TESTED:,} new sequences", 2, 1, "squares", draw, judge,
    )  # fmt: skip


def temporal_order(T: int = 100) -> Task:
    """Return the problem of temporal order: which of XX, XY, YX and YY was in the sequence?

    The symbols are a, b, c, d, B (the end), E (the start), X and Y. One X or Y stands in the steps
    T/10 to T/5, another in the steps T/2 to 3T/5; the sequences have T to 1.1 T steps.

    Parameters
    ----------
    T : int, at least 20

    Examples
    --------
    >>> temporal_order(20).draw(3, seed=0).x.shape
    (22, 3, 8)
    """
    T = whole("temporal_order: T", T, 20)
    longest = T + T // 10

    def draw(random: np.random.Generator, B: int) -> Sample:
        rows, lengths = np.arange(B), random.integers(T, longest + 1, B)
        symbols = random.integers(0, 4, (longest, B))
        symbols[0], symbols[lengths - 1, rows] = 5, 4
        both = random.integers(0, 2, (2, B))
        for span, kind in zip(((T // 10, T // 5), (T // 2, 3 * T // 5)), both):
            symbols[random.integers(span[0], span[1] + 1, B), rows] = 6 + kind
        x = np.eye(8)[symbols]
        x[np.arange(longest)[:, None] >= lengths] = 0.0
        return Sample(x, *last_steps(lengths, np.eye(4)[2 * both[0] + both[1]], longest))

    def judge(predict: Predict, random: np.random.Generator) -> Verdict:
        sample = draw(random, TESTED)
        z, target = counted(sample, predict(sample.x)[0])
        worst = float(np.abs(probabilities(z) - target).max())
        return Verdict(worst < 0.3, worst)

    return Task(
        "temporal order", "Hochreiter and Schmidhuber 1997, experiment 6a",
        f"|error| of all outputs < 0.3 on each of {TESTED:,} new sequences", 8, 4, "classes", draw,
        judge,
    )  # fmt: skip


def copy(length: int = 5, lag: int = 10) -> Task:
    """Return the copying problem: say again, after a lag, the symbols that were read.

    The sequence is ``length`` of 8 symbols, then ``lag`` steps of which the last is the sign to
    begin, then ``length`` steps in which the symbols are said. All other steps have the target
    "blank".

    Parameters
    ----------
    length, lag : int, at least 1

    Examples
    --------
    >>> copy(3, 4).draw(2, seed=0).target.argmax(axis=-1).T
    array([[0, 0, 0, 0, 0, 0, 0, 7, 5, 3],
           [0, 0, 0, 0, 0, 0, 0, 6, 3, 1]])
    """
    length, lag = whole("copy: length", length, 1), whole("copy: lag", lag, 1)
    T = 2 * length + lag

    def draw(random: np.random.Generator, B: int) -> Sample:
        symbols = random.integers(1, 9, (length, B))
        read, said = np.zeros((T, B), int), np.zeros((T, B), int)
        read[:length], said[-length:] = symbols, symbols
        read[length + lag - 1] = 9
        return Sample(np.eye(10)[read], np.eye(9)[said], np.ones((T, B, 1)))

    def judge(predict: Predict, random: np.random.Generator) -> Verdict:
        sample = draw(random, 1000)
        z = predict(sample.x)[0]
        wrong = (z.argmax(axis=-1) != sample.target.argmax(axis=-1)).any(axis=0)
        return Verdict(not wrong.any(), float(wrong.mean()))

    return Task(
        "copy", "Arjovsky, Shah and Bengio 2016, section 5.1, shorter",
        "all symbols of 1,000 new sequences right", 10, 9, "classes", draw, judge,
    )  # fmt: skip
