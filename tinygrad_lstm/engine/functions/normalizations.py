"""Normalizations: entries less their mean, over their spread, along axes, in groups, over a batch.

Knows the table and nothing of Tensors: like the primitives, these run on arrays, Tensors and
Symbols alike. ``scale`` and ``shift`` are γ and β of the papers; None leaves them out.
"""

from __future__ import annotations

import math

from ...errors import ShapeError
from ..arguments import number, whole
from ..numerics import Array
from ..primitives import reshape, sqrt
from . import checked
from .checked import Axis
from .products import square
from .reductions import mean


def standardize(x: Array, axis: Axis = -1, eps: float = 1e-5) -> Array:
    """Return (x - μ) / √(σ² + eps), with the mean μ and the variance σ² along the axes."""
    x, axis = checked.floats_along("standardize", x, axis)
    eps = number("standardize: eps", eps, 0.0)
    away = x - mean(x, axis, keepdims=True)
    return away / sqrt(mean(square(away), axis, keepdims=True) + eps)


def layer_norm(
    x: Array, scale: Array = None, shift: Array = None, axis: Axis = -1, eps: float = 1e-5
) -> Array:
    """Return scale ∘ (x - μ) / √(σ² + eps) + shift, with μ and σ² of each entry of the batch.

    J. L. Ba, J. R. Kiros and G. E. Hinton, "Layer normalization", arXiv 1607.06450, 2016, eq. 4.

    Parameters
    ----------
    x : (..., D)
    scale, shift : (D,), or another shape that broadcasts to x's
    axis : int, or several
        Along which the mean and the variance are taken.
    """
    return _scale_and_shift(standardize(x, axis, eps), scale, shift)


def rms_norm(x: Array, scale: Array = None, axis: Axis = -1, eps: float = 1e-5) -> Array:
    """Return scale ∘ x / √(mean of x² + eps).

    B. Zhang and R. Sennrich, "Root mean square layer normalization", NeurIPS 2019, eq. 4.
    """
    x, axis = checked.floats_along("rms_norm", x, axis)
    eps = number("rms_norm: eps", eps, 0.0)
    return _scale_and_shift(x / sqrt(mean(square(x), axis, keepdims=True) + eps), scale, None)


def group_norm(
    x: Array, groups: int, scale: Array = None, shift: Array = None, eps: float = 1e-5
) -> Array:
    """Return x standardized over each group of channels and all that follows, scaled and shifted.

    Y. Wu and K. He, "Group normalization", ECCV 2018, eqs. 1 to 3. As many groups as channels are
    instance normalization.

    Parameters
    ----------
    x : (B, C, ...)
    groups : int
        C is a multiple of it.
    scale, shift : (C,)

    Raises
    ------
    ShapeError
        If C is no multiple of the groups.
    """
    x, groups = checked.array("group_norm", x), whole("group_norm: groups", groups, least=1)
    if len(x.shape) < 2 or x.shape[1] % groups:
        raise ShapeError(
            f"group_norm: found x of shape {x.shape}, expected (B, C, ...) with C a multiple of "
            f"{groups} groups"
        )
    B, C, *rest = x.shape
    y = standardize(reshape(x, shape=(B, groups, C // groups * math.prod(rest))), -1, eps)
    ndim = len(x.shape)
    y = reshape(y, shape=x.shape)
    return _scale_and_shift(y, along_axis(scale, 1, ndim), along_axis(shift, 1, ndim))


def batch_norm(
    x: Array, mean: Array, variance: Array, scale: Array = None, shift: Array = None,
    axis: int = 1, eps: float = 1e-5,
) -> Array:  # fmt: skip
    """Return scale ∘ (x - mean) / √(variance + eps) + shift, with a given mean and variance.

    S. Ioffe and C. Szegedy, "Batch normalization: accelerating deep network training by reducing
    internal covariate shift", ICML 2015, algorithm 1; and algorithm 2, line 11, in use.

    Parameters
    ----------
    x : (B, C, ...), or another layout with the channels along ``axis``
    mean, variance, scale, shift : (C,)
    """
    x = checked.array("batch_norm", x)
    axis, ndim = checked.one_axis("batch_norm", x, axis), len(x.shape)
    eps = number("batch_norm: eps", eps, 0.0)
    mean, variance = (checked.array("batch_norm", moment) for moment in (mean, variance))
    mean, variance, scale, shift = (
        along_axis(x, axis, ndim) for x in (mean, variance, scale, shift)
    )
    return _scale_and_shift((x - mean) / sqrt(variance + eps), scale, shift)


def along_axis(v: Array, axis: int, ndim: int) -> Array:
    """Return a vector as an array of several axes, which has its entries along one; None stays."""
    if v is None:
        return None
    v = checked.array("a normalization", v)
    if len(v.shape) != 1:
        raise ShapeError(f"a normalization: found shape {v.shape}, expected a vector")
    return reshape(v, shape=(1,) * axis + (v.shape[0],) + (1,) * (ndim - axis - 1))


def _scale_and_shift(x: Array, scale: Array, shift: Array) -> Array:
    """Return scale ∘ x + shift."""
    x = x if scale is None else x * scale
    return x if shift is None else x + shift
