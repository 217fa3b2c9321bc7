"""What a user can get wrong: one line on stderr and exit code 2, never a traceback. A bug keeps its traceback."""

from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

__all__ = ["TERMINATED", "BadInput", "Commands"]

INTERRUPTED, TERMINATED = 130, 143  # 128 + SIGINT and SIGTERM, what shells expect
_UsageError: type[Exception] = typer.BadParameter.__mro__[1]  # typer tells no other name for "no such option"


class BadInput(Exception):
    """The input, not the program, is at fault; the text says what was expected and what came."""


class Commands(TyperGroup):
    """The commands, with errors in one line instead of a panel."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the options that stand before the command."""
        if not args:
            typer.echo(ctx.get_help())
            raise typer.Exit
        try:
            return super().parse_args(ctx, args)
        except _UsageError as error:
            _refuse(error)

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except (BadInput, _UsageError) as error:
            _refuse(error)
        except KeyboardInterrupt:
            typer.echo("factorattn: interrupted; nothing was written", err=True)
            raise typer.Exit(INTERRUPTED) from None


def _refuse(error: Exception) -> NoReturn:
    told = error.format_message() if hasattr(error, "format_message") else str(error)
    typer.echo(f"factorattn: error: {' '.join(told.split())}", err=True)
    raise typer.Exit(2) from None
