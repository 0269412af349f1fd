"""Module: a holder of named parameters that records inside a scope of its own.

Knows Tensors and places; no particular layer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ..errors import ShapeError, SignalError, UsageError, check_arguments, nearest
from ..place import Place, checked_name, here
from ..tensor import Tensor


class Module:
    """Base of layers and networks.

    Tensors that require a gradient become parameters when assigned to an attribute, Modules become
    children, and so do those in lists and dictionaries. A module is called by its ``name=``, else
    by the attribute that holds it, else by its class in lower case.

    Parameters
    ----------
    name : str, optional

    Examples
    --------
    >>> class Line(Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.slope = Tensor(2.0, requires_grad=True)
    ...
    ...     def forward(self, x):
    ...         return self.slope * x
    >>> line = Line()
    >>> line(3.0).item()
    6.0
    >>> [name for name, _ in line.named_parameters()]
    ['slope']
    """

    place: Place
    _named = False
    training = True
    _growing: tuple[str, ...] = ()  # attributes that may hold more when called than when assigned

    def __new__(cls, *args: Any, **options: Any) -> Module:
        check_arguments(cls, args, options)
        module = super().__new__(cls)
        object.__setattr__(module, "place", Place(None, cls._default_name()))
        return module

    def __init__(self, name: str | None = None) -> None:
        if name is not None:
            self.place.name = checked_name(name)
            self._named = True

    @classmethod
    def _default_name(cls) -> str | None:
        return cls.__name__.lower()

    def forward(self, *args: Any, **options: Any) -> Any:
        """Compute the output; every module says how."""
        raise NotImplementedError(
            f"{type(self).__name__} does not say how to compute: define forward"
        )

    def __call__(self, *args: Any, **options: Any) -> Any:
        for attribute in self._growing:
            self._hold(attribute, getattr(self, attribute, None))
        place = self.place
        entered = here.set(Place(here.get(), place.name, None, None, place))
        try:
            if len(args) == 1 and not options:  # the same, sooner
                return self.forward(args[0])
            return self.forward(*args, **options)
        except TypeError as error:
            if error.__traceback__ is None or error.__traceback__.tb_next is not None:
                raise  # from inside, not from a call that does not fit
            raise UsageError(f"{type(self).__name__}: {error}") from None
        finally:
            here.reset(entered)

    def __setattr__(self, attribute: str, value: Any) -> None:
        self._hold(attribute, value)
        if isinstance(value, list | dict) and attribute not in self._growing:
            object.__setattr__(self, "_growing", (*self._growing, attribute))
        object.__setattr__(self, attribute, value)

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy or pickle what it holds, without asking again for what it was made from."""
        return object.__new__, (type(self),), vars(self)

    def _hold(self, attribute: str, value: Any) -> None:
        for path, each in _inside(value, attribute):
            if isinstance(each, Module):
                each._held_by(self, path)
            else:
                each.name = each.name or path
                each.place = self.place

    def _held_by(self, holder: Module, name: str) -> None:
        if self.place.parent is None:
            self.place.parent = holder.place
            if not self._named:
                self.place.name = name

    # --- parameters ------------------------------------------------------------------------------

    def children(self) -> Iterator[tuple[str, Module]]:
        """Yield the modules held directly, with the names that lead to them."""
        for attribute, value in vars(self).items():
            for path, each in _inside(value, attribute):
                if isinstance(each, Module):
                    yield path, each

    def named_parameters(self, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
        """Yield every parameter once, with its path from this module, such as ``lstm.W``."""
        yield from self._parameters(prefix, set())

    def _parameters(self, prefix: str, seen: set[Any]) -> Iterator[tuple[str, Tensor]]:
        seen.add(self)
        for attribute, value in vars(self).items():
            for path, each in _inside(value, attribute):
                if isinstance(each, Tensor) and each not in seen:
                    seen.add(each)
                    yield prefix + path, each
        for name, child in self.children():
            if child not in seen:
                yield from child._parameters(f"{prefix}{name}.", seen)

    def parameters(self) -> list[Tensor]:
        """Return every parameter once."""
        return [parameter for _, parameter in self.named_parameters()]

    def train(self, mode: bool = True) -> Module:
        """Set it and all modules in it to training, in which dropout drops; return it.

        Raises
        ------
        UsageError
            If the mode is neither True nor False.
        """
        if not isinstance(mode, bool):
            raise UsageError(f"train: the mode must be True or False, found {mode!r}")
        self._set_training(mode, set())
        return self

    def eval(self) -> Module:
        """Set it and all modules in it to use rather than training; return it."""
        return self.train(False)

    def _set_training(self, mode: bool, seen: set[Any]) -> None:
        seen.add(self)
        self.training = mode
        for _, child in self.children():
            if child not in seen:
                child._set_training(mode, seen)

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for parameter in self.parameters():
            parameter.grad = None

    def state_dict(self) -> dict[str, np.ndarray]:
        """Return a copy of every parameter's numbers by its path."""
        return {name: parameter.numpy() for name, parameter in self.named_parameters()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Replace every parameter's numbers.

        Raises
        ------
        SignalError, ShapeError
            If an entry is missing, unexpected or of the wrong shape. The message lists all of
            them, and nothing has been loaded.
        """
        if not isinstance(state, Mapping):
            raise UsageError(
                f"load_state_dict: found {type(state).__name__}, expected a dictionary of arrays"
            )
        known = dict(self.named_parameters())
        check_entries("load_state_dict", state, {name: each.shape for name, each in known.items()})
        # refuses what is no real number before anything changes
        arrays = {name: Tensor(state[name], name=name).numpy() for name in known}
        for name, parameter in known.items():
            parameter.data = arrays[name]


def check_entries(
    who: str, state: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]
) -> None:
    """Refuse arrays by name of which any is missing, unexpected or of the wrong shape.

    Parameters
    ----------
    who : str
        What the message begins with.
    state : mapping of names to whatever has a shape
    shapes : mapping of names to shapes
        What is expected.

    Raises
    ------
    SignalError, ShapeError
        The message lists all of them. A name that is wrong is a SignalError, whatever the shapes.
    """
    wrong = [f"missing: {name} {shapes[name]}" for name in shapes if name not in state]
    wrong += [
        f"unexpected: {name} ({nearest(name, shapes)})"
        for name in map(str, state)
        if name not in shapes
    ]
    misshaped = [
        f"shape of {name}: found {np.shape(state[name])}, expected {shapes[name]}"
        for name in shapes
        if name in state and np.shape(state[name]) != shapes[name]
    ]
    if wrong or misshaped:
        kind = SignalError if wrong else ShapeError
        raise kind(f"{who}: nothing loaded; " + "; ".join(wrong + misshaped))


def _inside(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield the modules and parameters in an attribute, in lists and dictionaries too."""
    if isinstance(value, Module) or _is_parameter(value):
        yield path, value
    elif isinstance(value, list | tuple | dict):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, each in items:
            yield from _inside(each, f"{path}.{key}")


def _is_parameter(value: Any) -> bool:
    return isinstance(value, Tensor) and value.requires_grad and not value.inputs
