"""Framework: the weights and gradients of a whole module in another program's layout, and back.

Knows the layout of one layer, and checks that all arrays fit before any of them is used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..engine.arguments import as_array
from ..engine.tensor import Tensor
from ..errors import DTypeError, GradientError, ShapeError
from ..nn.entries import check_entries
from ..nn.module import Module
from .layer_parts import LayerPart, joint
from .layout import Arrays, Layout
from .prefixes import under_prefix


class Framework(Layout):
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
