"""How cost grows: counted cost at any size, exact polynomials, and the formulas that mechanisms declare."""

from factorattn.complexity.cost import Cost, cost
from factorattn.complexity.formula import evaluate, monomials
from factorattn.complexity.polynomial import Polynomial, memory_polynomial, time_polynomial

__all__ = ["Cost", "Polynomial", "cost", "evaluate", "memory_polynomial", "monomials", "time_polynomial"]
