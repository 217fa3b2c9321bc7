"""Linformer (Wang et al. 2020): softmax attention to r mixtures of the m keys and of the values.

    o = softmax(scale q (E k)^T) (F v),   E and F of shape r x m

E and F are learned; where they are left out, they take the means of r segments.
"""

from typing import Any

from factorattn.attention.exact.options import scale_of
from factorattn.attention.exact.softmax import FORMS
from factorattn.attention.kernel.keys import check_keys
from factorattn.catalogue import mechanism, refuse
from factorattn.contract import check, choose, working_precision
from factorattn.factor.pooling import segment_means

__all__ = ["linformer_attention"]

INPUTS = "q: ... n d, k: ... m d, v: ... m e, e?: ... r m, f?: ... r m, rank? = r"


@mechanism(
    inputs=INPUTS,
    forms=("dense", "online"),
    time="r*m*d + r*m*e + n*r*d + n*r*e",
    memory="r*d + r*e + n*e",
    causal="never",
    normalised=False,
    refuses={"causal": "each of its r mixtures holds keys of all times"},
    mask_shape="1 m",
    paper="wang2020linformer",
    approximates="softmax_attention",
    knob="r",
)
def linformer_attention(
    q: Any,
    k: Any,
    v: Any,
    e: Any | None = None,
    f: Any | None = None,
    *,
    rank: int | None = None,
    scale: float | None = None,
    mask: Any | None = None,
    causal: bool = False,
    form: str = "online",
) -> Any:
    """Attend to r learned mixtures of the keys instead of all m.

    Parameters
    ----------
    q : array, shape (..., n, d)
    k : array, shape (..., m, d)
    v : array, shape (..., m, e)
        Queries, keys and values; batch axes broadcast.
    e : array, shape (..., r, m), optional
        Projection E of the keys. If left out, the segment means of `factorattn.factor.segment_means` (the paper's
        "mean pooling"): exact for r = m, and untrained. Its convolution is `factorattn.factor.strided_convolution`.
    f : array, shape (..., r, m), optional
        Projection F of the values. If left out, E (the paper's key-value sharing).
    rank : int, optional
        Number r of mixtures. By default that of `e`, or min(m, 256).
    scale : float, optional
        Factor of q . (E k); by default 1 / sqrt(d).
    mask : boolean array broadcasting to (..., 1, m), optional
        False where key j is hidden, as padding is: it takes part in no mixture, as if its columns of `e` and `f` were
        not there. Mixtures are shared by all queries, so it is hidden from all or from none.
    causal : None or False
        Refused, with the reason.
    form : {"online", "dense"}
        Equal to rounding. "dense" holds all n r logits.

    Returns
    -------
    o : array, shape (..., n, e), result dtype of the inputs

    Raises
    ------
    ValueError
        If shapes disagree, `f` is given without `e`, `mask` tells queries apart, or an option is unknown.
    TypeError
        If inputs are not floating arrays of one library, or `mask` is not boolean.

    Notes
    -----
    The paper's ways to share projections are broadcasting: headwise, `e` and `f` (r, m) for all heads; key-value, `f`
    left out; layerwise, the same `e` in every call; none, `e` and `f` (..., h, r, m). A rank that differs from head to
    head does not fit into one array: call once for each rank. The maximum over segments (the paper's "max pooling") is
    no projection, and not linear in the values. float16 and bfloat16 inputs are computed in float32.

    References
    ----------
    Wang et al., "Linformer: Self-Attention with Linear Complexity", 2020, section 4. arXiv:2006.04768
    """
    refuse(linformer_attention, causal=causal)
    xp, size = check(INPUTS, q=q, k=k, v=v, e=e, f=f, rank=rank)
    attend = choose(FORMS, form=form)
    if e is None and f is not None:
        raise ValueError("f was given without e; give e too (f is by default the same as e)")
    given = [x for x in (q, k, v, e, f) if x is not None]
    dtype, (q, k, v, *maps) = working_precision(*given, xp=xp)
    if e is None:
        rank = size.get("r", max(1, min(size["m"], 256)))
        maps = [segment_means(rank, size["m"], xp=xp, dtype=k.dtype, device=k.device)]
    e, f = maps[0], maps[-1]
    scale = scale_of(scale, size["d"])
    shown = check_keys(mask, q, k, v, xp=xp)  # (..., m, 1)
    if shown is not None:
        k, v = xp.where(shown, k, 0.0), xp.where(shown, v, 0.0)
        e, f = (xp.where(shown.mT, x, 0.0) for x in (e, f))
    keys, values = e @ k, f @ v  # (..., r, d), (..., r, e)
    o, _ = attend(q, keys, values, scale=scale, softcap=None, bias=None, mask=None, band=(None, None), xp=xp)
    return xp.astype(o, dtype, copy=False)
