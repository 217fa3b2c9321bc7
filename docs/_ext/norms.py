"""Bars in docstrings are norms, |x|, and no substitutions of reStructuredText."""

import re

CODE = re.compile(r"(``.+?``|`.+?`)")


def escape(app, what, name, obj, options, lines):
    """Escape the bars of a docstring that are not in code."""
    lines[:] = [line if line.lstrip().startswith((">>>", "...")) else _escaped(line) for line in lines]


def _escaped(line):
    return "".join(part if part.startswith("`") else part.replace("|", r"\|") for part in CODE.split(line))


def setup(app):
    """Register the hook, before numpydoc's."""
    app.setup_extension("sphinx.ext.autodoc")
    app.connect("autodoc-process-docstring", escape, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
