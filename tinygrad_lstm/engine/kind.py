"""The names of the kinds of element in a signal-flow graph.

Knows nothing: what follows from the kind of a primitive is written in `kinds`, what a node of a
graph does in `network`.
"""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """The kinds of primitive, and of the other elements in a signal-flow graph (see `Node`)."""

    ELEMENTWISE = "elementwise"
    JUNCTION = "junction"
    LINEAR = "linear"
    JOIN = "join"
    BILINEAR = "bilinear"
    REDUCTION = "reduction"
    MATRIX_FUNCTION = "matrix function"
    CUT = "cut"
    # in a graph alone
    INPUT = "input"
    PARAMETER = "parameter"
    CONSTANT = "constant"
    OUTPUT = "output"
    BRANCH = "branch"
    BROADCAST = "broadcast"
    GAIN = "gain"
    MATRIX = "matrix"
    JACOBIAN = "jacobian"
    PULLBACK = "pullback"
    DELAY = "delay"
    ADVANCE = "advance"
    TAP = "tap"
    HOLD = "hold"
    COLLECT = "collect"

    __hash__ = str.__hash__  # that of Enum is written in Python, and slow
