"""Facts about the low-rank family: the best there is, and what is refused."""

import numpy as np
import pytest

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


def test_projection_of_linformer_may_differ_per_head(rng):
    q, k, v = rng.standard_normal((3, 2, 7, 4))
    e = rng.standard_normal((2, 3, 7))
    both = fa.linformer_attention(q, k, v, e)
    for head in range(2):
        alone = fa.linformer_attention(q[head], k[head], v[head], e[head])
        assert np.max(np.abs(both[head] - alone)) <= np.max(np.abs(alone)) * ROUNDING(np.float64, 7)


@pytest.mark.parametrize(
    ("f", "options", "words"),
    [
        (fa.linformer_attention, {"f": np.ones((2, 6))}, "f was given without e"),
        (fa.linformer_attention, {"e": np.ones((2, 5))}, r"axis 'm' is 6 in k \(6, 4\) but 5 in e \(2, 5\)"),
        (fa.linformer_attention, {"e": np.ones((2, 6)), "f": np.ones((3, 6))}, "axis 'r' is 2"),
        (fa.linformer_attention, {"rank": 7}, "rank must be at most the number of keys 6, got 7"),
        (fa.lowrank_attention, {"rank": -1}, "rank must be a positive integer, got -1"),
        (fa.lowrank_attention, {"rank": True}, "rank must be a positive integer, got True"),
        (fa.lowrank_attention, {"form": "online"}, "form must be 'svd' or 'projection'"),
    ],
)
def test_nonsense_is_refused_by_name(f, options, words):
    with pytest.raises(ValueError, match=words):
        f(*np.ones((3, 6, 4)), **options)


@pytest.mark.parametrize("f", [fa.linformer_attention, fa.lowrank_attention])
def test_causality_cannot_even_be_asked_for(f):
    with pytest.raises(TypeError, match="causal"):
        f(*np.ones((3, 6, 4)), causal=True)
