"""What goes wrong while a model is trained, and what an interrupt leaves, in one line each."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from factorattn.cli.errors import INTERRUPTED, BadInput, NothingDone

__all__ = ["explained"]


@contextmanager
def explained(checkpoint: str | None) -> Iterator[None]:
    """Tell users of --checkpoint what has happened, and how to go on."""
    from factorattn.experiment.resume import ResumeError

    try:
        yield
    except ResumeError as error:
        raise BadInput(f"--resume: {error}") from None
    except FloatingPointError as error:
        raise NothingDone(f"training has failed: {error}") from None
    except OSError as error:
        if checkpoint is None:
            raise
        raise BadInput(f"--checkpoint {checkpoint!r} cannot be written: {error.strerror or error}") from None
    except KeyboardInterrupt:
        if checkpoint is None:
            raise
        typer.echo(f"factorattn: interrupted; to go on: --checkpoint {checkpoint} --resume", err=True)
        raise typer.Exit(INTERRUPTED) from None
