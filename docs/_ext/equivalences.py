"""Tables that are computed while the pages are built.

``{equivalence-table}``   every equivalence that is tested
``{knob-table}``          every approximation on the embedded input, as its knob grows
"""

from sphinx.util.docutils import SphinxDirective

from factorattn import CATALOGUE
from factorattn.data import load_minilm
from factorattn.testing.equivalences import EQUIVALENCES
from factorattn.testing.knobs import knob_errors, knob_option

LENGTH = 256
SETTINGS = (8, 32, 128, LENGTH)


class Equivalences(SphinxDirective):
    """One line for each edge."""

    def run(self):
        """Print the table."""
        lines = ["| | | when |", "|---|---|---|"]
        lines += [f"| {linked(edge.left)} | {linked(edge.right)} | {edge.when} |" for edge in EQUIVALENCES]
        return self.parse_text_to_nodes("\n".join(lines))


class Knobs(SphinxDirective):
    """One line for each approximation that has a knob."""

    def run(self):
        """Compute, and print the table."""
        inputs = tuple(x[1] for x in load_minilm(n=LENGTH, dtype="float64"))
        heads = " | ".join(f"{size}" for size in SETTINGS)
        lines = [f"| mechanism | approximates | knob | {heads} |", f"|---|---|---|{'--:|' * len(SETTINGS)}"]
        for name, f in CATALOGUE.items():
            if f.record.approximates and knob_option(f):
                errors = " | ".join(f"{error:.2g}" for error in knob_errors(f, inputs, SETTINGS))
                cells = f"{linked(name)} | {linked(f.record.approximates)} | `{knob_option(f)}`"
                lines.append(f"| {cells} | {errors} |")
        return self.parse_text_to_nodes("\n".join(lines))


def linked(name):
    """The name of a mechanism as a link to its page; other names as they are."""
    return f"[{name.removesuffix('_attention')}](/attention/{name}.md)" if name in CATALOGUE else name


def setup(app):
    """Register the directives."""
    app.add_directive("equivalence-table", Equivalences)
    app.add_directive("knob-table", Knobs)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
