"""The command ``show``: its options, and the page that it writes.

Knows the command line; the page is made in its own wing.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from ..check.answers import check_file, read
from ..check.compare import compare
from ..engine.tensor import Tensor
from ..errors import UsageError
from ..page.show import show
from .network_file import tensor_from


def add_show(commands: Any, loss: argparse.ArgumentParser) -> None:
    """Add the command to a parser's; ``loss`` has the arguments that name a network."""
    sub = commands.add_parser(
        "show", parents=[loss], help="write a page that plays the forward and the backward pass",
        description="Write a page in HTML that plays the pass of the network that a Python file "
        "records: the network and its adjoint, a slider over the steps, the equations with their "
        "numbers. The page is one file, which needs no network.",
    )  # fmt: skip
    sub.add_argument("-o", "--out", type=Path, metavar="FILE",
                     help="where to write (default: the network's name with .html)")  # fmt: skip
    sub.add_argument("--hand", type=Path, metavar="FILE",
                     help="a .npz file of gradients derived by hand, to compare")  # fmt: skip
    sub.add_argument("--no-answers", dest="answers", action="store_false",
                     help="leave out all numbers and the backward equations")  # fmt: skip
    sub.add_argument("--title", default="")
    sub.set_defaults(run=_show)


def _show(chosen: argparse.Namespace, terminal: Any) -> bool:
    if chosen.hand is not None:
        check_file(chosen.hand)
    with redirect_stdout(sys.stderr):  # standard output is for the path alone
        loss = tensor_from(chosen.network, chosen.of, quotes=chosen.answers)
    of: Any = loss if chosen.hand is None else _compared(chosen.hand, loss)
    out = chosen.out or Path(chosen.network.with_suffix(".html").name)
    page = show(of, answers=chosen.answers, title=chosen.title)
    print(page.save(out), file=terminal.out)
    return True


def _compared(path: Path, loss: Tensor) -> Any:
    """Return the report on the gradients of a file."""
    hand, complaints = read(path, loss)
    if complaints:
        raise UsageError("\n".join(complaints))
    return compare(loss, hand)
