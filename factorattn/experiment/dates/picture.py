"""The attention of all heads on one phrase, as a picture: characters of the phrase across, of the answer down."""

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from factorattn.experiment.dates.data import BEGIN, END, answers, sources
from factorattn.experiment.dates.model import Sizes, cross_weights, read_ids

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_heads", "heads_figure", "heads_of"]

COLUMNS = 2
CELL = 0.17  # inches
BLANK = "␣"


def heads_of(parameters: Mapping[str, Any], phrase: str, *, sizes: Sizes) -> tuple[str, np.ndarray]:
    """What the model reads in a phrase, and the weights (h, n, m) of its last layer as it does.

    Row i is of character i of the answer; the last row, of its end.
    """
    ids, mask = sources([phrase])
    read = read_ids(parameters, ids, mask, sizes=sizes)
    length = int(np.argmax(read[0] == END)) + 1 if END in read[0] else read.shape[1]
    known = np.concatenate([[BEGIN], read[0, : length - 1]])[None]  # as each character was said
    return answers(read)[0], cross_weights(parameters, ids, mask, known, sizes=sizes)[-1][0]


def heads_figure(weights: np.ndarray, phrase: str, answer: str, figure: Any = None) -> "Figure":
    """A panel for each head of weights (h, n, m), on one scale from 0 to 1; in a figure of its own if none is given."""
    from matplotlib.figure import Figure

    h, n, m = weights.shape
    columns = min(COLUMNS, h)
    rows = -(-h // columns)
    size = (columns * (CELL * m + 0.55) + 0.7, rows * (CELL * n + 0.5) + 0.5)
    figure = Figure() if figure is None else figure
    figure.set_layout_engine("constrained")
    figure.set_size_inches(*size)
    grid = figure.subplots(rows, columns, squeeze=False)
    across = [BLANK if character == " " else character for character in phrase]
    down = [*answer, "end"][:n]
    for number, axes in enumerate(grid.flat):
        if number >= h:
            axes.set_axis_off()
            continue
        image = axes.imshow(weights[number], vmin=0.0, vmax=1.0, cmap="Blues", aspect="equal")
        axes.set_xticks(range(m), across, fontsize=7, family="monospace")
        axes.set_yticks(range(n), down, fontsize=7, family="monospace")
        axes.tick_params(length=0, pad=2)
        axes.set_title(f"head {number + 1}", fontsize=8, pad=3)
        axes.spines[:].set_color("0.75")
    bar = figure.colorbar(image, ax=grid, shrink=0.5, aspect=30, pad=0.01)
    bar.ax.tick_params(labelsize=7)
    bar.set_label("weight", fontsize=8)
    figure.supxlabel("characters of the phrase", fontsize=8)
    figure.supylabel("characters of the answer, as each is said", fontsize=8)
    figure.suptitle(f"{phrase}  \N{RIGHTWARDS ARROW}  {answer}", fontsize=9)
    return figure


def draw_heads(weights: np.ndarray, phrase: str, answer: str, suffix: str) -> bytes:
    """The same as "png" or "svg"."""
    from matplotlib import rc_context

    settings: Any = {"svg.hashsalt": "heads", "svg.fonttype": "none"}
    with rc_context(settings):
        figure = heads_figure(weights, phrase, answer)
        file = io.BytesIO()
        metadata: Any = {"Date": None, "Creator": None} if suffix == "svg" else {"Software": None}
        figure.savefig(file, format=suffix, dpi=150, metadata=metadata)
    return file.getvalue()
