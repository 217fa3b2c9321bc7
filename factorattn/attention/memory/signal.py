"""A sequence of values as a function of time, and its mean under a density of attention (Martins et al. 2020).

    V(t) = sum_j psi_j(t) b_j,   B = G^T V fitted by ridge regression,   o = E_p V(t) = sum_j E_p[psi_j] b_j

With E_p[psi_j] in closed form, the mean costs the number r of basis functions, however long the sequence was.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from factorattn.contract import choose, working_precision
from factorattn.factor.radial import radial_grid
from factorattn.factor.ridge import sequence_operator
from factorattn.primitives.softmax_attend import ROWS
from factorattn.primitives.tiles import scan_tiles
from factorattn.scalars import positive

__all__ = ["FORMS", "basis_of", "fit", "mean_signal", "read", "widths_of"]

BASIS = 64  # functions, where it is not said how many: one of the sizes of the paper's experiments
RIDGE = 0.01  # the penalty of the authors' code


def widths_of(widths: float | Sequence[float]) -> tuple[float, ...]:
    """Standard deviations of basis functions as a tuple: a single number, or a sequence of some."""
    given = tuple(widths) if isinstance(widths, Sequence) else (widths,)
    if not given:
        raise ValueError("widths must hold a standard deviation at least, got none")
    return tuple(positive(widths=width) for width in given)


def basis_of(rank: int, widths: tuple[float, ...], *, like: Any, xp: Any) -> tuple[Any, Any]:
    """Centres and widths (r,) of the basis functions, on the device and in the dtype of an array."""
    centres, spreads = (xp.asarray(x, dtype=like.dtype, device=like.device) for x in radial_grid(rank, widths))
    return centres, spreads


def fit(v: Any, g: Any | None, *, rank: int | None, widths: tuple[float, ...], ridge: float | None, xp: Any) -> Any:
    """The operator G (..., m, r) that was given, or that of `factorattn.factor.ridge` for values at 1/m ... 1."""
    if g is not None:
        if ridge is not None:
            raise ValueError("ridge must be None where g is given: nothing is left to fit")
        return g
    m = v.shape[-2]
    rank = max(1, min(m, BASIS)) if rank is None else rank
    host = sequence_operator(m, rank, widths, RIDGE if ridge is None else positive(ridge=ridge))
    return xp.asarray(host, dtype=v.dtype, device=v.device)


def read(means: Callable, b: Any, n: int, *, batch: tuple[int, ...], xp: Any) -> Any:
    """The means of a signal with coefficients b (..., r, e), for n queries, tile by tile: (..., n, e).

    ``means(rows)`` gives the means of the basis functions (..., rows, r) for a slice of the queries.
    """

    def read_rows(_, rows):
        return None, means(rows) @ b  # (..., rows, e)

    _, o = scan_tiles(read_rows, None, 0, n, ROWS, xp=xp)
    return xp.zeros((*batch, 0, b.shape[-1]), dtype=b.dtype, device=b.device) if o is None else o


def mean_signal(
    density: Callable,
    mu: Any,
    sigma: Any,
    v: Any,
    g: Any | None,
    *,
    rank: int | None,
    widths: float | Sequence[float],
    ridge: float | None,
    form: str,
    xp: Any,
) -> Any:
    """The mean of fitted values under one density for each query.

    Parameters
    ----------
    density : callable
        One of `factorattn.factor.radial`: takes mu, sigma, centres and widths to means of basis functions.
    mu, sigma : array, shape (..., n)
    v : array, shape (..., m, e)
    g : array, shape (..., m, r), optional
    rank : int, optional
    widths : float or sequence of float
    ridge : float, optional
    form : str

    Returns
    -------
    o : array, shape (..., n, e), result dtype of the arrays
    """
    attend, spreads = choose(FORMS, form=form), widths_of(widths)
    given = (mu, sigma, v) if g is None else (mu, sigma, v, g)
    dtype, (mu, sigma, v, *own) = working_precision(*given, xp=xp)
    g = fit(v, own[0] if own else None, rank=rank, widths=spreads, ridge=ridge, xp=xp)
    basis = basis_of(g.shape[-1], spreads, like=v, xp=xp)

    def means(rows):
        return density(mu[..., rows], sigma[..., rows], *basis, xp=xp)  # (..., rows, r)

    batch = np.broadcast_shapes(mu.shape[:-1], sigma.shape[:-1], v.shape[:-2], g.shape[:-2])
    return xp.astype(attend(means, g, v, mu.shape[-1], batch=batch, xp=xp), dtype, copy=False)


def _dense(means, g, v, n, *, batch, xp):
    """The definition, as attention: weights over the m values. They may be negative, and need not sum to one."""
    return (means(slice(0, n)) @ g.mT) @ v  # (..., n, m), then (..., n, e)


def _basis(means, g, v, n, *, batch, xp):
    """First the r coefficients of the signal, then its means."""
    return read(means, g.mT @ v, n, batch=batch, xp=xp)


FORMS = {"dense": _dense, "basis": _basis}
