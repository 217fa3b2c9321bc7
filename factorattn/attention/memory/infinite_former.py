"""Infinite-former (Martins, Marinho and Martins 2022): attention to a long past kept as a few coefficients.

    mu_i = sigmoid(w_mu . s_i),   sigma_i^2 = softplus(w_sigma . s_i),   s_i = scale k q_i

    o_i = E V(t) under N(mu_i, sigma_i^2) = sum_j N(mu_i; c_j, s_j^2 + sigma_i^2) v_j

where k = B W_K and v = B W_V are the r coefficients of the past, as a function of time, in a basis of bells
psi_j(t) = N(t; c_j, s_j^2), projected as its values would be. What it costs does not depend on how long the past is:
see `factorattn.attention.memory.long_term` for how the coefficients B take in new values.
"""

from collections.abc import Sequence
from typing import Any

from factorattn.attention.exact.options import scale_of
from factorattn.attention.memory.long_term import densities, folded
from factorattn.attention.memory.signal import basis_of, read, widths_of
from factorattn.catalogue import mechanism, refuse
from factorattn.contract import check, choose, working_precision
from factorattn.factor.radial import gaussian_means
from factorattn.primitives.softmax_attend import batch_of

__all__ = ["infinite_former_attention"]

INPUTS = "q: ... n d, k: ... r d, v: ... r e, w_mu: ... r, w_sigma: ... r"


@mechanism(
    inputs=INPUTS,
    forms=("dense", "folded"),
    time="n*r*e + n*d",
    memory="n*e",
    causal="never",
    normalised=False,
    refuses={
        "mask": "k and v are coefficients of functions of time, not keys that could be hidden one by one",
        "causal": "all of the memory lies before all of the queries",
    },
    paper="martins2022",
)
def infinite_former_attention(
    q: Any,
    k: Any,
    v: Any,
    w_mu: Any,
    w_sigma: Any,
    *,
    widths: float | Sequence[float] = (0.01, 0.05),
    scale: float | None = None,
    mask: None = None,
    causal: bool = False,
    form: str = "folded",
) -> Any:
    """Attend to a continuous long-term memory: each query chooses a time and a width.

    Parameters
    ----------
    q : array, shape (..., n, d)
        Queries; batch and heads are the leading axes, and broadcast.
    k : array, shape (..., r, d)
    v : array, shape (..., r, e)
        Projected coefficients ``b @ w_k`` and ``b @ w_v`` of a memory b of r basis functions, as
        `factorattn.attention.memory.extend_memory` makes it.
    w_mu, w_sigma : array, shape (..., r)
        What makes mean and variance of the r scores of a query; learned for each head in the paper, shared by the heads
        in the authors' code.
    widths : float or sequence of float
        Standard deviations of the basis functions, the same as when the memory was made.
    scale : float, optional
        Factor of k . q; by default 1 / sqrt(d).
    mask, causal : None or False
        Refused, with the reason.
    form : {"folded", "dense"}
        Equal to rounding. "dense" is the definition, with all n r scores; "folded" needs the products of k with w_mu
        and w_sigma only, and goes tile by tile through the queries.

    Returns
    -------
    o : array, shape (..., n, e), result dtype of the inputs

    Raises
    ------
    ValueError
        If shapes disagree, a width is not positive, or `form` is unknown.
    TypeError
        If inputs are not floating arrays of one library.

    Notes
    -----
    Other sources call this model "Informer" by mistake: that is Zhou et al. 2021, which chooses queries. In the model
    the output is added to that of attention to the recent past. The authors' code keeps the variance above 1e-6; here
    it may vanish, which reads the memory at a point. float16 and bfloat16 inputs are computed in float32.

    References
    ----------
    Martins, Marinho and Martins, "Infinite-former: Infinite Memory Transformer", 2022. arXiv:2109.00301
    """
    refuse(infinite_former_attention, mask=mask, causal=causal)
    xp, size = check(INPUTS, q=q, k=k, v=v, w_mu=w_mu, w_sigma=w_sigma)
    attend, spreads = choose(FORMS, form=form), widths_of(widths)
    dtype, (q, k, v, w_mu, w_sigma) = working_precision(q, k, v, w_mu, w_sigma, xp=xp)
    basis = basis_of(size["r"], spreads, like=v, xp=xp)
    o = attend(q, k, v, w_mu[..., None], w_sigma[..., None], basis, scale=scale_of(scale, size["d"]), xp=xp)
    return xp.astype(o, dtype, copy=False)


def _dense(q, k, v, w_mu, w_sigma, basis, *, scale, xp):
    """The definition: r scores for each query, and from them its density."""
    scores = scale * q @ k.mT  # (..., n, r)
    mu, sigma = densities(scores @ w_mu, scores @ w_sigma, xp=xp)  # (..., n)
    return gaussian_means(mu, sigma, *basis, xp=xp) @ v


def _folded(q, k, v, w_mu, w_sigma, basis, *, scale, xp):
    """Scores are never formed: w . (k q) = (k^T w) . q."""
    for_mu, for_sigma = folded(k, w_mu, scale, xp=xp), folded(k, w_sigma, scale, xp=xp)  # (..., d, 1)

    def means(rows):
        asking = q[..., rows, :]
        mu, sigma = densities(asking @ for_mu, asking @ for_sigma, xp=xp)  # (..., rows)
        return gaussian_means(mu, sigma, *basis, xp=xp)  # (..., rows, r)

    return read(means, v, q.shape[-2], batch=batch_of(q, k, v, w_mu, w_sigma), xp=xp)


FORMS = {"dense": _dense, "folded": _folded}
