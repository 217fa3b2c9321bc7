"""Factorizations of weights, which may know the inputs of their layer, obey the laws of factorizations."""

from dataclasses import replace

import pytest
from libraries import LIBRARIES

from factorattn.compress import WEIGHTED
from factorattn.testing import FACTOR_LAWS
from factorattn.testing.factor_case import factor_cases

CASES = [case for f in WEIGHTED.values() for case in factor_cases(f)]


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("law", FACTOR_LAWS.values(), ids=FACTOR_LAWS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.f.__name__}-{'x'.join(map(str, case.shape))}")
def test_law_holds(case, law, library):
    law(replace(case, xp=pytest.importorskip(library)))
