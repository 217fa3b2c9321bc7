"""Alignment functions a(q, k): how well a key answers a query. `SCORES` holds them by name."""

from collections.abc import Callable
from types import MappingProxyType

from factorattn import catalogue
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
    TypeError
        If `name` is not a string.
    """
    return catalogue.find(SCORES, name, kind="score")
