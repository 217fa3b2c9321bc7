"""All laws at once, for a mechanism or a factorization of your own."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from factorattn.catalogue import Factorization
from factorattn.testing.case import SIZES, Case
from factorattn.testing.cost_laws import COST_LAWS, shapes_are_read_without_values
from factorattn.testing.factor_case import factor_cases
from factorattn.testing.factor_laws import FACTOR_LAWS
from factorattn.testing.gradient_laws import FEW, GRADIENT_LAWS
from factorattn.testing.laws import LAWS

__all__ = ["cases", "check_factorization", "check_mechanism"]


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
    for case in cases(f, xp=xp, sizes={**FEW, **(sizes or {})}):
        for law in GRADIENT_LAWS.values():
            law(case)
    for cost_law in COST_LAWS.values():
        cost_law(f)


def cases(f: Callable, *, xp: Any = np, sizes: Mapping[str, int] | None = None) -> Iterator[Case]:
    """Every form of a mechanism, causal and not, as far as its record says that it can be."""
    record = f.record  # type: ignore[attr-defined]
    for form in record.forms:
        for causal in {"never": (False,), "always": (True,)}.get(record.causal, (False, True)):
            yield Case(f, form, causal, xp, sizes={**SIZES, **(sizes or {})})


def check_factorization(f: Callable, *, xp: Any = np, options: Mapping[str, Any] | None = None) -> None:
    """Hold a factorization against every law, on tall, wide and square matrices or tensors, as its record says.

    Parameters
    ----------
    f : callable
        Carries a `factorattn.Factorization` record; called as ``f(a, rank)``, or ``f(a)`` if its contract has no rank.
    xp : namespace
        Whose arrays to use.
    options : mapping, optional
        Further arguments of `f`.

    Raises
    ------
    TypeError
        If `f` carries no such record.
    AssertionError
        At the first law that does not hold, naming it, the shape and the size of the error.
    """
    if not isinstance(getattr(f, "record", None), Factorization):
        raise TypeError(
            f"check_factorization needs a function with a record: decorate it with Factorization, got {f!r}"
        )
    for case in factor_cases(f, xp=xp, options=options):
        for law in FACTOR_LAWS.values():
            law(case)
