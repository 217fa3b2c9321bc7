"""A few columns and rows of the matrix itself, and what stands between them."""

import itertools

import array_api_compat.numpy as xnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from libraries import LIBRARIES
from matrices import best_error, hilbert, kahan, normal, spectrum
from oracles import draw, lists, seeds, sizes
from oracles.factor import cur as oracle

from factorattn.factor.selection import cur
from factorattn.factor.selection.choice import CHOICES, adaptive, deim, drawn
from factorattn.interpret.counting import counting
from factorattn.testing import BOUND, CHANCE, ROUNDING
from factorattn.testing.case import to_numpy
from factorattn.testing.cost_laws import declared_growth_is_counted

MIDDLES = ["projection", "intersection"]
every_choice = pytest.mark.parametrize("choose", CHOICES)
every_middle = pytest.mark.parametrize("middle", MIDDLES)
DRAWS = 4000


@pytest.fixture(params=LIBRARIES)
def xp(request):
    return pytest.importorskip(request.param)


@settings(deadline=None)
@given(p=sizes, q=sizes, seed=seeds, choose=st.sampled_from(list(CHOICES)), data=st.data())
def test_the_middle_is_that_of_the_definition(p, q, seed, choose, data):
    (a,) = draw(seed, (p, q))
    rank = data.draw(st.integers(1, min(p, q)))
    for middle, want in (("projection", oracle.projection), ("intersection", oracle.intersection)):
        got = cur(a, rank, choose=choose, middle=middle, rng=seed)
        at = got.row_index.tolist(), got.column_index.tolist()
        condition = np.linalg.cond(got.c) * np.linalg.cond(got.r) * np.linalg.cond(a[np.ix_(*at)])
        allowed = ROUNDING("float64", a.size) * condition * np.max(np.abs(a))
        assert np.max(np.abs(got.to_dense() - want(*lists(a), *at))) <= allowed


@every_middle
@every_choice
@pytest.mark.parametrize("dtype", ["float32", "complex128"])
@pytest.mark.parametrize("shape", [(9, 6), (2, 3, 5, 6), (1, 4)])
def test_columns_and_rows_are_copies_and_the_error_is_what_it_says(xp, shape, dtype, choose, middle):
    a = normal(np.random.default_rng(0), shape, dtype)
    for rank in (1, 3, 100):
        got = cur(xp.asarray(a), rank, choose=choose, middle=middle, rng=1)
        k = min(rank, *shape[-2:])
        rows, columns = to_numpy(got.row_index), to_numpy(got.column_index)
        assert rows.shape == columns.shape == (*shape[:-2], k)
        assert np.array_equal(to_numpy(got.c), np.take_along_axis(a, columns[..., None, :], axis=-1))
        assert np.array_equal(to_numpy(got.r), np.take_along_axis(a, rows[..., :, None], axis=-2))
        for index in (rows, columns):
            assert np.all(np.diff(np.sort(index, axis=-1), axis=-1) > 0)  # all different
        error = np.linalg.norm(a - to_numpy(got.to_dense()), axis=(-2, -1))
        allowed = ROUNDING(dtype, a.size) * np.maximum(error, np.max(np.abs(a)))
        assert np.all(np.abs(error - to_numpy(got.error_bound)) <= allowed)
        assert np.all(best_error(a, k) <= error + allowed)


@every_middle
@every_choice
def test_the_draw_is_the_same_on_every_library(xp, choose, middle):
    a = normal(np.random.default_rng(0), (2, 8, 7))
    got, want = (cur(x, 3, choose=choose, middle=middle, rng=5) for x in (xp.asarray(a), a))
    assert np.array_equal(to_numpy(got.row_index), want.row_index)
    assert np.array_equal(to_numpy(got.column_index), want.column_index)


@every_choice
def test_no_other_middle_is_nearer_than_the_projection(choose):
    """The error is orthogonal to every column of C and row of R; the intersection is no nearer."""
    a = normal(np.random.default_rng(1), (9, 8))
    one, other = (cur(a, 4, choose=choose, middle=middle, rng=2) for middle in MIDDLES)
    assert one.row_index.tolist() == other.row_index.tolist()
    assert one.error_bound <= BOUND(other.error_bound, length=a.size)
    across = one.c.T @ (a - one.to_dense()) @ one.r.T
    assert np.max(np.abs(across)) <= ROUNDING("float64", a.size) * np.linalg.norm(one.c) * np.linalg.norm(
        one.r
    ) * np.linalg.norm(a)


@every_choice
def test_the_intersection_meets_the_matrix_in_its_rows_and_columns(choose):
    a = normal(np.random.default_rng(1), (9, 8))
    got = cur(a, 4, choose=choose, middle="intersection", rng=2)
    allowed = ROUNDING("float64", a.size) * np.linalg.cond(a[np.ix_(got.row_index, got.column_index)])
    dense = got.to_dense()
    assert np.max(np.abs(dense[got.row_index] - got.r)) <= allowed * np.max(np.abs(a))
    assert np.max(np.abs(dense[:, got.column_index] - got.c)) <= allowed * np.max(np.abs(a))


HARD = {
    "normal": normal(np.random.default_rng(1), (12, 9)),
    "complex": normal(np.random.default_rng(3), (9, 11), "complex128"),
    "falling": spectrum(20, 15, 0.5 ** np.arange(15)),
    "kahan": kahan(20),
    "hilbert": hilbert(12, 9),
}


@every_choice
@pytest.mark.parametrize("name", HARD)
def test_the_projection_is_within_the_bound_of_sorensen_and_embree(name, choose):
    """|A - C U R| <= (eta_p + eta_q) sigma_(k+1), eta_p = |V(p, :)^-1|, eta_q = |W(q, :)^-1|, for any choice p, q."""
    a = HARD[name]
    v, s, wt = np.linalg.svd(a, full_matrices=False)
    for k in range(1, min(a.shape)):
        got = cur(a, k, choose=choose, rng=k)
        eta = [
            1 / np.linalg.svd(part, compute_uv=False)[-1] for part in (v[got.row_index, :k], wt.T[got.column_index, :k])
        ]
        error = np.linalg.norm(a - got.to_dense(), 2)
        assert error <= BOUND(sum(eta) * s[k], length=a.size) + ROUNDING("float64", a.size) * s[0]


@settings(deadline=None)
@given(p=sizes, seed=seeds, data=st.data())
def test_deim_is_that_of_the_paper(p, seed, data):
    k = data.draw(st.integers(1, p))
    v = np.linalg.qr(draw(seed, (p, k))[0])[0]
    assert deim(v, xp=xnp).tolist() == oracle.deim(*lists(v))


def test_deim_of_singular_vectors_chooses_rows_and_columns():
    a = normal(np.random.default_rng(1), (9, 7))
    u, _, vt = np.linalg.svd(a, full_matrices=False)
    got = cur(a, 3, choose="deim")
    assert got.row_index.tolist() == oracle.deim(*lists(u[:, :3]))
    assert got.column_index.tolist() == oracle.deim(*lists(vt[:3].T))


WEIGHTS = np.asarray([0.5, 0.0, 3.0, 1.5, 1.0])


def test_a_draw_is_in_proportion_to_the_weights_of_what_is_left(xp):
    batch = xp.asarray(np.broadcast_to(WEIGHTS, (DRAWS, 5)).copy())
    got = to_numpy(drawn(batch, 5, np.random.default_rng(0), xp=xp))
    assert np.all(np.sort(got, axis=-1) == np.arange(5))
    assert np.all(got[:, -1] == 1)  # of weight zero: last
    share = WEIGHTS / WEIGHTS.sum()
    for j in range(5):
        hits = got[:, 0] == j
        assert abs(np.mean(hits) - share[j]) <= CHANCE(hits)
    for i, j in itertools.permutations((0, 2, 3, 4), 2):
        after = got[got[:, 0] == i, 1] == j
        assert abs(np.mean(after) - share[j] / (1 - share[i])) <= CHANCE(after)


@pytest.mark.parametrize("choose", ["leverage", "norm", "uniform", "adaptive"])
def test_the_first_row_and_column_are_drawn_as_the_option_says(choose):
    a = normal(np.random.default_rng(1), (4, 3)) * np.asarray([1.0, 2.0, 3.0])
    u, _, vt = np.linalg.svd(a)
    got = cur(np.broadcast_to(a, (DRAWS, 4, 3)), 1, choose=choose, rng=0)
    norms = np.sum(a**2, axis=0)
    columns = {"leverage": vt[0] ** 2, "uniform": np.ones(3)}.get(choose, norms)
    for j in range(3):
        hits = got.column_index[:, 0] == j
        assert abs(np.mean(hits) - columns[j] / columns.sum()) <= CHANCE(hits)
    rows = {"leverage": u[:, 0] ** 2, "norm": np.sum(a**2, axis=1), "uniform": np.ones(4)}.get(choose)
    for i in range(4):
        hits = got.row_index[:, 0] == i
        if rows is None:  # adaptive: of the one column that was drawn
            within = a[i] ** 2 / norms
            want = np.sum(within * norms / norms.sum())
        else:
            want = rows[i] / rows.sum()
        assert abs(np.mean(hits) - want) <= CHANCE(hits)


def test_adaptive_columns_are_within_the_bound_of_randomly_pivoted_cholesky():
    """Of A^H A: E |A - C C^+ A|_F^2 <= (1 + eps) |A - A_r|_F^2 for k >= r / eps + r log(1 / (eps eta))."""
    a, r, eps = spectrum(40, 30, [10.0, 7.0] + [1.0] * 10 + [0.1] * 10), 2, 0.5
    tail = best_error(a, r) ** 2
    k = int(np.ceil(r / eps + r * np.log(np.linalg.norm(a) ** 2 / (eps * tail))))
    assert k < 20
    got = cur(np.broadcast_to(a, (DRAWS // 10, *a.shape)), k, rng=0)
    basis = np.linalg.qr(got.c)[0]
    errors = np.linalg.norm(a - basis @ (basis.mT @ a), axis=(-2, -1)) ** 2
    assert np.mean(errors) <= BOUND((1 + eps) * tail, length=a.size) + CHANCE(errors)
    # One step, exactly: with B = A^H A, the trace of B falls by |B|_F^2 / tr B.
    one = cur(np.broadcast_to(a, (DRAWS, *a.shape)), 1, rng=1).c
    one = one / np.linalg.norm(one, axis=-2, keepdims=True)
    left = np.linalg.norm(a) ** 2 - np.linalg.norm(one.mT @ a, axis=(-2, -1)) ** 2
    want = np.linalg.norm(a) ** 2 - np.linalg.norm(a.T @ a) ** 2 / np.linalg.norm(a) ** 2
    assert abs(np.mean(left) - want) <= CHANCE(left)


def test_adaptive_columns_are_independent_wherever_there_are_any_left():
    """Twins of a column are never drawn before something new."""
    new = normal(np.random.default_rng(3), (6, 3)) * np.asarray([100.0, 1.0, 0.01])
    a = new[:, [0, 0, 0, 1, 0, 0, 2, 0]]
    for seed in range(50):
        got = adaptive(a, 3, np.random.default_rng(seed), xp=xnp)
        assert np.linalg.matrix_rank(a[:, got]) == 3


@every_middle
@pytest.mark.parametrize("choose", ["adaptive", "pivoted", "deim"])
@pytest.mark.parametrize("rank", [1, 2, 5])
def test_a_matrix_of_low_rank_is_returned_whole(xp, rank, choose, middle):
    a = spectrum(9, 8, np.arange(rank, 0.0, -1))
    for asked in (rank, rank + 1, 8):
        got = to_numpy(cur(xp.asarray(a), asked, choose=choose, middle=middle, rng=0).to_dense())
        assert np.max(np.abs(got - a)) <= ROUNDING("float64", a.size) * np.linalg.norm(a)


@every_middle
@pytest.mark.parametrize("choose", ["adaptive", "pivoted", "deim"])
def test_an_ill_conditioned_matrix_keeps_its_digits_which_one_middle_matrix_loses(choose, middle):
    a = hilbert(10)
    got = cur(a, 10, choose=choose, middle=middle, rng=0)
    allowed = ROUNDING("float64", a.size) * np.linalg.norm(a)
    assert np.linalg.norm(a - got.to_dense()) <= allowed
    middle_written_out = got.u.to_dense()
    assert np.linalg.norm(a - got.c @ (middle_written_out @ got.r)) > allowed


@every_choice
@every_middle
def test_constant_and_zero_matrices(xp, choose, middle):
    for a in (np.zeros((4, 3)), np.ones((4, 5)), np.stack([np.zeros((3, 3)), np.ones((3, 3))])):
        got = to_numpy(cur(xp.asarray(a), 2, choose=choose, middle=middle, rng=0).to_dense())
        assert np.max(np.abs(got - a)) <= ROUNDING("float64", a.size)
        assert np.array_equal(got[a == 0], a[a == 0])


@every_choice
@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 4, 3)])
def test_empty_matrices_have_empty_factors(xp, shape, choose):
    for middle in MIDDLES:
        assert tuple(cur(xp.zeros(shape), 2, choose=choose, middle=middle, rng=0).to_dense().shape) == shape


@every_middle
@every_choice
@pytest.mark.parametrize("shape", [(6, 4), (2, 4, 6)])
def test_a_product_costs_what_is_declared(shape, choose, middle):
    xp = counting()
    got = cur(xp.empty(shape), 2, choose=choose, middle=middle, rng=0)
    before = xp.tally.flops
    got.matvec(xp.empty((*shape[:-2], shape[-1])))
    assert xp.tally.flops - before == got.flops


def test_the_declared_cost_grows_as_the_counted_one():
    declared_growth_is_counted(cur, {"p": 4000, "q": 2000, "r": 20})


def test_bad_input_is_refused_by_name():
    a = np.ones((3, 2))
    with pytest.raises(ValueError, match=r"choose must be 'adaptive' or 'pivoted' or .*, got 'best'"):
        cur(a, 1, choose="best")
    with pytest.raises(ValueError, match="middle must be 'projection' or 'intersection', got 'none'"):
        cur(a, 1, middle="none")
    with pytest.raises(ValueError, match="rng must be a non-negative integer"):
        cur(a, 1, rng=-1)
    with pytest.raises(ValueError, match=r"rank must be a positive integer, got 1\.5"):
        cur(a, 1.5)
    with pytest.raises(ValueError, match="a must be finite"):
        cur(a * np.nan, 1)
