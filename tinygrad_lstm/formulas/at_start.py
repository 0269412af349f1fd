"""The lines of initial values at the step that they come from: x₀, and no xₖ of which k is 0.

Knows derivations and their lines; not how a formula is printed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from ..engine.symbol import Symbol
from ..network.parameters import varying
from .derived import Derived, Term
from .lines import Line
from .reader import Dated, Variable
from .rewriting import rewrite, with_operands


class _NoStep(Exception):
    """A formula has an index that is told by the step k alone."""


def at_start(derivation: Derived, lines: Iterable[Line]) -> list[Line] | None:
    """Return lines in which every summand comes from one step, told at this step.

    A state that such a step reads from the step before is what the state starts from. None if a
    line cannot be told so.
    """
    counts = {len(loop.steps) for loop in derivation.loops.values()}
    starts = {(x.state.name, x.state.offset): x.start for x in derivation.initial}
    steps = {"first": 0, **({"last": max(counts) - 1} if len(counts) == 1 else {})}
    try:
        return [
            replace(line, terms=tuple(_told_at(term, steps, starts) for term in line.terms))
            for line in lines
        ]
    except (KeyError, _NoStep):
        return None


def _told_at(term: Term, steps: dict[str, int], starts: dict[tuple[str, int | None], Any]) -> Term:
    step = steps[term.starts]

    def leaf_at(leaf: Any) -> Any:
        if not isinstance(leaf, Variable) or leaf.offset is None:
            return leaf
        start = None if leaf.is_delta else starts.get((leaf.name, leaf.offset))
        if start is not None:
            return start
        return Dated(leaf.name, leaf.value, leaf.wire, step + leaf.offset, leaf.is_delta)

    def put(old: Symbol, operands: tuple[Any, ...]) -> Any:
        if varying(old.parameters):
            raise _NoStep
        return with_operands(old, operands)

    dated = term.changed(lambda formula: rewrite(formula, put, leaf_at))
    return replace(dated, at=step + term.by)
