"""Clusters of queries (Vyas et al. 2020, section 3): hashed to signs, clustered in Hamming space, averaged.

    b_i = sign(H q_i),   c = K-means of the b_i,   q^_t = mean of the queries with c_i = t

Queries of a cluster are near each other, and so are their rows of attention.
"""

from typing import Any, NamedTuple

from factorattn.primitives.cluster import hamming_clusters, members_of, sign_codes
from factorattn.primitives.gather import take_rows
from factorattn.primitives.pairs import weigh
from factorattn.primitives.softmax_attend import softmax_attend
from factorattn.scalars import generator, whole

__all__ = ["Clusters", "attend_once", "cluster_queries", "directions", "rounds_of"]


class Clusters(NamedTuple):
    """Mean queries (..., t, d), and the cluster (..., n) of each query."""

    means: Any
    of_query: Any

    def spread(self, x: Any, *, xp: Any) -> Any:
        """The row of its cluster for each query: from (..., t, e) to (..., n, e)."""
        return take_rows(x, self.of_query, xp=xp)


def directions(hashes: Any | None, bits: int | None, rng: Any, q: Any, *, xp: Any) -> Any:
    """The directions (..., s, d) that are given, or drawn: standard normal, 32 of them unless told."""
    if hashes is not None:
        if rng is not None:
            raise ValueError("rng must be None where hashes are given: nothing is left to draw")
        return hashes
    drawn = generator(rng).standard_normal((DEFAULT_BITS if bits is None else bits, q.shape[-1]))
    return xp.asarray(drawn, dtype=q.dtype, device=q.device)


DEFAULT_BITS = 32  # as in the authors' code


def rounds_of(iterations: int) -> int:
    """The number of rounds of an algorithm: an integer from 0."""
    if whole(iterations=iterations) < 0:
        raise ValueError(f"iterations must be at least 0, got {iterations!r}")
    return whole(iterations=iterations)


def cluster_queries(q: Any, hashes: Any, clusters: int, *, iterations: int, mask: Any | None, xp: Any) -> Clusters:
    """Cluster the queries q (..., n, d), n at least 1. Those that the mask lets see no key move no centre or mean."""
    n = q.shape[-2]
    clusters = min(clusters, n)
    present = None if mask is None or mask.shape[-2] == 1 else xp.any(mask, axis=-1)  # (..., n)
    codes = sign_codes(q, hashes, xp=xp)  # (..., n, s)
    of_query = hamming_clusters(codes, clusters, iterations=iterations, present=present, xp=xp)  # (..., n)
    member = members_of(of_query, clusters, dtype=q.dtype, xp=xp)  # (..., t, n)
    if present is not None:
        member = xp.where(present[..., None, :], member, 0.0)
    count = xp.sum(member, axis=-1, keepdims=True)  # (..., t, 1)
    return Clusters(weigh(member, q, guarded=True, xp=xp) / xp.where(count == 0, 1.0, count), of_query)


def attend_once(
    clusters: Clusters, k: Any, v: Any, *, scale: float, mask: Any | None, hidden: Any | None = None, xp: Any
) -> tuple[Any, Any]:
    """The attention of each cluster's mean query, for all of its queries: (..., n, e) and log-sum-exp (..., n).

    One row for each cluster where the mask is the same for all queries; where it is not, each query has its own, and
    nothing is saved. `hidden`, shape (..., t, m), marks keys that a cluster leaves out.
    """
    common = mask is None or mask.shape[-2] == 1
    q = clusters.means if common else clusters.spread(clusters.means, xp=xp)  # (..., t or n, d)
    if hidden is not None:
        shown = ~hidden if common else clusters.spread(~hidden, xp=xp)  # (..., t or n, m)
        mask = shown if mask is None else shown & mask
    o, lse = softmax_attend(q, k, v, scale=scale, mask=mask)
    return (clusters.spread(o, xp=xp), clusters.spread(lse[..., None], xp=xp)[..., 0]) if common else (o, lse)
