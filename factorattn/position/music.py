"""Relative positions of the Music Transformer (Huang et al. 2018): a learned vector for each distance, unclipped.

    S_ij = scale q_i . e_(j - i)    for j <= i

In the paper's order of rows S is the product q e^T, skewed: no vector is gathered for any pair.
"""

from typing import Any

from factorattn.catalogue import Position
from factorattn.contract import check, choose, working_precision
from factorattn.position.options import beside, logit_scale
from factorattn.position.skew import gather, skew

__all__ = ["music_relative"]

INPUTS = "q: ... n d, e: ... m d"


@Position(inputs=INPUTS, output="n m", time="n*m*d", memory="n*m", paper="huang2018")
def music_relative(q: Any, e: Any, *, scale: float | None = None, offset: int | None = None, form: str = "skew") -> Any:
    """What queries say to the distances of the keys behind them: pass it as ``bias=``, with ``causal=True``.

    Parameters
    ----------
    q : array, shape (..., n, d)
        Queries, by default the last n of m positions.
    e : array, shape (..., m, d)
        A vector for each distance j - i, in the paper's order: from -(m - 1) in the first row to 0 in the last.
    scale : float, optional
        Factor of q . e, the same that attention has for q . k; by default 1 / sqrt(d).
    offset : int, optional
        The key that stands beside query 0, by default m - n: the last query beside the last key. Not beyond that, since
        the distances there have no vector.
    form : {"skew", "explicit"}
        Equal to rounding. "explicit" is the definition, and picks every entry by its index.

    Returns
    -------
    bias : array, shape (..., n, m), result dtype of the inputs
        Zero for keys ahead of the query, which have no vector: causality hides them.

    Raises
    ------
    ValueError
        If shapes disagree, `offset` is above m - n, or `form` is unknown.
    TypeError
        If inputs are not floating arrays of one library.

    References
    ----------
    Huang et al., "Music Transformer: Generating Music with Long-Term Structure", 2018, section 3.4. arXiv:1809.04281
    """
    xp, size = check(INPUTS, q=q, e=e)
    spread, n, m = choose(FORMS, form=form), size["n"], size["m"]
    offset = beside(offset, n, m)
    if offset > m - n:
        raise ValueError(f"offset must be at most m - n = {m - n}, where e has its farthest vector, got {offset}")
    dtype, (q, e) = working_precision(q, e, xp=xp)
    e = e[..., m - n - offset :, :]  # (..., n + offset, d): the distances that occur
    products = (q * logit_scale(scale, size["d"])) @ e.mT  # (..., n, n + offset), by distance
    return xp.astype(spread(products, m, xp=xp), dtype, copy=False)


FORMS = {"explicit": gather, "skew": skew}
