"""ASVD: columns weighted by the mean size of their inputs."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from libraries import LIBRARIES
from oracles import draw, seeds, sizes
from oracles.compress import asvd as oracle

from factorattn.compress import asvd, svd_llm
from factorattn.factor import truncated_svd
from factorattn.interpret.counting import counting
from factorattn.testing import BOUND, ROUNDING


@pytest.fixture(params=LIBRARIES)
def xp(request):
    return pytest.importorskip(request.param)


def weights(x, alpha):
    return np.mean(np.abs(x), axis=0) ** alpha


@given(seed=seeds, p=sizes, q=sizes, n=sizes, r=sizes, alpha=st.sampled_from([0.0, 0.5, 1.0, 2.0]))
def test_it_is_the_paper_s_form(seed, p, q, n, r, alpha):
    w, x = draw(seed, (p, q), (n, q))
    want = np.array(oracle.asvd(w.tolist(), x.tolist(), r, alpha=alpha))
    s = weights(x, alpha)
    singular = np.append(np.linalg.svd(w * s, compute_uv=False), 0.0)
    k = min(r, p, q)
    gap = (singular[k - 1] - singular[k]) / singular[0]
    allowed = ROUNDING("float64", p * q) * np.linalg.norm(w) * np.max(s) / np.min(s)
    assume(gap > allowed)
    assert gap * np.max(np.abs(asvd(w, x, r, alpha=alpha).to_dense() - want)) <= allowed


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_no_other_matrix_is_nearer_in_the_weighted_norm(xp, rank, alpha):
    w, x = draw(0, (7, 5), (20, 5))
    s = weights(x, alpha)
    f = asvd(xp.asarray(w), xp.asarray(x), rank, alpha=alpha)
    best = np.linalg.norm((w - np.asarray(f.to_dense())) * s)
    assert abs(best - np.linalg.norm(np.linalg.svd(w * s, compute_uv=False)[rank:])) <= ROUNDING("float64", 35) * (
        np.linalg.norm(w * s)
    )
    rng = np.random.default_rng(1)
    for _ in range(100):
        left = rng.standard_normal((7, rank))
        other = left @ np.linalg.lstsq(left, w, rcond=None)[0]
        assert best <= BOUND(np.linalg.norm((w - other) * s), length=35)


def test_alpha_zero_is_the_truncated_decomposition():
    w, x = draw(0, (7, 5), (20, 5))
    one, other = asvd(w, x, 2, alpha=0.0).to_dense(), truncated_svd(w, 2).to_dense()
    assert np.max(np.abs(one - other)) <= ROUNDING("float64", 35) * np.linalg.norm(w)


@given(seed=seeds, p=sizes, q=sizes, n=sizes, r=sizes)
def test_whitening_is_never_worse_on_the_inputs(seed, p, q, n, r):
    w, x = draw(seed, (p, q), (n, q))
    of_whitening, of_scales = (np.linalg.norm((w - f(w, x, r).to_dense()) @ x.T) for f in (svd_llm, asvd))
    allowed = ROUNDING("float64", p * q * n) * np.linalg.norm(w) * np.linalg.norm(x)
    assert of_whitening <= BOUND(of_scales, length=p * q) + allowed


def test_an_outlying_input_is_what_it_is_for():
    w, x = draw(0, (20, 16), (200, 16))
    x[:, 3] *= 100.0
    plain, aware = (np.linalg.norm((w - f) @ x.T) for f in (truncated_svd(w, 4).to_dense(), asvd(w, x, 4).to_dense()))
    assert aware < plain


def test_an_input_that_is_always_zero_counts_for_nothing_until_the_others_are_exact(xp):
    w, x = draw(0, (7, 5), (20, 5))
    x[:, 2] = 0.0
    for r in (1, 2, 3, 4, 5, 9):
        f = np.asarray(asvd(xp.asarray(w), xp.asarray(x), r).to_dense())
        others = [0, 1, 3, 4]
        s = weights(x, 0.5)[others]
        best = np.linalg.norm(np.linalg.svd(w[:, others] * s, compute_uv=False)[r:])
        assert abs(np.linalg.norm((w - f)[:, others] * s) - best) <= ROUNDING("float64", 35) * np.linalg.norm(w)
    assert np.max(np.abs(f - w)) <= ROUNDING("float64", 35) * np.linalg.norm(w)


def test_inputs_without_values_weigh_all_the_same():
    (w,) = draw(0, (6, 5))
    for x in (np.zeros((3, 5)), np.zeros((0, 5))):
        error = np.linalg.norm(w - asvd(w, x, 2).to_dense())
        best = np.linalg.norm(np.linalg.svd(w, compute_uv=False)[2:])
        assert abs(error - best) <= ROUNDING("float64", 30) * np.linalg.norm(w)


@pytest.mark.parametrize(
    ("of_w", "of_x", "dtype"), [(1e30, 1e30, "float32"), (1e-30, 1e-30, "float32"), (1e200, 1e200, "float64")]
)
def test_weights_and_inputs_of_any_size(of_w, of_x, dtype):
    w, x = draw(0, (6, 5), (9, 5))
    got = asvd((w * of_w).astype(dtype), (x * of_x).astype(dtype), 2, alpha=2.0).to_dense() / of_w
    want = asvd(w, x, 2, alpha=2.0).to_dense()
    assert np.max(np.abs(got - want)) <= ROUNDING(dtype, 54) * np.linalg.norm(w) * np.linalg.cond(w * weights(x, 2.0))


def test_bound_operations_batch_and_dtype():
    w, x = draw(0, (2, 6, 5), (2, 9, 5))
    f = asvd(w, x, 2)
    for i in range(2):
        error = np.linalg.norm(w[i] - f.to_dense()[i])
        assert abs(f.error_bound[i] - error) <= ROUNDING("float64", 30) * np.linalg.norm(w[i])
        alone = asvd(w[i], x[i], 2).to_dense()
        assert np.max(np.abs(f.to_dense()[i] - alone)) <= ROUNDING("float64", 30) * np.linalg.norm(w[i])
    assert asvd(w.astype("float16"), x.astype("float16"), 2).dtype == np.float32
    c = counting()
    f, v = asvd(c.empty((2, 6, 5)), c.empty((2, 9, 5)), 3), c.empty((2, 5))
    c.tally.start()
    f.matvec(v)
    assert f.flops == c.tally.flops


def test_bad_input_is_refused():
    w, x = draw(0, (6, 5), (9, 5))
    with pytest.raises(ValueError, match=r"alpha must not be negative, got -0\.5"):
        asvd(w, x, 2, alpha=-0.5)
    with pytest.raises(ValueError, match="axis 'q' is 5 in w"):
        asvd(w, x[:, :4], 2)
    with pytest.raises(ValueError, match="x must be finite"):
        asvd(w, x * np.nan, 2)
