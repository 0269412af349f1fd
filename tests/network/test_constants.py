"""Constants of every form as operands of every primitive: all that reads a network takes them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest

import tinygrad_lstm as tg
from tinygrad_lstm import TABLE
from tinygrad_lstm.errors import TinygradError


def truths(x: np.ndarray) -> np.ndarray:
    return np.arange(x.size).reshape(x.shape) % 2 == 0


FORMS = {
    "a number": lambda x: 1.0,
    "an integer": lambda x: 2,
    "no axes": lambda x: np.array(0.5),
    "equal entries": lambda x: np.full(x.shape, 0.5),
    "zeros": lambda x: np.zeros(x.shape),
    "ones": lambda x: np.ones(x.shape),
    "integers": lambda x: np.arange(1, x.size + 1).reshape(x.shape),
    "equal integers": lambda x: np.ones(x.shape, int),
    "truth values": truths,
    "nothing but true": lambda x: np.ones(x.shape, bool),
    "of size 1": lambda x: np.full((1,) * x.ndim, 0.5),
    "its own": lambda x: np.array(x),
    "a constant Tensor": lambda x: tg.Tensor(np.full(x.shape, 0.5)),
}

WRONG = {
    "twice": lambda g: 2 * g,
    "with the wrong sign": lambda g: -g,
    "off by one": lambda g: g + 1,
    "zero": lambda g: 0 * g,
}


def pair(turn: int) -> list[str]:
    """Return two of the wrong gradients, which take turns."""
    return [list(WRONG)[at % len(WRONG)] for at in (turn, turn + 1)]


def emptied(operands: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return operands with nothing along the first axis."""
    return tuple(x[:0] if x.ndim else x for x in operands)


def operands() -> Iterator[Any]:
    """Yield each primitive with a Tensor at one place and constants of each form at the others.

    The samples of a primitive and the wrong gradients take turns, and an empty sample now and then.
    """
    turn = 0
    for entry in TABLE.values():
        for live in range(len(entry.samples()[0][0])):
            samples = [each for each in entry.samples() if len(each[0]) > live]
            for form in FORMS:
                if len(samples[0][0]) == 1 and form != "its own":
                    continue
                turn += 1
                xs, parameters = samples[turn % len(samples)]
                wrong = pair((turn + turn // 4) % 4)
                for size in ("full", "empty") if turn % 4 == 0 else ("full",):
                    name = f"{entry.name} {live} {form} {size}".replace(" ", "-")
                    yield pytest.param(entry, xs, parameters, live, form, size, wrong, id=name)


def recorded(
    entry: Any, xs: Any, parameters: Any, live: int, form: str, size: str
) -> tg.Tensor | None:
    """Return the loss of a program around one operation; None where it cannot be recorded."""
    xs = emptied(xs) if size == "empty" else xs
    if xs[live].dtype.kind != "f":
        return None
    x = tg.Tensor(xs[live], requires_grad=True, name="x")
    given = [FORMS[form](each) for each in xs]
    given[live] = x * FORMS[form](xs[live]) + x
    try:
        y = entry(*given, **parameters)
        loss = (tg.tanh(y) * FORMS[form](y.numpy())).sum()
        loss.backward()
    except (TinygradError, ArithmeticError, ValueError, TypeError):
        return None
    return loss if x.grad is not None and np.isfinite(x.grad).all() else None


def check(loss: tg.Tensor, several: Sequence[str]) -> None:
    """Have all that reads a network read one, and find out wrong gradients of it."""
    x = tg.signals(loss)["x"].tensor
    told = tg.explain(loss, "x", style="stages")
    assert np.allclose(told.value, x.grad, atol=1e-12) and str(told)
    assert tg.compare(loss, {"x": x.grad}).ok
    for wrong in several:
        derived = WRONG[wrong](x.grad)
        report = tg.compare(loss, {"x": derived})
        report.diagnose(pairs=False, seconds=5)
        assert str(report) and report.as_dict() and report._repr_html_()
        assert report.ok == (not x.size or not np.any(derived != x.grad)), wrong
    assert tg.draw(loss).dot
    network = tg.graph(loss)
    assert np.isclose(next(iter(network.evaluate().values())), loss.numpy())
    assert str(tg.adequacy(loss))


@pytest.mark.parametrize(
    ("entry", "xs", "parameters", "live", "form", "size", "wrong"), list(operands())
)
def test_a_constant_of_any_form_may_stand_beside_a_signal(
    entry, xs, parameters, live, form, size, wrong
):
    with np.errstate(all="ignore"):
        loss = recorded(entry, xs, parameters, live, form, size)
        if loss is not None:
            check(loss, wrong)


LOOPS = {
    "matmul": lambda h, W, x, k: tg.tanh(h @ W + x[k]),
    "matmul of a number of axes": lambda h, W, x, k: tg.tanh((h[None] @ W)[0] * x[k]),
    "concatenate": lambda h, W, x, k: tg.tanh(tg.concatenate([h, x[k]])[1:3] @ W[:2]),
    "stack": lambda h, W, x, k: tg.tanh(tg.stack([h, x[k]]) @ W).sum(axis=0),
    "where": lambda h, W, x, k: tg.tanh(tg.where(np.array([True] * 3), x[k], 0.0) @ W + h),
}


@pytest.mark.parametrize("start", [np.zeros(3), np.ones(3), np.full(3, 0.5)], ids=str)
@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("cell", LOOPS)
def test_a_loop_may_start_from_an_unnamed_constant(cell, steps, start):
    random = np.random.default_rng(0)
    W = tg.Tensor(random.normal(size=(3, 3)), requires_grad=True, name="W")
    x = tg.Tensor(random.normal(size=(steps, 3)), requires_grad=True, name="x")
    h = start
    for k in tg.steps(steps):
        h = LOOPS[cell](h, W, x, k)
    loss = (h * h).sum()
    loss.backward()
    check(loss, list(WRONG))


def test_the_number_of_a_constant_is_written_where_the_user_works_entry_by_entry():
    x = tg.Tensor([[1.0, 2.0]], requires_grad=True, name="x")
    loss = (x * np.full((1, 2), 3.0) @ np.full((2, 2), 0.5)).sum()
    told = str(tg.explain(loss, "x", style="stages"))
    assert "hadamard = 3 x" in told
    assert "matmul = hadamard constant" in told


def test_truth_values_count_as_numbers_in_an_equation():
    x = tg.Tensor([-1.0, 2.0], requires_grad=True, name="x")
    a, b = tg.Symbol("a", np.array([1.0, -1.0])), tg.Symbol("b", np.array([2.0, 1.0]))
    assert ((a > 0) + (b > 0)).value.tolist() == [2.0, 1.0]
    assert (-(a > 0)).value.tolist() == [-1.0, 0.0]
    loss = (tg.relu(x) - x * np.array([True, False])).sum()
    assert tg.explain(loss, "x", style="stages").value.tolist() == [-1.0, 1.0]


def test_the_whole_of_a_number_may_be_taken():
    x = tg.Tensor(0.5, requires_grad=True, name="x")
    loss = x[()] * x
    loss.backward()
    check(loss, list(WRONG))
