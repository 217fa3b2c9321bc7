"""A factored matrix stands wherever a projection does: the same result as with its dense form, for fewer operations."""

import array_api_compat
import numpy as np
import pytest
from libraries import LIBRARIES

import factorattn as fa
from factorattn import counting
from factorattn.factor import Heads, truncated_svd
from factorattn.testing import ROUNDING
from factorattn.testing.case import to_numpy

H, D, C, N = 3, 4, 12, 9


@pytest.fixture(params=LIBRARIES)
def xp(request):
    return pytest.importorskip(request.param)


def draw(xp, *shapes, seed=0):
    rng = np.random.default_rng(seed)
    return [xp.asarray(rng.standard_normal(shape)) for shape in shapes]


def factor(*weights, rank=3):
    return [truncated_svd(w, rank) for w in weights]


def close(got, want):
    got, want = to_numpy(got), to_numpy(want)
    assert got.shape == want.shape
    assert np.max(np.abs(got - want)) <= ROUNDING("float64", C * D) * np.max(np.abs(want))


@pytest.mark.parametrize("form", ["dense", "online"])
def test_multihead_attention_takes_factored_projections_of_all_heads(xp, form):
    x, *weights = draw(xp, (2, N, C), *[(H * D, C)] * 3, (C, H * D))
    *ins, out = factor(*weights)
    small = [*(Heads(f, H) for f in ins), Heads(out, H, side="in")]
    got = fa.multihead_attention(x, *small, form=form)
    close(got, fa.multihead_attention(x, *(w.to_dense() for w in small), form=form))


def test_multihead_attention_takes_projections_factored_head_by_head(xp):
    x, *weights = draw(xp, (2, N, C), *[(H, D, C)] * 3, (H, C, D))
    small = factor(*weights, rank=2)
    close(fa.multihead_attention(x, *small), fa.multihead_attention(x, *(w.to_dense() for w in small)))


def test_each_projection_may_be_factored_by_itself(xp):
    x, *weights = draw(xp, (N, C), *[(H, D, C)] * 3, (H, C, D))
    for i, w in enumerate(weights):
        mixed = [*weights]
        mixed[i] = truncated_svd(w, 2)
        dense = [*weights]
        dense[i] = mixed[i].to_dense()
        close(fa.multihead_attention(x, *mixed), fa.multihead_attention(x, *dense))


def test_the_other_members_of_the_family_take_them(xp):
    x, w_q, w_k, w_v, w_o = draw(xp, (N, C), (H * D, C), (D, C), (D, C), (C, H * D))
    f_q, f_k, f_v, f_o = factor(w_q, w_k, w_v, w_o, rank=2)
    small = Heads(f_q, H), f_k, f_v, Heads(f_o, H, side="in")
    close(fa.multiquery_attention(x, *small), fa.multiquery_attention(x, *(w.to_dense() for w in small)))
    g, s = 2, 3
    x, w_q, w_k, w_v, w_o = draw(xp, (N, C), (g * s * D, C), (g * D, C), (g * D, C), (C, g * s * D))
    f_q, f_k, f_v, f_o = factor(w_q, w_k, w_v, w_o, rank=2)
    small = Heads(f_q, (g, s)), Heads(f_k, g), Heads(f_v, g), Heads(f_o, (g, s), side="in")
    close(fa.grouped_query_attention(x, *small), fa.grouped_query_attention(x, *(w.to_dense() for w in small)))


@pytest.mark.parametrize("form", ["online", "projected", "bilinear"])
def test_attention_within_and_between_sequences_takes_them(xp, form):
    x, y, *weights = draw(xp, (N, C), (N + 2, C), *[(D, C)] * 3)
    small = factor(*weights, rank=2)
    dense = [f.to_dense() for f in small]
    close(fa.self_attention(x, *small, form=form), fa.self_attention(x, *dense, form=form))
    close(fa.distinctive_attention(x, y, *small, form=form), fa.distinctive_attention(x, y, *dense, form=form))


def test_the_error_falls_with_the_rank_and_vanishes_at_the_full_one():
    x, *weights = draw(np, (N, C), *[(H * D, C)] * 3, (C, H * D))

    def run(*w):
        return fa.multihead_attention(x, *(Heads(f, H) for f in w[:3]), Heads(w[3], H, side="in"))

    exact = run(*weights)
    errors = [np.linalg.norm(run(*factor(*weights, rank=rank)) - exact) for rank in (1, 4, 8, C)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] <= ROUNDING("float64", C * H * D) * np.linalg.norm(exact)


@pytest.mark.parametrize("rank", [1, 4, 16])
def test_a_factored_projection_costs_what_its_factors_cost(rank):
    xp, n, c = counting(), 50, 64
    x = xp.empty((n, c))
    w = xp.empty((c, c))

    def flops(weight):
        xp.tally.start()
        fa.self_attention(x, weight, w, w)
        return xp.tally.flops

    dense, small = flops(w), truncated_svd(w, rank).two_factors()
    assert dense - flops(small) == n * (2 * c * c - small.flops)
    assert small.flops == 2 * rank * (c + c)


def test_factored_arrays_are_for_weights_alone():
    x, w = draw(np, (N, C), (C, C))
    f = truncated_svd(x, 2)
    with pytest.raises(TypeError, match=r"q must be an array, got a factored matrix; its to_dense\(\) is one"):
        fa.softmax_attention(f, x, x)
    with pytest.raises(TypeError, match="x must be an array, got a factored matrix"):
        fa.self_attention(f, w, w, w)
    with pytest.raises(ValueError, match=r"w_q needs shape \(..., h, d, c\), got \(12, 12\)"):
        fa.multihead_attention(x, *[truncated_svd(w, 2)] * 4)
    with pytest.raises(TypeError, match=r"must be one matrix for all of them, Heads\(matrix, \(g, s\)\)"):
        fa.grouped_query_attention(
            x, truncated_svd(np.ones((2, 3, 4, C)), 2), *np.ones((2, 2, 4, C)), np.ones((2, 3, C, 4))
        )


def test_heads_divide_a_matrix_or_say_why_not():
    w = np.arange(24.0).reshape(6, 4)
    assert np.array_equal(Heads(w, 3).to_dense(), w.reshape(3, 2, 4))
    assert np.array_equal(Heads(w, (3, 2)).to_dense(), w.reshape(3, 2, 1, 4))
    assert np.array_equal(Heads(w, 2, side="in").to_dense(), np.stack([w[:, :2], w[:, 2:]]))
    assert Heads(w, 3).astype(np.float32).dtype == np.float32
    assert Heads(w, 3).device == array_api_compat.device(w)
    for heads, side, told in ((4, "out", "6 rows, got 4"), (3, "in", "4 columns, got 3"), (0, "out", "6 rows, got 0")):
        with pytest.raises(ValueError, match=f"heads must divide the {told}"):
            Heads(w, heads, side=side)
    with pytest.raises(ValueError, match="side must be 'out' or 'in', got 'up'"):
        Heads(w, 2, side="up")
    with pytest.raises(TypeError, match=r"heads must be an integer, got 1\.5"):
        Heads(w, 1.5)
