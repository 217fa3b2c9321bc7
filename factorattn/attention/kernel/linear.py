"""Linear attention (Katharopoulos et al. 2020): the feature map elu(x) + 1 in place of the exponential of q . k.

    o_i = phi(q_i) (sum_j phi(k_j) v_j^T) / phi(q_i) . (sum_j phi(k_j))
    phi(x) = elu(x) + 1 = { x + 1 if x > 0;  e^x if x <= 0 }

The features are positive, and so are the weights.
"""

from typing import Any

from factorattn.attention.kernel.engine import kernel_attend
from factorattn.attention.kernel.keys import check_keys
from factorattn.catalogue import mechanism
from factorattn.contract import check, working_precision
from factorattn.primitives.elementwise import elu_plus_one
from factorattn.scalars import flag

__all__ = ["linear_attention"]

INPUTS = "q: ... n d, k: ... m d, v: ... m e"


@mechanism(
    inputs=INPUTS,
    forms=("parallel", "chunked", "recurrent"),
    time="n*d*e + m*d*e",
    memory="n*d + m*d + n*e",
    causal="option",
    normalised=True,
    mask_shape="1 m",
    paper="katharopoulos2020",
)
def linear_attention(
    q: Any, k: Any, v: Any, *, mask: Any | None = None, causal: bool = False, form: str = "chunked"
) -> Any:
    """Attend with inner products of positive features as weights, in time linear in the length.

    Parameters
    ----------
    q : array, shape (..., n, d)
    k : array, shape (..., m, d)
    v : array, shape (..., m, e)
        Queries, keys and values; batch axes broadcast.
    mask : boolean array broadcasting to (..., 1, m), optional
        False where key j is hidden, as padding is: sums over keys are shared, so from all queries or from none.
    causal : bool
        Query i sees keys ``j <= i + m - n`` only; a query that sees none gives zeros.
    form : {"chunked", "parallel", "recurrent"}
        Equal to rounding. "parallel" is the definition, O(n m); "recurrent" takes one key at a time.

    Returns
    -------
    o : array, shape (..., n, e), result dtype of the inputs

    Raises
    ------
    ValueError
        If shapes disagree, `mask` tells queries apart, or `form` is unknown.
    TypeError
        If inputs are not floating arrays of one library, or `mask` is not boolean.

    Notes
    -----
    There is no scale: the paper has none. float16 and bfloat16 inputs are computed in float32.

    References
    ----------
    Katharopoulos et al., "Transformers are RNNs: Fast Autoregressive Transformers with Linear Attention", 2020,
    section 3.
    arXiv:2006.16236
    """
    xp, _ = check(INPUTS, q=q, k=k, v=v)
    dtype, (q, k, v) = working_precision(q, k, v, xp=xp)
    shown = check_keys(mask, q, k, v, xp=xp)
    o = kernel_attend(
        elu_plus_one(q, xp=xp),
        elu_plus_one(k, xp=xp),
        v,
        log_scale=None,
        causal=flag(causal=causal),
        form=form,
        shown=shown,
        xp=xp,
    )
    return xp.astype(o, dtype, copy=False)
