"""Performer (Choromanski et al. 2021): softmax attention in which exp(q . k) is estimated by random features (FAVOR+).

    exp(scale q_i . k_j) ~ phi(x_i) . phi(y_j),   x = sqrt(scale) q,   y = sqrt(scale) k

with the random features phi of `factorattn.factor.features`.

The estimate of each weight is unbiased; the quotient of two estimates is not, and its error falls as 1 / sqrt(r).
"""

import math
from typing import Any

from factorattn.attention.exact.options import scale_of
from factorattn.attention.kernel.engine import kernel_attend
from factorattn.catalogue import mechanism, refuse
from factorattn.contract import check, choose, working_precision
from factorattn.factor.features import FEATURES, orthogonal_gaussian
from factorattn.scalars import flag, positive

__all__ = ["performer_attention"]

INPUTS = "q: ... n d, k: ... m d, v: ... m e, omega?: ... r d, rank? = r"


@mechanism(
    inputs=INPUTS,
    forms=("parallel", "chunked", "recurrent"),
    time="n*r*d + m*r*d + n*r*e + m*r*e",
    memory="n*d + m*d + n*r + m*r + n*e",
    causal="option",
    normalised=True,
    refuses={
        "mask": "sums over keys are shared by all queries, so no pair can be hidden; leave out keys that none may see",
    },
    paper="choromanski2021",
    approximates="softmax_attention",
    knob="r",
)
def performer_attention(
    q: Any,
    k: Any,
    v: Any,
    omega: Any | None = None,
    *,
    rank: int | None = None,
    rng: Any = None,
    features: str = "positive",
    causal: bool = False,
    scale: float | None = None,
    mask: None = None,
    form: str = "chunked",
) -> Any:
    """Attend with random-feature estimates of the softmax weights, in time linear in the length.

    Parameters
    ----------
    q : array, shape (..., n, d)
    k : array, shape (..., m, d)
    v : array, shape (..., m, e)
        Queries, keys and values; batch axes broadcast.
    omega : array, shape (..., r, d), optional
        Random directions, each row standard normal. Drawn orthogonal within blocks of d if left out.
    rank : int, optional
        Number r of directions. By default that of `omega`, or ceil(d log d), the paper's order of magnitude.
    rng : int, numpy.random.Generator or None
        Source of randomness where `omega` is left out (SPEC 7).
    features : {"positive", "trigonometric"}
        "positive" gives weights > 0, accurate where weights are small; "trigonometric" (2 r features) may give
        denominators near or below zero.
    causal : bool
        Query i sees keys ``j <= i + m - n`` only; a query that sees none gives zeros.
    scale : float, optional
        Positive factor of q . k; by default 1 / sqrt(d).
    mask : None
        Refused, with the reason.
    form : {"chunked", "parallel", "recurrent"}
        Equal to rounding. "parallel" is the definition, O(n m); "recurrent" takes one key at a time.

    Returns
    -------
    o : array, shape (..., n, e), result dtype of the inputs

    Raises
    ------
    ValueError
        If shapes disagree, `scale` is not positive, both `omega` and `rng` are given, or an option is unknown.
    TypeError
        If inputs are not floating arrays of one library.

    Notes
    -----
    The estimate is of use while ``scale |q|^2`` and ``scale |k|^2`` are moderate: its relative variance grows as their
    exponential. Far beyond, all estimated weights of a row may vanish, and the row is then zero.

    The usual stabilizer subtracts a maximum over all keys, which lets a causal output see the future; here log scales
    are kept per key and only their maximum over the keys seen is subtracted. float16 and bfloat16 inputs are computed
    in float32.

    References
    ----------
    Choromanski et al., "Rethinking Attention with Performers", 2021, section 2, Lemma 1.
    arXiv:2009.14794
    """
    refuse(performer_attention, mask=mask)
    xp, size = check(INPUTS, q=q, k=k, v=v, omega=omega, rank=rank)
    phi = choose(FEATURES, features=features)
    scale = scale_of(scale, size["d"]) if scale is None else positive(scale=scale)
    given = (q, k, v) if omega is None else (q, k, v, omega)
    dtype, (q, k, v, *drawn) = working_precision(*given, xp=xp)
    if omega is not None and rng is not None:
        raise ValueError("rng must be None where omega is given: nothing is left to draw")
    if omega is None:
        directions = orthogonal_gaussian(size.get("r", _default_rank(size["d"])), size["d"], rng=rng)
        drawn = [xp.asarray(directions, dtype=q.dtype, device=q.device)]
    (omega,) = drawn
    f, _ = phi(q * scale**0.5, omega, xp=xp)  # (..., n, r); its log scale cancels in the quotient
    g, log_scale = phi(k * scale**0.5, omega, xp=xp)  # (..., m, r), (..., m, 1)
    o = kernel_attend(f, g, v, log_scale=log_scale, causal=flag(causal=causal), form=form, xp=xp)
    return xp.astype(o, dtype, copy=False)


def _default_rank(d: int) -> int:
    return max(1, math.ceil(d * math.log(max(d, 1))))
