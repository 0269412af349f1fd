"""Backward passes derived by hand in the literature, in plain NumPy and in their authors' letters.

Imports NumPy alone: a derivation that is compared with the tape must not use the tape.
"""

from . import gers, gomez, mazur, question, tmva, wan
from .numerical import complex_step

__all__ = ["complex_step", "gers", "gomez", "mazur", "question", "tmva", "wan"]


def __dir__() -> list[str]:
    return sorted(__all__)
