"""Low-rank Hadamard products (FedPara: Hyeon-Woo et al. 2022; LoHa: Yeh et al. 2024): rank r^2 of 2 r (p + q) numbers.

    F = W + scale (B_1 A_1) * (B_2 A_2)         (* entry by entry)

Column j of the update is the sum over s, t of A_1[s, j] A_2[t, j] times the column B_1[:, s] * B_2[:, t]: r^2 columns.
"""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from factorattn.catalogue import Adapter
from factorattn.compress.adapters.adapted import LINEAR_GAIN, Added, Scaled, uniform
from factorattn.factor.door import admit
from factorattn.factor.factored import Factored
from factorattn.scalars import generator, real

__all__ = ["Hadamard", "LoHa", "loha"]

INPUTS = "w: ... p q, rank = r"


@dataclass(frozen=True, eq=False, repr=False)
class Hadamard(Factored):
    """(b_1 a_1) * (b_2 a_2), entry by entry, for b_1 (..., p, r), a_1 (..., r, q), b_2 (..., p, s), a_2 (..., s, q)."""

    b_1: Any
    a_1: Any
    b_2: Any
    a_2: Any

    @property
    def shape(self) -> tuple[int, ...]:
        """(..., p, q)."""
        batch = np.broadcast_shapes(*(tuple(x.shape)[:-2] for x in (self.b_1, self.a_1, self.b_2, self.a_2)))
        return (*batch, self.b_1.shape[-2], self.a_1.shape[-1])

    @property
    def mT(self) -> "Hadamard":
        """The transpose, of the same kind."""
        return Hadamard(self.a_1.mT, self.b_1.mT, self.a_2.mT, self.b_2.mT)

    @property
    def flops(self) -> int:
        """Operations of one product with a vector: of the cheaper way."""
        return math.prod(self.shape[:-2]) * min(self._costs(1))

    def matmat(self, x: Any) -> Any:
        """F x for the columns of x (..., q, c): (..., p, c); the cheaper way for this number of columns."""
        through_pairs, written_out = self._costs(x.shape[-1])
        return self._through_pairs(x) if through_pairs < written_out else self.to_dense() @ x

    def to_dense(self) -> Any:
        """The product, written out."""
        return (self.b_1 @ self.a_1) * (self.b_2 @ self.a_2)

    def _take(self, index: Any) -> Any:
        """Rows by their numbers."""
        xp = self.__array_namespace__()
        b_1, b_2 = (xp.take(b, index, axis=-2) for b in (self.b_1, self.b_2))
        return Hadamard(b_1, self.a_1, b_2, self.a_2).to_dense()

    def _through_pairs(self, x: Any) -> Any:
        """y_i = sum over s, t of b_1[i, s] b_2[i, t] z[s, t],  z[s, t] = sum over j of a_1[s, j] a_2[t, j] x_j."""
        xp = self.__array_namespace__()
        b_1, a_1, b_2, a_2 = (f[..., None, :, :] for f in (self.b_1, self.a_1, self.b_2, self.a_2))
        z = (a_1 * x.mT[..., :, None, :]) @ a_2.mT  # (..., c, r, s)
        return xp.sum((b_1 @ z) * b_2, axis=-1).mT  # (..., p, c)

    def _costs(self, columns: int) -> tuple[int, int]:
        """Operations of a product with so many columns, for one member of a batch: through pairs, and written out."""
        *_, p, q = self.shape
        r, s = self.a_1.shape[-2], self.a_2.shape[-2]
        through_pairs = columns * (q * r + 2 * q * r * s + 2 * p * r * s + 2 * p * s)
        return through_pairs, 2 * p * q * (r + s) + p * q + 2 * p * q * columns


@dataclass(frozen=True, eq=False, repr=False)
class LoHa(Added):
    """w + scale (b_1 a_1) * (b_2 a_2)."""

    b_1: Any
    a_1: Any
    b_2: Any
    a_2: Any
    scale: float

    trains: ClassVar[tuple[str, ...]] = ("b_1", "a_1", "b_2", "a_2")

    @property
    def update(self) -> Scaled:
        """The scaled (b_1 a_1) * (b_2 a_2), of rank at most r^2."""
        return Scaled(Hadamard(self.b_1, self.a_1, self.b_2, self.a_2), self.scale)


@Adapter(inputs=INPUTS, trainable="2*p*r + 2*r*q", time="0", memory="p*r + r*q", paper="hyeonwoo2022")
def loha(w: Any, rank: int, *, alpha: float | None = None, rng: Any = None) -> LoHa:
    """Put the entrywise product of two trained matrices of low rank beside frozen weights.

    Parameters
    ----------
    w : array, shape (..., p, q)
        Weights, (out, in).
    rank : int
        The rank r of each of the two; that of their product is r^2 at most.
    alpha : float, optional
        The update is scaled by alpha / r; left out, by one.
    rng : int, numpy.random.Generator or None
        Source of randomness (SPEC 7).

    Returns
    -------
    adapter : LoHa
        Equal to `w`, entry by entry, until it is trained. Trained are b_1 and b_2 (..., p, r), a_1 and a_2 (..., r, q).

    Raises
    ------
    ValueError, TypeError
        As `lora`.

    Notes
    -----
    A_2 is zero at the start, the others are uniform, as in PEFT. FedPara itself has no W: there the product is the
    weights.

    References
    ----------
    Hyeon-Woo, Ye-Bin and Oh, "FedPara: Low-Rank Hadamard Product for Communication-Efficient Federated Learning", 2022.
    arXiv:2108.06098

    Yeh et al., "Navigating Text-To-Image Customization: From LyCORIS Fine-Tuning to Model Evaluation", 2024.
    arXiv:2309.14859
    """
    xp, size, (w,) = admit(INPUTS, w=w, rank=rank)
    *batch, p, q = w.shape
    r, rng = size["r"], generator(rng)
    scale = 1.0 if alpha is None else real(alpha=alpha) / r
    b_1, a_1, b_2 = (
        uniform((*batch, *shape), gain=LINEAR_GAIN, rng=rng, like=w, xp=xp) for shape in ((p, r), (r, q), (p, r))
    )
    return LoHa(w, b_1, a_1, b_2, xp.zeros((*batch, r, q), dtype=w.dtype, device=w.device), scale)
