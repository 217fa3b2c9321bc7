"""Facts about Linformer: its projections, and what is refused."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, draw, linformer, lists, seeds, sizes

import factorattn as fa
from factorattn.testing import ROUNDING


def test_projection_of_linformer_may_differ_per_head(rng):
    q, k, v = rng.standard_normal((3, 2, 7, 4))
    e = rng.standard_normal((2, 3, 7))
    both = fa.linformer_attention(q, k, v, e)
    for head in range(2):
        alone = fa.linformer_attention(q[head], k[head], v[head], e[head])
        assert np.max(np.abs(both[head] - alone)) <= np.max(np.abs(alone)) * ROUNDING(np.float64, 7)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"f": np.ones((2, 6))}, "f was given without e"),
        ({"e": np.ones((2, 5))}, r"axis 'm' is 6 in k \(6, 4\) but 5 in e \(2, 5\)"),
        ({"e": np.ones((2, 6)), "f": np.ones((3, 6))}, "axis 'r' is 2"),
        ({"rank": 7}, "rank must be at most the number of keys 6, got 7"),
    ],
)
def test_nonsense_is_refused_by_name(options, words):
    with pytest.raises(ValueError, match=words):
        fa.linformer_attention(*np.ones((3, 6, 4)), **options)


def test_causality_is_refused_with_the_reason():
    with pytest.raises(ValueError, match=r"takes no causal: .* of all times"):
        fa.linformer_attention(*np.ones((3, 6, 4)), causal=True)


@pytest.mark.parametrize("form", fa.linformer_attention.record.forms)
@settings(deadline=None)
@given(
    n=sizes, m=sizes, d=sizes, e=sizes, r=sizes, seed=seeds, shared=st.booleans(), scale=st.none() | st.floats(0.1, 2)
)
def test_linformer_attention_is_the_paper(form, n, m, d, e, r, seed, shared, scale):
    q, k, v, *maps = draw(seed, (n, d), (m, d), (m, e), (r, m), (r, m))
    maps = [x / math.sqrt(m) for x in maps]  # mixtures of the size of the keys
    projections = maps[:1] if shared else maps
    got = fa.linformer_attention(q, k, v, *projections, scale=scale, form=form)
    want = linformer.linformer_attention(*lists(q, k, v, maps[0], projections[-1]), scale=scale)
    agree(got, want, d + m + r)


@given(m=st.integers(1, 30), data=st.data())
def test_default_projection_of_linformer_is_the_segment_means(m, data):
    r = data.draw(st.integers(1, m))
    q, k, v = draw(m, (4, 3), (m, 3), (m, 2))
    means = linformer.segment_means(r, m)
    agree(
        fa.linformer_attention(q, k, v, rank=r), linformer.linformer_attention(*lists(q, k, v), means, means), 3 + m + r
    )
