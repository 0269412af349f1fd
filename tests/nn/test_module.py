"""Holds modules to naming, finding, saving and loading their parameters."""

from __future__ import annotations

import copy
import pickle
from dataclasses import dataclass

import numpy as np
import pytest

import tinygrad_lstm as tg
from tinygrad_lstm.errors import DTypeError, ShapeError, SignalError, UsageError
from tinygrad_lstm.network.signals import Signals
from tinygrad_lstm.nn import LSTM, Dense, Module, Sequential


class Pair(Module):
    def __init__(self, name=None):
        super().__init__(name)
        self.lstm = LSTM(2, 3, seed=1)
        self.readout = Dense(3, 1, seed=2)
        self.scale = tg.Tensor(1.0, requires_grad=True)
        self.shift = tg.Tensor(1.0)

    def forward(self, x):
        self.last = self.lstm(x)[0][-1]
        return self.readout(self.last) * self.scale + self.shift


class Deep(Module):
    def __init__(self):
        super().__init__()
        self.layers = [Dense(2, 2), tg.tanh, Dense(2, 2)]


NAMES = ["scale", "lstm.W", "lstm.U", "lstm.b", "readout.W", "readout.b"]


def test_parameters_are_found_with_their_paths():
    assert [name for name, _ in Pair().named_parameters()] == NAMES


def test_parameters_are_those_of_the_paths():
    pair = Pair()
    assert pair.parameters() == [each for _, each in pair.named_parameters()]


def test_computed_tensor_that_is_kept_is_no_parameter():
    pair = Pair()
    pair(np.ones((4, 2)))
    assert [name for name, _ in pair.named_parameters()] == NAMES


def test_modules_in_a_list_are_found():
    assert [name for name, _ in Deep().named_parameters()] == [
        "layers.0.W", "layers.0.b", "layers.2.W", "layers.2.b",
    ]  # fmt: skip


def test_shared_parameter_is_found_once():
    pair = Pair()
    pair.again = pair.readout
    pair.tied = pair.scale
    assert len(pair.parameters()) == len(NAMES)


@pytest.mark.parametrize(
    ("parameter", "label"),
    [
        (lambda: Dense(2, 1).W, "dense.W"),
        (lambda: Dense(2, 1, name="head").b, "head.b"),
        (lambda: Pair().readout.W, "pair.readout.W"),
        (lambda: Pair("net").lstm.U, "net.lstm.U"),
        (lambda: Deep().layers[2].W, "deep.layers.2.W"),
        (lambda: Sequential(Dense(2, 1)).parameters()[0], "dense.W"),
        (lambda: Sequential(Dense(2, 2), Dense(2, 1)).parameters()[2], "dense_2.W"),
        (lambda: Sequential(Dense(2, 1), name="net").parameters()[0], "net.dense.W"),
        (lambda: Sequential(Dense(2, 1, name="a")).parameters()[0], "a.W"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_parameter_is_called_by_where_it_is(parameter, label):
    assert parameter().label() == label


def test_named_tensor_keeps_its_name():
    module = Module(name="m")
    module.w = tg.Tensor(1.0, requires_grad=True, name="weight")
    assert module.w.label() == "m.weight"


def test_call_records_inside_the_modules_scope():
    assert Pair("net")(np.ones((1, 2))).label() == "net.add"


def test_zero_grad_forgets_all():
    pair = Pair()
    pair(np.ones((2, 2))).sum().backward()
    pair.zero_grad()
    assert [each.grad for each in pair.parameters()] == [None] * len(NAMES)


def test_module_without_forward_says_so():
    with pytest.raises(NotImplementedError, match="Module does not say how to compute"):
        Module()(1.0)


def test_type_error_inside_forward_stays_what_it_is():
    class Wrong(Module):
        def forward(self, x):
            return len(x)

    with pytest.raises(TypeError) as caught:
        Wrong()(1.0)
    assert type(caught.value) is TypeError


# --- state --------------------------------------------------------------------------------------


def test_state_goes_round():
    one, other = Pair(), Pair()
    for parameter in one.parameters():
        parameter.data = np.full(parameter.shape, 0.25)
    other.load_state_dict(one.state_dict())
    x = np.ones((3, 2))
    assert other(x).tolist() == one(x).tolist()


def test_state_is_a_copy():
    pair = Pair()
    state = pair.state_dict()
    state["scale"][...] = 9
    assert pair.scale.item() == 1.0


def test_loaded_state_is_a_copy():
    pair = Pair()
    state = pair.state_dict()
    pair.load_state_dict(state)
    state["lstm.W"][:] = 9
    assert (pair.lstm.W.data != 9).all()


def faulty():
    """Return a state with one fault of each kind."""
    state = Pair().state_dict()
    del state["lstm.b"]
    state["readout.w"] = np.ones(1)
    state["scale"] = np.ones(2)
    return {name: value + 1 for name, value in state.items()}


def test_all_faults_of_a_state_are_listed():
    with pytest.raises(SignalError) as caught:
        Pair().load_state_dict(faulty())
    for fact in (
        "missing: lstm.b (12,)",
        "unexpected: readout.w (the nearest names are: readout.W",
        "shape of scale: found (2,), expected ()",
    ):
        assert fact in str(caught.value)


def refuse_shape(state):
    state["lstm.U"] = np.ones((1, 12))


def refuse_type(state):
    state["lstm.U"] = np.ones((3, 12), complex)


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (refuse_shape, ShapeError),
        (refuse_type, DTypeError),
        (lambda s: s.pop("scale"), SignalError),
    ],
)
def test_faulty_state_loads_nothing(spoil, error):
    pair = Pair()
    before = pair.state_dict()
    state = {name: value + 1 for name, value in before.items()}
    spoil(state)
    with pytest.raises(error):
        pair.load_state_dict(state)
    for name, value in pair.state_dict().items():
        assert np.array_equal(value, before[name])


def test_state_loaded_between_forward_and_backward_is_caught():
    pair = Pair()
    loss = pair(np.ones((2, 2))).sum()
    pair.load_state_dict(pair.state_dict())
    with pytest.raises(tg.ChangedError, match=r"data of pair\.\S+ was replaced"):
        loss.backward()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Dense(2, 1, biases=False), ["Dense", "'biases'", "activation"]),
        (lambda: LSTM(2, 1, hidden=3), ["LSTM", "'hidden'", "hidden_size"]),
        (lambda: LSTM(2), ["LSTM", "'hidden_size'"]),
        (
            lambda: Sequential(Dense(2, 1), activation="tanh"),
            ["Sequential", "'activation'", "name"],
        ),
        (lambda: Pair(nme="x"), ["Pair", "'nme'", "name"]),
    ],
    ids=["Dense", "LSTM", "missing", "Sequential", "own"],
)
def test_unknown_or_missing_argument_is_refused(make, words):
    with pytest.raises(UsageError) as caught:
        make()
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_a_copy_of_a_network_is_a_network_of_its_own(copied):
    network = Sequential(LSTM(2, 3, seed=0), Dense(3, 1, tg.sigmoid, seed=1), name="net")
    update = tg.optim.Adam(network.parameters(), lr=0.1)
    twin, twins_update = copied((network, update))
    x, target = np.ones((4, 2)), np.zeros((4, 1))
    np.testing.assert_array_equal(twin(x).data, network(x).data)
    loss = tg.nn.squared_error(twin(x), target)
    loss.backward()
    assert all(each.grad is None for each in network.parameters())
    hand = {f"net.{name}": each.grad for name, each in twin.named_parameters()}
    hand["net.lstm.W.f"] = twin.parameters()[0].grad[:, 6:9]
    assert tg.compare(loss, hand).ok
    before = network.state_dict()
    twins_update.step()
    assert all(np.array_equal(before[name], now) for name, now in network.state_dict().items())
    assert not np.array_equal(before["lstm.W"], twin.state_dict()["lstm.W"])


class Collected(Module):
    """Modules and parameters in lists that grow, and in dictionaries."""

    def __init__(self):
        super().__init__()
        self.layers = []
        self.heads = {"out": [Dense(2, 1, seed=2)]}
        self.scales = [tg.Tensor(2.0, requires_grad=True), 3.0]
        for seed in range(2):
            self.layers.append(Dense(2, 2, seed=seed))

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return self.heads["out"][0](x) * self.scales[0] * self.scales[1]


def test_what_is_in_lists_and_dictionaries_is_held_and_named_so():
    network = Collected()
    paths = [name for name, _ in network.named_parameters()]
    assert paths == [
        "scales.0", "layers.0.W", "layers.0.b", "layers.1.W", "layers.1.b",
        "heads.out.0.W", "heads.out.0.b",
    ]  # fmt: skip
    loss = network(np.ones(2)).sum()
    loss.backward()
    hand = {f"collected.{name}": each.grad for name, each in network.named_parameters()}
    assert tg.compare(loss, hand).ok


def test_modules_that_hold_each_other_yield_each_parameter_once():
    inner, outer = Dense(2, 2), Collected()
    inner.outer, outer.inner = outer, inner
    assert len(inner.parameters()) == len(outer.parameters()) == 9


def test_whole_numbers_are_loaded():
    dense = Dense(2, 1)
    dense.load_state_dict({"W": [[1], [2]], "b": [3]})
    np.testing.assert_array_equal(dense(np.ones(2)).data, [6.0])


@pytest.mark.parametrize("activation", [lambda z: z.data, lambda z: 3.0])
def test_an_activation_that_leaves_the_tape_is_refused(activation):
    with pytest.raises(UsageError, match=r"dense: the activation returned .*, expected a Tensor"):
        Dense(2, 3, activation)(np.ones(2))


# --- training and use ---------------------------------------------------------------------------


def test_a_module_is_made_for_training_and_sets_all_inside_it():
    network = Collected()
    assert network.training
    assert network.eval() is network
    assert not any(each.training for _, each in network.children())
    assert network.train() is network
    assert all(each.training for _, each in network.children())


def test_modules_that_hold_each_other_are_set_once():
    inner, outer = Dense(2, 2), Collected()
    inner.outer, outer.inner = outer, inner
    inner.eval()
    assert not (inner.training or outer.training or outer.layers[1].training)


# --- parameters that would be lost --------------------------------------------------------------


class Mixed(Module):
    """Holds parameters and modules in every way."""

    def __init__(self):
        super().__init__()
        self.w = tg.Tensor([1.0, 2.0], requires_grad=True)
        self.tied = self.w
        self.dense = Dense(2, 2, seed=0)
        self.items = [Dense(2, 2, seed=1), tg.Tensor([1.0, 3.0], requires_grad=True), 4.0]
        self.table = {"x": {"y": [tg.Tensor([5.0, 6.0], requires_grad=True)]}}

    def forward(self, x):
        return self.dense(x) * self.w


def at(module, path, value=None):
    """Return what is at a path; or put a value there."""
    *way, last = path.split(".")
    for key in way:
        module = getattr(module, key) if isinstance(module, Module) else step_into(module, key)
    if value is None:
        return getattr(module, last) if isinstance(module, Module) else step_into(module, last)
    if isinstance(module, Module):
        setattr(module, last, value)
    else:
        module[int(last) if isinstance(module, list) else last] = value
    return None


def step_into(items, key):
    return items[int(key) if isinstance(items, list) else key]


def sgd(old):
    return old - 0.1 * np.ones(old.shape)


def without_recording(old):
    with tg.no_grad():
        return old * 0.9


LOSSES = {
    "a step of SGD": sgd, "no_grad": without_recording, "detached": lambda old: old.detach(),
    "array": lambda old: old.numpy(), "list": lambda old: old.tolist(), "number": lambda old: 3.0,
    "constant": lambda old: tg.Tensor(old.numpy()), "text": lambda old: "x",
    "empty": lambda old: [], "function": lambda old: tg.tanh,
}  # fmt: skip
ASSIGNED = ["w", "tied", "dense.W", "dense.b", "items.0.W"]
PUT = ["items.1", "table.x.y.0"]


@pytest.mark.parametrize("lose", LOSSES.values(), ids=LOSSES.keys())
@pytest.mark.parametrize("path", ASSIGNED)
def test_assignment_that_loses_a_parameter_is_refused_before_anything_changed(path, lose):
    module = Mixed()
    before = dict(module.named_parameters())
    with pytest.raises(UsageError, match=r"mixed\.\S+ is a parameter and would be lost.*\.data -="):
        at(module, path, lose(at(module, path)))
    assert dict(module.named_parameters()).keys() == before.keys()
    assert all(each is before[name] for name, each in module.named_parameters())


@pytest.mark.parametrize("lose", LOSSES.values(), ids=LOSSES.keys())
@pytest.mark.parametrize("path", PUT)
@pytest.mark.parametrize(
    "ask",
    [lambda m: m(np.ones(2)), lambda m: m.parameters(), lambda m: m.state_dict()],
    ids=["call", "parameters", "state_dict"],
)
def test_item_that_loses_a_parameter_is_refused_when_it_is_looked_at(path, lose, ask):
    module = Mixed()
    at(module, path, lose(at(module, path)))
    for _ in "twice":
        with pytest.raises(UsageError, match=rf"mixed\.{path} is a parameter and would be lost"):
            ask(module)


@pytest.mark.parametrize("value", [np.ones(2), 3.0, [1.0], tg.Tensor([1.0])], ids=repr)
def test_module_is_not_overwritten_by_numbers(value):
    module = Mixed()
    with pytest.raises(UsageError, match=r"mixed\.dense is a Dense, whose parameters would be"):
        module.dense = value
    module.items[0] = value
    with pytest.raises(UsageError, match=r"mixed\.items\.0 is a Dense"):
        module.parameters()


def test_loss_around_the_assignment_is_refused_when_the_parameters_are_asked_for():
    module = Mixed()
    vars(module)["w"] = np.ones(2)
    with pytest.raises(UsageError, match=r"mixed\.w is a parameter"):
        module.parameters()


def remove(module):
    module.w = module.tied = None
    del module.dense
    module.items.clear()
    del module.table["x"]


def replace(module):
    module.w = tg.Tensor([0.0], requires_grad=True)
    module.dense = Dense(2, 2)
    module.items[0] = tg.tanh
    module.table = {"x": tg.Tensor([0.0], requires_grad=True)}


def freeze(module):
    module.w.requires_grad = False


def shift(module):
    module.items.insert(0, 7.0)
    module.items.insert(0, Dense(2, 2))


@pytest.mark.parametrize(
    ("change", "names"),
    [
        (remove, []),
        (replace, ["w", "tied", "items.1", "table.x", "dense.W", "dense.b"]),
        (freeze, ["items.1", "table.x.y.0", "dense.W", "dense.b", "items.0.W", "items.0.b"]),
        (shift, ["w", "items.3", "table.x.y.0", "dense.W", "dense.b", "items.0.W", "items.0.b",
                 "items.2.W", "items.2.b"]),
    ],
)  # fmt: skip
def test_what_is_changed_on_purpose_is_allowed(change, names):
    module = Mixed()
    change(module)
    assert [name for name, _ in module.named_parameters()] == names
    assert len({each.label() for each in module.parameters()}) == len(names)


def test_attribute_that_never_held_a_parameter_may_hold_anything():
    module = Mixed()
    for value in (None, module(np.ones(2)), np.ones(2), 3.0, None):
        module.last = value
    assert len(module.parameters()) == 7


def test_parameter_of_several_modules_is_called_by_the_first():
    one, other = Mixed(), Dense(2, 2, name="other")
    other.extra = one.w
    assert one.w.label() == "mixed.w"
    assert len(other.parameters()) == 3


def test_every_kind_of_layer_refuses_to_lose_its_parameters():
    layers = [LSTM(2, 3), tg.nn.GRU(2, 3, num_layers=2), tg.nn.RNN(2, 3, bidirectional=True),
              Sequential(Dense(2, 2), Dense(2, 1))]  # fmt: skip
    for layer in layers:
        for _, inner in layer._modules():
            for name in [name for name, each in vars(inner).items() if isinstance(each, tg.Tensor)]:
                with pytest.raises(UsageError, match="is a parameter"):
                    setattr(inner, name, sgd(getattr(inner, name)))


# --- names that two would have ------------------------------------------------------------------


def dotted():
    module = Mixed()
    setattr(module, "dense.W", tg.Tensor([1.0], requires_grad=True))
    return module


def two_children():
    module = Mixed()
    module.one, module.other = Dense(1, 1, name="head"), Dense(1, 1, name="head")
    return module


def two_tensors():
    module = Mixed()
    module.one = tg.Tensor([1.0], requires_grad=True, name="q")
    module.other = tg.Tensor([1.0], requires_grad=True, name="q")
    return module


def named_with_a_dot():
    module = Mixed()
    module.one = tg.Tensor([1.0], requires_grad=True, name="dense.W")
    return module


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (named_with_a_dot, ["mixed.dense.W", "one of the Mixed", "W of the Dense at dense"]),
        (dotted, ["dense.W", "dense.W of the Mixed at the top", "W of the Dense at dense"]),
        (two_children, ["mixed.head", "Dense at one", "Dense at other"]),
        (two_tensors, ["mixed.q", "one of the Mixed", "other of the Mixed"]),
    ],
)
def test_two_of_one_name_are_refused_and_both_named(make, words):
    with pytest.raises(SignalError) as caught:
        make().parameters()
    for word in words:
        assert word in str(caught.value)


def test_keys_that_make_one_path_are_refused():
    module = Module()
    with pytest.raises(SignalError, match=r"two items of heads have one path, heads\.1"):
        module.heads = {1: Dense(1, 1), "1": Dense(1, 1)}


# --- kinds of classes ---------------------------------------------------------------------------


class Slotted(Module):
    __slots__ = ("w",)

    def __init__(self):
        super().__init__()
        self.w = tg.Tensor(1.0, requires_grad=True)


class Behind(Module):
    """Hides its parameter behind a property."""

    def __init__(self):
        super().__init__()
        self.w = tg.Tensor(1.0, requires_grad=True)

    @property
    def w(self):
        return self._w

    @w.setter
    def w(self, value):
        self._w = value


@dataclass
class Data(Module):
    w: tg.Tensor

    def forward(self, x):
        return self.w * x


@dataclass(frozen=True)
class Frozen(Module):
    w: tg.Tensor


@dataclass(slots=True)
class SlottedData(Module):
    w: tg.Tensor


class Alike(Slotted):
    def __eq__(self, other):
        return True


def one():
    return tg.Tensor(1.0, requires_grad=True)


@pytest.mark.parametrize(
    ("make", "names"),
    [
        (Slotted, ["w"]), (Behind, ["_w"]), (lambda: Data(one()), ["w"]),
        (lambda: Frozen(one()), ["w"]), (lambda: SlottedData(one()), ["w"]), (Alike, ["w"]),
    ],
    ids=["slots", "property", "dataclass", "frozen", "dataclass with slots", "eq"],
)  # fmt: skip
def test_parameters_of_any_kind_of_class_are_found(make, names):
    module = make()
    assert [name for name, _ in module.named_parameters()] == names
    assert not module.eval().training
    holder = Module(name="top")
    holder.one, holder.other = module, make()
    assert [name for name, _ in holder.named_parameters()] == [
        f"{child}.{name}" for child in ("one", "other") for name in names
    ]


@pytest.mark.parametrize("make", [Slotted, Behind, lambda: Data(one())])
def test_parameters_of_any_kind_of_class_are_kept(make):
    module = make()
    with pytest.raises(UsageError, match="is a parameter"):
        module.w = module.w - 1.0


def test_layers_that_inherit_have_their_own_modules_too():
    class Headed(LSTM):
        def __init__(self):
            super().__init__(2, 3, num_layers=2)
            self.head = Dense(3, 1)

    class Chain(Sequential):
        def __init__(self):
            super().__init__(Dense(2, 2))
            self.head = Dense(2, 1)

    assert [name for name, _ in Headed().named_parameters()][-2:] == ["head.W", "head.b"]
    assert [name for name, _ in Chain().named_parameters()] == [
        "dense.W", "dense.b", "head.W", "head.b",
    ]  # fmt: skip


def test_child_that_knows_its_parent_is_called_by_where_it_is():
    parent = Mixed()
    parent.dense.parent = parent.itself = parent
    assert parent.dense.W.label() == "mixed.dense.W"
    loss = parent(np.ones(2)).sum()
    loss.backward()
    tg.optim.SGD(parent.parameters(), lr=0.1).step()
    parent.eval()


@pytest.mark.parametrize(
    "spoiled",
    [np.array([1 + 2j]), np.ma.array([1.0], mask=[True]), "x", [[1.0], [2.0, 3.0]], None],
    ids=["complex", "masked", "text", "ragged", "None"],
)
def test_state_is_loaded_wholly_or_not_at_all(spoiled):
    dense = Dense(1, 1, seed=0)
    before = dense.W.item()
    with pytest.raises(tg.TinygradError):
        dense.load_state_dict({"W": [[2.0]], "b": spoiled})
    assert dense.W.item() == before


def test_new_parameter_of_a_layer_has_the_parts_of_the_old_one():
    lstm = LSTM(2, 3, seed=0)
    lstm.W = tg.Tensor(np.ones((2, 12)), requires_grad=True)
    assert "lstm.W.i" in Signals(lstm(np.ones((2, 2)))[0]).by_name


def test_parameters_and_modules_that_change_places_are_called_by_their_new_ones():
    top = Module(name="top")
    top.a, top.b = one(), one()
    top.c, top.d = Dense(1, 1), Dense(1, 1)
    top.items = [one(), one(), Dense(1, 1), Dense(1, 1)]
    top.a, top.b = top.b, top.a
    top.c, top.d = top.d, top.c
    top.items.reverse()
    for name, each in top.named_parameters():
        assert each.label() == f"top.{name}"


@pytest.mark.parametrize(
    "copy_of", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
)
def test_frozen_parameter_stays_a_part_of_the_state(copy_of):
    module = Mixed()
    whole = module.state_dict()
    module.w.requires_grad = module.dense.W.requires_grad = False
    module = copy_of(module)
    assert module.state_dict().keys() == whole.keys()
    assert "w (2,)" in str(module) and "W (2, 2)" in str(module.dense)
    other = Mixed()
    other.w.data += 1.0
    other.w.requires_grad = False
    other.load_state_dict(module.state_dict())
    assert np.array_equal(other.w.numpy(), whole["w"])
