"""Audits of programs: what a notebook computes, matched to signals, and its mistakes named."""

from time import process_time

import numpy as np
import pytest

import tinygrad_lstm as tg
from tinygrad_lstm.check.recording import record
from tinygrad_lstm.errors import UsageError

ROWS = """
import numpy as np

rng = np.random.default_rng(3)
T, n_x, n_h, n_y = 5, 3, 4, 2
x, y = rng.normal(size=(T, n_x)), rng.normal(size=(T, n_y))
Wf, Wi, Wc, Wo = (rng.normal(size=(n_x, n_h)) * 0.5 for _ in range(4))
Uf, Ui, Uc, Uo = (rng.normal(size=(n_h, n_h)) * 0.5 for _ in range(4))
bf, bi, bc, bo = (rng.normal(size=n_h) for _ in range(4))
Wy, by = rng.normal(size=(n_h, n_y)), rng.normal(size=n_y)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def step(xt, h, c):
    ft = sigmoid(xt @ Wf + h @ Uf + bf)
    it = sigmoid(xt @ Wi + h @ Ui + bi)
    cc = np.tanh(xt @ Wc + h @ Uc + bc)
    ot = sigmoid(xt @ Wo + h @ Uo + bo)
    c_new = ft * c + it * cc
    h_new = ot * np.tanh(c_new)
    return h_new, c_new, (xt, h, c, ft, it, cc, ot, c_new, h_new)


h, c = np.zeros(n_h), np.zeros(n_h)
caches, hs = [], []
for t in range(T):
    h, c, cache = step(x[t], h, c)
    caches.append(cache)
    hs.append(h)
pred = np.array(hs) @ Wy + by
print("loss", 0.5 * np.sum((pred - y) ** 2))

grads = {}
dpred = pred - y
grads["dWy"] = np.array(hs).T @ dpred
grads["dby"] = dpred.sum(axis=0)
dWf, dWi, dWc, dWo = (np.zeros_like(Wf) for _ in range(4))
dUf, dUi, dUc, dUo = (np.zeros_like(Uf) for _ in range(4))
dbf, dbi, dbc, dbo = (np.zeros_like(bf) for _ in range(4))
dh_next, dc_next = np.zeros(n_h), np.zeros(n_h)
for t in reversed(range(T)):
    xt, h_prev, c_prev, ft, it, cc, ot, c, h = caches[t]
    dh = dpred[t] @ Wy.T
    dh += dh_next
    do = dh * np.tanh(c)
    dc = dh * ot * (1 - np.tanh(c) ** 2) + dc_next
    df = dc * c_prev
    di = dc * cc
    dcc = dc * it
    dzf = df * ft * (1 - ft)
    dzi = di * it * (1 - it)
    dzc = dcc * (1 - cc**2)
    dzo = do * ot * (1 - ot)
    dWf += np.outer(xt, dzf)
    dWi += np.outer(xt, dzi)
    dWc += np.outer(xt, dzc)
    dWo += np.outer(xt, dzo)
    dUf += np.outer(h_prev, dzf)
    dUi += np.outer(h_prev, dzi)
    dUc += np.outer(h_prev, dzc)
    dUo += np.outer(h_prev, dzo)
    dbf += dzf
    dbi += dzi
    dbc += dzc
    dbo += dzo
    dh_next = dzf @ Uf.T + dzi @ Ui.T + dzc @ Uc.T + dzo @ Uo.T
    dc_next = dc * ft
"""
# a mistake in the program: the right text, the wrong text, and the kind
MISTAKES = {
    "mean": ("dpred = pred - y", "dpred = (pred - y) / T", "factor"),
    "sign": ("dpred = pred - y", "dpred = y - pred", "sign"),
    "c-for-tanh": ("do = dh * np.tanh(c)", "do = dh * c", "wrong factor"),
    "slope-missing": ("ot * (1 - np.tanh(c) ** 2)", "ot", "derivative missing"),
    "f-for-slope": ("df * ft * (1 - ft)", "df * ft", "function for derivative"),
    "no-square": ("(1 - cc**2)", "(1 - cc)", "derivative of wrong form"),
    "h-for-before": ("np.outer(h_prev, ", "np.outer(h, ", "wrong factor"),
    "f-missing": ("dc_next = dc * ft", "dc_next = dc", "factor missing"),
    "h-carry": ("    dh += dh_next\n", "", "carry dropped"),
    "c-carry": (" + dc_next", "", "carry dropped"),
    "i-for-candidate": ("di = dc * cc", "di = dc * it", "wrong factor"),
    "not-turned": ("dzf @ Uf.T + dzi @ Ui.T + dzc @ Uc.T + dzo @ Uo.T",
                   "dzf @ Uf + dzi @ Ui + dzc @ Uc + dzo @ Uo", "weight not transposed"),
    "b-overwritten": ("    dbo += dzo", "    dbo = dzo", "sum over steps missing"),
}  # fmt: skip
SIX = ("mean", "c-for-tanh", "slope-missing", "f-missing", "f-for-slope", "h-for-before")


def network():
    rng = np.random.default_rng(3)
    T, n_x, n_h, n_y = 5, 3, 4, 2
    x, y = rng.normal(size=(T, n_x)), rng.normal(size=(T, n_y))
    W = [rng.normal(size=(n_x, n_h)) * 0.5 for _ in range(4)]
    U = [rng.normal(size=(n_h, n_h)) * 0.5 for _ in range(4)]
    b = [rng.normal(size=n_h) for _ in range(4)]
    Wy, by = rng.normal(size=(n_h, n_y)), rng.normal(size=n_y)
    lstm, dense = tg.nn.LSTM(n_x, n_h), tg.nn.Dense(n_h, n_y)
    f, i, c, o = range(4)
    lstm.W.data, lstm.U.data, lstm.b.data = (
        np.concatenate([p[c], p[i], p[f], p[o]], axis=-1) for p in (W, U, b)
    )
    dense.W.data, dense.b.data = Wy, by
    return tg.nn.squared_error(dense(lstm(x)[0]), y)


def program(*mistakes, text=ROWS):
    for mistake in mistakes:
        right, wrong, _ = MISTAKES[mistake]
        assert right in text, mistake
        text = text.replace(right, wrong)
    return text


@pytest.fixture
def audit_of(tmp_path):
    def audit(text, **options):
        path = tmp_path / "student.py"
        path.write_text(text, "utf-8")
        return tg.audit(network(), source=path, **options)

    return audit


def kinds_in(audit):
    return sorted(each.mistake.kind for each in audit.mistakes)


def test_a_right_program_is_right(audit_of, capsys):
    audit = audit_of(program())
    assert audit.ok and not audit.mistakes, str(audit)
    assert not capsys.readouterr().out


def test_every_gradient_is_matched_by_its_name(audit_of):
    matching = audit_of(program()).matching
    variables = {name: text.partition(" ")[0] for name, text in matching.variables.items()}
    gates = {"f": "f", "i": "i", "a": "c", "o": "o"}
    expected = {f"lstm.{p}.{own}": f"d{p}{theirs}" for p in "WUb" for own, theirs in gates.items()}
    expected |= {f"lstm.s_{own}": f"dz{theirs}" for own, theirs in gates.items()}
    expected |= {"lstm.a": "dcc", "lstm.i": "di", "lstm.f": "df", "lstm.o": "do"}
    expected |= {"lstm.state": "dc", "lstm.out": "dh", "dense.y": "dpred"}
    expected |= {"dense.W": "grads['dWy']", "dense.b": "grads['dby']"}
    assert variables == expected
    assert matching.unused == ("dh_next", "dc_next")


@pytest.mark.parametrize("mistake", MISTAKES)
def test_one_mistake_in_a_program_is_named_in_ten_seconds(mistake, audit_of):
    start = process_time()
    audit = audit_of(program(mistake))
    assert kinds_in(audit) == [MISTAKES[mistake][2]], str(audit)
    assert process_time() - start < 10 and not audit.unexplained


def test_six_mistakes_in_a_program_are_six(audit_of):
    audit = audit_of(program(*SIX))
    assert kinds_in(audit) == sorted(MISTAKES[each][2] for each in SIX), str(audit)
    assert not audit.unexplained


def test_one_slip_at_two_places_is_told_once(audit_of):
    audit = audit_of(program("f-for-slope").replace("do * ot * (1 - ot)", "do * ot"))
    (only,) = audit.mistakes
    assert only.mistake.kind == "function for derivative" and "the same for" in only.mistake.says
    assert {name.partition("[")[0] for name in only.signals} == {"lstm.s_f", "lstm.s_o"}
    leaves = {name: x for name, x in audit.matching.hand.items() if name.split(".")[1] in "WUb"}
    (only,) = tg.audit(network(), leaves, seconds=600).mistakes
    assert only.mistake.kind == "function for derivative" and "the same for" in only.mistake.says


JOINED = ROWS
for gate in "fico":
    JOINED = JOINED.replace(f"xt @ W{gate} + h @ U{gate} +", f"hx @ W{gate} +")
    JOINED = JOINED.replace(f"    dW{gate} += np.outer(xt, dz{gate})\n", "")
    JOINED = JOINED.replace(f"dU{gate} += np.outer(h_prev,", f"dW{gate} += np.outer(hx,")
JOINED = JOINED.replace("    ft = sigmoid(", "    hx = np.concatenate([h, xt])\n    ft = sigmoid(")
JOINED = JOINED.replace("c_new, h_new)\n", "c_new, h_new, hx)\n").replace(
    "c, h = caches", "c, h, hx = caches"
)
JOINED = JOINED.replace("Wf, Wi, Wc, Wo = (rng", "below = list(rng").replace(
    "Uf, Ui, Uc, Uo = (rng", "above = list(rng"
)
JOINED = JOINED.replace(
    "bf, bi, bc, bo = (rng",
    "Wf, Wi, Wc, Wo = (np.vstack(rows) for rows in zip(above, below))\nbf, bi, bc, bo = (rng",
)
JOINED = JOINED.replace("dUf, dUi, dUc, dUo = (np.zeros_like(Uf) for _ in range(4))\n", "")
JOINED = JOINED.replace(
    "dh_next = dzf @ Uf.T + dzi @ Ui.T + dzc @ Uc.T + dzo @ Uo.T",
    "dh_next = (dzf @ Wf.T + dzi @ Wi.T + dzc @ Wc.T + dzo @ Wo.T)[:n_h]",
)


@pytest.mark.parametrize("mistakes", [(), ("mean", "c-for-tanh", "f-missing")])
def test_a_program_may_join_h_and_x_and_their_weights(mistakes, audit_of):
    audit = audit_of(program(*mistakes, text=JOINED))
    assert kinds_in(audit) == sorted(MISTAKES[each][2] for each in mistakes), str(audit)
    variables = audit.matching.variables
    for gate, own in (("f", "f"), ("i", "i"), ("a", "c"), ("o", "o")):
        for leaf in "WU":
            assert variables[f"lstm.{leaf}.{gate}"].startswith(f"dW{own} (")


def test_a_slope_taken_at_once_is_that_of_the_net_input(audit_of):
    """Where df = dc * c_prev * f * (1 - f): there is no variable for the gate's own δ."""
    text = program("i-for-candidate")
    for gate, rest in (("f", "ft * (1 - ft)"), ("i", "it * (1 - it)"), ("o", "ot * (1 - ot)")):
        text = text.replace(f"    dz{gate} = d{gate} * {rest}\n", "")
        text = text.replace(f"dz{gate}", f"d{gate}")
    text = text.replace("do = dh * np.tanh(c)", "do = dh * np.tanh(c) * ot * (1 - ot)")
    text = text.replace("df = dc * c_prev", "df = dc * c_prev * ft * (1 - ft)")
    text = text.replace("di = dc * it", "di = dc * it * it * (1 - it)")
    audit = audit_of(text)
    assert {f"lstm.s_{gate}" for gate in "fioa"} <= audit.matching.variables.keys()
    assert kinds_in(audit) == ["wrong factor"], str(audit)


COLUMNS = """
import numpy as np

rng = np.random.default_rng(5)
T, n, m, B = 4, 3, 2, 3                       # a batch of 3, each sample a column
x, y = rng.normal(size=(T, n, B)), rng.normal(size=(T, m, B))
Wx, Wh, b = rng.normal(size=(m, n)), rng.normal(size=(m, m)), rng.normal(size=(m, 1))
hs = np.zeros((T + 1, m, B))
for t in range(T):
    hs[t + 1] = np.tanh(Wx @ x[t] + Wh @ hs[t] + b)
params = {"Wx": Wx, "Wh": Wh, "b": b}
gradients = {name: np.zeros_like(value) for name, value in params.items()}
dhs = np.zeros((T, m, B))
carry = np.zeros((m, B))
for t in range(T - 1, -1, -1):
    dhs[t] = hs[t + 1] - y[t] + carry
    dz = dhs[t] * (1 - hs[t + 1] ** 2)
    gradients["Wx"] += dz @ x[t].T
    gradients["Wh"] += dz @ hs[t].T
    gradients["b"] += dz.sum(axis=1, keepdims=True)
    carry = Wh.T @ dz
"""


def network_of_rows():
    rng = np.random.default_rng(5)
    T, n, m, B = 4, 3, 2, 3
    x, y = (rng.normal(size=(T, size, B)).swapaxes(1, 2) for size in (n, m))
    rnn = tg.nn.RNN(n, m)
    rnn.W.data, rnn.U.data = rng.normal(size=(m, n)).T, rng.normal(size=(m, m)).T
    rnn.b.data = rng.normal(size=m)
    return tg.nn.squared_error(rnn(x)[0], y)


@pytest.mark.parametrize(
    ("right", "wrong", "kind"),
    [
        ("Wh.T @ dz", "Wh @ dz", "weight not transposed"),
        ("dz @ hs[t].T", "dz @ hs[t + 1].T", "output for input"),
        ("(1 - hs[t + 1] ** 2)", "(1 - hs[t + 1])", "derivative of wrong form"),
        (" + carry", "", "carry dropped"),
    ],
)
def test_a_program_may_keep_its_arrays_in_columns_and_in_dictionaries(tmp_path, right, wrong, kind):
    path = tmp_path / "student.py"
    path.write_text(COLUMNS)
    audit = tg.audit(network_of_rows(), source=path)
    assert audit.ok, str(audit)
    assert {"rnn.W", "rnn.U", "rnn.b", "rnn.out", "rnn.s"} <= audit.matching.variables.keys()
    assert right in COLUMNS
    path.write_text(COLUMNS.replace(right, wrong))
    audit = tg.audit(network_of_rows(), source=path)
    assert kinds_in(audit) == [kind], str(audit)


PACKED = """
import numpy as np

rng = np.random.default_rng(7)
T, B, m, H = 4, 3, 2, 3                       # as many samples as cells: shapes tell less
x, y = rng.normal(size=(T, B, m)), rng.normal(size=(T, B, H))
W, U, b = rng.normal(size=(m, 4 * H)), rng.normal(size=(H, 4 * H)), rng.normal(size=4 * H)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


hs, cs, gates = [np.zeros((B, H))], [np.zeros((B, H))], []
for t in range(T):
    z = x[t] @ W + hs[-1] @ U + b
    a = np.tanh(z[:, :H])
    i, f, o = (sigmoid(z[:, n * H : (n + 1) * H]) for n in (1, 2, 3))
    cs.append(i * a + f * cs[-1])
    hs.append(o * np.tanh(cs[-1]))
    gates.append((a, i, f, o))
dW, dU, db = np.zeros_like(W), np.zeros_like(U), np.zeros_like(b)
dh_next = dc_next = np.zeros((B, H))
for t in reversed(range(T)):
    a, i, f, o = gates[t]
    dh = hs[t + 1] - y[t] + dh_next
    do = dh * np.tanh(cs[t + 1])
    dc = dh * o * (1 - np.tanh(cs[t + 1]) ** 2) + dc_next
    da, di, df = dc * i, dc * a, dc * cs[t]
    dz = np.concatenate([da * (1 - a**2), di * i * (1 - i), df * f * (1 - f), do * o * (1 - o)], 1)
    dW += x[t].T @ dz
    dU += hs[t].T @ dz
    db += dz.sum(axis=0)
    dh_next, dc_next = dz @ U.T, dc * f
"""


def network_packed():
    rng = np.random.default_rng(7)
    x, y = rng.normal(size=(4, 3, 2)), rng.normal(size=(4, 3, 3))
    lstm = tg.nn.LSTM(2, 3)
    lstm.W.data, lstm.U.data = rng.normal(size=(2, 12)), rng.normal(size=(3, 12))
    lstm.b.data = rng.normal(size=12)
    return tg.nn.squared_error(lstm(x)[0], y)


@pytest.mark.parametrize(
    ("right", "wrong", "kinds"),
    [
        ("dc * f\n", "dc\n", ["factor missing"]),
        ("hs[t].T @ dz", "hs[t + 1].T @ dz", ["wrong factor"]),
        ("do * o * (1 - o)", "do * o", ["function for derivative"]),
        ("dc * cs[t]\n", "dc * cs[t + 1]\n", ["wrong factor"]),
    ],
)
def test_a_program_may_pack_its_gates(tmp_path, right, wrong, kinds):
    path = tmp_path / "student.py"
    path.write_text(PACKED)
    audit = tg.audit(network_packed(), source=path)
    assert audit.ok, str(audit)
    variables = {name: text.partition(" ")[0] for name, text in audit.matching.variables.items()}
    assert variables == {
        "lstm.W": "dW", "lstm.U": "dU", "lstm.b": "db", "lstm.s": "dz", "lstm.a": "da",
        "lstm.i": "di", "lstm.f": "df", "lstm.o": "do", "lstm.state": "dc", "lstm.out": "dh",
    }  # fmt: skip
    assert right in PACKED
    path.write_text(PACKED.replace(right, wrong))
    audit = tg.audit(network_packed(), source=path)
    assert kinds_in(audit) == kinds, str(audit)


FILLED = """
import numpy as np

rng = np.random.default_rng(9)
x, W, b = rng.normal(size=(3, 2)), rng.normal(size=(2, 2)), rng.normal(size=2)
y = np.tanh(x @ W + b)
dz = (y - 1) * (1 - y * y)
"""
WAYS_TO_FILL = {
    "by rows": """
dW, db = np.zeros((2, 2)), np.zeros(2)
for i in range(2):
    dW[i] += x[:, i] @ dz
    db[i] = dz[:, i].sum()
""",
    "by entries": """
dW, db = np.zeros((2, 2)), dz.sum(axis=0)
for i in range(2):
    for j in range(2):
        dW[i, j] += x[:, i] @ dz[:, j]
""",
    "by entries of rows": """
dW, db = np.zeros_like(W), dz.sum(axis=0)
for i in range(2):
    for j in range(2):
        dW[i][j] = x[:, i] @ dz[:, j]
""",
    "by slices": """
dW, db = np.zeros_like(W), np.zeros_like(b)
dW[:] = x.T @ dz
db[0:1] = dz.sum(axis=0)[0:1]
db[1:] = dz.sum(axis=0)[1:]
""",
    "by a function": """
def add(gradient, value):
    gradient += value

dW, db = np.zeros_like(W), np.zeros_like(b)
add(dW, x.T @ dz)
add(db, dz.sum(axis=0))
""",
    "by a function, in a dictionary": """
gradients = {"W": np.zeros_like(W), "b": np.zeros_like(b)}
np.matmul(x.T, dz, out=gradients["W"])
np.sum(dz, axis=0, out=gradients["b"])
""",
}


@pytest.mark.parametrize("way", WAYS_TO_FILL)
def test_a_program_may_fill_an_array_as_it_likes(tmp_path, way):
    rng = np.random.default_rng(9)
    x, W, b = rng.normal(size=(3, 2)), rng.normal(size=(2, 2)), rng.normal(size=2)
    layer = tg.nn.Dense(2, 2, tg.tanh, name="layer")
    layer.load_state_dict({"W": W, "b": b})
    loss = tg.nn.squared_error(layer(x), np.ones((3, 2)))
    path = tmp_path / "student.py"
    path.write_text(FILLED + WAYS_TO_FILL[way])
    audit = tg.audit(loss, source=path)
    assert audit.ok, str(audit)
    assert {"layer.W", "layer.b"} <= audit.matching.variables.keys()
    path.write_text((FILLED + WAYS_TO_FILL[way]).replace("(1 - y * y)", "(1 - y)"))
    audit = tg.audit(loss, source=path)
    assert kinds_in(audit) == ["derivative of wrong form"], str(audit)


def test_the_text_says_what_was_matched_and_what_was_not(audit_of):
    text = " ".join(str(audit_of(program("c-carry"))).split())
    assert "δlstm.out is dh (line" in text
    assert "not in the program: δsquared_error.e" in text
    assert "not used, since no signal fits: dh_next, dc_next" in text


def test_a_program_that_stops_is_audited_up_to_there(audit_of):
    text = program("mean").replace(
        "dh_next, dc_next = np.zeros", "1 / 0\ndh_next, dc_next = np.zeros"
    )
    audit = audit_of(text)
    assert "the program stopped: ZeroDivisionError" in str(audit)
    assert audit.mistakes[0].mistake.kind == "factor"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x = 1", "no variable in the program"),
        ("def", "no Python that can be run"),
        (ROWS.replace("default_rng(3)", "default_rng(4)"), "the network's own numbers"),
        ("raise SystemExit('no')", "it stopped: SystemExit"),
    ],
)
def test_a_program_that_is_none_gets_a_clear_error(text, says, audit_of):
    with pytest.raises(UsageError, match=says):
        audit_of(text)


def test_a_missing_file_and_nothing_at_all_get_clear_errors(tmp_path):
    with pytest.raises(UsageError, match="No such file"):
        tg.audit(network(), source=tmp_path / "none.py")
    with pytest.raises(UsageError, match="neither hand nor source"):
        tg.audit(network())


def test_a_recording_keeps_copies_indices_and_steps(tmp_path):
    path = tmp_path / "program.py"
    path.write_text(
        "import numpy as np\n"
        "a = np.zeros(2)\n"
        "for k in range(2):\n"
        "    a[k] = k + 1\n"
        "    a += 1\n"
        "d = {'b': a, 'c': [1, 2]}\n"
        "h = []\n"
        "h.append(np.add(2, 3))\n"
        "d['e'], (f, *g) = 3.0, (4, 5)\n"
    )
    recording = record(path)
    kept = [(x.site.target, x.steps, x.value.tolist()) for x in recording.assignments]
    assert kept == [
        ("a", (), [0, 0]), ("a", (0,), 1), ("a", (0,), [2, 1]), ("a", (1,), 2), ("a", (1,), [3, 3]),
        ("d['b']", (), [3, 3]), ("d['c']", (), [1, 2]), ("h", (), []), ("h", (), 5),
        ("d['e']", (), 3), ("f", (), 4),
        ("a", (), [3, 3]),  # made of zeros, as it stands at the end
    ]  # fmt: skip
