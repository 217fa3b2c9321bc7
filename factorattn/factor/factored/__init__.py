"""Matrices held as factors: one type, a few kinds."""

from factorattn.factor.factored.base import Factored, dense, times
from factorattn.factor.factored.heads import Heads
from factorattn.factor.factored.product import SVD, Chain, Diagonal, Gram, Permutation, Product, Sum

__all__ = ["SVD", "Chain", "Diagonal", "Factored", "Gram", "Heads", "Permutation", "Product", "Sum", "dense", "times"]
