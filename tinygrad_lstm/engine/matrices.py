"""The functions of whole matrices: inverse, determinant, factorisations, with their derivatives.

Knows arrays, the kinds and the table; loaded when a function of `linalg` is first used. Each acts
on the last two axes, and on every matrix of a batch by itself.

In a rule, x (or a and b) are the operands, y is the result, ct the cotangent of y and t the tangent
of an operand. The rules are those of M. B. Giles, "Collected matrix derivative results for forward
and reverse mode algorithmic differentiation", Advances in Automatic Differentiation, 2008,
pp. 35-44; for Cholesky's factor in the form of I. Murray, "Differentiation of the Cholesky
decomposition", 2016 (arXiv:1602.07527); for the singular vectors of J. Townsend, "Differentiating
the singular value decomposition", 2016; for the pseudoinverse of G. H. Golub and V. Pereyra, "The
differentiation of pseudo-inverses and nonlinear least squares problems whose variables separate",
SIAM J. Numer. Anal. 10(2), 1973, pp. 413-432.

    >>> inv.derivatives()
    {'x': -yᵀ δ yᵀ}
    >>> solve.derivatives()
    {'a': -(aᵀ)⁻¹ δ yᵀ, 'b': (aᵀ)⁻¹ δ}
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .arrays import plain
from .kinds import cut, matrix_function
from .matrix_parts import (
    RECTANGULAR,
    SQUARE,
    SYMMETRIC,
    diagonal,
    even,
    gaps,
    lower,
    of_diagonal,
    singular,
    symmetric,
    systems,
    turned,
)
from .numerics import Array
from .primitive import Primitive
from .primitives import concatenate, mask, sum
from .symbol import ATOM, MATRIX, POWER, PREFIX, Notation, Symbol, function

# --- inverses -----------------------------------------------------------------------------------


def _solve(a: Array, b: Array) -> Array:
    """Return the matrix y of a y = b."""
    return np.linalg.solve(a, b)


def _inv(x: Array) -> Array:
    """Return the inverse of each matrix."""
    return np.linalg.inv(x)


def _pinv(x: Array, *, rcond: Any = None) -> Array:
    """Return the pseudoinverse of each matrix; its derivative holds where the rank stays."""
    return np.linalg.pinv(x, rcond)


def _pinv_pull(ct: Array, x: Array, y: Array, rcond: Any = None) -> Array:
    back, yT, ctT = y @ turned(y), turned(y), turned(ct)
    outside = ctT @ back - x @ (y @ (ctT @ back))
    before = yT @ y @ ctT
    return outside + before - before @ y @ x - yT @ ct @ yT


def _pinv_push(t: Array, x: Array, y: Array, rcond: Any = None) -> Array:
    left, right = y @ turned(y) @ turned(t), turned(t) @ turned(y) @ y
    return left - left @ x @ y + right - y @ x @ right - y @ t @ y


# --- determinants -------------------------------------------------------------------------------


def _det(x: Array) -> Array:
    """Return the determinant of each matrix."""
    return np.linalg.det(x)


LARGEST = 20  # rows of which all minors are taken


def _slope_of_det(x: Array, y: Array) -> Array:
    """Return the cofactors: y x⁻ᵀ, or of a matrix that has no exact inverse its minors.

    All minors together take n⁴ numbers, which is too many for larger matrices.
    """
    n = x.shape[-1] if x.shape else 0
    if isinstance(x, Symbol) or n > LARGEST or not _is_nearly_singular(plain(x)):
        return _by_matrix(y) * turned(inv(x))
    others = np.array([[k for k in range(n) if k != row] for row in range(n)], int)
    minors = x[..., others.reshape(n, 1, n - 1, 1), others.reshape(1, n, 1, n - 1)]
    sign = (-1.0) ** (np.arange(n)[:, None] + np.arange(n))
    return det(minors) * np.asarray(sign, x.dtype)


def _is_nearly_singular(x: Any) -> bool:
    with np.errstate(all="ignore"):
        return bool(np.any(~(np.linalg.cond(x) < 1e8))) if x.size else False


def _by_matrix(y: Array) -> Array:
    """Return one number for each matrix so that it multiplies all entries."""
    return y if isinstance(y, Symbol) and not y.shape else y[..., None, None]


def _of_all(x: Array) -> Array:
    return sum(sum(x, axis=-1), axis=-1)


def _logabsdet(x: Array) -> Array:
    """Return log |det x| of each matrix."""
    return np.linalg.slogdet(x)[1]


def _sign_of_det(x: Array) -> Array:
    """Return the sign of the determinant of each matrix."""
    return np.linalg.slogdet(x)[0]


# --- factorisations of symmetric matrices -------------------------------------------------------


def _cholesky(x: Array) -> Array:
    """Return the lower triangle y of x = y yᵀ, of symmetric x."""
    return np.linalg.cholesky(symmetric(x))


def _cholesky_pull(ct: Array, x: Array, y: Array) -> Array:
    inner = lower(turned(y) @ ct)
    return even(solve(turned(y), turned(solve(turned(y), turned(inner)))))


def _cholesky_push(t: Array, x: Array, y: Array) -> Array:
    return y @ lower(solve(y, turned(solve(y, even(t)))))


def _eigh(x: Array, *, UPLO: Any = "L") -> Array:
    """Return the eigenvalues of symmetric x in the first row, and below them the eigenvectors.

    ``UPLO`` is the triangle that LAPACK reads, on which the signs of the eigenvectors depend.
    """
    values, vectors = np.linalg.eigh(symmetric(x), UPLO)
    return np.concatenate([values[..., None, :], vectors], axis=-2)


VALUES, VECTORS = (Ellipsis, 0, slice(None)), (Ellipsis, slice(1, None), slice(None))


def _eigh_pull(ct: Array, x: Array, y: Array, UPLO: str = "L") -> Array:
    V = y[VECTORS]
    inner = mask(gaps(y[VALUES]), turned(V) @ ct[VECTORS])
    return even(V @ (diagonal(ct[VALUES]) + inner) @ turned(V))


def _eigh_push(t: Array, x: Array, y: Array, UPLO: str = "L") -> Array:
    V = y[VECTORS]
    inner = turned(V) @ even(t) @ V
    return concatenate([of_diagonal(inner), V @ mask(gaps(y[VALUES]), inner)], axis=-2)


# --- the singular value decomposition -----------------------------------------------------------


def _svd(x: Array) -> Array:
    """Return U, below it the row of the singular values, and V, of x (m, n) = U diag(s) Vᵀ.

    The result is (m + 1 + n, min(m, n)).
    """
    U, s, Vh = np.linalg.svd(x, full_matrices=False)
    return np.concatenate([U, s[..., None, :], turned(Vh)], axis=-2)


def factors(y: Array, m: int) -> tuple[Array, Array, Array]:
    """Return U, s and V from the result of svd of a matrix with m rows."""
    return y[..., :m, :], y[..., m, :], y[..., m + 1 :, :]


def _rows(x: Array, y: Array) -> int:
    """Return the number of rows of a matrix; of a Symbol without a value, any."""
    return int(x.shape[-2]) if x.shape else 0


def _outside(U: Array, x: Array) -> Array:
    """Return the part of each column of x that is orthogonal to the columns of U."""
    return x - U @ (turned(U) @ x)


def _svd_pull(ct: Array, x: Array, y: Array) -> Array:
    m = _rows(x, y)
    (U, s, V), (U_ct, s_ct, V_ct) = factors(y, m), factors(ct, m)
    S, F = s[..., None, :], gaps(s * s)
    u, v = turned(U) @ U_ct, turned(V) @ V_ct
    inner = mask(F, u - turned(u)) * S + turned(S) * mask(F, v - turned(v)) + diagonal(s_ct)
    whole = U @ inner @ turned(V)
    if U.shape[-2:-1] != S.shape[-1:]:
        whole = whole + _outside(U, U_ct) / S @ turned(V)
    if V.shape[-2:-1] != S.shape[-1:]:
        whole = whole + U @ turned(_outside(V, V_ct) / S)
    return whole


def _svd_push(t: Array, x: Array, y: Array) -> Array:
    U, s, V = factors(y, _rows(x, y))
    S, F = s[..., None, :], gaps(s * s)
    inner = turned(U) @ t @ V
    u = mask(F, inner * S + turned(S) * turned(inner))
    v = mask(F, turned(S) * inner + turned(inner) * S)
    U_t, V_t = U @ u, V @ v
    if U.shape[-2:-1] != S.shape[-1:]:
        U_t = U_t + _outside(U, t @ V) / S
    if V.shape[-2:-1] != S.shape[-1:]:
        V_t = V_t + _outside(V, turned(t) @ U) / S
    return concatenate([U_t, of_diagonal(inner), V_t], axis=-2)


# --- the table ----------------------------------------------------------------------------------

INVERSE = Notation("{0}⁻¹", "{{{0}}}^{{-1}}", POWER, (ATOM,), "np.linalg.inv({0})")
SOLUTION = Notation(
    "{0}⁻¹ {1}", r"{{{0}}}^{{-1}} \, {1}", MATRIX, (ATOM, PREFIX), "np.linalg.solve({0}, {1})"
)
PSEUDOINVERSE = Notation("{0}⁺", "{{{0}}}^{{+}}", POWER, (ATOM,), "np.linalg.pinv({0})")

# fmt: off
solve: Primitive = matrix_function("solve", _solve,
    lambda ct, a, b, y: -(solve(turned(a), ct) @ turned(y)),
    lambda ct, a, b, y: solve(turned(a), ct),
    pushes=(lambda t, a, b, y: -solve(a, t @ y), lambda t, a, b, y: solve(a, t)),
    notation=SOLUTION, samples=systems)
inv: Primitive = matrix_function("inv", _inv, lambda ct, x, y: -(turned(y) @ ct @ turned(y)),
    pushes=(lambda t, x, y: -(y @ t @ y),), notation=INVERSE, samples=SQUARE)
pinv: Primitive = matrix_function("pinv", _pinv, _pinv_pull, pushes=(_pinv_push,),
    notation=PSEUDOINVERSE, samples=RECTANGULAR, analytic=False)
det: Primitive = matrix_function("det", _det, lambda ct, x, y: _by_matrix(ct) * _slope_of_det(x, y),
    pushes=(lambda t, x, y: _of_all(_slope_of_det(x, y) * t),),
    notation=function("det", r"\det", code="np.linalg.det({0})"), samples=singular)
logabsdet: Primitive = matrix_function("logabsdet", _logabsdet,
    lambda ct, x, y: _by_matrix(ct) * turned(inv(x)),
    pushes=(lambda t, x, y: _of_all(turned(inv(x)) * t),),
    notation=function("logabsdet", code="np.linalg.slogdet({0})[1]"),
    samples=SQUARE, analytic=False)
cholesky: Primitive = matrix_function("cholesky", _cholesky, _cholesky_pull,
    pushes=(_cholesky_push,), notation=function("chol"), samples=SYMMETRIC, analytic=False)
eigh: Primitive = matrix_function("eigh", _eigh, _eigh_pull, pushes=(_eigh_push,),
    notation=function("eigh"), samples=SYMMETRIC, analytic=False)
svd: Primitive = matrix_function("svd", _svd, _svd_pull, pushes=(_svd_push,),
    notation=function("svd"), samples=RECTANGULAR, analytic=False)
sign_of_det: Primitive = cut("sign_of_det", _sign_of_det, notation=function("sign_of_det"),
    samples=SQUARE)
# fmt: on

MATRICES: dict[str, Primitive] = {
    entry.name: entry
    for entry in (solve, inv, pinv, det, logabsdet, cholesky, eigh, svd, sign_of_det)
}
