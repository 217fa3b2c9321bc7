"""Attention from the rows of one array to those of another, with the projections inside.

    q = x W_q^T,   k = y W_k^T,   v = y W_v^T,   o = softmax(scale q k^T) v
    q . k = x_i (W_q^T W_k) y_j^T                and        o = (softmax(...) y) W_v^T

The second line projects nothing of y: keys and values are y itself, with the weights merged on the side of x.
"""

from typing import Any

from factorattn.attention.exact.softmax import FORMS as EXACT
from factorattn.factor.factored import dense, times

__all__ = ["FORMS", "WEIGHTS"]

WEIGHTS = ("w_q", "w_k", "w_v")  # the arguments that may be factored


def _through(exact):
    """Project, then attend."""

    def attend(x, y, w_q, w_k, w_v, *, scale, mask, band, xp):
        q, k, v = times(x, w_q.mT), times(y, w_k.mT), times(y, w_v.mT)  # (..., n, d), (..., m, d), (..., m, e)
        return exact(q, k, v, scale=scale, softcap=None, bias=None, mask=mask, band=band, xp=xp)[0]

    return attend


def _bilinear(x, y, w_q, w_k, w_v, *, scale, mask, band, xp):
    """Attend to y itself; the d x c and e x c layers of y are applied to the queries and to the means."""
    q = x @ (dense(w_q).mT @ dense(w_k))  # (..., n, width of y)
    means = EXACT["online"](q, y, y, scale=scale, softcap=None, bias=None, mask=mask, band=band, xp=xp)[0]
    return times(means, w_v.mT)  # (..., n, e)


FORMS: dict[str, Any] = {
    "projected": _through(EXACT["dense"]),
    "bilinear": _bilinear,
    "online": _through(EXACT["online"]),
}
