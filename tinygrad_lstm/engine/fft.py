"""Fourier transforms of real signals: ``tg.fft``. A spectrum is two Tensors, its real and imag.

Knows the table and its kinds; loaded when it is first used. A Tensor holds real numbers. So
NumPy's functions that give complex ones, such as ``np.fft.rfft``, are refused with a pointer here,
and those that give real ones, such as ``np.fft.irfft``, are provided.

>>> import tinygrad_lstm as tg
>>> x = tg.Tensor([1.0, 2.0, 0.0, -1.0], requires_grad=True, name="x")
>>> spectrum = tg.fft.rfft(x)
>>> spectrum.numpy()
array([2.+0.j, 1.-3.j, 0.+0.j])
>>> tg.fft.irfft(spectrum).numpy().round(12)
array([ 1.,  2.,  0., -1.])
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..errors import DTypeError, ShapeError
from .arguments import one_of, whole
from .arrays import plain
from .functions import checked
from .kinds import linear
from .numerics import Array, floats
from .primitive import Primitive
from .primitives import concatenate, pad, stack
from .samples import cases
from .symbol import Notation

__all__ = [
    "Spectrum", "fft", "fft2", "fftn", "fftshift", "fourier", "ifft", "ifft2", "ifftn",
    "ifftshift", "irfft", "irfft2", "irfftn", "rfft", "rfft2", "rfftn",
]  # fmt: skip


class Spectrum(NamedTuple):
    """A complex signal as its real and its imaginary part, of the same shape."""

    real: Any
    imag: Any

    def numpy(self) -> np.ndarray:
        """Return the numbers as one complex array."""
        real, imag = (np.asarray(plain(part)) for part in self)
        return np.asarray(real + 1j * imag)


# --- the primitive ------------------------------------------------------------------------------


def _fourier(x: Array, *, axis: int = -1, sign: int = -1) -> Array:
    """Return Σ_j (x₀ + i x₁)_j exp(sign 2πi j k / n) along an axis, both parts along the first."""
    z = x[0] + 1j * x[1]
    y = np.fft.fft(z, axis=axis) if sign < 0 else np.fft.ifft(z, axis=axis, norm="forward")
    return np.asarray(np.stack([y.real, y.imag]), x.dtype)


fourier: Primitive = linear(
    "fourier", _fourier, lambda ct, x, axis=-1, sign=-1: fourier(ct, axis=axis, sign=-sign),
    notation=Notation("fourier({0}, {sign})", r"\mathcal{{F}}_{{{sign}}}\left({0}\right)"),
    samples=cases([(2, 4), dict(axis=-1, sign=-1)], [(2, 3, 2), dict(axis=-2, sign=1)]),
    analytic=False,
)  # fmt: skip

# --- transforms ---------------------------------------------------------------------------------


def fft(a: Any, n: int | None = None, axis: int = -1, norm: str | None = None) -> Spectrum:
    """Return the discrete Fourier transform of a signal, or of a `Spectrum`.

    Parameters
    ----------
    a : array, Tensor or Spectrum
    n : int, optional
        How many entries along the axis to transform: zeros follow, or the rest is left out.
    axis : int
    norm : {"backward", "ortho", "forward"}
        As in NumPy.
    """
    return _transform("fft", a, n, axis, norm, -1)


def ifft(a: Any, n: int | None = None, axis: int = -1, norm: str | None = None) -> Spectrum:
    """Return the inverse discrete Fourier transform of a signal, or of a `Spectrum` (see `fft`)."""
    return _transform("ifft", a, n, axis, norm, +1)


def rfft(a: Array, n: int | None = None, axis: int = -1, norm: str | None = None) -> Spectrum:
    """Return terms 0 to n // 2 of the transform of a real signal; they determine the others."""
    if isinstance(a, tuple):
        raise DTypeError("rfft: found two parts, expected a real signal; fft takes a Spectrum")
    parts = _transform("rfft", a, n, axis, norm, -1)
    axis, size = _along("rfft", parts.real, axis)
    return Spectrum(*(_cut(part, size // 2 + 1, axis) for part in parts))


def irfft(a: Any, n: int | None = None, axis: int = -1, norm: str | None = None) -> Array:
    """Return the real signal of n entries, 2 (m - 1) unless said, of which rfft gives m terms."""
    parts = _parts("irfft", a)
    axis, m = _along("irfft", parts.real, axis)
    n = 2 * (m - 1) if n is None else whole("irfft: n", n, 1)
    if n < 1:
        raise ShapeError(f"irfft: found {m} terms along the axis, expected 2 or more, or n")
    halves = [_cut(part, n // 2 + 1, axis) for part in parts]
    k = np.arange(n // 2 + 1)
    shares = np.where((k == 0) | (2 * k == n), 1.0, 2.0).reshape((-1, *(1,) * (-axis - 1)))
    terms = stack([_cut(half * np.asarray(shares, half.dtype), n, axis) for half in halves])
    return _scale(fourier(terms, axis=axis, sign=+1)[0], "irfft", n, norm, +1)


# --- along several axes -------------------------------------------------------------------------


def fftn(a: Any, s: Any = None, axes: Any = None, norm: str | None = None) -> Spectrum:
    """Return the transform along several axes of a signal, or of a `Spectrum`.

    Parameters
    ----------
    a : array, Tensor or Spectrum
    s : ints, optional
        How many entries along each axis to transform, as ``n`` of `fft`; all if None or -1.
    axes : ints, optional
        The last ones if s is given, else all.
    norm : {"backward", "ortho", "forward"}
        As in NumPy.
    """
    return _over_axes("fftn", fft, a, s, axes, norm)


def ifftn(a: Any, s: Any = None, axes: Any = None, norm: str | None = None) -> Spectrum:
    """Return the inverse transform along several axes (see `fftn`)."""
    return _over_axes("ifftn", ifft, a, s, axes, norm)


def rfftn(a: Array, s: Any = None, axes: Any = None, norm: str | None = None) -> Spectrum:
    """Return the transform of a real signal along several axes, the last one by `rfft`."""
    *first, last = _lengths("rfftn", checked.array("rfftn", a), s, axes)
    spectrum = rfft(a, last[1], last[0], norm)
    for axis, n in reversed(first):
        spectrum = fft(spectrum, n, axis, norm)
    return spectrum


def irfftn(a: Any, s: Any = None, axes: Any = None, norm: str | None = None) -> Array:
    """Return the real signal that `rfftn` takes to these terms."""
    parts = _parts("irfftn", a)
    *first, last = _lengths("irfftn", parts.real, s, axes)
    for axis, n in first:
        parts = ifft(parts, n, axis, norm)
    return irfft(parts, None if s is None else last[1], last[0], norm)


def fft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: str | None = None) -> Spectrum:
    """Return the transform along two axes, the last ones unless said (see `fftn`)."""
    return fftn(a, s, axes, norm)


def ifft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: str | None = None) -> Spectrum:
    """Return the inverse transform along two axes (see `fftn`)."""
    return ifftn(a, s, axes, norm)


def rfft2(a: Array, s: Any = None, axes: Any = (-2, -1), norm: str | None = None) -> Spectrum:
    """Return the transform of a real signal along two axes (see `rfftn`)."""
    return rfftn(a, s, axes, norm)


def irfft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: str | None = None) -> Array:
    """Return the real signal along two axes (see `irfftn`)."""
    return irfftn(a, s, axes, norm)


def fftshift(x: Array, axes: Any = None) -> Array:
    """Return a spectrum with the term of frequency 0 in the middle."""
    return _roll("fftshift", x, axes, lambda size: size - size // 2)


def ifftshift(x: Array, axes: Any = None) -> Array:
    """Return a spectrum with the term of frequency 0 first again."""
    return _roll("ifftshift", x, axes, lambda size: size // 2)


# --- how ----------------------------------------------------------------------------------------


def _transform(who: str, a: Any, n: Any, axis: int, norm: str | None, sign: int) -> Spectrum:
    parts = _parts(who, a)
    axis, size = _along(who, parts.real, axis)
    size = size if n is None else whole(f"{who}: n", n, 1)
    if not size:
        raise ShapeError(f"{who}: found no entries along the axis, expected 1 or more")
    both = fourier(stack([_cut(part, size, axis) for part in parts]), axis=axis, sign=sign)
    return Spectrum(*(_scale(both[k], who, size, norm, sign) for k in range(2)))


def _over_axes(
    who: str, of: Callable[..., Spectrum], a: Any, s: Any, axes: Any, norm: str | None
) -> Spectrum:
    parts = _parts(who, a)
    for axis, n in reversed(_lengths(who, parts.real, s, axes)):
        parts = of(parts, n, axis, norm)
    return parts


def _lengths(who: str, x: Array, s: Any, axes: Any) -> list[tuple[int, int]]:
    """Return the axes to go along, and how many entries of each."""
    counts = None if s is None else list(checked.wholes(f"{who}: s", s))
    last = range(-len(counts or x.shape), 0)
    several = last if axes is None else checked.wholes(f"{who}: axes", axes)
    if counts is not None and len(counts) != len(several):
        raise ShapeError(f"{who}: found {len(counts)} lengths for {len(several)} axes")
    if not several:
        raise ShapeError(f"{who}: found no axes, expected 1 or more")
    pairs = zip(several, counts or [-1] * len(several), strict=True)
    return [(axis, _along(who, x, axis)[1] if n == -1 else n) for axis, n in pairs]


def _parts(who: str, a: Any) -> Spectrum:
    """Return a signal as its two parts; the imaginary part of a real one is 0."""
    if isinstance(a, Spectrum):
        return a
    x = checked.array(who, a)
    if not hasattr(x, "__interpret__"):
        x = floats(x)
    if x.dtype.kind == "c":
        return Spectrum(x.real, x.imag)
    return Spectrum(x, np.zeros(x.shape, x.dtype))


def _along(who: str, x: Array, axis: Any) -> tuple[int, int]:
    """Return the axis counted from the last one, and its size."""
    axis = checked.one_axis(who, x, axis)
    return axis - x.ndim, x.shape[axis]


def _cut(x: Array, size: int, axis: int) -> Array:
    """Return an array cut, or filled with zeros, to a size along an axis (counted from the end)."""
    more = size - x.shape[axis]
    if more > 0:
        widths = [(0, 0)] * x.ndim
        widths[axis] = (0, more)
        return pad(x, pad_width=tuple(widths))
    return x[(..., slice(size), *(slice(None),) * (-axis - 1))] if more else x


def _scale(x: Array, who: str, n: int, norm: str | None, sign: int) -> Array:
    one_of(f"{who}: norm", norm, (None, "backward", "ortho", "forward"))
    if norm == "ortho":
        return x * float(1 / np.sqrt(n))
    return x * (1.0 / n) if (norm == "forward") == (sign < 0) else x


def _roll(who: str, x: Any, axes: Any, start: Callable[[int], int]) -> Array:
    x = checked.array(who, x)
    several = range(x.ndim) if axes is None else axes if isinstance(axes, tuple | list) else (axes,)
    for number in several:
        axis, size = _along(who, x, number)
        rest, cut = (slice(None),) * (-axis - 1), start(size)
        pieces = [x[(..., slice(cut, None), *rest)], x[(..., slice(cut), *rest)]]
        x = concatenate(pieces, axis=axis)
    return x


INSTEAD = "tg.fft has the same, or ifft, which give the real and the imaginary part as two Tensors"
# NumPy's function -> ours
NUMPY: dict[Callable[..., Any], Callable[..., Any]] = {
    getattr(np.fft, name): checked.complex_results(f"np.fft.{name}", INSTEAD)
    for name in ("fft", "ifft", "rfft", "ihfft", "fft2", "ifft2", "rfft2", "fftn", "ifftn", "rfftn")
}
NUMPY |= {np.fft.irfft: irfft, np.fft.irfft2: irfft2, np.fft.irfftn: irfftn}
NUMPY |= {np.fft.fftshift: fftshift, np.fft.ifftshift: ifftshift}


def __dir__() -> list[str]:
    return sorted(__all__)
