"""The nearest sum of Kronecker products (Van Loan and Pitsianis 1993).

    A ~ B_1 (x) C_1 + ... + B_r (x) C_r,   R(A)_(i y + j, k v + l) = A_(i u + k, j v + l) ~ sum over t of B^t_ij C^t_kl

for B_t (x, y) and C_t (u, v).
Rearranged like this, a Kronecker product is a matrix of rank one; so the truncated SVD of R(A) is the nearest sum.
"""

from typing import Any

from factorattn.catalogue import Factorization
from factorattn.factor.door import admit, frobenius
from factorattn.factor.factored import Kronecker, Sum
from factorattn.factor.lowrank.truncated_svd import leading_triplets
from factorattn.factor.structured.sizes import divides, near_square

__all__ = ["kronecker"]

INPUTS = "a: ... p q, rank = r"


@Factorization(
    inputs=INPUTS,
    time="p**(3/2)*q**(3/2)",
    memory="p*q",
    exact="form",
    optimal=True,
    paper="vanloan1993",
)
def kronecker(a: Any, rank: int, *, shape: tuple[int, int] | None = None) -> Sum:
    """Factor a matrix into a sum of Kronecker products.

    Parameters
    ----------
    a : array, shape (..., p, q)
        Real or complex.
    rank : int
        Number of products r; all that are needed to give `a` itself are min(x y, p q / (x y)).
    shape : tuple of int (x, y), optional
        The shape of the left factors; x divides p and y divides q. By default the divisors nearest to the square roots
        of p and q, from below.

    Returns
    -------
    products : Sum
        Its ``terms`` are `Kronecker` products of B (..., x, y) and C (..., p/x, q/y), which have the same norm, in
        falling order of norm. ``error_bound`` is the error itself, from the singular values left out.

    Raises
    ------
    ValueError
        If x does not divide p or y does not divide q, `rank` is not positive, or `a` holds NaN or infinity.
    TypeError
        If `a` is not a floating array.

    Notes
    -----
    Costs an SVD of x y by p q / (x y): of the order of (p q)^(3/2) operations where that is square, which the record
    bounds for p >= q. A prime side leaves no choice but 1 and itself. Products with vectors never form the matrix.

    References
    ----------
    Van Loan and Pitsianis, "Approximation with Kronecker products", in "Linear Algebra for Large Scale and Real-Time
    Applications", 1993.
    """
    xp, size, (a,) = admit(INPUTS, a=a, rank=rank)
    p, q = size["p"], size["q"]
    x, y = _shape(shape, p, q)
    u, v = p // x, q // y
    *batch, _, _ = a.shape
    apart = xp.moveaxis(xp.reshape(a, (*batch, x, u, y, v)), -3, -2)  # (..., x, y, u, v)
    left, s, right = leading_triplets(xp.reshape(apart, (*batch, x * y, u * v)), min(x * y, u * v), xp=xp)
    kept = min(size["r"], s.shape[-1])
    root = xp.sqrt(s[..., :kept])
    lefts = xp.reshape((left[..., :kept] * root[..., None, :]).mT, (*batch, kept, x, y))
    rights = xp.reshape(right[..., :kept, :] * root[..., :, None], (*batch, kept, u, v))
    terms = [Kronecker((lefts[..., t, :, :], rights[..., t, :, :])) for t in range(kept)]
    if not terms:  # an empty matrix
        terms = [Kronecker(tuple(xp.zeros((*batch, *n), dtype=a.dtype, device=a.device) for n in ((x, y), (u, v))))]
    return Sum(tuple(terms), error_bound=frobenius(s[..., None, kept:], xp=xp))


def _shape(shape, p, q):
    if shape is None:
        return near_square(p), near_square(q)
    try:
        x, y = shape
    except (TypeError, ValueError):
        raise ValueError(f"shape must be two integers, got {shape!r}") from None
    return divides(p, "rows", **{"shape[0]": x}), divides(q, "columns", **{"shape[1]": y})
