"""The page that plays a pass: `show`, and the page that it returns.

Knows what stands on the page; how each part is made is the other modules' business.
"""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..check.report import Report
from ..engine.arguments import flag, text
from ..engine.tensor import Tensor
from ..errors import ArgumentError, UsageError, check_path
from ..files.whole import write_file
from ..formulas.derive import derive
from ..network.graph import check_recorded

if TYPE_CHECKING:
    import os

SUFFIXES = (".html", ".htm")
HEIGHT = 760  # pixels of a page in a notebook
GROUPED = "There are {} steps: a size stands for {} of them, and is their largest."
ENTRIES = (
    "Of a signal with more than 2048 entries, over all steps, a map shows groups of entries by "
    "their largest |entry|, and ‖·‖ is written in place of the entries."
)
WITHOUT = "The numbers and the backward equations are left out, since they are the answers."


class Page:
    """A page in HTML that plays a pass. In a notebook it shows itself.

    Attributes
    ----------
    html : str
        The whole page: one file, which needs no other file and no network.
    """

    def __init__(self, html: str) -> None:
        self.html = html

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page.

        Raises
        ------
        ArgumentError
            If the path does not end in .html or .htm.
        OSError
            If the file cannot be written.
        """
        return write_file(self.html.encode(), _page_path("save", path))

    def __repr__(self) -> str:
        return f"<Page of {len(self.html.encode()) // 1000} kB>"

    def _repr_html_(self) -> str:
        return (
            f'<iframe sandbox="allow-scripts" srcdoc="{escape(self.html)}" title="the pass" '
            f'style="width: 100%; height: {HEIGHT}px; border: 0"></iframe>'
        )


def show(
    of: Tensor | Report,
    path: str | os.PathLike[str] | None = None,
    *,
    answers: bool = True,
    title: str = "",
) -> Page:
    """Make a page that plays the forward pass, then the backward pass, through the drawn network.

    The page has the network and its adjoint network, a slider over the steps, the equation that is
    computed now with its numbers, and of every signal the values and the δ at all steps, the shares
    of δ by the way on which they come back, and of a weight what every step adds to its gradient.

    Parameters
    ----------
    of : Tensor or Report
        A loss; of a Report, its loss, with the first wrong gradient marked, the consequences grey,
        the mistake in words, and the right and the wrong equation beside each other.
    path : path ending in .html, optional
        Where to save the page, as in ``"net.html"``.
    answers : bool
        Whether the page holds numbers and the backward pass. A page without answers can be given
        to students: no right number, no backward equation and no adjoint network is in the file.
        The first mistake is told in words, without its factor.
    title : str

    Returns
    -------
    Page

    Raises
    ------
    UsageError
        If ``of`` is no loss and no report, or if nothing was recorded.
    ArgumentError
        If the path does not end in .html.
    GradientError
        If the loss is not one number.
    RenderError
        If the picture cannot be drawn.

    Examples
    --------
    >>> x = Tensor([0.5, -1.0], requires_grad=True, name="x")
    >>> page = show((x * x).sum())
    >>> "Content-Security-Policy" in page.html
    True
    """
    answers = flag("show: answers", answers)
    title = text("show: title", title)
    report = of if isinstance(of, Report) else None
    loss: Any = of.loss if isinstance(of, Report) else of
    if not isinstance(loss, Tensor):
        raise UsageError(
            f"show: found {type(of).__name__}, expected a loss (a Tensor) or a report of compare"
        )
    check_recorded("show", loss)
    if path is not None:
        path = _page_path("show", path)
    page = Page(_html(loss, report, answers, title))
    if path is not None:
        page.save(path)
    return page


def _page_path(who: str, path: Any) -> Path:
    """Return the path of a page, and refuse one that no browser opens as a page."""
    known = check_path(who, path)
    if known.suffix.lower() not in SUFFIXES:
        raise ArgumentError(f"{who}: found the path {str(path)!r}, expected one that ends in .html")
    return known


def _html(loss: Tensor, report: Report | None, answers: bool, title: str) -> str:
    from .comparison import comparison  # what draws is loaded when there is something to show
    from .document import document
    from .pictures import Pictures
    from .series import Table
    from .signals import PageSignals

    derivation, table = derive(loss), Table()
    signals = PageSignals(derivation, table, answers)
    pictures = Pictures(loss, signals, "both" if answers else "forward")
    notes = [f"Steps are told one by one, since {derivation.reason}."] * bool(derivation.reason)
    if not answers:
        notes.append(WITHOUT)
    elif signals.group > 1:
        notes.append(GROUPED.format(max(signals.counts.values()), signals.group))
    if answers and signals.has_groups:
        notes.append(ENTRIES)
    data = {
        "answers": answers, "view": pictures.view, "signals": signals.data, "runs": signals.runs(),
        "loops": signals.loops(), "group": signals.group, "modules": pictures.modules,
        "choices": pictures.choices, "pictures": pictures.data, "marks": pictures.marks,
        "remarks": pictures.remarks, "notes": [*notes, *pictures.notes],
        "report": None if report is None else comparison(report, signals, answers),
        "rows": table.rows,
    }  # fmt: skip
    return document(title or f"How {derivation.loss} is computed, and its gradient", data)
