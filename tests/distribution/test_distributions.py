"""What holds for every distribution: registry, the simplex, unseen keys, NaN, infinity, libraries, precision, costs."""

import importlib
import inspect
import pkgutil

import numpy as np
import pytest
from oracles import agree

from factorattn import Distribution, distribution
from factorattn.contract import parse, sample
from factorattn.distribution import DISTRIBUTIONS, entmax, find
from factorattn.testing import COST_LAWS, ROUNDING
from factorattn.testing.case import to_numpy

SIZES = {"n": 13, "m": 11, "t": 4}
every_distribution = pytest.mark.parametrize("name", DISTRIBUTIONS)
ROWS = {  # one of each kind that takes rows of scores, and its options
    "softmax": {},
    "sigmoid": {},
    "sparsemax": {},
    "entmax": {},
    "entmax 1.2": {"alpha": 1.2},
    "entmax 3": {"alpha": 3.0},
    "entmax of an array": {"alpha": np.asarray(1.7)},
    "hard": {},
    "multinoulli": {"uniform": np.asarray(0.6)},
    "top_k": {"k": 3},
    "softmax_one": {},
    "proportional": {},
}
SIMPLEX = [name for name in ROWS if name not in ("sigmoid", "softmax_one")]
NUMBERS = [name for name in ROWS if name not in ("multinoulli", "entmax of an array")]  # options that are no arrays
every_row = pytest.mark.parametrize("name", ROWS)
every_simplex = pytest.mark.parametrize("name", SIMPLEX)


def weights(name, a):
    return DISTRIBUTIONS[name.split()[0]](np.asarray(a), **ROWS[name])


def scores(rng, *shape):
    """Distinct and not negative, which `proportional` needs."""
    return rng.exponential(size=shape) * 2


def inputs(name, batch=(), **sizes):
    return sample(DISTRIBUTIONS[name].record.inputs, np.random.default_rng(0), {**SIZES, **sizes}, batch=batch)


def test_the_registry_is_what_the_package_exports():
    assert set(DISTRIBUTIONS) == set(distribution.__all__) - {"DISTRIBUTIONS", "find", "entmax_alpha_gradient"}
    assert {name.split()[0] for name in ROWS} | {"sinkhorn", "deattention"} == set(DISTRIBUTIONS)


def test_every_distribution_that_some_file_defines_is_in_the_registry():
    names = [found.name for found in pkgutil.iter_modules(distribution.__path__)]
    modules = [importlib.import_module(f"factorattn.distribution.{name}") for name in names]
    found = {
        name
        for module in modules
        for name, f in vars(module).items()
        if isinstance(getattr(f, "record", None), Distribution) and f.__module__ == module.__name__
    }
    assert found == set(DISTRIBUTIONS)
    assert all(f.__module__ == f"factorattn.distribution.{name}" for name, f in DISTRIBUTIONS.items())


def test_the_registry_cannot_be_changed():
    with pytest.raises(TypeError, match="does not support item assignment"):
        DISTRIBUTIONS["mine"] = len


def test_a_distribution_is_found_by_name_and_a_misspelt_one_is_answered_with_the_nearest():
    assert find("softmax") is DISTRIBUTIONS["softmax"]
    told = "distribution must be in the catalogue, got 'sparse_max'; did you mean sparsemax"
    with pytest.raises(ValueError, match=f"^{told}"):
        find("sparse_max")
    with pytest.raises(ValueError, match="did you mean deattention or entmax"):
        find("0123")
    with pytest.raises(TypeError, match="name must be a string"):
        find(None)


@every_distribution
def test_names_are_those_of_the_contract_and_what_may_be_left_out_defaults_to_none(name):
    parameters = inspect.signature(DISTRIBUTIONS[name]).parameters
    assert next(iter(parameters)) == "a"
    for item in parse(DISTRIBUTIONS[name].record.inputs):
        assert (parameters[item.name].default is None) == item.optional


# The simplex


@every_simplex
def test_weights_are_not_negative_and_sum_to_one(name, rng):
    p = weights(name, scores(rng, 50, 40))
    assert np.all(p >= 0)
    assert np.max(np.abs(np.sum(p, axis=-1) - 1)) <= ROUNDING(np.float64, 40)


@pytest.mark.parametrize("name", [name for name in ROWS if name != "multinoulli"])  # which draws in their order
def test_permuted_scores_give_permuted_weights(name, rng):
    a, order = scores(rng, 20, 15), rng.permutation(15)
    agree(weights(name, a[:, order]), weights(name, a)[:, order], 15)


@pytest.mark.parametrize("name", [name for name in SIMPLEX if name != "proportional"])
def test_a_number_added_to_all_scores_changes_nothing(name, rng):
    a = np.round(scores(rng, 20, 15) * 2**20) / 2**20  # so that sums are exact
    agree(weights(name, a + 1000.0), weights(name, a), 15)


@pytest.mark.parametrize("name", [name for name in ROWS if name != "multinoulli"])
def test_a_larger_score_has_no_smaller_weight(name, rng):
    a = np.sort(scores(rng, 30, 12), axis=-1)
    assert np.all(np.diff(weights(name, a), axis=-1) >= -ROUNDING(np.float64, 12))


@every_simplex
def test_equal_scores_share_or_the_first_is_taken(name):
    p = weights(name, np.ones(8))
    if name == "multinoulli":
        want = np.eye(8)[4]  # 0.6 lies between 4/8 and 5/8
    elif name in ("hard", "top_k"):
        want = np.arange(8) < (1 if name == "hard" else 3)
        want = want / np.sum(want)
    else:
        want = np.full(8, 1 / 8)
    agree(p, want, 8)


# Keys that are not seen, NaN and infinity


@every_row
def test_a_score_of_minus_infinity_is_as_good_as_absent(name, rng):
    a = scores(rng, 20, 15)
    seen = rng.random((20, 15)) < 0.7
    p = weights(name, np.where(seen, a, -np.inf))
    np.testing.assert_array_equal(p[~seen], 0.0)
    for row in range(20):
        agree(p[row, seen[row]], weights(name, a[row, seen[row]]), 15)


@every_row
def test_a_row_of_minus_infinity_gives_zeros(name, rng):
    a = scores(rng, 3, 6)
    a[1] = -np.inf
    p = weights(name, a)
    np.testing.assert_array_equal(p[1], 0.0)
    assert np.all(np.sum(p[::2], axis=-1) > 0)


@every_row
def test_nan_reaches_its_row_and_no_other(name, rng):
    a = scores(rng, 4, 6)
    clean = weights(name, a)
    a[2, 3], a[2, 0] = np.nan, -np.inf
    p = weights(name, a)
    rows = [0, 1, 3]
    np.testing.assert_array_equal(p[rows], clean[rows])
    assert np.isnan(p[2, 3])
    assert np.all(np.isnan(p[2])) or name == "sigmoid"  # each key by itself


@every_row
def test_infinity_takes_all_weight(name):
    p = weights(name, [3.0, np.inf, -np.inf, 1.0])
    if name == "sigmoid":
        agree(p, [1 / (1 + np.exp(-3)), 1.0, 0.0, 1 / (1 + np.exp(-1))], 4)
    else:
        np.testing.assert_array_equal(p, [0.0, 1.0, 0.0, 0.0])


@every_simplex
def test_two_infinities_share_or_the_first_is_taken(name):
    p = weights(name, [np.inf, 0.0, np.inf, 1e300])
    want = {"hard": [1, 0, 0, 0], "multinoulli": [0, 0, 1, 0]}.get(name, [0.5, 0, 0.5, 0])
    agree(p, want, 4)


@every_row
@pytest.mark.parametrize("size", [1e-300, 1e3, 1e300])
def test_huge_and_tiny_scores_give_numbers(name, size, rng):
    p = weights(name, size * scores(rng, 20, 9))
    assert np.all(np.isfinite(p))
    assert np.all((p >= 0) & (p <= 1))


# Arrays


@every_distribution
def test_arrays_of_every_library_give_the_same(name, namespace):
    prepare = namespace.prepare or namespace.xp.asarray
    given = inputs(name, batch=(2, 3))
    for dtype in ("float64", "float32"):
        arrays = {
            key: prepare(value.astype(dtype)) if isinstance(value, np.ndarray) else value
            for key, value in given.items()
        }
        if name == "entmax":  # alpha below 1 is none
            arrays["alpha"], given["alpha"] = prepare(np.full((2, 3), 1.25, dtype)), np.full((2, 3), 1.25)
        got, like = DISTRIBUTIONS[name](**arrays), arrays["a"]
        assert type(got) is type(like)
        assert got.dtype == like.dtype
        assert got.device == like.device
        want = DISTRIBUTIONS[name](**given)
        assert got.shape == want.shape
        assert np.max(np.abs(to_numpy(got) - want)) <= np.max(np.abs(want)) * ROUNDING(dtype, SIZES["m"])


@pytest.mark.parametrize("name", NUMBERS)
def test_options_that_are_no_arrays_run_in_every_library_too(name, namespace, rng):
    a = scores(rng, 5, 9)
    got = DISTRIBUTIONS[name.split()[0]]((namespace.prepare or namespace.xp.asarray)(a), **ROWS[name])
    agree(to_numpy(got), weights(name, a), 9)


@every_row
def test_float16_is_computed_in_float32_and_rounded_once(name, rng):
    a = scores(rng, 20, 200).astype("float16")
    if name in ("hard", "top_k"):
        a = np.sort(rng.permutation(4000)[:200].astype("float16"))[None, :] / 512  # no ties
    options = {key: np.float16(value) if isinstance(value, np.ndarray) else value for key, value in ROWS[name].items()}
    options = {key: np.asarray(value) if isinstance(value, np.float16) else value for key, value in options.items()}
    f = DISTRIBUTIONS[name.split()[0]]
    wide = {key: value.astype("float64") if isinstance(value, np.ndarray) else value for key, value in options.items()}
    got, want = f(a, **options), f(a.astype("float64"), **wide)
    assert got.dtype == np.float16
    assert np.max(np.abs(got - want)) <= ROUNDING(np.float32, 200) + float(np.finfo(np.float16).eps)


@every_distribution
def test_empty_axes_give_empty_weights(name):
    for letter in "nm":
        given = inputs(name, batch=(2,), **{letter: 0})
        assert DISTRIBUTIONS[name](**given).shape == given["a"].shape
    given = inputs(name, batch=(0,))
    assert DISTRIBUTIONS[name](**given).shape == given["a"].shape


@every_distribution
def test_a_batch_is_the_stack_of_its_members(name):
    given = inputs(name, batch=(2, 3))
    got = DISTRIBUTIONS[name](**given)
    one = {key: value[1, 2] if isinstance(value, np.ndarray) else value for key, value in given.items()}
    agree(got[1, 2], DISTRIBUTIONS[name](**{k: np.asarray(v) if k != "k" else v for k, v in one.items()}), SIZES["m"])


@every_distribution
def test_inputs_are_left_alone(name):
    given = inputs(name, batch=(2,))
    for value in given.values():
        if isinstance(value, np.ndarray):
            value.flags.writeable = False
    DISTRIBUTIONS[name](**given)


@every_distribution
def test_nonsense_is_refused_by_name(name):
    given = inputs(name)
    with pytest.raises(TypeError, match="a must be an array"):
        DISTRIBUTIONS[name](**{**given, "a": given["a"].tolist()})
    with pytest.raises(TypeError, match="a must have a real floating dtype"):
        DISTRIBUTIONS[name](**{**given, "a": given["a"].astype(int)})
    with pytest.raises(ValueError, match="a needs shape"):
        DISTRIBUTIONS[name](**{**given, "a": np.asarray(1.0)})


@every_distribution
@pytest.mark.parametrize("law", COST_LAWS.values(), ids=COST_LAWS)
def test_declared_cost_is_counted_cost(name, law):
    law(DISTRIBUTIONS[name])


@pytest.mark.parametrize("alpha", [1.0, 1.5, 2.0, 1.3])
@pytest.mark.parametrize("law", COST_LAWS.values(), ids=COST_LAWS)
def test_declared_cost_of_entmax_is_that_of_every_algorithm(alpha, law):
    @Distribution(time=entmax.record.time, memory=entmax.record.memory, paper="peters2019")
    def of_one_alpha(a):
        return entmax(a, alpha)

    law(of_one_alpha)
