"""Facts about the infinite-former: what a query reads, and what it costs."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, draw, infinite_former, lists, seeds, sizes

import factorattn as fa
from factorattn.attention.memory.long_term import attended_densities, extend_memory
from factorattn.testing import ROUNDING

FORMS = fa.infinite_former_attention.record.forms
every_form = pytest.mark.parametrize("form", FORMS)


@every_form
@settings(deadline=None)
@given(
    n=sizes, d=sizes, e=sizes, r=sizes, seed=seeds, scale=st.none() | st.floats(-1, 1),
    widths=st.lists(st.floats(0.1, 1), min_size=1, max_size=2),
)  # fmt: skip
def test_infinite_former_attention_is_the_paper(form, n, d, e, r, seed, scale, widths):
    arrays = draw(seed, (n, d), (r, d), (r, e), (r,), (r,))
    got = fa.infinite_former_attention(*arrays, widths=widths, scale=scale, form=form)
    want = infinite_former.infinite_former_attention(*lists(*arrays), widths=widths, scale=scale)
    agree(got, want, d + r)


@every_form
def test_a_query_of_zero_reads_the_middle(form):
    # No score: mu = 1/2 and sigma^2 = log 2. One basis function in the middle, of variance 1 - log 2, makes it N(0, 1).
    width = math.sqrt(1 - math.log(2))
    o = fa.infinite_former_attention(
        np.zeros((1, 2)), np.ones((1, 2)), np.array([[3.0]]), np.ones(1), np.ones(1), widths=width, form=form
    )
    np.testing.assert_allclose(o, [[3 / math.sqrt(2 * math.pi)]], rtol=ROUNDING(np.float64, 1))


@every_form
@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_huge_scores_read_an_end_of_the_memory(form, sign, rng):
    # A sigmoid of +-1e4 is one end; a softplus of -1e4 is a density of no width. Nothing overflows on the way.
    k, v = np.ones((2, 1)), rng.standard_normal((2, 3))
    w_mu, w_sigma = np.array([sign, 0.0]), np.array([0.0, -1.0])
    o = fa.infinite_former_attention(np.array([[1e4]]), k, v, w_mu, w_sigma, widths=0.2, form=form)
    # The two basis functions stand at 0 and 1; at one end a bell is at its top, the other 5 deviations away.
    top, far = (math.exp(-z * z / 2) / (0.2 * math.sqrt(2 * math.pi)) for z in (0, 5))
    want = top * v[0] + far * v[1] if sign < 0 else far * v[0] + top * v[1]
    np.testing.assert_allclose(o[0], want, rtol=ROUNDING(np.float64, 2))


@every_form
def test_heads_read_one_memory_each_at_its_own_place(form, rng):
    b = extend_memory(None, rng.standard_normal((2, 30, 6)), rank=8, widths=(0.1, 0.2))  # two sequences
    w_k, w_v = rng.standard_normal((3, 6, 4)), rng.standard_normal((3, 6, 5))  # three heads
    k, v = b[:, None] @ w_k, b[:, None] @ w_v
    q, w_mu, w_sigma = rng.standard_normal((2, 3, 7, 4)), rng.standard_normal((3, 8)), rng.standard_normal(8)
    o = fa.infinite_former_attention(q, k, v, w_mu, w_sigma, widths=(0.1, 0.2), form=form)
    alone = fa.infinite_former_attention(q[1, 2], k[1, 2], v[1, 2], w_mu[2], w_sigma, widths=(0.1, 0.2), form=form)
    assert o.shape == (2, 3, 7, 5)
    np.testing.assert_allclose(o[1, 2], alone, rtol=0, atol=np.max(np.abs(alone)) * ROUNDING(np.float64, 8))


def test_densities_are_those_that_are_attended_with(rng):
    q, k, w_mu, w_sigma = (rng.standard_normal(shape) for shape in ((9, 4), (6, 4), 6, 6))
    mu, sigma = attended_densities(q, k, w_mu, w_sigma)
    want = [infinite_former.density(row, *lists(k, w_mu, w_sigma)) for row in q.tolist()]
    np.testing.assert_allclose(np.stack([mu, sigma], axis=1), want, rtol=ROUNDING(np.float64, 10))


def test_cost_does_not_know_how_long_the_past_is_and_memory_is_linear_in_the_queries():
    assert "m" not in fa.infinite_former_attention.record.inputs.split()
    sizes = {"d": 64, "e": 64, "r": 512}
    small, large = (fa.cost(fa.infinite_former_attention, {**sizes, "n": n}) for n in (2**14, 2**16))
    assert large.flops <= 4 * small.flops
    assert large.peak <= 4 * small.peak
    assert large.peak < 4 * 2**16 * 512  # less than the scores alone would take


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"mask": np.ones((1, 1), dtype=bool)}, "not keys that could be hidden"),
        ({"causal": True}, "lies before all of the queries"),
        ({"widths": (0.1, 0.0)}, "widths must be positive"),
        ({"w_mu": np.ones(5)}, "axis 'r' is 6"),
    ],
)
def test_nonsense_is_refused_by_name(options, words):
    arrays = dict(zip("qkv", np.ones((3, 6, 4)), strict=True)) | {"w_mu": np.ones(6), "w_sigma": np.ones(6)}
    with pytest.raises(ValueError, match=words):
        fa.infinite_former_attention(**{**arrays, **options})
