"""Files that are written whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

__all__ = ["in_place_of"]


@contextmanager
def in_place_of(path: Path, *, keep: Path | None = None) -> Iterator[BinaryIO]:
    """A file that takes the place of `path` when it is whole and on the disk, and leaves no trace if it fails.

    Parameters
    ----------
    path : Path
    keep : Path, optional
        Where the file goes that was there before.
    """
    fresh = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with fresh.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            fresh.chmod(path.stat().st_mode & 0o7777)  # who may read it does not change
            if keep is not None:
                os.replace(path, keep)
        os.replace(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)
