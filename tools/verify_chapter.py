"""Fills the list of docs/verify.md from the registry of identities, and draws its picture from a finished folder.

Usage: python tools/verify_chapter.py [gibbsite-verify]
"""

import dataclasses
import json
import pathlib
import sys

from gibbsite.compare.chart import Figure
from gibbsite.compare.figures import files
from gibbsite.verify import IDENTITIES, Field
from gibbsite.verify.page import figure_of

PAGE = pathlib.Path(__file__).parents[1] / "docs" / "verify.md"
BEGIN, END = "<!-- identities -->\n", "<!-- end of identities -->\n"
SHOWN = ("jarzynski", "crooks", "ula-bias", "pcd-drift", "kl-directions", "blind-to-masses", "mean-field-transition", "onsager-limit")


def listing() -> str:
    """Every identity, field by field, as the chapter has it."""
    lines = []
    for field in Field:
        lines += [f"### {field.value}", ""]
        for identity in (i for i in IDENTITIES if i.field is field):
            lines += [f"**{identity.title}** (`{identity.name}`)", "", f"    {identity.formula}", ""]
            lines += [f"{identity.conditions} *{identity.source}.* {identity.text()['measured']} The twin: {identity.broken}.", ""]
    return "\n".join(lines)


def chapter(text: str) -> str:
    """The chapter with its list made anew."""
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n{listing()}\n{END}{rest.split(END)[1]}"


def picture(folder: pathlib.Path) -> bytes:
    """Eight of the figures, as PNG."""
    charts = []
    for name in SHOWN:
        record = json.loads((folder / "identities" / f"{name}.json").read_text(encoding="utf-8"))
        charts.append(dataclasses.replace(figure_of(record).charts[0], size=(3.3, 2.6)))
    return files(Figure("verify", "", "", tuple(charts)))["png"]


def main() -> None:
    """Writes the chapter, and its picture where a folder is named."""
    PAGE.write_text(chapter(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    if len(sys.argv) > 1:
        PAGE.with_suffix(".png").write_bytes(picture(pathlib.Path(sys.argv[1])))


if __name__ == "__main__":
    main()
