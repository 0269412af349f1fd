"""A session of training: where it stands, what it keeps in files, and when it ends.

Knows data sets, checkpoints and the terminal; not how a model is updated, which `fit` shows.
"""

from __future__ import annotations

import inspect
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Any, Self

import numpy as np

from ..compiled.compiled import Compiled, compile
from ..engine.arguments import excerpt, flag, function, number, of_kind, optional, whole
from ..engine.place import no_grad
from ..engine.tensor import Tensor
from ..errors import ArgumentError, GradientError, UsageError, check_path
from ..nn.module import Module
from ..optim.optimizer import Optimizer
from ..optim.schedules import LRScheduler
from . import parallel
from .batches import Batches
from .checkpoint import load_state, restore, state_of, write_checkpoint
from .not_finite import first_not_finite
from .progress import progress

Row = dict[str, float]
# HessianFree, DEKF and minimize are no Optimizers: they take more than gradients
RULES = "a rule that takes gradients, such as tg.optim.Adam"


@dataclass
class History:
    """What came of training.

    Attributes
    ----------
    rows : list of dict
        For each epoch its number, ``loss``, ``validation`` (if there are validation data) and
        ``lr``.
    best : int or None
        The epoch with the least validation loss.
    stopped : str
        Why training ended: ``"all epochs"``, ``"patience"`` or ``"interrupted"``.
    """

    rows: list[Row] = field(default_factory=list)
    best: int | None = None
    stopped: str = ""

    def __str__(self) -> str:
        """Return a table of the epochs."""
        names = [*self.rows[0]] if self.rows else []
        lines = ["  ".join(f"{name:>10}" for name in names)]
        lines += ["  ".join(f"{row[name]:>10.5g}" for name in names) for row in self.rows]
        return "\n".join([*lines, f"ended: {self.stopped}"])


class Session:
    """What `fit` asks between two updates; see there for the arguments."""

    def __init__(
        self,
        model: Module,
        data: Any,
        loss: Callable[..., Tensor],
        update: Optimizer,
        *,
        epochs: int,
        batch: int,
        validation: Any,
        patience: int | None,
        schedule: LRScheduler | None,
        seed: int,
        folder: Any,
        resume: bool,
        save_every: float,
        show: bool,
    ) -> None:
        self.model: Module = of_kind("fit: model", model, Module, "a layer or other Module")
        self.loss = function("fit: loss", loss, "a function of a batch")
        self.update: Optimizer = of_kind("fit: update", update, Optimizer, RULES)
        self.data = Batches("fit: data", data, batch, seed)
        self.count = whole("fit: epochs", epochs, 1)
        self.validation = (
            None if validation is None else Batches("fit: validation", validation, batch, seed)
        )
        self.patience = optional(whole, "fit: patience", patience, 1)
        if self.patience is not None and self.validation is None:
            raise ArgumentError("fit: found patience without validation data, which it is for")
        self.schedule: LRScheduler | None = optional(
            of_kind, "fit: schedule", schedule, LRScheduler, "a schedule, such as tg.optim.StepLR"
        )
        self._check_members()
        self.save_every = number("fit: save_every", save_every, 0.0)
        self.folder = None if folder is None else check_path("fit: folder", folder)
        self.show = flag("fit: progress", show)
        self.epoch = self.position = 0
        self.losses: list[float] = []  # of the epoch that is under way
        self.least = inf
        self.best_model: dict[str, np.ndarray] | None = None
        self.history = History()
        self.is_interrupted = False
        self._saved = monotonic()
        for part in (self.data, self.validation):
            if part is not None:
                self._check_call(part)
        parallel.take_over(self.model.named_state().values())
        if flag("fit: resume", resume):
            if self.folder is None:
                raise ArgumentError("fit: found resume without a folder, which holds the state")
            if (self.folder / "last.npz").exists():
                self._resume(self.folder / "last.npz")
        parallel.total([0.0])  # nobody writes a checkpoint that another one still has to read

    def _check_members(self) -> None:
        """Refuse an update of what no checkpoint of the model has, and another update's schedule.

        Raises
        ------
        ArgumentError, UsageError
            The message names the parameter.
        """
        leaves = {id(x) for x in self.model.named_leaves().values()}
        for x in self.update.params:
            if id(x) not in leaves:
                raise ArgumentError(
                    f"fit: update: {x.label()} is no parameter of the model, so no checkpoint "
                    "would have its numbers; give fit a model that holds all that is updated"
                )
            if not x.requires_grad:
                raise UsageError(
                    f"fit: update: {x.label()} is frozen, its requires_grad is False; make the "
                    "update from model.parameters() after parameters were frozen"
                )
        if self.schedule is not None and self.schedule.optimizer is not self.update:
            raise ArgumentError("fit: schedule: found the schedule of another update")

    def _check_call(self, data: Batches) -> None:
        """Refuse a loss that does not take the arrays of a batch."""
        arrays, lengths = _arguments(data, np.arange(1))
        loss = self.loss.loss_of if isinstance(self.loss, Compiled) else self.loss
        try:
            inspect.signature(loss).bind(*arrays, **lengths)
        except TypeError as error:
            padded = " and lengths=" if lengths else ""
            raise UsageError(
                f"fit: the loss does not take a batch, {len(arrays)} arrays{padded}: {error}"
            ) from None
        except ValueError:
            pass  # a function that does not say what it takes

    # --- begin and end -----------------------------------------------------------------------

    def __enter__(self) -> Self:
        parallel.at_first(self._prepare)
        self._mode = self.model.training
        self._judge = compile(self.loss.loss_of) if isinstance(self.loss, Compiled) else self.loss
        self._handler = None
        if threading.current_thread() is threading.main_thread():
            self._handler = signal.signal(signal.SIGINT, self._interrupt)
        total = self.count * len(self.data)
        self._bar = progress(
            total, self.epoch * len(self.data) + self.position, self.show and parallel.rank() == 0
        )
        return self

    def _prepare(self) -> None:
        """Write the first checkpoint, which fails now if it cannot be done."""
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
        self.save()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._bar.close()
        if self._handler is not None:
            signal.signal(signal.SIGINT, self._handler)
        self.model.train(self._mode)
        if error is not None:
            parallel.end_all(error)
        if isinstance(error, GradientError) and kind is GradientError and self._arguments:
            raise GradientError(f"{error}; {self._blame()}{self._kept()}") from None
        if error is None:
            self.save()
            if self.best_model is not None and not self.is_interrupted:
                self.model.load_state_dict(self.best_model)

    def _interrupt(self, *_: Any) -> None:
        """Let training end after the update that is under way; a second interrupt ends it now."""
        if self.is_interrupted:
            raise KeyboardInterrupt
        self.is_interrupted = True
        if self.show and sys.stderr is not None and sys.stderr.isatty():
            sys.stderr.write("\ninterrupted: training ends after this update\n")

    # --- epochs and batches ------------------------------------------------------------------

    def epochs(self) -> Iterator[int]:
        """Yield the number of each epoch that is left."""
        while self.epoch < self.count:
            if self.patience is not None and self._without_gain() >= self.patience:
                self.history.stopped = "patience"
                return
            yield self.epoch
            if self.is_interrupted:
                self.history.stopped = "interrupted"
                return
        self.history.stopped = "all epochs"

    def batches(self) -> Iterator[tuple[tuple[np.ndarray, ...], dict[str, np.ndarray]]]:
        """Yield the arguments of the loss for each batch that is left of the epoch."""
        self.model.train()
        for items in self.data.order(self.epoch)[self.position :]:
            own = items[parallel.rank() :: parallel.size()]
            self.weight = len(own)  # a rank without an item has one that does not count
            self._arguments = _arguments(self.data, own if len(own) else items[:1])
            yield self._arguments
            if self.is_interrupted:
                return

    def finite(self, value: Tensor) -> Tensor:
        """Return the loss of a batch, which must be one finite number."""
        if not isinstance(value, Tensor) or value.size != 1:
            raise UsageError(f"fit: the loss is {excerpt(value)}, expected a Tensor of one number")
        if not np.isfinite(value.item()):
            raise GradientError(f"fit: the loss is {value.item():g}")
        return value

    def note(self, value: Tensor) -> None:
        """Count an update, and save the state when it is time.

        Raises
        ------
        GradientError
            If no parameter has a gradient: then nothing was updated, and nothing will be.
        """
        if all(x._grad is None for x in self.update.params):
            raise GradientError(f"fit: the loss depends on no parameter of {self.model!r}")
        self.position += 1
        loss, count, interrupts = parallel.total(
            [self.weight * value.item(), self.weight, self.is_interrupted]
        )
        self.losses.append(float(loss / count))
        self.is_interrupted = bool(interrupts)
        shown = {"loss": float(np.mean(self.losses))}
        if self.history.rows and "validation" in self.history.rows[-1]:
            shown["validation"] = self.history.rows[-1]["validation"]
        self._bar.step(shown)
        if monotonic() - self._saved >= self.save_every:
            self.save()

    def end_epoch(self) -> None:
        """Write a row of the history, judge the model, and save; nothing if the epoch was cut."""
        if self.position < len(self.data):
            return
        row: Row = {"epoch": float(self.epoch), "loss": float(np.mean(self.losses))}
        if self.validation is not None:
            row["validation"] = self._validation_loss(self.validation)
        row["lr"] = float(self.update.param_groups[0]["lr"])
        self.history.rows.append(row)
        if self.schedule is not None and not self.schedule.is_of_steps_alone:
            self.schedule.step(row.get("validation", row["loss"]))  # type: ignore[call-arg]
        is_best = row.get("validation", inf) < self.least
        if is_best:
            self.least, self.history.best = row["validation"], self.epoch
            self.best_model = self.model.state_dict()
        self.epoch, self.position, self.losses = self.epoch + 1, 0, []
        self.save()
        if is_best and self.folder is not None and parallel.rank() == 0:
            write_checkpoint(self.state(), self.folder / "best.npz")

    def _validation_loss(self, data: Batches) -> float:
        """Return the mean of the batches' losses, each as often as it has items."""
        self.model.eval()
        total = 0.0
        with no_grad():
            for items in data.order(None):
                arrays, lengths = _arguments(data, items)
                total += self._judge(*arrays, **lengths).item() * len(items)
        return float(parallel.total([total])[0] / parallel.size() / len(data.lengths))

    def _without_gain(self) -> int:
        best = -1 if self.history.best is None else self.history.best
        return self.epoch - 1 - best

    # --- files -------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Return all that training goes on from."""
        return {
            **state_of(self.model, self.update, self.schedule),
            "settings": self._settings(),
            "place": [self.epoch, self.position],
            "losses": list(self.losses),
            "rows": [dict(row) for row in self.history.rows],
            "best": self.history.best,
            "least": self.least,
            "best_model": self.best_model,
        }

    def save(self) -> None:
        """Write the state to ``last.npz``, if there is a folder."""
        self._saved = monotonic()
        if self.folder is not None and parallel.rank() == 0:
            write_checkpoint(self.state(), self.folder / "last.npz")

    def _settings(self) -> dict[str, int]:
        settings = {"items": len(self.data.lengths), "batch": self.data.size}
        settings |= {"seed": self.data.seed, "steps": int(self.data.lengths.sum())}
        return settings

    def _resume(self, path: Path) -> None:
        """Go on from a checkpoint of a session with the same data and settings."""
        before = state_of(self.model, self.update, self.schedule)
        state = restore(path, self.model, self.update, self.schedule)
        if self.schedule is None and state["schedule"] is not None:
            load_state(before, self.model, self.update, self.schedule)
            raise ArgumentError(f"fit: {path} is of a session with a schedule, found none")
        own = self._settings()
        if state.get("settings") != own:
            load_state(before, self.model, self.update, self.schedule)
            raise ArgumentError(
                f"fit: {path} is of a session with {excerpt(state.get('settings'))}, found {own}"
            )
        self.epoch, self.position = state["place"]
        self.losses, self.least = state["losses"], state["least"]
        self.best_model = state["best_model"]
        self.history.rows, self.history.best = state["rows"], state["best"]

    # --- what is not finite ------------------------------------------------------------------

    def _blame(self) -> str:
        """Say which signal is not finite first, by computing the loss again on the tape."""
        arrays, lengths = self._arguments
        loss = self.loss.loss_of if isinstance(self.loss, Compiled) else self.loss
        with np.errstate(all="ignore"):
            return first_not_finite(loss(*arrays, **lengths))

    def _kept(self) -> str:
        kept = "the model has the numbers of before this update"
        if self.folder is None:
            return f"; {kept}"
        return f"; {kept}, and {self.folder / 'last.npz'} those of the last checkpoint"

    _arguments: Any = None


def _arguments(data: Batches, items: np.ndarray) -> tuple[tuple[np.ndarray, ...], dict[str, Any]]:
    arrays, lengths = data.batch(items)
    return arrays, {"lengths": lengths} if data.is_padded else {}
