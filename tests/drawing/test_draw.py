"""Pictures: what is on them, and what their options do."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

import tinygrad_lstm as tg
from support.pictures import arrows, frames, legend, nodes, size
from tinygrad_lstm import gallery
from tinygrad_lstm.errors import (
    ArgumentError,
    ChangedError,
    SignalError,
    TinygradError,
    UsageError,
)

PICTURES = Path(__file__).parents[2] / "notebooks" / "pictures"


def elman(steps=4, different=-1):
    """Record a recurrence, of which one step may be different."""
    x, W, U = (tg.Tensor(np.ones((steps, 2)), name="x"), *map(weight, "WU"))
    h = tg.Tensor(np.zeros(2))
    for k in tg.steps(steps):
        h = (tg.sigmoid if k == different else tg.tanh)(x[k] @ W + h @ U)
    return h.sum()


def weight(name):
    return tg.Tensor(np.ones((2, 2)), requires_grad=True, name=name)


@pytest.fixture
def loss():
    lstm, dense = tg.nn.LSTM(2, 3, seed=0), tg.nn.Dense(3, 1, tg.sigmoid, seed=0)
    x = tg.Tensor(np.ones((2, 2)), name="x")
    return tg.nn.squared_error(dense(lstm(x)[0]), np.zeros((2, 1)))


def texts(svg):
    return [each.text for each in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


@pytest.mark.parametrize(
    "text", ["x", "lstm.W", "lstm.U", "state[1]", "out[0]", "lstm.out[-1]", "dense.W", "z", "loss",
             "tanh", "sigmoid", "matmul", "step 0", "step 1", "lstm", "dense"]
)  # fmt: skip
def test_every_signal_is_on_the_picture_by_its_name(loss, text):
    assert text in texts(tg.draw(loss, style="tape")._repr_svg_())


def test_every_operation_is_one_node_with_an_arrow_from_each_operand(loss):
    dot = tg.draw(loss, style="tape").dot
    operations = [each for each in tg.engine.tape.history([loss], everything=True) if each.inputs]
    assert dot.count("->") == sum(len(each.inputs) for each in operations)


def test_the_same_program_gives_the_same_text(loss):
    def program():
        return tg.tanh(tg.Tensor([1.0], name="x") * 2.0).sum()

    assert tg.draw(program()).dot == tg.draw(program()).dot


@pytest.mark.parametrize("nothing", [tg.Tensor(1.0), 3.0, None])
def test_nothing_recorded_is_nothing_to_draw(nothing):
    with pytest.raises(UsageError, match="expected a Tensor computed from others"):
        tg.draw(nothing)


def test_nested_steps_are_framed_by_their_numbers():
    x = tg.Tensor([1.0, 2.0], requires_grad=True, name="x")
    for _ in tg.steps(2):
        for _ in tg.steps(2):
            x = x * x
    dot = tg.draw(x.sum(), style="tape").dot
    assert all(f'label="step {i}, {j}"' in dot for i in range(2) for j in range(2))


@pytest.mark.parametrize("path", sorted(PICTURES.glob("*.svg")), ids=lambda path: path.name)
def test_the_pictures_in_the_readme_are_not_cut_off(path):
    # scaled by Graphviz for a resolution, they are larger than the box that shows them
    assert 'transform="scale(1 1)' in path.read_text()


def test_a_picture_can_be_had_after_the_update():
    x = tg.Tensor([1.0], requires_grad=True, name="x")
    loss = tg.tanh(x).sum()
    before = tg.draw(loss).dot
    x.data = x.data - 0.1
    assert tg.draw(loss).dot == before


# --- options --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "known"),
    [
        ("view", "'forward', 'adjoint', 'both'"),
        ("style", "'wan', 'tape'"),
        ("level", "'tensor', 'scalar'"),
    ],
    ids=["view", "style", "level"],
)
@pytest.mark.parametrize("wrong", ["front", "", None, ["wan"]], ids=str)
def test_an_unknown_option_lists_the_known_ones(loss, option, known, wrong):
    message = re.escape(f"draw: {option} must be one of {known}; found {wrong!r}")
    with pytest.raises(ArgumentError if isinstance(wrong, str) else UsageError, match=message):
        tg.draw(loss, **{option: wrong})


ZOO = (
    None, True, 3, -1, 1.5, float("nan"), "a", "", b"x", [], [3], ["a"], (), {}, {"a": 1}, object(),
    np.array(1), np.zeros(3), np.array(["a"]), int, [None], "a\0b", 10**30, 1j, "\ud800", range(3),
)  # fmt: skip


@pytest.mark.parametrize(
    "option",
    ["path", "view", "style", "fold", "values", "heat", "depth", "open", "level", "highlight",
     "title", "legend"],
)  # fmt: skip
def test_a_wrong_value_of_any_option_is_an_error_of_the_package(loss, option):
    for wrong in ZOO:
        try:
            tg.draw(loss, **{option: wrong})
        except TinygradError as error:
            assert "draw: " in str(error) or "format" in str(error)


def test_both_is_one_above_the_other(loss):
    one, other = (tg.draw(loss, view=view, legend=False).dot for view in ("forward", "adjoint"))
    assert tg.draw(loss, view="both", legend=False).dot == one + other


def test_an_unknown_format_writes_nothing(loss, tmp_path):
    with pytest.raises(ArgumentError, match="'jpeg'"):
        tg.draw(loss, tmp_path / "net.jpeg")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("fold", [None, True])
def test_a_recurrence_is_drawn_folded(loss, fold):
    dot = tg.draw(loss, fold=fold).dot
    assert [node.lines for node in nodes(dot) if "q⁻¹" in node.lines] == [["q⁻¹"]] * 2
    assert not any(frame.startswith("k = ") for frame in frames(dot))


def test_a_recurrence_is_drawn_unrolled_on_request(loss):
    dot = tg.draw(loss, fold=False).dot
    assert [frame for frame in frames(dot) if "k = " in frame] == ["k = 0", "k = 1"]
    assert "q⁻¹" not in dot and not any("unrolled" in line for line in legend(dot))


def test_steps_that_differ_cannot_be_drawn_folded():
    with pytest.raises(UsageError, match=r"fold: the steps differ first at sigmoid\[2\]"):
        tg.draw(elman(different=2), fold=True)


def test_steps_that_differ_are_drawn_unrolled_and_the_legend_says_so():
    program = elman(different=2)
    dot = tg.draw(program).dot
    assert "unrolled, since the steps differ first at sigmoid[2]" in " ".join(legend(dot))
    asked_for = tg.draw(program, fold=False).dot
    assert size(dot) == size(asked_for)
    assert not any("unrolled" in line for line in legend(asked_for))


def test_what_has_no_steps_cannot_be_drawn_folded():
    with pytest.raises(UsageError, match=r"no loop over steps; .*tg\.steps"):
        tg.draw(gallery.perceptron(), fold=True)
    once = tg.draw(gallery.perceptron(), fold=False).dot
    assert once == tg.draw(gallery.perceptron()).dot


@pytest.mark.parametrize("view", ["forward", "adjoint"])
def test_a_folded_graph_is_drawn_as_it_is(loss, view):
    of_graph = tg.draw(tg.graph(loss).fold(), view=view, legend=False)  # a graph has no derivation
    assert of_graph.dot == tg.draw(loss, view=view, legend=False).dot


def test_a_recorded_graph_is_drawn_as_it_is(loss):
    recorded = tg.graph(loss)
    assert "q⁻¹" not in tg.draw(recorded).dot
    of_loss = tg.draw(loss, legend=False)
    assert tg.draw(recorded, fold=True, legend=False).dot == of_loss.dot
    assert tg.draw(recorded.fold(), fold=False).dot == tg.draw(loss, fold=False).dot


@pytest.mark.parametrize("fold", [True, False], ids=["folded", "unrolled"])
def test_an_adjoint_graph_is_asked_for_by_its_view(loss, fold):
    recorded = tg.graph(loss)
    with pytest.raises(UsageError, match='draw the graph with view="adjoint"'):
        tg.draw((recorded.fold() if fold else recorded).adjoint())


@pytest.mark.parametrize("view", ["adjoint", "both"])
def test_what_was_recorded_has_no_adjoint(loss, view):
    with pytest.raises(UsageError, match=f'has no {view} view; use style="wan"'):
        tg.draw(loss, style="tape", view=view)


def test_a_graph_is_not_what_was_recorded(loss):
    with pytest.raises(UsageError, match="give the Tensor"):
        tg.draw(tg.graph(loss), style="tape")


def test_depth_0_makes_each_module_a_box(loss):
    dot = tg.draw(loss, depth=0).dot
    ends = {node.id: " ".join(node.lines) for node in nodes(dot)}
    end = "y(k) L = 0.5 Σₖ Σ e(k)²"  # and below its name the loss
    assert sorted(ends.values()) == ["dense", "lstm", "x(k)", end]
    assert sorted((ends[each.tail], ends[each.head]) for each in arrows(dot)) == [
        ("dense", end), ("lstm", "dense"), ("x(k)", "lstm")]  # fmt: skip


def test_open_draws_what_is_in_one_module_and_its_weights_alone(loss):
    dot = tg.draw(loss, open="dense").dot
    assert tg.draw(loss, depth=0, open=["dense"]).dot == dot
    assert sorted(" ".join(node.lines) for node in nodes(dot)) == [
        "b", "lstm", "x(k)", "y(k) L = 0.5 Σₖ Σ e(k)²", "Σ", "σ"]  # fmt: skip
    assert "▷" in " ".join(legend(dot)) and "▷" not in " ".join(legend(tg.draw(loss, depth=0).dot))
    assert frames(dot) == ["network", "dense"]
    everything = tg.draw(loss, open=["lstm", "dense"]).dot
    assert size(everything) == size(tg.draw(loss).dot)
    with pytest.raises(SignalError, match=r"no module is called 'dens'; the nearest .* dense"):
        tg.draw(loss, open="dens")


def test_an_array_of_numpy_that_each_step_reads_is_x():
    rng = np.random.default_rng(0)
    data, keep = rng.normal(size=(3, 2, 2)), rng.normal(size=(3, 2, 2)) > 0
    W, U = map(weight, "WU")
    h = tg.Tensor(np.zeros((2, 2)))
    for k in tg.steps(3):
        h = tg.where(keep[k], tg.tanh(data[k] @ W + h @ U), h)
    dot = tg.draw(h.sum(), view="both").dot
    ends = {" ".join(node.lines) for node in nodes(dot)}
    assert {"x(k)", "δx(k)", "c(k)"} <= ends and not {"c", "@", "δc(k)"} & ends
    assert "constant" not in tg.draw(h.sum(), view="both", legend=False).dot
    assert "δW = Σₖ x(k)ᵀ δs(k)" in dot
    assert "xₖ W + hₖ₋₁ U" in str(tg.derive(h.sum()))


def test_depth_opens_one_frame_after_the_other():
    sizes = [size(tg.draw(gallery.two_layers(), depth=depth).dot) for depth in (0, 1, 2, 3)]
    assert sizes[0] < sizes[1] < sizes[2] == sizes[3]
    assert sizes[3] == size(tg.draw(gallery.two_layers()).dot)


@pytest.mark.parametrize(
    ("depth", "expected"),
    [(-1, "at least 0"), *((wrong, "a whole number") for wrong in (True, False, 1.5, "1"))],
    ids=repr,
)
def test_depth_is_0_or_more(loss, depth, expected):
    message = re.escape(f"depth must be {expected}, found {depth!r}")
    with pytest.raises((ArgumentError, UsageError), match=message):
        tg.draw(loss, depth=depth)


@pytest.mark.parametrize("view", ["forward", "adjoint", "both"])
def test_the_legend_can_be_left_out(loss, view):
    with_legend, without = (tg.draw(loss, view=view, legend=shown).dot for shown in (True, False))
    assert legend(without) == []
    assert any("δname = ∂L/∂name" in line for line in legend(with_legend))
    assert size(with_legend) == size(without)


def test_the_legend_explains_what_there_is_alone():
    lines = " ".join(legend(tg.draw(gallery.perceptron()).dot))
    assert "Σ in a circle sum" in lines
    assert "q⁻¹" not in lines and "× in a circle" not in lines and "k runs" not in lines


def test_the_legend_tells_products_apart():
    rng = np.random.default_rng(0)
    q, k = (tg.Tensor(rng.normal(size=(2, 2)), True, name=name) for name in "qk")
    matrix, entries = tg.tanh(q) @ tg.tanh(k), tg.tanh(q) * tg.tanh(k)
    signs = {"@ matrix product": matrix, "× in a circle product": entries}
    for sign, product in signs.items():
        lines = " ".join(legend(tg.draw(product.sum()).dot))
        for other in signs:
            assert (other in lines) == (other == sign)
        labels = {line for node in nodes(tg.draw(product.sum()).dot) for line in node.lines}
        assert labels & {"@", "×"} == {sign[0]}


def test_the_δ_of_a_factor_is_multiplied_by_the_transpose_of_a_constant():
    W = tg.Tensor(np.ones((2, 3)), True, name="W")
    left, right = np.eye(2) * [1, 2] @ W, W @ (np.eye(3) * [1, 2, 3])
    for product, factor in ((left, "cᵀ ·"), (right, "cᵀ")):
        dot = tg.draw(tg.tanh(product).sum(), view="adjoint").dot
        assert [line for arrow in arrows(dot) for line in arrow.lines if "c" in line] == [factor]


def test_an_index_that_varies_is_in_one_pair_of_brackets():
    W, h, losses = weight("W"), tg.Tensor(np.zeros(2)), []
    for k in tg.steps(3):
        h = tg.tanh(h @ W)
        losses.append(tg.nn.softmax_cross_entropy(h, [1, 0, 1][k]))
    (note,) = tg.draw(tg.stack(losses).sum()).notes
    assert note.endswith("[index(k)]: index(k) = 1, 0, 1")


def test_the_title_stands_on_each_view(loss):
    dot = tg.draw(loss, view="both", title="A net").dot
    assert [frame for frame in frames(dot) if "net" in frame] == [
        "A net: network", "A net: adjoint network"]  # fmt: skip


# --- after an update ------------------------------------------------------------------------------


@pytest.fixture
def updated():
    lstm = tg.nn.LSTM(2, 3, seed=0)
    out = lstm(np.ones((2, 2)))[0]
    loss = tg.nn.squared_error(out, np.zeros(out.shape))
    before = tg.draw(loss, view="both", legend=False).dot
    loss.backward()
    tg.optim.SGD(lstm.parameters(), lr=0.1).step()
    return loss, before


def test_after_an_update_the_network_can_be_drawn(updated):
    loss, before = updated
    assert tg.draw(loss, view="both", legend=False).dot == before
    after = tg.draw(loss, view="both").dot
    assert "comes from the loss: squared_error" in after  # what changed is not derived
    assert after == tg.draw(loss, view="both", values=False).dot


@pytest.mark.parametrize(
    "options", [{"values": 0}, {"values": 1}, {"heat": True}, {"values": True, "fold": False}],
    ids=str,
)  # fmt: skip
def test_after_an_update_there_are_no_numbers(updated, options):
    with pytest.raises(ChangedError, match=r"the data of lstm\.\w+ was replaced"):
        tg.draw(updated[0], **options)


@pytest.mark.parametrize(
    "option", [{"fold": True}, {"every_step": True}, {"values": 0}, {"heat": True}, {"depth": 0},
               {"level": "scalar"}, {"highlight": "x"}], ids=str,
)  # fmt: skip
def test_what_the_tape_style_does_not_draw_is_refused(loss, option):
    with pytest.raises(UsageError, match=f'{next(iter(option))} is for style="wan"'):
        tg.draw(loss, style="tape", **option)


def test_the_legend_says_what_a_part_with_a_name_is_read_from():
    X = tg.Tensor(np.ones((4, 2)), requires_grad=True, name="X")
    W, h = weight("W"), tg.Tensor([0.0, 0.0])
    for k in tg.steps(4):
        x = X[k]
        x.name = "x"
        h = tg.tanh(x @ W + h)
    assert tg.draw((h * h).sum()).notes == ("x(k) = X[k]",)


# --- styles that users add ------------------------------------------------------------------------


@pytest.fixture
def calls():
    """Add a style that keeps what it is called with."""
    seen = []

    @tg.drawing.style("mine")
    def mine(network, view, title):
        seen.append((network, view, title))
        return f"digraph {view} {{\n}}\n"

    yield seen
    tg.drawing.forget_style("mine")


def test_an_added_style_draws_the_folded_network_once_for_each_view(loss, calls):
    dot = tg.draw(loss, style="mine", view="both", title="A net", fold=True).dot
    assert dot == "digraph forward {\n}\ndigraph adjoint {\n}\n"
    assert [call[1:] for call in calls] == [("forward", "A net"), ("adjoint", "A net")]
    assert calls[0][0].folded


def test_an_added_style_says_what_it_cannot_do(loss, calls):
    with pytest.raises(tg.UsageError, match=r"heat is for style=.wan.; style=.mine. has none"):
        tg.draw(loss, style="mine", heat=True)
    tg.drawing.style("mine")(lambda network, view, title: None)
    with pytest.raises(tg.UsageError, match="'mine' returned NoneType, expected DOT text"):
        tg.draw(loss, style="mine")


@pytest.mark.parametrize("name", ["wan", "tape", "", 3, None])
def test_a_style_needs_a_name_of_its_own(name):
    with pytest.raises(tg.ArgumentError, match="expected a text that is not wan or tape"):
        tg.drawing.style(name)


def test_a_style_that_is_gone_is_unknown(loss, calls):
    tg.drawing.forget_style("mine")
    with pytest.raises(tg.ArgumentError, match=r"must be one of 'wan', 'tape'; found 'mine'$"):
        tg.draw(loss, style="mine")
