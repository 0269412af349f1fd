"""Holds the activations to their definitions, to PyTorch where it is installed, and to the laws."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lstm as tg
from support.calls import check_call
from support.peers import peer
from tinygrad_lstm.engine.functions import LATER

NAMES = [name for name, subject in LATER.items() if subject == "activations"]
POINTS = np.array([-30.0, -3.7, -2.2, -0.6, -0.05, 0.03, 0.7, 1.6, 2.9, 4.5, 7.0, 40.0])
THEIRS = {
    "hard_sigmoid": "hardsigmoid", "hard_swish": "hardswish", "hard_tanh": "hardtanh",
    "log_sigmoid": "logsigmoid",
}  # fmt: skip
OPTIONS = {
    "gelu": {"approximate": "tanh"}, "elu": {"alpha": 0.75}, "celu": {"alpha": 1.5},
    "hard_tanh": {"low": -0.5, "high": 0.4}, "hard_sigmoid": {"alpha": 0.2, "beta": 0.4},
    "leaky_relu": {"slope": 0.2},
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_an_activation_has_its_derivatives(name):
    for options in ({}, OPTIONS.get(name, {})):
        fn = lambda x, o=options: getattr(tg, name)(x, **o)  # noqa: E731
        assert check_call(fn, None, [POINTS[1:-1]], pictures=False) == "holds"


@pytest.mark.parametrize("name", NAMES)
def test_an_activation_is_pytorchs(name):
    torch = peer("torch")
    theirs = getattr(torch.nn.functional, THEIRS.get(name, name))
    for options in ({}, OPTIONS.get(name, {})) if name in ("gelu", "elu", "celu") else ({},):
        x, y = tg.Tensor(POINTS, requires_grad=True), torch.tensor(POINTS, requires_grad=True)
        ours, other = getattr(tg, name)(x, **options), theirs(y, **options)
        np.testing.assert_allclose(ours.data, other.detach().numpy(), rtol=1e-12, atol=1e-15)
        np.sum(ours).backward()
        other.sum().backward()
        digits = 1e-7 if name == "hard_sigmoid" else 1e-11  # PyTorch keeps its 1/6 in float32
        np.testing.assert_allclose(x.grad, y.grad.numpy(), rtol=digits, atol=1e-14)


def test_gelu_keeps_its_digits_on_the_left():
    x = tg.Tensor([-10.0, -35.0], requires_grad=True)
    y = tg.gelu(x)
    normal = np.array([7.61985302416052e-24, 1.12491070647241e-268])  # Φ(-10), Φ(-35)
    np.testing.assert_allclose(y.data, x.data * normal, rtol=1e-13)


def test_elu_is_smooth_at_zero():
    x = tg.Tensor([0.0], requires_grad=True)
    np.sum(tg.elu(x)).backward()
    np.testing.assert_array_equal(x.grad, [1.0])


def test_the_slope_of_leaky_relu_may_be_learned():
    x, slope = (tg.Tensor(v, requires_grad=True) for v in ([-2.0, 3.0, -1.0], 0.25))
    np.sum(tg.leaky_relu(x, slope)).backward()
    np.testing.assert_array_equal(x.grad, [0.25, 1.0, 0.25])
    assert slope.grad == -3.0


@pytest.mark.parametrize("name", NAMES)
def test_a_layer_takes_an_activation_by_its_name_and_writes_its_card(name):
    layer = tg.nn.Dense(3, 2, name, seed=0)
    x = np.ones((2, 3))
    expected = getattr(tg, name)(x @ layer.W.numpy() + layer.b.numpy())
    np.testing.assert_allclose(layer(x).data, expected, rtol=1e-13)
    assert "y = " in str(layer)
