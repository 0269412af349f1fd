"""The walk along the tape, backwards.

Knows nodes (``inputs``, ``primitive``, ``parameters``, ``serial``, ``requires_grad``, ``_data``)
and not the Tensor class. The serial number is the order of recording, so that walking backwards
needs neither recursion nor a search for an order.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

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
    found = {node.serial: node for node in outputs if everything or node.requires_grad}
    stack = list(found.values())
    while stack:
        for operand in stack.pop().inputs:
            if (everything or operand.requires_grad) and operand.serial not in found:
                found[operand.serial] = operand
                stack.append(operand)
    order = [found[serial] for serial in sorted(found, reverse=True)]
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


def pull_back(order: list[Node], sums: Any, wanted: set[Node]) -> dict[Node, Any]:
    """Walk a history backwards, and return the cotangents of the leaves and of the wanted nodes.

    Parameters
    ----------
    order : list of nodes
        The latest recorded first.
    sums : Sums or PlainSums
        Holds the cotangents of the outputs; is used up.
    wanted : set of nodes
        Those to report beside the leaves.
    """
    found: dict[Node, Any] = {}
    take_early = sums.total.pop  # what `take` does for all but shared weights
    for node in order:
        ct = take_early(node, None) if node.inputs else sums.take(node)
        if ct is not None:
            if not node.inputs or node in wanted:
                found[node] = ct
            if node.inputs:
                node.primitive.pull(node, ct, sums)
    return found
