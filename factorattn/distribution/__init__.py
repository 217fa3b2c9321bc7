"""From scores to weights: p(a), along the last axis. `DISTRIBUTIONS` holds them by name."""

from collections.abc import Callable
from types import MappingProxyType

from factorattn import catalogue
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
    TypeError
        If `name` is not a string.
    """
    return catalogue.find(DISTRIBUTIONS, name, kind="distribution")
