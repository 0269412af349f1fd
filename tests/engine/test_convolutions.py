"""Convolutions, pooling, normalizations: held to the laws, and to PyTorch on random arguments."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lstm as tg
from support import laws
from support.calls import check_call, numbers
from support.peers import peer
from tinygrad_lstm.errors import ArgumentError, ShapeError, UsageError


def against(ours, theirs, arrays):
    """Hold values and gradients of ours to those of PyTorch."""
    torch = peer("torch")
    mine = [tg.Tensor(x, requires_grad=True) for x in arrays]
    other = [torch.tensor(x, requires_grad=True) for x in arrays]
    y, z = ours(*mine), theirs(*other)
    laws.near(y.data, z.detach().numpy(), 1e-12)
    ct = laws.draw(y.shape, 7)
    y.backward(ct)
    z.backward(torch.tensor(ct))
    for one, two in zip(mine, other, strict=True):
        laws.near(one.grad, two.grad.numpy(), 1e-12)


def drawn_case(seed):
    """Return random arguments of a convolution: numbers of axes, and what goes with them."""
    random = np.random.default_rng(seed)
    n = int(random.integers(1, 4))
    groups = int(random.integers(1, 4))

    def sizes(low, high):
        return tuple(int(size) for size in random.integers(low, high, n))

    case = dict(stride=sizes(1, 4), padding=sizes(0, 3), dilation=sizes(1, 3), groups=groups)
    widths = sizes(1, 4)
    size = sizes(5, 8)
    B, C, out = (int(number) for number in random.integers(1, 4, 3))
    return n, case, (B, C * groups, *size), (out * groups, C, *widths), widths, random


@pytest.mark.parametrize("seed", range(30))
def test_a_random_convolution_is_pytorchs(seed):
    n, case, shape, kernel, _, random = drawn_case(seed)
    theirs = getattr(peer("torch").nn.functional, f"conv{n}d")
    arrays = random.normal(size=shape), random.normal(size=kernel)
    against(
        lambda x, k: tg.convolution(x, k, **case), lambda x, k: theirs(x, k, None, **case), arrays
    )


@pytest.mark.parametrize("seed", range(20))
def test_a_random_transposed_convolution_is_pytorchs(seed):
    n, case, shape, kernel, widths, random = drawn_case(seed)
    kernel = (shape[1], kernel[0] // case["groups"], *widths)
    longer = tuple(int(random.integers(0, step)) for step in case["stride"])
    case |= dict(output_padding=longer)
    theirs = getattr(peer("torch").nn.functional, f"conv_transpose{n}d")
    arrays = random.normal(size=shape), random.normal(size=kernel)
    against(
        lambda x, k: tg.transposed_convolution(x, k, **case),
        lambda x, k: theirs(x, k, None, **case),
        arrays,
    )


@pytest.mark.parametrize("seed", range(20))
def test_random_pooling_is_pytorchs(seed):
    n, case, shape, _, widths, random = drawn_case(seed)
    functional = peer("torch").nn.functional
    padding = tuple(
        min(pad, width // 2) for pad, width in zip(case["padding"], widths, strict=True)
    )
    ceil, counted = bool(random.integers(2)), bool(random.integers(2))
    x = random.normal(size=shape)
    stride, dilation = case["stride"], case["dilation"]
    against(
        lambda x: tg.max_pool(x, widths, stride, padding, dilation, ceil),
        lambda x: getattr(functional, f"max_pool{n}d")(
            x, widths, stride, padding, dilation, ceil_mode=ceil
        ),
        [x],
    )
    against(
        lambda x: tg.average_pool(x, widths, stride, padding, 1, ceil, counted),
        lambda x: getattr(functional, f"avg_pool{n}d")(
            x, widths, stride, padding, ceil_mode=ceil, count_include_pad=counted
        ),
        [x],
    )


@pytest.mark.parametrize("ndim", [2, 3, 4])
def test_normalizations_are_pytorchs(ndim):
    functional = peer("torch").nn.functional
    x = laws.draw((3, 6, 2, 5)[:ndim])
    C, D = x.shape[1], x.shape[-1]
    scale, shift, mean = (laws.draw((C,), seed) for seed in (1, 2, 3))
    variance = 0.1 + laws.draw((C,), 4) ** 2
    against(
        lambda x, g, b: tg.layer_norm(x, g, b),
        lambda x, g, b: functional.layer_norm(x, (D,), g, b),
        [x, laws.draw((D,), 5), laws.draw((D,), 6)],
    )
    against(
        lambda x, g: tg.rms_norm(x, g, eps=1e-6),
        lambda x, g: functional.rms_norm(x, (D,), g, eps=1e-6),
        [x, laws.draw((D,), 5)],
    )
    against(
        lambda x, g, b: tg.group_norm(x, 3, g, b),
        lambda x, g, b: functional.group_norm(x, 3, g, b),
        [x, scale, shift],
    )
    y = tg.batch_norm(tg.Tensor(x), mean, variance, scale, shift, eps=1e-3)
    torch = peer("torch")
    given = (torch.tensor(v) for v in (x, mean, variance, scale, shift))
    laws.near(y.data, functional.batch_norm(*given, eps=1e-3).numpy(), 1e-12)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel:UserWarning")
@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("seed", range(12))
def test_a_bias_and_padding_in_words_are_pytorchs(seed, n):
    random = np.random.default_rng([seed, n])
    widths, sizes = random.integers(1, 4, n), random.integers(5, 8, n)
    B, C, out, groups = (int(number) for number in random.integers(1, 4, 4))
    case = dict(dilation=int(random.integers(1, 3)), groups=groups)
    case |= dict(padding=str(random.choice(["same", "valid"])))
    shape = (*[B] * (seed % 2), C * groups, *map(int, sizes))  # a batch, or one sample
    kernel = (out * groups, C, *map(int, widths))
    theirs = getattr(peer("torch").nn.functional, f"conv{n}d")
    against(
        lambda x, w, b: getattr(tg, f"conv{n}d")(x, w, b, **case),
        lambda x, w, b: theirs(x, w, b, **case),
        [random.normal(size=size) for size in (shape, kernel, kernel[:1])],
    )


@pytest.mark.parametrize("seed", range(20))
def test_same_is_the_size_over_the_stride_rounded_up(seed):
    _, case, shape, kernel, widths, random = drawn_case(seed)
    x, k = random.normal(size=shape), random.normal(size=kernel)
    expected = tuple(-(-size // step) for size, step in zip(shape[2:], case["stride"], strict=True))
    options = case | dict(padding="same")
    assert tg.convolution(x, k, **options).shape[2:] == expected
    for pool in (tg.max_pool, tg.average_pool):
        assert pool(x, widths, case["stride"], "same", case["dilation"]).shape[2:] == expected


def test_axes_before_the_channels_are_samples():
    x, w, b = laws.draw((2, 3, 4, 6)), laws.draw((5, 4, 2)), laws.draw((5,))
    one_by_one = [[tg.conv1d(sample, w, b) for sample in row] for row in x]
    laws.near(tg.conv1d(x, w, b), one_by_one, 1e-13)


CALLS = {
    "convolution with a bias": (
        lambda x, w, b: tg.conv1d(x, w, b, padding="same"), [(2, 3, 5), (4, 3, 2), (4,)]
    ),
    "convolution of a plane": (
        lambda x, w, b: tg.conv2d(x, w, b, 2), [(3, 4, 5), (4, 3, 2, 2), (4,)]
    ),
    "convolution": (
        lambda x, k: tg.convolution(x, k, 2, ((1, 0),), 2), [(2, 3, 9), (4, 3, 2)]
    ),
    "convolution of planes": (
        lambda x, k: tg.convolution(x, k, padding=1, groups=2), [(1, 4, 3, 3), (2, 2, 2, 2)]
    ),
    "transposed convolution": (
        lambda x, k: tg.transposed_convolution(x, k, 2, 1), [(2, 3, 4), (3, 2, 3)]
    ),
    "max pool": (lambda x: tg.max_pool(x, 2, padding=1), [(1, 2, 3, 4)]),
    "average pool": (lambda x: tg.average_pool(x, 2, 1, 1), [(1, 2, 5)]),
    "layer norm": (lambda x, g, b: tg.layer_norm(x, g, b), [(2, 3, 4), (4,), (4,)]),
    "layer norm of two axes": (lambda x: tg.layer_norm(x, axis=(1, 2)), [(2, 3, 4)]),
    "rms norm": (lambda x, g: tg.rms_norm(x, g), [(3, 4), (4,)]),
    "group norm": (lambda x, g, b: tg.group_norm(x, 2, g, b), [(2, 4, 3), (4,), (4,)]),
    "batch norm": (
        lambda x, m, v, g, b: tg.batch_norm(x, m, v, g, b), [(2, 3, 4), (3,), (3,), (3,), (3,)]
    ),
    "batch norm along the last axis": (
        lambda x, m, v: tg.batch_norm(x, m, v, axis=-1), [(2, 3, 4), (4,), (4,)]
    ),
}  # fmt: skip


@pytest.mark.parametrize(("call", "shapes"), CALLS.values(), ids=CALLS)
def test_all_that_follows_a_call_holds(call, shapes):
    operands = [numbers(shape, seed) for seed, shape in enumerate(shapes)]
    assert check_call(call, None, operands, pictures=False) == "holds"


X, K = tg.Tensor(laws.draw((2, 4, 5)), name="x"), laws.draw((3, 4, 2))
BAD = {
    "no channels": (lambda: tg.convolution(X[0], K), ShapeError, "expected .batch, channels"),
    "other channels": (lambda: tg.convolution(X, K[:, :3]), ShapeError, "a kernel of shape .3, 3"),
    "another rank": (lambda: tg.convolution(X, K[0]), ShapeError, "a kernel of shape"),
    "groups": (lambda: tg.convolution(X, K[:, :2], groups=2), ShapeError, "must be a multiple"),
    "no groups": (lambda: tg.convolution(X, K, groups=0), ArgumentError, "at least 1, found 0"),
    "wide": (lambda: tg.convolution(X, K, dilation=9), ShapeError, "spans 10 entries .* at most 5"),
    "stride": (lambda: tg.convolution(X, K, stride=0), ArgumentError, "stride must be 1 whole"),
    "strides": (lambda: tg.convolution(X, K, stride=(1, 2)), ArgumentError, "stride must be 1"),
    "padding": (lambda: tg.convolution(X, K, padding=-1), UsageError, "padding must hold"),
    "paddings": (lambda: tg.convolution(X, K, padding=(1, 2)), ArgumentError, "for 1 axes"),
    "text": (lambda: tg.max_pool(X, "2"), UsageError, "width of a window must be a whole"),
    "pool": (lambda: tg.max_pool(X, 6), ShapeError, "max_pool: found a window that spans 6"),
    "transposed": (lambda: tg.transposed_convolution(X, K), ShapeError, r"expected \(4, O"),
    "eps": (lambda: tg.layer_norm(X, eps=-1.0), ArgumentError, "eps must be at least 0"),
    "channels": (lambda: tg.group_norm(X, 3), ShapeError, "multiple of 3 groups"),
    "a word": (lambda: tg.convolution(X, K, padding="full"), ArgumentError, "padding must be one"),
    "no axes": (lambda: tg.conv2d(X, K), ShapeError, "conv2d: found x of shape .* 2 sizes"),
    "a bias": (lambda: tg.conv1d(X, K, np.ones(2)), ShapeError, r"b of shape \(2,\), expected"),
    "matrix": (lambda: tg.batch_norm(X, K, K), ShapeError, "expected a vector"),
}  # fmt: skip


@pytest.mark.parametrize(("call", "error", "words"), BAD.values(), ids=BAD)
def test_what_cannot_be_meant_is_refused(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_the_padding_of_a_maximum_takes_no_part():
    y = tg.max_pool(tg.Tensor(-np.ones((1, 1, 4))), 3, 1, 1)
    np.testing.assert_array_equal(y.data, -np.ones((1, 1, 4)))
