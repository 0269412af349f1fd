"""An autodiff engine that shows its work.

>>> import tinygrad_lstm as tg
>>> x = tg.Tensor([1.0, 2.0], requires_grad=True, name="x")
>>> loss = tg.sum(tg.tanh(x) * x)
>>> loss.backward()
>>> x.grad.round(4)
array([1.1816, 1.1053])
"""

from importlib import import_module
from typing import Any

from . import nn as nn
from . import optim as optim
from .differentiate import grad as grad
from .differentiate import jvp as jvp
from .draw import draw as draw
from .errors import ArgumentError as ArgumentError
from .errors import ChangedError as ChangedError
from .errors import DetachError as DetachError
from .errors import DTypeError as DTypeError
from .errors import FileError as FileError
from .errors import GradientError as GradientError
from .errors import OutOfRangeError as OutOfRangeError
from .errors import PackageError as PackageError
from .errors import RenderError as RenderError
from .errors import ShapeError as ShapeError
from .errors import SignalError as SignalError
from .errors import TinygradError as TinygradError
from .errors import UsageError as UsageError
from .explain import explain as explain
from .functions import clip as clip
from .functions import dot as dot
from .functions import expand_dims as expand_dims
from .functions import getitem as getitem
from .functions import log_softmax as log_softmax
from .functions import mean as mean
from .functions import min as min
from .functions import moveaxis as moveaxis
from .functions import outer as outer
from .functions import ravel as ravel
from .functions import softmax as softmax
from .functions import split as split
from .functions import square as square
from .functions import squeeze as squeeze
from .functions import std as std
from .functions import swapaxes as swapaxes
from .functions import unstack as unstack
from .functions import var as var
from .graph import Graph as Graph
from .graph import graph as graph
from .memory import keep_freed_memory
from .place import enable_grad as enable_grad
from .place import no_grad as no_grad
from .place import scope as scope
from .place import steps as steps
from .primitives import TABLE as TABLE
from .primitives import abs as abs
from .primitives import add as add
from .primitives import broadcast_to as broadcast_to
from .primitives import concatenate as concatenate
from .primitives import cos as cos
from .primitives import divide as divide
from .primitives import exp as exp
from .primitives import gather as gather
from .primitives import hadamard as hadamard
from .primitives import log as log
from .primitives import logsumexp as logsumexp
from .primitives import matmul as matmul
from .primitives import max as max
from .primitives import maximum as maximum
from .primitives import minimum as minimum
from .primitives import negative as negative
from .primitives import norm as norm
from .primitives import overlap_add as overlap_add
from .primitives import pad as pad
from .primitives import power as power
from .primitives import relu as relu
from .primitives import reshape as reshape
from .primitives import scatter as scatter
from .primitives import scatter_add as scatter_add
from .primitives import sigmoid as sigmoid
from .primitives import sign as sign
from .primitives import sin as sin
from .primitives import sliding_windows as sliding_windows
from .primitives import softplus as softplus
from .primitives import sqrt as sqrt
from .primitives import stack as stack
from .primitives import stop_gradient as stop_gradient
from .primitives import subtract as subtract
from .primitives import sum as sum
from .primitives import tanh as tanh
from .primitives import transpose as transpose
from .primitives import where as where
from .symbol import Symbol as Symbol
from .tensor import Tensor as Tensor

keep_freed_memory()
multiply = hadamard
tensor = Tensor
__version__ = "0.1.0"

# what is loaded when it is first asked for: half of the package's time to import
_LATER = {
    "check": "", "derivations": "", "interop": "", "adequacy": "check", "compare": "check",
    "gradcheck": "check",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(f".{_LATER[name] or name}", __name__)
    globals()[name] = found = getattr(module, name) if _LATER[name] else module
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})
