"""Laws of cost: what a record declares is what its text does. They need no arrays with values."""

import math
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from fractions import Fraction
from typing import Any

from factorattn.complexity.cost import cost
from factorattn.complexity.formula import evaluate, monomials
from factorattn.complexity.polynomial import NotPolynomial, Polynomial, memory_polynomial, time_polynomial
from factorattn.contract import parse
from factorattn.interpret.counting import counting
from factorattn.testing.case import Case

__all__ = [
    "COST_LAWS",
    "declared_growth_is_counted",
    "declared_memory_is_counted",
    "declared_time_is_counted",
    "shapes_are_read_without_values",
]

EXPONENT = 0.25  # lower terms and logarithms may add so much to an exponent of growth


def declared_time_is_counted(f: Callable, **options: Any) -> None:
    """The leading monomials of the declared time are those of the exact polynomial of the default form."""
    _same_growth(f, "time", f.record.time, time_polynomial(f, **options))  # type: ignore[attr-defined]


def declared_memory_is_counted(f: Callable, **options: Any) -> None:
    """The same of the memory held beside the inputs, whichever of the sizes is large against the others."""
    letters = {letter for item in parse(f.record.inputs) for letter in item.axes}  # type: ignore[attr-defined]
    held = Polynomial()
    for large in (None, *sorted(letters)):
        with suppress(NotPolynomial):  # tiles need not fit a size that is 64 times as large
            held.update(memory_polynomial(f, large=large, **options))
    _same_growth(f, "memory", f.record.memory, held)  # type: ignore[attr-defined]


def declared_growth_is_counted(
    f: Callable, sizes: Mapping[str, int], together: Collection[tuple[str, ...]] = (), times: int = 4, **options: Any
) -> None:
    """Time and memory grow as declared when sizes do: for texts that no polynomial in single letters tells.

    Parameters
    ----------
    f : callable
        Carries a record.
    sizes : mapping of str to int
        A size for each letter, far enough apart that one term of the declared formula is far above the others.
    together : collection of tuple of str
        The letters that grow at once; by default each by itself.
    times : int
        How many times as large they become.
    **options
        Passed on to `f`.
    """
    record, before = f.record, cost(f, sizes, **options)  # type: ignore[attr-defined]
    for letters in together or [(letter,) for letter in sizes]:
        grown = {letter: times * size if letter in letters else size for letter, size in sizes.items()}
        after = cost(f, grown, **options)
        for what, formula, counted in (
            ("time", record.time, after.flops / before.flops),
            ("memory", record.memory, after.peak / before.peak),
        ):
            declared = evaluate(formula, grown) / evaluate(formula, sizes)
            if abs(math.log(counted / declared, times)) > EXPONENT:
                raise AssertionError(
                    f"{f.__name__}: declares {what} {formula}, {declared:.1f} times as much for {times} times "
                    f"{' and '.join(letters)}; {counted:.1f} times is counted"
                )


def _same_growth(f: Callable, what: str, formula: str, counted: Polynomial) -> None:
    declared = Polynomial({monomial: Fraction(1) for monomial in monomials(formula)})
    if declared.leading() != counted.leading():
        raise AssertionError(f"{f.__name__}: declares {what} {formula}, but {counted} is counted")


def shapes_are_read_without_values(case: Case) -> None:
    """Every form runs on arrays without values, gives the same shape and dtype, and costs something."""
    inputs = case.inputs(batch=(2,), dtype="float32")
    want, xp = case.run(inputs), counting()
    shapes = {name: xp.empty(v.shape, dtype=v.dtype) if hasattr(v, "shape") else v for name, v in inputs.items()}
    options: dict[str, Any] = {"causal": case.causal} if case.record.causal in ("option", "values") else {}
    out = case.f(**shapes, **options, form=case.form)
    if out.shape != want.shape or out.dtype != want.dtype:
        raise AssertionError(f"{case}: {want.dtype} {want.shape}, but counted as {out.dtype} {out.shape}")
    counted = cost(case.f, case.sizes, batch=(2,), form=case.form, **options).flops
    if counted <= 0 or counted != xp.tally.flops:
        raise AssertionError(f"{case}: costs {counted} operations by sizes, {xp.tally.flops} by arrays")


COST_LAWS: dict[str, Callable[..., None]] = {
    law.__name__: law for law in (declared_time_is_counted, declared_memory_is_counted)
}
