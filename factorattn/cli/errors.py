"""What a user can get wrong: one line on stderr and exit code 2, never a traceback. A bug keeps its traceback."""

import errno
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from factorattn.cli.screen import encodable, mute

__all__ = ["TERMINATED", "BadInput", "Commands", "NothingDone"]

INTERRUPTED, TERMINATED = 130, 143  # 128 + SIGINT and SIGTERM, what shells expect
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
_PARSED = {"int_parsing": "an integer", "float_parsing": "a number"}  # what typer's own words leave out
_UsageError: type[Exception] = typer.BadParameter.__mro__[1]  # typer tells no other name for "no such option"


class BadInput(Exception):
    """The input, not the program, is at fault; the text says what was expected and what came."""


class NothingDone(Exception):
    """Nothing was wrong with the input, and yet there is no result; the text says why."""


class Commands(TyperGroup):
    """The commands, with errors in one line instead of a panel."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the options that stand before the command."""
        encodable()
        with _in_one_line():
            if not args:
                typer.echo(ctx.get_help())
                raise typer.Exit
            return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        with _in_one_line():
            result = super().invoke(ctx)
            sys.stdout.flush()  # here, where an error can still be told
            return result


@contextmanager
def _in_one_line() -> Iterator[None]:
    try:
        yield
    except (BadInput, _UsageError) as error:
        _refuse(error)
    except NothingDone as error:
        typer.echo(f"factorattn: {error}", err=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        typer.echo("factorattn: interrupted; nothing was written", err=True)
        raise typer.Exit(INTERRUPTED) from None
    except BrokenPipeError:  # the reader has seen enough
        mute()
        raise typer.Exit(1) from None
    except OSError as error:
        if error.errno not in _NO_ROOM or error.filename is not None:
            raise
        mute()
        _refuse(BadInput(f"stdout cannot be written: {error.strerror}"))


def _refuse(error: Exception) -> NoReturn:
    told = error.format_message() if hasattr(error, "format_message") else str(error)
    told = re.sub(r"Invalid value for '(--[\w-]+)': (Value error, )?", r"\1: ", told)
    problems = getattr(error.__cause__, "errors", None)
    wrong: dict[str, Any] = problems()[0] if problems else {}
    if wrong.get("type") in _PARSED:
        told = f"{told.partition(':')[0]} must be {_PARSED[wrong['type']]}, got {wrong['input']!r}"
    typer.echo(f"factorattn: error: {' '.join(told.split())}", err=True)
    raise typer.Exit(2) from None
