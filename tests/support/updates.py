"""Fifty updates of two parameters, and where PyTorch ends: cases for every rule.

Knows NumPy alone; the rules are given by their names, which PyTorch and this package share.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

UPDATES = 50
START = {
    "W": np.array([[0.5, -1.5, 2.0], [1.0, 0.25, -0.75]]),
    "b": np.array([3.0, -2.0, 0.1, 0.7]),
}

# the options, and the sums of W and b and of their squares after the updates, by PyTorch 2.13
CASES: dict[str, tuple[str, dict[str, Any], tuple[float, ...]]] = {
    "SGD": (
        "SGD",
        dict(lr=0.05),
        (1.311925205519981, 1.9548355771472554, -0.04196060467897636, 4.781153744633411),
    ),
    "momentum": (
        "SGD",
        dict(lr=0.05, momentum=0.9),
        (-0.23154158663331859, 0.13775144857390267, -0.08780658199660409, 0.07579457283297056),
    ),
    "damped": (
        "SGD",
        dict(lr=0.05, momentum=0.9, dampening=0.3, weight_decay=0.1),
        (-0.014940403587477502, 0.06308922099938713, -0.16399164292863821, 0.07587988558401813),
    ),
    "nesterov": (
        "SGD",
        dict(lr=0.05, momentum=0.8, nesterov=True, weight_decay=0.01),
        (-0.018009673777554663, 0.2370883146746516, -0.21546729016096494, 0.06059813306857528),
    ),
    "RMSprop": (
        "RMSprop",
        dict(),
        (0.541395908504971, 4.744918165670466, 0.7625362672145862, 7.422031708164299),
    ),
    "centered": (
        "RMSprop",
        dict(lr=0.02, alpha=0.9, centered=True, weight_decay=0.1),
        (0.4926833868923065, 4.121316350214171, 0.5493614000780093, 6.551917231350249),
    ),
    "RMSprop with momentum": (
        "RMSprop",
        dict(lr=0.002, momentum=0.9, eps=1e-6),
        (0.17051261632920073, 3.63059833289116, 0.35776137434242117, 4.781659500202205),
    ),
    "Adam": (
        "Adam",
        dict(),
        (1.4274906239071683, 7.866441824530279, 1.768104282007254, 13.21101209509014),
    ),
    "Adam, decayed": (
        "Adam",
        dict(lr=0.05, betas=(0.8, 0.95), weight_decay=0.1),
        (0.6500261130672016, 2.2166031828481594, 0.27609537480304663, 5.113856105650242),
    ),
    "AMSGrad": (
        "Adam",
        dict(lr=0.05, betas=(0.5, 0.9), amsgrad=True),
        (0.28715237399125676, 3.99745155279724, 0.3076877936804971, 6.1243083933542675),
    ),
    "AdamW": (
        "AdamW",
        dict(),
        (1.426781448824746, 7.858597984909181, 1.7674818803365107, 13.202003099988888),
    ),
    "AdamW of AMSGrad": (
        "AdamW",
        dict(lr=0.05, weight_decay=0.2, amsgrad=True),
        (0.5738957374752901, 0.46966188226880395, 0.13954393555982061, 2.77119542328125),
    ),
    "Rprop": (
        "Rprop",
        dict(),
        (1.4427246476503748, 7.908323661465402, 0.7473034470089605, 7.9703194941000595),
    ),
    "Rprop, bounded": (
        "Rprop",
        dict(lr=0.1, etas=(0.4, 1.5), step_sizes=(0.01, 0.3)),
        (1.2324464, 5.594084026624962, 0.9226139999999996, 4.712894901636001),
    ),
}


def gradient(name: str, numbers: np.ndarray, k: int) -> np.ndarray | None:
    """Return a gradient that turns and wiggles; b has none at every third update."""
    if name == "b" and k % 3 == 2:
        return None
    at = np.arange(numbers.size).reshape(numbers.shape)
    return 0.7 * numbers + 2.0 * np.cos(0.9 * k + at) + np.sin(3.0 * numbers)


def updated(
    make: Callable[[list[Any]], Any], leaf: Callable[[np.ndarray], Any],
    array: Callable[[Any], np.ndarray], as_gradient: Callable[[np.ndarray], Any],
    updates: int = UPDATES,
) -> list[np.ndarray]:  # fmt: skip
    """Return where parameters end, in a framework that makes leaves and reads them."""
    leaves = {name: leaf(numbers) for name, numbers in START.items()}
    rule = make(list(leaves.values()))
    for k in range(updates):
        move(rule, leaves, k, array, as_gradient)
    return [array(x) for x in leaves.values()]


def move(
    rule: Any, leaves: dict[str, Any], k: int, array: Callable[[Any], np.ndarray],
    as_gradient: Callable[[np.ndarray], Any],
) -> None:  # fmt: skip
    """Make update k."""
    for name, x in leaves.items():
        slope = gradient(name, array(x), k)
        x.grad = None if slope is None else as_gradient(slope)
    rule.step()


def digest(arrays: list[np.ndarray]) -> tuple[float, ...]:
    """Return the sums of arrays and of their squares."""
    return tuple(float(number) for x in arrays for number in (x.sum(), (x * x).sum()))
