"""Declared formulas such as "n*w*d + m**2/b": sums of products of letters, evaluated and taken apart without `eval`."""

import ast
import math
from collections.abc import Mapping
from fractions import Fraction

__all__ = ["Monomial", "evaluate", "monomials"]

Monomial = tuple[tuple[str, int | Fraction], ...]  # (("d", 1), ("n", 2)) is d n^2; fractions are powers, too


def monomials(formula: str) -> set[Monomial]:
    """The monomials of a formula, without their coefficients."""
    return {tuple(sorted(powers.items())) for _, powers in _terms(formula)}


def evaluate(formula: str, sizes: Mapping[str, int]) -> int:
    """The value of a formula, rounded up. ValueError if a letter has no size."""
    total = Fraction(0)
    for number, powers in _terms(formula):
        product = Fraction(number)
        for letter, power in powers.items():
            if letter not in sizes:
                raise ValueError(f"formula {formula!r} needs a size for {letter}")
            product *= Fraction(Fraction(sizes[letter]) ** power)
        total += product
    return math.ceil(total)


def _terms(formula: str) -> list[tuple[int, dict[str, int | Fraction]]]:
    refusal = ValueError(f"formula must be a sum of products of letters, got {formula!r}")

    def sum_of(node: ast.expr) -> list[tuple[int, dict[str, int | Fraction]]]:
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            return sum_of(node.left) + sum_of(node.right)
        return [product_of(node)]

    def power_of(node: ast.expr) -> int | Fraction:
        match node:
            case ast.Constant(value=int(power)):
                return power
            case ast.BinOp(left=ast.Constant(value=int(above)), op=ast.Div(), right=ast.Constant(value=int(below))):
                return Fraction(above, below)
        raise refusal

    def product_of(node: ast.expr) -> tuple[int, dict[str, int | Fraction]]:
        match node:
            case ast.Name(id=letter):
                return 1, {letter: 1}
            case ast.Constant(value=int(number)) if not isinstance(number, bool):
                return number, {}
            case ast.BinOp(left=ast.Name(id=letter), op=ast.Pow(), right=exponent):
                power = power_of(exponent)
                return 1, {letter: power} if power else {}
            case ast.BinOp(left=left, op=ast.Mult(), right=right):
                (a, powers), (b, more) = product_of(left), product_of(right)
                return a * b, {letter: powers.get(letter, 0) + more.get(letter, 0) for letter in {**powers, **more}}
            case ast.BinOp(left=left, op=ast.Div(), right=ast.Name() | ast.BinOp(op=ast.Pow()) as right):
                (a, powers), (_, less) = product_of(left), product_of(right)  # by a letter or a power of one
                return a, {letter: powers.get(letter, 0) - less.get(letter, 0) for letter in {**powers, **less}}
        raise refusal

    try:
        return sum_of(ast.parse(formula, mode="eval").body)
    except SyntaxError:
        raise refusal from None
