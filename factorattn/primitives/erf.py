"""The error function, for any array namespace: the array API has none.

    erf(x) = 2 / sqrt(pi) int_0^x exp(-t^2) dt,   erfc(x) = 1 - erf(x)

    |x| <= 0.46875       x P(x^2) / Q(x^2)                          for erf
    |x| up to 4          exp(-x^2) P(|x|) / Q(|x|)                  for erfc
    beyond               exp(-x^2) (1 / sqrt(pi) - s P(s) / Q(s)) / |x|,   s = 1 / x^2

The rational approximations are those of Cody 1969, good to 18 digits, so that what is left is rounding.
"""

import math
from typing import Any

from array_api_compat import array_namespace

from factorattn.contract import working_precision
from factorattn.primitives.dispatch import primitive

__all__ = ["erf", "erfc"]

NARROW, MIDDLE, WIDEST = 0.46875, 4.0, 30.0  # erfc(30) is zero in float64

# Cody 1969, the highest power first.
# fmt: off
NEAR = (
    (1.85777706184603153e-1, 3.16112374387056560e0, 1.13864154151050156e2, 3.77485237685302021e2,
     3.20937758913846947e3),
    (1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3),
)
MID = (
    (2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594e0, 6.61191906371416295e1,
     2.98635138197400131e2, 8.81952221241769090e2, 1.71204761263407058e3, 2.05107837782607147e3,
     1.23033935479799725e3),
    (1.0, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2, 1.62138957456669019e3,
     3.29079923573345963e3, 4.36261909014324716e3, 3.43936767414372164e3, 1.23033935480374942e3),
)
FAR = (
    (1.63153871373020978e-2, 3.05326634961232344e-1, 3.60344899949804439e-1, 1.25781726111229246e-1,
     1.60837851487422766e-2, 6.58749161529837803e-4),
    (1.0, 2.56852019228982242e0, 1.87295284992346725e0, 5.27905102951428412e-1, 6.05183413124413191e-2,
     2.33520497626869185e-3),
)
# fmt: on


@primitive(numpy="erf_scipy", torch="erf_torch", gradient="erf_gradient")
def erf(x: Any, /) -> Any:
    """The error function, entry by entry, to a few units in the last place.

    Parameters
    ----------
    x : array of real floating dtype

    Returns
    -------
    array, like `x`
    """
    xp = array_namespace(x)
    dtype, (x,) = working_precision(x, xp=xp)
    inside, outside = _parts(x, xp=xp)
    found = xp.where(xp.abs(x) <= NARROW, inside, xp.where(x < 0, outside - 1.0, 1.0 - outside))
    return xp.astype(found, dtype, copy=False)


@primitive(torch="erf_torch", gradient="erf_gradient")  # SciPy's loses a hundred roundings where it is small
def erfc(x: Any, /) -> Any:
    """One minus the error function, with its relative accuracy kept where it is small."""
    xp = array_namespace(x)
    dtype, (x,) = working_precision(x, xp=xp)
    inside, outside = _parts(x, xp=xp)
    found = xp.where(xp.abs(x) <= NARROW, 1.0 - inside, xp.where(x < 0, 2.0 - outside, outside))
    return xp.astype(found, dtype, copy=False)


def _parts(x: Any, *, xp: Any) -> tuple[Any, Any]:
    """erf(x), sound for narrow x, and erfc(|x|), sound for all others. Both are finite wherever x is no NaN."""
    y = xp.abs(x)
    near = xp.where(y > NARROW, 0.0, x)
    inside = near * _quotient(NEAR, near * near, xp=xp)
    y = xp.where(y > WIDEST, WIDEST, y)
    mid = _quotient(MID, xp.where(y > MIDDLE, MIDDLE, y), xp=xp)
    wide = xp.where(y < MIDDLE, MIDDLE, y)
    s = 1.0 / (wide * wide)
    far = (1.0 / math.sqrt(math.pi) - s * _quotient(FAR, s, xp=xp)) / wide
    coarse = xp.floor(16.0 * y) / 16.0  # exact, so that exp(-y^2) loses nothing to the rounding of y^2
    bell = xp.exp(-coarse * coarse) * xp.exp((coarse - y) * (coarse + y))
    return inside, bell * xp.where(y > MIDDLE, far, mid)


def _quotient(coefficients: tuple[tuple[float, ...], tuple[float, ...]], x: Any, *, xp: Any) -> Any:
    """A quotient of two polynomials in x, by Horner's rule."""
    above, below = (xp.zeros_like(x) for _ in coefficients)
    for p, q in zip(*coefficients, strict=True):
        above, below = above * x + p, below * x + q
    return above / below
