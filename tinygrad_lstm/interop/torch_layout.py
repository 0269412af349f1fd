"""PyTorch's names and layout of the layers, as dictionaries of arrays.

Knows the layers; does not import PyTorch.

    LSTM, GRU, RNN    weight_ih_l0 (gates H, in), weight_hh_l0 (gates H, out), bias_ih_l0 and
                      bias_hh_l0 (gates H,), weight_hr_l0 (out, H) of a projection; l1 and so on
                      for the layers above, _reverse after it for the backward direction
    their cells       the same without _l0, which are read into one layer too, and back
    Linear            weight (out, in), bias (out,)
    Conv1d, Conv2d    weight (out, in / groups, *kernel), bias (out,)
    LayerNorm         weight, bias, each of the normalized shape
    GroupNorm         weight, bias, each (in,)
    RMSNorm           weight (in,)
    BatchNorm1d, 2d   weight, bias, running_mean, running_var, each (in,), num_batches_tracked ()
    Embedding         weight (count, out)
    MultiheadAttention  in_proj_weight (3 in, in) and in_proj_bias (3 in,) of queries, keys and
                      values, out_proj.weight and .bias; or q_proj_weight, k_proj_weight and
                      v_proj_weight, each (in, width), where keys or values are wider or narrower

Gates are packed in the order i, f, g, o (LSTM; g is our a) or r, z, n (GRU). Of two biases the sum
is ours; but for a GRU's n, whose second one is our c. Source: PyTorch's documentation, the pages
torch.nn.LSTM and so on, "Variables".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .. import nn
from ..engine.primitives import relu, tanh
from ..nn.convolution import Conv
from ..nn.gru import GRUEquations
from ..nn.lstm_equations import LSTMEquations
from ..nn.module import Module
from ..nn.rnn import RNNEquations
from .framework import Framework
from .layer_parts import LayerPart, joint
from .plain_layers import Tables, our_arrays, same, their_arrays, transpose
from .registry import register

TABLES: Tables = {
    nn.Dense: {"W": ("weight", transpose, transpose), "b": ("bias", same, same)},
    Conv: {"W": ("weight", same, same), "b": ("bias", same, same)},
    nn.LayerNorm: {"g": ("weight", same, same), "b": ("bias", same, same)},
    nn.GroupNorm: {"g": ("weight", same, same), "b": ("bias", same, same)},
    nn.RMSNorm: {"g": ("weight", same, same)},
    nn.BatchNorm: {
        "g": ("weight", same, same), "b": ("bias", same, same),
        "running_mean": ("running_mean", same, same), "running_var": ("running_var", same, same),
        "batches": ("num_batches_tracked", same, same),
    },
    nn.Embedding: {"E": ("weight", same, same)},
    nn.Attention: {
        "W_o": ("out_proj.weight", transpose, transpose), "b_o": ("out_proj.bias", same, same),
    },
}  # fmt: skip


class PyTorch(Framework):
    name, title = "torch", "PyTorch"
    layers = tuple(TABLES)
    orders: Mapping[str, str] = {"aifo": "ifao"}

    def key(self, part: LayerPart, name: str) -> str:
        if part.place is not None:
            layer, backward = part.place
            name += f"_l{layer}" + "_reverse" * backward
        return joint(part.stem, name)

    def plain(self, name: str) -> str:
        """Return a name as a cell has it: what a layer's has after it, if it is its only one."""
        return name.removesuffix("_l0")

    def refuse(self, part: LayerPart) -> None:
        equations = part.equations
        if isinstance(equations, LSTMEquations) and not equations.g is equations.h is tanh:
            self.no_equal(part, "squashing functions other than tanh")
        if isinstance(equations, GRUEquations):
            if not equations.reset_after:
                self.no_equal(part, "reset_after=False")
            if equations.activation is not tanh:
                self.no_equal(part, "squashing functions other than tanh")
        if isinstance(equations, RNNEquations) and equations.activation not in (tanh, relu):
            self.no_equal(part, "an activation other than tanh and relu")
        owner = part.owner
        if isinstance(owner, nn.Attention) and owner.heads * owner.head_size != owner.input_size:
            self.no_equal(part, "heads that are wider or narrower than the input together")

    def pack(self, part: LayerPart, ours: Mapping[str, Any], gradient: bool) -> dict[str, Any]:
        if part.equations is None:
            return _attention(part.owner, ours) | their_arrays(TABLES, part.owner, ours)
        arrays = {
            "weight_ih": self.to_order(part, ours["W"]).T,
            "weight_hh": self.to_order(part, ours["U"]).T,
        }
        if "b" in ours:
            arrays["bias_ih"], arrays["bias_hh"] = self.two_biases(part, ours, gradient)
        return arrays | ({"weight_hr": ours["P"].T} if "P" in ours else {})

    def unpack(self, part: LayerPart, theirs: Mapping[str, Any], gradient: bool) -> dict[str, Any]:
        if part.equations is None:
            return _from_attention(theirs) | our_arrays(TABLES, part.owner, theirs)
        ours = {
            "W": self.from_order(part, theirs["weight_ih"].T),
            "U": self.from_order(part, theirs["weight_hh"].T),
        }
        if "bias_ih" in theirs:
            ours |= self.one_bias(part, theirs["bias_ih"], theirs["bias_hh"], gradient)
        return ours | ({"P": theirs["weight_hr"].T} if "weight_hr" in theirs else {})


def _attention(owner: Module, ours: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arrays of attention before its heads are joined; none of any other layer."""
    if not isinstance(owner, nn.Attention):
        return {}
    weights = {letter: ours[f"W_{letter}"].T for letter in "qkv"}
    arrays = {f"{letter}_proj_weight": W for letter, W in weights.items()}
    if owner.key_size == owner.value_size == owner.input_size:
        arrays = {"in_proj_weight": np.concatenate(list(weights.values()))}
    if "b_q" in ours:
        arrays["in_proj_bias"] = np.concatenate([ours[f"b_{letter}"] for letter in "qkv"])
    return arrays


def _from_attention(theirs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arrays of attention in our letters: what `_attention` does, backwards."""
    ours = {f"W_{c}": theirs[f"{c}_proj_weight"].T for c in "qkv" if f"{c}_proj_weight" in theirs}
    if "in_proj_weight" in theirs:
        parts = np.split(theirs["in_proj_weight"], 3)
        ours = {f"W_{letter}": W.T for letter, W in zip("qkv", parts, strict=True)}
    if "in_proj_bias" in theirs:
        parts = np.split(theirs["in_proj_bias"], 3)
        ours |= {f"b_{letter}": b for letter, b in zip("qkv", parts, strict=True)}
    return ours


torch = register(PyTorch())
