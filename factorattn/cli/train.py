"""The commands that train: on purchases, and on dates."""

from contextlib import ExitStack
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from factorattn.cli.errors import BadInput, Commands
from factorattn.cli.output import STDOUT, distinct, progress, whole_bytes, whole_file
from factorattn.cli.sizes import read_count, read_seed
from factorattn.cli.train_dates import dates
from factorattn.cli.training import explained, resumable

if TYPE_CHECKING:
    from factorattn.experiment.transactions import Plan

__all__ = ["train"]

PICTURES = (".png", ".svg")

train = typer.Typer(cls=Commands, help="Train models on real data, and say what it costs and what they learn.")
train.command()(dates)


@train.command()
def transactions(
    quick: Annotated[bool, typer.Option("--quick", help="Shorter and fewer steps: less than a minute.")] = False,
    lengths: Annotated[
        list[str] | None,
        typer.Option(help="Lengths, by commas; each divides the longest.", show_default="512,1024,2048,4096,8192"),
    ] = None,
    mechanisms: Annotated[list[str] | None, typer.Option(help="Models, by commas.", show_default="all of them")] = None,
    steps: Annotated[
        str | None, typer.Option(help="Steps of training at every length.", show_default="16, or 3 quick")
    ] = None,
    start_steps: Annotated[
        str | None, typer.Option(help="Steps before those, at a short length.", show_default="400, or 40 quick")
    ] = None,
    seed: Annotated[int, typer.Option(parser=read_seed, metavar="INTEGER", help="Of the whole run.")] = 0,
    checkpoint: Annotated[str | None, typer.Option(metavar="FOLDER", help="Keep the states of training here.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint.")] = False,
    output: Annotated[
        str | None, typer.Option(metavar="PICTURE", help="Draw time, memory and loss against length: .png or .svg.")
    ] = None,
    json_file: Annotated[str | None, typer.Option("--json", help='Write all figures; "-" is stdout.')] = None,
    csv_file: Annotated[str | None, typer.Option("--csv", help='Write the table; "-" is stdout.')] = None,
) -> None:
    """Learn to predict the next purchase: one model, its attention swapped, at growing lengths."""
    from factorattn.cli import train_table
    from factorattn.experiment.transactions import study

    files = {"--output": output, "--json": json_file, "--csv": csv_file}
    distinct(files)
    if output is not None and Path(output).suffix not in PICTURES:
        raise BadInput(f"--output must end in {' or '.join(PICTURES)}, got {output!r}")
    plan = _plan(quick, lengths, mechanisms, steps, start_steps, seed)
    folder = _folder(checkpoint, resume=resume)
    quiet = STDOUT in files.values()
    with resumable(checkpoint), ExitStack() as stack:
        image = stack.enter_context(whole_bytes(output, "--output")) if output else None
        json_text = stack.enter_context(whole_file(json_file, "--json")) if json_file else None
        csv_text = stack.enter_context(whole_file(csv_file, "--csv")) if csv_file else None
        begun = count()
        with explained(checkpoint), progress(hidden=quiet) as told:
            report, _ = study(plan, folder=folder, told=lambda text: told(next(begun), plan.jobs, text))
        if image:
            from factorattn.experiment.transactions.picture import draw

            image.write(draw(report, Path(str(output)).suffix[1:]))
        if json_text:
            from factorattn.cli.export import dump

            dump(train_table.as_dict(report), json_text)
        if csv_text:
            train_table.write_csv(report, csv_text)
    if not quiet:
        train_table.print_report(report)


def _plan(
    quick: bool,
    lengths: list[str] | None,
    mechanisms: list[str] | None,
    steps: str | None,
    start_steps: str | None,
    seed: int,
) -> "Plan":
    from factorattn.experiment.transactions import QUICK, Plan, make_streams

    plan = replace(QUICK if quick else Plan(), seed=seed)
    try:
        if lengths is not None:
            plan = replace(plan, lengths=tuple(read_count(word, "--lengths") for word in _words(lengths)))
        if mechanisms is not None:
            plan = replace(plan, mechanisms=tuple(_words(mechanisms)))
        if steps is not None:
            plan = replace(plan, steps=read_count(steps, "--steps"))
        if start_steps is not None:
            plan = replace(plan, start_steps=read_count(start_steps, "--start-steps"))
        make_streams(plan.lengths, seed=seed)  # says whether there is as much data
    except ValueError as error:
        raise BadInput(f"--{error}") from None
    return plan


def _words(given: list[str]) -> list[str]:
    return [word.strip() for text in given for word in text.split(",") if word.strip()]


def _folder(checkpoint: str | None, *, resume: bool) -> Path | None:
    """The folder of the states, which is there, and empty unless the run goes on."""
    if checkpoint is None:
        if resume:
            raise BadInput("--resume goes on from --checkpoint FOLDER; give the folder, too")
        return None
    if not checkpoint:
        raise BadInput(f"--checkpoint must name a folder, got {checkpoint!r}")
    folder = Path(checkpoint)
    if folder.exists() and not folder.is_dir():
        raise BadInput(f"--checkpoint {checkpoint!r} is a file; give the name of a folder")
    there = folder.is_dir() and any(folder.glob("*.safetensors"))
    if resume and not there:
        raise BadInput(f"--checkpoint {checkpoint!r} holds no state of training to resume")
    if there and not resume:
        raise BadInput(f"--checkpoint {checkpoint!r} holds a run; go on with --resume, or give another folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"--checkpoint {checkpoint!r} cannot be made: {error.strerror}") from None
    return folder
