"""Forecasts from files: what is read and refused, how rows are split, and what a folder keeps."""

import json
import shutil

import numpy as np
import pytest

from tinygrad_lstm.errors import (
    ArgumentError,
    FileError,
    GradientError,
    SignalError,
    TinygradError,
    UsageError,
)
from tinygrad_lstm.train.columns import read_columns
from tinygrad_lstm.train.forecast import Options, load, numeric_columns, predict, resume, train
from tinygrad_lstm.train.report import errors, write_report
from tinygrad_lstm.train.windows import Scaling, Windows, split

TABLE = np.stack([np.sin(np.arange(120) / 3), np.cos(np.arange(120) / 3) + 5], axis=1)
SMALL = {"window": 4, "hidden": 3, "epochs": 4, "batch": 16}


def csv(path, header="sine,cosine", rows=TABLE, delimiter=","):
    lines = [header, *(delimiter.join(map(repr, map(float, row))) for row in rows)]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


@pytest.fixture
def data(tmp_path):
    return csv(tmp_path / "data.csv")


# --- columns --------------------------------------------------------------------------------------


def test_a_table_reads_the_same_from_every_kind_of_file(tmp_path, data):
    np.savez(tmp_path / "a.npz", sine=TABLE[:, 0], cosine=TABLE[:, 1])
    np.savez(tmp_path / "b.npz", both=TABLE)
    np.save(tmp_path / "c.npy", TABLE)
    np.save(tmp_path / "d.npy", TABLE[:, 0])
    csv(tmp_path / "e.csv", "sine;cosine", delimiter=";")
    csv(tmp_path / "f.CSV", "\ufeffsine\tcosine", delimiter="\t")
    names = {
        "data.csv": ["sine", "cosine"], "a.npz": ["sine", "cosine"], "b.npz": ["both.0", "both.1"],
        "c.npy": ["0", "1"], "d.npy": ["0"], "e.csv": ["sine", "cosine"],
        "f.CSV": ["sine", "cosine"],
    }  # fmt: skip
    for file, expected in names.items():
        columns = read_columns(tmp_path / file)
        assert columns.names == expected
        assert np.array_equal(columns.numbers, TABLE[:, : len(expected)])


def test_columns_come_in_the_order_of_their_names(data):
    columns = read_columns(data, ["cosine", "sine"])
    assert columns.names == ["cosine", "sine"]
    assert np.array_equal(columns.numbers, TABLE[:, ::-1])


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_decimals_may_stand_behind_a_comma(tmp_path, encoding):
    path = tmp_path / "decimals.csv"
    path.write_text("Tag;Größe;n;x\n01.02.24;-1,250;3;0.5\n02.02.24;12,5e1; 4;1.25\n", encoding)
    columns = read_columns(path)
    assert columns.names == ["Größe", "n", "x"] and columns.left_out == ["Tag"]
    assert columns.numbers.tolist() == [[-1.25, 3.0, 0.5], [125.0, 4.0, 1.25]]


def test_a_text_with_a_comma_is_no_number(tmp_path):
    path = tmp_path / "texts.csv"
    path.write_text('note,x\n"1,5",1.5\nfew,2.5\n', "utf-8")
    assert read_columns(path).left_out == ["note"]


def test_a_column_of_dates_is_left_out_unless_it_is_asked_for(tmp_path):
    path = tmp_path / "dates.csv"
    path.write_text('day,"a, b"\n2020-01-01,1\n2020-01-02,2.5e0\n', "utf-8")
    columns = read_columns(path)
    assert columns.names == ["a, b"] and columns.left_out == ["day"]
    assert columns.numbers.tolist() == [[1.0], [2.5]]
    with pytest.raises(FileError, match="column 'day', line 2: found '2020-01-01'"):
        read_columns(path, ["day"])
    with pytest.raises(FileError, match="column 'day'"):
        numeric_columns(path, "day")


@pytest.mark.parametrize(
    ("name", "content", "error", "said"),
    [
        ("x.csv", b"a,b\n1,2\n3,\n", FileError, r"column 'b', line 3: an empty cell, .*1 such"),
        ("x.csv", b"a,b\n1,2\n3,inf\n", FileError, r"column 'b', line 3: found 'inf'"),
        ("x.csv", b"a,b\n1,2\n3,-1e151\n", FileError, "line 3: found '-1e151', .*up to 1e.150"),
        ("x.csv", b'a,b\n\n1,2\n"3\n",x\n', FileError, "column 'b', line 5: found 'x'"),
        ("x.csv", b"a,b\n1,2\n\n3\n", FileError, "line 4 has 1 cells, expected 2"),
        ("x.csv", b"a,a\n1,2\n", FileError, "the name of another one"),
        ("x.csv", b"1,2\n3,4\n", FileError, "the first line holds numbers"),
        ("x.csv", b"a,b\n", FileError, "found 1 lines"),
        ("x.csv", b"", FileError, "found 0 lines"),
        ("x.csv", b"a\n\xff\n", FileError, "no text in UTF-8; save"),
        ("x.csv", b"a;b\n1,234;1\n", FileError, "'a', line 2: '1,234' may have decimals or thous"),
        ("x.csv", b"a;b\n1,5;11.020\n", FileError, "'b', line 2: '11.020' beside '1,5' may have"),
        ("x.csv", b"a;b\n1,5;1\n2.5;2\n", FileError, "column 'a', line 2: found '1,5'"),
        ("x.csv", b"a\n1e-200\n0\n", FileError, "column 'a': the largest number is 1e-200"),
        ("x.csv", b"a,b\nu,v\n", FileError, "found no numbers"),
        ("x.npy", b"no array", FileError, r"no \.npy file that can be read"),
        ("x.npz", b"no archive", FileError, r"x\.npz"),
        ("x.txt", b"1", FileError, r"the suffix is '\.txt', expected"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, name, content, error, said):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(error, match=said):
        read_columns(tmp_path / name)


def test_arrays_that_do_not_fit_are_refused(tmp_path, data):
    with pytest.raises(SignalError, match="no column is called 'sin'; the nearest names are: sine"):
        read_columns(data, ["sin"])
    with pytest.raises(FileNotFoundError):
        read_columns(tmp_path / "none.csv")
    for arrays, said in [
        ({"a": np.ones(3), "b": np.ones(2)}, "different lengths"),
        ({"a": np.ones((2, 2, 2))}, r"a has shape \(2, 2, 2\)"),
        ({"a": np.array(["x"])}, "a is of type"),
        ({"a": np.array([1.0, np.nan])}, "column 'a', line 1: found 'nan'"),
    ]:
        np.savez(tmp_path / "x.npz", **arrays)
        with pytest.raises(FileError, match=said):
            read_columns(tmp_path / "x.npz")
    np.save(tmp_path / "x.npy", np.float64(1.0))
    with pytest.raises(FileError, match=r"shape \(\)"):
        read_columns(tmp_path / "x.npy")


# --- windows --------------------------------------------------------------------------------------


def test_a_window_ends_a_horizon_before_its_target():
    rows = Windows(TABLE, TABLE[:, 0], window=3, horizon=2, first=10, last=13)
    assert rows.rows.tolist() == [10, 11, 12] and len(rows) == 3
    x, target = rows[1]
    assert np.array_equal(x, TABLE[7:10]) and np.array_equal(target, TABLE[11:12, 0])
    assert np.array_equal(rows.inputs()[:, 1], x)
    assert Windows(TABLE, TABLE[:, 0], 3, 2, 0, 13).rows[0] == 4  # the first with a whole window


def test_the_parts_follow_one_another_and_none_is_empty():
    assert split(100, 12, 1, 0.15) == (70, 85)
    for count in range(20, 60):
        validation, test = split(count, 5, 3, 0.2)
        assert 8 <= validation < test < count
    with pytest.raises(ArgumentError, match="found 20 rows, of which 14 are to train with"):
        split(20, 14, 1, 0.15)
    with pytest.raises(ArgumentError, match="share"):
        split(100, 5, 1, 0.7)


def test_the_scaling_is_of_the_training_rows_alone(tmp_path):
    numbers = np.arange(60.0)
    numbers[-9:] = 1e6  # in the test
    np.save(tmp_path / "x.npy", numbers)
    run = train(tmp_path / "x.npy", tmp_path / "out", Options("0", ["0"], **SMALL))
    assert run.parts() == {"training": (0, 42), "validation": (42, 51), "test": (51, 60)}
    assert run.scaling.mean.tolist() == [numbers[:42].mean()] * 2
    assert Scaling.of(np.ones((3, 2))).deviation.tolist() == [1.0, 1.0]
    assert Scaling.of(np.full((57, 1), 0.1)).deviation.tolist() == [1.0]


# --- train, resume, predict -----------------------------------------------------------------------


def options(**more):
    return Options("sine", ["sine", "cosine"], **{**SMALL, **more})


def test_a_forecast_learns_a_wave_and_keeps_what_it_learned(tmp_path, data):
    run = train(data, tmp_path / "out", options(epochs=60, hidden=8, window=6))
    table = errors(run)
    assert table["test"][1] < 0.5 * table["test"][2]
    again = load(tmp_path / "out")
    first, last = run.parts()["test"]
    expected = run.forecasts(run.windows(first, last))
    assert np.array_equal(again.forecasts(again.windows(first, last)), expected)
    rows = predict(again)
    assert [row for row, _, _ in rows] == [*range(6, 121)]
    assert np.allclose([f for row, f, _ in rows if first <= row < last], expected, atol=1e-12)
    assert np.isnan(rows[-1][2]) and abs(rows[-1][1] - np.sin(120 / 3)) < 0.3


def test_no_change_is_the_last_number_in_the_window(tmp_path, data):
    run = train(data, tmp_path / "out", options(horizon=3, epochs=1))
    count, _, idle = errors(run)["test"]
    right = TABLE[120 - count :, 0]
    assert idle == pytest.approx(np.sqrt(np.mean((TABLE[117 - count : 117, 0] - right) ** 2)))


def test_training_in_two_parts_is_the_same_to_the_last_bit(tmp_path, data):
    train(data, tmp_path / "whole", options())
    train(data, tmp_path / "parts", options(epochs=2))
    path = tmp_path / "parts" / "run.json"
    path.write_text(path.read_text("utf-8").replace('"epochs": 2', '"epochs": 4'), "utf-8")
    run = resume(tmp_path / "parts")
    assert len(run.history.rows) == 4
    for name in ("W", "U", "b"):
        expected = getattr(load(tmp_path / "whole").net.lstm, name).numpy()
        assert np.array_equal(getattr(run.net.lstm, name).numpy(), expected)


def test_the_report_says_the_errors_that_it_measured(tmp_path, data):
    run = train(data, tmp_path / "out", options())
    paths = write_report(run, tmp_path / "out")
    text = paths[0].read_text("utf-8")
    for name, (count, error, idle) in errors(run).items():
        assert f"| {name} | " in text and f"| {count} | {error:.5g} | {idle:.5g} |" in text
    assert paths[1].read_bytes().startswith(b"\x89PNG")


# --- bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "error", "said"),
    [
        ({"window": 100}, ArgumentError, "of which 84 are to train with; a window of 100"),
        ({"window": 0}, ArgumentError, "window must be at least 1"),
        ({"share": 0.9}, ArgumentError, "share must be"),
        ({"hidden": 0}, ArgumentError, "hidden must be at least 1"),
        ({"lr": -1.0}, ArgumentError, "lr"),
        ({"clip": 0.0}, ArgumentError, "clip"),
        ({"epochs": 0}, ArgumentError, "epochs"),
        ({"target": "tangent"}, SignalError, "no column is called 'tangent'"),
        ({"features": []}, TinygradError, "feature"),
        ({"features": "sine"}, UsageError, "a list of names of columns"),
        ({"features": ["sine", "sine"]}, ArgumentError, "found a column twice"),
        ({"target": 5}, UsageError, "target"),
    ],
)
def test_bad_options_leave_no_folder_behind(tmp_path, data, more, error, said):
    with pytest.raises(error, match=said):
        train(data, tmp_path / "out", Options(**{"target": "sine", "features": ["sine"], **more}))
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_not_what_it_should_be_is_refused(tmp_path, data):
    out = tmp_path / "out"
    train(data, out, options(epochs=1))
    with pytest.raises(ArgumentError, match="holds a run; resume it"):
        train(data, out, options())
    with pytest.raises(FileError, match="holds no run"):
        resume(tmp_path)
    document = json.loads((out / "run.json").read_text("utf-8"))
    for change, said in [
        ({"format": 2}, "of format 2, expected 1"),
        ({"scaling": {"mean": [0.0], "deviation": [1.0]}}, "the scaling does not fit"),
        ({"scaling": {"mean": [0.0] * 3, "deviation": [1.0, 0.0, 1.0]}}, "is not above 0"),
        ({"scaling": {"mean": [0.0] * 3, "deviation": [1.0, np.nan, 1.0]}}, "is not finite"),
        ({"options": {}}, "cut or corrupt"),
        ({"options": document["options"] | {"target": 5}}, "target"),
        ({"options": document["options"] | {"hidden": "x"}}, "hidden must be a whole number"),
        ({"data": 5}, "data"),
    ]:
        other = tmp_path / "other"
        shutil.copytree(out, other)
        (other / "run.json").write_text(json.dumps(document | change), "utf-8")
        with pytest.raises(TinygradError, match=said):
            load(other)
        shutil.rmtree(other)
    for path in out.glob("*.npz"):
        path.unlink()
    with pytest.raises(FileError, match="holds no checkpoint; train it by resume"):
        load(out)
    (out / "run.json").write_text(json.dumps(document)[:-20], "utf-8")
    with pytest.raises(FileError, match="cut or corrupt"):
        load(out)


def test_a_loss_that_is_not_finite_is_said_once_and_leaves_a_checkpoint(tmp_path, data):
    with pytest.raises(GradientError, match="is not finite first"):  # NumPy's warnings are errors
        train(data, tmp_path / "out", options(lr=1e200))
    assert all(np.isfinite(forecast) for _, forecast, _ in predict(load(tmp_path / "out")))


def test_other_data_are_forecast_but_not_trained_on(tmp_path, data):
    out = tmp_path / "out"
    train(data, out, options(epochs=1))
    other = csv(tmp_path / "other.csv", rows=TABLE[:10])
    assert len(predict(load(out, other))) == 10 - 4 + 1
    with pytest.raises(ArgumentError, match=r"found 3 rows in .*, and a window has 4"):
        load(out, csv(tmp_path / "short.csv", rows=TABLE[:3]))
    with pytest.raises(SignalError, match="no column is called 'cosine'"):
        load(out, csv(tmp_path / "one.csv", header="sine,tangent"))
    csv(data, rows=TABLE * 2)
    with pytest.raises(FileError, match="is not what it was"):
        resume(out)
