"""PyTorch's names and layout of LSTM, GRU, RNN, their cells and Linear, as dictionaries of arrays.

Knows the layers; does not import PyTorch.

    LSTM, GRU, RNN    weight_ih_l0 (gates H, in), weight_hh_l0 (gates H, out), bias_ih_l0 and
                      bias_hh_l0 (gates H,), weight_hr_l0 (out, H) of a projection; l1 and so on
                      for the layers above, _reverse after it for the backward direction
    their cells       the same without _l0
    Linear            weight (out, in), bias (out,)

Gates are packed in the order i, f, g, o (LSTM; g is our a) or r, z, n (GRU). Of two biases the sum
is ours; but for a GRU's n, whose second one is our c. Source: PyTorch's documentation, the pages
torch.nn.LSTM, torch.nn.GRU, torch.nn.RNN and torch.nn.Linear, "Variables".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..engine.primitives import relu, tanh
from ..nn.gru import GRUEquations
from ..nn.lstm_equations import LSTMEquations
from ..nn.rnn import RNNEquations
from .framework import Framework, LayerPart, joint, register, reorder


class PyTorch(Framework):
    name, title = "torch", "PyTorch"

    def key(self, part: LayerPart, name: str) -> str:
        if part.place is not None:
            layer, backward = part.place
            name += f"_l{layer}" + "_reverse" * backward
        return joint(part.stem, name)

    def refuse(self, part: LayerPart) -> None:
        equations = part.equations
        if isinstance(equations, LSTMEquations) and not equations.g is equations.h is tanh:
            self.no_equal(part, "squashing functions other than tanh")
        if isinstance(equations, GRUEquations):
            if not equations.reset_after:
                self.no_equal(part, "reset_after=False")
            if equations.squash is not tanh:
                self.no_equal(part, "squashing functions other than tanh")
        if isinstance(equations, RNNEquations) and equations.squash not in (tanh, relu):
            self.no_equal(part, "a nonlinearity other than tanh and relu")

    def pack(self, part: LayerPart, ours: Mapping[str, Any], gradient: bool) -> dict[str, Any]:
        if part.equations is None:
            return {"weight": ours["W"].T, "bias": ours["b"]}
        gates = _orders(part)
        first = reorder(ours["b"], *gates)
        second = first.copy() if gradient else np.zeros_like(first)
        if "c" in ours:
            second[-len(ours["c"]) :] = ours["c"]
        arrays = {
            "weight_ih": reorder(ours["W"], *gates).T,
            "weight_hh": reorder(ours["U"], *gates).T,
            "bias_ih": first,
            "bias_hh": second,
        }
        return arrays | ({"weight_hr": ours["P"].T} if "P" in ours else {})

    def unpack(self, part: LayerPart, theirs: Mapping[str, Any], gradient: bool) -> dict[str, Any]:
        if part.equations is None:
            return {"W": theirs["weight"].T, "b": theirs["bias"]}
        gates = _orders(part)[::-1]
        first, second = theirs["bias_ih"], theirs["bias_hh"].copy()
        ours = {}
        if isinstance(part.equations, GRUEquations):
            H = part.equations.sizes[0]
            ours["c"], second[-H:] = second[-H:].copy(), 0
        if gradient:
            second[:] = 0  # the gradient of the sum of two biases is that of each
        ours |= {
            "W": reorder(theirs["weight_ih"].T, *gates),
            "U": reorder(theirs["weight_hh"].T, *gates),
            "b": reorder(first + second, *gates),
        }
        return ours | ({"P": theirs["weight_hr"].T} if "weight_hr" in theirs else {})


def _orders(part: LayerPart) -> tuple[str, str]:
    """Return the order of our gates, and PyTorch's, in our letters."""
    return part.gates, "ifao" if part.gates == "aifo" else part.gates


torch = register(PyTorch())
