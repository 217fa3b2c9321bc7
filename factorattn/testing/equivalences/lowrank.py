"""Equivalences of the family `lowrank`."""

from factorattn.testing.equivalences.edge import Equivalence

__all__ = ["EDGES"]

EDGES: tuple[Equivalence, ...] = ()
