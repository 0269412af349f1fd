"""Formulas as they are read in a derivation: sums say over which axes or steps they go.

Knows formulas.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine.symbol import COMPARE, ITEM, TOTAL, Notation, Symbol
from ..network.parameters import Varying
from .derived import name_step
from .rewriting import outer_product, rewrite, with_operands

OVER_STEPS = Notation("Σₖ Σ {0}", r"\sum_k \sum {0}", TOTAL.level, TOTAL.needs)


def _is_every_step(formula: Any) -> bool:
    return isinstance(formula, Symbol) and formula.parameters.keys() == {"steps"}


def as_read(formula: Any) -> Any:
    """Return a formula as it is read: sums say over which axes or steps they go."""

    def put(old: Symbol, operands: tuple[Any, ...]) -> Any:
        inner = operands[0]
        is_whole = old.notation is TOTAL and old.parameters.get("axis") is None
        if is_whole and _is_every_step(inner):
            assert old.apply is not None
            return Symbol.of(OVER_STEPS, old.apply, inner.operands)
        index = old.parameters.get("index")
        if old.notation is ITEM and isinstance(index, int) and _is_every_step(inner):
            count = inner.parameters["steps"]
            phrase = name_step(index % count, count)
            form = Notation(
                f"{{0}} {phrase}", rf"{{0}} \text{{{{ {phrase}}}}}", COMPARE, (COMPARE,)
            )
            return Symbol.of(form, lambda x: x, inner.operands)
        outer = outer_product(old, operands)
        if outer is not None:
            return outer
        axes = _axes(old, operands)
        if axes:
            return with_operands(old, operands, _along(old.notation, axes))
        return with_operands(old, operands)

    return rewrite(formula, put)


def _axes(old: Symbol, operands: tuple[Any, ...]) -> str:
    """Return along which axes an operation goes, if it is not along all that its operand has."""
    axis, ndim = old.parameters.get("axis"), np.ndim(getattr(operands[0], "value", operands[0]))
    if axis is None or isinstance(axis, Varying):
        return ""
    axes = sorted({int(n) % ndim for n in np.atleast_1d(axis).tolist()}) if ndim else []
    if len(axes) == ndim:
        return ""
    return ("axes " if len(axes) > 1 else "axis ") + " and ".join(map(str, axes))


def _along(notation: Notation | None, axes: str) -> Notation:
    """Return the notation of an operation along some axes."""
    assert notation is not None
    if notation is TOTAL:
        latex = rf"\sum_{{{{\text{{{{{axes}}}}}}}}} {{0}}"
        return Notation(f"Σ over {axes} of {{0}}", latex, COMPARE, (COMPARE,))
    text, latex = f"{notation.text} along {axes}", rf"{notation.latex} \text{{{{ along {axes}}}}}"
    return Notation(text, latex, COMPARE, notation.needs)
