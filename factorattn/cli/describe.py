"""list, show and cost: what is known of a mechanism without running it."""

import inspect
from collections.abc import Callable
from typing import Any

from factorattn import CATALOGUE, Cost, cost, family, memory_polynomial, time_polynomial
from factorattn.catalogue import Mechanism
from factorattn.cli.columns import MIB, number
from factorattn.cli.errors import BadInput
from factorattn.cli.job import EXACT
from factorattn.cli.screen import layout, put, table_of, terminal
from factorattn.cli.sizes import DEFAULTS, letters_of, read_sizes
from factorattn.complexity import evaluate
from factorattn.complexity.polynomial import NotPolynomial
from factorattn.contract import parse

__all__ = ["print_cost", "print_list", "print_mechanism"]

LISTED = ("family", "mechanism", "weights", "time", "memory", "causal", "forms")


def print_list() -> None:
    """One line for each mechanism, family by family."""
    from rich.text import Text

    functions = sorted(CATALOGUE.values(), key=lambda f: (family(f), f.__name__))
    cells: dict[str, list[str]] = {title: [] for title in LISTED}
    for f in functions:
        record: Mechanism = f.record  # type: ignore[attr-defined]
        forms = [f"{form} (default)" if form == _default_form(f) else form for form in record.forms]
        told = (
            family(f),
            f.__name__,
            _weights(f),
            record.time,
            record.memory,
            record.causal,
            ", ".join(forms),
        )
        for column, text in zip(cells.values(), told, strict=True):
            column.append(text)
    short = [name.removesuffix("_attention") for name in cells["mechanism"]]
    found = layout(cells, short, "mechanism", ("forms", "memory", "time", "weights", "causal"))
    if found.short:
        cells["mechanism"] = short
    console = terminal(found.width)
    table = table_of(found.shown, LISTED, console)
    for i, f in enumerate(functions):
        last = i + 1 == len(functions) or family(functions[i + 1]) != family(f)
        table.add_row(*(Text(cells[title][i]) for title in found.shown), end_section=last)
    put(console, table)
    left = [title for title in LISTED if title not in found.shown]
    if left:
        put(console, Text(f"{', '.join(left)} left out for want of width: widen the terminal, or show one mechanism"))


def print_mechanism(f: Callable) -> None:
    """Everything that its module, its signature, its record and counting say."""
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    record: Mechanism = f.record  # type: ignore[attr-defined]
    lines = [
        ("family", family(f)),
        ("weights", _weights(f)),
        ("paper", _paper(f)),
        ("inputs", record.inputs),
        ("forms", f"{', '.join(record.forms)}; the first is the definition, {_default_form(f)} the default"),
        ("causal", {"never": "no", "option": "causal=True", "always": "always"}[record.causal]),
        ("mask, bias", "yes" if record.mask else "no"),
        ("normalised", "yes: weights of a row sum to one" if record.normalised else "no"),
        ("time, declared", record.time),
        ("memory, declared", record.memory),
    ]
    if record.knob:
        lines.append(("knob", f"{record.knob}: the larger, the nearer to {record.approximates}"))
    for form in record.forms:
        lines += [
            (f"time, {form}", _counted(time_polynomial, f, form, "operations")),
            (f"memory, {form}", _counted(memory_polynomial, f, form, "bytes in float32")),
        ]
    console = terminal()
    put(console, Text(f"{f.__name__}{_signature(f)}", style="bold"))
    put(console, Padding(Text(inspect.cleandoc(inspect.getmodule(f).__doc__ or "")), (1, 0)))
    grid = Table.grid(padding=(0, 2))
    for key, text in lines:
        grid.add_row(Text(key, style="dim"), Text(text))
    put(console, grid)


def print_cost(f: Callable, words: list[str], *, as_json: bool) -> None:
    """Count one call and print operations, bytes and the declared formulas' values."""
    options = _options(f, [word for word in words if word.partition("=")[0] in ("causal", "form")])
    sizes = _sizes(f, [word for word in words if word.partition("=")[0] not in ("causal", "form")])
    try:
        counted = cost(f, sizes, **options)
    except ValueError as error:  # here the sizes are the user's
        raise BadInput(f"{f.__name__}: {error}") from None
    record: Mechanism = f.record  # type: ignore[attr-defined]
    declared = {name: evaluate(formula, sizes) for name, formula in (("time", record.time), ("memory", record.memory))}
    if options.get("form", _default_form(f)) != _default_form(f):
        declared = {}  # the formulas are those of the default form
    if as_json:
        from sys import stdout

        from factorattn.cli.export import dump

        call = {"mechanism": f.__name__, "sizes": sizes, "options": options, "dtype": "float32"}
        dump(call | counted._asdict() | {f"declared_{name}": value for name, value in declared.items()}, stdout)
    else:
        _print_counted(f, sizes, options, counted, declared)


def _print_counted(f: Callable, sizes: dict, options: dict, counted: Cost, declared: dict[str, int]) -> None:
    from rich.table import Table
    from rich.text import Text

    record: Mechanism = f.record  # type: ignore[attr-defined]
    told = ", ".join(f"{letter} = {size:,}" for letter, size in sizes.items())
    lines = [("operations", f"{counted.flops:,}")]
    lines += [(f"  {kind}", f"{count:,}") for kind, count in counted.by_kind.items()]
    lines += [("bytes moved", f"{counted.moved:,}"), ("bytes at the peak", f"{counted.peak:,}")]
    lines += [(f"{name}, declared", f"{value:,}") for name, value in declared.items()]
    of_form = f"({_default_form(f)} form, the default)"
    remarks = {
        "operations": f"{number(counted.flops / 1e9)} GFLOP",
        "bytes moved": f"{number(counted.moved / MIB)} MiB read and written, function by function",
        "bytes at the peak": f"{number(counted.peak / MIB)} MiB held at once beside the inputs",
        "time, declared": f"{record.time} {of_form}",
        "memory, declared": f"{record.memory} numbers {of_form}",
    }
    console = terminal()
    choice = "".join(f", {name} = {str(value).lower()}" for name, value in options.items())
    put(console, Text(f"{f.__name__}: {told}{choice}, float32", style="bold"))
    grid = Table.grid(padding=(0, 2))
    grid.add_column()
    grid.add_column(justify="right")
    for key, text in lines:
        grid.add_row(Text(key), Text(text), Text(remarks.get(key, ""), style="dim"))
    put(console, grid)


def _sizes(f: Callable, words: list[str]) -> dict[str, int]:
    letters = letters_of(f.record)  # type: ignore[attr-defined]
    given = read_sizes(words, letters, f"{f.__name__} has {', '.join(letters)}, and causal= and form=")
    sizes = {"n": DEFAULTS["n"], "d": DEFAULTS["d"]} | given
    sizes = {"m": sizes["n"], "e": sizes["d"]} | sizes
    longest = min(sizes["n"], sizes["m"])
    sizes = {letter: min(size, longest) for letter, size in DEFAULTS.items() if letter not in sizes} | sizes
    missing = [letter for letter in letters if letter not in sizes]
    if missing:
        raise BadInput(f"{f.__name__} needs a size for {', '.join(missing)}, e.g. {missing[0]}=64")
    record: Mechanism = f.record  # type: ignore[attr-defined]
    knob = record.knob or ""
    projected = any(item.optional and item.axes == (knob, "m") for item in parse(record.inputs))
    if projected and sizes[knob] > sizes["m"]:  # the mechanism makes such a projection itself, from m keys to fewer
        raise BadInput(f"rank {knob} must be at most the number of keys {sizes['m']}, got {sizes[knob]}")
    return {letter: sizes[letter] for letter in letters}


def _options(f: Callable, words: list[str]) -> dict[str, Any]:
    record: Mechanism = f.record  # type: ignore[attr-defined]
    options: dict[str, Any] = {}
    for word in words:
        name, _, value = word.partition("=")
        if name in options:
            raise BadInput(f"{name} is given twice")
        if name == "form" and value not in record.forms:
            raise BadInput(f"form must be {' or '.join(record.forms)}, got {value!r}")
        if name == "causal" and value.lower() not in ("true", "false"):
            raise BadInput(f"causal must be true or false, got {value!r}")
        if name == "causal" and record.causal != "option":
            raise BadInput(f"{f.__name__} is {record.causal} causal: it takes no causal=")
        options[name] = value if name == "form" else value.lower() == "true"
    return options


def _default_form(f: Callable) -> str:
    return inspect.signature(f).parameters["form"].default


def _weights(f: Callable) -> str:
    record: Mechanism = f.record  # type: ignore[attr-defined]
    if record.approximates:
        return f"approximates {record.approximates}"
    return "exact" if f.__name__ == EXACT else "its own"


def _signature(f: Callable) -> str:
    """Names and defaults; every annotation of an array is the same."""
    signature = inspect.signature(f)
    bare = [p.replace(annotation=inspect.Parameter.empty) for p in signature.parameters.values()]
    return str(signature.replace(parameters=bare, return_annotation=inspect.Signature.empty))


def _paper(f: Callable) -> str:
    """The reference in the docstring, and its key in docs/references.bib."""
    _, _, after = inspect.cleandoc(f.__doc__ or "").partition("References\n----------\n")
    key = f.record.paper  # type: ignore[attr-defined]
    reference = " ".join(after.partition("\n\n")[0].split()).removeprefix(".. [1] ")
    return f"{reference} [{key}]" if reference else key


def _counted(polynomial: Callable, f: Callable, form: str, unit: str) -> str:
    try:
        return f"{polynomial(f, form=form)} {unit}"
    except NotPolynomial as error:
        return f"not a polynomial: {error}"
