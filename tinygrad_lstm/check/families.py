"""The assignments of one line, and what the name that is assigned to says.

Knows recordings and how people call gradients; no network.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from .recording import Assignment, Site

GRADIENT = re.compile(
    r"(?:delta_?|grad_?|d_?|δ_?|∂_?|g_)(?P<of>\w+)|(?P<before>\w+?)_?(?:grad|delta|bar)"
)
GRADIENTS = re.compile(r"(?:d|g|δ|grad|gradient|derivative|delta)s?_?(?:params?|weights?)?")
CARRIES = re.compile(r"next|prev|carry|old|last|future|init|from|back|zero|tmp|temp")
NAME = re.compile(r"\w+")


@dataclass(frozen=True, eq=False)
class Family:
    """All assignments of one site, in their order."""

    site: Site
    assignments: list[Assignment]

    @property
    def word(self) -> str:
        """The last name in the target: ``dWf`` of ``grads['dWf']``."""
        return str(NAME.findall(self.site.target)[-1])

    @property
    def gradient_of(self) -> str:
        """The name of which its name says that it is the gradient; empty if it says no such thing.

        ``W`` of ``dW``, of ``grads['dW']`` and of ``grads['W']``.
        """
        is_entry = self.word != self.root and GRADIENTS.fullmatch(self.root) is not None
        return gradient_of(self.word) or self.word * is_entry

    @property
    def root(self) -> str:
        """The first name in the target."""
        return str(NAME.findall(self.site.target)[0])


def gradient_of(word: str) -> str:
    """Return the name that a gradient's name is made of; empty if it is none.

    >>> gradient_of("dWf"), gradient_of("delta_out"), gradient_of("W_grad"), gradient_of("x")
    ('Wf', 'out', 'W', '')
    """
    fits = GRADIENT.fullmatch(word)
    return (fits["of"] or fits["before"]).strip("_") if fits else ""


def forms(name: str, are_exact: bool) -> Iterator[str]:
    """Yield a name, and the same without its step: ``f`` for ``ft`` and ``f_t``."""
    for form in {name, name.replace("_", "")} - {""}:
        form = form if are_exact else form.lower()
        yield form
        if len(form) > 1 and form.endswith("t"):
            yield form[:-1].rstrip("_")
