"""Series to forecast: Mackey and Glass's equation, and the sunspots.

M. Mackey and L. Glass, Science 197, 1977. The forecast by x(t-18), x(t-12), x(t-6), x(t), its 500
pairs to train and 500 to test with, and the errors of other methods: J.-S. R. Jang, "ANFIS", IEEE
Transactions on Systems, Man, and Cybernetics 23(3), 1993, doi:10.1109/21.256541. The sunspots,
their split and the errors of other methods: A. Weigend, B. Huberman and D. Rumelhart, "Predicting
the future: a connectionist approach", International Journal of Neural Systems 1(3), 1990.
"""

from __future__ import annotations

import numpy as np

from ..data import sunspots as sunspot_numbers
from ..engine.arguments import number, whole
from .task import Array, Predict, Sample, Task, Verdict, counted, last_steps

DELAY, STEPS = 17, 10  # of the equation; Runge–Kutta steps in a unit of time
VARIANCE = 1535.0  # of the yearly numbers, by which Weigend and others divide all errors


def mackey_glass_series(count: int) -> Array:
    """Return x(0) … x(count - 1) of dx/dt = 0.2 x(t-17) / (1 + x(t-17)¹⁰) - 0.1 x(t).

    x(0) = 1.2, and x(t) = 0 before; by Runge and Kutta's fourth order with a step of 0.1. The
    delayed value in the middle of a step is the mean of its two ends.

    Examples
    --------
    >>> mackey_glass_series(3).round(4)
    array([1.2   , 1.0858, 0.9825])
    """
    lag = DELAY * STEPS
    x = np.zeros(lag + (count - 1) * STEPS + 1)
    x[lag] = 1.2
    h = 1.0 / STEPS

    def growth(delayed: float) -> float:
        return 0.2 * delayed / (1.0 + delayed**10)

    for k in range(lag, len(x) - 1):
        now = float(x[k])
        before, after = float(x[k - lag]), float(x[k - lag + 1])
        if k - lag + 1 == lag:  # the series jumps at t = 0, where this step ends
            after = 0.0
        start, middle, end = growth(before), growth((before + after) / 2), growth(after)
        k1 = start - 0.1 * now
        k2 = middle - 0.1 * (now + h / 2 * k1)
        k3 = middle - 0.1 * (now + h / 2 * k2)
        k4 = end - 0.1 * (now + h * k3)
        x[k + 1] = now + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return x[lag::STEPS]


def mackey_glass(most: float = 0.02) -> Task:
    """Return the forecast of Mackey and Glass's series by 6 units of time.

    Parameters
    ----------
    most : float above 0
        The limit of the criterion. Jang (1993) lists 0.55 for a linear model, 0.06 for
        cascade correlation, 0.04 for a polynomial of order 6 and 0.02 for backpropagation.
    """
    most = number("mackey_glass: most", most, 1e-9)
    series = mackey_glass_series(1124)
    mean, deviation = series[118:618].mean(), series[118:618].std()
    z = (series - mean) / deviation

    def pairs(first: int) -> Sample:
        times = np.arange(first, first + 500)
        return _windows(z, times, np.array([-18, -12, -6, 0]), 6)

    training, test = pairs(118), pairs(618)

    def judge(predict: Predict, random: np.random.Generator) -> Verdict:
        error = _rms_error(test, predict) / float(np.std(counted(test, test.target)[1]))
        return Verdict(error <= most, error)

    return Task(
        "Mackey–Glass", "Jang 1993, examples of forecasts",
        f"error / deviation ≤ {most:g} on 618 ≤ t < 1118", 1, 1, "squares",
        lambda random, B: _some(training, random, B), judge,
    )  # fmt: skip


def sunspots(window: int = 12, most: float = 0.097) -> Task:
    """Return the forecast of the sunspot number of the next year.

    Training ends with 1920; the judge looks at 1921–1955. Numbers are divided by 191.2 like the
    networks of the source.

    Parameters
    ----------
    window : int, 1 to 100
        The years that a forecast is made from.
    most : float above 0
        The limit of the criterion. Weigend and others (1990) give 0.097 for the threshold
        autoregressive model of H. Tong and K. Lim (1980), and 0.086 for their network.
    """
    window, most = whole("sunspots: window", window, 1, 101), number("sunspots: most", most, 1e-9)
    years, numbers = sunspot_numbers()
    scale = 191.2
    lags = np.arange(1 - window, 1)

    def pairs(first: int, last: int) -> Sample:
        times = np.flatnonzero((years >= first) & (years <= last)) - 1
        return _windows(numbers / scale, times, lags, 1)

    training, test = pairs(int(years[0]) + window, 1920), pairs(1921, 1955)

    def judge(predict: Predict, random: np.random.Generator) -> Verdict:
        error = (_rms_error(test, predict) * scale) ** 2 / VARIANCE
        return Verdict(error <= most, error)

    return Task(
        "sunspots", "Weigend, Huberman and Rumelhart 1990",
        f"squared error / variance ≤ {most:g} on 1921–1955", 1, 1, "squares",
        lambda random, B: _some(training, random, B), judge,
    )  # fmt: skip


def _windows(z: Array, times: Array, lags: Array, ahead: int) -> Sample:
    """Return the windows z(t + lags) and the targets z(t + ahead), which count at the last step."""
    x = z[times[None, :] + lags[:, None]][..., None]
    lengths = np.full(len(times), len(lags))
    return Sample(x, *last_steps(lengths, z[times + ahead][:, None], len(lags)))


def _some(sample: Sample, random: np.random.Generator, B: int) -> Sample:
    """Return B sequences, each at most once; all of them in order if there are no more."""
    count = sample.x.shape[1]
    if count <= B:
        return sample
    chosen = random.permutation(count)[:B]
    return Sample(*(array[:, chosen] for array in sample))


def _rms_error(sample: Sample, predict: Predict) -> float:
    y, target = counted(sample, predict(sample.x)[0])
    return float(np.sqrt(np.mean((y - target) ** 2)))
