"""A formula of any step k as a formula of all steps at once.

Knows Symbols and their parameters; no network, and no primitive by its name. A sequence has its
steps along the first axis. How an operation acts on a whole sequence is tried out on random
numbers: what gives the same as the operation at every step is taken, and if nothing does, the
formula stays at step k.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from ...engine.symbol import ITEM, MATMUL, RESHAPE, TRANSPOSE, Notation, Symbol, function
from ...network.parameters import Varying, key_of
from ..letter_reader import EVERY
from ..reader import Variable
from ..rewriting import rewrite

STEPS = 3  # of a trial
SWAPPED = function("swapaxes", parameters=("axis1", "axis2"))


class Whole(Variable):
    """A signal at all steps: its value has a first axis of steps, and its offset is a shift."""


class NotLifted(Exception):
    """The formula has a part that acts on no whole sequence."""


def with_value(
    notation: Notation,
    apply: Callable[..., Any],
    operands: tuple[Any, ...],
    parameters: dict[str, Any],
    value: Any,
) -> Symbol:
    """Return an operation whose value is given, and not computed."""
    result = Symbol("", value)
    result.notation, result.apply = notation, apply
    result.operands, result.parameters = operands, parameters
    return result


def repeated(value: Any, count: int) -> np.ndarray:
    """Return an array that stands for a sequence of values like this one."""
    return np.broadcast_to(value, (count, *np.shape(value)))


def reshaped(x: Symbol, shape: tuple[int, ...]) -> Symbol:
    """Return the entries of x in another shape."""
    while x.notation is RESHAPE and x.shape != shape:
        (x,) = x.operands
    if x.shape == shape:
        return x
    blank = np.broadcast_to(np.zeros((), np.asarray(x.value).dtype), shape)
    return with_value(RESHAPE, np.reshape, (x,), {"shape": shape}, blank)


def flat(formula: Any) -> Any:
    """Return a formula with one product of matrices in place of one for each entry of a batch."""

    def put(old: Symbol, operands: tuple[Any, ...]) -> Any:
        assert old.notation is not None and old.apply is not None
        if old.notation is MATMUL and operands[0].ndim > 2 and operands[1].ndim == 2:
            a, b = operands
            rows = int(np.prod(a.shape[:-1]))
            blank = np.broadcast_to(np.zeros((), old.value.dtype), (rows, b.shape[1]))
            a = reshaped(a, (rows, a.shape[-1]))
            return reshaped(with_value(MATMUL, np.matmul, (a, b), {}, blank), old.shape)
        if all(one is other for one, other in zip(operands, old.operands, strict=True)):
            return old
        return with_value(old.notation, old.apply, operands, old.parameters, old.value)

    return rewrite(formula, put)


class Lifting:
    """Formulas of step k, made formulas of all steps.

    Parameters
    ----------
    count : int
        The number of steps.
    whole : (signal at step k) -> Symbol, or None
        The same signal at all steps, if it is to be had.
    """

    def __init__(self, count: int, whole: Callable[[Variable], Symbol | None]) -> None:
        self.count, self.whole = count, whole
        self.known: dict[int, tuple[Any, bool]] = {}
        self.tried: dict[Hashable, bool] = {}

    def __call__(self, formula: Any) -> Symbol | None:
        """Return a formula at all steps, or None if it has no such form."""
        try:
            lifted, is_timed = self._part(formula)
        except NotLifted:
            return None
        if isinstance(lifted, Symbol) and is_timed:
            return lifted
        value = formula.value if isinstance(formula, Symbol) else np.asarray(formula, float)
        apply, text = np.broadcast_to, function("broadcast", parameters=("shape",))
        return with_value(
            text, apply, (lifted,), {"shape": (self.count, *np.shape(value))},
            repeated(value, self.count),
        )  # fmt: skip

    def _part(self, part: Any) -> tuple[Any, bool]:
        """Return a part of a formula at all steps, and whether it differs from step to step."""
        if not isinstance(part, Symbol):
            return part, False
        if id(part) not in self.known:
            self.known[id(part)] = self._lifted(part)
        return self.known[id(part)]

    def _lifted(self, part: Symbol) -> tuple[Any, bool]:
        if isinstance(part, Variable):
            if part.offset is None or isinstance(part, Whole):  # the same at every step
                return part, False
            whole = self.whole(part)
            if whole is None:
                raise NotLifted
            return whole, True
        if part.apply is None:
            return part, False
        if part.notation is EVERY:
            raise NotLifted
        varying = [x for x in part.parameters.values() if isinstance(x, Varying)]
        if varying:
            return self._read(part, varying), True
        operands, timed = zip(*map(self._part, part.operands), strict=True)
        if not any(timed):
            return part, False
        return self._operation(part, operands, timed), True

    def _read(self, part: Symbol, varying: list[Varying]) -> Symbol:
        """Return what is read from a sequence at an index of its own at each step."""
        assert part.notation is not None and part.apply is not None
        source: Symbol = part.operands[0]
        index = part.parameters.get("index")
        if part.notation is not ITEM or index is not varying[0] or self._part(source)[1]:
            raise NotLifted
        value = repeated(part.value, self.count)
        if index.name == "k" and len(source.value) == self.count:
            return source
        at = tuple(index.values)
        if index.offset or len(at) != self.count or not {int}.issuperset(map(type, at)):
            raise NotLifted
        if at == tuple(range(len(source.value))):
            return source
        steps = {after - before for before, after in pairwise(at)} or {1}
        entries: Any = list(at)
        if len(steps) == 1 and 0 not in steps and min(at) >= 0:
            (step,) = steps
            end = at[-1] + step
            entries = slice(at[0], None if end < 0 else end, None if step == 1 else step)
        return with_value(ITEM, part.apply, (source,), {"index": entries}, value)

    def _operation(self, part: Symbol, operands: Sequence[Any], timed: Sequence[bool]) -> Symbol:
        """Return the operation on whole sequences that gives the same as the one at each step."""
        value = repeated(part.value, self.count)
        aligned = tuple(
            self._aligned(x, part.ndim) if is_timed else x
            for x, is_timed in zip(operands, timed, strict=True)
        )
        for xs in (aligned, tuple(operands)):
            for notation, apply, parameters in _forms(part, self.count):
                if self._is_same(part, apply, parameters(STEPS), xs, timed):
                    return with_value(notation, apply, xs, parameters(self.count), value)
        raise NotLifted

    def _is_same(
        self,
        part: Symbol,
        apply: Callable[..., Any],
        parameters: dict[str, Any],
        operands: Sequence[Any],
        timed: Sequence[bool],
    ) -> bool:
        """Return whether an operation on a sequence gives what the one at each step gives."""
        shapes = tuple(
            np.shape(getattr(x, "value", x))[is_timed:]
            for x, is_timed in zip(operands, timed, strict=True)
        )
        own = tuple(np.shape(getattr(x, "value", x)) for x in part.operands)
        plain = tuple((name, key_of(value)) for name, value in part.parameters.items())
        key = part.apply, apply, tuple(timed), shapes, own, plain
        if key not in self.tried:
            self.tried[key] = _try(part, apply, parameters, operands, timed, shapes, own)
        return self.tried[key]

    def _aligned(self, x: Symbol, ndim: int) -> Symbol:
        """Return a sequence whose entries have as many axes as what is made of them."""
        own = x.shape[1:]
        return reshaped(x, (self.count, *(1,) * (ndim - len(own)), *own))


Form = tuple[Notation, Callable[..., Any], Callable[[int], dict[str, Any]]]


def _forms(part: Symbol, count: int) -> Iterator[Form]:
    """Return what an operation at one step may be on a sequence."""
    assert part.notation is not None and part.apply is not None
    ndim = np.ndim(getattr(part.operands[0], "value", part.operands[0]))
    if part.notation is TRANSPOSE and not part.parameters:
        if ndim < 2:
            yield part.notation, lambda x: x, lambda steps: {}
        else:
            yield SWAPPED, np.swapaxes, lambda steps: {"axis1": -1, "axis2": -2}
        return
    yield (
        part.notation,
        part.apply,
        lambda steps: {
            name: _later_axes(name, value, ndim, steps) for name, value in part.parameters.items()
        },
    )


def _later_axes(name: str, value: Any, ndim: int, steps: int) -> Any:
    """Return a parameter for a sequence: of whose axes each is one later."""
    if name == "shape":
        return (steps, *value)
    if name == "index":
        parts = value if isinstance(value, tuple) else (value,)
        return value if parts and parts[0] is Ellipsis else (slice(None), *parts)
    if name == "axes":
        order = range(ndim)[::-1] if value is None else [axis % ndim for axis in value]
        return (0, *(axis + 1 for axis in order))
    if name == "pad_width" and isinstance(value, tuple):
        return ((0, 0), *value)
    if name == "axis" and value is None:
        return tuple(range(1, ndim + 1))
    if name.startswith("axis") and isinstance(value, tuple):
        return tuple(axis + 1 if axis >= 0 else axis for axis in value)
    if name.startswith("axis") and isinstance(value, int):
        return value + 1 if value >= 0 else value
    return value


def _try(
    part: Symbol,
    apply: Callable[..., Any],
    parameters: dict[str, Any],
    operands: Sequence[Any],
    timed: Sequence[bool],
    shapes: Sequence[tuple[int, ...]],
    own: Sequence[tuple[int, ...]],
) -> bool:
    rng = np.random.default_rng(0)
    xs = [
        rng.uniform(0.5, 1.5, (STEPS, *shape) if is_timed else shape)
        if isinstance(x, Symbol)
        else x
        for x, shape, is_timed in zip(operands, shapes, timed, strict=True)
    ]
    assert part.apply is not None
    try:
        at_once = np.asarray(apply(*xs, **parameters))
        for k in range(STEPS):
            at_k = [
                x[k].reshape(shape) if is_timed else x
                for x, shape, is_timed in zip(xs, own, timed, strict=True)
            ]
            alone = np.asarray(part.apply(*at_k, **part.parameters))
            if len(at_once) != STEPS or at_once[k].shape != alone.shape:
                return False
            if not np.allclose(at_once[k], alone, rtol=1e-12, atol=0):
                return False
    except Exception:  # of somebody's operation, which need not run on a sequence
        return False
    return True
