"""Files that appear whole or not at all."""

import errno
import os
import signal
import stat
import subprocess
import sys
import threading
import time

import pytest

from tinygrad_lstm.files import whole as files
from tinygrad_lstm.files.whole import write_file

posix = pytest.mark.skipif(files.fcntl is None, reason="Windows has other permissions and locks")


@pytest.fixture(params=["nameless", "named"])
def way(request, monkeypatch):
    """Write with nameless files and without, as on a system that has none."""
    if request.param == "named":
        monkeypatch.delattr(files.os, "O_TMPFILE", raising=False)
    elif not hasattr(os, "O_TMPFILE"):
        pytest.skip("this system has no nameless files")
    return request.param


@pytest.fixture
def umask():
    """Set a umask that is nobody's default."""
    old = os.umask(0o027)
    yield
    os.umask(old)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_is_written_and_replaced(tmp_path, way):
    for content in (b"old", b"new"):
        path = write_file(content, tmp_path / "a.bin")
        assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


@posix
def test_a_new_file_has_the_permissions_that_the_umask_gives(tmp_path, way, umask):
    assert mode(write_file(b"", tmp_path / "a.bin")) == 0o640


@posix
@pytest.mark.parametrize("kept", [0o600, 0o664, 0o755, 0o644])
def test_an_old_file_keeps_its_permissions(tmp_path, way, umask, kept):
    path = write_file(b"old", tmp_path / "a.bin")
    path.chmod(kept)
    write_file(b"new", path)
    assert mode(path) == kept and path.read_bytes() == b"new"


@posix
def test_what_is_written_is_never_readable_to_more_than_the_old_file(tmp_path, way, monkeypatch):
    path = write_file(b"old", tmp_path / "a.bin")
    path.chmod(0o600)
    opened = files.os.fdopen

    def fdopen(descriptor, *args):
        assert stat.S_IMODE(os.fstat(descriptor).st_mode) == 0o600
        return opened(descriptor, *args)

    monkeypatch.setattr(files.os, "fdopen", fdopen)
    write_file(b"new", path)


@posix
@pytest.mark.parametrize("is_there", [True, False], ids=["to a file", "to nothing"])
def test_a_link_is_followed(tmp_path, way, is_there):
    (tmp_path / "far").mkdir()
    far = tmp_path / "far" / "b.bin"
    if is_there:
        far.write_bytes(b"old")
    link = tmp_path / "a.bin"
    link.symlink_to(far)
    assert write_file(b"new", link) == link
    assert link.is_symlink() and far.read_bytes() == b"new"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.bin", "far"]
    assert list(far.parent.iterdir()) == [far]


@pytest.mark.parametrize("length", [245, 255])
def test_a_name_may_be_as_long_as_the_system_allows(tmp_path, way, length):
    path = write_file(b"", tmp_path / ("a" * length))
    assert list(tmp_path.iterdir()) == [path]


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
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_write_that_fails_half_way_leaves_the_old_file(tmp_path, monkeypatch, way):
    path = write_file(b"the old content", tmp_path / "a.bin")
    opened = files.os.fdopen
    monkeypatch.setattr(files.os, "fdopen", lambda *args: Torn(opened(*args)))
    with pytest.raises(OSError, match=r"No space left on device.*a\.bin"):
        write_file(b"the new content", path)
    assert path.read_bytes() == b"the old content"
    assert list(tmp_path.iterdir()) == [path]


@posix
@pytest.mark.parametrize("when", ["fchmod", "link", "replace"])
def test_an_interruption_leaves_the_old_file(tmp_path, monkeypatch, when):
    path = write_file(b"the old content", tmp_path / "a.bin")

    def interrupted(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(files.os, when, interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_file(b"the new content", path)
    assert path.read_bytes() == b"the old content"
    assert list(tmp_path.iterdir()) == [path]


def test_a_system_that_cannot_name_a_nameless_file_writes_all_the_same(tmp_path, monkeypatch):
    def refused(*args, **options):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(files.os, "link", refused)
    assert write_file(b"new", tmp_path / "a.bin").read_bytes() == b"new"


KILLED = """
import os, signal, sys
from tinygrad_lstm.files import whole as files
if sys.argv[2] == "named" and hasattr(os, "O_TMPFILE"):
    del os.O_TMPFILE
files.os.replace = lambda *paths: os.kill(os.getpid(), signal.SIGKILL)
files.write_file(b"new", sys.argv[1])
"""


@posix
def test_what_a_killed_writer_leaves_is_removed_by_the_next(tmp_path, way):
    path = write_file(b"old", tmp_path / "a.bin")
    done = subprocess.run([sys.executable, "-c", KILLED, str(path), way])
    assert done.returncode == -signal.SIGKILL and path.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 2
    write_file(b"", tmp_path / "b.bin")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.bin", "b.bin"]


@pytest.mark.skipif(not hasattr(os, "O_TMPFILE"), reason="this system has no nameless files")
def test_a_writer_that_is_killed_while_it_writes_leaves_nothing(tmp_path):
    code = "from tinygrad_lstm.files.whole import *\nwhile True: write_file(bytes(10**7), 'a.bin')"
    names = set()
    for _ in range(5):
        process = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, env=_environment())
        while not (tmp_path / "a.bin").exists():
            time.sleep(0.01)
        time.sleep(0.02)
        process.kill()
        process.wait()
        names |= {each.name for each in tmp_path.iterdir()}
        (tmp_path / "a.bin").unlink()
    assert len(names) <= 2  # a kill between the two names of a file is a matter of microseconds


def _environment():
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [os.getcwd(), *sys.path]))}


@posix
def test_what_is_being_written_is_not_removed(tmp_path, monkeypatch, way):
    """Several threads write into one folder, and each removes what is abandoned there."""
    opened = files.os.fdopen

    def slow(*args):
        time.sleep(0.001)
        return opened(*args)

    monkeypatch.setattr(files.os, "fdopen", slow)
    failures = []

    def write(name):
        try:
            for at in range(20):
                write_file(bytes([at]), tmp_path / name)
        except OSError as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(f"{n % 3}.bin",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert sorted(each.name for each in tmp_path.iterdir()) == ["0.bin", "1.bin", "2.bin"]


def test_files_that_look_alike_are_not_removed(tmp_path):
    names = [".tinygrad-lstm-notes", ".tinygrad-lstm-0123456789abcdef.txt", ".a.bin.x1y2"]
    for name in names:
        (tmp_path / name).write_text("mine")
    write_file(b"", tmp_path / "a.bin")
    assert {each.name for each in tmp_path.iterdir()} == {*names, "a.bin"}


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no folder.*nowhere"):
        write_file(b"", tmp_path / "nowhere" / "a.bin")


@posix
def test_what_is_no_file_is_not_replaced(tmp_path):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    for name, words in {
        "folder": "there is a folder of this name", "pipe": "a device or a pipe of this name",
        "loop": "symbolic links",
    }.items():  # fmt: skip
        with pytest.raises(OSError, match=f"{words}.*{name}"):
            write_file(b"", tmp_path / name)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["folder", "loop", "pipe"]


@posix
def test_a_file_that_must_not_be_written_is_not_replaced(tmp_path, monkeypatch):
    path = write_file(b"old", tmp_path / "a.bin")
    path.chmod(0o444)
    monkeypatch.setattr(files.os, "access", lambda path, how: how != os.W_OK)  # as for any but root
    with pytest.raises(PermissionError, match=r"must not be written.*a\.bin"):
        write_file(b"new", path)
    assert path.read_bytes() == b"old"
