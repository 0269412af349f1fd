"""Losses made of squared errors: one number, whatever the shapes, or one for each entry.

Knows Tensors and the primitives. A prediction and its target must have equal shapes: nothing is
broadcast here, but for masks and weights.
"""

from __future__ import annotations

import math
from typing import Any, Unpack

from ..engine.place import scope
from ..engine.primitives import abs, norm, sqrt, sum
from ..engine.primitives import mask as masked
from ..engine.tensor import Tensor
from ..errors import ArgumentError
from .inputs import prediction, target_tensor
from .reduction import LossOptions, Reduction, takes_options, with_name


@scope("squared_error")
@takes_options
def squared_error(
    y: Tensor, target: Any, *, reduction: str = "sum", **options: Unpack[LossOptions]
) -> Tensor:
    """Return ½ Σ (y - target)², the loss of the derivations.

    Parameters
    ----------
    y, target : (...), equal shapes
    reduction, weight, mask, lengths, batch_first
        As in `mean_squared_error`.

    Raises
    ------
    ShapeError
        If the shapes differ; the message names both.
    """
    if not options and reduction == "sum":
        e = _error(y, target)  # the common case, sooner
        return with_name(sum(e * e) * 0.5)
    return _squares("squared_error", y, target, 0.5, reduction, options)


@scope("mean_squared_error")
@takes_options
def mean_squared_error(
    y: Tensor, target: Any, *, reduction: str = "mean", **options: Unpack[LossOptions]
) -> Tensor:
    """Return the mean of (y - target)²; its gradient is 2/n of that of ½ Σ.

    Parameters
    ----------
    y, target : (...), equal shapes
    reduction : "mean", "sum" or "none"
        Whether the result is the mean or the sum of the entries of the loss, or the entries.
    weight : (...), optional
        How much each entry counts. The mean is Σ w (y - target)² / Σ w, as in PyTorch.
    mask : (...) of truth values, optional
        Which entries count. An entry that does not count may be nan; its gradient is 0.
    lengths : (B,) of integers, optional
        How many steps each sequence has, for y of shape (T, B, ...).
    batch_first : bool
        Whether y has the shape (B, T, ...) instead.

    Raises
    ------
    ShapeError, DTypeError, ArgumentError, UsageError
        If the shapes differ, or an option does not fit; the message names both shapes.

    Examples
    --------
    >>> y, zeros = Tensor([[1.0, 2.0], [3.0, 4.0]], name="y"), [[0.0, 0.0], [0.0, 0.0]]
    >>> mean_squared_error(y, zeros, lengths=[2, 1]).item()  # (1² + 2² + 3²) / 3
    4.666666666666666
    """
    return _squares("mean_squared_error", y, target, 1.0, reduction, options)


@scope("euclidean_norm")
@takes_options
def euclidean_norm(
    y: Tensor, target: Any, *, reduction: str = "sum", **options: Unpack[LossOptions]
) -> Tensor:
    """Return ‖y - target‖, whose gradient is (y - target) / ‖y - target‖, and 0 at 0.

    Parameters
    ----------
    y, target : (...), equal shapes
    reduction : "sum", "mean" or "none"
        Of the squares under the root: "mean" makes the root of the mean square, and "none" the
        distance |y - target| of each entry.
    weight : (...), optional
        How much each square counts; nowhere below 0.
    mask, lengths, batch_first
        As in `mean_squared_error`.

    Raises
    ------
    ShapeError, DTypeError, ArgumentError, UsageError
        If the shapes differ, or an option does not fit; the message names both shapes.
    """
    y = prediction(y)
    by = Reduction("euclidean_norm", y.shape, reduction, **options)
    w = by.weights(y.dtype, y.shape)
    if w is not None and (w.data < 0).any():
        raise ArgumentError(
            f"euclidean_norm: found weight {w.data.min():g}, expected weights of at least 0: "
            "they stand under a root"
        )
    e = _error(y, target, by)
    share = by.shares(y.dtype, w)
    if share is not None:
        e = masked(e, sqrt(by.only(share, 1.0)))
    if by.kind == "none":
        return with_name(abs(e))
    if by.kind == "mean" and share is None:
        e = e * (1.0 / math.sqrt(e.size)) if e.size else e
    return with_name(norm(e))


def _squares(
    who: str, y: Any, target: Any, factor: float, reduction: str, options: LossOptions
) -> Tensor:
    """Return the reduced squares of the errors, times a factor."""
    y = prediction(y)
    by = Reduction(who, y.shape, reduction, **options)
    e = _error(y, target, by)
    loss = by.reduce(e * e, by.weights(y.dtype, y.shape))
    return with_name(loss if factor == 1.0 else loss * factor)


def _error(y: Any, target: Any, by: Reduction | None = None) -> Tensor:
    """Return y - target, and 0 where an entry does not count."""
    y = prediction(y)
    e: Tensor = y - target_tensor(y, target)
    if by is not None:
        e = by.only(e, 0.0)
    e.name = "e"
    return e
