"""Standard output: how wide it is, what it can encode, and which columns of a table it has room for."""

import codecs
import io
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

__all__ = ["Layout", "encodable", "layout", "mute", "notes_grid", "put", "table_of", "terminal"]

UNBOUNDED = 300  # where nothing says how wide: a file, a pipe
READABLE = 120  # sentences are not drawn wider
GAP = 2
SPELT = {"–": "-", "−": "-", "×": "x", "·": "*", "…": "...", "≤": "<=", "≥": ">=", "≈": "~", "√": "sqrt", "─": "-"}


class Layout(NamedTuple):
    """Which columns are shown, whether names are short, and how wide the table then is."""

    shown: tuple[str, ...]
    short: bool
    width: int


def encodable() -> None:
    """Let standard output spell what its encoding does not have, and take what is printed where it is closed."""

    def spell(error: UnicodeError) -> tuple[str, int]:
        if not isinstance(error, UnicodeEncodeError):
            raise error
        return "".join(SPELT.get(sign, "?") for sign in error.object[error.start : error.end]), error.end

    codecs.register_error("factorattn.spelt", spell)
    if sys.stdout is None:  # closed by who called: what is opened first takes its number, which no result may
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  (until the end)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="factorattn.spelt")


def mute() -> None:
    """Send what standard output still holds nowhere: it cannot be written, and Python would try again at the end."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def terminal(width: int = 0) -> "Console":
    """Standard output, at least `width` wide: a terminal breaks a line that is too long, where rich would cut it."""
    from rich.console import Console

    plain: Any = {"color_system": None} if os.environ.get("NO_COLOR") else {}  # NO_COLOR of rich leaves bold
    console = Console(highlight=False, **plain)
    own = console.width if console.is_terminal else UNBOUNDED
    return Console(highlight=False, width=max(own, width), **plain)


def put(console: "Console", *parts: "RenderableType") -> None:
    """Print; where it is no terminal, without blanks at the ends of lines."""
    if console.is_terminal:
        console.print(*parts, sep="\n")
        return
    with console.capture() as capture:
        console.print(*parts, sep="\n")
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in capture.get().splitlines()))


def layout(full: Mapping[str, Sequence[str]], short: Sequence[str], name: str, least: Sequence[str]) -> Layout:
    """What fits: names become short before columns go, and columns go whole, in the order of `least`.

    Parameters
    ----------
    full : mapping of str to sequence of str
        The cells of each column by its title.
    short : sequence of str
        Short cells for the column `name`.
    name : str
        The column of names.
    least : sequence of str
        Columns that may go, the least important one first.
    """
    room = terminal().width
    width = {title: max(map(len, (title, *cells))) for title, cells in full.items()}
    total = sum(width.values()) + GAP * (len(width) - 1)
    if total <= room:
        return Layout(tuple(full), False, total)
    width[name] = max(map(len, (name, *short)))
    for title in (None, *least):
        width.pop(title, None) if title else None
        total = sum(width.values()) + GAP * (len(width) - 1)
        if total <= room:
            break
    return Layout(tuple(width), True, total)


def table_of(titles: Sequence[str], words: Sequence[str], console: "Console") -> Any:
    """A table whose cells are neither broken nor cut; columns of `words` begin on the left, the others end right."""
    from rich import box
    from rich.table import Table

    ascii_head = box.Box("    \n    \n -- \n    \n    \n    \n    \n    \n", ascii=True)
    lines = ascii_head if console.options.ascii_only else box.SIMPLE_HEAD
    table = Table(box=lines, show_edge=False, pad_edge=False, padding=(0, GAP - 1, 0, 0))
    for title in titles:
        table.add_column(title, justify="left" if title in words else "right", no_wrap=True, overflow="crop")
    return table


def notes_grid(notes: Sequence[tuple[str, str]]) -> Any:
    """Sentences, each after its key."""
    from rich.table import Table
    from rich.text import Text

    key = max(len(key) for key, _ in notes)
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(max_width=READABLE - key - 2, overflow="fold")
    for name, text in notes:
        grid.add_row(Text(name, style="dim"), Text(text))
    return grid
