"""Equivalences of the family `multihead`."""

from factorattn.testing.equivalences.edge import Equivalence

__all__ = ["EDGES"]

EDGES: tuple[Equivalence, ...] = ()
