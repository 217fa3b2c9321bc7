"""Continuous sparsemax attention (Martins et al. 2020): the mean of a signal under a truncated parabola in time.

    o_i = E_p V(t),   p(t) = [a^2 - (t - mu_i)^2]_+ / (2 sigma_i^2),   a^3 = 3 sigma_i^2 / 2

    V(t) = sum_j psi_j(t) b_j,   B = G^T V

with E_p psi_j in closed form (see `factorattn.factor.radial`), and values at times 1/m, 2/m, ..., 1. Nothing further
than a from mu counts: it is what sparsemax is on a line, for scores that are quadratic in time.
"""

from collections.abc import Sequence
from typing import Any

from factorattn.attention.memory.signal import mean_signal
from factorattn.catalogue import mechanism, refuse
from factorattn.contract import check
from factorattn.factor.radial import parabola_means

__all__ = ["continuous_sparsemax_attention"]

INPUTS = "mu: ... n, sigma: ... n, v: ... m e, g?: ... m r, rank? = r"


@mechanism(
    inputs=INPUTS,
    forms=("dense", "basis"),
    time="m*r*e + n*r*e",
    memory="n*e",
    causal="never",
    normalised=False,
    refuses={
        "mask": "all queries share one fitted function of time; rows of g that are zero leave values out of the fit",
        "causal": "one function of time is fitted to values of all times",
    },
    paper="martins2020",
)
def continuous_sparsemax_attention(
    mu: Any,
    sigma: Any,
    v: Any,
    g: Any | None = None,
    *,
    rank: int | None = None,
    widths: float | Sequence[float] = (0.1, 0.5),
    ridge: float | None = None,
    mask: None = None,
    causal: bool = False,
    form: str = "basis",
) -> Any:
    """Attend to a stretch of time, and to nothing outside of it.

    Parameters
    ----------
    mu, sigma : array, shape (..., n)
        Location and scale of the density of each query, on a line where the values are at 1/m, ..., 1. It reaches
        (3 sigma^2 / 2)^(1/3) to each side, and its standard deviation is that over sqrt(5), not sigma. In the paper
        they come from a discrete attention over the values or from a network. The sign of sigma does not matter; zero
        is a point.
    v : array, shape (..., m, e)
        Values; batch axes broadcast.
    g : array, shape (..., m, r), optional
        The regression: coefficients are ``g.mT @ v``. By default that of `factorattn.factor.sequence_operator`, which
        depends on m, `rank`, `widths` and `ridge` alone and is kept from call to call.
    rank : int, optional
        Number r of basis functions. By default that of `g`, or min(m, 64).
    widths : float or sequence of float
        Standard deviations of the basis functions; each of them stands at r / len(widths) centres that divide [0, 1].
    ridge : float, optional, only without `g`
        Penalty of the regression; 0.01 by default, as in the authors' code.
    mask, causal : None or False
        Refused, with the reason.
    form : {"basis", "dense"}
        Equal to rounding. "dense" is the definition, with weights over the values, O(n m).

    Returns
    -------
    o : array, shape (..., n, e), result dtype of the inputs

    Raises
    ------
    ValueError
        If shapes disagree, a width or `ridge` is not positive, `ridge` is given with `g`, or `form` is unknown.
    TypeError
        If inputs are not floating arrays of one library.

    Notes
    -----
    The regression is found on the host in float64, O(m r^2) operations once for each length; they are not counted. The
    authors' code can fit zeros beyond both ends, too, so that the signal falls off there: pass the rows of
    `factorattn.factor.ridge_operator` that belong to values. float16 and bfloat16 inputs are computed in float32.

    References
    ----------
    Martins et al., "Sparse and Continuous Attention Mechanisms", 2020. arXiv:2006.07214
    """
    refuse(continuous_sparsemax_attention, mask=mask, causal=causal)
    xp, _ = check(INPUTS, mu=mu, sigma=sigma, v=v, g=g, rank=rank)
    return mean_signal(
        parabola_means, mu, sigma, v, g, rank=rank, widths=widths, ridge=ridge, form=form, xp=xp
    )  # (..., n, e)
