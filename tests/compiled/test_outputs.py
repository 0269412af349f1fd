"""Holds compiled modules, and functions that give no loss, to the eager tape."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import tinygrad_lstm as tg
from support.compilers import needs_a_compiler
from tinygrad_lstm.compiled import build
from tinygrad_lstm.compiled.build import with_functions
from tinygrad_lstm.compiled.compilation import compilation
from tinygrad_lstm.compiled.structure import put_together, take_apart
from tinygrad_lstm.errors import ChangedError, UsageError

RNG = np.random.default_rng(0)


class Pair(NamedTuple):
    last: Any
    rest: Any


class Classifier(tg.nn.Module):
    """A network that returns a dictionary of a named tuple, a list, one Tensor twice and None."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.lstm = tg.nn.LSTM(3, 4, seed=0, **options)
        self.dense = tg.nn.Dense(4, 2, tg.tanh, seed=1, **options)

    def forward(self, x: Any) -> Any:
        out, (_, state) = self.lstm(x)
        y = self.dense(out)
        return {"pair": Pair(y[-1], [out, state]), "again": (y, y), "none": None, "one": 1}


MODULES = {
    "lstm": lambda: tg.nn.LSTM(3, 4, seed=0),
    "lstm of single precision": lambda: tg.nn.LSTM(3, 4, seed=0, dtype="float32"),
    "both directions": lambda: tg.nn.GRU(3, 4, seed=0, bidirectional=True),
    "two layers": lambda: tg.nn.RNN(3, 4, seed=0, num_layers=2),
    "dense": lambda: tg.nn.Dense(3, 2, tg.sigmoid, seed=0),
    "a network of one's own": Classifier,
    "dropout that is off": lambda: tg.nn.LSTM(3, 4, 2, seed=0, dropout=0.5).eval(),
}


def items_of(value: Any) -> list[Any]:
    items: list[Any] = []
    take_apart(value, items)
    return items


def are_same(given: Any, right: Any) -> None:
    """See that two results have the same structure, and the same numbers."""
    assert take_apart(given, []) == take_apart(right, [])
    for one, other in zip(items_of(given), items_of(right), strict=True):
        if not isinstance(other, tg.Tensor):
            assert one is other
            continue
        assert (one.shape, one.dtype, one.requires_grad) == (
            other.shape, other.dtype, other.requires_grad,
        )  # fmt: skip
        close = 1e3 * np.finfo(other.dtype).eps
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=close, atol=close)


def inputs(module: Any, *shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(module.parameters()[0].dtype)


def holds_for(module: Any) -> Any:
    compiled = tg.compile(module, strict=True)
    for shape in ((5, 6, 3), (5, 6, 3), (1, 2, 3), (7, 3)):
        x = inputs(module, *shape)
        with tg.no_grad():
            are_same(compiled(x), module(x))
        are_same(compiled(x), module(x))
    return compiled


@needs_a_compiler
@pytest.mark.parametrize("name", MODULES)
def test_a_module_gives_the_outputs_of_the_eager_call(name):
    compiled = holds_for(MODULES[name]())
    assert "/* the outputs */" in compiled.source


def test_a_module_gives_the_outputs_of_the_eager_call_without_a_compiler(monkeypatch):
    monkeypatch.setenv("CC", "a-compiler-that-is-not-there")
    for name in MODULES:
        compiled = holds_for(MODULES[name]())
        assert compiled.report().startswith("runs as a program in NumPy, since ")


@needs_a_compiler
def test_a_planted_error_is_seen(monkeypatch):
    right = build.included("mathematics.c")
    wrong = right.replace("real y = e / (e + 2);", "real y = e / (e + 3);")
    monkeypatch.setattr(
        build, "with_functions", lambda text: with_functions(text).replace(right, wrong)
    )
    with pytest.raises(UsageError, match="does not give what the tape gives"):
        holds_for(MODULES["lstm"]())


@needs_a_compiler
def test_it_computes_no_gradient_of_a_weight():
    lstm = tg.nn.LSTM(3, 4, seed=0)
    compiled = tg.compile(lstm, strict=True)
    compiled(inputs(lstm, 5, 2, 3))
    assert "dU" not in compiled.source and "seed" not in compiled.source.partition("outputs")[0]


@needs_a_compiler
@pytest.mark.parametrize("name", MODULES)
def test_outputs_have_the_gradients_of_the_tape(name):
    module = MODULES[name]()
    compiled = tg.compile(module, strict=True)
    x = tg.Tensor(inputs(module, 5, 2, 3), requires_grad=True, name="x")
    leaves, results = [x, *module.parameters()], []
    for way in (module, compiled):
        for leaf in leaves:
            leaf.grad = None
        outputs = [y for y in items_of(way(x * 2)) if isinstance(y, tg.Tensor)]
        sum((n + 1) * (y**2).sum() for n, y in enumerate(outputs)).backward()
        results.append([leaf.grad for leaf in leaves])
    close = 1e4 * np.finfo(leaves[-1].dtype).eps
    for given, right in zip(*results, strict=True):
        np.testing.assert_allclose(given, right, rtol=close, atol=close)


@needs_a_compiler
def test_the_gradient_is_that_of_the_numbers_of_the_call():
    dense = tg.nn.Dense(3, 2, tg.tanh, seed=0)
    compiled, x = tg.compile(dense, strict=True), inputs(dense, 4, 3)
    y, right = compiled(x), dense(x)
    x[...] = 0
    right.sum().backward()
    expected, dense.W.grad = dense.W.grad, None
    y.sum().backward()
    np.testing.assert_allclose(dense.W.grad, expected, rtol=1e-12)
    y = compiled(x)
    dense.W.data *= 2
    with pytest.raises(ChangedError, match=r"dense\.W"):
        y.sum().backward()


@needs_a_compiler
def test_what_changes_in_a_module_is_seen():
    net = Classifier()
    compiled, x = tg.compile(net, strict=True), inputs(net, 5, 2, 3)
    update = tg.optim.SGD(net.parameters(), 0.1)
    for change in (
        lambda: None,
        lambda: setattr(net.lstm.W, "data", net.lstm.W.numpy() * 2),
        lambda: net.load_state_dict({k: 0.5 * v for k, v in net.state_dict().items()}),
        lambda: ((net(x)["pair"].last ** 2).sum().backward(), update.step()),
        lambda: setattr(compiled.dense, "activation", tg.sigmoid),
        lambda: setattr(net, "dense", tg.nn.Dense(4, 5, seed=3)),
    ):
        change()
        are_same(compiled(x), net(x))
    assert compiled(x)["again"][0].shape == (5, 2, 5)


@needs_a_compiler
def test_the_training_flag_is_seen():
    net = tg.nn.LSTM(3, 4, 2, seed=0, dropout=0.5)
    compiled, x = tg.compile(net), inputs(net, 5, 2, 3)
    compiled(x)
    assert compiled.report().startswith("runs eagerly, since it changes what it reads")
    assert compiled.eval() is net and not net.training
    are_same(compiled(x), net(x))
    assert compiled.reason == ""
    compiled.train()
    compiled(x)
    assert compiled.reason


def test_it_stands_for_the_module():
    lstm = tg.nn.LSTM(3, 4, seed=0)
    compiled = tg.compile(lstm)
    assert isinstance(compiled, tg.nn.LSTM) and str(compiled) == str(lstm)
    assert repr(compiled) == f"<compiled {lstm!r}>" and "W" in dir(compiled)
    assert compiled.W is lstm.W and compiled.parameters() == lstm.parameters()
    compiled.own = 3
    assert lstm.own == 3
    del compiled.own
    assert not hasattr(lstm, "own") and not hasattr(compiled, "own")
    compiled.load_state_dict({k: v + 1 for k, v in compiled.state_dict().items()})
    np.testing.assert_array_equal(lstm.b.data[:4], np.ones(4))


@needs_a_compiler
def test_a_compiled_module_in_a_module():
    net = Classifier()
    names = [name for name, _ in net.named_parameters()]
    net.lstm = tg.compile(net.lstm, strict=True)
    assert [name for name, _ in net.named_parameters()] == names == [*net.state_dict()]
    x, right = inputs(net, 5, 2, 3), Classifier()
    are_same(net(x), right(x))
    assert net.lstm.reason == ""
    net.eval()
    assert not net.lstm.training and not net.lstm.loss_of.training
    whole = tg.compile(net, strict=True)  # which opens the compiled part
    are_same(whole(x), right(x))
    step = tg.compile(lambda x: tg.sum(net(x)["pair"].last ** 2), strict=True)
    step(x).backward()
    expected = tg.sum(right(x)["pair"].last ** 2)
    expected.backward()
    np.testing.assert_allclose(net.lstm.U.grad, right.lstm.U.grad, rtol=1e-12, atol=1e-14)
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        twin.lstm.W.data *= 0
        are_same(net(x), right(x))
        assert np.abs(twin(x)["pair"].last.data - net(x)["pair"].last.data).max() > 1e-3


STATES = {
    "a tuple": lambda h, c: (h, c),
    "a list": lambda h, c: [h, c],
    "Tensors": lambda h, c: (tg.Tensor(h), tg.Tensor(c)),
}


@needs_a_compiler
@pytest.mark.parametrize("name", STATES)
def test_arrays_in_containers_are_arguments(name):
    lstm = tg.nn.LSTM(3, 40, seed=0)
    compiled, x = tg.compile(lstm, strict=True), inputs(lstm, 5, 30, 3)
    h, c = inputs(lstm, 30, 40), inputs(lstm, 30, 40)
    for scale in (1, 1 + 1e-12, 2):  # of so many numbers text shows the first ones, in 8 digits
        h[15] *= scale
        state = STATES[name](h, c)
        are_same(compiled(x, state), lstm(x, state))
        are_same(compiled(x, state=state), lstm(x, state=state))
    assert len(compiled._recordings) == 2


def test_an_argument_that_is_an_object_is_watched():
    class Options:
        scale = 2.0

    options, w = Options(), tg.Tensor([1.0, 2.0], requires_grad=True, name="w")
    step = tg.compile(lambda x, options: tg.sum(x * w) * options.scale)
    for scale in (2.0, 3.0):
        options.scale = scale
        for _ in range(2):
            assert abs(step(np.ones(2), options).item() - 3 * scale) < 1e-12
    for _ in range(12):
        assert abs(step(np.ones(2), {"scale": Options()}["scale"]).item() - 6.0) < 1e-12
    assert "often changes" in step.report()


REFUSED: dict[str, tuple[Callable[..., Any], str]] = {
    "an array": (lambda x: (x * 2, np.ones(3)), "a value of type ndarray"),
    "no Tensor": (lambda x: 3.0, "no Tensor"),
    "numbers that decide": (lambda x: x * 2 if x.sum().item() > 0 else x, "reads numbers"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_compiled_says_why(name):
    function, why = REFUSED[name]
    step = tg.compile(function)
    step(tg.Tensor([1.0, 2.0, 3.0]))
    assert why in step.report()
    with pytest.raises(UsageError, match=why):
        tg.compile(function, strict=True)(tg.Tensor([1.0, 2.0, 3.0]))


def test_a_structure_is_put_together_as_it_was():
    value = (1, [2, {"a": (3,), "b": Pair(4, None)}], ())
    items: list[Any] = []
    structure = take_apart(value, items)
    assert items == [1, 2, 3, 4, None]
    assert put_together(structure, iter(items)) == value
    assert type(put_together(structure, iter(items))[1][1]["b"]) is Pair


CHANGES_ITSELF: dict[str, Callable[[], Any]] = {
    "dropout": lambda: tg.nn.LSTM(3, 4, 2, seed=0, dropout=0.5),
    "a state": lambda: tg.nn.BatchNorm(2),
}


@needs_a_compiler
@pytest.mark.parametrize("name", CHANGES_ITSELF)
def test_what_changes_at_every_call_is_not_recorded_at_every_call(name, monkeypatch):
    net, records = CHANGES_ITSELF[name](), []

    def counted(*args: Any) -> Any:
        records.append(args)
        return compilation(*args)

    monkeypatch.setattr("tinygrad_lstm.compiled.compiled.compilation", counted)
    step, x = tg.compile(net), inputs(net, 5, 2, 3)
    for _ in range(20):
        step(x)
    assert step.reason and len(records) <= 3
    net.eval()
    are_same(step(x), net(x))
    assert step.reason == ""


def test_what_grows_at_every_call_is_recorded_at_some_calls():
    calls = list[float]()

    def loss_of(x: Any) -> tg.Tensor:
        calls.append(1.0)
        return tg.sum(x * len(calls))

    step = tg.compile(loss_of)
    for _ in range(64):
        step(np.ones(3))
    assert step.reason and len(calls) < 64 + 2 * 8
