"""Sorting blocks softly (Tay et al. 2020): scores of blocks, balanced until rows and columns sum to one.

    R_i = relu(relu(x'_i W_P + b_P) W_B + b_B),   x'_i = sum of the tokens of block i           the sorting network
    S^0 = R / temperature,   S^k = F_c(F_r(S^{k-1}))                                            Sinkhorn, logarithms
    F_r(X)_ij = X_ij - log sum_j' exp X_ij',   F_c(X)_ij = X_ij - log sum_i' exp X_i'j

Row i says which blocks come to place i. Causal balancing knows only j < i, and sums a column down to its own row: then
no row depends on a later one.
"""

from typing import Any

from factorattn.contract import check, working_precision
from factorattn.primitives.elementwise import log_sum_exp
from factorattn.primitives.tiles import scan_tiles
from factorattn.scalars import flag

__all__ = ["balanced", "cut_blocks", "mean_scores", "network_scores"]

INPUTS = "x: ... n d, w_p: ... d f, w_b: ... f t, b_p?: ... f, b_b?: ... t, block = b"


def network_scores(
    x: Any,
    w_p: Any,
    w_b: Any,
    b_p: Any | None = None,
    b_b: Any | None = None,
    *,
    block: int = 64,
    causal: bool = False,
) -> Any:
    """The scores that the paper's sorting network gives to blocks; for ``sinkhorn_attention(scores=...)``.

    Parameters
    ----------
    x : array, shape (..., n, d)
        The tokens: inputs of the layer, or its keys.
    w_p : array, shape (..., d, f)
    w_b : array, shape (..., f, t)
        The two layers; t is the largest number of blocks there may be.
    b_p : array, shape (..., f), optional
    b_b : array, shape (..., t), optional
        Their biases.
    block : int
        Tokens b of a block.
    causal : bool
        A block is then represented by the sum of all tokens up to its first one, so that row i knows nothing later.

    Returns
    -------
    scores : array, shape (..., n / b, n / b), result dtype of the inputs
        n / b is rounded up.

    Raises
    ------
    ValueError
        If shapes disagree or there are more than t blocks.
    TypeError
        If inputs are not floating arrays of one library.

    References
    ----------
    Tay, Bahri, Yang, Metzler and Juan, "Sparse Sinkhorn Attention", 2020. arXiv:2002.11296
    """
    xp, size = check(INPUTS, x=x, w_p=w_p, w_b=w_b, b_p=b_p, b_b=b_b, block=block)
    given = [a for a in (x, w_p, w_b, b_p, b_b) if a is not None]
    dtype, (x, w_p, w_b, *biases) = working_precision(*given, xp=xp)
    b_p = None if b_p is None else biases[0]
    b_b = None if b_b is None else biases[-1]
    blocks = -(-size["n"] // size["b"])
    if blocks > size["t"]:
        raise ValueError(f"w_b scores at most {size['t']} blocks, and there are {blocks}; make them longer")
    sums = xp.sum(cut_blocks(x, size["b"], xp=xp), axis=-2)  # (..., n/b, d)
    if flag(causal=causal):
        sums = _before(sums, xp=xp) + x[..., :: size["b"], :]
    scores = _layer(_layer(sums, w_p, b_p, xp=xp), w_b, b_b, xp=xp)  # (..., n/b, t)
    return xp.astype(scores[..., :blocks], dtype, copy=False)


def _layer(x, w, b, *, xp):
    y = x @ w if b is None else x @ w + b[..., None, :]
    return xp.where(y > 0, y, 0.0)


def mean_scores(q: Any, k: Any, block: int, *, causal: bool, scale: float, xp: Any) -> Any:
    """Scores without weights: the mean query of block i times the mean key of block j, for q and k (..., n, d).

    Causal: the mean of all queries up to the first one of block i. Scores of blocks that are not earlier are not used.
    """
    n = q.shape[-2]
    starts = range(0, n, block)
    lengths = xp.asarray([[min(block, n - i)] for i in starts], dtype=q.dtype, device=q.device)  # (n/b, 1)
    queries, keys = (xp.sum(cut_blocks(x, block, xp=xp), axis=-2) for x in (q, k))  # (..., n/b, d)
    if causal:
        queries = _before(queries, xp=xp) + q[..., ::block, :]
        queries = queries / xp.asarray([[i + 1] for i in starts], dtype=q.dtype, device=q.device)
    else:
        queries = queries / lengths
    return (queries * scale) @ (keys / lengths).mT  # (..., n/b, n/b)


def balanced(scores: Any, *, iterations: int, temperature: float, causal: bool, xp: Any) -> Any:
    """The matrix S of weights (..., t, t) that `iterations` rounds of balancing make of scores (..., t, t)."""
    x = scores / temperature
    if causal:
        i = xp.arange(x.shape[-1], dtype=xp.int64, device=x.device)
        x = xp.where(i[None, :] < i[:, None], x, -xp.inf)
    for _ in range(iterations):
        x = _less(x, log_sum_exp(x, axis=-1, xp=xp), xp=xp)
        x = _less(x, _log_sums_above(x, xp=xp) if causal else log_sum_exp(x, axis=-2, xp=xp), xp=xp)
    return xp.exp(x)


def _less(x, total, *, xp):
    """Subtract totals; where one is -inf, so is x, and there is nothing to divide by."""
    return x - xp.where(total == -xp.inf, 0.0, total)


def _log_sums_above(x, *, xp):
    """The same over the rows of x (..., t, t) from the first down to each: (..., t, t)."""

    def add(total, row):
        total = log_sum_exp(xp.concat([total, x[..., row, :]], axis=-2), axis=-2, xp=xp)
        return total, total

    start = xp.full((*x.shape[:-2], 1, x.shape[-1]), -xp.inf, dtype=x.dtype, device=x.device)
    return scan_tiles(add, start, 0, x.shape[-2], 1, xp=xp)[1]


def _before(x, *, xp):
    """The sum of all rows of x (..., t, d) before each one."""
    return xp.cumulative_sum(xp.concat([xp.zeros_like(x[..., :1, :]), x[..., :-1, :]], axis=-2), axis=-2)


def cut_blocks(x: Any, block: int, *, xp: Any) -> Any:
    """The rows of x (..., n, d) in blocks (..., n / b, b, d), the last one filled up with zeros."""
    *batch, n, d = x.shape
    blocks = -(-n // block)
    if blocks * block > n:
        x = xp.concat([x, xp.zeros((*batch, blocks * block - n, d), dtype=x.dtype, device=x.device)], axis=-2)
    return xp.reshape(x, (*batch, blocks, block, d))
