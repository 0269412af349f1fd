"""Fresh processes: each with one thread or two, the allocator and the collector as users have."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any


def as_users_have_it(threads: int = 1) -> dict[str, str]:
    """Return the environment, but for the number of threads."""
    number = str(threads)
    return {
        "OMP_NUM_THREADS": number,
        "OPENBLAS_NUM_THREADS": number,
        "MKL_NUM_THREADS": number,
        "VECLIB_MAXIMUM_THREADS": number,
        "NPROC": number,  # the size of XLA's thread pool
        "XLA_FLAGS": f"--xla_cpu_multi_thread_eigen={str(threads > 1).lower()} "
        f"intra_op_parallelism_threads={number}",
        "JAX_PLATFORMS": "cpu",
        "PYTHONDONTWRITEBYTECODE": "",  # byte code is kept, as users have it
    }


def run(*arguments: object, threads: int = 1) -> Any:
    """Run Python with these arguments, and return the JSON that it writes.

    Raises
    ------
    RuntimeError
        If it fails; the message is the last line it wrote on stderr.
    """
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(
        command, env=os.environ | as_users_have_it(threads), capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1])
    return json.loads(done.stdout)


def time_system(
    system: str,
    network: str,
    size: tuple[int, ...],
    seconds: float,
    *flags: str,
    threads: int = 1,
) -> dict[str, Any]:
    """Time one system on one network and size in a fresh process."""
    command = ("-m", "benchmarks.child", system, network, *size, "--seconds", seconds, *flags)
    return run(*command, threads=threads)
