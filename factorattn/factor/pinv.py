"""The pseudo-inverse by matrix products alone: iterations that need no decomposition.

    Z_0 = A^H / (|A|_1 |A|_inf),   E_t = I - A Z_t
    Z_(t+1) = Z_t (I + E_t + ... + E_t^(m-1))                    E_(t+1) = E_t^m      hyperpower, order m
    Z_(t+1) = Z_t (13 I - A Z_t (15 I - A Z_t (7 I - A Z_t))) / 4                     Razavi et al. 2014

with |A|_1 the largest absolute column sum and |A|_inf the largest absolute row sum. Order 2 is Newton's method, of
Schulz and of Ben-Israel and Cohen: Z (2 I - A Z). The last line, whose residual is (3 E^3 + E^4) / 4, is that of
Nystromformer. Every Z_t tends to the pseudo-inverse of A, of whatever rank and shape A is.
"""

import math
from typing import Any, NamedTuple

from factorattn.factor.adjoint import adjoint
from factorattn.factor.door import admit, unit_scale
from factorattn.scalars import positive, whole

__all__ = ["PseudoInverse", "iterative_pinv", "pseudo_inverse"]

INPUTS = "a: ... p q"


class PseudoInverse(NamedTuple):
    """What `pseudo_inverse` returns.

    Parameters
    ----------
    inverse : array, shape (..., q, p)
    residual : array, shape (...)
        |A - A Z A|_F / |A|_F for the inverse Z: what is missing of the first condition of Penrose.
    iterations : int
        Steps taken, without the last product Z A Z.
    """

    inverse: Any
    residual: Any
    iterations: int


def pseudo_inverse(
    a: Any, *, order: int = 2, tolerance: float | None = None, iterations: int | None = None
) -> PseudoInverse:
    """Nearly the pseudo-inverse of each matrix, by products of matrices.

    Parameters
    ----------
    a : array, shape (..., p, q)
        Real or complex, of any rank.
    order : int
        m, at least 2: a step multiplies m times, and raises the residual to the power m. 3 takes the fewest products.
    tolerance : float, optional
        Singular values from this fraction of the largest on are inverted, to rounding: it sets the number of steps. By
        default the square root of the rounding unit.
    iterations : int, optional
        The number of steps itself, in place of `tolerance`.

    Returns
    -------
    result : PseudoInverse
        ``inverse``, the ``residual`` that it reached, and ``iterations``, the steps it took.

    Raises
    ------
    ValueError
        If `a` holds NaN or infinity, `order` is below 2, `tolerance` not in (0, 1), `iterations` negative, or both of
        these are given.
    TypeError
        If `a` is not a floating array, or an option is of another kind.

    Notes
    -----
    After t steps and a last product Z A Z, a singular value s has become f^2 / s with f = 1 - (1 - s^2 / c)^(m^t). Here
    c = |A|_1 |A|_inf, which is at most sqrt(p q) times the square of the largest singular value. So a small singular
    value is inverted if m^t is large beside c / s^2, and left out if it is small: there is no sharp cutoff as in
    ``numpy.linalg.pinv``. The last product squares what is left of values that are rounding alone. It also takes away
    what rounding has put outside of the range of A, on both sides, which every step multiplies by m (Soderstrom and
    Stewart 1974). Control flow does not depend on values; the residual tells whether the steps were enough.

    References
    ----------
    Ben-Israel and Cohen, "On Iterative Computation of Generalized Inverses and Associated Projections", SIAM Journal on
    Numerical Analysis 3(3), 1966, pages 410-419. Soderstrom and Stewart, "On the Numerical Properties of an Iterative
    Method for Computing the Moore-Penrose Generalized Inverse", SIAM Journal on Numerical Analysis 11(1), 1974.
    """
    xp, size, (a,) = admit(INPUTS, a=a)
    if whole(order=order) < 2:
        raise ValueError(f"order must be at least 2, got {order!r}")
    steps = _steps(order, tolerance, iterations, size["p"] * size["q"], float(xp.finfo(a.dtype).eps))
    scale = unit_scale(a, xp=xp)
    a = a / scale
    wide = a if size["p"] <= size["q"] else a.mT  # residuals are matrices of the smaller side
    z = _start(wide, xp=xp)
    for _ in range(steps):
        z = _hyperpower(wide, z, order, xp=xp)
    z = z @ (wide @ z)
    z = z if size["p"] <= size["q"] else z.mT
    total = xp.linalg.vector_norm(a, axis=(-2, -1))
    missing = xp.linalg.vector_norm(a - (a @ z) @ a, axis=(-2, -1))
    return PseudoInverse(z / scale, missing / xp.where(total == 0, 1.0, total), steps)


def iterative_pinv(a: Any, iterations: int, *, xp: Any) -> Any:
    """Nearly the pseudo-inverse of each matrix of a (..., p, q), by steps of Razavi's iteration: an array (..., q, p).

    Every matrix of a stack has a start of its own. A start for the whole stack (a maximum over all matrices, as in code
    that is in wide use) lets each matrix change the result of the others.
    """
    eye = xp.eye(a.shape[-2], dtype=a.dtype, device=a.device)
    z = _start(a, xp=xp)
    for _ in range(iterations):
        az = a @ z  # (..., p, p)
        z = z @ (13 * eye - az @ (15 * eye - az @ (7 * eye - az))) / 4
    return z


def _hyperpower(a, z, order, *, xp):
    """Z (I + E + ... + E^(m-1)) by Horner's rule: m products."""
    eye = xp.eye(a.shape[-2], dtype=a.dtype, device=a.device)
    e = eye - a @ z  # (..., p, p)
    powers = eye + e
    for _ in range(order - 2):
        powers = eye + e @ powers
    return z @ powers


def _start(a, *, xp):
    """A^H / (|A|_1 |A|_inf): its residual is at most one in every direction. Of nothing but zeros, zero."""
    if 0 in a.shape:
        return a.mT
    columns = xp.max(xp.sum(xp.abs(a), axis=-2, keepdims=True), axis=-1, keepdims=True)  # (..., 1, 1)
    rows = xp.max(xp.sum(xp.abs(a), axis=-1, keepdims=True), axis=-2, keepdims=True)  # (..., 1, 1)
    columns, rows = (xp.where(size == 0, 1.0, size) for size in (columns, rows))
    return adjoint(a, xp=xp) / columns / rows  # the product of the two may overflow, or vanish


def _steps(order, tolerance, iterations, entries, eps):
    """The least t with (1 - s^2 / c)^(m^t) <= eps for s from the tolerance on, by 1 - x <= exp(-x)."""
    if iterations is not None:
        if tolerance is not None:
            raise ValueError("tolerance sets the number of iterations; give one of the two")
        if whole(iterations=iterations) < 0:
            raise ValueError(f"iterations must be at least 0, got {iterations!r}")
        return whole(iterations=iterations)
    tolerance = math.sqrt(eps) if tolerance is None else positive(tolerance=tolerance)
    if tolerance >= 1:
        raise ValueError(f"tolerance must be below 1, got {tolerance!r}")
    exponent = math.log(-math.log(eps)) + math.log(max(entries, 1)) / 2 - 2 * math.log(tolerance)
    return math.ceil(exponent / math.log(order))
