"""What a reader of a picture asks and finds in it: which product, which axis, what enters."""

import re
from collections import Counter
from xml.etree.ElementTree import fromstring

import numpy as np
import pytest

import tinygrad_lstm as tg
from support.pictures import arrows, labels, legend, nodes, rendered
from tinygrad_lstm import gallery
from tinygrad_lstm.drawing.draw import _as_drawn, _signals
from tinygrad_lstm.drawing.exports import mermaid
from tinygrad_lstm.drawing.legend import _gradients
from tinygrad_lstm.drawing.marks import total
from tinygrad_lstm.drawing.outline import outline
from tinygrad_lstm.network.adjoint import alive

T = 4
RNG = np.random.default_rng(0)
PIXELS, SLIDE = 96 / 72, 1920


def leaf(name, *shape):
    return tg.Tensor(RNG.normal(size=shape) * 0.5, requires_grad=True, name=name)


def named(tensor, name):
    tensor.name = name
    return tensor


def loop(bias=True, whole=False):
    """Record a recurrence over data of NumPy, whose loss is summed up in the loop, or whole."""
    x, target, total = RNG.normal(size=(T, 3)), RNG.normal(size=(T, 2)), 0.0
    W, U, V, b = leaf("W", 3, 3), leaf("U", 3, 3), leaf("V", 3, 2), leaf("b", 3)
    h, ys = np.zeros(3), []
    for k in tg.steps(T):
        h = named(tg.tanh(x[k] @ W + h @ U + b) if bias else tg.tanh(h @ U), "h")
        y = named(tg.sigmoid(h @ V), "y")
        ys.append(y)
        total = 0.0 if whole else total + 0.5 * tg.sum((y - target[k]) ** 2)
    return tg.nn.squared_error(tg.stack(ys), target) if whole else total


def residual(count=1):
    y = leaf("x", 5, 4)
    for number in range(count):
        y = y + tg.nn.Dense(4, 4, tg.tanh, seed=number, name=f"block{number}")(y)
    return y, tg.nn.squared_error(y, np.zeros((5, 4)))


def transformer():
    look = tg.nn.Attention(4, seed=0, name="attention")
    norms = [tg.nn.LayerNorm(4, name=f"norm{number}") for number in (1, 2)]
    up, down = tg.nn.Dense(4, 8, tg.relu, seed=1, name="up"), tg.nn.Dense(8, 4, seed=2, name="down")
    x = leaf("x", 2, 5, 4)
    h = x + look(norms[0](x))
    return tg.nn.squared_error(h + down(up(norms[1](h))), np.zeros((2, 5, 4)))


def words(dot):
    return [line for part in (*nodes(dot), *labels(dot)) for line in part.lines]


# --- one name for one signal ----------------------------------------------------------------------


def test_a_difference_is_named_once_and_then_read():
    forward, adjoint = (words(tg.draw(loop(), view=view).dot) for view in ("forward", "adjoint"))
    assert Counter(forward)["e(k)"] == 1 and "e(k)²" in forward and "× 2 e(k)" in adjoint
    assert not any("y(k) −" in line for line in (*forward, *adjoint))


@pytest.mark.parametrize("count", [1, 3])
def test_a_sum_before_the_loss_has_one_end_with_all_that_comes_back(count):
    y, loss = residual(count)
    for view, start in (("forward", "y"), ("adjoint", "∂L/∂")):
        places = nodes(tg.draw(loss, view=view).dot)
        ends = [node.lines[0] for node in places if node.look["shape"] == "plaintext"]
        ends = [end for end in ends if end.startswith(start)]
        assert len(ends) == 1
    network, _ = _as_drawn(loss, None, numbers=True)
    drawn = outline(network, alive(network))
    fed = [
        arc for arc in drawn.arcs if drawn.vertices[arc.head].adjoint[:1] == (f"∂L/∂{ends[0][4:]}",)
    ]
    (gradient,) = tg.grad(loss, [y])
    (arc,) = fed
    np.testing.assert_allclose(total(arc, _signals(network, None)[1], None), gradient.numpy())


def test_a_gradient_reads_a_sum_by_its_letter_and_a_signal_with_its_module():
    _, loss = residual(3)
    below = " ".join(legend(tg.draw(loss).dot)).replace("\N{NO-BREAK SPACE}", " ")
    beside = " ".join(words(tg.draw(loss, view="adjoint").dot))
    assert "x + y" not in below + beside
    lstm, dense = tg.nn.LSTM(2, 3, seed=0), tg.nn.Dense(3, 2, tg.tanh, seed=1, name="dense")
    net = dense(tg.nn.Dense(3, 3, tg.tanh, seed=2, name="first")(lstm(leaf("x", T, 2))[0]))
    below = " ".join(legend(tg.draw(tg.nn.squared_error(net, np.zeros((T, 2)))).dot))
    assert "δW = Σₖ first.y(k)ᵀ δz(k)" in below.replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize("depth", [None, 1])
def test_a_join_tells_two_signals_of_one_name_apart(depth):
    dot = tg.draw(gallery.both_directions(), depth=depth).dot
    assert "[forward.out(k), backward.out(k)]" in words(dot)


def test_a_step_of_a_sequence_that_is_computed_is_named_on_the_line():
    embedding, cell = tg.nn.Embedding(5, 3, seed=0), tg.nn.RNN(3, 2, seed=1)
    out, _ = cell(embedding(np.array([1, 3, 0, 1])))
    dot = tg.draw(tg.nn.squared_error(out, np.zeros((4, 2)))).dot
    assert Counter(words(dot))["y(k)"] == 1
    (label,) = [label for label in labels(dot) if label.lines == ["y(k)"]]
    assert label.look["shape"] == "plaintext"
    turned = tg.transpose(tg.tanh(leaf("x", 3, T)))
    dot = tg.draw(tg.nn.squared_error(cell(turned)[0], np.zeros((T, 2))), view="adjoint").dot
    assert not any("transpose(" in line for line in (*words(dot), *legend(dot)))


def test_the_gradient_of_a_weight_that_is_used_twice_is_a_sum():
    x, W, U, h, ys = leaf("x", T, 3), leaf("W", 3, 3), leaf("U", 3, 3), np.zeros(3), []
    for k in tg.steps(T):
        f = named(tg.sigmoid(x[k] @ W), "f")
        h = named(tg.tanh(f * h + x[k] @ W + h @ U), "h")
        ys.append(h)
    network, _ = _as_drawn(tg.nn.squared_error(tg.stack(ys), np.zeros((T, 3))), None, numbers=False)
    assert _gradients(outline(network, alive(network))) == [
        "δW = Σₖ x(k)ᵀ δs_f(k) + Σₖ x(k)ᵀ δs_h(k)", "δU = Σₖ h(k−1)ᵀ δs_h(k)"]  # fmt: skip


def test_a_box_says_all_that_leads_to_the_next_and_a_share_has_no_name():
    encoder, decoder = (tg.nn.LSTM(2, 3, seed=0, name=name) for name in ("encoder", "decoder"))
    out, _ = decoder(leaf("u", 3, 2), encoder(leaf("x", T, 2))[1])
    loss = tg.nn.squared_error(out, np.zeros((3, 3)))
    said = [arrow.lines for arrow in arrows(tg.draw(loss, depth=0).dot)]
    assert ["state(k)", "out(k)", "last step"] in said
    x = leaf("x", 5, 4)
    y = x + tg.nn.Dense(4, 4, tg.tanh, seed=0)(x)
    dot = tg.draw(tg.nn.squared_error(y, np.zeros((5, 4))), view="adjoint", depth=0).dot
    assert Counter(words(dot))["δx"] == 1  # at the end, where all comes together


# --- what the legend says -------------------------------------------------------------------------


def test_the_legend_says_what_is_multiplied_and_along_which_axes():
    dot = tg.draw(transformer()).dot
    below = " ".join(legend(dot)).replace("\N{NO-BREAK SPACE}", " ")
    for text in ("Q Kᵀ, a V", "Σ₁ along axis 1, from 0"):
        assert text in below
    boxes = set(words(dot))
    assert {"Σ₂", "softmax₃"} <= boxes or {"Σ₂", "softmax₂"} <= boxes
    assert any(
        "Σ₃ (δ ∘ a)" in x or "Σ₂ (δ ∘ a)" in x
        for x in words(tg.draw(transformer(), view="adjoint").dot)
    )


def test_the_legend_says_the_shapes_of_what_enters():
    below = " ".join(legend(tg.draw(loop()).dot))
    assert "shapes of parameters: b (3,); W, U (3, 3); V (3, 2)" in below
    assert "shapes of data at each step: t(k) (2,); x(k) (3,)" in below
    _, loss = residual()
    assert "shapes: x (5, 4); b (4,); W (4, 4)" in " ".join(legend(tg.draw(loss).dot))


def loss_said(loss):
    """Return what the legend says of the loss, with plain spaces."""
    lines = " ".join(legend(tg.draw(loss).dot)).replace("\N{NO-BREAK SPACE}", " ")
    return " ".join(lines.split())


def test_the_legend_says_what_drives_the_adjoint_network():
    assert "L is the loss: δL = 1" in " ".join(legend(tg.draw(loop()).dot))
    said = loss_said(loop(whole=True))
    assert "L = 0.5 Σₖ Σ e(k)²; e(k) = y(k) − target(k); δy(k) = ∂L/∂y(k) = e(k)" in said
    assert "comes from the loss" not in said


def test_the_legend_says_the_factor_of_a_loss_and_its_targets():
    z = named(tg.tanh(leaf("x", 2, 3)) @ leaf("W", 3, 3), "z")
    said = loss_said(tg.nn.softmax_cross_entropy(z, [2, 0]))
    assert "L = −0.5 Σ (onehot([2, 0]) ∘ (log softmax(z) along axis 1))" in said
    assert "δz = ∂L/∂z = 0.5 ((softmax(z) along axis 1) − onehot([2, 0]))" in said


def test_a_signal_that_the_network_reads_too_gets_more_than_the_loss_hands_back():
    h, hs = np.zeros((2, 3)), []
    W = leaf("W", 3, 3)
    for _ in tg.steps(T):
        h = named(tg.tanh(RNG.normal(size=(2, 3)) @ W + h @ W), "h")
        hs.append(h)
    said = loss_said(tg.nn.mean_squared_error(tg.stack(hs), np.zeros((T, 2, 3))))
    assert "; ∂L/∂h(k) = (1/12) e(k)" in said and "δh(k) = ∂L/∂h(k) = " not in said
    assert "(1/24) is one divided by 4 steps · 2 rows · 3 columns: a mean." in said


def test_the_legend_names_a_loss_that_has_no_short_equations():
    _, loss = residual()
    assert "∂L/∂y_2 comes from the loss: squared_error" in loss_said(loss)


def test_a_letter_in_the_legend_is_no_name_in_the_picture():
    s, x = leaf("s", 3), leaf("x", 3)
    below = legend(tg.draw(tg.sum(tg.sigmoid(s))).dot)
    assert "σ(z) = 1 / (1 + exp(−z))" in below
    assert "σ(s) = 1 / (1 + exp(−s))" in legend(tg.draw(tg.sum(tg.sigmoid(x))).dot)


def test_the_legend_says_that_a_box_is_a_module():
    below = " ".join(legend(tg.draw(gallery.question(), depth=0).dot))
    assert "the whole module" in below and "branch point" not in below and "slope" not in below


# --- neurons --------------------------------------------------------------------------------------


@pytest.mark.parametrize("bias", [True, False])
def test_what_comes_to_a_neuron_from_several_is_added_first(bias):
    for view in ("forward", "adjoint"):
        dot = tg.draw(loop(bias, whole=True), view=view, level="scalar").dot
        ends = Counter(arrow.head if view == "forward" else arrow.tail for arrow in arrows(dot))
        boxes = [node for node in nodes(dot) if node.look.get("style") == "filled,rounded"]
        assert boxes and all(ends[node.id] == 1 for node in boxes)


def test_every_signal_of_a_neuron_has_its_index():
    dot = tg.draw(loop(whole=True), view="adjoint", level="scalar").dot
    seen = set(words(dot))
    assert {"× (1 − h₁(k)²)", "× (1 − h₃(k)²)", "× y₂(k) ∘ (1 − y₂(k))"} <= seen
    assert "× (1 − h(k)²)" not in seen
    below = legend(dot)
    assert "gradients: δUᵢⱼ = Σₖ hᵢ(k−1) δs_hⱼ(k)" in below


# --- on a slide, and in other programs ------------------------------------------------------------

WIDE = {
    "transformer": (transformer, {}),
    "residual": (lambda: residual(6)[1], {"every_step": True}),
    "gomez": (gallery.gomez, {"values": 1, "digits": 4}),
    "unrolled": (gallery.question, {"fold": False}),
}


@pytest.mark.long
@pytest.mark.parametrize("view", ["forward", "both"])
@pytest.mark.parametrize("name", WIDE)
def test_no_picture_is_wider_than_a_slide(name, view):
    network, options = WIDE[name]
    svg = rendered(tg.draw(network(), view=view, **options).dot, "svg", "dot").decode()
    assert int(re.search(r'width="(\d+)pt"', svg)[1]) * PIXELS <= SLIDE


def test_mermaid_tells_a_matrix_product_from_a_factor():
    dot = tg.draw(gallery.peepholes()).dot
    text = mermaid(rendered(dot, "svg", "dot")).decode()
    assert "▷ W_a" in text and "× p_i" in text and "▷ ×" not in text
    assert fromstring(rendered(dot, "svg", "dot")) is not None
