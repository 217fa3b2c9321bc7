"""Angular hashing: buckets from random rotations, and which tokens meet once they are sorted by bucket.

    h(x) = argmax [x R; -x R],   bucket = h_1 + f_1 h_2 + f_1 f_2 h_3 + ...   for factors f_1, f_2, ...
    code_i = (c + 1) bucket_i + floor(s_i / b),   s_i the place of token i in the order (bucket, position)

With c chunks of b places, tokens i and j are in one bucket, and j is in the chunk of i or the one before it, if and
only if code_i - code_j is 0 or 1.
"""

import math
from typing import Any

from factorattn.scalars import whole

__all__ = ["default_factors", "factors_of", "hash_buckets", "sorted_by_bucket", "together"]

MOST_AT_ONCE = 128  # more buckets than this come from two hashes of about the square root, as in trax


def default_factors(n: int, block: int) -> int | tuple[int, ...]:
    """About 2 n / b buckets (section 2 of Kitaev et al. 2020: chunks of twice the mean size of a bucket)."""
    buckets = 2 * max(1, n // block)
    if buckets <= MOST_AT_ONCE:
        return buckets
    first = 2 ** math.ceil(math.log2(buckets) / 2)
    return first, 2 * max(1, buckets // (2 * first))


def factors_of(buckets: int | tuple[int, ...], *, halves: int | None = None) -> tuple[int, ...]:
    """The even factors that `buckets` stands for; ValueError where they do not share out `halves` columns."""
    factors = tuple(whole(buckets=f) for f in (buckets if isinstance(buckets, tuple) else (buckets,)))
    if not factors or any(f < 2 or f % 2 for f in factors):
        raise ValueError(f"buckets must be an even number from 2, or a tuple of them, got {buckets!r}")
    if halves is not None and sum(factors) != 2 * halves:
        raise ValueError(f"buckets must add up to twice the {halves} columns of a rotation, got {buckets!r}")
    return factors


def hash_buckets(x: Any, rotations: Any, factors: tuple[int, ...], *, mask: Any | None, xp: Any) -> Any:
    """The bucket of each row of x (..., n, d) in each round of rotations (..., s, d, p): integers (..., s, n).

    A token that the mask hides from all, itself included, is in a bucket behind all others.
    """
    y = x[..., None, :, :] @ rotations  # (..., s, n, p)
    bucket, stride, start = 0, 1, 0
    for factor in factors:
        part = y[..., start : start + factor // 2]
        bucket = bucket + stride * xp.argmax(xp.concat([part, -part], axis=-1), axis=-1)  # (..., s, n)
        stride, start = stride * factor, start + factor // 2
    if mask is None:
        return bucket
    return xp.where(xp.any(mask, axis=-2)[..., None, :], bucket, stride)


def sorted_by_bucket(bucket: Any, buckets: int, block: int, *, xp: Any) -> tuple[Any, Any, Any]:
    """The order of the tokens by (bucket, position), the place of each token in it, and the codes: each (..., s, n).

    Buckets are in 0 .. `buckets`, the last one for padding.
    """
    order = xp.argsort(bucket, axis=-1, stable=True)
    place = xp.argsort(order, axis=-1, stable=True)
    chunks = -(-bucket.shape[-1] // block)
    code = bucket * (chunks + 1) + place // block
    small = (buckets + 1) * (chunks + 1) < 2**31  # half the bytes: every pair is compared
    return order, place, xp.astype(code, xp.int32 if small else xp.int64, copy=False)


def together(one: Any, other: Any) -> Any:
    """Whether a key with code `other` is in the bucket of a query with code `one`, and in its chunk or that before."""
    apart = one - other
    return (apart == 0) | (apart == 1)
