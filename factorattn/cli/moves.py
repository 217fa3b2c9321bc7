"""How far vectors move, as a picture: the cosines of all texts and what becomes of their similarities, row by row.

Of two texts there is one similarity, and nothing to be told of it: then there are cosines alone.
"""

import io
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from factorattn.experiment.swap import Row, Study

__all__ = ["draw"]

WIDTH, LINE, FRAME = 8.6, 0.26, 1.35
POINTS, MEAN, OTHER = "#7aa6c2", "#12466b", "#c2571a"


def draw(found: "Study", suffix: str) -> bytes:
    """The picture, as "png" or "svg": a row for each change, those that moved least on top."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    rows = sorted(found.rows, key=_order)
    settings: Any = {"font.size": 8, "svg.hashsalt": "moves", "svg.fonttype": "none"}
    with rc_context(settings):
        figure = Figure(figsize=(WIDTH, FRAME + LINE * len(rows)), layout="constrained")
        compared = any(np.isfinite((row.moved.correlation, row.moved.nearest)).any() for row in rows)
        left, *others = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2)) if compared else (figure.subplots(),)
        for y, row in enumerate(rows):
            cosines = row.moved.cosines[np.isfinite(row.moved.cosines)]
            how: dict[str, Any] = {"zorder": 3, "clip_on": False}
            left.plot(cosines, np.full(len(cosines), y), "|", color=POINTS, markersize=7, alpha=0.5)
            left.plot([row.moved.mean], [y], "o", color=MEAN, markersize=4.5, **how)
            for right in others:
                right.plot([row.moved.correlation], [y], "o", color=MEAN, markersize=4.5, **how)
                right.plot([row.moved.nearest], [y], "D", markersize=4.5, markerfacecolor="none", color=OTHER, **how)
        left.set_yticks(range(len(rows)), [row.label.replace("_attention", "") for row in rows])
        left.set_ylim(len(rows) - 0.4, -0.6)
        for axes in (left, *others):
            axes.grid(color="0.88", linewidth=0.5)
            axes.spines[["top", "right"]].set_visible(False)
            axes.set_axisbelow(True)
            axes.set_xlim(min(0.0, axes.get_xlim()[0]), 1.0)
        left.set_xlabel("cosine between a text's vector before and after")
        for right in others:
            right.set_xlabel("share; correlation")
            right.tick_params(labelleft=False)
        _legend(left, *others)
        figure.suptitle(f"{len(found.texts):,} texts: how far their vectors move", fontsize=9)
        file = io.BytesIO()
        metadata: Any = {"Date": None, "Creator": None} if suffix == "svg" else {"Software": None}
        figure.savefig(file, format=suffix, dpi=150, metadata=metadata)
    return file.getvalue()


def _legend(left: Any, *others: Any) -> None:
    from matplotlib.lines import Line2D

    def mark(marker: str, colour: str, text: str, **how: Any) -> Any:
        return Line2D([], [], linestyle="", marker=marker, color=colour, label=text, markersize=4.5, **how)

    place: dict[str, Any] = {"frameon": False, "loc": "lower left", "bbox_to_anchor": (0, 1), "ncols": 2}
    left.legend(handles=[mark("|", POINTS, "a text"), mark("o", MEAN, "mean of all")], **place)
    told = [
        mark("o", MEAN, "correlation of similarities"),
        mark("D", OTHER, "nearest text kept", markerfacecolor="none"),
    ]
    for right in others:
        right.legend(handles=told, **place | {"handletextpad": 0.1, "columnspacing": 0.8})


def _order(row: "Row") -> float:
    return -row.moved.mean if np.isfinite(row.moved.mean) else 2.0
