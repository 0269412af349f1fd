"""The main job: it runs, writes what it says, and fails when a comparison fails."""

import subprocess
import sys

import numpy as np
import pytest

from tinygrad_lstm import demo
from tinygrad_lstm.cli import commands as cli
from tinygrad_lstm.data import sunspots
from tinygrad_lstm.derivations import question


@pytest.fixture
def short(monkeypatch):
    train, epochs = demo.train, []

    def counted(*arguments):
        losses, *others = train(*arguments)
        epochs.append(len(losses))
        return losses, *others

    monkeypatch.setattr(demo, "train", counted)
    monkeypatch.setattr(demo, "EPOCHS", 3)
    monkeypatch.setattr(demo, "SEEDS", (0,))
    monkeypatch.setattr(demo, "BAR", 10.0)
    yield
    assert set(epochs) <= {3}


def test_the_data_are_the_yearly_sunspot_numbers():
    years, numbers = sunspots()
    assert (years[0], years[-1], len(years)) == (1700, 2008, 309)
    assert numbers[years == 1957] == 190.2


def test_windows_do_not_leak_from_the_later_years():
    (x, y), (later_x, _) = demo.windows()
    years, _ = sunspots()
    count = int((years <= demo.LAST_TRAINING_YEAR).sum()) - demo.STEPS
    assert x.shape == y.shape == (3, count, 1)
    assert np.array_equal(x[1:], y[:-1])
    assert x.max() <= 1.0 and y.max() <= 1.0
    assert later_x.shape[1] == len(years) - demo.STEPS - count


def test_it_writes_what_it_says(short, tmp_path, capsys):
    assert cli.main(["demo", "--out", str(tmp_path / "new")]) == 0
    said = [line.strip() for line in capsys.readouterr().out.splitlines() if str(tmp_path) in line]
    assert sorted(said) == sorted(str(path) for path in (tmp_path / "new").iterdir())
    assert len(said) == 5


def test_every_row_agrees_and_the_asker_s_formula_does_not():
    x, y = next(demo.windows())
    _, report, asker_report, _ = demo.question_report(x[:, 0], y[:, 0])
    assert report.ok and len(report.rows) == 13
    rows = asker_report.rows
    assert rows[0].verdict in ("exact", "rounding") and rows[1].verdict == "wrong shape"


@pytest.mark.long
def test_a_failed_comparison_is_a_failed_command(short, tmp_path, monkeypatch, capsys):
    right = question.backward

    def wrong(*args):
        gradients = right(*args)
        return gradients | {"dU": gradients["dU"] * 1.001}

    monkeypatch.setattr(question, "backward", wrong)
    assert cli.main(["demo", "--out", str(tmp_path)]) == 1
    assert "lstm.U" in capsys.readouterr().out


@pytest.mark.long
def test_a_forecast_above_the_bar_is_a_failed_command(short, tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "BAR", 0.0)
    assert cli.main(["demo", "--out", str(tmp_path)]) == 1


def test_a_folder_that_cannot_be_made_is_one_clear_line(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert cli.main(["demo", "--out", str(tmp_path / "file")]) == 2
    assert capsys.readouterr().err.startswith("tinygrad-lstm: ")


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["demo", "--nonsense"]])
def test_a_wrong_command_line_exits_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)
    assert stop.value.code == 2


def test_python_m_tinygrad_lstm():
    done = subprocess.run(
        [sys.executable, "-m", "tinygrad_lstm", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "demo" in done.stdout
