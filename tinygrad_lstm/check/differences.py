"""Slopes of a function along a direction, computed without its reverse mode.

Knows the tape and forward mode; not the gradients that the slopes are compared with.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..engine.differentiate import push_forward
from ..engine.kind import Kind
from ..engine.place import no_grad
from ..engine.tape import history, leading_to
from ..engine.tensor import Tensor, constant
from ..errors import ArgumentError, UsageError

# Relative to max(1, |x|). Four points each: the rule is wrong by h⁴ f⁽⁵⁾/30, rounding by ε |y| / h.
STEPS = {np.float64: (1e-4, 1e-5, 1e-6, 1e-7), np.float32: (2e-2, 5e-3, 1e-3)}
ROUNDINGS = 16  # of what was computed, in units of its last place
TINY, LESS_TINY = 1e-30, 1e-9  # the complex step, which has no cancellation
KEPT = 10**6  # numbers in the outputs near the point that are kept
TRIES = 4  # times that everything on the tape is moved a little, to see the effect of rounding


class Slopes(NamedTuple):
    """The slopes of the outputs' M elements by one method.

    Attributes
    ----------
    low, high : (M,)
        The slope twice; at a kink the lesser and the greater one-sided slope; -inf and inf where
        there is none, at a jump or at the edge of where the function is finite.
    noise : (M,)
        The effect of rounding.
    kinked : (M,) bool
    """

    low: np.ndarray
    high: np.ndarray
    noise: np.ndarray
    kinked: np.ndarray


class Recorded:
    """A function recorded at a point, which can be computed at other points.

    Parameters
    ----------
    run : () -> tuple of Tensors
    leaves : the Tensors that it is a function of, which ``run`` finds by itself

    Attributes
    ----------
    outputs : tuple of Tensors
    values : (M,)
        All elements of the outputs.
    sizes : (M,)
        How large each element counts where its rounding matters: its size, or that of the largest
        value on the tape that it is made of, as in (1e8 + x) - 1e8.
    """

    def __init__(self, run: Callable[[], tuple[Tensor, ...]], leaves: Sequence[Tensor]) -> None:
        self.run, self.leaves, self.outputs = run, leaves, run()
        self.values = _flat(out._array for out in self.outputs)
        used = [leaf._array.dtype for leaf in (*leaves, *self.outputs)]
        self.dtype = max(used, key=lambda dtype: np.finfo(dtype).eps).type
        self.behind: dict[tuple[Tensor, ...], list[Any]] = {}
        self.order = leading_to(set(leaves), history(self.outputs))
        self.is_analytic = all(node.primitive.analytic for node in self.order if node.inputs)
        everything = history(self.outputs, everything=True)
        self.has_cut = any(node.inputs and node.primitive.kind is Kind.CUT for node in everything)
        largest = [np.max(np.abs(out._array), initial=0.0) for out in self.outputs]
        sizes = np.repeat(np.array(largest, float), [out.size for out in self.outputs])
        self.rounding = ROUNDINGS * float(np.finfo(self.dtype).eps)
        self.sizes = np.maximum(sizes, self._sizes_on_tape())
        self.noise = self.rounding * self.sizes
        self.outputs_at: dict[tuple[int, bytes, float], np.ndarray] = {}

    def _sizes_on_tape(self) -> np.ndarray:
        """Return by how much outputs move if all values on the tape move, relative to that.

        A value moves by a random part of itself, a value near 0 by a part of the smallest normal
        number, as rounding has it. No derivative rule is used.
        """
        limits = np.finfo(self.dtype)
        small, random = float(np.sqrt(limits.eps)), np.random.default_rng(0)

        def moved(value: np.ndarray) -> np.ndarray:
            signs = random.choice((-1.0, 1.0), value.shape)
            size = np.maximum(np.abs(value), limits.tiny)
            return np.asarray(value + signs * small * size, value.dtype)

        largest = np.zeros(self.values.shape)
        with np.errstate(all="ignore"):
            for _ in range(TRIES):
                leaves = {leaf: moved(leaf._array) for leaf in self.leaves}
                off = np.abs(self._replay(leaves, moved) - self.values) / small
                largest = np.fmax(largest, np.where(np.isfinite(off), off, 0.0))
        return largest

    def steepness(self, k: int, direction: np.ndarray) -> np.ndarray:
        """Return how fast the outputs change within the largest step, upwards and downwards.

        A slope of 0 is known no better than to a part of this.
        """
        h = 2 * STEPS.get(self.dtype, STEPS[np.float64])[0]
        ends = (np.abs(self._at(k, direction, m * h) - self.values) for m in (1, -1))
        steep = np.maximum(*ends) / h
        return np.where(np.isfinite(steep), steep, 0.0)

    def not_analytic(self) -> list[str]:
        """Return the primitives declared analytic that the complex step contradicts by themselves.

        Each is moved along a random direction, at the point where it was recorded.
        """
        names: dict[str, None] = {}
        for node in self.order:
            if not node.inputs or node.primitive is None:
                continue
            random = np.random.default_rng(0)
            operands = [operand._array for operand in node.inputs]
            ways = [random.normal(size=x.shape) if x.dtype.kind == "f" else None for x in operands]

            def at(step: complex) -> np.ndarray:
                moved = [x if t is None else x + step * t for x, t in zip(operands, ways)]  # noqa: B023
                return np.asarray(node.primitive.forward(*moved, **node.parameters))  # noqa: B023

            slope = (at(1e-6) - at(-1e-6)) / 2e-6
            if not np.allclose(at(1e-20j).imag / 1e-20, slope, rtol=1e-3, atol=1e-6):
                names.setdefault(node.primitive.name)
        return list(names)

    def exactly(self, slope: Any) -> Slopes:
        """Return slopes that no difference quotient gave."""
        slope = np.asarray(slope, float)
        return Slopes(slope, slope, self.noise, np.zeros(slope.shape, bool))

    def forward(self, k: int, direction: np.ndarray) -> Iterator[Slopes]:
        """Yield the slopes along a direction of leaf k by the tape's forward mode."""
        leaf = self.leaves[k]
        moved = {leaf: constant(np.asarray(direction, leaf.dtype))}
        with no_grad():
            push_forward(self.outputs, moved)
        still = [moved[out]._array if out in moved else np.zeros(out.shape) for out in self.outputs]
        yield self.exactly(_flat(still))

    def complex_step(self, k: int, direction: np.ndarray) -> Iterator[Slopes]:
        """Yield Im y(x + ih d) / h, the tape run again on complex numbers (Squire, Trapp 1998)."""
        scale = float(np.max(np.abs(direction)))
        # an imaginary part may be too large, or be lost, where numbers are extreme
        for size in dict.fromkeys((TINY * scale, TINY, LESS_TINY * scale)):
            moved = self.leaves[k]._array + 1j * (size * (direction / scale))
            slopes = self.exactly(self._replay({self.leaves[k]: moved}).imag / size * scale)
            if size == LESS_TINY * scale:  # the final one, which may be lost below all numbers
                lost = ROUNDINGS * float(np.finfo(self.dtype).smallest_subnormal) / size * scale
                slopes = slopes._replace(noise=slopes.noise + lost)
            yield slopes

    def differences(self, k: int, direction: np.ndarray) -> Iterator[Slopes]:
        """Yield central differences of fourth order, the step shrinking while more are asked for.

        Where the one-sided differences do not close in on each other as the step does, there is a
        kink: their gap is h f'' of a smooth function. So two steps are compared before the first
        yield; the last yield is final.
        """
        steps = STEPS.get(self.dtype, STEPS[np.float64])
        jumps = kinked = np.zeros(self.values.shape, bool)
        before = self._difference(k, direction, steps[0])
        for h in steps[1:]:
            now = self._difference(k, direction, h)
            kink, jump = _not_smooth(before, now)
            kinked, jumps = kinked | kink | jump, jumps | jump
            yield _between(before, now, kinked, jumps)
            earlier, before = before, now
        edges = ~np.isfinite(now.slope)
        last = _between(now, now, kinked | edges, jumps | edges)
        # where f'' has a kink, as of relu(x)² at 0, slopes come near no faster than the step
        off = 1.5 * np.abs(earlier.slope - now.slope) / (earlier.step / now.step - 1)
        yield last._replace(noise=last.noise + np.where(np.isfinite(off), off, 0.0))

    def _difference(self, k: int, direction: np.ndarray, h: float) -> _Difference:
        y = self.values
        ends = [self._at(k, direction, m * h) for m in (1, -1, 2, -2)]
        up, down, up2, down2 = ends
        slope = (8 * (up - down) - (up2 - down2)) / (12 * h)
        # of y, of the moved y, and of x + h times the slope
        farthest = np.max([np.abs(end - y) for end in ends], axis=0)
        steep = np.fmax(np.abs(slope), farthest)
        rounding = self.noise + self.rounding * np.nan_to_num(steep, posinf=0)
        return _Difference(h, slope, (up - y) / h, (y - down) / h, rounding / h)

    def _at(self, k: int, direction: np.ndarray, step: float) -> np.ndarray:
        """Return the outputs at a step from leaf k; they are computed once, and read often."""
        key = k, direction.tobytes(), step
        if key not in self.outputs_at:
            moved = self.leaves[k]._array + step * direction
            if len(self.outputs_at) * (self.values.size + direction.size) > KEPT:
                self.outputs_at.clear()
            self.outputs_at[key] = (
                self._replay({self.leaves[k]: moved}) if self.has_cut else self._evaluate(k, moved)
            )
        return self.outputs_at[key]

    def _replay(
        self,
        leaves: Mapping[Tensor, np.ndarray],
        moved: Callable[[np.ndarray], np.ndarray] = np.asarray,
    ) -> np.ndarray:
        """Return the outputs on the tape with other numbers in some leaves; cut values stay.

        ``moved`` changes every value that is computed.
        """
        values: dict[Any, np.ndarray] = dict(leaves)
        with warnings.catch_warnings():
            warnings.simplefilter("error", np.exceptions.ComplexWarning)
            for node in self._computed_from(leaves):
                operands = [values.get(operand, operand._array) for operand in node.inputs]
                try:
                    result = node.primitive.forward(*operands, **node.parameters)
                except (TypeError, np.exceptions.ComplexWarning) as error:
                    raise UsageError(
                        f"gradcheck: {node.primitive.name} is declared analytic, but its forward "
                        f"function takes no complex numbers ({error}); declare it with "
                        "analytic=False"
                    ) from None
                values[node] = moved(np.asarray(result))
        return _flat(values.get(out, out._array) for out in self.outputs)

    def _computed_from(self, leaves: Iterable[Tensor]) -> list[Any]:
        """Return the nodes of the tape that are computed from some leaves, in order."""
        key = tuple(leaves)
        if key not in self.behind:
            reached: set[Any] = set(key)
            nodes = self.behind[key] = []
            for node in reversed(self.order):
                if node not in reached and not reached.isdisjoint(node.inputs):
                    reached.add(node)
                    nodes.append(node)
        return self.behind[key]

    def _evaluate(self, k: int, moved: np.ndarray) -> np.ndarray:
        """Return the function's outputs with other numbers in leaf k, then restore the leaf."""
        leaf = self.leaves[k]
        point = leaf._array
        leaf._array = np.asarray(moved, point.dtype)
        try:
            values = _flat(out._array for out in self.run())
        finally:
            leaf._array = point
        if values.shape != self.values.shape:
            raise ArgumentError(
                f"gradcheck: found {values.size} elements in the outputs near the point and "
                f"{self.values.size} at it; choose a point around which their shapes stay"
            )
        return values


class _Difference(NamedTuple):
    """Differences with one step: central, and from the point upwards and downwards; (M,) each."""

    step: float
    slope: np.ndarray
    above: np.ndarray
    below: np.ndarray
    noise: np.ndarray


def _not_smooth(before: _Difference, now: _Difference) -> tuple[np.ndarray, np.ndarray]:
    """Return where one-sided differences with two steps betray a kink, and where a jump."""
    ratio = before.step / now.step
    gap1, gap2 = np.abs(before.above - before.below), ratio * np.abs(now.above - now.below)
    steep1, steep2 = (np.maximum(np.abs(x.above), np.abs(x.below)) for x in (before, now))
    doubt = ratio * now.noise
    kink = np.abs(gap1 - gap2) > np.maximum(0.5 * np.maximum(gap1, gap2), doubt)
    # a smooth function whose f'' is 0 here, as x⁴ at 0: its gap shrinks by a higher power of h
    power = 1 + np.log(gap1 / gap2) / np.log(ratio)
    is_power = (power > 1.5) & (np.abs(power - np.rint(power)) < 0.02)
    kink &= ~is_power
    return kink, steep2 > 0.5 * ratio * steep1 + doubt


def _between(
    before: _Difference, now: _Difference, kinked: np.ndarray, jumps: np.ndarray
) -> Slopes:
    """Return the earlier central slopes; where kinked the later one-sided ones, if there are."""
    low = np.where(kinked, np.minimum(now.above, now.below), before.slope)
    high = np.where(kinked, np.maximum(now.above, now.below), before.slope)
    return Slopes(
        np.where(jumps, -np.inf, low),
        np.where(jumps, np.inf, high),
        np.where(kinked, now.noise, before.noise),
        kinked,
    )


def _flat(arrays: Iterable[np.ndarray]) -> np.ndarray:
    return np.concatenate([np.ravel(array) for array in arrays])
