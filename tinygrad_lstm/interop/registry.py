"""The frameworks that `save` and `load` know by their names.

Knows that a framework has a name; not how a framework lays out its arrays.
"""

from __future__ import annotations

from ..engine.arguments import of_kind, text
from ..errors import ArgumentError
from .framework import Framework

frameworks: dict[str, Framework] = {}  # the registered ones, by their names


def register(framework: Framework) -> Framework:
    """Make a framework known to `save` and `load`, as ``layout=`` its name, and return it.

    Raises
    ------
    UsageError, ArgumentError
        If it is no `Framework`, or its name is taken.
    """
    of_kind("register", framework, Framework, "a Framework; write a class with that base")
    name = text("register: the framework's name", getattr(framework, "name", None))
    if name in ("", "ours") or type(frameworks.get(name, framework)) is not type(framework):
        raise ArgumentError(f"register: the name {name!r} is taken; choose another")
    frameworks[name] = framework
    return framework
