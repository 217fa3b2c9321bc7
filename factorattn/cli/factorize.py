"""The commands on checkpoints: factorize makes one smaller, reconstruct restores it."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from factorattn.cli.errors import BadInput, NothingDone
from factorattn.cli.output import STDOUT, distinct, progress, whole_bytes, whole_file
from factorattn.cli.sizes import read_seed

if TYPE_CHECKING:
    from factorattn.compress.checkpoint.choice import Choice

__all__ = ["factorize", "reconstruct"]

PICTURES = (".png", ".svg")


class Stored(StrEnum):
    """Precision of factors."""

    float16 = "float16"
    bfloat16 = "bfloat16"
    float32 = "float32"
    float64 = "float64"


class Method(StrEnum):
    """Names of `factorattn.compress.checkpoint.methods.METHODS`; a test holds that they are the same."""

    svd = "svd"
    randomized = "randomized"
    rrqr = "rrqr"
    interpolative = "interpolative"
    cur = "cur"
    kronecker = "kronecker"
    tensor_train = "tensor-train"


Source = Annotated[
    str,
    typer.Argument(
        metavar="CHECKPOINT",
        help="A .safetensors or .npz file; for shards their index, or the folder with it.",
        show_default=False,
    ),
]
Target = Annotated[
    str,
    typer.Option(
        "--output", help='A .safetensors or .npz file; "NAME/" is a new folder of shards.', show_default=False
    ),
]


def factorize(
    checkpoint: Source,
    output: Target,
    method: Annotated[Method, typer.Option(help="How to factor.")] = Method.svd,
    rank: Annotated[int | None, typer.Option(help="The rank of every matrix.", show_default=False)] = None,
    energy: Annotated[
        float | None, typer.Option(help="The share of every matrix's squared norm to keep.", show_default=False)
    ] = None,
    error: Annotated[
        float | None, typer.Option(help="The relative Frobenius error allowed for every matrix.", show_default=False)
    ] = None,
    budget: Annotated[
        float | None, typer.Option(help="The share of parameters to keep, over all matrices.", show_default=False)
    ] = None,
    include: Annotated[
        list[str] | None, typer.Option(metavar="GLOB", help="Matrices to factor, all if not given; repeat.")
    ] = None,
    exclude: Annotated[list[str] | None, typer.Option(metavar="GLOB", help="Matrices to leave; repeat.")] = None,
    dtype: Annotated[Stored | None, typer.Option(help="Of the factors; if not given, that of the matrix.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Factor where this saves no parameters, too.")] = False,
    seed: Annotated[int, typer.Option(parser=read_seed, metavar="INTEGER", help="For methods that draw.")] = 0,
    picture: Annotated[str | None, typer.Option(help="Draw the singular values: .png or .svg.")] = None,
    json_file: Annotated[str | None, typer.Option("--json", help='Write all figures; "-" is stdout.')] = None,
    csv_file: Annotated[str | None, typer.Option("--csv", help='Write the table; "-" is stdout.')] = None,
) -> None:
    """Make a checkpoint smaller: replace matrices by factors, and say what it costs."""
    from factorattn.cli.savings import print_savings, write_csv
    from factorattn.compress.checkpoint.factorize import NothingFactored, factorize_by

    files = {"--output": output, "--picture": picture, "--json": json_file, "--csv": csv_file}
    distinct(files)
    _one_of({"--rank": rank, "--energy": energy, "--error": error, "--budget": budget})
    if picture is not None and Path(picture).suffix not in PICTURES:
        raise BadInput(f"--picture must end in {' or '.join(PICTURES)}, got {picture!r}")
    quiet = STDOUT in (json_file, csv_file)
    with _told():
        _apart(checkpoint, {option: path for option, path in files.items() if option != "--output"})
        choice = _choice(
            *(method.value, rank, energy, error, budget, tuple(include or ["*"]), tuple(exclude or [])),
            *(dtype.value if dtype else None, force, picture is not None, seed),
        )
        try:
            with ExitStack() as stack:
                image = stack.enter_context(whole_bytes(picture, "--picture")) if picture else None
                json_text = stack.enter_context(whole_file(json_file, "--json")) if json_file else None
                csv_text = stack.enter_context(whole_file(csv_file, "--csv")) if csv_file else None
                with progress(hidden=quiet) as step:
                    report = factorize_by(choice, checkpoint, output, step)
                if image:
                    from factorattn.cli.spectra import draw

                    image.write(draw(report, Path(str(picture)).suffix[1:]))
                if json_text:
                    from factorattn.cli.export import dump

                    dump(report.as_dict(), json_text)
                if csv_text:
                    write_csv(report, csv_text)
        except NothingFactored as nothing:
            if not quiet:
                print_savings(nothing.report)
            raise NothingDone(f"nothing was written: {nothing}") from None
    if not quiet:
        print_savings(report)


def reconstruct(
    checkpoint: Annotated[str, typer.Argument(metavar="FILE", help="What factorize wrote.", show_default=False)],
    output: Target,
) -> None:
    """Restore the dense matrices of a factored checkpoint."""
    from factorattn.cli.savings import print_restored
    from factorattn.compress.checkpoint.reconstruct import reconstruct_checkpoint

    with _told(), progress(hidden=False) as step:
        done = reconstruct_checkpoint(checkpoint, output, progress=step)
    print_restored(done, output)


@contextmanager
def _told() -> Iterator[None]:
    """A fault of a checkpoint is a fault of the input."""
    from factorattn.compress.checkpoint.tensors import CheckpointError
    from factorattn.compress.checkpoint.writing import TargetError

    try:
        yield
    except TargetError as error:
        raise BadInput(f"--output {error}") from None
    except CheckpointError as error:
        raise BadInput(str(error)) from None


def _choice(*options: Any) -> "Choice":
    from factorattn.compress.checkpoint.choice import Choice

    try:
        return Choice(*options)
    except ValueError as error:
        raise BadInput(f"--{error}") from None


def _one_of(options: Mapping[str, float | None]) -> None:
    given = [option for option, value in options.items() if value is not None]
    if len(given) != 1:
        told = f"got {' and '.join(given)}" if given else "got none"
        raise BadInput(f"give exactly one of {', '.join(options)}; {told}")


def _apart(checkpoint: str, files: Mapping[str, str | None]) -> None:
    """Refuse to write a report over the checkpoint, which is opened here for the first time."""
    from factorattn.compress.checkpoint.reading import open_checkpoint

    with open_checkpoint(Path(checkpoint)) as found:
        for option, path in files.items():
            if path and Path(path).exists() and any(Path(path).samefile(file) for file in found.files):
                raise BadInput(f"{option} {path!r} is a file of the checkpoint that is read")
