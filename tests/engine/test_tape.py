"""Holds the walk along the tape to its order, its cost, and to giving back what nobody keeps."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

import tinygrad_lstm as tg
from support import laws
from tinygrad_lstm.engine.tape import history, leading_to
from tinygrad_lstm.errors import ChangedError


def leaf(value, name=None):
    return tg.Tensor(value, requires_grad=True, name=name)


# --- order --------------------------------------------------------------------------------------


def test_history_is_the_latest_first():
    x = leaf(1.0)
    y = x * x
    z = y + x
    assert history([z]) == [z, y, x]


def test_history_holds_only_what_a_gradient_flows_through():
    x, c = leaf(1.0), tg.Tensor(2.0)
    d = c * c
    y = x * d
    assert history([y]) == [y, x]


def test_whole_history_holds_the_constants_too():
    x, c = leaf(1.0), tg.Tensor(2.0)
    y = x * c
    assert history([y], everything=True) == [y, c, x]


def test_history_holds_a_shared_signal_once():
    x = leaf(1.0)
    assert len(history([x * x + x * x])) == 4


def test_leading_to_leaves_out_what_does_not_depend_on_it():
    x, w = leaf(1.0), leaf(2.0)
    a, b = tg.tanh(x), tg.tanh(w)
    y = a * b
    assert leading_to({w}, history([y])) == [y, b, w]


def test_diamond_is_walked_once():
    x = leaf(3.0)
    y = x * x
    for _ in range(60):  # 2^60 paths
        y = y * 0.5 + y * 0.5
    y.backward()
    assert x.grad == 6.0


@pytest.mark.long
def test_chain_of_a_million_nodes_differentiates():
    x = leaf(1.0)
    y = x
    for _ in range(10**6):
        y = -y
    y.backward()
    assert x.grad == 1.0


# --- cost ---------------------------------------------------------------------------------------


def count_buffers(monkeypatch, shape):
    """Return a list that grows by one whenever NumPy makes zeros of a shape."""
    made, zeros = [], np.zeros

    def counting(size, *args, **options):
        made.extend([size] * (size == shape))
        return zeros(size, *args, **options)

    monkeypatch.setattr(np, "zeros", counting)
    return made


def slices(x):
    return sum(((k + 1.0) * tg.tanh(x[k]).sum() for k in range(len(x))), start=0.0)


def unstacked(x):
    return tg.stack([tg.tanh(part) for part in tg.unstack(x)][::-1]).sum()


@pytest.mark.parametrize("fn", [slices, unstacked])
def test_steps_of_a_sequence_share_one_buffer(monkeypatch, fn):
    x = leaf(np.full((50, 3), 0.1))
    loss = fn(x)
    made = count_buffers(monkeypatch, (50, 3))
    loss.backward()
    assert len(made) == 1


def test_number_of_rules_run_is_the_number_of_nodes(monkeypatch):
    ran = []
    pull = tg.tanh.pull
    monkeypatch.setattr(tg.tanh, "pull", lambda *args: ran.append(1) or pull(*args))
    y = x = leaf(0.1)
    for _ in range(20):
        y = tg.tanh(y) + x
    y.backward()
    assert len(ran) == 20


@pytest.mark.parametrize("shapes", [(3,), (2, 3), (4, 2, 3)], ids=str)
def test_gradient_of_a_weight_shared_by_many_rows(shapes):
    """More rows come together than are stacked at once."""
    steps = 600
    W = leaf(laws.draw((3, 2)))
    xs, cs = laws.draw((steps, *shapes)), laws.draw((steps, *shapes[:-1], 2), 1)
    sum(((x @ W) * c).sum() for x, c in zip(xs, cs, strict=True)).backward()
    expected = xs.reshape(-1, 3).T @ cs.reshape(-1, 2)
    laws.near(W.grad, expected, 1e-12)


def test_shared_weight_that_is_used_in_other_ways_too():
    W, x = leaf(laws.draw((3, 3))), laws.draw((700, 3))
    ((x @ W).sum() + (W * W).sum() + (W @ W).sum() + W.T[0].sum()).backward()
    first = np.zeros((3, 3))
    first[:, 0] = 1  # W.T[0] is the first column
    ones = np.ones((3, 3))
    expected = x.T @ np.ones((700, 3)) + 2 * W.data + ones @ W.data.T + W.data.T @ ones + first
    laws.near(W.grad, expected, 1e-12)


# --- what changed in between --------------------------------------------------------------------


def halve(x):
    x.data = 0.5 * x.data


def subtract(x):
    x.data -= 1.0


def descend(x):
    x.grad = np.ones(x.shape)
    tg.optim.SGD([x], 0.1).step()


@pytest.mark.parametrize("change", [halve, subtract, descend])
def test_parameter_that_changed_is_caught_and_named(change):
    w = leaf([1.0, 2.0], "net.w")
    loss = (w * w).sum()
    change(w)
    before = None if w.grad is None else w.grad.copy()
    with pytest.raises(ChangedError, match=r"net\.w was replaced after hadamard used it"):
        loss.backward()
    assert w.grad is None or (w.grad == before).all()


def test_input_that_changed_is_caught_and_named():
    w, x = leaf([1.0, 2.0]), tg.Tensor([3.0, 4.0], name="x")
    loss = (w * x).sum()
    x.data = [0.0, 0.0]
    with pytest.raises(ChangedError, match="data of x was replaced"):
        loss.backward()


def test_change_is_caught_by_grad_and_by_a_second_backward():
    w = leaf([1.0, 2.0], "w")
    loss = (w * w).sum()
    loss.backward()
    w.data = w.data - 0.1 * w.grad
    with pytest.raises(ChangedError, match="w was replaced"):
        loss.backward()
    with pytest.raises(ChangedError, match="w was replaced"):
        tg.grad(loss, w)


def test_forward_pass_run_again_after_a_change_is_fine():
    w = leaf(3.0)
    w.data = 4.0
    (w * w).backward()
    assert w.grad == 8.0


def test_change_of_something_else_is_fine():
    w, other = leaf(3.0), leaf(1.0)
    loss = w * w
    other.data = 2.0
    loss.backward()
    assert w.grad == 6.0


# --- what is given back -------------------------------------------------------------------------


@pytest.fixture
def no_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def keep(loss, x):
    pass


def backward(loss, x):
    loss.backward()


def backward_twice(loss, x):
    loss.backward()
    loss.backward()


def second_derivative(loss, x):
    (slope,) = tg.grad(loss, [x], create_graph=True)
    slope.sum().backward()


def retain(loss, x):
    loss.retain_grad().backward()


def refuse(loss, x):
    x.data = x.data * 2
    with pytest.raises(ChangedError):
        loss.backward()


@pytest.mark.parametrize("use", [keep, backward, backward_twice, second_derivative, retain, refuse])
def test_graph_that_is_dropped_is_freed_at_once(no_collector, use):
    x = leaf([1.0, 2.0])
    y = tg.tanh(x)
    seen = weakref.ref(y)
    loss = (y * x).sum()
    use(loss, x)
    del y, loss
    assert seen() is None


def test_network_that_is_dropped_is_freed_at_once(no_collector):
    lstm, dense = tg.nn.LSTM(2, 3), tg.nn.Dense(3, 1)
    out, (last, state) = lstm(np.zeros((4, 5, 2)))
    loss = tg.nn.squared_error(dense(last), np.zeros((5, 1)))
    loss.backward()
    seen = [weakref.ref(each) for each in (out, last, state, loss)]
    del out, last, state, loss
    assert [each() for each in seen] == [None] * 4


def test_nothing_that_is_still_held_is_freed():
    x = leaf([1.0, 2.0])
    y = tg.tanh(x)
    loss = y.sum()
    loss.backward()
    assert (y.inputs, loss.inputs) == ((x,), (y,))


# --- what an earlier pass computed --------------------------------------------------------------


def carry_a_state():
    lstm = tg.nn.LSTM(1, 2, seed=0)
    update, state = tg.optim.SGD(lstm.parameters(), lr=0.1), None
    for _ in range(2):
        out, state = lstm(np.ones((3, 1)), state)
        loss = out.sum()
        yield loss
        update.step()


def carry_a_mean():
    w, mean = leaf([1.0, 2.0], "w"), 0.0
    for _ in range(2):
        y = (w * w).sum()
        mean = 0.9 * mean + 0.1 * y
        mean.name = "mean"
        yield y - mean
        w.data -= 0.1


def keep_an_embedding():
    w = leaf([1.0, 2.0], "w")
    embedding = tg.tanh(w)
    embedding.name = "embedding"
    for _ in range(2):
        yield (embedding * w).sum()
        w.data = [1.0, 1.0]


USES = {"lstm.out[2]": carry_a_state, "mean": carry_a_mean, "embedding": keep_an_embedding}
DIFFERENTIATIONS = {
    "backward": lambda loss: loss.backward(),
    "grad": lambda loss: tg.grad(loss, [each for each in history([loss]) if not each.inputs]),
    "graph": tg.graph,
}


@pytest.mark.parametrize(("name", "program"), USES.items(), ids=USES.keys())
@pytest.mark.parametrize("ask", DIFFERENTIATIONS.values(), ids=DIFFERENTIATIONS.keys())
def test_tensor_of_an_earlier_pass_is_named_with_the_remedy(name, program, ask):
    passes = program()
    next(passes).backward()
    with pytest.raises(ChangedError) as caught:
        ask(next(passes))
    for fact in (f"{name}, computed before the data of ", ".detach()", "stateful=True"):
        assert fact in str(caught.value)


def test_state_that_is_detached_is_carried_on():
    lstm = tg.nn.LSTM(1, 2, seed=0)
    update, state = tg.optim.SGD(lstm.parameters(), lr=0.1), None
    for _ in range(3):
        out, state = lstm(np.ones((3, 1)), state)
        out.sum().backward()
        update.step()
        state = tuple(each.detach() for each in state)


@pytest.mark.parametrize("seed", range(30))
def test_whatever_uses_an_earlier_pass_names_a_tensor_of_that_pass(seed):
    rng = np.random.default_rng(seed)
    leaves = [leaf(rng.normal(), f"w{k}") for k in range(3)]
    old = list(leaves)
    for k in range(rng.integers(2, 12)):
        old.append(tg.tanh(old[rng.integers(len(old))] + old[rng.integers(len(old))]))
        old[-1].name = f"old{k}"
    changed = leaves[rng.integers(3)]
    changed.data = 1.0
    new = [*leaves, *old]
    for k in range(rng.integers(1, 8)):
        new.append(new[rng.integers(len(new))] * new[rng.integers(len(new))])
        new[-1].name = f"new{k}"
    loss = new[-1]
    stale = [
        node
        for node in history([loss], everything=True)
        if (node.name or "").startswith("old") and changed in history([node], everything=True)
    ]
    if not stale:
        loss.backward()
        return
    with pytest.raises(ChangedError) as caught:
        loss.backward()
    assert str(caught.value).split(",")[0] in {node.name for node in stale}
