"""What is kept for mechanisms that project tokens themselves: as few keys and values as they have.

    heads     multi-head, grouped-query, multi-query: keys and values of the g heads that have their own
    latent    one latent vector a token, of which keys and values of all heads are made; and rotated keys

What is asked, and how, is as in `factorattn.attention.multihead`.
"""

from factorattn.attention.multihead.engine import FORMS, attend_heads, project, project_heads, unproject
from factorattn.attention.multihead.latent import FORMS as LATENT
from factorattn.factor.factored import Heads
from factorattn.model.transformer.asked import joined
from factorattn.position import rotary

__all__ = ["answer_heads", "answer_latent", "keep_heads", "keep_latent"]


# heads: mechanisms with projections of their own


def keep_heads(asked, cache, y):
    w = asked.parameters["learned"]
    new = {name: _own_heads(y, w[f"w_{name}"], w.get(f"b_{name}"), xp=asked.xp) for name in ("k", "v")}
    return joined(cache, new, xp=asked.xp)


def _own_heads(y, w, b, *, xp):
    """Keys or values (..., g, t, d); one head where there is but one."""
    return project(y, w, b)[..., None, :, :] if w.ndim == 2 else project_heads(y, w, b, xp=xp)


def answer_heads(asked, kept):
    w, xp = asked.parameters["learned"], asked.xp
    k, v, groups = kept["k"], kept["v"], kept["k"].shape[-3]
    q = project_heads(asked.x, _in_a_row(w["w_q"], 4, xp=xp), _in_a_row(w.get("b_q"), 3, xp=xp), xp=xp)
    *batch, h, t, d = q.shape
    q = xp.reshape(q, (*batch, groups, h // groups, t, d))
    options = {"causal": asked.causal, "scale": None} | asked.options(None)
    mask = None if asked.mask is None else asked.mask[..., None, None, None, :]
    options["form"] = FORMS[asked.slot.option("form")]
    k, v = k[..., None, :, :], v[..., None, :, :]
    o = attend_heads(q, k, v, mask=mask, bias=None, size=d, xp=xp, **options)  # (..., g, h / g, t, e)
    o = xp.reshape(o, (*o.shape[:-4], h, *o.shape[-2:]))
    return unproject(o, _in_a_row(w["w_o"], 4, xp=xp), w.get("b_o"), xp=xp)


def _in_a_row(w, axes, *, xp):
    """Weights of groups of heads as those of one row of heads."""
    if w is None or w.ndim < axes:
        return w
    if isinstance(w, Heads):
        return Heads(w.matrix, w.shape[0] * w.shape[1], w.side)
    return xp.reshape(w, (w.shape[0] * w.shape[1], *w.shape[2:]))


# latent: keys and values of all heads are made of one vector


def keep_latent(asked, cache, y):
    w = asked.parameters["learned"]
    new = {"latent": project(y, w["w_dkv"])}
    if "w_kr" in w:
        new["turned"] = rotary(project(y, w["w_kr"]), offset=asked.first, **_turning(asked))
    return joined(cache, new, xp=asked.xp)


def _turning(asked):
    return {name: asked.slot.options[name] for name in ("base", "layout") if name in asked.slot.options}


def answer_latent(asked, kept):
    w, xp = asked.parameters["learned"], asked.xp
    down = project(asked.x, w["w_dq"])
    q, q_turned, k_turned = project_heads(down, w["w_uq"], xp=xp), None, None
    size = q.shape[-1]
    if "turned" in kept:
        q_turned = rotary(project_heads(down, w["w_qr"], xp=xp), offset=asked.first, **_turning(asked))
        k_turned, size = kept["turned"][..., None, :, :], size + q_turned.shape[-1]
    mask = None if asked.mask is None else asked.mask[..., None, None, :]
    own = asked.slot.option
    options = {"mask": mask, "bias": None, "causal": asked.causal, "scale": own("scale"), "size": size}
    form = LATENT[own("form")]
    o = form(q, q_turned, kept["latent"], k_turned, w["w_uk"], w["w_uv"], options, xp=xp)
    return unproject(o, w["w_o"], xp=xp)
