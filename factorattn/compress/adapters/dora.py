"""Weight-decomposed low-rank adaptation (Liu et al. 2024): the length of each column, and its direction, apart.

    F = m V / |V|_c,    V = W + scale B A,    m = |W|_c at the start,   B = 0

|V|_c are the lengths of the columns. Lengths m are trained by themselves; B and A turn the directions.
"""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from factorattn.catalogue import Adapter
from factorattn.compress.adapters.adapted import Adapted, Scaled
from factorattn.compress.adapters.lora import beside
from factorattn.contract import choose
from factorattn.factor.door import admit
from factorattn.factor.factored import Diagonal, Factored, Product, Sum
from factorattn.scalars import real

__all__ = ["DoRA", "dora"]

INPUTS = "w: ... p q, rank = r"
AXES = {"columns": -2, "rows": -1}  # the axis that a norm sums over


@dataclass(frozen=True, eq=False, repr=False)
class DoRA(Adapted):
    """The columns (or rows) of V = w + scale b a, brought to the lengths m (..., q) (or (..., p))."""

    b: Any
    a: Any
    m: Any
    scale: float
    of: str

    trains: ClassVar[tuple[str, ...]] = ("b", "a", "m")

    @property
    def directed(self) -> Sum:
        """V (..., p, q), before the lengths are set."""
        return Sum((self.w, Scaled(Product((self.b, self.a)), self.scale)))

    @property
    def lengths(self) -> Any:
        """The lengths of the columns (..., q) or rows (..., p) of V, now."""
        xp = self.__array_namespace__()
        return lengths_of(self._v, self.of, xp=xp)

    @property
    def product(self) -> Product:
        """V and the diagonal matrix m / |V|, in the order that `of` tells."""
        gain = Diagonal(self._gain(self.lengths))
        return Product((self.directed, gain) if self.of == "columns" else (gain, self.directed))

    @property
    def mT(self) -> Factored:
        """The transpose, factored."""
        return self.product.mT

    @property
    def flops(self) -> int:
        """Operations of one product with a vector, without merging: most are for V and the lengths of its columns."""
        *batch, p, q = self.shape
        each, r = self.m.shape[-1], self.a.shape[-2]
        lengths = 2 * p * q * r + 7 * p * q + 6 * each
        return math.prod(batch) * (lengths + each) + self.directed.flops

    def matmat(self, x: Any) -> Any:
        """F x for the columns of x (..., q, c): (..., p, c)."""
        return self.product.matmat(x)

    def to_dense(self) -> Any:
        """F, written out."""
        xp, v = self.__array_namespace__(), self._v
        return v * xp.expand_dims(self._gain(lengths_of(v, self.of, xp=xp)), axis=AXES[self.of])

    def _take(self, index: Any) -> Any:
        """Rows by their numbers."""
        return self.product.rows(index)

    def unmerge(self, merged: Any) -> Any:
        """W again, from a merged array (..., p, q).

        The lengths |V| cannot be told from the merged array: they are taken from the adapter, which has W. Where m is
        zero the merged column tells nothing of W; it is the adapter's own that is returned.
        """
        xp = self.__array_namespace__()
        axis = AXES[self.of]
        m, now = (xp.expand_dims(x, axis=axis) for x in (self.m, self.lengths))
        known = (m != 0) & (now > 0)
        back = self._full(merged) * (xp.where(known, now, xp.ones_like(m)) / xp.where(known, m, xp.ones_like(m)))
        return xp.where(known, back - self.scale * (self.b @ self.a), self.w)

    @property
    def _v(self) -> Any:
        """V, written out."""
        return self.w + self.scale * (self.b @ self.a)

    def _gain(self, now: Any) -> Any:
        """The lengths m over |V|. A column of zeros has no direction, and stays zero: its factor may be anything."""
        xp = self.__array_namespace__()
        one = xp.ones_like(now)
        return xp.where(now > 0, self.m / xp.where(now > 0, now, one), one)


@Adapter(inputs=INPUTS, trainable="p*r + r*q + q", time="p*q", memory="p*q + p*r + r*q", paper="liu2024dora")
def dora(
    w: Any, rank: int, *, alpha: float | None = None, of: str = "columns", init: str = "uniform", rng: Any = None
) -> DoRA:
    """Train the lengths of the columns of weights by themselves, and their directions by a matrix of low rank.

    Parameters
    ----------
    w : array, shape (..., p, q)
        Weights, (out, in).
    rank : int
        The rank r of what turns the directions.
    alpha : float, optional
        B A is scaled by alpha / r; left out, by one.
    of : {"columns", "rows"}
        What has a length: "columns", one for each input, as the paper writes it; "rows", one for each output, as the
        authors' code and PEFT compute it.
    init : {"uniform", "gaussian"}
        How A is drawn, as in `lora`.
    rng : int, numpy.random.Generator or None
        Source of randomness (SPEC 7).

    Returns
    -------
    adapter : DoRA
        Equal to `w`, entry by entry, until it is trained. Trained are b (..., p, r), a (..., r, q) and m (..., q), or
        m (..., p) for rows.

    Raises
    ------
    ValueError, TypeError
        As `lora`, and ValueError if `of` is unknown.

    Notes
    -----
    In equation 2 of the paper, W is (d, k) = (out, in), and m (1, k) holds the norms of its columns. A
    torch.nn.Linear has the same W; the norms over ``dim=1`` that PEFT takes of it are those of its rows.

    |V| changes with B and A, and is computed anew in every product. The paper lets no gradient through it (section
    4.3); that is the affair of the training, not of this function.

    What is merged cannot be taken apart by m, B and A alone, since |V| is lost. Code that merges in place before each
    evaluation, and then trains on, destroys the weights. Here nothing is done in place, and the adapter keeps `w`.

    References
    ----------
    Liu et al., "DoRA: Weight-Decomposed Low-Rank Adaptation", 2024, section 4. arXiv:2402.09353
    """
    xp, size, (w,) = admit(INPUTS, w=w, rank=rank)
    choose(AXES, of=of)
    scale = 1.0 if alpha is None else real(alpha=alpha) / size["r"]
    low = beside(w, size["r"], scale, init=init, rng=rng)
    return DoRA(low.w, low.b, low.a, lengths_of(w, of, xp=xp), scale, of)


def lengths_of(v: Any, of: str, *, xp: Any) -> Any:
    """Euclidean lengths of columns (..., q) or rows (..., p), for entries of any size: none is squared unscaled."""
    axis = AXES[of]
    size = xp.abs(v)
    if 0 in v.shape:
        return xp.sum(size, axis=axis)
    largest = xp.max(size, axis=axis, keepdims=True)
    one = xp.ones_like(largest)
    unit = xp.where(largest > 0, 2.0 ** xp.floor(xp.log2(xp.where(largest > 0, largest, one))), one)
    return xp.squeeze(unit, axis=axis) * xp.sqrt(xp.sum(xp.square(size / unit), axis=axis))
