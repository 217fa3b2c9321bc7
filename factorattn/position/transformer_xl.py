"""Relative positions of Transformer-XL (Dai et al. 2019): logits see the distance in two ways, and the key once more.

    A_ij = q_i . k_j  +  q_i . W r_(i-j)  +  u . k_j  +  v . W r_(i-j)
             (a)             (b)              (c)            (d)

with r the sinusoidal encoding, u and v learned. `transformer_xl_relative` is (b) + (c) + (d), a bias of logits.
"""

from typing import Any

from factorattn.catalogue import Position
from factorattn.contract import check, choose, working_precision
from factorattn.position.options import beside, distances, logit_scale
from factorattn.position.sinusoidal import sinusoidal
from factorattn.position.skew import gather, skew
from factorattn.scalars import flag

__all__ = ["transformer_xl_relative"]

INPUTS = "q: ... n d, k: ... m d, w_kr: ... d c, u?: ... d, v?: ... d"


@Position(inputs=INPUTS, output="n m", time="n*m*d + m*c*d", memory="n*m + m*c + m*d", paper="dai2019")
def transformer_xl_relative(
    q: Any,
    k: Any,
    w_kr: Any,
    u: Any | None = None,
    v: Any | None = None,
    *,
    bidirectional: bool = False,
    base: float = 10000.0,
    scale: float | None = None,
    offset: int | None = None,
    form: str = "skew",
) -> Any:
    """What queries, and all of them alike, say to distances and keys: pass it as ``bias=``.

    Parameters
    ----------
    q : array, shape (..., n, d)
        Queries, by default the last n of m positions. The keys before them are the memory of earlier segments.
    k : array, shape (..., m, d)
        Keys.
    w_kr : array, shape (..., d, c)
        W_k,R: from the encoding of a distance, of size c, to a key. Heads are a leading axis.
    u, v : array, shape (..., d), optional
        What every query asks of keys, and what of positions: terms (c) and (d), none where they are left out.
    bidirectional : bool
        Also for keys ahead of the query, at distances below zero, as XLNet does. The paper's model is causal.
    base : float
        Of the sinusoidal encoding.
    scale : float, optional
        Factor of all terms, the same that attention has for q . k; by default 1 / sqrt(d).
    offset : int, optional
        The key that stands beside query 0, by default m - n: the last query beside the last key.
    form : {"skew", "explicit"}
        Equal to rounding: the skew is the paper's shift trick, "explicit" picks every entry by its distance.

    Returns
    -------
    bias : array, shape (..., n, m), result dtype of the inputs
        Zero for keys ahead of the query unless `bidirectional`: causality hides them.

    Raises
    ------
    ValueError
        If shapes disagree, or an option is unknown.
    TypeError
        If inputs are not floating arrays of one library.

    Notes
    -----
    The encoding has all sines before all cosines, as in the authors' code; the order of its columns is that of w_kr.
    In that code the entries ahead of the query are left over from other rows, and only a causal mask hides them.

    References
    ----------
    Dai et al., "Transformer-XL: Attentive Language Models Beyond a Fixed-Length Context", 2019, section 3.3, and
    appendix B for the shift. arXiv:1901.02860
    """
    xp, size = check(INPUTS, q=q, k=k, w_kr=w_kr, u=u, v=v)
    spread, n, m = choose(FORMS, form=form), size["n"], size["m"]
    offset, scale = beside(offset, n, m), logit_scale(scale, size["d"])
    given = [q, k, w_kr, *(x for x in (u, v) if x is not None)]
    dtype, (q, k, w_kr, *learned) = working_precision(*given, xp=xp)
    # Distances n - 1 + offset, ... down to that of the first query and the last key, or to 0.
    every = max(n + m - 1, m)
    count = every if flag(bidirectional=bidirectional) else min(max(n + offset, 0), every)
    r = xp.flip(sinusoidal(count, size["c"], like=q, offset=n + offset - count, base=base, layout="halves"), axis=0)
    placed = q if v is None else q + learned[-1][..., None, :]
    products = (scale * placed) @ (r @ w_kr.mT).mT  # (..., n, count): (b) + (d) by distance
    bias = spread(products, m, xp=xp)  # (..., n, m)
    if u is not None:
        bias = bias + (k @ (scale * learned[0])[..., None]).mT  # (c)
    if not bidirectional:
        bias = xp.where(distances(n, m, offset, device=q.device, xp=xp) <= 0, bias, 0.0)
    return xp.astype(bias, dtype, copy=False)


FORMS = {"explicit": gather, "skew": skew}
