"""Butterfly matrices: a product of sparse stages, as in the fast Fourier transform (Dao et al. 2019).

    A P^T ~ S_1 S_2 ... S_k        S_l couples numbers that differ in digit l alone, 2 n numbers each for digits 0 and 1

Any product of the first l stages and the others has blocks of rank one, one for each choice of the columns' digits up
to l and the rows' digits after l. So each split is a set of SVDs, and k - 1 splits, one after the other, are the
factorization (Zheng, Riccietti and Gribonval 2021). A matrix that is a butterfly is recovered to rounding.
"""

import math
from typing import Any

import numpy as np

from factorattn.catalogue import Factorization
from factorattn.factor.door import admit, frobenius
from factorattn.factor.factored import Butterfly, Stage
from factorattn.factor.lowrank.truncated_svd import leading_triplets
from factorattn.factor.structured.sizes import prime_factors
from factorattn.scalars import whole

__all__ = ["butterfly", "digit_reversal"]

INPUTS = "a: ... p q"


@Factorization(inputs=INPUTS, time="p*q", memory="p*q", exact="form", paper="zheng2021")
def butterfly(a: Any, *, radices: tuple[Any, ...] | None = None, permutation: str | None = None) -> Butterfly:
    """Factor a matrix into butterfly stages, one digit of the row and column numbers each.

    Parameters
    ----------
    a : array, shape (..., p, q)
        Real or complex.
    radices : tuple, optional
        The radix of each digit, the most significant first: an integer, or a pair of one for rows and one for columns.
        Those of rows multiply to p, those of columns to q. By default the prime factors of p and of q, rising, with
        ones before the fewer of them: all are 2 for powers of two, which gives the butterflies of the papers.
    permutation : {None, "bit reversal"}
        Whether columns are taken in the order of their numbers with the digits reversed, as the DFT matrix needs.

    Returns
    -------
    b : Butterfly
        ``stages``, from left to right: 2 n numbers and 4 n operations each for a square matrix and radices of 2. The
        rows of the blocks of all stages but the first have norm one. ``error_bound`` is the error itself: the squares
        of the singular values left out of all splits, added.

    Raises
    ------
    ValueError
        If `radices` do not multiply to the sides, `permutation` is unknown, or `a` holds NaN or infinity.
    TypeError
        If `a` is not a floating array, or `radices` are no tuple of integers or pairs of them.

    Notes
    -----
    Splits go from the last digit to the first, and the stage that is split off has rows of norm one: so each error is
    orthogonal to the next and their squares add up. Each is no more than the distance of `a` from the nearest
    butterfly of this shape; with k stages the result is therefore within a factor of sqrt(k - 1) of the nearest, and it
    is not the nearest in general. Large prime factors leave large blocks, and a prime side one dense stage: pad with
    zeros to a power of two. The cost in the record is that of radices of 2.

    References
    ----------
    Dao, Gu, Eichhorn, Rudra and Re, "Learning fast algorithms for linear transforms using butterfly factorizations",
    ICML 2019. arXiv:1903.05895.
    Zheng, Riccietti and Gribonval, "Efficient identification of butterfly sparse matrix factorizations", 2021.
    arXiv:2110.01230.
    Le, Zheng, Riccietti and Gribonval, "Butterfly factorization with error guarantees", 2024. arXiv:2411.04506.
    """
    xp, size, (a,) = admit(INPUTS, a=a)
    rows, columns = _radices(radices, size["p"], size["q"])
    order = None
    if permutation is not None:
        if permutation != "bit reversal":
            raise ValueError(f"permutation must be None or 'bit reversal', got {permutation!r}")
        order = xp.asarray(digit_reversal(columns), device=a.device)
        a = xp.take(a, order, axis=-1)
    stages, left_out = _split(a, rows, columns, xp=xp)
    return Butterfly(tuple(stages), order, error_bound=left_out)


def digit_reversal(radices: tuple[int, ...]) -> np.ndarray:
    """The numbers whose digits, in mixed radix and read backwards, count 0, 1, 2, ...; radices first to last."""
    return np.arange(math.prod(radices)).reshape(radices[::-1]).transpose().reshape(-1)


def _split(rest, rows, columns, *, xp):
    """Stages of rest (..., p, q), and the norm of what they leave out.

    On the way `rest` is (..., h, m, n): rows' digits that are done, those that are left, columns' that are left.
    """
    batch = rest.shape[:-2]
    start = len(batch)
    rest, stages, errors = rest[..., None, :, :], [], []
    for x, y in zip(rows[:0:-1], columns[:0:-1], strict=True):
        h, m, n = rest.shape[-3:]
        axes = (*range(start), *(start + at for at in (2, 0, 3, 1, 4)))
        blocks = xp.permute_dims(xp.reshape(rest, (*batch, h, m // x, x, n // y, y)), axes)  # (..., x, h, n/y, m/x, y)
        u, s, vt = leading_triplets(blocks, min(m // x, y), xp=xp)
        rest = xp.reshape((u[..., 0] * s[..., :1]).mT, (*batch, x * h, m // x, n // y))
        axes = (*range(start), *(start + at for at in (2, 1, 0, 3)))
        stages.append(Stage(xp.permute_dims(vt[..., 0, :], axes)))  # (..., n/y, h, x, y)
        errors.append(xp.reshape(s[..., 1:], (*batch, 1, math.prod(s.shape[start:-1]) * (s.shape[-1] - 1))))
    stages.append(Stage(rest[..., None, :, :, :]))
    none = xp.zeros((*batch, 1, 1), dtype=xp.abs(rest[..., :0, :0]).dtype, device=rest.device)
    return stages[::-1], frobenius(xp.concat([none, *errors], axis=-1), xp=xp)


def _radices(radices, p, q):
    """The radices of rows and of columns, first to last."""
    if radices is None:
        primes = [prime_factors(n) for n in (p, q)] if p * q else [[p], [q]]
        digits = max(1, *map(len, primes))
        return tuple(tuple([1] * (digits - len(side)) + side) for side in primes)
    if not isinstance(radices, tuple | list):
        raise TypeError(f"radices must be a tuple with the radix of each digit, got {radices!r}")
    pairs: list[tuple[int, ...]] = []
    for radix in radices:
        rows_columns = tuple(radix) if isinstance(radix, tuple | list) else (radix, radix)
        if len(rows_columns) != 2:
            raise ValueError(f"radices must be integers or pairs of integers, got {radix!r}")
        pairs.append(tuple(whole(radices=part) for part in rows_columns))
    rows, columns = zip(*pairs, strict=True) if pairs else ((), ())
    if math.prod(rows) != p or math.prod(columns) != q or min(*rows, *columns, 1) < 1:
        raise ValueError(
            f"radices must multiply to {p} for rows and {q} for columns, got {math.prod(rows)} and "
            f"{math.prod(columns)}; give a pair for each digit, or pad the matrix"
        )
    return rows, columns
