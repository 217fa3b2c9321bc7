"""list, show and cost: what is known of a mechanism without running it."""

import inspect
from collections.abc import Callable
from typing import Any

from factorattn import CATALOGUE, Cost, cost, family, memory_polynomial, time_polynomial
from factorattn.catalogue import Mechanism
from factorattn.cli.errors import BadInput
from factorattn.cli.job import EXACT
from factorattn.cli.sizes import DEFAULTS, letters_of, read_sizes
from factorattn.cli.table import terminal
from factorattn.complexity import evaluate
from factorattn.complexity.polynomial import NotPolynomial

__all__ = ["print_cost", "print_list", "print_mechanism"]


def print_list() -> None:
    """One line for each mechanism, family by family."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("family", "mechanism", "weights", "time", "memory", "causal", "forms"):
        table.add_column(title, overflow="fold", no_wrap=title == "mechanism")
    functions = sorted(CATALOGUE.values(), key=lambda f: (family(f), f.__name__))
    for i, f in enumerate(functions):
        record: Mechanism = f.mechanism  # type: ignore[attr-defined]
        forms = [f"{form} (default)" if form == _default_form(f) else form for form in record.forms]
        cells = (
            family(f),
            f.__name__,
            _weights(f),
            record.time,
            record.memory,
            record.causal,
            ", ".join(forms),
        )
        last = i + 1 == len(functions) or family(functions[i + 1]) != family(f)
        table.add_row(*map(Text, cells), end_section=last)
    terminal().print(table)


def print_mechanism(f: Callable) -> None:
    """Everything that its module, its signature, its record and counting say."""
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    record: Mechanism = f.mechanism  # type: ignore[attr-defined]
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
    console.print(Text(f"{f.__name__}{_signature(f)}", style="bold"))
    console.print(Padding(Text(inspect.cleandoc(inspect.getmodule(f).__doc__ or "")), (1, 0)))
    grid = Table.grid(padding=(0, 2))
    for key, text in lines:
        grid.add_row(Text(key, style="dim"), Text(text))
    console.print(grid)


def print_cost(f: Callable, words: list[str], *, as_json: bool) -> None:
    """Count one call and print operations, bytes and the declared formulas' values."""
    options = _options(f, [word for word in words if word.partition("=")[0] in ("causal", "form")])
    sizes = _sizes(f, [word for word in words if word.partition("=")[0] not in ("causal", "form")])
    counted = cost(f, sizes, **options)
    record: Mechanism = f.mechanism  # type: ignore[attr-defined]
    declared = {name: evaluate(formula, sizes) for name, formula in (("time", record.time), ("memory", record.memory))}
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

    record: Mechanism = f.mechanism  # type: ignore[attr-defined]
    told = ", ".join(f"{letter} = {size:,}" for letter, size in sizes.items())
    lines = [("operations", f"{counted.flops:,}")]
    lines += [(f"  {kind}", f"{count:,}") for kind, count in counted.by_kind.items()]
    lines += [
        ("bytes moved", f"{counted.moved:,}"),
        ("bytes at the peak", f"{counted.peak:,}"),
        ("time, declared", f"{declared['time']:,}"),
        ("memory, declared", f"{declared['memory']:,}"),
    ]
    remarks = {
        "bytes moved": "read and written, function by function",
        "bytes at the peak": "held at once beside the inputs",
        "time, declared": record.time,
        "memory, declared": f"{record.memory} numbers",
    }
    console = terminal()
    choice = "".join(f", {name} = {str(value).lower()}" for name, value in options.items())
    console.print(Text(f"{f.__name__}: {told}{choice}, float32", style="bold"))
    grid = Table.grid(padding=(0, 2))
    grid.add_column()
    grid.add_column(justify="right")
    for key, text in lines:
        grid.add_row(Text(key), Text(text), Text(remarks.get(key, ""), style="dim"))
    console.print(grid)


def _sizes(f: Callable, words: list[str]) -> dict[str, int]:
    letters = letters_of(f.mechanism)  # type: ignore[attr-defined]
    given = read_sizes(words, letters, f"{f.__name__} has {', '.join(letters)}, and causal= and form=")
    sizes = {"n": DEFAULTS["n"], "d": DEFAULTS["d"]} | given
    sizes = {"m": sizes["n"], "e": sizes["d"]} | sizes
    longest = min(sizes["n"], sizes["m"])
    sizes = {letter: min(size, longest) for letter, size in DEFAULTS.items() if letter not in sizes} | sizes
    missing = [letter for letter in letters if letter not in sizes]
    if missing:
        raise BadInput(f"{f.__name__} needs a size for {', '.join(missing)}, e.g. {missing[0]}=64")
    return {letter: sizes[letter] for letter in letters}


def _options(f: Callable, words: list[str]) -> dict[str, Any]:
    record: Mechanism = f.mechanism  # type: ignore[attr-defined]
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
    record: Mechanism = f.mechanism  # type: ignore[attr-defined]
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
    key = f.mechanism.paper  # type: ignore[attr-defined]
    reference = " ".join(after.partition("\n\n")[0].split()).removeprefix(".. [1] ")
    return f"{reference} [{key}]" if reference else key


def _counted(polynomial: Callable, f: Callable, form: str, unit: str) -> str:
    try:
        return f"{polynomial(f, form=form)} {unit}"
    except NotPolynomial as error:
        return f"not a polynomial: {error}"
