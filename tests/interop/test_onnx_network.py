"""ONNX model files as networks: held to onnxruntime on random nodes, and what cannot be one."""

import sys

import numpy as np
import pytest

import tinygrad_lstm as tg
from support import laws
from support.peers import peer
from tinygrad_lstm import interop, nn
from tinygrad_lstm.errors import FileError, PackageError, ShapeError, UsageError
from tinygrad_lstm.interop import load_onnx, save_onnx
from tinygrad_lstm.interop.onnx_operators import OPERATORS

onnx = peer("onnx")
F = np.float32
NEAR = 2e-6  # float32: onnxruntime has no recurrent layers of float64
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
SQUASHES = [("Tanh", (), ()), ("Relu", (), ()), ("Softplus", (), ()), ("Sigmoid", (), ()),
            ("Affine", (1.0,), (0.0,)), ("ScaledTanh", (2.0,), (0.5,))]  # fmt: skip


def model(nodes, constants=None, inputs=None, outputs=("y",), kind=F, opset=17):
    """Return a model of nodes; inputs are given by how many axes they have, free ones."""
    helper = onnx.helper

    def told(name, axes, kind):
        of = helper.np_dtype_to_tensor_dtype(np.dtype(kind))
        return helper.make_tensor_value_info(name, of, axes and [f"{name}{n}" for n in range(axes)])

    made = helper.make_model(
        helper.make_graph(
            nodes,
            "graph",
            [
                told(name, axes, np.int32 if name == "lengths" else kind)
                for name, axes in (inputs or {"x": 3}).items()
            ],
            [told(each, None, kind) for each in outputs],
            [onnx.numpy_helper.from_array(each, name) for name, each in (constants or {}).items()],
        ),
        ir_version=8,
        opset_imports=[helper.make_opsetid("", opset), helper.make_opsetid("own", 1)],
    )
    made = onnx.shape_inference.infer_shapes(made)
    for each in made.graph.output:
        if not each.type.tensor_type.HasField("shape"):  # of an operator that onnx does not know
            each.CopyFrom(told(each.name, 3, kind))
    return made


def node(operator, inputs=("x",), outputs=("y",), **attributes):
    return onnx.helper.make_node(
        operator,
        list(inputs),
        list(outputs),
        f"to_{outputs[0]}",
        domain=attributes.pop("domain", ""),
        **attributes,
    )


def written(path, made):
    path = path / "net.onnx"
    path.write_bytes(made if isinstance(made, bytes) else made.SerializeToString())
    return path


def there(path, inputs):
    session = peer("onnxruntime").InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, inputs)


# --- layers over time -----------------------------------------------------------------------------


def over_time(seed, kind):
    """Return a random node's model, what goes in, and how many last states come out."""
    random = np.random.default_rng([seed, GATES[kind]])
    T, B, width, H = random.integers(1, 7, 4)
    D, gates, some = int(random.integers(1, 3)), GATES[kind], lambda: random.random() < 0.5
    shapes = {"W": (D, gates * H, width), "R": (D, gates * H, H)}
    constants = {name: 0.5 * random.normal(size=shape) for name, shape in shapes.items()}
    names, data = ["x", "W", "R", "", "", "", "", ""], {"x": random.normal(size=(T, B, width))}
    if some():
        names[3], constants["B"] = "B", random.normal(size=(D, 2 * gates * H))
    if some():
        names[4], data["lengths"] = "lengths", random.integers(1, T + 1, B).astype(np.int32)
    for at, name in ((5, "h"), (6, "c")):
        if (name == "h" or kind == "LSTM") and some():
            names[at], data[name] = name, random.normal(size=(D, B, H))
    if kind == "LSTM" and some():
        names[7], constants["P"] = "P", random.normal(size=(D, 3 * H))
    attributes = {"hidden_size": int(H), "direction": ("forward", "bidirectional")[D - 1]}
    if kind == "GRU" and some():
        attributes["linear_before_reset"] = 1
    if some():
        drawn = [SQUASHES[n] for n in random.integers(0, len(SQUASHES), 2 if kind == "LSTM" else 1)]
        gate = [("Sigmoid", (), ())] if kind != "RNN" else []
        told, alphas, betas = zip(*(gate + drawn) * D, strict=True)
        attributes["activations"] = told
        if any(alphas):
            attributes["activation_alpha"] = sum(alphas, ())
            attributes["activation_beta"] = sum(betas, ())
    outputs = ["Y", "Y_h", "Y_c"][: 3 if kind == "LSTM" else 2]
    while not names[-1]:
        names.pop()
    made = model(
        [node(kind, names, outputs, **attributes)],
        {name: each.astype(F) for name, each in constants.items()},
        {name: each.ndim for name, each in data.items()},
        outputs,
    )
    floats = {name: each.astype(F) for name, each in data.items() if name != "lengths"}
    return made, data | floats


@pytest.mark.parametrize("kind", GATES)
@pytest.mark.parametrize("seed", range(25))
def test_a_random_node_computes_what_it_does_in_onnxruntime(tmp_path, kind, seed):
    made, data = over_time(seed, kind)
    path = written(tmp_path, made)
    for found, expected in zip(load_onnx(path)(**data), there(path, data), strict=True):
        laws.near(found.data, expected, NEAR)


NETWORKS = {
    "LSTM": lambda dtype: nn.LSTM(3, 4, 2, bidirectional=True, peephole=True, dtype=dtype, seed=0),
    "blocks": lambda dtype: nn.MemoryBlocks(3, 4, 1, dtype=dtype, seed=0),
    "GRU": lambda dtype: nn.GRU(3, 4, batch_first=True, dtype=dtype, seed=0),
    "RNN": lambda dtype: nn.RNN(3, 4, activation="relu", dtype=dtype, seed=0),
    "one after the other": lambda dtype: nn.Sequential(
        nn.Dense(3, 5, "tanh", dtype=dtype, seed=0), nn.GRU(5, 4, 2, dtype=dtype, seed=1),
        nn.Dropout(0.5), nn.LSTM(4, 3, dtype=dtype, seed=2), nn.Dense(3, 2, dtype=dtype, seed=3),
    ).eval(),
}  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS.keys())
def test_there_and_back_is_exact(tmp_path, make, dtype):
    net = make(dtype)
    x = laws.draw((5, 6, 3)).astype(dtype)
    again = load_onnx(save_onnx(net, tmp_path / "net.onnx"))
    out, found = net(x), again(x)
    out, found = (each[0] if isinstance(each, tuple) else each for each in (out, found))
    assert found.dtype == dtype
    assert np.array_equal(found.data, out.data)
    for each in (out, found):
        (each * each).sum().backward()
    old, new = (
        sorted(float(np.abs(each.grad).sum()) for each in module.parameters())
        for module in (net, again)
    )
    laws.near(new, old, 100 * np.finfo(dtype).eps)


def test_what_was_read_is_folded_drawn_and_compared(tmp_path):
    net = nn.Sequential(nn.LSTM(3, 4, seed=0), nn.Dense(4, 1, "sigmoid", seed=1))
    again = load_onnx(save_onnx(net, tmp_path / "net.onnx"), name="net")
    loss = tg.nn.squared_error(again(laws.draw((5, 2, 3))), np.ones((5, 2, 1)))
    loss.backward()
    graph = tg.graph(loss)
    assert "folded over 5 steps" in repr(graph.fold())
    laws.near(graph.fold().adjoint().evaluate()["δnet.lstm.W"], again.lstm.W.grad, 1e-12)
    assert tg.compare(loss, {"net.lstm.W": again.lstm.W.grad}).ok
    assert "net.lstm" in str(again.lstm)
    assert tg.draw(loss).dot


def test_gradients_are_those_of_what_the_file_holds(tmp_path):
    """B has one gradient for both halves, by differences of the reference evaluator."""
    from onnx.reference import ReferenceEvaluator

    gru = nn.GRU(2, 3, seed=0)
    x, path = laws.draw((4, 2, 2)), tmp_path / "gru.onnx"
    loss = (gru(x)[0] ** 2).sum()
    loss.backward()
    found, model = interop.onnx.gradients(gru), onnx.load(save_onnx(gru, path))
    for tensor in model.graph.initializer:
        if tensor.name not in found:
            continue
        array, gradient = onnx.numpy_helper.to_array(tensor).copy(), found[tensor.name]
        for at in list(np.ndindex(array.shape))[::5]:
            ends = []
            for h in (1e-6, -1e-6):
                moved = array.copy()
                moved[at] += h
                tensor.CopyFrom(onnx.numpy_helper.from_array(moved, tensor.name))
                ends.append((ReferenceEvaluator(model).run(["out"], {"x": x})[0] ** 2).sum())
            tensor.CopyFrom(onnx.numpy_helper.from_array(array, tensor.name))
            laws.near(gradient[at], (ends[0] - ends[1]) / 2e-6, 1e-7)


# --- operators without a memory -------------------------------------------------------------------

X, Y = laws.draw((2, 3, 4)).astype(F), laws.draw((4, 5)).astype(F)


def whole(*numbers):
    return np.array(numbers, np.int64)


ALONE = ("Identity", "Dropout", "Tanh", "Sigmoid", "Relu", "Softplus", "Exp", "Log", "Sqrt", "Abs",
         "Neg", "Sin", "Cos")  # fmt: skip
SAMPLES = [
    *((name, {}, [0.1 + np.abs(X)], {}) for name in ALONE),
    *((name, {"v": 0.5 + np.abs(X[0])}, [X], {}) for name in ("Add", "Sub", "Mul", "Div")),
    ("MatMul", {"v": Y}, [X], {}),
    ("Gemm", {"v": Y}, [X[0]], {}),
    ("Gemm", {"v": Y.T.copy(), "c": Y[0]}, [X[0].T], dict(transA=1, transB=1, alpha=0.5, beta=2.0)),
    ("Softmax", {}, [X], {}),
    ("Softmax", {}, [X], dict(axis=1)),
    ("LogSoftmax", {}, [X], dict(axis=0)),
    ("Transpose", {}, [X], {}),
    ("Transpose", {}, [X], dict(perm=[1, 0, 2])),
    ("Reshape", {"s": whole(0, -1)}, [X], {}),
    ("Reshape", {"s": whole(4, 6)}, [X], {}),
    ("Flatten", {}, [X], {}),
    ("Flatten", {}, [X], dict(axis=-1)),
    ("Squeeze", {}, [X[:1]], {}),
    ("Squeeze", {"s": whole(-3)}, [X[:1]], {}),
    ("Unsqueeze", {"s": whole(0, -1)}, [X], {}),
    ("Concat", {"v": X[:1]}, [X], dict(axis=0)),
    ("Slice", {"a": whole(0, 1), "b": whole(2, 100)}, [X], {}),
    ("Slice", {"a": whole(-1), "b": whole(-(2**40)), "c": whole(1), "d": whole(-1)}, [X], {}),
    ("Gather", {"s": whole(2, 0, 2)}, [X], dict(axis=1)),
    ("Gather", {"s": np.array(-1)}, [X], dict(axis=-1)),
    ("Expand", {"s": whole(2, 1, 4)}, [X[0]], {}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("operator", "constants", "data", "attributes"),
    SAMPLES,
    ids=[f"{n}-{sample[0]}" for n, sample in enumerate(SAMPLES)],
)
def test_an_operator_computes_what_it_does_in_onnxruntime(
    tmp_path, operator, constants, data, attributes
):
    axes = {"x": data[0].ndim}
    made = model([node(operator, ("x", *constants), **attributes)], constants, axes)
    path = written(tmp_path, made)
    net = load_onnx(path)
    laws.near(net(*data).data, there(path, {"x": data[0]})[0], NEAR)
    x = tg.Tensor(data[0], requires_grad=True)
    net(x).sum().backward()
    assert x.grad.shape == x.shape


def test_shapes_may_be_computed(tmp_path):
    """Zeros for as many sequences as come in, as exporters write it."""
    nodes = [
        node("Constant", (), ("one",), value_ints=[1]),
        node("Shape", ("x",), ("shape",), start=1, end=2),
        node("Div", ("shape", "one"), ("B",)),
        node("Concat", ("one", "B", "H"), ("sizes",), axis=0),
        node("ConstantOfShape", ("sizes",), ("h",)),
        node("RNN", ("x", "W", "R", "", "", "h"), ("y", ""), hidden_size=4),
    ]
    rnn = nn.RNN(3, 4, dtype=F, seed=0)
    constants = {"H": whole(4), **{name: interop.onnx.weights(rnn)[name] for name in "WR"}}
    path = written(tmp_path, model(nodes, constants))
    x = laws.draw((5, 2, 3)).astype(F)
    laws.near(load_onnx(path)(x).data[:, 0], rnn(x)[0].data, NEAR)
    laws.near(load_onnx(path)(x).data, there(path, {"x": x})[0], NEAR)


def test_every_operator_is_tried():
    tried = {sample[0] for sample in SAMPLES} | {"Shape", "ConstantOfShape"}
    assert tried == set(OPERATORS)


# --- what is refused ------------------------------------------------------------------------------

LSTM = {"W": np.ones((1, 8, 3), F), "R": np.ones((1, 8, 2), F)}
REVERSED = dict(hidden_size=2, direction="reverse")


def lstm(inputs=("x", "W", "R"), **attributes):
    return node("LSTM", inputs, ("y",), **attributes)


@pytest.mark.parametrize(
    ("nodes", "constants", "words"),
    [
        ([node("Erf")], {}, ["Erf 'to_y': the operator Erf"]),
        ([node("Tanh", domain="own")], {}, ["the operator own.Tanh"]),
        ([node("Dropout", ("x",), ("y", "mask"))], {}, ["a second output"]),
        (
            [node("Dropout", ("x", "rate", "on"))],
            {"rate": np.array(0.5, F), "on": np.array(True)},
            ["dropping in training"],
        ),
        ([lstm(**REVERSED)], LSTM, ["the direction reverse"]),
        ([lstm(hidden_size=2, clip=3.0)], LSTM, ["the attribute clip = 3.0"]),
        ([lstm(hidden_size=2, layout=1)], LSTM, ["the attribute layout = 1"]),
        ([lstm(input_forget=1)], LSTM, ["the attribute input_forget = 1"]),
        ([lstm(activations=["Sigmoid", "Elu", "Tanh"])], LSTM, ["the activations", "Elu"]),
        ([lstm(activations=["Sigmoid", "Tanh"])], LSTM, ["the activations"]),
        ([lstm(activations=["Tanh", "Tanh", "Tanh"])], LSTM, ["the activations"]),
        ([lstm(activations=["Sigmoid", "Affine", "Tanh"])], LSTM, ["the activations"]),
        ([node("Tanh", ("W",), ("V",)), lstm(("x", "V", "R"))], LSTM, ["that are computed"]),
        ([node("Erf"), node("Tan", ("y",), ("z",)), lstm(("z", "W", "R"), **REVERSED)], LSTM,
         ["operator Erf", "operator Tan", "direction reverse"]),
        ([node("MatMul", ("x", "h"))], {"h": np.ones((3, 3), np.float16)}, ["h of type float16"]),
        ([lstm(hidden_size=3)], LSTM, ["hidden_size is 3, R has 2"]),
        ([lstm()], LSTM | {"R": np.ones((1, 8, 5), F)}, [r"W has shape \(1", "R has shape"]),
        ([lstm()], LSTM | {"R": np.ones((1, 8, 2))}, ["R has .* float64, expected .* float32"]),
        ([lstm(("x", "W", "R", "B"))], LSTM | {"B": np.ones((1, 8), F)}, ["B has shape"]),
        ([lstm(direction="bidirectional")], LSTM, ["W has shape"]),
    ],
)  # fmt: skip
def test_what_is_not_covered_is_listed_and_nothing_is_loaded(tmp_path, nodes, constants, words):
    if nodes[0].op_type == "Erf" and len(nodes) > 1:
        nodes[-1].output[0] = "last"
    path = written(tmp_path, model(nodes, constants, outputs=(nodes[-1].output[0],)))
    for each in words:
        with pytest.raises(FileError, match=rf"load_onnx: .*net\.onnx: .*{each}.*; nothing loaded"):
            load_onnx(path)


def test_an_old_operator_set_is_refused(tmp_path):
    with pytest.raises(FileError, match="operator set 11, expected 13 or newer: convert it"):
        load_onnx(written(tmp_path, model([node("Tanh")], opset=11)))


def test_inputs_of_a_type_that_is_not_covered_are_refused(tmp_path):
    with pytest.raises(FileError, match="the input x of type float16"):
        load_onnx(written(tmp_path, model([node("Tanh")], kind=np.float16)))


def test_constants_in_other_files_are_not_opened(tmp_path):
    made = model([node("Add", ("x", "c"))], {"c": np.ones(3, F)})
    tensor = made.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "/etc/passwd"
    with pytest.raises(FileError, match="in other files, which are not opened"):
        load_onnx(written(tmp_path, made))


def test_a_file_cut_anywhere_is_refused(tmp_path):
    content = save_onnx(nn.LSTM(2, 3, seed=0), tmp_path / "net.onnx").read_bytes()
    for size in range(0, len(content), 7):
        with pytest.raises(FileError, match="nothing loaded"):
            load_onnx(written(tmp_path, content[:size]))


def test_a_changed_byte_is_refused_or_makes_another_network(tmp_path):
    net = nn.Sequential(nn.GRU(2, 3, dtype=F, seed=0), nn.Dense(3, 1, "tanh", dtype=F, seed=0))
    content = save_onnx(net, tmp_path / "net.onnx").read_bytes()
    random, refused = np.random.default_rng(0), 0
    for at in random.permutation(len(content))[:300]:
        changed = bytearray(content)
        changed[at] ^= 1 << random.integers(8)
        try:
            load_onnx(written(tmp_path, bytes(changed)))
        except FileError:
            refused += 1
    assert refused > 50


@pytest.mark.parametrize("content", [b"", b"noise" * 100, b"PK\x03\x04", b"\x80\x04\x95"])
def test_what_is_no_model_is_refused(tmp_path, content):
    with pytest.raises(FileError, match="no ONNX model, or one that is cut or corrupt"):
        load_onnx(written(tmp_path, content))


def test_a_file_that_is_not_there_is_an_oserror(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_onnx(tmp_path / "none.onnx")


def test_inputs_that_do_not_fit(tmp_path):
    net = load_onnx(save_onnx(nn.LSTM(2, 3), tmp_path / "net.onnx", states=True), name="net")
    x, state = np.ones((4, 2, 2)), np.ones((2, 3))
    with pytest.raises(UsageError, match=r"net: found 1 inputs and \[\], expected x, out_0, state"):
        net(x)
    with pytest.raises(UsageError, match="expected x, out_0, state_0"):
        net(x, state, state_1=state)
    with pytest.raises(UsageError, match="expected x, out_0, state_0"):
        net(x, state, state, x=x)
    with pytest.raises(ShapeError, match=r"net\.lstm: input has shape \(2, 2\), expected \(T, B"):
        net(x[0], state, state)
    with pytest.raises(ShapeError, match=r"net\.lstm: input has 5 features, weights take 2"):
        net(np.ones((4, 2, 5)), state, state)


def test_without_the_package_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(PackageError, match=r"pip install 'tinygrad-lstm\[onnx\]'"):
        load_onnx(tmp_path / "net.onnx")
