"""ONNX' names and layout of LSTM, GRU, RNN and dense layers, as dictionaries of arrays.

Knows the layers; nothing of model files, but for the package that reads and writes them.

    LSTM, GRU, RNN    W (D, gates H, in), R (D, gates H, H), B (D, 2 gates H) of what comes in and
                      what comes back, P (D, 3H) of peepholes, for D directions
    Dense             W (in, out), b (out,)

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
from ..nn.lstm import LSTMEquations
from ..nn.module import Module
from ..nn.rnn import RNNEquations
from .layout import Arrays, Layout, Part, joined, reordered

ORDERS = {"aifo": "iofa", "rzn": "zrn", "s": "s"}  # ours and ONNX', in our letters
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


class _Onnx(Layout):
    title = "ONNX"
    has_peepholes = True

    def key(self, part: Part, name: str) -> str:
        return joined(part.stem, part.path, name)

    def refuse(self, part: Part) -> None:
        equations = part.equations
        if isinstance(equations, LSTMEquations) and equations.is_projected:
            self.no_equal(part, "a projection")
        for each in squashes(equations):
            if not any(each is known for known, _ in SQUASHES):
                self.no_equal(part, f"the squashing function {getattr(each, 'name', each)}")

    def packed(self, part: Part, ours: Mapping[str, Any], gradient: bool) -> dict[str, Any]:
        if part.equations is None:
            return dict(ours)
        gates = "".join(part.equations.gates)
        b = reordered(ours["b"], gates, ORDERS[gates])
        second = b.copy() if gradient else np.zeros_like(b)
        if "c" in ours:
            second[-len(ours["c"]) :] = ours["c"]
        found = {
            "W": reordered(ours["W"], gates, ORDERS[gates]).T,
            "R": reordered(ours["U"], gates, ORDERS[gates]).T,
            "B": np.concatenate([b, second]),
        }
        return found | ({"P": reordered(ours["p"], "ifo", "iof")} if "p" in ours else {})

    def unpacked(self, part: Part, theirs: Mapping[str, Any], gradient: bool) -> dict[str, Any]:
        if part.equations is None:
            return dict(theirs)
        gates = "".join(part.equations.gates)
        b, second = np.split(theirs["B"], 2)
        ours = {}
        if "c" in part.parameters:
            ours["c"] = second[-part.equations.sizes[0] :].copy()
            second = np.concatenate([second[: -len(ours["c"])], np.zeros_like(ours["c"])])
        arrays = {"W": theirs["W"].T, "U": theirs["R"].T, "b": b if gradient else b + second}
        ours |= {name: reordered(each, ORDERS[gates], gates) for name, each in arrays.items()}
        return ours | ({"p": reordered(theirs["P"], "iof", "ifo")} if "P" in theirs else {})

    def gathered(self, module: Module, found: Arrays) -> Arrays:
        """Return what is there for each direction as one array with an axis for them."""
        joint = self._joint(module)
        whole = {each: name for name, ways in joint.items() for each in ways}
        arrays: dict[str, list[np.ndarray]] = {}
        for name, array in found.items():
            arrays.setdefault(whole.get(name, name), []).append(array)
        return {name: np.stack(each) if name in joint else each[0] for name, each in arrays.items()}

    def scattered(self, module: Module, arrays: Arrays) -> Arrays:
        """Return the directions' own arrays of such."""
        joint = self._joint(module)
        return {name: array for name, array in arrays.items() if name not in joint} | {
            each: arrays[name][n] for name, ways in joint.items() for n, each in enumerate(ways)
        }

    def _joint(self, module: Module) -> dict[str, list[str]]:
        """Return the names of arrays over time, each with those of its directions."""
        found: dict[str, list[str]] = {}
        for part in self.parts(module):
            if part.equations is None:
                continue
            names = part.path.split(".")
            path = ".".join(names[:-1] if names[-1] in ("forward", "backward") else names)
            for letter in "WRBP" if "p" in part.parameters else "WRB":
                ways = found.setdefault(joined(part.stem, path, letter), [])
                ways.append(self.key(part, letter))
        return found


ONNX = _Onnx()


def to_onnx(module: Module) -> Arrays:
    """Return a layer's numbers in the names and the layout of ONNX'.

    Parameters
    ----------
    module : LSTM, GRU, RNN, MemoryBlocks of one cell each, Dense, or a Module of such

    Returns
    -------
    dict of str to array
        Copies.

    Raises
    ------
    UsageError
        If ONNX has no equal: a projection, another squashing function, initial states that are
        learned. The message names the layer and what it is.

    Examples
    --------
    >>> from tinygrad_lstm import nn
    >>> found = to_onnx(nn.LSTM(2, 3, bidirectional=True, peephole=True))
    >>> {name: array.shape for name, array in found.items()}
    {'W': (2, 12, 2), 'R': (2, 12, 3), 'B': (2, 24), 'P': (2, 9)}
    """
    return ONNX.out(module)


def from_onnx(module: Module, arrays: Mapping[str, Any]) -> None:
    """Replace a layer's numbers by those of ONNX'; `load_onnx` reads a whole model file.

    Parameters
    ----------
    module : as in `to_onnx`
    arrays : mapping of str to array
        By the names of `to_onnx`.

    Raises
    ------
    UsageError, SignalError, ShapeError, DTypeError
        If ONNX has no equal of the layer; if an entry is missing, unexpected, of the wrong shape or
        no real numbers. The message lists what does not fit, and nothing has changed.
    """
    ONNX.load("from_onnx", module, arrays)


def gradients_to_onnx(module: Module) -> Arrays:
    """Return the gradients of a layer's parameters in ONNX' names and layout.

    Raises
    ------
    GradientError, UsageError
        If a parameter has none; if ONNX has no equal of the layer.
    """
    return ONNX.out(module, gradient=True)


def gradients_from_onnx(module: Module, gradients: Mapping[str, Any]) -> Arrays:
    """Return gradients in ONNX' layout in our names and layout, as `compare` takes them.

    Raises
    ------
    UsageError, SignalError, ShapeError, DTypeError
        As `from_onnx`.
    """
    return ONNX.gradients("gradients_from_onnx", module, gradients)


def squashes(equations: Any) -> list[Any]:
    """Return the functions of equations that squash, in ONNX' order."""
    if isinstance(equations, LSTMEquations):
        return [equations.g, equations.h]
    return [equations.squash]


def package() -> Any:
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


__all__ = [
    "ONNX", "OPERATORS", "SQUASHES", "from_onnx", "gradients_from_onnx", "gradients_to_onnx",
    "package", "squashes", "to_onnx",
]  # fmt: skip
