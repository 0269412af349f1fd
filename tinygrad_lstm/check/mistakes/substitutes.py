"""A substitute for a gain: another factor where the right factor belongs.

Knows the networks and mistakes; not where the substitutes come from.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from ...engine.kind import Kind
from ...network.flow import Node
from ...network.parameters import at_step
from .changes import Change
from .mistake import Mistake
from .networks import Networks
from .wording import factor_text


class Substitute(NamedTuple):
    """A gain that stands in place of the right one, and how the mistake is described.

    Attributes
    ----------
    kind, says, wrong : str
        As in `Mistake`.
    gain : array
    group : str, tuple of str or None
        The group of mistakes that people make at once, or several; None if there is none.
    distance : int or None
        How far another signal or function lies, if the gain is one's (see `likelihood`).
    is_number : bool
        Whether that signal is a plain number of the program.
    """

    kind: str
    says: str
    wrong: str
    gain: Any
    group: str | tuple[str, ...] | None = None
    distance: int | None = None
    is_number: bool = False


def omit(
    kind: str, factor: str, where: str, gain: Any, group: str | tuple[str, ...] | None = None
) -> Substitute:
    """Return 1, in its form as a gain, in place of a factor."""
    return Substitute(kind=kind, says=f"{factor} is left out on the way to δ{where}", wrong="1",
                      gain=gain, group=group)  # fmt: skip


class Other(NamedTuple):
    """A signal in place of another one, or of a part or source of that one.

    Attributes
    ----------
    node : Node
        The signal.
    wire : int
        In whose place it stands.
    value : array
        What the other one would be.
    distance : int
    within : str
        Where in the other one it stands, for a sentence; empty if in its own place.
    """

    node: Node
    wire: int
    value: Any
    distance: int
    within: str = ""


def otherwise(nets: Networks, wire: int) -> Iterator[Other]:
    """Yield other signals in place of one, or of what its linear map or its join is made of."""
    for node, value, distance in nets.alike(wire):
        yield Other(node, wire, value, distance)
    node = nets.source(wire)
    if not nets.takes_others or node.kind not in (Kind.LINEAR, Kind.JOIN):
        return
    inputs = [nets.value(part) for part in node.inputs]
    own, within = nets.value(node.outputs[0]), f" in {node.name}"
    for at, part in enumerate(node.inputs):
        for other in otherwise(nets, part):
            value = _computed(nets, node, [*inputs[:at], other.value, *inputs[at + 1 :]])
            if not np.array_equal(value, own):  # else the same signal under another name
                yield other._replace(value=value, within=other.within or within)


def _computed(nets: Networks, node: Node, inputs: Sequence[Any]) -> Any:
    """Return what a node makes of other inputs: at each step, inside of a folded loop."""
    if not node.folded:
        return node.operation.forward(*inputs, **node.parameters)
    steps = range(len(inputs[0]))
    return np.stack([
        node.operation.forward(*(x[step] for x in inputs), **at_step(node.parameters, step))
        for step in steps
    ])  # fmt: skip


def substitutions(
    nets: Networks, node: Node, several: Iterable[Substitute], *groups: str
) -> Iterator[Mistake]:
    """Yield the mistakes that put a substitute in place of a gain, each substitute once.

    A substitute that is 0 everywhere is left to those that leave the whole path out.
    """
    keys = nets.substitutes.setdefault((nets.listing, node.outputs), set())
    if nets.takes_others:
        keys = set(keys)  # they are many
    where, right = nets.makes(node), str(node.label)
    for substitute in several:
        key = _key(substitute.gain)
        if key in keys or not np.any(substitute.gain):
            continue
        keys.add(key)
        if substitute.group is None and not nets.may_be(node, substitute.gain):
            continue
        chosen = substitute if substitute.distance is None else _as_number(nets, node, substitute)
        is_none = np.shape(chosen.gain) == np.shape(node.gain) and _is_same(chosen.gain, node.gain)
        change = replace(Change.to(node, gain=chosen.gain), is_none=is_none)
        shared: tuple[str, ...] = ()
        if chosen.group is not None:
            own = (chosen.group,) if isinstance(chosen.group, str) else chosen.group
            for group in own:
                of_node = nets.everywhere_alike(node, group)
                shared = (*shared, *(f"{of}: {group}" for of in groups), *of_node)
        yield Mistake(kind=chosen.kind, where=where, says=chosen.says,
                      right=right, wrong=chosen.wrong, change=change, groups=shared,
                      distance=chosen.distance or 0)  # fmt: skip


def _as_number(nets: Networks, node: Node, substitute: Substitute) -> Substitute:
    """Return a substitute as a number, if the gain equals one, or one times the right gain.

    Any signal of a single entry equals a number: there only a number of the program counts.
    """
    gain, right, where = substitute.gain, node.gain, nets.makes(node)
    if np.shape(gain) != np.shape(right) or (np.size(gain) < 2 and not substitute.is_number):
        return substitute
    ratio = _ratio(gain, right)
    if ratio == 1:
        return substitute  # two signals of the same values
    if ratio is not None:
        return Substitute(kind="sign" if ratio == -1 else "factor", says=f"δ{where} is "
                          f"{factor_text(ratio)} times what it should be",
                          wrong=f"{factor_text(ratio)} "
                          f"· {node.label}", gain=gain)  # fmt: skip
    number = _ratio(gain, np.ones_like(right))
    if number is not None:
        return Substitute(kind="factor", says=f"{node.label} is left out on the way to δ{where}, "
                          f"and {factor_text(number)} stands in its place",
                          wrong=factor_text(number), gain=gain)  # fmt: skip
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
    return ratio if _is_same(other, ratio * flat) else None


@np.errstate(all="ignore")
def _is_same(gain: Any, other: Any) -> bool:
    """Return whether two gains are one but for rounding, as np.allclose does in more time."""
    one, two = gain + 0.0, other + 0.0  # truth values have no difference
    return bool(((one == two) | (np.abs(one - two) < 1e-12 * np.abs(two))).all())


def _key(gain: Any) -> Any:
    """Return a key that equal gains share, without keeping the gains."""
    array = np.asarray(gain)
    number = array + 0.0  # −0 is 0
    return array.shape, hash(number.tobytes()), float(np.sum(number))


def shift(gain: Any, by: int, edge: str) -> Any:
    """Return a gain as it is some steps later; beyond the edge 0, or the gain itself."""
    moved = np.zeros_like(gain) if edge == "0" else np.array(gain)
    if by > 0:
        moved[:-by] = gain[by:]
    else:
        moved[-by:] = gain[:by]
    return moved
