"""Elementary functions that are made of others: clip, sinc, roundings, angles.

Knows the table and nothing of Tensors: like the primitives, these run on arrays, Tensors and
Symbols alike.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...errors import ArgumentError
from ..arguments import operand, whole
from ..numerics import Array
from ..primitives import (
    abs,
    finite,
    floor,
    hadamard,
    logaddexp,
    maximum,
    minimum,
    rint,
    sign,
    sin,
    where,
)
from . import checked


def clip(
    a: Array, a_min: Array = None, a_max: Array = None, *, min: Array = None, max: Array = None
) -> Array:
    """Return a, but nowhere below ``a_min`` (or ``min``) nor above ``a_max`` (or ``max``)."""
    if (a_min is not None or a_max is not None) and (min is not None or max is not None):
        raise ArgumentError("clip: found a_min or a_max beside min or max; give one of both pairs")
    low, high = (min, max) if a_min is None and a_max is None else (a_min, a_max)
    x = checked.array("clip", a)
    if low is not None:
        x = maximum(x, low)
    return x if high is None else minimum(x, high)


def reciprocal(x: Array) -> Array:
    """Return 1 / x."""
    return 1.0 / operand("reciprocal", x)


def sinc(x: Array) -> Array:
    """Return sin(πx) / πx, which is 1 at 0; near 0 by its power series, with all its slopes."""
    z = checked.array("sinc", x) * math.pi
    is_near = (z < 0.3) * (z > -0.3)
    square = hadamard(where(is_near, z, 0.0), where(is_near, z, 0.0))
    series = 1.0
    for k in range(12, 0, -2):  # 1 - z²/6 (1 - z²/20 (1 - z²/42 …
        series = 1.0 - square * (1.0 / (k * (k + 1))) * series
    far = where(is_near, 1.0, z)
    return where(is_near, series, sin(far) / far)


def nan_to_num(
    x: Array, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None
) -> Array:
    """Return x with numbers for nan, inf and -inf; the latter two become the largest ones."""
    x = checked.array("nan_to_num", x)
    most = float(np.finfo(x.dtype if x.dtype.kind == "f" else float).max)
    return finite(x, nan, most if posinf is None else posinf, -most if neginf is None else neginf)


def logaddexp2(x1: Array, x2: Array) -> Array:
    """Return log₂(2^x₁ + 2^x₂), at any size."""
    one, other = operand("logaddexp2", x1), operand("logaddexp2", x2)
    return logaddexp(one * math.log(2.0), other * math.log(2.0)) * (1.0 / math.log(2.0))


def degrees(x: Array) -> Array:
    """Return angles in degrees that are given in radians."""
    return operand("degrees", x) * (180.0 / math.pi)


def radians(x: Array) -> Array:
    """Return angles in radians that are given in degrees."""
    return operand("radians", x) * (math.pi / 180.0)


# --- roundings, whose slope is 0 ----------------------------------------------------------------


def ceil(x: Array) -> Array:
    """Return the smallest whole numbers that are not below x."""
    return -floor(-operand("ceil", x))


def trunc(x: Array) -> Array:
    """Return x without the digits behind its decimal point."""
    x = operand("trunc", x)
    return sign(x) * floor(abs(x))


def round(a: Array, decimals: int = 0) -> Array:
    """Return the nearest numbers of so many decimals; of two, the one with an even last digit."""
    x, decimals = operand("round", a), whole("round: decimals", decimals, -308, 309)
    return rint(x) if decimals == 0 else rint(x * 10.0**decimals) / 10.0**decimals


def floor_divide(x1: Array, x2: Array) -> Array:
    """Return the largest whole numbers that are not above x1 / x2."""
    return floor(operand("floor_divide", x1) / operand("floor_divide", x2))


NUMPY = {
    "clip": clip, "reciprocal": reciprocal, "sinc": sinc, "nan_to_num": nan_to_num,
    "logaddexp2": logaddexp2, "degrees": degrees, "rad2deg": degrees, "radians": radians,
    "deg2rad": radians, "ceil": ceil, "trunc": trunc, "fix": trunc, "round": round,
    "around": round, "floor_divide": floor_divide, "fabs": abs,
}  # fmt: skip
