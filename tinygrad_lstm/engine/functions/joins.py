"""Arrays made of several: lists of Tensors, rows, columns, choices; and arrays as they are.

Knows the table and nothing of Tensors: like the primitives, these run on arrays, Tensors and
Symbols alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ...errors import ArgumentError, UsageError
from ..arguments import excerpt, flag, whole
from ..forms import complaint
from ..numerics import Array
from ..primitives import astype, broadcast_to, concatenate, reshape, stack, where
from . import checked
from .shapes import moveaxis, unstack


def array(object: Any, dtype: Any = None) -> Array:
    """Return one array of a list of Tensors and numbers, or of lists of them.

    ``np.array([x, y])`` cannot see that x and y are Tensors; this can, and so can
    ``np.array([x, y], like=x)``.
    """
    y = checked.array("array", object)
    if checked.is_plain(y):
        return np.array(y, dtype)
    return _in_type(y, dtype)


def _as_list(who: str, arrays: Any) -> Any:
    """Return arrays as a list; NumPy takes an array for the list of its rows."""
    if hasattr(arrays, "ndim"):
        return unstack(arrays)
    if not isinstance(arrays, Iterable):
        raise UsageError(f"{who}: found {excerpt(arrays)}, expected a list of arrays")
    return [checked.array(who, x) if isinstance(x, list | tuple) else x for x in arrays]


def joined(
    arrays: Any, axis: int | None = 0, dtype: Any = None, casting: str = "same_kind"
) -> Array:
    """Return arrays joined along an axis that they have; all entries as a vector if None."""
    several = _as_list("concatenate", arrays)
    if axis is None:
        several = [reshape(checked.array("concatenate", x), shape=(-1,)) for x in several]
        axis = 0
    return _in_type(concatenate(several, axis=axis), dtype)


def stacked(arrays: Any, axis: int = 0, dtype: Any = None, casting: str = "same_kind") -> Array:
    """Return arrays joined along a new axis."""
    return _in_type(stack(_as_list("stack", arrays), axis=axis), dtype)


def _in_type(y: Array, dtype: Any) -> Array:
    """Return an array in a type, if one is asked for."""
    return y if dtype is None else astype(y, dtype=dtype)


def atleast_1d(*arys: Any) -> Any:
    """Return arrays with at least one axis."""
    return _change_all(arys, lambda x: x if x.ndim else reshape(x, shape=(1,)), "atleast_1d")


def atleast_2d(*arys: Any) -> Any:
    """Return arrays with at least two axes; a vector becomes a row."""
    return _change_all(arys, _rows, "atleast_2d")


def atleast_3d(*arys: Any) -> Any:
    """Return arrays with at least three axes; a vector lies along the second, a matrix in front."""
    return _change_all(arys, _layers, "atleast_3d")


def _change_all(arys: Sequence[Any], change: Callable[[Array], Array], who: str) -> Any:
    results = tuple([change(checked.array(who, x)) for x in arys])
    return results[0] if len(results) == 1 else results


def _rows(x: Array) -> Array:
    return x if x.ndim > 1 else reshape(x, shape=(1, -1))


def _layers(x: Array) -> Array:
    if x.ndim > 2:
        return x
    return reshape(x, shape=(*x.shape, 1) if x.ndim == 2 else (1, -1, 1))


def vstack(tup: Any, dtype: Any = None, casting: str = "same_kind") -> Array:
    """Return arrays one below the other; a vector is a row."""
    y = concatenate([_rows(checked.array("vstack", x)) for x in _as_list("vstack", tup)], axis=0)
    return _in_type(y, dtype)


def hstack(tup: Any, dtype: Any = None, casting: str = "same_kind") -> Array:
    """Return arrays one beside the other."""
    several = [atleast_1d(x) for x in _as_list("hstack", tup)]
    y = concatenate(several, axis=0 if several and several[0].ndim == 1 else 1)
    return _in_type(y, dtype)


def dstack(tup: Any) -> Array:
    """Return arrays one behind the other, along the third axis."""
    several = [_layers(checked.array("dstack", x)) for x in _as_list("dstack", tup)]
    return concatenate(several, axis=2)


def column_stack(tup: Any) -> Array:
    """Return vectors as the columns of a matrix, and matrices beside them."""
    several = [checked.array("column_stack", x) for x in _as_list("column_stack", tup)]
    columns = [x if x.ndim > 1 else reshape(x, shape=(-1, 1)) for x in several]
    return concatenate(columns, axis=1)


def append(arr: Any, values: Any, axis: int | None = None) -> Array:
    """Return values put behind an array, along an axis (all entries as a vector if None)."""
    return joined([checked.array("append", arr), checked.array("append", values)], axis)


# --- choices ------------------------------------------------------------------------------------


def select(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> Array:
    """Return, for each entry, the choice of the first condition that holds, else the default."""
    conditions, choices = _as_list("select", condlist), _as_list("select", choicelist)
    if len(conditions) != len(choices) or not conditions:
        raise ArgumentError(
            f"select: found {len(conditions)} conditions and {len(choices)} choices; "
            "expected as many of both"
        )
    y = default
    for condition, choice in zip(reversed(conditions), reversed(choices), strict=True):
        y = where(condition, choice, y)
    return y


# --- filled, and as they are --------------------------------------------------------------------


def full(shape: Any, fill_value: Any, dtype: Any = None) -> Array:
    """Return an array of a shape, full of a value."""
    return _in_type(broadcast_to(checked.array("full", fill_value), shape=shape), dtype)


def full_like(
    a: Any, fill_value: Any, dtype: Any = None, order: Any = None, subok: bool = True,
    shape: Any = None,
) -> Array:  # fmt: skip
    """Return an array of the shape of a, full of a value."""
    dtype = a.dtype if dtype is None else dtype
    return full(a.shape if shape is None else shape, fill_value, dtype)


def linspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, retstep: bool = False,
    axis: int = 0,
) -> Any:  # fmt: skip
    """Return numbers at equal distances from start to stop, along a new axis."""
    start, stop = checked.array("linspace", start), checked.array("linspace", stop)
    num, axis = whole("linspace: num", num, 0, 2**31), whole("linspace: axis", axis)
    endpoint, retstep = flag("linspace: endpoint", endpoint), flag("linspace: retstep", retstep)
    share = np.linspace(0.0, 1.0, num, endpoint)
    width = stop - start
    share = share.reshape((-1, *(1,) * width.ndim))
    y = start * (1.0 - share) + stop * share
    if axis != 0:
        y = moveaxis(y, 0, axis)
    return (y, width / max(num - endpoint, 1)) if retstep else y


def broadcast_arrays(*args: Any) -> tuple[Array, ...]:
    """Return arrays repeated to one common shape."""
    several = [checked.array("broadcast_arrays", x) for x in args]
    try:
        shape = np.broadcast_shapes(*[x.shape for x in several])
    except ValueError as error:
        raise complaint(error, "broadcast_arrays", several, None) from None
    return tuple([broadcast_to(x, shape=shape) for x in several])


def copied(a: Array, order: Any = None, subok: bool = False) -> Array:
    """Return the same entries as a signal of its own."""
    x = checked.array("copy", a)
    return reshape(x, shape=x.shape)


def unchanged(x: Array, **options: Any) -> Array:
    """Return a real array as it is: its real part, its conjugate."""
    for name, value in options.items():
        if name not in ("order", "subok", "tol", "copy", "out"):
            raise ArgumentError(f"found {name}={excerpt(value)}, which a Tensor does not take")
    return x


def _typed(x: Array, dtype: Any, copy: bool = True) -> Array:
    return astype(x, dtype=dtype)


def _as_array(a: Any, dtype: Any = None, order: Any = None, copy: Any = None) -> Array:
    return array(a, dtype)


def _full(
    shape: Any, fill_value: Any, dtype: Any = None, order: Any = None, device: Any = None
) -> Array:
    return full(shape, fill_value, dtype)


NUMPY = {
    "array": lambda object, dtype=None, copy=True, order="K", subok=False, ndmin=0: array(
        object, dtype
    ),
    "asarray": _as_array, "concatenate": joined, "concat": joined, "stack": stacked,
    "atleast_1d": atleast_1d, "atleast_2d": atleast_2d, "atleast_3d": atleast_3d,
    "vstack": vstack, "hstack": hstack, "dstack": dstack, "column_stack": column_stack,
    "append": append, "select": select, "full": _full, "full_like": full_like,
    "linspace": linspace, "broadcast_arrays": broadcast_arrays, "copy": copied,
    "real": unchanged, "real_if_close": unchanged, "conjugate": unchanged, "positive": unchanged,
    "astype": _typed,
}  # fmt: skip
