"""Holds derivations to the tape: their programs give its gradients, and no name is ever run."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import Any

import numpy as np
import pytest

import tinygrad_lstm as tg
from support.networks import gates, network, recurrence
from support.programs import PROGRAMS
from tinygrad_lstm.cli.commands import FORMS
from tinygrad_lstm.cli.commands import main as command
from tinygrad_lstm.engine import elementwise, function
from tinygrad_lstm.engine.kind import Kind
from tinygrad_lstm.engine.place import Packed
from tinygrad_lstm.engine.symbol import Symbol
from tinygrad_lstm.errors import PackageError, UsageError
from tinygrad_lstm.formulas.as_read import OF_STEPS, OVER_STEPS
from tinygrad_lstm.formulas.derivation import Derivation
from tinygrad_lstm.formulas.derived import Stage
from tinygrad_lstm.formulas.layout import page
from tinygrad_lstm.formulas.letters import subscripted
from tinygrad_lstm.formulas.lines import Line
from tinygrad_lstm.formulas.reader import Dated, Variable, leaves
from tinygrad_lstm.formulas.rewriting import rewrite
from tinygrad_lstm.gallery import PICTURES
from tinygrad_lstm.network.parameters import Varying

RNG = np.random.default_rng(0)


def drawn(*shape: int, name: str = "x") -> tg.Tensor:
    return tg.Tensor(RNG.normal(size=shape) * 0.7, requires_grad=True, name=name)


def run(derivation: Derivation, fast: bool = False) -> tuple[Any, dict[str, np.ndarray]]:
    """Run the program of a derivation, and return the loss and the gradients."""
    module: dict[str, Any] = {}
    exec(derivation.numpy(fast), module)  # what is tested
    with np.errstate(all="ignore"):
        loss, signals = module["forward"](**derivation.arrays(fast))
        return loss, module["backward"](**signals)


def check(loss: tg.Tensor) -> Derivation:
    """See that the programs of a loss give its value and the gradients of all its leaves."""
    derivation = tg.derive(loss)
    loss.backward()
    for fast in (False, True):
        see_that_it_agrees(loss, *run(derivation, fast))
    return derivation


def see_that_it_agrees(loss: tg.Tensor, value: Any, gradients: dict[str, np.ndarray]) -> None:
    """See that a value and gradients are those of a loss and of its leaves."""
    signals = tg.signals(loss)
    close = 1e-14 * units(loss)
    assert (np.shape(value), np.asarray(value).dtype) == (loss.shape, loss.dtype)
    np.testing.assert_allclose(value, loss.data, rtol=close, atol=close)
    leaves = [x for x in signals.names if not x.inputs and x.requires_grad and x.grad is not None]
    for leaf in leaves:
        name = signals.names[leaf]
        if np.any(leaf.grad):
            assert name in gradients
        found = gradients.get(name, np.zeros(leaf.shape))
        assert (found.shape, found.dtype) == (leaf.shape, leaf.dtype)
        scale = max(1.0, float(np.max(np.abs(leaf.grad), initial=0.0)))
        np.testing.assert_allclose(found, leaf.grad, rtol=0, atol=close * scale, err_msg=name)


def units(loss: tg.Tensor) -> float:
    """Return how many times coarser than double precision the numbers of a loss are."""
    return float(np.finfo(loss.dtype).eps / np.finfo(float).eps)


# --- programs -----------------------------------------------------------------------------------


def layer(make: Callable[..., Any], *shape: int, **options: Any) -> Callable[[], tg.Tensor]:
    def loss() -> tg.Tensor:
        out, _ = make(shape[-1], 3, seed=0, **options)(drawn(*shape))
        y = tg.nn.Dense(out.shape[-1], 2, tg.tanh, seed=1)(out)
        return tg.nn.squared_error(y, np.zeros(y.shape))

    return loss


def two_steps_back() -> tg.Tensor:
    U1, U2, W, x = (
        drawn(3, 3, name="U1"),
        drawn(3, 3, name="U2"),
        drawn(2, 3, name="W"),
        drawn(5, 2),
    )
    h1, h2, loss = np.zeros(3), drawn(3, name="h_2"), 0.0
    for k in tg.steps(5):
        h = tg.tanh(x[k] @ W + h1 @ U1 + h2 @ U2)
        h.name = "h"
        h2, h1, loss = h1, h, loss + tg.sum(h * h)
    return loss


def characters() -> tg.Tensor:
    lstm, dense = tg.nn.LSTM(5, 3, seed=0), tg.nn.Dense(3, 5, seed=1)
    out, _ = lstm(np.eye(5)[[0, 3, 2, 4]])
    return tg.nn.softmax_cross_entropy(dense(out), [3, 2, 4, 1])


def tokens() -> tg.Tensor:
    E, U, h = drawn(6, 3, name="E"), drawn(3, 3, name="U"), np.zeros(3)
    for token in tg.steps(4):
        h = tg.tanh(E[[2, 0, 5, 2][token]] + h @ U)
    return tg.sum(h * h)


def attention() -> tg.Tensor:
    out, (query, _) = tg.nn.LSTM(2, 3, seed=0)(drawn(4, 2))
    context = tg.softmax(out @ query) @ out
    return tg.sum(context * context)


def attentive_decoder() -> tg.Tensor:
    out, _ = tg.nn.LSTM(2, 3, seed=0)(drawn(4, 2))
    W, h, loss = drawn(3, 3, name="W"), np.zeros(3), 0.0
    for _ in tg.steps(3):
        h = tg.tanh(tg.softmax(out @ h) @ out @ W)
        loss = loss + tg.sum(h * h)
    return loss


def encoder_and_decoder() -> tg.Tensor:
    _, state = tg.nn.LSTM(2, 3, seed=0, name="encoder")(drawn(4, 3, 2))
    out, _ = tg.nn.LSTM(2, 3, seed=1, name="decoder")(drawn(5, 3, 2, name="y"), state)
    return tg.nn.squared_error(out, np.ones((5, 3, 3)))


def first_step_differs() -> tg.Tensor:
    U, W, x, h, loss = drawn(3, 3, name="U"), drawn(2, 3, name="W"), drawn(4, 2), None, 0.0
    for k in tg.steps(4):
        s = x[k] @ W
        h = tg.tanh(s if h is None else s + h @ U)
        loss = loss + tg.sum(h * h)
    return loss


def matrices() -> tg.Tensor:
    A, B = 4 * np.eye(3) + drawn(3, 3, name="A"), 3 * np.eye(3) + drawn(3, 3, name="B")
    inverse, solution = tg.linalg.inv(B), tg.linalg.solve(A, drawn(3, name="b"))
    return tg.sum(inverse @ solution) + tg.linalg.det(drawn(3, 3, name="C"))


def normalized() -> tg.Tensor:
    z = drawn(4, 5) @ drawn(5, 3, name="W")
    below = z - tg.mean(z, axis=1, keepdims=True)
    variance = tg.mean(below**2, axis=1, keepdims=True)
    return tg.sum((below / tg.sqrt(variance + 1e-5)) ** 3)


def convolved() -> tg.Tensor:
    return tg.sum(tg.tanh(tg.sliding_windows(drawn(2, 8), 3, axis=1) @ drawn(3, name="w")) ** 2)


def recurrent(cell: Callable[[Any, Any], Any], h: Any, x: Any = None, steps: int = 4) -> tg.Tensor:
    """Return a loss of the last step of a recurrence h = cell(x[k], h)."""
    x = drawn(steps, 2, 3) if x is None else x
    for k in tg.steps(steps):
        h = cell(x[k], h)
    h.name = "h"
    return tg.sum(h * h)


def made_before_the_loop(take: Callable[[Any, int], Any]) -> Callable[[], tg.Tensor]:
    """Return a network whose steps read what nobody named, and what is made outside."""

    def loss() -> tg.Tensor:
        V, g = drawn(4, 3, 3, name="V"), drawn(4, 3, name="g")
        made, h = tg.tanh(V) * tg.exp(g)[:, np.newaxis], drawn(3, name="h")
        for k in tg.steps(4):
            h = tg.tanh(h @ take(made, k))
        return tg.sum(h * h)

    return loss


def penalty_on(make: Callable[..., Any]) -> Callable[[], tg.Tensor]:
    def loss() -> tg.Tensor:
        one, other = make(2, 3, seed=0, name="one"), make(3, 2, seed=1, name="other")
        out, _ = other(one(drawn(4, 2, 2))[0])
        weights = [*one.parameters(), *other.parameters()]
        return tg.sum(out * out) + 0.1 * sum((tg.sum(w**2) for w in weights), tg.sum(one.W**3))

    return loss


def gate_and_whole() -> tg.Tensor:
    W = tg.nn.LSTM(2, 3, seed=0).W
    return tg.sum(tg.tanh(drawn(4, 2) @ W[:, 3:6])) + tg.sum(W**2)


def fast_weights() -> tg.Tensor:
    """Return a loss in which two summands differ in nothing but the axis that they sum along."""
    x, A, h, loss = drawn(4, 3), np.zeros((3, 3)), np.zeros(3), 0.0
    for k in tg.steps(4):
        h = tg.tanh(x[k] + h @ A)
        A, loss = 0.9 * A + 0.5 * tg.outer(h, h), loss + tg.sum(h)
    return loss


def two_tokens_a_step(*shape: int) -> Callable[[], tg.Tensor]:
    def loss() -> tg.Tensor:
        E, U, h = drawn(6, 3, name="E"), drawn(3, 3, name="U"), np.zeros((*shape, 3))
        one, other = np.random.default_rng(7).integers(0, 6, size=(2, 4, *shape))
        for k in tg.steps(4):
            h = tg.tanh(E[one[k]] + E[other[k]] + h @ U)
        return tg.sum(h * h)

    return loss


def spread(times: Callable[[Any], Any]) -> Callable[[], tg.Tensor]:
    """Return a network whose first state is a smaller array, spread to its shape."""
    U = drawn(3, 3, name="U")
    return lambda: recurrent(lambda x, h: tg.tanh(x + h @ U), times(drawn(1, 1, name="s")))


def pooled_by_attention() -> tg.Tensor:
    out, _ = tg.nn.GRU(2, 3, seed=0)(drawn(4, 2, 2))
    share = tg.softmax(tg.sum(out * drawn(3, name="v"), axis=2, keepdims=True), axis=0)
    return tg.sum(tg.sum(share * out, axis=0) ** 2)


def hopfield(*batch: int) -> Callable[[], tg.Tensor]:
    """Return a network whose state is drawn to patterns by attention, time after time."""

    def loss() -> tg.Tensor:
        X, W, state = drawn(5, 3, name="X"), drawn(3, 3, name="W"), drawn(*batch, 3, name="q")
        for _ in tg.steps(4):
            p = tg.softmax(2.0 * state @ X.T)
            p.name = "p"
            state = p @ X @ W
            state.name = "q"
        return tg.sum(state * state)

    return loss


def packed_scalar_products() -> tg.Tensor:
    """Return a network in which parts of a packed vector are multiplied with the state."""
    p, W = drawn(9), drawn(2, 3, name="W")
    p.name = Packed("p", ("p.a", "p.b", "p.c"))
    x, h, loss = drawn(4, 2), drawn(3, name="h"), 0.0
    for k in tg.steps(4):
        a, b = tg.sigmoid(h @ p[:3]), tg.tanh(h @ p[3:6])
        h = tg.tanh(a * (x[k] @ W) + b * h + p[6:])
        h.name = "h"
        loss = loss + tg.sum(h * h)
    return loss


def classes_of_single_precision() -> tg.Tensor:
    lstm = tg.nn.LSTM(3, 2, seed=0, dtype="float32")
    out, _ = lstm(np.eye(3, dtype=np.float32)[[0, 2, 1, 0]])
    tokens = tg.Tensor(np.ones((5, 2), np.float32), requires_grad=True, name="E")[[1, 1, 4, 0]]
    return tg.nn.softmax_cross_entropy(tg.erf(out) + tokens, [0, 1, 1, 0])


NETWORKS = {
    "lstm": lambda: network()[0],
    "lstm of a batch": lambda: network(batch=(5,))[0],
    "gates apart": lambda: gates(hoisted=False),
    "x W before the loop": lambda: gates(hoisted=True),
    "gru": layer(tg.nn.GRU, 4, 3, 2),
    "rnn": layer(tg.nn.RNN, 4, 2),
    "peepholes": layer(tg.nn.LSTM, 4, 2, peephole=True),
    "projected": layer(tg.nn.LSTM, 4, 3, 2, proj_size=2),
    "two layers": layer(tg.nn.LSTM, 4, 3, 2, num_layers=2),
    "both directions": layer(tg.nn.GRU, 4, 3, 2, bidirectional=True),
    "truncated": layer(tg.nn.LSTM, 5, 2, truncate=2),
    "learned initial state": layer(tg.nn.LSTM, 4, 3, 2, initial="learned"),
    "padded": lambda: tg.nn.squared_error(
        tg.nn.LSTM(2, 3, seed=0)(drawn(4, 3, 2), lengths=[4, 2, 1])[0], np.ones((4, 3, 3))
    ),
    "two steps back": two_steps_back,
    "filters": PICTURES["fir"][0],
    "characters": characters,
    "tokens": tokens,
    "attention": attention,
    "attention at every step": attentive_decoder,
    "encoder and decoder": encoder_and_decoder,
    "another first step": first_step_differs,
    "matrices": matrices,
    "normalized": normalized,
    "convolved": convolved,
    "the same at every step": made_before_the_loop(lambda made, k: made[1]),
    "a part at every step": made_before_the_loop(lambda made, k: made[k]),
    "parts in reverse": made_before_the_loop(lambda made, k: made[3 - k]),
    "a mean of all steps": made_before_the_loop(lambda made, k: tg.mean(made, axis=0)),
    "penalty on lstm": penalty_on(tg.nn.LSTM),
    "penalty on gru": penalty_on(tg.nn.GRU),
    "a gate and the whole": gate_and_whole,
    "fast weights": fast_weights,
    "two tokens": two_tokens_a_step(),
    "two tokens of a batch": two_tokens_a_step(2),
    "first state of one number": spread(lambda s: s * np.ones((2, 3))),
    "first state of one column": spread(lambda s: tg.broadcast_to(s, (2, 1)) * np.ones((2, 3))),
    "pooled by attention": pooled_by_attention,
    "a new axis": lambda: recurrent(
        lambda x, h: tg.tanh(x + (h[None] * h[:, None])[:, 0] + h[..., None, :][:, 0]),
        drawn(2, 3, name="h"),
    ),
    "a part of both ends": lambda: tg.sum(
        tg.nn.RNN(2, 3, seed=0)(drawn(5, 2))[0][-2:][None] ** 2
    ),
    "hopfield": hopfield(),
    "hopfield of a batch": hopfield(2),
    "packed scalar products": packed_scalar_products,
    "one hidden unit": lambda: tg.sum(tg.nn.LSTM(2, 1, seed=0, peephole=True)(drawn(4, 2))[0] ** 2),
    "multi-head attention": lambda: tg.sum(
        tg.nn.Attention(4, heads=2, seed=0)(drawn(3, 4)) ** 2
    ),
    "classes of a batch": lambda: tg.nn.softmax_cross_entropy(
        tg.nn.GRU(2, 3, seed=0)(drawn(4, 2, 2))[0], [[0, 1], [2, 2], [1, 0], [0, 0]]
    ),
    "classes with ignored ones": lambda: tg.nn.softmax_cross_entropy(
        tg.nn.GRU(2, 3, seed=0)(drawn(4, 2))[0], [0, -1, 2, 1], ignore_index=-1
    ),
    "classes of single precision": classes_of_single_precision,
}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_program_gives_the_gradients_of_the_tape(name):
    derivation = check(NETWORKS[name]())
    for form in (str(derivation), derivation.latex(), derivation.markdown()):
        assert form


@pytest.mark.parametrize("program", PROGRAMS, ids=range(len(PROGRAMS)))
def test_program_of_a_random_composition_gives_the_gradients_of_the_tape(program):
    check(program.run(tg, program.leaves()))


def test_a_recurrence_keeps_its_loop():
    derivation = check(network(T=7)[0])
    assert derivation.reason == "" and [len(x.steps) for x in derivation.loops.values()] == [7]
    assert derivation.numpy().count("for k in") == 3  # forward, the sum of the loss, backward


def test_program_of_an_lstm_with_a_loss_has_at_most_60_lines():
    source = tg.derive(network()[0]).numpy()
    assert len(source.splitlines()) <= 60
    tree = ast.parse(source)
    imported = [x for x in ast.walk(tree) if isinstance(x, ast.Import | ast.ImportFrom)]
    assert [ast.unparse(x) for x in imported] == ["import numpy as np"]
    assert {x.name for x in tree.body if isinstance(x, ast.FunctionDef)} == {"forward", "backward"}


def test_program_that_is_changed_gives_other_gradients():
    derivation = tg.derive(network()[0])
    source = derivation.numpy()
    _, right = run(derivation)
    for old, new in {
        "+ dout_handed": "",
        "dout_handed + ": "",
        "1 - a[k] ** 2": "1 - a[k]",
    }.items():
        if old in source:
            module: dict[str, Any] = {}
            exec(source.replace(old, new), module)
            _, signals = module["forward"](**derivation.arrays())
            wrong = module["backward"](**signals)
            assert any(not np.allclose(wrong[name], right[name]) for name in right)


@pytest.mark.long
def test_a_long_chain_without_names_is_derived_in_lines_of_a_few_operations():
    y = x = drawn(2)
    for _ in range(800):  # deeper than Python's own limit of 1000 calls
        y = tg.sin(y * 1.01)
    derivation = check(tg.sum(y * x))
    assert 80 < len(derivation.equations) < 800
    assert max(map(len, derivation.numpy().splitlines())) < 400


def test_what_varies_over_the_steps_has_lines_of_its_own():
    x, h = drawn(3, 3, 3), drawn(3, 3, name="h")
    for k in tg.steps(3):
        h = tg.tanh(tg.sum(h, axis=k % 2, keepdims=True) + x[k])
    derivation = check(tg.sum(h * h))
    assert "axis" in derivation.reason and derivation.reason in " ".join(str(derivation).split())
    with pytest.raises(UsageError, match="axis"):
        tg.derive(tg.sum(h * h), fold=True)


# --- every line is true -------------------------------------------------------------------------


class Numbers:
    """The recorded signals of a network and their δ, by wire and step."""

    def __init__(self, derivation: Derivation) -> None:
        assert derivation.recorded is not None
        self.network, self.δ = derivation.recorded.network, derivation.recorded.deltas
        self.start = {x.state.name: x for x in derivation.initial}
        self.initial = {(x.state.name, x.state.offset, x.loop): x.start for x in derivation.initial}

    def read(self, signal: Variable, k: int | None) -> Any:
        values = self.δ[signal.wire] if signal.is_delta else self.network.wires[signal.wire].value
        if isinstance(signal, Dated):
            return values[signal.step] if signal.step < len(values) else np.zeros_like(values[0])
        if signal.offset is None or k is None:
            return values
        step, loop = k + signal.offset, self.network.maker[signal.wire].loop
        if 0 <= step < len(values):
            return values[step]
        if signal.is_delta:
            return np.zeros_like(values[0])
        before = signal.offset + (k if step < 0 else k - len(values) + 1)
        if (signal.name, before, loop) not in self.initial:
            return np.zeros_like(values[0])  # beyond the last step, beside a δ that is 0 there
        return self.value(self.initial[signal.name, before, loop], None)

    def value(self, formula: Any, k: int | None) -> Any:
        if isinstance(formula, Variable):
            return self.read(formula, k)
        if not isinstance(formula, Symbol):
            return formula
        if formula.apply is None:
            return formula.value
        if formula.parameters.keys() == {"steps"}:  # at every step
            return np.stack(
                [self.value(formula.operands[0], n) for n in range(formula.parameters["steps"])]
            )
        at = re.search(r" at (the first|the last|) ?step ?(\d*)$", formula.notation.text)
        if at:  # one step of what a loop makes
            count = len(self.network.wires[leaves(formula)[0].wire].value)
            one = {"the first": 0, "the last": count - 1}.get(at[1]) if at[1] else int(at[2])
            return self.value(formula.operands[0], one)
        if formula.notation in (OVER_STEPS, OF_STEPS):
            loops = (self.network.maker[x.wire].loop for x in leaves(formula))
            loop = next(loop for loop in loops if loop is not None)
            steps = range(len(self.network.loops[loop].steps))
            several = [self.value(formula.operands[0], n) for n in steps]
            return np.sum(several) if formula.notation is OVER_STEPS else sum(several)
        operands = [self.value(x, k) for x in formula.operands]
        parameters = {
            name: k
            if isinstance(x, Varying) and x.name == "k"
            else x.values[min(k + x.offset, len(x.values) - 1)]
            if isinstance(x, Varying)
            else x
            for name, x in formula.parameters.items()
        }
        return formula.apply(*operands, **parameters)


def sum_of(numbers: Numbers, terms: Any, derivation: Derivation, shape: Any, k: int | None) -> Any:
    """Return the right side of a backward line as a reader would work it out."""
    total = np.zeros(shape)
    for term in terms:
        if term.starts:
            loop = numbers.network.maker[leaves(term.formula)[0].wire].loop
            last = len(derivation.loops[loop].steps) - 1
            total = total + numbers.value(term.formula, 0 if term.starts == "first" else last)
        elif term.only is not None and k is None:
            total[term.only[0]] += numbers.value(term.formula, k)
        elif term.only is not None and term.only[0] != k:
            continue
        elif term.loop is None:
            total = total + numbers.value(term.formula, k)
        else:
            for step in range(len(derivation.loops[term.loop].steps)):
                share = numbers.value(term.formula, step)
                if term.place is None:
                    total = total + share
                else:
                    index = term.place["index"]
                    np.add.at(total, index.values[step], share)
    return total


@pytest.mark.parametrize("name", NETWORKS)
def test_every_backward_line_is_true_at_every_step(name):
    loss = NETWORKS[name]()
    derivation = tg.derive(loss)
    numbers = Numbers(derivation)
    lines = [line for group in page(derivation).backward for line in group.lines]
    assert lines
    for line in lines:
        for left, terms in read_for_each_letter(line, derivation):
            δ = numbers.δ[left.wire]
            for k in [None] if left.offset is None else range(len(δ)):
                found = δ if k is None else δ[k]
                right = sum_of(numbers, terms, derivation, np.shape(found), k)
                close = 1e-13 * units(loss)
                np.testing.assert_allclose(
                    right, found, rtol=10 * close, atol=close, err_msg=left.name
                )


@pytest.mark.parametrize("name", NETWORKS)
def test_every_forward_line_is_true_at_every_step(name):
    derivation = tg.derive(NETWORKS[name]())
    numbers = Numbers(derivation)
    for line in (line for group in page(derivation).forward for line in group.lines):
        for left, (term,) in read_for_each_letter(line, derivation):
            whole = numbers.network.wires[left.wire].value
            for k in [None] if left.offset is None else range(len(whole)):
                recorded = whole if k is None else whole[k]
                right = np.broadcast_to(numbers.value(term.formula, k), np.shape(recorded))
                np.testing.assert_allclose(right, recorded, 1e-12, 1e-13, err_msg=left.name)


def read_for_each_letter(line: Line, derivation: Derivation) -> list[tuple[Variable, Any]]:
    """Return a line, or what it says for each letter that g stands for, by the names alone."""
    known = {x.signal.name: x.signal for x in (*derivation.sources, *derivation.equations)}

    def put(letter: str, of: str) -> Callable[[Any], Any]:
        def leaf(old: Any) -> Any:
            if not isinstance(old, Variable) or not re.search(f"_{of}(⁽.*⁾)?$", old.name):
                return old
            own = known[re.sub(f"{of}(⁽.*⁾)?$", rf"{letter}\1", old.name)]
            return type(old)(own.name, own.value, own.wire, old.step, own.is_delta, old.offset)

        return leaf

    if not line.subscripts:
        terms = [
            replace(x, formula=rewrite(x.formula, leaf=put(letter, x.letter))) if letter else x
            for x in line.terms
            for letter in x.subscripts or ("",)
        ]
        return [(line.left, terms)]
    return [
        (
            put(letter, line.letter)(line.left),
            [
                replace(x, formula=rewrite(x.formula, leaf=put(letter, line.letter)))
                for x in line.terms
            ],
        )
        for letter in line.subscripts
    ]


# --- what is said -------------------------------------------------------------------------------


def test_text_reads_as_a_person_would_write_it():
    text = str(tg.derive(network()[0]))
    assert max(map(len, text.splitlines())) <= 80
    text += " ".join(text.split())
    for line in (
        "(1) s_gₖ = xₖ W_g + b_g + outₖ₋₁ U_g g = a, i, f, o",
        "δxₖ = Σ_g δs_gₖ W_gᵀ",
        "(6) stateₖ = iₖ ∘ aₖ + fₖ ∘ stateₖ₋₁",
        "δeₖ = eₖ",  # of ½ Σ e²
        "δstateₖ = δoutₖ ∘ oₖ ∘ (1 − tanh(stateₖ)²)             via out (7) by R7, R8",
        "+ δstateₖ₊₁ ∘ fₖ₊₁                   via state (6) of step k+1 by R7",
        "+ Σ_g δs_gₖ₊₁ U_gᵀ via s_g (1) of step k+1 by R6, g = a, i, f, o",
        "δU_g = Σₖ outₖ₋₁ᵀ δs_gₖ                    via s_g (1) by R6, g = a, i, f, o",
        "so δvₖ has a summand of step k+1. At k = 2 drop the summands of step k+1: there is no",
        "R8 u = tanh(w) δw = δ ∘ (1 − u²)",
        "At k = 0, stateₖ₋₁ = state[−1]; outₖ₋₁ = out[−1].",
        "lstm (at each step k) (1) s_gₖ",
        "Loss: squared error (at each step k) eₖ = yₖ − targetₖ",
        "Loss: squared error (once, after the loop) (11)",
    ):
        assert line in text


@pytest.mark.parametrize("name", NETWORKS)
def test_every_way_back_has_the_number_of_the_line_that_defines_its_signal(name):
    layout = page(tg.derive(NETWORKS[name]()))
    defined = {
        line.number: {x.name for x in line.each or (line.left,)}
        for group in layout.forward
        for line in group.lines
    }
    backward = [line for group in layout.backward for line in group.lines]
    for line, term in [(x, term) for x in backward for term in x.terms if term.via]:
        of = term if term.subscripts else line
        via = {subscripted(term.via, of.letter, x) for x in of.subscripts} or {term.via}
        assert via <= set().union(*(defined[number] for number in term.numbers)), line.left


@pytest.mark.parametrize("step, phrase", [(0, "first step"), (2, "step 2"), (-1, "last step")])
def test_one_step_of_a_loop_is_told_by_that_step(step, phrase):
    out, _ = tg.nn.RNN(2, 3, seed=0)(drawn(5, 2))
    text = str(check(tg.nn.squared_error(tg.nn.Dense(3, 2, seed=1)(out[step]), np.ones(2))))
    assert f" = outₖ at the {phrase}".replace("the step", "step") in text
    assert re.search(rf"[+=] δ\w+ +via \w+ \(\d+\)( by R\d+)?, at (the )?{phrase}", text)
    assert "scatter" not in text and "getitem" not in text


def test_a_product_of_matrices_binds_tighter_than_one_of_entries():
    first, second = (
        str(check(of(drawn(3, name="f"), drawn(3, name="h"), drawn(3, 3, name="U"))))
        for of in (lambda f, h, U: tg.sum((f * h) @ U), lambda f, h, U: tg.sum(f * (h @ U)))
    )
    assert "loss = Σ ((f ∘ h) U)" in first
    assert "u = h U" in " ".join(second.split()) and "loss = Σ (f ∘ u)" in " ".join(second.split())
    f, h, U = map(Symbol, "fhU")
    assert str(f * (h @ U)) == "f ∘ h U"


def test_two_sequences_have_two_names_and_their_values_are_listed():
    text = str(tg.derive(two_tokens_a_step()()))
    one, other = re.search(r"E\[(\w+)ₖ\] \+ E\[(\w+)ₖ\]", text).groups()
    assert one != other
    for name in (one, other):
        assert re.search(rf"^{name}ₖ = \d, \d, \d, \d\.$", text, re.MULTILINE)
        assert f"at {name}ₖ" in text


def test_a_softmax_has_no_broadcast_and_no_sum_over_zeros():
    s = drawn(2, 4, name="s") * 2.0
    text = str(check(tg.nn.softmax_cross_entropy(s, [1, 3]) + tg.sum(tg.softmax(s, axis=1) ** 2)))
    assert "broadcast" not in text and "Σ (−" not in text and "1 /" not in text
    legend, _, body = text.partition("\nForward")
    assert "softmax(" in body and "exp(" not in body and "stop(" not in body
    assert ("scatter_add(" in body) == ("scatter_add(x, i, shape) is" in legend)


def test_numbers_of_a_product_are_one_number_and_come_first():
    x, mask = drawn(2, 3), np.array([[1.0, 0.0, 1.0]])
    y = tg.tanh(x) * mask
    text = str(check(0.25 * tg.sum(y * y) - 0.5 * tg.sum(1.0 + 3.0 * x - x**2)))
    assert not re.search(r"(?<![\w.(])[\d.]+ (\d|∘)|∘ -?\d", text) and "constant" not in text


def test_an_outer_product_is_written_as_a_product_of_vectors():
    u, v, M = drawn(2, name="u"), drawn(3, name="v"), drawn(2, 3, name="M")
    text = str(check(tg.sum(M**2 * (1 - tg.outer(u, v))) + tg.sum(u[:, np.newaxis] * M)))
    assert "uᵀ v" in text and "u ∘ v" not in text and "vᵀ u" not in text


def test_summands_through_one_signal_are_one_product():
    W, U, V = (drawn(3, 3, name=name) for name in "WUV")
    x, h, loss = drawn(4, 3), np.zeros(3), 0.0
    for k in tg.steps(4):
        z, c = tg.sigmoid(x[k] @ W + h @ U), tg.tanh(x[k] @ V)
        z.name, c.name = "z", "c"
        h = z * h + (1 - z) * c
        h.name = "h"
        loss = loss + tg.sum(h * h)
    assert "δzₖ = δhₖ ∘ (hₖ₋₁ − cₖ)" in str(check(loss))


def test_a_loss_that_is_added_up_is_a_sum_over_the_steps():
    x, h, loss = drawn(4, 3), np.zeros(3), 0.0
    for k in tg.steps(4):
        h = tg.tanh(x[k] + h)
        loss = loss + tg.sum(h * h)
    text = str(check(loss))
    assert "loss = Σₖ Σ hₖ²" in text or "loss = Σₖ (Σ hₖ²)" in text
    assert re.search(r"= 2 hₖ +via loss", text) and "add" not in text


def test_every_signal_with_a_gradient_has_one_backward_line():
    derivation = tg.derive(network()[0])
    forward = [x.signal.name for x in derivation.equations if x.stage is Stage.FORWARD]
    backward = [x.signal.name for x in derivation.equations if x.stage is Stage.BACKWARD]
    assert backward == [f"δ{name}" for name in reversed(forward) if name != "loss"]


def test_a_share_is_no_total():
    """A signal with two uses has two summands, each under the way that it comes."""
    derivation = tg.derive(network()[0])
    (line,) = [x for x in derivation.equations if x.signal.name == "δstate" and x.loop == 0
               and x.stage is Stage.BACKWARD]  # fmt: skip
    assert sorted(term.via for term in line.terms) == ["out", "state"]


def test_names_are_as_short_as_can_be_told_apart():
    names = {x.signal.name for x in tg.derive(network()[0]).sources}
    assert {"x", "W_a", "U_o", "b_f", "W", "b"} <= names
    two = tg.derive(layer(tg.nn.LSTM, 4, 2, num_layers=2)())
    assert {"W_a⁽⁰⁾", "W_a⁽¹⁾"} <= {x.signal.name for x in two.sources}
    text = " ".join(str(two).split())
    assert "s_a⁽⁰⁾ is s_a of " in text and "W_g⁽¹⁾ (3, 3)" in text and "out⁽¹⁾[−1]" in text
    assert "δW_g⁽¹⁾ = Σₖ out⁽⁰⁾ₖᵀ δs_g⁽¹⁾ₖ" in text
    assert r"{s_{a,k}^{(0)}}" in two.latex() and "W_a_0" in two.numpy()
    parts = [two.leading_to(name) for name in ("W_a⁽⁰⁾", "layers.0.W.a", "lstm.layers.0.W.a")]
    assert len({str(part).partition("\n")[2] for part in parts}) == 1


def test_modules_of_equal_numbers_in_two_lists_are_told_apart():
    class Net(tg.nn.Module):
        def __init__(self):
            self.up = [tg.nn.Dense(2, 2, tg.tanh, seed=n) for n in range(2)]
            self.down = [tg.nn.Dense(2, 2, tg.tanh, seed=n) for n in range(2)]

        def forward(self, x):
            for one in (*self.up, *self.down):
                x = one(x)
            return x

    names = {x.signal.name for x in tg.derive(tg.sum(Net()(np.ones((1, 2))) ** 2)).sources}
    assert {"up.W⁽⁰⁾", "up.W⁽¹⁾", "down.W⁽⁰⁾", "down.W⁽¹⁾"} <= names


def test_no_letter_stands_for_two_things():
    """The letter of a net input is no signal's, and the letter for all gates is no gate's."""
    W, x = drawn(2, 3, name="W"), drawn(4, 2)
    s = tg.tanh(x @ W)
    s.name = "s"
    p = tg.sigmoid(s * 2.0 + 1.0)
    p.name = "p"
    derivation = tg.derive(tg.sum(p * p * s))
    names = {x.signal.name for x in derivation.equations}
    assert {"s", "z_p"} <= names and "s_p" not in names


@pytest.mark.parametrize("reduce", [tg.sum, tg.max, tg.mean, tg.logsumexp, tg.softmax, tg.norm])
def test_networks_that_differ_in_an_axis_have_other_formulas(reduce):
    forms = []
    for axis in (0, 1, 2):
        x = tg.Tensor(np.arange(24.0).reshape(2, 3, 4) ** 0.5, requires_grad=True, name="x")
        derivation = tg.derive(tg.sum(reduce(x, axis=axis) ** 2))
        forms.append((str(derivation), derivation.latex()))
    for texts in zip(*forms, strict=True):
        assert len(set(texts)) == 3
        assert all(f"axis {axis}" in text for axis, text in enumerate(texts))


def test_a_signal_without_a_name_is_called_by_its_function():
    W, x = drawn(2, 3, name="W"), drawn(4, 2)
    p = tg.sigmoid(x @ W + 1.0)
    p.name = "p"
    derivation = tg.derive(tg.sum(p * p))
    assert "s_p" in {x.signal.name for x in derivation.equations}


def test_a_difference_from_data_is_an_error_and_no_other_difference():
    x, W, V = np.arange(1.0, 7.0).reshape(2, 3), drawn(3, 3, name="W"), drawn(3, 3, name="V")
    text = str(tg.derive(tg.sum((x @ W - x[::-1]) ** 2)))
    assert " e    = x W − t " in text
    text = str(tg.derive(tg.sum((tg.tanh(x @ W) - tg.tanh(x @ V)) ** 2)))
    assert " = tanh(s) − tanh(u) " in text and " e " not in text


def test_the_part_that_leads_to_one_signal_has_no_other_line():
    whole = tg.derive(network()[0])
    part = whole.leading_to("dense.W")
    assert [x.signal.name for x in part.equations if x.stage is not Stage.FORWARD] == [
        "δe", "δy", "δz", "δW"
    ]  # fmt: skip
    assert "δstate" not in str(part) and "δW = Σₖ outₖᵀ δzₖ" in str(part)
    for name in ("lstm.U", "lstm.U.i", "U_i"):
        text = str(whole.leading_to(name))
        assert "δU_" in text and "δW" not in text and "δstateₖ" in text
    with pytest.raises(tg.SignalError, match=r"lstm\.W\.x.*lstm\.W"):
        whole.leading_to("lstm.W.x")


def test_numbers_of_a_step_are_those_of_the_tape():
    loss, _ = network(T=4)
    loss.backward()
    signals, derivation = tg.signals(loss), tg.derive(loss)
    for step in (0, 2, -1):
        text = derivation.text(values=step).replace("\n", " ")
        k = step % 4
        for name, δ in (("state", "δstateₖ"), ("out", "δoutₖ")):
            signal = signals[f"lstm.{name}[{k}]"]
            assert f"= [{', '.join(f'{x:.4g}' for x in signal.value)}]" in text
            after = text.partition(f" {δ} = ")[2].partition(" = [")[2]
            assert after.startswith(f"{', '.join(f'{x:.4g}' for x in signal.gradient)}]")
    for wrong in (4, -5):
        with pytest.raises(tg.OutOfRangeError, match="-4 to 3"):
            derivation.text(values=wrong)
    with pytest.raises(tg.TinygradError):
        derivation.text(values="last")


@pytest.mark.parametrize("name", ["dense.W", "lstm.U", "lstm.U.i", "lstm.b", "x", "lstm.state[-1]"])
def test_the_program_of_a_part_gives_its_gradient_alone(name):
    loss, _ = network()
    part = tg.derive(loss).leading_to(name)
    _, gradients = run(part)
    assert list(gradients) == [name]
    expected = tg.explain(loss, name, style="stages").value
    np.testing.assert_allclose(gradients[name], expected, rtol=0, atol=1e-14)


def test_a_program_of_what_is_no_leaf_is_refused():
    part = tg.derive(network()[0]).leading_to("lstm.state")
    assert "δstateₖ" in str(part)
    with pytest.raises(UsageError, match="leaves"):
        part.numpy()


ELEMENTARY = {
    "tanh", "exp", "log", "log1p", "expm1", "sin", "cos", "tan", "sinh", "cosh", "sqrt", "sign",
    "arctan", "arctanh", "arcsinh", "hypot", "erf", "erfc", "det", "softmax",
}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_the_legend_says_what_every_mark_means(name):
    legend, _, body = str(tg.derive(NETWORKS[name]())).partition("\nForward")
    called = set(re.findall(r"(?<![\w.])([a-z_]+)\(", body)) - ELEMENTARY
    legend += body.partition("\nBackward")[2].partition("\n  Rules")[0]
    legend = " ".join(legend.split())
    assert {f for f in called if f"{f}(" not in legend} == set()
    for mark, words in {
        "ᵀ": "ᵀ transposes", "σ(": r"σ\(\w\) is", " > 0]": r"\[\w > 0\]", "Σₖ": "Σₖ is",
        "via ": '"via ', "at every step k]": r"\[\w at every step k\]",
        "softmax(": r"softmax\(\w\) is", " axis ": "Axes count from 0",
    }.items():  # fmt: skip
        assert (mark in body) <= bool(re.search(words, legend)), mark


@pytest.mark.parametrize("name", NETWORKS)
def test_no_letter_of_the_legend_is_a_signal(name):
    derivation = tg.derive(NETWORKS[name]())
    names = {x.signal.name.removeprefix("δ") for x in (*derivation.sources, *derivation.equations)}
    layout = page(derivation)
    dummies = {layout.rules_title.split()[-1]}
    dummies.update(*(re.findall(r"(?<!\w)δ?([^\W\dδ_])(?!\w)", x + "; " + gives)
                     for _, x, gives in layout.rules if "entries" not in x))  # fmt: skip
    legend = " ".join(layout.legend)
    dummies.update(re.findall(r"(?<!\w)\w+\((\w)\) is", legend))
    dummies.update(re.findall(r"entry; (\w) (\w) is a product", legend)[0])
    assert dummies.isdisjoint(names - {"Σ"}) and len(dummies) > 2


@pytest.mark.parametrize("name", NETWORKS)
def test_the_rules_are_those_of_the_functions_that_a_gradient_passes(name):
    derivation = tg.derive(NETWORKS[name]())
    assert derivation.recorded is not None
    network, δ = derivation.recorded.network, derivation.recorded.deltas
    kinds = Kind.ELEMENTWISE, Kind.MATRIX_FUNCTION, Kind.REDUCTION
    functions = {
        blank(str(x.primitive.formula()))
        for x in network.nodes
        if x.primitive
        and x.kind in kinds
        and len(x.inputs) != 2
        and not δ.keys().isdisjoint(x.inputs)
    }
    told = {blank(operation.partition(" = ")[2]) for _, operation, _ in page(derivation).rules}
    combined = {x for x in told if x.startswith("· (")}  # a rule of several operations at once
    assert all(x in told or any(x in whole for whole in combined) for x in functions)
    assert {x for x in told - combined if "(" in x or "‖" in x} <= functions


def blank(text: str) -> str:
    """Return a formula without the letters that stand for anything."""
    return re.sub(r"(?<!\w)[^\W\d](?!\w|\()", "·", text.replace("-", "−"))


def numbers_in(line: str) -> np.ndarray:
    return np.array([float(x) for x in re.findall(r"-?[\d.]+(?:e-?\d+)?", line)])


@pytest.mark.parametrize("name", ["lstm.U.i", "dense.W", "lstm.b"])
def test_what_each_step_adds_and_the_gradient_in_full_are_those_of_the_tape(name):
    loss, _ = network(T=4)
    loss.backward()
    gradient = tg.signals(loss)[name].gradient
    lines = tg.explain(loss, name).text(values=-1).splitlines()
    if name != "lstm.b":  # whose four parts are told in one line
        shares = [numbers_in(x.partition("adds")[2]) for x in lines if " adds " in x]
        assert len(shares) == 4
        row = np.atleast_2d(gradient)[0]
        np.testing.assert_allclose(np.sum(shares, axis=0), row, rtol=0, atol=4e-4)
        (start,) = (n for n, x in enumerate(lines) if x.startswith("δ") and x.endswith(" ="))
        matrix = np.array([numbers_in(x) for x in lines[start + 1 :]])
        np.testing.assert_allclose(matrix, np.atleast_2d(gradient), rtol=6e-4)
    else:
        assert [x.split()[0] for x in lines[-12:] if x.startswith("δ")] == [
            "δb_a", "δb_i", "δb_f", "δb_o",
        ]  # fmt: skip


def test_norms_stand_in_one_table_of_steps_and_signals():
    loss, _ = network(T=4)
    loss.backward()
    signals = tg.signals(loss)
    lines = tg.derive(loss).text(values=0).splitlines()
    lines = lines[lines.index("Norms, from the last step to the first") + 1 :]
    heads = [n for n, line in enumerate(lines) if line.split()[0] == "k"]
    read: dict[str, list[float]] = {}
    for n in heads:
        names = [name.strip("‖δ") for name in lines[n].split()[1:]]
        rows = [line.split() for line in lines[n + 1 : n + 5]]
        assert [row[0] for row in rows] == ["3", "2", "1", "0"]
        read |= {name: [float(row[at + 1]) for row in rows] for at, name in enumerate(names)}
    for name in ("state", "s_f", "out"):
        norms = [np.linalg.norm(signals[f"lstm.{name}[{k}]"].gradient) for k in (3, 2, 1, 0)]
        np.testing.assert_allclose(read[name], norms, rtol=6e-4)
    assert max(map(len, tg.derive(recurrence(300)).text(values=[0, -1]).splitlines())) <= 80
    assert tg.derive(recurrence(300)).text(values=0).count("…") > 10


def test_numbers_of_several_steps_stand_below_one_another():
    loss, _ = network(T=4)
    loss.backward()
    text = tg.derive(loss).text(values=(-1, 1))
    assert "step 3 (the last) and step 1" in " ".join(text.split())
    after = text.partition(" δstateₖ = ")[2]
    for k in (3, 1):
        δ = tg.signals(loss)[f"lstm.state[{k}]"].gradient
        assert f"k = {k}: [{', '.join(f'{x:.4g}' for x in δ)}]" in after


def test_the_class_of_each_step_is_read_at_that_step():
    text = str(check(characters()))
    assert "loss = −0.25 Σₖ log softmax(yₖ)[indexₖ]" in " ".join(text.split())
    assert "δyₖ = 0.25 (softmax(yₖ) − onehot(indexₖ))" in text
    assert "indexₖ = 3, 2, 4, 1." in text and "scatter" not in text


def test_classes_of_a_batch_are_told_as_onehot():
    W, x = drawn(3, 4, name="W"), drawn(5, 2, 3)
    loss: Any = 0.0
    for k in tg.steps(5):
        z = x[k] @ W
        z.name = "z"
        loss = loss + tg.nn.softmax_cross_entropy(z, [[0, 3], [2, 1], [3, 3], [1, 0], [2, 2]][k])
    text = " ".join(str(check(loss)).split())
    assert "lossₖ = −0.5 Σ (onehot(tₖ) ∘ (log softmax(zₖ) along axis 1))" in text
    assert "δzₖ = 0.5 ((softmax(zₖ) along axis 1) − onehot(tₖ))" in text
    assert "tₖ at k = 0, 1, … is [0, 3]; [2, 1]; [3, 3]; [1, 0]; [2, 2]." in text


def test_the_entry_of_each_row_that_a_loss_adds_up_is_one_rule():
    """So no reader has to find that δ of a row of onehot adds up to δ."""
    z = drawn(3, 4, name="z")
    text = " ".join(str(check(tg.nn.softmax_cross_entropy(z, [0, 3, 2]))).split())
    assert (
        "R3 y = Σ (onehot(i) ∘ log softmax(x)) δx = δ ∘ (onehot(i) − softmax(x)), "
        "as the entries of onehot(i) in a row add up to 1" in text
    )
    assert "via loss (1) by R1, R2, R3" in text and "R4" not in text


def test_the_rule_of_the_chosen_entries_of_a_function_that_adds_nothing_up_says_no_sum():
    z = drawn(3, 4, name="z")
    rows = tg.cumsum(z, axis=1)[np.arange(3), [0, 3, 2]]
    rules = {x: gives for _, x, gives in page(check(rows.sum())).rules}
    assert not any("add up" in gives for gives in rules.values())


@pytest.mark.parametrize(
    "sum_of, told",
    [
        (lambda e: tg.sum(e * e) * (1 / 6), "(1/6) is one divided by 3 rows · 2 columns: a mean."),
        (lambda e: tg.sum(e * e) * (1 / 3), "(1/3) is one divided by 3 rows: a mean."),
        (
            lambda e: tg.sum(tg.sin(tg.sum(e, axis=0) * (1 / 3))),
            "(1/3) is one divided by 3 rows: a mean.",
        ),
        (lambda e: tg.sum(tg.sin(tg.sum(e, axis=1) * (1 / 3))), ""),
        (lambda e: 0.5 * tg.sum(e * e), ""),
    ],
)
def test_a_factor_that_makes_a_mean_of_a_sum_is_told(sum_of, told):
    text = " ".join(str(check(sum_of(drawn(3, 2, name="e")))).split())
    assert text.count("a mean.") == bool(told) and told in text


def test_what_is_kept_and_in_which_order_is_told_before_the_backward_lines():
    before, _, after = " ".join(str(tg.derive(network()[0])).split()).partition("Backward")
    kept = "the forward pass keeps of every step: a, i, f, o, state, out, y, e."
    assert kept in after  # s_a and z are read by no backward line
    assert "computed from top to bottom" in after and "ᵀ transposes." in after
    assert "ᵀ transposes" not in before


def test_a_softmax_and_a_sum_over_steps_have_lines_of_their_own():
    out, _ = tg.nn.RNN(2, 3, seed=0)(drawn(4, 2, 2))
    weights = tg.softmax(tg.sum(out * drawn(3, name="v"), axis=2), axis=0)
    mean = tg.sum(weights[:, :, None] * out, axis=0)
    text = str(check(tg.sum(tg.tanh(mean @ drawn(3, 3, name="M")) * out[-1])))
    for line in (
        "= Σₖ (pₖᵀ ∘ outₖ)", "δpₖ = Σ over axis 1 of (δw ∘ outₖ)", "+ δw ∘ pₖᵀ",
        "= p ∘ (δp − (Σ over all steps of (δp ∘ p)))",
    ):  # fmt: skip
        assert line in text, text
    assert "scatter" not in text and "_all" not in text


def test_two_lists_of_gates_have_two_letters_and_no_name_a_step():
    gru, cell = tg.nn.GRU(2, 3, seed=0, name="enc"), tg.nn.LSTMCell(3, 3, seed=1, name="dec")
    _, h = gru(drawn(4, 2))
    out, state, loss = h, np.zeros(3), 0.0
    for _ in tg.steps(3):
        out, state = cell(out, (out, state))
        loss = loss + tg.sum(out * out)
    text = " ".join(str(check(loss)).split())
    assert "g = r, z, n" in text and "j = a, i, f, o" in text and "s_jₖ" in text
    assert "dec[0]" not in text and " state[−1] (3,)" in text


def test_every_form_numbers_the_line_beside_each_delta():
    derivation = tg.derive(network()[0])
    for text in (derivation.latex(), derivation.markdown()):
        (row,) = (x for x in text.splitlines() if "& \\delta z_" in x)
        assert r"W + b \;\;(8) &" in row and r"\text{via } y\,(9)" in row
    assert '<td class="number">(8)</td><td><math' in derivation.html().partition("Backward")[2]


def test_a_number_is_told_so_that_a_reader_can_type_it():
    x, y = drawn(3), drawn(4, name="y")
    derivation = check(0.1 * tg.mean(x * x) + tg.sum(tg.tanh(y) * (1 / np.sqrt(3))))
    text, latex = str(derivation), derivation.latex()
    assert "(1/30)" in text and "(1/√3)" in text and "(1/15) x" in text and "0.0333" not in text
    assert r"(1/\sqrt{3})" in latex and "(1/30)" in latex


def test_nothing_is_transposed_twice():
    q, K, M = drawn(4, name="q"), drawn(4, 4, name="K"), drawn(5, 4, name="M")
    text = str(check(tg.sum(tg.softmax(q @ K @ M.T) @ M)))
    assert not re.search(r"ᵀ\)ᵀ|\)ᵀ$", text, re.MULTILINE) and "δM = δsᵀ (q K)" in text


def test_a_forward_line_tells_the_shape():
    text = str(tg.derive(network(T=4, batch=(5,))[0]))
    assert re.search(r"\(6\) stateₖ = .* \(5, 4\)$", text, re.MULTILINE)
    assert "stands the shape" in text
    assert "stands the shape" not in tg.derive(network()[0]).latex()


# --- forms --------------------------------------------------------------------------------------

NAMES = [
    "np", "k", "d", "lambda", "x y", "δ", "signals", r"\input{/etc/passwd}", "$x$", "a'b", 'a"b',
    '"""); import os; os.abort() #', "<script>alert(1)</script>", "line\nbreak", "# comment", "ℌ",
    "H", "{0}", "%s", "a_b", "a_b_2", "out[-1]", "loss", "日本", "|a|", "δx", "x", "δx y", "a⁽⁰⁾",
    "red\x1b[31m", "\u202eback", "nul\x00", "&lt;", "~^\\",
]  # fmt: skip


def named_oddly() -> tg.Tensor:
    total: Any = 0.0
    for n, name in enumerate(NAMES):
        x = drawn(2, name=name)
        y = tg.tanh(x * (n + 1.0))
        y.name = f"{name}'"
        total = total + tg.sum(y * y)
    return total


def test_no_name_is_run_or_read_as_a_command():
    derivation = check(named_oddly())
    names = {x.id for x in ast.walk(ast.parse(derivation.numpy())) if isinstance(x, ast.Name)}
    assert "os" not in names
    latex = derivation.latex(standalone=True)
    assert r"\input{/etc" not in latex and "import os" not in derivation.latex().replace("\\,", "")
    assert "<script" not in derivation.html()
    assert not re.search(r"(?<!\\)<script", derivation.markdown())
    for wrt in ("", *NAMES):
        part = derivation.leading_to(wrt) if wrt else derivation
        for text in (part.text(values=0), part.latex(), part.markdown(), part.html(), part.numpy()):
            assert all(sign.isprintable() or sign == "\n" for sign in text)
            assert "\nbreak" not in text


def test_html_is_whole_and_fetches_nothing():
    page = tg.derive(network()[0]).html()
    assert page.startswith("<!DOCTYPE html>") and page.rstrip().endswith("</html>")
    assert page.count("<math") > 30
    assert not re.search(r"<script|<link|<img|src=|@import", page)
    assert set(re.findall(r"https?://[^\"' >]*", page)) <= {"http://www.w3.org/1998/Math/MathML"}


def test_html_says_what_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "latex2mathml.converter", None)
    with pytest.raises(PackageError, match=r"tinygrad-lstm\[html\]"):
        tg.derive(network()[0]).html()


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="needs pdflatex (Debian: texlive)")
@pytest.mark.parametrize(
    "name", ["lstm", "two layers", "attention", "normalized", "both directions", "odd names"]
)
def test_latex_compiles(name, tmp_path):
    make = NETWORKS.get(name, named_oddly)
    (tmp_path / "it.tex").write_text(tg.derive(make()).latex(standalone=True), "utf-8")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "it.tex"],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, errors="replace",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-1500:]
    assert (tmp_path / "it.pdf").stat().st_size > 10_000


NET = """
import numpy as np
import tinygrad_lstm as tg
lstm = tg.nn.LSTM(2, 3, seed=0)
loss = tg.nn.squared_error(lstm(np.ones((4, 2)))[0], np.zeros((4, 3)))
"""


@pytest.mark.parametrize("form", FORMS)
def test_command_writes_every_form(form, tmp_path, capsys):
    (tmp_path / "net.py").write_text(NET)
    assert command(["derive", str(tmp_path / "net.py"), "--to", form]) == 0
    out = capsys.readouterr().out
    begins = {
        "text": "Derivation of", "markdown": "## Derivation", "latex": r"\documentclass",
        "html": "<!DOCTYPE", "numpy": "import numpy as np",
    }  # fmt: skip
    assert out.startswith(begins[form])


# --- wrong input --------------------------------------------------------------------------------


def test_what_cannot_be_derived_is_refused_by_its_reason():
    with pytest.raises(UsageError, match="expected a Tensor computed from others"):
        tg.derive(tg.Tensor(1.0, requires_grad=True))
    with pytest.raises(UsageError, match=r"found \[1.0\], expected a Tensor"):
        tg.derive([1.0])
    with pytest.raises(tg.GradientError):
        tg.derive(drawn(2) * 2.0)
    with pytest.raises(UsageError):
        tg.derive(tg.sum(drawn(2) * 2.0), fold=True)
    with pytest.raises(tg.TinygradError):
        tg.derive(tg.sum(drawn(2) * 2.0), fold="yes")


HIDDEN = 2.0


def doubled(function: Callable[..., Any]) -> Callable[..., Any]:
    return wraps(function)(lambda x: 2.0 * function(x))


@doubled
def decorated(x):
    return x


@pytest.mark.parametrize("forward", [lambda x: x * HIDDEN, decorated, lambda x: decorated(x)])
def test_an_operation_without_a_form_in_numpy_is_refused_by_name(forward):
    of_its_own = elementwise(
        "of_its_own", forward, lambda x, y: y / x, notation=function("own"),
        samples=lambda: [((np.array([0.5]),), {})],
    )  # fmt: skip
    derivation = tg.derive(tg.sum(of_its_own(drawn(2))))
    assert str(derivation)
    with pytest.raises(UsageError, match=r"primitive of_its_own has no form in NumPy"):
        derivation.numpy()


def bump(x):
    return np.exp(-x * x)


def test_a_primitive_of_a_user_is_written_into_the_program():
    of_bump = elementwise(
        "bump",
        bump,
        lambda x, y: -2.0 * x * y,
        notation=function("bump"),
        samples=lambda: [((np.array([0.5]),), {})],
    )
    U = drawn(3, 3, name="U")
    derivation = check(recurrent(lambda x, h: of_bump(x + h @ U), np.zeros((2, 3))))
    assert "def bump(x):" in derivation.numpy()


def grown(x: np.ndarray, *, rate: float = 0.5) -> np.ndarray:
    """Return x grown at a rate."""
    return bump(x) + rate * x


def test_a_primitive_of_a_lambda_or_with_types_is_written_into_the_program():
    double, other = (
        elementwise(name, forward, slope, notation=function(name), samples=of_half)
        for name, forward, slope in (
            ("double", lambda x: 2.0 * x, lambda x, y: 2.0 + 0.0 * x),
            ("grown", grown, lambda x, y: -2.0 * x * tg.exp(-x * x) + 0.5),
        )
    )
    x = drawn(3)
    y = double(other(x))
    y.name = "grown"  # as the function is
    source = check(tg.sum(y * y)).numpy()
    assert "def double(x):\n    return 2.0 * x" in source
    assert "(x, *, rate=0.5):\n    return bump(x) + rate * x" in source


def of_half() -> list[Any]:
    return [((np.array([0.5]),), {})]


def spectra(transform: Callable[..., Any]) -> tg.Tensor:
    spectrum = transform(drawn(2, 6))
    return tg.sum(spectrum.real**3) + tg.sum(spectrum.imag**2)


def factored(factor: Callable[..., Any]) -> tg.Tensor:
    A = drawn(3, 3, name="A")
    return sum((tg.sum(part**3) for part in factor(A @ A.T + 0.5 * np.eye(3))), tg.sum(A))


@pytest.mark.parametrize(
    "make",
    [
        lambda: factored(lambda A: [tg.linalg.cholesky(A)]), lambda: factored(tg.linalg.eigh),
        lambda: factored(tg.linalg.svd), lambda: factored(lambda A: [tg.linalg.pinv(A)]),
        lambda: spectra(tg.fft.fft), lambda: spectra(tg.fft.rfft), lambda: spectra(tg.fft.fft2),
    ],
)  # fmt: skip
def test_matrices_and_spectra_have_a_form_in_numpy(make):
    source = check(make()).numpy()
    assert "np.linalg." in source or "np.fft." in source


def test_the_loss_is_called_by_one_name():
    x = drawn(2)
    text = str(tg.derive(tg.sum(x * x) + tg.sum(x)))
    assert text.startswith("Derivation of loss\n") and "δv is ∂loss/∂v" in text
    assert "loss = " in text and "add" not in text


@pytest.mark.long
def test_two_thousand_steps_are_derived_as_three_are():
    """More steps than Python's own limit of 1000 calls."""
    long, short = (" ".join(str(tg.derive(recurrence(T))).split()) for T in (2000, 3))
    for few, many in {"0 … 2": "0 … 1999", "At k = 2": "At k = 1999", "of 3": "of 2000"}.items():
        short = short.replace(few, many)
    assert long == short


@pytest.mark.parametrize("of", [tg.derive, tg.draw, lambda loss: tg.explain(loss, "lstm.W")])
def test_what_was_recorded_is_read_inside_no_grad_too(of):
    loss = network()[0]
    outside = of(loss)
    with tg.no_grad():
        inside = of(loss)
    assert getattr(inside, "dot", str(inside)) == getattr(outside, "dot", str(outside))


def test_a_weight_that_is_used_once_behind_the_loop_is_a_parameter():
    x, V = drawn(4, 3), drawn(3, 2, name="V")
    W = drawn(3, 3, name="W")
    h = np.zeros(3)
    for k in tg.steps(4):
        h = tg.tanh(x[k] @ W + h)
        h.name = "h"
    text = str(check(tg.sum((h @ V) ** 2)))
    headings = re.findall(
        r"^  (\w+)$|^    δ(V|W|xₖ) =", text.partition("Backward")[2], re.MULTILINE
    )
    order = [heading or leaf for heading, leaf in headings]
    at = order.index
    assert at("Parameters") < min(at("V"), at("W")) and max(at("V"), at("W")) < at("Inputs") < at(
        "xₖ"
    )


# --- what a reader needs to know at the borders ---------------------------------------------------


def two_steps_back() -> tg.Tensor:
    """Record a cell that reads h(k−1) and h(k−2), and adds its loss up in the loop."""
    W, U, Z = (drawn(3, 3, name=name) for name in ("W", "U", "Z"))
    before, last, x = drawn(2, 3, name="h_1"), drawn(2, 3, name="h_0"), drawn(4, 2, 3).data
    loss: Any = 0.0
    for k in tg.steps(4):
        h = tg.tanh(x[k] @ W + last @ U + before @ Z)
        h.name = "h"
        before, last = last, h
        loss = loss + tg.nn.squared_error(h, np.ones((2, 3)))
    loss.name = "L"
    return loss


def test_the_borders_of_a_loop_are_told():
    text = " ".join(str(check(two_steps_back())).split())
    for words in (
        "Derivation of L Given",  # not L[3], the step in which it got its name
        "At k = 0, hₖ₋₂ = h_1; hₖ₋₁ = h_0. At k = 1, hₖ₋₂ = h_0.",
        "At k = 3 drop the summands of step k+1, and at k ≥ 2 drop the summands of step k+2",
        "Initial values δh_0 = δs_h₀ Uᵀ",
        "Loss: squared error (once, after the loop)",
    ):
        assert words in text, words
    assert "at the first step" not in text.partition("Backward")[2]


def test_a_gradient_that_nobody_asked_for_is_not_told():
    W, x = drawn(3, 2, name="W"), tg.Tensor(np.ones((4, 3)), name="x")
    loss = tg.nn.squared_error(x @ W, np.zeros((4, 2)))
    text = str(tg.derive(loss))
    assert "δW = xᵀ" in text and "δx" not in text
    assert "δx = δe Wᵀ" not in text and "δx =" in str(tg.explain(loss, "x"))


def test_binary_cross_entropy_hands_back_what_a_person_would_write():
    z, t = drawn(4, 2, name="z"), np.array([[0.0, 1.0]] * 4)
    text = str(check(tg.nn.binary_cross_entropy_with_logits(z, t)))
    assert "δz = 0.125 (σ(z) − target)" in text


@pytest.mark.parametrize("name", NETWORKS)
def test_every_summand_has_the_rules_of_the_operations_on_its_way(name):
    layout = page(tg.derive(NETWORKS[name]()))
    terms = [term for group in layout.backward for line in group.lines for term in line.terms]
    for term in terms:
        assert set(term.rules) <= {name for name, _, _ in layout.rules}
        assert bool(term.rules) == any(use.kind != "+" for use in term.uses)
    told = {name for term in terms for name in term.rules}
    sums = {name for name, x, _ in layout.rules if re.search(r"= \w \+ \w$", x)}
    assert told | sums == {name for name, _, _ in layout.rules}


def test_a_product_that_a_function_of_several_reads_has_a_name_and_a_picked_step_too():
    A, D, R, w = drawn(3, 4, name="A"), drawn(4, 4, name="D"), drawn(4, 4, name="R"), drawn(4)
    x, h, hs = drawn(4, 2, 3), tg.Tensor(np.zeros((2, 4))), []
    w.name = "w"
    for k in tg.steps(4):
        h = tg.maximum((x[k] @ A) * (h @ D), 0.3 * (h @ R)) * w - h * h
        h.name = "h"
        hs.append(h)
    loss = tg.nn.squared_error(tg.stack(hs)[-1], np.ones((2, 4)))
    text = " ".join(str(check(loss)).split())
    for line in ("uₖ = xₖ A", "= hₖ₋₁ D", "= hₖ₋₁ R", "− hₖ₋₁²", "h_last = hₖ at the last step"):
        assert line in text, line
    assert not re.search(r"\) [A-Z]ᵀ", text.partition("Backward")[2])  # no product in brackets


def test_sums_over_the_same_axes_are_one_and_a_minus_stands_before_them():
    q, w, x, h = drawn(4, name="q"), drawn(4, name="w"), drawn(3, 2, 4), drawn(2, 4, name="h_0")
    for k in tg.steps(3):
        h = (1 - q) * h + q * tg.tanh(x[k]) + tg.cos(h * w)
        h.name = "h"
    text = " ".join(str(check(tg.nn.squared_error(h, np.zeros((2, 4))))).split())
    assert "δq = Σₖ Σ over axis 0 of (δhₖ ∘ (tanh(xₖ) − hₖ₋₁))" in text
    assert "δw = −Σₖ (Σ over axis 0 of (" in text


def test_a_product_and_a_quotient_stand_in_brackets_in_one_another():
    a, b, c = (drawn(2, 3, name=name) for name in ("a", "b", "c"))
    text = str(check(tg.sum(tg.sin(a * b / c) * tg.cos(a / c * b))))
    assert "(a ∘ b) / c" in text and "(a / c) ∘ b" in text
    assert r"\left(a \circ b\right) / c" in tg.derive(tg.sum(tg.sin(a * b / c))).latex()


@pytest.mark.parametrize("other", ["b", "t"])
def test_targets_that_are_recorded_step_by_step_are_a_sequence_of_their_name(other):
    W, b, loss = drawn(3, 3, name="W"), drawn(3, name=other), 0.0
    for k in tg.steps(4):
        target = tg.Tensor(np.full((2, 3), float(k)), name="t")
        loss = loss + tg.nn.squared_error(tg.tanh(np.ones((2, 3)) * (k + 1) @ W + b), target)
    text = str(check(loss))
    called = {"b": "t", "t": "t_2"}[other]  # as another signal is called t
    assert f", {called} (2, 3); the first axis" in text and f"− {called}ₖ" in text
    assert "stack(" not in text and "t[0]" not in text


def test_targets_that_a_loss_names_at_each_step_are_a_sequence():
    W, x, loss = drawn(3, 3, name="W"), drawn(4, 2, 3).data, 0.0
    for k in tg.steps(4):
        loss = loss + tg.nn.squared_error(tg.tanh(x[k] @ W), 2.0 * x[k])
    text = str(check(loss))
    assert ", target (2, 3); the first axis" in text and "− targetₖ" in text


def test_targets_of_each_step_that_are_read_twice_are_one_sequence():
    W, x, loss = drawn(3, 1, name="W"), drawn(4, 2, 3).data, 0.0
    for k in tg.steps(4):
        t = np.array([[1.0], [float(k % 2)]])
        loss = loss + tg.nn.binary_cross_entropy_with_logits(x[k] @ W, t)
    text = str(check(loss))
    assert ", target (2, 1); the first axis" in text and "target_2" not in text


def test_data_step_by_step_stay_apart_where_a_gradient_is_asked_for_each():
    W, loss = drawn(3, 3, name="W"), 0.0
    for k in tg.steps(3):
        t = tg.Tensor(np.full((2, 3), float(k)), requires_grad=True, name="t")
        loss = loss + tg.nn.squared_error(tg.tanh(np.ones((2, 3)) * (k + 1) @ W), t)
    text = str(check(loss))
    assert "= stack(t[0], t[1], t[2])" in text and "δt[1] = " in text


# --- whose letters they are, and what is told of several uses ------------------------------------


def test_letters_of_signals_that_the_program_does_not_name_are_said_to_be_ours():
    A, B, u_1 = (drawn(3, 3, name=name) for name in ("A", "B", "u_1"))
    y = (u_1 @ A) * (u_1 @ B)
    y.name = "y"
    text = str(check(tg.sum(tg.sin(y * y + 1.0))))
    assert "signals without a name: v, w, s." in " ".join(text.split()), text
    named = tg.tanh(u_1 @ A)
    named.name = "f"
    text = " ".join(str(tg.derive(tg.sum(named * named))).split())
    assert "signals without a name: s_f; s_f is what goes into f." in text


def test_what_comes_back_on_several_ways_through_one_signal_is_told_for_each():
    q, h, z = (drawn(2, 3, name=name) for name in ("q", "h", "z"))
    c = q * h + (1 - q) * z
    c.name = "c"
    derivation = check(tg.sum(tg.sin(c)))
    text = str(derivation)
    assert "δq = δc ∘ (h − z)" in text
    assert re.search(r"from 2 uses in c: δc ∘ h +by R\d\n +and −δc ∘ z +by R\d, R\d\n", text)
    of_first = r"\\text\{, from 2 uses: \} \\delta c \\circ h\\text\{ by R\d\} \\text\{ and \}"
    assert re.search(of_first, derivation.latex())
    p = (1 - z) * q * q
    p.name = "p"
    for same in (q * q, p):  # twice the same comes back
        assert "uses in" not in str(tg.derive(tg.sum(tg.sin(same)))).partition("δq =")[2]


def test_the_rule_of_a_softmax_has_its_reason():
    text = " ".join(str(check(tg.sum(tg.softmax(drawn(2, 3, name="x"), axis=1) ** 3))).split())
    assert re.search(r"as ∂(\w)ᵢ/∂(\w)ⱼ is −\1ᵢ \1ⱼ, plus \1ᵢ on the diagonal", text)


def test_a_rule_has_no_name_of_a_signal():
    x, R1, R2 = drawn(3, 4, name="x"), drawn(4, 4, name="R1"), drawn(4, 4, name="R2")
    layout = page(tg.derive(tg.sum(tg.tanh(x @ R1) @ R2)))
    assert [name for name, _, _ in layout.rules] == ["Q1", "Q2", "Q3"]
    assert "by Q2" in tg.derive(tg.sum(tg.tanh(x @ R1) @ R2)).text()


def test_a_gradient_that_is_a_number_is_written_as_a_fraction():
    x = drawn(3, 4, name="x")
    y = tg.tanh(x)
    y.name = "y"
    assert "δy = (1/12) " in tg.derive(tg.mean(y)).text()
