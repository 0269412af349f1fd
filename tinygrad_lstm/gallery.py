"""Example networks, and their pictures.

Knows the layers and `draw`. Every network is a few lines of code, as a user would write them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from . import nn
from .demo import gomez_network
from .drawing.draw import draw
from .engine.functions import log_softmax
from .engine.place import scope, steps
from .engine.primitives import concatenate, exp, sigmoid, stack, sum, tanh
from .engine.primitives import max as largest
from .engine.tensor import Tensor
from .files.whole import write_file
from .formulas.derive import derive


def _leaf(name: str, *shape: int) -> Tensor:
    seed = [ord(letter) for letter in name]
    return Tensor(np.random.default_rng(seed).uniform(-1, 1, shape), requires_grad=True, name=name)


def question() -> Tensor:
    """Build an LSTM of 4 cells and a dense layer with a sigmoid, over 3 steps."""
    lstm, dense = nn.LSTM(2, 4, seed=0), nn.Dense(4, 1, sigmoid, seed=1)
    y = dense(lstm(_leaf("x", 3, 2))[0])
    return nn.squared_error(y, np.full((3, 1), 0.5))


def _loss_of(layer: nn.Recurrent) -> Tensor:
    out, _ = layer(_leaf("x", 3, 2))
    return nn.squared_error(out, np.zeros(out.shape))


def peepholes() -> Tensor:
    """Build an LSTM whose gates read the state (Gers and Schmidhuber 2000)."""
    return _loss_of(nn.LSTM(2, 3, peephole=True, seed=0))


def gru() -> Tensor:
    """Build a gated recurrent unit (Cho et al. 2014)."""
    return _loss_of(nn.GRU(2, 3, seed=0))


def two_layers() -> Tensor:
    """Build a stack of two LSTM layers."""
    return _loss_of(nn.LSTM(2, 3, num_layers=2, seed=0))


def both_directions() -> Tensor:
    """Build an LSTM that reads its input from both ends."""
    return _loss_of(nn.LSTM(2, 3, bidirectional=True, seed=0))


def gomez() -> Tensor:
    """Build Gomez's LSTM of one cell, with his numbers."""
    return gomez_network()[-1]


def perceptron() -> Tensor:
    """Build a multilayer perceptron of 2, 3 and 2 units."""
    hidden = nn.Dense(2, 3, tanh, name="hidden", seed=0)
    output = nn.Dense(3, 2, sigmoid, name="output", seed=1)
    return nn.squared_error(output(hidden(_leaf("x", 2))), [0.01, 0.99])


def fir() -> Tensor:
    """Build a neuron whose synapses are filters of the last three inputs (Wan 1993)."""
    x, w = _leaf("x", 5), [_leaf(f"w{lag}") for lag in range(3)]
    x1 = x2 = Tensor(0.0)
    ys = []
    for k in steps(len(x)):
        now = x[k]
        s = w[0] * now + w[1] * x1 + w[2] * x2
        s.name = "s"
        y = tanh(s)
        y.name = "y"
        ys.append(y)
        x1, x2 = now, x1
    return nn.squared_error(stack(ys), np.zeros(5))


def elman() -> Tensor:
    """Build a simple recurrent network (Elman 1990)."""
    x, W, U, b, V = (
        _leaf(*sizes) for sizes in (("x", 4, 2), ("W", 2, 3), ("U", 3, 3), ("b", 3), ("V", 3, 1))
    )
    h, ys = Tensor(np.zeros(3)), []
    for k in steps(len(x)):
        h = tanh(x[k] @ W + h @ U + b)
        y = h @ V
        h.name, y.name = "h", "y"
        ys.append(y)
    return nn.squared_error(stack(ys), np.zeros((4, 1)))


def controller() -> Tensor:
    """Build a controller in cascade with a plant: the error flows back through the plant."""
    control = nn.Dense(3, 2, tanh, name="controller", seed=0)
    A, B, r = _leaf("A", 1, 1), _leaf("B", 2, 1), _leaf("r", 4, 2)
    position, ys = Tensor(np.zeros(1)), []
    for k in steps(len(r)):
        u = control(concatenate((r[k], position), axis=-1))
        with scope("plant"):
            position = tanh(position @ A + u @ B)
            position.name = "position"
        ys.append(position)
    return nn.squared_error(stack(ys), np.zeros((4, 1)))


def formula() -> Tensor:
    """Build a formula that is no neural network."""
    x, y = _leaf("x", 3), _leaf("y", 3)
    ratio = exp(x * y) / (1 + y * y)
    result: Tensor = sum(log_softmax(ratio) * x) - largest(ratio)
    return result


PICTURES: dict[str, tuple[Callable[[], Tensor], dict[str, Any]]] = {
    "question_forward": (question, {"title": "LSTM and dense layer"}),
    "question_adjoint": (question, {"view": "adjoint", "title": "LSTM and dense layer"}),
    "question": (question, {"view": "both", "title": "LSTM and dense layer"}),
    "question_unrolled": (
        question, {"view": "both", "fold": False, "title": "LSTM and dense layer, unrolled"}),
    "peepholes": (peepholes, {"view": "both", "title": "LSTM with peepholes"}),
    "gomez": (
        gomez, {"view": "both", "values": 1, "digits": 4, "title": "Gomez's example at k = 1"}),
    "gomez_heat": (
        gomez, {"view": "adjoint", "heat": True, "highlight": ["lstm.state"],
                "title": "Gomez's example, |δ|, the error carousel marked"}),
    "perceptron": (
        perceptron, {"view": "both", "level": "scalar", "title": "Multilayer perceptron"}),
    "fir": (fir, {"view": "both", "title": "FIR neuron"}),
    "elman": (elman, {"view": "both", "title": "Elman network"}),
    "controller": (controller, {"view": "both", "title": "Controller and plant"}),
    "gru": (gru, {"view": "both", "title": "Gated recurrent unit"}),
    "two_layers": (two_layers, {"view": "both", "title": "Two LSTM layers"}),
    "two_layers_collapsed": (two_layers, {"view": "both", "depth": 1, "title": "Two LSTM layers"}),
    "both_directions": (both_directions, {"view": "both", "title": "LSTM in both directions"}),
    "both_directions_collapsed": (
        both_directions, {"view": "both", "depth": 1, "title": "LSTM in both directions"}),
    "formula": (formula, {"view": "both", "title": "A formula"}),
    "formula_tape": (formula, {"style": "tape", "title": "A formula, as recorded"}),
}  # fmt: skip


def write(out: Path) -> Iterator[Path]:
    """Draw all pictures, derive the backward pass of each network, and yield each file's path.

    Parameters
    ----------
    out : Path
        The folder of the files; a missing folder is created.
    """
    out.mkdir(parents=True, exist_ok=True)
    for name, (network, options) in PICTURES.items():
        loss = network()
        picture = draw(loss, **options)
        for suffix in (".svg", ".png"):
            yield picture.save(out / f"{name}{suffix}")
        yield write_file(derive(loss).html().encode(), out / f"{name}.html")
