"""The names of signals: inside of a frame, and for parts without a name of their own.

Knows nodes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from fractions import Fraction

from ..engine.kind import Kind
from ..engine.symbol import bare, constant_text
from ..network.flow import Flow, Node

SPARE = "uvwrpzgnq"  # letters for signals without a name
SIMILAR = {"e": "d", "c": "ab"}  # and those that come first in place of one that is taken
NUMBERED = re.compile(r"( \((held|broadcast|\d+)\))+$")  # what tells signals of one name apart


class Names:
    """Names that are told apart: one that is given out already gets a number behind it.

    >>> names = Names(["x"])
    >>> names.free("x"), names.free("y"), names.free("x")
    ('x_2', 'y', 'x_3')

    Parameters
    ----------
    taken : iterable of str
        Names that are not given out.
    """

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)
        self._last: dict[str, int] = {}  # the last number behind each name

    def free_letter(self, wish: str) -> str:
        """Return a letter that begins no name before its subscript, and give it out.

        A letter with a number looks as if it belonged to the letter without one.

        >>> names = Names(["u_1", "f"])
        >>> names.free_letter("u"), names.free_letter("u"), names.free_letter("e")
        ('v', 'w', 'e')
        """
        bases = {name.rpartition(".")[2].partition("_")[0] for name in self._taken}
        letters = (wish, *SIMILAR.get(wish, ()), *SPARE)
        return self.free(next((letter for letter in letters if letter not in bases), wish))

    def free(self, name: str) -> str:
        """Return a name that nobody has, and give it out."""
        text = name
        while text in self._taken:
            self._last[name] = self._last.get(name, 1) + 1
            text = f"{name}_{self._last[name]}"
        self._taken.add(text)
        return text


def short_name(node: Node) -> str:
    """Return the name of a node's signal without the scopes of its frame."""
    own = node.stem if node.name.startswith(node.stem) else node.name.rpartition("(k")[0]
    step = NUMBERED.sub("", node.name[len(own) :])
    name = (own + minus(step)).removeprefix(f"{node.scope}." if node.scope else "")
    of, _, part = name.partition(".")
    return f"{of}_{part}" if node.kind is Kind.PARAMETER and part else name


def part_name(network: Flow, node: Node) -> str | None:
    """Return the name of an unnamed part of a named signal, such as ``x[3]``; None for others."""
    is_part = node.primitive is not None and node.primitive.is_part and not node.transposed
    if not is_part or node.is_named or "index" not in node.parameters:
        return None
    source = network.source(node.inputs[0])
    if not source.is_named:
        return None
    return f"{source.name}[{bare(constant_text(node.parameters['index']))}]"


def minus(text: str) -> str:
    """Return text with the sign of subtraction for a hyphen."""
    return text.replace("-", "−")


def printable(name: str) -> str:
    """Return a name in which a character that no page shows is written as its code.

    >>> printable("a\\x1b[31m"), printable("δ ŷ")
    ('a\\\\x1b[31m', 'δ ŷ')
    """
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in name)


class Exact(float):
    """A number that is written so that a reader can type it: as few digits or a fraction tell it.

    >>> f"{Exact(0.25):g}", f"{Exact(1 / 30):g}", f"{Exact(3**-0.5):g}", f"{Exact(-2 / 3):g}"
    ('0.25', '(1/30)', '(1/√3)', '-(2/3)')
    """

    def __str__(self) -> str:
        return f"{self:g}"

    def __format__(self, form: str) -> str:
        number, text = float(self), f"{float(self):g}"
        if number == 0 or not math.isfinite(number) or float(text) == number:
            return text
        sign, size = "-" * (number < 0), abs(number)
        for power, root in ((1, ""), (2, "√")):
            n = round(size**-power) if size > 1e-6 else 0
            if n > 1 and math.isclose(n ** (-1 / power), size, rel_tol=4e-16):
                return f"{sign}(1/{root}{n})"
        numerator, denominator = Fraction(size).limit_denominator(99).as_integer_ratio()
        if math.isclose(numerator / denominator, size, rel_tol=4e-16):
            return f"{sign}({numerator}/{denominator})"
        return repr(number)
