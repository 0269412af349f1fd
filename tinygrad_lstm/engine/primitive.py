"""A primitive: one operation, and the facts that its readers need.

Knows neither Tensors nor the table, and no kind's rule: `kinds` turns what is declared into the
modes of differentiation.
"""

from __future__ import annotations

import inspect
import operator
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from functools import cached_property
from typing import Any, Protocol, TypeVar, overload

import numpy as np

from ..errors import UsageError
from . import facts, steps
from .arguments import joined
from .arguments import operand as checked_operand
from .cotangent import PlainSums
from .forms import Form, complaint, frozen
from .kind import Kind
from .notebook import ShownAsText
from .numerics import Array
from .steps import StepRule
from .symbol import Notation, Symbol

Rule = Callable[..., Array]
Sample = tuple[tuple[Array, ...], dict[str, Any]]


class Record:
    """An operation or an operand, as the rule of a kind reads it; a Tensor has the same attributes.

    Attributes
    ----------
    _array : what the rules run on: an array (in a Tensor), a Tensor or a Symbol
    primitive, inputs, parameters : what was done, on what, and how
    requires_grad : whether its cotangent is asked for
    serial : its place in the order of recording
    """

    __slots__ = ("_array", "inputs", "parameters", "primitive", "requires_grad", "serial")

    def __init__(
        self,
        data: Array,
        requires_grad: bool,
        primitive: Primitive | None = None,
        inputs: tuple[Record, ...] = (),
        parameters: dict[str, Any] | None = None,
        serial: int = 0,
    ) -> None:
        self._array, self.requires_grad, self.serial = data, requires_grad, serial
        self.primitive, self.inputs, self.parameters = primitive, inputs, parameters or {}


class Interpreted(Protocol):
    """An operand that records a primitive or writes it: a Tensor or a Symbol."""

    @property
    def __interpret__(self) -> Any: ...


AnyInterpreted = TypeVar("AnyInterpreted", bound=Interpreted)


class Primitive(ShownAsText):
    """One operation of the table: how it is computed, differentiated, written and tried out.

    Attributes
    ----------
    name : str
    kind : Kind
    forward : (*arrays, **parameters) -> array
    pull : (entry, ct, sums) -> None
        The reverse mode: add to ``sums`` what the cotangent of an entry gives each operand.
    jvp : (tangents, y, xs, parameters) -> tangent of y
        The forward mode; ``None`` stands for a zero tangent.
    notation : Notation
    samples : () -> list of (operands, parameters)
    analytic, is_differentiable : bool
        Whether ``forward`` is analytic, so that the complex step holds; whether gradients pass.
    is_entrywise : bool
        Whether an entry of the result depends on the operands' entries at the same place alone, so
        that one number may stand for an operand of equal entries. Of a linear map or a product
        that does not say so, the operation is run on its samples to see.
    gains : (rule, rule)
        Of a product, ``(a, b) -> gain`` for each operand: what the cotangent is multiplied by.
    sides : (int, int)
        Where these gains stand: -1 to the left of the cotangent, +1 to the right, 0 either.
    definition : str
        What the function is, for readers who do not know its name; empty if all know it.
    reason : str
        Why its reverse rule is what it is, for readers: the partial derivatives, with ``{y}`` for
        the result and ``{x}`` for the operand; empty if the rule itself shows them.
    words : str
        The partial derivative of a linear map or a join, in words.
    steps : (shapes, shape of the result, parameters) -> (which operands have steps, parameters)
        How it acts on each step of a whole sequence, or None (see `steps`).
    columns : (shapes, parameters) -> operands
        Which operands bring the columns, along the last axis, of which the result has the same.
    arity, parameters, known : int or None, tuple of str, frozenset of str
        The number of operands (None for any number), and the names of what else it takes, in their
        order and as a set.
    forms : dict of str to Form
        What form a parameter is recorded in, whatever form it is given in; any other is copied.
    numpy : NumPy's functions that it stands for
    c : str
        How an entry of the result is written in C, with ``{0}``… for the operands' entries: as the
        notation says, if empty; there is no form if both are empty. ``M(exp)`` is C's function of
        the type, and ``real_…`` stands in compiled/mathematics.c.
    c_reduces : (str, str, str), or None
        How C reduces entries along axes: what it starts from; what follows from ``{0}``, the result
        so far, and ``{1}``, an entry; what is made of ``{0}`` and ``{count}`` at the end.
    c_scans : str
        How C runs along an axis: what follows from ``{0}``, the result at the entry before, and
        ``{1}``, an entry.
    rules, signs
        What was declared: the partials or transposes, one for each operand; a junction's signs.
    transposed : (ct, x, **parameters) -> Aᵀ ct, of a linear map
    cotangent : (port, ct, a, b) -> array
        Of a product: the cotangent of one factor alone.
    is_part : bool
        Whether it is a linear map that takes the part of x at an ``index``.
    add_part : (buffer, index, ct) -> None, or None
        How to add the cotangent of a part to the whole's, if ``buffer[index] += ct`` is not enough.
    scale : (cotangent or tangent, partial) -> array
        How a cotangent is multiplied by a partial. A partial of 0 may stand for an operand that
        was not chosen: then nothing passes, not even an infinite cotangent.
    does_mask : bool
        Whether that is so.
    reads_result : bool
        Whether the reverse rule of an operand is written with the result y.
    """

    # what each call reads; the dictionary of an object with more than 30 attributes is slow to read
    __slots__ = (
        "__dict__", "__weakref__", "add_part", "arity", "forms", "forward", "is_differentiable",
        "is_part", "kind", "known", "name", "parameters", "pull",
    )  # fmt: skip

    transposed: Rule  # of a linear map alone
    cotangent: Rule  # of a product alone

    def __init__(
        self,
        name: str,
        kind: Kind,
        forward: Rule,
        pull: Callable[[Record, Array, Any], None],
        jvp: Rule,
        *,
        notation: Notation,
        samples: Callable[[], list[Sample]],
        analytic: bool = True,
        numpy: Sequence[Callable[..., Any]] = (),
        forms: Mapping[str, Form] | None = None,
        steps: StepRule | None = None,
        columns: Callable[[Sequence[tuple[int, ...]]], list[int]] | None = None,
        words: str = "",
        definition: str = "",
        reason: str = "",
        c: str = "",
        c_reduces: tuple[str, str, str] | None = None,
        c_scans: str = "",
    ) -> None:
        self.name, self.kind = name, kind
        self.forward, self.pull, self.jvp = forward, pull, jvp
        self.notation, self.samples, self.analytic = notation, samples, analytic
        self.numpy = numpy or ((forward,) if isinstance(forward, np.ufunc) else ())
        self.arity, self.parameters = _signature(forward)
        self.known = frozenset(self.parameters)
        self.forms = {
            parameter: (forms or {}).get(parameter, frozen) for parameter in self.parameters
        }
        self.is_differentiable = kind is not Kind.CUT
        self.c, self.c_reduces, self.c_scans = c or notation.c, c_reduces, c_scans
        self._steps, self._columns, self._words = steps, columns, words
        self.definition, self.reason = definition, reason
        if kind in (Kind.ELEMENTWISE, Kind.JUNCTION):
            self.is_entrywise = True
        self.rules: tuple[Rule | None, ...] = ()
        self.signs: tuple[int, ...] = ()
        self.gains: tuple[Rule, ...] = ()
        self.pieces: Rule | None = None
        self.is_part = False
        self.add_part: Callable[..., None] | None = None
        self.scale: Rule = operator.mul
        self.__name__ = self.__qualname__ = name
        of_numpy = isinstance(forward, np.ufunc)
        self.__doc__ = f"NumPy's {name}, entry by entry." if of_numpy else forward.__doc__

    def __repr__(self) -> str:
        return f"<primitive {self.name} ({self.kind})>"

    def __str__(self) -> str:
        """Return its name, what it computes and its rules: the cotangent of each operand."""
        from .primitive_card import card  # only who prints a primitive needs it

        return card(self)

    def __reduce__(self) -> str:
        """Return the name by which a copy finds the primitive itself, where it was declared."""
        module = vars(sys.modules[self.__module__])
        names = [name for name, value in module.items() if value is self]
        return self.name if self.name in names or not names else names[0]

    @cached_property
    def is_entrywise(self) -> bool:
        return self.kind in (Kind.LINEAR, Kind.BILINEAR) and facts.works_by_entry(
            self.forward, self.samples
        )

    @cached_property
    def does_mask(self) -> bool:
        with np.errstate(invalid="ignore"):
            return bool(self.scale(np.array(np.inf), np.array(0.0)) == 0)

    @cached_property
    def reads_result(self) -> bool:
        return facts.reads_result(self)

    @cached_property
    def sides(self) -> tuple[int, ...]:
        return tuple(
            0 if self.is_entrywise else facts.side(self.forward, rule, self.samples)
            for rule in self.rules
            if rule is not None
        )

    @cached_property
    def words(self) -> str:
        return self._words or facts.slope_in_words(self.name, self.forward, self.samples)

    @cached_property
    def steps(self) -> StepRule:
        if self._steps is not None:
            return self._steps
        if self.is_entrywise:
            return steps.entry_by_entry
        return steps.OF_KIND.get(self.kind) or steps.by_trial(self.forward)

    def columns(
        self, shapes: Sequence[tuple[int, ...]], parameters: Mapping[str, Any]
    ) -> list[int]:
        """Return the operands that bring the columns of the result, each column by itself."""
        if self._columns is not None:
            return self._columns(shapes)
        if self.is_entrywise and len(shapes) == 1:
            return [0]
        if self.kind is not Kind.BILINEAR or self.is_entrywise:
            return []
        ports = ([False, True], [True, False])
        fits = [
            port
            for port in ports
            if len(shapes[port.index(True)]) == 2
            and steps.acts_apart(self.forward, shapes, port, parameters, axis=-1)
        ]
        return [fits[0].index(True)] if fits else []

    @overload
    def __call__(
        self, x: AnyInterpreted, /, *operands: Any, **parameters: Any
    ) -> AnyInterpreted: ...
    @overload
    def __call__(self, *operands: Any, **parameters: Any) -> Any: ...
    def __call__(self, *operands: Any, **parameters: Any) -> Any:
        """Apply to arrays, to Tensors (and record it) or to Symbols (and write it)."""
        if len(operands) != self.arity or (parameters and not self.known.issuperset(parameters)):
            operands, parameters = self.bind(operands, parameters)
        for operand in operands:
            if hasattr(operand, "__interpret__"):
                return operand.__interpret__(self, operands, parameters)
        try:
            return self.forward(*operands, **parameters)
        except Exception:  # of what the operands are, too, which may raise anything
            return self._on_checked(operands, parameters)

    def _on_checked(self, operands: tuple[Any, ...], parameters: dict[str, Any]) -> Any:
        """Check operands and parameters, apply to the arrays once more, or raise the reason.

        The rules call primitives on arrays that fit all the time, and must not pay for the checks.
        """
        tensors = tuple(map(joined, operands))
        if any(hasattr(x, "__interpret__") for x in tensors):
            return self(*tensors, **parameters)
        operands = tuple([checked_operand(self.name, x) for x in operands])
        asked = parameters
        try:
            if parameters:
                x = np.asarray(operands[0])
                operands, parameters = (x, *operands[1:]), self.settled(parameters, x)
            return self.forward(*operands, **parameters)
        except (ValueError, TypeError, IndexError, OverflowError) as error:
            raise complaint(error, self.name, operands, asked) from None

    def settled(self, parameters: dict[str, Any], x: Any) -> dict[str, Any]:
        """Return parameters in their recorded form, which cannot be changed from outside.

        Parameters
        ----------
        parameters : dict
        x : array
            The first operand.
        """
        forms = self.forms
        return {name: forms[name](value, x) for name, value in parameters.items()}

    def bind(
        self, operands: tuple[Any, ...], parameters: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Separate operands from parameters given by position, as in ``sum(x, 0)``."""
        arity, names = self.arity, self.parameters
        extra: tuple[Any, ...] = ()
        if arity is None and operands and isinstance(operands[0], (list, tuple)):
            operands, extra = tuple(operands[0]), operands[1:]
        elif arity is None and operands and isinstance(operands[0], Iterator | Set | Mapping):
            raise UsageError(
                f"{self.name}: found {type(operands[0]).__name__}, expected a list or a tuple"
            )
        elif arity is not None:
            operands, extra = operands[:arity], operands[arity:]
        if not operands:
            raise UsageError(f"{self.name}: found no operands, expected arrays or Tensors")
        if len(operands) < (arity or 0) or len(extra) > len(names):
            wanted = (
                "any number of operands"
                if arity is None
                else f"{arity} operand{'s' * (arity != 1)}"
            )
            count = len(operands) + (0 if names else len(extra))
            also = f" and {', '.join(names)}" if names else ""
            more = f" and {len(extra)} arguments" if names and extra else ""
            raise UsageError(f"{self.name} takes {wanted}{also}, got {count}{more}")
        if extra:
            parameters = {**dict(zip(names, extra, strict=False)), **parameters}
        for name in parameters:
            if name not in names:
                raise UsageError(
                    f"{self.name} has no parameter {name!r}; "
                    f"it takes {', '.join(names) if names else 'operands only'}"
                )
        return operands, parameters

    def vjp(
        self,
        ct: Array,
        y: Array,
        xs: Sequence[Array],
        needs: Sequence[bool],
        parameters: dict[str, Any] | None = None,
    ) -> list[Array]:
        """Return each operand's cotangent, or None where it is not needed or has none."""
        operands = tuple(Record(x, need) for x, need in zip(xs, needs, strict=True))
        sums = PlainSums()
        self.pull(Record(y, True, self, operands, parameters), ct, sums)
        return [sums.take(operand) for operand in operands]

    def _sample_symbols(self) -> tuple[tuple[Symbol, ...], dict[str, Any]]:
        """Return a Symbol for each operand of the first sample, and the parameters there."""
        operands, parameters = self.samples()[0]
        names = "x" if len(operands) == 1 else "abcdefgh"
        return tuple(map(Symbol, names, operands)), parameters

    def formula(self) -> Symbol:
        """Write what it computes, of the operands and the parameters of its first sample."""
        xs, parameters = self._sample_symbols()
        return Symbol.of(self.notation, self.forward, xs, parameters)

    def derivatives(self) -> dict[str, Symbol]:
        """Run the reverse rule on Symbols: one expression for each operand's cotangent.

        The shapes in it, if any, are those of the first sample.
        """
        xs, parameters = self._sample_symbols()
        value = self.forward(*(x.value for x in xs), **parameters)
        needs = (True,) * len(xs)
        cts = self.vjp(Symbol("δ", value), Symbol("y", value), xs, needs, parameters)
        return {x.name: ct for x, ct in zip(xs, cts, strict=True) if ct is not None}


def _signature(forward: Rule) -> tuple[int | None, tuple[str, ...]]:
    """Return the number of operands (None for any number) and the names of the parameters."""
    if isinstance(forward, np.ufunc):
        return forward.nin, ()
    code = forward.__code__
    names = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    return (None if code.co_flags & inspect.CO_VARARGS else code.co_argcount), names
