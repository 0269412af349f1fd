"""The links of the book: one that leads nowhere is found."""

import importlib.util
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "notebooks" / "links.py"


@pytest.fixture(scope="module")
def check():
    spec = importlib.util.spec_from_file_location("links", SOURCE)
    links = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(links)
    return links.check


@pytest.fixture
def book(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "one.html").write_text('<h1 id="top">One</h1><a href="#top">up</a>')
    (tmp_path / "picture.svg").write_text("<svg/>")
    text = """<a href="in/one.html">one</a> <a href="in/one.html#top">its top</a>
        <img src="picture.svg"> <a href="https://example.org/#x">outside</a> <a href="#">here</a>"""
    (tmp_path / "index.html").write_text(text)
    return tmp_path


def test_links_that_lead_somewhere_are_counted(check, book):
    broken, count, outside = check(book)
    assert broken == [] and count == 5 and outside == {"https://example.org/#x"}


@pytest.mark.parametrize(
    ("link", "fault"),
    [
        ("in/two.html", "there is no such file"),
        ("in/one.html#bottom", "the page has no such anchor"),
        ("#bottom", "the page has no such anchor"),
        ("in", "there is no such file"),
        ("in/one.html#T%6Fp", "the page has no such anchor"),
    ],
)
def test_a_link_that_leads_nowhere_is_told_with_its_page(check, book, link, fault):
    (book / "in" / "three.html").write_text(f'<a href="../{link}">x</a>' if link[0] != "#"
                                            else f'<a href="{link}">x</a>')  # fmt: skip
    broken, _, _ = check(book)
    shown = link if link[0] == "#" else f"../{link}"
    assert broken == [f"in/three.html: {shown}: {fault}"]
