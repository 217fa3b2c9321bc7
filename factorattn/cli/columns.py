"""What is told of each mechanism, column by column: for the table, for CSV and for the page."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from factorattn.cli.compare import Report
from factorattn.cli.job import EXACT, Row

__all__ = ["COLUMNS", "WORDS", "Column", "kind", "notes", "number"]

MIB = 2**20
WORDS = ("mechanism", "weights", "declared time")  # titles of columns that hold no figures


class Column(NamedTuple):
    """A column: its heading, its text, the value to sort by, and a sentence."""

    title: str
    text: Callable[[Report, Row], str]
    value: Callable[[Report, Row], Any]
    about: str


def number(value: float) -> str:
    """Three digits, as a person would write them: 0.00123, 12.3, 4,560, 7.1e-7."""
    if math.isnan(value) or math.isinf(value):
        return str(value)
    if value == 0 or 1e-4 <= abs(value) < 1e6:
        digits = 2 - math.floor(math.log10(abs(value))) if value else 0
        return f"{value:,.{max(0, digits)}f}"
    short, _, power = f"{value:.1e}".partition("e")
    return f"{short}e{int(power)}"


def kind(row: Row) -> str:
    """Exact softmax, an approximation of it, or weights of its own."""
    if row.job.name == EXACT:
        return "exact"
    return "approximate" if row.job.record.approximates else "its own"


def _error(report: Report, row: Row) -> str:
    told = [number(error) for error in row.errors]
    if len(told) > 2:
        told = [f"at most {number(max(row.errors))}"]
    return " | ".join(told)


def _quartiles(report: Report, row: Row) -> str:
    if row.timing.repeats == 1:
        return "one run"
    return f"{number(row.timing.low * 1e3)} – {number(row.timing.high * 1e3)}"


COLUMNS = (
    Column("mechanism", lambda _, row: row.job.label, lambda _, row: row.job.label, "by family"),
    Column("weights", lambda _, row: kind(row), lambda _, row: kind(row), "exact softmax, approximate or others"),
    Column(
        "GFLOP",
        lambda _, row: number(row.cost.flops / 1e9),
        lambda _, row: row.cost.flops / 1e9,
        "counted operations",
    ),
    Column(
        "MiB counted",
        lambda _, row: number(row.cost.peak / MIB),
        lambda _, row: row.cost.peak / MIB,
        "most memory held at once beside the inputs, counted over the reference text, function by function",
    ),
    Column(
        "MiB measured",
        lambda _, row: number(row.peak / MIB),
        lambda _, row: row.peak / MIB,
        "most memory held at once beside the inputs, measured",
    ),
    Column("ms", lambda _, row: number(row.timing.median * 1e3), lambda _, row: row.timing.median * 1e3, "median time"),
    Column("quartiles", _quartiles, lambda _, row: row.timing.low * 1e3, "of the time, in ms"),
    Column(
        "speed-up",
        lambda report, row: f"{number(report.speedup(row))}×",
        lambda report, row: report.speedup(row),
        "over exact attention in its default form",
    ),
    Column("error", _error, lambda _, row: row.error, "relative to exact attention in float64, for each head"),
    Column(
        "declared time",
        lambda _, row: row.job.record.time,
        lambda _, row: row.job.record.time,
        "leading operations of the default form",
    ),
)


def notes(report: Report) -> list[tuple[str, str]]:
    """What stands under the table: the input, the machine, the kernels that ran, who was left out."""
    sizes = ", ".join(f"{letter} = {size:,}" for letter, size in report.sizes.items())
    batch = f"batch {' × '.join(map(str, report.batch))}, " if report.batch else ""
    plain = ("processor", "blas", "gpu")  # these say themselves what they are
    versions = "; ".join(text if key in plain else f"{key} {text}" for key, text in report.machine.items())
    lines = [
        ("input", f"{report.source}; {batch}{sizes}; {report.dtype}{', causal' if report.plan.causal else ''}"),
        ("machine", versions),
    ]
    ran: dict[str, list[str]] = {}
    for row in report.rows:
        for choice in row.ran or ("array functions alone",):
            ran.setdefault(choice, []).append(row.job.label.removesuffix("_attention"))
    lines += [("kernel", f"{choice}: {', '.join(names)}") for choice, names in ran.items()]
    lines += [("left out", f"{name}: {why}") for name, why in report.left_out]
    if report.rows:
        lines.append(("error", "relative Frobenius distance from exact attention in float64, one figure a head"))
        own = [row.job.label for row in report.rows if kind(row) == "its own"]
        if own:
            lines.append(("", f"{', '.join(own)}: other weights by design, its distance is not an error"))
        exact = f"{EXACT} in its default form, {number(report.exact_seconds * 1e3)} ms"
        lines += [
            ("speed-up", f"over {exact}"),
            ("memory", "beside the inputs; counted: the reference text, function by function; a kernel may hold less"),
            ("", f"measured: {report.rows[0].peak_how}"),
        ]
    return lines
