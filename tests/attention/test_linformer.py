"""Facts about Linformer: its projections, and what is refused."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, draw, linformer, lists, seeds, sizes

import factorattn as fa
from factorattn.factor import strided_convolution
from factorattn.testing import ROUNDING


def test_projection_of_linformer_may_differ_per_head(rng):
    q, k, v = rng.standard_normal((3, 2, 7, 4))
    e = rng.standard_normal((2, 3, 7))
    both = fa.linformer_attention(q, k, v, e)
    for head in range(2):
        alone = fa.linformer_attention(q[head], k[head], v[head], e[head])
        assert np.max(np.abs(both[head] - alone)) <= np.max(np.abs(alone)) * ROUNDING(np.float64, 7)


SHARING = {  # shapes of e and f, over two layers (calls), three heads
    "none": ((3, 2, 7), (3, 2, 7)),
    "headwise": ((2, 7), (2, 7)),
    "key-value": ((3, 2, 7), None),
    "headwise and key-value": ((2, 7), None),
}


@pytest.mark.parametrize("form", fa.linformer_attention.record.forms)
@pytest.mark.parametrize(("e", "f"), SHARING.values(), ids=SHARING)
def test_every_way_to_share_projections_is_a_shape(e, f, form, rng):
    """Layerwise sharing is the same array in the calls of all layers."""
    q, k, v = rng.standard_normal((3, 3, 7, 4))
    e, f = (None if shape is None else rng.standard_normal(shape) / 7 for shape in (e, f))
    got = fa.linformer_attention(q, k, v, e, f, form=form)
    f = e if f is None else f
    for head in range(3):
        own = [x if x.ndim == 2 else x[head] for x in (e, f)]
        agree(got[head], linformer.linformer_attention(*lists(q[head], k[head], v[head], *own)), 7 + 4)


@pytest.mark.parametrize("form", fa.linformer_attention.record.forms)
def test_a_hidden_key_takes_part_in_no_mixture_whatever_it_holds(form, rng):
    q, k, v = rng.standard_normal((3, 6, 4))
    e = rng.standard_normal((2, 6))
    shown = np.array([True, True, False, True, False, True])
    want = fa.linformer_attention(q, k[shown], v[shown], e[:, shown], form=form)
    for x, axis in ((k, 0), (v, 0), (e, 1)):
        np.moveaxis(x, axis, 0)[~shown] = np.nan
    got = fa.linformer_attention(q, k, v, e, mask=shown[None, :], form=form)
    assert np.max(np.abs(got - want)) <= np.max(np.abs(want)) * ROUNDING(np.float64, 10)


def test_a_strided_convolution_of_keys_and_values_is_a_projection(rng):
    """Runs of three, each weighed by the same three numbers; the eighth key is beyond the last whole run."""
    q, k, v, kernel = *rng.standard_normal((3, 8, 4)), np.array([0.5, 0.25, 1.0])
    e = strided_convolution(kernel, 8, xp=np)
    pooled = [np.stack([kernel @ x[start : start + 3] for start in (0, 3)]) for x in (k, v)]
    want = fa.softmax_attention(q, *pooled)
    got = fa.linformer_attention(q, k, v, e)
    assert np.max(np.abs(got - want)) <= np.max(np.abs(want)) * ROUNDING(np.float64, 8)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"mask": np.ones((6, 6), dtype=bool)}, "mask must hide a key from all queries or from none"),
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
    n=sizes,
    m=sizes,
    d=sizes,
    e=sizes,
    r=sizes,
    seed=seeds,
    shared=st.booleans(),
    masked=st.booleans(),
    scale=st.none() | st.floats(0.1, 2),
)
def test_linformer_attention_is_the_paper(form, n, m, d, e, r, seed, shared, masked, scale):
    q, k, v, chance, *maps = draw(seed, (n, d), (m, d), (m, e), (m,), (r, m), (r, m))
    shown = chance > -0.5 if masked else None
    maps = [x / math.sqrt(m) for x in maps]  # mixtures of the size of the keys
    projections = maps[:1] if shared else maps
    got = fa.linformer_attention(q, k, v, *projections, mask=shown, scale=scale, form=form)
    want = linformer.linformer_attention(*lists(q, k, v, maps[0], projections[-1]), shown=shown, scale=scale)
    agree(got, want, d + m + r)


@given(m=st.integers(1, 30), data=st.data())
def test_default_projection_of_linformer_is_the_segment_means(m, data):
    r = data.draw(st.integers(1, m))
    q, k, v = draw(m, (4, 3), (m, 3), (m, 2))
    means = linformer.segment_means(r, m)
    agree(
        fa.linformer_attention(q, k, v, rank=r), linformer.linformer_attention(*lists(q, k, v), means, means), 3 + m + r
    )
