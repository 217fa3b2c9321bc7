"""The range finder: an orthonormal basis of nearly all that a matrix maps to (Halko, Martinsson and Tropp 2011).

    Y = (A A^H)^power A S^H,    Q R = Y,    A ~ Q Q^H A        for a random matrix S (l, q)

The product with A is done on one side at a time, and the basis made orthogonal in between: else every direction whose
singular value is below eps^(1 / (2 power + 1)) of the largest drowns in rounding.
"""

from typing import Any

from factorattn.factor.adjoint import adjoint
from factorattn.factor.door import unit_scale
from factorattn.factor.sketch import SKETCHES
from factorattn.interpret.gradient import stop_gradient

__all__ = ["levelled", "range_basis", "thin_svd", "times_adjoint"]

# Bases are kept as rows, (l, p): a thin matrix times a wide one is then a product of contiguous memory.


def range_basis(a: Any, width: int, *, power: int, sketch: str, rng: Any, xp: Any) -> Any:
    """Orthonormal columns q (..., p, width) that span most of the range of a (..., p, q)."""
    test = SKETCHES[sketch](width, a.shape[-1], like=a, rng=rng)  # (l, q)
    rows = test @ adjoint(a, xp=xp)  # (..., l, p)
    for _ in range(power):
        rows = levelled(rows, xp=xp) @ a  # (..., l, q)
        rows = times_adjoint(levelled(rows, xp=xp), a, xp=xp)  # (..., l, p)
    return xp.linalg.qr(adjoint(rows, xp=xp))[0]


def levelled(rows: Any, *, xp: Any) -> Any:
    """Other rows (..., l, p) that span the same space, orthonormal as far as that takes no more than products.

    Rows are rotated by the eigenvectors of their Gram matrix and scaled by its eigenvalues (Stathopoulos and Wu 2002).
    In double precision one round levels lengths that differ by up to 1e8, the most that a Gram matrix shows, and a
    second one the rest. Whatever its rounding, an invertible matrix from the left leaves the space as it is. A QR
    decomposition in its place takes as long as a product with A.

    For the same reason derivatives hold that matrix constant: how the space moves does not depend on it.
    """
    rows = rows / unit_scale(rows, xp=xp)
    single = xp.finfo(rows.dtype).bits < xp.finfo(xp.float64).bits
    double = xp.complex128 if xp.isdtype(rows.dtype, "complex floating") else xp.float64
    for _ in range(1 if single else 2):
        exact = xp.astype(stop_gradient(rows), double, copy=False)
        values, vectors = xp.linalg.eigh(times_adjoint(exact, exact, xp=xp))  # (..., l), (..., l, l)
        seen = xp.maximum(values, xp.finfo(values.dtype).eps * values[..., -1:])
        length = xp.sqrt(xp.where(seen > 0, seen, xp.ones_like(seen)))
        turned = adjoint(vectors / length[..., None, :], xp=xp)
        rows = xp.astype(turned, rows.dtype, copy=False) @ rows
    return rows


def thin_svd(a: Any, *, xp: Any) -> tuple[Any, Any, Any]:
    """All singular triplets of a wide matrix (..., l, q), by a QR decomposition of its adjoint first."""
    w, r = xp.linalg.qr(adjoint(a, xp=xp))  # (..., q, l), (..., l, l)
    u, s, vt = xp.linalg.svd(adjoint(r, xp=xp), full_matrices=False)
    return u, s, vt @ adjoint(w, xp=xp)


def times_adjoint(x: Any, a: Any, *, xp: Any) -> Any:
    """X A^H for a thin X: where they are complex X is conjugated, before and after, and the large A is not.

    In single precision OpenBLAS is faster at the transpose of the same product.
    """
    if xp.isdtype(a.dtype, "complex floating"):
        return xp.conj(xp.conj(x) @ a.mT)
    return (a @ x.mT).mT if a.dtype == xp.float32 else x @ a.mT
