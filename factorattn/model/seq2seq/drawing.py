"""The learned arrays of scores to begin with, drawn from their contracts: Glorot's uniform numbers; biases zero."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from factorattn.model.initialize.xavier import xavier_uniform
from factorattn.model.seq2seq.alignment import learned_items
from factorattn.model.seq2seq.checks import count
from factorattn.scalars import generator

__all__ = ["matrix", "score_parameters"]


def matrix(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Glorot's uniform numbers for matrices (..., out, in); a vector (in,) is a matrix of one row."""
    return np.reshape(xavier_uniform(shape if len(shape) > 1 else (1, *shape), rng=rng, dtype=dtype), shape)


def score_parameters(
    score: str | Callable,
    sizes: Mapping[str, int],
    *,
    optional: tuple[str, ...] = (),
    rng: Any = None,
    dtype: Any = "float64",
) -> dict[str, Any]:
    """The learned arrays of a score, drawn from its contract.

    Parameters
    ----------
    score : str or callable
        A name in `factorattn.score.SCORES`, or a function with options bound.
    sizes : mapping of str to int
        Sizes of the letters of its contract: d of a query, c (or d) of a key, a of hidden units, and others where the
        score has them. f of `concat` is d + c.
    optional : tuple of str
        The arguments that may be left out, and are wanted.
    rng : int, numpy.random.Generator or None
        Source of randomness (SPEC 7).
    dtype : dtype
        Of NumPy.

    Returns
    -------
    dict
        Of NumPy arrays; biases are zeros. Empty for a score without learned arrays.

    Raises
    ------
    ValueError
        If the size of a letter is not told, `optional` names what the score has not, or an array has an axis of
        queries: decoders do not know how many there will be.
    """
    rng, items = generator(rng), learned_items(score)
    missing = [name for name in optional if name not in [item.name for item in items if item.optional]]
    if missing:
        raise ValueError(f"optional must name arguments that {score!r} may be given, got {missing[0]!r}")
    told, found = {letter: count(**{letter: size}) for letter, size in sizes.items()}, {}
    if score == "concat":
        told["f"] = told["d"] + told["c"]
    for item in items:
        if item.optional and item.name not in optional:
            continue
        if "n" in item.axes:
            raise ValueError(f"{item.name} of the score has an entry for each query: it cannot be learned")
        lacking = [letter for letter in item.axes if letter not in told]
        if lacking:
            raise ValueError(f"sizes must tell {lacking[0]!r} of {item.name} ({', '.join(item.axes)}), got {told}")
        shape = tuple(told[letter] for letter in item.axes)
        bias = item.name in BIASES
        found[item.name] = np.zeros(shape, dtype) if bias or not shape else matrix(rng, shape, dtype)
    return found


BIASES = ("b", "biases")
