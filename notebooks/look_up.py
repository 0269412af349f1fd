"""The pages of *look up*: every public name, from the docstrings and the table of primitives.

Knows Sphinx' words for a page and nothing of what a name does. The pages are made anew by every
build, so that a new public name needs no line here.
"""

import re
from collections.abc import Iterator
from importlib import import_module
from inspect import getdoc, isclass, isfunction, ismodule
from itertools import groupby, pairwise
from pathlib import Path

import tinygrad_lstm as tg
from tinygrad_lstm.engine import Primitive

# page: its title, one sentence, and the modules whose names of `tg` stand there
OF_TG = {
    "tensors": ("Tensors and derivatives", "A Tensor records operations on a tape.", (
        "engine.tensor", "engine.place", "engine.differentiate", "engine.jacobians",
        "engine.symbol",
    )),
    "functions": ("Functions", "NumPy's functions on Tensors, and those of neural networks.", (
        "engine.functions",
    )),
    "work": ("Networks, derivations, checks", "What is made of a recorded loss.", (
        "network", "formulas", "drawing", "page", "check", "compiled", "train", "grading",
    )),
}  # fmt: skip
MODULES = {
    "nn": "Layers and losses",
    "optim": "Updates of parameters",
    "train": "Training",
    "tasks": "Classical problems",
    "interop": "Other frameworks, and files",
    "check": "Mistakes of your own",
    "linalg": "Matrices",
    "fft": "Spectra",
    "errors": "Errors",
    "derivations": "Derivations by hand",
}


def write(folder: Path) -> None:
    """Write all pages and their table of contents into a folder."""
    folder.mkdir(exist_ok=True)
    public = {name: getattr(tg, name) for name in dir(tg)}
    pages = {"primitives": _primitives(public)}
    for page, (title, sentence, homes) in OF_TG.items():
        prefixes = tuple(f"tinygrad_lstm.{home}" for home in homes)
        names = {
            name: thing
            for name, thing in public.items()
            if (isclass(thing) or isfunction(thing)) and thing.__module__.startswith(prefixes)
        }
        pages[page] = _page(title, sentence, "tinygrad_lstm", names)
    for module, title in MODULES.items():
        pages[module] = _module(title, module)
    contents = ["tensors", "primitives", "functions", "work", *MODULES]
    pages["index"] = "\n".join([
        *_heading("Look up", "="), "Every public name, from its docstring. The examples run in "
        "the checks of every change.", "", ".. toctree::", "",
        *(f"   {page}" for page in contents), "",
    ])  # fmt: skip
    for page, text in pages.items():
        (folder / f"{page}.rst").write_text(text, encoding="utf-8")


def escape(app, what, name, thing, options, lines: list[str]) -> None:
    """Make the docstring of a name, which is plain text, text that Sphinx reads as it stands.

    An indented paragraph before the first section holds equations: it is shown as it is. A sign
    that Sphinx would take for markup, outside of code, is only a sign. A paragraph that stands
    behind the entries of a section does not belong to the last of them.
    """
    text: list[str] = []
    for way, group in groupby(zip(_ways(lines), lines, strict=True), key=lambda pair: pair[0]):
        block = [line for _, line in group]
        if way == "equations":
            text += ["::", "", *block]
        elif way == "code":
            text += block
        elif way == "behind":
            text += ["", *_without_markup(block)]
        else:
            text += _without_markup(block)
    lines[:] = text


def _ways(lines: list[str]) -> Iterator[str]:
    """Yield for each line how it is read: equations, code, text, or text behind a section."""
    way, in_sections, before = "text", False, ""
    for line, following in pairwise([*lines, ""]):
        is_indented = line.startswith("    ")
        in_sections = in_sections or bool(line and re.fullmatch(r"-{3,}", following))
        if line.lstrip().startswith(">>>"):
            way = "code"
        elif way == "code":
            way = "code" if line.strip() else "text"
        elif way == "equations":
            way = "equations" if is_indented or not line else "text"
        elif is_indented and not before and not in_sections:
            way = "equations"
        elif in_sections and line and not is_indented and not before:
            is_entry = re.match(r"[\w., *…/{}|-]+( :|$)", line) or re.fullmatch(r"-{3,}", following)
            way = "text" if is_entry else "behind"
        elif not line:
            way = "text" if way == "behind" else way
        yield way
        before = line


def _without_markup(lines: list[str]) -> list[str]:
    parts = re.split(r"(``.*?``|`[^`]*`)", "\n".join(lines), flags=re.DOTALL)
    parts[::2] = [re.sub(r"([*|\\])|(_)(?=\W|$)", r"\\\1\2", part) for part in parts[::2]]
    return "".join(parts).split("\n")


def _page(title: str, sentence: str, module: str, names: dict[str, object]) -> str:
    """Return a page with a section for each module that names come from."""
    text = [*_heading(title, "="), sentence, "", f".. py:currentmodule:: {module}", ""]
    homes = dict.fromkeys(thing.__module__ for thing in names.values())
    for home in homes:
        if len(homes) > 1:
            first, _, _ = (getdoc(import_module(home)) or home).partition("\n")
            text += [*_heading(home.rpartition(".")[2].replace("_", " ").capitalize(), "-")]
            text += [*_without_markup([first]), ""]
        for name, thing in names.items():
            if thing.__module__ == home:
                text += _entry(module, name, thing)
    return "\n".join(text)


def _module(title: str, module: str) -> str:
    names = {}
    home = getattr(tg, module)
    for name in dir(home):
        thing = getattr(home, name)
        if isclass(thing) or isfunction(thing) or ismodule(thing) or getdoc(thing):
            names[name] = thing
    sentence, _, _ = (getdoc(home) or "").partition("\n")
    text = [*_heading(f"{title}: ``tg.{module}``", "=")]
    text += [*_without_markup([sentence]), "", f".. py:currentmodule:: {home.__name__}", ""]
    for name, thing in names.items():
        text += _entry(home.__name__, name, thing)
    return "\n".join(text)


def _entry(module: str, name: str, thing: object) -> list[str]:
    if isinstance(thing, Primitive):
        return _primitive(name, thing)
    if ismodule(thing):
        return [f".. py:module:: {module}.{name}", "", f".. automodule:: {module}.{name}",
                "   :members:", "   :no-index:", ""]  # fmt: skip
    if isclass(thing):
        return [f".. autoclass:: {module}.{name}", "   :members:", ""]
    if isfunction(thing):
        return [f".. autofunction:: {module}.{name}", ""]
    doc = "" if getdoc(thing) == getdoc(type(thing)) else getdoc(thing) or ""
    return [f".. py:data:: {name}", "", *_indented(_escaped(doc)), ""]


def _primitives(public: dict[str, object]) -> str:
    sentence = (
        "One table: each primitive with the rule by which its cotangent δ, which is ∂loss/∂y, goes "
        "back. The package prints the rule from the function that computes it."
    )
    text = [*_heading("Primitives", "="), sentence, "", ".. py:currentmodule:: tinygrad_lstm", ""]
    for name, thing in public.items():
        if isinstance(thing, Primitive) and thing.name == name:
            text += _primitive(name, thing)
    return "\n".join(text)


def _primitive(name: str, primitive: Primitive) -> list[str]:
    doc = _escaped(getdoc(primitive) or "")
    rule = str(primitive).partition("\n")[2].splitlines()
    rule = [line for line in rule if " = " in line]
    return [f".. py:function:: {name}(...)", "", *_indented(doc), "", "   ::", "",
            *(f"      {line.strip()}" for line in rule), ""]  # fmt: skip


def _escaped(doc: str) -> list[str]:
    lines = doc.splitlines()
    escape(None, "", "", None, None, lines)
    return lines


def _indented(lines: list[str]) -> list[str]:
    return [f"   {line}" if line else "" for line in lines]


def _heading(title: str, line: str) -> list[str]:
    return [title, line * len(title), ""]
