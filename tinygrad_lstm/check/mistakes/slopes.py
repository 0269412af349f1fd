"""The slope of a function: missing, twice, at another signal, or of a wrong form.

Knows graphs and the table's rules, which it runs at other signals and with slips in them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np

from ...engine.kind import Kind
from ...engine.primitives import abs, cos, exp, log, relu, sigmoid, sign, sin, softplus, sqrt, tanh
from ...engine.symbol import Symbol
from ...network.flow import Node
from .likelihood import UNRELATED
from .mistake import Mistake
from .networks import Networks
from .products import at_other_steps
from .slips import slips
from .substitutes import Substitute, omit, substitutions

# the functions of one signal that people take for each other
CONFUSED = (exp, log, sqrt, sin, cos, tanh, sigmoid, softplus, relu, abs, sign)


def wrong_slopes(nets: Networks) -> Iterator[Mistake]:
    """Leave a derivative out, apply it twice, at another signal, or in a wrong form."""
    for node, function, port in nets.ways(Kind.GAIN, through=Kind.ELEMENTWISE):
        group = f"{function.scope}: {function.operation.name}"
        with np.errstate(all="ignore"):
            wrong = _wrong_slopes(nets, node, function, port)
            for mistake in substitutions(nets, node, wrong, group):
                if not mistake.change.is_none or mistake.kind == "derivative missing":
                    yield mistake  # else the rule does not ask for what was taken wrongly


def wrong_reductions(nets: Networks) -> Iterator[Mistake]:
    """Leave the derivative of a reduction out, or give it a wrong form."""
    for node, passed, port in nets.ways(Kind.JACOBIAN, through=Kind.REDUCTION):
        f, x, y = passed.operation.name, passed.inputs[0], passed.outputs[0]
        rule, axis = passed.operation.rules[port], passed.parameters.get("axis")
        derivative = f"the derivative of {f}"
        ones = np.ones_like(node.gain)
        several = [
            omit("derivative missing", derivative, nets.makes(node), ones, ""),
            Substitute(kind="derivative of wrong form", says=f"{nets.source(x).name} itself stands "
                       f"where {derivative} belongs", wrong=nets.source(x).name,
                       gain=nets.value(x)),
        ]  # fmt: skip
        with np.errstate(all="ignore"), suppress(TypeError):  # the rule asks for more than numbers
            values = [] if node.folded else [nets.value(x), nets.value(y)]
            along = partial(_along, rule, axis)
            for word, gain in slips(along, *values) if values else ():
                if np.shape(gain) == np.shape(node.gain):
                    several.append(Substitute(kind="derivative of wrong form", says=f"{derivative} "
                                              f"has the wrong form: {word}", wrong=word, gain=gain,
                                              group=word))  # fmt: skip
        yield from substitutions(nets, node, several, f"{passed.scope}: {f}")


def _along(rule: Any, axis: Any, x: Any, y: Any) -> Any:
    return rule(x, y, axis)


def _wrong_slopes(nets: Networks, node: Node, function: Node, port: int) -> Iterator[Substitute]:
    primitive, right, where = function.operation, str(node.label), nets.makes(node)
    rule = primitive.rules[port]
    assert rule is not None
    f, name, is_unary = primitive.name, function.name, len(function.inputs) == 1
    xs = [nets.value(wire) for wire in function.inputs]
    y = nets.value(function.outputs[0])
    inputs = [nets.source(wire).name for wire in function.inputs]
    derivative = f"the derivative of {f}" + ("" if is_unary else f" by {inputs[port]}")

    yield omit("derivative missing", derivative, where, np.ones_like(y), "")
    yield Substitute(kind="function for derivative", says=f"{f} itself stands where its "
                     "derivative belongs", wrong=name, gain=y, group="")  # fmt: skip
    yield Substitute(kind="derivative twice", says=f"{derivative} is applied twice",
                     wrong=f"({right})²", gain=np.square(node.gain), group="")  # fmt: skip
    yield from _slips(node, rule, derivative, [*xs, y], [*inputs, name])
    if is_unary:
        yield Substitute(kind="derivative at the output", says=f"{derivative} is taken at its "
                         f"output {name}, not at its input", wrong=f"{f}′({name})",
                         gain=rule(y, primitive.forward(y)), group="")  # fmt: skip
        yield Substitute(kind="input for output", says=f"{inputs[0]} stands where {name} belongs "
                         f"in {derivative}", wrong=f"{right} with {inputs[0]} for {name}",
                         gain=rule(*xs, xs[0]), group="")  # fmt: skip
        yield Substitute(kind="derivative of a power", says=f"{derivative} is that of a power",
                         wrong=f"{inputs[0]} "
                         f"∘ {f}({inputs[0]} - 1)", gain=xs[0] * primitive.forward(xs[0] - 1),
                         group="")  # fmt: skip
        for g in CONFUSED:
            slope = g.rules[0]
            assert slope is not None
            yield Substitute(kind="another function's derivative", says="the derivative of "
                             f"{g.name} stands where that of {f} belongs", wrong=f"{g.name}′",
                             gain=slope(xs[0], y), group=g.name, distance=UNRELATED)  # fmt: skip
    yield from at_other_steps(nets, node)
    for signal, value, distance in nets.alike(function.outputs[0]):
        other = signal.name
        if is_unary and np.shape(value) == np.shape(xs[0]):
            yield Substitute(kind="derivative at another signal", says=f"{derivative} is taken at "
                             f"{other}, not at {inputs[0]}", wrong=f"{f}′({other})",
                             gain=rule(value, primitive.forward(value)),
                             distance=distance)  # fmt: skip
        for at, stood in enumerate([*inputs, name]):
            operands = [*xs, y]
            if np.shape(operands[at]) == np.shape(value):
                operands[at] = value
                yield Substitute(kind="derivative at another signal", says=f"{other} stands where "
                                 f"{stood} belongs in {derivative}", wrong=f"{right} with {other} "
                                 f"for {stood}", gain=rule(*operands),
                                 distance=distance)  # fmt: skip


def _slips(
    node: Node, rule: Any, derivative: str, values: list[Any], symbols: list[str]
) -> Iterator[Substitute]:
    """Yield the gains that slips in a rule give."""
    try:
        numbers = list(slips(rule, *values))
        formulas = list(slips(rule, *map(Symbol, symbols)))
    except TypeError:  # it compares, or asks for more than numbers
        return
    if len(numbers) != len(formulas):  # it writes other operations than it computes
        return
    for (word, gain), (_, wrong) in zip(numbers, formulas, strict=True):
        if np.shape(gain) == np.shape(node.gain):
            yield Substitute(kind="derivative of wrong form", says=f"{derivative} has the wrong "
                             f"form: {word}", wrong=str(wrong), gain=gain, group=word)  # fmt: skip
