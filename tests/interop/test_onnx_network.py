"""ONNX model files as networks: there and back, files beside the model, and what cannot be one."""

import sys

import numpy as np
import pytest

import tinygrad_lstm as tg
from support import laws
from support.onnx_models import NEAR, F, model, node, there, written
from support.peers import peer
from tinygrad_lstm import interop, nn
from tinygrad_lstm.errors import FileError, PackageError, ShapeError, UsageError
from tinygrad_lstm.interop import load_onnx, save_onnx

onnx = peer("onnx")

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
    content = model(nodes, constants)
    x = laws.draw((5, 2, 3)).astype(F)
    net = load_onnx(written(tmp_path, content))
    laws.near(net(x).data[:, 0], rnn(x)[0].data, NEAR)
    laws.near(net(x).data, there(content, {"x": x})[0], NEAR)


# --- what is refused ------------------------------------------------------------------------------

LSTM = {"W": np.ones((1, 8, 3), F), "R": np.ones((1, 8, 2), F)}
SIDEWAYS = dict(direction="sideways")


def whole(*numbers):
    return np.array(numbers, np.int64)


def lstm(inputs=("x", "W", "R"), **attributes):
    return node("LSTM", inputs, ("y",), **attributes)


@pytest.mark.parametrize(
    ("nodes", "constants", "words"),
    [
        ([node("Bernoulli")], {}, ["Bernoulli 'to_y': the operator Bernoulli"]),
        ([node("Tanh", domain="own")], {}, ["the operator own.Tanh"]),
        ([node("Dropout", ("x",), ("y", "mask"))], {}, ["a second output"]),
        ([node("MaxPool", ("x",), ("y", "at"), kernel_shape=[2])], {}, ["a second output"]),
        (
            [node("Dropout", ("x", "rate", "on"))],
            {"rate": np.array(0.5, F), "on": np.array(True)},
            ["dropping in training"],
        ),
        ([node("Pad", ("x", "w"), mode="odd")], {"w": whole(*[1] * 6)}, ["attribute mode = odd"]),
        ([node("Cast", to=10)], {}, ["Cast 'to_y': numbers of type float16"]),
        ([node("Bernoulli"), node("Unique", ("y",), ("z",)), lstm(("z", "W", "R"), **SIDEWAYS)],
         LSTM, ["operator Bernoulli", "operator Unique", "direction sideways"]),
        ([node("MatMul", ("x", "h"))], {"h": np.ones((3, 3), np.float16)}, ["h of type float16"]),
        ([lstm(hidden_size=3)], LSTM, ["hidden_size is 3, R has 2"]),
        ([lstm()], LSTM | {"R": np.ones((1, 8, 5), F)}, [r"W has shape \(1", "R has shape"]),
        ([lstm()], LSTM | {"R": np.ones((1, 8, 2))}, ["R has .* float64, expected .* float32"]),
        ([lstm(("x", "W", "R", "B"))], LSTM | {"B": np.ones((1, 8), F)}, ["B has shape"]),
        ([lstm(direction="bidirectional")], LSTM, ["W has shape"]),
    ],
)  # fmt: skip
def test_what_is_not_covered_is_listed_and_nothing_is_loaded(tmp_path, nodes, constants, words):
    if len(nodes) > 1:
        nodes[-1].output[0] = "last"
    path = written(tmp_path, model(nodes, constants, outputs=(nodes[-1].output[0],)))
    for each in words:
        with pytest.raises(FileError, match=rf"load_onnx: .*net\.onnx: .*{each}.*; nothing loaded"):
            load_onnx(path)


def test_an_input_that_is_not_covered_is_refused(tmp_path):
    attention = node("Attention", ("x", "x", "x", "", "x", "x"))
    with pytest.raises(FileError, match="Attention 'to_y': more inputs; nothing loaded"):
        load_onnx(written(tmp_path, model([attention], opset=23)))


def test_an_old_operator_set_is_refused(tmp_path):
    with pytest.raises(FileError, match="operator set 11, expected 13 or newer: convert it"):
        load_onnx(written(tmp_path, model([node("Tanh")], opset=11)))


def test_inputs_of_a_type_that_is_not_covered_are_refused(tmp_path):
    with pytest.raises(FileError, match="the input x of type float16"):
        load_onnx(written(tmp_path, model([node("Tanh")], kind=np.float16)))


# --- constants in other files ---------------------------------------------------------------------

NUMBERS = laws.draw((3, 4)).astype(F)
BYTES = NUMBERS.tobytes()


def external(folder, offset="0", length="48", location="m.data", content=BYTES, **more):
    """Write a model whose one constant is in another file, and return its path."""
    made = model([node("MatMul", ("x", "w"))], {"w": NUMBERS})
    (tensor,) = made.graph.initializer
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    entries = dict(location=location, offset=offset, length=length) | more
    for key, value in entries.items():
        if value is not None:
            tensor.external_data.add(key=key, value=value)
    (folder / "m.data").write_bytes(content)
    return written(folder, made)


@pytest.mark.parametrize("case", [{}, dict(offset=None, length=None)])
def test_constants_in_another_file_are_parameters(tmp_path, case):
    net = load_onnx(external(tmp_path, **case))
    x = laws.draw((2, 5, 3)).astype(F)
    laws.near(net(x).data, x @ NUMBERS, NEAR)
    assert net.weights["w"].requires_grad


def test_constants_are_read_where_they_are_said_to_be(tmp_path):
    path = external(tmp_path, offset="64", content=bytes(64) + BYTES + bytes(9))
    assert np.array_equal(load_onnx(path).weights["w"].data, NUMBERS)


def test_a_model_that_onnx_has_saved_in_two_files(tmp_path):
    net = nn.Sequential(nn.LSTM(3, 4, dtype=F, seed=0), nn.Dense(4, 2, dtype=F, seed=1))
    path = tmp_path / "m.onnx"
    whole = interop.onnx_model(net)
    onnx.save(whole, path, save_as_external_data=True, location="m.onnx.data", size_threshold=0)
    assert (tmp_path / "m.onnx.data").stat().st_size > 0
    x = laws.draw((5, 2, 3)).astype(F)
    assert np.array_equal(load_onnx(path)(x).data, net(x).data)


@pytest.mark.parametrize(
    ("case", "words"),
    [
        (dict(location="/etc/passwd"), "no path into the model's own folder"),
        (dict(location="../m.data"), "no path into the model's own folder"),
        (dict(location=None), "no path into the model's own folder"),
        (dict(location="none"), "there is no file 'none'"),
        (dict(offset="1"), "has 48 bytes, and the part ends at byte 49"),
        (dict(offset="-1"), "not below 0"),
        (dict(offset="far"), "at a place that is no number"),
        (dict(length="44"), "48 bytes, and that it has 44 bytes in another file"),
        (dict(content=BYTES[:-1]), "the file is cut"),
        (dict(checksum="0" * 40), "has the checksum"),
    ],
)
def test_a_file_that_lies_about_another_one_is_refused(tmp_path, case, words):
    with pytest.raises(FileError, match=f"the constant w .*{words}.*; nothing loaded"):
        load_onnx(external(tmp_path, **case))


def test_no_link_is_followed_to_another_file(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    path = external(folder)
    (folder / "m.data").rename(tmp_path / "secret")
    (folder / "m.data").symlink_to(tmp_path / "secret")
    with pytest.raises(FileError, match="is a link"):
        load_onnx(path)


def test_a_shape_that_no_file_can_hold_takes_no_memory(tmp_path):
    path = external(tmp_path, length=None)
    made = onnx.load(path, load_external_data=False)
    made.graph.initializer[0].dims[:] = [2**40, 2**20]
    with pytest.raises(FileError, match="the file is cut"):
        load_onnx(written(tmp_path, made))


def test_a_constant_of_a_node_may_be_in_another_file(tmp_path):
    path = external(tmp_path)
    made = onnx.load(path, load_external_data=False)
    tensor = made.graph.initializer.pop()
    made.graph.node.insert(0, node("Constant", (), ("w",), value=tensor))
    x = laws.draw((2, 5, 3)).astype(F)
    laws.near(load_onnx(written(tmp_path, made))(x).data, x @ NUMBERS, NEAR)


# --- files that are no model ----------------------------------------------------------------------


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


@pytest.mark.parametrize(
    ("nodes", "constants"),
    [
        ([node("Pad", ("x", "c"))], {"c": whole(1, 1)}),
        ([node("TopK", ("x", "c"), ("y", "at"))], {"c": whole(9)}),
        ([node("Expand", ("x", "c"))], {"c": whole(7, 7, 7)}),
        ([node("Conv", ("x", "c"), auto_pad="SAME_UPPER")], {"c": np.ones((1, 2, 3, 3, 3), F)}),
        ([node("ArgMax", axis=5)], {}),
        ([node("Gather", ("x", "c"), axis=1)], {"c": whole(99)}),
        ([node("Reshape", ("x", "c"))], {"c": whole(5, -1)}),
        ([node("Concat", ("x", "c"), axis=0)], {"c": np.ones((2, 2), F)}),
    ],
    ids=lambda case: case[0].op_type if isinstance(case, list) else "",
)
def test_operands_that_do_not_fit_a_node(tmp_path, nodes, constants):
    net = load_onnx(written(tmp_path, model(nodes, constants)))
    with pytest.raises(ShapeError):
        net(np.ones((4, 2, 3), F))


def test_a_node_that_cannot_be_computed_is_named(tmp_path):
    content = model([node("TopK", ("x", "k"), ("y", "at"))], {"k": whole(9)})
    net = load_onnx(written(tmp_path, content))
    with pytest.raises(ShapeError, match=r"TopK 'to_y': .* of shapes \(4, 2, 3\), \(1,\): "):
        net(np.ones((4, 2, 3), F))


def test_no_constant_of_a_network_can_be_changed_from_outside(tmp_path):
    content = model([node("Identity", ("c",))], {"c": whole(1, 2)})
    net = load_onnx(written(tmp_path, content))
    with pytest.raises(ValueError, match="read-only"):
        net(np.ones((4, 2, 3), F))[0] = 5


def test_without_the_package_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(PackageError, match=r"pip install 'tinygrad-lstm\[onnx\]'"):
        load_onnx(tmp_path / "net.onnx")
