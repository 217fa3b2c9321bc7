"""Gradients made shorter: against plain loops and torch, at the ends of floating point, and what is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from libraries import LIBRARIES
from oracles import agree, draw, seeds
from oracles.model import optimizer as oracle

from factorattn.factor import truncated_svd
from factorattn.model.optimizer import clip_by_global_norm, clip_by_value, global_norm
from factorattn.testing import ROUNDING


def close(got, want, length=1, dtype="float64"):
    return abs(got - want) <= abs(want) * ROUNDING(dtype, length)


@given(seed=seeds, bound=st.sampled_from([1e-3, 0.5, 2.0, 1e3]))
def test_both_are_those_of_the_oracle(seed, bound):
    a, b = draw(seed, (4,), (3,))
    clipped, norm = clip_by_global_norm({"a": a, "b": [b]}, bound)
    want = oracle.clip_by_global_norm([a.tolist(), b.tolist()], bound)
    agree(clipped["a"], want[0], 8)
    agree(clipped["b"][0], want[1], 8)
    assert type(norm) is float
    assert close(norm, oracle.global_norm([a.tolist(), b.tolist()]), 8)
    assert close(global_norm({"a": a, "b": [b]}), norm)
    cut = clip_by_value({"a": a, "b": [b]}, bound)
    want = oracle.clip_by_value([a.tolist(), b.tolist()], bound)
    assert [cut["a"].tolist(), cut["b"][0].tolist()] == want


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_array_library_gives_the_same(library, dtype):
    xp = pytest.importorskip(library)
    a, b = draw(0, (2, 3), (4,))
    gradients = {"a": xp.asarray(a, dtype=getattr(xp, dtype)), "b": xp.asarray(b, dtype=getattr(xp, dtype))}
    clipped, norm = clip_by_global_norm(gradients, 0.5)
    assert close(norm, float(np.hypot(np.linalg.norm(a), np.linalg.norm(b))), 10, dtype)
    assert close(global_norm(clipped), 0.5, 10, dtype)
    cut = clip_by_value(gradients, 0.5)
    for key, x in (("a", a), ("b", b)):
        assert clipped[key].dtype == cut[key].dtype == getattr(xp, dtype)
        assert np.max(np.abs(np.asarray(clipped[key]) - 0.5 * x / norm)) <= ROUNDING(dtype, 10)
        assert np.max(np.abs(np.asarray(cut[key]) - np.clip(x, -0.5, 0.5))) <= ROUNDING(dtype, 1)


def test_what_is_short_enough_is_given_back_as_it_is():
    g = np.asarray([3.0, 4.0])
    for bound in (5.0, 6.0):
        clipped, norm = clip_by_global_norm([g], bound)
        assert norm == 5.0
        assert clipped[0] is g
    clipped, norm = clip_by_global_norm([g], 2.5)
    assert (norm, clipped[0].tolist()) == (5.0, [1.5, 2.0])
    assert g.tolist() == [3.0, 4.0]


@pytest.mark.parametrize("empty", [{}, [], {"a": np.zeros((0, 2))}, {"a": np.zeros(3)}, {"a": np.asarray(0.0)}])
def test_a_norm_of_zero(empty):
    clipped, norm = clip_by_global_norm(empty, 1.0)
    assert norm == 0.0
    assert type(clipped) is type(empty)
    clip_by_value(empty, 1.0)


@pytest.mark.parametrize("scale", [1e-323, 1e-300, 1e-160, 1e160, 1e300])
def test_squares_neither_overflow_nor_vanish(scale):
    g = {"a": np.asarray([3 * scale, 0.0]), "b": np.asarray([4 * scale])}
    clipped, norm = clip_by_global_norm(g, scale)
    assert abs(norm - 5 * scale) <= max(5 * scale * ROUNDING("float64", 4), 5e-324)
    want = np.asarray([0.6, 0.0, 0.8]) * scale
    got = np.concatenate([clipped["a"], clipped["b"]])
    assert np.max(np.abs(got - want)) <= max(scale * ROUNDING("float64", 4), 5e-324)


def test_a_norm_beyond_all_numbers_is_clipped_all_the_same():
    largest = np.finfo(np.float64).max
    clipped, norm = clip_by_global_norm([np.full(4, largest)], 1.0)
    assert norm == np.inf
    agree(clipped[0], [0.5] * 4, 4)


def test_single_precision_among_double():
    g = {"long": np.asarray([1e300]), "short": np.asarray([1e38], np.float32)}
    clipped, norm = clip_by_global_norm(g, 1.0)
    assert close(norm, 1e300)
    assert clipped["short"].dtype == np.float32
    assert clipped["short"][0] == 0
    assert close(float(clipped["long"][0]), 1.0)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("library", LIBRARIES)
def test_what_is_not_finite_is_refused_by_name(bad, library):
    xp = pytest.importorskip(library)
    gradients = {"layers": [{"weight": xp.asarray([1.0, 2.0])}, {"weight": xp.asarray([[1.0, bad]])}]}
    for f in (clip_by_global_norm, clip_by_value):
        with pytest.raises(ValueError, match=r"the gradient of layers\.1\.weight must be finite, got (nan|inf)"):
            f(gradients, 1.0)


@pytest.mark.parametrize("f", [clip_by_global_norm, clip_by_value])
def test_bad_bounds_are_named(f):
    for bound in (0.0, -1.0, np.nan):
        with pytest.raises(ValueError, match="bound must be "):
            f({"a": np.ones(2)}, bound)


def test_what_is_known_of_errors_is_no_gradient():
    (a,) = draw(0, (4, 3))
    f = truncated_svd(a, 2)
    want = float(np.sqrt(sum(np.sum(x**2) for x in f.arrays())))
    assert f.error_bound is not None
    assert close(global_norm({"w": f}), want, 20)


@pytest.mark.peers
def test_torch_gives_the_same_but_for_its_epsilon():
    torch = pytest.importorskip("torch", reason="extra: peers")
    a, b = draw(2, (3, 4), (5,))
    theirs = [torch.nn.Parameter(torch.zeros(x.shape, dtype=torch.float64)) for x in (a, b)]
    for p, g in zip(theirs, (a, b), strict=True):
        p.grad = torch.from_numpy(g.copy())
    norm = float(torch.nn.utils.clip_grad_norm_(theirs, 0.5))
    clipped, ours = clip_by_global_norm([a, b], 0.5)
    assert close(ours, norm, 17)
    shrunk = norm / (norm + 1e-6)  # it adds 1e-6 to the norm
    for got, p in zip(clipped, theirs, strict=True):
        agree(got * shrunk, p.grad.numpy().tolist(), 17)
