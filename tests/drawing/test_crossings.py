"""Lines cross steeply, and no line is interrupted where it bends.

The angles are read off the layout program's own geometry, between all lines of a picture.
"""

from itertools import combinations

import numpy as np
import pytest

import tinygrad_lstm as tg
from tinygrad_lstm import gallery
from tinygrad_lstm.drawing import stacking
from tinygrad_lstm.drawing.bridges import bridge
from tinygrad_lstm.drawing.joints import ATTRIBUTE, STATEMENT, along, curve
from tinygrad_lstm.drawing.steepen import LEAST, crossings, steepen

FLAT = 'a -> b [pos="0,0 30,0 70,0 100,0"];\nc -> d [pos="0,-10 30,-4 70,4 100,10"];\n'


def encoder_and_decoder():
    """Record an LSTM whose last state another one starts from."""
    rng = np.random.default_rng(0)
    encoder, decoder = (
        tg.nn.LSTM(2, 3, seed=seed, name=name) for seed, name in enumerate(("encoder", "decoder"))
    )
    _, state = encoder(rng.normal(size=(5, 2, 2)))
    return tg.nn.squared_error(decoder(rng.normal(size=(4, 2, 2)), state)[0], np.zeros((4, 2, 3)))


NETWORKS = {
    "encoder and decoder": encoder_and_decoder,
    **{name: gallery.PICTURES[name][0] for name in ("question", "peepholes", "both_directions")},
}


def lines_in(places):
    """Return the ends of each line in a text with places, and points along it."""
    for _, tail, head, inside in (match.groups() for match in STATEMENT.finditer(places)):
        look = dict(ATTRIBUTE.findall(inside))
        if head is not None and "pos" in look:
            knots = curve(look["pos"].strip('"'))
            yield {tail, head}, np.array([knots[0], *along(knots)])


def angles(places):
    lines = list(lines_in(places))
    return [
        crossing.degrees
        for (ends, points), (others, beside) in combinations(lines, 2) if not ends & others
        for crossing in crossings(points, beside)
    ]  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_lines_cross_steeply(name, monkeypatch, tmp_path):
    before, after = [], []

    def put(places):
        before.append(places)
        after.append(steepen(places))
        return after[-1]

    monkeypatch.setattr(stacking, "steepen", put)
    tg.draw(NETWORKS[name](), tmp_path / "net.svg", view="both")
    assert len(after) == 2 and min(angles(before[0])) < LEAST
    for flat, steep in zip(before, after, strict=True):
        assert len(angles(flat)) == len(angles(steep)) > 0
        assert min(angles(steep)) >= 30, sorted(angles(steep))


def test_a_flat_crossing_is_drawn_anew_between_the_ends_of_its_line():
    flat, steep = (list(lines_in(text)) for text in (FLAT, steepen(FLAT)))
    assert angles(FLAT)[0] < 15 and angles(steepen(FLAT))[0] >= 30
    for (_, old), (_, new) in zip(flat, steep, strict=True):
        assert (old[0], old[-1]) == (new[0], new[-1])


def test_no_place_is_touched_that_was_not_before():
    (_, old), (_, other) = lines_in(FLAT)
    free = [points for _, points in lines_in(steepen(FLAT))]
    changed = max(free, key=len)
    dense = np.concatenate(
        [np.interp(np.arange(0, 12, 0.1), range(len(x)), x) for x in (old, other)]
    )
    away = [np.min(np.abs(dense - point)) for point in changed]
    place = changed[int(np.argmax(away))]  # where the line is led if nothing stands there
    assert max(away) > 2
    half = (max(away) - 1) / 2
    size = f'width="{2 * half / 72:.4f}", height="{2 * half / 72:.4f}"'
    box = f'e [pos="{place.real:.5g},{place.imag:.5g}", {size}];\n'
    new = np.concatenate([points for _, points in lines_in(steepen(f"{box}{FLAT}"))])
    assert np.min(np.maximum(np.abs((new - place).real), np.abs((new - place).imag))) > half


def test_a_line_is_interrupted_where_it_is_straight_and_not_where_it_bends():
    bent = 'a -> b [pos="0,0 40,0 50,0 50,10 50,20 50,60 50,80"];'
    level = 'c -> d [pos="0,6 30,6 70,6 100,6"];'
    for text in (f"{bent}\n{level}\n", f"{level}\n{bent}\n"):
        drawn = bridge(f"digraph x {{\n{text}}}\n")
        assert 'class="a--b"' in drawn and 'class="c--d"' not in drawn
