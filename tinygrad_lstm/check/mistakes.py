"""The mistakes that people make, each as a change of the adjoint network.

Knows graphs alone: a mistake is one of a gain, a sum or a carry, whatever network it stands in, and
is made at every step. A new one is one more generator here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import permutations
from typing import Any

import numpy as np

from ..evaluate import evaluate
from ..flow import DELAYS, Flow, Node
from .sight import Sight


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
    """

    made: Callable[[Flow], Flow]
    at: frozenset[int]
    is_none: bool = False

    def __call__(self, graph: Flow) -> Flow:
        return self.made(graph)


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
    """

    what: str
    where: str
    says: str
    right: str
    wrong: str
    change: Change
    kin: tuple[str, ...] = ()


class Scene:
    """What the generators of mistakes look at.

    Attributes
    ----------
    network, adjoint : Flow
    maker, user : dict of int to Node
        Of the network's wires.
    """

    def __init__(self, sight: Sight) -> None:
        self.sight, self.network, self.adjoint = sight, sight.network, sight.adjoint
        self.maker = {wire: node for node in self.network.nodes for wire in node.outputs}
        self.user = {wire: node for node in self.network.nodes for wire in node.inputs}
        self.gradients = evaluate(sight.adjoint)
        self.signals = [
            (node, node.outputs[0])
            for node in self.network.nodes
            if node.kind not in ("branch", "broadcast", "output", "collect", "parameter")
            and node.outputs
        ]

    def value(self, wire: int) -> Any:
        """Return what was recorded on a wire."""
        return self.network.wires[wire].value

    def changed(self, node: Node, **change: Any) -> Change:
        """Return how to change one node."""
        return Change(lambda graph: graph.with_node(node, **change), frozenset(node.outputs))

    def taken(self, node: Node, gain: Any) -> Change:
        """Return how to take something else for a gain, which may be the same by another name."""
        return replace(self.changed(node, gain=gain), is_none=np.array_equal(gain, node.gain))

    def whole(self, stem: str) -> str:
        """Return the packed parameter that one is a part of, or its own name."""
        wholes = {part: name for name, parts in self.sight.parts.items() for part, _ in parts}
        return wholes.get(stem, stem)

    def alike(self, wire: int) -> Iterator[tuple[str, Any]]:
        """Yield the other signals of the same shape and loop, by name."""
        shape, loop = np.shape(self.value(wire)), self.maker[wire].loop
        for node, other in self.signals:
            if other != wire and node.loop == loop and np.shape(self.value(other)) == shape:
                yield node.name, self.value(other)

    def source(self, wire: int) -> Node:
        """Return what makes a signal, through forks and broadcasts."""
        node = self.maker[wire]
        while node.kind in ("branch", "broadcast"):
            node = self.maker[node.inputs[0]]
        return node

    def makes(self, node: Node) -> str:
        """Return the name of the signal whose δ a node of the adjoint network makes."""
        return node.name.removeprefix("δ").partition(" (")[0]


GENERATORS: list[Callable[[Scene], Iterator[Mistake]]] = []


def mistakes(sight: Sight) -> list[Mistake]:
    """Return every single mistake that can be made in a network, and those made alike at once."""
    scene = Scene(sight)
    every = (each for generator in GENERATORS for each in generator(scene))
    single = [each for each in every if not each.change.is_none]
    alike: dict[tuple[str, ...], list[Mistake]] = {}
    for each in single:
        for kin in each.kin:
            alike.setdefault((each.what, kin), []).append(each)
    return single + [_together(several) for several in alike.values() if len(several) > 1]


def _all(changes: list[Change]) -> Change:
    def made(graph: Flow) -> Flow:
        for each in changes:
            graph = each(graph)
        return graph

    return Change(made, frozenset().union(*(each.at for each in changes)))


def _together(several: list[Mistake]) -> Mistake:
    """Return mistakes of one kind made at once."""
    first = several[0]
    change = _all([each.change for each in several])
    places = ", ".join(dict.fromkeys(each.where for each in several))
    return replace(first, says=f"{first.says}; the same for {places}", change=change, kin=())


def generator(made: Callable[[Scene], Iterator[Mistake]]) -> Callable[[Scene], Iterator[Mistake]]:
    """Add a generator to the library."""
    GENERATORS.append(made)
    return made


# --- the slope of a function ---------------------------------------------------------------------


class _Slip:
    """An array with which one operation of a rule goes wrong: ``+`` for ``-``, or y for y²."""

    def __init__(self, array: Any, slip: str) -> None:
        self.array, self.slip = array, slip

    def __mul__(self, other: Any) -> Any:
        if isinstance(other, _Slip):
            if self.slip == "power" and other is self:
                return self
            return _Slip(self.array * other.array, self.slip)
        return _Slip(self.array * other, self.slip)

    def __rsub__(self, other: Any) -> Any:
        array = other + self.array if self.slip == "sign" else other - self.array
        return _Slip(array, self.slip)

    __rmul__ = __mul__
    __array_ufunc__ = None


@generator
def slopes(scene: Scene) -> Iterator[Mistake]:
    """Take a function's slope wrongly."""
    for node in scene.adjoint.nodes:
        function = scene.user.get(node.outputs[0]) if node.kind == "gain" else None
        if function is None or function.kind != "function" or len(function.inputs) != 1:
            continue
        assert function.primitive is not None
        (rule,), (x,), y = function.primitive.rules, function.inputs, function.outputs[0]
        if rule is None:
            continue
        f, at, out = function.primitive.name, scene.value(x), scene.value(y)
        right, where = str(node.label), scene.makes(node)
        kin = (f"{function.scope}: {f}",)

        def made(what: str, says: str, wrong: str, gain: Any, node: Node = node, right: str = right,
                 where: str = where, kin: tuple[str, ...] = kin) -> Mistake:  # fmt: skip
            return Mistake(what, where, says, right, wrong, scene.taken(node, gain), kin)

        name = function.name
        yield made("derivative missing", f"the derivative of {f} is left out on the way to "
                   f"δ{where}", "1", np.ones_like(out))  # fmt: skip
        yield made("derivative twice", f"the derivative of {f} is applied twice", f"({right})²",
                   np.square(node.gain))  # fmt: skip
        yield made("function for derivative", f"{f} itself stands where its derivative belongs",
                   name, out)  # fmt: skip
        with np.errstate(all="ignore"):
            again = np.asarray(function.primitive.forward(out))
            slope = rule(out, again)
            yield made("derivative at the output", f"the derivative of {f} is taken at its output "
                       f"{name}, not at its input", f"{f}′({name})", slope)  # fmt: skip
            yield made("output's slope of a slope", f"the derivative of {f} is taken at the output "
                       "as if it were the input's", f"{f}′ at {name}", rule(at, at))  # fmt: skip
        yield from _shifted(scene, node, right, where)
        for slip, what in (("sign", "+ for −"), ("power", "y for y²")):
            try:
                wrong = rule(_Slip(at, slip), _Slip(out, slip))
            except TypeError:
                continue
            if isinstance(wrong, _Slip):
                form = {"sign": right.replace("-", "+"), "power": right.replace("²", "")}[slip]
                yield made("derivative of wrong form", f"the derivative of {f} has the wrong form, "
                           f"{what}", form, wrong.array)  # fmt: skip
        for other in scene.adjoint.nodes:
            if (
                other.kind == "gain" and other is not node and other.loop == node.loop
                and np.shape(other.gain) == np.shape(node.gain)
                and (user := scene.user.get(other.outputs[0])) is not None
                and user.kind == "function"
            ):  # fmt: skip
                yield made("another's derivative", f"the derivative of {user.name} stands where "
                           f"that of {name} belongs", str(other.label), other.gain)  # fmt: skip


# --- the partner of a product --------------------------------------------------------------------


@generator
def partners(scene: Scene) -> Iterator[Mistake]:
    """Take a product's other factor wrongly."""
    for node in scene.adjoint.nodes:
        product = scene.user.get(node.outputs[0]) if node.kind == "gain" else None
        if product is None or product.kind != "product":
            continue
        port = product.inputs.index(node.outputs[0])
        partner = product.inputs[1 - port]
        right, where = str(node.label), scene.makes(node)

        def made(what: str, says: str, wrong: str, gain: Any, node: Node = node,
                 right: str = right, where: str = where) -> Mistake:  # fmt: skip
            return Mistake(what, where, says, right, wrong, scene.taken(node, gain))

        yield made("factor missing", f"{right} is left out on the way to δ{where}", "1",
                   np.ones_like(node.gain))  # fmt: skip
        yield made("factor twice", f"{right} is applied twice", f"{right}²", np.square(node.gain))
        for name, value in scene.alike(partner):
            if np.shape(value) == np.shape(node.gain):
                yield made("wrong factor", f"{name} stands where {right} belongs, on the way to "
                           f"δ{where}", name, value)  # fmt: skip
        yield from _shifted(scene, node, right, where)


def _shifted(scene: Scene, node: Node, right: str, where: str) -> Iterator[Mistake]:
    """Take a gain at the wrong step."""
    if not node.folded or len(node.gain) < 2:
        return
    for by, word in ((1, "next"), (-1, "previous")):
        gain = np.zeros_like(node.gain)
        if by > 0:
            gain[:-1] = node.gain[1:]
        else:
            gain[1:] = node.gain[:-1]
        wrong = f"{right} at the {word} step"
        yield Mistake("factor of the wrong step", where, f"{right} is taken at the {word} step",
                      right, wrong, scene.changed(node, gain=gain))  # fmt: skip


RATES = (1.0, 0.5, 0.3, 0.2, 0.1, 0.05, 0.03, 0.01, 0.003, 0.001)  # that people learn with


def _updated(scene: Scene, node: Node, parameter: Node, rate: float) -> Any:
    """Return a weight after a step of gradient descent, at every step of the loop."""
    gradient = scene.gradients.get(f"δ{parameter.name.removesuffix(' (held)')}")
    if gradient is None or gradient.shape != np.shape(node.gain)[node.folded :]:
        return None
    return node.gain - rate * gradient


# --- weights -------------------------------------------------------------------------------------


@generator
def weights(scene: Scene) -> Iterator[Mistake]:
    """Send δ back through a weight wrongly, or read a weight's gradient wrongly."""
    for node in scene.adjoint.nodes:
        product = scene.user.get(node.outputs[0]) if node.kind == "matrix" else None
        if product is None or product.kind != "product":
            continue
        partner = product.inputs[1 - node.port]
        right, where = str(node.label), scene.makes(node)
        source = scene.source(partner)
        parameter = scene.source(partner if node.port == 0 else node.outputs[0])
        packed = scene.whole(parameter.stem)
        is_weight = source.kind in ("parameter", "hold") and np.ndim(node.gain) - node.folded == 2

        kin = (packed,)

        def made(what: str, says: str, wrong: str, gain: Any, node: Node = node, right: str = right,
                 where: str = where, kin: tuple[str, ...] = kin) -> Mistake:  # fmt: skip
            change = scene.taken(node, gain)
            if what.startswith("weight"):  # a matrix may be its own transpose, and yet be meant
                change = replace(change, is_none=False)
            return Mistake(what, where, says, right, wrong, change, kin)

        if is_weight:
            for rate in RATES if node.port == 0 else ():
                updated = _updated(scene, node, parameter, rate)
                if updated is not None:
                    yield made("weight updated before use", f"{parameter.stem} was updated, with "
                               f"the rate {rate:g}, before δ{where} was computed with it",
                               f"updated {right}", updated)  # fmt: skip
            shape = np.shape(node.gain)[-2:]
            if shape[0] == shape[1]:
                turned = np.swapaxes(node.gain, -1, -2)
                yield made("weight not transposed", f"{right[:-1]} stands where {right} belongs",
                           right.removesuffix("ᵀ"), turned)  # fmt: skip
                yield made("weight missing", f"{right} is left out on the way to δ{where}", "1",
                           np.broadcast_to(np.eye(shape[0]), np.shape(node.gain)))  # fmt: skip
            yield made("weight's sum alone", f"the size of {right} is used, not its entries",
                       "1", np.ones_like(node.gain))  # fmt: skip
        else:
            for name, value in scene.alike(partner):
                if np.shape(value) == np.shape(node.gain):
                    yield made("wrong factor", f"{name} stands where {right.removesuffix('ᵀ')} "
                               f"belongs, in the gradient of {where}", name, value,
                               kin=(f"{packed} {name}",))  # fmt: skip
            user = scene.user.get(product.outputs[0])
            seen = 0
            while user is not None and seen < 4:  # what the layer makes of it
                if user.outputs and np.shape(scene.value(user.outputs[0])) == np.shape(node.gain):
                    yield made("output for input", f"the layer's output {user.name} stands where "
                               f"its input {right.removesuffix('ᵀ')} belongs", user.name,
                               scene.value(user.outputs[0]))  # fmt: skip
                user, seen = scene.user.get(user.outputs[0]) if user.outputs else None, seen + 1
            for each in _shifted(scene, node, right, where):
                yield replace(each, kin=(f"{packed} {each.wrong.rpartition(' at ')[2]}",))


# --- forks and carries ---------------------------------------------------------------------------


@generator
def forks(scene: Scene) -> Iterator[Mistake]:
    """Forget a branch of a fork, keep only one, or halve the sum."""
    makers = {wire: node for node in scene.adjoint.nodes for wire in node.outputs}
    for node in scene.adjoint.nodes:
        if node.kind != "junction" or len(node.inputs) < 2:
            continue
        where = scene.makes(node)
        arms = [scene.adjoint.wires[wire].name.removeprefix("δ") for wire in node.inputs]
        right = " + ".join(f"δ({arm})" for arm in arms)

        def made(what: str, says: str, kept: list[int], node: Node = node, where: str = where,
                 right: str = right, arms: list[str] = arms) -> Mistake:  # fmt: skip
            return Mistake(
                what, where, says, right, " + ".join(f"δ({arms[at]})" for at in kept),
                scene.changed(node, inputs=tuple(node.inputs[at] for at in kept),
                              signs=tuple(node.signs[at] for at in kept)),
            )  # fmt: skip

        for at, wire in enumerate(node.inputs):
            carried = makers[wire].kind in DELAYS
            rest = [other for other in range(len(arms)) if other != at]
            yield made(
                "carry dropped" if carried else "branch forgotten",
                f"what comes back {'from the next step ' if carried else ''}through {arms[at]} is "
                f"not added to δ{where}", rest,
            )  # fmt: skip
            yield made("overwritten", f"δ{where} is what comes back through {arms[at]} alone: "
                       "overwritten, not added to", [at])  # fmt: skip
            if carried:
                yield Mistake(
                    "overwritten by the carry", where, f"what comes back from the next step "
                    f"through {arms[at]} overwrites δ{where}, instead of being added", right,
                    f"δ({arms[at]})", _all([_only_last(scene, node, other) for other in rest]),
                )  # fmt: skip
            flipped = tuple(-sign if other == at else sign for other, sign in enumerate(node.signs))
            yield Mistake("sign", where, f"what comes back through {arms[at]} has the wrong sign",
                          right, f"−δ({arms[at]})", scene.changed(node, signs=flipped))  # fmt: skip


def _only_last(scene: Scene, node: Node, arm: int) -> Change:
    """Return how to let what comes along an arm through at the last step alone."""
    assert node.loop is not None
    keep = np.zeros(len(scene.adjoint.loops[node.loop].steps))
    keep[-1 if _runs_back(scene, node) else 0] = 1.0

    def made(graph: Flow) -> Flow:
        (now,) = [each for each in graph.nodes if each.outputs == node.outputs]
        wire = len(graph.wires)
        once = Node("gain", (now.inputs[arm],), (wire,), node.name, loop=node.loop, gain=keep)
        inputs = tuple(wire if at == arm else each for at, each in enumerate(now.inputs))
        nodes = []
        for each in graph.nodes:
            nodes += [once, replace(now, inputs=inputs)] if each is now else [each]
        wires = (*graph.wires, replace(graph.wires[now.inputs[arm]], name=f"{node.name} {arm}"))
        return replace(graph, nodes=tuple(nodes), wires=wires)

    return Change(made, frozenset(node.outputs))


def _runs_back(scene: Scene, node: Node) -> bool:
    return any(each.kind == "advance" and each.loop == node.loop for each in scene.adjoint.nodes)


@generator
def branch_signs(scene: Scene) -> Iterator[Mistake]:
    """Forget a minus, or send it where it does not belong."""
    for node in scene.adjoint.nodes:
        if node.kind != "branch":
            continue
        for at, (sign, wire) in enumerate(zip(node.signs, node.outputs, strict=True)):
            arm = scene.adjoint.wires[wire].name.removeprefix("δ")
            flipped = tuple(-s if other == at else s for other, s in enumerate(node.signs))
            change = replace(scene.changed(node, signs=flipped), at=frozenset([wire]))
            yield Mistake("sign", arm, f"δ goes on to {arm} with the wrong sign",
                          "−δ" if sign < 0 else "δ", "δ" if sign < 0 else "−δ", change)  # fmt: skip


@generator
def carries(scene: Scene) -> Iterator[Mistake]:
    """Drop every carry of a loop."""
    makers = {wire: node for node in scene.adjoint.nodes for wire in node.outputs}
    for loop in {node.loop for node in scene.adjoint.nodes if node.kind in DELAYS}:
        changes, dropped = [], []
        for node in scene.adjoint.nodes:
            if node.loop != loop or node.kind != "junction":
                continue
            kept = [at for at, wire in enumerate(node.inputs) if makers[wire].kind not in DELAYS]
            if kept and len(kept) < len(node.inputs):
                dropped.append(scene.makes(node))
                changes.append(scene.changed(
                    node, inputs=tuple(node.inputs[at] for at in kept),
                    signs=tuple(node.signs[at] for at in kept),
                ))  # fmt: skip
        if len(dropped) > 1:
            yield Mistake("all carries dropped", dropped[0], "nothing comes back from the next "
                          f"step to {', '.join(dropped)}", "", "", _all(changes))  # fmt: skip


# --- sums over steps and batches -----------------------------------------------------------------


@generator
def sums(scene: Scene) -> Iterator[Mistake]:
    """Take only a step, or an average, where a sum over steps or a batch belongs."""
    for node in scene.adjoint.nodes:
        where = scene.makes(node)
        if node.kind == "hold" and node.transposed and node.loop is not None:
            count = len(scene.adjoint.loops[node.loop].steps)
            if count < 2:
                continue
            only = {"the first step": 0, "the last step": count - 1}
            for word, step in only.items():
                keep = np.zeros(count)
                keep[step] = 1.0
                yield _weighted(scene, node, "sum over steps missing", where, keep,
                                f"the gradient of {where} has only {word}'s share")  # fmt: skip
                yield _weighted(scene, node, "sum over steps missing", where, 1.0 - keep,
                                f"the gradient of {where} leaves out {word}")  # fmt: skip
            yield _weighted(scene, node, "average over steps", where, np.full(count, 1 / count),
                            f"the gradient of {where} is averaged over the steps")  # fmt: skip
        if node.kind == "broadcast" and node.transposed:
            inner, outer = node.shapes[0], node.parameters["shape"]
            count = int(np.prod(outer)) // max(int(np.prod(inner)), 1)
            if count > 1:
                scaled = Node("gain", node.inputs, node.inputs, node.name, loop=node.loop,
                              step=node.step, gain=_constant(scene, node, 1 / count))  # fmt: skip
                yield Mistake("average over the batch", where,
                              f"the gradient of {where} is averaged over the batch, not summed",
                              "Σ", "mean", _before(scene, node, scaled),
                              (scene.whole(where),))  # fmt: skip


def _constant(scene: Scene, node: Node, value: float) -> np.ndarray:
    count = (
        len(scene.adjoint.loops[node.loop].steps) if node.folded and node.loop is not None else 0
    )
    return np.full(count, value) if count else np.asarray(value)


def _weighted(scene: Scene, node: Node, what: str, where: str, keep: Any, says: str) -> Mistake:
    gain = Node("gain", node.inputs, node.inputs, node.name, loop=node.loop, gain=keep)
    share = says.partition(where)[2]
    kin = (f"{scene.whole(where)}{share}", f"all{share}")
    return Mistake(what, where, says, "Σ over the steps", "", _before(scene, node, gain), kin)


def _before(scene: Scene, node: Node, fresh: Node) -> Change:
    """Return how to put a gain on the wire before a node."""
    return Change(lambda adjoint: _put_before(adjoint, node, fresh), frozenset(node.outputs))


def _put_before(adjoint: Flow, node: Node, fresh: Node) -> Flow:
    wire = len(adjoint.wires)
    fresh = replace(fresh, outputs=(wire,))
    nodes: list[Node] = []
    for each in adjoint.nodes:
        if each is node:
            nodes.append(fresh)
            each = replace(node, inputs=(wire, *node.inputs[1:]))
        nodes.append(each)
    wires = (*adjoint.wires, replace(adjoint.wires[node.inputs[0]], name=f"{node.name} (slip)"))
    return replace(adjoint, nodes=tuple(nodes), wires=wires)


# --- factors -------------------------------------------------------------------------------------


@generator
def factors(scene: Scene) -> Iterator[Mistake]:
    """Scale everything: a factor of the loss, a sign, a number of entries, of steps, of a batch."""
    sizes = {2.0: "2", 0.5: "1/2", -1.0: "−1"}
    for node in scene.network.nodes:
        for count in np.shape(scene.value(node.outputs[0])) if node.outputs else ():
            if count > 1:
                sizes.setdefault(float(count), str(count))
                sizes.setdefault(1.0 / count, f"1/{count}")
    for node in scene.adjoint.nodes:
        if node.kind == "input":
            for size, text in sizes.items():
                yield Mistake("factor", scene.makes(node), f"everything is {text} times what it "
                              "should be: a factor of the loss", "1", text,
                              _driven(node.outputs[0], size))  # fmt: skip
        if node.kind in ("gain", "matrix", "jacobian"):
            where = scene.makes(node)
            for size, text in ((-1.0, "−1"), (2.0, "2"), (0.5, "1/2")):
                yield Mistake("sign" if size < 0 else "factor", where,
                              f"δ{where} is {text} times what it should be", str(node.label),
                              f"{text} · {node.label}",
                              scene.changed(node, gain=size * node.gain))  # fmt: skip


def _driven(wire: int, size: float) -> Change:
    def made(graph: Flow) -> Flow:
        wires = list(graph.wires)
        wires[wire] = replace(wires[wire], value=wires[wire].value * size)
        return replace(graph, wires=tuple(wires))

    return Change(made, frozenset([wire]))


# --- one for another -----------------------------------------------------------------------------


@generator
def exchanged(scene: Scene) -> Iterator[Mistake]:
    """Use one signal's δ for another's."""
    gains = [
        node
        for node in scene.adjoint.nodes
        if node.kind == "gain" and (user := scene.user.get(node.outputs[0])) is not None
        and user.kind == "function"
    ]  # fmt: skip
    for at, one in enumerate(gains):
        for other in gains[at + 1 :]:
            if one.loop == other.loop and np.shape(one.gain) == np.shape(other.gain):
                change = _all([scene.changed(one, outputs=other.outputs),
                               scene.changed(other, outputs=one.outputs), SORTED])  # fmt: skip
                names = scene.makes(one), scene.makes(other)
                yield Mistake("exchanged", names[0], f"δ{names[0]} and δ{names[1]} are exchanged",
                              "", "", change)  # fmt: skip
    yield from _read_elsewhere(scene)


def _read_elsewhere(scene: Scene) -> Iterator[Mistake]:
    """Read a parameter's gradient at another signal's δ."""
    makers = {wire: node for node in scene.adjoint.nodes for wire in node.outputs}
    branches = [node for node in scene.adjoint.nodes if node.kind == "branch"]
    for node in scene.adjoint.nodes:
        reads = node.kind == "matrix" and node.port == 1
        bias = (node.kind == "hold" or node.kind == "broadcast") and node.transposed
        if not (reads or bias):
            continue
        branch = makers.get(node.inputs[0])
        if branch is None or branch.kind != "branch":
            continue
        shape = np.shape(scene.network.wires[node.inputs[0]].value) if (
            node.inputs[0] < len(scene.network.wires)) else None  # fmt: skip
        for other in branches:
            arm = other.outputs[0]
            same = arm < len(scene.network.wires) and shape == np.shape(
                scene.network.wires[arm].value
            )
            if other is not branch and other.loop == branch.loop and same:
                where, name = scene.makes(node), scene.makes(other)
                graph = _all([scene.changed(node, inputs=(arm,)), SORTED])
                yield Mistake("another's δ", where, f"the gradient of {where} is made of δ{name}, "
                              f"not of δ{scene.makes(branch)}", f"δ{scene.makes(branch)}",
                              f"δ{name}", graph)  # fmt: skip


@generator
def orders(scene: Scene) -> Iterator[Mistake]:
    """Read what is packed side by side in another order, as other libraries pack it."""
    makers = {wire: node for node in scene.adjoint.nodes for wire in node.outputs}
    packed: dict[tuple[int, ...], list[list[Node]]] = {}  # by the widths of the parts
    for parts in scene.sight.parts.values():
        wires = [scene.sight.at.get(name, (-1, 0)) for name, _ in parts]
        if all(step is None and wire in makers for wire, step in wires):
            nodes = [makers[wire] for wire, _ in wires]
            packed.setdefault(tuple(width for _, width in parts), []).append(nodes)
    for widths, wholes in packed.items():
        for order in permutations(range(len(widths))) if len(widths) < 5 else ():
            if order == tuple(range(len(widths))) or len(set(widths)) > 1:
                continue
            moved = [
                scene.changed(nodes[at], outputs=nodes[to].outputs)
                for nodes in wholes
                for at, to in enumerate(order)
            ]
            names = [scene.makes(node).rpartition(".")[2] for node in wholes[0]]
            taken = ", ".join(names[order.index(at)] for at in range(len(names)))
            yield Mistake("order of what is packed", scene.makes(wholes[0][0]), "what is packed in "
                          f"the order {', '.join(names)} is given in the order {taken}",
                          ", ".join(names), taken, _all(moved))  # fmt: skip


@generator
def sent_on(scene: Scene) -> Iterator[Mistake]:
    """Send on what came to a function, as if it had been through its slope."""
    makers = {wire: node for node in scene.adjoint.nodes for wire in node.outputs}
    for node in scene.adjoint.nodes:
        if node.kind != "matrix" or node.port != 0:
            continue
        slope = makers.get(node.inputs[0])
        while slope is not None and slope.kind == "branch":
            slope = makers.get(slope.inputs[0])
        if slope is not None and slope.kind == "gain":
            where = scene.makes(node)
            yield Mistake("derivative not sent on", where, f"δ{where} is made of what comes to the "
                          f"function, without its derivative {slope.label}", str(slope.label), "1",
                          scene.changed(node, inputs=slope.inputs))  # fmt: skip


def in_order(graph: Flow) -> Flow:
    """Return a graph whose nodes stand in an order in which they can be run, loop by loop."""
    done: set[int] = set()
    waiting, nodes = list(graph.nodes), []
    carried = {wire for node in graph.nodes if node.kind in DELAYS for wire in node.outputs}
    while waiting:
        block = waiting[0].loop if waiting[0].folded else None
        stuck = True
        for node in list(waiting):
            if (node.loop if node.folded else None) != block:
                break
            if all(wire in done or wire in carried for wire in node.inputs) or node.kind in DELAYS:
                nodes.append(node)
                waiting.remove(node)
                done.update(node.outputs)
                stuck = False
        if stuck:
            return graph
    return replace(graph, nodes=tuple(nodes))


SORTED = Change(in_order, frozenset())

__all__ = ["Mistake", "mistakes"]
