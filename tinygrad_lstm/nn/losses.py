"""Losses, from primitives alone. Each is one number, whatever the shapes.

Knows Tensors and the primitives. A prediction and its target must have equal shapes: nothing is
broadcast here.
"""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import numpy as np

from ..engine.arguments import as_array
from ..engine.functions import log_softmax, mean
from ..engine.place import scope
from ..engine.primitives import log, mask, norm, sigmoid, softplus, sum, where
from ..engine.tensor import Tensor
from ..errors import ArgumentError, DTypeError, ShapeError


@scope("squared_error")
def squared_error(y: Tensor, target: Any) -> Tensor:
    """Return ½ Σ (y - target)², the loss of the derivations.

    Parameters
    ----------
    y, target : (...), equal shapes

    Raises
    ------
    ShapeError
        If the shapes differ; the message names both.
    """
    e = _error(y, target)
    return _with_name(sum(e * e) * 0.5)


@scope("mean_squared_error")
def mean_squared_error(y: Tensor, target: Any) -> Tensor:
    """Return the mean of (y - target)²; its gradient is 2/n of that of ½ Σ.

    Parameters
    ----------
    y, target : (...), equal shapes

    Raises
    ------
    ShapeError
        If the shapes differ; the message names both.
    """
    e = _error(y, target)
    return _with_name(mean(e * e))


@scope("euclidean_norm")
def euclidean_norm(y: Tensor, target: Any) -> Tensor:
    """Return ‖y - target‖, whose gradient is (y - target) / ‖y - target‖, and 0 at 0.

    Parameters
    ----------
    y, target : (...), equal shapes

    Raises
    ------
    ShapeError
        If the shapes differ; the message names both.
    """
    return _with_name(norm(_error(y, target)))


@scope("binary_cross_entropy")
def binary_cross_entropy(p: Tensor, target: Any) -> Tensor:
    """Return the mean of -t log p - (1 - t) log(1 - p), infinite where p excludes its target.

    For p = σ(z), `binary_cross_entropy_with_logits` of z is finite at any size of z.

    Parameters
    ----------
    p, target : (...), equal shapes
        The probabilities p and the targets t lie in [0, 1].

    Raises
    ------
    ShapeError, ArgumentError
        If the shapes differ, or a target or a probability lies outside [0, 1].

    Warns
    -----
    FutureWarning
        Once in a process, unless p is the result of `sigmoid`: version 0.1.0 took logits under
        this name. The message says how to silence it.
    """
    p = _prediction(p)
    t = _probable_target("binary_cross_entropy", p, target)
    outside = _outside_0_to_1(p)
    if outside.size:
        raise ArgumentError(
            f"binary_cross_entropy: found {outside[0]:g} in {p.label()}, expected probabilities, "
            "0 to 1; for net inputs (logits) use binary_cross_entropy_with_logits"
        )
    if p.primitive is not sigmoid:
        _warn_of_logits()
    right = t * _log(p, t) + (1 - t) * _log(1 - p, 1 - t)
    return _with_name(-mean(right))


@scope("binary_cross_entropy")
def binary_cross_entropy_with_logits(logits: Tensor, target: Any) -> Tensor:
    """Return the mean of -t log σ(z) - (1 - t) log(1 - σ(z)), at any size of the logits z.

    Parameters
    ----------
    logits, target : (...), equal shapes
        The targets t lie in [0, 1].

    Raises
    ------
    ShapeError, ArgumentError
        If the shapes differ, or a target lies outside [0, 1].
    """
    logits = _prediction(logits)
    t = _probable_target("binary_cross_entropy_with_logits", logits, target)
    # not softplus(z) - t z, whose terms cancel where z is large and t is 1
    return _with_name(mean(mask(softplus(-logits), t) + mask(softplus(logits), 1 - t)))


@scope("softmax_cross_entropy")
def softmax_cross_entropy(logits: Tensor, classes: Any) -> Tensor:
    """Return the mean of -log softmax(z)[class], at any size of the logits z.

    Parameters
    ----------
    logits : (..., C)
    classes : (...) of integers
        The index of the right class, from 0 to C - 1.

    Raises
    ------
    ShapeError, DTypeError, ArgumentError
        If the shapes do not fit, or an index is no whole number or out of range.
    """
    logits = _prediction(logits)
    right = as_array("softmax_cross_entropy: classes", classes)
    if right.dtype.kind not in "iu":
        raise DTypeError(f"softmax_cross_entropy: classes are {right.dtype}, expected integers")
    if logits.ndim < 1 or right.shape != logits.shape[:-1]:
        raise ShapeError(
            f"softmax_cross_entropy: logits have shape {logits.shape}, classes {right.shape}; "
            "expected (..., C) and (...)"
        )
    count = logits.shape[-1]
    outside = right[(right < 0) | (right >= count)]
    if outside.size:
        raise ArgumentError(
            f"softmax_cross_entropy: found class {outside[0]}, expected 0 to {count - 1}"
        )
    places = (*np.indices(right.shape), right)
    return _with_name(-mean(log_softmax(logits)[places]))


def _prediction(y: Any) -> Tensor:
    """Return the first argument of a loss as a Tensor."""
    return y if isinstance(y, Tensor) else Tensor(y, name="y")


def _target(y: Tensor, target: Any) -> Tensor:
    """Return the target as a Tensor of y's shape."""
    if isinstance(target, Tensor):
        t = target
    else:
        array = target if type(target) is np.ndarray else as_array("the target", target)
        t = Tensor(
            array.astype(y.dtype) if array.dtype.kind in "iub" else array,
            dtype=None if isinstance(target, np.ndarray | np.generic) else y.dtype,
            name="target",
        )
    if t._array.shape != y._array.shape:
        raise ShapeError(
            f"{y.label()} has shape {y.shape}, its target {t.shape}; they must be equal "
            "(nothing is broadcast in a loss)"
        )
    return t


def _probable_target(who: str, y: Tensor, target: Any) -> Tensor:
    """Return the target as a Tensor of y's shape, whose entries lie in [0, 1]."""
    t = _target(y, target)
    outside = _outside_0_to_1(t)
    if outside.size:
        raise ArgumentError(f"{who}: found target {outside[0]:g}, expected 0 to 1")
    return t


def _outside_0_to_1(x: Tensor) -> np.ndarray:
    """Return the entries that cannot be probabilities."""
    return x.data[~((x.data >= 0) & (x.data <= 1))]


def _log(p: Tensor, share: Tensor) -> Tensor:
    """Return log p, but 0 where p is 0 and has no share: 0 log 0 is 0."""
    idle = (p.data == 0) & (share.data == 0)
    return log(where(idle, 1.0, p) if idle.any() else p)


@cache  # once in a process
def _warn_of_logits() -> None:
    warnings.warn(
        "binary_cross_entropy takes probabilities; up to version 0.1.0 it took net inputs "
        "(logits), which now go to binary_cross_entropy_with_logits. If yours are probabilities, "
        "all is well: warnings.filterwarnings('ignore', 'binary_cross_entropy') silences this, "
        "and the next version no longer says it",
        FutureWarning,
        stacklevel=4,
    )


def _error(y: Tensor, target: Any) -> Tensor:
    y = _prediction(y)
    e = y - _target(y, target)
    e.name = "e"
    return e


def _with_name(loss: Tensor) -> Tensor:
    loss.name = "loss"
    return loss
