"""The table of ONNX' operators without a state: from inputs to outputs.

Knows the operators by subject; no files, no layers. Operands are Tensors, or arrays of shapes, of
indices and of truth values. Attributes are the keywords of a function. Source: ONNX's
documentation, the page Operators, from operator set 13 on.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from typing import Any

from .onnx_elementwise import ELEMENTWISE
from .onnx_reductions import REDUCTIONS
from .onnx_resize import NEAREST, resize
from .onnx_shapes import SHAPES
from .onnx_windows import WINDOWS

OPERATORS: dict[str, Callable[..., Any]] = {
    **ELEMENTWISE, **SHAPES, **REDUCTIONS, **WINDOWS, "Resize": resize,
}  # fmt: skip
# of operators with several outputs, the most that are covered
OUTPUTS = {"Split": sys.maxsize, "TopK": 2, "LayerNormalization": 3, "SoftmaxCrossEntropyLoss": 2}
# the values of an attribute that are covered, where not all are
_PADDING = ("", "NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER")
ALLOWED: dict[tuple[str, str], tuple[Any, ...]] = {
    **{(name, "auto_pad"): _PADDING
       for name in ("Conv", "ConvTranspose", "MaxPool", "AveragePool", "LpPool")},
    ("Attention", "softcap"): (0.0,),
    ("BatchNormalization", "training_mode"): (0,),
    ("DepthToSpace", "mode"): ("DCR", "CRD"),
    ("Gelu", "approximate"): ("none", "tanh"),
    ("Pad", "mode"): ("constant", "edge", "reflect", "wrap"),
    ("Resize", "antialias"): (0,),
    ("Resize", "coordinate_transformation_mode"):
        ("half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"),
    ("Resize", "keep_aspect_ratio_policy"): ("stretch",),
    ("Resize", "mode"): ("nearest", "linear", "cubic"),
    ("Resize", "nearest_mode"): tuple(NEAREST),
    ("ScatterElements", "reduction"): ("none", "add"),
    ("ScatterND", "reduction"): ("none", "add"),
}  # fmt: skip
# the inputs that no training changes: measured means and variances, bounds; exponents of one number
UNTRAINED = {
    "BatchNormalization": (3, 4),
    "Clip": (1, 2),
    "Pad": (2,),
    "Pow": (1,),
    "Resize": (1, 2),
}
PARTS = "parts"  # the keyword that takes the number of a node's outputs


def most_inputs(operator: Callable[..., Any]) -> int:
    """Return how many inputs are covered of an operator."""
    code = getattr(operator, "__code__", None)
    is_open = code is None or code.co_flags & inspect.CO_VARARGS
    return sys.maxsize if code is None or is_open else int(code.co_argcount)


def attributes(operator: Callable[..., Any]) -> frozenset[str]:
    """Return the names of the attributes that are covered of an operator."""
    code = getattr(operator, "__code__", None)
    if code is None:
        return frozenset()
    first = code.co_argcount
    return frozenset(code.co_varnames[first : first + code.co_kwonlyargcount])
