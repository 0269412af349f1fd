"""Text in notebooks: an object that prints as a text with columns shows the same text there.

Knows nothing of the objects.
"""

from __future__ import annotations


class ShownAsText:
    """An object that a notebook shows as ``print`` does."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        from html import escape  # only a notebook needs it

        return f"<pre>{escape(str(self))}</pre>"
