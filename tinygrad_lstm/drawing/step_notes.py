"""The notes below a picture on its steps: which k there are, and what varies by no rule.

Knows graphs and their reader.
"""

from __future__ import annotations

from ..engine.kind import Kind
from ..engine.symbol import bare
from ..formulas.reader import Reader
from ..network.graph import Graph
from ..network.loop_borders import has_own_name
from ..network.parameters import varying
from .labels import label


def ranges(network: Graph) -> list[str]:
    """Return a note on the steps that k runs over, in each loop that is folded."""
    texts: dict[str, None] = {}
    for node in network.nodes:
        if node.folded and node.loop is not None:
            steps, scope = network.loops[node.loop]
            texts[f"k = {steps[0]} … {steps[-1]}" + f" in {scope}" * bool(scope)] = None
    alike = {text.partition(" in ")[0] for text in texts}
    return [f"steps: {'; '.join(texts if len(alike) > 1 else alike)}"] if texts else []


def values_by_step(network: Graph) -> list[str]:
    """Return the source of each tap with a name of its own, and the values of varying parameters.

    A value that the text of a formula tells by a rule of the step k is not listed.
    """
    reader = Reader(network, lambda wire, _: network.wires[wire].name.partition(" → ")[0])
    notes = []
    for node in network.nodes:
        for parameter in varying(node.parameters):
            is_named = node.kind is Kind.TAP or node.is_named
            note = node.name if is_named else label(reader.formula(node))
            is_read = node.kind is Kind.TAP and has_own_name(node, network.source(node.inputs[0]))
            if is_read:
                note += f" = {reader.signal(node.inputs[0])}[{bare(str(parameter))}]"
            if not parameter.is_explicit:
                note += f": {parameter.list_values()}"
            if is_read or not parameter.is_explicit:
                notes.append(note)
    return notes
