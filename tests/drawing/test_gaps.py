"""Pictures of what does not fold: the first steps, what is left out, the last steps."""

import re
import sys

import numpy as np
import pytest

import tinygrad_lstm as tg
from support.pictures import WAYS, Layout, arrows, frames, legend, nodes, rendered, texts, texts_of
from tinygrad_lstm.cli import commands as cli
from tinygrad_lstm.errors import ArgumentError


def weight(name, *shape):
    values = np.random.default_rng(0).normal(size=shape or (2, 2))
    return tg.Tensor(values, requires_grad=True, name=name)


def elman(steps=60, outputs="all", odd=lambda k: k % 2):
    """Record a recurrence whose steps differ."""
    x, W, U = tg.Tensor(np.ones((steps, 2)), name="x"), weight("W"), weight("U")
    h, hs = tg.Tensor(np.zeros(2)), []
    for k in tg.steps(steps):
        h = (tg.sigmoid if odd(k) else tg.tanh)(x[k] @ W + h @ U)
        h.name = "h"
        hs.append(h)
    y = tg.stack(hs) if outputs == "all" else hs[-1]
    return tg.nn.squared_error(y, np.zeros(y.shape))


def there_and_back(steps=60):
    """Record a recurrence that reads the steps of another from the last to the first."""
    x, seen = tg.Tensor(np.ones((steps, 2)), name="x"), []
    read = [x[k] for k in range(steps)]
    for layer, order in enumerate((range(steps), range(steps - 1, -1, -1))):
        W, U = weight(f"W{layer}"), weight(f"U{layer}")
        h, seen = tg.Tensor(np.zeros(2)), [None] * steps
        for k in tg.steps(order):
            h = seen[k] = (tg.sigmoid if k % 2 else tg.tanh)(read[k] @ W + h @ U)
            h.name = f"h{layer}"
        read = seen
    return tg.nn.squared_error(tg.stack(seen), np.zeros((steps, 2)))


def beside(steps=60):
    """Record a loop, and outside of it something for each of its steps."""
    x, W, U = tg.Tensor(np.ones((steps, 2)), name="x"), weight("W"), weight("U")
    dense, h, hs = tg.nn.Dense(2, 1, tg.sigmoid, seed=0), tg.Tensor(np.zeros(2)), []
    for k in tg.steps(steps):
        h = (tg.sigmoid if k % 2 else tg.tanh)(x[k] @ W + h @ U)
        hs.append(h)
    return tg.nn.squared_error(tg.stack([dense(h) for h in hs]), np.zeros((steps, 1)))


def calls(count=30):
    """Record a layer that is called for one step, again and again."""
    lstm, x = tg.nn.LSTM(2, 3, seed=0), tg.Tensor(np.ones((count, 2)), name="x")
    state, outs = None, []
    for k in range(count):
        out, state = lstm(x[k : k + 1], state=state)
        outs.append(out)
    return tg.nn.squared_error(tg.concatenate(outs), np.zeros((count, 3)))


def chain(count=150):
    """Record operations one behind the other, without steps."""
    y = tg.Tensor(np.ones(3), requires_grad=True, name="x")
    for _ in range(count):
        y = tg.tanh(y * 1.01)
    return tg.sum(y)


NETWORKS = {
    "every output": elman, "the last output": lambda: elman(outputs="last"),
    "there and back": there_and_back, "beside": beside, "calls": calls, "chain": chain,
}  # fmt: skip
by_network = pytest.mark.parametrize("name", NETWORKS)


def drawn(name, **options):
    return tg.draw(NETWORKS[name](), **options)


@pytest.mark.long
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("view", ["forward", "adjoint"])
@by_network
def test_what_does_not_fold_is_legible(name, view, way):
    picture = drawn(name, view=view)
    assert len(nodes(picture.dot)) < 80
    layout = Layout(picture.dot, way)
    assert layout.outside == [] and layout.written == texts(picture.dot)
    svg = rendered(picture.dot, "svg", way)
    assert texts_of(svg) == texts(picture.dot)
    wide, high = re.search(rb'viewBox="[-\d.]+ [-\d.]+ ([\d.]+) ([\d.]+)"', svg).groups()
    assert float(wide) < 4000 and float(high) < 2000


def gaps(dot):
    return [node.lines[1:] for node in nodes(dot) if node.lines[:1] == ["…"]]


def steps(dot):
    return sorted({int(frame[4:]) for frame in frames(dot) if frame.startswith("k = ")})


@pytest.mark.parametrize("view", ["forward", "adjoint"])
def test_the_first_and_the_last_steps_are_drawn_and_the_others_counted(view):
    picture = tg.draw(elman(), view=view)
    assert steps(picture.dot) == [0, 1, 58, 59]
    assert gaps(picture.dot) == [["56 steps", "k = 2 to 57"]]
    words = " ".join(legend(picture.dot))
    for note in picture.notes:
        assert note in words
    assert picture.notes[0].startswith("unrolled, since the steps differ first at h[")
    assert any("left out: 56 steps, k = 2 to 57" in note for note in picture.notes)


def test_the_gap_stands_between_the_steps_beside_it():
    dot = tg.draw(elman(outputs="last")).dot
    words = {node.id: " ".join(node.lines) for node in nodes(dot)}
    [gap] = [node for node, text in words.items() if text.startswith("…")]
    before = [words[each.tail] for each in arrows(dot) if each.head == gap]
    after = [words[each.head] for each in arrows(dot) if each.tail == gap]
    assert before == ["σ"] and after == ["Σ"]
    assert [each.lines for each in arrows(dot) if each.head == gap] == [["h[1]"]]


@pytest.mark.parametrize("count", [2, 5, 6])
def test_a_short_loop_is_drawn_whole(count):
    dot = tg.draw(elman(count)).dot
    assert steps(dot) == (list(range(count)) if count <= 5 else [0, 1, 4, 5])


def test_a_step_that_differs_is_drawn():
    dot = tg.draw(elman(odd=lambda k: k == 17)).dot
    assert steps(dot) == [0, 1, 17, 58, 59]
    assert gaps(dot) == [["15 steps", "k = 2 to 16"], ["40 steps", "k = 18 to 57"]]


def test_a_marked_step_is_drawn():
    dot = tg.draw(elman(), highlight="h[30]").dot
    assert steps(dot) == [0, 1, 30, 58, 59] and "penwidth=3" in dot


def test_every_step_is_drawn_on_request():
    picture = tg.draw(elman(), every_step=True)
    assert steps(picture.dot) == list(range(60)) and not gaps(picture.dot)
    assert not any("left out" in note for note in picture.notes)
    assert steps(tg.draw(elman(), fold=False).dot) == [0, 1, 58, 59]


def test_more_than_can_be_drawn_is_refused(monkeypatch):
    monkeypatch.setattr(sys.modules["tinygrad_lstm.drawing.draw"], "MOST_PLACES", 100)
    with pytest.raises(ArgumentError, match=r"found \d+ places to draw, expected 100 at most"):
        tg.draw(elman(), every_step=True)


def test_what_is_written_at_the_arrows_is_written_beside_a_gap_too():
    loss = elman()
    assert "(" in "".join(arrow.lines[-1] for arrow in arrows(tg.draw(loss, values=True).dot)
                          if arrow.lines)  # fmt: skip
    for options in ({"heat": True}, {"depth": 0}, {"view": "both", "title": "60 steps"}):
        assert gaps(tg.draw(loss, **options).dot)


@pytest.mark.long
def test_a_report_marks_a_step_that_would_be_left_out():
    loss = elman()
    report = tg.compare(loss, {"h[30]": np.ones(2)})
    assert report.blame.signal == "h[30]"
    assert 30 in steps(tg.draw(report).dot)


def test_the_command_line_says_why_it_is_not_folded(tmp_path, capsys):
    path = tmp_path / "net.py"
    path.write_text(f"from {__name__} import elman\nloss = elman()\n")
    assert cli.main(["draw", str(path), "-o", str(tmp_path / "net.gv")]) == 0
    said = capsys.readouterr()
    assert said.out == f"{tmp_path / 'net.gv'}\n"
    assert "unrolled, since the steps differ first at h[" in said.err
    assert "left out: 56 steps, k = 2 to 57" in said.err
