"""The names that PyTorch has and this package has not, each with what to write here.

Knows names alone. Who asks for one of them gets an AttributeError that says what to write; who asks
for any other name gets Python's own message.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import Any

_NO_DEVICE = "leave it out: all numbers are in the memory of this machine"
_NEW = "a Tensor is not changed in place: write {} and use the result"

TENSOR = {
    "view": "x.reshape(…)", "view_as": "x.reshape(y.shape)", "permute": "x.transpose(…)",
    "t": "x.T", "unsqueeze": "tg.expand_dims(x, axis)", "expand": "tg.broadcast_to(x, shape)",
    "expand_as": "tg.broadcast_to(x, y.shape)", "contiguous": "x", "clone": "x",
    "cpu": _NO_DEVICE, "cuda": _NO_DEVICE, "device": _NO_DEVICE, "is_cuda": _NO_DEVICE,
    "to": "x.astype(dtype); there is no device", "double": "x.astype('float64')",
    "float": "x.astype('float32')", "half": "x.astype('float16')", "type": "x.astype(dtype)",
    "long": "x.numpy().astype(int)", "dim": "x.ndim", "numel": "x.size", "matmul": "x @ y",
    "mm": "x @ y", "bmm": "x @ y", "add": "x + y", "sub": "x - y", "mul": "x * y", "div": "x / y",
    "pow": "x ** y", "add_": _NEW.format("x + y"), "mul_": _NEW.format("x * y"),
    "zero_": "x.data = np.zeros(x.shape); for a gradient x.grad = None", "fill_": "x.data = …",
    "copy_": "x.data = …", "detach_": "x.detach()",
    "requires_grad_": "tg.Tensor(x.numpy(), requires_grad=True)", "is_leaf": "not x.inputs",
    "grad_fn": "x.primitive", "clamp": "x.clip(min, max)", "softmax": "tg.softmax(x)",
    "log_softmax": "tg.log_softmax(x)", "norm": "tg.norm(x)", "sort": "tg.sort(x)",
    "flip": "tg.flip(x, axis)", "unbind": "tg.unstack(x)", "chunk": "tg.array_split(x, count)",
    "split": "tg.split(x, count)", "index_select": "tg.take(x, indices, axis)",
    "masked_fill": "tg.where(mask, value, x)",
    "register_hook": "tg.signals(loss)[name].gradient, or x.retain_grad()",
}  # fmt: skip
MODULE = {
    "cpu": _NO_DEVICE, "cuda": _NO_DEVICE, "to": "dtype= when the layer is made",
    "double": "dtype='float64' when the layer is made",
    "float": "dtype='float32' when the layer is made",
    "half": "dtype='float16' when the layer is made",
    "named_children": "layer.children()", "buffers": "layer.named_buffers()",
    "register_parameter": "layer.name = tg.Tensor(…, requires_grad=True)",
    "add_module": "layer.name = module",
}  # fmt: skip
LAYERS = {
    "Linear": "tg.nn.Dense", "MultiheadAttention": "tg.nn.Attention",
    "MaxPool1d": "tg.nn.MaxPool", "MaxPool2d": "tg.nn.MaxPool", "AvgPool1d": "tg.nn.AveragePool",
    "AvgPool2d": "tg.nn.AveragePool", "BatchNorm1d": "tg.nn.BatchNorm",
    "BatchNorm2d": "tg.nn.BatchNorm", "MSELoss": "tg.nn.mean_squared_error",
    "CrossEntropyLoss": "tg.nn.softmax_cross_entropy", "NLLLoss": "tg.nn.softmax_cross_entropy",
    "BCELoss": "tg.nn.binary_cross_entropy",
    "BCEWithLogitsLoss": "tg.nn.binary_cross_entropy_with_logits",
    "ReLU": "tg.relu", "Tanh": "tg.tanh", "Sigmoid": "tg.sigmoid", "GELU": "tg.gelu",
    "Softmax": "tg.softmax", "functional": "the functions of tg and of tg.nn",
    "Parameter": "tg.Tensor(…, requires_grad=True)", "ModuleList": "a list",
    "ModuleDict": "a dictionary", "Identity": "lambda x: x",
}  # fmt: skip
FUNCTIONS = {
    "cat": "tg.concatenate", "mm": "tg.matmul", "bmm": "tg.matmul", "permute": "tg.transpose",
    "view": "tg.reshape", "flatten": "tg.ravel", "unsqueeze": "tg.expand_dims",
    "clamp": "tg.clip", "chunk": "tg.array_split", "mse_loss": "tg.nn.mean_squared_error",
    "zeros": "tg.Tensor(np.zeros(shape))", "ones": "tg.Tensor(np.ones(shape))",
    "zeros_like": "tg.full_like(x, 0.0)", "ones_like": "tg.full_like(x, 1.0)",
    "arange": "tg.Tensor(np.arange(…))", "eye": "tg.Tensor(np.eye(n))",
    "from_numpy": "tg.Tensor(array)", "float32": "np.float32", "float64": "np.float64",
    "randn": "tg.Tensor(np.random.default_rng(seed).normal(size=shape))",
    "rand": "tg.Tensor(np.random.default_rng(seed).random(shape))",
    "manual_seed": "seed= when a layer is made", "save": "tg.interop.save",
    "load": "tg.interop.load", "autograd": "tg.grad, tg.jvp and tg.vjp", "cuda": _NO_DEVICE,
    "device": _NO_DEVICE, "inference_mode": "tg.no_grad",
}  # fmt: skip


class Elsewhere:
    """An attribute that a class has not: it raises the error that says what to write."""

    def __init__(self, name: str, table: Mapping[str, str]) -> None:
        self.name, self.table = name, table

    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            return self
        raise unknown(type(instance).__name__, self.name, self.table)


def refuse(cls: type, table: Mapping[str, str]) -> None:
    """Let the objects of a class say what to write for the names in a table.

    A ``__getattr__`` of the class would do it too, and slow down the reading of every attribute.
    """
    for name in table:
        setattr(cls, name, Elsewhere(name, table))


def unknown(
    who: str, name: str, table: Mapping[str, str], homes: Iterable[ModuleType] = ()
) -> AttributeError:
    """Return the error for a name that ``who`` lacks; the message says what to write instead.

    ``homes`` are public modules that the name may be one of.

    >>> print(unknown("Tensor", "view", TENSOR))
    Tensor has no 'view', which is PyTorch's name; write x.reshape(…)
    """
    if name not in table:
        message = f"{who} has no attribute {name!r}"
        for home in homes:
            if name in home.__all__:
                message += f"; write tg.{home.__name__.rpartition('.')[2]}.{name}"
                break
        return AttributeError(message, name=name)
    remedy = table[name]
    verb = "" if remedy.startswith(("leave", "a Tensor")) else "write "
    return AttributeError(f"{who} has no {name!r}, which is PyTorch's name; {verb}{remedy}")
