"""Backward passes written by hand, each with one planted mistake: what a diagnosis is tried on.

A network is built from the library's layers and primitives; beside it stands its backward pass in
plain NumPy, which leaves the gradient of every signal by the name the tape knows it by. The right
line comes first, the slip below it, under its id; what is computed later is computed from the
wrong value, as in the code of the person who made it.

Every file has a network, or several whose mistakes people really made. `CASES` are all mistakes,
each alone; `correct_cases` and `random_cases` have none, the latter but for rounding; `case` plants
several at once.
"""

from __future__ import annotations

from functools import cache

import tinygrad_lstm as tg
from tinygrad_lstm.check.report import Report

from . import (
    attention,
    characters,
    elman,
    fir,
    formula,
    gru,
    leaky,
    likelihood,
    lstm,
    mlp,
    normed,
    shared,
    softmax,
)
from .answers import GERS, GOMEZ, MAZUR, MAZUR_NUMBERS, QUESTION, TMVA, mazur_by_hand, mazur_network
from .base import Case, Network
from .lstm import LSTM, NUMBERS, lstm_by_hand, lstm_network, lstm_numbers
from .random_networks import named, random_cases

NETWORKS: dict[str, Network] = {
    "lstm": lstm.NETWORK, "mlp": mlp.NETWORK, "softmax": softmax.NETWORK, "elman": elman.NETWORK,
    "gru": gru.NETWORK, "fir": fir.NETWORK, "formula": formula.NETWORK, "question": QUESTION,
    "gomez": GOMEZ, "mazur": MAZUR, "gers": GERS, "tmva": TMVA,
    **normed.NETWORKS, "attention": attention.NETWORK, **shared.NETWORKS, **likelihood.NETWORKS,
    "leaky": leaky.NETWORK, **characters.NETWORKS,
}  # fmt: skip


def case(network: str, *mistakes: str) -> Case:
    """Return a network with a mistake, with none, or with several at once.

    Each of several is planted where the others leave it a line of its own.

    Examples
    --------
    >>> case("lstm", "f-missing").where
    ('lstm.state[2]',)
    >>> case("lstm", "factor-2", "plus-for-minus").id
    'lstm/factor-2+plus-for-minus'
    """
    return NETWORKS[network].case(network, *mistakes)


CASES = [case(name, mistake) for name, network in NETWORKS.items() for mistake in network.mistakes]


@cache
def report(case: Case, names: tuple[str, ...] | None = None) -> Report:
    """Return the comparison of a case, or of some of its gradients, made once for all tests.

    Tests of the same network run in the same process (see conftest.py).
    """
    hand = case.hand()
    compared = tg.compare(case.loss(), {name: hand[name] for name in names or hand})
    compared.diagnose(seconds=600)  # however busy the machine is
    return compared


def correct_cases() -> list[Case]:
    """Return every network with its right backward pass."""
    return [case(network) for network in NETWORKS]


__all__ = [
    "CASES", "LSTM", "MAZUR_NUMBERS", "NETWORKS", "NUMBERS", "case", "correct_cases",
    "lstm_by_hand", "lstm_network", "lstm_numbers", "mazur_by_hand", "mazur_network", "named",
    "random_cases", "report",
]  # fmt: skip
