"""Holds compiled functions of whole numbers to the tape: tokens, classes and masks as arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_lstm as tg
from support.compilers import needs_a_compiler
from tinygrad_lstm.compiled import spread
from tinygrad_lstm.errors import ArgumentError, OutOfRangeError

RNG = np.random.default_rng(0)
V, T, B = 7, 6, 3


Case = tuple[Callable[..., tg.Tensor], list[tg.Tensor]]


def parts(dtype: Any = float) -> tuple[Any, ...]:
    return (
        tg.nn.Embedding(V, 5, seed=0, dtype=dtype),
        tg.nn.LSTM(5, 4, seed=0, dtype=dtype),
        tg.nn.Dense(4, V, seed=1, dtype=dtype),
    )


def leaves_of(*modules: Any) -> list[tg.Tensor]:
    return [leaf for module in modules for leaf in module.parameters()]


def of_characters(dtype: Any = float) -> Case:
    embedding, lstm, dense = parts(dtype)

    def loss_of(tokens: Any, classes: Any) -> tg.Tensor:
        return tg.nn.softmax_cross_entropy(dense(lstm(embedding(tokens))[0]), classes)

    return loss_of, leaves_of(embedding, lstm, dense)


def of_the_next() -> Case:
    embedding, lstm, dense = parts()

    def loss_of(tokens: Any, _: Any) -> tg.Tensor:
        logits = dense(lstm(embedding(tokens[:-1]))[0])
        return tg.nn.softmax_cross_entropy(logits, tokens[1:], reduction="sum")

    return loss_of, leaves_of(embedding, lstm, dense)


def in_a_loop() -> Case:
    E, U = (tg.Tensor(RNG.normal(size=(n, 4)), True, name=x) for n, x in ((V, "E"), (4, "U")))

    def loss_of(tokens: Any, classes: Any) -> tg.Tensor:
        h, losses = np.zeros((B, 4)), []
        for k in tg.steps(T):
            h = tg.tanh(E[tokens[k]] + h @ U)
            losses.append(tg.nn.softmax_cross_entropy(h @ E.T, classes[k]))
        return sum(losses)

    return loss_of, [E, U]


def in_other_shapes() -> Case:
    E = tg.Tensor(RNG.normal(size=(V, 2, 2)), True, name="E")

    def loss_of(tokens: Any, classes: Any) -> tg.Tensor:
        y = tg.embedding(E, tokens.T) * 2 + E[classes.reshape(-1)].reshape((B, T, 2, 2))
        hot = tg.one_hot(classes[..., 0], V)
        return tg.sum(y**3) + tg.sum(hot @ E.reshape((V, 4))) + tg.sum(E[tokens[2, 1]] ** 2)

    return loss_of, [E]


def with_padding() -> Case:
    embedding = tg.nn.Embedding(V, 4, padding=2, seed=0)
    return lambda tokens, classes: tg.sum(embedding(tokens) ** 2 * 0.3), embedding.parameters()


def with_masked_steps() -> Case:
    embedding, lstm, dense = parts()
    mask = np.arange(T)[:, None] < [T, 2, 4]

    def loss_of(tokens: Any, classes: Any) -> tg.Tensor:
        logits = dense(lstm(embedding(tokens))[0])
        return tg.nn.softmax_cross_entropy(logits, classes, mask=mask)

    return loss_of, leaves_of(embedding, lstm, dense)


def as_numbers() -> Case:
    w = tg.Tensor(RNG.normal(size=B), True, name="w")

    def loss_of(tokens: Any, classes: Any) -> tg.Tensor:
        return tg.sum(tg.where(tokens, w * classes, tg.tanh(w)) + tokens * w**2)

    return loss_of, [w]


CASES = {
    "characters": of_characters, "the next": of_the_next, "in a loop": in_a_loop,
    "in other shapes": in_other_shapes, "with padding": with_padding,
    "with masked steps": with_masked_steps, "as numbers": as_numbers,
    "characters of single precision": lambda: of_characters("float32"),
}  # fmt: skip


def drawn() -> tuple[np.ndarray, np.ndarray]:
    return RNG.integers(V, size=(T, B)), RNG.integers(V, size=(T, B))


def agrees(loss_of: Callable[..., tg.Tensor], leaves: list[tg.Tensor], step: Any) -> None:
    """See that other numbers give the loss and gradients of the tape, by one recording."""
    for _ in range(4):
        tokens, classes = drawn()
        results = []
        for way in (loss_of, step):
            for leaf in leaves:
                leaf.grad = None
            loss = way(tokens, classes)
            loss.backward()
            results.append([loss.data, *(leaf.grad for leaf in leaves)])
        close = 1e3 * np.finfo(loss.dtype).eps
        for right, given in zip(*results, strict=True):
            assert given.dtype == right.dtype
            np.testing.assert_allclose(given, right, rtol=0, atol=close * np.abs(right).max())
    assert step.reason == "" and len(step._recordings) == 1


@pytest.mark.long
@needs_a_compiler
@pytest.mark.parametrize("name", CASES)
def test_whole_numbers_are_arguments(name):
    loss_of, leaves = CASES[name]()
    agrees(loss_of, leaves, tg.compile(loss_of, strict=True))


def test_whole_numbers_are_arguments_without_a_compiler(monkeypatch):
    monkeypatch.setenv("CC", "a-compiler-that-is-not-there")
    for case in CASES.values():
        loss_of, leaves = case()
        agrees(loss_of, leaves, tg.compile(loss_of, strict=True))


@needs_a_compiler
def test_a_planted_error_is_seen(monkeypatch):
    right = spread.Spread.array

    def wrong(self: Any, numbers: np.ndarray, into: Any = None) -> np.ndarray:
        return right(self, numbers if into is None else (numbers + 1) % V, into)

    monkeypatch.setattr(spread.Spread, "array", wrong)
    loss_of, leaves = of_characters()
    step = tg.compile(loss_of)
    with pytest.raises(AssertionError):
        agrees(loss_of, leaves, step)
    known = next(iter(step._recordings.values()))
    assert known.reason.startswith("the program does not give what the tape gives")


@needs_a_compiler
def test_a_number_out_of_range_gets_the_message_of_the_function():
    loss_of, _ = of_characters()
    step = tg.compile(loss_of, strict=True)
    tokens, classes = drawn()
    right = step(tokens, classes).item()
    for wrong in (-1, V):
        with pytest.raises(OutOfRangeError, match=f"found index {wrong}, expected 0 to 6"):
            step(np.where(tokens == tokens[0, 0], wrong, tokens), classes)
        with pytest.raises(ArgumentError, match=f"found class {wrong}, expected 0 to 6"):
            step(tokens, np.where(classes == classes[0, 0], wrong, classes))
        assert step(tokens, classes).item() == right and step.reason == ""
    E = tg.Tensor(RNG.normal(size=(V, 2)), True, name="E")
    rows = tg.compile(lambda at: tg.sum(E[at] ** 2), strict=True)
    for at in ([0, 1], [-1, 2], [6, 0]):
        assert abs(rows(np.array(at)).item() - (E.data[at] ** 2).sum()) < 1e-12
    assert rows.reason == "" and len(rows._recordings) == 1


@needs_a_compiler
def test_an_array_that_is_written_into_is_read_anew():
    loss_of, _ = of_characters()
    step = tg.compile(loss_of, strict=True)
    tokens, classes = drawn()
    for n in range(V):
        tokens[n % T], classes[:, n % B] = n, n
        assert abs(step(tokens, classes).item() - loss_of(tokens, classes).item()) < 1e-12


READERS: dict[str, Callable[[Any], Any]] = {
    "a comparison": lambda tokens: 2.0 if (tokens == 3).any() else 1.0,
    "an array": lambda tokens: 2.0 if 3 in np.asarray(tokens) else 1.0,
    "an entry": lambda tokens: float(tokens[0, 0]),
    "an index": lambda tokens: [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0][tokens[0, 0]],
    "a list": lambda tokens: float(tokens.tolist()[0][0]),
    "a sum": lambda tokens: float(np.sum(tokens)),
    "a method": lambda tokens: float(tokens.max()),
}

COMPUTED: dict[str, Callable[[Any], Any]] = {
    "another number": lambda tokens: np.where(tokens == 2, 1.0, 3.0),
    "a mask of a mask": lambda tokens: ~(tokens > 2),
    "a method": lambda tokens: tokens.astype(float) / tokens.sum(),
    "several": lambda tokens: np.minimum(tokens[1:], tokens[:-1]).T[:, :1].T * 1.0,
    "broadcast": lambda tokens: np.broadcast_to(tokens[2] % 2 == 0, (4, B)),
}


@pytest.mark.parametrize("name", READERS)
def test_numbers_that_are_read_are_part_of_the_program(name):
    w = tg.Tensor(RNG.normal(size=B), True, name="w")

    def loss_of(tokens: Any) -> tg.Tensor:
        return tg.sum(w * READERS[name](tokens) + tg.tanh(w))

    step = tg.compile(loss_of)
    for _ in range(12):
        tokens, _ = drawn()
        assert abs(step(tokens).item() - loss_of(tokens).item()) < 1e-12
    assert "often changes, since it reads numbers off the tape" in step.report()


@needs_a_compiler
@pytest.mark.parametrize("checkpoint", [False, True])
@pytest.mark.parametrize("steps", [T, 80])
def test_rows_are_looked_up_and_no_product_is_computed(steps, checkpoint):
    count = 1000
    E, U = (tg.Tensor(RNG.normal(size=(n, 4)), True, name=x) for n, x in ((count, "E"), (4, "U")))

    def loss_of(tokens: Any) -> tg.Tensor:
        h = np.zeros((B, 4))
        for k in tg.steps(len(tokens)):
            h = tg.tanh(E[tokens[k]] + h @ U)
        return tg.sum(h**2) + tg.sum(E[tokens] ** 2)

    step = tg.compile(loss_of, strict=True, checkpoint=checkpoint)
    for _ in range(3):
        tokens = RNG.integers(count, size=(steps, B))
        results = []
        for way in (loss_of, step):
            E.grad = U.grad = None
            loss = way(tokens)
            loss.backward()
            results.append([loss.data, E.grad, U.grad])
        for right, given in zip(*results, strict=True):
            np.testing.assert_allclose(given, right, rtol=0, atol=1e-12 * np.abs(right).max())
    program = next(iter(step._recordings.values())).program
    assert max(x.size for x in program.arrays) == E.size  # and not tokens × count
    assert "[(long) tokens_rows[" in step.source
    assert ("keeps all steps" not in step.report()) or steps == T


@needs_a_compiler
def test_the_form_of_a_signal_is_no_number_of_it():
    w = tg.Tensor(RNG.normal(size=(T, B)), True, name="w")

    def loss_of(x: Any) -> tg.Tensor:
        y = w * x
        return tg.sum(y * np.zeros_like(y) + y * np.ndim(y)) * np.shape(y)[0] / np.size(y, 1)

    step = tg.compile(loss_of, strict=True)
    for x in (RNG.normal(size=(T, B)), np.ones((T, B))):
        assert abs(step(x).item() - loss_of(x).item()) < 1e-12


@needs_a_compiler
@pytest.mark.parametrize("name", COMPUTED)
def test_what_numpy_computes_of_numbers_is_computed_for_each_call(name):
    w = tg.Tensor(RNG.normal(size=B), True, name="w")

    def loss_of(tokens: Any, _: Any) -> tg.Tensor:
        return tg.sum(w * COMPUTED[name](tokens) + tg.tanh(w))

    agrees(loss_of, [w], tg.compile(loss_of, strict=True))


def of_padded(**options: Any) -> Case:
    lstm, dense = tg.nn.LSTM(3, 4, **options, seed=0), tg.nn.Dense(4, 2, tg.tanh, seed=1)
    x, y = RNG.normal(size=(T, B, 3)), RNG.normal(size=(T, B, 2))

    def loss_of(lengths: Any) -> tg.Tensor:
        out, (last, _) = lstm(x, lengths=lengths)
        return tg.nn.mean_squared_error(dense(out), y, lengths=lengths) + tg.sum(last**2)

    return loss_of, leaves_of(lstm, dense)


def of_masked() -> Case:
    w = tg.Tensor(RNG.normal(size=(T, B)), True, name="w")
    y = RNG.normal(size=(T, B))
    return lambda m: tg.nn.mean_squared_error(tg.tanh(w), y, mask=m), [w]


def of_ignored() -> Case:
    w = tg.Tensor(RNG.normal(size=(T, B, V)), True, name="w")
    entropy = tg.nn.softmax_cross_entropy
    return lambda classes: entropy(w, classes, ignore_index=-100), [w]


def lengths() -> np.ndarray:
    return RNG.integers(1, T + 1, size=B)


PADDED: dict[str, tuple[Callable[[], Case], Callable[[], np.ndarray]]] = {
    "lengths": (of_padded, lengths),
    "lengths of two layers": (lambda: of_padded(num_layers=2), lengths),
    "a mask": (of_masked, lambda: RNG.random((T, B)) < 0.6),
    "an index to ignore": (
        of_ignored, lambda: np.where(RNG.random((T, B)) < 0.3, -100, RNG.integers(V, size=(T, B)))
    ),
}  # fmt: skip


@needs_a_compiler
@pytest.mark.parametrize("name", PADDED)
def test_what_does_not_count_is_an_argument(name):
    make, draw = PADDED[name]
    loss_of, leaves = make()
    step = tg.compile(loss_of, strict=True)
    for _ in range(12):  # more than are recorded one by one
        given = draw()
        results = []
        for way in (loss_of, step):
            for leaf in leaves:
                leaf.grad = None
            loss = way(given)
            loss.backward()
            results.append([loss.data, *(leaf.grad for leaf in leaves)])
        for right, own in zip(*results, strict=True):
            np.testing.assert_allclose(own, right, rtol=0, atol=1e-12)
    assert len(step._recordings) == 1


@needs_a_compiler
def test_lengths_and_masks_that_cannot_be_get_the_message_of_the_function():
    step = tg.compile(of_padded()[0], strict=True)
    step(np.array([T, 2, 3]))
    with pytest.raises(ArgumentError, match="found length 0, expected 1 to 6 steps"):
        step(np.array([T, 0, 3]))
    masked = tg.compile(of_masked()[0], strict=True)
    masked(np.ones((T, B), int))
    with pytest.raises(ArgumentError, match="found 2 in mask, expected truth values"):
        masked(np.full((T, B), 2))
    with pytest.raises(ArgumentError, match="the mask leaves none of 18 entries"):
        masked(np.zeros((T, B), int))
    assert len(step._recordings) == len(masked._recordings) == 1


@needs_a_compiler
def test_arguments_that_are_equal_by_chance_stay_two_arguments():
    loss_of, leaves = of_characters()
    step = tg.compile(loss_of, strict=True)
    step(np.zeros((T, B), int), np.zeros((T, B), int))
    agrees(loss_of, leaves, step)


@needs_a_compiler
def test_a_module_of_tokens():
    embedding, lstm, _ = parts()
    net = tg.nn.Sequential(embedding, lstm)
    compiled = tg.compile(net, strict=True)
    for _ in range(3):
        tokens, _ = drawn()
        for given, right in ((compiled(tokens)[0], net(tokens)[0]),):
            np.testing.assert_allclose(given.numpy(), right.numpy(), atol=1e-14)
    results = []
    for way in (net, compiled):
        embedding.E.grad = None
        (way(tokens)[0] ** 2).sum().backward()
        results.append(embedding.E.grad)
    np.testing.assert_allclose(*results, atol=1e-13)
    assert len(compiled._recordings) == 1
