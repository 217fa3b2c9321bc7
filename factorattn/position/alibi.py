"""ALiBi (Press et al. 2022): logits fall linearly with distance, in every head at a slope of its own.

    bias_hij = slope_h (j - i),   slope_h = 2^(-8 h / H) for h = 1 ... H

Nothing is learned. Under causality j <= i, so that the bias is never positive.
"""

from typing import Any

from factorattn.catalogue import Position
from factorattn.contract import choose
from factorattn.position.options import beside, distances, kind_of, length
from factorattn.scalars import flag

__all__ = ["alibi", "alibi_slopes"]


@Position(inputs="h = h, like: ...", output="h", time="0", memory="h", paper="press2022")
def alibi_slopes(h: int, *, like: Any, rule: str = "powers") -> Any:
    """The slopes of h heads.

    Parameters
    ----------
    h : int
    like : array
        Array library, dtype and device of the slopes; its shape and values are not looked at.
    rule : {"powers", "geometric"}
        The two agree where h is a power of two. Otherwise "geometric" is the paper's sequence 2^(-8/h), 2^(-16/h), ...,
        and "powers" is the authors' code, with which published models were trained: the slopes of the next lower power
        of two P, then every other one of 2 P heads.

    Returns
    -------
    slopes : array, shape (h,)

    Raises
    ------
    ValueError
        If h is negative, or `rule` is unknown.
    TypeError
        If `like` is not a floating array.

    References
    ----------
    Press, Smith and Lewis, "Train Short, Test Long: Attention with Linear Biases Enables Input Length Extrapolation",
    2022, section 3. arXiv:2108.12409
    """
    xp, device, dtype, _ = kind_of(like)
    return xp.asarray(choose(RULES, rule=rule)(length("h", h)), dtype=dtype, device=device)


@Position(inputs="h = h, n = n, m = m, like: ...", output="h n m", time="h*n*m", memory="h*n*m", paper="press2022")
def alibi(
    h: int,
    n: int,
    m: int,
    *,
    like: Any,
    rule: str = "powers",
    symmetric: bool = False,
    offset: int | None = None,
) -> Any:
    """Bias of h heads that grows with distance: pass it as ``bias=``.

    Parameters
    ----------
    h, n, m : int
        Heads, queries and keys.
    like : array
        Array library, dtype and device of the bias; its shape and values are not looked at.
    rule : {"powers", "geometric"}
        Of the slopes: see `alibi_slopes`.
    symmetric : bool
        ``-slope |j - i|`` for encoders instead of ``slope (j - i)``, which is meant for causal attention.
    offset : int, optional
        The key that stands beside query 0, by default m - n: the last query beside the last key.

    Returns
    -------
    bias : array, shape (h, n, m)

    Raises
    ------
    ValueError
        If a size is negative, or `rule` is unknown.
    TypeError
        If `like` is not a floating array.

    Notes
    -----
    A causal softmax is the same for slope (j - i) and for slope j, which many libraries add; the bias itself differs.

    References
    ----------
    Press, Smith and Lewis, "Train Short, Test Long: Attention with Linear Biases Enables Input Length Extrapolation",
    2022, section 3. arXiv:2108.12409
    """
    n, m = length("n", n), length("m", m)
    xp, device, dtype, compute = kind_of(like)
    slopes = xp.asarray(choose(RULES, rule=rule)(length("h", h)), dtype=compute, device=device)
    ahead = distances(n, m, beside(offset, n, m), device=device, xp=xp)  # (n, m)
    ahead = -xp.abs(ahead) if flag(symmetric=symmetric) else ahead
    return xp.astype(slopes[:, None, None] * xp.astype(ahead, compute), dtype, copy=False)  # (h, n, m)


def _geometric(h):
    return [2.0 ** (-8 * i / h) for i in range(1, h + 1)]


def _powers(h):
    lower = 1 << max(h.bit_length() - 1, 0)
    return _geometric(lower)[:h] + _geometric(2 * lower)[0::2][: h - lower]


RULES = {"powers": _powers, "geometric": _geometric}
