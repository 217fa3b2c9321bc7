"""Hard attention (Xu et al. 2015): each query looks at one key, the best or one drawn at random.

    s_i = argmax_j a_ij   or   s_i ~ Multinoulli(softmax(a_i)),   o_i = v_{s_i}

In the mean over draws it is soft attention.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from factorattn.attention.alignment.engine import (
    ROWS,
    contract_of,
    each_tile,
    hide,
    pairs_of,
    per_tile,
    score_of,
    take_rows,
)
from factorattn.attention.exact.options import band_of, check_pairs
from factorattn.catalogue import mechanism
from factorattn.contract import check, choose, working_precision
from factorattn.distribution.hard import largest
from factorattn.distribution.multinoulli import draw
from factorattn.distribution.rows import one_hot
from factorattn.primitives.pairs import weigh
from factorattn.scalars import flag, generator

__all__ = ["hard_attention"]

INPUTS = "q: ... n d, k: ... m d, v: ... m e, u?: ... n"


@mechanism(
    inputs=INPUTS,
    forms=("dense", "gather"),
    time="n*m*d",
    memory="m + n*e",
    causal="option",
    normalised=True,
    positional=True,
    paper="xu2015",
)
def hard_attention(
    q: Any,
    k: Any,
    v: Any,
    u: Any | None = None,
    *,
    sample: bool | None = None,
    rng: Any = None,
    score: str | Callable = "scaled_dot",
    mask: Any | None = None,
    bias: Any | None = None,
    causal: bool = False,
    form: str = "gather",
) -> Any:
    """Attend to one key.

    Parameters
    ----------
    q : array, shape (..., n, d)
        Queries; batch axes broadcast.
    k : array, shape (..., m, d)
        Keys. They may have another size than queries if the score allows it.
    v : array, shape (..., m, e)
        Values.
    u : array, shape (..., n), optional
        Numbers in [0, 1), one a query: the key is the first whose cumulative weight exceeds u. What lies outside is
        brought to the nearer end: it draws the first or the last key that has weight. NaN gives a row of NaN.
    sample : bool, optional
        Draw a key, instead of taking the one with the largest score (the first of equals). By default only if `u` or
        `rng` is given.
    rng : int, numpy.random.Generator or None
        Source of randomness where `u` is left out (SPEC 7).
    score : str or callable
        A name in `factorattn.score.SCORES` of a score without learned arrays, or a function of queries and keys. The
        paper's is ``functools.partial(additive, w_q=..., w_k=..., w=...)``. In form "gather" a function of yours is
        called with 256 queries or fewer, and must not bring arrays with an axis of queries.
    mask : boolean array broadcasting to (..., n, m), optional
        True where query i may attend to key j.
    bias : array broadcasting to (..., n, m), optional
        Added to the scores. -inf works as a mask.
    causal : bool
        Query i sees keys ``j <= i + m - n`` only.
    form : {"gather", "dense"}
        Equal. "dense" is the definition, weights of 0 and 1; "gather" takes the value.

    Returns
    -------
    o : array, shape (..., n, e), result dtype of the inputs
        Zeros in rows that may attend to no key.

    Raises
    ------
    ValueError
        If shapes disagree, both `u` and `rng` are given, one is given and `sample` is False, or an option is unknown.
    TypeError
        If inputs are not floating arrays of one library, or `mask` is not boolean.

    Notes
    -----
    The order of the keys matters where scores are equal, and for which key a number u draws. float16 and bfloat16
    inputs are computed in float32.

    References
    ----------
    Xu et al., "Show, Attend and Tell: Neural Image Caption Generation with Visual Attention", 2015, "Stochastic 'hard'
    attention". arXiv:1502.03044
    """
    score = score_of(score)
    xp, size = check(contract_of(score, INPUTS), q=q, k=k, v=v, u=u)
    attend = choose(FORMS, form=form)
    if u is not None and rng is not None:
        raise ValueError("rng must be None where u is given: nothing is left to draw")
    given = u is not None or rng is not None
    if given and sample is not None and not flag(sample=sample):
        raise ValueError("sample must be True where u or rng is given: the largest score needs no draw")
    sample = given if sample is None else flag(sample=sample)
    dtype, (q, k, v, *drawn) = working_precision(*((q, k, v) if u is None else (q, k, v, u)), xp=xp)
    mask, bias = check_pairs(mask, bias, q, k, v, xp=xp)
    band = band_of(causal, None, None, size["n"], size["m"])
    if sample and u is None:
        pairs = [x.shape[:-2] for x in (q, k, mask, bias) if x is not None]
        numbers = generator(rng).random((*np.broadcast_shapes(*pairs), size["n"]))
        drawn = [xp.asarray(numbers, dtype=q.dtype, device=q.device)]  # (..., n)

    score_at = per_tile(score, size["n"], kind="score")

    def pick(rows):
        """The key of each query of a tile, and its weight: 1, or 0 where none is seen, or NaN."""
        a, _ = hide(pairs_of(score_at(rows), q[..., rows, :], k, xp=xp), rows, mask=mask, bias=bias, band=band, xp=xp)
        return draw(a, drawn[0][..., rows], xp=xp) if sample else largest(a, xp=xp)  # (..., rows, 1), twice

    if size["m"] == 0:
        batch = np.broadcast_shapes(*(x.shape[:-2] for x in (q, k, v)))
        return xp.zeros((*batch, size["n"], size["e"]), dtype=dtype, device=q.device)
    return xp.astype(attend(pick, v, size["n"], xp=xp), dtype, copy=False)


def _dense(pick, v, n, *, xp):
    """The definition: weights of 0 and 1."""
    index, weight = pick(slice(0, n))
    return weigh(one_hot(index, weight, v.shape[-2], xp=xp), v, guarded=True, xp=xp)


def _gather(pick, v, n, *, xp):
    """The same by taking values, a tile of queries at a time."""

    def attend_rows(rows):
        index, weight = pick(rows)
        return xp.where(weight > 0, take_rows(v, index, xp=xp)[..., 0, :], weight)

    return each_tile(attend_rows, n, ROWS, xp=xp)


FORMS = {"dense": _dense, "gather": _gather}
