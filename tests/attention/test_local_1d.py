"""Facts about local 1-D attention: what is seen, what it costs, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, draw, lists, local_1d, seeds, sizes
from pairs import masks, seen

import factorattn as fa
from factorattn import pattern

FORMS = fa.local_1d_attention.record.forms


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(("block", "memory"), [(1, 0), (1, 3), (7, 7), (64, 1), (50, 120), (199, 0), (1000, 1000)])
def test_the_pairs_are_those_of_the_pattern(block, memory, causal, form):
    options = {"block": block, "memory": memory, "causal": causal}
    got = seen(fa.local_1d_attention, 200, **options, form=form)
    np.testing.assert_array_equal(got, pattern.local_1d(200, **options).dense())


def test_memory_is_as_long_as_a_block_unless_said():
    got = seen(fa.local_1d_attention, 200, block=30)
    np.testing.assert_array_equal(got, pattern.local_1d(200, 30, 30).dense())


@pytest.mark.parametrize("causal", [False, True])
def test_cost_follows_the_pairs_and_not_the_square(causal):
    sizes = {"n": 2**14, "d": 64, "e": 64, "b": 128}
    small, large = (fa.cost(fa.local_1d_attention, {**sizes, "n": n}, memory=70, causal=causal) for n in (2**14, 2**16))
    assert large.flops <= 4 * small.flops
    assert large.peak <= 4 * small.peak


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"block": 0}, "block must be a positive integer, got 0"),
        ({"memory": -1}, "memory must be at least 0, got -1"),
    ],
)
def test_nonsense_is_refused_by_name(options, words):
    with pytest.raises(ValueError, match=words):
        fa.local_1d_attention(*np.ones((3, 6, 4)), **options)


@pytest.mark.parametrize("form", FORMS)
@settings(deadline=None)
@given(st.integers(1, 20), sizes, sizes, st.integers(1, 25), st.integers(0, 25), seeds, st.booleans(), masks)
def test_local_1d_attention_is_the_paper(form, n, d, e, block, memory, seed, causal, kind):
    q, k, v = draw(seed, (n, d), (n, d), (n, e))
    mask, full = kind(seed, n, n)
    options = {"block": block, "memory": memory, "causal": causal}
    got = fa.local_1d_attention(q, k, v, **options, mask=mask, form=form)
    agree(got, local_1d.local_1d_attention(*lists(q, k, v), **options, mask=full), d + n)
