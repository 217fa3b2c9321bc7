"""Equations as MathML, made by docutils: browsers draw it, so pages need neither script nor network."""

import re

from docutils.nodes import SkipNode
from docutils.utils.math.latex2mathml import tex2mathml

PART = r"\s*(\w|\{[^{}]*\})"  # of a fraction: a letter, a digit, or what stands in braces


def _mathml(tex, **options):
    """As docutils has it, but fractions get braces, and accents stand above letters: browsers draw them through."""
    tex = re.sub(
        rf"frac{PART}{PART}", lambda found: "frac" + "".join(f"{{{part.strip('{}')}}}" for part in found.groups()), tex
    )
    return tex2mathml(tex, **options).replace('<mover accent="true">', '<mover accent="false">')


def _inline(translator, node):
    translator.body.append(_mathml(node.astext()))
    raise SkipNode


def _display(translator, node):
    tex = node.astext()
    if r"\\" in tex and r"\begin" not in tex:
        tex = rf"\begin{{aligned}}{tex}\end{{aligned}}"
    translator.body.append(_mathml(tex, as_block=True))
    raise SkipNode


def setup(app):
    """Register the renderer ``html_math_renderer = "mathml"``."""
    app.add_html_math_renderer("mathml", inline_renderers=(_inline, None), block_renderers=(_display, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
