"""A comparison as one page of HTML that needs nothing else: no scripts, fonts or styles from elsewhere."""

from collections.abc import Sequence
from html import escape
from typing import Any

from factorattn.cli import charts
from factorattn.cli.columns import COLUMNS, WORDS, kind, notes
from factorattn.cli.compare import Report

__all__ = ["page"]

FIRST = ("mechanism", "ms", "error")  # what a narrow screen shows
ORDERED = sorted(COLUMNS, key=lambda c: FIRST.index(c.title) if c.title in FIRST else len(FIRST))

LIGHT = ("#4059ad", "#c2571a", "#2a7f62", "#a0378b", "#7a6a00", "#b3273d", "#0f7c93", "#5c5c5c")
DARK = ("#92a8f5", "#f09a5d", "#63c9a2", "#e08ace", "#cdbb4a", "#f0808f", "#5fc6dc", "#b5b5b5")

STYLE = """
:root { color-scheme: light dark; --ink: #1c1d21; --soft: #5b5e68; --faint: #d9dbe2; --paper: #ffffff; --band: #f4f5f8;
  LIGHT }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8e9ee; --soft: #a2a6b3; --faint: #3a3d48; --paper: #16171c; --band: #1f2128;
    DARK }
}
* { box-sizing: border-box }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 76rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif }
h1 { margin: 0; font-size: 1.6rem; line-height: 1.25 }
h2 { margin: 2.5rem 0 .5rem; font-size: 1.15rem }
h3 { margin: .5rem 0; font-size: 1rem }
p, li { max-width: 48rem }
.lead { margin: .25rem 0 1.5rem; color: var(--soft) }
.scroll { overflow-x: auto; border: 1px solid var(--faint); border-radius: .5rem }
table { border-collapse: separate; border-spacing: 0; width: 100%; font-size: .9rem;
  font-variant-numeric: tabular-nums }
th, td { padding: .45rem .7rem; text-align: right; white-space: nowrap; border-top: 1px solid var(--faint) }
thead th { border-top: 0; background: var(--band); vertical-align: bottom }
td:last-child { white-space: normal; min-width: 9rem }
th:first-child, td:first-child { position: sticky; left: 0; z-index: 1; border-right: 1px solid var(--faint) }
td:first-child { background: var(--paper) }
tbody tr:hover td { background: var(--band) }
tr.exact { font-weight: 600 }
.words { text-align: left }
th button { all: unset; cursor: pointer; text-decoration: underline dotted var(--soft); text-underline-offset: .25em }
th button:focus-visible { outline: 2px solid var(--ink) }
th[aria-sort=ascending] button::after { content: " ▲" }
th[aria-sort=descending] button::after { content: " ▼" }
.charts { display: grid; gap: 1.5rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)) }
figure { margin: 0 }
figcaption { color: var(--soft); font-size: .9rem }
svg { width: 100%; max-width: 44rem; height: auto; display: block }
svg text { font-family: inherit !important; paint-order: stroke; stroke: var(--paper); stroke-width: 3px;
  stroke-linejoin: round }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; margin: 1rem 0; font-size: .9rem }
dt { color: var(--soft) }
dd { margin: 0; overflow-wrap: anywhere }
@media (max-width: 40rem) { table { font-size: .75rem } th, td { padding: .4rem .3rem } }
"""

SCRIPT = """
for (const button of document.querySelectorAll("th button")) button.onclick = () => {
  const th = button.closest("th"), at = th.cellIndex, body = th.closest("table").tBodies[0];
  const up = th.ariaSort !== "ascending", key = row => row.cells[at].dataset.value, rows = [...body.rows];
  for (const other of th.parentNode.cells) other.removeAttribute("aria-sort");
  th.setAttribute("aria-sort", up ? "ascending" : "descending");
  rows.sort((a, b) => (up ? 1 : -1) * (key(a) - key(b) || key(a).localeCompare(key(b), "en", { numeric: true })));
  body.append(...rows);
};
"""

METHOD = """
<li>Every mechanism is called on the same arrays in the same process, after a warm-up that compiles its kernels.</li>
<li>Time is the median of repeated calls, with the quartiles;
 of a call that takes 2 s and more twice, the smaller time.</li>
<li>GFLOP and counted memory come from running the same text on arrays that have shapes and no values.
 One multiplication and one addition are two operations.</li>
<li>Memory is what a call holds at its peak beside its inputs, the output included.</li>
"""


def page(report: Report) -> str:
    """The page."""
    size = report.sizes
    causal = ", causal" if report.plan.causal else ""
    lead = f"{report.source}: n = {size['n']:,}, d = {size['d']}, {report.dtype}{causal}"
    pictures = [
        _figure(
            charts.error_against_time(report),
            "Error against time",
            "Down is nearer to exact attention, whose own time is dotted; left is faster; hollow: its own weights.",
        )
    ]
    for lines, quantity, title, caption in (
        (report.measured, "seconds", "Measured time", "on the first tokens of the same input"),
        (report.counted, "flops", "Operations", "counted for the whole batch, up to n = 2²⁰"),
        (report.counted, "peak", "Memory", "counted beside the inputs, up to n = 2²⁰"),
    ):
        if lines:
            pictures.append(_figure(charts.growth(lines, quantity), f"{title} as the length grows", caption))
    style = STYLE.replace("LIGHT", _series(LIGHT)).replace("DARK", _series(DARK))
    told = "".join(f"<dt>{escape(key)}</dt><dd>{escape(text)}</dd>" for key, text in notes(report))
    columns = "".join(f"<li><b>{escape(c.title)}</b>: {escape(c.about)}</li>" for c in ORDERED)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Attention mechanisms compared</title>
<style>{style}</style>
</head>
<body>
<h1>Attention mechanisms compared</h1>
<p class="lead">{escape(lead)}</p>
{_table(report)}
<dl>{told}</dl>
<h2>Pictures</h2>
<div class="charts">{"".join(pictures)}</div>
<h2>How it was measured</h2>
<ul>{METHOD}{columns}</ul>
<script>{SCRIPT}</script>
</body>
</html>
"""


def _table(report: Report) -> str:
    heads = "".join(
        f'<th scope="col"{_words(c.title)}><button title="{escape(c.about)}">{escape(c.title)}</button></th>'
        for c in ORDERED
    )
    body = ""
    for row in report.rows:
        cells = ((c.title, c.text(report, row), c.value(report, row)) for c in ORDERED)
        told = "".join(
            f'<td{_words(title)} data-value="{_value(value)}">{escape(text)}</td>' for title, text, value in cells
        )
        body += f"<tr{' class=exact' if kind(row) == 'exact' else ''}>{told}</tr>\n"
    return f'<div class="scroll"><table>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{body}</tbody>\n</table></div>'


def _figure(svg: str, title: str, caption: str) -> str:
    named = svg.replace("<svg", f'<svg aria-label="{escape(title)}"', 1)
    return f"<figure><h3>{escape(title)}</h3>{named}<figcaption>{escape(caption)}</figcaption></figure>"


def _words(title: str) -> str:
    return ' class="words"' if title in WORDS else ""


def _value(value: Any) -> str:
    return escape(f"{value:.9g}" if isinstance(value, float) else str(value))


def _series(colours: Sequence[str]) -> str:
    return " ".join(f"--series-{i}: {colour};" for i, colour in enumerate(colours))
