"""Sequential: modules and functions, one after the other.

Knows modules; no particular layer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

from ..engine.arguments import excerpt, whole
from ..engine.tensor import Tensor
from ..errors import OutOfRangeError, UsageError
from .contents import free_name
from .module import Module


class Sequential(Module):
    """Modules or functions applied one after the other.

    A recurrent layer hands on its outputs at every step. Unless it has a name, a Sequential adds
    none to its modules': they are ``lstm``, ``dense``, ``dense_2``.

    Parameters
    ----------
    *modules : Module or callable (Tensor) -> Tensor
    name : str, optional

    Examples
    --------
    >>> from .layers import Dense
    >>> net = Sequential(Dense(2, 3, "tanh"), Dense(3, 1))
    >>> net[-1]
    <dense_2: Dense, 3 features to 1>
    >>> len(net), net[:1]([1.0, 2.0]).shape
    (2, (3,))
    >>> print(net)
    Sequential                         13
      dense: Dense, 2 features to 3     9  W (2, 3), b (3,)
      dense_2: Dense, 3 features to 1   4  W (3, 1), b (1,)
    13 parameters
    """

    _unnamed = "_stages"

    def __init__(self, *modules: Callable[..., Any], name: str | None = None) -> None:
        super().__init__(name)
        stages: dict[str, Callable[..., Any]] = {}
        for position, module in enumerate(modules):
            if not callable(module):
                raise UsageError(
                    f"Sequential: found {type(module).__name__} at position {position}, "
                    "expected modules or functions"
                )
            stem = (module.place.name if isinstance(module, Module) else None) or str(position)
            stages[free_name(stem, stages)] = module
        self._stages = stages

    @classmethod
    def _default_name(cls) -> str | None:
        return None if cls is Sequential else super()._default_name()

    def __len__(self) -> int:
        """Return the number of its modules and functions."""
        return len(self._stages)

    def __iter__(self) -> Iterator[Any]:
        """Yield its modules and functions in their order."""
        return iter(tuple(self._stages.values()))

    def __getitem__(self, index: Any) -> Any:
        """Return the module or function at a place; for a slice, a Sequential of its items.

        Raises
        ------
        OutOfRangeError, UsageError
            If there is nothing at the place, or it is no whole number.
        """
        stages = tuple(self._stages.values())
        if isinstance(index, slice):
            try:
                return Sequential(*stages[index])
            except (TypeError, ValueError) as error:
                raise UsageError(f"{self._who()}: found {excerpt(index)}: {error}") from None
        place = whole(f"{self._who()}: the index", index)
        if not -len(stages) <= place < len(stages):
            raise OutOfRangeError(
                f"{self._who()} has {len(stages)} modules and functions, found index {place}"
            )
        return stages[place]

    def _who(self) -> str:
        return self.place.path() or type(self).__name__

    def _parts(self) -> Iterator[tuple[str, Any]]:
        return iter(self._stages.items())

    def _summary(self) -> str:
        stages = (getattr(stage, "__name__", path) for path, stage in self._stages.items())
        return f"{super()._summary()} of {', '.join(stages)}"

    def _title(self) -> str:
        return type(self).__name__  # its tree shows what it is made of

    def forward(self, x: Any) -> Tensor:
        """Apply the modules in turn."""
        for module in self._stages.values():
            x = module(x)
            if isinstance(x, tuple):
                x = x[0]
        return cast(Tensor, x)
