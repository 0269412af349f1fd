"""The card of a primitive: what it computes, and the rules of its derivatives.

Knows what a primitive tells of itself; no primitive.
"""

from __future__ import annotations

from typing import Any


def card(primitive: Any) -> str:
    """Return the name and the kind of a primitive, its description, and one line for each rule.

    Examples
    --------
    >>> from .primitives import tanh
    >>> print(card(tanh))
    tanh (elementwise)
      NumPy's tanh, entry by entry.
      y  = tanh(x)
      δx = δ ∘ (1 - y²)
      δ is ∂loss/∂y
    """
    lines = [f"{primitive.name} ({primitive.kind})"]
    description = (primitive.definition or primitive.__doc__ or "").partition("\n\n")[0]
    lines += [f"  {line.strip()}" for line in description.splitlines() if line.strip()]
    equations = [("y", primitive.formula())]
    equations += [(f"δ{name}", rule) for name, rule in primitive.derivatives().items()]
    lines += [f"  {name:2} = {right}" for name, right in equations]
    lines.append("  δ is ∂loss/∂y" if len(equations) > 1 else "  no gradient passes")
    return "\n".join(lines)
