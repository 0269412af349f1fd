"""A loss as a check sees it: its network, the adjoint network, and derived gradients on its wires.

Knows graphs and names; judges nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import numpy as np

from ..engine.kind import Kind
from ..engine.memory import collector_paused
from ..engine.tape import history, refuse_changes
from ..engine.tensor import Tensor
from .graph import Graph, check_recorded, structure
from .locate import Locations
from .proof import fold_if_true
from .renaming import rename
from .repetition import fold_plain_loops
from .signals import Signals
from .unpack import unpack


@dataclass(frozen=True)
class Answer:
    """A derived gradient of one signal, at one step if it has steps.

    Attributes
    ----------
    name : str
    wire : int
        In the adjoint network.
    step : int or None
        Counted from 0, in the order of time; None outside of a loop.
    value : array
    """

    name: str
    wire: int
    step: int | None
    value: np.ndarray


class View:
    """A network, its adjoint network, and the place of the δ of every named signal.

    Parameters
    ----------
    loss : Tensor
    fold : bool
        Whether to fold the network over time, plain loops too.
    signals : Signals, optional
        Those of the loss, if they are known.
    recorded : Graph, optional
        The graph of the loss, if it is known.
    call : (network) -> mapping of a wire to a name, optional
        What the signals that nobody named are called in the networks.

    Attributes
    ----------
    plain_names : dict of str to str
        The names that signals have without ``call``, by those that they have here.
    network, adjoint : Graph
        Packed signals taken apart.
    recorded : Graph
        The network as it was recorded.
    reason : str
        Why the network is not folded, if it was to be folded (see `fold_if_true`); else empty.
    signals : Signals
    at : dict of str to (wire, step)
        Where the δ of a signal is in the adjoint network.
    named : dict of str to Tensor
        Those of these signals that have a name: inputs, parameters and the signals that modules
        name. Not the loss: its δ is 1.
    sequence : dict of str to str
        The signal that a step belongs to, by the name of the step.
    parts : dict of str to list of (str, int)
        The signals packed in a signal, and how wide each is, relative to the others.
    """

    @collector_paused()
    def __init__(
        self,
        loss: Tensor,
        fold: bool = True,
        *,
        signals: Signals | None = None,
        recorded: Graph | None = None,
        call: Callable[[Graph], Mapping[int, str]] | None = None,
    ) -> None:
        self.loss, self.call = loss, call
        self.network: Graph
        check_recorded("graph", loss)
        self.signals = Signals(loss) if signals is None else signals
        if recorded is None:
            recorded = structure(loss, signals=self.signals)
            refuse_changes(history((loss,), everything=True))
        self.recorded, names = recorded, dict[str, str]()
        learned = {
            name
            for tensor, name in self.signals.names.items()
            if tensor.requires_grad and not tensor.inputs
        }
        plain = fold_plain_loops(recorded, apart=True, learned=learned) if fold else None
        if plain is not None:
            (self.network, names), self.reason = plain, ""
        elif fold:
            self.network, self.reason = fold_if_true(recorded, apart=True)
        else:
            self.network, self.reason = unpack(recorded), ""
        self.places = Locations(self.network, self.signals, names)
        before = self.network
        if call is not None:
            self.network = rename(before, call(before))
        pairs = zip(self.network.nodes, before.nodes, strict=True)
        self.plain_names = {node.name: own.name for node, own in pairs}
        self.adjoint = self.network.adjoint()
        same = self.adjoint.continued
        self.at = {n: (same.get(wire, wire), k) for n, (wire, k) in self.places.at.items()}
        sequences = self.places.sequences.items()
        self.sequence = {step: name for name, steps in sequences for step in steps}
        self.named: dict[str, Tensor] = {}
        for name in self.at:
            known = self.signals.by_name.get(name) or self.signals.by_name.get(
                self.sequence.get(name, "")
            )
            if known is not None and known.tensor is not loss and _is_named(known.tensor):
                self.named[name] = known.tensor
        self.parts = {
            whole: [(part.name, part.widths[part.part]) for part in parts]
            for whole, parts in self.signals.parts.items()
        }

    @cached_property
    def unfolded(self) -> View:
        """The view of the same loss without folding."""
        if not self.network.folded:
            return self
        return View(
            self.loss, False, signals=self.signals, recorded=self.recorded, call=self.call
        )  # fmt: skip

    def answers(self, hand: Mapping[str, np.ndarray]) -> list[Answer]:
        """Return the derived gradients, the last signal of the forward pass first.

        A gradient is left out if its signal is on no wire, if the wire brings only a part of it, or
        if it has no room for all parts.
        """
        parts = [
            part
            for name, value in hand.items()
            for part in self._locate(name, np.asarray(value, float))
            if self._is_whole(part)
        ]
        return sorted(parts, key=lambda part: -self.places.at[part.name][0])

    def _is_whole(self, part: Answer) -> bool:
        """Whether all that flows back to a signal comes on its wire.

        The steps of a loop may use what was collected from all of them: that part of δ stays in
        the loop.
        """
        node = self.network.maker.get(part.wire)
        if node is None or node.kind is not Kind.COLLECT or part.name not in self.signals.by_name:
            return True
        user = self.network.user.get(part.wire)
        wires = user.outputs if user is not None and user.kind is Kind.BRANCH else (part.wire,)
        readers = [self.network.user.get(wire) for wire in wires]
        # a fold reads a single step of a loop from all its collected steps: no use of the whole
        count = sum(reader is not None and reader.step is None for reader in readers)
        return count >= self._uses[self.signals.by_name[part.name].tensor]

    @cached_property
    def _uses(self) -> Counter[Tensor]:
        """How often each recorded signal is used."""
        return Counter(chain.from_iterable(tensor.inputs for tensor in self.signals.names))

    def _locate(self, name: str, value: np.ndarray) -> Iterator[Answer]:
        if name in self.at:
            yield Answer(name, *self.at[name], value)
        elif steps := self.places.steps(name):
            if value.ndim and len(value) == len(steps):
                for step, row in zip(steps, value, strict=True):
                    yield from self._locate(step, row)
        elif value.shape[-1:] == self.signals[name].shape[-1:]:
            for part in self.signals.parts.get(name, ()):
                yield from self._locate(part.name, part.of(value))


def _is_named(tensor: Tensor) -> bool:
    return tensor.requires_grad and (tensor.name is not None or not tensor.inputs)
