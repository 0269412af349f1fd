"""Sequences to recognize or to continue: handwritten digits row by row, the characters of a text.

E. Alpaydin and C. Kaynak, "Optical recognition of handwritten digits", UCI machine learning
repository, 1998: 8 × 8 counts of pixels, 0 to 16; the package scikit-learn has 1,797 of them. The
count model of characters: I. Witten and T. Bell, IEEE Transactions on Information Theory 37(4),
1991, method C.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import pairwise
from math import log2

import numpy as np

from ..engine.arguments import excerpt, number, text, whole
from ..errors import ArgumentError, PackageError
from .task import Array, Predict, Sample, Task, Verdict, counted, last_steps, probabilities


def digits(least: float = 0.95) -> Task:
    """Return the recognition of handwritten digits, read row by row.

    The first half of the digits is to train with, the judge reads the other half. Needs
    scikit-learn.

    Parameters
    ----------
    least : float in [0, 1]
        The limit of the criterion. A support vector machine has 0.969 in scikit-learn's example
        "Recognizing hand-written digits".

    Raises
    ------
    PackageError
        If scikit-learn is not installed.
    """
    least = number("digits: least", least, 0.0, most=1.0)
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise PackageError(
            "digits: the digits are those of scikit-learn: pip install 'tinygrad-lstm[tasks]'"
        ) from None
    data = load_digits()
    x, target = data.images.transpose(1, 0, 2) / 16.0, np.eye(10)[data.target]
    half = len(target) // 2

    def sample(chosen: Array) -> Sample:
        eights = np.full(len(chosen), 8)
        return Sample(x[:, chosen], *last_steps(eights, target[chosen], 8))

    test = sample(np.arange(half, len(target)))

    def judge(predict: Predict, random: np.random.Generator) -> Verdict:
        z, right = counted(test, predict(test.x)[0])
        share = float(np.mean(z.argmax(axis=-1) == right.argmax(axis=-1)))
        return Verdict(share >= least, share)

    return Task(
        "digits", "Alpaydin and Kaynak 1998", f"{least:.1%} of the second half right", 8, 10,
        "classes", lambda random, B: sample(random.permutation(half)[:B]), judge,
    )  # fmt: skip


def characters(source: str, window: int = 50) -> Task:
    """Return the task to foretell the next character of a text.

    The last tenth of the text is for the judge. The model has to say it in fewer bits than a model
    that counts pairs of characters in the rest (Witten and Bell's method C).

    Parameters
    ----------
    source : str
        The text itself, at least 1,000 characters.
    window : int, at least 2
        Characters of a sequence to train with.

    Raises
    ------
    ArgumentError, UsageError
        If the source is no text or too short.

    Examples
    --------
    >>> task = characters("to be or not to be, " * 60)
    >>> task.draw(4, seed=0).x.shape, task.criterion
    ((50, 4, 8), 'fewer than 1.13 bits a character on the last tenth of the text')
    """
    window = whole("characters: window", window, 2)
    source = text("characters: source", source)
    if len(source) < max(1000, 10 * window):
        raise ArgumentError(
            f"characters: found a text of {len(source):,} characters, {excerpt(source[:20])}, "
            f"expected at least {max(1000, 10 * window):,}"
        )
    alphabet = sorted(set(source))
    numbers = np.array([alphabet.index(letter) for letter in source])
    width, cut = len(alphabet), len(source) * 9 // 10
    limit = count_bits(source[:cut], source[cut:], width)

    def one(rows: Array) -> Sample:
        return Sample(
            np.eye(width)[rows[:-1]], np.eye(width)[rows[1:]],
            np.ones((len(rows) - 1, rows.shape[1], 1)),
        )  # fmt: skip

    def draw(random: np.random.Generator, B: int) -> Sample:
        starts = random.integers(0, cut - window, B)
        return one(numbers[starts + np.arange(window + 1)[:, None]])

    def judge(predict: Predict, random: np.random.Generator) -> Verdict:
        sample = one(numbers[cut - 1 :, None])
        z, target = counted(sample, predict(sample.x)[0])
        bits = float(-np.log2(probabilities(z)[target > 0]).mean())
        return Verdict(bits < limit, bits)

    return Task(
        "characters", "Witten and Bell 1991, for the model that counts",
        f"fewer than {limit:.2f} bits a character on the last tenth of the text", width, width,
        "classes", draw, judge,
    )  # fmt: skip


def count_bits(known: str, test: str, width: int) -> float:
    """Return the bits a character of a text, by a model that counts the pairs of another text.

    p(c | b) = (n(bc) + T(b) p(c)) / (n(b) + T(b)), where T(b) is the number of different characters
    that followed b; p(c) is (n(c) + 1) / (n + width).

    Examples
    --------
    >>> count_bits("ab" * 500, "ab" * 10, 2) < 0.02
    True
    """
    single, pairs = Counter(known), defaultdict[str, Counter[str]](Counter)
    for before, letter in pairwise(known):
        pairs[before][letter] += 1
    bits = 0.0
    for before, letter in zip(known[-1] + test, test):
        own = pairs[before]
        p = (single[letter] + 1) / (len(known) + width)
        if own:
            p = (own[letter] + len(own) * p) / (own.total() + len(own))
        bits -= log2(p)
    return bits / len(test)
