"""What factoring did to a checkpoint, as a table in the terminal and as CSV."""

import csv
import itertools
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TextIO

from factorattn.cli.columns import MIB, number
from factorattn.cli.screen import layout, notes_grid, put, table_of, terminal

if TYPE_CHECKING:
    from factorattn.compress.checkpoint.reconstruct import Reconstruction
    from factorattn.compress.checkpoint.report import Report, Row

__all__ = ["print_restored", "print_savings", "write_csv"]

WORDS = ("tensor", "shape")
LEAST = ("FLOPs", "FLOPs kept", "shape", "energy kept", "parameters", "spectral error")  # go first
_NAMED = 3


def print_savings(report: "Report") -> None:
    """Print the table, and the notes under it."""
    from rich.text import Text

    cells = _cells(report)
    common = _common([row.name for row in report.rows])
    short = [name.removeprefix(common) for name in cells["tensor"]]
    found = layout(cells, short, "tensor", LEAST)
    if found.short:
        cells["tensor"] = short
    console = terminal(found.width)
    table = table_of(found.shown, WORDS, console)
    for i in range(len(report.rows) + 1):
        last = i + 1 == len(report.rows)
        style = "bold" if i == len(report.rows) else ""
        table.add_row(*(Text(cells[title][i]) for title in found.shown), end_section=last, style=style)
    put(console, table)
    put(console, "")
    told = _notes(report)
    if found.short and common:
        told.append(("names", f"begin with {common}"))
    left = [title for title in cells if title not in found.shown]
    if left:
        told.append(("columns", f"left out for want of width: {', '.join(left)}; a wider terminal or --csv shows them"))
    put(console, notes_grid(told))


def print_restored(done: "Reconstruction", output: str) -> None:
    """Print what was restored, in two lines."""
    name = os.path.basename(output.rstrip("/"))
    told = [("restored", f"{_many(len(done.matrices), 'matrix', 'matrices')} from factors")]
    told.append(("file", f"{name}: {_many(done.tensors, 'tensor', 'tensors')}, {number(done.nbytes / MIB)} MiB"))
    put(terminal(), notes_grid(told))


def write_csv(report: "Report", file: TextIO) -> None:
    """One line for each matrix, one column for each number."""
    writer = csv.DictWriter(file, list(_line(report.rows[0])), lineterminator="\n")
    writer.writeheader()
    writer.writerows(map(_line, report.rows))


def _cells(report: "Report") -> dict[str, list[str]]:
    before, after = report.totals
    rows = report.rows
    return {
        "tensor": [*(row.name for row in rows), f"total of {len(rows):,}"],
        "shape": [*("×".join(map(str, row.shape)) for row in rows), ""],
        "rank": [*("dense" if row.rank is None else str(row.rank) for row in rows), ""],
        "parameters": [f"{size.parameters:,}" for size in (*(row.before for row in rows), before)],
        "kept": [f"{size.parameters:,}" for size in (*(row.after for row in rows), after)],
        "FLOPs": [f"{size.flops:,}" for size in (*(row.before for row in rows), before)],
        "FLOPs kept": [f"{size.flops:,}" for size in (*(row.after for row in rows), after)],
        "Frobenius error": [*(number(row.frobenius) for row in rows), ""],
        "spectral error": [*(number(row.spectral) for row in rows), ""],
        "energy kept": [*(_share(row.energy) for row in rows), ""],
    }


def _notes(report: "Report") -> list[tuple[str, str]]:
    name, value = report.choice.target
    before, after = report.totals
    copied = report.tensors - len(report.rows)
    kept, operations = after.parameters / before.parameters, after.flops / before.flops
    lines = [
        ("method", f"{report.choice.method}, {name} {value:g}"),
        ("kept", f"{kept:.1%} of the parameters of {_many(len(report.rows), 'matrix', 'matrices')}"),
        ("", f"{operations:.1%} of the operations of a product with a vector"),
    ]
    size = f"{number(report.bytes_before / MIB)} MiB"
    if report.bytes_after:
        size += f" before, {number(report.bytes_after / MIB)} MiB after"
        lines.append(("file", f"{report.before:,} parameters before, {report.after:,} after; {size}"))
    if copied:
        many = _many(copied, "tensor", "tensors")
        lines.append(("", f"{many} of {report.tensors:,} left as before: no matrices of floats, or not matched"))
    dense = [row for row in report.rows if row.rank is None]
    for by_budget, why in ((False, "where factors would hold as many numbers or more"), (True, "by the budget")):
        told = [row for row in dense if (row.wanted is None) == by_budget]
        if told:
            lines.append(("left dense", f"{len(told):,}, {why}: {_reasons(told)}"))
    lines.append(("errors", "of the factors as they are stored, relative to the norm of the matrix"))
    return lines


def _reasons(rows: Sequence["Row"]) -> str:
    told = []
    for row in rows[:_NAMED]:
        why = "" if row.wanted is None else f"rank {row.wanted}"
        why += f", break-even at {number(row.break_even)}" if why and row.break_even else ""
        told.append(f"{row.name} ({why})" if why else row.name)
    more = f" and {len(rows) - _NAMED:,} more" if len(rows) > _NAMED else ""
    return f"{', '.join(told)}{more}"


def _line(row: "Row") -> dict[str, Any]:
    return {
        "tensor": row.name,
        "rows": row.shape[0],
        "columns": row.shape[1],
        "dtype": row.dtype,
        "rank_wanted": row.wanted,
        "rank": row.rank,
        "break_even_rank": row.break_even,
        "parameters_before": row.before.parameters,
        "parameters_after": row.after.parameters,
        "flops_before": row.before.flops,
        "flops_after": row.after.flops,
        "bytes_before": row.before.nbytes,
        "bytes_after": row.after.nbytes,
        "frobenius_error": row.frobenius,
        "spectral_error": row.spectral,
        "energy_kept": row.energy,
    }


def _common(names: Sequence[str]) -> str:
    """The parts, up to a dot, that all names begin with; of a single name none."""
    parts = zip(*(name.split(".")[:-1] for name in names), strict=False)
    same = itertools.takewhile(lambda part: len(set(part)) == 1, parts)
    return "".join(f"{part[0]}." for part in same) if len(names) > 1 else ""


def _share(energy: float) -> str:
    """A share of one; never rounded to one where something is missing."""
    return f"{min(energy, 0.9999):.4f}" if energy < 1 else "1"


def _many(count: int, one: str, several: str) -> str:
    return f"{count:,} {one if count == 1 else several}"
