"""The pictures of a page, and the numbers on every arrow.

Knows pictures, networks and the signals of the page. There is a picture for each choice of the
modules that are drawn as boxes, and one of the first and the last steps, one below the other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import chain, combinations
from typing import Any

import numpy as np

from ..drawing.draw import draw_parts
from ..drawing.gaps import DRAWS_ALL
from ..drawing.legend import legend_texts
from ..drawing.marks import total
from ..drawing.render import rendered
from ..drawing.skeleton import Arc, Role, Skeleton, Sort, Vertex, within
from ..engine.kind import Kind
from ..engine.tensor import Tensor
from ..network.flow import DELAYS
from ..network.graph import Graph
from .gradients import Gradients, norms
from .series import entries, grouped
from .signals import PageSignals
from .svg import trim

MOST_MODULES = 3  # of which every choice has a picture; of more, each opens alone
MOST_PICTURES = 12
MOST_BOXES = 400  # of the pictures in which one module is open, together
MOST_DRAWN = 300  # vertices of a picture in which equal blocks are drawn each by itself
ONCE, ENDS, STEPS = "equal blocks once", "first and last steps", "step by step"
MOST_UNROLLED = 3000  # nodes of a network that is drawn step by step
MOST_ON_ARROW = 512  # entries, at all steps, that an arrow says one by one
AT_STEP = re.compile(r"\[(\d+)\]$")
BY = re.compile(r"\(k([-+−]\d+)\)$")
AT_ANY_STEP = re.compile(r"\(k(?:[-+−]\d+)?\)$")
# nodes that are called like the signal that they hand on
PASSING = (Kind.BRANCH, Kind.BROADCAST, Kind.TAP, Kind.HOLD)


class Pictures:
    """The pictures of a loss.

    Parameters
    ----------
    loss : Tensor
    signals : PageSignals
    view : "both" or "forward"
    """

    def __init__(self, loss: Tensor, signals: PageSignals, view: str) -> None:
        self.signals, self.view = signals, view
        self.notes: list[str] = []
        _, _, skeleton, network = draw_parts(loss, view, None)
        marks, remarks = legend_texts(skeleton)
        is_whole = view == "both"  # else what is said of the adjoint network is an answer
        self.marks = marks if is_whole else [row[:2] for row in marks]
        self.remarks = remarks if is_whole else []
        once, _, skeleton, _ = draw_parts(network, view, None, legend=False)
        every, _, whole, _ = draw_parts(network, view, None, every_step=True, legend=False)
        arrows = _Arrows(network, whole, signals)
        self.modules = _modules(whole)
        self.choices = self._each_alone() if len(self.modules) > MOST_MODULES else self.modules
        is_timeless = all(x.step is None or x.step[1] is None for x in whole.vertices)
        has_blocks = len(whole.vertices) > len(skeleton.vertices)
        short = ENDS if network.loops else ONCE
        self.data = [self._picture(once, skeleton, arrows, short)] if has_blocks else []
        if len(whole.vertices) <= MOST_DRAWN or not has_blocks:
            self.data.append(self._picture(every, whole, arrows, open=self.modules))
        for opened in self._openings():
            dot, _, skeleton, _ = draw_parts(  # with every module in it, which can then be opened
                network, view, None, every_step=is_timeless, depth=0, opened=opened, legend=False
            )
            self.data.append(self._picture(dot, skeleton, arrows, open=[*opened]))
        count = sum(
            len(network.loops[node.loop].steps) if node.loop is not None and node.folded else 1
            for node in network.nodes
        )
        if network.folded and count <= MOST_UNROLLED:
            self._add_steps(loss)
        elif network.folded:
            self.notes.append(f"The network step by step has {count} elements, and is not drawn.")

    def _each_alone(self) -> list[str]:
        """Return the modules that open alone, where they are too many for every choice."""
        count = max(1, min(MOST_PICTURES - 1, MOST_BOXES // len(self.modules)))
        alone = self.modules[:count]
        if len(alone) < len(self.modules):
            self.notes.append(
                f"Of {len(self.modules)} modules, the first {len(alone)} open one by one."
            )
        return alone

    def _openings(self) -> Iterator[tuple[str, ...]]:
        """Yield which modules are open, but for all of them."""
        modules = self.modules
        if not modules:
            return
        if len(modules) <= MOST_MODULES:
            several = chain.from_iterable(combinations(modules, n) for n in range(len(modules)))
            for opened in several:
                if all(_parent(x, modules) in (None, *opened) for x in opened):
                    yield opened
            return
        yield ()
        for module in self.choices:
            yield tuple(x for x in modules if module == x or module.startswith(f"{x}."))

    def _add_steps(self, loss: Tensor) -> None:
        dot, notes, skeleton, network = draw_parts(loss, self.view, False, legend=False)
        arrows = _Arrows(network, skeleton, self.signals)
        self.data.append(self._picture(dot, skeleton, arrows, STEPS))
        self.notes += [f"{STEPS.capitalize()}: {note.removesuffix(DRAWS_ALL)}." for note in notes]

    def _picture(
        self, dot: str, skeleton: Skeleton, arrows: _Arrows, name: str = "", *,
        open: list[str] | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        """Return a picture: of some open modules, or of another kind, which has a name."""
        arcs = {(arc.tail, arc.head): at for at, arc in enumerate(skeleton.arcs)}
        return {
            "name": name, "open": open, "svg": trim(rendered(dot, "svg").decode(), arcs),
            "vertices": [self._vertex(vertex) for vertex in skeleton.vertices],
            "arcs": [
                {**arrows.data(arc), "after": _words(skeleton.vertices[arc.tail])}
                for arc in skeleton.arcs
            ],
        }  # fmt: skip

    def _vertex(self, vertex: Vertex) -> dict[str, Any]:
        signal, step = place_of(vertex.name, self.signals)
        data: dict[str, Any] = {"signal": signal, "says": _words(vertex)}
        if step is None and vertex.step is not None:
            step = vertex.step[1]
        if step is not None:
            data["step"] = step
        if vertex.role is Role.MODULE:
            data["module"] = vertex.name
        return data


def _words(vertex: Vertex) -> str:
    return " ".join(filter(None, vertex.forward)) or str(vertex.role)


def place_of(name: str, signals: PageSignals) -> tuple[int, int | None]:
    """Return the place of the signal of a name, and its step if the name says one; -1 if none."""
    places = signals.by_name
    if name in places:
        return places[name], None
    step = AT_STEP.search(name)
    stem = name[: step.start()] if step else AT_ANY_STEP.sub("", name)
    place = places.get(f"{stem}(k)", places.get(stem, -1))
    return place, int(step[1]) if step and place >= 0 else None


def _modules(skeleton: Skeleton) -> list[str]:
    """Return the modules of a picture, an outer one before those in it."""
    scopes = [within(vertex.scope)[1] for vertex in skeleton.vertices]
    paths = {scope[:end]: None for scope in scopes for end in range(1, len(scope) + 1)}
    return [".".join(path) for path in sorted(paths, key=len)]


def _parent(module: str, modules: Sequence[str]) -> str | None:
    inside = [x for x in modules if module.startswith(f"{x}.")]
    return max(inside, key=len, default=None)


class _Arrows:
    """What every arrow of a network carries."""

    def __init__(self, network: Graph, drawn: Skeleton, signals: PageSignals) -> None:
        self.network, self.signals, self.table = network, signals, signals.table
        self.maker, self.user = network.maker, network.user
        self.δ: dict[int, np.ndarray] = {}
        self.gradients: Gradients | None = None
        if signals.answers:
            wires = {arc.wire for arc in drawn.arcs}
            wires |= {share.wire for arc in drawn.arcs for share in arc.shares}
            self.gradients = Gradients(network, wires)
            self.δ = self.gradients.arrays
        order = {x: n for n, x in enumerate(signals.order)}
        self.order = order

    def data(self, arc: Arc) -> dict[str, Any]:
        """Return what an arrow carries, when it is computed, and what is computed from it."""
        maker = self.maker[arc.wire]
        signal, step = place_of(arc.name, self.signals)
        source = self._source(arc.wire)
        data: dict[str, Any] = {
            "signal": signal, "source": source, "users": self._users(arc.wire),
            "labels": [self._label(arc, label) for label in arc.labels],
        }  # fmt: skip
        if (by := BY.search(arc.name)) is not None:
            data["by"] = int(by[1].replace("−", "-"))  # the signal is of so many steps later
        if step is not None or maker.step is not None:
            data["step"] = step if step is not None else maker.step
        if arc.weight_name:
            data["weight"] = place_of(arc.weight_name, self.signals)[0]
        if not arc.is_live:
            data["still"] = 1
        if self.signals.answers:
            loop = maker.loop if maker.is_timed else None
            count = None if loop is None else len(self.network.loops[loop].steps)
            data["loop"] = -1 if loop is None else loop
            data["value"] = self._numbers(self.network.wires[arc.wire].value, count)
            if arc.is_live:
                back = total(arc, self.δ, None)
                if back is not None:
                    data["delta"] = self._numbers(back, count)
                elif self.gradients and (sizes := self.gradients.sizes(arc.wire)) is not None:
                    data["delta"] = {"size": self.table.add(grouped(sizes, self.signals.group))}
        return data

    def _label(self, arc: Arc, label: Any) -> int:
        """Return the signal that a label stands for: of a weight, the weight."""
        if label.sort is Sort.WEIGHT:
            return place_of(arc.weight_name, self.signals)[0]
        if label.sort is Sort.NAME:
            return place_of(arc.name, self.signals)[0]
        return -1

    def _numbers(self, value: Any, count: int | None) -> dict[str, Any]:
        data: dict[str, Any] = {
            "size": self.table.add(grouped(norms(value, count), self.signals.group))
        }
        if np.size(value) <= MOST_ON_ARROW:
            data["map"] = entries(self.table, value, count, MOST_ON_ARROW)
        return data

    def _source(self, wire: int) -> int:
        """Return the signal after which an arrow's number is known; -1 if it is known before."""
        latest, stack, known = -1, [wire], set[int]()
        while stack:
            wire = stack.pop()
            if wire in known:
                continue
            known.add(wire)
            node = self.maker[wire]
            place, _ = place_of(node.name, self.signals)
            if node.kind in DELAYS:
                continue
            if place in self.order and node.kind not in PASSING:
                if self.order[place] > self.order.get(latest, -1):
                    latest = place
            else:
                stack.extend(node.inputs)
        return latest

    def _users(self, wire: int) -> list[int]:
        """Return the signals that are computed from an arrow's at the same step."""
        users, stack, known = dict[int, None](), [wire], set[int]()
        while stack:
            wire = stack.pop()
            node = self.user.get(wire)
            if wire in known or node is None or node.kind in DELAYS:
                continue
            known.add(wire)
            place, _ = place_of(node.name, self.signals)
            if place in self.order and node.kind not in PASSING:
                users[place] = None
            else:
                stack.extend(node.outputs)
        return [*users]
