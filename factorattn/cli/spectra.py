"""Singular values of the matrices of a checkpoint, as a picture: a panel for each kind, a line for each layer."""

import io
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from factorattn.compress.checkpoint.report import Report, Row

__all__ = ["draw", "kinds"]

PANELS = 12  # kinds with a panel of their own; the others share one
COLUMNS = 4
PANEL = (3.1, 2.4)
FLOOR = 1e-3  # of the first singular value: below is not drawn
NO_LAYER = "0.35"


def draw(report: "Report", suffix: str) -> bytes:
    """The picture, as "png" or "svg"."""
    from matplotlib import colormaps, rc_context
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

    groups = kinds([row for row in report.rows if row.values is not None])
    columns = min(COLUMNS, len(groups))
    lines = -(-len(groups) // columns)
    depth = max(_depth(row.name) for row in report.rows)
    norm, colours = Normalize(0, max(1, depth)), colormaps["viridis"]
    settings: Any = {"font.size": 8, "svg.hashsalt": "spectra", "svg.fonttype": "none"}
    with rc_context(settings):
        size = (max(4.4, PANEL[0] * columns + (0.9 if depth > 0 else 0)), PANEL[1] * lines + 0.75)
        figure = Figure(figsize=size, layout="constrained")
        grid = figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True)
        for axes, (kind, rows) in zip(grid.flat, groups.items(), strict=False):
            for row in sorted(rows, key=lambda row: _depth(row.name)):
                layer = _depth(row.name)
                _line(axes, row, NO_LAYER if layer < 0 else colours(0.92 * norm(layer)))
            axes.set_title(_broken(kind), fontsize=7.5)
            axes.grid(color="0.88", linewidth=0.5)
            axes.spines[["top", "right"]].set_visible(False)
        for axes in grid.flat[len(groups) :]:
            axes.set_axis_off()
            above = grid[-2, list(grid[-1]).index(axes)]
            above.tick_params(labelbottom=True)
        first = grid.flat[0]
        first.set(yscale="log", xlim=(0, 1.02))
        first.set_ylim(max(FLOOR, first.get_ylim()[0]), 1.4)
        figure.supxlabel("number of the singular value, as a share of the shorter side", fontsize=8.5)
        figure.supylabel("singular value, as a share of the first", fontsize=8.5)
        name, value = report.choice.target
        title = f"{report.source}: singular values; dots mark the rank ({report.choice.method}, {name} {value:g})"
        figure.suptitle(title, fontsize=9)
        if depth > 0:
            from matplotlib.cm import ScalarMappable

            bar = figure.colorbar(ScalarMappable(norm, colours), ax=grid, shrink=0.6, aspect=30, pad=0.01)
            bar.set_label("layer")
        file = io.BytesIO()
        metadata: Any = {"Date": None, "Creator": None} if suffix == "svg" else {"Software": None}
        figure.savefig(file, format=suffix, dpi=150, metadata=metadata)
    return file.getvalue()


def kinds(rows: "Sequence[Row]") -> dict[str, list["Row"]]:
    """Matrices whose names differ in numbers only, those of most entries first; beyond a dozen, the rest together."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(re.sub(r"\d+", "*", row.name), []).append(row)
    in_order = sorted(found, key=lambda kind: -sum(row.before.parameters for row in found[kind]))
    if len(in_order) <= PANELS:
        return {kind: found[kind] for kind in in_order}
    own, others = in_order[: PANELS - 1], in_order[PANELS - 1 :]
    rest = [row for kind in others for row in found[kind]]
    return {kind: found[kind] for kind in own} | {f"{len(others)} other kinds": rest}


def _line(axes: "Axes", row: "Row", colour: Any) -> None:
    values = np.asarray(row.values, dtype=np.float64)
    if not values.size or not values[0] > 0:
        return
    share = np.arange(1, values.size + 1) / values.size
    relative = np.where(values > 0, values / values[0], np.nan)
    axes.plot(share, relative, color=colour, linewidth=1.0, marker="o" if values.size == 1 else "", markersize=2)
    if row.rank is not None:
        at = min(row.rank, values.size) - 1
        axes.plot(
            share[at], relative[at], "o", color=colour, markersize=4, markeredgecolor="white", markeredgewidth=0.5
        )


def _depth(name: str) -> int:
    """The first number in a name, of the layer; -1 where there is none."""
    found = re.search(r"\d+", name)
    return int(found[0]) if found else -1


def _broken(kind: str) -> str:
    """A long name on two lines, broken at a dot."""
    if len(kind) < 32:
        return kind
    dots = [i for i, letter in enumerate(kind) if letter == "."]
    at = min(dots, key=lambda i: abs(2 * i - len(kind)), default=-1)
    return kind if at < 0 else f"{kind[: at + 1]}\n{kind[at + 1 :]}"
