"""The walk along the tape, backwards.

Knows nodes (``inputs``, ``primitive``, ``parameters``, ``serial``, ``requires_grad``, ``_array``)
and not the Tensor class. The serial number is the order of recording, so that walking backwards
needs neither recursion nor a search for an order.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..errors import ChangedError
from .limit import Interruptible

Node = Any


def history(outputs: Iterable[Node], *, everything: bool = False) -> list[Node]:
    """Return the outputs and all that they were computed from, the latest recorded first.

    By default only signals with a gradient. With ``everything`` all signals, even if a leaf was
    updated after the recording: names and pictures need no numbers.

    Raises
    ------
    ChangedError
        If a leaf's data was replaced after an operation used it, and not everything is asked for;
        the message names the leaf.
    """
    by_serial = {node.serial: node for node in outputs if everything or node.requires_grad}
    nodes = list(by_serial.values())
    for node in Interruptible(nodes):  # the loop reaches the operands that it appends
        for operand in node.inputs:
            if (everything or operand.requires_grad) and operand.serial not in by_serial:
                by_serial[operand.serial] = operand
                nodes.append(operand)
    order = [by_serial[serial] for serial in sorted(by_serial, reverse=True)]
    oldest = next((node.serial for node in reversed(order) if node.inputs), 0)
    if last_replacement.serial > oldest and not everything:
        refuse_changes(order)
    return order


class _LastReplacement:
    """The serial number of the last replacement of a leaf's data: most histories are older."""

    serial = -1


last_replacement = _LastReplacement()


def refuse_changes(order: list[Node]) -> None:
    """Raise an error if a leaf is younger than a signal computed from it.

    Parameters
    ----------
    order : list of nodes
        A history, the latest recorded first.
    """
    for node in order:
        for operand in node.inputs:
            if operand.serial > node.serial:
                raise ChangedError(_what_changed(operand, node, order))


def _what_changed(leaf: Node, user: Node, order: list[Node]) -> str:
    """Say that the whole pass is older than a leaf's data, or which Tensor of an older pass is."""
    old = {node for node in leading_to({user}, order) if node.serial < leaf.serial}
    for node in reversed(order):  # in the order of recording
        carried = next((operand for operand in node.inputs if operand in old), None)
        if carried is not None and node.serial > leaf.serial:
            return (
                f"{carried.label()}, computed before the data of {leaf.label()} was replaced, was "
                f"used after that, by {node.label()}, and a gradient cannot go back through "
                "numbers that are gone. Compute it again in every pass or, to carry on its value "
                f"alone (a state, a mean), take its .detach(); a recurrent layer with "
                "stateful=True carries its own state so"
            )
    return (
        f"the data of {leaf.label()} was replaced after {user.primitive.name} used it: "
        "run the forward pass again before differentiating or running its graph"
    )


def leading_to(wanted: set[Node], order: list[Node]) -> list[Node]:
    """Return those nodes of a history that depend on a wanted one, the latest first."""
    dependent: set[Node] = set()
    for node in reversed(order):
        if node in wanted or not dependent.isdisjoint(node.inputs):
            dependent.add(node)
    return [node for node in order if node in dependent]


def pull_back(sums: Any) -> dict[Node, Any]:
    """Walk backwards from the outputs, and return the cotangents of leaves and of wanted signals.

    Parameters
    ----------
    sums : Sums or PlainSums
        The cotangents of the outputs; empty afterwards.

    Raises
    ------
    ChangedError
        If a leaf's data was replaced after an operation used it; the message names the leaf.
    """
    outputs = list(sums.total)
    of_wanted: dict[Node, Any] = {}
    node = None
    total, turns, waiting, wanted = sums.total, sums.turns, sums.waiting, sums.wanted
    while turns:
        node = waiting.pop(turns.pop())  # the latest recorded of those that wait
        ct = total.pop(node)
        if wanted and node in wanted:
            of_wanted[node] = ct
        pull = node.primitive.pull
        pull(node, ct, sums)
    if node is not None and last_replacement.serial > node.serial:  # the oldest of all
        history(outputs)  # which says what was replaced
    rest: dict[Any, Any] = sums.rest()
    return rest | of_wanted if of_wanted else rest
