"""The catalogue holds every mechanism, and every field of a record is true."""

import dataclasses
import importlib
import inspect
import pkgutil
import re
import sys
from pathlib import Path

import numpy as np
import pytest

import factorattn
from factorattn import attention, distribution, position, score
from factorattn.attention import CATALOGUE, find
from factorattn.catalogue import Mechanism, family, mechanism
from factorattn.catalogue import find as find_in
from factorattn.complexity import monomials
from factorattn.contract import parse, sample

RECORD = {
    "inputs": "x: n d",
    "forms": ("only",),
    "time": "n*d",
    "memory": "n",
    "causal": "never",
    "normalised": True,
    "refuses": {"causal": "it has no order"},
    "paper": "none2000",
}
FAMILIES = Path(attention.__file__).parent
BIBLIOGRAPHY = Path(__file__).parent.parent / "docs" / "references.bib"
every_mechanism = pytest.mark.parametrize("f", CATALOGUE.values(), ids=CATALOGUE.keys())


def letters(f):
    return {letter for item in parse(f.record.inputs) for letter in item.axes}


def test_the_catalogue_is_what_the_package_exports_in_order():
    assert list(CATALOGUE) == sorted(attention.__all__)
    assert all(getattr(attention, name) is f for name, f in CATALOGUE.items())
    assert all(getattr(factorattn, name) is f for name, f in CATALOGUE.items())


@pytest.mark.parametrize("name", ["hashing", "levels", "memory"])
def test_helpers_are_public_and_no_mechanisms(name):
    package = importlib.import_module(f"factorattn.attention.{name}")
    page = "\n".join(path.read_text() for path in (BIBLIOGRAPHY.parent / "attention").glob("*.md"))
    for helper in package.HELPERS:
        assert getattr(package, helper.__name__) is helper
        assert helper.__name__ in importlib.import_module(helper.__module__).__all__
        assert helper.__name__ not in package.__all__
        assert not page or f"autofunction:: factorattn.attention.{name}.{helper.__name__}\n" in page


def test_the_catalogue_cannot_be_changed():
    with pytest.raises(TypeError, match="does not support item assignment"):
        CATALOGUE["new_attention"] = len


def test_every_mechanism_that_some_file_defines_is_in_the_catalogue():
    found = {
        name: f
        for module in pkgutil.walk_packages(attention.__path__, "factorattn.attention.")
        for name, f in vars(importlib.import_module(module.name)).items()
        if inspect.isfunction(f) and hasattr(f, "record") and f.__module__ == module.name
    }
    assert found == dict(CATALOGUE)


@every_mechanism
def test_a_mechanism_is_called_after_its_file(f):
    assert f.__name__ == f.__module__.rpartition(".")[2] + "_attention"
    assert CATALOGUE[f.__name__] is f


@every_mechanism
def test_the_family_is_the_folder_of_the_file(f):
    assert Path(inspect.getsourcefile(f)).parent == FAMILIES / family(f)


@every_mechanism
def test_the_words_of_a_record_are_among_those_allowed(f):
    record = f.record
    assert record.causal in ("never", "option", "values", "always")
    assert {type(flag) for flag in (record.normalised, record.positional, record.coupled)} == {bool}
    assert re.fullmatch(r"[a-z]+\d{4}[a-z]*", record.paper)


@every_mechanism
def test_what_is_approximated_is_in_the_catalogue_and_a_letter_of_the_contract_says_how_well(f):
    record = f.record
    assert (record.approximates is None) == (record.knob is None)
    if record.approximates is not None:
        assert record.approximates in CATALOGUE
        assert record.approximates != f.__name__
        assert record.knob in letters(f)


@every_mechanism
def test_declared_costs_are_formulas_in_letters_of_the_contract(f):
    for formula in (f.record.time, f.record.memory):
        used = {letter for monomial in monomials(formula) for letter, _ in monomial}
        assert used
        assert used <= letters(f)


@every_mechanism
def test_the_contract_names_parameters_and_those_left_out_default_to_none(f):
    parameters = inspect.signature(f).parameters
    for item in parse(f.record.inputs):
        default = parameters[item.name].default
        if item.optional:
            assert default is None
        elif item.kind == "array":
            assert default is inspect.Parameter.empty


@every_mechanism
def test_what_cannot_be_honoured_is_refused_with_a_sentence(f):
    assert set(f.record.refuses) <= {"mask", "causal"}
    assert all(len(why.split()) >= 4 and not why.endswith(".") for why in f.record.refuses.values())


@every_mechanism
def test_the_record_tells_which_options_there_are(f):
    parameters = inspect.signature(f).parameters
    assert ("causal" in parameters) == (f.record.causal != "always")
    assert "mask" in parameters
    assert f.record.mask or "bias" not in parameters
    assert set(f.record.values) <= set(parameters)
    assert not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())


@every_mechanism
def test_the_forms_of_the_record_are_those_that_can_be_asked_for(f):
    forms = f.record.forms
    assert len(set(forms)) == len(forms) >= 1
    parameters = inspect.signature(f).parameters
    if "form" not in parameters:
        assert len(forms) == 1
        return
    assert parameters["form"].default in forms
    sizes = {letter: 8 if letter in "nm" else 2 for letter in letters(f)}
    arguments = sample(f.record.inputs, np.random.default_rng(0), sizes, optional=False)
    with pytest.raises(ValueError, match=r"^form must be ") as caught:
        f(**arguments, form="no such form")
    listed = str(caught.value).removeprefix("form must be ").partition(", got ")[0]
    assert sorted(listed.split(" or ")) == sorted(map(repr, forms))


@every_mechanism
def test_the_paper_is_in_the_bibliography(f):
    if not BIBLIOGRAPHY.exists():
        pytest.skip("the tests run without the documentation beside them")
    assert re.search(rf"^@\w+\{{{f.record.paper},", BIBLIOGRAPHY.read_text(encoding="utf-8"), flags=re.MULTILINE)


@every_mechanism
def test_the_first_sentence_cites_the_paper_of_the_record(f):
    if not BIBLIOGRAPHY.exists():
        pytest.skip("the tests run without the documentation beside them")
    entry = BIBLIOGRAPHY.read_text(encoding="utf-8").partition(f"{{{f.record.paper},")[2]
    year = re.search(r"year\s*=\s*\{(\d+)", entry)[1]
    cited = re.findall(r"\b(?:19|20)\d\d\b", sys.modules[f.__module__].__doc__.partition("\n\n")[0])
    assert not cited or year in cited


def test_the_decorator_attaches_the_record_and_returns_the_very_function():
    def f(x):
        return x

    assert mechanism(**RECORD)(f) is f
    assert f.record == Mechanism(**RECORD)
    assert (f.record.approximates, f.record.knob) == (None, None)


def test_every_field_of_a_record_passes_through_the_decorator():
    fields = {**RECORD, "approximates": "softmax_attention", "knob": "d"}
    record = dataclasses.asdict(mechanism(**fields)(lambda x: x).record)
    assert {name: record[name] for name in fields} == fields


def test_a_record_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError, match="time"):
        Mechanism(**RECORD).time = "1"


@every_mechanism
def test_a_mechanism_is_found_by_its_name_and_by_its_short_name(f):
    assert find(f.__name__) is find(f.__name__.removesuffix("_attention")) is f


def test_a_misspelt_name_is_answered_with_the_nearest():
    told = "mechanism must be in the catalogue, got 'sofmax_attention'; did you mean softmax_attention"
    with pytest.raises(ValueError, match=f"^{told}"):
        find("sofmax_attention")


@pytest.mark.parametrize("f", CATALOGUE)
def test_a_short_name_with_one_letter_missing_is_answered_with_the_right_one(f):
    short = f.removesuffix("_attention")
    with pytest.raises(ValueError, match=rf"did you mean .*\b{f}\b"):
        find(short[:1] + short[2:])


def test_a_name_like_no_other_is_answered_with_the_whole_catalogue():
    with pytest.raises(ValueError, match="did you mean " + re.escape(" or ".join(CATALOGUE)) + r"\?$"):
        find("0123456789")


def test_a_causal_word_that_is_none_is_refused_where_it_is_written():
    with pytest.raises(ValueError, match="causal must be 'never' or 'option' or 'values' or 'always', got 'sometimes'"):
        mechanism(**{**RECORD, "causal": "sometimes"})


def test_a_mechanism_that_is_never_causal_says_why():
    with pytest.raises(ValueError, match="refuses must say why"):
        mechanism(**{**RECORD, "refuses": {}})


def test_one_finder_serves_every_registry():
    registry = {"one_kind": len, "two_kind": max}
    assert find_in(registry, "one", kind="thing", suffix="_kind") is find_in(registry, "one_kind", kind="thing") is len
    with pytest.raises(ValueError, match=r"^thing must be in the catalogue, got 'on'; did you mean one_kind"):
        find_in(registry, "on", kind="thing", suffix="_kind")
    with pytest.raises(TypeError, match="name must be a string, got 3"):
        find_in(registry, 3, kind="thing")
    told = r"^{} must be in the catalogue, got '0123'; did you mean "
    for package, kind in ((score, "score"), (distribution, "distribution"), (position, "position")):
        with pytest.raises(ValueError, match=told.format(kind)):
            package.find("0123")
