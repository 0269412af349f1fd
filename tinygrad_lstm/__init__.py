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
from .drawing.draw import draw as draw
from .engine.differentiate import grad as grad
from .engine.differentiate import jvp as jvp
from .engine.functions import clip as clip
from .engine.functions import dot as dot
from .engine.functions import expand_dims as expand_dims
from .engine.functions import getitem as getitem
from .engine.functions import log_softmax as log_softmax
from .engine.functions import mean as mean
from .engine.functions import min as min
from .engine.functions import moveaxis as moveaxis
from .engine.functions import outer as outer
from .engine.functions import ravel as ravel
from .engine.functions import softmax as softmax
from .engine.functions import split as split
from .engine.functions import square as square
from .engine.functions import squeeze as squeeze
from .engine.functions import std as std
from .engine.functions import swapaxes as swapaxes
from .engine.functions import unstack as unstack
from .engine.functions import var as var
from .engine.memory import keep_freed_memory
from .engine.place import enable_grad as enable_grad
from .engine.place import no_grad as no_grad
from .engine.place import scope as scope
from .engine.place import steps as steps
from .engine.primitives import TABLE as TABLE
from .engine.primitives import abs as abs
from .engine.primitives import add as add
from .engine.primitives import broadcast_to as broadcast_to
from .engine.primitives import concatenate as concatenate
from .engine.primitives import cos as cos
from .engine.primitives import divide as divide
from .engine.primitives import exp as exp
from .engine.primitives import gather as gather
from .engine.primitives import hadamard as hadamard
from .engine.primitives import log as log
from .engine.primitives import logsumexp as logsumexp
from .engine.primitives import matmul as matmul
from .engine.primitives import max as max
from .engine.primitives import maximum as maximum
from .engine.primitives import minimum as minimum
from .engine.primitives import negative as negative
from .engine.primitives import norm as norm
from .engine.primitives import overlap_add as overlap_add
from .engine.primitives import pad as pad
from .engine.primitives import power as power
from .engine.primitives import relu as relu
from .engine.primitives import reshape as reshape
from .engine.primitives import scatter as scatter
from .engine.primitives import scatter_add as scatter_add
from .engine.primitives import sigmoid as sigmoid
from .engine.primitives import sign as sign
from .engine.primitives import sin as sin
from .engine.primitives import sliding_windows as sliding_windows
from .engine.primitives import softplus as softplus
from .engine.primitives import sqrt as sqrt
from .engine.primitives import stack as stack
from .engine.primitives import stop_gradient as stop_gradient
from .engine.primitives import subtract as subtract
from .engine.primitives import sum as sum
from .engine.primitives import tanh as tanh
from .engine.primitives import transpose as transpose
from .engine.primitives import where as where
from .engine.symbol import Symbol as Symbol
from .engine.tensor import Tensor as Tensor
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
from .formulas.explain import explain as explain
from .network.graph import Graph as Graph
from .network.graph import graph as graph
from .network.signals import signals as signals

keep_freed_memory()
multiply = hadamard
tensor = Tensor
__version__ = "0.1.0"

# what is loaded when it is first asked for, which halves the time that the package takes to import
_LATER = {
    "check": "", "derivations": "", "interop": "", "adequacy": "check.adequacy",
    "compare": "check.compare", "gradcheck": "check.gradcheck",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(f".{_LATER[name] or name}", __name__)
    globals()[name] = value = getattr(module, name) if _LATER[name] else module
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})
