"""A browser without a window, and a page that is open in it; tests are left out where none is."""

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
