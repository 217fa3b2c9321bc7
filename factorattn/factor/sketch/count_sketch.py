"""CountSketch: every entry goes, with a random sign, into one random bucket.

    (S x)_b = sum over i with h(i) = b of s(i) x_i

Inner products are kept on average, with variance (|x|^2 |y|^2 + (x . y)^2 - 2 sum_i x_i^2 y_i^2) / r.
"""

from typing import Any

from factorattn.factor.sketch.door import admit_sketch
from factorattn.factor.sketch.kinds import Sketch
from factorattn.factor.sketch.sparse_sign import signed_sums
from factorattn.scalars import generator

__all__ = ["count_sketch"]


def count_sketch(r: int, p: int, *, like: Any, rng: Any = None) -> Sketch:
    """Draw a sketch with one nonzero entry, 1 or -1, in each column.

    Parameters
    ----------
    r, p : int
        Rows and columns: vectors of size p become vectors of size r.
    like : array
        The sketch has its library, its device and its dtype, but single precision at the least.
    rng : int, numpy.random.Generator or None
        Source of randomness (SPEC 7).

    Returns
    -------
    sketch : Sketch, shape (r, p)
        It keeps p numbers; less than 2 p operations for a vector, whatever r is.

    Raises
    ------
    ValueError
        If `r` is below 1 or `p` below 0.
    TypeError
        If a size is no integer, `like` is not a floating array, or `rng` no source of randomness.

    Notes
    -----
    Buckets and signs are drawn independently for all entries; the papers show that hash functions with little
    independence do as well, which saves memory in a stream and nothing here. From the same seed it is the matrix of
    ``scipy.linalg.clarkson_woodruff_transform``.

    References
    ----------
    Charikar, Chen and Farach-Colton, "Finding Frequent Items in Data Streams", ICALP 2002. Clarkson and Woodruff,
    "Low Rank Approximation and Regression in Input Sparsity Time", STOC 2013. arXiv:1207.6365
    """
    _, r, p, kind = admit_sketch(r, p, like)
    rng = generator(rng)
    buckets, signs = rng.integers(0, r, size=p), rng.choice([1.0, -1.0], size=p)
    return signed_sums(buckets[None, :], signs[None, :], r, like, kind)
