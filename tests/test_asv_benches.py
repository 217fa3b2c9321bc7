"""The benchmarks name every mechanism, literally: results of past commits are filed under these names."""

import ast
from pathlib import Path

import pytest

from factorattn import CATALOGUE
from factorattn.contract import parse

BENCHMARKS = Path(__file__).parents[1] / "asv_benches" / "benchmarks"

if not BENCHMARKS.is_dir():
    pytest.skip("no benchmarks beside these tests", allow_module_level=True)


def literal(name):
    """A top-level constant of common.py, without importing it."""
    for node in ast.parse((BENCHMARKS / "common.py").read_text()).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == name:
            return ast.literal_eval(node.value)
    raise AssertionError(f"common.py assigns no literal {name}")


def test_the_names_are_those_of_the_catalogue():
    assert sorted(literal("NAMES")) == sorted(CATALOGUE)


def test_options_are_of_mechanisms_that_exist():
    for table in ("OPTIONS", "OWN_SIZES", "LONGEST"):
        assert set(literal(table)) <= set(literal("NAMES"))


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_there_is_a_size_for_every_letter(name):
    letters = {letter for item in parse(CATALOGUE[name].record.inputs) for letter in item.axes}
    assert letters <= {*literal("SIZES"), "n", "m", "x", "y"}


@pytest.mark.parametrize("name", ["SIZES", "LENGTHS", "LIBRARIES", "KERNELS"])
def test_parameters_are_literal(name):
    assert literal(name)
