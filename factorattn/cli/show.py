"""show: everything that the module, the signature, the record, counting and the laws say of one entry."""

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from factorattn import (
    Adapter,
    Factorization,
    Mechanism,
    NeedsValues,
    Record,
    family,
    kernels,
    memory_polynomial,
    time_polynomial,
)
from factorattn.cli.entries import entry, namesakes
from factorattn.cli.listing import default_form
from factorattn.cli.screen import put, terminal
from factorattn.complexity.polynomial import NotPolynomial

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["print_entry"]

FAR = ", for lengths far above all other sizes"
KEY = len("memory, declared")  # so that the two tables of a mechanism line up


def print_entry(name: str) -> None:
    """Print an entry by its name."""
    from rich.padding import Padding
    from rich.text import Text

    f = entry(name)
    record: Record = f.record  # type: ignore[attr-defined]
    console = terminal()
    put(console, Text(f"{f.__name__}{_signature(f)}", style="bold"))
    put(console, Padding(Text(inspect.cleandoc(inspect.getmodule(f).__doc__ or "")), (1, 0)))
    lines = [
        ("paper", _paper(f)),
        ("inputs", record.inputs),
        ("output", f"... {record.output}"),
        *_of_kind(f, record),
        ("time, declared", record.time),
        ("memory, declared", record.memory),
    ]
    for form in record.forms if isinstance(record, Mechanism) else (None,):
        told = "counted" if form is None else form
        sizes = ", for p <= q at full rank" if isinstance(record, Factorization) and "q" in record.inputs else ""
        lines += [
            (f"time, {told}", _counted(time_polynomial, f, form, f"operations{sizes}")),
            (
                f"memory, {told}",
                _counted(memory_polynomial, f, form, f"bytes in float32{sizes or FAR}"),
            ),
        ]
    others = list(namesakes(name))[1:]
    if others:
        lines.append(("namesakes", f"also {', '.join(others)}: `factorattn show {others[0]}`"))
    _print(console, lines)
    if isinstance(record, Mechanism | Factorization):  # takes a second or two: after all else
        _print(console, _laws(f) if isinstance(record, Mechanism) else _factor_laws(f))


def _print(console: "Console", lines: list[tuple[str, str]]) -> None:
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2))
    grid.add_column(min_width=KEY)
    for key, text in lines:
        grid.add_row(Text(key, style="dim"), Text(text))
    put(console, grid)


def _of_kind(f: Callable, record: Record) -> list[tuple[str, str]]:
    if isinstance(record, Mechanism):
        return _of_mechanism(f, record)
    lines = [("kind", type(record).__name__.lower())]
    if isinstance(record, Adapter):
        return [*lines, ("trained", f"{record.trainable} parameters")]
    if not isinstance(record, Factorization):
        return lines
    exact = {
        "always": "always",
        "rank": "from the rank of the matrix on",
        "form": "for matrices of the form of the result",
        "never": "in no case that can be told beforehand",
    }
    needs = {
        "any": "any matrix",
        "square": "a square matrix",
        "semidefinite": "a positive semidefinite matrix",
        "nonnegative": "a matrix without negative entries",
        "tensor": "a tensor: every axis is a mode",
    }
    return [
        *lines,
        ("family", family(f)),
        ("takes", needs[record.needs]),
        ("exact", exact[record.exact]),
        ("rank", "at most what is asked for" if record.lowrank else "any"),
        ("optimal", "yes: nothing of this form is nearer" if record.optimal else "no"),
        ("draws", "yes, from rng=" if record.random else "no"),
    ]


def _of_mechanism(f: Callable, record: Mechanism) -> list[tuple[str, str]]:
    causal = {
        "never": "no",
        "option": "causal=True",
        "values": "causal=True, of values: later queries and keys take part in forming groups",
        "always": "always",
    }
    lines = [
        ("family", family(f)),
        ("forms", f"{', '.join(record.forms)}; the first is the definition, {default_form(f)} the default"),
        ("causal", causal[record.causal]),
        ("mask", f"broadcasts to (..., {', '.join(record.mask_shape.split())})" if record.mask else "no"),
        *((f"no {option}", f"{why}") for option, why in record.refuses.items()),
        ("normalised", "yes: weights of a row sum to one" if record.normalised else "no"),
        ("positions", "matter" if record.positional else "do not matter"),
        ("queries", "influence each other" if record.coupled else "are answered alone"),
    ]
    if record.knob:
        lines.append(("approximates", f"{record.approximates}, the better the larger {record.knob} is"))
    return lines


def _laws(f: Callable) -> list[tuple[str, str]]:
    """The laws, tried here and now: on NumPy arrays, in every form, without kernels."""
    from factorattn.testing.check import cases
    from factorattn.testing.cost_laws import COST_LAWS
    from factorattn.testing.laws import LAWS

    with kernels("off"):
        passed, idle, broken = _tried(LAWS, list(cases(f)))
    for name, cost_law in COST_LAWS.items():
        try:
            cost_law(f)
            passed.append(name)
        except (AssertionError, NotPolynomial) as error:
            broken.append(f"{name} ({error})")
    return _verdict(passed, idle, broken)


def _factor_laws(f: Callable) -> list[tuple[str, str]]:
    """The same for a factorization."""
    from factorattn.testing.factor_case import factor_cases
    from factorattn.testing.factor_laws import FACTOR_LAWS

    return _verdict(*_tried(FACTOR_LAWS, list(factor_cases(f))))


def _tried(laws: Mapping[str, Callable], cases: list) -> tuple[list[str], list[str], list[str]]:
    """The laws that hold in all cases, those that apply to none, and those that are broken, with the reason."""
    passed: list[str] = []
    idle: list[str] = []
    broken: list[str] = []
    for name, law in laws.items():
        try:
            applied = [law(case) for case in cases]
        except AssertionError as error:
            broken.append(f"{name} ({error})")
        else:
            (passed if any(applied) else idle).append(name)
    return passed, idle, broken


def _verdict(passed: list[str], idle: list[str], broken: list[str]) -> list[tuple[str, str]]:
    lines = [("laws passed", f"{len(passed)} of {len(passed) + len(broken)}: {_words(passed)}")]
    lines += [("do not apply", _words(idle))] if idle else []
    return lines + [("BROKEN", law) for law in broken]


def _words(names: list[str]) -> str:
    return ", ".join(name.replace("_", " ") for name in names)


def _signature(f: Callable) -> str:
    """Names and defaults; every annotation of an array is the same."""
    signature = inspect.signature(f)
    bare = [p.replace(annotation=inspect.Parameter.empty) for p in signature.parameters.values()]
    return str(signature.replace(parameters=bare, return_annotation=inspect.Signature.empty))


def _paper(f: Callable) -> str:
    """The reference in the docstring, and its key in docs/references.bib."""
    _, _, after = inspect.cleandoc(f.__doc__ or "").partition("References\n----------\n")
    key = f.record.paper  # type: ignore[attr-defined]
    reference = " ".join(after.partition("\n\n")[0].split()).removeprefix(".. [1] ").partition(" .. [2]")[0]
    return f"{reference} [{key}]" if reference else key


def _counted(polynomial: Callable, f: Callable, form: str | None, unit: str) -> str:
    options = {} if form is None else {"form": form}
    try:
        return f"{polynomial(f, **options)} {unit}"
    except NeedsValues:
        return "not counted: it depends on values"
    except NotImplementedError as error:
        return f"not counted: {error}"
    except ValueError as error:  # or sizes that depend on each other, where each has a prime of its own
        why = "arrays of the sizes that it is read from have too many entries" if "too large" in str(error) else error
        return f"not a polynomial: {why}"
