"""Vector-based random matrix adaptation (Kopiczko et al. 2024): B and A are random, frozen and shared by all layers.

    F = W + diag(b) B diag(d) A,    b = 0 and d = 0.1 at the start

Trained are the two vectors alone, p + r numbers a layer; B and A are made again from a seed.
"""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import array_api_compat

from factorattn.catalogue import Adapter
from factorattn.compress.adapters.adapted import Added, uniform
from factorattn.factor.door import admit
from factorattn.factor.factored import Diagonal, Product
from factorattn.scalars import generator, real

__all__ = ["VeRA", "shared_pair", "vera"]

INPUTS = "w: p q, rank = r"
PAIR = "shared_b: x r, shared_a: r y"


@dataclass(frozen=True, eq=False, repr=False)
class VeRA(Added):
    """w + diag(b) shared_b diag(d) shared_a, for vectors b (p) and d (r), and matrices (p, r) and (r, q)."""

    b: Any
    d: Any
    shared_b: Any
    shared_a: Any

    trains: ClassVar[tuple[str, ...]] = ("b", "d")

    @property
    def update(self) -> Product:
        """diag(b) B diag(d) A, of rank at most r."""
        return Product((Diagonal(self.b), self.shared_b, Diagonal(self.d), self.shared_a))

    def _take(self, index: Any) -> Any:
        """Rows by their numbers."""
        xp = self.__array_namespace__()
        w, b, shared = (xp.take(x, index, axis=0) for x in (self.w, self.b, self.shared_b))
        return VeRA(w, b, self.d, shared, self.shared_a).to_dense()


@Adapter(inputs=INPUTS, trainable="p + r", time="0", memory="p*r + r*q", paper="kopiczko2024")
def vera(w: Any, rank: int, *, shared: tuple[Any, Any] | None = None, initial: float = 0.1, rng: Any = None) -> VeRA:
    """Scale the rows and columns of random matrices beside frozen weights.

    Parameters
    ----------
    w : array, shape (p, q)
        Weights, (out, in).
    rank : int
        The rank r of the random matrices.
    shared : (array, array), optional
        B (x, r) and A (r, y) with x >= p and y >= q, of which the first p rows and q columns are taken: the same for
        every layer, from `shared_pair`. Left out, they are drawn for this layer.
    initial : float
        What all entries of d are at the start.
    rng : int, numpy.random.Generator or None
        Source of randomness (SPEC 7) where `shared` is left out.

    Returns
    -------
    adapter : VeRA
        Equal to `w`, entry by entry, until it is trained. Trained are b (p) and d (r).

    Raises
    ------
    ValueError
        If `w` has not two axes or holds NaN or infinity, `rank` is not a positive integer, or the shared matrices are
        too small or of another rank.
    TypeError
        If `w` is not a floating array, or the shared matrices are of another library.

    Notes
    -----
    Layers of different shapes share the first rows and columns of one pair, as in PEFT.

    References
    ----------
    Kopiczko, Blankevoort and Asano, "VeRA: Vector-based Random Matrix Adaptation", 2024. arXiv:2310.11454
    """
    xp, size, (w,) = admit(INPUTS, w=w, rank=rank)
    p, q, r = size["p"], size["q"], size["r"]
    b, a = shared_pair(p, q, r, like=w, rng=rng) if shared is None else shared
    _, room, (_, b, a) = admit(f"w: p q, {PAIR}", w=w, shared_b=b, shared_a=a)
    if room["r"] != r or room["x"] < p or room["y"] < q:
        raise ValueError(
            f"shared must be B (x, {r}) and A ({r}, y) with x >= {p} and y >= {q}, "
            f"got {tuple(b.shape)} and {tuple(a.shape)}"
        )
    b, a = (xp.astype(x, w.dtype, copy=False) for x in (b[:p, :], a[:, :q]))
    start = xp.full((r,), real(initial=initial), dtype=w.dtype, device=w.device)
    return VeRA(w, xp.zeros((p,), dtype=w.dtype, device=w.device), start, b, a)


def shared_pair(p: int, q: int, rank: int, *, like: Any, rng: Any = None) -> tuple[Any, Any]:
    """Draw the matrices B (p, r) and A (r, q) that all layers share, for the largest p and q among them.

    Entries are uniform, of variance 2 / r in B and 2 / q in A, as He et al. (2015) have it for so many inputs.

    Parameters
    ----------
    p, q, rank : int
    like : array
        Whose library, dtype and device they take.
    rng : int, numpy.random.Generator or None
        Source of randomness (SPEC 7).
    """
    xp, rng = array_api_compat.array_namespace(like), generator(rng)
    a = uniform((rank, q), gain=math.sqrt(2), rng=rng, like=like, xp=xp)
    return uniform((p, rank), gain=math.sqrt(2), rng=rng, like=like, xp=xp), a
