"""The command line: the options of each command, and its exit status.

Knows what each command calls. The commands' work is done in the other wings.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, redirect_stdout, suppress
from functools import partial
from pathlib import Path
from typing import IO, Any, cast

from .. import demo, gallery
from ..check.answers import check_file, read
from ..check.audit import SECONDS as AUDIT_SECONDS
from ..check.audit import audit
from ..check.compare import compare
from ..check.report import Report
from ..check.trials import SECONDS
from ..drawing.draw import LEVELS, VIEWS, draw
from ..drawing.styles import STYLES
from ..engine.memory import keep_freed_memory
from ..engine.spelling import spell_what_is_unknown
from ..errors import TinygradError, UsageError
from ..files.cache import clear_cache
from ..formulas.derivation import Derivation
from ..formulas.derive import derive
from ..formulas.explain import STYLES as EXPLANATIONS
from ..formulas.explain import explain
from ..interruption import INTERRUPTED
from . import grading
from .network_file import tensor_from
from .showing import add_show
from .silence import Terminal, silence
from .training import add_commands

# what a derivation can be written as, each a document or a program of its own
FORMS: dict[str, Callable[[Derivation], str]] = {
    "text": str,
    "markdown": Derivation.markdown,
    "latex": lambda derivation: derivation.latex(standalone=True),
    "html": Derivation.html,
    "numpy": Derivation.numpy,
}
UNREAD = 141  # the exit status that shells give to SIGPIPE


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command, and return its exit status.

    Returns
    -------
    int
        0, or 1 if a comparison finds a difference, or 2 if the command cannot be carried out or
        ``check`` cannot compare a gradient; 130 after an interrupt, 141 if nobody reads the output.
    """
    for stream in (sys.stdout, sys.stderr):
        spell_what_is_unknown(stream)
    if arguments is None:
        keep_freed_memory()  # of a process that is ours
    terminal = Terminal(sys.stdout, sys.stderr)
    with ExitStack() as stack:
        try:
            with _flush_at_the_end(terminal):
                chosen = _parser().parse_args(arguments)
            if not getattr(chosen, "answers", True):
                terminal = stack.enter_context(silence(until_the_end=arguments is None))
            with _flush_at_the_end(terminal):
                status = chosen.run(chosen, terminal)
        except KeyboardInterrupt:
            _tell(terminal, "interrupted")
            return INTERRUPTED
        except BrokenPipeError:
            return UNREAD
        except (TinygradError, OSError) as error:
            _tell(terminal, str(error))
            return 2
    return status if type(status) is int else 0 if status else 1


@contextmanager
def _flush_at_the_end(terminal: Terminal) -> Iterator[None]:
    """Flush standard output before the command ends, so that a failure to write is one line."""
    try:
        yield
    finally:
        try:
            if terminal.out is not None and not terminal.out.closed:
                terminal.out.flush()
        except OSError:
            assert terminal.out is not None
            _close(terminal.out)
            raise


def _tell(terminal: Terminal, message: str) -> None:
    """Write a message to standard error. A control character is written as its code."""
    if terminal.err is None:
        return
    signs = (c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in message)
    try:
        print(f"tinygrad-lstm: {''.join(signs)}", file=terminal.err, flush=True)
    except OSError:
        _close(terminal.err)


def _close(stream: IO[str]) -> None:
    """Drop what a stream still holds, so that the interpreter does not complain when it exits."""
    with suppress(OSError), open(os.devnull, "wb") as nothing:
        os.dup2(nothing.fileno(), stream.fileno())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tinygrad-lstm",
        description="An autodiff engine that shows its work.",
        epilog="Exit status: 0 if all is well, 1 if a comparison finds a difference, 2 if the "
        "command cannot be carried out or a gradient cannot be compared, 130 after an interrupt, "
        "141 if nobody reads the output.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    loss = argparse.ArgumentParser(add_help=False)  # what every command takes that reads a network
    loss.add_argument("network", type=Path, help="a Python file that computes a Tensor")
    loss.add_argument("--of", default="loss", metavar="NAME",
                      help="what the file calls the Tensor (default: loss)")  # fmt: skip

    sub = commands.add_parser("demo", help="see the main job run on real data, with pictures")
    sub.add_argument("--out", type=Path, default=Path("out"), help="where to write (default: out)")
    sub.set_defaults(run=lambda chosen, _: demo.run(chosen.out))

    sub = commands.add_parser("gallery", help="draw networks worth a look")
    sub.add_argument("--out", type=Path, default=Path("out/gallery"),
                       help="where to write (default: out/gallery)")  # fmt: skip
    sub.set_defaults(run=_gallery)

    sub = commands.add_parser(
        "check", parents=[loss], help="compare gradients derived by hand with a network's",
        description="Say where the gradients in a .npz file first go wrong, and which mistake it "
        "is. The exit status is 0 if all agree, 1 if some differ, 2 if some could not be "
        "compared, or have too few digits to tell.",
    )  # fmt: skip
    sub.add_argument("--hand", type=Path, required=True, help="a .npz file of named gradients")
    sub.add_argument("--digits", type=int, help="how many digits were printed")
    sub.add_argument("--rtol", type=float,
                         help="what counts as rounding, relative to the largest entry")  # fmt: skip
    sub.add_argument("--seconds", type=float, default=SECONDS,
                         help="processor time for the search of the mistake (default: %(default)g)"
                         )  # fmt: skip
    sub.add_argument("--json", action="store_true", help="write plain data")
    sub.add_argument("--no-answers", dest="answers", action="store_false",
                         help="print no right number, no equation and no difference")  # fmt: skip
    sub.set_defaults(run=_check)

    sub = commands.add_parser(
        "audit", parents=[loss], help="name every mistake of a derivation that has several",
        description="List the mistakes of gradients in a .npz file, or of a program in NumPy, in "
        "the order of the backward pass. The exit status is that of check.",
    )  # fmt: skip
    sub.add_argument("--hand", type=Path, help="a .npz file of named gradients")
    sub.add_argument("--source", type=Path, help="the author's own program; it is run")
    sub.add_argument("--digits", type=int, help="how many digits were printed")
    sub.add_argument("--rtol", type=float,
                         help="what counts as rounding, relative to the largest entry")  # fmt: skip
    sub.add_argument("--seconds", type=float, default=AUDIT_SECONDS,
                         help="processor time for the search (default: %(default)g)")  # fmt: skip
    sub.add_argument("--json", action="store_true", help="write plain data")
    sub.add_argument("--no-answers", dest="answers", action="store_false",
                         help="print no right number, no equation and no difference")  # fmt: skip
    sub.set_defaults(run=_audit)

    sub = commands.add_parser(
        "draw", parents=[loss], help="draw a network and its adjoint",
        description="Draw the network that a Python file records, and its adjoint.",
    )  # fmt: skip
    sub.add_argument("-o", "--out", type=Path,
                     help="a .png, .svg, .pdf, .tex, .mmd or .dot file (default: the network's "
                     "name with .png)")  # fmt: skip
    sub.add_argument("--view", choices=VIEWS, default="both")
    sub.add_argument("--style", choices=STYLES, default="wan")
    sub.add_argument("--level", choices=LEVELS, default="tensor")
    sub.add_argument("--fold", action=argparse.BooleanOptionalAction,
                       help="one step for all (default: where there is a recurrence)")  # fmt: skip
    sub.add_argument("--values", type=int, metavar="K", help="write the numbers of step K")
    sub.add_argument("--every-step", action="store_true",
                     help="of what is not folded, leave no step out")  # fmt: skip
    sub.add_argument("--digits", type=int, default=3, metavar="D", help="of each number")
    sub.add_argument("--entries", type=int, default=3, metavar="N",
                     help="of a signal that are written out; of more, the norm is")  # fmt: skip
    sub.add_argument("--heat", action="store_true", help="the larger |δ|, the darker")
    sub.add_argument("--depth", type=int, help="how many frames deep to look into modules")
    sub.add_argument(
        "--open",
        nargs="+",
        default=(),
        metavar="MODULE",
        help="look into these modules alone (with --depth, into these too)",
    )
    sub.add_argument("--highlight", nargs="+", default=(), metavar="NAME")
    sub.add_argument("--title", default="")
    sub.add_argument("--legend", action=argparse.BooleanOptionalAction, default=True)
    sub.set_defaults(run=_draw)

    sub = commands.add_parser(
        "explain", parents=[loss], help="explain one gradient",
        description="Walk back from the loss that a Python file computes to one signal: by the "
        "part of the derivation that leads to it, or stage by stage.",
    )  # fmt: skip
    sub.add_argument("--wrt", required=True, metavar="NAME", help="the signal, as in lstm.W.i")
    sub.add_argument("--style", choices=EXPLANATIONS, default="derivation",
                     help="default: derivation")  # fmt: skip
    sub.add_argument("--fold", action=argparse.BooleanOptionalAction,
                      help="one step for all (default: where that can be)")  # fmt: skip
    sub.set_defaults(run=_explain)

    sub = commands.add_parser(
        "derive", parents=[loss], help="derive the backward pass: equations, or a program",
        description="Write the forward and the backward equations of the network that a Python "
        "file records, as text, Markdown, LaTeX or HTML, or as a program in NumPy.",
    )  # fmt: skip
    sub.add_argument("--to", choices=FORMS, default="text", help="default: text")
    sub.add_argument("--wrt", metavar="NAME", help="the one signal to derive, as in lstm.W.i")
    sub.add_argument("--values", type=int, nargs="+", metavar="K",
                     help="of text: write the numbers of step K")  # fmt: skip
    sub.add_argument("--fast", action="store_true",
                     help="of numpy: packed gates together, and little in the loop")  # fmt: skip
    sub.add_argument("--fold", action=argparse.BooleanOptionalAction,
                     help="one line for all steps (default: where that can be)")  # fmt: skip
    sub.set_defaults(run=_derive)

    add_show(commands, loss)
    add_commands(commands)
    grading.add_command(commands, loss)

    sub = commands.add_parser(
        "cache", help="remove what is kept between runs",
        description="Remove the files in the user's cache: the libraries that tg.compile made, and "
        "the program for layouts. They are made again when they are needed.",
    )  # fmt: skip
    sub.add_argument("--clear", action="store_true", required=True, help="remove all files")
    sub.set_defaults(run=_cache)
    return parser


def _gallery(chosen: argparse.Namespace, terminal: Terminal) -> bool:
    for path in gallery.write(chosen.out):
        print(path)
    return True


def _check(chosen: argparse.Namespace, terminal: Terminal) -> int:
    try:
        report, complaints = _compare(chosen, terminal)
    except TinygradError as error:
        if chosen.json:
            empty = {"ok": False, "rows": [], "blame": None, "mistakes": [], "is_cut": False}
            _print(terminal, _json(terminal, empty | {"complaints": str(error).splitlines()}))
        raise
    for complaint in complaints:
        _tell(terminal, complaint)
    if chosen.json:
        _print(
            terminal, _json(terminal, report.as_dict(chosen.answers) | {"complaints": complaints})
        )
    else:
        _print(terminal, report.text(chosen.answers))
    return 2 if complaints else 0 if report.ok else 1 if report.is_wrong else 2


def _audit(chosen: argparse.Namespace, terminal: Terminal) -> int:
    if chosen.hand is None and chosen.source is None:
        raise UsageError("audit: found neither --hand nor --source; give at least one of them")
    if chosen.hand is not None:
        check_file(chosen.hand)
    hand, complaints = None, list[str]()
    with redirect_stdout(sys.stderr) if chosen.answers else nullcontext():
        loss = tensor_from(chosen.network, chosen.of, quotes=chosen.answers)
        if chosen.hand is not None:
            hand, complaints = read(chosen.hand, loss)
    result = audit(
        loss, hand or None, source=chosen.source, rtol=chosen.rtol, digits=chosen.digits,
        seconds=chosen.seconds,
    )  # fmt: skip
    for complaint in complaints:
        _tell(terminal, complaint)
    shown = result.as_dict(chosen.answers) | {"complaints": complaints}
    _print(terminal, _json(terminal, shown) if chosen.json else result.text(chosen.answers))
    return 2 if complaints else 0 if result.ok else 1 if result.report.is_wrong else 2


def _compare(chosen: argparse.Namespace, terminal: Terminal) -> tuple[Report, list[str]]:
    """Return the report on the gradients that can be compared, and complaints on the others."""
    check_file(chosen.hand)
    # standard output is for the report alone
    with redirect_stdout(sys.stderr) if chosen.answers else nullcontext():
        loss = tensor_from(chosen.network, chosen.of, quotes=chosen.answers)
        hand, complaints = read(chosen.hand, loss)
    try:
        if complaints and not hand:
            raise UsageError(f"{chosen.hand}: found no gradient that can be compared")
        report = compare(loss, hand, rtol=chosen.rtol, digits=chosen.digits)
    except TinygradError as error:
        if error.report is None:
            raise type(error)("\n".join([*complaints, str(error)])) from None
        report, complaints = error.report, complaints + str(error).splitlines()
    report.diagnose(seconds=chosen.seconds, watch=partial(_progress, terminal))
    return report, complaints


def _print(terminal: Terminal, text: str) -> None:
    if terminal.out is not None:
        print(text, file=terminal.out)


def _json(terminal: Terminal, data: dict[str, Any]) -> str:
    is_utf = (
        (getattr(terminal.out, "encoding", None) or "").lower().startswith("utf")
    )  # else escapes: no spelling
    return json.dumps(data, indent=1, ensure_ascii=not is_utf, allow_nan=False)


def _progress(terminal: Terminal, pairs: list[Any]) -> Iterable[Any]:
    """Show a progress bar on a terminal, if tqdm is installed."""
    try:
        from tqdm import tqdm
    except ImportError:
        return pairs
    bar = tqdm(pairs, desc="pairs of mistakes", leave=False, disable=None, file=terminal.err)
    return cast(Iterable[Any], bar)


def _draw(chosen: argparse.Namespace, terminal: Terminal) -> bool:
    view = "forward" if chosen.style == "tape" else chosen.view
    picture = draw(
        tensor_from(chosen.network, chosen.of), view=view, style=chosen.style, level=chosen.level,
        fold=chosen.fold, every_step=chosen.every_step, values=chosen.values, heat=chosen.heat,
        depth=chosen.depth, open=chosen.open, highlight=chosen.highlight, title=chosen.title,
        legend=chosen.legend,
        digits=chosen.digits, entries=chosen.entries,
    )  # fmt: skip
    for note in picture.notes:
        _tell(terminal, note)
    print(picture.save(chosen.out or Path(chosen.network.with_suffix(".png").name)))
    return True


def _explain(chosen: argparse.Namespace, terminal: Terminal) -> bool:
    loss = tensor_from(chosen.network, chosen.of)
    print(explain(loss, chosen.wrt, style=chosen.style, fold=chosen.fold))
    return True


def _derive(chosen: argparse.Namespace, terminal: Terminal) -> bool:
    derivation = derive(tensor_from(chosen.network, chosen.of), fold=chosen.fold)
    if chosen.wrt is not None:
        derivation = derivation.leading_to(chosen.wrt)
    if chosen.values is not None and chosen.to != "text":
        raise UsageError(f"derive: found --values with --to {chosen.to}, expected --to text")
    if chosen.fast and chosen.to != "numpy":
        raise UsageError(f"derive: found --fast with --to {chosen.to}, expected --to numpy")
    if chosen.fast:
        written = derivation.numpy(fast=True)
    elif chosen.to == "text":
        written = derivation.text(chosen.values)
    else:
        written = FORMS[chosen.to](derivation)
    print(written.rstrip("\n"))
    return True


def _cache(chosen: argparse.Namespace, terminal: Terminal) -> bool:
    count = clear_cache()
    _print(terminal, f"removed {count} {'file' if count == 1 else 'files'}")
    return True
