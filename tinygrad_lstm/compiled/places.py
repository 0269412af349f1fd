"""Where the signals of a program in C lie: its arrays, their names, and the sizes that it is given.

Knows derivations and schedules; no formula, and no statement.
"""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..formulas.derived import Derived, Stage
from ..formulas.fast.lifting import Whole
from ..formulas.fast.lines import Handed, Key, Schedule, key_of_signal
from ..formulas.reader import Variable
from .accessors import CHUNK, Accessor, array, contiguous
from .build import declared

RESERVED = {
    "sources", "gradients", "work",
    "run", "sizes", "numpys", "sum", "k",
    "int", "long", "float", "double", "if", "for", "return", "static", "const", "while", "do",
    "char", "short", "void", "M", "auto", "case", "else", "enum", "goto", "switch", "union",
    "struct", "signed", "unsigned", "y0", "y1", "j0", "j1", "yn", "jn", "gamma",
    "restrict", "inline", "default", "break", "continue", "register", "sizeof", "typedef",
    "c", "chunk", "chunks", "of_chunk", "many", "length", "m", CHUNK, "volatile", "extern",
    "exp", "log", "tanh", "sin", "cos",
}  # fmt: skip

ROWS = " as numbers of rows"  # behind the name of a source with 1 at whole numbers, 0 elsewhere
MOST_ROWS = 1 << 24  # which float32 counts one by one


@dataclass(frozen=True)
class Buffer:
    """An array of the program.

    Attributes
    ----------
    name : str
    shape : tuple of int
    role : str
        ``source``, ``gradient``, ``loss`` or ``work``.
    source : str
        The full name of a source, or of what a gradient belongs to.
    kind : str
        ``chunk`` if it has the steps of one chunk, ``border`` if there is one at each border of
        chunks, else empty.
    """

    name: str
    shape: tuple[int, ...]
    role: str
    source: str = ""
    kind: str = ""

    @property
    def size(self) -> int:
        """The number of entries."""
        return int(np.prod(self.shape))


class Sizes:
    """Writes a size or a stride: a number of a parameter as it is, any other as an argument."""

    def __init__(self, derivation: Derived) -> None:
        self.fixed = set(range(9))
        for source in derivation.sources:
            if source.is_parameter:
                self.fixed |= {*source.value.shape, source.value.size}
        widths = (x.shape[-1:] for x in derivation.equations if x.loop is not None)
        self.fixed = self.fixed.union(*widths)
        self.names: dict[int, str] = {}
        self.bounds: dict[int, str] = {}  # that are other ones in each chunk
        self.is_inside = False

    def bound(self, number: int) -> str:
        """Return how often a loop runs, in a chunk if it is in one."""
        if not self.is_inside or number in self.fixed:
            return self(number)
        return self.bounds.setdefault(number, f"m{len(self.bounds)}")

    def __call__(self, number: int) -> str:
        if abs(number) in self.fixed:
            return str(number)
        if number < 0:
            return f"-{self(-number)}"
        return self.names.setdefault(number, f"n{len(self.names)}")


class Places:
    """The arrays of one program, and where each signal lies in them.

    Attributes
    ----------
    buffers : list of Buffer
        In the order in which they are first written or read.
    rows_of : dict of str to (str, int)
        Of an array with 1 at whole numbers and 0 elsewhere: the array of the numbers, and what
        they are below.
    local : set of Key
        The signals of which the steps of one chunk alone are kept.
    is_inside : bool
        Whether the statements of a chunk are being made.
    sizes : set of int
        How many entries the signals have, at one step or at all.
    gradients : dict of Key to str
        Of each δ that the caller is given: the full name of what it belongs to.
    """

    def __init__(self, derivation: Derived, schedule: Schedule, names: Container[str] = ()) -> None:
        self.derivation, self.schedule = derivation, schedule
        self.buffers: list[Buffer] = []
        self.known: dict[Any, Accessor] = {}
        self.rows_of: dict[str, tuple[str, int]] = {}
        self.local: set[Key] = set()
        self.is_inside = False
        self.names: set[str] = set()
        lasts = [max(x.steps) for x in derivation.loops.values() if len(x.steps) > 1]
        self.words = {n + 1: "end" for n in lasts} | dict.fromkeys(lasts, "last")
        for source in derivation.sources:
            name, shape = self.name(source.signal.name), np.shape(source.value)
            self.buffers.append(Buffer(name, shape, "source", source.full_name))
            self.known[key_of_signal(source.signal)] = array(name, shape)
            if source.full_name + ROWS in names and shape[-1] <= MOST_ROWS:
                rows = self.name(f"{source.signal.name}_rows")
                full = source.full_name + ROWS
                self.buffers.append(Buffer(rows, shape[:-1], "source", full))
                self.rows_of[name] = rows, shape[-1]
        values = [x.value for x in derivation.sources]
        values += [x.signal.value for x in derivation.equations]
        self.sizes = {n * np.size(x) for n in (1, *schedule.counts.values()) for x in values}
        asked = {x.full_name for x in derivation.sources if x.requires_grad}
        self.gradients: dict[Key, str] = {
            key_of_signal(x.signal): x.full_name
            for x in derivation.equations
            if x.stage is Stage.GRADIENT and x.full_name in asked
        }
        loss = [x.signal for x in derivation.equations if x.stage is Stage.FORWARD][-1]
        self.loss = key_of_signal(loss)

    def name(self, name: str) -> str:
        """Return a name in C that nothing else has."""
        text = re.sub(r"\[(\d+)\]", self._step, name.replace("δ", "d"))
        text = re.sub(r"[^A-Za-z0-9_]+", "_", text).strip("_") or "u"
        text = f"{text}_" if text[0].isdigit() or text in RESERVED | declared() else text
        text = f"v{text}" if text[0].isdigit() else text
        text = f"{text}_" if re.fullmatch(r"[mn]\d+", text) else text
        free, number = text, 2
        while free in self.names:
            free, number = f"{text}_{number}", number + 1
        self.names.add(free)
        return free

    def _step(self, index: re.Match[str]) -> str:
        """Return a step as a word, if its number is another one where there are more steps."""
        number = int(index[1])
        return f"_{self.words[number]}" if number in self.words else index[0]

    def work(self, name: str, shape: tuple[int, ...]) -> Accessor:
        """Return an array for a part of a formula."""
        buffer = Buffer(self.name(name), shape, "work", kind="chunk" if self.is_inside else "")
        self.buffers.append(buffer)
        return array(buffer.name, shape)

    def place(self, signal: Variable) -> Accessor:
        """Return where a signal lies; it is given a place if it has none yet."""
        if isinstance(signal, Handed):
            return self._of(("handed", signal.wire), signal.name, signal.shape)
        key = key_of_signal(signal)
        is_timed = key in self.schedule.loop_of
        if isinstance(signal, Whole):
            if not is_timed:
                return self.in_chunk(self._of(key, signal.name, signal.shape))
            whole = self.rows(signal, signal.shape[0], signal.shape[1:])
            start = self.schedule.before.get(key, 0) + (signal.offset or 0)
            size = int(np.prod(signal.shape[1:]))
            place = replace(whole, offset=start * size, shape=signal.shape)
            return place if key in self.local else self.in_chunk(place)
        if signal.offset is None or (is_timed and key not in self.schedule.kept):
            return self._of(key, signal.name, signal.shape)
        if is_timed:
            count = self.schedule.counts[self.schedule.loop_of[key]]
            whole = self.rows(signal, count, signal.shape)
        else:
            whole = self.known[key]
        step = f"{CHUNK} + k" if self.is_inside and key not in self.local else "k"
        return row(whole, signal.shape, step, self.schedule.before.get(key, 0) + signal.offset)

    def rows(self, signal: Variable, count: int, shape: tuple[int, ...]) -> Accessor:
        """Return the array of all steps of a signal, with its initial values."""
        key = key_of_signal(signal)
        before, after = self.schedule.before.get(key, 0), self.schedule.after.get(key, 0)
        return self._of(key, f"{signal.name}_all", (count + before + after, *shape))

    def in_chunk(self, whole: Accessor) -> Accessor:
        """Return the part of a whole sequence that belongs to a chunk, if one is being made."""
        if not self.is_inside:
            return whole
        return replace(whole, step=CHUNK, row=int(np.prod(whole.shape[1:])))

    def border(self, signal: Variable, shape: tuple[int, ...]) -> Accessor:
        """Return where the rows of a state lie that a chunk begins with, for each chunk."""
        key = ("border", key_of_signal(signal))
        if key not in self.known:
            name = self.name(f"{signal.name}_saved")
            self.buffers.append(Buffer(name, shape, "work", kind="border"))
            self.known[key] = array(name, shape)
        return self.known[key]

    def _of(self, key: Any, name: str, shape: tuple[int, ...]) -> Accessor:
        if key not in self.known:
            role = "gradient" if key in self.gradients else "loss" if key == self.loss else "work"
            kind = "chunk" if key in self.local else ""
            buffer = Buffer(self.name(name), shape, role, self.gradients.get(key, ""), kind)
            self.buffers.append(buffer)
            self.known[key] = array(buffer.name, shape)
        return self.known[key]


def row(whole: Accessor, shape: tuple[int, ...], step: str, ahead: int = 0) -> Accessor:
    """Return the row of a sequence at a step, or some steps from there."""
    size = int(np.prod(shape))
    return replace(
        whole, shape=shape, strides=contiguous(shape), step=step, row=size, offset=ahead * size
    )
