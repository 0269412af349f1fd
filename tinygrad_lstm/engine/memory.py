"""Memory: freed memory is kept for the next pass, and the collector can be paused.

Knows the C library and the collector alone. A tape holds every intermediate result until nobody
holds the loss; then all of it is freed at once, and glibc hands it back to the system, only to ask
for it anew, page by page, in the next pass: up to half of the time of a training step. On import
this package tells glibc to keep up to 1 GiB of freed memory and to take blocks of up to 32 MiB from
it. That holds for the whole process. ``MALLOC_TRIM_THRESHOLD_`` or ``MALLOC_MMAP_THRESHOLD_`` in
the environment, if set, win; without glibc nothing is done.
"""

from __future__ import annotations

import ctypes
import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # mallopt(3)
KEPT, LARGEST = 1 << 30, 1 << 25  # bytes


def keep_freed_memory() -> bool:
    """Tell the C library to keep freed memory; return whether it could be told."""
    if "MALLOC_TRIM_THRESHOLD_" in os.environ or "MALLOC_MMAP_THRESHOLD_" in os.environ:
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # not glibc
        return False
    return bool(mallopt(TRIM_THRESHOLD, KEPT) and mallopt(MMAP_THRESHOLD, LARGEST))


def give_back_memory() -> bool:
    """Give freed memory back to the system now; return whether the C library could do so."""
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # not glibc
        return False
    return bool(trim(0))


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
