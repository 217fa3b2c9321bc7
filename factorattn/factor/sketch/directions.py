"""Random directions for random features, with products in n log n time instead of dense ones.

    hadamard    Omega = L H D_1 H D_2 H D_3 / P^(3/2)     the matrix of `factorattn.factor.hadamard_gaussian`
    fastfood    Omega = L H G Pi H B / (sqrt(P) |g|)      G = diag(g), g normal; Pi a random permutation; B random signs

H is the Hadamard matrix of size P, the least power of two from d on (vectors are filled up with zeros); D and B have
random signs, L the lengths. Blocks of P rows are drawn independently, and cut after r rows.
"""

from typing import Any

import array_api_compat
import numpy as np

from factorattn.contract import choose
from factorattn.factor.directions import LENGTHS
from factorattn.factor.factored import Diagonal, Permutation
from factorattn.factor.sketch.door import admit_sketch
from factorattn.factor.sketch.hadamard_transform import power_of_two, transform_rows
from factorattn.factor.sketch.kinds import Hadamard, Sketch, scatter
from factorattn.scalars import generator

__all__ = ["fastfood_directions", "hadamard_directions"]


def hadamard_directions(r: int, d: int, *, like: Any, rng: Any = None, length: str = "normal") -> Sketch:
    """Draw r directions as `factorattn.factor.hadamard_gaussian` does, held as Hadamard matrices and signs.

    Parameters
    ----------
    r, d : int
        Number of directions, and their size.
    like : array
        The directions have its library, its device and its dtype, but single precision at the least.
    rng : int, numpy.random.Generator or None
        Source of randomness (SPEC 7); from the same seed, the matrix of `hadamard_gaussian`.
    length : {"normal", "constant"}
        Lengths of independent normal vectors, or sqrt(d).

    Returns
    -------
    omega : Sketch, shape (r, d)
        To be given to random features. A block of P rows keeps 4 P numbers, and takes P (3 log2(P) + 4) operations.

    Raises
    ------
    ValueError
        If `r` is below 1, `d` below 0, or `length` unknown.
    TypeError
        If a size is no integer, `like` is not a floating array, or `rng` no source of randomness.

    Notes
    -----
    Where d is no power of two, rows are cut to d entries and put to length again, for which each block is written out
    once, when it is drawn.

    References
    ----------
    Yu et al., "Orthogonal Random Features", NIPS 2016. arXiv:1610.09072
    """
    xp, r, d, kind = admit_sketch(r, d, like)
    lengths, rng = choose(LENGTHS, length=length), generator(rng)
    full = power_of_two(d)
    signs = [rng.choice([-1.0, 1.0], size=(3, full)) for _ in range(0, r, full)]
    own = np.concatenate([_row_lengths(block, d) for block in signs])[:r]
    scale = lengths(r, d, rng)[:, 0] / np.where(own == 0, 1.0, own)
    spread = Hadamard(full, xp.empty(0, **kind), len(signs))
    one, two, three = (Diagonal(xp.asarray(x * full**-0.5, **kind)) for x in np.concatenate(signs, axis=-1))
    return _cut(scale, (spread, one, spread, two, spread, three), full, d, like=like, kind=kind)


def fastfood_directions(r: int, d: int, *, like: Any, rng: Any = None) -> Sketch:
    """Draw r directions of which each by itself is exactly N(0, I), at any d.

    Parameters
    ----------
    r, d : int
        Number of directions, and their size.
    like : array
        The directions have its library, its device and its dtype, but single precision at the least.
    rng : int, numpy.random.Generator or None
        Source of randomness (SPEC 7).

    Returns
    -------
    omega : Sketch, shape (r, d)
        To be given to random features. A block of P rows keeps 3 P numbers, and takes P (2 log2(P) + 3) operations.

    Raises
    ------
    ValueError
        If `r` is below 1 or `d` below 0.
    TypeError
        If a size is no integer, `like` is not a floating array, or `rng` no source of randomness.

    Notes
    -----
    Given Pi and B, a row of H G Pi H B is a sum of orthogonal vectors times independent normal numbers, so its
    direction is uniform; L gives it the length of a normal vector, drawn apart. Rows of one block are not orthogonal,
    and share g: estimates are unbiased, but their variance is not that of independent directions.

    References
    ----------
    Le, Sarlos and Smola, "Fastfood - Approximating Kernel Expansions in Loglinear Time", ICML 2013. arXiv:1408.3060
    """
    xp, r, d, kind = admit_sketch(r, d, like)
    rng = generator(rng)
    full = power_of_two(d)
    blocks = -(-r // full)
    normal = rng.standard_normal((blocks, full))
    normal = np.reshape(normal / np.linalg.norm(normal, axis=-1, keepdims=True), -1)
    order = np.concatenate([start + rng.permutation(full) for start in range(0, blocks * full, full)])
    signs = rng.choice([-1.0, 1.0], size=blocks * full) * full**-0.5
    scale = np.sqrt(rng.chisquare(full, size=r))
    spread = Hadamard(full, xp.empty(0, **kind), blocks)
    g, b = (Diagonal(xp.asarray(x, **kind)) for x in (normal, signs))
    shuffle = Permutation(xp.asarray(order, dtype=xp.int64, device=kind["device"]))
    return _cut(scale, (spread, g, shuffle, spread, b), full, d, like=like, kind=kind)


def _cut(scale: np.ndarray, blocks: tuple[Any, ...], full: int, d: int, *, like: Any, kind: dict[str, Any]) -> Sketch:
    """Blocks of size `full` for the same vector of size d, filled up; the first rows of them, times their scale."""
    xp, (r,), rows = array_api_compat.array_namespace(like), scale.shape, blocks[0].shape[0]
    first = () if r == rows else (scatter(np.arange(r), rows, like=like).mT,)
    copies = () if rows == full else (scatter(np.arange(rows) % full, full, like=like).mT,)
    fill = () if d == full else (scatter(np.arange(d), full, like=like),)
    return Sketch((Diagonal(xp.asarray(scale, **kind)), *first, *blocks, *copies, *fill))


def _row_lengths(signs: np.ndarray, d: int) -> np.ndarray:
    """Lengths of the rows of H D_1 H D_2 H D_3 / P^(3/2), cut to d entries: of one, if nothing is cut."""
    full = signs.shape[-1]
    if d == full:
        return np.ones(full)
    x = np.eye(full)[:, :d]
    for sign in reversed(signs):
        x = transform_rows(sign[:, None] * x, xp=np) * full**-0.5
    return np.linalg.norm(x, axis=-1)
