"""The assignments of one line, and what the name that is assigned to says.

Knows recordings and how people call gradients; no network.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, replace

from .recording import Assignment, Site

GRADIENT = re.compile(
    r"(?:delta_?|grad_?|d_?|δ_?|∂_?|g_)(?P<of>\w+)|(?P<before>\w+?)_?(?:grad|delta|bar)"
)
GRADIENTS = re.compile(
    r"(?:d|g|δ|grad|gradient|derivative|delta)s?_?(?:params?|weights?)?", re.IGNORECASE
)
CARRIES = re.compile(r"next|prev|carry|old|last|future|init|from|back|zero|tmp|temp")
NAME = re.compile(r"\w+")


@dataclass(frozen=True, eq=False)
class Family:
    """All assignments of one site, in their order.

    Attributes
    ----------
    site : Site
    assignments : list of Assignment
    is_carried : bool
        Whether it is what a variable holds when a loop reads it, before the site assigns it.
    """

    site: Site
    assignments: list[Assignment]
    is_carried: bool = False

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


def carried(families: Sequence[Family]) -> Iterator[Family]:
    """Yield what variables hold that a loop reads before it assigns them: the start, then its own.

    ``dh = dy @ V.T``, and in the loop: a use of dh, and then ``dh = da @ U.T``.
    """
    sites: dict[tuple[str, str], list[Family]] = {}
    for family in families:
        if family.word == family.site.target and not family.site.is_whole:
            sites.setdefault((family.site.function, family.word), []).append(family)
    for several in sites.values():
        several.sort(key=lambda family: family.site.line)
        if [len(x.assignments) > 1 for x in several] == [False, True]:
            start, loop = several
            reader = first_reader(start, families)
            if loop.root in loop.site.reads or reader is None or reader >= loop.site.line:
                continue
            held = [*start.assignments, *loop.assignments[:-1]]
            yield Family(loop.site, [replace(one, steps=()) for one in held], is_carried=True)


def first_reader(family: Family, families: Iterable[Family]) -> int | None:
    """Return the first line below a site that reads its variable for another one."""
    lines = [
        other.site.line
        for other in families
        if other.site.function == family.site.function
        and other.site.line > family.site.line
        and other.site.target != family.site.target
        and family.root in other.site.reads
    ]
    return min(lines, default=None)


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


@dataclass(frozen=True)
class Spelling:
    """How a program calls the gradients of its variables, besides what everybody does.

    Attributes
    ----------
    prefixes, suffixes : frozenset of str
        ``g`` where there are gW and gU for W and U.
    """

    prefixes: frozenset[str]
    suffixes: frozenset[str]

    def rank(self, family: Family, names: Set[str], paths: Set[str]) -> int:
        """Return how well a family's name fits the gradient of a variable; 0 if it does not.

        Parameters
        ----------
        family : Family
        names : set of str
            What the variable is called.
        paths : set of str
            The same with all that stands before the last word: ``W['f']`` fits ``dW['f']``.
        """
        whole = gradient_of(family.root)
        path = family.site.target.replace(family.root, whole, 1)
        if whole and family.word != family.root and path in paths:
            return 3
        own = {family.gradient_of, family.word if whole and family.word != family.root else ""} | {
            *(family.word[len(x) :] for x in self.prefixes if family.word.startswith(x)),
            *(family.word[: -len(x)] for x in self.suffixes if family.word.endswith(x)),
        }
        for rank, are_exact in ((2, True), (1, False)):
            wanted = {form for name in names for form in forms(name, are_exact)}
            if any(wanted & set(forms(name, are_exact)) for name in own if name):
                return rank
        return 0


def spelling_of(variables: Iterable[Set[str]], words: Set[str]) -> Spelling:
    """Return the affixes that stand before, or behind, the names of two parameters or more.

    >>> spelling_of([{"Wf"}, {"Wi"}], {"Wf", "Wi", "gWf", "gWi", "Wf2"}).prefixes
    frozenset({'g'})
    """
    prefixes, suffixes = Counter[str](), Counter[str]()
    for own in variables:
        longer = [(word, name) for name in own for word in words - own if len(word) > len(name)]
        prefixes.update({w.removesuffix(n) for w, n in longer if len(n) > 1 and w.endswith(n)})
        suffixes.update({w.removeprefix(n) for w, n in longer if len(n) > 1 and w.startswith(n)})
    several = (frozenset(x for x, count in y.items() if count > 1) for y in (prefixes, suffixes))
    return Spelling(*several)
