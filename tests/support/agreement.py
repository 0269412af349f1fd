"""A compiled function held to the tape."""

from __future__ import annotations

from typing import Any

import numpy as np

import tinygrad_lstm as tg


def agrees(loss_of: Any, leaves: Any, *args: Any, checkpoint: bool = False) -> Any:
    """See that a compiled function gives the loss and the gradients of the tape."""
    step = tg.compile(loss_of, checkpoint=checkpoint)
    for numbers in (args, tuple(np.flip(x) * 0.9 for x in args)):
        results = []
        for way in (loss_of, step):
            for leaf in leaves:
                leaf.grad = None
            with np.errstate(all="ignore"):
                loss = way(*numbers)
                loss.backward()
            zero = (np.zeros(x.shape) if x.grad is None else x.grad for x in leaves)
            results.append([loss.data, *zero])
        for right, given in zip(*results, strict=True):
            close = 1e-10 * max(1.0, np.abs(right).max())
            if np.isfinite(results[0][0]):
                np.testing.assert_allclose(given, right, rtol=0, atol=close)
    return step
