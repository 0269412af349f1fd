"""The picture in a browser: modules that open, steps, zoom."""

import numpy as np

import tinygrad_lstm as tg
from support import networks
from support.browser import complaints, find, open_page, press, run, text, wait


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


def test_all_parts_of_other_steps_are_faint(opened):
    find(opened, "#modules .choice button:nth-child(2)").click()
    wait(opened, "return drawn.open === null")
    run(opened, "go(1, -1)")
    for word, steps in (("tanh", 4), ("Σ", 16)):
        faint, seen = run(
            opened,
            f"""const all = [...view.querySelectorAll('[data-s=f].v')]
                .filter(x => x.textContent === '{word}');
            return [all.filter(x => x.classList.contains('faint')).length, all.length]""",
        )
        assert seen >= steps and faint / seen > 0.7, word


def test_a_text_that_a_picture_hides_is_not_on_the_page(chrome, tmp_path):
    x = tg.Tensor([1.0, 2.0], requires_grad=True, name="x")
    opened = open_page(chrome, tg.show(tg.sum((tg.tanh(x) - 1) ** 2)), tmp_path / "one.html")
    ones = """return ['f', 'a'].map(side => [...view.querySelectorAll(`[data-s=${side}] text`)]
        .filter(x => x.textContent === '1').length)"""
    assert run(opened, ones) == [1, 0]


def test_a_text_fits_into_its_box_when_it_is_computed_too(chrome, tmp_path):
    embedding = tg.nn.Embedding(27, 3, seed=0)
    loss = tg.nn.squared_error(embedding(np.arange(11, 21)), np.zeros((10, 3)))
    opened = open_page(chrome, tg.show(loss), tmp_path / "tokens.html")
    over = """const box = view.querySelector('.v.now'), text = box.querySelector('text');
        const [inside, around] = [text, box.querySelector('polygon, path')]
            .map(x => x.getBoundingClientRect());
        return [text.textContent, inside.width - around.width]"""
    said, more = run(opened, over)
    assert said.startswith("[11, 12") and more <= 0


def resize(chrome, wide, high):
    size = {"width": wide, "height": high, "deviceScaleFactor": 1, "mobile": False}
    chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


IN_SIGHT = """const frame = view.getBoundingClientRect();
    const part = view.querySelector('.now:not(.a)').getBoundingClientRect();
    return part.top >= frame.top - 1 && part.bottom <= frame.bottom + 1
        && part.left >= frame.left - 1 && part.right <= frame.right + 1"""
SCALE = """const svg = view.querySelector('svg');
    return svg.getBoundingClientRect().width / svg.getAttribute('viewBox').split(' ')[2]"""


def test_on_a_small_screen_letters_can_be_read_and_the_picture_follows(chrome, page, tmp_path):
    resize(chrome, 390, 844)
    try:
        opened = open_page(chrome, page, tmp_path / "phone.html")
        assert run(opened, SCALE) > 0.7
        lefts = set()
        for line in range(12):  # e, the last one, is not drawn
            run(opened, f"go(0, {line})")
            assert run(opened, IN_SIGHT), line
            lefts.add(run(opened, "return view.querySelector('svg').getAttribute('viewBox')"))
        assert len(lefts) > 1
        press(opened, "0")
        assert run(opened, SCALE) < 0.42  # the whole
        assert run(opened, "return byId('slider').getBoundingClientRect().width") > 250
        assert run(opened, "return [...document.querySelectorAll('#track span')].every(x => "
                   "x.scrollWidth <= x.clientWidth || x.className === 'gradients')")  # fmt: skip
        resize(chrome, 320, 640)
        assert run(opened, "return byId('slider').getBoundingClientRect().width") > 200
        assert run(opened, "return document.documentElement.scrollWidth") <= 320
    finally:
        chrome.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_the_picture_grows_around_what_is_computed(opened):
    run(opened, "go(0, 10)")  # out, far from the middle
    middle = """const part = view.querySelector('.now:not(.a)').getBoundingClientRect();
        return [part.left + part.width / 2, part.top + part.height / 2]"""
    before = run(opened, middle)
    press(opened, "+", "+", "+")
    assert np.abs(np.subtract(run(opened, middle), before)).max() < 5
    assert run(opened, IN_SIGHT)


def test_what_a_screen_reader_says_of_the_parts(opened):
    said = run(
        opened,
        "return [...view.querySelectorAll('[aria-label]')].map(x => x.ariaLabel)",
    )
    assert any(x.startswith("lstm.state of step minus 1, read at step 0: ") for x in said)
    assert "lstm.U.a: norm 2" in said  # no signs that are read as nothing
    assert not any("‖" in x or "without a name" in x for x in said)
    assert any(x.startswith("the output of product at step 0: ") for x in said)


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
