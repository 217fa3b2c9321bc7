"""States of training in files, from which a run goes on bit for bit.

    NAME.safetensors             the last state that was kept: its arrays, and JSON with the rest and a checksum of both
    NAME.previous.safetensors    the one before

A file is written beside its place and moved there, so that both are whole at any moment.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import fields as fields_of
from dataclasses import is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from factorattn.experiment.loop import State
from factorattn.files import in_place_of

__all__ = ["ResumeError", "has_state", "read_state", "write_state"]

KIND = "factorattn training state 1"
SUFFIX = ".safetensors"
TREES = ("parameters", "optimizer", "place")


class ResumeError(Exception):
    """A file that training cannot go on from; the text names it and says what to do."""


def write_state(
    path: Any, state: State, *, settings: Mapping[str, Any], notes: Mapping[str, Any] | None = None
) -> None:
    """Keep a state; the one that the file held becomes the previous one.

    Parameters
    ----------
    path : str or path
        Name of the file, without ".safetensors". Its folder is made where it is not there.
    state : State
    settings : mapping of str to JSON value
        All that decides the run and is not in the state; `read_state` holds them against those of the run that goes on.
    notes : mapping of str to JSON value, optional
        What else is known, such as results.

    Raises
    ------
    OSError
        If the file cannot be written; then nothing has changed.
    """
    from safetensors.numpy import save

    arrays, scalars = _apart(state)
    told = {
        "kind": KIND,
        "step": state.step,
        "rng": state.rng,
        "scalars": scalars,
        "settings": dict(settings),
        "notes": dict(notes or {}),
    }
    text = json.dumps(told, sort_keys=True)
    content = save(arrays, {"state": text, "checksum": _checksum(arrays, text)})
    current, previous = _files(path)
    current.parent.mkdir(parents=True, exist_ok=True)
    with in_place_of(current, keep=previous) as file:
        file.write(content)


def has_state(path: Any) -> bool:
    """Whether there is a state of this name, or a previous one.

    Parameters
    ----------
    path : str or path
        Without ".safetensors".

    Returns
    -------
    bool
        Nothing is read: `read_state` may still find both damaged.
    """
    return any(file.exists() for file in _files(path))


def read_state(path: Any, like: State, *, settings: Mapping[str, Any]) -> tuple[State, dict[str, Any]]:
    """Read a state that `write_state` kept.

    Parameters
    ----------
    path : str or path
        Without ".safetensors". Where that file is not there, the previous one is read.
    like : State
        A state of the same run, for example that of its beginning: what a tree looks like, and shapes and dtypes.
    settings : mapping of str to JSON value
        Those of the run that goes on.

    Returns
    -------
    state : State
    notes : dict

    Raises
    ------
    ResumeError
        If there is no file, it is damaged, is of something else, or was made with other settings, which are named. It
        is left as it is.
    """
    current, previous = _files(path)
    file = current if current.exists() or not previous.exists() else previous
    try:
        arrays, told = _read(file)
    except ResumeError as error:
        raise ResumeError(f"{error}; {_way_out(file, previous)}") from None
    _hold_settings(file, told["settings"], json.loads(json.dumps(dict(settings))))
    return _together(file, arrays, told, like), told["notes"]


def _files(path: Any) -> tuple[Path, Path]:
    path = Path(path)
    return path.with_name(f"{path.name}{SUFFIX}"), path.with_name(f"{path.name}.previous{SUFFIX}")


def _way_out(file: Path, previous: Path) -> str:
    """What is left where a file is damaged."""
    if file == previous or not previous.exists():
        return f"there is no state before it: delete {file.name} to begin anew"
    try:
        _, told = _read(previous)
    except ResumeError:
        return f"{previous.name} is damaged, too: delete both to begin anew"
    return f"{previous.name} is whole, with {told['step']} steps done: delete {file.name} to go on from there"


def _read(file: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays and JSON of a file, if they are those that were written."""
    from safetensors import SafetensorError, safe_open

    if not file.is_file():
        raise ResumeError(f"{str(file)!r} does not exist")
    try:
        with safe_open(file, "numpy") as opened:
            metadata = opened.metadata() or {}
            arrays = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - it is no mapping
    except (SafetensorError, OSError, ValueError) as error:
        raise ResumeError(f"{str(file)!r} is damaged: {error}") from None
    text = metadata.get("state", "")
    if metadata.get("checksum") != _checksum(arrays, text):
        raise ResumeError(f"{str(file)!r} is damaged or no state of training: its checksum is not that of its content")
    told = json.loads(text)
    if told["kind"] != KIND:
        raise ResumeError(f"{str(file)!r} must hold a {KIND!r}, got {told['kind']!r}")
    return arrays, told


def _checksum(arrays: Mapping[str, np.ndarray], text: str) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(arrays):
        x = np.ascontiguousarray(arrays[name])
        digest.update(f"\n{name} {x.dtype} {arrays[name].shape}\n".encode())
        digest.update(x.tobytes())
    return digest.hexdigest()


def _hold_settings(file: Path, kept: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    for name in dict.fromkeys([*given, *kept]):
        if name not in kept or name not in given or kept[name] != given[name]:
            was, now = (json.dumps(x[name]) if name in x else "not there" for x in (kept, given))
            raise ResumeError(f"{str(file)!r} was made with {name} {was}, and this run has {name} {now}")


def _apart(state: State) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays of a state by name, and numbers that are no arrays."""
    leaves = dict(_leaves(state))
    arrays = {name: np.ascontiguousarray(x).reshape(x.shape) for name, x in leaves.items() if isinstance(x, np.ndarray)}
    arrays["losses"] = np.asarray(state.losses, np.float64)
    scalars = {name: x.item() if isinstance(x, np.generic) else x for name, x in leaves.items() if name not in arrays}
    for name, x in scalars.items():
        if not isinstance(x, int | float | str):
            raise TypeError(f"{name} must be a NumPy array or a number to be kept, got {type(x).__name__}")
    return arrays, scalars


def _together(file: Path, arrays: Mapping[str, np.ndarray], told: Mapping[str, Any], like: State) -> State:
    """A state with the leaves of a file in the places of another's."""
    found = {**arrays, **told["scalars"]}
    expected = dict(_leaves(like))
    for name in sorted(expected.keys() ^ (found.keys() - {"losses"})):
        here = "the run has none" if name in found else "it is not there"
        raise ResumeError(f"{str(file)!r} does not match the run: {name}: {here}")
    for name, x in expected.items():
        want, got = _described(x), _described(found[name])
        if want != got:
            raise ResumeError(f"{str(file)!r} does not match the run: {name} must be {want}, got {got}")
    trees = {tree: _mapped(lambda name, x: _as(found[name], x), getattr(like, tree), tree) for tree in TREES}
    return State(told["step"], rng=told["rng"], losses=tuple(arrays["losses"].tolist()), **trees)


def _described(x: Any) -> str:
    return f"{x.dtype} of shape {x.shape}" if isinstance(x, np.ndarray) else "a number"


def _as(x: Any, leaf: Any) -> Any:
    return x if isinstance(leaf, np.ndarray) else type(leaf)(x)


def _leaves(state: State) -> list[tuple[str, Any]]:
    """Every leaf of the trees of a state with a name such as parameters.layers.0.weight."""
    found: list[tuple[str, Any]] = []
    for tree in TREES:
        _mapped(lambda *leaf: found.append(leaf), getattr(state, tree), tree)
    return found


def _mapped(f: Callable[[str, Any], Any], tree: Any, name: str) -> Any:
    """A tree of the same structure with f(name, leaf) in the place of every leaf, numbers among them."""
    if tree is None:
        return None
    if isinstance(tree, dict):
        return {key: _mapped(f, part, f"{name}.{key}") for key, part in tree.items()}
    if isinstance(tree, list | tuple):
        fields = getattr(tree, "_fields", range(len(tree)))
        parts = [_mapped(f, part, f"{name}.{key}") for key, part in zip(fields, tree, strict=True)]
        return type(tree)(*parts) if hasattr(tree, "_fields") else type(tree)(parts)
    if is_dataclass(tree) and not isinstance(tree, type):
        own = {field.name: getattr(tree, field.name) for field in fields_of(tree) if field.init}
        return replace(tree, **{key: _mapped(f, part, f"{name}.{key}") for key, part in own.items()})
    return f(name, tree)
