"""A comparison as JSON and as CSV."""

import csv
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from factorattn.cli.columns import kind
from factorattn.cli.compare import Report
from factorattn.cli.growth import Growth
from factorattn.cli.job import Row

__all__ = ["as_dict", "dump", "write_csv"]


def as_dict(report: Report) -> dict[str, Any]:
    """The report as plain dictionaries, lists and numbers."""
    plan = report.plan
    return {
        "input": {
            "source": report.source,
            "sizes": dict(report.sizes),
            "batch": list(report.batch),
            "dtype": report.dtype,
        },
        "plan": {"causal": plan.causal, "seed": plan.seed, "namespace": plan.namespace, "kernels": plan.kernels},
        "machine": dict(report.machine),
        "rows": [_row(report, row) | {"errors": list(row.errors), "ran": list(row.ran)} for row in report.rows],
        "left_out": [{"mechanism": name, "why": why} for name, why in report.left_out],
        "growth": {"measured": [_growth(g) for g in report.measured], "counted": [_growth(g) for g in report.counted]},
    }


def dump(value: Mapping[str, Any], file: TextIO) -> None:
    """Write JSON; numbers that JSON does not have (NaN, infinity) become null."""
    json.dump(_strict(value), file, indent=2, ensure_ascii=False, allow_nan=False)
    file.write("\n")


def write_csv(report: Report, file: TextIO) -> None:
    """One line for each mechanism, one column for each number; the errors of several heads are apart."""
    rows = [
        _row(report, row) | {f"error_{i}": error for i, error in enumerate(row.errors)} | {"ran": "; ".join(row.ran)}
        for row in report.rows
    ]
    writer = csv.DictWriter(file, list(rows[0]) if rows else ["mechanism"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def _row(report: Report, row: Row) -> dict[str, Any]:
    record = row.job.record
    return {
        "mechanism": row.job.name,
        "form": row.job.form,
        "family": row.job.family,
        "weights": kind(row),
        "declared_time": record.time,
        "declared_memory": record.memory,
        "flops": row.cost.flops,
        "bytes_moved": row.cost.moved,
        "counted_peak_bytes": row.cost.peak,
        "measured_peak_bytes": row.peak,
        "measured_peak_how": row.peak_how,
        "seconds_median": row.timing.median,
        "seconds_lower_quartile": row.timing.low,
        "seconds_upper_quartile": row.timing.high,
        "repeats": row.timing.repeats,
        "speedup": report.speedup(row),
        "error": row.error,
    }


def _growth(growth: Growth) -> dict[str, Any]:
    quantities = {"n": growth.n, "seconds": growth.seconds, "flops": growth.flops, "peak_bytes": growth.peak}
    known = {key: list(values) for key, values in quantities.items() if values}
    return {"mechanism": growth.job.name, "form": growth.job.form} | known


def _strict(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: _strict(x) for key, x in value.items()}
    return [_strict(x) for x in value] if isinstance(value, Sequence) and not isinstance(value, str) else value
