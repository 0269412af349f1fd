"""Arrays in .npz files: a header that lies is refused, whatever it says."""

import io
import os
import random
import struct
import zipfile

import numpy as np
import pytest

from tinygrad_lstm import nn
from tinygrad_lstm.errors import FileError, ShapeError
from tinygrad_lstm.files.npz import npy_header, npz_entry, open_npz
from tinygrad_lstm.interop import load

GOOD = "{'descr': '<f8', 'fortran_order': False, 'shape': (3,)}"


def npy(header, numbers=bytes(24), version=(1, 0)):
    """Return an array in NumPy's format with any text as its header."""
    text = header.encode("latin-1")
    length = struct.pack("<H" if version == (1, 0) else "<I", len(text))
    return b"\x93NUMPY" + bytes(version) + length + text + numbers


def saying(descr="'<f8'", shape="(3,)", order="False"):
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}}}\n"


def archive(path, content, **options):
    with zipfile.ZipFile(path, "w", **options) as made:
        made.writestr("W.npy", npy(saying(shape="(2, 3)"), bytes(48)))
        made.writestr("b.npy", content)
    return path


def refused(path, words=""):
    layer = nn.Dense(2, 3, seed=0)
    before = layer.state_dict()
    with pytest.raises(FileError) as caught:
        load(layer, path)
    assert str(caught.value).startswith(f"load: {path}: b ") and words in str(caught.value)
    assert str(caught.value).endswith("; nothing loaded") and "\n" not in str(caught.value)
    assert all(np.array_equal(before[name], a) for name, a in layer.state_dict().items())


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (saying("'|V0'", "(3,)"), "its type is |V0"),
        (saying("'|S0'", "(3,)"), "its type is |S0"),
        (saying("'<U0'", "(3,)"), "its type is <U0"),
        (saying("'|V8'"), "its type is |V8"),
        (saying("('<f8', (3,))", "()"), "expected a type of numbers"),
        (saying("('<f4', (2,))"), "expected a type of numbers"),
        (saying("[('x', '<f8')]"), "expected a type of numbers"),
        (saying("[('x', '<f4'), ('y', '<f4', (1,))]"), "expected a type of numbers"),
        (saying("[('x', '|O')]"), "is pickled"),
        (saying("'|O'"), "is pickled"),
        (saying("'<m8[s]'", "(3, -1)"), "its shape is (3, -1)"),
        (saying(shape="(True, 3)"), "its shape is (True, 3)"),
        (saying(shape="(3, True)"), "its shape is (3, True)"),
        (saying(shape="(-3,)"), "its shape is (-3,)"),
        (saying(shape="(3," + "1," * 99 + ")"), "its shape is"),
        (saying(shape=f"({2**70},)"), "and the file has 24"),
        (saying(shape="(3.0,)"), "is cut or corrupt"),
        (saying(shape="3"), "is cut or corrupt"),
        (saying(shape="[3]"), "is cut or corrupt"),
        (saying(order="None"), "is cut or corrupt"),
        (saying("'<f8'")[:-2], "is cut or corrupt"),  # a dictionary that is not closed
        ("{'descr': '<f8', 'shape': ((((", "is cut or corrupt"),
        ("{'descr': '''<f8, 'shape': (3,)}", "is cut or corrupt"),
        ("(" * 5000, "is cut or corrupt"),
        ("{" + "[" * 2000 + "]" * 2000 + ": 1}", "is cut or corrupt"),
        ("{[]: 1, 2: 'a'}", "is cut or corrupt"),
        ("{1: 1, 'a': 2, (): 3}", "is cut or corrupt"),
        ("\0\0\0", "is cut or corrupt"),
        ("", "is cut or corrupt"),
        ("9" * 5000, "is cut or corrupt"),
        ("__import__('os').abort()", "is cut or corrupt"),
        ("'\\d' " + GOOD, "is cut or corrupt"),
        (GOOD + " " * 40_000, "is cut or corrupt"),
    ],
    ids=lambda each: repr(each[:60]),
)
@pytest.mark.parametrize("version", [(1, 0), (2, 0)], ids=str)
def test_a_header_that_lies_is_refused(tmp_path, header, words, version):
    refused(archive(tmp_path / "dense.npz", npy(header, version=version)), words)


@pytest.mark.parametrize("descr", ["'<f8'", "'>f8'"])
def test_an_honest_header_is_read(tmp_path, descr):
    numbers = np.arange(3).astype(descr.strip("'"))
    layer = nn.Dense(2, 3, seed=0)
    load(layer, archive(tmp_path / "dense.npz", npy(saying(descr), numbers.tobytes())))
    assert np.array_equal(layer.b.data, [0.0, 1.0, 2.0])


@pytest.mark.parametrize("seed", range(20))
def test_a_header_of_random_text_is_read_or_refused(seed):
    """No text makes the reader raise anything but FileError."""
    chosen = random.Random(seed)
    pieces = [*GOOD, "(", ")", "{", "}", "[", "'", '"', "\\", "\0", "\n", "L", "-", "1e9", "None",
              "True", "...", "lambda: 0", "f'{1}'", "0x", "|V0", "|O", "#", "'''", "é"]  # fmt: skip
    for _ in range(200):
        text = list(GOOD)
        for _ in range(chosen.randint(1, 6)):
            at = chosen.randrange(len(text))
            text[at : at + chosen.randint(0, 3)] = chosen.choices(pieces, k=chosen.randint(0, 3))
        content = npy("".join(text))
        try:
            header = npy_header(io.BytesIO(content[: chosen.choice((None, 5, 9, 30))]))
        except FileError:
            continue
        assert header.dtype.itemsize and not header.dtype.hasobject
        assert all(type(length) is int and length >= 0 for length in header.shape)


def test_nothing_is_read_before_an_array_is_asked_for(tmp_path):
    """A shape is known, and refused, at no cost of memory."""
    path = tmp_path / "dense.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name in "Wb":
            with made.open(f"{name}.npy", "w") as stream:
                stream.write(npy(saying(shape=f"({1 << 23},)"), b""))
                for _ in range(64):
                    stream.write(bytes(1 << 20))
    import tracemalloc

    tracemalloc.start()
    with pytest.raises(ShapeError, match=r"found \(8388608,\), expected \(2, 3\)"):
        load(nn.Dense(2, 3), path)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 4 << 20


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_a_packing_that_numpy_does_not_use_is_refused(tmp_path, method):
    path = archive(tmp_path / "dense.npz", npy(saying()), compression=method)
    with pytest.raises(FileError, match=f"W is packed by method {method}, expected 0 or 8"):
        load(nn.Dense(2, 3), path)


def test_a_member_longer_than_it_says_is_refused(tmp_path):
    """The sizes in the table of contents are those of a small array; the stream goes on."""
    path = archive(tmp_path / "dense.npz", npy(saying(), bytes(1 << 20)), compression=8)
    content = path.read_bytes()
    long = struct.pack("<I", len(npy(saying(), bytes(1 << 20))))
    path.write_bytes(content.replace(long, struct.pack("<I", len(npy(saying())))))
    refused(path)


def test_a_file_of_any_bytes_is_refused(tmp_path):
    path, chosen = archive(tmp_path / "dense.npz", npy(saying())), random.Random(0)
    content = path.read_bytes()
    for _ in range(300):
        changed = bytearray(content)
        for _ in range(chosen.randint(1, 8)):
            changed[chosen.randrange(len(content))] = chosen.choice((0, 1, 0x7F, 0x80, 0xFF))
        path.write_bytes(changed)
        try:
            with open_npz(path) as opened:
                for info in opened.infolist():
                    npz_entry(path, opened, info, info.filename).read()
        except FileError:
            pass


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no such files here")
@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_what_has_no_end_is_not_opened(tmp_path, suffix):
    if suffix == ".safetensors":
        pytest.importorskip("safetensors")
    (tmp_path / f"device{suffix}").symlink_to("/dev/zero")
    os.mkfifo(tmp_path / f"pipe{suffix}")
    for name in ("device", "pipe"):
        with pytest.raises(FileError, match="a device or a pipe, expected a file; nothing loaded"):
            load(nn.Dense(2, 3), tmp_path / f"{name}{suffix}")
