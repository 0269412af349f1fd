"""Files that appear whole or not at all.

Knows nothing of the package.
"""

from __future__ import annotations

import os
import tempfile
from errno import ENOENT
from pathlib import Path


def written(content: bytes, path: str | os.PathLike[str]) -> Path:
    """Write a file as a whole: the old one stays until the new one is complete."""
    target = Path(path)
    try:
        descriptor, half = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    except FileNotFoundError:
        raise FileNotFoundError(ENOENT, "there is no folder", str(target.parent)) from None
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
        os.chmod(half, 0o644)
        os.replace(half, target)
    except BaseException:
        os.unlink(half)
        raise
    return target


__all__ = ["written"]
