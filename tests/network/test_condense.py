"""Holds composites to what their bodies record, and the pass that makes them one node."""

import numpy as np
import pytest

import tinygrad_lstm as tg
from support import laws
from tinygrad_lstm.engine.composites import COMPOSITES
from tinygrad_lstm.network.condense import condense

RNG = np.random.default_rng(0)
NAMES = {composite.primitive.name for composite in COMPOSITES}
EVERY = pytest.mark.parametrize(
    ("composite", "xs", "parameters"),
    [(x, *sample) for x in COMPOSITES for sample in x.primitive.samples()],
)


@EVERY
@pytest.mark.parametrize("law", laws.LAWS, ids=lambda law: law.__name__)
def test_law(law, composite, xs, parameters):
    law(composite.primitive, xs, parameters)


@EVERY
def test_a_composite_is_what_its_body_records(composite, xs, parameters):
    own, body = (
        tg.Tensor(xs[0], requires_grad=True, name="x"),
        tg.Tensor(xs[0], requires_grad=True, name="x"),
    )
    weights = RNG.normal(size=xs[0].shape)
    for y, x in ((composite.primitive(own, **parameters), own),
                 (composite.body(body, **parameters), body)):  # fmt: skip
        tg.sum(y * weights).backward()
        y.name = "y"
        assert x.grad is not None
    laws.near(
        composite.primitive(xs[0], **parameters), composite.body(body, **parameters).data, 1e-15
    )
    laws.near(own.grad, body.grad, 1e-14)


def drawn(*shape, name="x"):
    return tg.Tensor(RNG.normal(size=shape), requires_grad=True, name=name)


def steps():
    W, h, loss = drawn(3, 3, name="W"), np.zeros(3), 0.0
    x = drawn(4, 3)
    for k in tg.steps(4):
        h = tg.softmax(x[k] + h @ W) * tg.log_softmax(h + x[k])
        loss = loss + tg.sum(h * h)
    return loss


def with_name(where):
    x = drawn(3)
    s = x - tg.stop_gradient(tg.max(x, axis=-1, keepdims=True))
    e = tg.exp(s)
    total = tg.sum(e, axis=-1, keepdims=True)
    y = e / total
    if where == "named":
        e.name = "e"
    return tg.sum(y * y) + (tg.sum(e * 2.0) if where == "used" else 0.0)


@pytest.mark.parametrize(
    ("make", "count"),
    [
        (lambda: tg.sum(tg.softmax(drawn(3)) ** 2), 1),
        (lambda: tg.sum(tg.softmax(drawn(2, 3), axis=0) ** 2), 1),
        (lambda: tg.sum(tg.softmax(tg.softmax(drawn(2, 3)) * 2.0, axis=-2) ** 2), 2),
        (lambda: tg.nn.softmax_cross_entropy(drawn(4, 3), [0, 2, 1, 1]), 1),
        (lambda: tg.sum(tg.log_softmax(drawn(2, 3, 2), axis=1) ** 2), 1),
        (steps, 8),
        (lambda: with_name(""), 1), (lambda: with_name("named"), 0), (lambda: with_name("used"), 0),
        (lambda: tg.sum(tg.softmax(drawn(2, 3), axis=None) ** 2), 0),
        (lambda: tg.sum(tg.exp(drawn(3)) / 2.0), 0),
    ],
)  # fmt: skip
def test_a_composite_is_one_node_and_the_network_the_same(make, count):
    loss = make()
    recorded = tg.graph(loss)
    condensed = condense(recorded)
    composites = [x for x in condensed.nodes if x.primitive and x.primitive.name in NAMES]
    assert len(composites) == count and (condensed is recorded) == (count == 0)
    before, after = (graph.adjoint().evaluate() for graph in (recorded, condensed))
    assert before.keys() == after.keys()
    for name, value in before.items():
        laws.near(after[name], value, 1e-13)
    laws.near(*(next(iter(x.evaluate().values())) for x in (recorded, condensed)), 1e-14)


def test_a_step_with_composites_folds():
    network = condense(tg.graph(steps())).fold()
    assert sum(x.primitive is not None and x.primitive.name in NAMES for x in network.nodes) == 2
