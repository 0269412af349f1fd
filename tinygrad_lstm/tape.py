"""The walk along the tape, backwards.

Knows nodes (``inputs``, ``primitive``, ``parameters``, ``serial``, ``requires_grad``, ``_data``)
and not the Tensor class. The serial number is the order of recording, so that walking backwards
needs neither recursion nor a search for an order.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter
from typing import Any

from .cotangent import Sums
from .errors import ChangedError

Node = Any


def history(outputs: Iterable[Node], *, everything: bool = False) -> list[Node]:
    """Return what the outputs were computed from, the latest recorded first, themselves included.

    Only what a gradient flows through, unless ``everything`` is asked for.

    Raises
    ------
    ChangedError
        If a leaf's data was replaced after an operation used it; the message names the leaf.
    """
    stack = [node for node in outputs if everything or node.requires_grad]
    found = set(stack)
    while stack:
        for operand in stack.pop().inputs:
            if (everything or operand.requires_grad) and operand not in found:
                found.add(operand)
                stack.append(operand)
    order = sorted(found, key=attrgetter("serial"), reverse=True)
    oldest = next((node.serial for node in reversed(order) if node.inputs), 0)
    if replaced.latest > oldest:
        _refuse_changes(order)
    return order


class _Replaced:
    """When a leaf's data was last replaced, so that most histories need not look."""

    latest = -1


replaced = _Replaced()


def _refuse_changes(order: list[Node]) -> None:
    for node in order:
        for operand in node.inputs:
            if operand.serial > node.serial:
                raise ChangedError(
                    f"the data of {operand.label()} was replaced after {node.primitive.name} used "
                    f"it: run the forward pass again before the backward pass"
                )


def leading_to(wanted: set[Node], order: list[Node]) -> list[Node]:
    """Return those nodes of a history that depend on a wanted one, the latest first."""
    found: set[Node] = set()
    for node in reversed(order):
        if node in wanted or not found.isdisjoint(node.inputs):
            found.add(node)
    return [node for node in order if node in found]


def pull_back(
    order: list[Node], sums: Sums, wanted: set[Node], on_tensors: bool
) -> dict[Node, Any]:
    """Walk a history backwards, and return the cotangents of the leaves and of the wanted nodes.

    Parameters
    ----------
    order : list of nodes
        The latest recorded first.
    sums : Sums
        Holds the cotangents of the outputs; is used up.
    wanted : set of nodes
        Those to report beside the leaves.
    on_tensors : bool
        Run the rules on Tensors, so that they are recorded in turn, instead of on arrays.
    """
    alive = set(order)
    kept: dict[Node, Any] = {}
    xs: Any
    add, pop = sums.add, sums.pop
    for node in order:
        inputs = node.inputs
        if not inputs:
            ct = sums.take(node)
            if ct is not None:
                kept[node] = ct
            continue
        ct = pop(node, None)
        if ct is None:
            continue
        if node in wanted:
            kept[node] = ct
        primitive, fresh = node.primitive, node.primitive.fresh
        if len(inputs) == 1:
            (x,) = inputs
            if on_tensors:
                add(x, primitive.vjp(ct, node, inputs, (True,), node.parameters)[0], fresh)
            elif primitive.add_part is not None:
                sums.add_part(x, ct, primitive, x._data, node.parameters["index"])
            else:
                xs = (x._data,)
                add(x, primitive.vjp(ct, node._data, xs, (True,), node.parameters)[0], fresh)
        elif len(inputs) == 2:
            a, b = inputs
            a_needed, b_needed = a in alive, b in alive
            if on_tensors:
                xs, y = inputs, node
            else:
                xs, y = (a._data, b._data), node._data
                if primitive.rows is not None and b_needed and _is_weight(b):
                    sums.add_rows(b, *primitive.rows(a._data, ct))
                    b_needed = False
            a_ct, b_ct = primitive.vjp(ct, y, xs, (a_needed, b_needed), node.parameters)
            if a_needed:
                add(a, a_ct, fresh)
            if b_needed:
                add(b, b_ct, fresh)
        else:
            xs, y = (inputs, node) if on_tensors else ([x._data for x in inputs], node._data)
            needs = [x in alive for x in inputs]
            cts = primitive.vjp(ct, y, xs, needs, node.parameters)
            for x, x_ct, needed in zip(inputs, cts, needs):
                if needed and x_ct is not None:  # a condition has none
                    add(x, x_ct, fresh)
    return kept


def _is_weight(node: Node) -> bool:
    """Return whether a node is a matrix that nothing was computed from: its gradient can wait."""
    return not node.inputs and node._data.ndim == 2
