"""Factors and signs.

Knows graphs.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial

import numpy as np

from ...engine.kind import Kind
from ...engine.limit import Interruptible
from ...network.flow import Flow, Node
from .changes import Change, Edit
from .mistake import Mistake, joint
from .networks import LEAVES, Networks
from .wording import factor_text

SCALED = (Kind.GAIN, Kind.MATRIX, Kind.JACOBIAN, Kind.JUNCTION, Kind.LINEAR)
SIZES = {-1.0: "−1", 2.0: "2", 0.5: "1/2"}
SHARED = 1e-3  # of a norm: gradients of few digits that are clipped to one norm differ by less


def loss_factors(nets: Networks) -> Iterator[Mistake]:
    """Scale everything: a factor of the loss, a sign, a number of entries, of steps, of a batch."""
    sizes = {2.0: "2", 0.5: "1/2", -1.0: "−1"}
    for node in Interruptible(nets.network.nodes):
        for count in np.shape(nets.value(node.outputs[0])) if node.outputs else ():
            if count > 1:
                sizes.setdefault(float(count), str(count))
                sizes.setdefault(1.0 / count, f"1/{count}")
    for node in nets.nodes:
        if node.kind is Kind.INPUT:
            for size, text in sizes.items():
                kind = "sign" if size < 0 else "factor"
                yield _everything(nets, node, size, text, kind)


def _everything(nets: Networks, node: Node, size: float, text: str, kind: str) -> Mistake:
    says = f"every gradient is {text} times what it should be: a factor of the loss"
    change, ranked_as = _scaled_input(node.outputs[0], size), f"{kind} of the loss"
    return Mistake(kind=kind, where=nets.makes(node), says=says, right="1", wrong=text,
                   change=change, ranked_as=ranked_as)  # fmt: skip


def _any_of_everything(nets: Networks, node: Node, size: float, text: str) -> Mistake:
    everything = _everything(nets, node, size, text, "factor")
    return replace(everything, ranked_as="any factor of the loss")


def _scaled_input(wire: int, size: float) -> Change:
    def apply(graph: Flow) -> Flow:
        wires = list(graph.wires)
        wires[wire] = replace(wires[wire], value=wires[wire].value * size)
        return replace(graph, wires=tuple(wires))

    return Change(apply, frozenset([wire]))


def branch_signs(nets: Networks) -> Iterator[Mistake]:
    """Forget a minus, or add one where none belongs."""
    for node in nets.nodes:
        for at, wire in enumerate(node.outputs if node.kind is Kind.BRANCH else ()):
            arm = nets.adjoint.wires[wire].name.removeprefix("δ")
            wrong, right = ("δ", "−δ") if node.signs[at] < 0 else ("−δ", "δ")
            change = replace(Change.by(node, _flip(at)), at=frozenset([wire]))
            yield Mistake(kind="sign", where=arm, says=f"δ is passed on to {arm} with the wrong "
                          "sign", right=right, wrong=wrong, change=change)  # fmt: skip


def lost_minuses(nets: Networks) -> Iterator[Mistake]:
    """Differentiate 1 - z as 1 - δ, where −δ belongs."""
    for node in nets.nodes:
        for at, wire in enumerate(node.outputs if node.kind is Kind.BRANCH else ()):
            reader = nets.reader.get(wire)
            if node.signs[at] > 0 or reader is None or reader.kind is Kind.OUTPUT:
                continue
            arm, port = nets.adjoint.wires[wire].name.removeprefix("δ"), reader.inputs.index(wire)
            one = Node(Kind.GAIN, gain=np.asarray(1.0), scale=operator.add)
            yield Mistake(kind="1 − δ for −δ", where=arm, says=f"1 − δ is passed on to {arm}, "
                          "where −δ belongs", right="−δ", wrong="1 − δ",
                          change=Change.put(reader, port, one))  # fmt: skip


def _flip(at: int) -> Edit:
    def edit(now: Node, wire: int) -> list[Node]:
        signs = tuple(-sign if k == at else sign for k, sign in enumerate(now.signs))
        return [replace(now, signs=signs)]

    return edit


def signal_factors(nets: Networks) -> Iterator[Mistake]:
    """Scale δ of a signal by 2 or a half, or turn its sign."""
    for node in nets.nodes:
        if node.kind not in (Kind.GAIN, Kind.MATRIX, Kind.JACOBIAN, Kind.JUNCTION):
            continue
        where = nets.makes(node)
        right = str(node.label) if node.label is not None else "it"
        for size, text in SIZES.items():
            if node.kind is Kind.JUNCTION:
                gain = nets.at_every_step(node, size)
                ports = range(len(node.inputs))
                change = Change.all(Change.weigh(node, port, gain) for port in ports)
            else:
                change = Change.by(node, _times(size))
            yield Mistake(kind="sign" if size < 0 else "factor", where=where, says=f"δ{where} is "
                          f"{text} times what it should be", right=right, wrong=f"{text} times it",
                          change=change)  # fmt: skip


def leaf_factors(nets: Networks) -> Iterator[Mistake]:
    """Scale the gradient of a leaf, or of all that is packed with it."""
    for node, maker in nets.leaves():
        for size, text in SIZES.items():
            kind = "sign" if size < 0 else "factor"
            yield _leaf(nets, node, maker, size, text, kind)


def _leaf(nets: Networks, node: Node, maker: Node, size: float, text: str, kind: str) -> Mistake:
    where = nets.makes(node)
    says = f"the gradient of {where} is {text} times what it should be"
    change = Change.behind(maker, Node(Kind.GAIN, gain=np.asarray(size)))
    groups = f"{nets.whole(where)} {text}", f"all {text}"
    return Mistake(kind=kind, where=where, says=says, right="1", wrong=f"{text} times it",
                   change=change, groups=groups)  # fmt: skip


def any_factors(nets: Networks) -> Iterator[Mistake]:
    """Scale everything, or the gradient of a leaf, by any number, which `rates` determines."""
    makes: list[Callable[[float, str], Mistake]] = [
        partial(_any_of_everything, nets, node) for node in nets.nodes if node.kind is Kind.INPUT
    ]
    leaves = [*nets.leaves()]
    makes += [partial(_leaf, nets, *both, kind="factor") for both in leaves]
    if leaves:
        makes.append(partial(_every_leaf, nets))
    for make in makes:

        def at_rate(rate: float, make: Callable[[float, str], Mistake] = make) -> Mistake:
            return make(rate, factor_text(rate))

        yield replace(make(1.0, "any number of"), at_rate=at_rate)


def _every_leaf(nets: Networks, size: float, text: str) -> Mistake:
    """Return the mistake that scales the gradients of all leaves, and nothing before."""
    several = [_leaf(nets, *both, size, text, "factor") for both in nets.leaves()]
    norm = np.sqrt(sum(float(np.sum(nets.gradients[f"δ{x.where}"] ** 2)) for x in several))
    clipped, mistake = _rounded(abs(size) * norm), joint(several)
    if clipped is not None and 0 < size < 1:
        return replace(mistake, kind="clipped", says="the gradients of all leaves are scaled to a "
                       f"common norm of {clipped:g}: clipped by norm", right="1",
                       wrong=f"{clipped:g}/‖δ‖")  # fmt: skip
    says = f"the gradients of all leaves are {text} times what they should be"
    if _rounded(size) is not None:
        says += ": a learning rate, or the probability of a dropout, perhaps"
    return replace(mistake, says=says)


def _rounded(number: float) -> float | None:
    """Return a number as a person chooses it, of two digits; None if it is not near one."""
    short = float(f"{number:.2g}")
    return short if np.isclose(number, short, rtol=1e-9, atol=0.0) else None


def any_signal_factors(nets: Networks) -> Iterator[Mistake]:
    """Scale δ of a signal by any number, which `rates` determines."""
    for node in nets.nodes:
        if node.kind in SCALED and len(node.outputs) == 1 and nets.leaf(node.outputs[0]) is None:
            yield _signal(nets, node, 1.0)


def _signal(nets: Networks, node: Node, rate: float) -> Mistake:
    where, text = nets.makes(node), factor_text(rate)

    def edit(now: Node, wire: int) -> list[Node]:
        gain = Node(Kind.GAIN, inputs=(wire,), outputs=now.outputs, name=now.name, loop=now.loop,
                    step=now.step, gain=np.asarray(rate))  # fmt: skip
        return [now.copy(outputs=(wire,)), gain]

    return Mistake(kind="factor", where=where, says=f"δ{where} is {text} times what it should be",
                   right="1", wrong=text, change=Change.by(node, edit),
                   at_rate=lambda other: _signal(nets, node, other))  # fmt: skip


def any_penalties(nets: Networks) -> Iterator[Mistake]:
    """Add any multiple of a leaf to its gradient, as the derivative of a penalty does."""
    for node, maker in nets.leaves():
        leaf = nets.maker.get(node.inputs[0])
        if leaf is not None and leaf.kind in LEAVES:
            yield _penalty(nets, node, maker, 1.0)


def _penalty(nets: Networks, node: Node, maker: Node, rate: float) -> Mistake:
    where, value = nets.makes(node), nets.value(node.inputs[0])
    role = "weights" if sum(size > 1 for size in np.shape(value)) > 1 else "biases"
    number = factor_text(rate)
    fresh = Node(Kind.GAIN, gain=rate * value, scale=operator.add)
    return Mistake(kind="penalty", where=where, says=f"{number} {where} is added to the gradient "
                   f"of {where}, as the derivative of the penalty {number}/2 Σ {where}², which the "
                   "loss does not have", right=f"δ{where}", wrong=f"δ{where} + {number} {where}",
                   change=Change.behind(maker, fresh),
                   groups=(nets.whole(where), "all", f"all {role}"),
                   ranked_as="penalty" if rate > 0 else "weight updated before use",
                   at_rate=lambda other: _penalty(nets, node, maker, other))  # fmt: skip


def clipped_entries(nets: Networks, largest: float) -> Iterator[Mistake]:
    """Clip the entries of all gradients of leaves to the largest that the author has.

    Parameters
    ----------
    nets : Networks
    largest : float
        The size of the largest entry of the author's gradients of leaves.
    """
    several, number = [], factor_text(largest)
    for node, maker in nets.leaves():
        where = nets.makes(node)
        fresh = Node(Kind.GAIN, gain=np.asarray(largest), scale=clip)
        several.append(Mistake(
            kind="clipped", where=where, says=f"the entries of the gradient of {where} are clipped "
            f"to ±{number}", right=f"δ{where}", wrong=f"δ{where} between −{number} and {number}",
            change=Change.behind(maker, fresh), groups=("all",),
        ))  # fmt: skip
    yield from several


def clipped_norms(nets: Networks, norms: Mapping[str, float]) -> Iterator[Mistake]:
    """Scale each gradient of a leaf down to a norm, where its norm is larger.

    A gradient alone is a multiple of the right one at any norm. Only a norm that two gradients
    share, or that is a number as a person chooses it, tells that they are clipped.

    Parameters
    ----------
    nets : Networks
    norms : mapping of str to float
        The norms of the author's gradients of leaves, by the name of the leaf with all its parts.
    """
    squares: dict[str, float] = {}
    leaves = [(maker, nets.makes(node)) for node, maker in nets.leaves()]
    leaves = [(maker, where) for maker, where in leaves if nets.whole(where) in norms]
    for _, where in leaves:
        whole, gradient = nets.whole(where), nets.gradients.get(f"δ{where}", np.zeros(()))
        squares[whole] = squares.get(whole, 0.0) + float(np.sum(gradient**2))
    limit, several = max(norms.values(), default=0.0), list[Mistake]()
    number = factor_text(limit)
    for maker, where in leaves if limit else ():
        norm = float(np.sqrt(squares[nets.whole(where)]))
        if norm > limit * (1 + 1e-9):
            fresh = Node(Kind.GAIN, gain=np.asarray(limit / norm))
            several.append(Mistake(
                kind="clipped", where=where, says=f"the gradient of {where} is scaled down to the "
                f"norm {number}: clipped by its own norm", right=f"δ{where}",
                wrong=f"{number}/‖δ{where}‖ ∘ δ{where}", change=Change.behind(maker, fresh),
            ))  # fmt: skip
    shared = {
        whole
        for whole in map(nets.whole, (mistake.where for mistake in several))
        if np.isclose(norms[whole], limit, rtol=SHARED, atol=0.0)
    }
    if len(shared) > 1 or (several and _rounded(limit) is not None):
        yield joint(several) if len(several) > 1 else several[0]


def clip(x: np.ndarray, most: np.ndarray) -> np.ndarray:
    """Return an array with its entries between −most and most."""
    return np.asarray(np.clip(x, -most, most))


def _times(size: float) -> Edit:
    return lambda now, wire: [replace(now, gain=size * now.gain)]
