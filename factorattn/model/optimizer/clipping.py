"""Gradients made shorter where they are long (Pascanu et al. 2013), or cut entry by entry.

global norm:  g' = g min(1, bound / |g|),   |g|^2 = sum over all arrays of the squares of all entries
value:        g' = min(max(g, -bound), bound)
"""

import math
from typing import Any

import array_api_compat

from factorattn.model.naming import named_leaves
from factorattn.model.optimizer.trained import change_arrays, is_trained, without_bounds
from factorattn.scalars import positive

__all__ = ["clip_by_global_norm", "clip_by_value", "global_norm"]


def clip_by_global_norm(gradients: Any, bound: float) -> tuple[Any, float]:
    """Shorten all gradients by one factor, if together they are longer than a bound.

    Parameters
    ----------
    gradients : tree of arrays
    bound : float
        The norm that they may have.

    Returns
    -------
    gradients : tree of arrays
        In the same direction.
    norm : float
        What it was before.

    Raises
    ------
    ValueError
        If `bound` is not positive, or a gradient is NaN or infinite; it is named.

    Notes
    -----
    Neither large nor small numbers overflow or vanish when they are squared. Values are looked at, as they are in
    whatever stops at a tolerance.

    References
    ----------
    Pascanu et al., "On the difficulty of training recurrent neural networks", 2013, algorithm 1. arXiv:1211.5063

    Examples
    --------
    >>> import numpy as np
    >>> clip_by_global_norm({"w": np.asarray([3.0, 0.0]), "b": np.asarray([4.0])}, 1.0)
    ({'w': array([0.6, 0. ]), 'b': array([0.8])}, 5.0)
    """
    bound = positive(bound=bound)
    largest, relative = _norm(gradients)
    if largest / bound * relative <= 1:
        return without_bounds(gradients), largest * relative

    def shorter(g: Any) -> Any:
        # By the largest first: the norm may be beyond all numbers. In float64: so may the largest be, in this dtype.
        xp = array_api_compat.array_namespace(g)
        return xp.astype(xp.astype(g, xp.float64) / largest * (bound / relative), g.dtype)

    return change_arrays(shorter, gradients), largest * relative


def clip_by_value(gradients: Any, bound: float) -> Any:
    """Bring every entry into [-bound, bound].

    Parameters
    ----------
    gradients : tree of arrays
    bound : float

    Returns
    -------
    gradients : tree of arrays

    Raises
    ------
    ValueError
        If `bound` is not positive, or a gradient is NaN or infinite; it is named.

    Notes
    -----
    The direction changes.

    Examples
    --------
    >>> import numpy as np
    >>> clip_by_value({"w": np.asarray([3.0, -0.5])}, 1.0)
    {'w': array([ 1. , -0.5])}
    """
    bound = positive(bound=bound)
    _norm(gradients)
    return change_arrays(lambda g: array_api_compat.array_namespace(g).clip(g, -bound, bound), gradients)


def global_norm(gradients: Any) -> float:
    """The Euclidean norm of all numbers in a tree.

    Parameters
    ----------
    gradients : tree of arrays

    Returns
    -------
    norm : float
        Infinite only where it is beyond the range of float64: squares do not overflow.

    Raises
    ------
    ValueError
        If a gradient is NaN or infinite; it is named.

    Examples
    --------
    >>> import numpy as np
    >>> global_norm({"w": np.asarray([3.0, 0.0]), "b": np.asarray([4.0])})
    5.0
    """
    largest, relative = _norm(gradients)
    return largest * relative


def _norm(gradients: Any) -> tuple[float, float]:
    """The norm as a product: of the largest entry, and the norm relative to it."""
    parts = []
    for name, g in named_leaves(without_bounds(gradients)):
        if is_trained(g) and 0 not in g.shape:
            xp = array_api_compat.array_namespace(g)
            largest = float(xp.max(xp.abs(g)))
            if not math.isfinite(largest):
                raise ValueError(f"the gradient of {name or 'parameters'} must be finite, got {largest}")
            if largest > 0:
                parts.append((largest, math.sqrt(float(xp.sum((g / largest) ** 2, dtype=xp.float64)))))
    most = max((largest for largest, _ in parts), default=0.0)
    return most, math.hypot(*(largest / most * relative for largest, relative in parts))
