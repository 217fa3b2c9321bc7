"""From scores to weights: p(a), along the last axis. `DISTRIBUTIONS` holds them by name."""

import difflib
from collections.abc import Callable
from types import MappingProxyType

from factorattn.distribution.deattention import deattention
from factorattn.distribution.entmax import entmax
from factorattn.distribution.entmax_gradient import entmax_alpha_gradient
from factorattn.distribution.hard import hard
from factorattn.distribution.multinoulli import multinoulli
from factorattn.distribution.proportional import proportional
from factorattn.distribution.sigmoid import sigmoid
from factorattn.distribution.sinkhorn import sinkhorn
from factorattn.distribution.softmax import softmax
from factorattn.distribution.softmax_one import softmax_one
from factorattn.distribution.sparsemax import sparsemax
from factorattn.distribution.top_k import top_k

__all__ = [
    "DISTRIBUTIONS",
    "deattention",
    "entmax",
    "entmax_alpha_gradient",
    "find",
    "hard",
    "multinoulli",
    "proportional",
    "sigmoid",
    "sinkhorn",
    "softmax",
    "softmax_one",
    "sparsemax",
    "top_k",
]

DISTRIBUTIONS: MappingProxyType[str, Callable] = MappingProxyType(
    {name: globals()[name] for name in __all__ if hasattr(globals().get(name), "record")}
)


def find(name: str) -> Callable:
    """Return the distribution called `name`.

    Raises
    ------
    ValueError
        If there is none; the message offers the nearest names.
    """
    if not isinstance(name, str):
        raise TypeError(f"name must be a string, got {name!r}")
    if name not in DISTRIBUTIONS:
        near = difflib.get_close_matches(name, DISTRIBUTIONS, n=3, cutoff=0.4) or list(DISTRIBUTIONS)
        raise ValueError(f"distribution must be one of the library's, got {name!r}; did you mean {' or '.join(near)}?")
    return DISTRIBUTIONS[name]
