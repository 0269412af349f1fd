"""The shapes of what enters a picture: signals that are given, and parameters.

Knows skeletons, and the shapes of the signals in the network.
"""

from __future__ import annotations

import numpy as np

from ..engine.kind import Kind
from ..network.flow import Flow, Node
from .selection import THROUGH as PASSING
from .skeleton import LOOSE, Role, Skeleton, Sort, within
from .text import clip_text

THROUGH = (*PASSING, Kind.BRANCH)
LETTERS = 24  # of a name
MOST = 16  # names of one shape that are listed


def note_shapes(drawn: Skeleton, network: Flow) -> list[str]:
    """Return a note with the shape of everything that enters a picture; none if nothing does.

    Parameters
    ----------
    drawn : Skeleton
        One vertex for a signal, and one arc for a weight.
    network : Flow
        That it is of.
    """
    fed = {arc.head for arc in drawn.arcs}
    given = [
        (vertex.forward[0], vertex.scope, vertex.wire)
        for at, vertex in enumerate(drawn.vertices)
        if vertex.role in (Role.END, Role.ALIAS) and vertex.forward and at not in fed
        and network.maker[vertex.wire].kind is not Kind.CONSTANT
    ]  # fmt: skip
    for arc in drawn.arcs:
        for label in arc.labels:
            if label.sort is Sort.WEIGHT and arc.weight is not None and label.gradient:
                name = label.forward[0].removeprefix("× ").removesuffix(" ·")
                given.append((name, label.scope, _wire_of(arc.weight, arc.weight_name, network)))
    has_steps = any(node.folded for node in network.nodes)
    by_step = [x for x in given if network.maker[x[2]].is_timed or x[0].endswith("(k)")]
    notes = []
    for words, chosen in (
        (f"shapes of parameters{' and initial values' * _has_starts(drawn)}" if has_steps
         else "shapes", [x for x in given if x not in by_step]),
        ("shapes of data at each step", by_step),
    ):  # fmt: skip
        texts = _by_shape([(name, scope, _shape(network, wire)) for name, scope, wire in chosen])
        notes += [f"{words}:  {';  '.join(texts)}"] if texts else []
    return [*notes, *_note_signals(drawn, network)]


def _has_starts(drawn: Skeleton) -> bool:
    """Return whether a state starts from a signal that is given."""
    vertices = drawn.vertices
    return any(
        vertices[arc.head].role is Role.DELAY and vertices[arc.tail].role in LOOSE
        for arc in drawn.arcs
    )


def _note_signals(drawn: Skeleton, network: Flow) -> list[str]:
    """Return a note with the shapes of the signals that are named on the lines."""
    shown: list[tuple[str, tuple[str, ...], tuple[int, ...]]] = []
    for arc in drawn.arcs:
        wire = drawn.vertices[arc.tail].wire
        for label in arc.labels:
            if label.sort is Sort.NAME and label.forward[0] and wire in network.maker:
                name, shape = label.forward[0], _shape(network, wire)
                if name.endswith("(k)") and not network.maker[wire].is_timed:
                    shape = shape[1:]  # of a sequence that is read step by step
                is_step = label.forward == label.adjoint  # "last step"
                if not (is_step or "(k−" in name or "(k+" in name):  # of another step
                    shown.append((name, label.scope, shape))
            if label.sort is Sort.WEIGHT and arc.weight is not None:
                wire = arc.weight.outputs[0]
    texts = _by_shape(shown)
    return [f"shapes of signals:  {';  '.join(texts)}"] if texts else []


def _by_shape(items: list[tuple[str, tuple[str, ...], tuple[int, ...]]]) -> list[str]:
    """Return the names of each shape; a name that has several shapes, with its module."""
    shapes: dict[str, dict[tuple[int, ...], str]] = {}
    for name, scope, shape in items:
        module = "".join(f"{frame}." for frame in within(scope)[1][-1:])
        shapes.setdefault(name, {}).setdefault(shape, module)
    by_shape: dict[tuple[int, ...], list[str]] = {}
    for name, own in shapes.items():
        for shape, module in own.items():
            text = clip_text(module * (len(own) > 1) + name, LETTERS)
            by_shape.setdefault(shape, []).append(text)
    return [f"{_listed(names)} {shape}" for shape, names in by_shape.items() if shape]


def _wire_of(product: Node, name: str, network: Flow) -> int:
    """Return the wire of the operand of a product that has a name."""
    sources = (network.source(wire, THROUGH) for wire in product.inputs)
    return next(source.outputs[0] for source in sources if source.name == name)


def _shape(network: Flow, wire: int) -> tuple[int, ...]:
    """Return the shape of a signal, at one step."""
    shape: tuple[int, ...] = np.shape(network.wires[wire].value)
    return shape[1:] if network.maker[wire].is_timed else shape


def _listed(names: list[str]) -> str:
    more = names if len(names) <= MOST else [*names[: MOST - 1], "…", names[-1]]
    return ", ".join(more)
