"""TMVA's layer strings as networks of this library.

Knows the layers; no derivation. TMVA is part of ROOT (CERN): MethodDL, option Layout, whose layers
are separated by commas and whose parts by bars:

    LSTM|state|input|steps|rememberState|returnSequence       and RNN, and GRU|…|resetGateAfter
    RESHAPE|FLAT    RESHAPE|1|steps|features                  of what comes in
    DENSE|width|TANH    DENSE|TANH|64    64|TANH    LINEAR    width of the output if none is given

Flags are 0 or 1, and 0 if left out. Sequences are (batch, steps, features).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, NoReturn

import numpy as np

from .. import nn
from ..engine.primitives import abs, exp, relu, reshape, sigmoid, tanh
from ..engine.tensor import Tensor
from ..errors import ArgumentError, UsageError, nearest
from ..nn import init
from ..nn.inputs import size
from .layer_parts import LAYERS


def softsign(x: Tensor) -> Tensor:
    """Return x / (1 + |x|)."""
    return x / (1.0 + abs(x))


def gauss(x: Tensor) -> Tensor:
    """Return exp(-x²)."""
    return exp(-(x * x))


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor] | None] = {
    "LINEAR": None, "RELU": relu, "TANH": tanh, "FTANH": tanh, "SIGMOID": sigmoid,
    "SYMMRELU": abs, "SOFTSIGN": softsign, "GAUSS": gauss,
}  # fmt: skip
# by TMVA's ErrorStrategy; both of an output that nothing has squashed
LOSSES: dict[str, Callable[[Tensor, Any], Tensor]] = {
    "SUMOFSQUARES": nn.mean_squared_error,
    "CROSSENTROPY": nn.binary_cross_entropy_with_logits,
}
OTHERS = ("CONV", "MAXPOOL", "BNORM")  # TMVA's, which have no equal here
SIZES = ("state size", "input size", "number of time steps")
FLAGS = ("rememberState", "returnSequence", "resetGateAfter")

Shape = tuple[int, ...]


class Token(NamedTuple):
    """A part of a layer string: its text, and the character it begins at, counted from 1."""

    text: str
    at: int


def network(
    layout: str,
    outputs: int = 1,
    *,
    inputs: int | tuple[int, int] | None = None,
    name: str | None = None,
    dtype: Any = np.float64,
    seed: init.Seed = None,
) -> nn.Sequential:
    """Build the network of a layer string.

    Parameters
    ----------
    layout : str
    outputs : int
        Width of a dense layer for which none is given.
    inputs : features, or (steps, features), optional
        What comes in, where the first layer does not say.
    name, dtype, seed
        As for layers.

    Returns
    -------
    Sequential
        From (batch, steps, features). Layers are called ``lstm``, ``dense``, ``dense_2`` and so on.
        One with rememberState is stateful: ``reset_state()`` makes it forget. As in TMVA, forget
        biases start at 0, and a GRU with resetGateAfter has no second bias: c is a constant 0.

    Raises
    ------
    ArgumentError, UsageError
        If the string cannot be read, or if its layers do not fit; the message says at which
        character, what was found and what was expected. If another argument cannot be meant.

    Examples
    --------
    >>> net = network("LSTM|10|30|5|0|1, RESHAPE|FLAT, DENSE|64|TANH, LINEAR", seed=0)
    >>> net(np.ones((8, 5, 30))).shape
    (8, 1)
    >>> [(name, each.shape) for name, each in net.named_parameters()][3:]
    [('dense.W', (50, 64)), ('dense.b', (64,)), ('dense_2.W', (64, 1)), ('dense_2.b', (1,))]
    >>> network("LSTM|10|30|five|0|1")
    Traceback (most recent call last):
    ...
    tinygrad_lstm.errors.ArgumentError: character 12 of 'LSTM|10|30|five|0|1': found 'five', \
expected the number of time steps, a whole number above 0
    """
    if not isinstance(layout, str):
        raise UsageError(f"network: the layout is {type(layout).__name__}, expected a string")
    width = size("network: outputs", outputs)
    reader = _Reader(layout, width, _shape_of(inputs), dtype, init.generator(seed))
    modules = [module for parts in reader.layers() for module in reader.layer(parts)]
    return nn.Sequential(*modules, name=name)


def _shape_of(inputs: Any) -> Shape | None:
    if inputs is None:
        return None
    sizes = inputs if isinstance(inputs, tuple | list) else (inputs,)
    if len(sizes) not in (1, 2):
        raise UsageError(f"network: inputs are {inputs!r}, expected features or (steps, features)")
    return tuple([size("network: inputs", number) for number in sizes])


class _Reader:
    """A layer string on its way to layers.

    Parameters
    ----------
    layout : str
    outputs : int
    shape : (features,), (steps, features) or None if it is not known
        Of what comes into the next layer; changed by every layer.
    dtype, random
        For layers.
    """

    def __init__(
        self, layout: str, outputs: int, shape: Shape | None, dtype: Any, random: Any
    ) -> None:
        self.layout, self.outputs, self.shape = layout, outputs, shape
        self.options = {"dtype": dtype, "seed": random}

    def fail(self, part: Token, why: str) -> NoReturn:
        raise ArgumentError(f"character {part.at} of {self.layout!r}: {why}")

    def layers(self) -> Iterator[list[Token]]:
        """Yield the parts of every layer."""
        parts: list[Token] = []
        for match in re.finditer(r"([^|,]*)([|,]|$)", self.layout):
            text, end = match[1].strip(), match[2]
            part = Token(text, match.start() + 1 + len(match[1]) - len(match[1].lstrip()))
            if not text:
                self.fail(part, "found nothing, expected a layer" if not parts else
                          "found nothing between two bars or at the end of a layer")  # fmt: skip
            parts.append(part)
            if end != "|":
                yield parts
                parts = []
            if not end:
                return

    def layer(self, parts: list[Token]) -> list[Any]:
        """Return the layers that one part of the string stands for."""
        kind, *rest = parts
        if kind.text in LAYERS:
            return self.recurrent(kind, rest)
        if kind.text == "RESHAPE":
            return [self.reshaping(kind, rest)]
        if kind.text == "DENSE":
            return [self.dense(kind, rest)]
        if kind.text in ACTIVATIONS or kind.text.isdecimal():
            return [self.dense(kind, parts)]
        if kind.text in OTHERS:
            self.fail(kind, f"found {kind.text}, a layer of TMVA's that this library has not")
        known = [*LAYERS, "RESHAPE", "DENSE", *ACTIVATIONS]
        self.fail(kind, f"there is no layer {kind.text!r}; {nearest(kind.text, known)}")

    def size(self, part: Token, title: str) -> int:
        if not part.text.isdecimal() or not int(part.text):
            self.fail(part, f"found {part.text!r}, expected {title}, a whole number above 0")
        return int(part.text)

    def recurrent(self, kind: Token, rest: list[Token]) -> list[Any]:
        flags = FLAGS if kind.text == "GRU" else FLAGS[:2]
        expected = (*SIZES, *flags)
        if not len(SIZES) <= len(rest) <= len(expected):
            number = f"{len(rest)} parts after {kind.text}"
            self.fail(kind, f"found {number}, expected {', '.join(SIZES)}[, {', '.join(flags)}]")
        H, D, T = (self.size(part, f"the {title}") for part, title in zip(rest, SIZES))
        on = dict.fromkeys(flags, False)
        for part, flag in zip(rest[len(SIZES) :], flags):
            if part.text not in ("0", "1"):
                self.fail(part, f"found {part.text!r}, expected {flag}, 0 or 1")
            on[flag] = part.text == "1"
        if self.shape is not None and len(self.shape) == 1:
            self.fail(kind, f"{kind.text} reads (steps, features), and {self.shape[0]} features "
                            f"come in; put RESHAPE|1|{T}|{D} before it")  # fmt: skip
        if self.shape is not None and self.shape != (T, D):
            part = rest[1] if self.shape[1] != D else rest[2]
            needs = f"{kind.text} reads {T} steps of {D} features"
            self.fail(part, f"{needs}, and {self.shape} come in")
        special: dict[str, dict[str, Any]] = {
            "LSTM": {"forget_bias": 0.0}, "GRU": {"reset_after": on.get(FLAGS[2])},
        }  # fmt: skip
        options = self.options | special.get(kind.text, {})
        layer = LAYERS[kind.text](D, H, batch_first=True, stateful=on[FLAGS[0]], **options)
        if on.get(FLAGS[2]):
            dict(layer.named_parameters())["c"].requires_grad = False
        self.shape = (T if on[FLAGS[1]] else 1, H)
        return [layer] if on[FLAGS[1]] else [layer, last_step]

    def reshaping(self, kind: Token, rest: list[Token]) -> Callable[[Tensor], Tensor]:
        if [part.text for part in rest] == ["FLAT"]:
            if self.shape is not None:
                self.shape = (int(np.prod(self.shape)),)
            return flat
        if len(rest) != 3:
            self.fail(kind, f"found {len(rest)} parts after RESHAPE, expected FLAT, or 1, the "
                            "number of time steps and that of features")  # fmt: skip
        if rest[0].text != "1":
            self.fail(rest[0], f"found {rest[0].text!r}, expected 1: a sequence has one channel")
        T, D = self.size(rest[1], f"the {SIZES[2]}"), self.size(rest[2], "the number of features")
        if self.shape is not None and np.prod(self.shape) != T * D:
            self.fail(kind, f"{self.shape} come in, which cannot be {T} steps of {D} features")
        self.shape = (T, D)
        return lambda x: reshape(x, shape=(len(x), T, D))

    def dense(self, kind: Token, rest: list[Token]) -> nn.Dense:
        width, squash = 0, ""
        for part in rest:
            if part.text in ACTIVATIONS:
                if squash:
                    self.fail(part, f"found {part.text}, and {squash} before it")
                squash = part.text
            elif not part.text.isdecimal():
                known = ", ".join(ACTIVATIONS)
                self.fail(part, f"found {part.text!r}, expected a width or one of {known}")
            elif width:
                self.fail(part, f"found {part.text!r}, and the width {width} before it")
            else:
                width = self.size(part, "a width")
        if self.shape is None:
            self.fail(kind, "the number of features that come in is not known; give inputs=")
        if len(self.shape) > 1:
            self.fail(kind, f"a dense layer reads features, and {self.shape}, steps and features, "
                            "come in; put RESHAPE|FLAT before it")  # fmt: skip
        f = ACTIVATIONS[squash or "TANH"]
        layer = nn.Dense(self.shape[0], width or self.outputs, f, **self.options)
        self.shape = (layer.output_size,)
        return layer


def last_step(out: Tensor) -> Tensor:
    """Return the last step alone, (B, 1, H) of (B, T, H): returnSequence is off."""
    return out[:, -1:]


def flat(x: Tensor) -> Tensor:
    """Return (B, T H) of (B, T, H)."""
    return reshape(x, shape=(len(x), int(np.prod(x.shape[1:]))))
