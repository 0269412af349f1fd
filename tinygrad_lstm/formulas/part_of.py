"""The part of a derivation that leads to one signal.

Knows the equations of a derivation, as data.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TypeVar

from ..errors import SignalError, nearest
from .derived import Derived, Equation, Stage, Term
from .reader import Variable, leaves

AnyDerived = TypeVar("AnyDerived", bound=Derived)


def leading_to(derivation: AnyDerived, name: str) -> AnyDerived:
    """Return the equations that the gradient of one signal needs, from the loss back.

    Parameters
    ----------
    derivation : Derived
    name : str
        As `compare` and `signals` know it (``lstm.W``, ``lstm.W.i``, ``lstm.state``, or at one
        step ``lstm.state[1]``), or as the derivation calls it (``W_i``, ``state``). The outer
        scopes may be left out where one signal alone ends so.

    Raises
    ------
    SignalError
        If no line is that of the signal, or the loss does not depend on it; the message lists the
        nearest names.
    """
    backward = [x for x in derivation.equations if x.stage is not Stage.FORWARD]
    asked = _of_signal(derivation, backward, name)
    if not asked and derivation.recorded is not None:
        name = derivation.recorded.signals.full_name(name)
        asked = _of_signal(derivation, backward, name)
    if not asked:
        known = [known for x in backward for known in _names(derivation, x)]
        raise SignalError(f"{_reason(derivation, name)}; {nearest(name, known)}")
    by_wire = {x.signal.wire: x for x in backward}
    needed: dict[int, Equation] = {}
    waiting = asked
    while waiting:
        x = waiting.pop()
        if x.signal.wire not in needed:
            needed[x.signal.wire] = x
            reads = (leaf for term in x.terms for leaf in _read(term) if leaf.is_delta)
            waiting += [by_wire[leaf.wire] for leaf in reads if leaf.wire in by_wire]
    read = {leaf.wire for x in needed.values() for term in x.terms for leaf in _read(term)}
    forward = [x for x in derivation.equations if x.stage is Stage.FORWARD]
    without = (x.signal.wire for x in forward[:-1])  # the loss is always told
    return replace(
        derivation,
        equations=(*forward, *(x for x in backward if x.signal.wire in needed)),
        wrt=name,
        left_out=frozenset(without) - read - needed.keys(),
    )


def _of_signal(derivation: Derived, lines: list[Equation], name: str) -> list[Equation]:
    """Return the lines of a signal: by its full name, or else as the derivation calls it."""
    wires = _wires(derivation, name)
    own = [x for x in lines if x.signal.wire in wires and x.stage is not Stage.HANDED]
    return own or [x for x in lines if name in _names(derivation, x)]


def _wires(derivation: Derived, name: str) -> set[int]:
    """Return the wires of a signal: of its parts, if it is packed, or of its steps."""
    if derivation.recorded is None:
        return set()
    locations = derivation.recorded.locations
    return {locations.at[member][0] for member in locations.members(name)}


def _reason(derivation: Derived, name: str) -> str:
    """Return why a signal has no line."""
    recorded = derivation.recorded
    signals = recorded.signals if recorded is not None else None
    if signals is None or name not in signals:
        return f"no gradient is called {name!r}"
    if recorded is not None and recorded.is_reached(_wires(derivation, name)):
        return f"{name} has no line of its own: it stands in the line of what is made of it"
    return (
        f"the loss does not depend on {name}: {name} is a constant, or its derivative is cut off "
        "on the way"
    )


def _names(derivation: Derived, x: Equation) -> tuple[str, ...]:
    """Return what the signal of a backward equation is called."""
    whole = next(
        (own for own, parts in derivation.packed.items() if x.full_name in dict(parts)), ""
    )
    full = x.full_name.replace("(k)", "")
    return tuple(filter(None, (x.signal.name.removeprefix("δ"), full, whole)))


def _read(term: Term) -> Iterator[Variable]:
    """Return the signals that a term reads, also as a reader sees it."""
    yield from leaves(term.formula)
    for inner in term.closed:
        yield from _read(inner)
