"""One key drawn at random, with the softmax weights as probabilities (Xu et al. 2015).

    s ~ Multinoulli(softmax(a)),   p_j = 1 if j = s, else 0

The draw inverts the cumulative distribution: s is the first key whose cumulative weight exceeds a uniform number.
"""

from typing import Any

from factorattn.catalogue import Distribution
from factorattn.contract import check, working_precision
from factorattn.distribution.rows import capped, one_hot
from factorattn.primitives.pairs import softmax_weights
from factorattn.scalars import generator

__all__ = ["draw", "multinoulli"]

INPUTS = "a: ... m, uniform?: ..."


@Distribution(inputs=INPUTS, time="m", memory="m", paper="xu2015")
def multinoulli(a: Any, uniform: Any | None = None, *, rng: Any = None) -> Any:
    """One-hot weights of a key drawn for each row.

    Parameters
    ----------
    a : array, shape (..., m)
        Scores; -inf where a key is not seen.
    uniform : array that broadcasts to the batch axes (...), optional
        Numbers in [0, 1), one a row. Drawn if left out. What lies outside is brought to the nearer end: it draws the
        first or the last key that has weight. NaN gives a row of NaN.
    rng : int, numpy.random.Generator or None
        Source of randomness where `uniform` is left out (SPEC 7).

    Returns
    -------
    p : array, shape (..., m), result dtype of the inputs
        A single 1, never on a key of weight zero; zeros in a row of -inf, whatever `uniform` is there.

    Raises
    ------
    ValueError
        If both `uniform` and `rng` are given.

    Notes
    -----
    Where this is differentiated the draw is held: the derivative is zero.

    References
    ----------
    Xu et al., "Show, Attend and Tell: Neural Image Caption Generation with Visual Attention", 2015, "hard" attention.
    arXiv:1502.03044
    """
    xp, size = check(INPUTS, a=a, uniform=uniform)
    if uniform is not None and rng is not None:
        raise ValueError("rng must be None where uniform is given: nothing is left to draw")
    dtype, (a, *drawn) = working_precision(*((a,) if uniform is None else (a, uniform)), xp=xp)
    if uniform is None:
        drawn = [xp.asarray(generator(rng).random(tuple(a.shape[:-1])), dtype=a.dtype, device=a.device)]
    if size["m"] == 0:
        return xp.astype(a + 0.0 * drawn[0][..., None], dtype, copy=False)
    return xp.astype(one_hot(*draw(a, drawn[0], xp=xp), size["m"], xp=xp), dtype, copy=False)


def draw(a: Any, uniform: Any, *, xp: Any) -> tuple[Any, Any]:
    """The index (..., 1) of a key drawn for each row, and its weight.

    The weight is 0 if no key is seen, NaN if a score or the number is NaN, and 1 in all other rows.
    """
    uniform = uniform[..., None]  # (..., 1)
    weights, _ = softmax_weights(capped(a, xp=xp), xp=xp)
    reached = xp.cumulative_sum(weights, axis=-1)  # (..., m)
    total = reached[..., -1:]
    passed = (reached <= xp.maximum(uniform, 0.0) * total) & (reached < total)
    index = xp.sum(xp.astype(passed, xp.int64), axis=-1, keepdims=True)
    return index, xp.where(total > 0, xp.where(xp.isnan(uniform), uniform, 1.0), total)
