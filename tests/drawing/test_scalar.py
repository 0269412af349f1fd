"""Networks drawn neuron by neuron: a place for each entry, an arrow for each weight."""

import re
from itertools import pairwise

import numpy as np
import pytest

import tinygrad_lstm as tg
from support.pictures import arrows, nodes
from tinygrad_lstm import gallery
from tinygrad_lstm.drawing.marks import ABSENT, FADED
from tinygrad_lstm.drawing.scalar import MOST, with_index
from tinygrad_lstm.errors import ArgumentError, UsageError


def network(*shape, sizes=(2, 3, 2)):
    """Build dense layers of some sizes, each called by its number."""
    y = tg.Tensor(np.ones((*shape, sizes[0])), requires_grad=True, name="x")
    for number, (before, after) in enumerate(pairwise(sizes)):
        y = tg.nn.Dense(before, after, tg.tanh, name=f"dense{number}", seed=number)(y)
    return tg.nn.squared_error(y, np.zeros((*shape, sizes[-1])))


def weights(dot):
    """Return the names at arrows that are those of weights, with the numbers under them."""
    lines = [each.lines for each in arrows(dot) if each.lines and each.lines[0][0] in "WU"]
    return {each[0]: each[1:] for each in lines}, len(lines)


@pytest.mark.parametrize("view", ["forward", "adjoint"])
@pytest.mark.parametrize("sizes", [(2, 3, 2), (1, 1), (4, 1), (1, 4, 5), (3, 3, 3)], ids=str)
def test_there_is_an_arrow_for_each_weight(view, sizes):
    _, count = weights(tg.draw(network(sizes=sizes), view=view, level="scalar").dot)
    assert count == sum(before * after for before, after in pairwise(sizes))


def test_there_is_an_arrow_for_each_weight_of_an_lstm():
    layer = tg.nn.LSTM(2, 2, seed=0)
    loss = tg.nn.squared_error(layer(np.ones((3, 2)))[0], np.zeros((3, 2)))
    _, count = weights(tg.draw(loss, level="scalar").dot)
    assert count == layer.W.size + layer.U.size


def test_there_is_a_place_for_each_neuron():
    dot = tg.draw(network(), level="scalar").dot
    ends = [node.lines for node in nodes(dot) if node.look["shape"] == "plaintext"]
    assert ends == [["x₁"], ["x₂"], ["y₁"], ["y₂"]]
    assert sum("tanh" in node.lines for node in nodes(dot)) == 3 + 2


def test_an_arrow_of_a_weight_says_which_it_is_and_its_number():
    layer = tg.nn.Dense(2, 3, tg.tanh, seed=0)
    x = tg.Tensor([1.0, 2.0], requires_grad=True, name="x")
    loss = tg.nn.squared_error(layer(x), np.zeros(3))
    found, _ = weights(tg.draw(loss, level="scalar", values=True, digits=4).dot)
    assert sorted(found) == [f"W{i}{j}" for i in "₁₂" for j in "₁₂₃"]
    for (i, j), weight in np.ndenumerate(layer.W.numpy()):
        (number,) = found[f"W{'₁₂'[i]}{'₁₂₃'[j]}"]
        assert float(number.replace("−", "-")) == pytest.approx(weight, rel=1e-3)


@pytest.mark.parametrize("view", ["forward", "adjoint"])
def test_a_weight_leads_from_its_row_to_its_column(view):
    dot = tg.draw(network(sizes=(2, 3)), view=view, level="scalar").dot
    ends = {node.id: "".join(node.lines) for node in nodes(dot)}
    behind = {each.head: each.tail for each in arrows(dot)}
    ahead = {each.tail: each.head for each in arrows(dot)}
    leads = {}
    for arrow in arrows(dot):
        if arrow.lines and arrow.lines[0][0] == "W":  # behind the branch point of x, or its sum
            end = behind[arrow.tail] if view == "forward" else ahead[arrow.head]
            leads.setdefault(arrow.lines[0][1], set()).add(ends[end].lstrip("δ"))
    assert leads == {"₁": {"x₁"}, "₂": {"x₂"}}


def test_too_many_are_counted():
    big = network(sizes=(30, 20))
    with pytest.raises(ArgumentError, match=rf"would draw (\d+) neurons.* {MOST} is the most") as e:
        tg.draw(big, level="scalar")
    assert int(re.search(r"draw (\d+)", str(e.value))[1]) > 30 * 20
    tg.draw(big)


def test_a_batch_has_no_neurons():
    with pytest.raises(UsageError, match=r"found x of shape \(3, 2\); give one sequence without"):
        tg.draw(network(3), level="scalar")


def test_what_is_not_done_entry_by_entry_has_no_neurons():
    with pytest.raises(UsageError, match=r'found log softmax; .*level="tensor"'):
        tg.draw(gallery.formula(), level="scalar")


@pytest.mark.parametrize(
    ("name", "mark", "shown"),
    [("h(k)", "2", "h₂(k)"), ("W", "12", "W₁₂"), ("Uᵀ", "1,2", "U₁,₂ᵀ"), ("x[0]", "3", "x₃[0]"),
     ("−", "1", "−"), ("h", "", "h"), ("", "1", ""), ("[", "1", "[₁")],
)  # fmt: skip
def test_an_index_stands_before_the_step(name, mark, shown):
    assert with_index(name, mark) == shown


@pytest.mark.parametrize("view", ["forward", "adjoint"])
def test_weights_of_0_are_grey_and_have_no_name(view):
    layer = tg.nn.Dense(2, 3, tg.tanh, seed=0)
    tg.cull(layer, share=0.5)
    x = tg.Tensor([1.0, 2.0], requires_grad=True, name="x")
    loss = tg.nn.squared_error(layer(x), np.zeros(3))
    picture = tg.draw(loss, level="scalar", view=view)
    named, _ = weights(picture.dot)
    kept = {f"W{'₁₂'[i]}{'₁₂₃'[j]}" for i, j in zip(*np.nonzero(layer.W.mask), strict=True)}
    assert set(named) == kept and len(kept) == 3
    grey = [each for each in arrows(picture.dot) if each.look.get("color") == ABSENT]
    assert len(grey) == 3
    assert FADED in picture.notes


def test_a_matrix_of_0_is_grey():
    layer = tg.nn.LSTM(2, 2, seed=0)
    U = layer.U.numpy()
    U[:, 2:4] = 0  # of the input gate
    layer.U.data = U
    loss = tg.nn.squared_error(layer(np.ones((3, 2)))[0], np.zeros((3, 2)))
    picture = tg.draw(loss)
    assert picture.dot.count(ABSENT) >= 1 and FADED in picture.notes
    layer.U.data = U + 0.1
    loss = tg.nn.squared_error(layer(np.ones((3, 2)))[0], np.zeros((3, 2)))
    assert ABSENT not in tg.draw(loss).dot
