"""Holds Fourier transforms to NumPy's values, and their gradients to differences."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import tinygrad_lstm as tg
from support import laws
from tinygrad_lstm.engine import fft
from tinygrad_lstm.errors import ArgumentError, DTypeError, ShapeError, UsageError

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


OVER_AXES = [
    dict(), dict(axes=(0, 2)), dict(axes=(1,), norm="ortho"), dict(s=(4, 3)),
    dict(s=(7, -1), axes=(1, 0)), dict(axes=(-1, 0, 1), norm="forward"), dict(axes=(1, 1)),
    dict(s=(2, 4, 3), axes=(0, 1, 2)),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore:`axes` should not be")
@pytest.mark.parametrize("options", OVER_AXES, ids=str)
@pytest.mark.parametrize("name", ["fftn", "ifftn", "rfftn", "fft2", "ifft2", "rfft2"])
def test_value_along_several_axes(name, options):
    found = getattr(tg.fft, name)(tg.Tensor(X), **options)
    expected = getattr(np.fft, name)(X, **options)
    laws.near(found.real.data, expected.real, 1e-13)
    laws.near(found.imag.data, expected.imag, 1e-13)


@pytest.mark.filterwarnings("ignore:`axes` should not be")
@pytest.mark.parametrize("options", OVER_AXES, ids=str)
@pytest.mark.parametrize("name", ["irfftn", "irfft2"])
def test_value_of_the_real_inverse_along_several_axes(name, options):
    z = X + 1j * laws.draw(X.shape, 1)
    terms = fft.Spectrum(tg.Tensor(z.real), tg.Tensor(z.imag))
    laws.near(
        getattr(tg.fft, name)(terms, **options).data, getattr(np.fft, name)(z, **options), 1e-13
    )
    inverse = getattr(np.fft, name)
    laws.near(inverse(tg.Tensor(X), **options).data, inverse(X, **options), 1e-13)


@pytest.mark.parametrize("options", [o for o in OVER_AXES if "s" not in o], ids=str)
def test_the_gradient_along_several_axes_is_the_difference(options):
    x = tg.Tensor(X, requires_grad=True, name="x")

    def through(x):
        spectrum = tg.fft.rfftn(x, **options)
        power = fft.Spectrum(spectrum.real**2, tg.tanh(spectrum.imag))
        both = tg.fft.ifftn(power, **options)
        return tg.sum(tg.fft.irfftn(power, **options)) + tg.sum(tg.tanh(both.real) + both.imag)

    assert tg.gradcheck(through, [x]).ok


def test_several_axes_go_there_and_back():
    x = tg.Tensor(laws.draw((3, 4, 6)), requires_grad=True)
    laws.near(tg.fft.irfftn(tg.fft.rfftn(x)).data, x.data, 1e-14)
    laws.near(tg.fft.irfft2(tg.fft.rfft2(x)).data, x.data, 1e-14)
    laws.near(tg.fft.ifftn(tg.fft.fftn(x)).real.data, x.data, 1e-14)


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
    "complex along axes": (lambda: np.fft.fftn(T), DTypeError, "np.fft.fftn .* has the same"),
    "lengths": (lambda: tg.fft.fftn(T, s=(2,), axes=(0, 1)), ShapeError, "1 lengths for 2 axes"),
    "no axes": (lambda: tg.fft.rfftn(T, axes=()), ShapeError, "rfftn: found no axes"),
    "no numbers": (lambda: tg.fft.fftn(T, s=(2.5,)), UsageError, "fftn: s must be"),
    "a spectrum": (lambda: tg.fft.rfft(tg.fft.rfft(T)), DTypeError, "fft takes a Spectrum"),
}  # fmt: skip


@pytest.mark.parametrize(("call", "error", "says"), WRONG.values(), ids=WRONG.keys())
def test_what_cannot_be_is_refused(call, error, says):
    with pytest.raises(error, match=says):
        call()
