"""The folded network if it is proved to be the recorded network, else the recorded network.

Knows graphs and the values recorded on their wires. Every node is run on the recorded values of its
operands, and must give the recorded value of its signal. So rounding does not grow from step to
step, and a wrong node is known by its name.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine.kind import Kind
from ..engine.limit import Interruptible
from ..errors import UsageError
from .alignment import compute
from .flow import DELAYS, SOURCES, AnyFlow, Flow, Node
from .fold import fold
from .unpack import unpack
from .unroll import unroll

ROUNDING = 1e4  # units of the last digit by which the order of its terms may change a sum
ENTRYWISE = (Kind.ELEMENTWISE, Kind.JUNCTION, Kind.CUT)  # done to all steps at once


def fold_if_true(graph: AnyFlow, apart: bool = False, current: bool = True) -> tuple[AnyFlow, str]:
    """Return a graph folded over time if the folded network is the recorded one, else unfolded.

    Every report to a person about a folded network takes the network from here.

    Parameters
    ----------
    graph : Flow
        As recorded; not changed. A graph that is folded already is not folded again.
    apart : bool
        Whether to take packed signals apart (see `unpack`).
    current : bool
        Whether the leaves still have the data that the rest was computed from. If not, numbers
        prove nothing.

    Returns
    -------
    graph : the same type
    reason : str
        Why it is not folded, in words that go on after "since"; empty if it is folded, or was
        recorded in no loop of two steps or more.
    """
    loops = any(len(loop.steps) > 1 for loop in graph.loops)
    try:
        return fold_truly(graph, apart, current), ""
    except UsageError as error:
        reason = str(error).partition(": ")[2] if loops else ""
        return unpack(graph) if apart else graph, reason


def fold_truly(graph: AnyFlow, apart: bool = False, current: bool = True) -> AnyFlow:
    """Return a graph folded over time, proved to be the recorded network.

    Parameters
    ----------
    graph, apart, current : see `fold_if_true`

    Raises
    ------
    UsageError
        If it cannot be folded, or the folded network would not be what was recorded; the message
        names the first signal that differs.
    """
    folded = fold(graph)
    network = unpack(folded) if apart else folded
    differs = first_difference(graph, network) if current and not graph.folded else ""
    if differs:
        raise UsageError(
            f"fold: {differs} would not be what was recorded; please report this fault of fold"
        )
    return network


def fold_for_reading(
    graph: AnyFlow, fold: bool | None, most: int, current: bool = True
) -> tuple[AnyFlow, str]:
    """Return a graph with its packed signals taken apart, and folded on request.

    Parameters
    ----------
    graph, current : see `fold_if_true`
    fold : bool, optional
        Whether to fold; if None, where a loop has more steps than ``most``, and can be folded.
    most : int

    Returns
    -------
    graph, reason : as `fold_if_true` returns them

    Raises
    ------
    UsageError
        If ``fold`` is True, and the graph cannot be folded.
    """
    if fold:
        return fold_truly(graph, True, current), ""
    if fold is None and any(len(loop.steps) > most for loop in graph.loops):
        return fold_if_true(graph, True, current)
    folded, _ = fold_if_true(graph, False, current)
    return unpack(unroll(folded) if folded.folded else graph), ""


def first_difference(recorded: Flow, network: Flow) -> str:
    """Return the name of the first signal that differs from the recorded network, or "".

    Parameters
    ----------
    recorded : Flow
        As recorded.
    network : Flow
        Made of it: the same outputs, with recorded values on its wires.
    """
    with np.errstate(all="ignore"):
        for node in Interruptible(network.nodes):
            if not _is_true(network, node):
                return node.name
    for one, other in zip(_outputs(recorded), _outputs(network), strict=True):
        if not _agree(one, other):
            return "the output"
    return ""


def _outputs(graph: Flow) -> list[Any]:
    return [graph.wires[n.inputs[0]].value for n in graph.nodes if n.kind is Kind.OUTPUT]


def _is_true(network: Flow, node: Node) -> bool:
    """Return whether a node gives its recorded value on the recorded values of its operands."""
    if node.kind in (*SOURCES, Kind.OUTPUT, Kind.BRANCH, Kind.BROADCAST):
        return True  # branches and broadcasts carry what is before them
    operands = [np.asarray(network.wires[wire].value) for wire in node.inputs]
    value = np.asarray(network.wires[node.outputs[0]].value)
    if not node.folded:
        return _agree(value, compute(node, operands), operands)
    if node.kind in DELAYS:
        after, before = (
            (value[1:], operands[0][:-1])
            if node.kind is Kind.DELAY
            else (value[:-1], operands[0][1:])
        )
        first = value[0] if node.kind is Kind.DELAY else value[-1]
        return _agree(after, before) and _agree(first, operands[1])
    if node.kind is Kind.HOLD:
        if node.transposed:
            return _agree(value, np.add.reduce(operands[0]), operands)
        held = value if value.strides[0] else value[:1]  # one array, seen at every step
        return all(_agree(row, operands[0]) for row in Interruptible(held))
    if node.kind is Kind.COLLECT:
        return _agree(value, operands[0])
    if node.kind is Kind.TAP:
        index = node.parameters["index"].values
        return all(_agree(one, operands[0][at]) for one, at in zip(value, index, strict=True))
    if node.kind in ENTRYWISE and not node.parameters:
        return _agree(value, compute(node, operands), operands)
    steps = [
        compute(node.at(step), values)
        for step, values in Interruptible(enumerate(zip(*operands, strict=True)))
    ]  # fmt: skip
    return _agree(value, np.stack(steps), operands)


def _agree(recorded: Any, computed: Any, operands: Any = ()) -> bool:
    """Return whether two values are the same but for rounding, relative to the largest operand."""
    one, other = np.asarray(recorded), np.asarray(computed)
    if one.size != other.size:
        return False
    other = other.reshape(one.shape)
    unequal = one != other
    if one.dtype.kind != "f" or not unequal.any():
        return not unequal.any()
    one, other = one[unequal], other[unequal]
    finite = np.isfinite(one) & np.isfinite(other)
    if not np.array_equal(one[~finite], other[~finite], equal_nan=True):
        return False
    size = max(_largest(array) for array in (recorded, *operands))
    off = np.abs(one - other).max(where=finite, initial=0.0)
    return bool(off <= ROUNDING * np.finfo(one.dtype).eps * size)


def _largest(value: Any) -> float:
    known = np.abs(value)
    return float(np.max(known, where=np.isfinite(known), initial=0.0))
