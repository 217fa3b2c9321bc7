"""Cost rules of linear algebra: operation counts of Golub and Van Loan, "Matrix Computations", 4th edition.

    cholesky  n^3 / 3              (section 4.2)    solve  2 n^3 / 3 + 2 n^2 r   by LU (sections 3.1, 3.2)
    inv       2 n^3                (section 3.4)    eigh   9 n^3                 (section 8.3)
    qr        4 p q^2 - 4 q^3 / 3  (section 5.2)    svd    6 p q^2 + 20 q^3      for p >= q (section 8.6)

Each term is counted apart, so that counts stay monomials in the sizes; a third may make a count a fraction. Complex
matrices cost four times as much, as multiplications and additions of complex numbers are 6 + 2 operations.
"""

import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np

from factorattn.interpret.counting_complex import is_complex, real_dtype
from factorattn.interpret.counting_rules import FUNCTIONS

__all__ = ["LINALG"]


def _decompose(xp, name, counts, arrays):
    each = 4 if any(is_complex(a) for a in arrays) else 1
    xp.tally.add(f"linalg.{name}", "decompose", tuple(each * c for c in counts), sum(a.nbytes for a in arrays))


def _square(a, name):
    *batch, n, p = a.shape
    if n != p:
        raise ValueError(f"linalg.{name} needs square matrices, got {a.shape}")
    return math.prod(batch), n


def _svd(xp, a, /, *, full_matrices=True):
    """Thin SVD by R-SVD."""
    if full_matrices:
        raise NotImplementedError("counting has no rule for linalg.svd with full_matrices=True")
    *batch, p, q = a.shape
    big, small, items = max(p, q), min(p, q), math.prod(batch)
    u, vt = xp.array((*batch, p, small), a.dtype), xp.array((*batch, small, q), a.dtype)
    s = xp.array((*batch, small), real_dtype(a.dtype))
    _decompose(xp, "svd", (6 * items * big * small**2, 20 * items * small**3), (a, u, s, vt))
    return u, s, vt


def _qr(xp, a, /, *, mode="reduced"):
    """Householder QR, with the thin Q formed."""
    if mode != "reduced":
        raise NotImplementedError(f"counting has no rule for linalg.qr with mode={mode!r}")
    *batch, p, q = a.shape
    big, small, items = max(p, q), min(p, q), math.prod(batch)
    factors = xp.array((*batch, p, small), a.dtype), xp.array((*batch, small, q), a.dtype)
    _decompose(xp, "qr", (4 * items * big * small**2, Fraction(-4 * items * small**3, 3)), (a, *factors))
    return factors


def _cholesky(xp, a, /, *, upper=False):
    items, n = _square(a, "cholesky")
    out = xp.array(a.shape, a.dtype)
    _decompose(xp, "cholesky", (Fraction(items * n**3, 3),), (a, out))
    return out


def _inv(xp, a, /):
    items, n = _square(a, "inv")
    out = xp.array(a.shape, a.dtype)
    _decompose(xp, "inv", (2 * items * n**3,), (a, out))
    return out


def _solve(xp, a, b, /):
    """LU with partial pivoting, then two triangular systems for each column of b."""
    if b.ndim < 2:
        raise NotImplementedError(f"counting has no rule for linalg.solve of a vector {b.shape}")
    _, n = _square(a, "solve")
    if b.shape[-2] != n:
        raise ValueError(f"linalg.solve: {a.shape} and {b.shape} do not fit")
    batch, r = np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), b.shape[-1]
    out = xp.array((*batch, n, r), np.result_type(a.dtype, b.dtype))
    items = math.prod(batch)
    _decompose(xp, "solve", (Fraction(2 * items * n**3, 3), 2 * items * n**2 * r), (a, b, out))
    return out


def _eigh(xp, a, /):
    items, n = _square(a, "eigh")
    values, vectors = xp.array(a.shape[:-1], real_dtype(a.dtype)), xp.array(a.shape, a.dtype)
    _decompose(xp, "eigh", (9 * items * n**3,), (a, values, vectors))
    return values, vectors


def _pinv(xp, a, /, *, rtol=None):
    """By its singular value decomposition."""
    u, s, vt = _svd(xp, a, full_matrices=False)
    if is_complex(a):
        u, vt = FUNCTIONS["conj"](xp, u), FUNCTIONS["conj"](xp, vt)
    scaled = FUNCTIONS["divide"](xp, u, s[..., None, :])
    return FUNCTIONS["matmul"](xp, vt.mT, scaled.mT)


def _vector_norm(xp, x, /, *, axis=None, keepdims=False, ord=2):
    """Euclidean: squares, sum and root."""
    if ord != 2:
        raise NotImplementedError(f"counting has no rule for linalg.vector_norm with ord={ord!r}")
    parts = [FUNCTIONS["real"](xp, x), FUNCTIONS["imag"](xp, x)] if is_complex(x) else [x]
    squares = FUNCTIONS["square"](xp, parts[0])
    for part in parts[1:]:
        squares = FUNCTIONS["add"](xp, squares, FUNCTIONS["square"](xp, part))
    return FUNCTIONS["sqrt"](xp, FUNCTIONS["sum"](xp, squares, axis=axis, keepdims=keepdims))


LINALG: dict[str, Callable] = {
    "cholesky": _cholesky,
    "eigh": _eigh,
    "inv": _inv,
    "pinv": _pinv,
    "qr": _qr,
    "solve": _solve,
    "svd": _svd,
    "vector_norm": _vector_norm,
}
