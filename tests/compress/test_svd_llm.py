"""SVD-LLM: no weights of the same rank have nearer outputs on the given inputs."""

import numpy as np
import pytest
import scipy.linalg
from hypothesis import assume, given
from libraries import LIBRARIES
from oracles import draw, seeds, sizes
from oracles.compress import svd_llm as oracle

from factorattn.compress import gram_root, output_spectrum, svd_llm
from factorattn.interpret.counting import counting
from factorattn.testing import BOUND, ROUNDING

SHAPES = [(7, 5, 20), (5, 7, 20), (6, 6, 6), (7, 5, 3), (5, 7, 1), (1, 4, 9), (4, 1, 9), (3, 8, 5)]  # p, q, n


@pytest.fixture(params=LIBRARIES)
def xp(request):
    return pytest.importorskip(request.param)


def outputs_change(w, f, x):
    return np.linalg.norm((w - np.asarray(f.to_dense())) @ x.T)


def rounding(w, x, dtype="float64"):
    return ROUNDING(dtype, w.size + x.size) * np.linalg.norm(w) * np.linalg.norm(x)


@given(seed=seeds, p=sizes, q=sizes, more=sizes, r=sizes)
def test_it_is_the_paper_s_cholesky_form(seed, p, q, more, r):
    w, x = draw(seed, (p, q), (q + more, q))
    want, squared = oracle.svd_llm(w.tolist(), x.tolist(), r)
    f = svd_llm(w, x, r)
    condition = np.linalg.cond(x)
    error = outputs_change(w, f, x)
    # The oracle squares the condition of X, and divides by it.
    allowed = rounding(w, x) * condition**2
    assert abs(error - squared**0.5) <= allowed**0.5 * error + allowed if squared else error <= allowed
    s = output_spectrum(w, x)
    k = min(r, s.size)
    gap = (s[k - 1] - (s[k] if k < s.size else 0.0)) / s[0]
    assume(gap > allowed)
    assert gap * np.linalg.norm((f.to_dense() - np.array(want)) @ x.T) <= allowed


@pytest.mark.parametrize(("p", "q", "n"), SHAPES)
def test_the_error_of_the_outputs_is_that_of_the_singular_values_left_out(xp, p, q, n):
    w, x = draw(0, (p, q), (n, q))
    s = np.asarray(output_spectrum(xp.asarray(w), xp.asarray(x)))
    want = np.linalg.svd(w @ x.T, compute_uv=False)[: min(p, q, n)]
    assert np.max(np.abs(s - want)) <= rounding(w, x)
    for r in range(1, min(p, q) + 2):
        f = svd_llm(xp.asarray(w), xp.asarray(x), r)
        assert abs(outputs_change(w, f, x) - np.linalg.norm(s[r:])) <= rounding(w, x)
        assert np.linalg.matrix_rank(np.asarray(f.to_dense())) <= r


@pytest.mark.parametrize(("p", "q", "n"), SHAPES)
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_no_other_weights_of_the_same_rank_are_better(p, q, n, rank):
    w, x = draw(0, (p, q), (n, q))
    rng = np.random.default_rng(1)
    f = svd_llm(w, x, rank)
    best, b = outputs_change(w, f, x), f.factors[0]
    for _ in range(100):
        left = rng.standard_normal((p, rank))
        others = [
            left @ np.linalg.lstsq(left, w, rcond=None)[0],
            left @ np.linalg.lstsq(left, w @ x.T, rcond=None)[0] @ np.linalg.pinv(x.T),
            (b + rng.standard_normal(b.shape) * rng.choice([1e-1, 1e-3])) @ f.factors[1],
        ]
        for other in others:
            assert best <= BOUND(np.linalg.norm((w - other) @ x.T), length=w.size) + rounding(w, x)


@pytest.mark.parametrize(("p", "q", "n"), SHAPES)
def test_a_rank_that_is_that_of_the_weights_gives_the_weights(xp, p, q, n):
    b, a, x = draw(0, (p, 2), (2, q), (n, q))
    for w, r in ((b @ a, 2), (b @ a, 3), (draw(1, (p, q))[0], min(p, q))):
        f = svd_llm(xp.asarray(w), xp.asarray(x), r)  # however few the inputs are
        assert np.max(np.abs(np.asarray(f.to_dense()) - w)) <= ROUNDING("float64", p * q) * np.linalg.norm(w)


@pytest.mark.parametrize(("p", "q", "n"), SHAPES)
def test_where_inputs_leave_a_choice_the_nearest_to_the_weights_is_taken(p, q, n):
    w, x = draw(0, (p, q), (n, q))
    seen = np.linalg.matrix_rank(w @ x.T)
    for r in range(seen, min(p, q) + 1):
        u = np.linalg.svd(w @ x.T)[0][:, :seen]
        rest = np.linalg.svd(w - u @ u.T @ w, compute_uv=False)[r - seen :]
        error = np.linalg.norm(w - svd_llm(w, x, r).to_dense())
        assert abs(error - np.linalg.norm(rest)) <= ROUNDING("float64", p * q) * np.linalg.norm(w)


def test_inputs_without_values_weigh_nothing():
    (w,) = draw(0, (6, 5))
    for x in (np.zeros((3, 5)), np.zeros((0, 5))):
        error = np.linalg.norm(w - svd_llm(w, x, 2).to_dense())
        best = np.linalg.norm(np.linalg.svd(w, compute_uv=False)[2:])
        assert abs(error - best) <= ROUNDING("float64", 30) * np.linalg.norm(w)


@pytest.mark.parametrize(("p", "q", "n"), SHAPES)
def test_the_bound_is_the_error_of_the_weights(xp, p, q, n):
    w, x = draw(0, (p, q), (n, q))
    for r in (1, 2, 9):
        f = svd_llm(xp.asarray(w), xp.asarray(x), r)
        error = np.linalg.norm(w - np.asarray(f.to_dense()))
        assert abs(float(f.error_bound) - error) <= ROUNDING("float64", p * q) * np.linalg.norm(w)
        assert f.flops == 2 * f.parameters == 2 * min(r, p, q) * (p + q)


@pytest.mark.parametrize(("p", "q", "n"), SHAPES)
def test_a_sum_of_grams_stands_for_the_inputs(xp, p, q, n):
    w, x = draw(0, (p, q), (n, q))
    gram = sum(batch.T @ batch for batch in np.array_split(x, 3))
    root = gram_root(xp.asarray(gram))
    assert tuple(root.shape) == (q, q)
    back = np.asarray(root).T @ np.asarray(root)
    assert np.max(np.abs(back - gram)) <= ROUNDING("float64", q) * np.linalg.norm(gram)
    for r in (1, 2):
        one = outputs_change(w, svd_llm(xp.asarray(w), root, r), x)
        other = outputs_change(w, svd_llm(xp.asarray(w), xp.asarray(x), r), x)
        # A Gram matrix has half the digits of what it is made of.
        squares = ROUNDING("float64", q * n) * (np.linalg.norm(w) * np.linalg.norm(x)) ** 2
        assert abs(one**2 - other**2) <= squares


def test_a_sum_of_complex_grams_stands_for_the_inputs():
    w, x, v, y = draw(0, (6, 5), (9, 5), (6, 5), (9, 5))
    w, x = w + 1j * v, x + 1j * y
    root = gram_root(x.conj().T @ x)
    assert np.max(np.abs(root.conj().T @ root - x.conj().T @ x)) <= ROUNDING("float64", 45) * np.linalg.norm(x) ** 2
    assert np.max(np.abs(output_spectrum(w, root) - output_spectrum(w, x))) <= rounding(w, x) * np.linalg.cond(x)


def test_a_gram_matrix_that_cholesky_refuses_has_a_root():
    (x,) = draw(0, (2, 5))
    gram = x.T @ x - 1e-12 * np.eye(5)
    with pytest.raises(scipy.linalg.LinAlgError):
        scipy.linalg.cholesky(gram)
    root = gram_root(gram)
    assert np.linalg.norm(root.T @ root - gram) <= 1e-12 * 5
    assert np.all(np.isfinite(gram_root(np.zeros((3, 3)))))


@pytest.mark.parametrize(
    ("of_w", "of_x", "dtype"),
    [(1e30, 1e30, "float32"), (1e-30, 1e-30, "float32"), (1e150, 1e-150, "float64"), (1e200, 1e200, "float64")],
)
def test_weights_and_inputs_of_any_size(of_w, of_x, dtype):
    w, x = draw(0, (6, 5), (9, 5))
    want = svd_llm(w, x, 2).to_dense()
    got = svd_llm((w * of_w).astype(dtype), (x * of_x).astype(dtype), 2).to_dense() / of_w
    condition = np.linalg.cond(w @ x.T)
    assert np.max(np.abs(got - want)) <= ROUNDING(dtype, 54) * np.linalg.norm(w) * condition


def test_a_batch_and_complex_numbers():
    w, x, v, y = draw(0, (2, 6, 5), (2, 9, 5), (2, 6, 5), (2, 9, 5))
    w, x = w + 1j * v, x + 1j * y
    f = svd_llm(w, x, 2)
    for i in range(2):
        s = np.linalg.svd(w[i] @ x[i].T, compute_uv=False)
        assert abs(np.linalg.norm((w[i] - f.to_dense()[i]) @ x[i].T) - np.linalg.norm(s[2:])) <= rounding(w[i], x[i])
        alone = svd_llm(w[i], x[i], 2).to_dense()
        assert np.max(np.abs(f.to_dense()[i] - alone)) <= ROUNDING("float64", 30) * np.linalg.norm(w[i])


def test_inputs_far_smaller_than_others_count_as_long_as_they_are_no_rounding():
    (w,) = draw(0, (4, 3))
    x = np.diag([1.0, 1e-11, 1e-12])
    s = output_spectrum(w, x)
    for r in (1, 2, 3):
        assert abs(outputs_change(w, svd_llm(w, x, r), x) - np.linalg.norm(s[r:])) <= rounding(w, x)


def test_outputs_of_hilbert_weights_and_of_inputs_that_hardly_differ():
    w = scipy.linalg.hilbert(8)
    x = np.ones((20, 8)) + 1e-7 * draw(0, (20, 8))[0]
    s = output_spectrum(w, x)
    for r in range(1, 9):
        assert abs(outputs_change(w, svd_llm(w, x, r), x) - np.linalg.norm(s[r:])) <= rounding(w, x)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0)])
def test_empty_weights(xp, shape):
    f = svd_llm(xp.asarray(np.zeros(shape)), xp.asarray(np.zeros((4, shape[1]))), 2)
    assert tuple(f.to_dense().shape) == shape


def test_float16_and_counting():
    w, x = (v.astype("float16") for v in draw(0, (6, 5), (9, 5)))
    assert svd_llm(w, x, 2).dtype == np.float32
    c = counting()
    f = svd_llm(c.empty((2, 6, 5)), c.empty((2, 9, 5)), 3)
    v = c.empty((2, 5))
    c.tally.start()
    assert f.matvec(v).shape == (2, 6)
    assert f.flops == c.tally.flops


def test_bad_input_is_refused():
    w, x = draw(0, (6, 5), (9, 5))
    with pytest.raises(ValueError, match="axis 'q' is 5 in w"):
        svd_llm(w, x[:, :4], 2)
    with pytest.raises(ValueError, match="x must be finite"):
        svd_llm(w, x * np.inf, 2)
    with pytest.raises(ValueError, match="rank must be a positive integer"):
        svd_llm(w, x, 0)
    with pytest.raises(ValueError, match="axis 'q'"):
        gram_root(x)
