"""Alignment functions a(q, k): how well a key answers a query. `SCORES` holds them by name."""

import difflib
from collections.abc import Callable
from types import MappingProxyType

from factorattn.score.activated_general import activated_general
from factorattn.score.additive import additive
from factorattn.score.biased_general import biased_general
from factorattn.score.concat import concat
from factorattn.score.cosine import cosine
from factorattn.score.deep import deep
from factorattn.score.dot import dot
from factorattn.score.euclidean import euclidean
from factorattn.score.feature import feature
from factorattn.score.gaussian import gaussian
from factorattn.score.general import general
from factorattn.score.kernel import kernel
from factorattn.score.location import location
from factorattn.score.location_aware import location_aware
from factorattn.score.scaled_dot import scaled_dot

__all__ = [
    "SCORES",
    "activated_general",
    "additive",
    "biased_general",
    "concat",
    "cosine",
    "deep",
    "dot",
    "euclidean",
    "feature",
    "find",
    "gaussian",
    "general",
    "kernel",
    "location",
    "location_aware",
    "scaled_dot",
]

SCORES: MappingProxyType[str, Callable] = MappingProxyType(
    {name: globals()[name] for name in __all__ if hasattr(globals().get(name), "record")}
)


def find(name: str) -> Callable:
    """Return the score called `name`.

    Raises
    ------
    ValueError
        If there is none; the message offers the nearest names.
    """
    if not isinstance(name, str):
        raise TypeError(f"name must be a string, got {name!r}")
    if name not in SCORES:
        near = difflib.get_close_matches(name, SCORES, n=3, cutoff=0.4) or list(SCORES)
        raise ValueError(f"score must be one of the library's, got {name!r}; did you mean {' or '.join(near)}?")
    return SCORES[name]
