"""Forward mode beside reverse mode, where a mask stands before an infinite slope."""

import numpy as np
import pytest

import tinygrad_lstm as tg

POINTS = np.array([-1.0, 0.0, 0.0, 2.0, -3.0, 1.0])

# what masks, and makes 0 of what is masked out
MASKS = {
    "relu": tg.relu,
    "clip": lambda x: tg.clip(x, 0.0, 2.0),
    "where": lambda x: tg.where(x.data > 0, x, 0.0),
    "maximum": lambda x: tg.maximum(x, 0.0),
    "fmax": lambda x: tg.fmax(x, 0.0),
    "minimum": lambda x: -tg.minimum(-x, 0.0),
    "maximum of two": lambda x: tg.maximum(tg.relu(x), tg.relu(x - 1.0)),
    "max": lambda x: tg.max(tg.stack([x, np.zeros(x.shape), x - 1.0]), axis=0),
    "nan_to_num": lambda x: tg.nan_to_num(tg.where(x.data < 0, np.nan, x)),
    "floor": lambda x: tg.floor(tg.abs(x)) * tg.relu(x),
    "select": lambda x: tg.select([x.data > 1, x.data > 0], [x * x, x], 0.0),
}
# where a slope at 0 is infinite or none
SINGULAR = {
    "sqrt": tg.sqrt,
    "log": tg.log,
    "reciprocal": lambda x: 1.0 / x,
    "power": lambda x: x**0.3,
    "power of two": lambda x: x ** tg.relu(x - 1.0),
    "divide": lambda x: x / (x * x),
    "arccos": lambda x: tg.arccos(1.0 - x / 2.0),
    "log of a sum": lambda x: tg.log(x + x),
    "sqrt of a product": lambda x: tg.sqrt(x[None, :] * np.array([[1.0], [2.0]])),
    "sqrt of a sum": lambda x: tg.sqrt(tg.sum(tg.stack([x, x]), axis=0)),
    "sqrt of a matrix product": lambda x: tg.sqrt(tg.stack([x, 2.0 * x], axis=1) @ np.ones((2, 1))),
    "sqrt of a part": lambda x: tg.concatenate([tg.sqrt(x[:3]), x[3:]]),
}  # fmt: skip
PLAIN = {
    "times": lambda x: 2.0 * x,
    "tanh": tg.tanh,
    "turned": lambda x: x[::-1],
    "cumsum": lambda x: tg.cumsum(x),
    "padded": lambda x: tg.pad(x, (0, 1))[:-1],
    "none": lambda x: x,
}


def program(rng):
    """Return a random composition, and the names of its parts."""
    names, parts = [], []
    for kind in (PLAIN, MASKS, PLAIN, SINGULAR, PLAIN):
        name = rng.choice(list(kind))
        names.append(str(name))
        parts.append(kind[name])

    def run(x):
        for part in parts:
            x = part(x)
        return x

    return run, names


def both(run, numbers, position):
    """Return the derivative of all results by one number, in forward mode and in reverse mode."""

    def of_one(number):
        entries = [number if at == position else float(x) for at, x in enumerate(numbers)]
        return tg.ravel(run(tg.stack(entries)))

    x = tg.Tensor(numbers[position], requires_grad=True)
    with np.errstate(all="ignore"):
        _, forward = tg.jvp(of_one, numbers[position], 1.0)
        results = of_one(x)
        reverse = [tg.grad(y, x, allow_unused=True) for y in results]
    return forward.numpy(), np.array([0.0 if each is None else each.item() for each in reverse])


@pytest.mark.parametrize("seed", range(60))
def test_what_is_masked_out_is_zero_in_both_modes(seed):
    rng = np.random.default_rng(seed)
    run, names = program(rng)
    numbers = rng.choice(POINTS, 4)
    for position in range(len(numbers)):
        forward, reverse = both(run, numbers, position)
        is_known = ~np.isnan(reverse)
        np.testing.assert_allclose(
            forward[is_known], reverse[is_known], rtol=1e-12, err_msg=f"{names} at {numbers}"
        )


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("singular", SINGULAR)
def test_a_masked_entry_has_no_slope_in_either_mode(mask, singular):
    forward, reverse = both(lambda x: SINGULAR[singular](MASKS[mask](x)), np.array([-1.0, 2.0]), 0)
    entries = np.ravel(forward)
    assert not np.isnan(entries).any() and np.array_equal(entries, np.ravel(reverse))
