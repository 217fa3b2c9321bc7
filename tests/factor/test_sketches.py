"""Every sketch: unbiased, with the variance that its equations have; the same matrix whatever way it is applied."""

import math
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from libraries import LIBRARIES
from oracles import agree, lists, seeds
from oracles.factor.sketch import count_sketch as count_oracle
from oracles.factor.sketch import srht as srht_oracle
from scipy.linalg import clarkson_woodruff_transform

from factorattn.factor.sketch import SKETCHES, count_sketch, gaussian_sketch, sparse_sign, srht
from factorattn.factor.sketch.kinds import scatter
from factorattn.interpret.counting import counting
from factorattn.testing.tolerance import BOUND, CHANCE, ROUNDING

SIZES = [(1, 1), (3, 5), (4, 8), (5, 5), (2, 7), (1, 16)]
every_sketch = pytest.mark.parametrize("sketch", SKETCHES.values(), ids=SKETCHES.keys())
every_size = pytest.mark.parametrize(("r", "p"), SIZES)
LIKE = np.empty(0)
DRAWS = 4000
R, P, K = 6, 11, 3


@pytest.fixture(params=LIBRARIES)
def xp(request):
    return pytest.importorskip(request.param)


def signs_and_buckets(dense):
    """Of a matrix with one nonzero entry in each column."""
    return np.argmax(np.abs(dense), axis=0), np.sum(dense, axis=0)


@cache
def drawn(name, draws=DRAWS, r=R, p=P):
    """Independent draws (draws, r, p); where columns are independent of one another, cut from one wide matrix."""
    rng = np.random.default_rng(11)
    if name == "srht":
        return np.stack([srht(r, p, like=LIKE, rng=rng).to_dense() for _ in range(draws)])
    wide = SKETCHES[name](r, p * draws, like=LIKE, rng=rng).to_dense()
    return np.moveaxis(np.reshape(wide, (r, draws, p)), 1, 0)


def vectors(p=P):
    x, y = np.random.default_rng(5).standard_normal((2, p))
    return {"apart": (x, y), "same": (x, x), "one entry": (np.eye(p)[2], y), "signs": (np.sign(x), np.sign(y))}


def variance(name, x, y, r=R, p=P):
    """Of (S x) . (S y), in closed form."""
    both = x @ x * (y @ y) + (x @ y) ** 2
    if name == "gaussian":
        return both / r
    left = max(0.0, both - 2 * np.sum(x**2 * y**2)) / r
    full = 1 << (p - 1).bit_length()
    return left * (full - r) / (full - 1) if name == "srht" else left


class TestLaws:
    @pytest.mark.parametrize("name", SKETCHES)
    @pytest.mark.parametrize("pair", vectors())
    def test_inner_products_are_unbiased(self, name, pair):
        x, y = vectors()[pair]
        got = np.sum((drawn(name) @ x) * (drawn(name) @ y), axis=-1)
        assert abs(np.mean(got) - x @ y) <= CHANCE(got) + ROUNDING("float64", P) * np.linalg.norm(x) * np.linalg.norm(y)

    @pytest.mark.parametrize("name", SKETCHES)
    @pytest.mark.parametrize("pair", vectors())
    def test_the_variance_is_that_of_the_closed_form(self, name, pair):
        x, y = vectors()[pair]
        got = (np.sum((drawn(name) @ x) * (drawn(name) @ y), axis=-1) - x @ y) ** 2
        allowed = ROUNDING("float64", P) * (x @ x) * (y @ y)
        assert abs(np.mean(got) - variance(name, x, y)) <= CHANCE(got) + allowed

    def test_the_closed_forms_can_be_told_apart(self):
        x, y = vectors()["signs"]
        values = {name: variance(name, x, y) for name in ("gaussian", "srht", "count")}
        for name, own in values.items():
            got = (np.sum((drawn(name) @ x) * (drawn(name) @ y), axis=-1) - x @ y) ** 2
            assert all(abs(np.mean(got) - other) > CHANCE(got) for other in values.values() if other != own)

    @pytest.mark.parametrize("name", SKETCHES)
    def test_every_entry_of_the_mean_of_s_transposed_s_is_that_of_the_identity(self, name):
        s = drawn(name)
        for i, j in ((0, 0), (0, P - 1), (3, 4), (P - 1, P - 1)):
            got = np.sum(s[:, :, i] * s[:, :, j], axis=-1)
            assert abs(np.mean(got) - (i == j)) <= CHANCE(got) + ROUNDING("float64", R)

    @pytest.mark.parametrize("name", ["count", "sparse_sign"])
    def test_a_subspace_is_kept_as_well_as_its_theorem_says(self, name):
        """E |U^T S^T S U - I|_F^2 = (k^2 + k - 2 sum of squared leverage scores) / r, so Markov's inequality holds."""
        u = np.linalg.qr(np.random.default_rng(6).standard_normal((P, K)))[0]
        su = drawn(name) @ u
        error = np.sum((np.swapaxes(su, -1, -2) @ su - np.eye(K)) ** 2, axis=(-2, -1))
        want = (K**2 + K - 2 * np.sum(np.sum(u**2, axis=1) ** 2)) / R
        assert abs(np.mean(error) - want) <= CHANCE(error)
        for delta in (0.5, 0.1, 0.01):  # (k^2 + k) / (delta r) bounds the square with probability 1 - delta
            assert np.mean(error > (K**2 + K) / (delta * R)) <= delta

    def test_a_gaussian_subspace_is_kept_between_one_minus_and_one_plus_the_root_of_k_over_r(self):
        """Davidson and Szarek 2001: of the extreme singular values' means."""
        u = np.linalg.qr(np.random.default_rng(7).standard_normal((P, K)))[0]
        s = np.linalg.svd(drawn("gaussian") @ u, compute_uv=False)
        assert np.mean(s[:, 0]) <= BOUND(1 + math.sqrt(K / R)) + CHANCE(s[:, 0])
        assert np.mean(s[:, -1]) >= 1 - math.sqrt(K / R) - CHANCE(s[:, -1])

    @pytest.mark.parametrize("p", [4, 5, 8])
    def test_a_hadamard_sketch_with_all_rows_keeps_every_length(self, p):
        full = 1 << (p - 1).bit_length()
        s = srht(full, p, like=LIKE, rng=0).to_dense()
        assert np.max(np.abs(s.T @ s - np.eye(p))) <= ROUNDING("float64", full)


class TestOneMatrixManyWays:
    @every_sketch
    @every_size
    @pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
    def test_products_are_those_of_the_dense_matrix(self, xp, sketch, r, p, dtype):
        s = sketch(r, p, like=xp.asarray(np.ones(1, dtype)), rng=3)
        dense = np.asarray(s.to_dense())
        rng = np.random.default_rng(0)
        x, y = ((rng.standard_normal((2, n, 4)) + 1j * rng.standard_normal((2, n, 4))) for n in (p, r))
        x, y = ((z if dtype == "complex128" else z.real).astype(dtype) for z in (x, y))
        assert dense.shape == s.shape == (r, p)
        assert dense.dtype == dtype
        allowed = ROUNDING(dtype, 4 * max(r, p)) * max(1.0, np.max(np.abs(dense)))
        pairs = [
            (s @ xp.asarray(x), dense @ x),
            (s.rmatmat(xp.asarray(y)), dense.conj().T @ y),
            (s.matvec(xp.asarray(x[..., 0])), (dense @ x)[..., 0]),
            (s.rmatvec(xp.asarray(y[..., 0])), (dense.conj().T @ y)[..., 0]),
            (s.mT.to_dense(), dense.T),
            (s.mT.mT.to_dense(), dense),
            (s.rows(xp.asarray([r - 1, 0])), dense[[r - 1, 0]]),
        ]
        for got, want in pairs:
            assert np.asarray(got).dtype == dtype
            assert np.max(np.abs(np.asarray(got) - want)) <= allowed * max(1.0, np.max(np.abs(want))) * p

    @every_sketch
    @every_size
    def test_the_draw_is_the_same_on_every_namespace(self, xp, sketch, r, p):
        mine, numpys = (
            np.asarray(sketch(r, p, like=like, rng=8).to_dense()) for like in (xp.ones(1, dtype=xp.float64), LIKE)
        )
        np.testing.assert_allclose(mine, numpys, rtol=0, atol=ROUNDING("float64", p))

    @every_sketch
    @every_size
    def test_flops_are_those_that_are_counted(self, sketch, r, p):
        xp = counting()
        for turn in (lambda s: s, lambda s: s.mT):
            s = turn(sketch(r, p, like=xp.empty(1), rng=2))
            x = xp.empty((s.shape[1],))
            xp.tally.start()
            assert s.matvec(x).shape == (s.shape[0],)
            assert s.flops == xp.tally.flops

    @every_sketch
    def test_it_keeps_the_numbers_it_says(self, sketch):
        s = sketch(4, 12, like=LIKE, rng=0)
        assert s.parameters == {gaussian_sketch: 48, srht: 12, sparse_sign: 48, count_sketch: 12}[sketch]

    def test_fast_sketches_take_fewer_operations_than_the_dense_matrix(self):
        r, p = 64, 1024
        flops = {name: sketch(r, p, like=LIKE, rng=0).flops for name, sketch in SKETCHES.items()}
        assert flops["gaussian"] == 2 * r * p
        assert flops["srht"] == p + p * 10
        assert flops["sparse_sign"] == 2 * 8 * p - r
        assert flops["count"] == 2 * p - r

    def test_float16_is_sketched_in_float32(self):
        assert gaussian_sketch(2, 3, like=np.ones(1, "float16"), rng=0).dtype == np.float32

    @every_sketch
    def test_a_vector_without_entries_becomes_zeros(self, xp, sketch):
        s = sketch(1, 0, like=xp.ones(1), rng=0)
        np.testing.assert_array_equal(np.asarray(s.matmat(xp.zeros((0, 2)))), np.zeros((1, 2)))


class TestOracles:
    @settings(max_examples=40, deadline=None)
    @given(r=st.integers(1, 9), p=st.integers(1, 17), seed=seeds)
    def test_a_count_sketch_adds_into_buckets(self, r, p, seed):
        s, x = count_sketch(r, p, like=LIKE, rng=seed), np.random.default_rng(seed).standard_normal(p)
        buckets, signs = signs_and_buckets(s.to_dense())
        assert set(signs) <= {-1.0, 1.0}
        agree(s.matvec(x), count_oracle(*lists(x, buckets, signs), r), p)

    @settings(max_examples=40, deadline=None)
    @given(p=st.integers(1, 17), seed=seeds, data=st.data())
    def test_an_srht_is_signs_hadamard_and_a_choice(self, p, seed, data):
        full = 1 << (p - 1).bit_length()
        r = data.draw(st.integers(1, full))
        s, rng = srht(r, p, like=LIKE, rng=seed), np.random.default_rng(seed)
        signs = rng.choice([-1.0, 1.0], size=p)
        kept = np.sort(rng.choice(full, size=r, replace=False))
        x = np.random.default_rng(seed).standard_normal(p)
        agree(s.matvec(x), srht_oracle(*lists(x, signs, kept)), full)

    @settings(max_examples=40, deadline=None)
    @given(size=st.integers(1, 9), m=st.integers(0, 40), seed=seeds)
    def test_rows_are_added_by_number_and_handed_back(self, size, m, seed):
        rng = np.random.default_rng(seed)
        index, x, y = rng.integers(0, size, size=m), rng.standard_normal((m, 2)), rng.standard_normal((size, 2))
        f = scatter(index, size, like=LIKE)
        want = np.zeros((size, 2))
        np.add.at(want, index, x)
        agree(f.matmat(x), want.tolist(), max(m, 1))
        np.testing.assert_array_equal(f.mT.matmat(y), y[index])
        assert f.flops == m - len(set(index.tolist()))

    @pytest.mark.parametrize("z", [1, 2, 5])
    def test_a_sparse_sign_sketch_has_that_many_entries_in_each_column(self, z):
        s = sparse_sign(5, 300, like=LIKE, rng=0, nonzeros=z).to_dense()
        np.testing.assert_array_equal(np.sum(s != 0, axis=0), z)
        np.testing.assert_allclose(np.abs(s[s != 0]), z**-0.5, rtol=ROUNDING("float64", 1))

    def test_every_set_of_rows_is_as_likely_as_any_other(self):
        dense = sparse_sign(4, 30_000, like=LIKE, rng=1, nonzeros=2).to_dense() != 0
        for a in range(4):
            for b in range(a):
                both = dense[a] & dense[b]
                assert abs(np.mean(both) - 1 / 6) <= CHANCE(both)

    @pytest.mark.parametrize(("r", "p"), SIZES)
    def test_a_count_sketch_is_that_of_scipy_from_the_same_seed(self, r, p):
        a = np.random.default_rng(4).standard_normal((p, 3))
        want = clarkson_woodruff_transform(a, r, rng=np.random.default_rng(9))
        agree(count_sketch(r, p, like=LIKE, rng=9) @ a, want.tolist(), p)

    def test_a_huge_entry_spoils_its_own_bucket_alone(self):
        """Sums are of the bucket's entries, and no differences of longer sums."""
        s = count_sketch(3, 50, like=LIKE, rng=0)
        buckets, signs = signs_and_buckets(s.to_dense())
        x = np.ones(50)
        x[np.argmax(buckets == 0)] = 1e300
        got = s.matvec(x)
        for bucket in (1, 2):
            assert got[bucket] == np.sum(signs[buckets == bucket])


class TestDoor:
    @every_sketch
    def test_the_same_seed_draws_the_same_and_another_does_not(self, sketch):
        one, same, other = (sketch(4, 16, like=LIKE, rng=seed).to_dense() for seed in (1, 1, 2))
        np.testing.assert_array_equal(one, same)
        assert not np.array_equal(one, other)

    @every_sketch
    def test_a_generator_moves_on(self, sketch):
        rng = np.random.default_rng(1)
        first, second = (sketch(4, 16, like=LIKE, rng=rng).to_dense() for _ in range(2))
        np.testing.assert_array_equal(first, sketch(4, 16, like=LIKE, rng=1).to_dense())
        assert not np.array_equal(first, second)

    @every_sketch
    def test_bad_input_is_refused_with_its_name(self, sketch):
        with pytest.raises(ValueError, match="r must be at least 1, got 0"):
            sketch(0, 3, like=LIKE)
        with pytest.raises(ValueError, match="p must be at least 0, got -1"):
            sketch(1, -1, like=LIKE)
        with pytest.raises(TypeError, match=r"r must be an integer, got 1\.5"):
            sketch(1.5, 3, like=LIKE)
        with pytest.raises(TypeError, match="like must be an array"):
            sketch(1, 3, like=[1.0])
        with pytest.raises(TypeError, match="like must have a floating dtype, got int64"):
            sketch(1, 3, like=np.arange(3))
        with pytest.raises(TypeError, match="rng must be a non-negative integer"):
            sketch(1, 3, like=LIKE, rng="seed")
        with pytest.raises(ValueError, match=r"a sketch of shape \(1, 3\) needs 3 rows, got shape \(1, 2\)"):
            sketch(1, 3, like=LIKE, rng=0).matmat(np.ones((1, 2)))

    def test_more_rows_than_there_are_is_refused(self):
        with pytest.raises(ValueError, match="r must be at most 8, the power of two that p=5 is filled up to, got 9"):
            srht(9, 5, like=LIKE)
        for z in (0, 4):
            with pytest.raises(ValueError, match=f"nonzeros must be in 1 .. r = 3, got {z}"):
                sparse_sign(3, 5, like=LIKE, nonzeros=z)
