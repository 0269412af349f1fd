"""A model file of the Open Neural Network Exchange as a network of this library.

Knows ONNX' layout and operators; `onnx_reader` reads what is in a file, and `onnx_file` writes
such files.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .. import nn
from ..engine.arguments import of_kind
from ..engine.primitives import reshape, sigmoid, transpose
from ..engine.tensor import Tensor
from ..errors import ShapeError, TinygradError, UsageError, check_path
from ..nn.contents import free_name
from ..nn.module import Module
from . import onnx_attributes as over_time
from .layer_parts import LAYERS
from .onnx_layout import SQUASHES, load_package, onnx
from .onnx_operators import OPERATORS, PARTS, attributes
from .onnx_over_time import OverTime
from .onnx_reader import OnnxFile, place

# of the equations of LSTM, GRU and RNN: functions by ONNX' names, and what these take
KNOWN: dict[Any, Any] = {
    (name.lower(), *numbers): function for function, (name, numbers) in SQUASHES
}
INPUTS = {"W": 1, "R": 2, "B": 3, "P": 7}


def load_onnx(path: str | os.PathLike[str], *, name: str | None = None) -> OnnxNetwork:
    """Read a model file as a network that records.

    Layers over time become `LSTM`, `GRU` and `RNN` where those have the node's equations,
    everything else primitives, and initializers of floating point parameters. All operators of
    ``interop.onnx_operators`` are covered: those of the files that `save_onnx` writes, and that
    exporters write for layers, convolutions, normalizations and attention.

    Parameters
    ----------
    path : str or path
        Of a model of operator set 13 or newer, in float32 or float64. Constants may stand in other
        files of the model's own folder, as in ``m.onnx.data``; no link is followed there, and no
        path that leads elsewhere.
    name : str, optional
        Of the network.

    Returns
    -------
    OnnxNetwork

    Raises
    ------
    FileError
        If the file, or one beside it, is cut or corrupt, or is not what it says; if there is no
        such file beside it, or the path leads out of the folder; if the file has operators,
        attributes or types that are not covered; the message lists all of these, by their nodes.
    PackageError
        If the package onnx is missing.
    OSError
        If the file cannot be opened.
    """
    package = load_package()
    return OnnxNetwork(OnnxFile(package, check_path("load_onnx", path)), name=name)


class Step(NamedTuple):
    """One node: what is done, from which values to which, and what messages call the node."""

    apply: Callable[..., Any]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]
    place: str

    def run(self, values: dict[str, Any]) -> dict[str, Any]:
        """Return the node's outputs by their names, from values by their names.

        Raises
        ------
        ShapeError
            If the node does not take such operands; the message says which.
        """
        operands = [values[name] for name in self.inputs]
        try:
            results = self.apply(*operands, **self.attributes)
        except TinygradError:
            raise
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            shapes = ", ".join(map(str, (np.shape(x) for x in operands if x is not None)))
            raise ShapeError(
                f"{self.place}: cannot be computed from operands of shapes {shapes}: {error}"
            ) from None
        results = results if isinstance(results, tuple) else (results,)
        return {name: value for name, value in zip(self.outputs, results) if name}


class OnnxNetwork(Module):
    """The network of a model file; `load_onnx` makes it.

    Attributes
    ----------
    inputs, outputs : tuple of str
        What the file calls them.
    weights : dict of str to Tensor
        The file's floating point initializers, but for those of layers over time, and for means
        and variances that batch normalization has measured.
    lstm, lstm_2, gru, rnn, …
        The layers over time, in the file's order.
    """

    def __init__(self, reader: OnnxFile, name: str | None = None) -> None:
        super().__init__(name)
        of_kind("OnnxNetwork", reader, OnnxFile, "a file that load_onnx has opened; call load_onnx")
        builder = _Builder(reader)
        self._steps = tuple(map(builder.step, reader.nodes))
        self._kinds = reader.inputs
        self.inputs, self.outputs = tuple(reader.inputs), reader.outputs
        used = {operand for step in self._steps for operand in step.inputs} | set(self.outputs)
        constants = {name: array for name, array in reader.arrays.items() if name in used}
        self.weights = {
            name: Tensor(array, requires_grad=True, name=name)
            for name, array in constants.items()
            if name in reader.weights
        }
        self._constants = {
            name: array for name, array in constants.items() if name not in reader.weights
        }
        for array in self._constants.values():
            array.flags.writeable = False  # it may come out as it is
        for path, layer in builder.layers.items():
            setattr(self, path, layer)

    @classmethod
    def _default_name(cls) -> str:
        return "network"

    def forward(self, *given: Any, **named: Any) -> Any:
        """Run the network.

        Parameters
        ----------
        *given, **named : array or Tensor
            In the order of ``inputs``, or by their names.

        Returns
        -------
        Tensor, or a tuple in the order of ``outputs`` if they are several

        Raises
        ------
        UsageError, ShapeError
            If an input is missing or unknown; the message names those there are. If the inputs do
            not fit a node; the message names the node.
        """
        arguments = dict(zip(self.inputs, given)) | named
        fits = arguments.keys() == set(self.inputs)
        if not fits or len(given) + len(named) != len(self.inputs):
            raise UsageError(
                f"{self.place.path()}: found {len(given)} inputs and {sorted(named)}, expected "
                f"{', '.join(self.inputs)}"
            )
        values: dict[str, Any] = self._constants | self.weights | {"": None}
        for name, argument in arguments.items():
            kind = self._kinds[name]
            if kind.kind == "f" and not isinstance(argument, Tensor):
                as_it_is = isinstance(argument, np.ndarray | np.generic)
                argument = Tensor(argument, name=name, dtype=None if as_it_is else kind)
            elif not isinstance(argument, Tensor):
                argument = np.asarray(argument)
            values[name] = argument
        for step in self._steps:
            values |= step.run(values)
        last = tuple(values[name] for name in self.outputs)
        return last if len(last) > 1 else last[0]


class Layer:
    """A node over time: a layer, with ONNX' order of axes around it.

    Parameters
    ----------
    layer : Recurrent
    by_batch : bool
        Whether the axis of the batch comes first (layout 1).
    """

    def __init__(self, layer: nn.Recurrent, by_batch: bool) -> None:
        self.layer, self.by_batch = layer, by_batch

    def __call__(self, x: Any, lengths: Any = None, *given: Any) -> tuple[Any, ...]:
        """Return Y (T, D, B, H) and the last states (D, B, H), from x (T, B, in)."""
        layer, D = self.layer, 1 + self.layer.bidirectional
        if len(x.shape) != 3:
            axes = "(B, T, in)" if self.by_batch else "(T, B, in)"
            raise ShapeError(f"{layer.place.path()}: input has shape {x.shape}, expected {axes}")
        if self.by_batch:
            x = transpose(x, axes=(1, 0, 2))
            given = tuple(h if h is None else transpose(h, axes=(1, 0, 2)) for h in given)
        (T, B, _), states = x.shape, layer.equations.states
        starts = [given[n] if n < len(given) else None for n in range(len(states))]
        if D == 1:
            starts = [start if start is None else start[0] for start in starts]
        state = tuple(starts) if len(starts) > 1 else starts[0]
        if all(start is None for start in starts):
            state = None
        out, last = layer(x, state, lengths=lengths)
        lasts = last if isinstance(last, tuple) else (last,)
        whole = reshape(out, shape=(T, B, D, layer.hidden_size))
        order = (1, 0, 2, 3) if self.by_batch else (0, 2, 1, 3)
        ends = [reshape(state, shape=(D, B, layer.hidden_size)) for state in lasts]
        if self.by_batch:
            ends = [transpose(state, axes=(1, 0, 2)) for state in ends]
        return transpose(whole, axes=order), *ends


class _Builder:
    """The steps of a network, from the nodes of a file.

    Attributes
    ----------
    layers : dict of str to Recurrent
        Of the nodes that have been built.
    """

    def __init__(self, reader: OnnxFile) -> None:
        self.reader = reader
        self.layers: dict[str, nn.Recurrent] = {}
        self.names: dict[str, Any] = {}

    def step(self, node: Any) -> Step:
        """Return the step that a node stands for."""
        settings, kind = self.reader.attributes(node), node.op_type
        inputs, outputs = tuple(node.input), tuple(node.output)
        if kind in OPERATORS:
            operator = OPERATORS[kind]
            if PARTS in attributes(operator):
                settings[PARTS] = len(outputs)
            return Step(operator, inputs, outputs, settings, place(node))
        name = free_name(kind.lower(), self.names)
        self.names[name] = node
        named = {letter: inputs[at] for letter, at in INPUTS.items() if at < len(inputs)}
        arrays = {
            letter: self.reader.arrays[given]
            for letter, given in named.items()
            if given in self.reader.arrays
        }
        is_constant = all(letter in arrays for letter, given in named.items() if given)
        if is_constant:
            wrong = over_time.misfits(kind, arrays, settings)
            wrong += self._wrong_starts(inputs, arrays["R"].shape)
            if wrong:
                self.reader.fail(f"{place(node)}: " + "; ".join(wrong))
        options = _options(kind, settings, "P" in arrays) if is_constant else None
        if options is None:
            return Step(OverTime(kind, name, settings), inputs, outputs, {}, place(node))
        layer = Layer(self._layer(kind, name, arrays, options), bool(settings.get("layout")))
        return Step(layer, (*inputs[:1], *inputs[4:7]), outputs, {}, place(node))

    def _wrong_starts(self, inputs: tuple[str, ...], shape: tuple[int, ...]) -> list[str]:
        """Return which constant initial states do not fit recurrent weights, in words."""
        D, H = shape[0], shape[-1]
        return [
            f"{name} has shape {start.shape}, expected ({D}, B, {H})"
            for name, wire in zip(("initial_h", "initial_c"), inputs[5:7], strict=False)
            if (start := self.reader.arrays.get(wire)) is not None
            and (len(start.shape) != 3 or start.shape[-1] != H)
        ]

    def _layer(
        self, kind: str, name: str, arrays: dict[str, np.ndarray], options: dict[str, Any]
    ) -> nn.Recurrent:
        """Return the layer of a node over time, with its numbers."""
        W, R = arrays["W"], arrays["R"]
        (D, _, width), H = W.shape, R.shape[-1]
        options |= {"bidirectional": D == 2, "bias": "B" in arrays, "dtype": W.dtype}
        layer = LAYERS[kind](width, H, seed=0, **options)
        onnx.load_as("load_onnx", layer, arrays)
        self.layers[name] = layer
        return layer


def _options(kind: str, settings: dict[str, Any], has_peepholes: bool) -> dict[str, Any] | None:
    """Return the options of the layer with a node's equations; None if no layer has them."""
    first, *others = [
        [KNOWN.get(chosen) for chosen in row] for row in over_time.functions(kind, settings)
    ]
    gates, rest = (first[:1], first[1:]) if kind != "RNN" else ([sigmoid], first)
    is_other = settings.get("clip") is not None or settings.get("input_forget")
    is_other = is_other or settings.get("direction") == "reverse" or gates != [sigmoid]
    if is_other or None in rest or any(row != first for row in others):
        return None
    return {
        "LSTM": {"activation": tuple(rest), "peephole": has_peepholes},
        "GRU": {"activation": rest[0], "reset_after": bool(settings.get(over_time.AFTER))},
        "RNN": {"activation": rest[0]},
    }[kind]
