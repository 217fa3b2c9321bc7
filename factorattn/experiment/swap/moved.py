"""Two sets of vectors of the same texts: how far the second is from the first, and whether it says the same.

cosine       x_i . y_i / (|x_i| |y_i|)                          of each text: 1 if its vector kept its direction
correlation  Pearson's, between x_i . x_j and y_i . y_j         over all pairs i < j, at length one
nearest      the share of texts i whose nearest other text argmax_j y_i . y_j is argmax_j x_i . x_j
"""

from typing import Any, NamedTuple

import numpy as np

from factorattn.compress.host import on_host

__all__ = ["Moved", "moved", "nearest"]


class Moved(NamedTuple):
    """How far vectors moved.

    Parameters
    ----------
    cosines : ndarray, shape (texts,)
        Of each text, between its vector before and after.
    correlation : float
        Of the similarities of pairs; NaN below three texts, or where all similarities are alike.
    nearest : float
        The share of texts whose nearest other text is the same; NaN below three texts.
    largest : float
        The largest difference of an entry.
    """

    cosines: np.ndarray
    correlation: float
    nearest: float
    largest: float

    @property
    def mean(self) -> float:
        """The mean cosine."""
        return float(np.mean(self.cosines)) if self.cosines.size else float("nan")

    @property
    def least(self) -> float:
        """The least cosine: of the text that moved most."""
        return float(np.min(self.cosines)) if self.cosines.size else float("nan")

    @property
    def farthest(self) -> int:
        """The number of the text that moved most."""
        return int(np.argmin(self.cosines))


def moved(before: Any, after: Any) -> Moved:
    """Compare vectors of the same texts.

    Parameters
    ----------
    before, after : arrays, shape (texts, c)
        Of any length but zero.

    Raises
    ------
    ValueError
        If the shapes differ, or are not of two axes.
    """
    x, y = on_host(before), on_host(after)
    if x.ndim != 2 or x.shape != y.shape:
        raise ValueError(f"before and after must both be (texts, c), got {x.shape} and {y.shape}")
    largest = float(np.max(np.abs(x - y), initial=0.0))
    x, y = (z / np.linalg.norm(z, axis=-1, keepdims=True) for z in (x, y))
    cosines = np.sum(x * y, axis=-1)
    if len(x) < 3:
        return Moved(cosines, float("nan"), float("nan"), largest)
    pairs = np.triu_indices(len(x), 1)
    one, two = (z[pairs] - np.mean(z[pairs]) for z in (x @ x.T, y @ y.T))
    size = float(np.linalg.norm(one) * np.linalg.norm(two))
    correlation = float(one @ two) / size if size > 0 else float("nan")
    same = float(np.mean(nearest(x) == nearest(y)))
    return Moved(cosines, correlation, same, largest)


def nearest(x: np.ndarray) -> np.ndarray:
    """The number of the nearest other row of each row of x (texts, c), by their products."""
    similar = x @ x.T
    np.fill_diagonal(similar, -np.inf)
    return np.argmax(similar, axis=-1)
