"""A matrix as a product of two thin ones, or the sum of one and a sparse one; and how many columns are enough."""

from factorattn.factor.lowrank.adaptive_svd import adaptive_svd
from factorattn.factor.lowrank.bounds import expected_frobenius_bound, expected_spectral_bound
from factorattn.factor.lowrank.nmf import nmf
from factorattn.factor.lowrank.randomized_svd import randomized_svd
from factorattn.factor.lowrank.robust_pca import robust_pca
from factorattn.factor.lowrank.spectrum import rank_for_energy, rank_for_error
from factorattn.factor.lowrank.truncated_svd import truncated_svd

__all__ = [
    "adaptive_svd",
    "expected_frobenius_bound",
    "expected_spectral_bound",
    "nmf",
    "randomized_svd",
    "rank_for_energy",
    "rank_for_error",
    "robust_pca",
    "truncated_svd",
]
