"""Options that cannot be are told in short words."""

import pytest


def test_a_mechanism_that_is_like_none(refusal):
    told = refusal("compare", "--only", "zzzzz")
    assert told == "mechanism must be in the catalogue, got 'zzzzz'; `factorattn list` shows all"


def test_only_without_a_name(refusal):
    assert refusal("compare", "--only", ",") == "--only names no mechanism, got ','"


@pytest.mark.parametrize("value", ["nan", "-1", "x", ""])
def test_options_that_are_no_numbers(refusal, value):
    told = refusal("compare", f"--budget={value}")
    assert told == f"--budget must be a number of seconds from 0 on, got {value!r}"
    assert refusal("compare", f"--seed={value}") == f"--seed must be an integer from 0 on, got {value!r}"


@pytest.mark.parametrize(
    "words",
    [
        ("encode", "--rank", "1.5"),
        ("encode", "--energy", "x"),
        ("factorize", "a", "--output", "b", "--rank", "x"),
    ],
)
def test_numbers_that_are_none_are_told_with_what_came(refusal, words):
    option, value = words[-2:]
    kind = "a number" if option == "--energy" else "an integer"
    older = f"{option}: '{value}' is not a valid {'float' if option == '--energy' else 'integer'}."  # click's words
    assert refusal(*words) in (f"{option} must be {kind}, got '{value}'", older)


def test_a_seed_that_is_too_long(refusal):
    assert refusal("compare", "--seed", "9" * 19) == f"--seed must have at most 18 digits, got '{'9' * 19}'"


def test_a_dtype_that_there_is_not(refusal):
    told = refusal("compare", "--dtype", "int8")
    assert told.startswith("--dtype: 'int8' is not one of 'float16', 'float32', 'float64'")
