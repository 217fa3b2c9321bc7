"""Sets of pairs (i, j): an algebra, shapes, blocks and reach. Knows nothing of attention."""

from factorattn.pattern.grids import axial, local_2d
from factorattn.pattern.options import at_least
from factorattn.pattern.pattern import Pattern
from factorattn.pattern.randomness import bigbird, block_ends, random, random_blocks
from factorattn.pattern.shapes import (
    band,
    blocks,
    causal,
    columns,
    dilated,
    fixed,
    full,
    identity,
    local_1d,
    longformer,
    nothing,
    sinks,
    strided,
    window,
)
from factorattn.pattern.steps import receptive_field
from factorattn.pattern.tables import key_tables

__all__ = [
    "Pattern",
    "at_least",
    "axial",
    "band",
    "bigbird",
    "block_ends",
    "blocks",
    "causal",
    "columns",
    "dilated",
    "fixed",
    "full",
    "identity",
    "key_tables",
    "local_1d",
    "local_2d",
    "longformer",
    "nothing",
    "random",
    "random_blocks",
    "receptive_field",
    "sinks",
    "strided",
    "window",
]
