"""Hand against tape: gradients derived by hand beside those of one backward pass.

Knows signals and the tape; no layers, no derivation.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from html import escape
from typing import Any

import numpy as np

from ..cotangent import Sums
from ..errors import DTypeError, GradientError, SignalError, UsageError, nearest
from ..signals import Signal, Signals
from ..tape import pull_back
from ..tensor import Tensor, starting_cotangent
from .blame import Blame, blame, judged
from .diagnosis import Diagnosis, diagnosed
from .rounding import half_unit, reach, tolerances
from .sight import Given, Sight

# relative to the largest entry of a signal's gradient
ROUNDING = {np.dtype(np.float64): 1e-12, np.dtype(np.float32): 1e-5, np.dtype(np.float16): 1e-2}
GOOD = ("exact", "rounding")


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
        ``not finite``.
    """

    name: str
    shape: tuple[int, ...]
    hand_shape: tuple[int, ...]
    max_abs: float
    max_rel: float
    where: tuple[int, ...] | None
    verdict: str

    @property
    def ok(self) -> bool:
        """Whether the two agree to rounding."""
        return self.verdict in GOOD


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
    def _seen(self) -> tuple[Sight, list[Given], list[np.ndarray]]:
        sight = self.sight or Sight(self.loss)
        finite = {row.name for row in self.rows if row.verdict != "not finite"}
        given = sight.given({n: v for n, v in self.hand.items() if n in finite})
        return sight, given, tolerances(sight, given, self.rtol, self.digits)

    @cached_property
    def blame(self) -> Blame | None:
        sight, given, allowed = self._seen
        return blame(sight, judged(sight.adjoint, given, allowed))

    @cached_property
    def mistakes(self) -> list[Diagnosis]:
        return self.diagnose()

    def diagnose(self, **how: Any) -> list[Diagnosis]:
        """Look for the mistakes, within a time and with a progress bar (see `diagnosed`)."""
        self.__dict__["mistakes"] = diagnosed(*self._seen, **how)
        return self.mistakes

    @property
    def ok(self) -> bool:
        """Whether every row agrees to rounding."""
        return all(row.ok for row in self.rows)

    def __str__(self) -> str:
        return self.told()

    def told(self, answers: bool = True) -> str:
        """Return the report as text; without ``answers`` nothing that tells right numbers."""
        head: tuple[str, ...]
        head = ("signal", "tape", "hand", "max |Δ|", "relative", "at", "verdict")
        body: list[tuple[str, ...]] = [
            (
                row.name,
                _shape(row.shape),
                "same" if row.hand_shape == row.shape else _shape(row.hand_shape),
                _number(row.max_abs),
                _number(row.max_rel),
                "" if row.where is None or row.verdict == "exact" else _shape(row.where),
                row.verdict,
            )
            for row in self.rows
        ]
        if not answers:
            head, body = ("signal", "verdict"), [(line[0], line[-1]) for line in body]
        widths = [max(map(len, column)) for column in zip(head, *body, strict=True)]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
            for line in (head, *body)
        ]
        lines.insert(1, "  ".join("-" * width for width in widths))
        wrong = sum(not row.ok for row in self.rows)
        total = f"{len(self.rows)} signals: " + (f"{wrong} differ" if wrong else "all agree")
        return "\n".join([*lines, total, *self._told()])

    def _repr_html_(self) -> str:
        head = ("signal", "shape", "max |Δ|", "relative", "verdict")
        lines = ["".join(f"<th>{name}</th>" for name in head)]
        first = None if self.ok or self.blame is None else self.blame.signal
        for row in self.rows:
            cells = (row.name, _shape(row.hand_shape), _number(row.max_abs), _number(row.max_rel),
                     row.verdict)  # fmt: skip
            line = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
            colour = "" if row.ok else "#fce8e6"
            if first is not None and first.startswith(row.name):
                colour = "#ffcc80"  # the first wrong step
            cell = f'<td style="background:{colour}">' if colour else "<td>"
            lines.append(line.replace("<td>", cell))
        table = "".join(f"<tr>{line}</tr>" for line in lines)
        return f"<table>{table}</table>" + "".join(f"<p>{escape(x)}</p>" for x in self._told())

    def as_dict(self, answers: bool = True) -> dict[str, Any]:
        """Return the report as plain data; without ``answers`` nothing that tells right numbers."""
        rows = []
        for row in self.rows:
            rows.append({"signal": row.name, "shape": list(row.hand_shape), "ok": row.ok,
                         "verdict": row.verdict})  # fmt: skip
            if answers and np.isfinite(row.max_abs):
                rows[-1] |= {"max_abs": row.max_abs, "max_rel": row.max_rel}
        blame = None if self.ok else self.blame
        mistakes = [] if self.ok else self.mistakes
        return {
            "ok": self.ok,
            "rows": rows,
            "blame": None if blame is None else asdict(blame),
            "mistakes": [
                {"what": each.what, "where": each.where, "says": each.says, "left": each.left,
                 "unique": each.unique}
                for each in mistakes[:5]
            ],
        }  # fmt: skip

    def _told(self) -> list[str]:
        """Return what there is to say of the first wrong step, and of a mistake that is known."""
        blame = None if self.ok else self.blame
        if blame is None:
            return []
        told = [f"first wrong: {blame.signal}"]
        if blame.supply:
            told[0] += f", or what leads to it; give {blame.supply} next to narrow it"
        for label, names in (("also wrong", blame.also), ("consequences", blame.consequences)):
            if names:
                told.append(f"{label}: {', '.join(names[:6])}{', …' if len(names) > 6 else ''}")
        if "mistakes" in self.__dict__ and self.mistakes:
            best = self.mistakes[0]
            told.append(f"mistake: {best.says}")
            told += [f"right: {x.right}, taken: {x.wrong}" for x in best.mistakes if x.right]
            told += [f"also explained by: {each.says}" for each in self.mistakes[1:3]]
            if best.apart:
                told.append(f"give {best.apart} to tell them apart")
        return [line for text in told for line in textwrap.wrap(text, 80, subsequent_indent="  ")]


def compare(
    loss: Tensor,
    hand: Mapping[str, Any] | Iterable[tuple[str, Any]],
    rtol: float | None = None,
    *,
    digits: int | None = None,
) -> Report:
    """Hold gradients derived by hand against the tape's.

    Parameters
    ----------
    loss : Tensor of one number
    hand : mapping, or pairs, of a signal's name to its gradient
        Any named signal: a parameter (``lstm.W``), one gate of it (``lstm.W.i``), a signal at one
        step (``lstm.state[1]``) or at all of them (``lstm.state``, with the steps along a leading
        axis), an input. Shapes must be equal: nothing is broadcast.
    rtol : float, optional
        What still counts as rounding, relative to the signal's largest entry: 1e-12 in float64,
        1e-5 in float32 unless given.
    digits : int, optional
        How many digits were printed, in all or after the point: half a unit of the last one, of the
        value and of what it was made of, is no difference.

    Returns
    -------
    Report

    Raises
    ------
    SignalError
        If a name stands for no signal (the nearest are listed), for two, or is given twice.
    GradientError
        If a signal requires no gradient; the message names it.
    DTypeError
        If a gradient is no array of real numbers.
    """
    try:
        pairs = [
            (name, gradient)
            for name, gradient in (hand.items() if isinstance(hand, Mapping) else hand)
        ]
    except (TypeError, ValueError):
        raise UsageError(
            f"compare: hand is {type(hand).__name__}; give a dictionary, or pairs, of a signal's "
            "name and its gradient"
        ) from None
    if not pairs:
        raise UsageError("compare: hand is empty; give at least one signal's gradient by its name")
    seed = starting_cotangent(loss, None)
    signals = Signals(loss)
    chosen: dict[str, tuple[list[Signal], np.ndarray]] = {}
    for name, gradient in pairs:
        if name in chosen:
            raise SignalError(f"compare: {name!r} is given twice")
        chosen[name] = _found(signals, name), _real(name, gradient)
    wanted = {signal.tensor for several, _ in chosen.values() for signal in several}
    sums = Sums(wanted)
    sums.add(loss, seed)
    found = pull_back(sums)
    sight = None if digits is None else Sight(loss)
    off = {} if sight is None or digits is None else reach(sight, digits)
    rows = []
    for name, (several, gradient) in chosen.items():
        taped = [
            signal.of(np.asarray(found.get(signal.tensor, np.zeros(signal.tensor.shape))))
            for signal in several
        ]
        whole = taped[0] if name in signals.by_name else np.stack(taped)
        allowed: Any = 0.0
        if sight is not None and digits is not None and gradient.shape == whole.shape:
            allowed = half_unit(gradient, digits)
            if sight.places.members(name):
                allowed = allowed + sight.places.value(name, off)
        rows.append(_judged(name, whole, gradient, rtol, allowed))
    given = {name: gradient for name, (_, gradient) in chosen.items()}
    if rtol is None:
        kinds = [loss.dtype, *(gradient.dtype for gradient in given.values())]
        rtol = max(ROUNDING.get(kind, 0.0) for kind in kinds) or ROUNDING[np.dtype(float)]
    return Report(tuple(rows), loss, given, rtol, digits, sight)


def _found(signals: Signals, name: str) -> list[Signal]:
    """Return the signal of a name, or those of all its steps."""
    several = [signals.by_name[name]] if name in signals.by_name else signals.sequences.get(name)
    if not several:
        raise SignalError(
            f"compare: no signal is called {name!r}; "
            f"{nearest(str(name), [*signals.by_name, *signals.sequences])}"
        )
    for signal in several:
        if not signal.tensor.requires_grad:
            raise GradientError(
                f"compare: {signal.name} does not require a gradient; "
                "make it with Tensor(..., requires_grad=True)"
            )
    return several


def _real(name: str, gradient: Any) -> np.ndarray:
    try:
        array = gradient._array if isinstance(gradient, Tensor) else np.asarray(gradient)
    except ValueError as error:
        raise DTypeError(f"compare: {name!r} is no array of numbers ({error})") from None
    if array.dtype.kind not in "fiu":
        raise DTypeError(f"compare: {name!r} is of type {array.dtype}, expected real numbers")
    return array


def _judged(
    name: str, tape: np.ndarray, hand: np.ndarray, rtol: float | None, allowed: Any = 0.0
) -> Row:
    """Return the verdict on one signal."""
    if rtol is None:
        rtol = max(ROUNDING.get(tape.dtype, 1e-12), ROUNDING.get(hand.dtype, 0.0))
    if hand.shape != tape.shape:
        turned = (
            hand.ndim == 2 and hand.T.shape == tape.shape and _judged(name, tape, hand.T, rtol).ok
        )
        verdict = "a transpose" if turned else "wrong shape"
        return Row(name, tape.shape, hand.shape, np.nan, np.nan, None, verdict)
    if not (np.isfinite(tape).all() and np.isfinite(hand).all()):
        worst = np.argwhere(~(np.isfinite(tape) & np.isfinite(hand)))[0]
        at = tuple(int(k) for k in worst)
        return Row(name, tape.shape, hand.shape, np.nan, np.nan, at, "not finite")
    difference = np.abs(np.asarray(tape, float) - hand)
    if not difference.size:
        return Row(name, tape.shape, hand.shape, 0.0, 0.0, None, "exact")
    worst = np.unravel_index(int(np.argmax(difference)), difference.shape)
    at = tuple(int(k) for k in worst)
    largest = float(difference[at])
    scale = max(float(np.abs(tape).max()), float(np.abs(hand).max()))
    relative = largest / scale if scale else 0.0
    close = relative <= rtol or bool(np.all(difference <= allowed))
    verdict = "exact" if largest == 0.0 else "rounding" if close else "differs"
    return Row(name, tape.shape, hand.shape, largest, relative, at, verdict)


def _shape(shape: tuple[int, ...]) -> str:
    return "(" + ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "") + ")"


def _number(value: float) -> str:
    return "" if np.isnan(value) else "0" if value == 0 else f"{value:.1e}"
