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
from ..nn.lstm import LSTMEquations
from ..nn.module import Module
from ..nn.rnn import RNNEquations
from .layout import Arrays, Layout, Part, joined, reordered


class _PyTorch(Layout):
    title = "PyTorch"

    def key(self, part: Part, name: str) -> str:
        if part.place is not None:
            layer, backward = part.place
            name += f"_l{layer}" + "_reverse" * backward
        return joined(part.stem, name)

    def refuse(self, part: Part) -> None:
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

    def packed(self, part: Part, ours: Mapping[str, Any], gradient: bool) -> dict[str, Any]:
        if part.equations is None:
            return {"weight": ours["W"].T, "bias": ours["b"]}
        gates = _orders(part)
        first = reordered(ours["b"], *gates)
        second = first.copy() if gradient else np.zeros_like(first)
        if "c" in ours:
            second[-len(ours["c"]) :] = ours["c"]
        found = {
            "weight_ih": reordered(ours["W"], *gates).T,
            "weight_hh": reordered(ours["U"], *gates).T,
            "bias_ih": first,
            "bias_hh": second,
        }
        return found | ({"weight_hr": ours["P"].T} if "P" in ours else {})

    def unpacked(self, part: Part, theirs: Mapping[str, Any], gradient: bool) -> dict[str, Any]:
        if part.equations is None:
            return {"W": theirs["weight"].T, "b": theirs["bias"]}
        found, wanted = _orders(part)
        first, second = theirs["bias_ih"], theirs["bias_hh"]
        added = np.zeros_like(second) if gradient else second.copy()
        ours = {}
        if isinstance(part.equations, GRUEquations):
            H = part.equations.sizes[0]
            ours["c"], added[-H:] = second[-H:], 0
        ours |= {
            "W": reordered(theirs["weight_ih"].T, wanted, found),
            "U": reordered(theirs["weight_hh"].T, wanted, found),
            "b": reordered(first + added, wanted, found),
        }
        return ours | ({"P": theirs["weight_hr"].T} if "weight_hr" in theirs else {})


def _orders(part: Part) -> tuple[str, str]:
    """Return the order of our gates, and PyTorch's, in our letters."""
    ours = "".join(part.equations.gates)  # type: ignore[union-attr]
    return ours, "ifao" if ours == "aifo" else ours


TORCH = _PyTorch()


def to_torch(module: Module) -> Arrays:
    """Return a layer's numbers as the state dict of PyTorch's.

    Parameters
    ----------
    module : LSTM, GRU, RNN, a cell, Dense, or a Module of such
        The parameters of modules inside it have their paths before them: ``lstm.weight_ih_l0``.
        What a Module of your own holds itself stays as it is.

    Returns
    -------
    dict of str to array
        Copies. The second biases are 0, but for a GRU's n.

    Raises
    ------
    UsageError
        If PyTorch has no equal: peepholes, other squashing functions, a GRU without reset_after,
        initial states that are learned. The message names the layer and what it is.

    Examples
    --------
    >>> from tinygrad_lstm import nn
    >>> {name: array.shape for name, array in to_torch(nn.Dense(2, 3)).items()}
    {'weight': (3, 2), 'bias': (3,)}
    >>> list(to_torch(nn.LSTM(2, 3, bidirectional=True)))[3:5]
    ['bias_hh_l0', 'weight_ih_l0_reverse']
    """
    return TORCH.out(module)


def from_torch(module: Module, state_dict: Mapping[str, Any]) -> None:
    """Replace a layer's numbers by those of PyTorch's.

    Parameters
    ----------
    module : as in `to_torch`
    state_dict : mapping of str to array, or to PyTorch's tensors on the CPU
        As ``state_dict()`` returns it.

    Raises
    ------
    UsageError, SignalError, ShapeError, DTypeError
        If PyTorch has no equal of the layer; if an entry is missing, unexpected, of the wrong shape
        or no real numbers. The message lists what does not fit, and nothing has changed.

    Examples
    --------
    >>> from tinygrad_lstm import nn
    >>> gru = nn.GRU(2, 3, seed=0)
    >>> from_torch(gru, to_torch(nn.GRU(2, 3, seed=1)))
    >>> bool((gru.W.numpy() == nn.GRU(2, 3, seed=1).W.numpy()).all())
    True
    """
    TORCH.load("from_torch", module, state_dict)


def gradients_to_torch(module: Module) -> Arrays:
    """Return the gradients of a layer's parameters in PyTorch's names and layout.

    Raises
    ------
    GradientError, UsageError
        If a parameter has none; if PyTorch has no equal of the layer.
    """
    return TORCH.out(module, gradient=True)


def gradients_from_torch(module: Module, gradients: Mapping[str, Any]) -> Arrays:
    """Return PyTorch's gradients in our names and layout, as `compare` takes them.

    The gradient of a sum of two biases is that of each.

    Parameters
    ----------
    module : as in `to_torch`
    gradients : mapping of str to array, or to PyTorch's tensors on the CPU
        ``{name: p.grad for name, p in layer.named_parameters()}``.

    Returns
    -------
    dict of str to array
        By the names of signals, such as ``lstm.W``.

    Raises
    ------
    UsageError, SignalError, ShapeError, DTypeError
        As `from_torch`.

    Examples
    --------
    >>> import tinygrad_lstm as tg
    >>> lstm = tg.nn.LSTM(2, 3, seed=0)
    >>> loss = lstm(np.ones((4, 2)))[0].sum()
    >>> loss.backward()
    >>> tg.compare(loss, gradients_from_torch(lstm, gradients_to_torch(lstm))).ok
    True
    """
    return TORCH.gradients("gradients_from_torch", module, gradients)


__all__ = ["TORCH", "from_torch", "gradients_from_torch", "gradients_to_torch", "to_torch"]
