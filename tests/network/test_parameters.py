"""Parameters that vary over the steps: what folds is what was recorded, and the rest is refused.

Random recurrences in which any parameter of any primitive may be another one at each step: the same
at all, by a rule, or the same at the first and the last alone.
"""

import numpy as np
import pytest

import tinygrad_lstm as tg
from support.laws import near_all
from tinygrad_lstm import TABLE
from tinygrad_lstm.engine.tape import history
from tinygrad_lstm.errors import UsageError
from tinygrad_lstm.network.parameters import Varying, is_same
from tinygrad_lstm.network.proof import first_difference, fold_if_true, fold_truly
from tinygrad_lstm.network.unpack import unpack

AXES = (0, 1, -1)
REDUCED = ({}, *({"axis": axis} for axis in AXES), {"axis": 1, "keepdims": True}, {"axis": (0, 1)})
ROWS = (np.array([2, 0, 2]), np.array([0, 1, 2]), np.array([1, 1, 1]))
MASKS = tuple(np.arange(9).reshape(3, 3) % n == 0 for n in (2, 3, 4))

# what is made of a and b (3, 3) with a parameter, again (3, 3); the parameters to choose from
VARIANTS = {
    "sum": (lambda a, b, p: a - 0.3 * tg.sum(b, **p), REDUCED),
    "max": (lambda a, b, p: tg.tanh(a) - 0.3 * tg.max(b, **p), REDUCED),
    "logsumexp": (lambda a, b, p: tg.tanh(a) - 0.3 * tg.logsumexp(b, **p), REDUCED),
    "norm": (lambda a, b, p: tg.tanh(a) - 0.3 * tg.norm(b, **p), REDUCED),
    "average": (lambda a, b, p: tg.tanh(a) - 0.3 * TABLE["average"](b, **p), REDUCED),
    "cumsum": (lambda a, b, p: tg.cumsum(a, axis=p) * 0.2 - b, AXES),
    "astype": (
        lambda a, b, p: tg.tanh(a).astype(p) * 0.5 + b,
        (np.float64, np.float32),
    ),
    "softmax": (lambda a, b, p: tg.softmax(a, axis=p) * b, AXES),
    "mean": (lambda a, b, p: a - tg.mean(b, axis=p), (*AXES, None)),
    "reshape": (
        lambda a, b, p: tg.reshape(tg.sin(tg.reshape(a, shape=p)), shape=(3, 3)) * b,
        ((9,), (-1,), (1, 9), (9, 1)),
    ),
    "transpose": (
        lambda a, b, p: tg.transpose(tg.stack([a, b, tg.tanh(a)]), axes=p)[1] * 0.5,
        ((0, 1, 2), (1, 0, 2), (2, 0, 1), None),
    ),
    "broadcast_to": (
        lambda a, b, p: tg.sum(tg.broadcast_to(a[0], shape=p)) * 0.3 + b,
        ((2, 3), (1, 3), (3,)),
    ),
    "an entry": (lambda a, b, p: a * 0.4 + tg.sin(b)[p], (0, 1, 2, -1, np.int64(1))),
    "one number": (lambda a, b, p: a * 0.4 + tg.sin(b)[p], ((0, 0), (1, 2), (2, 0), (-1, 1))),
    "a slice": (
        lambda a, b, p: a * 0.4 + tg.sum(tg.sin(b)[p], axis=0),
        (slice(0, 2), slice(1, 3), slice(0, 3, 2), slice(None, 2), slice(0, 1)),
    ),
    "slices": (
        lambda a, b, p: a * 0.4 + tg.sin(b)[p],
        ((slice(None), slice(0, 1)), (slice(None, None, -1), slice(1, 2)), (..., slice(2, 3))),
    ),
    "a new axis": (
        lambda a, b, p: a * 0.4 + tg.sin(b)[p],
        ((0, None), (1, None), (slice(None), 0, None)),
    ),
    "gather rows": (lambda a, b, p: a * 0.4 + tg.sin(b)[p], (*ROWS, [True, True, True])),
    "gather places": (
        lambda a, b, p: a * 0.4 + tg.sin(b)[p],
        ((np.arange(3), ROWS[0]), (np.arange(3), ROWS[2]), (ROWS[0], 1), (ROWS[0], 2)),
    ),
    "gather by a mask": (lambda a, b, p: a * 0.4 + tg.sum(tg.sin(b)[p]), MASKS),
    "scatter": (lambda a, b, p: tg.scatter(a[0], index=p, shape=(3, 3)) + b, (0, 1, 2, -1)),
    "scatter to a shape": (
        lambda a, b, p: tg.sum(tg.scatter(a[0], index=1, shape=p)) * 0.3 + b,
        ((3, 3), (2, 3)),
    ),
    "scatter_add": (lambda a, b, p: tg.scatter_add(tg.sin(a), index=p, shape=(3, 3)) + b, ROWS),
    "pad": (
        lambda a, b, p: tg.pad(a[1:, :2], pad_width=p) - b,
        (((0, 1), (1, 0)), ((1, 0), (0, 1)), ((1, 0), (1, 0))),
    ),
    "sliding_windows": (
        lambda a, b, p: tg.sum(tg.sliding_windows(a, window_shape=2, axis=p)[0]) * 0.1 + b,
        AXES,
    ),
    "windows of a shape": (
        lambda a, b, p: tg.sum(tg.sliding_windows(a, window_shape=p)) * 0.1 + b,
        ((2, 2), (1, 2), (2, 1)),
    ),
    "windows at a distance": (
        lambda a, b, p: tg.sum(tg.sliding_windows(a, 2, 1, stride=p)) * 0.1 + b, (1, 2),
    ),
    "windows with gaps": (
        lambda a, b, p: tg.sum(tg.sliding_windows(a, 2, (0,), dilation=p)) * 0.1 + b, (1, 2),
    ),
    "windows put back at a distance": (
        lambda a, b, p: tg.sum(
            tg.overlap_add(tg.sin(a), window_shape=3, axis=0, stride=p, shape=(9,))[:3]
        ) * 0.1 + b,
        (3,),
    ),
    "windows put back with gaps": (
        lambda a, b, p: tg.sum(
            tg.overlap_add(tg.sin(a), window_shape=3, axis=0, dilation=p, shape=(5,))[:3]
        ) * 0.1 + b,
        (1,),
    ),
    "overlap_add": (
        lambda a, b, p: tg.overlap_add(
            tg.stack([a[:, :2], b[:, 1:]], axis=1), window_shape=2, axis=p, shape=(3, 3)
        ),
        (1, -1),
    ),
    "overlap_add to a shape": (
        lambda a, b, p: tg.sum(tg.overlap_add(a[:2, :2], window_shape=2, shape=p)) * 0.2 + b,
        ((3,),),
    ),
    "concatenate": (lambda a, b, p: tg.concatenate([a, b], axis=p)[:3, :3] * 0.5, AXES),
    "stack": (lambda a, b, p: a + tg.stack([a, tg.sin(b), a], axis=p)[1] * 0.1, (*AXES, 2)),
    "a mask": (lambda a, b, p: tg.where(p, a, tg.tanh(b)), (*MASKS, True, MASKS[0] * 1.0)),
    "a constant": (
        lambda a, b, p: tg.tanh(a * p) + b,
        (0.5, 1, True, 0.0, -0.0, np.eye(3), np.ones((3, 1)), np.float32(0.5)),
    ),
    "a power": (lambda a, b, p: tg.tanh(a) ** p, (1, 2, 3, 2.0)),
    "a sign": (lambda a, b, p: a * 0.5 + b * 0.2 if p else a * 0.5 - b * 0.2, (True, False)),
    "a function": (lambda a, b, p: p(a) * b, (tg.tanh, tg.sigmoid)),
    "the operands": (lambda a, b, p: tg.tanh(a) - b if p else b - tg.tanh(a), (True, False)),
    "an operation more": (lambda a, b, p: tg.tanh(a) + b if p else tg.tanh(a), (True, False)),
}  # fmt: skip

OTHERWISE = {"the operands"}  # no parameter: what is subtracted from what

PATTERNS = {
    "the same": lambda random, steps, count: [int(random.integers(count))] * steps,
    "by a rule": lambda random, steps, count: [k % count for k in range(steps)],
    "backwards": lambda random, steps, count: [-k % count for k in range(steps)],
    "the same at the ends": lambda random, steps, count: [
        0 if k in (0, steps - 1) else 1 + int(random.integers(count - 1 or 1)) for k in range(steps)
    ],
    "another at first": lambda random, steps, count: [-1] + [0] * (steps - 1),
    "another at last": lambda random, steps, count: [0] * (steps - 1) + [-1],
    "any": lambda random, steps, count: [int(random.integers(count)) for _ in range(steps)],
}


def leaf(random, name, *shape):
    return tg.Tensor(random.normal(size=shape) * 0.5, requires_grad=True, name=name)


def recurrence(seed, cases, pattern, steps):
    """Record a recurrence in which every case has another parameter at each step, by a pattern."""
    random = np.random.default_rng(seed)
    h, g, x = leaf(random, "h", 3, 3), leaf(random, "g", 3, 3), leaf(random, "x", steps, 3, 3)
    leaves, outs, loss = (h, g, x), [], 0.0
    chosen = {}
    for case in cases:
        _, values = VARIANTS[case]
        at = PATTERNS[pattern](random, steps, len(values))
        chosen[case] = [values[k % len(values)] for k in at]
    places = random.integers(0, 3, size=(len(cases), 2))
    order = range(steps - 1, -1, -1) if random.random() < 0.2 else range(steps)
    for k in tg.steps(order):
        values = [h, g, x[k]]
        for case, (first, second) in zip(cases, places, strict=True):
            make, _ = VARIANTS[case]
            values.append(make(values[first], values[second], chosen[case][k]))
        h, g = tg.tanh(values[-1]), h
        outs.append(h)
        loss = loss - tg.log_softmax(h[0])[k % 3]
    return (loss, tg.sum(h * h), tg.sum(tg.stack(outs) ** 2))[seed % 3], leaves


def is_folded(loss, leaves):
    """Return whether a graph folds, having seen that the folded one is what was recorded.

    One that is refused must be refused for what differs.
    """
    for each in leaves:
        each.grad = None
    loss.backward()
    recorded = tg.graph(loss)
    try:
        folded = recorded.fold()
    except UsageError as error:
        assert "differ" in str(error) and ("found" in str(error) or "at step" in str(error))
        network, reason = fold_if_true(recorded)
        assert network is recorded and reason in str(error)
        return False
    gradients = {f"δ{each.name}": each.grad for each in leaves if each.grad is not None}
    unrolled = folded.unroll()
    for network in (folded, unrolled, unpack(folded), unrolled.fold()):
        near_all(network.evaluate().values(), [loss.data])
        adjoint = network.adjoint().evaluate()
        near_all([adjoint[name] for name in gradients], gradients.values())
        on = network.evaluate(everything=True)
        near_all([on[wire.name] * 1.0 for wire in network.wires],
                 [wire.value * 1.0 for wire in network.wires])  # fmt: skip
    values = {wire.name: wire.value for wire in recorded.wires}
    for wire in unrolled.wires:
        if wire.name in values and " " not in wire.name:
            near_all([wire.value * 1.0], [values[wire.name] * 1.0])
    assert first_difference(recorded, folded) == ""
    assert fold_if_true(recorded, apart=True)[0].folded
    return True


def does_alike(loss):
    """Return whether every step has recorded the same operations, of the same shapes and types."""
    steps, recorded = {}, tg.graph(loss)
    for node in recorded.nodes:
        if node.step is not None and node.kind != "branch":
            values = [recorded.wires[wire].value for wire in (*node.inputs, *node.outputs)]
            what = (node.kind, node.primitive, node.signs, node.stem,
                    *((each.shape, each.dtype) for each in values))  # fmt: skip
            steps.setdefault(node.step, []).append(what)
    return len(set(map(tuple, steps.values()))) == 1


# --- random recurrences ---------------------------------------------------------------------------


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("case", VARIANTS)
def test_what_varies_is_folded_as_recorded_or_refused(case, pattern):
    for seed, steps in enumerate((1, 2, 3, 5)):
        loss, leaves = recurrence(seed, [case], pattern, steps)
        assert is_folded(loss, leaves) or case in OTHERWISE or not does_alike(loss)


@pytest.mark.parametrize("seed", range(60))
def test_several_parameters_vary_at_once(seed):
    random = np.random.default_rng(seed)
    cases = random.choice(list(VARIANTS), 3)
    loss, leaves = recurrence(seed, cases, list(PATTERNS)[seed % 7], int(random.integers(2, 6)))
    is_folded(loss, leaves)


def test_every_parameter_of_the_table_varies_in_some_recurrence():
    varied = set()
    for case, (_, values) in VARIANTS.items():
        loss, _ = recurrence(0, [case], "by a rule", max(len(values), 2))
        for node in history([loss], everything=True):
            if node.primitive:
                varied |= {(node.primitive.name, name) for name in node.parameters}
    table = {(name, each) for name, entry in TABLE.items() for each in entry.parameters}
    assert table - varied == set()


# --- what a step may read -------------------------------------------------------------------------

T, B, V, H = 5, 2, 4, 3
TOKENS = [3, 1, 1, 0, 3, 2]


def character_model(pick, batch=()):
    """Record a character model whose loss is picked of the log probabilities at each step."""
    random = np.random.default_rng(0)
    leaves = E, U, W = (leaf(random, "E", V, H), leaf(random, "U", H, H), leaf(random, "W", H, V))
    h, loss = tg.Tensor(np.zeros((*batch, H)), name="h"), 0.0
    for t in tg.steps(T):
        h = tg.tanh(E[np.full(batch, TOKENS[t])] + h @ U)
        loss = loss + pick(h @ W, t + 1)
    return loss, leaves


BATCH = np.arange(B)
PICKS = {
    "index": ((), lambda y, t: -tg.log_softmax(y)[TOKENS[t]]),
    "loss": ((), lambda y, t: tg.nn.softmax_cross_entropy(y, TOKENS[t])),
    "list": ((1,), lambda y, t: tg.nn.softmax_cross_entropy(y, [TOKENS[t]])),
    "column": ((B,), lambda y, t: -tg.sum(tg.log_softmax(y)[:, TOKENS[t]])),
    "row and column": ((B,), lambda y, t: -tg.log_softmax(y)[0, TOKENS[t]]),
    "arrays": ((B,), lambda y, t: -tg.sum(tg.log_softmax(y)[BATCH, [TOKENS[t], TOKENS[t - 1]]])),
    "mask": ((B,), lambda y, t: tg.sum(tg.where(BATCH[:, None] < TOKENS[t], y * y, -y))),
    "weight": ((B,), lambda y, t: TOKENS[t] * tg.sum(y * y)),
    "slice": ((B,), lambda y, t: tg.sum(y[:, t % 3 : t % 3 + 2] ** 2)),
}  # fmt: skip


@pytest.mark.parametrize("pick", PICKS)
def test_a_character_model_folds(pick):
    batch, of = PICKS[pick]
    loss, leaves = character_model(of, batch)
    assert is_folded(loss, leaves)
    assert {node.kind for node in tg.graph(loss).fold().nodes} >= {"tap", "delay"}


@pytest.mark.parametrize(
    "read",
    [
        lambda E, k: E[TOKENS[k]],
        lambda E, k: E[TOKENS[k], ::-1],
        lambda E, k: E[:, TOKENS[k] % 3],
        lambda E, k: E[[TOKENS[k], 0, TOKENS[k]]],
        lambda E, k: E[k % 2 : k % 2 + 2],
        lambda E, k: E[None, TOKENS[k]],
        lambda E, k: E[np.arange(V) == TOKENS[k]],
    ], ids=["row", "row, ::-1", "column", "rows", "k:k+2", "None, row", "mask"],
)  # fmt: skip
def test_what_is_read_of_a_leaf_at_each_step_is_one_tap(read):
    random = np.random.default_rng(1)
    E, h = leaf(random, "E", V, H), leaf(random, "h")
    leaves = E, h
    for k in tg.steps(T):
        h = tg.tanh(h + tg.sum(read(E, k) ** 2))
    assert is_folded(h, leaves)
    f = tg.graph(h).fold()
    assert f.count()["tap"] == 1 and f.adjoint().count()["tap"] == 1


def test_the_ends_alone_do_not_tell_what_is_read():
    w = tg.Tensor([1.0, 2.0, 3.0], requires_grad=True, name="w")
    h = w
    for k in tg.steps(3):
        h = h * h[[0, 2, 0][k]]
    loss = tg.sum(h * h)
    loss.backward()
    found = tg.graph(loss).fold().adjoint().evaluate()["δw"]
    assert found.tolist() == w.grad.tolist() == [11502, 324, 1998]


# --- what is the same -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, True), (1, 1.0), (0.0, -0.0), (1, np.int64(1)), (slice(0, 1), slice(False, True)),
        ((0, 1), [0, 1]), (np.array([0.0]), np.array([-0.0])),
        (np.array([1]), np.array([1], np.int32)), (np.array([1]), np.array([True])),
        (np.zeros((1, 2)), np.zeros((2, 1))), (np.float64(1), np.float32(1)),
    ], ids=repr,
)  # fmt: skip
def test_what_computes_something_else_is_not_the_same(one, other):
    assert is_same(one, one) and is_same(other, other)
    assert not is_same(one, other) and not is_same((one,), (other,))
    assert not is_same({"index": one}, {"index": other})


def test_not_a_number_is_the_same_as_itself():
    assert is_same(float("nan"), float("nan")) and is_same(np.array([np.nan]), np.array([np.nan]))


def test_a_negative_zero_is_another_constant():
    w, h = (tg.Tensor(value, requires_grad=True, name=n) for n, value in (("w", 2.0), ("h", 1.0)))
    with np.errstate(divide="ignore"):
        for k in tg.steps(3):
            h = h * tg.where(1.0 / (w * [0.0, -0.0, 0.0][k]) > 0, 0.5, 2.0) + w
    assert h.item() == tg.graph(h).fold().evaluate()["add[2]"]


def test_steps_of_two_types_are_refused():
    x = tg.Tensor(np.ones(3, np.float32), requires_grad=True, name="x")
    ys = []
    for k in tg.steps(4):
        ys.append(tg.tanh(x * np.ones(3, np.float64 if k == 1 else np.float32)))
    with pytest.raises(UsageError, match=r"type float64 at step 1, type float32 elsewhere"):
        tg.graph(tg.sum(tg.stack(ys))).fold()


# --- what is said of it ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ((0, 1, 2), "k"), ((1, 2, 3), "k+1"), ((2, 1, 0), "2-k"), ((0, 2, 4), "2k"),
        ((5, 2, -1), "5-3k"), ((-1, 0, 1), "k-1"), ((0, 2, 0), "index(k)"),
        ((slice(0, 3), slice(1, 4), slice(2, 5)), "k:k+3"), ((slice(0), slice(1), slice(2)), ":k"),
        (((0, 2), (0, 0), (0, 2)), "(0, index(k))"), (((0, 2), (1, 0), (2, 2)), "(k, index(k))"),
        (((0, 2), (0, 0), (3, 2)), "index(k)"), ((True, False, True), "index(k)"),
    ], ids=str,
)  # fmt: skip
def test_a_parameter_that_varies_is_written_as_a_function_of_the_step(values, text):
    assert str(Varying("index", values, (0, 1, 2))) == text


def test_what_differs_is_named():
    random = np.random.default_rng(0)
    x, h = leaf(random, "x", 4, 3), leaf(random, "h", 3)
    for k in tg.steps(4):
        h = tg.tanh(h + tg.sum(tg.sin(x)[0 if k != 1 else slice(0, 2)]))
    with pytest.raises(UsageError, match=r"index 0:2 at step 1, index 0 elsewhere; shape \(2, 3\)"):
        tg.graph(tg.sum(h)).fold()


def test_the_index_that_varies_is_in_the_picture_and_in_the_explanation():
    loss, _ = character_model(PICKS["index"][1])
    picture = tg.draw(loss, view="both").dot
    assert "E[index(k)]" in picture and "[index(k)]" in picture
    assert "E[index(k)]: index(k) = 3, 1, 1, 0, 3" in picture
    told = str(tg.explain(loss, "W", fold=True, style="stages"))
    assert "[index(k)]\n" in told and "where index(k) = 1, 1, 0, 3, 2" in told


# --- the proof ------------------------------------------------------------------------------------


def test_a_network_that_is_not_the_recorded_one_is_not_used(monkeypatch):
    loss, _ = character_model(PICKS["index"][1])
    recorded = tg.graph(loss)
    folded = recorded.fold()
    for node in folded.nodes:
        for name, parameter in node.parameters.items():
            if isinstance(parameter, Varying):
                wrong = Varying(name, (*parameter.values[:-1], 0), parameter.steps)
                changed = folded.with_node(node, parameters={name: wrong})
                monkeypatch.setattr(
                    "tinygrad_lstm.network.proof.fold", lambda _, network=changed: network
                )
                network, reason = fold_if_true(recorded)
                assert network is recorded and node.name in reason
                assert tg.compare(loss, {"U": np.ones((H, H))}).evidence[0].reason == reason
                assert (
                    reason
                    in str(tg.explain(loss, "U", fold=None, style="stages")).replace("\n", " ")
                    or T < 6
                )
                assert not tg.explain(loss, "U", style="stages").steps
                assert "unrolled, since" in tg.draw(loss).dot
                with pytest.raises(UsageError, match="would not be what was recorded"):
                    fold_truly(recorded)


def test_the_report_says_that_steps_differ():
    random = np.random.default_rng(0)
    U, h = leaf(random, "U", H, H), tg.Tensor(np.ones(H))
    for k in tg.steps(5):
        h = (tg.sin if k == 2 else tg.tanh)(h @ U)
    report = tg.compare(tg.sum(h * h), {"U": np.ones((H, H))})
    assert "every step on its own, since the steps differ first at sin[2]" in str(report).replace(
        "\n  ", " ")  # fmt: skip


def test_a_list_of_values_shows_the_entry_that_follows_no_rule():
    values = tuple((k, (7, [2, 0, 1][k % 3])) for k in range(4))
    assert Varying("index", values, (0, 1, 2, 3)).list_values() == "index(k) = 2, 0, 1, 2"
    values = tuple((k, np.array([k, 1])) for k in range(3))
    assert Varying("index", values, (0, 1, 2)).list_values().startswith("index(k) = [0, 1], ")
