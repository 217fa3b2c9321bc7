"""Strided attention (Child et al. 2019, Sparse Transformer): the last l keys, and every l-th key before.

    A1_i = {j : i - l <= j <= i},   A2_i = {j <= i : (i - j) mod l = 0}
    o_i = sum_{j in A1_i or A2_i} p_ij v_j,   p_ij = softmax over those j of scale q_i . k_j

Near l = sqrt(n) a query has about 2 sqrt(n) keys, and any earlier position is two steps away.
"""

from typing import Any

from factorattn.attention.exact.options import check_pairs, scale_of
from factorattn.attention.sparse.engine import attend_classes, attend_neighbours, attend_tiles, merge, of_keys
from factorattn.attention.sparse.gather import by_rows, definition, positions
from factorattn.catalogue import mechanism
from factorattn.contract import check, choose, working_precision
from factorattn.pattern import strided

__all__ = ["strided_attention"]

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
def strided_attention(
    q: Any,
    k: Any,
    v: Any,
    *,
    stride: int = 128,
    part: str = "merged",
    scale: float | None = None,
    mask: Any | None = None,
    form: str = "blocked",
) -> Any:
    """Attend to the last `stride` positions and to every `stride`-th one before; always causal.

    Parameters
    ----------
    q, k : array, shape (..., n, d)
    v : array, shape (..., n, e)
        Queries, keys and values of one sequence; batch axes broadcast.
    stride : int
        The l of the paper, best near sqrt(n), or the length of a row of an image.
    part : {"merged", "local", "strided"}
        The set of a head: "local" is A1, "strided" is A2, "merged" both in one softmax. The paper alternates A1 and A2
        between layers, gives them to different heads (call such heads apart), or merges them.
    scale : float, optional
        Factor of q . k; by default 1 / sqrt(d).
    mask : boolean array broadcasting to (..., n, n), optional
        True where query i may attend to key j, besides. One that tells keys only, (..., 1, n), costs nothing; for any
        other, pairs are gathered row by row, as in `pattern_attention`.
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
    As the paper defines it, A1 holds l + 1 keys, and i and i - l are in both sets; merged, they count once. The
    authors' code (openai/sparse_attention) has l keys in A1. float16 and bfloat16 inputs are computed in float32.

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
    o = attend(q, k, v, stride=size["w"], parts=parts, scale=scale_of(scale, size["d"]), mask=mask, xp=xp)
    return xp.astype(o, dtype, copy=False)


def _dense(q, k, v, *, stride, parts, scale, mask, xp):
    """The definition: every pair, and a mask."""
    i, j = positions(q.shape[-2], like=q, xp=xp)
    sets = {"local": i - j <= stride, "strided": (i - j) % stride == 0}
    seen = sets["local"] | sets["strided"] if len(parts) > 1 else sets[parts[0]]
    return definition(q, k, v, seen & (j <= i), scale=scale, mask=mask, xp=xp)[0]


def _blocked(q, k, v, *, stride, parts, scale, mask, xp):
    """A1 by blocks; A2 as causal attention in each class of positions modulo l, where it leaves out what A1 has."""
    if not of_keys(mask):
        pairs = strided(q.shape[-2], stride, part=parts[0] if len(parts) == 1 else "merged")
        return by_rows(q, k, v, pairs, scale=scale, mask=mask, xp=xp)[0]
    back = 2 if len(parts) > 1 else 0  # A1 has i and i - l

    def attend_far(q, k, v, shown):  # (..., 1, n/l, d); what fills up a class comes last, and is seen by no query
        shown = None if mask is None else shown
        return attend_tiles(q, k, v, lambda i, j: j <= i - back, scale=scale, mask=shown, xp=xp)

    found = []
    if "local" in parts:
        found.append(attend_neighbours(q, k, v, window=stride, causal=True, scale=scale, mask=mask, xp=xp))
    if "strided" in parts:
        found.append(attend_classes(attend_far, q, k, v, step=stride, mask=mask, xp=xp))
    return merge(found, xp=xp) if len(found) > 1 else found[0][0]


PARTS = {"merged": ("local", "strided"), "local": ("local",), "strided": ("strided",)}
FORMS = {"dense": _dense, "blocked": _blocked}
