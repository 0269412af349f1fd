"""grad and jvp: derivatives as Tensors, of any order, in both directions.

Knows the tape and the table's rules, run on Tensors; no layers, no graph.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial, reduce
from operator import add
from typing import Any, Literal, overload

import numpy as np

from ..errors import GradientError, ShapeError, UsageError
from . import primitives as p
from .arguments import flag, function
from .arrays import plain
from .cotangent import PlainSums, Sums
from .gradients import starting_cotangent
from .masks import passes
from .place import enable_grad, here
from .primitive import Record
from .tape import history, leading_to, pull_back
from .tensor import Tensor, constant, record


@overload
def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor,
    grad_outputs: Any = None,
    create_graph: bool = False,
    allow_unused: Literal[False] = False,
) -> Tensor: ...
@overload
def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Sequence[Tensor],
    grad_outputs: Any = None,
    create_graph: bool = False,
    allow_unused: Literal[False] = False,
) -> tuple[Tensor, ...]: ...
@overload
def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Any = None,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> Any: ...
def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Any = None,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> Any:
    """Return d outputs / d inputs as Tensors, and leave every ``.grad`` alone.

    Parameters
    ----------
    outputs : Tensor or sequence of Tensors
        The gradients of several outputs are added.
    inputs : Tensor or sequence of Tensors
        Leaves or intermediate results.
    grad_outputs : array_like or sequence of them, optional
        One cotangent per output, of its shape; 1 for a single number.
    create_graph : bool
        Record the backward pass, so that its results can be differentiated again.
    allow_unused : bool
        Return None for an input that the outputs do not depend on, instead of raising.

    Returns
    -------
    Tensor, or a tuple of them if ``inputs`` is a sequence
        Each of its input's shape.

    Raises
    ------
    GradientError
        If an input requires no gradient or, unless allowed, is not used; the message names it.
    ShapeError
        If a cotangent's shape is not its output's.

    Examples
    --------
    >>> x = Tensor(2.0, requires_grad=True)
    >>> slope = grad(x**3, x, create_graph=True)
    >>> grad(slope, x).item()
    12.0
    """
    create_graph = flag("grad: create_graph", create_graph)
    allow_unused = flag("grad: allow_unused", allow_unused)
    outs = _tensors(outputs, "outputs")
    ins = _tensors(inputs, "inputs")
    seeds = grad_outputs if is_several(grad_outputs) else [grad_outputs]
    seeds = [None] * len(outs) if grad_outputs is None else seeds
    if len(seeds) != len(outs):
        raise ShapeError(f"grad: found {len(seeds)} grad_outputs for {len(outs)} outputs")
    for x in ins:
        if not x.requires_grad:
            raise GradientError(f"grad: {x.label()} does not require a gradient")
    starts = [starting_cotangent(out, seed) for out, seed in zip(outs, seeds, strict=True)]
    entries = _entries(leading_to(set(ins), history(outs)), on_tensors=create_graph)
    wanted = {entries[x] for x in ins if x in entries}
    sums = PlainSums(wanted) if create_graph else Sums(wanted)
    for out, seed, start in zip(outs, seeds, starts, strict=True):
        if out in entries:
            on_tape = seed if isinstance(seed, Tensor) else constant(start)
            sums.add(entries[out], on_tape if create_graph else start)
    pulled = pull_back(sums)
    cts = {x: pulled[entries[x]] for x in ins if entries.get(x) in pulled}
    unused = [x for x in ins if x not in cts]
    if unused and not allow_unused:
        raise GradientError(
            f"grad: the outputs do not depend on {unused[0].label()}; "
            "pass allow_unused=True to get None for it"
        )
    if not create_graph:
        cts = {x: constant(np.array(ct, x.dtype)) for x, ct in cts.items()}
    results = tuple(map(cts.get, ins))
    return results if isinstance(inputs, Sequence) else results[0]


def _entries(order: list[Tensor], on_tensors: bool) -> dict[Tensor, Record]:
    """Return the nodes of a history on the way back, and their operands, as records.

    With the arrays as data, or with the Tensors themselves, so that the rules are recorded.
    """
    entries: dict[Tensor, Record] = {}
    for node in reversed(order):
        for operand in node.inputs:
            if operand not in entries:
                entries[operand] = Record(operand if on_tensors else operand._array, False)
        inputs = tuple(entries[operand] for operand in node.inputs)
        data = node if on_tensors else node._array
        entries[node] = Record(data, True, node.primitive, inputs, node.parameters, node.serial)
    return entries


def jvp(fn: Callable[..., Any], primals: Any, tangents: Any) -> tuple[Any, Any]:
    """Return fn(*primals) and its derivative along the tangents, in forward mode.

    Parameters
    ----------
    fn : (*Tensors) -> Tensor or sequence of Tensors
    primals : array, number or Tensor, or a tuple or list of them, one for each argument
    tangents : of the same structure and shapes

    Returns
    -------
    output, tangent : Tensor, or tuples of them
        The tangent has the output's shape. Both can be differentiated again. As in reverse mode,
        what is masked out (by relu, where, max, …) is 0, even if a later slope is infinite.

    Raises
    ------
    ShapeError
        If a tangent's shape is not its primal's, or their numbers differ.

    Examples
    --------
    >>> output, tangent = jvp(lambda x: x * x, 3.0, 1.0)
    >>> output.item(), tangent.item()
    (9.0, 6.0)
    """
    function("jvp: fn", fn, "a function of Tensors")
    points = primals if is_several(primals) else (primals,)
    directions = tangents if is_several(tangents) else (tangents,)
    if len(points) != len(directions):
        raise ShapeError(f"jvp: found {len(directions)} tangents for {len(points)} primals")
    moved: dict[Any, Tensor] = {}
    seeds = []
    with enable_grad():  # inside no_grad too: what is moved must be recorded to be followed
        for position, (point, direction) in enumerate(zip(points, directions, strict=True)):
            start = moving(point)
            along = (
                direction if isinstance(direction, Tensor) else Tensor(direction, dtype=start.dtype)
            )
            if along.shape != start.shape:
                raise ShapeError(
                    f"jvp: tangent {position} has shape {along.shape}, its primal {start.shape}"
                )
            seeds.append(start)
            moved[start] = along
        outputs = fn(*seeds)
        outs = outputs if is_several(outputs) else (outputs,)
        push_forward([checked_output("jvp", out) for out in outs], moved)
    results = [
        moved[out] if out in moved else constant(np.zeros(out.shape, out.dtype)) for out in outs
    ]
    if not here.get().recording:
        outs, results = [out.detach() for out in outs], [result.detach() for result in results]
    several = is_several(outputs)
    return (tuple(outs), tuple(results)) if several else (outs[0], results[0])


def push_forward(outputs: Sequence[Tensor], moved: dict[Any, Tensor]) -> None:
    """Walk the tape forwards, and compute the tangent of every Tensor that a moved one leads to.

    Parameters
    ----------
    outputs : sequence of Tensors
    moved : dict of Tensor to its tangent, of its shape
        Where to start; what the outputs were computed from is added, as far as it moves.
    """
    starts = dict(moved)
    nodes = history(outputs)[::-1]
    _push(nodes, moved, _tangent)
    # only where the product of a 0 and an infinite slope is nan does a mask matter
    if any(np.isnan(moved[output]._array).any() for output in outputs if output in moved):
        moved.clear()
        moved.update(starts)
        _push(nodes, moved, partial(_masked_tangent, {}))


def _push(
    nodes: list[Tensor], moved: dict[Any, Tensor], tangent_of: Callable[..., Tensor | None]
) -> None:
    for node in nodes:
        if node not in moved and any(operand in moved for operand in node.inputs):
            tangent = tangent_of(node, [moved.get(operand) for operand in node.inputs])
            if tangent is not None:
                moved[node] = tangent


def _tangent(node: Any, tangents: list[Tensor | None]) -> Tensor | None:
    tangent: Tensor | None = node.primitive.jvp(tangents, node, node.inputs, node.parameters)
    return tangent


def _masked_tangent(
    masked: dict[Tensor, np.ndarray], node: Any, tangents: list[Tensor | None]
) -> Tensor | None:
    """Return the tangent of a node: 0 where no input reaches it, even if the slope is infinite.

    Where a tangent moves is added to ``masked``, unless it moves in every entry.
    """
    arrays = [operand._array for operand in node.inputs]
    terms, moves = [], np.zeros(node.shape, bool)
    for port, operand in enumerate(node.inputs):
        alone = [tangent if at == port else None for at, tangent in enumerate(tangents)]
        term = None if tangents[port] is None else _tangent(node, alone)
        if term is None:
            continue
        before = masked.get(operand, np.ones(operand.shape, bool))
        there = passes(node.primitive, port, before, arrays, node._array, node.parameters or {})
        terms.append(term if there.all() else p.mask(term, there))
        moves = moves | there
    if not moves.all():
        masked[node] = moves
    return reduce(add, terms) if terms else None


def moving(point: Any) -> Tensor:
    """Return a new Tensor at a point, which nothing else reads and which requires a gradient."""
    if isinstance(point, Tensor) and point.requires_grad:
        return record(p.reshape, (point,), {"shape": point.shape})
    return Tensor(plain(point), requires_grad=True)


def is_several(value: Any) -> bool:
    """Return whether a value is a tuple or a list: one entry for each argument or output."""
    return isinstance(value, tuple | list)


def checked_output(who: str, value: Any) -> Tensor:
    """Return what a function returned, if it is a Tensor."""
    if not isinstance(value, Tensor):
        raise UsageError(f"{who}: fn returned {type(value).__name__}, expected a Tensor")
    return value


def _tensors(value: Any, argument: str) -> list[Tensor]:
    several = list(value) if is_several(value) else [value]
    for x in several:
        if not isinstance(x, Tensor):
            raise UsageError(f"grad: found {type(x).__name__} in {argument}, expected Tensors")
    return several
