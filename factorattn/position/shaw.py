"""Relative position representations (Shaw et al. 2018): a learned vector for each distance up to k, added to the key.

    e_ij = scale q_i . (k_j + a^K_ij),   z_i = sum_j p_ij (v_j + a^V_ij),   a_ij = a[clip(j - i, -k, k)]

`shaw_relative` is the second term of e, a bias of logits; `shaw_values` the second term of z.
"""

from typing import Any

from factorattn.catalogue import Position
from factorattn.contract import check, choose, working_precision
from factorattn.position.options import beside, distances, length, logit_scale

__all__ = ["shaw_relative", "shaw_values"]

KEYS = "q: ... n d, a: ... r d"
VALUES = "p: ... n m, a: ... r e"


@Position(inputs=f"{KEYS}, m = m", output="n m", time="n*r*d + n*m", memory="n*r + n*m", paper="shaw2018")
def shaw_relative(
    q: Any, a: Any, m: int, *, scale: float | None = None, offset: int | None = None, form: str = "product"
) -> Any:
    """What queries say to distances: pass it as ``bias=``.

    Parameters
    ----------
    q : array, shape (..., n, d)
        Queries.
    a : array, shape (..., r, d)
        The vectors a^K of the distances j - i = -k ... k, with r = 2 k + 1. (The paper shares them among heads.)
    m : int
        Number of keys.
    scale : float, optional
        Factor of q . a, the same that attention has for q . k; by default 1 / sqrt(d).
    offset : int, optional
        The key that stands beside query 0, by default m - n: the last query beside the last key.
    form : {"product", "explicit"}
        Equal to rounding. "explicit" is the definition, and holds a vector for every pair; "product" multiplies first
        and then spreads the n r products.

    Returns
    -------
    bias : array, shape (..., n, m), result dtype of the inputs

    Raises
    ------
    ValueError
        If shapes disagree, r is even, m is negative, or `form` is unknown.
    TypeError
        If inputs are not floating arrays of one library.

    References
    ----------
    Shaw, Uszkoreit and Vaswani, "Self-Attention with Relative Position Representations", 2018, sections 3.1 to 3.3.
    arXiv:1803.02155
    """
    xp, size = check(KEYS, q=q, a=a)
    product, n, m = choose(KEY_FORMS, form=form), size["n"], length("m", m)
    k = _reach(size["r"])
    dtype, (q, a) = working_precision(q, a, xp=xp)
    ahead = distances(n, m, beside(offset, n, m), device=q.device, xp=xp)
    row = xp.clip(ahead, -k, k) + k  # (n, m), of a
    bias = product(q * logit_scale(scale, size["d"]), a, row, xp=xp)
    return xp.astype(bias, dtype, copy=False)


@Position(inputs=VALUES, output="n e", time="n*m + n*r*e", memory="n*m + n*r + n*e", paper="shaw2018")
def shaw_values(p: Any, a: Any, *, offset: int | None = None, form: str = "product") -> Any:
    """What weights make of distances: add it to the output of attention.

    Parameters
    ----------
    p : array, shape (..., n, m)
        Weights; ``softmax_attention(q, k, identity)`` gives them.
    a : array, shape (..., r, e)
        The vectors a^V of the distances j - i = -k ... k, with r = 2 k + 1.
    offset : int, optional
        The key that stands beside query 0, by default m - n: the last query beside the last key.
    form : {"product", "explicit"}
        Equal to rounding. "explicit" is the definition, and holds a vector for every pair; "product" adds up the
        weights of every distance first.

    Returns
    -------
    z : array, shape (..., n, e), result dtype of the inputs

    Raises
    ------
    ValueError
        If shapes disagree, r is even, or `form` is unknown.
    TypeError
        If inputs are not floating arrays of one library.

    References
    ----------
    Shaw, Uszkoreit and Vaswani, "Self-Attention with Relative Position Representations", 2018, section 3.1.
    arXiv:1803.02155
    """
    xp, size = check(VALUES, p=p, a=a)
    add, n, m = choose(VALUE_FORMS, form=form), size["n"], size["m"]
    k = _reach(size["r"])
    dtype, (p, a) = working_precision(p, a, xp=xp)
    z = add(p, a, k, beside(offset, n, m), xp=xp)
    return xp.astype(z, dtype, copy=False)


def _reach(r):
    if r % 2 == 0:
        raise ValueError(f"a must have an odd number of rows, for distances -k ... k, got {r}")
    return r // 2


def _vectors(a, row, *, xp):
    """The vector of every pair: (..., n, m, d)."""
    return xp.reshape(xp.take(a, xp.reshape(row, (-1,)), axis=-2), (*a.shape[:-2], *row.shape, a.shape[-1]))


def _key_explicit(q, a, row, *, xp):
    return xp.sum(q[..., :, None, :] * _vectors(a, row, xp=xp), axis=-1)  # (..., n, m)


def _key_product(q, a, row, *, xp):
    products = q @ a.mT  # (..., n, r)
    n, r = products.shape[-2:]
    place = row + r * xp.arange(n, dtype=xp.int64, device=q.device)[:, None]  # (n, m), in a flat (n, r)
    flat = xp.reshape(products, (*products.shape[:-2], n * r))
    return xp.reshape(xp.take(flat, xp.reshape(place, (-1,)), axis=-1), (*products.shape[:-2], *row.shape))


def _value_explicit(p, a, k, offset, *, xp):
    n, m = p.shape[-2:]
    row = xp.clip(distances(n, m, offset, device=p.device, xp=xp), -k, k) + k  # (n, m)
    return xp.sum(p[..., None] * _vectors(a, row, xp=xp), axis=-2)  # (..., n, e)


def _value_product(p, a, k, offset, *, xp):
    n, m = p.shape[-2:]
    ahead = distances(n, m, offset, device=p.device, xp=xp)  # (n, m)
    before = xp.sum(xp.where(ahead < -k, p, 0.0), axis=-1, keepdims=True)  # (..., n, 1)
    after = xp.sum(xp.where(ahead > k, p, 0.0), axis=-1, keepdims=True)
    near = _near(p, k, offset, xp=xp)  # (..., n, r)
    return near @ a + before * a[..., :1, :] + after * a[..., -1:, :]  # (..., n, e)


def _near(p, k, offset, *, xp):
    """The weights of the keys at distances -k ... k from each query: (..., n, r); zero where there is no such key."""
    n, m = p.shape[-2:]
    if m == 0:
        return xp.zeros((*p.shape[:-1], 2 * k + 1), dtype=p.dtype, device=p.device)
    i = xp.arange(n, dtype=xp.int64, device=p.device)[:, None]  # (n, 1)
    j = i + xp.arange(offset - k, offset + k + 1, dtype=xp.int64, device=p.device)  # (n, r)
    place = i * m + xp.clip(j, 0, m - 1)  # in a flat (n, m)
    flat = xp.reshape(p, (*p.shape[:-2], n * m))
    near = xp.reshape(xp.take(flat, xp.reshape(place, (-1,)), axis=-1), (*p.shape[:-2], *j.shape))
    return xp.where((j >= 0) & (j < m), near, 0.0)


KEY_FORMS = {"explicit": _key_explicit, "product": _key_product}
VALUE_FORMS = {"explicit": _value_explicit, "product": _value_product}
