"""Module: a holder of named parameters that records inside a scope of its own.

Knows Tensors and places; no particular layer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, Self, TypeVar

import numpy as np

from ..engine.arguments import Constructor, check_arguments, flag, of_kind, text
from ..engine.arrays import as_floats
from ..engine.gradients import replace_data
from ..engine.notebook import ShownAsText
from ..engine.place import Home, Place, checked_name, here
from ..engine.tensor import Tensor
from ..errors import ArgumentError, SignalError, UsageError
from .contents import Holder, inside
from .copies import reduced, restore
from .entries import MASK, check_entries, with_masks
from .old_names import with_new_names

P = ParamSpec("P")
Output = TypeVar("Output", covariant=True)


class _Forward(Protocol[P, Output]):
    """A module as type checkers see it: its call takes and returns what ``forward`` does."""

    def forward(self, *args: P.args, **options: P.kwargs) -> Output: ...


class Module(ShownAsText, Holder):
    """Base of layers and networks.

    Tensors that require a gradient become parameters when assigned to an attribute, Modules become
    children, and so do those in lists and dictionaries. A module is called by its ``name=``, else
    by the attribute that holds it, else by its class in lower case.

    Where a parameter was, only another one or None may be assigned, and where a module was, also a
    function: a parameter that is lost by mistake would stay as it is while the rest is trained. The
    items of lists and dictionaries are checked in the next call, or when the parameters are asked
    for.

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

    __signature__ = Constructor()
    training = True
    _buffers: tuple[str, ...] = ()  # attributes with Tensors of its state that are not trained

    def __new__(cls, *args: Any, **options: Any) -> Self:
        check_arguments(cls, args, with_new_names(cls, options))
        module = super().__new__(cls)
        object.__setattr__(module, "place", Home(None, cls._default_name()))
        object.__setattr__(module, "_contents", {})
        return module

    def __init__(self, name: str | None = None) -> None:
        if name is not None:
            self.place.name = checked_name(name)
            self._has_name = True

    def __repr__(self) -> str:
        """Return its name and class. ``print`` and notebooks show its card, or its tree."""
        return f"<{self._summary()}>"

    def __str__(self) -> str:
        """Return the tree of the modules in it, with their shapes and numbers of parameters."""
        from .tree import tree  # only who prints a module needs it

        return tree(self)

    def _summary(self) -> str:
        return ": ".join(filter(None, [self.place.path(), type(self).__name__]))

    def _title(self) -> str:
        """Return the text of its line in a tree, beside its name."""
        return self._summary().removeprefix(f"{self.place.path()}: ")

    @classmethod
    def _default_name(cls) -> str | None:
        return cls.__name__.lower()

    def forward(self, *args: Any, **options: Any) -> Any:
        """Compute the output; every module defines its own."""
        raise NotImplementedError(
            f"{type(self).__name__} does not say how to compute: define forward"
        )

    if TYPE_CHECKING:

        def __call__(self: _Forward[P, Output], *args: P.args, **options: P.kwargs) -> Output: ...

    else:

        def __call__(self, *args, **options):
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

    # --- copies ----------------------------------------------------------------------------------

    def __copy__(self) -> Module:
        """Return a module that holds the same parameters and modules."""
        twin = object.__new__(type(self))
        restore(twin, self.__getstate__())
        object.__setattr__(twin, "_contents", dict(self._contents))
        return twin

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy or pickle all modules in it, without asking again for what they were made from."""
        return reduced(self)

    # --- parameters ------------------------------------------------------------------------------

    def children(self) -> Iterator[tuple[str, Module]]:
        """Yield the modules held directly, with the names that lead to them."""
        for attribute, value in self._attributes():
            path = "" if attribute == self._unnamed else attribute
            for name, content in inside(value, path).items():
                if isinstance(content, Module):
                    yield name, content

    def _parts(self) -> Iterator[tuple[str, Any]]:
        """Yield the items that its tree shows inside it, with their names."""
        return self.children()

    def _own_leaves(self) -> Iterator[tuple[str, Tensor]]:
        """Yield the parameters held directly, frozen or not, with the names that lead to them."""
        for attribute, value in self._attributes():
            for path, content in self._hold(attribute, value).items():
                if isinstance(content, Tensor):
                    yield path, content

    def _modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """Yield this module and all modules in it once, with what their parameters' paths begin."""
        visited: set[int] = set()
        waiting: list[tuple[str, Module]] = [(prefix, self)]
        while waiting:
            start, module = waiting.pop()
            if id(module) not in visited:
                visited.add(id(module))
                yield start, module
                inside = [(f"{start}{name}.", child) for name, child in module.children()]
                waiting += reversed(inside)

    def named_parameters(self, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
        """Return every parameter once, with its path from this module, such as ``lstm.W``.

        A parameter whose ``requires_grad`` was set to False is frozen. A frozen parameter is not
        trained, so it is not among these; it is a part of `named_state`.

        Raises
        ------
        SignalError
            If two parameters have one path or one name, or two modules of one module one name;
            the message says where both are.
        UsageError
            If an item of a list or a dictionary was a parameter or a module, and is none now.
        """
        text("named_parameters: prefix", prefix)
        leaves = self.named_leaves(prefix).items()
        return iter([(name, leaf) for name, leaf in leaves if leaf.requires_grad])

    def named_leaves(self, prefix: str = "") -> dict[str, Tensor]:
        """Return every parameter, frozen or not, by its path; raise as `named_parameters`."""
        leaves: dict[str, Tensor] = {}
        visited: set[int] = set()
        called: dict[Any, str] = {}  # where the owner of a name is
        for start, module in self._modules(prefix):
            whole = f"{type(module).__name__} at {start[:-1] or 'the top'}"
            if module.place.parent is not None and module.place.name is not None:
                _name_once(called, module.place.path(), module.place.outermost(), whole, True)
            for path, tensor in module._own_leaves():
                if id(tensor) in visited:
                    continue
                visited.add(id(tensor))
                name, where = start + path, f"{path} of the {whole}"
                _name_once(called, name, None, where)
                _name_once(called, tensor.label(), tensor.place.outermost(), where)
                leaves[name] = tensor
        return leaves

    def named_buffers(self, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
        """Yield the Tensors of its state that are not trained, such as running means, by path."""
        text("named_buffers: prefix", prefix)
        for start, module in self._modules(prefix):
            for attribute in module._buffers:
                yield start + attribute, getattr(module, attribute)

    def named_state(self) -> dict[str, Tensor]:
        """Return the parameters, those that are frozen too, and the buffers by their paths."""
        return self.named_leaves() | dict(self.named_buffers())

    def parameters(self) -> list[Tensor]:
        """Return every parameter once, but no frozen one: see `named_parameters`."""
        return [parameter for _, parameter in self.named_parameters()]

    def train(self, mode: bool = True) -> Module:
        """Set it and all modules in it to training, in which dropout acts; return it.

        Raises
        ------
        UsageError
            If the mode is neither True nor False.
        """
        mode = flag("train: the mode", mode)
        for _, module in self._modules():
            object.__setattr__(module, "training", mode)
        return self

    def eval(self) -> Module:
        """Set it and all modules in it to use rather than training; return it."""
        return self.train(False)

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for parameter in self.parameters():
            parameter.grad = None

    def state_dict(self) -> dict[str, np.ndarray]:
        """Return a copy of the numbers of every parameter, frozen or not, and buffer by its path.

        A parameter that has a mask, ``lstm.U``, has an entry ``lstm.U.mask`` too, of 0 and 1.
        """
        state = self.named_state()
        masks = {
            name + MASK: tensor.mask.astype(tensor.dtype)
            for name, tensor in state.items()
            if tensor.mask is not None
        }
        return {name: tensor.numpy() for name, tensor in state.items()} | masks

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Replace the numbers of every parameter and buffer, and their masks by those in the state.

        Raises
        ------
        SignalError, ShapeError
            If an entry is missing, unexpected or of the wrong shape. The message lists all of
            them, and nothing has been loaded.
        """
        of_kind("load_state_dict", state, Mapping, "a dictionary of arrays")
        known = self.named_state()
        shapes = {name: tensor.shape for name, tensor in known.items()}
        check_entries("load_state_dict", state, with_masks(state, shapes))
        # refuses what is no real number before anything changes
        arrays = {name: as_floats(state[name], None, name) for name in known}
        masks = {name: checked_mask(name, state.get(name + MASK)) for name in known}
        before = {name: tensor.mask for name, tensor in known.items()}
        try:
            for tensor in known.values():
                tensor.mask = None  # so that all numbers are replaced
            replace_data({parameter: arrays[name] for name, parameter in known.items()})
        except BaseException:  # an interrupt too
            masks = before
            raise
        finally:
            for name, tensor in known.items():
                tensor.mask = masks[name]


def checked_mask(name: str, mask: Any) -> np.ndarray | None:
    """Return a mask of a state dictionary as truth values; None if there is none."""
    if mask is None:
        return None
    array = as_floats(mask, None, name + MASK)
    if not np.isin(array, (0.0, 1.0)).all():
        raise ArgumentError(f"{name}{MASK}: found other numbers than 0 and 1; nothing loaded")
    return np.asarray(array != 0)


def _name_once(
    called: dict[Any, str], name: str, around: Place | None, where: str, is_module: bool = False
) -> None:
    """Refuse a name that another one has, inside the same outermost module."""
    other = called.setdefault((name, around, is_module), where)
    if other is not where:
        raise SignalError(f"two signals are called {name}: {other}, and {where}; rename one")
