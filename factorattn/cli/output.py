"""Files that are written whole or not at all, and whose place is tried before the work is done."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from factorattn.cli.errors import BadInput

__all__ = ["STDOUT", "whole_file"]

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
        yield text
        sys.stdout.write(text.getvalue())
        return
    target = Path(path)
    if target.is_dir():
        raise BadInput(f"{option} {path!r} is a folder; give the name of a file")
    in_place = target.exists() and not target.is_file()  # a device or a pipe: it must not be replaced by a file
    place = target if in_place else target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        if target.exists() and not os.access(target, os.W_OK):
            raise PermissionError("it may not be written")
        file = place.open("w", encoding="utf-8", newline="")
    except (OSError, ValueError) as error:
        raise _unwritable(path, option, error) from None
    try:
        try:
            yield text
        except BaseException:
            file.close()
            raise
        try:
            with file:
                file.write(text.getvalue())
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
