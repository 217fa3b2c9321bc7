"""One equivalence: two calls that are mathematically the same."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["Equivalence"]


@dataclass(frozen=True)
class Equivalence:
    """Two functions of q (h, n, d), k (h, n, d) and v (h, n, e) that agree to rounding.

    Parameters
    ----------
    left, right : str
        Names of mechanisms, scores, distributions or positions: the nodes of a graph.
    when : str
        What makes them the same, in words: "the window is as wide as the sequence".
    compute, expect : callable
        The two sides, called with three arrays of float64.
    """

    left: str
    right: str
    when: str
    compute: Callable[[Any, Any, Any], Any]
    expect: Callable[[Any, Any, Any], Any]

    def __str__(self) -> str:
        return f"{self.left} = {self.right}, when {self.when}"
