"""What the tests of tensors share: tensors of a known form, and what every result of a factorization must do."""

import math

import numpy as np
from matrices import normal

from factorattn.interpret.counting import counting
from factorattn.testing import ROUNDING

SHAPES = [(3, 4, 5), (6, 2), (2, 3, 2, 4), (1, 5, 2), (4, 1), (2, 2, 2, 2, 2)]
DTYPES = ["float32", "float64", "complex64", "complex128"]


def tensor(shape, *, seed=0, dtype="float64"):
    """Standard normal entries."""
    return normal(np.random.default_rng(seed), shape, dtype)


def planted(shape, rank, *, seed=0, dtype="float64"):
    """A sum of `rank` outer products, and its factors."""
    rng = np.random.default_rng(seed)
    factors = [normal(rng, (n, rank), dtype) for n in shape]
    return outer_products(factors), factors


def outer_products(factors):
    """The sum over columns of the outer products."""
    out = factors[0]
    for f in factors[1:]:
        out = out[..., None, :] * f
    return np.sum(out, axis=-1)


def near(got, want, length, *, dtype=None):
    """Hold two arrays against each other, relative to the largest entry, up to the rounding of `length` terms."""
    got, want = np.asarray(got), np.asarray(want)
    assert got.shape == want.shape
    scale = np.max(np.abs(want), initial=0.0)
    dtype = np.result_type(got, want) if dtype is None else dtype
    assert np.max(np.abs(got - want), initial=0.0) <= scale * ROUNDING(np.zeros(0, dtype).real.dtype, length)


def distance(a, b):
    """The Frobenius norm of a difference."""
    return float(np.linalg.norm(np.ravel(np.asarray(a) - np.asarray(b))))


def tail(a, k, rank):
    """What the best matrix of a rank leaves of the unfolding of a with its first k modes for rows."""
    s = np.linalg.svd(np.reshape(a, (math.prod(a.shape[:k]), -1)), compute_uv=False)
    return float(np.linalg.norm(s[rank:]))


def multiplies_as_its_matrix(f, xp=np):
    """Products from both sides, of batches too, the adjoint, the transpose and rows are those of `to_dense`."""
    dense, rng = np.asarray(f.to_dense()), np.random.default_rng(9)
    (*batch, p, q), dtype = f.shape, np.asarray(f.to_dense()).dtype
    assert dense.shape == (*batch, p, q)
    length = 8 * p * q
    x, y = normal(rng, (3, *batch, q, 2), dtype), normal(rng, (3, *batch, p, 2), dtype)
    near(f @ xp.asarray(x), dense @ x, length)
    near(f.rmatmat(xp.asarray(y)), dense.mT.conj() @ y, length)
    near(f.mT @ xp.asarray(y), dense.mT @ y, length)
    near(f.matvec(xp.asarray(x[..., 0])), (dense @ x[..., :1])[..., 0], length)
    near(f.rmatvec(xp.asarray(y[..., 0])), (dense.mT.conj() @ y[..., :1])[..., 0], length)
    near(f.mT.to_dense(), dense.mT, length)
    near(f.mT.mT.to_dense(), dense, length)
    rows, columns = rng.integers(p, size=5), rng.integers(q, size=5)
    near(f.rows(xp.asarray(rows)), dense[..., rows, :], length)
    near(f.mT.rows(xp.asarray(columns)), dense.mT[..., columns, :], length)


def counted(f):
    """The operations that are counted in a product of a result on NumPy with a vector; and the bytes at the peak."""
    xp = counting()
    shadow = f.map(lambda x: xp.empty(x.shape, dtype=x.dtype))
    v = xp.empty((*f.shape[:-2], f.shape[-1]), dtype=f.dtype)
    xp.tally.start()
    shadow.matvec(v)
    return xp.tally.flops, xp.tally.peak
