"""Parameters used at several places: each place has a share of the gradient, and says so."""

import numpy as np
import pytest

import tinygrad_lstm as tg
from support.pictures import frames, legend, nodes
from tinygrad_lstm.drawing.draw import _signals
from tinygrad_lstm.drawing.marks import total
from tinygrad_lstm.drawing.outline import outline
from tinygrad_lstm.drawing.skeleton import Role
from tinygrad_lstm.network.adjoint import alive
from tinygrad_lstm.network.proof import fold_for_reading

RNG = np.random.default_rng(0)


def chain(calls, steps=0):
    """Apply one dense layer again and again, in a loop or in none, and another one once."""
    d, once = (tg.nn.Dense(3, 3, tg.tanh, seed=1, name=name) for name in ("d", "once"))
    x = tg.Tensor(RNG.normal(size=(max(steps, 1), 3)), requires_grad=True, name="x")
    y = once(x)
    if steps:
        h, rows = tg.Tensor(np.zeros(3)), once(x)
        for k in tg.steps(steps):
            h = h + rows[k]
            for _ in range(calls):
                h = d(h)
        y = h
    else:
        for _ in range(calls):
            y = d(y)
    return tg.sum(y**2), {"d.b": d.b, "once.b": once.b}


@pytest.mark.parametrize("fold", [None, False], ids=["folded", "unrolled"])
@pytest.mark.parametrize("steps", [0, 3])
@pytest.mark.parametrize("calls", [1, 2, 3])
def test_the_boxes_of_a_parameter_sum_to_its_gradient_and_a_box_alone_is_it(calls, steps, fold):
    loss, biases = chain(calls, steps)
    network, _ = fold_for_reading(tg.graph(loss), fold, 1)
    drawn = outline(network, alive(network))
    _, δ = _signals(network, None)
    for name, bias in biases.items():
        (gradient,) = tg.grad(loss, [bias])
        at = [i for i, v in enumerate(drawn.vertices) if v.role is Role.ALIAS and v.name == name]
        shares = [total(arc, δ, None) for arc in drawn.arcs if arc.tail in at]
        whole = sum(share.reshape(-1, 3).sum(axis=0) for share in shares)
        np.testing.assert_allclose(whole, gradient.numpy(), rtol=1e-12)
        texts = {drawn.vertices[i].adjoint for i in at}
        assert texts == ({("δb",)} if len(at) == 1 else {("share", "of δb")})
        assert any(name in note for note in drawn.notes) == (len(at) > 1)


def test_a_module_that_is_used_again_says_which_it_is():
    loss, _ = chain(3)
    dot = tg.draw(loss).dot
    assert {"d", "d_2: d again", "d_3: d again", "once"} <= {*frames(dot)}
    assert "d.b, d.W: used at 3 places; the gradient is the sum of the shares" in " ".join(
        legend(dot)
    )
    boxes = [node.lines for node in nodes(tg.draw(loss, depth=0).dot)]
    assert ["d_2: d again"] in boxes and ["d"] in boxes


def test_two_modules_of_one_name_are_two():
    x = tg.Tensor(np.ones(3), requires_grad=True, name="x")
    one, other = (tg.nn.Dense(3, 3, seed=seed, name="d") for seed in (1, 2))
    dot = tg.draw(tg.sum(other(one(x)) ** 2)).dot
    assert not any("again" in frame for frame in frames(dot))
    assert not any("places" in line for line in legend(dot))
