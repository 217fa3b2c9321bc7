"""What training on transactions has cost and learned: as a table, as JSON and as CSV."""

import csv
from typing import Any, TextIO

from factorattn.cli.columns import MIB, number
from factorattn.cli.machine import machine
from factorattn.cli.screen import layout, notes_grid, put, table_of, terminal
from factorattn.experiment.transactions import Report, Row

__all__ = ["as_dict", "print_report", "write_csv"]

WORDS = ("model",)
LEAST = ("quartiles, ms", "parameters", "training", "inside", "last", "seen ahead")  # go first


def print_report(report: Report) -> None:
    """Print the table, and the notes under it."""
    from rich.text import Text

    cells = _cells(report)
    found = layout(cells, cells["model"], "model", LEAST)
    console = terminal(found.width)
    table = table_of(found.shown, WORDS, console)
    rows = report.rows
    for i, row in enumerate(rows):
        last = i + 1 == len(rows) or rows[i + 1].mechanism != row.mechanism
        table.add_row(*(Text(cells[title][i]) for title in found.shown), end_section=last)
    put(console, table)
    put(console, "")
    notes = _notes(report)
    left = [title for title in cells if title not in found.shown]
    if left:
        why = f"left out for want of width: {', '.join(left)}; a wider terminal or --csv shows them"
        notes.append(("columns", why))
    put(console, notes_grid(notes))


def as_dict(report: Report) -> dict[str, Any]:
    """The report as plain dictionaries, lists and numbers."""
    plan = report.plan
    return {
        "data": {"source": "cdnow", **report.counts},
        "plan": {
            "lengths": list(plan.lengths),
            "mechanisms": list(plan.mechanisms),
            "steps": plan.steps,
            "start_steps": plan.start_steps,
            "start_length": plan.start_length,
            "start_tokens": plan.start_tokens,
            "rate": plan.rate,
            "seed": plan.seed,
            "width": plan.sizes.c,
            "heads": plan.sizes.heads,
            "layers": plan.sizes.layers,
        },
        "machine": machine("numpy"),
        "baselines": report.baselines,
        "rows": [_line(row) for row in report.rows],
        "growth": [
            {"mechanism": name, "seconds_exponent": seconds, "peak_exponent": peak}
            for name, (seconds, peak) in report.growth().items()
        ],
    }


def write_csv(report: Report, file: TextIO) -> None:
    """One line for each model and length, one column for each number."""
    writer = csv.DictWriter(file, list(_line(report.rows[0])), lineterminator="\n")
    writer.writeheader()
    writer.writerows(map(_line, report.rows))


def _line(row: Row) -> dict[str, Any]:
    return {
        "mechanism": row.mechanism,
        "n": row.n,
        "parameters": row.parameters,
        "seconds_median": row.timing.median,
        "seconds_lower_quartile": row.timing.low,
        "seconds_upper_quartile": row.timing.high,
        "repeats": row.timing.repeats,
        "peak_bytes": row.peak,
        "training_loss": row.training_loss,
        "held_out_nats_per_purchase": row.quality.held_out,
        "last_nats_per_token": row.quality.last,
        "inside_nats_per_token": row.quality.inside,
        "seen_ahead_nats": row.quality.seen_ahead,
    }


def _cells(report: Report) -> dict[str, list[str]]:
    rows = report.rows
    return {
        "model": [row.mechanism for row in rows],
        "length": [f"{row.n:,}" for row in rows],
        "parameters": [f"{row.parameters:,}" for row in rows],
        "ms a step": [number(row.timing.median * 1e3) for row in rows],
        "quartiles, ms": [f"{number(row.timing.low * 1e3)} – {number(row.timing.high * 1e3)}" for row in rows],
        "MiB a step": [number(row.peak / MIB) for row in rows],
        "training": [f"{row.training_loss:.3f}" for row in rows],
        "held out": [f"{row.quality.held_out:.3f}" for row in rows],
        "last": [f"{row.quality.last:.3f}" for row in rows],
        "inside": [f"{row.quality.inside:.3f}" for row in rows],
        "seen ahead": [number(row.quality.seen_ahead) for row in rows],
    }


def _notes(report: Report) -> list[tuple[str, str]]:
    counts, plan = report.counts, report.plan
    customers = (
        f"{counts['training_customers']:,} customers to learn from and {counts['held_out_customers']:,} held out"
    )
    told = [
        ("data", f"CDNOW: {counts['training_purchases']:,} purchases of {customers}; {counts['vocabulary']} tokens"),
        ("held out", f"nats per purchase, {counts['predicted_purchases']:,} purchases, the same for all"),
        ("", "; ".join(f"{name} of the training customers: {nats:.3f}" for name, nats in report.baselines.items())),
        (
            "last",
            "nats per token behind a window, where no model has seen ahead; inside: of the same tokens, others after",
        ),
        (
            "seen ahead",
            "mean change of log p in the first half of a window when the second becomes another: 0 if causal",
        ),
        ("training", f"{plan.start_steps} steps at a short length, then {plan.steps} at each; nats per token"),
        ("a step", "forward, backward and Adam on one sequence; memory: what Python and NumPy allocate at its peak"),
    ]
    for name, (seconds, peak) in report.growth().items():
        key = "growth" if told[-1][0] == "a step" else ""
        told.append((key, f"{name}: time n^{seconds:.2f}, memory n^{peak:.2f}, between the two longest"))
    worse = [
        f"{row.mechanism} at {row.n:,}" for row in report.rows if row.quality.held_out >= report.baselines["unigram"]
    ]
    if worse:
        told.insert(2, ("", f"no better than the unigram table: {', '.join(worse)}"))
    plain = ("processor", "blas")  # these say themselves what they are
    versions = "; ".join(text if key in plain else f"{key} {text}" for key, text in machine("numpy").items())
    told.append(("machine", f"{versions}; products of matrices on one thread"))
    return told
