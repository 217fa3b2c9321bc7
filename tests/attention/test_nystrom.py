"""Facts about Nystrom attention: exactness, batches, the inverse, the convolution, padding, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, draw, lists, nystrom, seeds, sizes

import factorattn as fa
from factorattn.testing import ROUNDING

FORMS = pytest.mark.parametrize("form", fa.nystrom_attention.record.forms)


def close(got, want, length):
    assert got.shape == want.shape
    assert np.max(np.abs(got - want)) <= np.max(np.abs(want)) * ROUNDING(got.dtype, length)


@FORMS
def test_one_landmark_is_the_mean_query_for_everyone(form, rng):
    """F and A are ones: what is left is what the mean of the queries gets."""
    q, k, v = rng.standard_normal((3, 12, 4))
    want = fa.softmax_attention(q.mean(axis=0, keepdims=True), k, v)
    close(fa.nystrom_attention(q, k, v, rank=1, form=form), np.tile(want, (12, 1)), 12)


@FORMS
def test_with_a_landmark_for_each_position_and_the_exact_inverse_it_is_softmax_attention(form, rng):
    q, k, v = 2 * rng.standard_normal((3, 12, 12))
    close(fa.nystrom_attention(q, k, v, rank=12, inverse="exact", form=form), fa.softmax_attention(q, k, v), 144)


@FORMS
def test_queries_and_keys_that_are_constant_in_segments_lose_nothing(form, rng):
    """Every position is its own landmark, repeated: with the exact inverse the output is exact."""
    q, k = (np.repeat(rng.standard_normal((5, 6)), 4, axis=0) for _ in range(2))
    v = rng.standard_normal((20, 3))
    got = fa.nystrom_attention(q, k, v, rank=5, inverse="exact", form=form)
    condition = np.linalg.cond(fa.softmax_attention(q[::4], k[::4], np.eye(5)))
    want = fa.softmax_attention(q, k, v)
    assert np.max(np.abs(got - want)) <= np.max(np.abs(want)) * ROUNDING(np.float64, 20) * condition


def test_more_steps_bring_the_iteration_to_the_exact_inverse(rng):
    """Each step cubes what is missing, once that is small."""
    q, k, v = 3 * rng.standard_normal((3, 24, 8))
    exact = fa.nystrom_attention(q, k, v, rank=8, inverse="exact")
    errors = [np.max(np.abs(fa.nystrom_attention(q, k, v, rank=8, iterations=t) - exact)) for t in (2, 4, 6, 8, 12)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] <= np.max(np.abs(exact)) * ROUNDING(np.float64, 64)


@FORMS
@pytest.mark.parametrize("inverse", ["iterative", "exact"])
def test_members_of_a_batch_do_not_change_one_another(form, inverse, rng):
    """A start of the iteration taken over the whole batch would fail this."""
    q, k, v = rng.standard_normal((3, 2, 12, 4))
    q[1] *= 30
    both = fa.nystrom_attention(q, k, v, rank=4, iterations=2, inverse=inverse, form=form)
    for member in range(2):
        own = fa.nystrom_attention(q[member], k[member], v[member], rank=4, iterations=2, inverse=inverse, form=form)
        close(both[member], own, 12)


@FORMS
@pytest.mark.parametrize("width", [1, 2, 3, 8, 41])
def test_the_convolution_is_that_of_numpy_on_every_head(form, width, rng):
    q, k, v = rng.standard_normal((3, 2, 20, 4))
    conv = rng.standard_normal((2, width))
    without = fa.nystrom_attention(q, k, v, rank=4, form=form)
    got = fa.nystrom_attention(q, k, v, conv, rank=4, form=form) - without
    framed = np.pad(v, ((0, 0), (width // 2, (width - 1) // 2), (0, 0)))
    for head, c in np.ndindex(2, 4):
        want = np.convolve(framed[head, :, c], conv[head, ::-1], mode="valid")
        assert np.max(np.abs(got[head, :, c] - want)) <= np.max(np.abs(want)) * ROUNDING(np.float64, 20 * width)


def test_a_convolution_of_a_single_one_in_the_middle_adds_the_values(rng):
    q, k, v = rng.standard_normal((3, 20, 4))
    got = fa.nystrom_attention(q, k, v, np.array([0.0, 1.0, 0.0]), rank=4)
    close(got, fa.nystrom_attention(q, k, v, rank=4) + v, 20)


@FORMS
@pytest.mark.parametrize("inverse", ["iterative", "exact"])
def test_padding_that_fills_whole_segments_changes_nothing(form, inverse, rng):
    """Eight positions in four segments, or the same eight followed by eight hidden ones in eight segments."""
    q, k, v = rng.standard_normal((3, 16, 4))
    conv = rng.standard_normal(5)
    short = fa.nystrom_attention(q[:8], k[:8], v[:8], conv, rank=4, inverse=inverse, form=form)
    q[8:], k[8:], v[8:] = np.nan, np.nan, np.inf
    mask = np.arange(16) < 8
    q[8:] = 0.0  # of the hidden positions, only the rows of the answer may show what they held
    long = fa.nystrom_attention(q, k, v, conv, rank=8, mask=mask, inverse=inverse, form=form)
    close(long[:8], short, 64)


@FORMS
def test_hidden_queries_do_not_reach_the_landmarks(form, rng):
    q, k, v = rng.standard_normal((3, 10, 4))
    mask = np.arange(10) % 3 > 0
    want = fa.nystrom_attention(q, k, v, rank=3, mask=mask, form=form)
    q[~mask] = np.nan
    close(fa.nystrom_attention(q, k, v, rank=3, mask=mask, form=form)[mask], want[mask], 10)


@FORMS
def test_where_every_position_is_hidden_rows_are_zero(form, rng):
    o = fa.nystrom_attention(*rng.standard_normal((3, 6, 4)), rank=3, mask=np.zeros(6, dtype=bool), form=form)
    np.testing.assert_array_equal(o, np.zeros((6, 4)))


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"rank": 7}, ValueError, "rank must be at most the number of keys 6, got 7"),
        ({"rank": 0}, ValueError, "rank must be a positive integer, got 0"),
        ({"iterations": -1}, ValueError, "iterations must be at least 0, got -1"),
        ({"iterations": 2.5}, TypeError, "iterations must be an integer, got 2.5"),
        ({"inverse": "svd"}, ValueError, "inverse must be 'iterative' or 'exact', got 'svd'"),
        ({"causal": True}, ValueError, "takes no causal: each landmark stands for a whole segment"),
        ({"mask": np.ones((6, 6), dtype=bool)}, ValueError, "mask must hide a key from all queries or from none"),
        ({"k": np.ones((5, 4))}, ValueError, "axis 'n' is 6"),
        ({"form": "online"}, ValueError, "form must be 'dense' or 'factored', got 'online'"),
    ],
)
def test_nonsense_is_refused_by_name(options, error, words):
    given = {"q": np.ones((6, 4)), "k": np.ones((6, 4)), "v": np.ones((6, 4)), **options}
    with pytest.raises(error, match=words):
        fa.nystrom_attention(**given)


def test_by_default_there_are_64_landmarks_or_as_many_as_positions(rng):
    for n, rank in ((100, 64), (10, 10)):
        q, k, v = rng.standard_normal((3, n, 4))
        np.testing.assert_array_equal(fa.nystrom_attention(q, k, v), fa.nystrom_attention(q, k, v, rank=rank))


def test_counted_operations_and_memory_grow_with_the_length_only():
    small, large = (fa.cost(fa.nystrom_attention, {"n": n, "d": 64, "e": 64, "r": 64, "w": 33}) for n in (2**14, 2**18))
    assert large.flops <= 16 * small.flops
    assert large.peak <= 16 * small.peak


@FORMS
@settings(deadline=None)
@given(
    n=sizes,
    d=sizes,
    e=sizes,
    data=st.data(),
    seed=seeds,
    iterations=st.integers(0, 6),
    width=st.none() | st.integers(1, 9),
    masked=st.booleans(),
    scale=st.none() | st.floats(0.1, 2),
)
def test_nystrom_attention_is_the_paper(form, n, d, e, data, seed, iterations, width, masked, scale):
    r = data.draw(st.integers(1, n))
    q, k, v, conv, chance = draw(seed, (n, d), (n, d), (n, e), (width or 1,), (n,))
    conv, shown = None if width is None else conv, chance > -0.5 if masked else None
    options = {"rank": r, "iterations": iterations, "scale": scale}
    got = fa.nystrom_attention(q, k, v, conv, mask=shown, form=form, **options)
    want = nystrom.nystrom_attention(*lists(q, k, v, conv), shown=shown, **options)
    agree(
        got, want, 3**iterations * (d + n + r)
    )  # a step of the iteration makes rounding at most about 13 / 4 as large
