"""Laws that mechanisms and factorizations obey, and the three tolerances: for this library's tests and for yours."""

from factorattn.testing.case import SIZES, Case
from factorattn.testing.check import check_factorization, check_mechanism
from factorattn.testing.cost_laws import COST_LAWS
from factorattn.testing.factor_case import FactorCase
from factorattn.testing.factor_laws import FACTOR_LAWS
from factorattn.testing.gradient_laws import FEW, GRADIENT_LAWS
from factorattn.testing.laws import LAWS
from factorattn.testing.tolerance import BOUND, CHANCE, ROUNDING

__all__ = [
    "BOUND",
    "CHANCE",
    "COST_LAWS",
    "FACTOR_LAWS",
    "FEW",
    "GRADIENT_LAWS",
    "LAWS",
    "ROUNDING",
    "SIZES",
    "Case",
    "FactorCase",
    "check_factorization",
    "check_mechanism",
]
