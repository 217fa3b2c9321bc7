"""Random feature attention (Peng et al. 2021): a kernel of unit vectors, estimated by sines and cosines; with a gate.

    phi(x) = (sin(w_1 . x), ..., sin(w_r . x), cos(w_1 . x), ..., cos(w_r . x)),   w = sigma * omega,   x of length one
    o_i = phi(q_i) S_i / phi(q_i) . z_i,   S_i = sum_j phi(k_j) v_j^T,   z_i = sum_j phi(k_j)

    gated: S_j = g_j S_(j-1) + (1 - g_j) phi(k_j) v_j^T,   z_j = g_j z_(j-1) + (1 - g_j) phi(k_j)

phi(x) . phi(y) / r estimates exp(-|sigma (x - y)|^2 / 2), which for vectors of length one and a number sigma is
exp(sigma^2 x . y) up to a factor that cancels: softmax attention at temperature 1 / sigma^2.
"""

from typing import Any

from factorattn.attention.kernel.draw import directions_of
from factorattn.attention.kernel.engine import kernel_attend
from factorattn.attention.kernel.gated import gated_attend
from factorattn.attention.kernel.keys import check_keys
from factorattn.catalogue import mechanism
from factorattn.contract import check, choose, working_precision
from factorattn.factor.features import trigonometric_features
from factorattn.factor.generalized import generalized_features
from factorattn.primitives.elementwise import unit_rows
from factorattn.scalars import flag

__all__ = ["random_feature_attention"]

INPUTS = "q: ... n d, k: ... m d, v: ... m e, omega?: ... r d, sigma?: ... d, gate?: ... m, rank? = r"


@mechanism(
    inputs=INPUTS,
    forms=("parallel", "chunked", "recurrent"),
    time="n*r*d + m*r*d + n*r*e + m*r*e",
    memory="n*d + m*d + n*r + m*r + n*e",
    causal="option",
    normalised=True,
    positional=True,
    mask_shape="1 m",
    paper="peng2021",
)
def random_feature_attention(
    q: Any,
    k: Any,
    v: Any,
    omega: Any | None = None,
    sigma: Any | None = None,
    gate: Any | None = None,
    *,
    rank: int | None = None,
    rng: Any = None,
    directions: str | None = None,
    length: str | None = None,
    features: str = "gaussian",
    mask: Any | None = None,
    causal: bool = False,
    form: str = "chunked",
) -> Any:
    """Attend with random features of queries and keys of length one, if asked with a gate that lets the past fade.

    Parameters
    ----------
    q : array, shape (..., n, d)
    k : array, shape (..., m, d)
        Queries and keys; scaled to length one here. A vector of zeros stays.
    v : array, shape (..., m, e)
        Values; batch axes broadcast.
    omega : array, shape (..., r, d), optional
        Directions, each row standard normal. Drawn if left out.
    sigma : array, shape (..., d), optional
        Factors of the entries of `omega`, which the paper learns. One if left out.
    gate : array, shape (..., m), optional
        Logits of the gates (RFA-Gate), ``g_j = sigmoid(gate_j)``; in the paper w_g . x_j + b_g. Near one, the past
        stays; near zero, the newest key replaces it. Without, nothing fades.
    rank : int, optional
        Number r of directions. By default that of `omega`, or ceil(d log d).
    rng : int, numpy.random.Generator or None
        Source of randomness where `omega` is left out (SPEC 7).
    directions : {"iid", "orthogonal", "hadamard"}, optional
        How `omega` is drawn where it is left out: independent, as in the paper, by default.
    length : {"normal", "constant"}, optional
        Length of the directions drawn; "normal" by default.
    features : {"gaussian", "arccos"}
        "gaussian" are the sines and cosines (2 r features); "arccos" is max(w . x, 0), for the arc-cosine kernel of
        order one. That is another kernel, no estimate of the softmax.
    mask : boolean array broadcasting to (..., 1, m), optional
        False where key j is hidden, as padding is: sums over keys are shared, so from all queries or from none. A
        hidden key lets nothing fade.
    causal : bool
        Query i sees keys ``j <= i + m - n`` only; a query that sees none gives zeros. With a gate and not causal, all
        queries read the state after the last key.
    form : {"chunked", "parallel", "recurrent"}
        Equal to rounding. "parallel" is the definition, O(n m); "recurrent" takes one key at a time.

    Returns
    -------
    o : array, shape (..., n, e), result dtype of the inputs

    Raises
    ------
    ValueError
        If shapes disagree, `omega` is given with an option for drawing it, `mask` tells queries apart, or an option is
        unknown.
    TypeError
        If inputs are not floating arrays of one library, or `mask` is not boolean.

    Notes
    -----
    Estimated weights may be negative, and a denominator near zero; outputs are then large. The paper's Theorem 1 draws
    w from N(0, sigma^2 I) for the kernel ``exp(-|x - y|^2 / (2 sigma^2))``; that kernel belongs to N(0, I / sigma^2).
    Here sigma multiplies the directions, as in the authors' code, which also adds small numbers to lengths and
    denominators; nothing is added here. float16 and bfloat16 inputs are computed in float32.

    References
    ----------
    Peng et al., "Random Feature Attention", 2021. arXiv:2103.02143
    """
    xp, size = check(INPUTS, q=q, k=k, v=v, omega=omega, sigma=sigma, gate=gate, rank=rank)
    phi = choose(FEATURES, features=features)
    named = {"q": q, "k": k, "v": v, "omega": omega, "sigma": sigma, "gate": gate}
    given = {name: x for name, x in named.items() if x is not None}
    dtype, arrays = working_precision(*given.values(), xp=xp)
    at = dict(zip(given, arrays, strict=True))
    q, k, v = at["q"], at["k"], at["v"]
    w = directions_of(
        [at["omega"]] if omega is not None else [],
        size,
        q,
        rng=rng,
        directions=directions,
        length=length,
        usual="iid",
        xp=xp,
    )
    if sigma is not None:
        w = w * at["sigma"][..., None, :]  # (..., r, d)
    shown = check_keys(mask, q, k, v, xp=xp)
    f, g = (phi(unit_rows(x, xp=xp), w, xp=xp)[0] for x in (q, k))  # (..., n, 2 r or r), (..., m, 2 r or r)
    common = {"causal": flag(causal=causal), "form": form, "shown": shown, "xp": xp}
    if gate is None:
        o = kernel_attend(f, g, v, log_scale=None, **common)
    else:
        o = gated_attend(f, g, v, gate=at["gate"][..., None], **common)
    return xp.astype(o, dtype, copy=False)


def _arccos(x, w, *, xp):
    """Features of the arc-cosine kernel: max(w . x, 0)."""
    return generalized_features(x, w, "relu", 0.0, xp=xp)


FEATURES = {"gaussian": trigonometric_features, "arccos": _arccos}
