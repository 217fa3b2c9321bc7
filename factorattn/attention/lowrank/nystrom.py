"""Nystrom attention (Xiong et al. 2021): the softmax matrix from r landmark queries and r landmark keys.

    o = F A^+ (B v) + conv * v
    F = softmax(scale q k~^T),   A = softmax(scale q~ k~^T),   B = softmax(scale q~ k^T)

Landmarks q~ and k~ are means over r segments of the sequence. A^+ is the pseudo-inverse of A, by default a few steps of
an iteration that needs products only. The convolution over positions is learned, and optional.
"""

from typing import Any

from factorattn.attention.exact.options import scale_of
from factorattn.attention.kernel.keys import check_keys
from factorattn.catalogue import mechanism, refuse
from factorattn.contract import check, choose, working_precision
from factorattn.factor.pinv import iterative_pinv
from factorattn.factor.pooling import segment_means
from factorattn.primitives.pairs import masked_logits, softmax_weights
from factorattn.primitives.softmax_attend import softmax_attend
from factorattn.primitives.tiles import scan_tiles
from factorattn.scalars import whole

__all__ = ["nystrom_attention"]

INPUTS = "q: ... n d, k: ... n d, v: ... n e, conv?: ... w, rank? = r"
LANDMARKS = 64  # "often sufficient", says the paper


@mechanism(
    inputs=INPUTS,
    forms=("dense", "factored"),
    time="n*r*d + n*r*e + r**3 + n*e*w",
    memory="n*r + n*e",
    causal="never",
    normalised=False,
    positional=True,
    coupled=True,
    refuses={"causal": "each landmark stands for a whole segment, and the inverse mixes all of them"},
    mask_shape="1 n",
    paper="xiong2021",
    approximates="softmax_attention",
    knob="r",
)
def nystrom_attention(
    q: Any,
    k: Any,
    v: Any,
    conv: Any | None = None,
    *,
    rank: int | None = None,
    inverse: str = "iterative",
    iterations: int = 6,
    scale: float | None = None,
    mask: Any | None = None,
    causal: bool = False,
    form: str = "factored",
) -> Any:
    """Attend through r landmarks, in time and memory linear in the length.

    Parameters
    ----------
    q, k : array, shape (..., n, d)
    v : array, shape (..., n, e)
        Queries, keys and values of one sequence; batch axes broadcast.
    conv : array, shape (..., w), optional
        Kernel of a convolution of the values along the sequence, added to the output: one number per step, shared by
        all entries of v. Output i gets ``conv[t] v[i + t - w // 2]``, zeros beyond the ends. In the paper each head has
        its own.
    rank : int, optional
        Number r of landmarks, at most n. By default min(n, 64).
    inverse : {"iterative", "exact"}
        "iterative" is `factorattn.factor.iterative_pinv`; "exact" needs the ``linalg`` extension of the array API.
    iterations : int
        Steps of the iteration; the paper takes 6. Where A is ill-conditioned the inverse needs more, and the output may
        be the better for having fewer.
    scale : float, optional
        Factor of q . k; by default 1 / sqrt(d).
    mask : boolean array broadcasting to (..., 1, n), optional
        False where position j is hidden, as padding is: it takes part in no landmark, and no query sees it. Pairs
        cannot be hidden one by one.
    causal : None or False
        Refused, with the reason.
    form : {"factored", "dense"}
        Equal to rounding. "dense" is the matrix F A^+ B, O(n^2).

    Returns
    -------
    o : array, shape (..., n, e), result dtype of the inputs

    Raises
    ------
    ValueError
        If shapes disagree, `rank` is above n, `iterations` negative, `mask` tells queries apart, or an option is
        unknown.
    TypeError
        If inputs are not floating arrays of one library, or `mask` is not boolean.

    Notes
    -----
    The paper fills sequences up to a multiple of r; here segments of floor(n / r) and ceil(n / r) positions take their
    place. Its equation 16 divides by the number of landmarks; meant is the length of a segment. Rows of F A^+ B sum to
    one only where the inverse is exact and A has one. In widely copied code the iteration starts from a maximum over
    all matrices of a batch, so that one sequence changes the output of another; here each has its own start. float16
    and bfloat16 inputs are computed in float32.

    References
    ----------
    Xiong et al., "Nystromformer: A Nystrom-Based Algorithm for Approximating Self-Attention", 2021, equations 14 to 17.
    arXiv:2102.03902
    """
    refuse(nystrom_attention, causal=causal)
    xp, size = check(INPUTS, q=q, k=k, v=v, conv=conv, rank=rank)
    attend, invert = choose(FORMS, form=form), choose(INVERSES, inverse=inverse)
    if whole(iterations=iterations) < 0:
        raise ValueError(f"iterations must be at least 0, got {iterations!r}")
    dtype, (q, k, v, *kernel) = working_precision(*(x for x in (q, k, v, conv) if x is not None), xp=xp)
    scale = scale_of(scale, size["d"])
    shown = check_keys(mask, q, k, v, xp=xp)  # (..., n, 1)
    if shown is not None:
        v = xp.where(shown, v, 0.0)
    rank = size.get("r", max(1, min(size["n"], LANDMARKS)))
    means = segment_means(rank, size["n"], xp=xp, dtype=q.dtype, device=q.device)  # (r, n)
    (landmarks_q, some), (landmarks_k, _) = (_landmarks(means, x, shown, xp=xp) for x in (q, k))  # (..., r, d)
    a = _softmax(landmarks_q * scale, landmarks_k, some, xp=xp)  # (..., r, r)
    if some is not None:
        a = xp.where(some, a, 0.0)
    inverted = invert(a, iterations, xp=xp)
    o = attend(q, k, v, landmarks_q, landmarks_k, inverted, scale=scale, shown=shown, some=some, xp=xp)
    if conv is not None:
        o = o + _convolved(v, kernel[0], xp=xp)
    return xp.astype(o, dtype, copy=False)


def _landmarks(means, x, shown, *, xp):
    """The mean over the positions of each segment that are there (..., r, d), and whether there are any (..., r, 1)."""
    if shown is None:
        return means @ x, None
    share = means @ xp.astype(shown, x.dtype)  # (..., r, 1): of the segment
    some = share > 0
    return means @ xp.where(shown, x, 0.0) / xp.where(some, share, 1.0), some


def _softmax(q, k, some, *, xp):
    """Weights of queries (already scaled) on keys, of which only `some` are there."""
    seen = None if some is None else some.mT
    return softmax_weights(masked_logits(q, k, softcap=None, bias=None, seen=seen, xp=xp), xp=xp)[0]


def _dense(q, k, v, landmarks_q, landmarks_k, inverted, *, scale, shown, some, xp):
    """The definition: the matrix that stands for the softmax matrix."""
    f = _softmax(q * scale, landmarks_k, some, xp=xp)  # (..., n, r)
    b = _softmax(landmarks_q * scale, k, shown, xp=xp)  # (..., r, n)
    return (f @ inverted @ b) @ v  # (..., n, e)


def _factored(q, k, v, landmarks_q, landmarks_k, inverted, *, scale, shown, some, xp):
    """From right to left, the outer two matrices tile by tile."""
    seen, kept = (None if x is None else x.mT for x in (shown, some))
    means, _ = softmax_attend(landmarks_q, k, v, scale=scale, mask=seen)  # (..., r, e)
    return softmax_attend(q, landmarks_k, inverted @ means, scale=scale, mask=kept)[0]  # (..., n, e)


def _exact(a, iterations, *, xp):
    """The pseudo-inverse by a singular value decomposition; singular values of the size of rounding count as zero."""
    return xp.linalg.pinv(a, rtol=a.shape[-1] * float(xp.finfo(a.dtype).eps))


def _convolved(v, kernel, *, xp):
    """The sum over t of kernel_t (..., w) times v (..., n, e) moved by t - w // 2 positions."""
    n, width = v.shape[-2], kernel.shape[-1]
    positions = xp.arange(n, dtype=xp.int64, device=v.device)

    def add(o, tap):
        source = positions + (tap.start - width // 2)  # (n,)
        factor = xp.where(((source >= 0) & (source < n))[:, None], kernel[..., None, tap], 0.0)  # (..., n, 1)
        return o + factor * xp.take(v, xp.clip(source, 0, max(n - 1, 0)), axis=-2), None

    return scan_tiles(add, xp.zeros_like(v), 0, width, 1, xp=xp)[0]


FORMS = {"dense": _dense, "factored": _factored}
INVERSES = {"iterative": iterative_pinv, "exact": _exact}
