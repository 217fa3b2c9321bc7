"""How the Compressive Transformer keeps its memories of hidden states (Rae et al. 2020, algorithm 1).

    memory'     = the last n_m of [memory; h]
    compressed' = the last n_cm of [compressed; f(old)],   old = what [memory; h] has no more room for

with f one of the compression functions: c states become one. What makes no whole block of c stays in the memory. An
auxiliary loss asks that attention to f(old) give what attention to old gave: their attention-reconstruction loss.
"""

from typing import Any

import numpy as np

from factorattn.attention.exact.options import scale_of
from factorattn.attention.memory.relative import Terms, average_weights, joined
from factorattn.contract import check, choose, working_precision
from factorattn.primitives.softmax_attend import softmax_attend
from factorattn.scalars import whole

__all__ = ["compress", "memory_usage", "reconstruction_loss", "remember"]


def compress(
    x: Any,
    rate: int,
    *,
    how: str = "mean",
    weight: Any | None = None,
    bias: Any | None = None,
    dilation: int = 1,
    usage: Any | None = None,
) -> Any:
    """Make one state of each `rate` of them.

    Parameters
    ----------
    x : array, shape (..., m, c)
        States, the oldest first. The last m mod `rate` of them make no whole block and are left out.
    rate : int
        How many become one.
    how : {"mean", "max", "convolution", "most used"}
        Pooling of blocks, a convolution with learned weights, or a selection of whole states by `usage`.
    weight : array, shape (t, c, c), for "convolution"
        What each of t taps does to a state (a row times a matrix). For the plain convolution of the paper t is `rate`;
        ``torch.nn.Conv1d`` has these axes the other way round.
    bias : array, shape (c,), optional, for "convolution"
    dilation : int, for "convolution"
        Distance of taps. Windows are centred on their blocks; beyond both ends there are zeros.
    usage : array, shape (..., m), for "most used"
        How much attention each state got (see `memory_usage`). The m // `rate` most used are kept, in their order; of
        equals, the older.

    Returns
    -------
    y : array, shape (..., m // rate, c), result dtype of the inputs

    Raises
    ------
    ValueError
        If shapes disagree, an option is unknown, or an argument belongs to another way to compress.
    TypeError
        If inputs are not floating arrays of one library.
    """
    squeeze = choose(WAYS, how=how)
    inputs = "x: ... m c, rate = r, weight?: t c c, bias?: c, dilation = w, usage?: ... m"
    xp, size = check(inputs, x=x, rate=rate, weight=weight, bias=bias, dilation=dilation, usage=usage)
    needs = {"convolution": weight, "most used": usage}
    if how in needs and needs[how] is None:
        raise ValueError(f"how={how!r} needs {'weight' if how == 'convolution' else 'usage'}")
    learned = weight is not None or bias is not None or dilation != 1
    if (learned and how != "convolution") or (usage is not None and how != "most used"):
        raise ValueError(f"weight, bias and dilation are for 'convolution', usage for 'most used'; got how={how!r}")
    arrays = [a for a in (x, weight, bias, usage) if a is not None]
    dtype, (x, *extra) = working_precision(*arrays, xp=xp)
    y = squeeze(x, extra, size["r"], size["m"] // size["r"], dilation=size["w"], xp=xp)
    return xp.astype(y, dtype, copy=False)


def remember(
    h: Any,
    memory: Any | None = None,
    compressed: Any | None = None,
    *,
    memory_length: int,
    compressed_length: int,
    rate: int,
    how: str = "mean",
    weight: Any | None = None,
    bias: Any | None = None,
    dilation: int = 1,
    usage: Any | None = None,
) -> tuple[Any, Any]:
    """Put the states of a segment into the memory, and what it has no more room for into the compressed one.

    Only whole blocks of `rate` states leave the memory: no state is lost before it was compressed.

    Parameters
    ----------
    h : array, shape (..., n, c)
        States of the segment.
    memory : array, shape (..., l, c), optional
    compressed : array, shape (..., p, c), optional
        Both memories so far, the oldest first; none by default. (The paper begins with zeros.)
    memory_length, compressed_length : int
        How much they hold; the oldest compressed memories are forgotten. The memory may hold up to ``rate - 1`` states
        more, which wait there for the rest of their block. Where all lengths are multiples of `rate`, as the paper's
        are, none has to wait.
    rate, how, weight, bias, dilation
        See `compress`.
    usage : array, shape (..., l + n), for "most used"
        How much attention each state of [memory; h] got.

    Returns
    -------
    memory : array, shape (..., l + n - s rate, c)
        For s blocks that left it: as few as bring it below ``memory_length + rate`` states.
    compressed : array, shape (..., at most compressed_length, c)
        In the result dtype of the inputs.

    Raises
    ------
    ValueError
        If shapes disagree, a length is negative, or `compress` refuses its options.
    TypeError
        If inputs are not floating arrays of one library.
    """
    inputs = "h: ... n c, memory?: ... l c, compressed?: ... p c, rate = r"
    xp, size = check(inputs, h=h, memory=memory, compressed=compressed, rate=rate)
    room, most = whole(memory_length=memory_length), whole(compressed_length=compressed_length)
    if min(room, most) < 0:
        raise ValueError(f"memories hold 0 states or more, got lengths {room} and {most}")
    dtype = xp.result_type(*(x for x in (h, memory, compressed) if x is not None))
    memory, compressed, h = (x if x is None else xp.astype(x, dtype, copy=False) for x in (memory, compressed, h))
    states = joined([memory, h], xp=xp)  # (..., l + n, c)
    gone = max(0, states.shape[-2] - room) // size["r"] * size["r"]  # whole blocks
    used = usage
    if usage is not None:
        xp, _ = check("states: ... m c, usage: ... m", states=states, usage=usage)
        used = usage[..., :gone]
    new = compress(states[..., :gone, :], rate, how=how, weight=weight, bias=bias, dilation=dilation, usage=used)
    longer = joined([compressed, new], xp=xp)
    return states[..., gone:, :], longer[..., max(0, longer.shape[-2] - most) :, :]


def memory_usage(
    q: Any,
    k: Any,
    w_sin: Any,
    w_cos: Any,
    k_memory: Any | None = None,
    k_compressed: Any | None = None,
    *,
    u: Any | None = None,
    v_bias: Any | None = None,
    mask: Any | None = None,
    causal: bool = False,
    scale: float | None = None,
) -> Any:
    """How much attention the states of [memory; segment] get in `compressive_attention`, as a mean over queries.

    Its arguments. Returns an array (..., l + n), which is to be averaged over heads; O(n (p + l + n)) memory.
    """
    inputs = (
        "q: ... n d, k: ... n d, w_sin: ... f d, w_cos: ... f d, k_memory?: ... l d, k_compressed?: ... p d, "
        "u?: ... d, v_bias?: ... d"
    )
    terms = Terms(w_sin, w_cos, u, v_bias)
    xp, size = check(inputs, q=q, k=k, k_memory=k_memory, k_compressed=k_compressed, **terms._asdict())
    keys = [x for x in (k_compressed, k_memory, k) if x is not None]
    weights = average_weights(q, keys, terms, mask=mask, causal=causal, scale=scale, xp=xp)  # (..., p + l + n)
    return weights[..., size.get("p", 0) :]


def reconstruction_loss(h: Any, old: Any, new: Any, w_q: Any, w_k: Any, w_v: Any, *, scale: float | None = None) -> Any:
    """How far attention to compressed states is from attention to those they were made of.

    The norm ``| attention(h w_q, old w_k, old w_v) - attention(h w_q, new w_k, new w_v) |_2``.

    Parameters
    ----------
    h : array, shape (..., n, c)
        States that ask. Attention is by content alone.
    old : array, shape (..., m, c)
    new : array, shape (..., p, c)
        States and their compression. In training, gradients go to the compression only.
    w_q, w_k : array, shape (..., c, d)
    w_v : array, shape (..., c, e)
        Projections of the layer; heads are leading axes.
    scale : float, optional
        Factor of the logits; by default 1 / sqrt(d).

    Returns
    -------
    loss : array, shape (...)
        The Euclidean norm over queries and entries; add it up over heads and layers. (Public code takes the mean of the
        squares instead.)
    """
    inputs = "h: ... n c, old: ... m c, new: ... p c, w_q: ... c d, w_k: ... c d, w_v: ... c e"
    xp, size = check(inputs, h=h, old=old, new=new, w_q=w_q, w_k=w_k, w_v=w_v)
    dtype, (h, old, new, w_q, w_k, w_v) = working_precision(h, old, new, w_q, w_k, w_v, xp=xp)
    scale = scale_of(scale, size["d"])
    before, after = (softmax_attend(h @ w_q, x @ w_k, x @ w_v, scale=scale)[0] for x in (old, new))
    apart = before - after  # (..., n, e)
    return xp.astype(xp.sqrt(xp.sum(apart * apart, axis=(-2, -1))), dtype, copy=False)


def _blocks(x, rate, count, *, xp):
    """Whole blocks of `rate` rows of x (..., m, c): (..., m // rate, rate, c)."""
    return xp.reshape(x[..., : count * rate, :], (*x.shape[:-2], count, rate, x.shape[-1]))


def _mean(x, extra, rate, count, *, dilation, xp):
    return xp.mean(_blocks(x, rate, count, xp=xp), axis=-2)


def _max(x, extra, rate, count, *, dilation, xp):
    return xp.max(_blocks(x, rate, count, xp=xp), axis=-2)


def _convolution(x, extra, rate, count, *, dilation, xp):
    """One product for each tap: it meets every `rate`-th row."""
    weight, *bias = extra
    taps, m = weight.shape[0], x.shape[-2]
    reach = (taps - 1) * dilation
    first = (rate - 1 - reach) // 2  # of a window, against its block
    last = first + reach + (max(count, 1) - 1) * rate  # the last row that a window meets
    before, after = (
        xp.zeros((*x.shape[:-2], max(0, beyond), x.shape[-1]), dtype=x.dtype, device=x.device)
        for beyond in (-first, last + 1 - m)
    )
    x, start = xp.concat([before, x, after], axis=-2), max(0, first)
    y = sum(
        x[..., start + tap * dilation :: rate, :][..., :count, :] @ weight[tap, :, :] for tap in range(taps)
    )  # (..., count, c)
    return y + bias[0] if bias else y


def _most_used(x, extra, rate, count, *, dilation, xp):
    """The most used rows, in their order."""
    (usage,) = extra
    picks = xp.sort(xp.argsort(usage, axis=-1, descending=True, stable=True)[..., :count], axis=-1)  # (..., count)
    batch = np.broadcast_shapes(x.shape[:-2], usage.shape[:-1])
    x = xp.broadcast_to(x, (*batch, *x.shape[-2:]))
    picks = xp.broadcast_to(picks[..., None], (*batch, count, x.shape[-1]))
    return xp.take_along_axis(x, picks, axis=-2)


WAYS = {"mean": _mean, "max": _max, "convolution": _convolution, "most used": _most_used}
