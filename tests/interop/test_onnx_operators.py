"""ONNX' operators without a state: random nodes with random attributes, held to onnxruntime."""

import warnings

import numpy as np
import pytest

import tinygrad_lstm as tg
from support.onnx_cases import CASES, drawn
from support.onnx_models import F, model, node, there, written
from support.peers import peer
from tinygrad_lstm.interop import load_onnx
from tinygrad_lstm.interop.onnx_operators import OPERATORS

peer("onnx")


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("seed", range(4))
def test_a_random_node_computes_what_it_does_in_onnxruntime(tmp_path, operator, seed):
    case = drawn(operator, seed)
    data = {f"x{n}": np.asarray(array) for n, array in enumerate(case.data)}
    constants = {
        f"c{n}": np.asarray(array) for n, array in enumerate(case.constants) if array is not None
    }
    names = [*data, *(f"c{n}" if f"c{n}" in constants else "" for n in range(len(case.constants)))]
    outputs = [f"y{n}" for n in range(case.outputs)]
    content = model(
        [node(operator, names, outputs, **case.attributes)],
        constants, data, outputs, opset=case.opset,
    )  # fmt: skip
    net = load_onnx(written(tmp_path, content))
    tensors = {
        name: tg.Tensor(array, requires_grad=True) if array.dtype == F else array
        for name, array in data.items()
    }
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        results = net(**tensors)
        results = results if isinstance(results, tuple) else (results,)
        for y in results:
            if isinstance(y, tg.Tensor) and y.requires_grad:
                y.sum().backward()
    for one, other in zip(results, there(content, data), strict=True):
        values = one.data if isinstance(one, tg.Tensor) else np.asarray(one)
        assert (values.shape, values.dtype) == (other.shape, other.dtype)
        np.testing.assert_allclose(values, other, rtol=3e-5, atol=3e-5)


def test_every_operator_is_tried():
    assert CASES.keys() == OPERATORS.keys()


def test_what_was_measured_in_training_is_no_parameter(tmp_path):
    case = drawn("BatchNormalization", 0)
    constants = {f"c{n}": array for n, array in enumerate(case.constants)}
    content = model([node("BatchNormalization", ("x", *constants))], constants, {"x": 4})
    net = load_onnx(written(tmp_path, content))
    assert set(net.weights) == {"c0", "c1"}


@pytest.mark.parametrize("is_named_twice", [True, False])
def test_what_was_measured_sends_no_gradient_to_an_equal_weight(tmp_path, is_named_twice):
    """Exporters write equal arrays as one: here the scale, the variance and the mean."""
    other = "c" if is_named_twice else "same"
    nodes = [
        node("Identity", ("c",), ("same",)),
        node("BatchNormalization", ("x", "c", "b", other, other)),
    ]
    c = np.array([0.5, 2.0, 1.5], F)
    net = load_onnx(written(tmp_path, model(nodes, {"c": c, "b": 0 * c}, {"x": 2})))
    x = np.arange(6, dtype=F).reshape(2, 3)
    net(x).sum().backward()
    expected = ((x - c) / np.sqrt(c + 1e-5)).sum(0)
    np.testing.assert_allclose(net.weights["c"].grad, expected, rtol=1e-5, atol=1e-5)


def test_an_exponent_of_one_number_is_no_parameter(tmp_path):
    content = model([node("Pow", ("x", "two"))], {"two": np.array(2, F)})
    x = tg.Tensor(-np.ones((1, 1, 3), F), requires_grad=True)
    load_onnx(written(tmp_path, content))(x).sum().backward()  # no logarithm of what is negative
    np.testing.assert_array_equal(x.grad, -2 * np.ones((1, 1, 3)))
