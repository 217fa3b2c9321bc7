"""Facts about softmax attention: worked examples, edges, dialects, and what is refused."""

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, draw, lists, seeds, sizes, softmax

import factorattn as fa
from factorattn.testing import ROUNDING

FORMS = pytest.mark.parametrize("form", fa.softmax_attention.record.forms)


def close(got, want, length=1):
    want = np.asarray(want, dtype=float)
    assert got.shape == want.shape
    assert np.max(np.abs(got - want), initial=0.0) <= max(1.0, np.max(np.abs(want), initial=0.0)) * ROUNDING(
        got.dtype, length
    )


@FORMS
def test_two_by_two_by_hand(form):
    q, k, v = np.array([[0.0], [math.log(3)]]), np.array([[0.0], [1.0]]), np.array([[4.0, 0.0], [0.0, 8.0]])
    o, lse = fa.softmax_attention(q, k, v, scale=1.0, return_lse=True, form=form)
    close(o, [[2.0, 4.0], [1.0, 6.0]])  # weights 1/2 1/2 and 1/4 3/4
    close(lse, [math.log(2), math.log(4)])


@FORMS
def test_causal_is_aligned_to_the_last_key(form):
    v = np.arange(5.0)[:, None]
    q, k = np.zeros((2, 3)), np.zeros((5, 3))
    close(fa.softmax_attention(q, k, v, causal=True, form=form), [[1.5], [2.0]])  # means of 0..3 and 0..4
    close(fa.softmax_attention(q, k, v, causal=True, offset=0, form=form), [[0.0], [0.5]])


@FORMS
def test_more_queries_than_keys_leaves_early_rows_empty(form):
    o, lse = fa.softmax_attention(
        np.zeros((3, 2)), np.zeros((1, 2)), np.ones((1, 4)), causal=True, return_lse=True, form=form
    )
    close(o, [[0.0] * 4, [0.0] * 4, [1.0] * 4])
    np.testing.assert_array_equal(lse, [-np.inf, -np.inf, 0.0])


@FORMS
def test_windows_include_both_ends(form):
    v = np.arange(7.0)[:, None] ** 2
    q = k = np.zeros((7, 1))
    got = fa.softmax_attention(q, k, v, window=(2, 1), form=form)
    close(got, [[np.mean(v[max(0, i - 2) : i + 2])] for i in range(7)])
    close(fa.softmax_attention(q, k, v, window=(None, 0), form=form), [[np.mean(v[: i + 1])] for i in range(7)], 7)


@FORMS
def test_row_that_sees_nothing_is_zero(form):
    mask = np.array([[True, True], [False, False]])
    q, k, v = np.ones((2, 3)), np.ones((2, 3)), np.ones((2, 2))
    for options in ({"mask": mask}, {"bias": np.where(mask, 0.0, -np.inf)}):
        o, lse = fa.softmax_attention(q, k, v, **options, return_lse=True, form=form)
        close(o, [[1.0, 1.0], [0.0, 0.0]])
        assert lse[1] == -np.inf


@FORMS
def test_no_keys_at_all_gives_zeros(form):
    o, lse = fa.softmax_attention(np.ones((3, 2)), np.ones((0, 2)), np.ones((0, 4)), return_lse=True, form=form)
    close(o, np.zeros((3, 4)))
    assert np.all(lse == -np.inf)


@FORMS
@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
def test_poison_in_a_hidden_pair_stays_there(form, poison, rng):
    q, k, v = rng.standard_normal((3, 6, 4))
    mask = rng.random((6, 6)) < 0.6
    mask[:, 2] = [True, False, True, False, False, True]
    clean = fa.softmax_attention(q, k, v, mask=mask, form=form)
    for array in (k, v):
        array[2, 1] = poison
        with np.errstate(invalid="ignore", over="ignore"):
            o = fa.softmax_attention(q, k, v, mask=mask, form=form)
        close(o[~mask[:, 2]], clean[~mask[:, 2]])
        array[2, 1] = 0.0
        clean = fa.softmax_attention(q, k, v, mask=mask, form=form)


@FORMS
def test_nan_in_a_value_shows_in_the_rows_that_attend_to_it(form, rng):
    q, k, v = rng.standard_normal((3, 6, 4))
    v[2, 1] = np.nan
    o = fa.softmax_attention(q, k, v, causal=True, form=form)
    assert np.all(np.isfinite(o[:2]))
    assert np.all(np.isnan(o[2:, 1]))


@FORMS
@pytest.mark.parametrize("size", [1e2, 1e4, 1e30])
def test_huge_logits_choose_the_largest(form, size):
    q, k, v = np.array([[size]]), np.array([[1.0], [-1.0], [0.5]]), np.array([[1.0], [2.0], [3.0]])
    close(fa.softmax_attention(q, k, v, form=form), [[1.0]])
    close(fa.softmax_attention(np.float32(q), np.float32(k), np.float32(v), form=form), [[1.0]])


@FORMS
def test_half_precision_accumulates_in_single(form):
    """In float16 a sum of 8192 equal weights is off by tens of per cent; the mean of ones must be one."""
    q, k, v = (np.ones((n, 4), dtype=np.float16) for n in (2, 8192, 8192))
    o = fa.softmax_attention(q, k, v, form=form)
    assert o.dtype == np.float16
    np.testing.assert_array_equal(o, np.ones((2, 4)))


@FORMS
def test_dtypes_promote_and_batches_broadcast(form, rng):
    q = rng.standard_normal((2, 1, 5, 4)).astype(np.float32)
    k, v = rng.standard_normal((3, 7, 4)), rng.standard_normal((1, 7, 6))
    o, lse = fa.softmax_attention(q, k, v, return_lse=True, form=form)
    assert (o.shape, lse.shape, o.dtype) == ((2, 3, 5, 6), (2, 3, 5), np.float64)


@FORMS
def test_grouped_heads_take_masks_per_head(form, rng):
    q, k, v = rng.standard_normal((2, 6, 5, 4)), rng.standard_normal((2, 3, 7, 4)), rng.standard_normal((2, 3, 7, 2))
    mask, bias = rng.random((2, 6, 5, 7)) < 0.7, rng.standard_normal((6, 5, 7))
    got, lse = fa.softmax_attention(q, k, v, mask=mask, bias=bias, grouped=True, return_lse=True, form=form)
    k, v = np.repeat(k, 2, axis=1), np.repeat(v, 2, axis=1)
    want, want_lse = fa.softmax_attention(q, k, v, mask=mask, bias=bias, return_lse=True, form=form)
    close(got, want, 7)
    close(lse, want_lse, 7)


def test_decoding_step_equals_the_last_row_of_the_whole(rng):
    q, k, v = rng.standard_normal((3, 9, 4))
    close(fa.softmax_attention(q[-1:], k, v, causal=True), fa.softmax_attention(q, k, v, causal=True)[-1:], 9)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"q": [[1.0]]}, TypeError, "q must be an array"),
        ({"q": np.ones((3, 4), dtype=int)}, TypeError, "q must have a real floating dtype, got int64"),
        ({"k": np.ones((5, 3))}, ValueError, r"axis 'd' is 4 in q \(3, 4\) but 3 in k \(5, 3\)"),
        ({"v": np.ones((6, 2))}, ValueError, r"axis 'm' is 5 in k \(5, 4\) but 6 in v \(6, 2\)"),
        ({"q": np.ones((2, 3, 4)), "k": np.ones((3, 5, 4))}, ValueError, "batch axes must broadcast"),
        ({"mask": np.ones((3, 5))}, TypeError, "mask must have dtype bool, got float64"),
        ({"mask": [[True]]}, TypeError, "mask must be an array of the same library as q, got list"),
        (
            {"mask": np.ones((3, 4), dtype=bool)},
            ValueError,
            r"mask must broadcast to \(\.\.\., 3, 5\), got shape \(3, 4\)",
        ),
        ({"bias": np.ones((4, 5))}, ValueError, r"bias must broadcast to \(\.\.\., 3, 5\)"),
        ({"bias": np.ones((3, 5), dtype=int)}, TypeError, "bias must have dtype real floating, got int64"),
        ({"window": -1}, ValueError, "window must be a non-negative integer"),
        ({"window": (1, 2, 3)}, ValueError, "window must be"),
        ({"softcap": 0.0}, ValueError, "softcap must be positive, got 0.0"),
        ({"offset": 1}, ValueError, "offset aligns a window or causality, and there is neither"),
        ({"offset": 1.5, "causal": True}, TypeError, "offset must be an integer, got 1.5"),
        ({"causal": "no"}, TypeError, "causal must be True or False, got 'no'"),
        ({"scale": "a"}, TypeError, "scale must be a real number, got str"),
        ({"scale": math.nan}, ValueError, "scale must be finite, got nan"),
        ({"softcap": "x"}, TypeError, "softcap must be a real number, got str"),
        ({"window": 1.0}, TypeError, "window must be an integer, got 1.0"),
        ({"mask": np.ones((2, 3, 5), dtype=bool), "q": np.ones((3, 3, 4))}, ValueError, r"batch axes .* mask \(2,\)"),
        ({"form": "fast"}, ValueError, "form must be 'dense' or 'online', got 'fast'"),
        ({"grouped": True}, ValueError, r"q needs shape \(\.\.\., h, n, d\), got \(3, 4\)"),
    ],
)
def test_nonsense_is_refused_by_name(change, error, words):
    given = {"q": np.ones((3, 4)), "k": np.ones((5, 4)), "v": np.ones((5, 2)), **change}
    with pytest.raises(error, match=words):
        fa.softmax_attention(**given)


@pytest.mark.parametrize("name", ["mask", "bias"])
@pytest.mark.parametrize("heads", [2, 5])
def test_masks_of_another_number_of_heads_are_refused(name, heads):
    q, k = np.ones((4, 3, 2)), np.ones((2, 5, 2))
    table = np.ones((heads, 3, 5), dtype=bool if name == "mask" else float)
    with pytest.raises(
        ValueError, match=f"{name} must have 1 or 4 heads in its axis -3, got shape \\({heads}, 3, 5\\)"
    ):
        fa.softmax_attention(q, k, k, grouped=True, **{name: table})


def test_integers_and_numbers_of_numpy_are_integers_and_numbers(rng):
    q, k, v = rng.standard_normal((3, 6, 4))
    plain = fa.softmax_attention(q, k, v, causal=True, window=2, offset=0, scale=0.5)
    numpy = {"causal": np.True_, "window": np.int64(2), "offset": np.int32(0), "scale": np.float32(0.5)}
    np.testing.assert_array_equal(fa.softmax_attention(q, k, v, **numpy), plain)


@FORMS
def test_vectors_of_no_entries_weigh_all_keys_alike(form):
    close(fa.softmax_attention(np.ones((2, 0)), np.ones((3, 0)), np.arange(3.0)[:, None], form=form), [[1.0], [1.0]])


def test_groups_that_do_not_divide_are_refused():
    with pytest.raises(ValueError, match="the 2 heads of k and v must divide the 3 heads of q"):
        fa.softmax_attention(np.ones((3, 5, 4)), np.ones((2, 5, 4)), np.ones((2, 5, 4)), grouped=True)


PEAK = """
import ctypes, gc, numpy as np, factorattn as fa
def status(key):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(key)) * 1024
q, k, v = np.random.default_rng(0).standard_normal((3, 16384, 64)).astype(np.float32)
with fa.kernels({mode!r}):
    fa.softmax_attention(q[:300], k[:300], v[:300])  # warm up: compile, start threads
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    open("/proc/self/clear_refs", "w").write("5")
    before = status("VmRSS")
    o = fa.softmax_attention(q, k, v)
print(status("VmHWM") - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc/self/status")
@pytest.mark.parametrize("mode", ["off", "require"])
def test_sixteen_thousand_tokens_take_less_than_64_megabytes(mode):
    out = subprocess.run([sys.executable, "-c", PEAK.format(mode=mode)], capture_output=True, text=True, check=True)
    assert int(out.stdout) < 64e6


def test_counted_memory_grows_with_the_length_only():
    small, large = (fa.cost(fa.softmax_attention, {"n": n, "m": n, "d": 64, "e": 64}).peak for n in (2**16, 2**17))
    assert large <= 2 * small


@pytest.mark.peers
def test_peer_torch_agrees(rng):
    torch = pytest.importorskip("torch", reason="torch is not installed (extra: peers)")
    q, k, v = (torch.asarray(rng.standard_normal((2, 3, 40, 8))) for _ in range(3))
    mask = torch.asarray(rng.random((40, 40)) < 0.8) | torch.eye(40, dtype=torch.bool)
    sdpa = torch.nn.functional.scaled_dot_product_attention
    for ours, theirs in (
        (fa.softmax_attention(q, k, v), sdpa(q, k, v)),
        (fa.softmax_attention(q, k, v, causal=True), sdpa(q, k, v, is_causal=True)),
        (fa.softmax_attention(q, k, v, mask=mask), sdpa(q, k, v, attn_mask=mask)),
        (fa.softmax_attention(q[..., :9, :], k, v, causal=True, offset=0), sdpa(q[..., :9, :], k, v, is_causal=True)),
        (fa.softmax_attention(q[:, :2], k[:, :1], v[:, :1], grouped=True),
         sdpa(q[:, :2], k[:, :1], v[:, :1], enable_gqa=True)),
    ):  # fmt: skip
        close(np.asarray(ours), np.asarray(theirs), 40)


@pytest.mark.parametrize("form", fa.softmax_attention.record.forms)
@settings(deadline=None)
@given(
    n=sizes, m=sizes, d=sizes, e=sizes, seed=seeds, causal=st.booleans(),
    offset=st.none() | st.integers(-3, 9),
    window=st.none() | st.integers(0, 4) | st.tuples(st.none() | st.integers(0, 4), st.none() | st.integers(0, 4)),
    masked=st.booleans(), biased=st.sampled_from(["no", "yes", "with -inf"]),
    scale=st.none() | st.floats(0.1, 2), softcap=st.none() | st.floats(0.5, 5),
)  # fmt: skip
def test_softmax_attention_is_the_paper(form, n, m, d, e, seed, causal, offset, window, masked, biased, scale, softcap):
    q, k, v, bias, chance = draw(seed, (n, d), (m, d), (m, e), (n, m), (n, m))
    mask = chance > -0.5 if masked else None
    bias = None if biased == "no" else np.where(chance > 1, -np.inf, bias) if biased == "with -inf" else bias
    if not causal and window in (None, (None, None)):
        offset = None  # it would be refused: there is nothing to align
    options = {"causal": causal, "offset": offset, "window": window, "scale": scale, "softcap": softcap}
    o, lse = fa.softmax_attention(q, k, v, mask=mask, bias=bias, return_lse=True, form=form, **options)
    q, k, v, mask, bias = lists(q, k, v, mask, bias)
    want_o, want_lse = softmax.softmax_attention(q, k, v, mask=mask, bias=bias, **options)
    agree(o, want_o, d + m)
    agree(lse, want_lse, d + m)
