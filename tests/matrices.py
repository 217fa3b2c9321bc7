"""Matrices that are hard for factorizations, and the bounds that none can beat."""

import numpy as np


def hilbert(p, q=None):
    """1 / (i + j + 1): its singular values fall to rounding within a dozen."""
    return 1 / (1.0 + np.add.outer(np.arange(p), np.arange(p if q is None else q)))


def kahan(n, c=0.285):
    """Kahan's triangle, whose smallest singular value column pivoting does not see; pivots are made unique."""
    s = np.sqrt(1 - c * c)
    columns = np.eye(n) - c * np.triu(np.ones((n, n)), 1)
    shrunk = 1 - 1e6 * np.finfo(float).eps * np.arange(n)  # against ties, which rounding would break
    return s ** np.arange(n)[:, None] * columns * shrunk


def spectrum(p, q, values, *, seed=0, dtype="float64"):
    """A matrix (p, q) with given singular values and singular vectors drawn evenly."""
    rng = np.random.default_rng(seed)
    u, v = (np.linalg.qr(normal(rng, (n, len(values)), dtype))[0] for n in (p, q))
    return (u * np.asarray(values)) @ v.mT.conj()


def semidefinite(p, values, *, seed=0, dtype="float64"):
    """A Hermitian matrix (p, p) with given eigenvalues, and zeros."""
    u = np.linalg.qr(normal(np.random.default_rng(seed), (p, len(values)), dtype))[0]
    a = (u * np.asarray(values)) @ u.mT.conj()
    return (a + a.mT.conj()) / 2


def normal(rng, shape, dtype="float64"):
    """Standard normal entries, complex where the dtype is."""
    a = rng.standard_normal(shape)
    return (a + 1j * rng.standard_normal(shape) if np.dtype(dtype).kind == "c" else a).astype(dtype)


def best_error(a, rank):
    """The Frobenius norm of what no matrix of a rank can reach (Eckart and Young)."""
    return np.linalg.norm(np.linalg.svd(a, compute_uv=False)[..., rank:], axis=-1)
