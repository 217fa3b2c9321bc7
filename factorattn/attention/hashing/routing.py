"""Routing attention (Roy et al. 2021): queries and keys that are nearest to the same centroid attend to each other.

    q' = layer norm of q,   k' = layer norm of k
    S_t = the w queries i with the largest mu_t . q'_i,   T_t = the w keys j with the largest mu_t . k'_j
    o_i = mean over t with i in S_t of  sum_{j in T_t} p_ij v_j,   p_ij = softmax over T_t of scale q'_i . k'_j

Clusters all have the same size, so a query may be in several of them, or in none: its row is then zero.
"""

from typing import Any

import numpy as np

from factorattn.attention.exact.options import check_pairs
from factorattn.attention.hashing.centroids import layer_norm
from factorattn.catalogue import mechanism
from factorattn.contract import check, choose, working_precision
from factorattn.primitives.gather import add_rows, leaders, take_pairs, take_rows
from factorattn.primitives.pairs import masked_logits, softmax_weights, weigh
from factorattn.primitives.softmax_attend import softmax_attend
from factorattn.primitives.tiles import scan_tiles
from factorattn.scalars import flag, positive, real

__all__ = ["routing_attention"]

INPUTS = "q: ... n d, k: ... m d, v: ... m e, mu: ... t d, window? = w"


@mechanism(
    inputs=INPUTS,
    forms=("dense", "routed"),
    time="n*t*d + m*t*d + t*w**2*d + t*w**2*e + t**2*w*e + n*e",
    memory="n*t + m*t + n*d + m*d + n*e + t*w*d + t*w*e + t**2*w",
    causal="values",
    normalised=False,
    coupled=True,
    paper="roy2020",
)
def routing_attention(
    q: Any,
    k: Any,
    v: Any,
    mu: Any,
    *,
    window: int | None = None,
    mask: Any | None = None,
    causal: bool = False,
    scale: float | None = None,
    eps: float = 1e-6,
    form: str = "routed",
) -> Any:
    """Attend within clusters around t centroids; with t about sqrt(n) of them in n^1.5 operations.

    Parameters
    ----------
    q : array, shape (..., n, d)
    k : array, shape (..., m, d)
    v : array, shape (..., m, e)
        Queries, keys and values; batch axes broadcast. The paper has k = q where it is causal.
    mu : array, shape (..., t, d)
        Centroids; see `factorattn.attention.hashing.update_centroids`.
    window : int, optional
        Number w of queries and of keys that each centroid takes. By default n / t and m / t, rounded up.
    mask : boolean array broadcasting to (..., n, m), optional
        True where query i may attend to key j. A query that may attend to none, and a key that none may attend to,
        take no place in a cluster.
    causal : bool
        Query i sees keys ``j <= i + m - n`` only. Later tokens still take part in forming clusters.
    scale : float, optional
        Factor of q' . k'; by default 1, as in the paper: layer norm makes both vectors sqrt(d) long.
    eps : float
        Added to the variances of the layer norm.
    form : {"routed", "dense"}
        Equal to rounding. "dense" is the definition, O(n m t).

    Returns
    -------
    o : array, shape (..., n, e), result dtype of the inputs
        Zeros in rows of queries that no centroid takes, or that see no key in their clusters.

    Raises
    ------
    ValueError
        If shapes disagree, `window` is not positive, or an option is unknown.
    TypeError
        If inputs are not floating arrays of one library, or `mask` is not boolean.

    Notes
    -----
    The paper scatters the clusters' answers back without saying what becomes of a query that several of them answer.
    The authors' code adds the answers up and divides by their number plus 0.01; here they are averaged exactly, over
    the clusters in which the query sees a key.

    Which positions are causal is compared by position; comparing slots within a cluster, as the authors' code does, is
    the same only where k is q. float16 and bfloat16 inputs are computed in float32.

    References
    ----------
    Roy, Saffar, Vaswani and Grangier, "Efficient Content-Based Sparse Attention with Routing Transformers", 2021,
    algorithm 1. arXiv:2003.05997
    """
    xp, size = check(INPUTS, q=q, k=k, v=v, mu=mu, window=window)
    attend = choose(FORMS, form=form)
    dtype, (q, k, v, mu) = working_precision(q, k, v, mu, xp=xp)
    mask, _ = check_pairs(mask, None, q, k, v, xp=xp)
    causal, eps = flag(causal=causal), positive(eps=eps)
    scale = 1.0 if scale is None else real(scale=scale)
    n, m, t = size["n"], size["m"], size["t"]
    if 0 in (n, m, t):
        batch = np.broadcast_shapes(*(x.shape[:-2] for x in (q, k, v, mu) + (() if mask is None else (mask,))))
        return xp.zeros((*batch, n, size["e"]), dtype=dtype, device=v.device)
    q, k = layer_norm(q, eps, xp=xp), layer_norm(k, eps, xp=xp)
    chosen = []
    for x, axis in ((q, -1), (k, -2)):
        score = mu @ x.mT  # (..., t, n), (..., t, m)
        if mask is not None:  # what takes no part comes last
            score = xp.where(xp.any(mask, axis=axis)[..., None, :], score, -xp.inf)
        chosen.append(leaders(score, min(size.get("w", -(-x.shape[-2] // t)), x.shape[-2]), xp=xp))
    o = attend(q, k, v, *chosen, mask=mask, causal=causal, scale=scale, xp=xp)
    return xp.astype(o, dtype, copy=False)


def _dense(q, k, v, queries, keys, *, mask, causal, scale, xp):
    """The definition: every pair, cluster by cluster."""
    n, m = q.shape[-2], k.shape[-2]
    i = xp.arange(n, dtype=xp.int64, device=q.device)[:, None]
    j = xp.arange(m, dtype=xp.int64, device=q.device)[None, :]
    allowed = _allowed(i, j, mask, m - n, causal)

    def add(state, tile):
        total, clusters = state
        seen = queries[1][..., tile, :].mT & keys[1][..., tile, :]  # (..., n, m)
        seen = seen if allowed is None else seen & allowed
        weights, lse = softmax_weights(masked_logits(q * scale, k, softcap=None, bias=None, seen=seen, xp=xp), xp=xp)
        return (total + weigh(weights, v, guarded=True, xp=xp), clusters + xp.astype(lse > -xp.inf, q.dtype)), None

    (total, clusters), _ = scan_tiles(add, (0.0, 0.0), 0, queries[1].shape[-2], 1, xp=xp)
    return total / xp.where(clusters == 0, 1.0, clusters)


def _routed(q, k, v, queries, keys, *, mask, causal, scale, xp):
    """Clusters gathered, attended to, and their answers added up where their queries are."""
    n, m, t = q.shape[-2], k.shape[-2], queries[1].shape[-2]
    mine, theirs = queries[0], keys[0]  # (..., t, w): in the order of the sequence
    i, j = mine[..., None], theirs[..., None, :]  # (..., t, w, 1), (..., t, 1, w)
    table = None if mask is None else take_pairs(mask[..., None, :, :], i, j, xp=xp)
    allowed = _allowed(i, j, table, m - n, causal)  # (..., t, w, w)
    qs, ks, vs = (
        take_rows(x[..., None, :, :], index, xp=xp) for x, index in ((q, mine), (k, theirs), (v, theirs))
    )  # (..., t, w, d), (..., t, w, d), (..., t, w, e)
    o, lse = softmax_attend(qs, ks, vs, scale=scale, mask=allowed)  # (..., t, w, e), (..., t, w)
    answered = xp.ones_like(lse) if allowed is None else xp.astype(lse > -xp.inf, o.dtype)  # (..., t, w)

    def back(x):
        """Add up the rows of x (..., t, w, e) that belong to the same query: (..., n, e)."""
        x = xp.reshape(x, (*x.shape[:-3], t * x.shape[-2], x.shape[-1]))
        return add_rows(x, xp.reshape(mine, (*mine.shape[:-2], t * mine.shape[-1])), n, most=t, xp=xp)

    answers = back(answered[..., None])  # (..., n, 1): of how many clusters
    return back(o) / xp.where(answers == 0, 1.0, answers)


def _allowed(i, j, table, offset, causal):
    """Which pairs (i, j) a table and causality leave; None if all."""
    if not causal:
        return table
    past = j <= i + offset
    return past if table is None else table & past


FORMS = {"dense": _dense, "routed": _routed}
