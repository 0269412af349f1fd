"""The explanation of one gradient is the part of the derivation that leads to it."""

import pytest

import tinygrad_lstm as tg
from support.networks import formula, gated, mlp, named, network, recurrence
from tinygrad_lstm.cli.commands import main
from tinygrad_lstm.formulas.derived import Stage


def lines(derivation):
    """Return the backward equations, as text of both sides."""
    return [
        (x.signal.name, [str(term.formula) for term in x.terms])
        for x in derivation.equations
        if x.stage is not Stage.FORWARD
    ]


@pytest.mark.parametrize(
    ("make", "wrt"),
    [
        (lambda: network()[0], "lstm.U.i"), (lambda: network()[0], "dense.W"),
        (lambda: gated(4), "gru.W"), (mlp, "w1"), (lambda: recurrence(4, num_layers=2), "x"),
    ],
)  # fmt: skip
def test_an_explanation_is_the_part_of_the_derivation(make, wrt):
    loss = make()
    whole, part = tg.derive(loss), tg.explain(loss, wrt)
    assert str(part) == str(whole.leading_to(wrt))
    assert part.latex() == whole.leading_to(wrt).latex()
    own, every = lines(part), lines(whole)
    assert own and [x for x in every if x in own] == own and len(own) < len(every)


def test_a_signal_at_a_step_has_the_line_of_all_steps():
    loss = network(T=4)[0]
    for name in ("lstm.state[1]", "lstm.state", "state"):
        assert "δstateₖ = " in str(tg.explain(loss, name))
    assert "δstate[1] = " in str(tg.explain(loss, "lstm.state[1]", fold=False))


def test_a_signal_of_several_has_the_lines_of_its_parts():
    part = tg.explain(network()[0], "lstm.s")
    assert {"δs_a", "δs_i", "δs_f", "δs_o"} <= {x.signal.name for x in part.equations}
    assert not any(x.stage is Stage.GRADIENT for x in part.equations)


@pytest.mark.parametrize("style", ["derivation", "stages"])
@pytest.mark.parametrize(
    ("loss", "wrt", "error", "says"),
    [
        (mlp, "W5", tg.SignalError, "nearest names are: w5"),
        (lambda: recurrence(3), "lstm.matmul[0]", tg.SignalError, "matmul.* nearest"),
        (lambda: named(tg.stop_gradient(formula()) * formula(), "y"), "stop_gradient",
         tg.SignalError, "does not depend on stop_gradient"),
        (lambda: tg.Tensor(1.0, name="x"), "x", tg.UsageError, "nothing recorded"),
        (lambda: 3.0, "x", tg.UsageError, "found 3.0, expected a Tensor"),
        (mlp, 5, tg.UsageError, "found int, expected a name"),
        (lambda: formula() * [1.0, 1.0], "x", tg.GradientError, "one number"),
    ],
)  # fmt: skip
def test_wrong_input_is_refused(style, loss, wrt, error, says):
    with pytest.raises(error, match=says):
        tg.explain(loss(), wrt, style=style)


def test_there_are_two_styles():
    with pytest.raises(tg.ArgumentError, match="'derivation', 'stages'"):
        tg.explain(mlp(), "w5", style="steps")
    with pytest.raises(tg.UsageError, match="found no loop over steps"):
        tg.explain(mlp(), "w5", fold=True)


def test_the_command_explains(tmp_path, capsys):
    path = tmp_path / "network.py"
    path.write_text(
        "import tinygrad_lstm as tg\n"
        "x = tg.Tensor(0.5, requires_grad=True, name='x')\nloss = tg.tanh(x) * x\n",
        "utf-8",
    )
    assert main(["explain", str(path), "--wrt", "x"]) == 0
    assert "\n    δx = " in capsys.readouterr().out
    assert main(["explain", str(path), "--wrt", "X"]) == 2
    assert "the nearest names are: x" in capsys.readouterr().err
