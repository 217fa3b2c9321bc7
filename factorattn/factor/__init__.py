"""Matrices as products of smaller or simpler ones. Knows nothing of attention."""

from factorattn.factor.directions import hadamard_gaussian, iid_gaussian, orthogonal_gaussian
from factorattn.factor.features import hyperbolic_features, positive_features, trigonometric_features
from factorattn.factor.generalized import generalized_features
from factorattn.factor.pinv import iterative_pinv
from factorattn.factor.pooling import segment_means, strided_convolution
from factorattn.factor.svd import truncated_svd

__all__ = [
    "generalized_features",
    "hadamard_gaussian",
    "hyperbolic_features",
    "iid_gaussian",
    "iterative_pinv",
    "orthogonal_gaussian",
    "positive_features",
    "segment_means",
    "strided_convolution",
    "trigonometric_features",
    "truncated_svd",
]
