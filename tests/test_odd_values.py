"""Holds every parameter of every public function to the package's own errors for what is not meant.

A table gives one valid call of every function, with every parameter named. Each argument in turn is
replaced by every value of the zoo: the call is accepted, or it raises one of the package's errors,
and it ends in time.
"""

from __future__ import annotations

import inspect
import os
import signal
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, is_typeddict

import numpy as np
import pytest

import tinygrad_lstm as tg
from support.odd_values import ZOO, wrong_call
from support.peers import peer
from tinygrad_lstm import check, interop, nn, optim, tasks, train
from tinygrad_lstm.cli.commands import main
from tinygrad_lstm.engine.primitive import Primitive
from tinygrad_lstm.errors import TinygradError
from tinygrad_lstm.nn.lstm_equations import LSTMEquations

SECONDS = 10  # of work: no call of a small function takes longer
WAIT = 10  # times as long, on a busy machine

Arguments = tuple[tuple[Any, ...], dict[str, Any]]
Call = Callable[[], tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]]


def leaf(*shape, name="x"):
    return tg.Tensor(np.linspace(0.2, 0.9, int(np.prod(shape))).reshape(shape), True, name)


def regular():
    return tg.Tensor(np.diag([1.0, 2.0, 4.0]) + 0.1, True, "A")


def call(function, *args, **options):
    return function, args, options


def loss_of_steps():
    """Return the loss of a small recurrence."""
    x, w, h = leaf(3, 2), leaf(2, 2, name="w"), tg.Tensor(np.zeros(2), name="h")
    for k in tg.steps(3):
        h = tg.tanh(x[k] @ w + h)
    return tg.nn.squared_error(h, np.ones(2))


def loss_of_row():
    """Return the loss of one layer, fed one row."""
    return nn.squared_error(dense()(np.ones(2)), np.ones(3))


def watch_of_one():
    """Return a watch that saw one backward pass."""
    net = lstm()
    with tg.watch(net, frames=1) as seen:
        nn.squared_error(net(np.ones((2, 2)))[0], np.ones((2, 3))).backward()
    return seen


def lstm(**more):
    return nn.LSTM(2, 3, seed=0, **more)


def dense():
    return nn.Dense(2, 3, "tanh", seed=0, name="dense")


def pulled(module, x):
    """Return a module whose parameters have gradients."""
    out = module(x)
    tg.sum(out[0] if isinstance(out, tuple) else out).backward()
    return module


def audit():
    return tg.audit(loss_of_steps(), {"w": np.ones((2, 2))}, seconds=0.1)


def report():
    loss = loss_of_steps()
    return tg.compare(loss, {"w": np.ones((2, 2))})


def optimizer(kind):
    parameter = leaf(3)
    parameter.grad = np.ones(3)
    return kind([parameter], 0.1)


THREE = leaf(3)


NET = nn.Dense(2, 2, seed=0, name="net")


def loss_of_net(net):
    return nn.squared_error(net(np.ones(2)), np.ones(2))


class ConstantLR(optim.LRScheduler):
    def rate(self, base, k):
        return base


def sequence():
    update = optimizer(optim.Adam)
    return update, [optim.LinearLR(update), optim.StepLR(update, 3)], [5]


X = np.linspace(-1.0, 1.0, 8).reshape(4, 2)
RECURRENT = dict(bias=True, bidirectional=False, dropout=0.0, truncate=None, stateful=False,
                 batch_first=False, initial="zeros", name="layer", dtype=float, seed=0)  # fmt: skip

CALLS: dict[str, Call] = {
    # tensors
    "Tensor": lambda: call(tg.Tensor, [1.0], requires_grad=True, name="x", dtype=float),
    "Tensor.data": lambda: call(lambda data: setattr(leaf(3), "data", data), np.ones(3)),
    "Tensor.astype": lambda: call(tg.Tensor([1.0]).astype, float),
    "Tensor.backward": lambda: call(leaf(3).backward, np.ones(3)),
    "Tensor.dot": lambda: call(leaf(3).dot, np.ones(3)),
    "Tensor.max": lambda: call(leaf(2, 3).max, axis=0, keepdims=False),
    "Tensor.min": lambda: call(leaf(2, 3).min, axis=0, keepdims=False),
    "Tensor.mean": lambda: call(leaf(2, 3).mean, axis=0, keepdims=False),
    "Tensor.sum": lambda: call(leaf(2, 3).sum, axis=0, keepdims=False),
    "Tensor.prod": lambda: call(leaf(2, 3).prod, axis=0, keepdims=False),
    "Tensor.var": lambda: call(
        leaf(2, 3).var, axis=0, keepdims=False, ddof=0, correction=None
    ),
    "Tensor.std": lambda: call(
        leaf(2, 3).std, axis=0, keepdims=False, ddof=0, correction=None
    ),
    "Tensor.cumsum": lambda: call(leaf(2, 3).cumsum, axis=0),
    "Tensor.cumprod": lambda: call(leaf(2, 3).cumprod, axis=0),
    "Tensor.repeat": lambda: call(leaf(2, 3).repeat, 2, axis=0),
    "Tensor.take": lambda: call(leaf(2, 3).take, [0, 1], axis=0),
    "Tensor.diagonal": lambda: call(leaf(2, 3).diagonal, offset=0, axis1=0, axis2=1),
    "Tensor.trace": lambda: call(leaf(2, 3).trace, offset=0, axis1=0, axis2=1),
    "Tensor.clip": lambda: call(leaf(3).clip, min=0.1, max=0.5),
    "Tensor.round": lambda: call(leaf(3).round, decimals=1),
    "Tensor.reshape": lambda: call(leaf(2, 3).reshape, 3, 2),
    "Tensor.squeeze": lambda: call(leaf(1, 3).squeeze, axis=0),
    "Tensor.swapaxes": lambda: call(leaf(2, 3).swapaxes, 0, 1),
    "Tensor.transpose": lambda: call(leaf(2, 3).transpose, 1, 0),
    "Tensor.__getitem__": lambda: call(leaf(2, 3).__getitem__, 1),
    "Tensor.__add__": lambda: call(lambda other: leaf(3) + other, 1.0),
    "Tensor.__rsub__": lambda: call(lambda other: other - leaf(3), 1.0),
    "Tensor.__matmul__": lambda: call(lambda other: leaf(3) @ other, np.ones(3)),
    "Tensor.__rpow__": lambda: call(lambda other: other ** leaf(3), 2.0),
    # functions
    "clip": lambda: call(tg.clip, leaf(3), a_min=0.1, a_max=0.5, min=None, max=None),
    "dot": lambda: call(tg.dot, leaf(3), leaf(3)),
    "expand_dims": lambda: call(tg.expand_dims, leaf(3), axis=0),
    "getitem": lambda: call(tg.getitem, leaf(3), 1),
    "log_softmax": lambda: call(tg.log_softmax, leaf(3), axis=0),
    "softmax": lambda: call(tg.softmax, leaf(3), axis=0),
    "mean": lambda: call(tg.mean, leaf(2, 3), axis=0, keepdims=False),
    "min": lambda: call(tg.min, leaf(2, 3), axis=0, keepdims=False),
    "var": lambda: call(
        tg.var, leaf(2, 3), axis=0, keepdims=False, ddof=0, correction=None
    ),
    "std": lambda: call(
        tg.std, leaf(2, 3), axis=0, keepdims=False, ddof=0, correction=None
    ),
    "moveaxis": lambda: call(tg.moveaxis, leaf(2, 3), 0, 1),
    "outer": lambda: call(tg.outer, leaf(2), leaf(3)),
    "ravel": lambda: call(tg.ravel, leaf(2, 3)),
    "split": lambda: call(tg.split, leaf(4), 2, axis=0),
    "square": lambda: call(tg.square, leaf(3)),
    "squeeze": lambda: call(tg.squeeze, leaf(1, 3), axis=0),
    "swapaxes": lambda: call(tg.swapaxes, leaf(2, 3), 0, 1),
    "unstack": lambda: call(tg.unstack, leaf(2, 3), axis=0),
    "prod": lambda: call(tg.prod, leaf(2, 3), axis=0, keepdims=False),
    "matrix_transpose": lambda: call(tg.matrix_transpose, leaf(2, 3)),
    # activations
    "gelu": lambda: call(tg.gelu, leaf(3), approximate="none"),
    "elu": lambda: call(tg.elu, leaf(3), alpha=1.0),
    "celu": lambda: call(tg.celu, leaf(3), alpha=1.0),
    "leaky_relu": lambda: call(tg.leaky_relu, leaf(3), slope=0.01),
    "hard_sigmoid": lambda: call(tg.hard_sigmoid, leaf(3), alpha=0.2, beta=0.5),
    "hard_tanh": lambda: call(tg.hard_tanh, leaf(3), low=-1.0, high=1.0),
    # entries in other places
    "repeat": lambda: call(tg.repeat, leaf(2, 3), 2, axis=0),
    "tile": lambda: call(tg.tile, leaf(2, 3), (2, 1)),
    **{
        f"pad: {mode}": lambda mode=mode: call(
            tg.pad, leaf(2, 3), ((1, 0), (2, 1)), mode, constant_values=1.0, end_values=(0.5, 2),
            stat_length=2, reflect_type="even",
        )
        for mode in ("constant", "linear_ramp", "median", "reflect")
    },
    "flip": lambda: call(tg.flip, leaf(2, 3), axis=0),
    "fliplr": lambda: call(tg.fliplr, leaf(2, 3)),
    "flipud": lambda: call(tg.flipud, leaf(2, 3)),
    "roll": lambda: call(tg.roll, leaf(2, 3), 1, axis=0),
    "rot90": lambda: call(tg.rot90, leaf(2, 3), k=1, axes=(0, 1)),
    "rollaxis": lambda: call(tg.rollaxis, leaf(2, 3), 1, start=0),
    "sort": lambda: call(tg.sort, leaf(2, 3), axis=0, kind=None, stable=None),
    "partition": lambda: call(tg.partition, leaf(2, 3), 1, axis=0),
    "take_along_axis": lambda: call(
        tg.take_along_axis, leaf(2, 3), np.zeros((1, 3), int), axis=0
    ),
    "take": lambda: call(tg.take, leaf(2, 3), [0, 1], axis=0, mode="raise"),
    "delete": lambda: call(tg.delete, leaf(2, 3), 1, axis=0),
    "median": lambda: call(tg.median, leaf(2, 3), axis=0, keepdims=False),
    "array_split": lambda: call(tg.array_split, leaf(4, 3), 3, axis=0),
    # products and diagonals
    "einsum": lambda: call(tg.einsum, "ij,jk->ik", leaf(2, 3), leaf(3, 2), optimize=False),
    "einsum of lists": lambda: call(tg.einsum, leaf(2, 3), [0, 1], [1], optimize=False),
    "tensordot": lambda: call(tg.tensordot, leaf(2, 3), leaf(3, 2), axes=1),
    "inner": lambda: call(tg.inner, leaf(2, 3), leaf(2, 3)),
    "vecdot": lambda: call(tg.vecdot, leaf(2, 3), leaf(2, 3), axis=-1),
    "vdot": lambda: call(tg.vdot, leaf(2, 3), leaf(2, 3)),
    "kron": lambda: call(tg.kron, leaf(2, 3), leaf(2)),
    "cross": lambda: call(
        tg.cross, leaf(2, 3), leaf(2, 3), axisa=-1, axisb=-1, axisc=-1, axis=None
    ),
    "diagonal": lambda: call(tg.diagonal, leaf(2, 3), offset=0, axis1=0, axis2=1),
    "diag": lambda: call(tg.diag, leaf(2, 3), k=1),
    "diagflat": lambda: call(tg.diagflat, leaf(3), k=1),
    "trace": lambda: call(tg.trace, leaf(2, 3), offset=0, axis1=0, axis2=1),
    "tril": lambda: call(tg.tril, leaf(2, 3), k=0),
    "triu": lambda: call(tg.triu, leaf(2, 3), k=0),
    # elementary functions
    "nan_to_num": lambda: call(
        tg.nan_to_num, leaf(3), copy=True, nan=0.0, posinf=None, neginf=None
    ),
    "logaddexp2": lambda: call(tg.logaddexp2, leaf(3), leaf(3)),
    "round": lambda: call(tg.round, leaf(3), decimals=1),
    "floor_divide": lambda: call(tg.floor_divide, leaf(3), leaf(3)),
    **{
        name: lambda name=name: call(getattr(tg, name), leaf(3))
        for name in ("silu", "mish", "selu", "relu6", "hard_swish", "log_sigmoid", "softsign",
                     "reciprocal", "sinc", "degrees", "radians", "ceil", "trunc")
    },
    # joins
    "array": lambda: call(tg.array, [leaf(3), leaf(3)], dtype=float),
    **{
        name: lambda name=name: call(getattr(tg, name), leaf(3), leaf(2))
        for name in ("atleast_1d", "atleast_2d", "atleast_3d")
    },
    "vstack": lambda: call(tg.vstack, [leaf(3), leaf(3)], dtype=float, casting="same_kind"),
    "hstack": lambda: call(tg.hstack, [leaf(3), leaf(3)], dtype=float, casting="same_kind"),
    "dstack": lambda: call(tg.dstack, [leaf(3), leaf(3)]),
    "column_stack": lambda: call(tg.column_stack, [leaf(3), leaf(3)]),
    "append": lambda: call(tg.append, leaf(2, 3), leaf(1, 3), axis=0),
    "select": lambda: call(
        tg.select, [np.array([True, False, True])], [leaf(3)], default=0.0
    ),
    "full": lambda: call(tg.full, (2, 3), 1.0, dtype=float),
    "full_like": lambda: call(
        tg.full_like, leaf(3), 1.0, dtype=float, order=None, subok=True, shape=(2, 3)
    ),
    "linspace": lambda: call(
        tg.linspace, leaf(3), 2.0, num=4, endpoint=True, retstep=False, axis=0
    ),
    "broadcast_arrays": lambda: call(tg.broadcast_arrays, leaf(2, 3), leaf(3)),
    # norms and scans
    "vector_norm": lambda: call(tg.vector_norm, leaf(2, 3), axis=0, keepdims=False, ord=2),
    "matrix_norm": lambda: call(tg.matrix_norm, leaf(2, 3), keepdims=False, ord="fro"),
    "cumprod": lambda: call(tg.cumprod, leaf(2, 3), axis=0),
    "diff": lambda: call(tg.diff, leaf(2, 3), n=1, axis=0, prepend=None, append=None),
    "gradient": lambda: call(tg.gradient, leaf(4, 3), 1.0, axis=0, edge_order=1),
    "trapezoid": lambda: call(tg.trapezoid, leaf(2, 3), x=None, dx=1.0, axis=0),
    # derivatives
    "grad": lambda: call(
        tg.grad, *next((x * x, x, np.ones(3)) for x in [leaf(3)]),
        create_graph=False, allow_unused=False,
    ),
    "jvp": lambda: call(tg.jvp, tg.tanh, np.ones(3), np.ones(3)),
    "vjp": lambda: call(tg.vjp, tg.tanh, np.ones(3), np.ones(3), create_graph=False),
    "jacobian": lambda: call(tg.jacobian, tg.tanh, np.ones(3), create_graph=False),
    "hessian": lambda: call(tg.hessian, tg.sum, np.ones(3), create_graph=False),
    "hvp": lambda: call(tg.hvp, tg.sum, np.ones(3), np.ones(3)),
    "gnvp": lambda: call(tg.gnvp, tg.tanh, np.ones(3), np.ones(3), loss=tg.sum),
    # matrices and spectra
    "linalg.solve": lambda: call(tg.linalg.solve, regular(), leaf(3)),
    "linalg.inv": lambda: call(tg.linalg.inv, regular()),
    "linalg.pinv": lambda: call(tg.linalg.pinv, leaf(3, 2), rcond=1e-15, hermitian=False),
    "linalg.lstsq": lambda: call(tg.linalg.lstsq, leaf(3, 2), leaf(3), rcond=1e-15),
    "linalg.matrix_power": lambda: call(tg.linalg.matrix_power, regular(), 3),
    "linalg.det": lambda: call(tg.linalg.det, regular()),
    "linalg.slogdet": lambda: call(tg.linalg.slogdet, regular()),
    "linalg.cholesky": lambda: call(tg.linalg.cholesky, regular(), upper=False),
    "linalg.eigh": lambda: call(tg.linalg.eigh, regular(), UPLO="L"),
    "linalg.eigvalsh": lambda: call(tg.linalg.eigvalsh, regular(), UPLO="L"),
    "linalg.svd": lambda: call(
        tg.linalg.svd, regular(), full_matrices=False, compute_uv=True, hermitian=False
    ),
    "linalg.svdvals": lambda: call(tg.linalg.svdvals, regular()),
    "fft.fft": lambda: call(tg.fft.fft, leaf(4), n=4, axis=0, norm="ortho"),
    "fft.ifft": lambda: call(tg.fft.ifft, leaf(4), n=4, axis=0, norm="ortho"),
    "fft.rfft": lambda: call(tg.fft.rfft, leaf(4), n=4, axis=0, norm="ortho"),
    "fft.irfft": lambda: call(tg.fft.irfft, leaf(4), n=4, axis=0, norm="ortho"),
    **{
        f"fft.{name}": lambda name=name: call(
            getattr(tg.fft, name), leaf(4, 3), s=(4, 2), axes=(0, 1), norm="ortho"
        )
        for name in ("fft2", "ifft2", "rfft2", "irfft2", "fftn", "ifftn", "rfftn", "irfftn")
    },
    "fft.fftshift": lambda: call(tg.fft.fftshift, leaf(4), axes=0),
    "fft.ifftshift": lambda: call(tg.fft.ifftshift, leaf(4), axes=0),
    "gradcheck": lambda: call(
        tg.gradcheck, tg.tanh, np.full(3, 0.5), order=1, jacobian="auto", seed=0, float32=False,
        rtol=1e-6, atol=0.0,
    ),
    # places
    "scope": lambda: call(lambda name: tg.scope(name).__enter__(), "name"),
    "steps": lambda: call(lambda times: next(tg.steps(times), None), 3),
    "no_grad": lambda: call(tg.no_grad),
    "no_grad as a decorator": lambda: call(tg.no_grad(), lambda: 1),
    "enable_grad": lambda: call(tg.enable_grad),
    "scope as a decorator": lambda: call(tg.scope("name"), lambda: 1),
    # graphs
    "graph": lambda: call(tg.graph, loss_of_steps()),
    "Graph.evaluate": lambda: call(
        tg.graph(loss_of_steps()).evaluate, {"w": np.ones((2, 2))}, everything=False
    ),
    "Graph.unroll": lambda: call(tg.graph(loss_of_steps()).fold().unroll, 2),
    "draw": lambda: call(
        tg.draw, loss_of_steps(), None, view="forward", style="wan", fold=None, every_step=False,
        values=0, heat=False, depth=1, level="tensor", highlight=("w",), title="", legend=True,
        digits=3, entries=3, open=(),
    ),
    "draw of scalars": lambda: call(
        tg.draw, loss_of_row(), None, view="both", fold=None, values=None, heat=True,
        level="scalar", highlight="dense.W", title="t", legend=False,
    ),
    "show": lambda: call(tg.show, loss_of_row(), None, answers=True, title="t"),
    "signals": lambda: call(tg.signals, loss_of_steps()),
    "ledger": lambda: call(tg.ledger, loss_of_steps(), "w", by="step"),
    "cull": lambda: call(
        tg.cull, NET, by="obd", share=0.0, loss=lambda: loss_of_net(NET), what="weights",
        biases=False, damping=0.1, trials=2,
    ),
    "Tensor.mask": lambda: call(lambda mask: setattr(leaf(3), "mask", mask), np.ones(3)),
    "watch": lambda: call(tg.watch, dense(), every=2, closer=2, frames=2),
    "Watch.step": lambda: call(tg.watch(dense()).step, loss_of_row()),
    "Watch.deltas": lambda: call(watch_of_one().deltas, "lstm.out"),
    "Watch.save": lambda: call(watch_of_one().save, "seen.npz"),
    "Watch.plot": lambda: call(watch_of_one().plot, "page.png"),
    "Watch.animate": lambda: call(watch_of_one().animate, "training.html", seconds=1.0),
    "Ledger.draw": lambda: call(tg.ledger(loss_of_steps(), "w").draw, "map.png"),
    "explain": lambda: call(tg.explain, loss_of_steps(), "w", style="stages", fold=None),
    "compile": lambda: call(
        tg.compile, lambda x: tg.sum(x), strict=False, checkpoint=False
    ),
    "derive": lambda: call(tg.derive, loss_of_steps(), fold=None),
    "derive: its text": lambda: call(tg.derive(loss_of_steps()).text, values=0),
    "derive: a part of it": lambda: call(tg.derive(loss_of_steps()).leading_to, "w"),
    # comparison
    "adequacy": lambda: call(tg.adequacy, leaf(2, 2).sum(), seconds=1.0),
    "compare": lambda: call(
        tg.compare, loss_of_steps(), {"w": np.ones((2, 2))}, rtol=1e-6, digits=3
    ),
    "audit": lambda: call(
        tg.audit, loss_of_steps(), {"w": np.ones((2, 2))}, source=None, rtol=1e-6, digits=3,
        seconds=0.1,
    ),
    "compare: a gradient": lambda: call(
        lambda gradient: tg.compare(loss_of_steps(), {"w": gradient}), np.ones((2, 2))
    ),
    "compare: a name": lambda: call(
        lambda name: tg.compare(loss_of_steps(), [(name, np.ones((2, 2)))]), "w"
    ),
    "Audit.as_dict": lambda: call(audit().as_dict, answers=True),
    "Audit.text": lambda: call(audit().text, answers=True),
    "Report.as_dict": lambda: call(report().as_dict, answers=True),
    "Report.text": lambda: call(report().text, answers=True),
    "Report.given_name": lambda: call(report().given_name, "w"),
    "Report.diagnose": lambda: call(report().diagnose, seconds=0.1, watch=iter),
    # functions of networks
    "convolution": lambda: call(
        tg.convolution, leaf(2, 2, 5), leaf(3, 2, 2), stride=1, padding=1, dilation=1, groups=1
    ),
    "transposed_convolution": lambda: call(
        tg.transposed_convolution, leaf(2, 2, 3), leaf(2, 1, 2), stride=2, padding=0, dilation=1,
        groups=1, output_padding=1,
    ),
    "conv1d": lambda: call(
        tg.conv1d, leaf(2, 2, 5), leaf(4, 1, 2), leaf(4), stride=1, padding="same", dilation=1,
        groups=2,
    ),
    "conv2d": lambda: call(
        tg.conv2d, leaf(2, 4, 5), leaf(3, 2, 2, 2), leaf(3), stride=1, padding=((1, 0), (0, 1)),
        dilation=1, groups=1,
    ),
    "max_pool": lambda: call(
        tg.max_pool, leaf(2, 2, 5), 2, stride=1, padding=1, dilation=1, ceil=True
    ),
    "average_pool": lambda: call(
        tg.average_pool, leaf(2, 2, 5), 2, stride=1, padding=1, dilation=1, ceil=True,
        count_padding=True,
    ),
    "layer_norm": lambda: call(
        tg.layer_norm, leaf(2, 3), leaf(3), leaf(3), axis=-1, eps=1e-5
    ),
    "rms_norm": lambda: call(tg.rms_norm, leaf(2, 3), leaf(3), axis=-1, eps=1e-5),
    "group_norm": lambda: call(
        tg.group_norm, leaf(2, 4, 3), 2, leaf(4), leaf(4), eps=1e-5
    ),
    "batch_norm": lambda: call(
        tg.batch_norm, leaf(2, 3), leaf(3), leaf(3), leaf(3), leaf(3), axis=1, eps=1e-5
    ),
    "attention": lambda: call(
        tg.attention, leaf(3, 2), leaf(4, 2), leaf(4, 2), mask=np.ones((3, 4), bool), causal=True
    ),
    "embedding": lambda: call(tg.embedding, leaf(4, 3), [1, 2]),
    "one_hot": lambda: call(tg.one_hot, [1, 2], 4, dtype=float),
    "dropout": lambda: call(tg.dropout, leaf(3), 0.5, seed=0),
    # layers
    "Dense": lambda: call(
        nn.Dense, 2, 3, activation="tanh", bias=True, name="d", dtype=float, seed=0
    ),
    "Dropout": lambda: call(nn.Dropout, 0.5, name="d", seed=0),
    "Sequential": lambda: call(nn.Sequential, dense(), tg.tanh, name="net"),
    "LSTM": lambda: call(
        nn.LSTM, 2, 3, num_layers=1, peephole=False, proj_size=0, forget_bias=1.0,
        activation="tanh", **RECURRENT,
    ),
    "GRU": lambda: call(
        nn.GRU, 2, 3, num_layers=1, reset_after=True, activation="tanh", **RECURRENT
    ),
    "RNN": lambda: call(nn.RNN, 2, 3, num_layers=1, activation="tanh", **RECURRENT),
    "MemoryBlocks": lambda: call(
        nn.MemoryBlocks, 2, 2, 2, num_layers=1, peephole=False, forget_bias=1.0,
        activation=("4σ-2", "2σ-1"), **RECURRENT,
    ),
    "Recurrent": lambda: call(nn.Recurrent, LSTMEquations(3), 2, num_layers=1, **RECURRENT),
    "Equations": lambda: call(nn.Equations, gates={"f": 3, "h": 3}, sizes=(3,)),
    "Cell": lambda: call(nn.Cell, LSTMEquations(3), 2, bias=True, name="c", dtype=float, seed=0),
    "LSTMCell": lambda: call(
        nn.LSTMCell, 2, 3, peephole=False, proj_size=0, forget_bias=1.0, activation="tanh",
        bias=True,
        name="c", dtype=float, seed=0,
    ),
    "GRUCell": lambda: call(
        nn.GRUCell, 2, 3, reset_after=True, activation="tanh", bias=True, name="c", dtype=float,
        seed=0,
    ),
    "RNNCell": lambda: call(
        nn.RNNCell, 2, 3, activation="tanh", bias=True, name="c", dtype=float, seed=0
    ),
    "Conv1d": lambda: call(
        nn.Conv1d, 2, 4, 3, stride=1, padding=1, dilation=1, groups=2, activation="tanh",
        bias=True, name="c", dtype=float, seed=0,
    ),
    "Conv2d": lambda: call(
        nn.Conv2d, 2, 4, (3, 2), stride=(1, 2), padding=((1, 1), (0, 1)), dilation=1, groups=2,
        activation="tanh", bias=True, name="c", dtype=float, seed=0,
    ),
    "MaxPool": lambda: call(
        nn.MaxPool, 2, 1, dilation=1, padding=1, ceil=True, axes=1, name="m"
    ),
    "AveragePool": lambda: call(
        nn.AveragePool, 2, 1, count_padding=True, padding=1, ceil=True, axes=1, name="m"
    ),
    "LayerNorm": lambda: call(
        nn.LayerNorm, (2, 3), eps=1e-5, scale=True, bias=True, name="n", dtype=float
    ),
    "GroupNorm": lambda: call(
        nn.GroupNorm, 2, 4, eps=1e-5, scale=True, bias=True, name="n", dtype=float
    ),
    "RMSNorm": lambda: call(nn.RMSNorm, 4, eps=1e-5, scale=True, name="n", dtype=float),
    "Flatten": lambda: call(nn.Flatten, start=1, name="f"),
    "GroupNorm.forward": lambda: call(nn.GroupNorm(2, 2), X),
    "RMSNorm.forward": lambda: call(nn.RMSNorm(2), X),
    "Flatten.forward": lambda: call(nn.Flatten(), X),
    "BatchNorm": lambda: call(
        nn.BatchNorm, 2, eps=1e-5, momentum=0.1, axis=1, scale=True, bias=True, name="n",
        dtype=float,
    ),
    "Embedding": lambda: call(
        nn.Embedding, 4, 3, padding=1, name="e", dtype=float, seed=0
    ),
    "Attention": lambda: call(
        nn.Attention, 4, 2, head_size=2, key_size=3, value_size=5, causal=True, dropout=0.1,
        batch_first=True, bias=True, name="a", dtype=float, seed=0,
    ),
    "Conv1d.forward": lambda: call(nn.Conv1d(2, 3, 2, seed=0), np.ones((4, 2, 5))),
    "Conv2d.forward": lambda: call(nn.Conv2d(2, 3, 2, seed=0), np.ones((2, 4, 5))),
    "MaxPool.forward": lambda: call(nn.MaxPool(2), np.ones((2, 3, 4))),
    "AveragePool.forward": lambda: call(nn.AveragePool(2), np.ones((2, 3, 4))),
    "LayerNorm.forward": lambda: call(nn.LayerNorm(2), X),
    "BatchNorm.forward": lambda: call(nn.BatchNorm(2), X),
    "Embedding.forward": lambda: call(nn.Embedding(4, 3, seed=0), [[1, 2], [3, 0]]),
    "Attention.forward": lambda: call(
        nn.Attention(2, seed=0), X[:, None], X[:3, None], X[:3, None], mask=np.ones((4, 3), bool),
        lengths=[2],
    ),
    "Module": lambda: call(nn.Module, name="m"),
    "Module.load_state_dict": lambda: call(dense().load_state_dict, dense().state_dict()),
    "Module.load_state_dict: an array": lambda: call(
        lambda W: dense().load_state_dict({"W": W, "b": np.ones(3)}), np.ones((2, 3))
    ),
    "Module.named_parameters": lambda: call(
        lambda prefix: list(dense().named_parameters(prefix)), "p."
    ),
    "Module.named_buffers": lambda: call(
        lambda prefix: list(nn.BatchNorm(2).named_buffers(prefix)), "p."
    ),
    "Module.train": lambda: call(dense().train, mode=True),
    "Dense.forward": lambda: call(dense(), X),
    "Dropout.forward": lambda: call(nn.Dropout(0.5, seed=0), X),
    "Sequential.forward": lambda: call(nn.Sequential(dense()), X),
    "LSTM.forward": lambda: call(
        lstm(), X[:, None], state=(np.zeros((1, 3)), np.zeros((1, 3))), lengths=[3]
    ),
    "LSTM of two layers.forward": lambda: call(
        lstm(num_layers=2), X, state=(np.zeros((2, 3)), np.zeros((2, 3)))
    ),
    "LSTM.forward: half a state": lambda: call(
        lambda out: lstm()(X, (out, np.zeros(3))), np.zeros(3)
    ),
    "LSTMCell.forward": lambda: call(
        nn.LSTMCell(2, 3, seed=0), X[0], state=(np.zeros(3), np.zeros(3))
    ),
    "GRUCell.forward": lambda: call(nn.GRUCell(2, 3, seed=0), X[0], state=np.zeros(3)),
    # losses
    **{
        name: lambda name=name: call(
            getattr(nn, name), leaf(3, 2), np.ones((3, 2)),
            reduction="mean", weight=np.ones(2), mask=np.ones((3, 2), bool), lengths=[2, 3],
            batch_first=False,
        )
        for name in (
            "squared_error", "mean_squared_error", "euclidean_norm", "binary_cross_entropy",
            "binary_cross_entropy_with_logits",
        )
    },
    "softmax_cross_entropy": lambda: call(
        nn.softmax_cross_entropy, leaf(2, 3, 4), np.zeros((2, 3), int), reduction="none",
        weight=np.ones(4), ignore_index=1, mask=True, lengths=[1, 2, 1], batch_first=False,
    ),
    # initial values
    "init.generator": lambda: call(nn.init.generator, 0),
    "init.glorot": lambda: call(nn.init.glorot, (2, 3), seed=0, dtype=float),
    "init.normal": lambda: call(nn.init.normal, (2, 3), 0.1, seed=0, dtype=float),
    "init.uniform": lambda: call(nn.init.uniform, (2, 3), 0.1, seed=0, dtype=float),
    "init.orthogonal": lambda: call(nn.init.orthogonal, (2, 3), seed=0, dtype=float),
    # updates
    "SGD": lambda: call(
        optim.SGD, [leaf(3)], 0.1, momentum=0.5, dampening=0.0, weight_decay=0.1, nesterov=True
    ),
    **{
        name: lambda kind=kind: call(
            kind, [leaf(3)], lr=0.1, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.1, amsgrad=True
        )
        for name, kind in (("Adam", optim.Adam), ("AdamW", optim.AdamW))
    },
    "RMSprop": lambda: call(
        optim.RMSprop, [leaf(3)], lr=0.1, alpha=0.9, eps=1e-8, weight_decay=0.1, momentum=0.5,
        centered=True,
    ),
    "Rprop": lambda: call(optim.Rprop, [leaf(3)], lr=0.1, etas=(0.5, 1.2), step_sizes=(0.1, 1.0)),
    "Optimizer": lambda: call(optim.Optimizer, [leaf(3)], lr=0.1),
    "Optimizer.add_param_group": lambda: call(
        optimizer(optim.Adam).add_param_group, {"params": [leaf(3)], "lr": 0.1}
    ),
    "Optimizer.load_state_dict": lambda: call(
        optimizer(optim.Adam).load_state_dict, optimizer(optim.Adam).state_dict()
    ),
    "EMA": lambda: call(optim.EMA, [leaf(3)], decay=0.9),
    "EMA.load_state_dict": lambda: call(
        optim.EMA([leaf(3)]).load_state_dict, {"decay": 0.9, "averages": {0: np.ones(3)}}
    ),
    "LRScheduler": lambda: call(ConstantLR, optimizer(optim.Adam)),
    "LRScheduler.load_state_dict": lambda: call(
        optim.StepLR(optimizer(optim.Adam), 1).load_state_dict,
        optim.StepLR(optimizer(optim.Adam), 1).state_dict(),
    ),
    "LambdaLR": lambda: call(optim.LambdaLR, optimizer(optim.Adam), lambda k: 0.5**k),
    "StepLR": lambda: call(optim.StepLR, optimizer(optim.Adam), 3, gamma=0.1),
    "CosineAnnealingLR": lambda: call(
        optim.CosineAnnealingLR, optimizer(optim.Adam), 30, eta_min=0.001
    ),
    "LinearLR": lambda: call(
        optim.LinearLR, optimizer(optim.Adam), start_factor=0.1, end_factor=1.0, total_iters=3
    ),
    "OneCycleLR": lambda: call(
        optim.OneCycleLR, optimizer(optim.Adam), 0.1, 30, pct_start=0.3, anneal_strategy="cos",
        cycle_momentum=True, base_momentum=0.8, max_momentum=0.9, div_factor=25.0,
        final_div_factor=100.0,
    ),
    "SequentialLR": lambda: call(optim.SequentialLR, *sequence()),
    "ReduceLROnPlateau": lambda: call(
        optim.ReduceLROnPlateau, optimizer(optim.Adam), mode="min", factor=0.1, patience=3,
        threshold=1e-4, threshold_mode="rel", cooldown=0, min_lr=0.0, eps=1e-8,
    ),
    "ReduceLROnPlateau.step": lambda: call(
        optim.ReduceLROnPlateau(optimizer(optim.Adam)).step, 1.0
    ),
    "ReduceLROnPlateau.load_state_dict": lambda: call(
        optim.ReduceLROnPlateau(optimizer(optim.Adam)).load_state_dict,
        optim.ReduceLROnPlateau(optimizer(optim.Adam)).state_dict(),
    ),
    "minimize": lambda: call(
        optim.minimize, lambda: tg.sum(THREE * THREE), [THREE], method="L-BFGS-B", tol=1e-6,
        options={"maxiter": 2}, callback=abs,
    ),
    "DEKF": lambda: call(
        optim.DEKF, [leaf(3)], lr=0.1, measurement_noise=1.0, process_noise=0.1, covariance=10.0
    ),
    "DEKF.start": lambda: call(lambda state: optim.DEKF([leaf(3)]).start(state), np.ones(2)),
    "DEKF.step": lambda: call(optim.DEKF([THREE]).step, THREE * 2.0, np.ones(3), ()),
    "DEKF.load_state_dict": lambda: call(
        optim.DEKF([leaf(3)]).load_state_dict, {"covariances": [np.eye(3)]}
    ),
    "HessianFree": lambda: call(
        optim.HessianFree, [leaf(3)], damping=0.1, structural=0.1, iterations=3
    ),
    "HessianFree.step": lambda: call(
        optim.HessianFree([THREE]).step, lambda: THREE * THREE, lambda y: tg.sum(y * y)
    ),
    "HessianFree.load_state_dict": lambda: call(
        optim.HessianFree([leaf(3)]).load_state_dict, {"damping": 0.1, "direction": np.ones(3)}
    ),
    "clip_grad_norm_": lambda: call(optim.clip_grad_norm_, [leaf(3)], 1.0, norm_type=2.0),
    "clip_grad_value_": lambda: call(optim.clip_grad_value_, [leaf(3)], 1.0),
    # elsewhere
    "interop.save": lambda: call(interop.save, dense(), "weights.npz", layout="ours"),
    "interop.load": lambda: call(
        interop.load, dense(), str(interop.save(dense(), "w.npz")), layout="ours", prefix=None
    ),
    "interop.stacked": lambda: call(
        interop.stacked, nn.LSTM(2, 3), gates="fico", order="hx", columns=True, apart=False
    ),
    "interop.Stacked": lambda: call(
        interop.Stacked, gates="fico", order="hx", columns=True, apart=False, name="stacked"
    ),
    "interop.register": lambda: call(interop.register, interop.torch),
    "interop.load_onnx": lambda: call(interop.load_onnx, "none.onnx", name="net"),
    "interop.save_onnx": lambda: call(
        interop.save_onnx, dense(), "net.onnx", states=False, lengths=False
    ),
    "interop.onnx_model": lambda: call(interop.onnx_model, dense(), states=False, lengths=False),
    "interop.tmva.network": lambda: call(
        interop.tmva.network, "RNN|3|2|4,RESHAPE|FLAT,LINEAR", outputs=1, inputs=None, name="net",
        dtype=float, seed=0,
    ),
    "interop.OnnxNetwork": lambda: call(interop.OnnxNetwork, None, name="net"),
}  # fmt: skip
CALLS |= {
    "tasks.adding": lambda: call(tasks.adding, T=20),
    "tasks.temporal_order": lambda: call(tasks.temporal_order, T=20),
    "tasks.copy": lambda: call(tasks.copy, length=2, lag=3),
    "tasks.reber": lambda: call(tasks.reber, count=4),
    "tasks.continual_reber": lambda: call(tasks.continual_reber, window=20, test=50),
    "tasks.anbn": lambda: call(tasks.anbn, n=2, test=3),
    "tasks.anbncn": lambda: call(tasks.anbncn, n=2, test=3),
    "tasks.mackey_glass": lambda: call(tasks.mackey_glass, most=0.02),
    "tasks.sunspots": lambda: call(tasks.sunspots, window=3, most=0.1),
    "tasks.digits": lambda: call(tasks.digits, least=0.9),
    "tasks.characters": lambda: call(tasks.characters, "ab" * 500, window=3),
    "tasks.NoForgetGate": lambda: call(tasks.NoForgetGate, 2),
    "tasks.Task": lambda: call(
        tasks.Task, name="n", source="s", criterion="c", input_size=1, output_size=1, kind="bits",
        draw_from=wrong_call, judge_with=wrong_call,
    ),
    "tasks.Task.draw": lambda: call(tasks.adding(20).draw, count=2, seed=0),
    "tasks.Task.judge": lambda: call(tasks.anbn().judge, never_right, seed=0),
    "tasks.Task.loss": lambda: call(
        tasks.anbn().loss, leaf(2, 3, 1), np.ones((2, 3, 1)), np.ones((2, 3, 1))
    ),
}  # fmt: skip


CALLS["train.fit"] = lambda: call(
    train.fit, net := dense(), [(np.ones(2), np.zeros(3))] * 3,
    lambda x, target: nn.squared_error(net(x), target), tg.optim.SGD(net.parameters(), 0.1),
    epochs=1, batch=2, validation=[(np.ones(2), np.zeros(3))], patience=1, schedule=None, clip=1.0,
    seed=0, folder="fit", resume=False, save_every=1.0, progress=False,
)  # fmt: skip
CALLS["parallel.average"] = lambda: call(tg.parallel.average, [leaf(3)], weight=1.0)
CALLS["train.restore"] = lambda: call(
    lambda path, model, update, schedule: train.restore(path, model, update, schedule),
    *written(dense()), None,
)  # fmt: skip


def written(net):
    """Return the path of a checkpoint, its model and its update."""
    update = tg.optim.SGD(net.parameters(), 0.1)
    train.fit(net, [np.ones(2)], lambda x: tg.sum(net(x)), update, epochs=1, folder="written")
    return "written/last.npz", net, update


def never_right(x, state=None):
    return 0 * x, state


for _name, _framework in interop.frameworks.items():

    def _pulled(name=_name):
        return pulled(dense(), X) if name != "onnx" else pulled(lstm(), X)

    CALLS |= {
        f"interop.{_name}.weights": lambda f=_framework, m=_pulled: call(f.weights, m()),
        f"interop.{_name}.gradients": lambda f=_framework, m=_pulled: call(f.gradients, m()),
        f"interop.{_name}.load": lambda f=_framework, m=_pulled: call(
            f.load, m(), f.weights(m()), prefix=None
        ),
        f"interop.{_name}.read_gradients": lambda f=_framework, m=_pulled: call(
            f.read_gradients, m(), f.gradients(m()), prefix=None
        ),
    }  # fmt: skip


def of_primitive(primitive: Primitive) -> Call:
    """Return a valid call of a table entry, at its first sample."""

    def valid():
        xs, parameters = primitive.samples()[0]
        operands = tuple(tg.Tensor(x, requires_grad=True) if x.dtype.kind == "f" else x for x in xs)
        defaults = inspect.signature(primitive.forward).parameters if primitive.parameters else {}
        known = {
            name: each.default for name, each in defaults.items()
            if each.kind is each.KEYWORD_ONLY and each.default is not each.empty
        }  # fmt: skip
        if primitive.arity is None:
            return primitive, (list(operands),), {**known, **parameters}
        return primitive, operands, {**known, **parameters}

    return valid


for _name, _entry in tg.TABLE.items():
    CALLS[f"TABLE[{_name!r}]"] = of_primitive(_entry)
    CALLS[f"TABLE[{_name!r}] on arrays"] = lambda entry=_entry: (
        entry,
        tuple(entry.samples()[0][0]) if entry.arity else (list(entry.samples()[0][0]),),
        entry.samples()[0][1],
    )


@contextmanager
def limited(seconds: int) -> Iterator[None]:
    """Raise an error in a call that does not end, or that waits, however busy the machine is."""

    def late(*_: Any) -> None:
        raise AssertionError(f"no end after {seconds} s of work, or {WAIT * seconds} s")

    before = {number: signal.signal(number, late) for number in (signal.SIGPROF, signal.SIGALRM)}
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.alarm(WAIT * seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.alarm(0)
        for number, handler in before.items():
            signal.signal(number, handler)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    yield
    tg.engine.place.here.set(tg.engine.place.ROOT)


def replaced(name: str) -> Iterator[tuple[str, str, Callable[[], Any]]]:
    """Yield each parameter and each value of the zoo, with the call that has one for the other."""
    _, args, options = CALLS[name]()
    for where in [*range(len(args)), *options]:
        for what, make in ZOO.items():

            def attempt(where=where, make=make):
                function, args, options = CALLS[name]()
                given = list(args)
                if isinstance(where, int):
                    given[where] = make()
                else:
                    options = {**options, where: make()}
                return function(*given, **options)

            yield str(where), what, attempt


@pytest.mark.filterwarnings("ignore:binary_cross_entropy takes probabilities")
@pytest.mark.parametrize("name", CALLS)
def test_valid_call_is_accepted(name):
    if name.startswith("interop") and "onnx" in name.lower():
        peer("onnx")
    if name == "tasks.digits":
        peer("sklearn")
    function, args, options = CALLS[name]()
    if name in REFUSING:
        with pytest.raises(REFUSING[name]):
            function(*args, **options)
    else:
        function(*args, **options)


# what cannot be called validly: there is no such file; nobody but the reader makes it
REFUSING = {"interop.load_onnx": OSError, "interop.OnnxNetwork": TinygradError}


@pytest.mark.parametrize("name", CALLS)
def test_wrong_values_get_the_packages_own_errors(name):
    problems = []
    for where, what, attempt in replaced(name):
        try:
            with limited(SECONDS), warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                attempt()
        except OSError:  # a file that cannot be opened, as its docstring says
            if not name.startswith(("interop.load", "train.restore")):
                problems.append(f"{where} = {what}: OSError")
        except TinygradError as error:
            if not str(error):
                problems.append(f"{where} = {what}: the message is empty")
        except BaseException as error:
            problems.append(f"{where} = {what}: {type(error).__name__}: {str(error)[:80]}")
        finally:
            tg.engine.place.here.set(tg.engine.place.ROOT)
    assert problems == []


# --- the command line ---------------------------------------------------------------------------

NETWORK = """
import numpy as np, tinygrad_lstm as tg
x = tg.Tensor(np.ones((3, 2)), requires_grad=True, name="x")
loss = tg.sum(tg.tanh(x) * x)
"""
COMMANDS = {
    "check": ["check", "net.py", "--hand", "hand.npz", "--of", "loss", "--digits", "3",
              "--rtol", "1e-6", "--seconds", "0.1"],
    "audit": ["audit", "net.py", "--hand", "hand.npz", "--of", "loss", "--digits", "3",
              "--rtol", "1e-6", "--seconds", "0.1"],
    "grade": ["grade", "net.py", "subs", "--out", "graded", "--of", "loss", "--rubric",
              "rubric.toml", "--jobs", "1", "--seconds", "0.1", "--program-seconds", "1",
              "--memory", "500", "--digits", "3", "--rtol", "1e-6"],
    "draw": ["draw", "net.py", "--out", "net.dot", "--of", "loss", "--view", "both", "--style",
             "wan", "--level", "tensor", "--values", "0", "--depth", "1", "--highlight", "x",
             "--title", "t"],
    "explain": ["explain", "net.py", "--wrt", "x", "--of", "loss"],
    "show": ["show", "net.py", "--out", "net.html", "--hand", "hand.npz", "--of", "loss",
             "--title", "t"],
    "train": ["train", "data.csv", "--target", "x", "--out", "run", "--epochs", "1",
              "--window", "2", "--lr", "0.1", "--features", "x"],
    "derive": ["derive", "net.py", "--to", "numpy", "--wrt", "x", "--of", "loss"],
}  # fmt: skip
WORDS = ["", "a", "-1", "1e400", "nan", "0", "10**30", "é", "..", "a\0b", "net.py", "--", "x[9]"]


@pytest.mark.long
@pytest.mark.parametrize("command", COMMANDS)
def test_wrong_words_on_the_command_line_end_in_a_status(command, capsys):
    with open("net.py", "w", encoding="utf-8") as file:
        file.write(NETWORK)
    np.savez("hand.npz", x=np.ones((3, 2)))
    with open("data.csv", "w", encoding="utf-8") as file:
        file.write("x\n" + "".join(f"{n}\n" for n in range(20)))
    with open("rubric.toml", "w", encoding="utf-8") as file:
        file.write("points = 5")
    os.mkdir("subs")
    np.savez("subs/one.npz", x=np.ones((3, 2)))
    words = COMMANDS[command]
    assert main(words) in (0, 1)
    for at in range(1, len(words)):
        for word in WORDS:
            changed = [*words[:at], word, *words[at + 1 :]]
            try:
                with limited(SECONDS), warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    assert type(main(changed)) is int
            except SystemExit as error:  # of the parser, which says how the command is written
                assert error.code == 2
            except Exception as error:
                error.add_note(f"{changed}")
                raise
    assert "Traceback" not in capsys.readouterr().err


# --- the table is whole -------------------------------------------------------------------------


def public() -> Iterator[tuple[str, Any]]:
    """Yield what the package offers to be called, by the name that the table has for it."""
    for prefix, space in (("", tg), ("", nn), ("init.", nn.init), ("", optim),
                          ("interop.", interop), ("", check), ("linalg.", tg.linalg),
                          ("fft.", tg.fft), ("tasks.", tasks), ("train.", train),
                          ("parallel.", tg.parallel)):  # fmt: skip
        for name in dir(space):
            each = getattr(space, name)
            if name.startswith("_") or not callable(each) or is_typeddict(each):
                continue
            home = getattr(each, "__module__", "")
            if home.partition(".")[0] != "tinygrad_lstm":
                continue
            if space in (nn.init, tg.linalg, tg.fft) and home != space.__name__:
                continue  # what the module works with
            yield prefix + name, each


# classes of results; and what changes the library of mistakes, whose own tests try odd values
RESULTS = {
    "Graph", "Symbol", "Adequacy", "Audit", "AuditedMistake", "GradReport", "Report", "Row",
    "Blame", "Mistake", "Change",
    "Kind", "mistake", "forget", "linalg.EighResult", "linalg.SVDResult", "linalg.SlogdetResult",
    "fft.Spectrum", "tasks.Sample", "tasks.Verdict",
    "train.History",
}  # fmt: skip


def test_every_public_function_is_in_the_table():
    known = {name.partition(":")[0] for name in CALLS} | RESULTS
    missing = [
        name
        for name, each in public()
        if name not in known
        and not isinstance(each, Primitive)
        and not (inspect.isclass(each) and issubclass(each, Exception))
        and inspect.signature(each).parameters
    ]
    assert sorted(set(missing) - NOT_PUBLIC) == []


# names that a module imports for itself
NOT_PUBLIC = {"tensor"}


@pytest.mark.parametrize("name", [name for name in CALLS if "TABLE" not in name])
def test_every_parameter_has_a_valid_argument(name):
    function, args, options = CALLS[name]()
    if inspect.isclass(function):
        signature = inspect.signature(function.__init__)
        given = signature.bind(None, *args, **options).arguments
        parameters = list(signature.parameters)[1:]
    else:
        target = (
            type(function).forward.__get__(function)
            if isinstance(function, nn.Module)
            else function
        )
        signature = inspect.signature(target)
        given = signature.bind(*args, **options).arguments
        parameters = list(signature.parameters)
    hidden = {"unknown"}
    assert [each for each in parameters if each not in given and each not in hidden] in (
        [],
        NOT_SAID.get(name, []),
    )


# parameters that exclude the others of the call
NOT_SAID: dict[str, list[str]] = {
    "draw of scalars": ["style", "every_step", "digits", "entries", "depth", "open"],
    "LSTM of two layers.forward": ["lengths"],
    "Optimizer": ["options"],  # of a rule made from it
    "no_grad": ["function"], "enable_grad": ["function"],  # refused whatever it is
}  # fmt: skip
