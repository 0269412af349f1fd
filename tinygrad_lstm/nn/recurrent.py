"""Recurrent: a layer over time, in one direction or two, in one layer or a stack of them.

Knows equations and what runs them in one direction; not which equations they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, Literal

import numpy as np

from ..engine.arguments import flag, number, one_of
from ..engine.primitives import concatenate, stack, transpose, where
from ..engine.tensor import Tensor
from ..engine.whole_numbers import stays
from ..errors import ArgumentError
from . import init
from .direction import Direction, run
from .equation_module import EquationModule, LayerOptions, Start, States
from .equations import Equations
from .inputs import input_tensor, numbers, sequence_lengths, size
from .layers import Dropout

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike

_AXES = ("(T, in) or (T, B, in)", "(T, in) or (B, T, in)")  # of x; the latter with batch_first


class RecurrentOptions(LayerOptions, total=False):
    """The keywords that all layers over time share; `Recurrent` says what each of them does."""

    bidirectional: bool
    dropout: float
    truncate: int | Literal["gers"] | None
    stateful: bool
    batch_first: bool
    initial: Literal["zeros", "learned"]


class Recurrent(EquationModule):
    """Equations of one step, run over time; `LSTM`, `GRU`, `RNN`, `MemoryBlocks` are such layers.

    Parameters
    ----------
    equations : Equations
        Of one step, the same for all layers and directions.
    input_size : int
        Features in.
    num_layers : int
        A layer's input is the output of the one below it at every step.
    bias : bool
        Whether there are biases; else all parameters that the equations call so are None.
    bidirectional : bool
        Run through the steps in both directions (M. Schuster and K. Paliwal, "Bidirectional
        recurrent neural networks", IEEE Transactions on Signal Processing 45(11), 1997), each with
        its own parameters; the outputs are joined along the last axis, those of ``forward`` first.
    dropout : float in [0, 1)
        Rate at which outputs between layers are dropped in training.
    truncate : int, optional
        Steps after which no gradient flows further back: ``state_cut[k]`` and so on are the signals
        that step k reads, cut or not. (``"gers"`` is for `LSTM` and `MemoryBlocks`, whose equations
        cut the gradient.)
    stateful : bool
        Start from the last states of the call before, through which no gradient goes back, until
        ``reset_state()``; a state that the caller gives goes before them.
    batch_first : bool
        Batches are (B, T, in) and (B, T, out); states stay as they are.
    initial : "zeros" or "learned"
        The initial states to use when the caller gives none. Learned states are parameters,
        ``out_0`` (H,) and so on.
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

    _unnamed = "_directions"
    # by their paths; none if the layer is itself the one direction that there is
    _directions: Mapping[str, Direction] = MappingProxyType({})
    _last_states: Any = None  # of the call before, if the layer is stateful

    def __init__(
        self,
        equations: Equations,
        input_size: int,
        num_layers: int = 1,
        *,
        bias: bool = True,
        bidirectional: bool = False,
        dropout: float = 0.0,
        truncate: int | Literal["gers"] | None = None,
        stateful: bool = False,
        batch_first: bool = False,
        initial: Literal["zeros", "learned"] = "zeros",
        name: str | None = None,
        dtype: DTypeLike = np.float64,
        seed: init.Seed = None,
    ) -> None:
        super().__init__(equations, name, bias)
        who = type(self).__name__
        self.hidden_size = equations.sizes[-1]
        self.input_size = size(f"{who}: input_size", input_size)
        self.num_layers = size(f"{who}: num_layers", num_layers)
        self.bidirectional = flag(f"{who}: bidirectional", bidirectional)
        self.stateful = flag(f"{who}: stateful", stateful)
        self.batch_first = flag(f"{who}: batch_first", batch_first)
        self.truncate = None
        if is_gers(truncate) and not getattr(equations, "cut", False):
            raise ArgumentError(f"{who}: truncate='gers' is for LSTM and MemoryBlocks")
        if truncate is not None and not is_gers(truncate):
            self.truncate = size(f"{who}: truncate, if not 'gers',", truncate)
        rate = number(f"{who}: dropout", dropout, 0.0, 1.0)
        if rate and self.num_layers == 1:
            raise ArgumentError(
                f"{who}: dropout is between the layers of a stack, and this is one layer; "
                "use tg.nn.Dropout after it"
            )
        if self.stateful and self.bidirectional:
            raise ArgumentError(
                f"{who}: stateful and bidirectional exclude each other: the backward direction "
                "starts from the next batch, which has not run yet"
            )
        learns_start = one_of(f"{who}: initial", initial, ("zeros", "learned")) == "learned"
        random = init.generator(seed)
        if self.num_layers == 1 and not self.bidirectional:
            self._add_parameters(self.input_size, random, dtype, learns_start)
        else:
            directions = {}
            for path, layer, backward in self._paths():
                width = equations.sizes[0] * (1 + self.bidirectional) if layer else self.input_size
                direction = Direction(equations, bias=bias)
                direction.backward = backward
                direction._add_parameters(width, random, dtype, learns_start)
                directions[path] = direction
            self._directions = directions
        self.dropout = Dropout(rate, seed=random) if rate else None

    def _summary(self) -> str:
        summary = super()._summary()
        if self.num_layers > 1:
            summary += f", {self.num_layers} layers"
        if self.bidirectional:
            summary += " in each direction"
        return summary

    def _conventions(self) -> str:
        both = "; k+1 stands for k-1 in the backward direction" if self.bidirectional else ""
        return super()._conventions() + both

    def _paths(self) -> Iterator[tuple[str, int, bool]]:
        """Yield the name of each layer and direction, the layer's number, and if it runs backward.

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
        """The holder of each layer's parameters; a pair (forward, backward) if bidirectional."""
        directions = tuple(self._directions.values()) or (self,)
        if not self.bidirectional:
            return directions
        return tuple(zip(directions[::2], directions[1::2], strict=True))

    def reset_state(self) -> None:
        """Forget the states of the call before: the next one starts afresh."""
        self._last_states = None

    def forward(
        self, x: Tensor | ArrayLike, state: Any = None, lengths: ArrayLike | None = None
    ) -> tuple[Tensor, Any]:
        """Run through the steps.

        Parameters
        ----------
        x : (T, in) or (T, B, in); (B, T, in) with ``batch_first``
            The input at each of T steps, of B sequences at once or of one.
        state : out(-1), or (out(-1), state(-1)) where the state is a signal of its own, optional
            Each (H,) or (B, H); of a stack or of two directions, (layers · directions, B, H), layer
            after layer, forward before backward. If None: zeros, learned states, or those of
            the call before.
        lengths : (B,) of integers, optional
            How many steps each sequence has, in any order. What follows them in x is padding: it
            takes no part, and its outputs and gradients are 0. If a sequence is shorter than x,
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
        directions = tuple(self._directions.values())
        W = directions[0].W if directions else self.W
        sequence = input_tensor(self.place, x, W, ranks=(2, 3), axes=_AXES[self.batch_first])
        shape = sequence.shape
        turned = self.batch_first and len(shape) == 3
        T, batch = (shape[1], shape[:1]) if turned else (shape[0], shape[1:-1])
        starts: list[Start] = [None] * (len(directions) or 1)
        remedy = ""
        if state is None and self._last_states is not None:
            state = self._last_states
            remedy = "; the state is that of the call before: call reset_state()"
        if state is not None:
            several = f", {len(directions)} layers and directions," if directions else ""
            reason = f"{several} for an input of shape {shape}{remedy}"
            starts = self._starts(state, batch, W.dtype, len(starts), reason)
        alive = None
        if lengths is not None:
            ends = sequence_lengths(self.place.path(), lengths, T, batch)
            if stays(ends) or (ends < T).any():
                alive = numbers((np.arange(T)[:, None] < ends)[..., None], W.dtype, "alive")
        if turned:
            sequence = transpose(sequence, axes=(1, 0, 2))
        if alive is not None:
            sequence = where(
                alive, sequence, 0.0
            )  # so that nothing in the padding counts, not even nan
        if directions:
            out, last = self._run_all(sequence, starts, alive)
        else:
            out, last = run(self, sequence, starts[0], alive, truncate=self.truncate)
        if self.stateful:
            arrays = tuple([state.numpy() for state in last])
            self._last_states = arrays if len(arrays) > 1 else arrays[0]
        if turned:
            out = transpose(out, axes=(1, 0, 2))
        return out, last if len(last) > 1 else last[0]

    def _run_all(
        self, x: Tensor, starts: list[Start], alive: Tensor | None
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Run through all layers and directions, and stack their last states."""
        lasts, remaining = [], iter(starts)
        for layer, row in enumerate(self.layers):
            if layer and self.dropout is not None:
                x = self.dropout(x)
            outs = []
            for direction in row if self.bidirectional else (row,):
                out, last = direction(x, next(remaining), alive, self.truncate)
                outs.append(out)
                lasts.append(last)
            x = outs[0]
            if self.bidirectional:
                x = concatenate(outs, axis=-1)
                x.name = "out"
        last = tuple([stack(states) for states in zip(*lasts, strict=True)])
        for name, states in zip(self.equations.states, last, strict=True):
            states.name = f"{name}_n"
        return x, last


class RecurrentOf(Recurrent, Generic[States]):
    """A layer over time of which type checkers know the type of the states."""

    if TYPE_CHECKING:

        def __call__(
            self, x: Tensor | ArrayLike, state: Any = None, lengths: ArrayLike | None = None
        ) -> tuple[Tensor, States]: ...


def is_gers(truncate: Any) -> bool:
    """Return whether a truncation is the one that Gers' equations make."""
    return isinstance(truncate, str) and truncate == "gers"
