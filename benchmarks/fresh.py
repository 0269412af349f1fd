"""Fresh processes: each with one thread, the allocator and the collector as users have them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

AS_USERS_HAVE_IT = {  # but for the number of threads
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
    "NPROC": "1",  # the size of XLA's thread pool
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "JAX_PLATFORMS": "cpu",
    "PYTHONDONTWRITEBYTECODE": "",  # byte code is kept, as users have it
}


def run(*arguments: object) -> Any:
    """Run Python with these arguments, and return the JSON that it writes.

    Raises
    ------
    RuntimeError
        If it fails; the message is the last line it wrote on stderr.
    """
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(
        command, env=os.environ | AS_USERS_HAVE_IT, capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1])
    return json.loads(done.stdout)


def time_system(
    system: str, network: str, size: tuple[int, ...], seconds: float, *flags: str
) -> dict[str, Any]:
    """Time one system on one network and size in a fresh process."""
    return run("-m", "benchmarks.child", system, network, *size, "--seconds", seconds, *flags)
