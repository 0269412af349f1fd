"""The commands ``train``, ``resume`` and ``predict``: their options, and what they print.

Knows the command line; forecasts are made in the wing of training.
"""

from __future__ import annotations

import argparse
import csv
import io
import math
from pathlib import Path
from typing import Any

from ..files.whole import write_file
from ..interruption import INTERRUPTED
from ..train import parallel
from ..train.forecast import Options, Run, load, numeric_columns, predict, resume, train
from ..train.report import errors, write_report

NUMBERS: dict[str, tuple[type, str]] = {
    "window": (int, "rows that a forecast is made from"),
    "horizon": (int, "how many rows after the window the forecast is"),
    "hidden": (int, "cells of the LSTM"),
    "layers": (int, "LSTMs, one above the other"),
    "epochs": (int, "rounds through the data, at most"),
    "batch": (int, "windows of an update"),
    "patience": (int, "epochs without a gain after which training ends"),
    "lr": (float, "the rate of AdamW"),
    "decay": (float, "its weight decay"),
    "clip": (float, "the largest norm of all gradients together"),
    "share": (float, "of the rows, for validation, and the same for the test"),
    "seed": (int, "of the weights and of the order of the batches"),
}


def add_commands(commands: Any) -> None:
    """Add the three commands to a parser's."""
    sub = commands.add_parser(
        "train", help="train a forecast of a column of your data",
        description="Train an LSTM to forecast a column of a .csv, .npz or .npy file from the rows "
        "before, and write checkpoints, a plot and a report. An interrupt ends training after the "
        "update that is under way; `resume` goes on.",
    )  # fmt: skip
    sub.add_argument("data", type=Path, help="a .csv (names in the first line), .npz or .npy file")
    sub.add_argument("--target", required=True, metavar="COLUMN", help="the column to forecast")
    sub.add_argument("--features", nargs="+", metavar="COLUMN",
                     help="the columns to forecast from (default: all that hold numbers)"
                     )  # fmt: skip
    sub.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new folder")
    for name, (kind, text) in NUMBERS.items():
        default = getattr(Options, name)
        sub.add_argument(f"--{name}", type=kind, default=default, metavar="N",
                         help=f"{text} (default: {default:g})")  # fmt: skip
    sub.set_defaults(run=_train)

    sub = commands.add_parser(
        "resume", help="go on with the training of a folder",
        description="Go on from the last checkpoint of a folder, to the same numbers as without a "
        "break.",
    )  # fmt: skip
    sub.add_argument("folder", type=Path, metavar="DIR")
    sub.set_defaults(run=lambda chosen, _: _report(resume(chosen.folder), chosen.folder))

    sub = commands.add_parser(
        "predict", help="forecast with a trained folder",
        description="Write row, forecast and number of every row that can be forecast, and of the "
        "rows after the last one, as .csv. Rows count from 0.",
    )  # fmt: skip
    sub.add_argument("folder", type=Path, metavar="DIR")
    sub.add_argument("data", type=Path, nargs="?",
                     help="a file with the same columns (default: the one it was trained on)"
                     )  # fmt: skip
    sub.add_argument("-o", "--out", type=Path, help="a .csv file (default: standard output)")
    sub.set_defaults(run=_predict)


def _train(chosen: argparse.Namespace, _: Any) -> int:
    features, left_out = chosen.features, []
    if features is None:
        columns = numeric_columns(chosen.data, chosen.target)
        features, left_out = columns.names, columns.left_out
    if left_out and not parallel.rank():
        print(f"without numbers, and left out: {', '.join(left_out)}")
    numbers = {name: getattr(chosen, name) for name in NUMBERS}
    options = Options(target=chosen.target, features=features, **numbers)
    return _report(train(chosen.data, chosen.out, options), chosen.out)


def _report(run: Run, folder: Path) -> int:
    """Write the report of a run, and return the exit status."""
    if parallel.rank():
        return 0  # rank 0 speaks for all
    if run.history.stopped == "interrupted":
        print(f"interrupted after epoch {len(run.history.rows)}; go on by resume {folder}")
        return INTERRUPTED
    for name, (count, error, idle) in errors(run).items():
        print(f"{name:>10}: error {error:.5g} in {count} forecasts; {idle:.5g} by no change")
    for path in write_report(run, folder):
        print(path)
    return 0


def _predict(chosen: argparse.Namespace, _: Any) -> int:
    run = load(chosen.folder, chosen.data)
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["row", "forecast", run.options.target])
    for row, forecast, number in predict(run):
        writer.writerow([row, repr(forecast), "" if math.isnan(number) else repr(number)])
    if chosen.out is None:
        print(stream.getvalue(), end="")
    else:
        print(write_file(stream.getvalue().encode(), chosen.out))
    return 0
