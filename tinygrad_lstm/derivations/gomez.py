"""A numerical example of an LSTM's backward pass: every printed number, and its equation.

A. Gomez, "Backpropogating an LSTM: a numerical example", Medium, 19 April 2016. One hidden unit,
two inputs, two steps, the loss ½ (out - label)² at each step, one step of gradient descent.
out_t forks into the loss and into the next step; Δ_t and Δout_t are the gradients that flow back
through these two branches. δa_t … δo_t are gradients of the gates' net inputs, not of the gates.

19 of the 66 printed numbers differ from the exact numbers, rounded, by up to 2.1e-5. The author
carried five digits from line to line, and 18 of the 19 follow from the numbers printed before them.
One does not: W_f[0] new is printed .70031, but the author's own .00316 gives .700316, and the exact
number is .7003153.

Errata of the text: δb = Σ δgates_{t+1} should read δgates_t. Δout_{-1} is labelled gates_1 but
computed, rightly, from gates_0. W_g is printed as a column and used as a row. δU lacks the term
δgates_0 ⊗ out_{-1}, which is right only because out_{-1} = 0. The label 1.25 cannot be reached,
since |out| < 1. The example cannot show a transposed U (one hidden unit), the terms in out_{-1} and
state_{-1} (both 0), nor a sum over a batch (there is no batch).

Imports NumPy alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .numerical import sigma

GATES = "aifo"
GIVEN: dict[str, Any] = {
    "W_a": (0.45, 0.25), "W_i": (0.95, 0.8), "W_f": (0.7, 0.45), "W_o": (0.6, 0.4),
    "U_a": 0.15, "U_i": 0.8, "U_f": 0.1, "U_o": 0.25,
    "b_a": 0.2, "b_i": 0.65, "b_f": 0.15, "b_o": 0.1,
    "x_0": (1.0, 2.0), "x_1": (0.5, 3.0), "label_0": 0.5, "label_1": 1.25, "lr": 0.1,
    "out_-1": 0.0, "state_-1": 0.0,
}  # fmt: skip

# the author's digits
PRINTED = {
    "a_0": "0.81775", "i_0": "0.96083", "f_0": "0.85195", "o_0": "0.81757",
    "state_0": "0.78572", "out_0": "0.53631",
    "a_1": "0.84980", "i_1": "0.98118", "f_1": "0.87030", "o_1": "0.84993",
    "state_1": "1.5176", "out_1": "0.77197",
    "Δ_1": "-0.47803", "Δout_1": "0", "δout_1": "-0.47803", "δstate_1": "-0.07111",
    "δa_1": "-0.01938", "δi_1": "-0.00112", "δf_1": "-0.00631", "δo_1": "-0.05538",
    "δx_1[0]": "-0.04743", "δx_1[1]": "-0.03073", "Δout_0": "-0.01828",
    "Δ_0": "0.03631", "Δout_0 (used)": "-0.01828", "δout_0": "0.01803", "δstate_0": "-0.05349",
    "δa_0": "-0.01703", "δi_0": "-0.00165", "δf_0": "0", "δo_0": "0.00176",
    "δx_0[0]": "-0.00817", "δx_0[1]": "-0.00487", "Δout_-1": "-0.00343",
    "δW_a[0]": "-0.02672", "δW_a[1]": "-0.0922", "δU_a": "-0.01039", "δb_a": "-0.03641",
    "δW_i[0]": "-0.00221", "δW_i[1]": "-0.00666", "δU_i": "-0.00060", "δb_i": "-0.00277",
    "δW_f[0]": "-0.00316", "δW_f[1]": "-0.01893", "δU_f": "-0.00338", "δb_f": "-0.00631",
    "δW_o[0]": "-0.02593", "δW_o[1]": "-0.16262", "δU_o": "-0.02970", "δb_o": "-0.05362",
    "W_a[0] new": "0.45267", "W_a[1] new": "0.25922", "U_a new": "0.15104", "b_a new": "0.20364",
    "W_i[0] new": "0.95022", "W_i[1] new": "0.80067", "U_i new": "0.80006", "b_i new": "0.65028",
    "W_f[0] new": "0.70031", "W_f[1] new": "0.45189", "U_f new": "0.10034", "b_f new": "0.15063",
    "W_o[0] new": "0.60259", "W_o[1] new": "0.41626", "U_o new": "0.25297", "b_o new": "0.10536",
}  # fmt: skip

Values = Mapping[str, Any]
Formula = Callable[[Values], Any]


def _sum_over_gates(term: Callable[[str], Any]) -> Any:
    return sum(term(gate) for gate in GATES)


def _step_formulas(t: int) -> dict[str, Formula]:
    """Return the equations of one step, by the names of their results."""
    before, after = t - 1, t + 1

    def net(v: Values, g: str) -> Any:
        x, W = v[f"x_{t}"], v[f"W_{g}"]
        return W[0] * x[0] + W[1] * x[1] + v[f"U_{g}"] * v[f"out_{before}"] + v[f"b_{g}"]

    def carry(v: Values) -> Any:
        return v[f"δstate_{after}"] * v[f"f_{after}"] if t == 0 else 0.0

    from_next = "Δout_0 (used)" if t == 0 else "Δout_1"
    forward: dict[str, Formula] = {
        f"a_{t}": lambda v: np.tanh(net(v, "a")),
        f"i_{t}": lambda v: sigma(net(v, "i")),
        f"f_{t}": lambda v: sigma(net(v, "f")),
        f"o_{t}": lambda v: sigma(net(v, "o")),
        f"state_{t}": lambda v: v[f"a_{t}"] * v[f"i_{t}"] + v[f"f_{t}"] * v[f"state_{before}"],
        f"out_{t}": lambda v: np.tanh(v[f"state_{t}"]) * v[f"o_{t}"],
    }
    backward: dict[str, Formula] = {
        f"Δ_{t}": lambda v: v[f"out_{t}"] - v[f"label_{t}"],
        from_next: lambda v: v["Δout_0"] if t == 0 else 0.0,
        f"δout_{t}": lambda v: v[f"Δ_{t}"] + v[from_next],
        f"δstate_{t}": lambda v: (
            v[f"δout_{t}"] * v[f"o_{t}"] * (1 - np.tanh(v[f"state_{t}"]) ** 2) + carry(v)
        ),
        f"δa_{t}": lambda v: v[f"δstate_{t}"] * v[f"i_{t}"] * (1 - v[f"a_{t}"] ** 2),
        f"δi_{t}": lambda v: v[f"δstate_{t}"] * v[f"a_{t}"] * v[f"i_{t}"] * (1 - v[f"i_{t}"]),
        f"δf_{t}": lambda v: (
            v[f"δstate_{t}"] * v[f"state_{before}"] * v[f"f_{t}"] * (1 - v[f"f_{t}"])
        ),
        f"δo_{t}": lambda v: (
            v[f"δout_{t}"] * np.tanh(v[f"state_{t}"]) * v[f"o_{t}"] * (1 - v[f"o_{t}"])
        ),
        f"δx_{t}[0]": lambda v: _sum_over_gates(lambda g: v[f"W_{g}"][0] * v[f"δ{g}_{t}"]),
        f"δx_{t}[1]": lambda v: _sum_over_gates(lambda g: v[f"W_{g}"][1] * v[f"δ{g}_{t}"]),
        f"Δout_{before}": lambda v: _sum_over_gates(lambda g: v[f"U_{g}"] * v[f"δ{g}_{t}"]),
    }
    return forward | backward


def _weight_formulas(g: str) -> dict[str, Formula]:
    return {
        f"δW_{g}[0]": lambda v: v[f"δ{g}_0"] * v["x_0"][0] + v[f"δ{g}_1"] * v["x_1"][0],
        f"δW_{g}[1]": lambda v: v[f"δ{g}_0"] * v["x_0"][1] + v[f"δ{g}_1"] * v["x_1"][1],
        f"δU_{g}": lambda v: v[f"δ{g}_1"] * v["out_0"],
        f"δb_{g}": lambda v: v[f"δ{g}_0"] + v[f"δ{g}_1"],
        f"W_{g}[0] new": lambda v: v[f"W_{g}"][0] - v["lr"] * v[f"δW_{g}[0]"],
        f"W_{g}[1] new": lambda v: v[f"W_{g}"][1] - v["lr"] * v[f"δW_{g}[1]"],
        f"U_{g} new": lambda v: v[f"U_{g}"] - v["lr"] * v[f"δU_{g}"],
        f"b_{g} new": lambda v: v[f"b_{g}"] - v["lr"] * v[f"δb_{g}"],
    }


_ALL = _step_formulas(0) | _step_formulas(1)
for _gate in GATES:
    _ALL |= _weight_formulas(_gate)
FORMULAS: dict[str, Formula] = {name: _ALL[name] for name in PRINTED}


def evaluate(inputs: Values | None = None) -> dict[str, Any]:
    """Evaluate every equation from the exact values.

    Parameters
    ----------
    inputs : mapping, optional
        Numbers instead of ``GIVEN``, real or complex.

    Returns
    -------
    dict of the 66 names of ``PRINTED``, and ``loss``
    """
    values: dict[str, Any] = dict(inputs or GIVEN)
    exact = {}
    for name, formula in FORMULAS.items():
        values[name] = exact[name] = formula(values)
    exact["loss"] = 0.5 * exact["Δ_0"] ** 2 + 0.5 * exact["Δ_1"] ** 2
    return exact


def follow(name: str) -> float:
    """Evaluate one equation from the numbers that the author printed."""
    numbers = {key: float(digits) for key, digits in PRINTED.items()}
    return float(FORMULAS[name](GIVEN | numbers))


def judge(name: str, exact: float) -> str:
    """Compare a printed number with the exact number.

    Returns
    -------
    str
        ``right`` if the exact number rounds to the printed number; ``rounded on the way`` if the
        printed number follows from the numbers that the author printed before; else ``wrong``.
    """
    digits = len(PRINTED[name].partition(".")[2])
    number, half_unit = float(PRINTED[name]), 0.5 * 10.0**-digits
    if abs(number - exact) <= half_unit:
        return "right"
    return "rounded on the way" if abs(number - follow(name)) <= half_unit * (1 + 1e-9) else "wrong"


__all__ = ["FORMULAS", "GATES", "GIVEN", "PRINTED", "evaluate", "follow", "judge"]


def __dir__() -> list[str]:
    return sorted(__all__)
