"""Streaming softmax swept back: against sums over i and j in Python floats, differences, its own steps and torch."""

import math
import tracemalloc

import array_api_compat
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from libraries import LIBRARIES
from oracles import agree

from factorattn import kernels, softmax_attention
from factorattn.interpret.gradient import grad, jvp, vjp
from factorattn.primitives import softmax_attend_gradient as module
from factorattn.primitives.softmax_attend import softmax_attend
from factorattn.testing.differences import check_gradients

OPEN = (None, None)
BANDS = {"open": OPEN, "causal": (None, 2), "window": (-3, 1), "ahead": (2, None), "none": (40, 50), "crossed": (2, -2)}
sizes, bounds = st.integers(0, 7), st.none() | st.integers(-9, 9)


@pytest.fixture
def small_tiles(monkeypatch):
    """Tiles of three queries and four keys, so that small arrays have many."""
    monkeypatch.setattr(module, "ROWS", 3)
    monkeypatch.setattr(module, "COLS", 4)


def normal(*shapes, seed=0, dtype="float64"):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


def swept_one(q, k, v, bias, seen, do, dlse, *, scale, softcap=None):
    """The cotangents of one member of a batch, by loops over Python floats; NumPy only holds them."""
    (n, d), (m, e) = q.shape, v.shape
    dq, dk, dv, dbias = np.zeros((n, d)), np.zeros((m, d)), np.zeros((m, e)), np.zeros((n, m))
    for i in range(n):
        keys = [j for j in range(m) if seen[i, j]]
        dots = [scale * math.fsum(q[i, c] * k[j, c] for c in range(d)) for j in keys]
        bent = [1.0 if softcap is None else 1 - math.tanh(s / softcap) ** 2 for s in dots]
        logits = [s if softcap is None else softcap * math.tanh(s / softcap) for s in dots]
        logits = [a + bias[i, j] for a, j in zip(logits, keys, strict=True)]
        top = max(logits, default=0.0)
        total = math.fsum(math.exp(a - top) for a in logits)
        p = [math.exp(a - top) / total for a in logits]
        asked = [math.fsum(do[i, c] * v[j, c] for c in range(e)) for j in keys]  # what p_ij is asked for
        mean = math.fsum(w * g for w, g in zip(p, asked, strict=True))
        for w, g, slope, j in zip(p, asked, bent, keys, strict=True):
            da = w * (g - mean) + w * dlse[i]
            dbias[i, j] = da
            for c in range(d):
                dq[i, c] += scale * da * slope * k[j, c]
                dk[j, c] += scale * da * slope * q[i, c]
            for c in range(e):
                dv[j, c] += w * do[i, c]
    return dq, dk, dv, dbias


def finite(out):
    """Output and log-sum-exp, without the infinity of rows that see nothing."""
    o, lse = out
    xp = array_api_compat.array_namespace(lse)
    return o, xp.where(lse == -xp.inf, 0.0, lse)


@settings(deadline=None)
@given(st.data(), sizes, sizes, st.integers(0, 4), st.integers(0, 4), bounds, bounds, st.sampled_from([None, 0.5]))
def test_it_is_the_derivative_of_the_definition_at_every_size(data, n, m, d, e, lo, hi, softcap):
    q, k, v, bias, chance, do, dlse = normal((n, d), (m, d), (m, e), (n, m), (n, m), (n, e), (n,))
    mask = chance < 0.5 if data.draw(st.booleans()) else np.ones((n, m), dtype=bool)
    i, j = np.arange(n)[:, None], np.arange(m)[None, :]
    seen = mask & ((lo is None) | (j - i >= (lo or 0))) & ((hi is None) | (j - i <= (hi or 0)))

    def attend(q, k, v, bias, mask):
        return finite(softmax_attend(q, k, v, scale=0.7, softcap=softcap, bias=bias, mask=mask, band=(lo, hi)))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "ROWS", data.draw(st.integers(1, 4)))
        patch.setattr(module, "COLS", data.draw(st.integers(1, 4)))
        got = vjp(attend, q, k, v, bias, mask)[1]((do, dlse))
    want = swept_one(q, k, v, bias, seen, do, dlse, scale=0.7, softcap=softcap)
    for x, y in zip(got, want, strict=False):
        agree(x, y, n * m + d + e)


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("band", BANDS.values(), ids=BANDS.keys())
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("bias", [None, (2, 7, 9), (1, 9), (7, 1), (1, 1)])
@pytest.mark.parametrize("softcap", [None, 1.5])
def test_every_combination_of_options_agrees_with_its_own_steps(softcap, bias, masked, band):
    q, k, v = normal((3, 2, 7, 3), (2, 9, 3), (9, 2))
    mask = np.random.default_rng(1).random((2, 7, 9)) < 0.5
    mask[0, 1] = False
    given = {"q": q, "k": k, "v": v} | ({"mask": mask} if masked else {})
    given |= {} if bias is None else {"bias": normal(bias)[0]}

    def attend(given):
        arrays = [given[name] for name in "qkv"]
        options = {name: given.get(name) for name in ("mask", "bias")}
        return finite(softmax_attend(*arrays, scale=0.7, softcap=softcap, band=band, **options))

    out, pullback = vjp(attend, given)
    g = tuple(normal(*(x.shape for x in out), seed=2))
    (got,), along = pullback(g), {name: normal(x.shape, seed=3)[0] for name, x in given.items()}
    pushed = jvp(attend, (given,), (along,))[1]
    with kernels("off") as log:
        (want,) = vjp(attend, given)[1](g)
        expected = jvp(attend, (given,), (along,))[1]
    assert {choice.ran for choice in log} == {"reference"}
    for name, x in want.items():
        assert name == "mask" or agree(got[name], x, 300) is None
    for x, y in zip(pushed, expected, strict=True):
        agree(x, y, 300)


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("band", [OPEN, (None, 2)])
def test_its_derivatives_can_be_differentiated(band):
    def slopes(q, k, v, bias):
        def total(q, k, v, bias):
            xp = array_api_compat.array_namespace(q)
            o, lse = softmax_attend(q, k, v, scale=0.7, softcap=1.5, bias=bias, band=band)
            return xp.sum(o * o) + xp.sum(lse * lse)

        return grad(total, argnums=(0, 1, 2, 3))(q, k, v, bias)

    check_gradients(slopes, *normal((5, 3), (6, 3), (6, 2), (5, 6)))


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("library", LIBRARIES)
def test_every_library_gives_the_same(library, dtype):
    xp = pytest.importorskip(library)
    arrays, (g,) = normal((2, 7, 3), (2, 9, 3), (2, 9, 2)), normal((2, 7, 2), seed=1)

    def attend(q, k, v):
        return softmax_attend(q, k, v, scale=0.7, band=(None, 2))[0]

    want = vjp(attend, *arrays)[1](g)
    got = vjp(attend, *(xp.asarray(x.astype(dtype)) for x in arrays))[1](xp.asarray(g.astype(dtype)))
    for x, y in zip(got, want, strict=True):
        assert x.dtype == getattr(xp, dtype)
        agree(np.asarray(x), y, 9)


def test_it_is_chosen_by_itself_and_runs_the_kernel_below():
    q, k, v = normal((7, 3), (9, 3), (9, 2))
    with kernels("auto") as log:
        vjp(lambda q, k, v: softmax_attend(q, k, v, scale=1.0)[0], q, k, v)
    assert [choice.ran for choice in log] == ["softmax_attend_numba", "softmax_attend_gradient"]


def test_a_bias_that_is_not_learned_gets_no_matrix(monkeypatch):
    q, k, v, bias = normal((512, 3), (512, 3), (512, 2), (512, 512))
    monkeypatch.setattr(module, "ROWS", 64)
    monkeypatch.setattr(module, "COLS", 64)

    def loss(q, k, v, bias):
        return _total(softmax_attend(q, k, v, scale=1.0, bias=bias)[0])

    unlearned, learned = (_peak(grad(loss, argnums=i), q, k, v, bias) for i in (0, 3))
    assert unlearned < bias.nbytes / 2 < bias.nbytes < learned


@pytest.mark.parametrize("form", ["online", "dense"])
def test_memory_grows_with_the_length_and_not_with_its_square(form, monkeypatch):
    monkeypatch.setattr(module, "ROWS", 64)
    monkeypatch.setattr(module, "COLS", 64)

    def loss(q, k, v):
        return _total(softmax_attention(q, k, v, causal=True, form=form))

    peaks = [_peak(grad(loss, argnums=(0, 1, 2)), *normal(*[(n, 8)] * 3)) for n in (256, 512, 1024)]
    growth = (peaks[2] - peaks[1]) / (peaks[1] - peaks[0])
    assert growth == pytest.approx(2 if form == "online" else 4, rel=0.25)


def _peak(f, *args):
    """The most bytes that a call holds at once, beside its arguments."""
    f(*args)  # what is made once is made now
    tracemalloc.start()
    try:
        f(*args)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def _total(x):
    return array_api_compat.array_namespace(x).sum(x * x)


@pytest.mark.peers
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("biased", [False, True])
def test_it_is_the_gradient_of_torch(causal, biased):
    torch = pytest.importorskip("torch", reason="torch is not installed (extra: peers)")
    arrays, (g,) = normal((2, 3, 9, 4), (2, 3, 9, 4), (2, 3, 9, 5), (3, 9, 9)), normal((2, 3, 9, 5), seed=1)
    arrays = arrays if biased else arrays[:3]
    tensors = [torch.tensor(x, requires_grad=True) for x in arrays]
    bias = tensors[3] if biased else None
    if biased and causal:
        bias = torch.where(torch.ones(9, 9, dtype=torch.bool).tril(), bias, -torch.inf)
    o = torch.nn.functional.scaled_dot_product_attention(*tensors[:3], attn_mask=bias, is_causal=causal and not biased)
    want = torch.autograd.grad(o, tensors, torch.tensor(g))
    got = vjp(lambda q, k, v, *bias: softmax_attention(q, k, v, bias=bias[0] if bias else None, causal=causal), *arrays)
    for x, y in zip(got[1](g), want, strict=True):
        agree(x, y.numpy(), 81)
