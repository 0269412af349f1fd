"""Formulas in NumPy over the rows of arrays, in the forms that run fastest.

Knows schedules and how a formula is written; no line.
"""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from ...engine.symbol import ATOM, HADAMARD, ITEM, RESHAPE, TOTAL, Symbol
from .. import plain_functions
from ..numpy_code import Code, by_forward
from ..reader import Variable
from .lifting import Whole
from .lines import Handed, Schedule, key_of_signal

INTO = {"add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide", "matmul": "matmul"}


class FastCode(Code):
    """Writes formulas; the steps of a signal ``s`` are the rows of ``s_all``."""

    def __init__(self, schedule: Schedule) -> None:
        super().__init__(set())
        self.schedule = schedule

    # --- signals ---------------------------------------------------------------------------------

    def variable(self, signal: Variable) -> str:
        if isinstance(signal, Whole):
            return self.whole(signal)
        if isinstance(signal, Handed):
            return self.name(f"{signal.name} on wire {signal.wire}", signal.name)
        if signal.offset is None:
            return self.name(signal.name)
        if key_of_signal(signal) not in self.schedule.loop_of:  # a sequence from outside
            return f"{self.name(signal.name)}[k]"
        other = "_before" if signal.offset < 0 else "_after" if signal.offset else ""
        return self.name(f"{signal.name} at {signal.offset:+d}", signal.name + other)

    def array(self, signal: Variable) -> str:
        """Return the array of all steps of a signal."""
        if key_of_signal(signal) not in self.schedule.loop_of:
            return self.name(signal.name)
        return self.name(f"{signal.name} of all steps", f"{signal.name}_all")

    def row(self, signal: Variable) -> str:
        """Return the row of a signal at a step."""
        at = self._rows_before(signal) + (signal.offset or 0)
        return f"{self.array(signal)}[k{f'{at:+d}' if at else ''}]"

    def whole(self, signal: Variable) -> str:
        """Return a signal at all steps, or at those before them."""
        array, before = self.array(signal), self._rows_before(signal)
        after = self.schedule.after.get(key_of_signal(signal), 0)
        if not before and not after:
            return array
        start = before + (signal.offset or 0)
        return f"{array}[{start or ''}:{start - before - after or ''}]"

    def _rows_before(self, signal: Variable) -> int:
        return self.schedule.before.get(key_of_signal(signal), 0)

    # --- forms -----------------------------------------------------------------------------------

    def _written(self, formula: Any) -> tuple[str, int]:
        if getattr(formula, "notation", None) is HADAMARD:
            a, b = formula.operands
            if a is b and isinstance(a, Variable):
                return f"{self.variable(a)} * {self.variable(a)}", HADAMARD.level
        return super()._written(formula)

    def _call(self, formula: Symbol) -> tuple[str, int]:
        if formula.notation not in (RESHAPE, ITEM, TOTAL):
            return super()._call(formula)
        (x,), parameters = formula.operands, formula.parameters
        text = self._operand(x, ATOM)
        if formula.notation is RESHAPE:
            return f"{text}.reshape({', '.join(map(str, parameters['shape']))})", ATOM
        if formula.notation is ITEM:
            return f"{text}[{self.place_in(np.shape(x.value), parameters['index'])}]", ATOM
        options = [
            f"{name}={value!r}"
            for name, value in parameters.items()
            if value is not None and value is not False
        ]
        return f"{text}.sum({', '.join(options)})", ATOM

    def place_in(self, shape: tuple[int, ...], index: Any) -> str:
        """Return an index with a colon for each axis that its dots stand for, which is faster."""
        parts = index if isinstance(index, tuple) else ()
        if parts and parts[0] is Ellipsis and all(isinstance(x, slice | int) for x in parts[1:]):
            index = (*[slice(None)] * (len(shape) - len(parts) + 1), *parts[1:])
        return self.index(index)

    def into(self, place: str, formula: Any) -> str:
        """Return the expression that writes a formula into a place, if NumPy has one; else ""."""
        function = self._writer(formula)
        if not function:
            return ""
        operands = ", ".join(map(self.formula, formula.operands))
        return f"{function}({operands}, out={place})"

    def _writer(self, formula: Any) -> str:
        """Return the last function of a formula, if it can write into an array."""
        if not isinstance(formula, Symbol) or formula.apply is None or formula.parameters:
            return ""
        values = [np.asarray(getattr(x, "value", x)) for x in (formula, *formula.operands)]
        if not values[0].ndim or any(value.dtype.kind == "b" for value in values):
            return ""
        helper = _helper(formula.apply)
        if helper is not None:
            self.helpers.setdefault(helper.__name__, inspect.getsource(helper).rstrip())
            return str(helper.__name__)
        name = INTO.get(getattr(formula.apply, "__name__", ""), "")
        form = "" if formula.notation is None else formula.notation.code
        if isinstance(formula.apply, np.ufunc) and (not form or form.startswith("{")):
            name = formula.apply.__name__
        is_product = name == "matmul"
        if not is_product and name:
            shapes = [value.shape for value in values[1:]]
            name = name if np.broadcast_shapes(*shapes) == values[0].shape else ""
        return f"np.{name}" if name else ""


def _helper(apply: Any) -> Any:
    """Return the plain function that computes the same, and writes into an array; or None."""
    primitive = by_forward().get(apply)
    helper = getattr(plain_functions, primitive.name, None) if primitive else None
    takes = inspect.signature(helper).parameters if helper else ()
    return helper if "out" in takes else None
