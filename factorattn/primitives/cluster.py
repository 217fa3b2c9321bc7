"""K-means of sign codes in Hamming space: Lloyd's algorithm for vectors of +1 and -1, a fixed number of rounds.

    c_i = argmin_t |b_i - mu_t|_H = argmax_t b_i . mu_t,   mu_t = sign of sum_{c_i = t} b_i, where some i has c_i = t

Codes are held as floating +1 and -1, so that all distances are one matrix product, and exact.
"""

from typing import Any

from factorattn.primitives.gather import take_rows

__all__ = ["hamming_clusters", "members_of", "sign_codes"]


def sign_codes(x: Any, directions: Any, *, xp: Any) -> Any:
    """The signs of x (..., n, d) along directions (..., s, d): +1.0 where the product is positive, else -1.0."""
    return _signs(x @ directions.mT, xp=xp)  # (..., n, s)


def _signs(x: Any, *, xp: Any) -> Any:
    return 2.0 * xp.astype(x > 0, x.dtype) - 1.0


def members_of(cluster: Any, clusters: int, *, dtype: Any, xp: Any) -> Any:
    """Whether item i belongs to cluster t, as numbers (..., clusters, n), from the clusters (..., n) of the items."""
    every = xp.arange(clusters, dtype=cluster.dtype, device=cluster.device)[:, None]  # (t, 1)
    return xp.astype(every == cluster[..., None, :], dtype)


def hamming_clusters(codes: Any, clusters: int, *, iterations: int, present: Any | None = None, xp: Any) -> Any:
    """Cluster codes by Lloyd's algorithm.

    Parameters
    ----------
    codes : array, shape (..., n, s)
        Entries +1.0 and -1.0; n is at least 1.
    clusters : int
        Their number t. With t >= n every item is a cluster of its own.
    iterations : int
        How often centres are moved. They start at t items, evenly spaced: item floor(n j / t) is centre j.
    present : boolean array, shape (..., n), optional
        False for items that move no centre.

    Returns
    -------
    cluster : integer array, shape (..., n)
        The nearest centre, of equally near ones the first. A centre without items stays where it is; a bit for which
        as many items have +1 as -1 becomes -1.
    """
    n = codes.shape[-2]
    if clusters >= n:
        own = xp.arange(n, dtype=xp.int64, device=codes.device)
        return xp.broadcast_to(own, codes.shape[:-1])
    starts = xp.asarray([n * j // clusters for j in range(clusters)], dtype=xp.int64, device=codes.device)
    centres = take_rows(codes, starts, xp=xp)  # (..., t, s)
    for _ in range(iterations):
        cluster = xp.argmax(codes @ centres.mT, axis=-1)  # (..., n)
        member = members_of(cluster, clusters, dtype=codes.dtype, xp=xp)  # (..., t, n)
        if present is not None:
            member = xp.where(present[..., None, :], member, 0.0)
        some = xp.any(member > 0, axis=-1, keepdims=True)  # (..., t, 1)
        centres = xp.where(some, _signs(member @ codes, xp=xp), centres)
    return xp.argmax(codes @ centres.mT, axis=-1)
