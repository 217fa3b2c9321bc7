"""Equivalences of the family `position`."""

from factorattn.testing.equivalences.edge import Equivalence

__all__ = ["EDGES"]

EDGES: tuple[Equivalence, ...] = ()
