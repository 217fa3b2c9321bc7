"""Compositional de-attention (Tay et al. 2019): weights that add, subtract or leave out a value.

    E_ij = alpha q_i . k_j,   N_ij = -beta sum_c |q'_ic - k'_jc|,   o_i = sum_j tanh(E_ij) g(N_ij) v_j

g(N) = 2 sigmoid(N), or sigmoid of N after its mean over all pairs is taken off. E says whether to add or to subtract, N
whether to look at all.
"""

from typing import Any

from factorattn.attention.alignment.engine import ROWS, each_tile, hide
from factorattn.attention.exact.options import band_of, check_pairs, scale_of
from factorattn.catalogue import mechanism
from factorattn.contract import check, choose, working_precision
from factorattn.distribution.deattention import GATES, gated, seen_sum
from factorattn.primitives.pairs import weigh
from factorattn.primitives.tiles import scan_tiles
from factorattn.scalars import positive
from factorattn.score.engine import distances

__all__ = ["coda_attention"]

INPUTS = "q: ... n d, k: ... m d, v: ... m e, q_n?: ... n c, k_n?: ... m c"


@mechanism(
    inputs=INPUTS,
    forms=("dense", "tiled"),
    time="n*m*d + n*m*c + n*m*e",
    memory="m + n*e",
    causal="option",
    normalised=False,
    paper="tay2019",
)
def coda_attention(
    q: Any,
    k: Any,
    v: Any,
    q_n: Any | None = None,
    k_n: Any | None = None,
    *,
    alpha: float | None = None,
    beta: float | None = None,
    gate: str = "scale",
    mask: Any | None = None,
    causal: bool = False,
    form: str = "tiled",
) -> Any:
    """Attend with weights between -1 and 1, from how alike and how unlike queries and keys are.

    Parameters
    ----------
    q : array, shape (..., n, d)
    k : array, shape (..., m, d)
    v : array, shape (..., m, e)
        Queries, keys and values; batch axes broadcast.
    q_n : array, shape (..., n, c), optional
    k_n : array, shape (..., m, c), optional
        Queries and keys for the dissimilarity, projected by themselves: the paper's F_N, where q and k are F_E. By
        default q and k, as in the paper's Transformer.
    alpha, beta : float, optional
        Positive temperatures of affinity and dissimilarity; by default 1 / sqrt(d) and 1 / sqrt(c), as in the paper's
        Transformer.
    gate : {"scale", "centre", "plain"}
        How the sigmoid is made to reach 1: by a factor of two, or by taking from N its mean over all pairs that are
        seen.
    mask : boolean array broadcasting to (..., n, m), optional
        True where query i may attend to key j.
    causal : bool
        Query i sees keys ``j <= i + m - n`` only.
    form : {"tiled", "dense"}
        Equal to rounding. "dense" is the definition and holds all weights; "tiled" those of a tile of queries.

    Returns
    -------
    o : array, shape (..., n, e), result dtype of the inputs
        Zeros in rows that may attend to no key.

    Raises
    ------
    ValueError
        If shapes disagree, a temperature is not positive, an option is unknown, or `causal` meets a mean over all
        queries.
    TypeError
        If inputs are not floating arrays of one library, or `mask` is not boolean.

    Notes
    -----
    Weights of a row do not sum to one, and are divided by nothing. With ``gate="centre"`` the answer to a query depends
    on all queries. float16 and bfloat16 inputs are computed in float32.

    References
    ----------
    Tay, Luu, Zhang, Wang and Hui, "Compositional De-Attention Networks", 2019.
    """
    xp, size = check(INPUTS, q=q, k=k, v=v, q_n=q_n, k_n=k_n)
    attend = choose(FORMS, form=form)
    factor, centred = choose(GATES, gate=gate)
    q_n, k_n = (q if q_n is None else q_n), (k if k_n is None else k_n)
    if q_n.shape[-1] != k_n.shape[-1]:
        raise ValueError(f"q_n and k_n must be equally wide, got {q_n.shape[-1]} and {k_n.shape[-1]}")
    alpha = scale_of(None, size["d"]) if alpha is None else positive(alpha=alpha)
    beta = scale_of(None, q_n.shape[-1]) if beta is None else positive(beta=beta)
    dtype, (q, k, v, q_n, k_n) = working_precision(q, k, v, q_n, k_n, xp=xp)
    mask, _ = check_pairs(mask, None, q, k, v, xp=xp)
    band = band_of(causal, None, None, size["n"], size["m"])
    if centred and band != (None, None):
        raise ValueError("causal must be False for gate='centre', whose mean is over all queries: later ones, too")

    def scores(rows):
        """Affinity, -inf where a pair is not seen, and dissimilarity: (..., rows, m) each."""
        a, _ = hide((q[..., rows, :] * alpha) @ k.mT, rows, mask=mask, bias=None, band=band, xp=xp)
        return a, distances(q_n[..., rows, :], k_n, power=1, xp=xp) * -beta

    hidden = mask is not None or band != (None, None)
    return xp.astype(
        attend(scores, v, size["n"], factor=factor, centred=centred, hidden=hidden, xp=xp), dtype, copy=False
    )


def _dense(scores, v, n, *, factor, centred, hidden, xp):
    """The definition: all weights at once."""
    a, b = scores(slice(0, n))
    mean = None
    if centred:
        total, pairs = seen_sum(a, b, xp=xp)
        mean = _mean(total, pairs, xp=xp)
    return weigh(gated(a, b, mean, factor, xp=xp), v, guarded=hidden, xp=xp)


def _tiled(scores, v, n, *, factor, centred, hidden, xp):
    """The same, a tile of queries at a time; for the mean, all tiles are gone through twice."""

    def add(state, rows):
        a, b = scores(rows)
        return tuple(x + y for x, y in zip(state, seen_sum(a, b, xp=xp), strict=True)), None

    def attend_rows(rows):
        a, b = scores(rows)
        return weigh(gated(a, b, mean, factor, xp=xp), v, guarded=hidden, xp=xp)

    mean = None
    if centred and n:
        a, b = scores(slice(0, 0))
        (total, pairs), _ = scan_tiles(add, seen_sum(a, b, xp=xp), 0, n, ROWS, xp=xp)
        mean = _mean(total, pairs, xp=xp)
    return each_tile(attend_rows, n, ROWS, xp=xp)


def _mean(total, pairs, *, xp):
    return total / xp.where(pairs == 0, 1.0, pairs)


FORMS = {"dense": _dense, "tiled": _tiled}
