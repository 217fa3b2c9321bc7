"""Local 2-D attention (Parmar et al. 2018, Image Transformer): rectangles of queries, each with a margin around it.

    R_i = rows and columns of the h_q x w_q rectangle of position i,   M_i = R_i and a margin of h_m rows, w_m columns
    o_i = sum_{j in M_i} p_ij v_j,   p_ij = softmax over those j of scale q_i . k_j

All queries of a rectangle share their memory, so that each rectangle is one product of matrices.
"""

from typing import Any

from factorattn.attention.exact.options import check_pairs, scale_of
from factorattn.attention.sparse.engine import rows_of
from factorattn.attention.sparse.gather import by_tiles, definition
from factorattn.catalogue import mechanism
from factorattn.contract import check, choose, working_precision
from factorattn.pattern import local_2d
from factorattn.pattern.options import two
from factorattn.primitives.softmax_attend import softmax_attend
from factorattn.primitives.tiles import scan_tiles
from factorattn.scalars import flag

__all__ = ["local_2d_attention"]

INPUTS = "q: ... x y d, k: ... x y d, v: ... x y e"


@mechanism(
    inputs=INPUTS,
    output="x y e",
    forms=("dense", "blocked"),
    time="x*y*d + x*y*e",
    memory="x*y*e",
    causal="option",
    normalised=True,
    positional=True,
    mask_shape="x*y x*y",
    paper="parmar2018",
)
def local_2d_attention(
    q: Any,
    k: Any,
    v: Any,
    *,
    block: tuple[int, int] = (8, 16),
    memory: tuple[int, int] = (8, 16),
    causal: bool = False,
    scale: float | None = None,
    mask: Any | None = None,
    form: str = "blocked",
) -> Any:
    """Attend to the own rectangle of a grid and to a margin around it.

    Parameters
    ----------
    q, k : array, shape (..., x, y, d)
    v : array, shape (..., x, y, e)
        Queries, keys and values on a grid of x rows and y columns; batch axes broadcast.
    block : (rows, columns)
        The query block h_q x w_q of the paper. Blocks do not overlap; those at the end of the grid may be smaller.
    memory : (rows, columns)
        The h_m and w_m of the paper: how far the memory block extends the query block, to the top, the left and the
        right; and, unless `causal`, to the bottom.
    causal : bool
        The mechanism of the paper, which generates, block by block in raster order and so within each block: a query
        sees no key that is generated after itself.
    scale : float, optional
        Factor of q . k; by default 1 / sqrt(d).
    mask : boolean array broadcasting to (..., x y, x y), optional
        True where position i may attend to position j, besides; row by row, (row, column) is number row y + column. One
        that tells keys only, (..., 1, x y), costs nothing; for any other, pairs are gathered tile by tile.
    form : {"blocked", "dense"}
        Equal to rounding. "dense" is the definition, O(x^2 y^2).

    Returns
    -------
    o : array, shape (..., x, y, e), result dtype of the inputs

    Raises
    ------
    ValueError
        If shapes disagree, or an option is none that there is.
    TypeError
        If inputs are not floating arrays of one library.

    Notes
    -----
    The paper defines the causal case; a margin on all sides is that of the authors' code (tensor2tensor,
    ``local_attention_2d``). The declared cost is that at fixed blocks; in general it is x y (h_q + 2 h_m) (w_q + 2 w_m)
    (d + e), with one h_m if causal. float16 and bfloat16 inputs are computed in float32.

    References
    ----------
    Parmar et al., "Image Transformer", 2018, "local self-attention". arXiv:1802.05751
    """
    xp, size = check(INPUTS, q=q, k=k, v=v)
    attend = choose(FORMS, form=form)
    dtype, (q, k, v) = working_precision(q, k, v, xp=xp)
    x, y = size["x"], size["y"]
    sides = two("block", block, 1), two("memory", memory, 0)
    flat = (_flat(a, xp=xp) for a in (q, k, v))  # (..., x y, d)
    mask, _ = check_pairs(mask, None, *flat, xp=xp)
    scale = scale_of(scale, size["d"])
    o = attend(q, k, v, *sides, causal=flag(causal=causal), scale=scale, mask=mask, xp=xp)
    return xp.astype(xp.reshape(o, (*o.shape[:-2], x, y, o.shape[-1])), dtype, copy=False)


def _flat(a, *, xp):
    return xp.reshape(a, (*a.shape[:-3], a.shape[-3] * a.shape[-2], a.shape[-1]))


def _dense(q, k, v, block, memory, *, causal, scale, mask, xp):
    """The definition: every pair, and a mask."""
    x, y = q.shape[-3:-1]
    (tall, wide), (above, beside) = block, memory
    number = xp.arange(x * y, dtype=xp.int64, device=q.device)
    row, column = number // max(y, 1), number % max(y, 1)
    top, left = row // tall * tall, column // wide * wide  # corner of the rectangle of each position
    below = 0 if causal else above
    seen = (row[None, :] >= (top - above)[:, None]) & (row[None, :] < (top + tall + below)[:, None])
    seen = seen & (column[None, :] >= (left - beside)[:, None]) & (column[None, :] < (left + wide + beside)[:, None])
    if causal:
        rectangle = row // tall * y + left  # rises in the order in which rectangles are generated
        before, same = (f(rectangle[None, :], rectangle[:, None]) for f in (xp.less, xp.equal))
        seen = seen & (before | (same & (number[None, :] <= number[:, None])))
    q, k, v = (_flat(a, xp=xp) for a in (q, k, v))
    return definition(q, k, v, seen, scale=scale, mask=mask, xp=xp)[0]


def _blocked(q, k, v, block, memory, *, causal, scale, mask, xp):
    """All rectangles that lie beside each other at once, from top to bottom."""
    x, y = q.shape[-3:-1]
    if mask is not None and mask.shape[-2] > 1:
        q, k, v = (_flat(a, xp=xp) for a in (q, k, v))
        return by_tiles(q, k, v, local_2d(x, y, block, memory, causal=causal), scale=scale, mask=mask, xp=xp)[0]
    if not x * y:
        return _dense(q, k, v, block, memory, causal=causal, scale=scale, mask=mask, xp=xp)
    (tall, wide), (above, beside) = block, memory
    (tall, above), (wide, beside) = (min(tall, x), min(above, x)), (min(wide, y), min(beside, y))
    height, width = tall + (above if causal else 2 * above), wide + 2 * beside  # of a memory block
    steps = {"dtype": xp.int64, "device": q.device}
    left = xp.arange(0, y, wide, **steps)[:, None]  # (y/w, 1)
    columns = left - beside + xp.arange(width, **steps)  # (y/w, columns of a memory block)
    rows = xp.arange(height, **steps) - above  # counted from the top of the rectangle
    causal_seen = _made_before(rows, columns[0, :], tall, wide, xp=xp) if causal else None
    shown = None if mask is None else xp.broadcast_to(mask[..., 0, :], (*mask.shape[:-2], x * y))
    shown = None if shown is None else xp.reshape(shown, (*shown.shape[:-1], x, y, 1))

    def attend_line(_, line):
        top = line.start * tall

        def rectangles(a, first, stop, columns):  # (..., y/w, rows columns, d)
            *batch, _, _, d = a.shape
            part = rows_of(xp.reshape(a, (*batch, x, y * d)), top + first, top + stop, xp=xp)
            index = xp.clip(columns, 0, y - 1)  # what lies outside is hidden, or dropped
            part = xp.take(xp.reshape(part, (*batch, stop - first, y, d)), xp.reshape(index, (-1,)), axis=-2)
            part = _exchanged(xp.reshape(part, (*batch, stop - first, *index.shape, d)), xp=xp)
            return xp.reshape(part, (*batch, index.shape[0], (stop - first) * index.shape[1], d))

        there = (rows + top >= 0) & (rows + top < x)  # (rows,)
        seen = there[None, :, None] & ((columns >= 0) & (columns < y))[:, None, :]  # (y/w, rows, columns)
        seen = xp.reshape(seen, (seen.shape[0], 1, height * width))
        seen = seen if causal_seen is None else seen & causal_seen
        if shown is not None:
            seen = seen & rectangles(shown, -above, height - above, columns).mT
        queries = rectangles(q, 0, tall, left + xp.arange(wide, **steps))
        keys, values = (rectangles(a, -above, height - above, columns) for a in (k, v))
        o, _ = softmax_attend(queries, keys, values, scale=scale, mask=seen)  # (..., y/w, h_q w_q, e)
        *batch, beside_each_other, _, e = o.shape
        o = _exchanged(xp.reshape(o, (*batch, beside_each_other, tall, wide, e)), xp=xp)
        return None, xp.reshape(o, (*batch, tall, beside_each_other * wide, e))[..., :y, :]

    _, o = scan_tiles(attend_line, None, 0, -(-x // tall), 1, xp=xp, axis=-3)  # (..., x, y, e), and more rows
    return _flat(o[..., :x, :, :], xp=xp)


def _made_before(rows, columns, tall, wide, *, xp):
    """Which of its memory a position of a rectangle sees, (h_q w_q, rows columns): what was made before, and itself."""
    number = rows[:, None] * wide + columns[None, :]  # of keys in the rectangle, row by row
    own = (rows >= 0)[:, None] & (columns >= 0)[None, :] & (columns < wide)[None, :]
    before = (rows < 0)[:, None] | (columns < 0)[None, :]
    own, before, number = (xp.reshape(a, (1, -1)) for a in (own, before, number))
    i = xp.arange(tall * wide, dtype=xp.int64, device=rows.device)[:, None]
    return before | (own & (number <= i))


def _exchanged(a, *, xp):
    """Axes -4 and -3 exchanged."""
    axes = tuple(range(a.ndim))
    return xp.permute_dims(a, (*axes[:-4], axes[-3], axes[-4], *axes[-2:]))


FORMS = {"dense": _dense, "blocked": _blocked}
