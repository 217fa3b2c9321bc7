"""Sinkhorn's algorithm: rows and columns are made to sum to one, in turn (Sander et al. 2022).

    K_0 = exp(a),   K_{t+1} = N_R(K_t) if t is even, N_C(K_t) if t is odd

N_R divides each row by its sum, N_C each column. One round is softmax; many approach a doubly stochastic matrix.
"""

from typing import Any

from factorattn.catalogue import Distribution
from factorattn.contract import check, working_precision
from factorattn.distribution.rows import capped
from factorattn.primitives.elementwise import log_sum_exp
from factorattn.primitives.pairs import finite_top
from factorattn.scalars import whole

__all__ = ["sinkhorn"]

INPUTS = "a: ... n m"


@Distribution(inputs=INPUTS, output="n m", time="n*m", memory="n*m", paper="sander2022")
def sinkhorn(a: Any, *, rounds: int = 3) -> Any:
    """Normalise rows and columns in turn, with logarithms throughout.

    Parameters
    ----------
    a : array, shape (..., n, m)
        Scores; -inf where a key is not seen.
    rounds : int
        Number of normalisations: rows, columns, rows, ... After an odd number rows sum to one, after an even one
        columns do.

    Returns
    -------
    p : array, shape (..., n, m), dtype of `a`
        Zeros in rows and columns of -inf.

    Raises
    ------
    ValueError
        If `rounds` is below 1.

    Notes
    -----
    Time is n m for each round. Rows are no longer independent: a query's weights depend on all queries, and NaN
    reaches the whole matrix. With more than one round a causal mask does not make it causal, as columns hold later
    queries. For n not equal to m, rows sum to one and columns to n / m in the limit. Some implementations give weights
    that sum to 1 / n.

    References
    ----------
    Sander, Ablin, Blondel and Peyre, "Sinkformers: Transformers with Doubly Stochastic Attention", 2022.
    arXiv:2110.11773
    """
    xp, size = check(INPUTS, a=a)
    if not whole(rounds=rounds) >= 1:
        raise ValueError(f"rounds must be a positive integer, got {rounds!r}")
    if 0 in (size["n"], size["m"]):
        return a
    dtype, (a,) = working_precision(a, xp=xp)
    a = capped(a, xp=xp)
    for t in range(whole(rounds=rounds)):
        a = a - finite_top(log_sum_exp(a, axis=-1 if t % 2 == 0 else -2, xp=xp), xp=xp)
    return xp.astype(xp.exp(a), dtype, copy=False)
