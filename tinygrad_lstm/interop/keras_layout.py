"""Keras' names and layout of LSTM, GRU, SimpleRNN and Dense, as dictionaries of arrays.

Knows the layers; does not import Keras.

    LSTM, GRU, SimpleRNN    kernel (in, gates H), recurrent_kernel (H, gates H), bias (gates H,)
    GRU with reset_after    bias (2, 3H): of what comes in, and of what comes back
    Dense                   kernel (in, out), bias (out,)

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

from ..errors import ShapeError
from ..nn.lstm_equations import LSTMEquations
from ..nn.module import Module
from .framework import Framework, LayerPart, register


class Keras(Framework):
    name, title = "keras", "Keras"
    orders: Mapping[str, str] = {"aifo": "ifao", "rzn": "zrn"}

    def refuse(self, part: LayerPart) -> None:
        equations = part.equations
        if isinstance(equations, LSTMEquations):
            if equations.is_projected:
                self.no_equal(part, "a projection")
            if equations.g is not equations.h:
                self.no_equal(part, "a squashing function for the candidate, one for the state")

    def pack(self, part: LayerPart, ours: Mapping[str, Any], gradient: bool) -> dict[str, Any]:
        if part.equations is None:
            return {"kernel": ours["W"]} | ({"bias": ours["b"]} if "b" in ours else {})
        arrays = {
            "kernel": self.to_order(part, ours["W"]),
            "recurrent_kernel": self.to_order(part, ours["U"]),
        }
        if "b" in ours:
            first, second = self.two_biases(part, ours, gradient)
            arrays["bias"] = np.stack([first, second]) if "c" in ours else first
        return arrays

    def unpack(self, part: LayerPart, theirs: Mapping[str, Any], gradient: bool) -> dict[str, Any]:
        if part.equations is None:
            return {"W": theirs["kernel"]} | ({"b": theirs["bias"]} if "bias" in theirs else {})
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
        shapes = self.shapes(module)
        if len(arrays) != len(shapes):
            expected = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
            raise ShapeError(
                f"{who}: found {len(arrays)} arrays, expected {len(shapes)}: {expected}"
            )
        return dict(zip(shapes, arrays, strict=True))


keras = register(Keras())
