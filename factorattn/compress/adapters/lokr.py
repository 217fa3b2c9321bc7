"""Low-rank Kronecker products (LoKr: Yeh et al. 2024): every entry of a small matrix times one matrix of low rank.

    F = W + scale C (x) (B A)       with C (x, y), B (u, r), A (r, v),   p = x u,  q = y v

The rank of a Kronecker product is the product of the ranks: up to min(x, y) r, from x y + r (u + v) numbers.
"""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from factorattn.catalogue import Adapter
from factorattn.compress.adapters.adapted import LINEAR_GAIN, Added, Scaled, uniform
from factorattn.factor.door import admit
from factorattn.factor.factored import Product
from factorattn.factor.factored.kronecker import Kronecker
from factorattn.scalars import generator, real

__all__ = ["LoKr", "lokr", "near_square"]

INPUTS = "w: ... p q, rank = r, rows? = x, columns? = y"


@dataclass(frozen=True, eq=False, repr=False)
class LoKr(Added):
    """w + scale c (x) (b a), for c (..., x, y), b (..., u, r) and a (..., r, v)."""

    c: Any
    b: Any
    a: Any
    scale: float

    trains: ClassVar[tuple[str, ...]] = ("c", "b", "a")

    @property
    def update(self) -> Scaled:
        """The scaled c (x) (b a), of rank at most min(x, y) r."""
        return Scaled(Kronecker((self.c, Product((self.b, self.a)))), self.scale)


@Adapter(inputs=INPUTS, trainable="x*y + p*r/x + r*q/y", time="0", memory="x*y + p*r/x + r*q/y", paper="yeh2024lycoris")
def lokr(
    w: Any,
    rank: int,
    *,
    rows: int | None = None,
    columns: int | None = None,
    alpha: float | None = None,
    rng: Any = None,
) -> LoKr:
    """Put a trained Kronecker product beside frozen weights.

    Parameters
    ----------
    w : array, shape (..., p, q)
        Weights, (out, in).
    rank : int
        The rank r of the second factor.
    rows, columns : int, optional
        The shape (x, y) of the first factor; x divides p, and y divides q. Left out, each is the largest divisor that
        is not above the square root, as in the authors' library.
    alpha : float, optional
        The update is scaled by alpha / r; left out, by one.
    rng : int, numpy.random.Generator or None
        Source of randomness (SPEC 7).

    Returns
    -------
    adapter : LoKr
        Equal to `w`, entry by entry, until it is trained. Trained are c (..., x, y), b (..., p / x, r) and
        a (..., r, q / y).

    Raises
    ------
    ValueError, TypeError
        As `lora`, and ValueError if `rows` or `columns` does not divide its side.

    Notes
    -----
    A is zero at the start, B and C are uniform, as the authors' library draws them; PEFT's default has C zero. Both
    libraries keep the second factor whole where r is at least half its longer side; here it always is a product.

    References
    ----------
    Yeh et al., "Navigating Text-To-Image Customization: From LyCORIS Fine-Tuning to Model Evaluation", 2024.
    arXiv:2309.14859
    """
    xp, size, (w,) = admit(INPUTS, w=w, rank=rank, rows=rows, columns=columns)
    *batch, p, q = w.shape
    x, y, r, rng = size.get("x", near_square(p)), size.get("y", near_square(q)), size["r"], generator(rng)
    for name, part, side, whole in (("rows", x, "p", p), ("columns", y, "q", q)):
        if whole % part:
            raise ValueError(f"{name} must divide {side}={whole}, got {part}")
    c, b = (uniform((*batch, *shape), gain=LINEAR_GAIN, rng=rng, like=w, xp=xp) for shape in ((x, y), (p // x, r)))
    scale = 1.0 if alpha is None else real(alpha=alpha) / r
    return LoKr(w, c, b, xp.zeros((*batch, r, q // y), dtype=w.dtype, device=w.device), scale)


def near_square(n: int) -> int:
    """The largest divisor of n that is not above its square root; 1 for n = 0."""
    return next((x for x in range(math.isqrt(n), 0, -1) if n % x == 0), 1)
