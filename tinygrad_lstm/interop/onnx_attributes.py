"""The meaning of the attributes of ONNX' LSTM, GRU and RNN, and which of them are covered.

Knows the functions that squash, and shapes; no files, no steps. Source: ONNX's documentation, the
page Operators, LSTM, GRU and RNN.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ..engine.functions import activations
from ..engine.primitives import relu, sigmoid, softplus, tanh, where
from ..engine.tensor import Tensor
from ..errors import ArgumentError

Function = Callable[[Any], Any]
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
DEFAULTS = {"LSTM": ("Sigmoid", "Tanh", "Tanh"), "GRU": ("Sigmoid", "Tanh"), "RNN": ("Tanh",)}
AFTER = "linear_before_reset"
DIRECTIONS = ("forward", "reverse", "bidirectional")
COVERED = {
    "LSTM": {"input_forget"}, "GRU": {AFTER}, "RNN": set(),
}  # fmt: skip
SHARED = {
    "activations", "activation_alpha", "activation_beta", "clip", "direction", "hidden_size",
    "layout",
}  # fmt: skip


class Squash(NamedTuple):
    """A function of ONNX' nodes over time: of x, and of alpha and beta if the function has them.

    Attributes
    ----------
    apply : (x, *numbers) -> y
    defaults : tuple of float or None
        The numbers to use without any; None where ONNX and onnxruntime do not agree on one.
    """

    apply: Callable[..., Any]
    defaults: tuple[float | None, ...] = ()


def _above(x: Any, alpha: float) -> Any:
    return where((x.data if isinstance(x, Tensor) else x) > alpha, x, 0.0)


FUNCTIONS = {
    "tanh": Squash(tanh),
    "sigmoid": Squash(sigmoid),
    "relu": Squash(relu),
    "softplus": Squash(softplus),
    "softsign": Squash(activations.softsign),
    "affine": Squash(lambda x, alpha, beta: alpha * x + beta, (None, None)),
    "scaledtanh": Squash(lambda x, alpha, beta: alpha * tanh(beta * x), (None, None)),
    "hardsigmoid": Squash(activations.hard_sigmoid, (0.2, 0.5)),
    "leakyrelu": Squash(activations.leaky_relu, (0.01,)),
    "thresholdedrelu": Squash(_above, (None,)),
    "elu": Squash(activations.elu, (1.0,)),
}  # fmt: skip


def faults(kind: str, settings: dict[str, Any]) -> list[str]:
    """Return the attributes of a node that are not covered."""
    known = SHARED | COVERED[kind]
    noted = [
        f"the attribute {name} = {value}" for name, value in settings.items() if name not in known
    ]
    direction = settings.get("direction", "forward")
    if direction not in DIRECTIONS:
        return [*noted, f"the direction {direction}"]
    if settings.get("layout", 0) not in (0, 1):
        noted.append(f"the attribute layout = {settings['layout']}")
    if not settings.get("clip", 1.0) >= 0:
        noted.append(f"the attribute clip = {settings['clip']}")
    try:
        functions(kind, settings)
    except ArgumentError as error:
        noted.append(str(error))
    return noted


def functions(kind: str, settings: dict[str, Any]) -> list[list[tuple[Any, ...]]]:
    """Return the functions of each direction, as (name, alpha, beta) of those numbers it takes.

    Raises
    ------
    ArgumentError
        If there is no such function, or too few or too many; the message names all of them.
    """
    ways = ways_of(settings)
    names = settings.get("activations") or DEFAULTS[kind] * ways
    lists = [settings.get(f"activation_{letter}") or [] for letter in ("alpha", "beta")]
    given = f"the activations {list(names)} with {lists}"
    sources = [iter(numbers) for numbers in lists]
    chosen: list[tuple[Any, ...]] = []
    for name in names:
        known = FUNCTIONS.get(str(name).lower())
        if known is None:
            raise ArgumentError(f"{given}: {name}")
        pairs = zip(sources, known.defaults, strict=False)
        numbers = [next(source, default) for source, default in pairs]
        if None in numbers:
            raise ArgumentError(f"{given}: {name} without its numbers")
        chosen.append((str(name).lower(), *numbers))
    count = len(DEFAULTS[kind])
    if len(chosen) != count * ways or any(map(tuple, sources)):
        raise ArgumentError(given)
    return [chosen[n : n + count] for n in range(0, len(chosen), count)]


def ways_of(settings: dict[str, Any]) -> int:
    """Return how many directions there are."""
    return 1 + (settings.get("direction") == "bidirectional")


def misfits(kind: str, weights: dict[str, Any], settings: dict[str, Any]) -> list[str]:
    """Return which of W, R, B and P do not fit, in words.

    Parameters
    ----------
    weights : dict of str to array or Tensor
        W (D, gates H, in) and R (D, gates H, H); B (D, 2 gates H) and P (D, 3H) where they are.
    """
    D, gates = ways_of(settings), GATES[kind]
    W, R = weights["W"], weights["R"]
    H = R.shape[-1] if len(R.shape) == 3 else 0
    width = W.shape[-1] if len(W.shape) == 3 else 0
    shapes = {"W": (D, gates * H, width), "R": (D, gates * H, H), "B": (D, 2 * gates * H)}
    shapes["P"] = (D, 3 * H)
    wrong = [
        f"{letter} has shape {array.shape} and type {array.dtype}, expected {shapes[letter]} "
        f"and {W.dtype}"
        for letter, array in weights.items()
        if array.shape != shapes[letter] or array.dtype != W.dtype or array.dtype.kind != "f"
    ]
    if settings.get("hidden_size", H) != H:
        wrong.append(f"hidden_size is {settings['hidden_size']}, R has {H}")
    return wrong or ([] if H and width else ["it has no numbers"])


def function_of(name: str, *numbers: float) -> Function:
    """Return a function with its alpha and beta."""
    apply = FUNCTIONS[name].apply
    return (lambda x: apply(x, *numbers)) if numbers else apply
