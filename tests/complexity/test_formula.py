"""Declared formulas: sums of products of letters, and nothing else."""

import re
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factorattn.complexity import evaluate, monomials

SIZES = {"n": 7, "m": 5, "d": 3, "e": 2}
products = st.dictionaries(st.sampled_from("nmde"), st.integers(1, 4), min_size=1)


def written(powers):
    return "*".join(letter if power == 1 else f"{letter}**{power}" for letter, power in powers.items())


@pytest.mark.parametrize(
    ("formula", "found", "value"),
    [
        ("n", {(("n", 1),)}, 7),
        ("n*m*d + n*m*e", {(("d", 1), ("m", 1), ("n", 1)), (("e", 1), ("m", 1), ("n", 1))}, 7 * 5 * 3 + 7 * 5 * 2),
        ("n**2*d", {(("d", 1), ("n", 2))}, 49 * 3),
        ("n*d*n", {(("d", 1), ("n", 2))}, 49 * 3),
        ("2*n + n*3", {(("n", 1),)}, 35),
        ("4", {()}, 4),
        ("n + (m + d)", {(("n", 1),), (("m", 1),), (("d", 1),)}, 15),
        ("n*(m*d)", {(("d", 1), ("m", 1), ("n", 1))}, 105),
        ("m**3 + 20", {(("m", 3),), ()}, 145),
        ("n**2*d/e", {(("d", 1), ("e", -1), ("n", 2))}, 74),  # 73.5, rounded up
        ("n/e**2", {(("e", -2), ("n", 1))}, 2),
        ("n**(3/2)*d", {(("d", 1), ("n", Fraction(3, 2)))}, 56),  # 55.6, rounded up
    ],
)
def test_a_formula_is_taken_apart_and_evaluated(formula, found, value):
    assert monomials(formula) == found
    assert evaluate(formula, SIZES) == value


@settings(deadline=None)
@given(st.lists(products, min_size=1, max_size=5))
def test_whatever_sum_of_products_can_be_written_is_read_back(terms):
    formula = " + ".join(map(written, terms))
    assert monomials(formula) == {tuple(sorted(powers.items())) for powers in terms}
    want = 0
    for powers in terms:
        product = 1
        for letter, power in powers.items():
            product *= SIZES[letter] ** power
        want += product
    assert evaluate(formula, SIZES) == want


@pytest.mark.parametrize(
    "formula",
    [
        "n - d", "n/2", "n/(d*e)", "n//d", "-n", "n**-1", "n**1.5", "n**(d/2)", "n**d", "2**n",
        "(n*d)**2", "n**2**2", "n*(d + e)",
        "f(n)", "n.d", "n[0]", "n if d else e", "'n'", "True*n", "n % d", "log(n)*d", "n and d", "__import__('os')",
    ],
)  # fmt: skip
@pytest.mark.parametrize("read", [monomials, lambda formula: evaluate(formula, SIZES)], ids=["monomials", "evaluate"])
def test_anything_else_is_refused_and_quoted(read, formula):
    told = f"formula must be a sum of products of letters, got {formula!r}"
    with pytest.raises(ValueError, match=f"^{re.escape(told)}$"):
        read(formula)


@pytest.mark.parametrize("formula", ["", "n d", "n +", "n; d", "n = d", "(n"])
def test_what_is_no_expression_is_refused_in_the_same_words(formula):
    with pytest.raises(ValueError, match=re.escape(f"formula must be a sum of products of letters, got {formula!r}")):
        monomials(formula)


def test_a_letter_to_the_power_zero_is_no_letter():
    assert monomials("n**0*m") == {(("m", 1),)}


def test_a_letter_without_a_size_is_named():
    with pytest.raises(ValueError, match=r"^formula 'n\*w' needs a size for w$"):
        evaluate("n*w", SIZES)
