"""Updates of parameters from their gradients.

Knows parameters (leaves with ``.data`` and ``.grad``) and NumPy; no layers, no graph.
"""

from __future__ import annotations

from .adam import Adam, AdamW
from .clipping import clip_grad_norm_, clip_grad_value_
from .optimizer import Optimizer
from .rmsprop import RMSprop
from .rprop import Rprop
from .sgd import SGD

__all__ = [
    "SGD", "Adam", "AdamW", "Optimizer", "RMSprop", "Rprop", "clip_grad_norm_", "clip_grad_value_",
]  # fmt: skip


def __dir__() -> list[str]:
    return sorted(__all__)
