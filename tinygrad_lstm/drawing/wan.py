"""A skeleton as DOT text, in the style of Wan and Beaufays.

Knows skeletons; running the layout program is `render`'s business. The network and its adjoint are
laid out alike, so that every part of the one stands where it stands in the other: arrows are turned
by `dir=back` alone, and every size is that of the longer of the two texts. A delay stands just
before what it leads to, and the arrow into it is the one long way back.
"""

from __future__ import annotations

from itertools import cycle, pairwise
from typing import Any

import graphviz

from .frames import Frame
from .legend import below, says_gradients_at_arrows
from .rows import SMALL
from .skeleton import Arc, Label, Role, Skeleton, Sort, Vertex, is_way_back
from .text import AT_USE, FACTOR, FONT, MONO, escape, join_lines, label_id, label_size, size
from .turns import ROW_MARGIN

Place = tuple[int, int | None]  # a vertex, or an arc and which of its labels

INK, DELTA, MARK = "#202124", "#b3261e", "#f9a825"
CARRIES = "#00695c", "#3949ab", "#6a1b9a", "#5d4037"  # a colour for each delay and its lines
# the look of a vertex by its role, where it is no white box
BOXES: dict[Role, dict[str, str]] = {
    Role.FUNCTION: {"style": "filled,rounded", "fillcolor": "#e6f4ea"},
    Role.MODULE: {"style": "filled,rounded", "fillcolor": "#e6f4ea"},
    Role.BOX: {"fillcolor": "#f1f3f4"},
    Role.DELAY: {"fillcolor": "#e0f2f1", "penwidth": "1.6", "fontsize": "12"},
    Role.GAP: {"style": "filled,dashed", "color": "#5f6368", "fontcolor": "#5f6368"},
    Role.ALIAS: {"fillcolor": "#fff8e1", "color": "#bf9000", "fontsize": "10"},
    Role.END: {"shape": "plaintext", "style": "", "fontsize": "13"},
}
GIVEN = {"shape": "box", "style": "filled", "fillcolor": "#fff8e1", "color": "#bf9000"}
FRAME = {
    "color": "#9aa0a6", "fontsize": "12", "margin": "10", "fontcolor": "#5f6368",
    "labeljust": "l", "labelloc": "b",
}  # fmt: skip
NARROW = {"fontsize": "10", "margin": "3"}  # of the frames in rows
CIRCLE = "0.26"  # inches across a junction, a product and a branch point
THICK = "1.8"  # points across the line of a value that is carried over a step
AT_DOT = "nonenormal"  # an arrowhead that keeps away from the middle of a dot
DOTS: dict[str, dict[Role, str]] = {
    "forward": {Role.BRANCH: "●"},
    "adjoint": {Role.SUM: "●", Role.PRODUCT: "◆", Role.MATMUL: "◆"},
}
GAINS = {  # the look of a factor: a parameter, or what the network computes
    Sort.WEIGHT: {"fillcolor": "#fff8e1"}, Sort.GAIN: {"fillcolor": "white"},
}  # fmt: skip
SIGNS = {Role.SUM: "Σ", Role.BRANCH: "Σ", Role.PRODUCT: "×", Role.MATMUL: "@"}


def dot(drawn: Skeleton, view: str, title: str = "", *, legend: bool = True) -> str:
    """Return the DOT text of a picture: one graph, or two of the same layout.

    Parameters
    ----------
    drawn : Skeleton
    view : "forward", "adjoint" or "both"
    title : str
    legend : bool
    """
    if view == "both":  # under the other, the legend serves both
        return dot(drawn, "forward", title, legend=False) + dot(
            drawn, "adjoint", title, legend=legend
        )
    return _View(drawn, view).text(title, legend)


class _View:
    def __init__(self, drawn: Skeleton, view: str) -> None:
        self.drawn, self.view, self.adjoint = drawn, view, view == "adjoint"
        self.ink = DELTA if self.adjoint else INK
        self.has_gradients = says_gradients_at_arrows(drawn)
        self.beside: dict[int, list[int]] = {}  # the parameters and constants of a vertex
        for arc in drawn.arcs:
            tail, head = drawn.vertices[arc.tail], drawn.vertices[arc.head]
            if tail.role is Role.ALIAS and head.role is not Role.DELAY and not arc.labels:
                self.beside.setdefault(arc.head, []).append(arc.tail)
        self.idle = self._idle()
        delays = [at for at, vertex in enumerate(drawn.vertices) if vertex.role is Role.DELAY]
        self.carries = dict(zip(delays, cycle(CARRIES), strict=False))
        self.titled: set[tuple[str, ...]] = set()  # the frames that have their title
        self.repeated = {number for beside in self.beside.values() for number in beside}

    def text(self, title: str, legend: bool) -> str:
        """Write the vertices in their frames, and the arcs."""
        graph = graphviz.Digraph(
            name=self.view,
            graph_attr={
                "rankdir": "LR", "fontname": MONO, "fontsize": "8.5" if self.drawn.rows else "10",
                "nodesep": "0.15" if self.drawn.rows else "0.25",
                "ranksep": "0.06" if self.drawn.rows else "0.3",  # rows are for narrow pages
                "bgcolor": "white", "newrank": "true", "labelloc": "b",
                "labeljust": "l", "fontcolor": "#3c4043",
                "label": below(self.drawn) if legend else "",
            },
            node_attr={"fontname": FONT, "fontsize": "11", "margin": "0", "color": INK},
            edge_attr={"fontname": MONO, "fontsize": "10", "arrowsize": "0.6"},
        )  # fmt: skip
        subject = "adjoint network" if self.adjoint else "network"
        with graph.subgraph(name=f"cluster_{self.view}") as page:
            page.attr(label=escape(f"{title}: {subject}" if title else subject), color="none",
                      fontname=FONT, fontsize="14", labeljust="l", labelloc="t",
                      fontcolor=self.ink)  # fmt: skip
            if not self.drawn.rows:
                self._row(page, 0)
            for row in range(max(self.drawn.rows, default=-1) + 1):
                with page.subgraph(name=f"{page.name}_row{row}") as line:
                    line.attr(label="", color="none", margin=f"{ROW_MARGIN:g}")
                    self._row(line, row)
            for number, arc in enumerate(self.drawn.arcs):
                self._arc(page, number, arc)
        return str(graph.source)

    def _idle(self) -> set[int]:
        """Return the sums and branch points that nothing is added at, and nothing branches off."""
        ways = [0] * len(self.drawn.vertices)
        for arc in self.drawn.arcs:
            if arc.is_live or not self.adjoint:
                ways[arc.tail] += 1
                ways[arc.head] += 1
        vertices = enumerate(self.drawn.vertices)
        return {at for at, vertex in vertices if vertex.role in SIGNS and ways[at] == 2}

    def _row(self, graph: Any, row: int) -> None:
        """Write the vertices of a row, and the labels on the arcs to them, in their frames."""
        rows = self.drawn.rows or [0] * len(self.drawn.vertices)
        frames: Frame[Place] = Frame()
        for number, vertex in enumerate(self.drawn.vertices):
            if rows[number] == row:
                frames.at(vertex.scope).contents.append((number, None))
        for number, arc in enumerate(self.drawn.arcs):
            for at, label in enumerate(arc.labels):
                if rows[arc.tail if at < arc.turn else arc.head] == row:
                    frames.at(label.scope).contents.append((number, at))
        frames.write(graph, graph.name, self._put, self.titled, (),
                     **(FRAME | NARROW if self.drawn.rows else FRAME))  # fmt: skip

    def _id(self, number: int) -> str:
        return f"{self.view[0]}{number}"

    # --- vertices --------------------------------------------------------------------------------

    def _put(self, graph: Any, places: list[Place]) -> None:
        for number, at in places if graph.name.count("_") == 1 else reversed(places):
            beside = self.beside.get(number, [])
            if at is not None:
                self._put_label(graph, number, at)
            elif beside:
                self._together(graph, [number, *beside])
            elif number not in self.repeated:
                graph.node(self._id(number), **self._look(number))

    def _put_label(self, graph: Any, number: int, at: int) -> None:
        """Write a label, and beside a weight the equation of its gradient."""
        arc, identity = self.drawn.arcs[number], self._label_ids(number)[at]
        label = arc.labels[at]
        if not (label.gradient and self.has_gradients):
            graph.node(identity, **self._label(arc, label))
            return
        width, _ = label_size((label.gradient,))
        is_seen = self.adjoint and arc.is_live
        with graph.subgraph(name=f"cluster_{identity}") as pair:
            pair.attr(color="none", label="", margin="1")
            with pair.subgraph() as same:
                same.attr(rank="same")
                same.node(identity, **self._label(arc, label))
                same.node(
                    label_id(identity, 0), label=escape(label.gradient) if is_seen else "",
                    shape="plaintext", fontsize="9", fontcolor=self.ink, width=width,
                    height="0.01", fixedsize="true",
                )  # fmt: skip

    def _look(self, number: int) -> dict[str, str]:
        vertex = self.drawn.vertices[number]
        look = self._circle(vertex.role) if vertex.role in SIGNS else self._box(vertex)
        if self.adjoint and vertex.is_still:
            look |= {"color": "none", "fillcolor": "none", "fontcolor": "none"}
        if number in self.idle:  # the line is drawn through it
            look |= {"label": "", "color": "none", "fontname": MONO}
        if number in self.carries:
            look["color"] = self.carries[number]
        if vertex.is_marked:
            look |= {"color": MARK, "penwidth": "3"}
        return look

    def _circle(self, role: Role) -> dict[str, str]:
        """Return the look of a junction, a product or a branch point, all of one size."""
        look = {"shape": "circle", "width": CIRCLE, "height": CIRCLE, "fixedsize": "true"}
        if role in DOTS[self.view]:
            return {**look, "label": DOTS[self.view][role], "color": "none",
                    "fontsize": "7" if role in (Role.SUM, Role.BRANCH) else "10"}  # fmt: skip
        return {**look, "label": SIGNS[role], "fontsize": "13"}

    def _box(self, vertex: Vertex) -> dict[str, str]:
        role, lines = vertex.role, vertex.adjoint if self.adjoint else vertex.forward
        width, height = size(vertex.forward, vertex.adjoint, large=role is Role.END)
        look = {
            "label": join_lines(lines), "width": width, "height": height, "fixedsize": "true",
            "shape": "box", "style": "filled", "fillcolor": "white",
        }  # fmt: skip
        look |= BOXES[role] | ({"fontcolor": self.ink} if role is Role.END else {})
        look |= GIVEN if vertex.is_parameter else {}
        look |= {"comment": AT_USE} if vertex.is_parameter or role is Role.ALIAS else {}
        return self._narrow(look)

    def _together(self, graph: Any, numbers: list[int]) -> None:
        """Write a vertex, and beside it the parameters and constants that belong to it."""
        with graph.subgraph(name=f"cluster_{self._id(numbers[0])}") as pair:
            pair.attr(color="none", label="", margin="1")
            with pair.subgraph() as same:
                same.attr(rank="same")
                for number in numbers:
                    same.node(self._id(number), **self._look(number))

    # --- arcs ------------------------------------------------------------------------------------

    def _arc(self, graph: Any, number: int, arc: Arc) -> None:
        """Write an arc as lines from label to label, from its tail to its head."""
        tail = self.drawn.vertices[arc.tail]
        stops = [self._id(arc.tail), *self._label_ids(number), self._id(arc.head)]
        ends = {0: arc.tail, len(stops) - 1: arc.head}
        pointed = 0 if self.adjoint else len(stops) - 1
        at = list(range(len(stops)))
        if self._is_way_back(arc):  # turned round, so that the delay stands left
            at.reverse()
        for one, other in pairwise(at):
            look = self._line(arc, min(one, other))
            if tail.role is Role.END and not tail.scope and one == 0 and not self.drawn.rows:
                look["minlen"] = "2" if arc.labels else "3"  # to stand left of what is in a frame
            if self._is_way_back(arc) and other == len(stops) - 2:
                look["weight"] = "0"  # labels stand near the tail
            if arc.turn and one == arc.turn:
                look["constraint"] = "false"
            elif arc.turn and one > arc.turn + 1:
                look["weight"] = "4"  # labels stand near the head
            for end, side, stop in (("tail", "e", one), ("head", "w", other)):
                if stop not in ends:
                    look[f"{end}port"] = side
                elif self._is_dot(ends[stop]):
                    look[f"{end}clip"] = "false"
            nearer = min(one, other) if self.adjoint else max(one, other)
            if nearer not in ends and self._is_factor(arc, arc.labels[nearer - 1]):
                look |= {"dir": "back"} if nearer == one else {}
            elif pointed in (one, other):
                end = "tail" if pointed == one else "head"
                look |= {"dir": "back"} if end == "tail" else {}
                if ends[pointed] in self.idle:
                    look[f"arrow{end}"] = "none"
                elif self._is_dot(ends[pointed]):
                    look[f"arrow{end}"] = AT_DOT
            else:
                look["dir"] = "none"
            graph.edge(stops[one], stops[other], **look)

    def _line(self, arc: Arc, at: int) -> dict[str, str]:
        """Return the look of the line behind some of the labels of an arc."""
        tail, head = self.drawn.vertices[arc.tail], self.drawn.vertices[arc.head]
        gains = [
            number for number, label in enumerate(arc.labels)
            if label.sort is not Sort.NAME and any(self._words(arc, label))
        ]  # fmt: skip
        is_before, is_after = all(at <= gain for gain in gains), all(at > gain for gain in gains)
        # a value carried over a step, before or behind which it is multiplied
        is_carry = (tail.role is Role.DELAY and is_before) or (is_way_back(tail, head) and is_after)
        delay = arc.tail if tail.role is Role.DELAY and is_before else arc.head
        look = {"color": arc.color or (self.carries[delay] if is_carry else self.ink)}
        if is_carry:
            look["penwidth"] = THICK
        if arc.is_marked:
            look["color"] = MARK
        if self.adjoint and not arc.is_live:
            look["color"] = "none"
        return look

    def _is_factor(self, arc: Arc, label: Label) -> bool:
        """Return whether a label is a wedge or a box that is seen, into which an arrow points."""
        return label.sort is not Sort.NAME and any(self._words(arc, label))

    def _is_way_back(self, arc: Arc) -> bool:
        """Return whether an arc leads back to a delay, left of what it leads to, in its row."""
        tail, head = self.drawn.vertices[arc.tail], self.drawn.vertices[arc.head]
        return is_way_back(tail, head) and not arc.turn

    def _is_dot(self, number: int) -> bool:
        return number in self.idle or self.drawn.vertices[number].role in DOTS[self.view]

    def _label_ids(self, number: int) -> list[str]:
        count = len(self.drawn.arcs[number].labels)
        return [label_id(self._id(number), at) for at in range(count)]

    def _words(self, arc: Arc, label: Label) -> list[str]:
        """Return what is to be seen of a label."""
        lines = label.adjoint if self.adjoint else label.forward
        return [line for line in lines if line] if arc.is_live or not self.adjoint else [""]

    def _label(self, arc: Arc, label: Label) -> dict[str, str]:
        """Return the look of a label: a name is written in the line, a factor in a wedge.

        A factor that multiplies entry by entry is in a round box, which points nowhere.
        """
        lines = self._words(arc, label)
        is_name = label.sort is Sort.NAME
        width, height = label_size(
            label.forward,
            label.adjoint,
            is_pointed=not (is_name or label.works_by_entry),
            is_mono=is_name,
        )
        look = {
            "label": join_lines(lines), "width": width, "height": height, "fixedsize": "true",
            "fontname": MONO if is_name or not any(lines) else FONT, "fontsize": "10",
            "fontcolor": self.ink, "shape": "plaintext",
        }  # fmt: skip
        look |= {} if is_name else {"comment": FACTOR}
        if not is_name and any(lines):
            look |= {"style": "filled", **GAINS[label.sort], "color": self.ink}
            if label.works_by_entry:
                look |= {"shape": "box", "style": "filled,rounded"}
            else:
                points_left = self.adjoint != self._is_way_back(arc)
                look |= {"shape": "trapezium", "orientation": "90" if points_left else "-90"}
        if arc.is_marked and any(lines):
            look |= {"color": MARK, "penwidth": "3"}
        return self._narrow(look)

    def _narrow(self, look: dict[str, str]) -> dict[str, str]:
        """Return the look of a text in smaller letters if the picture has rows."""
        if not self.drawn.rows:
            return look
        width, height = (f"{float(look[side]) * SMALL:.2f}" for side in ("width", "height"))
        letters = float(look.get("fontsize", "11")) * SMALL
        return {**look, "width": width, "height": height, "fontsize": f"{letters:g}"}
