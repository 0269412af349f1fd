"""What a framework's layers call their parameters and how they lay them out, as against ours.

Knows the layers; no framework, of which each says in a file of its own what is peculiar to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, NoReturn

import numpy as np

from .. import nn
from ..engine.arguments import as_array
from ..engine.tensor import Tensor
from ..errors import DTypeError, GradientError, ShapeError, UsageError
from ..nn.equation_module import EquationModule
from ..nn.equations import Equations
from ..nn.gru import GRUEquations
from ..nn.lstm import BlockEquations, LSTMEquations
from ..nn.module import Module, check_entries
from ..nn.rnn import RNNEquations

Arrays = dict[str, np.ndarray]


class Part(NamedTuple):
    """What holds some parameters: a layer, a cell, or one layer and direction of a stack.

    Attributes
    ----------
    owner : Module
    equations : Equations, or None for a dense layer, or for a Module of the user's own
    stem : str
        The path, from the module converted, to the layer that it is or is part of.
    path : str
        From that layer to it, such as ``layers.0.forward``.
    place : tuple (layer, is_backward), or None if it is not part of a layer over time
    """

    owner: Module
    equations: Equations | None
    stem: str
    path: str = ""
    place: tuple[int, bool] | None = None

    @property
    def parameters(self) -> dict[str, Tensor]:
        """By our letters; of a Module of the user's own, by their names."""
        if self.equations is not None:
            letters = ("W", "U", "b", "c", "P", "p")
            return {
                name: getattr(self.owner, name) for name in letters if hasattr(self.owner, name)
            }
        children = tuple(f"{name}." for name, _ in self.owner.children())
        return {
            name: each
            for name, each in self.owner.named_parameters()
            if not name.startswith(children)
        }


def parts(module: Module, stem: str = "", seen: frozenset[int] = frozenset()) -> Iterator[Part]:
    """Yield what holds the parameters of a module, in the order of its parameters."""
    if isinstance(module, nn.Recurrent):
        ways: list[EquationModule] = [*module._directions.values()] or [module]
        for (path, layer, backward), way in zip(module._paths(), ways, strict=True):
            yield Part(way, module.equations, stem, path, (layer, backward))
        return
    yield Part(module, module.equations if isinstance(module, EquationModule) else None, stem)
    if not isinstance(module, EquationModule):
        around = seen | {id(module)}  # a child may hold a module around it
        for name, child in module.children():
            if id(child) not in around:
                yield from parts(child, joined(stem, name), around)


def joined(*names: str) -> str:
    """Return a path of those names that are not empty."""
    return ".".join(filter(None, names))


class Layout:
    """A framework's names and layout.

    `packed` and `unpacked` are linear maps, of numbers and of gradients alike but for biases: what
    the framework adds up has one gradient.

    Attributes
    ----------
    title : str
        What messages call the framework.
    has_peepholes : bool
    """

    title: str
    has_peepholes = False

    def key(self, part: Part, name: str) -> str:
        """Return what the framework calls an array of a part."""
        raise NotImplementedError

    def packed(self, part: Part, ours: Mapping[str, Any], gradient: bool) -> dict[str, Any]:
        """Return their arrays of a part by their names, from ours by our letters."""
        raise NotImplementedError

    def unpacked(self, part: Part, theirs: Mapping[str, Any], gradient: bool) -> dict[str, Any]:
        """Return our arrays of a part by our letters, from theirs by their names."""
        raise NotImplementedError

    def gathered(self, module: Module, found: Arrays) -> Arrays:
        """Return the parts' arrays, by the names of `key`, as the framework has them."""
        return found

    def scattered(self, module: Module, arrays: Arrays) -> Arrays:
        """Return the parts' arrays by the names of `key`, from what the framework has."""
        return arrays

    def refuse(self, part: Part) -> None:
        """Raise UsageError if the framework has no equal of a part."""
        raise NotImplementedError

    # --- a whole module --------------------------------------------------------------------------

    def out(self, module: Module, gradient: bool = False) -> Arrays:
        """Return a module's numbers, or its gradients, by their names.

        Raises
        ------
        UsageError, GradientError
            If the framework has no equal; if a parameter has no gradient.
        """
        found: Arrays = {}
        for part in self.parts(module):
            ours = {}
            for letter, each in part.parameters.items():
                if gradient and each.grad is None and each.requires_grad:
                    who = joined(part.owner.place.path(), letter)
                    raise GradientError(f"{who} has no gradient: call backward()")
                given = each.grad if gradient else each.data
                ours[letter] = np.zeros(each.shape) if given is None else np.array(given)
            for name, array in self._packed(part, ours, gradient).items():
                found[self.key(part, name)] = np.array(array, order="C")  # copied, never a view
        return self.gathered(module, found)

    def shapes(self, module: Module) -> dict[str, tuple[int, ...]]:
        """Return the shapes of what `out` returns."""
        return {name: array.shape for name, array in self.out(module).items()}

    def back(
        self, who: str, module: Module, given: Mapping[str, Any], gradient: bool = False
    ) -> list[tuple[Part, Arrays]]:
        """Return our arrays by our letters, part after part, from theirs by their names.

        Raises
        ------
        UsageError, SignalError, ShapeError, DTypeError
            If the framework has no equal; if an entry is missing, unexpected, of the wrong shape
            or no real numbers. The message lists what does not fit.
        """
        if not isinstance(given, Mapping):
            raise UsageError(
                f"{who}: found {type(given).__name__}, expected a dictionary of arrays"
            )
        shapes = self.shapes(module)
        arrays = {name: _real(f"{who}: {name}", each) for name, each in given.items()}
        check_entries(who, arrays, shapes)
        arrays = self.scattered(module, arrays)
        found = []
        for part in self.parts(module):
            mine = {
                name: arrays[self.key(part, name)]
                for name in self._packed(part, _zeros(part), gradient)
            }
            found.append((part, self._unpacked(part, mine, gradient)))
        return found

    def load(self, who: str, module: Module, given: Mapping[str, Any]) -> None:
        """Replace a module's numbers by theirs; nothing changes unless all of them fit."""
        for part, ours in self.back(who, module, given):
            for letter, each in part.parameters.items():
                each.data = ours[letter]

    def gradients(self, who: str, module: Module, given: Mapping[str, Any]) -> Arrays:
        """Return their gradients in our layout, by the names of our signals."""
        return {
            joined(part.owner.place.path(), letter): np.array(array, order="C")
            for part, ours in self.back(who, module, given, gradient=True)
            for letter, array in ours.items()
        }

    def no_equal(self, part: Part, what: str) -> NoReturn:
        """Say that the framework has no layer like a part."""
        raise UsageError(f"{part.owner.place.path()}: {self.title} has no layer with {what}")

    def parts(self, module: Module) -> Iterator[Part]:
        """Yield what holds the parameters of a module, each once, if the framework has its equal.

        Raises
        ------
        UsageError
            If it has none; the message names the layer and what it is.
        """
        if not isinstance(module, Module):
            raise UsageError(
                f"found {type(module).__name__}, expected a layer or a Module of layers"
            )
        seen: set[Module] = set()
        for part in parts(module):
            if part.owner in seen:
                continue
            seen.add(part.owner)
            if isinstance(part.owner, EquationModule):
                if part.owner.learns_start:
                    self.no_equal(part, "initial states that are learned")
                if not isinstance(part.equations, LSTMEquations | GRUEquations | RNNEquations):
                    self.no_equal(part, f"the equations {type(part.equations).__name__}")
                if isinstance(part.equations, BlockEquations):
                    if part.equations.peephole and not self.has_peepholes:
                        self.no_equal(part, "peepholes")
                    if part.equations.cells > 1:
                        self.no_equal(part, "several cells in a block")
                self.refuse(part)
            yield part

    def _packed(self, part: Part, ours: dict[str, Any], gradient: bool) -> dict[str, Any]:
        converted = part.equations is not None or isinstance(part.owner, nn.Dense)
        return self.packed(part, ours, gradient) if converted else ours

    def _unpacked(self, part: Part, theirs: dict[str, Any], gradient: bool) -> dict[str, Any]:
        converted = part.equations is not None or isinstance(part.owner, nn.Dense)
        return self.unpacked(part, theirs, gradient) if converted else theirs


def reordered(packed: Any, found: str, wanted: str) -> Any:
    """Return blocks along the last axis in another order.

    >>> reordered(np.array([1, 2, 3, 4]), "aifo", "ifao").tolist()
    [2, 3, 1, 4]
    """
    blocks = dict(zip(found, np.split(packed, len(found), axis=-1), strict=True))
    return np.concatenate([blocks[letter] for letter in wanted], axis=-1)


def _zeros(part: Part) -> dict[str, Any]:
    return {letter: np.zeros(each.shape) for letter, each in part.parameters.items()}


def _real(who: str, given: Any) -> np.ndarray:
    """Return an array that holds real numbers."""
    try:
        array = as_array(who, given._array if isinstance(given, Tensor) else given)
    except ShapeError as error:
        raise DTypeError(f"{error}, which NumPy cannot read") from None
    if array.dtype.kind not in "fiu":
        raise DTypeError(f"{who} is of type {array.dtype}, expected real numbers")
    return array


__all__ = ["Arrays", "Layout", "Part", "joined", "parts", "reordered"]
