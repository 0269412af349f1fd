"""The slope of a function, taken wrongly.

Knows graphs and the table's rules, which it runs at other signals and with slips in them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np

from ...engine.kind import Kind
from ...engine.primitives import TABLE
from ...engine.symbol import Symbol
from ...network.flow import Node
from .likelihood import UNRELATED
from .mistake import Mistake
from .products import at_other_steps
from .scene import Instead, Scene
from .slips import slips

OF_ONE = {  # the slopes of functions of one signal
    each.name: each.rules[0]
    for each in TABLE.values()
    if each.kind is Kind.ELEMENTWISE and len(each.rules) == 1 and each.rules[0] is not None
}


def wrong_slopes(scene: Scene) -> Iterator[Mistake]:
    """Leave a derivative out, apply it twice, take it at another signal or in a wrong form."""
    for node, function, port in scene.ways(Kind.GAIN, through=Kind.ELEMENTWISE):
        assert function.primitive is not None
        kin = f"{function.scope}: {function.primitive.name}"
        with np.errstate(all="ignore"):
            for each in scene.instead(node, _instead(scene, node, function, port), kin):
                if not each.change.is_none or each.what == "derivative missing":
                    yield each  # else the rule does not ask for what was taken wrongly


def reductions(scene: Scene) -> Iterator[Mistake]:
    """Leave the derivative of a reduction out, or take it in a wrong form."""
    for node, passed, port in scene.ways(Kind.JACOBIAN, through=Kind.REDUCTION):
        assert passed.primitive is not None
        f, x, y = passed.primitive.name, passed.inputs[0], passed.outputs[0]
        rule, axis = passed.primitive.rules[port], passed.parameters.get("axis")
        derivative = f"the derivative of {f}"
        several = [Instead("derivative missing", f"{derivative} is left out on the way to "
                           f"δ{scene.makes(node)}", "1", np.ones_like(node.gain), "")]  # fmt: skip
        several.append(Instead("derivative of wrong form", f"{scene.source(x).name} itself stands "
                               f"where {derivative} belongs", scene.source(x).name,
                               scene.value(x)))  # fmt: skip
        with np.errstate(all="ignore"), suppress(TypeError):  # the rule asks for more than numbers
            values = [] if node.folded else [scene.value(x), scene.value(y)]
            along = partial(_along, rule, axis)
            for word, gain in slips(along, *values) if values else ():
                if np.shape(gain) == np.shape(node.gain):
                    several.append(Instead("derivative of wrong form", f"{derivative} has the "
                                           f"wrong form, {word}", word, gain, word))  # fmt: skip
        yield from scene.instead(node, several, f"{passed.scope}: {f}")


def _along(rule: Any, axis: Any, x: Any, y: Any) -> Any:
    return rule(x, y, axis)


def _instead(scene: Scene, node: Node, function: Node, port: int) -> Iterator[Instead]:
    assert function.primitive is not None
    primitive, right, where = function.primitive, str(node.label), scene.makes(node)
    rule = primitive.rules[port]
    assert rule is not None
    f, name, is_unary = primitive.name, function.name, len(function.inputs) == 1
    xs = [scene.value(wire) for wire in function.inputs]
    y = scene.value(function.outputs[0])
    inputs = [scene.source(wire).name for wire in function.inputs]
    derivative = f"the derivative of {f}" + ("" if is_unary else f" by {inputs[port]}")

    yield Instead("derivative missing", f"{derivative} is left out on the way to δ{where}", "1",
                  np.ones_like(y), "")  # fmt: skip
    yield Instead("function for derivative", f"{f} itself stands where its derivative belongs",
                  name, y, "")  # fmt: skip
    yield Instead("derivative twice", f"{derivative} is applied twice", f"({right})²",
                  np.square(node.gain), "")  # fmt: skip
    yield from _slipped(node, rule, derivative, [*xs, y], [*inputs, name])
    if is_unary:
        yield Instead("derivative at the output", f"{derivative} is taken at its output {name}, "
                      "not at its input", f"{f}′({name})", rule(y, primitive.forward(y)),
                      "")  # fmt: skip
        yield Instead("input for output", f"{inputs[0]} stands where {name} belongs in "
                      f"{derivative}", f"{right} with {inputs[0]} for {name}",
                      rule(*xs, xs[0]), "")  # fmt: skip
        yield Instead("derivative of a power", f"{derivative} is taken as if it were a power",
                      f"{inputs[0]} ∘ {f}({inputs[0]} - 1)",
                      xs[0] * primitive.forward(xs[0] - 1), "")  # fmt: skip
        for g, slope in OF_ONE.items():
            yield Instead("another function's derivative", f"the derivative of {g} stands where "
                          f"that of {f} belongs", f"{g}′", slope(xs[0], y), g,
                          UNRELATED)  # fmt: skip
    yield from at_other_steps(scene, node)
    for signal, value, distance in scene.alike(function.outputs[0]):
        other = signal.name
        if is_unary and np.shape(value) == np.shape(xs[0]):
            yield Instead("derivative at another signal", f"{derivative} is taken at {other}, not "
                          f"at {inputs[0]}", f"{f}′({other})",
                          rule(value, primitive.forward(value)), None, distance)  # fmt: skip
        for at, stood in enumerate([*inputs, name]):
            operands = [*xs, y]
            if np.shape(operands[at]) == np.shape(value):
                operands[at] = value
                yield Instead("derivative at another signal", f"{other} stands where {stood} "
                              f"belongs in {derivative}", f"{right} with {other} for {stood}",
                              rule(*operands), None, distance)  # fmt: skip


def _slipped(
    node: Node, rule: Any, derivative: str, values: list[Any], symbols: list[str]
) -> Iterator[Instead]:
    """Yield what comes of the slips that can be made in a rule."""
    try:
        numbers = list(slips(rule, *values))
        spelled = list(slips(rule, *map(Symbol, symbols)))
    except TypeError:  # it compares, or asks for more than numbers
        return
    for (word, gain), (_, wrong) in zip(numbers, spelled, strict=True):
        if np.shape(gain) == np.shape(node.gain):
            yield Instead("derivative of wrong form", f"{derivative} has the wrong form, {word}",
                   str(wrong), gain, word)  # fmt: skip
