"""From a model of the next token to a sequence: the likeliest token at each place, or one drawn at random.

    greedy   y_t = argmax_k log p(k | y_1 .. y_{t-1})
    sample   y_t ~ p(k | y_1 .. y_{t-1})^(1 / temperature), made to sum to one

A model is a function ``step(state, token) -> (log_p, state)``: token (b,) are the last tokens of b sequences, log_p
(b, v) the logarithms of what it gives to the next ones. A state is a tree of arrays with sequences along their first
axis.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import array_api_compat

from factorattn.distribution.multinoulli import draw
from factorattn.model.seq2seq.checks import count, holds, tokens
from factorattn.scalars import generator, positive, whole

__all__ = ["Decoded", "Step", "end_of", "greedy", "sample"]

Step = Callable[[Any, Any], tuple[Any, Any]]


class Decoded(NamedTuple):
    """Sequences that were decoded.

    Parameters
    ----------
    tokens : integer array, shape (b, maximum)
        Without the start token. Behind an end token there is nothing but end tokens.
    log_probability : array, shape (b,)
        The logarithm of the probability that the model gives to each, with its end token.
    length : integer array, shape (b,)
        Number of tokens, the end token included.
    """

    tokens: Any
    log_probability: Any
    length: Any


def greedy(step: Step, state: Any, start: Any, *, end: int | None, maximum: int) -> Decoded:
    """Take the likeliest token at each place.

    Parameters
    ----------
    step : callable
        ``step(state, token) -> (log_p, state)`` with token (b,) and log_p (b, v).
    state : tree of arrays
        What `step` starts from: the encoder's result, say.
    start : integer array, shape (b,)
        The token before the first. Its array library is the one that is used.
    end : int or None
        The token after which a sequence has ended; None if there is none.
    maximum : int
        Largest number of tokens.

    Returns
    -------
    Decoded

    Raises
    ------
    ValueError
        If `maximum` is not positive, or shapes or `end` do not fit.
    TypeError
        If tokens are not integers.

    Notes
    -----
    Of several likeliest tokens it takes the first. It stops as soon as all sequences have ended: that is the only
    decision that depends on values. Sequences that have ended are still handed to `step`, which goes unheard.
    """
    xp = array_api_compat.array_namespace(start)
    return _decode(step, state, start, lambda log_p: xp.argmax(log_p, axis=-1), end=end, maximum=maximum, xp=xp)


def sample(
    step: Step,
    state: Any,
    start: Any,
    *,
    end: int | None,
    maximum: int,
    temperature: float = 1.0,
    rng: Any = None,
) -> Decoded:
    """Draw a token at each place.

    Parameters
    ----------
    step, state, start, end, maximum
        As in `greedy`.
    temperature : float
        Below one likely tokens are drawn even more often, above one less often. Near zero it is `greedy`.
    rng : int, numpy.random.Generator or None
        Source of randomness (SPEC 7); the same draw on every array library.

    Returns
    -------
    Decoded
        Log-probabilities are the model's, at temperature one.

    Raises
    ------
    ValueError
        If `maximum` or `temperature` is not positive, or shapes or `end` do not fit.
    TypeError
        If tokens are not integers.
    """
    xp = array_api_compat.array_namespace(start)
    heat, source = positive(temperature=temperature), generator(rng)

    def choose(log_p):
        uniform = xp.asarray(source.random(log_p.shape[0]), dtype=log_p.dtype, device=array_api_compat.device(log_p))
        top = xp.max(log_p, axis=-1, keepdims=True)
        # The likeliest stays at zero: a low temperature must not overflow. A row of -inf has no token to draw.
        apart = xp.where(log_p == -xp.inf, -xp.inf, (log_p - xp.where(top == -xp.inf, 0.0, top)) / heat)
        return draw(apart, uniform, xp=xp)[0][..., 0]

    return _decode(step, state, start, choose, end=end, maximum=maximum, xp=xp)


def _decode(step, state, start, choose, *, end, maximum, xp):
    """Follow one sequence in each row, with ``choose(log_p)`` (b,) as the next tokens."""
    tokens("start", start, None, shape=(None,), xp=xp)
    maximum, end = count(maximum=maximum), None if end is None else whole(end=end)
    found: list[Any] = []
    token, total = start, None
    live = xp.ones(start.shape, dtype=xp.bool, device=array_api_compat.device(start))
    length = xp.zeros_like(start)
    for _ in range(maximum):
        if end is not None and found and holds(~xp.any(live)):
            found = [*found, *[xp.full_like(start, end)] * (maximum - len(found))]
            break
        log_p, state = step(state, token)
        end_of(end, log_p, rows=start.shape[0])
        chosen = choose(log_p)  # (b,)
        gain = xp.take_along_axis(log_p, xp.astype(chosen, xp.int64, copy=False)[..., None], axis=-1)[..., 0]
        gain = xp.where(live, gain, 0.0)
        total = gain if total is None else total + gain
        length = length + xp.astype(live, length.dtype)
        token = xp.astype(chosen, start.dtype, copy=False)
        if end is not None:
            token = xp.where(live, token, xp.full_like(token, end))
            live = live & (token != end)
        found = [*found, token]
    return Decoded(xp.stack(found, axis=-1), total, length)


def end_of(end: int | None, log_p: Any, *, rows: int) -> int:
    """The size v of the vocabulary that log p (rows, v) tells of, which must hold the end token."""
    if len(log_p.shape) != 2 or log_p.shape[0] != rows:
        raise ValueError(f"step must return log-probabilities of shape ({rows}, v), got {tuple(log_p.shape)}")
    if end is not None and not 0 <= end < log_p.shape[1]:
        raise ValueError(f"end must be from 0 to {log_p.shape[1] - 1}, the last token that step tells of, got {end}")
    return log_p.shape[1]
