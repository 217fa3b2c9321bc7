"""Streaming softmax, as its reference computes it, against sums over i and j in Python floats."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from libraries import LIBRARIES

from factorattn.primitives import softmax_attend as module
from factorattn.primitives.dispatch import kernels
from factorattn.primitives.softmax_attend import softmax_attend, visible
from factorattn.testing.tolerance import ROUNDING

OPEN = (None, None)
BANDS = {"open": OPEN, "causal": (None, 2), "window": (-3, 1), "ahead": (2, None), "none": (40, 50), "crossed": (2, -2)}
sizes = st.integers(0, 7)
bounds = st.none() | st.integers(-9, 9)


@pytest.fixture(params=LIBRARIES)
def xp(request):
    return pytest.importorskip(request.param)


@pytest.fixture
def small_tiles(monkeypatch):
    """Tiles of three queries and two keys, so that small arrays have many."""
    monkeypatch.setattr(module, "ROWS", 3)
    monkeypatch.setattr(module, "COLS", 2)


def attend_one(q, k, v, scale, softcap, bias, mask, band):
    """The definition for one member of a batch: nested loops over Python floats."""
    (lo, hi), n, m, e = band, len(q), len(k), v.shape[-1]
    o, lse = np.zeros((n, e)), np.full(n, -np.inf)
    for i in range(n):
        logits = {}
        for j in range(m):
            if (lo is None or j - i >= lo) and (hi is None or j - i <= hi) and mask[i, j]:
                a = scale * math.fsum(map(math.prod, zip(q[i].tolist(), k[j].tolist(), strict=True)))
                logits[j] = (a if softcap is None else softcap * math.tanh(a / softcap)) + float(bias[i, j])
        top = max(logits.values(), default=-math.inf)
        if top > -math.inf:
            weights = {j: math.exp(a - top) for j, a in logits.items()}
            total = math.fsum(weights.values())
            o[i] = [math.fsum(w * float(v[j, c]) for j, w in weights.items()) / total for c in range(e)]
            lse[i] = top + math.log(total)
    return o, lse


def oracle(q, k, v, *, scale, softcap=None, bias=None, mask=None, band=OPEN):
    n, m = q.shape[-2], k.shape[-2]
    bias = np.zeros((n, m)) if bias is None else bias
    mask = np.ones((n, m), dtype=bool) if mask is None else mask
    batch = np.broadcast_shapes(*(x.shape[:-2] for x in (q, k, v, bias, mask)))
    q, k, v = (np.broadcast_to(x, (*batch, *x.shape[-2:])) for x in (q, k, v))
    bias, mask = (np.broadcast_to(x, (*batch, n, m)) for x in (bias, mask))
    o, lse = np.zeros((*batch, n, v.shape[-1])), np.zeros((*batch, n))
    for at in np.ndindex(batch):
        o[at], lse[at] = attend_one(q[at], k[at], v[at], scale, softcap, bias[at], mask[at], band)
    return o, lse


def draw(*shapes, dtype="float64", seed=0):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


def run(xp, *arrays, **options):
    """The reference's answer on arrays of `xp`, as NumPy arrays."""
    options = {name: xp.asarray(x) if isinstance(x, np.ndarray) else x for name, x in options.items()}
    with kernels("off") as log:
        o, lse = softmax_attend(*map(xp.asarray, arrays), **options)
    assert [choice.ran for choice in log] == ["reference"]
    return np.asarray(o), np.asarray(lse)


def assert_agrees(xp, q, k, v, **options):
    options = {"scale": 0.7, **options}
    got, expected = run(xp, q, k, v, **options), oracle(q, k, v, **options)
    allowed = ROUNDING(q.dtype, k.shape[-2] + k.shape[-1])
    for name, x, y in zip(("o", "lse"), got, expected, strict=True):
        assert x.dtype == q.dtype
        assert x.shape == y.shape, name
        finite = np.isfinite(y)
        np.testing.assert_array_equal(x[~finite], y[~finite], err_msg=name)
        largest = max(np.abs(y[finite]).max(initial=0), name == "lse")  # lse is an exponent: its error is absolute
        assert np.abs(x[finite] - y[finite]).max(initial=0) <= allowed * largest, name


@pytest.mark.parametrize("library", LIBRARIES)
@settings(deadline=None)
@given(st.data(), sizes, sizes, st.integers(0, 4), st.integers(0, 4), bounds, bounds, st.sampled_from([None, 0.5]))
def test_it_is_the_definition_at_every_size_and_with_every_option(library, data, n, m, d, e, lo, hi, softcap):
    xp = pytest.importorskip(library)
    rows, cols, heads = ([data.draw(st.sampled_from([1, size])) for _ in range(2)] for size in (n, m, 2))
    shapes = [(*(heads[:1] * data.draw(st.integers(0, 1))), r, c) for r, c in zip(rows, cols, strict=True)]
    q, k, v, bias, chance = draw((2, n, d), (m, d), (1, m, e), *shapes)
    options = {"bias": bias if data.draw(st.booleans()) else None}
    options["mask"] = chance < 0.5 if data.draw(st.booleans()) else None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "ROWS", data.draw(st.integers(1, 4)))
        patch.setattr(module, "COLS", data.draw(st.integers(1, 4)))
        assert_agrees(xp, q, k, v, softcap=softcap, band=(lo, hi), **options)


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("band", BANDS.values(), ids=BANDS.keys())
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("softcap", [None, 1.5])
def test_every_combination_of_options_agrees(xp, softcap, biased, masked, band, dtype):
    q, k, v, bias, chance = draw((2, 7, 3), (2, 9, 3), (2, 9, 2), (2, 7, 9), (2, 7, 9), dtype=dtype)
    options = {"bias": bias if biased else None, "mask": chance < 0.5 if masked else None}
    assert_agrees(xp, q, k, v, softcap=softcap, band=band, **options)


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("m", range(7))
@pytest.mark.parametrize("n", range(9))
def test_every_band_agrees_around_the_edges_of_tiles(n, m):
    xp = pytest.importorskip("array_api_compat.numpy")
    q, k, v = draw((n, 2), (m, 2), (m, 2))
    for lo, hi in itertools.product((None, -5, -2, 0, 1, 4), repeat=2):
        assert_agrees(xp, q, k, v, band=(lo, hi))


@pytest.mark.parametrize(("n", "m"), [(255, 3), (256, 3), (257, 3), (3, 1023), (3, 1024), (3, 1025)])
@pytest.mark.parametrize("band", [OPEN, (None, 900), (-2, 1000)])
def test_tiles_of_the_usual_size_agree_around_their_edges(n, m, band):
    assert_agrees(pytest.importorskip("array_api_compat.numpy"), *draw((n, 2), (m, 2), (m, 1)), band=band)


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("bias", [(1, 1), (5, 1), (1, 6), (5, 6), (3, 1, 5, 6), (4, 1, 6), (3, 4, 5, 1)])
@pytest.mark.parametrize(
    ("q", "k", "v"),
    [
        ((5, 2), (6, 2), (6, 3)),
        ((4, 5, 2), (6, 2), (3, 1, 6, 3)),
        ((3, 1, 5, 2), (4, 6, 2), (1, 6, 3)),
        ((1, 5, 2), (1, 5, 2), (1, 5, 2)),
    ],
)
def test_batches_broadcast_those_of_bias_and_mask_too(xp, q, k, v, bias):
    if k[-2] != bias[-1] > 1:
        bias = (*bias[:-1], k[-2])
    q, k, v, bias = draw(q, k, v, bias)
    assert_agrees(xp, q, k, v, bias=bias, mask=bias > -0.5)


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize(("n", "m", "d", "e"), [(0, 5, 2, 2), (5, 0, 2, 2), (0, 0, 2, 2), (5, 5, 0, 2), (5, 5, 2, 0)])
@pytest.mark.parametrize("band", [OPEN, (None, 0), (-1, 1)])
def test_empty_axes_agree(xp, n, m, d, e, band):
    assert_agrees(xp, *draw((2, n, d), (2, m, d), (2, m, e)), band=band)


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("m", [0, 5])
def test_batch_axes_of_bias_and_mask_are_kept_where_no_key_is_seen(xp, m):
    q, k, v, bias, chance = draw((4, 2), (m, 2), (m, 2), (3, 1, 1, m), (2, 4, 1))
    assert_agrees(xp, q, k, v, bias=bias, mask=chance < 0.5, band=(40, None))


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("hide", ["mask", "bias", "band"])
def test_a_row_that_sees_no_key_is_zero_and_its_log_sum_exp_minus_infinity(xp, hide):
    q, k, v = draw((5, 2), (5, 2), (5, 3))
    sees = np.asarray([False, True, False, True, True])
    options = {
        "mask": {"mask": np.tile(sees[:, None], 5)},
        "bias": {"bias": np.where(sees, 0.0, -np.inf)[:, None]},
        "band": {"band": (2, None)},
    }[hide]
    if hide == "band":
        sees = np.arange(5) + 2 < 5
    o, lse = run(xp, q, k, v, scale=0.7, **options)
    np.testing.assert_array_equal(o[~sees], np.zeros((np.count_nonzero(~sees), 3)))
    np.testing.assert_array_equal(np.isfinite(lse), sees)
    np.testing.assert_array_equal(lse[~sees], -np.inf)
    assert np.all(o[sees] != 0)


@pytest.mark.parametrize("band", [(-(10**30), 10**30), (None, 10**30), (-(2**63) - 1, None), (10**30, None)])
def test_a_bound_may_be_any_integer(xp, band):
    assert_agrees(xp, *draw((3, 2), (4, 2), (4, 2)), band=band)


def hidden(how, n, m):
    """Which pairs (n, m) are seen, and the options that hide the others."""
    i, j = np.arange(n)[:, None], np.arange(m)
    seen = abs(j - i) <= 1 if how == "band" else (i + j) % 3 != 0
    value = {"mask": seen, "bias": np.where(seen, 0.0, -np.inf), "band": (-1, 1)}[how]
    return seen, {how: value}


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("how", ["mask", "bias", "band"])
def test_a_value_that_is_not_finite_reaches_just_the_rows_that_see_it(xp, how, poison):
    (seen, options), (q, k, v) = hidden(how, 7, 6), draw((7, 2), (6, 2), (6, 3))
    clean, lse = run(xp, q, k, v, scale=0.7, **options)
    for j in range(6):
        bad = v.copy()
        bad[j, 1] = poison
        with np.errstate(invalid="ignore"):
            got, got_lse = run(xp, q, k, bad, scale=0.7, **options)
        np.testing.assert_array_equal(got[~seen[:, j]], clean[~seen[:, j]])
        np.testing.assert_array_equal(got_lse, lse)
        assert not np.any(np.isfinite(got[seen[:, j], 1]))


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("how", ["mask", "bias", "band"])
def test_a_key_that_is_not_finite_reaches_no_row_that_does_not_see_it(xp, how, poison):
    (seen, options), (q, k, v) = hidden(how, 7, 6), draw((7, 2), (6, 2), (6, 3))
    clean = run(xp, q, k, v, scale=0.7, **options)
    for j in range(6):
        bad = k.copy()
        bad[j, 1] = poison
        with np.errstate(invalid="ignore"):
            got = run(xp, q, bad, v, scale=0.7, **options)
        for x, y in zip(got, clean, strict=True):
            np.testing.assert_array_equal(x[~seen[:, j]], y[~seen[:, j]])
        if np.isnan(poison):
            assert np.all(np.isnan(got[0][seen[:, j]]))


@pytest.mark.usefixtures("small_tiles")
def test_a_query_that_is_not_finite_reaches_its_own_row_only(xp):
    q, k, v = draw((7, 2), (6, 2), (6, 3))
    clean, _ = run(xp, q, k, v, scale=0.7)
    q[4, 0] = np.nan
    got, _ = run(xp, q, k, v, scale=0.7)
    others = np.arange(7) != 4
    np.testing.assert_array_equal(got[others], clean[others])
    assert np.all(np.isnan(got[4]))


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("scale", [2.0**6, 2.0**90, -(2.0**90)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_logits_far_beyond_the_range_of_the_exponential_neither_overflow_nor_vanish(xp, scale, dtype):
    rng = np.random.default_rng(0)
    q, k = (rng.integers(-30, 31, size=shape).astype(dtype) for shape in ((7, 3), (9, 3)))  # logits are exact
    (v,) = draw((9, 2), dtype=dtype)
    assert_agrees(xp, q, k, v, scale=scale)


@pytest.mark.usefixtures("small_tiles")
def test_keys_of_ever_larger_logits_are_rescaled_at_every_tile(xp):
    q, k = np.ones((4, 1), dtype="float32"), np.arange(0, 2000, 50.0, dtype="float32")[:, None]
    (v,) = draw((len(k), 2), dtype="float32")
    assert_agrees(xp, q, k, v, scale=1.0)
    assert_agrees(xp, q, k[::-1].copy(), v, scale=1.0)


@pytest.mark.usefixtures("small_tiles")
def test_a_softcap_bounds_the_logits_before_the_bias_is_added(xp):
    q, k, v = np.full((2, 1), 1e3), np.asarray([[1.0], [-1.0]]), np.asarray([[1.0], [0.0]])
    bias = np.asarray([[0.0, 5.0]])
    o, lse = run(xp, q, k, v, scale=1.0, softcap=2.0, bias=bias)
    weights = np.exp([2.0, -2.0 + 5.0])  # tanh(500) rounds to 1
    np.testing.assert_allclose(o[:, 0], weights[0] / weights.sum(), rtol=ROUNDING("float64", 2), atol=0)
    np.testing.assert_allclose(lse, np.log(weights.sum()), rtol=ROUNDING("float64", 2), atol=0)


@settings(deadline=None)
@given(st.integers(0, 12), st.integers(1, 6), st.integers(0, 30), bounds, bounds, st.integers(1, 8))
def test_runs_of_keys_hold_all_pairs_of_the_band_and_uncut_ones_nothing_else(start, rows, m, lo, hi, cols):
    band = (lo, hi)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "COLS", cols)
        runs = visible(start, start + rows, m, band)
    assert all(a <= b for a, b, _ in runs)
    assert all(b == c for (_, b, _), (c, _, _) in itertools.pairwise(runs))  # no gap, no overlap
    touched = {j for a, b, _ in runs for j in range(a, b)}
    assert touched <= set(range(m))
    for i, j in itertools.product(range(start, start + rows), range(m)):
        inside = (lo is None or j - i >= lo) and (hi is None or j - i <= hi)
        if inside:
            assert j in touched
        elif any(a <= j < b for a, b, cut in runs if not cut):
            raise AssertionError(f"pair ({i}, {j}) lies in an uncut run of {runs}")


def test_the_band_is_not_walked_outside(monkeypatch):
    widths = []

    def absorb(state, q, k, v, **options):
        widths.append((q.shape[-2], k.shape[-2]))
        return state

    monkeypatch.setattr(module, "absorb", absorb)
    (x,) = draw((4096, 2))
    run(pytest.importorskip("array_api_compat.numpy"), x, x, x, scale=1.0, band=(-10, 10))
    assert sum(rows * cols for rows, cols in widths) == 4096 * (256 + 20) - 2 * 10 * 256
