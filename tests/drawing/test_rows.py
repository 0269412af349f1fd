"""Long pictures in rows: as wide as a slide, one row below the other, no module in two of them."""

import re
from collections import defaultdict

import numpy as np
import pytest

import tinygrad_lstm as tg
from support.pictures import Layout, arrows, frames, nodes, rendered
from tinygrad_lstm import gallery

SLIDE = 1920, 1080
PIXELS = 96 / 72  # in a point


def attention():
    lstm, dense = tg.nn.LSTM(2, 4, seed=0), tg.nn.Dense(4, 1, seed=1)
    x = tg.Tensor(np.random.default_rng(0).normal(size=(6, 3, 2)), requires_grad=True, name="x")
    look = tg.nn.Attention(4, seed=2, name="attention")
    return tg.nn.squared_error(dense(look(lstm(x)[0])[-1]), np.zeros((3, 1)))


def layers(count=12):
    net = tg.nn.Sequential(*(tg.nn.Dense(4, 4, tg.tanh, seed=seed) for seed in range(count)))
    x = tg.Tensor(np.ones((3, 4)), requires_grad=True, name="x")
    return tg.nn.squared_error(net(x), np.zeros((3, 4)))


PICTURES = {
    "attention": (attention, {}),
    "values": (gallery.question, {"values": 1}),
    "layers": (layers, {}),
}
by_picture = pytest.mark.parametrize("name", PICTURES)
by_view = pytest.mark.parametrize("view", ["forward", "adjoint"])


def drawn(name, **more):
    network, options = PICTURES[name]
    return tg.draw(network(), **options, **more).dot


@by_view
@pytest.mark.parametrize("name", ["attention", "values"])
def test_a_slide_has_room_for_it(name, view):
    svg = rendered(drawn(name, view=view), "svg", "dot").decode()
    points = re.search(r'width="(\d+)pt" height="(\d+)pt"', svg).groups()
    assert all(int(of) * PIXELS <= most for of, most in zip(points, SLIDE, strict=True))


@by_view
@by_picture
def test_what_is_written_is_large_enough(name, view):
    sizes = re.findall(
        r'font-size="([\d.]+)"', rendered(drawn(name, view=view), "svg", "dot").decode()
    )
    assert min(map(float, sizes)) >= 7  # the dot of a branch point
    words = re.findall(
        r'font-size="([\d.]+)"[^>]*>(?![●◆])',
        rendered(drawn(name, view=view), "svg", "dot").decode(),
    )
    assert min(map(float, words)) >= 8.5


def rows_of(dot):
    """Return the row of each node, as the frames in the text say it."""
    row, rows = None, {}
    for line in dot.splitlines():
        if match := re.search(r"subgraph cluster_\w+_row(\d+)\b", line):
            row = int(match[1])
        elif match := re.match(r"\t+([fa]\d+(?:_\d+)*) \[", line):
            rows[match[1]] = row
    return rows


@by_picture
def test_rows_stand_one_below_the_other(name):
    dot = drawn(name)
    rows = rows_of(dot)
    assert None not in rows.values() and len(set(rows.values())) > 1
    heights = defaultdict(list)
    for node, (_, y, *_) in Layout(dot, "dot").places.items():
        heights[rows[node]].append(y)
    for above, below in zip(sorted(heights), sorted(heights)[1:]):
        assert min(heights[above]) > max(heights[below])


@by_picture
def test_a_module_is_in_one_row(name):
    words = [word for word in frames(drawn(name)) if word not in ("network", "sequential")]
    assert sorted(words) == sorted(set(words))


def test_one_arrow_leads_a_signal_to_the_next_row():
    dot = drawn("attention")
    rows = rows_of(dot)
    between = [arrow for arrow in arrows(dot) if rows[arrow.tail] != rows[arrow.head]]
    assert len(between) == 1


@pytest.mark.parametrize("name", ["question", "gru", "elman", "fir"])
def test_what_is_short_has_no_rows(name):
    network, options = gallery.PICTURES[name]
    assert "_row" not in tg.draw(network(), **options).dot


def test_rows_have_all_that_the_long_picture_has(monkeypatch):
    wrapped = drawn("layers")
    monkeypatch.setattr("tinygrad_lstm.drawing.rows.wrap.__defaults__", (1e9,))
    long = drawn("layers")
    assert "_row" not in long
    assert sorted(node.lines for node in nodes(wrapped)) == sorted(
        node.lines for node in nodes(long)
    )
    assert len(arrows(wrapped)) == len(arrows(long))
