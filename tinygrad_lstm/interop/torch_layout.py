"""PyTorch's names and layout of LSTM, GRU, RNN, their cells and Linear, as dictionaries of arrays.

Knows the layers; does not import PyTorch.

    LSTM, GRU, RNN    weight_ih_l0 (gates H, in), weight_hh_l0 (gates H, out), bias_ih_l0 and
                      bias_hh_l0 (gates H,), weight_hr_l0 (out, H) of a projection; l1 and so on
                      for the layers above, _reverse after it for the backward direction
    their cells       the same without _l0, which are read into one layer too, and back
    Linear            weight (out, in), bias (out,)

Gates are packed in the order i, f, g, o (LSTM; g is our a) or r, z, n (GRU). Of two biases the sum
is ours; but for a GRU's n, whose second one is our c. Source: PyTorch's documentation, the pages
torch.nn.LSTM, torch.nn.GRU, torch.nn.RNN and torch.nn.Linear, "Variables".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..engine.primitives import relu, tanh
from ..nn.gru import GRUEquations
from ..nn.lstm_equations import LSTMEquations
from ..nn.rnn import RNNEquations
from .framework import Framework, LayerPart, joint, register


class PyTorch(Framework):
    name, title = "torch", "PyTorch"
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

    def pack(self, part: LayerPart, ours: Mapping[str, Any], gradient: bool) -> dict[str, Any]:
        if part.equations is None:
            return {"weight": ours["W"].T} | ({"bias": ours["b"]} if "b" in ours else {})
        arrays = {
            "weight_ih": self.to_order(part, ours["W"]).T,
            "weight_hh": self.to_order(part, ours["U"]).T,
        }
        if "b" in ours:
            arrays["bias_ih"], arrays["bias_hh"] = self.two_biases(part, ours, gradient)
        return arrays | ({"weight_hr": ours["P"].T} if "P" in ours else {})

    def unpack(self, part: LayerPart, theirs: Mapping[str, Any], gradient: bool) -> dict[str, Any]:
        if part.equations is None:
            bias = {"b": theirs["bias"]} if "bias" in theirs else {}
            return {"W": theirs["weight"].T} | bias
        ours = {
            "W": self.from_order(part, theirs["weight_ih"].T),
            "U": self.from_order(part, theirs["weight_hh"].T),
        }
        if "bias_ih" in theirs:
            ours |= self.one_bias(part, theirs["bias_ih"], theirs["bias_hh"], gradient)
        return ours | ({"P": theirs["weight_hr"].T} if "weight_hr" in theirs else {})


torch = register(PyTorch())
