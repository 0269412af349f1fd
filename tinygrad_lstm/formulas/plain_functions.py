"""Functions that a program printed from a derivation may need beside NumPy's own.

Each is written into the programs that call it, so each needs NumPy alone. They are the plain forms,
as people write them by hand; the primitives of the table keep more digits at extreme values.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call"
from __future__ import annotations

import numpy as np


def sigmoid(x, out):
    np.multiply(x, 0.5, out=out)  # σ(x) = ½ tanh(½ x) + ½
    np.tanh(out, out=out)
    out *= 0.5
    out += 0.5
    return out


def softplus(x):
    return np.logaddexp(0, x)


def relu(x):
    return np.maximum(x, 0)


def leaky_relu(x, slope):
    return np.where(x > 0, x, slope * x)


def erf(x):
    from math import erf

    return np.vectorize(erf, otypes=[x.dtype])(x)


def erfc(x):
    from math import erfc

    return np.vectorize(erfc, otypes=[x.dtype])(x)


def finite(x, nan, above, below):
    return np.where(np.isfinite(x), x, np.where(x > 0, above, np.where(x < 0, below, nan)))


def ratio(a, b):
    return np.where(b == 0, 0, a / np.where(b == 0, 1, b))


def mask(x, share):
    return np.where(share, x, 0) * share


def logsumexp(x, axis=None, keepdims=False):
    most = np.max(x, axis=axis, keepdims=True)
    y = most + np.log(np.sum(np.exp(x - most), axis=axis, keepdims=True))
    return y if keepdims else np.squeeze(y, axis=axis)


def softmax(x, axis):
    y = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return y / np.sum(y, axis=axis, keepdims=True)


def log_softmax(x, axis):
    y = x - np.max(x, axis=axis, keepdims=True)
    return y - np.log(np.sum(np.exp(y), axis=axis, keepdims=True))


def gaps(v):
    away = v[..., None, :] - v[..., :, None]
    return np.where(away == 0, 0, 1 / np.where(away == 0, 1, away))


def norm(x, axis=None, keepdims=False):
    return np.sqrt(np.sum(x * x, axis=axis, keepdims=keepdims))


def average(x, axis=None, keepdims=False):
    return np.mean(x, axis=axis, keepdims=keepdims)


def astype(x, dtype):
    return np.asarray(x, dtype)


def getitem(x, index):
    return x[index]


def gather(x, index):
    return x[index]


def scatter(x, index, shape, dtype=float):
    whole = np.zeros(shape, dtype)
    whole[index] = x
    return whole


def scatter_add(x, index, shape, dtype=float):
    whole = np.zeros(shape, dtype)
    np.add.at(whole, index, x)
    return whole


def pad(x, pad_width):
    return np.pad(x, pad_width)


def sliding_windows(x, window_shape, axis=None, stride=1, dilation=1):
    sizes = np.atleast_1d(window_shape)
    axes = range(x.ndim) if axis is None else np.atleast_1d(axis) % x.ndim
    strides, gaps = np.broadcast_to(stride, len(sizes)), np.broadcast_to(dilation, len(sizes))
    spans = tuple((sizes - 1) * gaps + 1)
    windows = np.lib.stride_tricks.sliding_window_view(x, spans, tuple(axes))
    starts = [slice(None)] * x.ndim
    for at, step in zip(axes, strides):
        starts[at] = slice(None, None, step)
    return windows[(*starts, *(slice(None, None, gap) for gap in gaps))]


def overlap_add(x, shape, **windows):
    places = sliding_windows(np.arange(np.prod(shape)).reshape(shape), **windows)
    return np.bincount(places.ravel(), x.ravel(), np.prod(shape)).reshape(shape).astype(x.dtype)
