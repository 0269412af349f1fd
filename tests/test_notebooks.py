"""Objects in notebooks: each shows itself, in words that a name from a user cannot break."""

import re
import subprocess
import sys
from html import escape

import numpy as np
import pytest

import tinygrad_lstm as tg
from tinygrad_lstm.engine import elementwise, function

NAME = "<script>alert(1)</script>&``` |"


class Pair(tg.nn.Module):
    """A module of one's own, with a parameter and a layer."""

    def __init__(self):
        super().__init__(NAME)
        self.gain = tg.Tensor(np.ones((2, 3)), requires_grad=True)
        self.inside = tg.nn.Dense(3, 4, name=NAME, seed=0)


def leaf():
    return tg.Tensor(np.array([0.5, -1.0]), requires_grad=True, name=NAME)


def loss_of(x):
    return tg.sum(tg.tanh(x) * x)


def own_primitive():
    return elementwise(
        NAME, np.cbrt, lambda x, y: 1 / (3 * y * y), notation=function(NAME), analytic=False,
        samples=lambda: [((np.array([2.0, -0.5]),), {})],
    )  # fmt: skip


# what is shown, in what form, and words that stand there
SHOWN = {
    "own module": (Pair, "_repr_html_", ["Pair", "gain (2, 3)", "Dense", "W (3, 4)", "22 par"]),
    "layer": (lambda: tg.nn.Dense(3, 4, name=NAME), "_repr_html_", ["y = ", "16 parameters"]),
    "primitive": (own_primitive, "_repr_html_", ["(elementwise)", "δx = δ ∘ 1 / (3 y ∘ y)"]),
    "rule": (lambda: tg.matmul, "_repr_html_", ["y  = a b", "δa = δ bᵀ", "δ is ∂loss/∂y"]),
    "report": (
        lambda: tg.compare(loss_of(leaf()), {NAME: np.ones(2)}), "_repr_html_", ["differs"]
    ),
    "adequacy": (
        lambda: tg.adequacy(tg.sum(leaf() * tg.Tensor(np.ones(2), name="w"))), "_repr_html_",
        ["mistakes"],
    ),
    "gradcheck": (lambda: tg.gradcheck(loss_of, [leaf()]), "_repr_html_", ["no failures"]),
    "explanation": (
        lambda: tg.explain(loss_of(leaf()), NAME, style="stages"), "_repr_html_", ["stage: ", "δ"]
    ),
    "part of a derivation": (
        lambda: tg.explain(loss_of(leaf()), NAME), "_repr_markdown_", ["Backward", r"\delta"]
    ),
    "derivation": (lambda: tg.derive(loss_of(leaf())), "_repr_markdown_", ["Forward", "Backward"]),
    "graph": (lambda: tg.graph(loss_of(leaf())), "_repr_svg_", ["<svg", "tanh"]),
    "picture": (lambda: tg.draw(loss_of(leaf())), "_repr_svg_", ["<svg", "tanh"]),
}  # fmt: skip


@pytest.mark.parametrize("name", SHOWN)
def test_each_object_shows_itself_and_no_name_breaks_it(name):
    make, form, words = SHOWN[name]
    text = getattr(make(), form)()
    assert "<script" not in text.replace(r"\<", "")
    for word in words:
        assert word in text or escape(word) in text
    assert re.search(r"script|matmul", text) or name in ("adequacy", "gradcheck")


def test_a_graph_shows_itself_before_anything_was_drawn():
    program = (
        "import tinygrad_lstm as tg; loss = tg.tanh(tg.Tensor([1.0], name='x')).sum(); "
        "print(tg.graph(loss)._repr_svg_()[-7:])"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (run.stdout.strip(), run.stderr) == ("</svg>", "")


@pytest.mark.parametrize("entry", tg.TABLE.values(), ids=tg.TABLE.keys())
def test_every_primitive_shows_a_rule_for_each_operand_that_has_one(entry):
    text = str(entry)
    assert text.startswith(f"{entry.name} ({entry.kind})")
    assert re.findall(r"^  δ(\w+) += ", text, re.M) == [*entry.derivatives()]
    assert ("no gradient passes" in text) == (not entry.derivatives())
