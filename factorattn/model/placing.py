"""Leaves by name, put into the places of a tree: of the one that their names tell, or of one that is expected."""

from collections.abc import Mapping
from typing import Any

import array_api_compat
import numpy as np

from factorattn.factor.factored import Factored
from factorattn.factor.factored.packing import pack, unpack
from factorattn.model.naming import branches, under

__all__ = ["EMPTY", "as_tree", "placed"]

EMPTY: dict[str, Any] = {"dict": {}, "list": [], "none": None}


def as_tree(leaves: Mapping[str, Any], rest: Mapping[str, str], *, file: str) -> Any:
    """Nested dicts and lists of leaves; a node whose names are 0, 1, ... is a list.

    Parameters
    ----------
    leaves : mapping of str to leaf
    rest : mapping of str to str
        Places that hold no leaf, and what is there: "dict", "list" or "none".
    file : str
        For errors.
    """
    every: dict[str, Any] = {**leaves, **{name: EMPTY[kind] for name, kind in rest.items()}}
    if set(every) == {""}:
        return every[""]
    tree: dict[str, Any] = {}
    for name, leaf in every.items():
        *path, last = name.split(".")
        node = tree
        for part in path:
            node = node.setdefault(part, Node())
            if not isinstance(node, Node):
                raise ValueError(f"{file} holds {name!r}, and a tensor of a shorter name in its way")
        if last in node:
            raise ValueError(f"{file} holds {name!r}, and tensors whose names begin with it")
        node[last] = leaf
    return _listed(Node(tree))


class Node(dict):
    """A dict that is being built, as told from a leaf that is one."""


def _listed(node: Any) -> Any:
    if not isinstance(node, Node):
        return node
    if node and set(node) == {str(i) for i in range(len(node))}:
        return [_listed(node[str(i)]) for i in range(len(node))]
    return {name: _listed(part) for name, part in node.items()}


def placed(leaves: Mapping[str, Any], rest: Mapping[str, str], like: Any, *, file: str) -> Any:
    """The leaves in the places of a tree; ValueError names the first that is missing, left over or another.

    Parameters
    ----------
    leaves, rest, file
        As of `as_tree`.
    like : tree
        Arrays, factored matrices, shapes, numbers and None.
    """
    used: set[str] = set()
    tree = _placed(leaves, like, "", used, file)
    left = [name for name in leaves if name not in used]
    if left:
        raise ValueError(f"{file} holds {_names(left)}, {_described(leaves[left[0]])}, which is not expected")
    return tree


def _placed(leaves, like, name, used, file):
    if like is None:
        return None
    shape = _shape(like)
    if shape is None and not _is_leaf(like):
        found = {part: _placed(leaves, below, under(name, part), used, file) for part, below in _nodes(like, name)}
        if isinstance(like, dict):
            return found
        return type(like)(*found.values()) if hasattr(like, "_fields") else type(like)(found.values())
    if name not in leaves:
        near = sorted(other for other in leaves if other not in used)[:3]
        hint = f" (it holds {_names(near)})" if near else ""
        raise ValueError(f"{file} must hold {name or 'one tensor'}, {_expected(like)}; it is not there{hint}")
    used.add(name)
    return _like(leaves[name], like, shape, name, file)


def _nodes(like, name):
    parts = branches(like)
    if parts is None:
        raise TypeError(f"like must hold arrays, shapes, numbers or None, got {type(like).__name__} at {name or 'top'}")
    return parts.items()


def _is_leaf(x: Any) -> bool:
    return isinstance(x, Factored | bool | int | float) or array_api_compat.is_array_api_obj(x)


def _shape(like: Any) -> tuple[int, ...] | None:
    """A shape that stands for an array: an empty tuple, or one of integers."""
    if type(like) is tuple and all(isinstance(length, int) and not isinstance(length, bool) for length in like):
        return like
    return None


def _like(x, like, shape, name, file):
    """A leaf of the kind that is expected."""
    fits = tuple(getattr(x, "shape", ())) == (tuple(getattr(like, "shape", ())) if shape is None else shape)
    if not fits or (shape is None and _kind(x) != _kind(like)):
        raise ValueError(f"{name or 'the tensor'} of {file} must be {_expected(like)}, got {_described(x)}")
    if shape is not None or isinstance(like, bool | int | float):
        return x if shape is not None else type(like)(x)
    if isinstance(like, Factored):
        spec, arrays = pack(x)
        return unpack(spec, {path: _moved(part, like) for path, part in arrays.items()})
    return _moved(x, like)


def _moved(x: np.ndarray, like: Any) -> Any:
    """An array in the library and on the device of another; numbers have its dtype, indices keep theirs."""
    xp = array_api_compat.array_namespace(*(like.arrays() if isinstance(like, Factored) else (like,)))
    x = xp.asarray(x, device=like.device if isinstance(like, Factored) else array_api_compat.device(like))
    number = not isinstance(like, Factored) or not xp.isdtype(x.dtype, "integral")
    return xp.astype(x, like.dtype, copy=False) if number else x


def _kind(x: Any) -> str:
    if isinstance(x, Factored):
        return "a factored matrix"
    if not array_api_compat.is_array_api_obj(x) or (isinstance(x, np.generic)):
        return "a number"
    xp = array_api_compat.array_namespace(x)
    for kind in ("bool", "integral", "real floating", "complex floating"):
        if xp.isdtype(x.dtype, kind):
            return f"a {kind} array".replace("a integral", "an integer").replace("a bool", "a boolean")
    raise TypeError(f"{x.dtype} is no dtype of the array API")


def _described(x: Any) -> str:
    shape = getattr(x, "shape", None)
    return _kind(x) if shape is None else f"{_kind(x)} of shape {tuple(shape)}"


def _expected(like: Any) -> str:
    shape = _shape(like)
    return _described(like) if shape is None else f"of shape {shape}"


def _names(names):
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
