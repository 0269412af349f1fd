"""The mistakes that people make, each as a change of the adjoint network.

Knows graphs alone: a mistake is one of a gain, a sum, a fork or a carry, whatever network it stands
in, and is made at every step. A new kind is one more generator in `library`.
"""

from .changes import Change, leading_to
from .library import GENERATORS, all_mistakes, any_size, forget, mistakes
from .library import mistake as mistake_kind
from .mistake import Mistake, joint_mistake, without
from .networks import MayBe
from .rates import with_rates

__all__ = [
    "GENERATORS", "Change", "MayBe", "Mistake", "all_mistakes", "any_size", "forget",
    "joint_mistake", "leading_to", "mistake_kind", "mistakes", "with_rates", "without",
]  # fmt: skip
