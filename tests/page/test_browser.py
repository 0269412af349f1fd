"""The page in a browser without a window: the pass, the screen, and no request to anybody."""

import re

import numpy as np
import pytest

import tinygrad_lstm as tg
from support import networks
from support.browser import (
    browser,
    color,
    complaints,
    find,
    open_page,
    press,
    requests,
    run,
    text,
    wait,
)

EVIL = "<img src=x onerror=document.title='broken'>"


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
    assert EVIL in run(opened, "return document.querySelector('#now math').textContent")
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


# --- the screen -----------------------------------------------------------------------------------


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


def test_paper_is_light_also_from_a_dark_screen(opened):
    wire = "view.querySelector('.colored').style.getPropertyValue('--color')"
    run(opened, "go(3, -1)")
    light = run(opened, f"return {wire}")
    find(opened, "#theme").click()
    dark = run(opened, f"return {wire}")
    assert light != dark
    press(opened, "+", "+")
    look = run(
        opened,
        f"""dispatchEvent(new Event('beforeprint'));
        const svg = view.querySelector('svg');
        const seen = [{wire}, svg.getAttribute('viewBox') === svg.whole.join(' ')];
        dispatchEvent(new Event('afterprint'));
        return [...seen, {wire}, svg.getAttribute('viewBox') === svg.whole.join(' ')]""",
    )
    assert look == [light, True, dark, False]


def test_a_long_name_makes_the_page_no_wider(chrome, tmp_path):
    name = "w" * 300
    w = tg.Tensor(np.ones((3, 2)), requires_grad=True, name=name)
    page = tg.show(tg.sum(tg.tanh(np.ones(3) @ w)), title=name)
    opened = open_page(chrome, page, tmp_path / "long.html")
    assert run(opened, "return document.documentElement.scrollWidth - innerWidth") <= 0
    right = """const all = [...document.querySelectorAll('#now td')];
        return Math.max(...all.map(x => x.getBoundingClientRect().right))"""
    assert run(opened, right) <= run(opened, "return byId('now').getBoundingClientRect().right")


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
