"""ONNX' names and layout of LSTM, GRU, RNN and dense layers, as dictionaries of arrays.

Knows the layers; nothing of model files, but for the package that reads and writes them.

    LSTM, GRU, RNN    W (D, gates H, in), R (D, gates H, H), B (D, 2 gates H) of what comes in and
                      what comes back, P (D, 3H) of peepholes, for D directions
    Dense             W (in, out), b (out,), and so the other layers without steps: by our names

Gates are packed in the order i, o, f, c (LSTM; c is our a), peepholes i, o, f; or z, r, h (GRU; h
is our n). Names have the path of ours before them, without the direction: ``layers.0.W``. Source:
ONNX's documentation, the page Operators, LSTM, GRU and RNN.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..engine.primitives import relu, sigmoid, softplus, tanh
from ..errors import PackageError
from ..nn.activations import four_sigmoid, identity, two_sigmoid
from ..nn.gru import GRUEquations
from ..nn.lstm_equations import LSTMEquations
from ..nn.module import Module
from ..nn.rnn import RNNEquations
from .framework import Framework
from .layer_parts import LayerPart, joint
from .layout import Arrays, reorder
from .plain_layers import PLAIN
from .registry import register

OPERATORS = {LSTMEquations: "LSTM", GRUEquations: "GRU", RNNEquations: "RNN"}
# of a node over time: name, and alpha and beta of those that take them. 2σ(x) - 1 is tanh(x/2)
SQUASHES: list[tuple[Callable[[Any], Any], tuple[str, tuple[float, ...]]]] = [
    (tanh, ("Tanh", ())),
    (sigmoid, ("Sigmoid", ())),
    (relu, ("Relu", ())),
    (softplus, ("Softplus", ())),
    (identity, ("Affine", (1.0, 0.0))),
    (two_sigmoid, ("ScaledTanh", (1.0, 0.5))),
    (four_sigmoid, ("ScaledTanh", (2.0, 0.5))),
]


class Onnx(Framework):
    name, title = "onnx", "ONNX"
    layers = PLAIN
    orders: Mapping[str, str] = {"aifo": "iofa", "rzn": "zrn"}
    has_peepholes = True

    def refuse(self, part: LayerPart) -> None:
        equations = part.equations
        if isinstance(equations, LSTMEquations) and equations.is_projected:
            self.no_equal(part, "a projection")
        for function in squashes(equations) if equations is not None else ():
            if not any(function is known for known, _ in SQUASHES):
                self.no_equal(part, f"the squashing function {getattr(function, 'name', function)}")

    def pack(self, part: LayerPart, ours: Mapping[str, Any], gradient: bool) -> dict[str, Any]:
        if part.equations is None:
            return dict(ours)
        arrays = {
            "W": self.to_order(part, ours["W"]).T,
            "R": self.to_order(part, ours["U"]).T,
        }
        if "b" in ours:
            arrays["B"] = np.concatenate(self.two_biases(part, ours, gradient))
        return arrays | ({"P": reorder(ours["p"], "ifo", "iof")} if "p" in ours else {})

    def unpack(self, part: LayerPart, theirs: Mapping[str, Any], gradient: bool) -> dict[str, Any]:
        if part.equations is None:
            return dict(theirs)
        ours = {
            "W": self.from_order(part, theirs["W"].T),
            "U": self.from_order(part, theirs["R"].T),
        }
        if "B" in theirs:
            first, second = np.split(theirs["B"], 2)
            ours |= self.one_bias(part, first, second, gradient)
        return ours | ({"p": reorder(theirs["P"], "iof", "ifo")} if "P" in theirs else {})

    def gather(self, module: Module, arrays: Arrays) -> Arrays:
        """Return the arrays of all directions of a layer as one, with an axis for them."""
        stacks = self._stacks(module)
        whole = {own: name for name, directions in stacks.items() for own in directions}
        rows: dict[str, list[np.ndarray]] = {}
        for name, array in arrays.items():
            rows.setdefault(whole.get(name, name), []).append(array)
        return {name: np.stack(row) if name in stacks else row[0] for name, row in rows.items()}

    def scatter(self, module: Module, arrays: Arrays) -> Arrays:
        """Return the arrays of each direction."""
        stacks = self._stacks(module)
        return {name: array for name, array in arrays.items() if name not in stacks} | {
            own: arrays[name][n]
            for name, directions in stacks.items()
            for n, own in enumerate(directions)
        }

    def _stacks(self, module: Module) -> dict[str, list[str]]:
        """Return the names of the arrays of layers over time, each with those of its directions."""
        stacks: dict[str, list[str]] = {}
        for part in self.parts(module):
            if part.equations is None:
                continue
            names = part.path.split(".")
            path = ".".join(names[:-1] if names[-1] in ("forward", "backward") else names)
            has = part.parameters
            for letter in "WR" + "B" * ("b" in has) + "P" * ("p" in has):
                directions = stacks.setdefault(joint(part.stem, path, letter), [])
                directions.append(self.key(part, letter))
        return stacks


onnx = register(Onnx())


def squashes(equations: Any) -> list[Any]:
    """Return the functions that squash in equations, in ONNX' order."""
    if isinstance(equations, LSTMEquations):
        return [equations.g, equations.h]
    return [equations.activation]


def load_package() -> Any:
    """Import the package onnx, which is an extra.

    Raises
    ------
    PackageError
        If it is not installed; the message says how to install it.
    """
    try:
        import onnx
        import onnx.helper
        import onnx.numpy_helper
    except ImportError:
        raise PackageError(
            "ONNX models need the package onnx: pip install 'tinygrad-lstm[onnx]'"
        ) from None
    return onnx
