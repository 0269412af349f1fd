"""A file beside another one: no path, no link and no device leads out of the folder."""

import hashlib
import os

import pytest

from tinygrad_lstm.errors import FileError
from tinygrad_lstm.files.beside import read_beside

CONTENT = bytes(range(100))


@pytest.fixture
def folder(tmp_path):
    """Return a folder with a file, and one in a folder of its own; a secret stands outside."""
    inside = tmp_path / "model"
    (inside / "sub").mkdir(parents=True)
    for path in (inside / "m.data", inside / "sub" / "m.data", tmp_path / "secret"):
        path.write_bytes(CONTENT)
    return inside


@pytest.mark.parametrize("location", ["m.data", "sub/m.data"])
def test_a_part_is_read(folder, location):
    assert read_beside(folder, location, 10, 5) == CONTENT[10:15]
    assert read_beside(folder, location, 0, 100) == CONTENT
    assert read_beside(folder, location, 100, 0) == b""


PATHS = [
    "../secret", "sub/../../secret", "sub/../m.data", "./m.data", "", ".", "..", "sub//m.data",
    "sub/", "/etc/passwd", "C:/secret", "C:secret", "..\\secret", "\\\\server\\share", "a\\b",
]  # fmt: skip


@pytest.mark.parametrize("location", PATHS)
def test_a_path_that_is_not_plainly_inside_is_refused(folder, location):
    with pytest.raises(FileError, match="no path into the model's own folder"):
        read_beside(folder, location, 0, 5)


def test_an_absolute_path_into_the_folder_is_refused(folder):
    with pytest.raises(FileError, match="no path into"):
        read_beside(folder, str(folder / "m.data"), 0, 5)


def test_no_link_is_followed(folder):
    (folder / "link").symlink_to(folder.parent / "secret")
    (folder / "own").symlink_to("m.data")
    (folder / "out").symlink_to(folder.parent, target_is_directory=True)
    os.link(folder.parent / "secret", folder / "second")
    for location in ("link", "own", "out/secret", "second"):
        with pytest.raises(FileError, match="is a link"):
            read_beside(folder, location, 0, 5)


def test_the_folder_itself_may_be_a_link(folder):
    other = folder.parent / "other"
    other.symlink_to(folder, target_is_directory=True)
    assert read_beside(other, "m.data", 0, 5) == CONTENT[:5]


def test_what_is_no_file_is_refused(folder):
    os.mkfifo(folder / "pipe")  # which would wait for a writer for ever
    for location in ("pipe", "sub"):
        with pytest.raises(FileError, match="is a device, a pipe or a folder"):
            read_beside(folder, location, 0, 5)
    with pytest.raises(FileError, match="there is no file 'none'"):
        read_beside(folder, "none", 0, 5)
    with pytest.raises(FileError, match="cannot be opened"):
        read_beside(folder, "m.data/m.data", 0, 5)
    with pytest.raises(FileError, match="cannot be opened"):
        read_beside(folder, "m\0data", 0, 5)
    with pytest.raises(FileError, match="cannot be opened"):
        read_beside(folder, 300 * "a", 0, 5)


@pytest.mark.parametrize(("offset", "size"), [(96, 5), (101, 0), (0, 2**62), (2**70, 1)])
def test_a_part_beyond_the_end_is_refused(folder, offset, size):
    with pytest.raises(FileError, match="has 100 bytes, and the part ends at byte"):
        read_beside(folder, "m.data", offset, size)


@pytest.mark.parametrize(("offset", "size"), [(-1, 5), (0, -1)])
def test_a_negative_place_is_refused(folder, offset, size):
    with pytest.raises(FileError, match="not below 0"):
        read_beside(folder, "m.data", offset, size)


def test_a_checksum_is_compared(folder):
    good = hashlib.sha1(CONTENT).hexdigest()
    assert read_beside(folder, "m.data", 3, 2, good.upper()) == CONTENT[3:5]
    with pytest.raises(FileError, match=r"has the checksum .*: the file was changed"):
        read_beside(folder, "m.data", 3, 2, good[::-1])
