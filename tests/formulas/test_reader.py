"""The reader: nodes of a network as Symbols over named signals."""

import re

import numpy as np
import pytest

import tinygrad_lstm as tg
from support import planted
from tinygrad_lstm.engine.kind import Kind
from tinygrad_lstm.formulas.equations import DeltaEquations
from tinygrad_lstm.formulas.reader import Reader, Variable
from tinygrad_lstm.formulas.rewriting import mark, rename, rewrite, value_without_marks
from tinygrad_lstm.network.graph import graph
from tinygrad_lstm.network.view import View

LOSSES = {case.network: case.loss for case in planted.CASES}


def network():
    """Return the network of z = x³ a - 2 b, whose power has no name."""
    x, a, b = (tg.Tensor([1.0, 2.0], requires_grad=True, name=name) for name in "xab")
    z = x**3 * a - 2 * b
    z.name = "z"
    return graph(z.sum())


def reader_of(flow):
    """Return a reader that calls a signal by its name, and writes out what has none."""
    return Reader(
        flow, lambda wire, _: flow.maker[wire].name if flow.maker[wire].is_named else None
    )


def node_of(flow, kind):
    return next(node for node in flow.nodes if node.kind is kind)


def leaves(formula):
    found = []
    rewrite(formula, leaf=lambda each: found.append(each) or each)
    return found


def test_a_signal_without_a_name_is_written_out():
    flow = network()
    assert str(reader_of(flow).formula(node_of(flow, Kind.JUNCTION))) == "x³ ∘ a - 2 b"


def test_the_signals_of_a_formula_say_which_wire_they_stand_for():
    flow = network()
    formula = reader_of(flow).formula(node_of(flow, Kind.JUNCTION))
    signals = {each.name: each for each in leaves(formula) if isinstance(each, Variable)}
    assert set(signals) == set("xab")
    for name, signal in signals.items():
        assert flow.maker[signal.wire].name == name and not signal.is_delta


def test_a_formula_evaluated_is_what_was_recorded():
    flow = network()
    node = node_of(flow, Kind.JUNCTION)
    formula = reader_of(flow).formula(node)
    values = {node.name: flow.wires[node.outputs[0]].value for node in flow.nodes if node.outputs}
    np.testing.assert_allclose(formula.evaluate(values), flow.wires[node.outputs[0]].value)


def test_delta_comes_back_by_the_rule_of_the_table():
    flow = network()
    power, product = node_of(flow, Kind.ELEMENTWISE), node_of(flow, Kind.BILINEAR)
    reader, δ = reader_of(flow), tg.engine.symbol.Symbol("δ", np.ones(2))
    assert str(reader.back(product, 1, δ)) == "δ ∘ x³"
    assert str(reader.gain(power, 0)) == "3 x²"
    assert str(reader.back(product, 1, δ, factor=mark)) == "δ ∘ ⟨x³⟩"


def test_passes_change_a_formula_and_leave_the_rest():
    x, y = (tg.engine.symbol.Symbol(name, value) for name, value in (("x", 2.0), ("y", 3.0)))
    formula = x * x + mark(y)
    assert str(formula) == "x² + ⟨y⟩"
    assert value_without_marks(formula) == 4.0
    assert str(rename(formula, str.upper)) == "X² + ⟨Y⟩"
    assert str(mark(formula)) == "⟨x² + y⟩"  # one mark, not one in the other


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("fold", [True, False])
def test_no_equation_has_a_number_that_says_nothing(name, fold):
    equations = DeltaEquations(View(LOSSES[name](), fold=fold))
    texts = [f"δ{each} = {equations.of(each, {}, {})}" for each in list(equations.places)[:60]]
    for text in texts:
        assert not re.search(r"(?<![\w.\[,(-])[\d.]+ [\d.]+(?![\w.]*[,\])])", text), text
        assert not re.search(r"= 0 [+-]|[+-] 0( [+-]|$)", text), text
        assert "getitem" not in re.sub(r"δ[\w.]*getitem\w*", "", text), text


# --- parts that have no name of their own ---------------------------------------------------------


def read_by_hand():
    """Return a loss of a loop that reads x[k] and gives the part no name."""
    x = tg.Tensor(np.arange(6.0).reshape(3, 2) / 7, requires_grad=True, name="x")
    W = tg.Tensor([[0.5, -0.2], [0.3, 0.4]], requires_grad=True, name="W")
    h = tg.Tensor([0.0, 0.0])
    for k in range(3):
        h = tg.tanh(x[k] + h @ W)
        h.name = f"h{k}"
    return (h * h).sum()


def test_an_explanation_calls_a_part_by_what_it_is_read_from():
    text = str(tg.explain(read_by_hand(), "x", fold=False, style="stages"))
    assert "= x[2] + h1 W" in text and "δ(x → x[2]) = scatter(δx[2], 2, (3, 2))" in text
    assert "getitem" not in text


def test_two_readings_of_one_part_are_told_apart():
    x = tg.Tensor([1.0, 2.0], requires_grad=True, name="x")
    text = str(tg.explain(tg.sin(x[0]) * tg.cos(x[0]), "x", style="stages"))
    assert "δ(x → getitem)" in text and "δ(x → getitem_2)" in text
