"""The sum over the copies of an array that is repeated beside a larger one.

Knows shapes alone.
"""

from __future__ import annotations

SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def sum_over_copies(own: tuple[int, ...], used: tuple[int, ...]) -> str:
    """Return the sum over the copies of an array that is repeated to a larger shape.

    >>> sum_over_copies((3,), (5, 3)), sum_over_copies((5, 1), (5, 3)), sum_over_copies((), (3,))
    ('Σ_batch ', 'Σ₁ ', 'Σ ')
    """
    own = (1,) * (len(used) - len(own)) + own if own else own
    axes = [at for at, (one, other) in enumerate(zip(own, used)) if one != other]
    if axes == [0] and len(used) == 2:
        return "Σ_batch "
    if own == used:
        return ""
    is_all = not own or len(axes) == len(used)
    return f"Σ{'' if is_all else ''.join(str(x).translate(SUBSCRIPTS) for x in axes)} "
