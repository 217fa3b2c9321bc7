"""cosFormer (Qin et al. 2022): features max(x, 0), and weights that fall off as a cosine of the distance.

    o_i = sum_j s_ij v_j / sum_j s_ij,   s_ij = (max(q_i, 0) . max(k_j, 0)) cos(pi/2 (p_i - j) / M),   p_i = i + m - n

The cosine of a difference splits: cos(a - b) = cos a cos b + sin a sin b. So s_ij is an inner product of features of
twice the size, and attention linear in the length.
"""

import math
from typing import Any

from factorattn.attention.kernel.engine import kernel_attend
from factorattn.attention.kernel.keys import check_keys
from factorattn.catalogue import mechanism
from factorattn.contract import check, working_precision
from factorattn.scalars import flag, whole

__all__ = ["cosformer_attention"]

INPUTS = "q: ... n d, k: ... m d, v: ... m e"


@mechanism(
    inputs=INPUTS,
    forms=("parallel", "chunked", "recurrent"),
    time="n*d*e + m*d*e",
    memory="n*d + m*d + n*e",
    causal="values",
    normalised=False,
    positional=True,
    mask_shape="1 m",
    paper="qin2022",
)
def cosformer_attention(
    q: Any,
    k: Any,
    v: Any,
    *,
    length: int | None = None,
    mask: Any | None = None,
    causal: bool = False,
    form: str = "chunked",
) -> Any:
    """Attend with rectified features, near keys more than far ones, in time linear in the length.

    Parameters
    ----------
    q : array, shape (..., n, d)
    k : array, shape (..., m, d)
    v : array, shape (..., m, e)
        Queries, keys and values; batch axes broadcast.
    length : int, optional
        The length M at whose distance the weights vanish; max(n, m) or more, which it is by default. A stream needs one
        number throughout: give the length that the model was made for.
    mask : boolean array broadcasting to (..., 1, m), optional
        False where key j is hidden, as padding is: sums over keys are shared, so from all queries or from none.
    causal : bool
        Query i sees keys ``j <= i + m - n`` only. By default M still depends on how many positions there are; with
        `length` the future makes no difference at all.
    form : {"chunked", "parallel", "recurrent"}
        Equal to rounding. "parallel" is the definition, O(n m); "recurrent" takes one key at a time.

    Returns
    -------
    o : array, shape (..., n, e), result dtype of the inputs
        Zeros in rows that weigh no key: those that see none, and those with no positive entry where a key has one.

    Raises
    ------
    ValueError
        If shapes disagree, `length` is too short, `mask` tells queries apart, or `form` is unknown.
    TypeError
        If inputs are not floating arrays of one library, or `mask` is not boolean.

    Notes
    -----
    There is no scale; the paper has none. The authors' code counts queries and keys each from its own start; here the
    last query stands beside the last key, which is the same where n = m. It also keeps denominators above 1e-6; here
    only those of zero are set apart. float16 and bfloat16 inputs are computed in float32.

    References
    ----------
    Qin et al., "cosFormer: Rethinking Softmax in Attention", 2022. arXiv:2202.08791
    """
    xp, size = check(INPUTS, q=q, k=k, v=v)
    dtype, (q, k, v) = working_precision(q, k, v, xp=xp)
    longest = max(size["n"], size["m"], 1)
    if length is None:
        length = longest
    elif whole(length=length) < longest:
        raise ValueError(f"length must be at least that of queries and keys, {longest}, got {length}")
    shown = check_keys(mask, q, k, v, xp=xp)
    o = kernel_attend(
        _features(q, size["m"] - size["n"], length, xp=xp),
        _features(k, 0, length, xp=xp),
        v,
        log_scale=None,
        causal=flag(causal=causal),
        form=form,
        shown=shown,
        xp=xp,
    )
    return xp.astype(o, dtype, copy=False)


def _features(x, first, length, *, xp):
    """max(x, 0) times cosine and sine of the positions, which begin at `first`: (..., n, 2 d)."""
    positions = xp.arange(first, first + x.shape[-2], dtype=x.dtype, device=x.device)[:, None]  # (n, 1)
    angle = positions * (math.pi / 2 / length)
    x = xp.maximum(x, xp.zeros_like(x))
    return xp.concat([x * xp.cos(angle), x * xp.sin(angle)], axis=-1)
