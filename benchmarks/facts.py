"""The machine, and the versions of what is timed on it."""

from __future__ import annotations

import os
import platform
from importlib import metadata

PACKAGES = ("numpy", "tinygrad-lstm", "torch", "jax", "jaxlib", "autograd", "mygrad")


def lines() -> list[str]:
    """Return a line about the machine, and one about the versions."""
    return [
        f"{os.cpu_count()} processors ({_processor()}), {platform.system()}, "
        f"Python {platform.python_version()}",
        ", ".join(f"{name} {version(name) or 'missing'}" for name in PACKAGES),
    ]


def version(package: str) -> str | None:
    """Return the installed version of a package, or None."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            names = [line.split(":")[1].strip() for line in file if line.startswith("model name")]
        return names[0]
    except (OSError, IndexError):
        return platform.machine()
