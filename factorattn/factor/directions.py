"""Random directions for random features: rows omega_1 ... omega_r of size d, each as nearly N(0, I) as the draw allows.

    iid          rows of independent standard normal numbers
    orthogonal   rows orthogonal within blocks of d: Haar-distributed, by the QR factorization of a Gaussian matrix
    hadamard     rows of H D_1 H D_2 H D_3 with the Hadamard matrix H and random signs D: only 3 d random bits a block

Each is scaled to the length of a standard normal vector, or to its root mean square, sqrt(d).
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from factorattn.scalars import generator

__all__ = ["DIRECTIONS", "LENGTHS", "hadamard_gaussian", "iid_gaussian", "orthogonal_gaussian"]

LENGTHS: dict[str, Callable[[int, int, np.random.Generator], np.ndarray]] = {
    "normal": lambda r, d, rng: np.linalg.norm(rng.standard_normal((r, d)), axis=1)[:, None],
    "constant": lambda r, d, rng: np.full((r, 1), d**0.5),
}


def iid_gaussian(r: int, d: int, *, rng: Any = None, length: str = "normal") -> np.ndarray:
    """Draw r independent standard normal vectors of size d; with ``length="constant"``, points on a sphere.

    Parameters and result are those of `orthogonal_gaussian`.
    """
    rng = generator(rng)
    omega = rng.standard_normal((r, d))
    return omega if length == "normal" else _of_length(omega, length, rng)


def orthogonal_gaussian(r: int, d: int, *, rng: Any = None, length: str = "normal") -> np.ndarray:
    """Draw r standard normal vectors of size d, orthogonal within each block of d.

    Parameters
    ----------
    r, d : int
        Number of vectors and their size.
    rng : int, numpy.random.Generator or None
        Source of randomness (SPEC 7).
    length : {"normal", "constant"}
        "normal": lengths are those of independent normal vectors, so that each row by itself is N(0, I). "constant":
        sqrt(d), which estimates a kernel near the exponential one (the "regularized softmax kernel" of Performer).

    Returns
    -------
    omega : ndarray, shape (r, d), float64
        Directions are Haar-distributed.
    """
    rng = generator(rng)
    return _of_length(_blocks(r, d, d, _haar, rng), length, rng)


def hadamard_gaussian(r: int, d: int, *, rng: Any = None, length: str = "normal") -> np.ndarray:
    """Draw r vectors of size d from products of Hadamard matrices and random signs (Yu et al. 2016).

    Parameters and result are those of `orthogonal_gaussian`, save that rows are only nearly Gaussian: where d is a
    power of two their mean and covariance are those of N(0, I), their higher moments are not. Where it is none, columns
    are cut from the next one (vectors are filled up with zeros, that is), and rows are only nearly orthogonal.
    """
    rng = generator(rng)
    return _of_length(_blocks(r, d, 1 << max(d - 1, 0).bit_length(), _signed_hadamard, rng), length, rng)


DIRECTIONS = {"orthogonal": orthogonal_gaussian, "iid": iid_gaussian, "hadamard": hadamard_gaussian}


def _blocks(r: int, d: int, size: int, draw: Callable, rng: np.random.Generator) -> np.ndarray:
    """The first r rows and d columns of as many random orthogonal matrices as it takes, one below the other."""
    omega = np.empty((r, d))  # first, so that a size that does not fit fails at once
    if omega.size == 0:
        return omega
    return np.concatenate([draw(size, rng)[: r - start, :d] for start in range(0, r, size)], out=omega)


def _haar(d: int, rng: np.random.Generator) -> np.ndarray:
    directions, upper = np.linalg.qr(rng.standard_normal((d, d)))
    return (directions * np.sign(np.diagonal(upper))).T  # Haar needs the signs of R (Mezzadri 2007)


def _signed_hadamard(p: int, rng: np.random.Generator) -> np.ndarray:
    """H D_1 H D_2 H D_3 / p^(3/2), an orthogonal matrix; p is a power of two."""
    h = np.ones((1, 1))
    while len(h) < p:
        h = np.block([[h, h], [h, -h]])  # Sylvester's
    one, two, three = rng.choice([-1.0, 1.0], size=(3, p))
    return (h * one) @ (h * two) @ (h * three) / p**1.5


def _of_length(omega: np.ndarray, length: str, rng: np.random.Generator) -> np.ndarray:
    if length not in LENGTHS:
        raise ValueError(f"length must be {' or '.join(map(repr, LENGTHS))}, got {length!r}")
    own = np.linalg.norm(omega, axis=1)[:, None]
    return omega * (LENGTHS[length](len(omega), omega.shape[1], rng) / np.where(own == 0, 1.0, own))
