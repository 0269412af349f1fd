"""Holds random programs to autograd and to the complex step, in both orders, to 1e-12."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

import tinygrad_lstm as tg
from support import laws
from support.laws import near_all
from support.peers import peer
from support.programs import ELEMENTARY, KINKED, PROGRAMS, SMOOTH, every, smooth
from tinygrad_lstm import TABLE
from tinygrad_lstm.engine.cotangent import Sums
from tinygrad_lstm.engine.tape import history, pull_back

autograd, anp, extend = peer("autograd"), peer("autograd.numpy"), peer("autograd.extend")


# --- the same functions by autograd -------------------------------------------------------------


def by_matrix(name: str) -> Callable[..., Any]:
    """Return a linear primitive as multiplication by its matrix, which autograd differentiates."""
    forward = TABLE[name].forward

    def apply(x: Any, **parameters: Any) -> Any:
        units = np.eye(int(np.prod(x.shape))).reshape(-1, *x.shape)
        images = np.stack([forward(unit, **parameters) for unit in units])
        product = anp.dot(anp.reshape(x, (-1,)), images.reshape(len(images), -1))
        return anp.reshape(product, images.shape[1:])

    return apply


def by_slope(name: str, sign: int) -> Callable[..., Any]:
    """Return erf or erfc with its slope, ±2 exp(-x²) / √π, for autograd."""
    function = extend.primitive(TABLE[name].forward)
    extend.defvjp(
        function, lambda y, x: lambda ct: ct * sign * 2 / np.sqrt(np.pi) * anp.exp(-x * x)
    )
    return function


KNOWN = (
    "exp", "log", "sqrt", "sin", "cos", "tanh", "abs", "sign", "maximum", "minimum", "expm1",
    "log1p", "log2", "log10", "exp2", "tan", "arcsin", "arccos", "arctan", "sinh", "cosh",
    "arcsinh", "arccosh", "arctanh", "floor", "rint", "arctan2", "logaddexp",
)  # fmt: skip
UNKNOWN = ("cumsum", "scatter", "scatter_add", "pad", "sliding_windows", "overlap_add")
AUTOGRAD = SimpleNamespace(
    **{name: getattr(anp, name) for name in KNOWN},
    **{name: by_matrix(name) for name in UNKNOWN},
    sigmoid=lambda x: 0.5 * (anp.tanh(0.5 * x) + 1),
    softplus=lambda x: anp.log(1 + anp.exp(x)),
    relu=lambda x: x * (x > 0),
    where=lambda c, x, y: c * x + (1 - c) * y,
    sum=lambda x, axis=None, keepdims=False: anp.sum(x, axis=axis, keepdims=keepdims),
    max=lambda x, axis=None, keepdims=False: anp.max(x, axis=axis, keepdims=keepdims),
    logsumexp=lambda x, axis=None, keepdims=False: anp.log(
        anp.sum(anp.exp(x), axis=axis, keepdims=keepdims)
    ),
    norm=lambda x, axis=None, keepdims=False: anp.sqrt(
        anp.sum(x * x, axis=axis, keepdims=keepdims)
    ),
    mask=lambda x, share: x * share,
    ratio=lambda a, b: a / b,
    mean=lambda x, axis=None, keepdims=False: anp.mean(x, axis=axis, keepdims=keepdims),
    average=lambda x, axis=None, keepdims=False: anp.mean(x, axis=axis, keepdims=keepdims),
    softmax=lambda x: anp.exp(x) / anp.sum(anp.exp(x), axis=-1, keepdims=True),
    reshape=lambda x, shape: anp.reshape(x, shape),
    transpose=lambda x, axes=None: anp.transpose(x, axes),
    broadcast_to=lambda x, shape: x + np.zeros(shape),
    concatenate=lambda xs, axis=0: anp.concatenate(xs, axis=axis),
    stack=lambda xs, axis=0: anp.stack(xs, axis=axis),
    stop_gradient=lambda x: getattr(x, "_value", x),
    erf=by_slope("erf", 1),
    erfc=by_slope("erfc", -1),
    hypot=lambda a, b: anp.sqrt(a * a + b * b),
    remainder=lambda a, b: a - b * anp.floor(a / b),
    fmod=lambda a, b: a - b * anp.sign(a) * anp.floor(anp.abs(a) / b),  # of a positive b
    fmax=anp.maximum,
    fmin=anp.minimum,
    leaky_relu=lambda x, slope: anp.maximum(x, 0) + slope * anp.minimum(x, 0),
    finite=lambda x, *others: x * np.ones(()),
    astype=lambda x, dtype: x * np.ones(()),
)


# --- moves: from (3, 3) and (3, 3) to (3, 3), of moderate size ----------------------------------


# --- first order --------------------------------------------------------------------------------


@every
def test_gradient_is_autograds(program):
    leaves = program.leaves()
    program.run(tg, leaves).backward()
    expected = autograd.grad(lambda leaves: program.run(AUTOGRAD, leaves))(program.point)
    near_all([leaf.grad for leaf in leaves], expected)


@smooth
def test_gradient_is_the_complex_step(program):
    leaves = program.leaves()
    program.run(tg, leaves).backward()
    expected = laws.complex_step(lambda *at: program.run(tg, at), program.point, program.direction)
    scale = max(1.0, *(np.max(np.abs(leaf.grad)) for leaf in leaves))
    laws.near(program.along([leaf.grad for leaf in leaves]), expected, 1e-12, scale)


@every
def test_tangent_is_the_gradient_along_it(program):
    gradients = tg.grad(program.run(tg, leaves := program.leaves()), leaves)
    _, tangent = tg.jvp(lambda *at: program.run(tg, at), program.point, program.direction)
    scale = max(1.0, *(np.max(np.abs(g.data)) for g in gradients))
    laws.near(tangent.data, program.along(gradients).data, 1e-12, scale)


# --- second order -------------------------------------------------------------------------------


def slope_on_tensors(program, leaves):
    """Return the derivative along the direction, on the tape."""
    return program.along(tg.grad(program.run(tg, leaves), leaves, create_graph=True))


def reverse_over_reverse(program):
    leaves = program.leaves()
    return [g.data for g in tg.grad(slope_on_tensors(program, leaves), leaves)]


@every
def test_second_derivative_is_autograds(program):
    slope = autograd.grad(lambda leaves: program.run(AUTOGRAD, leaves))
    expected = autograd.grad(lambda leaves: program.along(slope(leaves)))(program.point)
    near_all(reverse_over_reverse(program), expected)


@every
def test_second_derivative_forward_over_reverse(program):
    def gradients(*leaves):
        return tg.grad(program.run(tg, leaves), leaves, create_graph=True)

    _, tangents = tg.jvp(gradients, program.point, program.direction)
    near_all([t.data for t in tangents], reverse_over_reverse(program))


@smooth
def test_second_derivative_is_the_complex_step_of_the_first(program):
    """The tape is run again at a complex point, forwards and backwards, on arrays."""
    leaves = program.leaves()
    loss = program.run(tg, leaves)
    for leaf, direction in zip(leaves, program.direction, strict=True):
        leaf._array = leaf._array + 1j * laws.STEP * direction
    for node in reversed(history([loss], everything=True)):
        if node.inputs:
            operands = [operand._array for operand in node.inputs]
            node._array = np.asarray(node.primitive.forward(*operands, **node.parameters))
    sums = Sums()
    sums.add(loss, np.ones((), complex))
    found = pull_back(sums)
    near_all([found[leaf].imag / laws.STEP for leaf in leaves], reverse_over_reverse(program))


# --- what the programs are made of --------------------------------------------------------------


def test_programs_use_every_primitive():
    used = set()
    for program in PROGRAMS:
        tape = history([program.run(tg, program.leaves())], everything=True)
        used |= {node.primitive.name for node in tape if node.primitive}
    assert used == TABLE.keys()


def test_programs_use_every_move():
    used = {move for program in PROGRAMS for move, *_ in program.steps}
    assert used == {*SMOOTH.values(), *KINKED.values(), *ELEMENTARY.values()}
