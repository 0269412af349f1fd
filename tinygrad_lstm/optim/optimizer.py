"""The base of the update rules: groups, checks, the step that moves all parameters or none.

Knows parameters and NumPy; no rule, no layers, no graph.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any, ClassVar, Self

import numpy as np

from ..engine.arguments import Constructor, check_arguments, excerpt, of_kind, whole
from ..engine.gradients import replace_data
from ..engine.tensor import Tensor
from ..errors import ArgumentError, ShapeError, UsageError
from .bundle import Bundle, Memory, bundles
from .options import (
    Check,
    Group,
    Option,
    array_like,
    check_entries,
    check_leaves,
    groups_of,
    number,
    parameters,
)

GRADIENT = "look in the network for the log of 0, a division by 0, or numbers that overflow"
UPDATE = "take a smaller lr, or clip the gradients"


class Optimizer:
    """Base of the update rules.

    A rule declares its options, and writes one method, `change`, on arrays of any shape. This one
    goes by the sign of the gradient:

    >>> import numpy as np
    >>> import tinygrad_lstm as tg
    >>> class SignDescent(tg.optim.Optimizer):
    ...     def change(self, gradient, numbers, memory, options):
    ...         return options["lr"] * np.sign(gradient), {}
    >>> w, b = (tg.Tensor([1.0, -1.0], requires_grad=True, name=name) for name in "wb")
    >>> update = SignDescent([{"params": [w]}, {"params": [b], "lr": 0.5}], lr=0.25)
    >>> (w * w + b * b).sum().backward()
    >>> update.step()
    >>> w.numpy(), b.numpy()
    (array([ 0.75, -0.75]), array([ 0.5, -0.5]))

    ``backward`` adds to ``.grad``, so gradients are accumulated over several batches by calling
    `step` and `zero_grad` after the last of them only.

    Parameters
    ----------
    params : iterable of Tensors, or of dictionaries
        Leaves that require gradients; or groups of them, each a dictionary of ``params`` and of the
        options in which the group differs.
    **options
        The options of the rule, for all groups that do not set an option themselves.

    Attributes
    ----------
    param_groups : list of dictionaries
        To read and to set the options of a group. An option is an attribute too, which is set in
        all groups.

    Raises
    ------
    ArgumentError
        If an option is out of range, there are no parameters, or one is given twice.
    UsageError
        If a parameter is not a leaf that requires a gradient, or an option is of the wrong type.
    """

    __signature__ = Constructor()
    lr = number()
    checks: ClassVar[dict[str, Check[Any]]] = {"params": parameters, "lr": lr.check}
    param_groups: list[Group]

    def __init_subclass__(cls) -> None:
        own = {name: x.check for name, x in vars(cls).items() if isinstance(x, Option)}
        cls.checks = cls.checks | own

    def __new__(cls, *args: Any, **options: Any) -> Self:
        check_arguments(cls, args, options)
        return super().__new__(cls)

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy or pickle the attributes; the constructor is not called again."""
        return object.__new__, (type(self),), {**vars(self), "_movers": []}

    def __init__(self, params: Iterable[Any], lr: float = 1e-3, **options: Any) -> None:
        self.defaults = {"lr": lr, **options}
        self.param_groups = []
        self._bundles: list[Bundle] = []
        self._movers: list[int] = []  # the ids of the groups and the parameters in the bundles
        self._resting: dict[Tensor, tuple[int, Memory]] = {}  # of parameters without a gradient
        if isinstance(params, Iterable) and not isinstance(params, Tensor | Mapping | str):
            params = list(params)
            if params and all(isinstance(group, Mapping) for group in params):
                for group in params:
                    self.add_param_group(group)
                return
        self.add_param_group({"params": params})

    # --- groups ----------------------------------------------------------------------------------

    def add_param_group(self, param_group: Mapping[str, Any]) -> None:
        """Add parameters with options of their own.

        Parameters
        ----------
        param_group : mapping of ``params`` and options
            An option that is left out has the value given to the constructor.
        """
        who = type(self).__name__
        own = of_kind(f"{who}: param_group", param_group, Mapping, "a dictionary")
        group = Group(who, self.checks, {**self.defaults, **own})
        check_leaves(who, [x for other in [*self.param_groups, group] for x in other["params"]])
        self.check_group(group)
        self.param_groups.append(group)

    @property
    def params(self) -> list[Tensor]:
        """All parameters. With one group, this is the list of the group itself."""
        groups = groups_of(self, "params")
        own: list[Tensor] = groups[0]["params"]
        return own if len(groups) == 1 else [x for group in groups for x in group["params"]]

    @params.setter
    def params(self, params: Iterable[Tensor]) -> None:
        if len(groups_of(self, "params")) > 1:
            raise UsageError(
                f"{type(self).__name__}: found several groups; set param_groups[k]['params']"
            )
        self.param_groups[0]["params"] = params

    # --- a step ----------------------------------------------------------------------------------

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for group in self.param_groups:
            for parameter in group.data["params"]:
                parameter.grad = None

    def step(self) -> None:
        """Update every parameter that has a gradient; all from the old values.

        Raises
        ------
        ShapeError, DTypeError
            If a gradient that somebody set has another shape or type than its parameter.
        GradientError
            If a gradient or an updated number is infinite or not a number.

        Whatever is raised, no parameter has moved, and the rule remembers nothing of this step.
        """
        self._gather()
        with np.errstate(all="ignore"):  # what is not finite is an error of its own
            moved = [self._moved(bundle) for bundle in self._bundles]
        before = self._bundles
        try:
            self._bundles = moved
            replace_data({x: v for b in moved for x, v in zip(b.params, b.views)}, is_own=True)
        except BaseException:  # an interrupt too
            self._bundles = before
            raise

    def change(
        self, gradient: np.ndarray, numbers: np.ndarray, memory: Memory, options: Mapping[str, Any]
    ) -> tuple[Any, Memory]:
        """Return what to subtract from numbers, and what to remember; both new.

        Parameters
        ----------
        gradient, numbers : arrays of one shape
            Of several parameters at once, one behind the other; not to be changed.
        memory : dict of str to arrays of that shape
            What this method returned at the step before, and ``"step"``, the number of this step,
            from 1; no more at the first step.
        options : mapping
            Those of the group.
        """
        raise NotImplementedError

    def remembers(self, options: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the names of the arrays that the rule keeps under these options."""
        return ()

    def check_group(self, group: Mapping[str, Any]) -> None:
        """Refuse options that do not go together."""

    def decayed(
        self, gradient: np.ndarray, numbers: np.ndarray, options: Mapping[str, Any]
    ) -> np.ndarray:
        """Return the gradient of the loss + ½ weight_decay Σ p²."""
        share = options.get("weight_decay")
        return gradient + share * numbers if share else gradient

    def _moved(self, bundle: Bundle) -> Bundle:
        """Return a bundle after its step."""
        self.check_group(bundle.group)
        gradient, options = bundle.gradients(), bundle.group.data
        if gradient.dtype == np.float16:
            gradient = gradient.astype(np.float32)
        has_room = isfinite(gradient.dot(gradient))  # for the squares too
        if not has_room:
            bundle.check_finite(gradient, "the gradient of", GRADIENT)
            gradient = gradient.astype(np.result_type(gradient, np.float64), copy=False)
        numbers = bundle.numbers()
        memory = {"step": bundle.steps + 1, **bundle.memory}
        decayed = self.decayed(gradient, numbers, options)
        change, memory = self.change(decayed, numbers, memory, options)
        if not has_room:
            for array in memory.values():
                bundle.check_finite(array, "the mean square of the gradients of", GRADIENT)
        new = numbers - change
        if new.shape != numbers.shape:
            raise ShapeError(
                f"{type(self).__name__}: found a change of shape {np.shape(change)}, expected "
                f"{numbers.shape}, that of its argument"
            )
        if new.dtype is not numbers.dtype:
            new = new.astype(numbers.dtype)
        if not isfinite(new.dot(new)):
            bundle.check_finite(new, "the update of", UPDATE)
        return bundle.moved(new, memory)

    def _gather(self) -> None:
        """Make the bundles those of the parameters that have gradients now."""
        movers = []
        for group in self.param_groups:
            movers.append(id(group))
            movers += [id(x) for x in group.data["params"] if x._grad is not None]
        if movers == self._movers:
            return
        everything = [(group, x) for group in self.param_groups for x in group["params"]]
        check_leaves(type(self).__name__, [x for _, x in everything])
        remembered = self._remembered()
        moving = [(group, x) for group, x in everything if x._grad is not None]
        self._resting = {x: memory for x, memory in remembered.items() if x._grad is None}
        self._bundles, self._movers = bundles(moving, remembered), movers

    def _remembered(self) -> dict[Tensor, tuple[int, Memory]]:
        """Return the number of steps and the memory of every parameter that made a step."""
        remembered = dict(self._resting)
        for bundle in self._bundles:
            if bundle.steps:
                remembered |= bundle.apart()
        return remembered

    # --- the state -------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Return a copy of all that the rule remembers, and the options of its groups.

        Returns
        -------
        dict
            PyTorch's: ``state`` holds the memory of each parameter by the parameter's number,
            ``param_groups`` the options of each group; and ``rule`` names the rule.
        """
        remembered = self._remembered()
        numbers = {x: n for n, x in enumerate(self.params)}
        return {
            "rule": type(self).__name__,
            "state": {
                number: {
                    "step": remembered[x][0],
                    **{name: np.array(array) for name, array in remembered[x][1].items()},
                }
                for x, number in numbers.items()
                if x in remembered
            },
            "param_groups": [
                {**group, "params": [numbers[x] for x in group["params"]]}
                for group in self.param_groups
            ],
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over what `state_dict` of the same rule for parameters of the same shapes returned.

        Raises
        ------
        ArgumentError
            If it is the state of another rule, or of other groups; the message names both.
        ShapeError
            If a memory has another shape than its parameter; nothing has been loaded.
        """
        who = type(self).__name__
        state = check_entries(who, state_dict, ("rule", "state", "param_groups"))
        if state["rule"] != who:
            raise ArgumentError(
                f"{who}: found the state of {excerpt(state['rule'])}, expected {who}"
            )
        groups = []
        given = of_kind(f"{who}: param_groups", state["param_groups"], list, "a list of groups")
        if len(given) != len(self.param_groups):
            raise ArgumentError(
                f"{who}: found a state of {len(given)} groups, expected {len(self.param_groups)}"
            )
        counted = 0
        for own, other in zip(self.param_groups, given, strict=True):
            other = check_entries(who, other, self.checks)
            expected = list(range(counted, counted + len(own["params"])))
            if other["params"] != expected:
                raise ArgumentError(
                    f"{who}: found a group of the parameters {excerpt(other['params'])}, expected "
                    f"{excerpt(expected)}; group the parameters as they were when it was saved"
                )
            counted += len(expected)
            groups.append(Group(who, self.checks, {**other, "params": own["params"]}))
            self.check_group(groups[-1])
        remembered = {}
        by_number = {n: (x, group) for n, (x, group) in enumerate(
            (x, group) for group in groups for x in group["params"]
        )}  # fmt: skip
        memories = of_kind(f"{who}: state", state["state"], Mapping, "a dictionary")
        for n, memory in memories.items():
            if type(n) is not int or n not in by_number:
                raise ArgumentError(
                    f"{who}: found the state of parameter {excerpt(n)}, expected 0 to {counted - 1}"
                )
            x, group = by_number[n]
            memory = check_entries(who, memory, ("step", *self.remembers(group)))
            steps = whole(f"{who}: step", memory.pop("step"), 1)
            remembered[x] = (
                steps,
                {
                    name: array_like(f"{who}: {name} of {x.label()}", array, x)
                    for name, array in memory.items()
                },
            )
        for own, group in zip(self.param_groups, groups, strict=True):
            own.data = group.data
        self._bundles, self._movers = [], []
        self._resting = remembered
