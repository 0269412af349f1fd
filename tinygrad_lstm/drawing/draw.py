"""Pictures of what the tape recorded: of operations, and of the network and its adjoint.

Knows what each style draws; how its text becomes a picture is `render`'s business.
"""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral
from typing import TYPE_CHECKING, Any, NamedTuple

from ..engine.arguments import excerpt, flag, one_of, optional, text, whole
from ..engine.arguments import names as signal_names
from ..engine.kind import Kind
from ..engine.tensor import Tensor
from ..errors import ArgumentError, ChangedError, UsageError, check_path
from ..network.adjoint import alive
from ..network.condense import condense
from ..network.data_names import join_data, share_data
from ..network.graph import Graph, check_recorded, graph, structure
from ..network.proof import fold_for_reading
from ..network.unpack import unpack
from .loss import split_sums
from .styles import Style, style_named, style_names

if TYPE_CHECKING:  # what runs programs and writes files is loaded when there is something to draw
    import os

    from ..check import Report
    from .render import Picture
    from .skeleton import Skeleton

MOST_SHOWN = 1000  # nodes of a graph that a notebook shows unasked
MOST_PLACES = 10_000  # of a picture
MOST_WHOLE = 200  # of a picture of which nothing more is left out when equal blocks are drawn once
VIEWS, LEVELS = ("forward", "adjoint", "both"), ("tensor", "scalar")


def draw(
    of: Tensor | Graph | Report,
    path: str | os.PathLike[str] | None = None,
    *,
    view: str = "forward",
    style: str = "wan",
    fold: bool | None = None,
    every_step: bool = False,
    values: int | bool | None = None,
    digits: int = 3,
    entries: int = 3,
    heat: bool = False,
    depth: int | None = None,
    open: Iterable[str] = (),
    level: str = "tensor",
    highlight: Iterable[str] = (),
    title: str = "",
    legend: bool = True,
) -> Picture:
    """Draw the network that led to a Tensor, or its adjoint network.

    E. A. Wan and F. Beaufays, "Diagrammatic derivation of gradient algorithms for neural
    networks", Neural Computation 8(1), 1996. A loss that stands in a scope of its own is left out:
    the network ends in what goes into it, and its adjoint is driven by ∂L/∂y.

    Parameters
    ----------
    of : Tensor, Graph or Report
        A Graph is drawn as it is, folded or unrolled. Of a Report, the adjoint network is drawn,
        and marked where the mistake acts, or at the first wrong signal if no mistake is named. The
        title says the first wrong signal with its step, the legend the mistake.
    path : path ending in .png, .svg, .pdf, .tex (TikZ), .mmd (Mermaid), .dot or .gv, optional
        Where to save the picture.
    view : {"forward", "adjoint", "both"}
        Both are drawn one above the other, every part in the same place.
    style : {"wan", "tape"}, or the name of an added style
        Signal flow, or the operations as recorded; `drawing.style` adds a style.
    fold : bool, optional
        Whether to draw one step for all; if None, where there is a recurrence whose steps are
        alike; if they are not, the legend says why. Of a loop that is not folded, the first two
        and the last two steps are drawn, with those of marked signals; if they do not fit in one
        line, each stands below the other.
    every_step : bool
        Leave out no step of what is not folded, up to 10,000 places, and draw each of equal modules
        that stand one behind the other. Otherwise the first stands for all, with their number.
    values : int, optional
        Write the numbers of a step at the arrows; True if there are no steps.
    digits, entries : int
        How many digits a number has, and up to how many entries of a signal are written out; of
        more, the Euclidean norm ‖·‖ is.
    heat : bool
        Draw arrows the darker, the larger |δ|.
    depth : int, optional
        How many frames deep to look into modules; 0 makes each one box.
    open : name or names of modules
        To look into where ``depth`` makes boxes, which is 0 if it is not given.
    level : {"tensor", "scalar"}
        Whether to draw every neuron and every weight of a small network.
    highlight : name or names of signals, at all steps or at one
    title : str
    legend : bool

    Returns
    -------
    Picture

    Raises
    ------
    UsageError
        If there is nothing recorded to draw, or the options do not go together.
    ArgumentError, RenderError, SignalError
        If an option or the format is unknown, it cannot be drawn, or a name is no signal's.
    """
    drawn, wrong = _from_report(of)
    if wrong is not None:
        view = "adjoint"
    view = one_of("draw: view", view, VIEWS)
    style = one_of("draw: style", style, style_names())
    level = one_of("draw: level", level, LEVELS)
    heat, legend = flag("draw: heat", heat), flag("draw: legend", legend)
    every_step = flag("draw: every_step", every_step)
    fold = optional(flag, "draw: fold", fold)
    depth = optional(whole, "draw: depth", depth, 0)
    digits, entries = whole("draw: digits", digits, 1, 18), whole("draw: entries", entries, 0)
    title = text("draw: title", title)
    names = signal_names("draw: highlight", highlight)
    modules = signal_names("draw: open", open)
    depth = 0 if modules and depth is None else depth
    if wrong is not None and wrong.title and not title:
        title = wrong.title
    if path is not None:
        path = check_path("draw", path)
    from .render import Picture

    if style != "wan":
        own = style_named(style)
        asked = {
            "fold": fold is not None and own is None,
            "values": values is not None and values is not False,
            "every_step": every_step, "heat": heat, "depth": depth is not None,
            "level": level != "tensor",
            "highlight": bool(names or (wrong and wrong.first)),
        }  # fmt: skip
        for name, is_asked in asked.items():
            if is_asked:
                raise UsageError(f'draw: {name} is for style="wan"; style="{style}" has none')
        notes: list[str] = []
        if own is None:
            dot = _tape(drawn, view, title)
        else:
            network, notes = _as_drawn(drawn, fold, numbers=False)
            dot = _in_style(style, own, network, view, title)
    else:
        dot, notes = draw_parts(
            drawn,
            view,
            fold,
            every_step,
            values,
            heat,
            depth,
            modules,
            level,
            names,
            title,
            legend,
            wrong,
            digits,
            entries,
        )[:2]
    picture = Picture(dot, notes)
    if path is not None:
        picture.save(path)
    return picture


class Wrong(NamedTuple):
    """What a Report finds wrong: where the mistake acts, the first wrong signal, and remarks."""

    places: tuple[str, ...] = ()
    first: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    title: str = ""


def _from_report(of: Any) -> tuple[Tensor | Graph, Wrong | None]:
    """Return the network to draw, and what is wrong in it if a Report is given."""
    if type(of).__name__ != "Report":  # by name, so that it need not be loaded
        return of, None
    blame = of.blame if of.is_wrong else None
    if blame is None:
        return of.loss, Wrong()
    title = f"first wrong: {blame.signal}"
    entry = ", ".join(map(str, blame.at))
    remarks = [title + f" at ({entry}{',' * (len(blame.at) == 1)})" * bool(blame.at)]
    if not of.best:
        return of.loss, Wrong((), (blame.signal,), tuple(remarks), title)
    known = of.evidence[0].plain_names
    wheres = (mistake.where for mistake in of.best[0].mistakes)
    places = tuple(dict.fromkeys(known.get(where, where) for where in wheres))
    remarks.append(f"mistake: {of.best[0].says}")
    return of.loss, Wrong(places, (blame.signal,), tuple(remarks), title)


def _tape(of: Tensor | Graph, view: str, title: str) -> str:
    from .tape import dot

    if not isinstance(of, Tensor):
        raise UsageError('draw: style="tape" draws what was recorded; give the Tensor')
    if view != "forward":
        raise UsageError(f'draw: style="tape" has no {view} view; use style="wan"')
    return dot(of, title)


def _in_style(style: str, draws: Style, network: Graph, view: str, title: str) -> str:
    """Return the DOT text that the function of an added style gives, a graph for each view."""
    views = ("forward", "adjoint") if view == "both" else (view,)
    texts = [draws(network, shown, title) for shown in views]
    for dot in texts:
        if not isinstance(dot, str):
            raise UsageError(
                f"draw: the style {style!r} returned {type(dot).__name__}, expected DOT text"
            )
    return "".join(texts)


def draw_parts(
    of: Tensor | Graph, view: str, fold: bool | None, every_step: bool = False,
    values: int | bool | None = None, heat: bool = False, depth: int | None = None,
    opened: tuple[str, ...] = (), level: str = "tensor", highlight: tuple[str, ...] = (),
    title: str = "", legend: bool = True, wrong: Wrong | None = None, digits: int = 3,
    entries: int = 3,
) -> tuple[str, list[str], Skeleton, Graph]:  # fmt: skip
    """Return the DOT text of a picture, the notes of its legend, its parts, and the network."""
    from .blocks import draw_blocks_once
    from .collapse import collapse
    from .gaps import shorten
    from .given import note_shapes
    from .loss_lines import derived_for, say_loss, write_at_ends
    from .marks import fade, heat_up, mark, unknown, write_values
    from .outline import outline
    from .rows import wrap
    from .scalar import scalars
    from .state_lines import say_states
    from .step_notes import ranges, values_by_step
    from .wan import dot

    values = None if values is False else values  # False, which is not step 0
    wrong = wrong or Wrong()
    network, notes = _as_drawn(of, fold, numbers=heat or values is not None)
    is_told = legend and level == "tensor"
    derivation = derived_for(of, network) if is_told and isinstance(of, Tensor) else None
    drawn = outline(network, alive(network), derivation.letters if derivation else {})
    drawn.notes = [*notes, *values_by_step(network), *drawn.notes]
    if derivation is not None:
        say_loss(drawn, derivation)
    if values is not None or heat:
        forward, δ = _signals(network, values)
        if heat:
            heat_up(drawn, δ, values)
    if level == "tensor":
        fade(drawn, network)
    named, is_short = (*highlight, *wrong.places, *wrong.first), False
    if fold is not False and not (every_step or heat or named) and values is depth is None:
        count = len(drawn.vertices)
        drawn = draw_blocks_once(drawn)
        is_short = len(drawn.vertices) < min(count, MOST_WHOLE)
    if level == "scalar":
        drawn = scalars(drawn, network)
    elif not every_step and not is_short:
        drawn = shorten(drawn, [*named, *notes])  # steps that differ are drawn
    elif len(drawn.vertices) > MOST_PLACES:
        raise ArgumentError(
            f"draw: found {len(drawn.vertices)} places to draw, expected {MOST_PLACES} at most; "
            "draw the network folded, or do without every_step=True, so that steps are left out"
        )
    states: list[str] = []
    if derivation is not None and derivation.loops and depth is None:
        states = say_states(drawn, derivation)
    if values is not None:
        write_values(drawn, forward, δ, values, digits, entries)
    if depth is not None:
        drawn = collapse(drawn, depth, opened)
    at_mistake = bool(wrong.places) and not unknown(drawn, wrong.places)
    marked = wrong.places if at_mistake else wrong.first
    mark(drawn, [*marked, *highlight])
    if marked:
        why = "made wrong by the mistake" if at_mistake else "the first wrong gradient"
        drawn.notes.append(f"orange: {' and '.join(marked)}, {why}")
    if highlight:
        drawn.notes.append(f"orange: {', '.join(highlight)}")
    drawn.notes += wrong.remarks
    shapes = note_shapes(drawn, network) if level == "tensor" else []
    write_at_ends(drawn)
    wrap(drawn)
    notes = drawn.notes
    drawn.notes = [*ranges(network), *shapes, *states, *notes]
    return dot(drawn, view, title, legend=legend), notes, drawn, network


def _as_drawn(of: Tensor | Graph, fold: bool | None, *, numbers: bool) -> tuple[Graph, list[str]]:
    """Return the graph to draw, with packed signals taken apart, and the notes on this graph."""
    if isinstance(of, Graph):
        if any(node.kind in (Kind.GAIN, Kind.MATRIX) or node.transposed for node in of.nodes
               if node.kind is not Kind.HOLD):  # fmt: skip
            raise UsageError('draw: found an adjoint network; draw the graph with view="adjoint"')
        if fold is None:
            return split_sums(unpack(of)), []
        recorded, current = of, True
    else:
        recorded, current = _graph_of(check_recorded("draw", of), numbers)
        recorded = condense(recorded)
    network, reason = fold_for_reading(recorded, fold, 1, current)
    return split_sums(share_data(join_data(network))), [
        f"unrolled, since {reason}"
    ] if reason else []


def _graph_of(of: Tensor, numbers: bool) -> tuple[Graph, bool]:
    """Return the recorded graph, and whether the leaves still have the recorded numbers."""
    try:
        return graph(of), True
    except ChangedError:
        if numbers:
            raise
        return structure(of), False


def _signals(network: Graph, step: int | None) -> tuple[dict[int, Any], dict[int, Any]]:
    """Return every signal and every δ by its wire: at one step, or at all steps if None."""
    adjoint = network.adjoint()
    back = adjoint.evaluate(everything=True)
    δ = {
        wire: back[signal.name] for wire, signal in enumerate(adjoint.wires) if signal.name in back
    }
    δ |= {wire: δ[of] for wire, of in adjoint.continued.items() if of in δ}
    forward = {wire: signal.value for wire, signal in enumerate(network.wires)}
    if step is None:
        return forward, δ
    loops = {
        wire: node.loop for node in network.nodes if node.folded for wire in node.outputs
        if node.kind is not Kind.COLLECT and not node.transposed and node.loop is not None
    }  # fmt: skip
    if not loops and not isinstance(step, Integral):
        raise ArgumentError(
            f"draw: there is no step {excerpt(step)}, and there are no steps; take True"
        )
    if loops and step is True:
        raise UsageError("draw: say of which step to write the values, as in values=0")
    for wire, loop in loops.items():
        steps = network.loops[loop].steps
        if not isinstance(step, Integral) or step not in steps:
            raise ArgumentError(
                f"draw: there is no step {excerpt(step)}; the steps are {steps[0]} to {steps[-1]}"
            )
        forward[wire] = forward[wire][steps.index(step)]
        if wire in δ:
            δ[wire] = δ[wire][steps.index(step)]
    return forward, δ


def in_notebook(shown: Graph) -> str | None:
    """Return a graph's picture; None for an adjoint network, or a graph too large to be of use."""
    if len(shown.nodes) > MOST_SHOWN:
        return None
    try:
        return draw(shown)._repr_svg_()
    except UsageError:
        return None
