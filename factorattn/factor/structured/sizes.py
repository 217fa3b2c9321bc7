"""How sizes divide: what structured factorizations share."""

import math
from typing import Any

from factorattn.scalars import whole

__all__ = ["divides", "near_square", "prime_factors"]


def near_square(n: int) -> int:
    """The divisor of n that is nearest to its square root from below; 1 for zero."""
    return next((x for x in range(math.isqrt(n), 0, -1) if n % x == 0), 1)


def prime_factors(n: int) -> list[int]:
    """The prime factors of n with their multiplicity, rising; none of 0 and 1."""
    found, factor = [], 2
    while n > 1:
        while n % factor == 0:
            found.append(factor)
            n //= factor
        factor = n if factor * factor > n else factor + 1
    return found


def divides(length: int, what: str, **argument: Any) -> int:
    """A positive integer that divides a length; ValueError, with the nearest ones that do, if it does not."""
    (name,) = argument
    part = whole(**argument)
    if part < 1:
        raise ValueError(f"{name} must be positive, got {part}")
    if length % part:
        fits = [x for x in range(1, length + 1) if length % x == 0]
        near = sorted(sorted(fits, key=lambda x: abs(x - part))[:2])
        raise ValueError(
            f"{name} must divide the {length} {what}, got {part}; {' and '.join(map(str, near))} do, and are nearest"
        )
    return part
