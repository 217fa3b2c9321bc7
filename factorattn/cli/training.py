"""What goes wrong while a model is trained, and what an interrupt leaves, in one line each."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from factorattn.cli.errors import INTERRUPTED, BadInput, NothingDone

__all__ = ["explained", "resumable"]


@contextmanager
def explained(checkpoint: str | None) -> Iterator[None]:
    """Tell users of --checkpoint what has happened, and how to go on."""
    from factorattn.experiment.resume import ResumeError

    try:
        with resumable(checkpoint):
            yield
    except ResumeError as error:
        raise BadInput(f"--checkpoint: {error}") from None
    except FloatingPointError as error:
        raise NothingDone(f"training has failed: {error}") from None
    except OSError as error:
        if checkpoint is None:
            raise
        raise BadInput(f"--checkpoint {checkpoint!r} cannot be written: {error.strerror or error}") from None


@contextmanager
def resumable(checkpoint: str | None) -> Iterator[None]:
    """Tell how to go on after an interrupt, if the name or the folder of a checkpoint holds a state by then."""
    try:
        yield
    except KeyboardInterrupt:
        if checkpoint is None or not _kept(checkpoint):
            raise
        typer.echo("factorattn: interrupted; to go on, give the same options and --resume", err=True)
        raise typer.Exit(INTERRUPTED) from None


def _kept(checkpoint: str) -> bool:
    from factorattn.experiment.resume import SUFFIX, has_state

    return has_state(checkpoint) or any(Path(checkpoint).glob(f"*{SUFFIX}"))
