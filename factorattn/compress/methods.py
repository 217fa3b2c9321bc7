"""Factorizations that make a weight matrix of a checkpoint smaller, by the names that the command line gives them."""

from collections.abc import Callable
from typing import Any, NamedTuple

from factorattn.factor.factored import Factored
from factorattn.factor.lowrank import randomized_svd, truncated_svd
from factorattn.factor.selection import cur, interpolative, rrqr

__all__ = ["METHODS", "Method"]


class Method(NamedTuple):
    """A factorization: the matrix, its rank and a source of randomness in, factors out.

    Parameters
    ----------
    factor : callable
    about : str
        A line of help.
    inner : int
        Factors (r, r) beside those of (p, r) and (r, q).
    random : bool
        Whether it draws.
    """

    factor: Callable[[Any, int, Any], Factored]
    about: str
    inner: int = 0
    random: bool = False

    @property
    def thin(self) -> bool:
        """Whether the factors of rank r have r (p + q) numbers."""
        return not self.inner

    def parameters(self, rank: int, p: int, q: int) -> int:
        """The numbers that factors of a rank keep, of a matrix (p, q)."""
        return rank * (p + q + self.inner * rank)


METHODS = {
    "svd": Method(lambda a, rank, _: truncated_svd(a, rank).two_factors(), "the nearest matrix of its rank"),
    "randomized": Method(
        lambda a, rank, rng: randomized_svd(a, rank, rng=rng).two_factors(),
        "nearly the nearest, in a fraction of the time",
        random=True,
    ),
    "rrqr": Method(lambda a, rank, _: rrqr(a, rank), "an orthonormal basis of chosen columns"),
    "interpolative": Method(lambda a, rank, _: interpolative(a, rank), "columns of the matrix itself"),
    "cur": Method(lambda a, rank, _: cur(a, rank), "columns and rows of the matrix itself", inner=3),
}
