"""Holds fast programs to what they promise: little in the loop, and the numbers of the tape.

The programs of many networks are run in test_derive.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import tinygrad_lstm as tg
from support.networks import network
from tinygrad_lstm.errors import UsageError
from tinygrad_lstm.gallery import PICTURES

RNG = np.random.default_rng(0)


def drawn(*shape: int, name: str = "x") -> tg.Tensor:
    return tg.Tensor(RNG.normal(size=shape) * 0.7, requires_grad=True, name=name)


def gradients(loss: tg.Tensor) -> dict[str, np.ndarray]:
    """Return the gradients that the fast program of a loss gives, and see that they are right."""
    derivation, module = tg.derive(loss), {}
    exec(derivation.numpy(fast=True), module)
    value, signals = module["forward"](**derivation.arrays(fast=True))
    result = module["backward"](**signals)
    loss.backward()
    np.testing.assert_allclose(value, loss.data, rtol=1e-14)
    for leaf, name in tg.signals(loss).names.items():
        if not leaf.inputs and leaf.requires_grad and leaf.grad is not None:
            scale = max(1.0, np.abs(leaf.grad).max())
            np.testing.assert_allclose(result[name], leaf.grad, rtol=0, atol=1e-14 * scale)
    return result


def loops(source: str) -> list[str]:
    """Return the lines inside of each loop of a program."""
    return re.findall(r"^    for k in .*:\n((?:        .*\n)+)", source, re.M)


def test_an_lstm_has_two_loops_with_the_product_of_its_recurrence_in_each():
    source = tg.derive(network(T=7)[0]).numpy(fast=True)
    forward, backward = loops(source)
    assert (forward.count("@"), backward.count("@")) == (1, 1)
    assert "(x.reshape(" not in forward and "@ lstm_W" in source.partition("for k")[0]
    assert source.count("  # no other step leads to these") == 2
    assert source.count("  # these lead to no other step") == 1
    assert source.count("  # a sum over the steps is one operation") == 1


def recurrent(cell: Any, steps: int = 5, width: int = 3) -> tg.Tensor:
    """Return a loss of all steps of a recurrence h = cell(x[k], h)."""
    x, h, outputs = drawn(steps, width), drawn(width, name="h_0"), []
    for k in tg.steps(steps):
        h = cell(x[k], h)
        outputs.append(h)
    return tg.sum(tg.stack(outputs) ** 2)


CELLS = {
    "columns": lambda x, h, W, U: tg.tanh(W @ x + U @ h),
    "rows": lambda x, h, W, U: tg.tanh(x @ W + h @ U),
    "a norm of the input": lambda x, h, W, U: tg.tanh(h @ U + x / tg.norm(x)),
    "a share of the input": lambda x, h, W, U: tg.softmax(x @ W) * tg.tanh(h @ U),
    "sums along an axis": lambda x, h, W, U: tg.tanh(h @ U + tg.sum(W * x, axis=1)),
    "an order of the entries": lambda x, h, W, U: tg.tanh(h[::-1] @ U + tg.cumsum(x)),
    "entries more than once": lambda x, h, W, U: tg.tanh(h @ U)[[0, 0, 1]] + x[[2, 1, 1]],
    "joined": lambda x, h, W, U: tg.tanh(tg.concatenate([x, h]) @ tg.concatenate([W, U])),
    "outer": lambda x, h, W, U: tg.tanh(tg.outer(x, h) @ U)[1] + tg.outer(x, x)[0],
    "of a matrix at each step": lambda x, h, W, U: tg.tanh((W * x) @ h + (tg.diag(x) @ U)[0]),
}


@pytest.mark.parametrize("cell", CELLS)
def test_a_cell_of_ones_own_gives_the_gradients_of_the_tape(cell):
    W, U = drawn(3, 3, name="W"), drawn(3, 3, name="U")
    gradients(recurrent(lambda x, h: CELLS[cell](x, h, W, U)))


STATES = {  # what two or three states become, of what they were
    "one after the other": lambda x, U, a, b, c: (tg.tanh(c), tg.sin(a), tg.tanh(x + c @ U)),
    "in a circle": lambda x, U, a, b, c: (tg.tanh(b), tg.sin(a), c * x),
    "in a circle of three": lambda x, U, a, b, c: (tg.tanh(c), tg.sin(a), tg.sin(b) * 0.5),
    "in two circles": lambda x, U, a, b, c: (b * c, tg.sin(a), tg.tanh(a) * 0.5),
    "by their parts": lambda x, U, a, b, c: (
        tg.concatenate([b[1:], c[:1]]), tg.concatenate([a[2:], c[:2]]), tg.sin(a)
    ),
}  # fmt: skip


def test_what_a_step_hands_on_is_not_written_over_by_the_next_step():
    states, x = [drawn(3, name="a"), drawn(3, name="b"), drawn(3, name="c")], np.ones(3)
    for _ in tg.steps(5):
        y = states[-3] + x
        states.append(tg.tanh(tg.concatenate([y[1:], y[:1]])))
    gradients(tg.sum((states[-1] + states[-2]) ** 2))


@pytest.mark.parametrize("is_read", [True, False])
@pytest.mark.parametrize("name", STATES)
def test_states_read_the_gradients_that_the_step_was_given(name, is_read):
    U, xs = drawn(3, 3, name="U"), drawn(5, 3)
    states, outputs = [drawn(3, name=f"{n}_0") for n in "abc"], []
    for k in tg.steps(5):
        a, b, c = states
        outputs.append(((a + 2) @ U + b * b + c) * xs[k])
        states = STATES[name](xs[k], U, *states)
        outputs += [c * states[0]] if is_read else []
    gradients(tg.sum(tg.stack(outputs) ** 2))


@pytest.mark.parametrize("picture", PICTURES)
def test_a_network_of_the_gallery_gives_the_gradients_of_the_tape(picture):
    gradients(PICTURES[picture][0]())


def test_a_step_that_no_other_step_leads_to_leaves_the_loop():
    W, U = drawn(3, 3, name="W"), drawn(3, 3, name="U")
    source = tg.derive(recurrent(lambda x, h: tg.tanh(tg.sin(x @ W) + h @ U))).numpy(fast=True)
    assert "np.sin" not in "".join(loops(source)) and "np.sin" in source


def test_a_fast_program_is_of_a_whole_derivation():
    part = tg.derive(network()[0]).leading_to("lstm.W")
    with pytest.raises(UsageError, match="part of a derivation"):
        part.numpy(fast=True)


def test_a_program_that_is_changed_gives_other_gradients():
    derivation = tg.derive(network()[0])
    source, right = derivation.numpy(fast=True), gradients(network()[0])
    for old, new in {"out_all[:-1]": "out_all[1:]", "dout_handed + ": "", "[k+1]": "[k]"}.items():
        assert old in source
        module: dict[str, Any] = {}
        exec(source.replace(old, new), module)
        wrong = module["backward"](**module["forward"](**derivation.arrays(fast=True))[1])
        assert any(not np.allclose(wrong[name], right[name]) for name in right)


def test_a_loop_may_read_a_part_of_a_longer_sequence():
    x, W, h = drawn(6, 3), drawn(3, 3, name="W"), np.zeros(3)
    for k in tg.steps(5):  # entry 5 is read outside of it
        h = tg.tanh(x[k] @ W + h)
    gradients(tg.sum(h * x[5]))
