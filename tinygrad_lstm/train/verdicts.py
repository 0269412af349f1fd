"""What is wrong with a training, in sentences: what vanishes, explodes, saturates or is dead.

Knows looks alone. The bounds are constants of this module.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from .looks import Look

VANISHED = 1e-6  # of the largest δ of the steps
TINY = 1e-9  # of the parameter: a gradient below
EXPLODED = 1e3  # times the smallest δ of the steps, or the gradient at the first looks
LEAPED = 1.0  # of the parameter: an update above
FLAT = 0.9  # of the entries of a signal
DEAD = 0.5  # of the units of a signal
ORDER = ("is not finite", "explodes", "is torn", "vanishes", "is dead", "saturates")


class Verdict(NamedTuple):
    """One thing that is wrong.

    Attributes
    ----------
    what : str
        "is not finite", "explodes", "is torn" (by updates larger than the weights), "vanishes",
        "is dead" or "saturates".
    name : str
        Of the parameter or the signal.
    since : int
        The update of the first look from which on it is so.
    says : str
    """

    what: str
    name: str
    since: int
    says: str


def find_verdicts(looks: Sequence[Look]) -> list[Verdict]:
    """Return what is wrong at the last look that could tell, the worst first."""
    names = list(dict.fromkeys(name for look in looks for name in look.names))
    verdicts = []
    for name in names:
        for what, tell in _TELLING.items():
            said = [(look.update, tell(look, name, looks)) for look in looks]
            known = [(update, text) for update, text in said if text is not None]
            if not known or not known[-1][1]:
                continue
            since = known[-1][0]
            for update, text in reversed(known):
                if not text:
                    break
                since = update
            when = "from the start" if since == looks[0].update else f"since update {since}"
            verdicts.append(Verdict(what, name, since, f"{name} {what} {when}: {known[-1][1]}."))
    return sorted(verdicts, key=lambda x: ORDER.index(x.what))  # the first recorded first


def _row(table: np.ndarray, look: Look, name: str) -> np.ndarray | None:
    row: np.ndarray | None = table[look.names.index(name)] if name in look.names else None
    return row


def _not_finite(look: Look, name: str, looks: Sequence[Look]) -> str | None:
    if name not in look.names:
        return None
    for of, table in (("value", look.values), ("gradient", look.gradients)):
        norm, _, _, _, share = table[look.names.index(name)]
        if share > 0:
            return f"{share:.0%} of the entries of its {of} are infinite or not a number"
        if np.isnan(norm):
            return f"its {of} is not finite"
    return ""


def _exploding(look: Look, name: str, looks: Sequence[Look]) -> str | None:
    δ = look.deltas.get(name)
    if δ is not None:
        return _growth(look, name, δ)
    if name not in look.names or name in look.steps:
        return None
    now = float(look.gradients[look.names.index(name)][0])
    first = [float(row[0]) for x in looks[:3] if (row := _row(x.gradients, x, name)) is not None]
    usual = float(np.median(first))
    if np.isfinite(now) and usual > 0 and now > EXPLODED * usual:
        return f"its gradient has the norm {now:.3g}, and had {usual:.3g} at the first looks"
    return ""


def _growth(look: Look, name: str, δ: np.ndarray) -> str:
    """Say that δ grows on its way back through the steps."""
    steps, live = look.steps[name], np.flatnonzero(np.isfinite(δ) & (δ > 0))
    if len(live) < 2:
        return ""
    first, last = live[0], live[-1]
    if δ[first] > EXPLODED * δ[last]:
        return _from_to(steps, δ, last, first)
    return ""


def _from_to(steps: np.ndarray, δ: np.ndarray, a: int, b: int) -> str:
    return f"δ has the norm {δ[a]:.3g} at step {steps[a]}, and {δ[b]:.3g} at step {steps[b]}"


def _vanishing(look: Look, name: str, looks: Sequence[Look]) -> str | None:
    δ = look.deltas.get(name)
    if δ is not None:
        steps, most = look.steps[name], int(np.argmax(np.where(np.isfinite(δ), δ, 0.0)))
        if len(δ) < 2 or not δ[most] > 0:
            return ""
        small = np.flatnonzero(
            (δ[:most] > 0) & (δ[:most] < VANISHED * δ[most])
        )  # 0: cut, or unused
        if small.size:
            return _from_to(steps, δ, most, int(small[-1]))
        return ""
    value, gradient = _row(look.values, look, name), _row(look.gradients, look, name)
    if value is None or gradient is None or name in look.flat:
        return None
    if gradient[0] <= TINY * value[0] and value[0] > 0:
        return f"its gradient has the norm {gradient[0]:.3g}, its value {value[0]:.3g}"
    return ""


def _torn(look: Look, name: str, looks: Sequence[Look]) -> str | None:
    ratio = look.ratios.get(name)
    if ratio is None:
        return None
    return f"an update changes it by {ratio:.3g} times its size" * (LEAPED < ratio < np.inf)


def _dead(look: Look, name: str, looks: Sequence[Look]) -> str | None:
    share = look.dead.get(name)
    if share is None:
        return None
    return f"the slope of {share:.0%} of its units is 0 for all data" * (share >= DEAD)


def _saturated(look: Look, name: str, looks: Sequence[Look]) -> str | None:
    share = look.flat.get(name)
    if share is None:
        return None
    return f"its function is flat at {share:.0%} of its entries" * (share >= FLAT)


_TELLING: dict[str, Callable[[Look, str, Sequence[Look]], str | None]] = {
    "is not finite": _not_finite,
    "explodes": _exploding,
    "is torn": _torn,
    "vanishes": _vanishing,
    "is dead": _dead,
    "saturates": _saturated,
}
