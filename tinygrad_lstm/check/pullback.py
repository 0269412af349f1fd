"""The reverse mode of one function at a point, compared with slopes computed without it.

Knows the tape and the slopes; not how the function is called.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ..engine.differentiate import grad
from ..engine.tape import history
from ..engine.tensor import Tensor
from .differences import Recorded, Slopes
from .findings import Check, Failure, Kink

FULL = 200  # elements of inputs and outputs up to which "auto" takes the full Jacobian
PROJECTIONS = 2  # random directions for each input, and random combinations of the outputs
# Relative to the largest derivative by the input. Differences in float32 keep three digits at best.
EXACT = {np.float64: 1e-12, np.float32: 1e-5}
DIFFERENCES = {np.float64: 1e-8, np.float32: 1e-3}

Method = Callable[[int, np.ndarray], Iterator[Slopes]]
Found = tuple[tuple[Check, ...], tuple[Failure, ...], tuple[Kink, ...], tuple[str, ...]]
NEAR = 1e-8  # a length so far below 1 is the function's own, and steps are taken in proportion


class Options(NamedTuple):
    """The options of a comparison, which `gradcheck` explains."""

    jacobian: str
    seed: int
    rtol: float | None
    atol: float


class Verdict(NamedTuple):
    """The reverse mode along a direction for each of R cotangents, beside the slopes of a method.

    Attributes
    ----------
    direction : (*shape of the leaf)
    found, expected : (R,)
    excess : (R,)   the error as a part of the allowed one: above 1 it is a failure
    allowed : (R,)
    slopes : Slopes
    """

    direction: np.ndarray
    found: np.ndarray
    expected: np.ndarray
    excess: np.ndarray
    allowed: np.ndarray
    slopes: Slopes

    @property
    def is_wrong(self) -> np.ndarray:
        """Whether each error is larger than the allowed error."""
        return ~(self.excess <= 1)


class Pullback:
    """The reverse mode of one function, run once, and the methods that it is compared with."""

    def __init__(
        self,
        run: Callable[[], tuple[Tensor, ...]],
        leaves: list[Tensor],
        names: list[str],
        order: int,
        options: Options,
    ) -> None:
        self.recorded = recorded = Recorded(run, leaves)
        self.leaves, self.names, self.order = leaves, names, order
        self.exact, self.coarse = (
            table.get(recorded.dtype, table[np.float64]) if options.rtol is None else options.rtol
            for table in (EXACT, DIFFERENCES)
        )
        self.atol = options.atol
        self.rng = np.random.default_rng([options.seed, order])
        M = recorded.values.size
        elements = M + sum(leaf.size for leaf in leaves)
        self.is_full = options.jacobian == "full" or (
            options.jacobian == "auto" and elements <= FULL
        )
        self.by_element = self.is_full or M <= PROJECTIONS
        # (R, M): the R cotangents that are pulled back, and of each leaf what came, (R, *shape)
        self.rows = np.eye(M) if self.by_element else self.rng.normal(size=(PROJECTIONS, M))
        pulled = [self._pull_back(row) for row in self.rows]
        self.gradients = [np.stack(several) for several in zip(*pulled)]
        self.lengths = [self._lengths(k) for k in range(len(leaves))]
        self.checks: list[Check] = []
        self.failures: list[Failure] = []
        self.kinks: list[Kink] = []
        self.is_misdeclared = False

    def report(self) -> Found:
        """Run all methods, and return their checks, failures and kinks."""
        self._hold("central difference", self.recorded.differences, self.coarse)
        if self.recorded.is_analytic:
            self._hold("complex step", self.recorded.complex_step, self.exact)
        self._hold("dot product", self.recorded.forward, self.exact)
        self._walk_again()
        misdeclared = self.recorded.not_analytic() or [""] if self.is_misdeclared else []
        return tuple(self.checks), tuple(self.failures), tuple(self.kinks), tuple(misdeclared)

    def _hold(self, method: str, slopes: Method, rtol: float) -> None:
        """Compare the reverse mode with one method, in every direction."""
        count, worst = 0, 0.0
        for k in range(len(self.leaves)):
            for direction in self._directions(k):
                verdict = self._verdict(slopes, rtol, k, direction)
                count += len(self.rows)
                if verdict.is_wrong.any():
                    direction = self._narrow(slopes, rtol, k, direction)
                    if method == "complex step" and self._has_kink(k, direction):
                        continue  # no function is analytic there
                    at_element = self._verdict(slopes, rtol, k, direction)
                    if at_element.is_wrong.any() or at_element.slopes.kinked.any():
                        verdict = at_element  # else the error is spread over many
                    if method == "complex step":
                        self._doubt_declaration(k, verdict)
                worst = max(worst, float(verdict.excess.max()))
                self._write_down(method, k, verdict)
        self.checks.append(Check(self.order, method, count, worst))

    def _has_kink(self, k: int, direction: np.ndarray) -> bool:
        """Return whether differences see a kink along a direction; write the kink down."""
        verdict = self._verdict(self.recorded.differences, self.coarse, k, direction)
        if verdict.slopes.kinked.any():
            self._write_down("central difference", k, verdict)
        return bool(verdict.slopes.kinked.any())

    def _doubt_declaration(self, k: int, verdict: Verdict) -> None:
        """Note where differences confirm the reverse mode, and the complex step is far from both.

        There a forward function is not analytic.
        """
        other = self._verdict(self.recorded.differences, self.coarse, k, verdict.direction)
        off = _part(np.abs(verdict.expected - other.expected), other.allowed)
        self.is_misdeclared |= bool(np.any(verdict.is_wrong & ~other.is_wrong & (off > 1)))

    def _directions(self, k: int) -> Iterator[np.ndarray]:
        """Yield directions in which to move leaf k: its elements one by one, or random ones."""
        lengths = self.lengths[k]
        if self.is_full or lengths.size <= PROJECTIONS:
            for place in np.ndindex(lengths.shape):
                direction = np.zeros(lengths.shape)
                direction[place] = lengths[place]
                yield direction
        else:
            for _ in range(PROJECTIONS):
                direction = self.rng.normal(size=lengths.shape)
                yield direction * lengths / np.abs(direction).max()

    def _lengths(self, k: int) -> np.ndarray:
        """Return how far each element of leaf k goes in a step of 1.

        That is 1, or its size if that is larger; or, where the outputs would change by many million
        times their size, as far as they change by their size.
        """
        x, slopes = np.abs(self.leaves[k]._array).astype(float), np.abs(self.gradients[k])
        sizes = (np.abs(self.rows) @ self.recorded.sizes).reshape(-1, *(1,) * x.ndim)
        tiny = 1e6 * float(np.finfo(self.recorded.dtype).tiny)
        own = np.where((slopes > 0) & np.isfinite(slopes) & (sizes > tiny), sizes / slopes, np.inf)
        least = np.maximum(x, own.min(axis=0))
        lengths: np.ndarray = np.where((least > 0) & (least < NEAR), least, np.maximum(1.0, x))
        return lengths

    def _verdict(self, slopes: Method, rtol: float, k: int, direction: np.ndarray) -> Verdict:
        """Return the slopes of the reverse mode along a direction, and whether a method agrees."""
        largest = _size(self.gradients[k] * self.lengths[k])
        largest = largest.max(tuple(range(1, largest.ndim)))
        verdict = self._at_scale(slopes, rtol, k, direction, largest)
        if not verdict.is_wrong.any():
            return verdict
        # where a slope is 0 by chance, the tolerance is a part of the slopes near by
        steep = np.abs(self.rows) @ self.recorded.steepness(k, direction)
        return self._at_scale(slopes, rtol, k, direction, np.maximum(largest, steep))

    def _at_scale(
        self, slopes: Method, rtol: float, k: int, direction: np.ndarray, largest: np.ndarray
    ) -> Verdict:
        """Return the verdict along a direction, ``rtol`` being relative to ``largest``."""
        rows, gradient = self.rows, self.gradients[k]
        excess = np.full(len(rows), np.inf)
        found = np.where(direction == 0, 0, gradient * direction)
        found = found.sum(tuple(range(1, gradient.ndim)))
        for now in slopes(k, direction):
            # a kink leaves room between the one-sided slopes
            low = _weighted_sum(rows, now.low, now.high)
            high = _weighted_sum(rows, now.high, now.low)
            expected = np.clip(found, low, high)
            scale = np.maximum(largest, _size(expected))
            allowed = rtol * scale + np.abs(rows) @ now.noise + self.atol
            excess = np.fmin(excess, _part(np.abs(found - expected), allowed))
            if (excess <= 1).all():
                break
        return Verdict(direction, found, expected, excess, allowed, now)

    def _narrow(self, slopes: Method, rtol: float, k: int, direction: np.ndarray) -> np.ndarray:
        """Return the element in which a direction goes wrong, by halving it again and again."""
        while (moved := np.flatnonzero(direction)).size > 1:
            halves = []
            for part in np.array_split(moved, 2):
                half = np.zeros(direction.shape)
                half.flat[part] = direction.flat[part]
                halves.append((self._verdict(slopes, rtol, k, half).excess.max(), half))
            direction = max(halves, key=lambda pair: pair[0])[1]
        return np.where(direction == 0, 0.0, self.lengths[k])

    def _write_down(self, method: str, k: int, verdict: Verdict) -> None:
        """Collect the failures of a verdict and, but where it failed, the kinks."""
        moved = np.argwhere(verdict.direction)
        at = tuple(moved[0].tolist()) if len(moved) == 1 else None
        length = 1.0 if at is None else verdict.direction[at]
        wrong = verdict.is_wrong
        for r in np.flatnonzero(wrong).tolist():
            found, expected = float(verdict.found[r] / length), float(verdict.expected[r] / length)
            which = self._which(k, at, r if self.by_element else None)
            failure = Failure(method=method, found=found, expected=expected, **which)
            if failure not in self.failures:  # another direction led to it too
                self.failures.append(failure)
        for m in np.flatnonzero(verdict.slopes.kinked).tolist():
            if not (wrong[m] if self.by_element else wrong.any()):
                slopes = verdict.slopes
                low, high = float(slopes.low[m] / length), float(slopes.high[m] / length)
                kink = Kink(low=low, high=high, **self._which(k, at, m))
                if kink not in self.kinks:
                    self.kinks.append(kink)

    def _which(self, k: int, at: tuple[int, ...] | None, m: int | None = None) -> dict[str, Any]:
        """Return the names of a derivative by leaf k, of the m-th output element or of all."""
        which: dict[str, Any] = dict(order=self.order, input=self.names[k], at=at)
        if m is not None:
            outs = self.recorded.outputs
            ends = np.cumsum([out.size for out in outs])
            j = int(np.searchsorted(ends, m, side="right"))
            index = np.unravel_index(int(m - ends[j] + outs[j].size), outs[j].shape)
            which["output"] = (
                f"output {j}" if self.order == 1 else f"the gradient of {self.names[j]}"
            )
            which["output_at"] = tuple(map(int, index))
        return which

    def _pull_back(self, row: np.ndarray) -> list[np.ndarray]:
        """Return each leaf's gradient for one cotangent of the outputs, all in a row."""
        outs, seeds = zip(*self._seeds(row))
        gradients = grad(outs, self.leaves, seeds, allow_unused=True)
        return [
            np.zeros(leaf.shape) if ct is None else np.asarray(ct._array, float)
            for leaf, ct in zip(self.leaves, gradients)
        ]

    def _seeds(self, row: np.ndarray) -> list[tuple[Tensor, np.ndarray]]:
        """Return the outputs that have gradients, each with its part of a cotangent."""
        outs = self.recorded.outputs
        parts = np.split(row, np.cumsum([out.size for out in outs])[:-1])
        return [
            (out, part.reshape(out.shape)) for out, part in zip(outs, parts) if out.requires_grad
        ]

    def _walk_again(self) -> None:
        """Walk backwards twice more, which adds up, and with a cotangent of zero."""
        row = np.asarray(self.rng.normal(size=self.rows.shape[1]))
        once = self._pull_back(row)
        touched = [node for node in history(self.recorded.outputs) if not node.inputs]
        before = [leaf.grad for leaf in touched]
        try:
            for leaf in touched:
                leaf.grad = None
            for times, method in ((1, "backward"), (2, "backward again")):
                for out, seed in self._seeds(row):
                    out.backward(seed)
                summed = [np.zeros(x.shape) if x.grad is None else x.grad for x in self.leaves]
                self._same(method, summed, [times * ct for ct in once])
        finally:
            for leaf, gradient in zip(touched, before):
                leaf.grad = gradient
        zeros = [np.zeros(leaf.shape) for leaf in self.leaves]
        self._same("zero cotangent", self._pull_back(0 * row), zeros)

    def _same(self, method: str, found: list[np.ndarray], expected: list[np.ndarray]) -> None:
        """Compare gradients with other gradients that must be equal, to rounding."""
        count, worst = 0, 0.0
        for k, (one, other) in enumerate(zip(found, expected)):
            allowed = self.exact * np.max(_size(other), initial=0.0)
            excess = _part(np.abs(one - other), allowed)
            for at in map(tuple, np.argwhere(~(excess <= 1)).tolist()):
                values: dict[str, Any] = dict(found=float(one[at]), expected=float(other[at]))
                self.failures.append(Failure(method=method, **values, **self._which(k, at)))
            count, worst = count + one.size, max(worst, float(np.max(excess, initial=0.0)))
        self.checks.append(Check(self.order, method, count, worst))


def _weighted_sum(rows: np.ndarray, slopes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return Σ u s over the outputs' elements, with the other slope where u is negative."""
    sums: np.ndarray = np.where(rows == 0, 0, rows * np.where(rows > 0, slopes, others)).sum(axis=1)
    return sums


def _size(array: np.ndarray) -> np.ndarray:
    """Return absolute values; an entry that is not finite becomes 0."""
    return np.asarray(np.nan_to_num(np.abs(array), posinf=0.0))


def _part(off: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """Return errors as parts of the allowed ones; nan counts as infinite."""
    return np.nan_to_num(np.where(off == 0, 0.0, off / allowed), nan=np.inf, posinf=np.inf)
