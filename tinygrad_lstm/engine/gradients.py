"""The gradients of Tensors: the start of the backward pass, and the ``.grad`` that it leaves.

Knows the walk along the tape; not how a Tensor is made or recorded.
"""

from __future__ import annotations

import os
import warnings
from _thread import RLock  # as in threading, which takes 1 ms to load
from collections.abc import Iterable, Mapping, Set
from contextvars import ContextVar
from typing import Any, Protocol, Self
from weakref import ref

import numpy as np

from ..errors import DTypeError, GradientError, ShapeError, UsageError
from . import numerics
from .arguments import as_array
from .arrays import as_floats, plain
from .cotangent import Sums
from .reading import Reading
from .tape import last_replacement, pull_back

_ndarray = np.ndarray
_retained: dict[int, ref[Any]] = {}  # the Tensors of retain_grad(), by serial number
# gradients are added up by one thread at a time; a signal's handler may come in between
_adding = RLock()
if hasattr(os, "register_at_fork"):  # a child has no thread that could release it
    os.register_at_fork(after_in_child=_adding._at_fork_reinit)  # type: ignore[attr-defined]


class Watcher(Protocol):
    """Whoever looks on while ``backward`` runs, in the threads and tasks that ask for it."""

    def wanted(self, loss: Any) -> Set[Any]:
        """Return the computed Tensors whose gradients to keep for `note`."""

    def note(self, loss: Any, gradients: Mapping[Any, np.ndarray]) -> None:
        """Look at the gradients; those of the leaves stand in ``.grad``."""


watchers: ContextVar[tuple[Watcher, ...]] = ContextVar("watchers", default=())
_watchers_now, _NOBODY = watchers.get, frozenset[Any]()

NO_LEAF = (
    "{0} was computed, and backward() gives .grad to leaves alone. To keep the gradient of "
    "a computed Tensor, call .retain_grad() before backward(). To change a parameter, write "
    "W.data -= 0.1 * W.grad: W = W - 0.1 * W.grad makes a Tensor that is no leaf"
)


class Gradients(Reading):
    """The gradient of a Tensor, and the backward pass."""

    __slots__ = ("_grad",)

    _grad: np.ndarray | None

    @property
    def grad(self) -> np.ndarray | None:
        """The gradient that `backward` left; None if there is none.

        Warns
        -----
        UserWarning
            If it is None because the Tensor was computed: the message says what to do.
        """
        if (
            self._grad is None
            and self.requires_grad
            and self.inputs
            and self.serial not in _retained
        ):
            warnings.warn(NO_LEAF.format(self.label()), stacklevel=2)
        return self._grad

    @grad.setter
    def grad(self, gradient: np.ndarray | None) -> None:
        self._grad = gradient

    def backward(self, gradient: Any = None) -> None:
        """Add d self / d leaf to ``.grad`` of every leaf that requires it.

        Parameters
        ----------
        gradient : array_like of this Tensor's shape, optional
            The cotangent to start from; 1 for a single number.

        Raises
        ------
        GradientError
            If no leaf requires a gradient, or this is no single number and ``gradient`` is missing.
        ShapeError
            If ``gradient`` has another shape; the message names both.
        ChangedError
            If a leaf's data was replaced since it was used; the message names the leaf.
        """
        seed = starting_cotangent(self, gradient)
        retained, watching = _retained_now() if _retained else _NOBODY, _watchers_now()
        watched = _NOBODY.union(*[x.wanted(self) for x in watching]) if watching else _NOBODY
        sums = Sums(retained | watched if watched else retained)
        sums.add(self, seed)
        cts = pull_back(sums)
        seen = {x: cts[x] for x in watched if x in cts}
        for x in seen.keys() - retained:
            del cts[x]
        own = sums.own
        leave_gradients(
            cts,
            (
                (np.asarray if node in own else np.array)(ct, node._array.dtype)
                for node, ct in cts.items()
            ),
        )
        for watcher in watching:
            watcher.note(self, seen)

    def retain_grad(self) -> Self:
        """Keep this Tensor's gradient too when ``backward`` passes, though it is no leaf."""
        if not self.requires_grad:
            raise GradientError(f"{self.label()} does not require a gradient, so it will have none")
        serial = self.serial
        _retained[serial] = ref(self, lambda _: _retained.pop(serial, None))
        return self

    def zero_grad(self) -> None:
        """Forget the gradient."""
        self._grad = None


class _Masks:
    """Whether any leaf ever had a mask: most processes have none, and look at no leaf for it."""

    are_used = False


masks = _Masks()


def leave_gradients(leaves: Iterable[Any], gradients: Iterable[np.ndarray]) -> None:
    """Add gradients, which nobody else holds, to ``.grad`` of leaves.

    Raises
    ------
    ShapeError, DTypeError
        If somebody set a ``.grad`` to what cannot be a gradient; then no ``.grad`` has changed.
    """
    with _adding:
        for leaf in leaves:
            if leaf._grad is not None:
                leaf._grad = checked_gradient(leaf)
        for leaf, gradient in zip(leaves, gradients, strict=True):
            before = leaf._grad
            if masks.are_used and leaf.mask is not None:
                gradient[~leaf.mask] = 0
            leaf._grad = (
                gradient if before is None else np.asarray(before + gradient, gradient.dtype)
            )


def is_plain_start(output: Any) -> bool:
    """Return whether a backward pass from here needs no look at the tape.

    No other signal keeps its gradient, and no leaf was replaced since the output was computed.
    """
    is_alone = not _retained and output.requires_grad
    return bool(is_alone and last_replacement.serial < output.serial)


def _retained_now() -> set[Any]:
    """Return the Tensors that keep their gradients; other threads may add to them meanwhile."""
    return {tensor for held in list(_retained.values()) if (tensor := held()) is not None}


def starting_cotangent(output: Any, gradient: Any) -> np.ndarray:
    """Return the cotangent with which to enter the tape at an output."""
    if not isinstance(output, Gradients):
        raise UsageError(f"found {type(output).__name__}, expected a Tensor to differentiate")
    if not output.requires_grad:
        raise GradientError(
            f"{output.label()} depends on no leaf that requires a gradient: "
            "make one with Tensor(..., requires_grad=True), outside no_grad()"
        )
    array = output._array
    if gradient is None:
        if array.size != 1:
            raise GradientError(
                f"{output.label()} has shape {output.shape}; a gradient starts from one number: "
                f"reduce it with a loss or .sum(), or give a gradient of shape {output.shape}"
            )
        return np.asarray(numerics.one(array)).reshape(array.shape)  # sooner than np.ones
    seed = as_array(f"the gradient of {output.label()}", plain(gradient))
    if seed.shape != array.shape:
        raise ShapeError(
            f"found a gradient of shape {seed.shape} for {output.label()} of shape {output.shape}; "
            "they must be equal"
        )
    return as_floats(seed, output.dtype, "the gradient")


def checked_gradient(leaf: Any) -> np.ndarray:
    """Return the ``.grad`` of a leaf as an array.

    Raises
    ------
    ShapeError, DTypeError
        If somebody set it to what cannot be a gradient; the message names the leaf.
    """
    grad: np.ndarray = leaf._grad
    if type(grad) is not _ndarray:
        grad = as_array(f"the gradient of {leaf.label()}", plain(grad))
    if grad.dtype.kind not in "fiu":
        raise DTypeError(
            f"the gradient of {leaf.label()} is of type {grad.dtype}, expected real numbers"
        )
    if grad.shape != leaf.shape:
        raise ShapeError(
            f"the gradient of {leaf.label()} has shape {grad.shape}, expected {leaf.shape}"
        )
    return grad


def replace_data(leaves: Mapping[Any, Any], *, is_own: bool = False) -> None:
    """Replace the numbers of several leaves: of all of them, or of none.

    Parameters
    ----------
    leaves : mapping of Tensor to array_like
    is_own : bool
        Whether the arrays fit, and nobody else writes into them, so that they need no copy.

    Raises
    ------
    ShapeError, DTypeError
        If new numbers do not fit; the message names the leaf.
    """
    before = [(leaf, leaf._array, leaf.serial) for leaf in leaves]
    try:
        for leaf, array in leaves.items():
            if is_own:
                leaf.hold(array)
            else:
                leaf.data = array
    except BaseException:  # an interrupt too
        for leaf, array, serial in before:
            leaf._array, leaf.serial = array, serial
        raise
