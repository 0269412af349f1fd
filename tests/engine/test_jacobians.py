"""Holds vjp, jacobian, hessian, hvp and gnvp to differences, to grad and to one another."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lstm as tg
from support import laws
from support.peers import peer
from tinygrad_lstm.errors import GradientError, ShapeError, UsageError

X, Y = laws.draw((2, 3)), laws.draw((3,), 1)


def few(x, y):
    return tg.tanh(x) @ y


def many(x, y):
    return tg.outer(tg.sin(x), y * y)


def loss(x, y):
    return tg.sum(tg.tanh(x @ y) ** 3) + tg.sum(y**3)


def columns(fn, xs):
    """Return the Jacobian by central differences."""
    blocks = []
    for k, x in enumerate(xs):
        units = np.eye(x.size).reshape(x.size, *x.shape)
        slopes = [
            laws.central_difference(
                lambda *at: fn(*map(tg.Tensor, at)).numpy(),
                xs,
                tuple(unit if j == k else None for j in range(len(xs))),
            )
            for unit in units
        ]
        blocks.append(np.stack(slopes, -1).reshape(*slopes[0].shape, *x.shape))
    return blocks


@pytest.mark.parametrize("fn", [few, many], ids=["rows", "columns"])
def test_jacobian_is_the_difference(fn):
    for found, expected in zip(tg.jacobian(fn, (X, Y)), columns(fn, (X, Y)), strict=True):
        laws.near(found.data, expected, 1e-10)


def test_jacobian_of_one_primal_is_a_tensor():
    laws.near(tg.jacobian(tg.tanh, Y).data, np.diag(1 - np.tanh(Y) ** 2), 1e-15)
    laws.near(tg.jacobian(lambda x: x * x, 3.0).data, 6.0, 0)


def test_jacobian_of_several_outputs_has_a_row_for_each():
    found = tg.jacobian(lambda x, y: (x @ y, y * 2, x), [X, Y])
    shapes = [[each.shape for each in row] for row in found]
    assert shapes == [[(2, 2, 3), (2, 3)], [(3, 2, 3), (3, 3)], [(2, 3, 2, 3), (2, 3, 3)]]
    laws.near(found[2][0].data, np.eye(6).reshape(2, 3, 2, 3), 0)
    assert not found[1][0].data.any() and not found[2][1].data.any()


@pytest.mark.parametrize("fn", [lambda x: tg.Tensor(np.ones(2)), tg.sign], ids=["constant", "flat"])
def test_jacobian_of_what_does_not_move_is_zero(fn):
    assert not tg.jacobian(fn, Y).data.any()


@pytest.mark.parametrize("fn", [lambda x: tg.sum(x**3), lambda x: tg.outer(x, x)])
def test_jacobian_can_be_differentiated_again(fn):
    x = tg.Tensor(Y, requires_grad=True)
    J = tg.jacobian(fn, x, create_graph=True)
    (found,) = tg.grad([J.sum()], [x])
    expected = laws.central_difference(
        lambda at: tg.jacobian(fn, at).numpy().sum(), (Y,), (np.ones(3),)
    )
    laws.near(found.data.sum(), expected, 1e-9)
    assert not tg.jacobian(fn, x).requires_grad


def test_hessian_is_the_jacobian_of_the_gradient():
    H = tg.hessian(loss, (X, Y))
    for k, row in enumerate(H):

        def slope(*at, k=k):
            leaves = [tg.Tensor(each, requires_grad=True) for each in at]
            return tg.grad(loss(*leaves), leaves)[k]

        def on_tensors(*at, slope=slope):
            return slope(*(each.numpy() for each in at))

        for found, expected in zip(row, columns(on_tensors, (X, Y)), strict=True):
            laws.near(found.data, expected, 1e-9)
    laws.near(H[0][1].data, H[1][0].data.transpose(1, 2, 0), 1e-14)


def test_hessian_of_what_is_linear_is_zero():
    assert tg.hessian(tg.sum, X).shape == (2, 3, 2, 3)
    assert not tg.hessian(tg.sum, X).data.any()
    assert not tg.hessian(lambda x: tg.Tensor(1.0), X).data.any()


def test_hvp_is_the_hessian_times_the_tangent():
    tangents = laws.draw((2, 3), 3), laws.draw((3,), 4)
    y, products = tg.hvp(loss, (X, Y), tangents)
    laws.near(y.data, loss(tg.Tensor(X), tg.Tensor(Y)).data, 1e-15)
    for row, found in zip(tg.hessian(loss, (X, Y)), products, strict=True):
        expected = sum(
            np.tensordot(block.data, t, np.ndim(t)) for block, t in zip(row, tangents, strict=True)
        )
        laws.near(found.data, expected, 1e-13)


def test_gnvp_is_the_product_of_three_matrices():
    """Several outputs, and a loss whose Hessian is not diagonal."""

    def fn(x, y):
        return tg.tanh(x @ y), tg.outer(y, y)

    def convex(a, c):
        return tg.exp(a.sum()) + tg.sum(c**4)

    tangents = laws.draw((2, 3), 3), laws.draw((3,), 4)
    outs, products = tg.gnvp(fn, (X, Y), tangents, convex)
    J = [np.hstack([b.numpy().reshape(out.size, -1) for b in row])
         for row, out in zip(tg.jacobian(fn, (X, Y)), outs, strict=True)]  # fmt: skip
    H = tg.hessian(convex, [out.numpy() for out in outs])
    H = np.block([[H[i][j].numpy().reshape(outs[i].size, outs[j].size) for j in (0, 1)]
                  for i in (0, 1)])  # fmt: skip
    J, t = np.vstack(J), np.concatenate([t.ravel() for t in tangents])
    expected = J.T @ (H @ (J @ t))
    laws.near(np.concatenate([p.numpy().ravel() for p in products]), expected, 1e-12)
    laws.near(outs[0].data, np.tanh(X @ Y), 1e-15)


def test_gnvp_is_hvp_where_fn_is_linear_and_takes_the_squares_if_no_loss_is_given():
    t = laws.draw((3,), 4)
    _, product = tg.gnvp(lambda y: tg.Tensor(X) @ y, Y, t, lambda z: tg.sum(tg.exp(z)))
    laws.near(product.data, tg.hvp(lambda y: tg.sum(tg.exp(tg.Tensor(X) @ y)), Y, t)[1].data, 1e-13)
    _, product = tg.gnvp(lambda y: tg.Tensor(X) @ y, Y, t)
    laws.near(product.data, X.T @ (X @ t), 1e-14)


# --- on an LSTM -----------------------------------------------------------------------------------


def of_lstm(function_of):
    """Return a function of the parameters of an LSTM and a dense layer, and the parameters."""
    lstm, dense = tg.nn.LSTM(2, 3, seed=0, name="lstm"), tg.nn.Dense(3, 1, seed=1, name="dense")
    x, target = laws.draw((4, 2, 2)), laws.draw((4, 2, 1), 1)
    names = ["W", "U", "b"]

    def fn(W, U, b, w, c):
        own = [(lstm, name, value) for name, value in zip(names, (W, U, b), strict=True)]
        own += [(dense, "W", w), (dense, "b", c)]
        before = [(module, name, getattr(module, name)) for module, name, _ in own]
        try:
            for module, name, value in own:
                object.__setattr__(module, name, value)
            return function_of(dense(lstm(x)[0]), target)
        finally:
            for module, name, value in before:
                object.__setattr__(module, name, value)

    return fn, [p.numpy() for p in lstm.parameters() + dense.parameters()]


def test_product_of_an_lstm_is_the_difference_of_its_gradients():
    fn, points = of_lstm(tg.nn.squared_error)
    tangents = [laws.draw(p.shape, 7) for p in points]

    def slopes(step):
        at = [p + step * t for p, t in zip(points, tangents, strict=True)]
        return [g.numpy() for g in tg.vjp(fn, at)[1]]

    _, products = tg.hvp(fn, points, tangents)
    for found, more, less in zip(products, slopes(1e-5), slopes(-1e-5), strict=True):
        laws.near(found.data, (more - less) / 2e-5, 1e-6)
        assert abs(found.data).max() > 0.1


def test_gauss_newton_of_an_lstm_is_the_jacobians_product():
    fn, points = of_lstm(lambda y, target: y)
    tangents = [laws.draw(p.shape, 7) for p in points]
    out, products = tg.gnvp(fn, points, tangents)
    J = np.hstack([b.numpy().reshape(out.size, -1) for b in tg.jacobian(fn, points)])
    expected = J.T @ (J @ np.concatenate([t.ravel() for t in tangents]))
    laws.near(np.concatenate([p.numpy().ravel() for p in products]), expected, 1e-12)
    assert abs(expected).max() > 0.1


# --- PyTorch's ------------------------------------------------------------------------------------


def torch_of(torch, x, y):
    return torch.sum(torch.tanh(x @ y) ** 3) + torch.logsumexp(torch.outer(y, x.sum(0)), 1).sum()


def ours_of(x, y):
    return tg.sum(tg.tanh(x @ y) ** 3) + tg.logsumexp(tg.outer(y, x.sum(0)), axis=1).sum()


def test_hessian_and_products_are_pytorchs():
    torch = peer("torch")
    functional, at = torch.autograd.functional, (torch.tensor(X), torch.tensor(Y))
    t = laws.draw((2, 3), 3), laws.draw((3,), 4)

    def fn(x, y):
        return torch_of(torch, x, y)

    for row, other in zip(tg.hessian(ours_of, (X, Y)), functional.hessian(fn, at), strict=True):
        for found, expected in zip(row, other, strict=True):
            laws.near(found.data, expected.numpy(), 1e-10)
    _, expected = functional.hvp(fn, at, tuple(map(torch.tensor, t)))
    laws.near_all([p.numpy() for p in tg.hvp(ours_of, (X, Y), t)[1]], [e.numpy() for e in expected])
    theirs = functional.jacobian(lambda x, y: torch.tanh(x) @ y, at)
    laws.near_all([j.numpy() for j in tg.jacobian(few, (X, Y))], [e.numpy() for e in theirs])


def test_hvp_of_one_primal_is_a_tensor_and_differentiable():
    x = tg.Tensor(Y, requires_grad=True)
    _, product = tg.hvp(lambda x: tg.sum(x**3), x, np.ones(3))
    laws.near(product.data, 6 * Y, 1e-15)
    laws.near(tg.grad(product.sum(), x).data, np.full(3, 6.0), 1e-14)


def test_vjp_is_the_transpose_of_jvp():
    ct, tangents = laws.draw((2,), 5), (laws.draw((2, 3), 6), laws.draw((3,), 7))
    y, cts = tg.vjp(few, (X, Y), ct)
    _, tangent = tg.jvp(few, (X, Y), tangents)
    laws.near(y.data, np.tanh(X) @ Y, 1e-15)
    forward = laws.inner(ct, tangent.data)
    laws.near(
        sum(laws.inner(a.data, t) for a, t in zip(cts, tangents, strict=True)), forward, 1e-13
    )


def test_vjp_of_several_outputs():
    (a, c), ct = tg.vjp(lambda x: (x * x, 3 * x), 2.0, (1.0, 10.0))
    assert (a.item(), c.item(), ct.item()) == (4.0, 6.0, 34.0)


def test_vjp_of_one_number_needs_no_cotangent_and_can_be_differentiated_again():
    x = tg.Tensor(Y, requires_grad=True)
    _, ct = tg.vjp(lambda x: tg.sum(x**3), x, create_graph=True)
    laws.near(tg.grad(ct.sum(), x).data, 6 * Y, 1e-14)


def test_they_work_inside_no_grad_and_leave_every_grad_alone():
    x = tg.Tensor(Y, requires_grad=True)
    with tg.no_grad():
        assert tg.hessian(lambda x: tg.sum(x**2), x).data.trace() == 6.0
        assert tg.vjp(lambda x: tg.sum(x**2), x)[1].shape == (3,)
        assert tg.hvp(lambda x: tg.sum(x**2), x, np.ones(3))[1].data.tolist() == [2.0] * 3
    assert x.grad is None


WRONG = {
    "no function": (lambda: tg.jacobian(3, Y), UsageError, "jacobian: fn"),
    "no Tensor": (lambda: tg.vjp(lambda x: 3.0, Y), UsageError, "vjp: fn returned float"),
    "not one number": (lambda: tg.hessian(tg.tanh, Y), ShapeError, r"hessian: .*shape \(3,\)"),
    "hvp of several": (lambda: tg.hvp(tg.tanh, Y, Y), ShapeError, r"hvp: .*expected one number"),
    "a tangent": (lambda: tg.hvp(tg.sum, Y, X), ShapeError, "tangent 0 has shape"),
    "gnvp of several": (
        lambda: tg.gnvp(tg.tanh, Y, Y, tg.tanh), ShapeError, "expected one number",
    ),
    "a tangent of gnvp": (lambda: tg.gnvp(tg.sum, Y, X), ShapeError, "gnvp: tangent 0 has shape"),
    "tangents of gnvp": (lambda: tg.gnvp(tg.sum, (Y,), (Y, Y)), ShapeError, "2 tangents for 1"),
    "no loss": (lambda: tg.gnvp(tg.tanh, Y, Y, 3), UsageError, "gnvp: loss"),
    "a cotangent": (lambda: tg.vjp(tg.tanh, Y, X), ShapeError, "found a gradient of shape"),
    "two for one": (
        lambda: tg.vjp(lambda x: (x, x), Y, (Y,)), ShapeError, "found 1 cotangents for 2 outputs",
    ),
    "none": (lambda: tg.vjp(tg.tanh, Y), GradientError, r"has shape \(3,\)"),
}  # fmt: skip


@pytest.mark.parametrize(("call", "error", "says"), WRONG.values(), ids=WRONG.keys())
def test_what_cannot_be_is_refused(call, error, says):
    with pytest.raises(error, match=says):
        call()
