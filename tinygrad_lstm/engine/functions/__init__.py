"""Functions composed of primitives, and the names under which NumPy knows them.

Knows the table and nothing of Tensors. A module holds one subject: `reductions`, `shapes` and
`products` are what layers use; those named in `LATER` are loaded when they are first asked for.
Each says in its ``NUMPY`` which of NumPy's functions it stands for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from operator import attrgetter
from typing import Any

import numpy as np

from ..primitives import TABLE
from ..symbol import Symbol
from . import products, reductions, shapes
from .products import dot, outer, square
from .reductions import log_softmax, mean, min, prod, softmax, std, var
from .shapes import (
    expand_dims,
    getitem,
    matrix_transpose,
    moveaxis,
    ravel,
    split,
    squeeze,
    swapaxes,
    unstack,
)

__all__ = [
    "LATER", "NUMPY", "OF_FORM", "PLAIN", "dot", "expand_dims", "getitem", "log_softmax",
    "matrix_transpose", "mean", "min", "moveaxis", "ours_for", "outer", "prod", "ravel", "softmax",
    "split", "square", "squeeze", "std", "swapaxes", "unstack", "var",
]  # fmt: skip

_LATER = {
    "activations": "celu elu gelu hard_sigmoid hard_swish hard_tanh leaky_relu log_sigmoid mish "
    "relu6 selu silu softsign",
    "arrangements": "array_split delete flip fliplr flipud median partition repeat roll rollaxis "
    "rot90 sort take take_along_axis tile",
    "attentions": "attention",
    "choices": "dropout embedding one_hot",
    "contractions": "cross einsum inner kron tensordot vdot vecdot",
    "convolutions": "conv1d conv2d convolution transposed_convolution",
    "diagonals": "diag diagflat diagonal trace tril triu",
    "elementary": "ceil clip degrees floor_divide logaddexp2 nan_to_num radians reciprocal round "
    "sinc trunc",
    "joins": "append array atleast_1d atleast_2d atleast_3d broadcast_arrays column_stack dstack "
    "full full_like hstack linspace select vstack",
    "normalizations": "batch_norm group_norm layer_norm rms_norm",
    "norms": "matrix_norm vector_norm",
    "paddings": "pad",
    "pooling": "average_pool max_pool",
    "scans": "cumprod diff gradient trapezoid",
}
LATER = {name: subject for subject, names in _LATER.items() for name in names.split()}


def _functions(ours: Mapping[str, Callable[..., Any]]) -> dict[Any, Callable[..., Any]]:
    """Return our functions by the functions of this NumPy that they stand for."""
    named = {}
    for name, function in ours.items():
        try:
            named[attrgetter(name)(np)] = function
        except AttributeError:  # an older NumPy
            continue
    return named


# NumPy's function -> ours, of the subjects that are loaded
NUMPY: dict[Any, Callable[..., Any]] = {
    known: primitive for primitive in TABLE.values() for known in primitive.numpy
}
for _subject in (reductions, shapes, products):
    NUMPY |= _functions(_subject.NUMPY)
_OF_NUMPY = {"numpy.linalg": "..linalg", "numpy.fft": "..fft"}
_OF_NETWORKS = {  # of which NumPy has none
    "activations", "attentions", "choices", "convolutions", "normalizations", "pooling",
}  # fmt: skip
_waiting = [subject for subject in _LATER if subject not in _OF_NETWORKS]


def ours_for(function: Any) -> Callable[..., Any] | None:
    """Return our function for one of NumPy's, or None if there is none."""
    ours = NUMPY.get(function)
    subject = _OF_NUMPY.get(getattr(function, "__module__", ""))
    if ours is None and subject is not None:
        NUMPY.update(import_module(subject, __name__).NUMPY)
        ours = NUMPY.get(function)
    while ours is None and _waiting:
        NUMPY.update(_functions(import_module(f".{_waiting.pop()}", __name__).NUMPY))
        ours = NUMPY.get(function)
    return ours


def __getattr__(name: str) -> Any:
    if name not in LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    function = getattr(import_module(f".{LATER[name]}", __name__), name)
    globals()[name] = function
    return function


# NumPy's functions whose answers are truth values, shapes or text: they carry no gradient to lose
OF_FORM = {
    np.shape, np.ndim, np.size, np.iscomplexobj, np.isrealobj,
    np.zeros_like, np.ones_like, np.empty_like,
}  # fmt: skip
PLAIN = OF_FORM | {
    np.greater, np.greater_equal, np.less, np.less_equal, np.equal, np.not_equal,
    np.isfinite, np.isnan, np.isinf, np.signbit, np.logical_and, np.logical_or, np.logical_not,
    np.array_repr, np.array_str, np.array2string,
    np.isclose, np.allclose, np.array_equal, np.array_equiv,
    np.isreal, np.iscomplex, np.isneginf, np.isposinf, np.logical_xor, np.result_type,
    np.can_cast, np.min_scalar_type, np.common_type, np.imag, np.angle,
    np.argmax, np.argmin, np.argsort, np.argpartition,
    np.argwhere, np.nonzero, np.flatnonzero, np.searchsorted, np.digitize, np.count_nonzero,
    np.any, np.all,
}  # fmt: skip

Symbol.ours_for = staticmethod(ours_for)
