"""Layers as a model file of the Open Neural Network Exchange, which other runtimes run.

Knows the layers and ONNX' layout of them; `onnx_network` reads such files.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from .. import nn
from ..engine.arguments import flag as checked_flag
from ..engine.primitives import exp, relu, sigmoid, softplus, tanh
from ..errors import ArgumentError, UsageError, check_path
from ..files.whole import write_file
from ..nn.activations import identity
from ..nn.module import Module
from .layer_parts import LayerPart, joint
from .onnx_layout import OPERATORS, SQUASHES, load_package, onnx, squashes

OPSET, IR = 17, 8  # versions: old enough for runtimes of today, new enough for all that is here
ACTIVATIONS = [(tanh, "Tanh"), (sigmoid, "Sigmoid"), (relu, "Relu"), (softplus, "Softplus"),
               (exp, "Exp"), (identity, "Identity")]  # fmt: skip


def onnx_model(module: Module, *, states: bool = False, lengths: bool = False) -> Any:
    """Return a layer, or layers one after the other, as an ONNX model.

    Inputs and outputs are those of the module, of a batch: ``x`` (T, B, in), or (B, T, in) with
    batch_first, or (B, in) where no layer is over time; ``out``, and ``out_n`` and ``state_n`` of a
    layer over time. T and B are free.
    Dropout is left out, as in use.

    Parameters
    ----------
    module : LSTM, GRU, RNN, MemoryBlocks of one cell each, Dense, or a Sequential of them
    states : bool
        Whether initial states are inputs too, ``out_0`` and ``state_0``; else they are 0.
    lengths : bool
        Whether the sequences' lengths are an input too, ``lengths`` (B,) of int32. Both are for a
        layer over time that is not in a Sequential.

    Returns
    -------
    onnx.ModelProto
        In the layer's float type. Not every runtime has a recurrent layer of float64: for
        onnxruntime, make it with dtype float32.

    Raises
    ------
    UsageError, ArgumentError, PackageError
        If ONNX has no equal: a projection, another squashing function, initial states that are
        learned, a Module of your own; the message names the layer and what it is. If the package
        onnx is missing.
    """
    if not isinstance(module, Module):
        raise UsageError(f"onnx_model: found {type(module).__name__}, expected a layer")
    asked = checked_flag("onnx_model: states", states), checked_flag("onnx_model: lengths", lengths)
    if any(asked) and not isinstance(module, nn.Recurrent):
        raise ArgumentError(
            f"onnx_model: states and lengths are for a layer over time, found "
            f"{type(module).__name__}"
        )
    return _Writer(load_package(), module).model(*asked)


def save_onnx(
    module: Module,
    path: str | os.PathLike[str],
    *,
    states: bool = False,
    lengths: bool = False,
) -> Path:
    """Write a layer, or layers one after the other, as an ONNX model file.

    Parameters
    ----------
    module, states, lengths : as in `onnx_model`
    path : str or path
        Ending in ``.onnx``. The file is written whole: until it is, an old one of this name stays.

    Returns
    -------
    Path

    Raises
    ------
    UsageError, ArgumentError, PackageError
        As `onnx_model`; if the suffix is another.
    """
    target = check_path("save_onnx", path)
    if target.suffix.lower() != ".onnx":
        raise ArgumentError(
            f"save_onnx: {str(path)!r} has the suffix {target.suffix!r}, expected .onnx"
        )
    model = onnx_model(module, states=states, lengths=lengths)
    return write_file(model.SerializeToString(deterministic=True), target)


class _Writer:
    """Nodes and constants on their way to a model.

    Parameters
    ----------
    package : onnx
    module : Module
    """

    def __init__(self, package: Any, module: Module) -> None:
        self.package, self.module = package, module
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}
        self.parts = {part.owner: part for part in onnx.parts(module)}
        leaves = [*module.named_leaves().values()]
        if not leaves:
            raise UsageError("onnx_model: found a module without parameters, expected layers")
        self.dtype, self.arrays = leaves[0].dtype, onnx.weights(module)

    def model(self, states: bool, lengths: bool) -> Any:
        """Return the model; whether states and lengths are inputs too."""
        helper, module = self.package.helper, self.module
        stages = module._stages.values() if isinstance(module, nn.Sequential) else [module]
        layers: list[Any] = [stage for stage in stages if not isinstance(stage, nn.Dropout)]
        for layer in layers:
            if not isinstance(layer, nn.Recurrent | nn.Dense):
                kind = type(layer).__name__ if isinstance(layer, Module) else repr(layer)
                raise UsageError(f"onnx_model: found {kind}, expected layers over time and Dense")
        over_time = [layer for layer in layers if isinstance(layer, nn.Recurrent)]
        axes = ["B"]
        if over_time:
            axes = ["B", "T"] if over_time[0].batch_first else ["T", "B"]
        inputs: dict[str, list[Any]] = {"x": [*axes, _widths(layers[0])[0]]}
        outputs: dict[str, list[Any]] = {"out": [*axes, _widths(layers[-1])[1]]}
        starts: list[str] = []
        if isinstance(module, nn.Recurrent):
            count = module.num_layers * (1 + module.bidirectional)
            for state, size in zip(module.equations.states, module.equations.sizes, strict=True):
                outputs[f"{state}_n"] = [*([count] if count > 1 else []), "B", size]
                if states:
                    inputs[f"{state}_0"] = outputs[f"{state}_n"]
                starts.append(f"{state}_0" if states else "")
            if lengths:
                inputs["lengths"] = ["B"]
        out, last = "x", []
        for layer in layers:
            if isinstance(layer, nn.Dense):
                out = self.dense(layer, out)
            else:
                names = starts or [""] * len(layer.equations.states)
                out, *last = self.recurrent(layer, out, "lengths" if lengths else "", names)
        for result, name in zip([out, *last], outputs):  # last states of a layer alone
            self.add("Identity", [result], output=name)
        floats = helper.np_dtype_to_tensor_dtype(self.dtype)
        kinds = {"lengths": self.package.TensorProto.INT32}
        borders = (
            [
                helper.make_tensor_value_info(name, kinds.get(name, floats), sizes)
                for name, sizes in border.items()
            ]
            for border in (inputs, outputs)
        )
        to_tensor = self.package.numpy_helper.from_array
        constants = [to_tensor(array, name) for name, array in self.constants.items()]
        name = module.place.path() or "network"
        graph = helper.make_graph(self.nodes, name, *borders, constants)
        versions = [helper.make_opsetid("", OPSET)]
        return helper.make_model(
            graph, producer_name="tinygrad_lstm", ir_version=IR, opset_imports=versions
        )

    def recurrent(self, layer: nn.Recurrent, x: str, lengths: str, given: list[str]) -> list[str]:
        """Add a layer over time; return the names of its output and of its last states.

        Parameters
        ----------
        layer : Recurrent
        x : str
            (T, B, in), or (B, T, in) with batch_first.
        lengths : str
            (B,), or empty.
        given : list of str
            Initial states, (B, H) or (layers · directions, B, H), or empty.
        """
        if layer.batch_first:
            x = self.add("Transpose", [x], perm=[1, 0, 2])
        ways = [self.parts[direction] for direction in layer._directions.values() or (layer,)]
        D, whole = 1 + layer.bidirectional, len(ways) == 1
        zero = self.constant("axis_0", np.array([0]))
        if whole:
            given = [name and self.add("Unsqueeze", [name, zero]) for name in given]
        lasts: list[list[str]] = [[] for _ in given]
        for first in range(0, len(ways), D):
            starts = given
            if not whole:
                span = [self.constant(f"at_{n}", np.array([n])) for n in (first, first + D)]
                starts = [name and self.add("Slice", [name, *span, zero]) for name in given]
            x, *ends = self.node(ways[first : first + D], x, lengths, starts)
            for last, name in zip(lasts, ends, strict=True):
                last.append(name)
        if layer.batch_first:
            x = self.add("Transpose", [x], perm=[1, 0, 2])
        if whole:
            return [x, *(self.add("Squeeze", [last[0], zero]) for last in lasts)]
        return [x, *(self.add("Concat", last, axis=0) for last in lasts)]

    def node(self, ways: list[LayerPart], x: str, lengths: str, starts: list[str]) -> list[str]:
        """Add one layer in one or two directions, from (T, B, in) to (T, B, D H)."""
        equations: Any = ways[0].equations
        stem = joint(ways[0].stem, ways[0].path.removesuffix("forward").rstrip("."))
        arrays = {letter: self.arrays.get(joint(stem, letter)) for letter in "WRBP"}
        weights = {
            letter: self.constant(joint(stem, letter), array)
            for letter, array in arrays.items()
            if array is not None
        }
        operator = next(name for kind, name in OPERATORS.items() if isinstance(equations, kind))
        functions = [_squash(squash) for squash in squashes(equations)]
        if operator != "RNN":
            functions.insert(0, _squash(sigmoid))
        squashing, numbers = zip(*functions * len(ways), strict=True)
        attributes: dict[str, Any] = {"activations": squashing, "hidden_size": equations.sizes[0]}
        if any(numbers):
            alphas, betas = zip(*filter(None, numbers), strict=True)
            attributes |= {"activation_alpha": alphas, "activation_beta": betas}
        if operator == "GRU":
            attributes["linear_before_reset"] = int(equations.reset_after)
        inputs = [x, weights["W"], weights["R"], weights.get("B", ""), lengths, *starts]
        inputs += [weights["P"]] if "P" in weights else []
        names = [f"{name}_{len(self.nodes)}" for name in ("Y", "Y_h", "Y_c")]
        outputs = [joint(stem, name) for name in names[: 1 + len(starts)]]
        attributes["direction"] = "bidirectional" if len(ways) > 1 else "forward"
        make = self.package.helper.make_node
        self.nodes.append(
            make(operator, inputs, outputs, f"{stem or operator}_{len(self.nodes)}", **attributes)
        )
        turned = self.add("Transpose", [outputs[0]], perm=[0, 2, 1, 3])  # (T, B, D, H)
        shape = self.constant("joint", np.array([0, 0, -1]))
        return [self.add("Reshape", [turned, shape]), *outputs[1:]]

    def dense(self, layer: nn.Dense, x: str) -> str:
        """Add a dense layer; return the name of its output."""
        part = self.parts[layer]
        W, *b = (
            self.constant(name, self.arrays[name])
            for name in (onnx.key(part, letter) for letter in part.parameters)
        )
        z = self.add("MatMul", [x, W])
        z = self.add("Add", [z, *b]) if b else z
        if layer.activation is None:
            return z
        for known, operator in ACTIVATIONS:
            if layer.activation is known:
                return self.add(operator, [z])
        name = getattr(layer.activation, "name", layer.activation)
        onnx.no_equal(part, f"the activation {name}")

    def add(self, operator: str, inputs: list[str], output: str = "", **attributes: Any) -> str:
        """Add a node of one output, and return the name of the output."""
        output = output or f"{operator.lower()}_{len(self.nodes)}"
        make = self.package.helper.make_node
        self.nodes.append(make(operator, inputs, [output], f"to_{output}", **attributes))
        return output

    def constant(self, name: str, value: np.ndarray) -> str:
        """Add a constant, and return its name."""
        self.constants[name] = np.ascontiguousarray(value)
        return name


def _widths(layer: Any) -> tuple[int, int]:
    """Return the numbers of features into a layer and out of it."""
    if isinstance(layer, nn.Dense):
        return layer.input_size, layer.output_size
    return layer.input_size, layer.equations.sizes[0] * (1 + layer.bidirectional)


def _squash(function: Any) -> tuple[str, tuple[float, ...]]:
    """Return ONNX' name of a function, and its alpha and beta."""
    return next(spelling for known, spelling in SQUASHES if known is function)
