"""Checks of gradients: by hand against the tape, and the tape against differences."""

from ..engine.kind import Kind
from .adequacy import Adequacy
from .audit import Audit
from .audit_data import AuditedMistake
from .findings import GradReport
from .mistakes import Change, Mistake, forget
from .mistakes import mistake_kind as mistake
from .report import Report
from .row import Row

__all__ = [
    "Adequacy", "Audit", "AuditedMistake", "Change", "GradReport", "Kind", "Mistake", "Report",
    "Row", "forget", "mistake",
]  # fmt: skip


def __dir__() -> list[str]:
    return sorted(__all__)
