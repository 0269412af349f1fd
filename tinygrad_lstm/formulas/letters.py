"""What the signals of a derivation are called: as short as they can be told apart.

Knows nodes. A signal that nobody named is named by what is made of it: the net input of p is s_p.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable

from ..engine.composites import COMPOSITES
from ..engine.kind import Kind
from ..engine.primitive import Primitive
from ..network.flow import SOURCES, Node
from .names import Names, printable, short_name

MOST_OPERATIONS = 7  # in the formula of one signal
LOSS = "loss"
GATES = "gjmnpqrstuvw"  # letters for one of several gates
LETTERS: dict[Primitive | None, str] = {x.primitive: x.letter for x in COMPOSITES}
NET_INPUTS = "szn"  # letters for a net input; the first that no signal is called
LAST = re.compile(r"\w+\[−?\d+\]")  # a loss that was named in a step
RAISED = str.maketrans("()0123456789", "⁽⁾⁰¹²³⁴⁵⁶⁷⁸⁹")
LOWERED = {raised: plain for plain, raised in RAISED.items()}


def letters(
    nodes: Iterable[Node],
    is_named: Callable[[Node], bool],
    user_of: Callable[[int], list[Node]],
    step_of: Callable[[Node], int],
    is_error: Callable[[Node], bool],
    picked: Callable[[Node], tuple[int, str] | None] = lambda node: None,
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
    is_error : (node) -> bool
        Whether its signal is the difference of a signal and data.
    picked : (node) -> (wire, ending) or None
        The signal of which a node picks one step, and an ending that says which.
    """
    nodes = list(nodes)
    named = {node.outputs[0]: node for node in nodes if is_named(node)}
    own = {
        wire: printable(_own_name(node)) + "_all" * (node.kind is Kind.COLLECT)
        for wire, node in named.items()
    }
    own |= {
        wire: own[wire].partition("[")[0]
        for wire, node in named.items()
        if any(user.kind is Kind.OUTPUT for user in user_of(wire)) and LAST.fullmatch(own[wire])
    }
    count = Counter(own.values())
    own |= {  # which a loss calls e, as somebody calls another signal
        wire: "error"
        for wire, node in named.items()
        if own[wire] == "e" and count["e"] > 1 and node.scope and is_error(node)
    }
    names = _apart(own, {wire: printable(node.scope) for wire, node in named.items()})
    net_input = _free_letter(NET_INPUTS, names.values())
    functions = [user for node in nodes for user in user_of(node.outputs[0])]
    has_net_inputs = any(_is_function_of_one(x) and x.outputs[0] in names for x in functions)
    other_sum = "u" if has_net_inputs else net_input  # so that none looks like s_p beside s
    others = Names(names.values())
    for node in nodes:
        wire = node.outputs[0]
        if wire not in names:
            step = names.get(step_of(node)) if node.kind is Kind.COLLECT else None
            of, ending = picked(node) or (None, "")
            if of in names:
                letter = with_ending(names[of], ending)
            elif step is None:
                sums = "e" if is_error(node) else other_sum
                letter = _letter(node, user_of(wire), names, net_input, sums)
                if letter == LOSS and LOSS in names.values():
                    letter = "L"  # beside the loss of a step
            else:
                letter = with_ending(step, "_all")
            is_letter = len(letter) == 1
            names[wire] = others.free_letter(letter) if is_letter else others.free(letter)
    return names


def _own_name(node: Node) -> str:
    """Return the name of a node's signal without its scope and the step of its recording."""
    name = short_name(node).replace("(k)", "")
    step, bracket, own = name.removeprefix(f"{node.scope}[").partition("].")
    return own if bracket and step.isdecimal() and node.scope else name


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
                number = parts.pop() if parts[-1].isdecimal() else ""  # of a list: layers.0
                outer = parts[max(len(parts) + bool(number) - depth, 0) :]
                names[wire] = ".".join([*outer, numbered(own[wire], number)])
    apart = Names(f"δ{name}" for name in names.values())  # which are the names of their δ
    return {wire: apart.free(name) for wire, name in names.items()}


def numbered(name: str, number: str) -> str:
    """Return a name with the number of its module in a list; the name if there is no number.

    >>> numbered("s_a", "12"), numbered("out[−1]", "0"), numbered("s", "")
    ('s_a⁽¹²⁾', 'out⁽⁰⁾[−1]', 's')
    """
    own, bracket, index = name.partition("[")
    return own + (f"({number})".translate(RAISED) if number else "") + bracket + index


def base_and_number(name: str) -> tuple[str, str]:
    """Return a name without the number of its module in a list, and the number.

    >>> base_and_number("s_a⁽¹²⁾"), base_and_number("s_a")
    (('s_a', '12'), ('s_a', ''))
    """
    before, _, rest = name.partition("⁽")
    number, _, after = rest.partition("⁾")
    return before + after, number.translate(LOWERED)


def letter_for(subscripts: Iterable[str], taken: Iterable[str] = ()) -> str:
    """Return a letter that stands for several subscripts, is none of them and not taken if it can.

    >>> letter_for(["a", "i"]), letter_for(["i", "f", "g"]), letter_for(["a", "i"], ["g", "W"])
    ('g', 'j', 'j')
    """
    free = [letter for letter in GATES if letter not in set(subscripts)]
    return next((letter for letter in free if letter not in set(taken)), free[0])


def subscripted(name: str, subscript: str, letter: str) -> str:
    """Return a name with a letter for a subscript that it ends in; any other name as it is.

    >>> subscripted("W_a⁽⁰⁾", "a", "g"), subscripted("out", "a", "g")
    ('W_g⁽⁰⁾', 'out')
    """
    base, number = base_and_number(name)
    if not base.endswith(f"_{subscript}"):
        return name
    return numbered(base.removesuffix(subscript) + letter, number)


def with_ending(name: str, ending: str) -> str:
    """Return a name with an ending, before the number of its module.

    >>> with_ending("out⁽¹⁾", "_all")
    'out_all⁽¹⁾'
    """
    base, number = base_and_number(name)
    return numbered(base + ending, number)


def _free_letter(letters: Iterable[str], names: Iterable[str]) -> str:
    """Return the first letter that is no name; the first of all if each of them is one."""
    first, *others = letters
    own = {base_and_number(name)[0].rpartition(".")[2] for name in names}
    return next((letter for letter in (first, *others) if letter not in own), first)


def _is_function_of_one(node: Node) -> bool:
    return node.kind in (Kind.ELEMENTWISE, Kind.MATRIX_FUNCTION) and len(node.inputs) == 1


def _letter(
    node: Node, users: list[Node], names: dict[int, str], net_input: str, other_sum: str
) -> str:
    """Return what a person would call a signal without a name."""
    if any(user.kind is Kind.OUTPUT for user in users):
        return LOSS
    if node.kind in SOURCES:
        return "c"
    functions = Kind.ELEMENTWISE, Kind.MATRIX_FUNCTION
    if len(users) == 1 and users[0].kind in functions and users[0].outputs[0] in names:
        scope, _, own = names[users[0].outputs[0]].rpartition(".")
        return f"{scope}.{net_input}_{own}" if scope else f"{net_input}_{own}"
    if node.kind is Kind.JUNCTION:
        return other_sum
    if node.kind is Kind.BILINEAR and len(users) == 1 and users[0].kind in functions:
        return other_sum
    if any(user.kind in (Kind.DELAY, Kind.ADVANCE) for user in users):
        return "h"
    return LETTERS.get(node.primitive) or "u"
