"""The slope of a function: missing, twice, at another signal, or of a wrong form.

Knows graphs and the table's rules, which it runs at other signals and with slips in them.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np

from ...engine.kind import Kind
from ...engine.primitives import abs, cos, exp, log, relu, sigmoid, sign, sin, softplus, sqrt, tanh
from ...engine.symbol import Symbol
from ...network.flow import Node
from .changes import Change, Edit
from .likelihood import UNRELATED
from .mistake import Mistake
from .networks import Networks
from .products import at_other_steps
from .slips import lost_brackets as slips_of_brackets
from .slips import slips
from .substitutes import Substitute, omit, substitutions

# the functions of one signal that people take for each other
CONFUSED = (exp, log, sqrt, sin, cos, tanh, sigmoid, softplus, relu, abs, sign)


def wrong_slopes(nets: Networks) -> Iterator[Mistake]:
    """Leave a derivative out, apply it twice, at another signal, or in a wrong form."""
    for node, function, port in nets.ways(Kind.GAIN, through=Kind.ELEMENTWISE):
        group = f"{function.scope}: {function.operation.name}"
        roles = _roles(nets, function)
        with np.errstate(all="ignore"):
            wrong = (
                x if x.group is None else x._replace(group=tuple(f"{r}{x.group}" for r in roles))
                for x in _wrong_slopes(nets, node, function, port)
            )
            for mistake in substitutions(nets, node, wrong, group):
                if not mistake.change.is_none or mistake.kind == "derivative missing":
                    yield mistake  # else the rule does not ask for what was taken wrongly


def lost_brackets(nets: Networks) -> Iterator[Mistake]:
    """Lose the bracket around a derivative: δ · 1 - y², where δ (1 - y²) belongs."""
    for node, function, port in nets.ways(Kind.GAIN, through=Kind.ELEMENTWISE):
        rule, where = function.operation.rules[port], nets.makes(node)
        wires = (*function.inputs, function.outputs[0])
        names = [Symbol(nets.source(wire).name) for wire in wires]
        several = []
        with np.errstate(all="ignore"), suppress(TypeError):  # it asks for more than numbers
            assert rule is not None
            numbers = list(slips_of_brackets(rule, *map(nets.value, wires)))
            formulas = list(slips_of_brackets(rule, *names))
            several = (
                list(zip(numbers, formulas, strict=True)) if len(numbers) == len(formulas) else []
            )
        for (factor, rest), (name, other) in several:
            factors, shift = (np.broadcast_to(x, np.shape(node.gain)) for x in (factor, rest))
            wrong = f"δ ∘ {name} + {other}"
            groups = [g for r in _roles(nets, function) for g in nets.everywhere_alike(node, r)]
            yield Mistake(kind="bracket lost", where=where, says=f"the bracket of {node.label} is "
                          f"lost: {wrong} stands where δ ∘ ({node.label}) belongs",
                          right=str(node.label), wrong=wrong, groups=tuple(groups),
                          change=Change.by(node, _multiply_and_add(factors, shift)))  # fmt: skip


def _multiply_and_add(factor: Any, shift: Any) -> Edit:
    def edit(now: Node, wire: int) -> list[Node]:
        product = now.copy(outputs=(wire,), gain=factor)
        return [product, now.copy(inputs=(wire,), gain=shift, scale=operator.add)]

    return edit


def wrong_masks(nets: Networks) -> Iterator[Mistake]:
    """Take the mask of a slope from δ itself, or give its two values to the wrong entries."""
    for node, function, port in nets.ways(Kind.GAIN, through=Kind.ELEMENTWISE):
        gain, where, right = np.asarray(node.gain, float), nets.makes(node), str(node.label)
        values, others = np.unique(gain), [nets.leaf(x) for x in function.inputs]
        is_unary = all(x and x.kind is Kind.CONSTANT for at, x in enumerate(others) if at != port)
        if not is_unary or not 0 < len(values) < 3 or not np.all(np.isfinite(values)):
            continue
        groups, name = nets.everywhere_alike(node, function.operation.name), function.name
        if len(values) == 2:
            low, high = values[0], values[1]
            one, other = (f"{size:g}" for size in (high, low))
            yield Mistake(kind="mask of the wrong side", where=where, says=f"the mask of "
                          f"{name} has {one} for {other}, and {other} for {one}", right=right,
                          wrong=f"{one} for {other}, {other} for {one}",
                          groups=tuple(f"{group}: reversed" for group in groups),
                          change=Change.to(node, gain=low + high - gain))  # fmt: skip
            if low:
                yield Mistake(kind="mask of the wrong side", where=where, says=f"the slope of "
                              f"{name} is 0 where {other} belongs", right=right,
                              wrong=f"0 for {other}",
                              groups=tuple(f"{group}: cut" for group in groups),
                              change=Change.to(node, gain=np.where(gain == low, 0.0, gain))
                              )  # fmt: skip
        if np.all((gain == 0) | (gain == 1)) and len(function.inputs) == 1:
            for slip, wrong, says, scale in (
                ("of δ", "[δ > 0]", f"the mask of {name} is where δ is positive, not {right}",
                 _positive_part),
                ("of both", f"{right} ∘ [δ > 0]", f"the mask of {name} is where δ is positive, "
                 f"too, not only {right}", _positive_part_of_mask),
            ):  # fmt: skip
                yield Mistake(kind="mask of the wrong side", where=where, says=says, right=right,
                              wrong=wrong, groups=tuple(f"{group}: {slip}"
                              for group in groups), change=Change.to(node, scale=scale)
                              )  # fmt: skip


def _positive_part(x: Any, gain: Any) -> Any:
    return x * (x > 0)


def _positive_part_of_mask(x: Any, gain: Any) -> Any:
    return x * gain * (x > 0)


def _roles(nets: Networks, function: Node) -> tuple[str, ...]:
    """Return the roles of a function, as prefixes of groups: of which others it has the slips."""
    if len(function.inputs) > 1:
        return (f"{function.operation.name}: ",)
    net = nets.source(function.inputs[0])
    parts = [nets.source(wire) for wire in net.inputs] if net.kind is Kind.JUNCTION else [net]
    is_of_net = any(
        part.kind is Kind.BILINEAR and any(nets.leaf(wire) is not None for wire in part.inputs)
        for part in parts
    )
    return ("", "net input: ") if is_of_net else ("",)


def wrong_reductions(nets: Networks) -> Iterator[Mistake]:
    """Leave the derivative of a reduction out, or give it a wrong form."""
    for node, passed, port in nets.ways(Kind.JACOBIAN, through=Kind.REDUCTION):
        f, x, y = passed.operation.name, passed.inputs[0], passed.outputs[0]
        rule, axis = passed.operation.rules[port], passed.parameters.get("axis")
        derivative = f"the derivative of {f}"
        ones = np.ones_like(node.gain)
        several = [
            omit("derivative missing", derivative, nets.makes(node), ones, f"{f}: "),
            Substitute(kind="derivative of wrong form", says=f"δ is shared out evenly over the "
                       f"entries, where {derivative} belongs", wrong="1/n",
                       gain=ones * (np.size(nets.value(y)) / np.size(nets.value(x)))),
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
        yield Substitute(kind="derivative at another signal", says=f"{derivative} is taken at "
                         f"−{inputs[0]}, not at {inputs[0]}", wrong=f"{f}′(−{inputs[0]})",
                         gain=rule(-xs[0], primitive.forward(-xs[0])), group="")  # fmt: skip
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
                                 f"for {stood}", gain=rule(*operands), distance=distance,
                                 is_number=signal.kind is Kind.CONSTANT)  # fmt: skip


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
    for (word, value), (_, wrong) in zip(numbers, formulas, strict=True):
        gain = value.value if isinstance(value, Symbol) else value  # a named number, such as π
        if gain is not None and np.shape(gain) == np.shape(node.gain):
            yield Substitute(kind="derivative of wrong form", says=f"{derivative} has the wrong "
                             f"form: {word}", wrong=str(wrong), gain=gain, group=word)  # fmt: skip
