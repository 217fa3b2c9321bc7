"""How likely a sequence is: the product of what a model gives to each token after those before it.

    log p(w_1 .. w_n) = sum_t log p(w_t | w_1 .. w_{t-1}),   log p(k | ...) = x_tk - log sum_l exp(x_tl)
    cross-entropy     = -mean_t sum_k q_tk log p(k | ...),   q_tk = (1 - s) [k = w_t] + s / v
    perplexity        = exp(-mean_t log p(w_t | ...))

x_t are the logits of a model that was given w_1 .. w_{t-1} alone: `shift` makes its input of the targets w, so that all
places are computed side by side (teacher forcing). s smooths the labels.
"""

from typing import Any

import array_api_compat

from factorattn.contract import working_precision
from factorattn.model.seq2seq.checks import mask_of, tokens
from factorattn.primitives.elementwise import log_sum_exp
from factorattn.scalars import real, whole

__all__ = [
    "cross_entropy",
    "log_probabilities",
    "perplexity",
    "sequence_log_probability",
    "shift",
    "token_log_probability",
]


def shift(targets: Any, start: int) -> Any:
    """The input that teaches targets: each token in the place of the one after it, and a start token at the front.

    Parameters
    ----------
    targets : integer array, shape (..., n)
    start : int
        The token before the first.

    Returns
    -------
    inputs : integer array, shape (..., n)
        start, w_1, ..., w_{n-1}.

    Raises
    ------
    ValueError
        If there is no axis of tokens.
    TypeError
        If targets are not integers.
    """
    xp = array_api_compat.array_namespace(targets)
    tokens("targets", targets, None, xp=xp)
    if targets.ndim < 1:
        raise ValueError(f"targets must have shape (..., n), got {tuple(targets.shape)}")
    device = array_api_compat.device(targets)
    first = xp.full((*targets.shape[:-1], 1), whole(start=start), dtype=targets.dtype, device=device)
    return xp.concat([first, targets], axis=-1)[..., : targets.shape[-1]]


def log_probabilities(logits: Any) -> Any:
    """Logarithms of the softmax along the last axis, without a softmax that may round to zero.

    Parameters
    ----------
    logits : array, shape (..., v)

    Returns
    -------
    array, shape (..., v), of single precision at the least
    """
    xp = array_api_compat.array_namespace(logits)
    _, (logits,) = working_precision(logits, xp=xp)
    return logits - log_sum_exp(logits, axis=-1, xp=xp)


def token_log_probability(logits: Any, targets: Any) -> Any:
    """The logarithm of the probability of each target, given the ones before it.

    Parameters
    ----------
    logits : array, shape (..., n, v)
        Row t from a model that was given the targets before t alone.
    targets : integer array, shape (..., n)

    Returns
    -------
    array, shape (..., n), of single precision at the least

    Raises
    ------
    ValueError
        If shapes disagree or a target is not from 0 to v - 1.
    TypeError
        If targets are not integers.
    """
    xp = array_api_compat.array_namespace(logits, targets)
    tokens("targets", targets, logits.shape[-1], shape=tuple(logits.shape[:-1]), xp=xp)
    return _taken(log_probabilities(logits), targets, xp=xp)


def sequence_log_probability(logits: Any, targets: Any, *, mask: Any | None = None) -> Any:
    """The logarithm of the probability of whole sequences: the chain rule.

    Parameters
    ----------
    logits : array, shape (..., n, v)
        Row t from a model that was given the targets before t alone.
    targets : integer array, shape (..., n)
    mask : boolean array, shape (..., n), optional
        True at tokens, False at padding, which counts for nothing.

    Returns
    -------
    array, shape (...,), of single precision at the least
        Zero, which is log 1, for a sequence without tokens.

    Raises
    ------
    ValueError
        If shapes disagree or a target is not from 0 to v - 1.
    TypeError
        If targets are not integers, or `mask` is not boolean.

    Notes
    -----
    Over all sequences of n tokens the probabilities sum to one; over all sequences up to n tokens that stop at an end
    token, together with those of n tokens that have not stopped, too.
    """
    xp = _namespace(logits, targets, mask)
    found = token_log_probability(logits, targets)
    return xp.sum(found if mask is None else xp.where(mask, found, 0.0), axis=-1)


def cross_entropy(logits: Any, targets: Any, *, mask: Any | None = None, smoothing: float = 0.0) -> Any:
    """The mean over tokens of the cross-entropy of the targets under a model: the loss that is trained.

    Parameters
    ----------
    logits : array, shape (..., n, v)
    targets : integer array, shape (..., n)
    mask : boolean array, shape (..., n), optional
        True at tokens, False at padding, which counts for nothing.
    smoothing : float, from 0 to 1
        The part s of each target's weight that is spread evenly over all v tokens.

    Returns
    -------
    array, shape (), of single precision at the least
        Zero where there is no token.

    Raises
    ------
    ValueError
        If shapes disagree, a target is not from 0 to v - 1, or `smoothing` is not from 0 to 1.
    TypeError
        If targets are not integers, or `mask` is not boolean.

    References
    ----------
    Szegedy, Vanhoucke, Ioffe, Shlens and Wojna, "Rethinking the Inception Architecture for Computer Vision", 2016,
    section 7, "Model Regularization via Label Smoothing". arXiv:1512.00567
    """
    xp = _namespace(logits, targets, mask)
    if not 0 <= real(smoothing=smoothing) <= 1:
        raise ValueError(f"smoothing must be from 0 to 1, got {smoothing!r}")
    tokens("targets", targets, logits.shape[-1], shape=tuple(logits.shape[:-1]), xp=xp)
    log_p = log_probabilities(logits)
    loss = -(1.0 - smoothing) * _taken(log_p, targets, xp=xp)  # (..., n)
    if smoothing > 0:  # a token of probability zero costs nothing if nothing asks for it
        loss = loss - smoothing * xp.mean(log_p, axis=-1)
    return _mean(loss, mask, xp=xp)


def perplexity(logits: Any, targets: Any, *, mask: Any | None = None) -> Any:
    """The exponential of the cross-entropy: among how many equally likely tokens the model is as unsure.

    Parameters
    ----------
    logits : array, shape (..., n, v)
    targets : integer array, shape (..., n)
    mask : boolean array, shape (..., n), optional
        True at tokens, False at padding.

    Returns
    -------
    array, shape (), of single precision at the least
    """
    return _namespace(logits, targets, mask).exp(cross_entropy(logits, targets, mask=mask))


def _namespace(logits, targets, mask):
    xp = array_api_compat.array_namespace(*(x for x in (logits, targets, mask) if x is not None))
    mask_of("mask", mask, targets.shape, "targets", xp=xp)
    return xp


def _taken(log_p, targets, *, xp):
    """The entries of log p (..., n, v) at targets (..., n)."""
    return xp.take_along_axis(log_p, xp.astype(targets, xp.int64, copy=False)[..., None], axis=-1)[..., 0]


def _mean(x, mask, *, xp):
    """The mean of the entries where the mask is True; zero where there is none."""
    seen = xp.ones_like(x) if mask is None else xp.astype(mask, x.dtype)
    total = xp.sum(seen)
    return xp.sum(x if mask is None else xp.where(mask, x, 0.0)) / xp.where(total == 0, 1.0, total)
