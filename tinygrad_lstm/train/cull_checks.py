"""What culling refuses before it changes anything: a loss that is none, costs that say nothing.

Knows Tensors and the errors; not how weights are chosen.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine.arguments import excerpt
from ..engine.tensor import Tensor
from ..errors import GradientError, UsageError


def checked_loss(loss: Any) -> Tensor:
    """Return a loss if it is one number that depends on something."""
    if not isinstance(loss, Tensor) or loss.size != 1 or not loss.requires_grad:
        raise UsageError(
            f"cull: loss returned {excerpt(loss)}, expected a Tensor of one number computed from "
            "the parameters"
        )
    if not np.isfinite(loss._array).all():
        raise GradientError(f"cull: the loss is {loss._array.item()}, expected a finite number")
    return loss


def check_cost(name: str, cost: np.ndarray) -> None:
    """Refuse costs that are not finite, which say nothing of what matters least."""
    wrong = int((~np.isfinite(cost)).sum())
    if wrong:
        raise GradientError(
            f"cull: the cost of {name} is not finite in {wrong} of {cost.size} entries, so nothing "
            "is culled; look in the network and its loss for numbers that overflow, the log of 0, "
            "or a division by 0"
        )
