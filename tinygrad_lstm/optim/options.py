"""The options of an update rule: the check of each, and the groups of parameters that have them.

Knows parameters and numbers; no rule.
"""

from __future__ import annotations

from collections import UserDict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, TypeVar

import numpy as np

from ..engine.arguments import excerpt, flag, of_kind
from ..engine.arguments import number as checked_number
from ..engine.arrays import as_floats
from ..engine.tensor import Tensor
from ..errors import ArgumentError, ShapeError, UsageError

T = TypeVar("T")
Check = Callable[[str, Any], T]


class Option(Generic[T]):
    """An option of an update rule, declared in its class.

    As an attribute of an optimizer the option stands for all groups: it is read where all groups
    have the same value, and set in all of them.

    Parameters
    ----------
    check : (who, value) -> value
        Raises if the value cannot be used; ``who`` begins the message.
    """

    def __init__(self, check: Check[T]) -> None:
        self.check = check

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, optimizer: Any, owner: Any = None) -> T:
        if optimizer is None:
            return self  # type: ignore[return-value]
        first, *rest = groups_of(optimizer, self.name)
        if any(group[self.name] != first[self.name] for group in rest):
            raise UsageError(
                f"{type(optimizer).__name__}: {self.name} differs from group to group; "
                f"read param_groups[k][{self.name!r}]"
            )
        value: T = first[self.name]
        return value

    def __set__(self, optimizer: Any, value: Any) -> None:
        value = self.check(f"{type(optimizer).__name__}: {self.name}", value)
        for group in groups_of(optimizer, self.name):
            group[self.name] = value


def groups_of(optimizer: Any, name: str) -> list[Group]:
    """Return the groups of an optimizer, in which an attribute is looked up."""
    groups: list[Group] = vars(optimizer).get("param_groups", [])
    if not groups:
        raise AttributeError(f"{type(optimizer).__name__} has no {name} yet")
    return groups


class Group(UserDict[str, Any]):
    """Parameters that share their options: a dictionary whose values are checked when they are set.

    Parameters
    ----------
    who : str
        The rule, which begins the messages.
    checks : dict of str to check
        Of each option, and of ``params``.
    values : mapping
        One for each check.
    """

    def __init__(self, who: str, checks: Mapping[str, Check[Any]], values: Mapping[str, Any]):
        self.who, self.checks = who, checks
        self.initial_lr: float | None = None  # before the first schedule
        for name in values:
            check_known(who, name, checks)
        for name in checks:
            if name not in values:
                raise ArgumentError(f"{who}: found a group without {name!r}; give the group one")
        super().__init__({name: values[name] for name in checks})

    def __setitem__(self, name: str, value: Any) -> None:
        check_known(self.who, name, self.checks)
        self.data[name] = self.checks[name](f"{self.who}: {name}", value)

    def __delitem__(self, name: str) -> None:
        raise UsageError(f"{self.who}: a group keeps all its options; set {name} instead")


def check_known(who: str, name: Any, known: Iterable[str]) -> None:
    """Refuse an option that a rule does not have."""
    if name not in known:
        raise ArgumentError(f"{who}: found the option {excerpt(name)}, expected {', '.join(known)}")


def check_entries(who: str, state: Any, names: Iterable[str]) -> dict[str, Any]:
    """Return a copy of a state that has entries of these names and no others."""
    names = tuple(names)
    entries = dict(of_kind(f"{who}: state_dict", state, Mapping, "what state_dict() returned"))
    if set(map(str, entries)) != set(names):
        raise ArgumentError(
            f"{who}: found a state of {excerpt(', '.join(map(str, entries)))}, expected "
            f"{', '.join(names)}: what state_dict() of the same rule with the same options returned"
        )
    return entries


def array_like(who: str, value: Any, x: Tensor) -> np.ndarray:
    """Return a copy of an array of a state, which has the shape of a parameter."""
    array = as_floats(value, None, who)
    if array.shape != x.shape:
        raise ShapeError(f"{who} has shape {array.shape}, expected {x.shape}")
    return array


# --- checks ---------------------------------------------------------------------------------------


class number(Option[float]):
    """An option that is a number, at least ``low`` and below ``end``."""

    def __init__(self, low: float = 0.0, end: float = np.inf) -> None:
        self.low, self.end = low, end
        super().__init__(self.as_number)

    def as_number(self, who: str, value: Any) -> float:
        """Return a number in the bounds."""
        return checked_number(who, value, self.low, self.end)


class switch(Option[bool]):
    """An option that is True or False."""

    def __init__(self) -> None:
        super().__init__(flag)


def pair(who: str, value: Any, low: float = -np.inf, end: float = np.inf) -> tuple[float, float]:
    """Return a pair of numbers, each at least ``low`` and below ``end``."""
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise UsageError(f"{who} must be a pair of numbers, found {excerpt(value)}")
    first, second = (checked_number(who, entry, low, end) for entry in value)
    return first, second


def rates_of_decay(who: str, value: Any) -> tuple[float, float]:
    """Return a pair of numbers in [0, 1)."""
    return pair(who, value, 0.0, 1.0)


def parameters(who: str, value: Any) -> list[Tensor]:
    """Return a list of leaves that require gradients, none of them twice."""
    who = who.removesuffix(": params")
    if isinstance(value, Tensor | Mapping | str) or not isinstance(value, Iterable):
        raise UsageError(
            f"{who}: found {type(value).__name__}, expected a list of parameters, such as "
            "module.parameters()"
        )
    params = list(value)
    if not params:
        raise ArgumentError(f"{who}: found no parameters to update")
    check_leaves(who, params)
    for parameter in params:
        if not parameter.requires_grad:
            label = f" ({parameter.label()})" if parameter.name else ""
            raise UsageError(
                f"{who}: found a Tensor that requires no gradient{label}; make it with "
                "requires_grad=True"
            )
    return params


def check_leaves(who: str, params: Iterable[Any]) -> None:
    """Refuse a parameter that is no leaf, or is given twice."""
    leaves: set[Tensor] = set()
    for x in params:
        if not isinstance(x, Tensor) or x.inputs:
            label = x.label() if isinstance(x, Tensor) else type(x).__name__
            raise UsageError(f"{who}: {label} is no leaf that requires a gradient")
        if x in leaves:
            raise ArgumentError(f"{who}: {x.label()} is given twice")
        leaves.add(x)
