"""Graphs laid out one by one, and put one above the other.

Knows DOT text alone. Each is laid out by itself, so that graphs of one skeleton come out alike.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial

from .bridges import bridge
from .clearance import with_room, without_room
from .joints import join_lines_to_names
from .steepen import steepen
from .turns import put_in_rows, without_turns

SLIDE = '"20,1000"'  # inches; a picture that is wider is made smaller as a whole
NUMBER = r"(-?[\d.]+(?:e[+-]?\d+)?)"


def lay_out(dot: str, format: str, engine: str, program: Callable[[str, str, str], bytes]) -> bytes:
    """Return the graphs of a DOT text as one picture.

    Parameters
    ----------
    dot, format, engine : str
    program : function of these three for one graph; of the format ``places`` it returns DOT text
    """
    graphs = graphs_in(dot)
    if engine != "dot" or (len(graphs) < 2 and "port=" not in dot):  # nothing is in a line
        return program(dot, format, engine)
    places = []
    for graph in graphs:
        connected, turns = without_turns(with_room(graph))
        text = program(connected, "places", engine).decode().replace("\\\n", "")
        text = put_in_rows(without_room(text), turns)
        places.append(bridge(steepen(join_lines_to_names(text))))
    picture = stack_graphs(places) if len(places) > 1 else places[0]
    return program(picture.replace("{", f"{{\nsize={SLIDE}\n", 1), format, "nop2")


def graphs_in(dot: str) -> list[str]:
    """Return the graphs of a DOT text, one by one.

    >>> graphs_in("digraph a {\\n}\\ndigraph b {\\n}\\n")
    ['digraph a {\\n}\\n', 'digraph b {\\n}\\n']
    """
    return [graph for graph in re.split(r"(?m)^(?=digraph\b)", dot) if "{" in graph]


def stack_graphs(graphs: Sequence[str]) -> str:
    """Return one graph of several, the first on top, aligned at the left of their first frames.

    Parameters
    ----------
    graphs : DOT texts with places, as a layout program writes them
    """
    graphs = [text.replace("\\\n", "").partition("{")[2] for text in graphs]
    heights = [float(_box(text)[3]) for text in graphs]
    left = [float(_box(text.partition("subgraph")[2])[0]) for text in graphs]
    inside = ""
    for at, graph in enumerate(graphs):
        move = partial(_move, right=max(left) - left[at], up=sum(heights[at + 1 :]))
        moved = re.sub(r'\b(bb|lp|pos)="([^"]*)"', move, graph)
        inside += f"subgraph cluster_{at} {{\ncolor=none\n{moved}"
    return f"digraph {{\nbgcolor=white\n{inside}}}\n"


def _box(text: str) -> list[str]:
    """Return the corners of the first box that a text gives."""
    match = re.search(r'bb="([^"]*)"', text)
    return match[1].split(",") if match else ["0"] * 4


def _move(match: re.Match[str], right: float, up: float) -> str:
    places = re.sub(
        f"{NUMBER},{NUMBER}", lambda xy: f"{float(xy[1]) + right:g},{float(xy[2]) + up:g}", match[2]
    )
    return f'{match[1]}="{places}"'
