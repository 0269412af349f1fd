"""Pictures: what is on them, whatever the names."""

import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

import tinygrad_lstm as tg
from tinygrad_lstm.errors import UsageError

PICTURES = Path(__file__).parents[1] / "notebooks" / "pictures"


@pytest.fixture
def loss():
    lstm, dense = tg.nn.LSTM(2, 3, seed=0), tg.nn.Dense(3, 1, tg.sigmoid, seed=0)
    x = tg.Tensor(np.ones((2, 2)), name="x")
    return tg.nn.squared_error(dense(lstm(x)[0]), np.zeros((2, 1)))


def texts(svg):
    return [each.text for each in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


@pytest.mark.parametrize(
    "text", ["x", "lstm.W", "lstm.U", "state[1]", "out[0]", "lstm.out[-1]", "dense.W", "z", "loss",
             "tanh", "sigmoid", "matmul", "step 0", "step 1", "lstm", "dense"]
)  # fmt: skip
def test_every_signal_is_on_the_picture_by_its_name(loss, text):
    assert text in texts(tg.draw(loss, style="tape")._repr_svg_())


def test_every_operation_is_one_node_with_an_arrow_from_each_operand(loss):
    dot = tg.draw(loss, style="tape").dot
    operations = [each for each in tg.tape.history([loss], everything=True) if each.inputs]
    assert dot.count("->") == sum(len(each.inputs) for each in operations)


def test_the_same_program_gives_the_same_text(loss):
    def program():
        return tg.tanh(tg.Tensor([1.0], name="x") * 2.0).sum()

    assert tg.draw(program()).dot == tg.draw(program()).dot


@pytest.mark.parametrize(
    "name",
    ['"', "<b>bold</b>", "a\\nb", "a\\", "\n\t", "\x00", "a:b:c", "{a|b}", "🦉",
     "x" * 20000, "->;}"],
    ids=["quote", "html", "escape", "backslash", "newline", "nul", "colon", "record", "emoji",
         "long", "syntax"],
)  # fmt: skip
def test_names_may_hold_anything(name):
    x = tg.Tensor([1.0], name=name)
    shown = texts(tg.draw(tg.tanh(x))._repr_svg_())
    assert "tanh" in shown
    printable = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name)
    assert printable[:79] in "".join(shown).replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize("nothing", [tg.Tensor(1.0), 3.0, None])
def test_nothing_recorded_is_nothing_to_draw(nothing):
    with pytest.raises(UsageError, match="nothing recorded"):
        tg.draw(nothing)


def test_nested_steps_are_framed_by_their_numbers():
    x = tg.Tensor([1.0, 2.0], requires_grad=True, name="x")
    for _ in tg.steps(2):
        for _ in tg.steps(2):
            x = x * x
    dot = tg.draw(x.sum(), style="tape").dot
    assert all(f'label="step {i}, {j}"' in dot for i in range(2) for j in range(2))


@pytest.mark.parametrize("path", sorted(PICTURES.glob("*.svg")), ids=lambda path: path.name)
def test_the_pictures_in_the_readme_are_not_cut_off(path):
    # scaled by Graphviz for a resolution, they are larger than the box that shows them
    assert 'transform="scale(1 1)' in path.read_text()


def test_a_picture_can_be_had_after_the_update():
    x = tg.Tensor([1.0], requires_grad=True, name="x")
    loss = tg.tanh(x).sum()
    before = tg.draw(loss).dot
    x.data = x.data - 0.1
    assert tg.draw(loss).dot == before
