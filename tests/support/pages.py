"""What stands in a page that was made: its data and its rows of numbers."""

import base64
import json
import re

import numpy as np


def data_of(page):
    """Return the data of a page."""
    text = re.search(r'<script type="application/json" id="data">(.*?)</script>', page.html, re.S)
    return json.loads(text[1])


def decoded(text, width):
    """Return numbers of which the first bytes are told in base64."""
    parts = np.frombuffer(base64.b64decode(text), np.uint8).reshape(-1, width)
    full = np.zeros((len(parts), 8), np.uint8)
    full[:, :width] = parts
    return full.reshape(-1).view(">f8").astype(float)


def rows_of(data):
    """Return the rows of numbers of a page."""
    return [decoded(row[1:], int(row[0])) for row in data["rows"]]
