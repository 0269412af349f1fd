"""Symbols: a derivative rule that runs on Symbols becomes text and LaTeX.

Knows nothing of the package: a rule written for arrays runs on Symbols because they answer to the
same operators and methods.

    >>> y = Symbol("y")
    >>> 1 - y * y
    1 - y²
    >>> (y * (1 - y)).latex()
    'y \\\\circ \\\\left(1 - y\\\\right)'
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

# how tightly a printed form binds its operands; f ∘ h U is f ∘ (h U), as people read it
COMPARE, SUM, PRODUCT, MATRIX, PREFIX, POWER, ATOM = range(7)


@dataclass(frozen=True)
class Notation:
    """How an operation is written.

    Parameters
    ----------
    text, latex : str
        Templates with ``{0}``, ``{1}``… for the operands and ``{name}`` for a parameter.
    level : int
        How tightly the result binds.
    needs : tuple of int
        How tightly each operand must bind to stand without brackets; the last entry serves the
        operands that follow.
    code : str
        The template for a program in Python and NumPy; ``{operands}`` stands for all operands, and
        ``{options}`` for the parameters that are not None or False. If empty, the function itself
        is called. What is called in it stands in NumPy.
    c : str
        The template for a program in C, of one entry; empty where there is none.
    """

    text: str
    latex: str
    level: int = ATOM
    needs: tuple[int, ...] = (COMPARE,)
    code: str = ""
    c: str = ""

    def need(self, position: int) -> int:
        """Return the level that the operand at a position must have."""
        return self.needs[min(position, len(self.needs) - 1)]


def function(
    text: str, latex: str | None = None, parameters: tuple[str, ...] = (), code: str = ""
) -> Notation:
    """Return the notation of a named function: ``tanh(x)``, ``pad(x, width)``."""
    inside = ", ".join(["{operands}", *(f"{{{parameter}}}" for parameter in parameters)])
    name = latex or r"\operatorname{{" + text.replace("_", r"\_") + "}}"
    return Notation(f"{text}({inside})", rf"{name}\left({inside}\right)", code=code)


ADD = Notation("{0} + {1}", "{0} + {1}", SUM, (SUM, SUM), "{0} + {1}", c="{0} + {1}")
SUBTRACT = Notation("{0} - {1}", "{0} - {1}", SUM, (SUM, PRODUCT), "{0} - {1}", c="{0} - {1}")
HADAMARD = Notation(
    "{0} ∘ {1}", r"{0} \circ {1}", PRODUCT, (PRODUCT, PRODUCT), "{0} * {1}", c="{0} * {1}"
)
SCALE = Notation("{0} {1}", r"{0} \, {1}", PRODUCT, (PRODUCT, PRODUCT))
DIVIDE = Notation("{0} / {1}", r"{0} / {1}", PRODUCT, (PRODUCT, PREFIX), "{0} / {1}", c="{0} / {1}")
NEGATIVE = Notation("-{0}", "-{0}", SUM, (PRODUCT,), "-{0}", c="-{0}")
RAISE = Notation(
    "{0}^{1}", "{{{0}}}^{{{1}}}", POWER, (ATOM, ATOM), "{0} ** {1}", c="M(pow)({0}, {1})"
)
MATMUL = Notation("{0} {1}", r"{0} \, {1}", MATRIX, (MATRIX, PREFIX), "{0} @ {1}")
TRANSPOSE = Notation("{0}ᵀ", r"{{{0}}}^\top", POWER, (ATOM,))
ITEM = Notation("{0}[{index}]", "{0}[{index}]", ATOM, (ATOM,), "{0}[{index}]")
GREATER = Notation(
    "[{0} > {1}]",
    r"\left[{0} > {1}\right]",
    ATOM,
    (SUM, SUM),
    "({0} > {1})",
    c="{0} > {1} ? (real) 1 : 0",
)
LESS = Notation(
    "[{0} < {1}]",
    r"\left[{0} < {1}\right]",
    ATOM,
    (SUM, SUM),
    "({0} < {1})",
    c="{0} < {1} ? (real) 1 : 0",
)
EQUAL = Notation(
    "[{0} = {1}]",
    r"\left[{0} = {1}\right]",
    ATOM,
    (SUM, SUM),
    "({0} == {1})",
    c="{0} == {1} ? (real) 1 : 0",
)
UNEQUAL = Notation(
    "[{0} ≠ {1}]",
    r"\left[{0} \neq {1}\right]",
    ATOM,
    (SUM, SUM),
    "({0} != {1})",
    c="{0} != {1} ? (real) 1 : 0",
)
EXPM1 = Notation("exp({0}) - 1", r"\exp\left({0}\right) - 1", SUM)
LOG1P = Notation("log(1 + {0})", r"\log\left(1 + {0}\right)", ATOM, (SUM,))
FLOOR = Notation("⌊{0}⌋", r"\left\lfloor {0} \right\rfloor")
MODULO = Notation("{0} mod {1}", r"{0} \bmod {1}", PRODUCT, (PREFIX, PREFIX))
TOTAL = Notation("Σ {0}", r"\sum {0}", PREFIX, (PREFIX,), "np.sum({0}{options})")
ROOT = Notation("sqrt({0})", r"\sqrt{{{0}}}")
RESHAPE = function("reshape", parameters=("shape",), code="np.reshape({0}, {shape})")

# NumPy's functions that are written as operators; any other is written with its name
_OPERATORS = {
    "add": ADD, "subtract": SUBTRACT, "multiply": HADAMARD, "divide": DIVIDE, "negative": NEGATIVE,
    "power": RAISE, "matmul": MATMUL, "greater": GREATER, "less": LESS, "equal": EQUAL,
    "not_equal": UNEQUAL,
}  # fmt: skip

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_GREEK = {"δ": r"\delta", "Σ": r"\Sigma", "σ": r"\sigma"}

_Method = Callable[["Symbol", Any], "Symbol"]


def _operator(notation: Notation, apply: Callable[..., Any]) -> tuple[_Method, _Method]:
    """Return the methods behind an operator and its reflection."""
    return (
        lambda self, other: Symbol.of(notation, apply, (self, other)),
        lambda self, other: Symbol.of(notation, apply, (other, self)),
    )


def _comparison(notation: Notation, compare: Callable[..., Any]) -> Any:
    """Return the method behind a comparison; it gives 1 and 0, to calculate with: -True fails."""
    return _operator(notation, lambda a, b: np.asarray(compare(a, b), float)[()])[0]


class Symbol:
    """A name, or an operation on Symbols and numbers, that prints as mathematics.

    Parameters
    ----------
    name : str
        What is printed.
    value : array, optional
        A value to carry along, for rules that ask an operand for its shape.
    """

    __slots__ = ("name", "notation", "apply", "operands", "parameters", "value")

    # our function for one of NumPy's; `functions` sets it
    ours_for: ClassVar[Callable[[Any], Callable[..., Any] | None]]

    def __init__(self, name: str, value: Any = None) -> None:
        self.name = name
        self.notation: Notation | None = None
        self.apply: Callable[..., Any] | None = None
        self.operands: tuple[Any, ...] = ()
        self.parameters: dict[str, Any] = {}
        # a truth value counts as 1 or 0, as on the tape: -True is no number
        is_truth = np.asarray(value).dtype.kind == "b"
        self.value = np.asarray(value, float) if is_truth else value

    @classmethod
    def of(
        cls,
        notation: Notation,
        apply: Callable[..., Any],
        operands: tuple[Any, ...],
        parameters: dict[str, Any] | None = None,
    ) -> Symbol:
        """Return the Symbol of an operation; its value is known where the operands' values are."""
        result = cls("")
        result.notation, result.apply = notation, apply
        result.operands, result.parameters = operands, parameters or {}
        values = [x.value if isinstance(x, Symbol) else x for x in operands]
        if all(value is not None for value in values):
            with np.errstate(all="ignore"):
                result.value = apply(*values, **_first(result.parameters))
        return result

    def __array_ufunc__(self, ufunc: Any, method: str, *operands: Any, **options: Any) -> Any:
        """Write one of NumPy's functions that a rule calls."""
        if method != "__call__" or options:
            return NotImplemented
        notation = _OPERATORS.get(ufunc.__name__) or function(ufunc.__name__)
        return Symbol.of(notation, ufunc, operands)

    def __array_function__(self, function: Any, types: Any, args: Any, options: Any) -> Any:
        """Write one of NumPy's functions that has a primitive, such as np.where."""
        ours = type(self).ours_for(function)
        return NotImplemented if ours is None else ours(*args, **options)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        raise TypeError(f"{self} is a Symbol, not an array")

    def __bool__(self) -> bool:
        raise TypeError(f"{self} is a Symbol, neither true nor false; for None write `is None`")

    __iter__ = None  # or an index would go on for ever

    @staticmethod
    def __interpret__(primitive: Any, operands: tuple[Any, ...], parameters: Any) -> Symbol:
        return Symbol.of(primitive.notation, primitive.forward, operands, parameters)

    def evaluate(self, values: Mapping[str, Any]) -> Any:
        """Return the number that this expression has when its names stand for ``values``."""
        if self.apply is None:
            return values[self.name]
        operands = (x.evaluate(values) if isinstance(x, Symbol) else x for x in self.operands)
        return self.apply(*operands, **self.parameters)

    # what a rule may ask of an array
    @property
    def shape(self) -> tuple[int, ...]:
        return np.shape(self.value)

    @property
    def ndim(self) -> int:
        return np.ndim(self.value)

    @property
    def T(self) -> Symbol:
        return Symbol.of(TRANSPOSE, np.transpose, (self,))

    def sum(self, axis: Any = None, keepdims: bool = False) -> Symbol:
        return Symbol.of(TOTAL, np.sum, (self,), {"axis": axis, "keepdims": keepdims})

    def reshape(self, shape: tuple[int, ...]) -> Symbol:
        return Symbol.of(RESHAPE, np.reshape, (self,), {"shape": shape})

    def swapaxes(self, one: int, other: int) -> Symbol:
        last_two = {one, other} in ({-1, -2}, {self.ndim - 1, self.ndim - 2})
        notation = TRANSPOSE if last_two else function("swapaxes", parameters=("axis1", "axis2"))
        return Symbol.of(notation, np.swapaxes, (self,), {"axis1": one, "axis2": other})

    def dot(self, other: Any) -> Symbol:
        return self.__matmul__(other)

    def __getitem__(self, index: Any) -> Symbol:
        return Symbol.of(ITEM, lambda x, index: x[index], (self,), {"index": index})

    # arithmetic
    __add__, __radd__ = _operator(ADD, operator.add)
    __sub__, __rsub__ = _operator(SUBTRACT, operator.sub)
    __mul__, __rmul__ = _operator(HADAMARD, operator.mul)
    __truediv__, __rtruediv__ = _operator(DIVIDE, operator.truediv)
    __pow__, __rpow__ = _operator(RAISE, operator.pow)
    __matmul__, __rmatmul__ = _operator(MATMUL, operator.matmul)
    __gt__, __lt__ = _comparison(GREATER, operator.gt), _comparison(LESS, operator.lt)
    __eq__, __ne__ = _comparison(EQUAL, operator.eq), _comparison(UNEQUAL, operator.ne)

    def __neg__(self) -> Symbol:
        return Symbol.of(NEGATIVE, operator.neg, (self,))

    __hash__ = object.__hash__

    # printing
    def __repr__(self) -> str:
        return _write(self, latex=False)[0]

    def latex(self) -> str:
        """Return the expression as LaTeX."""
        return _write(self, latex=True)[0]


def _first(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return parameters to work with: of one that has several values, by turns, the first."""
    return {name: getattr(value, "first", value) for name, value in parameters.items()}


def _write(expression: Any, *, latex: bool) -> tuple[str, int]:
    """Return an operand's text and how tightly it binds."""
    if not isinstance(expression, Symbol):
        text = constant_text(expression)
        return (_power_of_ten(text) if latex else text), ATOM
    if expression.notation is None:
        name = expression.name
        return (_GREEK.get(name, name) if latex else name), ATOM
    if _is_silent(expression) or _is_indicator(expression):
        return _write(expression.operands[0], latex=latex)
    notation, operands = _idiom(expression)
    parts = []
    for position, operand in enumerate(operands):
        text, level = _write(operand, latex=latex)
        if level < notation.need(position):
            text = rf"\left({text}\right)" if latex else f"({text})"
        parts.append(text)
    if notation is RAISE and not latex and _is_number(operands[1]):
        return parts[0] + f"{float(operands[1]):g}".translate(_SUPERSCRIPTS), notation.level
    template = notation.latex if latex else notation.text
    parameters = {name: constant_text(value) for name, value in expression.parameters.items()}
    if notation is ITEM:
        parameters["index"] = bare(parameters["index"])
    everything = ", ".join(parts)
    return template.format(*parts, operands=everything, **parameters), notation.level


def _power_of_ten(text: str) -> str:
    """Return a number as LaTeX writes it.

    >>> _power_of_ten("1e-05"), _power_of_ten("2.5e+20"), _power_of_ten("0.5")
    ('10^{-5}', '2.5 \\\\cdot 10^{20}', '0.5')
    """
    digits, e, power = text.partition("e")
    if not e or not power.lstrip("+-").isdigit():
        return text
    factor = {"1": "", "-1": "-"}.get(digits, rf"{digits} \cdot ")
    return f"{factor}10^{{{int(power)}}}"


def _idiom(expression: Symbol) -> tuple[Notation, tuple[Any, ...]]:
    """Return an expression as people write it: ``y²`` for ``y ∘ y``, ``2 x`` for ``2 ∘ x``."""
    notation, operands = expression.notation, expression.operands
    assert notation is not None
    if notation is HADAMARD:
        if operands[0] is operands[1]:
            return RAISE, (operands[0], 2)
        if _is_number(operands[0]):
            return SCALE, operands
        if _is_number(operands[1]):
            return SCALE, operands[::-1]
    if notation is SUBTRACT and (above := _where_larger(*operands)) is not None:
        return ADD, (above, operands[1])
    return notation, operands


def _where_larger(before: Any, half: Any) -> Any:
    """Return [a > b] of ``1 - [a < b] - 0.5 [a = b]``, of which it is the first part; else None.

    A rule subtracts, so that something comes back to both operands where one is not a number.
    """
    if getattr(before, "notation", None) is not SUBTRACT or not isinstance(half, Symbol):
        return None
    one, below = before.operands
    equal = half.operands[-1] if half.notation is HADAMARD else None
    if not isinstance(below, Symbol) or not isinstance(equal, Symbol):
        return None
    if below.notation not in (LESS, GREATER) or equal.notation is not EQUAL or not _is_one(one):
        return None
    opposite = GREATER if below.notation is LESS else LESS
    if {*map(str, below.operands)} != {*map(str, equal.operands)}:
        return None
    return Symbol.of(opposite, np.greater if opposite is GREATER else np.less, below.operands)


def _is_one(operand: Any) -> bool:
    value = getattr(operand, "value", operand)
    is_number = not isinstance(operand, Symbol) or operand.name == "1"
    return is_number and value is not None and bool(np.all(np.equal(value, 1)))


def _is_number(operand: Any) -> bool:
    return not isinstance(operand, Symbol) and np.ndim(operand) == 0


def _is_silent(expression: Symbol) -> bool:
    """Return whether an expression is printed as its operand: x¹, reshape by axes of size 1."""
    if expression.notation is RAISE and not isinstance(expression.operands[1], Symbol):
        return bool(np.all(expression.operands[1] == 1))
    if expression.notation is not RESHAPE or expression.value is None:
        return False
    before, after = np.shape(expression.operands[0].value), expression.shape
    return [n for n in before if n != 1] == [n for n in after if n != 1]


def _is_indicator(expression: Symbol) -> bool:
    """Return whether an expression is 1 where a condition holds, else 0, as brackets write it."""
    if len(expression.operands) != 3:
        return False
    _, one, nothing = expression.operands
    zero = nothing.operands[:1] if isinstance(nothing, Symbol) else (nothing,)
    return _is_number(one) and one == 1 and bool(zero) and _is_number(zero[0]) and zero[0] == 0


def constant_text(value: Any) -> str:
    """Return a number, an index or a shape as people write it."""
    if isinstance(value, slice):
        ends = ["" if end is None else str(end) for end in (value.start, value.stop)]
        return ":".join(ends) + ("" if value.step is None else f":{value.step}")
    if isinstance(value, tuple):
        return "(" + ", ".join(map(constant_text, value)) + ("," if len(value) == 1 else "") + ")"
    if value is Ellipsis:
        return "…"
    if isinstance(value, float | np.floating) or getattr(value, "dtype", None) == np.float64:
        return f"{value:g}" if np.ndim(value) == 0 else "c"
    return str(value) if np.ndim(value) == 0 else str(np.asarray(value).tolist())


def bare(text: str) -> str:
    """Return the text of an index as it stands in square brackets, where a tuple has no others.

    >>> bare("(0, 1:3)"), bare("(0, index(k))"), bare("index(k)")
    ('0, 1:3', '0, index(k)', 'index(k)')
    """
    return text[1:-1].rstrip(",") if text.startswith("(") and text.endswith(")") else text
