"""The sparse sign sketch: z nonzero entries in each column, of random signs.

    S_(b_kj, j) = s_kj / sqrt(z),   k = 1 ... z,   b_1j ... b_zj distinct in 0 ... r - 1

Inner products are kept on average, with variance (|x|^2 |y|^2 + (x . y)^2 - 2 sum_i x_i^2 y_i^2) / r, whatever z is;
more entries make large deviations rarer.
"""

from typing import Any

import array_api_compat
import numpy as np

from factorattn.factor.factored import Diagonal
from factorattn.factor.sketch.door import admit_sketch
from factorattn.factor.sketch.kinds import Sketch, scatter
from factorattn.scalars import generator, whole

__all__ = ["signed_sums", "sparse_sign"]

NONZEROS = 8  # where the sketch has as many rows


def sparse_sign(r: int, p: int, *, like: Any, rng: Any = None, nonzeros: int | None = None) -> Sketch:
    """Draw a sketch with few nonzero entries in each column.

    Parameters
    ----------
    r, p : int
        Rows and columns: vectors of size p become vectors of size r.
    like : array
        The sketch has its library, its device and its dtype, but single precision at the least.
    rng : int, numpy.random.Generator or None
        Source of randomness (SPEC 7).
    nonzeros : int, optional
        Number z of nonzero entries in a column, at most r; by default min(r, 8), the advice of Tropp et al. 2019.

    Returns
    -------
    sketch : Sketch, shape (r, p)
        It keeps z p numbers; a vector takes a multiplication for each, and an addition for each but the first in a row.

    Raises
    ------
    ValueError
        If `r` is below 1, `p` below 0, or `nonzeros` not in 1 ... r.
    TypeError
        If a size is no integer, `like` is not a floating array, or `rng` no source of randomness.

    References
    ----------
    Martinsson and Tropp, "Randomized numerical linear algebra: Foundations and algorithms", Acta Numerica 29, 2020,
    arXiv:2002.01387. Cohen, "Nearly Tight Oblivious Subspace Embeddings by Trace Inequalities", SODA 2016. Tropp,
    Yurtsever, Udell and Cevher, "Streaming Low-Rank Matrix Approximation with an Application to Scientific Simulation",
    SIAM Journal on Scientific Computing 41(4), 2019. arXiv:1902.08651
    """
    _, r, p, kind = admit_sketch(r, p, like)
    z = min(r, NONZEROS) if nonzeros is None else whole(nonzeros=nonzeros)
    if not 1 <= z <= r:
        raise ValueError(f"nonzeros must be in 1 .. r = {r}, got {z}")
    rng = generator(rng)
    return signed_sums(_distinct(r, z, p, rng), rng.choice([-1.0, 1.0], size=(z, p)) * z**-0.5, r, like, kind)


def signed_sums(buckets: np.ndarray, weights: np.ndarray, r: int, like: Any, kind: dict[str, Any]) -> Sketch:
    """The matrix (r, p) with entry weights_kj in row buckets_kj of column j, for both of shape (z, p)."""
    xp, (z, p) = array_api_compat.array_namespace(like), buckets.shape
    copies = () if z == 1 else (scatter(np.tile(np.arange(p), z), p, like=like).mT,)  # (z p, p)
    weighted = Diagonal(xp.asarray(np.reshape(weights, -1), **kind))
    return Sketch((scatter(np.reshape(buckets, -1), r, like=like), weighted, *copies))


def _distinct(r: int, z: int, p: int, rng: np.random.Generator) -> np.ndarray:
    """For each of p columns z distinct numbers below r, each set as likely as any other (Floyd's algorithm)."""
    drawn = np.empty((0, p), dtype=np.int64)
    for top in range(r - z, r):
        new = rng.integers(0, top + 1, size=p)
        drawn = np.concatenate([drawn, np.where(np.any(drawn == new, axis=0), top, new)[None]])
    return drawn
