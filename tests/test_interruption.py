"""An interrupt while NumPy is imported, of our program and of somebody else's."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import tinygrad_lstm

WAITING = """
import pathlib, time
pathlib.Path("ready").touch()
time.sleep(60)
"""
SCRIPT = "import sys; from tinygrad_lstm.__main__ import main; sys.exit(main())"


@pytest.mark.skipif(os.name == "nt", reason="signals are others")
@pytest.mark.parametrize("how", [["-m", "tinygrad_lstm"], ["tinygrad-lstm"]], ids=["-m", "script"])
def test_an_interruption_of_numpys_import_is_one_line(tmp_path, how):
    (tmp_path / "numpy.py").write_text(WAITING)
    (tmp_path / "tinygrad-lstm").write_text(SCRIPT)
    paths = os.pathsep.join([str(tmp_path), str(Path(tinygrad_lstm.__file__).parents[1])])
    process = subprocess.Popen(
        [sys.executable, *how], cwd=tmp_path, env={**os.environ, "PYTHONPATH": paths},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    while not (tmp_path / "ready").exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (130, b"", b"tinygrad-lstm: interrupted\n")


def test_somebody_elses_program_is_interrupted_as_before():
    code = (
        "import signal; before = signal.getsignal(signal.SIGINT); import tinygrad_lstm; "
        "assert signal.getsignal(signal.SIGINT) is before"
    )
    assert subprocess.run([sys.executable, "-c", code, "-m", "tinygrad_lstm"]).returncode == 0
