"""A classical problem: a generator of sequences, a loss, and the published criterion.

Knows Tensors and arrays; no model and no update.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from ..engine.arguments import as_array, excerpt, function, of_kind, one_of, text, whole
from ..engine.functions import log_softmax
from ..engine.primitives import softplus, sum
from ..engine.tensor import Tensor
from ..errors import ShapeError, UsageError
from ..nn.inputs import prediction, target_tensor

Array = np.ndarray
KINDS = ("squares", "bits", "classes")
MOST = 10**6  # sequences that are drawn at once


class Sample(NamedTuple):
    """Sequences of one length; shorter ones are padded with zeros at their end.

    Attributes
    ----------
    x : (T, B, in)
    target : (T, B, out)
    counts : (T, B, 1)
        1 at each step that has a target, 0 elsewhere.
    """

    x: Array
    target: Array
    counts: Array


class Verdict(NamedTuple):
    """What a judge says of a model.

    Attributes
    ----------
    is_met : bool
        Whether the model meets the criterion.
    value : float
        The number that the criterion limits.
    """

    is_met: bool
    value: float


class Predict(Protocol):
    """A model: the outputs of sequences, and the state after the last step.

    x is (T, B, in), the outputs are (T, B, out): net inputs, before a sigmoid or a softmax. The
    state is that of an earlier call, or None for the start.
    """

    def __call__(self, x: Array, state: Any = None, /) -> tuple[Array, Any]: ...


@dataclass(frozen=True)
class Task:
    """A classical problem.

    Attributes
    ----------
    name, source, criterion : str
        The criterion is that of the source, unless the text says otherwise.
    input_size, output_size : int
    kind : "squares", "bits" or "classes"
        What the outputs are: numbers; logits of independent bits; logits of classes.
    draw_from : (random, count) -> Sample
    judge_with : (predict, random) -> Verdict
    """

    name: str
    source: str
    criterion: str
    input_size: int
    output_size: int
    kind: str
    draw_from: Callable[[np.random.Generator, int], Sample]
    judge_with: Callable[[Predict, np.random.Generator], Verdict]

    def __post_init__(self) -> None:
        for field in ("name", "source", "criterion"):
            text(f"Task: {field}", getattr(self, field))
        for field in ("input_size", "output_size"):
            whole(f"Task: {field}", getattr(self, field), 1)
        one_of("Task: kind", self.kind, KINDS)
        function("Task: draw_from", self.draw_from)
        function("Task: judge_with", self.judge_with)

    def draw(self, count: int, seed: int | np.random.Generator | None = None) -> Sample:
        """Return sequences to train with.

        Parameters
        ----------
        count : int, at least 1
            The number of sequences, B.
        seed : int or generator, optional

        Raises
        ------
        ArgumentError, UsageError
            If the count is below 1, a million or more, or no whole number.
        """
        count = whole(f"{self.name}: count", count, 1, MOST)
        return self.draw_from(_generator(self.name, seed), count)

    def loss(self, y: Tensor, target: Any, counts: Any) -> Tensor:
        """Return the loss of the outputs: the sum over the steps that count, the mean over B.

        Half the squared errors; or the cross entropy of bits, or of classes.

        Parameters
        ----------
        y, target : (T, B, out)
        counts : (T, B, 1)

        Raises
        ------
        ShapeError
            If the shapes do not fit; the message says both.
        """
        y = prediction(y)
        target = target_tensor(y, target)
        if not isinstance(counts, Tensor):
            counts = as_array(f"{self.name}: counts", counts)
        if y.ndim != 3 or counts.shape != (*y.shape[:2], 1):
            raise ShapeError(
                f"{self.name}: the outputs have shape {y.shape} and the counts {counts.shape}, "
                "expected (T, B, out) and (T, B, 1)"
            )
        if self.kind == "squares":
            error = y - target
            entries = error * error * 0.5
        elif self.kind == "bits":
            entries = softplus(y) - y * target
        else:
            entries = -log_softmax(y) * target
        total: Tensor = sum(entries * counts) * (1.0 / y.shape[1])
        return total

    def judge(self, predict: Predict, seed: int | np.random.Generator | None = None) -> Verdict:
        """Return whether a model meets the criterion, on sequences drawn anew.

        Parameters
        ----------
        predict : (x, state) -> (outputs, state)
        seed : int or generator, optional

        Raises
        ------
        ShapeError, UsageError
            If the model is no function, or does not return outputs (T, B, out) and a state.
        """
        function(f"{self.name}: the model", predict)

        def checked(x: Array, state: Any = None, /) -> tuple[Array, Any]:
            answer = predict(x, state)
            if not isinstance(answer, tuple) or len(answer) != 2:
                raise UsageError(
                    f"{self.name}: the model returned {excerpt(answer)}, expected the outputs and "
                    "the state"
                )
            y = as_array(f"{self.name}: the outputs", answer[0])
            if y.shape != (*x.shape[:2], self.output_size):
                raise ShapeError(
                    f"{self.name}: the model's outputs have shape {y.shape}, expected "
                    f"{(*x.shape[:2], self.output_size)}, (T, B, out)"
                )
            return y, answer[1]

        return self.judge_with(checked, _generator(self.name, seed))


def _generator(who: str, seed: Any) -> np.random.Generator:
    if isinstance(seed, np.random.Generator):
        return seed
    return np.random.default_rng(None if seed is None else whole(f"{who}: seed", seed, 0))


# --- what several tasks need ----------------------------------------------------------------------


def one_hot(rows: Sequence[Sequence[int]], width: int, multiple: int = 1) -> tuple[Array, Array]:
    """Return rows of symbols as padded sequences, and which steps are no padding.

    Parameters
    ----------
    rows : B lists of numbers from 0 to width - 1
    width : int
    multiple : int
        The number of steps is rounded up to a multiple: a compiled step is made for each length.

    Returns
    -------
    x, counts : (T, B, width), (T, B, 1)
    """
    T = -(-max(map(len, rows)) // multiple) * multiple
    x, counts = np.zeros((T, len(rows), width)), np.zeros((T, len(rows), 1))
    for b, row in enumerate(rows):
        x[np.arange(len(row)), b, row] = 1.0
        counts[: len(row), b] = 1.0
    return x, counts


def last_steps(lengths: Array, target: Array, T: int) -> tuple[Array, Array]:
    """Return targets that count at the last step of each sequence alone.

    Parameters
    ----------
    lengths, target : (B,), (B, out)
    T : int

    Returns
    -------
    target, counts : (T, B, out), (T, B, 1)
    """
    B = len(lengths)
    targets, counts = np.zeros((T, *target.shape)), np.zeros((T, B, 1))
    targets[lengths - 1, np.arange(B)] = target
    counts[lengths - 1, np.arange(B)] = 1.0
    return targets, counts


def counted(sample: Sample, y: Array) -> tuple[Array, Array]:
    """Return outputs and targets of the steps that count, (n, out) each."""
    where = of_kind("counted", sample, Sample, "a Sample").counts[..., 0] > 0
    return y[where], sample.target[where]


def probabilities(z: Array) -> Array:
    """Return the softmax of logits along the last axis."""
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    p: Array = e / e.sum(axis=-1, keepdims=True)
    return p
