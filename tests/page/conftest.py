"""A browser for the tests of a file, and a page of an LSTM that is open in it."""

import pytest

import tinygrad_lstm as tg
from support import networks
from support.browser import browser, open_page


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
