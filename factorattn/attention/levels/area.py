"""Area attention (Li et al. 2019): the keys are all areas of adjacent items, up to a largest size.

    k_R = mean of k_j over j in R,   v_R = sum of v_j over j in R,   o_i = sum_R p_iR v_R,   p_iR = softmax of q_i . k_R

R runs over the intervals of up to s items, or over the rectangles of up to p rows and s columns of a grid. Richer keys
are made from mean, standard deviation and an embedding of the size: W_d relu(W_1 (mean_R + std_R + size_R) + b_1).
"""

from typing import Any, NamedTuple

from factorattn.attention.exact.options import band_of, check_pairs, scale_of
from factorattn.catalogue import mechanism
from factorattn.contract import check, choose, working_precision
from factorattn.primitives.elementwise import root
from factorattn.primitives.pairs import band_seen, finite_top, masked_logits, softmax_weights, weigh
from factorattn.primitives.softmax_attend import softmax_attend
from factorattn.primitives.tiles import scan_tiles

__all__ = ["area_attention"]

INPUTS = (
    "q: ... n d, k: ... m d, v: ... m e, width = s, height? = p, columns? = y, "
    "sizes?: ... p s d, w_1?: ... f d, b_1?: ... f, w_d?: ... d f"
)


@mechanism(
    inputs=INPUTS,
    forms=("direct", "integral"),
    time="n*m*p*s*d + n*m*p*s*e",
    memory="n*e + m*d + m*e + m*f",
    causal="option",
    normalised=False,
    positional=True,
    paper="li2019area",
)
def area_attention(
    q: Any,
    k: Any,
    v: Any,
    *,
    width: int = 3,
    height: int | None = None,
    columns: int | None = None,
    sizes: Any | None = None,
    w_1: Any | None = None,
    b_1: Any | None = None,
    w_d: Any | None = None,
    mask: Any | None = None,
    causal: bool = False,
    scale: float | None = None,
    form: str = "integral",
) -> Any:
    """Attend to areas of adjacent items instead of single ones.

    Parameters
    ----------
    q : array, shape (..., n, d)
    k : array, shape (..., m, d)
    v : array, shape (..., m, e)
        Queries, keys and values; batch axes broadcast. The items of a grid come row by row.
    width : int
        Largest number s of adjacent items in an area; of a grid, of its columns. With 1 (and no height) the areas are
        the items.
    height : int, optional
        Largest number p of rows in an area; needs `columns`. By default 1.
    columns : int, optional
        Number of columns of the grid. An area does not go over the end of a row. The last row may be shorter.
    sizes : array, shape (..., p, s, d), optional
        Embedding of the size of an area, for richer keys: ``sizes[..., r - 1, c - 1, :]`` is that of r rows and c
        columns. (The paper concatenates one of the rows and one of the columns, of d / 2 features each.)
    w_1, b_1, w_d : array, shapes (..., f, d), (..., f), (..., d, f), optional
        The layers that make richer keys; the bias may be left out. They come with `sizes`, all or none.
    mask : boolean array broadcasting to (..., n, m), optional
        True where query i may attend to item j. It sees the areas all of whose items it may attend to.
    causal : bool
        Query i sees areas up to item ``i + m - n``: no area reaches beyond.
    scale : float, optional
        Factor of q . k_R; by default 1 / sqrt(d).
    form : {"integral", "direct"}
        Equal to rounding. "direct" is the definition and holds a matrix of all areas and items; "integral" makes the
        areas of each size from those one smaller, and holds one size at a time.

    Returns
    -------
    o : array, shape (..., n, e), result dtype of the inputs
        Zeros in rows that see no area.

    Raises
    ------
    ValueError
        If shapes disagree, a size is not a positive integer, or an option is unknown or lacks another.
    TypeError
        If inputs are not floating arrays of one library, or `mask` is not boolean.

    Notes
    -----
    Values are summed, not averaged: where all values are equal, an area of three counts for three. Sums over areas are
    built up from single items and not read off a summed area table, as in the paper: the cost is the same, and
    differences of long sums would cancel in float32. float16 and bfloat16 inputs are computed in float32.

    References
    ----------
    Li, Kaiser, Bengio and Si, "Area Attention", ICML 2019, sections "Area-Based Attention Mechanisms" and "Combining
    Area Features". arXiv:1810.10126
    """
    named: dict[str, Any] = {"width": width, "height": height, "columns": columns}
    xp, size = check(INPUTS, q=q, k=k, v=v, **named, sizes=sizes, w_1=w_1, b_1=b_1, w_d=w_d)
    attend = choose(FORMS, form=form)
    if len({sizes is None, w_1 is None, w_d is None}) > 1 or (sizes is None and b_1 is not None):
        raise ValueError("sizes, w_1 and w_d make richer keys together (b_1 may be left out); give all or none")
    n, m = size["n"], size["m"]
    if size.get("p", 1) > 1 and columns is None:
        raise ValueError(f"height needs the number of columns of the grid, got height={size['p']} and no columns")
    row = max(1, m if columns is None else size["y"])
    grid = Grid(row, min(size["s"], row), min(size.get("p", 1), max(1, -(-m // row))))
    layers = [x for x in (sizes, w_1, w_d, b_1) if x is not None]
    dtype, (q, k, v, *layers) = working_precision(q, k, v, *layers, xp=xp)
    mask, _ = check_pairs(mask, None, q, k, v, xp=xp)
    reach = band_of(causal, None, None, n, m)[1]
    scale = scale_of(scale, size["d"])
    o = attend(q, k, v, grid, layers, scale=scale, mask=mask, reach=reach, xp=xp)
    return xp.astype(o, dtype, copy=False)


class Grid(NamedTuple):
    """Which areas there are: up to `height` rows and `width` columns, of items in rows of length `row`."""

    row: int
    width: int
    height: int


def _richer(mean, spread, items, size, layers, *, xp):
    """Keys from mean, sum of squared deviations and number of the items of each area, and embeddings of its size."""
    w_1, w_d, *bias = layers
    hidden = (mean + root(spread / items, xp=xp) + size) @ w_1.mT  # (..., areas, f)
    hidden = hidden + bias[0][..., None, :] if bias else hidden
    return xp.maximum(hidden, xp.zeros_like(hidden)) @ w_d.mT  # (..., areas, d)


def _direct(q, k, v, grid, layers, *, scale, mask, reach, xp):
    """The definition: a list of all areas, and which items are in each."""
    n, (m, d) = q.shape[-2], k.shape[-2:]
    p, s, count = grid.height, grid.width, lambda stop: xp.arange(stop, dtype=xp.int64, device=q.device)
    start, item = count(m)[:, None], count(m)[None, :]
    down, right = item // grid.row - start // grid.row, item % grid.row - start % grid.row  # (m, m)
    rows, cols = 1 + count(p)[:, None, None, None], 1 + count(s)[:, None, None]
    inside = (down >= 0) & (down < rows) & (right >= 0) & (right < cols)  # (p, s, m, m)
    items = xp.astype(xp.reshape(rows * cols + 0 * start, (p * s * m, 1)), q.dtype)
    member = xp.astype(xp.reshape(inside, (p * s * m, m)), q.dtype)
    keys, values = weigh(member / items, k, guarded=True, xp=xp), weigh(member, v, guarded=True, xp=xp)
    if layers:
        size, *layers = layers
        apart = k[..., None, :, :] - keys[..., None, :]  # (..., areas, m, d)
        spread = xp.sum(xp.where(member[..., None] > 0, apart * apart, 0.0), axis=-2)
        size = xp.broadcast_to(size[..., :p, :s, None, :], (*size.shape[:-3], p, s, m, d))
        size = xp.reshape(size, (*size.shape[:-4], p * s * m, d))
        keys = _richer(keys, spread, items, size, layers, xp=xp)
    allowed = _allowed(mask, k, xp=xp)
    if reach is not None:
        allowed = allowed & band_seen(slice(0, n), slice(0, m), (None, reach), device=q.device, xp=xp)
    seen = xp.astype(allowed, q.dtype) @ member.mT == items.mT  # (..., n, areas): the area is whole, and all of it seen
    weights, _ = softmax_weights(masked_logits(q * scale, keys, softcap=None, bias=None, seen=seen, xp=xp), xp=xp)
    return weigh(weights, values, guarded=True, xp=xp)


def _allowed(mask, k, *, xp):
    """Which items a query may attend to: (..., n or 1, m)."""
    m = k.shape[-2]
    if mask is None:
        return xp.ones((1, m), dtype=xp.bool, device=k.device)
    return xp.broadcast_to(mask, (*mask.shape[:-1], m))


class Areas(NamedTuple):
    """All areas of one size, by the item that each starts with; those that do not fit are not seen."""

    items: int
    total: Any  # sum of keys, (..., m, d)
    value: Any  # sum of values, (..., m, e)
    seen: Any  # whether a query sees it, (..., n, m)
    spread: Any | None  # sum of squared deviations of keys from their mean, (..., m, d), for richer keys


def _joined(first, then, by, *, xp):
    """Each of the areas `first` together with the one of `then` that starts `by` items later."""
    total, value = _later(then.total, by, -2, xp=xp), _later(then.value, by, -2, xp=xp)
    spread = first.spread
    if spread is not None:  # Chan, Golub and LeVeque 1983: no difference of large numbers
        apart = total / then.items - first.total / first.items
        share = first.items * then.items / (first.items + then.items)
        spread = spread + _later(then.spread, by, -2, xp=xp) + share * apart * apart
    seen = first.seen & _later(then.seen, by, -1, xp=xp)
    return Areas(first.items + then.items, first.total + total, first.value + value, seen, spread)


def _later(x, by, axis, *, xp):
    """Entry j of the result is entry j + by of x; zero or False where there is none."""
    m = x.shape[axis]
    by = min(by, m)
    filled = (*x.shape[:-2], by, x.shape[-1]) if axis == -2 else (*x.shape[:-1], by)
    kept = x[..., by:, :] if axis == -2 else x[..., by:]
    return xp.concat([kept, xp.zeros(filled, dtype=x.dtype, device=x.device)], axis=axis)


def _integral(q, k, v, grid, layers, *, scale, mask, reach, xp):
    """Size by size: areas one column wider, or one row higher, are those before and the items that come to them."""
    m = k.shape[-2]
    column = xp.arange(m, dtype=xp.int64, device=q.device) % grid.row
    single = Areas(1, k, v, _allowed(mask, k, xp=xp), xp.zeros_like(k) if layers else None)
    nothing = softmax_attend(q, k[..., :0, :], v[..., :0, :], scale=scale)

    def wider(state, cols):
        strip, result = state
        strip = strip._replace(seen=strip.seen & (column < grid.row - cols.start))

        def higher(state, rows):
            block, result = state
            keys = block.total / block.items
            if layers:
                size = layers[0][..., rows, cols.start, :]  # (..., 1, d)
                keys = _richer(keys, block.spread, block.items, size, layers[1:], xp=xp)
            last = rows.start * grid.row + cols.start  # from the first item of an area to its last
            band = (None, None if reach is None else reach - last)
            part = softmax_attend(q, keys, block.value, scale=scale, mask=block.seen, band=band)
            return (_joined(block, strip, rows.stop * grid.row, xp=xp), _merged(result, part, xp=xp)), None

        (_, result), _ = scan_tiles(higher, (strip, result), 0, grid.height, 1, xp=xp, alike=reach is None)
        return (_joined(strip, single, cols.stop, xp=xp), result), None

    (_, (o, _)), _ = scan_tiles(wider, (single, nothing), 0, grid.width, 1, xp=xp, alike=reach is None)
    return o


def _merged(one, two, *, xp):
    """Outputs (..., n, e) and log-sum-exps (..., n) over two disjoint sets of areas, as those over both."""
    (o, lse), (other, more) = one, two
    top = finite_top(xp.maximum(lse, more), xp=xp)
    a, b = xp.exp(lse - top), xp.exp(more - top)
    some = a + b != 0
    total = xp.where(some, a + b, 1.0)
    o = o * (a / total)[..., None] + other * (b / total)[..., None]
    return o, xp.where(some, top + xp.log(total), -xp.inf)


FORMS = {"direct": _direct, "integral": _integral}
