"""The mistakes that people make, each as a change of the adjoint network.

Knows graphs alone: a mistake is one of a gain, a sum, a fork or a carry, whatever network it stands
in, and is made at every step. A new one is one more generator, here in the order in which people
make them: of two that explain the same, the first is told first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ..sight import Sight
from .carries import carries, last_errors, truncated, wrong_way
from .exchanges import exchanged, orders, read_elsewhere, sent_on, turned
from .forks import forgotten_branches, halved_forks, scaled_branches
from .forward import forward
from .mistake import Change, Mistake, with_those_alike, without
from .normalisations import normalised
from .omissions import constants, left_out, maps_left_out
from .products import (
    partners,
    signals_multiplied,
    starts,
    updated_weights,
    weights,
    weights_gradients,
)
from .rates import with_rates
from .scales import of_a_branch, of_a_leaf, of_a_signal, of_everything
from .scene import Scene
from .slopes import reductions, slopes
from .sums import not_at_all, over_batch, over_other_axes, over_steps
from .surgery import leading_to

GENERATORS: tuple[Callable[[Scene], Iterator[Mistake]], ...] = (
    of_everything, slopes, reductions, weights, signals_multiplied, weights_gradients, partners, forgotten_branches,
    constants, left_out, maps_left_out, carries,
    truncated, last_errors, over_steps, over_batch, over_other_axes, starts, halved_forks, scaled_branches,
    of_a_branch, of_a_signal, of_a_leaf, sent_on, read_elsewhere, exchanged, orders, turned,
    updated_weights, normalised, forward, wrong_way, not_at_all,
)  # fmt: skip


def every(sight: Sight) -> list[Mistake]:
    """Return every mistake that can be made in a network, also those that leave it as it is."""
    scene = Scene(sight)
    with_rest = [each for generator in GENERATORS for each in generator(scene)]
    return with_those_alike(with_rest)


def mistakes(sight: Sight) -> list[Mistake]:
    """Return every single mistake that changes a network, and those made alike at once."""
    return [each for each in every(sight) if not each.change.is_none]


__all__ = ["GENERATORS", "Change", "Mistake", "every", "leading_to", "mistakes", "with_rates",
           "without"]
