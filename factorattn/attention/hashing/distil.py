"""Self-attention distilling of the Informer (Zhou et al. 2021): a sequence halved by convolution and max pooling.

    y_i = b + sum_t x_{i + t - (p-1)/2} w_t,   z_i = y_i where y_i > 0, else exp(y_i) - 1
    o_j = max_{|i - 2j| <= 1} z_i

It stands between two layers of the encoder. Indices of x go round the sequence; o has ceil(n / 2) rows.
"""

from typing import Any

from factorattn.contract import check, choose, working_precision
from factorattn.primitives.elementwise import elu
from factorattn.scalars import whole

__all__ = ["distil"]

INPUTS = "x: ... n c, w: p c f, b?: f"


def distil(x: Any, w: Any, b: Any | None = None, *, padding: str = "circular", pool: int = 3, stride: int = 2) -> Any:
    """Shorten a sequence: convolve it over time, apply ELU, and keep the largest of near entries.

    Parameters
    ----------
    x : array, shape (..., n, c)
        Output of an attention block: n positions with c channels.
    w : array, shape (p, c, f)
        Kernel, p odd; p = 3 in the paper. Tap t is what the position t - (p - 1) / 2 away is multiplied by.
        (The weight of ``torch.nn.Conv1d`` is this one with its axes reversed.)
    b : array, shape (f,), optional
        Bias.
    padding : {"circular", "zeros"}
        What stands beyond the ends of the sequence: its other end, as in the authors' code, or zeros.
    pool : int
        Width of the pooling window, odd. Windows are cut off at the ends.
    stride : int
        Distance between windows.

    Returns
    -------
    o : array, shape (..., ceil(n / stride), f), result dtype of the inputs

    Raises
    ------
    ValueError
        If shapes disagree, a width is even or not positive, `stride` is not positive, or `padding` is unknown.
    TypeError
        If inputs are not floating arrays of one library.

    Notes
    -----
    Circular padding and the width of the pooling window are those of the authors' code; the equation names neither.
    That code also has batch normalization before ELU: once trained, it is a factor and a summand per channel, which `w`
    and `b` can take in. Versions of it pad by two instead of one, so that the convolution lengthens the sequence by
    two. float16 and bfloat16 inputs are computed in float32.

    References
    ----------
    Zhou, Zhang, Peng, Zhang, Li, Xiong and Zhang, "Informer: Beyond Efficient Transformer for Long Sequence Time-Series
    Forecasting", 2021, section "Self-attention Distilling". arXiv:2012.07436
    """
    xp, size = check(INPUTS, x=x, w=w, b=b)
    choose({"circular": 0, "zeros": 0}, padding=padding)
    pool, stride, taps, n = whole(pool=pool), whole(stride=stride), size["p"], size["n"]
    for name, width in (("pool", pool), ("the first axis of w", taps)):
        if width < 1 or width % 2 == 0:
            raise ValueError(f"{name} must be odd and positive, got {width}")
    if stride < 1:
        raise ValueError(f"stride must be positive, got {stride}")
    dtype, (x, w, *bias) = working_precision(*((x, w) if b is None else (x, w, b)), xp=xp)
    if n == 0:
        return xp.zeros((*x.shape[:-2], 0, size["f"]), dtype=dtype, device=x.device)
    x = _extended(x, taps // 2, padding == "circular", xp=xp)  # (..., n + p - 1, c)
    y = sum((x[..., t : t + n, :] @ w[t, :, :] for t in range(taps)), *bias)  # (..., n, f)
    return xp.astype(_pooled(elu(y, xp=xp), pool, stride, xp=xp), dtype, copy=False)


def _extended(x, more, circular, *, xp):
    """The rows of x (..., n, c) with `more` before and behind them."""
    n = x.shape[-2]
    if circular:
        index = xp.asarray([i % n for i in range(-more, n + more)], dtype=xp.int64, device=x.device)
        return xp.take(x, index, axis=-2)
    beyond = xp.zeros((*x.shape[:-2], more, x.shape[-1]), dtype=x.dtype, device=x.device)
    return xp.concat([beyond, x, beyond], axis=-2)


def _pooled(z, pool, stride, *, xp):
    """The maximum of z (..., n, f) over windows of `pool` rows around every `stride`-th row."""
    n, more = z.shape[-2], pool // 2
    beyond = xp.full((*z.shape[:-2], more, z.shape[-1]), -xp.inf, dtype=z.dtype, device=z.device)
    z = xp.concat([beyond, z, beyond], axis=-2)  # (..., n + pool - 1, f)
    windows = [z[..., t : t + n : stride, :] for t in range(pool)]  # each (..., ceil(n / stride), f)
    return xp.max(xp.stack(windows, axis=0), axis=0)
