"""The table of primitives: one entry each, forward, derivative, notation and samples together.

Knows arrays and the kinds; Tensors and Symbols reach these rules by calling them. A new primitive
is one more entry here and nothing anywhere else.

In a rule, x (or a and b) are the operands, y is the result and ct the cotangent of y.

    >>> tanh.derivatives()
    {'x': δ ∘ (1 - y²)}
    >>> matmul.derivatives()
    {'a': δ bᵀ, 'b': aᵀ δ}
"""

from __future__ import annotations

import builtins
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from . import forms, steps, symbol, windows
from . import numerics as digits
from .kinds import (
    bilinear,
    cut,
    elementwise,
    join,
    junction,
    linear,
    reduced_shape,
    reduction,
    unbroadcast,
)
from .numerics import Array, half, nan, one, zero
from .primitive import Primitive, Rule
from .samples import (
    BINARY,
    CHOICE,
    ONE,
    POWERS,
    QUOTIENT,
    REDUCED,
    REPLACED,
    UNARY,
    UNARY_POSITIVE,
    above,
    cases,
    inside,
    positive,
    real,
)
from .symbol import Notation, Symbol, function

# --- junctions and elementwise functions --------------------------------------------------------


def _masked(ct: Array, share: Array) -> Array:
    """Return the cotangent of an operand by its share in the result; 0 where the share is 0."""
    return mask(ct, share)


def _no_zero(b: Array) -> Array:
    """Return b, and nan where it is 0, so that a derivative which does not exist is not a number."""
    return where(b == 0, nan(b), b)


def _is_expression(x: Array) -> bool:
    """Return whether a rule runs on a Symbol: it is printed, so that rounding does not matter."""
    return isinstance(x, Symbol) or getattr(x, "__array_ufunc__", None) is None


def _power_of_base(a: Array, b: Array, y: Array) -> Array:
    """Return b aᵇ⁻¹, the partial by the base: 0 where b is 0, for every a.

    The exponent of 0⁰ stays 0, so that neither its value nor its slope is infinite.
    """
    if _is_expression(y):  # an expression, which is read and not derived
        return b * a ** where(b == 0, 0, b - 1)
    return mask(a ** where(b == 0, b - (a != 0), b - 1), b)


def _sqrt(x: Array) -> Array:
    """Return the square root; its slope at 0 is inf, as in PyTorch (that of norm at 0 is 0)."""
    return np.sqrt(x)


def _where(condition: Array, x: Array, y: Array) -> Array:
    """Return x where the condition holds, else y."""
    return np.where(condition, x, y)


def _relu(x: Array) -> Array:
    """Return x where it is positive, else 0."""
    return np.maximum(x, 0)


def _unary(
    forward: Any, partial: Rule, written: Notation | str | None = None, on: Any = real, **more: Any
) -> Primitive:
    """Declare a function of one number under its own name; ``written`` is its name in LaTeX."""
    name = forward.__name__
    notation = written if isinstance(written, Notation) else function(name, written)
    samples = cases(*ONE, on=on)
    return elementwise(name, forward, partial, notation=notation, samples=samples, **more)


# The slope of abs and relu at their kink is 0, as in PyTorch; maximum and minimum share evenly
# where a = b.

# fmt: off
add      = junction("add",      np.add,      (+1, +1), notation=symbol.ADD,      samples=BINARY)
subtract = junction("subtract", np.subtract, (+1, -1), notation=symbol.SUBTRACT, samples=BINARY)
negative = junction("negative", np.negative, (-1,),    notation=symbol.NEGATIVE, samples=UNARY)

exp      = _unary(np.exp,          lambda x, y: y,                 r"\exp", c="real_exp({0})")
log      = _unary(np.log,          lambda x, y: 1 / x,             r"\log",     on=positive, c="M(log)({0})")
sqrt     = elementwise("sqrt", _sqrt, lambda x, y: 0.5 / y,
                       c="M(sqrt)({0})", notation=symbol.ROOT, samples=UNARY_POSITIVE,
                       numpy=(np.sqrt,))
sin      = _unary(np.sin,          lambda x, y: cos(x),            r"\sin", c="M(sin)({0})")
cos      = _unary(np.cos,          lambda x, y: -sin(x),           r"\cos", c="M(cos)({0})")
tanh     = _unary(np.tanh,         lambda x, y: one(y) - y * y,    r"\tanh", c="real_tanh({0})")
sigmoid  = _unary(digits.sigmoid,  lambda x, y: y * (one(y) - y),
                  function("σ", r"\sigma", code="1 / (1 + np.exp(-{0}))"), definition="σ(s) = 1 / (1 + exp(−s))",
                  c="real_sigmoid({0})")
softplus = _unary(digits.softplus, lambda x, y: sigmoid(x), definition="softplus(s) = ln(1 + exp(s))",
                  c="real_softplus({0})")
relu     = elementwise("relu", _relu, lambda x, y: x > 0,
                       c="real_relu({0})", notation=function("relu"), samples=UNARY, analytic=False,
                       scale=_masked)
abs      = elementwise("abs", np.abs, lambda x, y: sign(x),
                       c="M(fabs)({0})", notation=Notation("|{0}|", r"\left|{0}\right|"),
                       samples=UNARY, analytic=False)
sign     = _unary(np.sign,         lambda x, y: 0 * y,             analytic=False, scale=_masked, c="real_sign({0})")

divide   = elementwise("divide", np.divide, lambda a, b, y: 1 / b, lambda a, b, y: -y / b, notation=symbol.DIVIDE,
                       samples=QUOTIENT)
power    = elementwise("power", np.power, _power_of_base, lambda a, b, y: y * log(where(a == 0, one(y) - (b < 0), a)),
                       notation=symbol.RAISE, samples=POWERS)
maximum  = elementwise("maximum", np.maximum, lambda a, b, y: one(y) - (a < b) - half(y) * (a == b),
                       lambda a, b, y: one(y) - (b < a) - half(y) * (a == b),
                       c="real_max({0}, {1})", notation=function("max", r"\max"),
                       samples=BINARY, analytic=False, scale=_masked)
minimum  = elementwise("minimum", np.minimum, lambda a, b, y: one(y) - (a > b) - half(y) * (a == b),
                       lambda a, b, y: one(y) - (b > a) - half(y) * (a == b),
                       c="real_min({0}, {1})", notation=function("min", r"\min"),
                       samples=BINARY, analytic=False, scale=_masked)
where    = elementwise("where", _where, None, lambda c, a, b, y: c != zero(c), lambda c, a, b, y: c == zero(c),

                       c="({0}) != 0 ? {1} : {2}",
                       notation=function("where"), samples=CHOICE, numpy=(np.where,), scale=_masked)
mask     = elementwise("mask", digits.mask, lambda x, share, y: share, lambda x, share, y: x,
                       c="real_mask({0}, {1})", notation=symbol.HADAMARD,
                       samples=BINARY, scale=_masked)
ratio    = elementwise("ratio", digits.ratio, lambda a, b, y: 1 / _no_zero(b), lambda a, b, y: -y / _no_zero(b),
                       c="real_ratio({0}, {1})", notation=symbol.DIVIDE, samples=QUOTIENT)
# fmt: on
# --- elementary functions that NumPy has, too ---------------------------------------------------

_LN2, _LN10, _ROOT_PI = math.log(2.0), math.log(10.0), math.sqrt(math.pi)


def _normal(x: Array) -> Array:
    """Return 2 exp(-x²) / √π, the slope of erf."""
    return exp(-(x * x)) * (2.0 / _ROOT_PI)


def _along(a: Array, b: Array) -> Array:
    """Return a / (a² + b²), at any size."""
    length = hypot(a, b)
    return ratio(a, length) / _no_zero(length)


# Steps (floor, round) have slope 0. Of a pair with a nan, fmax and fmin take the number.


# fmt: off
expm1   = _unary(np.expm1,    lambda x, y: exp(x),                       symbol.EXPM1, c="M(expm1)({0})")
log1p   = _unary(np.log1p,    lambda x, y: 1 / (1 + x),                  symbol.LOG1P,  on=positive, c="M(log1p)({0})")
log2    = _unary(np.log2,     lambda x, y: 1 / (_LN2 * x),               r"\log_2",     on=positive, c="M(log2)({0})")
log10   = _unary(np.log10,    lambda x, y: 1 / (_LN10 * x),              r"\lg",        on=positive, c="M(log10)({0})")
exp2    = _unary(np.exp2,     lambda x, y: _LN2 * y,                     analytic=False, c="M(exp2)({0})")
tan     = _unary(np.tan,      lambda x, y: one(y) + y * y,               r"\tan",       on=inside, c="M(tan)({0})")
arcsin  = _unary(np.arcsin,   lambda x, y: 1 / sqrt((1 - x) * (1 + x)),  r"\arcsin",    on=inside, c="M(asin)({0})")
arccos  = _unary(np.arccos,   lambda x, y: -1 / sqrt((1 - x) * (1 + x)), r"\arccos",    on=inside, c="M(acos)({0})")
arctan  = _unary(np.arctan,   lambda x, y: 1 / (1 + x * x),              r"\arctan", c="M(atan)({0})")
sinh    = _unary(np.sinh,     lambda x, y: cosh(x),                      r"\sinh", c="M(sinh)({0})")
cosh    = _unary(np.cosh,     lambda x, y: sinh(x),                      r"\cosh", c="M(cosh)({0})")
arcsinh = _unary(np.arcsinh,  lambda x, y: 1 / sqrt(1 + x * x), c="M(asinh)({0})")
arccosh = _unary(np.arccosh,  lambda x, y: 1 / sqrt((x - 1) * (x + 1)),  on=above, c="M(acosh)({0})")
arctanh = _unary(np.arctanh,  lambda x, y: 1 / ((1 - x) * (1 + x)),      on=inside, c="M(atanh)({0})")
erf     = _unary(digits.erf,  lambda x, y: _normal(x),                   analytic=False, c="M(erf)({0})")
erfc    = _unary(digits.erfc, lambda x, y: -_normal(x),                  analytic=False, c="M(erfc)({0})")
floor   = _unary(np.floor,    lambda x, y: zero(y), symbol.FLOOR,        analytic=False, scale=_masked,
                       c="M(floor)({0})")
rint    = _unary(np.rint,     lambda x, y: zero(y),                      analytic=False, scale=_masked,
                       c="M(rint)({0})")

hypot     = elementwise("hypot",     np.hypot,     lambda a, b, y: ratio(a, y), lambda a, b, y: ratio(b, y),
                        c="M(hypot)({0}, {1})", notation=function("hypot"), samples=BINARY, analytic=False)
arctan2   = elementwise("arctan2",   np.arctan2,   lambda a, b, y: _along(b, a), lambda a, b, y: -_along(a, b),
                        c="M(atan2)({0}, {1})", notation=function("arctan2"), samples=BINARY, analytic=False)
logaddexp = elementwise("logaddexp", np.logaddexp, lambda a, b, y: sigmoid(a - b), lambda a, b, y: sigmoid(b - a),
                        c="real_logaddexp({0}, {1})", notation=function("logaddexp"), samples=BINARY, analytic=False)
remainder = elementwise("remainder", np.remainder, lambda a, b, y: one(y), lambda a, b, y: (y - a) / b,
                        c="real_remainder({0}, {1})", notation=symbol.MODULO, samples=QUOTIENT, analytic=False)
fmod      = elementwise("fmod",      np.fmod,      lambda a, b, y: one(y), lambda a, b, y: (y - a) / b,
                        c="M(fmod)({0}, {1})", notation=function("fmod"), samples=QUOTIENT, analytic=False)
fmax      = elementwise("fmax",      np.fmax,      lambda a, b, y: (y == a) - half(y) * (a == b),
                        lambda a, b, y: (y == b) - half(y) * (a == b),
                        c="M(fmax)({0}, {1})", notation=function("fmax"), samples=BINARY, analytic=False, scale=_masked)
fmin      = elementwise("fmin",      np.fmin,      lambda a, b, y: (y == a) - half(y) * (a == b),
                        lambda a, b, y: (y == b) - half(y) * (a == b),
                        c="M(fmin)({0}, {1})", notation=function("fmin"), samples=BINARY, analytic=False, scale=_masked)
leaky_relu = elementwise("leaky_relu", digits.leaky_relu, lambda x, a, y: where(x > 0, one(y), a),
                        lambda x, a, y: minimum(x, zero(y)),
                        c="real_leaky_relu({0}, {1})", notation=function("leaky_relu"), samples=BINARY, analytic=False)
finite    = elementwise("finite",    digits.finite, lambda x, a, b, c, y: abs(x) < np.inf,
                        lambda x, a, b, c, y: x != x, lambda x, a, b, c, y: x == np.inf,
                        lambda x, a, b, c, y: x == -np.inf,
                        notation=function("finite"), samples=REPLACED, analytic=False, scale=_masked)
# fmt: on

# --- products -----------------------------------------------------------------------------------


def _matmul(a: Array, b: Array) -> Array:
    """Return the matrix product as NumPy's matmul does: vectors, matrices, broadcast batches."""
    try:
        is_by_matrix = b.ndim == 2 and a.ndim > 0
    except AttributeError:  # a plain number, which matmul refuses; to ask np.ndim costs a product
        is_by_matrix = False
    if is_by_matrix:
        if a.ndim < 3:  # the same product as matmul's, in half the time when small
            return a.dot(b)
        *batch, width = a.shape  # one large product instead of a batch of small ones
        return a.reshape((math.prod(batch), width)).dot(b).reshape((*batch, b.shape[1]))
    return np.matmul(a, b)


def _matmul_left(ct: Array, a: Array, b: Array) -> Array:
    if b.ndim == 2:
        return ct.dot(b.T) if ct.ndim < 3 else matmul(ct, b.T)
    if b.ndim == 1:
        return ct.reshape((*ct.shape, 1)) * b
    if a.ndim == 1:
        return (ct[..., None, :] @ b.swapaxes(-1, -2))[..., 0, :]
    return ct @ b.swapaxes(-1, -2)


def _matmul_right(ct: Array, a: Array, b: Array) -> Array:
    if b.ndim == 2 or (b.ndim == 1 and a.ndim > 1):
        x, ct = _matmul_rows(a, ct, b.ndim)
        return x.T.dot(ct)
    if a.ndim == 1:
        return a[:, None] * ct[..., None, :] if b.ndim > 1 else ct * a
    return a.swapaxes(-1, -2) @ ct


def _matmul_rows(a: Array, ct: Array, ndim: int = 2) -> tuple[Array, Array]:
    """Return a and ct as matrices with one row for each vector of the batch."""
    if a.ndim == 2 and ct.ndim == ndim:
        return a, ct
    *batch, width = a.shape
    count = math.prod(batch)  # -1 would be undetermined when empty
    return a.reshape((count, width)), ct.reshape((count, ct.shape[-1]) if ndim == 2 else (count,))


def _turned(partner: Array) -> Array:
    """Return the partner of an operand, transposed, which is the gain on the operand's way back."""
    return partner.T if partner.ndim < 3 else partner.swapaxes(-1, -2)


# fmt: off
hadamard = bilinear("hadamard", np.multiply, lambda ct, a, b: ct * b, lambda ct, a, b: ct * a, notation=symbol.HADAMARD,
                    samples=BINARY, is_entrywise=True, gains=(lambda a, b: b, lambda a, b: a))
matmul   = bilinear("matmul", _matmul, _matmul_left, _matmul_right, notation=symbol.MATMUL, numpy=(np.matmul, np.dot),
                    rows=_matmul_rows, is_entrywise=False, gains=(lambda a, b: _turned(b), lambda a, b: _turned(a)),
                    sides=(+1, -1), steps=steps.of_matmul, columns=lambda shapes: [1] if len(shapes[1]) == 2 else [],
                    samples=cases([(2, 3), (3, 4)], [(3,), (3, 4)], [(2, 3), (3,)], [(3,), (3,)], [(5, 2, 3), (3, 4)],
                                  [(2, 3), (5, 3, 4)], [(5, 2, 3), (5, 3, 4)], [(5, 1, 2, 3), (4, 3, 2)],
                                  [(3,), (5, 3, 4)], [(5, 2, 3), (3,)], [(1, 2, 3), (5, 3, 1)]))
# fmt: on

# --- linear maps: shapes ------------------------------------------------------------------------


def _sum(x: Array, *, axis: Any = None, keepdims: bool = False) -> Array:
    """Return the sum along the axes (all if None)."""
    return digits.total(x, axis, keepdims)


def _reshape(x: Array, *, shape: tuple[int, ...]) -> Array:
    """Return the same entries in another shape."""
    return np.reshape(x, shape)


def _broadcast_to(x: Array, *, shape: tuple[int, ...]) -> Array:
    """Return x repeated along new axes and along those of size 1."""
    if x.ndim > len(shape):
        raise ValueError("broadcasting only adds axes")
    y = np.empty(shape, x.dtype)  # filled, which is sooner done than NumPy's view when small
    y[...] = x
    return y


def _transpose(x: Array, *, axes: Any = None) -> Array:
    """Return the axes in another order (reversed if None)."""
    return np.transpose(x, axes)


def _sum_transposed(ct: Array, x: Array, *, axis: Any = None, keepdims: bool = False) -> Array:
    if axis is not None:
        ct = ct.reshape(reduced_shape(x.shape, axis))
    return broadcast_to(ct, shape=x.shape)


def _average_transposed(ct: Array, x: Array, *, axis: Any = None, keepdims: bool = False) -> Array:
    count = math.prod(x.shape) // (math.prod(reduced_shape(x.shape, axis)) or 1)
    halves = 2.0 ** math.ceil(math.log2(builtins.max(count / 32768, 1)))  # float16 ends at 65504
    share = ct / (count / halves) if count else ct
    return _sum_transposed(share if halves == 1 else share / halves, x, axis=axis)


def _cumsum(x: Array, *, axis: Any = None) -> Array:
    """Return the sums of the first entries along an axis (of all entries, flattened, if None)."""
    return np.cumsum(x, axis)


def _cumsum_transposed(ct: Array, x: Array, *, axis: Any = None) -> Array:
    if axis is None or x.ndim == 0:
        return cumsum(ct[::-1], axis=0)[::-1].reshape(x.shape)
    back = (*(slice(None),) * (axis % x.ndim), slice(None, None, -1))
    return cumsum(ct[back], axis=axis)[back]


def _astype(x: Array, *, dtype: Any) -> Array:
    """Return the numbers in another floating point type."""
    return np.asarray(x).astype(dtype)


def _astype_transposed(ct: Array, x: Array, *, dtype: Any) -> Array:
    return astype(ct, dtype=x.value.dtype if isinstance(x, Symbol) else x.dtype)


def _broadcast_to_transposed(ct: Array, x: Array, *, shape: tuple[int, ...]) -> Array:
    return unbroadcast(ct, x.shape)


def _transpose_transposed(ct: Array, x: Array, *, axes: Any = None) -> Array:
    back = (
        None if axes is None else tuple(int(i) for i in np.argsort([a % len(axes) for a in axes]))
    )
    return transpose(ct, axes=back)


# --- linear maps: parts -------------------------------------------------------------------------


def _getitem(x: Array, *, index: Any) -> Array:
    """Return a part of x: integers, slices, ``...`` and ``None``; no entry is taken twice."""
    return x[index]


def _scatter(x: Array, *, index: Any, shape: tuple[int, ...]) -> Array:
    """Return zeros of a shape with x at a place."""
    whole = np.zeros(shape, x.dtype)
    windows.refuse_misfit(x, whole[index].shape)
    whole[index] = x
    return whole


def _gather(x: Array, *, index: Any) -> Array:
    """Return the entries of x that arrays of indices name, as often as they name them."""
    return x[index]


def _scatter_add(x: Array, *, index: Any, shape: tuple[int, ...]) -> Array:
    """Return zeros of a shape with every entry of x added at its place."""
    whole = np.zeros(shape, x.dtype)
    windows.refuse_misfit(x, whole[index].shape)
    digits.add_at(whole, index, x)
    return whole


def _pad(x: Array, *, pad_width: Any) -> Array:
    """Return x with zeros around it."""
    return np.pad(x, pad_width)


def _pad_transposed(ct: Array, x: Array, *, pad_width: Any) -> Array:
    widths = np.broadcast_to(np.asarray(pad_width), (x.ndim, 2))
    return ct[
        tuple(slice(int(lo), int(lo) + n) for (lo, _), n in zip(widths, x.shape, strict=True))
    ]


# fmt: off
sum          = linear("sum", _sum, _sum_transposed,
                       c_reduces=("0", "{0} + {1}", "{0}"),
                       notation=symbol.TOTAL, steps=steps.along_axes, forms=forms.REDUCING,
                      samples=REDUCED, numpy=(np.sum,))
average      = linear("average", digits.average, _average_transposed,
                       c_reduces=("0", "{0} + {1}", "{0} / {count}"), notation=function("average"),
                      forms=forms.REDUCING, samples=REDUCED)
cumsum       = linear("cumsum", _cumsum, _cumsum_transposed, notation=function("cumsum"), numpy=(np.cumsum,),
                      c_scans="{0} + {1}", forms=dict(axis=forms.along),
                      samples=cases([(2, 3), dict(axis=1)], [(4,), dict(axis=0)], [(2, 3)], [(2, 3, 2), dict(axis=-2)]))
astype       = linear("astype", _astype, _astype_transposed, notation=function("astype", parameters=("dtype",)),
                      forms=dict(dtype=forms.float_type), analytic=False,
                      samples=cases([(2, 3), dict(dtype=np.dtype(float))], [(), dict(dtype=np.dtype(float))]))
reshape      = linear("reshape", _reshape, lambda ct, x, shape: ct.reshape(x.shape), notation=symbol.RESHAPE,
                      steps=steps.of_reshape, numpy=(np.reshape,), forms=dict(shape=forms.sizes),
                      samples=cases([(2, 3), dict(shape=(3, 2))], [(2, 3), dict(shape=(-1,))],
                                    [(), dict(shape=(1, 1))]))
transpose    = linear("transpose", _transpose, _transpose_transposed, notation=symbol.TRANSPOSE,
                      steps=steps.of_transpose, numpy=(np.transpose,), forms=dict(axes=forms.order),
                      samples=cases([(2, 3)], [(2, 3, 4), dict(axes=(1, 2, 0))], [(2, 3, 4), dict(axes=(-1, 0, 1))]))
broadcast_to = linear("broadcast_to", _broadcast_to, _broadcast_to_transposed,
                      notation=function("broadcast", parameters=("shape",)), steps=steps.of_broadcast,
                      numpy=(np.broadcast_to,), forms=dict(shape=forms.sizes),
                      samples=cases([(3,), dict(shape=(2, 3))], [(2, 1), dict(shape=(4, 2, 3))],
                                    [(), dict(shape=(2,))]))
getitem      = linear("getitem", _getitem, lambda ct, x, index: scatter(ct, index=index, shape=x.shape),
                      notation=symbol.ITEM, is_part=True, steps=steps.of_part, forms=dict(index=forms.part),
                      samples=cases([(3, 2), dict(index=1)],
                                    [(4, 3), dict(index=(slice(1, None, 2), slice(None, None, -1)))],
                                    [(2, 3), dict(index=(Ellipsis, None, 1))]))
scatter      = linear("scatter", _scatter, lambda ct, x, index, shape: getitem(ct, index=index),
                      notation=function("scatter", parameters=("index", "shape")),
                      forms=dict(index=forms.part, shape=forms.sizes),
                      samples=cases([(2,), dict(index=1, shape=(3, 2))],
                                    [(2, 3), dict(index=(slice(1, None, 2),), shape=(4, 3))]))
gather       = linear("gather", _gather, lambda ct, x, index: scatter_add(ct, index=index, shape=x.shape),
                      notation=symbol.ITEM, is_part=True, add_part=digits.add_at, forms=dict(index=forms.entries),
                      samples=cases([(4, 3), dict(index=np.array([2, 0, 2]))],
                                    [(3, 4), dict(index=(np.array([0, 2, 0]), np.array([1, 3, 1])))],
                                    [(2, 3), dict(index=np.array([[True, False, True], [False, True, True]]))]))
scatter_add  = linear("scatter_add", _scatter_add, lambda ct, x, index, shape: gather(ct, index=index),
                      notation=function("scatter_add", parameters=("index", "shape")),
                      forms=dict(index=forms.entries, shape=forms.sizes),
                      samples=cases([(3, 2), dict(index=np.array([1, 0, 1]), shape=(2, 2))]))
pad          = linear("pad", _pad, _pad_transposed, notation=function("pad", parameters=("pad_width",)),
                      forms=dict(pad_width=forms.widths),
                      samples=cases([(2, 3), dict(pad_width=1)], [(2, 3), dict(pad_width=((0, 1), (2, 0)))]))
sliding_windows = linear("sliding_windows", windows.sliding_windows,
        lambda ct, x, **windows: overlap_add(ct, **windows, shape=x.shape),
        notation=function("windows", parameters=("window_shape",)), numpy=(sliding_window_view,),
        forms=dict(window_shape=forms.sizes, axis=forms.apart, stride=forms.above_0, dilation=forms.above_0),
        samples=cases([(5,), dict(window_shape=2)], [(4, 5), dict(window_shape=(2, 3))],
                      [(2, 5, 3), dict(window_shape=3, axis=1)],
                      [(8, 2, 7), dict(window_shape=(2, 3), axis=(-1, 0), stride=(2, 3), dilation=(3, 1))]))
overlap_add  = linear("overlap_add", windows.overlap_add,
        lambda ct, x, shape, **windows: sliding_windows(ct, **windows),
        notation=function("overlap_add", parameters=("shape",)),
        forms=dict(window_shape=forms.sizes, axis=forms.order, stride=forms.above_0, dilation=forms.above_0,
                   shape=forms.sizes),
        samples=cases([(4, 2), dict(window_shape=2, shape=(5,))],
                      [(2, 3, 3, 3), dict(window_shape=3, axis=1, shape=(2, 5, 3))],
                      [(2, 2, 3), dict(window_shape=3, axis=0, stride=4, dilation=2, shape=(10, 2))]))
# fmt: on

# --- joins --------------------------------------------------------------------------------------


def _concatenate(*xs: Array, axis: Any = 0) -> Array:
    """Return arrays joined along an axis that they have."""
    if axis is None:
        raise TypeError("axis=None is not provided; ravel what is to be joined")
    return np.concatenate(xs, axis)


def _concatenate_pieces(shapes: Sequence[tuple[int, ...]], axis: Any = 0) -> Any:
    lead = (slice(None),) * (axis % len(shapes[0]))
    ends = np.cumsum([shape[axis] for shape in shapes]).tolist()
    return [(*lead, slice(lo, hi)) for lo, hi in zip([0, *ends], ends, strict=False)]


def _stack(*xs: Array, axis: Any = 0) -> Array:
    """Return arrays joined along a new axis."""
    if axis == 0:
        try:
            return np.array(xs)  # the same in half the time or less
        except ValueError:
            pass  # np.stack says what does not fit
    return np.stack(xs, axis)


def _stack_pieces(shapes: Sequence[tuple[int, ...]], axis: Any = 0) -> Any:
    if axis == 0:
        return range(len(shapes))
    lead = (slice(None),) * (axis % (len(shapes[0]) + 1))
    return [(*lead, k) for k in range(len(shapes))]


# fmt: off
concatenate = join("concatenate", _concatenate, _concatenate_pieces, notation=function("concatenate"),
                   numpy=(np.concatenate,),
                   samples=cases([(2, 3), (1, 3)], [(2, 1), (2, 3), (2, 2), dict(axis=-1)], [(3,)]))
stack       = join("stack", _stack, _stack_pieces, notation=function("stack"), numpy=(np.stack,),
                   samples=cases([(2, 3), (2, 3)], [(2,), (2,), (2,), dict(axis=-1)], [()]))
# fmt: on

# --- reductions ---------------------------------------------------------------------------------


def _max(x: Array, *, axis: Any = None, keepdims: bool = False) -> Array:
    """Return the largest entry along the axes (all if None); ties share the gradient evenly."""
    return np.max(x, axis=axis, keepdims=keepdims)


def _shared(chosen: Array, axis: Any) -> Array:
    """Return equal shares of 1 for the chosen entries along the axes."""
    return chosen / sum(chosen, axis=axis, keepdims=True)


def _weights(x: Array, y: Array, axis: Any) -> Array:
    """Return exp(x) / Σ exp(x), where y is log Σ exp(x) along the axes.

    The sum of exp(x - y) is 1, but for the rounding of a large y: the division takes that out.
    """
    below = x - y
    if _is_expression(below):  # an expression, which does not round
        return exp(below)
    is_all = (x == y) & (y == np.inf)  # an infinite entry has all the weight
    e = exp(where(is_all, zero(x), below) if np.any(is_all) else below)
    return e / sum(e, axis=axis, keepdims=True)


# Ties of max share evenly; the gradient of the norm at 0 is 0, as in PyTorch.
# fmt: off
max       = reduction("max", _max, lambda x, y, axis: _shared(where(x == y, one(x), zero(x)), axis),

                       c_reduces=("-INFINITY", "real_max({0}, {1})", "{0}"),
                       notation=function("max", r"\max"), samples=REDUCED, analytic=False, numpy=(np.max,),
                      scale=_masked)
logsumexp = reduction("logsumexp", digits.logsumexp, _weights,
                       c_reduces=("-INFINITY", "real_logaddexp({0}, {1})", "{0}"),
                       notation=function("logsumexp"), samples=REDUCED)
norm      = reduction("norm", digits.norm, lambda x, y, axis: ratio(x, y),

                       c_reduces=("0", "M(hypot)({0}, {1})", "{0}"),
                       notation=Notation("‖{0}‖", r"\left\lVert {0} \right\rVert"), samples=REDUCED, scale=_masked)
# fmt: on

# --- the cut ------------------------------------------------------------------------------------


def _stop_gradient(x: Array) -> Array:
    """Pass a value on; no gradient comes back."""
    return x


stop_gradient = cut(
    "stop_gradient", _stop_gradient, notation=function("stop", code="{0}"), samples=UNARY
)

TABLE: dict[str, Primitive] = {
    name: entry for name, entry in list(globals().items()) if isinstance(entry, Primitive)
}
