"""What a loop reads of a sequence: one entry of it at each step, and a part of this entry."""

from itertools import product

import numpy as np
import pytest

import tinygrad_lstm as tg
from tinygrad_lstm.network.loop_borders import entry_read

SHAPE = (4, 3, 5)
STEPS = 3
PARTS = {
    "whole": slice(None), "part": slice(1, None), "entry": 1, "from the end": -1, "…": Ellipsis,
    "new axis": None, "several": np.array([0, 2]), "truth values": np.array([True, False, True]),
}  # fmt: skip
TIME = {
    "ints": [2, 0, 1], "the same": [1, 1, 1], "slices": [slice(k, k + 1) for k in range(STEPS)],
    "arrays": [np.array([k, 0]) for k in range(STEPS)],
}  # fmt: skip


def indices(time, before, after):
    return [(*before, at, *after) for at in time]


def cases():
    """Yield the indices of all steps, in which one part depends on the step."""
    for time in TIME.values():
        for count_before, count_after in product(range(3), range(2)):
            for parts in product(PARTS.values(), repeat=count_before + count_after):
                if sum(part is Ellipsis for part in parts) < 2:
                    yield indices(time, parts[:count_before], parts[count_before:])


def is_same_part(x, several, entries, rest):
    return all(
        np.array_equal(x[entry][rest] if rest else x[entry], x[index])
        for index, entry in zip(several, entries, strict=True)
    )


def test_the_entry_and_its_part_are_what_the_index_takes():
    """Whatever the index: the entry, and then the part of the entry, are what NumPy takes."""
    x = np.random.default_rng(0).normal(size=SHAPE)
    known = refused = 0
    for several in cases():
        try:
            [x[index] for index in several]
        except IndexError:
            continue
        found = entry_read(several, x.ndim)
        if found is None:
            refused += 1
            continue
        known += 1
        assert is_same_part(x, several, *found), (several, found)
    assert known > 50 < refused


@pytest.mark.parametrize("several", [
    [(0, slice(None)), (1,)],  # of different lengths
    [0, (1,)],  # an entry, and a tuple
    [(0, 1), (1, 2)],  # two parts depend on the step
    [(1, slice(None)), (1, slice(None))],  # none does
    [(True, 0), (False, 0)],
], ids=str)  # fmt: skip
def test_other_indices_are_not_read_step_by_step(several):
    assert entry_read(several, 3) is None


def test_the_only_step_of_a_loop_reads_an_entry():
    assert entry_read([(2, slice(None))], 2) == ([2], ())
    assert entry_read([(slice(None), 1)], 2) == ([(slice(None), 1)], ())
    assert entry_read([3], 2) == ([3], ())


READ = {
    "an array and a step": lambda x, k: x[np.array([0, 2]), k],
    "an array, a step and a part": lambda x, k: x[np.array([0, 2]), k, ::-1],
    "an array and a part": lambda x, k: x[np.array([0, 2]), 1:3][:, k % 2] * 1.0,
    "a step and an array": lambda x, k: x[k % 3, np.array([0, 3])],
    "an entry, and a step": lambda x, k: x[1, k] * np.ones((2, 1)),
}


@pytest.mark.parametrize("read", READ.values(), ids=READ)
def test_a_loop_reads_by_arrays(read):
    """The network computes the recorded loss and gradients, be it folded or not."""
    rng = np.random.default_rng(0)
    x = tg.Tensor(rng.normal(size=(3, 4, 2)), requires_grad=True, name="x")
    W = tg.Tensor(rng.normal(size=(2, 2)), requires_grad=True, name="W")
    h = np.zeros((2, 2))
    for k in tg.steps(4):
        h = tg.tanh(read(x, k) + h @ W)
    loss = tg.sum(h * h)
    gradients = {"x": tg.grad(loss, x).numpy(), "W": tg.grad(loss, W).numpy()}
    network = tg.graph(loss).fold()
    back = network.adjoint().evaluate()
    for name, gradient in gradients.items():
        np.testing.assert_allclose(back[f"δ{name}"], gradient, rtol=1e-12, atol=1e-14)
    assert tg.compare(loss, gradients).ok
    assert tg.compare(loss, gradients | {"W": 2 * gradients["W"]}).mistakes[0].left == 0
