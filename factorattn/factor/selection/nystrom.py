"""The Nystrom method: a semidefinite matrix from what it makes of a few vectors, as a rule a few of its columns.

    A ~ Y (Omega^H Y)^+ Y^H,   Y = A Omega;   for Omega = I_:J this is A_:J (A_JJ)^+ A_:J^H

Omega^H Y is shifted by rounding and factored by Cholesky; the eigenvalues give the shift back (Tropp et al. 2017).
"""

from collections.abc import Sequence
from typing import Any

from factorattn.catalogue import Factorization
from factorattn.contract import choose as chosen
from factorattn.factor.adjoint import adjoint
from factorattn.factor.door import admit, unit_scale
from factorattn.factor.lowrank.truncated_svd import leading_triplets
from factorattn.factor.selection.choice import drawn, leverage, random_pivot
from factorattn.factor.selection.kinds import Nystrom
from factorattn.factor.selection.pieces import columns_of, rounding, rows_of
from factorattn.factor.selection.rpcholesky import pivoted_cholesky
from factorattn.factor.selection.semidefinite import checked_diagonal, trace_bound
from factorattn.scalars import generator

__all__ = ["nystrom"]

INPUTS = "a: ... p p, rank = r"
LANDMARKS = "a: ... p p, rank = r, landmarks: r of p"


@Factorization(
    inputs=INPUTS,
    output="p p",
    time="p**2 + p*r**2 + r**3",
    memory="p**2 + p*r + r**2",
    exact="rank",
    lowrank=True,
    needs="semidefinite",
    random=True,
    paper="williams2001",
)
def nystrom(
    a: Any, rank: int, *, choose: str = "rpcholesky", landmarks: Sequence[int] | None = None, rng: Any = None
) -> Nystrom:
    """Factor a positive semidefinite matrix by the Nystrom method.

    Parameters
    ----------
    a : array, shape (..., p, p)
        Real symmetric or complex Hermitian, positive semidefinite.
    rank : int
        Number of columns, or of vectors, r; p or more takes all that there can be.
    choose : {"rpcholesky", "uniform", "leverage", "gaussian"}
        Columns drawn without replacement: "rpcholesky", as `rpcholesky` draws them; "uniform", all alike, which may
        miss what few columns hold; "leverage", in proportion to squared rows of r leading eigenvectors. "gaussian":
        standard normal vectors, which see all of A.
    landmarks : sequence of r distinct integers, optional
        The columns themselves, the same for all of a batch; `choose` is not looked at.
    rng : int or numpy Generator, optional
        Where to draw from.

    Returns
    -------
    nystrom : Nystrom
        g (..., p, k) with ``a`` near ``g @ g^H``, its columns orthogonal and their norms falling; and landmarks
        (..., k), None for vectors. ``error_bound`` is the trace of the error, which is semidefinite.

    Raises
    ------
    ValueError
        If `a` is not square, holds NaN or infinity, differs from its adjoint, or has a diagonal that no semidefinite
        matrix has; `rank` is not a positive integer; `choose` is none of those above; `landmarks` are not r distinct
        positions; or `rng` is negative.
    TypeError
        If `a` is not a floating array.
    LinAlgError
        Of the array library, where columns of an indefinite matrix have no Cholesky factor.

    Notes
    -----
    For matrices of any kind, ``cur(a, rank, middle="intersection")`` is the same with rows and columns apart.
    scikit-learn's ``Nystroem`` returns features of points, whose products are this matrix.

    References
    ----------
    Williams and Seeger, "Using the Nystrom method to speed up kernel machines", NIPS 13, 2001.
    Tropp, Yurtsever, Udell and Cevher, "Fixed-rank approximation of a positive-semidefinite matrix from streaming
    data", NIPS 30, 2017. arXiv:1706.05736.
    """
    given = getattr(a, "dtype", None)  # its rounding is in the matrix, whatever it is computed in
    if landmarks is not None:
        admit(LANDMARKS, a=a, rank=rank, landmarks=landmarks)
    xp, size, (a,) = admit(INPUTS, a=a, rank=rank)
    sketch, rng = chosen(SKETCHES, choose=choose), generator(rng)
    *batch, p, _ = a.shape
    k = min(size["r"], p)
    scale = unit_scale(a, xp=xp)  # (..., 1, 1)
    unit = a / scale
    diagonal, eps = checked_diagonal(unit, xp=xp), rounding(given, 1, xp=xp)
    if landmarks is None:
        omega, index = sketch(unit, diagonal, eps, k, rng, xp=xp)
    else:
        chosen_by_caller = xp.asarray(list(landmarks), dtype=xp.int64, device=a.device)
        omega, index = None, xp.broadcast_to(chosen_by_caller, (*batch, k))
    g = _of_columns(unit, index, eps, xp=xp) if omega is None else _of_sketch(unit, omega, eps, xp=xp)
    error = trace_bound(diagonal, g, xp=xp) * xp.astype(scale[..., 0, 0], diagonal.dtype)
    return Nystrom(g * xp.sqrt(scale), index, error_bound=error)


def _of_columns(a, index, eps, *, xp):
    row = xp.arange(a.shape[-2], device=a.device)[:, None]
    omega = xp.astype(row == index[..., None, :], a.dtype)  # (..., p, k)
    y, shift = _shifted(columns_of(a, index, xp=xp), omega, eps, xp=xp)
    return _factor(y, rows_of(y, index, xp=xp), shift, xp=xp)


def _of_sketch(a, omega, eps, *, xp):
    y, shift = _shifted(a @ omega, omega, eps, xp=xp)
    return _factor(y, adjoint(omega, xp=xp) @ y, shift, xp=xp)


def _shifted(y, omega, eps, *, xp):
    """Y of A + shift I, and what to take back of the eigenvalues (..., 1, 1): the shift, or all where Y is zero."""
    norm = xp.linalg.vector_norm(y, axis=(-2, -1), keepdims=True)
    shift = xp.where(norm > 0, eps * y.shape[-2] ** 0.5 * norm, 1.0)
    return y + xp.astype(shift, y.dtype) * omega, xp.where(norm > 0, shift, xp.inf)


def _factor(y, core, shift, *, xp):
    """G with G G^H + shift I = Y core^-1 Y^H on the range of Y."""
    lower = xp.linalg.cholesky((core + adjoint(core, xp=xp)) / 2)
    u, s, _ = xp.linalg.svd(adjoint(xp.linalg.solve(lower, adjoint(y, xp=xp)), xp=xp), full_matrices=False)
    eigenvalues = xp.square(s)[..., None, :] - shift
    return u * xp.astype(xp.sqrt(xp.where(eigenvalues > 0, eigenvalues, 0.0)), u.dtype)


def _uniform(a, diagonal, eps, k, rng, *, xp):
    return None, drawn(xp.ones_like(diagonal), k, rng, xp=xp)


def _leverage(a, diagonal, eps, k, rng, *, xp):
    return None, drawn(leverage(leading_triplets(a, k, xp=xp)[0], xp=xp), k, rng, xp=xp)


def _rpcholesky(a, diagonal, eps, k, rng, *, xp):
    floor = eps * a.shape[-1] * diagonal
    return None, pivoted_cholesky(a, diagonal, floor, k, random_pivot, rng, xp=xp)[1]


def _gaussian(a, diagonal, eps, k, rng, *, xp):
    shape = (*a.shape[:-1], k)
    drawn_now = rng.standard_normal(shape)
    if xp.isdtype(a.dtype, "complex floating"):
        drawn_now = drawn_now + 1j * rng.standard_normal(shape)
    omega = xp.asarray(drawn_now, dtype=a.dtype, device=a.device)
    return xp.linalg.qr(omega)[0], None  # the result is that of omega, whose own columns may be nearly dependent


SKETCHES = {"rpcholesky": _rpcholesky, "uniform": _uniform, "leverage": _leverage, "gaussian": _gaussian}
