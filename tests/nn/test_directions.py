"""Holds running over time to what follows from running one layer one way by hand."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import tinygrad_lstm as tg
from support import laws
from tinygrad_lstm.errors import ArgumentError, ShapeError, UsageError
from tinygrad_lstm.network.signals import Signals
from tinygrad_lstm.nn import GRU, LSTM, RNN, Equations, MemoryBlocks, Recurrent, Sequential

T, B, IN, H = 6, 4, 3, 2
LENGTHS = [3, 6, 1, 4]  # unsorted

MAKERS = {
    "LSTM": lambda **more: LSTM(IN, H, seed=1, **more),
    "LSTM, peepholes": lambda **more: LSTM(IN, H, seed=1, peephole=True, **more),
    "LSTM, projected": lambda **more: LSTM(IN, H, seed=1, proj_size=1, **more),
    "memory blocks": lambda **more: MemoryBlocks(IN, 2, 2, seed=1, **more),
    "GRU": lambda **more: GRU(IN, H, seed=1, **more),
    "GRU, reset before": lambda **more: GRU(IN, H, seed=1, reset_after=False, **more),
    "RNN": lambda **more: RNN(IN, H, seed=1, **more),
}
EVERY = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())
SHAPES = {
    "one layer": dict(),
    "both directions": dict(bidirectional=True),
    "stack": dict(num_layers=2),
    "stack, both directions": dict(num_layers=2, bidirectional=True),
}
EVERY_SHAPE = pytest.mark.parametrize("more", SHAPES.values(), ids=SHAPES.keys())


def lasts(last):
    return last if isinstance(last, tuple) else (last,)


def states(layer, batch=(B,), seed=5, requires_grad=False):
    """Return drawn initial states for a layer, in the form in which it takes them."""
    count = layer.num_layers * (1 + layer.bidirectional)
    lead = (count,) if count > 1 else ()
    drawn = tuple(
        tg.Tensor(laws.draw((*lead, *batch, size), seed + n), requires_grad=requires_grad)
        for n, size in enumerate(layer.equations.sizes)
    )
    return drawn if len(drawn) > 1 else drawn[0]


def gradients(layer):
    found = {name: each.grad for name, each in layer.named_parameters()}
    layer.zero_grad()
    return found


def same(found, expected, tolerance=1e-13):
    assert found.keys() == expected.keys()
    for name in expected:
        laws.near(found[name], expected[name], tolerance)


# --- directions and stacks ----------------------------------------------------------------------


@EVERY
def test_a_backward_direction_is_the_same_on_the_reversed_sequence(make):
    both, x = make(bidirectional=True), laws.draw((T, B, IN))
    ((forward, backward),) = both.layers
    width, start = both.equations.sizes[0], states(both)
    out, last = both(x, start)
    for n, (way, order) in enumerate([(forward, slice(None)), (backward, slice(None, None, -1))]):
        alone = make()
        alone.load_state_dict(way.state_dict())
        mine = tuple(each[n] for each in lasts(start))
        expected, end = alone(x[order], mine if len(mine) > 1 else mine[0])
        laws.near(out.data[..., n * width : (n + 1) * width], expected.data[order], 1e-14)
        for each, other in zip(lasts(last), lasts(end), strict=True):
            laws.near(each.data[n], other.data, 1e-14)


@EVERY
def test_a_stack_is_one_layer_on_the_other(make):
    x, stack = laws.draw((T, B, IN)), make(num_layers=3)
    start = states(stack)
    out, last = stack(x, start)
    seen = tg.Tensor(x)
    for n, layer in enumerate(stack.layers):
        alone = Recurrent(stack.equations, seen.shape[-1])
        alone.load_state_dict(layer.state_dict())
        mine = tuple(each[n] for each in lasts(start))
        seen, end = alone(seen, mine if len(mine) > 1 else mine[0])
        for each, other in zip(lasts(last), lasts(end), strict=True):
            laws.near(each.data[n], other.data, 1e-14)
    laws.near(out.data, seen.data, 1e-14)


@EVERY
@EVERY_SHAPE
def test_the_adjoint_network_gives_what_backward_gives(make, more):
    layer, x = make(**more), tg.Tensor(laws.draw((3, B, IN)), requires_grad=True, name="x")
    out, last = layer(x, states(layer), lengths=[2, 3, 1, 3])
    loss = (out * laws.draw(out.shape, 1)).sum() + sum(each.sum() for each in lasts(last))
    loss.backward()
    adjoint, names = tg.graph(loss).adjoint().evaluate(), Signals(loss).names
    for each in (x, *layer.parameters()):
        laws.near(adjoint[f"δ{names[each]}"], each.grad, 1e-13)


@EVERY
@EVERY_SHAPE
@pytest.mark.parametrize("truncate", [None, 2])
@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "padded"])
def test_all_of_it_folds_and_the_fold_gives_what_backward_gives(make, more, truncate, lengths):
    layer = make(truncate=truncate, initial="learned", **more)
    out, last = layer(laws.draw((T, B, IN)), lengths=lengths)
    loss = (out * laws.draw(out.shape, 1)).sum() + sum(each.sum() for each in lasts(last))
    loss.backward()
    folded, names = tg.graph(loss).fold(), Signals(loss).names
    ways = layer.num_layers * (1 + layer.bidirectional)
    assert f"folded over {' and '.join([str(T)] * ways)} steps" in repr(folded)
    found = folded.adjoint().evaluate()
    for each in layer.parameters():
        laws.near(found[f"δ{names[each]}"], each.grad, 1e-13)
    assert tg.compare(loss, {names[each]: each.grad for each in layer.parameters()}).ok


@EVERY
@pytest.mark.parametrize("layers", [1, 3])
def test_steps_may_be_taken_in_two_runs_and_gradients_go_through(make, layers):
    x, layer = laws.draw((T, B, IN)), make(num_layers=layers)
    out, last = layer(x)
    out[-1].sum().backward()
    whole = gradients(layer)
    _, state = layer(x[:2])
    again, last_again = layer(x[2:], state)
    again[-1].sum().backward()
    laws.near(again.data, out.data[2:], 1e-14)
    for each, other in zip(lasts(last_again), lasts(last), strict=True):
        laws.near(each.data, other.data, 1e-14)
    same(gradients(layer), whole)


def test_names_in_stacks_and_directions():
    x = laws.draw((3, IN))
    one = Signals(LSTM(IN, H, bidirectional=True)(x)[0]).by_name
    assert {
        "lstm.forward.W", "lstm.backward.W.i", "lstm.forward.state[-1]", "lstm.backward.state[3]",
        "lstm.backward.out[0]", "lstm.backward.s_f[2]",
    } <= set(one)  # fmt: skip
    deep = Signals(GRU(IN, H, num_layers=2, bidirectional=True, name="net")(x)[0]).by_name
    assert {"net.layers.0.forward.U.r", "net.layers.1.backward.out[3]"} <= set(deep)
    stack = Signals(LSTM(IN, H, num_layers=2)(x)[1][1]).by_name
    assert {"lstm.layers.0.W", "lstm.layers.1.state[2]", "lstm.state_n"} <= set(stack)


@EVERY_SHAPE
def test_parameters_are_called_what_their_signals_are(more):
    layer = LSTM(IN, H, name="net", **more)
    loss = layer(laws.draw((3, IN)))[0].sum()
    loss.backward()
    hand = {f"net.{name}": each.grad for name, each in layer.named_parameters()}
    assert len(hand) == 3 * layer.num_layers * (1 + layer.bidirectional)
    assert tg.compare(loss, hand).ok


def test_steps_of_a_backward_direction_are_compared_at_once_without_the_initial_value():
    x, layer = laws.draw((T, IN)), LSTM(IN, H, bidirectional=True)
    loss = layer(x)[0].sum()
    steps = Signals(loss).sequences["lstm.backward.state"]
    assert [each.name for each in steps] == [f"lstm.backward.state[{k}]" for k in range(T)]
    report = tg.compare(loss, {"lstm.backward.out": np.zeros((T, H))})
    assert report.rows[0].shape == (T, H)


def test_layers_are_what_holds_the_parameters():
    alone, stack = LSTM(IN, H), LSTM(IN, H, num_layers=2, bidirectional=True)
    assert alone.layers == (alone,)
    assert [pair[1].W.label() for pair in stack.layers] == [
        "lstm.layers.0.backward.W", "lstm.layers.1.backward.W",
    ]  # fmt: skip


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_a_copy_of_a_stack_is_a_stack_of_its_own(copied):
    x = laws.draw((T, B, IN))
    layer = MemoryBlocks(IN, 2, 2, num_layers=2, bidirectional=True, dropout=0.5, seed=0)
    twin = copied(layer)
    assert np.array_equal(twin(x)[0].data, layer(x)[0].data)
    twin(x)[0].sum().backward()
    assert all(each.grad is None for each in layer.parameters())


# --- lengths ------------------------------------------------------------------------------------


@EVERY
@EVERY_SHAPE
@pytest.mark.parametrize("filling", [0.0, 1e300, np.nan, np.inf], ids=str)
def test_a_padded_batch_is_its_sequences_alone(make, more, filling):
    layer, x = make(**more), laws.draw((T, B, IN))
    start = states(layer)
    for n, length in enumerate(LENGTHS):
        x[length:, n] = filling
    x = tg.Tensor(x, requires_grad=True)
    out, last = layer(x, start, lengths=LENGTHS)
    weights = laws.draw(out.shape, 1)
    loss = (out * weights).sum() + sum(each.sum() for each in lasts(last))
    loss.backward()
    together, x_grad = gradients(layer), x.grad
    alone = dict.fromkeys(together, 0.0)
    for n, length in enumerate(LENGTHS):
        mine = tg.Tensor(x.numpy()[:length, n], requires_grad=True)
        begin = tuple(each.numpy()[..., n, :] for each in lasts(start))
        out_n, end = layer(mine, begin if len(begin) > 1 else begin[0])
        laws.near(out.data[:length, n], out_n.data, 1e-14)
        assert not out.data[length:, n].any()
        for each, other in zip(lasts(last), lasts(end), strict=True):
            laws.near(each.data[..., n, :], other.data, 1e-14)
        loss = (out_n * weights[:length, n]).sum() + sum(each.sum() for each in lasts(end))
        loss.backward()
        laws.near(x_grad[:length, n], mine.grad, 1e-13)
        assert not x_grad[length:, n].any()
        for name, gradient in gradients(layer).items():
            alone[name] = alone[name] + gradient
    same(together, alone)


def test_what_goes_on_past_an_end_has_its_name():
    signals = Signals(LSTM(IN, H)(laws.draw((3, 2, IN)), lengths=[2, 3])[1][1])
    held = {"lstm.state[1]", "lstm.state_held[1]", "lstm.state_held[2]", "lstm.alive"}
    assert held <= set(signals.by_name)


def test_what_goes_on_past_a_cut_has_its_name():
    signals = Signals(LSTM(IN, H, truncate=2)(laws.draw((3, 2, IN)))[1][1])
    assert {"lstm.state[1]", "lstm.state_cut[1]", "lstm.state_cut[2]", "lstm.seam"} <= set(
        signals.by_name
    )


def test_lengths_that_are_all_full_record_nothing_more():
    layer, x = LSTM(IN, H), laws.draw((T, B, IN))
    full = Signals(layer(x, lengths=np.full(B, T))[0])
    assert list(full.by_name) == list(Signals(layer(x)[0]).by_name)


@EVERY
@EVERY_SHAPE
def test_float32_stays(make, more):
    layer = make(dtype=np.float32, initial="learned", truncate=2, **more)
    out, last = layer(laws.draw((T, B, IN)).astype(np.float32), lengths=LENGTHS)
    (out * out).sum().backward()
    found = [out, *lasts(last), *(each.grad for each in layer.parameters())]
    assert {each.dtype for each in found} == {np.dtype(np.float32)}


# --- batch first --------------------------------------------------------------------------------


@EVERY
@EVERY_SHAPE
def test_batch_first_turns_batches_and_nothing_else(make, more):
    x, turned, layer = laws.draw((T, B, IN)), make(batch_first=True, **more), make(**more)
    start = states(layer)
    out, last = layer(x, start, lengths=LENGTHS)
    other, other_last = turned(x.swapaxes(0, 1), start, lengths=LENGTHS)
    assert np.array_equal(other.data.swapaxes(0, 1), out.data)
    for each, expected in zip(lasts(other_last), lasts(last), strict=True):
        assert np.array_equal(each.data, expected.data)
    assert np.array_equal(turned(x[:, 0])[0].data, layer(x[:, 0])[0].data)  # one sequence alone


# --- truncation ---------------------------------------------------------------------------------


@EVERY
@pytest.mark.parametrize("k", [1, 2, 4, 5])
def test_truncated_is_run_by_run_with_detached_states(make, k):
    x, layer = laws.draw((T, B, IN)), make(truncate=k)
    weights = laws.draw((T, B, layer.equations.sizes[0]), 1)
    (layer(x, states(layer))[0] * weights).sum().backward()
    found = gradients(layer)
    whole = make()
    state = states(whole)
    for first in range(0, T, k):
        out, last = whole(x[first : first + k], state)
        (out * weights[first : first + k]).sum().backward()
        state = tuple(each.detach() for each in lasts(last))
        state = state if len(state) > 1 else state[0]
    same(found, gradients(whole))


@EVERY
def test_what_is_truncated_still_reaches_the_initial_state(make):
    x, found = laws.draw((T, B, IN)), []
    for layer, length in ((make(truncate=2), T), (make(), 2)):
        start = states(layer, requires_grad=True)
        layer(x[:length], start)[0].sum().backward()
        found.append([each.grad for each in lasts(start)])
    for cut, short in zip(*found, strict=True):
        laws.near(cut, short, 1e-14)


@EVERY
@EVERY_SHAPE
def test_truncated_late_is_not_truncated(make, more):
    x, cut, whole = laws.draw((T, B, IN)), make(truncate=T, **more), make(**more)
    for each in (cut, whole):
        each(x)[0].sum().backward()
    same(gradients(cut), gradients(whole), 0.0)


def test_a_backward_direction_is_truncated_from_its_own_first_step():
    x, both = laws.draw((T, B, IN)), LSTM(IN, H, bidirectional=True, truncate=4, seed=1)
    out, _ = both(x)
    out[:, :, H:].sum().backward()
    ((_, backward),) = both.layers
    alone = LSTM(IN, H, truncate=4)
    alone.load_state_dict(backward.state_dict())
    alone(x[::-1])[0].sum().backward()
    laws.near(backward.U.grad, alone.U.grad, 1e-13)


# --- carried states -----------------------------------------------------------------------------


@EVERY
@pytest.mark.parametrize("layers", [1, 2])
def test_states_are_carried_and_no_gradient_is(make, layers):
    x = laws.draw((T, B, IN))
    carrying, plain = make(num_layers=layers, stateful=True), make(num_layers=layers)
    carrying(x[:2])
    out, _ = carrying(x[2:])
    out.sum().backward()
    _, state = plain(x[:2])
    state = tuple(each.detach() for each in lasts(state))
    expected, _ = plain(x[2:], state if len(state) > 1 else state[0])
    expected.sum().backward()
    laws.near(out.data, expected.data, 0.0)
    laws.near(plain(x)[0].data[2:], out.data, 1e-14)
    same(gradients(carrying), gradients(plain), 0.0)


def test_reset_forgets_what_was_carried():
    layer, x = LSTM(IN, H, stateful=True), laws.draw((T, B, IN))
    first = layer(x)[0].data
    assert (layer(x)[0].data != first).any()
    layer.reset_state()
    assert np.array_equal(layer(x)[0].data, first)


def test_a_given_state_goes_before_a_carried_one():
    layer, x = GRU(IN, H, stateful=True), laws.draw((T, B, IN))
    start = laws.draw((B, H), 5)
    first = layer(x, start)[0].data
    assert np.array_equal(layer(x, start)[0].data, first)


def test_each_sequence_carries_the_state_of_its_own_end():
    layer, x = LSTM(IN, H, stateful=True), laws.draw((T, B, IN))
    layer(x, lengths=LENGTHS)
    carried = layer(x)[0].data
    layer.reset_state()
    layer(x[: LENGTHS[0], :1])
    laws.near(carried[:, :1], layer(x[:, :1])[0].data, 1e-14)


def test_another_batch_is_refused_and_what_was_carried_stays():
    layer, x = LSTM(IN, H, stateful=True, name="cell"), laws.draw((T, B, IN))
    layer(x)
    expected = copy.deepcopy(layer)(x)[0].data
    with pytest.raises(ShapeError, match=r"cell: initial out has shape \(4, 2\), .*reset_state"):
        layer(x[:, :2])
    assert np.array_equal(layer(x)[0].data, expected)


def test_layers_that_carry_nothing_start_afresh():
    layer, x = LSTM(IN, H), laws.draw((T, B, IN))
    assert np.array_equal(layer(x)[0].data, layer(x)[0].data)


# --- learned initial states ---------------------------------------------------------------------


@EVERY
@EVERY_SHAPE
def test_learned_initial_states_are_parameters_of_every_layer(make, more):
    x, layer, given = laws.draw((T, B, IN)), make(initial="learned", **more), make(**more)
    start = states(given, batch=(), requires_grad=True)
    ways = [way for row in layer.layers for way in (row if isinstance(row, tuple) else (row,))]
    names = [f"{what}_0" for what in layer.equations.states]
    for n, way in enumerate(ways):
        for name, each in zip(names, lasts(start), strict=True):
            getattr(way, name).data = each.numpy()[n] if len(ways) > 1 else each.numpy()
    wide = [tg.stack([each] * B, axis=-2) for each in lasts(start)]
    out, _ = layer(x)
    expected, _ = given(x, tuple(wide) if len(wide) > 1 else wide[0])
    laws.near(out.data, expected.data, 0.0)
    (out * out).sum().backward()
    (expected * expected).sum().backward()
    for n, way in enumerate(ways):
        for name, each in zip(names, lasts(start), strict=True):
            gradient = each.grad[n] if len(ways) > 1 else each.grad
            laws.near(getattr(way, name).grad, gradient, 1e-13)


def test_learned_initial_state_has_its_name():
    by_name = Signals(LSTM(IN, H, initial="learned")(laws.draw((2, B, IN)))[0]).by_name
    assert by_name["lstm.state_0"].tensor.tolist() == [0.0] * H  # what is learned begins as zeros
    assert by_name["lstm.state[-1]"].shape == (B, H)


# --- dropout ------------------------------------------------------------------------------------


def test_dropout_is_between_layers_and_in_training_alone():
    x = laws.draw((T, B, IN))
    dropping, plain = (LSTM(IN, 8, num_layers=2, seed=1, dropout=rate) for rate in (0.5, 0.0))
    out = dropping(x)[0]
    signals = Signals(out)
    assert [name for name in signals.by_name if "mask" in name] == ["lstm.dropout.mask"]
    mask = signals["lstm.dropout.mask"].tensor.data
    assert set(np.unique(mask)) == {0.0, 2.0}
    below, above = (Recurrent(plain.equations, size) for size in (IN, 8))
    for each, layer in zip((below, above), plain.layers, strict=True):
        each.load_state_dict(layer.state_dict())
    laws.near(out.data, above(below(x)[0] * mask)[0].data, 1e-14)
    assert np.array_equal(dropping.eval()(x)[0].data, plain(x)[0].data)
    assert (dropping.train()(x)[0].data != plain(x)[0].data).any()


def test_dropout_of_one_seed_drops_the_same():
    x = laws.draw((T, B, IN))
    one, other = (GRU(IN, 8, num_layers=2, dropout=0.5, seed=1) for _ in range(2))
    first = one(x)[0].data
    assert np.array_equal(other(x)[0].data, first)
    assert (one(x)[0].data != first).any()


def test_a_network_sets_the_layers_inside_it():
    network = Sequential(LSTM(IN, H, num_layers=2, dropout=0.5), tg.tanh)
    x = laws.draw((T, B, IN))
    assert network.eval() is network
    assert np.array_equal(network(x).data, network(x).data)


# --- a caller's own equations -------------------------------------------------------------------


class Leaky(Equations):
    """out(k) = ½ out(k-1) + x W + b."""

    def __init__(self):
        super().__init__({"s": H}, (H,))

    def stepper(self, p):
        return lambda xW, out: (0.5 * out + xW,)


def test_equations_of_ones_own_are_run_like_any_other():
    layer, x = Recurrent(Leaky(), IN, num_layers=2, bidirectional=True), laws.draw((T, B, IN))
    out, out_n = layer(x, lengths=LENGTHS)
    assert (out.shape, out_n.shape) == ((T, B, 2 * H), (4, B, H))
    alone = Recurrent(Leaky(), IN, name="leaky")
    s = x @ alone.W.data
    laws.near(alone(x)[0].data[2], s[2] + 0.5 * s[1] + 0.25 * s[0], 1e-14)
    assert str(alone).splitlines()[1] == "  out = 0.5 out(k-1) + x(k) W + b"


# --- before anything changed --------------------------------------------------------------------


def test_what_is_refused_changes_nothing():
    layer, x = LSTM(IN, H, stateful=True), laws.draw((T, B, IN))
    for bad in (dict(lengths=[9] * B), dict(state=(x, x)), dict(state=3)):
        with pytest.raises((ArgumentError, ShapeError, UsageError)):
            layer(x, **bad)
    assert layer._last_states is None
