"""The rules that some backward lines use: what comes back to the operands of each operation.

Knows the table of primitives, whose rules run on Symbols, and the nodes of a network.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..engine.facts import TAKING
from ..engine.kind import Kind
from ..engine.primitive import Primitive
from ..engine.primitives import scatter
from ..engine.symbol import RESHAPE, TOTAL, TRANSPOSE, Symbol
from ..network.flow import Node
from .dummies import Dummies
from .names import Exact, minus
from .rewriting import rewrite, with_operands
from .simplify import adds_axes, simplify, total
from .tidy import tidy

REPEATING = "a smaller array repeated beside a larger one"
CHOOSING = "the sum of one entry of each row of a function"


class Use(NamedTuple):
    """An operation that something comes back through, as its rule sees it.

    Attributes
    ----------
    kind : Primitive, or str
        The signs of a junction; `TAKING`, if entries are taken or moved; `REPEATING`.
    port : int
        The operand that something comes back to.
    number : int
        Which operand is a number; -1 if none is.
    value : float
        That number, if the rule depends on it: a product is told of any number.
    is_square : bool
        Whether both operands are one signal.
    function : Primitive or None
        Of `CHOOSING`: the function whose entries are chosen.
    """

    kind: Primitive | str
    port: int = 0
    number: int = -1
    value: float = 0.0
    is_square: bool = False
    function: Primitive | None = None


def use_of(node: Node, port: int, operands: Sequence[Any]) -> Use | None:
    """Return how a node is used; None if a formula does not show it.

    Parameters
    ----------
    node : Node
    port : int
    operands : of the node, as its formula has them
    """
    primitive = node.primitive
    if node.kind is Kind.JUNCTION:
        signs = "".join(sorted({"+" if sign > 0 else "-" for sign in node.signs}))
        is_one = len(node.signs) == 1
        return None if is_one and signs == "+" else Use(f"{signs}x" if is_one else signs)
    if node.kind is Kind.BROADCAST:
        return Use(REPEATING)
    if primitive is None or node.kind is Kind.CUT:
        return None
    if node.kind is Kind.JOIN:
        return Use(TAKING)
    if node.kind is Kind.LINEAR and primitive.notation not in (TOTAL, TRANSPOSE):
        if primitive.words != TAKING:
            return Use(primitive)
        is_silent = primitive.notation is RESHAPE or adds_axes(node.parameters.get("index", 0))
        return None if is_silent and _is_as_before(node, operands) else Use(TAKING)
    if len(operands) != 2:
        return Use(primitive, port)
    numbers = [at for at, x in enumerate(operands) if not isinstance(x, Symbol)]
    if numbers and node.kind is Kind.BILINEAR:
        return Use(primitive, 0, 1)
    if numbers:
        return Use(primitive, port, numbers[0], float(operands[numbers[0]]))
    return Use(primitive, port, is_square=primitive.is_entrywise and operands[0] is operands[1])


def _is_as_before(node: Node, operands: Sequence[Any]) -> bool:
    """Return whether a reshape adds or drops axes of size 1 alone."""
    shape = node.parameters.get("shape")
    before = [n for n in np.shape(getattr(operands[0], "value", 0)) if n != 1]
    return shape is None or [n for n in np.atleast_1d(shape) if n != 1] == before


class Rules:
    """The rules that some operations are told by: each once, with a name such as R1.

    Attributes
    ----------
    texts : tuple of (str, str, str)
        The name of a rule, an operation, and what comes back to its operands.

    Parameters
    ----------
    uses : iterable of Use
    dummies : Dummies
        The letters of the rules.
    """

    def __init__(self, uses: Iterable[Use], dummies: Dummies) -> None:
        ports: dict[Use, set[int]] = {}
        for use in uses:
            ports.setdefault(use._replace(port=0), set()).add(use.port)
        told = {
            use: _rule(use, sorted(used), dummies) for use, used in ports.items() if use.kind != "+"
        }
        texts = {use: (minus(operation), minus(gives)) for use, (operation, gives) in told.items()}
        whole: dict[str, str] = {}  # of operations that are written alike
        for operation, gives in texts.values():
            whole[operation] = max(whole.get(operation, ""), gives, key=len)
        letter = dummies.of_numbers("R")
        names = {operation: f"{letter}{number}" for number, operation in enumerate(whole, start=1)}
        self.texts = tuple(
            (names[operation], operation, gives) for operation, gives in whole.items()
        )
        self._names = {use: names[operation] for use, (operation, _) in texts.items()}

    def names(self, uses: Iterable[Use]) -> tuple[str, ...]:
        """Return the names of the rules of some uses; a sum hands δ on as it is, and has none."""
        names = (self._names[use._replace(port=0)] for use in uses if use.kind != "+")
        return tuple(dict.fromkeys(names))


def _rule(use: Use, ports: list[int], dummies: Dummies) -> tuple[str, str]:
    y, x, primitive = dummies["y"], dummies["x"], use.kind
    if use.function is not None:
        return _rule_of_choice(use.function, dummies)
    if isinstance(primitive, str):
        a, b = dummies["a"], dummies["b"]
        return {
            TAKING: (
                f"{y} has entries of {x}",
                f"each δ goes back to the place in {x} that its entry is from, in a sum",
            ),
            REPEATING: (f"{y} repeats {x}", f"δ{x} is Σ δ over the copies of {x}"),
            "-x": (f"{y} = -{x}", f"δ{x} = -δ"),
            "-": (f"{y} = -{a} - {b}", f"δ{a} = -δ, δ{b} = -δ"),
            "+-": (f"{y} = {a} - {b}", f"δ{a} = δ, δ{b} = -δ"),
        }[primitive]
    if primitive.notation is TOTAL:
        return f"{y} = Σ {x}", f"δ{x} = δ, the same for every entry of {x}"
    values, parameters = primitive.samples()[0]
    values = values[:1] * len(values) if use.is_square else values
    is_one = len(values) == 1 or use.is_square or use.number >= 0
    letters = [x if is_one else dummies["abcdefgh"[at]] for at in range(len(values))]
    symbols: list[Any] = list(map(Symbol, letters, values))
    if use.number >= 0 and primitive.kind is Kind.BILINEAR:
        symbols[use.number] = Symbol(dummies["n"], values[use.number])
    elif use.number >= 0:
        symbols[use.number] = use.value
    symbols = symbols[:1] * len(values) if use.is_square else symbols
    value = primitive.forward(*values, **parameters)
    needs = [use.is_square or port in ports for port in range(len(values))]
    cts = primitive.vjp(Symbol("δ", value), Symbol(y, value), symbols, needs, parameters)
    formula = Symbol.of(primitive.notation, primitive.forward, tuple(symbols), parameters)
    if use.is_square:
        return f"{y} = {formula}", f"δ{x} = {_exact(tidy(total([simplify(ct) for ct in cts])))}"
    given = {letters[at]: _exact(tidy(simplify(cts[at]))) for at in ports if cts[at] is not None}
    along = "axis" in parameters and any("Σ " in str(ct) for ct in given.values())
    if use.number >= 0 and primitive.kind is Kind.BILINEAR:
        number = symbols[use.number]
        formula = _with_number(formula, number)
        given = {letter: _with_number(ct, number) for letter, ct in given.items()}
    texts = ", ".join(f"δ{letter} = {ct}" for letter, ct in given.items())
    texts += ", with Σ along its axis" * along
    reason = primitive.reason.format(y=y, x=x) if is_one else ""
    return f"{y} = {formula}", texts + f", as {reason}" * bool(reason)


def _rule_of_choice(function: Primitive, dummies: Dummies) -> tuple[str, str]:
    """Return the rule of Σ (onehot ∘ f(x)), in which only one entry of each row has a δ."""
    y, letter, one = dummies["y"], dummies["x"], Symbol(f"onehot({dummies['i']})")
    _, parameters = function.samples()[0]
    parameters = {**parameters, **({"axis": 0} if "axis" in parameters else {})}
    x = Symbol(letter, np.array([0.1, 0.2, 0.3]))
    value, δ = function.forward(x.value, **parameters), Symbol("δ", np.array(1.0))
    formula = Symbol.of(function.notation, function.forward, (x,), parameters)
    ct = Symbol.of(scatter.notation, scatter.forward, (δ,), {"index": 1, "shape": value.shape})
    (back,) = function.vjp(ct, Symbol(y, value), (x,), (True,), parameters)
    assert back is not None

    def put(old: Symbol, operands: tuple[Any, ...]) -> Any:
        is_chosen = old.apply is scatter.forward
        return δ * Symbol(one.name, value) if is_chosen else with_operands(old, operands)

    gives = str(_exact(tidy(rewrite(simplify(back), put))))
    is_added = "Σ" in str(back) and "Σ" not in gives
    whys = [f"the entries of {one} in a row add up to 1"] * is_added
    whys += [function.reason.format(y=f"({formula})", x=letter)] * bool(function.reason)
    gives += f", as {' and '.join(whys)}" * bool(whys)
    return f"{y} = Σ ({one} ∘ {formula})", f"δ{letter} = {gives}"


def _exact(formula: Any) -> Any:
    """Return a formula with its numbers as a reader can type them."""
    return rewrite(formula, leaf=lambda leaf: Exact(leaf) if isinstance(leaf, float) else leaf)


def _with_number(formula: Any, number: Symbol) -> Any:
    """Return a formula in which a letter is written as a number is: n x, not n ∘ x."""
    return rewrite(formula, leaf=lambda leaf: _Letter(number.name) if leaf is number else leaf)


class _Letter(float):
    """A number that is written as a letter."""

    def __new__(cls, letter: str) -> _Letter:
        new = super().__new__(cls, 2.0)
        new.letter = letter
        return new

    letter: str

    def __format__(self, form: str) -> str:
        return self.letter
