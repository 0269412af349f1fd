"""The explanation of one gradient: the part of the derivation that leads to it, or its stages.

Knows derivations and stages; decides neither what they say nor how they are printed.
"""

from __future__ import annotations

from typing import Literal, overload

from ..engine.arguments import flag, one_of, optional
from ..engine.gradients import starting_cotangent
from ..engine.tensor import Tensor
from ..errors import UsageError
from ..network.graph import check_recorded
from .derivation import Derivation
from .derive import derive
from .explanation import Explanation
from .stages import stages

STYLES = ("derivation", "stages")


@overload
def explain(
    loss: Tensor, wrt: str, *, style: Literal["derivation"] = ..., fold: bool | None = ...
) -> Derivation: ...
@overload
def explain(
    loss: Tensor, wrt: str, *, style: Literal["stages"], fold: bool | None = ...
) -> Explanation: ...
@overload
def explain(
    loss: Tensor, wrt: str, *, style: str, fold: bool | None = ...
) -> Derivation | Explanation: ...


def explain(
    loss: Tensor, wrt: str, *, style: str = "derivation", fold: bool | None = None
) -> Derivation | Explanation:
    """Explain the gradient of a loss with respect to one signal, from the loss back.

    Parameters
    ----------
    loss : Tensor
        One number.
    wrt : str
        The name of a parameter, of a part of one (``lstm.W.i``), of a signal at a step
        (``lstm.state[1]``) or at all (``lstm.state``), or of an input.
    style : {"derivation", "stages"}
        The part of the derivation that leads to the gradient, with its equations and numbers; or
        one operation after the other with its numbers, in the words of S. Kang and J. Seo: stage,
        fork, branch.
    fold : bool, optional
        Whether one line stands for all steps of a recurrence; if None, where that can be, and of
        stages where there are more than 5 steps.

    Returns
    -------
    Derivation or Explanation
        Of the style. Both are printed by ``print``.

    Raises
    ------
    SignalError
        If no signal has the name (the message lists the nearest), or the loss does not depend on
        it.
    UsageError
        If nothing was recorded, or there is nothing to fold; the message says why.
    GradientError
        If the loss is not one number.

    Examples
    --------
    >>> import numpy as np
    >>> x, w = Tensor(0.5, name="x"), Tensor(2.0, requires_grad=True, name="w")
    >>> print(str(explain(np.tanh(x * w), "w")).partition("Inputs")[2].strip())
    δw = (1 − loss²) ∘ x                                  via loss (1) by R1, R2
    """
    check_recorded("explain", loss)
    if not isinstance(wrt, str):
        raise UsageError(f"explain: found {type(wrt).__name__}, expected a name as in 'lstm.W.i'")
    one_of("explain: style", style, STYLES)
    fold = optional(flag, "explain: fold", fold)
    starting_cotangent(loss, None)
    if style == "stages":
        return stages(loss, wrt, fold)
    return derive(loss, fold=fold).leading_to(wrt)
