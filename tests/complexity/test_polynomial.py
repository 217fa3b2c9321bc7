"""Polynomials read off one run are those found by hand, and their values are the counts at other sizes."""

import itertools
import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factorattn import mechanism, softmax_attention
from factorattn.attention import CATALOGUE
from factorattn.complexity import Polynomial, cost, memory_polynomial, time_polynomial
from factorattn.complexity.polynomial import LENGTHS, TILE, NotPolynomial, dominates, lengths_of, prime_sizes
from factorattn.contract import parse
from factorattn.primitives.causal_scan import CHUNK
from factorattn.primitives.softmax_attend import COLS, ROWS
from factorattn.primitives.tiles import scan_tiles

LETTERS = "nmderwg"
powers = st.dictionaries(st.sampled_from("nmder"), st.integers(0, 3))
signed_powers = st.dictionaries(st.sampled_from("nmder"), st.integers(-2, 3))
every_mechanism = pytest.mark.parametrize("f", CATALOGUE.values(), ids=CATALOGUE.keys())


def carrying(inputs):
    """Give a function the record that counting needs."""
    rest = {"time": "n", "memory": "n", "causal": "always", "normalised": False, "paper": "none2000"}
    return mechanism(inputs=inputs, forms=("only",), **rest)


def poly(**terms):
    """``poly(n2d=3)`` is 3 n^2 d."""
    return {monomial(name): Fraction(coefficient) for name, coefficient in terms.items()}


def monomial(name):
    letters = [(letter, int("".join(digits) or 1)) for letter, *digits in split(name)]
    return tuple(sorted(letters))


def split(name):
    starts = [place for place, letter in enumerate(name) if letter.isalpha()]
    return [name[a:b] for a, b in itertools.pairwise([*starts, len(name)])] if name != "_" else []


def value(m, sizes):
    product = Fraction(1)
    for letter, power in dict(m).items():
        product *= Fraction(sizes[letter]) ** power
    return product


@carrying("x: n d")
def scaled(x):
    return 2.0 * x


@carrying("q: n d, k: m d")
def logits(q, k):
    return q @ k.mT


@carrying("q: n d, k: m d, v: m e")
def weighted(q, k, v):
    return (q @ k.mT * 0.5) @ v


@carrying("a: n n")
def squared(a):
    return a @ a


@carrying("v: m e, rank = r")
def padded(v, rank):
    xp = v.__array_namespace__()
    return xp.exp(xp.empty((rank, rank), dtype=v.dtype)) @ xp.empty((rank, v.shape[-1]), dtype=v.dtype)


@carrying("x: n d")
def tiled(x):
    """Tiles of 64 rows, each against each of its rows; the outputs are joined."""
    step = lambda state, tile: (state, x[tile, :] @ x[tile, :].mT)  # noqa: E731
    return scan_tiles(step, None, 0, x.shape[0], 64, xp=x.__array_namespace__())[1]


@carrying("x: n d, picks: g of n")
def picked(x, picks):
    return x[: len(picks), :] + 1.0


@carrying("x: n d")
def free(x):
    return x.mT


TIMES = {
    scaled: poly(nd=1),
    logits: poly(nmd=2),
    weighted: poly(nmd=2, nm=1, nme=2),
    squared: poly(n3=2),
    padded: poly(r2=1, r2e=2),
    tiled: poly(nd=2 * 64),
    picked: poly(gd=1),
    free: {},
}
BYTES = {
    scaled: poly(nd=4),
    logits: poly(nm=4),
    weighted: poly(nm=8),  # the logits and the weights; the output comes when the logits are gone
    squared: poly(n2=4),
    padded: poly(r2=4, re=8),  # the factors of the product, and the product
    tiled: poly(n=2 * 4 * 64),  # all outputs, and their join
    picked: poly(gd=4),
    free: {},
}


@pytest.mark.parametrize(("f", "terms"), TIMES.items(), ids=lambda x: getattr(x, "__name__", ""))
def test_the_operations_of_a_small_function_are_the_polynomial_found_by_hand(f, terms):
    assert time_polynomial(f) == terms


@pytest.mark.parametrize(("f", "terms"), BYTES.items(), ids=lambda x: getattr(x, "__name__", ""))
def test_the_memory_of_a_small_function_is_the_polynomial_found_by_hand(f, terms):
    assert memory_polynomial(f) == terms


def test_dense_softmax_attention_counts_what_its_equations_say():
    assert time_polynomial(softmax_attention, form="dense") == poly(
        nmd=2,  # q . k
        nd=1,  # scale q
        nm=5,  # maximum, difference, exponential, sum, quotient
        n=2,  # log-sum-exp
        nme=2,  # weights times values
    )


def test_coefficients_may_be_fractions_of_a_tile():
    online, dense = time_polynomial(softmax_attention), time_polynomial(softmax_attention, form="dense")
    extra = online[monomial("nme")] - dense[monomial("nme")]
    assert extra == Fraction(2, COLS)  # for every tile of keys, the output is faded and added to


def test_causal_online_attention_is_not_polynomial_because_the_band_cuts_tiles():
    told = r"^softmax_attention: \w+ counts \d+, no monomial in d, e, n, m"
    with pytest.raises(NotPolynomial, match=told):
        time_polynomial(softmax_attention, causal=True)
    with pytest.raises(NotPolynomial, match=r"^softmax_attention: "):
        time_polynomial(softmax_attention, window=100)


def test_causal_attention_in_its_dense_form_is_polynomial():
    causal = time_polynomial(softmax_attention, form="dense", causal=True)
    assert causal.leading() == time_polynomial(softmax_attention, form="dense").leading()


@pytest.mark.parametrize("read", [time_polynomial, memory_polynomial])
def test_a_size_that_is_a_difference_of_sizes_is_refused(read):
    @carrying("x: n d")
    def shortened(x):
        return x[x.shape[1] :, :] + 1.0

    with pytest.raises(NotPolynomial, match=r"^shortened: "):
        read(shortened)


def test_cost_that_only_looks_like_a_monomial_at_one_set_of_sizes_is_refused():
    @carrying("x: n d")
    def moody(x):
        return x + 1.0 if x.shape[1] < 120 else x + 1.0 + 1.0

    with pytest.raises(NotPolynomial, match=r"^moody: d n gives [0-9]+ at other sizes, where [0-9]+ is counted$"):
        time_polynomial(moody)


@every_mechanism
@pytest.mark.parametrize("other", [0, 1])
def test_the_value_of_the_time_polynomial_is_the_count_at_other_whole_numbers_of_tiles(f, other):
    letters = {letter for item in parse(f.record.inputs) for letter in item.axes}
    window = {letter: size for letter, size in (("w", (64, 96)[other]), ("b", (5, 3)[other])) if letter in letters}
    unit = TILE * math.prod(window.values())
    lengths = {"n": (3, 5)[other] * unit, "m": (3, 2)[other] * unit}  # n >= m, as where the polynomial is read
    lengths |= {"x": (3, 5)[other] * unit, "y": (2, 3)[other] * unit} if "x" in letters else {}
    small = {letter: (7, 12)[other] + place for place, letter in enumerate(sorted(letters - {*lengths, "w", "b"}))}
    sizes = {letter: size for letter, size in {**small, **window, **lengths}.items() if letter in letters}
    assert time_polynomial(f)(sizes) == cost(f, sizes).flops


@pytest.mark.parametrize("f", TIMES, ids=lambda f: f.__name__)
def test_the_value_of_both_polynomials_of_a_small_function_is_the_count_at_other_sizes(f):
    sizes = {"n": 4096, "m": 640, "d": 5, "e": 8, "r": 9, "g": 2}
    counted = cost(f, sizes)
    assert time_polynomial(f)(sizes) == counted.flops
    assert memory_polynomial(f)(sizes) == counted.peak


@every_mechanism
def test_sizes_to_read_polynomials_from_are_primes_of_their_own_and_whole_numbers_of_tiles(f):
    sizes = prime_sizes(f)
    assert set(sizes) == {letter for item in parse(f.record.inputs) for letter in item.axes}
    for letter, size in sizes.items():
        if letter in lengths_of(f):
            assert size % CHUNK == size % ROWS == size % COLS == 0
            assert size % sizes.get("w", 1) == 0
        else:
            assert all(size % factor for factor in range(2, size))
    assert len(set(sizes.values())) == len(sizes)


@pytest.mark.parametrize(
    ("terms", "text"),
    [
        ({}, "0"),
        (poly(_=7), "7"),
        (poly(_=1), "1"),
        (poly(n=1), "n"),
        (poly(n=1, nmd=2, n2=Fraction(3, 1024), _=5), "2 d m n + 3/1024 n^2 + n + 5"),
        (poly(nd=1, nm=1, me=4), "d n + 4 e m + m n"),
        ({(("n", 1), ("r", -1)): Fraction(1)}, "n r^-1"),
    ],
)
def test_polynomials_print_largest_degree_first(terms, text):
    assert str(Polynomial(terms)) == text


def test_the_value_of_a_polynomial_is_exact():
    polynomial = Polynomial(poly(n2d=Fraction(1, 3), n=2, _=1))
    assert polynomial({"n": 10**20, "d": 1}) == Fraction(10**40, 3) + 2 * 10**20 + 1
    assert Polynomial()({}) == 0


@pytest.mark.parametrize(
    ("terms", "leading"),
    [
        (poly(n=1, nm=9, nmd=1), {"nmd"}),
        (poly(n2=1, nd=1), {"n2"}),  # because n is at least d
        (poly(nd=1, md=1, d2=1), {"nd", "md"}),
        (poly(nd=1, ne=1, n=1, de=1), {"nd", "ne"}),
        (poly(_=1), {"_"}),
        ({}, set()),
    ],
)
def test_leading_monomials_are_those_that_no_other_is_at_least_as_large_as(terms, leading):
    assert Polynomial(terms).leading() == {monomial(name) for name in leading}


class TestDominates:
    """Monomial a is at least b wherever n and m are at least all other sizes, and these at least one."""

    sizes = st.fixed_dictionaries(
        {"d": st.integers(1, 20), "e": st.integers(1, 20), "r": st.integers(1, 20),
         "n": st.integers(0, 50), "m": st.integers(0, 50)}
    ).map(lambda s: {**s, **{length: s[length] + max(s["d"], s["e"], s["r"]) for length in LENGTHS}})  # fmt: skip

    @settings(deadline=None, max_examples=300)
    @given(signed_powers, signed_powers, sizes)
    def test_where_it_says_so_the_value_is_at_least_as_large(self, a, b, sizes):
        a, b = tuple(sorted(a.items())), tuple(sorted(b.items()))
        if dominates(a, b):
            assert value(a, sizes) >= value(b, sizes)

    @settings(deadline=None, max_examples=300)
    @given(powers, powers)
    def test_where_powers_are_positive_and_it_does_not_say_so_the_value_is_somewhere_smaller(self, a, b):
        if not dominates(tuple(a.items()), tuple(b.items())):
            excess = {letter for letter in "der" if b.get(letter, 0) > a.get(letter, 0)}
            one = dict.fromkeys("nmder", 1)
            witnesses = {**one, "n": 2}, {**one, "m": 2}, {**one, "n": 2, "m": 2, **dict.fromkeys(excess, 2)}
            assert any(value(a, sizes) < value(b, sizes) for sizes in witnesses)

    @settings(deadline=None)
    @given(powers, powers, powers)
    def test_it_is_an_order(self, a, b, c):
        a, b, c = (tuple(sorted((k, p) for k, p in x.items() if p)) for x in (a, b, c))
        assert dominates(a, a)
        assert not (dominates(a, b) and dominates(b, a)) or a == b
        assert not (dominates(a, b) and dominates(b, c)) or dominates(a, c)

    @settings(deadline=None)
    @given(powers, powers, powers)
    def test_a_common_factor_changes_nothing(self, a, b, c):
        def times(x):
            return tuple((letter, x.get(letter, 0) + c.get(letter, 0)) for letter in "nmder")

        assert dominates(times(a), times(b)) == dominates(tuple(a.items()), tuple(b.items()))

    @settings(deadline=None)
    @given(st.lists(powers, min_size=1, max_size=5), sizes)
    def test_every_monomial_is_below_a_leading_one(self, terms, sizes):
        polynomial = Polynomial({tuple(sorted((k, p) for k, p in x.items() if p)): Fraction(1) for x in terms})
        leading = polynomial.leading()
        assert leading
        assert all(any(value(top, sizes) >= value(m, sizes) for top in leading) for m in polynomial)
