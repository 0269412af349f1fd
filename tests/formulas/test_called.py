"""Signals that nobody named are called as people call them, in every sentence of the check."""

import re

import numpy as np
import pytest

import tinygrad_lstm as tg
from support import planted, strangers
from support.recurrences import Recurrence
from tinygrad_lstm import TABLE
from tinygrad_lstm.check.mistakes import mistakes
from tinygrad_lstm.formulas.called import called
from tinygrad_lstm.network.view import View

NAMES = "|".join(map(re.escape, sorted(TABLE, key=len, reverse=True)))
OF_A_PRIMITIVE = re.compile(rf"(?<!\w)({NAMES})(_\d+|\(k[^)]*\)|\[\d+\])")
MOST = 3000  # mistakes that are read in one network


def sentences(view):
    """Return what the mistakes in a network say."""
    with np.errstate(all="ignore"):
        several = [x for _, x in zip(range(MOST), mistakes(view), strict=False)]
    return [text for x in several for text in (x.says, x.where, x.right, x.wrong)]


def names_of(loss):
    return set(called(View(loss).network).values())


@pytest.mark.parametrize("network", [*planted.NETWORKS, *strangers.NETWORKS])
def test_no_sentence_calls_a_signal_by_its_operation(network):
    case = (planted if network in planted.NETWORKS else strangers).case(network)
    texts = sentences(View(case.loss(), call=called))
    assert texts and not [text for text in texts if OF_A_PRIMITIVE.search(text)]


@pytest.mark.parametrize("seed", range(12))
def test_no_sentence_about_a_random_program_does(seed):
    program = Recurrence(seed)
    view = View(program.loss(*program.args), call=called)
    for each in (view, view.unfolded):
        assert not [text for text in sentences(each) if OF_A_PRIMITIVE.search(text)]


@pytest.mark.parametrize("seed", range(6))
def test_other_names_change_no_number(seed):
    program = Recurrence(seed)
    loss = program.loss(*program.args)
    plain, other = View(loss), View(loss, call=called)
    assert plain.at == other.at and plain.named.keys() == other.named.keys()
    for own, alike in ((plain.network, other.network), (plain.adjoint, other.adjoint)):
        assert [x.inputs for x in own.nodes] == [x.inputs for x in alike.nodes]
    assert len({wire.name for wire in other.network.wires}) == len(other.network.wires)
    right = plain.adjoint.evaluate()
    for name, gradient in other.adjoint.evaluate().items():
        assert np.array_equal(gradient, right[name])


def gated(carry):
    """Return the loss of a loop with a gate, in which nobody named anything but the leaves."""
    rng = np.random.default_rng(0)
    W, U = (tg.Tensor(rng.normal(size=(3, 3)), True, name=name) for name in "WU")
    x, h = tg.Tensor(rng.normal(size=(4, 3)), name="x"), np.zeros(3)
    for k in tg.steps(4):
        r = tg.sigmoid(x[k] @ W + h @ U)
        r.name = "r"
        h = carry(r, h)
    return tg.sum(h * h)


def test_a_net_input_a_carried_signal_and_a_formula_are_called_as_people_call_them():
    names = names_of(gated(lambda r, h: tg.tanh((1.0 - r) * h) + r))
    assert {"s_r(k)", "h(k)", "(1 - r(k))", "((1 - r(k)) ∘ h(k-1))", "loss"} <= names


def test_a_running_loss_is_called_loss():
    w, loss = tg.Tensor([0.5, 1.0], requires_grad=True, name="w"), 0.0
    for k in tg.steps(3):
        loss = loss + tg.sum(tg.tanh(w * (k + 1.0)))
    assert {"loss(k)", "loss[2]"} <= names_of(loss)


def test_a_signal_that_softmax_shifts_is_called_by_its_name():
    z = tg.Tensor([[0.1, 0.5, -0.2]], requires_grad=True, name="z")
    loss = tg.nn.softmax_cross_entropy(z, np.array([1]))
    report = tg.compare(loss, {"z": np.exp(z.numpy()) / np.exp(z.numpy()).sum()})
    assert "the target is not subtracted: δz lacks the part" in report.mistakes[0].says
    assert "⟨" in report.corrections[0].text and "onehot([1])" in report.corrections[0].text
    assert report.corrections[0].text.startswith("δz = ")
