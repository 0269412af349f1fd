"""The report of a culling: what was culled, and the predicted and measured change of the loss.

Knows numbers alone; not how a weight is chosen.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from ..engine.notebook import ShownAsText


class Row(NamedTuple):
    """What was culled of one parameter, or one gate.

    Attributes
    ----------
    name : str
    gone, of : int
        Weights that are culled now, and all.
    predicted, measured : float
        The change of the loss; nan if the method predicts nothing, or there is no loss.
    """

    name: str
    gone: int
    of: int
    predicted: float
    measured: float


@dataclass
class Culling(ShownAsText):
    """What was culled: see `cull`.

    Attributes
    ----------
    by, what : str
    rows : list of Row
        One for each parameter, each culled alone; of gates, one for each culled gate.
    predicted, before, after : float
        The change of the loss, and the loss; nan if not known.
    gone, of : int
        Weights that are culled now, and all weights of the network.
    trials : (n, 2)
        The predicted and the measured change of the loss for single weights.
    """

    by: str
    what: str
    rows: list[Row]
    predicted: float
    before: float
    after: float
    gone: int
    of: int
    trials: np.ndarray = field(default_factory=lambda: np.empty((0, 2)))

    @property
    def correlation(self) -> float:
        """The correlation of predicted and measured changes in the trials; nan if there are few."""
        if len(self.trials) < 3 or not self.trials.std(axis=0).all():
            return float("nan")
        return float(np.corrcoef(self.trials.T)[0, 1])

    def __repr__(self) -> str:
        return f"<culling of {self.what} by {self.by}: {self.gone} of {self.of} weights are gone>"

    def __str__(self) -> str:
        """Return the table."""
        table = [
            ["", "culled", "predicted", "measured"],
            *(_cells(row.name, row.gone, row.of, row.predicted, row.measured) for row in self.rows),
            _cells("all", self.gone, self.of, self.predicted, self.after - self.before),
        ]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = [
            "  ".join(
                f"{x:<{n}}" if not k else f"{x:>{n}}" for k, (x, n) in enumerate(zip(row, widths))
            )
            for row in table
        ]
        if np.isfinite(self.before):
            lines.append(f"loss {self.before:.6g} → {self.after:.6g}")
        if np.isfinite(self.correlation):
            lines.append(
                f"{len(self.trials)} weights taken one by one: predicted and measured changes have "
                f"the correlation {self.correlation:.3f}"
            )
        return "\n".join(lines)


def _cells(name: str, gone: int, of: int, predicted: float, measured: float) -> list[str]:
    numbers = ["" if np.isnan(x) else f"{x:+.3g}" for x in (predicted, measured)]
    return [name, f"{gone}/{of}", *numbers]
