"""Files of a report: one self-contained HTML page, figures as PNG and SVG, tables as CSV."""

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from swissbert.analysis.style import INK, RULE, SOFT, render
from swissbert.errors import SwissbertError
from swissbert.files import need_name, only_writer, write_folder

MARK = "swissbert-report.json"
"""File that marks a folder as a report, so that a later report may replace it."""


@dataclass(frozen=True)
class Picture:
    """A figure of a report.

    Attributes:
        name: File name without ending.
        figure: The figure.
        description: Text alternative for screen readers.
    """

    name: str
    figure: Figure
    description: str


@dataclass(frozen=True)
class Table:
    """A table of a report.

    Attributes:
        name: Name of the CSV file without ending.
        title: Heading above it.
        header: Column heads.
        rows: Cells; numbers are sorted as numbers and aligned right. NaN is an empty cell.
        digits: Digits behind the point of fractions.
    """

    name: str
    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[object]]
    digits: int = 3

    def has_long_texts(self, column: int) -> bool:
        """Return whether a cell of a column needs a line of its own on a phone."""
        return any(isinstance(row[column], str) and len(str(row[column])) > LONG_TEXT for row in self.rows)


LONG = 12
"""Rows from which a table is folded."""
LONG_TEXT = 22
"""Characters from which a text gets a line of its own on a phone."""
LEAST = 54
"""Pixels of the page for each inch of a figure, at least: the letters then have 7.5 pixels. Wider figures scroll."""
FOOTER = (
    "The folder of this page holds all figures as PNG and SVG files and all tables as CSV files. Click a column head to sort a "
    "table."
)
Part = Picture | Table


@dataclass
class Section:
    """A section of a report.

    Attributes:
        anchor: Its id in the page.
        title: Heading.
        text: Text below the heading.
        parts: Figures and tables, in order.
        points: Sentences in a list below the text.
        how: How the figures are made, for people who ask: the last paragraph.
    """

    anchor: str
    title: str
    text: str
    parts: list[Part] = field(default_factory=list)
    points: list[str] = field(default_factory=list)
    how: str = ""


def inline_svg(name: str, file: bytes, description: str = "") -> str:
    """Turn an SVG file into an element of a page: unique ids, colours of the page, no metadata.

    Args:
        name: Prefix of the ids.
        file: Contents of the file.
        description: Text alternative for screen readers.
    """
    text = file.decode()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    used = set(re.findall(r'(?:url\(#|href="#)([^")]+)', text))
    text = re.sub(r' id="([^"]*)"', lambda match: f' id="svg-{name}-{match[1]}"' if match[1] in used else "", text)
    text = re.sub(r'(url\(#|href="#)', rf"\g<1>svg-{name}-", text)
    for colour, variable in ((INK, "ink"), (SOFT, "soft"), (RULE, "rule")):
        text = text.replace(colour, f"var(--{variable})")
    return text.replace("<svg ", f'<svg role="img" aria-label="{escape(description)}" ', 1)


def page_text(
    title: str,
    facts: Sequence[tuple[str, str]],
    sections: Sequence[Section],
    *,
    svg: Mapping[str, bytes] | None = None,
    footer: str = FOOTER,
) -> str:
    """Return a page that loads nothing, as HTML.

    Args:
        title: Title of the page.
        facts: Names and values at the end of the page.
        sections: Sections, in order.
        svg: Figures by name, if they are drawn already.
        footer: Last line.
    """
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string((Path(__file__).parent / "report.html.jinja").read_text(encoding="utf-8"))
    figures = [part for section in sections for part in section.parts if isinstance(part, Picture)]
    files = {part.name: render(part.figure, "svg") for part in figures} if svg is None else svg
    pictures = {part.name: Markup(inline_svg(part.name, files[part.name], part.description)) for part in figures}
    least = {part.name: round(LEAST * part.figure.get_figwidth()) for part in figures}
    return template.render(
        title=title, facts=facts, sections=sections, pictures=pictures, least=least, cell=cell, long=LONG, footer=footer
    )


def write_page(out: Path, title: str, facts: Sequence[tuple[str, str]], sections: Sequence[Section]) -> Path:
    """Write a report atomically; an earlier report in its place is replaced.

    Args:
        out: Folder of ``index.html``, ``figures/`` and ``tables/``.
        title: Title of the page.
        facts: Names and values at the top of the page.
        sections: Sections, in order.

    Returns:
        Path of the page.

    Raises:
        SwissbertError: If `out` holds something else.
    """
    check_out(out)
    parts = [part for section in sections for part in section.parts]
    svg = {part.name: render(part.figure, "svg") for part in parts if isinstance(part, Picture)}
    page = page_text(title, facts, sections, svg=svg)

    def fill(folder: Path) -> None:
        (folder / "figures").mkdir()
        (folder / "tables").mkdir()
        for part in parts:
            if isinstance(part, Picture):
                (folder / "figures" / f"{part.name}.svg").write_bytes(svg[part.name])
                (folder / "figures" / f"{part.name}.png").write_bytes(render(part.figure, "png"))
            else:
                with (folder / "tables" / f"{part.name}.csv").open("w", encoding="utf-8", newline="") as file:
                    csv.writer(file).writerows([part.header, *(map(_csv_cell, row) for row in part.rows)])
        (folder / "index.html").write_text(page, encoding="utf-8")
        (folder / MARK).write_text("{}\n", encoding="utf-8")

    with only_writer(out, creates_parents=True):
        check_out(out)  # another process may have written there since
        write_folder(out, fill)
    return out / "index.html"


def check_out(out: Path) -> None:
    """Check that a report may be written to a folder.

    Raises:
        SwissbertError: If it holds something that is not a report.
    """
    need_name(out, "report")
    if out.exists() and not (out.is_dir() and (not any(out.iterdir()) or (out / MARK).is_file())):
        raise SwissbertError(f"{out}: not empty and not a report; choose another folder", argument="out")


def _csv_cell(value: object) -> object:
    """Return a cell of a CSV file: empty for NaN."""
    return "" if value != value else value


def cell(value: Any, digits: int) -> str:
    """Format a cell: fractions with `digits` digits, integers with separators, NaN as nothing."""
    if isinstance(value, float):
        return "" if value != value else f"{value:.{digits}f}".replace("-", "−")
    return f"{value:,}" if isinstance(value, int) else str(value)
