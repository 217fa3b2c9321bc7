"""Feature-based (in the survey of Chaudhari et al. 2021): two feature maps of the key, and no query.

    a_ij = v^T act(W_1 phi_1(k_j) + W_2 phi_2(k_j) + b)

How important a key is, to everyone alike.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from factorattn.catalogue import Score
from factorattn.contract import check, working_precision
from factorattn.score.engine import activation_of, features_of

__all__ = ["feature"]

INPUTS = "q: ... n d, k: ... m c, w_1: ... a c, w_2: ... a c, v: ... a, b?: ... a"
ANY = "q: ... n d, k: ... m c, w_1: ... a f, w_2: ... a g, v: ... a, b?: ... a"
FEATURES = "k_1: ... m f, k_2: ... m g, w_1: ... a f, w_2: ... a g, v: ... a, b?: ... a"


@Score(inputs=INPUTS, time="m*a*c", memory="m*a + m*c", paper="chaudhari2021")
def feature(
    q: Any,
    k: Any,
    w_1: Any,
    w_2: Any,
    v: Any,
    b: Any | None = None,
    *,
    phi_1: str | Callable = "identity",
    phi_2: str | Callable = "relu",
    activation: str = "tanh",
) -> Any:
    """Score keys by a network that sees two feature maps of each.

    Parameters
    ----------
    q : array, shape (..., n, d)
    k : array, shape (..., m, c)
        Queries and keys; batch axes broadcast. The queries are counted, and not looked at.
    w_1, w_2 : array, shape (..., a, c)
        The learned matrices; where phi_1 or phi_2 is a function, as many columns as it has features.
    v : array, shape (..., a)
        The learned weights of the hidden units.
    b : array, shape (..., a), optional
        A bias; by default none.
    phi_1, phi_2 : {"identity", "elu_plus_one", "relu", "exp"} or callable
        The feature maps, by name or as functions from an array (..., m, c) to one (..., m, f).
    activation : {"tanh", "relu", "sigmoid", "identity"}

    Returns
    -------
    a : array, shape (..., n, m), result dtype of the inputs
        The same row for every query.

    References
    ----------
    Chaudhari, Mithal, Polatkan and Ramanath, "An Attentive Survey of Attention Models", 2021, table of alignment
    functions. arXiv:1904.02874
    """
    named = {"w_1": w_1, "w_2": w_2, "v": v, "b": b}
    xp, size = check(ANY if callable(phi_1) or callable(phi_2) else INPUTS, q=q, k=k, **named)
    act = activation_of(activation, xp=xp)
    given = (q, k, w_1, w_2, v) if b is None else (q, k, w_1, w_2, v, b)
    dtype, (q, k, w_1, w_2, v, *bias) = working_precision(*given, xp=xp)
    k_1, k_2 = features_of(k, phi_1, "phi_1", xp=xp), features_of(k, phi_2, "phi_2", xp=xp)  # (..., m, f), (..., m, g)
    check(FEATURES, k_1=k_1, k_2=k_2, **named)
    hidden = k_1 @ w_1.mT + k_2 @ w_2.mT  # (..., m, a)
    for vector in bias:
        hidden = hidden + vector[..., None, :]
    a = (act(hidden) @ v[..., :, None]).mT  # (..., 1, m)
    batch = np.broadcast_shapes(a.shape[:-2], q.shape[:-2])
    return xp.astype(xp.broadcast_to(a, (*batch, size["n"], size["m"])), dtype, copy=False)
