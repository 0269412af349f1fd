"""An autodiff engine that shows its work.

>>> import tinygrad_lstm as tg
>>> x = tg.Tensor([1.0, 2.0], requires_grad=True, name="x")
>>> loss = tg.sum(tg.tanh(x) * x)
>>> loss.backward()
>>> x.grad.round(4)
array([1.1816, 1.1053])
"""

from importlib import import_module
from typing import TYPE_CHECKING

# fmt: off
# isort: off
from . import nn, optim
from .drawing.draw import draw
from .engine.differentiate import grad, jvp
from .engine.functions import (
    clip, dot, expand_dims, getitem, log_softmax, mean, min, moveaxis, outer, ravel, softmax,
    split, square, squeeze, std, swapaxes, unstack, var,
)
from .engine.memory import keep_freed_memory
from .engine.place import enable_grad, no_grad, scope, steps
from .engine.primitives import (
    TABLE, abs, add, broadcast_to, concatenate, cos, divide, exp, gather, hadamard, log,
    logsumexp, matmul, max, maximum, minimum, negative, norm, overlap_add, pad, power, relu,
    reshape, scatter, scatter_add, sigmoid, sign, sin, sliding_windows, softplus, sqrt, stack,
    stop_gradient, subtract, sum, tanh, transpose, where,
)
from .engine.symbol import Symbol
from .engine.tensor import Tensor
from .errors import (
    ArgumentError, ChangedError, DetachError, DTypeError, FileError, GradientError,
    OutOfRangeError, PackageError, RenderError, ShapeError, SignalError, TinygradError,
    UsageError,
)
from .formulas.explain import explain
from .network.graph import Graph, graph
from .network.signals import signals
# isort: on
# fmt: on

if TYPE_CHECKING:
    from . import check as check
    from . import derivations as derivations
    from . import interop as interop
    from .check.adequacy import adequacy as adequacy
    from .check.compare import compare as compare
    from .check.gradcheck import gradcheck as gradcheck
    from .engine import fft as fft
    from .engine import linalg as linalg
    from .engine.jacobians import hessian as hessian
    from .engine.jacobians import hvp as hvp
    from .engine.jacobians import jacobian as jacobian
    from .engine.jacobians import vjp as vjp

keep_freed_memory()
multiply = hadamard
tensor = Tensor
__version__ = "0.1.0"

# fmt: off
__all__ = [
    "TABLE",
    "ArgumentError",
    "ChangedError",
    "DTypeError",
    "DetachError",
    "FileError",
    "GradientError",
    "Graph",
    "OutOfRangeError",
    "PackageError",
    "RenderError",
    "ShapeError",
    "SignalError",
    "Symbol",
    "Tensor",
    "TinygradError",
    "UsageError",
    "abs",
    "add",
    "adequacy",
    "broadcast_to",
    "check",
    "clip",
    "compare",
    "concatenate",
    "cos",
    "derivations",
    "divide",
    "dot",
    "draw",
    "enable_grad",
    "errors",
    "exp",
    "expand_dims",
    "explain",
    "fft",
    "gather",
    "getitem",
    "grad",
    "gradcheck",
    "graph",
    "hadamard",
    "hessian",
    "hvp",
    "interop",
    "jacobian",
    "jvp",
    "linalg",
    "log",
    "log_softmax",
    "logsumexp",
    "matmul",
    "max",
    "maximum",
    "mean",
    "min",
    "minimum",
    "moveaxis",
    "multiply",
    "negative",
    "nn",
    "no_grad",
    "norm",
    "optim",
    "outer",
    "overlap_add",
    "pad",
    "power",
    "ravel",
    "relu",
    "reshape",
    "scatter",
    "scatter_add",
    "scope",
    "sigmoid",
    "sign",
    "signals",
    "sin",
    "sliding_windows",
    "softmax",
    "softplus",
    "split",
    "sqrt",
    "square",
    "squeeze",
    "stack",
    "std",
    "steps",
    "stop_gradient",
    "subtract",
    "sum",
    "swapaxes",
    "tanh",
    "tensor",
    "transpose",
    "unstack",
    "var",
    "vjp",
    "where",
]
# fmt: on

# what is loaded when it is first asked for, which halves the time that the package takes to import
_SUBJECTS = {
    "check": "check", "derivations": "derivations", "fft": "engine.fft", "interop": "interop",
    "linalg": "engine.linalg",
}  # fmt: skip
_LATER = {
    "adequacy": "check.adequacy", "compare": "check.compare", "gradcheck": "check.gradcheck",
    "hessian": "engine.jacobians", "hvp": "engine.jacobians", "jacobian": "engine.jacobians",
    "vjp": "engine.jacobians",
}  # fmt: skip

if not TYPE_CHECKING:

    def __getattr__(name):
        if name not in _LATER and name not in _SUBJECTS:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module = import_module(f".{_SUBJECTS.get(name) or _LATER[name]}", __name__)
        globals()[name] = value = module if name in _SUBJECTS else getattr(module, name)
        return value


def __dir__() -> list[str]:
    return [*__all__]
