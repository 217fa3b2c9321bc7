"""Facts about attention free transformers: worked examples, all four kinds, numbers of any size, what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import aft, agree, draw, lists, seeds, sizes

import factorattn as fa
from factorattn.interpret.counting import counting
from factorattn.testing import ROUNDING

FORMS = pytest.mark.parametrize("form", fa.aft_attention.record.forms)
EXACT = pytest.mark.parametrize("form", ["dense", "tiled"])


def close(got, want, length):
    assert got.shape == want.shape
    assert np.max(np.abs(got - want)) <= np.max(np.abs(want)) * ROUNDING(got.dtype, length)


@FORMS
def test_two_keys_by_hand(form):
    """The gate of q = 0 is a half; keys weigh 1 : 3, and with the bias 1 : 6."""
    q, k, v = np.zeros((1, 1)), np.array([[0.0], [np.log(3)]]), np.array([[8.0], [16.0]])
    close(fa.aft_attention(q, k, v, form=form), np.array([[(8 + 3 * 16) / 4 / 2]]), 2)
    w = np.array([[0.0, np.log(2)]])
    close(fa.aft_attention(q, k, v, w, form=form), np.array([[(8 + 6 * 16) / 7 / 2]]), 2)


@FORMS
@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_large_keys_and_queries_neither_overflow_nor_vanish(form, biased, causal, dtype, rng):
    q, k, v = (x.astype(dtype) for x in rng.standard_normal((3, 150, 4)))
    w = (rng.standard_normal((150, 150)).astype(dtype),) if biased else ()
    o = fa.aft_attention(1000 * q, 10000 * k, v, *w, causal=causal, form=form)
    assert np.all(np.isfinite(o))
    assert np.all(np.abs(o) <= np.max(np.abs(v)) * (1 + ROUNDING(dtype, 150)))
    open_gates = 1000 * q > 20
    assert np.all(o[open_gates] != 0)


@FORMS
def test_a_later_key_of_any_size_does_not_drown_the_earlier_ones(form):
    """Keys that grow by thousands: each row is ruled by its newest key. A gate of 100 is wide open."""
    k = np.repeat(np.arange(100.0)[:, None] * 1000, 100, axis=1)
    for w in ((), (np.zeros((100, 100)),)):
        o = fa.aft_attention(np.full((100, 100), 100.0), k, np.eye(100), *w, causal=True, form=form)
        np.testing.assert_array_equal(o, np.eye(100))


@EXACT
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("slope", [1, 30])
def test_biases_that_fall_where_keys_rise_leave_no_row_empty(form, causal, dtype, slope):
    """Recency against keys that grow: e^(k + w) is in range for each query, e^k e^w is not. The mean of ones is one."""
    i = np.arange(200, dtype=dtype)
    w, k = -slope * np.abs(i[:, None] - i), slope * i[:, None]
    o = fa.aft_attention(np.full((200, 1), 100, dtype), k, np.ones((200, 1), dtype), w, causal=causal, form=form)
    close(o, np.ones((200, 1), dtype), 200)


@EXACT
def test_a_bias_and_a_key_that_just_make_up_for_each_other(form):
    """Sums -120, -120: two keys of equal weight."""
    k, w = np.array([[-120.0], [0.0]], dtype="float32"), np.array([[0.0, -120.0]], dtype="float32")
    v = np.array([[1.0], [3.0]], dtype="float32")
    close(fa.aft_attention(np.full((1, 1), 100.0, "float32"), k, v, w, form=form), np.full((1, 1), 2.0, "float32"), 2)


@FORMS
@pytest.mark.parametrize(("dtype", "spread"), [(np.float32, 70), (np.float64, 650)])
@pytest.mark.parametrize("wide", ["biases", "keys"])
def test_biases_or_keys_within_the_stated_spread_are_in_range_of_every_form(form, dtype, spread, wide, rng):
    """The other ones may spread without bound: here they fall by a thousand spreads."""
    narrow, far = spread * np.array([0, 1], dtype), -1000 * spread * np.arange(2, dtype=dtype)
    w, k = (narrow, far) if wide == "keys" else (far, narrow)
    v = rng.standard_normal((2, 3)).astype(dtype)
    o = fa.aft_attention(np.full((1, 3), 1000, dtype), np.repeat(k[:, None], 3, axis=1), v, w[None, :], form=form)
    close(o, v[:1], 2)


@FORMS
@pytest.mark.parametrize("window", [0, 1, 70, 10**30])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(("n", "m"), [(300, 300), (300, 130), (130, 300), (3, 200), (200, 3)])
def test_a_window_is_biases_of_zero_beyond_it(form, window, causal, n, m, rng):
    q, k, v, w = (rng.standard_normal(shape) for shape in ((n, 3), (m, 3), (m, 3), (n, m)))
    beside = np.arange(n)[:, None] + m - n
    zeroed = np.where(np.abs(np.arange(m) - beside) <= window, w, 0.0)
    got = fa.aft_attention(q, k, v, w, window=window, causal=causal, form=form)
    close(got, fa.aft_attention(q, k, v, zeroed, causal=causal, form="dense"), 300)


@pytest.mark.parametrize("causal", [False, True])
def test_a_window_looks_at_the_biases_inside_only(causal, rng):
    q, k, v, w = (rng.standard_normal(shape) for shape in ((200, 3), (200, 3), (200, 3), (200, 200)))
    want = fa.aft_attention(q, k, v, w, window=5, causal=causal)
    far = np.abs(np.arange(200)[:, None] - np.arange(200)) > 5
    np.testing.assert_array_equal(fa.aft_attention(q, k, v, np.where(far, np.nan, w), window=5, causal=causal), want)


@FORMS
def test_biases_that_depend_on_the_distance_alone_are_the_convolutions_of_the_paper(form, rng):
    """AFT-conv: sums over all keys plus a convolution with e^u - 1, another u for each head."""
    q, k, v, u = (
        rng.standard_normal((2, 9, 3)),
        rng.standard_normal((2, 9, 3)),
        rng.standard_normal((2, 9, 3)),
        rng.standard_normal((2, 5)),
    )
    distance = np.arange(9) - np.arange(9)[:, None]
    w = u[:, np.clip(distance + 2, 0, 4)]
    o = fa.aft_attention(q, k, v, w, window=2, form=form)
    for head in range(2):
        agree(o[head], aft.convolutional(*lists(q[head], k[head], v[head], u[head])), 9)


@FORMS
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("rows", [1, 6])
@pytest.mark.parametrize("biased", [False, True])
def test_nothing_of_a_hidden_key_shows(form, causal, rows, biased, rng):
    q, k, v, w = rng.standard_normal((4, 6, 6))
    shown = np.array([True, False, True, True, False, True])
    want = fa.aft_attention(q, k[shown], v[shown], *([w[:, shown]] if biased else []), form=form)
    k[~shown], v[~shown], w[:, ~shown] = np.nan, np.inf, np.nan
    mask = np.broadcast_to(shown, (rows, 6))
    got = fa.aft_attention(q, k, v, *([w] if biased else []), mask=mask, causal=causal, form=form)
    seen = [5] if causal else slice(None)  # the last one sees them all
    close(got[seen], want[seen], 6)


@FORMS
@pytest.mark.parametrize("hidden", ["key by key", "pair by pair"])
def test_a_tile_that_is_hidden_does_not_change_the_range_of_the_others(form, hidden, rng):
    """In float32 keys near -200 would vanish beside a maximum of zero."""
    q, k, v = (x.astype("float32") for x in rng.standard_normal((3, 1500, 2)))
    k = k - 200
    shown = np.arange(1500) >= 1100
    mask = shown[None, :] if hidden == "key by key" else np.broadcast_to(shown, (1500, 1500))
    got = fa.aft_attention(q, k, v, mask=mask, form=form)
    close(got, fa.aft_attention(q, k[shown], v[shown], form=form), 400)


@FORMS
def test_a_row_that_sees_nothing_is_zero(form, rng):
    q, k, v = rng.standard_normal((3, 6, 4))
    mask = np.ones((6, 6), dtype=bool)
    mask[2] = False
    np.testing.assert_array_equal(fa.aft_attention(q, k, v, mask=mask, form=form)[2], np.zeros(4))
    hidden = np.zeros(6, dtype=bool)
    np.testing.assert_array_equal(fa.aft_attention(q, k, v, mask=hidden, form=form), np.zeros((6, 4)))
    for w in ((), (np.ones((6, 1)),)):
        late = fa.aft_attention(q, k[:1], v[:1], *w, causal=True, form=form)
        np.testing.assert_array_equal(late[:5], np.zeros((5, 4)))


@FORMS
def test_batches_broadcast(form, rng):
    q, k, v, w = (rng.standard_normal(shape) for shape in ((2, 1, 70, 3), (3, 70, 3), (1, 70, 3), (3, 70, 70)))
    for options in ({}, {"causal": True}, {"window": 2}):
        got = fa.aft_attention(q, k, v, w, form=form, **options)
        assert got.shape == (2, 3, 70, 3)
        for at in np.ndindex(2, 3):
            one = fa.aft_attention(q[at[0], 0], k[at[1]], v[0], w[at[1]], form=form, **options)
            close(got[at], one, 70)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"window": 2}, ValueError, "window is where the biases w are, and there are none; leave it out"),
        ({"w": np.ones((6, 6)), "window": -1}, ValueError, "window must be at least 0, got -1"),
        ({"w": np.ones((6, 6)), "window": 1.5}, TypeError, "window must be an integer, got 1.5"),
        ({"w": np.ones((6, 5))}, ValueError, "axis 'm' is 6"),
        ({"v": np.ones((6, 3))}, ValueError, "axis 'e' is 4"),
        ({"mask": np.ones((6, 6))}, TypeError, "mask must have dtype bool"),
        ({"form": "online"}, ValueError, "form must be 'dense' or 'tiled' or 'factored', got 'online'"),
    ],
)
def test_nonsense_is_refused_by_name(options, error, words):
    given = {"q": np.ones((6, 4)), "k": np.ones((6, 4)), "v": np.ones((6, 4)), **options}
    with pytest.raises(error, match=words):
        fa.aft_attention(**given)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("biased", [False, True])
def test_counted_operations_with_a_window_or_without_biases_are_linear_in_the_length(causal, biased):
    """Twice the difference of lengths is twice the difference of counts: ends of the sequence cost less, once."""
    counts = []
    for n in (2**11, 2**12, 2**13):
        xp = counting()
        q, w = xp.empty((n, 64), dtype=xp.float32), xp.empty((n, n), dtype=xp.float32)
        xp.tally.start()
        fa.aft_attention(q, q, q, *([w] if biased else []), window=64 if biased else None, causal=causal)
        counts.append((xp.tally.flops, xp.tally.peak))
    (few, _), (more, much), (many, most) = counts
    assert many - more == 2 * (more - few)
    assert most <= 2 * much


@FORMS
@settings(deadline=None)
@given(
    n=sizes,
    m=sizes,
    e=sizes,
    seed=seeds,
    window=st.none() | st.integers(0, 8) | st.just("simple"),
    rows=st.sampled_from([None, "one", "all"]),
    causal=st.booleans(),
)
def test_aft_attention_is_the_paper(form, n, m, e, seed, window, rows, causal):
    q, k, v, w, chance = draw(seed, (n, e), (m, e), (m, e), (n, m), (n, m))
    if window == "simple":
        w = window = None
    mask = None if rows is None else chance[: 1 if rows == "one" else n] > -0.5
    got = fa.aft_attention(q, k, v, w, window=window, mask=mask, causal=causal, form=form)
    mask = None if mask is None else np.broadcast_to(mask, (n, m))
    q, k, v, w, mask = lists(q, k, v, w, mask)
    agree(got, aft.aft_attention(q, k, v, w, window=window, mask=mask, causal=causal), m)
