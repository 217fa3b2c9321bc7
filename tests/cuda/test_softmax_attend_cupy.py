"""The CUDA kernel of `softmax_attend` against its own reference, computed in float64 by NumPy."""

import itertools

import numpy as np
import pytest

from factorattn.primitives.dispatch import kernels
from factorattn.primitives.softmax_attend import softmax_attend
from factorattn.testing.tolerance import ROUNDING

FIRST, SECOND = 64, 128  # one tile of queries or keys, two tiles
SIZES = [(1, 1), (1, 200), (FIRST - 1, FIRST), (FIRST, FIRST - 1), (FIRST + 1, FIRST + 1), (131, SECOND + 3)]
HEADS = [(1, 1), (5, 3), (32, 32), (33, 64), (64, 20), (100, 128), (128, 4), (40, 130), (256, 256)]
OPTIONS = list(itertools.product((None, 1.5), (False, True), (False, True)))
BANDS = {"open": (None, None), "causal": (None, 7), "window": (-20, 3), "ahead": (30, None), "far": (10**30, 10**31)}


def draw(*shapes, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape).astype(np.float32) for shape in shapes]


def run(cupy, *arrays, **options):
    """The kernel's answer for NumPy arrays, or for arrays that are on the device already."""
    options = {name: x if not isinstance(x, np.ndarray) else cupy.asarray(x) for name, x in options.items()}
    with kernels("require") as log:
        o, lse = softmax_attend(*(cupy.asarray(x) for x in arrays), **options)
    assert [choice.ran for choice in log] == ["softmax_attend_cupy"]
    assert o.dtype == lse.dtype == np.float32
    return o.get(), lse.get()


def expect(*arrays, **options):
    """The reference's answer in float64."""
    wide = {name: x.astype(np.float64) if name == "bias" and x is not None else x for name, x in options.items()}
    return softmax_attend.reference(*(x.astype(np.float64) for x in arrays), **wide)


def assert_agrees(got, expected, length):
    """Equal to rounding, and infinite or NaN in the same places."""
    for name, x, y in zip(("o", "lse"), got, expected, strict=True):
        assert x.shape == y.shape, name
        finite = np.isfinite(y)
        np.testing.assert_array_equal(x[~finite], y[~finite], err_msg=name)
        least = 1 if name == "lse" else 0  # lse is an exponent: its error is absolute
        largest = np.abs(y[finite]).max(initial=least)
        error = np.abs(x[finite] - y[finite]).max(initial=0)
        assert error <= ROUNDING(np.float32, length) * largest, f"{name}: {error:.2e} beside {largest:.2e}"


def check(cupy, q, k, v, **options):
    options = {"scale": q.shape[-1] ** -0.5 if q.shape[-1] else 1.0, **options}
    assert_agrees(run(cupy, q, k, v, **options), expect(q, k, v, **options), k.shape[-2] + k.shape[-1])


@pytest.mark.usefixtures("thread_order")
@pytest.mark.parametrize(("d", "e"), HEADS)
@pytest.mark.parametrize(("n", "m"), SIZES)
def test_it_agrees_around_the_edges_of_tiles(cupy, n, m, d, e):
    q, k, v = draw((2, n, d), (2, m, d), (2, m, e))
    check(cupy, q, k, v, band=(None, m - n))


@pytest.mark.usefixtures("thread_order")
@pytest.mark.parametrize("band", BANDS.values(), ids=BANDS.keys())
@pytest.mark.parametrize(("softcap", "biased", "masked"), OPTIONS)
def test_every_combination_of_options_agrees(cupy, softcap, biased, masked, band):
    q, k, v, bias = draw((3, 70, 24), (3, 90, 24), (3, 90, 36), (3, 70, 90))
    mask = np.random.default_rng(1).random((3, 70, 90)) < 0.3 if masked else None
    check(cupy, q, k, v, softcap=softcap, bias=bias if biased else None, mask=mask, band=band)


@pytest.mark.parametrize("shape", [(1, 1), (70, 1), (1, 90), (2, 1, 1, 90), (2, 1, 70, 90), (2, 4, 70, 90)])
def test_bias_and_mask_broadcast(cupy, shape):
    q, k, v, bias = draw((2, 4, 70, 8), (4, 90, 8), (2, 1, 90, 8), shape)
    check(cupy, q, k, v, bias=bias, mask=bias > -1)


@pytest.mark.parametrize(
    ("q", "k", "v"),
    [
        ((5, 8), (7, 8), (3, 7, 8)),
        ((2, 1, 5, 8), (3, 7, 8), (2, 3, 7, 8)),
        ((2, 3, 4, 5, 8), (2, 3, 1, 7, 8), (2, 3, 1, 7, 8)),  # grouped queries
        ((2, 1, 2, 1, 2, 5, 8), (1, 3, 1, 2, 1, 7, 8), (2, 3, 1, 1, 2, 7, 8)),  # more axes than the kernel has
    ],
)
def test_batch_axes_broadcast(cupy, q, k, v):
    check(cupy, *draw(q, k, v))


VIEWS = {
    "transposed": (lambda x: np.ascontiguousarray(x.T), lambda x: x.T),
    "every second row": (lambda x: np.repeat(x, 2, axis=0), lambda x: x[::2]),
    "every second column": (lambda x: np.repeat(x, 2, axis=1), lambda x: x[:, ::2]),
    "upside down": (lambda x: np.ascontiguousarray(x[::-1]), lambda x: x[::-1]),
    "from the second column": (lambda x: np.pad(x, ((0, 0), (1, 0))), lambda x: x[:, 1:]),
    "rows apart": (lambda x: np.pad(x, ((0, 0), (0, 4))), lambda x: x[:, :-4]),
}


@pytest.mark.parametrize("view", VIEWS)
def test_views_are_read_where_they_lie(cupy, view):
    q, k, v, bias = draw((70, 32), (90, 32), (90, 48), (70, 90))
    mask = bias > 0
    store, look = VIEWS[view]
    on_device = {name: look(cupy.asarray(store(x))) for name, x in {"bias": bias, "mask": mask}.items()}
    got = run(cupy, *(look(cupy.asarray(store(x))) for x in (q, k, v)), scale=0.2, **on_device)
    assert_agrees(got, expect(q, k, v, scale=0.2, bias=bias, mask=mask), 90 + 32)


def test_heads_are_read_out_of_a_transposed_batch(cupy):
    arrays = draw((2, 70, 3, 16), (2, 90, 3, 16), (2, 90, 3, 16))
    got = run(cupy, *(cupy.asarray(x).transpose(0, 2, 1, 3) for x in arrays), scale=0.25)
    assert_agrees(got, expect(*(x.transpose(0, 2, 1, 3) for x in arrays), scale=0.25), 90 + 16)


@pytest.mark.parametrize("axis", ["batch", "n", "m", "d", "e"])
def test_an_empty_axis_is_no_special_case(cupy, axis):
    b, n, m, d, e = (0 if name == axis else 3 for name in ("batch", "n", "m", "d", "e"))
    check(cupy, *draw((b, n, d), (b, m, d), (b, m, e)))


@pytest.mark.slow
def test_a_batch_may_exceed_65535(cupy):
    q, k, v = draw((65_600, 1, 2), (1, 2, 2), (65_600, 2, 2))
    check(cupy, q, k, v)


def test_blocks_beyond_the_limit_of_a_grid_take_more_launches(cupy, monkeypatch):
    q, k, v = draw((3, 130, 8), (3, 20, 8), (3, 20, 8))
    run(cupy, q, k, v, scale=1.0)  # the module is there now
    from factorattn.primitives import softmax_attend_cupy

    monkeypatch.setattr(softmax_attend_cupy, "GRID_LIMIT", 4)
    check(cupy, q, k, v)


def test_large_logits_do_not_overflow(cupy):
    q, k, v = draw((66, 8), (100, 8), (100, 8))
    q, k = np.round(4 * q), np.round(16 * k)  # whole numbers: the logits are exact, so that only overflow could hurt
    check(cupy, q, k, v, scale=64.0)


def test_a_row_that_sees_nothing_is_zero_with_minus_infinity(cupy):
    q, k, v = draw((80, 8), (90, 8), (90, 8))
    mask = np.ones((80, 90), dtype=bool)
    mask[::3] = False
    o, lse = run(cupy, q, k, v, scale=1.0, mask=mask, band=(70, None))
    blind = ~(mask & (np.arange(90) - np.arange(80)[:, None] >= 70)).any(axis=1)
    assert blind.any()
    assert not blind.all()
    assert (o[blind] == 0).all()
    assert (lse[blind] == -np.inf).all()
    assert np.isfinite(lse[~blind]).all()


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", ["k", "v"])
@pytest.mark.parametrize("by", ["mask", "bias", "band"])
def test_poison_in_an_unseen_pair_does_not_reach_its_row(cupy, by, where, poison):
    clean = dict(zip("qkv", draw((80, 8), (90, 8), (90, 8)), strict=True))
    seen = np.random.default_rng(1).random((80, 90)) < 0.5
    if by == "band":
        seen = np.arange(90) - np.arange(80)[:, None] >= 30
    options = {
        "mask": {"mask": seen},
        "bias": {"bias": np.where(seen, 0, -np.inf).astype(np.float32)},
        "band": {"band": (30, None)},
    }[by]
    bad = [3, 50, 70]
    sick = {name: x.copy() for name, x in clean.items()}
    sick[where][bad, 1:3] = poison
    o, lse = run(cupy, *sick.values(), scale=0.5, **options)
    well = ~seen[:, bad].any(axis=1)
    assert well.any()
    expected = expect(*clean.values(), scale=0.5, **options)
    assert_agrees((o[well], lse[well]), (expected[0][well], expected[1][well]), 90 + 8)
    if where == "v" or np.isnan(poison):
        assert not np.isfinite(o[~well]).all(axis=1).any()  # and what is seen shows


def test_a_query_that_is_not_finite_spoils_its_own_row_only(cupy):
    q, k, v = draw((80, 8), (90, 8), (90, 8))
    sick = q.copy()
    sick[33, 2] = np.nan
    o, lse = run(cupy, sick, k, v, scale=1.0)
    others = np.arange(80) != 33
    expected = expect(q, k, v, scale=1.0)
    assert_agrees((o[others], lse[others]), (expected[0][others], expected[1][others]), 90 + 8)
    assert np.isnan(o[33]).all()
    assert np.isnan(lse[33])


def test_arguments_are_left_as_they_were(cupy):
    arrays = draw((5, 8), (7, 8), (7, 8), (5, 7))
    q, k, v, bias = (cupy.asarray(x) for x in arrays)
    run(cupy, q, k, v, scale=1.0, bias=bias)
    for before, after in zip(arrays, (q, k, v, bias), strict=True):
        np.testing.assert_array_equal(before, after.get())
