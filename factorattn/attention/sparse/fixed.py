"""Fixed attention (Child et al. 2019, Sparse Transformer): the own block, and the last c positions of every block.

    A1_i = {j <= i : floor(j / l) = floor(i / l)},   A2_i = {j <= i : j mod l >= l - c}
    o_i = sum_{j in A1_i or A2_i} p_ij v_j,   p_ij = softmax over those j of scale q_i . k_j

The last positions of a block summarize it for all later ones: any earlier position is two steps away.
"""

from typing import Any

from factorattn.attention.exact.options import check_pairs, scale_of
from factorattn.attention.sparse.engine import attend_blocks, attend_tiles, cut, joined, merge, of_keys
from factorattn.attention.sparse.gather import by_tiles, definition, positions
from factorattn.catalogue import mechanism
from factorattn.contract import check, choose, working_precision
from factorattn.pattern import at_least, fixed

__all__ = ["fixed_attention"]

INPUTS = "q: ... n d, k: ... n d, v: ... n e, stride = w"


@mechanism(
    inputs=INPUTS,
    forms=("dense", "blocked"),
    time="n*w*d + n*w*e + n**2*d/w + n**2*e/w",
    memory="n*e",
    causal="always",
    normalised=True,
    positional=True,
    mask_shape="n n",
    paper="child2019",
)
def fixed_attention(
    q: Any,
    k: Any,
    v: Any,
    *,
    stride: int = 128,
    summary: int = 8,
    part: str = "merged",
    scale: float | None = None,
    mask: Any | None = None,
    form: str = "blocked",
) -> Any:
    """Attend to the own block and to the last positions of each block; always causal.

    Parameters
    ----------
    q, k : array, shape (..., n, d)
    v : array, shape (..., n, e)
        Queries, keys and values of one sequence; batch axes broadcast.
    stride : int
        Length of a block, the l of the paper (128 or 256 there).
    summary : int
        The c of the paper (8, 16 or 32 there): how many last positions of a block all later positions see.
    part : {"merged", "local", "summary"}
        The set of a head: "local" is A1, "summary" is A2, "merged" both in one softmax. The paper alternates A1 and A2
        between layers, gives them to different heads (call such heads apart), or merges them.
    scale : float, optional
        Factor of q . k; by default 1 / sqrt(d).
    mask : boolean array broadcasting to (..., n, n), optional
        True where query i may attend to key j, besides. One that tells keys only, (..., 1, n), costs nothing; for any
        other, pairs are gathered tile by tile, as in `pattern_attention`.
    form : {"blocked", "dense"}
        Equal to rounding. "dense" is the definition, O(n^2).

    Returns
    -------
    o : array, shape (..., n, e), result dtype of the inputs
        Zeros in rows that have no key: with ``part="summary"``, those before the first summary.

    Raises
    ------
    ValueError
        If shapes disagree, or an option is none that there is.
    TypeError
        If inputs are not floating arrays of one library.

    Notes
    -----
    The cost of the summaries is n^2 c / l. (The paper found it better to let the heads of a layer take distinct
    sub-blocks of length c; here all take the last one.) float16 and bfloat16 inputs are computed in float32.

    References
    ----------
    Child, Gray, Radford and Sutskever, "Generating Long Sequences with Sparse Transformers", 2019, "two-dimensional
    factorized attention". arXiv:1904.10509
    """
    xp, size = check(INPUTS, q=q, k=k, v=v, stride=stride)
    attend = choose(FORMS, form=form)
    parts = choose(PARTS, part=part)
    dtype, (q, k, v) = working_precision(q, k, v, xp=xp)
    mask, _ = check_pairs(mask, None, q, k, v, xp=xp)
    options = {"stride": size["w"], "summary": at_least("summary", summary, 1), "parts": parts}
    o = attend(q, k, v, **options, scale=scale_of(scale, size["d"]), mask=mask, xp=xp)
    return xp.astype(o, dtype, copy=False)


def _dense(q, k, v, *, stride, summary, parts, scale, mask, xp):
    """The definition: every pair, and a mask."""
    i, j = positions(q.shape[-2], like=q, xp=xp)
    sets = {"local": j // stride == i // stride, "summary": j % stride >= stride - summary}
    seen = sets["local"] | sets["summary"] if len(parts) > 1 else sets[parts[0]]
    return definition(q, k, v, seen & (j <= i), scale=scale, mask=mask, xp=xp)[0]


def _blocked(q, k, v, *, stride, summary, parts, scale, mask, xp):
    """A1 by blocks; A2 over the summaries alone, put one after the other, where it leaves out what A1 has."""
    n = q.shape[-2]
    if not of_keys(mask):
        pairs = fixed(n, stride, summary, part=parts[0] if len(parts) == 1 else "merged")
        return by_tiles(q, k, v, pairs, scale=scale, mask=mask, xp=xp)[0]
    block, summary = min(stride, max(n, 1)), min(summary, stride)
    first = min(stride - summary, block)
    width = block - first  # of the summary of a block; one block that is shorter than `stride` may have none

    def last(x):  # (..., n/l c, d)
        blocks = cut(x, block, xp=xp)[..., first:, :]
        return joined(blocks, blocks.shape[-3] * width, xp=xp)

    def earlier(i, j):  # j counts positions of summaries
        if len(parts) > 1:
            return j // max(width, 1) < i // block
        return j // max(width, 1) * block + first + j % max(width, 1) <= i

    found = []
    if "local" in parts:
        near = attend_blocks(q, k, v, block=block, left=0, right=0, band=(None, 0), scale=scale, mask=mask, xp=xp)
        found.append(near)
    if "summary" in parts:
        shown = None if mask is None else last(xp.broadcast_to(mask, (*mask.shape[:-1], n)).mT).mT
        found.append(attend_tiles(q, last(k), last(v), earlier, scale=scale, mask=shown, xp=xp))
    return merge(found, xp=xp) if len(found) > 1 else found[0][0]


PARTS = {"merged": ("local", "summary"), "local": ("local",), "summary": ("summary",)}
FORMS = {"dense": _dense, "blocked": _blocked}
