"""How modules are copied and pickled: the empty modules first, and then the attributes of each.

Knows that a module has a place and children; not how it finds them. Because the modules come first,
no nesting is too deep, and modules may hold each other.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any
from weakref import ReferenceType, ref

Module = Any


class _Shell:
    """A module that is to be copied without its attributes, which follow."""

    def __init__(self, module: Module) -> None:
        self.module = module

    def __reduce__(self) -> tuple[Any, ...]:
        _next.set(ref(self))  # dead as soon as the copying ends, in whatever way
        return _same, (self.module,)


# the shell whose module this thread copies next
_next: ContextVar[ReferenceType[_Shell] | None] = ContextVar("_next", default=None)


def reduced(module: Module) -> tuple[Any, ...]:
    """Return what copies a module, and all modules in it, as ``__reduce__`` does."""
    reference = _next.get()
    shell = None if reference is None else reference()
    if shell is not None and shell.module is module:
        _next.set(None)
        return object.__new__, (type(module),)
    family = [inner for _, inner in module._modules()][::-1]
    return _restored, ([_Shell(part) for part in family], [part.__getstate__() for part in family])


def restore(module: Module, state: Any) -> None:
    """Give a module the attributes of another one."""
    if hasattr(module, "__setstate__"):
        module.__setstate__(state)
        return
    attributes, slots = state if isinstance(state, tuple) else (state, None)
    module.__dict__.update(attributes or {})
    for name, value in (slots or {}).items():
        object.__setattr__(module, name, value)


def _restored(modules: list[Module], states: list[Any]) -> Module:
    """Return the last of the modules, once all have their attributes."""
    for module, state in zip(modules, states, strict=True):
        restore(module, state)
    top = modules[-1]
    if not any(module.place is top.place.parent for module in modules):
        top.place.parent = None  # the module around it was not copied
    for module in modules:
        for name, child in module.children():
            child._set_parent(module, name)
    return top


def _same(module: Module) -> Module:
    return module
