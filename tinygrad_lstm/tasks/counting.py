"""Languages that are counted: aⁿbⁿ and aⁿbⁿcⁿ.

F. Gers and J. Schmidhuber, "LSTM recurrent networks learn simple context-free and
context-sensitive languages", IEEE Transactions on Neural Networks 12(6), 2001,
doi:10.1109/72.963769.
"""

from __future__ import annotations

import numpy as np

from ..engine.arguments import whole
from .task import Array, Predict, Sample, Task, Verdict, one_hot


def anbn(n: int = 10, test: int = 20) -> Task:
    """Return the language aⁿbⁿ: which symbols may come next, another one or the end?

    Parameters
    ----------
    n, test : int, at least 1
        The largest n of the strings to train with, and of those that the judge reads.

    Examples
    --------
    >>> anbn(2).draw(1, seed=0).target[:, 0]      # of the start, a and b: a, b or the end
    array([[1., 0., 0.],
           [1., 1., 0.],
           [1., 1., 0.],
           [0., 1., 0.],
           [0., 0., 1.]])
    """
    return _counting(2, "aⁿbⁿ", n, test)


def anbncn(n: int = 10, test: int = 20) -> Task:
    """Return the language aⁿbⁿcⁿ, which is not context-free.

    Parameters
    ----------
    n, test : int, at least 1
        As in `anbn`.
    """
    return _counting(3, "aⁿbⁿcⁿ", n, test)


def word(letters: int, n: int) -> tuple[list[int], Array]:
    """Return the start and aⁿbⁿ…, and what may follow each symbol.

    Returns
    -------
    symbols : 1 + letters · n numbers; 0 is the start, 1 is a
    follows : (1 + letters · n, letters + 1)
        1 where a letter, or the end in the last column, may follow.
    """
    symbols = [0] + [1 + letter for letter in range(letters) for _ in range(n)]
    follows = np.zeros((len(symbols), letters + 1))
    follows[: n + 1, 0] = 1.0
    follows[1 : 2 * n, 1] = 1.0
    for letter in range(2, letters):
        follows[letter * n : (letter + 1) * n, letter] = 1.0
    follows[-1, -1] = 1.0
    return symbols, follows


def reached(predict: Predict, letters: int, last: int, first: int = 1) -> int:
    """Return the largest n up to which a model is right at each step of all strings from the first.

    Parameters
    ----------
    predict : (x, state) -> (outputs, state)
    letters : int
        2 for aⁿbⁿ, 3 for aⁿbⁿcⁿ.
    last, first : int
    """
    for n in range(first, last + 1):
        symbols, follows = word(letters, n)
        z = predict(one_hot([symbols], letters + 1)[0])[0]
        if not np.array_equal(z[:, 0] > 0, follows > 0):
            return n - 1
    return last


def _counting(letters: int, name: str, n: int, test: int) -> Task:
    who = "anbn" if letters == 2 else "anbncn"
    n, test = whole(f"{who}: n", n, 1), whole(f"{who}: test", test, 1)

    def draw(random: np.random.Generator, B: int) -> Sample:
        words = [word(letters, int(k)) for k in random.integers(1, n + 1, B)]
        x, counts = one_hot([symbols for symbols, _ in words], letters + 1)
        length = 1 + letters * n  # of all samples, so that one compiled step is enough
        spare = [(0, length - len(x)), (0, 0), (0, 0)]
        x, counts = np.pad(x, spare), np.pad(counts, spare)
        target = np.zeros_like(x)
        for b, (_, follows) in enumerate(words):
            target[: len(follows), b] = follows
        return Sample(x, target, counts)

    def judge(predict: Predict, random: np.random.Generator) -> Verdict:
        largest = reached(predict, letters, test)
        return Verdict(largest == test, float(largest))

    return Task(
        name, "Gers and Schmidhuber 2001",
        f"trained with n ≤ {n}, right at each step of all strings with n ≤ {test} (there: n ≤ {n})",
        letters + 1, letters + 1, "bits", draw, judge,
    )  # fmt: skip
