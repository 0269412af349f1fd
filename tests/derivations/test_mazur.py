"""Mazur's perceptron: his numbers, the tape's, the complex step's; and where he went wrong."""

from functools import cache

import numpy as np
import pytest

import tinygrad_lstm as tg
from tinygrad_lstm.derivations import complex_step, mazur

EXACT = mazur.evaluate()
LEAVES = (*mazur.WEIGHTS, "b1", "b2", "i1", "i2")


@pytest.mark.parametrize("name", LEAVES)
def test_by_complex_step(name):
    slope = complex_step(
        lambda value: mazur.forward(mazur.GIVEN | {name: value[()]})["E_total"],
        np.array(mazur.GIVEN[name]),
    )
    assert slope == pytest.approx(EXACT[f"∂E_total/∂{name}"], abs=1e-16)


def network():
    """Return his two layers, the input and the error, from this library's parts."""
    v = mazur.GIVEN
    hidden = tg.nn.Dense(2, 2, tg.sigmoid, name="h")
    output = tg.nn.Dense(2, 2, tg.sigmoid, name="o")
    hidden.W.data = [[v["w1"], v["w3"]], [v["w2"], v["w4"]]]
    output.W.data = [[v["w5"], v["w7"]], [v["w6"], v["w8"]]]
    hidden.b.data, output.b.data = [v["b1"]] * 2, [v["b2"]] * 2
    i = tg.Tensor([v["i1"], v["i2"]], requires_grad=True, name="i")
    E = tg.nn.squared_error(output(hidden(i)), [v["target_o1"], v["target_o2"]])
    return hidden, output, i, E


def hand():
    """Return his derivatives under this library's names and in its shapes."""
    of = {name: EXACT[f"∂E_total/∂{name}"] for name in LEAVES}
    δ_h = [EXACT["∂E_total/∂net_h1"], EXACT["∂E_total/∂net_h2"]]
    δ_o = [EXACT["∂E_o1/∂net_o1"], EXACT["∂E_o2/∂net_o2"]]
    return {
        "h.W": [[of["w1"], of["w3"]], [of["w2"], of["w4"]]], "h.b": δ_h, "h.z": δ_h,
        "h.y": [EXACT["∂E_total/∂out_h1"], EXACT["∂E_total/∂out_h2"]],
        "o.W": [[of["w5"], of["w7"]], [of["w6"], of["w8"]]], "o.b": δ_o, "o.z": δ_o,
        "o.y": [EXACT["∂E_total/∂out_o1"], EXACT["∂E_total/∂out_o2"]],
        "i": [of["i1"], of["i2"]],
    }  # fmt: skip


def test_against_the_tape():
    *_, E = network()
    assert E.item() == pytest.approx(EXACT["E_total"], abs=4 * np.spacing(EXACT["E_total"]))
    report = tg.compare(E, hand())
    assert report.ok, str(report)


def test_against_the_adjoint_network():
    *_, E = network()
    found, expected = tg.graph(E).adjoint().evaluate(), hand()
    for name in ("h.W", "h.b", "o.W", "o.b", "i"):
        assert np.allclose(found[f"δ{name}"], expected[name], rtol=0, atol=1e-16), name


def test_a_shared_bias_s_derivative_is_the_sum_over_its_units():
    hidden, output, _, E = network()
    E.backward()
    assert hidden.b.grad.sum() == pytest.approx(EXACT["∂E_total/∂b1"], abs=1e-16)
    assert output.b.grad.sum() == pytest.approx(EXACT["∂E_total/∂b2"], abs=1e-16)


def test_one_step_of_gradient_descent():
    hidden, output, _, E = network()
    E.backward()
    tg.optim.SGD([hidden.W, output.W], lr=mazur.GIVEN["η"]).step()
    new = mazur.update(mazur.GIVEN)
    found = [*hidden.W.numpy().T.ravel(), *output.W.numpy().T.ravel()]
    assert found == pytest.approx([new[w] for w in mazur.WEIGHTS], abs=1e-16)
    known = [0.149780716132763, 0.199561432265526, 0.24975114363237, 0.299502287264739]
    known += [0.358916479717885, 0.408666186076233, 0.511301270238738, 0.561370121107989]
    assert found == pytest.approx(known, abs=1e-15)


def test_his_printed_numbers_and_the_one_that_is_off():
    off = [n for n, printed in mazur.PRINTED.items() if not mazur.is_right(printed, EXACT[n])]
    assert off == ["∂E_o2/∂out_h1"]
    assert mazur.is_right(mazur.PRINTED[off[0]], EXACT[off[0]], within=1.0)


def test_a_number_off_by_one_digit_would_be_seen():
    assert not mazur.is_right("0.298371110", EXACT["E_total"])


trained = cache(mazur.train)


@pytest.mark.parametrize(
    ("rounds", "name"),
    [(rounds, name) for rounds, all_ in mazur.PRINTED_AFTER.items() for name in all_],
)
def test_what_he_prints_after_the_update_comes_from_weights_updated_too_early(rounds, name):
    printed = mazur.PRINTED_AFTER[rounds][name]
    assert mazur.is_right(printed, trained(rounds, updated_first=True)[name])
    assert not mazur.is_right(printed, trained(rounds)[name], within=10)


def test_the_right_error_after_one_step():
    assert mazur.train(1)["E_total"] == pytest.approx(0.291027773693599, abs=1e-15)
