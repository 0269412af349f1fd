"""Freed memory is kept where the C library can be told so, and the environment has its way."""

import platform

import pytest

from tinygrad_lstm.engine import memory


@pytest.mark.parametrize("name", ["MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"])
def test_the_environment_has_its_way(name, monkeypatch):
    monkeypatch.setenv(name, "131072")
    assert memory.keep_freed_memory() is False


def test_elsewhere_than_on_glibc_nothing_is_done(monkeypatch):
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda name: object())
    assert memory.keep_freed_memory() is False


def test_glibc_can_be_told(monkeypatch):
    for name in ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"):
        monkeypatch.delenv(name, raising=False)
    assert memory.keep_freed_memory() is (platform.libc_ver()[0] == "glibc")
