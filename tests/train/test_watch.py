"""Holds a watch to the numbers of a training that it only looks at."""

import sys
import threading

import numpy as np
import pytest

import tinygrad_lstm as tg
from support.peers import peer
from tinygrad_lstm import nn
from tinygrad_lstm.engine.gradients import watchers
from tinygrad_lstm.errors import ArgumentError, PackageError, SignalError, UsageError
from tinygrad_lstm.train.looks import statistics

X = np.random.default_rng(0).normal(size=(6, 3, 2))
Y = np.random.default_rng(1).uniform(size=(6, 3, 1))


def network(seed=0):
    return nn.Sequential(
        nn.LSTM(2, 4, seed=seed, name="lstm"), nn.Dense(4, 1, "sigmoid", seed=1, name="dense")
    )


def loss_of(net):
    return nn.squared_error(net(X), Y)


def train(net, updates, loss=loss_of, before=lambda: None):
    update = tg.optim.SGD(net.parameters(), lr=0.1)
    for _ in range(updates):
        update.zero_grad()
        loss(net).backward()
        before()
        update.step()


def labels(net):
    return {parameter.label(): parameter for parameter in net.parameters()}


# --- what is seen ---------------------------------------------------------------------------------


def test_the_numbers_are_those_of_the_training():
    net, expected = network(), []
    before = lambda: expected.append(  # noqa: E731
        {name: (x.numpy(), x.grad.copy()) for name, x in labels(net).items()}
    )
    with tg.watch(net, every=3) as seen:
        train(net, 8, before=before)
    expected.append({name: (x.numpy(), None) for name, x in labels(net).items()})
    assert seen.updates == [0, 3, 6] and seen.update == 8
    for name in labels(net):
        for n, k in enumerate(seen.updates):
            value, gradient = expected[k][name]
            found = {column: entries[n] for column, entries in seen[name].items()}
            for of, array in (("value", value), ("gradient", gradient)):
                np.testing.assert_allclose(found[f"norm of the {of}"], np.linalg.norm(array))
                np.testing.assert_allclose(found[f"mean of the {of}"], array.mean(), atol=1e-15)
                np.testing.assert_allclose(found[f"largest of the {of}"], abs(array).max())
                assert found[f"zeros of the {of}"] == np.mean(array == 0)
            after = expected[k + 1][name][0]
            size, change = np.linalg.norm(value), np.linalg.norm(after - value)
            ratio = change / size if size else np.inf
            np.testing.assert_allclose(found["update / value"], ratio, rtol=1e-12)


GROUPS = [
    [],
    [np.array([[3.0, 0.0], [-4.0, 0.0]]), np.array(5.0)],
    [np.empty((0, 2))],
    [np.array([0.0, -7.0])],
    [np.array([np.nan, 2.0, -np.inf, 0.0])],
]


@pytest.mark.parametrize("groups", [GROUPS, GROUPS[1:4], GROUPS[1:2], GROUPS[:1], []])
def test_the_statistics_of_a_group_are_of_all_its_entries_alone(groups):
    with np.errstate(invalid="ignore"):
        table = statistics(groups)
        assert table.shape == (len(groups), 5)
        for row, group in zip(table, groups, strict=True):
            x = np.concatenate([np.empty(0), *(array.ravel() for array in group)])
            shares = [np.mean(x == 0), np.mean(~np.isfinite(x))] if x.size else [0.0, 0.0]
            mean, largest = (x.mean(), np.fmax.reduce(abs(x))) if x.size else (0.0, 0.0)
            np.testing.assert_array_equal(row, [np.sqrt(np.sum(x * x)), mean, largest, *shares])


def test_a_watch_changes_nothing():
    one, other = network(), network()
    train(one, 5)
    with tg.watch(other, every=1, closer=1) as seen:
        train(other, 5)
    assert len(seen.looks) == 5
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
        np.testing.assert_array_equal(a.grad, b.grad)


def test_a_close_look_sees_every_delta():
    net = network()
    known = tg.signals(loss_of(net))
    assert known.gradients  # of the weights before they are updated
    with tg.watch(net, every=1, closer=2) as seen:
        train(net, 4)
    assert [bool(look.deltas) for look in seen.looks] == [True, False, True, False]
    look = seen.looks[0]
    for name in ("lstm.s_a", "lstm.s_f", "lstm.f", "lstm.state", "lstm.out"):
        gradient, value = known[name].gradient, known[name].value
        np.testing.assert_allclose(
            look.deltas[name], np.linalg.norm(gradient.reshape(6, -1), axis=1), rtol=1e-12
        )
        row = look.names.index(name)
        np.testing.assert_allclose(look.values[row][0], np.linalg.norm(value))
        np.testing.assert_allclose(look.gradients[row][0], np.linalg.norm(gradient))
        np.testing.assert_allclose(look.values[row][1], value.mean(), rtol=1e-12)
    assert look.steps["lstm.out"].tolist() == [0, 1, 2, 3, 4, 5]
    assert "lstm.xW" in look.names and "lstm.xW" not in look.deltas


def test_the_ways_on_which_delta_comes_back():
    net = network()
    known = tg.signals(loss_of(net))
    assert known.gradients  # of the weights before they are updated
    U = known["lstm.U"].value
    with tg.watch(net) as seen:
        train(net, 1)
    ways = seen.looks[0].branches
    f, o, state = (known[f"lstm.{x}"].value for x in ("f", "o", "state"))
    δ = {x: known[f"lstm.{x}"].gradient for x in ("state", "out", "s_a", "s_i", "s_f", "s_o")}
    size = lambda array: np.linalg.norm(array.reshape(len(array), -1), axis=1)  # noqa: E731
    assert {*ways["lstm.state"]} == {"state(k+1)", "out"}
    np.testing.assert_allclose(ways["lstm.state"]["state(k+1)"][:-1], size((δ["state"] * f)[1:]))
    np.testing.assert_allclose(
        ways["lstm.state"]["out"], size(δ["out"] * o * (1 - np.tanh(state) ** 2))
    )
    for n, gate in enumerate("aifo"):
        back = δ[f"s_{gate}"][1:] @ U[:, 4 * n : 4 * n + 4].T
        np.testing.assert_allclose(ways["lstm.out"][f"s_{gate}(k+1)"][:-1], size(back))
        assert ways["lstm.out"][f"s_{gate}(k+1)"][-1] == 0


def test_the_reach_is_the_size_of_the_jacobian():
    """Of one unit the estimate from one random cotangent is exact."""
    cell = (
        nn.RNN(1, 1, activation="identity", seed=0, name="rnn") if False else nn.RNN(1, 1, seed=0)
    )
    with tg.watch(cell) as seen:
        nn.squared_error(cell(X[:, :1, :1])[0], Y[:, :1]).backward()
    (name,) = seen.looks[0].reach
    out = cell(X[:, :1, :1])[0].numpy().ravel()
    slopes = (1 - out**2) * cell.U.item()
    expected = [abs(np.prod(slopes[k + 1 :])) for k in range(6)]
    np.testing.assert_allclose(seen.looks[0].reach[name], expected, rtol=1e-12)


def test_looks_that_are_read_at_once_are_those_that_are_read_at_the_end():
    """Statistics are computed later, many at once, but of the numbers at the look."""
    net = network()
    with tg.watch(net, every=1, closer=3) as late, tg.watch(net, every=1, closer=3) as early:
        shown = []

        def read_and_spoil():
            shown.append([look.gradients[:1].copy() for look in early.looks])
            for x in net.parameters():
                x.grad *= 2.0

        train(net, 7, before=read_and_spoil)
    assert len(shown) == 7 and len(late.looks) == len(early.looks) == 7
    for n, (one, other) in enumerate(zip(late.looks, early.looks, strict=True)):
        assert one.names == other.names and len(one.ratios) == 5
        np.testing.assert_array_equal(one.values, other.values)
        np.testing.assert_array_equal(one.gradients, other.gradients)
        np.testing.assert_array_equal(one.gradients[:1], shown[n][n])
        np.testing.assert_allclose(list(one.ratios.values()), list(other.ratios.values()), 1e-12)


# --- how updates are noticed ----------------------------------------------------------------------


def test_updates_by_hand_are_noticed():
    net = network()
    with tg.watch(net, every=2) as seen:
        for _ in range(4):
            net.zero_grad()
            loss_of(net).backward()
            for x in net.parameters():
                x.data -= 0.1 * x.grad
    assert seen.updates == [0, 2] and seen.update == 4
    assert 0 < seen["lstm.U"]["update / value"][1] < 1


def test_gradients_that_are_accumulated_are_seen_as_a_whole():
    net = network()
    update = tg.optim.SGD(net.parameters(), lr=0.1)
    with tg.watch(net, every=1) as seen:
        for _ in range(2):
            update.zero_grad()
            for _ in range(3):
                loss_of(net).backward()
            total = np.linalg.norm(labels(net)["lstm.U"].grad)
            update.step()
    assert seen.updates == [0, 1]
    np.testing.assert_allclose(seen["lstm.U"]["norm of the gradient"][1], total)


def test_the_loss_of_another_network_is_not_seen():
    net, other = network(), network(5)
    with tg.watch(net, every=1) as seen:
        train(other, 3)
    assert seen.looks == []
    assert str(seen).endswith("No backward pass of the network was seen.")


def test_nothing_is_left_behind():
    net = network()
    with pytest.raises(ZeroDivisionError), tg.watch(net, every=1) as seen:
        train(net, 1)
        1 / 0  # noqa: B018
    assert watchers.get() == ()
    train(net, 3)
    assert len(seen.looks) == 1
    with seen:
        train(net, 1)
    assert seen.updates == [0, 2]  # from what it saw, two changes of the weights


def test_two_threads_watch_their_own_training():
    seen = {}

    def work(seed):
        net = network(seed)
        with tg.watch(net, every=1) as own:
            train(net, 5)
        seen[seed] = own

    threads = [threading.Thread(target=work, args=(seed,)) for seed in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed, own in seen.items():
        net = network(seed)
        with tg.watch(net, every=1) as alone:
            train(net, 5)
        np.testing.assert_array_equal(own.losses, alone.losses)


def test_watches_may_stand_in_one_another():
    net = network()
    with tg.watch(net, every=1) as outer:
        train(net, 2)
        with tg.watch(net, every=2) as inner:
            train(net, 4)
        train(net, 2)
    assert len(outer.looks) == 8 and len(inner.looks) == 2


def test_a_compiled_loss_is_seen():
    net, other = network(), network()
    step = tg.compile(lambda: loss_of(net))
    with tg.watch(net, every=1) as seen:
        train(net, 5, lambda _: step())
    with tg.watch(other, every=1, closer=1) as eager:
        train(other, 5)
    np.testing.assert_allclose(
        seen["lstm.U"]["norm of the gradient"], eager["lstm.U"]["norm of the gradient"], rtol=1e-10
    )
    assert [bool(look.deltas) for look in seen.looks] == [True, True, False, True, False]
    for n in (0, 1, 3):
        np.testing.assert_allclose(
            seen.looks[n].deltas["lstm.state"], eager.looks[n].deltas["lstm.state"], rtol=1e-9
        )


def test_without_a_block_one_calls_step():
    net = network()
    seen, update = tg.watch(net, every=2, closer=1), tg.optim.SGD(net.parameters(), lr=0.1)
    for _ in range(4):
        update.zero_grad()
        loss = loss_of(net)
        loss.backward()
        seen.step(loss)
        update.step()
    with tg.watch(network(), every=2) as _:
        pass
    assert seen.updates == [0, 2] and "lstm.state" in seen.looks[1].deltas
    with pytest.raises(UsageError, match="expected the loss"):
        seen.step(3)
    with seen, pytest.raises(UsageError, match="by itself"):
        seen.step(loss)


# --- what is said ---------------------------------------------------------------------------------


def said(net, loss, updates=1, lr=0.0, closer=1):
    update = tg.optim.SGD(net.parameters(), lr=lr) if lr else None
    with tg.watch(net, every=1, closer=closer) as seen:
        for _ in range(updates):
            net.zero_grad()
            loss().backward()
            if update is not None:
                update.step()
            else:
                for x in net.parameters():
                    x.data = x.numpy()
    return {(x.what, x.name): x for x in seen.verdicts}, seen


def rnn(scale):
    net = nn.RNN(1, 4, seed=0, name="rnn")
    net.U.data = np.eye(4) * scale
    return net


def of_last(net, x):
    return lambda: tg.sum(net(x)[1])


def test_it_says_that_a_gradient_vanishes():
    net = rnn(0.3)
    verdicts, seen = said(net, of_last(net, 0.01 * np.ones((30, 2, 1))))
    assert ("vanishes", "rnn.out") in verdicts
    assert "vanishes from the start: δ has the norm" in seen.says
    assert "at step 29" in verdicts["vanishes", "rnn.out"].says


def test_it_says_that_a_gradient_explodes():
    net = rnn(2.0)
    verdicts, seen = said(net, of_last(net, np.zeros((30, 2, 1))))
    assert ("explodes", "rnn.out") in verdicts
    assert seen.says.startswith("rnn.s explodes") or "explodes" in seen.says


def test_it_says_that_units_are_dead_and_since_when():
    net = nn.Dense(2, 4, "relu", seed=0, name="dense")
    losses = iter([1.0, 1.0, -50.0, -50.0])

    def loss():
        net.b.data = np.full(4, next(losses))
        return tg.sum(net(X[0]) * net(X[0]))

    verdicts, _ = said(net, loss, 4)
    verdict = verdicts["is dead", "dense.y"]
    assert verdict.since > 0 and "100% of its units" in verdict.says


def test_it_says_that_a_gate_saturates():
    net = nn.LSTM(2, 4, forget_bias=30.0, seed=0, name="lstm")
    verdicts, _ = said(net, lambda: tg.sum(net(X)[0]))
    assert ("saturates", "lstm.f") in verdicts and ("saturates", "lstm.i") not in verdicts


def test_it_says_what_is_not_finite():
    net = nn.Dense(2, 1, name="dense", seed=0)
    with np.errstate(all="ignore"):
        verdicts, seen = said(net, lambda: tg.sum(net(X[0]) * np.inf))
    assert ("is not finite", "dense.W") in verdicts
    assert "is not finite from the start" in seen.says


def test_it_says_that_updates_tear_a_weight():
    net = network()
    verdicts, _ = said(net, lambda: loss_of(net), updates=1, lr=1e4)
    assert ("is torn", "lstm.b") in verdicts


def test_it_finds_no_fault_with_a_good_training():
    net = network()
    verdicts, seen = said(net, lambda: loss_of(net), updates=20, lr=0.05)
    assert verdicts == {}
    assert seen.says == "Nothing vanishes, explodes, saturates or is dead."


# --- tables, files and pictures -------------------------------------------------------------------


@pytest.fixture(scope="module")
def seen():
    net = network()
    with tg.watch(net, every=2, closer=2, frames=3) as seen:
        train(net, 20)
    return seen


def test_names_are_explained(seen):
    assert "lstm.U" in seen and "lstm.state" in seen and "lstm.x" not in seen
    with pytest.raises(SignalError, match=r"nearest names are: .*lstm\.U"):
        seen["lstm.u"]


def test_it_is_saved(seen, tmp_path):
    path = seen.save(tmp_path / "seen.npz")
    with np.load(path) as file:
        np.testing.assert_array_equal(file["updates"], seen.updates)
        column = list(file["columns"]).index("norm of the gradient")
        np.testing.assert_array_equal(
            file["lstm.U"][:, column], seen["lstm.U"]["norm of the gradient"]
        )
        assert file["δ lstm.state"].shape == (10, 6)
    with pytest.raises(ArgumentError, match=r"expected \.npz"):
        seen.save(tmp_path / "seen.csv")


def test_it_is_a_table_of_pandas(seen):
    pandas = peer("pandas")
    table = seen.frame()
    assert isinstance(table, pandas.DataFrame)
    assert (
        table.loc[(4, "lstm.U"), "norm of the gradient"]
        == (seen["lstm.U"]["norm of the gradient"][2])
    )


def test_packages_that_are_missing_are_named(seen, tmp_path, monkeypatch):
    for package in ("pandas", "matplotlib.figure", "PIL"):
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(PackageError, match="pandas"):
        seen.frame()
    with pytest.raises(PackageError, match="matplotlib"):
        seen.plot()
    with pytest.raises(PackageError, match="pillow"):
        seen.animate(tmp_path / "training.gif")


def test_it_is_plotted_on_one_page(seen, tmp_path):
    pytest.importorskip("matplotlib")
    assert seen.plot(tmp_path / "page.png").stat().st_size > 20_000
    figure = seen.plot()
    assert figure.get_suptitle().strip() == seen.says
    first = figure.axes[0].images[0].get_array()
    assert first.shape == (6, 5)
    lines = {line.get_label(): line.get_ydata() for line in figure.axes[3].get_lines()}
    np.testing.assert_array_equal(lines["lstm.U"], seen["lstm.U"]["norm of the gradient"])
    with pytest.raises(UsageError, match="no backward pass"):
        tg.watch(network()).plot()


def test_it_is_animated(seen, tmp_path):
    image = pytest.importorskip("PIL.Image")
    with image.open(seen.animate(tmp_path / "training.gif")) as gif:
        assert gif.n_frames == len(seen._frames) == 3
    page = seen.animate(tmp_path / "training.html", seconds=0.1).read_text("utf-8")
    assert page.count("<figure") == 3 and "δ" in page
    updates = [update for update, _ in seen._frames]
    assert updates[0] == 0 and np.ptp(np.diff(updates)) == 0
    with pytest.raises(ArgumentError, match=r"expected \.gif or \.html"):
        seen.animate(tmp_path / "training.mp4")
    with pytest.raises(UsageError, match="frames=24"):
        tg.watch(network()).animate(tmp_path / "a.gif")


@pytest.mark.parametrize(
    ("models", "options", "kind", "says"),
    [
        ((), {}, UsageError, "no parameters"),
        ((3,), {}, UsageError, "expected a Module"),
        ((network(),), {"every": 0}, ArgumentError, "at least 1"),
        ((network(),), {"every": 1.5}, UsageError, "whole number"),
        ((network(),), {"frames": -1}, ArgumentError, "at least 0"),
    ],
)
def test_wrong_arguments_are_refused(models, options, kind, says):
    with pytest.raises(kind, match=says):
        tg.watch(*models, **options)
