"""How an approximation gets better: its relative error as its knob is turned."""

import inspect
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from factorattn.attention import CATALOGUE
from factorattn.contract import parse

__all__ = ["KNOB_OPTIONS", "knob_errors", "knob_option"]

# With these options the knob alone decides: clusters are few, and blocks alone are seen.
KNOB_OPTIONS: dict[str, dict[str, Any]] = {
    "improved_clustered_attention": {"clusters": 8},
    "bigbird_attention": {"window": 0, "random": 0, "global_tokens": ()},
    "local_1d_attention": {"memory": 0},
}


def knob_option(f: Callable) -> str | None:
    """The option that sets the knob of a mechanism: "rank", "window", ...; None if it has none."""
    record = f.record  # type: ignore[attr-defined]
    names = [item.name for item in parse(record.inputs) if item.kind == "size" and item.axes == (record.knob,)]
    return names[0] if names else None


def knob_errors(
    f: Callable, inputs: tuple[Any, Any, Any], settings: Iterable[int], *, draws: int = 15, **options: Any
) -> list[float]:
    """Errors of ``f(q, k, v)`` against the mechanism that it approximates, one for each setting of its knob.

    Parameters
    ----------
    f : callable
        Carries a record with `approximates` and `knob`.
    inputs : tuple of ndarray
        q, k and v.
    settings : iterable of int
        Values of the knob.
    draws : int
        Where `f` draws at random, the error is the median over so many seeds.
    **options
        Passed on to `f`; by default those of `KNOB_OPTIONS`.

    Returns
    -------
    errors : list of float
        Relative to the norm of what is approximated (Frobenius, over all batch members).
    """
    options = {**KNOB_OPTIONS.get(f.__name__, {}), **options}
    name = knob_option(f)
    if name is None:
        raise ValueError(f"{f.__name__} has no option that sets a knob")
    target = CATALOGUE[f.record.approximates]  # type: ignore[attr-defined]
    want = target(*inputs, form=target.record.forms[0])  # type: ignore[attr-defined]
    random = "rng" in inspect.signature(f).parameters
    seeds = [{"rng": seed} for seed in range(draws)] if random else [{}]
    norm = np.linalg.norm(want)

    def error(size: int, seed: dict[str, int]) -> float:
        return float(np.linalg.norm(f(*inputs, **{name: size}, **seed, **options) - want) / norm)

    return [float(np.median([error(size, seed) for seed in seeds])) for size in settings]
