"""Facts about ProbSparse attention: who attends, what the others get, what reaches whom, and what it costs."""

import numpy as np
import pytest
from array_api_compat import array_namespace
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, draw, informer, lists, seeds, sizes

import factorattn as fa
from factorattn.attention.hashing.measure import sharpness
from factorattn.interpret.counting import counting
from factorattn.testing import BOUND, ROUNDING
from factorattn.testing.case import to_numpy

FORMS = fa.informer_attention.record.forms
each_form = pytest.mark.parametrize("form", FORMS)


def attending(*inputs, **options):
    """Which queries attend: the rows that a sum over values, instead of their mean, leaves as they are."""
    mean, total = (fa.informer_attention(*inputs, **options, rest=rest) for rest in ("mean", "sum"))
    return np.all(mean == total, axis=-1)


@each_form
@settings(deadline=None)
@given(
    n=sizes, m=sizes, d=sizes, e=sizes, seed=seeds, data=st.data(),
    causal=st.booleans(), scale=st.sampled_from([None, 1.0, -0.5]), rest=st.sampled_from(["mean", "sum"]),
    measure=st.sampled_from(["sampled", "averaged", "exact"]), masked=st.sampled_from([None, "keys", "rows", "pairs"]),
    kind=st.sampled_from(["tuple", "shared array", "array"]),
)  # fmt: skip
def test_informer_attention_is_the_paper(form, n, m, d, e, seed, data, causal, scale, rest, measure, masked, kind):
    s, u = data.draw(st.integers(1, m)), data.draw(st.integers(1, n + 1))
    q, k, v = draw(seed, (n, d), (m, d), (m, e))
    rng = np.random.default_rng(seed)
    mask = None if masked is None else rng.random({"keys": (1, m), "rows": (n, 1), "pairs": (n, m)}[masked]) < 0.6
    own = np.stack([rng.permutation(m)[:s] for _ in range(n)])
    own = own if kind == "array" else np.broadcast_to(own[:1], (n, s))
    picks = {"tuple": tuple(own[0].tolist()), "shared array": own[0], "array": own}[kind]
    got = fa.informer_attention(
        q, k, v, None if measure == "exact" else picks, queries=u, measure=measure, rest=rest, mask=mask,
        causal=causal, scale=scale, form=form,
    )  # fmt: skip
    want = informer.informer_attention(
        *lists(q, k, v), own.tolist(), u, mask=None if mask is None else np.broadcast_to(mask, (n, m)).tolist(),
        causal=causal, scale=scale, measure_by=measure, rest=rest,
    )  # fmt: skip
    agree(got, want, d + m)


# Who attends


@each_form
def test_sharp_queries_attend_and_the_others_get_the_mean(form):
    q, k = np.asarray([[0.0], [3.0], [-1.0], [5.0]]), np.asarray([[1.0], [-1.0]])  # M_i = |q_i|
    v = np.asarray([[2.0], [4.0]])
    got = fa.informer_attention(q, k, v, queries=2, measure="exact", scale=1.0, form=form)
    mean = 2 + 2 / (1 + np.exp([0.0, 6.0, 0.0, 10.0]))  # softmax of (x, -x)
    np.testing.assert_allclose(got[:, 0], mean, rtol=ROUNDING(np.float64, 2))


@each_form
def test_of_equal_queries_the_first_attend(form):
    q, k, v = np.ones((6, 2)), np.asarray([[1.0, 0.0], [0.0, 3.0], [0.5, 0.5]]), np.arange(3.0)[:, None]
    np.testing.assert_array_equal(attending(q, k, v, queries=2, measure="exact", form=form), np.arange(6) < 2)


@each_form
@pytest.mark.parametrize("causal", [False, True])
def test_as_many_queries_as_there_are_make_it_exact(form, causal, rng):
    q, k, v = rng.standard_normal((3, 2, 300, 5))
    mask = rng.random((2, 300, 300)) < 0.3
    mask[:, 17] = False
    want = fa.softmax_attention(q, k, v, mask=mask, causal=causal, form="dense")
    for queries in (300, 10**6):
        got = fa.informer_attention(q, k, v, queries=queries, mask=mask, causal=causal, rng=0, form=form)
        np.testing.assert_allclose(got, want, atol=ROUNDING(np.float64, 300))
        assert not np.any(got[:, 17])


def test_measures_differ_in_what_the_sum_is_divided_by():
    q, k = np.asarray([[1.0]]), np.asarray([[1.0], [2.0], [6.0], [-9.0]])
    picks = np.asarray([0, 1])
    got = [
        float(sharpness(q, k, p, mask=None, scale=1.0, divide=divide, xp=array_namespace(q))[0])
        for p, divide in ((picks, "keys"), (picks, "samples"), (None, "keys"))
    ]
    assert got == [2 - 3 / 4, 2 - 3 / 2, 6.0]


def test_a_sample_of_all_keys_is_the_exact_measure(rng):
    q, k, v = rng.standard_normal((3, 300, 4))
    want = fa.informer_attention(q, k, v, queries=20, measure="exact")
    for measure in ("sampled", "averaged"):
        got = fa.informer_attention(q, k, v, samples=300, queries=20, measure=measure, rng=1)
        np.testing.assert_array_equal(got, want)


def test_the_measure_bounds_the_divergence_from_even_weights(rng):
    q, k = rng.standard_normal((2, 400, 8))
    m = sharpness(q, k, None, mask=None, scale=1.0, divide="keys", xp=array_namespace(q))
    a = q @ k.T
    top = np.max(a, axis=-1)
    divergence = top + np.log(np.mean(np.exp(a - top[:, None]), axis=-1)) - np.mean(a, axis=-1)  # KL(even | softmax)
    assert np.all(divergence <= BOUND(1.0, length=400) * m)
    assert np.all(divergence > 0)


def test_repeated_samples_count_as_often_as_they_are_drawn():
    q, k, v = np.asarray([[1.0], [1.0]]), np.asarray([[1.0], [2.0]]), np.asarray([[0.0], [1.0]])
    picks = np.asarray([[1, 1, 1], [0, 1, 0]])  # 2 - 6/2 < 2 - 4/2
    np.testing.assert_array_equal(attending(q, k, v, picks, queries=1), [False, True])


# Defaults


@pytest.mark.parametrize(("length", "few"), [(1, 1), (2, 2), (7, 7), (140, 25), (3000, 45)])
def test_defaults_are_five_times_the_logarithm(length, few, rng):
    q, k, v = rng.standard_normal((3, length, 2))
    assert np.sum(attending(q, k, v, rng=3)) == (1 if length == 1 else few)
    drawn = np.random.default_rng(3).choice(length, size=few, replace=False)
    got, want = (fa.informer_attention(q, k, v, picks, rng=r) for picks, r in ((None, 3), (tuple(drawn), None)))
    np.testing.assert_array_equal(got, want)


def test_more_samples_than_keys_are_all_keys(rng):
    q, k, v = rng.standard_normal((3, 9, 2))
    got = fa.informer_attention(q, k, v, samples=50, queries=3, rng=0)
    np.testing.assert_array_equal(got, fa.informer_attention(q, k, v, measure="exact", queries=3))


# What reaches whom


@each_form
@pytest.mark.parametrize("poison", [np.nan, np.inf])
@pytest.mark.parametrize(("n", "m"), [(60, 60), (40, 60), (60, 40)])
def test_later_values_reach_no_earlier_row(form, poison, n, m, rng):
    q, k, v = rng.standard_normal((n, 3)), rng.standard_normal((m, 3)), rng.standard_normal((m, 2))
    options = {"causal": True, "queries": 8, "rng": 5, "form": form}
    before, cut = fa.informer_attention(q, k, v, **options), m - 15
    v[cut:] = poison
    after = fa.informer_attention(q, k, v, **options)
    np.testing.assert_array_equal(after[: cut + n - m], before[: cut + n - m])
    assert not np.any(np.isfinite(after[cut + n - m :]))
    assert not np.any(before[: max(0, n - m)])  # queries before the first key


@each_form
def test_the_paper_lets_later_queries_compete(form, rng):
    q, k, v = rng.standard_normal((3, 50, 3))
    options = {"causal": True, "queries": 5, "measure": "exact", "form": form}
    before = fa.informer_attention(q, k, v, **options)
    q[-5:] *= 100
    assert np.any(fa.informer_attention(q, k, v, **options)[:-5] != before[:-5])


@each_form
def test_with_causality_the_rest_is_a_running_mean_or_the_codes_running_sum(form, rng):
    q, k, v = rng.standard_normal((3, 300, 4))
    options = {"causal": True, "queries": 1, "rng": 0, "form": form}
    total = np.cumsum(v, axis=0)
    for rest, want in (("mean", total / np.arange(1, 301)[:, None]), ("sum", total)):
        got = fa.informer_attention(q, k, v, **options, rest=rest)
        same = np.all(np.abs(got - want) <= np.max(np.abs(want)) * ROUNDING(np.float64, 300), axis=-1)
        assert np.sum(~same) == 1


@each_form
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("apart", [False, True])
def test_hidden_keys_reach_no_row_whatever_they_hold(form, causal, apart, rng):
    q, k, v = rng.standard_normal((3, 2, 300, 4))
    mask = (np.arange(300) < 250)[None, :]
    if apart:
        mask = np.broadcast_to(mask, (300, 300)) & (rng.random((300, 300)) < 0.9)
    options = {"mask": mask, "picks": (3, 100, 270, 299), "causal": causal, "queries": 20, "form": form}
    want = fa.informer_attention(q, k, v, **options)
    k[:, 250:], v[:, 250:] = np.nan, np.inf
    np.testing.assert_array_equal(fa.informer_attention(q, k, v, **options), want)


@each_form
@pytest.mark.parametrize("measure", ["sampled", "averaged", "exact"])
def test_padding_is_as_good_as_absent(form, measure, rng):
    q, k, v = rng.standard_normal((3, 300, 4))
    picks = {} if measure == "exact" else {"picks": (0, 9, 50, 211)}
    options = {**picks, "queries": 20, "measure": measure, "form": form}
    got = fa.informer_attention(q, k, v, mask=np.arange(300) < 280, **options)
    np.testing.assert_allclose(got, fa.informer_attention(q, k[:280], v[:280], **options), atol=ROUNDING(float, 300))


@each_form
def test_a_query_that_sees_no_sampled_key_comes_last(form, rng):
    q, k, v = rng.standard_normal((3, 8, 2))
    mask = np.ones((8, 8), dtype=bool)
    mask[0, :2], q[0] = False, 100.0
    got = attending(q, k, v, (0, 1), queries=7, mask=mask, form=form)
    np.testing.assert_array_equal(got, np.arange(8) > 0)


@each_form
def test_batch_axes_of_mask_and_picks_broadcast(form, rng, namespace):
    q, k, v = rng.standard_normal((5, 20, 3)), rng.standard_normal((12, 3)), rng.standard_normal((4, 1, 12, 2))
    prepare = namespace.prepare or namespace.xp.asarray
    mask, picks = rng.random((5, 20, 12)) < 0.7, rng.integers(12, size=(3, 1, 1, 20, 6))
    arrays = [prepare(x) for x in (q, k, v, picks)]
    got = to_numpy(fa.informer_attention(*arrays, queries=4, mask=prepare(mask), form=form))
    assert got.shape == (3, 4, 5, 20, 2)
    want = fa.informer_attention(q[3], k, v[2, 0], picks[1, 0, 0], queries=4, mask=mask[3], form=form)
    np.testing.assert_allclose(got[1, 2, 3], want, atol=ROUNDING(np.float64, 20))


# Edges


@each_form
@pytest.mark.parametrize("causal", [False, True])
def test_one_key_is_the_answer_to_all(form, causal, rng):
    q, k, v = rng.standard_normal((7, 3)), rng.standard_normal((1, 3)), rng.standard_normal((1, 2))
    got = fa.informer_attention(q, k, v, queries=3, causal=causal, form=form)
    np.testing.assert_array_equal(got, np.where((np.arange(7) < 6)[:, None] & causal, 0.0, v))


@each_form
def test_huge_logits_do_not_overflow(form, rng):
    q, k, v = rng.standard_normal((3, 80, 4)).astype(np.float32)
    got = fa.informer_attention(q * np.float32(1e18), k * np.float32(1e18), v, queries=9, measure="exact", form=form)
    order = np.argsort(-(np.max(q @ k.T, axis=-1) - np.mean(q @ k.T, axis=-1)))[:9]
    best = v[np.argmax(q @ k.T, axis=-1)]
    assert np.all(np.isfinite(got))
    np.testing.assert_allclose(got[order], best[order], rtol=ROUNDING(np.float32, 80))


@each_form
@pytest.mark.parametrize(("n", "m"), [(0, 5), (5, 0), (0, 0)])
def test_nothing_gives_zeros(form, n, m):
    mask = np.ones((2, n, m), dtype=bool)
    for options in ({}, {"mask": mask}, {"measure": "exact", "causal": True}):
        got = fa.informer_attention(np.ones((n, 3)), np.ones((m, 3)), np.ones((m, 2)), form=form, **options)
        assert got.shape == ((2,) if "mask" in options else ()) + (n, 2)
        assert not np.any(got)


# Cost


def test_cost_grows_as_n_log_n():
    few = lambda n: 5 * int(np.ceil(np.log(n)))  # noqa: E731
    sizes = [{"n": n, "m": n, "d": 64, "e": 64, "s": few(n), "u": few(n)} for n in (2**14, 2**18)]
    small, large = (fa.cost(fa.informer_attention, size) for size in sizes)
    growth = 2**4 * sizes[1]["u"] / sizes[0]["u"]
    assert large.flops <= growth * small.flops
    assert large.peak <= growth * small.peak
    dense = fa.cost(fa.informer_attention, sizes[0], form="dense")
    assert dense.flops > 50 * small.flops
    assert dense.peak > 50 * small.peak


def test_a_mask_that_tells_queries_apart_is_never_held_as_numbers():
    xp, n = counting(), 2**13
    q, k, v = (xp.empty((n, 8), dtype=xp.float32) for _ in range(3))
    mask = xp.empty((n, n), dtype=xp.bool)
    fa.informer_attention(q, k, v, queries=50, rng=0, mask=mask, causal=True)
    assert xp.tally.peak < 2 * mask.nbytes  # numbers would take four times as much as the mask


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"picks": ()}, "picks must be one position at least"),
        ({"picks": (0, 0)}, r"picks must be distinct integers in 0 \.\. 5"),
        ({"picks": (6,)}, r"distinct integers in 0 \.\. 5"),
        ({"picks": (0, 1), "samples": 3}, "axis 's' is 2"),
        ({"picks": (0, 1), "rng": 0}, "rng must be None where picks are given"),
        ({"picks": np.zeros((5, 2), dtype=int)}, r"picks must have shape \(s,\) or \(..., 6, s\)"),
        ({"picks": np.zeros((6, 0), dtype=int)}, "with s from 1"),
        ({"picks": np.zeros((6, 2), dtype=int), "samples": 3}, "samples must be the number of picks, 2, got 3"),
        ({"picks": np.zeros((2, 6, 2), dtype=int), "mask": np.ones((3, 1, 6), dtype=bool)}, "batch axes"),
        ({"queries": 0}, "queries must be a positive integer"),
        ({"samples": 0}, "samples must be a positive integer"),
        ({"measure": "exact", "rng": 0}, "must be None where measure is 'exact'"),
        ({"measure": "exact", "picks": (1,)}, "must be None where measure is 'exact'"),
        ({"measure": "exact", "samples": 2}, "must be None where measure is 'exact'"),
        ({"measure": "mean"}, "measure must be 'sampled' or 'averaged' or 'exact'"),
        ({"rest": "zero"}, "rest must be 'mean' or 'sum'"),
    ],
)
def test_nonsense_is_refused_by_name(options, words):
    with pytest.raises(ValueError, match=words):
        fa.informer_attention(*np.ones((3, 6, 4)), **options)


def test_positions_must_be_integers():
    with pytest.raises(TypeError, match="picks must be an integer array"):
        fa.informer_attention(*np.ones((3, 6, 4)), np.zeros((6, 2)))
