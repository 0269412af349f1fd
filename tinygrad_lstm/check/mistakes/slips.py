"""A rule run with a slip: one of its operations exchanged for another, or left out.

Knows arithmetic. A rule runs on anything that computes, so that it needs no second form: on
operands that count its operations, and go wrong at one of them.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ...engine.symbol import Symbol

Operation = Callable[[Any, Any], Any]


def _first(a: Any, b: Any) -> Any:
    return a


def _second(a: Any, b: Any) -> Any:
    return b


def _one_for_it(a: Any, b: Any) -> Any:
    """Return −1: the operand is left out behind its minus."""
    return -np.ones_like(a) if isinstance(a, np.ndarray) else Symbol("-1")


def _over_it(a: Any, b: Any) -> Any:
    return 1 / b


def _squared(a: Any, root: Any) -> Any:
    return (a - root) * (a - root)


OPERATIONS: dict[str, Operation] = {
    "+": operator.add, "−": operator.sub, "·": operator.mul, "/": operator.truediv,
    "^": operator.pow, "neg": lambda a, b: -a,
}  # fmt: skip
SLIPS: dict[str, dict[str, Operation]] = {
    "+": {"− for +": operator.sub, "a term left out": _first, "the other term left out": _second},
    "−": {"+ for −": operator.add, "a term left out": _second},
    "·": {"a factor left out": _first, "the other factor left out": _second},
    "/": {
        "· for /": operator.mul,
        "not divided": _first,
        "upside down": lambda a, b: b / a,
        "the numerator left out": _over_it,
    },
    "^": {"the power left out": _first},
    "neg": {"no minus": _first, "a factor left out": _one_for_it},
}


def slips(rule: Callable[..., Any], *operands: Any) -> Iterator[tuple[str, Any]]:
    """Yield every slip that a rule allows, in words, and the rule's result with that slip.

    >>> list(slips(lambda y: 1 - y * y, 3))
    [('y for y²', -2), ('+ for −', 10), ('a term left out', 9), ('the square of the difference', 4)]
    >>> list(slips(lambda a, b: a / b, 6, 2))[:3]
    [('· for /', 12), ('not divided', 6), ('upside down', 0.3333333333333333)]
    """
    operations = _RuleRun(rule, operands).operations
    for at, (sign, is_square) in enumerate(operations):
        if sign == "− of a square":
            sign = "−"
            for word, slip in SLIPS[sign].items():
                yield word, _RuleRun(rule, operands, at, slip).result
            yield "the square of the difference", _RuleRun(rule, operands, at, _squared).result
            continue
        for word, slip in SLIPS[sign].items():
            if is_square and slip is _second:
                continue  # the same as the other factor
            yield "y for y²" if is_square else word, _RuleRun(rule, operands, at, slip).result


def lost_brackets(rule: Callable[..., Any], *operands: Any) -> Iterator[tuple[Any, Any]]:
    """Yield what becomes of a rule's product with δ where the bracket around a sum is lost.

    That is δ times the first number, and the second number added to the product.

    >>> list(lost_brackets(lambda y: 1 - y * y, 3)), list(lost_brackets(lambda y: y * (1 - y), 3))
    ([(1, -9)], [(3, -3)])
    """
    for at, (sign, _) in enumerate(_RuleRun(rule, operands).operations):
        if sign in ("+", "−", "− of a square"):
            run = _RuleRun(rule, operands, at, _first)
            yield run.result, run.second if sign == "+" else -run.second


class _RuleRun:
    """A rule run once, with a slip at one of its operations if one is given."""

    def __init__(self, rule: Callable[..., Any], operands: tuple[Any, ...], at: int = -1,
                 slip: Operation = _first) -> None:  # fmt: skip
        self.at, self.slip = at, slip
        self.operations: list[tuple[str, bool]] = []
        self.second: Any = None  # the second operand of the operation with the slip
        self.result = _bare(rule(*(_Operand(operand, self) for operand in operands)))

    def apply(self, sign: str, a: Any, b: Any) -> _Operand:
        is_wrong = len(self.operations) == self.at
        root = b.root if sign == "−" and isinstance(b, _Operand) else None
        self.operations.append((sign if root is None else "− of a square", sign == "·" and a is b))
        if is_wrong:
            self.second = _bare(b)
        if is_wrong and self.slip is _squared:
            return _Operand(_squared(_bare(a), _bare(root)), self)
        operation = self.slip if is_wrong else OPERATIONS[sign]
        square = a if sign == "·" and a is b else None
        return _Operand(operation(_bare(a), _bare(b)), self, square)


def _operator(sign: str) -> tuple[Operation, Operation]:
    """Return the two methods of an operator: with the operand on the left, and on the right."""
    return (
        lambda self, other: self.run.apply(sign, self, other),
        lambda self, other: self.run.apply(sign, other, self),
    )


class _Operand:
    """An operand of a rule: it computes, and its run records each operation."""

    __array_ufunc__ = None  # so that `array * operand` asks the operand

    def __init__(self, value: Any, run: _RuleRun, root: Any = None) -> None:
        self.value, self.run, self.root = value, run, root  # the root, if it is a square

    @staticmethod
    def __interpret__(primitive: Any, operands: tuple[Any, ...], parameters: Any) -> _Operand:
        run = next(operand.run for operand in operands if isinstance(operand, _Operand))
        return _Operand(primitive(*map(_bare, operands), **parameters), run)

    def __getattr__(self, name: str) -> Any:
        if name in ("dtype", "shape"):
            return getattr(self.value, name)
        raise TypeError(name)  # a rule that asks for more cannot be run so

    def reshape(self, shape: tuple[int, ...]) -> _Operand:
        return _Operand(self.value.reshape(shape), self.run)

    __add__, __radd__ = _operator("+")
    __sub__, __rsub__ = _operator("−")
    __mul__, __rmul__ = _operator("·")
    __truediv__, __rtruediv__ = _operator("/")
    __pow__, _ = _operator("^")

    # comparisons of arrays give plain truth values, as those of Tensors do
    def __eq__(self, other: object) -> Any:
        return self._as_operand(self.value == _bare(other))

    def __ne__(self, other: object) -> Any:
        return self._as_operand(self.value != _bare(other))

    def _as_operand(self, truth: Any) -> Any:
        return _Operand(truth, self.run) if hasattr(truth, "__interpret__") else truth

    __hash__ = object.__hash__

    def __neg__(self) -> _Operand:
        return self.run.apply("neg", self, None)


def _bare(value: Any) -> Any:
    return value.value if isinstance(value, _Operand) else value
