"""Holds Fourier transforms to NumPy's values, and their gradients to differences."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import tinygrad_lstm as tg
from support import laws
from tinygrad_lstm.engine import fft
from tinygrad_lstm.errors import ArgumentError, DTypeError, ShapeError

X = laws.draw((3, 5, 2))
ASKED = [
    dict(), dict(axis=1), dict(axis=0, norm="ortho"), dict(n=4, axis=-2), dict(n=7, axis=1),
    dict(axis=1, norm="forward"), dict(n=1), dict(axis=0, norm="backward"),
]  # fmt: skip


@pytest.mark.parametrize("options", ASKED, ids=str)
@pytest.mark.parametrize("name", ["fft", "ifft", "rfft"])
def test_value(name, options):
    found = getattr(tg.fft, name)(tg.Tensor(X), **options)
    expected = getattr(np.fft, name)(X, **options)
    laws.near(found.real.data, expected.real, 1e-13)
    laws.near(found.imag.data, expected.imag, 1e-13)


@pytest.mark.parametrize("options", ASKED, ids=str)
def test_value_of_the_real_inverse(options):
    z = X + 1j * laws.draw(X.shape, 1)
    if options == {}:
        options = dict(n=3)
    found = tg.fft.irfft(fft.Spectrum(tg.Tensor(z.real), tg.Tensor(z.imag)), **options)
    laws.near(found.data, np.fft.irfft(z, **options), 1e-13)
    laws.near(np.fft.irfft(tg.Tensor(X), **options).data, np.fft.irfft(X, **options), 1e-13)


@pytest.mark.parametrize("options", ASKED[:6], ids=str)
def test_the_gradient_is_the_difference(options):
    x = tg.Tensor(X, requires_grad=True, name="x")

    def through(x):
        size = X.shape[options.get("axis", -1)]
        spectrum = tg.fft.rfft(x, **options)
        power = spectrum.real**2 + spectrum.imag**2
        whole = {**options, "n": options.get("n", size)}
        back = tg.fft.irfft(fft.Spectrum(power, spectrum.imag), **whole)
        both = tg.fft.ifft(tg.fft.fft(x, **options), **options)
        return tg.sum(back) + tg.sum(tg.tanh(both.real) + both.imag)

    assert tg.gradcheck(through, [x]).ok


@pytest.mark.parametrize("n", [4, 5])
def test_there_and_back(n):
    x = tg.Tensor(laws.draw((2, n)), requires_grad=True)
    back = tg.fft.irfft(tg.fft.rfft(x), n)
    laws.near(back.data, x.data, 1e-14)
    back.backward(laws.draw((2, n), 1))
    laws.near(x.grad, laws.draw((2, n), 1), 1e-14)


def test_a_filter_is_a_circular_convolution():
    x, h = tg.Tensor(laws.draw((6,)), requires_grad=True), laws.draw((6,), 1)
    X, H = tg.fft.rfft(x), np.fft.rfft(h)
    product = fft.Spectrum(X.real * H.real - X.imag * H.imag, X.real * H.imag + X.imag * H.real)
    y = tg.fft.irfft(product)
    circulant = np.array([[h[(i - j) % 6] for j in range(6)] for i in range(6)])
    laws.near(y.data, circulant @ x.data, 1e-13)
    laws.near(tg.jacobian(lambda x: tg.fft.irfft(tg.fft.rfft(x)), x).data, np.eye(6), 1e-13)


@pytest.mark.parametrize("name", ["fftshift", "ifftshift"])
@pytest.mark.parametrize("axes", [None, 0, (0, 1)])
def test_shift(name, axes):
    x = tg.Tensor(X, requires_grad=True)
    y = getattr(np.fft, name)(x, axes=axes)
    assert np.array_equal(y.data, getattr(np.fft, name)(X, axes=axes))
    assert y.requires_grad


def test_float32_stays():
    assert tg.fft.rfft(tg.Tensor(X, dtype=np.float32)).real.dtype == np.float32
    assert tg.fft.irfft(tg.Tensor(X, dtype=np.float32), 3).dtype == np.float32


@pytest.mark.parametrize("known", fft.NUMPY, ids=lambda known: known.__name__)
def test_options_go_by_numpys_names(known):
    ours = inspect.signature(fft.NUMPY[known]).parameters
    assert "args" in ours or list(ours) == list(inspect.signature(known).parameters)[: len(ours)]


T = tg.Tensor(X, requires_grad=True, name="x")
WRONG = {
    "complex": (lambda: np.fft.rfft(T), DTypeError, "np.fft.rfft gives complex .* tg.fft has"),
    "axis": (lambda: tg.fft.rfft(T, axis=3), ShapeError, "rfft: found axis 3"),
    "n": (lambda: tg.fft.fft(T, n=0), ArgumentError, "fft: n"),
    "norm": (lambda: tg.fft.fft(T, norm="l2"), ArgumentError, "fft: norm"),
    "one term": (lambda: tg.fft.irfft(T[..., :1]), ShapeError, "irfft: found 1 terms"),
    "a spectrum": (lambda: tg.fft.rfft(tg.fft.rfft(T)), DTypeError, "fft takes a Spectrum"),
}  # fmt: skip


@pytest.mark.parametrize(("call", "error", "says"), WRONG.values(), ids=WRONG.keys())
def test_what_cannot_be_is_refused(call, error, says):
    with pytest.raises(error, match=says):
        call()
