"""Names in pictures may hold anything: they are shown, and change nothing else."""

import re
from functools import cache
from itertools import takewhile

import numpy as np
import pytest

import tinygrad_lstm as tg
from support.pictures import (
    QUOTED,
    WAYS,
    attributes,
    legend,
    plain,
    rendered,
    size,
    texts,
    texts_of,
)
from tinygrad_lstm.drawing.text import LONGEST, clip_text

NAMES = {
    "quote": '"', "apostrophe": "'", "html": "<b>bold</b>", "tag": "<", "entity": "&lt;&#65;&amp",
    "escape": "a\\nb", "node name": "\\N", "backslash": "a\\", "newline": "\n\t", "nul": "\x00",
    "surrogate": "\ud800", "right to left": "\u202e", "colons": "a:b:c", "record": "{a|b}",
    "emoji": "🦉", "long": "x" * 20_000, "syntax": "->;}", "brackets": "]", "open": "[",
    "step": "(",
    "unit": "v (m/s)", "graph": "digraph {", "place": 'pos="1,2"', "box": '\nbb="0,0,9,9"',
    "keyword": "node", "comment": "/*", "hash": "#", "percent": "%s{}", "attribute": "URL=x",
    "label": 'id=0, label="000"', "font": "fontname=Courier",
}  # fmt: skip
ROLES = ("leaf", "module", "parameter", "scope", "signal", "title")
STYLES = {
    "both": {"view": "both"}, "unrolled": {"view": "both", "fold": False},
    "tape": {"style": "tape"},
}  # fmt: skip
LEADS_OUT = re.compile(r"URL$|href$|target$|tooltip$|^image|^shapefile$|^stylesheet$|path$", re.I)


@pytest.fixture(autouse=True)
def one_row(monkeypatch):
    """Draw pictures in one row, for how wide a name is may be a reason for another."""
    monkeypatch.setattr("tinygrad_lstm.drawing.rows.wrap.__defaults__", (1e9,))


by_name = pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)


def picture(name, roles, **options):
    """Draw a network in which whatever plays one of some roles has a name."""
    called = {role: name if role in roles else f"a {role}" for role in ROLES}
    x, U = (
        tg.Tensor(np.ones((3, 3)), requires_grad=True, name=called[role])
        for role in ("leaf", "parameter")
    )
    layer = tg.nn.Dense(3, 3, tg.tanh, name=called["module"], seed=0)
    h, ys = tg.Tensor(np.zeros(3)), []
    with tg.scope(called["scope"]):
        for k in tg.steps(len(x)):
            h = tg.sigmoid(layer(x[k]) @ U + h * h)
            h.name = called["signal"]
            ys.append(h)
    loss = tg.nn.squared_error(tg.stack(ys), np.zeros((3, 3)))
    return tg.draw(loss, title=called["title"], **options).dot


def shown(name):
    """Return the beginning of a name as it is to be seen."""
    seen = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name)
    return plain(seen)[: LONGEST - 10]


def marks(dot):
    """Return the lines of a legend on marks, whose letters are free of the picture's names."""
    lines = takewhile(lambda line: not line.startswith(("σ(", "∂L/∂")), legend(dot)[2:])
    factor = r"× \w in a box multiplies by \w, by entry δ × \w, by entry"
    return (re.sub(factor, "× v in a box", line) for line in lines)


usual_picture = cache(lambda style: picture("", (), **STYLES[style]))


@by_name
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("style", ["both", "tape"])
def test_a_name_is_shown_and_changes_nothing_else(name, role, style):
    usual, found = usual_picture(style), picture(name, (role,), **STYLES[style])
    if style == "tape" and role == "signal" and name == "[":
        assert size(found)[:2] == size(usual)[:2]  # a frame is added for what looks like a step
    else:
        assert size(found) == size(usual)
    assert attributes(found) == attributes(usual)
    assert [*marks(found)] == [*marks(usual)]
    assert any(shown(name) in text for text in texts(found))


@by_name
@pytest.mark.parametrize("style", ["both", "tape"])
@pytest.mark.parametrize("way", WAYS)
def test_whatever_draws_it_shows_it(name, style, way):
    dot = picture(name, ROLES, **STYLES[style])
    assert texts_of(rendered(dot, "svg", way)) == texts(dot)


@by_name
@pytest.mark.parametrize("style", STYLES)
def test_a_picture_leads_nowhere(name, style):
    dot = picture(name, ROLES, **STYLES[style])
    assert [each for each in attributes(dot) if LEADS_OUT.search(each)] == []
    assert "<" not in re.sub(QUOTED, "", dot)  # no label of HTML


def test_what_stands_beside_a_long_name_is_shown():
    x, U = (tg.Tensor(np.ones((3, 3)), requires_grad=True, name=name) for name in "xU")
    h = tg.Tensor(np.zeros(3))
    for k in tg.steps(len(x)):
        h = tg.tanh(x[k] + h @ U)
        h.name = "h" * 20_000
    dot = tg.draw(h, view="both").dot
    assert texts(dot)["U"] == texts(dot)["Uᵀ"] == 1
    assert len(dot) < 20_000


# --- text -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("extra", [-1, 0, 1, 10_000])
def test_text_is_shortened_to_what_a_picture_can_hold(extra):
    text = "x" * (LONGEST + extra)
    assert len(clip_text(text)) == min(len(text), LONGEST)
    assert clip_text(text).endswith("…") == (extra > 0)
    assert clip_text(clip_text(text)) == clip_text(text)


@pytest.mark.parametrize("options", STYLES.values(), ids=STYLES)
def test_a_name_in_angle_brackets_is_no_html(options):
    x = tg.Tensor(np.ones(1), requires_grad=True, name="<b>x</b>")
    dot = tg.draw(tg.tanh(x), title="<i>title</i>", **options).dot
    assert "<b>x</b>" in dot and "<" not in re.sub(QUOTED, "", dot)
