"""``tg.train.fit``: the loop of training that people write themselves.

Knows models, updates and the session, which keeps the books; no layer and no rule.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from ..engine.arguments import POSITIVE, number, optional
from ..engine.tensor import Tensor
from ..nn.module import Module
from ..optim.clipping import clip_grad_norm_
from ..optim.optimizer import Optimizer
from ..optim.schedules import LRScheduler
from .parallel import average
from .session import History, Session


def fit(
    model: Module,
    data: Any,
    loss: Callable[..., Tensor],
    update: Optimizer,
    *,
    epochs: int = 100,
    batch: int = 32,
    validation: Any = None,
    patience: int | None = None,
    schedule: LRScheduler | None = None,
    clip: float | None = None,
    seed: int = 0,
    folder: str | os.PathLike[str] | None = None,
    resume: bool = False,
    save_every: float = 30.0,
    progress: bool = True,
) -> History:
    """Train a model on mini-batches, and keep checkpoints from which training can go on.

    Where ``mpiexec -n 4`` started the program, each of the 4 processes has a share of every batch,
    and rank 0 writes the files. The numbers are those of one process, to rounding, if the loss is a
    mean over the items of a batch.

    An interrupt (Ctrl-C) ends training after the update that is under way. A process that was
    killed at any moment, and goes on with ``resume=True``, ends with the same numbers to the last
    bit: the checkpoint holds the weights, the update, the schedule, the place in the data and the
    state of the random numbers.

    Parameters
    ----------
    model : Module
    data : anything with ``len`` and ``[]``
        An item is a tuple of arrays, such as (x, target). An entry of two or more axes is a
        sequence, (steps, ...), and so is an entry of whole numbers along one axis, such as tokens;
        a batch is (T, B, ...), padded with zeros, and sequences of similar length stand together.
        Any other entry is stacked along axis 0.
    loss : (*arrays) -> Tensor of one number
        Of a batch: ``loss(x, target)``. If the sequences have different lengths, it is called with
        ``lengths=`` (B,), the steps of each first sequence. `tg.compile` may have made it.
    update : Optimizer
    epochs, batch : int, at least 1
        Rounds through the data; items of a batch.
    validation : as data, optional
        The loss of these is computed after every epoch, in ``model.eval()``. At the end the model
        has the numbers of the best epoch.
    patience : int, optional
        Training ends when the validation loss was not the least for so many epochs.
    schedule : LRScheduler, optional
        Takes a step after each update; `ReduceLROnPlateau` after each epoch.
    clip : float, optional
        The largest norm of all gradients together.
    seed : int
        Of the order of the items.
    folder : path, optional
        For ``last.npz`` and ``best.npz``, the checkpoints. They are written whole.
    resume : bool
        Whether to go on from ``last.npz`` in the folder, if there is one.
    save_every : float
        Seconds between two checkpoints; there is also one after each epoch.
    progress : bool
        Whether to show the loss and the time left, on a terminal.

    Returns
    -------
    History

    Raises
    ------
    GradientError
        If the loss, a gradient or an update is not finite; the message says which signal was not
        finite first. The model has the numbers of before this update.
    OSError
        If a checkpoint cannot be written, for example because the disk is full; the checkpoint of
        before stays.
    ArgumentError, UsageError, ShapeError, FileError
        If an argument is wrong, the items do not fit, or the checkpoint is of another session;
        nothing has changed.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_lstm as tg
    >>> random = np.random.default_rng(0)
    >>> net = tg.nn.Sequential(tg.nn.LSTM(1, 4, seed=0), tg.nn.Dense(4, 1, seed=1))
    >>> waves = [np.sin(np.arange(T + 1) + random.normal())[:, None] for T in (8, 9, 10, 11)]
    >>> def loss(x, target, lengths):
    ...     return tg.nn.mean_squared_error(net(x), target, lengths=lengths)
    >>> update = tg.optim.Adam(net.parameters(), lr=0.05)
    >>> history = fit(net, [(x[:-1], x[1:]) for x in waves], loss, update, epochs=60, batch=2)
    >>> history.rows[-1]["loss"] < 0.05 * history.rows[0]["loss"]
    True
    """
    clip = optional(number, "fit: clip", clip, POSITIVE)
    with Session(
        model, data, loss, update, epochs=epochs, batch=batch, validation=validation,
        patience=patience, schedule=schedule, seed=seed, folder=folder, resume=resume,
        save_every=save_every, show=progress,
    ) as session:  # fmt: skip
        for _ in session.epochs():
            for arrays, lengths in session.batches():
                update.zero_grad()
                value = session.finite(loss(*arrays, **lengths))
                value.backward()
                average(update.params, session.weight)
                if clip is not None:
                    clip_grad_norm_(update.params, clip)
                update.step()
                if schedule is not None and schedule.is_of_steps_alone:
                    schedule.step()
                session.note(value)
            session.end_epoch()
    return session.history
