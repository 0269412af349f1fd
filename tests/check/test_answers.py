"""Answers from a file, judged on the command line."""

import fcntl
import io
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import warnings
import zipfile

import numpy as np
import pytest

import tinygrad_lstm as tg
from support import planted
from support.children import Parent
from support.networks import loop
from tinygrad_lstm.cli import commands as cli

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
    stream = io.BytesIO()
    np.savez(stream, a=np.array([object()], dtype=object))
    return stream.getvalue()


def cut(right):
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


@pytest.mark.parametrize(
    ("loss", "wrong"),
    [
        (planted.case("lstm").loss, "lstm.state[2]"),
        (planted.case("lstm").loss, "lstm.b.i"),
        (planted.case("mlp").loss, "hidden.y"),
        (lambda: loop(3), "cell[1].y"),
    ],
    ids=["state", "bias", "mlp", "loop"],
)
def test_a_report_is_drawn_with_the_first_wrong_step_marked(loss, wrong):
    loss = loss()
    right = tg.signals(loss)[wrong].gradient
    report = tg.compare(loss, {wrong: 2 * right})
    folded, unfolded = tg.draw(report).dot, tg.draw(report, fold=False).dot
    for dot in (folded, unfolded):
        assert "adjoint network" in dot and dot.count("penwidth=3") > 0
    marks = [tg.draw(tg.compare(loss, {wrong: right}), fold=each).dot for each in (None, False)]
    assert not any(each.count("penwidth=3") for each in marks)
    if "[" in wrong:  # of all steps that one alone
        assert unfolded.count("penwidth=3") <= folded.count("penwidth=3")


def test_a_report_shows_itself_in_a_notebook_with_the_first_wrong_step_marked():
    case = planted.case("lstm", "f-missing")
    html = tg.compare(case.loss(), case.hand())._repr_html_()
    assert '<td style="background:#ffcc80">lstm.state[2]</td>' in html
    assert "<p>first wrong: lstm.state[2] at (2, 1)</p>" in html


# --- files that are not what they say ---


def npy(array):
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def saying(shape):
    """Return 80 bytes of numbers that are said to have a shape."""
    said = str({"descr": "<f8", "fortran_order": False, "shape": shape}).ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", 118) + said.encode() + bytes(80)


def zipped(*entries):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a name is there twice
        for name, content in entries:
            archive.writestr(name, content)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ([("dense.W.npy", npy(np.array([None])))], "dense.W is pickled"),
        ([("dense.W.npy", saying((10**12,)))], "dense.W says that it has shape (1000000000000,)"),
        ([("dense.W.npy", saying((2,)))], "dense.W says that it has shape (2,)"),
        ([("dense.W.npy", saying((-1,)))], "dense.W says that its shape is (-1,)"),
        ([("dense.W.npy", npy(np.ones(9))[:-8])], "dense.W says that it has shape (9,)"),
        ([("dense.W.npy", b"nothing")], "dense.W is cut or corrupt"),
        ([("dense.W", b"text")], "'dense.W' in it is no array"),
        ([("dense.W.npy", npy(np.ones((2, 3))))] * 2, "'dense.W' is in it 2 times"),
    ],
    ids=["pickle", "too large", "too small", "negative", "cut", "none", "text", "twice"],
)
def test_an_entry_that_is_none_is_said_and_the_others_are_judged(
    network, right, tmp_path, capsys, entries, said
):
    good = ("dense.b.npy", npy(right["dense.b"]))
    assert run(network, zipped(*entries, good), tmp_path=tmp_path) == 2
    found = capsys.readouterr()
    assert said in found.err and "1 signal: all agree" in found.out


HUGE = 40_000_000  # numbers: 320 MB of zeros, which are 0.3 MB in the file


def bomb(shape):
    """Return an array of zeros as it is in a file, made without having it in memory."""
    said = str({"descr": "<f8", "fortran_order": False, "shape": shape}).ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", 118) + said.encode() + bytes(8 * HUGE)


@pytest.mark.long
def test_names_and_shapes_are_judged_before_numbers_are_read(network, right, tmp_path):
    path = tmp_path / "hand.npz"
    zeros = bomb((HUGE,))
    entries = [(f"{name}.npy", zeros) for name in ("dense.W", "nothing", "dense.w")]
    path.write_bytes(zipped(*entries, ("dense.b.npy", npy(right["dense.b"]))))
    del zeros
    program = (
        "import pathlib, resource, sys; import tinygrad_lstm.check.answers\n"
        "from tinygrad_lstm.cli import commands as cli\n"
        "cli.tensor_from(pathlib.Path(sys.argv[1]), 'loss')\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "status = cli.main(['check', sys.argv[1], '--hand', sys.argv[2]])\n"
        "print(status, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(network), str(path)],
                          capture_output=True, text=True, timeout=120)  # fmt: skip
    status, kilobytes = done.stdout.splitlines()[-1].split()
    assert status == "2" and int(kilobytes) < 100_000, done.stdout
    assert (
        "dense.W has shape (40000000,), expected (2, 3); of another shape no more than"
        in done.stderr
    )
    assert "no signal is called 'nothing'" in done.stderr
    assert "1 signal: all agree" in done.stdout


def test_too_many_entries_are_refused(network, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("tinygrad_lstm.check.answers.MOST_ENTRIES", 3)
    hand = zipped(*[(f"{k}.npy", npy(np.zeros(1))) for k in range(4)])
    assert run(network, hand, tmp_path=tmp_path) == 2
    assert "has 4 entries, expected 3 at most" in capsys.readouterr().err


# --- what a machine reads ---


def strictly(text):
    """Return what JSON text holds; nan and infinity are not JSON."""
    return json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


@pytest.mark.parametrize(
    ("value", "status"),
    [(np.full(3, np.nan), 1), (np.full(3, np.inf), 1), (np.ones((3, 1)), 1),
     (np.full(3, -1.7e308), 1), (np.array(["a"]), 2)],
    ids=["nan", "inf", "shape", "huge", "text"],
)  # fmt: skip
@pytest.mark.parametrize("more", [[], ["--no-answers"]], ids=["all", "no answers"])
def test_it_is_json_whatever_is_given(network, right, tmp_path, capsys, value, status, more):
    hand = right | {"dense.b": value}
    assert run(network, hand, "--json", *more, tmp_path=tmp_path) == status
    said = strictly(capsys.readouterr().out)
    assert said["ok"] == (status == 2) and bool(said["complaints"]) == (status == 2)


def test_it_is_json_where_nothing_can_be_judged(right, tmp_path, capsys):
    path = tmp_path / "network.py"
    path.write_text("raise ValueError('nothing here')")
    assert run(path, right, "--json", tmp_path=tmp_path) == 2
    said = strictly(capsys.readouterr().out)
    assert not said["ok"] and "nothing here" in said["complaints"][0]


def test_a_network_that_prints_does_not_spoil_it(network, right, tmp_path, capsys):
    network.write_text(NETWORK + "print('LOSS', loss.item())\n")
    assert run(network, right, "--json", tmp_path=tmp_path) == 0
    assert strictly(capsys.readouterr().out)["ok"]
    assert run(network, right, "--no-answers", tmp_path=tmp_path) == 0
    found = capsys.readouterr()
    assert "LOSS" not in found.out + found.err


def test_a_network_that_leaves_is_no_success(right, tmp_path, capsys):
    path = tmp_path / "network.py"
    path.write_text("import sys; sys.exit(0)")
    assert run(path, right, tmp_path=tmp_path) == 2
    assert "SystemExit in line 1" in capsys.readouterr().err


def test_the_mistake_is_looked_for_as_long_as_one_wants(network, right, tmp_path, capsys):
    off = right | {"dense.b": 2 * right["dense.b"]}
    assert run(network, off, "--seconds", "0", tmp_path=tmp_path) == 1
    assert "the time was up before all mistakes were tried" in capsys.readouterr().out
    assert run(network, off, tmp_path=tmp_path) == 1
    assert "the gradient of dense.b is 2 times what it should be" in capsys.readouterr().out


@pytest.mark.parametrize("more", [["--digits", "0"], ["--rtol", "-1"]], ids=["digits", "rtol"])
def test_a_tolerance_that_is_none_is_refused(network, right, tmp_path, capsys, more):
    assert run(network, right, *more, tmp_path=tmp_path) == 2
    assert more[0].removeprefix("--") in capsys.readouterr().err


def test_the_tolerance_can_be_set(network, right, tmp_path):
    off = {name: value * (1 + 1e-6) for name, value in right.items()}
    assert run(network, off, tmp_path=tmp_path) == 1
    assert run(network, off, "--rtol", "1e-5", tmp_path=tmp_path) == 0
    assert run(network, off, "--digits", "5", tmp_path=tmp_path) == 0


def test_digits_that_are_too_few_to_tell_are_neither_right_nor_wrong(tmp_path, capsys):
    path = tmp_path / "network.py"
    path.write_text(
        "import numpy as np\nimport tinygrad_lstm as tg\n"
        "w = tg.Tensor([1.0, 2.0], requires_grad=True, name='w')\nloss = (w * 4e-4).sum()\n"
    )
    for more in ([], ["--no-answers"]):
        status = run(path, {"w": [0.0, 0.0]}, "--digits", "3", *more, tmp_path=tmp_path)
        said = capsys.readouterr().out
        assert status == 2 and "too few digits" in said and "agree" not in said
    assert run(path, {"w": [0.0, 0.1]}, "--digits", "3", tmp_path=tmp_path) == 1


# --- what students must not read ---


NUMBER = re.compile(r"\d+\.\d+(?:e[+-]?\d+)?|\d+e[+-]?\d+")


def leaks(said, numbers):
    """Return the numbers of three digits and more in a text that are among those not to be told."""
    found = {float(x) for x in NUMBER.findall(said) if len(x.replace(".", "").strip("0")) > 2}
    secret = np.abs(np.concatenate([np.ravel(each) for each in numbers]))
    return [x for x in found if np.any(np.abs(secret - x) <= 0.01 * x)]


@pytest.mark.parametrize("case", [c for c in planted.CASES if c.where], ids=lambda case: case.id)
def test_no_right_number_is_told_to_students(case):
    report, hand = planted.report(case), case.hand()
    signals = tg.signals(report.loss)
    right = [each.gradient for each in signals.values() if each.gradient is not None]
    off = [signals[n].gradient - hand[n] for n in hand
           if n in signals and np.shape(hand[n]) == signals[n].shape]  # fmt: skip
    for told in (report.text(answers=False), json.dumps(report.as_dict(answers=False))):
        assert not leaks(told, right + off), told
    if report.corrections:  # and with answers they are told: the test can fail
        assert leaks(report.text(), right) or not np.isfinite(report.corrections[0].right)


def test_a_number_that_nobody_named_is_a_constant_to_students():
    """The right gradient of what is multiplied by it is the number."""
    rng = np.random.default_rng(0)
    x, W = (tg.Tensor(rng.normal(size=(3, 3)), requires_grad=True, name=n) for n in "xW")

    def gradient(first, last, is_slope=True):
        t = np.tanh(x.data @ W.data)
        u = np.tanh(0.375 * t)
        slope = 1 - u**2 if is_slope else np.ones_like(u)
        return x.data.T @ (last * slope * first * (1 - t**2))

    loss = tg.sum(tg.tanh(tg.tanh(x @ W) * 0.375) * -0.625)
    for wrong, number, says in [
        (gradient(1.0, -0.625), "0.375", "a constant is left out on the way to δtanh(x W)"),
        (gradient(0.375, 1.0), "-0.625",
         "a constant is left out on the way to δtanh(constant tanh(x W))"),
        (gradient(0.375, -0.625, is_slope=False), "0.375",
         "the derivative of tanh is left out on the way to δ(constant tanh(x W))"),
    ]:  # fmt: skip
        report = tg.compare(loss, {"W": wrong})
        mistakes = report.as_dict(answers=False)["mistakes"]
        assert number in report.text() and says in " ".join(report.text(answers=False).split())
        assert mistakes[0]["says"] == says and not re.search("375|625", json.dumps(mistakes))


def test_no_right_number_is_told_on_the_command_line(network, right, tmp_path, capsys):
    wrong = {"dense.W": right["dense.W"], "dense.b": right["dense.b"] * [1, 2, 1], "dense.w": [0.0]}
    for more in ([], ["--json"]):
        run(network, wrong, "--no-answers", *more, tmp_path=tmp_path)
        found = capsys.readouterr()
        assert not leaks(found.out + found.err, list(right.values()))


CHATTER = {
    "print": "print(told)",
    "standard error": "import sys; sys.stderr.write(told); sys.__stderr__.write(told)",
    "the first streams, unflushed": "import sys; sys.__stdout__.write(told)",
    "system calls": "import os; os.write(1, told.encode()); os.write(2, told.encode())",
    "a file of its own": "out = open(1, 'w', closefd=False); out.write(told)",
    "a child process": "import subprocess; subprocess.run(['echo', told])",
    "logging": "import logging; logging.warning(told); logging.basicConfig(); logging.error(told)",
    "logging at the end": (
        "import logging, atexit; logging.basicConfig(); atexit.register(logging.error, told)"
    ),
    "a warning": "import warnings; warnings.warn(told)",
    "at the end": "import atexit; atexit.register(print, told)",
    "a thread": (
        "import threading; t = threading.Thread(target=print, args=[told]); t.start(); t.join()"
    ),
    "a thread that goes on": (
        "import os, sys, threading, time\n"
        "def tell():\n"
        "    while True:\n"
        "        print(told, flush=True); sys.__stdout__.write(told); sys.__stdout__.flush()\n"
        "        os.write(1, told.encode()); os.write(2, told.encode()); time.sleep(1e-4)\n"
        "threading.Thread(target=tell, daemon=True).start()"
    ),
    "a child process that goes on": (
        "import subprocess\n"
        "subprocess.Popen(['timeout', '20', 'yes', told])"
    ),
    "a thread's error": (
        "import threading; t = threading.Thread(target=float, args=[told]); t.start(); t.join()"
    ),
    "an error": "raise ValueError(told)",
    "a message on leaving": "import sys; sys.exit(told)",
    "the C library": "import ctypes; ctypes.CDLL(None).printf(told.encode())",
    "bytes": "import sys; sys.stdout.buffer.write(told.encode())",
}  # fmt: skip


@pytest.fixture(scope="module")
def parent():
    with Parent() as process:
        yield process


@pytest.mark.parametrize("chatter", CHATTER.values(), ids=CHATTER.keys())
def test_nothing_that_the_network_prints_reaches_students(
    network, right, tmp_path, chatter, parent
):
    network.write_text(
        f"{NETWORK}\nloss.backward()\ntold = f'SECRET {{dense.b.grad}}\\n'\n{chatter}\n"
    )
    path = tmp_path / "hand.npz"
    np.savez(path, **(right | {"dense.b": 2 * right["dense.b"]}))
    for more in ([], ["--json"]):
        done = parent.run(["check", str(network), "--hand", str(path), "--no-answers", *more])
        assert "SECRET" not in done.stdout + done.stderr
        assert not leaks(done.stdout + done.stderr, [right["dense.b"]])
        if "raise" not in chatter and "sys.exit" not in chatter:
            assert done.returncode == 1 and "dense.b" in done.stdout and not done.stderr
        else:
            assert done.returncode == 2 and "in line" in done.stderr


def test_the_streams_are_as_before_when_it_is_not_the_program(network, right, tmp_path, capfd):
    for _ in range(2):
        assert run(network, right, "--no-answers", tmp_path=tmp_path) == 0
        assert "all agree" in capfd.readouterr().out
    os.write(1, b"still here")
    assert capfd.readouterr().out == "still here"


def test_no_factor_is_told_that_gives_the_answer_away(network, right, tmp_path, capsys):
    for factor in (2.0, 0.5, 1.7, -0.3):
        wrong = right | {"dense.b": factor * right["dense.b"]}
        for more in ([], ["--json"]):
            assert run(network, wrong, "--no-answers", *more, tmp_path=tmp_path) == 1
            said = capsys.readouterr().out
            assert "is a multiple of what it should be" in said and " times" not in said


# --- how far it is ---


def shown(network, hand, stderr):
    command = [sys.executable, "-m", "tinygrad_lstm", "check", str(network), "--hand", str(hand)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True) as process:
        return process.communicate(timeout=120)


def test_the_bar_is_on_a_terminal_alone(network, right, tmp_path):
    pytest.importorskip("tqdm")
    wrong = {name: value + 1 for name, value in right.items()}  # no single mistake
    path = tmp_path / "hand.npz"
    np.savez(path, **wrong)
    out, err = shown(network, path, subprocess.PIPE)
    assert "pairs of mistakes" not in out + err
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    out, _ = shown(network, path, theirs)
    os.close(theirs)
    seen = b""
    while True:
        try:
            piece = os.read(ours, 1024)
        except OSError:  # the end, on Linux
            break
        if not piece:
            break
        seen += piece
    os.close(ours)
    assert b"pairs of mistakes" in seen and "pairs of mistakes" not in out
