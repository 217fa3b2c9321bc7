"""What is known of an attention mechanism: a record that describes it, and never builds, wraps or discovers anything.

Every field is checked by a test or generates something (law tests, documentation, command line, cost reports).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

__all__ = ["Mechanism", "family", "mechanism"]

F = TypeVar("F", bound=Callable)
CAUSAL = ("never", "option", "always")


@dataclass(frozen=True, kw_only=True)
class Mechanism:
    """The record carried by a mechanism ``f`` as ``f.mechanism``; as a decorator, it attaches itself.

    Parameters
    ----------
    inputs : str
        The contract of its array, size and position arguments (see `factorattn.contract`).
    forms : tuple of str
        Mathematically equal algorithms; the first is the definition.
    time, memory : str
        Leading operations, and leading numbers held beside the inputs, of the default form: sums of monomials in the
        letters of the contract.
    causal : {"never", "option", "always"}
        Whether the mechanism can be, or always is, blind to the future.
    mask : bool
        Whether it takes ``mask=`` and ``bias=`` of any shape that broadcasts to (..., n, m).
    normalised : bool
        Whether the weights of a row sum to one, so that constant values stay constant.
    paper : str
        Key in ``docs/references.bib``.
    approximates : str, optional
        Name of the mechanism it approximates.
    knob : str, optional
        Letter whose growth improves the approximation.
    """

    inputs: str
    forms: tuple[str, ...]
    time: str
    memory: str
    causal: str
    mask: bool
    normalised: bool
    paper: str
    approximates: str | None = None
    knob: str | None = None

    def __post_init__(self) -> None:
        if self.causal not in CAUSAL:
            raise ValueError(f"causal must be {' or '.join(map(repr, CAUSAL))}, got {self.causal!r}")

    def __call__(self, f: F) -> F:
        """Attach the record to a function and return the same function."""
        f.mechanism = self  # type: ignore[attr-defined]
        return f


mechanism = Mechanism  # as a decorator: @mechanism(inputs=..., ...)


def family(f: Callable) -> str:
    """The family of a mechanism: the folder that its file is in."""
    return f.__module__.split(".")[-2]
