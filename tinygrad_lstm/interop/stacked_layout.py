"""The layout of courses and blogs, which multiply [h; x] by one matrix: any order of the gates.

Knows the layers; no program's names. With the options of `stacked`:

    Colah, Coursera     gates="fico", order="hx", columns=True, apart=True
                        Wf (H, H + in), bf (H, 1), Wi, bi, Wc, bc, Wo, bo: z = W [h; x] + b
    one large matrix    gates="fico", order="hx", columns=True
                        W (4H, H + in), b (4H, 1)
    CS231n              gates="ifog", order=None, columns=False
                        Wx (in, 4H), Wh (H, 4H), b (4H,): z = x Wx + h Wh + b

Sources: C. Olah, "Understanding LSTM networks", 2015; A. Ng, "Sequence models" (Coursera), week 1,
"Building your recurrent neural network, step by step"; Stanford's CS231n, assignment 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .. import nn
from ..engine.arguments import by_name, flag, one_of, text
from ..errors import ArgumentError
from ..nn.equation_module import EquationModule
from ..nn.lstm_equations import LSTMEquations
from ..nn.module import Module
from .framework import Framework
from .layer_parts import LayerPart
from .layout import Arrays, reorder
from .plain_layers import PLAIN

ORDERS = ("hx", "xh", None)
# what a letter of theirs may be called in ours: the candidate has many names
CANDIDATES = {"a": "acgC", "n": "nhcg", "s": "sha"}


class Stacked(Framework):
    """One matrix for [h; x], or for [x; h], or one for each of them, as a `Framework`.

    Parameters
    ----------
    gates : str
        The letters of the gates in the order in which they are packed, ``"fico"`` for an LSTM. The
        candidate may be called a, c, C or g; n, h, c or g in a GRU, such as ``"zrh"``.
    order : {"hx", "xh", None}
        Which is stacked on which; None for one matrix for x and one for h.
    columns : bool
        Whether signals are columns, and weights (out, in), or rows, and weights (in, out).
    apart : bool
        Whether each gate has arrays of its own, such as Wf and bf.
    name : str
        By which `register` makes the layout known to `save` and `load`.
    """

    title = "the layout of stacked weights"
    layers = PLAIN

    def __init__(
        self,
        gates: str = "fico",
        order: str | None = "hx",
        columns: bool = True,
        *,
        apart: bool = False,
        name: str = "stacked",
    ) -> None:
        self.letters = text("stacked: gates", gates)
        if not gates or len(set(gates)) < len(gates):
            raise ArgumentError(f"stacked: found gates={gates!r}, expected each letter once")
        self.order = one_of("stacked: order", order, ORDERS)
        self.columns = flag("stacked: columns", columns)
        self.apart = flag("stacked: apart", apart)
        self.name = text("stacked: name", name)

    def refuse(self, part: LayerPart) -> None:
        if isinstance(part.equations, LSTMEquations) and part.equations.is_projected:
            self.no_equal(part, "a projection")
        if part.equations is not None:
            self._packed(part)

    def pack(self, part: LayerPart, ours: Mapping[str, Any], gradient: bool) -> dict[str, Any]:
        if part.equations is None:
            return self._laid(dict(ours)) if isinstance(part.owner, nn.Dense) else dict(ours)
        gates = part.gates, self._packed(part)
        W, U = (reorder(ours[letter], *gates) for letter in "WU")
        arrays = {"Wx": W, "Wh": U}
        if self.order is not None:
            arrays = {"W": np.concatenate([U, W] if self.order == "hx" else [W, U])}
        if "b" in ours:
            arrays["b"] = reorder(ours["b"], *gates)
        if self.apart:
            arrays = {
                name + letter: block
                for name, array in arrays.items()
                for letter, block in zip(
                    self.letters, np.split(array, len(self.letters), axis=-1), strict=True
                )
            }
        return self._laid(arrays | ({"c": ours["c"]} if "c" in ours else {}))

    def unpack(self, part: LayerPart, theirs: Mapping[str, Any], gradient: bool) -> dict[str, Any]:
        if not isinstance(part.owner, nn.Dense | EquationModule):
            return dict(theirs)
        arrays = {
            name: (array[:, 0] if name[0] in "bc" else array.T) if self.columns else array
            for name, array in theirs.items()
        }
        if part.equations is None:
            return arrays
        gates = self._packed(part), part.gates
        names = ["b"] if "b" in part.parameters else []
        names += ["Wx", "Wh"] if self.order is None else ["W"]
        whole = {
            name: np.concatenate([arrays[name + x] for x in self.letters], axis=-1)
            if self.apart
            else arrays[name]
            for name in names
        }
        if self.order is not None:
            H = part.equations.sizes[0]
            W = whole["W"]
            whole["Wh"] = W[:H] if self.order == "hx" else W[-H:]
            whole["Wx"] = W[H:] if self.order == "hx" else W[:-H]
        theirs = {"W": "Wx", "U": "Wh", "b": "b"}
        ours = {
            letter: reorder(whole[name], *gates) for letter, name in theirs.items() if name in whole
        }
        return ours | ({"c": arrays["c"]} if "c" in arrays else {})

    def name_all(self, who: str, module: Module, arrays: Any) -> Mapping[str, Any]:
        """Return arrays by name: dWf counts as the gradient of Wf, and (H,) as (H, 1)."""
        shapes, named = self.shapes(module), {}
        for name, array in by_name(who, arrays).items():
            stem, dot, last = name.rpartition(".")
            is_slope = who.endswith("read_gradients") and last.startswith("d")
            known = stem + dot + last[1:] if is_slope and name not in shapes else name
            shape = shapes.get(known, ())
            if np.shape(array) != shape and sorted((1, *np.shape(array))) == sorted(shape):
                array = np.reshape(array, shape)
            named[known] = array
        return named

    def of(self, module: Module) -> StackedLayer:
        """Return this layout of one module, whose methods need no module."""
        return StackedLayer(self, module)

    def _packed(self, part: LayerPart) -> str:
        """Return our letters in the order in which theirs are packed."""
        ours = {their: our for our in part.gates for their in CANDIDATES.get(our, our)}
        packed = "".join(ours.get(letter, "?") for letter in self.letters)
        if sorted(packed) != sorted(part.gates):
            raise ArgumentError(
                f"{part.owner.place.path()}: found gates={self.letters!r}, expected the letters "
                f"{', '.join(CANDIDATES.get(our, our) for our in part.gates)}, one of each"
            )
        return packed

    def _laid(self, arrays: dict[str, Any]) -> dict[str, Any]:
        """Return arrays of rows as rows or columns."""
        if not self.columns:
            return arrays
        return {name: np.atleast_2d(array).T for name, array in arrays.items()}


class StackedLayer:
    """The weights and gradients of one module in a layout, and back."""

    def __init__(self, layout: Stacked, module: Module) -> None:
        self.layout, self.module = layout, module

    def weights(self) -> Arrays:
        """Return the numbers (see `Framework.weights`)."""
        return self.layout.weights(self.module)

    def load(self, weights: Mapping[str, Any]) -> None:
        """Replace the numbers (see `Framework.load`)."""
        self.layout.load(self.module, weights)

    def gradients(self) -> Arrays:
        """Return the gradients (see `Framework.gradients`)."""
        return self.layout.gradients(self.module)

    def read_gradients(self, gradients: Mapping[str, Any]) -> Arrays:
        """Return gradients as `compare` takes them (see `Framework.read_gradients`)."""
        return self.layout.read_gradients(self.module, gradients)


def stacked(
    module: Module,
    gates: str = "fico",
    order: str | None = "hx",
    columns: bool = True,
    *,
    apart: bool = False,
) -> StackedLayer:
    """Return a layer in the layout of those who derive on [h; x] (see `Stacked`).

    Parameters
    ----------
    module : LSTM, GRU, RNN, Dense, or a Module of such
    gates, order, columns, apart : as of `Stacked`

    Returns
    -------
    StackedLayer
        With ``weights()``, ``load(weights)``, ``gradients()`` and ``read_gradients(gradients)``.

    Raises
    ------
    ArgumentError
        If the letters are not those of the layer's gates; the message lists them.

    Examples
    --------
    One step with Coursera's weights, and its gradients by hand, signals as columns:

    >>> import tinygrad_lstm as tg
    >>> lstm, x = tg.nn.LSTM(2, 3, seed=0), np.array([[0.1, 0.9]])
    >>> coursera = tg.interop.stacked(lstm, gates="fico", order="hx", columns=True, apart=True)
    >>> p = coursera.weights()
    >>> p["Wf"].shape, p["bf"].shape
    ((3, 5), (3, 1))
    >>> concat = np.concatenate([np.zeros((3, 1)), x.T])
    >>> z = {gate: p["W" + gate] @ concat + p["b" + gate] for gate in "fico"}
    >>> f, i, o = (1 / (1 + np.exp(-z[gate])) for gate in "fio")
    >>> c = np.tanh(z["c"])
    >>> a = o * np.tanh(i * c)
    >>> loss = tg.sum(lstm(x)[0] ** 2)
    >>> bool(np.isclose(loss.item(), (a**2).sum()))
    True
    >>> da = 2 * a
    >>> dstate = da * o * (1 - np.tanh(i * c) ** 2)
    >>> dz = {
    ...     "f": 0 * f, "i": dstate * c * i * (1 - i), "c": dstate * i * (1 - c**2),
    ...     "o": da * np.tanh(i * c) * o * (1 - o),
    ... }
    >>> hand = {f"dW{gate}": dz[gate] @ concat.T for gate in "fico"}
    >>> hand |= {f"db{gate}": dz[gate] for gate in "fico"}
    >>> tg.compare(loss, coursera.read_gradients(hand)).ok
    True

    Colah's and one large matrix differ in names and shapes alone; for CS231n write
    ``stacked(lstm, gates="ifog", order=None, columns=False)``.

    >>> {name: array.shape for name, array in tg.interop.stacked(lstm).weights().items()}
    {'W': (12, 5), 'b': (12, 1)}
    """
    return Stacked(gates, order, columns, apart=apart).of(module)


__all__ = ["Stacked", "StackedLayer", "stacked"]
