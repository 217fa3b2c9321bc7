"""Linformer (Wang et al. 2020): softmax attention to r mixtures of the m keys and of the values.

    o = softmax(scale q (E k)^T) (F v),   E and F of shape r x m

E and F are learned; where they are left out, they take the means of r segments.
"""

from typing import Any

from factorattn.attention.exact.options import scale_of
from factorattn.attention.exact.softmax import FORMS
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
    refuses={
        "mask": "each of its r mixtures holds all keys, so none can be hidden; leave out keys that none may see",
        "causal": "each of its r mixtures holds keys of all times",
    },
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
        "mean pooling"): exact for r = m, and untrained.
    f : array, shape (..., r, m), optional
        Projection F of the values. If left out, E (the paper's key-value sharing; sharing over heads or layers is
        broadcasting).
    rank : int, optional
        Number r of mixtures. By default that of `e`, or min(m, 256).
    scale : float, optional
        Factor of q . (E k); by default 1 / sqrt(d).
    mask, causal : None or False
        Refused, with the reason.
    form : {"online", "dense"}
        Equal to rounding. "dense" holds all n r logits.

    Returns
    -------
    o : array, shape (..., n, e), result dtype of the inputs

    Raises
    ------
    ValueError
        If shapes disagree, `f` is given without `e`, or an option is unknown.
    TypeError
        If inputs are not floating arrays of one library.

    Notes
    -----
    Mixtures hold keys of all times: there is no causal Linformer, and no mask over single keys. float16 and bfloat16
    inputs are computed in float32.

    References
    ----------
    Wang et al., "Linformer: Self-Attention with Linear Complexity", 2020, section 4. arXiv:2006.04768
    """
    refuse(linformer_attention, mask=mask, causal=causal)
    xp, size = check(INPUTS, q=q, k=k, v=v, e=e, f=f, rank=rank)
    attend = choose(FORMS, form=form)
    if e is None and f is not None:
        raise ValueError("f was given without e; give e too (f is by default the same as e)")
    given = [x for x in (q, k, v, e, f) if x is not None]
    dtype, (q, k, v, *maps) = working_precision(*given, xp=xp)
    if e is None:
        means = segment_means(size.get("r", max(1, min(size["m"], 256))), size["m"])
        maps = [xp.asarray(means, dtype=k.dtype, device=k.device)]
    e, f = maps[0], maps[-1]
    scale = scale_of(scale, size["d"])
    keys, values = e @ k, f @ v  # (..., r, d), (..., r, e)
    o, _ = attend(q, keys, values, scale=scale, softcap=None, bias=None, mask=None, band=(None, None), xp=xp)
    return xp.astype(o, dtype, copy=False)
