"""The signal-flow graph of what the tape recorded.

Knows signals and the table's kinds. Every wire has one producer and one consumer: what is used more
than once passes through a branch point, and each of its branches is a wire, and so a signal, of its
own.

    >>> from .tensor import Tensor
    >>> x = Tensor([1.0, 2.0], name="x")
    >>> g = graph((x * x).sum())
    >>> [node.kind for node in g.nodes]
    ['input', 'branch', 'product', 'linear', 'output']
    >>> [wire.name for wire in g.wires]
    ['x', 'x → hadamard', 'x → hadamard (2)', 'hadamard', 'sum']
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from .adjoint import adjoint
from .errors import UsageError
from .evaluate import evaluate
from .flow import Flow, Node, Wire
from .primitives import TABLE
from .signals import Signals
from .tape import refuse_changes
from .tensor import Tensor


class Graph(Flow):
    """A signal-flow graph that can be transposed and run.

    Attributes
    ----------
    nodes : tuple of Node
        In an order in which they can be run.
    wires : tuple of Wire
    """

    def adjoint(self) -> Graph:
        """Return the adjoint network, by Wan and Beaufays' rules (see `adjoint`)."""
        return adjoint(self)

    def evaluate(
        self, values: Mapping[str, Any] | None = None, everything: bool = False
    ) -> dict[str, np.ndarray]:
        """Run the graph (see `evaluate`)."""
        return evaluate(self, values, everything=everything)


def graph(*outputs: Tensor) -> Graph:
    """Return the signal-flow graph of what was recorded on the way to some Tensors.

    Parameters
    ----------
    *outputs : Tensor

    Returns
    -------
    Graph
        Leaves that require a gradient and belong to a module are parameters, other named leaves
        inputs, the rest constants. Where an operand is broadcast, that is a linear map of its own.

    Raises
    ------
    UsageError
        If nothing was recorded.
    ChangedError
        If a leaf's data was replaced since it was used; the message names the leaf.
    """
    for output in outputs:
        if not isinstance(output, Tensor) or not output.inputs:
            raise UsageError(
                "graph: found nothing recorded, expected a Tensor computed from others"
            )
    signals = Signals(*outputs)
    refuse_changes(signals.names)
    return _Builder(signals, outputs).built()


class _Builder:
    """Turns Tensors into nodes, and their uses into wires."""

    def __init__(self, signals: Signals, outputs: Sequence[Tensor]) -> None:
        self.names = signals.names
        self.outputs = outputs
        self.nodes: list[Node] = []
        self.wires: list[Wire] = []
        self.uses: dict[Tensor, int] = dict.fromkeys(self.names, 0)
        for tensor in self.names:
            for operand in tensor.inputs:
                self.uses[operand] += 1
        for output in outputs:
            self.uses[output] += 1
        self.named: dict[str, int] = {}  # how many branches lead from one signal to another
        self.free: dict[Tensor, list[int]] = {}  # the wires on which a Tensor waits to be used

    def built(self) -> Graph:
        for tensor, name in self.names.items():
            scope, _, last = name.rpartition(".")
            step = last[last.index("[") :] if "[" in last else ""
            inputs = tuple(self._used(each, tensor) for each in tensor.inputs)
            wire = self._wire(name, tensor._array)
            self.nodes.append(_node(tensor, name, inputs, wire, scope, step))
            self._branched(tensor, name, wire)
        for output in self.outputs:
            wire = self.free[output].pop(0)
            self.nodes.append(Node("output", (wire,), name=self.names[output]))
        return Graph(tuple(self.nodes), tuple(self.wires))

    def _wire(self, name: str, value: Any) -> int:
        self.wires.append(Wire(name, value))
        return len(self.wires) - 1

    def _branched(self, tensor: Tensor, name: str, wire: int) -> None:
        """Give a Tensor as many wires as it has uses."""
        count = self.uses[tensor]
        if count < 2:
            self.free[tensor] = [wire]
            return
        branches = tuple(self._wire("", tensor._array) for _ in range(count))
        self.nodes.append(Node("branch", (wire,), branches, name, signs=(1,) * count))
        self.free[tensor] = list(branches)

    def _used(self, operand: Tensor, user: Tensor) -> int:
        """Return the wire on which an operand comes to its user, broadcast if need be."""
        wire = self.free[operand].pop(0)
        if not self.wires[wire].name:
            stem = f"{self.names[operand]} → {self.names[user]}"
            again = self.named[stem] = self.named.get(stem, 0) + 1
            name = stem if again == 1 else f"{stem} ({again})"
            self.wires[wire] = replace(self.wires[wire], name=name)
        return self._broadcast(wire, operand, user) if _broadcasts(operand, user) else wire

    def _broadcast(self, wire: int, operand: Tensor, user: Tensor) -> int:
        value = np.broadcast_to(operand._array, user.shape)
        name = f"{self.wires[wire].name} (broadcast)"
        wide = self._wire(name, value)
        self.nodes.append(
            Node("linear", (wire,), (wide,), name, TABLE["broadcast_to"],
                 {"shape": user.shape}, shapes=(operand.shape,))
        )  # fmt: skip
        return wide


def _broadcasts(operand: Tensor, user: Tensor) -> bool:
    assert user.primitive is not None
    entrywise = (
        user.primitive.kind in ("elementwise", "junction") or user.primitive.name == "hadamard"
    )
    return entrywise and operand.shape != user.shape


def _node(
    tensor: Tensor, name: str, inputs: tuple[int, ...], wire: int, scope: str, step: str
) -> Node:
    """Return the node that makes a Tensor."""
    where: dict[str, Any] = {"name": name, "scope": scope, "step": step}
    primitive = tensor.primitive
    if primitive is None:
        module = tensor.requires_grad and tensor.place.name is not None
        named = tensor.name or tensor.requires_grad
        kind = "parameter" if module else "input" if named else "constant"
        return Node(kind, (), (wire,), **where)
    shapes = tuple(operand.shape for operand in tensor.inputs)
    if primitive.kind == "junction":
        return Node("junction", inputs, (wire,), signs=primitive.signs, **where)
    kind = {"elementwise": "function", "bilinear": "product"}.get(primitive.kind, primitive.kind)
    parameters = tensor.parameters or {}
    return Node(
        kind, inputs, (wire,), primitive=primitive, parameters=parameters, shapes=shapes, **where
    )
