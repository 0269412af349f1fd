"""Holds compiled functions to the tape: the same numbers, or the function itself and a reason."""

from __future__ import annotations

import copy
import os
import tracemalloc
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import tinygrad_lstm as tg
from support.compilers import needs_a_compiler
from support.programs import PROGRAMS
from support.recurrences import Recurrence
from tinygrad_lstm.compiled import build, recording, state
from tinygrad_lstm.compiled.build import compiler, with_functions
from tinygrad_lstm.compiled.c_forms import number_text
from tinygrad_lstm.engine.symbol import Symbol
from tinygrad_lstm.errors import (
    ChangedError,
    GradientError,
    PackageError,
    ShapeError,
    UsageError,
)

RNG = np.random.default_rng(0)


@pytest.fixture
def no_compiler(monkeypatch):
    monkeypatch.setenv("CC", "a-compiler-that-is-not-there")
    with pytest.raises(PackageError, match=r"no C compiler \(a-compiler-that-is-not-there\)"):
        compiler()


def drawn(*shape: int, name: str = "x", dtype: Any = float) -> tg.Tensor:
    return tg.Tensor((RNG.normal(size=shape) * 0.7).astype(dtype), True, name=name)


def agrees(function: Callable[..., tg.Tensor], leaves: list[tg.Tensor], *args: Any) -> Any:
    """See that a function runs as native code, and gives the loss and gradients of the tape."""
    step = tg.compile(function, strict=True)
    for numbers in (args, tuple(np.flip(x) * 0.9 for x in args)):  # the second run is not recorded
        results = []
        for way in (function, step):
            for leaf in leaves:
                leaf.grad = None
            loss = way(*numbers)
            loss.backward()
            results.append([loss.data, *(leaf.grad for leaf in leaves)])
        units = 1e4 * np.finfo(loss.dtype).eps
        for right, given in zip(*results, strict=True):
            assert (right is None) == (given is None)
            if right is not None:
                assert (given.shape, given.dtype) == (right.shape, right.dtype)
                close = units * max(1.0, np.abs(right).max())
                np.testing.assert_allclose(given, right, rtol=0, atol=close)
    return step


def layer(make: Callable[..., Any], **options: Any) -> tuple[Any, ...]:
    """Return the loss of a recurrent layer with a dense layer, its leaves and its arguments."""
    dtype = options.get("dtype", float)
    net = make(3, 4, seed=0, **options)
    width = 4 * (1 + options.get("bidirectional", False))
    dense = tg.nn.Dense(width, 2, tg.tanh, seed=1, dtype=dtype)

    def loss_of(x: Any, target: Any) -> tg.Tensor:
        return tg.nn.squared_error(dense(net(x)[0]), target)

    x, target = RNG.normal(size=(5, 6, 3)).astype(dtype), RNG.normal(size=(5, 6, 2)).astype(dtype)
    return loss_of, [*net.parameters(), *dense.parameters()], x, target


LAYERS = {
    "lstm": lambda: layer(tg.nn.LSTM),
    "lstm of single precision": lambda: layer(tg.nn.LSTM, dtype="float32"),
    "peepholes": lambda: layer(tg.nn.LSTM, peephole=True),
    "two layers": lambda: layer(tg.nn.LSTM, num_layers=2),
    "gru": lambda: layer(tg.nn.GRU),
    "both directions": lambda: layer(tg.nn.GRU, bidirectional=True),
    "rnn": lambda: layer(tg.nn.RNN),
}


@needs_a_compiler
@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_gives_the_numbers_of_the_tape(name):
    loss_of, leaves, *args = LAYERS[name]()
    agrees(loss_of, leaves, *args)


@needs_a_compiler
def test_a_cell_of_ones_own_gives_the_numbers_of_the_tape():
    W, U, V = drawn(3, 4, name="W"), drawn(4, 4, name="U"), drawn(4, 4, name="V")

    def loss_of(x: Any) -> tg.Tensor:
        r = h = before = np.zeros(4)
        for k in tg.steps(7):
            q = tg.sigmoid(x[k] @ W + before @ V)
            r = r * q + tg.tanh(h @ U) * (1 - q)
            before, h = h, tg.sin(r) * q + tg.relu(r)
        return tg.sum(h * h) + tg.mean(tg.softmax(h) * r)

    agrees(loss_of, [W, U, V], RNG.normal(size=(7, 3)))


AHEAD = {  # what step k reads of a sequence of inputs, and of one that a loop made
    "the next input": lambda x, z, k: x[k] - x[k + 1] * z[k],
    "a later input": lambda x, z, k: x[k + 2] * x[k + 1],
    "the next output": lambda x, z, k: z[k + 1] * z[k] + x[k + 2],
}


@needs_a_compiler
@pytest.mark.parametrize("steps", [7, 80])
@pytest.mark.parametrize("name", AHEAD)
def test_a_step_that_reads_ahead_gives_the_numbers_of_the_tape(name, steps):
    U, V = drawn(3, 3, name="U"), drawn(3, 3, name="V")

    def loss_of(x: Any) -> tg.Tensor:
        h, outputs = np.zeros(3), []
        for k in tg.steps(steps):
            h = tg.tanh(x[k] + h @ U)
            outputs.append(h)
        z, g = tg.stack(outputs), np.zeros(3)
        for k in tg.steps(steps - 2):
            g = tg.tanh(g @ V + AHEAD[name](x, z, k))
        return tg.sum(g * g)

    agrees(loss_of, [U, V], RNG.normal(size=(steps, 3)) * 0.3)


@needs_a_compiler
def test_a_mean_of_what_no_scope_of_steps_made_is_compiled():
    U = drawn(3, 3, name="U")

    def loss_of(x: Any) -> tg.Tensor:
        h = [np.zeros(3)]
        for k in range(5):
            h.append(tg.tanh(x[k] + h[-1] @ U))
        return tg.mean(tg.stack(h[1:]))

    agrees(loss_of, [U], RNG.normal(size=(5, 3)))


@needs_a_compiler
def test_states_that_read_each_other_in_a_circle_give_the_numbers_of_the_tape():
    a, b = drawn(3, name="a"), drawn(3, name="b")

    def loss_of(x: Any) -> tg.Tensor:
        outputs, one, other = [], a, b
        for k in tg.steps(5):
            outputs.append((one + other * other) * x[k])
            one, other = tg.tanh(other), tg.sin(one)
        return tg.sum(tg.stack(outputs) ** 2)

    agrees(loss_of, [a, b], RNG.normal(size=(5, 3)))


@needs_a_compiler
def test_attention_gives_the_numbers_of_the_tape():
    net, Q = tg.nn.LSTM(3, 4, seed=0), drawn(4, 4, name="Q")

    def loss_of(x: Any) -> tg.Tensor:
        out, (last, _) = net(x)
        context = tg.softmax(out @ (last @ Q)) @ out
        return tg.sum(context**2)

    agrees(loss_of, [*net.parameters(), Q], RNG.normal(size=(5, 3)))


@needs_a_compiler
@pytest.mark.parametrize("number", range(0, len(PROGRAMS), 7))
def test_a_random_composition_gives_the_numbers_of_the_tape_or_a_reason(number):
    program = PROGRAMS[number]
    program = program.values[0] if hasattr(program, "values") else program
    leaves = program.leaves()
    step = tg.compile(lambda: program.run(tg, leaves))
    results = []
    for way in (step.loss_of, step):
        for leaf in leaves:
            leaf.grad = None
        loss = way()
        loss.backward()
        results.append([loss.data, *(leaf.grad for leaf in leaves)])
    for right, given in zip(*results, strict=True):
        np.testing.assert_allclose(given, right, rtol=1e-11, atol=1e-11)
    assert bool(step.source) == (step.reason == "")


@needs_a_compiler
@pytest.mark.parametrize("seed", range(60))
def test_a_random_recurrence_gives_the_numbers_of_the_tape(seed, monkeypatch):
    monkeypatch.setattr(build, "FAST", "-O0")  # which the compiler needs the least time for
    monkeypatch.setattr(recording, "LARGE", 1024 if seed % 2 else 1)
    holds_for_a_recurrence(seed)


@pytest.mark.parametrize("seed", range(60))
def test_a_random_recurrence_runs_in_numpy_without_a_compiler(seed, no_compiler):
    holds_for_a_recurrence(seed)


def holds_for_a_recurrence(seed: int) -> None:
    program = Recurrence(seed)
    step = tg.compile(program.loss)
    step(*program.args)
    if "not alike" not in step.reason:
        assert step.reason == ""
    args = [-x for x in program.args]
    results = []
    for way in (program.loss, step):
        for leaf in program.leaves:
            leaf.grad = None
        loss = way(*args)
        loss.backward()
        zeros = (
            np.zeros(leaf.shape) if leaf.grad is None else leaf.grad for leaf in program.leaves
        )
        results.append([loss.data, *zeros])
    for right, given in zip(*results, strict=True):
        np.testing.assert_allclose(given, right, rtol=1e-11, atol=1e-11)


@needs_a_compiler
def test_other_sizes_are_the_same_text():
    loss_of, *_ = layer(tg.nn.LSTM)
    step, texts = tg.compile(loss_of, strict=True), set()
    for T, B in ((11, 9), (13, 10), (21, 17)):
        step(RNG.normal(size=(T, B, 3)), RNG.normal(size=(T, B, 2))).backward()
        texts.add(step.source)
    assert len(texts) == 1


@needs_a_compiler
def test_an_array_of_one_number_in_a_product_is_filled():
    W = drawn(3, 4, name="W")  # its gradient is xᵀ 1, with an array of ones without a name
    agrees(lambda x: tg.sum(x @ W), [W], RNG.normal(size=(2, 3)))


def test_an_array_without_a_name_says_how_to_name_it():
    assert number_text(Symbol("1", np.ones((2, 3)))) == "((real) 1.0)"
    with pytest.raises(UsageError, match=r"an array without a name; name it: x\.name"):
        number_text(Symbol("c", np.arange(3.0)))


@needs_a_compiler
def test_training_goes_on_with_the_new_weights():
    loss_of, leaves, x, target = layer(tg.nn.LSTM)
    step, update = tg.compile(loss_of, strict=True), tg.optim.Adam(leaves, 0.05)
    losses = []
    for _ in range(40):
        update.zero_grad()
        loss = step(x, target)
        assert abs(loss.item() - loss_of(x, target).item()) < 1e-10
        loss.backward()
        update.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


@needs_a_compiler
def test_an_argument_gets_its_gradient():
    w = drawn(3, name="w")
    step = tg.compile(lambda x: tg.sum(tg.tanh(x * w)), strict=True)
    for _ in range(2):
        x = drawn(3)
        step(x).backward()
        np.testing.assert_allclose(x.grad, w.data / np.cosh(x.data * w.data) ** 2, rtol=1e-12)


@needs_a_compiler
def test_an_array_that_each_step_reads_is_captured():
    data, W = RNG.normal(size=(4, 3)), drawn(3, 3, name="W")

    def loss_of() -> tg.Tensor:
        h = np.zeros(3)
        for k in tg.steps(4):
            h = tg.tanh(data[k] @ W + h)
        return tg.sum(h * h)

    step = agrees(loss_of, [W])
    data[2] = 3.0
    assert abs(step().item() - loss_of().item()) < 1e-12


def test_what_is_captured_and_changed_is_seen():
    w, mask, options = drawn(3, name="w"), np.array([1.0, 0.0, 1.0]), {"scale": 2.0}
    step = tg.compile(lambda x: options["scale"] * tg.sum(x * w * mask))
    x = np.ones(3)
    for change in (
        lambda: None,
        lambda: mask.__setitem__(1, 5.0),
        lambda: options.update(scale=7.0),
        lambda: setattr(w, "data", [1.0, 2.0, 3.0]),
    ):
        change()
        right = options["scale"] * np.sum(w.data * mask)
        assert abs(step(x).item() - right) < 1e-12


class Scale:
    """Something of a user that a loss reads: an attribute of the class, and one of the object."""

    of_all = 2.0

    def __init__(self) -> None:
        self.own = 3.0

    def __call__(self, x: Any) -> Any:
        return x * self.of_all * vars(self).get("own", 13.0)


class Strange:
    """An object that has no answer for a name that it does not know."""

    own = 1.0

    def __getattr__(self, name: str) -> Any:
        raise KeyError(name)


def by_an_attribute(x: Any) -> Any:
    """Multiply by what stands at the function itself."""
    return x * vars(by_an_attribute)["by"]


SETTINGS = ModuleType("settings_of_a_user")


@pytest.fixture
def captured() -> dict[str, Any]:
    """Return things that a loss reads beside its arguments."""

    class Own(Scale):
        alone = 1.0

    vars(by_an_attribute)["by"] = 1.0
    SETTINGS.factor, SETTINGS.factors = 1.0, np.ones(3)  # type: ignore[attr-defined]
    os.environ["A_USERS_FACTOR"] = "1.0"
    return {
        "scale": Own(), "deque": deque([2.0, 3.0]), "list": [[1.0, 2.0]], "flag": 1,
        "partial": partial(lambda options, x: x * options["by"], {"by": 2.0}),
        "tensor": tg.Tensor([1.0, 2.0, 3.0]), "generator": [np.random.default_rng(0)],
        "class": Own, "strange": Strange(),
    }  # fmt: skip


CHANGES = {
    "nothing": lambda x: None,
    "an attribute": lambda x: setattr(x["scale"], "own", 7.0),
    "an attribute of the class": lambda x: setattr(type(x["scale"]), "of_all", 5.0),
    "a method": lambda x: setattr(type(x["scale"]), "__call__", lambda self, x: x * 11.0),
    "a deque": lambda x: x["deque"].append(4.0),
    "another name": lambda x: vars(x["scale"]).update(other=vars(x["scale"]).pop("own")),
    "a list in a list": lambda x: x["list"][0].append(9.0),
    "an option of a partial function": lambda x: x["partial"].args[0].update(by=3.0),
    "a constant": lambda x: setattr(x["tensor"], "data", [4.0, 5.0, 6.0]),
    "a truth value for an equal number": lambda x: x.update(flag=True),
    "an attribute of a class alone": lambda x: setattr(x["class"], "alone", 3.0),
    "an attribute of a function": lambda x: vars(by_an_attribute).update(by=3.0),
    "a variable of a module": lambda x: setattr(SETTINGS, "factor", 3.0),
    "an array in a module": lambda x: SETTINGS.factors.fill(3.0),
    "the environment": lambda x: os.environ.update(A_USERS_FACTOR="3.0"),
    "an attribute of a strange object": lambda x: setattr(x["strange"], "own", 3.0),
}


@pytest.mark.parametrize("has_versions", [True, False])  # of dictionaries, by the interpreter
@pytest.mark.parametrize("name", CHANGES)
def test_every_change_of_what_is_captured_is_seen(captured, name, has_versions, monkeypatch):
    if not has_versions:
        monkeypatch.setattr(state, "versions", lambda dictionaries: [])
    w, Own = drawn(3, name="w"), captured["class"]

    def loss_of(x: Any) -> tg.Tensor:
        y = captured["partial"](captured["scale"](x * w)) * captured["tensor"]
        y = y + 100 if captured["flag"] is True else y
        y = by_an_attribute(y * Own.alone) * SETTINGS.factor * SETTINGS.factors
        y = y * float(os.environ["A_USERS_FACTOR"]) * captured["strange"].own
        return tg.sum(y * sum(captured["deque"]) + sum(map(sum, captured["list"])))

    step, x = tg.compile(loss_of), np.arange(3.0)
    for _ in range(2):
        step(x)
    CHANGES[name](captured)
    for _ in range(2):
        assert abs(step(x).item() - loss_of(x).item()) < 1e-9
    watch = next(iter(step._recordings.values())).watch
    assert not watch.has_changed()


class Learner:
    """A loss, and the generator of the data, or of the noise, in one object."""

    def __init__(self, noise: float) -> None:
        self.random, self.w, self.noise = np.random.default_rng(0), drawn(3, name="w"), noise
        self.step = tg.compile(lambda x: self.loss(x))

    def loss(self, x: Any) -> tg.Tensor:
        noise = copy.deepcopy(self.random).normal(size=3) if self.noise else 0.0
        return tg.sum(tg.tanh(x * self.w + noise))


@pytest.mark.parametrize("noise", [0.0, 1.0])
def test_draws_beside_the_loss_record_nothing_anew_and_draws_for_the_loss_do(noise):
    learner, recordings = Learner(noise), []
    for _ in range(6):
        x = learner.random.normal(size=3)
        assert abs(learner.step(x).item() - learner.loss(x).item()) < 1e-12
        recordings.append(next(iter(learner.step._recordings.values())))
    assert len({*map(id, recordings)}) == (6 if noise else 2)


class Trainer:
    """A network, its update and its loss in one object."""

    def __init__(self) -> None:
        self.net = tg.nn.Dense(3, 1, seed=0)
        self.update = tg.optim.Adam(self.net.parameters(), 0.1)
        self.epoch = 0

    def loss(self, x: Any) -> tg.Tensor:
        return tg.sum(self.net(x) ** 2)

    def train(self, x: Any, loss: Callable[..., Any]) -> float:
        self.update.zero_grad()
        value = loss(x)
        value.backward()
        self.update.step()
        return value.item()


def test_what_changes_at_every_call_is_not_recorded_at_every_call():
    one, other = Trainer(), Trainer()
    step = tg.compile(one.loss)
    recordings = []
    for _ in range(40):
        x = RNG.normal(size=(2, 3))
        assert abs(one.train(x, step) - other.train(x, other.loss)) < 1e-12
        recordings.append(next(iter(step._recordings.values())))
    assert len({*map(id, recordings)}) <= 9
    assert step.report().startswith("runs eagerly, since Adam '_bundles' changes between the calls")
    for _ in range(100):  # without an update
        step(x)
    assert step.reason == "" and step.source


def test_a_program_that_is_used_often_between_changes_goes_on():
    one = Trainer()
    step, x = tg.compile(one.loss), RNG.normal(size=(2, 3))
    for one.epoch in range(8):
        for _ in range(10):
            step(x)
            assert step.reason == "" and step.source


@needs_a_compiler
def test_arguments_that_are_equal_by_chance_stay_two_arguments():
    W = drawn(3, 3, name="W")

    def loss_of(*xs: Any) -> tg.Tensor:
        h = np.zeros(3)
        for k in tg.steps(6):
            h = tg.tanh(h @ W + xs[k % 3] * 0.5)
        return tg.sum(h * xs[0])

    step = tg.compile(loss_of)
    step(*np.zeros((3, 3)))
    args = RNG.normal(size=(3, 3))
    assert abs(step(*args).item() - loss_of(*args).item()) < 1e-12


@needs_a_compiler
def test_what_a_gradient_is_used_for_changes_no_other_gradient():
    w = drawn(3, name="w")
    loss = tg.compile(lambda x: tg.sum(x * w), strict=True)(np.arange(3.0))
    loss.backward()
    w.grad *= 100
    w.grad = None
    (loss * 2).backward()
    np.testing.assert_array_equal(w.grad, 2 * np.arange(3.0))


REFUSED = {
    "reads numbers": lambda x: tg.sum(x * x) if x.sum().item() > 0 else tg.sum(x),
    "compares": lambda x: tg.sum(tg.where(x > 0, x, 2 * x)),
    "reads data": lambda x: tg.sum(x * float(np.abs(x.data).max())),
    "sorts": lambda x: tg.sum(tg.sort(x) * np.arange(3.0)),
    "draws": lambda x: tg.sum(x * np.random.normal(size=3)),
    "goes off the tape": lambda x: tg.sum(x * x.detach()),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_numbers_may_decide_runs_eagerly_with_a_reason(name):
    w = drawn(3, name="w")
    step = tg.compile(lambda x: REFUSED[name](x * w))
    for x in ([1.0, 2.0, 3.0], [-3.0, 1.0, -2.0]):
        np.random.seed(1)
        given = step(np.array(x)).item()
        np.random.seed(1)
        assert abs(given - REFUSED[name](np.array(x) * w).item()) < 1e-12
        assert step.source == "" and step.report().startswith("runs eagerly, since ")
    with pytest.raises(UsageError, match="compile: "):
        tg.compile(step.loss_of, strict=True)(np.ones(3))


@pytest.mark.parametrize("name", LAYERS)
def test_without_a_compiler_the_program_in_numpy_runs(no_compiler, name):
    loss_of, leaves, *args = LAYERS[name]()
    step = agrees(loss_of, leaves, *args)
    assert step.report().startswith("runs as a program in NumPy, since found no C compiler")
    assert "def backward(" in step.source
    with tg.no_grad():
        assert not step(*args).requires_grad


COMPILERS = {
    "exit 3": "failed: it ended with 3",
    "echo no room >&2; exit 1": "failed: no room",
    "sleep 2": "did not end in 0.2 s",
}


@pytest.mark.parametrize("command", COMPILERS)
def test_a_compiler_that_fails_says_how(monkeypatch, tmp_path, command):
    path = tmp_path / "compiler"
    answer = 'case "$*" in *--version*) echo 1.0; exit;; esac'
    path.write_text(f"#!/bin/sh\n{answer}\n{command}\n")
    path.chmod(0o700)
    monkeypatch.setenv("CC", str(path))
    monkeypatch.setattr(build, "SECONDS", 0.2)
    step, x = tg.compile(lambda x: tg.sum(tg.sin(x) * x)), RNG.normal(size=3)
    assert abs(step(x).item() - np.sum(np.sin(x) * x)) < 1e-12
    assert step.report().startswith(
        f"runs as a program in NumPy, since {path} {COMPILERS[command]}"
    )


def test_a_program_in_numpy_says_that_it_keeps_all_steps(no_compiler):
    net = tg.nn.LSTM(2, 3, seed=0)
    step = tg.compile(lambda x: tg.sum(net(x)[0] ** 2), checkpoint=True)
    step(RNG.normal(size=(70, 2)))
    assert "keeps all steps, since the program in NumPy has no chunks" in step.report()


@pytest.mark.parametrize("ask", [tg.derive, tg.graph, lambda loss: tg.explain(loss, "w")])
def test_the_loss_of_a_program_says_that_it_has_no_network(ask):
    w = drawn(3, name="w")
    step = tg.compile(lambda x: tg.sum(tg.sin(x) * w))
    with pytest.raises(UsageError, match=r"step\.loss_of\(x\)"):
        ask(step(np.ones(3)))


@needs_a_compiler
def test_a_wrong_program_is_found_on_the_recorded_numbers(monkeypatch):
    right = build.included("mathematics.c")
    wrong = right.replace("real y = e / (e + 2);", "real y = e / (e + 3);")
    assert wrong != right
    monkeypatch.setattr(
        build, "with_functions", lambda text: with_functions(text).replace(right, wrong)
    )
    step = tg.compile(lambda x: tg.sum(tg.tanh(x)))
    x = drawn(3)
    step(x).backward()
    np.testing.assert_allclose(x.grad, 1 - np.tanh(x.data) ** 2)
    assert "does not give what the tape gives" in step.report()


@needs_a_compiler
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("steps", [5, 80])
def test_a_gradient_that_is_the_rounding_of_zero_is_compiled(steps, dtype):
    """The softmax does not change with the bias of the keys."""
    net = tg.nn.Attention(4, 2, seed=0, dtype=dtype)
    x, keys = (RNG.normal(size=(n, 2, 4)).astype(dtype) for n in (steps, 6))
    step = tg.compile(lambda x, keys: tg.sum(net(x, keys) ** 2), strict=True)
    results = []
    for way in (step.loss_of, step):
        net.zero_grad()
        way(x, keys).backward()
        results.append([p.grad for p in net.parameters()])
    largest = max(np.abs(δ).max() for δ in results[0])
    for right, given in zip(*results, strict=True):
        np.testing.assert_allclose(given, right, rtol=0, atol=1e4 * np.finfo(dtype).eps * largest)
    assert np.abs(net.b_k.grad).max() < 1e2 * np.finfo(dtype).eps * largest


@needs_a_compiler
def test_the_functions_of_a_program_keep_their_digits():
    for dtype, most in ((np.float64, 4), (np.float32, 4)):
        w = tg.Tensor(np.ones(1, dtype), requires_grad=True, name="w")
        x = np.concatenate([RNG.uniform(-a, a, 500) for a in (1e-9, 1e-3, 3, 30, 90)]).astype(dtype)
        x = np.append(x, [np.inf, -np.inf, np.nan, 0]).astype(dtype)
        for name, exact in (
            ("tanh", np.tanh),
            ("exp", np.exp),
            ("sigmoid", lambda x: 1 / (1 + np.exp(-x))),
        ):
            function = getattr(tg, name)
            with np.errstate(all="ignore"):
                step = tg.compile(lambda x, f=function, w=w: tg.sum(f(x) * w), strict=True)
                for value in x[::25]:
                    right = exact(np.longdouble(value))
                    given = step(np.array([value])).item()
                    off = abs(np.longdouble(given) - right)
                    unit = np.spacing(np.abs(dtype(right)))
                    assert off <= most * unit or given == dtype(right) or given != given


def test_a_function_that_other_numbers_do_not_suit_runs_eagerly():
    x, w, first = np.array([1.0, 2.0]), drawn(2, name="w"), list[float]()

    def loss_of(x: Any) -> tg.Tensor:
        numbers = list(getattr(x, "_array", x))
        if not first:
            first.extend(numbers)
        elif numbers != first:
            raise ValueError("not these numbers")
        return tg.sum(x * w)

    step = tg.compile(loss_of)
    assert abs(step(x).item() - x @ w.data) < 1e-15 and "not these numbers" in step.report()


@needs_a_compiler
@pytest.mark.parametrize("place", ["assignments.Assignments.assign", "native.Native.run"])
def test_an_error_of_the_compiler_itself_runs_the_function_with_a_reason(monkeypatch, place):
    def fail(*_: Any, **__: Any) -> None:
        raise KeyError("planted")

    module = place.partition(".")[0]
    loss_of, w = lambda x: tg.sum(x * w), drawn(3, name="w")
    step, strict = tg.compile(loss_of), tg.compile(loss_of, strict=True)
    if module == "native":
        step(np.ones(3))
        strict(np.ones(3))
    monkeypatch.setattr(f"tinygrad_lstm.compiled.{place}", fail)
    for _ in range(2):
        assert step(np.arange(3.0)).item() == loss_of(np.arange(3.0)).item()
        assert "failed: KeyError: 'planted'" in step.report() and not step.source
        with pytest.raises(UsageError, match="planted"):
            strict(np.arange(3.0))


@needs_a_compiler
def test_one_step_and_a_batch_of_none():
    loss_of, leaves, x, target = layer(tg.nn.LSTM)
    agrees(loss_of, leaves, x[:1], target[:1])
    W, U = drawn(3, 4, name="W"), drawn(4, 4, name="U")

    def own(x: Any) -> tg.Tensor:
        h = np.zeros((x.shape[1], 4))
        for k in tg.steps(3):
            h = tg.tanh(x[k] @ W + h @ U)
        return tg.sum(h * h)

    agrees(own, [W, U], np.zeros((3, 0, 3)))


@needs_a_compiler
def test_threads_may_call_one_compiled_function():
    loss_of, _, x, target = layer(tg.nn.LSTM)
    step = tg.compile(loss_of, strict=True)
    numbers = [(x * n, target + n) for n in range(1, 9)]
    right = [loss_of(*pair).item() for pair in numbers]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(20):
            given = [loss.item() for loss in pool.map(lambda pair: step(*pair), numbers)]
            np.testing.assert_allclose(given, right, rtol=1e-12)


@needs_a_compiler
def test_entries_are_taken_by_a_table_and_remainders_have_the_sign_of_the_divisor():
    w, at = drawn(5, name="w"), np.array([3, 0, 3, 1])
    agrees(lambda x: tg.sum((x * w)[at] ** 2), [w], np.arange(1.0, 6.0))
    agrees(lambda x: tg.sum((x * w) % -0.7 + (x * w) % 0.3), [w], RNG.normal(size=5))


def test_an_argument_that_is_part_of_the_program_and_often_changes_runs_eagerly():
    w = drawn(4, name="w")
    step = tg.compile(lambda power: tg.sum(w * w * power))
    for number in range(1, 13):
        assert abs(step(0.5 * number).item() - (w.data**2).sum() * 0.5 * number) < 1e-12
    assert "often changes" in step.report()


@needs_a_compiler
def test_gradients_of_one_loss_add_up():
    w = drawn(3, name="w")
    loss = tg.compile(lambda x: tg.sum(x * w), strict=True)(np.arange(3.0))
    for count in (1, 2, 3):
        loss.backward()
        np.testing.assert_array_equal(w.grad, count * np.arange(3.0))


def test_bad_input():
    with pytest.raises(UsageError, match="expected a function"):
        tg.compile(3)
    x = drawn(2)
    step = tg.compile(lambda x: tg.sum(x**3))
    with pytest.raises(GradientError, match="gradient of a gradient"):
        tg.grad(step(x), x, create_graph=True)


def most_memory(function: Callable[[], Any]) -> int:
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@needs_a_compiler
def test_the_first_call_takes_no_more_memory_than_the_tape_and_later_calls_less():
    loss_of, _, *_ = layer(tg.nn.LSTM)
    step = tg.compile(loss_of, strict=True)
    step(RNG.normal(size=(2, 400, 3)), RNG.normal(size=(2, 400, 2)))  # what is made once
    args = RNG.normal(size=(20, 400, 3)), RNG.normal(size=(20, 400, 2))
    of_tape = most_memory(lambda: loss_of(*args).backward())
    assert most_memory(lambda: step(*args).backward()) < 1.3 * of_tape
    assert most_memory(lambda: step(*args).backward()) < 0.1 * of_tape


@needs_a_compiler
def test_a_backward_pass_from_the_loss_alone_is_that_of_the_tape():
    """The leaves get their gradients sooner then; whatever is unusual takes the usual way."""
    w, v = drawn(3, name="w"), drawn(3, name="v")
    step = tg.compile(lambda x: tg.sum(x * w * w), strict=True)
    x, right = np.arange(3.0), 2 * np.arange(3.0) * w.data
    for given in (lambda y: y.backward(), lambda y: y.backward(1.0), lambda y: (y * 1).backward()):
        w.grad = None
        given(step(x))
        np.testing.assert_allclose(w.grad, right, rtol=1e-14)
    w.grad = np.ones(3)
    step(x).backward(np.array(2.0))
    np.testing.assert_allclose(w.grad, 1 + 2 * right, rtol=1e-14)
    w.grad = np.ones(2)
    with pytest.raises(ShapeError, match=r"the gradient of w has shape \(2,\), expected \(3,\)"):
        step(x).backward()
    w.grad = None
    loss = step(x)
    w.data = [1.0, 2.0, 3.0]
    with pytest.raises(ChangedError, match="the data of w was replaced"):
        loss.backward()
    loss = step(x)
    loss.retain_grad()
    loss.backward()
    assert loss.grad == 1 and w.grad is not None
    square = v * v
    tg.compile(lambda x: tg.sum(x * 2), strict=True)(square).backward()
    np.testing.assert_allclose(v.grad, 4 * v.data, rtol=1e-14)
    with tg.no_grad(), pytest.raises(GradientError, match="depends on no leaf"):
        step(x).backward()


@needs_a_compiler
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_a_running_sum_follows_its_axis(axis):
    w, W = drawn(3, 4, 2, name="w"), drawn(4, 4, name="W")
    agrees(lambda x: tg.sum(np.cumsum(x * w, axis=axis) ** 2 * x), [w], RNG.normal(size=(3, 4, 2)))
    agrees(
        lambda x: tg.sum(np.cumsum(np.cumsum(x[0] @ W)[::-1]) ** 2), [W], RNG.normal(size=(1, 4))
    )

    def loss_of(x: Any) -> tg.Tensor:
        h = np.zeros((3, 4))
        for k in tg.steps(5):
            h = tg.tanh(np.cumsum(x[k] @ W + h, axis=axis) * 0.3)
        return tg.sum(np.cumsum(h, axis=axis) ** 2)

    agrees(loss_of, [W], RNG.normal(size=(5, 3, 4)))
