"""Facts about mechanisms and factorizations, printed from their records and counted from their text: none is typed.

``{catalogue-table}``                      all mechanisms, a line each
``{catalogue-facts} window_attention``     everything known of one mechanism
``{factor-table}``                         all factorizations
``{factor-facts} cur``                     everything known of one factorization
"""

import inspect
import re
from fractions import Fraction

from sphinx.util.docutils import SphinxDirective

from factorattn import CATALOGUE, NeedsValues, family, memory_polynomial, time_polynomial
from factorattn.complexity import monomials
from factorattn.complexity.polynomial import Polynomial
from factorattn.factor import FACTORIZATIONS


class Table(SphinxDirective):
    """All mechanisms of the catalogue, by family."""

    def run(self):
        """Print the table."""
        lines = [
            "| mechanism | family | time | memory | causal | mask | approximates |",
            "|---|---|---|---|---|---|---|",
        ]
        for name in sorted(CATALOGUE, key=lambda name: (family(CATALOGUE[name]), name)):
            record = CATALOGUE[name].record
            target = f"as ${record.knob}$ grows" if record.approximates else "–"
            cells = (
                f"[`{name}`](/attention/{name}.md)",
                family(CATALOGUE[name]),
                declared(record.time),
                declared(record.memory),
                record.causal,
                yes(record.mask),
                f"{record.approximates.removesuffix('_attention')}, {target}" if record.approximates else target,
            )
            lines.append(f"| {' | '.join(cells)} |")
        return self.parse_text_to_nodes("\n".join(lines))


class Facts(SphinxDirective):
    """The record of one mechanism, and the exact cost of each of its forms."""

    required_arguments = 1

    def run(self):
        """Print both tables."""
        f = CATALOGUE[self.arguments[0]]
        record = f.record
        default = inspect.signature(f).parameters["form"].default
        rows = {
            "family": f"`{family(f)}`",
            "inputs": f"`{record.inputs}`",
            "declared time": declared(record.time),
            "declared memory": declared(record.memory),
            "causal": f"never: {record.refuses['causal']}" if record.causal == "never" else record.causal,
            "mask": f"`(..., {', '.join(record.mask_shape.split())})`"
            if record.mask
            else f"no: {record.refuses['mask']}",
            "weights sum to one": yes(record.normalised),
            "paper": f"{{cite:t}}`{record.paper}`",
        }
        if record.approximates:
            target = f"[`{record.approximates}`](/attention/{record.approximates}.md)"
            rows["approximates"] = f"{target}, better as ${record.knob}$ grows"
        lines = ["| | |", "|---|---|"] + [f"| {name} | {value} |" for name, value in rows.items()]
        lines += ["", "| form | operations | bytes at the peak, float32 |", "|---|---|---|"]
        for form in record.forms:
            name = f"`{form}`" + (" (default)" if form == default else "")
            time, memory = (polynomial(count, f, form) for count in (time_polynomial, memory_polynomial))
            lines.append(f"| {name} | {time} | {memory} |")
        return self.parse_text_to_nodes("\n".join(lines))


EXACT = {
    "always": "always",
    "rank": "from the rank of the matrix on",
    "form": "for matrices of its form",
    "never": "–",
}
NEEDS = {
    "any": "any matrix",
    "square": "square",
    "semidefinite": "positive semidefinite",
    "nonnegative": "no negative entries",
    "tensor": "tensor",
}


class FactorTable(SphinxDirective):
    """All factorizations, by family."""

    def run(self):
        """Print the table."""
        lines = ["| factorization | family | takes | exact | nearest | draws | paper |", "|---" * 7 + "|"]
        for name in sorted(FACTORIZATIONS, key=lambda name: (family(FACTORIZATIONS[name]), name)):
            f = FACTORIZATIONS[name]
            record = f.record
            cells = (
                f"[`{name}`](/factor/{family(f)}.md#{name.replace('_', '-')})",
                family(f),
                NEEDS[record.needs],
                EXACT[record.exact],
                yes(record.optimal),
                yes(record.random),
                f"{{cite:t}}`{record.paper}`",
            )
            lines.append(f"| {' | '.join(cells)} |")
        return self.parse_text_to_nodes("\n".join(lines))


class FactorFacts(SphinxDirective):
    """The record of one factorization."""

    required_arguments = 1

    def run(self):
        """Print it."""
        f = FACTORIZATIONS[self.arguments[0]]
        record = f.record
        rows = {
            "inputs": f"`{record.inputs}`",
            "takes": NEEDS[record.needs],
            "exact": EXACT[record.exact],
            "nearest of its form": yes(record.optimal),
            "rank at most what is asked for": yes(record.lowrank),
            "draws from `rng=`": yes(record.random),
            "declared time of factoring": declared(record.time),
            "counted, for p ≤ q at full rank": counted(f),
            "paper": f"{{cite:t}}`{record.paper}`",
        }
        lines = ["| | |", "|---|---|"] + [f"| {name} | {value} |" for name, value in rows.items()]
        return self.parse_text_to_nodes("\n".join(lines))


def counted(f):
    """The exact polynomial of a factorization, or why it has none."""
    try:
        return in_math(str(time_polynomial(f)))
    except NeedsValues:
        return "not counted: how far it goes depends on values"
    except (ValueError, NotImplementedError):
        return "no polynomial in these sizes"


def declared(formula):
    """A declared formula ("n*m*d + n*m*e") in the notation of what is counted ("d m n + e m n")."""
    return in_math(str(Polynomial({monomial: Fraction(1) for monomial in monomials(formula)})))


def polynomial(count, f, form):
    """The exact polynomial of a form, or why it has none."""
    try:
        return in_math(str(count(f, form=form)))
    except ValueError:  # NotPolynomial, or arrays too large to be read
        return "no polynomial (edges cut tiles); `cost` counts it at any sizes"


def in_math(formula):
    """A polynomial ("m^2 n + 1025/512 m n") as equations, one a term: lines break between them."""

    def term(text):
        text = re.sub(r"(\d+)/(\d+)", r"\\tfrac{\1}{\2}", text)
        text = re.sub(r"\^([\d/]+)", r"^{\1}", text)
        return f"${text.replace(' ', chr(92) + ',')}$"

    return " + ".join(map(term, formula.replace(" - ", " + -").split(" + ")))


def yes(flag):
    """A flag in words."""
    return "yes" if flag else "no"


def setup(app):
    """Register the directives."""
    app.add_directive("catalogue-table", Table)
    app.add_directive("catalogue-facts", Facts)
    app.add_directive("factor-table", FactorTable)
    app.add_directive("factor-facts", FactorFacts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
