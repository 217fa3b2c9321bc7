"""CUR: a matrix by a few of its own columns and rows.

    A ~ C U R,   C = A_:J,   R = A_I:,   U = C^+ A R^+  (projection)   or   U = (A_IJ)^+  (intersection)

With the projection, no other U is nearer in the Frobenius norm. The intersection is the Nystrom method for any matrix.
"""

from typing import Any

from factorattn.catalogue import Factorization
from factorattn.contract import choose as chosen
from factorattn.factor.adjoint import adjoint
from factorattn.factor.door import admit, unit_scale
from factorattn.factor.factored import Product
from factorattn.factor.selection.choice import CHOICES
from factorattn.factor.selection.kinds import CUR
from factorattn.factor.selection.pieces import columns_of, rounding, rows_of
from factorattn.scalars import generator

__all__ = ["cur"]

INPUTS = "a: ... p q, rank = r"


@Factorization(
    inputs=INPUTS,
    time="p*q*r + p*r**2 + q*r**2 + r**3",
    memory="p*q + p*r + q*r + r**2",
    exact="rank",
    lowrank=True,
    random=True,
    paper="mahoney2009",
)
def cur(a: Any, rank: int, *, choose: str = "adaptive", middle: str = "projection", rng: Any = None) -> CUR:
    """Factor a matrix into a few of its columns, a small matrix and a few of its rows.

    Parameters
    ----------
    a : array, shape (..., p, q)
        Real or complex.
    rank : int
        Number of columns, and of rows, r; min(p, q) or more takes all that there can be.
    choose : {"adaptive", "pivoted", "deim", "leverage", "norm", "uniform"}
        "adaptive": columns are drawn one by one, in proportion to the squared norms of what those before leave of them,
        then rows of these columns in the same way (Deshpande and Vempala 2006).
        "pivoted": columns by QR with column pivoting, rows by that of the columns. "deim": by interpolation of r
        leading singular vectors (Sorensen and Embree 2016). Without replacement are drawn: "leverage", in
        proportion to squared rows of r leading singular vectors (Mahoney and Drineas 2009); "norm", to squared norms;
        "uniform", all alike.
    middle : {"projection", "intersection"}
        How U is made. The intersection needs no entries but those of C and R, and with drawn rows and columns its
        error may be of any size, where the rows chosen tell little of the columns.
    rng : int or numpy Generator, optional
        Where to draw from; "pivoted" and "deim" draw nothing.

    Returns
    -------
    cur : CUR
        c (..., p, k) and r (..., k, q), which are ``a[:, column_index]`` and ``a[row_index, :]`` bit for bit; u, a
        product of (..., k, k) matrices; row_index and column_index (..., k). ``error_bound`` is the error itself,
        measured.

    Raises
    ------
    ValueError
        If `a` has fewer than two axes or holds NaN or infinity, `rank` is not a positive integer, `choose` or `middle`
        is none of those above, or `rng` is negative.
    TypeError
        If `a` is not a floating array.

    Notes
    -----
    As C and R have the condition of A, entries of U are as large as the inverse of its smallest singular values, and U
    as one matrix would cost half of the digits: on the Hilbert matrix of order 10 the error is near 1e-4 so, and 1e-15
    with the factors that are returned. Singular values that are rounding are cut off, in C, R and the intersection.

    References
    ----------
    Deshpande and Vempala, "Adaptive sampling and fast low-rank matrix approximation", RANDOM 2006.
    Mahoney and Drineas, "CUR matrix decompositions for improved data analysis", PNAS 106, 2009, pages 697-702.
    Sorensen and Embree, "A DEIM induced CUR factorization", SIAM Journal on Scientific Computing 38, 2016.
    """
    xp, size, (a,) = admit(INPUTS, a=a, rank=rank)
    select, inner, rng = chosen(CHOICES, choose=choose), chosen(MIDDLES, middle=middle), generator(rng)
    scale = unit_scale(a, xp=xp)  # (..., 1, 1)
    unit = a / scale
    rows, columns = select(unit, min(size["r"], *a.shape[-2:]), rng, xp=xp)  # (..., k)
    c, r = columns_of(unit, columns, xp=xp), rows_of(unit, rows, xp=xp)
    first, *others = inner(unit, c, r, rows, xp=xp)
    error = xp.linalg.vector_norm(unit - CUR(c, Product((first, *others)), r, rows, columns).to_dense(), axis=(-2, -1))
    return CUR(
        columns_of(a, columns, xp=xp),
        Product((first, *others[:-1], others[-1] / scale)),
        rows_of(a, rows, xp=xp),
        rows,
        columns,
        error_bound=error * xp.astype(scale[..., 0, 0], error.dtype),
    )


def _projection(a, c, r, rows, *, xp):
    """C^+ A R^+, from C = Q_c T_c and R^H = Q_r T_r."""
    q_c, t_c = xp.linalg.qr(c)
    q_r, t_r = xp.linalg.qr(adjoint(r, xp=xp))
    (left, left_basis), (right, right_basis) = _inverse(t_c, xp=xp), _inverse(t_r, xp=xp)
    inner = adjoint(q_c, xp=xp) @ a @ q_r  # (..., k, k)
    return left, left_basis @ inner @ adjoint(right_basis, xp=xp), adjoint(right, xp=xp)


def _intersection(a, c, r, rows, *, xp):
    """The inverse of rows of C."""
    return _inverse(rows_of(c, rows, xp=xp), xp=xp)


MIDDLES = {"projection": _projection, "intersection": _intersection}


def _inverse(t, *, xp):
    """The pseudo-inverse of t (..., k, k) as two factors, V diag(1 / s) and U^H."""
    k = t.shape[-1]
    u, s, vt = xp.linalg.svd(t, full_matrices=False)
    kept = s > rounding(t.dtype, k, xp=xp) * s[..., : min(1, k)]
    inverse = xp.where(kept, 1.0 / xp.where(kept, s, 1.0), 0.0)
    return adjoint(vt, xp=xp) * inverse[..., None, :], adjoint(u, xp=xp)
