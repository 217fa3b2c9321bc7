"""Time, memory and loss against length, side by side: a line for each model."""

import io
from typing import Any

from factorattn.experiment.transactions.study import Report

__all__ = ["draw"]

MIB = 2**20
SIZE = (11.0, 4.0)
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")  # Okabe and Ito's
MARKERS = "osD^vP"


def draw(report: Report, suffix: str) -> bytes:
    """The picture, as "png" or "svg"."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context({"font.size": 9, "svg.hashsalt": "transactions", "svg.fonttype": "none"}):
        figure = Figure(figsize=SIZE, layout="constrained")
        panels = figure.subplots(1, 3)
        quantities = {
            "a step of training, seconds": lambda row: row.timing.median,
            "its peak memory, MiB": lambda row: row.peak / MIB,
            "held out, nats per purchase": lambda row: row.quality.held_out,
        }
        for axes, (title, quantity) in zip(panels, quantities.items(), strict=True):
            for i, name in enumerate(report.plan.mechanisms):
                rows = [row for row in report.rows if row.mechanism == name]
                how: dict[str, Any] = {
                    "color": COLOURS[i % 6],
                    "marker": MARKERS[i % 6],
                    "markersize": 4.5,
                    "label": name,
                }
                axes.plot([row.n for row in rows], list(map(quantity, rows)), linewidth=1.4, **how)
            axes.set_xscale("log", base=2)
            axes.set_xticks(sorted(report.plan.lengths), labels=[f"{n:,}" for n in sorted(report.plan.lengths)])
            axes.tick_params(axis="x", labelsize=8)
            axes.set(title=title, xlabel="length n")
            axes.grid(color="0.9", linewidth=0.5)
            axes.spines[["top", "right"]].set_visible(False)
        for axes in panels[:2]:
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter(lambda y, _: f"{y:,g}")
        for axes in panels:
            axes.minorticks_off()  # after the scales, which bring their own
        for (name, nats), dashes in zip(report.baselines.items(), ("--", ":"), strict=True):
            panels[2].axhline(nats, color="0.35", linestyle=dashes, linewidth=1.2, label=f"{name}, counted")
        handles, labels = panels[2].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False, fontsize=8.5)
        file = io.BytesIO()
        metadata: dict[str, Any] = {"Date": None, "Creator": None} if suffix == "svg" else {}
        figure.savefig(file, format=suffix, dpi=150, metadata=metadata)
    return file.getvalue()
