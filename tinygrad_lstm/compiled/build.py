"""A C program made a function: the compiler, and the cache of what it made.

Knows files and compilers; no network. A library is stored under a name made of all that it depends
on: the text, the compiler, the options and the processor. Any failure of the cache leaves the
library in a temporary folder; any failure of the compiler is an error that the caller answers by
running without.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from functools import cache
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import PackageError
from ..files.cache import read_cache, write_cache

OPTIONS = (
    "-march=native", "-std=gnu11", "-fno-math-errno", "-fno-trapping-math",
    "-fopenmp-simd", "-shared", "-fPIC", "-w",
)  # fmt: skip
FAST, LONG = "-O3", 500  # lines, of which a compiler makes fast code for minutes
SECONDS = 120  # for a compiler; the first call of ziglang takes half a minute


class CompilerError(PackageError):
    """There is no C compiler that works; the message says which was tried, and what it said."""


def compiler() -> list[str]:
    """Return the command of a C compiler.

    Raises
    ------
    CompilerError
        If there is none.
    """
    chosen = os.environ.get("CC", "")
    for command in (chosen,) if chosen else ("cc", "gcc", "clang"):
        words = shlex.split(command)
        if words and shutil.which(words[0]):
            return words
    if not chosen and find_spec("ziglang"):
        return [sys.executable, "-m", "ziglang", "cc"]
    raise CompilerError(
        f"compile: found no C compiler ({chosen or 'cc, gcc, clang'}), expected one; "
        "set CC, or install ziglang"
    )


@cache
def included(name: str) -> str:
    """Return a text of this folder in C, such as ``products.c``."""
    return files(__package__).joinpath(name).read_text("utf-8")


def with_functions(text: str) -> str:
    """Return the text of a program with the functions that it calls."""
    return re.sub(
        r'^#include "(\w+\.c)"$', lambda line: included(line[1]), text, flags=re.MULTILINE
    )


@cache
def declared() -> frozenset[str]:
    """Return the names that the texts of this folder in C declare, with the words beside them."""
    text = "".join(map(included, ("mathematics.c", "products.c")))
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    heads = re.findall(r"^(?:#define|static|typedef|\}) ([^(;\n]+)", text, re.MULTILINE)
    return frozenset(word for head in heads for word in head.split())


_loaded: dict[str, Any] = {}
_lock = threading.Lock()


def load(text: str) -> Any:
    """Return the function ``run`` of a program in C.

    Raises
    ------
    CompilerError
        If no compiler works; the message says what the compiler said.
    """
    whole = with_functions(text)
    command = [*compiler(), FAST if text.count("\n") < LONG else "-O1"]
    with _lock:
        key = "\n".join([whole, *command, *OPTIONS, _version(tuple(command)), _processor()])
        name = f"{hashlib.sha256(key.encode()).hexdigest()}.so"
        if name not in _loaded:
            content = read_cache(name)
            library = None if content is None else _library(content)
            if library is None:
                content = _compile(whole, command)
                write_cache(name, content)
                library = _library(content)
            if library is None:
                raise CompilerError("compile: the library that the compiler made does not load")
            run = library.run
            run.restype = None
            run.argtypes = [ctypes.c_void_p] * 5
            _loaded[name] = run
        return _loaded[name]


def _compile(text: str, command: list[str]) -> bytes:
    """Return the library that a compiler makes of a text."""
    with tempfile.TemporaryDirectory() as folder:
        source, library = Path(folder, "derivation.c"), Path(folder, "derivation.so")
        source.write_text(text, "utf-8")
        line = [*command, *OPTIONS, "-o", str(library), str(source), "-lm"]
        try:
            done = subprocess.run(
                line, capture_output=True, text=True, timeout=SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            raise CompilerError(f"compile: {command[0]} did not end in {SECONDS} s") from None
        except OSError as error:
            raise CompilerError(f"compile: {command[0]} failed: {error}") from None
        if done.returncode or not library.exists():
            said = " ".join(done.stderr.strip().splitlines()[:3])
            raise CompilerError(
                f"compile: {command[0]} failed: {said or f'it ended with {done.returncode}'}"
            )
        return library.read_bytes()


def _library(content: bytes) -> Any:
    """Return a library that is loaded from a file of its own, or None if it cannot be."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "derivation.so")
        path.write_bytes(content)
        with suppress(OSError):
            return ctypes.CDLL(str(path))
    return None


@cache
def _version(command: tuple[str, ...]) -> str:
    """Return what a compiler says of itself.

    Raises
    ------
    CompilerError
        If it does not answer; then it would not compile either.
    """
    line = [*command, "--version"]
    try:
        said = subprocess.run(line, capture_output=True, text=True, timeout=SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CompilerError(f"compile: {command[0]} failed: {error}") from None
    return said.stdout


@cache
def _processor() -> str:
    """Return what the processor can do, as far as the system tells."""
    with suppress(OSError):
        text = Path("/proc/cpuinfo").read_text("utf-8")
        return next((line for line in text.splitlines() if line.startswith("flags")), "")
    return " ".join(platform.uname())


class Library(ctypes.Structure):
    """NumPy's own product of matrices, or 0 if it cannot be had, and how many threads it uses."""

    _fields_ = (("multiply", ctypes.c_void_p), ("threads", ctypes.c_long))


@cache
def numpys_products(dtype: np.dtype[Any]) -> Library:
    """Return the library of products that NumPy has loaded."""
    folder = Path(np.__file__).parent.parent / "numpy.libs"
    letter = "s" if dtype.itemsize == 4 else "d"
    for path in sorted(folder.glob("*openblas64*")):
        with suppress(OSError, AttributeError):
            library = ctypes.CDLL(str(path))
            multiply = getattr(library, f"scipy_cblas_{letter}gemm64_")
            threads = library.scipy_openblas_get_num_threads64_()
            return Library(ctypes.cast(multiply, ctypes.c_void_p), threads)
    return Library(None, 1)
