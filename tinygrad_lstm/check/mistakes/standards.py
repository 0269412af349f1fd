"""A standardisation: a signal less its mean, over its deviation, on the way back with a slip.

Knows graphs, and finds a standardisation by its numbers. Its whole derivative is one formula, which
people write down at once: δx = (δy - mean δy - y mean(δy y)) / r, for y = (x - mean x) / r.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from ...engine.kind import Kind
from ...engine.limit import Interruptible
from ...network.flow import BORDERS, DELAYS, Node
from .changes import Change, Edit
from .mistake import Mistake
from .networks import Networks

ENDS = (*DELAYS, *BORDERS, Kind.OUTPUT)
LONGEST = 12  # nodes on a way through a standardisation
MOST_AXES = 4
MOST_COUNTS = 12
SMALL = 0.01  # what is added to the variance, relative to the largest


class Standardisation(NamedTuple):
    """A signal y = (x - mean x) / r, or y = x / r, with r² the mean square of the numerator.

    Attributes
    ----------
    junction : Node
        What adds up the parts of δx in the adjoint network.
    arms : tuple of int
        Its ports to which the standardisation leads; others belong to other uses of x.
    last : Node
        What makes y.
    y, r : array
    axes : tuple of int
        Those of the mean, counted from the last.
    is_centred : bool
    """

    junction: Node
    arms: tuple[int, ...]
    last: Node
    y: np.ndarray
    r: np.ndarray
    axes: tuple[int, ...]
    is_centred: bool


def standardisations(nets: Networks) -> Iterator[Standardisation]:
    """Yield the standardisations of a network."""
    for last in Interruptible(nets.network.nodes):
        if last.kind not in (Kind.ELEMENTWISE, Kind.BILINEAR) or len(last.inputs) != 2:
            continue
        for port, wire in enumerate(last.inputs):
            spread = nets.network.source(wire, (Kind.BRANCH,))
            if spread.kind is not Kind.BROADCAST or nets.leaf(wire) is not None:
                continue
            shape = np.shape(nets.value(spread.outputs[0]))[spread.folded :]
            axes = _spread_axes(shape, np.shape(nets.value(spread.inputs[0]))[spread.folded :])
            numerator = nets.network.source(last.inputs[1 - port], (Kind.BRANCH,))
            ways = [(numerator.outputs[0], False)]
            if numerator.kind is Kind.JUNCTION and len(numerator.inputs) == 2:
                ways += [(nets.source(x).outputs[0], True) for x in numerator.inputs]
            for start, is_centred in reversed(ways if axes else []):
                standard = _standardisation(nets, start, last, axes, is_centred)
                if standard is not None:
                    yield standard
                    break  # its numerator is a part of it


def _spread_axes(whole: tuple[int, ...], part: tuple[int, ...]) -> tuple[int, ...]:
    """Return the axes along which a part is spread, counted from the last."""
    sizes = (*(1,) * (len(whole) - len(part)), *part)
    return tuple(at - len(whole) for at, size in enumerate(sizes) if size != whole[at])


def _standardisation(
    nets: Networks, start: int, last: Node, axes: tuple[int, ...], is_centred: bool
) -> Standardisation | None:
    """Return what leads from a signal to another one, if that is a standardisation."""
    x, y = nets.value(start), nets.value(last.outputs[0])
    junction = nets.sender.get(start)
    if np.shape(x) != np.shape(y) or junction is None or junction.kind is not Kind.JUNCTION:
        return None
    with np.errstate(all="ignore"):
        c = x - np.mean(x, axes, keepdims=True) if is_centred else x
        squares = np.mean(c * c, axes, keepdims=True)
        r = np.sqrt(squares / np.mean(y * y, axes, keepdims=True))
        added, largest = r * r - squares, np.max(r * r, initial=0.0)
        eps = 1e3 * np.finfo(np.result_type(y, np.float32)).eps
        is_standard = (
            np.allclose(y * r, c, rtol=eps, atol=eps * np.sqrt(largest))
            and np.ptp(added) <= eps * largest
            and np.max(np.abs(added)) <= SMALL * largest
        )
    inside = dict[int, bool]()
    arms = tuple(
        at for at, wire in enumerate(junction.inputs) if _is_inside(nets, wire, last, inside)
    )
    if not is_standard or len(arms) < 2:
        return None
    return Standardisation(junction, arms, last, y, r, axes, is_centred)


def _is_inside(
    nets: Networks, wire: int, last: Node, inside: dict[int, bool], depth: int = 0
) -> bool:
    """Whether all that a signal leads to, up to the result of a layer, leads to that result."""
    if wire not in inside:
        user = nets.user.get(wire)
        if user is None or user.kind in ENDS or depth > LONGEST:
            inside[wire] = False
        else:
            inside[wire] = user is last or all(
                _is_inside(nets, out, last, inside, depth + 1) for out in user.outputs
            )
    return inside[wire]


def wrong_standards(nets: Networks) -> Iterator[Mistake]:
    """Write the derivative of a standardisation as one formula, with a slip in it."""
    for standard in standardisations(nets):
        yield from _over_other_axes(nets, standard)
        yield from _of_other_counts(nets, standard)
        yield from _of_other_forms(nets, standard)


def _over_other_axes(nets: Networks, standard: Standardisation) -> Iterator[Mistake]:
    own, count = standard.axes, np.ndim(standard.y) - standard.junction.folded
    where, name = nets.makes(standard.junction), standard.last.name
    for size in range(1, count + 1) if count <= MOST_AXES else ():
        for axes in combinations(range(-count, 0), size):
            if axes != own:
                wrong, right = (_axes_text(x, count) for x in (axes, own))
                yield _mistake(
                    nets, standard, "sum over the wrong axis", f"the means on the way back from "
                    f"δ{name} to δ{where} run over {wrong}, where {right} belongs",
                    f"mean over {right}", f"mean over {wrong}", partial(_formula, axes=axes),
                )  # fmt: skip


def _axes_text(axes: tuple[int, ...], count: int) -> str:
    names = " and ".join(str(axis + count) for axis in axes)
    return f"axis {names}" if len(axes) == 1 else f"axes {names}"


def _of_other_counts(nets: Networks, standard: Standardisation) -> Iterator[Mistake]:
    """Yield the formula with another number in place of that of the entries of a mean."""
    shape = np.shape(standard.y)
    count = int(np.prod([shape[axis] for axis in standard.axes]))
    where, name = nets.makes(standard.junction), standard.last.name
    several = {count - 1: None} | dict.fromkeys(
        size for node in nets.network.nodes if node.outputs
        for size in np.shape(nets.value(node.outputs[0]))[node.folded :]
    )  # fmt: skip
    for other in [size for size in several if 1 < size != count][:MOST_COUNTS]:
        yield _mistake(
            nets, standard, "N - 1 for N", f"the means of {count} entries on the way back from "
            f"δ{name} to δ{where} are sums divided by {other}", f"1/{count}", f"1/{other}",
            partial(_formula, axes=standard.axes, times=count / other),
        )  # fmt: skip
    yield _mistake(
        nets, standard, "sum for a mean", f"sums stand where means of {count} entries belong, on "
        f"the way back from δ{name} to δ{where}", "mean", "Σ",
        partial(_formula, axes=standard.axes, times=float(count)),
    )  # fmt: skip


def _of_other_forms(nets: Networks, standard: Standardisation) -> Iterator[Mistake]:
    where, name = nets.makes(standard.junction), standard.last.name
    axes = standard.axes
    yield _mistake(
        nets, standard, "factor missing", f"{name} is left out in the part of δ{where} that flows "
        "back through the deviation", f"{name} mean(δ {name})", f"mean(δ {name})",
        partial(_formula, axes=axes, is_plain=True),
    )  # fmt: skip
    gain = nets.sender.get(standard.last.outputs[0])
    product = nets.user.get(standard.last.outputs[0])
    if gain is not None and gain.kind is Kind.GAIN and product is not None:
        others = [x for x in product.inputs if x != standard.last.outputs[0]]
        factor = nets.leaf(others[0]) if product.kind is Kind.BILINEAR and others else None
        if (
            factor is not None
            and np.shape(gain.gain) == np.shape(standard.y)
            and np.any(np.ptp(gain.gain, axis=axes))  # else it may stand behind the layer
        ):
            yield _mistake(
                nets, standard, "gain behind the layer", f"{factor.name} multiplies δ{where}, "
                f"behind the layer, where it belongs to δ{name}, before the layer",
                f"{factor.name} ∘ δ", "δ", partial(_formula, axes=axes), gain.inputs[0], gain.gain,
            )  # fmt: skip
    if len(standard.arms) == len(standard.junction.inputs):
        return  # a layer of its own, which `layers` finds
    for kind, says, wrong, form in (
        ("layer's scale", f"δ{where}, behind the layer, lacks the division by the deviation of "
         f"{where}", "1", partial(_formula, axes=axes, is_divided=False)),
        ("layer skipped", f"δ{name} goes on to δ{where} as it is: all that lies between {where} "
         f"and {name} is skipped", "1", _skip),
    ):  # fmt: skip
        yield _mistake(nets, standard, kind, says, f"the derivative of {name}", wrong, form)


def _mistake(
    nets: Networks,
    standard: Standardisation,
    kind: str,
    says: str,
    right: str,
    wrong: str,
    form: Any,
    wire: int | None = None,
    factor: Any = 1.0,
) -> Mistake:
    """Return the mistake that computes δ behind a standardisation by a wrong formula.

    Parameters
    ----------
    form : (δ, (y, 1/r, factor), is_centred) -> δ behind the layer
    wire : int, optional
        That of δ before the layer: otherwise that of y.
    factor : array
        What multiplies the result.
    """
    junction, y = standard.junction, standard.y
    parts = [y, np.broadcast_to(1 / standard.r, y.shape), np.broadcast_to(factor, y.shape)]
    gain = np.stack(parts, axis=junction.folded)
    fresh = Node(Kind.GAIN, gain=gain, scale=partial(form, is_centred=standard.is_centred))
    start = standard.last.outputs[0] if wire is None else wire
    change = Change.by(junction, _through(fresh, start, standard.arms))
    return Mistake(kind=kind, where=nets.makes(junction), says=says, right=right, wrong=wrong,
                   groups=nets.everywhere_alike(junction, f"standard, {wrong}"),
                   change=change)  # fmt: skip


def _through(fresh: Node, start: int, arms: tuple[int, ...]) -> Edit:
    """Return how to put what one node makes in place of some summands of a junction."""

    def edit(now: Node, wire: int) -> list[Node]:
        if len(now.inputs) <= max(arms):
            raise KeyError(now.name)  # another change has left summands out
        other = [at for at in range(len(now.inputs)) if at not in arms]
        formula = fresh.copy(inputs=(start,), outputs=(wire,), name=f"{now.name} ({wire})",
                             loop=now.loop, step=now.step)  # fmt: skip
        inputs = (*(now.inputs[at] for at in other), wire)
        return [formula, now.copy(inputs=inputs, signs=(*(now.signs[at] for at in other), 1))]

    return edit


def _formula(
    x: np.ndarray,
    gain: np.ndarray,
    *,
    is_centred: bool,
    axes: tuple[int, ...],
    times: float = 1.0,
    is_plain: bool = False,
    is_divided: bool = True,
) -> np.ndarray:
    """Return δ behind a standardisation, from δ of its result."""
    y, slope, factor = gain
    along = times * np.mean(x * y, axes, keepdims=True)
    rest = x - (along if is_plain else y * along)
    if is_centred:
        rest = rest - times * np.mean(x, axes, keepdims=True)
    return np.asarray(factor * (rest * slope if is_divided else rest))


def _skip(x: np.ndarray, gain: np.ndarray, *, is_centred: bool) -> np.ndarray:
    return np.array(x)
