"""A primitive made in a user's own file works everywhere as one of ours does."""

from __future__ import annotations

import copy
import gc
import pickle
import re

import numpy as np
import pytest

import tinygrad_lstm as tg
from tinygrad_lstm.engine import kinds, symbol
from tinygrad_lstm.engine.primitives import TABLE, reduced_shape
from tinygrad_lstm.engine.symbol import Symbol, function
from tinygrad_lstm.network.signals import Signals

X, Y = np.array([[0.5, -1.2, 0.3], [0.9, 0.4, -0.7]]), np.array([[1.5, 0.2, -0.4], [0.6, 1.1, 0.8]])
M = np.array([[0.3, -0.2, 0.9, 0.1], [0.5, 0.7, -0.6, 0.2], [-0.4, 0.8, 0.2, -0.9]])


def at(*operands, **parameters):
    return {"samples": lambda: [(operands, parameters)]}


def likewise(name, theirs, **more):
    """Return the same mathematics as an entry of the table, declared anew under another name."""
    entry, options = TABLE[theirs], {"notation": TABLE[theirs].notation, **more}
    return {
        "tanh": lambda: kinds.elementwise(
            name, lambda x: np.tanh(x), lambda x, y: 1 - y * y, **{**at(X), **options}
        ),
        "maximum": lambda: kinds.elementwise(
            name, lambda a, b: np.maximum(a, b), *entry.rules, scale=entry.scale,
            **{**at(X, Y), **options}
        ),
        "add": lambda: kinds.junction(
            name, lambda a, b: a + b, (+1, +1), **{**at(X, Y), **options}
        ),
        "hadamard": lambda: kinds.bilinear(
            name, lambda a, b: a * b, lambda ct, a, b: ct * b, lambda ct, a, b: ct * a,
            **{**at(X, Y), **options}
        ),
        "matmul": lambda: kinds.bilinear(
            name, lambda a, b: a @ b, lambda ct, a, b: ct @ b.T,
            lambda ct, a, b: a.reshape((-1, a.shape[-1])).T @ ct.reshape((-1, ct.shape[-1])),
            **{**at(X, M), **options}
        ),
        "getitem": lambda: kinds.linear(
            name, lambda x, *, index: x[index],
            lambda ct, x, index: tg.scatter(ct, index=index, shape=x.shape),
            is_part=True, **{**at(X, index=1), "forms": entry.forms, **options}
        ),
        "stack": lambda: kinds.join(
            name, lambda *xs, axis=0: np.stack(xs, axis), lambda shapes, axis=0: range(len(shapes)),
            **{**at(X, Y), **options}
        ),
        "logsumexp": lambda: kinds.reduction(
            name, lambda x, *, axis=None, keepdims=False: np.log(
                np.sum(np.exp(x), axis=axis, keepdims=keepdims)
            ), lambda x, y, axis: tg.exp(x - y), **{**at(X, axis=1), **options}
        ),
        "stop_gradient": lambda: kinds.cut(name, lambda x: x, **{**at(X), **options}),
    }[theirs]()  # fmt: skip


SAME = (
    "tanh", "maximum", "add", "hadamard", "matmul", "getitem", "stack", "logsumexp", "stop_gradient"
)  # fmt: skip


def program(f):
    """Return the loss of a recurrence that uses a primitive of every kind, by their names."""
    rng = np.random.default_rng(3)
    x = tg.Tensor(rng.normal(size=(5, 2, 3)), name="x")
    W = tg.Tensor(rng.normal(size=(3, 4)), requires_grad=True, name="W")
    U = tg.Tensor(rng.normal(size=(4, 4)), requires_grad=True, name="U")
    V = tg.Tensor(rng.normal(size=(4, 3)), requires_grad=True, name="V")
    h, out, net = tg.Tensor(np.zeros((2, 4)), name="h"), [], f["matmul"](x, W)
    for k in tg.steps(5):
        s = f["add"](f["getitem"](net, index=k), f["matmul"](h, U))
        s.name = "s"
        p = f["maximum"](s, f["hadamard"](h, s))
        h = f["add"](f["tanh"](p), f["stop_gradient"](h))
        h.name = "h"
        out.append(h)
    y = f["matmul"](f["stack"](*out), V)
    y.name = "y"
    return tg.sum(f["logsumexp"](y, axis=2))


OURS = {name: TABLE[name] for name in SAME}
MINE = {name: likewise(name.upper(), name) for name in SAME}  # as long, for the pictures


def renamed(text):
    return re.sub("|".join(map(str.upper, SAME)), lambda name: name[0].lower(), text)


@pytest.fixture(scope="module")
def both():
    return program(OURS), program(MINE)


def test_the_same_maths_under_another_name_has_the_same_gradients(both):
    for name in "WUV":
        np.testing.assert_allclose(
            *(tg.grad(each, [Signals(each)[name].tensor])[0].numpy() for each in both), rtol=1e-12
        )


def test_the_same_maths_under_another_name_folds_alike(both):
    ours, mine = (tg.graph(each).fold() for each in both)
    assert [node.name for node in ours.nodes] == [renamed(node.name) for node in mine.nodes]
    assert ours.count() == mine.count()


def test_the_same_maths_under_another_name_has_the_same_adjoint_network(both):
    ours, mine = (tg.graph(each).fold().adjoint() for each in both)
    one, other = (
        [str(n.label) for n in each.nodes if n.label is not None] for each in (ours, mine)
    )
    assert one == list(map(renamed, other)) and len(one) > 4
    values = mine.evaluate()
    for name, value in ours.evaluate().items():
        np.testing.assert_allclose(value, values[renamed(name)], rtol=1e-12)


@pytest.mark.parametrize("name", ["W", "U", "V"])
def test_the_same_maths_under_another_name_is_explained_alike(both, name):
    ours, mine = (str(tg.explain(each, name, style="stages")) for each in both)
    assert ours == renamed(mine)


def test_the_same_maths_under_another_name_is_drawn_alike(both):
    ours, mine = (tg.draw(each, view="both").dot for each in both)
    assert ours == renamed(mine)


def test_the_same_maths_under_another_name_is_compared_alike(both):
    reports = []
    for loss in both:
        U = tg.grad(loss, [Signals(loss)["U"].tensor])[0].numpy()
        reports.append(str(tg.compare(loss, {"U": 2.0 * U})))
    assert reports[0] == renamed(reports[1]) and "U" in reports[0]


# --- what no entry of the table does --------------------------------------------------------------

half = kinds.bilinear(
    "half", lambda a, b: a * b / 2, lambda ct, a, b: ct * b / 2, lambda ct, a, b: ct * a / 2,
    notation=function("half"), **at(X, Y)
)  # fmt: skip
thrice = kinds.bilinear(
    "thrice", lambda a, b: 3 * (a @ b), lambda ct, a, b: 3 * ct @ b.T,
    lambda ct, a, b: 3 * (a.T @ ct), notation=function("thrice"), **at(X, M)
)  # fmt: skip
turned = kinds.bilinear(
    "turned", lambda a, b: b @ a, lambda ct, a, b: b.T @ ct, lambda ct, a, b: ct @ a.T,
    notation=function("turned"), **at(M, X)
)  # fmt: skip
triple = kinds.linear(
    "triple", lambda x: 3 * x, lambda ct, x: 3 * ct, notation=function("triple"), **at(X)
)
ramp = kinds.linear(
    "ramp", lambda x: np.arange(1.0, 4.0) * x, lambda ct, x: np.arange(1.0, 4.0) * ct,
    notation=function("ramp"), **at(X)
)  # fmt: skip
swish = kinds.elementwise(
    "swish", lambda x: x * np.tanh(x), lambda x, y: np.tanh(x) + x * (1 - np.tanh(x) ** 2),
    notation=function("swish"), **at(X)
)  # fmt: skip


def test_the_gain_of_a_product_is_read_from_its_rules():
    a, b = Symbol("a"), Symbol("b")
    gains = {each: [str(gain(a, b)) for gain in each.gains] for each in (half, thrice, turned)}
    assert gains == {
        half: ["b / 2", "a / 2"], thrice: ["3 bᵀ", "3 aᵀ"], turned: ["bᵀ", "aᵀ"]
    }  # fmt: skip
    assert [each.sides for each in (half, thrice, turned)] == [(0, 0), (1, -1), (-1, 1)]


@pytest.mark.parametrize("name", ["hadamard", "matmul"])
def test_the_gain_that_the_table_declares_is_the_one_in_its_rules(name):
    entry, mine = TABLE[name], likewise("read", name)
    for operands, _ in entry.samples():
        symbols = [Symbol(letter, value) for letter, value in zip("ab", operands, strict=True)]
        if all(x.ndim == 2 for x in operands):
            declared = [str(gain(*symbols)) for gain in entry.gains]
            assert declared == [str(gain(*symbols)) for gain in mine.gains]
    assert (entry.sides, entry.is_entrywise) == (mine.sides, mine.is_entrywise)


def test_the_slope_of_a_linear_map_is_read_from_what_it_does():
    assert triple.words == "3 for every entry that is taken, else 0"
    assert ramp.words == "the numbers by which ramp weighs the entries, whatever they are"
    assert TABLE["getitem"].words == "1 for every entry that is taken, else 0"


def test_what_works_entry_by_entry_is_seen():
    assert half.is_entrywise and triple.is_entrywise
    assert not thrice.is_entrywise and not ramp.is_entrywise and not TABLE["getitem"].is_entrywise


def test_a_product_of_a_users_own_is_explained_by_its_own_partials():
    a, b = (tg.Tensor(value, requires_grad=True, name=name) for value, name in ((X, "a"), (Y, "b")))
    text = str(tg.explain(tg.sum(half(a, b)), "a", style="stages"))
    assert "∂half/∂a = b / 2 =" in text
    adjoint = tg.graph(tg.sum(half(a, b))).adjoint()
    assert [str(node.label) for node in adjoint.nodes if node.label is not None] == [
        "b / 2",
        "a / 2",
    ]
    np.testing.assert_allclose(adjoint.evaluate()["δa"], Y / 2)


def test_a_linear_map_of_a_users_own_is_explained_by_its_own_weights():
    a = tg.Tensor(X, requires_grad=True, name="a")
    assert "3 for every entry that is taken" in str(
        tg.explain(tg.sum(triple(a)), "a", style="stages")
    )


@pytest.mark.parametrize("activation", [swish, "swish"], ids=["primitive", "name"])
def test_a_layer_uses_and_keeps_a_primitive_of_a_users_own(activation):
    layer = tg.nn.Dense(3, 2, activation, seed=0)
    expected = layer(X).numpy()
    for copied in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        np.testing.assert_array_equal(copied(X).numpy(), expected)


def test_a_primitive_is_found_again_where_it_was_declared():
    assert pickle.loads(pickle.dumps(swish)) is swish and copy.deepcopy(swish) is swish
    other = kinds.elementwise("other", np.tanh, lambda x, y: 1 - y * y, notation=function("other"),
                              **at(X))  # fmt: skip
    with pytest.raises(pickle.PicklingError):
        pickle.dumps(other)


def test_the_second_derivative_passes_through_a_primitive_of_a_users_own():
    x = tg.Tensor(X, requires_grad=True, name="x")
    slope = tg.grad(tg.sum(swish(half(x, x))), x, create_graph=True)
    second = tg.grad(tg.sum(slope), x).numpy()
    step = 1e-5
    ends = []
    for each in (X + step, X - step):
        x = tg.Tensor(each, requires_grad=True)
        ends.append(tg.grad(tg.sum(swish(half(x, x))), x).numpy())
    np.testing.assert_allclose(second, (ends[0] - ends[1]) / (2 * step), rtol=1e-6)


def test_a_rule_that_does_not_run_on_symbols_is_written_by_its_name():
    bent = kinds.elementwise(
        "bent", lambda x: np.where(x > 0, x, 0.1 * x),
        lambda x, y: np.where(x.copy() > 0, 1.0, 0.1), notation=function("bent"), **at(X)
    )  # fmt: skip
    x = tg.Tensor(X, requires_grad=True, name="x")
    (gain,) = [n for n in tg.graph(tg.sum(bent(x))).adjoint().nodes if n.label is not None]
    assert str(gain.label) == "bent: partial 0(x, bent)"
    assert "bent" in str(tg.explain(tg.sum(bent(x)), "x", style="stages"))


def test_symbols_write_numpys_functions():
    x, y = Symbol("x", X), Symbol("y", Y)
    assert str(np.cos(x) * np.exp(-y)) == "cos(x) ∘ exp(-y)"
    assert str(X * x) and str(np.multiply(x, y)) == "x ∘ y" and str(np.add(2.0, x)) == "2 + x"
    np.testing.assert_allclose(np.maximum(x, y).value, np.maximum(X, Y))
    assert reduced_shape((2, 3), 1) == (2, 1) and symbol.HADAMARD is TABLE["hadamard"].notation


def test_a_primitive_that_is_freed_leaves_another_of_its_name_in_the_table():
    """The later of two is found by their name, and the earlier once the later is freed."""
    first, second = (likewise("namesake_of_two", "tanh") for _ in range(2))
    assert kinds.table.others["namesake_of_two"] is second
    assert tg.nn.Dense(1, 1, "namesake_of_two").activation is second
    del second
    gc.collect()
    assert kinds.table.others["namesake_of_two"] is first
    assert tg.nn.Dense(1, 1, "namesake_of_two").activation is first
    del first
    gc.collect()
    assert "namesake_of_two" not in kinds.table.others
