"""The unbounded memory of the infinite-former (Martins, Marinho and Martins 2022): a function of time, contracted.

    X(t) = sum_j psi_j(t) b_j   on 0 .. 1   becomes   X(t / tau)   on 0 .. tau,   with the new values behind it, up to 1

The old function is sampled, samples and new values are fitted anew, and the number r of coefficients stays as it was:
the older a value is, the less of them it keeps. Sticky memories sample where attention has been, and keep more of that.
"""

from collections.abc import Sequence
from typing import Any

from factorattn.attention.exact.options import scale_of
from factorattn.attention.memory.relative import joined
from factorattn.attention.memory.signal import basis_of, widths_of
from factorattn.contract import check, working_precision
from factorattn.factor.gaussian import upper_tail
from factorattn.factor.radial import gaussian_means
from factorattn.factor.ridge import contraction_operator
from factorattn.primitives.elementwise import log_sigmoid, sigmoid
from factorattn.scalars import generator, positive, real

__all__ = ["attended_densities", "densities", "extend_memory", "folded", "kl_regulariser", "sticky_places"]

SAMPLES = 512  # as in the authors' code
TINY = 1e-30  # stands for a deviation of zero: far below any distance between times, and no number overflows


def extend_memory(
    memory: Any | None,
    x: Any,
    *,
    rank: int | None = None,
    places: Any | None = None,
    samples: int | None = None,
    contraction: float = 0.75,
    widths: float | Sequence[float] = (0.01, 0.05),
    ridge: float = 1.0,
) -> Any:
    """Take new values into a memory of fixed size.

    Parameters
    ----------
    memory : array, shape (..., r, c), or None
        Coefficients so far; None for none, and then `x` alone is fitted, at times 1/m ... 1, whatever `samples` and
        `contraction` are.
    x : array, shape (..., m, c)
        New values, the oldest first: hidden states, before any projection.
    rank : int, optional
        Number r of basis functions; needed where there is no memory yet.
    places : array, shape (..., p), optional
        Where in 0 .. 1 the old function is sampled, in ascending order, for example by `sticky_places`. By default at
        `samples` equal steps up to 1.
    samples : int, optional
        Their number p, where `places` are left out; by default 512.
    contraction : float
        The share tau of the new time that the old function gets, between 0 and 1.
    widths : float or sequence of float
        Standard deviations of the basis functions.
    ridge : float
        Penalty of the regression.

    Returns
    -------
    b : array, shape (..., r, c), result dtype of the inputs

    Raises
    ------
    ValueError
        If shapes disagree, `rank` is missing where there is no memory, both `places` and `samples` are given, no place
        is sampled, or a number is out of its range.
    TypeError
        If inputs are not floating arrays of one library.

    Notes
    -----
    Samples stand at equal steps in the new time wherever they were taken, so that places which lie close together are
    given more room. The authors' code has tau = 0.75 for sorting and 0.5 for language, 512 samples, a penalty of 1 or
    0.5, and fits zeros beyond both ends. No gradient goes through an old memory there.

    References
    ----------
    Martins, Marinho and Martins, "Infinite-former: Infinite Memory Transformer", 2022. arXiv:2109.00301
    """
    inputs = "memory?: ... r c, x: ... m c, places?: ... p, samples? = p, rank? = r"
    if places is not None and samples is not None:
        raise ValueError("samples must be None where places are given: nothing is left to draw")
    xp, size = check(inputs, memory=memory, x=x, places=places, samples=samples, rank=rank)
    if "r" not in size:
        raise ValueError("rank must be given where there is no memory that has one")
    spreads, penalty, tau = widths_of(widths), positive(ridge=ridge), real(contraction=contraction)
    if not 0.0 < tau < 1.0:
        raise ValueError(f"contraction must be between 0 and 1, got {contraction!r}")
    if memory is None and places is not None:
        raise ValueError("places are where an old memory is sampled, and there is none; leave them out")
    given = [value for value in (x, memory, places) if value is not None]
    dtype, (x, *rest) = working_precision(*given, xp=xp)
    values, p = x, 0
    if memory is not None:
        p = size.get("p", SAMPLES)
        if p == 0:
            raise ValueError("places must be one at least: an old memory that is sampled nowhere would be lost")
        memory = rest[0]
        places = (xp.arange(p, dtype=x.dtype, device=x.device) + 1.0) / p if places is None else rest[1]
        values = joined([_sampled(memory, places, spreads, xp=xp), x], xp=xp)  # (..., p + m, c)
    g = contraction_operator(p, size["m"], tau if p else 0.0, size["r"], spreads, penalty)
    return xp.astype(xp.asarray(g, dtype=x.dtype, device=x.device).mT @ values, dtype, copy=False)


def attended_densities(q: Any, k: Any, w_mu: Any, w_sigma: Any, *, scale: float | None = None) -> tuple[Any, Any]:
    """Means and standard deviations (..., n) of the densities that `infinite_former_attention` attends with.

    Its arguments, and its precision: float32 at least.
    """
    xp, size = check("q: ... n d, k: ... r d, w_mu: ... r, w_sigma: ... r", q=q, k=k, w_mu=w_mu, w_sigma=w_sigma)
    _, (q, k, w_mu, w_sigma) = working_precision(q, k, w_mu, w_sigma, xp=xp)
    scale = scale_of(scale, size["d"])
    return densities(*(q @ folded(k, w[..., None], scale, xp=xp) for w in (w_mu, w_sigma)), xp=xp)


def sticky_places(
    mu: Any, sigma: Any, samples: int | None = None, *, bins: int = 128, quantiles: Any | None = None, rng: Any = None
) -> Any:
    """Draw places where attention has been: from a histogram of its densities over 0 .. 1.

    Parameters
    ----------
    mu, sigma : array, shape (..., n)
        Densities of all queries whose attention counts; for all heads, bring the heads into this axis.
    samples : int, optional
        Number of places, where `quantiles` are left out; by default 512.
    bins : int
        Number of bins of equal width. The probability of each is the mass that all densities together have there.
    quantiles : array, shape (..., p), optional
        Numbers in 0 .. 1, ascending, for which the places are wanted: equal steps give a sample without chance.
    rng : int, numpy.random.Generator or None
        Source of randomness where `quantiles` is left out (SPEC 7).

    Returns
    -------
    places : array, shape (..., p)
        Ascending. Within a bin they are uniform. (The authors' code puts all of them on its left edge.)

    Raises
    ------
    ValueError
        If shapes disagree, `bins` or `samples` is not positive, or `quantiles` are given with `samples` or `rng`.
    TypeError
        If inputs are not floating arrays of one library.
    """
    if quantiles is not None and samples is not None:
        raise ValueError("samples must be None where quantiles are given: nothing is left to draw")
    inputs = "mu: ... n, sigma: ... n, quantiles?: ... p, samples? = p, bins = b"
    xp, size = check(inputs, mu=mu, sigma=sigma, quantiles=quantiles, samples=samples, bins=bins)
    given = (mu, sigma) if quantiles is None else (mu, sigma, quantiles)
    dtype, (mu, sigma, *drawn) = working_precision(*given, xp=xp)
    if quantiles is not None and rng is not None:
        raise ValueError("rng must be None where quantiles are given: nothing is left to draw")
    b, options = size["b"], {"dtype": mu.dtype, "device": mu.device}
    edges = xp.arange(b + 1, **options) / b
    sigma = xp.abs(sigma)
    standard = (edges - mu[..., None]) / xp.where(sigma == 0, TINY, sigma)[..., None]  # (..., n, b + 1)
    tails = upper_tail(standard, xp=xp)
    mass = xp.sum(tails[..., :-1] - tails[..., 1:], axis=-2)  # (..., b)
    total = xp.sum(mass, axis=-1, keepdims=True)  # (..., 1)
    p = xp.where(total > 0, mass / xp.where(total > 0, total, 1.0), 1.0 / b)
    if not drawn:
        sample = generator(rng).random((*p.shape[:-1], size.get("p", SAMPLES)))
        drawn = [xp.sort(xp.asarray(sample, **options), axis=-1)]
    # What each bin contributes to a quantile: all of its width, a part of it or nothing.
    before = (xp.cumulative_sum(p, axis=-1) - p)[..., None, :]  # (..., 1, b)
    p = p[..., None, :]
    part = (drawn[0][..., None] - before) / xp.where(p > 0, p, 1.0)  # (..., p, b)
    part = xp.where(p > 0, xp.clip(part, 0.0, 1.0), xp.astype(part > 0, part.dtype))
    return xp.astype(xp.sum(part, axis=-1) / b, dtype, copy=False)


def kl_regulariser(sigma: Any, sigma_0: float, *, mu: Any | None = None, mu_0: float | None = None) -> Any:
    """What keeps the densities narrow in training: KL(N(mu, sigma^2) || N(mu_0, sigma_0^2)), one for each density.

        (sigma^2 / sigma_0^2 - log(sigma^2 / sigma_0^2) - 1 + (mu - mu_0)^2 / sigma_0^2) / 2

    Without mu and mu_0 the two means are the same, as in the paper. The paper adds it up over heads and time.
    """
    xp, _ = check("sigma: ... n, mu?: ... n", sigma=sigma, mu=mu)
    if (mu is None) != (mu_0 is None):
        raise ValueError("mu and mu_0 are compared with each other; give both or neither")
    given = (sigma,) if mu is None else (sigma, mu)
    dtype, (sigma, *means) = working_precision(*given, xp=xp)
    ratio = (sigma / positive(sigma_0=sigma_0)) ** 2
    divergence = ratio - xp.log(ratio) - 1.0
    if means:
        divergence = divergence + ((means[0] - real(mu_0=mu_0)) / sigma_0) ** 2
    return xp.astype(divergence / 2.0, dtype, copy=False)


def densities(for_mu: Any, for_sigma: Any, *, xp: Any) -> tuple[Any, Any]:
    """A sigmoid for the mean, and for the variance a softplus, of numbers (..., n, 1): mean and deviation (..., n)."""
    a, b = for_mu[..., 0], for_sigma[..., 0]
    return sigmoid(a, xp=xp), xp.sqrt(-log_sigmoid(-b, xp=xp))


def folded(k: Any, w: Any, scale: float, *, xp: Any) -> Any:
    """What of a query meets the weights w (..., r, 1) of its scores: scale k^T w, (..., d, 1)."""
    return scale * (k.mT @ w)


def _sampled(b, places, widths, *, xp):
    """The function with coefficients b (..., r, c) at places (..., p): (..., p, c)."""
    basis = basis_of(b.shape[-2], widths, like=b, xp=xp)
    return gaussian_means(places, xp.zeros_like(places), *basis, xp=xp) @ b
