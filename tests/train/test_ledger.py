"""Holds the shares of a gradient to derivations by hand, to other passes and to their sum."""

import tracemalloc

import numpy as np
import pytest

import tinygrad_lstm as tg
from support.networks import network
from tinygrad_lstm import nn
from tinygrad_lstm.derivations import question
from tinygrad_lstm.errors import ArgumentError, GradientError, PackageError, SignalError, UsageError


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def question_network(T=5):
    lstm, dense = nn.LSTM(2, 4, seed=0), nn.Dense(4, 1, tg.sigmoid, seed=1)
    x, y = numbers(T, 2), numbers(T, 1, seed=1)
    p = dict(W=lstm.W.numpy(), U=lstm.U.numpy(), v=lstm.b.numpy(), w=dense.W.numpy(),
             b=dense.b.numpy())  # fmt: skip
    return lstm, dense, x, y, p


# --- by the step ----------------------------------------------------------------------------------


def test_the_shares_are_those_derived_by_hand():
    lstm, dense, x, y, p = question_network()
    loss = nn.squared_error(dense(lstm(x)[0]), y)
    r, hand = question.forward(x, y, p), question.backward(x, y, p)
    δ = np.concatenate([hand[f"δ{gate}"] for gate in "aifo"], axis=1)
    before = np.concatenate([np.zeros((1, 4)), r["H"][:-1]])
    expected = {
        "lstm.U": before[:, :, None] * δ[:, None, :],
        "lstm.W": x[:, :, None] * δ[:, None, :],
        "lstm.b": δ,
        "lstm.U.f": before[:, :, None] * hand["δf"][:, None, :],
        "dense.W": r["H"][:, :, None] * hand["δz"][:, None, :],
        "dense.b": hand["δz"],
    }
    for name, shares in expected.items():
        found = tg.ledger(loss, name)
        assert found.steps == (0, 1, 2, 3, 4) and found.rest is None
        np.testing.assert_allclose(found.array, shares, rtol=0, atol=1e-15, err_msg=name)


LAYERS = {
    "LSTM": lambda: nn.LSTM(2, 3, seed=0),
    "LSTM with peepholes": lambda: nn.LSTM(2, 3, peephole=True, seed=0),
    "projected": lambda: nn.LSTM(2, 3, proj_size=2, seed=0),
    "memory blocks": lambda: nn.MemoryBlocks(2, 2, 2, seed=0),
    "GRU": lambda: nn.GRU(2, 3, seed=0),
    "RNN": lambda: nn.RNN(2, 3, seed=0),
    "stack": lambda: nn.LSTM(2, 3, 2, seed=0),
    "both directions": lambda: nn.LSTM(2, 3, bidirectional=True, seed=0),
    "stack in both directions": lambda: nn.GRU(2, 3, 2, bidirectional=True, seed=0),
    "learned start": lambda: nn.LSTM(2, 3, initial="learned", seed=0),
}


@pytest.mark.parametrize("by", ["step", "loss"])
@pytest.mark.parametrize("lengths", [None, [5, 2, 4]], ids=["full", "padded"])
@pytest.mark.parametrize("kind", LAYERS)
def test_the_shares_add_up_to_the_gradient(kind, lengths, by):
    layer = LAYERS[kind]()
    layer.place.name = "layer"
    out, _ = layer(numbers(5, 3, 2), lengths=lengths)
    dense = nn.Dense(out.shape[-1], 1, "tanh", seed=1)
    loss = nn.squared_error(dense(out), numbers(5, 3, 1))
    loss.backward()
    for module in (layer, dense):
        for _, parameter in module.named_parameters():
            if by == "step" and "_0" in parameter.name:
                continue  # an initial value belongs to no step
            found = tg.ledger(loss, parameter.label(), by)
            assert len({*found.steps}) == 5, parameter.label()
            np.testing.assert_allclose(found.gradient, parameter.grad, rtol=0, atol=1e-14)
            if parameter.name in ("U", "W") and module is dense:
                assert found.array.shape == (5, *parameter.shape)


@pytest.mark.parametrize("kind", LAYERS)
def test_the_shares_of_a_batch_are_the_sums_of_those_of_its_items(kind):
    layer, x, target = LAYERS[kind](), numbers(5, 3, 2), numbers(5, 3, 1)
    layer.place.name = "layer"
    dense = nn.Dense(layer(x)[0].shape[-1], 1, "tanh", seed=1)

    def shares(items, name):
        return tg.ledger(nn.squared_error(dense(layer(x[:, items])[0]), target[:, items]), name)

    for parameter in [*layer.parameters(), *dense.parameters()]:
        if "_0" in parameter.name:
            continue  # an initial value belongs to no step
        name = parameter.label()
        whole, singles = shares(slice(None), name), [shares(n, name) for n in range(3)]
        order = [singles[0].steps.index(step) for step in whole.steps]
        expected = sum(single.array for single in singles)[order]
        np.testing.assert_allclose(whole.array, expected, rtol=0, atol=1e-14, err_msg=name)


def own_loop(loss_of, T=4):
    """Return the loss of a recurrence of one's own, and its weight."""
    w = tg.Tensor(numbers(3, 3) / 2, requires_grad=True, name="w")
    x = tg.Tensor(numbers(T, 2, 3, seed=1), name="x")
    return loss_of(w, x, T), w


def summed_in_a_list(w, x, T):
    h, losses = x[0], []
    for k in tg.steps(T):
        h = tg.tanh(x[k] + h @ w)
        losses.append(tg.sum(h * h))
    return sum(losses)


def summed_in_the_loop(w, x, T):
    h, total = x[0], tg.Tensor(0.0)
    for k in tg.steps(T):
        h = tg.tanh(x[k] + h @ w)
        total = total + tg.sum(h * h)
    return total


def stacked(w, x, T):
    h, outs = x[0], []
    for k in tg.steps(T):
        h = tg.tanh(x[k] + h @ w)
        outs.append(h)
    return tg.sum(tg.square(tg.stack(outs)))


def masked(w, x, T):
    return stacked(w * np.tri(3), x, T)


def two_taps(w, x, T):
    """Read each row of x w at two steps, as an FIR filter does."""
    xw, losses = x @ w, []
    for k in tg.steps(range(1, T)):
        losses.append(tg.sum(tg.square(tg.tanh(xw[k] + xw[k - 1]))))
    return sum(losses)


def backwards(w, x, T):
    h, losses = x[0], []
    for k in tg.steps(range(T - 1, -1, -1)):
        h = tg.tanh(x[k] + h @ w.T)
        losses.append(tg.sum(h * h))
    return sum(losses)


def with_parts(w, x, T):
    h, losses = x[0], []
    for k in tg.steps(T):
        h = tg.tanh(x[k] + h @ tg.concatenate([w[:, :1], w[:, 1:]], axis=1) + w[0])
        losses.append(tg.sum(h * h))
    return sum(losses)


LOOPS = [summed_in_a_list, summed_in_the_loop, stacked, masked, two_taps, backwards, with_parts]


@pytest.mark.parametrize("by", ["step", "loss"])
@pytest.mark.parametrize("loop", LOOPS, ids=lambda loop: loop.__name__)
def test_loops_of_ones_own_are_split(loop, by):
    loss, w = own_loop(loop)
    loss.backward()
    found = tg.ledger(loss, "w", by)
    assert found.steps == ((1, 2, 3) if loop is two_taps else (0, 1, 2, 3))
    np.testing.assert_allclose(found.gradient, w.grad, rtol=0, atol=1e-14)


IN_STEPS = [loop for loop in LOOPS if loop not in (masked, two_taps)]  # where the weight is read


@pytest.mark.parametrize("loop", IN_STEPS, ids=lambda loop: loop.__name__)
def test_a_share_is_the_gradient_of_a_copy_that_one_step_alone_uses(loop):
    """Give each step a weight of its own, of the same numbers: its gradient is the share."""
    loss, w = own_loop(loop)
    found = tg.ledger(loss, "w")

    class Copies:
        """A weight of which each step reads a copy."""

        def __init__(self):
            self.of = [tg.Tensor(w.numpy(), requires_grad=True) for _ in range(4)]

        def here(self):
            return self.of[tg.engine.place.here.get().step]

        T = property(lambda self: self.here().T)

        def __getitem__(self, index):
            return self.here()[index]

    copies = Copies()
    x = tg.Tensor(numbers(4, 2, 3, seed=1), name="x")
    original = tg.Tensor.__matmul__
    try:
        tg.Tensor.__matmul__ = lambda a, b: original(a, b.here() if b is copies else b)
        loop(copies, x, 4).backward()
    finally:
        tg.Tensor.__matmul__ = original
    for share, copy in zip(found.array, copies.of, strict=True):
        np.testing.assert_allclose(share, copy.grad, rtol=0, atol=1e-14)


def test_a_weight_with_a_mask_has_the_shares_of_what_the_steps_read():
    loss, w = own_loop(masked)
    masks = np.tri(3)
    read = tg.Tensor(w.numpy() * masks, requires_grad=True, name="w")
    x = tg.Tensor(numbers(4, 2, 3, seed=1), name="x")
    expected = masks * tg.ledger(stacked(read, x, 4), "w").array
    np.testing.assert_allclose(tg.ledger(loss, "w").array, expected, rtol=0, atol=1e-14)


def test_a_row_that_two_steps_read_has_a_share_of_each():
    loss, w = own_loop(two_taps)
    x = numbers(4, 2, 3, seed=1)
    for k, share in zip((1, 2, 3), tg.ledger(loss, "w").array, strict=True):
        y = np.tanh((x[k] + x[k - 1]) @ w.numpy())
        expected = (x[k] + x[k - 1]).T @ (2 * y * (1 - y**2))
        np.testing.assert_allclose(share, expected, rtol=0, atol=1e-13)


def test_a_penalty_belongs_to_no_step():
    loss, w = own_loop(summed_in_a_list)
    whole = loss + 0.5 * tg.sum(w * w)
    found, without = tg.ledger(whole, "w"), tg.ledger(loss, "w")
    np.testing.assert_allclose(found.rest, w.numpy(), rtol=1e-15)
    np.testing.assert_array_equal(found.array, without.array)
    whole.backward()
    np.testing.assert_allclose(found.gradient, w.grad, rtol=1e-13)
    assert "in no step" in str(found)


def test_memory_grows_with_the_steps_and_not_with_their_square():
    def peak(T):
        loss, _ = network(T)
        tracemalloc.start()
        tg.ledger(loss, "lstm.W")
        try:
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(800) < 6 * peak(200)


# --- by the loss ----------------------------------------------------------------------------------


def test_by_the_loss_is_the_gradient_of_each_steps_loss():
    lstm, dense, x, y, _ = question_network()
    loss = nn.squared_error(dense(lstm(x)[0]), y)
    found = tg.ledger(loss, "lstm.out", by="loss")
    assert found.array.shape == (5, 5, 4) and found.columns == (0, 1, 2, 3, 4)
    of_U = tg.ledger(loss, "lstm.U", by="loss")
    of_dense = tg.ledger(loss, "dense.W", by="loss")
    for s in range(5):
        one = nn.squared_error(dense(lstm(x)[0])[s], y[s])
        known = tg.signals(one)
        for k in range(5):
            expected = known[f"lstm.out[{k}]"].gradient if k <= s else np.zeros(4)
            np.testing.assert_allclose(found.array[s, k], expected, rtol=0, atol=1e-15)
        np.testing.assert_allclose(of_U.array[s], known["lstm.U"].gradient, rtol=0, atol=1e-15)
        np.testing.assert_allclose(of_dense.array[s], known["dense.W"].gradient, rtol=0, atol=1e-15)
    np.testing.assert_allclose(
        found.gradient, tg.signals(loss)["lstm.out"].gradient, rtol=0, atol=1e-15
    )


def test_a_gate_is_a_signal_of_all_steps():
    loss, _ = network(4, (2,))
    found = tg.ledger(loss, "lstm.s_f", by="loss")
    assert found.array.shape == (4, 4, 2, 4)
    np.testing.assert_allclose(found.gradient, tg.signals(loss)["lstm.s_f"].gradient, atol=1e-15)


def test_a_loss_of_the_last_step_has_one_row():
    lstm, dense, x, y, _ = question_network()
    _, (out, _) = lstm(x)
    found = tg.ledger(nn.squared_error(dense(out), y[-1]), "lstm.out", by="loss")
    assert found.steps == (4,) and found.columns == (0, 1, 2, 3, 4)


def test_it_says_how_far_the_loss_reaches():
    with tg.scope("cell"):
        h, outs = tg.Tensor(np.ones(2), requires_grad=True), []
        for _ in tg.steps(12):
            h = h * 0.2
            h.name = "h"
            outs.append(h)
    found = tg.ledger(tg.sum(tg.stack(outs)), "cell.h", by="loss")
    np.testing.assert_allclose(found.norms[7, 5], np.sqrt(2) * 0.04)
    assert found.says.startswith("The loss of a step reaches 2 steps back")


# --- the sentence ---------------------------------------------------------------------------------


def test_it_names_the_steps_that_cancel():
    w = tg.Tensor([1.0, 2.0], requires_grad=True, name="w")
    factors, losses = [1.0, 2.0, 1.5, -3.0, 0.5], []
    for k in tg.steps(5):
        losses.append(tg.sum(w * np.array([factors[k], 0.0])))
    found = tg.ledger(sum(losses), "w")
    np.testing.assert_allclose(found.parts, np.array(factors) / 2)
    assert "75% cancels" in found.says
    assert "Step 3 points against the sum." in found.says
    assert "Steps 1 and 3 cancel most of each other (cosine -1.00)" in found.says


def test_it_says_which_steps_are_not_finite():
    w = tg.Tensor([1.0], requires_grad=True, name="w")
    factors = [1.0, np.inf, np.nan]
    found = tg.ledger(sum(tg.sum(w * np.array([factors[k]])) for k in tg.steps(3)), "w")
    assert found.says == "Not finite: what steps 1 and 2 add."


def test_it_says_that_nothing_is_added():
    loss, _ = own_loop(summed_in_a_list)
    assert tg.ledger(loss * 0.0, "w").says == "No step adds anything to the gradient of w."


@pytest.mark.parametrize("by", ["step", "loss"])
def test_a_culled_weight_has_no_share_as_it_has_no_gradient(by):
    lstm, dense = nn.LSTM(2, 3, seed=0), nn.Dense(3, 1, seed=1)
    tg.cull(lstm, share=0.5)
    loss = nn.squared_error(dense(lstm(numbers(5, 2))[0]), np.ones((5, 1)))
    loss.backward()
    found = tg.ledger(loss, "lstm.U", by)
    assert not found.array[:, ~lstm.U.mask].any() and found.array[:, lstm.U.mask].any()
    np.testing.assert_allclose(found.gradient, lstm.U.grad, rtol=0, atol=1e-15)


# --- what bad input gets --------------------------------------------------------------------------


def test_what_cannot_be_split_is_refused():
    loss, _ = network()
    for name, by, kind, says in [
        ("lstm.u", "step", SignalError, "nearest names are: lstm.U"),
        ("lstm.out", "step", UsageError, "by='loss'"),
        ("lstm.out[1]", "step", UsageError, "belongs to one step"),
        (loss.label(), "step", UsageError, "is computed from signals of all steps"),
        (loss.label(), "loss", UsageError, "is computed from signals of all steps"),
        ("lstm.U", "steps", ArgumentError, "must be one of 'step', 'loss'"),
        (3, "step", UsageError, "must be a string"),
    ]:
        with pytest.raises(kind, match=says.replace("[", r"\[")):
            tg.ledger(loss, name, by)
    w = tg.Tensor([1.0], requires_grad=True, name="w")
    with pytest.raises(UsageError, match="is used in no step"):
        tg.ledger(tg.sum(w * w), "w")
    with pytest.raises(UsageError, match="reads no step"):
        tg.ledger(tg.sum(w * w), "w", by="loss")
    with pytest.raises(UsageError, match="requires no gradient"):
        tg.ledger(own_loop(stacked)[0], "x")
    with pytest.raises(GradientError, match="depends on no leaf"):
        tg.ledger(tg.Tensor(1.0), "x")


def test_a_compiled_loss_has_no_steps():
    lstm = nn.LSTM(2, 3, seed=0)
    step = tg.compile(lambda x: tg.sum(lstm(x)[0]))
    with pytest.raises(UsageError, match="compiled loss has none"):
        tg.ledger(step(numbers(3, 2)), "lstm.U")


# --- shown ----------------------------------------------------------------------------------------


def test_the_table_shows_the_largest_steps():
    loss, _ = network(30)
    text = str(tg.ledger(loss, "lstm.U"))
    assert text.startswith("dlstm.U = Σₖ dlstm.U(k), what its use at step k adds")
    assert "(18 steps of smaller norms are not shown)" in text


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
@pytest.mark.parametrize(("name", "by"), [("lstm.U", "step"), ("lstm.out", "loss")])
def test_it_draws_a_heat_map(tmp_path, name, by, suffix):
    pytest.importorskip("matplotlib")
    found = tg.ledger(network(6)[0], name, by)
    path = found.draw(tmp_path / f"map{suffix}")
    assert path.stat().st_size > 5000
    if suffix == ".png":
        axes = found.draw().axes[0]
        shown = np.asarray(axes.images[0].get_array().filled(0.0))
        expected = found.norms if by == "loss" else np.linalg.norm(found.array, axis=1)
        np.testing.assert_allclose(shown, expected)
        assert found._repr_html_().count("<img") == 1


def test_without_matplotlib_there_is_text(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    found = tg.ledger(network()[0], "lstm.U")
    with pytest.raises(PackageError, match="pip install"):
        found.draw()
    assert found._repr_html_().startswith("<pre>") and "<img" not in found._repr_html_()


def test_a_wrong_path_is_refused(tmp_path):
    found = tg.ledger(network()[0], "lstm.U")
    with pytest.raises(ArgumentError, match="has the suffix"):
        found.draw(tmp_path / "map.doc")
    assert not list(tmp_path.iterdir())
