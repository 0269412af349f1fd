"""The page as a file: what stands in it, what does not, and what bad input gets."""

import base64
import hashlib
import html
import json
import re
import zlib

import numpy as np
import pytest

import tinygrad_lstm as tg
from support import networks
from support.pages import data_of, rows_of
from tinygrad_lstm import gallery
from tinygrad_lstm.derivations import question
from tinygrad_lstm.errors import ArgumentError, GradientError, UsageError
from tinygrad_lstm.page import document, pictures

EVIL = "<img src=x onerror=alert(1)>"


def pictures_of(page):
    """Return the pictures after the first one, which is in the page as it is."""
    packed = [x["packed"] for x in data_of(page)["pictures"][1:]]
    return [zlib.decompress(base64.b64decode(text)).decode() for text in packed]


@pytest.fixture(scope="module")
def lstm_page():
    return tg.show(networks.network()[0])


@pytest.fixture(scope="module")
def compared():
    """Return a report on a derivation in which b_i is given what belongs to b_f."""
    lstm, dense = tg.nn.LSTM(2, 4, seed=0), tg.nn.Dense(4, 1, tg.sigmoid, seed=1)
    data, target = np.array([[0.1, 0.9], [0.4, 0.2], [0.8, 0.5]]), np.array([[0.0], [1.0], [0.0]])
    loss = tg.nn.squared_error(dense(lstm(data)[0]), target)
    p = dict(W=lstm.W.numpy(), U=lstm.U.numpy(), v=lstm.b.numpy(), w=dense.W.numpy(),
             b=dense.b.numpy())  # fmt: skip
    hand = question.backward(data, target, p)
    b = hand["dv"].copy()
    b[4:8] = b[8:12]
    return tg.compare(loss, {"lstm.W": hand["dW"], "lstm.U": hand["dU"], "lstm.b": b}), hand


def test_a_page_allows_its_own_script_and_style_alone(lstm_page):
    policy = html.unescape(
        re.search(r'Content-Security-Policy" content="([^"]*)"', lstm_page.html)[1]
    )
    assert policy.startswith("default-src 'none';") and "unsafe" not in policy
    for tag, rule in (("script", "script-src"), ("style", "style-src")):
        (text,) = re.findall(rf"<{tag}>(.*?)</{tag}>", lstm_page.html, re.S)
        hashed = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{rule} 'sha256-{hashed}'" in policy


def test_a_page_names_no_other_file(lstm_page):
    text = re.sub(r"http://www\.w3\.org/[\w/.]+", "", lstm_page.html)  # names of XML, no addresses
    assert not re.search(r"https?:|\bsrc=|@import|\burl\(|<link", text)


def test_a_page_is_a_whole_document_below_one_megabyte(lstm_page):
    assert lstm_page.html.startswith("<!DOCTYPE html>")
    assert "{{" not in lstm_page.html
    assert len(lstm_page.html.encode()) < 1_000_000


def test_the_numbers_of_a_page_are_those_of_the_tape():
    loss, leaves = networks.network()
    page = tg.show(loss)
    loss.backward()
    data = data_of(page)
    rows = [*rows_of(data)]
    for signal in data["signals"]:
        if signal["name"] in leaves:
            told = signal["delta"]["map"]
            shape = leaves[signal["name"]].grad.shape
            δ = rows[told["at"]].reshape(shape)
            np.testing.assert_allclose(δ, leaves[signal["name"]].grad, rtol=1e-6)
    assert sum(signal["name"] in leaves for signal in data["signals"]) == len(leaves)


def test_the_pass_is_told_in_the_order_of_the_derivation(lstm_page):
    data = data_of(lstm_page)
    runs = [(run["phase"], run["loop"]) for run in data["runs"]]
    assert runs == [("forward", 0), ("forward", -1), ("backward", 0), ("gradients", -1)]
    names = [data["signals"][place]["letter"] for place in data["runs"][0]["lines"]]
    assert names[:4] == ["s_a", "s_i", "s_f", "s_o"] and names[-1] == "e"
    assert [data["signals"][x]["letter"] for x in data["runs"][2]["lines"]] == names[::-1]


def test_every_part_of_a_picture_says_what_it_is(lstm_page):
    data = data_of(lstm_page)
    for picture, svg in zip(data["pictures"], [lstm_page.html, *pictures_of(lstm_page)]):
        for part in set(re.findall(r'data-p="(\w-?\d+)"', svg)):
            several = picture["vertices" if part[0] == "v" else "arcs"]
            assert 0 <= int(part[1:]) < len(several)
    choices = [(picture["name"], picture["open"]) for picture in data["pictures"]]
    some = [["lstm", "dense"], [], ["lstm"], ["dense"]]
    assert choices == [*(("", opened) for opened in some), ("step by step", None)]


def test_equal_blocks_are_drawn_once_and_each_by_itself():
    net = tg.nn.Sequential(*[tg.nn.Dense(3, 3, tg.tanh, seed=at) for at in range(12)])
    page = tg.show(tg.nn.squared_error(net(np.ones((2, 3))), np.zeros((2, 3))))
    assert "dense × 12" in page.html.partition("<script type")[0]
    data = data_of(page)
    assert [picture["name"] for picture in data["pictures"][:2]] == ["equal blocks once", ""]
    assert data["pictures"][1]["open"] == data["modules"] and len(data["modules"]) == 12
    assert [x["open"] for x in data["pictures"][2:5]] == [[], ["dense"], ["dense_2"]]
    assert any("open one by one" in note for note in data["notes"])


def test_each_of_many_layers_is_a_box_in_the_picture_in_which_one_is_open(monkeypatch):
    monkeypatch.setattr(pictures, "MOST_BOXES", 45)
    net = tg.nn.Sequential(*[tg.nn.Dense(2, 2, tg.tanh, seed=at) for at in range(45)])
    data = data_of(tg.show(tg.nn.squared_error(net(np.ones((1, 2))), np.zeros((1, 2)))))
    assert data["choices"] == ["dense"]
    modules = [{x.get("module") for x in one["vertices"]} for one in data["pictures"][2:]]
    assert {"dense_2", "dense_23", "dense_45"} <= modules[-1] and "dense" not in modules[-1]


def test_the_notes_speak_of_the_page_and_of_no_other_function():
    data = data_of(tg.show(networks.network(T=8)[0]))
    assert any(note.startswith("Step by step: left out: 4 steps") for note in data["notes"])
    assert not any("every_step" in note for note in data["notes"])


@pytest.mark.parametrize("number", [np.nan, np.inf, 1e300])
def test_numbers_that_are_not_finite_have_a_page(number):
    lstm, data = tg.nn.LSTM(2, 3, seed=0), np.ones((4, 2))
    data[2, 1] = number
    with np.errstate(all="ignore"):
        page = tg.show(tg.nn.squared_error(lstm(data)[0], np.zeros((4, 3))))
    x = next(x for x in data_of(page)["signals"] if x["name"] == "lstm.x")
    shown = [*rows_of(data_of(page))][x["value"]["map"]["at"]]
    np.testing.assert_allclose(shown, data.ravel(), rtol=1e-6)


@pytest.mark.parametrize("of", [gallery.two_layers, gallery.both_directions, networks.mlp])
def test_all_kinds_of_networks_have_a_page(of):
    page = tg.show(of())
    assert len(page.html.encode()) < 1_000_000
    data = data_of(page)
    told = [x for x in data["signals"] if x["kind"] == "signal"]
    assert told and all("forward" in x and "value" in x for x in told)


def test_steps_that_are_not_alike_are_told_one_by_one():
    x = tg.Tensor(np.linspace(0.1, 0.9, 4), requires_grad=True, name="x")
    h = x[0]
    for k in tg.steps(4):
        h = tg.tanh(h * x[k]) if k % 2 else tg.sigmoid(h + x[k])
        h.name = "h"
    data = data_of(tg.show(h))
    assert any("one by one" in note for note in data["notes"])
    steps = [run["step"] for run in data["runs"] if run["phase"] == "forward"]
    assert steps[:4] == [0, 1, 2, 3]


def test_names_from_users_are_text():
    x = tg.Tensor([1.0, 2.0], requires_grad=True, name=EVIL)
    with tg.scope("</script><script>alert(1)"):
        loss = tg.sum(tg.tanh(x) * x)
    page = tg.show(loss, title=f"</title>{EVIL}")
    assert "<img" not in page.html and page.html.count("</script>") == 2
    assert all("<img" not in svg for svg in pictures_of(page))
    assert any(EVIL in signal["name"] for signal in data_of(page)["signals"])


def test_a_name_that_looks_like_a_place_in_the_page_stays_a_name():
    x = tg.Tensor([1.0, 2.0], requires_grad=True, name="{{script}}")
    assert any(s["name"] == "{{script}}" for s in data_of(tg.show(tg.sum(x * x)))["signals"])


def test_a_long_sequence_of_large_states_is_summarised_and_says_so():
    lstm, dense = tg.nn.LSTM(3, 24, seed=0), tg.nn.Dense(24, 1, seed=1)
    x = np.random.default_rng(0).normal(size=(150, 3))
    page = tg.show(tg.nn.squared_error(dense(lstm(x)[0]), np.zeros((150, 1))))
    data = data_of(page)
    assert any("groups of entries" in note for note in data["notes"])
    state = next(x for x in data["signals"] if x["name"] == "lstm.state")
    assert state["value"]["map"]["down"] * state["value"]["map"]["rows"] >= 150


def test_more_steps_than_fit_share_a_size(monkeypatch):
    from tinygrad_lstm.page import signals

    monkeypatch.setattr(signals, "ROOM", 4000)
    data = data_of(tg.show(networks.network(T=12)[0]))
    assert data["group"] > 1 and any(f"stands for {data['group']}" in x for x in data["notes"])
    state = next(x for x in data["signals"] if x["name"] == "lstm.state")
    assert len([*rows_of(data)][state["value"]["size"]]) == -(-12 // data["group"])


def test_the_adjoint_of_a_tall_network_stands_beside_it():
    def ratio(page):
        *_, wide, high = map(float, re.search(r'viewBox="([^"]*)"', page.html)[1].split())
        return high / wide

    assert ratio(tg.show(gallery.two_layers())) < 0.6
    assert "translate" in tg.show(gallery.two_layers()).html.partition("<script")[0]


def test_more_signals_share_the_room_of_the_maps():
    def steps(T):  # which are not alike
        h = tg.Tensor(np.ones(40), requires_grad=True, name="h")
        for k in tg.steps(T):
            h = tg.tanh(h) if k % 3 else tg.sigmoid(h)
            h.name = "h"
        return tg.sum(h)

    few, many = (len(tg.show(steps(T)).html) for T in (10, 200))
    assert many < 1_000_000 and many > few
    with pytest.raises(UsageError, match=r"found 1\d\d\d signals, expected 1000 .* each step"):
        tg.show(steps(1100))


def test_pictures_that_do_not_fit_are_left_out_and_it_is_said(monkeypatch):
    monkeypatch.setattr(document, "ROOM", 20_000)
    data = data_of(tg.show(networks.network()[0]))
    assert len(data["pictures"]) < 5 and any("left out" in note for note in data["notes"])


# --- reports --------------------------------------------------------------------------------------


def test_a_report_marks_the_first_wrong_gradient_and_says_the_mistake(compared):
    report, _ = compared
    data = data_of(tg.show(report))
    told = data["report"]
    assert data["signals"][told["first"]]["name"] == told["first_name"] == "lstm.b.i"
    assert told["mistakes"][0]["says"] == report.mistakes[0].says
    assert "s_i" in told["equations"][0]["right"] and "s_f" in told["equations"][0]["wrong"]
    steps = {side: re.findall(r"[\[(][k\d][\])]", told["equations"][0][side])
             for side in ("right", "wrong")}  # fmt: skip
    assert steps["right"] == steps["wrong"] and "-" not in told["numbers"]
    marks = {row["name"]: row["mark"] for row in told["rows"]}
    assert marks == {"lstm.W": "agrees", "lstm.U": "agrees", "lstm.b": "wrong"}


def test_consequences_are_told_from_mistakes():
    loss, _ = networks.network()
    signals = tg.signals(loss)
    hand = {name: signals[name].gradient.copy() for name in ("dense.z", "lstm.out", "lstm.state")}
    wrong = {"dense.z": 2 * hand["dense.z"], "lstm.out": 2 * hand["lstm.out"],
             "lstm.state": 2 * hand["lstm.state"]}  # fmt: skip
    told = data_of(tg.show(tg.compare(loss, wrong)))["report"]
    marks = {row["name"]: row["mark"] for row in told["rows"]}
    assert marks == {"dense.z": "wrong", "lstm.out": "consequence", "lstm.state": "consequence"}
    assert told["consequences"]


def test_without_answers_no_right_number_is_in_the_file(compared):
    report, hand = compared
    without = tg.show(report, answers=False)
    right = [x for x in hand.values() if isinstance(x, np.ndarray)]
    entries = np.unique(np.concatenate([np.ravel(x) for x in right]))
    entries = entries[np.abs(entries) > 1e-6]
    assert len(entries) > 50
    told = np.concatenate(rows_of(data_of(tg.show(report))))  # with answers
    nearest = np.abs(told[:, None] / entries - 1).min(axis=0)
    assert (nearest < 1e-5).sum() > 40
    data = data_of(without)
    assert not rows_of(data)
    everything = "\n".join([without.html, *pictures_of(without)])
    for number in entries:
        for digits in (4, 6):
            text = f"{abs(number):.{digits}g}"
            assert not re.search(rf"(?<![\d.]){re.escape(text)}", everything), text
    assert not any("backward" in x or "delta" in x or "value" in x for x in data["signals"])
    assert data["report"]["first_name"] == "lstm.b.i" and not data["report"]["equations"]
    assert "δ" not in "".join(re.findall(r"<svg.*?</svg>", without.html, re.S))
    mistake = data.pop("report")["mistakes"]  # is said in terms of δ
    assert mistake and "δ" not in json.dumps(data, ensure_ascii=False)


def test_without_answers_a_mistake_is_told_without_its_factor():
    loss, _ = networks.network()
    W = tg.signals(loss)["dense.W"].gradient
    report = tg.compare(loss, {"dense.W": 3 * W})
    assert "3" in report.mistakes[0].says
    told = data_of(tg.show(report, answers=False))["report"]
    assert told["mistakes"][0]["says"] and "3" not in told["mistakes"][0]["says"]


def test_a_report_without_a_mistake_has_a_page():
    loss, _ = networks.network()
    report = tg.compare(loss, {"dense.W": tg.signals(loss)["dense.W"].gradient})
    told = data_of(tg.show(report))["report"]
    assert told["first"] == -1 and not told["mistakes"] and told["rows"][0]["mark"] == "agrees"


# --- the page as an object, and bad input ---------------------------------------------------------


def test_a_page_shows_itself_in_a_notebook(lstm_page):
    text = lstm_page._repr_html_()
    inside = re.fullmatch(r'<iframe sandbox="allow-scripts" srcdoc="([^"]*)"[^>]*></iframe>', text)
    assert html.unescape(inside[1]) == lstm_page.html
    assert re.fullmatch(r"<Page of \d+ kB>", repr(lstm_page))


def test_a_page_is_saved(lstm_page, tmp_path):
    path = lstm_page.save(tmp_path / "net.html")
    assert path.read_text("utf-8") == lstm_page.html
    loss, _ = networks.network()
    assert tg.show(loss, tmp_path / "other.html").html == (tmp_path / "other.html").read_text(
        "utf-8"
    )


def test_a_page_is_the_same_from_run_to_run(lstm_page):
    assert tg.show(networks.network()[0]).html == lstm_page.html


def test_equations_are_text_where_mathml_is_missing(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "latex2mathml.converter", None)
    data = data_of(tg.show(networks.network()[0]))
    lines = [x["forward"] for x in data["signals"] if "forward" in x]
    assert lines and all(x["text"] and not x["math"] for x in lines)


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: tg.show(3), UsageError, "found int, expected a loss"),
        (lambda: tg.show(networks.leaf("x", 2)), UsageError, "show: found nothing recorded"),
        (lambda: tg.show(networks.leaf("x", 2) * 2), GradientError, "one number"),
        (lambda: tg.show(networks.network()[0], answers="no"), UsageError, "answers"),
        (lambda: tg.show(networks.network()[0], 3), UsageError, "path"),
        (lambda: tg.show(networks.network()[0], "a\0b"), ArgumentError, "no file can have"),
        (lambda: tg.show(networks.network()[0], "net.png"), ArgumentError, "ends in .html"),
        (lambda: tg.show(networks.network()[0], title=3), UsageError, "title"),
    ],
)
def test_bad_input_gets_a_clear_error(call, error, says):
    with pytest.raises(error, match=says):
        call()
