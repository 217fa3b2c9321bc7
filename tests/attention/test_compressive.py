"""Facts about the Compressive Transformer: three stretches of keys as one sequence, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, compressive, draw, lists, seeds, sizes

import factorattn as fa
from factorattn.attention.memory.compression import compress, remember
from factorattn.testing import ROUNDING

FORMS = fa.compressive_attention.record.forms
every_form = pytest.mark.parametrize("form", FORMS)


@every_form
@settings(deadline=None)
@given(
    n=sizes, d=sizes, e=sizes, l=st.integers(0, 4), p=st.integers(0, 4), f=st.integers(1, 3), seed=seeds,
    causal=st.booleans(), left_out=st.sets(st.sampled_from(["u", "v_bias", "memory", "compressed", "mask"])),
)  # fmt: skip
def test_compressive_attention_is_the_paper(form, n, d, e, l, p, f, seed, causal, left_out):
    shapes = {"k_memory": (l, d), "v_memory": (l, e), "k_compressed": (p, d), "v_compressed": (p, e)}
    shapes |= {"u": (d,), "v_bias": (d,)}
    given = dict(zip(shapes, draw(seed, *shapes.values()), strict=True))
    for part in ("memory", "compressed"):
        if part in left_out:
            given |= {f"k_{part}": None, f"v_{part}": None}
    given |= dict.fromkeys({"u", "v_bias"} & left_out)
    m = n + (0 if "memory" in left_out else l) + (0 if "compressed" in left_out else p)
    arrays = draw(seed + 1, (n, d), (n, d), (n, e), (f, d), (f, d))
    mask = None if "mask" in left_out else np.random.default_rng(seed).random((n, m)) < 0.7
    got = fa.compressive_attention(*arrays, **given, mask=mask, causal=causal, form=form)
    seen = None if mask is None else mask.tolist()
    names = dict(zip(given, lists(*given.values()), strict=True))
    want = compressive.compressive_attention(*lists(*arrays), **names, seen=seen, causal=causal)
    agree(got, want, d + m)


@every_form
def test_a_compressed_key_that_stands_for_two_is_one_key(form):
    # Three alike keys: one compressed, one remembered, one of the segment. Each has a third of the weight.
    q = k = np.zeros((1, 2))
    one, nowhere = np.array([[1.0]]), np.zeros((1, 2))
    o = fa.compressive_attention(q, k, 9 * one, nowhere, nowhere, k, 6 * one, k, 3 * one, form=form)
    np.testing.assert_allclose(o, [[6.0]], rtol=ROUNDING(np.float64, 3))


@every_form
def test_a_stream_through_both_memories(form, rng):
    # With room for everything and nothing compressed away, segments see all that came before.
    x = rng.standard_normal((240, 4))
    w_q, w_k, w_v = rng.standard_normal((3, 4, 4))
    w = rng.standard_normal((2, 3, 4))
    whole = fa.transformer_xl_attention(x @ w_q, x @ w_k, x @ w_v, *w, causal=True, form=form)
    memory = compressed = np.zeros((0, 4))
    for start in range(0, 240, 60):
        h = x[start : start + 60]
        pasts = [y for past in (memory, compressed) for y in (past @ w_k, past @ w_v)]
        o = fa.compressive_attention(h @ w_q, h @ w_k, h @ w_v, *w, *pasts, causal=True, form=form)
        allowed = np.max(np.abs(whole)) * ROUNDING(np.float64, 240)
        np.testing.assert_allclose(o, whole[start : start + 60], rtol=0, atol=allowed)
        memory, compressed = remember(h, memory, compressed, memory_length=90, compressed_length=200, rate=1)


@every_form
def test_a_row_that_may_attend_to_nothing_is_zero(form, rng):
    q, k, v = rng.standard_normal((3, 6, 4))
    w, past = rng.standard_normal((2, 3, 4)), rng.standard_normal((3, 4))
    mask = np.ones((6, 12), dtype=bool)
    mask[2] = False
    o = fa.compressive_attention(q, k, v, *w, past, past, past, past, mask=mask, form=form)
    np.testing.assert_array_equal(o[2], 0.0)
    assert np.all(np.isfinite(o))


def test_a_compressed_memory_costs_less_than_what_it_was_made_of():
    sizes = {"n": 2**11, "d": 64, "e": 64, "f": 32, "l": 2**11}
    whole = fa.cost(fa.compressive_attention, {**sizes, "p": 2**12})
    compressed = fa.cost(fa.compressive_attention, {**sizes, "p": compress(np.zeros((2**12, 1)), 4).shape[0]})
    assert compressed.flops < whole.flops
    assert compressed.peak <= whole.peak


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"k_memory": np.ones((3, 4))}, "k_memory and v_memory are two sides"),
        ({"v_compressed": np.ones((3, 4))}, "k_compressed and v_compressed are two sides"),
        ({"mask": np.ones((6, 7), dtype=bool)}, r"mask must broadcast to \(\.\.\., 6, 6\)"),
        ({"k_compressed": np.ones((3, 4)), "v_compressed": np.ones((2, 4))}, "axis 'p' is 3"),
    ],
)
def test_nonsense_is_refused_by_name(options, words):
    with pytest.raises(ValueError, match=words):
        fa.compressive_attention(*np.ones((3, 6, 4)), *np.ones((2, 3, 4)), **options)
