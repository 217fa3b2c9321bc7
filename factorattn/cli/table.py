"""A comparison as a table in the terminal."""

from typing import TYPE_CHECKING

from factorattn.cli.columns import COLUMNS, kind, notes
from factorattn.cli.compare import Report

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["print_report", "terminal"]

UNBOUNDED = 190  # where nothing says how wide: a file, a pipe


def terminal() -> "Console":
    """Standard output; of full width where it is no terminal."""
    from rich.console import Console

    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=UNBOUNDED)


def print_report(report: Report) -> None:
    """Print the table, and the notes under it."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    console = terminal()
    shown = [column for column in COLUMNS if console.width >= column.wide]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in shown:
        words = column.title in ("mechanism", "weights", "time, declared")
        table.add_column(column.title, justify="left" if words else "right", no_wrap=not words, overflow="fold")
    for i, row in enumerate(report.rows):
        last = i + 1 == len(report.rows) or report.rows[i + 1].job.family != row.job.family
        style = "bold" if kind(row) == "exact" else ""
        table.add_row(*(Text(column.text(report, row)) for column in shown), end_section=last, style=style)
    console.print(table)
    told = notes(report)
    if len(shown) < len(COLUMNS):
        told.append(("columns", f"{', '.join(c.title for c in COLUMNS if c not in shown)} need a wider terminal"))
    grid = Table.grid(padding=(0, 2))
    for key, text in told:
        grid.add_row(Text(key, style="dim"), Text(text))
    console.print(grid)
