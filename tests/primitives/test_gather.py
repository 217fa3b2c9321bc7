"""Rows picked, pairs picked, the largest entries, and rows added up where they go: against NumPy's own indexing."""

import array_api_compat.numpy as xnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from libraries import LIBRARIES

from factorattn.primitives.gather import add_rows, leaders, take_pairs, take_rows
from factorattn.testing import ROUNDING
from factorattn.testing.case import to_numpy

batches = st.sampled_from(
    [((), ()), ((2,), (2,)), ((2, 1), (3,)), ((), (2, 3)), ((2, 3), ()), ((1,), (1, 1)), ((0,), (0,))]
)
lengths = st.integers(1, 9)
seeds = st.integers(0, 2**32 - 1)


@pytest.fixture(params=LIBRARIES)
def xp(request):
    return pytest.importorskip(request.param)


@given(of=batches, n=lengths, m=st.integers(0, 9), d=st.integers(0, 4), seed=seeds)
def test_rows_are_taken_batch_by_batch(of, n, m, d, seed):
    rng = np.random.default_rng(seed)
    x, index = rng.standard_normal((*of[0], n, d)), rng.integers(n, size=(*of[1], m))
    batch = np.broadcast_shapes(*of)
    want = np.take_along_axis(
        np.broadcast_to(x, (*batch, n, d)), np.broadcast_to(index, (*batch, m))[..., None], axis=-2
    )
    np.testing.assert_array_equal(take_rows(x, index, xp=xnp), want)


@given(
    of=batches,
    n=lengths,
    m=lengths,
    a=lengths,
    c=lengths,
    flat=st.sampled_from(["", "rows", "cols", "both"]),
    seed=seeds,
)
def test_pairs_are_those_of_the_broadcast_table(of, n, m, a, c, flat, seed):
    rng = np.random.default_rng(seed)
    shape = 1 if flat in ("rows", "both") else n, 1 if flat in ("cols", "both") else m
    table = rng.random((*of[0], *shape)) < 0.5
    rows, cols = rng.integers(n, size=(*of[1], a, 1)), rng.integers(m, size=(*of[1], 1, c))
    batch = np.broadcast_shapes(*of)
    full = np.broadcast_to(table, (*batch, n, m)).reshape(-1, n, m)
    i, j = (np.broadcast_to(x, (*batch, a, c)).reshape(-1, a, c) for x in (rows, cols))
    want = np.stack([one[p, q] for one, p, q in zip(full, i, j, strict=True)]) if len(full) else np.zeros((0, a, c))
    got = np.broadcast_to(take_pairs(table, rows, cols, xp=xnp), (*batch, a, c))
    np.testing.assert_array_equal(got, want.reshape(*batch, a, c))


@settings(deadline=None)
@given(
    rows=st.integers(0, 3),
    scores=st.lists(st.sampled_from([-np.inf, -1.0, -0.0, 0.0, 2.0, np.inf, np.nan]), min_size=1, max_size=9),
    data=st.data(),
)
def test_leaders_are_the_first_of_a_stable_sort(rows, scores, data):
    count = data.draw(st.integers(1, len(scores)))
    score = np.tile(np.asarray(scores), (rows, 1)).reshape(rows, len(scores))
    score = np.stack([np.roll(row, z) for z, row in enumerate(score)]) if rows else score
    positions, is_leader = leaders(score, count, xp=xnp)
    assert positions.shape == (rows, count)
    for row, some, whether in zip(score, positions, is_leader, strict=True):
        order = sorted(range(len(row)), key=lambda i: (np.inf if np.isnan(row[i]) else -row[i], i))
        assert some.tolist() == sorted(order[:count])
        assert np.flatnonzero(whether).tolist() == some.tolist()


@settings(deadline=None)
@given(
    batch=st.sampled_from([(), (2,), (2, 3), (0,)]),
    j=st.integers(1, 40),
    places=lengths,
    e=st.integers(0, 3),
    seed=seeds,
)
def test_rows_are_added_where_they_go(batch, j, places, e, seed):
    rng = np.random.default_rng(seed)
    x, place = rng.standard_normal((*batch, j, e)), rng.integers(places, size=(*batch, j))
    most = max([1, *(np.bincount(row).max() for row in place.reshape(-1, j))])
    got = add_rows(x, place, places, most=int(most), xp=xnp)
    want = np.zeros((*batch, places, e))
    for member in np.ndindex(*batch):
        np.add.at(want[member], place[member], x[member])
    assert got.shape == want.shape
    assert np.all(np.abs(got - want) <= 4 * ROUNDING(np.float64, j))


@given(j=st.integers(2, 30), places=st.integers(2, 5), seed=seeds)
def test_a_row_that_is_not_finite_reaches_its_own_place_only(j, places, seed):
    rng = np.random.default_rng(seed)
    x, place = rng.standard_normal((j, 2)), rng.integers(places, size=j)
    x[0] = [np.nan, np.inf]
    got = add_rows(x, place, places, most=j, xp=xnp)
    assert not np.any(np.isfinite(got[place[0]]))
    assert np.all(np.isfinite(np.delete(got, place[0], axis=0)))


def test_every_library_gives_the_same(xp, rng):
    x, index, score = rng.standard_normal((2, 7, 3)), rng.integers(7, size=(2, 5)), rng.standard_normal((2, 4, 7))
    theirs = [xp.asarray(a) for a in (x, index, score)]
    np.testing.assert_array_equal(to_numpy(take_rows(*theirs[:2], xp=xp)), take_rows(x, index, xp=xnp))
    for got, want in zip(leaders(theirs[2], 3, xp=xp), leaders(score, 3, xp=xnp), strict=True):
        np.testing.assert_array_equal(to_numpy(got), want)
    got = to_numpy(add_rows(theirs[0], xp.asarray(index[:, [0, 1, 2, 3, 4, 0, 0]]), 7, most=7, xp=xp))
    want = add_rows(x, index[:, [0, 1, 2, 3, 4, 0, 0]], 7, most=7, xp=xnp)
    assert np.max(np.abs(got - want)) <= np.max(np.abs(want)) * ROUNDING(np.float64, 7)
