"""Equivalences of the family `sparse`."""

from factorattn.testing.equivalences.edge import Equivalence

__all__ = ["EDGES"]

EDGES: tuple[Equivalence, ...] = ()
