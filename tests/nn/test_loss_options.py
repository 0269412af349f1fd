"""Holds the options of the losses to PyTorch, to what padding may hold, and to folding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_lstm as tg
from support import laws
from support.peers import peer
from tinygrad_lstm.nn import cross_entropy

NEAR = 1e-10
REDUCTIONS = ("sum", "mean", "none")
ENTRYWISE = (
    "squared_error", "mean_squared_error", "euclidean_norm", "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
)  # fmt: skip
EVERY_LOSS = pytest.mark.parametrize("name", [*ENTRYWISE, "softmax_cross_entropy"])
EVERY_SEED = pytest.mark.parametrize("seed", range(40))


def inputs(name: str, shape: tuple[int, ...], random: np.random.Generator) -> tuple[Any, Any]:
    """Return a prediction and its target, as the loss expects them."""
    if name == "softmax_cross_entropy":
        return random.normal(size=shape), random.integers(shape[-1], size=shape[:-1])
    if name == "binary_cross_entropy":
        return random.uniform(0.05, 0.95, shape), random.uniform(size=shape)
    target = random.uniform(size=shape) if "cross" in name else random.normal(size=shape)
    return random.normal(size=shape), target


def loss_of(name: str, y: Any, target: Any, **options: Any) -> tg.Tensor:
    if name == "binary_cross_entropy" and isinstance(y, tg.Tensor):
        y = tg.sigmoid(y)  # of a leaf that holds logits
    return getattr(tg.nn, name)(y, target, **options)


def ours(name: str, y: np.ndarray, target: Any, ct: Any = None, **options: Any) -> Any:
    """Return the loss and the gradient of the prediction."""
    leaf = tg.Tensor(np.log(y / (1 - y)) if name == "binary_cross_entropy" else y)
    leaf = tg.Tensor(leaf.data, requires_grad=True, name="y")
    loss = loss_of(name, leaf, target, **options)
    loss.backward(ct if loss.shape else None)
    return loss.numpy(), leaf.grad


def theirs(
    name: str, y: np.ndarray, target: Any, ct: Any, reduction: str, weight: Any, counts: Any
) -> Any:
    """Return what PyTorch makes of it: its own loss, or of a mask, of the entries that count."""
    torch = peer("torch")
    F = torch.nn.functional
    leaf = torch.tensor(np.log(y / (1 - y)) if name == "binary_cross_entropy" else y)
    leaf.requires_grad_()
    given = torch.sigmoid(leaf) if name == "binary_cross_entropy" else leaf
    t, w = torch.tensor(target), None if weight is None else torch.tensor(weight)
    if name != "softmax_cross_entropy" and w is not None:
        w = w.broadcast_to(leaf.shape)
    kept = torch.ones(t.shape, dtype=torch.bool) if counts is None else torch.tensor(counts)
    one_hot = name == "softmax_cross_entropy" and t.shape == leaf.shape
    if one_hot:
        kept = torch.ones(t.shape[:-1], dtype=torch.bool) if counts is None else kept
    a, b = given[kept], t[kept]
    c = w if w is None or name == "softmax_cross_entropy" else w[kept]
    by = "none" if reduction == "none" else reduction
    if name == "softmax_cross_entropy":
        loss = F.cross_entropy(a, b, weight=c, reduction=by)
    elif name == "binary_cross_entropy":
        loss = F.binary_cross_entropy(a, b, weight=c, reduction=by)
    elif name == "binary_cross_entropy_with_logits":
        loss = F.binary_cross_entropy_with_logits(a, b, weight=c, reduction=by)
    else:
        loss = F.mse_loss(a, b, weight=c, reduction=by)
        loss = loss / 2 if name == "squared_error" else loss
        loss = torch.sqrt(loss) if name == "euclidean_norm" else loss
    if reduction == "none":
        loss = torch.zeros(kept.shape, dtype=loss.dtype).masked_scatter(kept, loss)
    loss.backward(torch.tensor(ct) if loss.ndim else None)
    return loss.detach().numpy(), leaf.grad.numpy()


@EVERY_LOSS
@EVERY_SEED
def test_values_and_gradients_are_pytorchs(name, seed):
    random = np.random.default_rng(seed)
    shape = tuple(random.integers(2, 5, size=random.integers(2, 4)).tolist())
    y, target = inputs(name, shape, random)
    classes = name == "softmax_cross_entropy"
    entries = shape[:-1] if classes else shape
    reduction = str(random.choice(REDUCTIONS))
    options: dict[str, Any] = dict(reduction=reduction)
    weight = counts = None
    if random.random() < 0.6:
        size = shape[-1:] if classes or random.random() < 0.3 else entries
        options["weight"] = weight = random.uniform(0.1, 2, size)
    if random.random() < 0.5:
        counts = random.random(entries) < 0.6
        counts[(0,) * len(entries)] = True
        options["mask"] = counts
    if classes and random.random() < 0.4:  # one-hot, hard or soft
        target = np.eye(shape[-1])[target]
        target = target * 0.8 + 0.2 / shape[-1] if random.random() < 0.5 else target
    elif classes and random.random() < 0.5:
        options["ignore_index"] = ignored = int(random.choice([-100, 0, 1]))
        target[(-1,) * len(entries)] = ignored
        target[(0,) * len(entries)] = shape[-1] - 1 if ignored != shape[-1] - 1 else 0
        counts = (np.ones(entries, bool) if counts is None else counts) & (target != ignored)
    ct = random.normal(size=entries)
    found, found_gradient = ours(name, y, target, ct, **options)
    value, gradient = theirs(name, y, target, ct, reduction, weight, counts)
    laws.near(found, value, NEAR)
    laws.near(found_gradient, gradient, NEAR)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weighted", [False, True])
def test_ignored_classes_are_pytorchs_own(reduction, weighted):
    torch = peer("torch")
    random = np.random.default_rng(3)
    z, classes = random.normal(size=(7, 4)), np.array([0, 3, -100, 2, 2, -100, 1])
    weight = random.uniform(0.1, 2, 4) if weighted else None
    options = dict(reduction=reduction, ignore_index=-100)
    leaf = torch.tensor(z, requires_grad=True)
    w = torch.tensor(weight) if weighted else None
    loss = torch.nn.functional.cross_entropy(leaf, torch.tensor(classes), weight=w, **options)
    loss.backward(torch.ones_like(loss))
    found, gradient = ours(
        "softmax_cross_entropy", z, classes, np.ones(7), weight=weight, **options
    )
    laws.near(found, loss.detach().numpy(), NEAR)
    laws.near(gradient, leaf.grad.numpy(), NEAR)


@EVERY_LOSS
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("batch_first", [False, True])
def test_lengths_are_the_mask_of_the_padding_which_may_hold_anything(name, reduction, batch_first):
    random = np.random.default_rng(5)
    y, target = inputs(name, (4, 3, 2), random)
    lengths = [4, 1, 3]
    alive = np.arange(4)[:, None] < np.array(lengths)
    wide = alive if name == "softmax_cross_entropy" else np.repeat(alive[..., None], 2, axis=-1)
    ct = random.normal(size=wide.shape)
    expected = ours(name, y, target, ct, mask=wide, reduction=reduction)
    if name != "binary_cross_entropy":  # whose leaf holds logits
        y[~alive] = np.nan
    target[~alive] = 77 if name == "softmax_cross_entropy" else np.nan
    options: dict[str, Any] = dict(lengths=lengths, reduction=reduction)
    if batch_first:
        y, target, ct = (x.swapaxes(0, 1) for x in (y, target, ct))
        options["batch_first"] = True
    found = ours(name, y, target, ct, **options)
    for x, right in zip(found, expected, strict=True):
        assert np.isfinite(x).all()
        turned = batch_first and x.ndim > 1
        laws.near(x.swapaxes(0, 1) if turned else x, right, 1e-14)


def test_a_probability_in_the_padding_may_be_nan():
    p = tg.Tensor([[0.5, np.nan], [0.25, 0.5]], requires_grad=True, name="p")
    cross_entropy._warn_of_logits.cache_clear()
    with pytest.warns(FutureWarning, match="probabilities"):
        loss = tg.nn.binary_cross_entropy(p, np.eye(2), mask=[[True, False], [True, True]])
    loss.backward()
    assert np.isfinite(loss.item()) and p.grad[0, 1] == 0


@EVERY_LOSS
def test_a_mask_of_all_and_weights_of_1_change_nothing(name):
    y, target = inputs(name, (3, 4), np.random.default_rng(1))
    entries = (3,) if name == "softmax_cross_entropy" else (3, 4)
    expected = ours(name, y, target)
    for options in (dict(mask=np.ones(entries, bool)), dict(weight=np.ones(4)), dict(mask=1)):
        for found, right in zip(ours(name, y, target, **options), expected, strict=True):
            laws.near(found, right, 1e-14)


@EVERY_LOSS
@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_weights_may_be_learned(name, reduction):
    random = np.random.default_rng(2)
    y, target = inputs(name, (3, 4), random)
    counts = np.array([True, False, True])[:, None]
    counts = counts[:, 0] if name == "softmax_cross_entropy" else counts
    weight = tg.Tensor(random.uniform(0.5, 1.5, 4), requires_grad=True, name="weight")
    y = tg.Tensor(y, requires_grad=True, name="y")

    def loss(y: tg.Tensor, weight: tg.Tensor) -> tg.Tensor:
        return loss_of(name, y, target, weight=weight, mask=counts, reduction=reduction)

    assert tg.gradcheck(loss, [y, weight]).ok


@EVERY_LOSS
@pytest.mark.parametrize("reduction", ["sum", "mean"])
@pytest.mark.parametrize("weighted", [False, True])
def test_losses_with_options_fold(name, reduction, weighted):
    """A mask, a weight and an ignored class that vary over the steps are sequences."""
    random = np.random.default_rng(4)
    T, B, C = 5, 3, 4
    x, target = inputs(name, (T, B, C), random)
    classes = name == "softmax_cross_entropy"
    counts = random.random((T, B) if classes else (T, B, C)) < 0.7
    counts[:, 0], counts[2] = True, True
    cell = tg.nn.RNNCell(C, C, seed=0)
    out, total, options = tg.Tensor(np.zeros((B, C)), name="out"), 0.0, {}
    if weighted:
        options["weight"] = random.uniform(0.5, 1.5, C)
    if classes:
        target[3, 1] = options["ignore_index"] = 7
    for k in tg.steps(T):
        out = cell(x[k], out)
        total = total + loss_of(
            name, out, target[k], mask=counts[k], reduction=reduction, **options
        )
    total.backward()
    network = tg.graph(total).fold()
    assert "over 5 steps" in repr(network)
    laws.near(network.evaluate()[total.label()], total.data, 1e-13)
    found = network.adjoint().evaluate()
    for parameter in cell.parameters():
        laws.near(found[f"δ{parameter.label()}"], parameter.grad, 1e-13)


@pytest.mark.parametrize("saturated", range(3))
def test_a_probability_of_0_or_1_at_one_step_changes_no_operation(saturated):
    z = np.linspace(-1.0, 1.0, 6).reshape(3, 2)
    z[saturated] = 800.0, -800.0
    w, total = tg.Tensor(np.ones(2), requires_grad=True, name="w"), 0.0
    h = tg.Tensor(np.zeros(2), name="h")
    for k in tg.steps(3):
        h = w * z[k] + 0.1 * tg.tanh(h)
        total = total + tg.nn.binary_cross_entropy(tg.sigmoid(h), [1.0, 0.0])
    total.backward()
    network = tg.graph(total).fold()
    assert "over 3 steps" in repr(network)
    laws.near(network.adjoint().evaluate()["δw"], w.grad, 1e-14)


def test_the_norm_of_no_error_has_no_gradient_under_any_option():
    y = np.ones((3, 2))
    for reduction in REDUCTIONS:
        options = dict(reduction=reduction, mask=[[True], [False], [True]], weight=[1.0, 2.0])
        _, gradient = ours("euclidean_norm", y, y.copy(), np.ones((3, 2)), **options)
        assert (gradient == 0).all()


def y_of(*shape: int) -> tg.Tensor:
    return tg.Tensor(np.full(shape, 0.5), requires_grad=True, name="y")


def mse(*shape: int, **options: Any) -> Any:
    return lambda: tg.nn.mean_squared_error(y_of(*shape), np.zeros(shape), **options)


def entropy(target: Any = (0, 1), **options: Any) -> Any:
    return lambda: tg.nn.softmax_cross_entropy(y_of(2, 3), target, **options)


BAD = {
    "reduction unknown": (
        mse(2, reduction="average"), tg.ArgumentError, "mean_squared_error: reduction | 'average'",
    ),
    "reduction no text": (mse(2, reduction=1), tg.UsageError, "reduction | 'none' | 1"),
    "mask of another shape": (
        mse(2, 3, mask=[True, False]), tg.ShapeError,
        "mean_squared_error: mask has shape (2,) | (2, 3) | mask[..., None]",
    ),
    "mask of numbers": (mse(2, mask=[0.5, 1]), tg.ArgumentError, "0.5 in mask | weight"),
    "mask of text": (mse(2, mask=["a", "b"]), tg.DTypeError, "mean_squared_error: mask"),
    "mask of none, mean": (mse(2, mask=[0, 0]), tg.ArgumentError, "none of 2 entries | \"sum\""),
    "weights of another shape": (mse(2, weight=np.ones(3)), tg.ShapeError, "weight | (3,) | (2,)"),
    "weights that are complex": (mse(2, weight=[1j, 1]), tg.DTypeError, "weight | complex"),
    "weights that are nan": (mse(2, weight=[np.nan, 1]), tg.ArgumentError, "weight nan | finite"),
    "weights that sum to 0": (mse(2, weight=[0, 0.0]), tg.ArgumentError, "sum to 0 | \"sum\""),
    "weights below 0 under a root": (
        lambda: tg.nn.euclidean_norm(y_of(2), np.zeros(2), weight=[-1, 1]),
        tg.ArgumentError, "euclidean_norm: found weight -1",
    ),
    "lengths without steps": (mse(3, lengths=[1, 2, 3]), tg.ShapeError, "(T, B, ...) | (3,)"),
    "lengths too long": (mse(2, 3, lengths=[1, 2, 3]), tg.ArgumentError, "length 3 | 1 to 2"),
    "lengths of another batch": (mse(2, 3, lengths=[1, 2]), tg.ShapeError, "lengths | (2,) | (3,)"),
    "lengths that are no numbers": (mse(2, 1, lengths=[0.5]), tg.UsageError, "lengths | float64"),
    "batch_first alone": (mse(2, 3, batch_first=True), tg.ArgumentError, "batch_first | lengths"),
    "batch_first no truth": (mse(2, 3, batch_first=1), tg.UsageError, "batch_first | 1"),
    "ignore_index no number": (entropy(ignore_index="a"), tg.UsageError, "ignore_index | 'a'"),
    "ignore_index of probabilities": (
        entropy(np.eye(3)[:2], ignore_index=0), tg.ArgumentError, "ignore_index | mask",
    ),
    "all ignored": (entropy([1, 1], ignore_index=1), tg.ArgumentError, "none of 2 entries"),
    "class out of range beside an ignored one": (
        entropy([7, 9], ignore_index=7), tg.ArgumentError, "class 9 | 0 to 2",
    ),
    "probability out of range": (entropy(2 * np.eye(3)[:2]), tg.ArgumentError, "target 2 | 0 to 1"),
    "class weights of another number": (
        entropy(weight=np.ones(2)), tg.ShapeError, "softmax_cross_entropy: weight | (2,) | (3,)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_an_option_that_does_not_fit_is_refused(name):
    call, kind, words = BAD[name]
    with pytest.raises(kind) as caught:
        call()
    for word in words.split(" | "):
        assert word in str(caught.value)
