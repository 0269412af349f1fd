"""Networks that several files of tests use."""

import numpy as np

import tinygrad_lstm as tg
from tinygrad_lstm.derivations import mazur


def network(T=3, batch=()):
    rng = np.random.default_rng(0)
    lstm, dense = tg.nn.LSTM(2, 4, seed=0), tg.nn.Dense(4, 1, tg.sigmoid, seed=1)
    x = tg.Tensor(rng.normal(size=(T, *batch, 2)), requires_grad=True, name="x")
    loss = tg.nn.squared_error(dense(lstm(x)[0]), rng.uniform(size=(T, *batch, 1)))
    return loss, {"lstm.W": lstm.W, "lstm.U": lstm.U, "lstm.b": lstm.b,
                  "dense.W": dense.W, "dense.b": dense.b, "x": x}  # fmt: skip


def gates(hoisted):
    """Record an LSTM with matrices for each gate, x W inside of the loop or before it."""
    rng = np.random.default_rng(1)
    x = tg.Tensor(rng.normal(size=(5, 2, 3)), requires_grad=True, name="x")
    W, U, b = (
        {
            g: tg.Tensor(rng.normal(size=shape), requires_grad=True, name=f"{what}_{g}")
            for g in "aifo"
        }
        for what, shape in (("W", (3, 4)), ("U", (4, 4)), ("b", (4,)))
    )
    w = tg.Tensor(rng.normal(size=(4, 1)), requires_grad=True, name="w")
    out, state = (tg.Tensor(np.zeros((2, 4)), requires_grad=True, name=n) for n in ("h0", "c0"))
    outs, ys = [], []
    before = {g: x @ W[g] for g in "aifo"} if hoisted else {}
    for k in tg.steps(5):
        s = {g: (before[g][k] if hoisted else x[k] @ W[g]) + out @ U[g] + b[g] for g in "aifo"}
        a = tg.tanh(s["a"])
        i, f, o = (tg.sigmoid(s[g]) for g in "ifo")
        state = i * a + f * state
        out = o * tg.tanh(state)
        outs.append(out)
        if not hoisted:
            ys.append(out @ w)
    y = tg.stack(outs) @ w if hoisted else tg.stack(ys)
    return tg.nn.squared_error(y, rng.normal(size=(5, 2, 1)))


class Cell(tg.nn.Module):
    def __init__(self):
        self.W = tg.Tensor(np.linspace(-1, 1, 9).reshape(3, 3), requires_grad=True)

    def forward(self, h):
        y = tg.tanh(h @ self.W)
        y.name = "y"
        return y


def loop(steps):
    """Return a loss of the last step, and of all, of a cell that is called in a loop."""
    cell, h = Cell(), tg.Tensor([[0.5, -0.2, 0.1]] * 2, requires_grad=True, name="h")
    outs = []
    for _ in tg.steps(steps):
        h = cell(h)
        outs.append(h)
    return (h * h).sum() + (tg.stack(outs) ** 2).sum()


def named(tensor, name):
    tensor.name = name
    return tensor


def mlp():
    """Return Mazur's total error, every number of his a Tensor."""
    v = {n: tg.Tensor(x, requires_grad=True, name=n) for n, x in mazur.GIVEN.items() if n != "η"}
    wired = ("h1", "w1 i1 w2 i2 b1"), ("h2", "w3 i1 w4 i2 b1"), ("o1", "w5 h1 w6 h2 b2"), \
        ("o2", "w7 h1 w8 h2 b2")  # fmt: skip
    for unit, names in wired:
        w, x, u, y, b = (v[name] for name in names.split())
        v[unit] = named(tg.sigmoid(named(w * x + u * y + b, f"net_{unit}")), f"out_{unit}")
    errors = [named(0.5 * (v[f"target_{o}"] - v[o]) ** 2, f"E_{o}") for o in ("o1", "o2")]
    return named(errors[0] + errors[1], "E_total")


def convolution():
    """Return the loss of a convolution, relu, max pooling and softmax, from primitives."""
    rng = np.random.default_rng(0)
    image = tg.Tensor(rng.normal(size=(6, 6)), requires_grad=True, name="image")
    kernel, w = (
        tg.Tensor(rng.normal(size=shape), requires_grad=True, name=name)
        for name, shape in (("kernel", (3, 3)), ("w", (4, 3)))
    )
    windows = tg.sliding_windows(image, window_shape=(3, 3))
    maps = named(tg.relu(named(tg.sum(windows * kernel, axis=(2, 3)), "z")), "maps")
    pooled = named(tg.max(maps.reshape(2, 2, 2, 2), axis=(1, 3)), "pooled")
    return named(-tg.log_softmax(named(pooled.reshape(4) @ w, "scores"))[1], "loss")


def small_convolution():
    """Return the like of 3 by 3 pixels and two classes: no array of it has more than 16 entries."""
    image, kernel, w = (
        tg.Tensor(each, requires_grad=True, name=name)
        for name, each in {
            "image": [[1.0, 0.0, 2.0], [0.0, 1.0, 1.0], [2.0, 1.0, 0.0]],
            "kernel": [[1.0, -0.5], [0.5, 0.2]], "w": [[0.5, -1.0], [1.0, 0.25]],
        }.items()
    )  # fmt: skip
    windows = named(tg.sliding_windows(image, window_shape=(2, 2)), "windows")
    z = named(tg.sum(named(windows * kernel, "products"), axis=(2, 3)), "z")
    pooled = named(tg.max(named(tg.relu(z), "map"), axis=1), "pooled")
    return named(-tg.log_softmax(named(pooled @ w, "scores"))[1], "loss")


def recurrence(steps, batch=(), **options):
    """Return the loss of an LSTM and a dense layer."""
    lstm, dense = tg.nn.LSTM(2, 3, seed=0, **options), tg.nn.Dense(3, 1, tg.sigmoid, seed=1)
    x = np.random.default_rng(0).normal(size=(steps, *batch, 2))
    y = dense(lstm(tg.Tensor(x, requires_grad=True, name="x"))[0])
    return tg.nn.squared_error(y, np.ones(y.shape))


def classes():
    """Return a loss whose mean has a factor that no few digits write: 1/12."""
    hidden, output = (
        tg.nn.Dense(2, 3, tg.relu, seed=0, name="h"),
        tg.nn.Dense(3, 3, seed=1, name="o"),
    )
    x = np.random.default_rng(0).normal(size=(4, 2))
    return tg.nn.binary_cross_entropy_with_logits(output(hidden(x)), np.eye(3)[[0, 1, 2, 1]])


def gated(steps):
    out, _ = tg.nn.GRU(2, 2, reset_after=True, seed=0)(np.ones((steps, 2)))
    return tg.nn.squared_error(out, np.zeros((steps, 2)))


def formula():
    x, a = (tg.Tensor(value, requires_grad=True, name=n) for n, value in (("x", 0.5), ("a", 2.0)))
    return named(tg.sin(a * x) / x - x * tg.exp(-x), "y")


def leaf(name, *shape):
    rng = np.random.default_rng(len(name) + sum(shape))
    return tg.Tensor(rng.normal(size=shape), requires_grad=True, name=name)


def holds(loss, graph):
    """Hold a graph, and its adjoint network, to the value and all gradients of the tape."""
    leaves = [signal.tensor for name, signal in tg.signals(loss).items()
              if signal.tensor.requires_grad and not signal.tensor.inputs]  # fmt: skip
    (value,) = graph.evaluate().values()
    np.testing.assert_allclose(value, loss.numpy(), rtol=1e-12)
    deltas = graph.adjoint().evaluate()
    for tensor, gradient in zip(leaves, tg.grad(loss, leaves), strict=True):
        right = gradient.numpy()
        np.testing.assert_allclose(deltas[f"δ{tensor.name}"], right, rtol=1e-11, atol=1e-13)
