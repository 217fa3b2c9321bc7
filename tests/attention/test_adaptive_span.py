"""Facts about adaptive spans: what is seen, what it costs, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import adaptive_span, agree, draw, lists, seeds, sizes
from pairs import masks, seen

import factorattn as fa
from factorattn import pattern
from factorattn.attention.sparse.adaptive_span import span_penalty

FORMS = fa.adaptive_span_attention.record.forms


def attend(q, k, v, *, z, **options):
    return fa.adaptive_span_attention(q, k, v, np.full(q.shape[:-1], float(z)), **options)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize(("window", "z", "ramp"), [(1, 1, 1), (9, 3, 2.5), (64, 10, 32), (100, 70, 5), (999, 0, 0.5)])
def test_the_pairs_are_those_of_a_window_that_the_mask_cuts(window, z, ramp, own, form):
    """The mask m_z(x) is above zero for x < R + z."""
    got = seen(attend, 200, z=z, window=window, ramp=ramp, own=own, form=form)
    back = min(window, int(np.ceil(ramp + z)) - 1)
    np.testing.assert_array_equal(got, pattern.band(200, 200, -back, 0 if own else -1).dense())


@pytest.mark.parametrize("form", FORMS)
def test_the_mask_is_a_ramp(form):
    """Span 2, ramp 4: distances 1 to 6 weigh 1, 1, 3/4, 1/2, 1/4, 0."""
    got = attend(np.zeros((7, 1)), np.zeros((7, 1)), np.eye(7), z=2, window=6, ramp=4, form=form)
    np.testing.assert_allclose(got[6], np.array([0, 0.25, 0.5, 0.75, 1, 1, 0]) / 3.5)


@pytest.mark.parametrize("form", FORMS)
def test_a_span_below_minus_the_ramp_sees_nothing(form, rng):
    q, k, v = rng.standard_normal((3, 9, 2))
    z = np.array([3.0, 3, 3, -2, 3, 3, 3, 3, 3])
    out = fa.adaptive_span_attention(q, k, v, z, window=4, ramp=2, form=form)
    np.testing.assert_array_equal(np.any(out != 0, axis=1), [False, True, True, False, *[True] * 5])


@pytest.mark.parametrize("form", FORMS)
def test_a_span_that_is_not_a_number_reaches_its_own_query_only(form, rng):
    q, k, v = rng.standard_normal((3, 9, 2))
    z = np.where(np.arange(9) == 4, np.nan, 3.0)
    out = fa.adaptive_span_attention(q, k, v, z, window=4, form=form)
    np.testing.assert_array_equal(np.isnan(out).any(axis=1), np.arange(9) == 4)


def test_cost_follows_the_largest_span_and_not_the_square():
    sizes = {"n": 2**14, "d": 64, "e": 64, "w": 128}
    small, large = (fa.cost(fa.adaptive_span_attention, {**sizes, "n": n}) for n in (2**14, 2**16))
    assert large.flops <= 4 * small.flops
    assert large.peak <= 4 * small.peak


def test_the_penalty_is_the_mean_span():
    z = np.array([1.0, 2.0, 6.0])
    assert span_penalty(z, weight=0.5) == 1.5
    with pytest.raises(TypeError, match="z must have a real floating dtype"):
        span_penalty(np.array([1, 2]), weight=1.0)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"window": 0}, "window must be a positive integer, got 0"),
        ({"ramp": 0}, "ramp must be positive, got 0"),
    ],
)
def test_nonsense_is_refused_by_name(options, words):
    with pytest.raises(ValueError, match=words):
        attend(*np.ones((3, 6, 4)), z=1, **options)


@pytest.mark.parametrize("form", FORMS)
@settings(deadline=None)
@given(
    st.integers(1, 20), sizes, sizes, st.integers(1, 25), st.floats(0.5, 9), seeds, st.booleans(), masks,
)  # fmt: skip
def test_adaptive_span_attention_is_the_paper(form, n, d, e, window, ramp, seed, own, kind):
    q, k, v, z = draw(seed, (n, d), (n, d), (n, e), (n,))
    z = np.abs(5 * z)
    mask, full = kind(seed, n, n)
    options = {"window": window, "ramp": ramp, "own": own}
    got = fa.adaptive_span_attention(q, k, v, z, **options, mask=mask, form=form)
    agree(got, adaptive_span.adaptive_span_attention(*lists(q, k, v, z), **options, mask=full), d + n)
