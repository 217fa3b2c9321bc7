"""What several scores share: activations and feature maps by name, a hidden layer for every pair, distances.

    hidden     a_ij = score(x_i + y_j),   with x = W q and y = U k projected once
    distance   d_ij = sum_c |q_ic - k_jc|^p

Neither holds an array of pairs times hidden units, or times features, for more than a few queries at once.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from factorattn.contract import choose
from factorattn.primitives.elementwise import elu_plus_one, relu, sigmoid
from factorattn.primitives.tiles import scan_tiles

__all__ = [
    "ACTIVATIONS",
    "FEATURE_MAPS",
    "activation_of",
    "distances",
    "features_of",
    "finite",
    "hidden_scores",
    "weigh_units",
]

HIDDEN_ROWS = 8  # queries a tile where every pair has a vector
PAIR_ROWS = 128  # where every pair has a number: the tile stays in a cache while features are added


ACTIVATIONS: dict[str, Callable] = {
    "tanh": lambda x, *, xp: xp.tanh(x),
    "relu": relu,
    "sigmoid": sigmoid,
    "identity": lambda x, *, xp: x,
}
FEATURE_MAPS: dict[str, Callable] = {
    "identity": lambda x, *, xp: x,
    "elu_plus_one": elu_plus_one,
    "relu": relu,
    "exp": lambda x, *, xp: xp.exp(x),
}


def activation_of(activation: str, *, xp: Any) -> Callable:
    """The activation of a name, for arrays of a namespace."""
    return partial(choose(ACTIVATIONS, activation=activation), xp=xp)


def features_of(x: Any, features: str | Callable, argument: str, *, xp: Any) -> Any:
    """The features of the rows of x (..., m, c): by a name of `FEATURE_MAPS`, or by a function of an array."""
    return features(x) if callable(features) else choose(FEATURE_MAPS, **{argument: features})(x, xp=xp)


def hidden_scores(x: Any, y: Any, score_of: Callable, *, xp: Any) -> Any:
    """Score each pair by its hidden vector x_i + y_j, a few queries at a time.

    Parameters
    ----------
    x : array, shape (..., n, a)
    y : array, shape (..., m, a)
    score_of : callable
        Takes the hidden vectors (..., rows, m, a) of a tile, and the tile, a slice of queries; returns (..., rows, m).

    Returns
    -------
    scores : array, shape (..., n, m)
    """
    return _over_queries(
        lambda rows: score_of(x[..., rows, None, :] + y[..., None, :, :], rows), x.shape[-2], HIDDEN_ROWS, xp=xp
    )


def weigh_units(hidden: Any, w: Any) -> Any:
    """The sum over hidden units of w (..., a) times hidden vectors (..., rows, m, a): (..., rows, m)."""
    return (hidden @ w[..., None, :, None])[..., 0]


def distances(q: Any, k: Any, *, power: int, xp: Any) -> Any:
    """Sums over features of |q_ic - k_jc| (power 1) or its square (2): (..., n, m) from q (..., n, d), k (..., m, d).

    Differences are taken feature by feature: |q|^2 + |k|^2 - 2 q . k would cancel where vectors are near each other.
    """
    batch = np.broadcast_shapes(q.shape[:-2], k.shape[:-2])

    def rows_of(rows):
        q_rows = q[..., rows, :]

        def add_feature(total, c):
            column = xp.asarray(k[..., c].mT, copy=True)  # (..., 1, m), in one piece
            gap = q_rows[..., c] - column  # (..., rows, m)
            return total + (gap * gap if power == 2 else xp.abs(gap)), None

        none = xp.zeros((*batch, rows.stop - rows.start, k.shape[-2]), dtype=q.dtype, device=q.device)
        return scan_tiles(add_feature, none, 0, q.shape[-1], 1, xp=xp)[0]

    return _over_queries(rows_of, q.shape[-2], PAIR_ROWS, xp=xp)


def _over_queries(score_rows: Callable, n: int, size: int, *, xp: Any) -> Any:
    """Join ``score_rows(tile)`` (..., rows, m) over tiles of n queries."""
    if n == 0:
        return score_rows(slice(0, 0))
    return scan_tiles(lambda _, rows: (None, score_rows(rows)), None, 0, n, size, xp=xp)[1]


def finite(a: Any, dtype: Any, *, xp: Any) -> Any:
    """Negative scores in the range of `dtype`: one that overflows would be -inf, which means a key that is not seen."""
    return xp.clip(a, min=-float(xp.finfo(dtype).max))
