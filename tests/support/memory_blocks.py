"""Gers' memory blocks with weights that are drawn: by hand, and as the library's layers."""

import numpy as np

import tinygrad_lstm as tg
from tinygrad_lstm.derivations import gers

T, N, K, J, S = 6, 3, 2, 2, 2


UNITS = ("c", "in", "φ", "out")


def drawn(looks, count=1, seed=0, steps=T, blocks=(J, S), inputs=N):
    """Return x, targets, the weights of so many layers, and the output units', all drawn.

    The forget gates' bias is raised by 1, as is usual.
    """
    rng, layers, (J, S) = np.random.default_rng(seed), [], blocks
    for n in range(count):
        M = (J * S if n else inputs) + J * S + 1
        w = {"c": rng.normal(size=(J, S, M))}
        w |= {unit: rng.normal(size=(J, M)) for unit in UNITS[1:]}
        w |= {weight: rng.normal(size=(J, S)) for weight in gers.PEEPHOLES if looks}
        layers.append({name: 0.5 * each for name, each in w.items()})
        layers[-1]["φ"][:, -1] += 1.0
    w_k = rng.normal(size=(K, J * S + 1))
    return rng.normal(size=(steps, inputs)), rng.uniform(size=(steps, K)), layers, w_k


def flat(weights, of):
    return np.concatenate([weights[name].ravel() for name in of])


def network(x, target, layers, w_k, squash, truncate, make=tg.nn.MemoryBlocks):
    """Return memory blocks and output units with these weights, and E, after a backward pass."""
    J, S, _ = layers[0]["c"].shape
    sizes = (J, S) if make is tg.nn.MemoryBlocks else (J,)  # an LSTM: blocks of one cell
    blocks = make(
        x.shape[1], *sizes, num_layers=len(layers), peephole="p_in" in layers[0], activation=squash,
        truncate=truncate, name="net",
    )  # fmt: skip
    units = tg.nn.Dense(J * S, len(w_k), tg.sigmoid, name="units")
    for w, layer in zip(layers, blocks.layers, strict=True):
        packed = packed_of(w)
        n = layer.W.shape[0]
        layer.W.data, layer.U.data, layer.b.data = packed[:n], packed[n:-1], packed[-1]
        if "p_in" in w:
            layer.p.data = flat(w, gers.PEEPHOLES)
    units.W.data, units.b.data = w_k[:, :-1].T, w_k[:, -1]
    E = tg.nn.squared_error(units(blocks(tg.Tensor(x, requires_grad=True, name="x"))[0]), target)
    E.backward()
    return blocks, units, E


def packed_of(w):
    """Return (M, H + 3J): what this library has in W, U and b."""
    H = w["c"].shape[0] * w["c"].shape[1]
    return np.hstack([w["c"].reshape(H, -1).T, *(w[unit].T for unit in UNITS[1:])])
