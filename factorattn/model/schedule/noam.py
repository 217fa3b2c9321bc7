"""The rate of the Transformer (Vaswani et al. 2017), known as Noam's: a linear rise, then an inverse square root.

rate_t = c^(-1/2) min(t^(-1/2), t warmup^(-3/2))
"""

from typing import Any

from factorattn.model.schedule.inverse_sqrt import inverse_sqrt
from factorattn.model.schedule.linear import linear
from factorattn.scalars import positive, whole

__all__ = ["noam"]


def noam(step: Any, *, c: int, warmup: float) -> Any:
    """The learning rate itself at a step; it is highest at step `warmup`: 1 / sqrt(c warmup).

    Parameters
    ----------
    step : int or array
        From 1 on.
    c : int
        Width of the model, ``d_model`` in the paper (512 there, and 4,000 steps of warm-up).
    warmup : float
        Steps of the rise.

    Returns
    -------
    rate : float or array, shape of `step`

    Raises
    ------
    ValueError
        If `step` is a number below 1, or `c` or `warmup` is not positive.
    TypeError
        If `step` is neither an integer nor an array of real numbers, or `c` is no integer.

    Notes
    -----
    Some texts print the rise as ``step * warmup^(-1/2)``, which does not meet the fall; the paper has -3/2.

    References
    ----------
    Vaswani et al., "Attention Is All You Need", 2017, equation 3. arXiv:1706.03762

    Examples
    --------
    >>> [round(noam(step, c=512, warmup=4000), 8) for step in (1, 4000, 16000)]
    [1.7e-07, 0.00069877, 0.00034939]
    """
    if whole(c=c) < 1:
        raise ValueError(f"c must be positive, got {c}")
    peak = (c * positive(warmup=warmup)) ** -0.5
    return peak * linear(step, warmup=warmup) * inverse_sqrt(step, after=warmup)
