"""Updates of parameters from their gradients.

Knows parameters (leaves with ``.data`` and ``.grad``) and NumPy; no layers, no graph.
"""

from __future__ import annotations

from .adam import Adam, AdamW
from .average import EMA
from .clipping import clip_grad_norm_, clip_grad_value_
from .dekf import DEKF
from .hessian_free import HessianFree
from .minimization import minimize
from .one_cycle import OneCycleLR
from .optimizer import Optimizer
from .plateau import ReduceLROnPlateau
from .rmsprop import RMSprop
from .rprop import Rprop
from .schedules import (
    CosineAnnealingLR,
    LambdaLR,
    LinearLR,
    LRScheduler,
    SequentialLR,
    StepLR,
)
from .sgd import SGD

__all__ = [
    "DEKF",
    "EMA",
    "SGD",
    "Adam",
    "AdamW",
    "CosineAnnealingLR",
    "HessianFree",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "OneCycleLR",
    "Optimizer",
    "RMSprop",
    "ReduceLROnPlateau",
    "Rprop",
    "SequentialLR",
    "StepLR",
    "clip_grad_norm_",
    "clip_grad_value_",
    "minimize",
]  # fmt: skip


def __dir__() -> list[str]:
    return sorted(__all__)
