"""General attention: any score, any distribution (the model of the survey of Chaudhari et al. 2021).

    o_i = sum_j p(a(q_i, k_1), ..., a(q_i, k_m))_j v_j

a is an alignment function of `factorattn.score`, p a distribution of `factorattn.distribution`, or a function of yours.
"""

from collections.abc import Callable
from typing import Any

from factorattn.attention.alignment.engine import (
    ROWS,
    contract_of,
    distribution_of,
    each_tile,
    hide,
    looks_across,
    pairs_of,
    per_tile,
    score_of,
)
from factorattn.attention.exact.options import band_of, check_pairs
from factorattn.catalogue import mechanism
from factorattn.contract import check, choose, working_precision
from factorattn.primitives.pairs import weigh

__all__ = ["general_attention"]

INPUTS = "q: ... n d, k: ... m d, v: ... m e"


@mechanism(
    inputs=INPUTS,
    forms=("dense", "tiled"),
    time="n*m*d + n*m*e",
    memory="m + n*e",
    causal="option",
    normalised=True,
    paper="chaudhari2021",
)
def general_attention(
    q: Any,
    k: Any,
    v: Any,
    *,
    score: str | Callable = "scaled_dot",
    distribution: str | Callable = "softmax",
    mask: Any | None = None,
    bias: Any | None = None,
    causal: bool = False,
    form: str = "tiled",
) -> Any:
    """Attend with a score and a distribution of choice.

    Parameters
    ----------
    q : array, shape (..., n, d)
        Queries; batch axes broadcast.
    k : array, shape (..., m, d)
        Keys. They may have another size than queries if the score allows it.
    v : array, shape (..., m, e)
        Values.
    score : str or callable
        A name in `factorattn.score.SCORES` of a score without learned arrays, or a function of queries and keys:
        ``functools.partial(general, w=w)``.
    distribution : str or callable
        A name in `factorattn.distribution.DISTRIBUTIONS`, or a function of scores along their last axis:
        ``functools.partial(entmax, alpha=1.2)``.
    mask : boolean array broadcasting to (..., n, m), optional
        True where query i may attend to key j.
    bias : array broadcasting to (..., n, m), optional
        Added to the scores. -inf works as a mask.
    causal : bool
        Query i sees keys ``j <= i + m - n`` only.
    form : {"tiled", "dense"}
        Equal to rounding. "dense" is the definition and holds all scores; "tiled" goes through the queries a tile at
        a time, which needs a distribution that treats each row by itself. An array with an axis of queries that is
        bound to a function of this library, ``partial(cosine, beta=beta)`` or ``partial(entmax, alpha=alpha)``, is cut
        to the tile; a function of yours is called with 256 queries or fewer, and must not bring such an array.

    Returns
    -------
    o : array, shape (..., n, e), result dtype of the inputs
        Zeros in rows that may attend to no key.

    Raises
    ------
    ValueError
        If shapes disagree, a name is unknown, the distribution looks across queries and `causal` or form "tiled" is
        asked for, or it draws from a seed of its own in form "tiled".
    TypeError
        If inputs are not floating arrays of one library, or `mask` is not boolean.

    Notes
    -----
    Costs are those of the default score and distribution. With a score that projects keys, "tiled" projects them for
    each tile of 256 queries. float16 and bfloat16 inputs are computed in float32.

    References
    ----------
    Chaudhari, Mithal, Polatkan and Ramanath, "An Attentive Survey of Attention Models", 2021. arXiv:1904.02874
    """
    score, distribution = score_of(score), distribution_of(distribution)
    xp, size = check(contract_of(score, INPUTS), q=q, k=k, v=v)
    attend = choose(FORMS, form=form)
    dtype, (q, k, v) = working_precision(q, k, v, xp=xp)
    mask, bias = check_pairs(mask, bias, q, k, v, xp=xp)
    band = band_of(causal, None, None, size["n"], size["m"])
    if looks_across(distribution):
        if attend is _tiled:
            raise ValueError("form must be 'dense' for a distribution that may look across queries")
        if causal:
            raise ValueError("causal must be False for a distribution that may look across queries: at later ones, too")
    if attend is _tiled and getattr(distribution, "keywords", {}).get("rng") is not None:
        raise ValueError("form must be 'dense' for a distribution with rng: every tile would draw the same numbers")
    score, distribution = (
        per_tile(f, size["n"], kind=kind) for kind, f in (("score", score), ("distribution", distribution))
    )
    o = attend(q, k, v, score=score, distribution=distribution, mask=mask, bias=bias, band=band, xp=xp)
    return xp.astype(o, dtype, copy=False)


def _dense(q, k, v, *, score, distribution, mask, bias, band, xp):
    """The definition: all scores at once."""
    return _attend_rows(q, k, v, slice(0, q.shape[-2]), score, distribution, mask, bias, band, xp)


def _tiled(q, k, v, *, score, distribution, mask, bias, band, xp):
    """The same, a tile of queries at a time."""

    def attend_rows(rows):
        return _attend_rows(q[..., rows, :], k, v, rows, score, distribution, mask, bias, band, xp)

    return each_tile(attend_rows, q.shape[-2], ROWS, xp=xp)


def _attend_rows(q, k, v, rows, score, distribution, mask, bias, band, xp):
    a = pairs_of(score(rows), q, k, xp=xp)  # (..., rows, m)
    a, hidden = hide(a, rows, mask=mask, bias=bias, band=band, xp=xp)
    p = distribution(rows)(a)
    if p.shape != a.shape:
        raise ValueError(f"distribution must return weights of the shape of the scores {a.shape}, got {p.shape}")
    return weigh(p, v, guarded=hidden, xp=xp)  # (..., rows, e)


FORMS = {"dense": _dense, "tiled": _tiled}
