"""Mechanisms at the end of their range are other mechanisms. Each edge is a test; together they are a graph."""

from factorattn.testing.equivalences import (
    alignment,
    distribution,
    exact,
    hashing,
    kernel,
    levels,
    lowrank,
    memory,
    multihead,
    position,
    sequences,
    sparse,
)
from factorattn.testing.equivalences.edge import Equivalence

__all__ = ["EQUIVALENCES", "Equivalence"]

EQUIVALENCES: tuple[Equivalence, ...] = (
    *exact.EDGES,
    *sparse.EDGES,
    *lowrank.EDGES,
    *kernel.EDGES,
    *hashing.EDGES,
    *memory.EDGES,
    *alignment.EDGES,
    *distribution.EDGES,
    *levels.EDGES,
    *sequences.EDGES,
    *multihead.EDGES,
    *position.EDGES,
)
