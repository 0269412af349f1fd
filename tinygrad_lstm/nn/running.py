"""How a recurrence is run over time: steps, directions, stacks, padding, truncation, carried state.

Knows equations by their `stepper` alone; not which they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from ..engine.arguments import one_of
from ..engine.place import stepping
from ..engine.primitives import concatenate, stack, stop_gradient, transpose, where
from ..engine.tensor import Tensor, constant
from ..errors import ArgumentError
from . import init
from .equations import Equations
from .layers import Dropout
from .options import checked_flag, checked_number, checked_size, fitting, fitting_lengths, is_gers
from .recurrent_module import Recurrence, Start

_AXES = ("(T, in) or (T, B, in)", "(T, in) or (B, T, in)")  # of x; the latter with batch_first


def run(
    p: Recurrence,
    x: Tensor,
    start: Start,
    alive: Tensor | None = None,
    backward: bool = False,
    truncate: int | None = None,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Run a recurrence through all steps in one direction.

    Parameters
    ----------
    p : Recurrence
        Holds the equations and their parameters.
    x : (T, in) or (T, B, in)
    start : one value for each state
        What to start from; None for the module's own.
    alive : (T, B, 1) of truth values, optional
        Which sequences have not ended at a step. One that has keeps its state, and its output is 0.
    backward : bool
        Run from the last step to the first.
    truncate : int, optional
        Send no gradient back further than to the last multiple of so many steps.

    Returns
    -------
    out : (T, H) or (T, B, H)
    last : tuple of (H,) or (B, H)
        The states after the last step run.
    """
    T, *batch, _ = x.shape
    state = p._starting(start, batch, T if backward else -1)
    xW = x @ p.W + p.b  # of all steps at once
    xW.name = "xW"
    step = p.equations.stepper(p)
    order = range(T - 1, -1, -1) if backward else range(T)
    seam = None if truncate is None or truncate >= T else _seams(order, truncate)
    outs = []
    for k in stepping(order):
        if seam is not None:
            state = p._chosen(seam[k], map(stop_gradient, state), state, "cut")
        before = state
        state = step(xW[k], *before)
        if alive is not None:
            state = p._chosen(alive[k], state, before, "held")
        outs.append(state[0])
    if backward:
        outs.reverse()
    out = stack(outs)
    if alive is not None:
        out = where(alive, out, 0.0)
        out.name = "out_padded"
    return out, state


def _seams(order: range, truncate: int) -> Tensor:
    """Return before which steps, (T,), the gradient is cut: every so many, in the order run."""
    found = np.zeros(len(order), bool)
    found[list(order)[truncate::truncate]] = True
    return constant(found, name="seam")


class OneWay(Recurrence):
    """One layer of a stack in one direction."""

    backward = False

    def forward(
        self, x: Tensor, start: Start, alive: Tensor | None, truncate: int | None
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Run through the steps (see `run`)."""
        return run(self, x, start, alive, self.backward, truncate)


class Recurrent(Recurrence):
    """Equations of one step, run over time; `LSTM`, `GRU`, `RNN`, `MemoryBlocks` are such layers.

    Parameters
    ----------
    equations : Equations
        Of one step, the same for all layers and directions.
    input_size : int
        Features in.
    num_layers : int
        A layer's input is the output of the one below it at every step.
    bidirectional : bool
        Run through the steps from both ends (M. Schuster and K. Paliwal, "Bidirectional recurrent
        neural networks", IEEE Transactions on Signal Processing 45(11), 1997), with parameters for
        each direction; the outputs are joined along the last axis, those of ``forward`` first.
    dropout : float in [0, 1)
        Rate at which outputs between layers are dropped in training.
    truncate : int, optional
        Steps after which no gradient is sent further back: ``state_cut[k]`` and so on are what goes
        into step k, cut or not. (``"gers"`` is for `LSTM` and `MemoryBlocks`, whose equations cut
        it.)
    stateful : bool
        Start from the last states of the call before, through which no gradient goes back, until
        ``reset_state()``; a state that is given is started from instead.
    batch_first : bool
        Batches are (B, T, in) and (B, T, out); states stay as they are.
    initial : "zeros" or "learned"
        What to start from else. Learned values are parameters, ``out_0`` (H,) and so on.
    name, dtype, seed
        Of the layer, of its parameters, of their initial values and of dropout.

    One layer in one direction has its parameters and signals by the layer's own name: ``lstm.W``,
    ``lstm.state[k]``, and ``lstm.state[-1]`` for the initial value. Layer k of a stack is
    ``lstm.layers.k``; the directions are ``lstm.forward`` and ``lstm.backward``, or
    ``lstm.layers.k.forward`` and so on. A backward direction runs from step T-1 to 0, and its
    initial value is ``lstm.backward.state[T]``.

    Raises
    ------
    ArgumentError, UsageError
        If an argument is out of range or of the wrong kind; the message names it.
    """

    _unnamed = "_ways"
    _ways: Mapping[str, OneWay] = MappingProxyType({})  # by their paths; none if it is one itself
    _carried: Any = None

    def __init__(
        self,
        equations: Equations,
        input_size: int,
        num_layers: int = 1,
        *,
        bidirectional: bool = False,
        dropout: float = 0.0,
        truncate: int | str | None = None,
        stateful: bool = False,
        batch_first: bool = False,
        initial: str = "zeros",
        name: str | None = None,
        dtype: Any = np.float64,
        seed: init.Seed = None,
    ) -> None:
        super().__init__(equations, name)
        who = type(self).__name__
        self.hidden_size = equations.sizes[-1]
        self.input_size = checked_size(f"{who}: input_size", input_size)
        self.num_layers = checked_size(f"{who}: num_layers", num_layers)
        self.bidirectional = checked_flag(f"{who}: bidirectional", bidirectional)
        self.stateful = checked_flag(f"{who}: stateful", stateful)
        self.batch_first = checked_flag(f"{who}: batch_first", batch_first)
        self.truncate = None
        if is_gers(truncate) and not getattr(equations, "cut", False):
            raise ArgumentError(f"{who}: truncate='gers' is for LSTM and MemoryBlocks")
        if truncate is not None and not is_gers(truncate):
            self.truncate = checked_size(f"{who}: truncate, if not 'gers',", truncate)
        rate = checked_number(f"{who}: dropout", dropout, 0.0, 1.0)
        if rate and self.num_layers == 1:
            raise ArgumentError(
                f"{who}: dropout is between the layers of a stack, and this is one layer; "
                "use tg.nn.Dropout after it"
            )
        if self.stateful and self.bidirectional:
            raise ArgumentError(
                f"{who}: stateful and bidirectional exclude each other: what runs backwards comes "
                "from later batches, which are not there yet"
            )
        initial = one_of(f"{who}: initial", initial, ("zeros", "learned"))
        random, learned = init.generator(seed), initial == "learned"
        if self.num_layers == 1 and not self.bidirectional:
            self._take_parameters(self.input_size, random, dtype, learned)
        else:
            ways = {}
            for path, layer, backward in self._paths():
                width = equations.sizes[0] * (1 + self.bidirectional) if layer else self.input_size
                way = OneWay(equations)
                way.backward = backward
                way._take_parameters(width, random, dtype, learned)
                ways[path] = way
            self._ways = ways
        self.dropout = Dropout(rate, seed=random) if rate else None

    def _described(self) -> str:
        """Return what it is, and how many layers and directions it has."""
        described = super()._described()
        if self.num_layers > 1:
            described += f", {self.num_layers} layers"
        if self.bidirectional:
            described += " in each direction (k+1 stands for k-1 in the backward one)"
        return described

    def _paths(self) -> Iterator[tuple[str, int, bool]]:
        """Yield what each layer and direction is called, which layer it is, and if it is backward.

        In PyTorch's order: layer after layer, forward before backward.
        """
        for layer in range(self.num_layers):
            stem = [f"layers.{layer}"] if self.num_layers > 1 else []
            if not self.bidirectional:
                yield ".".join(stem), layer, False
                continue
            yield ".".join([*stem, "forward"]), layer, False
            yield ".".join([*stem, "backward"]), layer, True

    @property
    def layers(self) -> tuple[Any, ...]:
        """What holds the parameters of each layer; a pair (forward, backward) if bidirectional."""
        ways = tuple(self._ways.values()) or (self,)
        return tuple(zip(ways[::2], ways[1::2], strict=True)) if self.bidirectional else ways

    def reset_state(self) -> None:
        """Forget the states of the call before: the next one starts afresh."""
        self._carried = None

    def forward(self, x: Any, state: Any = None, lengths: Any = None) -> tuple[Tensor, Any]:
        """Run through the steps.

        Parameters
        ----------
        x : (T, in) or (T, B, in); (B, T, in) with ``batch_first``
            The input at each of T steps, of B sequences at once or of one.
        state : out(-1), or (out(-1), state(-1)) where the state is a signal of its own, optional
            Each (H,) or (B, H); of a stack or of two directions, (layers · directions, B, H), layer
            after layer, forward before backward. Zeros, or what was learned or carried, if None.
        lengths : (B,) of integers, optional
            How many steps each sequence has, in any order. What follows them in x is padding: it
            takes no part, its outputs are 0, and its gradients too. If any is shorter than x,
            ``state_held[k]`` and ``out_held[k]`` are what goes on from step k.

        Returns
        -------
        out : (T, D) or (T, B, D); (B, T, D) with ``batch_first``
            The output at each step; D is H, or 2H for two directions.
        out_n, or (out_n, state_n) : of the same shapes as ``state``
            The output and the state after each sequence's last step (its first one, backward).

        Raises
        ------
        ShapeError, DTypeError, UsageError, ArgumentError
            If x, the state or the lengths do not fit; the message names the layer, what was found,
            what was expected and the remedy.
        """
        ways = self._ways
        W = next(iter(ways.values())).W if ways else self.W
        x = fitting(self.place, x, W, ranks=(2, 3), axes=_AXES[self.batch_first])
        shape = x.shape
        turned = self.batch_first and len(shape) == 3
        T, batch = (shape[1], shape[:1]) if turned else (shape[0], shape[1:-1])
        starts: list[Start] = [None] * (len(ways) or 1)
        remedy = ""
        if state is None and self._carried is not None:
            state, remedy = self._carried, "; it was carried here: call reset_state()"
        if state is not None:
            several = f", {len(ways)} layers and directions," if ways else ""
            reason = f"{several} for an input of shape {shape}{remedy}"
            starts = self._fitting_states(state, batch, W.dtype, len(starts), reason)
        alive = None
        if lengths is not None:
            ends = fitting_lengths(self.place, lengths, T, batch)
            if (ends < T).any():
                alive = constant((np.arange(T)[:, None] < ends)[..., None], name="alive")
        if turned:
            x = transpose(x, axes=(1, 0, 2))
        if alive is not None:
            x = where(alive, x, 0.0)  # so that nothing in the padding counts, not even nan
        if ways:
            out, last = self._through(x, starts, alive)
        else:
            out, last = run(self, x, starts[0], alive, truncate=self.truncate)
        if self.stateful:
            self._carried = tuple(each.numpy() for each in last)
            if len(last) == 1:
                self._carried = self._carried[0]
        if turned:
            out = transpose(out, axes=(1, 0, 2))
        return out, last if len(last) > 1 else last[0]

    def _through(
        self, x: Tensor, starts: list[Start], alive: Tensor | None
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Run through all layers and directions, and stack their last states."""
        ways, lasts = list(self._ways.values()), []
        width = 1 + self.bidirectional
        for first in range(0, len(ways), width):
            if first and self.dropout is not None:
                x = self.dropout(x)
            outs = []
            for way, start in zip(ways[first : first + width], starts[first : first + width]):
                out, last = way(x, start, alive, self.truncate)
                outs.append(out)
                lasts.append(last)
            x = outs[0]
            if self.bidirectional:
                x = concatenate(outs, axis=-1)
                x.name = "out"
        stacked = tuple(stack(each) for each in zip(*lasts, strict=True))
        for what, each in zip(self.equations.states, stacked, strict=True):
            each.name = f"{what}_n"
        return x, stacked


__all__ = ["OneWay", "Recurrent", "run"]
