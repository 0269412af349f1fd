"""Keras' names and layout of LSTM, GRU, SimpleRNN and Dense, as dictionaries of arrays.

Knows the layers; does not import Keras.

    LSTM, GRU, SimpleRNN    kernel (in, gates H), recurrent_kernel (H, gates H), bias (gates H,)
    GRU with reset_after    bias (2, 3H): of what comes in, and of what comes back
    Dense                   kernel (in, out), bias (out,)

Gates are packed in the order i, f, c, o (LSTM; c is our a) or z, r, h (GRU; h is our n). In Keras
a stack is several layers, and so are two directions (``Bidirectional``): their names have the path
of ours before them, ``layers.0.forward.kernel``. Source: Keras' documentation, the pages LSTM
layer, GRU layer and SimpleRNN layer; for the order, the cells' ``call`` in its source.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..nn.gru import GRUEquations
from ..nn.lstm import LSTMEquations
from ..nn.module import Module
from .layout import Arrays, Layout, Part, joined, reordered

ORDERS = {"aifo": "ifao", "rzn": "zrn", "s": "s"}  # ours and Keras', in our letters


class _Keras(Layout):
    title = "Keras"

    def key(self, part: Part, name: str) -> str:
        return joined(part.stem, part.path, name)

    def refuse(self, part: Part) -> None:
        equations = part.equations
        if isinstance(equations, LSTMEquations):
            if equations.is_projected:
                self.no_equal(part, "a projection")
            if equations.g is not equations.h:
                self.no_equal(part, "a squashing function for the candidate, one for the state")

    def packed(self, part: Part, ours: Mapping[str, Any], gradient: bool) -> dict[str, Any]:
        if part.equations is None:
            return {"kernel": ours["W"], "bias": ours["b"]}
        gates = _orders(part)
        bias = reordered(ours["b"], *gates)
        if "c" in ours:
            second = bias.copy() if gradient else np.zeros_like(bias)
            second[-len(ours["c"]) :] = ours["c"]
            bias = np.stack([bias, second])
        kernels = {"kernel": ours["W"], "recurrent_kernel": ours["U"]}
        return {name: reordered(each, *gates) for name, each in kernels.items()} | {"bias": bias}

    def unpacked(self, part: Part, theirs: Mapping[str, Any], gradient: bool) -> dict[str, Any]:
        if part.equations is None:
            return {"W": theirs["kernel"], "b": theirs["bias"]}
        found, wanted = _orders(part)
        bias, ours = theirs["bias"], {}
        if isinstance(part.equations, GRUEquations) and part.equations.reset_after:
            H = part.equations.sizes[0]
            bias, second = bias
            ours["c"] = second[-H:]
            if not gradient:
                bias = np.concatenate([bias[:-H] + second[:-H], bias[-H:]])
        ours |= {"W": theirs["kernel"], "U": theirs["recurrent_kernel"], "b": bias}
        return ours | {name: reordered(ours[name], wanted, found) for name in ("W", "U", "b")}


def _orders(part: Part) -> tuple[str, str]:
    ours = "".join(part.equations.gates)  # type: ignore[union-attr]
    return ours, ORDERS[ours]


KERAS = _Keras()


def to_keras(module: Module) -> Arrays:
    """Return a layer's numbers in the names and the layout of Keras'.

    Parameters
    ----------
    module : LSTM, GRU, RNN, a cell, Dense, or a Module of such

    Returns
    -------
    dict of str to array
        Copies, in the order of Keras' weights: ``layer.set_weights(list(found.values()))``. Which
        functions squash is for ``activation=`` to say; ``recurrent_activation`` is "sigmoid".

    Raises
    ------
    UsageError
        If Keras has no equal: peepholes, a projection, two squashing functions, initial states that
        are learned. The message names the layer and what it is.

    Examples
    --------
    >>> from tinygrad_lstm import nn
    >>> {name: array.shape for name, array in to_keras(nn.GRU(2, 3)).items()}
    {'kernel': (2, 9), 'recurrent_kernel': (3, 9), 'bias': (2, 9)}
    """
    return KERAS.out(module)


def from_keras(module: Module, weights: Mapping[str, Any] | Sequence[Any]) -> None:
    """Replace a layer's numbers by those of Keras'.

    Parameters
    ----------
    module : as in `to_keras`
    weights : mapping of str to array, or list of arrays
        By the names of `to_keras`; or as ``get_weights()`` returns them, layer after layer.

    Raises
    ------
    UsageError, SignalError, ShapeError, DTypeError
        If Keras has no equal of the layer; if an entry is missing, unexpected, of the wrong shape
        or no real numbers. The message lists what does not fit, and nothing has changed.

    Examples
    --------
    >>> from tinygrad_lstm import nn
    >>> gru = nn.GRU(2, 3, seed=0)
    >>> from_keras(gru, list(to_keras(nn.GRU(2, 3, seed=1)).values()))
    >>> bool((gru.W.numpy() == nn.GRU(2, 3, seed=1).W.numpy()).all())
    True
    """
    KERAS.load("from_keras", module, _named("from_keras", module, weights))


def gradients_to_keras(module: Module) -> Arrays:
    """Return the gradients of a layer's parameters in Keras' names and layout.

    Raises
    ------
    GradientError, UsageError
        If a parameter has none; if Keras has no equal of the layer.
    """
    return KERAS.out(module, gradient=True)


def gradients_from_keras(module: Module, gradients: Mapping[str, Any] | Sequence[Any]) -> Arrays:
    """Return Keras' gradients in our names and layout, as `compare` takes them.

    Parameters
    ----------
    module : as in `to_keras`
    gradients : mapping of str to array, or list of arrays
        In the order of ``layer.trainable_weights``.

    Returns
    -------
    dict of str to array
        By the names of signals, such as ``lstm.W``.

    Raises
    ------
    UsageError, SignalError, ShapeError, DTypeError
        As `from_keras`.
    """
    named = _named("gradients_from_keras", module, gradients)
    return KERAS.gradients("gradients_from_keras", module, named)


def _named(who: str, module: Module, given: Any) -> Any:
    """Return arrays by name; those of a list are named by their order."""
    if not isinstance(given, list | tuple):
        return given
    shapes = KERAS.shapes(module)
    if len(given) != len(shapes):
        expected = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise ShapeError(f"{who}: found {len(given)} arrays, expected {len(shapes)}: {expected}")
    return dict(zip(shapes, given, strict=True))


__all__ = ["KERAS", "from_keras", "gradients_from_keras", "gradients_to_keras", "to_keras"]
