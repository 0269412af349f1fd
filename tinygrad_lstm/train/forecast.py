"""Forecasts of a column: trained from a file, kept in a folder, and gone on with.

Knows columns, windows, `fit` and files; not the command line. The folder holds ``run.json`` (the
options, the scaling, and a digest of the data), the checkpoints ``last.npz`` and ``best.npz``, and
what the report writes.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from ..compiled.compiled import compile
from ..engine.arguments import POSITIVE, excerpt, number, of_kind, text, whole
from ..engine.place import no_grad
from ..engine.tensor import Tensor
from ..errors import ArgumentError, FileError, SignalError, TinygradError, check_path
from ..files.whole import write_file
from ..nn.layers import Dense
from ..nn.losses import mean_squared_error
from ..nn.lstm import LSTM
from ..nn.module import Module
from ..optim.adam import AdamW
from . import parallel
from .checkpoint import restore
from .columns import Columns, read_columns
from .loop import fit
from .session import History
from .windows import Scaling, Windows, split

Array = np.ndarray
FORMAT = 1  # of run.json


@dataclass(frozen=True)
class Options:
    """What a forecast is trained with.

    Attributes
    ----------
    target : str
        The column to forecast.
    features : list of str
        The columns to forecast from.
    window, horizon : int
        The rows to forecast from, and how many rows after the last of them the forecast is.
    hidden, layers, epochs, batch, patience, seed : int
        Of the LSTM and of `fit`.
    lr, decay, clip : float
        Of AdamW, and of the norm of the gradients.
    share : float
        Of the rows, the last but one part for validation and the last part for the test.
    """

    target: str
    features: list[str]
    window: int = 12
    horizon: int = 1
    hidden: int = 16
    layers: int = 1
    epochs: int = 200
    batch: int = 32
    patience: int = 20
    seed: int = 0
    lr: float = 0.01
    decay: float = 0.01
    clip: float = 1.0
    share: float = 0.15

    def __post_init__(self) -> None:
        text("train: target", self.target)
        names = of_kind("train: features", self.features, list, "a list of names of columns")
        if not names:
            raise ArgumentError("train: found no features, expected the names of columns")
        for name in names:
            text("train: features", name)
        if len(set(names)) < len(names):
            raise ArgumentError(f"train: features: found a column twice in {excerpt(names)}")


class Forecast(Module):
    """An LSTM, and a dense layer of its last output."""

    def __init__(self, options: Options) -> None:
        super().__init__()
        self.lstm = LSTM(len(options.features), options.hidden, options.layers, seed=options.seed)
        self.dense = Dense(options.hidden, 1, seed=options.seed + 1)

    def forward(self, x: Any) -> Tensor:
        """Return the forecasts (B, 1) of windows (window, B, features), all scaled."""
        out, _ = self.lstm(x)
        return self.dense(out[-1])


@dataclass(frozen=True)
class Run:
    """A forecast with its data, as `train`, `resume` and `load` return it.

    Attributes
    ----------
    options, scaling : Options, Scaling
        The scaling is of the features; that of the target stands in its last column.
    net : Forecast
    columns : Columns
    data : path
    history : History
        Empty if nothing was trained.
    """

    options: Options
    scaling: Scaling
    net: Forecast
    columns: Columns
    data: Path
    history: History

    def windows(self, first: int = 0, last: int | None = None) -> Windows:
        """Return the windows of the rows from first to last - 1."""
        return _windows(self.options, self.scaling, self.columns.numbers, first, last)

    def forecasts(self, windows: Windows) -> Array:
        """Return the forecasts (count,) of windows, in units of the target."""
        with no_grad():
            y = self.net(windows.inputs()).numpy()[:, 0]
        forecasts: Array = y * self.scaling.deviation[-1] + self.scaling.mean[-1]
        return forecasts

    def parts(self) -> dict[str, tuple[int, int]]:
        """Return the rows of the parts: to train with, for validation, for the test."""
        count, options = len(self.columns.numbers), self.options
        validation, test = split(count, options.window, options.horizon, options.share)
        return {
            "training": (0, validation), "validation": (validation, test), "test": (test, count)
        }  # fmt: skip


def train(data: str | os.PathLike[str], folder: str | os.PathLike[str], options: Options) -> Run:
    """Train a forecast on the columns of a file, and keep it in a folder.

    Raises
    ------
    ArgumentError
        If the folder holds a run, or an option is out of range, or there are too few rows.
    FileError, SignalError, OSError
        As `read_columns`; or if the folder cannot be written.
    """
    out, source = check_path("train: folder", folder), check_path("train: data", data)
    parallel.at_first(lambda: _begin(source, out, options))
    return resume(out)


def _begin(source: Path, out: Path, options: Options) -> None:
    """Write ``run.json`` into a new folder."""
    if (out / "run.json").exists():
        raise ArgumentError(f"train: {out} holds a run; resume it, or choose another folder")
    columns = _read(source, options)
    validation, _ = split(len(columns.numbers), options.window, options.horizon, options.share)
    scaling = Scaling.of(columns.numbers[:validation])
    _update(_net(options), options)
    out.mkdir(parents=True, exist_ok=True)
    document = {
        "format": FORMAT, "data": str(source.absolute()), "digest": _digest(source),
        "options": asdict(options),
        "scaling": {name: array.tolist() for name, array in scaling._asdict().items()},
    }  # fmt: skip
    write_file(json.dumps(document, indent=1, ensure_ascii=False).encode(), out / "run.json")


def resume(folder: str | os.PathLike[str]) -> Run:
    """Go on with the training of a folder from its last checkpoint, to the same bits.

    Raises
    ------
    FileError
        If the folder holds no run, or the data have changed.
    """
    out = check_path("resume: folder", folder)
    options, scaling, document = _document(out)
    source = Path(document["data"])
    if _digest(source) != document["digest"]:
        raise FileError(f"resume: {source} is not what it was when {out} was begun")
    net, columns = _net(options), _read(source, options)
    update = _update(net, options)
    run = Run(options, scaling, net, columns, source, History())
    parts = run.parts()
    loss = compile(lambda x, target: mean_squared_error(net(x), target))
    with np.errstate(all="ignore"):  # `fit` says what is not finite
        history = fit(
            net, run.windows(*parts["training"]), loss, update, epochs=options.epochs,
            batch=options.batch, validation=run.windows(*parts["validation"]), clip=options.clip,
            patience=options.patience, seed=options.seed, folder=out, resume=True,
        )  # fmt: skip
    return Run(options, scaling, net, columns, source, history)


def load(folder: str | os.PathLike[str], data: str | os.PathLike[str] | None = None) -> Run:
    """Return the best forecast of a folder, for a file with the same columns.

    Parameters
    ----------
    folder : path
    data : path, optional
        Instead of the data it was trained on.
    """
    out = check_path("predict: folder", folder)
    options, scaling, document = _document(out)
    source = check_path("predict: data", document["data"] if data is None else data)
    columns = _read(source, options)
    if len(columns.numbers) < options.window:
        raise ArgumentError(
            f"predict: found {len(columns.numbers)} rows in {source}, and a window has "
            f"{options.window}"
        )
    net = _net(options)
    kept = [path for name in ("best.npz", "last.npz") if (path := out / name).exists()]
    if not kept:
        raise FileError(f"{out}: holds no checkpoint; train it by resume")
    restore(kept[0], net)
    return Run(options, scaling, net, columns, source, History())


def predict(run: Run) -> list[tuple[int, float, float]]:
    """Return row, forecast and number of every row that can be forecast; nan beyond the last row.

    The rows count from 0. The forecast of a row is made from rows that end ``horizon`` rows before.
    """
    count, horizon = len(run.columns.numbers), run.options.horizon
    beyond = np.full((horizon, run.columns.numbers.shape[1]), np.nan)
    numbers = np.concatenate([run.columns.numbers, beyond])
    windows = _windows(run.options, run.scaling, numbers, 0, count + horizon)
    forecasts = run.forecasts(windows)
    return [
        (int(row), float(forecast), float(numbers[row, -1]))
        for row, forecast in zip(windows.rows, forecasts, strict=True)
    ]


def _read(source: Path, options: Options) -> Columns:
    """Return the features, and the target in the last column."""
    names = [*options.features, options.target]
    known = read_columns(source, names)
    order = [known.names.index(name) for name in names]
    return Columns(names, known.numbers[:, order], [])


def _windows(
    options: Options, scaling: Scaling, numbers: Array, first: int, last: int | None
) -> Windows:
    scaled = scaling.apply(numbers)
    end = len(numbers) if last is None else last
    return Windows(scaled[:, :-1], scaled[:, -1], options.window, options.horizon, first, end)


def _net(options: Options) -> Forecast:
    for name in ("window", "horizon", "hidden", "layers", "epochs", "batch", "patience"):
        whole(f"train: {name}", getattr(options, name), 1)
    whole("train: seed", options.seed, 0)
    return Forecast(options)


def _update(net: Forecast, options: Options) -> AdamW:
    number("train: clip", options.clip, POSITIVE)
    return AdamW(net.parameters(), lr=options.lr, weight_decay=options.decay)


def _digest(source: Path) -> str:
    return hashlib.sha256(source.read_bytes()).hexdigest()


def _document(out: Path) -> tuple[Options, Scaling, dict[str, Any]]:
    """Return what ``run.json`` in a folder says."""
    path = out / "run.json"
    if not path.exists():
        raise FileError(f"{out}: holds no run: there is no {path.name}; begin one by train")
    try:
        document = json.loads(path.read_bytes())
        if document["format"] != FORMAT:
            raise FileError(
                f"{path}: of format {excerpt(document['format'])}, expected {FORMAT}; another "
                "version of tinygrad_lstm wrote it"
            )
        known = {field.name for field in fields(Options)}
        options = Options(**{k: v for k, v in document["options"].items() if k in known})
        scaling = Scaling(*(np.array(document["scaling"][name]) for name in Scaling._fields))
        text(f"{path}: data", document["data"])
        if any(numbers.shape != (len(options.features) + 1,) for numbers in scaling):
            raise FileError(f"{path}: the scaling does not fit the columns")
        if not np.isfinite([*scaling]).all() or not (scaling.deviation > 0).all():
            raise FileError(f"{path}: the scaling is not finite, or a deviation is not above 0")
    except TinygradError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FileError(f"{path}: cut or corrupt: {error}") from None
    return options, scaling, document


def numeric_columns(data: str | os.PathLike[str], target: str) -> Columns:
    """Return all columns with numbers, of which the target must be one."""
    columns = read_columns(data)
    if target not in columns.names:
        read_columns(data, [target])  # says why not, if it can
        raise SignalError(f"{data}: column {target!r} holds no numbers")
    return columns
