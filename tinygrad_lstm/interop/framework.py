"""Framework: another program's names and layout of the layers' arrays; and which ones are known.

Knows the layers; no framework, each of which says what is peculiar to it in a file of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn

import numpy as np

from .. import nn
from ..engine.arguments import as_array, by_name, of_kind, text
from ..engine.tensor import Tensor
from ..errors import ArgumentError, DTypeError, GradientError, ShapeError, UsageError
from ..nn.entries import check_entries
from ..nn.equation_module import EquationModule
from ..nn.equations import Equations
from ..nn.gru import GRUEquations
from ..nn.lstm_equations import BlockEquations, LSTMEquations
from ..nn.module import Module
from ..nn.rnn import RNNEquations
from .layer_parts import LayerPart, joint, parts
from .plain_layers import PLAIN
from .prefixes import under_prefix

Arrays = dict[str, np.ndarray]
# the layers over time that other programs have too
LAYERS: dict[str, Callable[..., nn.Recurrent]] = {"LSTM": nn.LSTM, "GRU": nn.GRU, "RNN": nn.RNN}


class Framework:
    """Another program's layers: their weights and gradients as ours, and back.

    `weights`, `load`, `gradients` and `read_gradients` are for all. A subclass says how the arrays
    are called and laid out: it defines ``name``, `pack` and `unpack`, and, where the framework
    differs in more than the single layer, `key`, `refuse`, `gather` and `scatter`.

    Attributes
    ----------
    name : str
        By which `save` and `load` know the layout once it is registered.
    title : str
        What messages call the framework; its name, unless said otherwise.
    covers : tuple of classes
        The equations of which the framework has layers.
    layers : tuple of classes
        The layers without steps that the framework has too.
    has_peepholes : bool
    orders : dict of str to str
        The framework's order of gates by ours, both in our letters, where they differ.

    Examples
    --------
    A program that works on columns, and so transposes all matrices:

    >>> import tinygrad_lstm as tg
    >>> class Columns(tg.interop.Framework):
    ...     name = "columns"
    ...
    ...     def pack(self, part, ours, gradient):
    ...         return {f"{letter}_T": array.T for letter, array in ours.items()}
    ...
    ...     def unpack(self, part, theirs, gradient):
    ...         return {name.removesuffix("_T"): array.T for name, array in theirs.items()}
    >>> columns = tg.interop.register(Columns())
    >>> lstm = tg.nn.LSTM(2, 3, seed=0)
    >>> {name: array.shape for name, array in columns.weights(lstm).items()}
    {'W_T': (12, 2), 'U_T': (12, 3), 'b_T': (12,)}
    >>> columns.load(tg.nn.LSTM(2, 3, seed=1), columns.weights(lstm))
    >>> sorted(tg.interop.frameworks)
    ['columns', 'keras', 'onnx', 'tmva', 'torch']
    """

    name: str
    title = ""
    covers: tuple[type[Equations], ...] = (LSTMEquations, GRUEquations, RNNEquations)
    layers: tuple[type[Module], ...] = (nn.Dense,)
    has_peepholes = False
    orders: Mapping[str, str] = {}

    # --- for all ---------------------------------------------------------------------------------

    def weights(self, module: Module) -> Arrays:
        """Return the numbers of a layer in the framework's names and layout.

        Parameters
        ----------
        module : LSTM, GRU, RNN, MemoryBlocks, a cell, a layer without steps, or a Module of such
            The arrays of modules inside it have their paths before them, such as
            ``lstm.weight_ih_l0``. The parameters of a Module of your own stay as they are.

        Returns
        -------
        dict of str to array
            Copies.

        Raises
        ------
        UsageError
            If the framework has no such layer; the message names the layer and what it is.

        Examples
        --------
        >>> from tinygrad_lstm import interop, nn
        >>> {name: array.shape for name, array in interop.torch.weights(nn.Dense(2, 3)).items()}
        {'weight': (3, 2), 'bias': (3,)}
        >>> {name: array.shape for name, array in interop.keras.weights(nn.GRU(2, 3)).items()}
        {'kernel': (2, 9), 'recurrent_kernel': (3, 9), 'bias': (2, 9)}
        >>> lstm = nn.LSTM(2, 3, bidirectional=True, peephole=True)
        >>> {name: array.shape for name, array in interop.onnx.weights(lstm).items()}
        {'W': (2, 12, 2), 'R': (2, 12, 3), 'B': (2, 24), 'P': (2, 9)}
        """
        return self._out(module)

    def load(
        self, module: Module, weights: Mapping[str, Any], *, prefix: str | None = None
    ) -> None:
        """Replace the numbers of a layer by those of the framework's layer.

        Parameters
        ----------
        module : as in `weights`
        weights : mapping of str to array
            By the names of `weights`. PyTorch's may be tensors on the CPU, as ``state_dict()`` has
            them; those of a cell fit a layer, and those of one layer a cell. Keras' may be a list,
            as ``get_weights()`` returns it, layer after layer.
        prefix : str, optional
            The path before these names, if the arrays are those of a larger module, such as
            ``encoder.rnn``. It is found without, where the names stand under one path only.

        Raises
        ------
        UsageError, SignalError, ShapeError, DTypeError
            If the framework has no such layer; if an entry is missing, unexpected, of the wrong
            shape or no real numbers; if they stand under several paths. The message lists what does
            not fit, and nothing has changed.

        Examples
        --------
        >>> from tinygrad_lstm import interop, nn
        >>> gru, other = nn.GRU(2, 3, seed=0), nn.GRU(2, 3, seed=1)
        >>> interop.torch.load(gru, interop.torch.weights(other))
        >>> bool((gru.W.data == other.W.data).all())
        True
        """
        self.load_as(f"{self.name}.load", module, weights, prefix)

    def gradients(self, module: Module) -> Arrays:
        """Return the gradients of a layer's parameters in the framework's names and layout.

        Raises
        ------
        GradientError, UsageError
            If a parameter has none; if the framework has no such layer.
        """
        return self._out(module, gradient=True)

    def read_gradients(
        self, module: Module, gradients: Mapping[str, Any], *, prefix: str | None = None
    ) -> Arrays:
        """Return the framework's gradients in our names and layout, as `compare` takes them.

        Where the framework has two biases and we have their sum, the gradient of the sum is that of
        each of them. A bias of ours that the framework lacks is left out.

        Parameters
        ----------
        module : as in `weights`
        gradients : mapping of str to array
            By the names of `weights`, such as PyTorch's ``{name: p.grad for name, p in
            layer.named_parameters()}``; Keras' may be a list in the order of ``trainable_weights``.
        prefix : as in `load`

        Returns
        -------
        dict of str to array
            By the names of signals, such as ``lstm.W``.

        Raises
        ------
        UsageError, SignalError, ShapeError, DTypeError
            As `load`.

        Examples
        --------
        >>> import tinygrad_lstm as tg
        >>> lstm, torch = tg.nn.LSTM(2, 3, seed=0), tg.interop.torch
        >>> loss = lstm(np.ones((4, 2)))[0].sum()
        >>> loss.backward()
        >>> tg.compare(loss, torch.read_gradients(lstm, torch.gradients(lstm))).ok
        True
        """
        who = f"{self.name}.read_gradients"
        return {
            joint(part.owner.place.path(), letter): np.array(array, order="C")
            for part, ours in self._back(who, module, gradients, prefix, gradient=True)
            for letter, array in ours.items()
        }

    # --- for a subclass to define ----------------------------------------------------------------

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
        """Return our arrays of a part by our letters: what `pack` does, backwards."""
        raise NotImplementedError

    def key(self, part: LayerPart, name: str) -> str:
        """Return what the framework calls an array of a part: its path before the name."""
        return joint(part.stem, part.path, name)

    def refuse(self, part: LayerPart) -> None:
        """Call `no_equal` if the framework has no layer like a part."""

    def gather(self, module: Module, arrays: Arrays) -> Arrays:
        """Return the framework's arrays of a whole module, from those of its parts."""
        return arrays

    def scatter(self, module: Module, arrays: Arrays) -> Arrays:
        """Return the arrays of the parts of a module: what `gather` does, backwards."""
        return arrays

    def name_all(self, who: str, module: Module, arrays: Any) -> Mapping[str, Any]:
        """Return the caller's arrays by their names."""
        return by_name(who, arrays)

    def plain(self, name: str) -> str:
        """Return a name without what may be left out of it."""
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
        """Return the biases of what comes in and of what comes back, in the framework's order.

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
        """Return b, and c if the part has it: what `two_biases` does, backwards."""
        ours, second = {}, second.copy()
        if "c" in part.parameters:
            H = part.parameters["c"].size
            ours["c"], second[-H:] = second[-H:].copy(), 0
        if gradient:
            second[:] = 0  # the gradient of the sum of two biases is that of each
        return {"b": self.from_order(part, first + second)} | ours

    def no_equal(self, part: LayerPart, what: str) -> NoReturn:
        """Raise UsageError: the framework has no layer like a part."""
        who = part.owner.place.path()
        raise UsageError(f"{who}: {self.title or self.name} has no layer with {what}")

    # --- a whole module --------------------------------------------------------------------------

    def load_as(self, who: str, module: Module, weights: Any, prefix: str | None = None) -> None:
        """Do as `load`, for a caller whose name messages begin with."""
        for part, ours in self._back(who, module, weights, prefix):
            state = part.state
            for letter, array in ours.items():
                state[letter].data = array

    def shapes(self, module: Module, gradient: bool = False) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the framework's arrays of a module, or of gradients, by name."""
        arrays = self._out_of(module, _blank, gradient)
        return {name: array.shape for name, array in arrays.items()}

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

    def _out(self, module: Module, gradient: bool = False) -> Arrays:
        """Return the framework's arrays of a module: its numbers, or its gradients."""
        return self._out_of(module, _gradient if gradient else Tensor.numpy, gradient)

    def _out_of(
        self, module: Module, take: Callable[[Tensor], np.ndarray], gradient: bool
    ) -> Arrays:
        """Return the framework's arrays of a module, from what is taken of each Tensor of ours."""
        arrays: Arrays = {}
        for part in self.parts(module):
            tensors = part.parameters if gradient else part.state
            ours = {letter: take(tensor) for letter, tensor in tensors.items()}
            for name, array in self._pack(part, ours, gradient).items():
                arrays[self.key(part, name)] = np.array(array, order="C")  # copied, never a view
        return self.gather(module, arrays)

    def _back(
        self, who: str, module: Module, theirs: Any, prefix: str | None, gradient: bool = False
    ) -> list[tuple[LayerPart, Arrays]]:
        """Return our arrays by our letters, part after part, from theirs if all of them fit."""
        shapes = self.shapes(module, gradient)
        named = self.name_all(who, module, theirs)
        arrays = {
            name: _real_array(f"{who}: {name}", array)
            for name, array in under_prefix(who, named, shapes, prefix, self.plain).items()
        }
        check_entries(who, arrays, shapes)
        arrays = self.scatter(module, arrays)
        pairs = []
        for part in self.parts(module):
            tensors = part.parameters if gradient else part.state
            blank = {letter: _blank(tensor) for letter, tensor in tensors.items()}
            names = self._pack(part, blank, gradient)
            own = {name: arrays[self.key(part, name)] for name in names}
            ours = self.unpack(part, own, gradient) if self.has(part) else own
            pairs.append((part, ours))
        return pairs

    def _pack(self, part: LayerPart, ours: Arrays, gradient: bool) -> Arrays:
        return self.pack(part, ours, gradient) if self.has(part) else ours


frameworks: dict[str, Framework] = {}  # the registered ones, by their names


def register(framework: Framework) -> Framework:
    """Make a framework known to `save` and `load`, as ``layout=`` its name, and return it.

    Raises
    ------
    UsageError, ArgumentError
        If it is no `Framework`, or its name is taken.
    """
    of_kind("register", framework, Framework, "a Framework; write a class with that base")
    name = text("register: the framework's name", getattr(framework, "name", None))
    if name in ("", "ours") or type(frameworks.get(name, framework)) is not type(framework):
        raise ArgumentError(f"register: the name {name!r} is taken; choose another")
    frameworks[name] = framework
    return framework


def reorder(blocks: Any, order: str, wanted: str) -> Any:
    """Return blocks along the last axis in another order.

    >>> reorder(np.array([1, 2, 3, 4]), "aifo", "ifao").tolist()
    [2, 3, 1, 4]
    """
    by_letter = dict(zip(order, np.split(blocks, len(order), axis=-1), strict=True))
    return np.concatenate([by_letter[letter] for letter in wanted], axis=-1)


def _blank(tensor: Tensor) -> np.ndarray:
    return np.zeros(tensor.shape)


def _gradient(parameter: Tensor) -> np.ndarray:
    """Return the gradient of a parameter; 0 if the parameter asks for none."""
    if parameter.grad is not None:
        return np.array(parameter.grad)
    if parameter.requires_grad:
        raise GradientError(f"{parameter.label()} has no gradient: call backward()")
    return np.zeros(parameter.shape)


def _real_array(who: str, value: Any) -> np.ndarray:
    """Return an array that holds real numbers."""
    try:
        array = as_array(who, value._array if isinstance(value, Tensor) else value)
    except ShapeError as error:
        raise DTypeError(f"{error}, which NumPy cannot read") from None
    if array.dtype.kind not in "fiu":
        raise DTypeError(f"{who} is of type {array.dtype}, expected real numbers")
    return array
