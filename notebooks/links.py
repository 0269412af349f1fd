"""The links of a built book: what one points to inside of the book must be there.

Knows HTML alone. Addresses outside of the book are counted, and asked for nothing.
"""

from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Links(HTMLParser):
    """The links of a page, and the anchors that it has."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors = {""}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("id", "name") and value:
                self.anchors.add(value)
            elif name in ("href", "src") and value:
                self.links.append(value)


def check(folder: Path) -> tuple[list[str], int, set[str]]:
    """Return the links that lead nowhere, how many lead somewhere, and the addresses outside."""
    pages = {path.resolve(): Links(path.read_text("utf-8")) for path in folder.rglob("*.html")}
    broken: list[str] = []
    outside: set[str] = set()
    count = 0
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                outside.add(link)
                continue
            count += 1
            if fault := _fault(path, unquote(parts.path), unquote(parts.fragment), pages):
                broken.append(f"{path.relative_to(folder.resolve())}: {link}: {fault}")
    return broken, count, {x for x in outside if not x.startswith("data:")}


def _fault(page: Path, to: str, anchor: str, pages: Mapping[Path, Links]) -> str:
    target = (page.parent / to).resolve() if to else page
    if not target.is_file():
        return "there is no such file"
    if target in pages and anchor not in pages[target].anchors:
        return "the page has no such anchor"
    return ""
