"""The signals of a page: their equations, their numbers, and the order in which they are computed.

Knows derivations. Every signal is plain data; a signal is known by its place in the list.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import groupby
from typing import Any

import numpy as np

from ..errors import PackageError, UsageError
from ..formulas.derivation_html import converter, math_rows
from ..formulas.derivation_text import one_line, summed
from ..formulas.derived import Derived, Equation, Stage
from ..formulas.layout import lines_apart, sequences_of
from ..formulas.lines import Line
from ..formulas.reader import leaves
from .gradients import Gradients, Share, norms
from .series import LEAST_CELLS, MOST_CELLS, Table, entries, group_of, grouped

ROOM = 520_000  # characters of the sizes at every step
ROOM_OF_MAPS = 700_000  # characters of the maps, if all were as large as they may be
MOST_SIGNALS = 1000
MOST_IN_MATHML = 150  # signals; of more, the equations are text
ROWS_OF_ONE = 8  # of the sizes that belong to a signal: its own, its shares, its arrows
AT_ANY_STEP = re.compile(r"\(k\)$")


class PageSignals:
    """The signals of a derivation, as data for a page.

    Parameters
    ----------
    derivation : Derived
    table : Table
        Gets the numbers.
    answers : bool
        Whether numbers and backward equations are told.

    Attributes
    ----------
    data : list of dict
    at : dict of int to int
        The place of a signal in the list, by its wire in the derivation's network.
    by_name : dict of str to int
        The same by its full name.
    order : list of int
        The signals in the order in which they are computed.
    group : int
        How many steps a size stands for.
    has_groups : bool
        Whether a map tells groups of entries.
    """

    def __init__(self, derivation: Derived, table: Table, answers: bool) -> None:
        assert derivation.recorded is not None
        self.derivation, self.table, self.answers = derivation, table, answers
        self.network = derivation.recorded.network
        self.lines, self.sequences = lines_apart(derivation), sequences_of(derivation)
        self.forward = [x for x in derivation.equations if x.stage is Stage.FORWARD]
        count = len(self.forward) + len(derivation.sources)
        if count > MOST_SIGNALS:
            raise UsageError(
                f"show: found {count} signals, expected {MOST_SIGNALS} at most"
                + (
                    f": each step has its own, since {derivation.reason}"
                    if derivation.reason
                    else ""
                )
            )
        self.to_math = _converter_or_none() if count <= MOST_IN_MATHML else None
        self.most = max(LEAST_CELLS, min(MOST_CELLS, ROOM_OF_MAPS // (2 * 5 * count)))
        self.counts = {loop: len(x.steps) for loop, x in derivation.loops.items()}
        self.group = group_of(
            max(self.counts.values(), default=1), ROWS_OF_ONE * len(self.forward), ROOM
        )
        self.data: list[dict[str, Any]] = []
        self.has_groups = False
        self.at: dict[int, int] = {}
        self.by_name: dict[str, int] = {}
        for source in derivation.sources:
            kind = "parameter" if source.is_parameter else "input"
            self._add(source.signal.wire, source.signal.name, source.full_name, kind, "")
            if source.requires_grad and self.data[-1]["loop"] < 0:
                self.data[-1]["asked"] = True  # for its gradient
        for x in self.forward:
            self._add(x.signal.wire, x.signal.name, x.full_name, "signal", x.scope)
        self.data[-1]["kind"] = "loss"
        self.order = [self.at[x.signal.wire] for x in self.forward]
        self.wholes = {name: self._add_whole(name) for name in derivation.packed}
        self._tell_starts()
        for wire in self.at:
            self._tell_equations(wire)
        if answers:
            self._tell_numbers()

    def _add(self, wire: int, letter: str, name: str, kind: str, scope: str) -> None:
        value = self.network.wires[wire].value
        maker = self.network.maker[wire]
        loop = maker.loop if maker.is_timed and maker.loop is not None else self._read_by(wire)
        shape = np.shape(value) if loop < 0 else np.shape(value)[1:]
        shown = AT_ANY_STEP.sub("", name)
        self.at[wire] = self.by_name[name] = len(self.data)
        self.data.append({
            "name": shown, "letter": letter, "kind": kind, "shape": [*shape], "loop": loop,
            "scope": scope, "users": [],
        })  # fmt: skip

    def _read_by(self, wire: int) -> int:
        """Return the loop that reads a sequence, a step at a time; -1 if it is no sequence."""
        shape = np.shape(self.network.wires[wire].value)
        if wire not in self.sequences or not shape:
            return -1
        return next((loop for loop, count in self.counts.items() if count == shape[0]), -1)

    def _add_whole(self, name: str) -> int:
        """Add a parameter that consists of parts, side by side."""
        parts = [self.by_name[part] for part, _ in self.derivation.packed[name]
                 if part in self.by_name]  # fmt: skip
        first = self.data[parts[0]]
        width = sum(self.data[part]["shape"][-1] for part in parts)
        place = len(self.data)
        self.by_name.setdefault(name, place)
        self.data.append({
            "name": name, "letter": name.rpartition(".")[2], "kind": "parameter", "loop": -1,
            "shape": [*first["shape"][:-1], width], "scope": first["scope"], "parts": parts,
            "users": [], "asked": first.get("asked", False),
        })  # fmt: skip
        for part in parts:
            self.data[part]["whole"] = place
        return place

    def _tell_starts(self) -> None:
        for x in self.derivation.initial:
            state = self.at.get(getattr(x.state, "wire", -1))
            start = self.at.get(x.start_wire)
            if state is not None and start is not None:
                self.data[state]["start"] = start
                self.data[start]["kind"] = "initial value"
                self.data[start].pop("asked", None)

    # --- equations -----------------------------------------------------------------------------

    def _tell_equations(self, wire: int) -> None:
        own = self.data[self.at[wire]]
        line = self.lines[Stage.FORWARD].get(wire)
        if line is not None:
            own["forward"] = self._equation(line)
            for user, _, _ in own["forward"]["uses"]:
                if self.at[wire] not in self.data[user]["users"]:
                    self.data[user]["users"].append(self.at[wire])
        back = self._backward(wire)
        if back is not None and self.answers:
            own["backward"] = self._equation(back)

    def _backward(self, wire: int) -> Line | None:
        stages = (self.lines[Stage.BACKWARD], self.lines[Stage.GRADIENT])
        return next((lines[wire] for lines in stages if wire in lines), None)

    def _equation(self, line: Line) -> dict[str, Any]:
        """Return an equation as text, as MathML if it can be, and the signals on its right side."""
        uses = {
            (self.at[leaf.wire], leaf.offset or 0, int(leaf.is_delta)): None
            for term in line.terms
            for leaf in leaves(term.formula)
            if leaf.wire in self.at
        }
        number = line.number or (line.forward.number if line.forward else 0)
        return {
            "text": one_line(line), "math": [] if self.to_math is None
            else math_rows(line, self.to_math), "uses": [*map(list, uses)], "number": number,
        }  # fmt: skip

    # --- numbers -------------------------------------------------------------------------------

    def _tell_numbers(self) -> None:
        self.gradients = Gradients(self.network)
        known = [wire for wire in self.at if wire in self.gradients.arrays]
        by_wire = self.gradients.shares(known, self.at.keys())
        shares = {self.at[wire]: several for wire, several in by_wire.items()}
        for wire, place in self.at.items():
            own = self.data[place]
            count = self.counts.get(own["loop"])
            own["value"] = self._numbers(self.network.wires[wire].value, count)
            if wire in self.gradients.arrays:
                own["delta"] = self._numbers(self.gradients.arrays[wire], count)
                own["shares"] = [self._share(wire, share) for share in shares[place]]
            elif (sizes := self.gradients.sizes(wire)) is not None:
                own["delta"] = {"size": self._sizes(sizes)}
        for place in self.wholes.values():
            self._tell_whole(self.data[place], shares)

    def _numbers(self, value: Any, count: int | None) -> dict[str, Any]:
        cells = entries(self.table, value, count, self.most)
        self.has_groups |= cells["down"] > 1 or cells["across"] > 1
        return {"size": self._sizes(norms(value, count)), "map": cells}

    def _sizes(self, sizes: np.ndarray) -> int:
        return self.table.add(grouped(sizes, self.group))

    def _share(self, wire: int, share: Share) -> dict[str, Any]:
        line = self._backward(wire)
        names = {self.data[self.at[via]]["letter"] for via in share.via}
        terms = () if line is None else line.terms
        chosen = [term for term in terms if term.via in names and term.by == share.by]
        return {
            "via": [self.at[via] for via in share.via], "by": share.by,
            "text": " + ".join(summed(term) for term in chosen),
            "sizes": self._sizes(share.sizes), "is_timed": share.sizes.ndim > 0,
            "parts": self.table.add(self._grouped_parts(wire, share)),
        }  # fmt: skip

    def _grouped_parts(self, wire: int, share: Share) -> np.ndarray:
        """Return the parts of a share; of groups of steps their sum, of δ at each step the mean."""
        parts = grouped(share.parts, self.group, np.add)
        is_at_step = wire in self.at and self.data[self.at[wire]]["loop"] >= 0
        if not is_at_step or share.parts.ndim == 0:
            return parts
        counts = grouped(np.ones_like(share.parts), self.group, np.add)
        return np.asarray(parts / counts)

    def _tell_whole(self, own: dict[str, Any], shares: dict[int, list[Share]]) -> None:
        """Tell the numbers of a parameter that consists of parts, with the shares of all parts."""
        wires = {place: wire for wire, place in self.at.items()}
        parts = [wires[part] for part in own["parts"]]
        arrays = self.gradients.arrays
        values = [self.network.wires[wire].value for wire in parts]
        own["value"] = self._numbers(np.concatenate(values, axis=-1), None)
        if not all(wire in arrays for wire in parts):
            return
        δ = [arrays[wire] for wire in parts]
        own["delta"] = self._numbers(np.concatenate(δ, axis=-1), None)
        sizes = [float(np.vdot(x, x)) for x in δ]
        total = sum(sizes) or 1.0
        several = [shares[part] for part in own["parts"]]
        if any(len(ways) != 1 or ways[0].sizes.shape != several[0][0].sizes.shape
               for ways in several):  # fmt: skip
            return
        together = Share(
            tuple(via for ways in several for via in ways[0].via), several[0][0].by,
            np.sqrt(np.sum([ways[0].sizes ** 2 for ways in several], axis=0)),
            np.sum([ways[0].parts * (size / total) for ways, size in zip(several, sizes)], axis=0),
        )  # fmt: skip
        own["shares"] = [self._share(-1, together)]
        own["of_parts"] = self.table.add([size / total for size in sizes])

    # --- the order -----------------------------------------------------------------------------

    def runs(self) -> list[dict[str, Any]]:
        """Return what is computed one after the other: lines once, or at every step of a loop."""
        stages = [("forward", Stage.FORWARD)]
        if self.answers:
            stages += [("backward", Stage.BACKWARD), ("gradients", Stage.GRADIENT)]
        runs = []
        for phase, stage in stages:
            chosen = [x for x in self.derivation.equations
                      if x.stage is stage and x.signal.wire in self.at]  # fmt: skip
            for (loop, step), lines in groupby(chosen, self._when(stage)):
                runs.append({
                    "phase": phase, "loop": loop, "step": step,
                    "lines": [self.at[x.signal.wire] for x in lines],
                })  # fmt: skip
        return runs

    def _when(self, stage: Stage) -> Callable[[Equation], tuple[int, int | None]]:
        """Return a function that says in which loop, or at which step, an equation is computed."""

        def when(x: Equation) -> tuple[int, int | None]:
            if stage is Stage.GRADIENT:
                return -1, None
            if x.loop is not None:
                return x.loop, None
            return -1, self.network.maker[x.signal.wire].step

        return when

    def loops(self) -> list[dict[str, Any] | None]:
        """Return the loops: how many steps, the number of the first, and which way they run."""
        known = self.derivation.loops
        data: list[dict[str, Any] | None] = [None] * (max(known, default=-1) + 1)
        for loop, x in known.items():
            data[loop] = {"count": len(x.steps), "first": x.steps[0], "backwards": x.backwards}
        return data


def _converter_or_none() -> Callable[[str], str] | None:
    try:
        return converter()
    except PackageError:  # the page shows the equations as text
        return None
