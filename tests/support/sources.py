"""What a source file of the package imports."""

from __future__ import annotations

import ast


def imported(tree: ast.AST, module: str, is_package: bool) -> set[str]:
    """Return the absolute names of all that a module imports, at its head and in its functions."""
    here = ["tinygrad_lstm", *filter(None, module.split("."))]
    here = here if is_package else here[:-1]
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            base = [*here[: len(here) - node.level + 1]] if node.level else []
            base += (node.module or "").split(".") if node.module else []
            names |= {".".join([*base, alias.name]) for alias in node.names}
    return names
