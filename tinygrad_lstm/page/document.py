"""The text of a page: one file, which needs no other file and no network.

Knows the assets, data and text. Data stand in the page as JSON; a name in them is never markup.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zlib
from functools import cache
from html import escape
from importlib.resources import files
from typing import Any

SCRIPTS = ("numbers", "player", "picture", "charts", "panel", "report", "start")
ROOM = 350_000  # characters of the pictures after the first one
MOST = 960_000  # characters of the page
LEFT_OUT = "The page would become too large with all pictures: {} of them are left out."


def document(title: str, data: dict[str, Any]) -> str:
    """Return a page.

    Parameters
    ----------
    title : str
    data : dict
        As JSON can hold it. The first of ``pictures`` stands in the page as it is, and the others
        packed, as far as there is room for them.
    """
    first, *others = data["pictures"]
    style, script = _asset("page.css"), "".join(_asset(f"{name}.js") for name in SCRIPTS)
    script = f'"use strict";\n{script}'
    pictures, used = [{**first, "svg": None}], 0
    rest = len(style) + len(script) + len(first["svg"]) + len(_json({**data, "pictures": pictures}))
    for picture in others:
        packed = base64.b64encode(zlib.compress(picture["svg"].encode(), 9)).decode()
        used += len(packed) + len(_json(picture["arcs"]))
        if used <= min(ROOM, MOST - rest):
            pictures.append({**picture, "svg": None, "packed": packed})
    left_out = len(others) + 1 - len(pictures)
    notes = [*data["notes"], *([LEFT_OUT.format(left_out)] if left_out else [])]
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    filled = {
        "policy": policy, "title": escape(title), "style": style, "script": script,
        "picture": first["svg"], "data": _json({**data, "pictures": pictures, "notes": notes}),
    }  # fmt: skip
    return re.sub(r"\{\{(\w+)\}\}", lambda name: filled[name[1]], _asset("page.html"))


@cache
def _asset(name: str) -> str:
    return (files(__package__) / "assets" / name).read_text("utf-8")


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _json(data: Any) -> str:
    """Return data as JSON that ends no element of a page."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
