"""How likely a person is to make a mistake: one list of the kinds, and how far a substitute lies.

Knows the kinds by name, and how far two signals lie from each other; no network. Several mistakes
often explain the same wrong numbers, because a term happens to be 0, or two signals are equal. The
likeliest is named first. The order is that of the mistakes in published answers and in
tests/planted, which holds it.
"""

from __future__ import annotations

from ...engine.kind import Kind
from ...network.flow import Node

LIKELIEST_FIRST = (
    # a sum for a mean or back, a forgotten ½: one slip at the loss scales all gradients
    "average over steps", "mean for a sum", "average over the batch", "sum for a mean",
    "factor of the loss", "sign of the loss",
    # a term is left out
    "taken for a constant", "carry dropped", "branch forgotten", "overwritten by the carry",
    "overwritten", "parts overwritten", "all carries dropped", "last error alone",
    "sum over steps missing", "sum over the batch missing", "path left out",
    # a factor is left out
    "derivative missing", "derivative not sent on", "factor missing", "normalisation missing",
    "layer skipped", "layer's scale", "gain behind the layer",
    "off-diagonal terms dropped", "function missing", "weight missing", "map left out",
    "start taken as zero", "start taken as the last", "error sent into every step",
    "cut at a step", "truncated", "weight's entries left out",
    # a factor is wrong by a number or in its form
    "clipped", "penalty", "mean of branches", "branch halved", "derivative of wrong form",
    "derivative twice",
    "mask of the wrong side", "bracket lost", "1 − δ for −δ",
    "function for derivative", "input for output", "derivative at the output",
    "derivative of a power", "sign", "any factor of the loss", "factor",
    "normalisation twice", "normalised twice", "function twice",
    # an index, an axis or an order is wrong
    "N - 1 for N", "wrong index", "weight not transposed", "factor not transposed",
    "gradient transposed", "axis of length 1", "sum over the wrong axis",
    "normalised along the wrong axis", "order of the axes", "flipped", "factor of the wrong step",
    "one step off", "order of what is packed", "steps in the wrong order",
    "silent broadcast", "entry by entry",
    # a partner of the same role in the same module is taken for another
    "output for input", "wrong factor", "wrong weight", "derivative at another signal",
    "another's δ", "another's gradient", "bias of the weight", "exchanged",
    "exchanged names",
    # what asks for more than a slip of the pen
    "weight updated before use", "another function's derivative",
)  # fmt: skip
RANK = {kind: rank for rank, kind in enumerate(LIKELIEST_FIRST)}  # `mistake` adds people's own
ROLES = {
    Kind.CONSTANT: "number", Kind.INPUT: "given", Kind.PARAMETER: "given", Kind.TAP: "given"
}  # fmt: skip
UNRELATED = 3  # farther than any signal: a substitute that stands nowhere in the network


def rank(kind: str, distance: int) -> tuple[int, int]:
    """Return the sort key of a mistake, the likeliest first.

    Parameters
    ----------
    kind : str
        A key of `RANK`.
    distance : int
        How far a substitute lies from what belongs in its place (see `distance_between`). A
        substitute that does not lie near comes after all mistakes of other kinds.
    """
    return (RANK[kind] if not distance else len(LIKELIEST_FIRST), distance)


def distance_between(one: Node, other: Node) -> int:
    """Return how far two signals lie from each other: 1 for another role, 1 for another module."""
    return (_role(one) != _role(other)) + (one.scope != other.scope)


def _role(node: Node) -> str:
    """Return the role of a signal: a number of the program, given, or computed."""
    return ROLES.get(node.kind, "computed")
