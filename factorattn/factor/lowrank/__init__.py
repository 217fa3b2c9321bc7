"""A matrix as a product of two thin ones."""

from factorattn.factor.lowrank.truncated_svd import truncated_svd

__all__ = ["truncated_svd"]
