"""list: a line for each mechanism, family by family; then scores, distributions and positions."""

import inspect
from collections.abc import Callable, Sequence

from factorattn import CATALOGUE, Mechanism, Record, family
from factorattn.cli.entries import KINDS
from factorattn.cli.screen import layout, put, table_of, terminal

__all__ = ["default_form", "equation", "print_list"]

LISTED = ("family", "mechanism", "approximates", "time", "memory", "causal", "forms")
OTHERS = ("kind", "name", "time", "equation")


def print_list() -> None:
    """Print two tables."""
    from rich.text import Text

    functions = sorted(CATALOGUE.values(), key=lambda f: (family(f), f.__name__))
    rows = [_told(f) for f in functions]
    short = [f.__name__.removesuffix("_attention") for f in functions]
    _print(LISTED, rows, short, "mechanism", ("forms", "memory", "time", "approximates", "causal"))
    others = [(kind, f) for kind, entries in KINDS.items() if kind != "mechanism" for f in entries.values()]
    put(terminal(), Text(""))
    rows = [(kind, f.__name__, _record(f).time, equation(f)) for kind, f in others]
    _print(OTHERS, rows, [f.__name__ for _, f in others], "name", ("equation", "time"))
    counts = ", ".join(f"{len(entries)} {kind}s" for kind, entries in KINDS.items())
    put(terminal(), Text(f"\n{counts}; `factorattn show NAME` tells everything of one"))


def _told(f: Callable) -> tuple[str, ...]:
    record: Mechanism = f.record  # type: ignore[attr-defined]
    forms = [f"{form} (default)" if form == default_form(f) else form for form in record.forms]
    return family(f), f.__name__, record.approximates or "", record.time, record.memory, record.causal, ", ".join(forms)


def _print(
    titles: Sequence[str], rows: Sequence[Sequence[str]], short: Sequence[str], name: str, least: Sequence[str]
) -> None:
    """A table, in groups by its first column; columns that do not fit are left out and named."""
    from rich.text import Text

    cells = {title: [row[i] for row in rows] for i, title in enumerate(titles)}
    found = layout(cells, short, name, least)
    if found.short:
        cells[name] = list(short)
    console = terminal(found.width)
    table = table_of(found.shown, titles, console)
    groups = cells[titles[0]]
    for i, group in enumerate(groups):
        last = i + 1 == len(groups) or groups[i + 1] != group
        table.add_row(*(Text(cells[title][i]) for title in found.shown), end_section=last)
    put(console, table)
    left = [title for title in titles if title not in found.shown]
    if left:
        put(console, Text(f"{', '.join(left)} left out for want of width: widen the terminal, or show one entry"))


def default_form(f: Callable) -> str:
    """The form that runs where none is asked for."""
    return inspect.signature(f).parameters["form"].default


def equation(f: Callable) -> str:
    """The first indented line of the module's docstring."""
    lines = inspect.cleandoc(inspect.getmodule(f).__doc__ or "").splitlines()
    return next((line.strip() for line in lines if line.startswith("    ")), "")


def _record(f: Callable) -> Record:
    return f.record  # type: ignore[attr-defined]
