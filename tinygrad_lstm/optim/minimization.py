"""minimize: a loss handed to SciPy's minimisers, with its gradient and its Hessian's products.

Knows the loss as a function of one vector; SciPy is imported when it is used.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from ..engine.arguments import function, number, of_kind, one_of, optional
from ..engine.tensor import Tensor
from ..errors import ArgumentError, GradientError, PackageError
from .objective import Objective

BY_GRADIENT = ("BFGS", "L-BFGS-B", "CG", "TNC", "SLSQP")
BY_PRODUCT = ("Newton-CG", "trust-ncg", "trust-krylov")
BY_RESIDUALS = ("lm", "trf", "dogbox")
METHODS = (*BY_GRADIENT, *BY_PRODUCT, *BY_RESIDUALS)


def minimize(
    loss_of: Callable[[], Tensor],
    params: Iterable[Tensor],
    method: str = "L-BFGS-B",
    tol: float | None = None,
    options: Mapping[str, Any] | None = None,
    callback: Callable[[float], Any] | None = None,
) -> Any:
    """Find parameters at which a loss is least, by one of SciPy's methods.

    The gradient, the products with the exact Hessian, and the Jacobian of residuals come from the
    tape; of residuals (..., B, m) whose B samples do not lead to one another, the Jacobian takes a
    backward pass for all samples together. The methods take the whole of the data at once; for
    batches see `SGD` and the like.

    Parameters
    ----------
    loss_of : () -> Tensor
        Of one number, which is computed from the parameters; the same at every call. For the
        methods of least squares an array of residuals r, of which ½ Σ r² is made least.
    params : iterable of Tensors
    method : str
        By the gradient: "L-BFGS-B", "BFGS", "CG", "TNC", "SLSQP". By products with the Hessian:
        "Newton-CG", "trust-ncg", "trust-krylov". By residuals: "lm" (Levenberg–Marquardt), "trf",
        "dogbox".
    tol : float above 0, optional
        SciPy's tolerance.
    options : dict, optional
        SciPy's options of the method, such as ``{"maxiter": 100}``; for least squares the keywords
        of ``scipy.optimize.least_squares``, such as ``{"max_nfev": 100}``.
    callback : (loss) -> anything, optional
        Is called with the loss whenever it was computed.

    Returns
    -------
    scipy.optimize.OptimizeResult
        ``x`` is all parameters in one vector. The parameters have these numbers.

    Raises
    ------
    PackageError
        If SciPy is not installed.
    GradientError
        If the loss is not finite at the start, or depends on none of the parameters.
    ArgumentError, UsageError, ShapeError
        If an argument is wrong, or what loss_of returned is no Tensor of one number, or of no
        residuals.

    Whatever is raised, the parameters have the numbers of the start.

    Examples
    --------
    >>> import tinygrad_lstm as tg
    >>> p = tg.Tensor([-1.0, 2.0], requires_grad=True)
    >>> def rosenbrock():
    ...     return 100 * (p[1] - p[0] ** 2) ** 2 + (1 - p[0]) ** 2
    >>> result = tg.optim.minimize(rosenbrock, [p], method="trust-krylov")
    >>> p.numpy().round(6)
    array([1., 1.])
    """
    one_of("minimize: method", method, METHODS)
    tolerance = optional(number, "minimize: tol", tol, 0.0)
    settings = dict(
        of_kind("minimize: options", {} if options is None else options, Mapping, "a dictionary")
    )
    if callback is not None:
        function("minimize: callback", callback, "a function of the loss")
    objective = Objective("minimize", loss_of, params)
    start = objective.numbers()
    own = [x._array for x in objective.params]
    run = _least_squares if method in BY_RESIDUALS else _minimize
    optimize = _scipy()
    try:
        with np.errstate(all="ignore"):  # a step may go too far, and be taken back
            note = callback or float
            result = run(optimize, objective, start, method, tolerance, settings, note)
        objective.place(result.x)
    except BaseException as error:  # an interrupt too
        for x, numbers in zip(objective.params, own, strict=True):
            x.hold(numbers)
        if _is_scipys(error):
            raise ArgumentError(
                f"minimize: options: SciPy refuses them for {method}: {error}"
            ) from None
        raise
    return result


def _minimize(
    optimize: Any, objective: Objective, start: np.ndarray, method: str, tol: float | None,
    options: dict[str, Any], note: Callable[[float], Any],
) -> Any:  # fmt: skip
    def value(x: np.ndarray) -> tuple[float, np.ndarray]:
        loss, slope = objective.value_and_gradient(x)
        note(loss)
        return loss, slope

    _check_start(objective.value_and_gradient(start)[0])
    products = {"hessp": objective.product} if method in BY_PRODUCT else {}
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "Unknown solver options")
        return optimize.minimize(
            value, start, method=method, jac=True, tol=tol, options=options, **products
        )


def _least_squares(
    optimize: Any, objective: Objective, start: np.ndarray, method: str, tol: float | None,
    options: dict[str, Any], note: Callable[[float], Any],
) -> Any:  # fmt: skip
    def residuals(x: np.ndarray) -> np.ndarray:
        array = objective.residuals(x)
        note(0.5 * float(array @ array))
        return array

    at_start = objective.residuals(start)
    _check_start(0.5 * float(at_start @ at_start))
    if method == "lm" and at_start.size < start.size:
        raise ArgumentError(
            f"minimize: found {at_start.size} residuals for {start.size} numbers of parameters; "
            "'lm' needs as many residuals, or more; use 'trf' or 'dogbox'"
        )
    tolerances = {} if tol is None else dict.fromkeys(("ftol", "xtol", "gtol"), tol)
    return optimize.least_squares(
        residuals, start, objective.jacobian, method=method, **{**tolerances, **options}
    )


def _check_start(loss: float) -> None:
    if not np.isfinite(loss):
        raise GradientError(
            f"minimize: the loss is {loss} at the start; begin where it is finite, and look in the "
            "network for the log of 0, a division by 0, or numbers that overflow"
        )


def _is_scipys(error: BaseException) -> bool:
    """Return whether SciPy itself raised an error, and no function that it calls."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    source = "" if last is None else last.tb_frame.f_globals.get("__name__", "")
    is_call = source == __name__ and isinstance(error, TypeError)  # of an unknown keyword
    is_about_arguments = isinstance(error, ValueError | TypeError | Warning)
    return is_about_arguments and (is_call or source.partition(".")[0] == "scipy")


def _scipy() -> Any:
    try:
        from scipy import optimize
    except ImportError:
        raise PackageError(
            "minimize: SciPy is not installed; run pip install 'tinygrad-lstm[scipy]', or use "
            "tg.optim.Adam"
        ) from None
    return optimize
