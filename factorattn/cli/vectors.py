"""Vectors of texts, and how far changes move them: in the terminal, as JSON and CSV, and as files of vectors."""

import csv
import io
import json
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np

from factorattn.cli.columns import number
from factorattn.cli.screen import layout, notes_grid, put, table_of, terminal

if TYPE_CHECKING:
    from factorattn.experiment.swap import Row, Study

__all__ = ["WRITERS", "as_dict", "print_study", "write_csv", "written"]

WORDS = ("changed", "text", "nearest other text")
LEAST = ("operations", "largest", "seconds", "parameters", "nearest")  # columns that go first
SHOWN = 12  # texts that a terminal lists
CUT = 48  # signs of a text


def print_study(found: "Study", source: str, cut: int = 0) -> None:
    """Print a row for each change, or for each text where nothing is changed; and the notes."""
    if found.rows:
        _print_table(_changes(found), "changed", [row.label.replace("_attention", "") for row in found.rows])
    else:
        cells = _texts(found)
        _print_table(cells, "text", cells["text"])
    put(terminal(), "")
    put(terminal(), notes_grid(_notes(found, source, cut)))


def as_dict(found: "Study", source: str, cut: int = 0) -> dict[str, Any]:
    """All figures as plain data; the vectors are left to --output."""
    return {
        "input": {"source": source, "texts": len(found.texts), "tokens": sum(found.tokens), "cut": cut},
        "original": {"parameters": found.parameters, "flops_of_a_token": found.flops, "seconds": found.seconds},
        "rows": [_line(row) | {"cosines": row.moved.cosines.tolist()} for row in found.rows],
        "texts": [{"text": text, "tokens": tokens} for text, tokens in zip(found.texts, found.tokens, strict=True)],
        "left_out": [{"changed": name, "why": why} for name, why in found.left_out],
    }


def write_csv(found: "Study", file: TextIO) -> None:
    """One line for each change."""
    rows = [_line(row) for row in found.rows]
    writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def written(found: "Study", suffix: str) -> bytes:
    """All vectors as the content of a file: those of the encoder as it is, "embeddings", and of each change."""
    named = {"embeddings": found.vectors} | {row.label: row.vectors for row in found.rows}
    return WRITERS[suffix](named, found)


def _npz(named: Mapping[str, np.ndarray], found: "Study") -> bytes:
    file = io.BytesIO()
    arrays: dict[str, Any] = dict(named)
    np.savez(file, **arrays)
    return file.getvalue()


def _safetensors(named: Mapping[str, np.ndarray], found: "Study") -> bytes:
    from safetensors.numpy import save

    return save({name: np.ascontiguousarray(x) for name, x in named.items()})


def _csv(named: Mapping[str, np.ndarray], found: "Study") -> bytes:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["changed", "text", *range(found.vectors.shape[1])])
    for name, x in named.items():
        for text, vector in zip(found.texts, x, strict=True):
            writer.writerow(["" if name == "embeddings" else name, text, *map(str, vector)])
    return file.getvalue().encode()


def _json(named: Mapping[str, np.ndarray], found: "Study") -> bytes:
    told = {"texts": list(found.texts), **{name: x.tolist() for name, x in named.items()}}
    return (json.dumps(told, ensure_ascii=False) + "\n").encode()


WRITERS: dict[str, Callable[[Mapping[str, np.ndarray], "Study"], bytes]] = {
    ".npz": _npz,
    ".safetensors": _safetensors,
    ".csv": _csv,
    ".json": _json,
}


def _changes(found: "Study") -> dict[str, list[str]]:
    rows = found.rows
    return {
        "changed": [row.label for row in rows],
        "mean cosine": [_share(row.moved.mean) for row in rows],
        "least": [_share(row.moved.least) for row in rows],
        "correlation": [_share(row.moved.correlation) for row in rows],
        "nearest": [_share(row.moved.nearest) for row in rows],
        "largest": [number(row.moved.largest) for row in rows],
        "parameters": [f"{row.parameters / found.parameters:.1%}" for row in rows],
        "operations": [f"{row.flops / found.flops:.1%}" for row in rows],
        "seconds": [number(row.seconds) for row in rows],
    }


def _texts(found: "Study") -> dict[str, list[str]]:
    from factorattn.experiment.swap.moved import nearest

    shown = range(min(SHOWN, len(found.texts)))
    cells = {"text": [_cut(found.texts[at]) for at in shown], "tokens": [str(found.tokens[at]) for at in shown]}
    if len(found.texts) < 2:
        return cells
    other = nearest(found.vectors)
    return cells | {
        "nearest other text": [_cut(found.texts[other[at]]) for at in shown],
        "similarity": [f"{found.vectors[at] @ found.vectors[other[at]]:.3f}" for at in shown],
    }


def _notes(found: "Study", source: str, cut: int) -> list[tuple[str, str]]:
    texts, tokens = len(found.texts), sum(found.tokens)
    lines = [("texts", f"{source}; {texts:,} of {tokens:,} tokens, the longest of {max(found.tokens)}")]
    if cut:
        lines.append(("", f"{cut:,} longer than that {'is' if cut == 1 else 'are'} cut off there"))
    rows, width = found.vectors.shape
    if not found.rows:
        more = f"; the first {SHOWN} are shown" if rows > SHOWN else ""
        return [*lines, ("vectors", f"{rows:,} of {width} numbers, at length one, in {number(found.seconds)} s{more}")]
    about = f"{number(found.seconds)} s as it is, {found.parameters:,} parameters"
    lines.append(("encoder", f"{about}, {found.flops:,} operations a token beside attention"))
    worst = min(found.rows, key=lambda row: row.moved.least if math.isfinite(row.moved.least) else 2.0)
    lines += [
        ("cosine", "between the vector of a text before and after, mean and least over all texts"),
        ("", f"moved most, {_share(worst.moved.least)} by {worst.label}: {_cut(found.texts[worst.moved.farthest])!r}"),
    ]
    if texts > 2:
        lines.append(("correlation", "of the similarities of all pairs of texts, before and after"))
        lines.append(("nearest", "the share of texts whose nearest other text stayed the same"))
    lines += [("left out", f"{name}: {why}") for name, why in found.left_out]
    return lines


def _print_table(cells: dict[str, list[str]], name: str, short: list[str]) -> None:
    from rich.text import Text

    found = layout(cells, short, name, LEAST)
    if found.short:
        cells[name] = short
    console = terminal(found.width)
    table = table_of(found.shown, WORDS, console)
    for line in zip(*(cells[title] for title in found.shown), strict=True):
        table.add_row(*map(Text, line))
    put(console, table)


def _line(row: "Row") -> dict[str, Any]:
    return {
        "changed": row.label,
        "mechanism": row.mechanism,
        "factorization": row.factorization,
        "cosine_mean": row.moved.mean,
        "cosine_least": row.moved.least,
        "correlation": row.moved.correlation,
        "nearest_kept": row.moved.nearest,
        "largest_difference": row.moved.largest,
        "parameters": row.parameters,
        "flops_of_a_token": row.flops,
        "seconds": row.seconds,
    }


def _share(value: float) -> str:
    """Four digits; never rounded to one where something is missing, and a dash where there is nothing to tell."""
    if math.isnan(value):
        return "-"
    return f"{min(value, 0.9999):.4f}" if value < 1 - 1e-6 else "1"


def _cut(text: str) -> str:
    return text if len(text) <= CUT else f"{text[: CUT - 1].rstrip()}…"
