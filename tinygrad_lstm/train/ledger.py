"""The ledger of a gradient: what each step adds to it, or what each step of the loss sends back.

Knows names and shares; not how shares are computed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any, Literal

import numpy as np

from ..engine.arguments import of_kind, one_of, text
from ..engine.gradients import starting_cotangent
from ..engine.memory import collector_paused
from ..engine.notebook import ShownAsText
from ..engine.tape import history
from ..engine.tensor import Tensor
from ..errors import PackageError, UsageError
from ..network.signal import Signal, SignalSequence
from ..network.signals import signals
from . import plots
from .rows import Step
from .shares import Recording, pull_by_loss_step, split

MOST_ROWS = 12  # of a table
LITTLE = 0.01  # of the size without a delay


def ledger(loss: Tensor, name: str, by: Literal["step", "loss"] = "step") -> Ledger:
    """Return the gradient of a signal, split into its steps.

    A weight that is used at every step has the gradient dU = Σₖ dU(k), where dU(k) is what its use
    at step k adds. ``by="loss"`` splits by the steps of the loss instead, L = Σₛ L(s), so that
    ∂L(s)/∂out(k) says how far back the loss of step s reaches. L(s) is the part of the loss that
    reads signals of step s directly, not by way of later steps.

    The split is computed in a walk like that of ``backward``, by the step in one such walk, by the
    loss in one for each step. The array has the size of the signal times the number of steps.

    Parameters
    ----------
    loss : Tensor of one number
    name : str
        As in `signals`. By the step, a signal outside of the steps, such as ``lstm.U``; by the
        loss, also a signal of all steps, such as ``lstm.out``.
    by : "step" or "loss"

    Returns
    -------
    Ledger
        Its array has an entry for each step, along the first axis.

    Raises
    ------
    SignalError
        If no signal has this name; the message lists the nearest names.
    UsageError
        If there is nothing to split: the signal is used in no step, or belongs to the steps itself.
    GradientError, ChangedError
        As in ``backward``.

    Examples
    --------
    >>> import tinygrad_lstm as tg
    >>> lstm = tg.nn.LSTM(1, 2, seed=0)
    >>> loss = tg.nn.squared_error(lstm(np.ones((4, 1)))[0], np.zeros((4, 2)))
    >>> shares = tg.ledger(loss, "lstm.U")
    >>> shares.array.shape, shares.steps
    ((4, 2, 8), (0, 1, 2, 3))
    >>> loss.backward()
    >>> bool(np.allclose(shares.gradient, lstm.U.grad, rtol=0, atol=1e-15))
    True
    >>> tg.ledger(loss, "lstm.out", by="loss").array.shape
    (4, 4, 2)
    """
    of_kind("ledger", loss, Tensor, "a Tensor computed from others")
    text("ledger: name", name)
    by = one_of("ledger: by", by, ("step", "loss"))
    with collector_paused():
        return _ledger(loss, name, by)


def _ledger(loss: Tensor, name: str, by: str) -> Ledger:
    starting_cotangent(loss, None)  # refuses what has no gradient
    order = history([loss])
    found = _signal(loss, name, order)
    if isinstance(found, SignalSequence):
        tensors = [signal.tensor for signal in found.steps]
        signal = found.steps[0]
        if by == "step":
            raise UsageError(
                f"ledger: {name} has a value at every step, and its gradient is no sum over the "
                f"steps; ask for signals(loss)[{name!r}].gradient, or for by='loss'"
            )
        recording = Recording(order)
    else:
        tensors, signal = [found.tensor], found
        recording = Recording(order, found.tensor)
        if found.row is not None or recording.loops.step(found.tensor) is not None:
            raise UsageError(
                f"ledger: {name} belongs to one step; ask for all steps by its name without "
                "brackets, or for a signal that all steps use"
            )
        if found.tensor not in recording.shared:
            raise UsageError(
                f"ledger: {name} is computed from signals of all steps, so its gradient is no sum "
                f"over the steps; ask for signals(loss)[{name!r}].gradient, or for the ledger of a "
                "weight or of a signal in the steps"
            )
    if not all(tensor.requires_grad for tensor in tensors):
        raise UsageError(f"ledger: {name} requires no gradient")
    if by == "step":
        return _by_step(loss, signal, recording)
    return _by_loss(loss, name, signal, tensors, recording, isinstance(found, SignalSequence))


def _signal(loss: Tensor, name: str, order: Sequence[Tensor]) -> Signal | SignalSequence:
    """Return a signal; of a leaf without naming all signals, which takes longer than a pass."""
    leaves = [x for x in order if not x.inputs and x.label() == name]
    if len(leaves) == 1:
        return Signal(name, leaves[0], None)  # type: ignore[arg-type]
    return signals(loss).find(name, "ledger")


def _by_step(loss: Tensor, signal: Signal, recording: Recording) -> Ledger:
    shares, _ = split(loss, recording)
    tensor = signal.tensor
    steps = sorted({step for step, _ in shares.of[tensor] if step is not None})
    if not steps:
        raise UsageError(
            f"ledger: {signal.name} is used in no step, so its gradient is not split; a loop of "
            "your own records its steps as `for k in tg.steps(T):`, and a compiled loss has none"
        )
    rest = None
    if any(step is None for step, _ in shares.of[tensor]):
        rest = signal.of(_open(tensor, shares.stacked(tensor, [None]))[0])
    array = signal.of(_open(tensor, shares.stacked(tensor, steps)))
    return Ledger(signal.name, "step", array, steps, (), rest)


def _by_loss(
    loss: Tensor,
    name: str,
    signal: Signal,
    tensors: Sequence[Tensor],
    recording: Recording,
    is_sequence: bool,
) -> Ledger:
    shares, arrivals = split(loss, recording, stop=True)
    pulled = pull_by_loss_step(arrivals, recording.loops, tensors)
    direct = [] if is_sequence else [step for step, _ in shares.of[tensors[0]]]
    steps = sorted({*pulled, *(step for step in direct if step is not None)})
    if not steps:
        raise UsageError(
            f"ledger: the loss reads no step of a recurrence, so the gradient of {name} is not "
            "split; a loop of your own records its steps as `for k in tg.steps(T):`"
        )
    whole = np.zeros((len(steps), len(tensors), *tensors[0].shape), tensors[0].dtype)
    for n, step in enumerate(steps):
        for m, tensor in enumerate(tensors):
            if tensor in pulled.get(step, ()):
                whole[n, m] = pulled[step][tensor]
    rest = None
    if direct:
        whole[:, 0] += shares.stacked(tensors[0], steps)
        if None in direct:
            rest = signal.of(_open(tensors[0], shares.stacked(tensors[0], [None]))[0])
    if not is_sequence:
        array = signal.of(_open(tensors[0], whole[:, 0]))
        return Ledger(name, "loss", array, steps, (), rest)
    columns = [recording.loops.step(x) or Step(0, 0) for x in tensors]
    return Ledger(name, "loss", signal.of(whole), steps, columns, None)


def _open(tensor: Tensor, shares: np.ndarray) -> np.ndarray:
    """Return shares that are 0 where a mask holds the signal at 0, as in ``.grad``."""
    return shares if tensor.mask is None else np.where(tensor.mask, shares, 0)


class Ledger(ShownAsText):
    """A gradient, split into steps: see `ledger`.

    Attributes
    ----------
    name : str
    by : "step" or "loss"
    array : (S, …) or, of a signal of all steps by the loss, (S, T, …)
        What each step adds to the gradient.
    steps : tuple of int
        The step of each row of the array; if the signal is used in several loops, the loops stand
        one behind the other.
    columns : tuple of int
        The step of each column, k of ∂L(s)/∂out(k); else empty.
    rest : array or None
        What belongs to no step, such as the gradient of a penalty on the weight.
    """

    def __init__(
        self,
        name: str,
        by: str,
        array: np.ndarray,
        steps: Iterable[Step],
        columns: Iterable[Step],
        rest: np.ndarray | None,
    ) -> None:
        self.name, self.by, self.array, self.rest = name, by, array, rest
        self.steps = tuple(step.step for step in steps)
        self.columns = tuple(step.step for step in columns)

    def __repr__(self) -> str:
        return f"<ledger of {self.name} by the {self.by}, {len(self.steps)} steps>"

    @property
    def gradient(self) -> np.ndarray:
        """The sum over the steps, and the rest: the gradient that ``backward`` gives."""
        total: np.ndarray = self.array.sum(axis=0)
        return total if self.rest is None else total + self.rest

    @cached_property
    def norms(self) -> np.ndarray:
        """The Euclidean norm of what each step adds: (S,), or (S, T)."""
        rows = self.array.reshape(*self.array.shape[: 1 + bool(self.columns)], -1)
        return np.asarray(np.sqrt(np.einsum("...n,...n->...", rows, rows)))

    @cached_property
    def parts(self) -> np.ndarray:
        """How much of the gradient each step brings, along its direction: (S,); they add up to 1.

        A negative part is that of a step that points against the sum. nan if the sum is 0.
        """
        if self.columns:
            raise UsageError(f"ledger: {self.name} has a gradient at every step, which is no sum")
        rows = self.array.reshape(len(self.steps), -1)
        total = rows.sum(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray((rows @ total) / (total @ total))

    @cached_property
    def says(self) -> str:
        """What there is to see, in a sentence or two."""
        if not np.isfinite(self.norms).all():
            rows = np.flatnonzero(~np.isfinite(self.norms.reshape(len(self.steps), -1)).all(axis=1))
            return f"Not finite: what {self._listed(rows)} {_adds(rows)}."
        if not self.norms.any():
            return f"No step adds anything to the gradient of {self.name}."
        return self._reach() if self.columns else self._cancelling()

    def _cancelling(self) -> str:
        rows = self.array.reshape(len(self.steps), -1)
        size, sizes = float(np.linalg.norm(rows.sum(axis=0))), float(self.norms.sum())
        against = np.flatnonzero(self.parts < 0)
        first = (
            f"The norms of what the steps add sum up to {sizes:.4g}, and the sum has the norm "
            f"{size:.4g}: {1 - size / sizes:.0%} cancels."
        )
        if not against.size:
            return f"{first} No step points against the sum."
        inner = rows @ rows.T
        n, m = sorted(divmod(int(inner.argmin()), len(rows)))
        cosine = inner[n, m] / (self.norms[n] * self.norms[m])
        pair = (
            f" Steps {self.steps[n]} and {self.steps[m]} cancel most of each other (cosine "
            f"{cosine:.2f})."
            if cosine < 0
            else ""
        )
        verb = "points" if len(against) == 1 else "point"
        listed = self._listed(against)
        return f"{first} {listed[:1].upper()}{listed[1:]} {verb} against the sum.{pair}"

    def _reach(self) -> str:
        """Return how far the loss of a step reaches back, on the average."""
        delay = np.subtract.outer(self.steps, self.columns)
        backwards = bool((self.norms[delay < 0] > 0).any())
        delay = np.abs(delay)
        means = {d: float(self.norms[delay == d].mean()) for d in np.unique(delay).tolist()}
        where = "further on" if backwards else "back"
        small = [d for d, mean in means.items() if mean < LITTLE * means.get(0, 0.0)]
        last = max(means)
        if small:
            reach = min(small) - 1
            return (
                f"The loss of a step reaches {reach} step{'s' * (reach != 1)} {where}: beyond, "
                f"∂L(s)/∂{self.name}(k) is below {LITTLE:.0%} of its size at the same step."
            )
        ratio = means[last] / means[0] if means.get(0) else np.inf
        return (
            f"The loss of a step reaches to the end: {last} steps {where}, "
            f"∂L(s)/∂{self.name}(k) has {ratio:.3g} times its size at the same step."
        )

    def _listed(self, rows: np.ndarray) -> str:
        """Return steps in words, those that follow one another as a range."""
        steps = [self.steps[row] for row in rows]
        runs: list[list[int]] = []
        for step in steps:
            if runs and step == runs[-1][-1] + 1:
                runs[-1].append(step)
            else:
                runs.append([step])
        texts = [
            f"{run[0]} to {run[-1]}" if len(run) > 2 else " and ".join(map(str, run))
            for run in runs
        ]
        if len(texts) > MOST_ROWS:
            return f"{len(steps)} of the {len(self.steps)} steps"
        return f"step{'s' * (len(steps) > 1)} {', '.join(texts)}"

    # --- shown ------------------------------------------------------------------------------------

    def __str__(self) -> str:
        """Return the sentence, and a table of the largest steps."""
        return f"{self._title()}\n{self.says}\n\n" + "\n".join(self._table())

    def _title(self) -> str:
        if self.columns:
            return f"∂L(s)/∂{self.name}(k), by the step s of the loss and the step k"
        of = "its use at step k" if self.by == "step" else "the loss of step k"
        return f"d{self.name} = Σₖ d{self.name}(k), what {of} adds"

    def _table(self) -> list[str]:
        if self.columns:
            head = ["s", "norm of ∂L(s)/∂" + self.name, "largest at k"]
            norms = self.norms
            cells = [
                [str(s), f"{np.linalg.norm(row):.4g}", str(self.columns[int(row.argmax())])]
                for s, row in zip(self.steps, norms, strict=True)
            ]
            order = np.argsort(-np.linalg.norm(norms, axis=1), kind="stable")
        else:
            head = ["k", "norm", "part of the sum"]
            cells = [
                [str(k), f"{norm:.4g}", f"{part:.1%}"]
                for k, norm, part in zip(self.steps, self.norms, self.parts, strict=True)
            ]
            order = np.argsort(-self.norms, kind="stable")
        shown = sorted(order[:MOST_ROWS])
        rows = [head, *(cells[n] for n in shown)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(f"{x:>{n}}" for x, n in zip(row, widths, strict=True)) for row in rows]
        if len(shown) < len(cells):
            lines.append(f"({len(cells) - len(shown)} steps of smaller norms are not shown)")
        if self.rest is not None:
            lines.append(f"in no step: norm {np.linalg.norm(self.rest):.4g}")
        return lines

    def _repr_html_(self) -> str:
        try:
            picture = plots.as_html(self.draw())
        except PackageError:
            picture = ""
        return super()._repr_html_() + picture

    def draw(self, path: str | os.PathLike[str] | None = None) -> Any:
        """Draw the heat map: the size of what each step adds.

        Parameters
        ----------
        path : str or path, optional
            A file ending in .png, .svg or .pdf.

        Returns
        -------
        Path of the file, or a figure of matplotlib if there is no path

        Raises
        ------
        PackageError
            If matplotlib is not installed; the message says how to install it.
        ArgumentError, UsageError
            If the path has another suffix, or is none.
        """
        where = None if path is None else plots.checked_path("draw", path)
        figure = plots.new_figure("draw", 8, 5)
        axes = figure.subplots()
        if self.columns:
            sizes, across = self.norms, "step k"
        else:
            last = self.array.shape[-1] if self.array.ndim > 1 else 1
            flat = self.array.reshape(len(self.steps), -1, last)
            sizes = np.linalg.norm(flat, axis=1)
            across = "entry along the last axis" if self.array.ndim > 1 else "the one entry"
        shown = np.where(np.isfinite(sizes) & (sizes > 0), sizes, np.nan)
        image = axes.imshow(
            shown, aspect="auto", interpolation="nearest", norm=plots.logarithmic(shown),
            cmap="viridis",
        )  # fmt: skip
        axes.set(
            title=self._title(), xlabel=across,
            ylabel="step s of the loss" if self.by == "loss" else "step k",
        )  # fmt: skip
        _label(axes.yaxis, self.steps)
        if self.columns:
            _label(axes.xaxis, self.columns)
        figure.colorbar(image, ax=axes, label="norm; white: 0, or not finite")
        figure.supxlabel(self.says, fontsize="small", wrap=True)
        return figure if where is None else plots.save(figure, where)


def _label(axis: Any, steps: Sequence[int]) -> None:
    """Write the steps beside an axis, about ten of them."""
    every = max(1, len(steps) // 10)
    axis.set_ticks(range(0, len(steps), every), [str(step) for step in steps[::every]])


def _adds(rows: np.ndarray) -> str:
    return "adds" if len(rows) == 1 else "add"
