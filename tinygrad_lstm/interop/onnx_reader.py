"""A model file of the Open Neural Network Exchange, read with suspicion: nodes, constants, types.

Knows the format and which operators are covered; not what the operators compute. A file is taken
whole or not at all: what is not covered is listed before anything is built.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from ..errors import FileError
from ..files.beside import read_beside
from ..files.npz import refuse_device
from . import onnx_attributes as over_time
from .onnx_operators import ALLOWED, OPERATORS, OUTPUTS, UNTRAINED, attributes, most_inputs

OPSET = 13  # from which on axes are inputs


class OnnxFile:
    """A model file.

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
        The constants of floating point that are no nodes of their own, and that training changes.

    Raises
    ------
    FileError
        As `load_onnx`.
    """

    def __init__(self, package: Any, path: Path) -> None:
        self.package, self.path = package, path
        self.faults: list[str] = []
        self.arrays: dict[str, np.ndarray] = {}
        graph = self._model().graph
        self.arrays |= {tensor.name: self._array(tensor) for tensor in graph.initializer}
        floats = {name for name, array in self.arrays.items() if array.dtype.kind == "f"}
        self.weights = floats - _fixed_constants(graph.node, self.arrays)
        for node in graph.node:
            if _is_constant(node):
                self.arrays[node.output[0]] = self._constant(node)
        self.inputs = {
            info.name: self._kind(info) for info in graph.input if info.name not in self.arrays
        }
        self.outputs = tuple(info.name for info in graph.output)
        self.nodes = [node for node in graph.node if not _is_constant(node)]
        if graph.sparse_initializer:
            self.faults.append("sparse constants")
        for node in self.nodes:
            self._cover(node)
        if self.faults:
            self.fail("not covered: " + "; ".join(self.faults))

    def fail(self, why: str) -> NoReturn:
        """Raise FileError."""
        raise FileError(f"load_onnx: {self.path}: {why}; nothing loaded")

    def attributes(self, node: Any) -> dict[str, Any]:
        """Return a node's attributes: numbers, texts, lists of them, arrays."""
        settings = {}
        for attribute in node.attribute:
            value = self.package.helper.get_attribute_value(attribute)
            if isinstance(value, self.package.TensorProto):
                value = self._array(value)
            elif hasattr(value, "__len__") and not isinstance(value, bytes | str):
                value = list(map(_text, value))
            settings[attribute.name] = _text(value)
        return settings

    # --- what is in the file ---------------------------------------------------------------------

    def _model(self) -> Any:
        """Return the model, of which the constants in other files are in ``arrays``."""
        from google.protobuf.message import DecodeError

        refuse_device(self.path)
        try:
            model = self.package.load_model_from_string(self.path.read_bytes())
        except DecodeError as error:
            self.fail(f"no ONNX model, or one that is cut or corrupt: {error}")
        self._take_external(model.graph)
        for info in model.graph.output:
            _complete(info, self.package.TensorProto.FLOAT)
        try:
            self.package.checker.check_model(model)
        except (self.package.checker.ValidationError, ValueError) as error:
            why = (str(error).strip().splitlines() or ["it does not hold together"])[0]
            self.fail(f"no ONNX model, or one that is cut or corrupt: {why}")
        versions = {group.domain: group.version for group in model.opset_import}
        if versions.get("", versions.get("ai.onnx", 0)) < OPSET:
            self.fail(
                f"found operator set {versions.get('', 0)}, expected {OPSET} or newer: convert it "
                "with onnx.version_converter"
            )
        return model

    def _take_external(self, graph: Any) -> None:
        """Read the constants that are in other files, and make inputs of them for the checker.

        The checker would look for the files by itself, and not only in the model's own folder.
        """
        external = [tensor for tensor in graph.initializer if self._is_external(tensor)]
        declared = {info.name for info in graph.input}
        for tensor in external:
            self.arrays[tensor.name] = self._array(tensor)
            if tensor.name not in declared:
                make = self.package.helper.make_tensor_value_info
                graph.input.append(make(tensor.name, tensor.data_type, tensor.dims))
        inside = [tensor for tensor in graph.initializer if not self._is_external(tensor)]
        if external:
            del graph.initializer[:]
            graph.initializer.extend(inside)
        for node in graph.node:
            for attribute in node.attribute:
                if self._is_external(attribute.t):
                    name, array = attribute.t.name, self._array(attribute.t)
                    attribute.t.CopyFrom(self.package.numpy_helper.from_array(array, name))

    def _is_external(self, tensor: Any) -> bool:
        return bool(
            tensor.external_data or tensor.data_location == self.package.TensorProto.EXTERNAL
        )

    def _array(self, tensor: Any) -> np.ndarray:
        """Return a constant."""
        title = f"the constant {tensor.name}"
        if self._is_external(tensor):
            return self._external(tensor, title)
        try:
            array = np.array(self.package.numpy_helper.to_array(tensor))
        except (ValueError, TypeError, KeyError) as error:
            self.fail(f"{title} is not what it says: {error}")
        self._cover_type(title, array.dtype)
        return array

    def _external(self, tensor: Any, title: str) -> np.ndarray:
        """Return a constant that is in another file, beside the model."""
        kind = self._type(tensor.data_type)
        if not self._cover_type(title, kind):
            return np.zeros(0)
        entries = {entry.key: entry.value for entry in tensor.external_data}
        size = math.prod(tensor.dims) * kind.itemsize
        try:
            offset, length = int(entries.get("offset", 0)), int(entries.get("length", size))
        except ValueError:
            self.fail(f"{title} is in another file, at a place that is no number: {entries}")
        if min(tensor.dims, default=0) < 0 or length != size:
            self.fail(
                f"{title} says that its shape is {tuple(tensor.dims)} of {kind}, {size} bytes, and "
                f"that it has {length} bytes in another file"
            )
        location, checksum = entries.get("location", ""), entries.get("checksum")
        try:
            content = read_beside(self.path.parent, location, offset, size, checksum)
        except FileError as error:
            self.fail(f"{title} is in another file: {error}")
        array = np.frombuffer(content, kind.newbyteorder("<"))
        return array.astype(kind).reshape(tuple(tensor.dims))

    def _constant(self, node: Any) -> np.ndarray:
        """Return the array that a node Constant holds."""
        ((name, value),) = self.attributes(node).items()
        if name not in ("value", "value_int", "value_ints", "value_float", "value_floats"):
            self.faults.append(f"{place(node)}: the attribute {name}")
            return np.zeros(0)
        return np.asarray(value, np.float32 if "float" in name else None)

    def _kind(self, info: Any) -> np.dtype:
        """Return the type of an input's numbers."""
        kind = self._type(info.type.tensor_type.elem_type)
        self._cover_type(f"the input {info.name}", kind)
        return kind

    def _type(self, code: int) -> np.dtype:
        """Return NumPy's type for ONNX' number of it."""
        helper = self.package.helper
        known = code in set(helper.get_all_tensor_dtypes())
        return np.dtype(helper.tensor_dtype_to_np_dtype(code) if known else "O")

    # --- what is covered -------------------------------------------------------------------------

    def _cover_type(self, title: str, kind: np.dtype) -> bool:
        """Note a type of numbers that is not covered; return whether it is covered."""
        is_covered = is_number(kind)
        if not is_covered:
            self.faults.append(f"{title} of type {kind}")
        return is_covered

    def _cover(self, node: Any) -> None:
        """Note the parts of a node that are not covered."""
        kind, where = node.op_type, place(node)
        is_over_time = kind in over_time.GATES
        if node.domain not in ("", "ai.onnx") or (kind not in OPERATORS and not is_over_time):
            name = f"{node.domain}.{kind}" if node.domain else kind
            self.faults.append(f"{where}: the operator {name}")
            return
        settings = self.attributes(node)
        if is_over_time:
            self.faults += [f"{where}: {fault}" for fault in over_time.faults(kind, settings)]
            return
        known = attributes(OPERATORS[kind])
        for name, value in settings.items():
            if name not in known:
                self.faults.append(f"{where}: the attribute {name}")
            elif value not in ALLOWED.get((kind, name), (value,)):
                self.faults.append(f"{where}: the attribute {name} = {value}")
        to = settings.get("to")
        if to is not None and kind == "Cast":
            self._cover_type(f"{where}: numbers", self._type(to))
        if kind == "Dropout" and len(node.input) > 2 and node.input[2]:
            self.faults.append(f"{where}: dropping in training")
        if any(node.input[most_inputs(OPERATORS[kind]) :]):
            self.faults.append(f"{where}: more inputs")
        most = OUTPUTS.get(kind, 1)
        if any(node.output[most:]):
            self.faults.append(f"{where}: {'a second output' if most == 1 else 'more outputs'}")


def is_number(kind: np.dtype) -> bool:
    """Return whether a type of numbers is covered."""
    return kind in (np.float32, np.float64) or kind.kind in "iub"


def place(node: Any) -> str:
    """Return where messages say that a node is."""
    return f"{node.op_type} {node.name!r}" if node.name else str(node.op_type)


def _is_constant(node: Any) -> bool:
    return node.op_type == "Constant" and node.domain in ("", "ai.onnx")


def _fixed_constants(nodes: Any, arrays: dict[str, np.ndarray]) -> set[str]:
    """Return the constants that no training changes: measured means, bounds, exponents."""
    numbers = {name for name, array in arrays.items() if array.ndim == 0}
    untrained: set[str] = set()
    trained: set[str] = set()
    for node in nodes:
        places = UNTRAINED.get(node.op_type, ())
        for at, name in enumerate(node.input):
            is_fixed = at in places and (node.op_type != "Pow" or name in numbers)
            (untrained if is_fixed else trained).add(name)
    return untrained - trained


def _complete(info: Any, kind: int) -> None:
    """Give an output without a shape or a type the fields that the checker requires."""
    described = info.type.tensor_type
    if info.type.WhichOneof("value") in (None, "tensor_type"):
        if not described.HasField("shape"):
            described.shape.SetInParent()
        described.elem_type = described.elem_type or kind


def _text(value: Any) -> Any:
    return value.decode(errors="replace") if isinstance(value, bytes) else value
