"""ONNX' operators that work entry by entry, as functions made of primitives.

Knows the primitives; no files, no layers. Operands are Tensors, or arrays: of shapes, of indices,
of truth values. Source: ONNX's documentation, the page Operators, from operator set 13 on.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np

from ..engine import primitives as p
from ..engine.functions import activations as act
from ..engine.functions import elementary
from ..engine.tensor import Tensor


def plain(x: Any) -> Any:
    """Return the numbers of a Tensor or an array."""
    return x.data if isinstance(x, Tensor) else x


def is_whole(*xs: Any) -> bool:
    """Return whether operands are arrays of whole numbers."""
    return all(not isinstance(x, Tensor) and np.asarray(x).dtype.kind in "iu" for x in xs)


def identity(x: Any) -> Any:
    """Return x."""
    return x


def divide(a: Any, b: Any) -> Any:
    """Return a / b; for whole numbers, without the digits after the point."""
    if is_whole(a, b):
        return np.trunc(a / b).astype(np.asarray(a).dtype) if np.any(a % b) else a // b
    return p.divide(a, b)


def power(x: Any, y: Any) -> Any:
    """Return x to the power of y, in the type of x."""
    if is_whole(x):
        return np.power(np.asarray(x, float), plain(y)).astype(np.asarray(x).dtype)
    return p.power(x, y if isinstance(y, Tensor) else np.asarray(y).astype(x.dtype))


def modulo(a: Any, b: Any, *, fmod: int = 0) -> Any:
    """Return the remainder of a / b, with the sign of b; with fmod, the sign of a."""
    return p.fmod(a, b) if fmod else p.remainder(a, b)


def clip(x: Any, least: Any = None, most: Any = None) -> Any:
    """Return x, but nowhere below the least nor above the most."""
    return elementary.clip(x, least, most)


def where(condition: Any, x: Any, y: Any) -> Any:
    """Return x where a condition holds, else y."""
    return p.where(plain(condition), x, y)


def cast(x: Any, *, to: Any, saturate: int = 1) -> Any:
    """Return x in another type of numbers."""
    return as_type(x, _type(to))


def cast_like(x: Any, target: Any, *, saturate: int = 1) -> Any:
    """Return x in the type of another operand."""
    return as_type(x, np.dtype(target.dtype))


def as_type(x: Any, kind: np.dtype) -> Any:
    """Return x in a type of numbers; whole numbers and truth values are no Tensors."""
    if isinstance(x, Tensor) and kind.kind == "f":
        return x if x.dtype == kind else p.astype(x, dtype=kind)
    return np.asarray(plain(x)).astype(kind)


def _type(code: int) -> np.dtype:
    import onnx  # which is there: it has opened the file

    kind: np.dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(code))
    return kind


def _of_several(function: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    return lambda *xs: reduce(function, xs)


def mean_of(*xs: Any) -> Any:
    """Return the mean of several operands."""
    return reduce(p.add, xs) * (1.0 / len(xs))


def _comparison(function: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    return lambda a, b: np.asarray(function(plain(a), plain(b)))


def is_infinite(x: Any, *, detect_negative: int = 1, detect_positive: int = 1) -> Any:
    """Return where x is inf or -inf."""
    x = plain(x)
    return (np.isposinf(x) & bool(detect_positive)) | (np.isneginf(x) & bool(detect_negative))


def elu(x: Any, *, alpha: float = 1.0) -> Any:
    """Return x where it is positive, else alpha (exp(x) - 1)."""
    return act.elu(x, alpha)


def celu(x: Any, *, alpha: float = 1.0) -> Any:
    """Return x where it is positive, else alpha (exp(x / alpha) - 1)."""
    return act.celu(x, alpha)


def selu(x: Any, *, alpha: float = 1.67326319217681884765625,
         gamma: float = 1.05070102214813232421875) -> Any:  # fmt: skip
    """Return gamma elu(x, alpha)."""
    return gamma * act.elu(x, alpha)


def gelu(x: Any, *, approximate: str = "none") -> Any:
    """Return x Φ(x), or its approximation by tanh."""
    return act.gelu(x, approximate)


def hard_sigmoid(x: Any, *, alpha: float = 0.2, beta: float = 0.5) -> Any:
    """Return alpha x + beta, but nowhere below 0 nor above 1."""
    return act.hard_sigmoid(x, alpha, beta)


def leaky_relu(x: Any, *, alpha: float = 0.01) -> Any:
    """Return x where it is positive, else alpha x."""
    return act.leaky_relu(x, alpha)


def swish(x: Any, *, alpha: float = 1.0) -> Any:
    """Return x σ(alpha x)."""
    return x * p.sigmoid(x if alpha == 1 else alpha * x)


def thresholded_relu(x: Any, *, alpha: float = 1.0) -> Any:
    """Return x where it is above alpha, else 0."""
    return p.where(plain(x) > alpha, x, 0.0)


def shrink(x: Any, *, lambd: float = 0.5, bias: float = 0.0) -> Any:
    """Return x nearer to 0 by a bias where |x| is above lambd, else 0."""
    values = plain(x)
    return p.where(values > lambd, x - bias, p.where(values < -lambd, x + bias, 0.0))


ELEMENTWISE: dict[str, Callable[..., Any]] = {
    "Identity": identity, "Cast": cast, "CastLike": cast_like, "Where": where, "Clip": clip,
    "Abs": p.abs, "Acos": p.arccos, "Acosh": p.arccosh, "Asin": p.arcsin, "Asinh": p.arcsinh,
    "Atan": p.arctan, "Atanh": p.arctanh, "Ceil": elementary.ceil, "Cos": p.cos, "Cosh": p.cosh,
    "Erf": p.erf, "Exp": p.exp, "Floor": p.floor, "Log": p.log, "Neg": p.negative,
    "Reciprocal": elementary.reciprocal, "Round": p.rint, "Sigmoid": p.sigmoid, "Sign": p.sign,
    "Sin": p.sin, "Sinh": p.sinh, "Sqrt": p.sqrt, "Tan": p.tan, "Tanh": p.tanh,
    "Add": p.add, "Sub": p.subtract, "Mul": p.hadamard, "Div": divide, "Pow": power,
    "Mod": modulo, "Max": _of_several(p.maximum), "Min": _of_several(p.minimum),
    "Sum": _of_several(p.add), "Mean": mean_of,
    "Equal": _comparison(np.equal), "Greater": _comparison(np.greater),
    "GreaterOrEqual": _comparison(np.greater_equal), "Less": _comparison(np.less),
    "LessOrEqual": _comparison(np.less_equal), "And": np.logical_and, "Or": np.logical_or,
    "Xor": np.logical_xor, "Not": np.logical_not, "IsInf": is_infinite,
    "IsNaN": lambda x: np.isnan(plain(x)),
    "Relu": p.relu, "Softplus": p.softplus, "Softsign": act.softsign, "Elu": elu, "Celu": celu,
    "Selu": selu, "Gelu": gelu, "HardSigmoid": hard_sigmoid, "HardSwish": act.hard_swish,
    "LeakyRelu": leaky_relu, "PRelu": lambda x, slope: act.leaky_relu(x, slope), "Mish": act.mish,
    "Swish": swish, "ThresholdedRelu": thresholded_relu, "Shrink": shrink,
}  # fmt: skip
