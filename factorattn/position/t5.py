"""Relative positions of T5 (Raffel et al. 2020): distances in buckets, and a learned number for each.

    bias_hij = B[h, bucket(j - i)]

Near distances have a bucket each; from there on buckets widen, logarithmically, up to a last one for all beyond.
"""

from typing import Any

from factorattn.catalogue import Position
from factorattn.contract import check
from factorattn.position.options import beside, distances, kind_of
from factorattn.position.options import length as size_of
from factorattn.scalars import flag, whole

__all__ = ["t5_buckets", "t5_relative"]

INPUTS = "b: ... h r, n = n, m = m"


@Position(inputs="n = n, m = m, like: ...", output="n m", time="n*m", memory="n*m", paper="raffel2020")
def t5_buckets(
    n: int,
    m: int,
    *,
    like: Any,
    buckets: int = 32,
    distance: int = 128,
    bidirectional: bool = True,
    offset: int | None = None,
) -> Any:
    """The bucket of every pair.

    Parameters
    ----------
    n, m : int
        Queries and keys.
    like : array
        Array library and device of the result; its shape, dtype and values are not looked at.
    buckets : int
        How many there are; with `bidirectional` an even number, the second half for keys ahead of the query.
    distance : int
        From here on all distances share the last bucket of their side.
    bidirectional : bool
        False is for causal attention: keys ahead of the query share bucket 0 with its own.
    offset : int, optional
        The key that stands beside query 0, by default m - n: the last query beside the last key.

    Returns
    -------
    bucket : int64 array, shape (n, m)

    Raises
    ------
    ValueError
        If a size is negative, `buckets` is below 2 a side or odd with `bidirectional`, or `distance` is not above half
        of the buckets of a side.
    TypeError
        If `like` is not a floating array.

    Notes
    -----
    Boundaries are found in integers. Code that rounds quotients of logarithms may put a distance on a boundary one
    bucket too low.

    References
    ----------
    Raffel et al., "Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer", 2020, section
    2.1; the exact rule is in the authors' code, Mesh TensorFlow. arXiv:1910.10683
    """
    n, m, buckets = size_of("n", n), size_of("m", m), whole(buckets=buckets)
    both = flag(bidirectional=bidirectional)
    if buckets < 2 + 2 * both or (both and buckets % 2):
        raise ValueError(f"buckets must be {'even and at least 4' if both else 'at least 2'}, got {buckets}")
    side = buckets // 2 if both else buckets
    if whole(distance=distance) <= side // 2:
        raise ValueError(f"distance must be above {side // 2}, half of the buckets of a side, got {distance}")
    xp, device, _, _ = kind_of(like)
    table = xp.asarray(_buckets_of(side, whole(distance=distance)), dtype=xp.int64, device=device)
    ahead = distances(n, m, beside(offset, n, m), device=device, xp=xp)  # (n, m)
    behind = xp.clip(xp.abs(ahead) if both else -ahead, 0, table.shape[0] - 1)
    bucket = xp.reshape(xp.take(table, xp.reshape(behind, (-1,)), axis=0), (n, m))
    return xp.where(ahead > 0, bucket + side, bucket) if both else bucket


@Position(inputs=INPUTS, output="h n m", time="n*m", memory="h*n*m", paper="raffel2020")
def t5_relative(
    b: Any, n: int, m: int, *, distance: int = 128, bidirectional: bool = True, offset: int | None = None
) -> Any:
    """Bias of every pair, by the bucket of its distance: pass it as ``bias=``.

    Parameters
    ----------
    b : array, shape (..., h, r)
        A number for each head and each of r buckets. (T5 stores the transpose.)
    n, m : int
        Queries and keys.
    distance, bidirectional, offset
        See `t5_buckets`.

    Returns
    -------
    bias : array, shape (..., h, n, m), dtype of b

    Raises
    ------
    ValueError
        If a size is negative, or r buckets are not possible: see `t5_buckets`.
    TypeError
        If `b` is not a floating array.

    Notes
    -----
    T5 does not divide logits by sqrt(d): give attention ``scale=1``.

    References
    ----------
    Raffel et al., "Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer", 2020, section
    2.1. arXiv:1910.10683
    """
    xp, size = check("b: ... h r", b=b)
    bucket = t5_buckets(
        n, m, like=b, buckets=size["r"], distance=distance, bidirectional=bidirectional, offset=offset
    )  # (n, m)
    return xp.reshape(xp.take(b, xp.reshape(bucket, (-1,)), axis=-1), (*b.shape[:-1], n, m))  # (..., h, n, m)


def _buckets_of(side, distance):
    """The bucket of every distance up to the one from which all are alike.

    The bucket is e + floor(log(t / e) / log(D / e) (side - e)), so that it is at least e + s from the first t on with
    (t / e)^(side - e) >= (D / e)^s: powers of integers, compared without rounding.
    """
    exact = side // 2
    wide = side - exact
    table, step = [], 0
    for t in range(distance + 1):
        while t >= exact and step < wide - 1 and t**wide * exact ** (step + 1) >= distance ** (step + 1) * exact**wide:
            step += 1
        table.append(t if t < exact else exact + step)
    return table
