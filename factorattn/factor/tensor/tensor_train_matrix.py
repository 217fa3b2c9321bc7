"""A matrix as a tensor train, whose rows and columns are numbered by several digits each (Oseledets 2010).

    A[i_1 ... i_d, j_1 ... j_d] = G_1[i_1, j_1] G_2[i_2, j_2] ... G_d[i_d, j_d],   p = p_1 ... p_d,   q = q_1 ... q_d

The pair (i_k, j_k) is one mode of a tensor, which TT-SVD splits. Of rank 1 it is a Kronecker product of d matrices.
"""

import math
import operator
from collections.abc import Iterator, Sequence
from typing import Any

from factorattn.catalogue import Factorization
from factorattn.factor.door import admit, unit_scale
from factorattn.factor.factored import TensorTrainMatrix
from factorattn.factor.tensor.modes import ranks_of
from factorattn.factor.tensor.tensor_train import train_svd

__all__ = ["near_equal_factors", "tensor_train_matrix"]

INPUTS = "a: ... p q, rank = r"


@Factorization(
    inputs=INPUTS,
    time="p**(4/3)*q**(4/3)",
    memory="p*q",
    exact="form",
    paper="oseledets2010",
)
def tensor_train_matrix(
    a: Any,
    rank: int | tuple[int, ...] | None,
    *,
    row_modes: tuple[int, ...] | None = None,
    column_modes: tuple[int, ...] | None = None,
) -> TensorTrainMatrix:
    """Factor a matrix into a train of cores, each with a digit of the row and one of the column.

    Parameters
    ----------
    a : array, shape (..., p, q)
        Real or complex.
    rank : int or tuple of int, or None
        The most that each of the ranks r_1, ..., r_{d-1} may be: one number for all, or one for each. None is no limit.
    row_modes, column_modes : tuple of int, optional
        p_1, ..., p_d and q_1, ..., q_d, the last digit fastest. By default three factors of each, as near to equal as
        there are; two, where a side is a product of two primes.

    Returns
    -------
    train : TensorTrainMatrix
        Cores (..., r_{k-1}, p_k, q_k, r_k). ``rows`` gives rows of an embedding from one slice of each core.
        ``error_bound`` is the error itself, from the singular values left out.

    Raises
    ------
    ValueError
        If `a` has fewer than two axes or holds NaN or infinity; if a rank is out of range; if modes do not multiply to
        p or q, or differ in number; if they are left out and a side is prime, which has no factors but itself.
    TypeError
        If `a` is not a floating array.

    Notes
    -----
    A matrix of low rank need not have low ranks here, nor the reverse: the identity is of rank 1 here. For two modes
    this is the nearest sum of r Kronecker products, for more the error is at most sqrt(d - 1) times the least that the
    ranks allow. The declared time holds with three modes for square matrices from above, whose exact cost of
    (p q)^(4/3) is no polynomial.

    References
    ----------
    Oseledets, "Approximation of 2^d x 2^d matrices using tensor decomposition", SIAM Journal on Matrix Analysis and
    Applications 31, 2010, pages 2130-2145.

    Novikov et al., "Tensorizing Neural Networks", 2015. arXiv:1509.06569

    Hrinchuk et al., "Tensorized Embedding Layers", 2020. arXiv:1901.10787
    """
    xp, size, (a,) = admit(INPUTS, a=a, rank=1)  # ranks may be several: they are checked below
    rows, columns = _modes(size["p"], size["q"], row_modes, column_modes)
    d, n = len(rows), a.ndim - 2
    ranks = ranks_of(rank, d - 1)
    scale = unit_scale(a, xp=xp)  # (..., 1, 1)
    t = xp.reshape(a / scale, (*a.shape[:-2], *rows, *columns))
    pairs = [axis for k in range(d) for axis in (n + k, n + d + k)]
    t = xp.permute_dims(t, (*range(n), *pairs))  # (..., p_1, q_1, p_2, q_2, ...)
    lengths = tuple(p * q for p, q in zip(rows, columns, strict=True))
    cores, error = train_svd(xp.reshape(t, (*a.shape[:-2], math.prod(lengths))), lengths, ranks, None, xp=xp)
    cores = [*cores[:-1], cores[-1] * scale[..., None]]
    split = [
        xp.reshape(core, (*core.shape[:-2], p, q, core.shape[-1]))
        for core, p, q in zip(cores, rows, columns, strict=True)
    ]
    return TensorTrainMatrix(tuple(split), error_bound=error * scale[..., 0, 0])


def near_equal_factors(n: int, count: int) -> tuple[int, ...] | None:
    """The `count` factors above 1 of an integer whose sum is least, rising; None if it has not so many."""
    found = list(_factors(n, count, 2))
    return min(found, key=lambda factors: (sum(factors), factors)) if found else None


def _factors(n: int, count: int, least: int) -> Iterator[tuple[int, ...]]:
    """All rising tuples of `count` factors of n, none below `least`."""
    if count == 1:
        if n >= least:
            yield (n,)
        return
    for first in range(least, math.isqrt(n) + 1):
        if first**count > n:
            return
        if n % first == 0:
            for others in _factors(n // first, count - 1, first):
                yield (first, *others)


def _modes(p: int, q: int, rows: Any, columns: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The digits of rows and columns: those given, or near-equal factors, as many for one side as for the other."""
    given = {"row_modes": (rows, p, "p"), "column_modes": (columns, q, "q")}
    told: dict[str, tuple[int, ...]] = {}
    for name, (modes, length, letter) in given.items():
        if modes is None:
            continue
        proper = isinstance(modes, Sequence) and all(hasattr(m, "__index__") for m in modes) and len(modes) > 1
        if not proper or math.prod(modes) != length or any(m < 0 for m in modes):
            raise ValueError(f"{name} must be two or more integers whose product is {letter} = {length}, got {modes!r}")
        told[name] = tuple(operator.index(m) for m in modes)
    if len(told) == 2 and len(told["row_modes"]) != len(told["column_modes"]):
        raise ValueError(f"row_modes and column_modes must be as many, got {rows} and {columns}")
    counts = [len(modes) for modes in told.values()] or [3, 2]
    for count in counts:
        left, right = (told.get(name) or _default(length, count) for name, (_, length, _) in given.items())
        if left is not None and right is not None:
            return left, right
    raise ValueError(
        f"p = {p} and q = {q} must both have {counts[-1]} factors above 1; give row_modes and column_modes, "
        "or pad the matrix with zeros"
    )


def _default(n: int, count: int) -> tuple[int, ...] | None:
    """Near-equal factors; of a side of length 0 or 1, which has none to share out, all modes of length n."""
    return (n,) * count if n < 2 else near_equal_factors(n, count)
