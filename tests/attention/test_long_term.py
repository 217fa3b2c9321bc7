"""Facts about the long-term memory: new values, contraction, sticky places, and what keeps densities narrow."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from libraries import LIBRARIES
from oracles import agree, draw, infinite_former, lists, seeds, sizes

from factorattn.attention.memory.long_term import extend_memory, kl_regulariser, sticky_places
from factorattn.factor.radial import gaussian_means, radial_grid
from factorattn.testing import CHANCE, ROUNDING

every_library = pytest.mark.parametrize("library", LIBRARIES)


@settings(deadline=None)
@given(
    m=sizes, c=sizes, r=sizes, p=st.integers(1, 5), seed=seeds, contraction=st.floats(0.1, 0.9),
    penalty=st.floats(1, 10), first=st.booleans(), own=st.booleans(),
)  # fmt: skip
def test_extend_memory_is_the_paper(m, c, r, p, seed, contraction, penalty, first, own):
    widths = (0.1, 0.5)
    memory, x = draw(seed, (r, c), (m, c))
    places = np.sort(np.random.default_rng(seed).random(p))
    old = None if first else memory
    given = {"places": places} if own and not first else {"samples": p}
    options = {"contraction": contraction, "widths": widths, "ridge": penalty}
    got = extend_memory(old, x, rank=r, **options, **given)
    steps = places if own else np.arange(1, p + 1) / p
    want = infinite_former.extend_memory(
        *lists(old, x), rank=r, places=steps.tolist(), contraction=contraction, widths=widths, penalty=penalty
    )
    agree(got, want, r * (m + p))


def at(b, t, widths):
    """The function with coefficients b at times t."""
    return gaussian_means(t, 0 * t, *radial_grid(b.shape[-2], widths), xp=np) @ b


def test_the_past_is_contracted_and_the_present_follows_it():
    # A smooth past and a constant present: the past is found again at 0.6 of its time, and at no other share of it.
    widths, t = (0.05, 0.1), np.arange(1, 201) / 200
    b = extend_memory(None, np.sin(2 * t)[:, None], rank=60, widths=widths, ridge=1e-6)
    longer = extend_memory(b, np.full((200, 1), math.sin(2)), contraction=0.6, widths=widths, ridge=1e-6)
    shares = (0.3, 0.5, 0.55, 0.6, 0.65, 0.7, 1.0)
    missed = [np.max(np.abs(at(longer, share * t, widths)[:, 0] - np.sin(2 * t))) for share in shares]
    assert np.argmin(missed) == shares.index(0.6)
    present = np.abs(at(longer, 0.6 + 0.4 * t, widths)[:, 0] - math.sin(2))
    assert np.max(present) <= np.min(missed[:3])


def test_size_stays_and_oldest_values_fade():
    b, widths, t, shares = None, (0.05, 0.1), np.arange(0, 1000) / 1000, []
    for step in range(6):
        b = extend_memory(
            b, np.full((40, 1), 0.0 if step else 1.0), rank=32, samples=100, widths=widths, contraction=0.5
        )
        assert b.shape == (32, 1)
        shares.append(np.mean(at(b, t, widths)))  # how much of time is still one
    assert all(later < earlier for earlier, later in pairwise(shares))


def test_the_old_function_is_sampled_at_512_places_by_default(rng):
    memory, x = rng.standard_normal((5, 3)), rng.standard_normal((7, 3))
    np.testing.assert_array_equal(extend_memory(memory, x), extend_memory(memory, x, samples=512))
    assert sticky_places(memory, memory, rng=0).shape == (5, 512)


def test_a_batch_shares_places_or_has_its_own(rng):
    memory, x, places = rng.standard_normal((2, 5, 3)), rng.standard_normal((2, 7, 3)), np.sort(rng.random((2, 6)))
    both = extend_memory(memory, x, places=places)
    alone = extend_memory(memory[1], x[1], places=places[1])
    np.testing.assert_allclose(both[1], alone, rtol=0, atol=np.max(np.abs(alone)) * ROUNDING(np.float64, 13))
    assert extend_memory(memory, x[0], samples=6).shape == (2, 5, 3)


@every_library
def test_all_libraries_remember_alike(library, rng):
    xp = pytest.importorskip(library)
    memory, x, mu, sigma = (rng.standard_normal(shape) for shape in ((5, 3), (7, 3), 4, 4))
    quantiles = np.arange(0, 9) / 8
    places = sticky_places(mu, sigma, quantiles=quantiles)
    got = sticky_places(*(xp.asarray(a) for a in (mu, sigma)), quantiles=xp.asarray(quantiles))
    np.testing.assert_allclose(np.asarray(got), places, rtol=0, atol=ROUNDING(np.float64, 128))
    b = extend_memory(xp.asarray(memory), xp.asarray(x), places=xp.asarray(places))
    want = extend_memory(memory, x, places=places)
    np.testing.assert_allclose(np.asarray(b), want, rtol=0, atol=np.max(np.abs(want)) * ROUNDING(np.float64, 16))
    single = kl_regulariser(xp.asarray(sigma.astype(np.float32)), 0.5)
    assert np.asarray(single).dtype == np.float32


def test_places_are_quantiles_of_the_histogram():
    # Two densities of no width, in the first and the last of four bins: half of the places in each.
    mu, sigma = np.array([0.1, 0.9]), np.zeros(2)
    places = sticky_places(mu, sigma, bins=4, quantiles=np.array([0.0, 0.25, 0.5, 0.75, 1.0]))
    np.testing.assert_array_equal(places, [0.0, 0.125, 0.25, 0.875, 1.0])


def test_mass_of_a_bin_is_that_of_all_densities_in_it(rng):
    mu, sigma = rng.random(5), rng.random(5) + 0.01
    bins = 10
    mass = np.zeros(bins)
    for a, s in zip(mu, sigma, strict=True):
        cdf = [0.5 * math.erfc((a - edge / bins) / (s * math.sqrt(2))) for edge in range(bins + 1)]
        mass += np.diff(cdf)
    quantiles = np.cumsum(mass) / np.sum(mass)
    places = sticky_places(mu, sigma, bins=bins, quantiles=quantiles)
    np.testing.assert_allclose(places, np.arange(1, bins + 1) / bins, rtol=0, atol=ROUNDING(np.float64, bins))


def test_densities_outside_of_time_leave_it_even():
    quantiles = np.arange(1, 8) / 8
    places = sticky_places(np.array([99.0]), np.array([0.1]), quantiles=quantiles, bins=16)
    np.testing.assert_allclose(places, quantiles, rtol=0, atol=ROUNDING(np.float64, 16))


def test_drawn_places_have_the_mean_of_the_density():
    mu, sigma = np.array([0.4]), np.array([0.05])
    places = sticky_places(mu, sigma, 4000, bins=200, rng=0)
    assert np.all(np.diff(places) >= 0)
    assert abs(np.mean(places) - 0.4) <= CHANCE(places)
    again = sticky_places(mu, sigma, 4000, bins=200, rng=0)
    np.testing.assert_array_equal(places, again)


def test_more_is_kept_of_what_sticks():
    # A single value in the middle of the past. Where places gather around it, it fills more of the new time.
    widths = (0.05, 0.1)
    x = np.where(np.arange(100) == 50, 1.0, 0.0)[:, None]
    b = extend_memory(None, x, rank=64, widths=widths, ridge=1e-3)
    even = extend_memory(b, 0 * x, widths=widths, ridge=1e-3)
    places = sticky_places(np.array([0.5]), np.array([0.1]), 512, rng=0)
    sticky = extend_memory(b, 0 * x, places=places, widths=widths, ridge=1e-3)
    t = np.arange(0, 1000) / 1000
    share_even, share_sticky = (np.mean(np.abs(at(memory, t, widths))) for memory in (even, sticky))
    assert share_sticky > share_even


def test_kl_is_that_of_two_normal_densities():
    # Against the integral of p log (p / p_0), by equal steps.
    mu, sigma, mu_0, sigma_0 = 0.3, 0.2, 0.5, 0.1
    t = mu + sigma * np.arange(-60, 61) / 5
    log_p = -(((t - mu) / sigma) ** 2) / 2 - math.log(sigma)
    log_p0 = -(((t - mu_0) / sigma_0) ** 2) / 2 - math.log(sigma_0)
    want = np.sum(np.exp(log_p) * (log_p - log_p0)) / math.sqrt(2 * math.pi) * sigma / 5
    got = kl_regulariser(np.array([sigma]), sigma_0, mu=np.array([mu]), mu_0=mu_0)
    np.testing.assert_allclose(got, [want], rtol=ROUNDING(np.float64, 121))
    alike = kl_regulariser(np.array([sigma, -sigma_0, sigma_0]), sigma_0)
    np.testing.assert_allclose(alike, [(4 - math.log(4) - 1) / 2, 0.0, 0.0], rtol=0, atol=ROUNDING(np.float64, 1))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x: extend_memory(None, x), "rank must be given"),
        (lambda x: extend_memory(x, x, rank=4), "axis 'r' is 6"),
        (lambda x: extend_memory(x, x[:, :2]), "axis 'c' is 3"),
        (lambda x: extend_memory(None, x, rank=2, places=np.ones(3)), "and there is none"),
        (lambda x: extend_memory(x, x, samples=-5), "samples must be a positive integer, got -5"),
        (lambda x: extend_memory(x, x, samples=0), "samples must be a positive integer, got 0"),
        (lambda x: extend_memory(None, x, rank=2, samples=0), "samples must be a positive integer, got 0"),
        (lambda x: extend_memory(x, x, places=x[:, 0], samples=6), "samples must be None where places are given"),
        (lambda x: extend_memory(x, x, places=x[:0, 0]), "places must be one at least"),
        (lambda x: extend_memory(x, x, contraction=1.0), "contraction must be between 0 and 1, got 1.0"),
        (lambda x: extend_memory(x, x, ridge=-1.0), "ridge must be positive"),
        (lambda x: sticky_places(x, x, bins=0), "bins must be a positive integer"),
        (lambda x: sticky_places(x, x, 0), "samples must be a positive integer, got 0"),
        (lambda x: sticky_places(x, x, 3, quantiles=x), "samples must be None where quantiles are given"),
        (lambda x: sticky_places(x, x, quantiles=x, rng=0), "nothing is left to draw"),
        (lambda x: kl_regulariser(x, 0.0), "sigma_0 must be positive"),
        (lambda x: kl_regulariser(x, 1.0, mu_0=0.5), "give both or neither"),
    ],
)
def test_nonsense_is_refused_by_name(call, words):
    with pytest.raises(ValueError, match=words):
        call(np.ones((6, 3)))
