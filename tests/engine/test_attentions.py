"""Holds attention to PyTorch and to its definition: masks, causality, queries that see nothing."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lstm as tg
from support import laws
from support.calls import check_call
from support.peers import peer
from tinygrad_lstm.errors import ShapeError, UsageError


@pytest.mark.parametrize("seed", range(24))
def test_attention_is_pytorchs(seed):
    torch = peer("torch")
    random = np.random.default_rng(seed)
    T, S, d, D = (int(size) for size in random.integers(1, 6, 4))
    lead = tuple(random.integers(1, 4, seed % 3).tolist())
    arrays = [random.normal(size=(*lead, *shape)) for shape in ((T, d), (S, d), (S, D))]
    mask = [None, random.random((T, S)) < 0.6, random.normal(size=(*lead, T, S))][seed % 3]
    if mask is not None and mask.dtype == bool:
        mask[:, 0] = True
    causal = mask is None and bool(random.integers(2))
    ours = [tg.Tensor(x, requires_grad=True) for x in arrays]
    theirs = [torch.tensor(x, requires_grad=True) for x in arrays]
    y = tg.attention(*ours, mask=mask, causal=causal)
    their_mask = None if mask is None else torch.tensor(mask)
    there = torch.nn.functional.scaled_dot_product_attention(
        *theirs, attn_mask=their_mask, is_causal=causal
    )
    laws.near(y.data, there.detach().numpy(), 1e-12)
    ct = random.normal(size=y.shape)
    y.backward(ct)
    there.backward(torch.tensor(ct))
    for one, other in zip(ours, theirs, strict=True):
        laws.near(one.grad, other.grad.numpy(), 1e-12)


def test_a_query_that_sees_nothing_returns_0_and_has_no_gradient():
    q, k, v = (tg.Tensor(laws.draw((3, 2), n), requires_grad=True) for n in range(3))
    mask = np.array([[True, False, True], [False] * 3, [True] * 3])
    y = tg.attention(q, k, v, mask)
    assert not y.data[1].any()
    rest = tg.attention(q.data[[0, 2]], k.data, v.data, mask[[0, 2]])
    laws.near(y.data[[0, 2]], rest, 1e-15)
    y.sum().backward()
    assert not q.grad[1].any()
    assert np.isfinite([q.grad, k.grad, v.grad]).all()


def test_a_mask_and_causality_act_together():
    q, k, v = (laws.draw((4, 3), n) for n in range(3))
    mask = np.random.default_rng(0).random((4, 4)) < 0.7
    both = mask & np.tri(4, dtype=bool)
    laws.near(tg.attention(q, k, v, mask, causal=True), tg.attention(q, k, v, both), 0)


CALLS = {
    "plain": lambda q, k, v: tg.attention(q, k, v),
    "causal": lambda q, k, v: tg.attention(q, k, v, causal=True),
    "masked": lambda q, k, v: tg.attention(q, k, v, np.eye(3, dtype=bool)[::-1]),
    "blind": lambda q, k, v: tg.attention(q, k, v, np.array([[1, 0, 1], [0] * 3, [1] * 3]) > 0),
    "added": lambda q, k, v: tg.attention(q, k, v, np.arange(9.0).reshape(3, 3)),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_derivatives_graph_and_adjoint_follow(name):
    operands = [laws.draw((2, 3, 4), 1), laws.draw((2, 3, 4), 2), laws.draw((2, 3, 2), 3)]
    assert check_call(CALLS[name], None, operands, pictures=False) == "holds"


Q, K, V = (tg.Tensor(laws.draw(shape), name="q") for shape in ((3, 4), (5, 4), (5, 2)))
BAD = {
    "widths": (lambda: tg.attention(Q, V, V), ShapeError, r"\(3, 4\), keys \(5, 2\)"),
    "counts": (lambda: tg.attention(Q, K, V[:3]), ShapeError, r"values \(3, 2\)"),
    "a vector": (lambda: tg.attention(Q[0], K, V), ShapeError, r"queries \(4,\)"),
    "a mask": (lambda: tg.attention(Q, K, V, np.ones((5, 3), bool)), ShapeError, r"mask of shape"),
    "a large mask": (
        lambda: tg.attention(Q, K, V, np.ones((2, 3, 5), bool)), ShapeError, r"\(2, 3, 5\)",
    ),
    "text": (lambda: tg.attention(Q, K, V, "a"), UsageError, "truth values or numbers"),
    "causal": (lambda: tg.attention(Q, K, V, causal=1), UsageError, "True or False"),
}  # fmt: skip


@pytest.mark.parametrize(("call", "error", "words"), BAD.values(), ids=BAD)
def test_what_cannot_be_meant_is_refused(call, error, words):
    with pytest.raises(error, match=words):
        call()
