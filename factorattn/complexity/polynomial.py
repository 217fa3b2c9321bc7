"""Exact cost as a polynomial in the sizes, read off one run.

Every size is given a prime of its own (times the tile length, where the text works in tiles). A count is then a
product of sizes and a rational constant in one way only: divide out each prime as often as it goes, and what is left
is the coefficient. Summed over all calls this is the polynomial, in integer arithmetic and without any computer
algebra (the idea is J. Gray's, in autoray).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from itertools import combinations
from typing import Any

from factorattn.complexity.cost import tally_of
from factorattn.complexity.formula import Monomial
from factorattn.contract import parse
from factorattn.interpret.counting import Tally
from factorattn.primitives.causal_scan import CHUNK
from factorattn.primitives.softmax_attend import COLS, ROWS

__all__ = ["NotPolynomial", "Polynomial", "memory_polynomial", "prime_sizes", "time_polynomial"]

PRIMES = (103, 107, 109, 113, 127, 131, 137, 139, 149, 151)
OTHER_PRIMES = (173, 179, 181, 191, 193, 197, 199, 211, 223, 229)  # to hold the polynomial against
LENGTHS = ("n", "m")
SIDES = ("x", "y")  # of a grid: a length each
TILE = max(CHUNK, COLS, ROWS)  # all three are powers of two
_LARGEST_CONSTANT = 101  # prime factors of a coefficient lie below, primes of sizes above


class NotPolynomial(ValueError):
    """A count is not a monomial in the sizes."""


class Polynomial(dict[Monomial, Fraction]):
    """Coefficients by monomial; prints as ``4 n m d + 2 n m + 3/1024 n m e``, largest terms first."""

    def __call__(self, sizes: Mapping[str, int]) -> Fraction:
        """The value at given sizes."""
        total = Fraction(0)
        for monomial, coefficient in self.items():
            for letter, power in monomial:
                coefficient *= Fraction(Fraction(sizes[letter]) ** power)
            total += coefficient
        return total

    def leading(self) -> set[Monomial]:
        """The monomials that no other one of this polynomial divides into."""
        return {m for m in self if not any(m != other and dominates(other, m) for other in self)}

    def __str__(self) -> str:
        def degree(monomial: Monomial) -> tuple[int | Fraction, str]:
            return -sum(power for _, power in monomial), str(monomial)

        terms = [
            " ".join([str(self[m])] * (self[m] != 1 or not m) + [x if p == 1 else f"{x}^{p}" for x, p in m])
            for m in sorted(self, key=degree)
        ]
        return " + ".join(terms).replace("+ -", "- ") or "0"


def dominates(a: Monomial, b: Monomial) -> bool:
    """Whether a >= b wherever the lengths n and m are at least all other sizes, and these at least one."""
    here, there = dict(a), dict(b)
    slack = [here.get(length, 0) - there.get(length, 0) for length in LENGTHS]
    excess = sum(max(0, power - here.get(letter, 0)) for letter, power in there.items() if letter not in LENGTHS)
    kept = all(power >= min(there.get(letter, 0), 0) for letter, power in here.items() if letter not in LENGTHS)
    return min(slack) >= 0 and sum(slack) >= excess and kept


def prime_sizes(f: Callable, primes: Sequence[int] = PRIMES, large: str | None = None) -> dict[str, int]:
    """A size for each letter of the contract of `f` from which counts can be read back; `large` is 64 times that."""
    own = _own_primes(f, primes)
    sizes = {x: prime * (64 if x == large else 1) for x, prime in own.items()}
    unit = TILE * sizes.get("w", 1) * sizes.get("b", 1)  # tiles, windows and blocks fit a whole number of times
    return {x: size * (unit if x in lengths_of(f) else 1) for x, size in sizes.items()}


def lengths_of(f: Callable) -> set[str]:
    """The letters of the contract of `f` that tiles and blocks cut: lengths, and the two sides of a grid."""
    letters = {letter for item in parse(f.record.inputs) for letter in item.axes}  # type: ignore[attr-defined]
    return letters & {*LENGTHS, *(SIDES if letters >= set(SIDES) else ())}


def _own_primes(f: Callable, primes: Sequence[int]) -> dict[str, int]:
    """A prime for each letter, that of n above that of m."""
    letters = {letter for item in parse(f.record.inputs) for letter in item.axes}  # type: ignore[attr-defined]
    *most, x, y = primes
    own = dict(zip(sorted(letters - set(LENGTHS)), most, strict=False))
    return own | {letter: prime for letter, prime in (("n", max(x, y)), ("m", min(x, y))) if letter in letters}


def time_polynomial(f: Callable, **options: Any) -> Polynomial:
    """Operations of one call of `f` as an exact polynomial, for lengths that are whole numbers of tiles and windows.

    Where it matters which of two sizes is larger, as in a singular value decomposition, it is that for n >= m, and of a
    matrix to factor that for p >= q >= r.

    Raises
    ------
    NotPolynomial
        If some count is not a monomial, naming the function that was counted.
    """
    return _checked(f, options, None, lambda tally: ((n, times, name) for (name, _, n), times in tally.log.items()))


def memory_polynomial(f: Callable, *, large: str | None = None, **options: Any) -> Polynomial:
    """Bytes that one call of `f` in float32 holds at its peak beside its inputs, as a polynomial.

    Which arrays are held at the peak depends on which sizes are large. The polynomial is that for lengths n and m far
    above the other sizes, all of these about equal, except that the letter `large` is 64 times as large as its like.
    `factorattn.cost` counts the peak at any sizes.
    """
    counts = lambda tally: ((n, times, "an array") for n, times in tally.held_at_peak.items())  # noqa: E731
    return _checked(f, options, large, counts)


def _checked(
    f: Callable,
    options: Mapping[str, Any],
    large: str | None,
    counts: Callable[[Tally], Iterable[tuple[int | Fraction, int, str]]],
) -> Polynomial:
    """Read the polynomial at one set of primes and hold it against the count at another.

    A count may hold the sum of two sizes, such as the width of a query and of its rotated part side by side. It is then
    no monomial; if the plain reading fails, each pair of letters is tried for such a sum.
    """
    sizes, others = prime_sizes(f, PRIMES, large), prime_sizes(f, OTHER_PRIMES, large)
    tally, other = (tally_of(f, at, dtype="float32", batch=(), options=options) for at in (sizes, others))
    expected = sum(n * times for n, times, _ in counts(other))
    refusal = None
    for pair in (None, *combinations(sorted(set(sizes) - set(LENGTHS)), 2)):
        try:
            polynomial = _polynomial(f, large, counts(tally), pair)
        except NotPolynomial as error:
            refusal = refusal or error
            continue
        found = polynomial(others)
        if found == expected:
            return polynomial
        refusal = refusal or NotPolynomial(
            f"{f.__name__}: {polynomial} gives {found} at other sizes, where {expected} is counted"
        )
    raise refusal or NotPolynomial(f"{f.__name__}: nothing is counted")


def _polynomial(
    f: Callable,
    large: str | None,
    counts: Iterable[tuple[int | Fraction, int, str]],
    pair: tuple[str, str] | None,
) -> Polynomial:
    primes, sizes, total = _own_primes(f, PRIMES), prime_sizes(f, PRIMES, large), Polynomial()
    lengths = lengths_of(f)
    order = sorted(sizes, key=lambda x: x not in lengths)  # the lengths first: they contain other primes

    def split(count: Fraction) -> tuple[Monomial, Fraction]:
        """The monomial in a count, and what is left."""
        monomial = []
        for letter in order:
            power = 0
            while count.numerator % primes[letter] == 0:
                count, power = count / sizes[letter], power + 1
            while count.denominator % primes[letter] == 0:
                count, power = count * sizes[letter], power - 1
            if power:
                monomial.append((letter, power))
        return tuple(sorted(monomial)), count

    for count, times, name in counts:
        if count * times == 0:
            continue
        monomial, coefficient = split(Fraction(count * times))
        parts: tuple[Monomial, ...] = ((),)
        if pair is not None and (coefficient / sum(sizes[x] for x in pair)).denominator == 1:
            coefficient /= sum(sizes[x] for x in pair)
            parts = tuple(((x, 1),) for x in pair)
        if not _smooth(abs(coefficient.numerator)) or not _smooth(coefficient.denominator):
            letters = ", ".join(sizes)
            raise NotPolynomial(
                f"{f.__name__}: {name} counts {count}, no monomial in {letters} (tiles may differ): use cost"
            )
        for part in parts:
            powers = dict(monomial)
            for letter, power in part:
                powers[letter] = powers.get(letter, 0) + power
            key = tuple(sorted(powers.items()))
            total[key] = total.get(key, Fraction(0)) + coefficient
    return total


def _smooth(number: int) -> bool:
    """Whether a number has small prime factors only."""
    for factor in range(2, _LARGEST_CONSTANT):
        while number % factor == 0:
            number //= factor
    return number == 1
