"""The tensor train: a product of matrices, of which each index of the tensor picks one (Oseledets 2011).

    T[i_1, ..., i_d] = G_1[i_1] G_2[i_2] ... G_d[i_d],   G_k[i] of r_{k-1} rows and r_k columns,   r_0 = r_d = 1

Its ranks are those of the unfoldings of T, with the first k modes for rows. TT-SVD takes one truncated SVD for each;
the squared error is the sum of what they discard, and at most d - 1 times the least that these ranks allow.
"""

import math
from dataclasses import replace
from typing import Any

from factorattn.catalogue import Factorization
from factorattn.factor.factored import TensorTrain
from factorattn.factor.tensor.modes import admit_tensor, left_out, rank_for, ranks_of, scaled, slack

__all__ = ["round_tensor_train", "tensor_train", "train_svd"]


@Factorization(
    inputs="a: x y t, rank = r",
    output="x y*t",
    time="x**2*y*t + y*t**2*r + x**3 + t**3",
    memory="x*y*t + y*t*r + x**2 + t**2",
    exact="rank",
    lowrank=True,
    needs="tensor",
    paper="oseledets2011",
)
def tensor_train(
    a: Any, rank: int | tuple[int, ...] | None, *, tolerance: float | None = None, rows: int = 1
) -> TensorTrain:
    """Factor a tensor into a train of arrays, one for each mode, by TT-SVD.

    Parameters
    ----------
    a : array, shape (n_1, ..., n_d)
        Two modes or more; real or complex.
    rank : int or tuple of int, or None
        The most that each of the ranks r_1, ..., r_{d-1} may be: one number for all, or one for each. None is no limit.
    tolerance : float, optional
        Relative error in the Frobenius norm: ranks are then as low as it allows, but `rank` comes first. This looks at
        the values of the array.
    rows : int
        How many of the modes number the rows of the matrix that the result is.

    Returns
    -------
    train : TensorTrain
        Cores (r_{k-1}, n_k, r_k). All but the last are left-orthogonal: as matrices (r_{k-1} n_k, r_k) they have
        orthonormal columns. ``error_bound`` is the error itself, from the singular values left out.

    Raises
    ------
    ValueError
        If `a` has fewer than two axes or holds NaN or infinity; or a rank, `tolerance` or `rows` is out of range.
    TypeError
        If `a` is not a floating array.

    Notes
    -----
    With one rank for all, the matrix has at most this rank for any `rows`. For two modes it is the truncated SVD. The
    error is at most sqrt(d - 1) times the least that the ranks allow (Oseledets 2011, Theorem 2.2 and its corollary).
    Cost is declared for three modes, the first no longer than the others together.

    References
    ----------
    Oseledets, "Tensor-train decomposition", SIAM Journal on Scientific Computing 33, 2011, pages 2295-2317.
    """
    xp, a, scale, rows = admit_tensor(a, rows)
    ranks = ranks_of(rank, a.ndim - 1)
    allowed = slack(a, tolerance, a.ndim - 1, xp=xp)
    cores, error = train_svd(xp.reshape(a, (math.prod(a.shape),)), tuple(a.shape), ranks, allowed, xp=xp)
    return TensorTrain((*cores[:-1], cores[-1] * scale), row_modes=rows, error_bound=error * scale)


def train_svd(t: Any, lengths: tuple[int, ...], ranks: tuple[float, ...], allowed: Any, *, xp: Any) -> tuple[Any, Any]:
    """TT-SVD of tensors t (..., n_1 n_2 ... n_d), from the first mode on (Oseledets 2011, Algorithm 1).

    Returns
    -------
    cores : list of array, shapes (..., r_{k-1}, n_k, r_k)
    error : array, shape (...)
    """
    batch, cores, lost, r = tuple(t.shape[:-1]), [], [], 1
    for k, (n, rank) in enumerate(zip(lengths[:-1], ranks, strict=True)):
        u, s, vt = xp.linalg.svd(xp.reshape(t, (*batch, r * n, math.prod(lengths[k + 1 :]))), full_matrices=False)
        keep = rank_for(s, rank, allowed, xp=xp)
        cores.append(xp.reshape(u[..., :keep], (*batch, r, n, keep)))
        lost.append(left_out(s, keep, xp=xp))
        t, r = s[..., :keep, None] * vt[..., :keep, :], keep
    cores.append(xp.reshape(t, (*batch, r, lengths[-1], 1)))
    return cores, xp.linalg.vector_norm(xp.stack(lost, axis=-1), axis=-1)


def round_tensor_train(
    train: TensorTrain, rank: int | tuple[int, ...] | None = None, *, tolerance: float | None = None
) -> TensorTrain:
    """Lower the ranks of a train without writing the tensor out, as after sums and products that raise them.

    Parameters
    ----------
    train : TensorTrain
    rank, tolerance
        As in `tensor_train`; ranks are in the order of the cores.

    Returns
    -------
    train : TensorTrain
        With all cores but the last left-orthogonal. ``error_bound`` is the distance from the given train, plus that
        train's own bound if it has one.

    Raises
    ------
    TypeError
        If `train` is not a tensor train.
    ValueError
        If a rank or `tolerance` is out of range.

    Notes
    -----
    Oseledets 2011, Algorithm 2: cores are made right-orthogonal from the last by QR, so that each truncated SVD on the
    way back discards exactly what the tensor loses. The cost is linear in the number of modes.
    """
    if not isinstance(train, TensorTrain):
        raise TypeError(f"train must be a TensorTrain, got {type(train).__name__}")
    xp, places = train.__array_namespace__(), len(train.cores) - 1
    ranks = ranks_of(rank, places)
    first, *others = train.cores
    carry, right = xp.ones((1, 1), dtype=train.dtype, device=train.device), []
    for core in reversed(others):  # G_k times what was carried = L Q: Q stays, L is carried to G_{k-1}
        r, n, s = core.shape
        whole = xp.reshape(xp.reshape(core, (r * n, s)) @ carry, (r, n * carry.shape[1]))
        q, upper = xp.linalg.qr(whole.mT)
        right.append(xp.reshape(q.mT, (q.shape[1], n, carry.shape[1])))
        carry = upper.mT  # (r_{k-1}, no more than that)
    t, scale = scaled(first[0, ...] @ carry, xp=xp)  # (n_1, r_1), of the norm of the tensor
    allowed, cores, lost, r, n = slack(t, tolerance, places, xp=xp), [], [], 1, first.shape[1]
    for core, cap in zip(reversed(right), ranks, strict=True):
        u, s, vt = xp.linalg.svd(t, full_matrices=False)
        keep = rank_for(s, cap, allowed, xp=xp)
        cores.append(xp.reshape(u[:, :keep], (r, n, keep)))
        lost.append(left_out(s, keep, xp=xp))
        m, *lengths = core.shape
        t = (s[:keep, None] * vt[:keep, :]) @ xp.reshape(core, (m, math.prod(lengths)))
        r, n, t = keep, lengths[0], xp.reshape(t, (keep * lengths[0], lengths[1]))
    cores.append(xp.reshape(t * scale, (r, n, 1)))
    error = xp.linalg.vector_norm(xp.stack(lost)) * scale
    known = train.error_bound
    return replace(train, cores=tuple(cores), error_bound=error if known is None else known + error)
