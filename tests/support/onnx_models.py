"""ONNX models of a few nodes, and what other evaluators make of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from support.peers import peer

F = np.float32
NEAR = 2e-6  # float32: onnxruntime has no recurrent layers of float64


def model(
    nodes: list[Any], constants: Any = None, inputs: Any = None, outputs: Any = ("y",),
    kind: Any = F, opset: int = 17,
) -> Any:  # fmt: skip
    """Return a model of nodes; inputs are arrays, or given by how many axes they have, free ones.

    Outputs have neither a shape nor a type.
    """
    onnx = peer("onnx")
    helper = onnx.helper

    def declared(name: str, given: Any) -> Any:
        axes, of = (given.ndim, given.dtype) if isinstance(given, np.ndarray) else (given, kind)
        if name == "lengths":
            of = np.int32
        code = helper.np_dtype_to_tensor_dtype(np.dtype(of))
        return helper.make_tensor_value_info(name, code, [f"{name}{n}" for n in range(axes)])

    return helper.make_model(
        helper.make_graph(
            nodes,
            "graph",
            [declared(name, given) for name, given in (inputs or {"x": 3}).items()],
            [onnx.ValueInfoProto(name=name) for name in outputs],
            [
                onnx.numpy_helper.from_array(np.asarray(array), name)
                for name, array in (constants or {}).items()
            ],
        ),
        ir_version=8,
        opset_imports=[helper.make_opsetid("", opset), helper.make_opsetid("own", 1)],
    )


def node(operator: str, inputs: Any = ("x",), outputs: Any = ("y",), **attributes: Any) -> Any:
    """Return a node."""
    return peer("onnx").helper.make_node(
        operator,
        list(inputs),
        list(outputs),
        f"to_{outputs[0]}",
        domain=attributes.pop("domain", ""),
        **attributes,
    )


def written(folder: Any, content: Any) -> Any:
    """Write a model, or bytes, to a file, and return its path."""
    path = folder / "net.onnx"
    path.write_bytes(content if isinstance(content, bytes) else content.SerializeToString())
    return path


def there(content: Any, inputs: dict[str, Any]) -> list[np.ndarray]:
    """Return what onnxruntime computes."""
    onnx, runtime = peer("onnx"), peer("onnxruntime")
    runtime.set_default_logger_severity(4)
    whole = onnx.shape_inference.infer_shapes(content)  # which it needs of outputs
    session = runtime.InferenceSession(
        whole.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return list(session.run(None, inputs))
