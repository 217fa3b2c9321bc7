"""Clustered attention (Vyas et al. 2020, section 3): queries are clustered, and those of a cluster get one answer.

    c_i = cluster of the bits sign(H q_i),   q^_t = mean of the queries with c_i = t
    o_i = sum_j p_ij v_j,   p_ij = softmax over j of scale q^_{c_i} . k_j

There are t rows of attention instead of n.
"""

from typing import Any

from factorattn.attention.exact.options import check_pairs, scale_of
from factorattn.attention.hashing.clusters import attend_once, cluster_queries, directions, rounds_of
from factorattn.catalogue import mechanism, refuse
from factorattn.contract import check, choose, working_precision
from factorattn.primitives.pairs import masked_logits, softmax_weights, weigh

__all__ = ["clustered_attention"]

INPUTS = "q: ... n d, k: ... m d, v: ... m e, hashes?: ... s d, clusters = t, bits? = s"


@mechanism(
    inputs=INPUTS,
    forms=("dense", "grouped"),
    time="n*s*d + n*s*t + n*t*d + m*t*d + m*t*e",
    memory="n*s + n*t + n*d + n*e",
    causal="never",
    normalised=True,
    coupled=True,
    refuses={"causal": "a row of attention belongs to the mean of queries of all times"},
    paper="vyas2020",
    approximates="softmax_attention",
    knob="t",
)
def clustered_attention(
    q: Any,
    k: Any,
    v: Any,
    hashes: Any | None = None,
    *,
    clusters: int = 100,
    bits: int | None = None,
    rng: Any = None,
    iterations: int = 10,
    mask: Any | None = None,
    causal: bool = False,
    scale: float | None = None,
    form: str = "grouped",
) -> Any:
    """Attend once for each cluster of queries, in time linear in the length.

    Parameters
    ----------
    q : array, shape (..., n, d)
    k : array, shape (..., m, d)
    v : array, shape (..., m, e)
        Queries, keys and values; batch axes broadcast.
    hashes : array, shape (..., s, d), optional
        Random directions; a query is hashed to the signs of its products with them. Drawn standard normal if left out.
    clusters : int
        Number t of clusters. n or more is exact.
    bits : int, optional
        Number s of directions. By default that of `hashes`, or 32.
    rng : int, numpy.random.Generator or None
        Source of randomness where `hashes` are left out (SPEC 7).
    iterations : int
        Rounds of Lloyd's algorithm. Centres begin at evenly spaced queries.
    mask : boolean array broadcasting to (..., n, m), optional
        True where query i may attend to key j; weights are normalised over those keys. A mask of keys alone, of shape
        (..., 1, m), costs nothing; one that differs between queries costs as much as exact attention. A query that may
        attend to no key is in no mean.
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
    The authors' code begins with queries drawn at random, gives a cluster that has lost all its queries a random centre
    (here it stays where it is), and hashes with a bias for each direction unless told otherwise (here there is none,
    as in the paper). float16 and bfloat16 inputs are computed in float32.

    References
    ----------
    Vyas, Katharopoulos and Fleuret, "Fast Transformers with Clustered Attention", 2020, section 3. arXiv:2007.04825
    """
    refuse(clustered_attention, causal=causal)
    xp, size = check(INPUTS, q=q, k=k, v=v, hashes=hashes, clusters=clusters, bits=bits)
    attend, iterations = choose(FORMS, form=form), rounds_of(iterations)
    given = (q, k, v) if hashes is None else (q, k, v, hashes)
    dtype, (q, k, v, *drawn) = working_precision(*given, xp=xp)
    mask, _ = check_pairs(mask, None, q, k, v, xp=xp)
    hashes = directions(drawn[0] if drawn else None, bits, rng, q, xp=xp)
    scale = scale_of(scale, size["d"])
    if size["n"] == 0:
        return xp.astype(weigh(q @ k.mT, v, guarded=False, xp=xp), dtype, copy=False)
    found = cluster_queries(q, hashes, size["t"], iterations=iterations, mask=mask, xp=xp)
    return xp.astype(attend(found, k, v, scale=scale, mask=mask, xp=xp), dtype, copy=False)


def _dense(clusters, k, v, *, scale, mask, xp):
    """The definition: the mean query of its cluster in place of each query."""
    q = clusters.spread(clusters.means, xp=xp)  # (..., n, d)
    logits = masked_logits(q * scale, k, softcap=None, bias=None, seen=mask, xp=xp)  # (..., n, m)
    return weigh(softmax_weights(logits, xp=xp)[0], v, guarded=mask is not None, xp=xp)


def _grouped(clusters, k, v, *, scale, mask, xp):
    """One row for each cluster, handed out to its queries."""
    return attend_once(clusters, k, v, scale=scale, mask=mask, xp=xp)[0]


FORMS = {"dense": _dense, "grouped": _grouped}
