"""ONNX' LSTM, GRU and RNN: random nodes with all attributes are held to onnxruntime."""

import numpy as np
import pytest

import tinygrad_lstm as tg
from support import laws
from support.onnx_models import NEAR, F, model, node, there, written
from support.peers import peer
from tinygrad_lstm import interop, nn
from tinygrad_lstm.errors import FileError, ShapeError
from tinygrad_lstm.interop import load_onnx
from tinygrad_lstm.interop.onnx_attributes import DEFAULTS, FUNCTIONS, GATES
from tinygrad_lstm.interop.onnx_over_time import OverTime

peer("onnx")
TWO = ["Affine", "ScaledTanh", "HardSigmoid"]  # which take alpha and beta
ONE = ["LeakyRelu", "ThresholdedRelu", "Elu"]
NAMES = [*TWO, *ONE, "Tanh", "Sigmoid", "Relu", "Softplus", "Softsign"]


def over_time(seed, kind):
    """Return the inputs of a random node, its arrays, its attributes, and its outputs."""
    random = np.random.default_rng([seed, GATES[kind]])
    T, B, width, H = (int(size) for size in random.integers(1, 6, 4))
    direction = str(random.choice(["forward", "reverse", "bidirectional"]))
    D, gates, some = 1 + (direction == "bidirectional"), GATES[kind], lambda: random.random() < 0.5
    arrays = {"x": random.normal(size=(T, B, width))}
    for name, size in (("W", width), ("R", H)):
        arrays[name] = 0.5 * random.normal(size=(D, gates * H, size))
    shapes = {3: ("B", (D, 2 * gates * H)), 5: ("h", (D, B, H))}
    if kind == "LSTM":
        shapes |= {6: ("c", (D, B, H)), 7: ("P", (D, 3 * H))}
    inputs = ["x", "W", "R", "", "", "", "", ""]
    for at, (name, shape) in shapes.items():
        if some():
            inputs[at], arrays[name] = name, random.normal(size=shape)
    if some():
        inputs[4], arrays["lengths"] = "lengths", random.integers(1, T + 1, B)
    attributes = {"hidden_size": H, "direction": direction}
    if kind == "GRU" and some():
        attributes["linear_before_reset"] = 1
    if kind == "LSTM" and some():
        attributes["input_forget"] = 1
    if some():
        attributes["clip"] = float(random.uniform(0.3, 2.0))
    if some():
        drawn = [str(name) for name in random.choice(NAMES, len(DEFAULTS[kind]) * D)]
        attributes["activations"] = drawn
        alphas = [float(random.uniform(0.2, 0.9)) for name in drawn if name in TWO + ONE]
        betas = [float(random.uniform(0.1, 0.8)) for name in drawn if name in TWO]
        attributes |= {"activation_alpha": alphas} if alphas else {}
        attributes |= {"activation_beta": betas} if betas else {}
    while not inputs[-1]:
        inputs.pop()
    arrays = {
        name: array.astype(np.int32 if name == "lengths" else F) for name, array in arrays.items()
    }
    return inputs, arrays, attributes, ["Y", "Y_h", "Y_c"][: 3 if kind == "LSTM" else 2]


def built(kind, inputs, arrays, attributes, outputs, constant="WRBP"):
    """Return a model of one node, and what goes in; the weights are constants, or go in too."""
    data = {name: array for name, array in arrays.items() if name not in constant}
    constants = {name: array for name, array in arrays.items() if name in constant}
    return model([node(kind, inputs, outputs, **attributes)], constants, data, outputs), data


def near(results, expected):
    for one, other in zip(results, expected, strict=True):
        scale = max(1.0, float(np.abs(other).max()))
        laws.near(one.data / scale, other / scale, 5 * NEAR)


@pytest.mark.parametrize("kind", GATES)
@pytest.mark.parametrize("seed", range(25))
def test_a_random_node_computes_what_it_does_in_onnxruntime(tmp_path, kind, seed):
    case = over_time(seed, kind)
    content, data = built(kind, *case, "" if seed % 4 == 0 else "WRBP")
    near(load_onnx(written(tmp_path, content))(**data), there(content, data))


@pytest.mark.parametrize("kind", GATES)
@pytest.mark.parametrize("seed", range(8))
def test_with_layout_1_the_batch_comes_first(tmp_path, kind, seed):
    inputs, arrays, attributes, outputs = over_time(100 + seed, kind)
    if seed % 2:  # a node that becomes a layer
        arrays = {name: array[:1] if name in "WRBPhc" else array for name, array in arrays.items()}
        attributes = {"hidden_size": attributes["hidden_size"]}
    Y, *lasts = there(*built(kind, inputs, arrays, attributes, outputs))
    turned = {
        name: array.transpose(1, 0, 2) if name in "xhc" else array for name, array in arrays.items()
    }
    content, data = built(kind, inputs, turned, attributes | {"layout": 1}, outputs)
    results = load_onnx(written(tmp_path, content))(**data)
    near(results, [Y.transpose(2, 0, 1, 3), *(last.transpose(1, 0, 2) for last in lasts)])


@pytest.mark.long
@pytest.mark.parametrize("kind", GATES)
@pytest.mark.parametrize("seed", range(4))
def test_gradients_are_differences(kind, seed):
    inputs, arrays, attributes, _ = over_time(200 + seed, kind)
    attributes |= {"activations": ["HardSigmoid", "Softsign", "Elu"][: len(DEFAULTS[kind])]}
    attributes |= {"activation_alpha": [], "activation_beta": [], "direction": "reverse"}
    arrays = {
        name: array if name == "lengths" else array.astype(float)[: None if name == "x" else 1]
        for name, array in arrays.items()
    }
    apply = OverTime(kind, "node", attributes)
    names = [name for name in arrays if name != "lengths"]

    def loss(*values):
        given = arrays | dict(zip(names, values, strict=True))
        results = apply(*[given[name] if name else None for name in inputs])
        return tg.sum(sum((tg.sum(y * y) for y in results), start=tg.Tensor(0.0)))

    tensors = [tg.Tensor(arrays[name], requires_grad=True, name=name) for name in names]
    assert tg.gradcheck(loss, tensors).ok


def test_the_direction_and_the_functions_decide_whether_a_node_becomes_a_layer(tmp_path):
    for more, count in (
        ({}, 1),
        (dict(direction="reverse"), 0),
        (dict(clip=1.0), 0),
        (dict(activations=["HardSigmoid", "Tanh", "Tanh"]), 0),
    ):
        arrays = interop.onnx.weights(nn.LSTM(2, 3, dtype=F, seed=0))
        content = model([node("LSTM", ("x", "W", "R", "B"), ("y",), **more)], arrays)
        net = load_onnx(written(tmp_path, content))
        assert hasattr(net, "lstm") == bool(count)
        assert set(net.weights) == (set() if count else {"W", "R", "B"})


def test_a_node_that_is_no_layer_is_folded_and_drawn(tmp_path):
    arrays = interop.onnx.weights(nn.LSTM(2, 3, dtype=F, seed=0))
    content = model([node("LSTM", ("x", "W", "R", "B"), ("y",), clip=1.0, input_forget=1)], arrays)
    net = load_onnx(written(tmp_path, content), name="net")
    loss = tg.sum(net(laws.draw((5, 2, 2)).astype(F)) ** 2)
    loss.backward()
    graph = tg.graph(loss)
    assert "folded over 5 steps" in repr(graph.fold())
    assert "net.lstm.state[3]" in tg.signals(loss)
    laws.near(graph.fold().adjoint().evaluate()["δnet.W"], net.weights["W"].grad, 1e-6)


ONES = {"W": np.ones((1, 8, 3), F), "R": np.ones((1, 8, 2), F)}


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        (dict(direction="sideways"), "the direction sideways"),
        (dict(layout=2), "the attribute layout = 2"),
        (dict(clip=-1.0), r"the attribute clip = -1\.0"),
        (dict(activations=["Sigmoid", "Sine", "Tanh"]), "the activations .* Sine"),
        (dict(activations=["Sigmoid", "Tanh"]), "the activations"),
        (dict(activations=["Tanh"] * 6), "the activations"),
        (dict(activations=["Sigmoid", "Affine", "Tanh"]), "Affine without its numbers"),
        (dict(activations=["Sigmoid", "Tanh", "ThresholdedRelu"]), "without its numbers"),
        (dict(activation_alpha=[0.5]), "the activations"),
        (dict(hidden_size=3), "hidden_size is 3, R has 2"),
    ],
)
def test_what_is_not_covered_is_refused_by_name(tmp_path, attributes, words):
    path = written(tmp_path, model([node("LSTM", ("x", "W", "R"), ("y",), **attributes)], ONES))
    with pytest.raises(FileError, match=f"LSTM 'to_y': .*{words}.*; nothing loaded"):
        load_onnx(path)


def test_initial_states_of_another_width_are_refused(tmp_path):
    """As PyTorch writes an LSTM with a projection, which ONNX has not."""
    constants = ONES | {"c": np.zeros((1, 2, 6), F)}
    content = model([node("LSTM", ("x", "W", "R", "", "", "", "c"), ("y",))], constants)
    with pytest.raises(FileError, match=r"initial_c has shape \(1, 2, 6\), expected \(1, B, 2\)"):
        load_onnx(written(tmp_path, content))


def test_inputs_that_do_not_fit():
    lstm = OverTime("LSTM", "lstm", {"clip": 1.0})
    W, R = ONES["W"], ONES["R"]
    with pytest.raises(ShapeError, match=r"lstm: input has shape \(4, 3\), expected \(T, B, in\)"):
        lstm(np.ones((4, 3), F), W, R)
    with pytest.raises(ShapeError, match="with 3 features"):
        lstm(np.ones((4, 2, 5), F), W, R)
    with pytest.raises(ShapeError, match=r"found lengths \[5\], expected 2 of 0 to 4 steps"):
        lstm(np.ones((4, 2, 3), F), W, R, None, np.array([5]))
    with pytest.raises(ShapeError, match="W has shape"):
        lstm(np.ones((4, 2, 3), F), W[:, :7], R)


def test_every_function_is_drawn():
    assert {name.lower() for name in NAMES} == set(FUNCTIONS)
