"""The check of a user's function: its derivatives, and its promises.

Knows Tensors and the comparison with slopes; no layers, no signals.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..engine.arguments import flag, function, number, one_of, optional, whole
from ..engine.differentiate import grad
from ..engine.place import enable_grad
from ..engine.tape import history
from ..engine.tensor import Tensor
from ..errors import ArgumentError, DTypeError, GradientError, UsageError
from .findings import Failure, GradReport
from .pullback import Options, Pullback


def gradcheck(
    fn: Callable[..., Any],
    inputs: Any,
    *,
    order: int = 1,
    jacobian: str = "auto",
    seed: int = 0,
    float32: bool = False,
    rtol: float | None = None,
    atol: float = 0.0,
) -> GradReport:
    """Check the derivatives of a function at a point, and report the wrong ones.

    The reverse mode is held against central differences of ``fn``; against the complex step of
    what it recorded, where every primitive of that is analytic (W. Squire and G. Trapp, "Using
    complex variables to estimate derivatives of real functions", SIAM Review 40(1), 1998); and
    against forward mode, by the dot-product test ⟨u, J v⟩ = ⟨Jᵀ u, v⟩ (A. Griewank and A. Walther,
    *Evaluating Derivatives*, 2nd ed., SIAM 2008, ch. 3). Also: ``fn`` gives the same twice and
    keeps its inputs, a second backward pass adds the same again, and a zero cotangent gives zeros.

    Where one-sided differences do not close in on each other as their step shrinks, the function
    has a kink. A kink is reported as such, and is no failure as long as the tape's slope lies
    between the two. Along a random direction a kink may hide a failure beside it.

    Parameters
    ----------
    fn : (*Tensors) -> Tensor or tuple of Tensors
        Gets the inputs; it may as well find those that are Tensors requiring a gradient by itself,
        as a module does its parameters: their numbers are moved in place, and put back. What
        ``stop_gradient`` cuts off is held constant.
    inputs : array, number or Tensor, or a tuple or list of them
        The point. Conditions and indices are no inputs: let ``fn`` close over them.
    order : 1 or 2
        2: check also the gradient of ``fn``, for random cotangents, as a function of the inputs
        and of those cotangents.
    jacobian : "auto", "full" or "projected"
        Every element of the outputs by every element of the inputs; or random combinations of the
        outputs by random directions, two of each for every input, where a failure is traced to an
        element by halving the direction; or full up to 200 elements of inputs and outputs together.
    seed : int
        Of the random numbers.
    float32 : bool
        Take float32 too, whose differences keep three digits at best.
    rtol : float, optional
        The tolerance of every method, relative to the largest derivative by that input, instead of
        1e-8 for differences and 1e-12 for the rest, in float32 1e-3 and 1e-5. The effect of
        rounding is added: 16 ε times the size of the outputs, or of the largest value on the tape
        that they are made of; for differences divided by the step, which is 1e-4 … 1e-7 (in
        float32 2e-2 … 1e-3) relative to max(1, |x|), or to |x| where the outputs' own scale is as
        small. A derivative of 0 is known to a part of the slopes within the step.
    atol : float
        Added to that.

    Returns
    -------
    GradReport
        With ``ok``, ``failures``, ``kinks`` and ``checks``.

    Raises
    ------
    UsageError
        If ``fn`` is not callable or returns no Tensors, or a primitive that is declared analytic
        takes no complex numbers.
    ArgumentError
        If there is nothing to check, a number is not finite, or an option is out of its range.
    DTypeError
        If an input is no array of real floating point numbers, or of float32 without being asked
        for.
    GradientError
        If the outputs depend on none of the inputs.

    Examples
    --------
    >>> report = gradcheck(lambda x, y: (x * y).sum(), ([1.0, 2.0], 3.0), order=2)
    >>> report.ok
    True
    >>> from ..engine.primitives import abs
    >>> print(*gradcheck(abs, np.array([0.0, -2.0])).kinks)
    a kink: output 0[0] by input 0[0]: slopes -1 and 1
    """
    options = Options(jacobian, seed, rtol, atol)
    _check_options(fn, order, options)
    leaves = _leaves(inputs, float32)
    names = _names(leaves)

    def run() -> tuple[Tensor, ...]:
        return _outputs(fn(*leaves))

    with enable_grad():
        broken = _broken_promises(run, leaves, names)
        if broken:  # there is no one function to differentiate
            return GradReport((), tuple(broken), ())
        with np.errstate(all="ignore"):  # a number that is not finite does not pass
            first = Pullback(run, leaves, names, 1, options)
            reports = [first.report()]
            if order == 2:
                reports.append(_second(run, first, options).report())
    return GradReport(*(sum(parts, ()) for parts in zip(*reports)))


def _second(run: Callable[[], tuple[Tensor, ...]], first: Pullback, options: Options) -> Pullback:
    """Return the comparison of the gradient, for random cotangents, as a function of its own."""
    leaves, outs = first.leaves, first.recorded.outputs
    rng = np.random.default_rng([options.seed, 0])
    starts = [Tensor(rng.normal(size=out.shape), True, dtype=out.dtype) for out in outs]

    def slope() -> tuple[Tensor, ...]:
        live, seeds = zip(*((out, u) for out, u in zip(run(), starts) if out.requires_grad))
        slopes = grad(live, leaves, seeds, create_graph=True, allow_unused=True)
        return tuple(
            Tensor(np.zeros(leaf.shape), dtype=leaf.dtype) if slope is None else slope
            for slope, leaf in zip(slopes, leaves)
        )

    names = [*first.names, *(f"cotangent of output {k}" for k in range(len(starts)))]
    second = Pullback(slope, [*leaves, *starts], names, 2, options)
    second.recorded.has_cut = first.recorded.has_cut  # a rule is not to cut anything
    return second


def _broken_promises(
    run: Callable[[], tuple[Tensor, ...]], leaves: list[Tensor], names: list[str]
) -> list[Failure]:
    """Run the function twice; return where it changed its inputs or did not give the same."""
    arrays, serials = [leaf._array for leaf in leaves], [leaf.serial for leaf in leaves]
    copies = [array.copy() for array in arrays]
    once = again = run()
    if all(np.array_equal(leaf._array, was) for leaf, was in zip(leaves, copies)):
        _check_outputs(once, leaves)
        again = run()
    failures = []
    for leaf, name, array, was, serial in zip(leaves, names, arrays, copies, serials):
        for at in map(tuple, np.argwhere(~(leaf._array == was)).tolist()):
            values: dict[str, Any] = dict(found=float(leaf._array[at]), expected=float(was[at]))
            failures.append(Failure(order=1, input=name, at=at, method="inputs kept", **values))
        if not (np.array_equal(array, was) and leaf._array is array):
            array[...] = was
            leaf._array, leaf.serial = array, serial
    if failures:
        return failures
    if [out.shape for out in once] != [out.shape for out in again]:
        raise ArgumentError(
            f"gradcheck: the function returned shapes {[out.shape for out in once]}, and when "
            f"called again {[out.shape for out in again]}; let it do the same at every call"
        )
    for k, (one, other) in enumerate(zip(once, again)):
        allowed = 64 * np.finfo(one.dtype).eps * np.max(np.abs(one._array), initial=0.0)
        for at in map(tuple, np.argwhere(~(abs(other._array - one._array) <= allowed)).tolist()):
            values = dict(found=float(other._array[at]), expected=float(one._array[at]))
            which: dict[str, Any] = dict(order=1, input="", at=None, output=f"output {k}")
            failures.append(Failure(method="called again", output_at=at, **which, **values))
    return failures


# --- bad input ----------------------------------------------------------------------------------


def _check_options(fn: Any, order: Any, options: Options) -> None:
    function("gradcheck: fn", fn, "a function of Tensors")
    whole("gradcheck: order", order, 1, 3)
    one_of("gradcheck: jacobian", options.jacobian, ("auto", "full", "projected"))
    whole("gradcheck: seed", options.seed, 0)
    optional(number, "gradcheck: rtol", options.rtol, 0.0)
    number("gradcheck: atol", options.atol, 0.0)


def _leaves(inputs: Any, float32: bool) -> list[Tensor]:
    """Return the inputs as leaves: leaves that require a gradient as they are, others as copies."""
    float32 = flag("gradcheck: float32", float32)
    several = list(inputs) if isinstance(inputs, tuple | list) else [inputs]
    leaves = []
    for k, entry in enumerate(several):
        if isinstance(entry, Tensor) and entry.requires_grad and not entry.inputs:
            leaf = entry
        else:
            data, name = (entry.numpy(), entry.name) if isinstance(entry, Tensor) else (entry, None)
            try:
                leaf = Tensor(data, requires_grad=True, name=name)
            except DTypeError as error:
                raise DTypeError(
                    f"gradcheck: input {k}: {error}; a condition or an index is no input: let the "
                    "function close over it"
                ) from None
        who = f"gradcheck: input {k}" + (f" ({leaf.name})" if leaf.name else "")
        if leaf.dtype.itemsize < (4 if float32 else 8):
            raise DTypeError(
                f"{who} is of type {leaf.dtype}: differences of such numbers keep too few digits "
                "to find a wrong derivative; give float64"
                + (", or float32=True to have it checked to 1e-3" if leaf.dtype == "f4" else "")
            )
        _refuse_infinite(who, leaf, "that is finite")
        leaves.append(leaf)
    if not sum(leaf.size for leaf in leaves):
        raise ArgumentError(
            "gradcheck: the inputs hold no numbers; give one array or Tensor, or several"
        )
    return leaves


def _refuse_infinite(who: str, tensor: Tensor, point: str) -> None:
    for at in map(tuple, np.argwhere(~np.isfinite(tensor._array)).tolist()):
        raise ArgumentError(f"{who}: element {at} is {tensor._array[at]}; choose a point {point}")


def _names(leaves: list[Tensor]) -> list[str]:
    """Return the names of the inputs in reports: their own names, where these differ."""
    labels = [leaf.label() if leaf.name else f"input {k}" for k, leaf in enumerate(leaves)]
    return [
        label if labels.count(label) == 1 else f"{label} (input {k})"
        for k, label in enumerate(labels)
    ]


def _outputs(returned: Any) -> tuple[Tensor, ...]:
    several = tuple(returned) if isinstance(returned, tuple | list) else (returned,)
    for out in several:
        if not isinstance(out, Tensor):
            raise UsageError(
                f"gradcheck: the function returned {type(out).__name__}, expected a Tensor or a "
                "tuple of Tensors; compute with Tensors to the end"
            )
    return several


def _check_outputs(outs: tuple[Tensor, ...], leaves: list[Tensor]) -> None:
    if not sum(out.size for out in outs):
        raise ArgumentError("gradcheck: the function returned no numbers; let it return a Tensor")
    for k, out in enumerate(outs):
        _refuse_infinite(f"gradcheck: output {k}", out, "at which the function is finite")
    if set(leaves).isdisjoint(history(outs)):
        raise GradientError(
            "gradcheck: the outputs depend on none of the inputs; compute them from the Tensors "
            "that the function is given, without .detach(), .numpy() or stop_gradient"
        )
