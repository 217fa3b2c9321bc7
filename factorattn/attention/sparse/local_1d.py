"""Local 1-D attention (Parmar et al. 2018, Image Transformer): blocks of queries, each with a memory around it.

    B = b floor(i / b),   M_i = {j : B - l_m <= j <= i}  (causal),   {j : B - l_m <= j < B + b + l_m}  (otherwise)
    o_i = sum_{j in M_i} p_ij v_j,   p_ij = softmax over those j of scale q_i . k_j

All queries of a block share their memory, so that each block is one product of matrices.
"""

from typing import Any

from factorattn.attention.exact.options import check_pairs, scale_of
from factorattn.attention.sparse.engine import attend_blocks
from factorattn.attention.sparse.gather import definition, positions
from factorattn.catalogue import mechanism
from factorattn.contract import check, choose, working_precision
from factorattn.pattern import at_least
from factorattn.scalars import flag

__all__ = ["local_1d_attention"]

INPUTS = "q: ... n d, k: ... n d, v: ... n e, block = b"


@mechanism(
    inputs=INPUTS,
    forms=("dense", "blocked"),
    time="n*b*d + n*b*e",
    memory="n*e",
    causal="option",
    normalised=True,
    positional=True,
    mask_shape="n n",
    paper="parmar2018",
    approximates="softmax_attention",
    knob="b",
)
def local_1d_attention(
    q: Any,
    k: Any,
    v: Any,
    *,
    block: int = 256,
    memory: int | None = None,
    causal: bool = False,
    scale: float | None = None,
    mask: Any | None = None,
    form: str = "blocked",
) -> Any:
    """Attend to the own block and to a memory beside it.

    Parameters
    ----------
    q, k : array, shape (..., n, d)
    v : array, shape (..., n, e)
        Queries, keys and values of one sequence; batch axes broadcast. The paper flattens an image row by row.
    block : int
        Length of a query block, the l_q of the paper. Blocks do not overlap; the last one may be shorter.
    memory : int, optional
        The l_m of the paper: how many positions before a block belong to its memory, too; and, unless `causal`, how
        many after it. By default `block`.
    causal : bool
        The mechanism of the paper, which generates: query i sees no key after itself.
    scale : float, optional
        Factor of q . k; by default 1 / sqrt(d).
    mask : boolean array broadcasting to (..., n, n), optional
        True where query i may attend to key j, besides.
    form : {"blocked", "dense"}
        Equal to rounding. "dense" is the definition, O(n^2).

    Returns
    -------
    o : array, shape (..., n, e), result dtype of the inputs

    Raises
    ------
    ValueError
        If shapes disagree, or an option is none that there is.
    TypeError
        If inputs are not floating arrays of one library.

    Notes
    -----
    The paper defines the causal case; a memory to both sides is that of the authors' code (tensor2tensor,
    ``local_attention_1d``). The declared cost is that of the default memory; in general it is n (b + l_m) (d + e), with
    2 l_m unless causal. float16 and bfloat16 inputs are computed in float32.

    References
    ----------
    Parmar et al., "Image Transformer", 2018, "local self-attention". arXiv:1802.05751
    """
    xp, size = check(INPUTS, q=q, k=k, v=v, block=block)
    attend = choose(FORMS, form=form)
    dtype, (q, k, v) = working_precision(q, k, v, xp=xp)
    mask, _ = check_pairs(mask, None, q, k, v, xp=xp)
    memory = size["b"] if memory is None else at_least("memory", memory, 0)
    options = {"block": size["b"], "memory": memory, "causal": flag(causal=causal)}
    o, _ = attend(q, k, v, **options, scale=scale_of(scale, size["d"]), mask=mask, xp=xp)
    return xp.astype(o, dtype, copy=False)


def _dense(q, k, v, *, block, memory, causal, scale, mask, xp):
    """The definition: every pair, and a mask."""
    i, j = positions(q.shape[-2], like=q, xp=xp)
    begin = i // block * block  # of the block of query i
    seen = (j >= begin - memory) & (j <= i if causal else j < begin + block + memory)  # (n, n)
    return definition(q, k, v, seen, scale=scale, mask=mask, xp=xp)


def _blocked(q, k, v, *, block, memory, causal, scale, mask, xp):
    n = q.shape[-2]
    block, memory = min(block, max(n, 1)), min(memory, n)
    sides = {"left": memory, "right": 0 if causal else memory, "band": (None, 0 if causal else None)}
    return attend_blocks(q, k, v, block=block, **sides, scale=scale, mask=mask, xp=xp)


FORMS = {"dense": _dense, "blocked": _blocked}
