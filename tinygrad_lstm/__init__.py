"""An autodiff engine that shows its work.

>>> import tinygrad_lstm as tg
>>> x = tg.Tensor([1.0, 2.0], requires_grad=True, name="x")
>>> loss = tg.sum(tg.tanh(x) * x)
>>> loss.backward()
>>> x.grad.round(4)
array([1.1816, 1.1053])
"""

import os as _os
import sys
from importlib import import_module
from typing import TYPE_CHECKING

# fmt: off
# isort: off
from . import interruption as interruption  # before NumPy
from . import nn
from .engine.differentiate import grad, jvp
from .engine.functions import (
    LATER as _OF_SUBJECTS, dot, expand_dims, getitem, log_softmax, matrix_transpose, mean, min,
    moveaxis, outer, prod, ravel, softmax, split, square, squeeze, std, swapaxes, unstack, var,
)
from .engine.memory import ASKED as _ASKED, keep_freed_memory
from .engine.other_names import FUNCTIONS, unknown
from .engine.place import enable_grad, no_grad, scope, steps
from .engine.primitives import (
    TABLE, abs, add, arccos, arccosh, arcsin, arcsinh, arctan, arctan2, arctanh, astype,
    broadcast_to, concatenate, cos, cosh, cumsum, divide, erf, erfc, exp, exp2, expm1, floor,
    fmax, fmin, fmod, gather, hadamard, hypot, log, log1p, log2, log10, logaddexp, logsumexp,
    matmul, max, maximum, minimum, negative, norm, overlap_add, power, relu, remainder,
    reshape, rint, scatter, scatter_add, sigmoid, sign, sin, sinh, sliding_windows, softplus,
    sqrt, stack, stop_gradient, subtract, sum, tan, tanh, transpose, where,
)
from .engine.spelling import spell_what_is_unknown
from .engine.symbol import Symbol
from .engine.tensor import Tensor
from .errors import (
    ArgumentError, ChangedError, DetachError, DTypeError, FileError, GradientError,
    OutOfRangeError, PackageError, RenderError, ShapeError, SignalError, TinygradError,
    UsageError,
)

if TYPE_CHECKING:
    from . import check as check
    from . import derivations as derivations
    from . import interop as interop
    from . import optim as optim
    from . import tasks as tasks
    from . import train as train
    from .train import parallel as parallel
    from .check.adequacy import adequacy as adequacy
    from .check.audit import audit as audit
    from .check.compare import compare as compare
    from .check.gradcheck import gradcheck as gradcheck
    from .compiled.compiled import compile as compile
    from .drawing.draw import draw as draw
    from .engine.functions.activations import (
        celu as celu, elu as elu, gelu as gelu, hard_sigmoid as hard_sigmoid,
        hard_swish as hard_swish, hard_tanh as hard_tanh, leaky_relu as leaky_relu,
        log_sigmoid as log_sigmoid, mish as mish, relu6 as relu6, selu as selu, silu as silu,
        softsign as softsign,
    )
    from .engine.functions.arrangements import (
        array_split as array_split, delete as delete, flip as flip, fliplr as fliplr,
        flipud as flipud, median as median, partition as partition, repeat as repeat, roll as roll,
        rollaxis as rollaxis, rot90 as rot90, sort as sort, take as take,
        take_along_axis as take_along_axis, tile as tile,
    )
    from .engine.functions.attentions import attention as attention
    from .engine.functions.choices import (
        dropout as dropout, embedding as embedding, one_hot as one_hot,
    )
    from .engine.functions.contractions import (
        cross as cross, einsum as einsum, inner as inner, kron as kron, tensordot as tensordot,
        vdot as vdot, vecdot as vecdot,
    )
    from .engine.functions.convolutions import (
        conv1d as conv1d, conv2d as conv2d, convolution as convolution,
        transposed_convolution as transposed_convolution,
    )
    from .engine.functions.diagonals import (
        diag as diag, diagflat as diagflat, diagonal as diagonal, trace as trace, tril as tril,
        triu as triu,
    )
    from .engine.functions.elementary import (
        ceil as ceil, clip as clip, degrees as degrees, floor_divide as floor_divide,
        logaddexp2 as logaddexp2, nan_to_num as nan_to_num, radians as radians,
        reciprocal as reciprocal, round as round, sinc as sinc, trunc as trunc,
    )
    from .engine.functions.joins import (
        append as append, array as array, atleast_1d as atleast_1d, atleast_2d as atleast_2d,
        atleast_3d as atleast_3d, broadcast_arrays as broadcast_arrays,
        column_stack as column_stack, dstack as dstack, full as full, full_like as full_like,
        hstack as hstack, linspace as linspace, select as select, vstack as vstack,
    )
    from .engine.functions.normalizations import (
        batch_norm as batch_norm, group_norm as group_norm, layer_norm as layer_norm,
        rms_norm as rms_norm,
    )
    from .engine.functions.norms import (
        matrix_norm as matrix_norm, vector_norm as vector_norm,
    )
    from .engine.functions.pooling import (
        average_pool as average_pool, max_pool as max_pool,
    )
    from .engine.functions.paddings import pad as pad
    from .engine.functions.scans import (
        cumprod as cumprod, diff as diff, gradient as gradient, trapezoid as trapezoid,
    )
    from .engine import fft as fft
    from .engine import linalg as linalg
    from .engine.jacobians import gnvp as gnvp
    from .engine.jacobians import hessian as hessian
    from .engine.jacobians import hvp as hvp
    from .engine.jacobians import jacobian as jacobian
    from .engine.jacobians import vjp as vjp
    from .formulas.derive import derive as derive
    from .formulas.explain import explain as explain
    from .network.graph import Graph as Graph
    from .network.graph import graph as graph
    from .network.signals import signals as signals
    from .page.show import show as show
    from .train.cull import cull as cull
    from .train.ledger import ledger as ledger
    from .train.watch import watch as watch
# isort: on
# fmt: on

if _os.environ.get(_ASKED, "0") not in ("", "0"):
    keep_freed_memory()
spell_what_is_unknown(sys.stdout)
multiply = hadamard
tensor = Tensor
__version__ = "0.1.0"

# fmt: off
__all__ = [
    "TABLE", "ArgumentError", "ChangedError", "DTypeError", "DetachError", "FileError",
    "GradientError", "Graph", "OutOfRangeError", "PackageError", "RenderError", "ShapeError",
    "SignalError", "Symbol", "Tensor", "TinygradError", "UsageError", "abs", "add", "adequacy",
    "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2", "arctanh", "astype", "audit",
    "broadcast_to", "check", "compare", "compile", "concatenate", "cos", "cosh", "cull", "cumsum",
    "derivations", "derive", "divide", "dot", "draw", "enable_grad", "erf", "erfc", "errors", "exp",
    "exp2", "expand_dims", "explain", "expm1", "fft", "floor", "fmax", "fmin", "fmod", "gather",
    "getitem", "gnvp", "grad", "gradcheck", "graph", "hadamard", "hessian", "hvp", "hypot",
    "interop", "jacobian", "jvp", "keep_freed_memory", "ledger", "linalg", "log", "log1p", "log2",
    "log10", "log_softmax", "logaddexp", "logsumexp", "matmul", "matrix_transpose", "max",
    "maximum", "mean", "min", "minimum", "moveaxis", "multiply", "negative", "nn", "no_grad",
    "norm", "optim", "outer", "overlap_add", "parallel", "power", "prod", "ravel", "relu",
    "remainder", "reshape", "rint", "scatter", "scatter_add", "scope", "show", "sigmoid", "sign",
    "signals", "sin", "sinh", "sliding_windows", "softmax", "softplus", "split", "sqrt", "square",
    "squeeze", "stack", "std", "steps", "stop_gradient", "subtract", "sum", "swapaxes", "tan",
    "tanh", "tasks", "tensor", "train", "transpose", "unstack", "var", "vjp", "watch", "where",
]
# fmt: on

# what is loaded when it is first asked for, which halves the time that the package takes to import
_SUBJECTS = {
    "check": "check", "derivations": "derivations", "fft": "engine.fft", "interop": "interop",
    "linalg": "engine.linalg", "optim": "optim", "tasks": "tasks", "train": "train",
    "parallel": "train.parallel",
}  # fmt: skip
_LATER = {
    "Graph": "network.graph", "adequacy": "check.adequacy", "audit": "check.audit",
    "compare": "check.compare",
    "compile": "compiled.compiled", "cull": "train.cull",
    "derive": "formulas.derive", "draw": "drawing.draw", "explain": "formulas.explain",
    "gnvp": "engine.jacobians", "gradcheck": "check.gradcheck", "graph": "network.graph",
    "hessian": "engine.jacobians",
    "hvp": "engine.jacobians", "jacobian": "engine.jacobians", "ledger": "train.ledger",
    "show": "page.show", "signals": "network.signals", "vjp": "engine.jacobians",
    "watch": "train.watch",
} | {name: f"engine.functions.{subject}" for name, subject in _OF_SUBJECTS.items()}  # fmt: skip
__all__ += sorted(_OF_SUBJECTS)

# the modules in which a name that is not here is looked for, for the message
_HOMES = ("nn", "optim", "train", "tasks", "check", "interop")

if not TYPE_CHECKING:

    def _picture_in_notebook(shown):
        return import_module(".drawing.draw", __name__).in_notebook(shown)

    def __getattr__(name):
        if name not in _LATER and name not in _SUBJECTS:
            homes = () if name.startswith("_") else _HOMES
            homes = (import_module(f".{home}", __name__) for home in homes)
            raise unknown(f"module {__name__!r}", name, FUNCTIONS, homes)
        module = import_module(f".{_SUBJECTS.get(name) or _LATER[name]}", __name__)
        if name in ("Graph", "graph"):  # which shows itself by its picture
            module.Graph._repr_svg_ = _picture_in_notebook
        globals()[name] = value = module if name in _SUBJECTS else getattr(module, name)
        return value


def __dir__() -> list[str]:
    return sorted(__all__)
