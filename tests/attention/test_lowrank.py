"""Facts about low-rank attention: it is the best of its rank, and what is refused."""

import numpy as np
import pytest
from oracles import agree, draw, lists, lowrank

import factorattn as fa
from factorattn.testing import BOUND, ROUNDING


def weights(f, q, k, **options):
    """The weights that a mechanism puts on each key: its output for unit vectors as values."""
    return f(q, k, np.eye(k.shape[-2]), **options)


@pytest.mark.parametrize("rank", [1, 3, 10, 29])
def test_error_is_the_tail_of_the_singular_values(rank, rng):
    q, k = rng.standard_normal((2, 30, 5))
    p = weights(fa.softmax_attention, q, k)
    tail = np.linalg.svd(p, compute_uv=False)[rank:]
    error = np.linalg.norm(weights(fa.lowrank_attention, q, k, rank=rank) - p)
    assert abs(error - np.linalg.norm(tail)) <= np.linalg.norm(p) * ROUNDING(np.float64, 30)


@pytest.mark.parametrize("rank", [1, 2, 5, 15])
def test_nothing_of_the_same_rank_is_nearer(rank, rng):
    """Eckart and Young as a lower bound: it catches errors that make an approximation look too good."""
    q, k = rng.standard_normal((2, 30, 5))
    p = weights(fa.softmax_attention, q, k)
    least = np.linalg.norm(weights(fa.lowrank_attention, q, k, rank=rank) - p)
    rivals = [weights(fa.linformer_attention, q, k, rank=rank)]
    rivals += [weights(fa.performer_attention, q, k, rank=rank, rng=seed) for seed in range(20)]
    assert all(least <= BOUND(np.linalg.norm(rival - p), length=30) for rival in rivals)


def test_hidden_keys_do_not_return_as_noise(rng):
    q, k, v = rng.standard_normal((3, 8, 4))
    mask = np.ones((8, 8), dtype=bool)
    mask[:, 3] = False
    v[3] = np.nan
    assert np.all(np.isfinite(fa.lowrank_attention(q, k, v, rank=4, mask=mask)))


@pytest.mark.parametrize("form", fa.lowrank_attention.record.forms)
def test_a_row_that_sees_nothing_is_zero(form, rng):
    q, k, v = rng.standard_normal((3, 8, 4))
    mask = np.ones((8, 8), dtype=bool)
    mask[2] = False
    np.testing.assert_array_equal(fa.lowrank_attention(q, k, v, rank=4, mask=mask, form=form)[2], np.zeros(4))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"rank": -1}, "rank must be a positive integer, got -1"),
        ({"rank": True}, "rank must be a positive integer, got True"),
        ({"form": "online"}, "form must be 'svd' or 'projection'"),
    ],
)
def test_nonsense_is_refused_by_name(options, words):
    with pytest.raises(ValueError, match=words):
        fa.lowrank_attention(*np.ones((3, 6, 4)), **options)


def test_causality_is_refused_with_the_reason():
    with pytest.raises(ValueError, match=r"takes no causal: .* of all times"):
        fa.lowrank_attention(*np.ones((3, 6, 4)), causal=True)


@pytest.mark.parametrize("form", fa.lowrank_attention.record.forms)
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(("n", "m", "rank"), [(6, 5, 2), (5, 6, 3), (4, 4, 1), (3, 5, 9)])
def test_lowrank_attention_is_the_truncated_decomposition(form, masked, n, m, rank):
    q, k, v, chance = draw(n * m + rank, (n, 3), (m, 3), (m, 2), (n, m))
    mask = chance > -0.5 if masked else None
    got = fa.lowrank_attention(q, k, v, rank=rank, mask=mask, form=form)
    q, k, v, mask = lists(q, k, v, mask)
    agree(got, lowrank.lowrank_attention(q, k, v, rank=rank, mask=mask), 3 + n + m)
