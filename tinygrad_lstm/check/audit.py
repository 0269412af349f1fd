"""All mistakes of a derivation, one after the other, each repaired before the next is looked for.

Knows the comparison and the search for several mistakes; nothing of how they are put into words.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..engine.arguments import flag
from ..engine.gradients import starting_cotangent
from ..engine.limit import Clock, TimeUp
from ..engine.notebook import ShownAsText
from ..engine.tensor import Tensor
from ..errors import UsageError
from ..formulas.called import called
from ..formulas.equations import DeltaEquations
from ..network.view import Answer, View
from . import audit_text
from .audit_data import AuditData, AuditedMistake
from .chain import Chain, Chains
from .compare import compare, compare_in
from .corrections import corrections
from .diagnosis import Diagnosis
from .hand import pairs
from .matching import match
from .mistakes import Mistake
from .recording import Recording, record
from .report import Report
from .several import LEAST, explain_all

SECONDS = 60.0  # after which no more mistakes are looked for, by default


class Audit(AuditData, ShownAsText):
    """The mistakes of a derivation. ``print(audit)`` lists them in the order of the backward pass.

    Attributes
    ----------
    report, mistakes, unexplained, is_cut, matching : as in `AuditData`
    """

    def __repr__(self) -> str:
        return f"<Audit: {audit_text.summary(self)}>"

    def __str__(self) -> str:
        return self.text()

    def text(self, answers: bool = True) -> str:
        """Return the audit as text; without ``answers`` no right number is in it."""
        return audit_text.text(self, flag("text: answers", answers))

    def as_dict(self, answers: bool = True) -> dict[str, Any]:
        """Return the audit as JSON can hold it; without ``answers`` no right number is in it."""
        return audit_text.data(self, flag("as_dict: answers", answers))


def audit(
    loss: Tensor,
    hand: Mapping[str, Any] | Iterable[tuple[str, Any]] | None = None,
    *,
    source: str | os.PathLike[str] | None = None,
    rtol: float | None = None,
    digits: int | None = None,
    seconds: float = SECONDS,
) -> Audit:
    """Name every mistake of a derivation that has several.

    The first wrong gradient is explained by a mistake, and the search goes on with this mistake in
    the network: so that each gradient is checked against the author's own numbers before it. Where
    only parameters are given, several mistakes are looked for that together explain their
    gradients. The more gradients of signals in between are given, the surer and faster is the
    search.

    Parameters
    ----------
    loss : Tensor of one number
    hand, rtol, digits : as in `compare`
    source : path of a Python file, optional
        The author's own program, with the same numbers. It is run, and its assignments are
        recorded: nobody has to hand over each gradient. A variable of the forward pass is matched
        to the signal that has its numbers; a gradient by its numbers, as they follow from those
        before it, or else by its name (``dh`` for ``h``), or its place. The result says what was
        matched.
    seconds : float
        Of processor time, after which no more mistakes are looked for; the result says so.

    Returns
    -------
    Audit

    Raises
    ------
    SignalError, GradientError, DTypeError, UsageError, ArgumentError
        As `compare`; ``error.report`` is the Report on the other gradients. A UsageError, too, if
        the program cannot be run, or none of its variables is a gradient of a signal.

    Examples
    --------
    >>> import tinygrad_lstm as tg
    >>> x, W = np.array([[1.0, -0.5], [0.2, 0.4]]), np.array([[0.3, -0.2], [0.1, 0.5]])
    >>> layer = tg.nn.Dense(2, 2, tg.tanh, name="layer")
    >>> layer.W.data, layer.b.data = W, np.array([0.1, 0.2])
    >>> loss = tg.nn.squared_error(layer(x), np.ones((2, 2)))
    >>> y = np.tanh(x @ W + layer.b.numpy())
    >>> δz = (y - 1.0) * (1 - y)              # 1 - y for 1 - y²
    >>> dW, db = x.T @ δz, δz.mean(axis=0)    # the mean for the sum
    >>> print(tg.audit(loss, {"layer.z": δz, "layer.W": dW, "layer.b": db}).text(answers=False))
    signal   verdict
    -------  -------
    layer.z  differs
    layer.W  differs
    layer.b  differs
    3 signals: 3 differ
    2 mistakes explain all wrong gradients, in the order of the backward pass:
    1. in layer.z: the derivative of tanh has the wrong form: y for y²
    2. in layer.b: the gradient of layer.b is averaged over the batch, not summed
    """
    clock = Clock(seconds)
    if source is None:
        if hand is None:
            raise UsageError("audit: found neither hand nor source; give gradients, or a program")
        return audit_of(compare(loss, hand, rtol, digits=digits), clock)
    starting_cotangent(loss, None)
    return audit_recording(loss, record(source), hand, clock, rtol=rtol, digits=digits)


def audit_recording(
    loss: Tensor,
    recording: Recording,
    hand: Mapping[str, Any] | Iterable[tuple[str, Any]] | None,
    clock: Clock,
    **how: Any,
) -> Audit:
    """Return the audit of a program that was run, with the gradients that were given besides."""
    view = View(loss, call=called)
    matching = match(view, recording)
    given = pairs(hand) if hand is not None else []
    names = {name for name, _ in given}
    given += [(name, value) for name, value in matching.hand.items() if name not in names]
    if not given or not matching.has_numbers:
        stopped = f"; it stopped: {recording.error}" if recording.error else ""
        raise UsageError(
            "audit: found no variable in the program that is a gradient of a signal; let it "
            f"compute with the network's own numbers, and use names such as dW and dh{stopped}"
        )
    audit = audit_of(compare_in(view, loss, given, **how), clock)
    return replace(audit, matching=matching)


def audit_of(report: Report, clock: Clock) -> Audit:
    """Return the audit of a comparison, within a limit of processor time."""
    if not report.is_wrong or report.blame is None or report.noise is not None:
        return Audit(report, (), (), False)
    view, answers, allowed = report.evidence
    try:
        with np.errstate(all="ignore"), clock:
            chains = Chains(view, answers, allowed)
    except TimeUp:
        names = (report.blame.signal, *report.blame.also)
        return Audit(report, (), names, True)
    chain, is_cut = explain_all(chains, clock.left)
    names = tuple(answers[key].name for key in chain.wrong)
    try:
        with np.errstate(all="ignore"), Clock(max(LEAST, clock.left)):
            mistakes = _entries(view, answers, chains, chain)
    except TimeUp:
        mistakes, is_cut = tuple(_bare(x) for x in _in_order(view, chain)), True
    return Audit(report, mistakes, names, is_cut)


def _entries(
    view: View, answers: list[Answer], chains: Chains, chain: Chain
) -> tuple[AuditedMistake, ...]:
    equations = DeltaEquations(view)
    entries = []
    for mistake in _in_order(view, chain):
        others = tuple(other for other in chain.mistakes if other is not mistake)
        without = chains.make(others)
        correction = next(iter(corrections(equations, answers, Diagnosis((mistake,), 0, 0))), None)
        known = set(chain.wrong)
        wrong = [] if without is None else [k for k in without.wrong if k not in known]
        if without is None or not wrong:
            entries.append(_bare(mistake))
            continue
        first = without.judgements[wrong[0]]
        pair = (first.answer.value, first.expected) if first.fits else (np.nan, np.nan)
        found, expected = (float(np.asarray(array)[first.worst]) for array in pair)
        names = tuple(answers[key].name for key in wrong)
        entries.append(AuditedMistake(mistake, names, first.worst, found, expected, correction))
    return tuple(entries)


def _bare(mistake: Mistake) -> AuditedMistake:
    return AuditedMistake(mistake, (), (), float("nan"), float("nan"), None)


def _in_order(view: View, chain: Chain) -> list[Mistake]:
    """Return the mistakes of a chain in the order in which the backward pass meets them."""
    places = {wire: at for at, node in enumerate(view.adjoint.nodes) for wire in node.outputs}

    def first(mistake: Mistake) -> int:
        return min((places[wire] for wire in mistake.change.at if wire in places), default=0)

    return sorted(chain.mistakes, key=first)
