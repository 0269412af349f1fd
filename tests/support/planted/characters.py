"""Models of characters: rows of an embedding, a simple recurrent network, a class at each step."""

from __future__ import annotations

from functools import partial

import numpy as np

import tinygrad_lstm as tg

from .base import Arrays, Mistakes, Network, leaves, numbers

TEXT = [2, 0, 2, 3, 0]  # as many steps as hidden units; two characters come twice
NEXT = [0, 2, 3, 0, 1]
START = np.array([0.3, -0.2, 0.5, 0.1, -0.4])
CHARACTERS_NUMBERS = numbers(11, E=(4, 5), U=(5, 5), b=(5,), W=(5, 4))
EMBEDDING_NUMBERS = numbers(12, E=(6, 3), W=(3, 4), b=(4,))
TOKENS = np.array([1, 4, 1, 0, 1])
CLASSES = np.array([1, 3, 0, 0, 2])
ROWS = np.arange(len(TOKENS))


def characters_network(is_plain: bool = False) -> tg.Tensor:
    """Build h = tanh(E[character] + h U + b), z = h W, and Σ logsumexp(z) - z[next character].

    Parameters
    ----------
    is_plain : bool
        Whether a plain loop of Python runs the steps, and not ``tg.steps``.
    """
    t = leaves(CHARACTERS_NUMBERS)
    h, loss = tg.Tensor(START, name="start"), 0.0
    steps = range(len(TEXT))
    for k in steps if is_plain else tg.steps(steps):
        h = tg.tanh(t["E"][TEXT[k]] + h @ t["U"] + t["b"])
        z = h @ t["W"]
        h.name, z.name = (f"h[{k}]", f"z[{k}]") if is_plain else ("h", "z")
        loss = loss + tg.logsumexp(z, axis=0) - z[NEXT[k]]
    return loss


CHARACTERS: Mistakes = {
    "last-overwrites": ("dE[row] = δ, where += belongs, in a second loop forwards", "E",
                        "parts overwritten"),
    "first-overwrites": ("dE[row] = δ, where += belongs, in the loop backwards", "E",
                         "parts overwritten"),
    "row-of-step-before": ("dE[TEXT[k-1]] += δ", "E", "wrong index"),
    "row-of-next-step": ("dE[TEXT[k+1]] += δ, from the last to the first", "E", "wrong index"),
    "row-of-class": ("dE[NEXT[k]] += δ, where TEXT[k] belongs", "E", "wrong index"),
    "class-of-text": ("δz = p - onehot(TEXT[k]), where NEXT[k] belongs",
                      "z[0] z[1] z[2] z[3] z[4]", "wrong index"),
    "class-of-step-before": ("δz = p - onehot(NEXT[k-1])", "z[0] z[1] z[2] z[3] z[4]",
                             "wrong index"),
    "class-of-next-step": ("δz = p - onehot(NEXT[k+1])", "z[0] z[1] z[2] z[3] z[4]",
                           "wrong index"),
    "class-alone": ("δz is p - 1 for the right class, and 0 for the others",
                    "z[0] z[1] z[2] z[3] z[4]", "off-diagonal terms dropped"),
    "class-left-out": ("δz = p, without the one-hot", "z[0] z[1] z[2] z[3] z[4]",
                       "branch forgotten"),
    "bias-over-units": ("db = Σ over the hidden units of δ, where the steps belong summed", "b",
                        "sum over the wrong axis"),
    "carry-dropped": ("δh lacks what comes back from the next step", "h[3]",
                      "carry dropped"),
}  # fmt: skip


def characters_by_hand(*mistakes: str) -> Arrays:
    """Derive all gradients of `characters_network`."""
    E, U, b, W = CHARACTERS_NUMBERS.values()
    count, hs = len(TEXT), [START]
    for row in TEXT:
        hs.append(np.tanh(E[row] + hs[-1] @ U + b))

    rows, classes = list(TEXT), list(NEXT)
    if "row-of-step-before" in mistakes:
        rows = np.roll(TEXT, 1)
    if "row-of-next-step" in mistakes:
        rows = np.roll(TEXT, -1)
    if "row-of-class" in mistakes:
        rows = NEXT
    if "class-of-text" in mistakes:
        classes = TEXT
    if "class-of-step-before" in mistakes:
        classes = np.roll(NEXT, 1)
    if "class-of-next-step" in mistakes:
        classes = np.roll(NEXT, -1)

    gradients: Arrays = {}
    δs, carried = np.zeros((count, len(START))), 0.0
    dE, dU, dW = np.zeros_like(E), np.zeros_like(U), np.zeros_like(W)
    for k in reversed(range(count)):
        z = hs[k + 1] @ W
        δz = np.exp(z) / np.exp(z).sum()
        if "class-left-out" not in mistakes:
            δz[classes[k]] -= 1
        if "class-alone" in mistakes:
            δz = δz * np.eye(len(z))[classes[k]]
        δh = W @ δz + carried
        if "carry-dropped" in mistakes:
            δh = W @ δz
        δs[k] = δh * (1 - hs[k + 1] ** 2)
        dW += np.outer(hs[k + 1], δz)
        dU += np.outer(hs[k], δs[k])
        dE[rows[k]] += δs[k]
        if "first-overwrites" in mistakes:
            dE[rows[k]] = δs[k]
        carried = U @ δs[k]
        gradients |= {f"z[{k}]": δz, f"h[{k}]": δh}
    if "last-overwrites" in mistakes:
        for row, δ in zip(rows, δs, strict=True):
            dE[row] = δ
    db = δs.sum(axis=1 if "bias-over-units" in mistakes else 0)
    return gradients | {"E": dE, "U": dU, "b": db, "W": dW}


def embedding_network() -> tg.Tensor:
    """Build z = E[tokens] W + b, and Σ logsumexp(z) - z[class] over a batch."""
    t = leaves(EMBEDDING_NUMBERS)
    e = t["E"][TOKENS]
    z = e @ t["W"] + t["b"]
    e.name, z.name = "e", "z"
    return tg.sum(tg.logsumexp(z, axis=1) - z[ROWS, CLASSES])


EMBEDDING: Mistakes = {
    "rows-overwritten": ("dE[tokens] += δe keeps the last of the rows that come twice", "E",
                         "parts overwritten"),
    "rows-shifted": ("δe is added to the row of the token before", "E", "wrong index"),
    "rows-of-classes": ("δe is added to the row of the class", "E", "wrong index"),
    "classes-shifted": ("δz = p - onehot(class of the one before)", "z", "wrong index"),
    "classes-of-tokens-after": ("δz = p - onehot(class of the next one)", "z", "wrong index"),
    "class-alone": ("δz is p - 1 for the right class, and 0 for the others", "z",
                    "off-diagonal terms dropped"),
    "class-left-out": ("δz = p, without the one-hot", "z", "branch forgotten"),
    "softmax-over-batch": ("p is normalised over the batch, where the classes belong", "z",
                           "normalised along the wrong axis"),
}  # fmt: skip


def embedding_by_hand(*mistakes: str) -> Arrays:
    """Derive all gradients of `embedding_network`."""
    E, W, b = EMBEDDING_NUMBERS.values()
    e = E[TOKENS]
    z = e @ W + b
    p = np.exp(z) / np.exp(z).sum(axis=0 if "softmax-over-batch" in mistakes else 1, keepdims=True)
    classes = CLASSES
    if "classes-shifted" in mistakes:
        classes = np.roll(CLASSES, 1)
    if "classes-of-tokens-after" in mistakes:
        classes = np.roll(CLASSES, -1)
    right = np.eye(len(b))[classes]
    δz = p - right
    if "class-left-out" in mistakes:
        δz = p
    if "class-alone" in mistakes:
        δz = (p - 1) * right
    δe, dE = δz @ W.T, np.zeros_like(E)
    rows = TOKENS
    if "rows-shifted" in mistakes:
        rows = np.roll(TOKENS, 1)
    if "rows-of-classes" in mistakes:
        rows = CLASSES
    if "rows-overwritten" in mistakes:
        dE[rows] += δe
    else:
        np.add.at(dE, rows, δe)
    return {"z": δz, "b": δz.sum(axis=0), "W": e.T @ δz, "e": δe, "E": dE}


NETWORKS = {
    "characters": Network(CHARACTERS, characters_network, characters_by_hand, ("E", "U", "b", "W")),
    "characters-plain": Network(
        CHARACTERS, partial(characters_network, True), characters_by_hand, ("E", "U", "b", "W")
    ),
    "embedding": Network(EMBEDDING, embedding_network, embedding_by_hand, ("E", "W", "b")),
}
