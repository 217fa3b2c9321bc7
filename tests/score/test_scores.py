"""What holds for every score: registry, arrays of every library, precision, batches, tiles, empty axes, costs."""

import importlib
import inspect
import pkgutil
import re

import numpy as np
import pytest
from oracles import agree

from factorattn import Score, score
from factorattn.contract import parse, sample
from factorattn.score import SCORES, find
from factorattn.testing import COST_LAWS, ROUNDING
from factorattn.testing.case import to_numpy

SIZES = {"n": 13, "m": 11, "d": 4, "c": 5, "a": 7, "f": 3, "r": 4, "s": 2}
every_score = pytest.mark.parametrize("name", SCORES)


def inputs(name, batch=(), **sizes):
    """NumPy arguments of a score."""
    sizes = {**SIZES, **sizes}
    sizes = {**sizes, "f": sizes["d"] + sizes["c"]} if name == "concat" else sizes
    return sample(SCORES[name].record.inputs, np.random.default_rng(0), sizes, batch=batch)


def has(name, letter):
    """The axes, from the end, along which arrays of a score have a letter."""
    items = (item for item in parse(SCORES[name].record.inputs) if letter in item.axes)
    return {item.name: item.axes.index(letter) - len(item.axes) for item in items}


def test_the_registry_is_what_the_package_exports():
    assert set(SCORES) == set(score.__all__) - {"SCORES", "find"}
    assert all(getattr(score, name) is f and f.__name__ == name for name, f in SCORES.items())


def test_every_score_that_some_file_defines_is_in_the_registry():
    modules = [
        importlib.import_module(f"factorattn.score.{found.name}") for found in pkgutil.iter_modules(score.__path__)
    ]
    found = {
        name for module in modules for name, f in vars(module).items() if isinstance(getattr(f, "record", None), Score)
    }
    assert found == set(SCORES)
    assert all(f.__module__ == f"factorattn.score.{name}" for name, f in SCORES.items())


def test_the_registry_cannot_be_changed():
    with pytest.raises(TypeError, match="does not support item assignment"):
        SCORES["mine"] = len


def test_a_score_is_found_by_name_and_a_misspelt_one_is_answered_with_the_nearest():
    assert find("dot") is SCORES["dot"]
    with pytest.raises(ValueError, match=r"^score must be in the catalogue, got 'aditive'; did you mean additive"):
        find("aditive")
    with pytest.raises(ValueError, match="did you mean activated_general or additive"):
        find("0123")
    with pytest.raises(TypeError, match="name must be a string"):
        find(3)


@every_score
def test_names_are_those_of_the_contract_and_what_may_be_left_out_defaults_to_none(name):
    parameters = inspect.signature(SCORES[name]).parameters
    assert list(parameters)[:2] == ["q", "k"]
    for item in parse(SCORES[name].record.inputs):
        assert (parameters[item.name].default is None) == item.optional


@every_score
def test_arrays_of_every_library_give_the_same(name, namespace):
    prepare = namespace.prepare or namespace.xp.asarray
    given = inputs(name, batch=(2,))
    for dtype in ("float64", "float32"):
        arrays = {key: prepare(value.astype(dtype)) for key, value in given.items()}
        got, like = SCORES[name](**arrays), next(iter(arrays.values()))
        assert type(got) is type(like)
        assert got.dtype == like.dtype
        assert got.device == like.device
        want = SCORES[name](**given)
        error = np.max(np.abs(to_numpy(got) - want)) / np.max(np.abs(want))
        assert error <= ROUNDING(dtype, max(SIZES.values()))


@every_score
def test_float16_is_computed_in_float32_and_rounded_once(name):
    given = {key: value.astype("float16") for key, value in inputs(name).items()}
    got = SCORES[name](**given)
    want = SCORES[name](**{key: value.astype("float64") for key, value in given.items()})
    assert got.dtype == np.float16
    scale = np.max(np.abs(want))
    assert np.max(np.abs(got - want)) <= scale * (ROUNDING(np.float32, 20) + float(np.finfo(np.float16).eps))


@every_score
def test_a_batch_is_the_stack_of_its_members_and_broadcasts(name):
    given = inputs(name, batch=(2, 3))
    got = SCORES[name](**given)
    assert got.shape == (2, 3, SIZES["n"], SIZES["m"])
    one = SCORES[name](**{key: value[1, 2] for key, value in given.items()})
    agree(got[1, 2], one, 20)
    shared = {key: value if key == "k" else value[:, :1] for key, value in given.items()}
    repeated = {key: np.broadcast_to(value, (2, 3, *value.shape[2:])) for key, value in shared.items()}
    agree(SCORES[name](**shared), SCORES[name](**repeated), 20)


@every_score
def test_queries_are_scored_alone_also_across_tiles(name):
    given = inputs(name, n=270)
    some = np.array([0, 7, 8, 127, 128, 255, 256, 269])
    picked = {**given, **{key: np.take(given[key], some, axis=axis) for key, axis in has(name, "n").items()}}
    agree(SCORES[name](**picked), SCORES[name](**given)[some], 20)


@every_score
def test_keys_are_scored_alone_unless_positions_matter(name):
    given, order = inputs(name), np.random.default_rng(1).permutation(SIZES["m"])
    moved = {**given, **{key: np.take(given[key], order, axis=axis) for key, axis in has(name, "m").items()}}
    got, want = SCORES[name](**moved), SCORES[name](**given)[:, order]
    same = np.max(np.abs(got - want)) <= ROUNDING(np.float64, 20) * np.max(np.abs(want))
    assert same == (name != "location_aware")


@every_score
def test_empty_axes_give_empty_scores(name):
    for letter in "nm":
        assert SCORES[name](**inputs(name, batch=(2,), **{letter: 0})).shape == (
            2,
            0 if letter == "n" else SIZES["n"],
            0 if letter == "m" else SIZES["m"],
        )
    assert SCORES[name](**inputs(name, batch=(0,))).shape == (0, SIZES["n"], SIZES["m"])


@every_score
def test_inputs_are_left_alone(name):
    given = inputs(name)
    SCORES[name](**{key: _frozen(value) for key, value in given.items()})


def _frozen(array):
    array = array.copy()
    array.flags.writeable = False
    return array


@every_score
def test_nonsense_is_refused_by_name(name):
    given = inputs(name)
    with pytest.raises(TypeError, match="q must be an array"):
        SCORES[name](**{**given, "q": given["q"].tolist()})
    with pytest.raises(TypeError, match="k must have a real floating dtype"):
        SCORES[name](**{**given, "k": given["k"].astype(int)})
    for key, axes in ((item.name, item.axes) for item in parse(SCORES[name].record.inputs)):
        if axes:
            with pytest.raises(ValueError, match=rf"{re.escape(key)} needs shape"):
                SCORES[name](**{**given, key: np.ones(())})
    for letter in ("d", "c", "a", "m"):
        owners = has(name, letter)
        if len(owners) > 1 and not (name == "concat" and letter in "dc"):
            key, axis = list(owners.items())[-1]
            wrong = np.take(given[key], range(SIZES[letter] + 1), axis=axis, mode="wrap")
            with pytest.raises(ValueError, match=f"axis '{letter}'|must have d"):
                SCORES[name](**{**given, key: wrong})


@every_score
@pytest.mark.parametrize("law", COST_LAWS.values(), ids=COST_LAWS)
def test_declared_cost_is_counted_cost(name, law):
    law(concat_of_one_width if name == "concat" else SCORES[name])


@Score(
    inputs="q: n d, k: m d, v: a",
    time=SCORES["concat"].record.time,
    memory=SCORES["concat"].record.memory,
    paper="luong2015",
)
def concat_of_one_width(q, k, v):
    """Concat with its matrix made here: its contract cannot say that f = d + c."""
    xp = q.__array_namespace__()
    w = xp.empty((v.shape[-1], q.shape[-1] + k.shape[-1]), dtype=q.dtype, device=q.device)
    return SCORES["concat"](q, k, w, v)
