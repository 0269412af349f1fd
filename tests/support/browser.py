"""A browser without a window, a page that is open in it, and what a person does with the page.

Tests are left out where no browser is.
"""

import json
import shutil
from importlib.util import find_spec

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1500,1300",
    "--host-resolver-rules=MAP * ~NOTFOUND", "--disable-background-networking",
)  # fmt: skip


def browser(*more, **preferences):
    """Return a browser; the test is left out where there is none."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    driver = shutil.which("chromedriver")
    if not (program and driver and find_spec("selenium")):
        pytest.skip("no Chromium with chromedriver and selenium is installed here")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = program
    for option in (*OPTIONS, *more):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return webdriver.Chrome(options=options, service=Service(driver))


def open_page(chrome, page, path):
    """Open a page as a file, and wait until its scripts have run."""
    from selenium.common.exceptions import TimeoutException
    from selenium.webdriver.support.ui import WebDriverWait

    page.save(path)
    chrome.get_log("browser")  # which forgets what was said before
    chrome.get(path.as_uri())
    ready = "return document.documentElement.dataset.ready"
    try:
        WebDriverWait(chrome, 10).until(lambda one: one.execute_script(ready))
    except TimeoutException:
        raise AssertionError(f"the page did not start: {chrome.get_log('browser')}") from None
    return chrome


def requests(chrome):
    """Return the addresses that the browser asked for since the last call."""
    messages = [json.loads(entry["message"])["message"] for entry in chrome.get_log("performance")]
    return [
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    ]


# --- clicks, keys and looks -----------------------------------------------------------------------


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
