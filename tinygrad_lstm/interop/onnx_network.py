"""A model file of the Open Neural Network Exchange as a network of this library.

Knows ONNX' layout and operators; `onnx_file` writes such files. A file is taken whole or not at
all: what is not covered is listed before anything is built.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np

from .. import nn
from ..engine.arguments import of_kind
from ..engine.primitives import reshape, sigmoid, transpose
from ..engine.tensor import Tensor
from ..errors import FileError, ShapeError, UsageError, check_path
from ..nn.module import Module, free_name
from .framework import LAYERS
from .onnx_layout import SQUASHES, load_package, onnx
from .onnx_operators import OPERATORS, attributes

OPSET = 13  # from which on axes are inputs
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
DEFAULTS = {"LSTM": ("Sigmoid", "Tanh", "Tanh"), "GRU": ("Sigmoid", "Tanh"), "RNN": ("Tanh",)}
WITH_NUMBERS = ("affine", "scaledtanh")  # those of SQUASHES that take alpha and beta
SIZED = ("activations", "activation_alpha", "activation_beta", "direction", "hidden_size")
BEFORE_RESET = "linear_before_reset"
OVER_TIME = {  # the attributes that are covered, and of the others the value that changes nothing
    "LSTM": (SIZED, {"input_forget": 0, "layout": 0}),
    "GRU": ((*SIZED, BEFORE_RESET), {"layout": 0}),
    "RNN": (SIZED, {"layout": 0}),
}


def load_onnx(path: str | os.PathLike[str], *, name: str | None = None) -> OnnxNetwork:
    """Read a model file as a network that records.

    Layers over time become `LSTM`, `GRU` and `RNN`, everything else primitives, and initializers of
    floating point parameters. Of layers over time, both directions or the forward one are covered,
    and the functions that `LSTM` has a name for; of other operators, those that surround layers in
    the files of `save_onnx` and of exporters.

    Parameters
    ----------
    path : str or path
        Of a model of operator set 13 or newer, in float32 or float64, all in one file.
    name : str, optional
        Of the network.

    Returns
    -------
    OnnxNetwork

    Raises
    ------
    FileError
        If the file is cut or corrupt, if it is not what it says, or if it has operators, attributes
        or types that are not covered; the message lists all of these, by their nodes.
    PackageError
        If the package onnx is missing.
    OSError
        If the file cannot be opened.
    """
    package = load_package()
    return OnnxNetwork(_Reader(package, check_path("load_onnx", path)), name=name)


class Step(NamedTuple):
    """One node: what is done, from which values to which."""

    apply: Callable[..., Any]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]


class OnnxNetwork(Module):
    """The network of a model file; `load_onnx` makes it.

    Attributes
    ----------
    inputs, outputs : tuple of str
        What the file calls them.
    weights : dict of str to Tensor
        The file's floating point initializers, but for those of layers over time.
    lstm, lstm_2, gru, rnn, …
        The layers over time, in the file's order.
    """

    def __init__(self, reader: _Reader, name: str | None = None) -> None:
        super().__init__(name)
        of_kind("OnnxNetwork", reader, _Reader, "a file that load_onnx has opened; call load_onnx")
        self._steps = tuple(map(reader.step, reader.nodes))
        self._kinds = reader.inputs
        self.inputs, self.outputs = tuple(reader.inputs), reader.outputs
        used = {each for step in self._steps for each in step.inputs} | set(self.outputs)
        constants = {each: array for each, array in reader.arrays.items() if each in used}
        self.weights = {
            each: Tensor(array, requires_grad=True, name=each)
            for each, array in constants.items()
            if each in reader.weights
        }
        self._constants = {
            each: array for each, array in constants.items() if each not in reader.weights
        }
        for each, layer in reader.layers.items():
            setattr(self, each, layer)

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
        UsageError
            If an input is missing or unknown; the message names those there are.
        """
        found = dict(zip(self.inputs, given)) | named
        fits = found.keys() == set(self.inputs)
        if not fits or len(given) + len(named) != len(self.inputs):
            raise UsageError(
                f"{self.place.path()}: found {len(given)} inputs and {sorted(named)}, expected "
                f"{', '.join(self.inputs)}"
            )
        values: dict[str, Any] = self._constants | self.weights | {"": None}
        for name, each in found.items():
            kind = self._kinds[name]
            if kind.kind == "f" and not isinstance(each, Tensor):
                as_it_is = isinstance(each, np.ndarray | np.generic)
                each = Tensor(each, name=name, dtype=None if as_it_is else kind)
            values[name] = each
        for step in self._steps:
            after = step.apply(*[values[name] for name in step.inputs], **step.attributes)
            after = after if isinstance(after, tuple) else (after,)
            values |= {name: each for name, each in zip(step.outputs, after) if name}
        last = tuple(values[name] for name in self.outputs)
        return last if len(last) > 1 else last[0]


class OverTime:
    """A node over time: a layer, with ONNX' order of axes around it."""

    def __init__(self, layer: nn.Recurrent) -> None:
        self.layer = layer

    def __call__(self, x: Any, lengths: Any = None, *given: Any) -> tuple[Any, ...]:
        """Return Y (T, D, B, H) and the last states (D, B, H), from x (T, B, in)."""
        layer, D = self.layer, 1 + self.layer.bidirectional
        if len(x.shape) != 3:
            raise ShapeError(
                f"{layer.place.path()}: input has shape {x.shape}, expected (T, B, in)"
            )
        (T, B, _), states = x.shape, layer.equations.states
        starts = [given[n] if n < len(given) else None for n in range(len(states))]
        if D == 1:
            starts = [each if each is None else each[0] for each in starts]
        state = tuple(starts) if len(starts) > 1 else starts[0]
        if all(each is None for each in starts):
            state = None
        out, last = layer(x, state, lengths=lengths)
        lasts = last if isinstance(last, tuple) else (last,)
        turned = transpose(reshape(out, shape=(T, B, D, layer.hidden_size)), axes=(0, 2, 1, 3))
        return turned, *(reshape(each, shape=(D, B, layer.hidden_size)) for each in lasts)


class _Reader:
    """A model file, read with suspicion.

    Parameters
    ----------
    package : onnx
    path : Path

    Attributes
    ----------
    inputs : dict of str to float or integer type
    outputs : tuple of str
    nodes : list of nodes, but for constants
    arrays : dict of str to array
        All constants.
    weights : set of str
        Those of floating point that are no nodes of their own.
    layers : dict of str to Recurrent
        Of the nodes that have been read.
    """

    def __init__(self, package: Any, path: Path) -> None:
        self.package, self.path = package, path
        self.faults: list[str] = []
        self.layers: dict[str, nn.Recurrent] = {}
        graph = self._model().graph
        self.arrays = {each.name: self._array(each) for each in graph.initializer}
        self.weights = {name for name, each in self.arrays.items() if each.dtype.kind == "f"}
        for each in graph.node:
            if each.op_type == "Constant" and not each.domain:
                self.arrays[each.output[0]] = self._constant(each)
        self.inputs = {
            each.name: self._kind(each) for each in graph.input if each.name not in self.arrays
        }
        self.outputs = tuple(each.name for each in graph.output)
        self.nodes = [each for each in graph.node if each.op_type != "Constant" or each.domain]
        if graph.sparse_initializer:
            self.faults.append("sparse constants")
        for node in self.nodes:
            self._cover(node)
        if self.faults:
            self.fail("not covered: " + "; ".join(self.faults))

    def fail(self, why: str) -> NoReturn:
        raise FileError(f"load_onnx: {self.path}: {why}; nothing loaded")

    def step(self, node: Any) -> Step:
        """Return what a node does."""
        settings, inputs, outputs = self._attributes(node), tuple(node.input), tuple(node.output)
        if node.op_type in OPERATORS:
            return Step(OPERATORS[node.op_type], inputs, outputs, settings)
        layer = OverTime(self._layer(node, settings))
        return Step(layer, (*inputs[:1], *inputs[4:7]), outputs, {})

    # --- what is in the file ---------------------------------------------------------------------

    def _model(self) -> Any:
        from google.protobuf.message import DecodeError

        content = self.path.read_bytes()
        try:
            model = self.package.load_model_from_string(content)
        except DecodeError as error:
            self.fail(f"no ONNX model, or one that is cut or corrupt: {error}")
        if any(each.external_data for each in model.graph.initializer):
            self.fail("constants are in other files, which are not opened; save it as one file")
        try:
            self.package.checker.check_model(model)
        except (self.package.checker.ValidationError, ValueError) as error:
            why = (str(error).strip().splitlines() or ["it does not hold together"])[0]
            self.fail(f"no ONNX model, or one that is cut or corrupt: {why}")
        versions = {each.domain: each.version for each in model.opset_import}
        if versions.get("", versions.get("ai.onnx", 0)) < OPSET:
            self.fail(
                f"found operator set {versions.get('', 0)}, expected {OPSET} or newer: convert it "
                "with onnx.version_converter"
            )
        return model

    def _array(self, tensor: Any) -> np.ndarray:
        try:
            array = np.array(self.package.numpy_helper.to_array(tensor))
        except (ValueError, TypeError, KeyError) as error:
            self.fail(f"the constant {tensor.name} is not what it says: {error}")
        self._cover_type(f"the constant {tensor.name}", array.dtype)
        return array

    def _constant(self, node: Any) -> np.ndarray:
        ((name, value),) = self._attributes(node).items()
        if name not in ("value", "value_int", "value_ints", "value_float", "value_floats"):
            self.faults.append(f"{_where(node)}: the attribute {name}")
        return np.asarray(value, np.float32 if "float" in name else None)

    def _kind(self, info: Any) -> np.dtype:
        code = info.type.tensor_type.elem_type
        helper = self.package.helper
        known = code in set(helper.get_all_tensor_dtypes())
        kind = np.dtype(helper.tensor_dtype_to_np_dtype(code) if known else "O")
        self._cover_type(f"the input {info.name}", kind)
        return kind

    def _attributes(self, node: Any) -> dict[str, Any]:
        """Return a node's attributes: numbers, texts, lists of them, arrays."""
        settings = {}
        for each in node.attribute:
            value = self.package.helper.get_attribute_value(each)
            if isinstance(value, self.package.TensorProto):
                value = self._array(value)
            elif hasattr(value, "__len__") and not isinstance(value, bytes | str):
                value = list(map(_text, value))
            settings[each.name] = _text(value)
        return settings

    # --- what is covered -------------------------------------------------------------------------

    def _cover_type(self, what: str, kind: np.dtype) -> None:
        """Note a type of numbers that is not covered."""
        if kind not in (np.float32, np.float64) and kind.kind not in "iub":
            self.faults.append(f"{what} of type {kind}")

    def _cover(self, node: Any) -> None:
        """Note what a node has that is not covered."""
        kind, where = node.op_type, _where(node)
        if node.domain not in ("", "ai.onnx") or (kind not in OPERATORS and kind not in LAYERS):
            self.faults.append(f"{where}: the operator {_operator(node)}")
            return
        settings = self._attributes(node)
        if kind in OPERATORS:
            self.faults += [
                f"{where}: the attribute {name}"
                for name in settings
                if name not in attributes(OPERATORS[kind])
            ]
            if kind == "Dropout" and len(node.input) > 2 and node.input[2]:
                self.faults.append(f"{where}: dropping in training")
            if any(node.output[1:]):
                self.faults.append(f"{where}: a second output")
            return
        covered, idle = OVER_TIME[kind]
        self.faults += [
            f"{where}: the attribute {name} = {value}"
            for name, value in settings.items()
            if name not in covered and idle.get(name) != value
        ]
        if settings.get("direction", "forward") not in ("forward", "bidirectional"):
            self.faults.append(f"{where}: the direction {settings['direction']}")
        if self._squashing(kind, settings) is None:
            numbers = [settings.get(f"activation_{each}", []) for each in ("alpha", "beta")]
            names = settings.get("activations", DEFAULTS[kind])
            self.faults.append(f"{where}: the activations {names} with {numbers}")
        if any(name and name not in self.arrays for name in node.input[1:4]) or (
            len(node.input) > 7 and node.input[7] and node.input[7] not in self.arrays
        ):
            self.faults.append(f"{where}: weights that are computed")

    def _squashing(self, kind: str, settings: dict[str, Any]) -> list[Any] | None:
        """Return the functions that squash, but for the gates'; None if they are not covered."""
        ways = 1 + (settings.get("direction") == "bidirectional")
        names = [each.lower() for each in settings.get("activations", DEFAULTS[kind] * ways)]
        alphas, betas = (iter(settings.get(f"activation_{each}", ())) for each in ("alpha", "beta"))
        known: dict[Any, Any] = {
            (name.lower(), numbers): function for function, (name, numbers) in SQUASHES
        }
        found = []
        for name in names:
            numbers = (next(alphas, None), next(betas, None)) if name in WITH_NUMBERS else ()
            found.append(known.get((name, numbers)))
        first = found[: len(DEFAULTS[kind])]
        gates, rest = (first[:1], first[1:]) if kind != "RNN" else ([sigmoid], first)
        fits = len(found) == len(DEFAULTS[kind]) * ways and found == first * ways
        fits = fits and gates == [sigmoid] and None not in rest and not any((*alphas, *betas))
        return rest if fits else None

    # --- layers over time ------------------------------------------------------------------------

    def _layer(self, node: Any, settings: dict[str, Any]) -> nn.Recurrent:
        """Return the layer of a node over time, with its numbers."""
        kind = node.op_type
        inputs = [*node.input, *[""] * (8 - len(node.input))]
        arrays = {
            letter: self.arrays[inputs[at]]
            for letter, at in {"W": 1, "R": 2, "B": 3, "P": 7}.items()
            if inputs[at]
        }
        D, gates = 1 + (settings.get("direction") == "bidirectional"), GATES[kind]
        W, R = arrays["W"], arrays["R"]
        H, width = R.shape[-1], W.shape[-1]
        arrays.setdefault("B", np.zeros((D, 2 * gates * H), W.dtype))
        shapes = {"W": (D, gates * H, width), "R": (D, gates * H, H), "B": (D, 2 * gates * H)}
        shapes["P"] = (D, 3 * H)
        wrong = [
            f"{letter} has shape {array.shape} and type {array.dtype}, expected {shapes[letter]} "
            f"and {W.dtype}"
            for letter, array in arrays.items()
            if array.shape != shapes[letter] or array.dtype != W.dtype or array.dtype.kind != "f"
        ]
        if settings.get("hidden_size", H) != H:
            wrong.append(f"hidden_size is {settings['hidden_size']}, R has {H}")
        if wrong or not H or not width:
            self.fail(f"{_where(node)}: " + "; ".join(wrong or ["it has no numbers"]))
        squashing: Any = self._squashing(kind, settings)
        options = {
            "LSTM": {"activation": tuple(squashing), "peephole": "P" in arrays},
            "GRU": {"activation": squashing[0], "reset_after": bool(settings.get(BEFORE_RESET))},
            "RNN": {"activation": squashing[0]},
        }[kind]
        layer = LAYERS[kind](width, H, bidirectional=D == 2, dtype=W.dtype, seed=0, **options)
        onnx.load_as("load_onnx", layer, arrays)
        self.layers[free_name(kind.lower(), self.layers)] = layer
        return layer


def _text(value: Any) -> Any:
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def _where(node: Any) -> str:
    return f"{node.op_type} {node.name!r}" if node.name else node.op_type


def _operator(node: Any) -> str:
    return f"{node.domain}.{node.op_type}" if node.domain else node.op_type
