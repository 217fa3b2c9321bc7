"""The Gaussian sketch: independent normal numbers.

    S = G / sqrt(r),   G_ij ~ N(0, 1)

Inner products are kept on average, with variance (|x|^2 |y|^2 + (x . y)^2) / r.
"""

from typing import Any

from factorattn.factor.sketch.door import admit_sketch
from factorattn.factor.sketch.kinds import Sketch
from factorattn.scalars import generator

__all__ = ["gaussian_sketch"]


def gaussian_sketch(r: int, p: int, *, like: Any, rng: Any = None) -> Sketch:
    """Draw a matrix of independent normal numbers of variance 1 / r.

    Parameters
    ----------
    r, p : int
        Its rows and columns: vectors of size p become vectors of size r.
    like : array
        The sketch has its library, its device and its dtype, but single precision at the least. For a complex one the
        numbers are real all the same.
    rng : int, numpy.random.Generator or None
        Source of randomness (SPEC 7).

    Returns
    -------
    sketch : Sketch, shape (r, p)
        One dense factor: 2 r p operations for a vector.

    Raises
    ------
    ValueError
        If `r` is below 1 or `p` below 0.
    TypeError
        If a size is no integer, `like` is not a floating array, or `rng` no source of randomness.

    References
    ----------
    Halko, Martinsson and Tropp, "Finding Structure with Randomness: Probabilistic Algorithms for Constructing
    Approximate Matrix Decompositions", SIAM Review 53(2), 2011, pages 217-288. arXiv:0909.4061
    """
    xp, r, p, kind = admit_sketch(r, p, like)
    return Sketch((xp.asarray(generator(rng).standard_normal((r, p)) * r**-0.5, **kind),))
