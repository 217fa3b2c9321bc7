"""Ranks of layers for a budget or an error, against trying all of them."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from libraries import LIBRARIES
from oracles import seeds
from oracles.compress import rank as oracle

from factorattn.compress import break_even_rank, ranks_for_budget, ranks_for_error
from factorattn.compress.rank import _layers, _steps
from factorattn.testing import BOUND, ROUNDING

side = st.integers(1, 9)
models = st.lists(st.tuples(side, side), min_size=1, max_size=3)
EXACT = 1 + ROUNDING("float64", 30)


def model(seed, shapes):
    """Spectra that fall as fast as that of some layers, or hardly."""
    rng = np.random.default_rng(seed)
    names = [f"layer {i}" for i in range(len(shapes))]
    spectra = {}
    for name, (p, q) in zip(names, shapes, strict=True):
        decay = np.exp(-rng.choice([0.0, 0.3, 2.0]) * np.arange(min(p, q)))
        spectra[name] = np.sort(rng.uniform(0.5, 1.0, size=min(p, q)) * decay)[::-1] * rng.choice([1.0, 10.0])
    return spectra, dict(zip(names, shapes, strict=True))


def parameters(ranks, shapes):
    return sum(p * q if ranks[n] is None else ranks[n] * (p + q) for n, (p, q) in shapes.items())


def error(ranks, spectra, shapes, weight):
    out = 0.0
    for name, s in spectra.items():
        left = 0.0 if ranks[name] is None else np.sum(s[ranks[name] :] ** 2)
        times = {"entries": np.prod(shapes[name]) / np.sum(s**2), "layers": 1 / np.sum(s**2), "norm": 1.0}[weight]
        out += left * times
    return out


def whole(spectra, shapes, weight):
    """The error of keeping nothing."""
    return error(dict.fromkeys(spectra, 0), spectra, shapes, weight)


@given(p=st.integers(0, 50), q=st.integers(0, 50))
def test_the_break_even_rank_is_the_last_that_pays(p, q):
    r = break_even_rank(p, q)
    assert r * (p + q) < p * q or r == 0
    assert (r + 1) * (p + q) >= p * q


@given(seed=seeds, shapes=models, share=st.floats(0.0, 1.0), weight=st.sampled_from(["entries", "layers", "norm"]))
def test_the_budget_is_kept_and_the_error_is_within_a_step_of_the_least(seed, shapes, share, weight):
    spectra, shapes = model(seed, shapes)
    dense = sum(p * q for p, q in shapes.values())
    least = sum(min(p + q, p * q) for p, q in shapes.values())
    budget = least + int(share * (dense - least))
    ranks = ranks_for_budget(spectra, shapes, budget, weight=weight)
    assert parameters(ranks, shapes) <= budget
    best = oracle.least_error({n: s.tolist() for n, s in spectra.items()}, shapes, budget, weight=weight)
    got, unit = error(ranks, spectra, shapes, weight), whole(spectra, shapes, weight)
    assert got >= best - ROUNDING("float64", 30) * unit
    layers = _layers(spectra, shapes, weight=weight)
    largest = max(float(s[0]) for s in spectra.values()) ** 2 if weight == "norm" else 1.0
    at, left, step = {n: layer.hull[0] for n, layer in layers.items()}, budget - least, 0.0
    for gain, name, to in _steps(layers):
        cost = layers[name].costs[to] - layers[name].costs[at[name]]
        if cost > left:
            step = gain * cost * largest
            break
        at[name], left = to, left - cost
    assert got <= best + step + ROUNDING("float64", 30) * unit


@given(seed=seeds, shapes=models, weight=st.sampled_from(["entries", "layers", "norm"]))
def test_at_every_step_of_the_hull_no_other_choice_is_better(seed, shapes, weight):
    spectra, shapes = model(seed, shapes)
    layers = _layers(spectra, shapes, weight=weight)
    budget = sum(layer.costs[layer.hull[0]] for layer in layers.values())
    at = {name: layer.hull[0] for name, layer in layers.items()}
    every = list(oracle.every({n: s.tolist() for n, s in spectra.items()}, shapes, weight=weight))
    unit = whole(spectra, shapes, weight)
    for _, name, to in [(0.0, next(iter(at)), 0), *_steps(layers)]:
        budget += layers[name].costs[max(to, at[name])] - layers[name].costs[at[name]]
        at[name] = max(to, at[name])
        ranks = ranks_for_budget(spectra, shapes, budget, weight=weight)
        best = min(e for c, e, _ in every if c <= budget)
        assert abs(error(ranks, spectra, shapes, weight) - best) <= ROUNDING("float64", 30) * unit


@given(seed=seeds, count=st.integers(1, 3), budget=st.integers(3, 20))
def test_layers_of_one_shape_far_from_break_even_get_the_least_error(seed, count, budget):
    # 40 x 40 pays up to rank 19; spectra of 6 values never come near it.
    rng = np.random.default_rng(seed)
    spectra = {str(i): np.sort(rng.uniform(size=6))[::-1] for i in range(count)}
    shapes = dict.fromkeys(spectra, (40, 40))
    ranks = ranks_for_budget(spectra, shapes, budget * 80, weight="norm")
    best = min(
        sum(np.sum(s[r:] ** 2) for s, r in zip(spectra.values(), picked, strict=True))
        for picked in itertools.product(range(1, 7), repeat=count)
        if sum(picked) <= budget
    )
    assert abs(error(ranks, spectra, shapes, "norm") - best) <= ROUNDING("float64", 18) * count * 6


@given(seed=seeds, shapes=models, wanted=st.floats(0.0, 1.0))
def test_the_error_of_every_layer_is_met_by_the_fewest_parameters(seed, shapes, wanted):
    spectra, shapes = model(seed, shapes)
    ranks = ranks_for_error(spectra, shapes, wanted)
    for name, s in spectra.items():
        fewest = oracle.fewest_parameters({name: s.tolist()}, {name: shapes[name]}, wanted * EXACT)
        most = oracle.fewest_parameters({name: s.tolist()}, {name: shapes[name]}, wanted / EXACT)
        assert fewest <= parameters({name: ranks[name]}, {name: shapes[name]}) <= most
        assert error({name: ranks[name]}, {name: s}, shapes, "layers") <= BOUND(wanted**2, length=30)


@given(seed=seeds, shapes=models, wanted=st.floats(0.0, 1.0))
def test_the_error_of_all_layers_is_met_within_a_step_of_the_fewest_parameters(seed, shapes, wanted):
    spectra, shapes = model(seed, shapes)
    ranks = ranks_for_error(spectra, shapes, wanted, total=True)
    energy = sum(np.sum(s**2) for s in spectra.values())
    assert (
        error(ranks, spectra, shapes, "norm") <= BOUND(wanted**2 * energy, length=30) + ROUNDING("float64", 30) * energy
    )
    fewest = oracle.fewest_parameters({n: s.tolist() for n, s in spectra.items()}, shapes, wanted * EXACT)
    layers = _layers(spectra, shapes, weight="norm")
    longest = max(
        (b - a for x in layers.values() for a, b in itertools.pairwise(x.costs[i] for i in x.hull)), default=0
    )
    assert fewest <= parameters(ranks, shapes) <= fewest + longest


@given(seed=seeds, p=side, q=side, wanted=st.floats(0.0, 1.0))
def test_of_one_layer_the_error_of_all_is_its_own(seed, p, q, wanted):
    spectra, shapes = model(seed, [(p, q)])
    assert ranks_for_error(spectra, shapes, wanted, total=True) == ranks_for_error(spectra, shapes, wanted)


def test_by_hand():
    spectra = {"flat": [1.0] * 10, "steep": [10.0, 1.0] + [0.0] * 8}
    shapes = {"flat": (10, 10), "steep": (10, 10)}
    # Relative: a triplet of the flat layer gains 1/10, the second of the steep one 1/101; the flat one is dense at 100.
    assert ranks_for_budget(spectra, shapes, 80) == {"flat": 3, "steep": 1}
    assert ranks_for_budget(spectra, shapes, 120) == {"flat": None, "steep": 1}
    assert ranks_for_budget(spectra, shapes, 0.7) == {"flat": None, "steep": 2}
    assert ranks_for_budget(spectra, shapes, 60, weight="norm") in ({"flat": 1, "steep": 2}, {"flat": 2, "steep": 1})
    assert ranks_for_error(spectra, shapes, 0.8) == {"flat": 4, "steep": 1}
    assert ranks_for_error(spectra, shapes, 0.0) == {"flat": None, "steep": 2}
    assert ranks_for_error(spectra, shapes, 0.1, total=True) == {"flat": None, "steep": 1}


def test_a_layer_counts_as_often_as_it_has_entries_unless_it_is_asked_for():
    spectra = {"table": [1.0, 0.9, 0.8, 0.7], "small": [1.0, 0.9, 0.8, 0.7]}
    shapes = {"table": (400, 8), "small": (8, 8)}  # a triplet of the table takes 408 parameters, of the other 16
    assert ranks_for_budget(spectra, shapes, 1700) == {"table": 4, "small": None}
    assert ranks_for_budget(spectra, shapes, 1680) == {"table": 4, "small": 3}
    assert ranks_for_budget(spectra, shapes, 1680, weight="layers") == {"table": 3, "small": None}
    with pytest.raises(ValueError, match="weight must be 'entries' or 'layers' or 'norm', got 'all'"):
        ranks_for_budget(spectra, shapes, 1680, weight="all")


def test_layers_of_small_weights_count_as_much_as_others_unless_it_is_asked_for():
    spectra, shapes = {"large": [9.0, 3.0, 3.0], "small": [0.1, 0.1, 0.1]}, {"large": (9, 9), "small": (9, 9)}
    assert ranks_for_budget(spectra, shapes, 72) == {"large": 1, "small": 3}
    assert ranks_for_budget(spectra, shapes, 72, weight="layers") == {"large": 1, "small": 3}
    assert ranks_for_budget(spectra, shapes, 72, weight="norm") == {"large": 3, "small": 1}


@pytest.mark.peers
def test_spectra_that_have_a_gradient():
    torch = pytest.importorskip("torch", reason="extra: peers")
    spectra, shapes = model(0, [(7, 5), (6, 6)])
    own = {n: torch.tensor(s.copy(), requires_grad=True) for n, s in spectra.items()}
    assert ranks_for_budget(own, shapes, 50) == ranks_for_budget(spectra, shapes, 50)


def test_a_layer_that_no_rank_makes_smaller_stays_dense():
    spectra, shapes = {"vector": [2.0], "matrix": [3.0, 2.0, 1.0, 0.5]}, {"vector": (1, 9), "matrix": (4, 9)}
    assert ranks_for_budget(spectra, shapes, 22) == {"vector": None, "matrix": 1}
    assert ranks_for_error(spectra, shapes, 1.0) == {"vector": None, "matrix": 1}


def test_a_budget_below_rank_one_is_refused_with_the_smallest_that_does():
    spectra, shapes = {"a": [1.0] * 5, "b": [1.0] * 4}, {"a": (5, 9), "b": (4, 6)}
    assert ranks_for_budget(spectra, shapes, 24) == {"a": 1, "b": 1}
    with pytest.raises(ValueError, match=r"budget must be at least 24 of 69 parameters \(0\.3478 of them\).*got 23"):
        ranks_for_budget(spectra, shapes, 23)
    with pytest.raises(ValueError, match=r"budget must be at least 24 of 69 parameters.*got 0\.2"):
        ranks_for_budget(spectra, shapes, 0.2)


def test_zero_layers_cost_one_rank_and_short_spectra_are_filled_up():
    spectra, shapes = {"zero": np.zeros(6), "short": np.array([2.0, 1.0])}, {"zero": (6, 9), "short": (7, 8)}
    assert ranks_for_budget(spectra, shapes, 1.0) == {"zero": 1, "short": 2}
    assert ranks_for_error(spectra, shapes, 0.0) == {"zero": 1, "short": 2}
    assert ranks_for_error(spectra, shapes, 0.0, total=True) == {"zero": 1, "short": 2}


@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_singular_values_of_any_size(size):
    spectra, shapes = model(0, [(7, 5), (6, 6)])
    large = {n: s * size for n, s in spectra.items()}
    for weight in ("entries", "layers", "norm"):
        assert ranks_for_budget(large, shapes, 50, weight=weight) == ranks_for_budget(
            spectra, shapes, 50, weight=weight
        )
    for total in (True, False):
        assert ranks_for_error(large, shapes, 0.3, total=total) == ranks_for_error(spectra, shapes, 0.3, total=total)


@pytest.mark.parametrize("library", LIBRARIES)
def test_spectra_of_every_library(library):
    xp = pytest.importorskip(library)
    spectra, shapes = model(0, [(7, 5), (6, 6)])
    own = {n: xp.asarray(s.copy()) for n, s in spectra.items()}
    assert ranks_for_budget(own, shapes, 50) == ranks_for_budget(spectra, shapes, 50)


@pytest.mark.parametrize(
    ("spectrum", "message"),
    [
        ([1.0, 2.0], "spectrum of a must be finite, not negative, and fall"),
        ([1.0, -1.0], "spectrum of a must be finite, not negative, and fall"),
        ([np.nan, 1.0], "spectrum of a must be finite, not negative, and fall"),
        ([3.0, 2.0, 1.0], "spectrum of a must have at most 2 values"),
    ],
)
def test_a_spectrum_that_is_none_is_refused(spectrum, message):
    with pytest.raises(ValueError, match=message):
        ranks_for_budget({"a": spectrum}, {"a": (2, 9)}, 1.0)


def test_bad_input_is_refused():
    spectra, shapes = {"a": [2.0, 1.0]}, {"a": (2, 9)}
    with pytest.raises(ValueError, match=r"shapes must be for \['a'\], got \['b'\]"):
        ranks_for_budget(spectra, {"b": (2, 9)}, 1.0)
    with pytest.raises(ValueError, match="budget must be an integer, or a share of at most"):
        ranks_for_budget(spectra, shapes, 1.5)
    with pytest.raises(TypeError, match="budget must be"):
        ranks_for_budget(spectra, shapes, "half")
    for wrong in (-0.1, 1.1):
        with pytest.raises(ValueError, match="error must be from 0 to 1"):
            ranks_for_error(spectra, shapes, wrong)
    with pytest.raises(ValueError, match=r"budget must be at least 0 of 0 parameters.*got -1"):
        ranks_for_budget({}, {}, -1)
    with pytest.raises(ValueError, match="p and q must not be negative"):
        break_even_rank(-1, 3)
