"""How often numbers were read off the tape, by whoever asks a Tensor for its numbers.

Knows nothing else. What is computed from such numbers is no longer on the tape: a recording that
was read serves no other numbers.
"""

from __future__ import annotations


class OffTape:
    """The count of all threads together; a race may lose one count, and never all."""

    count = 0


def note_reading() -> None:
    """Count that a Tensor's numbers were read."""
    OffTape.count += 1
