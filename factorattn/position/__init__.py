"""Where a token stands: encodings added to it, biases of pairs, rotations.

    table       a row for each position, to be added to the tokens     x + sinusoidal(n, d, like=x)
    bias        a number for each pair, added to the logits            softmax_attention(q, k, v, bias=alibi(...))
    rotation    of queries and of keys                                 softmax_attention(rotary(q), rotary(k), v)

Sizes are arguments; what is made of sizes alone takes ``like=``, an array whose library, dtype and device it shares.
Query i stands beside key ``i + offset``, and offset is by default m - n.
"""

from collections.abc import Callable
from types import MappingProxyType

from factorattn import catalogue
from factorattn.position.alibi import alibi, alibi_slopes
from factorattn.position.axial import axial
from factorattn.position.convolutional import convolutional
from factorattn.position.kerple import kerple
from factorattn.position.learned import learned
from factorattn.position.music import music_relative
from factorattn.position.rotary import rotary
from factorattn.position.shaw import shaw_relative, shaw_values
from factorattn.position.sinusoidal import sinusoidal
from factorattn.position.t5 import t5_buckets, t5_relative
from factorattn.position.transformer_xl import transformer_xl_relative

__all__ = [
    "POSITIONS",
    "alibi",
    "alibi_slopes",
    "axial",
    "convolutional",
    "find",
    "kerple",
    "learned",
    "music_relative",
    "rotary",
    "shaw_relative",
    "shaw_values",
    "sinusoidal",
    "t5_buckets",
    "t5_relative",
    "transformer_xl_relative",
]

POSITIONS: MappingProxyType[str, Callable] = MappingProxyType(
    {name: globals()[name] for name in sorted(__all__) if hasattr(globals().get(name), "record")}
)


def find(name: str) -> Callable:
    """Return the way to tell positions called `name`, with or without its ``_relative``.

    Raises
    ------
    ValueError
        If there is none; the message offers the nearest names.
    TypeError
        If `name` is not a string.
    """
    return catalogue.find(POSITIONS, name, kind="position", suffix="_relative")
