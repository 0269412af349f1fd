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

    Tensors that require a gradient become parameters when assigned to an attribute, Modules (and
    lists of Modules) become children. A module is called by its ``name=``, else by the attribute
    that holds it, else by its class in lower case.

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
        before = here.get()
        here.set(Place(before, self.place.name, module=self.place))
        try:
            return self.forward(*args, **options)
        except TypeError as error:
            if error.__traceback__ is None or error.__traceback__.tb_next is not None:
                raise  # from inside, not from a call that does not fit
            raise UsageError(f"{type(self).__name__}: {error}") from None
        finally:
            here.set(before)

    def __setattr__(self, attribute: str, value: Any) -> None:
        if _is_parameter(value):
            value.name = value.name or attribute
            value.place = self.place
        elif isinstance(value, Module):
            value._held_by(self, attribute)
        elif isinstance(value, list | tuple) and any(isinstance(each, Module) for each in value):
            for position, each in enumerate(value):
                if isinstance(each, Module):
                    each._held_by(self, f"{attribute}.{position}")
        object.__setattr__(self, attribute, value)

    def _held_by(self, holder: Module, name: str) -> None:
        if self.place.parent is None:
            self.place.parent = holder.place
            if not self._named:
                self.place.name = name

    # --- parameters ------------------------------------------------------------------------------

    def children(self) -> Iterator[tuple[str, Module]]:
        """Yield the modules held directly, with the names that lead to them."""
        for attribute, value in vars(self).items():
            if isinstance(value, Module):
                yield attribute, value
            elif isinstance(value, list | tuple):
                for position, each in enumerate(value):
                    if isinstance(each, Module):
                        yield f"{attribute}.{position}", each

    def named_parameters(self, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
        """Yield every parameter once, with its path from this module, such as ``lstm.W``."""
        seen = set()
        for attribute, value in vars(self).items():
            if _is_parameter(value) and value not in seen:
                seen.add(value)
                yield prefix + attribute, value
        for name, child in self.children():
            for path, parameter in child.named_parameters(f"{prefix}{name}."):
                if parameter not in seen:
                    seen.add(parameter)
                    yield path, parameter

    def parameters(self) -> list[Tensor]:
        """Return every parameter once."""
        return [parameter for _, parameter in self.named_parameters()]

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
        wrong = [f"missing: {name} {known[name].shape}" for name in known if name not in state]
        wrong += [
            f"unexpected: {name} ({nearest(name, known)})" for name in state if name not in known
        ]
        misshaped = [
            f"shape of {name}: found {np.shape(state[name])}, expected {known[name].shape}"
            for name in known
            if name in state and np.shape(state[name]) != known[name].shape
        ]
        if wrong or misshaped:
            kind = SignalError if wrong else ShapeError
            raise kind("load_state_dict: nothing loaded; " + "; ".join(wrong + misshaped))
        arrays = {name: np.asarray(state[name]) for name in known}
        for name, array in arrays.items():
            Tensor(array, name=name)  # refuses what is no real number before anything changes
        for name, parameter in known.items():
            parameter.data = arrays[name]


def _is_parameter(value: Any) -> bool:
    return isinstance(value, Tensor) and value.requires_grad and not value.inputs
