"""What all structured factorizations share: edges, batches, dtypes, libraries, scales, counted cost."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from libraries import LIBRARIES

from factorattn.factor.structured import block_diagonal, butterfly, circulant, kronecker, monarch, toeplitz
from factorattn.factor.structured.sizes import divides, near_square, prime_factors
from factorattn.interpret.counting import counting
from factorattn.testing import BOUND, ROUNDING

ALL = {
    "kronecker": partial(kronecker, rank=2),
    "kronecker-1": partial(kronecker, rank=1),
    "toeplitz": toeplitz,
    "circulant": circulant,
    "block_diagonal": block_diagonal,
    "monarch": monarch,
    "monarch-2": partial(monarch, rank=2),
    "butterfly": butterfly,
    "butterfly-reversed": partial(butterfly, permutation="bit reversal"),
}
every = pytest.mark.parametrize("name", ALL)
SHAPES = [(12, 8), (8, 12), (16, 16), (9, 9), (7, 5), (1, 6), (6, 1), (1, 1), (2, 3, 6, 4), (2, 1, 4, 4)]
EMPTY = [(0, 3), (3, 0), (0, 0), (2, 0, 4), (0, 4, 4), (2, 0, 0)]


@pytest.fixture(params=LIBRARIES)
def xp(request):
    return pytest.importorskip(request.param)


def draw(shape, *, seed=0, kind="float64"):
    rng = np.random.default_rng(seed)
    a = rng.standard_normal(shape)
    return (a + 1j * rng.standard_normal(shape) if kind.startswith("complex") else a).astype(kind)


def of_shapes(shapes):
    """Every factorization with every shape that it takes."""
    fit = [(name, shape) for name in ALL for shape in shapes if name != "circulant" or shape[-1] == shape[-2]]
    return pytest.mark.parametrize(("name", "shape"), fit, ids=str)


def close(got, want, length):
    got, want = np.asarray(got), np.asarray(want)
    assert got.shape == want.shape
    scale = np.max(np.abs(want), initial=0.0)
    assert np.max(np.abs(got - want), initial=0.0) <= ROUNDING(got.dtype, length) * scale


@pytest.mark.parametrize("kind", ["float64", "complex128"])
@of_shapes(SHAPES)
def test_products_rows_and_transposes_are_those_of_the_dense_matrix(name, shape, kind, xp):
    a = draw(shape, kind=kind)
    f = ALL[name](xp.asarray(a))
    dense = np.asarray(f.to_dense())
    *batch, p, q = shape
    length = p * q
    assert f.shape == shape
    assert f.dtype == getattr(xp, kind)
    x, y = draw((*batch, q, 3), seed=1, kind=kind), draw((*batch, p, 3), seed=2, kind=kind)
    index = [0, p - 1, p // 2]
    close(f @ xp.asarray(x), dense @ x, length)
    close(f.matvec(xp.asarray(x[..., 0])), (dense @ x)[..., 0], length)
    close(f.matvec(xp.asarray(x.reshape(-1, q, 3)[0, :, 0])), dense @ x.reshape(-1, q, 3)[0, :, 0], length)
    close(f.rmatmat(xp.asarray(y)), dense.conj().mT @ y, length)
    close(f.mT.to_dense(), dense.mT, length)
    close(f.mT.mT.to_dense(), dense, length)
    close(f.mT @ xp.asarray(y), dense.mT @ y, length)
    close(f.rows(xp.asarray(index)), dense[..., index, :], length)


@every
def test_libraries_agree(name, xp):
    a = draw((2, 8, 8), kind="complex64")
    close(ALL[name](xp.asarray(a)).to_dense(), ALL[name](a).to_dense(), a.size)


@pytest.mark.parametrize("kind", ["float64", "complex128"])
@of_shapes(SHAPES)
def test_the_error_bound_is_the_error_of_each_member(name, shape, kind):
    a = draw(shape, kind=kind)
    f = ALL[name](a)
    error, size = np.linalg.norm(a - f.to_dense(), axis=(-2, -1)), np.linalg.norm(a, axis=(-2, -1))
    assert f.error_bound.shape == shape[:-2]
    assert f.error_bound.dtype == "float64"
    assert np.all(np.abs(error - f.error_bound) <= ROUNDING("float64", a.size) * size)


@every
def test_members_of_a_batch_are_factored_alone(name):
    a = draw((2, 3, 8, 8))
    dense = ALL[name](a).to_dense()
    for at in np.ndindex(2, 3):
        close(dense[at], ALL[name](a[at]).to_dense(), 64)


@every
def test_what_has_the_form_is_recovered(name):
    form = ALL[name](draw((12, 12))).to_dense()
    again = ALL[name](form)
    close(again.to_dense(), form, form.size)
    assert again.error_bound <= ROUNDING("float64", form.size) * np.linalg.norm(form)
    general = draw((12, 12), seed=1)
    assert ALL[name](general).error_bound > ROUNDING("float64", general.size) * np.linalg.norm(general)


@of_shapes(EMPTY)
def test_empty_matrices_give_empty_factors(name, shape, xp):
    f = ALL[name](xp.asarray(np.zeros(shape)))
    *batch, p, q = shape
    assert f.shape == tuple(f.to_dense().shape) == shape
    assert tuple(f.mT.to_dense().shape) == (*batch, q, p)
    out = np.asarray(f @ xp.asarray(np.ones((*batch, q, 2))))
    assert out.shape == (*batch, p, 2)
    assert not np.any(out)
    assert not np.any(np.asarray(f.error_bound))


@every
def test_zeros_give_zeros_and_no_error(name):
    f = ALL[name](np.zeros((8, 8)))
    assert not np.any(f.to_dense())
    assert f.error_bound == 0
    assert not np.any(f @ np.ones((8, 1)))


@pytest.mark.parametrize(
    ("kind", "scale"), [("float32", 1e30), ("float32", 1e-30), ("float64", 1e150), ("float64", 1e-150)]
)
@every
def test_very_large_and_very_small_entries_are_factored_like_others(name, kind, scale):
    a = draw((16, 16))
    want, got = ALL[name](a), ALL[name]((a * scale).astype(kind))
    assert got.dtype == kind
    close((got.to_dense() / scale).astype(kind), want.to_dense(), a.size)
    close((got.error_bound / scale).astype(kind), want.error_bound, a.size)
    x = draw((16, 2)).astype(kind)
    close((got @ x / scale).astype(kind), want @ x, a.size)


@every
def test_hilbert_and_constant_and_half_precision_matrices_are_factored(name):
    places = np.indices((16, 16)).sum(axis=0)
    for a in (1.0 / (1.0 + places), np.ones((16, 16)), draw((16, 16), kind="float16")):
        f = ALL[name](a)
        dense = f.to_dense()
        assert f.dtype == (np.float64 if a.dtype == np.float64 else np.float32)
        assert np.all(np.isfinite(dense))
        exact = a.astype("float64")
        rounding = ROUNDING(f.dtype, a.size) * np.linalg.norm(exact)
        assert np.linalg.norm(exact - dense) <= BOUND(float(f.error_bound), f.dtype, a.size) + rounding


@every
def test_half_precision_vectors_and_single_ones_keep_the_dtype(name):
    f = ALL[name](draw((8, 8), kind="float32"))
    assert (f @ np.ones((8, 1), dtype="float32")).dtype == np.float32
    assert f.astype(np.float64).to_dense().dtype == np.float64
    close(f.astype(np.float64).to_dense().astype("float32"), f.to_dense(), 64)


@of_shapes([(12, 8), (16, 16), (9, 15), (2, 3, 8, 8), (1, 6), (1, 1)])
def test_the_operations_that_it_tells_are_those_that_are_counted(name, shape):
    xp = counting()
    f, same = ALL[name](xp.empty(shape)), ALL[name](np.ones(shape))
    x = xp.empty((*shape[:-2], shape[-1]))
    xp.tally.start()
    assert f.matvec(x).shape == shape[:-1]
    assert xp.tally.flops == f.flops == same.flops
    assert (f.parameters, f.shape) == (same.parameters, same.shape)


@every
def test_what_cannot_be_factored_is_refused(name):
    with pytest.raises(ValueError, match=r"^a must be finite, but holds nan at \(1, 1\)$"):
        ALL[name](np.asarray([[1.0, 2.0], [3.0, np.nan]]))
    with pytest.raises(ValueError, match=r"^a must be finite, but holds .*inf"):
        ALL[name](np.asarray([[1.0, 1j * np.inf], [3.0, 4.0]]))
    with pytest.raises(ValueError, match=r"^a needs shape \(..., p, [pq]\), got \(4,\)"):
        ALL[name](np.ones(4))
    with pytest.raises(TypeError, match=r"^a must have a real floating dtype, got int64"):
        ALL[name](np.ones((4, 4), dtype="int64"))


@given(n=st.integers(1, 500))
@settings(deadline=None)
def test_divisors_and_prime_factors(n):
    root = near_square(n)
    assert n % root == 0
    assert root * root <= n
    assert not any(n % x == 0 for x in range(root + 1, n) if x * x <= n)
    primes = prime_factors(n)
    assert int(np.prod(primes)) == n
    assert primes == sorted(primes)
    assert all(p % x for p in primes for x in range(2, p))


def test_what_does_not_divide_is_refused_with_what_does():
    assert divides(12, "rows", x=np.int64(4)) == 4
    with pytest.raises(ValueError, match=r"^x must divide the 12 rows, got 5; 4 and 6 do, and are nearest$"):
        divides(12, "rows", x=5)
    with pytest.raises(ValueError, match=r"^x must be positive, got 0$"):
        divides(12, "rows", x=0)
    with pytest.raises(TypeError, match=r"^x must be an integer, got 2.0$"):
        divides(12, "rows", x=2.0)
