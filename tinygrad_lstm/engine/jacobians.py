"""vjp, jacobian, hessian, hvp and gnvp: derivatives of functions, beside `grad` and `jvp`.

Knows `grad` and the walk forwards; no layers, no graph.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import ShapeError
from . import primitives as p
from .arguments import flag, function
from .arrays import plain
from .differentiate import checked_output, grad, is_several, jvp, moving, push_forward
from .place import enable_grad, no_grad
from .tensor import Tensor, constant


def vjp(
    fn: Callable[..., Any], primals: Any, cotangents: Any = None, create_graph: bool = False
) -> tuple[Any, Any]:
    """Return fn(*primals) and the cotangents of the primals, in reverse mode.

    Parameters
    ----------
    fn : (*Tensors) -> Tensor or sequence of Tensors
    primals : array, number or Tensor, or a tuple or list of them, one for each argument
    cotangents : of the structure and the shapes of the output, optional
        1 for an output that is one number.
    create_graph : bool
        Record the backward pass, so that its results can be differentiated again.

    Returns
    -------
    output : Tensor, or a tuple of them
    cotangents : Tensor, or a tuple of them if primals is a tuple or a list
        Each of its primal's shape; 0 where the output does not depend on a primal.

    Raises
    ------
    ShapeError
        If a cotangent's shape is not its output's, or their numbers differ.
    GradientError
        If a cotangent is left out of an output that is not one number.

    Examples
    --------
    >>> output, ct = vjp(lambda x: x * x, np.array([1.0, 2.0]), np.array([1.0, 10.0]))
    >>> ct.numpy()
    array([ 2., 40.])
    """
    run = _FunctionRun("vjp", fn, primals)
    create_graph = flag("vjp: create_graph", create_graph)
    out_cts: Sequence[Any] = [None] * len(run.outs)
    if cotangents is not None:
        out_cts = cotangents if run.has_several and is_several(cotangents) else [cotangents]
    if len(out_cts) != len(run.outs):
        raise ShapeError(f"vjp: found {len(out_cts)} cotangents for {len(run.outs)} outputs")
    cts = run.pull(dict(enumerate(out_cts)), create_graph)
    outs = tuple(run.outs if create_graph else [out.detach() for out in run.outs])
    return (outs if run.has_several else outs[0]), run.by_primal(cts)


def jacobian(fn: Callable[..., Any], primals: Any, create_graph: bool = False) -> Any:
    """Return the derivative of every entry of fn(*primals) by every entry of the primals.

    Row by row in reverse mode, or column by column in forward mode where there are fewer columns.

    Parameters
    ----------
    fn : (*Tensors) -> Tensor or sequence of Tensors
    primals : array, number or Tensor, or a tuple or list of them, one for each argument
    create_graph : bool
        Record the work, so that the result can be differentiated again.

    Returns
    -------
    Tensor of shape ``y.shape + x.shape``
        ``J[i, j] = ∂y[i] / ∂x[j]``. A tuple of them, one for each primal, if primals is a tuple or
        a list; a tuple of these, one for each output, if fn returns several.

    Raises
    ------
    UsageError
        If fn returns what is no Tensor.

    Examples
    --------
    >>> jacobian(lambda x: x * x, np.array([1.0, 2.0])).numpy()
    array([[2., 0.],
           [0., 4.]])
    """
    create_graph = flag("jacobian: create_graph", create_graph)
    run = _FunctionRun("jacobian", fn, primals)
    rows = tuple(run.by_primal(row) for row in run.jacobians(create_graph))
    return rows if run.has_several else rows[0]


def hessian(fn: Callable[..., Any], primals: Any, create_graph: bool = False) -> Any:
    """Return the second derivatives of fn(*primals), which is one number.

    Parameters
    ----------
    fn : (*Tensors) -> Tensor
    primals, create_graph : as in `jacobian`

    Returns
    -------
    Tensor of shape ``x.shape + x.shape``
        If primals is a tuple or a list, a tuple of tuples: ``H[i][j]`` of shape
        ``x[i].shape + x[j].shape``.

    Raises
    ------
    ShapeError
        If fn returns more than one number.

    Examples
    --------
    >>> hessian(lambda x: (x**3).sum(), np.array([1.0, 2.0])).numpy()
    array([[ 6.,  0.],
           [ 0., 12.]])
    """
    create_graph = flag("hessian: create_graph", create_graph)
    function("hessian: fn", fn, "a function of Tensors")
    run = _FunctionRun("hessian", lambda *xs: _slopes("hessian", fn, xs)[1:], primals)
    return run.by_primal([run.by_primal(row) for row in run.jacobians(create_graph)])


def hvp(fn: Callable[..., Any], primals: Any, tangents: Any) -> tuple[Any, Any]:
    """Return fn(*primals) and its Hessian times the tangents, forward over reverse.

    This costs a few times as much as fn; the Hessian itself is never formed.

    Parameters
    ----------
    fn : (*Tensors) -> Tensor
        One number.
    primals : array, number or Tensor, or a tuple or list of them, one for each argument
    tangents : of the same structure and shapes

    Returns
    -------
    output : Tensor
    product : Tensor, or a tuple of them if primals is a tuple or a list
        Each of its primal's shape. Both can be differentiated again.

    Raises
    ------
    ShapeError
        If fn returns more than one number, or a tangent's shape is not its primal's.

    Examples
    --------
    >>> x, t = np.array([1.0, 2.0]), np.array([1.0, 10.0])
    >>> output, product = hvp(lambda x: (x**3).sum(), x, t)
    >>> product.numpy()
    array([  6., 120.])
    """
    function("hvp: fn", fn, "a function of Tensors")
    outs, moved = jvp(lambda *xs: _slopes("hvp", fn, xs), primals, tangents)
    return outs[0], moved[1:] if is_several(primals) else moved[1]


def gnvp(
    fn: Callable[..., Any], primals: Any, tangents: Any, loss: Callable[..., Any] | None = None
) -> tuple[Any, Any]:
    """Return fn(*primals) and the Gauss–Newton matrix of loss(fn(*primals)) times the tangents.

        G t = Jᵀ H J t

    with the Jacobian J of fn, and the Hessian H of the loss by what fn returns. G is the Hessian
    without the curvature of fn, and has no negative eigenvalue where the loss is convex
    (N. Schraudolph, Neural Computation 14, 2002, sec. 4). It is never formed.

    Parameters
    ----------
    fn : (*Tensors) -> Tensor or sequence of Tensors
        Such as a network, from its parameters to its outputs.
    primals : array, number or Tensor, or a tuple or list of them, one for each argument
    tangents : of the same structure and shapes
    loss : (*Tensors) -> Tensor, optional
        One number, from what fn returns. ½ Σ y² if left out, for which H is 1.

    Returns
    -------
    output : Tensor, or a tuple of them
    product : Tensor, or a tuple of them if primals is a tuple or a list
        Each of its primal's shape.

    Raises
    ------
    ShapeError
        If the loss returns more than one number, or a tangent's shape is not its primal's.

    Examples
    --------
    >>> x, t = np.array([1.0, 2.0]), np.array([1.0, 10.0])
    >>> output, product = gnvp(lambda x: x * x, x, t)
    >>> product.numpy()         # J is diag(2 x)
    array([  4., 160.])
    """
    run = _FunctionRun("gnvp", fn, primals)
    if loss is not None:
        function("gnvp: loss", loss, "a function of Tensors")
    cts = run.push("gnvp", tangents if run.is_sequence else (tangents,))
    if loss is not None:
        _, cts = hvp(loss, [out.detach() for out in run.outs], cts)
    outs = tuple(out.detach() for out in run.outs)
    product = run.by_primal(run.pull(dict(enumerate(cts)), create_graph=False))
    return (outs if run.has_several else outs[0]), product


# --- how ----------------------------------------------------------------------------------------


class _FunctionRun:
    """One run of a function, recorded.

    Attributes
    ----------
    seeds : the primals, on the tape
    outs : what the function returned
    has_several : bool
        Whether it returned a sequence.
    """

    def __init__(self, who: str, fn: Callable[..., Any], primals: Any) -> None:
        function(f"{who}: fn", fn, "a function of Tensors")
        self.is_sequence = is_several(primals)
        points = primals if self.is_sequence else (primals,)
        with enable_grad():  # inside no_grad too: what is differentiated must be recorded
            self.seeds = [moving(point) for point in points]
            outputs = fn(*self.seeds)
        self.has_several = is_several(outputs)
        self.outs = [
            checked_output(who, out) for out in (outputs if self.has_several else (outputs,))
        ]

    def by_primal(self, results: Sequence[Any]) -> Any:
        """Return one result for each primal in the structure of the primals."""
        return tuple(results) if self.is_sequence else results[0]

    def pull(self, cotangents: Mapping[int, Any], create_graph: bool) -> list[Tensor]:
        """Return the cotangents of the primals from the cotangents of some outputs, by number."""
        live = [k for k in cotangents if self.outs[k].requires_grad]
        pulled: Sequence[Tensor | None] = [None] * len(self.seeds)
        with enable_grad():
            if live:
                outs, cts = [self.outs[k] for k in live], [cotangents[k] for k in live]
                pulled = grad(outs, self.seeds, cts, create_graph, allow_unused=True)
        return [_zeros(x) if ct is None else ct for x, ct in zip(self.seeds, pulled, strict=True)]

    def jacobians(self, create_graph: bool) -> list[list[Tensor]]:
        """Return the Jacobian of each output by each primal."""
        if sum(y.size for y in self.outs) <= sum(x.size for x in self.seeds):
            rows = [[self.pull({k: ct}, create_graph) for ct in _units(out)]
                    for k, out in enumerate(self.outs)]  # fmt: skip
            return [
                [_matrix([row[j] for row in rows[k]], 0, out, x) for j, x in enumerate(self.seeds)]
                for k, out in enumerate(self.outs)
            ]
        with enable_grad() if create_graph else no_grad():
            columns = [[self._push({x: constant(t)}) for t in _units(x)] for x in self.seeds]
            return [
                [_matrix([c[k] for c in columns[j]], -1, out, x) for j, x in enumerate(self.seeds)]
                for k, out in enumerate(self.outs)
            ]

    def push(self, who: str, tangents: Sequence[Any]) -> list[Tensor]:
        """Return the tangents of the outputs from those of all primals."""
        if not is_several(tangents) or len(tangents) != len(self.seeds):
            count = len(tangents) if is_several(tangents) else 1
            raise ShapeError(f"{who}: found {count} tangents for {len(self.seeds)} primals")
        moved: dict[Any, Tensor] = {}
        for position, (x, tangent) in enumerate(zip(self.seeds, tangents, strict=True)):
            moved[x] = Tensor(plain(tangent), dtype=x.dtype)
            if moved[x].shape != x.shape:
                raise ShapeError(
                    f"{who}: tangent {position} has shape {moved[x].shape}, its primal {x.shape}"
                )
        with no_grad():
            return self._push(moved)

    def _push(self, moved: dict[Any, Tensor]) -> list[Tensor]:
        """Return the tangents of the outputs from those of some primals."""
        push_forward(self.outs, moved)
        return [moved[out] if out in moved else _zeros(out) for out in self.outs]


def _units(x: Tensor) -> Iterator[np.ndarray]:
    """Yield arrays of a shape with a 1 in one place each."""
    for place in np.ndindex(x.shape):
        unit = np.zeros(x.shape, x.dtype)
        unit[place] = 1
        yield unit


def _matrix(lines: list[Tensor], axis: int, out: Tensor, x: Tensor) -> Tensor:
    """Return rows or columns as one Jacobian."""
    shape = (*out.shape, *x.shape)
    if not lines:
        return constant(np.zeros(shape, out.dtype))
    matrix: Tensor = p.reshape(p.stack(lines, axis=axis), shape=shape)
    return matrix


def _zeros(x: Tensor) -> Tensor:
    return constant(np.zeros(x.shape, x.dtype))


def _slopes(who: str, fn: Callable[..., Any], xs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Return fn(*xs), one number, and its gradients, recorded."""
    y = checked_output(who, fn(*xs))
    if y.size != 1:
        raise ShapeError(
            f"{who}: fn returned shape {y.shape}, expected one number; reduce it with .sum(), or "
            "take the jacobian of a gradient"
        )
    if not y.requires_grad:
        return (y, *map(_zeros, xs))
    slopes = grad(y, xs, create_graph=True, allow_unused=True)
    return (y, *(_zeros(x) if ct is None else ct for x, ct in zip(xs, slopes, strict=True)))
