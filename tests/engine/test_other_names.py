"""Who writes PyTorch's names is told the names to write here."""

import copy
import pickle
import re

import numpy as np
import pytest

import tinygrad_lstm as tg
from tinygrad_lstm.engine.other_names import FUNCTIONS, LAYERS, MODULE, TENSOR

OWNERS = {
    "Tensor": (TENSOR, tg.Tensor([1.0, 2.0])),
    "Dense": (MODULE, tg.nn.Dense(1, 1)),
    "module 'tinygrad_lstm.nn'": (LAYERS, tg.nn),
    "module 'tinygrad_lstm'": (FUNCTIONS, tg),
}
CASES = [(who, name) for who, (table, _) in OWNERS.items() for name in table]


@pytest.mark.parametrize(("who", "name"), CASES)
def test_a_name_of_pytorchs_says_what_to_write(who, name):
    table, owner = OWNERS[who]
    with pytest.raises(AttributeError) as caught:
        getattr(owner, name)
    assert str(caught.value).startswith(f"{who} has no {name!r}, which is PyTorch's name; ")
    assert str(caught.value).endswith(table[name])
    assert not hasattr(owner, name) and name not in dir(owner)


def remedies():
    for table, _ in OWNERS.values():
        for remedy in table.values():
            for word in remedy.replace(",", " ").replace(";", " ").split():
                path = word.partition("(")[0].partition("[")[0]
                if path.startswith("tg."):
                    yield path


@pytest.mark.parametrize("path", sorted(set(remedies())))
def test_what_to_write_is_there(path):
    value = tg
    for name in path.split(".")[1:]:
        value = getattr(value, name)


METHODS = sorted(
    {method[1] for remedy in TENSOR.values() if (method := re.match(r"x\.(\w+)(?![\w.])", remedy))}
)


@pytest.mark.parametrize("name", METHODS)
def test_a_method_to_write_is_there(name):
    assert hasattr(tg.Tensor, name)


def test_the_methods_to_write_are_looked_at():
    assert {"reshape", "transpose", "astype", "T", "clip"} <= set(METHODS)


@pytest.mark.parametrize("owner", [tg.Tensor(1.0), tg.nn.Dense(1, 1), tg.nn, tg])
def test_any_other_name_gets_pythons_own_message(owner):
    with pytest.raises(AttributeError, match="has no attribute 'shpe'"):
        _ = owner.shpe


@pytest.mark.parametrize(
    "name", ["nn.LSTM", "optim.Adam", "train.fit", "tasks.adding", "interop.stacked"]
)
def test_a_name_of_another_module_says_which_module(name):
    with pytest.raises(AttributeError, match=rf"; write tg\.{re.escape(name)}$"):
        getattr(tg, name.rpartition(".")[2])


def test_a_property_that_fails_says_itself_why():
    class Broken(tg.nn.Module):
        @property
        def width(self):
            return self.nothing

    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = Broken().width


def test_an_attribute_of_such_a_name_may_be_set():
    layer = tg.nn.Dense(1, 1)
    layer.device = "here"
    layer.to = lambda place: place
    assert (layer.device, layer.to(3)) == ("here", 3)
    assert {"device", "to"} <= set(dir(layer)) and "cuda" not in dir(layer)


def test_a_method_of_such_a_name_may_be_defined():
    class Movable(tg.nn.Module):
        def to(self, place):
            return place

    assert Movable().to(3) == 3 and "to" in dir(Movable()) and "cpu" not in dir(Movable())


def pickle_copy(value):
    return pickle.loads(pickle.dumps(value))


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, pickle_copy])
def test_copies_are_not_disturbed(duplicate):
    assert np.array_equal(duplicate(tg.Tensor([1.0, 2.0])).data, [1.0, 2.0])
    assert duplicate(tg.nn.Dense(2, 1, seed=0)).W.shape == (2, 1)
