"""Data that ship with the package."""

from __future__ import annotations

from importlib.resources import files

import numpy as np


def sunspots() -> tuple[np.ndarray, np.ndarray]:
    """Return the yearly mean sunspot numbers, 1700–2008 (SILSO, Royal Observatory of Belgium).

    Returns
    -------
    years : (309,) int
    numbers : (309,) float     sunspots, the mean of the year
    """
    text = files(__name__).joinpath("sunspots.csv").read_text()
    table = np.array([line.split(",") for line in text.split()[1:]], float)
    return table[:, 0].astype(int), table[:, 1]


__all__ = ["sunspots"]
