"""The drawing styles that users add: `draw(style="a name")` calls the function of the name.

Knows names and functions, and no network: the layout process loads this file, and shall start fast.

    >>> import tinygrad_lstm as tg
    >>> @style("kinds")
    ... def kinds(network, view, title):
    ...     lines = []
    ...     for wire, node in network.maker.items():
    ...         lines.append(f"n{wire} [label={node.kind}]")
    ...         lines += [f"n{operand} -> n{wire}" for operand in node.inputs]
    ...     return "digraph {\\n" + "\\n".join(lines) + "\\n}\\n"
    >>> x = tg.Tensor([1.0, 2.0], name="x")
    >>> print(tg.draw(tg.sum(tg.tanh(x)), style="kinds").dot)
    digraph {
    n0 [label=input]
    n1 [label=elementwise]
    n0 -> n1
    n2 [label=linear]
    n1 -> n2
    }
    <BLANKLINE>
    >>> forget_style("kinds")
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..errors import ArgumentError

if TYPE_CHECKING:
    from ..network.graph import Graph


STYLES = ("wan", "tape")  # of the package
Style = Callable[["Graph", str, str], str]

_added: dict[str, Style] = {}


def style(name: str) -> Callable[[Style], Style]:
    """Add a drawing style: a decorator for the function that draws.

    Parameters
    ----------
    name : str
        What people write in ``draw(loss, style=name)``. An added style of the name is replaced.

    Returns
    -------
    decorator of (network, view, title) -> DOT text
        The network is the forward one, folded as ``draw(fold=…)`` says, its packed signals taken
        apart; ``network.adjoint()`` is its adjoint. ``view`` is "forward" or "adjoint"; for
        ``view="both"`` the function is called twice. In the text, names need escaping:
        ``graphviz.Digraph`` and ``graphviz.escape`` do it.

    Raises
    ------
    ArgumentError
        If the name is empty, or one of the package's own styles.
    """
    if not isinstance(name, str) or not name or name in STYLES:
        raise ArgumentError(
            f"style: found the name {name!r}, expected a text that is not {' or '.join(STYLES)}"
        )

    def add(draws: Style) -> Style:
        _added[name] = draws
        return draws

    return add


def forget_style(name: str) -> None:
    """Remove a style that was added, if there is one of the name."""
    _added.pop(name, None)


def style_named(name: str) -> Style | None:
    """Return the function of an added style, or None."""
    return _added.get(name)


def style_names() -> tuple[str, ...]:
    """Return the names of all styles: the package's own first."""
    return (*STYLES, *_added)
