"""Holds copies of modules to the tree that they are copies of, whatever its shape."""

from __future__ import annotations

import copy
import pickle
import random
import threading

import pytest

import tinygrad_lstm as tg
from tinygrad_lstm.nn import Dense, Module

COPIES = {
    "deepcopy": copy.deepcopy,
    **{f"pickle {n}": lambda m, n=n: pickle.loads(pickle.dumps(m, n)) for n in range(6)},
    "pickle in Python": lambda m: pickle._loads(pickle._dumps(m)),
}
EVERY_COPY = pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES.keys())


def leaf(value=1.0):
    return tg.Tensor(value, requires_grad=True)


def draw_tree(seed):
    """Return a module with modules and parameters in lists and dictionaries, shared and cyclic."""
    draw = random.Random(seed)
    modules, leaves, lists = [Module(name="top")], [], []
    for _ in range(draw.randrange(2, 25)):
        holder, attribute = draw.choice(modules), f"a{draw.randrange(6)}"
        if hasattr(holder, attribute):
            continue
        kind = draw.randrange(6)
        if kind == 0:
            modules.append(Module())
            value = modules[-1]
        elif kind == 1:
            leaves.append(leaf(float(len(leaves))))
            value = leaves[-1]
        elif kind == 2:
            value = draw.choice(modules)  # perhaps one around it, or itself
        elif kind == 3 and leaves:
            value = draw.choice(leaves)
        else:
            lists.append(draw.choice([[], {}]))
            value = lists[-1]
            items = [draw.choice([*modules, *leaves, *lists, 3.0, None]) for _ in range(3)]
            if isinstance(value, list):
                value.extend(items)
            else:
                value.update(enumerate(items))
        setattr(holder, attribute, value)
    modules[0].parameters()  # what was put into lists later has its name now
    return modules[0]


def shape_of(module):
    """Return what is in a module, with a number in place of what was met before."""
    met = {}

    def walk(value):
        if isinstance(value, Module | tg.Tensor | list | dict):
            if id(value) in met:
                return met[id(value)]
            met[id(value)] = len(met)
        if isinstance(value, Module):
            attributes = {k: v for k, v in vars(value).items() if k[0] == "a"}
            return [type(value), {k: walk(each) for k, each in attributes.items()}]
        if isinstance(value, tg.Tensor):
            return [value.item(), value.label(), value.requires_grad]
        if isinstance(value, list):
            return [walk(each) for each in value]
        if isinstance(value, dict):
            return {k: walk(each) for k, each in value.items()}
        return value

    return walk(module)


@EVERY_COPY
@pytest.mark.parametrize("seed", range(40))
def test_random_tree_is_copied_as_it_is(copied, seed):
    tree = draw_tree(seed)
    names = [name for name, _ in tree.named_parameters()]
    twin = copied(tree)
    assert shape_of(twin) == shape_of(tree)
    assert [name for name, _ in twin.named_parameters()] == names
    assert not {*map(id, tree.parameters())} & {*map(id, twin.parameters())}


@pytest.mark.parametrize("seed", range(40, 80))
def test_random_tree_is_walked_to_its_end(seed):
    tree = draw_tree(seed)
    tree.eval()
    parameters = tree.parameters()
    assert len({*map(id, parameters)}) == len(parameters)
    for each in parameters:
        assert each.label().startswith("top")
        each.grad = each.numpy()
    if parameters:
        tg.optim.SGD(parameters, lr=0.5).step()
        assert [each.item() for each in parameters] == [each.grad / 2 for each in parameters]


@EVERY_COPY
@pytest.mark.parametrize("knows_parent", [False, True])
def test_any_depth_is_copied(copied, knows_parent):
    top = inner = Module(name="top")
    for k in range(500):
        inner.inner = Module()
        if knows_parent:
            inner.inner.parent = inner
        inner = inner.inner
        inner.w = leaf(float(k))
    twin = copied(top)
    assert [each.label() for each in twin.parameters()] == [
        each.label() for each in top.parameters()
    ]
    if knows_parent:
        assert twin.inner.inner.parent is twin.inner
    assert len(copy.copy(top).parameters()) == 500


@EVERY_COPY
def test_tied_weights_stay_tied(copied):
    top = Module(name="top")
    top.one = Dense(2, 2)
    top.other, top.weight = top.one, top.one.W
    twin = copied(top)
    assert twin.other is twin.one
    assert twin.weight is twin.one.W


@EVERY_COPY
def test_module_that_is_copied_before_what_holds_it_is_held_again(copied):
    top = Module(name="top")
    top.dense = Dense(2, 2)
    dense, twin = copied([top.dense, top])
    assert twin.dense is dense
    assert dense.W.label() == "top.dense.W"


def test_copy_of_a_part_is_called_by_where_it_is_put():
    top = Module(name="top")
    top.student = Dense(2, 2)
    top.teacher = copy.deepcopy(top.student)
    assert top.teacher.W.label() == "top.teacher.W"
    assert len(top.parameters()) == 4


def test_shallow_copy_holds_the_same_and_changes_alone():
    one = Dense(2, 2)
    twin = copy.copy(one)
    twin.W = None
    assert one.W is not None
    assert twin.b is one.b
    with pytest.raises(tg.UsageError, match="is a parameter"):
        one.W = 3.0


class Slotted(Module):
    __slots__ = ("w",)

    def __init__(self):
        super().__init__()
        self.w = leaf()


class Chosen(Module):
    """Says itself what of it is copied."""

    def __init__(self):
        super().__init__()
        self.w, self.lock = leaf(), threading.Lock()

    def __getstate__(self):
        return {name: each for name, each in vars(self).items() if name != "lock"}

    def __setstate__(self, state):
        vars(self).update(state, lock=None)


@EVERY_COPY
@pytest.mark.parametrize("kind", [Slotted, Chosen])
def test_slots_and_chosen_states_are_copied(copied, kind):
    assert [name for name, _ in copied(kind()).named_parameters()] == ["w"]


@EVERY_COPY
def test_copy_that_fails_spoils_no_later_one(copied):
    top = Module(name="top")
    top.dense, top.lock = Dense(1, 1), threading.Lock()
    with pytest.raises((TypeError, pickle.PicklingError), match="lock"):
        copied(top)
    top.lock = None
    assert len(copied(top.dense).parameters()) == len(copied(top).parameters()) == 2
