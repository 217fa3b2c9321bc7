"""Trees of arrays: what functions of many parameters take and return.

    tree = array                                                 a leaf
         | dict | list | tuple | named tuple | dataclass         of trees
         | anything else: None, numbers, strings                 kept as it is

Names of a dict stand in the order of the first tree.
"""

import copy
import dataclasses
from collections.abc import Callable
from typing import Any

__all__ = ["tree_leaves", "tree_map"]


def tree_map(f: Callable, tree: Any, *rest: Any) -> Any:
    """Call ``f(leaf, *others)`` for every array of a tree and what stands at its place in `rest`.

    Parameters
    ----------
    f : callable
    tree : tree
        Its structure is that of the result.
    *rest : trees
        Of the same structure; None may stand for a leaf.

    Returns
    -------
    tree

    Raises
    ------
    ValueError
        If structures differ; it says where, and how.

    Examples
    --------
    >>> import numpy as np
    >>> one, two = np.asarray(1), np.asarray(2)
    >>> tree_map(lambda x, y: int(x + y), {"w": one, "b": [two, None]}, {"w": two, "b": [two, None]})
    {'w': 3, 'b': [4, None]}
    """
    return _map(f, tree, rest, "tree")


def tree_leaves(tree: Any) -> list[Any]:
    """All arrays of a tree, in order."""
    found: list[Any] = []
    tree_map(found.append, tree)
    return found


def _map(f, tree, rest, path):
    if not dataclasses.is_dataclass(tree) and hasattr(tree, "dtype") and not isinstance(tree, type):
        return f(tree, *rest)
    parts = _parts(tree)
    if parts is None:
        return tree
    others = []
    for other in rest:
        found = _parts(other) if type(other) is type(tree) else None
        if found is None or found.keys() != parts.keys():
            raise ValueError(f"{path} must be {_told(tree)}, got {_told(other)}")
        others.append(found)
    return _rebuilt(
        tree,
        {
            name: _map(f, part, tuple(other[name] for other in others), f"{path}[{name!r}]")
            for name, part in parts.items()
        },
    )


def _told(tree):
    """The kind of a tree and the names of its branches: a repr may be long, or need what is not there."""
    parts = _parts(tree)
    return type(tree).__name__ if parts is None else f"{type(tree).__name__} of {', '.join(map(str, parts)):.200}"


def _parts(tree):
    """The branches of a tree by name; None where it has none."""
    if isinstance(tree, dict):
        return tree
    if isinstance(tree, list | tuple):
        return dict(enumerate(tree))
    if dataclasses.is_dataclass(tree) and not isinstance(tree, type):
        return {field.name: getattr(tree, field.name) for field in dataclasses.fields(tree) if field.init}
    return None


def _rebuilt(tree, parts):
    if isinstance(tree, dict):
        if type(tree) is dict:
            return parts
        like = copy.copy(tree)  # an OrderedDict, a defaultdict
        like.update(parts)
        return like
    if dataclasses.is_dataclass(tree) and not isinstance(tree, type):
        return dataclasses.replace(tree, **parts)
    return type(tree)(*parts.values()) if hasattr(tree, "_fields") else type(tree)(parts.values())
