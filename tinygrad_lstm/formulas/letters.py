"""What the signals of a derivation are called: as short as they can be told apart.

Knows nodes. A signal that nobody named is named by what is made of it: the net input of p is s_p.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..engine.kind import Kind
from ..network.flow import SOURCES, Node
from .names import Names, printable, short_name

MOST_OPERATIONS = 7  # in the formula of one signal


def letters(
    nodes: Iterable[Node],
    is_named: Callable[[Node], bool],
    user_of: Callable[[int], list[Node]],
    step_of: Callable[[Node], int],
) -> dict[int, str]:
    """Return the name of each node's signal, by the wire on which the signal leaves the node.

    Parameters
    ----------
    nodes : iterable of Node
        Those whose signals need a name.
    is_named : (node) -> bool
        Whether somebody named its signal.
    user_of : (wire) -> nodes
        What is made of a signal, behind branch points.
    step_of : (node) -> wire
        The signal whose steps a node collects.
    """
    nodes = list(nodes)
    named = {node.outputs[0]: node for node in nodes if is_named(node)}
    own = {
        wire: printable(short_name(node).replace("(k)", "")) + "_all" * (node.kind is Kind.COLLECT)
        for wire, node in named.items()
    }
    names = _apart(own, {wire: printable(node.scope) for wire, node in named.items()})
    others = Names(names.values())
    for node in nodes:
        wire = node.outputs[0]
        if wire not in names:
            step = names.get(step_of(node)) if node.kind is Kind.COLLECT else None
            letter = _letter(node, user_of(wire), names) if step is None else f"{step}_all"
            names[wire] = others.free(letter)
    return names


def _apart(own: dict[int, str], scopes: dict[int, str]) -> dict[int, str]:
    """Return names with as much of their scopes in front as is needed to tell them apart."""
    names = dict(own)
    deepest = max((scope.count(".") + 1 for scope in scopes.values() if scope), default=0)
    for depth in range(1, deepest + 1):
        count: dict[str, int] = {}
        for name in names.values():
            count[name] = count.get(name, 0) + 1
        for wire, name in names.items():
            parts = scopes[wire].split(".") if scopes[wire] else []
            if count[name] > 1 and parts:
                is_number = parts[max(len(parts) - depth, 0)].isdigit()  # of a list: layers.0
                names[wire] = ".".join([*parts[-depth - is_number :], own[wire]])
    apart = Names(f"δ{name}" for name in names.values())  # which are the names of their δ
    return {wire: apart.free(name) for wire, name in names.items()}


def _letter(node: Node, users: list[Node], names: dict[int, str]) -> str:
    """Return what a person would call a signal without a name."""
    if any(user.kind is Kind.OUTPUT for user in users):
        return "loss"
    if node.kind in SOURCES:
        return "c"
    functions = Kind.ELEMENTWISE, Kind.MATRIX_FUNCTION
    if len(users) == 1 and users[0].kind in functions and users[0].outputs[0] in names:
        return f"s_{names[users[0].outputs[0]]}"
    if node.kind is Kind.JUNCTION:
        return "s"
    if any(user.kind in (Kind.DELAY, Kind.ADVANCE) for user in users):
        return "h"
    return "u"
