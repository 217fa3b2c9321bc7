"""Multi-head latent attention (DeepSeek-AI 2024): keys and values of all heads from one short vector for each token.

    c = W^DKV y,   c^Q = W^DQ x
    q_i = (W^UQ_i c^Q,  RoPE(W^QR_i c^Q)),   k_i = (W^UK_i c,  RoPE(W^KR y)),   v_i = W^UV_i c
    out = sum_i W^O_i softmax(scale q_i k_i^T) v_i

A decoder keeps c and the one rotated key, r + f numbers for each token, as q . W^UK c = (W^UK)^T q . c needs no keys.
"""

from typing import Any

import numpy as np

from factorattn.attention.multihead.engine import FORMS as SOFTMAX
from factorattn.attention.multihead.engine import attend_heads, computed, project, project_heads, unproject
from factorattn.catalogue import mechanism
from factorattn.contract import check, choose
from factorattn.position.rotary import rotary

__all__ = ["latent_attention"]

INPUTS = (
    "x: ... n c, w_dq: ... p c, w_uq: ... h d p, w_dkv: ... r c, w_uk: ... h d r, w_uv: ... h e r, w_o: ... h c e, "
    "w_qr?: ... h f p, w_kr?: ... f c, y?: ... m c"
)
UNCOMPRESSED = INPUTS.replace("w_dq: ... p c, ", "").replace("d p", "d c").replace("f p", "f c")


@mechanism(
    inputs=INPUTS,
    output="n c",
    forms=("dense", "explicit", "absorbed"),
    time="h*n*m*r + h*n*m*f + h*n*c*e + h*n*d*p + n*c*p",
    memory="h*n*d + h*n*e + h*n*r + h*n*f + n*p + m*r + m*f",
    causal="option",
    normalised=False,
    values=("w_uv",),
    positional=True,
    mask_shape="h n m",
    paper="deepseek2024",
)
def latent_attention(
    x: Any,
    w_dq: Any | None,
    w_uq: Any,
    w_dkv: Any,
    w_uk: Any,
    w_uv: Any,
    w_o: Any,
    w_qr: Any | None = None,
    w_kr: Any | None = None,
    y: Any | None = None,
    *,
    mask: Any | None = None,
    bias: Any | None = None,
    causal: bool = False,
    scale: float | None = None,
    base: float = 10000.0,
    layout: str = "interleaved",
    form: str = "absorbed",
) -> Any:
    """Attend in h heads whose keys and values are stored as one latent vector.

    Parameters
    ----------
    x : array, shape (..., n, c)
        The tokens that ask: the last n of m.
    w_dq : array, shape (..., p, c), or None
        Compression of the tokens that ask. None for models that do without (DeepSeek-V2-Lite): w_uq and w_qr then take
        a token, of size c, in place of p.
    w_uq : array, shape (..., h, d, p)
        To the part of the queries without position.
    w_dkv : array, shape (..., r, c)
        Joint compression to the latent vectors of keys and values.
    w_uk : array, shape (..., h, d, r)
        From latent vectors to the part of the keys without position.
    w_uv : array, shape (..., h, e, r)
        From latent vectors to values.
    w_o : array, shape (..., h, c, e)
        Projections of the heads' outputs, which are summed.
    w_qr : array, shape (..., h, f, p), optional
    w_kr : array, shape (..., f, c), optional
        To the rotated part of the queries of each head, and of the keys of all heads; both or neither.
    y : array, shape (..., m, c), optional
        All tokens, where x are the last of them; by default x.
    mask : boolean array broadcasting to (..., h, n, m), optional
        True where a query may attend to a key. A mask for each sequence of a batch needs an axis of size 1 for heads.
    bias : array broadcasting to (..., h, n, m), optional
        Added to the logits. -inf works as a mask.
    causal : bool
        Query i sees keys ``j <= i + m - n`` only.
    scale : float, optional
        Factor of q . k; by default 1 / sqrt(d + f).
    base, layout
        Of the rotation: see `factorattn.position.rotary`.
    form : {"absorbed", "explicit", "dense"}
        Equal to rounding. "dense" and "explicit" expand keys and values of every head, with all logits at once or tile
        by tile; "absorbed" attends to the latent vectors themselves, which is less work where queries are few.

    Returns
    -------
    out : array, shape (..., n, c), result dtype of the inputs

    Raises
    ------
    ValueError
        If shapes disagree, only one of w_qr and w_kr is given, or an option is unknown.
    TypeError
        If inputs are not floating arrays of one library, or `mask` is not boolean.

    Notes
    -----
    The published models normalise both latent vectors (RMSNorm) before they are expanded, which the paper mentions
    among its training details and not in these equations; and their context extension changes base and scale.

    References
    ----------
    DeepSeek-AI, "DeepSeek-V2: A Strong, Economical, and Efficient Mixture-of-Experts Language Model", 2024, sections
    2.1.2 and 2.1.3. arXiv:2405.04434
    """
    given = {"x": x, "w_uq": w_uq, "w_dkv": w_dkv, "w_uk": w_uk, "w_uv": w_uv, "w_o": w_o}
    given |= {"w_qr": w_qr, "w_kr": w_kr, "y": y}
    xp, size = check(UNCOMPRESSED, **given) if w_dq is None else check(INPUTS, w_dq=w_dq, **given)
    attend = choose(FORMS, form=form)
    if (w_qr is None) != (w_kr is None):
        raise ValueError("w_qr and w_kr must be given together, or neither of them")
    dtype, arrays = computed(x, w_dq, w_uq, w_dkv, w_uk, w_uv, w_o, w_qr, w_kr, y, xp=xp)
    x, w_dq, w_uq, w_dkv, w_uk, w_uv, w_o, w_qr, w_kr, y = arrays
    y = x if y is None else y
    asked, latent = x if w_dq is None else project(x, w_dq), project(y, w_dkv)  # (..., n, p), (..., m, r)
    q = project_heads(asked, w_uq, xp=xp)  # (..., h, n, d)
    q_turned = k_turned = None
    if w_qr is not None:
        first = y.shape[-2] - x.shape[-2]  # the position of query 0
        q_turned = rotary(project_heads(asked, w_qr, xp=xp), offset=first, base=base, layout=layout)  # (..., h, n, f)
        k_turned = rotary(project(y, w_kr), base=base, layout=layout)[..., None, :, :]  # (..., 1, m, f)
    options = {"mask": mask, "bias": bias, "causal": causal, "scale": scale, "size": size["d"] + size.get("f", 0)}
    o = attend(q, q_turned, latent, k_turned, w_uk, w_uv, options, xp=xp)  # (..., h, n, e)
    return xp.astype(unproject(o, w_o, xp=xp), dtype, copy=False)


def _dense(q, q_turned, latent, k_turned, w_uk, w_uv, options, *, xp):
    """The definition: keys and values of every head, and every logit."""
    k, v = (project_heads(latent, w, xp=xp) for w in (w_uk, w_uv))  # (..., h, m, d), (..., h, m, e)
    q, k = _joined(q, q_turned, xp=xp), _joined(k, k_turned, xp=xp)  # (..., h, n or m, d + f)
    return attend_heads(q, k, v, **options, form=SOFTMAX["dense"], xp=xp)


def _explicit(q, q_turned, latent, k_turned, w_uk, w_uv, options, *, xp):
    """The same, keys tile by tile."""
    k, v = (project_heads(latent, w, xp=xp) for w in (w_uk, w_uv))  # (..., h, m, d), (..., h, m, e)
    q, k = _joined(q, q_turned, xp=xp), _joined(k, k_turned, xp=xp)  # (..., h, n or m, d + f)
    return attend_heads(q, k, v, **options, form=SOFTMAX["online"], xp=xp)


def _absorbed(q, q_turned, latent, k_turned, w_uk, w_uv, options, *, xp):
    """One head of keys, the latent vectors, for all heads of queries; its values are the first r of their entries."""
    r = latent.shape[-1]
    q = _joined(q @ w_uk, q_turned, xp=xp)  # (..., h, n, r + f)
    k = _joined(latent[..., None, :, :], k_turned, xp=xp)  # (..., 1, m, r + f)
    mixed = attend_heads(q, k, k[..., :r], **options, form=SOFTMAX["online"], xp=xp)  # (..., h, n, r)
    return project(mixed, w_uv)


def _joined(a, b, *, xp):
    """Both parts of queries or keys, side by side; the rotated part of keys is that of every head."""
    if b is None:
        return a
    batch = np.broadcast_shapes(a.shape[:-1], b.shape[:-1])
    return xp.concat([xp.broadcast_to(part, (*batch, part.shape[-1])) for part in (a, b)], axis=-1)


FORMS = {"dense": _dense, "explicit": _explicit, "absorbed": _absorbed}
