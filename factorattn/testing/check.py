"""All laws at once, for a mechanism of your own."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from factorattn.testing.case import SIZES, Case
from factorattn.testing.cost_laws import COST_LAWS, shapes_are_read_without_values
from factorattn.testing.laws import LAWS

__all__ = ["cases", "check_mechanism"]


def check_mechanism(f: Callable, *, xp: Any = np, sizes: Mapping[str, int] | None = None) -> None:
    """Hold a mechanism against every law, in every form.

    Parameters
    ----------
    f : callable
        Carries a record (see `factorattn.mechanism`).
    xp : namespace
        Whose arrays to use.
    sizes : mapping of str to int, optional
        For letters that `factorattn.testing.SIZES` lacks, or to replace its sizes.

    Raises
    ------
    TypeError
        If `f` carries no record, or takes no ``form=``.
    AssertionError
        At the first law that does not hold, naming it, the form and the size of the error.
    """
    if not hasattr(f, "record"):
        raise TypeError(
            f"check_mechanism needs a function with a record: decorate it with factorattn.mechanism, got {f!r}"
        )
    if "form" not in inspect.signature(f).parameters:
        raise TypeError(
            f"{f.__name__} must take form=, even if it has one form only; factorattn.contract.choose refuses others"
        )
    for case in cases(f, xp=xp, sizes=sizes):
        for law in (*LAWS.values(), shapes_are_read_without_values):
            law(case)
    for cost_law in COST_LAWS.values():
        cost_law(f)


def cases(f: Callable, *, xp: Any = np, sizes: Mapping[str, int] | None = None) -> Iterator[Case]:
    """Every form of a mechanism, causal and not, as far as its record says that it can be."""
    record = f.record  # type: ignore[attr-defined]
    for form in record.forms:
        for causal in {"never": (False,), "always": (True,)}.get(record.causal, (False, True)):
            yield Case(f, form, causal, xp, sizes={**SIZES, **(sizes or {})})
