"""Nonnegative matrix factorization: steps of the papers, an error that never grows, and what is known of its end."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from libraries import LIBRARIES
from oracles import lists, seeds
from oracles.factor import nmf as oracle
from oracles.lowrank import singular_triplets
from scipy.linalg import hilbert

from factorattn.factor.lowrank import nmf, truncated_svd
from factorattn.factor.lowrank.nmf_start import STARTS
from factorattn.interpret.counting import NeedsValues, counting
from factorattn.testing.tolerance import BOUND, ROUNDING

SOLVERS = ("hals", "multiplicative")
every_solver = pytest.mark.parametrize("solver", SOLVERS)
sides = st.integers(1, 6)


@pytest.fixture(params=LIBRARIES)
def xp(request):
    return pytest.importorskip(request.param)


def uniform(seed, *shapes):
    rng = np.random.default_rng(seed)
    return [rng.random(shape) for shape in shapes]


def relative_error(a, f):
    return np.linalg.norm(a - np.asarray(f.to_dense())) / np.linalg.norm(a)


class TestSteps:
    @settings(max_examples=50, deadline=None)
    @given(p=sides, q=sides, r=sides, iterations=st.integers(0, 3), solver=st.sampled_from(SOLVERS), seed=seeds)
    def test_they_are_those_of_the_papers(self, p, q, r, iterations, solver, seed):
        a, w, h = uniform(seed, (p, q), (p, r), (r, q))
        got = nmf(a, r, solver=solver, init=(w, h), iterations=iterations)
        want = np.asarray(oracle.columns(*oracle.nmf(*lists(a, w, h), solver, iterations)))
        assert got.steps == iterations
        assert np.max(np.abs(got.to_dense() - want)) <= ROUNDING("float64", p * q * r * (iterations + 1))

    @settings(max_examples=40, deadline=None)
    @given(p=sides, q=sides, data=st.data(), seed=seeds)
    def test_the_start_is_that_of_boutsidis_and_gallopoulos(self, p, q, data, seed):
        r = data.draw(st.integers(1, min(p, q)))
        (a,) = uniform(seed, (p, q))
        triplets = singular_triplets(a.tolist())[: min(p, q)]
        w, h = oracle.nndsvd(triplets[:r])
        got = nmf(a, r, init="nndsvd", iterations=0)
        gap = min(np.abs(np.diff([s for s, _, _ in triplets])), default=1.0)
        # Products of one column and one row do not depend on signs; they turn with the gap of singular values.
        for k in range(r):
            one, other = np.outer(got.w[:, k], got.h[k]), np.outer(np.asarray(w)[:, k], h[k])
            assert np.max(np.abs(one - other)) <= ROUNDING("float64", p * q) * max(1.0, 1 / gap)

    def test_a_worked_example(self):
        """The column A h^T / |h|^2, where all entries are positive: alternating least squares."""
        a, w, h = np.asarray([[2.0, 4.0], [1.0, 3.0]]), np.ones((2, 1)), np.ones((1, 2))
        got = nmf(a, 1, init=(w, h), iterations=1)
        np.testing.assert_array_equal(got.w, [[3.0], [2.0]])
        np.testing.assert_allclose(got.h, [[8 / 13, 18 / 13]], rtol=ROUNDING("float64", 2))
        other = nmf(a, 1, init=(w, h), iterations=1, solver="multiplicative")
        np.testing.assert_allclose(other.w, got.w, rtol=ROUNDING("float64", 2))


class TestLaws:
    @every_solver
    @pytest.mark.parametrize("init", STARTS)
    @pytest.mark.parametrize("seed", range(4))
    def test_no_step_makes_the_error_larger(self, solver, init, seed):
        (a,) = uniform(seed, (9, 7))
        w, h = STARTS[init](a, 3, rng=np.random.default_rng(seed), xp=np)
        before = np.linalg.norm(a - w @ h)
        for _ in range(30):
            f = nmf(a, 3, solver=solver, init=(w, h), iterations=1)
            w, h = f.w, f.h
            after = float(f.error_bound)
            assert after <= before + ROUNDING("float64", 63) * np.linalg.norm(a)
            before = after

    @every_solver
    @pytest.mark.parametrize("init", STARTS)
    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_factors_have_no_negative_entries(self, xp, solver, init, dtype):
        (a,) = uniform(0, (2, 8, 6))
        f = nmf(xp.asarray(a.astype(dtype)), 3, solver=solver, init=init, rng=1)
        for x, shape in ((f.w, (2, 8, 3)), (f.h, (2, 3, 6))):
            assert np.asarray(x).dtype == dtype
            assert tuple(x.shape) == shape
            assert np.min(np.asarray(x)) >= 0

    @every_solver
    def test_no_factors_are_nearer_than_the_truncated_svd(self, solver):
        (a,) = uniform(1, (10, 8))
        for rank in range(1, 9):
            f, best = nmf(a, rank, solver=solver), truncated_svd(a, rank)
            assert best.error_bound <= BOUND(float(f.error_bound), length=80) + ROUNDING("float64", 80)

    @every_solver
    @pytest.mark.parametrize("scale", [1.0, 1e150, 1e-150])
    def test_the_bound_is_the_error(self, xp, solver, scale):
        (a,) = uniform(2, (2, 7, 5))
        f = nmf(xp.asarray(a * scale), 2, solver=solver)
        error = np.sqrt(np.sum((a - np.asarray(f.to_dense()) / scale) ** 2, axis=(-2, -1)))
        assert np.max(np.abs(np.asarray(f.error_bound) / scale - error)) <= ROUNDING("float64", 35) * np.max(error)

    @pytest.mark.parametrize("shape", [(6, 4), (4, 6), (1, 5), (5, 1), (1, 1)])
    def test_rank_one_is_found_exactly(self, xp, shape):
        """By Perron and Frobenius the leading singular vectors have no signs: the start is the answer."""
        w, h = uniform(3, (shape[0], 1), (1, shape[1]))
        f = nmf(xp.asarray(w @ h), 1)
        assert relative_error(w @ h, f) <= ROUNDING("float64", 30)

    def test_parts_that_do_not_overlap_are_found_exactly(self, xp):
        """Then singular vectors are the parts, without signs."""
        a = np.zeros((7, 6))
        a[:2, :2], a[2:5, 2:3], a[5:, 3:] = 3.0, 2.0, np.outer([1.0, 2.0], [1.0, 0.5, 2.0])
        f = nmf(xp.asarray(a), 3)
        assert relative_error(a, f) <= ROUNDING("float64", 42)
        assert np.max(np.sum(np.asarray(f.w) > 0, axis=1)) == 1

    @every_solver
    def test_planted_factors_are_a_fixed_point(self, solver):
        w, h = uniform(4, (8, 3), (3, 6))
        f = nmf(w @ h, 3, init=(w, h), solver=solver, iterations=50)
        assert relative_error(w @ h, f) <= ROUNDING("float64", 48)
        assert np.max(np.abs(f.w - w)) <= ROUNDING("float64", 48) * np.linalg.cond(h)

    def test_planted_factors_with_parts_of_their_own_are_found_again(self):
        """Separable data: some rows and columns hold one part alone, which makes the factors unique."""
        w, h = uniform(5, (9, 3), (3, 8))
        w[:3], h[:, :3] = np.eye(3), np.eye(3)
        assert relative_error(w @ h, nmf(w @ h, 3, iterations=1000)) <= ROUNDING("float64", 72)

    def test_a_multiple_of_the_matrix_gives_the_multiple(self):
        (a,) = uniform(6, (7, 5))
        one, other = (nmf(c * a, 2, iterations=50).to_dense() / c for c in (1.0, 3.7))
        assert np.max(np.abs(one - other)) <= ROUNDING("float64", 35) * np.max(one) * 50  # of so many steps

    def test_members_of_a_batch_are_strangers(self, xp):
        (a,) = uniform(7, (2, 3, 6, 5))
        f = nmf(xp.asarray(a), 2, iterations=20)
        for at in np.ndindex(2, 3):
            alone = nmf(a[at], 2, iterations=20).to_dense()
            assert np.max(np.abs(np.asarray(f.to_dense())[at] - alone)) <= ROUNDING("float64", 30) * 20


class TestEnd:
    def test_it_stops_when_a_step_gains_less_than_the_tolerance(self):
        (a,) = uniform(8, (9, 7))
        f = nmf(a, 3, tolerance=1e-4, iterations=1000)
        assert f.converged
        assert 1 < f.steps < 1000
        errors = [float(nmf(a, 3, iterations=t).error_bound) for t in range(1, f.steps + 1)]
        gains = -np.diff(errors) / np.linalg.norm(a)
        assert gains[-1] <= 1e-4
        assert np.all(gains[:-1] > 1e-4)

    def test_it_says_that_steps_were_too_few_or_that_none_was_asked(self):
        (a,) = uniform(8, (9, 7))
        assert nmf(a, 3, tolerance=1e-12, iterations=5).converged is False
        assert nmf(a, 3, iterations=5).converged is None
        assert nmf(a, 3, tolerance=0.5, iterations=0).converged is False

    def test_of_a_stack_the_last_member_decides(self):
        a = np.stack([np.ones((4, 4)), *uniform(9, (4, 4))])
        assert nmf(a[0], 2, tolerance=1e-9).steps < nmf(a, 2, tolerance=1e-9).steps

    def test_cost_needs_no_values_where_there_is_no_tolerance(self):
        xp = counting()
        assert nmf(xp.empty((6, 5)), 2).shape == (6, 5)
        with pytest.raises(NeedsValues):
            nmf(xp.empty((6, 5)), 2, tolerance=1e-3)


class TestEdges:
    @every_solver
    @pytest.mark.parametrize("shape", [(3, 4), (2, 3, 3), (1, 1), (0, 4), (4, 0)])
    @pytest.mark.parametrize("rank", [1, 6])
    def test_of_zeros_or_nothing_factors_are_zero(self, solver, shape, rank):
        f = nmf(np.zeros(shape), rank, solver=solver, rng=0)
        np.testing.assert_array_equal(f.to_dense(), np.zeros(shape))
        np.testing.assert_array_equal(f.error_bound, np.zeros(shape[:-2]))

    @every_solver
    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_large_and_small_numbers_neither_overflow_nor_vanish(self, solver, dtype):
        (a,) = uniform(10, (6, 5))
        size = {"float32": 2.0**100, "float64": 2.0**500}[dtype]
        want = relative_error(a, nmf(a.astype(dtype), 2, solver=solver))
        for scale in (size, 1 / size):
            f = nmf((a * scale).astype(dtype), 2, solver=solver)
            got = np.linalg.norm(a - np.asarray(f.to_dense(), "float64") / scale) / np.linalg.norm(a)
            assert abs(got - want) <= ROUNDING(dtype, 30)

    @every_solver
    def test_constant_rank_deficient_and_hilbert_matrices_work(self, solver):
        deficient = np.outer(np.arange(1.0, 6.0), np.ones(4))
        for a in (np.ones((5, 4)), deficient, hilbert(8)):
            start, end = (nmf(a, 3, solver=solver, iterations=t).error_bound for t in (0, 100))
            assert truncated_svd(a, 3).error_bound <= end + ROUNDING("float64", 64) * np.linalg.norm(a)
            assert end <= start + ROUNDING("float64", 64) * np.linalg.norm(a)
        assert relative_error(deficient, nmf(deficient, 3)) <= ROUNDING("float64", 20)

    def test_float16_is_factored_in_float32(self):
        (a,) = uniform(11, (4, 3))
        assert nmf(a.astype("float16"), 2).dtype == np.float32

    def test_zero_parts_stay_as_they_are(self):
        (a,) = uniform(12, (4, 3))
        w, h = uniform(13, (4, 2), (2, 3))
        h[1] = 0
        f = nmf(a, 2, init=(w, h), iterations=1, solver="multiplicative")
        np.testing.assert_array_equal(f.w[:, 1], w[:, 1])
        assert np.all(np.isfinite(nmf(a, 2, init=(w, h)).to_dense()))

    def test_a_rank_above_both_sides_starts_from_random_numbers(self):
        (a,) = uniform(14, (4, 3))
        one, same, other = (nmf(a, 5, rng=seed).to_dense() for seed in (0, 0, 1))
        np.testing.assert_array_equal(one, same)
        assert not np.array_equal(one, other)
        with pytest.raises(ValueError, match=r"rank at most min\(p, q\) = 3, got 5; use init='random'"):
            nmf(a, 5, init="nndsvd")

    def test_the_draw_is_the_same_on_every_namespace(self, xp):
        (a,) = uniform(15, (5, 4))
        got = np.asarray(nmf(xp.asarray(a), 2, init="random", rng=3, iterations=0).to_dense())
        want = nmf(a, 2, init="random", rng=3, iterations=0).to_dense()
        np.testing.assert_allclose(got, want, rtol=ROUNDING("float64", 2))

    def test_flops_are_those_that_are_counted(self):
        xp = counting()
        f, x = nmf(xp.empty((6, 5)), 2), xp.empty((5,))
        xp.tally.start()
        f.matvec(x)
        assert f.flops == xp.tally.flops

    def test_bad_input_is_refused(self):
        a = np.ones((3, 2))
        for bad, told in (
            ({"a": a - 2}, "a must have no negative entries, but its smallest is -1.0"),
            ({"a": a * np.nan}, "a must be finite"),
            ({"rank": 0}, "rank must be a positive integer, got 0"),
            ({"solver": "als"}, "solver must be 'hals' or 'multiplicative', got 'als'"),
            ({"init": "zeros"}, "init must be 'nndsvd' or 'nndsvda' or 'random', got 'zeros'"),
            ({"init": (a,)}, r"init must be a name or two arrays \(w, h\), got 1"),
            ({"init": (np.ones((3, 2)), np.ones((1, 2)))}, "axis 'r' is"),
            ({"init": (np.ones((3, 1)), -np.ones((1, 2)))}, "h must have no negative entries"),
            ({"iterations": -1}, "iterations must be at least 0, got -1"),
            ({"tolerance": 0}, "tolerance must be positive, got 0"),
        ):
            with pytest.raises(ValueError, match=told):
                nmf(**{"a": a, "rank": 1, **bad})
        with pytest.raises(TypeError, match="a must have a real floating dtype, got complex128"):
            nmf(a * 1j, 1)
        with pytest.raises(TypeError, match="iterations must be an integer"):
            nmf(a, 1, iterations=2.0)


@pytest.mark.peers
class TestScikitLearn:
    @pytest.fixture
    def sklearn(self):
        return pytest.importorskip("sklearn.decomposition", reason="scikit-learn is not installed (extra: peers)")

    @every_solver
    @pytest.mark.parametrize("iterations", [1, 10, 100])
    @pytest.mark.filterwarnings("ignore:Maximum number of iterations")
    def test_factors_are_those_of_scikit_learn_from_the_same_start(self, sklearn, solver, iterations):
        a, w, h = uniform(16, (12, 9), (12, 4), (4, 9))
        name = {"hals": "cd", "multiplicative": "mu"}[solver]
        theirs = sklearn.NMF(4, init="custom", solver=name, max_iter=iterations, tol=0)
        want_w = theirs.fit_transform(a, W=w.copy(), H=h.copy())
        got = nmf(a, 4, solver=solver, init=(w, h), iterations=iterations)
        allowed = ROUNDING("float64", 12 * 9) * max(iterations, 4)
        assert np.max(np.abs(got.w - want_w)) <= allowed * np.max(want_w)
        assert np.max(np.abs(got.h - theirs.components_)) <= allowed * np.max(theirs.components_)

    @pytest.mark.filterwarnings("ignore:Maximum number of iterations")
    def test_the_error_is_no_larger_than_that_of_scikit_learn(self, sklearn):
        for seed in range(5):
            (a,) = uniform(seed, (20, 15))
            theirs = sklearn.NMF(5, init="nndsvd", max_iter=100, tol=0, random_state=0).fit(a).reconstruction_err_
            got = nmf(a, 5)
            assert float(got.error_bound) <= theirs + ROUNDING("float64", 300) * got.steps * np.linalg.norm(a)
