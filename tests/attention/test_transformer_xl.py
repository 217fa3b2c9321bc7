"""Facts about Transformer-XL: what the memory and the distances do, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, draw, lists, seeds, sizes, transformer_xl

import factorattn as fa
from factorattn.testing import ROUNDING

FORMS = fa.transformer_xl_attention.record.forms
every_form = pytest.mark.parametrize("form", FORMS)


@every_form
@settings(deadline=None)
@given(
    n=sizes, d=sizes, e=sizes, l=st.integers(0, 5), f=st.integers(1, 3), seed=seeds, causal=st.booleans(),
    left_out=st.sets(st.sampled_from(["u", "v_bias", "memory", "mask"])),
)  # fmt: skip
def test_transformer_xl_attention_is_the_paper(form, n, d, e, l, f, seed, causal, left_out):
    given = dict(zip(("k_memory", "v_memory", "u", "v_bias"), draw(seed, (l, d), (l, e), (d,), (d,)), strict=True))
    arrays = draw(seed + 1, (n, d), (n, d), (n, e), (f, d), (f, d))
    if "memory" in left_out:
        given, l = given | {"k_memory": None, "v_memory": None}, 0
    given |= dict.fromkeys({"u", "v_bias"} & left_out)
    mask = None if "mask" in left_out else np.random.default_rng(seed).random((n, l + n)) < 0.7
    got = fa.transformer_xl_attention(*arrays, **given, mask=mask, causal=causal, form=form)
    seen = None if mask is None else mask.tolist()
    names = dict(zip(given, lists(*given.values()), strict=True))
    want = transformer_xl.transformer_xl_attention(*lists(*arrays), **names, seen=seen, causal=causal)
    agree(got, want, d + n + l)


@every_form
def test_only_the_distance_between_a_query_and_a_key_matters(form, rng):
    # All queries alike, all keys alike: the weights are a function of i - j, the same along every diagonal.
    n, l, d = 40, 30, 4
    q, k = (np.tile(rng.standard_normal(d), (size, 1)) for size in (n, l + n))
    w_sin, w_cos, (u, v_bias) = rng.standard_normal((3, d)), rng.standard_normal((3, d)), rng.standard_normal((2, d))
    one = np.eye(l + n)  # as values: the weights themselves come out
    w = fa.transformer_xl_attention(q, k[l:], one[l:], w_sin, w_cos, k[:l], one[:l], u=u, v_bias=v_bias, form=form)
    ratio = w[:, 1:] / w[:, :-1]  # the row sums differ, quotients of neighbours do not
    np.testing.assert_allclose(ratio[1:, 1:], ratio[:-1, :-1], rtol=ROUNDING(np.float64, d * (n + l)))


@every_form
def test_a_stream_in_segments_is_the_whole_sequence(form, rng):
    # Distances are those of the whole sequence, so that a memory of everything changes nothing.
    q, k, v = rng.standard_normal((3, 300, 4))
    w = rng.standard_normal((2, 3, 4))
    options = {"u": rng.standard_normal(4), "v_bias": rng.standard_normal(4), "causal": True, "form": form}
    whole = fa.transformer_xl_attention(q, k, v, *w, **options)
    for start, stop in ((0, 70), (70, 130), (130, 300)):
        own, past = slice(start, stop), slice(0, start)
        segment = fa.transformer_xl_attention(q[own], k[own], v[own], *w, k[past], v[past], **options)
        np.testing.assert_allclose(segment, whole[own], rtol=0, atol=np.max(np.abs(whole)) * ROUNDING(np.float64, 300))


@every_form
def test_heads_share_or_have_their_own_parameters(form, rng):
    q, k, v = rng.standard_normal((3, 2, 3, 20, 4))  # two sequences, three heads
    w_sin, w_cos, u = rng.standard_normal((3, 5, 4)), rng.standard_normal((5, 4)), rng.standard_normal((3, 4))
    memory = rng.standard_normal((2, 1, 5, 4))  # one memory for all heads
    o = fa.transformer_xl_attention(q, k, v, w_sin, w_cos, memory, memory, u=u, v_bias=u, form=form)
    alone = fa.transformer_xl_attention(
        q[1, 2], k[1, 2], v[1, 2], w_sin[2], w_cos, memory[1, 0], memory[1, 0], u=u[2], v_bias=u[2], form=form
    )
    np.testing.assert_allclose(o[1, 2], alone, rtol=0, atol=np.max(np.abs(alone)) * ROUNDING(np.float64, 25))


@every_form
def test_a_row_that_may_attend_to_nothing_is_zero(form, rng):
    q, k, v = rng.standard_normal((3, 6, 4))
    mask = np.ones((6, 9), dtype=bool)
    mask[2] = False
    w, memory = rng.standard_normal((2, 3, 4)), rng.standard_normal((3, 4))
    o = fa.transformer_xl_attention(q, k, v, *w, memory, memory, mask=mask, form=form)
    np.testing.assert_array_equal(o[2], 0.0)
    assert np.all(np.isfinite(o))


@every_form
def test_a_hidden_memory_cannot_leak(form, rng):
    q, k, v = rng.standard_normal((3, 6, 4))
    w, memory = rng.standard_normal((2, 3, 4)), rng.standard_normal((3, 4))
    mask = (np.arange(9) != 1)[None, :]
    clean = fa.transformer_xl_attention(q, k, v, *w, memory, memory, mask=mask, form=form)
    memory[1] = np.nan
    poisoned = fa.transformer_xl_attention(q, k, v, *w, memory, memory, mask=mask, form=form)
    np.testing.assert_allclose(poisoned, clean, rtol=0, atol=np.max(np.abs(clean)) * ROUNDING(np.float64, 9))


@every_form
def test_no_waves_are_no_positions(form, rng):
    q, k, v = rng.standard_normal((3, 6, 4))
    none = np.ones((0, 4))
    o = fa.transformer_xl_attention(q, k, v, none, none, form=form)
    np.testing.assert_allclose(o, fa.softmax_attention(q, k, v), rtol=ROUNDING(np.float64, 6))


@every_form
def test_far_positions_keep_their_digits_in_single_precision(form, rng):
    # Sines of angles of thousands of radians would have lost them, were the angles themselves single.
    arrays = [x.astype(np.float32) for x in rng.standard_normal((5, 2, 4))]  # q, k, v, w_sin, w_cos
    memory = np.zeros((4000, 4), np.float32)
    single, double = (
        fa.transformer_xl_attention(*(x.astype(dtype) for x in (*arrays, memory, memory)), form=form)
        for dtype in (np.float32, np.float64)
    )
    assert np.max(np.abs(single - double)) <= np.max(np.abs(arrays[2])) * ROUNDING(np.float32, 4000)


@pytest.mark.parametrize("causal", [False, True])
def test_tiles_and_the_kernel_agree_over_many_tiles(causal, rng):
    # Longer than a tile of keys, so that seams of tiles are crossed in both directions.
    q, k, v, *memory = rng.standard_normal((5, 1300, 3))
    w, mask = rng.standard_normal((2, 4, 3)), rng.random((1, 2600)) < 0.9
    got = []
    for mode in ("auto", "off"):
        with fa.kernels(mode):
            got.append(fa.transformer_xl_attention(q, k, v, *w, *memory, mask=mask, causal=causal))
    want = fa.transformer_xl_attention(q, k, v, *w, *memory, mask=mask, causal=causal, form="shift")
    for o in got:
        np.testing.assert_allclose(o, want, rtol=0, atol=np.max(np.abs(want)) * ROUNDING(np.float64, 2600))


def test_default_form_holds_no_table_of_pairs():
    sizes = {"d": 64, "e": 64, "f": 32}
    small, large = (fa.cost(fa.transformer_xl_attention, {**sizes, "n": n, "l": n}) for n in (2**13, 2**15))
    assert large.peak <= 4 * small.peak
    shifted = fa.cost(fa.transformer_xl_attention, {**sizes, "n": 2**13, "l": 2**13}, form="shift")
    assert shifted.peak > 16 * small.peak


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"k_memory": np.ones((3, 4))}, "give both or neither"),
        ({"v_bias": np.ones(5)}, "axis 'd' is 4"),
        ({"mask": np.ones((6, 7), dtype=bool)}, r"mask must broadcast to \(\.\.\., 6, 6\)"),
        ({"k_memory": np.ones((3, 5)), "v_memory": np.ones((3, 4))}, "axis 'd' is 4"),
        ({"form": "skew"}, "form must be 'dense' or 'shift' or 'factored'"),
    ],
)
def test_nonsense_is_refused_by_name(options, words):
    with pytest.raises(ValueError, match=words):
        fa.transformer_xl_attention(*np.ones((3, 6, 4)), *np.ones((2, 3, 4)), **options)
