"""The pseudo-inverse by matrix products alone: a third-order iteration that needs no decomposition.

    Z_0 = A^T / (|A|_1 |A|_inf),   Z_(t+1) = Z_t (13 I - A Z_t (15 I - A Z_t (7 I - A Z_t))) / 4

with |A|_1 the largest absolute column sum and |A|_inf the largest absolute row sum. Z_t tends to the pseudo-inverse of
A, the residual I - A Z_t with a cube each step once it is small (Razavi et al. 2014, as in Nystromformer).
"""

from typing import Any

__all__ = ["iterative_pinv"]


def iterative_pinv(a: Any, iterations: int, *, xp: Any) -> Any:
    """Nearly the pseudo-inverse of each matrix of a (..., p, q): an array (..., q, p) after `iterations` steps.

    Every matrix of a stack has a start of its own. A start for the whole stack (a maximum over all matrices, as in code
    that is in wide use) lets each matrix change the result of the others.
    """
    eye = xp.eye(a.shape[-2], dtype=a.dtype, device=a.device)
    columns = xp.max(xp.sum(xp.abs(a), axis=-2, keepdims=True), axis=-1, keepdims=True)  # (..., 1, 1)
    rows = xp.max(xp.sum(xp.abs(a), axis=-1, keepdims=True), axis=-2, keepdims=True)  # (..., 1, 1)
    size = columns * rows
    z = a.mT / xp.where(size == 0, 1.0, size)  # of nothing but zeros, it is zero
    for _ in range(iterations):
        az = a @ z  # (..., p, p)
        z = z @ (13 * eye - az @ (15 * eye - az @ (7 * eye - az))) / 4
    return z
