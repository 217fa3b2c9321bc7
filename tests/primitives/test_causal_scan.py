"""Causal sums of outer products against sums over i and j in Python floats."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from libraries import LIBRARIES

from factorattn.interpret.counting import counting
from factorattn.primitives.causal_scan import CHUNK, causal_scan, empty_state, gather_keys
from factorattn.testing.tolerance import ROUNDING

EDGES = [1, CHUNK - 1, CHUNK, CHUNK + 1]
INF = math.inf
sizes = st.integers(0, 9)


@pytest.fixture(params=LIBRARIES)
def xp(request):
    return pytest.importorskip(request.param)


def scan_one(f, g, v, s):
    """The definition for one member of a batch, with sums over Python floats."""
    (n, r), (m, e) = f.shape, v.shape
    numerator, denominator = np.zeros((n, e)), np.zeros((n, 1))
    for i in range(n):
        past = range(min(max(i + m - n + 1, 0), m))
        t = max((s[j] for j in past), default=0.0)
        weights = [math.exp(s[j] - t) * math.fsum(float(f[i, c]) * float(g[j, c]) for c in range(r)) for j in past]
        numerator[i] = [math.fsum(w * float(v[j, c]) for j, w in zip(past, weights, strict=True)) for c in range(e)]
        denominator[i] = math.fsum(weights)
    return numerator, denominator


def oracle(f, g, v, log_scale=None):
    batch = np.broadcast_shapes(f.shape[:-2], g.shape[:-2], v.shape[:-2])
    s = np.zeros((g.shape[-2], 1)) if log_scale is None else log_scale
    f, g, v, s = (np.broadcast_to(x, (*batch, *x.shape[-2:])) for x in (f, g, v, s))
    numerator, denominator = np.zeros((*f.shape[:-1], v.shape[-1])), np.zeros((*f.shape[:-1], 1))
    for at in np.ndindex(batch):
        numerator[at], denominator[at] = scan_one(f[at], g[at], v[at], s[at][:, 0].tolist())
    return numerator, denominator


def draw(*shapes, dtype="float64", seed=0):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


def run(xp, f, g, v, log_scale=None, **options):
    s = None if log_scale is None else xp.asarray(log_scale)
    return [np.asarray(x) for x in causal_scan(xp.asarray(f), xp.asarray(g), xp.asarray(v), log_scale=s, **options)]


def assert_agrees(xp, f, g, v, log_scale=None, **options):
    got, want = run(xp, f, g, v, log_scale, **options), oracle(f, g, v, log_scale)
    # Terms cancel: errors are relative to the sum of their sizes, which is the same scan of absolute values.
    sizes = oracle(abs(f), abs(g), abs(v), log_scale)
    for name, x, y, size in zip(("numerator", "denominator"), got, want, sizes, strict=True):
        assert x.dtype == f.dtype
        assert x.shape == y.shape, name
        allowed = ROUNDING(f.dtype, g.shape[-2] + f.shape[-1]) * size.max(initial=0)
        assert np.abs(x - y).max(initial=0) <= allowed, name


@pytest.mark.parametrize("library", LIBRARIES)
@settings(deadline=None)
@given(sizes, sizes, st.integers(0, 4), st.integers(0, 4), st.integers(1, 12), st.booleans())
def test_it_is_the_definition_at_every_size_and_chunk(library, n, m, r, e, chunk, scaled):
    f, g, v, s = draw((2, n, r), (m, r), (1, m, e), (m, 1))
    assert_agrees(pytest.importorskip(library), f, g, v, s if scaled else None, chunk=chunk)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("m", EDGES)
@pytest.mark.parametrize("n", EDGES)
def test_chunks_of_the_usual_size_agree_around_their_edges(n, m, dtype):
    f, g, v, s = draw((n, 2), (m, 2), (m, 1), (m, 1), dtype=dtype)
    assert_agrees(pytest.importorskip("array_api_compat.numpy"), f, g, v, s)


@pytest.mark.parametrize("log_scale", [False, True])
@pytest.mark.parametrize(("n", "m"), [(5, 5), (7, 4), (4, 7), (3, 0), (0, 3)])
@pytest.mark.parametrize(
    ("f", "g", "v"),
    [((), (), ()), ((2,), (), ()), ((), (2,), ()), ((), (), (2,)), ((3, 1), (2,), (1, 1)), ((1,), (2,), (3, 1))],
)
def test_batches_broadcast(xp, f, g, v, n, m, log_scale):
    f, g, v, s = draw((*f, n, 2), (*g, m, 2), (*v, m, 3), (*g, m, 1))
    assert_agrees(xp, f, g, v, s if log_scale else None, chunk=2)


@pytest.mark.parametrize("chunk", [1, 3, 20])
def test_queries_that_come_before_the_first_key_are_zero(xp, chunk):
    numerator, denominator = run(xp, *draw((7, 2), (3, 2), (3, 2), (3, 1)), chunk=chunk)
    np.testing.assert_array_equal(numerator[:4], 0)
    np.testing.assert_array_equal(denominator[:4], 0)
    assert np.all(numerator[4:] != 0)


@pytest.mark.parametrize("chunk", [1, 3, 20])
@pytest.mark.parametrize("order", ["rising", "falling", "mixed"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_log_scales_of_wildly_different_size_neither_overflow_nor_vanish(xp, chunk, order, dtype):
    f, g, v = draw((12, 3), (12, 3), (12, 2), dtype=dtype)
    s = np.linspace(-3e4, 3e4, 12)
    s = {"rising": s, "falling": s[::-1], "mixed": np.random.default_rng(1).permutation(s)}[order]
    s = np.round(s).astype(dtype)[:, None]  # exact in float32, so that only the sums round
    assert_agrees(xp, f, g, v, s, chunk=chunk)
    assert np.all(run(xp, f, g, v, s, chunk=chunk)[1] != 0)  # t_i is the largest of the keys seen, not of all


@pytest.mark.parametrize("shift", [1e4, -1e4])
def test_only_differences_of_log_scales_matter(xp, shift):
    f, g, v, _ = draw((6, 3), (6, 3), (6, 2), (6, 1))
    s = np.asarray([3.0, -1.0, 4.0, -1.0, 5.0, -9.0])[:, None]
    for x, y in zip(run(xp, f, g, v, s, chunk=2), run(xp, f, g, v, s + shift, chunk=2), strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("chunk", [1, 2, 20])
@pytest.mark.parametrize("s", [[-INF, 0, 1, 2, 3], [0, 1, -INF, -INF, 2], [-INF] * 5, [-INF, -INF, 0, 1, -INF]])
def test_a_log_scale_of_minus_infinity_leaves_the_key_out(xp, s, chunk):
    f, g, v = (abs(x) for x in draw((5, 2), (5, 2), (5, 3)))
    s = np.asarray(s, dtype="float64")[:, None]
    numerator, denominator = run(xp, f, g, v, s, chunk=chunk)
    want, total = oracle(f, np.where(np.isfinite(s), g, 0), v, np.where(np.isfinite(s), s, -1e300))
    np.testing.assert_allclose(numerator, want, rtol=ROUNDING("float64", 7), atol=0)
    np.testing.assert_allclose(denominator, total, rtol=ROUNDING("float64", 7), atol=0)


@pytest.mark.parametrize("chunk", [1, 3, 20])
@pytest.mark.parametrize("where", [("g",), ("v",), ("log_scale",), ("g", "v", "log_scale")], ids="+".join)
@pytest.mark.parametrize(("n", "m"), [(8, 8), (6, 8), (8, 6)])
def test_the_future_is_not_seen_whatever_it_holds(xp, n, m, where, chunk):
    names = ("f", "g", "v", "log_scale")
    given = dict(zip(names, draw((n, 2), (m, 2), (m, 3), (m, 1)), strict=True))
    clean = run(xp, **given, chunk=chunk)
    for j, poison in itertools.product((0, 2, 3, m - 1), (np.nan, np.inf, -np.inf, 1e300)):
        later = dict(given)
        for name in where:
            later[name] = np.concatenate([given[name][:j], np.full_like(given[name][j:], poison)])
        with np.errstate(invalid="ignore", over="ignore"):
            got = run(xp, **later, chunk=chunk)
        first_to_see = max(j - (m - n), 0)
        for x, y in zip(got, clean, strict=True):
            np.testing.assert_array_equal(x[:first_to_see], y[:first_to_see])


@pytest.mark.parametrize("chunk", [1, 3, 20])
@pytest.mark.parametrize("poison", [np.nan, np.inf])
def test_a_value_that_is_not_finite_reaches_every_later_row(xp, poison, chunk):
    f, g, v = (abs(x) for x in draw((8, 2), (8, 2), (8, 3)))
    v[3, 1] = poison
    with np.errstate(invalid="ignore"):
        numerator, _ = run(xp, f, g, v, chunk=chunk)
    np.testing.assert_array_equal(np.isfinite(numerator[:, 1]), np.arange(8) < 3)


@pytest.mark.parametrize("chunk", [1, 3, 20])
def test_a_query_that_is_not_finite_reaches_its_own_row_only(xp, chunk):
    f, g, v = draw((8, 2), (8, 2), (8, 3))
    clean, _ = run(xp, f, g, v, chunk=chunk)
    f[3, 1] = np.nan
    numerator, _ = run(xp, f, g, v, chunk=chunk)
    others = np.arange(8) != 3
    np.testing.assert_array_equal(numerator[others], clean[others])
    assert np.all(np.isnan(numerator[3]))


def test_the_state_is_a_sum_over_keys_in_any_portions(xp):
    g, v, s = map(xp.asarray, draw((7, 2), (7, 3), (7, 1)))
    whole = gather_keys(empty_state(g, v, xp=xp), g, v, s, xp=xp)
    state = empty_state(g, v, xp=xp)
    for portion in (slice(0, 1), slice(1, 5), slice(5, 7)):
        state = gather_keys(state, g[portion, :], v[portion, :], s[portion, :], xp=xp)
    assert [x.shape for x in state] == [(2, 3), (1, 2), (1, 1)]
    for x, y in zip(map(np.asarray, state), map(np.asarray, whole), strict=True):
        np.testing.assert_allclose(x, y, rtol=0, atol=ROUNDING("float64", 7) * np.abs(y).max())


def test_its_cost_is_linear_in_the_length_and_is_known_without_walking():
    def operations(n):
        xp = counting()
        f, v = xp.empty((n, 4), dtype=xp.float32), xp.empty((n, 3), dtype=xp.float32)
        xp.tally.start()
        causal_scan(f, f, v)
        return xp.tally.flops

    assert operations(CHUNK * 10**6) == 10**6 * operations(CHUNK)
