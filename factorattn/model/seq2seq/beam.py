"""Beam search: the k best beginnings are kept at every place (Wu et al. 2016, equation 14, for how they are compared).

    B_0 = {empty},   B_t = the k best among the sequences of B_{t-1} that have ended, and the others with one more token
    s(y) = log p(y) / lp(y) + cp(y),   lp(y) = ((5 + |y|) / (5 + 1))^alpha,   cp(y) = beta sum_j log min(sum_t a_tj, 1)

With k = 1 this is greedy decoding; with k as large as the number of sequences it is exhaustive. a_tj is the attention
that the t-th word paid to the j-th word of the source.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import array_api_compat

from factorattn.interpret.tree import tree_map
from factorattn.model.seq2seq.checks import count, holds, tokens
from factorattn.model.seq2seq.decoding import Step, end_of
from factorattn.scalars import real, whole

__all__ = ["Beam", "beam_search", "length_penalty", "repeat_rows"]


class Beam(NamedTuple):
    """The k best sequences of each text, the best first.

    Parameters
    ----------
    tokens : integer array, shape (b, k, maximum)
        Without the start token. Behind an end token there is nothing but end tokens.
    score : array, shape (b, k)
        s(y), by which they are ordered; -inf where there are fewer than k sequences.
    log_probability : array, shape (b, k)
        The logarithm of the probability that the model gives to each, with its end token.
    length : integer array, shape (b, k)
        Number of tokens, the end token included.
    """

    tokens: Any
    score: Any
    log_probability: Any
    length: Any


def beam_search(
    step: Step,
    state: Any,
    start: Any,
    *,
    width: int,
    end: int | None,
    maximum: int,
    alpha: float = 0.0,
    covered: Callable[[Any], Any] | None = None,
    beta: float = 0.0,
) -> Beam:
    """Search for the best sequences, the best `width` beginnings at a time.

    Parameters
    ----------
    step : callable
        ``step(state, token) -> (log_p, state)``. It is called with b * width sequences, those of one text after each
        other: what it brings from outside must have as many rows (`repeat_rows` makes them), or be in the state.
    state : tree of arrays
        What `step` starts from, with a row for each of the b texts. Leaves that are no arrays, or arrays without axes,
        are the same for all.
    start : integer array, shape (b,)
        The token before the first. Its array library is the one that is used.
    width : int
        The number k of sequences that are kept.
    end : int or None
        The token after which a sequence has ended; None if there is none.
    maximum : int
        Largest number of tokens. Sequences that have not ended by then are returned as they are.
    alpha : float
        Strength of length normalisation: 0 compares log-probabilities, which favours short sequences.
    covered : callable, optional
        ``covered(state)`` (rows, m): how much weight each word of the source has got so far, summed over the target.
        Put one where the source is padding.
    beta : float
        Strength of the coverage penalty, which needs `covered`; by default it is off.

    Returns
    -------
    Beam

    Raises
    ------
    ValueError
        If `width` or `maximum` is not positive, `alpha` or `beta` is negative, only one of `covered` and `beta` is
        given, or shapes or `end` do not fit.
    TypeError
        If tokens are not integers.

    Notes
    -----
    A sequence that has ended keeps its place in the beam until better ones push it out; its score does not change any
    more. The search stops as soon as all k of all texts have ended: that is the only decision that depends on values.
    Among equal scores the earlier sequence and the lower token win.

    The coverage penalty takes part in every comparison. Where a distribution gives some word no weight at all it is
    -inf.

    References
    ----------
    Wu et al., "Google's Neural Machine Translation System: Bridging the Gap between Human and Machine Translation",
    2016, equation 14. arXiv:1609.08144
    """
    xp = array_api_compat.array_namespace(start)
    tokens("start", start, None, shape=(None,), xp=xp)
    k, maximum, end = count(width=width), count(maximum=maximum), None if end is None else whole(end=end)
    for name, value in (("alpha", real(alpha=alpha)), ("beta", real(beta=beta))):
        if value < 0:
            raise ValueError(f"{name} must not be negative, got {value!r}")
    if (covered is None) != (beta == 0):
        raise ValueError("covered and beta must be given together: beta weighs what covered tells")
    b, device = start.shape[0], array_api_compat.device(start)
    state, token = repeat_rows(state, k), repeat_rows(start, k)  # (b k, ...)
    row = k * xp.arange(b, dtype=xp.int64, device=device)[:, None]  # (b, 1)
    ended = xp.zeros((b, k), dtype=xp.bool, device=device)
    length = xp.zeros((b, k), dtype=start.dtype, device=device)
    total: Any = None
    cover: Any = None
    score: Any = None
    tail: list[tuple[Any, Any]] = []  # for each place: the tokens, and which sequences they continue
    for _ in range(maximum):
        if end is not None and tail and holds(xp.all(ended | (score == -xp.inf))):
            break
        log_p, state = step(state, token)
        v = end_of(end, log_p, rows=b * k)
        log_p = xp.reshape(log_p, (b, k, v))
        if total is None:  # one sequence in each beam, and k - 1 places
            first = xp.arange(k, dtype=xp.int64, device=device) == 0
            total = xp.broadcast_to(xp.where(first, xp.zeros_like(log_p[:, 0, :1]), -xp.inf), (b, k))
            cover = xp.zeros_like(total)
        if end is not None:
            stay = xp.where(xp.arange(v, dtype=xp.int64, device=device) == end, xp.zeros_like(log_p), -xp.inf)
            log_p = xp.where(ended[..., None], stay, log_p)
        if covered is not None:
            cover = xp.where(ended, cover, beta * _coverage(covered(state), (b, k), xp=xp))
        grown = length + xp.astype(~ended, length.dtype)
        sums = total[..., None] + log_p  # (b, k, v)
        scores = sums / length_penalty(xp.astype(grown, sums.dtype), alpha)[..., None] + cover[..., None]
        scores = xp.where(sums == -xp.inf, -xp.inf, scores)
        best = xp.argsort(xp.reshape(scores, (b, k * v)), axis=-1, descending=True, stable=True)[:, :k]
        parent, chosen = best // v, best % v  # (b, k)
        score, total = (xp.take_along_axis(xp.reshape(x, (b, k * v)), best, axis=-1) for x in (scores, sums))
        cover, length = (xp.take_along_axis(x, parent, axis=-1) for x in (cover, grown))
        chosen = xp.astype(chosen, start.dtype, copy=False)
        if end is not None:
            ended = xp.take_along_axis(xp.astype(ended, xp.int64), parent, axis=-1) == 1
            ended = ended | (chosen == end)
        state, token = _rows(state, xp.reshape(row + parent, (b * k,)), xp=xp), xp.reshape(chosen, (b * k,))
        tail = [*tail, (chosen, parent)]
    found = _traced(tail, xp=xp)
    if len(tail) < maximum:
        found = xp.concat([found, xp.full((b, k, maximum - len(tail)), end, dtype=start.dtype, device=device)], axis=-1)
    return Beam(found, score, total, length)


def length_penalty(length: Any, alpha: float) -> Any:
    """By what the log-probability of a sequence of some length is divided: ((5 + length) / 6)^alpha."""
    return ((5.0 + length) / 6.0) ** alpha


def repeat_rows(tree: Any, width: int) -> Any:
    """Arrays (b, ...) of a tree with each row `width` times after each other: (b width, ...)."""

    def repeated(x):
        if not _has_rows(x):
            return x
        xp, (b, *rest) = array_api_compat.array_namespace(x), x.shape
        return xp.reshape(xp.broadcast_to(x[:, None, ...], (b, width, *rest)), (b * width, *rest))

    return tree_map(repeated, tree)


def _has_rows(x):
    return array_api_compat.is_array_api_obj(x) and len(x.shape) > 0


def _rows(tree, index, *, xp):
    """The rows of all arrays of a tree at an index."""
    return tree_map(lambda x: xp.take(x, index, axis=0) if _has_rows(x) else x, tree)


def _coverage(weight, shape, *, xp):
    """sum_j log min(w_j, 1) of the weights (b k, m) that words of the source have got: (b, k)."""
    weight = xp.clip(weight, 0.0, 1.0)
    none = weight == 0
    return xp.reshape(xp.sum(xp.where(none, -xp.inf, xp.log(xp.where(none, 1.0, weight))), axis=-1), shape)


def _traced(tail, *, xp):
    """The tokens (b, k, n) of the last beam, followed back from place to place."""
    (last, at), *before = reversed(tail)
    found = [last]
    for chosen, parent in before:
        found = [xp.take_along_axis(chosen, at, axis=-1), *found]
        at = xp.take_along_axis(parent, at, axis=-1)
    return xp.stack(found, axis=-1)
