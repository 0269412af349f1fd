"""Holds every bad input to one clear error: its class, and what its message says."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lstm as tg
from tinygrad_lstm.errors import (
    ArgumentError,
    DetachError,
    DTypeError,
    GradientError,
    ShapeError,
    TinygradError,
    UsageError,
)
from tinygrad_lstm.nn import (
    GRU,
    LSTM,
    RNN,
    Dense,
    Dropout,
    GRUCell,
    LSTMCell,
    MemoryBlocks,
    Recurrent,
    RNNCell,
    Sequential,
)
from tinygrad_lstm.optim import SGD, Adam


def leaf(*shape, name="q_1", dtype=float):
    return tg.Tensor(np.ones(shape), requires_grad=True, name=name, dtype=dtype)


def lstm(**more):
    return LSTM(3, 2, name="cell", seed=1, **more)


def dense(**more):
    return Dense(3, 2, name="head", seed=1, **more)


def zeros(*shape, dtype=float):
    return np.zeros(shape, dtype)


def assign_item(t):
    t[0] = 1.0


def assign_data(t, value):
    t.data = value


def step_with(gradient):
    p = leaf(3, name="p")
    p.grad = gradient
    SGD([p], 0.1).step()


BAD = {
    # gradients
    "backward on many numbers": (
        lambda: (leaf(3) * 2).backward(),
        GradientError, "hadamard | shape (3,) | a gradient of shape (3,) | sum()",
    ),
    "backward with a gradient of another shape": (
        lambda: leaf(3).backward(zeros(2)), ShapeError, "(2,) | q_1 of shape (3,)",
    ),
    "backward with a gradient that would broadcast": (
        lambda: leaf(3).backward(1.0), ShapeError, "shape () | (3,)",
    ),
    "backward with a complex gradient": (
        lambda: leaf(3).backward(zeros(3, dtype=complex)), DTypeError, "gradient | complex128",
    ),
    "backward where nothing requires a gradient": (
        lambda: tg.Tensor(1.0, name="q_1").backward(),
        GradientError, "q_1 depends on no leaf | requires_grad=True",
    ),
    "backward of what no_grad made": (
        lambda: tg.no_grad()(lambda: leaf(3).sum())().backward(), GradientError, "no_grad()",
    ),
    "grad of a constant": (
        lambda: tg.grad(leaf(3).sum(), tg.Tensor(1.0, name="q_1")),
        GradientError, "q_1 does not require a gradient",
    ),
    "grad of an unused input": (
        lambda: tg.grad(leaf(3).sum(), leaf(2, name="q_1")),
        GradientError, "do not depend on q_1 | allow_unused=True",
    ),
    "grad of an array": (
        lambda: tg.grad(zeros(3), leaf(3)), UsageError, "ndarray in outputs | expected Tensors",
    ),
    "grad by an array": (lambda: tg.grad(leaf(3).sum(), zeros(3)), UsageError, "ndarray in inputs"),
    "grad with too few starting gradients": (
        lambda: tg.grad([leaf(), leaf()], leaf(), [1.0]),
        ShapeError, "1 grad_outputs for 2 outputs",
    ),
    "jvp with too few tangents": (
        lambda: tg.jvp(tg.add, (1.0, 2.0), (1.0,)), ShapeError, "1 tangents for 2 primals",
    ),
    "jvp with a tangent of another shape": (
        lambda: tg.jvp(tg.tanh, zeros(3), zeros(2)), ShapeError, "tangent 0 | (2,) | (3,)",
    ),
    "jvp of a function that leaves the tape": (
        lambda: tg.jvp(lambda x: 1.0, 2.0, 1.0), UsageError, "returned float | expected a Tensor",
    ),
    # data
    "integer array": (
        lambda: tg.Tensor(zeros(3, dtype=int), requires_grad=True, name="q_1"),
        DTypeError, "q_1 | int64 | .astype(float)",
    ),
    "complex array": (
        lambda: tg.Tensor(zeros(3, dtype=complex), name="q_1"),
        DTypeError, "q_1 | complex128 | real part",
    ),
    "boolean array": (lambda: tg.Tensor(zeros(3, dtype=bool)), DTypeError, "bool | floating point"),
    "text": (lambda: tg.Tensor("text"), DTypeError, "<U4 | real floating point | give a number"),
    "nothing": (lambda: tg.Tensor(None), DTypeError, "object | floating point | give a number"),
    "ragged list": (
        lambda: tg.Tensor([[1.0], [1.0, 2.0]], name="q_1"), ShapeError, "q_1 | no array of numbers",
    ),
    "Tensor of a list of Tensors": (
        lambda: tg.Tensor([leaf(3), leaf(3)]), DTypeError, "tg.array([…]) | if that is meant",
    ),
    "array of a list of Tensors": (
        lambda: np.array([leaf(3), leaf(3)]), DetachError, "tg.array([…]) | if that is meant",
    ),
    "Tensor of a Tensor": (
        lambda: tg.Tensor(leaf(3), name="q_1"), DetachError, "q_1 | .detach().numpy()",
    ),
    "integer dtype": (lambda: tg.Tensor([1.0], dtype=int), DTypeError, "int64 | float32"),
    "unknown dtype": (
        lambda: tg.Tensor(1.0, dtype="real"), DTypeError, "'real' | float64 or float32",
    ),
    "name that is no text": (lambda: tg.Tensor(1.0, name=3), UsageError, "string | int"),
    "empty name": (lambda: tg.Tensor(1.0, name=""), ArgumentError, "name | empty"),
    "new data of another shape": (
        lambda: assign_data(leaf(3), zeros(2)), ShapeError, "q_1 | (2,) | (3,)",
    ),
    "new data that are complex": (
        lambda: assign_data(leaf(3), zeros(3, dtype=complex)),
        DTypeError, "q_1: found data | complex128",
    ),
    "new data for a result": (
        lambda: assign_data(leaf(3) * 2, zeros(3)), UsageError, "hadamard was computed | leaf",
    ),
    "item assignment": (
        lambda: assign_item(leaf(3)), UsageError, "q_1 | cannot be assigned | where",
    ),
    "truth of many numbers": (lambda: bool(leaf(3)), ArgumentError, "q_1 | (3,) | .all() | .any()"),
    "item of many numbers": (lambda: leaf(3).item(), ShapeError, "q_1 | 3 numbers | (3,)"),
    "float of many numbers": (
        lambda: float(tg.Tensor([1.0, 2.0], name="q_1")), ShapeError, "q_1 | 2 numbers",
    ),
    "length of a number": (lambda: len(leaf()), UsageError, "q_1 | no length"),
    # operations
    "matmul of shapes that do not fit": (
        lambda: leaf(2, 3, name="a") @ leaf(4, 5, name="b"),
        ShapeError, "matmul | (2, 3) (a) | (4, 5) (b)",
    ),
    "matmul with an array that does not fit": (
        lambda: zeros(2, 3) @ leaf(4, 5, name="b"), ShapeError, "matmul | (2, 3) | (4, 5) (b)",
    ),
    "sum of shapes that do not broadcast": (
        lambda: leaf(3, name="a") + leaf(2, name="b"), ShapeError, "add | (3,) (a) | (2,) (b)",
    ),
    "where of shapes that do not broadcast": (
        lambda: tg.where(zeros(2) > 0, leaf(3), 0.0), ShapeError, "where | (2,) | (3,) (q_1)",
    ),
    "text beside a Tensor": (lambda: leaf(3) + "text", DTypeError, "add | str | q_1 | real"),
    "nothing beside a Tensor": (lambda: leaf(3) * None, DTypeError, "hadamard | NoneType | q_1"),
    "complex array beside a Tensor": (lambda: leaf(3) * 1j, DTypeError, "hadamard | complex | q_1"),
    "reshape that does not fit": (
        lambda: leaf(2, 3).reshape(4), ShapeError, "reshape | (2, 3) (q_1) | (4,)",
    ),
    "broadcast that does not fit": (
        lambda: tg.broadcast_to(leaf(3), shape=(3, 2)),
        ShapeError, "broadcast_to | (3,) (q_1) | (3, 2)",
    ),
    "broadcast to fewer axes": (
        lambda: tg.broadcast_to(leaf(1, 3), shape=(3,)),
        ShapeError, "(1, 3) (q_1) | only adds axes",
    ),
    "axis out of range": (
        lambda: leaf(2, 3).sum(axis=2), IndexError, "sum | (2, 3) (q_1) | axis=2",
    ),
    "index out of range": (lambda: leaf(3)[5], IndexError, "(3,) (q_1) | index=5"),
    "array index out of range": (lambda: leaf(3)[[0, 5]], IndexError, "gather | (3,) (q_1) | 5"),
    "too many indices": (lambda: leaf(3)[0, 0], IndexError, "(3,) (q_1) | too many"),
    "index that is a Tensor": (
        lambda: leaf(3)[leaf(3)], UsageError, "q_1 | Tensor cannot be an index",
    ),
    "index that is no whole number": (lambda: leaf(3)[0.5], UsageError, "q_1 | float64 | integers"),
    "repeated places of scatter": (
        lambda: tg.scatter(leaf(2), index=[0, 0], shape=(3,)),
        UsageError, "scatter | (2,) (q_1) | scatter_add",
    ),
    "joining shapes that do not fit": (
        lambda: tg.concatenate([leaf(2, name="a"), leaf(2, 2, name="b")]),
        ShapeError, "concatenate | (2,) (a) | (2, 2) (b)",
    ),
    "stacking shapes that differ": (
        lambda: tg.stack([leaf(2, name="a"), leaf(3, name="b")]),
        ShapeError, "stack | (2,) (a) | (3,) (b)",
    ),
    "stacking nothing": (lambda: tg.stack([]), UsageError, "stack | no operands"),
    "stacking with too much": (
        lambda: tg.stack([leaf(2)], 0, 1), UsageError, "stack | axis | 2 arguments",
    ),
    "split into unequal pieces": (
        lambda: tg.split(leaf(5), 2), ShapeError, "split | size 5 | 2 equal",
    ),
    "dot of sizes that differ": (
        lambda: tg.dot(leaf(3), leaf(2, 4, 3)), ShapeError, "dot | (3,) | (2, 4, 3)",
    ),
    "windows larger than the whole": (
        lambda: tg.sliding_windows(leaf(3), window_shape=4),
        ShapeError, "sliding_windows | (3,) (q_1) | window_shape=4",
    ),
    "unknown keyword of an operation": (
        lambda: tg.sum(leaf(3), axes=0), UsageError, "sum has no parameter 'axes' | axis, keepdims",
    ),
    "unknown keyword of an operation without any": (
        lambda: tg.tanh(leaf(3), axis=0),
        UsageError, "tanh has no parameter 'axis' | operands only",
    ),
    "too few operands": (lambda: tg.add(leaf(3)), UsageError, "add takes 2 operands, got 1"),
    "too many operands": (
        lambda: tg.tanh(leaf(3), leaf(3)), UsageError, "tanh takes 1 operand, got 2",
    ),
    "unknown option of NumPy's function": (
        lambda: np.mean(leaf(3), dtype=np.float32), UsageError, "np.mean | dtype",
    ),
    "padding by a mode that is not there": (
        lambda: np.pad(leaf(3), 1, mode="means"), ArgumentError, "pad: mode | 'means' | reflect",
    ),
    "norm of a word": (
        lambda: np.linalg.norm(leaf(3), ord="nuc"), ArgumentError, "norm | ord='nuc' | number",
    ),
    "swapping an axis out of range": (
        lambda: tg.swapaxes(leaf(3), 0, 2), ShapeError, "swapaxes | axis 2 | (3,) | 1 axes",
    ),
    "moving an axis out of range": (
        lambda: np.moveaxis(leaf(3), -2, 0), ShapeError, "moveaxis | axis -2 | (3,) | 1 axes",
    ),
    "splitting an axis out of range": (
        lambda: tg.split(leaf(3), 3, axis=1), ShapeError, "split | axis 1 | (3,) | 1 axes",
    ),
    "unstacking a number": (lambda: tg.unstack(leaf()), ShapeError, "unstack | axis 0 | ()"),
    "new axis out of range": (
        lambda: tg.expand_dims(leaf(3), 5), ShapeError, "expand_dims | (3,) | axis 5",
    ),
    "squeezing what is wide": (
        lambda: leaf(3).squeeze(0), ShapeError, "squeeze | (3,) | axis 0 | not equal to one",
    ),
    "joining along no axis": (
        lambda: tg.concatenate([leaf(3), leaf(3)], axis=None), UsageError, "axis=None | ravel",
    ),
    "operation on nothing": (lambda: tg.tanh(), UsageError, "tanh | no operands"),
    # places
    "scope that is no text": (lambda: tg.scope(3), UsageError, "string | int"),
    "scope without a name": (lambda: tg.scope(""), ArgumentError, "name | empty"),
    "steps below 0": (lambda: tg.steps(-1), ArgumentError, "-1 steps | 0 or more"),
    "steps that are no number": (lambda: tg.steps(1.5), UsageError, "float | range"),
    # layers
    "LSTM fed the wrong width": (
        lambda: lstm()(zeros(4, 7)),
        ShapeError, "cell: input has 7 features, weights take 3 | (4, 7) | (3, 8)",
    ),
    "LSTM fed a vector": (
        lambda: lstm()(zeros(3)), ShapeError, "cell | (3,) | (T, in) or (T, B, in)",
    ),
    "LSTM fed four axes": (lambda: lstm()(zeros(1, 1, 1, 3)), ShapeError, "cell | (1, 1, 1, 3)"),
    "LSTM fed a number": (lambda: lstm()(1.0), ShapeError, "cell | shape ()"),
    "LSTM fed float32": (
        lambda: lstm()(zeros(4, 3, dtype=np.float32)),
        DTypeError, "cell | float32 | float64 | .astype('float64')",
    ),
    "float32 LSTM fed float64": (
        lambda: lstm(dtype=np.float32)(zeros(4, 3)), DTypeError, "cell | float64 | float32",
    ),
    "LSTM fed integers": (
        lambda: lstm()(zeros(4, 3, dtype=int)),
        DTypeError, "x: found data | int64 | .astype(float)",
    ),
    "LSTM fed complex numbers": (
        lambda: lstm()(zeros(4, 3, dtype=complex)), DTypeError, "x: found data | complex128",
    ),
    "LSTM without steps": (lambda: lstm()(zeros(0, 3)), ShapeError, "cell | (0, 3) | nothing"),
    "LSTM without sequences": (
        lambda: lstm()(zeros(4, 0, 3)), ShapeError, "cell | (4, 0, 3) | nothing",
    ),
    "LSTM with a state of another shape": (
        lambda: lstm()(zeros(4, 5, 3), (zeros(5, 2), zeros(2))),
        ShapeError, "cell | state | (2,) | (5, 2) | (4, 5, 3)",
    ),
    "LSTM with half a state": (
        lambda: lstm()(zeros(4, 3), zeros(2)), UsageError, "cell | pair (out, state)",
    ),
    "LSTM with a state of another type": (
        lambda: lstm()(zeros(4, 3), (leaf(2, dtype=np.float32),) * 2),
        DTypeError, "cell | out is float32 | float64",
    ),
    "LSTM with an array of another type as state": (
        lambda: lstm()(zeros(4, 3), (zeros(2, dtype=np.float32),) * 2),
        DTypeError, "cell: initial out | float32 | float64 | .astype('float64')",
    ),
    "LSTM with a state of one layer for two": (
        lambda: lstm(num_layers=2)(zeros(4, 3), (zeros(2), zeros(2))),
        ShapeError, "cell: initial out has shape (2,), expected (2, 2), 2 layers and directions",
    ),
    "LSTM with a state of three layers for two": (
        lambda: lstm(num_layers=2, bidirectional=True)(zeros(4, 5, 3), (zeros(6, 5, 2),) * 2),
        ShapeError, "cell | (6, 5, 2) | (4, 5, 2)",
    ),
    "LSTM with a complex state": (
        lambda: lstm()(zeros(4, 3), (zeros(2, dtype=complex), zeros(2))), DTypeError, "complex128",
    ),
    "GRU with a pair of states": (
        lambda: GRU(3, 2, name="cell")(zeros(4, 5, 3), (zeros(5, 2), zeros(5, 2))),
        ShapeError, "cell: initial out has shape (2, 5, 2), expected (5, 2)",
    ),
    "lengths without a batch": (
        lambda: lstm()(zeros(4, 3), lengths=[4]), UsageError, "cell | one | leave them out",
    ),
    "lengths of another batch": (
        lambda: lstm()(zeros(4, 5, 3), lengths=[4, 4]), ShapeError, "cell: lengths | (2,) | (5,)",
    ),
    "length beyond the data": (
        lambda: lstm()(zeros(4, 2, 3), lengths=[4, 5]), ArgumentError, "cell | 5 | 1 to 4 steps",
    ),
    "length of 0": (
        lambda: lstm()(zeros(4, 2, 3), lengths=[0, 4]), ArgumentError, "cell | 0 | 1 to 4 steps",
    ),
    "length that is no whole number": (
        lambda: lstm()(zeros(4, 2, 3), lengths=[4.0, 4.0]), UsageError, "cell | float64 | whole",
    ),
    "length that is a truth value": (
        lambda: lstm()(zeros(4, 2, 3), lengths=[True, True]), UsageError, "cell | bool | whole",
    ),
    "length of the batch axis, batch first": (
        lambda: lstm(batch_first=True)(zeros(2, 4, 3), lengths=[5, 4]),
        ArgumentError, "cell | 5 | 1 to 4 steps",
    ),
    "batch first LSTM fed a vector": (
        lambda: lstm(batch_first=True)(zeros(3)), ShapeError, "(T, in) or (B, T, in)",
    ),
    "carried state of another batch": (
        lambda: [each(zeros(4, n, 3)) for each in [lstm(stateful=True)] for n in (5, 6)],
        ShapeError, "cell | (5, 2) | (6, 2) | reset_state()",
    ),
    "cell fed a sequence of batches": (
        lambda: LSTMCell(3, 2, name="cell")(zeros(4, 5, 3)),
        ShapeError, "cell | (4, 5, 3) | (in,) or (B, in)",
    ),
    "cell with half a state": (
        lambda: LSTMCell(3, 2, name="cell")(zeros(3), zeros(2)), UsageError, "pair (out, state)",
    ),
    "cell with a state of another shape": (
        lambda: GRUCell(3, 2, name="cell")(zeros(3), zeros(5, 2)),
        ShapeError, "cell | (5, 2) | (2,) | input of shape (3,)",
    ),
    "number of layers that is none": (lambda: lstm(num_layers=0), ArgumentError, "num_layers | 0"),
    "flag that is no truth value": (
        lambda: lstm(bidirectional="both"), UsageError, "LSTM: bidirectional | 'both' | True or",
    ),
    "peephole that is no truth value": (lambda: lstm(peephole=1), UsageError, "peephole | 1"),
    "reset_after that is no truth value": (
        lambda: GRU(3, 2, reset_after=None), UsageError, "GRU: reset_after | None",
    ),
    "projection as wide as the cells": (
        lambda: lstm(proj_size=2), ArgumentError, "LSTM: proj_size | below hidden_size, 2 | 2",
    ),
    "projection below 0": (lambda: lstm(proj_size=-1), ArgumentError, "proj_size | at least 0"),
    "dropout of everything": (
        lambda: lstm(num_layers=2, dropout=1.0), ArgumentError, "LSTM: dropout | below 1 | 1.0",
    ),
    "dropout below 0": (lambda: lstm(num_layers=2, dropout=-0.1), ArgumentError, "at least 0"),
    "dropout that is text": (
        lambda: lstm(num_layers=2, dropout="half"), UsageError, "dropout | 'half'",
    ),
    "dropout in one layer": (
        lambda: lstm(dropout=0.5), ArgumentError, "between the layers | tg.nn.Dropout",
    ),
    "rate of Dropout": (lambda: Dropout(1.5), ArgumentError, "Dropout: rate | below 1 | 1.5"),
    "forget bias that is no number": (
        lambda: lstm(forget_bias="one"), UsageError, "LSTM: forget_bias | 'one'",
    ),
    "forget bias that is infinite": (
        lambda: lstm(forget_bias=np.inf), ArgumentError, "LSTM: forget_bias | finite | inf",
    ),
    "unknown activation of an LSTM": (
        lambda: lstm(activation="tahn"), UsageError, "LSTM: activation | 'tahn' | tanh",
    ),
    "three activations": (
        lambda: lstm(activation=("tanh",) * 3), UsageError, "LSTM: activation has 3 functions",
    ),
    "LSTM's activation that leaves the tape": (
        lambda: lstm(activation=lambda x: 1.0), UsageError, "LSTM: activation | float | Tensor",
    ),
    "LSTM's activation that is no function of entries": (
        lambda: lstm(activation=lambda x: x.sum()), UsageError,
        "LSTM: activation | shape () | (2,)",
    ),
    "unknown activation of an RNN": (
        lambda: RNN(3, 2, activation="rely"), UsageError, "RNN: activation | 'rely' | relu",
    ),
    "truncation after 0 steps": (
        lambda: lstm(truncate=0), ArgumentError, "LSTM: truncate, if not 'gers', | at least 1 | 0",
    ),
    "unknown truncation": (lambda: lstm(truncate="all"), UsageError, "LSTM: truncate | 'all'"),
    "Gers' truncation of a GRU": (
        lambda: GRU(3, 2, truncate="gers"), ArgumentError, "GRU: truncate='gers' | LSTM",
    ),
    "stateful in both directions": (
        lambda: lstm(stateful=True, bidirectional=True), ArgumentError, "stateful | bidirectional",
    ),
    "unknown initial state": (
        lambda: lstm(initial="ones"), ArgumentError, "LSTM: initial | 'learned' | 'ones'",
    ),
    "layer of what is no equations": (
        lambda: Recurrent(tg.tanh, 3), UsageError, "Recurrent | Primitive | Equations",
    ),
    "mode that is no truth value": (lambda: dense().train("yes"), UsageError, "train | 'yes'"),
    "Dense fed the wrong width": (
        lambda: dense()(zeros(4, 7)),
        ShapeError, "head: input has 7 features, weights take 3 | (4, 7) | (3, 2)",
    ),
    "Dense fed a number": (lambda: dense()(leaf()), ShapeError, "head | () | (..., in)"),
    "Dense fed float32": (
        lambda: dense()(leaf(4, 3, dtype=np.float32)), DTypeError, "head | float32 | float64",
    ),
    "Dense fed an empty batch": (
        lambda: dense()(zeros(0, 3)), ShapeError, "head | (0, 3) | nothing",
    ),
    "layer inside a network fed the wrong width": (
        lambda: Sequential(Dense(3, 2), Dense(5, 1), name="net")(zeros(4, 3)),
        ShapeError, "net.dense_2: input has 2 features, weights take 5",
    ),
    "unknown activation": (lambda: Dense(3, 2, "tahn"), UsageError, "'tahn' | tanh"),
    "activation of two operands": (
        lambda: Dense(3, 2, "divide"), UsageError, "no activation 'divide'",
    ),
    "activation that is no function": (lambda: Dense(3, 2, [1]), UsageError, "no activation [1]"),
    "layer called with an unknown keyword": (
        lambda: lstm()(zeros(4, 3), start=None), UsageError, "LSTM | 'start'",
    ),
    "layer called with too much": (
        lambda: dense()(zeros(4, 3), zeros(4, 3)), UsageError, "Dense | 3 were given",
    ),
    "state that is no dictionary": (
        lambda: dense().load_state_dict([1.0]), UsageError, "load_state_dict | [1.0] | dictionary",
    ),
    "seed that is none": (lambda: Dense(3, 2, seed="s"), UsageError, "seed | 's' | Generator"),
    "Sequential of what cannot be called": (
        lambda: Sequential(Dense(3, 2), 7), UsageError, "int at position 1 | functions",
    ),
    "module with a name that is no text": (lambda: Dense(3, 2, name=1), UsageError, "string | int"),
    # losses
    "class index too large": (
        lambda: tg.nn.softmax_cross_entropy(leaf(2, 3), [0, 3]), ArgumentError, "class 3 | 0 to 2",
    ),
    "class index below 0": (
        lambda: tg.nn.softmax_cross_entropy(leaf(2, 3), [0, -1]),
        ArgumentError, "class -1 | 0 to 2",
    ),
    "class that is no whole number": (
        lambda: tg.nn.softmax_cross_entropy(leaf(2, 3), [0.0, 1.0]),
        DTypeError, "float64 | integers",
    ),
    "two batch sizes in softmax_cross_entropy": (
        lambda: tg.nn.softmax_cross_entropy(leaf(2, 3), [0, 1, 2]), ShapeError, "(2, 3) | (3,)",
    ),
    "target outside of [0, 1]": (
        lambda: tg.nn.binary_cross_entropy_with_logits(leaf(2), [0.0, 1.5]),
        ArgumentError, "target 1.5 | 0 to 1",
    ),
    "target that is not a number": (
        lambda: tg.nn.binary_cross_entropy_with_logits(leaf(2), [0.0, np.nan]),
        ArgumentError, "target nan",
    ),
    "target of probabilities outside of [0, 1]": (
        lambda: tg.nn.binary_cross_entropy(zeros(2), [0.0, 1.5]),
        ArgumentError, "target 1.5 | 0 to 1",
    ),
    "logits as probabilities": (
        lambda: tg.nn.binary_cross_entropy(tg.Tensor([0.5, 1.25], name="z"), [0.0, 1.0]),
        ArgumentError, "1.25 in z | 0 to 1 | binary_cross_entropy_with_logits",
    ),
    "probability that is not a number": (
        lambda: tg.nn.binary_cross_entropy(tg.Tensor([np.nan]), [0.0]), ArgumentError, "nan",
    ),
    # updates
    "rate below 0": (lambda: SGD([leaf(3)], -0.1), ArgumentError, "lr | at least 0 | -0.1"),
    "rate that is not a number": (lambda: SGD([leaf(3)], float("nan")), ArgumentError, "lr | nan"),
    "infinite rate": (lambda: Adam([leaf(3)], float("inf")), ArgumentError, "lr | inf"),
    "rate that is text": (lambda: SGD([leaf(3)], "fast"), UsageError, "lr | 'fast'"),
    "momentum of 1": (
        lambda: SGD([leaf(3)], 0.1, momentum=1.0), ArgumentError, "momentum | below 1",
    ),
    "beta of 1": (lambda: Adam([leaf(3)], betas=(0.9, 1.0)), ArgumentError, "betas | below 1"),
    "one beta": (lambda: Adam([leaf(3)], betas=0.9), UsageError, "betas | pair | 0.9"),
    "eps below 0": (lambda: Adam([leaf(3)], eps=-1.0), ArgumentError, "eps | at least 0"),
    "nothing to update": (lambda: SGD([], 0.1), ArgumentError, "SGD | no parameters"),
    "update of a result": (lambda: SGD([leaf(3) * 2], 0.1), UsageError, "SGD | hadamard | leaf"),
    "update of a constant": (
        lambda: SGD([tg.Tensor(1.0, name="q_1")], 0.1), UsageError, "q_1 | requires no gradient",
    ),
    "update of an array": (lambda: SGD([zeros(3)], 0.1), UsageError, "SGD | ndarray"),
    "unknown keyword of an update": (
        lambda: Adam([leaf(3)], rate=0.1), UsageError, "Adam | 'rate' | lr",
    ),
    "update by a gradient of another shape": (
        lambda: step_with(np.ones(1)), ShapeError, "gradient of p | (1,) | (3,)",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("call", "error", "words"), BAD.values(), ids=BAD.keys())
def test_bad_input(call, error, words):
    """The message holds all the words between the bars."""
    with pytest.raises(error) as caught:
        call()
    assert isinstance(caught.value, TinygradError)
    assert [word for word in words.split(" | ") if word not in str(caught.value)] == []


# --- sizes and shapes, over every layer and loss ------------------------------------------------

SIZES = {
    "Dense: input_size": lambda size: Dense(size, 2),
    "Dense: output_size": lambda size: Dense(2, size),
    "MemoryBlocks: blocks": lambda size: MemoryBlocks(2, size, 2),
    "MemoryBlocks: cells": lambda size: MemoryBlocks(2, 2, size),
    "LSTM: num_layers": lambda size: LSTM(2, 2, size),
}
for kind in (LSTM, GRU, RNN, LSTMCell, GRUCell, RNNCell):
    SIZES[f"{kind.__name__}: input_size"] = lambda size, kind=kind: kind(size, 2)
    SIZES[f"{kind.__name__}: hidden_size"] = lambda size, kind=kind: kind(2, size)


@pytest.mark.parametrize("size", [0, -1, np.int64(-3)])
@pytest.mark.parametrize(("what", "make"), SIZES.items(), ids=SIZES.keys())
def test_size_below_1(what, make, size):
    with pytest.raises(ArgumentError, match=f"{what} must be at least 1, found {size}"):
        make(size)


@pytest.mark.parametrize("size", [2.0, "3", None, True, [2]], ids=repr)
@pytest.mark.parametrize(("what", "make"), SIZES.items(), ids=SIZES.keys())
def test_size_that_is_no_whole_number(what, make, size):
    with pytest.raises(UsageError, match=f"{what} must be a whole number, found "):
        make(size)


@pytest.mark.parametrize(
    "target", [zeros(3, 1), zeros(3), zeros(4, 3), 0.0], ids=lambda t: str(np.shape(t))
)
@pytest.mark.parametrize(
    "loss",
    [
        tg.nn.squared_error,
        tg.nn.mean_squared_error,
        tg.nn.euclidean_norm,
        tg.nn.binary_cross_entropy,
        tg.nn.binary_cross_entropy_with_logits,
    ],
)
def test_nothing_is_broadcast_in_a_loss(loss, target):
    with pytest.raises(ShapeError) as caught:
        loss(leaf(4, 1, name="y"), target)
    for word in ("y has shape (4, 1)", str(np.shape(target)), "must be equal"):
        assert word in str(caught.value)


# --- before anything changed --------------------------------------------------------------------


def test_refused_backward_leaves_no_gradient():
    x = leaf(3)
    with pytest.raises(ShapeError):
        (x * 2).backward(zeros(2))
    assert x.grad is None


def test_refused_data_leave_the_old_ones():
    x = leaf(3)
    loss = (x * x).sum()
    with pytest.raises(ShapeError):
        x.data = zeros(2)
    loss.backward()
    assert x.grad.tolist() == [2.0, 2.0, 2.0]


def test_refused_input_leaves_no_scope_behind():
    layer = lstm()
    with pytest.raises(ShapeError):
        layer(zeros(4, 7))
    assert tg.tanh(1.0 * leaf()).label() == "tanh"


# --- at the border of the engine ----------------------------------------------------------------


def leaf_x(data):
    return tg.Tensor(data, requires_grad=True, name="x")


def adjoint_twice():
    x = leaf_x([1.0, 2.0])
    return tg.graph(tg.sum(x * x)).adjoint().adjoint()


def evaluate_at(value):
    return tg.graph(tg.sum(leaf_x([1.0, 2.0]))).evaluate({"x": value})


AT_THE_BORDER = {
    "a graph without values": (lambda: adjoint_twice().evaluate(), tg.UsageError, "nothing was"),
    "text as a value": (lambda: evaluate_at(["a", "b"]), tg.DTypeError, "x"),
    "None as a value": (lambda: evaluate_at([None, 1]), tg.DTypeError, "x"),
    "a value with too many digits": (lambda: evaluate_at([10**400, 1]), tg.DTypeError, "x"),
    "a complex value": (lambda: evaluate_at([1j, 1]), tg.DTypeError, "real"),
    ">= of another shape": (lambda: leaf_x([1.0, 2.0]) >= [1, 2, 3], tg.ShapeError, r"\(x\)"),
    "< of another shape": (
        lambda: leaf_x([1.0, 2.0]) < tg.Tensor([1.0, 2.0, 3.0]), tg.ShapeError, r"\(3,\)",
    ),
    "== of another shape": (lambda: leaf_x([1.0, 2.0]) == [1, 2, 3], tg.ShapeError, r"\(x\)"),
    "< text": (lambda: leaf_x([1.0]) < "a", tg.DTypeError, "less"),
    "<= None": (lambda: leaf_x([1.0]) <= None, tg.DTypeError, "less_equal"),
    "a rate with too many digits": (
        lambda: tg.optim.SGD([leaf_x([1.0])], 10**400), tg.ArgumentError, "lr",
    ),
    "a complex rate": (
        lambda: setattr(tg.optim.SGD([leaf_x([1.0])], 1), "lr", np.complex64(0.1 + 3j)),
        tg.UsageError, "lr must be a real number",
    ),
    "outer of text": (lambda: tg.outer([1.0, 2.0], "a"), tg.DTypeError, "outer"),
    "a number with too many digits": (
        lambda: leaf_x([1.0]) + 10**400, tg.ArgumentError, "add: the number beside x",
    ),
    "no_grad without parentheses": (lambda: tg.no_grad(evaluate_at), tg.UsageError, "parentheses"),
    "a masked array on the left": (
        lambda: np.ma.array([1.0], mask=[False]) * tg.Tensor([2.0]), tg.DTypeError, "masked",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", AT_THE_BORDER)
def test_what_cannot_be_meant_is_refused_in_the_packages_own_words(name):
    call, error, words = AT_THE_BORDER[name]
    with pytest.raises(error, match=words):
        call()


def test_text_and_none_equal_no_tensor_as_in_python():
    x = leaf_x([1.0])
    for other in (None, "a", object()):
        assert (x == other) is False
        assert (x != other) is True
    assert (x == 1.0).all() and not (x != [1]).any()


def test_a_gradient_of_another_type_leaves_the_sum_in_the_type_of_the_leaf():
    x = leaf_x(np.ones(2, np.float32))
    x.grad = np.ones(2)
    tg.sum(x).backward()
    assert x.grad.dtype == np.float32
    np.testing.assert_array_equal(x.grad, [2.0, 2.0])
