"""A MkDocs hook: formulas become MathML while the pages are built, so that they need no script and no network."""

import html
import re
from typing import Any

from latex2mathml.converter import convert

FORMULA = re.compile(r'<(div|span) class="arithmatex">\\[\[(](.*?)\\[\])]</\1>', re.S)


def on_page_content(content: str, **_: Any) -> str:
    """The page with every formula that `pymdownx.arithmatex` has marked put into MathML."""
    return FORMULA.sub(_formula, content)


def _formula(found: re.Match) -> str:
    return convert(html.unescape(found[2].strip()), display="block" if found[1] == "div" else "inline")
