"""encode: texts to vectors by a trained encoder, as it is and with another attention or with factors."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from factorattn.cli.encoder import PACKAGE, cut_texts, open_encoder, read_texts
from factorattn.cli.errors import BadInput, NothingDone
from factorattn.cli.output import STDOUT, distinct, progress, whole_bytes, whole_file
from factorattn.cli.sizes import read_seed, read_sizes

if TYPE_CHECKING:
    from factorattn.experiment.swap import Choice, Study
    from factorattn.model.sentence_encoder import SentenceEncoder

__all__ = ["encode"]

PICTURES = (".png", ".svg")
Texts = Annotated[
    list[str] | None,
    typer.Argument(metavar="[TEXT]...", help="Texts to encode, each in quotes.", show_default="a novel's sentences"),
]


def encode(
    texts: Texts = None,
    input_file: Annotated[
        str | None, typer.Option("--input", help='A file with a text a line; "-" is stdin.', show_default=False)
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER", help="A sentence-transformers BERT.", show_default=f"all-MiniLM-L6-v2, package {PACKAGE}"
        ),
    ] = None,
    mechanism: Annotated[
        list[str] | None,
        typer.Option(help='In place of attention; repeat, or separate by commas. "all": those that fit.'),
    ] = None,
    sizes: Annotated[
        list[str] | None, typer.Option("--set", help="A size of the mechanisms: r=16 (rank), w=4 (window).")
    ] = None,
    method: Annotated[
        list[str] | None, typer.Option("--factorize", metavar="METHOD", help="Factors for matrices; repeat.")
    ] = None,
    rank: Annotated[
        list[int] | None, typer.Option(help="The rank of every matrix; repeat for several.", show_default=False)
    ] = None,
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
        list[str] | None, typer.Option(metavar="GLOB", help="Matrices to factor; repeat.", show_default="encoder.*")
    ] = None,
    exclude: Annotated[list[str] | None, typer.Option(metavar="GLOB", help="Matrices to leave; repeat.")] = None,
    seed: Annotated[int, typer.Option(parser=read_seed, metavar="INTEGER", help="For what draws at random.")] = 0,
    output: Annotated[
        str | None, typer.Option(help="Write the vectors: .npz, .safetensors, .csv or .json.", show_default=False)
    ] = None,
    picture: Annotated[str | None, typer.Option(help="Draw how far they move: .png or .svg.")] = None,
    json_file: Annotated[str | None, typer.Option("--json", help='Write all figures; "-" is stdout.')] = None,
    csv_file: Annotated[str | None, typer.Option("--csv", help='Write the table; "-" is stdout.')] = None,
) -> None:
    """Turn texts into vectors, and say how far these move with another attention or with factors for matrices."""
    from factorattn.cli import vectors

    files = {"--output": output, "--picture": picture, "--json": json_file, "--csv": csv_file}
    distinct(files)
    _suffix("--output", output, vectors.WRITERS)
    _suffix("--picture", picture, PICTURES)
    changed = bool(mechanism or method)
    _needed(changed, {"--picture": picture, "--csv": csv_file})
    mechanisms = _mechanisms(mechanism or [])
    knobs = _knobs(sizes or [], mechanisms)
    targets = {"rank": rank or [], "energy": energy, "error": error, "budget": budget}
    choices = _choices(method or [], targets, tuple(include or []), tuple(exclude or []), seed)
    source, told = read_texts(texts or [], input_file)
    encoder = open_encoder(model)
    quiet = STDOUT in files.values()
    with ExitStack() as stack:
        image = stack.enter_context(whole_bytes(picture, "--picture")) if picture else None
        data = stack.enter_context(whole_bytes(output, "--output")) if output else None
        json_text = stack.enter_context(whole_file(json_file, "--json")) if json_file else None
        csv_text = stack.enter_context(whole_file(csv_file, "--csv")) if csv_file else None
        found = _study(encoder, told, mechanisms, choices, knobs, seed, hidden=quiet)
        if not np.isfinite(found.vectors).all():
            raise BadInput("--model gives vectors that are not finite numbers")
        cut = cut_texts(encoder, found.texts, found.tokens)
        if changed and not found.rows:
            raise NothingDone(f"nothing was changed: {'; '.join(f'{name}: {why}' for name, why in found.left_out)}")
        if image:
            from factorattn.cli.moves import draw

            image.write(draw(found, Path(str(picture)).suffix[1:]))
        if data:
            data.write(vectors.written(found, Path(str(output)).suffix))
        if json_text:
            from factorattn.cli.export import dump

            dump(vectors.as_dict(found, source, cut), json_text)
        if csv_text:
            vectors.write_csv(found, csv_text)
    if not quiet:
        vectors.print_study(found, source, cut)


def _study(
    encoder: "SentenceEncoder",
    texts: Sequence[str],
    mechanisms: Sequence[Any],
    choices: "Sequence[Choice]",
    sizes: Mapping[str, int],
    seed: int,
    *,
    hidden: bool,
) -> "Study":
    from factorattn.experiment.swap import matrices_of, study

    with _refused():
        matrices = [len(matrices_of(encoder, choice)) for choice in choices]
        total = 1 + len(mechanisms) + sum(matrices) + len(choices) * (1 + len(mechanisms))
        done = 0
        with progress(hidden=hidden) as bar:

            def step(text: str) -> None:
                nonlocal done
                bar(done, total, text)
                done += 1

            return study(encoder, texts, mechanisms, choices, sizes=sizes, seed=seed, step=step)


def _mechanisms(words: Sequence[str]) -> list[Any]:
    from factorattn import CATALOGUE
    from factorattn.cli.entries import mechanism
    from factorattn.experiment.swap.seat import why_not

    names = [name.strip() for word in words for name in word.split(",") if name.strip()]
    if words and not names:
        raise BadInput(f"--mechanism names none, got {','.join(words)!r}")
    found: dict[str, Any] = {}
    for name in names:
        if name == "all":
            found |= {own: f for own, f in CATALOGUE.items() if not why_not(f)}
            continue
        f = mechanism(name)
        why = why_not(f)
        if why:
            raise BadInput(f"--mechanism {f.__name__} cannot sit in this model: it {why}")
        found[f.__name__] = f
    return list(found.values())


def _knobs(words: Sequence[str], mechanisms: Sequence[Any]) -> dict[str, int]:
    from factorattn.experiment.swap.seat import letters

    if words and not mechanisms:
        raise BadInput("--set is for the sizes of mechanisms; give --mechanism, or --rank for factors")
    known = list(dict.fromkeys(letter for f in mechanisms for letter in letters(f)))
    told = f"the sizes of these mechanisms are {', '.join(known)}" if known else "these mechanisms have no sizes"
    return read_sizes(words, known, told)


def _choices(
    methods: Sequence[str],
    targets: Mapping[str, Any],
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    seed: int,
) -> "list[Choice]":
    from factorattn.experiment.swap import Choice
    from factorattn.experiment.swap.factors import PRODUCTS

    ranks = targets["rank"]
    given = {name: value for name, value in targets.items() if value not in (None, [])}
    lone = [*(f"--{name}" for name in given), *["--include"] * bool(include), *["--exclude"] * bool(exclude)]
    if not methods:
        if lone:
            raise BadInput(f"{lone[0]} is for factors; give --factorize METHOD")
        return []
    others: dict[str, Any] = {name: value for name, value in given.items() if name != "rank"}
    others |= {"include": include or (PRODUCTS,), "exclude": exclude, "seed": seed}
    with _refused("--factorize: "):
        return [Choice(method, rank, **others) for method in dict.fromkeys(methods) for rank in ranks or [None]]


@contextmanager
def _refused(before: str = "") -> Iterator[None]:
    """What the library refuses of options is a fault of the input."""
    try:
        yield
    except ValueError as error:
        raise BadInput(f"{before}{error}") from None
    except MemoryError as error:
        raise BadInput(f"{before}there is not as much memory: {error}") from None


def _needed(changed: bool, files: Mapping[str, str | None]) -> None:
    for option, path in files.items():
        if path is not None and not changed:
            raise BadInput(f"{option} tells how far vectors move; give --mechanism or --factorize")


def _suffix(option: str, path: str | None, allowed: Sequence[str] | Mapping[str, Any]) -> None:
    if path is not None and Path(path).suffix not in allowed:
        *most, last = allowed
        raise BadInput(f"{option} must end in {', '.join(most)} or {last}, got {path!r}")
