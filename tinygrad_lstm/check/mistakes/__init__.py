"""The mistakes that people make, each as a change of the adjoint network.

Knows graphs alone: a mistake is one of a gain, a sum, a fork or a carry, whatever network it stands
in, and is made at every step. A new one is one more generator, here in the order in which people
make them: of two that explain the same, the first is told first. Mistakes are made one by one as
they are asked for, so that nobody waits for the last one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Set

from ...network.view import Sight
from .carries import last_errors, truncated, wrong_carries, wrong_way
from .exchanges import exchanged, orders, products_exchanged, read_elsewhere, sent_on, turned
from .forks import forgotten_branches, halved_forks, scaled_branches
from .forward import forward_slips
from .indices import parts_overwritten, read_at_wrong_indices, right_class_alone, wrong_indices
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
from .scales import of_a_branch, of_a_leaf, of_a_signal, of_any_size, of_everything
from .scene import Scene
from .slopes import reductions, wrong_slopes
from .sums import not_at_all, over_batch, over_other_axes, over_steps
from .surgery import leading_to

Generator = Callable[[Scene], Iterator[Mistake]]

AT_A_NODE: tuple[Generator, ...] = (
    of_everything, wrong_slopes, reductions, weights, signals_multiplied, weights_gradients,
    partners, forgotten_branches, parts_overwritten, left_out, maps_left_out, over_steps,
    over_batch, over_other_axes, starts, halved_forks, scaled_branches, of_a_branch, of_a_signal,
    of_a_leaf, sent_on, turned, updated_weights, not_at_all,
)  # fmt: skip
OF_SEVERAL: tuple[Generator, ...] = (
    constants, wrong_carries, truncated, last_errors, orders, normalised, right_class_alone,
    wrong_way, wrong_indices, products_exchanged,
)  # fmt: skip
OF_FORWARD: tuple[Generator, ...] = (forward_slips, read_at_wrong_indices)  # which run the network
TAKING_OTHERS: tuple[Generator, ...] = (
    weights, signals_multiplied, weights_gradients, wrong_slopes, partners, read_elsewhere,
)  # fmt: skip
OF_TWO: tuple[Generator, ...] = (exchanged,)
GENERATORS = tuple(dict.fromkeys((*AT_A_NODE, *OF_SEVERAL, *OF_FORWARD, *TAKING_OTHERS, *OF_TWO)))


def every(
    sight: Sight, wires: Set[int] | None = None, tick: Callable[[], None] = lambda: None
) -> Iterator[Mistake]:
    """Yield every mistake that can be made in a network, also those that leave it as it is.

    The likeliest come first: those at one node, those made alike at several, and then those that
    take one signal for another, of which there are as many as pairs of signals.

    Parameters
    ----------
    sight : Sight
    wires : set of int, optional
        Of the adjoint network: mistakes at a node that makes no such wire are left out, but where
        they are made together with others.
    tick : () -> None, optional
        Called again and again, also while nothing is yielded; may raise an error to end that.
    """
    scene = Scene(sight, tick)
    nodes = scene.adjoint.nodes
    here = [x for x in nodes if wires is None or not wires.isdisjoint(x.outputs)]
    chosen = {id(node) for node in here}
    away = [node for node in nodes if id(node) not in chosen]
    kin: list[Mistake] = []
    for generator in AT_A_NODE:
        for mistake in generator(scene.at(here, generator.__name__)):
            yield mistake
            kin += [mistake] * bool(mistake.kin)
    for generator in OF_SEVERAL:
        for mistake in generator(scene):
            yield mistake
            kin += [mistake] * bool(mistake.kin)
    for generator in AT_A_NODE if away else ():
        kin += (x for x in generator(scene.at(away, generator.__name__)) if x.kin)
    yield from with_those_alike(kin, scene.position)
    for generator in OF_FORWARD:
        yield from generator(scene)
    kin = []
    for generator in TAKING_OTHERS:
        for mistake in generator(scene.at(here, generator.__name__, takes_others=True)):
            yield mistake
            kin += [mistake] * bool(mistake.kin)
    for generator in TAKING_OTHERS if away else ():
        several = generator(scene.at(away, generator.__name__, takes_others=True))
        kin += (x for x in several if x.kin)
    for generator in OF_TWO:
        yield from generator(scene)
    yield from with_those_alike(kin, scene.position)


def fitted(sight: Sight, tick: Callable[[], None] = lambda: None) -> Iterator[Mistake]:
    """Yield the mistakes of a factor of any size, to be found from what its author got.

    Any of them explains whatever is a multiple of what is right: they are for those who have tried
    every mistake of a known size.

    Parameters
    ----------
    sight : Sight
    tick : () -> None, optional
        Called again and again, also while nothing is yielded; may raise an error to end that.
    """
    scene = Scene(sight, tick)
    several = list(of_any_size(scene.at(scene.adjoint.nodes)))
    yield from several
    yield from with_those_alike(several, scene.position)


def mistakes(
    sight: Sight, wires: Set[int] | None = None, tick: Callable[[], None] = lambda: None
) -> Iterator[Mistake]:
    """Yield every mistake that changes a network, and those made alike at once (see `every`)."""
    return (each for each in every(sight, wires, tick) if not each.change.is_none)


__all__ = [
    "GENERATORS",
    "Change",
    "Mistake",
    "every",
    "fitted",
    "leading_to",
    "mistakes",
    "with_rates",
    "without",
]
