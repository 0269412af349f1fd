"""The chosen signal, what is seen at first sight, the search, and reports, in a browser."""

import re

import numpy as np
import pytest

import tinygrad_lstm as tg
from support import networks
from support.browser import complaints, find, open_page, press, run, text, wait
from tinygrad_lstm.page import gradients


def test_a_click_on_a_signal_shows_all_about_it(opened):
    group = "[...view.querySelectorAll('.l')].find(x => x.textContent === 'f(k)')"
    run(opened, f"{group}.dispatchEvent(new MouseEvent('click', {{bubbles: true}}))")
    panel = text(opened, "#signal")
    assert panel.startswith("lstm.f") and "Used by" in panel and "δ" in panel
    heats = opened.find_elements("css selector", "#signal canvas.heat")
    assert len(heats) == 2 and "5 by 4 cells" in heats[0].get_attribute("aria-label")
    assert run(opened, f"return {group}.classList.contains('chosen')")


def test_the_map_shows_the_signs_of_the_values(opened):
    run(opened, "choose(SIGNALS.findIndex(x => x.name === 'lstm.state'))")
    wide, high, colors = run(
        opened,
        """const c = document.querySelector('canvas.heat');
        const pixels = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
        return [c.width, c.height, [...pixels]]""",
    )
    rgb = np.array(colors).reshape(high, wide, 4)
    state = tg.signals(networks.network(T=5)[0])["lstm.state"].value.T
    is_blue = rgb[..., 2] > rgb[..., 0]
    strong = np.abs(state) > 0.2 * np.abs(state).max()
    assert strong.any() and (is_blue == (state > 0))[strong].all()


def test_the_shares_of_δ_are_told_by_the_way_they_come_back(opened):
    run(opened, "choose(SIGNALS.findIndex(x => x.name === 'lstm.state')); goToStep(0, 2)")
    run(opened, "go(PLACES.findIndex(x => x.run.phase === 'backward' && x.step === 2), -1)")
    rows = [x.text for x in opened.find_elements("css selector", "#ways tr")]
    assert len(rows) == 2 and any("via state of step k+1" in x for x in rows)
    parts = [float(re.search(r"([−\d.e]+) %", x)[1].replace("−", "-")) for x in rows]
    assert abs(sum(parts) - 100) < 0.5
    find(opened, "#follow").click()
    assert text(opened, "#signal .path").endswith("loss")


def test_a_weight_is_a_sum_over_the_steps(opened):
    run(opened, "choose(SIGNALS.findIndex(x => x.name === 'dense.W'))")
    parts = tg.ledger(networks.network(T=5)[0], "dense.W").array
    total = parts.sum(axis=0)
    share = (parts * total).sum(axis=(1, 2)) / (total**2).sum()
    said = text(opened, "#signal .finding")
    assert f"step {share.argmax()} contributes {100 * share.max():.3g} %" in said
    assert len(opened.find_elements("css selector", "#signal .bars rect")) == 5


def test_three_questions_are_answered_at_first_sight(chrome, tmp_path):
    """A forget gate that closes at step 3: the path to step 0, the step, what dU is made of."""
    lstm, dense = tg.nn.LSTM(1, 3, seed=0), tg.nn.Dense(3, 1, seed=1)
    W = lstm.W.numpy().copy()
    W[:, 6:9] = -40.0  # of f
    lstm.W.data = W
    x = np.full((6, 1), -0.2)
    x[3] = 0.6
    y = dense(lstm(x)[0])
    opened = open_page(
        chrome, tg.show(tg.nn.squared_error(y, np.ones((6, 1)))), tmp_path / "q.html"
    )
    panel = text(opened, "#signal")
    assert re.search(r"state\[0 … 1\] ← .* via out\[1\] ← .* via loss", panel)
    assert "Via state of step k+1, the least comes through from step 3 to step 2" in panel
    assert re.search(r"lstm\.U: step \d, [\d.]+ %", panel)


def test_a_signal_is_found_by_name(opened):
    press(opened, "/", *"state")
    names = [x.text for x in opened.find_elements("css selector", "#names .name")]
    assert names == ["lstm.state", "lstm.state[-1]"]  # what is called so comes first
    press(opened, "ENTER")
    assert text(opened, "#signal h2") == "lstm.state"
    press(opened, "ESCAPE")
    assert "What this pass shows" in text(opened, "#signal")


@pytest.mark.parametrize(
    ("wanted", "name", "moment"),
    [
        ("lstm.U", "lstm.U", "forward, step 0"),
        ("lstm.out[-1]", "lstm.out[-1]", "forward, step 0"),
        ("lstm.state[3]", "lstm.state", "forward, step 3"),
        ("δlstm.f[2]", "lstm.f", "backward, step 2"),
        ("δlstm.f", "lstm.f", "backward, step 0"),
        ("W_a", "lstm.W.a", "forward, step 0"),
    ],
)
def test_a_signal_is_found_by_its_name_at_a_step_and_by_its_letter(opened, wanted, name, moment):
    press(opened, "/", *wanted, "ENTER")
    assert text(opened, "#signal h2") == name
    assert text(opened, "#when") == moment


def test_a_step_that_is_not_there_is_not_found(opened):
    press(opened, "/", *"lstm.state[99]")
    assert "no signal has this name" in text(opened, "#names")


def test_the_picture_is_reached_and_read_by_keys_alone(opened):
    seen = []
    for _ in range(40):
        press(opened, "TAB")
        focus = "return document.activeElement.closest('#view') ? 'here' : ''"
        seen.append(run(opened, focus))
        if seen[-1]:
            break
    assert seen[-1] == "here"
    labels = set()
    for _ in range(6):
        press(opened, "ARROW_RIGHT")
        labels.add(run(opened, "return document.activeElement.getAttribute('aria-label')"))
    assert len(labels) > 3 and all(labels)
    assert find(opened, "#hint").is_displayed()
    while run(opened, "return signalOf(document.activeElement)") < 0:
        press(opened, "ARROW_RIGHT")
    press(opened, "ENTER")
    assert run(opened, "return now.chosen") >= 0


def test_everything_that_can_be_pressed_has_a_name(opened):
    run(opened, "choose(SIGNALS.findIndex(x => x.name === 'lstm.state'))")
    nameless = run(
        opened,
        """
        const all = [...document.querySelectorAll('button, input, [role=button], [role=img]')];
        const name = x => x.getAttribute('aria-label') || x.textContent.trim();
        return all.filter(x => !name(x) && !x.labels?.length).length""",
    )
    assert nameless == 0
    press(opened, "ARROW_RIGHT")
    assert text(opened, "#live") or run(opened, "return byId('live').textContent")


def test_what_is_not_finite_breaks_nothing(chrome, tmp_path):
    lstm, data = tg.nn.LSTM(2, 3, seed=0), np.ones((4, 2))
    data[2, 1] = np.nan
    loss = tg.nn.squared_error(lstm(data)[0], np.zeros((4, 3)))
    opened = open_page(chrome, tg.show(loss), tmp_path / "nan.html")
    run(
        opened,
        """for (let n = 0; n < PLACES.length; n++) go(n, -1);
        for (let n = 0; n < SIGNALS.length; n++) choose(n);
        choose(SIGNALS.findIndex(x => x.name === 'lstm.x'))""",
    )
    run(opened, "choose(-1)")
    panel = text(opened, "#signal")
    assert "The first number that is not finite: lstm.x[2]" in panel
    assert "%" not in panel and "step -1" not in panel
    assert "not finite" in text(opened, "#scale")
    run(opened, "choose(SIGNALS.findIndex(x => x.name === 'lstm.x'))")
    assert "nan" in text(opened, "#signal") and "not finite" in text(opened, "#signal")
    assert complaints(opened) == []


def test_where_nothing_comes_back_there_are_no_shares(chrome, tmp_path):
    lstm = tg.nn.LSTM(2, 3, seed=0)
    y = lstm(np.ones((4, 2)))[0]
    opened = open_page(chrome, tg.show(tg.nn.squared_error(y, y.numpy())), tmp_path / "zero.html")
    panel = text(opened, "#signal")
    assert "δstate is 0: nothing comes back" in panel and "%" not in panel
    run(opened, "choose(SIGNALS.findIndex(x => x.name === 'lstm.U'))")
    assert "nothing comes back" in text(opened, "#signal")
    assert "%" not in text(opened, "#signal").partition("sum over")[2]


def test_the_gradients_of_tensors_of_ones_own_are_told(chrome, tmp_path):
    """A leaf that belongs to no module, and asks for a gradient."""
    opened = open_page(chrome, tg.show(networks.gates(hoisted=False)), tmp_path / "own.html")
    panel = text(opened, "#signal")
    sums, _, sizes = panel.partition("The largest gradients")
    loss = networks.gates(hoisted=False)
    parts = tg.ledger(loss, "U_a").array
    total = parts.sum(axis=0)
    share = (parts * total).sum(axis=(1, 2)) / (total**2).sum()
    assert f"U_a: step {share.argmax()}, {100 * share.max():.3g} %" in sums.replace("\n", " ")
    assert re.search(r"\bw: ‖δ‖", sizes) and not re.search(r"\bh0: ‖δ‖", sizes)


def test_a_map_that_is_left_out_is_said_to_be(chrome, tmp_path, monkeypatch):
    monkeypatch.setattr(gradients, "MOST_KEPT", 15)
    opened = open_page(chrome, tg.show(networks.network(T=5)[0]), tmp_path / "much.html")
    run(opened, "choose(SIGNALS.findIndex(x => x.name === 'lstm.f'))")
    assert len(opened.find_elements("css selector", "#signal canvas.heat")) == 1
    assert "too many entries for a map, 20: the map is left out" in text(opened, "#signal")


def test_a_matrix_is_written_row_by_row(opened):
    run(opened, "choose(SIGNALS.findIndex(x => x.name === 'dense.W'))")
    rows = tg.signals(networks.network(T=5)[0])["dense.W"].value
    first = f"{rows[0, 0]:.4g}".replace("-", "−")
    assert f"value: [[{first}], [" in text(opened, "#here")


def test_a_signal_without_a_name_is_called_as_in_the_equations(chrome, tmp_path):
    w = tg.Tensor(np.ones((2, 2)), requires_grad=True, name="w")
    page = tg.show(tg.sum(tg.tanh(np.ones(2) @ w) ** 2))
    opened = open_page(chrome, page, tmp_path / "unnamed.html")
    letter = run(opened, "return SIGNALS.find(x => x.name === 'matmul').letter")
    assert letter != "matmul" and f"{letter} in the equations" in text(opened, "#names")
    assert "loss in the equations" not in text(opened, "#names")
    press(opened, "/", *letter, "ENTER")
    assert text(opened, "#signal h2") == "matmul"
    said = run(opened, "return [...view.querySelectorAll('[aria-label]')].map(x => x.ariaLabel)")
    assert any(x.startswith(f"matmul ({letter})") for x in said)


def test_the_minus_of_a_step_makes_no_other_name(opened):
    assert "in the equations" not in text(opened, "#names")
    press(opened, "/", *"out[−1]", "ENTER")
    assert text(opened, "#signal h2") == "lstm.out[-1]"


# --- reports --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def report():
    loss, _ = networks.network()
    signals = tg.signals(loss)
    z, out = (signals[name].gradient.copy() for name in ("dense.z", "lstm.out"))
    return tg.compare(loss, {"dense.z": 2 * z, "lstm.out": 2 * out})


def test_a_comparison_marks_the_picture_and_says_the_mistake(chrome, report, tmp_path):
    opened = open_page(chrome, tg.show(report), tmp_path / "report.html")
    panel = text(opened, "#report")
    assert "first wrong dense.z" in panel.replace("\n", " ") and report.mistakes[0].says in panel
    assert len(opened.find_elements("css selector", "#report .beside > div")) == 2
    assert text(opened, "#when") == "backward, step 2"  # the first wrong gradient
    marked = "return [...view.querySelectorAll('{} text')].map(x => x.textContent)"
    wrong = run(opened, marked.format(".wrong"))
    assert "δz(k)" in wrong and "z(k)" not in wrong
    assert "δout(k)" in run(opened, marked.format(".consequence"))
    shown = run(opened, "return getComputedStyle(view.querySelector('.consequence')).opacity")
    assert float(shown) < 0.6
    assert complaints(opened) == []


def test_without_answers_the_pass_still_plays(chrome, report, tmp_path):
    opened = open_page(chrome, tg.show(report, answers=False), tmp_path / "students.html")
    press(opened, "ARROW_RIGHT", "shift+ARROW_RIGHT", "END")
    assert text(opened, "#when") == "forward" and "first wrong" in text(opened, "#report")
    assert not opened.find_elements("css selector", "#now table")
    run(opened, "for (let n = 0; n < SIGNALS.length; n++) choose(n)")
    assert complaints(opened) == []


def test_a_notebook_shows_the_page_in_a_frame_of_its_own(chrome, page, tmp_path):
    path = tmp_path / "notebook.html"
    path.write_text(f"<!DOCTYPE html><body>{page._repr_html_()}</body>", "utf-8")
    chrome.get(path.as_uri())
    chrome.switch_to.frame(find(chrome, "iframe"))
    wait(chrome, "return document.documentElement.dataset.ready")
    assert text(chrome, "#when") == "forward, step 0"
    chrome.switch_to.default_content()
