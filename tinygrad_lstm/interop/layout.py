"""Layout: another program's names and order of the arrays of one layer.

Knows the layers; no framework, each of which says what is peculiar to it in a file of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

import numpy as np

from .. import nn
from ..engine.arguments import by_name
from ..errors import UsageError
from ..nn.equation_module import EquationModule
from ..nn.equations import Equations
from ..nn.gru import GRUEquations
from ..nn.lstm_equations import BlockEquations, LSTMEquations
from ..nn.module import Module
from ..nn.rnn import RNNEquations
from .layer_parts import LayerPart, joint, parts
from .plain_layers import PLAIN

Arrays = dict[str, np.ndarray]


class Layout:
    """The arrays of one layer in another program, from ours and back; see `Framework`."""

    name: str
    title = ""
    covers: tuple[type[Equations], ...] = (LSTMEquations, GRUEquations, RNNEquations)
    layers: tuple[type[Module], ...] = (nn.Dense,)
    has_peepholes = False
    orders: Mapping[str, str] = {}

    def pack(self, part: LayerPart, ours: Mapping[str, Any], gradient: bool) -> dict[str, Any]:
        """Return the framework's arrays of a part by their names, from ours by our letters.

        Parameters
        ----------
        part : LayerPart
        ours : dict of str to array
            W, U and b, with c, p or P where the part has them (see `LSTM`, `GRU`, `RNN`, `Dense`).
            Of other layers without steps, the attributes that their docstrings name.
        gradient : bool
            Whether the arrays are gradients. The maps are linear and the same for both, except for
            biases: two biases that are added up have one gradient.
        """
        raise NotImplementedError

    def unpack(self, part: LayerPart, theirs: Mapping[str, Any], gradient: bool) -> dict[str, Any]:
        """Return our arrays of a part by our letters: the inverse of `pack`."""
        raise NotImplementedError

    def key(self, part: LayerPart, name: str) -> str:
        """Return the framework's name of an array of a part, with the path to the part."""
        return joint(part.stem, part.path, name)

    def refuse(self, part: LayerPart) -> None:
        """Call `no_equal` if the framework has no layer like a part."""

    def gather(self, module: Module, arrays: Arrays) -> Arrays:
        """Return the framework's arrays of a whole module, from those of its parts."""
        return arrays

    def scatter(self, module: Module, arrays: Arrays) -> Arrays:
        """Return the arrays of the parts of a module: the inverse of `gather`."""
        return arrays

    def name_all(self, who: str, module: Module, arrays: Any) -> Mapping[str, Any]:
        """Return the caller's arrays by their names."""
        return by_name(who, arrays)

    def plain(self, name: str) -> str:
        """Return a name without the parts that callers may leave out."""
        return name

    def to_order(self, part: LayerPart, blocks: Any) -> Any:
        """Return blocks along the last axis in the framework's order, from ours."""
        return reorder(blocks, part.gates, self.orders.get(part.gates, part.gates))

    def from_order(self, part: LayerPart, blocks: Any) -> Any:
        """Return blocks along the last axis in our order, from the framework's."""
        return reorder(blocks, self.orders.get(part.gates, part.gates), part.gates)

    def two_biases(
        self, part: LayerPart, ours: Mapping[str, Any], gradient: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the biases of the input and of the recurrent input, in the framework's order.

        The framework adds them up. Ours is the first, and c the last block of the second.
        """
        first = self.to_order(part, ours["b"])
        second = first.copy() if gradient else np.zeros_like(first)
        if "c" in ours:
            second[-len(ours["c"]) :] = ours["c"]
        return first, second

    def one_bias(
        self, part: LayerPart, first: np.ndarray, second: np.ndarray, gradient: bool
    ) -> dict[str, Any]:
        """Return b, and c if the part has c: the inverse of `two_biases`."""
        ours, second = {}, second.copy()
        if "c" in part.parameters:
            H = part.parameters["c"].size
            ours["c"], second[-H:] = second[-H:].copy(), 0
        if gradient:
            second[:] = 0  # the gradient of the sum of two biases is that of each
        return {"b": self.from_order(part, first + second)} | ours

    def no_equal(self, part: LayerPart, feature: str) -> NoReturn:
        """Raise UsageError: the framework has no layer like a part."""
        who = part.owner.place.path()
        raise UsageError(f"{who}: {self.title or self.name} has no layer with {feature}")

    def has(self, part: LayerPart) -> bool:
        """Return whether a part is a layer of both; a Module of the user's own stays as it is."""
        return part.equations is not None or isinstance(part.owner, self.layers)

    def parts(self, module: Module) -> Iterator[LayerPart]:
        """Yield the parts of a module, each once, if the framework has their equals.

        Raises
        ------
        UsageError
            If it has none; the message names the layer and what it is.
        """
        if not isinstance(module, Module):
            raise UsageError(
                f"found {type(module).__name__}, expected a layer or a Module of layers"
            )
        owners: set[Module] = set()
        for part in parts(module):
            owner, equations = part.owner, part.equations
            if owner in owners:
                continue
            owners.add(owner)
            if isinstance(owner, EquationModule):
                if owner.learns_start:
                    self.no_equal(part, "initial states that are learned")
                if not isinstance(equations, self.covers):
                    self.no_equal(part, f"the equations {type(equations).__name__}")
                if isinstance(equations, BlockEquations):
                    if equations.peephole and not self.has_peepholes:
                        self.no_equal(part, "peepholes")
                    if equations.cells > 1:
                        self.no_equal(part, "several cells in a block")
            elif isinstance(owner, PLAIN) and not isinstance(owner, self.layers):
                self.no_equal(part, f"the equations of {type(owner).__name__}")
            if self.has(part):
                self.refuse(part)
            yield part


def reorder(blocks: Any, order: str, new_order: str) -> Any:
    """Return blocks along the last axis in another order.

    >>> reorder(np.array([1, 2, 3, 4]), "aifo", "ifao").tolist()
    [2, 3, 1, 4]
    """
    by_letter = dict(zip(order, np.split(blocks, len(order), axis=-1), strict=True))
    return np.concatenate([by_letter[letter] for letter in new_order], axis=-1)
