"""What a mistake is: a change of an adjoint network, and how it is told.

Knows graphs; nothing of which mistakes there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from itertools import chain

from ...network.flow import Flow, Node
from .likelihood import rank
from .surgery import Edit, edited

FEW = 12  # places of a mistake that are told by name


@dataclass(frozen=True)
class Change:
    """A change of an adjoint network.

    Attributes
    ----------
    made : (adjoint network) -> the changed one
    at : frozenset of int
        The wires on which it shows at once.
    is_none : bool
        Whether it changes nothing, because what is taken instead is the same.
    edits : tuple of (Node, Edit), or None
        The same as edits of single nodes, whose order does not matter; None if it is more.
    """

    made: Callable[[Flow], Flow]
    at: frozenset[int]
    is_none: bool = False
    edits: tuple[tuple[Node, Edit], ...] | None = None

    def __call__(self, graph: Flow) -> Flow:
        return self.made(graph)

    @classmethod
    def by(cls, node: Node, edit: Edit, is_none: bool = False) -> Change:
        """Return an edit of one node as a change."""

        def made(graph: Flow) -> Flow:
            return edited(graph, node, edit)

        return cls(made, frozenset(node.outputs), is_none, ((node, edit),))

    @classmethod
    def of(cls, several: Iterable[Change]) -> Change:
        """Return several changes as one."""
        several = list(several)

        def made(graph: Flow) -> Flow:
            for each in several:
                graph = each(graph)
            return graph

        wires = frozenset[int]().union(*(each.at for each in several))
        edits = [each.edits for each in several]
        known = [each for each in edits if each is not None]
        single = tuple(chain.from_iterable(known)) if len(known) == len(edits) else None
        return cls(made, wires, all(each.is_none for each in several), single)


@dataclass(frozen=True)
class Mistake:
    """A mistake in an adjoint network.

    Attributes
    ----------
    what : str
        Its kind, in a few words.
    where : str
        The signal whose δ comes out wrong first.
    says : str
        What was done, in a sentence.
    right, wrong : str
        The factor or sum as it should be, and as it was taken.
    change : (adjoint network) -> the network with the mistake in it
    kin : tuple of str
        What others of its kind may share, so that people make them together: the function, the
        packed parameter, the factor.
    at_rate : (rate) -> Mistake, or None
        The same with another rate, if there is one to be found.
    kind : str
        Its kind in the list of `likelihood`, where that is finer than ``what``.
    distance : int
        How far the substitute lies from what belongs in its place; 0 if nothing is substituted.
    members : tuple of Mistake
        The single mistakes, if it is several made at once.
    """

    what: str
    where: str
    says: str
    right: str
    wrong: str
    change: Change
    kin: tuple[str, ...] = ()
    at_rate: Callable[[float], Mistake] | None = field(default=None, repr=False, compare=False)
    kind: str = ""
    distance: int = 0
    members: tuple[Mistake, ...] = field(default=(), repr=False, compare=False)

    @property
    def rank(self) -> tuple[int, int]:
        """What to sort mistakes by, the likeliest first (see `likelihood`)."""
        return rank(self.kind or self.what, self.distance)


def with_those_alike(several: Iterable[Mistake], position: Mapping[int, int]) -> Iterator[Mistake]:
    """Yield the mistakes of one kind that share a kin, made at once.

    Parameters
    ----------
    several : iterable of Mistake
    position : mapping of a wire to where in the network it is made
        The order of mistakes that are made together.
    """
    alike: dict[tuple[str, str], list[Mistake]] = {}
    for each in several:
        for kin in each.kin:
            alike.setdefault((each.what, kin), []).append(each)

    def first(mistake: Mistake) -> int:
        return min((position.get(wire, 0) for wire in mistake.change.at), default=0)

    for group in alike.values():
        if len(group) > 1:
            yield together(sorted(group, key=first))


def together(several: Sequence[Mistake]) -> Mistake:
    """Return mistakes of one kind made at once, at one rate if they have any."""
    first = several[0]
    places = dict.fromkeys(each.where for each in several[1:] if each.where != first.where)
    others = list(places or (each.right for each in several[1:]))
    others[FEW:] = [f"{len(others) - FEW} more"] if len(others) > FEW + 1 else others[FEW:]
    change = Change.of(each.change for each in several)
    rates = [each.at_rate for each in several if each.at_rate is not None]

    def at_rate(rate: float) -> Mistake:
        return together([replace(at(rate), kin=()) for at in rates])

    says = f"{first.says}; the same for {', '.join(others)}"
    return replace(
        first, says=says, change=change, kin=(), at_rate=at_rate if rates else None,
        members=tuple(several),
    )  # fmt: skip


def without(mistake: Mistake, settled: Set[int]) -> Mistake | None:
    """Return what is left of a mistake that changes no wires but those that are not settled.

    Parameters
    ----------
    mistake : Mistake
    settled : set of int
        Wires whose δ is known to be right.

    Returns
    -------
    Mistake or None
        Of several made at once, those that change another wire; None if none is left.
    """
    if not mistake.change.at & settled:
        return mistake
    kept = [each for each in mistake.members or (mistake,) if each.change.at - settled]
    if len(kept) == len(mistake.members) or not mistake.members:
        return mistake if kept else None
    return together(kept) if len(kept) > 1 else next(iter(kept), None)
