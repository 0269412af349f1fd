"""Options of NumPy's functions that write into memory, or into parts of it: what to write instead.

Knows no Tensors.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

INSTEAD = {
    "out": "a result is a new Tensor: leave out= away and write y = f(x), or a = a + x for a += x",
    "where": "choose from what comes out with np.where(condition, f(x), other), or in a sum from "
    "what goes in with np.where(condition, x, 0)",
}
_DEFAULTS = {"out": None, "where": True, "dtype": None, "subok": True}


def without_defaults(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that ask for something else than the default.

    >>> without_defaults({"out": (None,), "where": True, "axis": 0, "dtype": float})
    {'axis': 0, 'dtype': <class 'float'>}
    """
    return {name: value for name, value in options.items() if not _is_default(name, value)}


def instead(names: Iterable[str]) -> str:
    """Return what to write instead of options."""
    return "".join(f"{INSTEAD[name]}; " for name in names if name in INSTEAD)


def _is_default(name: str, value: Any) -> bool:
    if name == "out" and type(value) is tuple:
        return all(part is None for part in value)
    return name in _DEFAULTS and value is _DEFAULTS[name]
