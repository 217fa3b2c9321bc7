"""Performer (Choromanski et al. 2021): softmax attention in which exp(q . k) is estimated by random features (FAVOR+).

    exp(scale q_i . k_j) ~ phi(x_i) . phi(y_j),   x = sqrt(scale) q,   y = sqrt(scale) k

with the random features phi of `factorattn.factor.features`, or with those of `factorattn.factor.generalized`, which
make kernels of their own.

The estimate of each weight is unbiased; the quotient of two estimates is not, and its error falls as 1 / sqrt(r).
"""

from functools import partial
from typing import Any

from factorattn.attention.exact.options import scale_of
from factorattn.attention.kernel.draw import directions_of
from factorattn.attention.kernel.engine import kernel_attend
from factorattn.attention.kernel.keys import check_keys
from factorattn.catalogue import mechanism
from factorattn.contract import check, choose, working_precision
from factorattn.factor.features import FEATURES
from factorattn.factor.generalized import GENERALIZED, generalized_features
from factorattn.scalars import flag, positive, real

__all__ = ["performer_attention"]

INPUTS = "q: ... n d, k: ... m d, v: ... m e, omega?: ... r d, rank? = r"
EPSILON = 1e-3


@mechanism(
    inputs=INPUTS,
    forms=("parallel", "chunked", "recurrent"),
    time="n*r*d + m*r*d + n*r*e + m*r*e",
    memory="n*d + m*d + n*r + m*r + n*e",
    causal="option",
    normalised=True,
    mask_shape="1 m",
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
    directions: str | None = None,
    length: str | None = None,
    features: str = "positive",
    epsilon: float | None = None,
    mask: Any | None = None,
    causal: bool = False,
    scale: float | None = None,
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
        Directions omega_1 ... omega_r, each row standard normal. Drawn if left out.
    rank : int, optional
        Number r of directions. By default that of `omega`, or ceil(d log d), the paper's order of magnitude.
    rng : int, numpy.random.Generator or None
        Source of randomness where `omega` is left out (SPEC 7).
    directions : {"orthogonal", "iid", "hadamard"}, optional
        How `omega` is drawn where it is left out: orthogonal within blocks of d (the default), independent, or from
        products of Hadamard matrices and signs. See `factorattn.factor`.
    length : {"normal", "constant"}, optional
        Length of the directions drawn: that of normal vectors (the default), or sqrt(d), for the paper's regularized
        softmax kernel.
    features : {"positive", "trigonometric", "hyperbolic"} or a generalized one
        "positive" gives weights > 0, accurate where weights are small; "hyperbolic" (2 r features) is its mean over
        omega and -omega; "trigonometric" (2 r features) may give denominators near or below zero.

        "relu", "exp", "sigmoid", "abs", "cos", "tanh" and "identity" are functions f of generalized attention, with
        features f(omega . x) + epsilon. They estimate no softmax. ("exp" is not "positive": it lacks the norm of x.)
        Weights of the last three may be negative.
    epsilon : float, optional, only with generalized features
        By default 0.001, as in the authors' code.
    mask : boolean array broadcasting to (..., 1, m), optional
        False where key j is hidden, as padding is: sums over keys are shared, so from all queries or from none.
    causal : bool
        Query i sees keys ``j <= i + m - n`` only; a query that sees none gives zeros.
    scale : float, optional
        Positive factor of q . k; by default 1 / sqrt(d).
    form : {"chunked", "parallel", "recurrent"}
        Equal to rounding. "parallel" is the definition, O(n m); "recurrent" takes one key at a time.

    Returns
    -------
    o : array, shape (..., n, e), result dtype of the inputs

    Raises
    ------
    ValueError
        If shapes disagree, `scale` is not positive, `omega` is given with an option for drawing it, `epsilon` with
        features that have none, `mask` tells queries apart, or an option is unknown.
    TypeError
        If inputs are not floating arrays of one library, or `mask` is not boolean.

    Notes
    -----
    The estimate is of use while ``scale |q|^2`` and ``scale |k|^2`` are moderate: its relative variance grows as their
    exponential. Far beyond, features of a query and of all keys it sees may be large in different places only, by more
    than the range of numbers: all estimated weights of a row vanish, and the row is then zero.

    The usual stabilizer subtracts a maximum over all keys, which lets a causal output see the future; here log scales
    are kept per key and only their maximum over the keys seen is subtracted. The authors' code also adds a small number
    to each softmax feature, which biases the estimate; nothing is added here. Its generalized attention does not scale
    the inputs unless asked; ``scale=1`` is that. float16 and bfloat16 inputs are computed in float32.

    References
    ----------
    Choromanski et al., "Rethinking Attention with Performers", 2021, section 2, Lemma 1.
    arXiv:2009.14794
    """
    xp, size = check(INPUTS, q=q, k=k, v=v, omega=omega, rank=rank)
    phi = _features(features, epsilon)
    scale = scale_of(scale, size["d"]) if scale is None else positive(scale=scale)
    given = (q, k, v) if omega is None else (q, k, v, omega)
    dtype, (q, k, v, *drawn) = working_precision(*given, xp=xp)
    omega = directions_of(drawn, size, q, rng=rng, directions=directions, length=length, usual="orthogonal", xp=xp)
    shown = check_keys(mask, q, k, v, xp=xp)
    f, _ = phi(q * scale**0.5, omega, xp=xp)  # (..., n, r or 2 r); its log scale cancels in the quotient
    g, log_scale = phi(k * scale**0.5, omega, xp=xp)  # (..., m, r or 2 r), (..., m, 1)
    o = kernel_attend(f, g, v, log_scale=log_scale, causal=flag(causal=causal), form=form, shown=shown, xp=xp)
    return xp.astype(o, dtype, copy=False)


def _features(features, epsilon):
    """The feature map that a name stands for."""
    choose({**FEATURES, **dict.fromkeys(GENERALIZED)}, features=features)
    if features in FEATURES:
        if epsilon is not None:
            raise ValueError(f"epsilon belongs to generalized features, and {features!r} are none; leave it out")
        return FEATURES[features]
    return partial(generalized_features, f=features, epsilon=EPSILON if epsilon is None else real(epsilon=epsilon))
