"""A comparison as a table in the terminal."""

from factorattn.cli.columns import COLUMNS, WORDS, kind, notes
from factorattn.cli.compare import Report
from factorattn.cli.screen import layout, notes_grid, put, table_of, terminal

__all__ = ["print_report"]

LEAST = ("declared time", "quartiles", "weights", "MiB counted", "GFLOP", "MiB measured", "speed-up")  # go first


def print_report(report: Report) -> None:
    """Print the table, and the notes under it."""
    told = notes(report)
    console = terminal()
    if report.rows:
        left = _print_table(report)
        put(console, "")
        if left:
            why = f"left out for want of width: {', '.join(left)}"
            told.append(("columns", f"{why}; a wider terminal or --csv shows them"))
    put(console, notes_grid(told))


def _print_table(report: Report) -> list[str]:
    """Print it, and tell the columns that had no room."""
    from rich.text import Text

    cells = {column.title: [column.text(report, row) for row in report.rows] for column in COLUMNS}
    short = [name.replace("_attention", "") for name in cells["mechanism"]]
    found = layout(cells, short, "mechanism", LEAST)
    if found.short:
        cells["mechanism"] = short
    console = terminal(found.width)
    table = table_of(found.shown, WORDS, console)
    for i, row in enumerate(report.rows):
        last = i + 1 == len(report.rows) or report.rows[i + 1].job.family != row.job.family
        style = "bold" if kind(row) == "exact" else ""
        table.add_row(*(Text(cells[title][i]) for title in found.shown), end_section=last, style=style)
    put(console, table)
    return [title for title in cells if title not in found.shown]
