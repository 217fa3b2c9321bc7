"""Deep (Pavlopoulos, Malakasiotis and Androutsopoulos 2017): several layers look at query and key.

    h_1 = act(W q_i + U k_j + b),   h_{l+1} = act(V_l h_l + c_l),   a_ij = w^T h_L

The first layer is that of `additive`; every further one is a matrix of hidden units by hidden units.
"""

from typing import Any

from factorattn.catalogue import Score
from factorattn.contract import check, working_precision
from factorattn.primitives.tiles import scan_tiles
from factorattn.score.engine import activation_of, hidden_scores, weigh_units

__all__ = ["deep"]

INPUTS = "q: ... n d, k: ... m c, w_q: ... a d, w_k: ... a c, w: ... a, b?: ... a, layers?: ... s a a, biases?: ... s a"


@Score(inputs=INPUTS, time="n*m*a**2*s", memory="n*m", paper="pavlopoulos2017")
def deep(
    q: Any,
    k: Any,
    w_q: Any,
    w_k: Any,
    w: Any,
    b: Any | None = None,
    layers: Any | None = None,
    biases: Any | None = None,
    *,
    activation: str = "relu",
) -> Any:
    """Score by a network with several hidden layers of one width.

    Parameters
    ----------
    q : array, shape (..., n, d)
    k : array, shape (..., m, c)
        Queries and keys; batch axes broadcast. (The paper's attention has no query; surveys put it beside the key.)
    w_q : array, shape (..., a, d)
    w_k : array, shape (..., a, c)
    b : array, shape (..., a), optional
        The learned first layer W, U, b; by default no bias.
    w : array, shape (..., a)
        The learned weights of the last hidden units.
    layers : array, shape (..., s, a, a), optional
        The learned matrices V of s further layers; by default none.
    biases : array, shape (..., s, a), optional
        Their biases c; by default none.
    activation : {"relu", "tanh", "sigmoid", "identity"}

    Returns
    -------
    a : array, shape (..., n, m), result dtype of the inputs

    Raises
    ------
    ValueError
        If shapes disagree, or there are `biases` and no `layers`.

    References
    ----------
    Pavlopoulos, Malakasiotis and Androutsopoulos, "Deeper Attention to Abusive User Content Moderation", 2017.
    doi:10.18653/v1/D17-1117
    """
    named = {"q": q, "k": k, "w_q": w_q, "w_k": w_k, "w": w, "b": b, "layers": layers, "biases": biases}
    xp, size = check(INPUTS, **named)
    if layers is None and biases is not None:
        raise ValueError("biases are those of layers, and there are none; leave them out")
    act = activation_of(activation, xp=xp)
    given = {name: array for name, array in named.items() if array is not None}
    dtype, arrays = working_precision(*given.values(), xp=xp)
    own = dict(zip(given, arrays, strict=True))
    x, y = own["q"] @ own["w_q"].mT, own["k"] @ own["w_k"].mT  # (..., n, a), (..., m, a)
    if "b" in own:
        x = x + own["b"][..., None, :]

    def add_layer(hidden, one):
        hidden = hidden @ own["layers"][..., one, :, :].mT  # (..., rows, m, a)
        if "biases" in own:
            hidden = hidden + own["biases"][..., None, one, :]
        return act(hidden), None

    def score_of(hidden, _):
        hidden, _ = scan_tiles(add_layer, act(hidden), 0, size.get("s", 0), 1, xp=xp)
        return weigh_units(hidden, own["w"])

    return xp.astype(hidden_scores(x, y, score_of, xp=xp), dtype, copy=False)
