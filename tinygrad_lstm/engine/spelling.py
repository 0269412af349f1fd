"""The signs of the papers in letters that every terminal has.

Knows characters and text streams. A sign that the encoding of a stream has is written as it is.
On import this package lets standard output spell each sign that its encoding lacks, so that every
report, explanation, layer and message can be printed in ASCII too, where Python would otherwise
raise UnicodeEncodeError. A way to deal with such signs that the user asks for, as with
``PYTHONIOENCODING=ascii:replace``, wins.
"""

from __future__ import annotations

import codecs
import io
import unicodedata
from typing import Any

SIGNS = {
    "Δ": "Delta", "∂": "d", "Σ": "sum", "σ": "sigmoid",
    "∘": "*", "·": "*", "×": "*", "⊗": "outer", "−": "-", "–": "-", "—": "-", "‑": "-",
    "±": "+-", "≠": "!=", "≤": "<=", "≥": ">=", "≈": "~", "→": "->", "←": "<-", "↔": "<->",
    "⟨": "<<", "⟩": ">>", "‖": "||", "′": "'", "‘": "'", "’": "'", "“": '"', "”": '"', "●": "(.)",
    "─": "-", "│": "|", "├": "|", "└": "`", "┬": "-", "┼": "+", "⁄": "/", "�": "?",
    "\N{COMBINING CIRCUMFLEX ACCENT}": "hat", "\N{COMBINING TILDE}": "tilde",
}  # fmt: skip
PREFIXES = "δΔ"  # of a name: δW is one word, delta_W
MARKS = {"<super>": "^", "<sub>": "_"}
GREEK = "GREEK SMALL LETTER "
HANDLER = "tinygrad_lstm.spelled"
OWN = (HANDLER, "strict", "surrogateescape", "backslashreplace")  # not what a user has asked for


def spell(text: str) -> str:
    """Return text in ASCII.

    >>> spell("δlstm.U = Σₖ lstm.out(k−1)ᵀ δ ∘ σ′, q⁻¹, ½ (ŷ − y)² → φ₁₂")
    "delta_lstm.U = sum_k lstm.out(k-1)^T delta * sigmoid', q^-1, 1/2 (yhat - y)^2 -> phi_12"
    """
    around = zip(text, " " + text, text[1:] + " ")
    return "".join(_spell_sign(sign, before, after) for sign, before, after in around)


def spell_what_is_unknown(stream: Any) -> None:
    """Let a text stream spell in ASCII each sign that its encoding lacks."""
    if isinstance(stream, io.TextIOWrapper) and stream.errors in OWN:
        stream.reconfigure(errors=HANDLER)


def _spell_sign(sign: str, before: str, after: str) -> str:
    """Return how one character is spelled between two others."""
    if sign.isascii():
        return sign
    if sign in PREFIXES and (after.isalnum() or after == "_") and _kind(after) not in MARKS:
        return f"{_spell_sign(sign, before, ' ')}_"
    if sign in SIGNS:
        return SIGNS[sign]
    kind = _kind(sign)
    if kind in MARKS:
        return ("" if _kind(before) == kind else MARKS[kind]) + spell(_plain(sign))
    name = unicodedata.name(sign, "")
    if name.startswith(GREEK):
        return name.removeprefix(GREEK).lower()
    if unicodedata.combining(sign):
        return ""
    if _plain(sign) != sign:
        return spell(_plain(sign))
    return sign.encode("ascii", "backslashreplace").decode()


def _kind(sign: str) -> str:
    return unicodedata.decomposition(sign).partition(" ")[0]


def _plain(sign: str) -> str:
    return unicodedata.normalize("NFKD", sign)


def _handle(error: UnicodeError) -> tuple[str | bytes, int]:
    """Spell a sign that cannot be encoded. A byte of a file name stays that byte."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    sign, before = error.object[error.start], error.object[: error.start][-1:] or " "
    after = error.object[error.start + 1 :][:1] or " "
    if "\udc80" <= sign <= "\udcff":
        return bytes([ord(sign) & 0xFF]), error.start + 1
    return _spell_sign(sign, before, after), error.start + 1


codecs.register_error(HANDLER, _handle)
