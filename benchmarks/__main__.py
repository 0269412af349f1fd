"""``python -m benchmarks``: time the tape beside its peers, and print the tables.

Each system runs in its own fresh process, the systems taken in turns, several times over; what is
printed are medians over the processes, and multiples of the pass written by hand in NumPy. The LSTM
is timed at every size, the rest of its family at some.
"""

from __future__ import annotations

import argparse
import sys
from itertools import pairwise
from statistics import median

from . import facts, fresh, imports, scaling
from .problem import NETWORKS, PADDED, PLAIN, SIZES
from .systems import SYSTEMS, YARDSTICK

Results = dict[str, list[dict[str, float]]]  # system -> one dict per process
Found = dict[tuple[str, str], Results]  # by network and size


def main() -> int:
    """Run what the command line asks for; return 1 if a system failed or disagreed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    for what, known in (("size", SIZES), ("network", NETWORKS), ("system", SYSTEMS)):
        parser.add_argument(
            f"--{what}s",
            nargs="+",
            choices=known,
            default=list(known),
            metavar=what.upper(),
            help="of " + ", ".join(known),
        )
    parser.add_argument("--processes", type=int, default=5, help="per system and task (default: 5)")
    parser.add_argument("--threads", type=int, default=1, help="per process (default: 1)")
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
        networks = [name for name in chosen.networks if size in NETWORKS[name].sizes]
        found |= time_all(size, networks, systems, processes, seconds, failures, chosen.threads)
        for network in networks:
            print_size(network, size, found[network, size])
    print_ratios(found, systems)
    print_padding(found)
    print_imports(5 if chosen.quick else 25)
    if "tape" in systems and PLAIN in chosen.networks:
        try:
            print_scaling(processes, seconds)
        except RuntimeError as error:
            failures.append(str(error))
    for failure in failures:
        print(f"failed: {failure}", file=sys.stderr)
    return 1 if failures else 0


def time_all(
    size: str,
    networks: list[str],
    systems: list[str],
    processes: int,
    seconds: float,
    failures: list[str],
    threads: int,
) -> Found:
    """Time the systems on all tasks of one size, in turns; what fails is left out and written down.

    In turns, because what else the machine does changes from minute to minute.
    """
    found: Found = {
        (network, size): {
            name: []
            for name in systems
            if size in SYSTEMS[name].sizes and network in SYSTEMS[name].networks
        }
        for network in networks
    }
    for turn in range(processes):
        for (network, _), results in found.items():
            for name in list(results):
                if sys.stderr.isatty():
                    where = f"{network}, {size}: {turn + 1}/{processes} {name}"
                    print(f"\r{where:50}", end="\r", file=sys.stderr)
                try:
                    results[name].append(
                        fresh.time_system(name, network, SIZES[size], seconds, threads=threads)
                    )
                except RuntimeError as error:
                    failures.append(f"{SYSTEMS[name].title}, {network}, {size}: {error}")
                    del results[name]
    return found


def of(results: list[dict[str, float]], what: str = "seconds") -> float:
    """Return the median over the processes."""
    return median(each[what] for each in results)


def print_size(network: str, size: str, found: Results) -> None:
    """Print what was found for one task."""
    T, B, I, H = SIZES[size]
    processes = max(map(len, found.values()), default=0)
    print(
        f"\n{network}, {size}: T={T}, B={B}, in={I}, H={H}; "
        f"{processes} fresh process(es) per system"
    )
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
    """Print every system's time on every task, as a multiple of the pass by hand."""
    print("\nMultiples of the time by hand in NumPy; peak memory above is that of the task, and in")
    print("brackets that of the whole process; page faults are those of one forward and backward.")
    tables = {PLAIN: {size: each for (network, size), each in found.items() if network == PLAIN}}
    for size in dict.fromkeys(size for network, size in found if network != PLAIN):
        tables[size] = {network: each for (network, other), each in found.items() if other == size}
    for title, table in tables.items():
        print_table(title, table, systems)


def print_table(title: str, table: dict[str, Results], systems: list[str]) -> None:
    """Print the multiples for some tasks, a column for each."""
    print(f"  {title:26}" + "".join(f"{task:>14}" for task in table))
    for name in systems:
        cells = [
            f"{of(results[name]) / of(results[YARDSTICK]):.3g}"
            if {name, YARDSTICK} <= results.keys()
            else "-"
            for results in table.values()
        ]
        if set(cells) != {"-"}:
            print(f"  {SYSTEMS[name].title:26}" + "".join(f"{cell:>14}" for cell in cells))


def print_padding(found: Found) -> None:
    """Print what lengths cost each system: the time with them as a multiple of that without."""
    sizes = [size for network, size in found if network == PADDED and (PLAIN, size) in found]
    if sizes:
        print("\nPadded sequences, as a multiple of the same arrays without lengths")
        print(f"  {'':26}" + "".join(f"{size:>14}" for size in sizes))
    for name in SYSTEMS:
        with_and_without = [(found[PADDED, size], found[PLAIN, size]) for size in sizes]
        cells = [
            f"{of(padded[name]) / of(plain[name]):.3g}"
            for padded, plain in with_and_without
            if name in padded and name in plain
        ]
        if cells:
            print(f"  {SYSTEMS[name].title:26}" + "".join(f"{cell:>14}" for cell in cells))


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
