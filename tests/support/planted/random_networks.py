"""Networks drawn at random, with right backward passes: nothing wrong but rounding."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

import tinygrad_lstm as tg
from tinygrad_lstm.network.signals import Signals

from .base import Arrays, Case, dense

Random = np.random.Generator


def _as_float(kind: Any, g: np.ndarray, rng: Random) -> np.ndarray:
    noise = 4 * np.finfo(kind).eps * rng.uniform(-1, 1, g.shape)
    return (g + noise * np.abs(g).max(initial=0.0)).astype(kind)


def _as_digits(g: np.ndarray, rng: Random) -> np.ndarray:
    return np.array([float(f"{each:.5g}") for each in g.ravel()]).reshape(g.shape)


def _as_decimals(g: np.ndarray, rng: Random) -> np.ndarray:
    return np.round(g, 5)


ROUNDINGS: dict[str, tuple[Callable[[np.ndarray, Random], np.ndarray], float]] = {
    "float64": (partial(_as_float, np.float64), 1e-14),
    "float32": (partial(_as_float, np.float32), 1e-6),
    "digits": (_as_digits, 5.1e-5),  # five significant ones
    "decimals": (_as_decimals, 5.1e-6),  # five, as Gomez prints
}
ACTIVATIONS = (tg.tanh, tg.sigmoid, tg.relu, tg.softplus, tg.sin, None)
LOSSES = (
    tg.nn.squared_error, tg.nn.mean_squared_error, tg.nn.euclidean_norm,
    tg.nn.binary_cross_entropy_with_logits, tg.nn.softmax_cross_entropy,
)  # fmt: skip
LAYERS = (None, tg.nn.LSTM, tg.nn.GRU, tg.nn.RNN)


def random_network(seed: int) -> tg.Tensor:
    """Build a recurrent layer or none, one to four dense layers, and a loss, all drawn at random.

    The same seed gives the same network.
    """
    rng = np.random.default_rng(seed)
    T, B, *sizes = rng.integers(1, 5, rng.integers(4, 8)).tolist()
    recurrent = LAYERS[rng.integers(len(LAYERS))]
    shape = (B, sizes[0]) if recurrent is None else (T, B, sizes[0])
    y = tg.Tensor(rng.normal(size=shape), requires_grad=True, name="x")
    if recurrent is not None:
        y, _ = recurrent(sizes[0], sizes[0], name="recurrent", seed=rng)(y)
    for k, (wide, width) in enumerate(pairwise(sizes), start=1):
        activation = ACTIVATIONS[rng.integers(len(ACTIVATIONS))]
        W, b = rng.normal(size=(wide, width)), rng.normal(size=width)
        y = dense(f"dense{k}", W, b, activation)(y)
    loss = LOSSES[rng.integers(len(LOSSES))]
    if loss is tg.nn.softmax_cross_entropy and y.shape[-1] > 1:
        return loss(y, rng.integers(0, y.shape[-1], y.shape[:-1]))
    if loss is tg.nn.softmax_cross_entropy:  # of one class
        loss = tg.nn.squared_error
    return loss(y, rng.uniform(size=y.shape))


def named(loss: tg.Tensor) -> dict[str, tg.Tensor]:
    """Return the signals that somebody gave a name and that require a gradient, the loss's last."""
    names = Signals(loss).names
    return {
        name: tensor
        for tensor, name in names.items()
        if tensor.name is not None and tensor.requires_grad and tensor is not loss
    }


def random_by_hand(seed: int, rounding: str) -> Arrays:
    """Return the tape's gradients of `random_network`, rounded, from the loss back."""
    loss, rng = random_network(seed), np.random.default_rng([seed, 1])
    signals = named(loss)
    found = tg.grad(loss, list(signals.values()))
    return {
        name: ROUNDINGS[rounding][0](np.asarray(g.data), rng)
        for name, g in reversed(list(zip(signals, found)))
    }


def random_cases(count: int = 1000, seed: int = 0) -> Iterator[Case]:
    """Yield random networks with right backward passes, each rounded in one of four ways."""
    for k in range(seed, seed + count):
        rounding = tuple(ROUNDINGS)[k % len(ROUNDINGS)]
        loss = partial(random_network, k)
        leaves = [name for name, tensor in named(loss()).items() if not tensor.inputs]
        yield Case(
            id=f"random/{k}-{rounding}",
            network="random",
            mistake=None,
            what=f"nothing, rounded: {rounding}",
            where=(),
            named="",
            loss=loss,
            hand=partial(random_by_hand, k, rounding),
            parameters=tuple(name for name in leaves if name != "x"),
            off=ROUNDINGS[rounding][1],
        )
