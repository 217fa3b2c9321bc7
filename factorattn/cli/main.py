"""The commands."""

import signal
import sys
from contextlib import ExitStack
from enum import StrEnum
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from factorattn import CATALOGUE, __version__
from factorattn.cli.encode import encode
from factorattn.cli.errors import TERMINATED, BadInput, Commands, NothingDone
from factorattn.cli.factorize import factorize, reconstruct
from factorattn.cli.output import STDOUT, distinct, progress, whole_file
from factorattn.cli.sizes import read_budget, read_count, read_seed, read_sizes
from factorattn.cli.train import train

if TYPE_CHECKING:
    from factorattn.cli.inputs import Input

__all__ = ["app", "main"]

app = typer.Typer(
    cls=Commands,
    add_completion=False,
    pretty_exceptions_enable=False,  # a bug gives Python's own traceback
    help="Attention mechanisms, compared, listed and counted; checkpoints, factored.",
)

Name = Annotated[str, typer.Argument(help="A mechanism, with or without _attention.", show_default=False)]


class Dtype(StrEnum):
    """Precision of the input."""

    float16 = "float16"
    float32 = "float32"
    float64 = "float64"


class Namespace(StrEnum):
    """Where to compute."""

    numpy = "numpy"
    cupy = "cupy"


class Kernels(StrEnum):
    """Whether compiled kernels may run."""

    auto = "auto"
    off = "off"


def main() -> None:
    """Run the command line."""
    signal.signal(signal.SIGTERM, _end)
    app(prog_name="factorattn")


def _end(*_: object) -> NoReturn:
    """End as if by itself, so that files begun are taken away."""
    sys.exit(TERMINATED)


@app.callback(invoke_without_command=True)
def factorattn(version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False) -> None:
    """Attention mechanisms: compared on one input, listed, shown, counted. Checkpoints: made smaller, and restored."""
    if version:
        typer.echo(f"factorattn {__version__}")
        raise typer.Exit


@app.command()
def compare(
    input_file: Annotated[
        Path | None,
        typer.Option("--input", help="Arrays q, k, v: .npz or .safetensors.", show_default="MiniLM, embedded"),
    ] = None,
    n: Annotated[
        str | None, typer.Option("--n", help="The first n tokens.", show_default="2048, or all of --input")
    ] = None,
    dtype: Annotated[
        Dtype | None, typer.Option(help="Of the arrays.", show_default="float32, or that of --input")
    ] = None,
    causal: Annotated[bool, typer.Option("--causal", help="No query sees a later key.")] = False,
    only: Annotated[list[str] | None, typer.Option(help="Only this mechanism; repeat, or separate by commas.")] = None,
    sizes: Annotated[
        list[str] | None, typer.Option("--set", help="A knob: r=256 (rank), w=128 (window), g=1 (global).")
    ] = None,
    seed: Annotated[
        int, typer.Option(parser=read_seed, metavar="INTEGER", help="For mechanisms that draw at random.")
    ] = 0,
    namespace: Annotated[Namespace, typer.Option(help="Where to compute.")] = Namespace.numpy,
    kernels: Annotated[Kernels, typer.Option(help="Compiled kernels, or their references.")] = Kernels.auto,
    budget: Annotated[
        float,
        typer.Option(parser=read_budget, metavar="SECONDS", help="Leave out what would take more seconds a call."),
    ] = 20.0,
    json_file: Annotated[str | None, typer.Option("--json", help='Write all figures; "-" is stdout.')] = None,
    csv_file: Annotated[str | None, typer.Option("--csv", help='Write the table; "-" is stdout.')] = None,
    html_file: Annotated[str | None, typer.Option("--html", help="Write a page with pictures.")] = None,
) -> None:
    """Run every mechanism on one input: time, memory and distance from exact attention."""
    from factorattn.cli import compare as comparison
    from factorattn.cli.job import Plan

    files = {"--json": json_file, "--csv": csv_file, "--html": html_file}
    distinct(files)
    names = _selected(only)
    data = _input(input_file, n, dtype, causal, namespace)
    plan = Plan(
        names=names,
        sizes=_knobs(sizes or [], min(data.sizes()["n"], data.sizes()["m"])),
        causal=causal,
        seed=seed,
        namespace=namespace,
        kernels=kernels,
        budget=budget,
        growth=html_file is not None,
    )
    quiet = STDOUT in files.values()
    with ExitStack() as stack:
        opened = {
            option: stack.enter_context(whole_file(path, option)) for option, path in files.items() if path is not None
        }
        with progress(hidden=quiet) as told:
            begun, all_steps = count(1), comparison.steps(plan)
            report = comparison.compare(data, plan, lambda text: told(next(begun), all_steps, text))
        if "--json" in opened:
            from factorattn.cli.export import as_dict, dump

            dump(as_dict(report), opened["--json"])
        if "--csv" in opened:
            from factorattn.cli.export import write_csv

            write_csv(report, opened["--csv"])
        if "--html" in opened:
            from factorattn.cli.page import page

            opened["--html"].write(page(report))
    if not quiet:
        from factorattn.cli.table import print_report

        print_report(report)
    if not report.rows:
        raise NothingDone("nothing was compared: every mechanism was left out")


@app.command("list")
def list_mechanisms() -> None:
    """List mechanisms, scores, distributions, positions, factorizations and adapters."""
    from factorattn.cli.listing import print_list

    print_list()


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="Any name of the list; score.dot tells kinds apart.", show_default=False)],
) -> None:
    """Show one entry: equation, paper, inputs, forms, declared and counted cost, laws tried here and now."""
    from factorattn.cli.show import print_entry

    print_entry(name)


@app.command()
def cost(
    name: Name,
    words: Annotated[
        list[str] | None, typer.Argument(metavar="[n=1e6 d=64 ... causal=true form=...]", help="Sizes and options.")
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Count what one call costs at given sizes, at once and for any size."""
    from factorattn.cli.count import print_cost
    from factorattn.cli.entries import mechanism

    print_cost(mechanism(name), words or [], as_json=json_output)


app.command()(factorize)
app.command()(reconstruct)
app.add_typer(train, name="train")
app.command()(encode)


def _selected(only: list[str] | None) -> list[str]:
    from factorattn.cli.entries import mechanism
    from factorattn.cli.options import asks_for

    if not only:
        return [name for name, f in CATALOGUE.items() if not asks_for(f)]
    names = [name.strip() for word in only for name in word.split(",") if name.strip()]
    if not names:
        raise BadInput(f"--only names no mechanism, got {','.join(only)!r}")
    return list(dict.fromkeys(mechanism(name).__name__ for name in names))


def _knobs(words: list[str], longest: int) -> dict[str, int]:
    from factorattn.cli.options import asks_for, knobs
    from factorattn.cli.sizes import KNOBS

    letters = list(dict.fromkeys(letter for f in CATALOGUE.values() if not asks_for(f) for letter in knobs(f)))
    given = read_sizes(words, letters, f"--set takes {', '.join(letters)}; the other sizes are those of the input")
    return {letter: min(KNOBS[letter], longest) for letter in letters if letter in KNOBS} | given


def _input(path: Path | None, n: str | None, dtype: str | None, causal: bool, namespace: str) -> "Input":
    from factorattn.cli import inputs

    length = None if n is None else read_count(n, "--n")
    data = inputs.embedded(length, dtype) if path is None else inputs.read_file(path, length, dtype)
    size = data.sizes()
    if causal and size["n"] > size["m"]:
        raise BadInput(f"--causal needs a key beside each query, got {size['n']} queries and {size['m']} keys")
    return inputs.to_cupy(data) if namespace == "cupy" else data
