"""The commands train, resume and predict: what they print, write and refuse."""

import csv
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from tinygrad_lstm.cli.commands import main
from tinygrad_lstm.train import forecast

WAVE = np.sin(np.arange(90) / 3)
QUICK = ["--window", "4", "--hidden", "3", "--epochs", "3"]


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("day,wave\n" + "".join(f"d{n},{float(x)!r}\n" for n, x in enumerate(WAVE)))
    return path


def test_a_forecast_is_trained_and_made(tmp_path, data, capsys):
    out = tmp_path / "out"
    assert main(["train", str(data), "--target", "wave", "--out", str(out), *QUICK]) == 0
    printed = capsys.readouterr().out
    assert "without numbers, and left out: day" in printed and "test: error" in printed
    files = {"run.json", "last.npz", "best.npz", "report.md", "plot.png"}
    assert {path.name for path in out.iterdir()} == files
    assert main(["predict", str(out)]) == 0
    rows = [*csv.reader(capsys.readouterr().out.splitlines())]
    assert rows[0] == ["row", "forecast", "wave"] and len(rows) == 1 + 90 - 4 + 1
    assert [float(x) for _, _, x in rows[1:-1]] == WAVE[4:].tolist() and rows[-1][2] == ""
    path = tmp_path / "forecast.csv"
    assert main(["predict", str(out), str(data), "-o", str(path)]) == 0
    assert [*csv.reader(path.read_text().splitlines())] == rows


def test_every_option_reaches_the_forecast(tmp_path, data, monkeypatch):
    asked = []

    def note(path, out, options):
        asked.append(options)
        raise KeyboardInterrupt

    monkeypatch.setattr("tinygrad_lstm.cli.training.train", note)
    more = {
        "window": 5,
        "horizon": 2,
        "hidden": 7,
        "layers": 2,
        "epochs": 9,
        "batch": 8,
        "patience": 4,
        "seed": 3,
        "lr": 0.5,
        "decay": 0.25,
        "clip": 2.0,
        "share": 0.2,
    }
    words = [word for name, value in more.items() for word in (f"--{name}", str(value))]
    words += ["--features", "wave"]
    assert main(["train", str(data), "--target", "wave", "--out", "o", *words]) == 130
    assert asked == [forecast.Options("wave", ["wave"], **more)]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--target", "wav"], "no column is called 'wav'; the nearest names are: wave"),
        (["--target", "day"], "column 'day', line 2: found 'd0', expected a finite number"),
        (["--target", "wave", "--features", "day"], "column 'day', line 2"),
        (["--target", "wave", "--window", "200"], "a window of 200 and a horizon of 1 need at"),
        (["--target", "wave", "--lr", "nan"], "lr must be at least 0"),
    ],
)
def test_what_cannot_be_trained_is_said(tmp_path, data, capsys, words, said):
    out = tmp_path / "out"
    assert main(["train", str(data), "--out", str(out), *words]) == 2
    assert said in capsys.readouterr().err and not out.exists()


def test_a_folder_without_a_run_is_said(tmp_path, capsys):
    for command in ("resume", "predict"):
        assert main([command, str(tmp_path)]) == 2
        assert "holds no run" in capsys.readouterr().err


@pytest.mark.long
@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_an_interrupt_keeps_what_was_trained_and_resume_ends_with_the_same_bits(tmp_path, data):
    def command(*words):
        return subprocess.Popen(
            [sys.executable, "-m", "tinygrad_lstm", *words], text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    words = ["train", str(data), "--target", "wave", *QUICK[:-1], "60", "--patience", "60"]
    whole = command(*words, "--out", str(tmp_path / "whole"))
    assert whole.communicate(timeout=300)[1] == "" and whole.returncode == 0
    cut = command(*words, "--out", str(tmp_path / "cut"))
    while not (tmp_path / "cut" / "best.npz").exists():
        assert cut.poll() is None
        time.sleep(0.005)
    cut.send_signal(signal.SIGINT)
    out, err = cut.communicate(timeout=300)
    assert cut.returncode == 130 and "go on by resume" in out and err == ""
    on = command("resume", str(tmp_path / "cut"))
    assert on.communicate(timeout=300)[1] == "" and on.returncode == 0
    reports = [(tmp_path / name / "report.md").read_text() for name in ("whole", "cut")]
    assert reports[0] == reports[1]
    numbers = [repr(forecast.predict(forecast.load(tmp_path / name))) for name in ("whole", "cut")]
    assert numbers[0] == numbers[1]
