"""Where a nonnegative matrix factorization starts: random numbers, or parts of singular vectors.

    A = sum over k of s_k u_k v_k^T,   u_k v_k^T = (u+ - u-) (v+ - v-)^T
    w_k = sqrt(s_k |u+| |v+|) u+ / |u+|,   h_k = sqrt(s_k |u+| |v+|) v+ / |v+|

and u-, v- in place of u+, v+ where |u-| |v-| is larger (Boutsidis and Gallopoulos 2008): of the positive part of each
u_k v_k^T, which has rank two, the leading pair. The first pair has no signs: it is taken by absolute values. Singular
vectors are those of a randomized decomposition: all others would cost more than the factorization.
"""

from typing import Any

import numpy as np

from factorattn.factor.lowrank.randomized_svd import randomized_svd

__all__ = ["STARTS", "nndsvd", "nndsvda", "random_start"]


def nndsvd(a: Any, rank: int, *, rng: np.random.Generator, xp: Any) -> tuple[Any, Any]:
    """Parts of the singular vectors of a (..., p, q), many of them zero: w (..., p, rank) and h (..., rank, q)."""
    *_, p, q = a.shape
    if rank > min(p, q):
        raise ValueError(
            f"init of singular vectors needs rank at most min(p, q) = {min(p, q)}, got {rank}; use init='random'"
        )
    svd = randomized_svd(a, rank, rng=rng)
    noise = max(p, q) * float(xp.finfo(a.dtype).eps)  # entries of singular vectors below it are zeros, rounded
    u, v = (xp.where(xp.abs(x) > noise, x, 0.0) for x in (svd.u, svd.vt.mT))  # (..., p, rank), (..., q, rank)
    whole_u, whole_v = xp.abs(u), xp.abs(v)
    first = xp.arange(rank, dtype=xp.int64, device=a.device) == 0  # (rank,)
    (u_plus, v_plus), (u_minus, v_minus) = ([xp.clip(sign * x, min=0.0) for x in (u, v)] for sign in (1.0, -1.0))
    larger = _size(u_plus, xp=xp) * _size(v_plus, xp=xp) >= _size(u_minus, xp=xp) * _size(v_minus, xp=xp)
    u, v = xp.where(larger, u_plus, u_minus), xp.where(larger, v_plus, v_minus)
    u, v = xp.where(first, whole_u, u), xp.where(first, whole_v, v)
    u_size, v_size = _size(u, xp=xp), _size(v, xp=xp)
    s = xp.where(svd.s > noise * svd.s[..., :1], svd.s, 0.0)  # what is rounding starts as nothing
    root = xp.sqrt(s[..., None, :] * u_size * v_size)  # (..., 1, rank)
    return root * _over(u, u_size, xp=xp), (root * _over(v, v_size, xp=xp)).mT


def nndsvda(a: Any, rank: int, *, rng: np.random.Generator, xp: Any) -> tuple[Any, Any]:
    """The same, with the mean of each matrix in place of zeros, so that multiplicative updates can move them."""
    mean = xp.mean(a, axis=(-2, -1), keepdims=True) if 0 not in a.shape else xp.sum(a, axis=(-2, -1), keepdims=True)
    w, h = (xp.where(x == 0, mean, x) for x in nndsvd(a, rank, rng=rng, xp=xp))
    return w, h


def random_start(a: Any, rank: int, *, rng: np.random.Generator, xp: Any) -> tuple[Any, Any]:
    """Absolute values of normal numbers, of a size that makes the mean of w h near that of a."""
    *_, p, q = a.shape
    mean = xp.sum(a, axis=(-2, -1), keepdims=True) / max(p * q, 1)
    w, h = (
        xp.asarray(np.abs(rng.standard_normal(shape)), dtype=a.dtype, device=a.device)
        for shape in ((p, rank), (rank, q))
    )
    size = xp.sqrt(mean / rank)
    return size * w, size * h


def _size(x, *, xp):
    """The length of each column of x (..., p, r): (..., 1, r)."""
    return xp.linalg.vector_norm(x, axis=-2, keepdims=True)


def _over(x, size, *, xp):
    return x / xp.where(size > 0, size, 1.0)


STARTS = {"nndsvd": nndsvd, "nndsvda": nndsvda, "random": random_start}
