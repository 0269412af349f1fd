"""Files of parameters: there and back, and what becomes of files that are not what they say."""

import io
import json
import os
import pickle
import sys
import zipfile

import numpy as np
import pytest

import tinygrad_lstm as tg
from support import laws
from support.peers import peer
from tinygrad_lstm import interop, nn
from tinygrad_lstm.errors import (
    ArgumentError,
    DTypeError,
    FileError,
    PackageError,
    ShapeError,
    SignalError,
    UsageError,
)
from tinygrad_lstm.files import whole as files
from tinygrad_lstm.interop import load, save

FORMATS = ("npz", "safetensors")


@pytest.fixture(params=FORMATS)
def suffix(request):
    if request.param == "safetensors":
        peer("safetensors")
    return request.param


def network(seed=0, dtype=np.float64):
    net = nn.Sequential(
        nn.LSTM(2, 3, 2, seed=seed, dtype=dtype), nn.GRU(3, 2, seed=seed, dtype=dtype),
        nn.Dense(2, 1, seed=seed, dtype=dtype),
    )  # fmt: skip
    for n, each in enumerate(net.parameters()):
        each.data = laws.draw(each.shape, seed + n).astype(dtype)
    return net


def same(one, other):
    one, other = one.state_dict(), other.state_dict()
    return one.keys() == other.keys() and all(
        one[name].tobytes() == other[name].tobytes() for name in one
    )


@pytest.mark.parametrize("layout", ["ours", "torch", "keras"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_there_and_back_is_exact(tmp_path, suffix, layout, dtype):
    net, other = network(dtype=dtype), network(50, dtype)
    path = save(net, tmp_path / f"net.{suffix}", layout)
    assert load(other, path, layout) is None
    assert same(net, other)


def test_numbers_without_axes_and_modules_without_numbers(tmp_path, suffix):
    class Scale(nn.Module):
        def __init__(self, scale):
            super().__init__()
            self.scale = tg.Tensor(scale, requires_grad=True)

    other = Scale(3.0)
    load(other, save(Scale(2.0), tmp_path / f"scale.{suffix}"))
    assert other.scale.data.shape == ()
    assert other.scale.item() == 2.0
    load(nn.Dropout(), save(nn.Dropout(), tmp_path / f"none.{suffix}"))


def test_same_numbers_are_the_same_bytes(tmp_path, suffix):
    paths = [save(network(), tmp_path / f"{n}.{suffix}") for n in (1, 2)]
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_numpy_reads_what_is_written_and_what_it_writes_is_read(tmp_path):
    net, other = network(), network(50)
    path = save(net, tmp_path / "net.npz")
    with np.load(path, allow_pickle=False) as found:
        assert all(np.array_equal(found[n], a) for n, a in net.state_dict().items())
    for write in (np.savez, np.savez_compressed):
        state = {n: np.asfortranarray(a) for n, a in net.state_dict().items()}
        write(tmp_path / "theirs.npz", **state)
        load(other, tmp_path / "theirs.npz")
        assert same(net, other)


def test_pytorch_reads_a_safetensors_file(tmp_path):
    torch = peer("torch")
    peer("safetensors")
    from safetensors.torch import load_file, save_file

    ours, theirs = nn.LSTM(2, 3, 2, bidirectional=True, seed=0), torch.nn.LSTM(
        2, 3, 2, bidirectional=True
    ).double()  # fmt: skip
    path = save(ours, tmp_path / "lstm.safetensors", layout="torch")
    assert not any(theirs.load_state_dict(load_file(path)))
    x = laws.draw((5, 4, 2))
    found = theirs(torch.tensor(x))[0].detach().numpy()
    laws.near(ours(x)[0].data, found, 1e-12)
    other = nn.LSTM(2, 3, 2, bidirectional=True, seed=1)
    save_file(theirs.state_dict(), tmp_path / "theirs.safetensors")
    load(other, tmp_path / "theirs.safetensors", layout="torch")
    assert same(ours, other)


# --- what does not fit is listed, and nothing is loaded -----------------------------------------


def test_all_that_does_not_fit_is_in_one_error(tmp_path, suffix):
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = nn.LSTM(2, 3, 2, seed=9)
            self.dense = nn.Dense(5, 1, seed=9)
            self.extra = nn.Dense(1, 1, seed=9)

    path, net = save(Odd(), tmp_path / f"odd.{suffix}"), network()
    with pytest.raises(SignalError) as caught:
        load(net, path)
    for words in (
        str(path), "nothing loaded", "missing: gru.W (3, 6)", "missing: gru.c (2,)",
        "unexpected: extra.W", "unexpected: extra.b",
        "shape of dense.W: found (5, 1), expected (2, 1)",
    ):  # fmt: skip
        assert words in str(caught.value)
    assert same(net, network())


def test_a_shape_alone_is_a_shape_error(tmp_path, suffix):
    path = save(nn.Dense(2, 3), tmp_path / f"dense.{suffix}")
    with pytest.raises(ShapeError, match=r"W: found \(2, 3\), expected \(2, 4\)"):
        load(nn.Dense(2, 4), path)


def test_another_layout_is_named(tmp_path, suffix):
    path = save(network(), tmp_path / f"net.{suffix}", layout="torch")
    with pytest.raises(SignalError, match="has the names of layout='torch'"):
        load(network(), path)


@pytest.mark.parametrize("value", [np.zeros(3, complex), np.array(["a", "b", "c"])])
def test_what_is_no_real_number_is_refused(tmp_path, value):
    dense = nn.Dense(2, 3, seed=0)
    np.savez(tmp_path / "dense.npz", W=np.ones((2, 3)), b=value)
    with pytest.raises(DTypeError):
        load(dense, tmp_path / "dense.npz")
    assert same(dense, nn.Dense(2, 3, seed=0))


# --- files that are cut, corrupt, pickled or lie ------------------------------------------------


def refused(net, path, *words):
    before = net.state_dict()
    with pytest.raises(FileError) as caught:
        load(net, path)
    for word in (str(path), "nothing loaded", *words):
        assert word in str(caught.value)
    assert all(np.array_equal(before[name], a) for name, a in net.state_dict().items())


def test_a_file_cut_anywhere_is_refused(tmp_path, suffix):
    path, net = save(network(), tmp_path / f"net.{suffix}"), network(50)
    content = path.read_bytes()
    for length in [0, 1, 4, 8, 9, *range(10, len(content), 97), len(content) - 1]:
        path.write_bytes(content[:length])
        refused(net, path)


def test_a_changed_byte_is_refused_or_changes_nothing_else(tmp_path):
    path, net = save(network(), tmp_path / "net.npz"), network(50)
    content, before = path.read_bytes(), net.state_dict()
    for at in range(0, len(content), 7):
        path.write_bytes(content[:at] + bytes([content[at] ^ 0x5A]) + content[at + 1 :])
        try:
            load(net, path)
        except (FileError, SignalError, ShapeError):
            assert all(np.array_equal(before[n], a) for n, a in net.state_dict().items())
        else:  # a byte that means nothing, such as a time
            assert same(net, network())
            net.load_state_dict(before)


def test_a_safetensors_header_of_noise_is_refused(tmp_path):
    peer("safetensors")
    path = save(network(), tmp_path / "net.safetensors")
    content, net = path.read_bytes(), network(50)
    length = int.from_bytes(content[:8], "little")
    for at in range(0, 8 + length, 5):
        path.write_bytes(content[:at] + bytes([content[at] ^ 0x5A]) + content[at + 1 :])
        with pytest.raises((FileError, SignalError, ShapeError)):
            load(net, path)


class Bomb:
    def __reduce__(self):
        return os._exit, (3,)


@pytest.mark.parametrize("name", ["net.npz", "net.safetensors"])
def test_a_pickle_is_not_opened(tmp_path, name):
    if name.endswith("safetensors"):
        peer("safetensors")
    path = tmp_path / name
    path.write_bytes(pickle.dumps(Bomb()))
    refused(network(), path, "pickle" if name == "net.npz" else "no .safetensors file")


def test_pickled_entries_are_not_opened(tmp_path):
    path = tmp_path / "dense.npz"
    np.savez(path, W=np.ones((2, 3)), b=np.array([Bomb(), 1, 2], object))
    refused(nn.Dense(2, 3), path, "b is pickled")


def npz(path, **contents):
    """Write an archive of arrays' bytes as they are given."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in contents.items():
            archive.writestr(f"{name}.npy", content)
    return path


def npy(array, **header):
    """Return an array's bytes with a header that says something else."""
    stream = io.BytesIO()
    said = {"descr": "<f8", "fortran_order": False, "shape": array.shape} | header
    np.lib.format.write_array_header_1_0(stream, said)
    return stream.getvalue() + array.tobytes()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (npy(np.ones(2), shape=(3,)), "24 bytes, and the file has 16"),
        (npy(np.ones(4), shape=(3,)), "24 bytes, and the file has 32"),
        (npy(np.ones(3), shape=(3, 10**15)), "b says that it has shape"),
        (npy(np.ones(3), shape=(2**62, 4, 0, 3)), "and the file has 24"),
        (npy(np.ones(3), shape=(-1, -3)), "(-1, -3)"),
        (npy(np.ones(3), descr="<f4"), "12 bytes, and the file has 24"),
        (b"", "b is cut or corrupt"),
        (b"\x93NUMPY\x09\x00" + bytes(100), "b is "),
        (b"text", "b is cut or corrupt"),
        (npy(np.ones(3)).replace(b"'<f8'", b"'|Q8'"), "b is cut or corrupt"),
    ],
)
def test_a_file_that_lies_is_refused(tmp_path, content, words):
    path = npz(tmp_path / "dense.npz", W=npy(np.ones((2, 3))), b=content)
    refused(nn.Dense(2, 3, seed=0), path, words)


@pytest.mark.parametrize(
    "said",
    [
        {"shape": [4]},
        {"shape": [2**62, 4]},
        {"dtype": "F32"},
        {"data_offsets": [0, 24]},
        {"data_offsets": [48, 80]},
        {"data_offsets": [72, 48]},
        {"dtype": "Q64"},
    ],
    ids=str,
)
def test_a_safetensors_file_that_lies_is_refused(tmp_path, said):
    peer("safetensors")
    told = {"dtype": "F64", "shape": [3], "data_offsets": [48, 72]} | said
    header = {"W": {"dtype": "F64", "shape": [2, 3], "data_offsets": [0, 48]}, "b": told}
    text = json.dumps(header).encode()
    path = tmp_path / "dense.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + np.ones(9).tobytes())
    refused(nn.Dense(2, 3, seed=0), path)


def test_much_from_little_is_not_unpacked(tmp_path):
    path = tmp_path / "dense.npz"
    np.savez_compressed(path, W=np.zeros((3000, 1000)), b=np.ones(3))
    with pytest.raises(ShapeError, match=r"found \(3000, 1000\)"):
        load(nn.Dense(2, 3), path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_entry_that_is_there_twice_is_refused(tmp_path):
    path = npz(tmp_path / "dense.npz", W=npy(np.ones((2, 3))), b=npy(np.ones(3)))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("b.npy", npy(np.zeros(3)))
    refused(nn.Dense(2, 3), path, "b is in it twice")


def test_what_is_no_array_is_refused(tmp_path):
    path = npz(tmp_path / "dense.npz", W=npy(np.ones((2, 3))))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("notes.txt", "hello")
    refused(nn.Dense(2, 3), path, "'notes.txt' in it is no array")


def test_a_type_that_numpy_has_not_is_refused(tmp_path):
    torch = peer("torch")
    peer("safetensors")
    from safetensors.torch import save_file

    path = tmp_path / "dense.safetensors"
    save_file({"W": torch.ones(2, 3).bfloat16(), "b": torch.ones(3)}, path)
    refused(nn.Dense(2, 3), path, "W is of type BF16")


# --- calls that cannot be meant; writing ---------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda net, at: save(net, at / "net.pt"), ArgumentError, "suffix '.pt', expected .npz"),
        (lambda net, at: load(net, at / "net"), ArgumentError, "suffix '', expected .npz"),
        (lambda net, at: save(net, at / "a.npz", "jax"), ArgumentError, "layout must be one of"),
        (lambda net, at: save(3, at / "a.npz"), UsageError, "found int, expected a layer"),
        (lambda net, at: load(net, at / "no.npz"), FileNotFoundError, "no.npz"),
        (lambda net, at: save(net, 3), UsageError, "path of type int, expected str or Path"),
        (lambda net, at: load(net, None), UsageError, "path of type NoneType, expected str"),
        (lambda net, at: save(net, b"a.npz"), UsageError, "path of type bytes, expected str"),
        (lambda net, at: save(net, "a\0.npz"), ArgumentError, "which no file can have"),
        (lambda net, at: load(net, "\ud800.npz"), ArgumentError, "which no file can have"),
        (lambda net, at: save(net, at / "a.npz", ["ours"]), ArgumentError, "layout must be one of"),
        (lambda net, at: save(net, at / "no" / "a.npz"), FileNotFoundError, "there is no folder"),
    ],
)
def test_calls_that_cannot_be_meant(tmp_path, call, error, words):
    with pytest.raises(error, match=words):
        call(network(), tmp_path)
    assert not list(tmp_path.iterdir())


def test_what_a_framework_has_not_is_not_written(tmp_path):
    with pytest.raises(UsageError, match="peepholes"):
        save(nn.LSTM(2, 3, peephole=True), tmp_path / "lstm.npz", layout="torch")
    assert not list(tmp_path.iterdir())


def test_without_the_package_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors", None)
    for call in (save, load):
        with pytest.raises(PackageError, match=r"pip install 'tinygrad-lstm\[safetensors\]'"):
            call(network(), tmp_path / "net.safetensors")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("when", ["fchmod", "replace"])
def test_an_interrupted_write_leaves_the_old_file(tmp_path, suffix, monkeypatch, when):
    path = save(network(), tmp_path / f"net.{suffix}")

    def interrupted(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(files.os, when, interrupted)
    with pytest.raises(KeyboardInterrupt):
        save(network(7), path)
    monkeypatch.undo()
    other = network(50)
    load(other, path)
    assert same(other, network())
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_the_subpackage_offers_both():
    assert interop.save is save
    assert interop.load is load
