"""TMVA's names and layout of LSTM, GRU, RNN and dense layers, as dictionaries of arrays.

Knows the layers; no layer strings.

    LSTM     W_g (state, input), U_g (state, state), b_g (state,) for g in i, f, c, o; c is our a
    GRU      the same for g in r, u, c: our r, z, n
    RNN      W, U, b
    Dense    W (out, in), b (out,)

TMVA is part of ROOT (CERN). It has one layer in one direction, without a second bias. Of layers one
after the other, names have the path of ours before them: ``lstm.W_i``. Source: the members of
TBasicLSTMLayer, TBasicGRULayer and TBasicRNNLayer in its source.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..engine.primitives import tanh
from ..nn.gru import GRUEquations
from ..nn.lstm import LSTMEquations
from ..nn.module import Module
from .layout import Arrays, Layout, Part, joined

GATES = {"aifo": "cifo", "rzn": "ruc", "s": " "}  # ours and TMVA's letters, in our order


class _Tmva(Layout):
    title = "TMVA"

    def key(self, part: Part, name: str) -> str:
        return joined(part.stem, name)

    def refuse(self, part: Part) -> None:
        equations = part.equations
        squashing: list[Any] = []
        if part.path:
            self.no_equal(part, "several layers or directions")
        if isinstance(equations, LSTMEquations):
            if equations.is_projected:
                self.no_equal(part, "a projection")
            squashing = [equations.g, equations.h]
        elif isinstance(equations, GRUEquations):
            squashing = [equations.squash]
        if any(each is not tanh for each in squashing):
            self.no_equal(part, "squashing functions other than tanh")

    def packed(self, part: Part, ours: Mapping[str, Any], gradient: bool) -> dict[str, Any]:
        if part.equations is None:
            return {"W": ours["W"].T, "b": ours["b"]}
        letters = GATES["".join(part.equations.gates)]
        return {
            _name(name, letter): block.T
            for name in "WUb"
            for letter, block in zip(letters, np.split(ours[name], len(letters), -1), strict=True)
        }

    def unpacked(self, part: Part, theirs: Mapping[str, Any], gradient: bool) -> dict[str, Any]:
        if part.equations is None:
            return {"W": theirs["W"].T, "b": theirs["b"]}
        letters = GATES["".join(part.equations.gates)]
        ours = {
            name: np.concatenate([theirs[_name(name, each)].T for each in letters], axis=-1)
            for name in "WUb"
        }
        if "c" in part.parameters and not gradient:
            ours["c"] = np.zeros(part.equations.sizes[0])
        return ours


def _name(name: str, letter: str) -> str:
    return f"{name}_{letter}" if letter.strip() else name


TMVA = _Tmva()


def to_tmva(module: Module) -> Arrays:
    """Return a layer's numbers as the matrices of TMVA's.

    Parameters
    ----------
    module : LSTM, GRU, RNN (one layer, one direction), Dense, or a Module of such

    Returns
    -------
    dict of str to array
        Copies.

    Raises
    ------
    UsageError
        If TMVA has no equal: several layers or directions, peepholes, a projection, another
        squashing function, a second bias that is not 0. The message names the layer and what it is.

    Examples
    --------
    >>> from tinygrad_lstm import nn
    >>> list(to_tmva(nn.GRU(2, 3, reset_after=False)))
    ['W_r', 'W_u', 'W_c', 'U_r', 'U_u', 'U_c', 'b_r', 'b_u', 'b_c']
    """
    for part in TMVA.parts(module):
        if "c" in part.parameters and part.parameters["c"].data.any():
            TMVA.no_equal(part, "a second bias, c, that is not 0")
    return TMVA.out(module)


def from_tmva(module: Module, matrices: Mapping[str, Any]) -> None:
    """Replace a layer's numbers by the matrices of TMVA's; the second bias of a GRU becomes 0.

    Parameters
    ----------
    module : as in `to_tmva`
    matrices : mapping of str to array
        By the names of `to_tmva`.

    Raises
    ------
    UsageError, SignalError, ShapeError, DTypeError
        If TMVA has no equal of the layer; if a matrix is missing, unexpected, of the wrong shape or
        no real numbers. The message lists what does not fit, and nothing has changed.
    """
    TMVA.load("from_tmva", module, matrices)


def gradients_to_tmva(module: Module) -> Arrays:
    """Return the gradients of a layer's parameters as TMVA's matrices.

    Raises
    ------
    GradientError, UsageError
        If a parameter has none; if TMVA has no equal of the layer.
    """
    return TMVA.out(module, gradient=True)


def gradients_from_tmva(module: Module, gradients: Mapping[str, Any]) -> Arrays:
    """Return TMVA's gradients in our names and layout, as `compare` takes them.

    A GRU's second bias, which TMVA has not, is left out.

    Raises
    ------
    UsageError, SignalError, ShapeError, DTypeError
        As `from_tmva`.
    """
    return TMVA.gradients("gradients_from_tmva", module, gradients)


__all__ = ["TMVA", "from_tmva", "gradients_from_tmva", "gradients_to_tmva", "to_tmva"]
