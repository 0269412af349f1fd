"""Cross entropies, from primitives alone: one number, whatever the shapes, or one for each entry.

Knows Tensors and the primitives. Nothing is broadcast here, but for masks and weights.
"""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any, Unpack

import numpy as np

from ..engine.arguments import as_array, whole
from ..engine.functions import log_softmax
from ..engine.place import scope
from ..engine.primitives import log, sigmoid, softplus, sum, where
from ..engine.primitives import mask as masked
from ..engine.tensor import Tensor
from ..engine.whole_numbers import stay_argument, stays
from ..errors import ArgumentError, DTypeError, ShapeError
from .inputs import prediction, target_tensor
from .reduction import LossOptions, Reduction, takes_options, with_name


@scope("binary_cross_entropy")
@takes_options
def binary_cross_entropy(
    p: Tensor, target: Any, *, reduction: str = "mean", **options: Unpack[LossOptions]
) -> Tensor:
    """Return the mean of -t log p - (1 - t) log(1 - p), infinite where p excludes its target.

    For p = σ(z), `binary_cross_entropy_with_logits` of z is finite at any size of z.

    Parameters
    ----------
    p, target : (...), equal shapes
        The probabilities p and the targets t lie in [0, 1].
    reduction, mask, lengths, batch_first
        As in `mean_squared_error`.
    weight : (...), optional
        How much each entry counts. The mean is Σ w l / n, as in PyTorch, where n is the number of
        entries that count.

    Raises
    ------
    ShapeError, DTypeError, ArgumentError, UsageError
        If the shapes differ, a target or a probability lies outside [0, 1], or an option does not
        fit.

    Warns
    -----
    FutureWarning
        Once in a process, unless p is the result of `sigmoid`: version 0.1.0 took logits under
        this name. The message says how to silence it.
    """
    who = "binary_cross_entropy"
    p = prediction(p)
    by = Reduction(who, p.shape, reduction, **options)
    t = _probable_target(who, p, target, by)
    inside = by.only(p, 0.5)
    outside = _outside_0_to_1(inside)
    if outside.size:
        raise ArgumentError(
            f"binary_cross_entropy: found {outside[0]:g} in {p.label()}, expected probabilities, "
            "0 to 1; for net inputs (logits) use binary_cross_entropy_with_logits"
        )
    if p.primitive is not sigmoid:
        _warn_of_logits()
    right = t * _log(inside, t) + (1 - t) * _log(1 - inside, 1 - t)
    w = by.weights(p.dtype, p.shape)
    return with_name(-by.reduce(right, w, by_weight=False))


@scope("binary_cross_entropy")
@takes_options
def binary_cross_entropy_with_logits(
    logits: Tensor, target: Any, *, reduction: str = "mean", **options: Unpack[LossOptions]
) -> Tensor:
    """Return the mean of -t log σ(z) - (1 - t) log(1 - σ(z)), at any size of the logits z.

    Parameters
    ----------
    logits, target : (...), equal shapes
        The targets t lie in [0, 1].
    reduction, weight, mask, lengths, batch_first
        As in `binary_cross_entropy`.

    Raises
    ------
    ShapeError, DTypeError, ArgumentError, UsageError
        If the shapes differ, a target lies outside [0, 1], or an option does not fit.
    """
    who = "binary_cross_entropy_with_logits"
    logits = prediction(logits)
    by = Reduction(who, logits.shape, reduction, **options)
    t = _probable_target(who, logits, target, by)
    z = by.only(logits, 0.0)
    # not softplus(z) - t z, whose terms cancel where z is large and t is 1
    entries = masked(softplus(-z), t) + masked(softplus(z), 1 - t)
    w = by.weights(z.dtype, z.shape)
    return with_name(by.reduce(entries, w, by_weight=False))


@scope("softmax_cross_entropy")
@takes_options
def softmax_cross_entropy(
    logits: Tensor,
    classes: Any,
    *,
    reduction: str = "mean",
    ignore_index: int | None = None,
    **options: Unpack[LossOptions],
) -> Tensor:
    """Return the mean of -log softmax(z)[class], at any size of the logits z.

    Parameters
    ----------
    logits : (..., C)
    classes : (...) of integers, or (..., C)
        The index of the right class, from 0 to C - 1; or the probability of each class, such as 1
        for the right one and 0 for the others. Then the loss is -Σ t log softmax(z) over classes.
    reduction, lengths, batch_first
        As in `mean_squared_error`; entries have the shape (...).
    weight : (C,), optional
        How much each class counts. As in PyTorch, the mean is Σ w l / Σ w over the weights of the
        right classes if classes are indices, and Σ l / n if they are probabilities.
    ignore_index : int, optional
        The index of entries that do not count; it may lie outside of 0 to C - 1.
    mask : (...) of truth values, optional
        Which entries count.

    Raises
    ------
    ShapeError, DTypeError, ArgumentError, UsageError
        If the shapes do not fit, an index is no whole number or out of range, a probability lies
        outside of 0 to 1, or an option does not fit.

    Examples
    --------
    >>> logits, right = Tensor([[2.0, 1.0, 0.0], [0.0, 3.0, 1.0]], name="z"), [1, -1]
    >>> softmax_cross_entropy(logits, right, ignore_index=-1).item().__round__(4)
    1.4076
    """
    who = "softmax_cross_entropy"
    logits = prediction(logits)
    *shape, last = logits.shape or (0,)
    if stays(classes) and options.get("weight") is None and [*classes.shape] == shape:
        by = Reduction(who, logits.shape[:-1], reduction, **options)
        if ignore_index is not None:
            by.leave_out(classes == whole(f"{who}: ignore_index", ignore_index))
        counted: Any = classes if by.counts is None else np.where(by.counts, classes, 0)
        if stay_argument(counted, last):
            t = counted.one_hot(last, logits.dtype)
            entries = -sum(masked(log_softmax(by.only(logits, 0.0)), t), axis=-1)
            return with_name(by.reduce(entries, None))
    given = classes.data if isinstance(classes, Tensor) else classes
    right = as_array(f"{who}: classes", given)
    one_hot = logits.ndim > 0 and right.shape == logits.shape
    if right.dtype.kind not in ("iufb" if one_hot else "iu"):
        raise DTypeError(f"{who}: classes are {right.dtype}, expected integers")
    if logits.ndim < 1 or right.shape != logits.shape[: right.ndim] or right.ndim < logits.ndim - 1:
        raise ShapeError(
            f"{who}: logits have shape {logits.shape}, classes {right.shape}; expected (..., C) "
            "and (...), or (..., C) for the probability of each class"
        )
    count = logits.shape[-1]
    by = Reduction(who, logits.shape[:-1], reduction, **options)
    w = by.weights(logits.dtype, (count,))
    if one_hot:
        if ignore_index is not None:
            raise ArgumentError(
                f"{who}: ignore_index is for classes given by their indices, found probabilities; "
                "use mask"
            )
        t = _probable_target(who, logits, classes, by)
        if w is not None:
            t = t * w
        entries = -sum(masked(log_softmax(by.only(logits, 0.0)), t), axis=-1)
        return with_name(by.reduce(entries, None))
    if ignore_index is not None:
        by.leave_out(right == whole(f"{who}: ignore_index", ignore_index))
    if by.counts is not None:
        right[~by.counts] = 0
    outside = right[(right < 0) | (right >= count)]
    if outside.size:
        raise ArgumentError(f"{who}: found class {outside[0]}, expected 0 to {count - 1}")
    places = (*np.indices(right.shape), right)
    if w is None and by.counts is None and by.kind != "none":
        return with_name(-by.reduce(log_softmax(logits)[places], None))
    entries = -log_softmax(by.only(logits, 0.0))[places]
    return with_name(by.reduce(entries, None if w is None else w[right]))


def _probable_target(who: str, y: Tensor, target: Any, by: Reduction) -> Tensor:
    """Return the target as a Tensor of y's shape, whose entries lie in [0, 1] where they count."""
    t = by.only(target_tensor(y, target), 0.0)
    outside = _outside_0_to_1(t)
    if outside.size:
        raise ArgumentError(f"{who}: found target {outside[0]:g}, expected 0 to 1")
    return t


def _outside_0_to_1(x: Tensor) -> np.ndarray:
    """Return the entries that cannot be probabilities."""
    return x.data[~((x.data >= 0) & (x.data <= 1))]


def _log(p: Tensor, share: Tensor) -> Tensor:
    """Return log p, but 0 where p is 0 and has no share: 0 log 0 is 0.

    All steps of a recurrence record the same operations, whatever the numbers are.
    """
    idle = (p.data == 0) & (share.data == 0)
    return log(where(idle, 1.0, p) if idle.any() or p.place.is_in_step() else p)


@cache  # once in a process
def _warn_of_logits() -> None:
    warnings.warn(
        "binary_cross_entropy takes probabilities; up to version 0.1.0 it took net inputs "
        "(logits), which now go to binary_cross_entropy_with_logits. If yours are probabilities, "
        "all is well: warnings.filterwarnings('ignore', 'binary_cross_entropy') silences this, "
        "and the next version no longer says it",
        FutureWarning,
        stacklevel=5,
    )
