"""Every law x every mechanism x every form, causal and not x every namespace."""

from dataclasses import replace

import pytest

from factorattn import CATALOGUE, kernels
from factorattn.testing import COST_LAWS, LAWS, check_mechanism
from factorattn.testing.check import cases
from factorattn.testing.cost_laws import shapes_are_read_without_values

# What a kernel could get wrong where its reference does not; array_api_strict runs the references through all laws.
OF_NUMBERS = [LAWS[name] for name in ("form_equals_definition", "future_is_unseen", "kind_of_array_is_kept")]
CASES = [case for f in CATALOGUE.values() for case in cases(f)]


def _name(case):
    return f"{case.f.__name__}-{case.form}{'-causal' if case.causal else ''}"


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
@pytest.mark.parametrize("case", CASES, ids=_name)
def test_law_holds(case, law, namespace):
    law(replace(case, xp=namespace.xp, prepare=namespace.prepare))


@pytest.mark.parametrize("law", OF_NUMBERS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("case", CASES, ids=_name)
def test_law_holds_without_kernels(case, law):
    with kernels("off"):
        law(case)


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_every_law_applies_to_some_mechanism(law):
    assert any(law(case) for case in CASES)


@pytest.mark.parametrize("case", CASES, ids=_name)
def test_shapes_are_read_without_values(case):
    shapes_are_read_without_values(case)


@pytest.mark.parametrize("law", COST_LAWS.values(), ids=COST_LAWS)
@pytest.mark.parametrize("f", CATALOGUE.values(), ids=CATALOGUE)
def test_declared_cost_is_counted_cost(f, law):
    law(f)


def test_one_call_checks_a_mechanism():
    check_mechanism(CATALOGUE["linear_attention"])
