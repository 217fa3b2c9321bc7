"""The compiled softmax attention against the primitive's own reference in float64."""

import itertools
import json
import multiprocessing
import os
import subprocess
import sys
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factorattn.primitives import softmax_attend_numba as kernel
from factorattn.primitives.dispatch import Unsupported, kernels
from factorattn.primitives.register_tile_numba import ROW_BYTES, ROWS
from factorattn.primitives.softmax_attend import softmax_attend
from factorattn.testing.tolerance import ROUNDING

DTYPES = [np.float32, np.float64]
BLOCK = ROW_BYTES // 4  # queries of float32 in a group of lanes


def arrays(n, m, d, e, *, batch=(), dtype=np.float32, seed=0):
    rng = np.random.default_rng(seed)
    shapes = [(*batch, n, d), (*batch, m, d), (*batch, m, e)]
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


def attend(q, k, v, **options):
    with kernels("require"):
        return softmax_attend(q, k, v, **options)


def check(q, k, v, *, bias=None, **options):
    """Compare outputs relative to the largest value; the rounding of logits enters by their size."""
    o, lse = attend(q, k, v, bias=bias, **options)
    wide = [None if x is None else x.astype(np.float64) for x in (q, k, v, bias)]
    with np.errstate(all="ignore"):
        o_, lse_ = softmax_attend.reference(*wide[:3], bias=wide[3], **options)
    assert o.dtype == lse.dtype == q.dtype
    assert o.shape == o_.shape
    assert lse.shape == lse_.shape
    m, d = k.shape[-2:]
    size = 1 + float(np.max(np.abs(lse_[np.isfinite(lse_)]), initial=0.0))
    rounding = ROUNDING(q.dtype, max(m, d, 1)) * size
    np.testing.assert_allclose(lse, lse_, rtol=0, atol=rounding)
    np.testing.assert_allclose(o, o_, rtol=0, atol=rounding * float(np.max(np.abs(wide[2]), initial=0.0)))


EDGES = [0, 1, ROWS - 1, ROWS, ROWS + 1, BLOCK // 3, BLOCK // 3 + 1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 3]
WIDTHS = [(0, 3), (3, 0), (1, 17), (17, 1), (80, 96), (kernel.CHUNK + 5, 5), (5, kernel.CHUNK + 5)]
BANDS = [(None, None), (None, 9), (-40, None), (-30, 5), (400, None), (3, 2)]
OPTIONS = list(itertools.product((None, 3.0), (False, True), (False, True), BANDS))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", EDGES)
def test_every_number_of_queries_around_the_tiles(n, dtype):
    check(*arrays(n, 37, 16, 16, dtype=dtype), scale=0.25)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("m", [*EDGES, kernel.CHUNK - 1, kernel.CHUNK, kernel.CHUNK + 1, 2 * kernel.CHUNK + 3])
def test_every_number_of_keys_around_the_tiles_and_chunks(m, dtype):
    mask = np.random.default_rng(1).random((19, m)) < 0.7
    check(*arrays(19, m, 16, 16, dtype=dtype), scale=0.25, mask=mask)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("d", "e"), WIDTHS)
def test_any_width_of_keys_and_values(d, e, dtype):
    check(*arrays(50, 60, d, e, dtype=dtype), scale=0.1)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("softcap", "biased", "masked", "band"), OPTIONS)
def test_all_options_combine(softcap, biased, masked, band, dtype):
    n, m = 2 * BLOCK + 3, kernel.CHUNK + 21
    rng = np.random.default_rng(2)
    bias = rng.standard_normal((2, n, m)).astype(dtype) if biased else None
    mask = rng.random((n, m)) < 0.6 if masked else None
    check(*arrays(n, m, 8, 9, batch=(2,), dtype=dtype), scale=0.5, softcap=softcap, bias=bias, mask=mask, band=band)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_sizes_batches_options_and_strides_of_any_kind(data):
    def draw(low, high):
        return data.draw(st.integers(low, high))

    n, m, d, e = draw(0, 130), draw(0, 250), draw(0, 20), draw(0, 20)
    dtype = data.draw(st.sampled_from(DTYPES))
    rng = np.random.default_rng(draw(0, 1000))

    def table(*shape, batch=True):
        axes = [data.draw(st.sampled_from((1, size))) for size in (2, 3)][draw(0, 2) :] if batch else []
        x = rng.standard_normal((*axes, *shape)).astype(dtype)
        way = draw(0, 5)
        if way == 1:
            x = np.asfortranarray(x)
        elif way == 2:
            x = x[..., ::-1, :]
        elif way == 3:
            x = x[..., ::-1]
        elif way == 4:
            x = np.repeat(np.repeat(x, 2, -1), 3, -2)[..., ::3, ::2]
        elif way == 5:
            x = np.broadcast_to(x, (2, 3, *x.shape[-2:]))
        x.flags.writeable = False
        return x

    def logits_table():
        return table(data.draw(st.sampled_from((1, n))), data.draw(st.sampled_from((1, m))))

    bound = st.none() | st.integers(-150, 260)
    check(
        table(n, d),
        table(m, d),
        table(m, e),
        scale=data.draw(st.sampled_from((0.3, 1.0, -0.5))),
        softcap=data.draw(st.sampled_from((None, 2.0))),
        bias=logits_table() if data.draw(st.booleans()) else None,
        mask=logits_table() > -0.5 if data.draw(st.booleans()) else None,
        band=(data.draw(bound), data.draw(bound)),
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("way", ["mask", "bias", "band", "no keys"])
def test_a_query_that_sees_nothing_gives_zeros_and_minus_infinity(way, dtype):
    q, k, v = arrays(60, 0 if way == "no keys" else 50, 8, 8, dtype=dtype)
    seen = np.ones((60, len(k)), np.bool_)
    seen[::2] = False
    options = {
        "mask": {"mask": seen},
        "bias": {"bias": np.where(seen, 0, -np.inf).astype(dtype)},
        "band": {"band": (20, None)},
        "no keys": {},
    }[way]
    o, lse = attend(q, k, v, scale=1.0, **options)
    empty = {"band": np.arange(60) + 20 >= 50, "no keys": np.ones(60, np.bool_)}.get(way, ~seen.any(axis=-1))
    assert np.all(o[empty] == 0)
    assert np.all(lse[empty] == -np.inf)
    assert np.all(np.isfinite(lse[~empty]))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", ["key", "value"])
@pytest.mark.parametrize("way", ["mask", "bias", "band"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_what_is_not_finite_reaches_exactly_the_queries_that_see_it(way, where, bad, dtype):
    n, m, j = 2 * BLOCK + 3, kernel.CHUNK + 21, 30
    q, k, v = arrays(n, m, 8, 24, dtype=dtype)
    seen = np.random.default_rng(3).random((n, m)) < 0.5
    i = np.arange(n)[:, None]
    seen = {"band": (np.arange(m) - i <= 7) & (np.arange(m) - i >= -50)}.get(way, seen)
    bias = np.where(seen, 0, -np.inf).astype(dtype)
    options = {"mask": {"mask": seen}, "bias": {"bias": bias}, "band": {"band": (-50, 7)}}[way]
    if where == "key":
        k[j] = bad if np.isnan(bad) else [bad, -bad] * 4
        q = np.abs(q)  # infinity of both signs: NaN whatever the query
    else:
        v[j, 3::5] = bad
    clean_k, clean_v = (np.where(np.isfinite(x), x, 0) for x in (k, v))
    clean_o, clean_lse = attend(q, clean_k, clean_v, scale=0.1, **options)
    o, lse = attend(q, k, v, scale=0.1, **options)
    hit = seen[:, j]
    assert np.all(~np.isfinite(o[hit]).all(axis=-1))
    np.testing.assert_array_equal(np.isfinite(lse), ~hit if where == "key" else np.ones(n, np.bool_))
    np.testing.assert_array_equal(o[~hit], clean_o[~hit])
    np.testing.assert_array_equal(lse[~hit], clean_lse[~hit])


def test_a_bad_query_spoils_its_own_row_only():
    q, k, v = arrays(70, 40, 8, 8)
    good, _ = attend(q, k, v, scale=1.0, band=(None, 3))
    q[5] = np.nan
    o, lse = attend(q, k, v, scale=1.0, band=(None, 3))
    assert np.all(np.isnan(o[5]))
    assert np.isnan(lse[5])
    np.testing.assert_array_equal(np.delete(o, 5, 0), np.delete(good, 5, 0))


def test_an_attended_bad_value_shows_without_any_mask():
    q, k, v = arrays(70, 40, 8, 8)
    v[7, 2] = np.nan
    o, lse = attend(q, k, v, scale=1.0)
    assert np.all(np.isnan(o[:, 2]))
    assert np.all(np.isfinite(lse))


@pytest.mark.parametrize(("size", "dtype"), [(1e4, "f4"), (1e30, "f4"), (3e38, "f4"), (1e300, "f8")])
def test_logits_near_overflow_pick_the_largest(size, dtype):
    k = np.linspace(-1, 1, 60).astype(dtype)[:, None]
    q = np.full((50, 1), size, dtype)
    v = np.arange(60.0).astype(dtype)[:, None]
    o, lse = attend(q, k, v, scale=1.0)
    np.testing.assert_array_equal(o, np.full_like(o, 59))
    np.testing.assert_array_equal(lse, np.full_like(lse, size))


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_row_of_most_negative_biases_is_not_empty(dtype):
    q, k, v = arrays(50, 60, 8, 8, dtype=dtype)
    bias = np.full((1, 60), np.finfo(dtype).min, dtype)
    o, lse = attend(q, k, v, scale=0.1, bias=bias)
    atol = ROUNDING(dtype, 60) * np.abs(v).max()
    np.testing.assert_allclose(o, np.broadcast_to(v.mean(axis=0), o.shape), rtol=0, atol=atol)
    assert np.all(np.isfinite(lse))


@pytest.mark.parametrize("options", [{}, {"band": (-100, 20)}, {"softcap": 2.0}])
def test_a_member_does_not_depend_on_its_batch_or_on_the_number_of_threads(options):
    q, k, v = arrays(5 * BLOCK + 3, 3 * kernel.CHUNK + 3, 16, 16, batch=(9,))
    o, lse = attend(q, k, v, scale=0.25, **options)
    for member in (0, 4, 8):
        alone = attend(q[member], k[member], v[member], scale=0.25, **options)
        np.testing.assert_array_equal(alone[0], o[member])
        np.testing.assert_array_equal(alone[1], lse[member])
    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        np.testing.assert_array_equal(attend(q, k, v, scale=0.25, **options)[0], o)
    finally:
        numba.set_num_threads(threads)


def test_four_python_threads_at_once():
    inputs = [arrays(200, 300, 16, 16, batch=(3,), seed=seed) for seed in range(4)]
    expected = [attend(*x, scale=0.25)[0] for x in inputs]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(20):
            for got, wanted in zip(pool.map(lambda x: attend(*x, scale=0.25)[0], inputs), expected, strict=True):
                np.testing.assert_array_equal(got, wanted)


def test_broadcast_keys_are_not_copied():
    q, k, v = arrays(64, 2000, 64, 64)
    q, k, v = (np.broadcast_to(x, (64, *x.shape)) for x in (q, k, v))
    attend(q[:1], k[:1], v[:1], scale=0.1)
    tracemalloc.start()
    attend(q, k, v, scale=0.1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * q.size * q.itemsize  # the output; all keys would be thirty times that


@pytest.mark.parametrize(
    ("dtypes", "sentence"),
    [
        (("f2", "f2", "f2"), "native float32 and float64, got float16"),
        (("g", "g", "g"), f"native float32 and float64, got {np.dtype('g')}"),
        ((">f4", ">f4", ">f4"), "native float32 and float64, got >f4"),
        (("f4", "f8", "f4"), "one dtype, got float32, float64 and float32"),
    ],
)
def test_other_dtypes_are_declined_in_a_sentence(dtypes, sentence):
    with pytest.raises(Unsupported, match=sentence):
        kernel.softmax_attend(*(np.ones((2, 2), dtype) for dtype in dtypes), scale=1.0)


def test_a_mask_of_numbers_is_declined_in_a_sentence():
    x = np.ones((2, 2), np.float32)
    with pytest.raises(Unsupported, match="mask of booleans, got int64"):
        kernel.softmax_attend(x, x, x, scale=1.0, mask=np.ones((2, 2), np.int64))


SCRIPT = """
import json, sys, time
import numpy as np
from factorattn.primitives.dispatch import Unsupported, kernels
from factorattn.primitives.softmax_attend import softmax_attend
from factorattn.primitives.register_tile_numba import VECTOR_BYTES
rng = np.random.default_rng(0)
q, k, v = (rng.standard_normal((70, 40)).astype(np.float32) for _ in range(3))
start = time.perf_counter()
try:
    with kernels("require"):
        o, why = softmax_attend(q, k, v, scale=0.2, band=(None, 0), mask=rng.random((70, 70)) < 0.9)[0].tolist(), ""
except Unsupported as error:
    o, why = None, str(error)
print(json.dumps([o, why, VECTOR_BYTES, time.perf_counter() - start]))
"""


def in_another_process(**environment):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env={**os.environ, **environment}, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize("cpu", ["generic", None])
def test_every_processor_and_every_process_gives_the_same_output(cpu):
    o, _, vector_bytes, _ = in_another_process(**({"NUMBA_CPU_NAME": cpu, "NUMBA_CPU_FEATURES": ""} if cpu else {}))
    assert cpu is None or vector_bytes == 16
    rng = np.random.default_rng(0)
    q, k, v = (rng.standard_normal((70, 40)).astype(np.float32) for _ in range(3))
    expected = softmax_attend.reference(q, k, v, scale=0.2, band=(None, 0), mask=rng.random((70, 70)) < 0.9)[0]
    np.testing.assert_allclose(np.array(o), expected, rtol=0, atol=ROUNDING(np.float32, 70) * np.abs(v).max())


def test_without_a_compiler_it_is_declined_in_a_sentence():
    _, why, _, _ = in_another_process(NUMBA_DISABLE_JIT="1")
    assert why == "softmax_attend: NUMBA_DISABLE_JIT is set, and this kernel has no uncompiled form"


GUARDED = """
import ctypes, itertools, mmap
import numpy as np
from factorattn.primitives.softmax_attend_numba import softmax_attend

def fenced(x, side):  # a copy that begins or ends at a page that must not be touched
    page = mmap.PAGESIZE
    room = mmap.mmap(-1, (-(-x.nbytes // page) + 2) * page)
    start = ctypes.addressof(ctypes.c_char.from_buffer(room))
    for fence in (start, start + len(room) - page):
        assert ctypes.CDLL(None).mprotect(ctypes.c_void_p(fence), page, 0) == 0
    offset = page if side == "first" else len(room) - page - x.nbytes
    out = np.frombuffer(room, x.dtype, x.size, offset).reshape(x.shape)
    out[...] = x
    return out

rng = np.random.default_rng(0)
for n, m, d, side, order in itertools.product((1, 50, 65, 210), (1, 17, 200), (5, 16), ("first", "last"), (1, -1)):
    q, k, v, bias = (rng.standard_normal(x).astype(np.float32) for x in ((n, d), (m, d), (m, d + 1), (n, m)))
    q, k, v, bias, mask = (fenced(x, side)[::order] for x in (q, k, v, bias, bias > 0))
    for options in ({}, {"bias": bias}, {"mask": mask}, {"bias": bias, "mask": mask, "band": (-40, 3)}):
        softmax_attend(q, k, v, scale=1.0, **options)
"""


@pytest.mark.skipif(os.name != "posix", reason="protects pages by mprotect")
def test_nothing_is_read_beyond_the_arrays():
    subprocess.run([sys.executable, "-c", GUARDED], check=True)


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork on this system")
def test_a_forked_child_can_attend():
    q, k, v = arrays(60, 60, 8, 8)
    expected = attend(q, k, v, scale=1.0)[0]
    code = (
        "import os, numpy as np\n"
        "from factorattn.primitives.softmax_attend_numba import softmax_attend as f\n"
        "x = np.ones((60, 8), np.float32)\n"
        "f(x, x, x, scale=1.0)\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    os._exit(0 if np.all(f(x, x, x, scale=1.0)[0] == 1) else 1)\n"
        "raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
    )
    assert expected.shape == (60, 8)
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_rounding_does_not_pile_up_along_the_keys(rng):
    """The FlashAttention rule: at most twice the error of a plain run in the same precision, at any length."""
    q, k, v = (rng.standard_normal((n, 64)).astype(np.float32) for n in (48, 16384, 16384))
    exact, _ = softmax_attend.reference(*(x.astype(np.float64) for x in (q, k, v)), scale=0.125)
    plain, _ = softmax_attend.reference(q, k, v, scale=0.125)
    with kernels("require"):
        ours, _ = softmax_attend(q, k, v, scale=0.125)
    assert np.linalg.norm(ours - exact) <= 2 * np.linalg.norm(plain - exact)
