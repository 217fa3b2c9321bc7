"""AdaLoRA: triplets, how important they are, and which of all layers are kept."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from libraries import LIBRARIES
from oracles import agree, draw, lists, seeds, sizes
from oracles.compress import adalora as oracle

from factorattn.compress import adalora
from factorattn.compress.adapters.adalora import allotted, importance, orthogonality, pruned, sensitivity
from factorattn.testing import CHANCE, ROUNDING


@pytest.fixture(params=LIBRARIES)
def xp(request):
    return pytest.importorskip(request.param)


@given(seed=seeds, p=sizes, q=sizes, r=sizes)
def test_it_is_the_equation_of_the_paper(seed, p, q, r):
    w, left, values, right = draw(seed, (p, q), (p, r), (r,), (r, q))
    adapter = adalora(w, r, alpha=3.0).trained(left=left, values=values, right=right)
    agree(adapter.to_dense(), oracle.adalora(*lists(w, left, values, right), scale=3.0 / r), q + r)
    agree(orthogonality(adapter), oracle.orthogonality(*lists(left, right)), r * r * (p + q))


@given(seed=seeds, p=sizes, q=sizes, r=sizes)
def test_importance_is_that_of_the_oracle(seed, p, q, r):
    left, values, right = draw(seed, (p, r), (r,), (r, q))
    agree(importance(left, values, right), oracle.importance(*lists(left, values, right)), p + q)


@given(seed=seeds, steps=sizes)
def test_sensitivities_are_those_of_the_oracle(seed, steps):
    w, g = draw(seed, (steps, 2, 3), (steps, 2, 3))
    state = None
    for i in range(steps):
        state = sensitivity(w[i], g[i], state, beta_1=0.85, beta_2=0.7)
    for at in np.ndindex(2, 3):
        want = oracle.sensitivities([(w[i][at], g[i][at]) for i in range(steps)], beta_1=0.85, beta_2=0.7)
        for got, expected in zip(state, want, strict=True):
            agree(np.asarray(got[at]), expected, steps)


def test_orthonormal_vectors_have_no_penalty():
    (w,) = draw(0, (6, 5))
    u, s, vt = np.linalg.svd(w, full_matrices=False)
    adapter = adalora(w, 5).trained(left=u, values=s, right=vt)
    assert orthogonality(adapter) <= ROUNDING("float64", 6)
    twice = adapter.trained(left=2 * u)
    assert abs(orthogonality(twice) - 5 * (4 - 1) ** 2) <= ROUNDING("float64", 6) * 45
    assert np.max(np.abs(adapter.merge() - 2 * w)) <= ROUNDING("float64", 6) * np.max(np.abs(w)) * 2


@given(seed=seeds, ranks=st.lists(sizes, min_size=1, max_size=4), budget=st.integers(0, 30))
def test_exactly_the_budget_of_most_important_triplets_is_kept(seed, ranks, budget):
    rng = np.random.default_rng(seed)
    layers, scores = {}, {}
    for i, r in enumerate(ranks):
        values = rng.uniform(1.0, 2.0, size=r)
        layers[f"layer {i}"] = adalora(np.zeros((3, 4)), r, rng=0).trained(values=values)
        scores[f"layer {i}"] = rng.integers(0, 4, size=r).astype(float)  # many are equal
    kept = pruned(layers, scores, budget)
    inside = [s for n, x in kept.items() for s, v in zip(scores[n], x.values, strict=True) if v != 0]
    outside = [s for n, x in kept.items() for s, v in zip(scores[n], x.values, strict=True) if v == 0]
    assert len(inside) == min(budget, sum(ranks))
    assert min(inside, default=9) >= max(outside, default=-9)
    for name, layer in layers.items():
        still = np.asarray(kept[name].values) != 0
        np.testing.assert_array_equal(kept[name].values[still], layer.values[still])
        np.testing.assert_array_equal(kept[name].left, layer.left)
        assert np.linalg.matrix_rank(kept[name].merge()) <= np.sum(still)


def test_of_equal_triplets_the_first_are_kept():
    layers = {name: adalora(np.zeros((3, 4)), 40).trained(values=np.ones(40)) for name in ("a", "b")}
    kept = pruned(layers, {name: np.ones(40) for name in layers}, 50)
    np.testing.assert_array_equal(kept["a"].values, np.ones(40))
    np.testing.assert_array_equal(kept["b"].values, np.arange(40) < 10)


def test_ranks_go_where_they_matter(xp):
    rng = np.random.default_rng(0)
    one, two = (adalora(xp.asarray(np.zeros((5, 4))), 3, rng=rng) for _ in range(2))
    one, two = (a.trained(values=xp.asarray(np.array([1.0, 2.0, 3.0]))) for a in (one, two))
    kept = pruned({"a": one, "b": two}, {"a": xp.asarray([3.0, 9.0, 8.0]), "b": xp.asarray([1.0, 7.0, 2.0])}, 3)
    np.testing.assert_array_equal(np.asarray(kept["a"].values), [0.0, 2.0, 3.0])
    np.testing.assert_array_equal(np.asarray(kept["b"].values), [0.0, 2.0, 0.0])
    np.testing.assert_array_equal(np.asarray(one.values), [1.0, 2.0, 3.0])


def test_triplets_of_complex_weights_are_pruned(xp):
    adapter = adalora(xp.asarray(draw(0, (5, 4))[0] * (1 + 2j)), 3)
    adapter = adapter.trained(values=xp.asarray(np.array([1j, 2.0, 3.0 - 1j])))
    kept = pruned({"a": adapter}, {"a": xp.asarray(np.array([1.0, 9.0, 8.0]))}, 2)["a"]
    np.testing.assert_array_equal(np.asarray(kept.values), [0.0, 2.0, 3.0 - 1j])


@pytest.mark.parametrize(("options", "std"), [({"std": 0.5}, 0.5), ({}, 0.02)])
def test_vectors_are_drawn_as_they_say(options, std):
    adapter = adalora(np.zeros((200, 300)), 40, rng=0, **options)
    for drawn in (adapter.left, adapter.right):
        assert abs(np.mean(drawn)) <= CHANCE(drawn)
        assert abs(np.mean(drawn**2) - std**2) <= CHANCE(drawn**2)


def test_averages_keep_by_default_what_the_authors_do():
    w, g = draw(0, (2, 3), (2, 3))
    told = sensitivity(w, g, sensitivity(w, w), beta_1=0.85, beta_2=0.85)
    for got, want in zip(sensitivity(w, g, sensitivity(w, w)), told, strict=True):
        np.testing.assert_array_equal(got, want)


def test_the_budget_falls_as_a_cubic():
    at = [allotted(t, steps=20, start=144, end=16, warmup=4, cooldown=6) for t in range(22)]
    assert at[:5] == [144] * 5
    assert at[14:] == [16] * 8
    for t in range(4, 15):
        assert at[t] == int(16 + 128 * (1 - (t - 4) / 10) ** 3 + ROUNDING("float64", 3) * 128)
    assert sorted(at, reverse=True) == at


def test_bad_input_is_refused():
    adapter = adalora(np.zeros((3, 4)), 2)
    with pytest.raises(ValueError, match=r"scores must be for \['a'\], got \['b'\]"):
        pruned({"a": adapter}, {"b": np.zeros(2)}, 1)
    with pytest.raises(ValueError, match=r"scores of a must have shape \(2,\), got \(3,\)"):
        pruned({"a": adapter}, {"a": np.zeros(3)}, 1)
    with pytest.raises(ValueError, match="scores of a must not be NaN"):
        pruned({"a": adapter}, {"a": np.array([0.0, np.nan])}, 1)
    with pytest.raises(ValueError, match="budget must not be negative"):
        pruned({"a": adapter}, {"a": np.zeros(2)}, -1)
    with pytest.raises(ValueError, match="std must be positive"):
        adalora(np.zeros((3, 4)), 2, std=0.0)
    with pytest.raises(ValueError, match="beta_2 must be above 0 and below 1"):
        sensitivity(np.zeros(2), np.zeros(2), beta_2=1.0)
    with pytest.raises(ValueError, match="steps must exceed warmup and cooldown together"):
        allotted(1, steps=5, start=4, end=2, warmup=3, cooldown=2)
    assert pruned({}, {}, 3) == {}
