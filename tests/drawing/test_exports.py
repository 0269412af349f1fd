"""Pictures for LaTeX and for Mermaid: the same nodes, arrows and words as in the SVG."""

import re
import shutil
import subprocess
from xml.etree.ElementTree import fromstring

import numpy as np
import pytest

import tinygrad_lstm as tg
from support.networks import network
from support.pictures import need_dot
from tinygrad_lstm.drawing.exports import SVG, mermaid, tikz
from tinygrad_lstm.drawing.render import rendered
from tinygrad_lstm.drawing.text import is_beside, is_label
from tinygrad_lstm.gallery import PICTURES

ODD = [
    r"\input{/etc/passwd}",
    "a_b",
    "50%",
    "$x$",
    'say "x"',
    "a|b",
    "<b>",
    "{x}",
    "δ",
    "日本",
    "#1",
]


@pytest.fixture(scope="module")
def pictures():
    need_dot()
    made = {
        name: tg.draw(PICTURES[name][0](), **PICTURES[name][1]) for name in ("elman", "formula")
    }
    made["lstm"] = tg.draw(network()[0], view="both")
    total = 0.0
    for name in ODD:
        total = total + tg.sum(tg.tanh(tg.Tensor(np.ones(2), requires_grad=True, name=name)))
    return made | {"odd": tg.draw(total)}


def parts(svg, kind):
    return [group for group in fromstring(svg).iter(f"{SVG}g") if group.get("class") == kind]


@pytest.mark.parametrize("name", ["elman", "formula", "lstm", "odd"])
def test_tikz_has_every_word_at_its_place(pictures, name):
    svg = rendered(pictures[name].dot, "svg")
    text = tikz(svg).decode()
    words = [x for x in fromstring(svg).iter(f"{SVG}text") if "".join(x.itertext()).strip()]
    places = re.findall(r"\\node\[[^\n]*\] at \(([^)]*)\)", text)
    assert places == [f"{float(x.get('x')):g},{-float(x.get('y')):g}" for x in words]
    assert r"\input{/etc" not in text and text.count(r"\path") > len(parts(svg, "edge"))
    assert text.isascii()


@pytest.mark.skipif(
    not shutil.which("pdflatex"), reason="needs pdflatex (Debian: texlive-pictures)"
)
@pytest.mark.parametrize("name", ["lstm", "odd"])
def test_tikz_compiles(pictures, name, tmp_path):
    path = pictures[name].save(tmp_path / "net.tex")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", path.name],
        cwd=tmp_path, capture_output=True, text=True, timeout=120, errors="replace",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-1500:]
    assert (tmp_path / "net.pdf").stat().st_size > 10_000


def test_mermaid_turns_no_arrow_round(pictures):
    """What comes out of a delay is a step older than what goes into it."""
    lines = mermaid(rendered(pictures["elman"].dot, "svg")).decode().splitlines()
    delays = {line.split("[")[0].strip() for line in lines if '["q⁻¹"]' in line}
    into = [line for line in lines if line.split()[-1] in delays]
    out_of = [line for line in lines if "-->" in line and line.split()[0] in delays]
    assert delays and len(into) == len(delays) and out_of
    assert any("k−1" in line for line in out_of) and not any("k−1" in line for line in into)


@pytest.mark.parametrize("name", ["elman", "formula", "lstm", "odd"])
def test_mermaid_has_every_node_and_arrow_once(pictures, name):
    svg = rendered(pictures[name].dot, "svg")
    first, *lines = mermaid(svg).decode().splitlines()
    assert first == "flowchart LR"
    nodes = [line for line in lines if "-->" not in line]
    arrows = [line for line in lines if "-->" in line]
    labels = [part for part in parts(svg, "node") if is_label(part.findtext(f"{SVG}title"))]
    assert len(nodes) == len(parts(svg, "node")) - len(labels)
    lines = [part for part in parts(svg, "edge") if "bridge" not in part.findtext(f"{SVG}title")]
    in_lines = [part for part in labels if not is_beside(part.findtext(f"{SVG}title"))]
    assert len(arrows) == len(lines) - len(in_lines)
    known = {line.split("[")[0].strip() for line in nodes}
    for line in nodes:
        assert re.fullmatch(r'  n\d+\["[^"\[\]{}|`\\]*"\]', line.replace("<br>", "")), line
    for line in arrows:
        assert re.fullmatch(r'  n\d+ -->(\|"[^"|]*"\|)? n\d+', line), line
        assert set(re.findall(r"n\d+(?= -->|$)", line)) <= known
