"""The parts of a network that have arrays of their own, each with the path that leads to it.

Knows the layers; no framework.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from .. import nn
from ..engine.tensor import Tensor
from ..nn.equation_module import EquationModule
from ..nn.equations import Equations
from ..nn.module import Module

# the layers over time that other programs have too
LAYERS: dict[str, Callable[..., nn.Recurrent]] = {"LSTM": nn.LSTM, "GRU": nn.GRU, "RNN": nn.RNN}


class LayerPart(NamedTuple):
    """A part of a network with arrays of its own: a cell, a layer, or one direction of a layer.

    Attributes
    ----------
    owner : Module
        Holds the parameters.
    equations : Equations, or None for a layer without steps, or a Module of the user's own
    stem : str
        The path, from the module that is converted, to the layer.
    path : str
        From the layer to the part, such as ``layers.0.forward``.
    place : tuple (layer, is_backward), or None if it is not part of a layer over time
    """

    owner: Module
    equations: Equations | None
    stem: str
    path: str = ""
    place: tuple[int, bool] | None = None

    @property
    def gates(self) -> str:
        """The letters of the blocks in W, U and b, in their order."""
        return "".join(self.equations.gates) if self.equations is not None else ""

    @property
    def state(self) -> dict[str, Tensor]:
        """The parameters, and what belongs to the state and is not trained, by our letters."""
        return self.parameters | {name: getattr(self.owner, name) for name in self.owner._buffers}

    @property
    def parameters(self) -> dict[str, Tensor]:
        """By our letters; of a Module of the user's own, by their names."""
        owner = self.owner
        if self.equations is not None:
            letters = ("W", "U", "b", "c", "P", "p")
            return {
                letter: parameter
                for letter in letters
                if (parameter := getattr(owner, letter, None)) is not None
            }
        children = tuple(f"{name}." for name, _ in owner.children())
        return {
            name: parameter
            for name, parameter in owner.named_leaves().items()
            if not name.startswith(children)
        }


def parts(
    module: Module, stem: str = "", around: frozenset[int] = frozenset()
) -> Iterator[LayerPart]:
    """Yield the parts of a module, in the order of its parameters."""
    if isinstance(module, nn.Recurrent):
        directions: list[EquationModule] = [*module._directions.values()] or [module]
        for (path, layer, backward), owner in zip(module._paths(), directions, strict=True):
            yield LayerPart(owner, module.equations, stem, path, (layer, backward))
    elif isinstance(module, EquationModule):
        yield LayerPart(module, module.equations, stem)
    else:
        yield LayerPart(module, None, stem)
        around |= {id(module)}  # a child may hold a module around it
        for name, child in module.children():
            if id(child) not in around:
                yield from parts(child, joint(stem, name), around)


def joint(*names: str) -> str:
    """Return a path of those names that are not empty."""
    return ".".join(filter(None, names))
