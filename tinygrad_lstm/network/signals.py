"""The names of recorded signals.

Knows Tensors and places; no layers, no graph. Names follow from the recording alone, so that they
are the same from run to run and wherever they are used: in comparisons, pictures and messages.

    >>> from ..engine.tensor import Tensor
    >>> from ..engine.place import scope, steps
    >>> h, W = Tensor([0.1, 0.2], name="h"), Tensor([[1.0, 2.0], [3.0, 4.0]], True, name="W")
    >>> with scope("net"):
    ...     for k in steps(2):
    ...         h = h @ W
    ...         h.name = "h"
    >>> list(Signals(h).by_name)
    ['h', 'W', 'net.h[0]', 'net.h[1]']
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ..engine.cotangent import Sums
from ..engine.gradients import starting_cotangent
from ..engine.limit import Interruptible
from ..engine.place import Initial, Packed, Place
from ..engine.tape import history, pull_back
from ..engine.tensor import Tensor
from ..errors import SignalError, UsageError, nearest
from .signal import Signal, SignalSequence

__all__ = ["Signal", "SignalSequence", "Signals", "signals"]

STEP = re.compile(r"\[(-?\d+)\]")
ENTRY = re.compile(r"(.+)\[(\d+)\]")  # of the first axis of a signal


def signals(*outputs: Tensor) -> Signals:
    """Return every signal that some outputs were computed from, by its name.

    Parameters
    ----------
    *outputs : Tensor
        For the gradients, one output: a loss of one number.

    Returns
    -------
    Signals
        A mapping of names to signals, in the order of recording. A signal has its ``value`` and its
        ``gradient``: the derivative of the output by the signal, of the same shape.

    Raises
    ------
    UsageError
        If an output is no Tensor.

    Examples
    --------
    >>> x, w = Tensor(2.0, name="x"), Tensor(3.0, requires_grad=True, name="w")
    >>> y = x * w
    >>> y.name = "y"
    >>> known = signals(y * y)
    >>> list(known)
    ['x', 'w', 'y', 'hadamard']
    >>> known["y"].value, known["y"].gradient, known["w"].gradient
    (array(6.), array(12.), array(24.))
    """
    for output in outputs or (None,):
        if not isinstance(output, Tensor):
            raise UsageError(
                f"signals: found {type(output).__name__}, expected a Tensor computed from others"
            )
    return Signals(*outputs)


class Spot(NamedTuple):
    """The place of recording, as the names of signals show it: a prefix and the steps.

    ``prefix`` ends in a dot, ``steps`` are in brackets. ``outer`` and ``inner`` are the same
    without the step of the outermost loop, which are ``step`` and ``loop`` (None outside of any).
    """

    prefix: str = ""
    steps: str = ""
    outer: str = ""
    inner: str = ""
    step: int | None = None
    loop: Place | None = None

    @property
    def scope(self) -> str:
        """The scopes, without the step."""
        return self.outer[:-1]

    def stem(self, name: str) -> str:
        """Return the name of a signal without its step: ``lstm.out`` for ``lstm.out[2]``."""
        if self.step is None:
            return name
        return f"{self.outer}{name[len(self.prefix) : len(name) - len(self.steps)]}{self.inner}"


class Signals(Mapping[str, Signal | SignalSequence]):
    """Every Tensor that the outputs were computed from, in the order of recording, with its name.

    Two more kinds of names are understood, here as in `compare` and `explain`: ``lstm.out`` stands
    for all of ``lstm.out[0]``, ``lstm.out[1]`` and so on, and ``dense.z[2]`` for entry 2 of
    ``dense.z`` along its first axis, which is step 2 of a sequence. The outer scopes of a name may
    be left out where one signal alone ends so: ``dense.z`` for ``net.dense.z``.

    Parameters
    ----------
    *outputs : Tensor

    Attributes
    ----------
    names : dict of Tensor to str
    by_name : dict of str to Signal
    sequences : dict of str to list of Signal
        The signals that differ in their step alone, such as ``lstm.out``, from step 0 on, and
        ``cell.y`` for a module that was called at every step, ``cell[0].y`` and so on.
    parts : dict of str to list of Signal
        The signals that are packed side by side in one, such as ``lstm.W.i`` in ``lstm.W``.
    """

    def __init__(self, *outputs: Tensor) -> None:
        self.outputs = outputs
        self.names: dict[Tensor, str] = {}
        self._used: set[str] = set()
        self._repeats: dict[str, int] = {}  # so that n repeats cost n, not n²
        self._scopes: dict[tuple[str, Place], Spot] = {}  # by the first name asked for, and owner
        self._calls: dict[tuple[Spot, Place], Place] = {}
        self._spots: dict[Place, Spot] = {}
        for tensor in Interruptible(_in_order(outputs)):
            self._name(tensor)

    def __getitem__(self, name: str) -> Signal | SignalSequence:
        """Return the signal of a name.

        Raises
        ------
        SignalError
            If there is none; the message lists the nearest names.
        """
        return self.find(name)

    def find(self, name: str, who: str = "signals") -> Signal | SignalSequence:
        """Return the signal of a name, for a caller whose name messages begin with."""
        signal = self._known(self.full_name(name))
        if signal is None:
            several = self._ending_in(name)
            known = several or [*self.by_name, *self.sequences]
            fault = "several signals end in" if several else "no signal is called"
            raise SignalError(f"{who}: {fault} {name!r}; {nearest(str(name), known)}")
        return signal

    def full_name(self, name: Any) -> Any:
        """Return the whole name of the one signal that ends in a name; else the name as it is."""
        if self._known(name) is not None:
            return name
        ending = self._ending_in(name)
        return ending[0] if len(ending) == 1 else name

    def _ending_in(self, name: object) -> list[str]:
        """Return the names that end in a name, with the same entry of each, if it has one."""
        entry = ENTRY.fullmatch(name) if isinstance(name, str) else None
        known = [x for x in (*self.by_name, *self.sequences) if x.endswith(f".{name}")]
        if entry and not known:
            known = [f"{x}[{entry[2]}]" for x in self.by_name if x.endswith(f".{entry[1]}")]
        return known

    def _known(self, name: object) -> Signal | SignalSequence | None:
        if not isinstance(name, str):
            return None
        if name in self.by_name:
            return self.by_name[name]
        if name in self.sequences:
            return SignalSequence(name, self.sequences[name])
        entry = ENTRY.fullmatch(name)
        whole = self.by_name.get(entry[1]) if entry else None
        if entry is None or whole is None or int(entry[2]) >= (*whole.shape, 0)[0]:
            return None
        return replace(whole, name=name, row=int(entry[2]))

    def __contains__(self, name: object) -> bool:
        return self._known(self.full_name(name)) is not None

    def __iter__(self) -> Iterator[str]:
        return iter(self.by_name)

    def __len__(self) -> int:
        return len(self.by_name)

    def __repr__(self) -> str:
        first, *_, last = *self, *self
        return f"<{len(self)} signals, from {first} to {last}>"

    @cached_property
    def gradients(self) -> dict[Tensor, np.ndarray]:
        """The derivative of the output by every Tensor that requires a gradient."""
        if len(self.outputs) != 1:
            raise UsageError(
                f"signals: found {len(self.outputs)} outputs, expected one whose gradients to take"
            )
        (output,) = self.outputs
        wanted = {tensor for tensor in self.names if tensor.requires_grad}
        sums = Sums(wanted)
        sums.add(output, starting_cotangent(output, None))
        cts = pull_back(sums)
        return {
            tensor: np.asarray(cts.get(tensor, np.zeros_like(tensor._array))) for tensor in wanted
        }

    @cached_property
    def by_name(self) -> dict[str, Signal]:
        """Every signal and every part of one by its name."""
        return {signal.name: signal for signal, _ in self._signals()}

    @cached_property
    def sequences(self) -> dict[str, list[Signal]]:
        """The steps of a signal, and of a part of one, by its name without the step."""
        groups: dict[str, list[tuple[tuple[int, ...], Signal]]] = {}
        for signal, spot in self._signals():
            before, own = signal.name[: len(spot.prefix)], signal.name[len(spot.prefix) :]
            steps = tuple(map(int, STEP.findall(before + spot.steps)))
            if steps and min(steps) >= 0 and not isinstance(signal.tensor.name, Initial):
                sequence = STEP.sub("", before) + own[: len(own) - len(spot.steps)]
                groups.setdefault(sequence, []).append((steps, signal))
        return {
            sequence: [signal for _, signal in sorted(steps, key=lambda pair: pair[0])]
            for sequence, steps in groups.items()
        }

    @cached_property
    def parts(self) -> dict[str, list[Signal]]:
        """The parts packed in a signal, by the name of the whole."""
        groups: dict[str, list[Signal]] = {}
        for signal in self.by_name.values():
            if len(signal.widths) > 1:
                groups.setdefault(self.names[signal.tensor], []).append(signal)
        return groups

    def _signals(self) -> Iterator[tuple[Signal, Spot]]:
        for tensor, name in Interruptible(self.names.items()):
            spot = self._spots[tensor.place]
            yield Signal(name, tensor, self), spot
            if isinstance(tensor.name, Packed):
                for position, part in enumerate(_parts(name, tensor.name, spot)):
                    yield Signal(part, tensor, self, position, tensor.name.widths), spot

    def _name(self, tensor: Tensor) -> None:
        place = tensor.place
        spot = self._spots.get(place) or self.spot(place)
        stem = tensor.name or (tensor.primitive.name if tensor.primitive else _leaf(tensor))
        name = first = f"{spot.prefix}{stem}{spot.steps}"
        while name in self._used:
            again = self._repeats[first] = self._repeats.get(first, 1) + 1
            name = f"{spot.prefix}{stem}_{again}{spot.steps}"
        self._used.add(name)
        self.names[tensor] = name
        if type(stem) is Packed:
            self._used.update(_parts(name, stem, spot))

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
                spot = _step_spot(spot, link)
            if link.name is not None:
                spot = self._scope_spot(spot, link)
            self._spots[link] = spot
        return spot

    def _scope_spot(self, spot: Spot, place: Place) -> Spot:
        """Return a scope inside a spot; the first call of a module shares the module's own."""
        owner = place
        if place.module is not None:
            call = self._calls.setdefault((spot, place.module), place)
            owner = place.module if call is place else place
        first = f"{spot.prefix}{place.name}{spot.steps}."
        if (first, owner) not in self._scopes:
            name, path = place.name, first
            while path in self._used:
                again = self._repeats[first] = self._repeats.get(first, 1) + 1
                name = f"{place.name}_{again}"
                path = f"{spot.prefix}{name}{spot.steps}."
            self._used.add(path)
            outer = f"{spot.outer}{name}{spot.inner}."
            self._scopes[first, owner] = spot._replace(prefix=path, steps="", outer=outer, inner="")
        # a module that is called in two loops has one scope, and stands in the loop of the call
        return self._scopes[first, owner]._replace(step=spot.step, loop=spot.loop)


def _parts(name: str, packed: Packed, spot: Spot) -> list[str]:
    """Return the names of the parts packed in a signal."""
    start, end = len(spot.prefix), len(name) - len(spot.steps)
    again = name[start + len(packed) : end]
    return [f"{spot.prefix}{part}{again}{spot.steps}" for part in packed.parts]


def _step_spot(spot: Spot, place: Place) -> Spot:
    """Return a step inside a spot; all other steps stand inside the outermost step."""
    text = f"[{place.step}]"
    if spot.step is None:
        return spot._replace(steps=text, step=place.step, loop=place.parent)
    return spot._replace(steps=spot.steps + text, inner=spot.inner + text)


def _in_order(outputs: tuple[Tensor, ...]) -> list[Tensor]:
    """Return all Tensors in the order of recording, each leaf just before its first use."""
    tensors: dict[Tensor, None] = {}
    for tensor in Interruptible(reversed(history(outputs, everything=True))):
        if tensor.inputs:
            for operand in tensor.inputs:
                tensors.setdefault(operand)
        tensors.setdefault(tensor)
    return sorted(tensors, key=_by_first_use(tensors))


def _by_first_use(tensors: dict[Tensor, None]) -> Any:
    first: dict[Tensor, tuple[int, int]] = {}
    for tensor in Interruptible(tensors):
        for position, operand in enumerate(tensor.inputs):
            if not operand.inputs:
                use = (tensor.serial, position)
                first[operand] = min(first.get(operand, use), use)
    return lambda tensor: first.get(tensor, (tensor.serial, len(tensor.inputs)))


def _leaf(tensor: Tensor) -> str:
    return "leaf" if tensor.requires_grad else "constant"
