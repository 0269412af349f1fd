"""Training that shows its work: what a gradient is made of, and how it changes.

Knows the networks, the updates and the pictures; nothing of the command line.
"""

from .checkpoint import restore
from .loop import fit
from .session import History

__all__ = ["History", "fit", "restore"]


def __dir__() -> list[str]:
    return sorted(__all__)
