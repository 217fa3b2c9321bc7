"""Axial attention (Ho et al. 2019): attention along one axis of a grid, as if each row (or column) were a sequence.

    row:     o_rc = sum_c' p_rcc' v_rc',   p_rcc' = softmax over c' of scale q_rc . k_rc'
    column:  o_rc = sum_r' p_rcr' v_r'c,   p_rcr' = softmax over r' of scale q_rc . k_r'c

A row and a column after one another let every position see all of the grid.
"""

from typing import Any

from factorattn.attention.exact.options import check_pairs, scale_of
from factorattn.attention.sparse.engine import swapped
from factorattn.attention.sparse.gather import definition
from factorattn.catalogue import mechanism
from factorattn.contract import check, choose, working_precision
from factorattn.primitives.softmax_attend import softmax_attend
from factorattn.primitives.tiles import scan_tiles
from factorattn.scalars import flag

__all__ = ["axial_attention"]

INPUTS = "q: ... x y d, k: ... x y d, v: ... x y e"
LINES = 4  # enough to be fast, few enough to stay in a cache


@mechanism(
    inputs=INPUTS,
    output="x y e",
    forms=("dense", "lines"),
    time="x*y**2*d + x*y**2*e",
    memory="x*y*e",
    causal="option",
    normalised=True,
    positional=True,
    mask_shape="x y y",
    paper="ho2019",
)
def axial_attention(
    q: Any,
    k: Any,
    v: Any,
    *,
    axis: str = "row",
    causal: bool = False,
    scale: float | None = None,
    mask: Any | None = None,
    form: str = "lines",
) -> Any:
    """Attend to the own row, or to the own column, of a grid.

    Parameters
    ----------
    q, k : array, shape (..., x, y, d)
    v : array, shape (..., x, y, e)
        Queries, keys and values on a grid of x rows and y columns; batch axes broadcast. In grids of more axes, the
        others are batch axes.
    axis : {"row", "column"}
        "row" mixes the y positions of each row, "column" the x positions of each column.
    causal : bool
        A query sees no key to its right (row), or below itself (column).
    scale : float, optional
        Factor of q . k; by default 1 / sqrt(d).
    mask : boolean array broadcasting to (..., x, y, y) for rows, (..., y, x, x) for columns, optional
        True where, in each line, position i may attend to position j.
    form : {"lines", "dense"}
        Equal to rounding. "dense" is attention over all x y positions with a mask, O(x^2 y^2).

    Returns
    -------
    o : array, shape (..., x, y, e), result dtype of the inputs
        Zeros in rows that have no key.

    Raises
    ------
    ValueError
        If shapes disagree, or an option is none that there is.
    TypeError
        If inputs are not floating arrays of one library.

    Notes
    -----
    The declared cost is that of rows; columns cost x^2 y. One layer of each, over n = x y positions, costs n (x + y)
    instead of n^2. The paper's shifts, which keep a decoder from seeing its own output, are left to the caller. float16
    and bfloat16 inputs are computed in float32.

    References
    ----------
    Ho, Kalchbrenner, Weissenborn and Salimans, "Axial Attention in Multidimensional Transformers", 2019, "axial
    attention". arXiv:1912.12180
    """
    xp, size = check(INPUTS, q=q, k=k, v=v)
    attend = choose(FORMS, form=form)
    by_column = choose({"row": False, "column": True}, axis=axis)
    dtype, (q, k, v) = working_precision(q, k, v, xp=xp)
    if by_column:
        q, k, v = (_turned(a, xp=xp) for a in (q, k, v))  # (..., y, x, d)
    mask, _ = check_pairs(mask, None, q, k, v, xp=xp)
    o = attend(q, k, v, causal=flag(causal=causal), scale=scale_of(scale, size["d"]), mask=mask, xp=xp)
    return xp.astype(_turned(o, xp=xp) if by_column else o, dtype, copy=False)


def _turned(a, *, xp):
    """Rows and columns exchanged."""
    return swapped(a, xp=xp)


def _dense(q, k, v, *, causal, scale, mask, xp):
    """The definition: every pair of the grid, and a mask."""
    x, y = q.shape[-3:-1]
    i = xp.arange(x * y, dtype=xp.int64, device=q.device)
    row, place = i // max(y, 1), i % max(y, 1)
    seen = row[:, None] == row[None, :]  # (x y, x y)
    if causal:
        seen = seen & (place[None, :] <= place[:, None])
    if mask is not None:  # of all lines, the blocks on the diagonal of a mask of the grid
        mask = xp.broadcast_to(mask, (*mask.shape[: max(mask.ndim - 3, 0)], x, y, y))
        grid = xp.broadcast_to(mask[..., None, :], (*mask.shape[:-1], x, y))  # (..., x, y, x, y)
        mask = xp.reshape(grid, (*mask.shape[:-3], x * y, x * y))
    q, k, v = (xp.reshape(a, (*a.shape[:-3], x * y, a.shape[-1])) for a in (q, k, v))
    o, _ = definition(q, k, v, seen, scale=scale, mask=mask, xp=xp)
    return xp.reshape(o, (*o.shape[:-2], x, y, o.shape[-1]))


def _lines(q, k, v, *, causal, scale, mask, xp):
    """The other axis is a batch axis, of which LINES are computed together."""
    if not q.shape[-3]:
        return _dense(q, k, v, causal=causal, scale=scale, mask=mask, xp=xp)

    def attend(_, lines):
        own = mask if mask is None or mask.ndim < 3 or mask.shape[-3] == 1 else mask[..., lines, :, :]
        parts = (a[..., lines, :, :] for a in (q, k, v))
        return None, softmax_attend(*parts, scale=scale, mask=own, band=(None, 0 if causal else None))[0]

    return scan_tiles(attend, None, 0, q.shape[-3], LINES, xp=xp, axis=-3)[1]


FORMS = {"dense": _dense, "lines": _lines}
