"""The gallery: every picture whole, legible, and the same on every machine.

Where things stand is read off the layout programs' own geometry. The golden texts are rewritten by
``python tests/test_gallery.py``.
"""

import hashlib
import os
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

import tinygrad_lstm as tg
from support.pictures import WAYS, Layout, all_nodes, arrows, pieces, rendered, texts, texts_of
from tinygrad_lstm import gallery
from tinygrad_lstm.gallery import PICTURES

GOLDEN = Path(__file__).with_name("golden")
MARGIN = 2  # points by which an arrow is nearer to its own label than any other arrow
NETWORKS = [name for name, (_, options) in PICTURES.items() if options.get("style") != "tape"]
BOTH = [name for name in NETWORKS if PICTURES[name][1].get("view") == "both"]
# no numbers, whose last digit may differ from machine to machine, and nothing twice
TEXTS = ["question", "peepholes", "perceptron", "fir", "elman", "controller", "gru",
         "two_layers_collapsed", "both_directions", "formula", "formula_tape"]  # fmt: skip

by_picture = pytest.mark.parametrize("name", PICTURES)
by_network = pytest.mark.parametrize("name", NETWORKS)
by_way = pytest.mark.parametrize("way", WAYS)


def text(name, **changed):
    network, options = PICTURES[name]
    return tg.draw(network(), **options | changed).dot


drawn = cache(text)
layout = cache(Layout)


# --- legible --------------------------------------------------------------------------------------


@by_way
@by_picture
def test_every_place_arrow_and_label_is_drawn(name, way):
    dot, made = drawn(name), layout(drawn(name), way)
    assert sorted(made.places) == sorted(node.id for node in all_nodes(dot))
    assert Counter(line[:2] for line in made.arrows) == Counter(line[:2] for line in pieces(dot))
    assert all(points.size for *_, points in made.arrows)
    assert made.written == texts(dot)


@by_way
@by_picture
def test_nothing_covers_what_is_written(name, way):
    assert layout(drawn(name), way).overlaps() == []


@by_way
@by_picture
def test_words_fit_into_their_box(name, way):
    assert layout(drawn(name), way).outside == []


@by_way
@by_picture
def test_no_arrow_passes_through_a_box(name, way):
    assert layout(drawn(name), way).crossings() == []


@by_way
@by_network
def test_every_label_is_nearest_to_its_own_arrow(name, way):
    assert layout(drawn(name), way).strays(MARGIN) == []


# --- the adjoint over the network -----------------------------------------------------------------


def places(dot, way, view):
    made = layout(dot, way).places
    return {node[1:]: place for node, place in made.items() if node[0] == view}


@by_way
@by_network
def test_the_adjoint_stands_where_the_network_stands(name, way):
    forward = places(drawn(name, view="forward"), way, "f")
    adjoint = places(drawn(name, view="adjoint"), way, "a")
    assert forward == adjoint != {}


@by_way
@pytest.mark.parametrize("name", BOTH)
def test_in_one_picture_the_adjoint_is_moved_down_as_a_whole(name, way):
    forward, adjoint = (places(drawn(name), way, view) for view in "fa")
    assert forward.keys() == adjoint.keys()
    down = [forward[node][1] - adjoint[node][1] for node in forward]
    assert down == pytest.approx([down[0]] * len(down), abs=0.05) and down[0] > 0
    for node in forward:
        assert forward[node][0] == pytest.approx(adjoint[node][0], abs=0.05)
        assert forward[node][2:] == adjoint[node][2:]


@by_network
def test_every_arrow_is_turned_round(name):
    forward, adjoint = (arrows(drawn(name, view=view)) for view in ("forward", "adjoint"))
    assert Counter((each.tail[1:], each.head[1:]) for each in forward) == Counter(
        (each.head[1:], each.tail[1:]) for each in adjoint
    )


# --- whatever draws it ----------------------------------------------------------------------------


@by_way
@by_picture
def test_svg_is_well_formed_and_says_what_the_text_says(name, way):
    assert texts_of(rendered(drawn(name), "svg", way)) == texts(drawn(name))


@pytest.mark.long
@by_picture
def test_what_is_shown_does_not_depend_on_the_renderer(name):
    one, other = (texts_of(rendered(drawn(name), "svg", way)) for way in WAYS)
    assert one == other


@by_way
@by_picture
def test_png_is_whole(name, way):
    made = rendered(drawn(name), "png", way)
    assert made.startswith(b"\x89PNG") and made.endswith(b"IEND\xaeB\x60\x82")
    assert all(int.from_bytes(made[at : at + 4]) > 100 for at in (16, 20))  # pixels


def test_the_gallery_is_written_picture_by_picture(tmp_path, monkeypatch):
    monkeypatch.setattr(gallery, "PICTURES", {"elman": PICTURES["elman"]})
    monkeypatch.setattr(gallery, "draw", lambda *of, **options: tg.draw(*of, **options))
    monkeypatch.setattr(
        "tinygrad_lstm.drawing.render.rendered", lambda dot, format: rendered(dot, format, "wheels")
    )
    written = list(gallery.write(tmp_path / "new" / "folder"))
    assert [path.name for path in written] == ["elman.svg", "elman.png", "elman.html"]
    assert all(path.read_bytes() for path in written)


# --- same program, same bytes ---------------------------------------------------------------------


@pytest.mark.parametrize("name", TEXTS)
def test_the_text_is_the_golden_one(name):
    golden = GOLDEN / f"{name}.dot"
    how = "if it is meant to differ, run `python tests/test_gallery.py` and look at the difference"
    assert golden.exists() and drawn(name).encode() == golden.read_bytes(), how


@by_picture
def test_the_text_is_the_same_again_in_one_process(name):
    assert text(name) == drawn(name)


def all_texts():
    return hashlib.sha256("".join(text(name) for name in PICTURES).encode()).hexdigest()


@pytest.mark.long
@pytest.mark.parametrize("path", [os.defpath, "", None], ids=["with dot", "empty PATH", "no PATH"])
def test_the_text_is_the_same_in_another_process(path):
    environment = {
        "PYTHONHASHSEED": str(len(path or "")), "PYTHONPATH": os.pathsep.join(sys.path),
        **({} if path is None else {"PATH": path}),
    }  # fmt: skip
    code = "import test_gallery; print(test_gallery.all_texts())"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == all_texts()


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for each in TEXTS:
        (GOLDEN / f"{each}.dot").write_bytes(text(each).encode())
