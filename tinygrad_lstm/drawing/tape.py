"""The operations that led to a Tensor, as recorded, a frame around each scope and step.

Knows signals, and turns them into DOT text.
"""

from __future__ import annotations

from typing import Any

import graphviz

from ..engine.kind import Kind
from ..engine.symbol import bare, constant_text
from ..engine.tensor import Tensor
from ..network.signals import Signals
from .frames import Frame
from .text import FONT, escape

Node = tuple[str, dict[str, str]]  # its id, and its attributes

COLORS = {  # by kind: fill and line, each kind also told by its shape and its words
    Kind.PARAMETER: ("#fff2cc", "#b58900"),
    Kind.INPUT: ("#e8f0fe", "#3367d6"),
    Kind.ELEMENTWISE: ("#e6f4ea", "#188038"),
    Kind.JUNCTION: ("#ffffff", "#444444"),
    Kind.BILINEAR: ("#fce8e6", "#c5221f"),
    Kind.REDUCTION: ("#f3e8fd", "#8430ce"),
    Kind.MATRIX_FUNCTION: ("#f3e8fd", "#8430ce"),
    Kind.LINEAR: ("#f5f5f5", "#888888"),
    Kind.JOIN: ("#f5f5f5", "#888888"),
    Kind.CUT: ("#f5f5f5", "#888888"),
}
SHAPES = {Kind.JUNCTION: "circle", Kind.BILINEAR: "ellipse", Kind.LINEAR: "box", Kind.JOIN: "box"}


def dot(loss: Tensor, title: str = "") -> str:
    """Return the DOT text of a picture of all operations that led to a Tensor."""
    signals = Signals(loss)
    graph = graphviz.Digraph(
        graph_attr={
            "rankdir": "LR", "fontname": FONT, "fontsize": "18", "labelloc": "t",
            "label": escape(title), "nodesep": "0.18", "ranksep": "0.35", "bgcolor": "white",
        },
        node_attr={"fontname": FONT, "fontsize": "12", "height": "0.3", "margin": "0.08,0.04"},
        edge_attr={"color": "#555555", "arrowsize": "0.6"},
    )  # fmt: skip
    ids = {tensor: f"n{position}" for position, tensor in enumerate(signals.names)}
    frames: Frame[Node] = Frame()
    edges = []
    for tensor, name in signals.names.items():
        if not tensor.inputs:
            continue
        nodes = frames.at(_frames(name)).contents
        nodes.append((ids[tensor], _attributes(tensor, name)))
        for position, operand in enumerate(tensor.inputs):
            source = ids[operand]
            if not operand.inputs:  # a leaf is repeated beside each of its uses
                source = f"{ids[tensor]}_{position}"
                nodes.append((source, _leaf(operand, signals.names[operand])))
            edges.append((source, ids[tensor]))
    frames.write(graph, "cluster", _put, color="#999999", fontsize="14")
    for tail, head in edges:
        graph.edge(tail, head)
    return str(graph.source)


def _frames(name: str) -> list[str]:
    """Return the frames in which a signal of a name stands: its scopes, and its step."""
    *scopes, last = name.split(".")
    if "[" in last:
        step = last.partition("[")[2].rstrip("]").replace("][", ", ")
        scopes.append(f"step {step}")
    return scopes


def _put(graph: Any, nodes: list[Node]) -> None:
    for identity, attributes in nodes:
        graph.node(identity, **attributes)


def _attributes(tensor: Tensor, name: str) -> dict[str, str]:
    primitive = tensor.primitive
    assert primitive is not None
    fill, line = COLORS[primitive.kind]
    operation = primitive.name
    if tensor.parameters and "index" in tensor.parameters:
        operation = f"[{bare(constant_text(tensor.parameters['index']))}]"
    short = name.rpartition(".")[2]
    label = f"{escape(short)}\\n{escape(operation)}" if tensor.name else escape(operation)
    return {
        "label": label, "shape": SHAPES.get(primitive.kind, "box") if not tensor.name else "box",
        "fillcolor": fill, "color": line,
        "style": "filled,rounded" if primitive.kind is Kind.ELEMENTWISE else "filled",
    }  # fmt: skip


def _leaf(tensor: Tensor, name: str) -> dict[str, str]:
    fill, line = COLORS[Kind.PARAMETER if tensor.requires_grad else Kind.INPUT]
    value = f"{tensor.item():g}" if tensor.size == 1 and not tensor.name else escape(name)
    shape = "" if tensor.ndim == 0 else "\\n" + escape("×".join(map(str, tensor.shape)))
    return {
        "label": value + shape, "shape": "box", "fillcolor": fill, "color": line,
        "fontsize": "11", "style": "filled",
    }  # fmt: skip
