"""Values that nobody means, for every parameter of every public function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


class Foreign:
    """A stand-in for another library's tensor that does not become an array."""

    requires_grad = True
    shape = (3,)

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        raise RuntimeError("Can't call numpy() on Tensor that requires grad.")


class Prickly:
    """An object that does not let itself be compared, counted, tested or shown."""

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("not comparable")

    __hash__ = None  # type: ignore[assignment]

    def __len__(self) -> int:
        raise RuntimeError("not countable")

    def __bool__(self) -> bool:
        raise RuntimeError("neither true nor false")

    def __repr__(self) -> str:
        raise RuntimeError("not to be shown")


class Plain:
    """A class that means nothing here."""

    def __init__(self, *args: Any, **options: Any) -> None:
        pass


def endless() -> list[Any]:
    """Return a list that holds itself."""
    ring: list[Any] = []
    ring.append(ring)
    return ring


def wrong_call(*args: Any, **options: Any) -> Any:
    """Return nothing that a caller of it could use."""
    return None


# made afresh for each use: some can be used up
ZOO: dict[str, Callable[[], Any]] = {
    "None": lambda: None,
    "text": lambda: "a",
    "no text": lambda: "",
    "bytes": lambda: b"a",
    "a half": lambda: 1.5,
    "nan": lambda: float("nan"),
    "inf": lambda: float("inf"),
    "-1": lambda: -1,
    "10**30": lambda: 10**30,
    "True": lambda: True,
    "no list": list,
    "a ragged list": lambda: [[1], [1, 2]],
    "a list of text": lambda: ["a", "b"],
    "no dictionary": dict,
    "a dictionary": lambda: {3: "a"},
    "an object": object,
    "a set": lambda: {1, 2},
    "a generator": lambda: (each for each in "ab"),
    "a function": lambda: wrong_call,
    "a complex number": lambda: 1 + 2j,
    "objects": lambda: np.array([object(), None]),
    "words": lambda: np.array(["a", "b"]),
    "complex numbers": lambda: np.array([1j, 2.0]),
    "dates": lambda: np.array(["2020-01-01"], "datetime64[D]"),
    "a masked array": lambda: np.ma.array([1.0, 2.0, 3.0], mask=[0, 1, 0]),
    "no array": lambda: np.empty(0),
    "records": lambda: np.zeros(2, [("a", float), ("b", int)]),
    "a list in itself": endless,
    "a class": lambda: Plain,
    "a foreign tensor": Foreign,
    "a prickly object": Prickly,
    "an error": lambda: ValueError("a"),
    "a module": lambda: np,
    "a slice": lambda: slice(None),
    "an ellipsis": lambda: ...,
}
