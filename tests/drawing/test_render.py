"""DOT text to pictures, with Graphviz's program and without it: whole files or none."""

import os
import re
import shutil
import subprocess
import time
import xml.etree.ElementTree as ET

import numpy as np
import pytest

import tinygrad_lstm as tg
from support.pictures import SVG, need_dot
from tinygrad_lstm.drawing import program, render
from tinygrad_lstm.drawing.program import Done
from tinygrad_lstm.errors import ArgumentError, RenderError
from tinygrad_lstm.files import whole as files

SIGNS = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF", "gv": b"digraph", "dot": b"digraph"}
SMALL = b"<svg/>"
DOT = 'digraph { a [label="Σ σ′ q⁻¹ Uᵀ δ"] b [label="b"] a -> b }'


@pytest.fixture(params=["with dot", "without dot"])
def way(request, monkeypatch):
    """Draw by either way; a machine without dot can only show the other, except in CI."""
    if request.param == "without dot":
        monkeypatch.setattr(render.shutil, "which", lambda program: None)
    else:
        need_dot()
    return request.param


@pytest.fixture
def nothing_to_draw_with(monkeypatch):
    monkeypatch.setattr(render.shutil, "which", lambda program: None)
    monkeypatch.setattr(render, "find_spec", lambda name: None)


def texts(svg):
    return [each.text for each in ET.fromstring(svg).iter(f"{SVG}text")]


@pytest.mark.parametrize("format", ["png", "svg", "dot", "gv"])
def test_formats(way, format):
    assert render.rendered(DOT, format).startswith(SIGNS[format])


def test_a_pdf_needs_dot(way):
    if way == "with dot":
        assert render.rendered(DOT, "pdf").startswith(SIGNS["pdf"])
    else:
        with pytest.raises(RenderError, match="PDF needs Graphviz"):
            render.rendered(DOT, "pdf")


def test_mathematics_is_written_as_it_is(way):
    assert texts(render.rendered(DOT, "svg")) == ["Σ σ′ q⁻¹ Uᵀ δ", "b"]


def picture():
    lstm = tg.nn.LSTM(2, 3, seed=0)
    return tg.draw(lstm(np.ones((2, 2)))[0].sum(), title="an LSTM")


def test_both_ways_show_the_same(monkeypatch, tmp_path):
    need_dot()
    with_dot = picture()._repr_svg_()
    monkeypatch.setattr(render.shutil, "which", lambda program: None)
    without = picture()._repr_svg_()
    assert sorted(texts(with_dot)) == sorted(texts(without))
    for kind in ("node", "edge", "cluster"):  # bridges are where lines cross, which may differ
        groups = re.compile(rf'class="{kind}">\s*<title>(?!\w+_bridge)')
        assert len(groups.findall(with_dot)) == len(groups.findall(without)) > 0
    widths = [float(re.search(r'width="(\d+)pt"', svg)[1]) for svg in (with_dot, without)]
    assert widths[0] == pytest.approx(widths[1], rel=0.1)


def test_the_font_is_the_one_that_ships(way):
    """Letters that a missing font would show as boxes differ from a letter that no font has."""
    with_letters = render.rendered('digraph { a [label="σ′ᵀδ"] }', "png")
    with_boxes = render.rendered(
        'digraph { a [label="\U000f0000\U000f0001\U000f0002\U000f0003"] }', "png"
    )
    assert with_letters != with_boxes


def test_a_graph_that_does_not_parse_is_an_error(way):
    with pytest.raises(RenderError, match="layout failed"):
        render.rendered("digraph {", "svg")


def test_an_unknown_format_lists_the_known_ones(way):
    with pytest.raises(ArgumentError, match=r"'jpeg'.*png, svg, pdf"):
        render.rendered(DOT, "jpeg")


def test_the_time_limit_holds(way):
    with pytest.raises(RenderError, match=r"more than 0\.001 s for 2 nodes"):
        render.rendered(DOT, "svg", time_limit=0.001)


def test_no_shell_is_asked(way, monkeypatch):
    asked = {}

    def run(command, content, *, seconds):
        asked.update(command=command, seconds=seconds)
        return Done(0, SMALL, b"")

    monkeypatch.setattr(render, "run", run)
    assert render.rendered(DOT, "svg") == SMALL
    assert isinstance(asked["command"], list)
    assert 0 < asked["seconds"] <= render.TIME_LIMIT


# --- a layout program that is none ----------------------------------------------------------------


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """Put a program called dot first on the PATH, and nothing else that is called so."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    def make(content):
        path = folder / "dot"
        path.write_bytes(content)
        path.chmod(0o755)
        return path

    return make


def sh(script):
    return b"#!/bin/sh\n" + script.encode()


SLEEP, YES = f"sleep 600.{os.getpid()}", f"yes {os.getpid()}"  # this process's own
FAKES = {
    "garbage": (sh("echo garbage"), "is no SVG picture, or not all of one"),
    "nothing": (sh("exit 0"), "is no SVG picture"),
    "a page": (sh("echo '<html><body/></html>'"), "is no SVG picture"),
    "half a picture": (sh("printf '<svg><g>'"), "is no SVG picture"),
    "two pictures": (sh("printf '<svg/><svg/>'"), "is no SVG picture"),
    "a failure": (sh("echo broken >&2; exit 3"), "layout failed for 2 nodes: broken"),
    "a silent failure": (sh("exit 3"), "dot ended with status 3"),
    "a crash": (sh("kill -SEGV $$"), "dot ended with status -11"),
    "an endless picture": (sh(f"exec {YES}"), "dot writes without an end"),
    "an endless message": (sh(f"exec {YES} >&2"), r"took more than 2 s"),
    "a program without end": (sh(f"exec {SLEEP}"), r"took more than 2 s"),
    "a child without end": (sh(f"{SLEEP} & wait"), r"took more than 2 s"),
    "a closed output without end": (sh(f"exec >&-; {SLEEP}"), r"took more than 2 s"),
    "bytes": (bytes(range(256)), "dot is no program that runs here"),
    "an empty file": (b"", "dot is no program that runs here"),
    "a script of no language": (b"#!/no/such/language\n", "dot is no program that runs here"),
}


@pytest.mark.skipif(os.name == "nt", reason="the programs are scripts")
@pytest.mark.parametrize("name", FAKES)
def test_a_program_that_draws_nothing_is_an_error_within_the_time_limit(
    fake, name, tmp_path, monkeypatch
):
    content, words = FAKES[name]
    fake(content)
    monkeypatch.setattr(program, "MOST_OUTPUT", 1 << 24)
    monkeypatch.setattr(render, "TIME_LIMIT", 2.0)
    began = time.monotonic()
    with pytest.raises(RenderError, match=words):
        render.Picture(DOT).save(tmp_path / "net.svg")
    assert time.monotonic() - began < 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bin", "net.gv"]
    assert not children()


def children():
    """Return the processes that were started here and still run.

    A process that was killed may be listed for a moment.
    """
    if not shutil.which("ps"):
        return []
    for _ in range(50):
        done = subprocess.run(["ps", "-eo", "args="], capture_output=True, text=True)
        running = [args for args in done.stdout.splitlines() if args in (SLEEP, YES)]
        if not running:
            break
        time.sleep(0.1)
    return running


@pytest.mark.skipif(os.name == "nt", reason="the programs are scripts")
@pytest.mark.parametrize(
    ("format", "content", "is_whole"),
    [
        ("png", b"\x89PNG\r\n\x1a\n...IEND\xaeB`\x82", True),
        ("png", b"\x89PNG\r\n\x1a\n...", False),
        ("png", b"<svg/>", False),
        ("pdf", b"%PDF-1.5 ... %%EOF\n", True),
        ("pdf", b"%PDF-1.5 ...", False),
        ("svg", b"<?xml version='1.0'?><svg><g/></svg>\n", True),
        ("svg", b"%PDF-1.5 ... %%EOF\n", False),
    ],
)
def test_a_picture_is_whole_or_none(fake, tmp_path, format, content, is_whole):
    (tmp_path / "answer").write_bytes(content)
    fake(sh(f"cat '{tmp_path / 'answer'}'"))
    if is_whole:
        assert render.rendered(DOT, format) == content
    else:
        with pytest.raises(RenderError, match=f"is no {format.upper()} picture"):
            render.rendered(DOT, format)


def test_a_program_whose_child_lives_on_is_done_when_it_is(fake):
    fake(sh(f"{SLEEP} >&- & printf '<svg/>'"))
    assert render.rendered(DOT, "svg") == b"<svg/>"
    assert not children()


def test_with_neither_the_text_is_written_and_the_error_says_what_to_get(
    nothing_to_draw_with, tmp_path
):
    with pytest.raises(RenderError, match=r"apt-get install graphviz.*pip install.*net\.gv"):
        picture().save(tmp_path / "net.png")
    assert [path.name for path in tmp_path.iterdir()] == ["net.gv"]
    assert (tmp_path / "net.gv").read_text() == picture().dot


def test_a_file_appears_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "net.gv"
    path.write_bytes(b"old")

    def fail(*paths):
        raise OSError("disk full")

    monkeypatch.setattr(files.os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        picture().save(path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no folder.*nowhere'$"):
        render.Picture(DOT).save(tmp_path / "nowhere" / "net.gv")
