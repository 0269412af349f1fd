"""Memory: freed memory can be kept for the next pass, and the collector can be paused.

Knows the C library and the collector alone. A tape holds every intermediate result until nobody
holds the loss; then all of it is freed at once, and glibc hands it back to the system, only to ask
for it anew, page by page, in the next pass: up to half of the time of a training step.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # mallopt(3)
KEPT, LARGEST = 1 << 30, 1 << 25  # bytes
ASKED = "TINYGRAD_LSTM_KEEP_MEMORY"  # in the environment: anything but 0 or nothing


def keep_freed_memory() -> bool:
    """Let the process keep freed memory for the next pass, which is faster for large tapes.

    glibc is told to keep up to 1 GiB of freed memory, and to take blocks of up to 32 MiB from it.
    That holds for the whole process, and so nothing is done unless somebody asks: by this function,
    or by ``TINYGRAD_LSTM_KEEP_MEMORY=1`` in the environment when the package is imported. The
    package's own commands ask. ``MALLOC_TRIM_THRESHOLD_`` or ``MALLOC_MMAP_THRESHOLD_`` in the
    environment, if set, win; without glibc nothing is done.

    Returns
    -------
    bool
        Whether the C library could be told.
    """
    if "MALLOC_TRIM_THRESHOLD_" in os.environ or "MALLOC_MMAP_THRESHOLD_" in os.environ:
        return False
    mallopt = _of_glibc("mallopt")
    if mallopt is None:
        return False
    return bool(mallopt(TRIM_THRESHOLD, KEPT) and mallopt(MMAP_THRESHOLD, LARGEST))


def give_back_memory() -> bool:
    """Give freed memory back to the system now; return whether the C library could do so."""
    trim = _of_glibc("malloc_trim")
    return trim is not None and bool(trim(0))


def _of_glibc(name: str) -> Callable[..., int] | None:
    """Return a function of the C library, or None if there is none or it is not glibc."""
    try:
        import ctypes

        function: Callable[..., int] = getattr(ctypes.CDLL(None), name)
    except (ImportError, AttributeError, OSError, TypeError):
        return None
    return function


@contextmanager
def collector_paused() -> Iterator[None]:
    """Pause the garbage collector in a ``with`` block that makes many objects and drops few.

    The collector would walk all objects again and again, and find nothing.
    """
    paused = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if paused:
            gc.enable()
