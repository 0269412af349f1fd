"""Files that appear whole or not at all."""

import pytest

from tinygrad_lstm import files
from tinygrad_lstm.files import written


def test_a_file_is_written_and_replaced(tmp_path):
    for content in (b"old", b"new"):
        path = written(content, tmp_path / "a.bin")
        assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]
    assert path.stat().st_mode & 0o777 == 0o644


class Torn:
    """A stream on which half of what is written arrives."""

    def __init__(self, stream):
        self.stream = stream

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.stream.close()

    def write(self, content):
        self.stream.write(content[: len(content) // 2])
        raise OSError(28, "No space left on device")


def test_a_write_that_fails_half_way_leaves_the_old_file(tmp_path, monkeypatch):
    path = written(b"the old content", tmp_path / "a.bin")
    opened = files.os.fdopen
    monkeypatch.setattr(files.os, "fdopen", lambda *args: Torn(opened(*args)))
    with pytest.raises(OSError, match="No space"):
        written(b"the new content", path)
    assert path.read_bytes() == b"the old content"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("when", ["chmod", "replace"])
def test_an_interruption_leaves_the_old_file(tmp_path, monkeypatch, when):
    path = written(b"the old content", tmp_path / "a.bin")

    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(files.os, when, interrupted)
    with pytest.raises(KeyboardInterrupt):
        written(b"the new content", path)
    assert path.read_bytes() == b"the old content"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no folder.*nowhere"):
        written(b"", tmp_path / "nowhere" / "a.bin")
