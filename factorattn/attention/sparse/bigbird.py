"""BigBird (Zaheer et al. 2020): near blocks, global tokens, and blocks drawn at random.

    pair (i, j) is seen if  |I - J| <= 1  or  J in R_I  or  i in G  or  j in G,   I = floor(i / b),  J = floor(j / b)

R_I are a few blocks of keys that the block I of queries has drawn, once and for all: shortcuts through the sequence.
"""

from collections.abc import Sequence
from typing import Any

from factorattn.attention.exact.options import check_pairs, scale_of
from factorattn.attention.sparse.central import both, is_central, with_central
from factorattn.attention.sparse.engine import GROUP, attend_blocks, cut, joined, of_keys
from factorattn.attention.sparse.gather import by_tiles, definition, positions
from factorattn.catalogue import mechanism
from factorattn.contract import check, choose, working_precision
from factorattn.pattern import Pattern, at_least, block_ends, columns, random_blocks
from factorattn.primitives.softmax_attend import softmax_attend
from factorattn.primitives.tiles import scan_tiles
from factorattn.scalars import flag, whole

__all__ = ["bigbird_attention"]

INPUTS = "q: ... n d, k: ... n d, v: ... n e, block = b, global_tokens?: g of n"


@mechanism(
    inputs=INPUTS,
    forms=("dense", "blocked"),
    time="n*b*d + n*b*e + n*g*d + n*g*e",
    memory="n*g + n*e",
    causal="option",
    normalised=True,
    positional=True,
    mask_shape="n n",
    paper="zaheer2020",
    approximates="softmax_attention",
    knob="b",
)
def bigbird_attention(
    q: Any,
    k: Any,
    v: Any,
    *,
    block: int = 64,
    window: int = 1,
    global_tokens: Sequence[int] | None = None,
    random: Any = 3,
    rng: Any = 0,
    causal: bool = False,
    scale: float | None = None,
    mask: Any | None = None,
    form: str = "blocked",
) -> Any:
    """Attend to near blocks, to random blocks, and to global tokens, which attend to everything.

    Parameters
    ----------
    q, k : array, shape (..., n, d)
    v : array, shape (..., n, e)
        Queries, keys and values of one sequence; batch axes broadcast.
    block : int
        Length b of a block; the last one may be shorter.
    window : int
        How many blocks to each side are near: 1 in the paper, which counts these three blocks as its window.
    global_tokens : sequence of int, optional
        Distinct positions G in 0 .. n - 1 of tokens that see and are seen by all ("internal transformer construction";
        for the external one, put the extra tokens into the sequence). By default those of the first block and, unless
        `causal`, of the last, as in the authors' code.
    random : int or array of integers, shape (ceil(n / b), r)
        How many blocks each block draws; or the drawn blocks R themselves, a NumPy array or lists, -1 for none.
        Those that are near, global or drawn twice count once.
    rng : int or numpy.random.Generator, optional
        For the draw, from the blocks that are neither near nor global (`factorattn.pattern.random_blocks`). The default
        draws the same blocks each time, as a model needs, that is trained with them; None draws anew. The same for all
        heads: the authors' draw for each head is one call a head.
    causal : bool
        No token sees a later one; blocks draw earlier blocks only. (The paper is about encoders.)
    scale : float, optional
        Factor of q . k; by default 1 / sqrt(d).
    mask : boolean array broadcasting to (..., n, n), optional
        True where query i may attend to key j, besides. With one that tells keys only, (..., 1, n), random blocks are
        as fast as without; for any other, their pairs are gathered tile by tile, as in `pattern_attention`.
    form : {"blocked", "dense"}
        Equal to rounding. "dense" is the definition, O(n^2).

    Returns
    -------
    o : array, shape (..., n, e), result dtype of the inputs

    Raises
    ------
    ValueError
        If shapes disagree, positions repeat or lie outside, or an option is none that there is.
    TypeError
        If inputs are not floating arrays of one library.

    Notes
    -----
    The declared cost is that of three near and three random blocks, n (2 w + 1 + r) b (d + e) in general. In some
    versions of other libraries random blocks come from the first 1024 tokens only, or are not drawn at inference.
    float16 and bfloat16 inputs are computed in float32.

    References
    ----------
    Zaheer et al., "Big Bird: Transformers for Longer Sequences", 2020. arXiv:2007.14062
    """
    xp, size = check(INPUTS, q=q, k=k, v=v, block=block, global_tokens=global_tokens)
    attend = choose(FORMS, form=form)
    dtype, (q, k, v) = working_precision(q, k, v, xp=xp)
    mask, _ = check_pairs(mask, None, q, k, v, xp=xp)
    n, block, window, causal = size["n"], size["b"], at_least("window", window, 0), flag(causal=causal)
    picks = block_ends(n, block, causal=causal) if global_tokens is None else [whole(pick=p) for p in global_tokens]
    table = random_blocks(n, block, random, window=window, global_tokens=picks, causal=causal, rng=rng)  # (n/b, r)
    options = {"block": block, "window": window, "causal": causal, "scale": scale_of(scale, size["d"])}
    o = attend(q, k, v, picks, table, **options, mask=mask, xp=xp)
    return xp.astype(o, dtype, copy=False)


def _dense(q, k, v, picks, table, *, block, window, causal, scale, mask, xp):
    """The definition: every pair, and a mask."""
    n = q.shape[-2]
    i, j = positions(n, like=q, xp=xp)
    one, other = positions(table.shape[0], like=q, xp=xp)  # blocks
    drawn = xp.asarray(table, device=q.device)[:, :, None] == other  # (n/b, r, n/b)
    seen = (xp.abs(one - other) <= window) | xp.any(drawn, axis=1)  # (n/b, n/b)
    seen = xp.take(xp.take(seen, i[:, 0] // block, axis=0), j[0, :] // block, axis=1)  # (n, n)
    central = is_central(picks, n, like=q, xp=xp)
    seen = seen | central[:, None] | central[None, :]
    return definition(q, k, v, seen & (j <= i) if causal else seen, scale=scale, mask=mask, xp=xp)[0]


def _blocked(q, k, v, picks, table, *, block, window, causal, scale, mask, xp):
    """Near and random blocks without their global keys; the columns and rows of these beside them."""
    n = q.shape[-2]
    block = min(block, max(n, 1))
    shown = both(mask, ~is_central(picks, n, like=q, xp=xp)[None, :] if picks else None)
    reach = min(window * block, n)
    sides = {"left": reach, "right": 0 if causal else reach, "band": (None, 0 if causal else None)}
    found = [attend_blocks(q, k, v, block=block, **sides, scale=scale, mask=shown, xp=xp)]
    if table.size and of_keys(mask):
        found.append(_drawn(q, k, v, table, block=block, scale=scale, mask=shown, xp=xp))
    elif table.size:
        pairs = _pairs(table, block, n) - columns(n, n, picks)
        found.append(by_tiles(q, k, v, pairs, scale=scale, mask=mask, xp=xp))
    return with_central(found, q, k, v, (q, k, v), picks, causal=causal, scale=scale, mask=mask, xp=xp)


def _drawn(q, k, v, table, *, block, scale, mask, xp):
    """Blocks of queries and the blocks of keys in their row of the table (n/b, r), where -1 is none."""
    n, (blocks, r) = q.shape[-2], table.shape
    mask = xp.ones((1, n), dtype=xp.bool, device=q.device) if mask is None else mask
    shown = xp.broadcast_to(mask, (*mask.shape[:-1], n)).mT
    queries, keys, values, shown = (cut(x, block, xp=xp) for x in (q, k, v, shown))  # (..., n/b, b, d)

    def attend(_, group):
        index = xp.asarray(table[group].clip(0).ravel(), device=q.device)
        there = xp.asarray((table[group] >= 0).repeat(block, axis=1), device=q.device)[:, None, :]  # (blocks, 1, r b)

        def drawn(x):  # (..., blocks, r b, d)
            picked = xp.take(x, index, axis=-3)
            return xp.reshape(picked, (*picked.shape[:-3], group.stop - group.start, r * block, picked.shape[-1]))

        o, lse = softmax_attend(
            queries[..., group, :, :], drawn(keys), drawn(values), scale=scale, mask=there & drawn(shown).mT
        )
        return None, (o, lse[..., None])

    _, (o, lse) = scan_tiles(attend, None, 0, blocks, GROUP, xp=xp, axis=-3)
    return joined(o, n, xp=xp), joined(lse, n, xp=xp)[..., 0]


def _pairs(table, block, n):
    """The pairs that a table of blocks stands for."""
    i, slot = (table >= 0).nonzero()
    return Pattern.from_pairs(table.shape[0], table.shape[0], i, table[i, slot]).spread(block, n, n)


FORMS = {"dense": _dense, "blocked": _blocked}
