"""One end for each signal: what stands at an end of a picture is all that comes back there."""

import numpy as np
import pytest

import tinygrad_lstm as tg
from support.pictures import frames, nodes, texts
from support.programs import SMOOTH
from tinygrad_lstm.drawing.draw import _signals
from tinygrad_lstm.drawing.marks import total
from tinygrad_lstm.drawing.outline import outline
from tinygrad_lstm.drawing.skeleton import Arc, Role
from tinygrad_lstm.network.adjoint import alive
from tinygrad_lstm.network.proof import fold_for_reading

T, N = 4, 3
RNG = np.random.default_rng(0)


def leaf(name, *shape):
    return tg.Tensor(RNG.normal(size=shape) * 0.5, requires_grad=True, name=name)


def ends(loss, fold=None, step=None):
    """Return the δ of the arcs that leave the ends where signals are given, by what is written."""
    network, _ = fold_for_reading(tg.graph(loss), fold, 1)
    drawn = outline(network, alive(network))
    _, δ = _signals(network, step)
    by_text = {}
    fed = {arc.head for arc in drawn.arcs}
    for at, vertex in enumerate(drawn.vertices):
        if vertex.role is Role.END and at not in fed:
            (text,) = vertex.forward
            assert text not in by_text, f"two ends {text}"
            (arc,) = [arc for arc in drawn.arcs if arc.tail == at]
            if arc.weight is not None:  # the number at it is that of what comes out of the weight
                arc = Arc(arc.tail, arc.head, wire=vertex.wire, shares=arc.shares)
            by_text[text] = total(arc, δ, step)
    return by_text


def same(one, other):
    return np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("seed", range(20))
def test_the_end_of_a_leaf_has_its_whole_gradient(seed):
    rng = np.random.default_rng(seed)
    signals = [leaf(name, 3, 3) for name in "abc"]
    leaves = [*signals]
    for name in rng.choice([*SMOOTH], 5):
        signals.append(
            SMOOTH[name](tg, *(signals[at] for at in rng.integers(len(signals), size=2)))
        )
    loss = tg.sum(tg.tanh(sum(signals[3:], signals[0])))
    gradients = tg.grad(loss, leaves, allow_unused=True)
    back = ends(loss)
    for x, gradient in zip(leaves, gradients, strict=True):
        if x.name in back and back[x.name] is not None:
            same(back[x.name], gradient.numpy())


def readings(kind):
    """Record a recurrence that reads a sequence at several places."""
    x, W, U, S = leaf("x", T, 2), leaf("W", 2, N), leaf("U", N, N), leaf("S", 2, N)
    h, more = leaf("h", N), 0.0
    for k in tg.steps(T):
        h = tg.tanh(x[k] @ W + h @ U)
        if kind == "twice":
            h = h + x[k] @ S
        if kind == "next" and k < T - 1:
            more = more + tg.sum(h * (x[k + 1] @ S))
        y = h + x[k] @ S if kind in ("last", "all and last") else h
        if kind == "all":
            more = more + tg.sum(h**2)
    if kind == "whole":
        more = tg.sum(tg.tanh(x) ** 2)
    if kind == "two ways":
        for k in tg.steps(range(T - 1, -1, -1)):
            h = tg.tanh(x[k] @ S + h @ U)
        more = tg.sum(h**2)
    return tg.sum(y**2) + more, x


@pytest.mark.parametrize("fold", [None, False], ids=["folded", "unrolled"])
@pytest.mark.parametrize("kind", ["twice", "next", "last", "all", "whole", "two ways"])
def test_the_end_of_a_sequence_has_its_whole_gradient(kind, fold):
    loss, x = readings(kind)
    (gradient,) = tg.grad(loss, [x])
    back = {text: δ for text, δ in ends(loss, fold).items() if text.startswith("x")}
    steps = {f"x[{k}]": gradient.numpy()[k] for k in range(T)}
    expected = [{"x": gradient.numpy()}, {"x(k)": gradient.numpy()}, steps]
    (right,) = [one for one in expected if one.keys() == back.keys()]
    for text, δ in back.items():
        same(δ, right[text])


@pytest.mark.parametrize("step", range(T))
def test_at_one_step_the_end_has_the_gradient_of_this_step(step):
    loss, x = readings("last")
    (gradient,) = tg.grad(loss, [x])
    same(ends(loss, step=step)["x(k)"], gradient.numpy()[step])


def test_a_signal_that_the_loss_reads_twice_has_one_end():
    d, x = tg.nn.Dense(3, 2, seed=1, name="d"), leaf("x", 5, 3)
    y = d(x)
    loss = tg.nn.squared_error(y, np.zeros((5, 2)))
    loss = loss + 0.1 * tg.nn.softmax_cross_entropy(y, np.array([0, 1, 0, 1, 0]))
    dot = tg.draw(loss, view="both").dot
    assert texts(dot)["y"] == 1 and texts(dot)["∂L/∂y"] == 1
    network, _ = fold_for_reading(tg.graph(loss), None, 1)
    drawn = outline(network, alive(network))
    (arc,) = [arc for arc in drawn.arcs if drawn.vertices[arc.head].forward == ("y",)]
    (gradient,) = tg.grad(loss, [y])
    same(total(arc, _signals(network, None)[1], None), gradient.numpy())


# --- a step that is picked ------------------------------------------------------------------------


def many_to_one():
    lstm, dense = tg.nn.LSTM(2, N, seed=0), tg.nn.Dense(N, 1, seed=1)
    return tg.nn.squared_error(dense(lstm(leaf("x", T, 2))[0][-1]), np.zeros(1))


def from_the_state():
    lstm, dense = tg.nn.LSTM(2, N, seed=0), tg.nn.Dense(N, 1, seed=1)
    return tg.nn.squared_error(dense(lstm(leaf("x", T, 2))[1][0]), np.zeros(1))


def encoder_decoder():
    encoder, decoder = (tg.nn.LSTM(2, N, seed=0, name=name) for name in ("encoder", "decoder"))
    out, _ = decoder(leaf("u", 3, 2), encoder(leaf("x", T, 2))[1])
    return tg.nn.squared_error(out, np.zeros((3, N)))


@pytest.mark.parametrize("view", ["forward", "adjoint"])
@pytest.mark.parametrize("network", [many_to_one, from_the_state, encoder_decoder])
def test_the_last_step_stands_on_the_arrow_and_in_no_frame(network, view):
    dot = tg.draw(network(), view=view).dot
    assert texts(dot)["last step"] == (2 if network is encoder_decoder else 1)
    assert not [frame for frame in frames(dot) if frame.startswith("k = ")]
    assert len(set(frames(dot))) == len(frames(dot))
    assert not [node for node in nodes(dot) if "all k" in " ".join(node.lines)]


def test_what_reads_all_steps_reads_them_under_the_name_of_the_sequence():
    lstm, a = tg.nn.LSTM(2, N, seed=0), leaf("a", T)
    H, _ = lstm(leaf("x", T, 2))
    back = texts(tg.draw(tg.sum((tg.tanh(a) @ H) ** 2), view="adjoint").dot)
    assert back["outᵀ"] == 1 and back["out(k)ᵀ"] == 0
