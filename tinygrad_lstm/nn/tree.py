"""The tree of a module: what is in it, with the shapes and the number of its parameters.

Knows what a module tells of itself; no module.
"""

from __future__ import annotations

from typing import Any


def tree(module: Any) -> str:
    """Return one line for a module and for each module in it, indented by how deep it lies.

    A line has the name, the class, the number of parameters with those of the modules inside, and
    the module's own parameters with their shapes. A parameter that several modules hold is counted
    where it comes first, and a module that stands in several places is written out there.
    """
    writer = _TreeWriter()
    count = writer.add(module, "", 0)
    counted = [(title, number) for title, number, _ in writer.rows if number]
    width = max(len(title) for title, _ in counted) if counted else 0
    digits = len(f"{count:,}")
    lines = [
        f"{title:{width}}  {number:>{digits}}  {own}".rstrip() for title, number, own in writer.rows
    ]
    return "\n".join([*lines, f"{count:,} parameters"])


class _TreeWriter:
    """Collects the rows of a tree: a title, the number of parameters, and the module's own ones."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str, str]] = []
        self.places: dict[int, str] = {}  # where a module or a parameter came first

    def add(self, part: Any, path: str, depth: int, name: str = "") -> int:
        """Add the rows of a module or a function; return how many parameters are new in it."""
        indent = "  " * depth
        if not hasattr(part, "_own_leaves"):
            called = getattr(part, "__name__", None) or getattr(part, "name", type(part).__name__)
            self.rows.append((f"{indent}{name}: {called}", "", ""))
            return 0
        title = part._title()
        name = name or part.place.path()
        title = f"{indent}{name}: {title}" if name else f"{indent}{title}"
        if id(part) in self.places:
            first = self.places[id(part)] or "the whole"
            self.rows.append((f"{title}, the same as {first}", "", ""))
            return 0
        self.places[id(part)] = path
        row, count, own = len(self.rows), 0, []
        self.rows.append((title, "", ""))
        for key, parameter in part._own_leaves():
            text = f"{key} {parameter.shape}"
            if id(parameter) in self.places:
                text += f" = {self.places[id(parameter)]}"
            else:
                self.places[id(parameter)] = f"{path}.{key}" if path else key
                count += parameter.size
            own.append(text)
        for key, child in part._parts():
            count += self.add(child, f"{path}.{key}" if path else key, depth + 1, key)
        self.rows[row] = title, f"{count:,}", ", ".join(own)
        return count
