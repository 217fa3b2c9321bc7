"""Every factorization at every hard matrix: one row, one column, one entry or none; scales, half precision, lost ranks.

The laws try shapes of twelve by eight; here are the shapes and sizes of entries at which code breaks.
"""

import math

import numpy as np
import pytest
from libraries import LIBRARIES
from matrices import hilbert

from factorattn.compress import WEIGHTED
from factorattn.factor import FACTORIZATIONS
from factorattn.testing import BOUND, ROUNDING
from factorattn.testing.case import to_numpy

ALL = {**FACTORIZATIONS, **WEIGHTED}
every_factorization = pytest.mark.parametrize("f", ALL.values(), ids=ALL)
SQUARE = ("square", "semidefinite")
NARROW = [(1, 1), (1, 7), (7, 1), (7, 7)]
SHAPES = [*NARROW, (9, 6), (6, 9)]
SCALES = [(1.0, "float64"), (1e150, "float64"), (1e-150, "float64"), (1e30, "float32"), (1e-30, "float32")]
HALF = [(1.0, "float16"), (2.0**14, "float16")]  # squares of the last are above the largest number of float16


@pytest.fixture(params=LIBRARIES)
def xp(request):
    return pytest.importorskip(request.param)


def shapes_of(f, shapes):
    """Those of the shapes that a factorization takes."""
    return [shape for shape in shapes if shape[0] == shape[1] or f.record.needs not in SQUARE]


def hard(f, p, q):
    """Matrices of the kind that is taken, with entries of size one."""
    rng, k = np.random.default_rng(p * q), np.arange(min(p, q))
    graded, corner = np.zeros((p, q)), np.zeros((p, q))
    graded[k, k] = 10.0 ** (-2 * k)
    corner[0, 0] = 1.0
    left, right = rng.uniform(0.5, 1, (p, 1)), rng.uniform(0.5, 1, (1, q))
    normal = rng.uniform(-1, 1, (p, q))
    if f.record.needs == "semidefinite":
        normal, right = normal @ normal.T / p, left.T
    if f.record.needs == "nonnegative":
        normal = np.abs(normal)
    return {
        "general": normal,
        "zero": np.zeros((p, q)),
        "constant": np.ones((p, q)),
        "Hilbert": hilbert(p, q),
        "of rank one": left @ right,
        "one entry": corner,
        "graded": graded,
    }


def run(f, a, rank, xp=np):
    p, q = a.shape
    options = {"iterations": 5} if f.__name__ in ("cp", "nmf", "robust_pca") else {}
    if f.record.random:
        options["rng"] = 0
    if f.__name__ == "axial_table":
        x = next(n for n in range(math.isqrt(p), 0, -1) if p % n == 0)
        options.update(x=x, y=p // x)
    elif f.__name__ == "tensor_train_matrix":
        options.update(row_modes=(1, p), column_modes=(q, 1))  # a prime side has no other digits
    elif f.__name__ in ("asvd", "svd_llm"):
        options["x"] = xp.asarray(np.random.default_rng(1).uniform(-1, 1, (5, q)).astype(a.dtype))
    if "rank = r" in f.record.inputs:
        options["rank"] = rank
    return f(xp.asarray(a), **options)


def held(f, name, a, rank, scale, xp):
    """Factor a matrix, and hold the result against all that is known of it."""
    factored = run(f, a, rank, xp)
    dtype = "float64" if a.dtype == np.float64 else "float32"
    assert factored.dtype == getattr(xp, dtype)
    got = np.reshape(to_numpy(factored.to_dense()).astype("float64"), a.shape) / scale
    want = a.astype("float64") / scale
    told = (f.__name__, name, a.shape, rank, scale)
    assert np.all(np.isfinite(got)), told
    if name == "zero":
        assert not np.any(got), told
    # What semidefinite matrices lose is told from the rounding of the dtype that they were given in.
    given = a.dtype if f.record.needs == "semidefinite" else dtype
    rounding = ROUNDING(given, a.size * max(a.shape)) * np.linalg.norm(want)
    error = np.linalg.norm(want - got)
    if factored.error_bound is not None:
        bound = float(to_numpy(factored.error_bound).astype("float64")) / scale
        assert error <= BOUND(bound, dtype, a.size) + rounding, told
    if f.record.exact == "always" or (f.record.exact == "rank" and rank >= min(a.shape)):
        assert error <= rounding, told
    if f.record.lowrank:
        best = np.linalg.norm(np.linalg.svd(want, compute_uv=False)[rank:])
        assert best <= BOUND(error, dtype, a.size) + rounding, told


@every_factorization
@pytest.mark.parametrize(("scale", "dtype"), SCALES)
def test_narrow_and_lost_and_steep_matrices_at_any_scale(f, scale, dtype):
    for shape in shapes_of(f, SHAPES):
        for name, a in hard(f, *shape).items():
            for rank in (1, min(shape), min(shape) + 3):
                held(f, name, (a * scale).astype(dtype), rank, scale, np)


@every_factorization
@pytest.mark.parametrize(("scale", "dtype"), SCALES[-2:])
def test_narrow_and_lost_and_steep_matrices_on_every_library(f, scale, dtype, xp):
    for shape in shapes_of(f, NARROW[1:]):
        for name, a in hard(f, *shape).items():
            held(f, name, (a * scale).astype(dtype), min(shape), scale, xp)


@every_factorization
@pytest.mark.parametrize(("scale", "dtype"), HALF)
def test_half_precision_is_factored_in_single(f, scale, dtype):
    for shape in shapes_of(f, SHAPES):
        for name, a in hard(f, *shape).items():
            for rank in (1, min(shape)):
                held(f, name, (a * scale).astype(dtype), rank, scale, np)


@every_factorization
@pytest.mark.parametrize("shape", [(0, 0), (0, 6), (6, 0)])
def test_of_nothing_there_is_nothing(f, shape, xp):
    if not shapes_of(f, [shape]):
        with pytest.raises(ValueError, match=r"axis 'p' is [06] in a "):
            run(f, np.zeros(shape), 2, xp)
        return
    if f.__name__ == "axial_table" and shape[0] == 0:
        with pytest.raises(ValueError, match="a grid of x = 2 rows and y = 1 columns has 2 positions, got n = 0"):
            f(xp.asarray(np.zeros(shape)), x=2, y=1)
        return
    factored = run(f, np.zeros(shape), 2, xp)
    assert tuple(to_numpy(factored.to_dense()).shape) == tuple(factored.shape) == shape
    x, y = (xp.asarray(np.zeros(n)) for n in shape[::-1])
    assert not np.any(to_numpy(factored.matvec(x)))
    assert tuple(factored.matvec(x).shape) == (shape[0],)
    assert tuple(factored.rmatvec(y).shape) == (shape[1],)
    assert factored.flops >= 0
    assert factored.parameters >= 0
    assert factored.nbytes >= 0
    if factored.error_bound is not None:
        assert float(factored.error_bound) == 0


@every_factorization
@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused_by_name_and_place(f, poison, xp):
    for shape in shapes_of(f, [(1, 7), (7, 1), (7, 7)]):
        a = hard(f, *shape)["general"]
        a[-1, -1] = poison
        name = f.record.inputs.partition(":")[0]
        place = f"{name} must be finite, but holds {poison} at ({shape[0] - 1}, {shape[1] - 1})"
        with pytest.raises(ValueError) as refused:  # noqa: PT011
            run(f, a, 1, xp)
        assert str(refused.value) == place
