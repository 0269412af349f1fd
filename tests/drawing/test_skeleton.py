"""What is in a picture in Wan's style: mathematics at places and arrows, and nothing beside it."""

import re

import numpy as np
import pytest

import tinygrad_lstm as tg
from support.pictures import arrows, frames, nodes, texts
from tinygrad_lstm import gallery

FORWARD = ["x(k)", "W_a", "U_o", "b_f", "Σ", "s_i(k)", "tanh", "σ", "×", "state(k)", "state(k−1)",
           "out(k)", "out(k−1)", "q⁻¹", "a(k)", "i(k)", "f(k)", "o(k)"]  # fmt: skip
ADJOINT = ["δx(k)", "W_aᵀ", "U_oᵀ", "δb_f", "δs_i(k)", "× (1 − a(k)²)", "× i(k) ∘ (1 − i(k))",
           "× f(k) ∘ (1 − f(k))", "× o(k) ∘ (1 − o(k))", "× (1 − tanh(state(k))²)",
           "× tanh(state(k))", "δstate(k)", "× state(k−1)", "δout(k)",
           "q⁺¹", "× i(k)", "× f(k)", "× o(k)", "∂L/∂out(k)"]  # fmt: skip


def lstm(steps=3, state=None, **options):
    layer = tg.nn.LSTM(2, 3, seed=0, **options)
    x = tg.Tensor(np.ones((steps, 2)), requires_grad=True, name="x")
    out = layer(x, state=state)[0]
    return tg.nn.squared_error(out, np.zeros(out.shape))


def seen(view, **options):
    return texts(tg.draw(lstm(**options), view=view).dot)


@pytest.mark.parametrize("text", FORWARD)
def test_the_network_says(text):
    assert seen("forward")[text]


@pytest.mark.parametrize("text", ADJOINT)
def test_the_adjoint_network_says(text):
    assert seen("adjoint")[text]


@pytest.mark.parametrize("view", ["forward", "adjoint"])
def test_each_view_has_the_signs_of_its_own(view):
    found = seen(view)
    q, other, δ = ("q⁻¹", "q⁺¹", False) if view == "forward" else ("q⁺¹", "q⁻¹", True)
    assert found[q] == 2 and found[other] == 0
    assert any(each.startswith("δ") and "=" not in each for each in found) == δ
    assert any(re.fullmatch(r"[WU]_.ᵀ", each) for each in found) == δ


def test_two_weights_one_after_the_other_are_both_drawn():
    A, B = (tg.Tensor(np.ones((3, 3)), requires_grad=True, name=name) for name in "AB")
    loss = tg.nn.squared_error(tg.tanh(np.ones((2, 3)) @ A @ B), np.zeros((2, 3)))
    found = texts(tg.draw(loss, view="forward").dot)
    assert found["A"] == found["B"] == 1


def test_a_fork_to_which_nothing_comes_back_is_not_in_the_adjoint():
    for view, count in (("forward", 0), ("adjoint", 1)):  # the fork of seam(k)
        dot = tg.draw(lstm(steps=6, truncate=2), view=view).dot
        hidden = [line for line in dot.splitlines() if "fontcolor=none" in line]
        assert sum('label="Σ"' in line for line in hidden) == count


def test_packed_gates_are_drawn_as_four():
    found = seen("forward")
    assert all(found[f"{letter}_{gate}"] == 1 for letter in "WUb" for gate in "aifo")
    assert all(found[f"{gate}(k)"] == found[f"s_{gate}(k)"] == 1 for gate in "aifo")
    assert not found["W"] and not found["U"] and not found["b"]


def test_the_counts_are_those_of_the_papers():
    # Σ, forks, products, functions and delays: with the loop closed, out(k) forks into y as well
    dot = tg.draw(lstm()).dot
    kinds = [node.lines[-1] for node in nodes(dot)]
    count = {kind: kinds.count(kind) for kind in ("Σ", "●", "×", "tanh", "σ", "q⁻¹")}
    assert count == {"Σ": 5, "●": 4, "×": 3, "tanh": 2, "σ": 3, "q⁻¹": 2}


def test_weights_are_at_arrows_and_biases_beside_their_sum():
    dot = tg.draw(lstm()).dot
    at_arrows = [line for arrow in arrows(dot) for line in arrow.lines if line[0] in "WU"]
    assert sorted(at_arrows) == sorted(f"{letter}_{gate}" for letter in "WU" for gate in "aifo")
    in_nodes = [line for node in nodes(dot) for line in node.lines if line[0] in "WUb"]
    assert sorted(in_nodes) == ["b_a", "b_f", "b_i", "b_o"]


@pytest.mark.parametrize("view", ["forward", "adjoint"])
def test_a_zero_initial_state_is_left_out(view):
    assert not any("[−1]" in text for text in seen(view))


@pytest.mark.parametrize("view", ["forward", "adjoint"])
@pytest.mark.parametrize("name", ["out", "state"])
def test_an_initial_state_is_shown(view, name):
    ones = [tg.Tensor(np.ones(3), requires_grad=True) for _ in range(2)]
    dot = tg.draw(lstm(state=tuple(ones)), view=view).dot
    text = f"{name}[−1]" if view == "forward" else f"δ{name}[−1]"
    (start,) = [node.id for node in nodes(dot) if node.lines == [text]]
    delays = {node.id for node in nodes(dot) if node.lines[0] in ("q⁻¹", "q⁺¹")}
    (arrow,) = [each for each in arrows(dot) if start in each[:2]]
    assert {arrow.tail, arrow.head} - {start} <= delays
    assert (arrow.tail == start) == (view == "forward")


def total(start, axis):
    x, W, h = tg.Tensor(np.ones((3, 2)), name="x"), tg.nn.Dense(2, 2, seed=0), start
    for k in tg.steps(len(x)):
        h = h + tg.sum(tg.tanh(W(x[k])), axis=axis)
        h.name = "h"
    return h


@pytest.mark.parametrize(
    ("start", "shown"),
    [(0.0, False), (1.0, True), (tg.Tensor(np.zeros(2), name="h0"), False),
     (tg.Tensor(np.ones(2), name="h0"), True), (tg.Tensor(np.eye(2)[0], name="h0"), True)],
    ids=["0", "1", "zeros", "ones", "one and zero"],
)  # fmt: skip
def test_a_start_is_shown_if_it_is_not_zero(start, shown):
    dot = tg.draw(total(start, None if isinstance(start, float) else ())).dot
    (delay,) = [node.id for node in nodes(dot) if node.lines == ["q⁻¹"]]
    starts = [each for each in arrows(dot) if each.head == delay and "dir" not in each.look]
    assert len(starts) == shown
    names = ["1"] if isinstance(start, float) else ["h0"]
    assert [node.lines for node in nodes(dot)].count(names) == shown


def test_the_carousel_goes_round():
    """δstate → times f(k) → q⁺¹ → δstate."""
    dot = tg.draw(lstm(), view="adjoint").dot
    lines = {node.id: node.lines for node in nodes(dot)}
    (f,) = [
        each for each in arrows(dot) if each.lines == ["× f(k)"] and lines[each.head] == ["q⁺¹"]
    ]
    (back,) = [each for each in arrows(dot) if each.tail == f.head]
    (δstate,) = [each for each in arrows(dot) if each.lines == ["δstate(k)"]]
    assert lines[back.head] == ["Σ"] and back.head == δstate.tail
    after = {each.head for each in arrows(dot) if each.tail == δstate.head}
    assert f.tail in after


def test_the_loss_is_the_end_of_the_network():
    dot = tg.draw(gallery.question(), view="both").dot
    found = texts(dot)
    assert found["y(k)"] and found["∂L/∂y(k)"] == 1
    inside = texts(tg.draw(gallery.question(), view="both", legend=False).dot)
    assert not any("squared_error" in each or "target" in each for each in inside)


def test_a_layer_is_a_frame():
    assert frames(tg.draw(gallery.question()).dot) == ["network", "lstm", "dense"]
    stack = frames(tg.draw(gallery.two_layers()).dot)
    assert stack == ["network", "lstm", "layers.0", "layers.1"]


# --- whatever the number of steps is --------------------------------------------------------------


@pytest.mark.long
@pytest.mark.parametrize(
    "options", [{}, {"peephole": True}, {"num_layers": 2}, {"bidirectional": True}], ids=str
)
def test_the_folded_picture_does_not_depend_on_the_number_of_steps(options):
    losses = [lstm(steps, **options) for steps in (3, 300)]
    short, long = (tg.draw(loss, view="both", legend=False).dot for loss in losses)
    assert short == long
    # below it, a longer number may put a note into another line
    dots = (tg.draw(loss, view="both").dot.replace("k = 0 … 299", "k = 0 … 2") for loss in losses)
    short, long = (sorted(re.split(r"(?:\\l|\s)+", dot)) for dot in dots)
    assert short == long


def test_but_for_its_numbers_the_folded_picture_does_not_depend_on_the_number_of_steps():
    how = {"view": "both", "heat": True, "values": 1, "legend": False}
    short, long = (tg.draw(lstm(steps), **how).dot for steps in (3, 300))
    numbers = re.compile(r"[\d.−()‖\xa0 ]+|#\w{6}|e−?\d+")
    assert short != long and numbers.sub("", short) == numbers.sub("", long)
