"""Answers from a file, judged on the command line."""

import json

import numpy as np
import planted
import pytest

import tinygrad_lstm as tg
from tinygrad_lstm import cli

NETWORK = """
import numpy as np
import tinygrad_lstm as tg

dense = tg.nn.Dense(2, 3, "tanh", name="dense", seed=0)
x = tg.Tensor([[0.5, -1.0]], requires_grad=True, name="x")
loss = tg.nn.squared_error(dense(x), np.zeros((1, 3)))
"""


@pytest.fixture
def network(tmp_path):
    path = tmp_path / "network.py"
    path.write_text(NETWORK)
    return path


@pytest.fixture
def right():
    found: dict[str, object] = {}
    exec(NETWORK, found)
    found["loss"].backward()
    return {"dense.W": found["dense"].W.grad, "dense.b": found["dense"].b.grad}


def run(network, hand, *more, tmp_path):
    path = tmp_path / "hand.npz"
    if isinstance(hand, bytes):
        path.write_bytes(hand)
    else:
        np.savez(path, **hand)
    return cli.main(["check", str(network), "--hand", str(path), *more])


def test_right_answers_pass(network, right, tmp_path, capsys):
    assert run(network, right, tmp_path=tmp_path) == 0
    assert "2 signals: all agree" in capsys.readouterr().out


def test_wrong_ones_fail_and_are_named(network, right, tmp_path, capsys):
    wrong = right | {"dense.b": -right["dense.b"]}
    assert run(network, wrong, tmp_path=tmp_path) == 1
    said = capsys.readouterr().out
    assert "first wrong: dense.b" in said and "mistake: " in said


def test_a_teacher_may_hide_the_numbers(network, right, tmp_path, capsys):
    assert run(network, right | {"dense.b": 2 * right["dense.b"]}, "--no-answers",
               tmp_path=tmp_path) == 1  # fmt: skip
    said = capsys.readouterr().out
    assert "dense.b  differs" in said and "e-" not in said


@pytest.mark.parametrize("more", [[], ["--no-answers"]], ids=["all", "no answers"])
def test_plain_data(network, right, tmp_path, capsys, more):
    status = run(network, right | {"dense.b": right["dense.b"] + 1}, "--json", *more,
                 tmp_path=tmp_path)  # fmt: skip
    said = json.loads(capsys.readouterr().out)
    assert status == 1 and not said["ok"]
    assert said["blame"]["signal"] == "dense.b"
    assert ("max_abs" in said["rows"][1]) == (not more)


def test_what_cannot_be_judged_is_said_and_the_rest_is_judged(network, right, tmp_path, capsys):
    hand = right | {"dense.w": np.zeros(3), "x": np.array(["a"])}
    assert run(network, hand, tmp_path=tmp_path) == 2
    said = capsys.readouterr()
    assert "nearest" in said.err and "'x'" in said.err
    assert "2 signals: all agree" in said.out


def pickled():
    import io

    stream = io.BytesIO()
    np.savez(stream, a=np.array([object()], dtype=object))
    return stream.getvalue()


def cut(right):
    import io

    stream = io.BytesIO()
    np.savez(stream, **right)
    return stream.getvalue()[:200]


@pytest.mark.parametrize("what", ["pickle", "cut short", "empty", "text"])
def test_a_file_that_is_none_is_refused(network, right, tmp_path, capsys, what):
    content = {"pickle": pickled(), "cut short": cut(right), "empty": b"", "text": b"dense.W"}[what]
    assert run(network, content, tmp_path=tmp_path) == 2
    assert "tinygrad-lstm: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "said"),
    [("x = 1", "no Tensor called 'loss'"), ("1 / 0", "ZeroDivisionError in line 1"),
     ("loss = [", "SyntaxError")],
    ids=["no loss", "raises", "no Python"],
)  # fmt: skip
def test_a_network_that_is_none_is_refused(right, tmp_path, capsys, text, said):
    path = tmp_path / "network.py"
    path.write_text(text)
    assert run(path, right, tmp_path=tmp_path) == 2
    assert said in capsys.readouterr().err


def test_a_report_is_drawn_with_the_first_wrong_step_marked():
    case = planted.case("lstm", "f-missing")
    report = tg.compare(case.loss(), case.hand())
    dot = tg.draw(report).dot
    assert "adjoint network" in dot and dot.count("penwidth=3") > 0


def test_a_report_shows_itself_in_a_notebook_with_the_first_wrong_step_marked():
    case = planted.case("lstm", "f-missing")
    html = tg.compare(case.loss(), case.hand())._repr_html_()
    assert '<td style="background:#ffcc80">lstm.state[2]</td>' in html
    assert "<p>first wrong: lstm.state[2] at (2, 1)</p>" in html
