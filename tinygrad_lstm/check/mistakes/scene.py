"""What those look at who think of mistakes: a network beside its adjoint one.

Knows graphs, and what was recorded on their wires; no mistake.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import copy
from dataclasses import replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ...engine.kind import Kind
from ...network.evaluate import evaluate
from ...network.flow import DELAYS, SOURCES, Node
from ...network.view import Sight
from .likelihood import distance_between
from .mistake import Change, Mistake
from .surgery import following, preceding

LEAVES = (Kind.INPUT, Kind.PARAMETER)
LAYER = 4  # how many signals on from a product its layer's output may be


class Instead(NamedTuple):
    """What is taken for a gain.

    Attributes
    ----------
    what, says, wrong : str
        As in `Mistake`.
    gain : array
    kin : str or None
        What tells its kin apart, if it has any.
    distance : int or None
        If another signal or another function is taken: how far it lies (see `likelihood`).
    is_number : bool
        Whether that signal is a plain number of the program.
    """

    what: str
    says: str
    wrong: str
    gain: Any
    kin: str | None = None
    distance: int | None = None
    is_number: bool = False


class Scene:
    """A network and its adjoint one.

    Attributes
    ----------
    network, adjoint : Flow
        The wires of the network have the same numbers in both.
    maker, user : dict of int to Node
        Of the network's wires.
    sender, reader : dict of int to Node
        The same of the adjoint network's wires; of several readers the last.
    readers, ends : dict of int to list of Node
        All readers but for the outputs, and these.
    nodes : iterable of Node
        Those of the adjoint network at which mistakes are listed.
    everywhere : Scene
        The same with every node of the adjoint network.
    others : Scene
        The same with the nodes from which a substitute is taken: none, or every one.

    Parameters
    ----------
    sight : Sight
    tick : () -> None, optional
        Called again and again while mistakes are listed; may raise an error to end that.
    """

    def __init__(self, sight: Sight, tick: Callable[[], None] = lambda: None) -> None:
        self.sight, self.network, self.adjoint = sight, sight.network, sight.adjoint
        self.tick = tick
        self.nodes: Iterable[Node] = Ticking(self.adjoint.nodes, tick)
        self.everywhere = self
        self.seen: dict[tuple[str, tuple[int, ...]], set[Any]] = {}
        self.listing = ""
        self.maker = {wire: node for node in self.network.nodes for wire in node.outputs}
        self.user = {wire: node for node in self.network.nodes for wire in node.inputs}
        self.sender = {wire: node for node in self.adjoint.nodes for wire in node.outputs}
        self.reader = {wire: node for node in self.adjoint.nodes for wire in node.inputs}
        self.ends: dict[int, list[Node]] = {}  # the outputs of the adjoint network, by their wire
        self.readers: dict[int, list[Node]] = {}
        for node in self.adjoint.nodes:
            for wire in node.inputs:
                (self.ends if node.kind is Kind.OUTPUT else self.readers).setdefault(
                    wire, []
                ).append(node)
        self.position = {wire: at for at, n in enumerate(self.adjoint.nodes) for wire in n.outputs}
        self.wholes = {part: name for name, parts in sight.parts.items() for part, _ in parts}
        # the signals that may be taken for each other, in the order of recording
        self.signals: dict[tuple[int | None, tuple[int, ...]], list[Node]] = {}
        self.among: dict[int, int] = {}  # which of them a signal is, by its wire
        for node in self.network.nodes:
            skipped = node.kind in (
                Kind.BRANCH,
                Kind.BROADCAST,
                Kind.OUTPUT,
                Kind.COLLECT,
                Kind.PARAMETER,
            )
            if not skipped and node.outputs and not self._is_summand(node):
                wire = node.outputs[0]
                several = self.signals.setdefault((node.loop, np.shape(self.value(wire))), [])
                self.among[wire] = len(several)
                several.append(node)
        self.leaf_nodes = [node for node in self.network.nodes if node.kind in LEAVES]
        self.others = self.at(())  # none, at first

    def at(self, nodes: Iterable[Node], listing: str = "", takes_others: bool = False) -> Scene:
        """Return the same scene with other nodes at which mistakes are listed.

        Parameters
        ----------
        nodes : iterable of Node
        listing : str
            By whom: nobody lists the same substitute for a gain again.
        takes_others : bool
            Whether to take one signal for another, too.
        """
        other = copy(self)
        other.nodes, other.listing = Ticking(nodes, self.tick), listing
        if takes_others:
            other.others = self.everywhere
        return other

    @property
    def takes_others(self) -> bool:
        """Whether mistakes are listed that take one signal for another."""
        return self.others is self.everywhere

    def _is_summand(self, node: Node) -> bool:
        """Whether it is a product that stands nowhere but in a sum: nobody gives it a letter."""
        user = self.user.get(node.outputs[0])
        return node.kind is Kind.BILINEAR and user is not None and user.kind is Kind.JUNCTION

    @cached_property
    def gradients(self) -> dict[str, np.ndarray]:
        """What comes out of the adjoint network."""
        return evaluate(self.adjoint)

    # --- of the network --------------------------------------------------------------------------

    def value(self, wire: int) -> Any:
        """Return what was recorded on a wire, as numbers: a rule may subtract truth values."""
        value = self.network.wires[wire].value
        return value.astype(float) if value.dtype == bool else value

    def alike(self, wire: int) -> Iterator[tuple[Node, Any, int]]:
        """Yield the other signals of the same shape and loop, with their values and distances.

        The nearest in the order of recording first; none unless one signal is taken for another.
        """
        if not self.takes_others:
            return
        source = self.source(wire)
        several = self.signals.get((self.maker[wire].loop, np.shape(self.value(wire))), [])
        start = self.among.get(source.outputs[0], 0)
        for at in sorted(range(len(several)), key=lambda at: abs(at - start)):
            node = several[at]
            if node is not source and not self._is_one_number(node, source):
                yield node, self.value(node.outputs[0]), distance_between(node, source)

    def _is_one_number(self, one: Node, other: Node) -> bool:
        """Whether two signals are a plain number of the program, the same one."""
        if not one.kind is other.kind is Kind.CONSTANT:
            return False
        values = self.value(one.outputs[0]), self.value(other.outputs[0])
        return np.ndim(values[0]) == np.ndim(values[1]) == 0 and bool(values[0] == values[1])

    def leaves_alike(self, wire: int) -> Iterator[tuple[Node, Any, int]]:
        """Yield the other leaves of the shape of one, as large as the one is used."""
        own, shape = self.leaf(wire), np.shape(self.value(wire))
        if not self.takes_others or own is None or own.kind not in LEAVES:
            return
        for node in self.leaf_nodes:
            if node is not own:
                value = self.value(node.outputs[0])
                if np.shape(value) == np.shape(self.value(own.outputs[0])):
                    yield node, np.broadcast_to(value, shape), distance_between(node, own)

    def made_of(self, product: Node) -> Iterator[tuple[str, Any]]:
        """Yield what a layer's functions make of its product, up to its output."""
        user = self.user.get(product.outputs[0])
        for _ in range(LAYER):
            if user is None or not user.outputs:
                return
            if user.kind is Kind.ELEMENTWISE:
                yield user.name, self.value(user.outputs[0])
            user = self.user.get(user.outputs[0])

    def source(self, wire: int) -> Node:
        """Return what makes a signal, through forks and broadcasts."""
        node = self.maker[wire]
        while node.kind in (Kind.BRANCH, Kind.BROADCAST):
            node = self.maker[node.inputs[0]]
        return node

    def leaf(self, wire: int) -> Node | None:
        """Return the leaf that a signal is, at every step the same, or None."""
        node = self.source(wire)
        while node.kind in (Kind.HOLD, Kind.BRANCH, Kind.BROADCAST):
            node = self.maker[node.inputs[0]]
        return node if node.kind in SOURCES else None

    def unmapped(self, wire: int) -> int:
        """Return the wire of what a signal was before linear maps."""
        node = self.source(wire)
        while node.kind is Kind.LINEAR and len(node.inputs) == 1:
            wire = node.inputs[0]
            node = self.source(wire)
        return wire

    def whole(self, stem: str) -> str:
        """Return the packed parameter that one is a part of, or its own name."""
        return self.wholes.get(stem, stem)

    # --- of the adjoint network ------------------------------------------------------------------

    def ways(self, *kinds: Kind, through: Kind) -> Iterator[tuple[Node, Node, int]]:
        """Yield the nodes of some kinds that lead back through others, and to which operand."""
        for node in self.nodes:
            if node.kind in kinds:
                passed = self.user.get(node.outputs[0])
                if passed is not None and passed.kind is through:
                    yield node, passed, passed.inputs.index(node.outputs[0])

    def leaves(self) -> Iterator[tuple[Node, Node]]:
        """Yield where the gradients of leaves come out, each with the node that makes it."""
        for maker in self.nodes:
            for wire in maker.outputs if len(maker.outputs) == 1 else ():
                for node in self.ends.get(wire, ()):
                    yield node, maker

    def junctions(self) -> Iterator[Node]:
        """Yield the junctions at which branches meet."""
        for node in self.nodes:
            if node.kind is Kind.JUNCTION and len(node.inputs) > 1:
                yield node

    def is_carried(self, node: Node) -> list[bool]:
        """Return which arms of a junction come from another step."""
        return [self.sender[wire].kind in DELAYS for wire in node.inputs]

    def makes(self, node: Node) -> str:
        """Return the name of the signal whose δ a node of the adjoint network makes."""
        name = node.name
        if node.kind in (Kind.JACOBIAN, Kind.LINEAR) and node.outputs[0] in self.maker:
            name = self.source(node.outputs[0]).name  # it is called by what it was made of
        return name.removeprefix("δ").partition(" (")[0]

    def arms(self, node: Node) -> list[str]:
        """Return the names of what comes into a junction of the adjoint network."""
        return [self.adjoint.wires[wire].name.removeprefix("δ") for wire in node.inputs]

    def root(self, wire: int) -> int:
        """Return the wire from which a δ comes, through forks that leave it as it is."""
        node = self.sender.get(wire)
        while node is not None and node.kind is Kind.BRANCH:
            if node.signs[node.outputs.index(wire)] < 0:
                break
            (wire,) = node.inputs
            node = self.sender.get(wire)
        return wire

    def steps(self, node: Node) -> int:
        """Return how many steps a node is run at; 0 if it is in no folded loop."""
        assert node.loop is not None or not node.folded
        return len(self.adjoint.loops[node.loop or 0].steps) if node.folded else 0

    # --- changes ---------------------------------------------------------------------------------

    def at_every_step(self, node: Node, gain: Any) -> Any:
        """Return a gain for a place beside a node."""
        count = self.steps(node)
        return np.broadcast_to(gain, (count, *np.shape(gain))) if count else np.asarray(gain)

    def changed(
        self, node: Node, edit: Callable[[Node], Node] | None = None, **fields: Any
    ) -> Change:
        """Return how to change a node: some of its fields, or by an edit of what it is by then."""

        def now(each: Node) -> Node:
            return replace(each, **fields) if edit is None else edit(each)

        return Change.by(node, lambda each, wire: [now(each)])

    def kept(self, node: Node, arms: Sequence[int]) -> Change:
        """Return how to leave a junction some of its arms alone."""

        def edit(now: Node) -> Node:
            inputs, signs = ([each[at] for at in arms] for each in (now.inputs, now.signs))
            return replace(now, inputs=tuple(inputs), signs=tuple(signs))

        return self.changed(node, edit)

    def weighted(self, node: Node, port: int, gain: Any) -> Change:
        """Return how to put a gain before a port of a node, for each step if it has steps."""
        return Change.by(
            node, preceding(port, Node(Kind.GAIN, gain=gain)), bool(np.all(np.asarray(gain) == 1))
        )

    def before(self, node: Node, fresh: Node) -> Change:
        """Return how to put another node before the only port of one."""
        return Change.by(node, preceding(0, fresh))

    def behind(self, node: Node, fresh: Node) -> Change:
        """Return how to put another node after one."""
        return Change.by(node, following(fresh))

    def instead(self, node: Node, several: Iterable[Instead], *kin: str) -> Iterator[Mistake]:
        """Yield the mistakes of taking something else for a gain, each something else but once.

        A substitute that is 0 everywhere is left to those that leave the whole path out.
        """
        seen = self.seen.setdefault((self.listing, node.outputs), set())
        if self.takes_others:
            seen = set(seen)  # they are many
        for each in several:
            print_of = _print_of(each.gain)
            if print_of in seen or not np.any(each.gain):
                continue
            seen.add(print_of)
            taken = each if each.distance is None else self._as_number(node, each)
            is_none = np.shape(taken.gain) == np.shape(node.gain) and np.allclose(
                taken.gain, node.gain, rtol=1e-12, atol=0.0
            )
            change = replace(self.changed(node, gain=taken.gain), is_none=bool(is_none))
            shared = () if taken.kin is None else tuple(f"{of}: {taken.kin}" for of in kin)
            yield Mistake(taken.what, self.makes(node), taken.says, str(node.label), taken.wrong,
                          change, shared, distance=taken.distance or 0)  # fmt: skip

    def _as_number(self, node: Node, substitute: Instead) -> Instead:
        """Return a substitute as a number, if it is one on these data, or one times the right gain.

        Of a single entry that can be said of any signal: only what is a number in the program is.
        """
        gain, right, where = substitute.gain, node.gain, self.makes(node)
        if np.shape(gain) != np.shape(right) or (np.size(gain) < 2 and not substitute.is_number):
            return substitute
        ratio = _ratio(gain, right)
        if ratio == 1:
            return substitute  # two signals of the same values
        if ratio is not None:
            return Instead("sign" if ratio == -1 else "factor",
                           f"δ{where} is {spelled(ratio)} times what it should be",
                           f"{spelled(ratio)} · {node.label}", gain)  # fmt: skip
        number = _ratio(gain, np.ones_like(right))
        if number is not None:
            return Instead("factor", f"{node.label} is left out on the way to δ{where}, and "
                           f"{spelled(number)} stands in its place", spelled(number),
                           gain)  # fmt: skip
        return substitute


@np.errstate(all="ignore")  # numbers may be as large as they like
def _ratio(gain: Any, right: Any) -> float | None:
    """Return the number by which one array is a multiple of another; None if there is none."""
    flat, other = np.asarray(right, float).ravel(), np.asarray(gain, float).ravel()
    if (
        not flat.size
        or not flat[0]
        or abs(flat[0] * other[-1] - flat[-1] * other[0]) > 1e-9 * abs(flat[-1] * other[0])
    ):
        return None  # as most are, at a glance
    ratio = float(other[0] / flat[0])
    return ratio if np.allclose(other, ratio * flat, rtol=1e-12, atol=0.0) else None


def spelled(size: float) -> str:
    """Return a factor as people write it.

    >>> spelled(-1.0), spelled(0.5), spelled(3.0)
    ('−1', '1/2', '3')
    """
    return "1/2" if size == 0.5 else f"{size:.6g}".replace("-", "−")


class Ticking:
    """Nodes to look at, one after the other, and a call before each.

    Parameters
    ----------
    nodes : iterable of Node
    tick : () -> None
    """

    def __init__(self, nodes: Iterable[Node], tick: Callable[[], None]) -> None:
        self.nodes, self.tick = nodes, tick

    def __iter__(self) -> Iterator[Node]:
        for node in self.nodes:
            self.tick()
            yield node


def _print_of(gain: Any) -> Any:
    """Return what two gains have in common that are equal, but nothing that keeps them."""
    array = np.asarray(gain)
    number = array + 0.0  # −0 is 0
    return array.shape, hash(number.tobytes()), float(np.sum(number))


def shifted(gain: Any, by: int, edge: str) -> Any:
    """Return a gain as it is so many steps later; where there is none, 0 or what it was."""
    moved = np.zeros_like(gain) if edge == "0" else np.array(gain)
    if by > 0:
        moved[:-by] = gain[by:]
    else:
        moved[-by:] = gain[:by]
    return moved


def names(several: Sequence[str]) -> str:
    """Return names as they stand in a sentence.

    >>> names(["a", "b", "c"])
    'a, b and c'
    """
    *first, last = several
    return f"{', '.join(first)} and {last}" if first else last
