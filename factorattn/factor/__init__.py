"""Matrices as products of smaller or simpler ones. Knows nothing of attention."""

from factorattn.factor.directions import hadamard_gaussian, iid_gaussian, orthogonal_gaussian
from factorattn.factor.features import hyperbolic_features, positive_features, trigonometric_features
from factorattn.factor.gaussian import erf, erfc, normal_density, upper_tail
from factorattn.factor.generalized import generalized_features
from factorattn.factor.pinv import iterative_pinv
from factorattn.factor.pooling import segment_means, strided_convolution
from factorattn.factor.radial import gaussian_means, parabola_means, radial_grid
from factorattn.factor.ridge import contraction_operator, ridge_operator, sequence_operator
from factorattn.factor.svd import truncated_svd

__all__ = [
    "contraction_operator",
    "erf",
    "erfc",
    "gaussian_means",
    "generalized_features",
    "hadamard_gaussian",
    "hyperbolic_features",
    "iid_gaussian",
    "iterative_pinv",
    "normal_density",
    "orthogonal_gaussian",
    "parabola_means",
    "positive_features",
    "radial_grid",
    "ridge_operator",
    "segment_means",
    "sequence_operator",
    "strided_convolution",
    "trigonometric_features",
    "truncated_svd",
    "upper_tail",
]
