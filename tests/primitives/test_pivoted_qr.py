"""QR with column pivoting: the reference by its definition, SciPy's kernel against it; ties may fall otherwise."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from libraries import LIBRARIES
from oracles import lists, seeds, sizes
from oracles.factor import rrqr as oracle

from factorattn.interpret.counting import counting
from factorattn.primitives import pivoted_qr_scipy as kernel
from factorattn.primitives.dispatch import Choice, Unsupported, explain, kernels
from factorattn.primitives.pivoted_qr import pivoted_qr
from factorattn.testing import BOUND, ROUNDING

DTYPES = ["float32", "float64", "complex64", "complex128"]
SHAPES = [(7, 5), (5, 7), (6, 6), (1, 4), (4, 1), (2, 3, 4, 6)]


@pytest.fixture(params=LIBRARIES)
def xp(request):
    return pytest.importorskip(request.param)


def draw(*shape, dtype="float64", seed=0):
    rng = np.random.default_rng(seed)
    a = rng.standard_normal(shape)
    return (a + 1j * rng.standard_normal(shape) if dtype.startswith("complex") else a).astype(dtype)


def check(a, steps, run):
    """The definition: orthonormal, triangular, falling, each pivot the largest that is left, and all of A."""
    q, r, order, rest = (np.asarray(x) for x in run(a, steps))
    *batch, p, n = a.shape
    assert (q.shape, r.shape, order.shape) == ((*batch, p, steps), (*batch, steps, n), (*batch, n))
    assert rest.shape == tuple(batch)
    assert q.dtype == r.dtype == a.dtype
    assert np.array_equal(np.sort(order, axis=-1), np.broadcast_to(np.arange(n), (*batch, n)))
    allowed = ROUNDING(a.dtype, max(p * n, 1))
    scale = np.max(np.abs(a), initial=0.0)
    assert np.max(np.abs(q.mT.conj() @ q - np.eye(steps)), initial=0.0) <= allowed
    assert np.array_equal(r, np.triu(r))
    taken = np.take_along_axis(a, order[..., None, :], axis=-1)
    left = taken - q @ r
    assert np.max(np.abs(left[..., :steps]), initial=0.0) <= allowed * scale
    assert np.max(np.abs(q.mT.conj() @ left), initial=0.0) <= allowed * scale
    assert np.all(np.abs(np.linalg.norm(left, axis=(-2, -1)) - rest) <= allowed * scale)
    for i in range(steps):
        remaining = taken - q[..., :i] @ r[..., :i, :]
        norms = np.linalg.norm(remaining, axis=-2)[..., i:]
        assert np.all(np.max(norms, axis=-1) <= norms[..., 0] + allowed * scale)


@settings(deadline=None)
@given(p=sizes, n=sizes, seed=seeds, data=st.data())
def test_the_reference_is_that_of_gram_and_schmidt(p, n, seed, data):
    a = draw(p, n, seed=seed)
    steps = data.draw(st.integers(1, min(p, n)))
    _, r, order, rest = pivoted_qr.reference(a, steps)
    _, coefficients, pivots, left = oracle.rrqr(*lists(a), steps)
    allowed = ROUNDING("float64", a.size) * np.max(np.abs(a)) * np.linalg.cond(a)
    assert order[:steps].tolist() == pivots
    assert np.max(np.abs(np.abs(r) - np.abs(np.array(coefficients)[:, order]))) <= allowed
    assert abs(rest - np.linalg.norm(left)) <= allowed


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_every_step_is_by_definition_on_every_library(xp, shape, dtype):
    for steps in range(min(shape[-2:]) + 1):
        with kernels("off"):
            check(draw(*shape, dtype=dtype), steps, lambda a, k: pivoted_qr(xp.asarray(a), k))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_the_kernel_is_by_definition_and_agrees_with_the_reference(shape, dtype):
    for steps in range(1, min(shape[-2:]) + 1):
        a = draw(*shape, dtype=dtype)
        with kernels("require"):
            check(a, steps, pivoted_qr)
            q, r, order, rest = pivoted_qr(a, steps)
        q_, r_, order_, rest_ = pivoted_qr.reference(a, steps)
        allowed = ROUNDING(dtype, a.size) * np.max(np.abs(a))
        assert np.array_equal(order[..., :steps], order_[..., :steps])
        assert np.all(np.abs(rest - rest_) <= allowed)
        product, product_ = (
            np.take_along_axis(x @ y, np.argsort(z, axis=-1)[..., None, :], axis=-1)
            for x, y, z in ((q, r, order), (q_, r_, order_))
        )
        assert np.max(np.abs(product - product_), initial=0.0) <= allowed


HARD = {
    "zero": np.zeros((4, 3)),
    "zero rows": np.zeros((0, 3)),
    "zero columns": np.zeros((3, 0)),
    "empty batch": np.zeros((0, 3, 2)),
    "constant": np.ones((4, 5)),
    "rank 2": draw(7, 2) @ draw(2, 6, seed=1),
    "Hilbert": 1 / (1.0 + np.indices((8, 8)).sum(axis=0)),
    "graded": draw(6, 6) * 10.0 ** (-5 * np.arange(6)),
    "squares lose digits": draw(6, 6, dtype="float32") * np.float32([1.0] + [1e-22] * 5),
    "squares vanish": draw(6, 6, dtype="float32") * np.float32([1.0] + [1e-30] * 5),
    "one batch member zero": np.stack([draw(4, 3), np.zeros((4, 3))]),
    "transposed": draw(5, 7).T,
}


@pytest.mark.parametrize("mode", ["off", "require"])
@pytest.mark.parametrize("name", HARD)
def test_hard_matrices(name, mode):
    a = HARD[name]
    most = min(a.shape[-2:])
    for steps in range(min(1, most), most + 1):
        with kernels(mode):
            check(a, steps, pivoted_qr)


def test_norms_that_cancel_choose_the_right_pivot():
    """Of columns that agree in all digits but the last half, norms brought up to date by subtraction know nothing."""
    small = float(np.sqrt(np.finfo(float).eps)) / 8
    a = np.asarray([[1.0, 1.0, 1.0], [0.0, small, 0.0], [0.0, 0.0, 2 * small]])
    for mode in ("off", "require"):
        with kernels(mode):
            _, r, order, _ = pivoted_qr(a, 3)
        sizes_left = np.abs(np.diagonal(r))
        assert np.all(sizes_left[1:] <= sizes_left[:-1])
        assert sizes_left[1] > small
        assert sorted(order.tolist()) == [0, 1, 2]


def test_a_worked_example():
    """The second column is longest; of the first nothing is along it, and the third is taken whole by both."""
    a = np.asarray([[3.0, 0.0, 3.0], [0.0, 4.0, 4.0], [0.0, 0.0, 0.0]])
    for mode in ("off", "require"):
        with kernels(mode):
            _, r, order, rest = pivoted_qr(a, 1)
        assert order[0] == 2
        assert abs(abs(r[0, 0]) - 5) <= ROUNDING("float64", 3)
        # 3 * 3/5 and 4 * 4/5 are along (3, 4) / 5; of 3 and 4 there remain 12/5 each.
        assert np.allclose(np.sort(np.abs(r[0, 1:])), [9 / 5, 16 / 5], rtol=0, atol=ROUNDING("float64", 9))
        assert rest <= BOUND(12 / 5 * np.sqrt(2), length=9)
        assert rest >= 12 / 5 * np.sqrt(2) - ROUNDING("float64", 9)


def test_the_kernel_declines_what_is_quicker_step_by_step_and_what_lapack_has_not():
    a = np.ones((kernel.FEW + 1, kernel.FEW + 1))
    assert explain(pivoted_qr, a, 2) == [Choice("pivoted_qr", "pivoted_qr_scipy")]
    assert explain(pivoted_qr, a, 1) == [
        Choice("pivoted_qr", "reference", f"1 of {kernel.FEW + 1} steps are taken one by one")
    ]
    with pytest.raises(Unsupported, match="LAPACK has no "):
        kernel.pivoted_qr(np.ones((2, 2), np.longdouble), 1)


def test_an_array_is_not_changed():
    for mode in ("off", "require"):
        a = draw(5, 4)
        before = a.copy()
        a.flags.writeable = False
        with kernels(mode):
            pivoted_qr(a, 3)
        assert np.array_equal(a, before)


@pytest.mark.parametrize("shape", [(6, 4), (2, 3, 4, 6)])
def test_counting_needs_no_values(shape):
    xp = counting()
    got = pivoted_qr(xp.empty(shape), 3)
    want = pivoted_qr.reference(np.ones(shape), 3)
    assert [x.shape for x in got] == [x.shape for x in want]


def test_each_step_costs_a_pass_over_the_matrix():
    """Norms and a reflection; the rest is smaller."""
    p, n = 500, 400
    flops = []
    for steps in (10, 20):
        xp = counting()
        pivoted_qr(xp.empty((p, n)), steps)
        flops.append(xp.tally.flops)
    assert 6 * p * n * 10 <= flops[1] - flops[0] <= 10 * p * n * 10
