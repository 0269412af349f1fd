"""Frames of a picture: the contents of each scope or step, and the frames inside.

Knows names, and how Graphviz writes a frame.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

from .text import escape

Content = TypeVar("Content")


class Frame(Generic[Content]):
    """A scope or a step: its contents, and the frames inside by their names."""

    def __init__(self) -> None:
        self.inside: dict[str, Frame[Content]] = {}
        self.contents: list[Content] = []

    def at(self, names: Iterable[str]) -> Frame[Content]:
        """Return the inner frame that names lead to; a missing frame is added."""
        frame = self
        for name in names:
            frame = frame.inside.setdefault(name, Frame())
        return frame

    def write(
        self,
        graph: Any,
        path: str,
        put: Callable[[Any, list[Content]], None],
        titled: set[tuple[str, ...]] | None = None,
        names: tuple[str, ...] = (),
        **look: str,
    ) -> None:
        """Write the contents with ``put``, then the frames inside; ids begin with ``path``.

        A frame with a title, whose names are in ``titled``, goes on without a title.
        """
        titled = set() if titled is None else titled
        put(graph, self.contents)
        for position, (name, frame) in enumerate(self.inside.items()):
            own = (*names, name)
            with graph.subgraph(name=f"{path}_{position}") as cluster:
                title = "" if own in titled else escape(name)
                cluster.attr(label=title, style="rounded", **look)
                titled.add(own)
                frame.write(cluster, f"{path}_{position}", put, titled, own, **look)
