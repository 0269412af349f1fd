"""Freed memory is kept where the C library can be told so, and the environment has its way."""

import ctypes
import os
import platform
import subprocess
import sys

import pytest

from tinygrad_lstm.engine import memory


@pytest.mark.parametrize("name", ["MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"])
def test_the_environment_has_its_way(name, monkeypatch):
    monkeypatch.setenv(name, "131072")
    assert memory.keep_freed_memory() is False


def test_elsewhere_than_on_glibc_nothing_is_done(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    assert memory.keep_freed_memory() is False


@pytest.mark.parametrize(("asked", "told"), [("", "0"), ("0", "0"), ("1", "1")])
def test_importing_the_package_changes_nothing_unless_asked(asked, told):
    program = (
        "import ctypes\n"
        "calls, real = [], ctypes.CDLL\n"
        "class Spy(real):\n"
        "    def __getattr__(self, name):\n"
        "        calls.append(name)\n"
        "        return super().__getattr__(name)\n"
        "ctypes.CDLL = Spy\n"
        "import tinygrad_lstm\n"
        "print(int('mallopt' in calls))"
    )
    environment = os.environ | {memory.ASKED: asked}
    for name in ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"):
        environment.pop(name, None)
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == told


def test_without_ctypes_nothing_is_done(monkeypatch):
    monkeypatch.setitem(sys.modules, "ctypes", None)
    assert memory.keep_freed_memory() is False


def test_glibc_can_be_told(monkeypatch):
    for name in ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"):
        monkeypatch.delenv(name, raising=False)
    assert memory.keep_freed_memory() is (platform.libc_ver()[0] == "glibc")
