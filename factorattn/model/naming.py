"""Names of what lies in nested dicts and lists of parameters: ``layers.0.attention.query.weight``."""

import dataclasses
from collections.abc import Iterator
from typing import Any

from factorattn.factor.factored import Factored

__all__ = ["named_leaves"]


def named_leaves(tree: Any, *, inside: bool = True, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every leaf of a tree with its name, in order; None is no leaf.

    Parameters
    ----------
    tree : nested dicts, lists, tuples and dataclasses
    inside : bool
        Whether to go into factored matrices; otherwise they are leaves.
    prefix : str
        Name of the tree itself, "" for none.

    Examples
    --------
    >>> list(named_leaves({"layers": [{"weight": 1}, {"weight": 2}], "scale": 3, "bias": None}))
    [('layers.0.weight', 1), ('layers.1.weight', 2), ('scale', 3)]
    """
    parts = branches(tree) if inside or not isinstance(tree, Factored) else None
    if parts is None:
        if tree is not None:
            yield prefix, tree
        return
    for name, part in parts.items():
        yield from named_leaves(part, inside=inside, prefix=under(prefix, name))


def branches(tree: Any) -> dict[str, Any] | None:
    """What lies in a tree, by name; None for a leaf."""
    if isinstance(tree, dict):
        return {str(name): part for name, part in tree.items()}
    if isinstance(tree, list | tuple):
        return {str(i): part for i, part in enumerate(tree)}
    if dataclasses.is_dataclass(tree) and not isinstance(tree, type):
        return {field.name: getattr(tree, field.name) for field in dataclasses.fields(tree) if field.init}
    return None


def under(prefix: str, name: str) -> str:
    """The name of what lies in something of a name."""
    return f"{prefix}.{name}" if prefix else name
