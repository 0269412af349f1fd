"""Runs programs in C under sanitizers: no access outside an array, nothing undefined."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_lstm as tg
from support.compilers import has_compiler, needs_a_compiler
from support.recurrences import Recurrence
from tinygrad_lstm.compiled import build
from tinygrad_lstm.compiled.c_text import CProgram
from tinygrad_lstm.compiled.native import Native

DRIVER = Path(__file__).with_name("sanitized.c").read_text("utf-8")
OPTIONS = ["-O1", "-g", "-std=gnu11", "-fno-math-errno", "-fopenmp-simd", "-w",
           "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]  # fmt: skip
GAP = 64  # entries between two arrays


def executable(folder: Path, text: str) -> Path:
    """Return a program with its driver, compiled with sanitizers."""
    source, result = folder / "program.c", folder / "program"
    source.write_text(build.with_functions(text) + DRIVER)
    line = [*build.compiler(), *OPTIONS, "-o", str(result), str(source), "-lm"]
    subprocess.run(line, check=True, capture_output=True, timeout=120)
    return result


def run(program: Path, file: Path) -> Any:
    """Run a program on the numbers in a file; what it leaves behind at its end is no fault."""
    environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}
    return subprocess.run(
        [program, file], capture_output=True, text=True, timeout=120, env=environment
    )


@pytest.fixture(scope="module")
def sanitizers(tmp_path_factory) -> None:
    """Skip where the compiler has no sanitizers that run."""
    if not has_compiler():
        pytest.skip("there is no C compiler")
    text = "".join(f'#include "{name}.c"\n' for name in ("mathematics", "products"))
    text += "void run(real **a, real *b, real *c, long *d, void *e) {}\n"
    try:
        program = executable(tmp_path_factory.mktemp("trial"), text)
        file = program.with_name("numbers")
        file.write_bytes(np.array([0, 0, 0, 16, 0, 16]).tobytes())
        ran = run(program, file)
    except (subprocess.SubprocessError, OSError) as error:
        pytest.skip(f"the compiler has no sanitizers: {error}")
    if "ran" not in ran.stdout:
        pytest.skip(f"sanitizers do not run here: {ran.stderr[:200]}")


def laid_apart(arrays: Any, start: int) -> tuple[list[tuple[int, int]], int]:
    """Return where each array begins and how long it is, and where all end."""
    laid = []
    for x in arrays:
        laid.append((start, x.size))
        start += -(-(x.size + GAP) // 16) * 16
    return laid, start


def findings(folder: Path, native: Native, program: CProgram) -> str:
    """Run a program under the sanitizers on the numbers of its last call; return what they say."""
    arrays = program.arrays
    work, end = laid_apart((*arrays.kept, *arrays.of_passes[0], *arrays.of_passes[1]), GAP)
    results, results_end = laid_apart(arrays.results, GAP)
    starts = [start for start, _ in (*work, *results)]
    sizes = [*program.named, *starts, *program.in_chunks]
    assert len(sizes) == len(program.sizes)
    parts: list[Any] = [len(native.arrays)]
    for x in native.arrays:
        parts += [x.size, np.ascontiguousarray(x, native.dtype)]
    parts += [len(sizes), *sizes]
    for laid, size in ((work, end), (results, results_end)):
        parts += [len(laid), size + GAP, *(n for pair in laid for n in pair)]
    file = folder / "numbers"
    file.write_bytes(b"".join(np.asarray(x).tobytes() for x in parts))
    ran = run(executable(folder, program.text), file)
    return "" if ran.stdout.strip() == "ran" else ran.stderr or "it did not run"


@pytest.fixture
def programs(monkeypatch) -> list[tuple[Native, CProgram]]:
    """Return the programs that are made, one after another."""
    made: list[tuple[Native, CProgram]] = []
    begin = Native.__init__

    def spy(self: Native, program: CProgram, places: Any) -> None:
        begin(self, program, places)
        made.append((self, program))

    monkeypatch.setattr(Native, "__init__", spy)
    monkeypatch.setattr(build, "FAST", "-O0")
    return made


def long_arguments(program: Recurrence, steps: int) -> tuple[np.ndarray, ...]:
    shape = (steps, *program.B, program.I)
    return tuple(np.random.default_rng(0).normal(size=shape) for _ in range(2))


CASES = [(seed, steps, way) for seed in range(24) for steps, way in ((0, False), (70, seed % 2))]


@pytest.mark.long
@needs_a_compiler
@pytest.mark.parametrize(("seed", "steps", "checkpoint"), CASES)
def test_a_random_recurrence_stays_in_its_arrays(
    seed, steps, checkpoint, programs, sanitizers, tmp_path
):
    program = Recurrence(seed)
    args = long_arguments(program, steps) if steps else program.args
    with np.errstate(all="ignore"):
        step = tg.compile(program.loss, checkpoint=bool(checkpoint))
        step(*args)
        if step.source:
            assert findings(tmp_path, *programs[-1]) == ""


LAYERS = {"lstm": tg.nn.LSTM, "gru": tg.nn.GRU, "rnn": tg.nn.RNN}


@pytest.mark.long
@needs_a_compiler
@pytest.mark.parametrize("checkpoint", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_stays_in_its_arrays(name, dtype, checkpoint, programs, sanitizers, tmp_path):
    net = LAYERS[name](5, 9, num_layers=2, bidirectional=True, seed=0, dtype=dtype)
    step = tg.compile(lambda x: tg.mean(net(x)[0] ** 2), checkpoint=checkpoint, strict=True)
    step(np.random.default_rng(0).normal(size=(70, 3, 5)).astype(dtype))
    assert findings(tmp_path, *programs[-1]) == ""


@pytest.mark.long
@needs_a_compiler
def test_an_entry_too_many_is_found(programs, sanitizers, tmp_path):
    net = tg.nn.LSTM(5, 9, seed=0)
    step = tg.compile(lambda x: tg.sum(net(x)[0] ** 2), strict=True)
    step(np.random.default_rng(0).normal(size=(7, 3, 5)))
    native, program = programs[-1]
    assert findings(tmp_path, native, program) == ""
    for n, x in enumerate(program.arrays.kept):
        kept = [*program.arrays.kept]
        kept[n] = replace(x, shape=(x.size - 1,))
        planted = replace(program, arrays=program.arrays._replace(kept=tuple(kept)))
        assert "use-after-poison" in findings(tmp_path, native, planted)
