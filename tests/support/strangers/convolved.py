"""A small convolutional net: convolution, ReLU, the largest of 2 by 2, dense, softmax."""

from __future__ import annotations

import numpy as np

import tinygrad_lstm as tg
from support.planted.base import Arrays, Mistakes, Network, numbers

B, C, F, K = 3, 2, 2, 3
CONVOLVED_NUMBERS = numbers(52, W1=(F, C, 3, 3), b1=(F,), W2=(F * 4, K), b2=(K,))
DATA = numbers(53, x=(B, C, 6, 6))
CLASSES = np.array([2, 0, 0])
CONVOLVED_NUMBERS["b1"] -= 1.5  # some windows are negative throughout
PARAMETERS = ("conv.W", "conv.b", "dense.W", "dense.b")


def convolved_network() -> tg.Tensor:
    """Build z = W1 ⋆ x + b1, r = relu(z), pooled, flattened, y = … W2 + b2; mean cross-entropy."""
    n = CONVOLVED_NUMBERS
    conv, dense = tg.nn.Conv2d(C, F, 3, name="conv"), tg.nn.Dense(4 * F, K, name="dense")
    conv.W.data, conv.b.data = n["W1"], n["b1"]
    dense.W.data, dense.b.data = n["W2"], n["b2"]
    x = tg.Tensor(DATA["x"], requires_grad=True, name="x")
    z = conv(x)
    r = tg.relu(z)
    pooled = tg.max_pool(r, 2)
    flat = pooled.reshape(B, -1)
    y = dense(flat)
    z.name, r.name, pooled.name, flat.name, y.name = "z", "r", "pooled", "flat", "y"
    return tg.mean(tg.logsumexp(y, axis=1) - y[np.arange(B), CLASSES])


CONVOLVED: Mistakes = {
    "mask-of-delta": ("ReLU's mask is taken of δ, where z belongs", "conv.z",
                      "mask of the wrong side"),
    "mask-missing": ("δz = δr: ReLU's mask is left out", "conv.z", "derivative missing"),
    "mask-negated": ("ReLU's mask is z < 0", "conv.z",
                     "mask of the wrong side"),
    "r-for-mask": ("δz = δr r, where the mask belongs", "conv.z", "function for derivative"),
    "pool-to-all": ("all four of a window get δ", "r", "derivative missing"),
    "pool-as-mean": ("all four of a window get a quarter of δ", "r", "derivative of wrong form"),
    "b-of-dW": ("db is the sum of dW over its windows", "conv.b", "bias of the weight"),
    "b-averaged": ("both biases are averaged over the batch", "conv.b dense.b",
                   "average over the batch"),
    "b-of-last-sample": ("dconv.b is of the last sample alone", "conv.b",
                         "sum over the batch missing"),
    "b-of-last-place": ("dconv.b is overwritten: the last place of the last sample is left",
                        "conv.b", "sum over the batch missing"),
    "b-of-last-column": ("dconv.b is of the last column alone", "conv.b",
                         "sum over the batch missing"),
    "W-of-last-sample": ("dconv.W is of the last sample alone", "conv.W",
                         "sum over the batch missing"),
    "kernel-flipped": ("dW is flipped in both axes", "conv.W", "flipped"),
    "kernel-not-flipped": ("δx is the correlation with W, not flipped", "x", "flipped"),
    "flat-transposed": ("δ is put back with the channels last", "pooled",
                        "order of the axes"),
    "mean-forgotten": ("the mean over the batch is forgotten", "dense.y", "factor"),
    "onehot-missing": ("δy = p: one-hot is forgotten", "dense.y", "branch forgotten"),
    "decay": ("0.1 W is added to dW of both layers", "conv.W dense.W", "penalty"),
    "keep": ("δ of the flat layer is divided by the keep probability 0.8 that was not used",
             "flat", "factor"),
    "class-one-off": ("the class of the sample before", "dense.y", "wrong index"),
}  # fmt: skip


def windows(x: np.ndarray) -> np.ndarray:
    """Return all windows of 3 by 3, (B, C, 4, 4, 3, 3)."""
    return np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(2, 3))


def convolved_by_hand(*mistakes: str) -> Arrays:
    """Derive all gradients of `convolved_network`."""
    m = set(mistakes)
    x, (W1, b1, W2, b2) = DATA["x"], CONVOLVED_NUMBERS.values()
    z = np.einsum("bcklij,fcij->bfkl", windows(x), W1) + b1[:, None, None]
    r = np.maximum(z, 0)
    blocks = r.reshape(B, F, 2, 2, 2, 2).swapaxes(3, 4)  # (B, F, 2, 2, 2, 2)
    pooled = blocks.max((4, 5))
    flat = pooled.reshape(B, -1)
    y = flat @ W2 + b2
    p = np.exp(y) / np.exp(y).sum(1, keepdims=True)
    classes = np.roll(CLASSES, 1) if "class-one-off" in m else CLASSES
    δy = (p - np.eye(K)[classes]) / B
    if "mean-forgotten" in m:
        δy = δy * B
    if "onehot-missing" in m:
        δy = p / B
    mean = 1 / B if "b-averaged" in m else 1
    d = {"dense.W": flat.T @ δy, "dense.b": δy.sum(0) * mean}
    δflat = δy @ W2.T
    if "keep" in m:
        δflat = δflat / 0.8
    δpooled = δflat.reshape(B, F, 2, 2)
    if "flat-transposed" in m:
        δpooled = δflat.reshape(B, 2, 2, F).transpose(0, 3, 1, 2)
    is_largest = blocks == pooled[..., None, None]
    share = is_largest / is_largest.sum((4, 5), keepdims=True)
    if "pool-to-all" in m:
        share = np.ones_like(share)
    if "pool-as-mean" in m:
        share = np.full_like(share, 0.25)
    δr = (share * δpooled[..., None, None]).swapaxes(3, 4).reshape(r.shape)
    δz = δr * (z > 0)
    if "mask-of-delta" in m:
        δz = δr * (δr > 0)
    if "mask-missing" in m:
        δz = δr
    if "mask-negated" in m:
        δz = δr * (z < 0)
    if "r-for-mask" in m:
        δz = δr * r
    dW1 = np.einsum("bcklij,bfkl->fcij", windows(x), δz)
    d["conv.b"] = δz.sum((0, 2, 3)) * mean
    if "b-of-last-sample" in m:
        d["conv.b"] = δz[-1].sum((1, 2))
    if "b-of-last-place" in m:
        d["conv.b"] = δz[-1, :, -1, -1]
    if "b-of-last-column" in m:
        d["conv.b"] = δz[:, :, :, -1].sum((0, 2))
    if "W-of-last-sample" in m:
        dW1 = np.einsum("cklij,fkl->fcij", windows(x)[-1], δz[-1])
    if "b-of-dW" in m:
        d["conv.b"] = dW1.sum((1, 2, 3))
    d["conv.W"] = dW1[:, :, ::-1, ::-1] if "kernel-flipped" in m else dW1
    if "decay" in m:
        d["conv.W"], d["dense.W"] = d["conv.W"] + 0.1 * W1, d["dense.W"] + 0.1 * W2
    padded = np.pad(δz, ((0, 0), (0, 0), (2, 2), (2, 2)))
    W = W1 if "kernel-not-flipped" in m else W1[:, :, ::-1, ::-1]
    δx = np.einsum("bfklij,fcij->bckl", windows(padded), W)
    return {"dense.y": δy, "flat": δflat, "pooled": δpooled, "r": δr, "conv.z": δz, **d, "x": δx}


NETWORKS = {
    "convolved": Network(
        CONVOLVED, convolved_network, convolved_by_hand, PARAMETERS, ("kernel-not-flipped",)
    )
}
