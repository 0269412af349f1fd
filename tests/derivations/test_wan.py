"""Wan and Beaufays' networks: by complex step, against the tape, against the adjoint network."""

from itertools import pairwise

import numpy as np
import pytest

import tinygrad_lstm as tg
from tinygrad_lstm.derivations import complex_step, wan

K = 6


def draw(*shape, seed=0):
    return 0.8 * np.random.default_rng([seed, *shape]).normal(size=shape)


def leaf(name, array):
    return tg.Tensor(array, requires_grad=True, name=name)


def near(found, expected, tolerance=1e-13):
    assert np.shape(found) == np.shape(expected)
    assert np.abs(found - expected).max() <= tolerance * max(1.0, np.abs(expected).max())


def J(y, d):
    """Return Σ e²; this library's own loss is half of it."""
    return tg.nn.squared_error(y, d) * 2.0


def three_ways(loss, leaves, hand, folds=True):
    """Hold gradients by hand to compare(), to the adjoint network, folded or not, to backward().

    Parameters
    ----------
    leaves : dict of a name to a Tensor
    hand : dict of the same names, and of signals, to gradients
    folds : bool
        Whether there is a loop over steps.

    Returns
    -------
    The network, folded
    """
    report = tg.compare(loss, hand)
    assert report.ok, str(report)
    graph = tg.graph(loss)
    networks = (graph, graph.fold()) if folds else (graph,)
    for network in networks:
        found = network.adjoint().evaluate()
        for name in leaves:
            near(found[f"δ{name}"], hand[name])
    loss.backward()
    for name, each in leaves.items():
        near(each.grad, hand[name])
    return networks[-1]


def at_steps(name, rows):
    """Return the gradients of a signal inside of a module that is called at every step."""
    module, _, signal = name.partition(".")
    return {f"{module}[{k}].{signal}": row for k, row in enumerate(rows)}


# --- a perceptron ---------------------------------------------------------------------------------

SIZES = (3, 4, 5, 2)


def perceptron():
    W = [draw(out, into) for into, out in pairwise(SIZES)]
    return draw(K, 3, seed=1), draw(K, 2, seed=2), W, [draw(size, seed=3) for size in SIZES[1:]]


def moved(arrays, n, value):
    return [*arrays[:n], value, *arrays[n + 1 :]]


def check_layers_by_complex_step(forward, adjoint, x, d, W, b):
    g = adjoint(x, d, W, b)
    for n in range(len(W)):
        near(g["W"][n], complex_step(lambda v, n=n: forward(x, d, moved(W, n, v), b)["J"], W[n]))
        near(g["b"][n], complex_step(lambda v, n=n: forward(x, d, W, moved(b, n, v))["J"], b[n]))
    near(g["δx"], complex_step(lambda v: forward(v, d, W, b)["J"], x))


def test_the_perceptron_by_complex_step():
    check_layers_by_complex_step(wan.perceptron, wan.perceptron_adjoint, *perceptron())


@pytest.mark.parametrize("folds", [False, True], ids=["all patterns at once", "one by one"])
def test_the_perceptron_against_the_adjoint_network(folds):
    x, d, W, b = perceptron()
    g = wan.perceptron_adjoint(x, d, W, b)
    leaves, hand, layers = {"x": leaf("x", x)}, {"x": g["δx"]}, []
    for n, (weight, bias) in enumerate(zip(W, b, strict=True)):
        layer = tg.nn.Dense(weight.shape[1], weight.shape[0], tg.tanh, name=f"layer{n}")
        layer.W.data, layer.b.data = weight.T, bias
        leaves |= {f"layer{n}.W": layer.W, f"layer{n}.b": layer.b}
        hand |= {f"layer{n}.W": g["W"][n].T, f"layer{n}.b": g["b"][n]}
        δs = {f"layer{n}.z": g["δs"][n]}
        hand |= at_steps(f"layer{n}.z", g["δs"][n]) if folds else δs
        layers.append(layer)
    through = tg.nn.Sequential(*layers)
    x = leaves["x"]
    y = tg.stack([through(x[k]) for k in tg.steps(K)]) if folds else through(x)
    three_ways(J(y, d), leaves, hand, folds)


# --- FIR neurons ----------------------------------------------------------------------------------


def fir():
    return (
        draw(K, 2, seed=4), draw(K, 1, seed=5),
        [draw(3, 4, 2), draw(2, 1, 4)], [draw(4, seed=6), draw(1, seed=7)],
    )  # fmt: skip


def test_the_fir_neurons_by_complex_step():
    check_layers_by_complex_step(wan.fir, wan.fir_adjoint, *fir())


def test_the_fir_neurons_against_the_adjoint_network():
    """Two layers: the hidden δs need the later δs of the layer above."""
    x, d, W, b = fir()
    leaves = {"x": leaf("x", x)}
    for n, (taps, bias) in enumerate(zip(W, b, strict=True)):
        leaves[f"b{n}"] = leaf(f"b{n}", bias)
        leaves |= {f"W{n}{τ}": leaf(f"W{n}{τ}", weight.T) for τ, weight in enumerate(taps)}
    lines = [[tg.Tensor(np.zeros(2))] * 2, [tg.Tensor(np.zeros(4))]]  # the delays
    ys = []
    for k in tg.steps(K):
        a = leaves["x"][k]
        for n, line in enumerate(lines):
            s = leaves[f"b{n}"] + sum(
                each @ leaves[f"W{n}{τ}"] for τ, each in enumerate([a, *line])
            )
            lines[n] = [a, *line][:-1]
            a = tg.tanh(s)
            s.name, a.name = f"s{n}", f"a{n}"
        ys.append(a)
    g = wan.fir_adjoint(x, d, W, b)
    hand = {"x": g["δx"]}
    for n, taps in enumerate(g["W"]):
        hand |= {f"W{n}{τ}": weight.T for τ, weight in enumerate(taps)}
        hand |= {f"b{n}": g["b"][n], f"s{n}": g["δs"][n]}
    folded = three_ways(J(tg.stack(ys), d), leaves, hand)
    assert folded.count()["delay"] == folded.adjoint().count()["advance"] == 3


def test_one_neuron_is_a_layer_of_one():
    x, d, w = draw(K, 1), draw(K, 1, seed=1), draw(3, 1, 1)
    r = wan.fir(x, d, [w], [np.zeros(1)])
    plain = [sum(w[τ, 0, 0] * x[k - τ, 0] for τ in range(3) if k >= τ) for k in range(K)]
    near(r["a"][1][:, 0], np.tanh(plain))


# --- Elman's network ------------------------------------------------------------------------------


def elman():
    w = {"W": draw(3, 2), "U": draw(3, 3), "b": draw(3), "V": draw(2, 3, seed=1), "c": draw(2)}
    return draw(K, 2, seed=8), draw(K, 2, seed=9), draw(3, seed=10), w


def check_weights_by_complex_step(forward, adjoint, x, d, before, w, δx, δbefore):
    g = adjoint(x, d, before, w)
    for name, each in w.items():
        expected = complex_step(lambda v, n=name: forward(x, d, before, w | {n: v})["J"], each)
        near(g[name], expected)
    near(g[δx], complex_step(lambda v: forward(v, d, before, w)["J"], x))
    near(g[δbefore], complex_step(lambda v: forward(x, d, v, w)["J"], before))


def test_elman_s_network_by_complex_step():
    check_weights_by_complex_step(wan.elman, wan.elman_adjoint, *elman(), "δx", "δa_before")


@pytest.mark.parametrize("made", ["of primitives", "of layers"])
def test_elman_s_network_against_the_adjoint_network(made):
    x, d, before, w = elman()
    g = wan.elman_adjoint(x, d, before, w)
    hand = {"W": g["W"].T, "U": g["U"].T, "b": g["b"], "V": g["V"].T, "c": g["c"], "x": g["δx"]}
    leaves = {"x": leaf("x", x)}
    if made == "of layers":
        rnn, dense = tg.nn.RNN(2, 3), tg.nn.Dense(3, 2)
        names = {"rnn.W": "W", "rnn.U": "U", "rnn.b": "b", "dense.W": "V", "dense.b": "c"}
        rnn.W.data, rnn.U.data, rnn.b.data = w["W"].T, w["U"].T, w["b"]
        dense.W.data, dense.b.data = w["V"].T, w["c"]
        y = dense(rnn(leaves["x"], state=leaf("before", before))[0])
        leaves |= {"rnn.W": rnn.W, "rnn.U": rnn.U, "rnn.b": rnn.b}
        leaves |= {"dense.W": dense.W, "dense.b": dense.b}
        hand = {"x": g["δx"]} | {name: hand[letter] for name, letter in names.items()}
        hand |= {"rnn.s": g["δs"], "rnn.out": g["δa"], "dense.y": g["δy"]}
        hand |= {"rnn.out[-1]": g["δa_before"]}
    else:
        leaves |= {name: leaf(name, w[name].T) for name in w} | {"before": leaf("before", before)}
        a, ys = leaves["before"], []
        for k in tg.steps(K):
            s = leaves["x"][k] @ leaves["W"] + a @ leaves["U"] + leaves["b"]
            a = tg.tanh(s)
            y = a @ leaves["V"] + leaves["c"]
            s.name, a.name, y.name = "s", "a", "y"
            ys.append(y)
        y = tg.stack(ys)
        hand |= {"before": g["δa_before"], "s": g["δs"], "a": g["δa"], "y": g["δy"]}
    folded = three_ways(J(y, d), leaves, hand)
    assert folded.count()["delay"] == folded.adjoint().count()["advance"] == 1


# --- control --------------------------------------------------------------------------------------


def control():
    w = {"C": draw(4, 5), "c": draw(4), "D": draw(2, 4), "A": draw(3, 3), "B": draw(3, 2)}
    return draw(K, 2, seed=11), draw(K, 3, seed=12), draw(3, seed=13), w


def test_control_by_complex_step():
    check_weights_by_complex_step(wan.control, wan.control_adjoint, *control(), "δr", "δy_before")


@pytest.mark.parametrize("plant_learns", [True, False])
def test_control_against_the_adjoint_network(plant_learns):
    reference, d, before, w = control()
    controller = tg.nn.Dense(5, 4, tg.tanh, name="controller")
    controller.W.data, controller.b.data = w["C"].T, w["c"]
    D, r, y_before = leaf("D", w["D"].T), leaf("r", reference), leaf("y_before", before)
    A, B = (tg.Tensor(w[n].T, requires_grad=plant_learns, name=n) for n in "AB")
    y, ys = y_before, []
    for k in tg.steps(K):
        u = controller(tg.concatenate([r[k], y], axis=-1)) @ D
        z = y @ A + u @ B
        y = tg.tanh(z)
        u.name, z.name, y.name = "u", "z", "y"
        ys.append(y)
    g = wan.control_adjoint(reference, d, before, w)
    leaves = {"controller.W": controller.W, "controller.b": controller.b, "D": D, "r": r}
    leaves["y_before"] = y_before
    hand = {"controller.W": g["C"].T, "controller.b": g["c"], "D": g["D"].T, "r": g["δr"]}
    hand |= {"y_before": g["δy_before"], **at_steps("controller.z", g["δs"])}
    hand |= {"u": g["δu"], "z": g["δz"], "y": g["δy"]}
    if plant_learns:
        leaves |= {"A": A, "B": B}
        hand |= {"A": g["A"].T, "B": g["B"].T}
    folded = three_ways(J(tg.stack(ys), d), leaves, hand)
    assert folded.count()["delay"] == folded.adjoint().count()["advance"] == 1
