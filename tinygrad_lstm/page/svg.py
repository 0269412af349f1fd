"""A picture as it stands in a page: small, without a look of its own, each part with its number.

Knows the SVG that a layout program writes, and how the parts of a picture are called there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from xml.etree import ElementTree as ET

NAMESPACE = "http://www.w3.org/2000/svg"
TAG = f"{{{NAMESPACE}}}"
NUMBER = re.compile(r"-?\d+\.\d+")
STOP = re.compile(r"([fa])(\d+)((?:_\d+)*)(?::\w+)?")
KEPT = {  # attributes of a shape, besides its colours
    "path": ("d",), "polygon": ("points",), "polyline": ("points",),
    "ellipse": ("cx", "cy", "rx", "ry"), "text": ("x", "y", "text-anchor", "font-size"),
}  # fmt: skip
COLORS = ("fill", "stroke", "stroke-width", "stroke-dasharray")
UNSEEN = (None, "none", "transparent", "#fffffe")  # the last one is Graphviz' word for none
TALL = 0.8  # height for width of a picture whose adjoint network stands beside the network
GAP, MARGIN = 20.0, 4.0  # points

Box = tuple[float, float, float, float]


def trim(svg: str, arcs: Mapping[tuple[int, int], int]) -> str:
    """Return the SVG of a picture for a page.

    Each part of the picture is a group: of the class ``v`` (a vertex), ``a`` (an arc), ``l`` (a
    label on an arc) or ``m`` (a frame), with ``data-p``, ``v`` or ``a`` and its number, and
    ``data-s``, ``f`` in the network and ``a`` in the adjoint network.

    Parameters
    ----------
    svg : str
    arcs : mapping of (tail, head) to the number of an arc
        Of the arcs without labels, whose ends alone are said.
    """
    root = ET.fromstring(svg)
    frame = root.find(f"{TAG}g")
    assert frame is not None
    boxes = {name: _box(frame, f"cluster_{name}") for name in ("forward", "adjoint")}
    first, second = boxes["forward"], boxes["adjoint"]
    left, top, right, bottom = _around([box for box in boxes.values() if box is not None])
    move = ""
    if first and second and bottom - top > TALL * (right - left):  # the adjoint stands to the right
        move = f"translate({first[2] - second[0] + GAP:g} {first[1] - second[1]:g})"
        right = first[2] + GAP + second[2] - second[0]
        bottom = first[1] + max(first[3] - first[1], second[3] - second[1])
    around = left - MARGIN, top - MARGIN, right - left + 2 * MARGIN, bottom - top + 2 * MARGIN
    whole = ET.Element("svg", {"viewBox": " ".join(f"{x:.5g}" for x in around), "class": "net"})
    sides = {"f": ET.SubElement(whole, "g")}
    sides["a"] = ET.SubElement(whole, "g", {"transform": move} if move else {})
    for group in frame.iter(f"{TAG}g"):
        if group is not frame:
            own = _group(group, arcs)
            if len(own):
                sides[own.get("data-s", "f")].append(own)
    return ET.tostring(whole, "unicode")


def _box(frame: ET.Element, title: str) -> Box | None:
    """Return the corners of a frame: left, top, right, bottom."""
    for group in frame.iter(f"{TAG}g"):
        if group.findtext(f"{TAG}title") == title:
            for shape in group.iter(f"{TAG}polygon"):
                points = [x.split(",") for x in shape.get("points", "").split()]
                xs, ys = ([float(point[axis]) for point in points] for axis in (0, 1))
                return min(xs), min(ys), max(xs), max(ys)
    return None


def _around(boxes: list[Box]) -> Box:
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    return min(lefts), min(tops), max(rights), max(bottoms)


def _group(group: ET.Element, arcs: Mapping[tuple[int, int], int]) -> ET.Element:
    look = _identity(group, arcs)
    own = ET.Element("g", look)
    for shape in group.iter():
        kind = shape.tag.removeprefix(TAG)
        if kind not in KEPT or (look.get("class") == "m" and not _is_frame(shape, kind)):
            continue
        if kind != "text" and shape.get("fill") in UNSEEN and shape.get("stroke") in UNSEEN:
            continue
        kept = {name: _round(shape.get(name, "")) for name in KEPT[kind] if name in shape.attrib}
        kept |= {name: shape.get(name, "") for name in COLORS if name in shape.attrib}
        if kind == "text":
            if shape.get("fill", "black") in UNSEEN:
                continue
            if "Mono" in shape.get("font-family", ""):
                kept["class"] = "c"
        ET.SubElement(own, kind, kept).text = shape.text if kind == "text" else None
    return own


def _is_frame(shape: ET.Element, kind: str) -> bool:
    return kind == "text" or shape.get("stroke") not in UNSEEN


def _identity(group: ET.Element, arcs: Mapping[tuple[int, int], int]) -> dict[str, str]:
    """Return the class of a group, and the number of its part."""
    kind, _, ends = group.get("class", "").partition(" ")
    title = group.findtext(f"{TAG}title") or ""
    if kind == "cluster":
        words = group.findtext(f"{TAG}text")
        side = "a" if "adjoint" in title else "f"
        return {"class": "m", "data-s": side, **({"data-m": words} if words else {})}
    stops = [STOP.fullmatch(stop) for stop in re.split(r"->|--", ends or title)]
    known = [stop for stop in stops if stop is not None]
    if not known:
        return {}
    side = known[0][1]
    labels = [int(stop[2]) for stop in known if stop[3]]
    if kind == "edge":
        pair = int(known[0][2]), int(known[-1][2])
        number = labels[0] if labels else arcs.get(pair, arcs.get(pair[::-1], -1))
        return {"class": "a b" if ends else "a", "data-p": f"a{number}", "data-s": side}
    if labels:
        return {"class": "l", "data-p": f"a{labels[0]}", "data-l": known[0][3].split("_")[1],
                "data-s": side}  # fmt: skip
    return {"class": "v", "data-p": f"v{known[0][2]}", "data-s": side}


def _round(text: str) -> str:
    return NUMBER.sub(lambda number: f"{float(number[0]):.1f}".removesuffix(".0"), text)
