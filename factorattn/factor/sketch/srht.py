"""The subsampled randomized Hadamard transform: random signs, a fast transform, a few of its entries.

    S = R H D / sqrt(r)

D has random signs on its diagonal, H is the Hadamard matrix of size P, the least power of two from p on (vectors are
filled up with zeros), and R picks r of its P rows, each at most once.

Signs and H spread a vector evenly over its entries, so that any r of them tell its length. Inner products are kept on
average, with variance (P - r) / (P - 1) (|x|^2 |y|^2 + (x . y)^2 - 2 sum_i x_i^2 y_i^2) / r.
"""

from typing import Any

import numpy as np

from factorattn.factor.factored import Diagonal
from factorattn.factor.sketch.door import admit_sketch
from factorattn.factor.sketch.hadamard_transform import power_of_two
from factorattn.factor.sketch.kinds import Hadamard, Sketch, scatter
from factorattn.scalars import generator

__all__ = ["srht"]


def srht(r: int, p: int, *, like: Any, rng: Any = None) -> Sketch:
    """Draw a subsampled randomized Hadamard transform.

    Parameters
    ----------
    r, p : int
        Rows and columns: vectors of size p become vectors of size r, which is at most P.
    like : array
        The sketch has its library, its device and its dtype, but single precision at the least.
    rng : int, numpy.random.Generator or None
        Source of randomness (SPEC 7).

    Returns
    -------
    sketch : Sketch, shape (r, p)
        It keeps p numbers; p + P log2(P) operations for a vector, whatever r is.

    Raises
    ------
    ValueError
        If `r` is below 1 or above P, or `p` below 0.
    TypeError
        If a size is no integer, `like` is not a floating array, or `rng` no source of randomness.

    References
    ----------
    Ailon and Chazelle, "The Fast Johnson-Lindenstrauss Transform and Approximate Nearest Neighbors", SIAM Journal on
    Computing 39(1), 2009, pages 302-322. Tropp, "Improved Analysis of the Subsampled Randomized Hadamard Transform",
    Advances in Adaptive Data Analysis 3, 2011, pages 115-126. arXiv:1011.1595
    """
    xp, r, p, kind = admit_sketch(r, p, like)
    full = power_of_two(p)
    if r > full:
        raise ValueError(
            f"r must be at most {full}, the power of two that p={p} is filled up to, got {r}; "
            "more rows than that hold nothing new"
        )
    rng = generator(rng)
    signs = rng.choice([-1.0, 1.0], size=p) * r**-0.5
    kept = np.sort(rng.choice(full, size=r, replace=False))
    fill = () if full == p else (scatter(np.arange(p), full, like=like),)
    spread = Hadamard(full, xp.empty(0, **kind))
    return Sketch((scatter(kept, full, like=like).mT, spread, *fill, Diagonal(xp.asarray(signs, **kind))))
