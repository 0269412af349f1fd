"""The systems that are timed, in the order of the table.

Each is named by a function of a problem, ``module:function``, which returns two functions: one for
one forward and one backward pass, and one that reads the gradients as arrays in the problem's
layout. Knows none of them: a module is imported in the process that times it.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..problem import NETWORKS, PLAIN, SIZES

YARDSTICK = "hand"
FEW = frozenset({"question", "small", "long"})  # for peers that take too long on the rest
ALL = frozenset(NETWORKS)
KNOWN = ALL - {"own"}  # what other libraries have layers for


@dataclass(frozen=True)
class System:
    """Where a system is, what it is called, and what it needs."""

    title: str
    build: str  # module:function
    peer: str = ""  # the package that must be installed
    dtype: str = "float32"
    sizes: frozenset[str] = frozenset(SIZES)
    networks: frozenset[str] = frozenset({PLAIN})


SYSTEMS = {
    "hand": System("by hand in NumPy", "benchmarks.by_hand:build", networks=ALL),
    "tuned": System("by hand, every view kept", "benchmarks.tuned_by_hand:build"),
    "tape": System("tinygrad_lstm float32", "benchmarks.systems.tape:build", networks=ALL),
    "tape64": System(
        "tinygrad_lstm float64", "benchmarks.systems.tape:build", dtype="float64", networks=ALL
    ),
    "compiled": System("compiled, float32", "benchmarks.systems.compiled:build", networks=ALL),
    "compiled64": System(
        "compiled, float64", "benchmarks.systems.compiled:build", dtype="float64", networks=ALL
    ),
    "derived": System("derived, as fast NumPy", "benchmarks.systems.derived:build", networks=ALL),
    "torch": System(
        "torch, same primitives",
        "benchmarks.systems.torch_primitives:build",
        "torch",
        networks=KNOWN,
    ),
    "torch-unbind": System(
        "torch, taken apart at once",
        "benchmarks.systems.torch_primitives:build_unbound",
        "torch",
        networks=KNOWN,
    ),
    "torch-nn": System(
        "torch.nn.LSTM, GRU, RNN", "benchmarks.systems.torch_layers:build", "torch", networks=KNOWN
    ),
    "torch-nn64": System(
        "torch.nn, float64",
        "benchmarks.systems.torch_layers:build",
        "torch",
        dtype="float64",
        networks=KNOWN,
    ),
    "jax": System("JAX jit + scan", "benchmarks.systems.jax_scan:build", "jax", networks=ALL),
    "jax64": System(
        "JAX, float64", "benchmarks.systems.jax_scan:build", "jax", dtype="float64", networks=ALL
    ),
    "autograd": System(
        "autograd", "benchmarks.systems.autograd_steps:build", "autograd", sizes=FEW
    ),
    "mygrad": System("MyGrad", "benchmarks.systems.mygrad_steps:build", "mygrad", sizes=FEW),
}
