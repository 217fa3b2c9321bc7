"""train dates: a Transformer learns to read dates in words, and says how well, kind by kind."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from factorattn.cli.columns import number
from factorattn.cli.errors import BadInput
from factorattn.cli.output import STDOUT, distinct, progress, whole_bytes, whole_file
from factorattn.cli.sizes import read_count, read_seed
from factorattn.cli.training import explained, resumable

if TYPE_CHECKING:
    from factorattn.experiment.dates.run import Plan, Result
    from factorattn.experiment.loop import State

__all__ = ["dates"]

PICTURES = (".png", ".svg")
EXAMPLE = "the 3rd of May 1997"
WORDS = ("language", "kind", "phrase", "read", "date")
SHOWN = 8  # mistakes in a terminal
RECENT = 20  # steps whose mean loss is told


def dates(
    quick: Annotated[bool, typer.Option("--quick", help="Fewer steps: less than a minute, and less exact.")] = False,
    steps: Annotated[str | None, typer.Option(help="Steps of training.", show_default="4000, or 1000 quick")] = None,
    seed: Annotated[int, typer.Option(parser=read_seed, metavar="INTEGER", help="Of the whole run.")] = 0,
    phrase: Annotated[
        list[str] | None, typer.Option(help="Read this, too; with a checkpoint and no --resume, nothing is trained.")
    ] = None,
    checkpoint: Annotated[
        str | None, typer.Option(metavar="NAME", help="Keep the state of training in NAME.safetensors.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint.")] = False,
    output: Annotated[
        str | None, typer.Option(metavar="PICTURE", help="Draw the attention of all heads on a phrase: .png or .svg.")
    ] = None,
    json_file: Annotated[str | None, typer.Option("--json", help='Write all figures; "-" is stdout.')] = None,
) -> None:
    """Learn to read dates in English and Spanish: "the 3rd of May 1997" is 1997-05-03."""
    from factorattn.experiment.dates.data import sources
    from factorattn.experiment.resume import has_state

    distinct({"--output": output, "--json": json_file})
    if output is not None and Path(output).suffix not in PICTURES:
        raise BadInput(f"--output must end in {' or '.join(PICTURES)}, got {output!r}")
    phrases = list(phrase or [])
    try:
        sources(phrases or [EXAMPLE])
    except ValueError as error:
        raise BadInput(f"--phrase: {error}") from None
    checkpoint = None if checkpoint is None else _name(checkpoint)
    there = checkpoint is not None and has_state(checkpoint)
    if resume and checkpoint is None:
        raise BadInput("--resume goes on from --checkpoint NAME; give the name, too")
    if resume and not there:
        raise BadInput(f"--checkpoint {checkpoint!r} holds no state of training to resume")
    quiet = json_file == STDOUT
    reads = there and bool(phrases) and not resume
    with resumable(None if reads else checkpoint), ExitStack() as stack:
        image = stack.enter_context(whole_bytes(output, "--output")) if output else None
        text = stack.enter_context(whole_file(json_file, "--json")) if json_file else None
        if reads:
            if quick or steps is not None or seed:
                raise BadInput("--phrase reads with the checkpoint as it is; --quick, --steps and --seed are in it")
            plan, parameters, done = _kept(checkpoint)
            result = None
        else:
            if there and not resume:
                told = "go on with --resume, read with it by --phrase, or give another name"
                raise BadInput(f"--checkpoint {checkpoint!r} holds a run; {told}")
            plan = _plan(quick, steps, seed)
            result = _run(plan, checkpoint, resume=resume, hidden=quiet)
            parameters, done = result.parameters, plan.steps
        read = _read(parameters, phrases, plan)
        if image:
            from factorattn.experiment.dates.picture import draw_heads, heads_of

            drawn = (phrases or [EXAMPLE])[0]
            answer, weights = heads_of(parameters, drawn, sizes=plan.sizes)
            image.write(draw_heads(weights, drawn, answer, Path(str(output)).suffix[1:]))
        if text:
            from factorattn.cli.export import dump

            dump(_as_dict(plan, done, result, phrases, read), text)
    if not quiet:
        _print(plan, done, result, list(zip(phrases, read, strict=True)))


def _name(checkpoint: str) -> str:
    """The name of a checkpoint without its suffix, with which it may be given."""
    from factorattn.experiment.resume import SUFFIX

    name = checkpoint.removesuffix(SUFFIX)
    if name.rpartition("/")[2] in ("", ".", ".."):
        raise BadInput(f"--checkpoint must be the name of a file, got {checkpoint!r}")
    for file in (f"{name}{SUFFIX}", f"{name}.previous{SUFFIX}"):
        if Path(file).is_dir():
            raise BadInput(f"--checkpoint {checkpoint!r}: {file!r} is a folder; give another name")
    return name


def _plan(quick: bool, steps: str | None, seed: int) -> "Plan":
    from factorattn.experiment.dates.run import QUICK, Plan

    plan = replace(QUICK if quick else Plan(), seed=seed)
    return plan if steps is None else replace(plan, steps=read_count(steps, "--steps"))


def _run(plan: "Plan", checkpoint: str | None, *, resume: bool, hidden: bool) -> "Result":
    from factorattn.experiment.dates.run import run

    with explained(checkpoint), progress(hidden=hidden) as bar:
        return run(plan, checkpoint=checkpoint, resume=resume, told=_teller(bar, plan.steps))


def _teller(bar: Callable[[int, int, str], None], steps: int) -> "Callable[[State], None]":
    def told(state: "State") -> None:
        bar(state.step, steps, f"step {state.step:,}, loss {_recent(state.losses)}")

    return told


def _recent(losses: Sequence[float]) -> str:
    """The mean loss of the last steps, of all where there are few."""
    recent = losses[-RECENT:]
    return number(sum(recent) / len(recent))


def _kept(checkpoint: str | None) -> "tuple[Plan, Any, int]":
    from factorattn.experiment.dates.run import read_checkpoint

    with explained(checkpoint):
        return read_checkpoint(checkpoint)


def _read(parameters: Any, phrases: Sequence[str], plan: "Plan") -> list[str]:
    from factorattn.experiment.dates.model import read_dates

    return read_dates(parameters, phrases, sizes=plan.sizes)


def _as_dict(
    plan: "Plan", done: int, result: "Result | None", phrases: Sequence[str], read: Sequence[str]
) -> dict[str, Any]:
    from factorattn.cli.machine import machine

    told: dict[str, Any] = {"plan": asdict(plan), "steps_done": done, "machine": dict(machine("numpy"))}
    if result is not None:
        told |= {
            "days": {"trained": result.trained, "held_out": result.held_out},
            "seconds": {"training": result.seconds, "reading": result.reading},
            "exact": result.exact,
            "scores": [score._asdict() | {"share": score.exact / score.phrases} for score in result.scores],
            "mistakes": [{"phrase": phrase.text, "date": phrase.iso, "read": got} for phrase, got in result.mistakes],
            "losses": list(result.losses),
        }
    return told | {"phrases": [{"phrase": text, "read": got} for text, got in zip(phrases, read, strict=True)]}


def _print(plan: "Plan", done: int, result: "Result | None", read: Sequence[tuple[str, str]]) -> None:
    from factorattn.cli.screen import notes_grid, put, terminal

    if result is not None:
        right = sum(score.exact for score in result.scores)
        _table(
            ("language", "kind", "phrases", "exact", "share"),
            [
                *(
                    (score.language, score.kind, str(score.phrases), str(score.exact), _percent(score))
                    for score in result.scores
                ),
                ("all", "", f"{len(result.phrases):,}", f"{right:,}", f"{result.exact:.2%}"),
            ],
        )
        notes = [
            ("trained", f"{plan.steps:,} steps of {plan.batch} phrases of {result.trained:,} days"),
            ("", f"{number(result.seconds)} s in this run, loss {_recent(result.losses)}"),
            ("held out", f"{len(result.phrases):,} phrases of {result.held_out:,} other days"),
            ("", f"decoded character by character with a cache, {number(result.reading)} s"),
        ]
        put(terminal(), "")
        put(terminal(), notes_grid(notes))
        if result.mistakes:
            put(terminal(), "")
            shown = result.mistakes[:SHOWN]
            _table(("phrase", "date", "read"), [(phrase.text, phrase.iso, got) for phrase, got in shown])
            more = len(result.mistakes) - len(shown)
            if more:
                put(terminal(), f"and {more:,} other mistakes")
    else:
        put(terminal(), notes_grid([("trained", f"{done:,} of {plan.steps:,} steps, read from the checkpoint")]))
    if read:
        put(terminal(), "")
        _table(("phrase", "read"), list(read))


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.text import Text

    from factorattn.cli.screen import put, table_of, terminal

    width = sum(max(map(len, column)) + 2 for column in zip(titles, *rows, strict=True))
    console = terminal(width)
    table = table_of(titles, WORDS, console)
    for row in rows:
        table.add_row(*map(Text, row))
    put(console, table)


def _percent(score: Any) -> str:
    return f"{score.exact / score.phrases:.1%}"
