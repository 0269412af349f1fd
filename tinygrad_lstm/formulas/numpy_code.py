"""Formulas as Python and NumPy: operators, calls, indices and identifiers.

How an operation is written stands in its notation, or follows from what it computes: NumPy's own
function, one of the `plain_functions`, or a function of a user's whose source needs NumPy alone. A
name becomes an identifier, and no text of a user's goes into a program in any other form.

Knows Symbols and the primitives.
"""

from __future__ import annotations

import inspect
import keyword
import re
from collections.abc import Callable, Set
from typing import Any
from unicodedata import normalize

import numpy as np

from ..engine import symbol as notations
from ..engine.kinds import table
from ..engine.primitive import Primitive
from ..engine.symbol import ATOM, HADAMARD, ITEM, MATMUL, PRODUCT, RAISE, RESHAPE, TRANSPOSE, Symbol
from ..errors import UsageError
from ..network.parameters import Varying
from . import plain_functions
from .names import Names
from .plain_source import plain_source
from .reader import Variable
from .rewriting import rewrite

INFIX = (
    notations.ADD, notations.SUBTRACT, notations.NEGATIVE, HADAMARD, notations.DIVIDE, RAISE,
    MATMUL,
)  # fmt: skip
TRUTHS = (notations.GREATER, notations.LESS, notations.EQUAL, notations.UNEQUAL)
RESERVED = {"np", "k", "d", "forward", "backward", "signals", "others", "locals", "range", "dict"}
UNARY = PRODUCT - 1  # a number below 0 binds as a sum does, so that it stands in brackets


class Code:
    """Writes formulas, and keeps what they need beside themselves.

    Attributes
    ----------
    helpers : dict of str to str
        The sources of the functions that are called, by name.
    sequences : dict of str to str
        The values that a parameter has at the steps, by identifier.

    Parameters
    ----------
    timed : set of int
        The wires whose signals have a value at each step, of which a backward pass has one δ at a
        time.
    """

    def __init__(self, timed: Set[int]) -> None:
        self.timed = timed
        self.helpers: dict[str, str] = {}
        self.sequences: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._identifiers = Names([*RESERVED, *keyword.kwlist, *vars(plain_functions)])

    # --- formulas --------------------------------------------------------------------------------

    def formula(self, formula: Any) -> str:
        """Return the code of a formula."""
        return self._operand(formula, 0)

    def term(self, formula: Any) -> str:
        """Return the code of a formula as it stands in a sum."""
        return self._operand(formula, notations.SUM)

    def _operand(self, formula: Any, need: int) -> str:
        text, level = self._written(formula)
        return f"({text})" if level < need else text

    def _written(self, formula: Any) -> tuple[str, int]:
        """Return the code of a formula, and how tightly it binds."""
        if isinstance(formula, Variable):
            return self.variable(formula), ATOM
        if isinstance(formula, Local):
            return formula.name, ATOM
        if not isinstance(formula, Symbol) or formula.apply is None:
            return _number(getattr(formula, "value", formula))
        notation, operands = formula.notation, formula.operands
        assert notation is not None
        if notation.text == "{0}" == notation.latex:  # spread to a shape
            return f"np.broadcast_to({self.formula(operands[0])}, {formula.shape})", ATOM
        if notation is TRANSPOSE and not formula.parameters:
            return f"{self._operand(operands[0], ATOM)}.T", ATOM
        if notation is HADAMARD and operands[0] is operands[1]:
            return f"{self._operand(operands[0], ATOM)} ** 2", PRODUCT + 1
        outer = _outer(formula)
        if outer is not None:
            return f"np.outer({', '.join(map(self.formula, outer))})", ATOM
        return self._infix(formula) if notation in INFIX else self._call(formula)

    def _infix(self, formula: Symbol) -> tuple[str, int]:
        notation = formula.notation
        assert notation is not None
        level, parts = min(notation.level, PRODUCT) if notation is MATMUL else notation.level, []
        for place, operand in enumerate(formula.operands):
            tighter = place > 0 or notation is notations.NEGATIVE
            text = self._operand(operand, ATOM if notation is RAISE else level + tighter)
            is_truth = isinstance(operand, Symbol) and operand.notation in TRUTHS
            if is_truth and notation is not HADAMARD:  # NumPy adds no truth values
                text = f"(1.0 * {text})"
            parts.append(text)
        return notation.code.format(*parts), level

    def _call(self, formula: Symbol) -> tuple[str, int]:
        notation, apply = formula.notation, formula.apply
        assert notation is not None and apply is not None
        template = notation.code or self._template(apply, notation.text)
        is_call = notation is not ITEM and re.match(r"[\w.]+[(]|[(\[{]", template) is not None
        operands = [self._operand(x, 0 if is_call else ATOM) for x in formula.operands]
        parameters = {
            name: self.index(value) if notation is ITEM else self._argument(value)
            for name, value in formula.parameters.items()
        }
        options = [
            f", {name}={parameters[name]}"
            for name, value in formula.parameters.items()
            if name == "index" or (value is not None and value is not False)  # None is a new axis
        ]
        text = template.format(
            *operands, operands=", ".join(operands), options="".join(options),
            typed=typed(formula.value), **parameters,
        )  # fmt: skip
        return text, ATOM if is_call or notation is ITEM else PRODUCT

    def _template(self, apply: Callable[..., Any], text: str) -> str:
        """Return how a function is called whose notation does not say it."""
        if isinstance(apply, np.ufunc):
            return f"np.{apply.__name__}({{operands}})"
        primitive = by_forward().get(apply)
        if primitive is not None:
            return self._of_primitive(primitive)
        name = getattr(apply, "__name__", "")
        if getattr(np, name, None) is apply:
            return f"np.{name}({{operands}}{{options}})"
        called = self._helper(apply, name) if name.isidentifier() else None
        if called is None:
            raise UsageError(
                f"numpy: found {text.partition('(')[0]}, expected operations with a form in NumPy; "
                "print the derivation instead, or give the operation's notation code='…'"
            )
        return f"{called}({{operands}}{{options}})"

    def _of_primitive(self, primitive: Primitive) -> str:
        many = "[{operands}]" if primitive.arity is None else "{operands}"
        for function in primitive.numpy:
            name = function.__name__
            if getattr(np, name, None) is function and _takes(function, primitive.parameters):
                return f"np.{name}({many}{{options}})"
        called = self._helper(primitive.forward, primitive.name)
        if called is None:
            raise UsageError(
                f"numpy: the primitive {primitive.name} has no form in NumPy; write its forward "
                "function with NumPy's functions alone, or give its notation code='…'"
            )
        helper = getattr(plain_functions, primitive.name, None)
        takes = () if helper is None else inspect.signature(helper).parameters
        is_typed = "dtype" in takes and "dtype" not in primitive.parameters
        return f"{called}({many}{{options}}{'{typed}' * is_typed})"

    def _helper(self, function: Callable[..., Any], name: str) -> str | None:
        """Write a function into the program, and return what it is called there.

        It is one of the `plain_functions`, or else itself; None if it needs more than NumPy.
        """
        helper = getattr(plain_functions, name, None)
        if helper is not None:
            self.helpers[name] = inspect.getsource(helper).rstrip()
            return name
        called = self.name(f"the function {name}", name)
        sources = plain_source(function, called)
        if sources is None:
            return None
        self.helpers |= sources
        return called

    def variable(self, signal: Variable) -> str:
        """Return a signal, read at its step if it is kept for all of them."""
        name = self.name(signal.name)
        if signal.offset is None or (signal.is_delta and signal.wire in self.timed):
            return name
        return f"{name}[k{signal.offset:+d}]" if signal.offset else f"{name}[k]"

    # --- parameters ------------------------------------------------------------------------------

    def index(self, value: Any) -> str:
        """Return an index as it stands in square brackets."""
        if isinstance(value, tuple) and value:
            return ", ".join(map(self._literal, value)) + "," * (len(value) == 1)
        return self._literal(value)

    def place(self, value: Any) -> str:
        """Return an index as it stands among arguments."""
        return self._argument(value)

    def _argument(self, value: Any) -> str:
        parts = value if isinstance(value, tuple) else (value,)
        if any(isinstance(part, slice) or part is Ellipsis for part in parts):
            return f"np.s_[{self.index(value)}]"
        return self._literal(value)

    def _literal(self, value: Any) -> str:
        """Return a parameter as Python writes it; one that varies as a sequence read at k."""
        if isinstance(value, Varying):
            return self._at_each_step(value)
        if isinstance(value, slice):
            ends = ["" if end is None else repr(end) for end in (value.start, value.stop)]
            return ":".join(ends) + ("" if value.step is None else f":{value.step!r}")
        if isinstance(value, tuple):
            return f"({', '.join(map(self._literal, value))}{',' * (len(value) == 1)})"
        if isinstance(value, list):
            return f"[{', '.join(map(self._literal, value))}]"
        if value is Ellipsis:
            return "..."
        if isinstance(value, np.dtype):
            return f"np.{value.name}"
        if isinstance(value, np.ndarray):
            return f"np.array({value.tolist()})"
        if isinstance(value, np.generic):
            return repr(value.item())
        if value is None or isinstance(value, bool | int | float | str):
            return repr(value)
        raise UsageError(f"numpy: found a parameter of type {type(value).__name__}, expected data")

    def _at_each_step(self, value: Varying) -> str:
        if value.name == "k":  # the step itself
            return "k"
        if all(isinstance(n, int) for n in value.values):
            first, steps = value.values[0], range(len(value.values))
            if value.values == tuple(first + k for k in steps):
                return f"k{first:+d}" if first else "k"
            if value.values == tuple(first - k for k in steps):
                return f"{first} - k"
        text = f"[{', '.join(self._whole(one) for one in value.values)}]"
        known = [name for name, other in self.sequences.items() if other == text]
        name = known[0] if known else self.name(f"{value.name} at each step {text}", value.name)
        self.sequences[name] = text
        return f"{name}[k]"

    def _whole(self, value: Any) -> str:
        """Return an index as an object of its own."""
        if isinstance(value, slice):
            return repr(value)
        if isinstance(value, tuple):
            return f"({', '.join(map(self._whole, value))}{',' * (len(value) == 1)})"
        return self._literal(value)

    # --- names -----------------------------------------------------------------------------------

    def name(self, name: str, like: str = "") -> str:
        """Return an identifier for a name; the same one for the same name.

        Parameters
        ----------
        name : str
        like : str
            What the identifier is made of; the name itself if empty.
        """
        if name not in self._names:
            text = (like or name).replace("δ", "d").replace("[−", "_minus").replace("−", "_")
            text = re.sub(r"\W+", "_", normalize("NFKC", text)).strip("_") or "x"
            text = text if text.isidentifier() else f"_{text}"
            self._names[name] = self._identifiers.free(text)
        return self._names[name]


class Local(Symbol):
    """A variable of the program that is no signal."""


def with_one_delta(formula: Any, name: str) -> tuple[Any, Variable | None]:
    """Return a formula with a local name for the one δ in it, and that δ; None if there are more.

    Parameters
    ----------
    formula : Symbol
    name : str
        The local name.
    """
    variables: dict[int, Variable] = {}

    def put(leaf: Any) -> Any:
        if isinstance(leaf, Variable) and leaf.is_delta:
            variables[id(leaf)] = leaf
            return Local(name, leaf.value)
        return leaf

    written = rewrite(formula, leaf=put)
    return written, next(iter(variables.values())) if len(variables) == 1 else None


def _number(value: Any) -> tuple[str, int]:
    """Return a number, or an array of equal entries, and how tightly it binds."""
    entries = np.ravel(value)
    if not entries.size or (not np.all(entries == entries[0]) and not np.all(np.isnan(entries))):
        raise UsageError("numpy: found an array without a name in a formula; name it: x.name = …")
    number = float(entries[0])
    if not np.isfinite(number):
        text = {"inf": "np.inf", "-inf": "-np.inf"}.get(str(number), "np.nan")
    else:
        text = repr(int(number) if number.is_integer() and abs(number) < 1e15 else number)
    if np.ndim(value):
        return f"np.full({np.shape(value)}, {text}{typed(value)})", ATOM
    return text, UNARY if text.startswith("-") else ATOM


def typed(value: Any) -> str:
    """Return the argument that gives an array its type, where NumPy would choose another one."""
    dtype = getattr(value, "dtype", np.dtype(float))
    is_usual = dtype.itemsize == 8 or not np.issubdtype(dtype, np.floating)
    return "" if is_usual else f", dtype=np.{dtype.name}"


def _outer(formula: Symbol) -> tuple[Any, Any] | None:
    """Return x and δ of xᵀ δ, if both are vectors that were made matrices of one row for it."""
    if formula.notation is not MATMUL:
        return None
    x, δ = formula.operands
    if not isinstance(x, Symbol) or x.notation is not TRANSPOSE or x.parameters:
        return None
    rows = (x.operands[0], δ)
    if not all(isinstance(row, Symbol) and row.notation is RESHAPE for row in rows):
        return None
    a, b = (row.operands[0] for row in rows)
    return (a, b) if np.ndim(a.value) == np.ndim(b.value) == 1 else None


def _takes(function: Any, parameters: tuple[str, ...]) -> bool:
    """Return whether a function of NumPy takes parameters of these names."""
    if isinstance(function, np.ufunc):
        return not parameters
    try:
        return set(parameters) <= set(inspect.signature(function).parameters)
    except (TypeError, ValueError):  # it does not say: concatenate, where
        return set(parameters) <= {"axis"}


def by_forward() -> dict[Any, Primitive]:
    """Return the primitives by what they compute."""
    return table.engine | {primitive.forward: primitive for primitive in table.others.values()}
