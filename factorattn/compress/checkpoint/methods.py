"""Factorizations that make a weight matrix of a checkpoint smaller, by the names that the command line gives them."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from factorattn.factor.factored import SVD, Factored, Product
from factorattn.factor.lowrank import randomized_svd
from factorattn.factor.selection import cur, interpolative, rrqr
from factorattn.factor.structured import kronecker
from factorattn.factor.tensor import tensor_train_matrix

__all__ = ["METHODS", "Method", "singular_values"]


class Method(NamedTuple):
    """A factorization: the matrix, its rank and a source of randomness in, factors out.

    Parameters
    ----------
    factor : callable
    about : str
        A line of help.
    inner : int or None
        Factors (r, r) beside those of (p, r) and (r, q); None for a method whose rank is no rank of the matrix.
    random : bool
        Whether it draws.
    """

    factor: Callable[[Any, int, Any], Factored]
    about: str
    inner: int | None = 0
    random: bool = False

    @property
    def thin(self) -> bool:
        """Whether the factors of rank r have r (p + q) numbers."""
        return self.inner == 0

    def parameters(self, rank: int, p: int, q: int) -> int | None:
        """The numbers that factors of a rank keep, of a matrix (p, q); None if only factoring tells."""
        return None if self.inner is None else rank * (p + q + self.inner * rank)


def singular_values(a: np.ndarray) -> np.ndarray:
    """All of them, falling, in the precision of the matrix."""
    from scipy.linalg import svdvals

    return svdvals(a, check_finite=False)


def _svd(a: np.ndarray, rank: int) -> Product:
    """`truncated_svd` in the precision of the matrix.

    NumPy decomposes float32 in float64, which takes three times the memory; SciPy does not.
    """
    from scipy.linalg import svd

    u, s, vt = svd(a, full_matrices=False, check_finite=False)
    return SVD(u[:, :rank], s[:rank], vt[:rank]).two_factors()


METHODS = {
    "svd": Method(lambda a, rank, _: _svd(a, rank), "the nearest matrix of its rank"),
    "randomized": Method(
        lambda a, rank, rng: randomized_svd(a, rank, rng=rng).two_factors(),
        "nearly the nearest, in a fraction of the time",
        random=True,
    ),
    "rrqr": Method(lambda a, rank, _: rrqr(a, rank), "an orthonormal basis of some columns"),
    "interpolative": Method(lambda a, rank, _: interpolative(a, rank), "columns of the matrix itself"),
    "cur": Method(lambda a, rank, _: cur(a, rank), "columns and rows of the matrix itself", inner=3),
    "kronecker": Method(lambda a, rank, _: kronecker(a, rank), "the nearest sum of Kronecker products", inner=None),
    "tensor-train": Method(
        lambda a, rank, _: tensor_train_matrix(a, rank), "cores with a digit of the row and of the column", inner=None
    ),
}
