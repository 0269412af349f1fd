"""``python -m benchmarks``: time the tape beside its peers, and print the tables.

Each system runs in its own fresh process, the systems taken in turns, several times over; what is
printed are medians over the processes, and multiples of the pass written by hand in NumPy.
"""

from __future__ import annotations

import argparse
import sys
from itertools import pairwise
from statistics import median

from . import facts, fresh, imports, scaling
from .problem import SIZES
from .systems import SYSTEMS, YARDSTICK

Found = dict[str, dict[str, list[dict[str, float]]]]  # size -> system -> one dict per process


def main() -> int:
    """Run what the command line asks for; return 1 if a system failed or disagreed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES), metavar="SIZE")
    parser.add_argument(
        "--systems", nargs="+", choices=SYSTEMS, default=list(SYSTEMS), metavar="SYSTEM"
    )
    parser.add_argument("--processes", type=int, default=5, help="per system and size (default: 5)")
    parser.add_argument("--quick", action="store_true", help="one short process each: a look only")
    chosen = parser.parse_args()
    processes, seconds = (1, 0.2) if chosen.quick else (chosen.processes, 0.7)
    sys.stdout.reconfigure(line_buffering=True)  # so that a log shows how far it is
    print(*facts.lines(), sep="\n")
    systems = [name for name in SYSTEMS if name in chosen.systems or name == YARDSTICK]
    for name in list(systems):
        peer = SYSTEMS[name].peer
        if peer and facts.version(peer) is None:
            print(f"{SYSTEMS[name].title}: skipped, {peer} is not installed")
            systems.remove(name)
    found: Found = {}
    failures: list[str] = []
    for size in chosen.sizes:
        found[size] = time_all(size, systems, processes, seconds, failures)
        print_size(size, found[size])
    print_ratios(found, systems)
    print_imports(5 if chosen.quick else 25)
    if "tape" in systems:
        try:
            print_scaling(processes, seconds)
        except RuntimeError as error:
            failures.append(str(error))
    for failure in failures:
        print(f"failed: {failure}", file=sys.stderr)
    return 1 if failures else 0


def time_all(
    size: str, systems: list[str], processes: int, seconds: float, failures: list[str]
) -> dict[str, list[dict[str, float]]]:
    """Time the systems on one size, in turns; one that fails is left out and written down."""
    found: dict[str, list[dict[str, float]]] = {
        name: [] for name in systems if size in SYSTEMS[name].sizes
    }
    for turn in range(processes):
        for name in list(found):
            if sys.stderr.isatty():
                print(f"\r{size}: {turn + 1}/{processes} {name:14}", end="\r", file=sys.stderr)
            try:
                found[name].append(fresh.time_system(name, SIZES[size], seconds))
            except RuntimeError as error:
                failures.append(f"{SYSTEMS[name].title}, {size}: {error}")
                del found[name]
    return found


def of(results: list[dict[str, float]], what: str = "seconds") -> float:
    """Return the median over the processes."""
    return median(each[what] for each in results)


def print_size(size: str, found: dict[str, list[dict[str, float]]]) -> None:
    """Print what was found for one size."""
    T, B, I, H = SIZES[size]
    processes = max(map(len, found.values()), default=0)
    print(f"\n{size}: T={T}, B={B}, in={I}, H={H}; {processes} fresh process(es) per system")
    print(
        f"  {'':26}{'median':>12}{'least - most of them':>26}{'× by hand':>10}"
        f"{'peak memory':>17}{'page faults':>13}"
    )
    yardstick = of(found[YARDSTICK]) if YARDSTICK in found else float("nan")
    for name, results in found.items():
        times = [each["seconds"] * 1e3 for each in results]
        peak = f"{of(results, 'memory') / 1e6:.0f} ({of(results, 'whole memory') / 1e6:.0f}) MB"
        spread = f"{min(times):.3f} - {max(times):.3f}"
        crowded = "  more than one thread" if of(results, "processors") > 1.1 else ""
        print(
            f"  {SYSTEMS[name].title:26}{median(times):9.3f} ms{spread:>26}"
            f"{of(results) / yardstick:9.3g}×{peak:>17}{of(results, 'page faults'):13.0f}{crowded}"
        )


def print_ratios(found: Found, systems: list[str]) -> None:
    """Print every system's time on every size, as a multiple of the pass by hand."""
    print("\nMultiples of the time by hand in NumPy; peak memory above is that of the task, and in")
    print("brackets that of the whole process; page faults are those of one forward and backward.")
    print(f"  {'':26}" + "".join(f"{size:>10}" for size in found))
    for name in systems:
        cells = [
            f"{of(results[name]) / of(results[YARDSTICK]):.3g}"
            if {name, YARDSTICK} <= results.keys()
            else "-"
            for results in found.values()
        ]
        print(f"  {SYSTEMS[name].title:26}" + "".join(f"{cell:>10}" for cell in cells))


def print_imports(times: int) -> None:
    """Print what the import costs."""
    seconds = imports.measure(times)
    numpy, ours = seconds["numpy"], seconds["tinygrad_lstm"]
    print(
        f"\nimport numpy {numpy * 1e3:.1f} ms, import tinygrad_lstm {ours * 1e3:.1f} ms:", end=" "
    )
    print(f"{ours / numpy - 1:+.0%} (medians of {times} fresh processes)")


def print_scaling(processes: int, seconds: float) -> None:
    """Print what ten times the steps cost."""
    print("\nTen times the steps, tinygrad_lstm float32, B=1, in=16, H=16")
    print(f"  {'garbage collector':20}" + "".join(f"{f'T={T}':>14}" for T in scaling.STEPS))
    for state, times in scaling.measure(processes, seconds).items():
        cells = [f"{each * 1e3:.1f} ms" for each in times]
        print(f"  {state:20}" + "".join(f"{cell:>14}" for cell in cells), end="   ")
        print(", ".join(f"{b / a:.1f} ×" for a, b in pairwise(times)))


if __name__ == "__main__":
    sys.exit(main())
