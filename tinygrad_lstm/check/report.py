"""The report of a comparison: what `compare` returns, shown as text, as HTML or as plain data.

Knows the comparison and its words.
"""

from __future__ import annotations

from typing import Any

from ..engine.arguments import flag
from . import report_text
from .comparison import Comparison


class Report(Comparison):
    """A comparison: one row per signal. ``print(report)`` shows it as a table.

    Attributes
    ----------
    rows : tuple of Row
    blame : Blame or None
        The first gradient that does not follow from the derivation's own gradients above it.
    mistakes : list of Diagnosis
        The mistakes that explain the derivation, the most likely first.
    """

    def __repr__(self) -> str:
        return f"<Report: {report_text.summary(self)}>"

    def __str__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        return report_text.html(self)

    def text(self, answers: bool = True) -> str:
        """Return the report as text; without ``answers`` no right number is in it."""
        return report_text.text(self, flag("text: answers", answers))

    def as_dict(self, answers: bool = True) -> dict[str, Any]:
        """Return the report as JSON can hold it; without ``answers`` no right number is in it."""
        return report_text.data(self, flag("as_dict: answers", answers))
