"""The page in a browser without a window: clicks, keys, colours, and no request to anybody."""

import re

import numpy as np
import pytest

import tinygrad_lstm as tg
from support import networks
from support.browser import browser, open_page, requests

EVIL = "<img src=x onerror=document.title='broken'>"


@pytest.fixture(scope="module")
def chrome():
    one = browser()
    yield one
    one.quit()


@pytest.fixture(scope="module")
def page():
    return tg.show(networks.network(T=5)[0])


@pytest.fixture
def opened(chrome, page, tmp_path):
    return open_page(chrome, page, tmp_path / "net.html")


def find(chrome, selector):
    return chrome.find_element("css selector", selector)


def text(chrome, selector):
    return find(chrome, selector).text


def press(chrome, *keys):
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.keys import Keys

    actions = ActionChains(chrome)
    for key in keys:
        if key.startswith("shift+"):
            actions = actions.key_down(Keys.SHIFT).send_keys(getattr(Keys, key[6:]))
            actions = actions.key_up(Keys.SHIFT)
        else:
            actions = actions.send_keys(getattr(Keys, key, key))
    actions.perform()


def run(chrome, script):
    return chrome.execute_script(script)


def wait(chrome, script, seconds=10):
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(chrome, seconds).until(lambda one: one.execute_script(script))


def complaints(chrome):
    return [x["message"] for x in chrome.get_log("browser") if x["level"] in ("SEVERE", "WARNING")]


def color(chrome, part):
    return run(chrome, f"""const x = document.querySelector('{part} path:not(.wide)');
        return getComputedStyle(x).stroke + getComputedStyle(x).strokeWidth""")  # fmt: skip


# --- the file -------------------------------------------------------------------------------------


def test_the_page_asks_nobody_for_anything_and_complains_of_nothing(opened):
    for script in ("go(PLACES.length - 1, -1)", "choose(3)", "put(PAGE.pictures[1])"):
        run(opened, script)
    press(opened, "?")
    assert [x for x in requests(opened) if not x.startswith(("file:", "data:"))] == []
    assert complaints(opened) == []
    run(opened, "return fetch('https://example.org').catch(() => 0)")
    assert any("Content Security Policy" in x for x in complaints(opened))


def test_the_page_opens_within_seconds_on_a_busy_machine(opened):
    took = "return performance.timing.loadEventEnd - performance.timing.navigationStart"
    assert run(opened, took) < 5000


def test_names_from_users_are_text(chrome, tmp_path):
    x = tg.Tensor([1.0, 2.0], requires_grad=True, name=EVIL)
    with tg.scope(EVIL.replace(".", " ")):
        loss = tg.sum(tg.tanh(x) * x)
    opened = open_page(chrome, tg.show(loss), tmp_path / "evil.html")
    press(opened, "/", "i", "m", "g", "ENTER")
    run(opened, "for (let n = 0; n < SIGNALS.length; n++) choose(n)")
    assert run(opened, "return document.images.length") == 0
    assert opened.title != "broken" and EVIL in text(opened, "#names")
    assert complaints(opened) == []


# --- the pass -------------------------------------------------------------------------------------


def test_the_slider_goes_forward_then_backward(opened):
    assert text(opened, "#when") == "forward, step 0"
    slider = find(opened, "#slider")
    assert slider.get_attribute("max") == "11"  # 5 steps, the loss, 5 steps, the gradients
    names = []
    for at in range(12):
        run(
            opened, f"const s = byId('slider'); s.value = {at}; s.dispatchEvent(new Event('input'))"
        )
        names.append(text(opened, "#when"))
    forward = [f"forward, step {k}" for k in range(5)]
    backward = [f"backward, step {k}" for k in reversed(range(5))]
    assert names == [*forward, "forward", *backward, "gradients: sums over the steps"]


def test_keys_play_and_step(opened):
    press(opened, "ARROW_RIGHT", "ARROW_RIGHT")
    assert "equation 3 of 13" in text(opened, "#now h2")
    press(opened, "shift+ARROW_RIGHT")
    assert text(opened, "#when") == "forward, step 1"
    press(opened, "HOME", "ARROW_LEFT")
    assert text(opened, "#when") == "forward, step 0"
    press(opened, "END")
    assert text(opened, "#when").startswith("gradients")
    run(opened, "byId('speed').value = 6")
    press(opened, "HOME", "SPACE")
    assert find(opened, "#play").get_attribute("aria-label") == "Pause"
    wait(opened, "return now.place > 1")
    press(opened, "SPACE")
    assert find(opened, "#play").get_attribute("aria-label") == "Play"
    before = run(opened, "return [now.place, now.line].join()")
    assert run(opened, "return [now.place, now.line].join()") == before


def test_play_ends_at_the_end(opened):
    run(opened, "byId('speed').value = 6; go(PLACES.length - 1, 0)")
    find(opened, "#play").click()
    wait(opened, "return now.timer === null && now.line === lines().length - 1")


def test_what_is_computed_now_is_marked_with_its_equation_and_numbers(opened):
    run(opened, "go(1, 8)")  # state at step 1
    now = text(opened, "#now")
    signals = tg.signals(networks.network(T=5)[0])
    for name in ("state[1]", "state[0]", "f[1]", "i[1]", "a[1]"):
        first = float(signals[f"lstm.{name}"].value[0])
        assert re.search(rf"{re.escape(name)}\n? ?=? ?\[{first:.4g}".replace("-", "−"), now), name
    assert find(opened, "#now math")
    marked = run(opened, "return [...view.querySelectorAll('.now text')].map(x => x.textContent)")
    assert "state(k)" in marked and not any(x.startswith("δ") for x in marked)
    run(opened, "go(8, 4)")  # δstate at step 2
    marked = run(opened, "return [...view.querySelectorAll('.now text')].map(x => x.textContent)")
    assert "δstate(k)" in marked


def test_wires_carry_their_numbers_as_colour_and_as_text(opened):
    arcs = run(opened, "return drawn.arcs.findIndex(x => SIGNALS[x.signal]?.name === 'lstm.state')")
    wire = f'[data-s="f"].a[data-p="a{arcs}"]'
    run(opened, "go(0, -1)")
    first = color(opened, wire)
    run(opened, "go(4, -1)")
    assert color(opened, wire) != first
    loss, _ = networks.network(T=5)
    value = float(tg.signals(loss)["lstm.state[4]"].value[0])
    said = run(opened, f"return say(view.querySelector('{wire}'))")
    assert f"lstm.state at step 4: [{value:.4g}".replace("-", "−") in said
    run(
        opened,
        f"""const x = view.querySelector('{wire}'), at = x.getBoundingClientRect();
        x.dispatchEvent(new PointerEvent('pointermove',
            {{bubbles: true, clientX: at.x, clientY: at.y}}))""",
    )
    assert find(opened, "#hint").is_displayed() and "lstm.state" in text(opened, "#hint")


def test_the_adjoint_network_is_faint_until_the_backward_pass(opened):
    faint = "return view.querySelectorAll('[data-s=a].a.faint').length"
    every = run(opened, "return view.querySelectorAll('[data-s=a].a:not(.b)').length")
    assert run(opened, faint) >= every
    run(opened, "go(PLACES.length - 2, -1)")
    assert run(opened, faint) < every / 4


def test_within_a_step_arrows_light_up_one_after_the_other(opened):
    arrow = """const name = arguments[0], side = arguments[1];
        const at = drawn.arcs.findIndex(x => SIGNALS[x.signal]?.name === name && x.users.length);
        return view.querySelector(`[data-s="${side}"].a[data-p="a${at}"]`).className.baseVal"""

    def look(name, side):
        return opened.execute_script(arrow, name, side).split()

    run(opened, "go(1, 8)")  # state at step 1, from f, i and a
    assert {"colored", "now"} <= {*look("lstm.f", "f")} and "faint" not in look("lstm.f", "f")
    assert "now" not in look("lstm.s_f", "f") and "faint" in look("dense.z", "f")
    run(opened, "go(1, 10)")
    assert "now" not in look("lstm.f", "f") and "colored" in look("dense.z", "f")
    run(opened, "go(8, 4)")  # δstate at step 2
    assert "faint" in look("lstm.s_f", "a") and "colored" in look("dense.z", "a")
    run(opened, "go(8, 10)")  # δs_f at step 2 follows from δf
    assert "colored" in look("lstm.s_f", "a")


# --- signals --------------------------------------------------------------------------------------


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
    assert names == ["lstm.state[-1]", "lstm.state"]
    press(opened, "ENTER")
    assert text(opened, "#signal h2") == "lstm.state[-1]"
    press(opened, "ESCAPE")
    assert "What this pass shows" in text(opened, "#signal")


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


# --- the picture ----------------------------------------------------------------------------------


def test_modules_open_one_by_one(opened):
    titles = (
        "return [...view.querySelectorAll('[data-s=f] text')].map(x => x.textContent).join(' ')"
    )
    assert "tanh" in run(opened, titles)
    opened.find_elements("css selector", "#modules .choice:nth-child(2) button")[0].click()
    wait(opened, "return drawn.open.join() === 'dense'")
    assert "tanh" not in run(opened, titles) and "z(k)" in run(opened, titles)
    run(
        opened,
        """
        const box = [...view.querySelectorAll('.v')].find(x => x.textContent === 'lstm');
        box.dispatchEvent(new MouseEvent('click', {bubbles: true}))""",
    )
    wait(opened, "return drawn.open.length === 2")
    assert "tanh" in run(opened, titles)


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
    assert "nan" in text(opened, "#signal") and "not finite" in text(opened, "#signal")
    assert complaints(opened) == []


def test_equal_blocks_are_drawn_once_and_then_each(chrome, tmp_path):
    net = tg.nn.Sequential(*[tg.nn.Dense(3, 3, tg.tanh, seed=at) for at in range(12)])
    loss = tg.nn.squared_error(net(np.ones((2, 3))), np.zeros((2, 3)))
    opened = open_page(chrome, tg.show(loss), tmp_path / "deep.html")
    count = """return [...view.querySelectorAll('[data-s=f].v')]
        .filter(x => x.textContent === 'tanh').length"""
    assert run(opened, count) == 1
    opened.find_elements("css selector", "#modules .choice button")[1].click()
    wait(opened, "return drawn.open !== null")
    assert run(opened, count) == 12
    assert complaints(opened) == []


def test_the_steps_can_be_drawn_one_below_the_other(opened):
    find(opened, "#modules .choice button:nth-child(2)").click()
    wait(opened, "return drawn.open === null")
    assert "k = 1" in text(opened, "#view")
    run(opened, "go(1, -1)")
    assert run(opened, "return view.querySelectorAll('.faint').length") > 0
    assert complaints(opened) == []


def test_a_picture_that_is_too_tall_follows_what_is_computed(chrome, tmp_path):
    loss = networks.recurrence(4, num_layers=2)
    opened = open_page(chrome, tg.show(loss), tmp_path / "tall.html")
    run(opened, "put(PAGE.pictures.at(-1))")
    wait(opened, "return drawn.open === null")
    inside = """const frame = view.getBoundingClientRect();
        const part = view.querySelector('.now:not(.a)').getBoundingClientRect();
        return part.top >= frame.top - 1 && part.bottom <= frame.bottom + 1"""
    tops = set()
    for step in range(4):
        run(opened, f"go({step}, 8)")
        assert run(opened, inside)
        tops.add(run(opened, "return view.querySelector('svg').getAttribute('viewBox')"))
    assert len(tops) > 1


def test_the_picture_is_zoomed_and_moved(opened):
    width = "return Number(view.querySelector('svg').getAttribute('viewBox').split(' ')[2])"
    whole = run(opened, width)
    press(opened, "+")
    assert run(opened, width) < whole
    from selenium.webdriver import ActionChains

    left = "return view.querySelector('svg').getAttribute('viewBox').split(' ')[0]"
    before = run(opened, left)
    ActionChains(opened).drag_and_drop_by_offset(find(opened, "#view"), -80, 10).perform()
    assert run(opened, left) != before
    press(opened, "0")
    assert run(opened, width) == whole


def test_dark_and_light_have_contrast(opened):
    look = "const s = getComputedStyle(document.body); return s.color + s.backgroundColor"
    light = run(opened, look)
    find(opened, "#theme").click()
    dark = run(opened, look)
    for colors in (light, dark):
        ink, paper = (
            np.array(re.findall(r"\d+", x)[:3], float) for x in re.findall(r"rgb[^)]*", colors)
        )
        assert np.abs(ink - paper).min() > 150
    assert light != dark


def test_who_wants_less_motion_gets_none(chrome, page, tmp_path):
    one = browser("--force-prefers-reduced-motion")
    try:
        opened = open_page(one, page, tmp_path / "still.html")
        run(opened, "go(1, 4)")
        names = """return [...view.querySelectorAll('.now path')]
            .map(x => getComputedStyle(x).animationName)"""
        assert set(run(opened, names)) == {"none"}
    finally:
        one.quit()
    opened = open_page(chrome, page, tmp_path / "moving.html")
    run(opened, "go(1, 4)")
    assert "run" in run(opened, names)


def test_paper_has_no_controls(opened):
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert (
            not find(opened, "#player").is_displayed() and find(opened, "#view svg").is_displayed()
        )
        assert not find(opened, "#search").is_displayed() and find(opened, "#now").is_displayed()
    finally:
        opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def test_a_narrow_screen_is_one_column(opened):
    size = opened.get_window_size()
    try:
        opened.set_window_size(520, 900)
        wide = "return document.documentElement.scrollWidth - innerWidth"
        assert run(opened, wide) <= 0
    finally:
        opened.set_window_size(size["width"], size["height"])


@pytest.mark.long
def test_a_thousand_steps_of_256_cells_have_a_page(chrome, tmp_path):
    lstm, dense = tg.nn.LSTM(4, 256, seed=0), tg.nn.Dense(256, 1, seed=1)
    x = np.random.default_rng(0).normal(size=(1000, 4))
    page = tg.show(tg.nn.squared_error(dense(lstm(x)[0]), np.zeros((1000, 1))))
    assert len(page.html.encode()) < 1_000_000
    opened = open_page(chrome, page, tmp_path / "long.html")
    took = "return performance.timing.loadEventEnd - performance.timing.navigationStart"
    assert run(opened, took) < 5000
    run(opened, "go(1500, 3); choose(SIGNALS.findIndex(x => x.name === 'lstm.U'))")
    assert text(opened, "#when") == "backward, step 500" and "contributes" in text(
        opened, "#signal"
    )
    assert complaints(opened) == []


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
