"""Checkpoints: all that training goes on from, in one .npz file that is written whole.

Knows modules, updates and files; not the loop. The file holds arrays, and one text in JSON that
holds all else and says where each array belongs. Nothing is pickled.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..engine.arguments import excerpt, of_kind, optional
from ..errors import ArgumentError, FileError, check_path
from ..files.npz import npz_bytes, npz_entries
from ..files.whole import write_file
from ..nn.entries import check_entries, with_masks
from ..nn.module import Module
from ..optim.optimizer import Optimizer
from ..optim.schedules import LRScheduler

FORMAT = 1  # of the file; a later one is refused
TEXT = "checkpoint"  # the array that holds the text


# --- files ------------------------------------------------------------------------------------


def write_checkpoint(state: Mapping[str, Any], path: str | os.PathLike[str]) -> Path:
    """Write a tree of dictionaries, lists, arrays, numbers and texts to a file.

    The same tree gives the same bytes.

    Raises
    ------
    OSError
        If the file cannot be written, for example because the disk is full; an old file of this
        name stays as it was.
    """
    arrays: list[np.ndarray] = []
    text = json.dumps({"format": FORMAT, "state": _outline(state, arrays)}, ensure_ascii=False)
    named = {str(n): array for n, array in enumerate(arrays)}
    content = np.frombuffer(text.encode(), np.uint8)
    return write_file(npz_bytes({TEXT: content, **named}), path)


def read_checkpoint(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the tree that `write_checkpoint` wrote.

    Raises
    ------
    FileError
        If the file is no checkpoint, is cut or corrupt, or has a later format.
    OSError
        If the file cannot be opened.
    """
    source = check_path("checkpoint", path)
    with npz_entries(source) as entries:
        if TEXT not in entries or entries[TEXT].dtype != "uint8":
            raise FileError(f"{source}: an .npz file, but no checkpoint of training")
        arrays = {name: entry.read() for name, entry in entries.items()}
    try:
        document = json.loads(arrays.pop(TEXT).tobytes())
        version = document["format"]
        if version != FORMAT:
            raise FileError(
                f"{source}: a checkpoint of format {excerpt(version)}, expected {FORMAT}; it was "
                "written by another version of tinygrad_lstm"
            )
        state: dict[str, Any] = _filled(document["state"], arrays)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        if isinstance(error, FileError):
            raise
        raise FileError(f"{source}: a checkpoint that is cut or corrupt: {error}") from None
    return of_kind(f"{source}", state, dict, "a checkpoint")  # type: ignore[no-any-return]


def _outline(value: Any, arrays: list[np.ndarray]) -> Any:
    """Return a value in JSON's types; arrays are put into a list, and replaced by their number."""
    if isinstance(value, np.ndarray):
        arrays.append(value)
        return {"array": len(arrays) - 1}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):  # whose keys may be numbers
        return {"map": [[key, _outline(entry, arrays)] for key, entry in value.items()]}
    if isinstance(value, tuple):
        return {"tuple": [_outline(entry, arrays) for entry in value]}
    if isinstance(value, list):
        return [_outline(entry, arrays) for entry in value]
    return value


def _filled(value: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    """Return a value of which `_outline` returned the outline."""
    if isinstance(value, list):
        return [_filled(entry, arrays) for entry in value]
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "array":
        return arrays[str(content)]
    if kind == "map":
        return {key: _filled(entry, arrays) for key, entry in content}
    if kind == "tuple":
        return tuple(_filled(entry, arrays) for entry in content)
    raise ValueError(f"found {excerpt(kind)}")


# --- what a model, an update and the random numbers hold --------------------------------------


def state_of(model: Module, update: Any = None, schedule: Any = None) -> dict[str, Any]:
    """Return a copy of all numbers that training goes on from, beside the place in the data."""
    return {
        "model": model.state_dict(),
        "states": {path: layer._last_states for path, layer in _stateful(model)},
        "update": None if update is None else update.state_dict(),
        "schedule": None if schedule is None else schedule.state_dict(),
        "random": {
            "generators": [x.bit_generator.state for x in _generators(model)],
            "numpy": np.random.get_state(),
            "python": random.getstate(),
        },
    }


def restore(
    path: str | os.PathLike[str], model: Module, update: Any = None, schedule: Any = None
) -> dict[str, Any]:
    """Give a model, and if wanted its update and schedule, the numbers of a checkpoint.

    Parameters
    ----------
    path : str or path
        Of a checkpoint of `fit`: ``last.npz`` or ``best.npz`` in its folder.
    model : Module
    update, schedule : of tg.optim, optional

    Returns
    -------
    dict
        All that the file holds.

    Raises
    ------
    FileError
        If the file is no checkpoint, is cut or corrupt, or has a later format.
    SignalError, ShapeError, ArgumentError
        If it is the checkpoint of another model, update or schedule.
    OSError
        If the file cannot be opened.

    Whatever is raised, nothing has changed.
    """
    of_kind("restore: model", model, Module, "a layer or other Module")
    optional(of_kind, "restore: update", update, Optimizer, "a rule, such as tg.optim.Adam")
    kind = "a schedule, such as tg.optim.StepLR"
    optional(of_kind, "restore: schedule", schedule, LRScheduler, kind)
    state = read_checkpoint(path)
    missing = {"model", "states", "update", "schedule", "random"} - state.keys()
    if missing:
        raise FileError(f"{path}: a checkpoint without {', '.join(sorted(missing))}")
    for part, own in (("update", update), ("schedule", schedule)):
        if own is not None and state[part] is None:
            raise ArgumentError(f"{path}: a checkpoint without a state of the {part}")
    shapes = {name: tensor.shape for name, tensor in model.named_state().items()}
    check_entries(f"{path} is of another model", state["model"], with_masks(state["model"], shapes))
    before = state_of(model, update, schedule)
    try:
        load_state(state, model, update, schedule)
    except BaseException as error:
        load_state(before, model, update, schedule)
        if isinstance(error, KeyError | TypeError | AttributeError) and type(error).__module__ in (
            "builtins",
        ):
            raise FileError(f"{path}: a checkpoint of something else: {error}") from None
        raise
    return state


def load_state(
    state: Mapping[str, Any], model: Module, update: Any = None, schedule: Any = None
) -> None:
    """Give a model, an update and a schedule what `state_of` returned."""
    model.load_state_dict(state["model"])
    for path, layer in _stateful(model):
        layer._last_states = state["states"][path]
    if update is None:
        return
    update.load_state_dict(state["update"])
    if schedule is not None:
        schedule.load_state_dict(state["schedule"])
    numbers = state["random"]
    for generator, own in zip(_generators(model), numbers["generators"], strict=True):
        generator.bit_generator.state = own
    np.random.set_state(numbers["numpy"])
    random.setstate(numbers["python"])


def _all_modules(model: Module, path: str = "") -> Iterator[tuple[str, Module]]:
    """Yield a module and all modules in it, each path once."""
    yield path, model
    for name, child in model.children():
        yield from _all_modules(child, f"{path}{name}.")


def _stateful(model: Module) -> Iterator[tuple[str, Any]]:
    """Yield the layers that go on from the states of the call before, with their paths."""
    return ((path, x) for path, x in _all_modules(model) if getattr(x, "stateful", False))


def _generators(model: Module) -> list[np.random.Generator]:
    """Return the generators that modules draw from, such as those of dropout, each once."""
    values = (value for _, x in _all_modules(model) for value in vars(x).values())
    return list({id(x): x for x in values if isinstance(x, np.random.Generator)}.values())
