"""Classical problems for recurrent networks, each with the criterion that was published for it.

>>> from tinygrad_lstm import tasks
>>> task = tasks.adding(T=50)
>>> x, target, counts = task.draw(20, seed=0)
>>> x.shape, task.criterion
((55, 20, 2), '|error| < 0.04 on each of 2,000 new sequences')
"""

from .counting import anbn, anbncn
from .grammars import continual_reber, reber
from .long_lags import adding, copy, temporal_order
from .recognition import characters, digits
from .series import mackey_glass, sunspots
from .task import Sample, Task, Verdict
from .without_forget_gate import NoForgetGate

__all__ = [
    "NoForgetGate", "Sample", "Task", "Verdict", "adding", "anbn", "anbncn", "characters",
    "continual_reber", "copy", "digits", "mackey_glass", "reber", "sunspots", "temporal_order",
]  # fmt: skip


def __dir__() -> list[str]:
    return sorted(__all__)
