"""Pictures for other programs: TikZ for LaTeX, and Mermaid for pages that draw it themselves.

Knows the SVG that a layout program writes. TikZ takes every coordinate from there; Mermaid lays out
the same nodes and arrows anew.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element, fromstring

from ..formulas.derivation_latex import words
from .text import is_label

SVG = "{http://www.w3.org/2000/svg}"
HEAD = r"""\documentclass{article}
\usepackage[T1]{fontenc}
\usepackage{lmodern}
\usepackage{amssymb}
\usepackage[paperwidth=%gbp,paperheight=%gbp,margin=0pt]{geometry}
\usepackage{tikz}
\pagestyle{empty}
\setlength{\parindent}{0pt}
\begin{document}
"""
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")
NAMED = {"white": (255, 255, 255), "black": (0, 0, 0)}
ANCHORS = {"start": "base west", "middle": "base", "end": "base east"}


def tikz(svg: bytes) -> bytes:
    """Return a picture as a document in LaTeX, drawn by TikZ at the places of the SVG.

    A figure for another document is what stands between ``\\begin{tikzpicture}`` and its end.
    """
    root = fromstring(svg)
    scaled = re.search(r'transform="scale\(([\d.]+)', svg.decode())  # of a picture made smaller
    scale = float(scaled[1]) if scaled else 1.0
    width, height = (float(x) / scale for x in root.get("viewBox", "0 0 1 1").split()[2:])
    lines = [HEAD % (width + 2, height + 2) + r"\begin{tikzpicture}[x=1bp,y=1bp]"]
    for group in root.findall(f"{SVG}g"):
        moved = re.search(r"translate\(([^)]*)\)", group.get("transform", ""))
        x, y = map(float, re.split(r"[ ,]+", moved[1].strip())) if moved else (0.0, 0.0)
        lines.append(rf"\begin{{scope}}[shift={{({x:g},{height - y:g})}}]")
        lines += [line for element in group.iter() for line in _drawn(element)]
        lines.append(r"\end{scope}")
    return "\n".join([*lines, r"\end{tikzpicture}", r"\end{document}", ""]).encode()


def mermaid(svg: bytes) -> bytes:
    """Return the nodes and the arrows of a picture as a flowchart in Mermaid."""
    root = fromstring(svg)
    known: dict[str, str] = {}
    lines = ["flowchart LR"]
    labels: dict[str, str] = {}
    for group in _groups(root, "node"):
        name, text = group.findtext(f"{SVG}title") or "", _mermaid_text(group)
        if is_label(name):
            is_wedge = group.find(f"{SVG}polygon") is not None
            labels[name] = f"▷ {text}" if is_wedge and text else text
        else:
            known[name] = f"n{len(known)}"
            lines.append(f'  {known[name]}["{text or " "}"]')
    for stops, points_back in _arrows(root):
        texts = [labels[stop] for stop in stops[1:-1] if labels.get(stop)]
        if points_back:  # an arrow that was laid out against its direction
            stops, texts = stops[::-1], texts[::-1]
        tail, head, label = known.get(stops[0]), known.get(stops[-1]), "<br>".join(texts)
        if tail and head:
            lines.append(f"  {tail} -->" + f'|"{label}"|' * bool(label) + f" {head}")
    return "\n".join([*lines, ""]).encode()


def _arrows(root: Element) -> Iterator[tuple[list[str], bool]]:
    """Return the nodes along each arrow, the labels in it among them, and whether it points back.

    An arrow is drawn as lines from label to label.
    """
    behind: dict[str, tuple[str, bool]] = {}  # the next node of a label, and as below
    starts = []
    for group in _groups(root, "edge"):
        ends = (group.findtext(f"{SVG}title") or "").split("->")
        tail, head = (end.partition(":")[0] for end in (ends[0], ends[-1]))
        points_back = _points_back(group)
        if is_label(tail):
            behind[tail] = head, points_back
        else:
            starts.append((tail, head, points_back))
    for tail, head, points_back in starts:
        stops = [tail, head]
        while stops[-1] in behind:
            following, turns = behind[stops[-1]]
            stops.append(following)
            points_back |= turns
        yield stops, points_back


def _groups(root: Element, kind: str) -> Iterator[Element]:
    return (group for group in root.iter(f"{SVG}g") if kind in group.get("class", "").split())


def _points_back(group: Element) -> bool:
    """Return whether the head of an arrow is at the beginning of its line."""
    line, head = group.find(f"{SVG}path"), group.find(f"{SVG}polygon")
    if line is None or head is None:
        return False
    corners, ends = _numbers(head.get("points", "")), _numbers(line.get("d", ""))
    middle = complex(sum(corners)) / len(corners)
    return abs(ends[0] - middle) < abs(ends[-1] - middle)


def _numbers(points: str) -> list[complex]:
    """Return the points of a line, as complex numbers."""
    numbers = list(map(float, NUMBER.findall(points)))
    return [complex(x, y) for x, y in zip(numbers[::2], numbers[1::2], strict=True)]


def _mermaid_text(group: Element) -> str:
    """Return what is written in a group, in which no sign is one of Mermaid's or of HTML's."""
    texts = ("".join(text.itertext()).strip() for text in group.iter(f"{SVG}text"))
    return "<br>".join(
        re.sub(r"[#\"&<>`|\\\[\]{}]", lambda sign: f"#{ord(sign[0])};", text.replace("\xa0", " "))
        for text in texts
        if text
    )


# --- elements of an SVG as TikZ -----------------------------------------------------------------


def _drawn(element: Element) -> Iterator[str]:
    """Return the TikZ of one element."""
    kind = element.tag.removeprefix(SVG)
    if kind in ("polygon", "polyline"):
        points = re.findall(r"(\S+),(\S+)", element.get("points", ""))
        yield from _path(element, " -- ".join(_point(*point) for point in points))
    elif kind == "path":
        yield from _path(element, _curve(element.get("d", "")))
    elif kind == "ellipse":
        at = _point(element.get("cx", "0"), element.get("cy", "0"))
        yield from _path(element, rf"{at} ellipse ({element.get('rx')} and {element.get('ry')})")
    elif kind == "text" and "".join(element.itertext()).strip():
        text = words("".join(element.itertext()).strip())
        size = float(element.get("font-size", "10"))
        face = r"\ttfamily" if "Mono" in element.get("font-family", "") else r"\sffamily"
        font = rf"\fontsize{{{size:g}}}{{{size:g}}}\selectfont{face}"
        anchor = ANCHORS[element.get("text-anchor", "start")]
        colour = _colour(element.get("fill", "black"))
        at = _point(element.get("x", "0"), element.get("y", "0"))
        style = f"anchor={anchor},inner sep=0pt,font={font}" + f",text={colour}" * bool(colour)
        yield rf"\node[{style}] at {at} {{{text}}};"


def _path(element: Element, path: str) -> Iterator[str]:
    options = []
    for option, name, default in (("fill", "fill", "black"), ("draw", "stroke", "none")):
        colour = _colour(element.get(name, default))
        if colour:
            options.append(f"{option}={colour}")
    if not options or not path:
        return
    width = element.get("stroke-width")
    options.append(f"line width={float(width or 1):g}bp")
    if element.get("stroke-dasharray"):
        on, off, *_ = [*NUMBER.findall(element.get("stroke-dasharray", "")), "3", "3"]
        options.append(f"dash pattern=on {on}bp off {off}bp")
    yield rf"\path[{','.join(options)}] {path};"


def _curve(path: str) -> str:
    """Return the path of an SVG that is made of one move and of cubic curves."""
    numbers = NUMBER.findall(path)
    points = [_point(x, y) for x, y in zip(numbers[::2], numbers[1::2], strict=True)]
    curves = (
        f" .. controls {one} and {two} .. {end}"
        for one, two, end in zip(points[1::3], points[2::3], points[3::3], strict=True)
    )
    return "".join(points[:1]) + "".join(curves)


def _point(x: str, y: str) -> str:
    return f"({float(x):g},{-float(y):g})"


def _colour(text: str) -> str:
    """Return a colour as TikZ takes it; nothing for one that cannot be seen."""
    if text in ("none", "transparent"):
        return ""
    digits = re.fullmatch(r"#([0-9a-fA-F]{6})([0-9a-fA-F]{2})?", text)
    if digits and digits[2] == "00":
        return ""
    rgb = tuple(bytes.fromhex(digits[1])) if digits else NAMED.get(text, (0, 0, 0))
    red, green, blue = rgb
    return f"{{rgb,255:red,{red};green,{green};blue,{blue}}}"
