"""Layers: Dense, LSTM and Sequential, in the papers' letters, from primitives alone.

Knows Tensors and the primitives; nothing of graphs. Row convention everywhere: y = x W + b with
weights (in, out); the gates are packed along the last axis in the order a, i, f, o.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import index as as_integer
from typing import Any

import numpy as np

from ..errors import ArgumentError, DTypeError, ShapeError, UsageError, nearest
from ..place import Packed, steps
from ..primitives import TABLE, broadcast_to, sigmoid, stack, tanh
from ..tensor import Tensor, constant
from . import init
from .module import Module


class Dense(Module):
    """A dense layer, y = f(x W + b).

    Parameters
    ----------
    in_size, out_size : int
        Features in and out.
    activation : primitive, callable or name of a primitive, optional
        f; the identity if None.
    name, dtype, seed
        Of the layer, of its parameters, of their initial values (Glorot and Bengio 2010; b is 0).

    Attributes
    ----------
    W : (in, out)
    b : (out,)

    Signals: the net input ``z`` (whose gradient is the δz of the derivations) and the output ``y``.

    Raises
    ------
    ArgumentError, UsageError
        If a size or an argument is out of range or of the wrong kind.
    """

    def __init__(
        self,
        in_size: int,
        out_size: int,
        activation: Callable[[Tensor], Tensor] | str | None = None,
        *,
        name: str | None = None,
        dtype: Any = np.float64,
        seed: init.Seed = None,
    ) -> None:
        super().__init__(name)
        self.in_size = checked_size("Dense: in_size", in_size)
        self.out_size = checked_size("Dense: out_size", out_size)
        self.activation = _function(activation)
        W = init.glorot((self.in_size, self.out_size), seed)
        self.W = Tensor(W, requires_grad=True, dtype=dtype)
        self.b = Tensor(np.zeros(self.out_size), requires_grad=True, dtype=dtype)

    def forward(self, x: Any) -> Tensor:
        """Apply the layer to the last axis.

        Parameters
        ----------
        x : (..., in)

        Returns
        -------
        y : (..., out)

        Raises
        ------
        ShapeError, DTypeError
            If x does not fit the weights; the message names the layer and both.
        """
        x = fitting(self, x, self.W)
        z = x @ self.W + self.b
        if self.activation is None:
            z.name = "y"
            return z
        z.name = "z"
        y = self.activation(z)
        if not isinstance(y, Tensor):
            raise UsageError(
                f"{self.place.path()}: the activation returned {type(y).__name__}, "
                "expected a Tensor made from its argument"
            )
        y.name = "y"
        return y


class LSTM(Module):
    """A long short-term memory layer over many steps.

        s_g(k)   = x(k) W_g + out(k-1) U_g + b_g      for g in a, i, f, o
        a        = tanh(s_a)         i, f, o = σ(s_i), σ(s_f), σ(s_o)
        state(k) = i ∘ a + f ∘ state(k-1)
        out(k)   = o ∘ tanh(state(k))

    S. Hochreiter and J. Schmidhuber, "Long short-term memory", Neural Computation 9(8), 1997,
    with the forget gate of F. Gers, J. Schmidhuber and F. Cummins, Neural Computation 12(10), 2000,
    in the letters of A. Gomez, "Backpropogating an LSTM: a numerical example", 2016.

    Parameters
    ----------
    input_size, hidden_size : int
        Features in, and H, the number of cells.
    forget_bias : float
        Initial value of b_f (R. Jozefowicz, W. Zaremba and I. Sutskever, ICML 2015).
    name, dtype, seed
        Of the layer, of its parameters, of their initial values (W as Glorot and Bengio 2010, U
        orthogonal, b 0 but for f).

    Attributes
    ----------
    W : (in, 4H)
    U : (H, 4H)
    b : (4H,)

    Signals at step k: ``s_a[k] … s_o[k]`` (their gradients are the papers' δa … δo), ``a[k] …
    o[k]``, ``state[k]``, ``out[k]``, each (B, H) or (H,); ``state[-1]`` and ``out[-1]`` are the
    initial values.

    Raises
    ------
    ArgumentError, UsageError
        If a size or an argument is out of range or of the wrong kind.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        forget_bias: float = 1.0,
        name: str | None = None,
        dtype: Any = np.float64,
        seed: init.Seed = None,
    ) -> None:
        super().__init__(name)
        self.input_size = checked_size("LSTM: input_size", input_size)
        self.hidden_size = H = checked_size("LSTM: hidden_size", hidden_size)
        ends = ((0, H), (H, 4 * H), (0, H), (H, 2 * H), (2 * H, 3 * H))
        self._columns = tuple((Ellipsis, slice(*each)) for each in ends)  # a, ifo; of it i, f, o
        random = init.generator(seed)
        W = [init.glorot((self.input_size, H), random) for _ in "aifo"]
        U = [init.orthogonal(H, random) for _ in "aifo"]
        b = [np.full(H, forget_bias if gate == "f" else 0.0) for gate in "aifo"]
        self.W = Tensor(np.hstack(W), requires_grad=True, dtype=dtype, name=_PACKED["W"])
        self.U = Tensor(np.hstack(U), requires_grad=True, dtype=dtype, name=_PACKED["U"])
        self.b = Tensor(np.hstack(b), requires_grad=True, dtype=dtype, name=_PACKED["b"])

    def forward(self, x: Any, state: Any = None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Run through the steps.

        Parameters
        ----------
        x : (T, in) or (T, B, in)
            The input at each of T steps, of B sequences at once or of one.
        state : (out(-1), state(-1)), optional
            Each (H,) or (B, H); zeros if None.

        Returns
        -------
        out : (T, H) or (T, B, H)
            The output at each step.
        (out_n, state_n) : each (H,) or (B, H)
            The last output and the last state.

        Raises
        ------
        ShapeError, DTypeError
            If x or the state does not fit; the message names the layer, both shapes and the remedy.
        """
        x = fitting(self, x, self.W, ranks=(2, 3), axes="(T, in) or (T, B, in)")
        U, (A, IFO, I, F, O) = self.U, self._columns
        out, state = self._initial(x, state)
        xW = x @ self.W + self.b  # of all steps at once
        xW.name = "xW"
        outs = []
        for k in steps(len(x)):
            s = xW[k] + out @ U
            a = tanh(s[A])
            ifo = sigmoid(s[IFO])
            i, f, o = ifo[I], ifo[F], ifo[O]
            state = i * a + f * state
            out = o * tanh(state)
            outs.append(out)
            s.name, a.name, i.name, f.name, o.name = _PACKED["s"], "a", "i", "f", "o"
            state.name, out.name = "state", "out"
        return stack(outs), (out, state)

    def _initial(self, x: Tensor, state: Any) -> list[Tensor]:
        """Return out(-1) and state(-1), named so."""
        shape = (*x.shape[1:-1], self.hidden_size)
        if state is None:
            state = (None, None)
        elif not isinstance(state, tuple | list) or len(state) != 2:
            raise UsageError(f"{self.place.name}: state must be a pair (out, state)")
        initial = []
        for _ in steps(range(-1, 0)):
            for what, value in zip(("out", "state"), state, strict=True):
                if value is None:
                    initial.append(constant(np.zeros(shape, self.W.dtype), name=what))
                    continue
                if np.shape(value) != shape:
                    raise ShapeError(
                        f"{self.place.path()}: initial {what} has shape {np.shape(value)}, "
                        f"expected {shape} for an input of shape {x.shape}"
                    )
                if isinstance(value, Tensor):
                    if value.dtype != self.W.dtype:
                        raise DTypeError(
                            f"{self.place.path()}: initial {what} is {value.dtype}, "
                            f"the layer {self.W.dtype}; they must be equal"
                        )
                    start = broadcast_to(value, shape=shape)  # a node of its own, so a name too
                    start.name = what
                else:
                    start = Tensor(value, dtype=self.W.dtype, name=what)
                initial.append(start)
        return initial


_PACKED = {
    whole: Packed(whole, tuple(f"{whole}{mark}{gate}" for gate in "aifo"))
    for whole, mark in (("W", "."), ("U", "."), ("b", "."), ("s", "_"))
}


class Sequential(Module):
    """Modules or functions applied one after the other.

    An LSTM hands on its outputs at every step. Unless it has a name, a Sequential adds none to its
    modules': they are ``lstm``, ``dense``, ``dense_2``.

    Parameters
    ----------
    *modules : Module or callable (Tensor) -> Tensor
    name : str, optional
    """

    def __init__(self, *modules: Callable[..., Any], name: str | None = None) -> None:
        super().__init__(name)
        self._stages: dict[str, Callable[..., Any]] = {}
        for position, module in enumerate(modules):
            if not callable(module):
                raise UsageError(
                    f"Sequential: found {type(module).__name__} at position {position}, "
                    "expected modules or functions"
                )
            stem = (module.place.name if isinstance(module, Module) else None) or str(position)
            stage, again = stem, 1
            while stage in self._stages:
                again += 1
                stage = f"{stem}_{again}"
            self._stages[stage] = module
            if isinstance(module, Module):
                module._held_by(self, stage)

    @classmethod
    def _default_name(cls) -> str | None:
        return None if cls is Sequential else super()._default_name()

    def children(self) -> Iterator[tuple[str, Module]]:
        """Yield the modules with their names."""
        for stage, module in self._stages.items():
            if isinstance(module, Module):
                yield stage, module

    def forward(self, x: Any) -> Tensor:
        """Apply the modules in turn."""
        for module in self._stages.values():
            x = module(x)
            if isinstance(x, tuple):
                x = x[0]
        return x


def checked_size(what: str, size: Any) -> int:
    """Return a size if it is a positive whole number."""
    try:
        if isinstance(size, bool):
            raise TypeError
        number = as_integer(size)
    except TypeError:
        raise UsageError(f"{what} must be a whole number, found {size!r}") from None
    if number < 1:
        raise ArgumentError(f"{what} must be at least 1, found {number}")
    return number


def fitting(
    layer: Module, x: Any, W: Tensor, ranks: tuple[int, ...] = (), axes: str = "(..., in)"
) -> Tensor:
    """Return an input as a Tensor if it fits a layer's weights W (in, out)."""
    if not isinstance(x, Tensor):
        x = Tensor(x, name="x", dtype=None if isinstance(x, np.ndarray | np.generic) else W.dtype)
    shape, who = x.shape, layer.place.path
    if not shape or (ranks and len(shape) not in ranks):
        raise ShapeError(f"{who()}: input has shape {shape}, expected {axes}")
    if shape[-1] != W.shape[0]:
        raise ShapeError(
            f"{who()}: input has {shape[-1]} features, weights take {W.shape[0]} "
            f"(shapes {shape} and {W.shape})"
        )
    if 0 in shape:
        raise ShapeError(
            f"{who()}: input has shape {shape}: nothing to compute on, expected {axes}"
        )
    if x.dtype != W.dtype:
        raise DTypeError(
            f"{who()}: input is {x.dtype}, the layer {W.dtype}; convert the data with "
            f".astype({str(W.dtype)!r}) or make the layer with dtype={str(x.dtype)!r}"
        )
    return x


def _function(activation: Any) -> Callable[[Tensor], Tensor] | None:
    if activation is None or (callable(activation) and not isinstance(activation, str)):
        return activation
    unary = {
        name: each for name, each in TABLE.items() if each.kind == "elementwise" and each.arity == 1
    }
    if not isinstance(activation, str) or activation not in unary:
        raise UsageError(
            f"Dense: there is no activation {activation!r}; {nearest(str(activation), unary)}"
        )
    return unary[activation]


__all__ = ["LSTM", "Dense", "Sequential"]
