"""What an optimizer changes: the arrays of real floating numbers in a tree of parameters; all else stays as it is."""

from collections.abc import Callable
from typing import Any

import array_api_compat

from factorattn.factor.factored import Factored
from factorattn.interpret.tree import tree_map
from factorattn.model.naming import named_leaves
from factorattn.scalars import real

__all__ = [
    "change_arrays",
    "check_parameters",
    "is_trained",
    "like_parameters",
    "map_trained",
    "not_negative",
    "without_bounds",
    "zeros",
]

SHORTEST = 32  # bits: in fewer, a weight of 1 takes no step below 0.0005


def map_trained(update: Callable, parameters: Any, *rest: Any) -> Any:
    """``update(p, *others)`` for every array p that is trained and the leaves at its place in `rest`.

    Parameters
    ----------
    update : callable
        Of arrays; gives a new array.
    parameters : tree
        Indices, numbers, texts and truth values in it are given back unchanged.
    *rest : trees
        Of the same structure.

    Returns
    -------
    tree
        With the structure of `parameters`. A bound on the error of a factored matrix is no longer known.
    """

    def one(p: Any, *others: Any) -> Any:
        return update(p, *others) if is_trained(p) else p

    return tree_map(one, *(without_bounds(tree) for tree in (parameters, *rest)))


def zeros(parameters: Any) -> Any:
    """A zero for every number that is trained."""
    return map_trained(lambda p: array_api_compat.array_namespace(p).zeros_like(p), parameters)


def is_trained(p: Any) -> bool:
    """Whether a leaf is an array of numbers that are no indices."""
    if not hasattr(p, "dtype"):
        return False
    return not array_api_compat.array_namespace(p).isdtype(p.dtype, ("integral", "bool"))


def check_parameters(parameters: Any) -> None:
    """TypeError for arrays that small steps cannot change, or that gradients are not defined for; they are named."""
    for name, p in named_leaves(without_bounds(parameters)):
        if is_trained(p):
            _hold_dtype(name or "parameters", p)


def like_parameters(parameters: Any, gradients: Any) -> Any:
    """Gradients in the dtypes of parameters. Errors name the first that is missing, or of another shape."""
    parameters = without_bounds(parameters)
    names = (name for name, leaf in named_leaves(parameters) if hasattr(leaf, "dtype"))

    def one(p: Any, g: Any) -> Any:
        name = next(names) or "parameters"
        if not is_trained(p):
            return p
        _hold_dtype(name, p)
        if not hasattr(g, "dtype"):
            raise TypeError(f"the gradient of {name} must be an array, got {type(g).__name__}")
        if tuple(g.shape) != tuple(p.shape):
            raise ValueError(f"the gradient of {name} must have its shape, {tuple(p.shape)}, got {tuple(g.shape)}")
        return array_api_compat.array_namespace(p, g).astype(g, p.dtype, copy=False)

    return tree_map(one, parameters, without_bounds(gradients))


def _hold_dtype(name: str, p: Any) -> None:
    xp = array_api_compat.array_namespace(p)
    if not xp.isdtype(p.dtype, "real floating"):
        raise TypeError(f"{name} must be real, got {p.dtype}")
    if xp.finfo(p.dtype).bits < SHORTEST:
        raise TypeError(
            f"{name} must be float32 or float64, got {p.dtype}, in which small steps are lost; keep it in float32 and "
            "let the model convert it"
        )


def not_negative(**argument: Any) -> float:
    """A finite real number from zero on."""
    ((name, value),) = argument.items()
    if real(**argument) < 0:
        raise ValueError(f"{name} must not be negative, got {value!r}")
    return float(value)


def change_arrays(change: Callable, tree: Any) -> Any:
    """``change(x)`` for every array of numbers in one tree; gradients, in which None stands for indices, are trees too.

    What is known of errors of factored matrices is left out: numbers, but none to be trained.
    """
    return _changed(change, lambda leaf: change(leaf) if is_trained(leaf) else leaf, tree)


def without_bounds(tree: Any) -> Any:
    """The tree without what is known of errors of factored matrices."""
    return _changed(lambda x: x, lambda leaf: leaf, tree)


def _changed(inside: Callable, alone: Callable, tree: Any) -> Any:
    if isinstance(tree, Factored):
        return tree.map(inside)
    if isinstance(tree, dict):
        return {name: _changed(inside, alone, part) for name, part in tree.items()}
    if isinstance(tree, list | tuple):
        parts = [_changed(inside, alone, part) for part in tree]
        return type(tree)(*parts) if hasattr(tree, "_fields") else type(tree)(parts)
    return alone(tree)
