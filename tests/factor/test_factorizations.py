"""The catalogue of factorizations: every field of a record is true, or held by a law."""

import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import pytest

from factorattn import Factorization, NeedsValues, factor, family, time_polynomial
from factorattn.complexity import monomials
from factorattn.contract import parse
from factorattn.factor import FACTORIZATIONS, find
from factorattn.testing.cost_laws import (
    declared_growth_is_counted,
    declared_memory_is_counted,
    declared_time_is_counted,
)

BIBLIOGRAPHY = Path(__file__).parents[2] / "docs" / "references.bib"
every_factorization = pytest.mark.parametrize("f", FACTORIZATIONS.values(), ids=FACTORIZATIONS)

# What is not counted: how far these go depends on values.
UNCOUNTED = ("adaptive_svd", "robust_pca")

# Where a rank cuts a side, or sides are divided, no polynomial in single letters tells the cost: growth at these sizes,
# of these letters together.
TALL = ({"p": 2**14, "q": 2**10, "r": 2**4}, [], 4)
SQUARE = ({"p": 2**12, "q": 2**12, "r": 4}, [("p", "q")], 4)
CUBE = ({"p": 2**12, "q": 2**12, "r": 4}, [("p", "q")], 8)
GROWTH: dict[str, tuple] = {
    "axial_table": ({"n": 2**14, "x": 2**10, "y": 2**4, "d": 2**6}, [("n", "x"), ("n", "y"), ("d",)], 4),
    "butterfly": TALL,
    "cur": TALL,
    "interpolative": TALL,
    "kronecker": SQUARE,
    "monarch": SQUARE,
    "nmf": TALL,
    "nystrom": TALL,
    "qr": TALL,
    "randomized_svd": TALL,
    "rpcholesky": TALL,
    "rrqr": TALL,
    "tensor_train_matrix": CUBE,
    "toeplitz": TALL,
    "truncated_svd": TALL,
}
OPTIONS = {"cp": {"iterations": 20}}  # its sweeps are a factor that a polynomial must be able to tell from a size


def test_the_catalogue_holds_every_factorization_that_some_file_defines():
    found = {
        name: f
        for module in pkgutil.walk_packages(factor.__path__, "factorattn.factor.")
        for name, f in vars(importlib.import_module(module.name)).items()
        if inspect.isfunction(f)
        and isinstance(getattr(f, "record", None), Factorization)
        and f.__module__ == module.name
    }
    assert found == dict(FACTORIZATIONS)
    assert list(FACTORIZATIONS) == sorted(FACTORIZATIONS)


@every_factorization
def test_a_factorization_is_called_after_its_file_and_in_the_family_of_its_folder(f):
    assert f.__name__ == f.__module__.rpartition(".")[2]
    assert f in vars(importlib.import_module(f"factorattn.factor.{family(f)}")).values()


@every_factorization
def test_the_contract_names_parameters_and_begins_with_the_array(f):
    items, parameters = parse(f.record.inputs), inspect.signature(f).parameters
    assert items[0].kind == "array"
    assert {item.name for item in items} <= set(parameters)
    assert "rng" in parameters or not f.record.random  # "cp" draws if asked to, and not by default
    assert not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())


@every_factorization
def test_declared_costs_are_formulas_in_letters_of_the_contract(f):
    letters = {letter for item in parse(f.record.inputs) for letter in item.axes}
    for formula in (f.record.time, f.record.memory):
        used = {letter for monomial in monomials(formula) for letter, _ in monomial}
        assert used
        assert used <= letters


@every_factorization
def test_the_declared_cost_is_the_counted_one(f):
    if f.__name__ in UNCOUNTED:
        with pytest.raises(NeedsValues):
            time_polynomial(f)
    elif f.__name__ in GROWTH:
        sizes, together, times = GROWTH[f.__name__]
        letters = {letter for item in parse(f.record.inputs) for letter in item.axes}
        declared_growth_is_counted(f, {x: sizes[x] for x in sizes if x in letters}, together, times)
    else:
        declared_time_is_counted(f, **OPTIONS.get(f.__name__, {}))
        declared_memory_is_counted(f, **OPTIONS.get(f.__name__, {}))


@every_factorization
def test_the_paper_is_in_the_bibliography(f):
    if not BIBLIOGRAPHY.exists():
        pytest.skip("the tests run without the documentation beside them")
    assert re.search(rf"^@\w+\{{{f.record.paper},", BIBLIOGRAPHY.read_text(encoding="utf-8"), flags=re.MULTILINE)


def test_a_factorization_is_found_by_its_name():
    assert find("truncated_svd") is FACTORIZATIONS["truncated_svd"]
    with pytest.raises(
        ValueError, match="factorization must be in the catalogue, got 'truncated_sv'; did you mean trunc"
    ):
        find("truncated_sv")
    with pytest.raises(TypeError, match="name must be a string, got 3"):
        find(3)


def test_the_catalogue_cannot_be_changed():
    with pytest.raises(TypeError, match="does not support item assignment"):
        FACTORIZATIONS["new"] = len


def test_words_that_are_none_are_refused_where_they_are_written():
    fields = {"inputs": "a: p q", "time": "p", "memory": "p", "paper": "none2000"}
    with pytest.raises(ValueError, match="exact must be 'always' or 'rank' or 'form' or 'never', got 'sometimes'"):
        Factorization(**fields, exact="sometimes")
    with pytest.raises(ValueError, match=r"needs must be 'any' or .* got 'triangular'"):
        Factorization(**fields, exact="rank", needs="triangular")
