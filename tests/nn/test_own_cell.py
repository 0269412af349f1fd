"""Holds a cell that is written outside of the package to all that the package's own cells do."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_lstm as tg

T, B, IN, H = 5, 2, 3, 4


class MinimalGatedUnit(tg.nn.Equations):
    """G. Zhou, J. Wu, C. Zhang and Z. Zhou, "Minimal gated unit", 2016."""

    def __init__(self, H):
        super().__init__(gates={"f": H, "h": H}, sizes=(H,))

    def stepper(self, p):
        F, N = self.columns("f", "h")
        U_f, U_h = p.U[F], p.U[N]

        def step(xW, out):
            s_f = xW[F] + out @ U_f
            f = tg.sigmoid(s_f)
            s_h = xW[N] + (f * out) @ U_h
            h = tg.tanh(s_h)
            out = (1.0 - f) * out + f * h
            s_f.name, f.name, s_h.name, h.name, out.name = "s_f", "f", "s_h", "h", "out"
            return (out,)

        return step


def layer(**options):
    return tg.nn.Recurrent(MinimalGatedUnit(H), IN, name="mgu", seed=0, **options)


def sequence():
    return np.random.default_rng(1).normal(size=(T, B, IN))


def by_hand(p, x):
    """Return the outputs at every step, (T, B, H), in plain NumPy."""
    (W_f, W_h), (U_f, U_h), (b_f, b_h) = (np.split(p[name], 2, axis=-1) for name in "WUb")
    out, outs = np.zeros((B, H)), []
    for x_k in x:
        f = 1 / (1 + np.exp(-(x_k @ W_f + out @ U_f + b_f)))
        out = (1 - f) * out + f * np.tanh(x_k @ W_h + (f * out) @ U_h + b_h)
        outs.append(out)
    return np.stack(outs)


def test_it_computes_what_it_says():
    mgu, x = layer(), sequence()
    np.testing.assert_allclose(mgu(x)[0].data, by_hand(mgu.state_dict(), x), rtol=0, atol=1e-15)


def test_its_card_shows_the_equations():
    assert str(layer()).splitlines() == [
        "mgu: Recurrent, 3 features to 4",
        "  s_f = x(k) W.f + b.f + out(k-1) U.f",
        "  f   = σ(s_f)",
        "  s_h = x(k) W.h + b.h + (f ∘ out(k-1)) U.h",
        "  h   = tanh(s_h)",
        "  out = (1 - f) ∘ out(k-1) + f ∘ h",
        "W (3, 8), U (4, 8), b (8,)",
        "A sequence is a row, weights are (in, out), packed in the order f, h; one bias",
        "64 parameters",
    ]


@pytest.mark.parametrize(
    "options", [{}, {"bidirectional": True}, {"num_layers": 2}, {"initial": "learned"}], ids=str
)
def test_its_gradients_are_those_of_differences_and_of_the_adjoint_network(options):
    mgu, x = layer(**options), sequence()

    def loss_of():
        return tg.nn.squared_error(mgu(x)[0], np.ones((*x.shape[:-1], mgu(x)[0].shape[-1])))

    loss = loss_of()
    loss.backward()
    adjoint = tg.graph(loss).fold().adjoint().evaluate()
    for name, parameter in mgu.named_parameters():
        np.testing.assert_allclose(adjoint[f"δmgu.{name}"], parameter.grad, rtol=0, atol=1e-13)
        numbers, step, entry = parameter.numpy(), 1e-6, (0,) * parameter.ndim
        above, below = numbers.copy(), numbers.copy()
        above[entry] += step
        below[entry] -= step
        losses = []
        for changed in (above, below):
            parameter.data = changed
            losses.append(loss_of().item())
        parameter.data = numbers
        slope = (losses[0] - losses[1]) / (2 * step)
        assert slope == pytest.approx(parameter.grad[entry], rel=1e-7, abs=1e-8)


def test_it_folds_and_is_drawn():
    loss = layer()(sequence())[0].sum()
    network = tg.graph(loss).fold()
    assert repr(network).endswith(f"folded over {T} steps>")
    assert network.count()["delay"] == network.adjoint().count()["advance"] == 1
    text = tg.draw(loss, view="both").dot
    assert "δs_h" in text
    assert "δs_f" in text


def test_its_signals_are_compared_and_a_mistake_is_found():
    mgu, x = layer(), sequence()
    loss = tg.nn.squared_error(mgu(x)[0], np.ones((T, B, H)))
    loss.backward()
    swapped = np.concatenate([mgu.b.grad[H:], mgu.b.grad[:H]])
    report = tg.compare(loss, {"mgu.W": mgu.W.grad, "mgu.b": swapped})
    assert not report.ok
    assert report.blame.signal.startswith("mgu.b")


def test_its_steps_can_be_run_by_the_caller():
    mgu, x = layer(), sequence()
    cell = tg.nn.Cell(MinimalGatedUnit(H), IN, seed=0)
    cell.load_state_dict(mgu.state_dict())
    out = None
    for k in tg.steps(T):
        out = cell(x[k], out)
    np.testing.assert_array_equal(out.data, mgu(x)[1].data)


@pytest.mark.parametrize(
    ("gates", "sizes", "words"),
    [
        ({"forget": H}, (H,), "'forget', expected one letter"),
        ({"f": 0}, (H,), "the width of gate f must be at least 1"),
        (["f"], (H,), "a dictionary of widths by letters"),
        ({"f": H}, (H, H), "expected one for each state: out"),
        ({"f": H}, H, "expected one for each state: out"),
    ],
)
def test_gates_and_sizes_that_cannot_be_are_refused(gates, sizes, words):
    with pytest.raises(tg.TinygradError, match=words):
        tg.nn.Equations(gates, sizes)


def own(**methods):
    """Return a layer of equations with some methods of its own."""
    equations = type("Own", (MinimalGatedUnit,), methods)(H)
    return tg.nn.Recurrent(equations, IN, seed=0)


@pytest.mark.parametrize(
    ("stepper", "error", "says"),
    [
        (lambda self, p: None, tg.UsageError, "Own: stepper returned None, expected a function"),
        (lambda self, p: lambda xW, out: out, tg.UsageError, r"returned \w+, expected "
         r"a tuple of the next states: \(out,\)"),
        (lambda self, p: lambda xW, out: (out, out), tg.UsageError, "the step returned 2 states"),
        (lambda self, p: self.columns("z"), tg.ArgumentError, "columns must be one of 'f', 'h'"),
        (tg.nn.Equations.stepper, NotImplementedError, "Own does not say .* define stepper"),
    ],
    ids=["no function", "no tuple", "too many", "no such gate", "no stepper"],
)  # fmt: skip
@pytest.mark.parametrize("use", [lambda layer: layer(sequence()), str], ids=["run", "card"])
def test_a_fault_in_the_equations_is_told_by_their_name(use, stepper, error, says):
    with pytest.raises(error, match=says):
        use(own(stepper=stepper))


def test_equations_are_an_object_with_gates_and_sizes():
    with pytest.raises(tg.UsageError, match=r"give MinimalGatedUnit\(…\), not the class"):
        tg.nn.Recurrent(MinimalGatedUnit, IN)
    with pytest.raises(tg.UsageError, match=r"Own: .* call super\(\).__init__\(gates, sizes\)"):
        own(__init__=lambda self, H: None)
