"""Activations beside tanh, sigmoid, relu and softplus, which are in the table.

Knows the table and nothing of Tensors: like the primitives, these run on arrays, Tensors and
Symbols alike. At a kink that a maximum or a minimum makes, the slope is the mean of both sides.
"""

from __future__ import annotations

import math

from .. import primitives as p
from ..arguments import one_of, operand
from ..numerics import Array
from ..primitives import abs, erfc, expm1, maximum, minimum, negative, sigmoid, softplus, tanh


def gelu(x: Array, approximate: str = "none") -> Array:
    """Return x Φ(x), where Φ is the normal distribution; or by tanh, if approximate is "tanh"."""
    x = operand("gelu", x)
    if one_of("gelu: approximate", approximate, ("none", "tanh")) == "none":
        return x * (erfc(x * -math.sqrt(0.5)) * 0.5)
    inner = (x + 0.044715 * (x * x * x)) * math.sqrt(2.0 / math.pi)
    return x * (0.5 + 0.5 * tanh(inner))


def silu(x: Array) -> Array:
    """Return x σ(x), which is also called swish."""
    x = operand("silu", x)
    return x * sigmoid(x)


def mish(x: Array) -> Array:
    """Return x tanh(softplus(x))."""
    x = operand("mish", x)
    return x * tanh(softplus(x))


def elu(x: Array, alpha: float = 1.0) -> Array:
    """Return x where it is positive, else alpha (exp(x) - 1)."""
    x = operand("elu", x)
    return maximum(x, 0.0) + alpha * expm1(minimum(x, 0.0))


def selu(x: Array) -> Array:
    """Return elu, scaled to keep a mean of 0 and a variance of 1 (Klambauer et al., 2017)."""
    return 1.0507009873554805 * elu(x, 1.6732632423543772)


def celu(x: Array, alpha: float = 1.0) -> Array:
    """Return x where it is positive, else alpha (exp(x / alpha) - 1)."""
    x = operand("celu", x)
    return maximum(x, 0.0) + alpha * expm1(minimum(x, 0.0) / alpha)


def leaky_relu(x: Array, slope: Array = 0.01) -> Array:
    """Return x where it is positive, else slope ∘ x; the slope may be a Tensor (PReLU)."""
    return p.leaky_relu(x, slope)


def relu6(x: Array) -> Array:
    """Return x, but nowhere below 0 nor above 6."""
    return minimum(p.relu(x), 6.0)


def hard_sigmoid(x: Array, alpha: float = 1 / 6, beta: float = 0.5) -> Array:
    """Return alpha x + beta, but nowhere below 0 nor above 1."""
    return minimum(maximum(operand("hard_sigmoid", x) * alpha + beta, 0.0), 1.0)


def hard_tanh(x: Array, low: float = -1.0, high: float = 1.0) -> Array:
    """Return x, but nowhere below ``low`` nor above ``high``."""
    return minimum(maximum(operand("hard_tanh", x), low), high)


def hard_swish(x: Array) -> Array:
    """Return x ∘ hard_sigmoid(x)."""
    x = operand("hard_swish", x)
    return x * hard_sigmoid(x)


def log_sigmoid(x: Array) -> Array:
    """Return log σ(x), which keeps its digits on both sides."""
    return negative(softplus(negative(x)))


def softsign(x: Array) -> Array:
    """Return x / (1 + |x|)."""
    x = operand("softsign", x)
    return x / (1.0 + abs(x))
