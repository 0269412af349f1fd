"""An explanation: the stages and forks on the way to a gradient, as data and as text.

Knows nothing of graphs: `explain` fills it.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..engine.notebook import ShownAsText
from .names import printable

MOST_PRINTED = 6  # entries of an array
MOST_IN_ROWS = 16  # of an array with rows
WIDTH = 80  # columns


@dataclass(frozen=True, eq=False)
class Stage:
    """A functional stage, or a fork.

    Attributes
    ----------
    kind : {"stage", "fork"}
    name : str
        Of the signal that the stage makes, or that forks.
    equation : str
        Of the stage; at a fork the sum.
    result : array
        What the stage makes, or what forks; inside a folded loop of T steps (T, ...).
    partial : dict of str to (text, number)
        The partial derivative by each operand that leads on; None for a number where there is a
        map instead, or one for every step. At a fork nothing.
    product : dict of str to str
        How δ of each operand, or branch, follows from δ of the stage. At a fork nothing.
    value : dict of str to array
        δ of each operand that leads on; at a fork that of each branch, and last the sum.
    δ : array, optional
        What comes back to a stage.
    worked : str
        The right-hand side of a stage's equation in numbers, if they are few.
    listed : str
        Which values a parameter has at the steps, if it varies by no rule: ``index(k) = 2, 0, 1``.
    """

    kind: str
    name: str
    equation: str
    result: np.ndarray = field(repr=False)
    partial: Mapping[str, tuple[str, Any]] = field(default_factory=dict)
    product: Mapping[str, str] = field(default_factory=dict)
    value: Mapping[str, np.ndarray] = field(default_factory=dict, repr=False)
    δ: np.ndarray | None = field(default=None, repr=False)
    worked: str = ""
    listed: str = ""

    def __str__(self) -> str:
        return "\n".join(filter(None, self._lines()))

    def _lines(self) -> Iterator[str]:
        if self.kind == "fork":
            *branches, (_, total) = self.value.items()
            *ways, last = [f"to {name.partition(' → ')[2]}" for name, _ in branches] or ["", ""]
            count = f"{_several(len(branches), 'branch')}, {', '.join(ways)} and {last}"
            yield _wrap(f"fork {self.name}: {count if branches else 'a branch to every step k'}")
            terms = [numbers(value) for _, value in branches]
            summed = " + ".join(terms).replace("+ -", "- ")
            yield _equation(f"δ{self.name}", self.equation, summed, numbers(total))
            return
        sides = [*self.equation.split(" = ", 1), self.worked, numbers(self.result)]
        different = dict.fromkeys(filter(None, sides))  # x[0] = x[0] says nothing
        yield _wrap(f"stage: {' = '.join(different)}")
        if self.listed:
            yield _wrap(f"  where {self.listed}")
        for operand, value in self.value.items():
            (text, number), product = self.partial[operand], self.product[operand]
            shown = "" if number is None else numbers(number)
            yield _equation(f"∂{self.name}/∂{operand.partition(' → ')[0]}", text, shown)
            factors = "" if self.δ is None else _factors(self.δ, number, value, product)
            yield _equation(_delta_of(operand), product, factors, numbers(value))


@dataclass(frozen=True, eq=False)
class Explanation(ShownAsText):
    """Why a gradient is what it is. ``print(explanation)`` writes it from the loss back.

    Attributes
    ----------
    loss, name : str
        What is differentiated, and by which signal.
    stages : tuple of Stage
        From the loss back, each once.
    value : array
        The gradient.
    steps : int or None
        How many steps one stage stands for, if the network is folded.
    reason : str
        Why every step has stages of its own, where one was to stand for all; else empty.
    """

    loss: str
    name: str
    stages: tuple[Stage, ...] = field(repr=False)
    value: np.ndarray = field(repr=False)
    steps: int | None = None
    reason: str = ""

    def __str__(self) -> str:
        text = "\n\n".join([self._head(), *map(str, self.stages), self._end()])
        return "\n".join(map(printable, text.split("\n")))

    def _head(self) -> str:
        forks = sum(stage.kind == "fork" for stage in self.stages)
        count = f"{_several(len(self.stages) - forks, 'stage')} and {_several(forks, 'fork')}"
        lines = [f"∂{self.loss}/∂{self.name}, back through {count}"]
        if self.steps is not None:
            lines.append(f"at every step k, from the last of {self.steps} to the first")
        if self.reason:
            lines.append(f"every step on its own, since {self.reason}")
        return "\n".join(map(_wrap, [*lines, f"δx is ∂{self.loss}/∂x: δ{self.loss} = 1"]))

    def _end(self) -> str:
        return _wrap(f"∂{self.loss}/∂{self.name} = δ{self.name} = {numbers(self.value)}")


def numbers(value: Any) -> str:
    """Return an array as text: few entries as they are, many as a shape and a norm.

    >>> numbers(0.0821670405642308), numbers([-1.0, 0.25]), numbers(np.ones((5, 4)))
    ('0.082167041', '[-1, 0.25]', '(5, 4) of norm 4.47214')
    """
    array = np.asarray(value)
    if array.size > (MOST_IN_ROWS if array.ndim > 1 else MOST_PRINTED):
        return f"{array.shape} of norm {np.linalg.norm(array.astype(float)):.6g}"
    if array.ndim:
        return f"[{', '.join(map(numbers, array))}]"
    x = float(array)
    small = 0 < abs(x) < 1e-4 or not np.isfinite(x)
    return f"{x:.6g}" if small else f"{round(x, 9) + 0.0:.15g}"


def in_numbers(formula: str) -> str:
    """Return the text of a formula of numbers; "" if there are too many numbers.

    >>> in_numbers("0.5 (-0.25) + σ((-1)) ∘ 2"), in_numbers("(9, 9) of norm 1 + 2")
    ('0.5 ∘ (-0.25) + σ(-1) ∘ 2', '')
    """
    text = re.sub(r"\((\(-[^()]*\))\)", r"\1", formula)
    text = re.sub(r"(?<=[\d)]) (?=[\d(\[])", " ∘ ", text)  # as 2 x is written, but not 2 3
    is_long = any(len(part) > WIDTH - len("    = ") for part in re.split(" [+∘-] ", text))
    return "" if is_long or " of norm " in text else text


def _factors(δ: np.ndarray, slope: Any, value: np.ndarray, product: str) -> str:
    """Return the two factors of a value as text; "" if they have too many entries.

    The text is "" too if the product is another value: a rule may do more than multiply.
    """
    if slope is None or np.size(δ) > MOST_PRINTED or np.size(slope) > MOST_IN_ROWS:
        return ""
    if np.all(np.abs(slope) == 1.0) or np.all(np.abs(δ) == 1.0):  # nothing to multiply
        return ""
    first, second = numbers(δ), numbers(slope)
    if np.shape(δ) == np.shape(value) and _is_product(np.multiply, δ, slope, value):
        return f"{first} ∘ " + (f"({second})" if second.startswith("-") else second)
    if product.startswith("δ"):
        text, is_so = f"{first} {second}", _is_product(np.matmul, δ, slope, value)  # δ Wᵀ
    elif np.ndim(slope) == 1:
        text, is_so = f"{second}ᵀ {first}", _is_product(np.outer, slope, δ, value)  # xᵀ δ
    else:
        text, is_so = f"{second} {first}", _is_product(np.matmul, slope, δ, value)
    return text if is_so and len(f"      = {text}") <= WIDTH else ""


def _is_product(multiply: Callable[..., Any], a: Any, b: Any, value: np.ndarray) -> bool:
    try:
        product = multiply(a, b)
    except ValueError:  # of shapes that are not multiplied so
        return False
    return product.shape == np.shape(value) and np.allclose(product, value, rtol=1e-9, atol=0.0)


def _several(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "es" if noun.endswith("ch") else "s")


def _delta_of(operand: str) -> str:
    return f"δ({operand})" if " " in operand else f"δ{operand}"


def _equation(*sides: str) -> str:
    """Return the sides of an equation joined by =, each text once."""
    different = filter(None, dict.fromkeys(sides))
    return _wrap(" = ".join(different), 2) if sides[1] else ""


def _wrap(text: str, indent: int = 0) -> str:
    """Wrap text: an equation before =, and a long side before + - and ∘."""
    lines, lead, width = [""], " " * indent, WIDTH - indent
    for side in _split("=", text):
        for part in [side] if len(side) + 4 <= width else _split("+∘-", side):
            if len(lines[-1]) + len(part) < width:
                lines[-1] += f" {part}" if lines[-1] else part
            elif lines[-1]:
                lines.append(f"    {part}")
            else:
                lines[-1] = part
    return "\n".join(_fill(lead + line, f"{lead}       ") for line in lines)


def _split(signs: str, text: str) -> list[str]:
    """Split before signs that do not stand in square brackets."""
    return re.split(rf" (?=[{signs}] )(?![^\[]*\])", text)


def _fill(line: str, lead: str) -> str:
    """Break a line that is too long: between the rows of an array, or else between words."""
    if len(line) <= WIDTH:
        return line
    deepest = max(map(len, re.findall(r"\[+", line)), default=0)
    # of an array of more axes than two, between its matrices
    end, start = (r"\]\],", r"\[\[") if deepest > 2 else (r"\],", r"\[")
    first, *rows = re.split(f"(?<={end}) (?={start})", line)
    opened = [len(row) - len(row.lstrip("[")) for row in rows]
    rows = [lead + " " * (deepest - 1 - n) + row for n, row in zip(opened, rows, strict=True)]
    return "\n".join(
        textwrap.fill(
            row, WIDTH, subsequent_indent=lead, break_long_words=False, break_on_hyphens=False
        )
        for row in (first, *rows)
    )
