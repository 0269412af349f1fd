"""The command line: what it draws, and what it says of files that are none."""

import pytest

from tinygrad_lstm import cli, gallery

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
    assert cli.main(["draw", str(network), *more]) == 1
    assert said in capsys.readouterr().err


def test_the_gallery_lists_its_files(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(gallery, "PICTURES", {"fir": gallery.PICTURES["fir"]})
    assert cli.main(["gallery", "--out", str(tmp_path / "new")]) == 0
    said = capsys.readouterr().out.split()
    assert sorted(said) == sorted(str(path) for path in (tmp_path / "new").iterdir())
    assert len(said) == 2
