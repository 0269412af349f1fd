"""How the entries of a loss become its result: which entries count, and how much.

Knows Tensors and the primitives; no loss. An entry has a share in the result: its weight, 0 where
the mask leaves the entry out, and in a mean divided by the sum of the weights.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, TypedDict, TypeVar, cast

import numpy as np

from ..engine.arguments import as_array, flag, one_of
from ..engine.functions import mean
from ..engine.primitives import mask as masked
from ..engine.primitives import sum, where
from ..engine.tensor import Tensor, constant
from ..engine.whole_numbers import hold, stays
from ..errors import ArgumentError, DTypeError, ShapeError, UsageError
from .inputs import numbers, sequence_lengths

F = TypeVar("F", bound=Callable[..., Tensor])


class LossOptions(TypedDict, total=False):
    """The keywords that all losses take beside ``reduction``.

    ``reduction`` is "mean", "sum" or "none": the result is the mean of the entries of the loss,
    their sum, or the entries themselves.

    Attributes
    ----------
    weight : (...), optional
        How much each entry counts, in the shape of the entries or broadcast to it.
    mask : (...) of truth values, optional
        Which entries count, in the shape of the entries or broadcast to it. An entry that does not
        count may be nan; its gradient is 0.
    lengths : (B,) of integers, optional
        How many steps each sequence has, for entries of shape (T, B, ...). The steps after them do
        not count.
    batch_first : bool
        Whether the entries have the shape (B, T, ...) instead.
    """

    weight: Any
    mask: Any
    lengths: Any
    batch_first: bool


def takes_options(loss: F) -> F:
    """List the keywords of `LossOptions` in the signature of a loss, and refuse all others.

    Raises
    ------
    UsageError
        In a call with a keyword that the loss does not take; the message lists those it takes.
    """
    own = inspect.signature(loss)
    *parameters, _ = own.parameters.values()
    shared = inspect.signature(Reduction).parameters.values()
    parameters += [parameter for parameter in shared if parameter.kind is parameter.KEYWORD_ONLY]
    known = {parameter.name for parameter in parameters}

    @wraps(loss)
    def take(*args: Any, **options: Any) -> Tensor:
        if not options.keys() <= known:
            name = min(options.keys() - known)
            raise UsageError(f"{loss.__name__}: found {name}=, expected {', '.join(names)}")
        return loss(*args, **options)

    names = [parameter.name for parameter in parameters]
    take.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
    return cast(F, take)


class Reduction:
    """How the entries of a loss become its result.

    Parameters
    ----------
    who : str
        The loss, for messages.
    shape : tuple of int
        Of the entries.
    kind : "sum", "mean" or "none"
        The ``reduction`` of `LossOptions`.
    weight, mask, lengths, batch_first
        As in `LossOptions`.

    Raises
    ------
    ShapeError, DTypeError, ArgumentError, UsageError
        If an option is not of these, or does not fit the entries.
    """

    def __init__(
        self,
        who: str,
        shape: tuple[int, ...],
        kind: Any,
        *,
        weight: Any = None,
        mask: Any = None,
        lengths: Any = None,
        batch_first: bool = False,
    ) -> None:
        self.who, self.shape, self.weight = who, shape, weight
        self.kind: str = one_of(f"{who}: reduction", kind, ("sum", "mean", "none"))
        self.counts = None if mask is None else self._fit("mask", _truth(who, mask))
        if flag(f"{who}: batch_first", batch_first) and lengths is None:
            raise ArgumentError(f"{who}: batch_first says how to read lengths; found no lengths")
        if lengths is not None:
            self.leave_out(~self._alive(lengths, batch_first))

    def leave_out(self, entries: np.ndarray) -> None:
        """Count the entries no longer where an array of truth values holds."""
        self.counts = ~entries if self.counts is None else self.counts & ~entries

    def only(self, x: Tensor, filler: float) -> Tensor:
        """Return x where its entries count, else a number, in place of what may be nan."""
        if self.counts is None:
            return x
        counts = self.counts.reshape(self.shape + (1,) * (x.ndim - len(self.shape)))
        return where(numbers(counts, x.dtype, "mask"), x, filler)

    def reduce(self, entries: Tensor, weight: Tensor | None, by_weight: bool = True) -> Tensor:
        """Return the result: one number, or the entries if the reduction is "none"."""
        share = self.shares(entries.dtype, weight, by_weight)
        if share is not None:
            entries = masked(entries, share)
        if self.kind == "none":
            return entries
        return mean(entries) if self.kind == "mean" and share is None else sum(entries)

    def shares(
        self, dtype: np.dtype, weight: Tensor | None, by_weight: bool = True
    ) -> Tensor | None:
        """Return the share of each entry in the result, or None if all entries have the same.

        Parameters
        ----------
        weight : as `weights` returns it
        by_weight : bool
            Whether a mean divides by the sum of the weights, or by the number of the entries.

        Raises
        ------
        ArgumentError
            If there is nothing to divide a mean by.
        """
        if weight is None and self.counts is None:
            return None
        counts = np.ones(self.shape) if self.counts is None else self.counts * 1.0
        count = counts.sum()
        if self.kind == "mean" and not hold(count > 0):
            raise ArgumentError(
                f"{self.who}: the mask leaves none of {counts.size} entries, and their mean is "
                'no number; leave the batch out, or use reduction="sum"'
            )
        if self.kind == "mean" and (weight is None or not by_weight):
            counts = counts / count
        part = numbers(counts.astype(dtype), dtype, "mask")
        if weight is None:
            return part
        share = weight if self.counts is None and by_weight else weight * part
        if self.kind == "mean" and by_weight:
            if not share.data.sum():
                raise ArgumentError(
                    f"{self.who}: the weights of the {count:g} entries that count sum to 0, and "
                    'the mean is divided by their sum; use reduction="sum", or other weights'
                )
            share = share / sum(share)
        share.name = share.name or "share"
        return share

    def weights(self, dtype: np.dtype, shape: tuple[int, ...]) -> Tensor | None:
        """Return the weights as a Tensor of a shape, or None; a Tensor may require a gradient.

        Raises
        ------
        ShapeError, DTypeError, ArgumentError
            If the weights do not fit, or if any is not finite.
        """
        weight = self.weight
        if weight is None:
            return None
        array = weight._array if isinstance(weight, Tensor) else as_array(self.who, weight)
        if array.dtype.kind not in "iufb":
            raise DTypeError(f"{self.who}: weight is {array.dtype}, expected real numbers")
        full = self._fit("weight", array, shape)
        outside = array[~np.isfinite(array)]
        if outside.size:
            raise ArgumentError(f"{self.who}: found weight {outside[0]:g}, expected finite numbers")
        if not isinstance(weight, Tensor):
            return constant(full.astype(dtype), name="weight")
        return weight if weight.shape == shape else weight + np.zeros(shape, weight.dtype)

    def _alive(self, lengths: Any, batch_first: bool) -> np.ndarray:
        """Return which entries lie within the lengths of their sequences."""
        if len(self.shape) < 2:
            axes = "(B, T, ...)" if batch_first else "(T, B, ...)"
            raise ShapeError(
                f"{self.who}: lengths are for entries of shape {axes}, found {self.shape}"
            )
        B, T = self.shape[:2] if batch_first else self.shape[1::-1]
        alive = np.arange(T)[:, None] < sequence_lengths(self.who, lengths, T, (B,))
        alive = alive.T if batch_first else alive
        rest = (1,) * (len(self.shape) - 2)
        return np.broadcast_to(alive.reshape(alive.shape + rest), self.shape)

    def _fit(
        self, option: str, array: np.ndarray, shape: tuple[int, ...] | None = None
    ) -> np.ndarray:
        """Return an array in the shape of the entries, as NumPy broadcasts it."""
        shape = self.shape if shape is None else shape
        try:
            return np.broadcast_to(array, shape)
        except ValueError:
            missing, remedy = len(shape) - array.ndim, ""
            if missing > 0 and array.shape == shape[: array.ndim]:
                remedy = f"; write {option}[..., {', '.join(['None'] * missing)}]"
            raise ShapeError(
                f"{self.who}: {option} has shape {array.shape}, expected {shape} or a shape that "
                f"broadcasts to it{remedy}"
            ) from None


def with_name(loss: Tensor) -> Tensor:
    """Return a loss under its name."""
    loss.name = "loss"
    return loss


def _truth(who: str, mask: Any) -> np.ndarray:
    """Return a mask as truth values."""
    given = mask._array if isinstance(mask, Tensor) else mask
    array = given if stays(given) else as_array(f"{who}: mask", given)
    if array.dtype.kind not in "biuf":
        raise DTypeError(f"{who}: mask is {array.dtype}, expected truth values")
    if not hold((array == 0) | (array == 1)):
        other = array[(array != 0) & (array != 1)]
        raise ArgumentError(
            f"{who}: found {other[0]:g} in mask, expected truth values; numbers go to weight"
        )
    truth: np.ndarray = array != 0
    return truth
