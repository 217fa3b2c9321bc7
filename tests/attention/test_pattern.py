"""Facts about attention over any set of pairs: what is seen, what it costs, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, draw, lists, pattern, seeds, sizes
from pairs import masks, seen

import factorattn as fa
from factorattn.contract import check
from factorattn.pattern import (
    Pattern,
    band,
    bigbird,
    causal,
    columns,
    fixed,
    full,
    key_tables,
    nothing,
    random,
    strided,
    window,
)
from factorattn.testing import LAWS
from factorattn.testing.check import cases

FORMS = fa.pattern_attention.record.forms
SHAPES = {
    "nothing": nothing(200),
    "all": full(200),
    "window": window(200, 5),
    "window and back": window(200, 3) | columns(200, 200, (0, 77)),
    "strided": strided(200, 14),
    "fixed": fixed(200, 25, 2),
    "blocks": bigbird(200, 16),
    "random": random(200, 200, 7, rng=0),
    "all but a band": ~band(200, 200, -30, 40),
    "all but the future, scattered": causal(200) & random(200, 200, 60, rng=1),
    "rows of one": Pattern.from_pairs(200, 200, np.arange(200), np.arange(200)[::-1]),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("p", SHAPES.values(), ids=SHAPES)
def test_the_pairs_are_those_of_the_pattern(p, form):
    np.testing.assert_array_equal(seen(fa.pattern_attention, 200, pattern=p, form=form), p.dense())
    got = seen(fa.pattern_attention, 200, pattern=p, causal=True, form=form)
    np.testing.assert_array_equal(got, p.causal().dense())


@pytest.mark.parametrize("form", FORMS)
def test_queries_and_keys_may_differ_in_number_and_causality_is_bottom_right(form, rng):
    q, k, v = rng.standard_normal((70, 4)), rng.standard_normal((90, 4)), rng.standard_normal((90, 3))
    p = random(70, 90, 30, rng=2)
    got = fa.pattern_attention(q, k, v, pattern=p, causal=True, form=form)
    agree(got, fa.softmax_attention(q, k, v, mask=p.dense(), causal=True, form="dense"), 94)
    every = fa.pattern_attention(q, k, v, causal=True, form=form)
    agree(every, fa.softmax_attention(q, k, v, causal=True, form="dense"), 94)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (0, 0), (1, 1)])
def test_patterns_of_no_pairs(shape, form):
    n, m = shape
    out = fa.pattern_attention(
        np.ones((2, n, 3)), np.ones((2, m, 3)), np.ones((2, m, 4)), pattern=full(n, m), form=form
    )
    np.testing.assert_array_equal(out, np.full((2, n, 4), 1.0 if m else 0.0))


@pytest.mark.parametrize("form", FORMS)
def test_what_is_not_seen_may_hold_anything(form, rng):
    q, k, v = rng.standard_normal((3, 130, 4))
    p = strided(130, 11)
    clean = fa.pattern_attention(q, k, v, pattern=p, form=form)
    for poison in (np.nan, np.inf, -np.inf):
        k[100], v[100] = poison, poison
        with np.errstate(invalid="ignore"):
            out = fa.pattern_attention(q, k, v, pattern=p, form=form)
        blind = ~p.dense()[:, 100]
        np.testing.assert_array_equal(out[blind], clean[blind])
        assert np.all(np.isnan(out[~blind][:, 0]) | (poison == -np.inf))


INPUTS = "q: ... n d, k: ... n d, v: ... n e"


def named(p):
    """A mechanism of its own: attention over one pattern, with a record for the laws."""

    @fa.mechanism(
        inputs=INPUTS,
        forms=FORMS,
        time="n",
        memory="n",
        causal="option",
        normalised=True,
        positional=True,
        paper="child2019",
    )
    def f(q, k, v, *, mask=None, causal=False, form="blocked"):
        own = p(check(INPUTS, q=q, k=k, v=v)[1]["n"])
        return fa.pattern_attention(q, k, v, pattern=own, mask=mask, causal=causal, form=form)

    return f


LAWFUL = {
    "strided": named(lambda n: strided(n, 16)),
    "blocks": named(lambda n: bigbird(n, 16, global_tokens=range(min(n, 3)), causal=True)),
}


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
@pytest.mark.parametrize("f", LAWFUL.values(), ids=LAWFUL)
def test_attention_over_a_pattern_obeys_the_laws(f, law, namespace):
    for case in cases(f, xp=namespace.xp):
        law(case)


def costs(form, shape):
    """Counted cost at a length and at twice as much, with as many keys a query."""
    return [
        fa.cost(fa.pattern_attention, {"n": n, "m": n, "d": 64, "e": 64}, pattern=shape(n), form=form)
        for n in (1024, 2048)
    ]


@pytest.mark.parametrize("form", ["blocked", "gathered"])
def test_cost_follows_the_pairs_and_not_the_square(form):
    small, large = costs(form, lambda n: window(n, 100, causal=True))
    assert large.flops <= 2.1 * small.flops  # the first hundred rows have fewer pairs
    assert large.peak <= 2.1 * small.peak


def test_cost_of_gathered_rows_follows_scattered_pairs_where_tiles_cannot():
    scattered = lambda n: random(n, n, 100, rng=0)  # noqa: E731
    small, large = costs("gathered", scattered)
    assert large.flops == 2 * small.flops
    small, large = costs("blocked", scattered)
    assert large.flops > 3 * small.flops


def test_rows_are_padded_to_twice_their_length_at_most():
    p = Pattern.from_runs(100, 1000, np.arange(100), 0, np.arange(100) ** 2 // 10)
    tables, place = key_tables(p)
    rows = np.concatenate([rows for rows, _ in tables])
    np.testing.assert_array_equal(rows[place], np.arange(100))
    for rows, keys in tables:
        assert keys.shape[1] <= max(2 * p.counts()[rows].min(), 1)
        for row, own in zip(rows, keys, strict=True):
            assert own[own >= 0].tolist() == p.rows()[row].tolist()


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        (np.ones((6, 6), dtype=bool), TypeError, r"pattern must be a factorattn\.pattern\.Pattern, got ndarray"),
        (full(6, 5), ValueError, "pattern must be one of 6 x 6, got 6 x 5"),
    ],
)
def test_nonsense_is_refused_by_name(given, error, words):
    with pytest.raises(error, match=words):
        fa.pattern_attention(*np.ones((3, 6, 4)), pattern=given)


@pytest.mark.parametrize("form", FORMS)
@settings(deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), sizes, sizes, seeds, masks)
def test_pattern_attention_is_the_paper(form, n, m, d, e, seed, kind):
    q, k, v = draw(seed, (n, d), (m, d), (m, e))
    mask, every = kind(seed, n, m)
    rng = np.random.default_rng(seed)
    p = Pattern.from_dense(rng.random((n, m)) < rng.random())
    got = fa.pattern_attention(q, k, v, pattern=p, mask=mask, form=form)
    chosen = {(i, j) for i, j in p if every is None or every[i][j]}
    agree(got, pattern.pattern_attention(*lists(q, k, v), pairs=chosen), d + m)
