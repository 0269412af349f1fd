"""Networks as people write them, with the mistakes that they make: what the library is judged by.

They were written without sight of the library of mistakes. Many slips are made at several places
at once, as where W_f, W_i, W_c and W_o are apart. `CASES` are all mistakes, each alone.
"""

from __future__ import annotations

from support.planted.base import Case, Network

from . import (
    additive,
    batched,
    causal,
    chars,
    columns,
    convolved,
    gated,
    lengths,
    normed_lstm,
    pooled,
    residual,
    squares,
    translator,
)

NETWORKS: dict[str, Network] = {
    **chars.NETWORKS, **columns.NETWORKS, **gated.NETWORKS, **normed_lstm.NETWORKS,
    **causal.NETWORKS, **additive.NETWORKS, **convolved.NETWORKS, **translator.NETWORKS,
    **batched.NETWORKS, **squares.NETWORKS, **residual.NETWORKS, **lengths.NETWORKS,
    **pooled.NETWORKS,
}  # fmt: skip


def case(network: str, *mistakes: str) -> Case:
    """Return a network with a mistake, with none, or with several at once.

    Examples
    --------
    >>> case("columns", "slopes-missing").id
    'columns/slopes-missing'
    """
    return NETWORKS[network].case(network, *mistakes)


CASES = [case(name, mistake) for name, network in NETWORKS.items() for mistake in network.mistakes]


def correct_cases() -> list[Case]:
    """Return every network with its right backward pass."""
    return [case(network) for network in NETWORKS]
