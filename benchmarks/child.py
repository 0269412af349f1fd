"""One fresh process: time one system on one network and size, and write what was found as JSON.

The timing comes first, the check of the gradients after it, and nothing is written unless they
agree. In this order the allocator is in the state that the system itself brings about.
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import resource
import statistics
import sys
import time
from collections.abc import Callable
from importlib import import_module

from . import memory
from .by_hand import check
from .problem import NETWORKS, Size, make
from .systems import SYSTEMS

BLOCKS = 7


def main() -> None:
    """Time what the command line names."""
    parser = argparse.ArgumentParser(prog="benchmarks.child")
    parser.add_argument("system", choices=SYSTEMS)
    parser.add_argument("network", choices=NETWORKS)
    parser.add_argument("size", nargs=4, type=int, metavar=("T", "B", "in", "H"))
    parser.add_argument("--seconds", type=float, default=0.7)
    parser.add_argument("--no-gc", action="store_true")
    chosen = parser.parse_args()
    system = SYSTEMS[chosen.system]
    module, _, function = system.build.partition(":")
    build = getattr(import_module(module), function)
    peak = memory.Peak()
    problem = make(Size(*chosen.size), NETWORKS[chosen.network])
    if system.dtype != "float32":
        problem = problem.astype(system.dtype)
    step, read = build(problem)
    if chosen.no_gc:
        gc.disable()
    found = timed(step, chosen.seconds)
    found["memory"], found["whole memory"] = peak.above(), memory.whole()
    try:
        check(problem, read(), system.dtype)
    except ValueError as error:
        sys.exit(f"{system.title}: {error}")
    json.dump(found, sys.stdout)


def timed(step: Callable[[], object], seconds: float) -> dict[str, float]:
    """Time a step: the median over blocks of the mean within a block.

    The blocks are long enough to hold their share of garbage collections.
    """
    step()
    start = time.perf_counter()
    step()
    once = time.perf_counter() - start
    while time.perf_counter() - start < seconds / 4:
        once = _mean(step, max(1, int(0.02 / once)))
    repetitions = max(1, math.ceil(seconds / BLOCKS / once))
    faults, processor, start = _faults(), time.process_time(), time.perf_counter()
    blocks = [_mean(step, repetitions) for _ in range(BLOCKS)]
    passed = time.perf_counter() - start
    return {
        "seconds": statistics.median(blocks),
        "processors": (time.process_time() - processor) / passed,
        "page faults": (_faults() - faults) / (BLOCKS * repetitions),
    }


def _mean(step: Callable[[], object], repetitions: int) -> float:
    start = time.perf_counter()
    for _ in range(repetitions):
        step()
    return (time.perf_counter() - start) / repetitions


def _faults() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


if __name__ == "__main__":
    main()
