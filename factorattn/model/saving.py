"""Nested dicts and lists of parameters as a safetensors file, and back: ``layers.0.attention.query.weight``.

A factored matrix is kept as its factors, in the format of `factorattn.compress.factorize_checkpoint`. What a flat list
of tensors cannot say (empty lists, None, Python's numbers) stands in the metadata.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import array_api_compat
import numpy as np

from factorattn.factor.factored import Factored
from factorattn.factor.factored.packing import pack, unpack
from factorattn.files import in_place_of
from factorattn.model.naming import under
from factorattn.model.placing import EMPTY, as_tree, placed
from factorattn.model.tensor_file import on_host, read_tensors, tag_of, write_tensors

__all__ = ["load_metadata", "load_parameters", "save_parameters"]

FACTORED = "factorattn"
REST = "factorattn.tree"
VERSION = 1


def save_parameters(path: Any, parameters: Any, *, metadata: Mapping[str, str] | None = None) -> None:
    """Write parameters to a file, which takes its place when it is whole.

    Parameters
    ----------
    path : str or path
        Ends in ".safetensors". A file of that name is replaced; its folder must be there.
    parameters : tree
        Nested dicts and lists of arrays of any library, factored matrices, Python's numbers and None. A tuple is kept
        as a list.
    metadata : mapping of str to str, optional
        What else the file says; names that begin with "factorattn" are taken.

    Raises
    ------
    ValueError
        If the name of the file has another ending, or a name in the tree is empty, a number, or has a dot.
    TypeError
        If there is something else in the tree, a name is no text, or the format lacks a dtype; it is named.
    OSError
        If the file cannot be written; then nothing has changed.

    Notes
    -----
    Equal parameters and metadata give equal bytes.
    """
    path = _checked(path)
    told = {} if metadata is None else dict(metadata)
    for key, value in told.items():
        if not isinstance(key, str) or not isinstance(value, str) or key.startswith(FACTORED):
            raise ValueError(f"metadata must be texts by names that do not begin with {FACTORED!r}, got {key!r}")
    tensors: dict[str, np.ndarray] = {}
    factored: dict[str, Any] = {}
    rest: dict[str, str] = {}
    _flatten(parameters, "", tensors, factored, rest)
    if factored:
        told[FACTORED] = json.dumps({"version": VERSION, "tensors": factored}, separators=(",", ":"))
    if rest:
        told[REST] = json.dumps(rest, separators=(",", ":"))
    with in_place_of(path) as file:
        write_tensors(file, tensors, told)


def load_parameters(path: Any, like: Any = None) -> Any:
    """Read parameters from a file.

    Parameters
    ----------
    path : str or path
        A ".safetensors" file, of `save_parameters` or of another program.
    like : tree, optional
        What is expected: nested dicts and lists with an array, a factored matrix, a number or None in each place, or
        the shape of an array, a tuple of integers. By default, whatever the names tell.

    Returns
    -------
    tree
        Of the structure of `like`. Where it has an array, the dtype, library and device are those; elsewhere there are
        NumPy arrays as in the file.

    Raises
    ------
    ValueError
        If the file is damaged or no safetensors file; or a tensor is missing, left over, or of another shape or kind
        than expected: it is named, with its shape and the expected one.
    FileNotFoundError
        If there is no such file.

    Notes
    -----
    Without `like`, names 0, 1, ... make a list. safetensors has no checksum: a number that was changed on the disk is
    not noticed, unless the length or the names changed.
    """
    path = _checked(path)
    leaves, rest = _read(path)
    return as_tree(leaves, rest, file=path.name) if like is None else placed(leaves, rest, like, file=path.name)


def load_metadata(path: Any) -> dict[str, str]:
    """What a file says beside its tensors, as `save_parameters` was told.

    Raises
    ------
    ValueError
        If the file is damaged or no safetensors file.
    FileNotFoundError
        If there is no such file.
    """
    _, metadata = read_tensors(_checked(path))
    return {key: value for key, value in metadata.items() if key not in (FACTORED, REST)}


def _checked(path: Any) -> Path:
    path = Path(path)
    if path.suffix != ".safetensors":
        raise ValueError(f"path must end in .safetensors, got {str(path)!r}")
    return path


def _flatten(tree: Any, name: str, tensors: dict[str, Any], factored: dict[str, Any], rest: dict[str, str]) -> None:
    """Sort what lies in a tree by how it is kept."""
    if isinstance(tree, Factored):
        spec, arrays = pack(tree)
        parts = {under(name, path): on_host(x, under(name, path)) for path, x in arrays.items()}
        factored[name] = {"dtype": tag_of(tree, name), "shape": list(tree.shape), "spec": spec}
        tensors |= parts
    elif isinstance(tree, Mapping):
        for key, part in tree.items():
            if not isinstance(key, str):
                raise TypeError(f"names in {name or 'parameters'} must be texts, got {key!r}")
            if not key or "." in key or key.isdigit() or key == "__metadata__":
                told = "must not be empty, numbers, '__metadata__' or have dots"
                raise ValueError(f"names in {name or 'parameters'} {told}, got {key!r}")
            _flatten(part, under(name, key), tensors, factored, rest)
        if not tree:
            rest[name] = "dict"
    elif isinstance(tree, list | tuple):
        for i, part in enumerate(tree):
            _flatten(part, under(name, str(i)), tensors, factored, rest)
        if not tree:
            rest[name] = "list"
    elif tree is None:
        rest[name] = "none"
    elif isinstance(tree, bool | int | float):
        tensors[name], rest[name] = np.asarray(tree), "number"
    elif array_api_compat.is_array_api_obj(tree):
        tensors[name] = on_host(tree, name)
    else:
        raise TypeError(f"{name or 'parameters'} must be an array, a number or None, got {type(tree).__name__}")


def _read(path: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """Leaves of a file by name, factored matrices put together; and what the tensors cannot say."""
    tensors, metadata = read_tensors(path)
    leaves: dict[str, Any] = dict(tensors)
    try:
        about = json.loads(metadata.get(FACTORED, "{}"))
        rest = dict(json.loads(metadata.get(REST, "{}")))
        if about.get("version", VERSION) != VERSION:
            raise ValueError(f"version {about['version']!r}, and this is version {VERSION}")
        for name, told in about.get("tensors", {}).items():
            inside = [other for other in leaves if other.startswith(under(name, ""))] if name else list(leaves)
            f = unpack(told["spec"], {other[len(under(name, "")) :]: leaves.pop(other) for other in inside})
            if list(f.shape) != list(told["shape"]):
                raise ValueError(f"{name} is told to have shape {tuple(told['shape'])} and has {tuple(f.shape)}")
            leaves[name] = f
        for name, kind in rest.items():
            if kind not in (*EMPTY, "number"):
                raise ValueError(f"{name} is told to be {kind!r}")
            if kind == "number":
                leaves[name] = leaves[name].item()
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise ValueError(f"the metadata of {path.name} is damaged: {error}") from None
    return leaves, {name: kind for name, kind in rest.items() if kind != "number"}
