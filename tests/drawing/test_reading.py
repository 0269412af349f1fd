"""A picture is read in one way: whose arrow a label is on, what is whole and what is a share.

Where things stand is read off the layout programs' own geometry.
"""

import re
from itertools import pairwise

import numpy as np
import pytest

import tinygrad_lstm as tg
from support.pictures import WAYS, Layout, arrows, labels, legend, nodes, pieces
from tinygrad_lstm.drawing.bridges import bridge
from tinygrad_lstm.drawing.labels import Labels
from tinygrad_lstm.drawing.text import FONT, MONO, is_beside
from tinygrad_lstm.engine.kind import Kind
from tinygrad_lstm.network.condense import condense

MARGIN = 2  # points by which an arrow is nearer to its own label than any other arrow


def leaf(name, *shape):
    seed = [ord(letter) for letter in name]
    return tg.Tensor(np.random.default_rng(seed).normal(size=shape), requires_grad=True, name=name)


def loss_of(layer, steps=4):
    out = layer(leaf("x", steps, 2))[0]
    return tg.nn.squared_error(out, np.zeros(out.shape))


def two_steps_back():
    """Record h(k) = tanh(x(k) W + h(k−1) U1 + h(k−2) U2 + b), and y(k) = h(k) V."""
    x, W, U1, U2, V = leaf("x", 5, 2), *(leaf(n, 2, 2) for n in ("W", "U1", "U2", "V"))
    b, before, last, ys = leaf("b", 2), tg.Tensor(np.zeros(2)), tg.Tensor(np.zeros(2)), []
    for k in tg.steps(5):
        h = tg.tanh(x[k] @ W + last @ U1 + before @ U2 + b)
        h.name = "h"
        before, last = last, h
        ys.append(h @ V)
    return tg.nn.squared_error(tg.stack(ys), np.zeros((5, 2)))


def attention():
    """Record a sum of the steps of an LSTM, weighted by a softmax of their scores."""
    H = tg.nn.LSTM(2, 3, seed=0)(leaf("x", 4, 2))[0]
    weights = tg.softmax(tg.tanh(H @ leaf("A", 3, 2)) @ leaf("v", 2))
    weights.name = "weights"
    y = tg.sigmoid(weights @ H @ leaf("V", 3, 1))
    y.name = "y"
    return tg.nn.squared_error(y, np.zeros(1))


def custom_cell():
    """Record a minimal gated unit with a peephole and a decayed input, as a loop of one's own."""
    x, c, ys = leaf("x", 4, 2), tg.Tensor(np.zeros(3)), []
    W, V, U, p, d = leaf("W", 2, 3), leaf("V", 2, 3), leaf("U", 3, 3), leaf("p", 3), leaf("d")
    for k in tg.steps(4):
        f = tg.sigmoid(x[k] @ W + p * c)
        f.name = "f"
        g = tg.softplus(x[k] @ V * d + (f * c) @ U) - 0.5
        c = f * c + (1.0 - f) * g
        c.name = "c"
        ys.append(c)
    return tg.nn.squared_error(tg.stack(ys), np.zeros((4, 3)))


def twice():
    """Record y = tanh(x W) W."""
    W, x = leaf("W", 2, 2), leaf("x", 3, 2)
    h = tg.tanh(x @ W)
    h.name = "h"
    return tg.nn.squared_error(h @ W, np.zeros((3, 2)))


def scalars(*sizes):
    y = leaf("x", sizes[0])
    for number, (before, after) in enumerate(pairwise(sizes)):
        y = tg.nn.Dense(before, after, tg.tanh, name=f"dense{number}", seed=number)(y)
    return tg.nn.squared_error(y, np.zeros(sizes[-1]))


NETWORKS = {
    "gru": lambda: loss_of(tg.nn.GRU(2, 3, seed=0)),
    "three layers": lambda: loss_of(tg.nn.GRU(2, 3, num_layers=3, seed=0)),
    "directions": lambda: loss_of(tg.nn.LSTM(2, 3, bidirectional=True, peephole=True, seed=0)),
    "two steps back": two_steps_back, "attention": attention, "custom cell": custom_cell,
}  # fmt: skip
CASES = {
    **{name: (network, {}) for name, network in NETWORKS.items()},
    "unrolled": (two_steps_back, {"fold": False}),
    "twice": (twice, {}),
    "numbers": (lambda: loss_of(tg.nn.GRU(2, 1, seed=0)), {"values": 2}),
    "scalar 3 4 3": (lambda: scalars(3, 4, 3), {"level": "scalar"}),
    "scalar 1 6 1": (lambda: scalars(1, 6, 1), {"level": "scalar"}),
    "scalar cell": (two_steps_back, {"level": "scalar"}),
}  # fmt: skip
by_case = pytest.mark.parametrize("name", CASES)
by_way = pytest.mark.parametrize("way", WAYS)


@pytest.mark.long
@by_way
@by_case
def test_every_label_is_nearest_to_its_own_arrow(name, way):
    network, options = CASES[name]
    for view in ("forward", "adjoint"):
        layout = Layout(tg.draw(network(), view=view, **options).dot, way)
        assert layout.strays(MARGIN) == [] and layout.overlaps() == []


# --- names and factors ----------------------------------------------------------------------------


def drawn(name, view="adjoint", **more):
    network, options = CASES[name]
    return tg.draw(network(), view=view, **options | more).dot


@pytest.mark.parametrize("view", ["forward", "adjoint"])
@by_case
def test_a_name_and_a_factor_look_different(name, view):
    seen = [label for label in labels(drawn(name, view)) if label.lines and not is_beside(label.id)]
    fonts = {(label.look["shape"], label.look["fontname"]) for label in seen}
    assert ("plaintext", MONO) in fonts and fonts & {("trapezium", FONT), ("box", FONT)}
    assert fonts <= {("plaintext", MONO), ("trapezium", FONT), ("box", FONT)}
    for label in seen:
        if label.look["shape"] != "plaintext":
            assert not any(line.startswith("δ") for line in label.lines)


@pytest.mark.parametrize("view", ["forward", "adjoint"])
def test_a_matrix_product_and_a_factor_of_each_entry_look_different(view):
    """In the custom cell p multiplies entry by entry, W is a matrix; so are the gains."""
    dot = drawn("custom cell", view)
    shapes = {label.lines[0]: label.look["shape"] for label in labels(dot) if label.lines}
    by_entry = {"× p", "× −1"} | ({"× f(k)", "× c(k−1)"} if view == "adjoint" else set())
    matrices = {"W", "V", "U"} if view == "forward" else {"Wᵀ", "Vᵀ", "Uᵀ"}
    assert {shapes[word] for word in by_entry} == {"box"}
    assert {shapes[word] for word in matrices} == {"trapezium"}
    assert all(word.startswith("× ") for word, shape in shapes.items() if shape == "box")
    below = " ".join(legend(dot))
    assert "▷ W, a wedge matrix product" in below and "× z in a box multiplies by z" in below
    assert "× v in a box" not in " ".join(legend(drawn("twice", view)))


def test_a_factor_that_is_a_sum_stands_in_brackets():
    assert "× (1 − f(k))" in words_of(custom_cell)[0]


@pytest.mark.parametrize(("view", "tip"), [("forward", "-90"), ("adjoint", "90")])
def test_a_factor_points_along_its_arrow(view, tip):
    wedges = [x.look for x in labels(drawn("gru", view)) if x.look["shape"] == "trapezium"]
    assert wedges and {look["orientation"] for look in wedges} == {tip}


@pytest.mark.parametrize("view", ["forward", "adjoint"])
def test_what_enters_and_what_leaves_a_function_stands_on_its_lines(view):
    dot = drawn("gru", view)
    function = {"r": "σ", "z": "σ", "n": "tanh"}
    for gate, operation in function.items():
        enters, leaves = (f"s_{gate}(k)", f"{gate}(k)")
        inside = operation
        if view == "adjoint":
            enters, leaves = f"δ{leaves}", f"δ{enters}"
            inside = f"× (1 − {gate}(k)²)" if gate == "n" else f"× {gate}(k) ∘ (1 − {gate}(k))"
        (to,) = [arrow for arrow in arrows(dot) if arrow.lines[-1:] == [enters]]
        (box,) = [node for node in nodes(dot) if node.id == to.head]
        assert box.lines == [inside]
        assert {arrow.lines[0] for arrow in arrows(dot) if arrow.tail == box.id} == {leaves}


def test_signals_are_called_alike_in_boxes_and_on_arrows():
    for view in ("forward", "adjoint"):
        dot = drawn("gru", view, legend=False)
        for part in (*nodes(dot), *labels(dot)):
            for line in part.lines:
                assert not re.search(r"(?<![_\w])(out|n|r|z|x)\b(?!\()", line), line


def test_a_signal_that_a_factor_reads_has_a_name():
    forward = {line for label in labels(drawn("custom cell", "forward")) for line in label.lines}
    adjoint = {line for part in (*labels(drawn("custom cell")), *nodes(drawn("custom cell")))
               for line in part.lines}  # fmt: skip
    assert {"× σ(v(k))", "× (softplus(v(k)) − 0.5)"} <= adjoint and "v(k)" in forward
    assert not any("_" in line for line in adjoint if "add" in line or "subtract" in line)


@pytest.mark.parametrize("name", [*NETWORKS, "unrolled", "numbers"])
def test_every_signal_that_is_read_stands_on_a_line(name):
    signal = re.compile(r"[\w.]+\([k−+\d]*\)")
    forward = {line for part in (*labels(drawn(name, "forward")), *nodes(drawn(name, "forward")))
               for line in part.lines}  # fmt: skip
    dot = drawn(name)
    read = " ".join(line for part in (*labels(dot), *nodes(dot)) for line in part.lines)
    below = " ".join(line for line in legend(dot) if " = Σₖ " in line)
    for word in signal.findall(f"{read} {below}"):
        name = word.removeprefix("∂L").removeprefix("δ")
        is_told = f"{name} = " in " ".join(legend(dot)).replace("\N{NO-BREAK SPACE}", " ")
        assert {name, name.rpartition(".")[2]} & forward or is_told, word  # or with its module


def test_weights_of_one_name_are_told_apart_below():
    words = " ".join(legend(drawn("three layers")))
    assert "in gru layers.0 δW_n" in words and "in gru layers.2 δW_n" in words


def test_one_number_for_several_entries_is_the_sum_of_what_comes_back():
    x, e = leaf("x", 3), leaf("e")
    dot = tg.draw(tg.sum(tg.tanh(x) * tg.sigmoid(e)), view="adjoint").dot
    (to,) = [arrow for arrow in arrows(dot) if "Σ" in arrow.lines]
    assert to.lines == ["× tanh(x)", "Σ"]
    assert any("adds δ up over the copies" in line for line in legend(dot))


# --- gradients of weights -------------------------------------------------------------------------

GRADIENTS = {
    "two steps back": ["δW = Σₖ x(k)ᵀ δs_h(k)", "δU1 = Σₖ h(k−1)ᵀ δs_h(k)",
                       "δU2 = Σₖ h(k−2)ᵀ δs_h(k)", "δV = Σₖ h(k)ᵀ δy(k)"],
    "twice": ["share of δW = xᵀ δs_h", "share of δW = hᵀ δy"],
}  # fmt: skip


@pytest.mark.parametrize("name", GRADIENTS)
def test_a_weight_s_gradient_stands_beside_the_weight(name):
    dot = drawn(name)
    by_id = {label.id: label for label in labels(dot)}
    beside = {label.lines[0]: by_id[label.id.rpartition("_")[0]] for label in by_id.values()
              if is_beside(label.id)}  # fmt: skip
    assert beside.keys() >= set(GRADIENTS[name])
    for text, weight in beside.items():
        called = text.removeprefix("share of ").removeprefix("δ").partition(" ")[0]
        assert weight.lines in ([called], [f"{called}ᵀ"])


def test_gradients_stand_below_where_there_is_no_room():
    words = " ".join(legend(drawn("custom cell")))
    assert "δp = Σₖ δs_f(k) ∘ c(k−1)" in words and "δU = Σₖ (f(k) ∘ c(k−1))ᵀ δv(k)" in words


def test_many_gradients_stand_below():
    dot = drawn("directions")
    assert not any(is_beside(label.id) for label in labels(dot))
    words = " ".join(legend(dot))
    assert "δW_a = Σₖ x(k)ᵀ δs_a(k)" in words and "δp_o = Σₖ δs_o(k) ∘ state(k)" in words


# --- marks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("view", ["forward", "adjoint"])
@by_case
def test_a_thick_line_is_a_value_that_is_carried_over_a_step(name, view):
    dot = drawn(name, view)
    delays = {node.id for node in nodes(dot) if node.lines in (["q⁻¹"], ["q⁺¹"])}
    lines = [(*ends, look) for *ends, look in pieces(dot) if look["color"] != "none"]
    reached, before = delays, None
    while reached != before:  # from a delay through names, and no factor
        before = reached
        names = {x.id for x in labels(dot) if x.look["shape"] == "plaintext"} & reached
        ends = [{tail, head} for tail, head, _ in lines if {tail, head} & (delays | names)]
        reached = delays.union(*ends)
    for tail, head, look in lines:
        assert ("penwidth" in look) <= ({tail, head} <= reached)
    assert any("penwidth" in look for *_, look in lines) == bool(delays)


@by_case
def test_a_dot_branches(name):
    dot = drawn(name)
    visible = [arrow for arrow in arrows(dot) if arrow.look["color"] != "none"]
    for node in nodes(dot):
        if node.lines in (["●"], ["◆"], ["Σ"]) and node.look["shape"] == "circle":
            seen = node.look.get("fontcolor") != "none"
            assert not seen or sum(node.id in arrow[:2] for arrow in visible) > 2


def test_the_branch_point_of_a_product_is_a_diamond():
    forward, adjoint = ({node.id[1:]: node.lines for node in nodes(drawn("gru", view))}
                        for view in ("forward", "adjoint"))  # fmt: skip
    products = {place for place, lines in forward.items() if lines == ["×"]}
    assert {place for place, lines in adjoint.items() if lines == ["◆"]} == products
    assert len(products) == 3


def test_an_arrow_between_dots_has_a_head():
    dot = drawn("gru")
    dots = {node.id for node in nodes(dot) if node.lines in (["●"], ["◆"])}
    between = [arrow for arrow in arrows(dot) if {arrow.tail, arrow.head} <= dots]
    assert between and all("nonenormal" in arrow.look.values() for arrow in between)


def test_the_legend_says_what_functions_are_where_they_are_used():
    custom, directions = (" ".join(legend(drawn(name))) for name in ("custom cell", "directions"))
    assert "softplus(s) = ln(1 + exp(s))" in custom and "softplus" not in directions
    assert "σ(s) = 1 / (1 + exp(−s))" in custom and "σ(s)" in directions
    assert "σ(s)" not in " ".join(legend(drawn("two steps back")))
    assert "q⁺¹: output(k) = input(k+1)" in custom and "k runs backwards" in custom


def test_where_lines_cross_one_has_a_bridge():
    ends = {"a": "0,50", "b": "100,50", "c": "50,0", "d": "50,100"}
    places = "\n".join(f'{name} [pos="{at}"];' for name, at in ends.items())
    level = 'a -> b [pos="0,50 30,50 60,50 100,50"];'
    upright = 'c -> d [pos="50,0 50,30 50,60 50,100"];'
    text = f"digraph f {{\n{places}\n{level}\n{upright}\n}}\n"
    assert re.findall(r'color=(\S+), .*pos="(\S+) .* (\S+)"\];', bridge(text)) == [
        ("white", "44,50", "56,50"), ('"black"', "44,50", "56,50")]  # fmt: skip
    assert bridge(text.replace(upright, "")) == text.replace(upright, "")
    assert bridge(text.replace("c -> d", "a -> d")).count("bridge") == 0  # of one fork


# --- what a reader of the picture alone needs -----------------------------------------------------


def joined():
    """Record steps that read a join and a mask, and a loss that nobody named."""
    x, W, V, h, total = (
        leaf("x", 6, 2),
        leaf("W", 5, 3),
        leaf("V", 3, 2),
        tg.Tensor(np.zeros(3)),
        0.0,
    )
    mask = (np.arange(6) % 3 > 0).astype(float)[:, None] * np.ones((6, 3))
    for k in tg.steps(6):
        h = mask[k] * tg.tanh(tg.concatenate((x[k], h), axis=-1) @ W)
        h.name = "h"
        y = h @ V + (x[k] * x[k] + 1.0) ** 1.5
        total = total + tg.sum(y * y)
    return total * 0.5


def words_of(network, view="adjoint"):
    dot = tg.draw(network(), view=view).dot
    return [line for part in (*nodes(dot), *labels(dot)) for line in part.lines], legend(dot)


@pytest.mark.parametrize("view", ["forward", "adjoint"])
def test_a_join_says_its_operands_in_order(view):
    words, below = words_of(joined, view)
    assert "[x(k), h(k−1)]" in words and any("[ , ] one behind the other" in line for line in below)


def test_the_gain_of_a_function_of_several_operands_is_its_slope():
    words, _ = words_of(joined)
    assert any(line.startswith("× 1.5 (") for line in words) and not any("′" in x for x in words)


def test_a_function_of_several_signals_says_which_is_which():
    words, below = words_of(lambda: tg.sum(leaf("a", 3) * 2.0 / tg.exp(leaf("e", 3))))
    assert "◆" in words and any(line.startswith("f(a, b) in it") for line in below)
    words, _ = words_of(lambda: tg.sum(leaf("a", 3) * 2.0 / tg.exp(leaf("e", 3))), "forward")
    assert "a ∘ 2 / exp(e)" in words or "2 a / exp(e)" in words


def test_a_loss_and_a_mask_that_nobody_named_are_called_as_a_person_would():
    words, _ = words_of(joined)
    assert "δL" in words and "m(k)" in words


def test_the_legend_says_the_steps_that_k_runs_over():
    assert "steps: k = 0 … 5" in " ".join(words_of(joined)[1])
    encoder, decoder = (tg.nn.RNN(2, 3, seed=0, name=name) for name in ("encoder", "decoder"))

    def network():
        out, _ = decoder(leaf("u", 3, 2), encoder(leaf("x", 5, 2))[1])
        return tg.nn.squared_error(out, np.zeros((3, 3)))

    assert "steps: k = 0 … 4 in encoder; k = 0 … 2 in decoder" in " ".join(words_of(network)[1])


def test_a_constant_has_no_gradient():
    words, below = words_of(joined)
    said = " ".join((*words, *below)).replace(
        "yellow a parameter, or a constant a constant has no δ", ""
    )
    assert "constant" not in said


def test_two_signals_that_nobody_named_have_two_letters():
    """The first product of each step, and that of all steps that is moved into the loop."""
    A, q, x, s, states = leaf("A", 2, 3), leaf("q", 3), leaf("x", 5, 2), np.zeros(3), []
    for k in tg.steps(5):
        s = tg.relu(x[k] @ A) + tg.sin(s)
        s.name = "s"
        states.append(s)
    weights = tg.softmax(tg.stack(states) @ q)
    network = tg.graph(tg.sum(weights * weights)).fold()
    products = [node for node in network.nodes if node.kind is Kind.BILINEAR and node.folded]
    labels = Labels(network)
    assert len({node.stem for node in products}) < len(products)
    assert len({labels.letter(node) for node in products}) == len(products)


def test_what_a_softmax_over_the_steps_hands_back_is_no_sum_of_its_entries():
    q, x, s, states = leaf("q", 3), leaf("x", 5, 3), np.zeros(3), []
    for k in tg.steps(5):
        s = tg.tanh(x[k] + s)
        s.name = "s"
        states.append(s)
    w = tg.softmax(tg.stack(states) @ q)
    w.name = "w"
    network = condense(tg.graph(tg.sum(w * w))).fold()
    (node,) = [node for node in network.nodes if node.kind is Kind.MATRIX_FUNCTION]
    assert Labels(network).backward(node) == "w ∘ (δ − Σ (δ ∘ w))"


# --- gradients, shapes and starts, all in the words below -----------------------------------------


def batch(zero=False):
    """Record z(k) = tanh(x(k) W + c(k−1) ∘ p + b), and c(k) U ∘ g behind it, for a batch of 2."""
    x, W, U = leaf("x", 4, 2, 3), leaf("W", 3, 3), leaf("U", 3, 3)
    p, b, g, ys = leaf("p", 3), leaf("b", 3), leaf("g", 3), []
    c = tg.Tensor(np.zeros((2, 3))) if zero else leaf("c_0", 2, 3)
    for k in tg.steps(4):
        c = tg.tanh(x[k] @ W + c * p + b)
        c.name = "c"
        y = (c * g) @ U
        y.name = "y"
        ys.append(y)
    return tg.nn.squared_error(tg.stack(ys), np.zeros((4, 2, 3)))


def below(network):
    lines = legend(tg.draw(network, view="adjoint").dot)
    return " ".join(" ".join(lines).replace("\N{NO-BREAK SPACE}", " ").split())


def test_every_parameter_has_its_gradient_with_its_sums():
    dot = tg.draw(batch(), view="adjoint").dot
    beside = [label.lines[0] for label in labels(dot) if is_beside(label.id)]
    words = f"{below(batch())} {' '.join(beside)}"
    for equation in (
        "δW = Σₖ x(k)ᵀ δs_c(k)", "δp = Σₖ Σ_batch δs_c(k) ∘ c(k−1)", "δb = Σₖ Σ_batch δs_c(k)",
        "δg = Σₖ Σ_batch ", "δU = Σₖ ",
    ):  # fmt: skip
        assert equation in words, equation
    assert "Σ_batch" not in below(custom_cell())  # of vectors


def test_two_weights_behind_each_other_are_both_wedges_or_factors():
    for view, seen in (("forward", {"× g", "U"}), ("adjoint", {"× g", "Uᵀ"})):
        dot = tg.draw(batch(), view=view).dot
        assert seen <= {line for label in labels(dot) for line in label.lines}
        assert not any(node.lines == ["@"] for node in nodes(dot))


def test_the_words_say_what_a_delay_hands_out_at_first():
    assert "at the first step: c(k−1) = c_0" in below(batch())
    assert "at the first step: c(k−1) = 0" in below(batch(zero=True))
    backwards = below(loss_of(tg.nn.LSTM(2, 3, bidirectional=True, seed=0)))
    assert "at the last step: " in backwards and "at the first step: " in backwards


@pytest.mark.parametrize("name", NETWORKS)
def test_every_signal_on_a_line_has_a_shape(name):
    words = " ".join(legend(drawn(name))).partition("shapes of signals")[2]
    shown = {x.lines[0] for x in labels(drawn(name, "forward")) if x.look["shape"] == "plaintext"
             and x.lines and x.lines[0].endswith("(k)")}  # fmt: skip
    assert all(line.rpartition(".")[2] in words or "…" in words for line in shown)


def test_a_picked_step_stands_in_the_gradient_of_its_weight():
    x, W, U, F = leaf("x", 4, 2, 3), leaf("W", 3, 3), leaf("U", 3, 3), leaf("F", 3, 1)
    h, hs = tg.Tensor(np.zeros((2, 3))), []
    for k in tg.steps(4):
        h = tg.tanh(x[k] @ W + h @ U)
        h.name = "h"
        hs.append(h)
    loss = tg.nn.squared_error(tg.stack(hs)[-1] @ F, np.zeros((2, 1)))
    beside = [label.lines[0] for label in labels(tg.draw(loss, view="adjoint").dot) if label.lines]
    assert "δF = h(3)ᵀ δy" in beside and "last step (" not in below(loss)


def test_what_every_step_reads_gets_a_sum_over_the_steps():
    q, x, h, hs = leaf("q", 3), leaf("x", 4, 2, 3), tg.Tensor(np.zeros((2, 3))), []
    tau = tg.sigmoid(q)
    tau.name = "tau"
    for k in tg.steps(4):
        h = (1 - tau) * h + tau * x[k]
        h.name = "h"
        hs.append(h)
    loss = tg.nn.squared_error(tg.stack(hs), np.zeros((4, 2, 3)))
    (to,) = [x for x in arrows(tg.draw(loss, view="adjoint").dot) if "Σₖ" in x.lines]
    assert to.lines == ["δtau", "Σₖ"] or to.lines == ["Σₖ", "δtau"]
    assert "▷ Σₖ every step reads the signal adds δ up over k" in below(loss)
    assert not any("Σₖ" in x.lines for x in arrows(drawn("gru")))  # all weights


# --- what a reader could not know -----------------------------------------------------------------


def second_order(parameter="q"):
    """Record h(k) = (1 − tau) h(k−1) + tau tanh(x W + h(k−2) R), its loss added up in the loop."""
    q, W, R = leaf(parameter, 3), leaf("W", 2, 3), leaf("R", 3, 3)
    x, before, last = leaf("x", 4, 2, 2), leaf("h_1", 2, 3), leaf("h_0", 2, 3)
    tau, loss = tg.sigmoid(q), 0.0
    tau.name = "tau"
    for k in tg.steps(4):
        h = (1 - tau) * last + tau * tg.tanh(x[k] @ W + before @ R)
        h.name = "h"
        before, last = last, h
        loss = loss + tg.nn.mean_squared_error(h, np.ones((2, 3)))
    return loss


@pytest.mark.parametrize("name, letter", [("q", "z"), ("tau0", "q")])
def test_the_letter_of_a_delay_is_no_signal(name, letter):
    dot = tg.draw(second_order(name)).dot
    delays = [node.lines for node in nodes(dot) if node.lines and "⁻¹" in node.lines[0]]
    assert delays == [[f"{letter}⁻¹"]] * 2
    assert f"{letter}⁺¹: output(k) = input(k+1)" in below(second_order(name))


def test_every_gradient_and_the_recursion_of_the_state_are_written_out():
    said = below(second_order())
    for equation in (
        "δ of a state: δh(k) = ∂L/∂h(k) + δh(k+1) ∘ (1 − tau) + δu(k+2) Rᵀ",
        "δq = δtau ∘ tau ∘ (1 − tau)",
        "δh_1 = δu(0) Rᵀ",
        "δh_0 = δh(0) ∘ (1 − tau) + δu(1) Rᵀ",
    ):
        assert equation in said, equation
    assert "at the first step: h(k−2) = h_1, h(k−1) = h_0" in said
    assert "at the second step: h(k−2) = h_0" in said


def test_a_recursion_in_names_that_several_signals_have_is_not_written():
    said = below(tg.nn.LSTM(2, 3, num_layers=2, seed=0)(leaf("x", 4, 2))[0].sum())
    assert "δ of a state" not in said


def test_what_is_added_up_over_the_copies_says_over_which_axis():
    x, column = leaf("x", 3, 4), leaf("v", 3, 1)
    dot = tg.draw(tg.sum(tg.tanh(x) * tg.sigmoid(column)), view="adjoint").dot
    assert any("Σ₁" in arrow.lines for arrow in arrows(dot))


def test_what_follows_the_loop_is_said_to_be_computed_after_it():
    said = below(attention())
    assert "compute what follows after the loop, and its adjoint before the loop" in said
    assert "softmax(z) = exp(z) / Σ exp(z)" in said


# --- whose letters, which parameters, and the loss at its end -------------------------------------


def decayed():
    """Record a = d a + (1 - d) tanh(x W ∘ x V), with d = σ(rate), and a mean squared error."""
    x, a, loss = leaf("x", 3, 2, 2), leaf("a_0", 2, 3), 0.0
    W, V, d = leaf("W", 2, 3), leaf("V", 2, 3), tg.sigmoid(leaf("rate", 3))
    d.name = "d"
    for k in tg.steps(3):
        a = d * a + (1 - d) * tg.tanh((x[k] @ W) * (x[k] @ V))
        a.name = "a"
        loss = loss + tg.nn.squared_error(a, np.full((2, 3), float(k)))
    return loss


def test_letters_of_signals_without_a_name_are_said_to_be_ours_and_are_those_of_the_derivation():
    said = below(decayed())
    letters = re.search(r"without a name: ([\w, ]+?) (steps|shapes|a:)", said)[1]
    assert {"u", "v"} <= set(letters.split(", ")), said
    derived = str(tg.derive(decayed()))
    assert "uₖ" in derived and re.search(r"uₖ +(=|∘)", derived)
    assert "without a name" not in below(loss_of(tg.nn.LSTM(2, 3, seed=0)))


def test_a_parameter_that_is_used_once_looks_like_one_and_data_do_not():
    for view, mark in (("forward", ""), ("adjoint", "δ")):
        look = {"".join(x.lines[:1]): x.look for x in nodes(tg.draw(decayed(), view=view).dot)}
        assert look[f"{mark}rate"]["fillcolor"] == "#fff8e1"
        assert "fillcolor" not in look[f"{mark}a_0"] or look[f"{mark}a_0"]["style"] == ""
        assert look[f"{mark}x(k)"]["shape"] == "plaintext"
    assert "a parameter, or a constant" in below(decayed())


def test_the_loss_and_its_derivative_stand_at_the_end():
    ends = [
        tuple(x.lines)
        for view in ("forward", "adjoint")
        for x in nodes(tg.draw(loss_of(tg.nn.RNN(2, 3, seed=0)), view=view).dot)
        if "".join(x.lines).startswith(("out(k)", "∂L"))
    ]
    assert ends == [("out(k)", "L = 0.5 Σₖ Σ e(k)²"), ("∂L/∂out(k)", "= e(k)")]


def test_arrows_point_into_factors():
    for view, end in (("forward", "head"), ("adjoint", "tail")):
        dot = drawn("two steps back", view)
        seen = {x.id for x in labels(dot) if x.look["shape"] in ("trapezium", "box") and x.lines}
        into = re.compile(r"(?m)^\s*(\w+)(?::\w+)? -> (\w+)(?::\w+)? \[(.*)\]")
        pointed = set()
        for tail, head, look in into.findall(dot):
            if "dir=back" in look:
                pointed.add(tail)
            elif "dir=none" not in look:
                pointed.add(head)
        assert seen and seen <= pointed, (view, end, seen - pointed)


@by_case
def test_every_δ_in_an_equation_is_drawn_by_its_name_or_written_out(name):
    network, options = CASES[name]
    if options:
        return
    dot = tg.draw(network(), view="adjoint").dot
    seen = {line.partition("(")[0] for part in (*labels(dot), *nodes(dot)) for line in part.lines}
    words = " ".join(legend(dot)).replace("\N{NO-BREAK SPACE}", " ")
    defined = set(re.findall(r"(δ[\w.]+)(?:\([^)]*\))? = ", words))
    read = set(re.findall(r"δ[\w.]+", words)) - {"δname", "δW", "δv"}
    assert read - seen - defined == set()


def test_a_long_function_of_several_operands_names_them_by_letters():
    g, m, n = leaf("g", 2, 3), leaf("m", 2, 3), leaf("n", 2, 3)
    y = (1 - g) * m * tg.tanh(g) / tg.sqrt(n * n + 0.1)
    y.name = "y"
    dot = tg.draw(tg.nn.squared_error(y, np.zeros((2, 3)))).dot
    (box,) = [line for x in nodes(dot) for line in x.lines if " / " in line]
    above, under = box.split(" / ")
    assert {above, under} <= {line for x in labels(dot) for line in x.lines}, box
    assert "divide" not in dot


def test_a_fraction_is_written_as_one():
    dot = tg.draw(tg.sum(tg.tanh(tg.mean(abs(leaf("x", 2, 3)), axis=1))), view="adjoint").dot
    assert "× (1/3)" in dot and "0.3333" not in dot
    assert "sign(z) is −1, 0 or 1" in " ".join(legend(dot))
