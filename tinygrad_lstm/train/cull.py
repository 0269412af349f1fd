"""Culling: weights, units and gates of a network that are not needed, taken out for good.

Knows modules and scores; not how second derivatives are computed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from ..engine.arguments import flag, function, number, of_kind, one_of, whole
from ..engine.gradients import replace_data
from ..engine.place import no_grad
from ..engine.tensor import Tensor
from ..errors import ArgumentError, UsageError
from ..network.signals import signals
from ..nn.equation_module import EquationModule
from ..nn.lstm_equations import OPEN
from ..nn.module import Module
from .cull_checks import check_cost, checked_loss
from .culling import Culling, Row
from .second_order import Surgeon, blocks, diagonals, slopes

METHODS = ("magnitude", "gradient", "obd", "obs")


def cull(
    model: Module,
    by: Literal["magnitude", "gradient", "obd", "obs"] = "magnitude",
    share: float = 0.5,
    *,
    loss: Callable[[], Tensor] | None = None,
    what: Literal["weights", "units", "gates"] = "weights",
    biases: bool = False,
    damping: float = 1e-3,
    trials: int = 0,
) -> Culling:
    """Take out a share of a network's weights, units or gates, those that matter least.

    A culled weight is 0 and stays 0: its parameter has a mask, which training, copies and files
    keep. ``.grad`` and `ledger` have 0 for it; `grad`, `derive` and the adjoint network say how the
    loss would change with it. Layers with frozen parameters keep their units and gates. Train
    between two calls; the share counts what earlier calls took.

    Parameters
    ----------
    model : Module
    by : str
        The cost of a weight w: ``"magnitude"``, |w|; ``"gradient"``, |w ∂L/∂w| (M. Mozer and P.
        Smolensky, NIPS 1, 1989), which says little near a minimum; ``"obd"``, ½ w² ∂²L/∂w² with
        exact second derivatives (Y. LeCun, J. Denker and S. Solla, "Optimal brain damage", NIPS 2,
        1990); ``"obs"``, optimal brain surgeon, which moves the other weights of the parameter
        along (see `Surgeon`).
    share : float in [0, 1)
        Of the weights, the units or the gates that there are.
    loss : () -> Tensor of one number
        Needed by all methods but the magnitude; with it, the change of the loss is measured.
    what : str
        ``"units"`` are those of recurrent layers, with all weights that lead to them and from them
        to the layer; ``"gates"`` are i, f and o of each LSTM, which become 1, and leave the
        network. The cost of a unit is the sum of the costs of its weights, that of a gate follows
        from the slope of the loss by the gate (or, by magnitude, is its mean distance from 1).
    biases : bool
        Whether single biases are culled too.
    damping : float
        Of the surgeon's Hessian.
    trials : int
        How many weights to take out one by one, and to put back, before anything is culled, so that
        predictions can be compared with measurements.

    Returns
    -------
    Culling
        What was culled, and what was predicted and measured.

    Raises
    ------
    UsageError, ArgumentError
        If an argument is wrong, or the network has no such parts; nothing has changed.

    Examples
    --------
    >>> import tinygrad_lstm as tg
    >>> dense = tg.nn.Dense(2, 2, seed=0)
    >>> report = tg.cull(dense, share=0.5)
    >>> dense.W.numpy().round(2), dense.W.mask
    (array([[ 0.  ,  0.  ],
           [-1.12, -1.18]]), array([[False, False],
           [ True,  True]]))
    """
    of_kind("cull", model, Module, "a Module")
    by = one_of("cull: by", by, METHODS)
    what = one_of("cull: what", what, ("weights", "units", "gates"))
    share = number("cull: share", share, 0.0, 1.0)
    damping = number("cull: damping", damping, 1e-12)
    trials, biases = whole("cull: trials", trials, 0), flag("cull: biases", biases)
    if loss is None and (by != "magnitude" or what == "gates" or trials):
        need = "trials" if trials else f"by={by!r}" if by != "magnitude" else "what='gates'"
        raise UsageError(f"cull: {need} needs the loss, as in loss=lambda: … of one number")
    if what == "gates" and by not in ("magnitude", "gradient"):
        raise ArgumentError(f"cull: found by={by!r} of gates, expected 'magnitude' or 'gradient'")
    if what == "units" and by == "obs":
        raise ArgumentError("cull: the surgeon takes weights; for units use 'obd'")
    if loss is not None:
        function("cull: loss", loss, "a function that returns the loss")
        checked_loss(loss())
    run = _Culler(model, by, loss, biases, damping)
    report = run.cull_gates(share) if what == "gates" else run.cull_weights(share, what, trials)
    return report


class _Culler:
    """A network that is being culled: the numbers of all its parameters, one after the other."""

    def __init__(
        self,
        model: Module,
        by: str,
        loss: Callable[[], Tensor] | None,
        biases: bool,
        damping: float,
    ) -> None:
        self.model, self.by, self.loss, self.damping = model, by, loss, damping
        self.all = model.parameters()
        self.parameters = [x for x in self.all if biases or x.ndim > 1]
        if not self.parameters:
            raise UsageError("cull: the network has no weights")

    # --- weights and units ------------------------------------------------------------------------

    def cull_weights(self, share: float, what: str, trials: int) -> Culling:
        if what == "units":
            self.parameters = self.all
        costs, predicted = self._costs()
        for x, cost in zip(self.parameters, costs, strict=True):
            check_cost(x.label(), cost)
        tried = self._try(costs, predicted, trials)
        before = self._value()
        if self.by == "obs":
            masks, new, predicted = self._operate(share)
        else:
            choose = self._choose_units if what == "units" else self._choose_weights
            masks = choose(costs, share)
            new = [np.where(mask, x._array, 0) for mask, x in zip(masks, self.parameters)]
        taken = [
            (np.ones(x.shape, bool) if x.mask is None else x.mask) & ~mask
            for x, mask in zip(self.parameters, masks, strict=True)
        ]
        rows = []
        for x, mask, array, gone, prediction in zip(
            self.parameters, masks, new, taken, predicted, strict=True
        ):
            total = float(prediction[gone].sum()) if gone.any() else 0.0
            measured = self._value_with({x: array}) - before if gone.any() else 0.0
            rows.append(Row(x.label(), int((~mask).sum()), x.size, total, measured))
        apply_masks(dict(zip(self.parameters, zip(masks, new))))
        total = float(np.sum([row.predicted for row in rows]))
        return self._report(what, rows, total, before, tried)

    def _report(
        self, what: str, rows: list[Row], predicted: float, before: float, trials: np.ndarray
    ) -> Culling:
        gone = sum(int((~x.mask).sum()) for x in self.all if x.mask is not None)
        of = sum(x.size for x in self.all)
        return Culling(self.by, what, rows, predicted, before, self._value(), gone, of, trials)

    def _costs(self) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Return the cost of every weight, and the predicted change of the loss without it."""
        weights = [x._array for x in self.parameters]
        if self.by == "magnitude":
            unknown = [np.full(w.shape, np.nan) for w in weights]
            return [np.abs(w) for w in weights], unknown
        assert self.loss is not None
        gradients = [g.numpy() for g in slopes(self.loss(), self.parameters)]
        first = [-w * g for w, g in zip(weights, gradients, strict=True)]
        if self.by == "gradient":
            return [np.abs(x) for x in first], first
        curvatures = diagonals(self.loss, self.parameters)
        second = [0.5 * w**2 * h for w, h in zip(weights, curvatures, strict=True)]
        return second, [a + b for a, b in zip(first, second, strict=True)]

    def _counts(self, share: float) -> int:
        """Return how many weights to cull, beside those that are."""
        total: int = sum(x.size for x in self.parameters)
        gone = sum(int((~_mask(x)).sum()) for x in self.parameters)
        return max(0, round(share * total) - gone)

    def _choose_weights(self, costs: list[np.ndarray], share: float) -> list[np.ndarray]:
        """Return the masks that leave out the weights of the least cost."""
        open_costs = [
            np.where(_mask(x), cost, np.inf) for x, cost in zip(self.parameters, costs, strict=True)
        ]
        flat = np.concatenate([cost.ravel() for cost in open_costs])
        is_kept = np.concatenate([_mask(x).ravel() for x in self.parameters])
        is_kept[np.argsort(flat, kind="stable")[: self._counts(share)]] = False
        ends = np.cumsum([x.size for x in self.parameters])[:-1]
        return [
            part.reshape(x.shape)
            for part, x in zip(np.split(is_kept, ends), self.parameters, strict=True)
        ]

    def _choose_units(self, costs: list[np.ndarray], share: float) -> list[np.ndarray]:
        """Return the masks that leave out whole units of recurrent layers."""
        masks = {x: _mask(x).copy() for x in self.parameters}
        cost_of = dict(zip(self.parameters, costs, strict=True))
        units = [
            (sum(float(cost_of[x][at].sum()) for x, at in places), places)
            for layer in recurrent_layers(self.model)
            for places in units_of(layer)
        ]
        if not units:
            raise UsageError(
                "cull: found no layer with units to cull, expected an LSTM, a GRU or an RNN "
                "without projection and peepholes"
            )
        is_gone = [all(not masks[x][at].any() for x, at in places) for _, places in units]
        count = max(0, round(share * len(units)) - sum(is_gone))
        living = [n for n, gone in enumerate(is_gone) if not gone]
        for n in sorted(living, key=lambda n: units[n][0])[:count]:
            for x, at in units[n][1]:
                masks[x][at] = False
        return list(masks.values())

    def _operate(self, share: float) -> tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray]]:
        """Return masks, new numbers and predicted changes, by the surgeon."""
        assert self.loss is not None
        surgeons = [
            Surgeon(x._array.ravel(), block, _mask(x).ravel(), self.damping)
            for x, block in zip(self.parameters, blocks(self.loss, self.parameters), strict=True)
        ]
        masks = [_mask(x).ravel().copy() for x in self.parameters]
        predicted = [np.zeros(x.size) for x in self.parameters]
        costs = [surgeon.costs() for surgeon in surgeons]
        for _ in range(self._counts(share)):
            n = int(np.argmin([cost.min() for cost in costs]))
            q = int(costs[n].argmin())
            predicted[n][q] = costs[n][q]
            surgeons[n].take(q)
            masks[n][q] = False
            costs[n] = surgeons[n].costs()
        shapes = [x.shape for x in self.parameters]
        new = [
            np.where(mask, surgeon.weights, 0.0).astype(x.dtype)
            for x, mask, surgeon in zip(self.parameters, masks, surgeons, strict=True)
        ]
        return tuple(  # type: ignore[return-value]
            [array.reshape(shape) for array, shape in zip(arrays, shapes, strict=True)]
            for arrays in (masks, new, predicted)
        )

    # --- gates ------------------------------------------------------------------------------------

    def cull_gates(self, share: float) -> Culling:
        assert self.loss is not None
        layers = [x for x in recurrent_layers(self.model) if x.equations.removable]
        layers = [x for x in layers if x.b is not None]
        if not layers:
            raise UsageError(
                "cull: found no gates to cull, expected an LSTM with biases and without peepholes"
            )
        known = signals(self.loss())
        gates: list[tuple[float, float, EquationModule, str]] = []
        total, gone = 0, 0
        for layer in layers:
            is_open = layer.equations.open_gates(layer)  # type: ignore[attr-defined]
            for gate in layer.equations.removable:
                total += 1
                if gate in is_open:
                    gone += 1
                    continue
                signal = known[f"{layer.place.path()}.{gate}"]
                away, gradient = 1.0 - signal.value, signal.gradient
                change = 0.0 if gradient is None else float(np.sum(gradient * away))
                cost = abs(change) if self.by == "gradient" else float(np.mean(away**2))
                check_cost(signal.name, np.asarray(cost))
                gates.append((cost, change, layer, gate))
        before, rows = self._value(), []
        new: Masked = {}
        gates.sort(key=lambda x: x[0])
        for _, change, layer, gate in gates[: max(0, round(share * total) - gone)]:
            alone = gate_numbers(layer, gate, {})
            measured = self._value_with({x: array for x, (_, array) in alone.items()})
            new |= gate_numbers(layer, gate, new)
            (at,) = layer.equations.columns(gate)
            size = sum(mask[at].size for mask, _ in alone.values())
            rows.append(Row(f"{layer.place.path()}.{gate}", size, size, change, measured - before))
        apply_masks(new)
        predicted = sum(row.predicted for row in rows)
        return self._report("gates", rows, predicted, before, np.empty((0, 2)))

    # --- the loss ---------------------------------------------------------------------------------

    def _value(self) -> float:
        if self.loss is None:
            return float("nan")
        with no_grad():
            return float(self.loss()._array)

    def _value_with(self, numbers: dict[Tensor, np.ndarray]) -> float:
        """Return the loss with other numbers, which are put back."""
        before = {x: (x._array, x.serial) for x in numbers}
        try:
            for x, array in numbers.items():
                x._array = array
            return self._value()
        finally:
            for x, (array, serial) in before.items():
                x._array, x.serial = array, serial

    def _try(self, costs: list[np.ndarray], predicted: list[np.ndarray], count: int) -> np.ndarray:
        """Return predicted and measured changes for some weights, spread evenly by their cost."""
        places = [
            (float(cost[at]), x, at, float(prediction[at]))
            for x, cost, prediction in zip(self.parameters, costs, predicted, strict=True)
            for at in zip(*np.nonzero(_mask(x)), strict=True)
        ]
        places.sort(key=lambda place: place[0])
        chosen = np.unique(np.linspace(0, len(places) - 1, min(count, len(places))).astype(int))
        before, pairs = self._value(), []
        for n in chosen if count else ():
            _, x, at, prediction = places[n]
            array = x._array.copy()
            array[at] = 0
            pairs.append((prediction, self._value_with({x: array}) - before))
        return np.array(pairs).reshape(-1, 2)


def _mask(x: Tensor) -> np.ndarray:
    mask = x.mask
    return np.ones(x.shape, bool) if mask is None else np.asarray(mask)


Masked = dict[Tensor, tuple[np.ndarray, np.ndarray]]  # the mask and the numbers of parameters


def apply_masks(new: Masked) -> None:
    """Give parameters masks and numbers: all of them, or none."""
    before = {x: x.mask for x in new}
    try:
        for x in new:
            x.mask = None
        replace_data({x: array for x, (_, array) in new.items()})
        for x, (mask, _) in new.items():
            x.mask = None if mask.all() else mask
    except BaseException:  # an interrupt too
        for x, own in before.items():
            x.mask = own
        raise


def recurrent_layers(model: Module) -> list[EquationModule]:
    """Return the modules that hold the parameters of equations, none of which is frozen."""
    return [
        module
        for _, module in model._modules()
        if isinstance(module, EquationModule)
        and isinstance(getattr(module, "W", None), Tensor)
        and all(x.requires_grad for _, x in module._own_leaves())
    ]


def units_of(layer: EquationModule) -> list[list[tuple[Tensor, Any]]]:
    """Return the places of the weights of each unit: what leads to it, and from it to the layer.

    A unit without them stays 0: so it is in layers whose parameters have one column for each unit
    in each gate, or in one gate.
    """
    H, count = layer.equations.sizes[0], len(layer.equations.gates)
    own = [x for _, x in layer._own_leaves()]
    if {*layer.equations.gates.values()} != {H} or any(
        x.shape[-1] not in (H * count, H) or (x.ndim > 1 and x.shape[-1] != H * count) for x in own
    ):
        return []
    units = []
    for unit in range(H):
        places: list[tuple[Tensor, Any]] = [
            (x, (..., list(range(unit, x.shape[-1], H)))) for x in own
        ]
        units.append([*places, (layer.U, (unit, slice(None)))])
    return units


def gate_numbers(layer: EquationModule, gate: str, present: Masked) -> Masked:
    """Return the masks and numbers with which a gate is 1, beside those that others have."""
    (at,) = layer.equations.columns(gate)
    new: Masked = {}
    for x in (layer.W, layer.U, layer.b):
        mask, array = present.get(x, (_mask(x), x._array))
        mask, array = mask.copy(), array.copy()
        mask[at], array[at] = False, OPEN if x is layer.b else 0.0
        new[x] = mask, array
    return new
