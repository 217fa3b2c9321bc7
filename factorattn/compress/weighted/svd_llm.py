"""Truncation-aware whitening (SVD-LLM: Wang et al. 2025): the weights of rank r whose outputs on given inputs are best.

    S S^H = X^T X*,    F = (W S)_r S^-1,    |(W - F) X^T|_F^2 = s_{r+1}^2 + s_{r+2}^2 + ...

s are the singular values of W S, and (W S)_r is the nearest matrix of rank r. No other weights of rank r have outputs
that are nearer to those of W on the rows of X: the theorem of Eckart and Young in the norm of the outputs.
"""

from typing import Any

from factorattn.catalogue import Factorization
from factorattn.compress.weighted.nearest import nearest_weighted
from factorattn.factor.adjoint import adjoint
from factorattn.factor.door import admit, unit_scale
from factorattn.factor.factored import Product

__all__ = ["gram_root", "output_spectrum", "svd_llm"]

INPUTS = "w: ... p q, x: ... n q, rank = r"


@Factorization(
    inputs=INPUTS,
    time="n*q**2 + p*q**2 + q**3 + p*q*r",
    memory="n*q + p*q + q**2",
    exact="rank",
    lowrank=True,
    paper="wang2025svdllm",
)
def svd_llm(w: Any, x: Any, rank: int) -> Product:
    """Factor weights so that the outputs on given inputs change least.

    Parameters
    ----------
    w : array, shape (..., p, q)
        Weights, (out, in).
    x : array, shape (..., n, q)
        Inputs of the layer, as rows: n of them, from data that is like what it will see. Only X^T X* matters: where
        there are too many, `gram_root` gives a matrix (q, q) that stands for them.
    rank : int
        The rank r; min(p, q) or more gives `w` itself, to rounding.

    Returns
    -------
    factored : Product
        Factors (..., p, r) and (..., r, q), with orthonormal columns in the first. ``error_bound`` is |W - F|_F itself,
        not the error of the outputs: that is in `output_spectrum`.

    Raises
    ------
    ValueError
        If shapes do not fit, `w` or `x` holds NaN or infinity, or `rank` is not a positive integer.
    TypeError
        If `w` or `x` is not a floating array, or they are of two libraries.

    Notes
    -----
    The paper takes S from a Cholesky factorization, and inverts it; X^T X* must then be of full rank, and the authors'
    code adds to its diagonal until it is. Neither is needed. The R of X = Q R is such an S, without the squaring that
    loses half the digits; and (W S)_r S^-1 = U_r U_r^H W, with the left singular vectors U of W S, which exists for
    every S. Where inputs do not fill the space, many F have the same outputs: rank that they do not need goes to what
    is nearest to `w`.

    Cost is declared for n >= p >= q.

    References
    ----------
    Wang, Zheng, Wan and Zhang, "SVD-LLM: Truncation-aware Singular Value Decomposition for Large Language Model
    Compression", 2025, section 3. arXiv:2403.07378
    """
    xp, size, (w, x) = admit(INPUTS, w=w, x=x, rank=rank)
    ws, *_ = _outputs(w, x, xp=xp)
    return nearest_weighted(w, ws, size["r"], xp=xp)


def output_spectrum(w: Any, x: Any) -> Any:
    """Singular values (..., k) of W X^T, falling, for w (..., p, q) and x (..., n, q); k is the least of p, n, q.

    The root of the sum of the squares from r + 1 on is the error of the outputs of `svd_llm` at rank r, and of no
    weights of that rank is it less. `factorattn.compress.ranks_for_budget` takes them as spectra.
    """
    xp, _, (w, x) = admit("w: ... p q, x: ... n q", w=w, x=x)
    ws, of_w, of_x = _outputs(w, x, xp=xp)
    return xp.linalg.svd(ws, full_matrices=False)[1] * of_w[..., 0] * of_x[..., 0]


def gram_root(gram: Any) -> Any:
    """A matrix R (..., q, q) with R^H R = gram, to stand for inputs of which X^H X (..., q, q) was summed.

    By eigenvalues, since a Gram matrix of few inputs, or of float32 sums, has some that are zero, or negative by
    rounding: these count as zero, where a Cholesky factorization would fail.

    Raises
    ------
    ValueError
        If `gram` is not square, or holds NaN or infinity.
    """
    xp, _, (gram,) = admit("gram: ... q q", gram=gram)
    unit = unit_scale(gram, xp=xp)
    values, v = xp.linalg.eigh(gram / unit)  # (..., q), (..., q, q)
    root = xp.sqrt(xp.where(values > 0, values, xp.zeros_like(values)))
    return xp.sqrt(unit) * root[..., :, None] * adjoint(v, xp=xp)


def _outputs(w: Any, x: Any, *, xp: Any) -> tuple[Any, Any, Any]:
    """W R^T (..., p, k) for X = Q R, both divided by powers of two (..., 1, 1), and these."""
    of_w, of_x = unit_scale(w, xp=xp), unit_scale(x, xp=xp)
    r = xp.linalg.qr(x / of_x)[1]  # (..., k, q)
    return (w / of_w) @ r.mT, of_w, of_x
