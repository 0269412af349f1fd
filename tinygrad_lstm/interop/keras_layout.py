"""Keras' names and layout of the layers, as dictionaries of arrays.

Knows the layers; does not import Keras.

    LSTM, GRU, SimpleRNN    kernel (in, gates H), recurrent_kernel (H, gates H), bias (gates H,)
    GRU with reset_after    bias (2, 3H): of what comes in, and of what comes back
    Dense                   kernel (in, out), bias (out,)
    Conv1D, Conv2D          kernel (*kernel, in / groups, out), bias (out,)
    LayerNormalization      gamma, beta; so has GroupNormalization
    RMSNormalization        scale
    BatchNormalization      gamma, beta, moving_mean, moving_variance, each (in,)
    Embedding               embeddings (count, out)
    MultiHeadAttention      query, key, value: kernel (in, heads, d), bias (heads, d);
                            attention_output: kernel (heads, d, in), bias (in,)

Gates are packed in the order i, f, c, o (LSTM; c is our a) or z, r, h (GRU; h is our n). In Keras
a stack is several layers, and so are two directions (``Bidirectional``): their names have the path
of ours before them, ``layers.0.forward.kernel``. Source: Keras' documentation, the pages LSTM
layer, GRU layer and SimpleRNN layer; for the order, the cells' ``call`` in its source.

The arrays are in the order of Keras' weights: ``layer.set_weights(list(arrays.values()))``. The
functions that squash are set in Keras: ``activation=``, and ``recurrent_activation="sigmoid"``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .. import nn
from ..errors import ShapeError
from ..nn.convolution import Conv
from ..nn.lstm_equations import LSTMEquations
from ..nn.module import Module
from .framework import Framework
from .layer_parts import LayerPart
from .plain_layers import Tables, our_arrays, same, their_arrays
from .registry import register


def _kernel_last(W: Any) -> Any:
    """Return (out, in, *kernel) as (*kernel, in, out)."""
    return np.moveaxis(W, (0, 1), (-1, -2))


def _kernel_first(W: Any) -> Any:
    """Return (*kernel, in, out) as (out, in, *kernel)."""
    return np.moveaxis(W, (-1, -2), (0, 1))


TABLES: Tables = {
    nn.Dense: {"W": ("kernel", same, same), "b": ("bias", same, same)},
    Conv: {"W": ("kernel", _kernel_last, _kernel_first), "b": ("bias", same, same)},
    nn.LayerNorm: {"g": ("gamma", same, same), "b": ("beta", same, same)},
    nn.GroupNorm: {"g": ("gamma", same, same), "b": ("beta", same, same)},
    nn.RMSNorm: {"g": ("scale", same, same)},
    nn.BatchNorm: {
        "g": ("gamma", same, same), "b": ("beta", same, same),
        "running_mean": ("moving_mean", same, same), "running_var": ("moving_variance", same, same),
    },
    nn.Embedding: {"E": ("embeddings", same, same)},
}  # fmt: skip
ATTENTION = {"q": "query", "k": "key", "v": "value", "o": "attention_output"}


class Keras(Framework):
    name, title = "keras", "Keras"
    layers = (*TABLES, nn.Attention)
    orders: Mapping[str, str] = {"aifo": "ifao", "rzn": "zrn"}

    def refuse(self, part: LayerPart) -> None:
        equations = part.equations
        if isinstance(equations, LSTMEquations):
            if equations.is_projected:
                self.no_equal(part, "a projection")
            if equations.g is not equations.h:
                self.no_equal(part, "a squashing function for the candidate, one for the state")

    def pack(self, part: LayerPart, ours: Mapping[str, Any], gradient: bool) -> dict[str, Any]:
        if isinstance(part.owner, nn.Attention):
            return _attention(part.owner, ours)
        if part.equations is None:
            return their_arrays(TABLES, part.owner, ours)
        arrays = {
            "kernel": self.to_order(part, ours["W"]),
            "recurrent_kernel": self.to_order(part, ours["U"]),
        }
        if "b" in ours:
            first, second = self.two_biases(part, ours, gradient)
            arrays["bias"] = np.stack([first, second]) if "c" in ours else first
        return arrays

    def unpack(self, part: LayerPart, theirs: Mapping[str, Any], gradient: bool) -> dict[str, Any]:
        if isinstance(part.owner, nn.Attention):
            return _from_attention(part.owner, theirs)
        if part.equations is None:
            return our_arrays(TABLES, part.owner, theirs)
        ours = {
            "W": self.from_order(part, theirs["kernel"]),
            "U": self.from_order(part, theirs["recurrent_kernel"]),
        }
        if "bias" in theirs:
            bias = theirs["bias"]
            first, second = bias if "c" in part.parameters else (bias, np.zeros_like(bias))
            ours |= self.one_bias(part, first, second, gradient)
        return ours

    def name_all(self, who: str, module: Module, arrays: Any) -> Mapping[str, Any]:
        """Return arrays by name; those of a list are named by their order."""
        if not isinstance(arrays, list | tuple):
            return super().name_all(who, module, arrays)
        shapes = self.shapes(module, gradient=who.endswith("read_gradients"))
        if len(arrays) != len(shapes):
            expected = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
            raise ShapeError(
                f"{who}: found {len(arrays)} arrays, expected {len(shapes)}: {expected}"
            )
        return dict(zip(shapes, arrays, strict=True))


def _attention(owner: nn.Attention, ours: Mapping[str, Any]) -> dict[str, Any]:
    heads, arrays = (owner.heads, owner.head_size), {}
    for letter, name in ATTENTION.items():
        W = ours[f"W_{letter}"]
        shape = (*heads, W.shape[1]) if letter == "o" else (W.shape[0], *heads)
        arrays[f"{name}.kernel"] = W.reshape(shape)
        if f"b_{letter}" in ours:
            b = ours[f"b_{letter}"]
            arrays[f"{name}.bias"] = b if letter == "o" else b.reshape(heads)
    return arrays


def _from_attention(owner: nn.Attention, theirs: Mapping[str, Any]) -> dict[str, Any]:
    ours = {}
    for letter, name in ATTENTION.items():
        ours[f"W_{letter}"] = theirs[f"{name}.kernel"].reshape(getattr(owner, f"W_{letter}").shape)
        if f"{name}.bias" in theirs:
            ours[f"b_{letter}"] = theirs[f"{name}.bias"].reshape(-1)
    return ours


keras = register(Keras())
