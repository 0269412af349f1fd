"""Passes over the lines of a program: nothing is computed twice, or for nothing, or named so.

Knows lines; no derivation. The formula of a line is replaced, and its value is not changed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from typing import Any

from ...engine.symbol import MATMUL, TOTAL, Symbol
from ..derived import Initial
from ..letter_reader import EVERY, shifted
from ..numpy_code import INFIX
from ..reader import Variable, leaves
from ..rewriting import form, rewrite, with_operands
from .lines import (
    VIEWS,
    Handed,
    Key,
    Line,
    is_row,
    is_view,
    key_of_signal,
    occurrences,
    operations,
    pieces,
)

# (name, value, loop) -> a new signal of the forward pass
NewSignal = Callable[[str, Any, int | None], Variable]


def share(lines: list[Line], new_signal: NewSignal) -> list[Line]:
    """Give a function of forward signals that is written twice a line of its own.

    Parameters
    ----------
    lines : list of Line
        Those of the forward pass first.
    new_signal : (name, value, loop) -> Variable
    """
    counts = Counter(
        (line.loop, form(part))
        for line in lines
        for part in operations(line.formula)
        if _is_function(part)
    )
    known: dict[Hashable, Variable] = {}
    result: list[Line] = []

    def shared_in(line: Line) -> Any:
        def put(old: Symbol, operands: tuple[Any, ...]) -> Any:
            key = line.loop, form(old)
            if not _is_function(old) or counts[key] < 2:
                return with_operands(old, operands)
            if key not in known:
                if line.signal.is_delta:  # the forward pass has no use for it
                    return with_operands(old, operands)
                known[key] = new_signal(_name(old), old.value, line.loop)
                result.append(Line(known[key], with_operands(old, operands), line.loop))
            return known[key]

        return rewrite(line.formula, put)

    for line in lines:
        if (
            not line.signal.is_delta
            and isinstance(line.formula, Symbol)
            and _is_function(line.formula)
        ):
            known.setdefault((line.loop, form(line.formula)), line.signal)  # which has a name
        else:
            line.formula = shared_in(line)
        result.append(line)
    return result


def _is_function(part: Symbol) -> bool:
    """Return whether a part computes more than arithmetic, of signals of the forward pass."""
    if part.notation in (*INFIX, *VIEWS, EVERY, TOTAL) and part.notation is not MATMUL:
        return False
    signals = leaves(part)
    return bool(signals) and part.ndim > 0 and not any(x.is_delta for x in signals)


def _name(part: Symbol) -> str:
    """Return a name for a part of a formula, as in ``tanh_state``."""
    assert part.notation is not None
    function, bracket, _ = part.notation.text.partition("(")
    return "_".join([function if bracket else "u", *(x.name for x in leaves(part)[:2])])


def needed(lines: list[Line], results: Iterable[Key], initial: Iterable[Initial]) -> list[Line]:
    """Return the lines that lead to a result.

    Parameters
    ----------
    lines : list of Line
    results : iterable of Key
    initial : iterable of Initial
        What states start from.
    """
    of: dict[tuple[Key, bool], list[Line]] = {}
    for line in lines:
        of.setdefault((line.key, line.is_handed), []).append(line)
    starts: dict[Key, list[Variable]] = {}
    for x in initial:
        starts.setdefault(key_of_signal(x.state), []).extend(leaves(x.start))
    waiting = [(key, False) for key in results]
    known = set(waiting)
    for key, is_handed in waiting:
        read = [leaf for line in of.get((key, is_handed), ()) for leaf in leaves(line.formula)]
        for leaf in [*read, *starts.get(key, ())]:
            source = key_of_signal(leaf), isinstance(leaf, Handed)
            if source not in known:
                known.add(source)
                waiting.append(source)
    return [line for line in lines if (line.key, line.is_handed) in known]


def write_out(lines: list[Line], states: set[Key], loss: Line) -> list[Line]:
    """Write a signal of a loop out that is a part of another one, or that one line reads once.

    Parameters
    ----------
    lines : list of Line
    states : set of Key
        The signals that have initial values.
    loss : Line
    """
    reads: Counter[Key] = Counter()
    readers: dict[Key, set[Hashable]] = {}
    for line in lines:
        for leaf in occurrences(line.formula):
            key = key_of_signal(leaf)
            reads[key] += 1
            beside = (line.loop, line.signal.is_delta, line.adds)
            readers.setdefault(key, set()).add(beside if is_row(leaf) and not leaf.offset else None)
    instead: dict[Key, Any] = {}

    def put(leaf: Any) -> Any:
        if not isinstance(leaf, Variable) or isinstance(leaf, Handed) or not is_row(leaf):
            return leaf
        formula = instead.get(key_of_signal(leaf), leaf)
        return shifted(formula, leaf.offset) if leaf.offset and formula is not leaf else formula

    result = []
    for line in lines:
        line.formula = rewrite(line.formula, leaf=put)
        is_once = reads[line.key] == 1 and readers[line.key] == {
            (line.loop, line.signal.is_delta, False)
        }
        if (
            line.loop is not None and not line.adds and not line.is_handed and line is not loss
            and line.key not in states
            and (is_view(line.formula) or (is_once and pieces(line.formula) is None))
        ):  # fmt: skip
            instead[line.key] = line.formula
        else:
            result.append(line)
    return result
