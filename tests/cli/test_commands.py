"""The command line: what it draws, and what it says of files that are none."""

import io
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from tinygrad_lstm import gallery
from tinygrad_lstm.cli import commands as cli

NETWORK = """
import numpy as np
import tinygrad_lstm as tg

lstm = tg.nn.LSTM(2, 3, seed=0)
error = tg.nn.squared_error(lstm(np.ones((3, 2)))[0], np.zeros((3, 3)))
"""


@pytest.fixture
def network(tmp_path):
    path = tmp_path / "network.py"
    path.write_text(NETWORK)
    return path


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ([], "adjoint network"),
        (["--view", "forward", "--title", "mine"], "mine: network"),
        (["--style", "tape"], "matmul"),
        (["--no-fold"], "k = 2"),
        (["--no-fold", "--every-step"], "k = 1"),
        (["--values", "1", "--heat", "--highlight", "lstm.state"], "penwidth=3"),
        (["--depth", "0", "--no-legend"], "lstm"),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, list) else "",
)
def test_a_network_is_drawn(network, tmp_path, capsys, options, text):
    out = tmp_path / "net.dot"
    status = cli.main(["draw", str(network), "--of", "error", "-o", str(out), *options])
    assert status == 0 and capsys.readouterr().out.strip() == str(out)
    assert text in out.read_text("utf-8")


def test_a_page_is_written(network, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["show", str(network), "--of", "error", "--title", "mine"]) == 0
    assert capsys.readouterr().out.strip() == "network.html"
    assert "<title>mine</title>" in (tmp_path / "network.html").read_text("utf-8")
    np.savez(tmp_path / "hand.npz", **{"lstm.W": np.ones((2, 12))})
    more = ["--hand", "hand.npz", "--no-answers", "-o", "report.html"]
    assert cli.main(["show", str(network), "--of", "error", *more]) == 0
    text = (tmp_path / "report.html").read_text("utf-8")
    assert '"first_name":"lstm.W' in text and '"backward":' not in text


def test_the_picture_is_called_like_the_network_unless_it_is_said(network, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["draw", str(network), "--of", "error", "--style", "tape"]) == 0
    assert (tmp_path / "network.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ([], "no Tensor called 'loss'; it has error"),
        (["--of", "error", "--values", "9"], "there is no step 9"),
        (["--of", "error", "-o", "net.jpg"], "unknown format 'jpg'"),
        (["--of", "error", "--highlight", "lstm.stat"], "no signal is called 'lstm.stat'"),
    ],
    ids=["no loss", "no step", "no format", "no signal"],
)
def test_what_cannot_be_drawn_is_said(network, capsys, more, said):
    assert cli.main(["draw", str(network), *more]) == 2
    assert said in capsys.readouterr().err


def test_the_gallery_lists_its_files(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(gallery, "PICTURES", {"fir": gallery.PICTURES["fir"]})
    assert cli.main(["gallery", "--out", str(tmp_path / "new")]) == 0
    said = capsys.readouterr().out.split()
    assert sorted(said) == sorted(str(path) for path in (tmp_path / "new").iterdir())
    assert {path.rpartition(".")[2] for path in said} == {"svg", "png", "html"}


# --- what a terminal and a shell do ---------------------------------------------------------------


@pytest.fixture
def answers(tmp_path):
    path = tmp_path / "answers.npz"
    np.savez(path, **{"lstm.W": np.ones((2, 12)), "lstm.b": np.zeros(12)})
    return path


def command(*arguments, **options):
    """Start the command line in a process of its own."""
    paths = [os.getcwd(), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
    environment |= options.pop("environment", {})
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    return subprocess.Popen(
        [sys.executable, "-m", "tinygrad_lstm", *map(str, arguments)], env=environment, **pipes
    )


ENCODINGS = ("ascii", "latin-1", "cp1252", "cp437", "utf-8", "utf-16")
CHECK = ["check", "network.py", "--hand", "answers.npz", "--of", "error", "--seconds", "0"]
COMMANDS = {
    "explain": ["explain", "network.py", "--wrt", "lstm.W.i", "--of", "error"],
    "check": CHECK,
    "check --json": [*CHECK, "--json"],
    "draw": ["draw", "network.py", "--of", "error", "-o", "bild-δ.gv"],
    "a failure": ["draw", "network.py", "--of", "ŷ"],
    "draw --help": ["draw", "--help"],
    "--help": ["--help"],
}


def printed(name, encoding, errors="strict"):
    """Return the exit status of a command and what a terminal of some encoding gets, as bytes."""
    out, err = io.BytesIO(), io.BytesIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", io.TextIOWrapper(out, encoding, errors))
        patch.setattr(sys, "stderr", io.TextIOWrapper(err, encoding, "backslashreplace"))
        try:
            status = cli.main(COMMANDS[name])
        except SystemExit as stop:
            status = stop.code
        sys.stdout.flush()
        sys.stderr.flush()
        return status, out.getvalue(), err.getvalue()


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("name", COMMANDS)
def test_every_terminal_gets_text_that_it_can_show(network, answers, monkeypatch, name, encoding):
    monkeypatch.chdir(network.parent)
    status, out, err = printed(name, encoding)
    assert status == (1 if name.startswith("check") else 2 if name == "a failure" else 0)
    text = out.decode(encoding) + err.decode(encoding)
    assert "\\u" not in text or name == "check --json"
    if name == "check --json":
        assert json.loads(out.decode(encoding)) == json.loads(printed(name, "utf-8")[1])
    if name == "explain":
        δ = "δ" if encoding in ("utf-8", "utf-16", "cp437") else "delta_"
        assert f"{δ}v is" in text


def test_what_a_user_wants_for_unknown_signs_is_done():
    assert b"larger ||" in printed("draw --help", "ascii", "ignore")[1]


def test_a_process_takes_the_encoding_of_its_terminal(network):
    process = command("draw", "--help", environment={"PYTHONIOENCODING": "ascii"})
    out, err = process.communicate(timeout=60)
    assert b"larger |delta|" in out and not err and process.returncode == 0


def test_a_name_that_is_no_text_is_written_as_it_is(network):
    name = os.fsdecode(b"n\xff.gv")
    process = command("draw", network, "--of", "error", "-o", name, cwd=network.parent)
    assert process.communicate(timeout=60) == (b"n\xff.gv\n", b"")


WAITING = """
import pathlib, time
pathlib.Path("ready").touch()
time.sleep(60)
"""


@pytest.mark.skipif(os.name == "nt", reason="signals are others")
@pytest.mark.parametrize("name", ["explain", "check", "draw"])
def test_an_interruption_is_one_line(tmp_path, answers, name):
    (tmp_path / "network.py").write_text(WAITING)
    process = command(*COMMANDS[name], cwd=tmp_path)
    while not (tmp_path / "ready").exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (130, b"", b"tinygrad-lstm: interrupted\n")


def test_an_interruption_of_the_imports_is_one_line(monkeypatch, capsys):
    from tinygrad_lstm import cli
    from tinygrad_lstm.__main__ import main

    class Interrupted:
        def find_spec(self, name, *_):
            if name == "tinygrad_lstm.cli.commands":
                raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, "tinygrad_lstm.cli.commands")
    monkeypatch.delattr(cli, "commands")
    monkeypatch.setattr(sys, "meta_path", [Interrupted(), *sys.meta_path])
    assert main() == 130
    assert capsys.readouterr().err == "tinygrad-lstm: interrupted\n"


def test_each_command_has_the_same_status_for_a_name_that_is_not_there(network, answers, capsys):
    hand = network.parent / "wrong.npz"
    np.savez(hand, nothing=np.ones(2))
    more = {"check": ["--hand", str(hand)], "explain": ["--wrt", "nothing"],
            "draw": ["--highlight", "nothing", "-o", str(network.parent / "a.dot")]}  # fmt: skip
    statuses = [cli.main([name, str(network), "--of", "error", *how]) for name, how in more.items()]
    assert statuses == [2, 2, 2]
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    assert "Exit status: 0" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["demo", "gallery"])
def test_an_interruption_of_what_reads_no_file_is_one_line(tmp_path, monkeypatch, capsys, name):
    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli.demo, "run", interrupted)
    monkeypatch.setattr(cli.gallery, "write", interrupted)
    assert cli.main([name, "--out", str(tmp_path)]) == 130
    assert capsys.readouterr().err == "tinygrad-lstm: interrupted\n"


@pytest.mark.skipif(os.name == "nt", reason="pipes are others")
@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "a failure"])
def test_nobody_who_reads_on_is_no_failure_to_tell(network, answers, name):
    read, write = os.pipe()
    process = command(*COMMANDS[name], cwd=network.parent, stdout=write)
    os.close(read)
    os.close(write)
    assert process.communicate(timeout=60)[1] == b""
    assert process.returncode in ((0, 141) if "help" in name else (141,))


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no such device here")
@pytest.mark.parametrize("name", ["explain", "check", "draw"])
def test_no_room_for_what_is_printed_is_one_line(network, answers, name):
    with open("/dev/full", "wb") as full:
        process = command(*COMMANDS[name], cwd=network.parent, stdout=full)
        err = process.communicate(timeout=60)[1]
    assert err.startswith(b"tinygrad-lstm: ") and err.count(b"\n") == 1 and b"No space" in err
    assert process.returncode == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("raise SystemExit", "SystemExit in line 1"),
        ("class Odd(BaseException): pass\nraise Odd('no')", "Odd in line 2: no"),
        ("raise GeneratorExit", "GeneratorExit in line 1"),
        ("def f(): f()\nf()", "RecursionError"),
        ("loss = (", "SyntaxError"),
        ("class E(Exception):\n def __str__(s): raise s\nraise E", "E in line 3: with no message"),
        ("import sys, io\nsys.stdout = io.StringIO()\nsys.stdout.close()", "closed by the file"),
        ("loss = 1", "no Tensor called 'loss'"),
        ("raise ValueError('\x1b[2Jgone')", r"\x1b[2Jgone"),
    ],
)  # fmt: skip
def test_whatever_a_network_s_file_does_is_one_line(tmp_path, capsys, monkeypatch, text, said):
    monkeypatch.setattr(sys, "stdout", sys.stdout)  # which is put back
    path = tmp_path / "network.py"
    path.write_text(text)
    assert cli.main(["explain", str(path), "--wrt", "x"]) == 2
    assert said in capsys.readouterr().err


def test_what_a_network_s_file_changes_for_all_is_undone(tmp_path, monkeypatch, network, capsys):
    """It finds what is beside it, and no arguments; the picture is where the user is."""
    (tmp_path / "beside").mkdir()
    (tmp_path / "beside" / "helper_of_this_network.py").write_text(NETWORK)
    path = tmp_path / "beside" / "network.py"
    path.write_text(
        "import os, sys\nfrom helper_of_this_network import error\n"
        "assert sys.argv[1:] == []\nos.chdir('/')\nsys.path.clear()\n"
    )
    monkeypatch.chdir(tmp_path)
    before = sys.argv, sys.path[:]
    assert cli.main(["draw", "beside/network.py", "--of", "error", "-o", "net.gv"]) == 0
    assert (tmp_path / "net.gv").exists()
    assert (sys.argv, sys.path) == before


def test_the_cache_is_cleared(monkeypatch, capsys):
    monkeypatch.setattr("tinygrad_lstm.cli.commands.clear_cache", lambda: 1)
    assert cli.main(["cache", "--clear"]) == 0
    assert capsys.readouterr().out == "removed 1 file\n"
