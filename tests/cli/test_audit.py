"""The command audit: a network's file, and gradients or a program."""

import json

import numpy as np
import pytest

from tinygrad_lstm.cli.commands import main

NETWORK = """
import numpy as np
import tinygrad_lstm as tg
layer = tg.nn.Dense(2, 2, tg.tanh, name="layer")
layer.W.data, layer.b.data = np.array([[0.3, -0.2], [0.1, 0.5]]), np.array([0.1, 0.2])
loss = tg.nn.squared_error(layer(np.array([[1.0, -0.5], [0.2, 0.4]])), np.ones((2, 2)))
print("not for the reader")
"""
PROGRAM = """
import numpy as np
x, W, b = np.array([[1.0, -0.5], [0.2, 0.4]]), np.array([[0.3, -0.2], [0.1, 0.5]]), [0.1, 0.2]
y = np.tanh(x @ W + b)
dz = (y - 1.0) * (1 - y)
dW, db = x.T @ dz, dz.mean(axis=0)
print("nor this")
"""


@pytest.fixture
def files(tmp_path):
    (tmp_path / "net.py").write_text(NETWORK)
    (tmp_path / "student.py").write_text(PROGRAM)
    values = {}
    exec(PROGRAM, values)
    hand = {"layer.z": values["dz"], "layer.W": values["dW"], "layer.b": values["db"]}
    np.savez(tmp_path / "hand.npz", **hand)
    return tmp_path


@pytest.mark.parametrize("given", [["--hand", "hand.npz"], ["--source", "student.py"]])
def test_the_mistakes_are_listed(files, monkeypatch, capsys, given):
    monkeypatch.chdir(files)
    assert main(["audit", "net.py", *given]) == 1
    out = capsys.readouterr().out
    assert "2 mistakes explain all wrong gradients" in out
    assert "reader" not in out and "nor this" not in out
    assert out.index("1. in layer.z") < out.index("2. in layer.b")


def test_plain_data_without_answers(files, monkeypatch, capsys):
    monkeypatch.chdir(files)
    assert main(["audit", "net.py", "--source", "student.py", "--json", "--no-answers"]) == 1
    data = json.loads(capsys.readouterr().out)
    assert [each["kind"] for each in data["mistakes"]] == [
        "derivative of wrong form", "average over the batch",
    ]  # fmt: skip
    assert data["variables"]["layer.W"] == "dW (line 6)"
    assert "expected" not in data["mistakes"][0]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ([], "neither --hand nor --source"),
        (["--hand", "none.npz"], "there is no such file"),
        (["--source", "none.py"], "none.py: No such file"),
        (["--source", "hand.npz"], "is no text in UTF-8"),
    ],
)
def test_what_is_not_there_is_said_in_one_line(files, monkeypatch, capsys, given, says):
    monkeypatch.chdir(files)
    assert main(["audit", "net.py", *given]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("tinygrad-lstm: ") and says in error


def test_what_agrees_has_status_0(files, monkeypatch, capsys):
    monkeypatch.chdir(files)
    right = PROGRAM.replace("(1 - y)", "(1 - y**2)").replace("mean", "sum")
    (files / "student.py").write_text(right)
    assert main(["audit", "net.py", "--source", "student.py"]) == 0
    assert "all agree" in capsys.readouterr().out
