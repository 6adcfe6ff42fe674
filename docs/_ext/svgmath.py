"""Formulas as inline SVG, set at build time: no script, no font, no network."""

from functools import cache
from html import escape
from xml.etree import ElementTree

import ziamath
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.math import get_node_equation_number

#: Font size that formulas are drawn at; lengths are written in units of it.
SIZE = 20.0

ziamath.config.svg2 = False  # glyphs as paths: identifiers would clash on a page
ziamath.config.math.color = "currentColor"


@cache
def svg(tex: str, display: bool) -> str:
    """Return a formula as an SVG element that scales with the text around it."""
    element = ziamath.Latex(tex, size=SIZE, inline=not display).svgxml()
    _, top, width, height = (float(each) for each in element.get("viewBox").split())
    element.set("width", f"{width / SIZE:.3f}em")
    element.set("height", f"{height / SIZE:.3f}em")
    element.set("style", f"vertical-align:{-(top + height) / SIZE:.3f}em")
    element.set("role", "img")
    element.set("aria-label", tex)
    return ElementTree.tostring(element, encoding="unicode")


def visit_math(self, node: nodes.math) -> None:
    """Write a formula within a line."""
    self.body.append(f'<span class="formula">{svg(node.astext(), False)}</span>')
    raise nodes.SkipNode


def visit_math_block(self, node: nodes.math_block) -> None:
    """Write a formula that stands by itself, with its number if it has one."""
    number = get_node_equation_number(self, node)
    label = f'<span class="eqno">({escape(number)})</span>' if number else ""
    anchor = f' id="{node["ids"][0]}"' if node["ids"] else ""
    formula = svg(node.astext(), True)
    self.body.append(f'<div class="formula"{anchor}>{formula}{label}</div>')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the renderer and make it the one of this site."""
    app.add_html_math_renderer("svg", (visit_math, None), (visit_math_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
