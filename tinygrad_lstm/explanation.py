"""An explanation: the stages and forks on the way to a gradient, as data and as text.

Knows nothing of graphs: what is in it was found by `explain`.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

MOST_PRINTED = 6  # entries of an array
WIDTH = 80  # columns


@dataclass(frozen=True)
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
    """

    kind: str
    name: str
    equation: str
    result: np.ndarray = field(repr=False)
    partial: Mapping[str, tuple[str, Any]] = field(default_factory=dict)
    product: Mapping[str, str] = field(default_factory=dict)
    value: Mapping[str, np.ndarray] = field(default_factory=dict, repr=False)

    def __str__(self) -> str:
        return "\n".join(filter(None, self._lines()))

    def _lines(self) -> Iterator[str]:
        if self.kind == "fork":
            *branches, (_, total) = self.value.items()
            *ways, last = [f"to {name.partition(' → ')[2]}" for name, _ in branches] or ["", ""]
            count = f"{_several(len(branches), 'branch')}, {', '.join(ways)} and {last}"
            yield _wrapped(f"fork {self.name}: {count if branches else 'a branch to every step k'}")
            terms = [numbers(value) for _, value in branches]
            summed = " + ".join(terms).replace("+ -", "- ")
            yield _equation(f"δ{self.name}", self.equation, summed, numbers(total))
            return
        yield _wrapped(f"stage: {self.equation} = {numbers(self.result)}")
        for operand, value in self.value.items():
            text, number = self.partial[operand]
            shown = "" if number is None else numbers(number)
            yield _equation(f"∂{self.name}/∂{operand.partition(' → ')[0]}", text, shown)
            yield _equation(_bracketed(operand), self.product[operand], numbers(value))


@dataclass(frozen=True)
class Explanation:
    """Why a gradient is what it is. ``print(explanation)`` tells it from the loss back.

    Attributes
    ----------
    loss, name : str
        What is differentiated, and by which signal.
    stages : tuple of Stage
        From the loss back, each once.
    value : array
        The gradient.
    steps : int or None
        How many steps are told as one, if the network is folded.
    """

    loss: str
    name: str
    stages: tuple[Stage, ...] = field(repr=False)
    value: np.ndarray = field(repr=False)
    steps: int | None = None

    def __str__(self) -> str:
        return "\n\n".join([self._head(), *map(str, self.stages), self._end()])

    def _repr_markdown_(self) -> str:
        return f"```text\n{self}\n```"

    def _head(self) -> str:
        forks = sum(stage.kind == "fork" for stage in self.stages)
        count = f"{_several(len(self.stages) - forks, 'stage')} and {_several(forks, 'fork')}"
        lines = [f"∂{self.loss}/∂{self.name}, back through {count}"]
        if self.steps is not None:
            lines.append(f"at every step k, from the last of {self.steps} to the first")
        return "\n".join(map(_wrapped, [*lines, f"δx is ∂{self.loss}/∂x: δ{self.loss} = 1"]))

    def _end(self) -> str:
        return _wrapped(f"∂{self.loss}/∂{self.name} = δ{self.name} = {numbers(self.value)}")


def numbers(value: Any) -> str:
    """Return an array as text: its entries if they are few, else its shape and its norm.

    >>> numbers(0.0821670405642308), numbers([-1.0, 0.25]), numbers(np.ones((3, 4)))
    ('0.082167041', '[-1, 0.25]', '(3, 4) of norm 3.4641')
    """
    array = np.asarray(value)
    if array.size > MOST_PRINTED:
        return f"{array.shape} of norm {np.linalg.norm(array.astype(float)):.6g}"
    if array.ndim:
        return f"[{', '.join(map(numbers, array))}]"
    x = float(array)
    small = 0 < abs(x) < 1e-4 or not np.isfinite(x)
    return f"{x:.6g}" if small else f"{round(x, 9) + 0.0:.15g}"


def _several(count: int, what: str) -> str:
    return f"{count} {what}" + ("" if count == 1 else "es" if what.endswith("ch") else "s")


def _bracketed(operand: str) -> str:
    return f"δ({operand})" if " " in operand else f"δ{operand}"


def _equation(*sides: str) -> str:
    """Return sides that are equal as an equation, what repeats itself left out."""
    told = [side for side in dict.fromkeys(sides) if side]
    return _wrapped(" = ".join(told), 2) if sides[1] else ""


def _wrapped(text: str, indent: int = 0) -> str:
    """Wrap text, where it is an equation before = + and -."""
    lines, lead = [""], " " * indent
    for part in re.split(r" (?=[=+-] )(?![^\[]*\])", text):
        if len(lines[-1]) + len(part) < WIDTH - indent:
            lines[-1] += f" {part}" if lines[-1] else part
        elif lines[-1]:
            lines.append(f"    {part}")
        else:
            lines[-1] = part
    return "\n".join(
        textwrap.fill(
            lead + line, WIDTH, subsequent_indent=f"{lead}      ", break_long_words=False,
            break_on_hyphens=False,
        )
        for line in lines
    )  # fmt: skip
