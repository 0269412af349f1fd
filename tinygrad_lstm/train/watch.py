"""A watch on a training: the sizes of weights, signals and gradients, as they change.

Knows when to look; not how a look is taken, what is said of it, or how it is drawn.
"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Set
from contextvars import Token
from operator import attrgetter, is_not
from pathlib import Path
from typing import Any, Self

import numpy as np

from ..drawing.draw import draw
from ..drawing.render import Picture
from ..engine.arguments import excerpt, whole
from ..engine.gradients import starting_cotangent, watchers
from ..engine.memory import collector_paused
from ..engine.notebook import ShownAsText
from ..engine.tape import history, pull_back
from ..engine.tensor import Tensor
from ..errors import ArgumentError, PackageError, SignalError, UsageError, check_path, nearest
from ..files.whole import write_file
from ..nn.module import Module
from . import plots
from .looks import STATISTICS, Look, Series, find_series, look_closer
from .shares import LeafSums
from .verdicts import Verdict, find_verdicts
from .waiting import Waiting

_array_of, _grad_of = attrgetter("_array"), attrgetter("_grad")
NONE = np.empty((0, len(STATISTICS)))  # the statistics of a look that waits for them


def watch(*models: Module, every: int = 10, closer: int = 50, frames: int = 0) -> Watch:
    """Watch the training of networks that runs in a ``with`` block.

    Each ``backward()`` of a loss of the networks in the block is noticed, and each change of their
    weights between two of them is an update, whoever makes the update. Nothing has to be added to
    the loop. At every tenth update the statistics of all weights and their gradients are noted. At
    every 50th of these looks, a closer look adds all named signals: their statistics, the size of δ
    at each step, the ways on which δ comes back, and how far one step reaches.

    Parameters
    ----------
    *models : Module
    every : int
        Updates from look to look; the first look is at the first backward pass.
    closer : int
        Looks from one closer look to the next; the first look is one.
    frames : int
        Pictures of the adjoint network that are kept for `Watch.animate`, at looks that are spread
        evenly over the training. To draw one takes as long as many updates.

    Returns
    -------
    Watch

    Raises
    ------
    UsageError, ArgumentError
        If there is no module, or a number is out of range.

    Notes
    -----
    The gradient is that of ``.grad`` after ``backward()``, before it is clipped. A thread that is
    started in the block is not watched. A compiled loss has no signals; at the first, the second,
    the fourth look and so on, its function is recorded once more to see them.

    Examples
    --------
    >>> import tinygrad_lstm as tg
    >>> lstm = tg.nn.LSTM(1, 2, seed=0)
    >>> update = tg.optim.SGD(lstm.parameters(), lr=0.1)
    >>> with watch(lstm, every=2) as seen:
    ...     for _ in range(5):
    ...         update.zero_grad()
    ...         tg.nn.squared_error(lstm(np.ones((3, 1)))[0], np.zeros((3, 2))).backward()
    ...         update.step()
    >>> seen.updates
    [0, 2, 4]
    >>> seen["lstm.U"]["norm of the gradient"].round(4)
    array([0.0108, 0.0092, 0.0079])
    >>> seen.looks[0].deltas["lstm.state"].shape
    (3,)
    """
    parameters: dict[str, Tensor] = {}
    for model in models:
        if not isinstance(model, Module):
            raise UsageError(f"watch: found {excerpt(model)}, expected a Module")
        for _, parameter in model.named_parameters():
            name, n = parameter.label(), 1
            while parameters.get(name, parameter) is not parameter:
                n += 1
                name = f"{parameter.label()}_{n}"
            parameters[name] = parameter
    if not parameters:
        raise UsageError("watch: found no parameters, expected a Module with some")
    return Watch(
        parameters,
        whole("watch: every", every, 1),
        whole("watch: closer", closer, 1),
        whole("watch: frames", frames, 0),
    )


class Watch(ShownAsText):
    """What was seen of a training: see `watch`.

    ``seen["lstm.U"]`` has the numbers of one parameter or signal at all looks.

    Attributes
    ----------
    parameters : dict of str to Tensor
    every, closer : int
    update : int
        The number of updates so far.
    """

    def __init__(
        self, parameters: Mapping[str, Tensor], every: int, closer: int, frames: int = 0
    ) -> None:
        self.parameters, self.every, self.closer = dict(parameters), every, closer
        self._looks, self._waiting = list[Look](), Waiting()
        self.update = 0
        self._leaves = [*self.parameters.values()]
        self._arrays = [*map(_array_of, self._leaves)]  # which are never written into
        self._is_before_update = False  # whether the last look still has to see its update
        self._is_due, self._grads = False, [*map(_grad_of, self._leaves)]
        self._signals: tuple[list[Tensor], list[Series]] | None = None
        self._frames: list[tuple[int, Picture]] = []
        self._most_frames, self._stride = frames, 1
        self._token: Token[Any] | None = None

    # --- the block --------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        if self._token is not None:
            raise UsageError("watch: this one is in use; make another by tg.watch(…)")
        self._token = watchers.set((*watchers.get(), self))
        return self

    def __exit__(self, *error: object) -> None:
        watchers.set(tuple(x for x in watchers.get() if x is not self))
        self._token = None
        self._notice_update()

    def step(self, loss: Tensor) -> None:
        """Look without a ``with`` block: call it after ``loss.backward()``, before the update.

        Raises
        ------
        UsageError
            If it is no Tensor, or the watch is in a ``with`` block, which does so by itself.
        GradientError, ChangedError
            As ``backward``.
        """
        if not isinstance(loss, Tensor):
            raise UsageError(f"step: found {excerpt(loss)}, expected the loss, a Tensor")
        if self._token is not None:
            raise UsageError("step: the with block looks by itself")
        wanted = self.wanted(loss)
        self._grads = [None] * len(self._leaves)  # those that there are, are of this loss
        self.note(loss, _gradients(loss, wanted) if wanted else {})

    # --- what backward calls ----------------------------------------------------------------------

    def wanted(self, loss: Any) -> Set[Any]:
        """Return the signals whose gradients to keep for `note`; none unless the look is close."""
        self._notice_update()
        self._is_due, self._signals = self.update % self.every == 0, None
        if not self._is_due:
            return frozenset()
        if self._looks and self._looks[-1].update == self.update:
            self._waiting.forget(self._looks.pop())  # of another pass before the same update
        self._grads = [*map(_grad_of, self._leaves)]
        if len(self._looks) % self.closer or _again(loss) is not None:
            return frozenset()
        self._signals = _named(loss)
        return frozenset().union(*(one.nodes for one in self._signals[1]))

    def note(self, loss: Any, gradients: Mapping[Any, np.ndarray]) -> None:
        """Look, if it is time to, and the loss is one of these networks."""
        if not self._is_due or not any(map(is_not, map(_grad_of, self._leaves), self._grads)):
            return
        number, again = len(self._looks), _again(loss)
        look = Look(self.update, float(loss._array), [*self.parameters], NONE, NONE)
        if again is not None and number & (number + 1) == 0:  # look 1, 2, 4, …
            loss = again()
            self._signals = _named(loss)
            gradients = _gradients(loss, {x for one in self._signals[1] for x in one.nodes})
        if self._signals is not None:
            with collector_paused():
                look_closer(look, loss, *self._signals, gradients)
        self._looks.append(look)
        self._waiting.add(look, self._arrays, [*map(_grad_of, self._leaves)])
        self._is_before_update, self._signals = True, None
        if self._most_frames and _again(loss) is None:
            self._keep_frame(number, loss)

    def _notice_update(self) -> None:
        """Count an update if the weights are other arrays than before."""
        if not any(map(is_not, map(_array_of, self._leaves), self._arrays)):
            return
        now = [*map(_array_of, self._leaves)]
        if self._is_before_update:
            self._waiting.note_update(self._looks[-1], now)
            self._is_before_update = False
        self._arrays = now
        self.update += 1

    def _keep_frame(self, number: int, loss: Tensor) -> None:
        """Keep a picture of the adjoint network, if this look is one of those that are drawn."""
        if number % self._stride:
            return
        title = f"update {self.update}, loss {float(loss._array):.4g}"
        picture = draw(loss, view="adjoint", heat=True, title=title)
        self._frames.append((self.update, picture))
        if len(self._frames) > self._most_frames:
            self._frames, self._stride = self._frames[::2], 2 * self._stride

    # --- the numbers ------------------------------------------------------------------------------

    @property
    def looks(self) -> list[Look]:
        """What was seen, a `Look` for each."""
        self._waiting.settle()
        return self._looks

    @property
    def updates(self) -> list[int]:
        """The update of each look."""
        return [look.update for look in self.looks]

    @property
    def losses(self) -> np.ndarray:
        """The loss at each look."""
        return np.array([look.loss for look in self.looks])

    @property
    def names(self) -> list[str]:
        """All parameters and signals that were seen."""
        return list(dict.fromkeys(name for look in self.looks for name in look.names))

    def __getitem__(self, name: str) -> dict[str, np.ndarray]:
        """Return the numbers of a parameter or a signal: one at each look; nan where not seen.

        Raises
        ------
        SignalError
            If none is called so; the message lists the nearest names.
        """
        if not isinstance(name, str) or name not in self.names:
            raise _unknown("watch: no signal", name, self.names)
        columns: dict[str, np.ndarray] = {}
        table = np.full((len(self.looks), 2 * len(STATISTICS) + 1), np.nan)
        for n, look in enumerate(self.looks):
            if name in look.names:
                row = look.names.index(name)
                table[n, :-1] = [*look.values[row], *look.gradients[row]]
                table[n, -1] = look.ratios.get(name, np.nan)
        heads = [f"{x} of the {of}" for of in ("value", "gradient") for x in STATISTICS]
        for n, head in enumerate([*heads, "update / value"]):
            columns[head] = table[:, n]
        return columns

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def frame(self) -> Any:
        """Return all numbers as a table of pandas: a row for each look and signal.

        Raises
        ------
        PackageError
            If pandas is not installed.
        """
        try:
            import pandas
        except ImportError:
            raise PackageError("frame needs the package pandas: pip install pandas") from None
        parts = []
        for name in self.names:
            columns = {"update": self.updates, "name": name, **self[name]}
            parts.append(pandas.DataFrame(columns).dropna(subset=["norm of the value"]))
        if not parts:
            return pandas.DataFrame()
        table = pandas.concat(parts).sort_values("update", kind="stable")
        return table.set_index(["update", "name"])

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write all numbers to an .npz file: ``updates``, ``losses``, and one array for each name.

        ``lstm.U`` (looks, 11) has the columns of ``seen["lstm.U"]``, in the order of ``columns``;
        ``δ lstm.state`` (looks, T) the norm of δ at each step, nan where there is none.

        Raises
        ------
        ArgumentError, UsageError
            If the path does not end in .npz, or is none.
        """
        target = check_path("save", path)
        if target.suffix.lower() != ".npz":
            raise ArgumentError(
                f"save: {str(target)!r} has the suffix {target.suffix!r}, expected .npz"
            )
        arrays: dict[str, np.ndarray] = {"updates": np.array(self.updates), "losses": self.losses}
        for name in self.names:
            columns = self[name]
            arrays["columns"] = np.array(list(columns))
            arrays[name] = np.stack(list(columns.values()), axis=-1)
            if any(name in look.deltas for look in self.looks):
                arrays[f"δ {name}"] = self.deltas(name)
        content = io.BytesIO()
        np.savez(content, **arrays)  # type: ignore[arg-type]
        return write_file(content.getvalue(), target)

    def deltas(self, name: str) -> np.ndarray:
        """Return the norm of δ at each look and step: (looks, T), nan where not seen.

        Raises
        ------
        SignalError
            If no signal of several steps is called so; the message lists the nearest names.
        """
        if not isinstance(name, str) or not any(name in look.deltas for look in self.looks):
            timed = {x for look in self.looks for x in look.deltas}
            raise _unknown("deltas: no signal of several steps", name, sorted(timed))
        rows = [look.deltas.get(name, np.empty(0)) for look in self.looks]
        table = np.full((len(rows), max(map(len, rows), default=0)), np.nan)
        for n, row in enumerate(rows):
            table[n, : len(row)] = row
        return table

    # --- what there is to see ---------------------------------------------------------------------

    @property
    def verdicts(self) -> list[Verdict]:
        """What vanishes, explodes, saturates, is dead or not finite; the worst first."""
        return find_verdicts(self.looks)

    @property
    def says(self) -> str:
        """The worst of it in a sentence."""
        if not self.looks:
            return "No backward pass of the network was seen."
        verdicts = self.verdicts
        if not verdicts:
            return "Nothing vanishes, explodes, saturates or is dead."
        more = f" (and {len(verdicts) - 1} more)" if len(verdicts) > 1 else ""
        return f"{verdicts[0].says}{more}"

    def __repr__(self) -> str:
        return f"<watch: {len(self.looks)} looks at {self.update} updates>"

    def __str__(self) -> str:
        """Return what there is to see, and the loss."""
        lines = [f"{len(self.looks)} looks at {self.update} updates"]
        if self.looks:
            lines[0] += f", loss {self.losses[0]:.4g} → {self.losses[-1]:.4g}"
        lines += [verdict.says for verdict in self.verdicts] or [self.says]
        return "\n".join(lines)

    def plot(self, path: str | os.PathLike[str] | None = None) -> Any:
        """Plot one page: the worst signal first, and a sentence on it.

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
            If matplotlib is not installed.
        UsageError, ArgumentError
            If nothing was seen, or the path has another suffix.
        """
        from .watch_page import page  # nobody else needs it

        where = None if path is None else plots.checked_path("plot", path)
        if not self.looks:
            raise UsageError("plot: no backward pass of the network was seen")
        figure = page(self)
        return figure if where is None else plots.save(figure, where)

    def animate(self, path: str | os.PathLike[str], seconds: float = 0.5) -> Path:
        """Write the adjoint network with the size of every δ, over the training.

        Parameters
        ----------
        path : path ending in .gif or .html
        seconds : float
            How long each picture is shown.

        Raises
        ------
        UsageError
            If no pictures were kept: ``watch`` takes their number as ``frames``.
        ArgumentError, PackageError, RenderError
            If the suffix or the time is unknown, Pillow is missing for a .gif, or there is no
            program to draw with.
        """
        from .animation import animate  # nobody else needs it

        return animate(self._frames, path, seconds)


def _unknown(subject: str, name: Any, known: list[str]) -> SignalError:
    similar = name if isinstance(name, str) else ""
    return SignalError(f"{subject} is called {excerpt(name)}; {nearest(similar, known)}")


def _again(loss: Tensor) -> Any:
    """Return the function that records a compiled loss once more; None if it is recorded."""
    return (loss.parameters or {}).get("again")


def _named(loss: Tensor) -> tuple[list[Tensor], list[Series]]:
    """Return the history of a loss, and the named signals in it."""
    with collector_paused():
        order = history([loss])
        return order, find_series(order)


def _gradients(loss: Tensor, wanted: Set[Tensor]) -> dict[Tensor, np.ndarray]:
    """Return the gradients of some signals, by a walk that leaves no ``.grad``."""
    sums = LeafSums(wanted)
    sums.add(loss, starting_cotangent(loss, None))
    cts = pull_back(sums)
    return {x: cts[x] for x in wanted if x in cts}
