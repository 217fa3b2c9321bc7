"""Pictures of a comparison, as SVG to put into a page: colours are the page's, so that they follow light and dark."""

import io
import math
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from factorattn.cli.columns import MIB, kind
from factorattn.cli.compare import Report
from factorattn.cli.growth import Growth
from factorattn.cli.job import Job

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["COLOURS", "error_against_time", "growth"]

COLOURS = 8  # the page defines --series-0 ... and --ink, --faint, --paper
MARKERS = "osD^vPX*"
DASHES: tuple[Any, ...] = ("-", (0, (6, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)))  # one for each member of a family
SEE_THROUGH: Any = (0, (4, 4))  # of a line that lies upon another
NEAR = 1.02  # a ratio that no eye sees on these axes
SIZE = (5.4, 4.0)
_STAND_IN = {"#010101": "var(--ink)", "#020202": "var(--faint)", "#030303": "var(--paper)"} | {
    f"#0404{i:02x}": f"var(--series-{i})" for i in range(COLOURS)
}
INK, FAINT, PAPER = list(_STAND_IN)[:3]


def error_against_time(report: Report) -> str:
    """Every approximation as a point, exact attention as a line: down is nearer to it, left is faster."""
    style = _styles([row.job for row in report.rows])

    def draw(figure: "Figure", axes: "Axes") -> None:
        points = []
        for row in report.rows:
            colour, marker = style[row.job]
            x = row.timing.median * 1e3
            if kind(row) == "exact":  # its error is rounding, six decades below: a line leaves the room to the others
                axes.axvline(x, color=colour, linestyle=":")  # names keep a rim of paper, by the page's style
                place: dict[str, Any] = {"rotation": 90, "ha": "right", "va": "bottom", "fontsize": 8.5}
                axes.text(x, 0.02, f" {_short(row.job)}", color=INK, transform=axes.get_xaxis_transform(), **place)
                continue
            hollow = kind(row) == "its own"
            if not 0 < row.error < math.inf:
                continue
            axes.plot(x, row.error, marker, color=colour, markerfacecolor=PAPER if hollow else colour, markersize=8)
            points.append((x, row.error, _short(row.job)))
        axes.set(xscale="log", yscale="log", xlabel="median time, ms", ylabel="relative error")
        axes.margins(0.22, 0.12)
        if points:
            axes.set_ylim(*_whole_decades([error for _, error, _ in points]))
        for axis in (axes.xaxis, axes.yaxis):
            _decades(axis)
        _name_points(figure, axes, points)

    return _svg(draw, "error")


def growth(lines: Sequence[Growth], quantity: str) -> str:
    """A quantity against the length, one line for each mechanism: "seconds", "flops" or "peak"."""
    labels = {"seconds": "measured time, ms", "flops": "counted GFLOP", "peak": "counted memory, MiB"}
    unit = {"seconds": 1e-3, "flops": 1e9, "peak": MIB}[quantity]
    style = _styles([line.job for line in lines])

    def draw(figure: "Figure", axes: "Axes") -> None:
        drawn: list[list[float]] = []
        for line in lines:
            colour, marker = style[line.job]
            values = [value / unit for value in getattr(line, quantity)]
            upon = any(_coincide(values, other) for other in drawn)
            under = any(
                _coincide(values, [x / unit for x in getattr(other, quantity)]) for other in lines[len(drawn) + 1 :]
            )
            how: dict[str, Any] = {"linestyle": SEE_THROUGH if upon else _dashes(line.job, lines)}
            how |= {"marker": marker, "markersize": 4.5, "linewidth": 2.8 if under and not upon else 1.4}
            axes.plot(line.n, values, color=colour, label=_short(line.job), **how)
            drawn.append(values)
        axes.set(xscale="log", yscale="log", xlabel="length n", ylabel=labels[quantity])
        axes.set_xscale("log", base=2)
        longest = max(n for line in lines for n in line.n)
        axes.xaxis.set_major_formatter(lambda n, _: _length(n, longest))
        _decades(axes.yaxis)
        legend = figure.legend(
            loc="outside lower center", ncols=3, handlelength=3, frameon=False, fontsize=8, labelcolor=INK
        )
        legend.set_in_layout(True)

    return _svg(draw, quantity)


def _svg(draw: Callable[["Figure", "Axes"], None], name: str) -> str:
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    settings: Any = {"svg.fonttype": "none", "svg.hashsalt": name, "font.family": "sans-serif", "font.size": 9}
    with rc_context(settings):
        figure = Figure(figsize=SIZE, layout="constrained", facecolor="none")
        axes = figure.subplots()
        axes.set_facecolor("none")
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(INK)
        axes.tick_params(which="both", colors=INK)
        axes.grid(color=FAINT, linewidth=0.5)
        axes.set_axisbelow(True)
        draw(figure, axes)
        for text in (axes.xaxis.label, axes.yaxis.label):
            text.set_color(INK)
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    return _inline(file.getvalue(), name)


def _inline(svg: str, name: str) -> str:
    """The svg element alone: no namespaces (a page has them), ids of its own, colours of the page."""
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    svg = re.sub(r' xmlns(:\w+)?="[^"]*"', "", svg).replace("xlink:href", "href")
    svg = re.sub(r'( id="|href="#|url\(#)', rf"\g<1>{name}-", svg)
    svg = re.sub(r'width="[\d.]+pt" height="[\d.]+pt"', 'role="img"', svg, count=1)
    return re.sub(r"#0[1-4]0[1-4][0-9a-f]{2}", lambda found: _STAND_IN[found[0]], svg)


def _styles(jobs: Sequence[Job]) -> dict[Job, tuple[str, str]]:
    """A colour for each family and a marker for each of its members."""
    families = sorted({job.family for job in jobs})
    members = {name: [job for job in jobs if job.family == name] for name in families}
    colours = list(_STAND_IN)[3:]
    return {
        job: (colours[families.index(job.family) % COLOURS], MARKERS[members[job.family].index(job) % len(MARKERS)])
        for job in jobs
    }


def _dashes(job: Job, lines: Sequence[Growth]) -> Any:
    family = [line.job for line in lines if line.job.family == job.family]
    return DASHES[family.index(job) % len(DASHES)]


def _coincide(a: Sequence[float], b: Sequence[float]) -> bool:
    """Whether most of a line cannot be told from another."""
    near = [max(x, y) <= NEAR * min(x, y) for x, y in zip(a, b, strict=False)]
    return 2 * sum(near) > len(near)


def _name_points(figure: "Figure", axes: "Axes", points: list[tuple[float, float, str]]) -> None:
    """Write each name beside its point, on the first side where it covers nothing written before."""
    taken: list[Any] = []
    figure.draw_without_rendering()
    spots = [axes.transData.transform(point[:2]) for point in points]
    sides = [((8, 0), "left", "center"), ((-8, 0), "right", "center")]
    sides += [((0, 9), "center", "bottom"), ((0, -9), "center", "top")]
    sides += [((dx, dy), ha, "center") for dy in (14, -14, 26, -26) for dx, ha in ((8, "left"), (-8, "right"))]
    frame = figure.bbox
    for x, y, name in sorted(points):
        for offset, ha, va in sides:
            place: dict[str, Any] = {"xytext": offset, "textcoords": "offset points", "ha": ha, "va": va}
            text = axes.annotate(name, (x, y), color=INK, fontsize=8.5, **place)
            box = text.get_window_extent()
            inside = box.x0 >= axes.bbox.x0 and box.x1 <= frame.x1 and box.y0 >= axes.bbox.y0 and box.y1 <= frame.y1
            covers = any(map(box.overlaps, taken)) or any(box.contains(*spot) for spot in spots)
            if (inside and not covers) or (offset, ha, va) == sides[-1]:
                break
            text.remove()
        taken.append(box)


def _decades(axis: Any) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter

    low, high = axis.get_view_interval()
    few = low > 0 and high / low < 100
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if few else (1,), numticks=8))
    plain = few or (low >= 1e-4 and high <= 1e6)  # one way of writing on one axis
    axis.set_major_formatter(lambda x, _: f"{x:,g}" if plain else f"10{_superscript(round(math.log10(x)))}")
    axis.set_minor_formatter(NullFormatter())


def _whole_decades(values: Sequence[float]) -> tuple[float, float]:
    """Powers of ten that enclose all values."""
    return 10.0 ** math.floor(math.log10(min(values))), 10.0 ** math.ceil(math.log10(max(values)))


def _length(n: float, longest: int) -> str:
    """As a power of two, on an axis that goes far."""
    power = round(n).bit_length() - 1
    return f"2{_superscript(power)}" if longest > 2**14 and 2**power == round(n) else f"{n:,.0f}"


def _superscript(power: int) -> str:
    return str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def _short(job: Job) -> str:
    return job.label.replace("_attention", "")
