"""A product on the way back with a wrong partner, or a wrong weight.

Knows graphs. δ of one factor is δ of the product times the other factor at the same step: entry by
entry, or through the transpose of a matrix.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...engine.kind import Kind
from ...engine.primitives import transpose
from ...engine.symbol import TOTAL
from ...network.evaluate import evaluate
from ...network.flow import DELAYS, Flow, Node
from .changes import Change, edit_node
from .likelihood import distance_between
from .mistake import Mistake
from .networks import Networks
from .substitutes import Substitute, omit, otherwise, shift, substitutions


def wrong_partners(nets: Networks) -> Iterator[Mistake]:
    """Leave a factor out, or put another signal in its place."""
    for node, product, port in nets.ways(Kind.GAIN, through=Kind.BILINEAR):
        yield from substitutions(nets, node, _factors(nets, node, product, port))


def _factors(nets: Networks, node: Node, product: Node, port: int) -> Iterator[Substitute]:
    right, where = str(node.label), nets.makes(node)
    partner = product.inputs[1 - port]
    yield omit("factor missing", right, where, np.ones_like(node.gain),
               _role(nets, product, port))  # fmt: skip
    for other, value, distance in (*nets.alike(partner), *nets.leaves_alike(partner)):
        if np.shape(value) == np.shape(node.gain):
            reason = _reason(nets, other, partner)
            yield Substitute(kind="wrong factor", says=f"{reason}{other.name} stands where {right} "
                             f"belongs, on the way to δ{where}", wrong=other.name, gain=value,
                             group=_relation(nets, other, partner),
                             distance=distance, is_number=other.kind is Kind.CONSTANT)  # fmt: skip
    yield from at_other_steps(nets, node, partner)


def _reason(nets: Networks, other: Node, partner: int) -> str:
    """Return what was not subtracted, if a difference is taken for the signal it is made of."""
    difference = nets.source(partner)
    if difference.kind is not Kind.JUNCTION or difference.signs != (1, -1):
        return ""
    whole, less = map(nets.source, difference.inputs)
    return f"{less.name} is not subtracted: " if whole is other else ""


def _role(nets: Networks, product: Node, port: int) -> tuple[str, ...]:
    """Return what a factor is: a leaf, a number of the program, or the name of its function."""
    partner = product.inputs[1 - port]
    leaf = nets.leaf(partner)
    if leaf is None:
        operation = nets.source(partner).primitive
        return ("" if operation is None else operation.name,)
    if leaf.kind is not Kind.CONSTANT or not nets.value(partner).size:
        return ("leaf",)
    number = f"{nets.value(partner).flat[0]:.9g}"
    return ("number", "mean", number) if is_of_mean(nets, product, port) else ("number", number)


def is_of_mean(nets: Networks, product: Node, port: int) -> bool:
    """Whether a product's operand at a port is a sum, and the other 1 over the number of terms."""
    total, number = nets.source(product.inputs[port]), nets.value(product.inputs[1 - port])
    if total.primitive is None or total.primitive.notation is not TOTAL or not number.size:
        return False
    sizes = [np.size(nets.value(wire)) for wire in (total.outputs[0], total.inputs[0])]
    return bool(np.allclose(number * sizes[1], sizes[0], rtol=1e-12))


def _relation(nets: Networks, other: Node, partner: int) -> str:
    """Return how a substitute is related to what belongs in its place, without their names."""
    right = nets.source(partner)
    origin, lag = _before_delays(nets, partner)
    if lag and nets.source(origin) is other:
        return "before its delay"
    return f"{other.name} for {right.name}"


def wrong_gradient_inputs(nets: Networks) -> Iterator[Mistake]:
    """Compute the gradient of a weight from a wrong input."""
    for node, product, port in nets.ways(Kind.MATRIX, through=Kind.BILINEAR):
        weight = nets.leaf(node.outputs[0])
        if weight is not None:
            several = _inputs(nets, node, product, port)
            yield from substitutions(nets, node, several, nets.whole(weight.stem))


def _inputs(nets: Networks, node: Node, product: Node, port: int) -> Iterator[Substitute]:
    right, where = str(node.label).removesuffix("ᵀ"), nets.makes(node)
    for name, value in nets.made_of(product):  # of another shape, so is the gradient
        if np.ndim(value) == np.ndim(node.gain):
            yield Substitute(kind="output for input", says=f"the layer's output {name} stands "
                             f"where its input {right} belongs, in the gradient of {where}",
                             wrong=name, gain=value, group="")  # fmt: skip
    for other in otherwise(nets, product.inputs[1 - port]):
        if np.shape(other.value) == np.shape(node.gain):
            name = other.node.name
            own = nets.source(other.wire).name if other.within else right
            yield Substitute(kind="wrong factor", says=f"{name} stands where {own} belongs"
                             f"{other.within}, in the gradient of {where}", wrong=name,
                             gain=other.value,
                             group=f"gradient: {_relation(nets, other.node, other.wire)}",
                             distance=other.distance,
                             is_number=other.node.kind is Kind.CONSTANT)  # fmt: skip
    yield from at_other_steps(nets, node, product.inputs[1 - port])


def at_other_steps(nets: Networks, node: Node, partner: int | None = None) -> Iterator[Substitute]:
    """Yield a gain at another step: the next, the previous, or as far ahead as its delay goes back.

    Beyond the first and the last step the gain is 0, or stays as it is.
    """
    if not node.folded or (partner is not None and nets.leaf(partner) is not None):
        return
    right = str(node.label)
    moved = [(node.gain, 1, "next step"), (node.gain, -1, "previous step")]
    if partner is not None:
        origin, lag = _before_delays(nets, partner)
        if lag:
            moved.append((nets.value(origin), lag, "step as far ahead as the delay goes back"))
            series, name = nets.value(origin), nets.source(origin).name
            yield Substitute(kind="factor of the wrong step", says=f"the last {name} stands where "
                             f"{right} belongs, at every step", wrong=f"the last {name}",
                             gain=np.broadcast_to(series[-1], np.shape(series)),
                             group="last of all")  # fmt: skip
    for step, word in ((-1, "last"), (0, "first")):
        stale = np.broadcast_to(node.gain[step], np.shape(node.gain))
        yield Substitute(kind="factor of the wrong step", says=f"{right} is that of the {word} "
                         "step at every step", wrong=f"{right} of the {word} step", gain=stale,
                         group=f"{word} step")  # fmt: skip
    for gain, by, word in moved:
        if abs(by) < len(node.gain) and np.shape(gain) == np.shape(node.gain):
            for edge in ("0", "its own"):
                yield Substitute(kind="factor of the wrong step", says=f"{right} is taken at the "
                                 f"{word}", wrong=f"{right} at the {word}",
                                 gain=shift(gain, by, edge), group=f"{word}, {edge}")  # fmt: skip


def zero_starts(nets: Networks) -> Iterator[Mistake]:
    """Put zeros, on the way back, in place of the initial state of a loop."""
    for node, product, port in nets.ways(Kind.GAIN, Kind.MATRIX, through=Kind.BILINEAR):
        delay = nets.source(product.inputs[1 - port])
        if delay.kind in DELAYS and node.folded:
            gain, right = np.array(node.gain), str(node.label)
            gain[0 if delay.kind is Kind.DELAY else -1] = 0.0
            yield from substitutions(nets, node, [
                Substitute(kind="start taken as zero", says=f"{right} is taken as 0 at the first "
                           "step, whatever the initial state is", wrong="0 at the first step",
                           gain=gain, group="zero"),
                *_last_for_start(nets, node, delay),
            ], "start", f"start of {delay.name}")  # fmt: skip


def _last_for_start(nets: Networks, node: Node, delay: Node) -> Iterator[Substitute]:
    """Yield the last value in place of the initial one, as the index −1 reads it."""
    series, gain = nets.value(nets.source(delay.inputs[0]).outputs[0]), np.array(node.gain)
    first, last = (0, -1) if delay.kind is Kind.DELAY else (-1, 0)
    if np.shape(series) == np.shape(gain):
        gain[first] = series[last]
        name = nets.source(delay.inputs[0]).name
        yield Substitute(kind="start taken as the last", says=f"the last {name} stands where the "
                         "initial one belongs: the index −1 reads the end of a list",
                         wrong=f"the last {name}", gain=gain, group="last")  # fmt: skip


def _before_delays(nets: Networks, wire: int) -> tuple[int, int]:
    """Return the wire of a signal before its delays, and the number of delays."""
    node, count = nets.source(wire), 0
    while node.kind in DELAYS:
        wire, count = node.inputs[0], count + 1
        node = nets.source(wire)
    return node.outputs[0] if count else wire, count


def wrong_weights(nets: Networks) -> Iterator[Mistake]:
    """Leave a weight out or untransposed on the way back, or put another in its place."""
    for node, product, port in nets.ways(Kind.MATRIX, through=Kind.BILINEAR):
        weight = nets.leaf(product.inputs[1 - port])
        if weight is not None and np.ndim(node.gain) - node.folded == 2:
            several = _matrices(nets, node, product, port)
            below = nets.source(node.outputs[0]).kind
            role = "carried" if below in DELAYS else "read" if below is Kind.TAP else "computed"
            yield from substitutions(nets, node, several, nets.whole(weight.stem), role)


def wrong_matrix_partners(nets: Networks) -> Iterator[Mistake]:
    """Leave a partner that is no leaf untransposed, leave it out, or put another in its place."""
    for node, product, port in nets.ways(Kind.MATRIX, through=Kind.BILINEAR):
        partner, out = product.inputs[1 - port], node.outputs[0]
        is_matrix = np.ndim(node.gain) - node.folded >= 2
        if np.ndim(node.gain) - node.folded == 1 and nets.leaf(partner) is None:
            ones, where = np.ones_like(node.gain), nets.makes(node)
            several = [omit("factor missing", str(node.label), where, ones, "vector")]
            yield from substitutions(nets, node, several)
        if is_matrix and nets.leaf(partner) is None and nets.leaf(out) is None:
            yield from substitutions(nets, node, _signals(nets, node, partner))
            if not nets.takes_others:
                yield from _transposed_deltas(nets, node)


def _signals(nets: Networks, node: Node, partner: int) -> Iterator[Substitute]:
    right, shape = str(node.label), np.shape(node.gain)
    where = nets.source(nets.unmapped(node.outputs[0])).name
    if shape[-1] == shape[-2]:
        is_weight = nets.leaf(nets.unmapped(partner)) is not None
        yield Substitute(kind=f"{'weight' if is_weight else 'factor'} not transposed",
                         says=f"{right} "
                         f"is not transposed on the way to δ{where}", wrong=right.removesuffix("ᵀ"),
                         gain=np.swapaxes(node.gain, -1, -2), group="")  # fmt: skip
        yield omit("factor missing", right, where, np.broadcast_to(np.eye(shape[-1]), shape))
    for other in otherwise(nets, partner):
        name, own = map(nets.plain_name, (other.node, nets.source(other.wire)))
        if name == own:
            name, own = other.node.name, nets.source(other.wire).name
        yield Substitute(kind="wrong factor", says=f"{name} stands where {own} belongs, "
                         f"on the way to δ{where}", wrong=name,
                         gain=other.value, distance=other.distance)  # fmt: skip


def _transposed_deltas(nets: Networks, node: Node) -> Iterator[Mistake]:
    """Yield the transpose of δ where the product asks for δ itself, or the reverse."""
    shape = np.shape(nets.value(nets.user[node.outputs[0]].outputs[0]))[node.folded :]
    if len(shape) > 1 and shape[-2] == shape[-1] > 1:
        axes = (*range(len(shape) - 2), len(shape) - 1, len(shape) - 2)
        where, name = nets.makes(node), nets.user[node.outputs[0]].name
        below = nets.source(nets.unmapped(node.outputs[0])).name
        yield Mistake(kind="factor not transposed", where=where, says=f"δ{name} and its transpose "
                      f"are exchanged on the way to δ{below}", right=f"δ{name}",
                      wrong=f"(δ{name})ᵀ", groups=nets.everywhere_alike(node, "δ"),
                      change=Change.before(node, Node(Kind.LINEAR,
                      primitive=transpose, parameters={"axes": axes})))  # fmt: skip


def _matrices(nets: Networks, node: Node, product: Node, port: int) -> Iterator[Substitute]:
    right, where = str(node.label), nets.makes(node)
    shape = np.shape(node.gain)
    if shape[-1] == shape[-2]:
        yield Substitute(kind="weight not transposed", says=f"{right.removesuffix('ᵀ')} stands "
                         f"where {right} belongs", wrong=right.removesuffix("ᵀ"),
                         gain=np.swapaxes(node.gain, -1, -2), group="")  # fmt: skip
        eye = np.broadcast_to(np.eye(shape[-1]), shape)
        yield omit("weight missing", right, where, eye, "")
    own, partner = nets.leaf(product.inputs[1 - port]), product.inputs[1 - port]
    assert own is not None
    for weight in nets.weights if nets.takes_others else ():
        value = nets.value(weight.outputs[0])
        if weight is own or np.shape(value) != np.shape(nets.value(own.outputs[0])):
            continue
        ways = {f"{weight.stem}ᵀ": value}
        ways |= {weight.stem: value.T} if shape[-1] == shape[-2] else {}
        for name, gain in ways.items():
            yield Substitute(kind="wrong weight", says=f"{name} stands where {right} "
                             f"belongs, on the way to δ{where}", wrong=name,
                             gain=np.broadcast_to(gain, np.shape(nets.value(partner))),
                             distance=distance_between(weight, own))  # fmt: skip
    yield Substitute(kind="weight's entries left out", says="the entries of δ are added up on "
                     f"the way to δ{where}, where δ {right} belongs", wrong="1",
                     gain=np.ones_like(node.gain), group="")  # fmt: skip


def early_updates(nets: Networks) -> Iterator[Mistake]:
    """Update a weight by gradient descent before δ flows back through it.

    The rate is to be found: see `at_rate`.
    """
    for node in nets.nodes:
        product = nets.user.get(node.outputs[0]) if node.kind in (Kind.GAIN, Kind.MATRIX) else None
        if product is None or product.kind is not Kind.BILINEAR:
            continue
        port = product.inputs.index(node.outputs[0])
        weight = nets.leaf(product.inputs[1 - port])
        if weight is None or nets.leaf(node.outputs[0]) is not None:
            continue
        gradient = nets.everywhere.gradients.get(f"δ{weight.name}")
        if gradient is not None and gradient.shape == np.shape(node.gain)[node.folded :]:
            yield _early_update(nets, node, weight, 1.0)


def _early_update(nets: Networks, node: Node, weight: Node, rate: float) -> Mistake:
    where, right = nets.makes(node), str(node.label)

    def apply(graph: Flow) -> Flow:
        # of the graph as it is: another mistake may be in it
        everywhere = nets.everywhere
        is_right = graph is nets.adjoint
        gradients = (
            everywhere.gradients if is_right else evaluate(graph, actions=everywhere.actions)
        )
        step = rate * gradients[f"δ{weight.name}"]
        return edit_node(graph, node, lambda now, wire: [now.copy(gain=now.gain - step)])

    update = rate * nets.everywhere.gradients[f"δ{weight.name}"]
    change = Change(
        apply, frozenset(node.outputs), rate == 0, alone=Change.to(node, gain=node.gain - update)
    )
    return Mistake(kind="weight updated before use", where=where, says=f"{weight.stem} was "
                   f"updated, with the rate {rate:.6g}, before it was used to compute δ{where}",
                   right=right, wrong=f"({weight.stem} - {rate:.6g} δ{weight.stem})",
                   change=change, groups=(nets.whole(weight.stem), "all"),
                   at_rate=lambda other: _early_update(nets, node, weight, other))  # fmt: skip
