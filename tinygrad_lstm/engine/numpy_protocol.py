"""What NumPy asks of a Tensor: NumPy's own functions compute on the tape, or are refused.

Knows which function stands for one of NumPy's; not how a Tensor is made or recorded.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import DTypeError, UsageError
from . import functions, numpys_options
from .arrays import plain
from .off_tape import note_reading
from .reading import Reading

JOINING = (
    "NumPy does not look for Tensors inside a list: to make one of them, write tg.array([…]) or "
    "np.array([…], like=x), and give that to NumPy's function; for np.r_ write np.concatenate, and "
    "for np.c_ np.column_stack; "
)


class NumPyProtocol(Reading):
    """The methods through which NumPy computes with a Tensor."""

    __slots__ = ()

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        if ufunc in functions.PLAIN and method == "__call__":
            return ufunc(*map(plain, inputs), **options)
        ours = functions.ours_for(ufunc)
        if options:
            options = numpys_options.without_defaults(options)
        if ours is None or method != "__call__" or options:
            asked = "".join(f" with {name}=" for name in options)
            function = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
            raise self._refusal(f"np.{function}{asked}", numpys_options.instead(options))
        return ours(*inputs)

    def __array_function__(self, function: Any, types: Any, args: Any, options: Any) -> Any:
        if function in functions.OF_FORM:  # which reads no number
            forms = {name: getattr(x, "_array", x) for name, x in options.items()}
            return function(*(getattr(x, "_array", x) for x in args), **forms)
        if function in functions.PLAIN:
            arrays = {name: plain(option) for name, option in options.items()}
            return function(*map(plain, args), **arrays)
        ours = functions.ours_for(function)
        if ours is None:
            raise self._refusal(_full_name(function))
        if options:
            options = numpys_options.without_defaults(options)
            for name in numpys_options.INSTEAD.keys() & options.keys():
                remedy = numpys_options.instead([name])
                raise self._refusal(f"{_full_name(function)} with {name}=", remedy)
        try:
            return ours(*args, **options)
        except TypeError as error:
            if isinstance(error, UsageError | DTypeError):
                raise
            raise UsageError(f"{_full_name(function)} on a Tensor: {error}") from None

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if self.requires_grad:
            raise self._refusal("conversion to an array", JOINING)
        note_reading()
        return np.array(self._array, dtype)

    @property
    def _data(self) -> Any:
        """Refuse arithmetic with a masked array, which reads the numbers here."""
        if self.requires_grad:
            raise self._refusal("a masked array's own arithmetic")
        raise DTypeError(
            f"found a masked array beside {self.label()}, expected an array without a mask; say "
            "what stands in the masked places with .filled(number), or leave them out with where"
        )


def _full_name(function: Any) -> str:
    """Return the name of one of NumPy's functions with its module, as people write it."""
    module = getattr(function, "__module__", "numpy").replace("numpy", "np", 1)
    return f"{module}.{function.__name__}"
