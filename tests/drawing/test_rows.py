"""Long pictures in rows: as wide as a slide, one row below the other, no module in two of them."""

import re
from collections import defaultdict
from itertools import combinations

import numpy as np
import pytest

import tinygrad_lstm as tg
from support.pictures import WAYS, Layout, arrows, frames, nodes, rendered
from tinygrad_lstm import gallery
from tinygrad_lstm.drawing.text import is_label

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


def unrolled(steps=6):
    lstm, dense = tg.nn.LSTM(3, 4, seed=0), tg.nn.Dense(4, 2, seed=1)
    x = np.random.default_rng(0).normal(size=(steps, 3))
    return tg.nn.squared_error(dense(lstm(x)[0]), np.zeros((steps, 2)))


def two_steps_back(steps=5):
    x = tg.Tensor(np.ones((steps, 2)), name="x")
    W, U, V = (tg.Tensor(np.eye(2), requires_grad=True, name=name) for name in ("W", "U", "V"))
    h = [tg.Tensor(np.zeros(2), requires_grad=True, name=name) for name in ("h0", "h1")]
    for k in tg.steps(steps):
        h.append(tg.tanh(x[k] @ W + h[-1] @ U + h[-2] @ V))
        h[-1].name = "h"
    return tg.nn.squared_error(tg.stack(h[2:]), np.zeros((steps, 2)))


UNROLLED = {"unrolled": unrolled, "two steps back": two_steps_back}
PICTURES = {
    "attention": (attention, {}),
    "values": (gallery.question, {"values": 1}),
    "layers": (layers, {"every_step": True}),
    **{name: (network, {"fold": False}) for name, network in UNROLLED.items()},
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


@pytest.mark.long
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


@pytest.mark.parametrize("name", [name for name in PICTURES if name not in UNROLLED])
def test_a_module_is_in_one_row(name):
    words = [word for word in frames(drawn(name)) if word not in ("network", "sequential")]
    assert sorted(words) == sorted(set(words))


def test_one_arrow_leads_a_signal_to_the_next_row():
    dot = drawn("attention")
    rows = rows_of(dot)
    between = [arrow for arrow in arrows(dot) if rows[arrow.tail] != rows[arrow.head]]
    assert len(between) == 1


@pytest.mark.parametrize("name", ["elman", "fir"])
def test_what_is_short_has_no_rows(name):
    network, options = gallery.PICTURES[name]
    assert "_row" not in tg.draw(network(), **options).dot


@pytest.mark.parametrize("name", ["question", "gru"])
def test_what_fits_with_smaller_letters_is_one_row(name):
    network, options = gallery.PICTURES[name]
    dot = tg.draw(network(), **options).dot
    assert "_row0" in dot and "_row1" not in dot


def test_rows_have_all_that_the_long_picture_has(monkeypatch):
    wrapped = drawn("layers")
    monkeypatch.setattr("tinygrad_lstm.drawing.rows.wrap.__defaults__", (1e9,))
    long = drawn("layers")
    assert "_row" not in long
    assert sorted(node.lines for node in nodes(wrapped)) == sorted(
        node.lines for node in nodes(long)
    )
    assert len(arrows(wrapped)) == len(arrows(long))


# --- steps that are not folded --------------------------------------------------------------------


def steps_of(dot):
    """Return the step of each node that stands in the frame of a step, or is the gap."""
    steps, inside, depth, start = {}, None, 0, 0
    for line in dot.splitlines():
        depth += line.rstrip().endswith("{") - (line.strip() == "}")
        if match := re.search(r'label="k = (\d+)"', line):
            inside, start = int(match[1]), depth
        if inside is not None and depth < start:
            inside = None
        if match := re.match(r"\t+([fa]\d+(?:_\d+)*) \[", line):
            if inside is not None:
                steps[match[1]] = inside
            elif 'label="…' in line:
                steps[match[1]] = 2
    return steps


@pytest.mark.long
@by_view
@pytest.mark.parametrize("name", UNROLLED)
def test_each_step_stands_below_the_step_before(name, view):
    dot = drawn(name, view=view)
    steps, heights = steps_of(dot), defaultdict(list)
    for node, (_, y, *_) in Layout(dot, "dot").places.items():
        if node in steps:
            heights[steps[node]].append(y)
    assert sorted(heights) == ([0, 1, 2, 4, 5] if name == "unrolled" else [0, 1, 2, 3, 4])
    for above, below in zip(sorted(heights), sorted(heights)[1:]):
        assert min(heights[above]) > max(heights[below])


@pytest.mark.long
@by_view
def test_unrolled_steps_are_as_wide_as_a_page(view):
    svg = rendered(drawn("unrolled", view=view), "svg", "dot").decode()
    assert int(re.search(r'width="(\d+)pt"', svg)[1]) * PIXELS <= SLIDE[0]


@pytest.mark.long
@by_view
def test_equal_steps_are_drawn_alike(view):
    dot = drawn("unrolled", view=view)
    steps, places = steps_of(dot), Layout(dot, "dot").places
    columns = [
        sorted(
            round(places[node][0])
            for node, at in steps.items()
            if at == step and not is_label(node)
        )
        for step in (1, 4)
    ]
    assert columns[0] == columns[1] and len(columns[0]) > 20


def turns_of(dot, way):
    """Return the places of the nodes by row, and the lines from one row to another."""
    layout, rows = Layout(dot, way), rows_of(dot)
    turns = [line for line in layout.arrows if rows[line[0]] != rows[line[1]]]
    assert turns
    places = defaultdict(list)
    for node, place in layout.places.items():
        places[rows[node]].append(place)
    return places, rows, turns


@pytest.mark.parametrize("way", WAYS)
@by_view
@by_picture
def test_a_line_between_rows_keeps_beside_the_rows(name, view, way):
    """Apart from its two ends: so the line comes near to nothing that it does not belong to."""
    places, rows, turns = turns_of(drawn(name, view=view), way)
    for tail, head, (x, y) in turns:
        for row, inside in places.items():
            left = min(middle - wide / 2 for middle, _, wide, _ in inside)
            right = max(middle + wide / 2 for middle, _, wide, _ in inside)
            low = min(middle - high / 2 for _, middle, _, high in inside)
            top = max(middle + high / 2 for _, middle, _, high in inside)
            within = (x > left) & (x < right) & (y > low) & (y < top)
            assert row in (rows[tail], rows[head]) or not within.any(), (tail, head, row)


@pytest.mark.parametrize("way", WAYS)
@by_view
@by_picture
def test_lines_between_rows_run_side_by_side(name, view, way):
    _, _, turns = turns_of(drawn(name, view=view), way)
    for is_level in (True, False):
        straight = [
            (place, *sorted((start, end)))
            for _, _, (x, y) in turns
            for place, start, end in (runs(y, x) if is_level else runs(x, y))
        ]
        for (one, *span), (other, *rest) in combinations(straight, 2):
            beside = min(span[1], rest[1]) - max(span[0], rest[0])
            assert beside < 1 or abs(one - other) >= 3, (one, other, span, rest)


def runs(across, along):
    """Yield each stretch of a line along which one coordinate stays: it, the start and the end."""
    start = 0
    for at in range(1, len(across) + 1):
        if at == len(across) or abs(across[at] - across[start]) > 1e-3:
            if abs(along[at - 1] - along[start]) > 20:
                yield across[start], along[start], along[at - 1]
            start = at


def test_the_names_of_signals_stand_again_where_they_enter_a_row():
    dot = drawn("unrolled", view="forward")
    rows = rows_of(dot)
    between = [arrow for arrow in arrows(dot) if rows[arrow.tail] != rows[arrow.head]]
    assert len(between) == 8 and all(arrow.lines for arrow in between)
    assert sorted(arrow.lines[0] for arrow in between) == [
        "out[0]", "out[1]", "out[3]", "out[4]", "state[0]", "state[1]", "state[3]", "state[4]",
    ]  # fmt: skip


# --- equal blocks ---------------------------------------------------------------------------------


@by_view
def test_equal_layers_are_drawn_once_with_their_number(view):
    picture = tg.draw(layers(), view=view)
    assert "dense × 12" in frames(picture.dot) and len(nodes(picture.dot)) == 5
    assert any(note.startswith("dense × 12: so many equal blocks") for note in picture.notes)
    assert "dense × 12" not in frames(tg.draw(layers(), view=view, every_step=True).dot)


@pytest.mark.parametrize("odd", [0, 5, 11])
def test_a_layer_that_differs_is_drawn(odd):
    functions = [tg.sigmoid if k == odd else tg.tanh for k in range(12)]
    net = tg.nn.Sequential(*(tg.nn.Dense(4, 4, f, seed=k) for k, f in enumerate(functions)))
    x = tg.Tensor(np.ones((3, 4)), requires_grad=True, name="x")
    dot = tg.draw(tg.nn.squared_error(net(x), np.zeros((3, 4)))).dot
    assert sum(node.lines == ["σ"] for node in nodes(dot)) == 1
    titles = [int(words.partition(" × ")[2]) for words in frames(dot) if " × " in words]
    assert titles == {0: [11], 5: [6], 11: [11]}[odd] or titles == [5, 6]


def test_a_layer_whose_output_is_read_elsewhere_is_drawn():
    x, kept = tg.Tensor(np.ones((3, 4)), requires_grad=True, name="x"), []
    h = x
    for k in range(6):
        h = tg.nn.Dense(4, 4, tg.tanh, seed=k, name="dense")(h)
        kept.append(h)
    dot = tg.draw(tg.nn.squared_error(h * kept[2], np.zeros((3, 4)))).dot
    assert not any(" × " in words for words in frames(dot))
