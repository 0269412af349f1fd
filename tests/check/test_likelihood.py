"""Which explanation is told first: the likeliest; nothing that agrees is named, and no noise."""

import numpy as np
import pytest

import tinygrad_lstm as tg
from support import planted, strangers
from support.planted.random_networks import named, random_network
from tinygrad_lstm import check
from tinygrad_lstm.check.blame import judgements
from tinygrad_lstm.check.mistakes import all_mistakes, any_size, likelihood
from tinygrad_lstm.check.noise import noise
from tinygrad_lstm.errors import ArgumentError
from tinygrad_lstm.network.evaluate import evaluate
from tinygrad_lstm.network.view import View

SIZES = [(4, 2, 3), (3, 4, 5), (6, 3, 4)]  # the batch, the width of x, of what is normalised


def stem(name):
    """Return a signal's name without its step."""
    return name.replace("(k-1)", "").replace("(k)", "").partition("[")[0]


def first(loss, hand):
    """Return the mistake that is told first, which explains all."""
    diagnosis = tg.compare(loss, hand).diagnose(pairs=False)[0]
    assert diagnosis.left == 0
    (mistake,) = diagnosis.mistakes
    return mistake


# --- layers that normalise ------------------------------------------------------------------------


def numbers(seed, size):
    rng, (batch, wide, width) = np.random.default_rng(seed), size
    return [rng.normal(size=each) for each in ((batch, wide), (wide, width), (width, 2))]


def layer_norm(x, W, V, axis=1):
    """Return ½ Σ (X V - target)² of X, S = x W normalised; no step of it but S has a name."""
    leaves = (tg.Tensor(a, requires_grad=True, name=n) for n, a in (("x", x), ("W", W), ("V", V)))
    x, W, V = leaves
    S = x @ W
    S.name = "S"
    root = tg.sqrt(tg.var(S, axis=axis, keepdims=True) + 1e-5)
    y = (S - tg.mean(S, axis=axis, keepdims=True)) / root @ V
    return tg.nn.squared_error(y, target(len(x)))


def target(batch):
    return np.sin(np.arange(2.0 * batch)).reshape(batch, 2)


def layer_norm_by_hand(x, W, V, lost, axis=1):
    """Return its gradients without the term of the variance, of the mean, or of both."""
    S = x @ W
    root = np.sqrt(S.var(axis, keepdims=True) + 1e-5)
    X = (S - S.mean(axis, keepdims=True)) / root
    δ = X @ V - target(len(x))
    d = δ @ V.T
    dS = d - (d * X).mean(axis, keepdims=True) * X if "variance" not in lost else d
    dS = (dS - d.mean(axis, keepdims=True) if "mean" not in lost else dS) / root
    return {"S": dS, "W": x.T @ dS, "V": X.T @ δ}


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("given", ["all", "parameters"])
@pytest.mark.parametrize("axis", [0, 1], ids=["batch", "layer"])
@pytest.mark.parametrize("lost", ["variance", "mean"])
def test_a_term_of_a_norm_that_is_forgotten_is_told_first(size, given, axis, lost):
    for seed in range(3):
        leaves = numbers(seed, size)
        hand = layer_norm_by_hand(*leaves, lost, axis)
        if given == "parameters":
            del hand["S"]
        mistake = first(layer_norm(*leaves, axis), hand)
        assert mistake.kind == "branch forgotten", (seed, mistake.says)


def test_what_is_taken_for_a_constant_is_named():
    leaves = numbers(0, SIZES[0])
    mistake = first(layer_norm(*leaves), layer_norm_by_hand(*leaves, "variance"))
    σ = "sqrt(0.333333 u + 1e-05)"
    assert mistake.says == f"{σ} is taken for a constant: nothing flows back through {σ}"


@pytest.mark.parametrize("seed", range(4))
def test_softmax_taken_entry_by_entry_is_told_first(seed):
    x, W, V = numbers(seed, (4, 2, 3))
    W, V, x = (tg.Tensor(a, requires_grad=True, name=n) for n, a in zip("WVx", (W, V, x)))
    z = x @ W
    z.name = "z"
    p = tg.softmax(z, axis=1)
    p.name = "p"
    y = p @ V
    loss = tg.nn.squared_error(y, np.zeros(y.shape))
    p, V = p.numpy(), V.numpy()
    dp = p @ V @ V.T
    dz = dp * p * (1 - p)
    hand = {"p": dp, "V": p.T @ p @ V, "z": dz, "W": x.numpy().T @ dz}
    assert first(loss, hand).kind == "off-diagonal terms dropped"


# --- what happens to be a number ------------------------------------------------------------------


def test_a_gradient_that_is_left_at_0_is_told_as_that():
    """Not as made of the target, which happens to be 0."""
    leaves = numbers(0, SIZES[0])
    hand = layer_norm_by_hand(*leaves, "")
    for name in ("V", "W"):
        mistake = first(layer_norm(*leaves), hand | {name: np.zeros_like(hand[name])})
        assert (mistake.kind, mistake.where) == ("path left out", name), mistake.says


@pytest.mark.parametrize("value", [1.0, 0.7, -2.0])
def test_a_signal_that_is_the_same_everywhere_is_no_partner(value):
    x, same = np.array([0.3, -0.8, 0.5]), np.full(3, value)
    u, v, c = (tg.Tensor(a, requires_grad=True, name=n) for n, a in zip("uvc", (x, 2 * x, same)))
    p = tg.tanh(u * v)
    p.name = "p"
    loss = tg.sum(p * c)
    slope = 1 - np.tanh(2 * x * x) ** 2
    mistake = first(loss, {"p": same, "u": same * slope * value, "v": same * slope * x})
    assert mistake.kind == ("factor missing" if value == 1 else "factor"), mistake.says


def classifier(steps):
    """Return the loss of a network that reads tokens, and its leaves."""
    rng, shapes = np.random.default_rng(0), {"E": (5, 3), "W": (3, 4), "U": (4, 4)}
    leaves = {
        name: tg.Tensor(rng.normal(size=shape), requires_grad=True, name=name)
        for name, shape in shapes.items()
    }
    h, loss = np.zeros((1, 4)), 0.0
    for k in steps:
        h = tg.tanh(leaves["E"][(0, 3, 1, 4, 2)[k]] @ leaves["W"] + h @ leaves["U"])
        loss = loss + tg.nn.softmax_cross_entropy(h, [(1, 0, 3, 2, 1)[k]])
    return loss, leaves


def right_gradients(loss, leaves):
    several = tg.grad(loss, list(leaves.values()))
    return {name: each.numpy() for name, each in zip(leaves, several, strict=True)}


@pytest.mark.long
@pytest.mark.parametrize("factor", ["1.5", "−3.7", "0.123", "2"])
@pytest.mark.parametrize("steps", [range(5), None], ids=["plain", "over steps"])
def test_a_gradient_that_is_a_multiple_of_the_right_one_is_told_by_the_factor(factor, steps):
    loss, leaves = classifier(steps or tg.steps(5))
    right, size = right_gradients(loss, leaves), float(factor.replace("−", "-"))
    says = f"is {factor} times what it should be"
    everything, alone = f"every gradient {says}: a factor of the loss", f"the gradient of U {says}"
    for hand, expected in [
        ({"U": size * right["U"]}, everything),
        ({name: size * each for name, each in right.items()}, everything),
        (right | {"U": size * right["U"]}, alone),
    ]:
        report = tg.compare(loss, hand)
        assert report.mistakes[0].left == 0 and report.mistakes[0].says == expected
        assert expected in " ".join(str(report).split())


def test_a_multiple_of_all_that_is_packed_is_told_as_one():
    case = planted.case("lstm")
    hand = case.hand()
    mistake = first(case.loss(), hand | {"lstm.W": 1.3 * hand["lstm.W"]})
    assert mistake.says.startswith("the gradient of lstm.W.")
    assert mistake.says.count("lstm.W.") == 4 and "is 1.3 times" in mistake.says


def test_one_number_is_no_multiple():
    """Any number is a multiple of another: that explains nothing."""
    x = tg.Tensor([0.4], requires_grad=True, name="x")
    loss = tg.sum(tg.tanh(x) ** 2)
    report = tg.compare(loss, {"x": 1.234 * right_gradients(loss, {"x": x})["x"]})
    assert not report.mistakes


@pytest.mark.long
def test_a_multiple_that_is_noisy_is_no_multiple():
    loss, leaves = classifier(range(5))
    right, rng = right_gradients(loss, leaves), np.random.default_rng(1)
    noisy = 1.5 * right["U"] * (1 + 1e-4 * rng.standard_normal((4, 4)))
    assert not tg.compare(loss, {"U": noisy}).mistakes


# --- the order ------------------------------------------------------------------------------------


def test_every_kind_has_its_place_in_the_order():
    views = [View(case.loss()) for case in strangers.correct_cases()]
    several = (x for view in views for x in (*all_mistakes(view), *any_size(view, 1.0)))
    kinds = {each.ranked_as or each.kind for each in several}
    kinds |= {
        each.ranked_as or each.kind
        for case in planted.correct_cases()
        for each in all_mistakes(View(case.loss()))
    }  # fmt: skip
    assert kinds == set(likelihood.LIKELIEST_FIRST)
    assert len(likelihood.RANK) == len(likelihood.LIKELIEST_FIRST)


def test_what_lies_near_comes_before_what_lies_far():
    ranks = [likelihood.rank("wrong factor", far) for far in range(3)]
    last = likelihood.rank("another function's derivative", likelihood.UNRELATED)
    assert ranks == sorted(ranks) and max(ranks) < last
    assert all(likelihood.rank(kind, 0) < ranks[1] for kind in likelihood.LIKELIEST_FIRST)


# --- what agrees ----------------------------------------------------------------------------------

MIXED = [
    planted.case(*each) for each in (
        ("fir", "time-mean"), ("lstm", "gate-order"), ("elman", "b-overwritten"),
        ("gru", "gates-path-forgotten"), ("vae", "one-added"), ("attention", "scale-missing"),
    )
]  # fmt: skip


@pytest.mark.parametrize("case", MIXED, ids=lambda case: case.id)
@pytest.mark.parametrize("seed", range(3))
def test_nothing_that_agrees_is_named(case, seed):
    """Some of the gradients are right, though the others are those of a wrong derivation."""
    rng, right, wrong = np.random.default_rng(seed), planted.case(case.network).hand(), case.hand()
    names = [name for name in right if rng.random() < 0.7 or name in case.parameters]
    hand = {name: (wrong if rng.random() < 0.5 else right)[name] for name in names}
    report = tg.compare(case.loss(), hand)
    check_nothing_that_agrees_is_named(report)


def check_nothing_that_agrees_is_named(report):
    agreeing = {row.name for row in report.rows if row.ok}
    blame = report.blame
    blamed = [] if blame is None else [blame.signal, *blame.also]
    assert not agreeing & {report.given_name(name) for name in blamed}
    for diagnosis in report.diagnose(pairs=False, seconds=10)[:3]:
        for mistake in diagnosis.mistakes:
            for single in mistake.members or (mistake,):
                assert single.where not in agreeing, diagnosis.says
                assert report.given_name(single.where) not in agreeing, diagnosis.says


def test_several_at_once_are_told_without_the_one_that_agrees():
    """Every bias but one has the first step's share alone."""
    right, wrong = planted.case("lstm").hand(), planted.case("lstm", "b-overwritten").hand()
    parts = {f"lstm.b.{gate}": slice(3 * k, 3 * k + 3) for k, gate in enumerate("aifo")}
    hand = {name: wrong["lstm.b"][part] for name, part in parts.items()}
    hand["lstm.b.o"] = right["lstm.b"][parts["lstm.b.o"]]
    # with δ of the net inputs the search is eight times shorter, far below its limit
    hand |= {name: value for name, value in right.items() if name.startswith("lstm.s_")}
    report = tg.compare(planted.case("lstm").loss(), hand)
    check_nothing_that_agrees_is_named(report)
    diagnosis = report.mistakes[0]
    assert diagnosis.left == 0 and "lstm.b.o" not in diagnosis.says


def test_a_right_gradient_made_of_a_wrong_one_is_not_blamed():
    case, right = planted.case("mlp"), planted.case("mlp").hand()
    report = tg.compare(case.loss(), right | {"output.z": 2 * right["output.z"]})
    assert report.blame.signal == "output.z" and not report.blame.also
    assert report.mistakes[0].left == 0


# --- noise ----------------------------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.parametrize("kind", ["each entry", "the largest", "one gradient"])
def test_noise_is_no_mistake(kind):
    is_said = 0
    for seed in range(12):
        loss, rng = random_network(seed), np.random.default_rng([seed, 7])
        leaves = {name: each for name, each in named(loss).items() if not each.inputs}
        gradients = tg.grad(loss, list(leaves.values()))
        hand = {name: np.array(each.data) for name, each in zip(leaves, gradients, strict=True)}
        chosen = [rng.choice(list(hand))] if kind == "one gradient" else list(hand)
        for name in chosen:
            g, n = hand[name], 1e-3 * rng.standard_normal(hand[name].shape)
            hand[name] = g + n * (np.abs(g).max(initial=0.0) if kind == "the largest" else g)
        report = tg.compare(loss, hand)
        assert not report.diagnose(seconds=3), (seed, report.mistakes[0].says)
        is_said += "in no pattern that a mistake would leave" in " ".join(str(report).split())
    assert is_said >= 3


@pytest.mark.long
def test_no_planted_mistake_looks_like_noise():
    for case in planted.CASES:
        if case.where:
            view, answers, allowed = tg.compare(case.loss(), case.hand()).evidence
            several = judgements(view.adjoint, answers, allowed)
            assert noise([each for each in several if not each.follows]) is None, case.id


# --- a kind of mistake of one's own ---------------------------------------------------------------


def cubed_slopes(nets):
    for gain, function, _ in nets.ways(check.Kind.GAIN, through=check.Kind.ELEMENTWISE):
        yield check.Mistake(where=nets.makes(gain), says=f"the slope of {function.name} is cubed",
                            change=check.Change.to(gain, gain=gain.gain**3))  # fmt: skip


def test_a_kind_of_one_s_own_is_named_until_it_is_forgotten():
    x = tg.Tensor([0.5, -1.0], requires_grad=True, name="x")
    y = tg.tanh(x)
    y.name = "y"
    report = tg.compare(tg.sum(y), {"x": (1 - y.numpy() ** 2) ** 3})
    own = check.mistake("slope cubed", as_likely_as="derivative twice")(cubed_slopes)
    try:
        (only,) = report.diagnose()
        assert (only.kind, only.where, only.left) == ("slope cubed", "x", 0)
        assert only.says == "the slope of y is cubed"
    finally:
        check.forget(own)
    assert not report.diagnose(pairs=False)


def test_a_kind_of_one_s_own_has_a_new_name_and_a_likelihood():
    with pytest.raises(ArgumentError, match="the kind 'factor' is in the library already"):
        check.mistake("factor", as_likely_as="sign")
    with pytest.raises(ArgumentError, match="as_likely_as must be one of 'average over steps'"):
        check.mistake("slope cubed", as_likely_as="often")
    with pytest.raises(ArgumentError, match="forget: expected a function"):
        check.forget(cubed_slopes)


@pytest.mark.parametrize("odd", [3, None, [], np.ones(2)], ids=["3", "None", "list", "array"])
def test_a_kind_of_one_s_own_refuses_odd_values(odd):
    for wrong in (
        lambda: check.mistake(odd, as_likely_as="sign"),
        lambda: check.mistake("slope cubed", as_likely_as=odd),
        lambda: check.mistake("slope cubed", as_likely_as="sign")(odd),
        lambda: check.forget(odd),
    ):
        with pytest.raises(tg.TinygradError):
            wrong()


def damped(nets):
    for gain, _, _ in nets.ways(check.Kind.GAIN, through=check.Kind.ELEMENTWISE):
        change = check.Change.weigh(gain, 0, 0.9)  # a number, of every step
        yield check.Mistake(where=nets.makes(gain), says=f"{gain.name} damped", change=change)


@pytest.fixture
def declared():
    """Return a function that declares a kind of mistake; what it declares is forgotten again."""
    kinds = []

    def declare(generator):
        kinds.append(check.mistake("my own", as_likely_as="derivative twice")(generator))

    yield declare
    for kind in kinds:
        check.forget(kind)


def test_a_number_weighs_every_step(declared):
    declared(damped)
    lstm = tg.nn.RNN(2, 3, seed=0, name="rnn")
    x = np.random.default_rng(0).normal(size=(4, 2, 2))
    out = lstm(x)[0]
    loss = tg.sum(out * out)
    view = tg.compare(loss, {"rnn.b": np.zeros(3)}).evidence[0]
    (mistake,) = [each for each in all_mistakes(view) if each.kind == "my own"]
    hand = mistake.change(view.adjoint)
    hand = {name: evaluate(hand)[f"δ{name}"] for name in ("rnn.W", "rnn.U", "rnn.b")}
    assert tg.compare(loss, hand).mistakes[0].kind == "my own"


@pytest.mark.parametrize(
    ("generator", "says"),
    [
        (lambda nets: 5, "'int' object is not iterable"),
        (lambda nets: ["text"], "found 'text', expected a Mistake"),
        (lambda nets: [check.Mistake(where="x", says="odd", change=None)], "expected a Change"),
        (lambda nets: nets.gains(), "no attribute 'gains'"),
    ],
    ids=["no list", "no mistake", "no change", "no method"],
)
def test_a_fault_in_a_mistake_of_the_user_is_told_by_its_kind(declared, generator, says):
    declared(generator)
    x = tg.Tensor([0.5, -1.0], requires_grad=True, name="x")
    with pytest.raises(tg.UsageError, match=f"mistake 'my own': .*{says}"):
        tg.compare(tg.sum(tg.tanh(x)), {"x": np.ones(2)}).diagnose()
