"""Equivalences of the family `kernel`."""

from factorattn.testing.equivalences.edge import Equivalence

__all__ = ["EDGES"]

EDGES: tuple[Equivalence, ...] = ()
