"""The command line.

Knows the commands' options; what they do is written elsewhere.
"""

from __future__ import annotations

import argparse
import json
import os
import runpy
import sys
import traceback
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path
from typing import IO, Any, cast

from .. import demo, gallery
from ..check.answers import check_file, read
from ..check.compare import compare
from ..check.diagnosis import SECONDS
from ..check.report import Report
from ..drawing.draw import LEVELS, STYLES, VIEWS, draw
from ..engine.tensor import Tensor
from ..errors import TinygradError, UsageError
from ..formulas.explain import explain
from .silence import mute, muted
from .spelling import spell_what_is_unknown

INTERRUPTED, UNREAD = 130, 141  # the exit statuses that shells give to SIGINT and SIGPIPE


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command, and return its exit status.

    Returns
    -------
    int
        0, or 1 if a comparison finds a difference, or 2 if the command cannot be carried out or
        ``check`` cannot judge; 130 after an interrupt, 141 if nobody reads the output.
    """
    for stream in (sys.stdout, sys.stderr):
        spell_what_is_unknown(stream)
    command = ""
    try:
        with _flushed():
            chosen = _parser().parse_args(arguments)
            command = chosen.command
            status = chosen.run(chosen)
    except KeyboardInterrupt:
        _tell("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        return UNREAD
    except (TinygradError, OSError) as error:
        _tell(str(error))
        return 2
    finally:
        if arguments is None and command == "check" and not chosen.answers:
            with suppress(OSError, ValueError):
                mute()  # nor may the network's file print anything on its way out
    return status if type(status) is int else 0 if status else 1


@contextmanager
def _flushed() -> Iterator[None]:
    """Write out what was printed before the end, so that a failure can be told in one line."""
    try:
        yield
    finally:
        try:
            if sys.stdout is not None and not sys.stdout.closed:
                sys.stdout.flush()
        except OSError:
            _close(sys.stdout)
            raise


def _tell(message: str) -> None:
    """Write a message for people, if somebody reads it; what would move the cursor as its code."""
    if sys.stderr is None:
        return
    signs = (c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in message)
    try:
        print(f"tinygrad-lstm: {''.join(signs)}", file=sys.stderr, flush=True)
    except OSError:
        _close(sys.stderr)


def _close(stream: IO[str]) -> None:
    """Let what is left to write vanish, so that the interpreter does not complain at its end."""
    with suppress(OSError), open(os.devnull, "wb") as nothing:
        os.dup2(nothing.fileno(), stream.fileno())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tinygrad-lstm",
        description="An autodiff engine that shows its work.",
        epilog="Exit status: 0 if all is well, 1 if a comparison finds a difference, 2 if the "
        "command cannot be carried out or a gradient cannot be judged, 130 after an interrupt, "
        "141 if nobody reads the output.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")

    show = commands.add_parser("demo", help="see the main job run on real data, with pictures")
    show.add_argument("--out", type=Path, default=Path("out"), help="where to write (default: out)")
    show.set_defaults(run=lambda chosen: demo.run(chosen.out))

    shown = commands.add_parser("gallery", help="draw networks worth a look")
    shown.add_argument("--out", type=Path, default=Path("out/gallery"),
                       help="where to write (default: out/gallery)")  # fmt: skip
    shown.set_defaults(run=_gallery)

    checked = commands.add_parser(
        "check", help="hold gradients derived by hand against a network's",
        description="Say where the gradients in a .npz file first go wrong, and which mistake it "
        "is. The exit status is 0 if all agree, 1 if some differ, 2 if some could not be judged, "
        "or have too few digits to tell.",
    )  # fmt: skip
    checked.add_argument("network", type=Path, help="a Python file that computes a Tensor")
    checked.add_argument("--hand", type=Path, required=True, help="a .npz file of named gradients")
    checked.add_argument("--of", default="loss", metavar="NAME",
                         help="what the file calls the Tensor (default: loss)")  # fmt: skip
    checked.add_argument("--digits", type=int, help="how many digits were printed")
    checked.add_argument("--rtol", type=float,
                         help="what counts as rounding, relative to the largest entry")  # fmt: skip
    checked.add_argument("--seconds", type=float, default=SECONDS,
                         help="for how long to look for the mistake (default: %(default)g)"
                         )  # fmt: skip
    checked.add_argument("--json", action="store_true", help="write plain data")
    checked.add_argument("--no-answers", dest="answers", action="store_false",
                         help="tell no right number, no equation and no difference")  # fmt: skip
    checked.set_defaults(run=_check)

    drawn = commands.add_parser(
        "draw", help="draw a network and its adjoint",
        description="Draw the network that a Python file records, and its adjoint.",
    )  # fmt: skip
    drawn.add_argument("network", type=Path, help="a Python file that computes a Tensor")
    drawn.add_argument("-o", "--out", type=Path, help="a .png, .svg, .pdf or .dot file (default: "
                       "the network's name with .png)")  # fmt: skip
    drawn.add_argument("--of", default="loss", metavar="NAME",
                       help="what the file calls the Tensor (default: loss)")  # fmt: skip
    drawn.add_argument("--view", choices=VIEWS, default="both")
    drawn.add_argument("--style", choices=STYLES, default="wan")
    drawn.add_argument("--level", choices=LEVELS, default="tensor")
    drawn.add_argument("--fold", action=argparse.BooleanOptionalAction,
                       help="one step for all (default: where there is a recurrence)")  # fmt: skip
    drawn.add_argument("--values", type=int, metavar="K", help="write the numbers of step K")
    drawn.add_argument("--heat", action="store_true", help="the larger |δ|, the darker")
    drawn.add_argument("--depth", type=int, help="how many frames deep to look into modules")
    drawn.add_argument("--highlight", nargs="+", default=(), metavar="NAME")
    drawn.add_argument("--title", default="")
    drawn.add_argument("--legend", action=argparse.BooleanOptionalAction, default=True)
    drawn.set_defaults(run=_draw)

    told = commands.add_parser(
        "explain", help="tell where a gradient comes from, stage by stage",
        description="Walk back from the loss that a Python file computes to one signal.",
    )  # fmt: skip
    told.add_argument("network", type=Path, help="a Python file that computes a Tensor")
    told.add_argument("--wrt", required=True, metavar="NAME", help="the signal, as in lstm.W.i")
    told.add_argument("--of", default="loss", metavar="NAME",
                      help="what the file calls the Tensor (default: loss)")  # fmt: skip
    told.add_argument("--fold", action=argparse.BooleanOptionalAction,
                      help="one step for all (default: where there are many)")  # fmt: skip
    told.set_defaults(run=_explain)
    return parser


def _gallery(chosen: argparse.Namespace) -> bool:
    for path in gallery.write(chosen.out):
        print(path)
    return True


def _check(chosen: argparse.Namespace) -> int:
    try:
        report, complaints = _compared(chosen)
    except TinygradError as error:
        if chosen.json:
            told = {"ok": False, "rows": [], "blame": None, "mistakes": []}
            print(_json(told | {"complaints": str(error).splitlines()}))
        raise
    for complaint in complaints:
        _tell(complaint)
    if chosen.json:
        print(_json(report.as_dict(chosen.answers) | {"complaints": complaints}))
    else:
        print(report.told(chosen.answers))
    return 2 if complaints else 0 if report.ok else 1 if report.is_wrong else 2


def _compared(chosen: argparse.Namespace) -> tuple[Report, list[str]]:
    """Return the report on all that can be judged, and what is wrong with the rest."""
    check_file(chosen.hand)
    # what the network prints is not what is asked, and could be what is not to be told
    with redirect_stdout(sys.stderr) if chosen.answers else muted():
        loss = computed(chosen.network, chosen.of, quotes=chosen.answers)
        hand, complaints = read(chosen.hand, loss)
    try:
        if complaints and not hand:
            raise UsageError(f"{chosen.hand}: found no gradient that can be judged")
        report = compare(loss, hand, rtol=chosen.rtol, digits=chosen.digits)
    except TinygradError as error:
        if error.report is None:
            raise type(error)("\n".join([*complaints, str(error)])) from None
        report, complaints = error.report, complaints + str(error).splitlines()
    report.diagnose(seconds=chosen.seconds, watch=_watched)
    return report, complaints


def _json(told: dict[str, Any]) -> str:
    is_utf = (sys.stdout.encoding or "").lower().startswith("utf")  # other data stay the same data
    return json.dumps(told, indent=1, ensure_ascii=not is_utf, allow_nan=False)


def _watched(pairs: list[Any]) -> Iterable[Any]:
    """Show how far it is, on a terminal, if tqdm is installed."""
    try:
        from tqdm import tqdm
    except ImportError:
        return pairs
    return cast(Iterable[Any], tqdm(pairs, desc="pairs of mistakes", leave=False, disable=None))


def _draw(chosen: argparse.Namespace) -> bool:
    view = "forward" if chosen.style == "tape" else chosen.view
    picture = draw(
        computed(chosen.network, chosen.of), view=view, style=chosen.style, level=chosen.level,
        fold=chosen.fold, values=chosen.values, heat=chosen.heat, depth=chosen.depth,
        highlight=chosen.highlight, title=chosen.title, legend=chosen.legend,
    )  # fmt: skip
    for note in picture.notes:
        _tell(note)
    print(picture.save(chosen.out or Path(chosen.network.with_suffix(".png").name)))
    return True


def _explain(chosen: argparse.Namespace) -> bool:
    print(explain(computed(chosen.network, chosen.of), chosen.wrt, fold=chosen.fold))
    return True


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # an error of a stranger's making may not even tell what it is
        return "with no message"


@contextmanager
def _as_a_program(path: Path) -> Iterator[None]:
    """Let a file find what is beside it and no arguments, and undo what it changes for all."""
    before = os.getcwd(), sys.argv, sys.path[:]
    sys.argv, sys.path[:0] = [str(path)], [str(path.resolve().parent)]
    try:
        yield
    finally:
        os.chdir(before[0])
        sys.argv, sys.path[:] = before[1:]


def computed(path: Path, name: str, quotes: bool = True) -> Tensor:
    """Run a Python file, and return the Tensor that it gives a name to.

    Unless ``quotes``, nothing that the file says is repeated in an error.

    Raises
    ------
    UsageError
        If the file cannot be read or raises an error, or has no Tensor of that name.
    """
    try:
        with _as_a_program(path):
            found = runpy.run_path(str(path), run_name="network")
    except KeyboardInterrupt:
        raise
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    except BaseException as error:  # whatever a stranger's file raises, SystemExit too
        where = [line for line in traceback.extract_tb(error.__traceback__) if path.name in line[0]]
        line = f" in line {where[-1].lineno}" if where else ""
        said = f": {_message(error)}" if quotes else ""
        raise UsageError(f"{path}: {type(error).__name__}{line}{said}") from None
    if sys.stdout is not None and sys.stdout.closed:
        raise UsageError(f"{path}: it closes what the answer would be written to")
    if not isinstance(found.get(name), Tensor):
        tensors = sorted(key for key, value in found.items() if isinstance(value, Tensor))
        raise UsageError(
            f"{path}: found no Tensor called {name!r}; "
            f"it has {', '.join(tensors) if tensors else 'none at all'}; say which with --of"
        )
    return found[name]
