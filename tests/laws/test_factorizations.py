"""Every law of factorizations x every factorization x every shape x every namespace."""

from dataclasses import replace

import array_api_compat
import pytest
from libraries import LIBRARIES

from factorattn.factor import FACTORIZATIONS
from factorattn.testing import FACTOR_LAWS, check_factorization
from factorattn.testing.factor_case import factor_cases

CASES = [case for f in FACTORIZATIONS.values() for case in factor_cases(f)]


@pytest.fixture(params=LIBRARIES)
def xp(request):
    return pytest.importorskip(request.param)


@pytest.mark.parametrize("law", FACTOR_LAWS.values(), ids=FACTOR_LAWS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.f.__name__}-{'x'.join(map(str, case.shape))}")
def test_law_holds(case, law, xp):
    law(replace(case, xp=xp))


@pytest.mark.parametrize("law", FACTOR_LAWS.values(), ids=FACTOR_LAWS)
def test_every_law_applies_to_some_factorization(law):
    assert any(law(case) for case in CASES)


@pytest.mark.parametrize("f", FACTORIZATIONS.values(), ids=FACTORIZATIONS)
def test_one_call_checks_a_factorization(f):
    check_factorization(f, xp=array_api_compat.numpy)
