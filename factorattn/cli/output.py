"""Files that are written whole or not at all, and whose place is tried before the work is done."""

import io
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO

from factorattn.cli.errors import BadInput

__all__ = ["STDOUT", "distinct", "progress", "whole_bytes", "whole_file"]

STDOUT = "-"


@contextmanager
def whole_file(path: str, option: str) -> Iterator[TextIO]:
    """A text file that takes the place of `path` if the ``with`` block ends well, and leaves no trace if it does not.

    "-" is standard output.

    Raises
    ------
    BadInput
        At once, if `path` cannot be written; at the end, if there is no room for it.
    """
    text = io.StringIO()  # so that an error of writing is told from an error of the work
    if path == STDOUT:
        if sys.__stdout__ is None:
            raise BadInput(f"{option} {path!r} cannot be written: stdout is closed")
        yield text
        sys.stdout.write(text.getvalue())
        return
    with _in_place_of(path, option, lambda: text.getvalue().encode()):
        yield text


@contextmanager
def whole_bytes(path: str, option: str) -> Iterator[BinaryIO]:
    """The same for a file that is no text."""
    data = io.BytesIO()
    with _in_place_of(path, option, data.getvalue):
        yield data


@contextmanager
def _in_place_of(path: str, option: str, content: Callable[[], bytes]) -> Iterator[None]:
    target = Path(path)
    if target.is_dir():
        raise BadInput(f"{option} {path!r} is a folder; give the name of a file")
    in_place = target.exists() and not target.is_file()  # a device or a pipe: it must not be replaced by a file
    place = target if in_place else target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        if target.exists() and not os.access(target, os.W_OK):
            raise PermissionError("it may not be written")
        file = place.open("wb")
    except (OSError, ValueError) as error:
        raise _unwritable(path, option, error) from None
    try:
        try:
            yield
        except BaseException:
            file.close()
            raise
        try:
            with file:
                file.write(content())
            if not in_place:
                os.replace(place, target)
        except OSError as error:
            raise _unwritable(path, option, error) from None
    except BaseException:
        if not in_place:
            place.unlink(missing_ok=True)
        raise


def _unwritable(path: str, option: str, error: Exception) -> BadInput:
    return BadInput(f"{option} {path!r} cannot be written: {getattr(error, 'strerror', None) or error}")


def distinct(files: Mapping[str, str | None]) -> None:
    """Refuse two options that write to one place, and one that names none."""
    seen: dict[str, str] = {}
    for option, path in files.items():
        if path is None:
            continue
        if not path:
            raise BadInput(f"{option} {path!r} is no name of a file")
        place = path if path == STDOUT else str(Path(path).absolute())
        if place in seen:
            raise BadInput(f"{seen[place]} and {option} both write to {'stdout' if path == STDOUT else path}")
        seen[place] = option


@contextmanager
def progress(*, hidden: bool) -> Iterator[Callable[[int, int, str], None]]:
    """A bar on stderr, redrawn between pieces of work and not during them; it is told (done, all, what comes next)."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    bar = Progress(console=console, auto_refresh=False, transient=True, disable=hidden or not console.is_terminal)
    with bar:
        task = bar.add_task("", total=None)

        def told(done: int, total: int, text: str) -> None:
            bar.update(task, completed=done, total=total, description=text)
            bar.refresh()

        yield told
