"""A derivation, and the forms that it can be had in.

Knows the printers: of text, of LaTeX and Markdown, of HTML and of programs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..engine.arguments import flag, whole
from ..engine.place import checked_name
from ..errors import UsageError
from .derivation_html import html
from .derivation_latex import latex, markdown
from .derivation_text import text
from .derived import Derived, Stage
from .fast.program import fast_arguments, fast_program
from .part_of import leading_to
from .program import arguments, program


class Derivation(Derived):
    """The forward equations of a network, and the backward equations that follow from them.

    ``print(derivation)`` writes it, a notebook shows it, and it can be had as `markdown`, `latex`,
    `html`, and as a program in NumPy, `numpy`. `Derived` says what it holds.
    """

    def __repr__(self) -> str:
        forward = sum(x.stage is Stage.FORWARD for x in self.equations)
        backward = len(self.equations) - forward
        return f"<Derivation of {self.loss}: {forward} equations forward, {backward} backward>"

    def __str__(self) -> str:
        return text(self)

    def text(self, values: int | Sequence[int] | None = None) -> str:
        """Return the derivation as text, 80 columns wide.

        Parameters
        ----------
        values : int, or several, optional
            Steps, counted from 0, or from the last one if below 0. Every line is followed by what
            was recorded there, of the first row of a batch, with four digits; where there are few
            steps, a gradient by what each step adds to it. At the end there are the norms of every
            δ at every step, and of a part of a derivation the gradient in full.

        Raises
        ------
        OutOfRangeError
            If there is no such step; the message says how many there are.
        """
        several = isinstance(values, Sequence) and not isinstance(values, str)
        chosen: Any = () if values is None else values if several else (values,)
        return text(self, tuple(whole("text: values", step) for step in chosen))

    def leading_to(self, name: str) -> Derivation:
        """Return the part of the derivation that leads to the gradient of one signal.

        Parameters
        ----------
        name : str
            As in ``lstm.W.i``, ``lstm.W`` or ``lstm.state``.

        Raises
        ------
        SignalError, UsageError, ArgumentError
            If no gradient has the name (the message lists the nearest), or it is no name.
        """
        return leading_to(self, checked_name(name))

    def markdown(self) -> str:
        """Return the derivation as Markdown, with its formulas in LaTeX between dollar signs."""
        return markdown(self)

    def latex(self, standalone: bool = False) -> str:
        """Return the derivation in LaTeX, for the package amsmath.

        Parameters
        ----------
        standalone : bool
            Whether to return a whole document.
        """
        return latex(self, standalone)

    def html(self) -> str:
        """Return the derivation as a page in HTML with MathML: no script, and nothing to fetch.

        Raises
        ------
        PackageError
            If latex2mathml is not installed; the message says how to get it.
        """
        return html(self)

    def numpy(self, fast: bool = False) -> str:
        """Return a program with two functions, ``forward(…)`` and ``backward(…)``, in NumPy.

        Parameters
        ----------
        fast : bool
            Whether to compute packed gates together, and outside of the loop what no other step
            leads to, for all steps at once; comments say what was moved.

        Raises
        ------
        UsageError
            If an operation has no form in NumPy (the message names the operation), or if a fast
            program is asked of a part of a derivation.
        """
        return fast_program(self._packed()) if flag("numpy: fast", fast) else program(self)

    def arrays(self, fast: bool = False) -> dict[str, np.ndarray]:
        """Return what was recorded, by the names of the arguments of ``forward``.

        Parameters
        ----------
        fast : bool
            Whether of the fast program.
        """
        return fast_arguments(self._packed()) if flag("arrays: fast", fast) else arguments(self)

    def _packed(self) -> Derived:
        if self.together is None or self.is_part:
            raise UsageError(
                "numpy: found a part of a derivation, expected the whole one: a fast program "
                "computes packed gates together; leave fast out"
            )
        return self.together()

    def _repr_markdown_(self) -> str:
        return self.markdown()
