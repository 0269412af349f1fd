"""Pictures: of what the tape recorded, of the network and of its adjoint."""

from .styles import forget_style as forget_style
from .styles import style as style

__all__ = ["forget_style", "style"]
