"""The skeleton of a picture in Wan and Beaufays' style: its vertices, and the arcs between them.

Knows nodes, and nothing of how a picture is drawn. The network and its adjoint have one skeleton:
each vertex and each arc says what it is in the network and in the adjoint network.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import takewhile
from typing import NamedTuple, TypeVar

from ..engine.kind import Kind
from ..network.flow import SOURCES, Node

Item = TypeVar("Item")


class Role(StrEnum):
    """The role of a vertex in a picture, as the legend says it."""

    SUM = "sum"
    BRANCH = "branch"
    PRODUCT = "product"
    MATMUL = "matmul"
    FUNCTION = "function"
    DELAY = "delay"
    END = "end"
    ALIAS = "alias"
    GAP = "gap"
    BOX = "box"
    MODULE = "module"


HELD = "Σₖ"  # the factor of the δ of a signal that every step reads
LOOSE = (Role.ALIAS, Role.END)  # vertices that stand at the edge of the network


class Reading(NamedTuple):
    """The entries of a sequence that a vertex reads, one at each step.

    Attributes
    ----------
    source : int
        The wire of the sequence, as it is given.
    name : str
        Of the sequence.
    entries : tuple of int
    steps : tuple of int
        The step at which the vertex reads each entry.
    """

    source: int
    name: str
    entries: tuple[int, ...]
    steps: tuple[int, ...]


class Share(NamedTuple):
    """A further δ that is a part of an arc's δ: on a wire, at one step of the loop or as it is."""

    wire: int
    step: int | None = None
    place: int | None = None


@dataclass(slots=True)
class Vertex:
    """An element of the picture.

    Attributes
    ----------
    role : Role
        ``end`` of the network; ``alias``, which repeats a parameter or a constant beside its use;
        ``gap``, which stands for steps that are left out; ``box`` for an operation that has no role
        of its own; ``module`` for all that is in one.
    forward, adjoint : tuple of str
        What is written in it, line by line, in the network and in its adjoint.
    name : str
        The full name of the signal it stands for.
    scope : tuple of str
        The frames that it stands in.
    wire : int
        Of the signal that it makes, or takes if the network ends in it.
    is_still : bool
        Whether no δ comes back to it.
    is_marked : bool
    step : tuple of int or None
        The loop that it belongs to, and the step if the loop is not folded.
    whole : str
        The full name of the signal that it reads a part of, if it does.
    meaning : str
        What it does, if not everybody knows: its function; of a matrix product, what is multiplied.
    reading : Reading or None
        What it reads of a sequence.
    shares : tuple of Share
        What else its δ is the sum of, beside the δ on its wire.
    gradient : str
        Of a parameter, the equation of its gradient.
    is_parameter : bool
        Whether an end of the network is a parameter that is used once, and no signal at a step.
    below : (str, str)
        What stands below the name of an end, in the network and in the adjoint: the loss, and its
        derivative.
    """

    role: Role
    forward: tuple[str, ...] = ()
    adjoint: tuple[str, ...] = ()
    name: str = ""
    scope: tuple[str, ...] = ()
    wire: int = -1
    is_still: bool = False
    is_marked: bool = False
    step: tuple[int, int | None] | None = None
    whole: str = ""
    meaning: str = ""
    reading: Reading | None = None
    shares: tuple[Share, ...] = ()
    gradient: str = ""
    is_parameter: bool = False
    below: tuple[str, str] = ("", "")


class Sort(StrEnum):
    """The sort of a label: what it says of its arrow."""

    NAME = "name"
    WEIGHT = "weight"
    GAIN = "gain"


@dataclass(frozen=True, slots=True)
class Label:
    """A label on an arc: the name of a signal, or a factor that multiplies the signal.

    Attributes
    ----------
    sort : Sort
        ``name`` of what the arc carries at this place; ``weight``, which is a parameter, or
        ``gain``, any other factor.
    forward, adjoint : tuple of str
        What is written, line by line, in the network and in its adjoint; nothing if the label is
        in the other alone.
    scope : tuple of str
        The frames that it stands in.
    gradient : str
        Of a weight, the equation of its gradient, which stands beside it in the adjoint.
    works_by_entry : bool
        Whether the factor multiplies entry by entry; if not, the factor is that of a matrix product
        or of another map of whole arrays.
    """

    sort: Sort
    forward: tuple[str, ...] = ()
    adjoint: tuple[str, ...] = ()
    scope: tuple[str, ...] = ()
    gradient: str = ""
    works_by_entry: bool = True


@dataclass(slots=True)
class Arc:
    """A signal's way between two vertices.

    Attributes
    ----------
    tail, head : int
        Places, as positions in the skeleton's list.
    labels : tuple of Label
        From its tail to its head.
    wire : int
        Of the signal that comes to its head, before a gain of the head.
    shares : tuple of Share
        What else its δ is the sum of, beside the δ on its wire.
    name, shown : str
        The full name of the signal at its tail, and its name within its frame if it has one.
    is_live : bool
        Whether a δ comes back along it.
    is_carry : bool
        Whether it leads through a delay.
    weight : Node, or None
        The product with a weight that it stands for.
    weight_name : str
        What the weight is called; of a part of one, ``lstm.W.i``.
    entry : int or None
        Which entry of its signal it stands for, if not for all of it.
    number : float or None
        The weight that it stands for, if it is one number.
    color : str
        How it is to be drawn, if not as usual.
    is_marked : bool
    turn : int
        Of an arc from one row of the picture to another, how many labels stand in the first row;
        0 if it stays in its row.
    """

    tail: int
    head: int
    labels: tuple[Label, ...] = ()
    wire: int = -1
    name: str = ""
    shown: str = ""
    is_live: bool = True
    is_carry: bool = False
    weight: Node | None = None
    weight_name: str = ""
    entry: int | None = None
    number: float | None = None
    color: str = ""
    is_marked: bool = False
    shares: tuple[Share, ...] = ()
    turn: int = 0


@dataclass
class Skeleton:
    """The vertices and arcs of a picture, its notes and equations, and the row of each vertex.

    The letters are those of signals that nobody named.
    """

    vertices: list[Vertex] = field(default_factory=list)
    arcs: list[Arc] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    equations: list[str] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    letters: tuple[str, ...] = ()


def named(name: str, δ: str | None = None, scope: tuple[str, ...] = ()) -> tuple[Label, ...]:
    """Return the label that says the name of a signal, and of its δ; none without a name."""
    back = f"δ{name}" if δ is None else δ
    return (Label(Sort.NAME, (name,), (back,), scope),) if name else ()


def is_way_back(tail: Vertex, head: Vertex) -> bool:
    """Return whether an arc brings a delay what the next step reads, and not its initial value."""
    same_loop = tail.step is not None and head.step is not None and tail.step[0] == head.step[0]
    return head.role is Role.DELAY and tail.role not in LOOSE and same_loop


def merge(drawn: Skeleton, boxes: Mapping[int, Vertex]) -> tuple[Skeleton, list[int]]:
    """Return a skeleton with boxes in place of vertices, without arcs, and the new places.

    Parameters
    ----------
    drawn : Skeleton
    boxes : mapping of a place to the box there
        One box may stand for several vertices.
    """
    shown = Skeleton(notes=[*drawn.notes], equations=[*drawn.equations], letters=drawn.letters)
    known: dict[int, int] = {}  # the place of a vertex, by its identity
    places = []
    for at, vertex in enumerate(drawn.vertices):
        vertex = boxes.get(at, vertex)
        if id(vertex) not in known:
            known[id(vertex)] = len(shown.vertices)
            shown.vertices.append(vertex)
        places.append(known[id(vertex)])
    return shown, places


def is_matmul(node: Node) -> bool:
    """Return whether a node is a product of matrices, not of entries."""
    return node.kind is Kind.BILINEAR and not node.works_by_entry


def frames(node: Node) -> tuple[str, ...]:
    """Return the frames that a node stands in: its step first, if it has one, then its scopes."""
    if node.kind in SOURCES:
        return ()
    step = () if node.step is None or node.loop is None else (f"k = {node.step}",)
    return (*step, *modules(node.scope))


def modules(scope: str) -> tuple[str, ...]:
    """Return the modules of a scope, from the outermost in; one of a list has its number.

    >>> modules("lstm.layers.0")
    ('lstm', 'layers.0')
    """
    names: list[str] = []
    for name in scope.split(".") if scope else ():
        if name.isdigit() and names:
            name = f"{names.pop()}.{name}"
        names.append(name)
    return tuple(names)


def common(rows: Iterable[tuple[Item, ...]]) -> tuple[Item, ...]:
    """Return what several scopes, or rows of labels, begin with alike."""
    columns = takewhile(lambda items: len(set(items)) == 1, zip(*rows, strict=False))
    return tuple(items[0] for items in columns)


def within(scope: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the frames of steps and those of modules."""
    steps = tuple(frame for frame in scope if frame.startswith("k = "))
    return steps, scope[len(steps) :]
