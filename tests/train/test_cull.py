"""Holds culling to losses that are measured, to second derivatives, and to masks that stay."""

import copy
import pickle

import numpy as np
import pytest

import tinygrad_lstm as tg
from tinygrad_lstm import interop, nn
from tinygrad_lstm.errors import ArgumentError, GradientError, ShapeError, SignalError, UsageError
from tinygrad_lstm.train.second_order import Surgeon, blocks, diagonals

X = np.random.default_rng(0).normal(size=(5, 8, 2))
Y = np.tanh(np.cumsum(X[..., :1] - 0.5 * X[..., 1:], axis=0))


def network(kind=nn.LSTM, seed=0, **options):
    return nn.Sequential(
        kind(2, 4, seed=seed, name="lstm", **options), nn.Dense(4, 1, seed=1, name="dense")
    )


def loss_of(net):
    return nn.squared_error(net(X), Y)


def train(net, updates, lr=0.02, kind=tg.optim.Adam):
    update = kind(net.parameters(), lr=lr)
    for _ in range(updates):
        update.zero_grad()
        loss_of(net).backward()
        update.step()
    return net


@pytest.fixture(scope="module")
def trained():
    net = train(network(), 400)
    return lambda: copy.deepcopy(net)


def layer_of(net, kind=nn.LSTM):
    return next(module for _, module in net._modules() if isinstance(module, kind))


def gone(net):
    return sum(int((~x.mask).sum()) for x in net.parameters() if x.mask is not None)


# --- masks ----------------------------------------------------------------------------------------


def test_entries_with_a_mask_keep_their_numbers():
    w = tg.Tensor([1.0, 2.0, 3.0], requires_grad=True, name="w")
    w.mask = [True, False, True]
    w.data = [5.0, 6.0, 7.0]
    assert w.numpy().tolist() == [5.0, 2.0, 7.0]
    w.data -= 1.0
    assert w.numpy().tolist() == [4.0, 2.0, 6.0]
    (w * w).sum().backward()
    assert w.grad.tolist() == [8.0, 0.0, 12.0]
    for twin in (copy.deepcopy(w), pickle.loads(pickle.dumps(w))):
        twin.data = np.zeros(3)
        assert twin.numpy().tolist() == [0.0, 2.0, 0.0]
    w.mask = None
    w.data = np.zeros(3)
    assert not w.numpy().any() and w.mask is None


def test_a_mask_that_does_not_fit_is_refused():
    w = tg.Tensor([1.0, 2.0], requires_grad=True, name="w")
    with pytest.raises(ShapeError, match=r"mask of shape \(3,\), expected \(2,\)"):
        w.mask = np.ones(3)
    with pytest.raises(ArgumentError, match="other numbers than 0 and 1"):
        w.mask = [0.5, 1.0]
    with pytest.raises(UsageError, match="only a leaf"):
        (w * 2).mask = [True, True]
    assert w.mask is None


UPDATES = {
    "SGD": lambda p: tg.optim.SGD(p, 0.1, momentum=0.9, weight_decay=0.1),
    "Adam": lambda p: tg.optim.Adam(p, 0.01),
    "AdamW": lambda p: tg.optim.AdamW(p, 0.01),
    "RMSprop": lambda p: tg.optim.RMSprop(p, 0.01),
    "Rprop": lambda p: tg.optim.Rprop(p),
}


@pytest.mark.parametrize("kind", UPDATES)
def test_culled_weights_stay_0_in_training(trained, kind):
    net = trained()
    tg.cull(net, share=0.5)
    masks = {x: x.mask for x in net.parameters() if x.mask is not None}
    before = {x: x.numpy() for x in masks}
    update = UPDATES[kind](net.parameters())
    for _ in range(5):
        update.zero_grad()
        loss_of(net).backward()
        update.step()
    for x, mask in masks.items():
        assert not x.numpy()[~mask].any()
        assert (x.numpy()[mask] != before[x][mask]).any()


def test_the_moves_of_the_others_are_those_without_the_culled_weights(trained):
    """A network of which the culled weights are constants on the tape trains in the same way."""
    net = trained()
    tg.cull(net, share=0.4)
    w = net.parameters()[1]
    free = {x: x.numpy() for x in net.parameters()}
    train(net, 3, lr=0.1, kind=tg.optim.SGD)
    other = trained()
    for x, y in zip(other.parameters(), free.values(), strict=True):
        x.data = y
    masks = [x.mask for x in net.parameters()]
    for _ in range(3):
        other.zero_grad()
        loss_of(other).backward()
        for x, mask in zip(other.parameters(), masks, strict=True):
            x.data -= 0.1 * x.grad * (1 if mask is None else mask)
    np.testing.assert_array_equal(other.parameters()[1].numpy(), w.numpy())


def test_minimize_leaves_culled_weights_alone(trained):
    pytest.importorskip("scipy")
    net = trained()
    tg.cull(net, share=0.5)
    tg.optim.minimize(lambda: loss_of(net), net.parameters(), options={"maxiter": 5})
    assert all(not x.numpy()[~x.mask].any() for x in net.parameters() if x.mask is not None)


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_masks_are_saved_and_loaded(trained, tmp_path, suffix):
    if suffix == ".safetensors":
        pytest.importorskip("safetensors")
    net = trained()
    tg.cull(net, share=0.5)
    path = interop.save(net, tmp_path / f"net{suffix}")
    for other in (network(seed=3), trained()):
        interop.load(other, path)
        for x, y in zip(net.parameters(), other.parameters(), strict=True):
            np.testing.assert_array_equal(x.numpy(), y.numpy())
            assert (x.mask is None) == (y.mask is None)
            if x.mask is not None:
                np.testing.assert_array_equal(x.mask, y.mask)
    train(other, 3)
    assert (
        gone(other) == gone(net)
        and not other.parameters()[0].numpy()[~other.parameters()[0].mask].any()
    )
    again = copy.deepcopy(net)
    again.load_state_dict(trained().state_dict())  # of a network that is whole
    assert gone(again) == 0


class Scaled(nn.Module):
    """An LSTM behind a matrix that has the name of one of its weights."""

    def __init__(self, seed=0):
        super().__init__()
        self.W, self.lstm = tg.Tensor(np.eye(2), requires_grad=True), nn.LSTM(2, 3, seed=seed)


@pytest.mark.parametrize("part", ["", "lstm", "W"])
def test_a_mask_belongs_to_the_entry_of_its_whole_name(tmp_path, part):
    net, other = Scaled(), Scaled(seed=1)
    if part == "W":
        net.W.mask = np.eye(2)
    else:
        tg.cull(getattr(net, part, net), share=0.5)
    other.load_state_dict(net.state_dict())
    path = interop.save(net, tmp_path / "net.npz")
    interop.load(third := Scaled(seed=2), path)
    interop.load(lstm := nn.LSTM(2, 3, seed=3), path, prefix="lstm")
    for one in (other, third):
        for x, y in zip(net.parameters(), one.parameters(), strict=True):
            np.testing.assert_array_equal(x.mask, y.mask)
            np.testing.assert_array_equal(x.numpy(), y.numpy())
    for x, y in zip(net.lstm.parameters(), lstm.parameters(), strict=True):
        np.testing.assert_array_equal(x.mask, y.mask)


def test_a_state_with_a_wrong_mask_changes_nothing(trained):
    net = trained()
    before = net.state_dict()
    name = next(iter(before))
    for wrong, kind in (
        (np.ones(3), ShapeError),
        (np.full(before[name].shape, 0.5), ArgumentError),
    ):
        with pytest.raises(kind, match="nothing loaded"):
            net.load_state_dict({**before, f"{name}.mask": wrong})
    with pytest.raises(SignalError, match="unexpected"):
        net.load_state_dict({**before, "other.mask": np.ones(3)})
    for key, array in net.state_dict().items():
        np.testing.assert_array_equal(array, before[key])


def test_culled_weights_are_0_in_other_frameworks(trained):
    net = trained()
    tg.cull(net, share=0.5)
    lstm = layer_of(net)
    weights = interop.torch.weights(lstm)
    other = nn.LSTM(2, 4, seed=9)
    interop.torch.load(other, weights)
    for x, y in zip(lstm.parameters(), other.parameters(), strict=True):
        np.testing.assert_array_equal(x.numpy(), y.numpy())
    assert sum(int((np.asarray(x) == 0).sum()) for x in weights.values()) >= gone(lstm)


# --- scores ---------------------------------------------------------------------------------------


def test_second_derivatives_are_exact():
    w = tg.Tensor([[0.3, -0.5], [0.7, 0.2]], requires_grad=True, name="w")
    v = tg.Tensor([0.4, 0.1], requires_grad=True, name="v")
    x = np.array([1.0, -2.0])

    def loss():
        return tg.sum(tg.tanh(x @ w) * v) ** 2

    whole = tg.hessian(lambda a: tg.sum(tg.tanh(x @ a) * v) ** 2, w.numpy()).numpy()
    np.testing.assert_allclose(blocks(loss, [w])[0], whole.reshape(4, 4), rtol=0, atol=1e-14)
    for found, parameter in zip(diagonals(loss, [w, v]), (w, v), strict=True):
        for at in np.ndindex(parameter.shape):
            values = []
            for step in (-1e-4, 0.0, 1e-4):
                old = parameter.numpy()
                new = old.copy()
                new[at] += step
                parameter.data = new
                values.append(loss().item())
                parameter.data = old
            expected = (values[0] - 2 * values[1] + values[2]) / 1e-8
            np.testing.assert_allclose(found[at], expected, rtol=1e-4, atol=1e-6)


def test_the_surgeon_is_exact_on_a_quadratic_loss():
    """½ (w - m)ᵀ H (w - m): without weight q the best of the others is known by solving for it."""
    rng = np.random.default_rng(0)
    A = rng.normal(size=(6, 6))
    H, m = A @ A.T + np.eye(6), rng.normal(size=6)
    surgeon = Surgeon(m, H, np.ones(6, bool), 1e-12)
    culled, rise = [], 0.0
    for _ in range(3):
        costs = surgeon.costs()
        q = int(costs.argmin())
        rise += costs[q]
        surgeon.take(q)
        culled.append(q)
        left = [n for n in range(6) if n not in culled]
        best = np.zeros(6)
        best[left] = m[left] + np.linalg.solve(
            H[np.ix_(left, left)], H[np.ix_(left, culled)] @ m[culled]
        )
        np.testing.assert_allclose(surgeon.weights, best, rtol=1e-8, atol=1e-9)
        np.testing.assert_allclose(rise, 0.5 * (best - m) @ H @ (best - m), rtol=1e-8)


@pytest.mark.parametrize("by", ["gradient", "obd", "obs"])
def test_trials_are_measured_one_by_one(trained, by):
    net = trained()
    before, whole = loss_of(net).item(), net.state_dict()
    report = tg.cull(net, by, 0.0, loss=lambda: loss_of(net), trials=20)
    assert report.trials.shape == (20, 2)
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(array, whole[name])
    changes = []
    for x in net.parameters():
        for at in np.ndindex(x.shape) if x.ndim > 1 else ():
            old = x.numpy()
            new = old.copy()
            new[at] = 0
            x.data = new
            changes.append(loss_of(net).item() - before)
            x.data = old
    for measured in report.trials[:, 1]:
        assert np.isclose(changes, measured, rtol=1e-9, atol=1e-12).any()


def test_second_derivatives_predict_the_change_of_the_loss(trained):
    net = trained()
    report = tg.cull(net, "obd", 0.2, loss=lambda: loss_of(net), trials=60)
    assert report.correlation > 0.9
    assert "60 weights taken one by one" in str(report)


@pytest.mark.parametrize("by", ["obd", "obs"])
def test_second_derivatives_do_less_harm(trained, by):
    rises = {}
    for method in ("magnitude", by):
        net = trained()
        report = tg.cull(net, method, 0.3, loss=lambda net=net: loss_of(net))
        np.testing.assert_allclose(report.after, loss_of(net).item(), rtol=1e-12)
        assert gone(net) == report.gone == round(0.3 * (4 * 4 * (2 + 4) + 4))
        rises[method] = report.after - report.before
    assert rises[by] < rises["magnitude"]


def test_a_row_is_measured_alone(trained):
    net = trained()
    reference = trained()
    report = tg.cull(net, "obd", 0.4, loss=lambda: loss_of(net))
    before = loss_of(reference).item()
    for row in report.rows:
        x = next(x for x in net.parameters() if x.label() == row.name)
        y = next(x for x in reference.parameters() if x.label() == row.name)
        old, y.data = y.numpy(), x.numpy()
        np.testing.assert_allclose(row.measured, loss_of(reference).item() - before, atol=1e-12)
        y.data = old


def test_the_share_counts_what_is_gone(trained):
    net = trained()
    total = sum(x.size for x in net.parameters() if x.ndim > 1)
    for share in (0.2, 0.5, 0.5, 0.3):
        masks = [x.mask for x in net.parameters()]
        tg.cull(net, share=share)
        assert gone(net) == round(total * (0.5 if share == 0.3 else share))
        for old, x in zip(masks, net.parameters(), strict=True):
            assert old is None or not x.mask[~old].any()
    assert all(x.mask is None for x in net.parameters() if x.ndim == 1)
    tg.cull(net, share=0.6, biases=True)
    assert gone(net) == round(0.6 * sum(x.size for x in net.parameters()))


# --- units and gates ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_a_unit_that_is_culled_is_0(kind):
    net = train(network(kind), 50)
    report = tg.cull(net, "obd", 0.5, loss=lambda: loss_of(net), what="units")
    layer = layer_of(net, kind)
    out = layer(X)[0].numpy()
    is_dead = ~out.any(axis=(0, 1))
    assert is_dead.sum() == 2
    assert not layer.U.mask[is_dead].any() and layer.U.mask[~is_dead].any()
    train(net, 5)
    assert (~layer(X)[0].numpy().any(axis=(0, 1)) == is_dead).all()
    assert report.gone == gone(net)


def test_a_gate_that_is_culled_leaves_the_network(trained):
    net = trained()
    lstm = layer_of(net)
    before = str(tg.derive(nn.squared_error(net(X[:, 0]), Y[:, 0])))
    report = tg.cull(net, "gradient", 1 / 3, loss=lambda: loss_of(net), what="gates")
    (row,) = report.rows
    gate = row.name[-1]
    assert row.name == f"lstm.{gate}" and row.gone == row.of == 4 * (2 + 4 + 1)
    loss = nn.squared_error(net(X[:, 0]), Y[:, 0])
    after = str(tg.derive(loss))
    assert f"{gate}ₖ" in before and f"s_{gate}ₖ" in before
    assert f"  {gate}ₖ " not in after and f"s_{gate}ₖ" not in after
    gates = {"i": "aₖ + fₖ ∘ stateₖ₋₁", "f": "iₖ ∘ aₖ + stateₖ₋₁", "o": "= tanh(stateₖ)"}
    assert gates[gate] in after
    assert not any(node.name.startswith(f"lstm.{gate}") for node in tg.graph(loss).nodes)
    np.testing.assert_allclose(report.after - report.before, row.measured, atol=1e-12)
    other = network(seed=7)
    other.load_state_dict(net.state_dict())
    np.testing.assert_array_equal(other(X).numpy(), net(X).numpy())
    assert lstm.equations.open_gates(layer_of(other)) == gate
    train(net, 5)
    assert lstm.equations.open_gates(lstm) == gate


@pytest.mark.parametrize("gates", ["i", "f", "o", "if", "ifo"])
def test_a_network_without_gates_gives_what_gates_of_1_give(gates):
    from tinygrad_lstm.train.cull import apply_masks, gate_numbers

    lstm = nn.LSTM(2, 4, seed=0)
    new = {}
    for gate in gates:
        new |= gate_numbers(lstm, gate, new)
    apply_masks(new)
    assert lstm.equations.open_gates(lstm) == gates
    out = lstm(X)[0]
    for x in lstm.parameters():
        x.mask = None  # so that the whole equations run
    assert lstm.equations.open_gates(lstm) == ""
    np.testing.assert_array_equal(out.numpy(), lstm(X)[0].numpy())


# --- what bad input gets --------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:.*encountered in:RuntimeWarning")
def test_wrong_arguments_change_nothing(trained):
    net = trained()
    whole = net.state_dict()
    loss = lambda: loss_of(net)  # noqa: E731
    other, wild = network(), nn.Dense(2, 2, name="dense")
    wild.W.data = [[1.0, np.nan], [1.0, 1.0]]

    def infinitely_steep():
        return loss() + tg.sum(tg.sqrt(net(X) * 0.0))

    for arguments, options, kind, says in [
        ((3,), {}, UsageError, "expected a Module"),
        ((net, "weight"), {}, ArgumentError, "must be one of 'magnitude'"),
        ((net,), {"share": 1.0}, ArgumentError, "at least 0 and below 1"),
        ((net,), {"share": "half"}, UsageError, "must be a number"),
        ((net, "obd"), {}, UsageError, "by='obd' needs the loss"),
        ((net,), {"trials": 3}, UsageError, "trials needs the loss"),
        ((net,), {"what": "gates"}, UsageError, "what='gates' needs the loss"),
        ((net,), {"what": "layers"}, ArgumentError, "must be one of 'weights'"),
        ((net, "obs"), {"what": "units", "loss": loss}, ArgumentError, "for units use 'obd'"),
        ((net, "obd"), {"what": "gates", "loss": loss}, ArgumentError, "expected 'magnitude'"),
        ((net, "obd"), {"loss": 3}, UsageError, "expected a function"),
        ((net, "obd"), {"loss": lambda: 3.0}, UsageError, "expected a Tensor of one number"),
        ((net, "obd"), {"loss": lambda: net(X)}, UsageError, "expected a Tensor of one number"),
        ((net, "obd"), {"loss": lambda: loss() * np.nan}, GradientError, "finite number"),
        ((net, "obd"), {"loss": lambda: loss_of(other)}, UsageError, "not computed from any"),
        (
            (net, "gradient"),
            {"loss": infinitely_steep},
            GradientError,
            "cost of .* is not fin",
        ),
        ((net, "obs"), {"loss": infinitely_steep}, GradientError, "cost of .* is not fin"),
        ((wild,), {}, GradientError, "cost of dense.W is not finite in 1 of 4 entries"),
        (
            (nn.Dense(2, 2),),
            {"what": "units"},
            UsageError,
            "no layer with units",
        ),
        ((nn.GRU(2, 2), "gradient"), {"what": "gates", "loss": loss}, UsageError, "no gates"),
    ]:
        with pytest.raises(kind, match=says):
            tg.cull(*arguments, **options)
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(array, whole[name])


@pytest.mark.parametrize("what", ["units", "gates"])
def test_a_frozen_layer_keeps_its_units_and_gates(what):
    net = network()
    dict(net.children())["lstm"].U.requires_grad = False
    before = net.state_dict()
    with pytest.raises(UsageError, match=f"cull: found no .*{what[:4]}"):
        tg.cull(net, share=0.5, what=what, loss=lambda: loss_of(net))
    assert all(np.array_equal(before[name], array) for name, array in net.state_dict().items())
