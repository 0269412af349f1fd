"""Where a derivation goes wrong, and which mistake it is, on mistakes planted by hand."""

import ast
import re
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import tinygrad_lstm as tg
from support import planted, strangers
from support.planted import report
from support.sources import imported
from tinygrad_lstm.check import mistakes as library
from tinygrad_lstm.check import search
from tinygrad_lstm.check.diagnosis import Diagnosis
from tinygrad_lstm.check.mistakes import all_mistakes, any_size, mistakes
from tinygrad_lstm.check.trials import Trials
from tinygrad_lstm.engine.place import Packed
from tinygrad_lstm.network.evaluate import evaluate
from tinygrad_lstm.network.view import View

THE_19 = [planted.case("lstm", each) for each in planted.LSTM]
FORWARD = (
    "function missing", "function twice", "normalised twice", "silent broadcast",
    "normalised along the wrong axis",
)  # fmt: skip
STACKED = ("lstm/last-error-alone", "lstm/V-missing")
PLANTED = [each for each in planted.CASES if each.where and each.id not in STACKED]


def stem(name):
    """Return a signal's name without its step, and without which part of a packed one it is."""
    name = name.replace("(k-1)", "").replace("(k)", "").partition("[")[0]
    whole, _, part = name.rpartition(".")
    return whole if part in tuple("aifo") and whole.count(".") else name


def is_named(case, found, given):
    """Whether a diagnosis is the planted mistake, at its place or one no given signal shows.

    What is wrong in the forward pass is named there, and shows later.
    """
    taken, known = {stem(each.where) for each in found.mistakes}, {stem(name) for name in given}
    is_there = case.named in FORWARD or taken & known <= {stem(name) for name in case.where}
    is_kind = found.kind in case.named.split(" or ")
    return found.left == 0 and found.residual < 1e-9 and is_kind and is_there


def id_of(case):
    return case.id


@pytest.mark.parametrize("case", THE_19, ids=id_of)
def test_a_mistake_in_an_lstm_is_blamed_at_its_place(case):
    """All deltas given: the first wrong step is where the mistake was made."""
    assert stem(report(case).blame.signal) in {stem(name) for name in case.where}


@pytest.mark.parametrize("case", PLANTED, ids=id_of)
def test_a_mistake_is_named_first(case):
    """All deltas given."""
    assert is_named(case, report(case).mistakes[0], case.hand())


ALONE = [each for each in PLANTED if each.in_parameters]
NOT_FIRST = {  # given parameters alone: another explanation comes first
    "tmva/from-zero", "embedding/classes-shifted", "embedding/classes-of-tokens-after",
}  # fmt: skip


@pytest.mark.parametrize("case", ALONE, ids=id_of)
def test_a_mistake_is_named_given_parameters_alone(case):
    """Among the first three, and first unless the list above holds it."""
    names = [is_named(case, each, case.parameters) for each in report(case, case.parameters).best]
    assert any(names[:3])
    if " and " not in case.named:
        assert names[0] == (case.id not in NOT_FIRST)


def test_given_parameters_alone_a_mistake_is_named_first_in_95_of_100():
    single = {each.id for each in ALONE if " and " not in each.named}
    assert single >= NOT_FIRST
    assert len(NOT_FIRST) <= 0.05 * len(single)


@pytest.mark.parametrize("case", [x for x in planted.CASES if x.id in STACKED], ids=id_of)
def test_what_is_stacked_after_a_loop_is_no_signal_of_the_folded_network(case):
    """What is wrong with it is told of the signal that it goes to."""
    first = report(case).mistakes[0]
    assert first.left == 0 and first.kind == case.named and first.where == "lstm.out(k)"


@pytest.mark.parametrize("case", THE_19, ids=id_of)
def test_given_all_deltas_a_mistake_is_the_only_explanation(case):
    """But for a factor of the loss, which may come in anywhere on the way to what is given."""
    assert report(case).mistakes[0].unique == (case.named != "factor")


@pytest.mark.parametrize("rate", [0.5, 0.1, 0.013])
@pytest.mark.parametrize("given", ["all", "parameters"])
def test_the_rate_of_weights_updated_too_early_is_found(rate, given):
    n = planted.MAZUR_NUMBERS
    hand = planted.mazur_by_hand()
    δh = hand["output.z"] @ (n["W2"] - rate * hand["output.W"]).T
    h = 1 / (1 + np.exp(-n["x"] @ n["W1"] - n["b1"]))
    hand |= {"hidden.y": δh, "hidden.z": δh * h * (1 - h)}
    hand["hidden.W"] = np.outer(n["x"], hand["hidden.z"])
    names = hand if given == "all" else ("output.W", "hidden.W")
    first = tg.compare(planted.mazur_network(), {name: hand[name] for name in names}).mistakes[0]
    assert first.left == 0 and first.kind == "weight updated before use" and first.unique
    assert f"with the rate {rate:g}," in first.says


PAIRS = [
    ("lstm", "f-missing", "b-of-f-for-i"),
    ("lstm", "state-carry-alone", "batch-mean-forgotten"),
    ("lstm", "i-o-swapped", "out-not-before"),
    ("lstm", "b-averaged", "batch-mean-forgotten"),  # which make up for each other in b
    ("gru", "z-sign", "r-for-z"),
    ("mlp", "output-slope-missing", "W-updated"),
]


MADE_UP_FOR = PAIRS[3]


@pytest.mark.long
@pytest.mark.parametrize(("names", "given"), [
    (names, given) for names in PAIRS for given in ("all", "parameters")
    if names != MADE_UP_FOR
], ids=lambda each: each if isinstance(each, str) else "+".join(each))  # fmt: skip
def test_two_mistakes_are_named_together(names, given):
    case = planted.case(*names)
    found = report(case, None if given == "all" else case.parameters).mistakes
    assert found[0].left == 0
    kinds = [{each.kind for each in one.mistakes} for one in found[:3]]
    assert set(case.named.split(" and ")) in kinds


def test_two_mistakes_that_make_up_for_each_other_are_one_factor_of_the_rest():
    """The gradient of b is right: nothing in the numbers says that b was averaged."""
    case = planted.case(*MADE_UP_FOR)
    first = report(case, case.parameters).mistakes[0]
    assert first.left == 0 and {each.kind for each in first.mistakes} == {"factor"}
    assert "lstm.b" not in first.says


def test_what_two_mistakes_make_up_for_is_right_where_all_is_given():
    """Of the gradients of b, which agree, nothing is said."""
    case = planted.case(*MADE_UP_FOR)
    found = report(case)
    assert next(row for row in found.rows if row.name == "lstm.b").ok
    diagnosis = found.mistakes[0]
    assert diagnosis.left == 0 and "lstm.b" not in diagnosis.says
    assert diagnosis.says == "every gradient is 3 times what it should be: a factor of the loss"


@pytest.mark.long
def test_nothing_is_tried_when_the_time_is_over(monkeypatch):
    case = planted.case("lstm", "f-missing", "b-of-f-for-i")
    hand, shown = case.hand(), []

    def watch(pairs):
        for pair in pairs:
            shown.append(pair)
            yield pair

    found = tg.compare(case.loss(), {name: hand[name] for name in case.parameters})
    whole = found.diagnose(watch=watch, seconds=600)
    assert not whole.is_cut and whole[0].left == 0 and len(shown) > 2

    clock = count()  # a second for every mistake that is tried
    for each in ("monotonic", "thread_time"):
        monkeypatch.setattr(f"tinygrad_lstm.engine.limit.{each}", lambda: next(clock))
    took = []
    for pairs in (False, True):
        began = next(clock)
        diagnoses = found.diagnose(pairs=pairs, seconds=10**9)
        took.append(next(clock) - began)
        assert diagnoses and not diagnoses.is_cut
        assert all(each.left > 0 for each in diagnoses) is not pairs
    took = sum(took) // 2  # time for half of the pairs
    for seconds in (0, 50, took):
        began, shown[:] = next(clock), []
        assert found.diagnose(seconds=seconds, watch=watch).is_cut
        assert next(clock) - began <= seconds + 6  # two clocks are read at the end
        assert bool(shown) is (seconds == took)
        if seconds < took:
            assert "the time was up before all mistakes were tried" in str(found)


def chain(count, of=tg.tanh):
    """Return the loss of functions of functions, and its gradient."""
    x = y = tg.Tensor([0.2, -0.3, 0.5], requires_grad=True, name="x")
    for k in range(count):
        y = of(y * 1.01) if k % 7 else tg.sin(y + 0.1 * k)
    loss = tg.sum(y * y)
    return loss, tg.grad(loss, x).numpy()


@pytest.mark.parametrize("fold", [True, False], ids=["folded", "recorded"])
def test_a_limit_that_ends_the_work_is_told(fold, monkeypatch):
    if not fold:
        monkeypatch.setattr("tinygrad_lstm.network.view.fold_plain_loops", lambda *_, **__: None)
    loss, gradient = chain(300)
    found = tg.compare(loss, {"x": gradient * [1, 1.1, 0.9]})
    assert found.diagnose(seconds=0.5).is_cut
    assert "the time was up" in str(found)


@pytest.mark.long
def test_a_mistake_in_a_long_network_is_found_without_running_it_for_every_other(monkeypatch):
    monkeypatch.setattr("tinygrad_lstm.network.view.fold_plain_loops", lambda *_, **__: None)
    loss, gradient = chain(60)
    runs, run = [], Trials.run

    def counted(self, *changes):
        runs.append(changes)
        return run(self, *changes)

    monkeypatch.setattr(Trials, "run", counted)
    found = tg.compare(loss, {"x": 2 * gradient}).diagnose(seconds=20)
    assert any("every gradient is 2 times" in each.says for each in found)
    assert 0 < len(runs) < sum(1 for _ in mistakes(View(loss))) / 3


STEPS = 20


def plain_network(called):
    """Return the loss of an Elman network in a plain loop, and its numbers."""
    rng = np.random.default_rng(0)
    shapes = dict(W=(3, 4), U=(4, 4), b=(4,), V=(4, 2), x=(STEPS, 3), t=(STEPS, 2))
    n = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    p = {name: tg.Tensor(n[name], requires_grad=True, name=name) for name in "WUbV"}
    h, loss = np.zeros(4), 0.0
    for k in range(STEPS):
        s = n["x"][k] @ p["W"] + h @ p["U"] + p["b"]
        h = tg.tanh(s)
        e = h @ p["V"] - n["t"][k]
        if called:
            s.name, h.name, e.name = f"s[{k}]", f"h[{k}]", f"e[{k}]"
        loss = loss + 0.5 * tg.sum(e * e)
    return loss, n


def plain_by_hand(n, mistake):
    """Derive the gradients of `plain_network`, with a mistake that is made at every step."""
    h = [np.zeros(4)]
    for k in range(STEPS):
        h.append(np.tanh(n["x"][k] @ n["W"] + h[-1] @ n["U"] + n["b"]))
    hand = {name: np.zeros(n[name].shape) for name in "WUbV"}
    come = np.zeros(4)
    for k in reversed(range(STEPS)):
        e = h[k + 1] @ n["V"] - n["t"][k]
        δh = e @ n["V"].T + (0 if mistake == "carry dropped" else come)
        δs = δh * (1 if mistake == "derivative missing" else 1 - h[k + 1] ** 2)
        come = δs @ (n["U"] if mistake == "weight not transposed" else n["U"].T)
        before = h[k + 1] if mistake == "output for input" else h[k]
        hand["W"] += np.outer(n["x"][k], δs)
        hand["U"] += np.outer(before, δs)
        hand["b"] += δs / (STEPS if mistake == "average over steps" else 1)
        hand["V"] += np.outer(h[k + 1], e)
        hand |= {f"e[{k}]": e, f"h[{k}]": δh, f"s[{k}]": δs}
    return hand


@pytest.mark.parametrize("given", ["deltas", "parameters"])
@pytest.mark.parametrize("mistake", [
    "carry dropped", "derivative missing", "weight not transposed", "output for input",
    "average over steps",
])  # fmt: skip
def test_a_mistake_at_every_step_of_a_plain_loop_is_named_once(mistake, given):
    loss, n = plain_network(called=given == "deltas")
    hand = plain_by_hand(n, mistake)
    names = hand if given == "deltas" else "WUbV"
    found = tg.compare(loss, {name: hand[name] for name in names}).diagnose(seconds=20)
    assert found and found[0].left == 0
    assert mistake in {each.kind for each in found[:2]}
    assert not found.is_cut


@pytest.mark.long
@pytest.mark.parametrize("kind", ["float64", "float32", "digits", "decimals"])
def test_a_right_derivation_is_never_blamed(kind):
    digits = 5 if kind in ("digits", "decimals") else None
    for case in planted.random_cases(200, seed=1):
        if case.id.endswith(kind):
            found = tg.compare(case.loss(), case.hand(), digits=digits)
            assert found.blame is None and not found.mistakes, case.id


def test_every_wrong_step_is_told_from_its_consequences():
    case = planted.case("lstm", "factor-2", "U-not-transposed")
    blame = report(case).blame
    assert blame.signal.startswith("e")
    assert "lstm.out[2]" in blame.also
    assert "lstm.state[3]" in blame.consequences


def test_what_is_packed_is_blamed_as_a_whole_where_every_step_takes_a_part():
    """One step for all has the whole; every step on its own has the parts."""
    name = Packed("p", tuple("ifo"))
    p = tg.Tensor(np.linspace(0.5, 1.0, 12), requires_grad=True, name=name)
    y = x = tg.Tensor(np.array([0.3, -0.8, 0.5, 0.1]), requires_grad=True, name="x")
    for k in tg.steps(3):
        y = tg.tanh(y * p[..., 4 * k : 4 * k + 4]) + x
    loss = tg.sum(y * y)
    right = tg.grad(loss, [p])[0].numpy()
    assert tg.compare(loss, {"p": right * np.arange(12)}).blame.signal == "p"


def test_with_few_signals_the_region_between_them_is_blamed():
    case = planted.case("lstm", "state-for-tanh")
    blame = report(case, ("lstm.out[3]", "lstm.s_o[3]", "lstm.W")).blame
    assert blame.signal == "lstm.s_o[3]"
    assert blame.region == ("lstm.o[3]",) and blame.supply == "lstm.o[3]"


def test_the_signal_to_give_next_halves_the_region():
    """The middle of a chain leaves the fewest suspects in the worst case; its ends, the most."""
    y = x = tg.Tensor([0.3, -0.8], requires_grad=True, name="x")
    for k in range(9):
        y = tg.tanh(y)
        y.name = f"y{k}"
    loss = tg.sum(y * y)
    blame = tg.compare(loss, {"x": 2 * tg.grad(loss, [x])[0].numpy()}).blame
    assert blame.region == tuple(f"y{k}" for k in reversed(range(9)))
    assert blame.supply == "y4"


def test_a_report_reads_like_a_teacher():
    found = report(planted.case("lstm", "f-missing"))
    assert "first wrong: lstm.state[2]" in str(found)
    assert "lstm.f(k) is left out on the way to δlstm.state(k-1)" in found.mistakes[0].says
    assert "mistake that explains all wrong gradients: " in str(found)
    assert max(map(len, str(found).splitlines())) <= 80


def test_a_report_lists_six_names_in_a_line_and_six_mistakes_in_its_data():
    case = planted.case("lstm", "f-missing")
    found = report(case)
    (line,) = re.findall("consequences: (.*?)(?: mistake|$)", " ".join(str(found).split()))
    assert line == ", ".join(found.blame.consequences[:6]) + ", …"
    assert len(found.blame.consequences) > 6
    rms = planted.case("rms", "size-path")
    several = report(rms, rms.parameters)
    assert len(several.as_dict()["mistakes"]) == 6 < len(several.mistakes)


def test_the_data_of_a_report_say_that_the_search_was_cut():
    case = planted.case("lstm", "f-missing")
    found = tg.compare(case.loss(), case.hand())
    found.diagnose(seconds=0)
    assert found.as_dict()["is_cut"] is True
    assert report(case).as_dict()["is_cut"] is False


def test_two_explanations_are_told_apart_by_a_signal_to_give():
    case = planted.case("elman", "sign")
    found = report(case, case.parameters).mistakes
    assert len(found) > 1 and not found[0].unique
    assert found[0].apart and found[0].apart not in case.parameters


def test_the_signal_to_give_differs_between_two_explanations():
    """No other signal is named: δ of a signal above both mistakes is the same with either."""
    case = planted.case("elman", "sign")
    first, *others = report(case, case.parameters).mistakes
    view = View(case.loss())

    def deltas(diagnosis):
        network = view.adjoint
        for mistake in diagnosis.mistakes:
            network = mistake.change(network)
        on, wires = evaluate(network, everything=True), network.wires
        return {name: on[wires[wire].name][... if k is None else k]
                for name, (wire, k) in view.at.items() if name in view.named}  # fmt: skip

    own, *theirs = map(deltas, (first, *others[:4]))
    differing = [
        [n for n in own if n not in case.parameters and not np.allclose(own[n], other[n])]
        for other in theirs
    ]
    assert first.apart == next(names[0] for names in differing if names)
    assert first.apart != next(name for name in own if name not in case.parameters)


def test_another_library_s_order_of_what_is_packed_is_named():
    case = planted.case("lstm", "gate-order")
    for names in (None, case.parameters):
        first = report(case, names).mistakes[0]
        assert first.left == 0 and first.kind == "order of what is packed"
        assert ", where the order a, i, f, o belongs" in first.says


def test_nothing_is_said_of_a_right_derivation():
    found = report(planted.case("lstm"))
    assert found.ok and found.blame is None and found.mistakes == []


LIBRARY = sorted(Path(library.__file__).parent.glob("*.py"))
WORDS = {  # what a file that knows graphs alone has no word for
    "lstm", "gru", "rnn", "elman", "dense", "cell", "gate", "hidden",
    *(f"{name}.{part}" for name in "WUb" for part in "aifo"),
}  # fmt: skip


def known_by(path):
    """Return the package's modules that a file imports, and the words in it that are a layer's."""
    text = path.read_text("utf-8")
    name = f"check.mistakes.{path.stem}".removesuffix(".__init__")
    inside = imported(ast.parse(text), name, path.stem == "__init__")
    return inside, WORDS & set(re.findall(r"[\w.]+", text.lower()))


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: path.stem)
def test_the_library_of_mistakes_knows_graphs_alone(path):
    inside, words = known_by(path)
    modules = {name.removeprefix("tinygrad_lstm.").partition(".")[0] for name in inside}
    assert not modules & {"nn", "derivations", "optim", "demo"}
    assert not words


def test_a_file_that_knows_a_layer_is_caught(tmp_path):
    path = tmp_path / "planted.py"
    path.write_text("from ... import nn\nfrom ...nn.cells import x\n# each gate of the LSTM\n")
    inside, words = known_by(path)
    assert inside == {"tinygrad_lstm.nn", "tinygrad_lstm.nn.cells.x"}
    assert words == {"gate", "lstm"}


def test_every_kind_of_mistake_is_planted_somewhere():
    views = [View(case.loss()) for case in (*planted.correct_cases(), *strangers.correct_cases())]
    kinds = {x.kind for view in views for x in (*all_mistakes(view), *any_size(view, 1.0))}
    cases = *PLANTED, planted.case("lstm", "V-missing"), *strangers.CASES
    named = {kind for case in cases for kind in re.split(" and | or ", case.named)}
    assert kinds == named


def test_every_mistake_changes_some_gradient_or_none_at_all():
    """Run every single mistake once: none fails but for shapes that cannot be."""
    view = View(planted.case("lstm").loss())
    failed = 0
    for each in mistakes(view):
        try:
            with np.errstate(all="ignore"):
                each.change(view.adjoint).evaluate()
        except (KeyError, ValueError):
            failed += 1
    assert failed <= 5


@pytest.mark.parametrize("network", ["characters", "characters-plain"])
def test_the_signal_to_give_next_leads_to_every_wrong_gradient(network):
    """δW is wrong too, and W is used nearer to the loss than h."""
    case = planted.case(network, "class-of-text")
    assert stem(report(case, case.parameters).blame.supply) == "z"


def test_two_mistakes_of_a_pair_say_two_things():
    slip = SimpleNamespace(says="δh is −1 times what it should be", at_rate=None)
    pair = [Diagnosis((slip,), 1.0, 1)] * 2
    tried = []
    state = SimpleNamespace(
        effects=SimpleNamespace(likely=lambda *_: [tuple(pair)]), paired=[], is_explained=False,
        attempts=lambda pairs: [tried.append(each) for each in pairs],
    )  # fmt: skip
    search.Search.try_pairs(state, iter)
    assert not tried


@pytest.mark.long
@pytest.mark.parametrize("steps", [3, 5])
@pytest.mark.parametrize("lag", [1, 2])
def test_a_carry_of_a_step_that_stays_outside_of_the_loop_is_no_carry_of_the_loop(steps, lag):
    """The first steps add an earlier output to themselves, and do not fold with the others."""
    rng = np.random.default_rng(steps)
    W = tg.Tensor(0.5 * rng.normal(size=(3, 3)), requires_grad=True, name="W")
    x = tg.Tensor(rng.normal(size=(steps, 3)), requires_grad=True, name="x")
    h, outs = rng.normal(size=3), []
    for k in tg.steps(steps):
        outs.append(tg.tanh(h @ W + x[k]))
        h = outs[-1] + 0.5 * outs[max(0, k - lag)]
    loss = tg.sum(h * h)
    right = tg.grad(loss, W).numpy()
    report = tg.compare(loss, {"W": 1.7 * right + 0.3})
    report.diagnose(seconds=5)
    assert report.blame is not None and report.blame.signal == "W" and str(report)


@pytest.mark.parametrize("size", [tg.norm, tg.max, tg.logsumexp, tg.sum])
@pytest.mark.parametrize("shape", [(3,), (2, 3)])
def test_a_reduction_along_all_axes_that_is_spread_again_is_diagnosed(size, shape):
    rng = np.random.default_rng(0)
    x = tg.Tensor(rng.normal(size=shape), requires_grad=True, name="x")
    y = tg.tanh(size(x) * x) * rng.normal(size=shape)
    loss = tg.sum(y * y)
    report = tg.compare(loss, {"x": 1.7 * tg.grad(loss, x).numpy() + 0.3})
    report.diagnose(seconds=3)
    assert report.is_wrong and str(report)
