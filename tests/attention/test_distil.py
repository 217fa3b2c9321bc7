"""Facts about self-attention distilling: convolution over time, ELU, max pooling."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, distil, draw, lists, seeds, sizes

from factorattn.attention.hashing.distil import distil as library_distil
from factorattn.testing import ROUNDING
from factorattn.testing.case import to_numpy


@settings(deadline=None)
@given(
    n=st.integers(1, 12), c=sizes, f=sizes, p=st.sampled_from([1, 3, 5]), pool=st.sampled_from([1, 3, 5]),
    stride=st.integers(1, 4), padding=st.sampled_from(["circular", "zeros"]), biased=st.booleans(), seed=seeds,
)  # fmt: skip
def test_distilling_is_the_paper(n, c, f, p, pool, stride, padding, biased, seed):
    x, w, b = draw(seed, (n, c), (p, c, f), (f,))
    b = b if biased else None
    got = library_distil(x, w, b, padding=padding, pool=pool, stride=stride)
    agree(got, distil.distil(*lists(x, w, b), padding=padding, pool=pool, stride=stride), p * c + 1)


def test_it_is_what_torch_does(rng):
    torch = pytest.importorskip("torch")
    x, w, b = (
        torch.asarray(a) for a in (rng.standard_normal((2, 31, 4)), rng.standard_normal((6, 4, 3)), rng.random(6))
    )
    functional = torch.nn.functional
    y = functional.conv1d(functional.pad(x.mT, (1, 1), mode="circular"), w, b)
    want = functional.max_pool1d(functional.elu(y), kernel_size=3, stride=2, padding=1).mT
    got = library_distil(x, w.permute(2, 1, 0), b)
    assert got.shape == (2, 16, 6)
    np.testing.assert_allclose(got, want, atol=ROUNDING(np.float64, 12) * float(torch.max(torch.abs(want))))


def test_by_hand():
    x, w = np.asarray([[1.0], [2.0], [-3.0], [4.0], [0.0]]), np.asarray([[[1.0]], [[0.0]], [[0.0]]])
    moved = np.asarray([0.0, 1.0, 2.0, np.expm1(-3.0), 4.0])  # the last one comes first
    np.testing.assert_array_equal(library_distil(x, w, pool=1, stride=1)[:, 0], moved)
    np.testing.assert_array_equal(library_distil(x, w)[:, 0], [1.0, 2.0, 4.0])
    np.testing.assert_array_equal(library_distil(np.roll(x, -1, axis=0), w, padding="zeros", pool=1)[:1, 0], [0.0])


def test_layers_halve_the_sequence_until_one_is_left(rng):
    x, w = rng.standard_normal((100, 3)), rng.standard_normal((3, 3, 3))
    lengths = []
    while x.shape[0] > 1:
        x = library_distil(x, w)
        lengths.append(x.shape[0])
    assert lengths == [50, 25, 13, 7, 4, 2, 1]


def test_namespaces_agree(rng, namespace):
    prepare = namespace.prepare or namespace.xp.asarray
    arrays = rng.standard_normal((2, 21, 4)), rng.standard_normal((3, 4, 5)), rng.standard_normal(5)
    got = library_distil(*(prepare(a) for a in arrays))
    want = library_distil(*arrays)
    np.testing.assert_allclose(to_numpy(got), want, atol=ROUNDING(np.float64, 12) * np.max(np.abs(want)))


def test_float16_is_computed_in_float32_and_large_entries_do_not_overflow(rng):
    x, w = rng.standard_normal((20, 4)).astype(np.float16), rng.standard_normal((3, 4, 2)).astype(np.float16)
    got = library_distil(x, w)
    assert got.dtype == np.float16
    np.testing.assert_array_equal(got, library_distil(x.astype(np.float32), w.astype(np.float32)).astype(np.float16))
    with np.errstate(over="raise"):
        assert np.all(library_distil(np.full((4, 1), 1e300), np.ones((1, 1, 1))) == 1e300)


@pytest.mark.parametrize("batch", [(), (3,), (0,)])
def test_no_positions_give_none(batch):
    assert library_distil(np.ones((*batch, 0, 4)), np.ones((3, 4, 5))).shape == (*batch, 0, 5)


def test_nan_reaches_near_rows_only(rng):
    x = rng.standard_normal((40, 2))
    x[20] = np.nan
    bad = np.any(np.isnan(library_distil(x, rng.standard_normal((3, 2, 2)))), axis=-1)
    np.testing.assert_array_equal(np.flatnonzero(bad), [9, 10, 11])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"pool": 2}, "pool must be odd and positive"),
        ({"pool": -1}, "pool must be odd and positive"),
        ({"stride": 0}, "stride must be positive"),
        ({"padding": "same"}, "padding must be 'circular' or 'zeros'"),
        ({"w": np.ones((2, 4, 4))}, "the first axis of w must be odd"),
        ({"w": np.ones((3, 5, 4))}, "axis 'c' is 4"),
        ({"b": np.ones(3)}, "axis 'f' is 4"),
    ],
)
def test_nonsense_is_refused_by_name(options, words):
    with pytest.raises(ValueError, match=words):
        library_distil(**{"x": np.ones((6, 4)), "w": np.ones((3, 4, 4)), **options})
