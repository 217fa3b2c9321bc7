"""A factored table of embeddings (ALBERT: Lan et al. 2020): words to a narrow vector, and that to the model's width.

    E = A B,    E (p, q), A (p, r), B (r, q):    p q numbers become r (p + q)

p words of width q; the r of the paper is called E, its q is called H. Rows of the product are looked up one by one.
"""

from typing import Any

from factorattn.catalogue import Factorization
from factorattn.factor.door import admit, frobenius
from factorattn.factor.factored import Product

__all__ = ["albert"]

INPUTS = "e: ... p q, rank = r"


@Factorization(
    inputs=INPUTS,
    time="p*q**2 + q**3",
    memory="p*q + q**2",
    exact="rank",
    lowrank=True,
    optimal=True,
    paper="lan2020",
)
def albert(e: Any, rank: int) -> Product:
    """Factor a table of embeddings into narrow embeddings and a projection.

    Parameters
    ----------
    e : array, shape (..., p, q)
        A row for each of p words.
    rank : int
        The width r of the narrow embeddings; min(p, q) or more changes nothing but the form.

    Returns
    -------
    table : Product
        Factors (..., p, r), the narrow embeddings, and (..., r, q), with orthonormal rows. ``table.rows(words)`` looks
        words up: 2 r q operations a word. ``error_bound`` is the error itself.

    Raises
    ------
    ValueError
        If `e` has fewer than two axes or holds NaN or infinity, or `rank` is not a positive integer.
    TypeError
        If `e` is not a floating array.

    Notes
    -----
    ALBERT trains the two factors from the start; here they are those of a trained table that are nearest to it. It pays
    below the break-even rank p q / (p + q), which for many words is hardly below the width q.

    Angles between words are those between rows of the first factor, since the second has orthonormal rows.

    References
    ----------
    Lan et al., "ALBERT: A Lite BERT for Self-supervised Learning of Language Representations", 2020, section 3.1.
    arXiv:1909.11942
    """
    xp, size, (e,) = admit(INPUTS, e=e, rank=rank)
    u, s, vt = xp.linalg.svd(e, full_matrices=False)  # (..., p, k), (..., k), (..., k, q)
    r = min(size["r"], s.shape[-1])
    left_out = frobenius(s[..., None, r:], xp=xp)
    return Product((u[..., :, :r] * s[..., None, :r], vt[..., :r, :]), error_bound=left_out)
