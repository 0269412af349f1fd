"""NumPy's linear algebra on Tensors, by NumPy's names: ``tg.linalg``, or ``np.linalg`` of a Tensor.

Knows the functions of matrices and the table; loaded when it is first used. Matrices are the last
two axes; all axes before them are a batch.

>>> import tinygrad_lstm as tg
>>> a = tg.Tensor([[2.0, 1.0], [1.0, 3.0]], requires_grad=True, name="a")
>>> np.linalg.det(a).backward()
>>> a.grad.round(12)
array([[ 3., -1.],
       [-1.,  2.]])
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..errors import ArgumentError, ShapeError
from . import matrices
from .arguments import excerpt, flag, number, operand, optional, whole
from .arrays import plain
from .functions import checked, square, swapaxes
from .numerics import Array, floats
from .primitives import matmul, reshape, sum


class EighResult(NamedTuple):
    """The eigenvalues (…, n), in ascending order, and the eigenvectors (…, n, n), as columns."""

    eigenvalues: Any
    eigenvectors: Any


class SVDResult(NamedTuple):
    """U (…, m, k), the singular values S (…, k), in descending order, and Vh (…, k, n)."""

    U: Any
    S: Any
    Vh: Any


class SlogdetResult(NamedTuple):
    """The sign of the determinant, which has no gradient, and log |det|."""

    sign: Any
    logabsdet: Any


# --- equations ----------------------------------------------------------------------------------


def solve(a: Array, b: Array) -> Array:
    """Return the y of a y = b.

    Parameters
    ----------
    a : (…, n, n)
    b : (…, n, k), or a vector (n,)

    Returns
    -------
    y : (…, n, k), or (…, n) if b is a vector

    Raises
    ------
    ArgumentError
        If a matrix is singular.
    ShapeError
        If the shapes do not fit; the message names both.

    Examples
    --------
    >>> solve(np.array([[2.0, 0.0], [0.0, 4.0]]), np.array([1.0, 1.0]))
    array([0.5 , 0.25])
    """
    a, b = _square("solve", a), _numbers("solve", b)
    if b.ndim != 1:
        return matrices.solve(a, b)
    return matrices.solve(a, reshape(b, shape=(b.shape[0], 1)))[..., 0]


def inv(a: Array) -> Array:
    """Return the inverse of each matrix (…, n, n)."""
    return matrices.inv(_square("inv", a))


def pinv(a: Array, rcond: Any = None, hermitian: bool = False) -> Array:
    """Return the pseudoinverse (…, n, m) of each matrix (…, m, n).

    Singular values below ``rcond`` times the largest count as 0. The derivative keeps the rank.
    """
    _refuse_hermitian("pinv", hermitian)
    rcond = optional(number, "pinv: rcond", rcond)
    return matrices.pinv(_matrix("pinv", a), rcond=rcond)


def lstsq(a: Array, b: Array, rcond: Any = None) -> tuple[Array, Array, int, np.ndarray]:
    """Return the y that makes ‖a y - b‖ smallest, as NumPy does.

    Parameters
    ----------
    a : (m, n)
    b : (m, k) or (m,)
    rcond : float, optional
        Singular values below ``rcond`` times the largest count as 0; the rounding if None.

    Returns
    -------
    y : (n, k) or (n,)
    residuals : (k,) or (1,)
        Σ (a y - b)²; empty if the rank is below n, or m is no more than n.
    rank : int
    s : (min(m, n),)
        The singular values of a, as plain numbers.
    """
    a, b = _matrix("lstsq", a), _numbers("lstsq", b)
    if a.ndim != 2 or b.ndim not in (1, 2) or a.shape[0] != b.shape[0]:
        raise ShapeError(
            f"lstsq: found shapes {a.shape} and {b.shape}, expected (m, n) and (m,) or (m, k)"
        )
    m, n = a.shape
    rounding = np.finfo(a.dtype).eps * max(m, n)
    rcond = rounding if rcond is None else number("lstsq: rcond", rcond)
    _, _, rank, s = np.linalg.lstsq(plain(a), plain(b), rcond)
    y = matmul(matrices.pinv(a, rcond=rcond), b)
    residuals: Array = np.empty(0, s.dtype)
    if rank == n < m:
        residuals = reshape(sum(square(b - matmul(a, y)), axis=0), shape=(-1,))
    return y, residuals, int(rank), s


def matrix_power(a: Array, n: int) -> Array:
    """Return the product of n factors a; of the inverse if n is negative."""
    a, n = _square("matrix_power", a), whole("matrix_power: n", n)
    if n < 0:
        return matrix_power(matrices.inv(a), -n)
    if n < 2:
        return a if n else 0 * a + np.eye(a.shape[-1], dtype=a.dtype)
    half = matrix_power(a, n // 2)
    twice = matmul(half, half)
    return matmul(twice, a) if n % 2 else twice


# --- determinants -------------------------------------------------------------------------------


def det(a: Array) -> Array:
    """Return the determinant of each matrix (…, n, n).

    The derivative holds for singular matrices of up to 20 rows, too, by way of their minors.
    """
    return matrices.det(_square("det", a))


def slogdet(a: Array) -> SlogdetResult:
    """Return the sign and the logarithm of the size of the determinant of each matrix."""
    a = _square("slogdet", a)
    return SlogdetResult(matrices.sign_of_det(a), matrices.logabsdet(a))


# --- factorisations -----------------------------------------------------------------------------


def cholesky(a: Array, /, *, upper: bool = False) -> Array:
    """Return the lower triangle L of a = L Lᵀ, of symmetric matrices with positive eigenvalues.

    Both triangles of a count alike, and the gradient of a is symmetric. (NumPy reads one triangle.)

    Raises
    ------
    ArgumentError
        If a is not symmetric, or an eigenvalue is not positive.
    """
    y = matrices.cholesky(_square("cholesky", a))
    return swapaxes(y, -1, -2) if flag("cholesky: upper", upper) else y


def eigh(a: Array, UPLO: str = "L") -> EighResult:
    """Return the eigenvalues and eigenvectors of symmetric matrices.

    Both triangles count alike, whatever ``UPLO`` is, and the gradient of a is symmetric; ``UPLO``
    decides signs of eigenvectors, as in NumPy. Where two eigenvalues are equal, the eigenvectors
    have no derivative: what comes back is nan, unless the loss depends on the eigenvalues alone.

    Raises
    ------
    ArgumentError
        If a is not symmetric.
    """
    if not isinstance(UPLO, str) or UPLO.upper() not in ("L", "U"):
        raise ArgumentError(f"eigh: found UPLO={excerpt(UPLO)}, expected 'L' or 'U'")
    y = matrices.eigh(_square("eigh", a), UPLO=UPLO.upper())
    return EighResult(y[matrices.VALUES], y[matrices.VECTORS])


def eigvalsh(a: Array, UPLO: str = "L") -> Array:
    """Return the eigenvalues of symmetric matrices, in ascending order (see `eigh`)."""
    return eigh(a, UPLO).eigenvalues


def svd(
    a: Array, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False
) -> Any:
    """Return U, S and Vh of a = U diag(S) Vh, or S alone.

    Where two singular values are equal, or one of a matrix that is not square is 0, the singular
    vectors have no derivative: what comes back is nan, unless the loss depends on the singular
    values alone.

    Parameters
    ----------
    a : (…, m, n)
    full_matrices : bool
        Of a matrix that is not square the further vectors are any that are orthogonal: they have no
        derivative, and this must be False.
    compute_uv : bool
        Whether to return more than S.

    Returns
    -------
    U : (…, m, k), S : (…, k), Vh : (…, k, n), where k = min(m, n)

    Raises
    ------
    ArgumentError
        If further vectors are asked for.
    """
    _refuse_hermitian("svd", hermitian)
    a = _matrix("svd", a)
    m, n = a.shape[-2:]
    compute_uv = flag("svd: compute_uv", compute_uv)
    if flag("svd: full_matrices", full_matrices) and compute_uv and m != n:
        raise ArgumentError(
            f"svd: found full_matrices=True for shape {a.shape}, whose further vectors have no "
            "derivative; write full_matrices=False"
        )
    U, s, V = matrices.factors(matrices.svd(a), m)
    return SVDResult(U, s, swapaxes(V, -1, -2)) if compute_uv else s


def svdvals(x: Array, /) -> Array:
    """Return the singular values of each matrix, in descending order (see `svd`)."""
    return svd(x, compute_uv=False)


# --- arguments ----------------------------------------------------------------------------------


def _numbers(who: str, x: Any) -> Array:
    """Return an operand that knows its shape, in floats if it is an array of integers."""
    x = operand(who, x)
    return x if hasattr(x, "__interpret__") else floats(x)


def _matrix(who: str, x: Any, is_square: bool = False) -> Array:
    x = _numbers(who, x)
    if x.ndim < 2 or (is_square and x.shape[-1] != x.shape[-2]):
        signal = f" ({x.label()})" if hasattr(x, "label") else ""
        wanted = "a square matrix (…, n, n)" if is_square else "a matrix (…, m, n)"
        raise ShapeError(f"{who}: found shape {x.shape}{signal}, expected {wanted}")
    return x


def _square(who: str, x: Any) -> Array:
    return _matrix(who, x, is_square=True)


def _refuse_hermitian(who: str, hermitian: bool) -> None:
    if flag(f"{who}: hermitian", hermitian):
        raise ArgumentError(f"{who}: hermitian=True is not provided; leave it out, or use eigh")


INSTEAD = "of a symmetric matrix np.linalg.eigh gives real eigenvalues"
# NumPy's function -> ours
NUMPY: dict[Callable[..., Any], Callable[..., Any]] = {
    np.linalg.solve: solve, np.linalg.inv: inv, np.linalg.pinv: pinv, np.linalg.lstsq: lstsq,
    np.linalg.matrix_power: matrix_power, np.linalg.det: det, np.linalg.slogdet: slogdet,
    np.linalg.cholesky: cholesky, np.linalg.eigh: eigh, np.linalg.eigvalsh: eigvalsh,
    np.linalg.svd: svd, np.linalg.svdvals: svdvals,
    np.linalg.eig: checked.complex_results("np.linalg.eig", INSTEAD),
    np.linalg.eigvals: checked.complex_results("np.linalg.eigvals", INSTEAD),
}  # fmt: skip

__all__ = [
    "EighResult", "SVDResult", "SlogdetResult", "cholesky", "det", "eigh", "eigvalsh", "inv",
    "lstsq", "matrix_power", "pinv", "slogdet", "solve", "svd", "svdvals",
]  # fmt: skip


def __dir__() -> list[str]:
    return sorted(__all__)
