"""Improved clustered attention (Vyas et al. 2020, section 3): the keys that a cluster likes best get exact weights.

    A_tj = softmax over j of scale q^_t . k_j,   T_t = the u keys with the largest A_tj,   m^_t = sum_{j in T_t} A_tj
    p_ij = m^_{c_i} softmax over T_{c_i} of scale q_i . k_j   for j in T_{c_i},   else A_{c_i j}

c_i is the cluster of query i and q^_t the mean query of cluster t, as in `clustered_attention`.
"""

from typing import Any

import numpy as np

from factorattn.attention.exact.options import check_pairs, scale_of
from factorattn.attention.hashing.clusters import attend_once, cluster_queries, directions, rounds_of
from factorattn.attention.sparse.engine import merge
from factorattn.catalogue import mechanism, refuse
from factorattn.contract import check, choose, working_precision
from factorattn.primitives.gather import leaders, take_pairs, take_rows
from factorattn.primitives.pairs import masked_logits, softmax_weights, weigh
from factorattn.primitives.softmax_attend import ROWS
from factorattn.primitives.tiles import scan_tiles

__all__ = ["improved_clustered_attention"]

INPUTS = "q: ... n d, k: ... m d, v: ... m e, hashes?: ... s d, clusters = t, bits? = s, top = u"


@mechanism(
    inputs=INPUTS,
    forms=("dense", "grouped"),
    time="n*s*d + n*s*t + n*t*d + m*t*d + m*t*e + n*u*d + n*u*e",
    memory="n*s + n*t + m*t + n*d + n*e + t*u*d + t*u*e",
    causal="never",
    normalised=True,
    coupled=True,
    refuses={"causal": "all weights but those of the best keys belong to the mean of queries of all times"},
    paper="vyas2020",
    approximates="softmax_attention",
    knob="u",
)
def improved_clustered_attention(
    q: Any,
    k: Any,
    v: Any,
    hashes: Any | None = None,
    *,
    clusters: int = 100,
    top: int = 32,
    bits: int | None = None,
    rng: Any = None,
    iterations: int = 10,
    mask: Any | None = None,
    causal: bool = False,
    scale: float | None = None,
    form: str = "grouped",
) -> Any:
    """Attend once for each cluster of queries, and exactly to the keys that matter most to the cluster.

    Parameters
    ----------
    q : array, shape (..., n, d)
    k : array, shape (..., m, d)
    v : array, shape (..., m, e)
        Queries, keys and values; batch axes broadcast.
    hashes : array, shape (..., s, d), optional
        Random directions; a query is hashed to the signs of its products with them. Drawn standard normal if left out.
    clusters : int
        Number t of clusters.
    top : int
        Number u of keys that are exact; m or more is exact attention.
    bits : int, optional
        Number s of directions. By default that of `hashes`, or 32.
    rng : int, numpy.random.Generator or None
        Source of randomness where `hashes` are left out (SPEC 7).
    iterations : int
        Rounds of Lloyd's algorithm. Centres begin at evenly spaced queries.
    mask : boolean array broadcasting to (..., n, m), optional
        True where query i may attend to key j; weights are normalised over those keys. A mask of keys alone, of shape
        (..., 1, m), costs nothing; one that differs between queries costs as much as exact attention. A query that may
        attend to no key is in no mean, and a key that none may attend to is no candidate.
    causal : False
        Refused, with the reason.
    scale : float, optional
        Factor of q . k; by default 1 / sqrt(d).
    form : {"grouped", "dense"}
        Equal to rounding. "dense" is the definition, O(n m).

    Returns
    -------
    o : array, shape (..., n, e), result dtype of the inputs
        Zeros in rows that may attend to no key.

    Raises
    ------
    ValueError
        If shapes disagree, both `hashes` and `rng` are given, or an option is unknown.
    TypeError
        If inputs are not floating arrays of one library, or `mask` is not boolean.

    Notes
    -----
    Clusters are those of `clustered_attention`, with the same differences from the authors' code. In the sum of
    absolute differences no row of weights is further from that of exact attention than without the improvement, as the
    paper proves. float16 and bfloat16 inputs are computed in float32.

    References
    ----------
    Vyas, Katharopoulos and Fleuret, "Fast Transformers with Clustered Attention", 2020, section 3. arXiv:2007.04825
    """
    refuse(improved_clustered_attention, causal=causal)
    xp, size = check(INPUTS, q=q, k=k, v=v, hashes=hashes, clusters=clusters, bits=bits, top=top)
    attend, iterations = choose(FORMS, form=form), rounds_of(iterations)
    given = (q, k, v) if hashes is None else (q, k, v, hashes)
    dtype, (q, k, v, *drawn) = working_precision(*given, xp=xp)
    mask, _ = check_pairs(mask, None, q, k, v, xp=xp)
    hashes = directions(drawn[0] if drawn else None, bits, rng, q, xp=xp)
    scale = scale_of(scale, size["d"])
    if 0 in (size["n"], size["m"]):
        return xp.astype(weigh(q @ k.mT, v, guarded=False, xp=xp), dtype, copy=False)
    found = cluster_queries(q, hashes, size["t"], iterations=iterations, mask=mask, xp=xp)
    some = None if mask is None else xp.any(mask, axis=-2)[..., None, :]  # (..., 1, m)
    logits = masked_logits(found.means * scale, k, softcap=None, bias=None, seen=some, xp=xp)  # (..., t, m)
    best, is_best = leaders(logits, min(size["u"], size["m"]), xp=xp)  # (..., t, u), (..., t, m)
    o = attend(q, k, v, found, logits, best, is_best, scale=scale, mask=mask, xp=xp)
    return xp.astype(o, dtype, copy=False)


def _dense(q, k, v, clusters, logits, best, is_best, *, scale, mask, xp):
    """The definition: two rows of weights for each query, put together."""
    of_cluster, exact = clusters.spread(logits, xp=xp), clusters.spread(is_best, xp=xp)  # (..., n, m)
    if mask is not None:
        of_cluster = xp.where(mask, of_cluster, -xp.inf)
    rough, _ = softmax_weights(of_cluster, xp=xp)
    seen = exact if mask is None else exact & mask
    fine, _ = softmax_weights(masked_logits(q * scale, k, softcap=None, bias=None, seen=seen, xp=xp), xp=xp)
    mass = xp.sum(xp.where(exact, rough, 0.0), axis=-1, keepdims=True)  # (..., n, 1)
    return weigh(xp.where(exact, mass * fine, rough), v, guarded=mask is not None, xp=xp)


def _grouped(q, k, v, clusters, logits, best, is_best, *, scale, mask, xp):
    """All other keys once for each cluster; the best ones gathered for each query, a tile of queries at a time."""
    rest = attend_once(clusters, k, v, scale=scale, mask=mask, hidden=is_best, xp=xp)  # (..., n, e), (..., n)
    keys, values = (take_rows(x[..., None, :, :], best, xp=xp) for x in (k, v))  # (..., t, u, d), (..., t, u, e)
    rough = xp.take_along_axis(logits, best, axis=-1)  # (..., t, u)
    i = xp.arange(q.shape[-2], dtype=xp.int64, device=q.device)

    def exact(_, rows):
        """The answer of the best keys to the queries of a tile, and the logarithm of their mass in the cluster."""
        cluster = clusters.of_query[..., rows]  # (..., rows)
        own_keys, own_values = (_of_each(x, cluster, xp=xp) for x in (keys, values))  # (..., rows, u, d)
        fine = (own_keys @ (q[..., rows, :] * scale)[..., None])[..., 0]  # (..., rows, u)
        mass = take_rows(rough, cluster, xp=xp)  # (..., rows, u)
        if mask is not None:
            seen = take_pairs(mask, i[rows, None], take_rows(best, cluster, xp=xp), xp=xp)
            fine, mass = xp.where(seen, fine, -xp.inf), xp.where(seen, mass, -xp.inf)
        weights, _ = softmax_weights(fine, xp=xp)
        o = weigh(weights[..., None, :], own_values, guarded=mask is not None, xp=xp)[..., 0, :]  # (..., rows, e)
        return None, (o, softmax_weights(mass, xp=xp)[1])

    _, (o, mass) = scan_tiles(exact, None, 0, q.shape[-2], ROWS, xp=xp)  # (..., n, e), (..., n, 1)
    shape = np.broadcast_shapes(mass.shape[:-1], rest[1].shape)  # values may have batch axes of their own
    parts = (o, mass[..., 0]), rest
    return merge([(part, xp.broadcast_to(lse, shape)) for part, lse in parts], xp=xp)


def _of_each(x, cluster, *, xp):
    """The rows that x (..., t, u, d) has for the clusters (..., n) of queries: (..., n, u, d)."""
    *batch, t, u, d = x.shape
    rows = take_rows(xp.reshape(x, (*batch, t, u * d)), cluster, xp=xp)
    return xp.reshape(rows, (*rows.shape[:-1], u, d))


FORMS = {"dense": _dense, "grouped": _grouped}
