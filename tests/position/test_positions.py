"""What holds for all ways to tell positions: their records, kinds of arrays, batches, costs."""

import re
from inspect import signature
from pathlib import Path

import numpy as np
import pytest

from factorattn import position
from factorattn.catalogue import Position
from factorattn.complexity import cost, monomials, time_polynomial
from factorattn.contract import parse, sample
from factorattn.interpret.counting import counting
from factorattn.position import POSITIONS, find
from factorattn.testing import ROUNDING
from factorattn.testing.case import SIZES, to_numpy

every_position = pytest.mark.parametrize("name", POSITIONS)
PAGE = Path(__file__).parents[2] / "docs" / "position.md"
BIBLIOGRAPHY = PAGE.with_name("references.bib")
# What a function needs beside its contract: sizes that are odd, or small.
ODD = {"shaw_relative": {"r": 7}, "shaw_values": {"r": 7}}
LAST = {"learned": "l", "axial": "l"}  # sizes of rows that may not grow past the table


def arguments(name, *, batch=(), dtype="float64", seed=0, **sizes):
    f = POSITIONS[name]
    drawn = sample(f.record.inputs, np.random.default_rng(seed), {**SIZES, **ODD.get(name, {}), **sizes}, batch=batch)
    if name == "kerple":
        drawn |= {key: np.abs(drawn[key]) for key in ("r_1", "r_2")}
    return {key: value.astype(dtype) if isinstance(value, np.ndarray) else value for key, value in drawn.items()}


def on(namespace, given):
    prepare = namespace.prepare or namespace.xp.asarray
    return {key: prepare(value) if isinstance(value, np.ndarray) else value for key, value in given.items()}


def close(got, want, dtype, extra=0.0):
    assert got.shape == want.shape
    error = np.max(np.abs(got.astype(np.float64) - want), initial=0.0)
    assert error <= np.max(np.abs(want), initial=1.0) * (ROUNDING(dtype, max(SIZES.values())) + extra)


@every_position
def test_a_record_is_true_of_its_function(name):
    f = POSITIONS[name]
    assert isinstance(f.record, Position)
    assert f.__name__ == name
    parameters = signature(f).parameters
    for item in parse(f.record.inputs):
        assert (parameters[item.name].default is None) == item.optional
    sizes = {**SIZES, **ODD.get(name, {})}
    out = f(**arguments(name, batch=(2,)))
    shape = tuple(sum(sizes[letter] for letter in axis.split("+")) for axis in f.record.output.split())
    batched = {item.name for item in parse(f.record.inputs) if item.batched} - {"like"}
    assert out.shape == ((2, *shape) if batched else shape)


@every_position
def test_numbers_are_those_of_numpy_and_the_kind_of_array_is_kept(name, namespace):
    f, floating = POSITIONS[name], name != "t5_buckets"
    exact = f(**arguments(name))
    for dtype in ("float64", "float32", "float16"):
        if not hasattr(namespace.xp, dtype):
            continue
        given = arguments(name, dtype=dtype)
        made = on(namespace, given)
        out = f(**made)
        like = next(value for value in made.values() if hasattr(value, "dtype"))
        assert type(out) is type(like)
        assert out.device == like.device
        assert out.dtype == (like.dtype if floating else namespace.xp.int64)
        if dtype == "float16":
            wide = {key: v.astype("float64") if isinstance(v, np.ndarray) else v for key, v in given.items()}
            close(to_numpy(out), f(**wide), np.float32, extra=float(np.finfo(np.float16).eps))  # rounded once
        else:
            close(to_numpy(out), exact, dtype)


@every_position
def test_a_batch_is_the_stack_of_its_members(name):
    f = POSITIONS[name]
    batched = {item.name for item in parse(f.record.inputs) if item.batched and item.kind == "array"} - {"like"}
    given = arguments(name, batch=(2, 3))
    if not batched:
        return
    whole = f(**given)
    member = {key: value[1, 2] if key in batched else value for key, value in given.items()}
    close(whole[1, 2], f(**member), np.float64)
    first = min(batched, key=list(given).index)
    shared = {key: value[1, 2] if key in batched - {first} else value for key, value in given.items()}
    close(f(**shared)[1, 2], f(**member), np.float64)


@every_position
def test_forms_are_equal(name):
    f = POSITIONS[name]
    if "form" not in signature(f).parameters:
        return
    with pytest.raises(ValueError, match=r"form must be .* or ") as caught:
        f(**arguments(name), form="no such form")
    forms = re.findall(r"'(\w+)'", str(caught.value).partition(", got")[0])
    assert forms[0] == "explicit"
    for batch in ((), (2, 1)):
        results = [f(**arguments(name, batch=batch), form=form) for form in forms]
        close(results[1], results[0], np.float64)


@every_position
def test_arguments_are_left_alone(name):
    given, kept = arguments(name), arguments(name)
    POSITIONS[name](**given)
    for key, value in given.items():
        np.testing.assert_array_equal(value, kept[key])


@every_position
def test_no_queries_no_keys_and_no_batch(name):
    f = POSITIONS[name]
    items = {item.name: item for item in parse(f.record.inputs)}
    for letter in "nm":
        given = arguments(name)
        for key, item in items.items():
            if letter in item.axes and name not in LAST:
                axis = item.axes.index(letter) - len(item.axes)
                given[key] = 0 if item.kind == "size" else np.take(given[key], [], axis=axis)
        out = f(**given)
        axes = f.record.output.split()
        assert letter not in axes or name in LAST or out.shape[axes.index(letter)] == 0
    batched = {key for key, item in items.items() if item.batched and item.kind == "array"} - {"like"}
    given = {k: value[:0] if k in batched else value for k, value in arguments(name, batch=(2,)).items()}
    assert not batched or f(**given).shape[0] == 0


@every_position
def test_integers_are_refused(name):
    given = arguments(name)
    first = next(key for key, value in given.items() if isinstance(value, np.ndarray))
    with pytest.raises(TypeError, match=f"{first} must have a real floating dtype"):
        POSITIONS[name](**{**given, first: np.ones(given[first].shape, dtype=int)})


# t5 needs an even number of buckets for two sides, and primes are odd
ONE_SIDE = {"t5_relative": {"bidirectional": False}}


@every_position
def test_declared_time_is_counted(name):
    f = POSITIONS[name]
    counted = time_polynomial(f, **ONE_SIDE.get(name, {}))
    if f.record.time == "0":
        assert not counted
        return
    declared = type(counted)(dict.fromkeys(monomials(f.record.time), 1))
    assert counted.leading() == declared.leading(), str(counted)


@every_position
def test_declared_memory_grows_as_counted(name):
    # Not as a polynomial: a pad of one column has none. Twice each size, the peak is at most the declared doubling.
    f = POSITIONS[name]
    letters = {letter for item in parse(f.record.inputs) for letter in item.axes}
    base = dict.fromkeys(letters, 64) | {"r": 65, "w": 65, "n": 512, "m": 256}
    if name in LAST:
        base |= {"l": 128}
    peak = cost(f, base, **ONE_SIDE.get(name, {})).peak
    if f.record.memory == "0":
        assert peak == 0
        return
    for letter in sorted(letters):
        double = {**base, letter: 2 * base[letter] - (letter in "rw")}
        power = max(dict(m).get(letter, 0) for m in monomials(f.record.memory))
        assert cost(f, double, **ONE_SIDE.get(name, {})).peak <= 1.05 * 2**power * peak, letter


@every_position
def test_arrays_without_values_will_do(name):
    given = arguments(name, dtype="float32")
    want, xp = POSITIONS[name](**given), counting()
    shapes = {k: xp.empty(v.shape, dtype=v.dtype) if isinstance(v, np.ndarray) else v for k, v in given.items()}
    out = POSITIONS[name](**shapes)
    assert (out.shape, out.dtype) == (want.shape, want.dtype)


@every_position
def test_the_paper_is_in_the_bibliography_and_the_page_names_the_function(name):
    if not PAGE.exists():
        pytest.skip("the tests run without the documentation beside them")
    paper = POSITIONS[name].record.paper
    assert re.search(rf"^@\w+\{{{paper},", BIBLIOGRAPHY.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert re.search(rf"autofunction:: factorattn\.position\.{name}$", PAGE.read_text(), flags=re.MULTILINE)


def test_the_registry_holds_all_and_cannot_be_changed():
    assert set(position.__all__) - {"POSITIONS", "find"} == set(POSITIONS)
    assert list(POSITIONS) == sorted(POSITIONS)
    with pytest.raises(TypeError, match="does not support item assignment"):
        POSITIONS["new"] = len


def test_names_are_found_short_and_whole_and_misspelt():
    assert find("t5") is find("t5_relative") is position.t5_relative
    with pytest.raises(ValueError, match=r"^position must be in the catalogue, got 'rotery'; did you mean rotary"):
        find("rotery")
    with pytest.raises(ValueError, match=" or ".join(POSITIONS)):
        find("0123")
    with pytest.raises(TypeError, match="name must be a string"):
        find(1)


@pytest.mark.parametrize("size", ["n", "m"])
def test_a_negative_size_is_refused_by_name(size):
    sizes = {"n": 3, "m": 3, size: -1}
    with pytest.raises(ValueError, match=f"{size} must be at least 0, got -1"):
        position.alibi(2, **sizes, like=np.empty(0))
    with pytest.raises(TypeError, match=f"{size} must be an integer, got 1.5"):
        position.alibi(2, **{**sizes, size: 1.5}, like=np.empty(0))
