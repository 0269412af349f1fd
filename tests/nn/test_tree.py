"""Holds the tree that a module prints, and Sequential to a sequence of its modules."""

from __future__ import annotations

import re

import numpy as np
import pytest

import tinygrad_lstm as tg
from tinygrad_lstm.errors import OutOfRangeError, UsageError
from tinygrad_lstm.nn import LSTM, Dense, Dropout, Module, Sequential


class Net(Module):
    def __init__(self):
        super().__init__()
        self.encoder = LSTM(2, 4, num_layers=2)
        self.heads = [Dense(4, 1), Sequential(Dense(4, 3), tg.tanh, Dropout(0.1))]
        self.gain = tg.Tensor(2.0, requires_grad=True)
        self.tied = self.heads[0]
        self.other = Dense(4, 1)
        self.other.W = self.heads[0].W


def test_a_module_prints_all_that_is_in_it():
    assert str(Net()).splitlines() == [
        "net: Net                                    278  gain ()",
        "  encoder: LSTM, 2 features to 4, 2 layers  256",
        "    layers.0: Direction, 2 features to 4    112  W (2, 16), U (4, 16), b (16,)",
        "    layers.1: Direction, 4 features to 4    144  W (4, 16), U (4, 16), b (16,)",
        "  heads.0: Dense, 4 features to 1             5  W (4, 1), b (1,)",
        "  heads.1: Sequential                        15",
        "    dense: Dense, 4 features to 3            15  W (4, 3), b (3,)",
        "    1: tanh",
        "    dropout: Dropout, rate 0.1                0",
        "  tied: Dense, 4 features to 1, the same as heads.0",
        "  other: Dense, 4 features to 1               1  W (4, 1) = heads.0.W, b (1,)",
        "278 parameters",
    ]
    assert repr(Net()) == "<net: Net>"


def random_module(random: np.random.Generator, depth: int, pool: list) -> Module:
    """Return a module of modules and parameters, some of which stand in several places."""
    module = Module()
    for position in range(random.integers(4)):
        kind = random.integers(4)
        if kind == 0 and pool:
            part = pool[random.integers(len(pool))]
        elif kind == 1 and depth:
            part = random_module(random, depth - 1, pool)
        elif kind == 2:
            part = [Dense(int(random.integers(1, 4)), 2)]
        else:
            part = tg.Tensor(np.ones(random.integers(1, 4, size=2)), requires_grad=True)
        setattr(module, f"part_{position}", part)
        pool.append(part)
    return module


@pytest.mark.parametrize("seed", range(30))
def test_every_parameter_is_counted_once(seed):
    module = random_module(np.random.default_rng(seed), 3, [])
    count = sum(
        {id(x): x.size for _, each in module._modules() for _, x in each._own_leaves()}.values()
    )
    lines = str(module).splitlines()
    assert lines[-1] == f"{count:,} parameters"
    assert int(re.search(r" (\d+)(  |$)", lines[0])[1]) == count
    rows = [re.search(r"^( *).*? (\d+)(?:  (.*))?$", line) for line in lines[:-1]]
    own = re.findall(r"\(([\d, ]*)\)(?! =)", " ".join(row[3] or "" for row in rows if row))
    assert sum(int(np.prod([int(n) for n in x.split(",") if n.strip()])) for x in own) == count


def test_modules_that_hold_each_other_are_a_tree_too():
    a, b = Module(), Module()
    a.below, b.above = b, a
    assert str(a).splitlines()[1:] == [
        "  below: Module  0",
        "    above: Module, the same as the whole",
        "0 parameters",
    ]


def test_a_module_without_anything_in_it_is_one_line_and_its_number():
    class Line(Module):
        pass

    assert (repr(Line()), str(Line())) == ("<line: Line>", "line: Line  0\n0 parameters")


# --- Sequential is a sequence -------------------------------------------------------------------

STAGES = (Dense(2, 3, seed=0), tg.tanh, Dense(3, 3, seed=1), np.sin, Dense(3, 1, seed=2))
NET = Sequential(*STAGES)


def test_a_sequential_has_its_stages_by_their_places():
    assert len(NET) == len(STAGES)
    assert list(NET) == list(STAGES)
    for place in range(-5, 5):
        assert NET[place] is STAGES[place]
    assert NET[np.int64(2)] is STAGES[2]


@pytest.mark.parametrize("seed", range(20))
def test_a_slice_is_a_sequential_of_the_same_stages(seed):
    random = np.random.default_rng(seed)
    start, stop, step = (
        None if random.random() < 0.3 else int(n) for n in random.integers([-6, -6, 1], [7, 7, 3])
    )
    part = NET[start:stop:step]
    assert type(part) is Sequential
    assert list(part) == list(STAGES[start:stop:step])
    assert part.parameters() == Sequential(*STAGES[start:stop:step]).parameters()


def test_parts_one_after_the_other_are_the_whole():
    x = np.ones((4, 2))
    np.testing.assert_array_equal(NET[2:](NET[:2](x)).data, NET(x).data)
    assert [label for label, _ in NET.named_parameters()] == [
        *(label for label, _ in NET[:2].named_parameters()),
        *(label for label, _ in NET[2:].named_parameters()),
    ]
    assert [x.label() for x in NET[2:].parameters()] == [x.label() for x in NET.parameters()][2:]


@pytest.mark.parametrize(
    ("index", "kind", "words"),
    [
        (5, OutOfRangeError, "Sequential has 5 .* index 5"),
        (-6, OutOfRangeError, "index -6"),
        ("dense", UsageError, "Sequential: the index must be a whole number, found 'dense'"),
        (True, UsageError, "whole number"),
        (1.0, UsageError, "whole number"),
        (slice("a", None), UsageError, "Sequential"),
        (slice(None, None, 0), UsageError, "zero"),
    ],
)
def test_an_index_that_does_not_fit_is_refused(index, kind, words):
    with pytest.raises(kind, match=words):
        NET[index]
