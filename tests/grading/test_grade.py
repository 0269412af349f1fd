"""A class graded: right and wrong submissions, hostile ones, and what students can see."""

import csv
import json
import os
import re
import signal
import time
from pathlib import Path

import numpy as np
import pytest

import tinygrad_lstm as tg
from tinygrad_lstm.cli.commands import main
from tinygrad_lstm.errors import FileError, UsageError
from tinygrad_lstm.grading import grade as grading
from tinygrad_lstm.grading.judging import plain_text
from tinygrad_lstm.grading.limits import NO_RESULT, Limits, run_limited
from tinygrad_lstm.grading.rubric import Rubric, read_rubric
from tinygrad_lstm.grading.submissions import find_submissions

NETWORK = """
import numpy as np
import tinygrad_lstm as tg
layer = tg.nn.Dense(2, 2, tg.tanh, name="layer")
layer.W.data, layer.b.data = np.array([[0.3, -0.2], [0.1, 0.5]]), np.array([0.1, 0.2])
loss = tg.nn.squared_error(layer(np.array([[1.0, -0.5], [0.2, 0.4]])), np.ones((2, 2)))
"""
PROGRAM = """
import numpy as np
x, W, b = np.array([[1.0, -0.5], [0.2, 0.4]]), np.array([[0.3, -0.2], [0.1, 0.5]]), [0.1, 0.2]
y = np.tanh(x @ W + b)
dz = (y - 1.0) * (1 - y**2)
dW, db = x.T @ dz, dz.sum(axis=0)
"""


def right():
    values = {}
    exec(PROGRAM, values)
    return {"layer.z": values["dz"], "layer.W": values["dW"], "layer.b": values["db"]}


def averaged():
    return right() | {"layer.b": right()["layer.b"] / 2}


def unexplained():
    """Return an answer that no mistake of the library explains, in one signal."""
    return right() | {"layer.W": right()["layer.W"] + np.array([[0.31, -0.17], [0.05, 0.23]])}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "net.py").write_text(NETWORK)
    (tmp_path / "subs").mkdir()
    return tmp_path


def save(folder, who, hand):
    np.savez(folder / "subs" / f"{who}.npz", **hand)


def run(folder, *more):
    net, subs, out = folder / "net.py", folder / "subs", folder / "out"
    assert main(["grade", str(net), str(subs), "--out", str(out), *more]) == 0
    with open(out / "table.csv", newline="") as stream:
        return {row["who"]: row for row in csv.DictReader(stream)}


def test_a_class_is_graded(folder, capsys):
    save(folder, "ada", right())
    save(folder, "bob", averaged())
    save(folder, "cleo", averaged())
    save(folder, "dan", unexplained())
    hand = {name: value.tolist() for name, value in right().items()}
    (folder / "subs" / "eve.json").write_text(json.dumps(hand))
    rows = run(folder)
    assert {who: float(row["score"]) for who, row in rows.items()} == {
        "ada": 10, "bob": 9, "cleo": 9, "dan": 5, "eve": 10,
    }  # fmt: skip
    assert rows["bob"]["first wrong"] == "layer.b" and rows["bob"]["layer.b"] == "explained"
    assert rows["bob"]["right"] == "layer.z, layer.W"
    assert "averaged over the batch" in rows["bob"]["mistakes"]
    assert "No known mistake" in rows["dan"]["note"]
    assert "2 of 5: the gradient of layer.b is averaged" in capsys.readouterr().out
    summary = (folder / "out" / "summary.md").read_text()
    assert "2 of 5: no wrong gradient" in summary and "1 of 5: wrong, and no mistake" in summary


def test_a_program_is_run_only_when_asked(folder):
    (folder / "subs" / "ada.py").write_text(PROGRAM)
    (folder / "subs" / "bob.py").write_text(PROGRAM.replace("dz.sum", "dz.mean"))
    assert {row["score"] for row in run(folder).values()} == {"0.0"}
    assert "only with --run" in run(folder)["ada"]["note"]
    rows = run(folder, "--run")
    assert rows["ada"]["score"] == "10.0" and rows["bob"]["score"] == "9.0"
    assert "averaged over the batch" in rows["bob"]["mistakes"]


HOSTILE = {
    "endless.py": "while True: pass",
    "memory.py": "x = []\nwhile True: x.append(bytearray(10**7))",
    "leaves.py": "import os\nos._exit(0)",
    "dies.py": "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
    "raises.py": "class E(BaseException):\n    def __str__(self): raise E\nraise E",
    "writes.py": "with open('big', 'wb') as f:\n    while True: f.write(bytes(10**7))",
    "closes.py": "import os\nos.closerange(0, 100)",
    "nothing.py": "",
    "wrong.py": "def",
    "cut.npz": "PK",
    "deep.json": "[" * 100_000,
    "list.json": "[1]",
    "words.json": '{"layer.W": "a", "layer.b": [[1], [2, 3]], "x\\u0000<b>": 1}',
    "=cmd|' <script>alert(1)</script>.json": "{}",
    "a\nb.txt": "",
}


def test_a_hostile_submission_costs_its_own_row(folder):
    for name, text in HOSTILE.items():
        (folder / "subs" / name.replace("/", "⁄")).write_text(text)
    (folder / "subs" / "link.npz").symlink_to("/etc/passwd")
    (folder / "subs" / "empty folder").mkdir()
    save(folder, "zoe", right())
    rows = run(folder, "--run", "--program-seconds", "1", "--memory", "300")
    assert len(rows) == len(HOSTILE) + 3
    assert rows.pop("zoe")["score"] == "10.0"
    assert {row["score"] for row in rows.values()} == {"0.0"}
    assert all(row["note"] for row in rows.values())
    assert "takes more than 1 seconds" in rows["endless"]["note"]
    assert "a\\nb.txt" in rows
    pages = [path.read_text() for path in (folder / "out" / "students").iterdir()]
    assert len(pages) == len(HOSTILE) + 3 and not [page for page in pages if "<script>" in page]
    assert sorted(path.name for path in folder.iterdir()) == ["net.py", "out", "subs"]


def test_a_rubric_may_name_all_steps_of_a_signal(folder):
    (folder / "net.py").write_text(
        "import numpy as np\nimport tinygrad_lstm as tg\n"
        "lstm = tg.nn.LSTM(1, 1, seed=0, name='lstm')\n"
        "loss = tg.sum(lstm(np.ones((3, 1, 1)))[0])\n"
    )
    values = {}
    exec((folder / "net.py").read_text(), values)
    values["loss"].backward()
    steps = tg.signals(values["loss"])["lstm.s"].steps
    save(folder, "ada", {"lstm.s": np.stack([step.gradient for step in steps])})
    (folder / "rubric.toml").write_text('[signals]\n"lstm.s" = 1\n')
    row = run(folder, "--rubric", str(folder / "rubric.toml"))["ada"]
    assert (row["score"], row["lstm.s"]) == ("10.0", "right")


def test_a_name_is_no_path_and_no_formula(folder):
    save(folder, "=1+1", right())
    save(folder, "$(reboot) ~", right())
    assert {*run(folder)} == {"'=1+1", "$(reboot) ~"}
    names = [path.name for path in (folder / "out" / "students").iterdir()]
    assert all(re.fullmatch(r"[A-Za-z0-9-]+\.html", name) for name in names)


def numbers_of_gradients():
    """Return the right numbers, and a wrong one's right counterpart, as people write them."""
    return {
        f"{abs(value):.{digits}{kind}}"
        for array in right().values()
        for value in array.ravel()
        for digits in (4, 6, 9)
        for kind in "fge"
    }


@pytest.mark.parametrize("reveal", ["where", "kind", "equation"])
def test_no_right_number_is_in_any_file(folder, reveal):
    save(folder, "bob", averaged())
    save(folder, "dan", unexplained())
    (folder / "subs" / "pam.py").write_text(PROGRAM.replace("dz.sum", "dz.mean"))
    (folder / "subs" / "raise.py").write_text(PROGRAM + "\nraise ValueError(dW)")
    run(folder, "--run", "--reveal", reveal)
    paths = [path for path in (folder / "out").rglob("*") if path.is_file()]
    assert len(paths) > 12
    for path in paths:
        text = path.read_text()
        assert not [number for number in numbers_of_gradients() if number in text], path
    (page,) = (folder / "out" / "students").glob("bob-*")
    text = page.read_text()
    assert "layer.b" in text
    assert ("averaged over the batch" in text) == (reveal != "where")
    assert ("The right equation" in text) == (reveal == "equation")


def test_the_search_for_right_numbers_would_find_one(folder):
    assert f"{abs(right()['layer.W'][0, 0]):.6g}" in numbers_of_gradients()


def test_a_second_run_judges_only_what_changed(folder, monkeypatch):
    save(folder, "ada", right())
    save(folder, "bob", averaged())
    first = run(folder)
    judged = []
    original = grading._judge

    def count(load, task, submission, limits):
        judged.append(submission.who)
        return original(load, task, submission, limits)

    monkeypatch.setattr(grading, "_judge", count)
    assert run(folder) == first and judged == []
    save(folder, "bob", right())
    assert run(folder)["bob"]["score"] == "10.0" and judged == ["bob"]
    (folder / "net.py").write_text(NETWORK.replace("0.3, -0.2", "0.4, -0.2"))
    run(folder)
    assert sorted(judged) == ["ada", "bob", "bob"]


def test_the_formats_of_other_graders(folder):
    save(folder, "ada", right())
    save(folder, "bob", averaged())
    run(folder)
    out = folder / "out"
    (path,) = (out / "gradescope").glob("bob-*.json")
    results = json.loads(path.read_text())
    assert results["score"] == 9.0
    assert [(x["name"], x["max_score"]) for x in results["tests"]] == [
        ("layer.W", 5.0), ("layer.b", 5.0),
    ]  # fmt: skip
    with open(out / "nbgrader" / "grades.csv", newline="") as stream:
        grades = {row["student_id"]: row for row in csv.DictReader(stream)}
    assert grades["bob"]["score"] == "9.0" and grades["bob"]["max_score"] == "10.0"
    assert grades["bob"]["assignment"] == "net"
    with open(out / "otter" / "final_grades.csv", newline="") as stream:
        totals = {row["file"]: row for row in csv.DictReader(stream)}
    assert [(x["name"], x["status"], x["score"]) for x in results["tests"]] == [
        ("layer.W", "passed", 5.0), ("layer.b", "failed", 5.0),
    ]  # fmt: skip
    assert list(totals["bob.npz"].values()) == ["bob.npz", "5.0", "5.0", "9.0", "0.9", "Completed"]
    assert next(iter(totals)) == "points-per-question" and list(totals["ada.npz"]) == [
        "file", "layer.W", "layer.b", "total_points_earned", "percent_correct", "grading_status",
    ]  # fmt: skip
    assert list(totals["points-per-question"].values())[1:] == ["5.0", "5.0", "10.0", "1.0", "--"]


def test_a_gradient_may_be_called_by_its_own_name(folder):
    save(folder, "ada", {"layer.dz": right()["layer.z"], "dW": right()["layer.W"],
                         "layer.b_grad": right()["layer.b"]})  # fmt: skip
    hand = {f"layer.d{name[6:]}": value.tolist() for name, value in averaged().items()}
    (folder / "subs" / "bob.json").write_text(json.dumps(hand))
    save(folder, "cleo", averaged() | {"dW": right()["layer.W"]})
    rows = run(folder)
    assert [rows[who]["score"] for who in ("ada", "bob", "cleo")] == ["10.0", "9.0", "4.0"]
    assert "'layer.W' is in it 2 times" in rows["cleo"]["note"]


@pytest.mark.parametrize("kind", ["npz", "json"])
def test_rounded_numbers_are_checked_as_such(folder, kind):
    for who, answer in (("ada", right()), ("bob", averaged())):
        hand = {name: np.round(value, 5) for name, value in answer.items()}
        if kind == "npz":
            save(folder, who, hand)
        else:
            text = json.dumps({name: value.tolist() for name, value in hand.items()})
            (folder / "subs" / f"{who}.json").write_text(text)
    save(folder, "cleo", {name: np.round(value, 2) for name, value in right().items()})
    rows = run(folder)
    assert [rows[who]["score"] for who in ("ada", "bob", "cleo")] == ["10.0", "9.0", "0.0"]
    assert "rounded to 5 digits" in rows["ada"]["note"]


def test_a_program_may_begin_with_a_mark_of_its_encoding(folder):
    (folder / "subs" / "ada.py").write_text(PROGRAM, "utf-8-sig")
    text = "# coding: latin-1\n# \u00e9\n" + PROGRAM
    (folder / "subs" / "bob.py").write_text(text, "latin-1")
    assert {row["score"] for row in run(folder, "--run").values()} == {"10.0"}


def test_zeros_are_told_as_such(folder):
    save(folder, "bob", {name: 0 * value for name, value in right().items()})
    save(folder, "cleo", {})
    rows = run(folder)
    assert not rows["bob"]["mistakes"] and "shows no derivation" in rows["bob"]["note"]
    note = "Not judged: gives no gradient; call each one like its signal"
    assert rows["cleo"]["note"] == note


def test_what_a_neighbour_ended_is_judged_alone(folder, monkeypatch):
    save(folder, "ada", right())
    outcomes = [{"fault": NO_RESULT}, {"fault": "of the second time"}]
    monkeypatch.setattr(grading, "_judge", lambda *arguments: outcomes.pop(0))
    assert "of the second time" in run(folder)["ada"]["note"] and not outcomes


def test_a_rubric_says_what_counts(folder):
    save(folder, "bob", averaged())
    rubric = folder / "rubric.toml"
    rubric.write_text(
        'points = 20\n[signals]\n"layer.W" = 3\n"layer.b" = 1\n'
        '[mistakes]\n"average over the batch" = 4\n'
    )
    row = run(folder, "--rubric", str(rubric))["bob"]
    assert (row["score"], row["of"]) == ("16.0", "20.0")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("points = -1", "expected a number from 0"),
        ("point = 1", "the nearest names are: points"),
        ("signals = 3", r"expected a table \[signals\]"),
        ("[signals]\nW = 'a'", "expected a number"),
        ("[signals]\nW = 0", "all 0"),
        ("points", "is no TOML"),
        ("follows = 7", "follows is 7, expected a number from 0 to 1"),
    ],
)
def test_a_wrong_rubric_gets_a_clear_error(tmp_path, text, says):
    path = tmp_path / "rubric.toml"
    path.write_text(text)
    with pytest.raises(FileError, match=says):
        read_rubric(path)


def test_a_missing_gradient_has_no_points():
    judgement = {"asked": {"W": "right", "b": "missing"}, "mistakes": []}
    assert Rubric().score(judgement) == 5.0 and Rubric().score({"fault": "x"}) == 0.0


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--jobs", "0"], "--jobs is 0, expected a number from 1"),
        (["--rubric", "none.toml"], "none.toml: No such file"),
        (["--of", "lost"], "found no Tensor called 'lost'"),
    ],
)
def test_what_cannot_be_graded_is_said(folder, capsys, more, says):
    save(folder, "ada", right())
    net, subs, out = (str(folder / name) for name in ("net.py", "subs", "out"))
    assert main(["grade", net, subs, "--out", out, *more]) == 2
    assert says in capsys.readouterr().err


def test_a_folder_without_submissions_is_said(folder):
    with pytest.raises(UsageError, match="no submission in"):
        find_submissions(folder / "subs")
    with pytest.raises(UsageError, match="no folder of submissions"):
        find_submissions(Path("none"))


def test_the_package_grades_what_it_derives(folder):
    """The right answer of the test is the tape's."""
    values = {}
    exec(NETWORK, values)
    assert tg.compare(values["loss"], right()).ok


BROKEN = {
    "nan": np.full((2, 2), np.nan),
    "inf": np.full((2, 2), np.inf),
    "shape": np.ones((3, 2)),
    "scalar": np.array(1.0),
    "text": np.array(["a"]),
    "null": None,
    "words": "abc",
    "large": [[float("inf"), 0.0], [0.0, 0.0]],
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_gradient_is_wrong(folder, capsys, name):
    value = BROKEN[name]
    if isinstance(value, np.ndarray):
        save(folder, "bob", right() | {"layer.W": value})
    else:
        hand = {key: array.tolist() for key, array in right().items()} | {"layer.W": value}
        text = json.dumps(hand).replace("Infinity", "1e999")
        (folder / "subs" / "bob.json").write_text(text)
    row = run(folder)["bob"]
    assert (row["first wrong"], row["score"], row["layer.W"]) == ("layer.W", "5.0", "unreadable")
    assert "1 submissions: 0 without a wrong gradient" in capsys.readouterr().out
    (page,) = (folder / "out" / "students").iterdir()
    (results,) = (folder / "out" / "gradescope").iterdir()
    for text in (page.read_text(), json.loads(results.read_text())["output"]):
        assert "No gradient is wrong" not in text
        assert "The first wrong gradient is that of layer.W." in text
    assert re.search(r"layer.W: (wrong shape \(found|not finite|no array of numbers)", row["note"])


def only_parameters():
    return {name: value for name, value in right().items() if name != "layer.z"}


@pytest.mark.parametrize("given", [right, only_parameters])
@pytest.mark.parametrize(
    ("change", "score"),
    [
        (lambda right: right, 10.0),
        (lambda right: 0 * right, 0.0),
        (lambda right: 0 * right + 1, 0.0),
        (lambda right: 1e6 * right, 4.0),
        (lambda right: -right, 4.0),
    ],
)
def test_numbers_that_show_no_derivation_have_few_points(folder, given, change, score):
    save(folder, "bob", {name: change(value) for name, value in given().items()})
    assert float(run(folder)["bob"]["score"]) == score


X = np.array([[1.0, -0.5], [0.2, 0.4]])


@pytest.mark.parametrize(
    ("slope", "score"),
    [
        (lambda values: values["y"] * (1 - values["y"]), 0.0),  # no mistake that is known
        (lambda values: 1 - values["y"], 9.0),  # y for y²
    ],
)
def test_what_follows_has_points_only_if_a_mistake_explains_it(folder, slope, score):
    values = {}
    exec(PROGRAM, values)
    dz = (values["y"] - 1.0) * slope(values) * (1.0 if score else np.array([[1.3, 0.2], [3, 1]]))
    save(folder, "bob", {"layer.z": dz, "layer.W": X.T @ dz, "layer.b": dz.sum(axis=0)})
    assert float(run(folder)["bob"]["score"]) == score


def test_few_digits_widen_no_tolerance(folder):
    noise = 1 + 1e-3 * np.array([1.0, -1.0])
    save(folder, "bob", {k: (x * noise).astype(np.float16) for k, x in right().items()})
    save(folder, "cleo", {k: x.astype(np.float32) for k, x in right().items()})
    rows = run(folder)
    assert (rows["bob"]["score"], rows["cleo"]["score"]) == ("0.0", "10.0")
    assert "layer.W: is float16, which has too few digits" in rows["bob"]["note"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[signals]\n"layer.w" = 1', "no signal with a gradient; the nearest names are: layer.W"),
        ('[signals]\n"layer.x" = 1', "no signal with a gradient"),
        ('[mistakes]\n"averages over the batch" = 1', "nearest names are: average over the batch"),
    ],
)
def test_a_rubric_with_a_wrong_name_is_refused_before_the_judging(folder, capsys, text, says):
    save(folder, "ada", right())
    (folder / "rubric.toml").write_text(text)
    net, subs, out = (str(folder / name) for name in ("net.py", "subs", "out"))
    assert main(["grade", net, subs, "--out", out, "--rubric", str(folder / "rubric.toml")]) == 2
    assert says in capsys.readouterr().err and not (folder / "out").exists()


@pytest.mark.parametrize("inside", ["subs", "subs/out", "subs/../subs/a/b"])
def test_what_is_written_is_no_submission(folder, capsys, inside):
    save(folder, "ada", right())
    net, subs, out = (str(folder / name) for name in ("net.py", "subs", inside))
    assert main(["grade", net, subs, "--out", out]) == 2
    assert "inside the folder of submissions" in capsys.readouterr().err
    assert [path.name for path in (folder / "subs").iterdir()] == ["ada.npz"]


def test_the_pages_of_a_submission_that_is_gone_are_removed(folder):
    save(folder, "ada", right())
    save(folder, "bob", averaged())
    run(folder)
    own = folder / "out" / "students" / "bob-notes.html"
    own.write_text("the teacher's")
    (folder / "subs" / "bob.npz").unlink()
    run(folder)
    names = [path.name for name in ("students", "gradescope")
             for path in (folder / "out" / name).iterdir()]  # fmt: skip
    assert len([name for name in names if name.startswith("ada-")]) == 2
    assert [name for name in names if name.startswith("bob-")] == ["bob-notes.html"]


def test_a_page_has_no_text_of_an_error_and_no_folder(folder):
    (folder / "subs" / "boom.py").write_text("def f(x):\n    raise ValueError('SECRET')\n\nf(1)\n")
    (folder / "subs" / "part.py").write_text(PROGRAM + "raise KeyError('SECRET')\n")
    (folder / "subs" / "syntax.py").write_text("x = (\n")
    (folder / "subs" / "nul.py").write_text("x = 1\0\n")
    rows = run(folder, "--run")
    assert "ValueError in line 2" in rows["boom"]["note"]
    assert "The program stopped: KeyError in line 7." in rows["part"]["note"]
    assert "(syntax.py, line 1)" in rows["syntax"]["note"] and rows["nul"]["note"]
    for path in (path for path in (folder / "out").rglob("*") if path.is_file()):
        text = path.read_text()
        assert "SECRET" not in text and str(folder) not in text, path


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="no groups of processes")
def test_what_a_program_starts_ends_with_it(folder):
    mark = folder / "child"
    (folder / "subs" / "bob.py").write_text(
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(100)'])\n"
        f"open({str(mark)!r}, 'w').write(str(child.pid))\n"
    )
    run(folder, "--run")
    child = int(mark.read_text())
    for _ in range(50):
        if not is_running(child):
            return
        time.sleep(0.1)
    os.kill(child, signal.SIGKILL)
    pytest.fail("the child outlives the program")


def is_running(process):
    """Return whether a process runs; one that nobody has waited for yet does not."""
    status = Path(f"/proc/{process}/stat")
    try:
        os.kill(process, 0)
        return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def test_a_fault_has_the_text_of_chosen_errors_alone():
    assert run_limited(int, ("SECRET",), Limits()).fault == "ValueError"
    assert "SECRET" in run_limited(int, ("SECRET",), Limits(), says=ValueError).fault


def test_a_message_has_no_folder_of_the_teacher():
    path = Path("/a/b/net.py")
    assert plain_text("/a/b/net.py: no Python (/a/b/net.py, line 1)", path) == (
        "no Python (net.py, line 1)"
    )
    assert plain_text("/a/b/data.npz: no such file", path) == "data.npz: no such file"
