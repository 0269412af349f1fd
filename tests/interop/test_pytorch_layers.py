"""Holds the layers without steps to PyTorch's, in random shapes and options: values, gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_lstm as tg
from support import laws
from support.peers import peer
from tinygrad_lstm import interop, nn

torch = peer("torch")
NEAR = 1e-10
pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel:UserWarning")


def drawn(layer: Any, random: np.random.Generator) -> Any:
    for tensor in layer.parameters():
        tensor.data = random.normal(size=tensor.shape)
    return layer


def filled(theirs: Any, ours: Any) -> Any:
    """Return PyTorch's layer with our numbers, and give ours what PyTorch's has then."""
    theirs = theirs.double()
    theirs.load_state_dict(
        {name: torch.tensor(x) for name, x in interop.torch.weights(ours).items()}
    )
    interop.torch.load(ours, theirs.state_dict())
    return theirs


def agrees(
    ours: Any, theirs: Any, out: Any, there: Any, inputs: Any = (), others: Any = ()
) -> None:
    """Assert equal outputs, gradients in both layouts, and a comparison that agrees."""
    laws.near(out.data, there.detach().numpy(), NEAR)
    ct = laws.draw(out.shape, 3)
    loss = tg.sum(out * ct)
    loss.backward()
    (there * torch.tensor(ct)).sum().backward()
    gradients = {name: tensor.grad for name, tensor in theirs.named_parameters()}
    back = interop.torch.read_gradients(ours, gradients)
    prefix = ours.place.path()
    assert back.keys() == {f"{prefix}.{name}" for name, _ in ours.named_parameters()}
    for name, tensor in ours.named_parameters():
        laws.near(tensor.grad, back[f"{prefix}.{name}"], NEAR)
    for name, array in interop.torch.gradients(ours).items():
        laws.near(array, gradients[name].numpy(), NEAR)
    for one, other in zip(inputs, others, strict=True):
        laws.near(one.grad, other.grad.numpy(), NEAR)
    if gradients:
        report = tg.compare(loss, back)
        assert report.ok, str(report)


def leaves(*arrays: Any) -> tuple[Any, Any]:
    return (
        [tg.Tensor(array, requires_grad=True, name=f"x{n}") for n, array in enumerate(arrays)],
        [torch.tensor(array, requires_grad=True) for array in arrays],
    )


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("seed", range(20))
def test_a_random_convolution_is_pytorchs(seed, n):
    random = np.random.default_rng([seed, n])
    groups, inward, outward = (int(number) for number in random.integers(1, 4, 3))
    kernel, stride, dilation, padding = (
        tuple(random.integers(low, high, n).tolist())
        for low, high in ((1, 4), (1, 4), (1, 3), (0, 3))
    )
    options = dict(stride=stride, padding=padding, dilation=dilation, groups=groups)
    if seed % 4 == 0:
        options |= dict(padding="same", stride=1)
    options["bias"] = bool(random.integers(2))
    sizes = inward * groups, outward * groups, kernel
    ours = drawn(getattr(nn, f"Conv{n}d")(*sizes, **options), random)
    theirs = filled(getattr(torch.nn, f"Conv{n}d")(*sizes, **options), ours)
    shape = (*[3] * (seed % 3 > 0), sizes[0], *random.integers(5, 9, n).tolist())
    (x,), (y,) = leaves(random.normal(size=shape))
    agrees(ours, theirs, ours(x), theirs(y), [x], [y])


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("seed", range(12))
def test_random_pooling_is_pytorchs(seed, n):
    random = np.random.default_rng([seed, n])
    width, stride = (tuple(random.integers(1, 4, n).tolist()) for _ in range(2))
    padding = tuple(int(random.integers(0, each // 2 + 1)) for each in width)
    stride, ceil = [None, stride][seed % 2], bool(random.integers(2))
    shape = (*[3] * (seed % 3 > 0), 2, *random.integers(5, 9, n).tolist())
    array, options = random.normal(size=shape), dict(padding=padding)
    pairs = [
        (nn.MaxPool(width, stride, ceil=ceil, axes=n, **options),
         getattr(torch.nn, f"MaxPool{n}d")(width, stride, ceil_mode=ceil, **options)),
        (nn.AveragePool(width, stride, ceil=ceil, count_padding=True, axes=n, **options),
         getattr(torch.nn, f"AvgPool{n}d")(width, stride, ceil_mode=ceil, **options)),
    ]  # fmt: skip
    for ours, theirs in pairs:
        (x,), (y,) = leaves(array)
        agrees(ours, theirs, ours(x), theirs(y), [x], [y])


@pytest.mark.parametrize("n", [1, 2])
def test_the_axes_of_pooling_are_those_of_the_input(n):
    (x,), (y,) = leaves(laws.draw((2, 3, 7, 5)[: 2 + n]))
    theirs = getattr(torch.nn, f"MaxPool{n}d")(2, 1)
    agrees(nn.MaxPool(2, 1), theirs, nn.MaxPool(2, 1)(x), theirs(y), [x], [y])
    if n == 2:  # or of an argument
        theirs = torch.nn.MaxPool2d(2, (1, 2), padding=(1, 0))
        for ours in (nn.MaxPool(2, (1, 2), padding=[1, 0]), nn.MaxPool(2, (1, 2), padding=(1, 0))):
            laws.near(ours(x[0]).data, theirs(y[0]).detach().numpy(), NEAR)


@pytest.mark.parametrize("seed", range(12))
def test_a_random_layer_norm_is_pytorchs(seed):
    random = np.random.default_rng(seed)
    sizes = tuple(random.integers(2, 6, int(random.integers(1, 4))).tolist())
    affine, bias = bool(random.integers(4)), bool(random.integers(2))
    eps = float(10.0 ** random.integers(-8, 0))
    ours = drawn(nn.LayerNorm(sizes, eps=eps, scale=affine, bias=affine and bias), random)
    theirs = torch.nn.LayerNorm(sizes, eps=eps, elementwise_affine=affine, bias=bias)
    theirs = filled(theirs, ours)
    (x,), (y,) = leaves(random.normal(size=(*random.integers(1, 4, seed % 3).tolist(), *sizes)))
    agrees(ours, theirs, ours(x), theirs(y), [x], [y])


@pytest.mark.parametrize("seed", range(16))
def test_a_random_batch_norm_is_pytorchs_in_training_and_in_use(seed):
    random = np.random.default_rng(seed)
    features, ndim = int(random.integers(1, 5)), int(random.integers(2, 5))
    affine, momentum = bool(random.integers(4)), [0.1, 0.5, 1.0, None][seed % 4]
    options = dict(eps=float(10.0 ** random.integers(-8, 0)), momentum=momentum)
    ours = drawn(nn.BatchNorm(features, scale=affine, bias=affine, **options), random)
    kind = torch.nn.BatchNorm2d if ndim == 4 else torch.nn.BatchNorm1d
    theirs = filled(kind(features, affine=affine, **options), ours)
    shape = (int(random.integers(2, 5)), features, *random.integers(1, 4, ndim - 2).tolist())
    for number in range(4):
        if number == 3:
            ours.eval(), theirs.eval()
        (x,), (y,) = leaves(random.normal(size=shape) * 3 + 1)
        ours.zero_grad(), theirs.zero_grad()
        agrees(ours, theirs, ours(x), theirs(y), [x], [y])
        for name, there in theirs.state_dict().items():
            laws.near(interop.torch.weights(ours)[name], there.numpy(), NEAR)


@pytest.mark.parametrize("seed", range(12))
def test_norms_of_groups_and_of_squares_are_pytorchs(seed):
    random = np.random.default_rng(seed)
    groups, width, batch = (int(number) for number in random.integers(2, 5, 3))
    affine, eps = bool(random.integers(4)), float(10.0 ** random.integers(-8, 0))
    features = groups * width
    array = random.normal(size=(batch, features, *random.integers(1, 4, seed % 3).tolist()))
    pairs = [
        (nn.GroupNorm(groups, features, eps=eps, scale=affine, bias=affine),
         torch.nn.GroupNorm(groups, features, eps=eps, affine=affine), array),
        (nn.RMSNorm(features, eps=eps, scale=affine),
         torch.nn.RMSNorm(features, eps=eps, elementwise_affine=affine), np.moveaxis(array, 1, -1)),
    ]  # fmt: skip
    for ours, theirs, data in pairs:
        theirs = filled(theirs, drawn(ours, random))
        (x,), (y,) = leaves(data)
        agrees(ours, theirs, ours(x), theirs(y), [x], [y])


@pytest.mark.parametrize("padding", [None, 2])
def test_an_embedding_is_pytorchs(padding):
    random = np.random.default_rng(0)
    ours = drawn(nn.Embedding(5, 3, padding=padding), random)
    theirs = filled(torch.nn.Embedding(5, 3, padding_idx=padding), ours)
    index = random.integers(0, 5, (4, 6))
    agrees(ours, theirs, ours(index), theirs(torch.tensor(index)))


@pytest.mark.parametrize("seed", range(24))
def test_a_random_attention_is_pytorchs(seed):
    random = np.random.default_rng(seed)
    heads, width = (int(number) for number in random.integers(1, 4, 2))
    size, batch = heads * width, [(), (3,)][seed % 2]
    bias, first = bool(random.integers(2)), bool(random.integers(2))
    causal, other = bool(random.integers(2)), seed % 3 == 0
    sizes = random.integers(1, 5, 2).tolist() if seed % 6 == 0 else [size, size]
    T, S = (int(number) for number in random.integers(2, 6, 2))
    S = S if other else T
    ours = nn.Attention(size, heads, key_size=sizes[0], value_size=sizes[1], causal=causal,
                        batch_first=first, bias=bias)  # fmt: skip
    theirs = torch.nn.MultiheadAttention(
        size, heads, bias=bias, batch_first=first, kdim=sizes[0], vdim=sizes[1]
    )
    theirs = filled(theirs, drawn(ours, random))
    lead = lambda steps: (*batch, steps) if first else (steps, *batch)  # noqa: E731
    shapes = [(*lead(T), size), (*lead(S), sizes[0]), (*lead(S), sizes[1])]
    xs, ys = leaves(*(random.normal(size=shape) for shape in (shapes if other else shapes[:1])))
    there = ys if other else ys * 3
    mask, masks = None, {}
    if random.integers(2):
        mask = random.random((T, S)) < 0.6
        mask[:, 0] = True
    hidden = np.zeros((T, S), bool) if mask is None else ~mask
    if causal:
        hidden |= ~np.tri(T, S, dtype=bool)
    if hidden.any():
        masks["attn_mask"] = torch.tensor(hidden)
    lengths = None
    if batch and random.integers(2):
        lengths = random.integers(1, S + 1, batch)
        masks["key_padding_mask"] = torch.tensor(np.arange(S) >= lengths[:, None])
    y = ours(*xs, mask=mask, lengths=lengths)
    z, _ = theirs(*there, **masks)
    if lengths is not None and not other:  # the outputs of padding are 0 here
        alive = (np.arange(T) < lengths[:, None])[..., None]
        z = z * torch.tensor(alive if first else alive.swapaxes(0, 1))
    agrees(ours, theirs, y, z, xs, ys)
