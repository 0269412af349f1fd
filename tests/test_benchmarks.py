"""Holds what is timed to one another: the layers' gradients and those written by hand."""

import numpy as np
import pytest

from benchmarks.by_hand import check
from benchmarks.problem import NETWORKS, Size, make
from benchmarks.systems import tape

EVERY = pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS.keys())


def found(network):
    problem = make(Size(7, 3, 2, 4), network).astype(np.float64)
    step, read = tape.build(problem)
    step()
    return problem, {name: np.array(each) for name, each in read().items()}


@EVERY
def test_the_layers_gradients_are_those_by_hand(network):
    check(*found(network), "float64")


@EVERY
def test_a_gradient_that_is_off_missing_or_misshapen_is_refused(network):
    problem, gradients = found(network)
    for name, each in gradients.items():
        for wrong, says in ((each + 1e-9, "off by"), (each[:-1], "shape")):
            with pytest.raises(ValueError, match=f"gradient of {name}: {says}"):
                check(problem, gradients | {name: wrong}, "float64")
        rest = {other: array for other, array in gradients.items() if other != name}
        with pytest.raises(ValueError, match=f"gradient of {name}: missing"):
            check(problem, rest, "float64")


def test_sequences_that_are_padded_have_unsorted_lengths():
    lengths = make(Size(20, 8, 2, 2), NETWORKS["padded"]).lengths
    assert lengths.max() <= 20 and lengths.min() >= 10 and len(set(lengths)) > 3
    assert list(lengths) != sorted(lengths) and list(lengths) != sorted(lengths)[::-1]
