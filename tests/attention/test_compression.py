"""Facts about compressed memories: what each way makes of a block, what is forgotten when, and the loss."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from libraries import LIBRARIES
from oracles import agree, compressive, draw, lists, seeds, sizes

from factorattn.attention import compressive_attention
from factorattn.attention.memory.compression import compress, memory_usage, reconstruction_loss, remember
from factorattn.testing import ROUNDING

WAYS = ("mean", "max", "convolution", "most used")
every_library = pytest.mark.parametrize("library", LIBRARIES)


@pytest.mark.parametrize("how", WAYS)
@settings(deadline=None)
@given(
    m=st.integers(0, 12), c=sizes, rate=st.integers(1, 5), taps=sizes, dilation=st.integers(1, 3), seed=seeds,
    biased=st.booleans(),
)  # fmt: skip
def test_compress_is_the_paper(how, m, c, rate, taps, dilation, seed, biased):
    x, weight, bias, usage = draw(seed, (m, c), (taps, c, c), (c,), (m,))
    options = {}
    if how == "convolution":
        options = {"weight": weight, "bias": bias if biased else None, "dilation": dilation}
    if how == "most used":
        options = {"usage": usage}
    got = compress(x, rate, how=how, **options)
    plain = {name: y.tolist() if hasattr(y, "tolist") else y for name, y in options.items()}
    want = np.array(compressive.compress(x.tolist(), rate, how=how, **plain)).reshape(m // rate, c)
    agree(got, want, taps * c + rate)


def test_each_way_by_hand():
    x = np.array([[1.0], [5.0], [4.0], [2.0], [9.0]])  # the ninth makes no whole block
    np.testing.assert_array_equal(compress(x, 2), [[3.0], [3.0]])
    np.testing.assert_array_equal(compress(x, 2, how="max"), [[5.0], [4.0]])
    taps = np.array([[[1.0]], [[10.0]]])
    np.testing.assert_array_equal(compress(x, 2, how="convolution", weight=taps), [[51.0], [24.0]])
    usage = np.array([0.1, 0.3, 0.3, 0.2, 0.3])
    np.testing.assert_array_equal(compress(x, 2, how="most used", usage=usage), [[5.0], [4.0]])  # the older of equals


def test_dilated_windows_are_centred_and_end_in_zeros():
    # Rate 2, three taps two apart: windows of five around blocks of two, which begin one row early (rounded down).
    x, taps = np.arange(1.0, 7.0)[:, None], np.array([[[1.0]], [[10.0]], [[100.0]]])
    got = compress(x, 2, how="convolution", weight=taps, dilation=2)
    np.testing.assert_array_equal(got[:, 0], [0 + 10 * 1 + 100 * 3, 1 + 10 * 3 + 100 * 5, 3 + 10 * 5])


@settings(deadline=None)
@given(
    n=sizes, l=sizes, p=sizes, c=sizes, rate=st.integers(1, 4), seed=seeds, room=st.integers(0, 9),
    most=st.integers(0, 5), how=st.sampled_from(["mean", "max"]),
)  # fmt: skip
def test_remember_is_the_queue_of_the_paper(n, l, p, c, rate, seed, room, most, how):
    h, memory, compressed = draw(seed, (n, c), (min(l, room), c), (min(p, most), c))
    lengths = {"memory_length": room, "compressed_length": most, "rate": rate, "how": how}
    got = remember(h, memory, compressed, **lengths)
    want = compressive.remember(*lists(h, memory, compressed), **lengths)
    for one, other in zip(got, want, strict=True):
        agree(one, np.array(other).reshape(-1, c), rate)


def test_what_makes_no_whole_block_waits_in_the_memory():
    h = np.arange(1.0, 6.0)[:, None]
    memory, compressed = remember(h, memory_length=0, compressed_length=9, rate=3)
    np.testing.assert_array_equal(compressed[:, 0], [2.0])
    np.testing.assert_array_equal(memory[:, 0], [4.0, 5.0])


@settings(deadline=None)
@given(
    segments=st.lists(st.integers(0, 7), min_size=1, max_size=5), rate=st.integers(1, 4), room=st.integers(0, 6),
    seed=seeds,
)  # fmt: skip
def test_no_state_is_lost_however_the_sequence_is_cut(segments, rate, room, seed):
    (x,) = draw(seed, (sum(segments), 2))
    lengths = {"memory_length": room, "compressed_length": 99, "rate": rate}
    memory = compressed = np.zeros((0, 2))
    for start, n in zip(np.cumsum([0, *segments]), segments, strict=False):
        memory, compressed = remember(x[start : start + n], memory, compressed, **lengths)
        assert len(memory) < room + rate
        assert len(memory) + rate * len(compressed) == start + n
    at_once = remember(x, **lengths)
    np.testing.assert_array_equal(memory, at_once[0])
    np.testing.assert_array_equal(compressed, at_once[1])


def test_most_used_states_leave_in_whole_blocks():
    # Of five that have no room, one waits; the usage of those that wait, and stay, does not matter yet.
    h, usage = np.arange(6.0)[:, None], np.array([0.1, 0.4, 0.2, 0.3, 0.9, 0.9])
    memory, compressed = remember(h, memory_length=1, compressed_length=9, rate=2, how="most used", usage=usage)
    np.testing.assert_array_equal(memory[:, 0], [4.0, 5.0])
    np.testing.assert_array_equal(compressed[:, 0], [1.0, 3.0])


def test_remember_begins_with_nothing():
    h = np.arange(6.0)[:, None]
    memory, compressed = remember(h, memory_length=4, compressed_length=1, rate=2)
    np.testing.assert_array_equal(memory[:, 0], [2.0, 3.0, 4.0, 5.0])
    np.testing.assert_array_equal(compressed[:, 0], [0.5])


def test_most_used_states_survive_the_queue():
    h, usage = np.arange(6.0)[:, None], np.array([0.1, 0.4, 0.2, 0.3, 0.9, 0.9])  # two stay in the memory
    memory, compressed = remember(h, memory_length=2, compressed_length=9, rate=2, how="most used", usage=usage)
    np.testing.assert_array_equal(memory[:, 0], [4.0, 5.0])
    np.testing.assert_array_equal(compressed[:, 0], [1.0, 3.0])


@pytest.mark.parametrize("causal", [False, True])
def test_usage_is_the_mean_of_the_weights(causal, rng):
    n, l, p, d = 7, 5, 3, 4
    q, k = rng.standard_normal((2, 2, n, d))
    past, old = rng.standard_normal((2, l, d)), rng.standard_normal((2, p, d))
    w, u = rng.standard_normal((2, 3, d)), rng.standard_normal(d)
    mask = rng.random((n, p + l + n)) < 0.8
    one = np.eye(p + l + n)  # as values: the weights come out
    options = {"u": u, "v_bias": u, "mask": mask, "causal": causal}
    weights = compressive_attention(q, k, one[p + l :], *w, past, one[p : p + l], old, one[:p], **options)
    got = memory_usage(q, k, *w, past, old, **options)
    want = np.mean(weights, axis=-2)[:, p:]
    np.testing.assert_allclose(got, want, rtol=0, atol=ROUNDING(np.float64, n + l + p))


@settings(deadline=None)
@given(n=sizes, m=sizes, p=sizes, c=sizes, d=sizes, e=sizes, seed=seeds)
def test_reconstruction_loss_is_the_paper(n, m, p, c, d, e, seed):
    arrays = draw(seed, (n, c), (m, c), (p, c), (c, d), (c, d), (c, e))
    agree(reconstruction_loss(*arrays), compressive.reconstruction_loss(*lists(*arrays)), n * e * (c + d + m + p))


def test_what_says_the_same_costs_nothing(rng):
    # Blocks of alike states lose nothing by their mean: attention to m copies is attention to one.
    h, w_q, w_k, w_v = rng.standard_normal((4, 5, 5))
    new = rng.standard_normal((3, 5))
    old = np.repeat(new, 4, axis=0)
    loss = reconstruction_loss(h, old, compress(old, 4), w_q, w_k, w_v)
    assert loss <= np.max(np.abs(new @ w_v)) * ROUNDING(np.float64, 25)
    assert reconstruction_loss(h, old, new[:1] * 0, w_q, w_k, w_v) > 0


def test_heads_and_batches_are_leading_axes(rng):
    h, old = rng.standard_normal((2, 1, 6, 5)), rng.standard_normal((2, 1, 8, 5))
    w_q, w_k, w_v = rng.standard_normal((3, 4, 5, 3))
    assert reconstruction_loss(h, old, compress(old, 4), w_q, w_k, w_v).shape == (2, 4)
    usage = rng.random((2, 4, 8))
    kept = compress(old, 2, how="most used", usage=usage)
    np.testing.assert_array_equal(kept[1, 2], compress(old[1, 0], 2, how="most used", usage=usage[1, 2]))


@every_library
@pytest.mark.parametrize("how", WAYS)
def test_all_libraries_remember_alike(library, how, rng):
    xp = pytest.importorskip(library)
    h, memory, compressed, weight, usage = (
        rng.standard_normal(shape).astype(np.float32) for shape in ((6, 3), (6, 3), (2, 3), (2, 3, 3), 12)
    )
    lengths = {"memory_length": 6, "compressed_length": 4, "rate": 2, "how": how}
    extra = {"convolution": {"weight": weight}, "most used": {"usage": usage}}.get(how, {})
    want = remember(h, memory, compressed, **lengths, **extra)
    converted = {name: xp.asarray(x) for name, x in extra.items()}
    got = remember(*(xp.asarray(x) for x in (h, memory, compressed)), **lengths, **converted)
    for one, other in zip(got, want, strict=True):
        one = np.asarray(one)
        assert one.dtype == np.float32
        np.testing.assert_allclose(one, other, rtol=0, atol=np.max(np.abs(other)) * ROUNDING(np.float32, 6))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x: compress(x, 0), "rate must be a positive integer"),
        (lambda x: compress(x, 2, how="median"), "how must be 'mean' or 'max'"),
        (lambda x: compress(x, 2, how="convolution"), "needs weight"),
        (lambda x: compress(x, 2, how="most used"), "needs usage"),
        (lambda x: compress(x, 2, dilation=2), "weight, bias and dilation are for 'convolution'"),
        (lambda x: compress(x, 2, usage=np.ones(6)), "usage for 'most used'"),
        (lambda x: compress(x, 2, how="convolution", weight=np.ones((2, 3, 2))), "axis 'c' is 3"),
        (lambda x: remember(x, memory_length=2, compressed_length=2, rate=0), "rate must be a positive integer"),
        (lambda x: remember(x, memory_length=-1, compressed_length=2, rate=2), "0 states or more"),
        (
            lambda x: remember(x, memory_length=2, compressed_length=2, rate=2, how="most used", usage=np.ones(5)),
            "axis 'm'",
        ),
        (lambda x: reconstruction_loss(x, x, x, x, x, x), "axis 'c' is 3"),
    ],
)
def test_nonsense_is_refused_by_name(call, words):
    with pytest.raises(ValueError, match=words):
        call(np.ones((6, 3)))
