"""TMVA's names and layout of LSTM, GRU, RNN and dense layers, as dictionaries of arrays.

Knows the layers; `tmva_network` reads layer strings.

    LSTM     W_g (state, input), U_g (state, state), b_g (state,) for g in i, f, c, o; c is our a
    GRU      the same for g in r, u, c: our r, z, n
    RNN      W, U, b
    Dense    W (out, in), b (out,)

TMVA is part of ROOT (CERN). It has one layer in one direction, without a second bias: `load` sets
that of a GRU to 0. Of layers one
after the other, names have the path of ours before them: ``lstm.W_i``. Source: the members of
TBasicLSTMLayer, TBasicGRULayer and TBasicRNNLayer in its source.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..engine.primitives import tanh
from ..nn.gru import GRUEquations
from ..nn.lstm_equations import LSTMEquations
from ..nn.module import Module
from .framework import Framework
from .layer_parts import LayerPart, joint
from .layout import Arrays
from .registry import register
from .tmva_network import LOSSES, network

GATES = {"aifo": "cifo", "rzn": "ruc", "s": " "}  # ours and TMVA's letters, in our order


class Tmva(Framework):
    """TMVA's layers; `network` builds them from a layer string, ``losses`` has TMVA's losses."""

    name, title = "tmva", "TMVA"
    network, losses = staticmethod(network), LOSSES

    def weights(self, module: Module) -> Arrays:
        """Return the numbers of a layer (see `Framework`); a second bias must be 0."""
        for part in self.parts(module):
            if "c" in part.parameters and part.parameters["c"].data.any():
                self.no_equal(part, "a second bias, c, that is not 0")
        return super().weights(module)

    def key(self, part: LayerPart, name: str) -> str:
        return joint(part.stem, name)

    def refuse(self, part: LayerPart) -> None:
        equations = part.equations
        if "b" not in part.parameters:
            self.no_equal(part, "no bias")
        functions: list[Any] = []
        if part.path:
            self.no_equal(part, "several layers or directions")
        if isinstance(equations, LSTMEquations):
            if equations.is_projected:
                self.no_equal(part, "a projection")
            functions = [equations.g, equations.h]
        elif isinstance(equations, GRUEquations):
            functions = [equations.activation]
        if any(function is not tanh for function in functions):
            self.no_equal(part, "squashing functions other than tanh")

    def pack(self, part: LayerPart, ours: Mapping[str, Any], gradient: bool) -> dict[str, Any]:
        if part.equations is None:
            return {"W": ours["W"].T, "b": ours["b"]}
        letters = GATES[part.gates]
        return {
            _name(name, letter): block.T
            for name in "WUb"
            for letter, block in zip(letters, np.split(ours[name], len(letters), -1), strict=True)
        }

    def unpack(self, part: LayerPart, theirs: Mapping[str, Any], gradient: bool) -> dict[str, Any]:
        if part.equations is None:
            return {"W": theirs["W"].T, "b": theirs["b"]}
        letters = GATES[part.gates]
        ours = {
            name: np.concatenate([theirs[_name(name, letter)].T for letter in letters], axis=-1)
            for name in "WUb"
        }
        if "c" in part.parameters and not gradient:
            ours["c"] = np.zeros(part.equations.sizes[0])
        return ours


def _name(name: str, letter: str) -> str:
    return f"{name}_{letter}" if letter.strip() else name


tmva = register(Tmva())
