"""Positions of a convolutional encoder (Gehring et al. 2017): added to the input, then spread by a gated convolution.

    h = x + e,   o_i = A_i sigmoid(B_i) + h_i,   (A_i, B_i) = W [h_i-w//2 ... h_i+w//2] + b

The convolution alone tells order only within its w taps, and zeros beyond the ends tell the first and last positions.
"""

from typing import Any

from factorattn.catalogue import Position
from factorattn.contract import check, working_precision
from factorattn.primitives.elementwise import sigmoid
from factorattn.scalars import flag

__all__ = ["convolutional"]

INPUTS = "x: ... n c, e: ... n c, w_a: ... w c c, w_b: ... w c c, b_a?: ... c, b_b?: ... c"


@Position(inputs=INPUTS, output="n c", time="n*w*c**2", memory="n*w*c", paper="gehring2017")
def convolutional(
    x: Any, e: Any, w_a: Any, w_b: Any, b_a: Any | None = None, b_b: Any | None = None, *, causal: bool = False
) -> Any:
    """Add positions to a sequence and pass it through one block of the convolutional encoder.

    Parameters
    ----------
    x : array, shape (..., n, c)
        Embedded tokens.
    e : array, shape (..., n, c)
        Their positions, say the rows that `learned` reads; zeros for a block that is not the first.
    w_a, w_b : array, shape (..., w, c, c)
        Kernels of the values A and of the gates B: tap, channel in, channel out.
    b_a, b_b : array, shape (..., c), optional
        Added to A and to B.
    causal : bool
        False is the paper's encoder: the window is centred, and w must be odd. True is its decoder: position i sees
        i - w + 1 up to i.

    Returns
    -------
    o : array, shape (..., n, c), result dtype of the inputs
        As many rows as x; beyond the ends there are zeros.

    Raises
    ------
    ValueError
        If shapes disagree, or w is even and not `causal`.
    TypeError
        If inputs are not floating arrays of one library.

    Notes
    -----
    The paper keeps A and B in one kernel of 2 c outputs, A first. It also halves the variance of residual sums, by a
    factor sqrt(1/2), and applies dropout: both are left to the caller.

    References
    ----------
    Gehring et al., "Convolutional Sequence to Sequence Learning", 2017, sections 3.1 and 3.2. arXiv:1705.03122
    """
    xp, size = check(INPUTS, x=x, e=e, w_a=w_a, w_b=w_b, b_a=b_a, b_b=b_b)
    taps, causal = size["w"], flag(causal=causal)
    if taps == 0 or (not causal and taps % 2 == 0):
        raise ValueError(
            f"w_a and w_b need an odd number of taps to be centred, got {taps}; causal=True takes even ones"
        )
    given = [array for array in (b_a, b_b) if array is not None]
    dtype, (x, e, w_a, w_b, *given) = working_precision(x, e, w_a, w_b, *given, xp=xp)
    b_a, b_b = (None if array is None else given.pop(0) for array in (b_a, b_b))
    h = x + e  # (..., n, c)
    windows = _windows(h, taps, taps - 1 if causal else taps // 2, xp=xp)  # (..., n, w c)
    a, b = (_mapped(windows, w, bias, xp=xp) for w, bias in ((w_a, b_a), (w_b, b_b)))  # (..., n, c)
    return xp.astype(a * sigmoid(b, xp=xp) + h, dtype, copy=False)


def _windows(h, taps, before, *, xp):
    """Row i holds the rows i - before, ... of h, as many as there are taps, one behind the other."""
    n = h.shape[-2]
    left, right = (
        xp.zeros((*h.shape[:-2], rows, h.shape[-1]), dtype=h.dtype, device=h.device)
        for rows in (before, taps - 1 - before)
    )
    padded = xp.concat([left, h, right], axis=-2)  # (..., n + w - 1, c)
    return xp.concat([padded[..., t : t + n, :] for t in range(taps)], axis=-1)  # (..., n, w c)


def _mapped(windows, w, b, *, xp):
    out = windows @ xp.reshape(w, (*w.shape[:-3], windows.shape[-1], w.shape[-1]))  # (..., n, c)
    return out if b is None else out + b[..., None, :]
