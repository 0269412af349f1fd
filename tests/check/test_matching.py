"""Programs as people write them, matched to signals: right ones are right, wrong ones are named."""

import numpy as np
import pytest

import tinygrad_lstm as tg

START = """
import numpy as np

T, B, n, m, C = 4, 3, 2, 3, 2                  # as many samples as cells: shapes tell little
r = np.random.RandomState(7)
Wf, Wi, Wc, Wo = (r.randn(m + n, m) * 0.5 for _ in range(4))
bf, bi, bc, bo = (r.randn(m) * 0.5 for _ in range(4))
V, v = r.randn(m, C) * 0.5, r.randn(C) * 0.5
X, Y = r.randn(T, B, n), r.randint(0, C, (T, B))
h0, c0 = r.randn(B, m) * 0.3, r.randn(B, m) * 0.3


def sigmoid(z):
    return 1 / (1 + np.exp(-z))
"""


def lstm():
    """Return the loss of an LSTM on [h; x], of Tensors with names, and net inputs without."""
    data = {}
    exec(START, data)
    names = ("Wf", "Wi", "Wc", "Wo", "bf", "bi", "bc", "bo", "V", "v")
    p = {name: tg.Tensor(data[name], requires_grad=True, name=name) for name in names}
    h, c, loss = tg.Tensor(data["h0"], name="h0"), tg.Tensor(data["c0"], name="c0"), 0.0
    for t in tg.steps(data["T"]):
        z = tg.concatenate([h, data["X"][t]], axis=1)
        f, i, o = (tg.sigmoid(z @ p[f"W{gate}"] + p[f"b{gate}"]) for gate in "fio")
        g = tg.tanh(z @ p["Wc"] + p["bc"])
        c = f * c + i * g
        h = o * tg.tanh(c)
        f.name, i.name, g.name, o.name, c.name, h.name = "f", "i", "g", "o", "c", "h"
        loss = loss + tg.nn.softmax_cross_entropy(h @ p["V"] + p["v"], data["Y"][t])
    return loss


CLASS = """
class Net:
    def __init__(self):
        self.p = dict(Wf=Wf, Wi=Wi, Wc=Wc, Wo=Wo, bf=bf, bi=bi, bc=bc, bo=bo, V=V, v=v)
        self.grads = {k: np.zeros_like(a) for k, a in self.p.items()}

    def forward(self):
        self.seen, self.probs = [], []
        h, c = h0, c0
        for x in X:
            z = np.hstack((h, x))
            f, i, o = (sigmoid(z.dot(self.p["W" + k]) + self.p["b" + k]) for k in "fio")
            g = np.tanh(z.dot(self.p["Wc"]) + self.p["bc"])
            cp, c = c, f * c + i * g
            tc = np.tanh(c)
            h = o * tc
            e = np.exp(h.dot(self.p["V"]) + self.p["v"])
            self.probs.append(e / e.sum(1, keepdims=True))
            hn, cn = h, c
            self.seen.append((z, f, i, g, o, cp, cn, tc, hn))

    def backward(self):
        P, G = self.p, self.grads
        dhn, dcn = np.zeros((B, m)), np.zeros((B, m))
        for t in range(T - 1, -1, -1):
            z, f, i, g, o, cp, cn, tc, hn = self.seen[t]
            ds = (self.probs[t] - np.eye(C)[Y[t]]) / B
            G["V"] += hn.T.dot(ds)
            G["v"] += ds.sum(0)
            dh = ds.dot(P["V"].T) + dhn
            dc = dh * o * (1 - tc ** 2) + dcn
            dzo, dzf = dh * tc * o * (1 - o), dc * cp * f * (1 - f)
            dzi, dzg = dc * g * i * (1 - i), dc * i * (1 - g ** 2)
            for k, d in (("f", dzf), ("i", dzi), ("c", dzg), ("o", dzo)):
                G["W" + k] += z.T.dot(d)
                G["b" + k] += d.sum(0)
            dz = dzf.dot(P["Wf"].T) + dzi.dot(P["Wi"].T) + dzg.dot(P["Wc"].T) + dzo.dot(P["Wo"].T)
            dhn, dcn = dz[:, :m], dc * f
        return G


net = Net()
net.forward()
grads = net.backward()
"""
COLUMNS = """
Wf, Wi, Wc, Wo, V = Wf.T, Wi.T, Wc.T, Wo.T, V.T
bf, bi, bc, bo, v = (b.reshape(-1, 1) for b in (bf, bi, bc, bo, v))


def forward(x, a_prev, c_prev):
    both = np.concatenate((a_prev, x), axis=0)
    ft, it, ot = sigmoid(Wf @ both + bf), sigmoid(Wi @ both + bi), sigmoid(Wo @ both + bo)
    cct = np.tanh(Wc @ both + bc)
    c_next = ft * c_prev + it * cct
    a_next = ot * np.tanh(c_next)
    return a_next, c_next, (a_next, c_next, c_prev, ft, it, cct, ot, both)


def backward(da_next, dc_next, cache):
    a_next, c_next, c_prev, ft, it, cct, ot, both = cache
    dot = da_next * np.tanh(c_next) * ot * (1 - ot)
    dcc = dc_next + da_next * ot * (1 - np.tanh(c_next) ** 2)
    dcct = dcc * it * (1 - cct ** 2)
    dit = dcc * cct * it * (1 - it)
    dft = dcc * c_prev * ft * (1 - ft)
    own = {}
    for k, d in (("f", dft), ("i", dit), ("c", dcct), ("o", dot)):
        own["dW" + k], own["db" + k] = d @ both.T, d.sum(axis=1, keepdims=True)
    dboth = Wf.T @ dft + Wi.T @ dit + Wc.T @ dcct + Wo.T @ dot
    own["da_prev"], own["dc_prev"] = dboth[:m], dcc * ft
    return own


a, c, caches, probs = h0.T, c0.T, [], []
for t in range(T):
    a, c, cache = forward(X[t].T, a, c)
    caches.append(cache)
    e = np.exp(V @ a + v)
    probs.append(e / e.sum(axis=0))
keys = ("dWf", "dWi", "dWc", "dWo", "dbf", "dbi", "dbc", "dbo")
gradients = dict.fromkeys((*keys, "dV", "dv"), 0)
da_prevt, dc_prevt = np.zeros((m, B)), np.zeros((m, B))
for t in reversed(range(T)):
    dy = (probs[t] - np.eye(C)[Y[t]].T) / B
    gradients["dV"] += dy @ caches[t][0].T
    gradients["dv"] += dy.sum(axis=1, keepdims=True)
    of_step = backward(V.T @ dy + da_prevt, dc_prevt, caches[t])
    da_prevt, dc_prevt = of_step["da_prev"], of_step["dc_prev"]
    for k in keys:
        gradients[k] += of_step[k]
"""
SHORT = """
h, c = h0, c0; Z = []; F = []; I = []; G = []; O = []; CC = [c0]; HH = [h0]; PP = []
for t in range(T):
    z = np.c_[h, X[t]]; f, i, o = (sigmoid(z @ w + b) for w, b in ((Wf, bf), (Wi, bi), (Wo, bo)))
    g = np.tanh(z @ Wc + bc); c = f * c + i * g; h = o * np.tanh(c); e = np.exp(h @ V + v)
    Z.append(z); F.append(f); I.append(i); G.append(g); O.append(o); CC.append(c); HH.append(h)
    PP.append(e / e.sum(axis=1)[:, None])
gWf = gWi = gWc = gWo = gV = gbf = gbi = gbc = gbo = gv = 0; eh = ec = np.zeros((B, m)); t = T - 1
while t >= 0:
    ey = (PP[t] - (Y[t][:, None] == np.arange(C))) / B; gV = gV + HH[t + 1].T @ ey
    gv = gv + ey.sum(0); eh = ey @ V.T + eh; eo = eh * np.tanh(CC[t + 1]) * O[t] * (1 - O[t])
    ec = ec + eh * O[t] * (1 - np.tanh(CC[t + 1]) ** 2)
    ef, ei = ec * CC[t] * F[t] * (1 - F[t]), ec * G[t] * I[t] * (1 - I[t])
    eg = ec * I[t] * (1 - G[t] ** 2); gWf = gWf + Z[t].T @ ef; gWi = gWi + Z[t].T @ ei
    gWc = gWc + Z[t].T @ eg; gWo = gWo + Z[t].T @ eo; gbf = gbf + ef.sum(0); gbi = gbi + ei.sum(0)
    gbc = gbc + eg.sum(0); gbo = gbo + eo.sum(0)
    eh = (ef @ Wf.T + ei @ Wi.T + eg @ Wc.T + eo @ Wo.T)[:, :m]; ec = ec * F[t]; t -= 1
"""
SAMPLES = """
W, bias = {"f": Wf, "i": Wi, "c": Wc, "o": Wo}, {"f": bf, "i": bi, "c": bc, "o": bo}
dW, db = {k: np.zeros_like(W[k]) for k in W}, {k: np.zeros_like(bias[k]) for k in W}
dV, dv = np.zeros_like(V), np.zeros_like(v)
for s in range(B):
    hp, cp, past = h0[s], c0[s], []
    for t in range(T):
        u, act = np.concatenate([hp, X[t, s]]), {}
        for k in W:
            act[k] = np.tanh(u @ W[k] + bias[k]) if k == "c" else sigmoid(u @ W[k] + bias[k])
        cn = act["f"] * cp + act["i"] * act["c"]
        hn = act["o"] * np.tanh(cn)
        q = np.exp(hn @ V + v)
        past.append((u, act, cp, cn, hn, q / q.sum()))
        hp, cp = hn, cn
    rest_h, rest_c = np.zeros(m), np.zeros(m)
    for t in range(T - 1, -1, -1):
        u, act, cp, cn, hn, q = past[t]
        delta_y = q.copy()
        delta_y[Y[t, s]] -= 1
        delta_y /= B
        dV += np.outer(hn, delta_y)
        dv += delta_y
        delta_h = V @ delta_y + rest_h
        delta_c = delta_h * act["o"] * (1 - np.tanh(cn) ** 2) + rest_c
        delta = {}
        delta["o"] = delta_h * np.tanh(cn) * act["o"] * (1 - act["o"])
        delta["f"] = delta_c * cp * act["f"] * (1 - act["f"])
        delta["i"] = delta_c * act["c"] * act["i"] * (1 - act["i"])
        delta["c"] = delta_c * act["i"] * (1 - act["c"] ** 2)
        for k in W:
            dW[k] += np.outer(u, delta[k])
            db[k] += delta[k]
        rest_h = sum(W[k] @ delta[k] for k in W)[:m]
        rest_c = delta_c * act["f"]
"""
STYLES = {"class": CLASS, "columns": COLUMNS, "short": SHORT, "samples": SAMPLES}
# style, the right text, the wrong text, the kinds
SLIPS = {
    "class, slope": ("class", " * (1 - tc ** 2)", "", ["derivative missing"]),
    "class, c for tanh": ("class", "dh * tc * o", "dh * cn * o", ["wrong factor"]),
    "columns, batch": ("columns", " / B", "", ["factor"]),
    "columns, carry": ("columns", "V.T @ dy + da_prevt", "V.T @ dy", ["carry dropped"]),
    "columns, last": ("columns", "gradients[k] += of", "gradients[k] = of",
                      ["sum over steps missing"]),
    "short, batch": ("short", "np.arange(C))) / B", "np.arange(C)))", ["factor"]),
    "short, c": ("short", "ec * CC[t] * F", "ec * CC[t + 1] * F", ["wrong factor"]),
    "samples, carry": ("samples", " + rest_h", "", ["carry dropped"]),
    "samples, slope": ("samples", 'act["o"] * (1 - act["o"])', 'act["o"]',
                       ["function for derivative"]),
}  # fmt: skip


def audit(text, loss, folder):
    path = folder / "student.py"
    path.write_text(text, "utf-8")
    return tg.audit(loss, source=path, seconds=10)


@pytest.mark.parametrize("style", STYLES)
def test_a_right_program_is_right_whatever_its_style(style, tmp_path):
    result = audit(START + STYLES[style], lstm(), tmp_path)
    assert result.ok and not result.mistakes, str(result)
    leaves = {"Wf", "Wi", "Wc", "Wo", "bf", "bi", "bc", "bo", "V", "v"}
    assert leaves <= result.matching.variables.keys()


@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_is_named_whatever_the_style(slip, tmp_path):
    style, right, wrong, kinds = SLIPS[slip]
    text = START + STYLES[style]
    assert right in text
    result = audit(text.replace(right, wrong), lstm(), tmp_path)
    assert [one.mistake.kind for one in result.mistakes] == kinds, str(result)
    assert not result.unexplained


CHARACTERS = """
import numpy as np

np.random.seed(0)
Wxh, Whh, Why = np.random.randn(6, 5), np.random.randn(6, 6), np.random.randn(5, 6)
bh, by = np.random.randn(6, 1), np.random.randn(5, 1)


def run(inputs, targets):
    xs, hs, ps = {}, {-1: np.zeros((6, 1))}, {}
    for t, at in enumerate(inputs):
        xs[t] = np.zeros((5, 1))
        xs[t][at] = 1
        hs[t] = np.tanh(Wxh @ xs[t] + Whh @ hs[t - 1] + bh)
        e = np.exp(Why @ hs[t] + by)
        ps[t] = e / e.sum()
    dWxh, dWhh, dWhy = np.zeros_like(Wxh), np.zeros_like(Whh), np.zeros_like(Why)
    dbh, dby, dhnext = np.zeros_like(bh), np.zeros_like(by), np.zeros_like(hs[0])
    for t in reversed(range(len(inputs))):
        dy = np.copy(ps[t])
        dy[targets[t]] -= 1
        dWhy += dy @ hs[t].T
        dby += dy
        dh = Why.T @ dy + dhnext
        dhraw = (1 - hs[t] * hs[t]) * dh
        dbh += dhraw
        dWxh += dhraw @ xs[t].T
        dWhh += dhraw @ hs[t - 1].T
        dhnext = Whh.T @ dhraw
    return dWxh, dWhh, dWhy, dbh, dby


dWxh, dWhh, dWhy, dbh, dby = run([0, 2, 3, 1], [2, 3, 1, 4])
"""


def characters():
    data = {}
    exec(CHARACTERS.partition("def run")[0], data)
    p = {name: tg.Tensor(data[name], requires_grad=True, name=name)
         for name in ("Wxh", "Whh", "Why", "bh", "by")}  # fmt: skip
    h, loss = tg.Tensor(np.zeros((6, 1)), name="h0"), 0
    for t in tg.steps(4):
        h = tg.tanh(p["Wxh"] @ np.eye(5)[:, [[0, 2, 3, 1][t]]] + p["Whh"] @ h + p["bh"])
        y = p["Why"] @ h + p["by"]
        h.name, y.name = "h", "y"
        loss = loss + tg.nn.softmax_cross_entropy(y.reshape(1, 5), [[2, 3, 1, 4][t]])
    return loss


ATTENTION = """
import numpy as np

r = np.random.default_rng(0)
X, target = r.normal(size=(5, 4)), r.normal(size=(5, 3))
WQ, WK, WV = r.normal(size=(4, 3)), r.normal(size=(4, 3)), r.normal(size=(4, 3))
Q, K, V = X @ WQ, X @ WK, X @ WV
S = Q @ K.T / np.sqrt(3)
A = np.exp(S) / np.exp(S).sum(axis=1, keepdims=True)
out = A @ V
dout = out - target
dA, dV = dout @ V.T, A.T @ dout
dS = A * (dA - (dA * A).sum(axis=1, keepdims=True))
dS = dS / np.sqrt(3)
dQ, dK = dS @ K, dS.T @ Q
dWQ, dWK, dWV = X.T @ dQ, X.T @ dK, X.T @ dV
"""


def attention():
    data = {}
    exec(ATTENTION.partition("Q, K, V")[0], data)
    WQ, WK, WV = (tg.Tensor(data[n], requires_grad=True, name=n) for n in ("WQ", "WK", "WV"))
    Q, K, V = data["X"] @ WQ, data["X"] @ WK, data["X"] @ WV
    S = Q @ K.T / np.sqrt(3)
    A = tg.softmax(S, axis=1)
    out = A @ V
    for signal, name in ((Q, "Q"), (K, "K"), (V, "V"), (S, "S"), (A, "A"), (out, "out")):
        signal.name = name
    return tg.nn.squared_error(out, data["target"])


ADDER = """
import numpy as np

np.random.seed(0)
w_0, w_1, w_h = (2 * np.random.random(s) - 1 for s in ((2, 5), (5, 1), (5, 5)))
w_0_update, w_1_update, w_h_update = np.zeros_like(w_0), np.zeros_like(w_1), np.zeros_like(w_h)
a, b, c = (0, 1, 1, 0), (0, 0, 1, 1), (1, 0, 0, 1)
deltas, layers = [], [np.zeros((1, 5))]
for at in range(4):
    X = np.array([[a[3 - at], b[3 - at]]])
    layer_1 = 1 / (1 + np.exp(-(X @ w_0 + layers[-1] @ w_h)))
    layer_2 = 1 / (1 + np.exp(-(layer_1 @ w_1)))
    deltas.append((layer_2 - c[3 - at]) * layer_2 * (1 - layer_2))
    layers.append(layer_1)
future_layer_1_delta = np.zeros((1, 5))
for at in range(4):                             # backwards, with an index that counts up
    X = np.array([[a[at], b[at]]])
    layer_1, before = layers[-at - 1], layers[-at - 2]
    layer_1_delta = future_layer_1_delta @ w_h.T + deltas[-at - 1] @ w_1.T
    layer_1_delta = layer_1_delta * layer_1 * (1 - layer_1)
    w_1_update += layer_1.T @ deltas[-at - 1]
    w_h_update += before.T @ layer_1_delta
    w_0_update += X.T @ layer_1_delta
    future_layer_1_delta = layer_1_delta
"""


def adder():
    data = {}
    exec(ADDER.partition("w_0_update")[0], data)
    w = {n: tg.Tensor(data[n], requires_grad=True, name=n) for n in ("w_0", "w_1", "w_h")}
    a, b, c = (0, 1, 1, 0), (0, 0, 1, 1), (1, 0, 0, 1)
    h, loss = tg.Tensor(np.zeros((1, 5)), name="start"), 0
    for t in tg.steps(4):
        h = tg.sigmoid(np.array([[a[3 - t], b[3 - t]]]) @ w["w_0"] + h @ w["w_h"])
        o = tg.sigmoid(h @ w["w_1"])
        h.name, o.name = "layer_1", "layer_2"
        loss = loss + tg.nn.squared_error(o, np.array([[c[3 - t]]]))
    return loss


STACK = """
import numpy as np

r = np.random.RandomState(11)
X, Y = r.randn(4, 2, 3), r.randn(2, 1)
W, U, b, V = r.randn(3, 3), r.randn(3, 3), r.randn(3), r.randn(3, 1)
h = [np.zeros((2, 3))]
for x in X:
    h.append(np.tanh(x @ W + h[-1] @ U + b))
dout = h[-1] @ V - Y
dV = h[-1].T @ dout
dW, dU, db = np.zeros_like(W), np.zeros_like(U), np.zeros_like(b)
dh = dout @ V.T                                 # of the last step, and then of the one before
for t in range(4, 0, -1):
    da = dh * (1 - h[t] ** 2)
    dW += X[t - 1].T @ da
    dU += h[t - 1].T @ da
    db += da.sum(axis=0)
    dh = da @ U.T
"""


def stack():
    data = {}
    exec(STACK.partition("h = [")[0], data)
    W, U, b, V = (tg.Tensor(data[n], requires_grad=True, name=n) for n in "WUbV")
    h = tg.Tensor(np.zeros((2, 3)), name="start")
    for t in tg.steps(4):
        h = tg.tanh(data["X"][t] @ W + h @ U + b)
        h.name = "h"
    out = h @ V
    out.name = "out"
    return tg.nn.squared_error(out, data["Y"])


OTHERS = {
    "characters": (CHARACTERS, characters, "(1 - hs[t] * hs[t])", "(1 - hs[t])",
                   "derivative of wrong form"),
    "attention": (ATTENTION, attention, "dS.T @ Q", "dS.T @ K", "wrong factor"),
    "adder": (ADDER, adder, "before.T @ layer", "layer_1.T @ layer", "output for input"),
    "adder, slope": (ADDER, adder, "delta * layer_1 * (1 - layer_1)", "delta * layer_1",
                     "function for derivative"),
    "stack": (STACK, stack, "(1 - h[t] ** 2)", "(1 - h[t])", "derivative of wrong form"),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_numbers_come_before_names_and_places(name, tmp_path):
    text, network, right, wrong, kind = OTHERS[name]
    result = audit(text, network(), tmp_path)
    assert result.ok and len(result.matching.variables) >= 4, str(result)
    assert right in text
    result = audit(text.replace(right, wrong), network(), tmp_path)
    assert [one.mistake.kind for one in result.mistakes] == [kind], str(result)


LAYERS = """
import numpy as np

r = np.random.RandomState(1)
X, y = r.randn(5, 4), np.array([0, 1, 2, 2, 1])
W1, b1, W2, b2 = r.randn(4, 6), r.randn(6), r.randn(6, 3), r.randn(3)
hidden = 1 / (1 + np.exp(-(X @ W1 + b1)))
scores = hidden @ W2 + b2
dscores = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
dscores[range(5), y] -= 1
dscores /= 5
dW2, db2 = hidden.T @ dscores, dscores.sum(axis=0)
dhidden = dscores @ W2.T * hidden * (1 - hidden)
dW1, db1 = X.T @ dhidden, dhidden.sum(axis=0)
"""


def layers():
    data = {}
    exec(LAYERS.partition("hidden =")[0], data)
    p = {n: tg.Tensor(data[n], requires_grad=True, name=n) for n in ("W1", "b1", "W2", "b2")}
    hidden = tg.sigmoid(data["X"] @ p["W1"] + p["b1"])
    scores = hidden @ p["W2"] + p["b2"]
    hidden.name, scores.name = "hidden", "scores"
    return tg.nn.softmax_cross_entropy(scores, data["y"])


@pytest.mark.parametrize(
    ("changes", "kinds"),
    [
        ({}, []),
        ({"dscores /= 5\n": ""}, ["factor"]),
        ({" * (1 - hidden)": ""}, ["function for derivative"]),
    ],
)  # fmt: skip
def test_an_array_whose_entries_are_changed_is_known_at_its_end(changes, kinds, tmp_path):
    text = LAYERS
    for right, wrong in changes.items():
        assert right in text
        text = text.replace(right, wrong)
    result = audit(text, layers(), tmp_path)
    assert sorted(one.mistake.kind for one in result.mistakes) == kinds, str(result)
    assert result.matching.variables["scores"].startswith("dscores") and not result.unexplained


def test_what_a_program_ends_with_is_its_gradient_of_a_parameter(tmp_path):
    result = audit(STACK + "dW, dU = dU, dW\n", stack(), tmp_path)
    (only,) = result.mistakes
    assert only.mistake.kind == "exchanged", str(result)
