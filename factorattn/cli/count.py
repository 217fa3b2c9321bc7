"""cost: what one call of a mechanism costs, without running it."""

from collections.abc import Callable
from typing import Any

from factorattn import Cost, cost
from factorattn.catalogue import Mechanism
from factorattn.cli.columns import MIB, number
from factorattn.cli.errors import BadInput
from factorattn.cli.listing import default_form
from factorattn.cli.screen import put, terminal
from factorattn.cli.sizes import DEFAULTS, letters_of, read_sizes
from factorattn.complexity import evaluate
from factorattn.contract import parse

__all__ = ["print_cost"]


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
    if options.get("form", default_form(f)) != default_form(f):
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
    of_form = f"({default_form(f)} form, the default)"
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
        if name == "causal" and record.causal not in ("option", "values"):
            raise BadInput(f"{f.__name__} is {record.causal} causal: it takes no causal=")
        options[name] = value if name == "form" else value.lower() == "true"
    return options
