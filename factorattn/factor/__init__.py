"""Matrices as products of smaller or simpler ones. Knows nothing of attention."""

from factorattn.factor.features import orthogonal_gaussian, positive_features, trigonometric_features
from factorattn.factor.pooling import segment_means
from factorattn.factor.svd import truncated_svd

__all__ = ["orthogonal_gaussian", "positive_features", "segment_means", "trigonometric_features", "truncated_svd"]
