"""A mistake: a change of an adjoint network, and the sentence that describes the change.

Knows graphs; nothing of which mistakes there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace

from .changes import Change
from .likelihood import rank

FEW = 12  # places of a mistake that are listed by name


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """A mistake in an adjoint network.

    Attributes
    ----------
    kind : str
        Its kind, in a few words; a generator that `mistake` decorates leaves it out.
    where : str
        The signal whose δ comes out wrong first.
    says : str
        What the author did, in a sentence.
    right, wrong : str
        The factor or sum as it should be, and the author's substitute; empty where nothing stands
        in its place.
    change : (adjoint network) -> the network with the mistake in it
    groups : tuple of str
        The groups of mistakes of this kind that people make at once: the same function, the same
        packed parameter, the same factor, the same slip everywhere or everywhere in a loop.
    at_rate : (rate) -> Mistake, or None
        The same mistake with another rate, if there is a rate to be found.
    ranked_as : str
        Its kind in the list of `likelihood`, where that is finer than ``kind``.
    distance : int
        How far the substitute lies from what belongs in its place; 0 without a substitute.
    members : tuple of Mistake
        The single mistakes, if it is several made at once.
    """

    kind: str = ""
    where: str
    says: str
    right: str = ""
    wrong: str = ""
    change: Change = field(repr=False)
    groups: tuple[str, ...] = ()
    at_rate: Callable[[float], Mistake] | None = field(default=None, repr=False, compare=False)
    ranked_as: str = ""
    distance: int = 0
    members: tuple[Mistake, ...] = field(default=(), repr=False, compare=False)

    @property
    def rank(self) -> tuple[int, int]:
        """The sort key of a mistake: the likeliest first (see `likelihood`)."""
        return rank(self.ranked_as or self.kind, self.distance)


def joint_mistakes(several: Iterable[Mistake], position: Mapping[int, int]) -> Iterator[Mistake]:
    """Yield the mistakes of one kind that share a group, made at once.

    Parameters
    ----------
    several : iterable of Mistake
    position : mapping of a wire to where in the network it is made
        The order of mistakes that are made together.
    """
    groups: dict[tuple[str, str], list[Mistake]] = {}
    for mistake in several:
        for group in mistake.groups:
            groups.setdefault((mistake.kind, group), []).append(mistake)

    known: set[frozenset[int]] = set()
    for members in groups.values():
        own = frozenset(id(member) for member in members)
        if len(members) > 1 and own not in known:
            known.add(own)
            yield joint(_sorted(members, position))


def joint_mistake(several: Sequence[Mistake], position: Mapping[int, int]) -> Mistake | None:
    """Return mistakes of one kind made at once; None unless there are two or more of them."""
    return joint(_sorted(several, position)) if len(several) > 1 else None


def _sorted(several: Iterable[Mistake], position: Mapping[int, int]) -> list[Mistake]:
    """Return mistakes in the order in which the network makes the signals that they change."""

    def first(mistake: Mistake) -> int:
        return min((position.get(wire, 0) for wire in mistake.change.at), default=0)

    return sorted(several, key=first)


def joint(several: Sequence[Mistake]) -> Mistake:
    """Return mistakes of one kind made at once, at one rate if they have any."""
    first = several[0]
    places = dict.fromkeys(mistake.where for mistake in several[1:] if mistake.where != first.where)
    others = list(places or (mistake.right for mistake in several[1:]))
    others[FEW:] = [f"{len(others) - FEW} more"] if len(others) > FEW + 1 else others[FEW:]
    change = Change.all(mistake.change for mistake in several)
    rates = [mistake.at_rate for mistake in several if mistake.at_rate is not None]

    def at_rate(rate: float) -> Mistake:
        return joint([replace(at(rate), groups=()) for at in rates])

    says = f"{first.says}; the same for {', '.join(others)}"
    return replace(
        first, says=says, change=change, groups=(), at_rate=at_rate if rates else None,
        members=tuple(several),
    )  # fmt: skip


def without(mistake: Mistake, settled: Set[int]) -> Mistake | None:
    """Return the part of a mistake that changes a wire that is not settled.

    Parameters
    ----------
    mistake : Mistake
    settled : set of int
        Wires whose δ is right, as the author's gradients show.

    Returns
    -------
    Mistake or None
        Of several mistakes made at once, those that change such a wire; None if there is none.
    """
    if not mistake.change.at & settled:
        return mistake
    rest = [member for member in mistake.members or (mistake,) if member.change.at - settled]
    if len(rest) == len(mistake.members) or not mistake.members:
        return mistake if rest else None
    return joint(rest) if len(rest) > 1 else next(iter(rest), None)
