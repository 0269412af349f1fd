"""Holder: takes in the parameters and modules among its attributes, and names them.

Knows Tensors and places; not what a module computes.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from itertools import count
from types import MemberDescriptorType
from typing import Any

from ..engine.other_names import MODULE, Elsewhere, refuse
from ..engine.place import Home, Place
from ..engine.tensor import Tensor
from ..errors import SignalError, UsageError


class Holder:
    """Base of Module: its attributes, and the parameters and modules in them."""

    place: Place
    _has_name = False
    _bookkeeping = ("_contents", "_growing")  # attributes that say what the others hold
    _growing: tuple[str, ...] = ()  # attributes that may hold more when called than when assigned
    _slotted: tuple[str, ...] = ()  # attributes in __slots__ of the class
    _unnamed: str | None = None  # an attribute whose items are called by their keys alone
    _contents: dict[str, dict[str, Any]]  # by attribute: parameters and modules by their paths

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        slots = [name for name, slot in vars(cls).items() if isinstance(slot, MemberDescriptorType)]
        cls._slotted = (*cls._slotted, *slots)

    def __setattr__(self, attribute: str, value: Any) -> None:
        """Set an attribute; a parameter or a module in it becomes one of this module.

        Raises
        ------
        UsageError
            If a parameter or a module would be lost; the message names it and the remedy.
        """
        descriptor = getattr(type(self), attribute, None)
        if not hasattr(descriptor, "__set__") or attribute in self._slotted:
            self._hold(attribute, value)
            if isinstance(value, list | dict) and attribute not in self._growing:
                object.__setattr__(self, "_growing", (*self._growing, attribute))
        object.__setattr__(self, attribute, value)  # or else a property sets what it likes

    def __dir__(self) -> list[str]:
        kind, own = type(self), vars(self)
        return [
            name
            for name in super().__dir__()
            if name in own or not isinstance(getattr(kind, name, None), Elsewhere)
        ]

    def __delattr__(self, attribute: str) -> None:
        object.__delattr__(self, attribute)
        self._contents.pop(attribute, None)

    def _attributes(self) -> list[tuple[str, Any]]:
        """Return the attributes with their names, in ``__slots__`` too."""
        slots = [(name, getattr(self, name)) for name in self._slotted if hasattr(self, name)]
        return [item for item in vars(self).items() if item[0] != "_contents"] + slots

    def _hold(self, attribute: str, value: Any) -> dict[str, Any]:
        """Take in the parameters and modules in an attribute, and return them by their paths.

        Raises
        ------
        UsageError
            If the value stands where a parameter or a module was; nothing has changed.
        """
        path = "" if attribute == self._unnamed else attribute
        contents, before = inside(value, path), self._contents.get(attribute)
        if before is None and not contents:
            return contents
        before = before or {}
        if not contents.keys() >= before.keys():
            contents |= self._find_frozen(before, contents, value, path)
        self._contents[attribute] = contents
        for path, content in contents.items():
            if before.get(path) is not content:
                self._name(content, path, before.get(path))
        for path, old in before.items():
            if contents.get(path) is not old:
                self._rename(old, path)
        return contents

    def _name(self, content: Any, path: str, old: Any) -> None:
        """Name a parameter or a module by its path, unless it has a name or another holder."""
        if isinstance(content, Holder):
            content._set_parent(self, path)
            inside, named = content.place.parent is self.place, content._has_name
            if inside and not named and self._is_of_another(content.place.name, content):
                content.place.name = path
        elif not isinstance(content.place, Home):
            same = isinstance(old, Tensor) and old.name == path  # with the parts packed in it
            content.name = content.name or (old.name if same else path)
            content.place = self.place
        elif content.place is self.place and self._is_of_another(content.name, content):
            content.name = path

    def _is_of_another(self, path: str | None, item: Any) -> bool:
        """Return whether something else stands at a path."""
        return any(
            path in contents and contents[path] is not item for contents in self._contents.values()
        )

    def _rename(self, old: Any, path: str) -> None:
        """Rename an item that has left the path it was named by; its new path is its new name."""
        items = (item for contents in self._contents.values() for item in contents.items())
        new = next((other for other, content in items if content is old), None)
        if new is None:
            return
        if isinstance(old, Holder):
            if old.place.parent is self.place and old.place.name == path and not old._has_name:
                old.place.name = new
        elif old.place is self.place and old.name == path:
            old.name = new

    def _find_frozen(
        self, before: dict[str, Any], contents: dict[str, Any], value: Any, start: str
    ) -> dict[str, Any]:
        """Return the former parameters that are frozen now; refuse a value that loses one."""
        nodes, frozen = dict(_nodes(value, start)), {}
        for path, old in before.items():
            place = path
            while place not in nodes:
                place = place.rpartition(".")[0]
            if place in contents or any(old is content for content in contents.values()):
                continue
            new = nodes[place]
            if new is old:
                frozen[path] = old
            elif isinstance(new, list | tuple | dict):
                if place == path and not any(inner.startswith(f"{path}.") for inner in contents):
                    self._refuse_loss(path, old, new)
            elif new is not None and not (isinstance(old, Holder) and callable(new)):
                self._refuse_loss(path, old, new)
        return frozen

    def _refuse_loss(self, path: str, old: Any, new: Any) -> None:
        name = ".".join(filter(None, [self.place.path(), path]))
        kind = f"found {type(new).__name__}"
        if isinstance(new, Tensor):
            kind = f"found a Tensor {'computed from others' if new.inputs else 'without gradient'}"
        if isinstance(old, Holder):
            raise UsageError(
                f"{name} is a {type(old).__name__}, whose parameters would be lost: {kind}, "
                "expected another module, a function or None"
            )
        raise UsageError(
            f"{name} is a parameter and would be lost: {kind}, expected a Tensor made with "
            f"requires_grad=True, or None; to change its numbers, write .data -= … or .data = …"
        )

    def _set_parent(self, holder: Holder, name: str) -> None:
        if self.place.parent is not None:
            return
        link: Place | None = holder.place
        while link is not None:
            if link is self.place:
                return  # the holder is inside this module: a child that knows its parent
            link = link.parent
        self.place.parent = holder.place
        if not self._has_name:
            self.place.name = name


refuse(Holder, MODULE)


def free_name(stem: str, taken: Container[str]) -> str:
    """Return a name that is not taken: the stem, or the stem with ``_2``, ``_3`` and so on."""
    names = (stem if again == 1 else f"{stem}_{again}" for again in count(1))
    return next(name for name in names if name not in taken)


def _nodes(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield a value and, of lists and dictionaries, all in it, with their paths."""
    waiting, visited = [(path, value)], set()
    while waiting:
        path, value = waiting.pop()
        value = meant(value)
        yield path, value
        if isinstance(value, list | tuple | dict) and id(value) not in visited:
            visited.add(id(value))
            items = value.items() if isinstance(value, dict) else enumerate(value)
            start = f"{path}." if path else ""
            waiting += reversed([(f"{start}{key}", item) for key, item in items])


def inside(value: Any, path: str) -> dict[str, Any]:
    """Return the modules and parameters in an attribute by their paths."""
    value = meant(value)
    if isinstance(value, Holder) or is_parameter(value):
        return {path: value}
    contents: dict[str, Any] = {}
    if isinstance(value, list | tuple | dict):
        for inner_path, node in _nodes(value, path):
            if not isinstance(node, Holder) and not is_parameter(node):
                continue
            if contents.setdefault(inner_path, node) is not node:
                raise SignalError(
                    f"two items of {path} have one path, {inner_path}: a "
                    f"{type(contents[inner_path]).__name__} and a {type(node).__name__}; "
                    "choose other keys"
                )
    return contents


def meant(value: Any) -> Any:
    """Return the module that a value stands for, such as a compiled module, or else the value."""
    name = getattr(type(value), "_stands_for", None)
    return value if name is None else vars(value)[name]


def is_parameter(value: Any) -> bool:
    return isinstance(value, Tensor) and value.requires_grad and not value.inputs
