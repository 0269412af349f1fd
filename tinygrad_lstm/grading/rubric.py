"""A rubric: how many points a judgement is worth.

Knows plain judgements; no network. A small TOML file says it:

    points = 10.0              # of a derivation that is right
    mistake = 1.0              # off for each mistake that is named
    follows = 1.0              # the share of what is wrong only because of something before it
    scaled = 0.5               # the share if all gradients are the right ones times one number

    [signals]                  # how much each gradient counts; without it, each parameter as much
    "lstm.W" = 2.0

    [mistakes]                 # off for a kind of mistake, in place of the number above
    "carry dropped" = 2.0
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import FileError, UsageError, nearest

NUMBERS = ("points", "mistake", "follows", "scaled")
SHARES = ("follows", "scaled")  # from 0 to 1
TABLES = ("signals", "mistakes")


@dataclass(frozen=True)
class Rubric:
    """How many points a judgement is worth.

    Attributes
    ----------
    points : float
    mistake : float
        Off for each mistake.
    follows : float
        The share that counts of a gradient whose mistake is named, or that follows from a given one
        whose mistake is named.
        A gradient that is one number in all entries, where the right one is not, has no points.
    scaled : float
        The most of this share if all given gradients are the right ones, times one and the same
        number: it shows that the steps may be right, and not that they are.
    signals : mapping of a name to its weight
    mistakes : mapping of a kind to the points that are taken off
    """

    points: float = 10.0
    mistake: float = 1.0
    follows: float = 1.0
    scaled: float = 0.5
    signals: Mapping[str, float] = field(default_factory=dict)
    mistakes: Mapping[str, float] = field(default_factory=dict)

    def parts(self, judgement: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
        """Return the points of each gradient that counts, and the most that it can have."""
        states = {**judgement.get("signals", {}), **judgement.get("asked", {})}
        weights = self.signals or dict.fromkeys(judgement.get("asked", {}), 1.0)
        total = sum(weights.values())
        shares = {"right": 1.0, "follows": self.follows, "explained": self.follows,
                  "scaled": min(self.scaled, self.follows)}  # fmt: skip
        return {
            name: (
                self.points * weight / total * shares.get(states.get(name, "missing"), 0.0),
                self.points * weight / total,
            )
            for name, weight in weights.items()
            if total
        }

    def score(self, judgement: Mapping[str, Any]) -> float:
        """Return the points of a judgement, from 0.

        >>> judgement = {"asked": {"W": "explained", "b": "right"},
        ...              "mistakes": [{"kind": "carry dropped"}]}
        >>> Rubric().score(judgement), Rubric(mistakes={"carry dropped": 4.0}).score(judgement)
        (9.0, 6.0)
        """
        off = [
            self.mistakes.get(mistake["kind"], self.mistake)
            for mistake in judgement.get("mistakes", ())
        ]
        total = sum(points for points, _ in self.parts(judgement).values())
        return round(min(self.points, max(0.0, total - sum(off))), 6)

    def check(self, signals: Collection[str], kinds: Collection[str]) -> None:
        """Refuse names of what is not there, before anything is judged.

        Parameters
        ----------
        signals : the names of all signals
        kinds : the kinds of mistakes

        Raises
        ------
        UsageError
            If a name stands for no signal, or no kind of mistake; the nearest are listed.
        """
        for table, names, known, what in (
            ("signals", self.signals, signals, "signal with a gradient"),
            ("mistakes", self.mistakes, kinds, "kind of mistake"),
        ):
            for name in names:
                if name not in known:
                    raise UsageError(
                        f"grade: the rubric's [{table}] has {name!r}, which is no {what}; "
                        f"{nearest(name, known)}"
                    )


def read_rubric(path: Path) -> Rubric:
    """Return the rubric of a TOML file.

    Raises
    ------
    UsageError, FileError
        If there is no such file, or it is no rubric; the message says which key is wrong.
    """
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    except ValueError as error:  # no UTF-8, or no TOML
        raise FileError(f"{path}: is no TOML: {error}") from None
    for key, value in data.items():
        if key not in (*NUMBERS, *TABLES):
            raise FileError(f"{path}: {key!r} is no key; {nearest(key, (*NUMBERS, *TABLES))}")
        numbers = value if key in TABLES else {key: value}
        if not isinstance(numbers, dict):
            raise FileError(f"{path}: {key} is {value!r}, expected a table [{key}]")
        for name, number in numbers.items():
            is_number = isinstance(number, int | float) and not isinstance(number, bool)
            if not is_number or not 0 <= number < float("inf"):
                raise FileError(f"{path}: {name} is {number!r}, expected a number from 0")
            if key in SHARES and number > 1:
                raise FileError(f"{path}: {name} is {number!r}, expected a number from 0 to 1")
    if "signals" in data and not sum(data["signals"].values()):
        raise FileError(f"{path}: the weights in [signals] are all 0, expected one above 0")
    numbers = {key: value if key in TABLES else float(value) for key, value in data.items()}
    return Rubric(**numbers)
