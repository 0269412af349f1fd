"""Other packages that a test needs: skipped where one is not installed, unless it has to be.

``make peers`` sets PEERS=required, with which an absent one is a failure.
"""

from __future__ import annotations

import importlib
import os
from typing import Any

import pytest


def peer(name: str) -> Any:
    """Import a package, such as one to compare with; at the head of a test file or in a test."""
    if os.environ.get("PEERS") == "required":
        return importlib.import_module(name)
    return pytest.importorskip(name, reason=f"{name} is not installed (make peers installs it)")
