"""Softmax with one more, empty place to attend to (Miller 2023).

    p_j = exp(a_j) / (exp(sink) + sum_l exp(a_l))

A row may attend to nothing: its weights sum to less than one, and to zero as all scores fall.
"""

from typing import Any

from factorattn.catalogue import Distribution
from factorattn.contract import check, working_precision
from factorattn.distribution.rows import capped

__all__ = ["softmax_one"]

INPUTS = "a: ... m, sink?: ..."


@Distribution(inputs=INPUTS, time="m", memory="m", paper="miller2023")
def softmax_one(a: Any, sink: Any | None = None) -> Any:
    """Softmax of each row beside a sink that takes weight and has no value.

    Parameters
    ----------
    a : array, shape (..., m)
        Scores; -inf where a key is not seen.
    sink : array that broadcasts to the batch axes (...), optional
        The score of the sink, learned for each head in later models. By default 0, whose exponential is the one in
        Miller's denominator.

    Returns
    -------
    p : array, shape (..., m), result dtype of the inputs
        Sums to less than one; zeros in a row of -inf.

    References
    ----------
    Miller, "Attention Is Off By One", 2023. https://www.evanmiller.org/attention-is-off-by-one.html
    """
    xp, size = check(INPUTS, a=a, sink=sink)
    dtype, (a, *given) = working_precision(*((a,) if sink is None else (a, sink)), xp=xp)
    a = capped(a, xp=xp)
    place = given[0][..., None] if given else xp.zeros((*a.shape[:-1], 1), dtype=a.dtype, device=a.device)  # (..., 1)
    if size["m"] == 0:
        return xp.astype(a + 0.0 * place, dtype, copy=False)
    top = xp.maximum(xp.max(a, axis=-1, keepdims=True), place)
    weights = xp.exp(a - top)  # (..., m)
    total = xp.exp(place - top) + xp.sum(weights, axis=-1, keepdims=True)
    return xp.astype(weights / total, dtype, copy=False)
