"""The names of what the tape recorded.

Knows Tensors and places; no layers, no graph. Names follow from the recording alone, so that they
are the same from run to run and wherever they are used: in comparisons, pictures and messages.

    >>> from .tensor import Tensor
    >>> from .place import scope, steps
    >>> h, W = Tensor([0.1, 0.2], name="h"), Tensor([[1.0, 2.0], [3.0, 4.0]], True, name="W")
    >>> with scope("net"):
    ...     for k in steps(2):
    ...         h = h @ W
    ...         h.name = "h"
    >>> list(Signals(h).by_name)
    ['h', 'W', 'net.h[0]', 'net.h[1]']
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .errors import SignalError, nearest
from .place import Initial, Packed, Place
from .tape import history
from .tensor import Tensor


@dataclass(frozen=True)
class Signal:
    """A named Tensor, or one of the parts packed along its last axis.

    Attributes
    ----------
    name : str
    tensor : Tensor
    part : int
        Which part it is.
    widths : tuple of int
        How wide the parts are, relative to each other; the whole is part 0 of one.
    """

    name: str
    tensor: Tensor
    part: int = 0
    widths: tuple[int, ...] = (1,)

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes of its axes."""
        return self.of(self.tensor._array).shape

    def of(self, whole: np.ndarray) -> np.ndarray:
        """Return the entries that belong to this signal in an array for the whole Tensor."""
        if len(self.widths) == 1:
            return whole
        unit = whole.shape[-1] // sum(self.widths)
        start = unit * sum(self.widths[: self.part])
        return whole[..., start : start + unit * self.widths[self.part]]


class Spot(NamedTuple):
    """Where signals were recorded, as it stands in their names: ``path.stem step``.

    ``scope`` and ``inner`` are the path and the steps without the step of the outermost loop, which
    are ``step`` and ``loop`` (None outside of any).
    """

    path: str = ""
    steps: str = ""
    scope: str = ""
    inner: str = ""
    step: int | None = None
    loop: Place | None = None

    def stem(self, name: str) -> str:
        """Return what the signal is called at every step: ``lstm.out`` for ``lstm.out[2]``."""
        if self.step is None:
            return name
        last = name[len(self.path) + bool(self.path) : len(name) - len(self.steps)]
        return f"{self.scope}.{last}{self.inner}" if self.scope else f"{last}{self.inner}"


class Signals:
    """Every Tensor that the outputs were computed from, in the order of recording, with its name.

    Parameters
    ----------
    *outputs : Tensor

    Attributes
    ----------
    by_name : dict of str to Signal
    names : dict of Tensor to str
    sequences : dict of str to list of Signal
        The signals that differ in their step alone, such as ``lstm.out``, from step 0 on.
    """

    def __init__(self, *outputs: Tensor) -> None:
        self.by_name: dict[str, Signal] = {}
        self.names: dict[Tensor, str] = {}
        self.sequences: dict[str, list[Signal]] = defaultdict(list)
        self._repeats: dict[tuple[str, str, str], int] = {}  # so that n repeats cost n, not n²
        self._scopes: dict[tuple[str, str], Place] = {}
        self._calls: dict[tuple[str, str, Place], Place] = {}
        self._spots: dict[Place, Spot] = {}
        for tensor in _in_order(outputs):
            self._add(tensor)
        for steps in self.sequences.values():
            steps.sort(key=_step)

    def __getitem__(self, name: str) -> Signal:
        """Return the signal of a name.

        Raises
        ------
        SignalError
            If there is none; the message lists the nearest names.
        """
        if name not in self.by_name:
            raise SignalError(f"no signal is called {name!r}; {nearest(name, self.by_name)}")
        return self.by_name[name]

    def _add(self, tensor: Tensor) -> None:
        path, step, *_ = self.spot(tensor.place)
        stem = tensor.name or (tensor.primitive.name if tensor.primitive else _leaf(tensor))
        prefix = f"{path}." if path else ""
        key = prefix, stem, step
        again = _numbered(self._repeats.get(key, 0) + 1)
        while f"{prefix}{stem}{again}{step}" in self.by_name:
            again = _numbered(int(again[1:] or 1) + 1)
        self._repeats[key] = int(again[1:] or 1)
        name = f"{prefix}{stem}{again}{step}"
        self.names[tensor] = name
        self._keep(Signal(name, tensor), f"{prefix}{stem}{again}", step)
        if isinstance(stem, Packed):
            for position, part in enumerate(stem.parts):
                whole = f"{prefix}{part}{again}"
                self._keep(Signal(whole + step, tensor, position, stem.widths), whole, step)

    def _keep(self, signal: Signal, sequence: str, step: str) -> None:
        self.by_name[signal.name] = signal
        if step and not step.startswith("[-") and not isinstance(signal.tensor.name, Initial):
            self.sequences[sequence].append(signal)

    def spot(self, place: Place) -> Spot:
        """Return where a place is, each of its scopes made unique."""
        links: list[Place] = []
        link: Place | None = place
        while link is not None and link not in self._spots:
            links.append(link)
            link = link.parent
        spot = self._spots[link] if link is not None else Spot()
        for link in reversed(links):
            if link.step is not None:
                spot = _stepped(spot, link)
            if link.name is not None:
                path = self._scope(spot.path, spot.steps, link)
                name = path[len(spot.path) + bool(spot.path) : len(path) - len(spot.steps)]
                scope = f"{spot.scope}.{name}" if spot.scope else name
                spot = spot._replace(path=path, steps="", scope=scope + spot.inner, inner="")
            self._spots[link] = spot
        return spot

    def _scope(self, path: str, step: str, place: Place) -> str:
        """Return a scope's path; the first call of a module shares the module's own."""
        owner = place
        if place.module is not None:
            first = self._calls.setdefault((path, step, place.module), place)
            owner = place.module if first is place else place
        again = 1
        while True:
            name = place.name if again == 1 else f"{place.name}_{again}"
            if self._scopes.setdefault((path, f"{name}{step}"), owner) is owner:
                return f"{path}.{name}{step}" if path else f"{name}{step}"
            again += 1


def _in_order(outputs: tuple[Tensor, ...]) -> list[Tensor]:
    """Return all Tensors in the order of recording, each leaf just before its first use."""
    found: dict[Tensor, None] = {}
    for tensor in reversed(history(outputs, everything=True)):
        if tensor.inputs:
            for operand in tensor.inputs:
                found.setdefault(operand)
        found.setdefault(tensor)
    return sorted(found, key=_by_first_use(found))


def _by_first_use(found: dict[Tensor, None]) -> Any:
    first: dict[Tensor, tuple[int, int]] = {}
    for tensor in found:
        for position, operand in enumerate(tensor.inputs):
            if not operand.inputs:
                use = (tensor.serial, position)
                first[operand] = min(first.get(operand, use), use)
    return lambda tensor: first.get(tensor, (tensor.serial, len(tensor.inputs)))


def _stepped(spot: Spot, place: Place) -> Spot:
    """Return a step inside a spot; the outermost is the one that all the others stand in."""
    text = f"[{place.step}]"
    if spot.step is None:
        return spot._replace(steps=text, step=place.step, loop=place.parent)
    return spot._replace(steps=spot.steps + text, inner=spot.inner + text)


def _numbered(count: int) -> str:
    """Return what sets a repeat apart: nothing for the first, then ``_2``, ``_3``."""
    return "" if count == 1 else f"_{count}"


def _leaf(tensor: Tensor) -> str:
    return "leaf" if tensor.requires_grad else "constant"


def _step(signal: Signal) -> tuple[int, ...]:
    inside = signal.name[signal.name.index("[") :] if "[" in signal.name else ""
    return tuple(
        int(each.rstrip("]")) for each in inside.split("[")[1:] if each.rstrip("]").isdigit()
    )
