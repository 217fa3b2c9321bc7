"""Attention over any set of pairs.

    o_i = sum_{j: (i, j) in P} p_ij v_j,   p_ij = softmax over those j of scale q_i . k_j

The set P is a `factorattn.pattern.Pattern`: a shape of the literature, or any union, intersection or difference of
shapes.
"""

from typing import Any

from factorattn.attention.exact.options import check_pairs, scale_of
from factorattn.attention.sparse.gather import by_rows, by_tiles, definition
from factorattn.catalogue import mechanism
from factorattn.contract import check, choose, working_precision
from factorattn.pattern import Pattern, full
from factorattn.primitives.softmax_attend import softmax_attend
from factorattn.scalars import flag

__all__ = ["pattern_attention"]

INPUTS = "q: ... n d, k: ... m d, v: ... m e"


@mechanism(
    inputs=INPUTS,
    forms=("dense", "blocked", "gathered"),
    time="n*m*d + n*m*e",
    memory="n*e",
    causal="option",
    normalised=True,
    paper="child2019",
)
def pattern_attention(
    q: Any,
    k: Any,
    v: Any,
    *,
    pattern: Pattern | None = None,
    mask: Any | None = None,
    causal: bool = False,
    scale: float | None = None,
    form: str = "blocked",
) -> Any:
    """Attend to the pairs of a pattern, and to no others.

    Parameters
    ----------
    q : array, shape (..., n, d)
    k : array, shape (..., m, d)
    v : array, shape (..., m, e)
        Queries, keys and values; batch axes broadcast.
    pattern : Pattern of n x m, optional
        Which query may attend to which key, the same for all batch axes. All pairs by default.
    mask : boolean array broadcasting to (..., n, m), optional
        True where query i may attend to key j, besides.
    causal : bool
        Of the pattern, only the pairs with ``j <= i + m - n``.
    scale : float, optional
        Factor of q . k; by default 1 / sqrt(d).
    form : {"blocked", "gathered", "dense"}
        Equal to rounding. "blocked" takes 64 queries at a time, and the union of their keys: best where close queries
        have close keys. "gathered" takes each query and its own keys: its cost follows the pairs whatever they are,
        at a slower pace. "dense" is the definition, O(n m).

    Returns
    -------
    o : array, shape (..., n, e), result dtype of the inputs
        Zeros in rows that have no key.

    Raises
    ------
    ValueError
        If shapes disagree, also that of the pattern, or an option is unknown.
    TypeError
        If inputs are not floating arrays of one library, or `pattern` is no pattern.

    Notes
    -----
    The declared cost is that of all pairs. With a pattern, "gathered" costs at most twice its pairs, and "blocked" 64
    times the keys that each 64 queries have among them. float16 and bfloat16 inputs are computed in float32.

    References
    ----------
    Child, Gray, Radford and Sutskever, "Generating Long Sequences with Sparse Transformers", 2019, arXiv:1904.10509:
    attention over connectivity patterns S_i.
    """
    xp, size = check(INPUTS, q=q, k=k, v=v)
    attend = choose(FORMS, form=form)
    dtype, (q, k, v) = working_precision(q, k, v, xp=xp)
    mask, _ = check_pairs(mask, None, q, k, v, xp=xp)
    pattern = _checked(pattern, size["n"], size["m"], causal=flag(causal=causal))
    o, _ = attend(q, k, v, pattern, scale=scale_of(scale, size["d"]), mask=mask, xp=xp)
    return xp.astype(o, dtype, copy=False)


def _checked(pattern, n, m, *, causal):
    """The pattern of n x m that was asked for; None where it holds all pairs."""
    if pattern is None:
        return full(n, m).causal() if causal else None
    if not isinstance(pattern, Pattern):
        raise TypeError(f"pattern must be a factorattn.pattern.Pattern, got {type(pattern).__name__}")
    if (pattern.n, pattern.m) != (n, m):
        raise ValueError(f"pattern must be one of {n} x {m}, got {pattern.n} x {pattern.m}")
    return pattern.causal() if causal else pattern


def _dense(q, k, v, pattern, *, scale, mask, xp):
    """The definition: every pair, and a mask."""
    seen = None if pattern is None else xp.asarray(pattern.dense(), device=q.device)  # (n, m)
    return definition(q, k, v, seen, scale=scale, mask=mask, xp=xp)


def _or_all(attend):
    def attend_pairs(q, k, v, pattern, *, scale, mask, xp):
        if pattern is None:
            return softmax_attend(q, k, v, scale=scale, mask=mask)
        return attend(q, k, v, pattern, scale=scale, mask=mask, xp=xp)

    return attend_pairs


FORMS = {"dense": _dense, "blocked": _or_all(by_tiles), "gathered": _or_all(by_rows)}
