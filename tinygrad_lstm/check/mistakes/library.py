"""The library of mistakes: every kind, in the order in which people make them.

Knows the generators by name. Of two mistakes that explain the same numbers, the likelier is named
first (see `likelihood`). Mistakes are made one by one, as they are asked for, so that nobody waits
for the last one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import replace
from functools import wraps

from ...engine.arguments import excerpt, function, one_of, text
from ...engine.limit import TimeUp
from ...errors import ArgumentError, TinygradError, UsageError
from ...network.flow import Node
from ...network.view import View
from .carries import (
    clipped_carries,
    errors_everywhere,
    last_errors,
    reversed_loops,
    scaled_carries,
    shifted_lists,
    truncations,
    wrong_carries,
)
from .changes import Change
from .exchanges import (
    exchanged_products,
    exchanged_slopes,
    packing_orders,
    skipped_slopes,
    wrong_deltas,
    wrong_gradient_deltas,
    wrong_layouts,
)
from .forks import forgotten_branches, halved_forks, misplaced_brackets, scaled_branches
from .forward import forward_slips
from .indices import overwritten_parts, single_class_gradients, wrong_indices, wrong_reads
from .layers import other_counts, skipped_layers, wrong_statistics
from .layouts import packed_blocks, wrong_joins, wrong_kernels, wrong_reshapes
from .likelihood import RANK
from .mistake import Mistake, joint_mistakes
from .networks import MayBe, Networks
from .normalisations import wrong_normalisations
from .omissions import false_constants, ignored_masks, omitted_maps, omitted_paths
from .outputs import biases_of_weights, exchanged_leaves
from .packings import packed_deltas
from .products import (
    early_updates,
    wrong_gradient_inputs,
    wrong_matrix_partners,
    wrong_partners,
    wrong_weights,
    zero_starts,
)
from .scales import (
    any_factors,
    any_penalties,
    any_signal_factors,
    branch_signs,
    clipped_entries,
    clipped_norms,
    leaf_factors,
    loss_factors,
    lost_minuses,
    signal_factors,
)
from .slopes import lost_brackets, wrong_masks, wrong_reductions, wrong_slopes
from .standards import wrong_standards
from .sums import axis_sums, batch_sums, elementwise_products, step_sums

Generator = Callable[[Networks], Iterator[Mistake]]

AT_A_NODE: list[Generator] = [
    loss_factors, wrong_slopes, wrong_reductions, wrong_weights, wrong_matrix_partners,
    wrong_gradient_inputs, wrong_partners, forgotten_branches, overwritten_parts, omitted_paths,
    omitted_maps, step_sums, batch_sums, axis_sums, zero_starts, halved_forks, scaled_branches,
    branch_signs, signal_factors, leaf_factors, skipped_slopes, wrong_layouts, early_updates,
    elementwise_products, lost_brackets, wrong_masks, lost_minuses,
    wrong_joins, wrong_reshapes, wrong_kernels, misplaced_brackets,
]  # fmt: skip
OF_SEVERAL: tuple[Generator, ...] = (
    false_constants, wrong_carries, truncations, last_errors, packing_orders, wrong_normalisations,
    single_class_gradients, reversed_loops, wrong_indices, exchanged_products, exchanged_leaves,
    biases_of_weights, errors_everywhere, packed_blocks, packed_deltas, skipped_layers,
    wrong_statistics, other_counts, wrong_standards, shifted_lists, ignored_masks,
)  # fmt: skip
OF_FORWARD: tuple[Generator, ...] = (forward_slips, wrong_reads)  # which run the network
TAKING_OTHERS: tuple[Generator, ...] = (
    wrong_weights, wrong_matrix_partners, wrong_gradient_inputs, wrong_slopes, wrong_partners,
    wrong_gradient_deltas, wrong_deltas,
)  # fmt: skip
OF_TWO: tuple[Generator, ...] = (exchanged_slopes,)
GENERATORS = tuple(dict.fromkeys((*AT_A_NODE, *OF_SEVERAL, *OF_FORWARD, *TAKING_OTHERS, *OF_TWO)))


def mistake(kind: str, *, as_likely_as: str) -> Callable[[Generator], Generator]:
    """Add a kind of mistake of your own to the library: a diagnosis tries it and names it.

    The decorated function takes the `Networks` and yields a `Mistake` for every place at which
    the mistake can be made. It looks at ``nets.nodes`` alone: they are the nodes that may be at
    fault.

    Parameters
    ----------
    kind : str
        The name of the kind, in a few words; the function need not repeat it.
    as_likely_as : str
        A kind of the library that people make as often.

    Raises
    ------
    UsageError, ArgumentError
        If a name is no string, the first is taken, or the second stands for no kind.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_lstm as tg
    >>> from tinygrad_lstm.check import Change, Kind, Mistake, forget, mistake
    >>> @mistake("slope cubed", as_likely_as="derivative twice")
    ... def cubed_slopes(nets):
    ...     for gain, function, _ in nets.ways(Kind.GAIN, through=Kind.ELEMENTWISE):
    ...         yield Mistake(
    ...             where=nets.makes(gain),
    ...             says=f"the slope of {function.name} is cubed",
    ...             right=f"{gain.label}",
    ...             wrong=f"({gain.label})³",
    ...             change=Change.to(gain, gain=gain.gain**3),
    ...         )
    >>> x = tg.Tensor([0.5, -1.0], requires_grad=True, name="x")
    >>> y = tg.tanh(x)
    >>> y.name = "y"
    >>> report = tg.compare(tg.sum(y), {"x": (1 - y.numpy() ** 2) ** 3})
    >>> report.mistakes[0].kind, report.mistakes[0].says
    ('slope cubed', 'the slope of y is cubed')
    >>> forget(cubed_slopes)
    """
    if text("mistake: the name of the kind", kind) in RANK:
        raise ArgumentError(f"mistake: the kind {kind!r} is in the library already; give another")
    one_of("mistake: as_likely_as", as_likely_as, RANK)

    def register(generator: Generator) -> Generator:
        function("mistake", generator, "a function that yields mistakes")

        @wraps(generator)
        def of_kind(nets: Networks) -> Iterator[Mistake]:
            return (replace(x, kind=kind) for x in _checked(kind, generator, nets))

        RANK[kind] = RANK[as_likely_as]
        AT_A_NODE.append(of_kind)
        OWN[of_kind] = kind
        return of_kind

    return register


def _checked(kind: str, generator: Generator, nets: Networks) -> Iterator[Mistake]:
    """Yield what a generator of the user yields; an error names the kind."""
    who = f"mistake {kind!r}"
    try:
        for item in generator(nets):
            if not isinstance(item, Mistake):
                raise UsageError(f"{who}: found {excerpt(item)}, expected a Mistake")
            if not isinstance(item.change, Change):
                raise UsageError(f"{who}: change is {excerpt(item.change)}, expected a Change")
            yield item
    except (TinygradError, TimeUp):
        raise
    except Exception as error:  # of the user's function, which may raise anything
        raise UsageError(
            f"{who}: {generator.__name__} fails: {type(error).__name__}: {error}; it is given the "
            "networks, and yields Mistakes"
        ) from error


OWN: dict[Generator, str] = {}  # the generators that `mistake` added, and their kinds


def forget(generator: Generator) -> None:
    """Remove a kind of mistake that `mistake` added.

    Raises
    ------
    ArgumentError
        If `mistake` did not add the generator.
    """
    if not callable(generator) or generator not in OWN:
        raise ArgumentError("forget: expected a function that tg.check.mistake decorates")
    AT_A_NODE.remove(generator)
    del RANK[OWN.pop(generator)]


def all_mistakes(
    view: View, wires: Set[int] | None = None, may_be: MayBe | None = None
) -> Iterator[Mistake]:
    """Yield every mistake that can be made in a network, even a mistake that changes nothing.

    The likeliest come first: those at one node, those made at several at once, and then those that
    put one signal in place of another, of which there are as many as pairs of signals.

    Parameters
    ----------
    view : View
    wires : set of int, optional
        Of the adjoint network: a mistake at a node that makes no such wire is left out, except
        where it is made together with others.
    may_be : (node, gain) -> bool, optional
        Whether to yield a single mistake that puts the gain in place of the node's: where a search
        needs none that does not explain the author's numbers.
    """
    nets = Networks(view, may_be)
    of_groups = nets.without_singles()  # where a mistake counts only together with others
    nodes = nets.adjoint.nodes
    here = [x for x in nodes if wires is None or not wires.isdisjoint(x.outputs)]
    chosen = {id(node) for node in here}
    away = [node for node in nodes if id(node) not in chosen]
    groups: list[Mistake] = []

    def at(
        place: Sequence[Node], generators: Sequence[Generator], takes_others: bool, nets: Networks
    ) -> Iterator[Mistake]:
        for generator in generators:
            yield from note_groups(generator(nets.at(place, generator.__name__, takes_others)))

    def note_groups(several: Iterable[Mistake]) -> Iterator[Mistake]:
        for mistake in several:
            yield mistake
            groups.extend([mistake] * bool(mistake.groups))

    def joint() -> Iterator[Mistake]:
        yield from joint_mistakes(groups, nets.position)
        groups.clear()

    yield from at(here, AT_A_NODE, False, nets)
    for generator in OF_SEVERAL:
        yield from note_groups(generator(nets))
    deque(at(away, AT_A_NODE, False, of_groups), 0)
    yield from joint()
    for generator in OF_FORWARD:
        yield from generator(nets)
    yield from at(here, TAKING_OTHERS, True, nets)
    deque(at(away, TAKING_OTHERS, True, of_groups), 0)
    for generator in OF_TWO:
        yield from generator(nets)
    yield from joint()


def mistakes(
    view: View, wires: Set[int] | None = None, may_be: MayBe | None = None
) -> Iterator[Mistake]:
    """Yield every mistake that changes a network (see `all_mistakes`)."""
    several = all_mistakes(view, wires, may_be)
    return (mistake for mistake in several if not mistake.change.is_none)


def any_size(
    view: View, largest: float, norms: Mapping[str, float] | None = None
) -> Iterator[Mistake]:
    """Yield the mistakes of a number of any size; the author's numbers determine the size.

    Such a mistake explains every multiple of the right gradient: it is for callers that have tried
    every mistake of a known size.

    Parameters
    ----------
    view : View
    largest : float
        The size of the largest entry of the author's gradients of leaves.
    norms : mapping of str to float, optional
        The norm of each of these gradients, by the name of the leaf with all its parts.
    """
    nets = Networks(view)
    several = [*any_factors(nets), *any_penalties(nets), *clipped_entries(nets, largest)]
    several += clipped_norms(nets, norms or {})
    yield from several
    carries = list(clipped_carries(nets))
    yield from carries
    yield from scaled_carries(nets)
    yield from joint_mistakes([*several, *carries], nets.position)
    yield from any_signal_factors(nets)
