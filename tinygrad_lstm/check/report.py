"""A comparison: one row for each signal, what is to blame, and which mistake it is.

Knows what is judged elsewhere, and says it: as text, as HTML, as plain data. Without answers it
says nothing that tells a right number: no difference, no equation, no entry.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import cached_property
from html import escape
from typing import Any

import numpy as np

from ..engine.arguments import flag, function, of_kind
from ..engine.arguments import text as is_text
from ..engine.limit import Clock, TimeUp
from ..engine.tensor import Tensor
from ..formulas.columns import shape, size, table, wrapped
from ..network.view import Given, Sight
from .blame import Blame, blame, judgements
from .corrections import Correction, corrections
from .diagnosis import Diagnoses, diagnosed
from .noise import noise
from .rounding import tolerances
from .trials import SECONDS

GOOD = ("exact", "rounding")
TOO_FEW = "too few digits"
HEAD = ("signal", "tape", "hand", "max |Δ|", "relative", "at", "verdict")
LISTED = 6  # names in a row, and mistakes that explain as much
LEAST = 5.0  # seconds that a report may take to be put into words, however short the search was
UNASKED = 1000  # nodes, at every step, up to which single mistakes are looked for unasked
WRONG, FIRST = "#fce8e6", "#ffcc80"  # what differs; the first wrong step
OPEN = "#eceff1"  # what the digits cannot tell
FACTOR = re.compile(r"[^\s;,]+ times what it should be")
MARK = str.maketrans({"⟨": "<mark>", "⟩": "</mark>"})
TIME_UP = "the time was up before all was tried; report.diagnose(seconds=…) sets it"
NOISE = (
    "the wrong gradients are off by about {:.0e} of their size, in no pattern that a mistake would "
    "leave: noise, or too few correct digits (digits=… says how many there are)"
)
LEFT_OUT = "left out: what is marked; with the mistake nothing stands in its place"
NOT_SINGLE = "no single mistake explains all of it; report.diagnose() tries pairs"


@dataclass(frozen=True)
class Row:
    """One signal of a comparison.

    Attributes
    ----------
    name : str
    shape, hand_shape : tuple of int
        Of the tape's gradient and of the hand-derived one.
    max_abs, max_rel : float
        The largest difference, and its ratio to the largest entry; nan where there is none to take.
    where : tuple of int or None
        The entry that differs most.
    verdict : str
        ``exact`` (bit for bit), ``rounding``, ``differs``, ``wrong shape``, ``a transpose`` or
        ``not finite``; ``too few digits`` where the printed digits show neither: zeros would pass.
    dtype, hand_dtype : str
    finite : bool
        Whether all entries of both are finite.
    untold : int
        How many entries pass, and would pass if they were 0, or are off by more than a small share
        of the signal: too small for the printed digits.
    as_printed : bool
        Whether the two agree but for the rounding of the machine and of what was printed itself,
        whatever that was made of.
    """

    name: str
    shape: tuple[int, ...]
    hand_shape: tuple[int, ...]
    max_abs: float
    max_rel: float
    where: tuple[int, ...] | None
    verdict: str
    dtype: str
    hand_dtype: str
    finite: bool
    untold: int = 0
    as_printed: bool = field(default=True, repr=False)

    @property
    def ok(self) -> bool:
        """Whether the two agree to rounding."""
        return self.verdict in GOOD

    @property
    def is_wrong(self) -> bool:
        """Whether the two cannot both be right; false too where too few digits show it."""
        return not self.ok and self.verdict != TOO_FEW


@dataclass(frozen=True)
class Report:
    """A comparison: one row per signal. ``print(report)`` shows it as a table.

    Attributes
    ----------
    rows : tuple of Row
    blame : Blame or None
        The first gradient that does not follow from the derivation's own gradients above it.
    mistakes : list of Diagnosis
        The mistakes that explain the derivation, the most likely first.
    """

    rows: tuple[Row, ...]
    loss: Tensor = field(repr=False)
    hand: Mapping[str, np.ndarray] = field(repr=False)
    rtol: float = field(repr=False)
    digits: int | None = field(default=None, repr=False)
    sight: Sight | None = field(default=None, repr=False)

    @cached_property
    def evidence(self) -> tuple[Sight, list[Given], list[np.ndarray]]:
        """Where all is, what was derived of it that is finite, and how far off it may be.

        A gradient that is the tape's to its own last digit is right, whatever it was made of. One
        that is the tape's only if its author rounded on the way has to follow from what is given.
        """
        return self._look(lambda: None)

    def _look(
        self, tick: Callable[[], None], sight: Sight | None = None
    ) -> tuple[Sight, list[Given], list[np.ndarray]]:
        sight = sight or self.sight or Sight(self.loss, tick=tick)
        finite = {row.name for row in self.rows if row.finite}
        given = sight.given({n: v for n, v in self.hand.items() if n in finite})
        tick()
        allowed = tolerances(sight, given, self.rtol, self.digits)
        tick()
        right = {row.name: self.hand[row.name] for row in self.rows if row.ok and row.as_printed}
        agreeing = {each.name for each in sight.given(right)}
        key_of = {each.name: key for key, each in enumerate(given)}
        for each in judgements(sight.adjoint, given, allowed):
            if each.given.name in agreeing and not each.follows:
                key = key_of[each.given.name]
                allowed[key] = np.full(allowed[key].shape, np.inf)
        return sight, given, allowed

    @cached_property
    def blame(self) -> Blame | None:
        if all(row.ok and row.as_printed for row in self.rows):
            return None
        sight, given, allowed = self.evidence
        return blame(sight, judgements(sight.adjoint, given, allowed))

    @cached_property
    def mistakes(self) -> Diagnoses:
        return self.diagnose()

    def diagnose(self, *, seconds: float = SECONDS, **how: Any) -> Diagnoses:
        """Look for the mistakes, for 30 s unless told otherwise (see `diagnosed`).

        What is made once of the network, before the first mistake is tried, counts.
        """
        if "watch" in how:
            how["watch"] = _watching(how["watch"])
        clock, cut = Clock(seconds), Diagnoses()
        self.__dict__["seconds"] = seconds
        cut.is_cut = True
        try:
            with clock:
                if "evidence" not in self.__dict__:
                    self.__dict__["evidence"] = self._look(clock)
                found = diagnosed(*self.evidence, seconds=clock.left, pairs=False)
                if _is_left(found) and not found.is_cut:
                    try:
                        found = self._at_one_step(clock)
                    except TimeUp:
                        found.is_cut = True
                    else:
                        found = found or diagnosed(*self.evidence, seconds=clock.left, **how)
        except TimeUp:
            found = cut
        self.__dict__["mistakes"] = found
        return found

    @property
    def _limit(self) -> Clock:
        """How long putting the report into words may take: as long as the last search."""
        return Clock(max(LEAST, self.__dict__.get("seconds", SECONDS)))

    @property
    def is_searched(self) -> bool:
        """Whether pairs of mistakes have been looked for, too."""
        return "mistakes" in self.__dict__

    @property
    def best(self) -> Diagnoses:
        """The mistakes as far as they have been looked for: single ones, in a small network."""
        return self.mistakes if self.is_searched else self._singles

    @cached_property
    def _singles(self) -> Diagnoses:
        found = diagnosed(*self.evidence, pairs=False) if self._is_small else Diagnoses()
        if not _is_left(found) or found.is_cut or not self._is_small:
            return found
        with suppress(TimeUp):
            found = self._at_one_step(Clock(SECONDS)) or found
        return found

    def _at_one_step(self, clock: Clock) -> Diagnoses:
        """Return the single mistakes at one step that explain all, where no step stands for all.

        The report looks at the unfolded network from then on, if there are any.
        """
        sight = self.evidence[0]
        if (
            not self.is_wrong
            or not sight.network.folded
            or len(sight.unfolded.adjoint.nodes) > UNASKED
        ):
            return Diagnoses()
        unfolded = self._look(clock, sight.unfolded)
        found = diagnosed(*unfolded, pairs=False, seconds=clock.left)
        if not found or _is_left(found):
            return Diagnoses()
        self.__dict__["evidence"] = unfolded
        return found

    @cached_property
    def _is_small(self) -> bool:
        """Whether it takes no more than a few seconds to run it with every single mistake."""
        adjoint = self.evidence[0].adjoint
        steps = [len(adjoint.loops[x.loop or 0].steps) if x.folded else 1 for x in adjoint.nodes]
        return sum(steps) <= UNASKED

    @cached_property
    def noise(self) -> float | None:
        """The usual size of the differences, relative, if they look like noise; else None."""
        sight, given, allowed = self.evidence
        several = judgements(sight.adjoint, given, allowed)
        return noise([each for each in several if not each.follows])

    @property
    def corrections(self) -> list[Correction]:
        """The right equation, and the numbers, of each mistake that explains the most."""
        sight, given, _ = self.evidence
        return corrections(sight, given, self.best[0]) if self.best else []

    @cached_property
    def unplaced(self) -> list[str]:
        """What differs and can be compared, but not blamed.

        It is not finite, or in a wrong shape that cannot be taken apart, or the network does
        without it, because what is packed in it stands there part by part.
        """
        sight, _, _ = self.evidence
        wrong = {row.name: row for row in self.rows if row.is_wrong}
        return [
            n for n, row in wrong.items() if not (row.finite and sight.given({n: self.hand[n]}))
        ]

    def _why_unplaced(self, name: str) -> str:
        """Return why a signal is not blamed (see `unplaced`)."""
        (row,) = (row for row in self.rows if row.name == name)
        if not row.finite:
            return "not finite"
        if row.shape != row.hand_shape:
            return "of a wrong shape"
        return "the network that is searched has no signal of this name"

    def _steps_of_plain_loops(self) -> Iterator[str]:
        """Yield the remedy where one array holds the gradients of all steps of a plain loop."""
        known = self.evidence[0].signals.by_name
        for row in self.rows:
            copies = [row.name]
            while (copy := f"{row.name}_{len(copies) + 1}") in known:
                copies.append(copy)
            steps, *entry = row.hand_shape or (0,)
            if 1 < steps in (len(copies), len(copies) - 1) and tuple(entry) == row.shape:
                yield (
                    f"{row.name}: found {steps} rows, and the signals {_listed(copies)}; "
                    f"write the loop as `for k in tg.steps({steps}):` to "
                    "compare all steps at once, or give the gradient of each signal by its name"
                )

    def given_name(self, signal: str) -> str:
        """Return the name under which a signal was given: its own, its sequence's, its whole's."""
        is_text("given_name: the signal", signal)
        sight, _, _ = self.evidence
        return next((name for name in self.hand if signal in sight.places.members(name)), "")

    @property
    def ok(self) -> bool:
        """Whether every row agrees to rounding; false too where digits are too few to tell."""
        return all(row.ok for row in self.rows)

    @property
    def is_wrong(self) -> bool:
        """Whether a row differs. A report is neither ok nor wrong if digits are too few to tell."""
        return any(row.is_wrong for row in self.rows)

    @property
    def _total(self) -> str:
        """How many rows differ, and how many the digits cannot tell."""
        wrong = sum(row.is_wrong for row in self.rows)
        untold = sum(not row.ok and not row.is_wrong for row in self.rows)
        counts = [f"{wrong} differ" + "s" * (wrong == 1)] * bool(wrong)
        counts += [f"{untold} of too few digits to tell"] * bool(untold)
        signals = f"{len(self.rows)} signal" + "s" * (len(self.rows) != 1)
        partly = " as far as the digits show" * any(row.untold for row in self.rows)
        return f"{signals}: {', '.join(counts) or f'all agree{partly}'}"

    def __repr__(self) -> str:
        return f"<Report: {self._total}>"

    def __str__(self) -> str:
        return self.text()

    def text(self, answers: bool = True) -> str:
        """Return the report as text; without ``answers`` nothing that tells right numbers."""
        answers = flag("text: answers", answers)
        head: tuple[str, ...] = HEAD
        body = [_cells(row) for row in self.rows]
        if not answers:
            head, body = (HEAD[0], HEAD[-1]), [(line[0], line[-1]) for line in body]
        lines = [line for each in self._said(answers) for line in wrapped(each)]
        return "\n".join([*table(head, body), self._total, *lines])

    def _repr_html_(self) -> str:
        first = None
        with self._limit:  # one for both
            with suppress(TimeUp):
                if self.is_wrong and self.blame is not None:
                    first = self.given_name(self.blame.signal)
            said = self._said()
        lines = ["".join(f"<th>{name}</th>" for name in HEAD)]
        for row in self.rows:
            colour = WRONG if row.is_wrong else "" if row.ok else OPEN
            colour = FIRST if row.name == first else colour
            cell = f'<td style="background:{colour}">' if colour else "<td>"
            lines.append("".join(f"{cell}{escape(each)}</td>" for each in _cells(row)))
        rows = "".join(f"<tr>{line}</tr>" for line in lines)
        told = (escape(each.strip()).translate(MARK) for each in said)
        return f"<table>{rows}</table>" + "".join(f"<p>{each}</p>" for each in told)

    def as_dict(self, answers: bool = True) -> dict[str, Any]:
        """Return the report as JSON can hold it; without ``answers`` as `text` does."""
        answers = flag("as_dict: answers", answers)
        rows = []
        for row in self.rows:
            told: dict[str, Any] = {
                "signal": row.name, "shape": list(row.hand_shape), "dtype": row.hand_dtype,
                "finite": row.finite, "ok": None if row.verdict == TOO_FEW else row.ok,
                "verdict": row.verdict, "untold": row.untold,
            }  # fmt: skip
            if answers:
                told["expected"] = {"shape": list(row.shape), "dtype": row.dtype}
                told |= {"max_abs": _plain(row.max_abs), "max_rel": _plain(row.max_rel),
                         "where": None if row.where is None else list(row.where)}  # fmt: skip
            rows.append(told)
        blame, mistakes = None, list[dict[str, Any]]()
        with suppress(TimeUp), self._limit:
            if self.is_wrong and self.blame is not None:
                blame = asdict(self.blame)
                numbers = {name: _plain(blame.pop(name)) for name in ("found", "expected")}
                blame |= numbers if answers else {}
            mistakes = self._mistakes_as_dicts(answers)
        return {"ok": self.ok, "rows": rows, "blame": blame, "mistakes": mistakes}

    def _mistakes_as_dicts(self, answers: bool) -> list[dict[str, Any]]:
        mistakes = []
        for at, each in enumerate(self.best[:LISTED]):
            mistake = {"what": each.what, "where": each.where,
                       "says": _saying(each.says, answers), "left": each.left,
                       "unique": each.unique, "apart": each.apart}  # fmt: skip
            if answers:
                mistake["residual"] = _plain(each.residual)
                mistake["equations"] = [] if at else [_equation(one) for one in self.corrections]
            mistakes.append(mistake)
        return mistakes

    def _said(self, answers: bool = True) -> list[str]:
        """Return what `_explained` yields, as far as there is time for it."""
        lines: list[str] = []
        try:
            with self._limit:
                lines.extend(self._explained(answers))
        except TimeUp:
            lines += [TIME_UP] * (TIME_UP not in lines)
        return lines

    def _explained(self, answers: bool) -> Iterator[str]:
        """Yield what the digits do not show, the first wrong step, and what explains it."""
        parts = [f"{row.untold} of {np.prod(row.shape)} entries of {row.name}" for row in self.rows
                 if row.ok and row.untold]  # fmt: skip
        if parts:
            yield f"of too few digits to tell: {_listed(parts)}"
        if any(row.verdict == TOO_FEW for row in self.rows):
            yield "give more digits, or scientific notation: zeros would pass as well"
        if not self.is_wrong:
            return
        if self.evidence[0].reason:
            yield f"every step on its own, since {self.evidence[0].reason}"
        if self.unplaced:
            reasons = [f"{name} ({self._why_unplaced(name)})" for name in self.unplaced]
            yield f"compared, but not blamed: {_listed(reasons)}"
        yield from self._steps_of_plain_loops()
        blame = self.blame
        if blame is None:
            return
        at = f" at {shape(blame.at)}" if blame.at else ""
        narrow = f"; give {blame.supply} next to narrow it" if blame.supply else ""
        yield f"first wrong: {blame.signal}{at}" + (f", or what leads to it{narrow}" * bool(narrow))
        for label, names in (("also wrong", blame.also), ("consequences", blame.consequences)):
            if names:
                yield f"{label}: {_listed(names)}"
        if not self.best and self.noise is not None:
            yield NOISE.format(self.noise)
            return
        if not self.best:
            unasked = NOT_SINGLE if self._is_small else "report.diagnose() looks for the mistake"
            none = TIME_UP if self.best.is_cut else "no two mistakes explain it"
            yield none if self.is_searched else unasked
            return
        first, *others = self.best
        wrong = 1 + len(blame.also)
        some = ", which explains all of it" * (wrong > 1)
        if first.left:
            some = f" that explains {wrong - first.left} of {wrong} wrong ones"
        noun = "mistake" if len(first.mistakes) == 1 else "mistakes"
        yield f"{noun}{some}: {_saying(first.says, answers)}"
        for told in self.corrections if answers else ():
            yield f"  right: {told.text}"
            if told.mistake.wrong:
                yield f"  instead of what is marked: {told.mistake.wrong}"
            elif told.is_left_out:
                yield f"  {LEFT_OUT}"
            if np.isfinite(told.right):
                entry = told.signal + (f" at {shape(told.at)}" if told.at else "")
                who = "by hand" if told.is_given else "with the mistake"
                yield f"  {entry}: {told.wrong + 0.0:.9g} {who}, {told.right + 0.0:.9g} is right"
        if first.left:
            yield (
                TIME_UP
                if self.best.is_cut
                else NOT_SINGLE
                if not self.is_searched
                else ("no two mistakes explain all of it")
            )
        for each in [other for other in others if other.left == first.left][:2]:
            yield f"also explained by: {_saying(each.says, answers)}"
        if first.apart:
            yield f"give {first.apart} to tell them apart"


def _is_left(found: Diagnoses) -> bool:
    """Return whether what was tried leaves a gradient wrong."""
    return not found or bool(found[0].left)


def _saying(says: str, answers: bool) -> str:
    """Return what is said of a mistake; without answers no factor, which gives them away."""
    return says if answers else FACTOR.sub("a multiple of what it should be", says)


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:LISTED])}{', …' * (len(names) > LISTED)}"


def _equation(told: Correction) -> dict[str, Any]:
    return {"signal": told.signal, "right": told.text, "taken": told.substitute,
            "at": list(told.at), "wrong": _plain(told.wrong), "expected": _plain(told.right),
            "is_given": told.is_given}  # fmt: skip


def _plain(value: float) -> float | str | None:
    """Return a number that JSON has: it has neither nan nor infinity."""
    return None if np.isnan(value) else str(value) if np.isinf(value) else float(value)


def _cells(row: Row) -> tuple[str, ...]:
    hand = "same" if row.hand_shape == row.shape else shape(row.hand_shape)
    if row.hand_dtype != row.dtype and row.hand_dtype.startswith("float"):
        hand += f", {row.hand_dtype}"
    at = "" if row.where is None or row.verdict == "exact" else shape(row.where)
    return (row.name, shape(row.shape), hand, size(row.max_abs), size(row.max_rel), at,
            row.verdict)  # fmt: skip


def _watching(watch: Any) -> Callable[[Any], Iterable[Any]]:
    """Return what shows how far a search is, held to hand on what it is given."""
    function("diagnose: watch", watch, "a function of a list")

    def watching(several: Any) -> Iterable[Any]:
        handed = watch(several)
        return of_kind("diagnose: what watch returns", handed, Iterable, "the list, or an iterator")

    return watching
